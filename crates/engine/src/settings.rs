//! Settings: what the configuration says, in the form in which the hot path and the sessions use it.

use crate::call::Class;
use crate::evict::Rules;
use crate::slow::Thresholds;
use alloc::vec::Vec;
use base::Span;
use data::Limits;
use spec::Config;
use spec::directive::id;

/// Derived from the configuration at the start and after each CONFIG SET.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `requirepass`; empty: none.
    pub password: Vec<u8>,
    /// `maxclients`.
    pub clients_max: usize,
    /// The server speaks as Valkey does where the two differ: `extended-redis-compatibility` is off.
    pub is_valkey: bool,
    /// `import-mode`: another program brings the data, and says what ends: nothing expires or is evicted here.
    pub is_importing: bool,
    /// `protected-mode`.
    pub is_protected: bool,
    /// `timeout`; zero: none.
    pub idle: Span,
    /// `maxmemory-clients`, in bytes; the largest number: none.
    pub clients_bytes_max: usize,
    /// `proto-max-bulk-len`.
    pub bulk_len_max: u64,
    /// `client-query-buffer-limit`.
    pub query_bytes_max: u64,
    /// Up to which size collections stay small.
    pub limits: Limits,
    /// `notify-keyspace-events` as bits, in the order of `spec::config::EVENT_LETTERS`.
    pub notify: u32,
    /// `replica-read-only`.
    pub replica_read_only: bool,
    /// The log shows names of commands and not what they are about.
    pub hides_user_data: bool,
    /// `crash-log-enabled`.
    pub reports_crashes: bool,
    /// A command of the primary's stream that fails here ends the replication.
    pub stops_on_error: bool,
    /// `replica-serve-stale-data`.
    pub serve_stale: bool,
    /// `client-output-buffer-limit`: normal, replica, pubsub.
    pub output_limits: [OutputLimit; 3],
    /// `enable-debug-command`.
    pub debug: DebugCommand,
    /// `slowlog-log-slower-than`, `slowlog-max-len`, `latency-monitor-threshold`.
    pub slow: Thresholds,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: u64,
    /// `active-expire-effort`: 1 to 10.
    pub expire_effort: usize,
    /// `latency-tracking`.
    pub tracks_latency: bool,
    /// `tracking-table-max-keys`; none: no bound.
    pub tracked_max: usize,
    /// `maxmemory` and what belongs to it.
    pub eviction: Rules,
}

/// Who may use DEBUG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugCommand {
    /// Nobody.
    No,
    /// Clients of the same machine.
    Local,
    /// Everyone.
    Yes,
}

/// One class of `client-output-buffer-limit`; zeros: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once from here on.
    pub hard_bytes: u64,
    /// Closed when over this ...
    pub soft_bytes: u64,
    /// ... for so long.
    pub soft: Span,
}

/// `maxmemory-clients` as bytes: a percentage is one of `maxmemory`.
fn clients_bytes_max(config: &Config) -> usize {
    let bytes = config.bytes_or_share(id::MAXMEMORY_CLIENTS, config.bytes(id::MAXMEMORY));
    if bytes == 0 { usize::MAX } else { usize::try_from(bytes).unwrap_or(usize::MAX) }
}

/// `databases`, or in cluster mode `cluster-databases`.
pub fn databases(config: &Config, clustered: bool) -> u32 {
    let directive = if clustered { id::CLUSTER_DATABASES } else { id::DATABASES };
    u32::try_from(config.count(directive)).unwrap_or(u32::MAX)
}

impl Settings {
    /// True when every request is looked at by itself: its time, or what it does to its keys.
    pub fn looks_close(&self) -> bool {
        self.slow.is_close || self.notify & Class::LOOKED_AT != 0
    }

    /// Reads them.
    pub fn from_config(config: &Config) -> Settings {
        let count = |id| usize::try_from(config.count(id)).unwrap_or(usize::MAX);
        Settings {
            password: config.text(id::REQUIREPASS).to_vec(),
            clients_max: count(id::MAXCLIENTS),
            is_valkey: !config.yes(id::EXTENDED_REDIS_COMPATIBILITY),
            is_importing: config.yes(id::IMPORT_MODE),
            is_protected: config.yes(id::PROTECTED_MODE),
            idle: Span::seconds(config.count(id::TIMEOUT)),
            clients_bytes_max: clients_bytes_max(config),
            bulk_len_max: config.bytes(id::PROTO_MAX_BULK_LEN),
            query_bytes_max: config.bytes(id::CLIENT_QUERY_BUFFER_LIMIT),
            limits: codec::limits(config),
            notify: u32::from(config.events()),
            replica_read_only: config.yes(id::REPLICA_READ_ONLY),
            hides_user_data: config.yes(id::HIDE_USER_DATA_FROM_LOG),
            reports_crashes: config.yes(id::CRASH_LOG_ENABLED),
            // The data of a writable replica may differ.
            stops_on_error: config.yes(id::REPLICA_READ_ONLY)
                && config.choice(id::PROPAGATION_ERROR_BEHAVIOR) != "ignore",
            serve_stale: config.yes(id::REPLICA_SERVE_STALE_DATA),
            output_limits: config.output_limits().each_ref().map(|limit| OutputLimit {
                hard_bytes: limit.hard_bytes,
                soft_bytes: limit.soft_bytes,
                soft: Span::seconds(limit.soft_seconds),
            }),
            debug: match config.choice(id::ENABLE_DEBUG_COMMAND) {
                "yes" => DebugCommand::Yes,
                "local" => DebugCommand::Local,
                _ => DebugCommand::No,
            },
            slow: Thresholds::from_config(config),
            hll_sparse_bytes_max: config.bytes(id::HLL_SPARSE_MAX_BYTES),
            expire_effort: count(id::ACTIVE_EXPIRE_EFFORT),
            tracks_latency: config.yes(id::LATENCY_TRACKING),
            tracked_max: Some(count(id::TRACKING_TABLE_MAX_KEYS))
                .filter(|max| *max > 0)
                .unwrap_or(usize::MAX),
            eviction: Rules::from_config(config),
        }
    }
}
