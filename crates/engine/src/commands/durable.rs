//! The append-only file: BGREWRITEAOF and WAITAOF.

use crate::Question;
use crate::call::Call;
use crate::table::Command;
use base::{Span, number};
use spec::command::{Acl, Arity, Flags, Group};
use spec::{Refusal, Spec};

/// The rows.
pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "bgrewriteaof",
            summary: "Rewrites the append-only file beside the work.",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: bgrewriteaof,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "waitaof",
            summary: "Waits until the connection's writes are on disk, here and on replicas.",
            since: "7.2.0",
            syntax: "numlocal numreplicas timeout",
            arity: Arity::Exactly(4),
            flags: Flags::NO_SCRIPT,
            acl: Acl::CONNECTION,
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            ..Spec::USUAL
        },
        run: waitaof,
        subcommands: &[],
    },
];

fn bgrewriteaof(call: &mut Call<'_>) -> Result<(), Refusal> {
    let in_exec = call.in_exec;
    call.ask(Question::RewriteAof { in_exec })
}

fn waitaof(call: &mut Call<'_>) -> Result<(), Refusal> {
    let here = number::parse_i64(call.args.at(1)).ok_or(Refusal::NotInteger)?;
    let here = match here {
        0 | 1 => here == 1,
        _ => return Err(Refusal::Text("ERR value is out of range, value must between 0 and 1")),
    };
    let replicas = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let replicas = u64::try_from(replicas).map_err(|_| Refusal::NotPositive)?;
    let timeout = number::parse_i64(call.args.at(3)).ok_or(Refusal::TimeoutNotInteger)?;
    let timeout = u64::try_from(timeout).map_err(|_| Refusal::TimeoutNegative)?;
    if call.keys.shared.standing.is_replica {
        return Err(Refusal::Text(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        ));
    }
    let timeout = match (call.in_exec, timeout) {
        // Nothing waits inside of a transaction: the answer is what is known now.
        (true, _) => Some(Span::ZERO),
        (false, 0) => None,
        (false, ms) if ms > i64::MAX as u64 - call.now.unix.as_ms() => {
            return Err(Refusal::TimeoutOutOfRange);
        }
        (false, ms) => Some(Span::ms(ms)),
    };
    call.ask(Question::WaitAof { here, replicas, offset: call.session.last_write, timeout })
}
