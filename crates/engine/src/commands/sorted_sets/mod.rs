//! Sorted sets: members with scores at one key. The table; the handlers stand in the rooms below.

pub(super) mod change;
mod combine;
mod pop;
mod range;
mod read;

use crate::call::{Call, Class};
use crate::keys::{self, Keys as KeysView, Place};
use crate::table::Command;
use change::{zadd, zincrby, zrem, zremrangebylex, zremrangebyrank, zremrangebyscore};
use combine::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
use data::sorted_set::Growth;
use data::{SortedSet, StrRef};
use pop::{bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin};
use range::{zrange, zrangebylex, zrangebyscore, zrangestore, zrevrange, zrevrangebylex, zrevrangebyscore};
use read::{zcard, zcount, zlexcount, zmscore, zrandmember, zrank, zrevrank, zscan, zscore};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "zadd",
            summary: "Adds members to a sorted set, or changes their scores.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: zadd,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zincrby",
            summary: "Adds to the score of a member.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key increment member",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::CHANGE },
            ..Spec::USUAL
        },
        run: zincrby,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrem",
            summary: "Removes members of a sorted set.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(M*log(N))",
            syntax: "key member [member ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: zrem,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zcard",
            summary: "Counts the members of a sorted set.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(1)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: zcard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zscore",
            summary: "Returns the score of a member.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(1)",
            syntax: "key member",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zscore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zmscore",
            summary: "Returns the scores of members.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(N)",
            syntax: "key member [member ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zmscore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrank",
            summary: "Returns the rank of a member, the lowest score first.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key member [WITHSCORE]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrank,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrevrank",
            summary: "Returns the rank of a member, the highest score first.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key member [WITHSCORE]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrevrank,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zcount",
            summary: "Counts the members with scores in a range.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key min/d max/d",
            arity: Arity::Exactly(4),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zcount,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zlexcount",
            summary: "Counts the members in a range of names.",
            since: "2.8.9",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key min max",
            arity: Arity::Exactly(4),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zlexcount,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrange",
            summary: "Returns members in a range of ranks, scores or names.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key start/s stop/s [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrange,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrangestore",
            summary: "Stores members in a range of ranks, scores or names.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::SORTED_SET,
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
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: zrangestore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrevrange",
            summary: "Returns members in a range of ranks, the highest score first.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key start stop [WITHSCORES]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrevrange,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrangebyscore",
            summary: "Returns members in a range of scores.",
            since: "1.0.5",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key min/d max/d [WITHSCORES] [LIMIT offset count]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrangebyscore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrevrangebyscore",
            summary: "Returns members in a range of scores, the highest first.",
            since: "2.2.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key max/d min/d [WITHSCORES] [LIMIT offset count]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrevrangebyscore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrangebylex",
            summary: "Returns members in a range of names.",
            since: "2.8.9",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key min max [LIMIT offset count]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrangebylex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrevrangebylex",
            summary: "Returns members in a range of names, the last first.",
            since: "2.8.9",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key max min [LIMIT offset count]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: zrevrangebylex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zremrangebyrank",
            summary: "Removes members in a range of ranks.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key start stop",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: zremrangebyrank,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zremrangebyscore",
            summary: "Removes members in a range of scores.",
            since: "1.2.0",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key min/d max/d",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: zremrangebyscore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zremrangebylex",
            summary: "Removes members in a range of names.",
            since: "2.8.9",
            group: Group::SortedSet,
            cost: "O(log(N)+M)",
            syntax: "key min max",
            arity: Arity::Exactly(4),
            flags: Flags::WRITE,
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::DELETE },
            ..Spec::USUAL
        },
        run: zremrangebylex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zunion",
            summary: "Returns what any of the sorted sets has.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(N)+O(M*log(M))",
            syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::READ,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: zunion,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zinter",
            summary: "Returns what all sorted sets have.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(N*K)+O(M*log(M))",
            syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::READ,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: zinter,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zdiff",
            summary: "Returns what the first sorted set has and the others have not.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(L + (N-K)log(N))",
            syntax: "numkeys key [key ...] [WITHSCORES]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::READ,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: zdiff,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zunionstore",
            summary: "Stores the union of sorted sets.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(N)+O(M log(M))",
            syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
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
                    find: Find::Counted { count_at: 0, first: 1, step: 1 },
                },
            ]),
            ..Spec::USUAL
        },
        run: zunionstore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zinterstore",
            summary: "Stores the intersection of sorted sets.",
            since: "2.0.0",
            group: Group::SortedSet,
            cost: "O(N*K)+O(M*log(M))",
            syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
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
                    find: Find::Counted { count_at: 0, first: 1, step: 1 },
                },
            ]),
            ..Spec::USUAL
        },
        run: zinterstore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zdiffstore",
            summary: "Stores the difference of sorted sets.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(L + (N-K)log(N))",
            syntax: "destination numkeys key [key ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
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
                    find: Find::Counted { count_at: 0, first: 1, step: 1 },
                },
            ]),
            ..Spec::USUAL
        },
        run: zdiffstore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zintercard",
            summary: "Counts what all sorted sets have.",
            since: "7.0.0",
            group: Group::SortedSet,
            cost: "O(N*K)",
            syntax: "numkeys key [key ...] [LIMIT limit]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::READ,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: zintercard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zpopmin",
            summary: "Pops the members with the lowest scores.",
            since: "5.0.0",
            group: Group::SortedSet,
            cost: "O(log(N)*M)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: zpopmin,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zpopmax",
            summary: "Pops the members with the highest scores.",
            since: "5.0.0",
            group: Group::SortedSet,
            cost: "O(log(N)*M)",
            syntax: "key [count]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::One { at: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: zpopmax,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zmpop",
            summary: "Pops members from the first sorted set that has some.",
            since: "7.0.0",
            group: Group::SortedSet,
            cost: "O(K)",
            syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::TAKE,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: zmpop,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zrandmember",
            summary: "Returns random members of a sorted set.",
            since: "6.2.0",
            group: Group::SortedSet,
            cost: "O(N)",
            syntax: "key [count [WITHSCORES]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: zrandmember,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "zscan",
            summary: "Walks over the members of a sorted set.",
            since: "2.8.0",
            group: Group::SortedSet,
            cost: "O(1)",
            syntax: "key cursor [MATCH pattern] [COUNT count]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            acl: Acl::SORTED_SET,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
        },
        run: zscan,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bzpopmin",
            summary: "Pops the member with the lowest score, waiting if need be.",
            since: "5.0.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key [key ...] timeout/d",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::NO_SCRIPT).and(Flags::BLOCKING).and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::Range { first: 1, last: -2, step: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: bzpopmin,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bzpopmax",
            summary: "Pops the member with the highest score, waiting if need be.",
            since: "5.0.0",
            group: Group::SortedSet,
            cost: "O(log(N))",
            syntax: "key [key ...] timeout/d",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::NO_SCRIPT).and(Flags::BLOCKING).and(Flags::FAST),
            acl: Acl::SORTED_SET,
            keys: Keys::Range { first: 1, last: -2, step: 1, access: Access::TAKE },
            ..Spec::USUAL
        },
        run: bzpopmax,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bzmpop",
            summary: "Pops members from the first sorted set that has some, waiting if need be.",
            since: "7.0.0",
            group: Group::SortedSet,
            cost: "O(K)",
            syntax: "timeout/d numkeys key [key ...] <MIN | MAX> [COUNT count]",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
            acl: Acl::SORTED_SET,
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::TAKE,
                begin: Begin::Index(2),
                find: Find::Counted { count_at: 0, first: 1, step: 1 },
            }]),
            ..Spec::USUAL
        },
        run: bzmpop,
        subcommands: &[],
    },
];

/// What a sorted set must know to grow.
pub(super) fn growth(call: &Call<'_>) -> Growth {
    Growth { key: call.keys.shared.keyspace.hash_key(), limits: call.core.settings.limits.sorted_set }
}

/// The sorted set at a key, for a reader.
pub(super) fn read<'c>(keys: &'c mut KeysView<'_>, key: &[u8]) -> Result<Option<&'c SortedSet>, Refusal> {
    match keys.read(key) {
        Some(entry) => keys::of(&entry).map(Some),
        None => Ok(None),
    }
}

/// Replies with a member.
#[inline]
pub(super) fn say(reply: &mut Reply<'_>, member: StrRef<'_>) {
    match member {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(number) => reply.bulk_integer(number),
    }
}

/// Replies with members, and with their scores where they are wanted: pairs of their own in RESP3.
pub(super) fn say_all<'e>(
    reply: &mut Reply<'_>,
    count: usize,
    members: impl Iterator<Item = (StrRef<'e>, f64)>,
    with_scores: bool,
) {
    let is_nested = with_scores && reply.is_resp3();
    reply.array(if with_scores && !is_nested { count * 2 } else { count });
    members.for_each(|(member, score)| {
        if is_nested {
            reply.array(2);
        }
        say(reply, member);
        if with_scores {
            reply.double(score);
        }
    });
}

/// Puts a result in the place of whatever a key holds; without members the key is removed. Replies with their number.
pub(super) fn store(call: &mut Call<'_>, key: &[u8], set: SortedSet, event: &str) {
    let count = set.len();
    if count == 0 {
        if let Some(entry) = call.keys.taken(key) {
            entry.remove();
            call.as_requested();
            call.changed(Class::GENERIC, "del", key);
        }
        call.reply.integer(0);
        return;
    }
    match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            entry.set_value(set.into());
            entry.set_deadline(None);
        }
        Place::Free(free) => drop(free.insert(set.into(), None)),
    }
    call.as_requested();
    call.changed(Class::SORTED_SET, event, key);
    call.reply.integer(count as i64);
}
