//! Bitmaps: strings by their bits.

use crate::call::{Call, Class};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::vec;
use alloc::vec::Vec;
use base::number;
use core::iter::once;
use data::bits::{self, Combine};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::batch::Args;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "setbit",
            summary: "Sets or clears a bit of the string at a key and returns what it was.",
            since: "2.2.0",
            group: Group::Bitmap,
            syntax: "key offset value/i",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::BITMAP,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: setbit,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getbit",
            summary: "Returns a bit of the string at a key.",
            since: "2.2.0",
            group: Group::Bitmap,
            syntax: "key offset",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::BITMAP,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: getbit,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bitcount",
            summary: "Counts the set bits of the string at a key.",
            since: "2.6.0",
            group: Group::Bitmap,
            cost: "O(N)",
            syntax: "key [start [end/i [BYTE | BIT]]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::BITMAP,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: bitcount,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bitpos",
            summary: "Finds the first set or clear bit of the string at a key.",
            since: "2.8.7",
            group: Group::Bitmap,
            cost: "O(N)",
            syntax: "key bit [start [end/i [BYTE | BIT]]]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            acl: Acl::BITMAP,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: bitpos,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bitop",
            summary: "Combines the strings at several keys bit by bit and stores the result.",
            since: "2.6.0",
            group: Group::Bitmap,
            cost: "O(N)",
            syntax: "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::BITMAP,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(3),
                    find: Find::Range { last: -1, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: bitop,
        subcommands: &[],
    },
];

/// `proto-max-bulk-len`; it binds no primary.
pub fn bulk_len_max(call: &Call<'_>) -> u64 {
    if call.session.is_stream { u64::MAX } else { call.core.settings.bulk_len_max }
}

/// The offset of a bit; it must lie within the longest string that may be.
pub fn bit_offset(text: &[u8], bulk_len_max: u64) -> Result<u64, Refusal> {
    let invalid = Refusal::Text("ERR bit offset is not an integer or out of range");
    let offset = number::parse_i64(text).and_then(|offset| u64::try_from(offset).ok());
    offset.filter(|offset| offset / 8 < bulk_len_max).ok_or(invalid)
}

fn setbit(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let offset = bit_offset(call.args.at(2), bulk_len_max(call))?;
    let is_set = match number::parse_i64(call.args.at(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(Refusal::Text("ERR bit is not an integer or out of range")),
    };
    let (at, mask) = ((offset / 8) as usize, 0x80u8 >> (offset % 8));
    let (before, is_changed) = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let mut room = [0; 20];
            let byte = keys::string(&entry.as_ref())?.bytes(&mut room).get(at).copied();
            let before = byte.unwrap_or(0) & mask != 0;
            let is_changed = byte.is_none() || before != is_set;
            entry.edit(at + 1, once(at..at + 1), |text| {
                text[at] = if is_set { text[at] | mask } else { text[at] & !mask }
            });
            (before, is_changed)
        }
        Place::Free(free) => {
            let mut text = vec![0; at + 1];
            text[at] = if is_set { mask } else { 0 };
            free.insert_raw(text);
            (false, true)
        }
    };
    if is_changed {
        call.as_requested();
        call.changed(Class::STRING, "setbit", key);
    }
    call.reply.integer(i64::from(before));
    Ok(())
}

fn getbit(call: &mut Call<'_>) -> Result<(), Refusal> {
    let offset = bit_offset(call.args.at(2), bulk_len_max(call))?;
    let mut room = [0; 20];
    let byte = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::string(&entry)?.bytes(&mut room).get((offset / 8) as usize).copied(),
        None => None,
    };
    call.reply.integer(i64::from(byte.unwrap_or(0) >> (7 - offset % 8) & 1));
    Ok(())
}

/// `[start [end [BYTE | BIT]]]` of BITCOUNT and BITPOS.
struct Window {
    start: i64,
    end: Option<i64>,
    in_bits: bool,
}

/// Whose window it is: the originals look at its parts in another order.
#[derive(Clone, Copy)]
enum Form {
    Count,
    Find,
}

impl Window {
    fn parse(args: Args<'_>, form: Form) -> Result<Window, Refusal> {
        if args.len() > 3 {
            return Err(Refusal::Syntax);
        }
        let integer =
            |at| args.get(at).map(|text| number::parse_i64(text).ok_or(Refusal::NotInteger)).transpose();
        let start = integer(0)?.unwrap_or(0);
        let (end, in_bits) = match form {
            Form::Count => (integer(1)?, unit(args.get(2))?),
            Form::Find => {
                let in_bits = unit(args.get(2))?;
                (integer(1)?, in_bits)
            }
        };
        Ok(Window { start, end, in_bits })
    }

    /// The first and the last bit that it shows of a string of `len` bytes; none where it shows nothing.
    fn bits(&self, len: usize) -> Option<(u64, u64)> {
        let total = len as i64 * if self.in_bits { 8 } else { 1 };
        let (start, end) = (self.start, self.end.unwrap_or(total - 1));
        let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
        let (start, end) = (from_end(start), from_end(end).min(total - 1));
        if start > end {
            return None;
        }
        let (start, end) = (start as u64, end as u64);
        Some(if self.in_bits { (start, end) } else { (start * 8, end * 8 + 7) })
    }
}

/// True for BIT, false for BYTE.
fn unit(word: Option<&[u8]>) -> Result<bool, Refusal> {
    match word {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"byte") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"bit") => Ok(true),
        Some(_) => Err(Refusal::Syntax),
    }
}

fn bitcount(call: &mut Call<'_>) -> Result<(), Refusal> {
    let window = Window::parse(call.args.from(2), Form::Count)?;
    let mut room = [0; 20];
    let text = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::string(&entry)?.bytes(&mut room),
        None => &[],
    };
    // Empty, however short the string is: both ends are not taken for its start.
    let is_empty = window.start < 0 && window.end.is_some_and(|end| end < 0 && window.start > end);
    let range = window.bits(text.len()).filter(|_| !is_empty);
    let count = range.map_or(0, |(start, end)| bits::count_range(text, start, end));
    call.reply.integer(count as i64);
    Ok(())
}

fn bitpos(call: &mut Call<'_>) -> Result<(), Refusal> {
    let wanted = match number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)? {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Text("ERR The bit argument must be 1 or 0.")),
    };
    let window = Window::parse(call.args.from(3), Form::Find)?;
    let mut room = [0; 20];
    let Some(entry) = call.keys.read(call.args.at(1)) else {
        call.reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let text = keys::string(&entry)?.bytes(&mut room);
    let found = window.bits(text.len()).and_then(|(start, end)| {
        // A string whose end is not given goes on with zeros.
        let beyond = (!wanted && window.end.is_none()).then_some(end + 1);
        bits::find(text, wanted, start, end).or(beyond)
    });
    call.reply.integer(found.map_or(-1, |at| at as i64));
    Ok(())
}

/// The operations by name, with the fewest sources that they take.
const OPERATIONS: [(&str, Combine, usize); 8] = [
    ("and", Combine::And, 1),
    ("or", Combine::Or, 1),
    ("xor", Combine::Xor, 1),
    ("not", Combine::Not, 1),
    ("diff", Combine::Diff, 2),
    ("diff1", Combine::Diff1, 2),
    ("andor", Combine::AndOr, 2),
    ("one", Combine::One, 1),
];

fn bitop(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (word, target) = (call.args.at(1), call.args.at(2));
    let operation = OPERATIONS.iter().find(|(name, ..)| word.eq_ignore_ascii_case(name.as_bytes()));
    let Some(&(_, how, sources_min)) = operation else { return Err(Refusal::Syntax) };
    let names = call.args.from(3);
    if how == Combine::Not && names.len() != 1 {
        return Err(Refusal::Text("ERR BITOP NOT must be called with a single source key."));
    }
    if names.len() < sources_min {
        return Err(Refusal::Text(
            "ERR BITOP DIFF, DIFF1 and ANDOR must be called with at least two source keys.",
        ));
    }
    // Each key is looked up once to count it and to see to its deadline; then all are borrowed together.
    for key in names.iter() {
        if let Some(entry) = call.keys.read(key) {
            keys::string(&entry)?;
        }
    }
    let mut rooms = vec![[0; 20]; names.len()];
    let strings = names.iter().zip(&mut rooms);
    let sources: Vec<&[u8]> = strings
        .map(|(key, room)| {
            call.keys.find(key).and_then(|entry| entry.string()).map_or(&[][..], |text| text.bytes(room))
        })
        .collect();
    let result = bits::combine(how, &sources);
    let len = result.len();
    if len > 0 {
        call.keys.store_raw(target, result);
        call.as_requested();
        call.changed(Class::STRING, "set", target);
    } else if let Some(entry) = call.keys.taken(target) {
        entry.remove();
        call.as_requested();
        call.changed(Class::GENERIC, "del", target);
    }
    call.reply.integer(len as i64);
    Ok(())
}
