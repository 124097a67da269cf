//! Keys between databases: COPY, MOVE, SWAPDB.

use crate::call::{Call, Class};
use crate::keys;
use crate::table::Command;
use crate::watch::Standing;
use base::number;
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "copy",
            summary: "Copies a key with its value and its deadline.",
            since: "6.2.0",
            cost: "O(N)",
            syntax: "source destination [DB destination-db] [REPLACE]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::KEYSPACE,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: copy,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "move",
            summary: "Moves a key to another database where there is none of its name.",
            syntax: "key db",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: move_key,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "swapdb",
            summary: "Exchanges two databases.",
            since: "4.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "index1 index2",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            ..Spec::USUAL
        },
        run: swapdb,
        subcommands: &[],
    },
];

const SAME_OBJECT: Refusal = Refusal::Text("ERR source and destination objects are the same");

/// The database that a request names.
fn database(call: &Call<'_>, text: &[u8]) -> Result<u32, Refusal> {
    let index = number::parse_i64(text).ok_or(Refusal::NotInteger)?;
    let index = i32::try_from(index).map_err(|_| Refusal::OutOfIntRange)?;
    let databases = call.keys.shared.keyspace.databases();
    u32::try_from(index).ok().filter(|index| *index < databases).ok_or(Refusal::DbIndexOutOfRange)
}

/// True in a cluster whose nodes have one database, as those of Redis.
fn has_one_database(call: &Call<'_>) -> bool {
    call.keys.shared.routes.enabled && call.keys.shared.keyspace.databases() == 1
}

/// Runs `work` with another database selected. Keys that it finds expired are those of that database.
fn in_database<R>(call: &mut Call<'_>, db: u32, work: impl FnOnce(&mut Call<'_>) -> R) -> R {
    if call.keys.expired.is_some() {
        call.bury();
    }
    let before = core::mem::replace(&mut call.keys.db, db);
    let result = work(call);
    if call.keys.expired.is_some() {
        call.bury();
    }
    call.keys.db = before;
    result
}

fn copy(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (from, to) = (call.args.at(1), call.args.at(2));
    let (source_db, mut target_db, mut replaces) = (call.keys.db, call.keys.db, false);
    let mut at = 3;
    while let Some(word) = call.args.get(at) {
        match call.args.get(at + 1) {
            _ if word.eq_ignore_ascii_case(b"replace") => replaces = true,
            Some(index) if word.eq_ignore_ascii_case(b"db") => {
                target_db = database(call, index)?;
                at += 1;
            }
            _ => return Err(Refusal::Syntax),
        }
        at += 1;
    }
    if has_one_database(call) && (source_db != 0 || target_db != 0) {
        return Err(Refusal::Text("ERR Copying to another database is not allowed in cluster mode"));
    }
    if source_db == target_db && from == to {
        return Err(SAME_OBJECT);
    }
    let found = call
        .keys
        .read(from)
        .map(|entry| (codec::copy(entry.value()), entry.deadline_ms(), keys::is_raw(&entry)));
    let Some((value, deadline, is_raw)) = found else {
        call.reply.integer(0);
        return Ok(());
    };
    let is_copied = in_database(call, target_db, |call| {
        if !replaces && call.keys.look(to).is_some() {
            return false;
        }
        call.keys.put(to, value, deadline, is_raw);
        call.replaced(to);
        call.changed(Class::GENERIC, "copy_to", to);
        true
    });
    if is_copied {
        call.as_requested();
    }
    call.reply.integer(i64::from(is_copied));
    Ok(())
}

fn move_key(call: &mut Call<'_>) -> Result<(), Refusal> {
    if has_one_database(call) {
        return Err(Refusal::Text("ERR MOVE is not allowed in cluster mode"));
    }
    let key = call.args.at(1);
    let target_db = database(call, call.args.at(2))?;
    if target_db == call.keys.db {
        return Err(SAME_OBJECT);
    }
    let is_free =
        call.keys.look(key).is_some() && in_database(call, target_db, |call| call.keys.look(key).is_none());
    let Some(entry) = call.keys.taken(key).filter(|_| is_free) else {
        call.reply.integer(0);
        return Ok(());
    };
    let is_raw = keys::is_raw(&entry.as_ref());
    let (value, deadline) = entry.take();
    call.as_requested();
    in_database(call, target_db, |call| {
        call.keys.put(key, value, deadline, is_raw);
        call.replaced(key);
    });
    call.changed(Class::GENERIC, "move_from", key);
    in_database(call, target_db, |call| call.changed(Class::GENERIC, "move_to", key));
    call.reply.integer(1);
    Ok(())
}

fn swapdb(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.keys.shared.routes.enabled {
        return Err(Refusal::Text("ERR SWAPDB is not allowed in cluster mode"));
    }
    let is_number = |text: &[u8]| number::parse_i64(text).is_some_and(|index| i32::try_from(index).is_ok());
    let (one, other) = (call.args.at(1), call.args.at(2));
    if !is_number(one) {
        return Err(Refusal::Text("ERR invalid first DB index"));
    }
    if !is_number(other) {
        return Err(Refusal::Text("ERR invalid second DB index"));
    }
    let one = database(call, one)?;
    let other = database(call, other)?;
    if one != other {
        let keyspace = &mut call.keys.shared.keyspace;
        let now_ms = call.keys.now_ms;
        let in_one = |_: u32, key: &[u8]| Standing::of(keyspace, now_ms, one, key);
        let in_other = |_: u32, key: &[u8]| Standing::of(keyspace, now_ms, other, key);
        call.keys.watch.touch_all(Some(one), in_one, in_other);
        call.keys.watch.touch_all(Some(other), in_other, in_one);
        keyspace.swap(one, other);
    }
    call.keys.shared.feed.changes += 1;
    call.as_requested();
    call.reply.ok();
    Ok(())
}
