//! CONFIG: showing and changing the configuration.

use crate::admission::is_local;
use crate::call::Call;
use crate::commands::{container, help};
use crate::table::Command;
use crate::{Answer, Question};
use alloc::string::ToString;
use alloc::vec::Vec;
use spec::command::{Arity, Flags, Group};
use spec::config::Extent;
use spec::directive::id;
use spec::{DirectiveId, Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "config",
        summary: "Shows and changes the configuration.",
        since: "2.0.0",
        group: Group::Server,
        arity: Arity::AtLeast(2),
        ..Spec::USUAL
    },
    run: container,
    subcommands: CONFIG,
}];

static CONFIG: &[Command] = &[
    Command {
        spec: Spec {
            name: "get",
            summary: "Returns directives whose name matches a pattern.",
            since: "2.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "parameter [parameter ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: config_get,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "set",
            summary: "Changes directives, all or none.",
            since: "2.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "parameter value [parameter value ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: config_set,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rewrite",
            summary: "Writes the present values into the configuration file.",
            since: "2.8.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: config_rewrite,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "resetstat",
            summary: "Sets the counters of INFO to zero.",
            since: "2.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: config_resetstat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: config_help,
        subcommands: &[],
    },
];

fn config_get(call: &mut Call<'_>) -> Result<(), Refusal> {
    let patterns: Vec<&[u8]> = call.args.from(2).iter().collect();
    let found = call.keys.shared.config.matching(&patterns);
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(&name);
        call.reply.bulk(&value);
    }
    Ok(())
}

/// What a load under way depends on.
const NOT_WHILE_LOADING: [DirectiveId; 3] = [id::DIR, id::APPENDONLY, id::REPL_DISKLESS_LOAD];

fn config_set(call: &mut Call<'_>) -> Result<(), Refusal> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Refusal::Syntax);
    }
    let args: Vec<&[u8]> = call.args.from(2).iter().collect();
    let pairs: Vec<(&[u8], &[u8])> = args.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    let waits = |(name, _): &(&[u8], &[u8])| {
        DirectiveId::named(name).is_some_and(|id| NOT_WHILE_LOADING.contains(&id))
    };
    let standing = &call.keys.shared.standing;
    if (standing.loading || standing.loads_beside) && pairs.iter().any(waits) {
        return Err(Refusal::Loading);
    }
    let before = call.keys.shared.config.clone();
    let changed = call
        .keys
        .shared
        .config
        .set(&pairs, is_local(call.session))
        .map_err(|error| Refusal::Owned(error.to_string().into_boxed_str()))?;
    let may_wait = !call.in_exec;
    let answer = call.put(Question::ConfigChanged { changed: &changed, before: &before, may_wait });
    call.core.configure(call.keys.shared);
    match answer {
        Answer::Refused(refusal) => {
            call.keys.shared.config = before;
            call.core.configure(call.keys.shared);
            return Err(refusal);
        }
        Answer::Block => {
            call.session.is_blocked = true;
            return Ok(());
        }
        Answer::Later(number) => {
            call.answer_later(number);
            return Ok(());
        }
        Answer::Yield => call.flow = crate::call::Flow::Yield,
        Answer::Done | Answer::Link => {}
    }
    call.reply.ok();
    Ok(())
}

fn config_rewrite(call: &mut Call<'_>) -> Result<(), Refusal> {
    let may_wait = !call.in_exec;
    call.ask(Question::RewriteConfig { extent: Extent::Needed, may_wait })
}

fn config_resetstat(call: &mut Call<'_>) -> Result<(), Refusal> {
    let traffic = call.out.traffic;
    call.core.stats.reset(traffic);
    call.core.stats.freed_before = call.keys.shared.keyspace.garbage().freed;
    call.core.peak_bytes = call.keys.shared.keyspace.used_bytes();
    call.ask(Question::ResetStats)?;
    call.reply.ok();
    Ok(())
}

fn config_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "CONFIG",
        &[
            "GET <pattern> [<pattern> ...]",
            "    Return the directives whose name matches a pattern, with their values.",
            "SET <directive> <value> [<directive> <value> ...]",
            "    Change directives, all or none.",
            "REWRITE",
            "    Write the present values into the configuration file.",
            "RESETSTAT",
            "    Set the counters of INFO to zero.",
        ],
    );
    Ok(())
}
