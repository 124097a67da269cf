//! Fields of INFO that Redis 7.2 does not have and Valkey has: each section shows them behind its others.

use super::table::{link, row};
use super::{Facts, Field, Section, Show, Shown, VALKEY_VERSION};

/// These fields, in the order of the answer. What counts parts that this program does not have (forked children, threads
/// that read and write, TLS, scripts) is zero or `none` for good.
pub static NEWER: &[Field] = &[
    row(
        Section::Server,
        "valkey_version",
        Show::Value(|facts| of_valkey(facts, Shown::Text(VALKEY_VERSION.as_bytes()))),
    ),
    row(Section::Server, "valkey_release_stage", Show::Value(|facts| of_valkey(facts, Shown::Text(b"ga")))),
    row(
        Section::Server,
        "server_mode",
        Show::Value(|facts| of_valkey(facts, Shown::Text(facts.server.mode.as_bytes()))),
    ),
    row(Section::Server, "clients_hz", Show::Value(|facts| Shown::Size(facts.server.hz))),
    row(
        Section::Server,
        "availability_zone",
        Show::Value(|facts| Shown::Text(&facts.server.availability_zone)),
    ),
    row(Section::Server, "tls_server_cert_serial", Show::Value(|_| Shown::Text(b"none"))),
    row(Section::Server, "tls_server_cert_expires_in_seconds", Show::Value(|_| Shown::Number(0))),
    row(Section::Server, "tls_client_cert_serial", Show::Value(|_| Shown::Text(b"none"))),
    row(Section::Server, "tls_client_cert_expires_in_seconds", Show::Value(|_| Shown::Number(0))),
    row(Section::Server, "tls_ca_cert_serial", Show::Value(|_| Shown::Text(b"none"))),
    row(Section::Server, "tls_ca_cert_expires_in_seconds", Show::Value(|_| Shown::Number(0))),
    row(Section::Clients, "pubsub_clients", Show::Value(|facts| Shown::Size(facts.clients.subscribed))),
    row(Section::Clients, "watching_clients", Show::Value(|facts| Shown::Size(facts.clients.watching))),
    row(Section::Clients, "total_watched_keys", Show::Value(|facts| Shown::Size(facts.clients.watched_keys))),
    row(
        Section::Clients,
        "paused_reason",
        Show::Value(|facts| Shown::Text(or_none(facts.clients.pause.reason))),
    ),
    row(
        Section::Clients,
        "paused_actions",
        Show::Value(|facts| Shown::Text(or_none(facts.clients.pause.actions))),
    ),
    row(
        Section::Clients,
        "paused_timeout_milliseconds",
        Show::Value(|facts| Shown::Size(facts.clients.pause.left_ms)),
    ),
    row(Section::Memory, "mem_replicas_repl_buffer", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "mem_overhead_db_hashtable_rehashing", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "slot_migration_fork_in_progress", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "evicted_scripts", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_freed_objects", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_accept_processed", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_poll_processed", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_total_prefetch_batches", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_total_prefetch_entries", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Stats,
        "client_query_buffer_limit_disconnections",
        Show::Value(|facts| Shown::Size(facts.stats.query_disconnections)),
    ),
    row(
        Section::Stats,
        "client_output_buffer_limit_disconnections",
        Show::Value(|facts| Shown::Size(facts.stats.output_disconnections)),
    ),
    row(Section::Stats, "eventloop_cycles", Show::Value(|facts| Shown::Size(facts.stats.turns.count))),
    row(Section::Stats, "eventloop_duration_sum", Show::Value(|facts| Shown::Size(facts.stats.turns.us))),
    row(
        Section::Stats,
        "eventloop_duration_cmd_sum",
        Show::Value(|facts| Shown::Size(facts.stats.turns.requests_us)),
    ),
    row(
        Section::Stats,
        "instantaneous_eventloop_cycles_per_sec",
        Show::Value(|facts| Shown::Size(facts.stats.turns.per_second)),
    ),
    row(
        Section::Stats,
        "instantaneous_eventloop_duration_usec",
        Show::Value(|facts| Shown::Size(facts.stats.turns.us_of_late)),
    ),
    row(Section::Stats, "acl_access_denied_db", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "acl_access_denied_tls_cert", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Replication,
        "replicas_repl_buffer_size",
        Show::Value(|facts| link(facts, |_| Shown::Number(0))),
    ),
    row(
        Section::Replication,
        "replicas_repl_buffer_peak",
        Show::Value(|facts| link(facts, |_| Shown::Number(0))),
    ),
    row(Section::Replication, "replicas_waiting_psync", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Cpu,
        "used_active_time_main_thread",
        Show::Value(|facts| Shown::Seconds(facts.cpu.active_main_us)),
    ),
    row(
        Section::Debug,
        "eventloop_duration_aof_sum",
        // Files are written by threads of their own.
        Show::Value(|_| Shown::Number(0)),
    ),
    row(
        Section::Debug,
        "eventloop_duration_cron_sum",
        Show::Value(|facts| Shown::Size(facts.stats.turns.cron_us)),
    ),
    row(
        Section::Debug,
        "eventloop_duration_max",
        Show::Value(|facts| Shown::Size(facts.stats.turns.longest_us)),
    ),
    row(
        Section::Debug,
        "eventloop_cmd_per_cycle_max",
        Show::Value(|facts| Shown::Size(facts.stats.turns.requests_max)),
    ),
    row(Section::Debug, "io_threaded_reads_pending", Show::Value(|_| Shown::Number(0))),
    row(Section::Debug, "io_threaded_writes_pending", Show::Value(|_| Shown::Number(0))),
];

/// Who it speaks as.
pub(super) fn server_name(facts: &Facts) -> Shown<'_> {
    Shown::Text(if facts.server.is_valkey { b"valkey" } else { b"redan" })
}

/// Valkey has another name for it.
pub(super) fn redis_mode(facts: &Facts) -> Shown<'_> {
    if facts.server.is_valkey { Shown::Absent } else { Shown::Text(facts.server.mode.as_bytes()) }
}

/// How long more memory was in use than there may be.
pub(super) fn time_over(facts: &Facts) -> Shown<'_> {
    Shown::Size(facts.stats.over_ms)
}

/// And since it was last less.
pub(super) fn time_over_now(facts: &Facts) -> Shown<'_> {
    Shown::Size(facts.stats.over_now)
}

/// A field that a server shows which speaks as Valkey does.
fn of_valkey<'a>(facts: &Facts, shown: Shown<'a>) -> Shown<'a> {
    if facts.server.is_valkey { shown } else { Shown::Absent }
}

fn or_none(word: &'static str) -> &'static [u8] {
    if word.is_empty() { b"none" } else { word.as_bytes() }
}
