//! Lists: the table of their commands, and those that look at or change any element. The ends are in [`ends`], what takes
//! from several lists, moves between lists or waits in [`moves`].

mod ends;
mod moves;

use crate::call::{Call, Class};
use crate::keys;
use crate::table::Command;
use alloc::vec::Vec;
use base::number;
use core::ops::ControlFlow;
use data::list::End;
use data::{List, ListLimits, StrRef};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

const MOVES: Keys = Keys::Specs(&[
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
]);
const COUNTED: Find = Find::Counted { count_at: 0, first: 1, step: 1 };
const COUNTED_FROM_1: KeySpec =
    KeySpec { notes: "", access: Access::TAKE, begin: Begin::Index(1), find: COUNTED };
const COUNTED_FROM_2: KeySpec =
    KeySpec { notes: "", access: Access::TAKE, begin: Begin::Index(2), find: COUNTED };

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "lpush",
            summary: "Adds elements at the head of a list.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key element [element ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST).and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: ends::lpush,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rpush",
            summary: "Adds elements at the tail of a list.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key element [element ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST).and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: ends::rpush,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lpushx",
            summary: "Adds elements at the head of a list that exists.",
            since: "2.2.0",
            group: Group::List,
            cost: "O(N)",
            syntax: "key element [element ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST).and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: ends::lpushx,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rpushx",
            summary: "Adds elements at the tail of a list that exists.",
            since: "2.2.0",
            group: Group::List,
            cost: "O(N)",
            syntax: "key element [element ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST).and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: ends::rpushx,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lpop",
            summary: "Takes elements from the head of a list.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: ends::lpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rpop",
            summary: "Takes elements from the tail of a list.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: ends::rpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "llen",
            summary: "Returns the length of a list.",
            group: Group::List,
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: llen,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lrange",
            summary: "Returns a range of a list's elements.",
            group: Group::List,
            cost: "O(S+N)",
            syntax: "key start stop",
            arity: Arity::Exactly(4),
            flags: Flags::READONLY,
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: lrange,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lindex",
            summary: "Returns an element of a list by its index.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key index",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY,
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: lindex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lset",
            summary: "Sets an element of a list by its index.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key index element",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: lset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "linsert",
            summary: "Puts an element before or after another one.",
            since: "2.2.0",
            group: Group::List,
            cost: "O(N)",
            syntax: "key <BEFORE | AFTER> pivot element",
            arity: Arity::Exactly(5),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: linsert,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lrem",
            summary: "Removes elements that equal a given one.",
            group: Group::List,
            cost: "O(N+M)",
            syntax: "key count element",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE,
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: lrem,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "ltrim",
            summary: "Removes all elements outside of a range.",
            group: Group::List,
            cost: "O(N)",
            syntax: "key start stop",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE,
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: ltrim,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lpos",
            summary: "Returns the indexes of elements that equal a given one.",
            since: "6.0.6",
            group: Group::List,
            cost: "O(N)",
            syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            acl: Acl::LIST,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: lpos,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lmove",
            summary: "Moves an element from an end of a list to an end of another.",
            since: "6.2.0",
            group: Group::List,
            syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
            arity: Arity::Exactly(5),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: MOVES,
            ..Spec::USUAL
        },
        run: moves::lmove,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rpoplpush",
            summary: "Moves the last element of a list to the head of another.",
            since: "1.2.0",
            group: Group::List,
            syntax: "source destination",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::LIST,
            keys: MOVES,
            ..Spec::USUAL
        },
        run: moves::rpoplpush,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lmpop",
            summary: "Takes elements from the first list that has some.",
            since: "7.0.0",
            group: Group::List,
            cost: "O(N+M)",
            syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
            acl: Acl::LIST,
            keys: Keys::Specs(&[COUNTED_FROM_1]),
            ..Spec::USUAL
        },
        run: moves::lmpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "blpop",
            summary: "Takes the first element of the first list that has one; waits for it.",
            since: "2.0.0",
            group: Group::List,
            cost: "O(N)",
            syntax: "key [key ...] timeout/d",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::NO_SCRIPT).and(Flags::BLOCKING),
            acl: Acl::LIST,
            keys: Keys::Range { first: 1, last: -2, step: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: moves::blpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "brpop",
            summary: "Takes the last element of the first list that has one; waits for it.",
            since: "2.0.0",
            group: Group::List,
            cost: "O(N)",
            syntax: "key [key ...] timeout/d",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::NO_SCRIPT).and(Flags::BLOCKING),
            acl: Acl::LIST,
            keys: Keys::Range { first: 1, last: -2, step: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: moves::brpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "blmove",
            summary: "Moves an element from a list to another; waits for it.",
            since: "6.2.0",
            group: Group::List,
            syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout/d",
            arity: Arity::Exactly(6),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::NO_SCRIPT).and(Flags::BLOCKING),
            acl: Acl::LIST,
            keys: MOVES,
            ..Spec::USUAL
        },
        run: moves::blmove,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "brpoplpush",
            summary: "Moves the last element of a list to the head of another; waits for it.",
            since: "2.2.0",
            group: Group::List,
            syntax: "source destination timeout/d",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::NO_SCRIPT).and(Flags::BLOCKING),
            acl: Acl::LIST,
            keys: MOVES,
            ..Spec::USUAL
        },
        run: moves::brpoplpush,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "blmpop",
            summary: "Takes elements from the first list that has some; waits for them.",
            since: "7.0.0",
            group: Group::List,
            cost: "O(N+M)",
            syntax: "timeout/d numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
            acl: Acl::LIST,
            keys: Keys::Specs(&[COUNTED_FROM_2]),
            ..Spec::USUAL
        },
        run: moves::blmpop,
        subcommands: &[],
    },
];

/// The sizes of nodes, with what DEBUG has set.
#[inline]
fn limits(call: &Call<'_>) -> ListLimits {
    ListLimits { plain_bytes: call.core.plain_bytes, ..call.core.settings.limits.list }
}

#[inline]
fn say(reply: &mut Reply<'_>, element: StrRef<'_>) {
    match element {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
}

/// The list at a key, for a reader.
fn read<'c>(keys: &'c mut keys::Keys<'_>, key: &[u8]) -> Result<Option<&'c List>, Refusal> {
    match keys.read(key) {
        Some(entry) => keys::of(&entry).map(Some),
        None => Ok(None),
    }
}

/// The index that a number stands for: below zero it counts from the end.
fn index_in(len: usize, number: i64) -> Option<usize> {
    let at = if number < 0 { number.checked_add_unsigned(len as u64)? } else { number };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// First index and number of the elements from `start` to `stop`, both included, below zero from the end.
fn range_in(len: usize, start: i64, stop: i64) -> (usize, usize) {
    let from_end = |number: i64| if number < 0 { number.saturating_add_unsigned(len as u64) } else { number };
    let (start, stop) = (from_end(start).max(0), from_end(stop));
    if start > stop || start >= len as i64 {
        return (0, 0);
    }
    let stop = stop.min(len as i64 - 1);
    (start as usize, (stop - start + 1) as usize)
}

fn integer(text: &[u8]) -> Result<i64, Refusal> {
    number::parse_i64(text).ok_or(Refusal::NotInteger)
}

/// Tells of a change of a list, and of its end where that was the last element.
fn told(call: &mut Call<'_>, event: &str, key: &[u8], is_empty: bool) {
    call.changed(Class::LIST, event, key);
    if is_empty {
        call.notify(Class::GENERIC, "del", key);
    }
}

fn llen(call: &mut Call<'_>) -> Result<(), Refusal> {
    let list = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(list.map_or(0, List::len) as i64);
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (start, stop) = (integer(call.args.at(2))?, integer(call.args.at(3))?);
    let Some(list) = read(&mut call.keys, call.args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    let (from, count) = range_in(list.len(), start, stop);
    let reply = &mut call.reply;
    reply.array(count);
    list.range(from, count, |element| say(reply, element));
    Ok(())
}

fn lindex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(list) = read(&mut call.keys, call.args.at(1))? else {
        call.reply.null();
        return Ok(());
    };
    let index = index_in(list.len(), integer(call.args.at(2))?);
    let reply = &mut call.reply;
    if index.and_then(|index| list.get(index, |element| say(reply, element))).is_none() {
        reply.null();
    }
    Ok(())
}

fn lset(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, limits) = (call.args.at(1), limits(call));
    let mut entry = call.keys.taken(key).ok_or(Refusal::NoSuchKey)?;
    let mut list = keys::change_in::<List>(&mut entry)?;
    let index = index_in(list.len(), integer(call.args.at(2))?);
    let index = index.ok_or(Refusal::Text("ERR index out of range"))?;
    list.set(index, call.args.at(3), &limits);
    drop(list);
    call.as_requested();
    call.changed(Class::LIST, "lset", key);
    call.reply.ok();
    Ok(())
}

fn linsert(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, limits) = (call.args.at(1), limits(call));
    let is_after = match call.args.at(2) {
        word if word.eq_ignore_ascii_case(b"after") => true,
        word if word.eq_ignore_ascii_case(b"before") => false,
        _ => return Err(Refusal::Syntax),
    };
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut list = keys::change_in::<List>(&mut entry)?;
    let mut pivot = None;
    list.find(call.args.at(3), End::Front, usize::MAX, |at| {
        pivot = Some(at);
        ControlFlow::Break(())
    });
    let Some(pivot) = pivot else {
        call.reply.integer(-1);
        return Ok(());
    };
    list.insert(pivot + usize::from(is_after), call.args.at(4), &limits);
    let len = list.len();
    drop(list);
    call.as_requested();
    call.changed(Class::LIST, "linsert", key);
    call.reply.integer(len as i64);
    Ok(())
}

fn lrem(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, limits) = (call.args.at(1), limits(call));
    let count = integer(call.args.at(2))?;
    if count == i64::MIN {
        return Err(Refusal::OutOfSymmetricRange);
    }
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut list = keys::change_in::<List>(&mut entry)?;
    let most =
        if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let from = if count < 0 { End::Back } else { End::Front };
    let removed = list.remove_equal(call.args.at(3), from, most, &limits);
    let is_empty = list.is_empty();
    drop(list);
    if is_empty {
        entry.remove();
    }
    if removed > 0 {
        call.keys.shared.feed.changes += removed as u64 - 1;
        call.as_requested();
        told(call, "lrem", key, is_empty);
    }
    call.reply.integer(removed as i64);
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, limits) = (call.args.at(1), limits(call));
    let (start, stop) = (integer(call.args.at(2))?, integer(call.args.at(3))?);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.ok();
        return Ok(());
    };
    let mut list = keys::change_in::<List>(&mut entry)?;
    let len = list.len();
    let (from, count) = range_in(len, start, stop);
    if count > 0 {
        list.remove(from + count, len, &limits);
        list.remove(0, from, &limits);
    }
    drop(list);
    // What is large is not freed here and now.
    if count == 0 {
        entry.remove();
    }
    if count < len {
        call.as_requested();
    }
    told(call, "ltrim", key, count == 0);
    call.reply.ok();
    Ok(())
}

/// What LPOS is asked for.
struct Search {
    /// Matches to skip.
    skip: u64,
    from: End,
    /// COUNT, where it was given; 0: all.
    count: Option<u64>,
    /// Elements to look at.
    most: usize,
}

impl Search {
    fn parse(call: &Call<'_>) -> Result<Search, Refusal> {
        let mut search = Search { skip: 0, from: End::Front, count: None, most: usize::MAX };
        let args: Vec<&[u8]> = call.args.from(3).iter().collect();
        for pair in args.chunks(2) {
            let &[word, value] = pair else { return Err(Refusal::Syntax) };
            let positive =
                |text| u64::try_from(number::parse_i64(value).unwrap_or(-1)).map_err(|_| Refusal::Text(text));
            if word.eq_ignore_ascii_case(b"rank") {
                let rank = integer(value)?;
                match rank {
                    i64::MIN => return Err(Refusal::OutOfSymmetricRange),
                    0 => return Err(ZERO_RANK),
                    _ => {}
                }
                search.skip = rank.unsigned_abs() - 1;
                search.from = if rank < 0 { End::Back } else { End::Front };
            } else if word.eq_ignore_ascii_case(b"count") {
                search.count = Some(positive("ERR COUNT can't be negative")?);
            } else if word.eq_ignore_ascii_case(b"maxlen") {
                let most = positive("ERR MAXLEN can't be negative")?;
                search.most =
                    if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
            } else {
                return Err(Refusal::Syntax);
            }
        }
        Ok(search)
    }
}

const ZERO_RANK: Refusal = Refusal::Text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
     from the end of the list",
);

fn lpos(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Search { mut skip, from, count, most } = Search::parse(call)?;
    let mut found: Vec<usize> = Vec::new();
    let wanted = match count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
    };
    if let Some(list) = read(&mut call.keys, call.args.at(1))? {
        list.find(call.args.at(2), from, most, |at| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            found.push(at);
            if found.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    match (count, found.first()) {
        (None, None) => call.reply.null(),
        (None, Some(at)) => call.reply.integer(*at as i64),
        (Some(_), _) => {
            call.reply.array(found.len());
            found.iter().for_each(|at| call.reply.integer(*at as i64));
        }
    }
    Ok(())
}
