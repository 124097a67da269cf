//! Settings: what the operator decides about replication and snapshots, as plain values.
//!
//! The node fills them from the directives of the same names, at start and after each CONFIG SET.

use alloc::string::String;
use alloc::vec::Vec;
use base::Span;
use data::HashLimits;

/// A save point: so many changes within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least so long after the last save.
    pub seconds: u64,
    /// At least so many changes since then.
    pub changes: u64,
}

/// The directives that the journal obeys; each field is the directive of that name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `port`, as told to a primary: `replica-announce-port` when that is set.
    pub announced_port: u16,
    /// `replica-announce-ip`; empty: the primary takes the connection's address.
    pub announced_ip: String,
    /// `primaryuser` / `masteruser`; empty for the default user.
    pub primary_user: String,
    /// `primaryauth` / `masterauth`; empty: no AUTH.
    pub primary_password: String,
    /// `repl-ping-replica-period`.
    pub ping_period: Span,
    /// `repl-timeout`.
    pub timeout: Span,
    /// `repl-backlog-size`, in bytes.
    pub backlog_bytes: u64,
    /// `repl-backlog-ttl`; zero: the backlog is never freed.
    pub backlog_ttl: Span,
    /// `repl-diskless-sync-delay`: wait so long for more replicas before a full synchronisation starts.
    pub diskless_delay: Span,
    /// `repl-diskless-sync-max-replicas`: start at once when so many wait; zero: wait the delay out.
    pub diskless_replicas_max: u32,
    /// `client-output-buffer-limit replica`: hard limit in bytes, zero for none.
    pub replica_hard_limit: u64,
    /// `client-output-buffer-limit replica`: soft limit in bytes, zero for none.
    pub replica_soft_limit: u64,
    /// `client-output-buffer-limit replica`: over the soft limit for so long is too long.
    pub replica_soft_span: Span,
    /// `min-replicas-max-lag`.
    pub min_replicas_max_lag: Span,
    /// `dbfilename`.
    pub dump_file: String,
    /// `save`.
    pub save_points: Vec<SavePoint>,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_save_error: bool,
    /// `rdbchecksum`.
    pub checksum: bool,
    /// `rdbcompression`.
    pub compression: bool,
    /// `hash-max-listpack-entries` and `hash-max-listpack-value`: how hashes are laid out that are loaded.
    pub hash_limits: HashLimits,
    /// `shutdown-timeout`: wait so long for lagging replicas.
    pub shutdown_timeout: Span,
}

impl Default for Settings {
    /// The originals' defaults.
    fn default() -> Settings {
        Settings {
            announced_port: 6379,
            announced_ip: String::new(),
            primary_user: String::new(),
            primary_password: String::new(),
            ping_period: Span::seconds(10),
            timeout: Span::seconds(60),
            backlog_bytes: 1 << 20,
            backlog_ttl: Span::seconds(3600),
            diskless_delay: Span::seconds(5),
            diskless_replicas_max: 0,
            replica_hard_limit: 256 << 20,
            replica_soft_limit: 64 << 20,
            replica_soft_span: Span::seconds(60),
            min_replicas_max_lag: Span::seconds(10),
            dump_file: String::from("dump.rdb"),
            save_points: [(3600, 1), (300, 100), (60, 10_000)]
                .map(|(seconds, changes)| SavePoint { seconds, changes })
                .to_vec(),
            stop_writes_on_save_error: true,
            checksum: true,
            compression: true,
            hash_limits: HashLimits::default(),
            shutdown_timeout: Span::seconds(10),
        }
    }
}
