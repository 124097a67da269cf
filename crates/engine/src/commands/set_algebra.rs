//! Set algebra: what several sets have in common, together, or one without the others.
//!
//! The sets are read where they lie; only what is stored is put together anew.

use crate::call::{Call, Class};
use crate::commands::sets::{growth, say};
use crate::keys::{self, Keys as View, Place};
use crate::table::Command;
use alloc::vec::Vec;
use base::number;
use data::{Collection, Encoding, Set, StrRef};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "sinter",
            summary: "Returns what all sets have in common.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N*M)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output_order"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::READ },
        },
        run: sinter,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sinterstore",
            summary: "Stores what all sets have in common.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N*M)",
            syntax: "destination key [key ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::SET,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::UPDATE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(2),
                    find: Find::Range { last: -1, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: sinterstore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sintercard",
            summary: "Counts what all sets have in common.",
            since: "7.0.0",
            group: Group::Set,
            cost: "O(N*M)",
            syntax: "numkeys key [key ...] [LIMIT limit]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::READ,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: sintercard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sunion",
            summary: "Returns what any of the sets has.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output_order"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::READ },
        },
        run: sunion,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sunionstore",
            summary: "Stores what any of the sets has.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "destination key [key ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::SET,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(2),
                    find: Find::Range { last: -1, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: sunionstore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sdiff",
            summary: "Returns what the first set has and no other.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::SET,
            tips: &["nondeterministic_output_order"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::READ },
        },
        run: sdiff,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sdiffstore",
            summary: "Stores what the first set has and no other.",
            since: "1.0.0",
            group: Group::Set,
            cost: "O(N)",
            syntax: "destination key [key ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::SET,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(2),
                    find: Find::Range { last: -1, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: sdiffstore,
        subcommands: &[],
    },
];

/// The sets at these keys; none where there is no key.
fn read_all<'k>(view: &'k mut View<'_>, names: &[&[u8]]) -> Result<Vec<Option<&'k Set>>, Refusal> {
    let mut is_there = Vec::with_capacity(names.len());
    for name in names {
        is_there.push(match view.read(name) {
            Some(entry) => keys::of::<Set>(&entry).map(|_| true)?,
            None => false,
        });
    }
    // Looked up again, now all at once and without a change in between.
    let view: &View<'_> = view;
    let found = names.iter().zip(is_there).map(|(name, is_there)| {
        let entry = view.shared.keyspace.find(view.db, name, view.hash_of(name)).filter(|_| is_there)?;
        entry.of::<Set>()
    });
    Ok(found.collect())
}

/// Visits what all sets have; stops when `visit` says so.
fn intersect<'k>(sets: &mut [&'k Set], mut visit: impl FnMut(StrRef<'k>) -> bool) {
    sets.sort_by_key(|set| set.len());
    let Some((&smallest, others)) = sets.split_first() else { return };
    // The same key may be named twice.
    let others: Vec<&Set> = others.iter().copied().filter(|other| !core::ptr::eq(*other, smallest)).collect();
    smallest.compare(&others, true, &mut visit);
}

/// All of them, or nothing where one is missing.
fn whole(sets: Vec<Option<&Set>>) -> Vec<&Set> {
    let whole: Option<Vec<&Set>> = sets.into_iter().collect();
    whole.unwrap_or_default()
}

fn sinter(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(1).iter().collect();
    let mut sets = whole(read_all(&mut call.keys, &names)?);
    let mut found = Found::new(&call.reply);
    intersect(&mut sets, |member| found.add(member));
    found.answer(&mut call.reply);
    Ok(())
}

fn sintercard(call: &mut Call<'_>) -> Result<(), Refusal> {
    const NONE: Refusal = Refusal::Text("ERR numkeys should be greater than 0");
    const TOO_MANY: Refusal = Refusal::Text("ERR Number of keys can't be greater than number of args");
    const NEGATIVE: Refusal = Refusal::Text("ERR LIMIT can't be negative");
    let count = number::parse_i64(call.args.at(1)).filter(|count| *count > 0).ok_or(NONE)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > call.args.len() - 2 {
        return Err(TOO_MANY);
    }
    let mut limit = 0;
    let mut at = 2 + count;
    while let Some(word) = call.args.get(at) {
        let Some(value) = call.args.get(at + 1).filter(|_| word.eq_ignore_ascii_case(b"limit")) else {
            return Err(Refusal::Syntax);
        };
        limit = number::parse_i64(value).filter(|limit| *limit >= 0).ok_or(NEGATIVE)?;
        at += 2;
    }
    let names: Vec<&[u8]> = call.args.from(2).iter().take(count).collect();
    let mut sets = whole(read_all(&mut call.keys, &names)?);
    let mut found = 0;
    intersect(&mut sets, |_| {
        found += 1;
        found != limit
    });
    call.reply.integer(found);
    Ok(())
}

fn sinterstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(2).iter().collect();
    let growth = growth(call);
    let mut result = Set::new();
    let mut sets = whole(read_all(&mut call.keys, &names)?);
    let mut room = Default::default();
    intersect(&mut sets, |member| {
        result.insert_new(member.bytes(&mut room), growth);
        true
    });
    store(call, result, "sinterstore")
}

/// More sets than this are put together in a set of their own: each member would be looked for in too many.
const LOOKED_THROUGH_MAX: usize = 8;

fn sunion(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(1).iter().collect();
    let growth = growth(call);
    let mut sets: Vec<&Set> = read_all(&mut call.keys, &names)?.into_iter().flatten().collect();
    if sets.len() > LOOKED_THROUGH_MAX {
        let mut union = Set::new();
        sets.iter().for_each(|set| union.extend(set.iter(), growth));
        return answer_all(&mut call.reply, &union);
    }
    sets.sort_by_key(|set| core::cmp::Reverse(set.len()));
    let mut found = Found::new(&call.reply);
    for (at, set) in sets.iter().enumerate() {
        set.compare(&sets[..at], false, |member| found.add(member));
    }
    found.answer(&mut call.reply);
    Ok(())
}

fn sunionstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(2).iter().collect();
    let growth = growth(call);
    let mut sets: Vec<&Set> = read_all(&mut call.keys, &names)?.into_iter().flatten().collect();
    sets.sort_by_key(|set| core::cmp::Reverse(set.len()));
    // The union with a set that is too large for the small layouts is too large as well: that one is copied as it is.
    let is_large = |set: &&&Set| {
        set.encoding() == Encoding::Hashtable
            && set.len() > growth.limits.intset_entries.max(growth.limits.listpack_entries)
    };
    let (mut result, others) = match sets.first().filter(is_large) {
        Some(largest) => (largest.duplicate(), &sets[1..]),
        None => {
            let mut first = Set::new();
            let mut room = Default::default();
            let members = sets.first().into_iter().flat_map(|set| set.iter());
            members.for_each(|member| first.insert_new(member.bytes(&mut room), growth));
            (first, sets.get(1..).unwrap_or_default())
        }
    };
    others.iter().for_each(|set| result.extend(set.iter(), growth));
    store(call, result, "sunionstore")
}

/// What the first set has and no other, in one of the original's two ways.
enum Difference<'k> {
    /// Look each of the first set's members up in the others, the largest first: O(first * others).
    Looked(&'k Set, Vec<&'k Set>),
    /// Take the others' members out of a copy of the first: O(all).
    Taken(Set),
    /// There is no first set, or it is subtracted from itself.
    Nothing,
}

fn difference<'k>(sets: &[Option<&'k Set>]) -> Difference<'k> {
    let Some((&Some(first), others)) = sets.split_first() else { return Difference::Nothing };
    let mut others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|other| core::ptr::eq(*other, first)) {
        return Difference::Nothing;
    }
    let all: usize = others.iter().map(|set| set.len()).sum();
    // A lookup costs less than taking out what was copied: half counts, as in the original.
    if first.len() * (others.len() + 1) / 2 <= first.len() + all {
        others.sort_by_key(|set| core::cmp::Reverse(set.len()));
        return Difference::Looked(first, others);
    }
    let mut rest = first.duplicate();
    let mut room = Default::default();
    for member in others.iter().flat_map(|other| other.iter()) {
        if rest.is_empty() {
            break;
        }
        rest.remove(member.bytes(&mut room));
    }
    Difference::Taken(rest)
}

fn sdiff(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(1).iter().collect();
    let sets = read_all(&mut call.keys, &names)?;
    let mut found = Found::new(&call.reply);
    match difference(&sets) {
        Difference::Nothing => {}
        Difference::Taken(rest) => return answer_all(&mut call.reply, &rest),
        Difference::Looked(first, others) => {
            first.compare(&others, false, |member| found.add(member));
        }
    }
    found.answer(&mut call.reply);
    Ok(())
}

fn sdiffstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let names: Vec<&[u8]> = call.args.from(2).iter().collect();
    let growth = growth(call);
    let mut result = Set::new();
    let sets = read_all(&mut call.keys, &names)?;
    match difference(&sets) {
        Difference::Nothing => {}
        Difference::Taken(rest) => result = rest,
        Difference::Looked(first, others) => {
            let mut room = Default::default();
            first.compare(&others, false, |member| {
                result.insert_new(member.bytes(&mut room), growth);
                true
            });
        }
    }
    store(call, result, "sdiffstore")
}

/// Puts a result at the key of argument 1, in place of whatever was there; an empty one removes the key.
fn store(call: &mut Call<'_>, result: Set, event: &str) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let len = result.len();
    call.reply.integer(len as i64);
    match call.keys.entry(key) {
        Place::Taken(entry) if len == 0 => {
            entry.remove();
            call.as_requested();
            call.changed(Class::GENERIC, "del", key);
            return Ok(());
        }
        Place::Free(_) if len == 0 => return Ok(()),
        Place::Taken(mut entry) => {
            entry.set_value(result.into());
            entry.set_deadline(None);
        }
        Place::Free(free) => drop(free.insert(result.into(), None)),
    }
    call.as_requested();
    call.changed(Class::SET, event, key);
    Ok(())
}

fn answer_all(reply: &mut Reply<'_>, set: &Set) -> Result<(), Refusal> {
    reply.set(set.len());
    set.iter().for_each(|member| say(reply, member));
    Ok(())
}

/// Members on their way into a reply, while it is not known how many they are.
struct Found {
    bytes: Vec<u8>,
    count: usize,
    resp3: bool,
}

impl Found {
    fn new(reply: &Reply<'_>) -> Found {
        Found { bytes: Vec::new(), count: 0, resp3: reply.is_resp3() }
    }

    /// Always true: go on.
    fn add(&mut self, member: StrRef<'_>) -> bool {
        say(&mut Reply::new(&mut self.bytes, self.resp3), member);
        self.count += 1;
        true
    }

    fn answer(self, reply: &mut Reply<'_>) {
        reply.set(self.count);
        reply.raw(&self.bytes);
    }
}
