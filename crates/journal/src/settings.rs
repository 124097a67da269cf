//! Settings: what the operator decides about replication and snapshots, as plain values.
//!
//! The node fills them from the directives of the same names, at start and after each CONFIG SET.

use crate::AofSettings;
use alloc::string::String;
use alloc::vec::Vec;
use base::Span;
use data::{Clocks, Limits};
use spec::Config;
use spec::config::SavePoint;
use spec::directive::id;

/// Where a snapshot of the primary goes. What is here stays until it is whole, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisklessLoad {
    /// `disabled`, `on-empty-db`: into a file first, unless there is nothing here that could be lost.
    WhenEmpty,
    /// `swapdb`: into a keyspace of its own, which takes the place of this one.
    Swap,
}

/// The directives that the journal obeys; each field is the directive of that name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `port`, as told to a primary: `replica-announce-port` when that is set.
    pub announced_port: u16,
    /// `replica-announce-ip`; empty: the primary takes the connection's address.
    pub announced_ip: String,
    /// `primaryuser` / `masteruser`; empty for the default user.
    pub primary_user: Vec<u8>,
    /// `primaryauth` / `masterauth`; empty: no AUTH.
    pub primary_password: Vec<u8>,
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
    /// `repl-diskless-load`.
    pub diskless_load: DisklessLoad,
    /// `repl-full-syncs-max`: so many replicas may be under full synchronisation at one time; zero: all that ask.
    pub full_syncs_max: u32,
    /// `replica-full-sync-guard`: a primary that came back without our data does not replace them.
    pub full_sync_guard: bool,
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
    /// `key-load-delay`: microseconds for each key that is loaded; negative: one for each so many keys.
    pub key_load_delay: i64,
    /// `rdb-key-save-delay`: the same for each key that is saved.
    pub key_save_delay: i64,
    /// `loading-process-events-interval-bytes`: a load lets others have their turn after so many bytes.
    pub load_turn_bytes: usize,
    /// What keys' access clocks mean, by `maxmemory-policy`.
    pub clocks: Clocks,
    /// How collections are laid out that are loaded.
    pub limits: Limits,
    /// `shutdown-timeout`: wait so long for lagging replicas.
    pub shutdown_timeout: Span,
    /// The append-only file.
    pub aof: AofSettings,
}

impl Default for Settings {
    /// The originals' defaults.
    fn default() -> Settings {
        Settings::read(&Config::new())
    }
}

impl Settings {
    /// The settings that a configuration holds.
    pub fn read(config: &Config) -> Settings {
        let text = |id| String::from_utf8_lossy(config.text(id)).into_owned();
        let seconds = |id| Span::seconds(config.count(id));
        let announced = config.port(id::REPLICA_ANNOUNCE_PORT);
        let limit = config.output_limits()[1];
        Settings {
            announced_port: if announced == 0 { config.port(id::PORT) } else { announced },
            announced_ip: text(id::REPLICA_ANNOUNCE_IP),
            primary_user: config.text(id::MASTERUSER).to_vec(),
            primary_password: config.text(id::MASTERAUTH).to_vec(),
            ping_period: seconds(id::REPL_PING_REPLICA_PERIOD),
            timeout: seconds(id::REPL_TIMEOUT),
            backlog_bytes: config.bytes(id::REPL_BACKLOG_SIZE),
            backlog_ttl: seconds(id::REPL_BACKLOG_TTL),
            diskless_delay: seconds(id::REPL_DISKLESS_SYNC_DELAY),
            diskless_replicas_max: config.count(id::REPL_DISKLESS_SYNC_MAX_REPLICAS) as u32,
            diskless_load: match config.choice(id::REPL_DISKLESS_LOAD) {
                "swapdb" => DisklessLoad::Swap,
                _ => DisklessLoad::WhenEmpty,
            },
            full_syncs_max: config.count(id::REPL_FULL_SYNCS_MAX) as u32,
            full_sync_guard: config.yes(id::REPLICA_FULL_SYNC_GUARD),
            replica_hard_limit: limit.hard_bytes,
            replica_soft_limit: limit.soft_bytes,
            replica_soft_span: Span::seconds(limit.soft_seconds),
            min_replicas_max_lag: seconds(id::MIN_REPLICAS_MAX_LAG),
            dump_file: text(id::DBFILENAME),
            save_points: config.save_points().to_vec(),
            stop_writes_on_save_error: config.yes(id::STOP_WRITES_ON_BGSAVE_ERROR),
            checksum: config.yes(id::RDBCHECKSUM),
            compression: config.yes(id::RDBCOMPRESSION),
            key_load_delay: config.integer(id::KEY_LOAD_DELAY),
            key_save_delay: config.integer(id::RDB_KEY_SAVE_DELAY),
            load_turn_bytes: usize::try_from(config.bytes(id::LOADING_PROCESS_EVENTS_INTERVAL_BYTES))
                .unwrap_or(usize::MAX),
            clocks: match config.choice(id::MAXMEMORY_POLICY).rsplit('-').next() {
                Some("lru") => Clocks::Times,
                Some("lfu") => Clocks::Counters(config.count(id::LFU_DECAY_TIME)),
                _ => Clocks::Unused,
            },
            limits: codec::limits(config),
            shutdown_timeout: seconds(id::SHUTDOWN_TIMEOUT),
            aof: AofSettings::read(config),
        }
    }
}
