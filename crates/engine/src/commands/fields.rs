//! Fields of hashes with deadlines of their own.

use crate::call::{Call, Class};
use crate::commands::Deadline;
use crate::commands::expiry::Conditions;
use crate::commands::hashes::{answer_field, bury_fields, growth};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use base::number;
use data::FieldDeadline;
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};
use wire::batch::Args;

/// A row that sets deadlines.
macro_rules! setter {
    ($name:literal, $summary:literal, $time:literal, $run:expr) => {
        Command {
            spec: Spec {
                name: $name,
                summary: $summary,
                since: "9.0.0",
                group: Group::Hash,
                cost: "O(N)",
                syntax: concat!("key ", $time, " [NX | XX | GT | LT] <FIELDS numfields field [field ...]>"),
                arity: Arity::AtLeast(6),
                flags: Flags::WRITE.and(Flags::FAST),
                acl: Acl::HASH,
                keys: Keys::One { at: 1, access: Access::UPDATE },
                ..Spec::USUAL
            },
            run: $run,
            subcommands: &[],
        }
    };
}

/// A row that tells of deadlines.
macro_rules! teller {
    ($name:literal, $summary:literal, $run:expr) => {
        Command {
            spec: Spec {
                name: $name,
                summary: $summary,
                since: "9.0.0",
                group: Group::Hash,
                cost: "O(N)",
                syntax: "key <FIELDS numfields field [field ...]>",
                arity: Arity::AtLeast(5),
                flags: Flags::READONLY.and(Flags::FAST),
                acl: Acl::HASH,
                keys: Keys::One { at: 1, access: Access::READ },
                ..Spec::USUAL
            },
            run: $run,
            subcommands: &[],
        }
    };
}

pub static COMMANDS: &[Command] = &[
    setter!("hexpire", "Lets fields of a hash expire after seconds.", "seconds", |call| set(
        call, 1_000, true
    )),
    setter!("hpexpire", "Lets fields of a hash expire after milliseconds.", "milliseconds", |call| set(
        call, 1, true
    )),
    setter!("hexpireat", "Lets fields of a hash expire at a time.", "unix-time-seconds/i", |call| set(
        call, 1_000, false
    )),
    setter!(
        "hpexpireat",
        "Lets fields of a hash expire at a time in milliseconds.",
        "unix-time-milliseconds/i",
        |call| set(call, 1, false)
    ),
    teller!("httl", "Returns the seconds that fields of a hash have left.", |call| tell(call, |at, now| {
        (at.saturating_sub(now).max(0) + 500) / 1_000
    })),
    teller!("hpttl", "Returns the milliseconds that fields of a hash have left.", |call| tell(
        call,
        |at, now| at.saturating_sub(now).max(0)
    )),
    teller!("hexpiretime", "Returns when fields of a hash expire, in seconds since 1970.", |call| tell(
        call,
        |at, _| at.saturating_add(500) / 1_000
    )),
    teller!(
        "hpexpiretime",
        "Returns when fields of a hash expire, in milliseconds since 1970.",
        |call| tell(call, |at, _| at)
    ),
    Command {
        spec: Spec {
            name: "hpersist",
            summary: "Lets fields of a hash no longer expire.",
            since: "9.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key <FIELDS numfields field [field ...]>",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: hpersist,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hgetex",
            summary: "Returns fields of a hash and may change when they expire.",
            since: "9.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] <FIELDS numfields field [field ...]>",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: hgetex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hsetex",
            summary: "Sets fields of a hash and when they expire.",
            since: "9.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key [NX | XX] [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] <FIELDS numfields field value [field value ...]>",
            arity: Arity::AtLeast(6),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: hsetex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hgetdel",
            summary: "Returns fields of a hash and removes them.",
            since: "9.1.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key <FIELDS numfields field [field ...]>",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: hgetdel,
        subcommands: &[],
    },
];

const COUNT_WRONG: Refusal =
    Refusal::Text("ERR numfields should be greater than 0 and match the provided number of fields");

/// Reads `numfields field [field ...]`, where a field is `each` arguments.
fn counted(args: Args<'_>, each: usize) -> Result<Args<'_>, Refusal> {
    let count = number::parse_i64(args.get(0).unwrap_or_default()).ok_or(Refusal::NotInteger)?;
    let listed = args.from(1);
    match usize::try_from(count) {
        Ok(count) if count > 0 && count.checked_mul(each) == Some(listed.len()) => Ok(listed),
        _ => Err(COUNT_WRONG),
    }
}

fn is_fields(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"fields")
}

/// No field, a field without a deadline, a condition that is not met, and so on: what the answers mean.
mod answer {
    pub const NO_FIELD: i64 = -2;
    pub const NO_DEADLINE: i64 = -1;
    pub const NOT_DONE: i64 = 0;
    pub const DONE: i64 = 1;
    pub const REMOVED: i64 = 2;
}

/// A time as an argument, in milliseconds since 1970. It may be past, but not negative.
fn time(call: &Call<'_>, text: &[u8], unit_ms: i64, is_relative: bool) -> Result<u64, Refusal> {
    let invalid = || Refusal::InvalidExpire(call.name());
    let value = number::parse_i64(text).ok_or(Refusal::NotInteger)?;
    let base = if is_relative { call.keys.now_ms as i64 } else { 0 };
    let at = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base)).ok_or_else(invalid)?;
    u64::try_from(at).ok().filter(|_| value >= 0).ok_or_else(invalid)
}

fn time_of(call: &Call<'_>, kind: Deadline, text: &[u8]) -> Result<u64, Refusal> {
    match kind {
        Deadline::Ex => time(call, text, 1_000, true),
        Deadline::Px => time(call, text, 1, true),
        Deadline::ExAt => time(call, text, 1_000, false),
        Deadline::PxAt => time(call, text, 1, false),
    }
}

/// True when a deadline that has passed already removes at once. A replica, and the stream of a primary, wait for the
/// primary's own HDEL.
fn removes(call: &Call<'_>, at: u64) -> bool {
    let waits = call.waits_for_end();
    at <= call.keys.now_ms && !waits
}

/// Passes on `HPEXPIREAT`, `HPERSIST` or `HDEL` for some fields.
fn pass_on(call: &mut Call<'_>, head: &[&[u8]], key: &[u8], time: Option<u64>, fields: &[&[u8]]) {
    let (time, count) = (time.map(|at| number::integer_text(at as i64)), fields.len());
    let count = number::integer_text(count as i64);
    let mut effect: Vec<&[u8]> = [head, &[key]].concat();
    effect.extend(time.as_deref());
    if head != [b"HDEL"] {
        effect.extend([&b"FIELDS"[..], &count]);
    }
    effect.extend(fields);
    call.effect(&effect);
}

/// Removes fields that are there, and the key with the last one, and says so as `event`.
fn remove(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]], event: &str) -> Result<(), Refusal> {
    let Some(mut entry) = call.keys.taken(key).filter(|_| !fields.is_empty()) else { return Ok(()) };
    let mut hash = keys::hash_mut(&mut entry)?;
    fields.iter().for_each(|field| {
        hash.remove(field);
    });
    let is_empty = hash.is_empty();
    drop(hash);
    if is_empty {
        entry.remove();
    }
    if event == "hexpired" {
        call.core.stats.expired_fields += fields.len() as u64;
    }
    pass_on(call, &[b"HDEL"], key, None, fields);
    call.changed(Class::HASH, event, key);
    if is_empty {
        call.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

/// Sets the deadline of fields that are there: at once past ones are removed.
fn give(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]], at: u64) -> Result<(), Refusal> {
    if removes(call, at) {
        return remove(call, key, fields, "hexpired");
    }
    let hash_key = call.keys.shared.keyspace.hash_key();
    let Some(mut entry) = call.keys.taken(key).filter(|_| !fields.is_empty()) else { return Ok(()) };
    let mut hash = keys::hash_mut(&mut entry)?;
    fields.iter().for_each(|field| {
        hash.set_field_deadline(field, Some(at), hash_key);
    });
    drop(hash);
    pass_on(call, &[b"HPEXPIREAT"], key, Some(at), fields);
    call.changed(Class::HASH, "hexpire", key);
    Ok(())
}

/// Takes the deadline from fields that have one.
fn take(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]]) -> Result<(), Refusal> {
    let hash_key = call.keys.shared.keyspace.hash_key();
    let Some(mut entry) = call.keys.taken(key).filter(|_| !fields.is_empty()) else { return Ok(()) };
    let mut hash = keys::hash_mut(&mut entry)?;
    fields.iter().for_each(|field| {
        hash.set_field_deadline(field, None, hash_key);
    });
    drop(hash);
    pass_on(call, &[b"HPERSIST"], key, None, fields);
    call.changed(Class::HASH, "hpersist", key);
    Ok(())
}

fn set(call: &mut Call<'_>, unit_ms: i64, is_relative: bool) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let mut words = 3;
    while call.args.get(words).is_some_and(|word| !is_fields(word)) {
        words += 1;
    }
    let (args, mut conditions) = (call.args, Conditions::default());
    for word in args.from(3).iter().take(words - 3) {
        conditions.add(word).ok_or(COUNT_WRONG)?;
    }
    conditions.check()?;
    let fields = counted(args.from(words + 1), 1)?;
    let at = time(call, call.args.at(2), unit_ms, is_relative)?;
    let (now, is_removing) = (call.keys.fields_now(), removes(call, at));
    let entry = call.keys.look(key);
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    let (mut chosen, mut answers) = (BTreeSet::new(), Vec::new());
    for field in fields.iter() {
        // Of a field that is named twice, the second one meets what the first one did.
        let is_again = chosen.contains(&field);
        answers.push(match hash.and_then(|hash| hash.field_with_deadline(field)) {
            None => answer::NO_FIELD,
            Some(_) if is_again && is_removing => answer::NO_FIELD,
            Some((_, old)) => {
                let old = if is_again { Some(at) } else { old };
                if !conditions.allow(old, at as i64) {
                    answer::NOT_DONE
                } else {
                    if !is_again {
                        chosen.insert(field);
                    }
                    if is_removing { answer::REMOVED } else { answer::DONE }
                }
            }
        });
    }
    give(call, key, &Vec::from_iter(chosen), at)?;
    call.reply.array(answers.len());
    answers.into_iter().for_each(|answer| call.reply.integer(answer));
    Ok(())
}

/// The fields of `key FIELDS numfields field [field ...]`.
fn listed<'a>(call: &Call<'a>) -> Result<Args<'a>, Refusal> {
    if !is_fields(call.args.at(2)) {
        return Err(Refusal::Syntax);
    }
    counted(call.args.from(3), 1)
}

fn tell(call: &mut Call<'_>, shown: impl Fn(i64, i64) -> i64) -> Result<(), Refusal> {
    let fields = listed(call).map_err(|refusal| match refusal {
        COUNT_WRONG => Refusal::Syntax,
        other => other,
    })?;
    let (now, now_ms) = (call.keys.fields_now(), call.keys.now_ms as i64);
    let entry = call.keys.peek(call.args.at(1));
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    call.reply.array(fields.len());
    for field in fields.iter() {
        let answer = match hash.and_then(|hash| hash.field_with_deadline(field)) {
            None => answer::NO_FIELD,
            Some((_, None)) => answer::NO_DEADLINE,
            Some((_, Some(at))) => shown(i64::try_from(at).unwrap_or(i64::MAX), now_ms),
        };
        call.reply.integer(answer);
    }
    Ok(())
}

fn hpersist(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, fields) = (call.args.at(1), listed(call)?);
    let now = call.keys.fields_now();
    let entry = call.keys.look(key);
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    let (mut chosen, mut answers) = (BTreeSet::new(), Vec::new());
    for field in fields.iter() {
        answers.push(match hash.and_then(|hash| hash.field_with_deadline(field)) {
            None => answer::NO_FIELD,
            Some((_, Some(_))) if chosen.insert(field) => answer::DONE,
            Some(_) => answer::NO_DEADLINE,
        });
    }
    take(call, key, &Vec::from_iter(chosen))?;
    call.reply.array(answers.len());
    answers.into_iter().for_each(|answer| call.reply.integer(answer));
    Ok(())
}

/// The words that are options somewhere: where they may not stand the error is another than for other words.
const OPTIONS: [&str; 10] = ["nx", "xx", "fnx", "fxx", "keepttl", "persist", "ex", "px", "exat", "pxat"];

/// The options of HGETEX and HSETEX before `FIELDS`.
struct Options<'a> {
    /// NX (false) or XX.
    key: Option<bool>,
    /// FNX (false) or FXX.
    fields: Option<bool>,
    keeps: bool,
    persists: bool,
    deadline: Option<(Deadline, &'a [u8])>,
    /// What follows.
    listed: Args<'a>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, is_setter: bool) -> Result<Options<'a>, Refusal> {
        let mut options = Options {
            key: None,
            fields: None,
            keeps: false,
            persists: false,
            deadline: None,
            listed: args.from(args.len()),
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let has_time = options.keeps || options.persists || options.deadline.is_some();
            if is_fields(word) {
                options.listed = args.from(at + 1);
                return Ok(options);
            } else if is_setter && (is("nx") || is("xx")) && options.key.is_none() {
                options.key = Some(is("xx"));
            } else if is_setter && (is("fnx") || is("fxx")) && options.fields.is_none() {
                options.fields = Some(is("fxx"));
            } else if is_setter && is("keepttl") && !has_time {
                options.keeps = true;
            } else if !is_setter && is("persist") && !has_time {
                options.persists = true;
            } else if let (Some(kind), Some(text)) = (Deadline::named(word), args.get(at + 1)) {
                // The same unit may come twice, the last counts.
                let contradicts = options.deadline.is_some_and(|(other, _)| other != kind);
                if options.keeps || options.persists || contradicts {
                    return Err(Refusal::Syntax);
                }
                options.deadline = Some((kind, text));
                at += 1;
            } else if OPTIONS.iter().any(|name| is(name)) {
                return Err(Refusal::Syntax);
            } else {
                return Err(COUNT_WRONG);
            }
            at += 1;
        }
        Err(COUNT_WRONG)
    }
}

fn hgetex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, args) = (call.args.at(1), call.args);
    let options = Options::parse(args, false)?;
    let fields = counted(options.listed, 1)?;
    call.keys.find(key).as_ref().map(keys::hash).transpose()?;
    let at = options.deadline.map(|(kind, text)| time_of(call, kind, text)).transpose()?;
    let (now, is_removing) = (call.keys.fields_now(), at.is_some_and(|at| removes(call, at)));
    let entry = call.keys.read(key);
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    let mut chosen: BTreeSet<&[u8]> = BTreeSet::new();
    call.reply.array(fields.len());
    for field in fields.iter() {
        // A field that is named twice, and goes, is gone the second time.
        let found = hash.filter(|_| !is_removing || !chosen.contains(&field));
        let found = found.and_then(|hash| hash.field_with_deadline(field));
        answer_field(&mut call.reply, found.map(|(value, _)| value));
        let wants = found.is_some_and(|(_, old)| !options.persists || old.is_some());
        if wants {
            chosen.insert(field);
        }
    }
    match at {
        Some(at) => give(call, key, &Vec::from_iter(chosen), at),
        None if options.persists => take(call, key, &Vec::from_iter(chosen)),
        None => Ok(()),
    }
}

fn hgetdel(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, fields) = (call.args.at(1), listed(call)?);
    let now = call.keys.fields_now();
    let entry = call.keys.read(key);
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    let mut chosen: BTreeSet<&[u8]> = BTreeSet::new();
    call.reply.array(fields.len());
    for field in fields.iter() {
        // A field that is named twice is gone the second time.
        let found = hash.and_then(|hash| hash.field(field)).filter(|_| !chosen.contains(&field));
        answer_field(&mut call.reply, found);
        if found.is_some() {
            chosen.insert(field);
        }
    }
    remove(call, key, &Vec::from_iter(chosen), "hdel")
}

fn hsetex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, args) = (call.args.at(1), call.args);
    let options = Options::parse(args, true)?;
    let pairs = counted(options.listed, 2)?;
    call.keys.find(key).as_ref().map(keys::hash).transpose()?;
    // The condition on the key is looked at before the time, those on the fields after it.
    let exists = call.keys.look(key).is_some();
    if options.key.is_some_and(|wanted| wanted != exists) {
        call.reply.integer(0);
        return Ok(());
    }
    let at = options.deadline.map(|(kind, text)| time_of(call, kind, text)).transpose()?;
    let (now, is_past) = (call.keys.fields_now(), at.is_some_and(|at| removes(call, at)));
    let entry = call.keys.find(key);
    let hash = entry.as_ref().map(keys::hash).transpose()?.map(|hash| hash.at(now));
    let has = |field: &[u8]| hash.is_some_and(|hash| hash.field(field).is_some());
    if options.fields.is_some_and(|wanted| pairs.iter().step_by(2).any(|field| has(field) != wanted)) {
        call.reply.integer(0);
        return Ok(());
    }
    if is_past {
        // What would be set is past already: what was there goes.
        let gone: BTreeSet<&[u8]> = pairs.iter().step_by(2).filter(|field| has(field)).collect();
        // Those that were not there have come and gone.
        call.core.stats.expired_fields += (pairs.len() / 2 - gone.len()) as u64;
        set_past(call, key, &Vec::from_iter(gone), exists)?;
        call.reply.integer(1);
        return Ok(());
    }
    let buried = bury_fields(call, key, pairs.iter().step_by(2))?;
    let deadline = match at {
        Some(at) => FieldDeadline::At(at),
        None if options.keeps => FieldDeadline::Keep,
        None => FieldDeadline::Clear,
    };
    let growth = growth(call);
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert_hash(),
    };
    let mut hash = keys::hash_mut(&mut entry)?;
    for index in (0..pairs.len()).step_by(2) {
        hash.set_with_deadline(pairs.at(index), pairs.at(index + 1), deadline, growth);
    }
    drop(hash);
    if options.keeps && !buried.is_empty() {
        // A replica still has what was past, and would keep the deadlines.
        let anew = buried.iter().flat_map(|field| [*field, b""]);
        let effect: Vec<&[u8]> = [&b"HSET"[..], key].into_iter().chain(anew).collect();
        call.effect(&effect);
    }
    pass_on_pairs(call, key, pairs, at, options.keeps);
    call.changed(Class::HASH, "hset", key);
    if at.is_some() {
        call.notify(Class::HASH, "hexpire", key);
    }
    call.reply.integer(1);
    Ok(())
}

/// Removes the fields that HSETEX would set in the past, and tells of them as if they had come and gone.
fn set_past(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]], exists: bool) -> Result<(), Refusal> {
    if !exists {
        call.notify(Class::NEW, "new", key);
    }
    call.notify(Class::HASH, "hset", key);
    call.notify(Class::HASH, "hexpire", key);
    if !fields.is_empty() {
        return remove(call, key, fields, "hexpired");
    }
    call.notify(Class::HASH, "hexpired", key);
    if !exists {
        call.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

/// Passes on what a HSETEX did: without its conditions, which hold; with an absolute time.
fn pass_on_pairs(call: &mut Call<'_>, key: &[u8], pairs: Args<'_>, at: Option<u64>, keeps: bool) {
    let (time, count) = (at.map(|at| number::integer_text(at as i64)), pairs.len() / 2);
    let count = number::integer_text(count as i64);
    let mut effect: Vec<&[u8]> = [&b"HSET"[..], key].into();
    if time.is_some() || keeps {
        effect[0] = b"HSETEX";
        match &time {
            Some(time) => effect.extend([&b"PXAT"[..], time]),
            None => effect.push(b"KEEPTTL"),
        }
        effect.extend([&b"FIELDS"[..], &count]);
    }
    effect.extend(pairs.iter());
    call.effect(&effect);
}
