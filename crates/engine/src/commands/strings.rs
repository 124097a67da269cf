//! Strings: GET, SET and their relatives; integers and floats kept as strings.

use crate::call::{Call, Class};
use crate::commands::compare::pass_on_set;
use crate::commands::set_options::{Form, Options};
use crate::commands::{Deadline, deadline_of};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::number::{self, Extended};
use data::{StrRef, Value};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "get",
            summary: "Returns the string at a key.",
            group: Group::String,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: get,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "set",
            summary: "Sets a key to a string, whatever it held; options add conditions and a deadline.",
            group: Group::String,
            syntax: "key value [NX | XX | IFEQ comparison-value | IFNE comparison-value | IFDEQ comparison-digest | IFDNE comparison-digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            keys: Keys::Specs(&[KeySpec {
                notes: "RW and ACCESS for the option GET",
                access: Access::CHANGE.and(Access::VARIABLE),
                begin: Begin::Index(1),
                find: Find::Range { last: 0, step: 1, limit: 0 },
            }]),
            ..Spec::USUAL
        },
        run: set,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getset",
            summary: "Sets a key to a string and returns the old one.",
            group: Group::String,
            syntax: "key value",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: getset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getdel",
            summary: "Returns the string at a key and removes the key.",
            since: "6.2.0",
            group: Group::String,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: getdel,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getex",
            summary: "Returns the string at a key and sets or removes its deadline.",
            since: "6.2.0",
            group: Group::String,
            syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::Specs(&[KeySpec {
                notes: "RW and UPDATE since it changes the deadline",
                access: Access::CHANGE,
                begin: Begin::Index(1),
                find: Find::Range { last: 0, step: 1, limit: 0 },
            }]),
            ..Spec::USUAL
        },
        run: getex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setnx",
            summary: "Sets a key to a string if the key is missing.",
            group: Group::String,
            syntax: "key value",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::OW.and(Access::INSERTS) },
            ..Spec::USUAL
        },
        run: setnx,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setex",
            summary: "Sets a key to a string that lives so many seconds.",
            since: "2.0.0",
            group: Group::String,
            syntax: "key seconds value",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::OVERWRITE },
            ..Spec::USUAL
        },
        run: setex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "psetex",
            summary: "Sets a key to a string that lives so many milliseconds.",
            since: "2.6.0",
            group: Group::String,
            syntax: "key milliseconds value",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::OVERWRITE },
            ..Spec::USUAL
        },
        run: psetex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "mget",
            summary: "Returns the strings at several keys.",
            group: Group::String,
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::STRING,
            tips: &["request_policy:multi_shard"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: mget,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "mset",
            summary: "Sets several keys to strings.",
            since: "1.0.1",
            group: Group::String,
            cost: "O(N)",
            syntax: "key value [key value ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
            keys: Keys::Range { first: 1, last: -1, step: 2, access: Access::OVERWRITE },
        },
        run: mset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "msetnx",
            summary: "Sets several keys to strings if all of them are missing.",
            since: "1.0.1",
            group: Group::String,
            cost: "O(N)",
            syntax: "key value [key value ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            tips: &["request_policy:multi_shard", "response_policy:agg_min"],
            keys: Keys::Range { first: 1, last: -1, step: 2, access: Access::OW.and(Access::INSERTS) },
        },
        run: msetnx,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "incr",
            summary: "Adds one to the integer at a key; a missing key counts as 0.",
            group: Group::String,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: incr,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "decr",
            summary: "Takes one from the integer at a key; a missing key counts as 0.",
            group: Group::String,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: decr,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "incrby",
            summary: "Adds to the integer at a key; a missing key counts as 0.",
            group: Group::String,
            syntax: "key increment",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: incrby,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "decrby",
            summary: "Takes from the integer at a key; a missing key counts as 0.",
            group: Group::String,
            syntax: "key decrement",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: decrby,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "incrbyfloat",
            summary: "Adds to the number at a key; a missing key counts as 0.",
            since: "2.6.0",
            group: Group::String,
            syntax: "key increment",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: incrbyfloat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "append",
            summary: "Appends to the string at a key; a missing key counts as empty.",
            since: "2.0.0",
            group: Group::String,
            syntax: "key value",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: append,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "strlen",
            summary: "Returns the length of the string at a key.",
            since: "2.2.0",
            group: Group::String,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: strlen,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setrange",
            summary: "Overwrites a part of the string at a key, from an offset on.",
            since: "2.2.0",
            group: Group::String,
            syntax: "key offset value",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: setrange,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getrange",
            summary: "Returns a part of the string at a key.",
            since: "2.4.0",
            group: Group::String,
            cost: "O(N)",
            syntax: "key start end",
            arity: Arity::Exactly(4),
            flags: Flags::READONLY,
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: getrange,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "substr",
            summary: "Returns a part of the string at a key; the old name of GETRANGE.",
            group: Group::String,
            cost: "O(N)",
            syntax: "key start end",
            arity: Arity::Exactly(4),
            flags: Flags::READONLY,
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: getrange,
        subcommands: &[],
    },
];

/// Writes a string as a reply.
#[inline]
fn say(reply: &mut Reply<'_>, string: StrRef<'_>) {
    match string {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
}

fn get(call: &mut Call<'_>) -> Result<(), Refusal> {
    match call.keys.read(call.args.at(1)) {
        Some(entry) => say(&mut call.reply, keys::string(&entry)?),
        None => call.reply.null(),
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, value) = (call.args.at(1), call.args.at(2));
    if call.args.len() == 3 {
        match call.keys.entry(key) {
            Place::Taken(mut entry) => entry.store(value, None),
            Place::Free(free) => free.insert_string(value, None),
        }
        call.as_requested();
        call.changed(Class::STRING, "set", key);
        call.reply.ok();
        return Ok(());
    }
    let options = Options::parse(call.args.from(3), Form::Set)?;
    set_with(call, key, value, &options)
}

fn set_with(call: &mut Call<'_>, key: &[u8], value: &[u8], options: &Options<'_>) -> Result<(), Refusal> {
    let deadline = match options.deadline {
        Some((kind, text)) => Some(deadline_of(kind, text, call.keys.now_ms, call.name())?),
        None => None,
    };
    let waits = call.waits_for_end();
    let is_over = call.core.settings.is_valkey && !waits && deadline.is_some_and(|at| at <= call.keys.now_ms);
    let place = call.keys.entry(key);
    let is_allowed = options.allow(&place)?;
    if options.get {
        match &place {
            Place::Taken(entry) => say(&mut call.reply, keys::string(&entry.as_ref())?),
            Place::Free(_) => call.reply.null(),
        }
    }
    if !is_allowed {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    if is_over {
        // Redis stores it, for the next one who looks to remove.
        if let Place::Taken(entry) = place {
            entry.remove();
            call.ended(key);
        }
        if !options.get {
            call.reply.ok();
        }
        return Ok(());
    }
    match place {
        Place::Taken(mut entry) if options.keep => entry.set_string(value),
        Place::Taken(mut entry) => entry.store(value, deadline),
        Place::Free(free) => free.insert_string(value, deadline),
    }
    match (deadline, options.deadline) {
        _ if options.compare.is_some() => pass_on_set(call, key, value, deadline, options.keep),
        (Some(deadline), _) => {
            let text = deadline.to_string();
            call.effect(&[b"SET", key, value, b"PXAT", text.as_bytes()]);
        }
        (None, _) if options.get => {
            let is_get = |arg: &&[u8]| arg.eq_ignore_ascii_case(b"get");
            let (head, tail) = (call.args.iter().take(3), call.args.iter().skip(3));
            let args: Vec<&[u8]> = head.chain(tail.filter(|arg| !is_get(arg))).collect();
            call.effect(&args);
        }
        (None, _) => call.as_requested(),
    }
    call.changed(Class::STRING, "set", key);
    if deadline.is_some() {
        call.notify(Class::GENERIC, "expire", key);
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

fn setnx(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, value) = (call.args.at(1), call.args.at(2));
    match call.keys.entry(key) {
        Place::Taken(_) => {
            call.reply.integer(0);
            return Ok(());
        }
        Place::Free(free) => free.insert_string(value, None),
    }
    call.as_requested();
    call.changed(Class::STRING, "set", key);
    call.reply.integer(1);
    Ok(())
}

fn setex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let deadline = Some((Deadline::Ex, call.args.at(2)));
    set_with(call, call.args.at(1), call.args.at(3), &Options { deadline, ..Options::default() })
}

fn psetex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let deadline = Some((Deadline::Px, call.args.at(2)));
    set_with(call, call.args.at(1), call.args.at(3), &Options { deadline, ..Options::default() })
}

fn getset(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, value) = (call.args.at(1), call.args.at(2));
    match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            say(&mut call.reply, keys::string(&entry.as_ref())?);
            entry.store(value, None);
        }
        Place::Free(free) => {
            free.insert_string(value, None);
            call.reply.null();
        }
    }
    call.effect(&[b"SET", key, value]);
    call.changed(Class::STRING, "set", key);
    Ok(())
}

fn getdel(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(entry) = call.keys.taken(key) else {
        call.reply.null();
        return Ok(());
    };
    say(&mut call.reply, keys::string(&entry.as_ref())?);
    entry.remove();
    call.effect(&[b"DEL", key]);
    call.changed(Class::GENERIC, "del", key);
    Ok(())
}

fn getex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let options = Options::parse(call.args.from(2), Form::GetEx)?;
    let (now_ms, is_replica) = (call.keys.now_ms, call.keys.shared.standing.is_replica);
    let name = call.name();
    if call.core.settings.is_valkey
        && let Some((kind, text)) = options.deadline
    {
        // Valkey refuses it whatever stands at the key.
        deadline_of(kind, text, now_ms, name)?;
    }
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.null();
        return Ok(());
    };
    keys::string(&entry.as_ref())?;
    let deadline = match options.deadline {
        Some((kind, text)) => Some((kind, deadline_of(kind, text, now_ms, name)?)),
        None => None,
    };
    say(&mut call.reply, keys::string(&entry.as_ref())?);
    match deadline {
        Some((Deadline::ExAt | Deadline::PxAt, at)) if at <= now_ms && !is_replica => {
            entry.remove();
            call.ended(key);
        }
        Some((_, at)) => {
            entry.set_deadline(Some(at));
            call.effect(&[b"PEXPIREAT", key, at.to_string().as_bytes()]);
            call.changed(Class::GENERIC, "expire", key);
        }
        None if options.persist && entry.deadline_ms().is_some() => {
            entry.set_deadline(None);
            call.effect(&[b"PERSIST", key]);
            call.changed(Class::GENERIC, "persist", key);
        }
        None => {}
    }
    Ok(())
}

fn mget(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.array(call.args.len() - 1);
    for key in call.args.from(1).iter() {
        match call.keys.read(key).as_ref().map(keys::string) {
            Some(Ok(string)) => say(&mut call.reply, string),
            Some(Err(_)) | None => call.reply.null(),
        }
    }
    Ok(())
}

fn mset(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len().is_multiple_of(2) {
        return Err(Refusal::Arity(call.name().to_string()));
    }
    set_pairs(call);
    call.reply.ok();
    Ok(())
}

fn msetnx(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len().is_multiple_of(2) {
        return Err(Refusal::Arity(call.name().to_string()));
    }
    for key in call.args.from(1).iter().step_by(2) {
        if call.keys.look(key).is_some() {
            call.reply.integer(0);
            return Ok(());
        }
    }
    set_pairs(call);
    call.reply.integer(1);
    Ok(())
}

fn set_pairs(call: &mut Call<'_>) {
    for at in (1..call.args.len()).step_by(2) {
        let (key, value) = (call.args.at(at), call.args.at(at + 1));
        match call.keys.entry(key) {
            Place::Taken(mut entry) => entry.store(value, None),
            Place::Free(free) => free.insert_string(value, None),
        }
        call.changed(Class::STRING, "set", key);
    }
    call.as_requested();
}

fn incr(call: &mut Call<'_>) -> Result<(), Refusal> {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Result<(), Refusal> {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Result<(), Refusal> {
    let delta = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    add(call, delta)
}

fn decrby(call: &mut Call<'_>) -> Result<(), Refusal> {
    let delta = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    add(call, delta.checked_neg().ok_or(Refusal::DecrementOverflow)?)
}

fn add(call: &mut Call<'_>, delta: i64) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let after = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let before = keys::string(&entry.as_ref())?.integer().ok_or(Refusal::NotInteger)?;
            let after = before.checked_add(delta).ok_or(Refusal::Overflow)?;
            entry.set_integer(after);
            after
        }
        Place::Free(free) => {
            free.insert_integer(delta);
            delta
        }
    };
    call.as_requested();
    call.changed(Class::STRING, "incrby", key);
    call.reply.integer(after);
    Ok(())
}

fn incrbyfloat(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, text) = (call.args.at(1), call.args.at(2));
    let place = call.keys.entry(key);
    let before = match &place {
        Place::Taken(entry) => match keys::string(&entry.as_ref())? {
            StrRef::Int(value) => Extended::from_i64(value),
            StrRef::Bytes(bytes) => Extended::parse(bytes).ok_or(Refusal::NotFloat)?,
        },
        Place::Free(_) => Extended::from_i64(0),
    };
    let delta = Extended::parse(text).ok_or(Refusal::NotFloat)?;
    let after = before.checked_add(delta).ok_or(Refusal::NotFinite)?.text();
    // As the original, it stays a text, also where it is an integer.
    match place {
        Place::Taken(mut entry) => entry.set_value(Value::String(after.clone())),
        Place::Free(free) => drop(free.insert(Value::String(after.clone()), None)),
    }
    call.effect(&[b"SET", key, &after, b"KEEPTTL"]);
    call.changed(Class::STRING, "incrbyfloat", key);
    call.reply.bulk(&after);
    Ok(())
}

/// Refuses a string over `proto-max-bulk-len`.
fn check_len(len: u64, bulk_len_max: u64) -> Result<(), Refusal> {
    if len > bulk_len_max { Err(Refusal::StringTooLong) } else { Ok(()) }
}

fn append(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, tail) = (call.args.at(1), call.args.at(2));
    let len = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let before = keys::string(&entry.as_ref())?.len();
            check_len((before + tail.len()) as u64, call.core.settings.bulk_len_max)?;
            entry.append(tail)
        }
        Place::Free(free) => {
            free.insert_string(tail, None);
            tail.len()
        }
    };
    call.as_requested();
    call.changed(Class::STRING, "append", key);
    call.reply.integer(len as i64);
    Ok(())
}

fn strlen(call: &mut Call<'_>) -> Result<(), Refusal> {
    let len = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::string(&entry)?.len(),
        None => 0,
    };
    call.reply.integer(len as i64);
    Ok(())
}

fn setrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, part) = (call.args.at(1), call.args.at(3));
    let offset = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let offset = u64::try_from(offset).map_err(|_| Refusal::OffsetOutOfRange)?;
    let bulk_len_max = call.core.settings.bulk_len_max;
    let end = offset.saturating_add(part.len() as u64);
    let len = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let before = keys::string(&entry.as_ref())?.len();
            if part.is_empty() {
                call.reply.integer(before as i64);
                return Ok(());
            }
            check_len(end, bulk_len_max)?;
            entry.set_range(offset as usize, part)
        }
        Place::Free(free) => {
            if part.is_empty() {
                call.reply.integer(0);
                return Ok(());
            }
            check_len(end, bulk_len_max)?;
            // Written into, as an existing one: what is patched keeps its bytes, it is no integer.
            free.insert_string(b"", None);
            match call.keys.entry(key) {
                Place::Taken(mut entry) => entry.set_range(offset as usize, part),
                Place::Free(_) => unreachable!("it was inserted just above, without a deadline"),
            }
        }
    };
    call.as_requested();
    call.changed(Class::STRING, "setrange", key);
    call.reply.integer(len as i64);
    Ok(())
}

fn getrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    let start = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let end = number::parse_i64(call.args.at(3)).ok_or(Refusal::NotInteger)?;
    let Some(entry) = call.keys.read(call.args.at(1)) else {
        call.reply.bulk(b"");
        return Ok(());
    };
    let mut room = [0; 20];
    let bytes = keys::string(&entry)?.bytes(&mut room);
    let len = bytes.len() as i64;
    if start < 0 && end < 0 && start > end {
        call.reply.bulk(b"");
        return Ok(());
    }
    let from_end = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    let part = if start > end || len == 0 { &[] } else { &bytes[start as usize..=end as usize] };
    call.reply.bulk(part);
    Ok(())
}
