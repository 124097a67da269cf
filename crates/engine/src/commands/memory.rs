//! MEMORY: what memory is used for.

use crate::Question;
use crate::call::Call;
use crate::commands::{container, help, info};
use crate::table::Command;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::number;
use spec::command::{Access, Arity, Flags, Group, Keys};
use spec::info::{Facts, Sections};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "memory",
        summary: "Shows what memory is used for.",
        since: "4.0.0",
        group: Group::Server,
        arity: Arity::AtLeast(2),
        ..Spec::USUAL
    },
    run: container,
    subcommands: MEMORY,
}];

const REPORT_TIPS: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// A subcommand without arguments that reports.
const fn report(
    name: &'static str,
    summary: &'static str,
    run: fn(&mut Call<'_>) -> Result<(), Refusal>,
) -> Command {
    Command {
        spec: Spec {
            name,
            summary,
            since: "4.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            tips: REPORT_TIPS,
            ..Spec::USUAL
        },
        run,
        subcommands: &[],
    }
}

static MEMORY: &[Command] = &[
    Command {
        spec: Spec {
            name: "usage",
            summary: "Returns the memory of a key with its value.",
            since: "4.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "key [SAMPLES count]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: memory_usage,
        subcommands: &[],
    },
    report("stats", "Returns figures of the use of memory.", memory_stats),
    report("doctor", "Returns a report on the use of memory for people.", memory_doctor),
    report("malloc-stats", "Returns the figures of the allocator.", memory_malloc_stats),
    Command {
        spec: Spec {
            name: "purge",
            summary: "Frees what waits to be freed.",
            since: "4.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: memory_purge,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "4.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: memory_help,
        subcommands: &[],
    },
];

fn memory_usage(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options: Vec<&[u8]> = call.args.from(3).iter().collect();
    for pair in options.chunks(2) {
        // Sizes are exact here: samples are read, and nothing needs them.
        let &[word, count] = pair else { return Err(Refusal::Syntax) };
        if !word.eq_ignore_ascii_case(b"samples") {
            return Err(Refusal::Syntax);
        }
        if number::parse_i64(count).ok_or(Refusal::NotInteger)? < 0 {
            return Err(Refusal::Syntax);
        }
    }
    match call.keys.peek(call.args.at(2)).map(|entry| entry.memory_bytes()) {
        Some(bytes) => call.reply.integer(bytes as i64),
        None => call.reply.null(),
    }
    Ok(())
}

/// The facts of INFO that the reports are made of.
fn facts(call: &mut Call<'_>) -> Result<Facts, Refusal> {
    let mut facts = Facts::default();
    info::fill(call, Sections::chosen(&[b"memory", b"keyspace"]), &mut facts);
    call.ask(Question::Info(&mut facts))?;
    Ok(facts)
}

fn ratio(one: u64, other: u64) -> f64 {
    if other == 0 { 0.0 } else { one as f64 / other as f64 }
}

/// A figure of MEMORY STATS.
enum Figure {
    Count(u64),
    Difference(u64, u64),
    Float(f64),
}

fn memory_stats(call: &mut Call<'_>) -> Result<(), Refusal> {
    use Figure::{Count, Difference, Float};
    let facts = facts(call)?;
    let memory = &facts.memory;
    let keys: u64 = facts.databases.iter().map(|database| database.keys).sum();
    let data = memory.used_bytes.saturating_sub(memory.overhead_bytes);
    let beyond_start = memory.used_bytes.saturating_sub(memory.startup_bytes);
    let before = [
        ("peak.allocated", Count(memory.peak_bytes)),
        ("total.allocated", Count(memory.used_bytes)),
        ("startup.allocated", Count(memory.startup_bytes)),
        ("replication.backlog", Count(memory.backlog_bytes)),
        ("clients.slaves", Count(memory.replica_buffers_bytes)),
        ("clients.normal", Count(memory.client_buffers_bytes)),
        ("cluster.links", Count(memory.cluster_links_bytes)),
        ("aof.buffer", Count(0)),
        ("lua.caches", Count(0)),
        ("functions.caches", Count(0)),
    ];
    let after = [
        ("overhead.total", Count(memory.overhead_bytes)),
        ("keys.count", Count(keys)),
        ("keys.bytes-per-key", Count(beyond_start.checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", Count(data)),
        ("dataset.percentage", Float(ratio(data, beyond_start) * 100.0)),
        ("peak.percentage", Float(ratio(memory.used_bytes, memory.peak_bytes) * 100.0)),
        ("allocator.allocated", Count(memory.allocated_bytes)),
        ("allocator.active", Count(memory.active_bytes)),
        ("allocator.resident", Count(memory.resident_bytes)),
        ("allocator-fragmentation.ratio", Float(ratio(memory.active_bytes, memory.allocated_bytes))),
        ("allocator-fragmentation.bytes", Difference(memory.active_bytes, memory.allocated_bytes)),
        ("allocator-rss.ratio", Float(ratio(memory.resident_bytes, memory.active_bytes))),
        ("allocator-rss.bytes", Difference(memory.resident_bytes, memory.active_bytes)),
        ("rss-overhead.ratio", Float(ratio(memory.rss_bytes, memory.resident_bytes))),
        ("rss-overhead.bytes", Difference(memory.rss_bytes, memory.resident_bytes)),
        ("fragmentation", Float(ratio(memory.rss_bytes, memory.used_bytes))),
        ("fragmentation.bytes", Difference(memory.rss_bytes, memory.used_bytes)),
    ];
    call.reply.map(before.len() + facts.databases.len() + after.len());
    let mut show = |name: &str, figure: &Figure| {
        call.reply.bulk(name.as_bytes());
        match *figure {
            Count(count) => call.reply.integer(count as i64),
            Difference(one, other) => call.reply.integer(one as i64 - other as i64),
            Float(value) => call.reply.double(value),
        }
    };
    before.iter().for_each(|(name, figure)| show(name, figure));
    for database in &facts.databases {
        let overhead = call.keys.shared.keyspace.table_bytes(database.index);
        call.reply.bulk(format!("db.{}", database.index).as_bytes());
        call.reply.map(3);
        // Deadlines stand in the entries, and slots have tables of their own: only the first figure is not zero.
        for (name, bytes) in [("main", overhead), ("expires", 0), ("slot-to-keys", 0)] {
            call.reply.bulk(format!("overhead.hashtable.{name}").as_bytes());
            call.reply.integer(bytes as i64);
        }
    }
    let mut show = |name: &str, figure: &Figure| {
        call.reply.bulk(name.as_bytes());
        match *figure {
            Count(count) => call.reply.integer(count as i64),
            Difference(one, other) => call.reply.integer(one as i64 - other as i64),
            Float(value) => call.reply.double(value),
        }
    };
    after.iter().for_each(|(name, figure)| show(name, figure));
    Ok(())
}

/// What the figures point to, each with what helps.
fn findings(facts: &Facts) -> Vec<String> {
    const MIB: u64 = 1 << 20;
    let memory = &facts.memory;
    let mut found = Vec::new();
    if memory.peak_bytes > memory.used_bytes / 2 * 3 {
        found.push(format!(
            "Peak: {} bytes were used once, now it is {}. What is left of it may stay with the allocator.",
            memory.peak_bytes, memory.used_bytes
        ));
    }
    let is_wasteful =
        |one: u64, other: u64, share: f64| ratio(one, other) > share && one.saturating_sub(other) > 10 * MIB;
    if is_wasteful(memory.active_bytes, memory.allocated_bytes, 1.1) {
        found.push("Fragmentation: the allocator's pages are not full. A restart of a replica and a failover pack them anew.".into());
    }
    if is_wasteful(memory.resident_bytes, memory.active_bytes, 1.1) {
        found.push(
            "Allocator: it keeps pages that nothing uses. It gives them back by itself within seconds."
                .into(),
        );
    }
    if is_wasteful(memory.rss_bytes, memory.resident_bytes, 1.1) {
        found.push("Process: it has much memory beside the allocator's.".into());
    }
    if memory.client_buffers_bytes > memory.used_bytes / 4 && memory.client_buffers_bytes > 10 * MIB {
        found.push(
            "Clients: their buffers take over a quarter of the memory. CLIENT LIST shows whose.".into(),
        );
    }
    if memory.replica_buffers_bytes > 10 * MIB {
        found.push(
            "Replicas: much waits to be read by them. A slow link or a slow replica may be the cause.".into(),
        );
    }
    found
}

fn memory_doctor(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// 5 MiB: with less data ratios say nothing.
    const LEAST_BYTES: u64 = 5 << 20;
    let facts = facts(call)?;
    let found = findings(&facts);
    let text = if facts.memory.used_bytes < LEAST_BYTES {
        String::from("There is too little data to say something about the use of memory.\n")
    } else if found.is_empty() {
        String::from("Nothing about the use of memory is unusual.\n")
    } else {
        found.join("\n") + "\n"
    };
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn memory_malloc_stats(call: &mut Call<'_>) -> Result<(), Refusal> {
    let [allocated, active, resident] = call.core.host.allocator;
    let keyspace = &call.keys.shared.keyspace;
    let text = format!(
        "allocated: {allocated}\nactive: {active}\nresident: {resident}\nkeyspace: {}\nwaits to be freed: {}\n",
        keyspace.used_bytes(),
        keyspace.garbage().bytes
    );
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn memory_purge(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// 20,000: allocations that one call frees (about a millisecond). The rest follows by itself; pages that are empty
    /// go back to the system by the allocator's own threads.
    const BUDGET: usize = 20_000;
    call.keys.shared.keyspace.free_slice(BUDGET);
    call.reply.ok();
    Ok(())
}

fn memory_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return a report on the use of memory for people.",
            "MALLOC-STATS",
            "    Return the figures of the allocator.",
            "PURGE",
            "    Free what waits to be freed.",
            "STATS",
            "    Return figures of the use of memory.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return the memory of <key> with its value, in bytes.",
        ],
    );
    Ok(())
}
