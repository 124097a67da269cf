//! The rows of INFO, in the order of the answer.

use super::newer::{redis_mode, server_name, time_over, time_over_now};
use super::{
    Facts, Field, Persistence, PrimaryLink, REDAN_VERSION, REDIS_VERSION, Section, Show, Shown, percent,
    ratio,
};
use alloc::format;
use alloc::vec::Vec;

pub(super) const fn row(section: Section, name: &'static str, show: Show) -> Field {
    Field { section, name, show }
}

/// Every field.
pub static FIELDS: &[Field] = &[
    // Server.
    row(Section::Server, "redis_version", Show::Value(|_| Shown::Text(REDIS_VERSION.as_bytes()))),
    row(Section::Server, "server_name", Show::Value(server_name)),
    row(Section::Server, "redan_version", Show::Value(|_| Shown::Text(REDAN_VERSION.as_bytes()))),
    row(Section::Server, "redis_git_sha1", Show::Value(|_| Shown::Text(b"00000000"))),
    row(Section::Server, "redis_git_dirty", Show::Value(|_| Shown::Text(b"0"))),
    row(Section::Server, "redis_build_id", Show::Value(|_| Shown::Text(b"0"))),
    row(Section::Server, "redis_mode", Show::Value(redis_mode)),
    row(Section::Server, "os", Show::Value(|facts| Shown::Text(&facts.server.os))),
    row(Section::Server, "arch_bits", Show::Value(|_| Shown::Size(u64::from(usize::BITS)))),
    row(Section::Server, "monotonic_clock", Show::Value(|_| Shown::Text(b"POSIX clock_gettime"))),
    row(Section::Server, "multiplexing_api", Show::Value(|_| Shown::Text(b"epoll"))),
    row(Section::Server, "atomicvar_api", Show::Value(|_| Shown::Text(b"rust"))),
    row(Section::Server, "gcc_version", Show::Value(|_| Shown::Text(b"0.0.0"))),
    row(Section::Server, "process_id", Show::Value(|facts| Shown::Size(facts.server.process_id))),
    row(Section::Server, "process_supervised", Show::Value(|_| Shown::Text(b"no"))),
    row(Section::Server, "run_id", Show::Value(|facts| Shown::Text(&facts.server.run_id))),
    row(Section::Server, "tcp_port", Show::Value(|facts| Shown::Size(facts.server.tcp_port))),
    row(Section::Server, "server_time_usec", Show::Value(|facts| Shown::Size(facts.server.time_us))),
    row(Section::Server, "uptime_in_seconds", Show::Value(|facts| Shown::Size(facts.server.uptime_seconds))),
    row(
        Section::Server,
        "uptime_in_days",
        Show::Value(|facts| Shown::Size(facts.server.uptime_seconds / 86_400)),
    ),
    row(Section::Server, "hz", Show::Value(|facts| Shown::Size(facts.server.hz))),
    row(Section::Server, "configured_hz", Show::Value(|facts| Shown::Size(facts.server.configured_hz))),
    row(
        Section::Server,
        "lru_clock",
        Show::Value(|facts| Shown::Size(facts.server.time_us / 1_000_000 % (1 << 24))),
    ),
    row(Section::Server, "executable", Show::Value(|facts| Shown::Text(&facts.server.executable))),
    row(Section::Server, "config_file", Show::Value(|facts| Shown::Text(&facts.server.config_file))),
    row(Section::Server, "io_threads_active", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Server,
        "shutdown_in_milliseconds",
        Show::Value(|facts| facts.server.shutdown_in_ms.map_or(Shown::Absent, Shown::Size)),
    ),
    row(Section::Server, "listener", Show::Lines(write_listeners)),
    // Clients.
    row(Section::Clients, "connected_clients", Show::Value(|facts| Shown::Size(facts.clients.connected))),
    row(
        Section::Clients,
        "cluster_connections",
        Show::Value(|facts| Shown::Size(facts.clients.cluster_links)),
    ),
    row(Section::Clients, "maxclients", Show::Value(|facts| Shown::Size(facts.clients.connected_max))),
    row(
        Section::Clients,
        "client_recent_max_input_buffer",
        Show::Value(|facts| Shown::Size(facts.clients.input_bytes_max)),
    ),
    row(
        Section::Clients,
        "client_recent_max_output_buffer",
        Show::Value(|facts| Shown::Size(facts.clients.output_bytes_max)),
    ),
    row(Section::Clients, "blocked_clients", Show::Value(|facts| Shown::Size(facts.clients.blocked))),
    row(Section::Clients, "tracking_clients", Show::Value(|facts| Shown::Size(facts.clients.tracking))),
    row(
        Section::Clients,
        "clients_in_timeout_table",
        Show::Value(|facts| Shown::Size(facts.clients.waits_with_end)),
    ),
    row(
        Section::Clients,
        "total_blocking_keys",
        Show::Value(|facts| Shown::Size(facts.clients.blocking_keys)),
    ),
    row(
        Section::Clients,
        "total_blocking_keys_on_nokey",
        Show::Value(|facts| Shown::Size(facts.clients.blocking_keys_on_end)),
    ),
    // Memory.
    row(Section::Memory, "used_memory", Show::Value(|facts| Shown::Size(facts.memory.used_bytes))),
    row(Section::Memory, "used_memory_human", Show::Value(|facts| Shown::Human(facts.memory.used_bytes))),
    row(Section::Memory, "used_memory_rss", Show::Value(|facts| Shown::Size(facts.memory.rss_bytes))),
    row(Section::Memory, "used_memory_rss_human", Show::Value(|facts| Shown::Human(facts.memory.rss_bytes))),
    row(Section::Memory, "used_memory_peak", Show::Value(|facts| Shown::Size(facts.memory.peak_bytes))),
    row(
        Section::Memory,
        "used_memory_peak_human",
        Show::Value(|facts| Shown::Human(facts.memory.peak_bytes)),
    ),
    row(
        Section::Memory,
        "used_memory_peak_perc",
        Show::Value(|facts| percent(facts.memory.used_bytes, facts.memory.peak_bytes)),
    ),
    row(
        Section::Memory,
        "used_memory_overhead",
        Show::Value(|facts| Shown::Size(facts.memory.overhead_bytes)),
    ),
    row(Section::Memory, "used_memory_startup", Show::Value(|facts| Shown::Size(facts.memory.startup_bytes))),
    row(
        Section::Memory,
        "used_memory_dataset",
        Show::Value(|facts| Shown::Size(facts.memory.dataset_bytes())),
    ),
    row(Section::Memory, "used_memory_dataset_perc", Show::Value(|facts| facts.memory.dataset_share())),
    row(
        Section::Memory,
        "allocator_allocated",
        Show::Value(|facts| Shown::Size(facts.memory.allocated_bytes)),
    ),
    row(Section::Memory, "allocator_active", Show::Value(|facts| Shown::Size(facts.memory.active_bytes))),
    row(Section::Memory, "allocator_resident", Show::Value(|facts| Shown::Size(facts.memory.resident_bytes))),
    row(Section::Memory, "total_system_memory", Show::Value(|facts| Shown::Size(facts.memory.system_bytes))),
    row(
        Section::Memory,
        "total_system_memory_human",
        Show::Value(|facts| Shown::Human(facts.memory.system_bytes)),
    ),
    row(Section::Memory, "used_memory_lua", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_vm_eval", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_lua_human", Show::Value(|_| Shown::Text(b"0B"))),
    row(Section::Memory, "used_memory_scripts_eval", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "number_of_cached_scripts", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "number_of_functions", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "number_of_libraries", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_vm_functions", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_vm_total", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_vm_total_human", Show::Value(|_| Shown::Text(b"0B"))),
    row(Section::Memory, "used_memory_functions", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_scripts", Show::Value(|_| Shown::Number(0))),
    row(Section::Memory, "used_memory_scripts_human", Show::Value(|_| Shown::Text(b"0B"))),
    row(Section::Memory, "maxmemory", Show::Value(|facts| Shown::Size(facts.memory.limit_bytes))),
    row(Section::Memory, "maxmemory_human", Show::Value(|facts| Shown::Human(facts.memory.limit_bytes))),
    row(
        Section::Memory,
        "maxmemory_policy",
        Show::Value(|facts| Shown::Text(facts.memory.policy.as_bytes())),
    ),
    row(
        Section::Memory,
        "allocator_frag_ratio",
        Show::Value(|facts| ratio(facts.memory.active_bytes, facts.memory.allocated_bytes)),
    ),
    row(
        Section::Memory,
        "allocator_frag_bytes",
        Show::Value(|facts| difference(facts.memory.active_bytes, facts.memory.allocated_bytes)),
    ),
    row(
        Section::Memory,
        "allocator_rss_ratio",
        Show::Value(|facts| ratio(facts.memory.resident_bytes, facts.memory.active_bytes)),
    ),
    row(
        Section::Memory,
        "allocator_rss_bytes",
        Show::Value(|facts| difference(facts.memory.resident_bytes, facts.memory.active_bytes)),
    ),
    row(
        Section::Memory,
        "rss_overhead_ratio",
        Show::Value(|facts| ratio(facts.memory.rss_bytes, facts.memory.resident_bytes)),
    ),
    row(
        Section::Memory,
        "rss_overhead_bytes",
        Show::Value(|facts| difference(facts.memory.rss_bytes, facts.memory.resident_bytes)),
    ),
    row(
        Section::Memory,
        "mem_fragmentation_ratio",
        Show::Value(|facts| ratio(facts.memory.rss_bytes, facts.memory.used_bytes)),
    ),
    row(
        Section::Memory,
        "mem_fragmentation_bytes",
        Show::Value(|facts| difference(facts.memory.rss_bytes, facts.memory.used_bytes)),
    ),
    row(
        Section::Memory,
        "mem_not_counted_for_evict",
        Show::Value(|facts| Shown::Size(facts.memory.not_counted_bytes)),
    ),
    row(
        Section::Memory,
        "mem_replication_backlog",
        Show::Value(|facts| Shown::Size(facts.memory.backlog_bytes)),
    ),
    row(
        Section::Memory,
        "mem_total_replication_buffers",
        Show::Value(|facts| Shown::Size(facts.memory.replication_bytes)),
    ),
    row(
        Section::Memory,
        "mem_clients_slaves",
        Show::Value(|facts| Shown::Size(facts.memory.replica_buffers_bytes)),
    ),
    row(
        Section::Memory,
        "mem_clients_normal",
        Show::Value(|facts| Shown::Size(facts.memory.client_buffers_bytes)),
    ),
    row(
        Section::Memory,
        "mem_cluster_links",
        Show::Value(|facts| Shown::Size(facts.memory.cluster_links_bytes)),
    ),
    row(
        Section::Memory,
        "mem_aof_buffer",
        Show::Value(|facts| Shown::Size(facts.persistence.aof.buffered_bytes)),
    ),
    row(
        Section::Memory,
        "mem_allocator",
        Show::Value(|facts| Shown::Text(facts.memory.allocator.as_bytes())),
    ),
    row(Section::Memory, "active_defrag_running", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Memory,
        "lazyfree_pending_objects",
        Show::Value(|facts| Shown::Size(facts.memory.lazyfree_pending)),
    ),
    row(Section::Memory, "lazyfreed_objects", Show::Value(|facts| Shown::Size(facts.memory.lazyfreed))),
    // Persistence.
    row(Section::Persistence, "loading", Show::Value(|facts| Shown::Flag(facts.persistence.loading))),
    row(
        Section::Persistence,
        "async_loading",
        Show::Value(|facts| Shown::Flag(facts.persistence.is_loading_aside)),
    ),
    row(Section::Persistence, "current_cow_peak", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "current_cow_size", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "current_cow_size_age", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "current_fork_perc", Show::Value(|_| Shown::Text(b"0.00"))),
    row(
        Section::Persistence,
        "current_save_keys_processed",
        Show::Value(|facts| Shown::Size(facts.persistence.save_keys_done)),
    ),
    row(
        Section::Persistence,
        "current_save_keys_total",
        Show::Value(|facts| Shown::Size(facts.persistence.save_keys_total)),
    ),
    row(
        Section::Persistence,
        "rdb_changes_since_last_save",
        Show::Value(|facts| Shown::Size(facts.persistence.changes_since_save)),
    ),
    row(
        Section::Persistence,
        "rdb_bgsave_in_progress",
        Show::Value(|facts| Shown::Flag(facts.persistence.saving)),
    ),
    row(
        Section::Persistence,
        "rdb_last_save_time",
        Show::Value(|facts| Shown::Size(facts.persistence.last_save_seconds)),
    ),
    row(
        Section::Persistence,
        "rdb_last_bgsave_status",
        Show::Value(|facts| status(facts.persistence.last_save_failed)),
    ),
    row(
        Section::Persistence,
        "rdb_last_bgsave_time_sec",
        Show::Value(|facts| Shown::Number(facts.persistence.last_save_took_seconds)),
    ),
    row(
        Section::Persistence,
        "rdb_current_bgsave_time_sec",
        Show::Value(|facts| Shown::Number(facts.persistence.save_runs_seconds)),
    ),
    row(Section::Persistence, "rdb_saves", Show::Value(|facts| Shown::Size(facts.persistence.saves))),
    row(Section::Persistence, "rdb_last_cow_size", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Persistence,
        "rdb_last_load_keys_expired",
        Show::Value(|facts| Shown::Size(facts.persistence.load_keys_expired)),
    ),
    row(
        Section::Persistence,
        "rdb_last_load_keys_loaded",
        Show::Value(|facts| Shown::Size(facts.persistence.load_keys)),
    ),
    row(Section::Persistence, "aof_enabled", Show::Value(|facts| Shown::Flag(facts.persistence.aof.is_on))),
    row(
        Section::Persistence,
        "aof_rewrite_in_progress",
        Show::Value(|facts| Shown::Flag(facts.persistence.aof.rewriting)),
    ),
    row(
        Section::Persistence,
        "aof_rewrite_scheduled",
        Show::Value(|facts| Shown::Flag(facts.persistence.aof.scheduled)),
    ),
    row(
        Section::Persistence,
        "aof_last_rewrite_time_sec",
        Show::Value(|facts| Shown::Number(facts.persistence.aof.last_seconds)),
    ),
    row(
        Section::Persistence,
        "aof_current_rewrite_time_sec",
        Show::Value(|facts| Shown::Number(facts.persistence.aof.current_seconds)),
    ),
    row(
        Section::Persistence,
        "aof_last_bgrewrite_status",
        Show::Value(|facts| status(facts.persistence.aof.last_failed)),
    ),
    row(
        Section::Persistence,
        "aof_rewrites",
        Show::Value(|facts| Shown::Size(facts.persistence.aof.rewrites)),
    ),
    row(
        Section::Persistence,
        "aof_rewrites_consecutive_failures",
        Show::Value(|facts| Shown::Size(facts.persistence.aof.failures)),
    ),
    row(
        Section::Persistence,
        "aof_last_write_status",
        Show::Value(|facts| status(facts.persistence.aof.write_failed)),
    ),
    row(Section::Persistence, "aof_last_cow_size", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "module_fork_in_progress", Show::Value(|_| Shown::Number(0))),
    row(Section::Persistence, "module_fork_last_cow_size", Show::Value(|_| Shown::Number(0))),
    row(
        Section::Persistence,
        "aof_current_size",
        Show::Value(|facts| of_aof(facts, |aof| aof.current_bytes)),
    ),
    row(Section::Persistence, "aof_base_size", Show::Value(|facts| of_aof(facts, |aof| aof.base_bytes))),
    row(Section::Persistence, "aof_pending_rewrite", Show::Value(|facts| of_aof(facts, |_| 0))),
    row(
        Section::Persistence,
        "aof_buffer_length",
        Show::Value(|facts| of_aof(facts, |aof| aof.buffered_bytes)),
    ),
    row(
        Section::Persistence,
        "aof_pending_bio_fsync",
        Show::Value(|facts| of_aof(facts, |aof| u64::from(aof.syncing))),
    ),
    row(Section::Persistence, "aof_delayed_fsync", Show::Value(|facts| of_aof(facts, |aof| aof.delayed))),
    row(
        Section::Persistence,
        "loading_start_time",
        Show::Value(|facts| loading(facts, |load| Shown::Size(load.load_started_seconds))),
    ),
    row(
        Section::Persistence,
        "loading_total_bytes",
        Show::Value(|facts| loading(facts, |load| Shown::Size(load.load_total_bytes))),
    ),
    row(
        Section::Persistence,
        "loading_rdb_used_mem",
        Show::Value(|facts| loading(facts, |load| Shown::Size(load.load_used_bytes))),
    ),
    row(
        Section::Persistence,
        "loading_loaded_bytes",
        Show::Value(|facts| loading(facts, |load| Shown::Size(load.load_done_bytes))),
    ),
    row(
        Section::Persistence,
        "loading_loaded_perc",
        Show::Value(|facts| loading(facts, |load| Shown::Fixed(load.loaded_percent(), 2))),
    ),
    row(
        Section::Persistence,
        "loading_eta_seconds",
        Show::Value(|facts| loading(facts, |load| Shown::Size(load.load_eta_seconds))),
    ),
    // Stats.
    row(
        Section::Stats,
        "total_connections_received",
        Show::Value(|facts| Shown::Size(facts.stats.connections)),
    ),
    row(Section::Stats, "total_commands_processed", Show::Value(|facts| Shown::Size(facts.stats.commands))),
    row(
        Section::Stats,
        "instantaneous_ops_per_sec",
        Show::Value(|facts| Shown::Size(facts.stats.commands_per_second)),
    ),
    row(Section::Stats, "total_net_input_bytes", Show::Value(|facts| Shown::Size(facts.stats.input_bytes))),
    row(Section::Stats, "total_net_output_bytes", Show::Value(|facts| Shown::Size(facts.stats.output_bytes))),
    row(
        Section::Stats,
        "total_net_repl_input_bytes",
        Show::Value(|facts| Shown::Size(facts.stats.replication_input_bytes)),
    ),
    row(
        Section::Stats,
        "total_net_repl_output_bytes",
        Show::Value(|facts| Shown::Size(facts.stats.replication_output_bytes)),
    ),
    row(
        Section::Stats,
        "instantaneous_input_kbps",
        Show::Value(|facts| Shown::Fixed(facts.stats.input_kbps, 2)),
    ),
    row(
        Section::Stats,
        "instantaneous_output_kbps",
        Show::Value(|facts| Shown::Fixed(facts.stats.output_kbps, 2)),
    ),
    row(
        Section::Stats,
        "instantaneous_input_repl_kbps",
        Show::Value(|facts| Shown::Fixed(facts.stats.replication_input_kbps, 2)),
    ),
    row(
        Section::Stats,
        "instantaneous_output_repl_kbps",
        Show::Value(|facts| Shown::Fixed(facts.stats.replication_output_kbps, 2)),
    ),
    row(
        Section::Stats,
        "rejected_connections",
        Show::Value(|facts| Shown::Size(facts.stats.connections_rejected)),
    ),
    row(Section::Stats, "sync_full", Show::Value(|facts| Shown::Size(facts.stats.sync_full))),
    row(Section::Stats, "sync_partial_ok", Show::Value(|facts| Shown::Size(facts.stats.sync_partial_ok))),
    row(
        Section::Stats,
        "sync_partial_err",
        Show::Value(|facts| Shown::Size(facts.stats.sync_partial_refused)),
    ),
    row(Section::Stats, "expired_keys", Show::Value(|facts| Shown::Size(facts.stats.expired))),
    row(Section::Stats, "expired_fields", Show::Value(|facts| Shown::Size(facts.stats.expired_fields))),
    row(
        Section::Stats,
        "expired_stale_perc",
        Show::Value(|facts| Shown::Fixed(facts.stats.expired_stale_percent, 2)),
    ),
    row(
        Section::Stats,
        "expired_time_cap_reached_count",
        Show::Value(|facts| Shown::Size(facts.stats.expire_budget_used_up)),
    ),
    row(
        Section::Stats,
        "expire_cycle_cpu_milliseconds",
        Show::Value(|facts| Shown::Size(facts.stats.expire_us / 1_000)),
    ),
    row(Section::Stats, "evicted_keys", Show::Value(|facts| Shown::Size(facts.stats.evicted))),
    row(Section::Stats, "evicted_clients", Show::Value(|facts| Shown::Size(facts.stats.evicted_clients))),
    row(Section::Stats, "total_eviction_exceeded_time", Show::Value(time_over)),
    row(Section::Stats, "current_eviction_exceeded_time", Show::Value(time_over_now)),
    row(Section::Stats, "keyspace_hits", Show::Value(|facts| Shown::Size(facts.stats.hits))),
    row(Section::Stats, "keyspace_misses", Show::Value(|facts| Shown::Size(facts.stats.misses))),
    row(Section::Stats, "pubsub_channels", Show::Value(|facts| Shown::Size(facts.stats.channels))),
    row(Section::Stats, "pubsub_patterns", Show::Value(|facts| Shown::Size(facts.stats.patterns))),
    row(
        Section::Stats,
        "pubsubshard_channels",
        Show::Value(|facts| Shown::Size(facts.stats.sharded_channels)),
    ),
    row(Section::Stats, "latest_fork_usec", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "total_forks", Show::Value(|facts| Shown::Size(facts.stats.background_jobs))),
    row(Section::Stats, "migrate_cached_sockets", Show::Value(|facts| Shown::Size(facts.stats.move_links))),
    row(Section::Stats, "slave_expires_tracked_keys", Show::Value(|facts| Shown::Size(facts.stats.own_keys))),
    row(Section::Stats, "active_defrag_hits", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "active_defrag_misses", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "active_defrag_key_hits", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "active_defrag_key_misses", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "total_active_defrag_time", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "current_active_defrag_time", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "tracking_total_keys", Show::Value(|facts| Shown::Size(facts.stats.tracked_keys))),
    row(Section::Stats, "tracking_total_items", Show::Value(|facts| Shown::Size(facts.stats.tracked_items))),
    row(
        Section::Stats,
        "tracking_total_prefixes",
        Show::Value(|facts| Shown::Size(facts.stats.tracked_prefixes)),
    ),
    row(
        Section::Stats,
        "unexpected_error_replies",
        Show::Value(|facts| Shown::Size(facts.stats.unexpected_errors)),
    ),
    row(Section::Stats, "total_error_replies", Show::Value(|facts| Shown::Size(facts.stats.errors))),
    row(Section::Stats, "dump_payload_sanitizations", Show::Value(|facts| Shown::Size(facts.stats.payloads))),
    row(Section::Stats, "total_reads_processed", Show::Value(|facts| Shown::Size(facts.stats.reads))),
    row(Section::Stats, "total_writes_processed", Show::Value(|facts| Shown::Size(facts.stats.writes))),
    row(Section::Stats, "io_threaded_reads_processed", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "io_threaded_writes_processed", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "reply_buffer_shrinks", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "reply_buffer_expands", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "acl_access_denied_auth", Show::Value(|facts| Shown::Size(facts.stats.denied_auth))),
    row(Section::Stats, "acl_access_denied_cmd", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "acl_access_denied_key", Show::Value(|_| Shown::Number(0))),
    row(Section::Stats, "acl_access_denied_channel", Show::Value(|_| Shown::Number(0))),
    // Replication.
    row(
        Section::Replication,
        "role",
        Show::Value(|facts| {
            Shown::Text(if facts.replication.primary.is_some() { b"slave" } else { b"master" })
        }),
    ),
    row(
        Section::Replication,
        "master_host",
        Show::Value(|facts| link(facts, |link| Shown::Text(&link.host))),
    ),
    row(
        Section::Replication,
        "master_port",
        Show::Value(|facts| link(facts, |link| Shown::Size(u64::from(link.port)))),
    ),
    row(
        Section::Replication,
        "master_link_status",
        Show::Value(|facts| link(facts, |link| Shown::Text(if link.is_up { b"up" } else { b"down" }))),
    ),
    row(
        Section::Replication,
        "master_last_io_seconds_ago",
        Show::Value(|facts| link(facts, |link| Shown::Number(link.last_io_seconds))),
    ),
    row(
        Section::Replication,
        "master_sync_in_progress",
        Show::Value(|facts| link(facts, |link| Shown::Flag(link.is_loading))),
    ),
    row(
        Section::Replication,
        "slave_read_repl_offset",
        Show::Value(|facts| link(facts, |link| Shown::Number(link.read_offset))),
    ),
    row(
        Section::Replication,
        "slave_repl_offset",
        Show::Value(|facts| link(facts, |link| Shown::Number(link.offset))),
    ),
    row(
        Section::Replication,
        "master_sync_total_bytes",
        Show::Value(|facts| {
            link(
                facts,
                |link| if link.is_loading { Shown::Number(link.load_total_bytes) } else { Shown::Absent },
            )
        }),
    ),
    row(
        Section::Replication,
        "master_sync_read_bytes",
        Show::Value(|facts| {
            link(
                facts,
                |link| if link.is_loading { Shown::Size(link.load_done_bytes) } else { Shown::Absent },
            )
        }),
    ),
    row(
        Section::Replication,
        "master_sync_left_bytes",
        Show::Value(|facts| {
            link(
                facts,
                |link| if link.is_loading { Shown::Number(link.load_left_bytes()) } else { Shown::Absent },
            )
        }),
    ),
    row(
        Section::Replication,
        "master_sync_perc",
        Show::Value(|facts| {
            link(facts, |link| if link.is_loading { link.load_share() } else { Shown::Absent })
        }),
    ),
    row(
        Section::Replication,
        "master_sync_last_io_seconds_ago",
        Show::Value(|facts| {
            link(facts, |link| {
                if link.is_loading { Shown::Number(link.load_last_io_seconds) } else { Shown::Absent }
            })
        }),
    ),
    row(
        Section::Replication,
        "master_link_down_since_seconds",
        Show::Value(|facts| {
            link(facts, |link| if link.is_up { Shown::Absent } else { Shown::Number(link.down_seconds) })
        }),
    ),
    row(
        Section::Replication,
        "master_full_sync_refused",
        Show::Value(|facts| {
            link(facts, |link| link.refused.map_or(Shown::Absent, |why| Shown::Text(why.as_bytes())))
        }),
    ),
    row(
        Section::Replication,
        "slave_priority",
        Show::Value(|facts| link(facts, |link| Shown::Size(link.priority))),
    ),
    row(
        Section::Replication,
        "slave_read_only",
        Show::Value(|facts| link(facts, |link| Shown::Flag(link.is_read_only))),
    ),
    row(
        Section::Replication,
        "replica_announced",
        Show::Value(|facts| link(facts, |link| Shown::Flag(link.is_announced))),
    ),
    row(
        Section::Replication,
        "connected_slaves",
        Show::Value(|facts| Shown::Size(facts.replication.replicas.len() as u64)),
    ),
    row(
        Section::Replication,
        "min_slaves_good_slaves",
        Show::Value(|facts| facts.replication.good_replicas.map_or(Shown::Absent, Shown::Size)),
    ),
    row(Section::Replication, "slave", Show::Lines(write_replicas)),
    row(
        Section::Replication,
        "master_failover_state",
        Show::Value(|facts| Shown::Text(facts.replication.failover_state.as_bytes())),
    ),
    row(Section::Replication, "master_replid", Show::Value(|facts| Shown::Text(&facts.replication.replid))),
    row(Section::Replication, "master_replid2", Show::Value(|facts| Shown::Text(&facts.replication.replid2))),
    row(
        Section::Replication,
        "master_repl_offset",
        Show::Value(|facts| Shown::Number(facts.replication.offset)),
    ),
    row(
        Section::Replication,
        "second_repl_offset",
        Show::Value(|facts| Shown::Number(facts.replication.offset2)),
    ),
    row(
        Section::Replication,
        "repl_backlog_active",
        Show::Value(|facts| Shown::Flag(facts.replication.backlog_active)),
    ),
    row(
        Section::Replication,
        "repl_backlog_size",
        Show::Value(|facts| Shown::Size(facts.replication.backlog_size_bytes)),
    ),
    row(
        Section::Replication,
        "repl_backlog_first_byte_offset",
        Show::Value(|facts| Shown::Number(facts.replication.backlog_first)),
    ),
    row(
        Section::Replication,
        "repl_backlog_histlen",
        Show::Value(|facts| Shown::Size(facts.replication.backlog_bytes)),
    ),
    // Cpu.
    row(Section::Cpu, "used_cpu_sys", Show::Value(|facts| Shown::Seconds(facts.cpu.system_us))),
    row(Section::Cpu, "used_cpu_user", Show::Value(|facts| Shown::Seconds(facts.cpu.user_us))),
    row(Section::Cpu, "used_cpu_sys_children", Show::Value(|_| Shown::Text(b"0.000000"))),
    row(Section::Cpu, "used_cpu_user_children", Show::Value(|_| Shown::Text(b"0.000000"))),
    row(
        Section::Cpu,
        "used_cpu_sys_main_thread",
        Show::Value(|facts| Shown::Seconds(facts.cpu.system_main_us)),
    ),
    row(
        Section::Cpu,
        "used_cpu_user_main_thread",
        Show::Value(|facts| Shown::Seconds(facts.cpu.user_main_us)),
    ),
    // Commandstats.
    row(Section::Commandstats, "cmdstat_", Show::Lines(write_command_stats)),
    // Errorstats.
    row(Section::Errorstats, "errorstat_", Show::Lines(write_error_stats)),
    // Latencystats.
    row(Section::Latencystats, "latency_percentiles_usec_", Show::Lines(write_latency_stats)),
    // Cluster.
    row(Section::Cluster, "cluster_enabled", Show::Value(|facts| Shown::Flag(facts.cluster.enabled))),
    // Keyspace.
    row(Section::Keyspace, "db", Show::Lines(write_databases)),
];

/// A fact of the load that is under way; nothing otherwise.
fn loading(facts: &Facts, show: for<'a> fn(&'a Persistence) -> Shown<'a>) -> Shown<'_> {
    if facts.persistence.loading { show(&facts.persistence) } else { Shown::Absent }
}

/// A fact of the link to the primary; absent where this is the primary.
pub(super) fn link(facts: &Facts, show: for<'a> fn(&'a PrimaryLink) -> Shown<'a>) -> Shown<'_> {
    facts.replication.primary.as_ref().map_or(Shown::Absent, show)
}

/// A field that is shown while the append-only file is on.
fn of_aof(facts: &Facts, value: fn(&super::facts::Aof) -> u64) -> Shown<'static> {
    let aof = &facts.persistence.aof;
    if aof.is_on { Shown::Size(value(aof)) } else { Shown::Absent }
}

fn status(failed: bool) -> Shown<'static> {
    Shown::Text(if failed { b"err" } else { b"ok" })
}

fn difference(one: u64, other: u64) -> Shown<'static> {
    Shown::Number(i64::try_from(i128::from(one) - i128::from(other)).unwrap_or(i64::MAX))
}

fn write_listeners(facts: &Facts, out: &mut Vec<u8>) {
    for (index, listener) in facts.server.listeners.iter().enumerate() {
        out.extend_from_slice(format!("listener{index}:name={}", listener.name).as_bytes());
        for address in &listener.bind {
            out.extend_from_slice(b",bind=");
            Shown::Text(address).write(out);
        }
        if listener.port != 0 {
            out.extend_from_slice(format!(",port={}", listener.port).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn write_replicas(facts: &Facts, out: &mut Vec<u8>) {
    for (index, replica) in facts.replication.replicas.iter().enumerate() {
        out.extend_from_slice(format!("slave{index}:ip=").as_bytes());
        Shown::Text(&replica.address).write(out);
        let rest = format!(
            ",port={},state={},offset={},lag={},type=replica\r\n",
            replica.port, replica.state, replica.offset, replica.lag_seconds
        );
        out.extend_from_slice(rest.as_bytes());
    }
}

fn write_command_stats(facts: &Facts, out: &mut Vec<u8>) {
    for stat in &facts.command_stats {
        let mean_us = if stat.calls == 0 { 0.0 } else { stat.us as f64 / stat.calls as f64 };
        out.extend_from_slice(b"cmdstat_");
        Shown::Text(&stat.name).write(out);
        let rest = format!(
            ":calls={},usec={},usec_per_call={mean_us:.2},rejected_calls={},failed_calls={}\r\n",
            stat.calls, stat.us, stat.rejected, stat.failed
        );
        out.extend_from_slice(rest.as_bytes());
    }
}

fn write_error_stats(facts: &Facts, out: &mut Vec<u8>) {
    for stat in &facts.error_stats {
        out.extend_from_slice(b"errorstat_");
        Shown::Text(&stat.code).write(out);
        out.extend_from_slice(format!(":count={}\r\n", stat.count).as_bytes());
    }
}

fn write_latency_stats(facts: &Facts, out: &mut Vec<u8>) {
    for stat in &facts.latency_stats {
        out.extend_from_slice(b"latency_percentiles_usec_");
        Shown::Text(&stat.name).write(out);
        for (index, (percentile, us)) in stat.percentiles.iter().enumerate() {
            let before = if index == 0 { ':' } else { ',' };
            out.extend_from_slice(format!("{before}p{percentile}={us:.3}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn write_databases(facts: &Facts, out: &mut Vec<u8>) {
    for db in &facts.databases {
        let line = format!(
            "db{}:keys={},expires={},avg_ttl={},keys_with_volatile_items={}\r\n",
            db.index, db.keys, db.expires, db.average_ttl_ms, db.keys_with_volatile_items
        );
        out.extend_from_slice(line.as_bytes());
    }
}
