//! CLUSTERSCAN: a walk over the keys of the whole cluster, whichever node has them.
//!
//! ```text
//!   0  ->  0-{06S}-0  ->  Gk2a0Z-{06S}-1234  -> ... ->  0-{5L5}-0  -> ... ->  0
//!          the first      the next slot here,           the first slot
//!          slot           and where in it               of another node
//! ```
//!
//! Between the hyphens stands a text of the slot, so that a cursor goes to the right node as a key would. The first part
//! says whose order of keys the last one counts in: to any other process the slot starts anew.

use super::cluster::check_enabled;
use super::keys::{Listed, list_keys};
use crate::call::Call;
use crate::commands::ScanOptions;
use crate::routes::MYSELF;
use crate::table::Command;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::{crc16, number};
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};

const INVALID_CURSOR: Refusal = Refusal::Text("ERR Invalid cursor");
const INVALID_SLOT: Refusal = Refusal::Text("ERR Invalid or out of range slot");
const SECOND_SLOT: Refusal = Refusal::Text("ERR SLOT option can only be specified once");
const OTHER_SLOT: Refusal = Refusal::Text("ERR Cursor slot mismatch with SLOT argument");

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "clusterscan",
        summary: "Walks over the keys of the whole cluster.",
        since: "9.1.0",
        group: Group::Cluster,
        cost: "O(N)",
        syntax: "cursor/s [MATCH match-pattern] [COUNT count] [TYPE type] [SLOT slot]",
        arity: Arity::AtLeast(2),
        flags: Flags::READONLY,
        acl: Acl::KEYSPACE,
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        keys: Keys::One { at: 1, access: Access::NOT_KEY },
    },
    run: clusterscan,
    subcommands: &[],
}];

fn clusterscan(call: &mut Call<'_>) -> Result<(), Refusal> {
    check_enabled(call)?;
    let (options, only) = options(call)?;
    let cursor = call.args.at(1);
    if cursor == b"0" {
        say(call, &start_of(only.unwrap_or(0)), &Listed::default());
        return Ok(());
    }
    let (fingerprint, place) = parts(cursor).ok_or(INVALID_CURSOR)?;
    let slot = crc16::slot_of(cursor);
    if only.is_some_and(|only| only != slot) {
        return Err(OTHER_SLOT);
    }
    let mine = fingerprint_of(call);
    // What counts in another order is worth nothing here.
    let place = if fingerprint == mine.as_bytes() { place } else { 0 };
    let last = if only.is_some() { slot } else { last_here(call, slot) };
    let db = call.keys.db;
    let (next, listed) = list_keys(call, &options, |keyspace, count, visit| {
        keyspace.scan_slots(db, slot..=last, place, count, visit)
    });
    let next = match next {
        0 if only.is_some() || last + 1 == crc16::SLOTS => String::from("0"),
        0 => start_of(last + 1),
        _ => format!("{mine}-{{{}}}-{next}", crc16::text_of((next >> 48) as u16)),
    };
    say(call, &next, &listed);
    Ok(())
}

/// The options, and SLOT. What comes first among the words is what is complained of.
fn options<'a>(call: &Call<'a>) -> Result<(ScanOptions<'a>, Option<u16>), Refusal> {
    let (mut words, mut slot) = (Vec::new(), None);
    let mut args = call.args.from(2).iter();
    while let Some(word) = args.next() {
        match args.next() {
            Some(value) if word.eq_ignore_ascii_case(b"slot") => {
                checked(&words)?;
                if slot.is_some() {
                    return Err(SECOND_SLOT);
                }
                let number = number::parse_i64(value).and_then(|number| u16::try_from(number).ok());
                slot = Some(number.filter(|slot| *slot < crc16::SLOTS).ok_or(INVALID_SLOT)?);
            }
            value => words.extend([word].into_iter().chain(value)),
        }
    }
    Ok((checked(&words)?, slot))
}

/// The options but SLOT.
fn checked<'a>(words: &[&'a [u8]]) -> Result<ScanOptions<'a>, Refusal> {
    if words.last().is_some_and(|word| words.len() % 2 == 1 && word.eq_ignore_ascii_case(b"novalues")) {
        checked(&words[..words.len() - 1])?;
        return Err(Refusal::Text("ERR NOVALUES option can only be used in HSCAN"));
    }
    ScanOptions::of(words, true)?.check_kind()
}

/// The cursor with which a slot begins, at whichever node it is.
fn start_of(slot: u16) -> String {
    format!("0-{{{}}}-0", crc16::text_of(slot))
}

/// A cursor's fingerprint, and the place in its slot. Whatever stands between them, its slot is that of the cursor.
fn parts(cursor: &[u8]) -> Option<(&[u8], u64)> {
    let mut parts = cursor.splitn(3, |byte| *byte == b'-');
    let (Some(fingerprint), Some(_), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    // Leading zeros and a plus sign are taken, as by C.
    let digits = place.strip_prefix(b"+").unwrap_or(place);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let digits = &digits[zeros.min(digits.len().saturating_sub(1))..];
    Some((fingerprint, number::parse_u64(digits)?))
}

/// By what this process knows its own cursors.
fn fingerprint_of(call: &Call<'_>) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = call.keys.shared.keyspace.fingerprint();
    (0..6).map(|digit| char::from(DIGITS[(bits >> (5 * digit)) as usize % 32])).collect()
}

/// The last slot after `slot` without one of another owner's between.
fn last_here(call: &Call<'_>, slot: u16) -> u16 {
    let routes = &call.keys.shared.routes;
    let owner = routes.slot(slot).owner;
    if owner != MYSELF && owner != routes.primary {
        // It is being imported: of the slots beside it there is nothing here.
        return slot;
    }
    (slot..crc16::SLOTS - 1).find(|slot| routes.slot(slot + 1).owner != owner).unwrap_or(crc16::SLOTS - 1)
}

fn say(call: &mut Call<'_>, cursor: &str, listed: &Listed) {
    call.reply.array(2);
    call.reply.bulk(cursor.as_bytes());
    call.reply.array(listed.count);
    call.reply.raw(&listed.keys);
}
