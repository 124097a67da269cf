//! Sets: members without an order at one key. What takes several sets together is in `set_algebra`.

use crate::call::{Call, Class};
use crate::commands::{ScanOptions, cursor};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::vec::Vec;
use base::number;
use data::{Growth, Set, SetLimits, StrRef};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "sadd",
            summary: "Adds members to a set.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key member [member ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: sadd,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "srem",
            summary: "Removes members of a set; the key goes with the last one.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key member [member ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: srem,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sismember",
            summary: "Tells whether a set has a member.",
            since: "1.0.0",
            group: Group::Set,
            syntax: "key member",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: sismember,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "smismember",
            summary: "Tells for several members whether a set has them.",
            since: "6.2.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key member [member ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: smismember,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "scard",
            summary: "Returns how many members a set has.",
            since: "1.0.0",
            group: Group::Set,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: scard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "smembers",
            summary: "Returns all members of a set.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output_order"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: smembers,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "spop",
            summary: "Removes random members of a set and returns them.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SET,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::TAKE },
        },
        run: spop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "srandmember",
            summary: "Returns random members of a set.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: srandmember,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "smove",
            summary: "Moves a member from one set to another.",
            since: "1.0.0",
            group: Group::Set,
            syntax: "source destination member",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SET,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::TAKE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::INSERT,
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: smove,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sscan",
            summary: "Goes through the members of a set, a few per call.",
            since: "2.8.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key cursor [MATCH pattern] [COUNT count]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: sscan,
        subcommands: &[],
    },
];

/// Answers a member.
pub fn say(reply: &mut Reply<'_>, member: StrRef<'_>) {
    match member {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
}

/// The set at a key, for a reader.
fn read<'c>(keys: &'c mut keys::Keys<'_>, key: &[u8]) -> Result<Option<&'c Set>, Refusal> {
    match keys.read(key) {
        Some(entry) => keys::of(&entry).map(Some),
        None => Ok(None),
    }
}

/// What a set must know to grow.
pub(super) fn growth(call: &Call<'_>) -> Growth<SetLimits> {
    Growth { key: call.keys.shared.keyspace.hash_key(), limits: call.core.settings.limits.set }
}

fn sadd(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let growth = growth(call);
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert(Set::new().into(), None),
    };
    let mut set = keys::change_in::<Set>(&mut entry)?;
    let before = set.len();
    if call.args.len() == 3 {
        set.insert(call.args.at(2), growth);
    } else {
        set.extend(call.args.from(2).iter().map(StrRef::Bytes), growth);
    }
    let added = set.len() - before;
    drop(set);
    if added > 0 {
        call.as_requested();
        call.changed(Class::SET, "sadd", key);
    }
    call.reply.integer(added as i64);
    Ok(())
}

fn srem(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut set = keys::change_in::<Set>(&mut entry)?;
    let removed = call.args.from(2).iter().filter(|member| set.remove(member)).count();
    let is_empty = set.is_empty();
    drop(set);
    if is_empty {
        entry.remove();
    }
    if removed > 0 {
        call.as_requested();
        call.changed(Class::SET, "srem", key);
        if is_empty {
            call.notify(Class::GENERIC, "del", key);
        }
    }
    call.reply.integer(removed as i64);
    Ok(())
}

fn sismember(call: &mut Call<'_>) -> Result<(), Refusal> {
    let member = call.args.at(2);
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    Ok(())
}

fn smismember(call: &mut Call<'_>) -> Result<(), Refusal> {
    let members = call.args.from(2);
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.array(members.len());
    for member in members.iter() {
        call.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(set.map_or(0, Set::len) as i64);
    Ok(())
}

fn smembers(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.set(set.map_or(0, Set::len));
    set.into_iter().flat_map(Set::iter).for_each(|member| say(&mut call.reply, member));
    Ok(())
}

fn spop(call: &mut Call<'_>) -> Result<(), Refusal> {
    match call.args.len() {
        2 => spop_one(call),
        3 => spop_many(call),
        _ => Err(Refusal::Syntax),
    }
}

fn spop_one(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.null();
        return Ok(());
    };
    let mut set = keys::change_in::<Set>(&mut entry)?;
    let taken = set.take_random(&mut call.core.random).expect("no set in the keyspace is empty");
    let is_empty = set.is_empty();
    drop(set);
    if is_empty {
        entry.remove();
    }
    say(&mut call.reply, taken.text());
    let mut room = Default::default();
    call.effect(&[b"SREM", key, taken.text().bytes(&mut room)]);
    call.changed(Class::SET, "spop", key);
    if is_empty {
        call.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

/// 1,024: members of one SREM that stands for a SPOP; a request of a million arguments is refused by older servers.
const EFFECT_MEMBERS_MAX: usize = 1_024;

fn spop_many(call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = number::parse_i64(call.args.at(2)).filter(|count| *count >= 0).ok_or(Refusal::NotPositive)?;
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.set(0);
        return Ok(());
    };
    let len = keys::of::<Set>(&entry.as_ref())?.len();
    if count == 0 {
        call.reply.set(0);
        return Ok(());
    }
    if count as u64 >= len as u64 {
        call.reply.set(len);
        keys::of::<Set>(&entry.as_ref())?.iter().for_each(|member| say(&mut call.reply, member));
        entry.remove();
        call.effect(&[call.keys.shared.feed.ends.replaced, key]);
        call.changed(Class::SET, "spop", key);
        call.notify(Class::GENERIC, "del", key);
        return Ok(());
    }
    let count = count as usize;
    let mut set = keys::change_in::<Set>(&mut entry)?;
    call.reply.set(count);
    // Where each popped text ends in `texts`.
    let (mut texts, mut ends) = (Vec::new(), Vec::with_capacity(count));
    for _ in 0..count {
        let taken = set.take_random(&mut call.core.random).expect("fewer are taken than there are");
        say(&mut call.reply, taken.text());
        taken.text().write_to(&mut texts);
        ends.push(texts.len());
    }
    drop(set);
    let mut start = 0;
    for ends in ends.chunks(EFFECT_MEMBERS_MAX) {
        let mut effect: Vec<&[u8]> = alloc::vec![b"SREM", key];
        for &end in ends {
            effect.push(&texts[start..end]);
            start = end;
        }
        call.effect(&effect);
    }
    call.changed(Class::SET, "spop", key);
    Ok(())
}

/// 16 Mi: members that one SRANDMEMBER with repetitions returns at most; the original has no bound but its memory.
const RANDOM_MEMBERS_MAX: u64 = 16 << 20;

fn srandmember(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    if call.args.len() == 2 {
        match read(&mut call.keys, key)?.and_then(|set| set.random(&mut call.core.random)) {
            Some(member) => say(&mut call.reply, member),
            None => call.reply.null(),
        }
        return Ok(());
    }
    if call.args.len() > 3 {
        return Err(Refusal::Syntax);
    }
    let count = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    if count == i64::MIN {
        return Err(Refusal::OutOfSymmetricRange);
    }
    let bytes_max = call.reply_bytes_max();
    let random = &mut call.core.random;
    let Some(set) = read(&mut call.keys, key)? else {
        call.reply.array(0);
        return Ok(());
    };
    if count < 0 {
        if count.unsigned_abs() > RANDOM_MEMBERS_MAX && bytes_max.is_none() {
            return Err(Refusal::OutOfRange);
        }
        call.reply.array(count.unsigned_abs() as usize);
        for _ in 0..count.unsigned_abs() {
            say(&mut call.reply, set.random(random).expect("no set in the keyspace is empty"));
            if bytes_max.is_some_and(|bytes| call.reply.out().len() > bytes) {
                break;
            }
        }
        return Ok(());
    }
    let chosen = set.sample(usize::try_from(count).unwrap_or(usize::MAX), random);
    call.reply.array(chosen.len());
    chosen.into_iter().for_each(|member| say(&mut call.reply, member));
    Ok(())
}

fn smove(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (from, to, member) = (call.args.at(1), call.args.at(2), call.args.at(3));
    let growth = growth(call);
    let is_there = match call.keys.look(from) {
        Some(entry) => keys::of::<Set>(&entry)?.contains(member),
        None => {
            call.reply.integer(0);
            return Ok(());
        }
    };
    if let Some(entry) = call.keys.look(to) {
        keys::of::<Set>(&entry)?;
    }
    if !is_there || from == to {
        call.reply.integer(i64::from(is_there));
        return Ok(());
    }
    let mut source = call.keys.taken(from).expect("it was looked at just now");
    let mut set = keys::change_in::<Set>(&mut source)?;
    set.remove(member);
    let is_empty = set.is_empty();
    drop(set);
    if is_empty {
        source.remove();
    }
    let mut target = match call.keys.entry(to) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert(Set::new().into(), None),
    };
    let is_new = keys::change_in::<Set>(&mut target)?.insert(member, growth);
    call.as_requested();
    call.changed(Class::SET, "srem", from);
    if is_empty {
        call.notify(Class::GENERIC, "del", from);
    }
    if is_new {
        call.changed(Class::SET, "sadd", to);
    }
    call.reply.integer(1);
    Ok(())
}

fn sscan(call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = cursor(call.args.at(2))?;
    let (key, args) = (call.args.at(1), call.args.from(3));
    let Some(set) = read(&mut call.keys, key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(args, false)?;
    let (mut found, mut count, mut room) = (Vec::new(), 0, [0; 20]);
    let mut list = Reply::new(&mut found, call.reply.is_resp3());
    let next = set.scan(from, options.count, |member| {
        if options.matches(member.bytes(&mut room)) {
            say(&mut list, member);
            count += 1;
        }
    });
    call.reply.array(2);
    call.reply.bulk_display(next);
    call.reply.array(count);
    call.reply.raw(&found);
    Ok(())
}
