//! SLOWLOG and LATENCY: what [`crate::slow`] and [`crate::stats`] have noted.

mod graph;

use crate::call::Call;
use crate::commands::{container, help};
use crate::slow::{Event, Kind};
use crate::table::Command;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::number;
use spec::command::{Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "slowlog",
            summary: "Shows the requests that took long.",
            since: "2.2.12",
            group: Group::Server,
            arity: Arity::AtLeast(2),
            ..Spec::USUAL
        },
        run: container,
        subcommands: SLOWLOG,
    },
    Command {
        spec: Spec {
            name: "latency",
            summary: "Shows when requests took long.",
            since: "2.8.13",
            group: Group::Server,
            arity: Arity::AtLeast(2),
            ..Spec::USUAL
        },
        run: container,
        subcommands: LATENCY,
    },
];

const LOG: Flags = Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE);
const WATCH: Flags = LOG.and(Flags::NO_SCRIPT);
const HELP: Flags = Flags::LOADING.and(Flags::STALE);

static SLOWLOG: &[Command] = &[
    Command {
        spec: Spec {
            name: "get",
            summary: "Returns the newest entries.",
            since: "2.2.12",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[count]",
            arity: Arity::AtLeast(2),
            flags: LOG,
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            ..Spec::USUAL
        },
        run: slowlog_get,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "len",
            summary: "Returns how many entries there are.",
            since: "2.2.12",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: LOG,
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            ..Spec::USUAL
        },
        run: slowlog_len,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reset",
            summary: "Removes all entries.",
            since: "2.2.12",
            group: Group::Server,
            cost: "O(N)",
            arity: Arity::Exactly(2),
            flags: LOG,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: slowlog_reset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "6.2.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: HELP,
            ..Spec::USUAL
        },
        run: slowlog_help,
        subcommands: &[],
    },
];

static LATENCY: &[Command] = &[
    Command {
        spec: Spec {
            name: "histogram",
            summary: "Returns how long requests of commands took.",
            since: "7.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[command [command ...]]",
            arity: Arity::AtLeast(2),
            flags: WATCH,
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Spec::USUAL
        },
        run: latency_histogram,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "graph",
            summary: "Draws the samples of an event.",
            since: "2.8.13",
            group: Group::Server,
            syntax: "event",
            arity: Arity::Exactly(3),
            flags: WATCH,
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Spec::USUAL
        },
        run: latency_graph,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "latest",
            summary: "Returns the newest sample of each event.",
            since: "2.8.13",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: WATCH,
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Spec::USUAL
        },
        run: latency_latest,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "history",
            summary: "Returns the samples of an event.",
            since: "2.8.13",
            group: Group::Server,
            syntax: "event",
            arity: Arity::Exactly(3),
            flags: WATCH,
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Spec::USUAL
        },
        run: latency_history,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reset",
            summary: "Removes the samples of events, or of all.",
            since: "2.8.13",
            group: Group::Server,
            syntax: "[event [event ...]]",
            arity: Arity::AtLeast(2),
            flags: WATCH,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: latency_reset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "doctor",
            summary: "Returns a report on the samples for people.",
            since: "2.8.13",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: WATCH,
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Spec::USUAL
        },
        run: latency_doctor,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "2.8.13",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: HELP,
            ..Spec::USUAL
        },
        run: latency_help,
        subcommands: &[],
    },
];

fn slowlog_get(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// 10: entries that a request without a count gets.
    const COUNT_USUAL: usize = 10;
    let all = call.core.slow.logs[Kind::Slow as usize].entries.len();
    let count = match call.args.len() {
        2 => COUNT_USUAL,
        3 => match number::parse_i64(call.args.at(2)) {
            Some(-1) => all,
            Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return Err(Refusal::Text("ERR count should be greater than or equal to -1")),
        },
        _ => return Err(Refusal::subcommand_or_arity("SLOWLOG", call.args.at(1))),
    };
    show(call, Kind::Slow, count);
    Ok(())
}

/// The newest entries of a log.
pub fn show(call: &mut Call<'_>, kind: Kind, count: usize) {
    let entries = &call.core.slow.logs[kind as usize].entries;
    call.reply.array(count.min(entries.len()));
    for entry in entries.iter().take(count) {
        call.reply.array(6);
        call.reply.integer(entry.id as i64);
        call.reply.integer(entry.at.as_seconds() as i64);
        call.reply.integer(entry.amount as i64);
        call.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.reply.bulk(arg));
        call.reply.bulk(entry.client.as_bytes());
        call.reply.bulk(&entry.name);
    }
}

fn slowlog_len(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.integer(call.core.slow.logs[Kind::Slow as usize].entries.len() as i64);
    Ok(())
}

fn slowlog_reset(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.core.slow.logs[Kind::Slow as usize].entries.clear();
    call.reply.ok();
    Ok(())
}

fn slowlog_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return the newest <count> entries (10 if none is given, -1 for all): id, time, microseconds,",
            "    arguments, client address and client name.",
            "LEN",
            "    Return how many entries there are.",
            "RESET",
            "    Remove all entries.",
        ],
    );
    Ok(())
}

fn latency_latest(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.array(call.core.slow.events.len());
    for (name, event) in &call.core.slow.events {
        let (at, ms) = event.samples.back().copied().unwrap_or_default();
        call.reply.array(4);
        call.reply.bulk(name.as_bytes());
        for value in [at, ms, event.worst_ms] {
            call.reply.integer(value as i64);
        }
    }
    Ok(())
}

fn event<'c>(call: &'c Call<'_>, name: &[u8]) -> Option<&'c Event> {
    call.core.slow.events.iter().find(|(event, _)| event.as_bytes() == name).map(|(_, event)| event)
}

fn latency_history(call: &mut Call<'_>) -> Result<(), Refusal> {
    let samples: Vec<(u64, u64)> =
        event(call, call.args.at(2)).map_or(Vec::new(), |event| event.samples.iter().copied().collect());
    call.reply.array(samples.len());
    for (at, ms) in samples {
        call.reply.array(2);
        call.reply.integer(at as i64);
        call.reply.integer(ms as i64);
    }
    Ok(())
}

/// The rows that the words of LATENCY HISTOGRAM name, in the order of the words: a container stands for itself and
/// its subcommands. No word: all.
fn named_rows(call: &Call<'_>) -> Vec<usize> {
    let rows = call.table.rows();
    if call.args.len() == 2 {
        return (0..rows.len()).collect();
    }
    let mut named = Vec::new();
    for word in call.args.from(2).iter() {
        let found = rows.iter().position(|row| word.eq_ignore_ascii_case(row.full_name.as_bytes()));
        let Some(at) = found else { continue };
        let subcommands = rows[at].subcommands.clone();
        named.push(at);
        named.extend(usize::from(subcommands.start)..usize::from(subcommands.end));
    }
    named
}

fn latency_histogram(call: &mut Call<'_>) -> Result<(), Refusal> {
    let rows = named_rows(call);
    let stats = &call.core.stats;
    let shown: Vec<_> = rows.iter().filter_map(|row| Some((*row, stats.histogram(*row)?))).collect();
    call.reply.map(shown.len());
    for (row, histogram) in shown {
        call.reply.bulk(call.table.rows()[row].full_name.as_bytes());
        call.reply.map(2);
        call.reply.bulk(b"calls");
        call.reply.integer(histogram.total() as i64);
        call.reply.bulk(b"histogram_usec");
        let buckets: Vec<(u64, u64)> = histogram.cumulative_us().collect();
        call.reply.map(buckets.len());
        for (us, count) in buckets {
            call.reply.integer(us as i64);
            call.reply.integer(count as i64);
        }
    }
    Ok(())
}

fn latency_graph(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = call.args.at(2);
    let Some(event) = event(call, name) else {
        let name = crate::commands::text(name);
        let text = format!("ERR No samples available for event '{name}'");
        return Err(Refusal::Owned(text.into()));
    };
    let text = graph::draw(&crate::commands::text(name), event, call.now.unix.as_seconds());
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn latency_reset(call: &mut Call<'_>) -> Result<(), Refusal> {
    let events = &mut call.core.slow.events;
    let before = events.len();
    if call.args.len() == 2 {
        events.clear();
    } else {
        let names = call.args.from(2);
        events.retain(|event, _| names.iter().all(|name| name != event.as_bytes()));
    }
    call.reply.integer((before - events.len()) as i64);
    Ok(())
}

fn latency_doctor(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut text = String::new();
    let events = &call.core.slow.events;
    if call.core.settings.slow.latency == u64::MAX && events.is_empty() {
        text.push_str(
            "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n",
        );
    } else if events.is_empty() {
        text.push_str("No request has been over the threshold since monitoring began or was reset.\n");
    }
    for (name, event) in events {
        let count = event.samples.len() as u64;
        let mean = event.samples.iter().map(|(_, ms)| ms).sum::<u64>().checked_div(count).unwrap_or(0);
        let off = event.samples.iter().map(|(_, ms)| ms.abs_diff(mean)).sum::<u64>();
        let off = off.checked_div(count).unwrap_or(0);
        text.push_str(&format!(
            "{name}: {count} spikes, mean {mean} ms (mean deviation {off} ms), worst {} ms.\n",
            event.worst_ms
        ));
    }
    if !events.is_empty() {
        text.push_str("SLOWLOG GET shows which requests these were.\n");
    }
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn latency_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a report for people.",
            "GRAPH <event>",
            "    Draw the samples of <event>.",
            "HISTOGRAM [<command> ...]",
            "    Return how many requests of the commands, or of all, were done within which time.",
            "HISTORY <event>",
            "    Return the samples of <event>: time and milliseconds.",
            "LATEST",
            "    Return the newest sample of each event, and its worst.",
            "RESET [<event> ...]",
            "    Remove the samples of the events, or of all.",
        ],
    );
    Ok(())
}
