//! COMMANDLOG: the requests that took long or were large, as Valkey names them.

use crate::call::Call;
use crate::commands::slowlog::show;
use crate::commands::{container, help};
use crate::slow::Kind;
use crate::table::Command;
use base::number;
use spec::command::{Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "commandlog",
        summary: "Shows the requests that took long or were large.",
        since: "8.1.0",
        group: Group::Server,
        arity: Arity::AtLeast(2),
        ..Spec::USUAL
    },
    run: container,
    subcommands: COMMANDLOG,
}];

const LOG: Flags = Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE);

static COMMANDLOG: &[Command] = &[
    Command {
        spec: Spec {
            name: "get",
            summary: "Returns the newest entries of a log.",
            since: "8.1.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "count <SLOW | LARGE-REQUEST | LARGE-REPLY>",
            arity: Arity::Exactly(4),
            flags: LOG,
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            ..Spec::USUAL
        },
        run: commandlog_get,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "len",
            summary: "Returns how many entries a log has.",
            since: "8.1.0",
            group: Group::Server,
            syntax: "<SLOW | LARGE-REQUEST | LARGE-REPLY>",
            arity: Arity::Exactly(3),
            flags: LOG,
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            ..Spec::USUAL
        },
        run: commandlog_len,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reset",
            summary: "Removes all entries of a log.",
            since: "8.1.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "<SLOW | LARGE-REQUEST | LARGE-REPLY>",
            arity: Arity::Exactly(3),
            flags: LOG,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: commandlog_reset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "8.1.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: commandlog_help,
        subcommands: &[],
    },
];

fn kind(word: &[u8]) -> Result<Kind, Refusal> {
    match word.to_ascii_lowercase().as_slice() {
        b"slow" => Ok(Kind::Slow),
        b"large-request" => Ok(Kind::LargeRequest),
        b"large-reply" => Ok(Kind::LargeReply),
        _ => Err(Refusal::Text("ERR type should be one of the following: slow, large-request, large-reply")),
    }
}

fn commandlog_get(call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = match number::parse_i64(call.args.at(2)) {
        Some(-1) => usize::MAX,
        Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
        _ => return Err(Refusal::Text("ERR count should be greater than or equal to -1")),
    };
    let kind = kind(call.args.at(3))?;
    show(call, kind, count);
    Ok(())
}

fn commandlog_len(call: &mut Call<'_>) -> Result<(), Refusal> {
    let kind = kind(call.args.at(2))?;
    call.reply.integer(call.core.slow.logs[kind as usize].entries.len() as i64);
    Ok(())
}

fn commandlog_reset(call: &mut Call<'_>) -> Result<(), Refusal> {
    let kind = kind(call.args.at(2))?;
    call.core.slow.logs[kind as usize].entries.clear();
    call.reply.ok();
    Ok(())
}

fn commandlog_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "COMMANDLOG",
        &[
            "GET <count> <type>",
            "    Return the newest <count> entries of a log (-1 for all): id, time, microseconds (slow) or bytes",
            "    (large-request, large-reply), arguments, client address and client name.",
            "LEN <type>",
            "    Return how many entries a log has.",
            "RESET <type>",
            "    Remove all entries of a log.",
        ],
    );
    Ok(())
}
