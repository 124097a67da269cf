//! Hashes: fields with values at one key.

use crate::call::{Call, Class};
use crate::commands::{ScanOptions, arity, cursor};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::vec::Vec;
use base::number::{self, Extended};
use data::{FieldDeadline, FieldsAt, Growth, Hash, HashLimits, StrRef};
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "hset",
            summary: "Sets fields of a hash.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key field value [field value ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: hset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hmset",
            summary: "Sets fields of a hash; the old form of HSET.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key field value [field value ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: hset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hget",
            summary: "Returns the value of a field of a hash.",
            since: "2.0.0",
            group: Group::Hash,
            syntax: "key field",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: hget,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hmget",
            summary: "Returns the values of several fields of a hash.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key field [field ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: hmget,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hgetall",
            summary: "Returns all fields of a hash with their values.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::HASH,
            tips: &["nondeterministic_output_order"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: hgetall,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hdel",
            summary: "Removes fields of a hash; the key goes with the last one.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key field [field ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: hdel,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hlen",
            summary: "Returns how many fields a hash has.",
            since: "2.0.0",
            group: Group::Hash,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: hlen,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hexists",
            summary: "Tells whether a hash has a field.",
            since: "2.0.0",
            group: Group::Hash,
            syntax: "key field",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: hexists,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hkeys",
            summary: "Returns the names of all fields of a hash.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::HASH,
            tips: &["nondeterministic_output_order"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: hkeys,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hvals",
            summary: "Returns the values of all fields of a hash.",
            since: "2.0.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::HASH,
            tips: &["nondeterministic_output_order"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: hvals,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hincrby",
            summary: "Adds to the integer in a field of a hash; a missing field counts as 0.",
            since: "2.0.0",
            group: Group::Hash,
            syntax: "key field increment",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: hincrby,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hincrbyfloat",
            summary: "Adds to the number in a field of a hash; a missing field counts as 0.",
            since: "2.6.0",
            group: Group::Hash,
            syntax: "key field increment",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: hincrbyfloat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hsetnx",
            summary: "Sets a field of a hash if the field is missing.",
            since: "2.0.0",
            group: Group::Hash,
            syntax: "key field value",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: hsetnx,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hstrlen",
            summary: "Returns the length of the value of a field of a hash.",
            since: "3.2.0",
            group: Group::Hash,
            syntax: "key field",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::HASH,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: hstrlen,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hscan",
            summary: "Goes through the fields of a hash, a few per call.",
            since: "2.8.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            acl: Acl::HASH,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: hscan,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hrandfield",
            summary: "Returns random fields of a hash.",
            since: "6.2.0",
            group: Group::Hash,
            cost: "O(N)",
            syntax: "key [count [WITHVALUES]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::HASH,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: hrandfield,
        subcommands: &[],
    },
];

/// A field's value as a reply.
pub fn answer_field(reply: &mut Reply<'_>, value: Option<StrRef<'_>>) {
    match value {
        Some(value) => say(reply, value),
        None => reply.null(),
    }
}

/// Removes those of `fields` whose deadline has passed, before they are written anew, and returns them. Replicas are not
/// told: what is written says all. The stream of a primary meets none.
pub fn bury_fields<'a>(
    call: &mut Call<'_>,
    key: &[u8],
    fields: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<&'a [u8]>, Refusal> {
    let now = call.keys.fields_now();
    let Some(mut entry) = call.keys.taken(key) else { return Ok(Vec::new()) };
    if now == 0 || !keys::hash(&entry.as_ref())?.has_deadlines() {
        return Ok(Vec::new());
    }
    let mut hash = keys::hash_mut(&mut entry)?;
    let is_past = |hash: &Hash, field: &[u8]| {
        let deadline = hash.field_with_deadline(field).and_then(|(_, deadline)| deadline);
        deadline.is_some_and(|deadline| deadline < now)
    };
    let mut buried = Vec::new();
    for field in fields {
        if is_past(&hash, field) {
            hash.remove(field);
            buried.push(field);
        }
    }
    drop(hash);
    if !buried.is_empty() {
        call.core.stats.expired_fields += buried.len() as u64;
        call.changed(Class::HASH, "hexpired", key);
    }
    Ok(buried)
}

fn say(reply: &mut Reply<'_>, string: StrRef<'_>) {
    match string {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
}

/// What a hash must know to grow.
pub(super) fn growth(call: &Call<'_>) -> Growth<HashLimits> {
    Growth { key: call.keys.shared.keyspace.hash_key(), limits: call.core.settings.limits.hash }
}

fn hset(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len() % 2 == 1 {
        return Err(arity(call));
    }
    let (key, args) = (call.args.at(1), call.args);
    let growth = growth(call);
    if call.keys.shared.keyspace.keys_with_volatile_parts(call.keys.db) > 0 {
        bury_fields(call, key, args.from(2).iter().step_by(2))?;
    }
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert_hash(),
    };
    let mut hash = keys::hash_mut(&mut entry)?;
    let mut created = 0;
    for at in (2..call.args.len()).step_by(2) {
        created += i64::from(hash.set(call.args.at(at), call.args.at(at + 1), growth));
    }
    drop(hash);
    call.as_requested();
    call.changed(Class::HASH, "hset", key);
    if call.name() == "hmset" {
        call.reply.ok()
    } else {
        call.reply.integer(created)
    }
    Ok(())
}

fn hsetnx(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, field, value) = (call.args.at(1), call.args.at(2), call.args.at(3));
    let buried = bury_fields(call, key, [field].into_iter())?;
    let growth = growth(call);
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert_hash(),
    };
    if keys::hash(&entry.as_ref())?.field(field).is_some() {
        call.reply.integer(0);
        return Ok(());
    }
    keys::hash_mut(&mut entry)?.set(field, value, growth);
    if buried.is_empty() {
        call.as_requested();
    } else {
        call.effect(&[b"HSET", key, field, value]);
    }
    call.changed(Class::HASH, "hset", key);
    call.reply.integer(1);
    Ok(())
}

fn hget(call: &mut Call<'_>) -> Result<(), Refusal> {
    let now = call.keys.fields_now();
    let found = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::hash(&entry)?.at(now).field(call.args.at(2)),
        None => None,
    };
    match found {
        Some(value) => say(&mut call.reply, value),
        None => call.reply.null(),
    }
    Ok(())
}

fn hmget(call: &mut Call<'_>) -> Result<(), Refusal> {
    let hash = read(&mut call.keys, call.args.at(1))?;
    call.reply.array(call.args.len() - 2);
    for field in call.args.from(2).iter() {
        match hash.and_then(|hash| hash.field(field)) {
            Some(value) => say(&mut call.reply, value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// The hash at argument 1, for a reader.
fn read<'c>(keys: &'c mut keys::Keys<'_>, key: &[u8]) -> Result<Option<FieldsAt<'c>>, Refusal> {
    let now = keys.fields_now();
    match keys.read(key) {
        Some(entry) => keys::hash(&entry).map(|hash| Some(hash.at(now))),
        None => Ok(None),
    }
}

fn hgetall(call: &mut Call<'_>) -> Result<(), Refusal> {
    let hash = read(&mut call.keys, call.args.at(1))?;
    call.reply.map(hash.map_or(0, |hash| hash.len()));
    let Some(hash) = hash else { return Ok(()) };
    for (field, value) in hash.iter() {
        say(&mut call.reply, field);
        say(&mut call.reply, value);
    }
    Ok(())
}

fn hkeys(call: &mut Call<'_>) -> Result<(), Refusal> {
    let hash = read(&mut call.keys, call.args.at(1))?;
    call.reply.array(hash.map_or(0, |hash| hash.len()));
    let Some(hash) = hash else { return Ok(()) };
    for (field, _) in hash.iter() {
        say(&mut call.reply, field);
    }
    Ok(())
}

fn hvals(call: &mut Call<'_>) -> Result<(), Refusal> {
    let hash = read(&mut call.keys, call.args.at(1))?;
    call.reply.array(hash.map_or(0, |hash| hash.len()));
    let Some(hash) = hash else { return Ok(()) };
    for (_, value) in hash.iter() {
        say(&mut call.reply, value);
    }
    Ok(())
}

fn hlen(call: &mut Call<'_>) -> Result<(), Refusal> {
    // Fields count until they are removed, as in the original: counting the others would take long.
    let len = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::hash(&entry)?.len(),
        None => 0,
    };
    call.reply.integer(len as i64);
    Ok(())
}

fn hexists(call: &mut Call<'_>) -> Result<(), Refusal> {
    let field = call.args.at(2);
    let hash = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(i64::from(hash.is_some_and(|hash| hash.field(field).is_some())));
    Ok(())
}

fn hstrlen(call: &mut Call<'_>) -> Result<(), Refusal> {
    let field = call.args.at(2);
    let hash = read(&mut call.keys, call.args.at(1))?;
    let len = hash.and_then(|hash| hash.field(field)).map_or(0, StrRef::len);
    call.reply.integer(len as i64);
    Ok(())
}

fn hdel(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, fields, now) = (call.args.at(1), call.args.from(2), call.keys.fields_now());
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut hash = keys::hash_mut(&mut entry)?;
    let has_deadlines = now > 0 && hash.has_deadlines();
    let mut removed = 0;
    // Told one by one where some may be past and stay.
    let mut told: Vec<&[u8]> = [&b"HDEL"[..], key].into();
    for field in fields.iter() {
        let is_past = has_deadlines && hash.at(now).field(field).is_none();
        if !is_past && hash.remove(field) {
            removed += 1;
            if has_deadlines {
                told.push(field);
            }
        }
    }
    let is_empty = hash.is_empty();
    drop(hash);
    if is_empty {
        entry.remove();
    }
    if removed > 0 {
        if has_deadlines {
            call.effect(&told);
        } else {
            call.as_requested();
        }
        call.changed(Class::HASH, "hdel", key);
        if is_empty {
            call.notify(Class::GENERIC, "del", key);
        }
    }
    call.reply.integer(removed);
    Ok(())
}

fn hincrby(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, field) = (call.args.at(1), call.args.at(2));
    let delta = number::parse_i64(call.args.at(3)).ok_or(Refusal::NotInteger)?;
    let buried = bury_fields(call, key, [field].into_iter())?;
    let growth = growth(call);
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert_hash(),
    };
    let before = match keys::hash(&entry.as_ref())?.field(field) {
        Some(value) => value.integer().ok_or(Refusal::HashNotInteger)?,
        None => 0,
    };
    let after = before.checked_add(delta).ok_or(Refusal::Overflow)?;
    let text = number::integer_text(after);
    keys::hash_mut(&mut entry)?.set_with_deadline(field, &text, FieldDeadline::Keep, growth);
    if buried.is_empty() {
        call.as_requested();
    } else {
        call.effect(&[b"HSET", key, field, &text]);
    }
    call.changed(Class::HASH, "hincrby", key);
    call.reply.integer(after);
    Ok(())
}

fn hincrbyfloat(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, field) = (call.args.at(1), call.args.at(2));
    let delta = Extended::parse(call.args.at(3)).ok_or(Refusal::NotFloat)?;
    if !delta.is_finite() {
        return Err(Refusal::IncrementNotFinite);
    }
    bury_fields(call, key, [field].into_iter())?;
    let growth = growth(call);
    let place = call.keys.entry(key);
    let before = match &place {
        Place::Taken(entry) => match keys::hash(&entry.as_ref())?.field(field) {
            Some(StrRef::Int(value)) => Extended::from_i64(value),
            Some(StrRef::Bytes(bytes)) => Extended::parse(bytes).ok_or(Refusal::HashNotFloat)?,
            None => Extended::from_i64(0),
        },
        Place::Free(_) => Extended::from_i64(0),
    };
    let after = before.checked_add(delta).ok_or(Refusal::NotFinite)?.text();
    let mut entry = match place {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert_hash(),
    };
    let mut hash = keys::hash_mut(&mut entry)?;
    hash.set_with_deadline(field, &after, FieldDeadline::Keep, growth);
    let keeps = hash.has_deadlines() && hash.field_with_deadline(field).is_some_and(|(_, at)| at.is_some());
    drop(hash);
    if keeps {
        call.effect(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, &after]);
    } else {
        call.effect(&[b"HSET", key, field, &after]);
    }
    call.changed(Class::HASH, "hincrbyfloat", key);
    call.reply.bulk(&after);
    Ok(())
}

fn hscan(call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = cursor(call.args.at(2))?;
    let key = call.args.at(1);
    let args = call.args.from(3);
    let Some(hash) = read(&mut call.keys, key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (options, no_values) = ScanOptions::parse_hash(args)?;
    let (mut found, mut count, mut room) = (Vec::new(), 0, [0; 20]);
    let mut list = Reply::new(&mut found, call.reply.is_resp3());
    let next = hash.scan(from, options.count, |field, value| {
        if options.matches(field.bytes(&mut room)) {
            say(&mut list, field);
            count += 1;
            if !no_values {
                say(&mut list, value);
                count += 1;
            }
        }
    });
    call.reply.array(2);
    call.reply.bulk_display(next);
    call.reply.array(count);
    call.reply.raw(&found);
    Ok(())
}

/// 16 Mi: fields that one HRANDFIELD with repetitions returns at most; the original has no bound but its memory.
const RANDOM_FIELDS_MAX: u64 = 16 << 20;

/// So many fields, each of them any.
fn repeat_fields(call: &mut Call<'_>, key: &[u8], count: u64, with_values: bool) -> Result<(), Refusal> {
    let bytes_max = call.reply_bytes_max();
    if count > RANDOM_FIELDS_MAX && bytes_max.is_none() {
        return Err(Refusal::OutOfRange);
    }
    let (reply, random) = (&mut call.reply, &mut call.core.random);
    let is_nested = with_values && reply.is_resp3();
    let Some(hash) = read(&mut call.keys, key)? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(if with_values && !is_nested { count * 2 } else { count } as usize);
    for _ in 0..count {
        let Some((field, value)) = hash.random(random) else { break };
        if is_nested {
            reply.array(2);
        }
        say(reply, field);
        if with_values {
            say(reply, value);
        }
        if bytes_max.is_some_and(|bytes| reply.out().len() > bytes) {
            break;
        }
    }
    Ok(())
}

fn hrandfield(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    if call.args.len() == 2 {
        let now = call.keys.fields_now();
        let found = match call.keys.read(key) {
            Some(entry) => keys::hash(&entry)?.at(now).random(&mut call.core.random),
            None => None,
        };
        match found {
            Some((field, _)) => say(&mut call.reply, field),
            None => call.reply.null(),
        }
        return Ok(());
    }
    let count = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let with_values = match call.args.get(3) {
        Some(word) if call.args.len() == 4 && word.eq_ignore_ascii_case(b"withvalues") => true,
        Some(_) => return Err(Refusal::Syntax),
        None => false,
    };
    if count == i64::MIN {
        return Err(Refusal::OutOfSymmetricRange);
    }
    if with_values && count.unsigned_abs() > (i64::MAX / 2) as u64 {
        return Err(Refusal::OutOfRange);
    }
    if count < 0 {
        return repeat_fields(call, key, count.unsigned_abs(), with_values);
    }
    let random = &mut call.core.random;
    let mut chosen: Vec<(StrRef<'_>, StrRef<'_>)> = Vec::new();
    if let Some(hash) = read(&mut call.keys, key)? {
        // Selection sampling (Knuth, 3.4.2 S): each field in order, with the chance that keeps all sets equal.
        let len = hash.len() as u64;
        let mut wanted = (count as u64).min(len);
        for (left, pair) in (1..=len).rev().zip(hash.iter()) {
            if random.below(left) < wanted {
                chosen.push(pair);
                wanted -= 1;
            }
        }
    }
    let is_nested = with_values && call.reply.is_resp3();
    call.reply.array(if with_values && !is_nested { chosen.len() * 2 } else { chosen.len() });
    for (field, value) in chosen {
        if is_nested {
            call.reply.array(2);
        }
        say(&mut call.reply, field);
        if with_values {
            say(&mut call.reply, value);
        }
    }
    Ok(())
}
