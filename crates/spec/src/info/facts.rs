//! The plain facts that INFO prints. Each part of a node fills its own.
//!
//! Everything is a value of the moment: nothing here refers to what it was taken from.

use super::Shown;
use alloc::vec::Vec;

/// All that INFO prints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The program and its process.
    pub server: Server,
    /// Connections.
    pub clients: Clients,
    /// Memory, in bytes.
    pub memory: Memory,
    /// Snapshots and the append-only file.
    pub persistence: Persistence,
    /// Counters since the start (or since CONFIG RESETSTAT).
    pub stats: Stats,
    /// Replication.
    pub replication: Replication,
    /// Processor time, in microseconds.
    pub cpu: Cpu,
    /// The cluster.
    pub cluster: Cluster,
    /// Calls of the commands that were called.
    pub command_stats: Vec<CommandStat>,
    /// Errors of the codes that there were.
    pub error_stats: Vec<ErrorStat>,
    /// Latencies of the commands that were called.
    pub latency_stats: Vec<LatencyStat>,
    /// The databases that are not empty.
    pub databases: Vec<Database>,
}

/// The program and its process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// It speaks as Valkey does: `extended-redis-compatibility` is off.
    pub is_valkey: bool,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: &'static str,
    /// Name, release and machine of the system.
    pub os: Vec<u8>,
    /// Number of the process.
    pub process_id: u64,
    /// Id of this run of the process.
    pub run_id: Vec<u8>,
    /// The port of clients.
    pub tcp_port: u64,
    /// The wall clock, in microseconds since 1970.
    pub time_us: u64,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Ticks in a second, as they are made.
    pub hz: u64,
    /// Ticks in a second, as they are configured.
    pub configured_hz: u64,
    /// Path of the program.
    pub executable: Vec<u8>,
    /// Path of the configuration file; empty without one.
    pub config_file: Vec<u8>,
    /// A shutdown waits for replicas so long, at most.
    pub shutdown_in_ms: Option<u64>,
    /// What the process listens on.
    pub listeners: Vec<Listener>,
    /// `availability-zone`.
    pub availability_zone: Vec<u8>,
}

/// Connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clients {
    /// Connections of clients, without replicas.
    pub connected: u64,
    /// Links of the cluster bus.
    pub cluster_links: u64,
    /// The bound on connections.
    pub connected_max: u64,
    /// The largest buffer of input of late, in bytes.
    pub input_bytes_max: u64,
    /// The largest buffer of output of late, in bytes.
    pub output_bytes_max: u64,
    /// Clients that wait in a blocking command.
    pub blocked: u64,
    /// Keys that clients wait for.
    pub blocking_keys: u64,
    /// Keys whose end clients wait for.
    pub blocking_keys_on_end: u64,
    /// Clients that are told of changed keys.
    pub tracking: u64,
    /// Clients with subscriptions.
    pub subscribed: u64,
    /// Clients that watch keys.
    pub watching: u64,
    /// Keys that are watched.
    pub watched_keys: u64,
    /// Clients whose wait has an end.
    pub waits_with_end: u64,
    /// What holds clients back.
    pub pause: Pause,
}

/// What holds the requests of clients back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// `client_pause` or `failover_in_progress`; empty when nothing does.
    pub reason: &'static str,
    /// `write` or `all`; empty when nothing is held.
    pub actions: &'static str,
    /// How long yet, at most.
    pub left_ms: u64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// All that the data and the buffers use.
    pub used_bytes: u64,
    /// Resident set of the process.
    pub rss_bytes: u64,
    /// The most that was used.
    pub peak_bytes: u64,
    /// Of that, what is not data: tables, buffers, the start.
    pub overhead_bytes: u64,
    /// What was used before the first key.
    pub startup_bytes: u64,
    /// What the allocator has given out.
    pub allocated_bytes: u64,
    /// The pages that this takes.
    pub active_bytes: u64,
    /// The pages that the allocator holds.
    pub resident_bytes: u64,
    /// Memory of the machine.
    pub system_bytes: u64,
    /// `maxmemory`.
    pub limit_bytes: u64,
    /// `maxmemory-policy`.
    pub policy: &'static str,
    /// What does not count against `maxmemory`.
    pub not_counted_bytes: u64,
    /// The backlog.
    pub backlog_bytes: u64,
    /// The backlog and what replicas have yet to take.
    pub replication_bytes: u64,
    /// Buffers of replicas.
    pub replica_buffers_bytes: u64,
    /// Buffers of clients.
    pub client_buffers_bytes: u64,
    /// Buffers of the cluster bus.
    pub cluster_links_bytes: u64,
    /// Name and version of the allocator.
    pub allocator: &'static str,
    /// Values that wait to be freed.
    pub lazyfree_pending: u64,
    /// Values that were freed lazily.
    pub lazyfreed: u64,
}

impl Memory {
    pub(super) fn dataset_bytes(&self) -> u64 {
        self.used_bytes.saturating_sub(self.overhead_bytes)
    }

    /// The share of the data in what is used beyond the start.
    pub(super) fn dataset_share(&self) -> Shown<'static> {
        let beyond_start = self.used_bytes.saturating_sub(self.startup_bytes);
        if beyond_start == 0 {
            return Shown::Percent(0.0);
        }
        Shown::Percent(self.dataset_bytes() as f64 * 100.0 / beyond_start as f64)
    }
}

/// Snapshots and the append-only file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Persistence {
    /// A data set is being loaded from a file.
    pub loading: bool,
    /// Data is loaded beside what is served.
    pub is_loading_aside: bool,
    /// While loading: when it began, in seconds since 1970.
    pub load_started_seconds: u64,
    /// While loading: size of the file.
    pub load_total_bytes: u64,
    /// While loading: memory of the data when they were written.
    pub load_used_bytes: u64,
    /// While loading: what of it is read.
    pub load_done_bytes: u64,
    /// While loading: how long it will take yet.
    pub load_eta_seconds: u64,
    /// Keys that the running snapshot has written.
    pub save_keys_done: u64,
    /// Keys when the running snapshot began.
    pub save_keys_total: u64,
    /// Changes since the last snapshot.
    pub changes_since_save: u64,
    /// A snapshot is being written.
    pub saving: bool,
    /// When the last good snapshot ended, in seconds since 1970.
    pub last_save_seconds: u64,
    /// The last snapshot could not be written.
    pub last_save_failed: bool,
    /// How long the last snapshot took; -1: there was none.
    pub last_save_took_seconds: i64,
    /// How long the running snapshot has taken; -1: none runs.
    pub save_runs_seconds: i64,
    /// Snapshots since the start.
    pub saves: u64,
    /// Keys that were over when they were loaded.
    pub load_keys_expired: u64,
    /// Keys that were loaded.
    pub load_keys: u64,
    /// The append-only file.
    pub aof: Aof,
}

impl Persistence {
    /// How much of a load is done.
    pub(super) fn loaded_percent(&self) -> f64 {
        match self.load_total_bytes {
            0 => 0.0,
            total => self.load_done_bytes as f64 * 100.0 / total as f64,
        }
    }
}

/// The append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aof {
    /// It is written.
    pub is_on: bool,
    /// It is being rewritten.
    pub rewriting: bool,
    /// A rewrite waits for its turn.
    pub scheduled: bool,
    /// How long the last rewrite took; -1: there was none.
    pub last_seconds: i64,
    /// How long the running rewrite has taken; -1: none runs.
    pub current_seconds: i64,
    /// The last rewrite failed.
    pub last_failed: bool,
    /// Rewrites since the start.
    pub rewrites: u64,
    /// Rewrites that failed since the last good one.
    pub failures: u64,
    /// It can not be written.
    pub write_failed: bool,
    /// Size of all its files.
    pub current_bytes: u64,
    /// Their size after the last rewrite or load.
    pub base_bytes: u64,
    /// Bytes that are not with the kernel yet.
    pub buffered_bytes: u64,
    /// A sync is under way.
    pub syncing: bool,
    /// Syncs that came late because of the one before.
    pub delayed: u64,
}

/// Counters since the start (or since CONFIG RESETSTAT).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Jobs in the background for which the originals fork.
    pub background_jobs: u64,
    /// Keys that clients of a writable replica wrote.
    pub own_keys: u64,
    /// Keys that tracking clients have read.
    pub tracked_keys: u64,
    /// Clients of each of those, added up.
    pub tracked_items: u64,
    /// Prefixes that clients hear of.
    pub tracked_prefixes: u64,
    /// Connections to targets of MIGRATE.
    pub move_links: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Commands that were executed.
    pub commands: u64,
    /// Commands in a second, of late.
    pub commands_per_second: u64,
    /// Bytes that came from clients.
    pub input_bytes: u64,
    /// Bytes that went to clients.
    pub output_bytes: u64,
    /// Bytes that came from the primary.
    pub replication_input_bytes: u64,
    /// Bytes that went to replicas.
    pub replication_output_bytes: u64,
    /// KiB from clients in a second, of late.
    pub input_kbps: f64,
    /// KiB to clients in a second, of late.
    pub output_kbps: f64,
    /// KiB from the primary in a second, of late.
    pub replication_input_kbps: f64,
    /// KiB to replicas in a second, of late.
    pub replication_output_kbps: f64,
    /// Connections that were refused for `maxclients`.
    pub connections_rejected: u64,
    /// Full synchronisations that replicas were given.
    pub sync_full: u64,
    /// Partial synchronisations that replicas were given.
    pub sync_partial_ok: u64,
    /// Partial synchronisations that were not possible.
    pub sync_partial_refused: u64,
    /// Keys that expired.
    pub expired: u64,
    /// Fields of hashes that expired.
    pub expired_fields: u64,
    /// Keys that made room for others.
    pub evicted: u64,
    /// Clients that were closed for the memory that they pinned.
    pub evicted_clients: u64,
    /// How long more memory was in use than `maxmemory`, in milliseconds.
    pub over_ms: u64,
    /// For how long it is, in milliseconds.
    pub over_now: u64,
    /// The share of keys that are over and still there, estimated.
    pub expired_stale_percent: f64,
    /// How often active expiry used its budget up.
    pub expire_budget_used_up: u64,
    /// Time that active expiry took, in microseconds.
    pub expire_us: u64,
    /// Payloads of clients that were checked in full.
    pub payloads: u64,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Channels with subscribers.
    pub channels: u64,
    /// Patterns with subscribers.
    pub patterns: u64,
    /// Sharded channels with subscribers.
    pub sharded_channels: u64,
    /// Errors in what a primary sent.
    pub unexpected_errors: u64,
    /// Errors that clients were told.
    pub errors: u64,
    /// Reads from sockets.
    pub reads: u64,
    /// Writes to sockets.
    pub writes: u64,
    /// Wrong passwords.
    pub denied_auth: u64,
    /// Connections that were closed for an unfinished request that was too large.
    pub query_disconnections: u64,
    /// Connections that were closed for their unread output.
    pub output_disconnections: u64,
    /// Turns of the loop.
    pub turns: Turns,
}

/// Turns of the loop: from what woke it to its rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// How many.
    pub count: u64,
    /// Time that they took together, in microseconds.
    pub us: u64,
    /// Of that, time that requests took.
    pub requests_us: u64,
    /// Of that, time that regular work took: expiry, idle clients, freeing.
    pub cron_us: u64,
    /// The longest one.
    pub longest_us: u64,
    /// Most requests in one.
    pub requests_max: u64,
    /// Turns in a second, of late.
    pub per_second: u64,
    /// Time of one, of late, in microseconds.
    pub us_of_late: u64,
}

/// Replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replication {
    /// The link to the primary, on a replica.
    pub primary: Option<PrimaryLink>,
    /// The replicas.
    pub replicas: Vec<Replica>,
    /// Replicas with little lag, when `min-replicas-to-write` counts them.
    pub good_replicas: Option<u64>,
    /// State of a FAILOVER: `no-failover`, `waiting-for-sync`, `failover-in-progress`.
    pub failover_state: &'static str,
    /// Id of the history.
    pub replid: Vec<u8>,
    /// Id of the history before that.
    pub replid2: Vec<u8>,
    /// End of the journal.
    pub offset: i64,
    /// Up to where the second id is valid; -1: not at all.
    pub offset2: i64,
    /// There is a backlog.
    pub backlog_active: bool,
    /// `repl-backlog-size`.
    pub backlog_size_bytes: u64,
    /// Offset of the first byte in the backlog.
    pub backlog_first: i64,
    /// Bytes in the backlog.
    pub backlog_bytes: u64,
}

/// Processor time, in microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    /// In the kernel.
    pub system_us: u64,
    /// In the program.
    pub user_us: u64,
    /// In the kernel, by the thread that executes.
    pub system_main_us: u64,
    /// In the program, by the thread that executes.
    pub user_main_us: u64,
    /// Time that this thread did not wait for something to happen.
    pub active_main_us: u64,
}

/// The cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// This is a node of a cluster.
    pub enabled: bool,
}

/// Something that the process listens on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    /// `tcp` or `unix`.
    pub name: &'static str,
    /// Its addresses, or the path of the socket.
    pub bind: Vec<Vec<u8>>,
    /// Its port; zero for a Unix socket.
    pub port: u64,
}

/// The link to the primary, on a replica.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrimaryLink {
    /// Host of the primary.
    pub host: Vec<u8>,
    /// Its port.
    pub port: u16,
    /// The replica is in sync or catching up on the stream.
    pub is_up: bool,
    /// Seconds since the primary was last heard; -1: not at all.
    pub last_io_seconds: i64,
    /// A full synchronisation is under way.
    pub is_loading: bool,
    /// Offset of what was received.
    pub read_offset: i64,
    /// Offset of what was applied.
    pub offset: i64,
    /// Size of the snapshot; -1: not known.
    pub load_total_bytes: i64,
    /// What of the snapshot was received.
    pub load_done_bytes: u64,
    /// Seconds since some of it was received.
    pub load_last_io_seconds: i64,
    /// Seconds since the link broke; -1: it was never up.
    pub down_seconds: i64,
    /// Its data is refused, and why.
    pub refused: Option<&'static str>,
    /// `replica-priority`.
    pub priority: u64,
    /// `replica-read-only`.
    pub is_read_only: bool,
    /// `replica-announced`.
    pub is_announced: bool,
}

impl PrimaryLink {
    pub(super) fn load_left_bytes(&self) -> i64 {
        if self.load_total_bytes < 0 {
            return -1;
        }
        self.load_total_bytes.saturating_sub_unsigned(self.load_done_bytes)
    }

    pub(super) fn load_share(&self) -> Shown<'static> {
        if self.load_total_bytes <= 0 {
            return Shown::Fixed(0.0, 2);
        }
        Shown::Fixed(self.load_done_bytes as f64 * 100.0 / self.load_total_bytes as f64, 2)
    }
}

/// A replica.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// Its address, as it announces it.
    pub address: Vec<u8>,
    /// Its port, as it announces it.
    pub port: u16,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    /// What it has acknowledged.
    pub offset: u64,
    /// Seconds since it last acknowledged.
    pub lag_seconds: u64,
}

/// Calls of one command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandStat {
    /// Its full name: `get`, `config|get`.
    pub name: Vec<u8>,
    /// Calls that were executed.
    pub calls: u64,
    /// Microseconds that they took.
    pub us: u64,
    /// Calls that were refused before.
    pub rejected: u64,
    /// Calls that ended with an error.
    pub failed: u64,
}

/// Errors of one code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorStat {
    /// The first word of the error.
    pub code: Vec<u8>,
    /// How many there were.
    pub count: u64,
}

/// Latencies of one command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyStat {
    /// Its full name.
    pub name: Vec<u8>,
    /// Percentiles and their latencies in microseconds.
    pub percentiles: Vec<(f64, f64)>,
}

/// A database that is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Database {
    /// Its number.
    pub index: u32,
    /// Its keys.
    pub keys: u64,
    /// Of these, keys with a deadline.
    pub expires: u64,
    /// The mean time that these have left, estimated; zero: not known.
    pub average_ttl_ms: u64,
    /// Keys with fields that expire.
    pub keys_with_volatile_items: u64,
}
