//! What the engine itself knows of the facts that INFO prints.

use crate::call::Call;
use base::{Span, Time};
use spec::directive::id;
use spec::info::{CommandStat, Database, ErrorStat, Facts, LatencyStat, Pause, Section, Sections, Turns};

/// Fills the engine's part of `facts`; what costs a walk is left out unless it is asked for.
pub fn fill(call: &mut Call<'_>, sections: Sections, facts: &mut Facts) {
    server(call, facts);
    clients(call, facts);
    memory(call, facts);
    stats(call, facts);
    if sections.has(Section::Commandstats) {
        command_stats(call, facts);
    }
    if sections.has(Section::Latencystats) && call.core.settings.tracks_latency {
        latency_stats(call, facts);
    }
    if sections.has(Section::Errorstats) {
        facts.error_stats = call
            .core
            .stats
            .errors
            .iter()
            .map(|(code, count)| ErrorStat { code: code.to_vec(), count: *count })
            .collect();
    }
    if sections.has(Section::Keyspace) {
        keyspace(call, facts);
    }
}

fn server(call: &Call<'_>, facts: &mut Facts) {
    let shared = &call.keys.shared;
    let hz = shared.config.count(id::HZ);
    facts.server.is_valkey = call.core.settings.is_valkey;
    facts.server.mode = if shared.routes.enabled { "cluster" } else { "standalone" };
    facts.server.tcp_port = u64::from(shared.config.port(id::PORT));
    facts.server.time_us = call.now.unix.as_us();
    facts.server.uptime_seconds = call.now.mono.since(call.core.started.mono).as_seconds();
    (facts.server.hz, facts.server.configured_hz) = (hz, hz);
    facts.cluster.enabled = shared.routes.enabled;
    facts.persistence.loading = shared.standing.loading;
    facts.server.availability_zone = shared.config.text(id::AVAILABILITY_ZONE).to_vec();
    let host = &call.core.host;
    facts.cpu.active_main_us = call.out.traffic.turns_us;
    facts.cpu.user_us = host.cpu_user_us;
    facts.cpu.system_us = host.cpu_system_us;
    facts.cpu.user_main_us = host.cpu_user_main_us;
    facts.cpu.system_main_us = host.cpu_system_main_us;
}

fn clients(call: &Call<'_>, facts: &mut Facts) {
    let others = || call.core.sessions.iter();
    // The connection that asks is lent out of the table while its request runs.
    facts.clients.connected = others().filter(|other| !other.session.is_replica).count() as u64 + 1;
    facts.clients.tracking = call.keys.watch.copies.clients() as u64;
    facts.clients.connected_max = call.core.settings.clients_max as u64;
    facts.clients.blocked =
        others().filter(|other| other.session.is_blocked || other.session.is_held).count() as u64;
    facts.clients.blocking_keys = call.keys.watch.blocking.keys() as u64;
    facts.clients.blocking_keys_on_end = call.keys.watch.blocking.keys_minded() as u64;
    let subscribed = others().filter(|other| other.session.is_subscribed()).count();
    facts.clients.subscribed = (subscribed + usize::from(call.session.is_subscribed())) as u64;
    facts.clients.watching = call.keys.watch.clients() as u64;
    facts.clients.watched_keys = call.keys.watch.keys() as u64;
    facts.clients.waits_with_end = call.keys.watch.blocking.with_end() as u64;
    facts.clients.pause = pause(call);
    let input = others().map(|other| other.inbox.memory_bytes());
    let output = others().map(|other| other.outgoing.pending());
    facts.clients.input_bytes_max = input.max().unwrap_or(0) as u64;
    facts.clients.output_bytes_max = output.max().unwrap_or(0) as u64;
}

/// What holds clients back: CLIENT PAUSE, or a failover that is under way.
fn pause(call: &Call<'_>) -> Pause {
    let left_ms = |until: Time| until.since(call.now.mono).as_ms();
    match (call.core.pause, call.core.hands_over) {
        (Some(pause), _) => Pause {
            reason: "client_pause",
            actions: if pause.holds_all { "all" } else { "write" },
            left_ms: left_ms(pause.until),
        },
        (None, Some(until)) => {
            Pause { reason: "failover_in_progress", actions: "write", left_ms: left_ms(until) }
        }
        (None, None) => Pause::default(),
    }
}

fn memory(call: &Call<'_>, facts: &mut Facts) {
    let keyspace = &call.keys.shared.keyspace;
    let host = &call.core.host;
    let buffers = call.core.sessions.memory_bytes();
    let memory = &mut facts.memory;
    memory.used_bytes = keyspace.used_bytes() + buffers as u64;
    memory.peak_bytes = call.core.peak_bytes.max(memory.used_bytes);
    memory.overhead_bytes = keyspace.overhead_bytes() + buffers as u64;
    memory.client_buffers_bytes = buffers as u64;
    let garbage = keyspace.garbage();
    memory.lazyfree_pending = garbage.waiting;
    memory.lazyfreed = garbage.freed.saturating_sub(call.core.stats.freed_before);
    memory.rss_bytes = host.rss_bytes;
    memory.system_bytes = host.memory_total_bytes;
    [memory.allocated_bytes, memory.active_bytes, memory.resident_bytes] = host.allocator;
    memory.allocator = host.allocator_name;
    memory.limit_bytes = call.keys.shared.config.bytes(id::MAXMEMORY);
    memory.policy = call.keys.shared.config.choice(id::MAXMEMORY_POLICY);
}

fn stats(call: &Call<'_>, facts: &mut Facts) {
    let (core, stats) = (&call.core, &mut facts.stats);
    let copies = &call.keys.watch.copies;
    stats.tracked_keys = copies.keys() as u64;
    stats.tracked_items = copies.items() as u64;
    stats.tracked_prefixes = copies.prefixes() as u64;
    stats.move_links = core.moves.links() as u64;
    stats.connections = core.stats.connections;
    stats.commands = core.stats.requests;
    stats.commands_per_second = core.stats.rate.mean();
    let traffic = call.out.traffic.since(&core.stats.traffic_before);
    (stats.input_bytes, stats.output_bytes) = (traffic.input_bytes, traffic.output_bytes);
    (stats.reads, stats.writes) = (traffic.reads, traffic.writes);
    let rates = &core.stats.rates;
    stats.input_kbps = rates.input.mean() as f64 / 1_024.0;
    stats.output_kbps = rates.output.mean() as f64 / 1_024.0;
    stats.replication_input_kbps = rates.replication_input.mean() as f64 / 1_024.0;
    stats.replication_output_kbps = rates.replication_output.mean() as f64 / 1_024.0;
    stats.expired_stale_percent = core.stats.expired_stale_percent;
    stats.payloads = core.stats.payloads;
    let ticks = core.stats.commands.iter().map(|command| command.ticks).sum::<u64>();
    stats.turns = Turns {
        count: traffic.turns,
        us: traffic.turns_us,
        requests_us: Span::us(ticks / 1_000).as_us(),
        cron_us: core.stats.cron_ticks / 1_000,
        longest_us: traffic.turn_us_max,
        requests_max: core.stats.requests_max,
        per_second: rates.turns.mean(),
        us_of_late: rates.turns_us.mean().checked_div(rates.turns.mean()).unwrap_or(0),
    };
    stats.query_disconnections = core.stats.query_disconnections;
    stats.output_disconnections = core.stats.output_disconnections;
    stats.expire_us = core.stats.expire_ticks / 1_000;
    stats.expire_budget_used_up = core.stats.expire_cut_short;
    stats.connections_rejected = core.stats.rejected_connections;
    stats.expired = core.stats.expired;
    stats.expired_fields = core.stats.expired_fields;
    stats.evicted = core.stats.evicted;
    stats.evicted_clients = core.stats.evicted_clients;
    let (over_limit, over_limit_now) = core.stats.over_limit(call.now.mono);
    (stats.over_ms, stats.over_now) = (over_limit.as_ms(), over_limit_now.as_ms());
    stats.hits = core.stats.hits;
    stats.misses = core.stats.misses;
    stats.own_keys = call.keys.shared.own_keys.len() as u64;
    stats.channels = core.pubsub.channels.len() as u64;
    stats.sharded_channels = core.pubsub.shards.len() as u64;
    stats.patterns = core.pubsub.patterns.len() as u64;
    stats.errors = core.stats.error_replies;
    stats.denied_auth = core.stats.auth_denied;
}

fn command_stats(call: &Call<'_>, facts: &mut Facts) {
    let rows = call.table.rows().iter().zip(&call.core.stats.commands);
    facts.command_stats = rows
        .filter(|(_, stats)| stats.calls + stats.rejected + stats.failed > 0)
        .map(|(row, stats)| CommandStat {
            name: row.full_name.as_bytes().to_vec(),
            calls: stats.calls,
            us: Span::us(stats.ticks / 1_000).as_us(),
            rejected: stats.rejected,
            failed: stats.failed,
        })
        .collect();
}

fn latency_stats(call: &Call<'_>, facts: &mut Facts) {
    let percentiles = call.keys.shared.config.percentiles();
    for (index, row) in call.table.rows().iter().enumerate() {
        let Some(histogram) = call.core.stats.histogram(index) else { continue };
        let us = |percentile: &f64| (*percentile, histogram.percentile(*percentile) as f64 / 1_000.0);
        facts.latency_stats.push(LatencyStat {
            name: row.full_name.as_bytes().to_vec(),
            percentiles: percentiles.iter().map(us).collect(),
        });
    }
}

fn keyspace(call: &Call<'_>, facts: &mut Facts) {
    let keyspace = &call.keys.shared.keyspace;
    for index in 0..keyspace.databases() {
        let figures = keyspace.figures(index, call.keys.now_ms);
        if figures.keys > 0 {
            facts.databases.push(Database {
                index,
                keys: figures.keys,
                expires: figures.expires,
                average_ttl_ms: figures.avg_ttl_ms,
                keys_with_volatile_items: keyspace.keys_with_volatile_parts(index),
            });
        }
    }
}
