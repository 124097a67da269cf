//! The rows.
//!
//! Names, defaults and bounds are those of Redis 7.2; the golden list in `tests/golden` holds the original's own answer.

use super::{Directive, DirectiveId, Kind};

/// The largest C `int`.
const INT_MAX: i64 = i32::MAX as i64;
/// The largest C `unsigned int`.
const UINT_MAX: i64 = u32::MAX as i64;

const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const fn memory(min: u64, max: u64) -> Kind {
    Kind::Memory { min, max }
}

const NO_ACCEPTS: &str = "the host bounds what it accepts in one turn by itself";
const NO_TLS: &str = "there is no TLS yet";
const NO_THREADS: &str = "one thread executes and reads; more cores are used by more nodes";
const NO_MODULES: &str = "modules are not loaded";
const NO_ACL: &str = "users and ACLs do not exist yet";
const NO_LOGO: &str = "there is no logo";
const NO_COLLATE: &str = "SORT compares bytes";
const NO_CRASH: &str = "a crash report tests no memory";
const NO_PAGES: &str = "huge pages are used where the system allows them";
const NO_WARNINGS: &str = "the checks that it silences are not made";
const NO_CPUS: &str = "threads are not bound to processors";
const NO_REHASH: &str = "tables grow as they are used";
const NO_FREE: &str = "how a value is freed does not depend on it";
const NO_ALLOC: &str = "the allocator chooses its threads by itself";
const NO_DEFRAG: &str = "memory is not moved";
const NO_SYNCFILES: &str = "a synchronisation leaves no file behind";
const NO_FSYNC: &str = "files are written and synced by threads of their own";
const NO_SANITIZE: &str = "every payload is checked in full";
const NO_END: &str = "the process never ends because of its disk";
const NO_DISKLESS: &str = "a primary sends its snapshot without a file";
const NO_DUAL: &str = "the snapshot and the stream share a connection";
const NO_MOVES: &str = "slots move key by key";
const NO_BATCH: &str = "how far the engine looks ahead is fixed";
const NO_SLOT_STATS: &str = "keys are always counted, processor time and traffic are not";
const NO_ASSERTS: &str = "what must hold is always checked";
const NO_COPIES: &str = "replies are written into buffers of a pool";
const NO_SCRIPTS: &str = "scripts do not exist yet";

/// Declares the rows together with the constants of their places.
macro_rules! directives {
    ($($id:ident => $row:expr;)*) => {
        /// Every directive of Redis 7.2.
        pub static DIRECTIVES: &[Directive] = &[$($row),*];

        /// The places of the rows.
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "one name serves the row and the constant")]
        enum Place { $($id),* }

        /// The names of the constants.
        #[cfg(test)]
        pub(super) const CONSTANTS: &[&str] = &[$(stringify!($id)),*];

        /// The id of each directive.
        pub mod id {
            use super::{DirectiveId, Place};
            $(
                /// The directive of this name, which is written with small letters and hyphens.
                pub const $id: DirectiveId = DirectiveId(Place::$id as u16);
            )*
        }
    };
}

directives! {
    // Network and clients.
    BIND => Directive::works("bind", Kind::Words { count_max: 16 }, "* -::*");
    BIND_SOURCE_ADDR => Directive::works("bind-source-addr", Kind::Text, "");
    PORT => Directive::works("port", integer(0, 65535), "6379");
    UNIXSOCKET => Directive::works("unixsocket", Kind::Text, "").at_start();
    UNIXSOCKETPERM => Directive::works("unixsocketperm", Kind::Octal { max: 0o777 }, "0").at_start();
    TCP_BACKLOG => Directive::works("tcp-backlog", integer(0, INT_MAX), "511").at_start().hostile("0");
    TCP_KEEPALIVE => Directive::works("tcp-keepalive", integer(0, INT_MAX), "300").hostile("1");
    TIMEOUT => Directive::works("timeout", integer(0, INT_MAX), "0").hostile("1");
    MAXCLIENTS => Directive::works("maxclients", integer(1, UINT_MAX), "10000").hostile("1");
    MAX_NEW_CONNECTIONS_PER_CYCLE => Directive::no_effect("max-new-connections-per-cycle", integer(1, 1000), "10", NO_ACCEPTS);
    MAX_NEW_TLS_CONNECTIONS_PER_CYCLE => Directive::no_effect("max-new-tls-connections-per-cycle", integer(1, 1000), "1", NO_TLS);
    PROTECTED_MODE => Directive::works("protected-mode", Kind::Bool, "yes");
    SOCKET_MARK_ID => Directive::not_yet("socket-mark-id", integer(0, UINT_MAX), "0").at_start();
    CLIENT_QUERY_BUFFER_LIMIT => Directive::works("client-query-buffer-limit", memory(1 << 20, i64::MAX as u64), "1073741824").hostile("1mb");
    CLIENT_OUTPUT_BUFFER_LIMIT => Directive::works("client-output-buffer-limit", Kind::OutputLimits, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60").hostile("normal 1 1 1 slave 1 1 1 pubsub 1 1 1");
    PROTO_MAX_BULK_LEN => Directive::works("proto-max-bulk-len", memory(1 << 20, i64::MAX as u64), "536870912").hostile("1mb");
    MAXMEMORY_CLIENTS => Directive::works("maxmemory-clients", Kind::MemoryOrPercent, "0").hostile("1mb");
    IO_THREADS => Directive::no_effect("io-threads", integer(1, 256), "1", NO_THREADS).at_start();
    IO_THREADS_DO_READS => Directive::no_effect("io-threads-do-reads", Kind::Bool, "no", NO_THREADS).at_start();
    TRACKING_TABLE_MAX_KEYS => Directive::works("tracking-table-max-keys", integer(0, i64::MAX), "1000000").hostile("1");
    // Access.
    REQUIREPASS => Directive::works("requirepass", Kind::Text, "").secret();
    ACLFILE => Directive::not_yet("aclfile", Kind::Text, "").at_start();
    ACL_PUBSUB_DEFAULT => Directive::no_effect("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels", NO_ACL);
    ACLLOG_MAX_LEN => Directive::no_effect("acllog-max-len", integer(0, i64::MAX), "128", NO_ACL);
    ENABLE_DEBUG_COMMAND => Directive::works("enable-debug-command", Kind::Choice(&["no", "yes", "local"]), "no").at_start();
    ENABLE_MODULE_COMMAND => Directive::no_effect("enable-module-command", Kind::Choice(&["no", "yes", "local"]), "no", NO_MODULES).at_start();
    ENABLE_PROTECTED_CONFIGS => Directive::works("enable-protected-configs", Kind::Choice(&["no", "yes", "local"]), "no").at_start();
    // TLS.
    TLS_PORT => Directive::not_yet("tls-port", integer(0, 65535), "0");
    TLS_CLUSTER => Directive::not_yet("tls-cluster", Kind::Bool, "no");
    TLS_REPLICATION => Directive::not_yet("tls-replication", Kind::Bool, "no");
    TLS_AUTH_CLIENTS => Directive::no_effect("tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes", NO_TLS);
    TLS_PREFER_SERVER_CIPHERS => Directive::no_effect("tls-prefer-server-ciphers", Kind::Bool, "no", NO_TLS);
    TLS_SESSION_CACHING => Directive::no_effect("tls-session-caching", Kind::Bool, "yes", NO_TLS);
    TLS_SESSION_CACHE_SIZE => Directive::no_effect("tls-session-cache-size", integer(0, INT_MAX), "20480", NO_TLS);
    TLS_SESSION_CACHE_TIMEOUT => Directive::no_effect("tls-session-cache-timeout", integer(0, INT_MAX), "300", NO_TLS);
    TLS_CERT_FILE => Directive::no_effect("tls-cert-file", Kind::Text, "", NO_TLS);
    TLS_KEY_FILE => Directive::no_effect("tls-key-file", Kind::Text, "", NO_TLS);
    TLS_KEY_FILE_PASS => Directive::no_effect("tls-key-file-pass", Kind::Text, "", NO_TLS).secret();
    TLS_CLIENT_CERT_FILE => Directive::no_effect("tls-client-cert-file", Kind::Text, "", NO_TLS);
    TLS_CLIENT_KEY_FILE => Directive::no_effect("tls-client-key-file", Kind::Text, "", NO_TLS);
    TLS_CLIENT_KEY_FILE_PASS => Directive::no_effect("tls-client-key-file-pass", Kind::Text, "", NO_TLS).secret();
    TLS_DH_PARAMS_FILE => Directive::no_effect("tls-dh-params-file", Kind::Text, "", NO_TLS);
    TLS_CA_CERT_FILE => Directive::no_effect("tls-ca-cert-file", Kind::Text, "", NO_TLS);
    TLS_CA_CERT_DIR => Directive::no_effect("tls-ca-cert-dir", Kind::Text, "", NO_TLS);
    TLS_PROTOCOLS => Directive::no_effect("tls-protocols", Kind::Text, "", NO_TLS);
    TLS_CIPHERS => Directive::no_effect("tls-ciphers", Kind::Text, "", NO_TLS);
    TLS_CIPHERSUITES => Directive::no_effect("tls-ciphersuites", Kind::Text, "", NO_TLS);
    // The process.
    DAEMONIZE => Directive::works("daemonize", Kind::Bool, "no").at_start();
    SUPERVISED => Directive::works("supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"]), "no").at_start();
    PIDFILE => Directive::works("pidfile", Kind::Text, "").at_start();
    LOGLEVEL => Directive::works("loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]), "notice").hostile("debug");
    LOGFILE => Directive::works("logfile", Kind::Text, "").at_start();
    SYSLOG_ENABLED => Directive::works("syslog-enabled", Kind::Bool, "no").at_start();
    SYSLOG_IDENT => Directive::works("syslog-ident", Kind::Text, "redis").at_start();
    SYSLOG_FACILITY => Directive::works("syslog-facility", Kind::Choice(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), "local0").at_start();
    ALWAYS_SHOW_LOGO => Directive::no_effect("always-show-logo", Kind::Bool, "no", NO_LOGO).at_start();
    SET_PROC_TITLE => Directive::works("set-proc-title", Kind::Bool, "yes").at_start();
    PROC_TITLE_TEMPLATE => Directive::works("proc-title-template", Kind::Text, "{title} {listen-addr} {server-mode}");
    LOCALE_COLLATE => Directive::no_effect("locale-collate", Kind::Text, "", NO_COLLATE);
    CRASH_LOG_ENABLED => Directive::works("crash-log-enabled", Kind::Bool, "yes");
    CRASH_MEMCHECK_ENABLED => Directive::no_effect("crash-memcheck-enabled", Kind::Bool, "yes", NO_CRASH);
    USE_EXIT_ON_PANIC => Directive::works("use-exit-on-panic", Kind::Bool, "no").at_start().hidden();
    DISABLE_THP => Directive::no_effect("disable-thp", Kind::Bool, "yes", NO_PAGES).at_start();
    IGNORE_WARNINGS => Directive::no_effect("ignore-warnings", Kind::Text, "", NO_WARNINGS);
    OOM_SCORE_ADJ => Directive::works("oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), "no");
    OOM_SCORE_ADJ_VALUES => Directive::works("oom-score-adj-values", Kind::OomScores, "0 200 800");
    SERVER_CPULIST => Directive::no_effect("server_cpulist", Kind::Text, "", NO_CPUS).at_start().alias("server-cpulist");
    BIO_CPULIST => Directive::no_effect("bio_cpulist", Kind::Text, "", NO_CPUS).at_start().alias("bio-cpulist");
    AOF_REWRITE_CPULIST => Directive::no_effect("aof_rewrite_cpulist", Kind::Text, "", NO_CPUS).at_start().alias("aof-rewrite-cpulist");
    BGSAVE_CPULIST => Directive::no_effect("bgsave_cpulist", Kind::Text, "", NO_CPUS).at_start().alias("bgsave-cpulist");
    SHUTDOWN_TIMEOUT => Directive::works("shutdown-timeout", integer(0, INT_MAX), "10");
    SHUTDOWN_ON_SIGINT => Directive::works("shutdown-on-sigint", Kind::Flags(&["default", "save", "nosave", "now", "force"]), "default");
    SHUTDOWN_ON_SIGTERM => Directive::works("shutdown-on-sigterm", Kind::Flags(&["default", "save", "nosave", "now", "force"]), "default");
    WATCHDOG_PERIOD => Directive::works("watchdog-period", integer(0, INT_MAX), "0").hidden();
    HZ => Directive::works("hz", integer(0, INT_MAX), "10").hostile("1");
    DYNAMIC_HZ => Directive::works("dynamic-hz", Kind::Bool, "yes").hostile("no");
    // The keyspace.
    DATABASES => Directive::works("databases", integer(1, INT_MAX), "16").at_start().hostile("1");
    ACTIVE_EXPIRE_EFFORT => Directive::works("active-expire-effort", integer(1, 10), "1").hostile("10");
    ACTIVEREHASHING => Directive::no_effect("activerehashing", Kind::Bool, "yes", NO_REHASH);
    NOTIFY_KEYSPACE_EVENTS => Directive::works("notify-keyspace-events", Kind::Events, "").hostile("KEA");
    HASH_MAX_LISTPACK_ENTRIES => Directive::works("hash-max-listpack-entries", integer(0, i64::MAX), "512").alias("hash-max-ziplist-entries").hostile("0");
    HASH_MAX_LISTPACK_VALUE => Directive::works("hash-max-listpack-value", memory(0, i64::MAX as u64), "64").alias("hash-max-ziplist-value").hostile("0");
    LIST_MAX_LISTPACK_SIZE => Directive::works("list-max-listpack-size", integer(i32::MIN as i64, INT_MAX), "-2").alias("list-max-ziplist-size").hostile("1");
    LIST_COMPRESS_DEPTH => Directive::works("list-compress-depth", integer(0, INT_MAX), "0").hostile("1");
    SET_MAX_INTSET_ENTRIES => Directive::works("set-max-intset-entries", integer(0, i64::MAX), "512").hostile("1");
    SET_MAX_LISTPACK_ENTRIES => Directive::works("set-max-listpack-entries", integer(0, i64::MAX), "128").hostile("0");
    SET_MAX_LISTPACK_VALUE => Directive::works("set-max-listpack-value", memory(0, i64::MAX as u64), "64").hostile("0");
    ZSET_MAX_LISTPACK_ENTRIES => Directive::works("zset-max-listpack-entries", integer(0, i64::MAX), "128").alias("zset-max-ziplist-entries").hostile("0");
    ZSET_MAX_LISTPACK_VALUE => Directive::works("zset-max-listpack-value", memory(0, i64::MAX as u64), "64").alias("zset-max-ziplist-value").hostile("0");
    HLL_SPARSE_MAX_BYTES => Directive::works("hll-sparse-max-bytes", memory(0, i64::MAX as u64), "3000").hostile("0");
    STREAM_NODE_MAX_BYTES => Directive::works("stream-node-max-bytes", memory(0, i64::MAX as u64), "4096").hostile("1");
    STREAM_NODE_MAX_ENTRIES => Directive::works("stream-node-max-entries", integer(0, i64::MAX), "100").hostile("1");
    // Memory.
    MAXMEMORY => Directive::works("maxmemory", memory(0, u64::MAX), "0");
    MAXMEMORY_POLICY => Directive::works("maxmemory-policy", Kind::Choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), "noeviction");
    MAXMEMORY_SAMPLES => Directive::works("maxmemory-samples", integer(1, INT_MAX), "5");
    MAXMEMORY_EVICTION_TENACITY => Directive::works("maxmemory-eviction-tenacity", integer(0, 100), "10");
    LFU_LOG_FACTOR => Directive::works("lfu-log-factor", integer(0, INT_MAX), "10");
    LFU_DECAY_TIME => Directive::works("lfu-decay-time", integer(0, INT_MAX), "1");
    REPLICA_IGNORE_MAXMEMORY => Directive::works("replica-ignore-maxmemory", Kind::Bool, "yes").alias("slave-ignore-maxmemory");
    LAZYFREE_LAZY_EVICTION => Directive::works("lazyfree-lazy-eviction", Kind::Bool, "no");
    LAZYFREE_LAZY_EXPIRE => Directive::works("lazyfree-lazy-expire", Kind::Bool, "no");
    LAZYFREE_LAZY_SERVER_DEL => Directive::works("lazyfree-lazy-server-del", Kind::Bool, "no");
    LAZYFREE_LAZY_USER_DEL => Directive::no_effect("lazyfree-lazy-user-del", Kind::Bool, "no", NO_FREE);
    LAZYFREE_LAZY_USER_FLUSH => Directive::no_effect("lazyfree-lazy-user-flush", Kind::Bool, "no", NO_FREE);
    REPLICA_LAZY_FLUSH => Directive::no_effect("replica-lazy-flush", Kind::Bool, "no", NO_FREE).alias("slave-lazy-flush");
    JEMALLOC_BG_THREAD => Directive::no_effect("jemalloc-bg-thread", Kind::Bool, "yes", NO_ALLOC);
    ACTIVEDEFRAG => Directive::no_effect("activedefrag", Kind::Bool, "no", NO_DEFRAG);
    ACTIVE_DEFRAG_IGNORE_BYTES => Directive::no_effect("active-defrag-ignore-bytes", memory(1, i64::MAX as u64), "104857600", NO_DEFRAG);
    ACTIVE_DEFRAG_THRESHOLD_LOWER => Directive::no_effect("active-defrag-threshold-lower", integer(0, 1000), "10", NO_DEFRAG);
    ACTIVE_DEFRAG_THRESHOLD_UPPER => Directive::no_effect("active-defrag-threshold-upper", integer(0, 1000), "100", NO_DEFRAG);
    ACTIVE_DEFRAG_CYCLE_MIN => Directive::no_effect("active-defrag-cycle-min", integer(1, 99), "1", NO_DEFRAG);
    ACTIVE_DEFRAG_CYCLE_MAX => Directive::no_effect("active-defrag-cycle-max", integer(1, 99), "25", NO_DEFRAG);
    ACTIVE_DEFRAG_MAX_SCAN_FIELDS => Directive::no_effect("active-defrag-max-scan-fields", integer(1, i64::MAX), "1000", NO_DEFRAG);
    // Snapshots.
    DIR => Directive::works("dir", Kind::Text, ".").protected();
    DBFILENAME => Directive::works("dbfilename", Kind::FileName { what: "filename", may_be_empty: true }, "dump.rdb").protected();
    SAVE => Directive::works("save", Kind::SavePoints, "3600 1 300 100 60 10000").hostile("1 1");
    RDBCOMPRESSION => Directive::works("rdbcompression", Kind::Bool, "yes").hostile("no");
    RDBCHECKSUM => Directive::works("rdbchecksum", Kind::Bool, "yes").at_start().hostile("no");
    STOP_WRITES_ON_BGSAVE_ERROR => Directive::works("stop-writes-on-bgsave-error", Kind::Bool, "yes");
    RDB_DEL_SYNC_FILES => Directive::no_effect("rdb-del-sync-files", Kind::Bool, "no", NO_SYNCFILES);
    RDB_SAVE_INCREMENTAL_FSYNC => Directive::no_effect("rdb-save-incremental-fsync", Kind::Bool, "yes", NO_FSYNC);
    RDB_KEY_SAVE_DELAY => Directive::works("rdb-key-save-delay", integer(i32::MIN as i64, INT_MAX), "0").hidden();
    KEY_LOAD_DELAY => Directive::works("key-load-delay", integer(i32::MIN as i64, INT_MAX), "0").hidden();
    LOADING_PROCESS_EVENTS_INTERVAL_BYTES => Directive::works("loading-process-events-interval-bytes", memory(1024, INT_MAX as u64), "2097152").hidden();
    SANITIZE_DUMP_PAYLOAD => Directive::no_effect("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no", NO_SANITIZE);
    // The append-only file.
    APPENDONLY => Directive::works("appendonly", Kind::Bool, "no");
    APPENDFILENAME => Directive::works("appendfilename", Kind::FileName { what: "filename", may_be_empty: false }, "appendonly.aof").at_start();
    APPENDDIRNAME => Directive::works("appenddirname", Kind::FileName { what: "dirname", may_be_empty: false }, "appendonlydir").at_start();
    APPENDFSYNC => Directive::works("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec");
    NO_APPENDFSYNC_ON_REWRITE => Directive::works("no-appendfsync-on-rewrite", Kind::Bool, "no");
    AUTO_AOF_REWRITE_PERCENTAGE => Directive::works("auto-aof-rewrite-percentage", integer(0, INT_MAX), "100");
    AUTO_AOF_REWRITE_MIN_SIZE => Directive::works("auto-aof-rewrite-min-size", memory(0, i64::MAX as u64), "67108864");
    AOF_LOAD_TRUNCATED => Directive::works("aof-load-truncated", Kind::Bool, "yes");
    AOF_USE_RDB_PREAMBLE => Directive::works("aof-use-rdb-preamble", Kind::Bool, "yes");
    AOF_TIMESTAMP_ENABLED => Directive::works("aof-timestamp-enabled", Kind::Bool, "no");
    AOF_REWRITE_INCREMENTAL_FSYNC => Directive::no_effect("aof-rewrite-incremental-fsync", Kind::Bool, "yes", NO_FSYNC);
    AOF_DISABLE_AUTO_GC => Directive::works("aof-disable-auto-gc", Kind::Bool, "no");
    // Replication.
    REPLICAOF => Directive::works("replicaof", Kind::PrimaryAddress, "").at_start().alias("slaveof");
    MASTERAUTH => Directive::works("masterauth", Kind::Text, "").secret().alias("primaryauth");
    MASTERUSER => Directive::works("masteruser", Kind::Text, "").alias("primaryuser");
    REPLICA_READ_ONLY => Directive::works("replica-read-only", Kind::Bool, "yes").alias("slave-read-only");
    REPLICA_SERVE_STALE_DATA => Directive::works("replica-serve-stale-data", Kind::Bool, "yes").alias("slave-serve-stale-data").hostile("no");
    REPLICA_PRIORITY => Directive::works("replica-priority", integer(0, INT_MAX), "100").alias("slave-priority");
    REPLICA_ANNOUNCED => Directive::works("replica-announced", Kind::Bool, "yes");
    REPLICA_ANNOUNCE_IP => Directive::works("replica-announce-ip", Kind::Text, "").alias("slave-announce-ip");
    REPLICA_ANNOUNCE_PORT => Directive::works("replica-announce-port", integer(0, 65535), "0").alias("slave-announce-port");
    REPLICA_IGNORE_DISK_WRITE_ERRORS => Directive::no_effect("replica-ignore-disk-write-errors", Kind::Bool, "no", NO_END);
    REPL_DISKLESS_SYNC => Directive::no_effect("repl-diskless-sync", Kind::Bool, "yes", NO_DISKLESS);
    REPL_DISKLESS_SYNC_DELAY => Directive::works("repl-diskless-sync-delay", integer(0, INT_MAX), "5").hostile("0");
    REPL_DISKLESS_SYNC_MAX_REPLICAS => Directive::works("repl-diskless-sync-max-replicas", integer(0, INT_MAX), "0").hostile("1");
    AOF_CHECKSUMS => Directive::works("aof-checksums", Kind::Bool, "no");
    REPL_FULL_SYNCS_MAX => Directive::works("repl-full-syncs-max", integer(0, INT_MAX), "0").hostile("1");
    REPLICA_FULL_SYNC_GUARD => Directive::works("replica-full-sync-guard", Kind::Bool, "yes");
    REPL_DISKLESS_LOAD => Directive::works("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled").hostile("swapdb");
    REPL_TIMEOUT => Directive::works("repl-timeout", integer(1, INT_MAX), "60").hostile("2");
    REPL_PING_REPLICA_PERIOD => Directive::works("repl-ping-replica-period", integer(1, INT_MAX), "10").alias("repl-ping-slave-period").hostile("1");
    REPL_BACKLOG_SIZE => Directive::works("repl-backlog-size", memory(1, i64::MAX as u64), "1048576").hostile("1");
    REPL_BACKLOG_TTL => Directive::works("repl-backlog-ttl", integer(0, i64::MAX), "3600").hostile("1");
    REPL_DISABLE_TCP_NODELAY => Directive::works("repl-disable-tcp-nodelay", Kind::Bool, "no");
    MIN_REPLICAS_TO_WRITE => Directive::works("min-replicas-to-write", integer(0, INT_MAX), "0").alias("min-slaves-to-write");
    MIN_REPLICAS_MAX_LAG => Directive::works("min-replicas-max-lag", integer(0, INT_MAX), "10").alias("min-slaves-max-lag");
    PROPAGATION_ERROR_BEHAVIOR => Directive::works("propagation-error-behavior", Kind::Choice(&["ignore", "panic", "panic-on-replicas"]), "ignore");
    // Cluster.
    CLUSTER_ENABLED => Directive::works("cluster-enabled", Kind::Bool, "no").at_start();
    // Hidden: what sets everything that CONFIG GET * shows (the suite of 7.0 does) leaves out what it knows as fixed.
    CLUSTER_DATABASES => Directive::works("cluster-databases", integer(1, INT_MAX), "1").at_start().hidden();
    CLUSTER_CONFIG_FILE => Directive::works("cluster-config-file", Kind::Text, "nodes.conf").at_start();
    CLUSTER_NODE_TIMEOUT => Directive::works("cluster-node-timeout", integer(0, i64::MAX), "15000").hostile("200");
    CLUSTER_PING_INTERVAL => Directive::works("cluster-ping-interval", integer(1, INT_MAX), "1000").hidden();
    CLUSTER_PORT => Directive::works("cluster-port", integer(0, 65535), "0").at_start();
    CLUSTER_ANNOUNCE_IP => Directive::works("cluster-announce-ip", Kind::Text, "");
    CLUSTER_ANNOUNCE_PORT => Directive::works("cluster-announce-port", integer(0, 65535), "0");
    CLUSTER_ANNOUNCE_BUS_PORT => Directive::works("cluster-announce-bus-port", integer(0, 65535), "0");
    CLUSTER_ANNOUNCE_TLS_PORT => Directive::works("cluster-announce-tls-port", integer(0, 65535), "0");
    CLUSTER_ANNOUNCE_HOSTNAME => Directive::works("cluster-announce-hostname", Kind::HostName, "");
    CLUSTER_ANNOUNCE_HUMAN_NODENAME => Directive::works("cluster-announce-human-nodename", Kind::NodeName, "");
    CLUSTER_PREFERRED_ENDPOINT_TYPE => Directive::works("cluster-preferred-endpoint-type", Kind::Choice(&["ip", "hostname", "unknown-endpoint"]), "ip");
    CLUSTER_REQUIRE_FULL_COVERAGE => Directive::works("cluster-require-full-coverage", Kind::Bool, "yes").hostile("no");
    CLUSTER_ALLOW_READS_WHEN_DOWN => Directive::works("cluster-allow-reads-when-down", Kind::Bool, "no");
    CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN => Directive::works("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes");
    CLUSTER_REPLICA_VALIDITY_FACTOR => Directive::works("cluster-replica-validity-factor", integer(0, INT_MAX), "10").alias("cluster-slave-validity-factor").hostile("0");
    CLUSTER_REPLICA_NO_FAILOVER => Directive::works("cluster-replica-no-failover", Kind::Bool, "no").alias("cluster-slave-no-failover");
    CLUSTER_MIGRATION_BARRIER => Directive::works("cluster-migration-barrier", integer(0, INT_MAX), "1");
    CLUSTER_ALLOW_REPLICA_MIGRATION => Directive::works("cluster-allow-replica-migration", Kind::Bool, "yes");
    CLUSTER_LINK_SENDBUF_LIMIT => Directive::works("cluster-link-sendbuf-limit", memory(0, u64::MAX), "0");
    CLUSTER_BLACKLIST_TTL => Directive::works("cluster-blacklist-ttl", integer(0, i64::MAX), "60");
    // Scripts and statistics.
    BUSY_REPLY_THRESHOLD => Directive::no_effect("busy-reply-threshold", integer(0, i64::MAX), "5000", NO_SCRIPTS).alias("lua-time-limit");
    SLOWLOG_LOG_SLOWER_THAN => Directive::works("slowlog-log-slower-than", integer(-1, i64::MAX), "10000").alias("commandlog-execution-slower-than").hostile("0");
    SLOWLOG_MAX_LEN => Directive::works("slowlog-max-len", integer(0, i64::MAX), "128").alias("commandlog-slow-execution-max-len").hostile("1");
    COMMANDLOG_REQUEST_LARGER_THAN => Directive::works("commandlog-request-larger-than", integer(-1, i64::MAX), "1048576").hostile("0");
    COMMANDLOG_LARGE_REQUEST_MAX_LEN => Directive::works("commandlog-large-request-max-len", integer(0, i64::MAX), "128");
    COMMANDLOG_REPLY_LARGER_THAN => Directive::works("commandlog-reply-larger-than", integer(-1, i64::MAX), "1048576").hostile("0");
    COMMANDLOG_LARGE_REPLY_MAX_LEN => Directive::works("commandlog-large-reply-max-len", integer(0, i64::MAX), "128");
    LATENCY_MONITOR_THRESHOLD => Directive::works("latency-monitor-threshold", integer(0, i64::MAX), "0").hostile("1");
    LATENCY_TRACKING => Directive::works("latency-tracking", Kind::Bool, "yes");
    LATENCY_TRACKING_INFO_PERCENTILES => Directive::works("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9");
    // Valkey's own.
    HIDE_USER_DATA_FROM_LOG => Directive::works("hide-user-data-from-log", Kind::Bool, "yes");
    LOG_FORMAT => Directive::not_yet("log-format", Kind::Choice(&["legacy", "logfmt"]), "legacy");
    LOG_TIMESTAMP_FORMAT => Directive::not_yet("log-timestamp-format", Kind::Choice(&["legacy", "iso8601", "milliseconds"]), "legacy");
    AVAILABILITY_ZONE => Directive::works("availability-zone", Kind::Text, "");
    UNIXSOCKETGROUP => Directive::not_yet("unixsocketgroup", Kind::Text, "").at_start().hidden();
    MPTCP => Directive::not_yet("mptcp", Kind::Bool, "no").at_start().hidden();
    REPL_MPTCP => Directive::not_yet("repl-mptcp", Kind::Bool, "no");
    HASH_SEED => Directive::works("hash-seed", Kind::Text, "").at_start().hidden();
    ENABLE_DEBUG_ASSERT => Directive::no_effect("enable-debug-assert", Kind::Bool, "no", NO_ASSERTS).at_start().hidden();
    MIN_IO_THREADS_AVOID_COPY_REPLY => Directive::no_effect("min-io-threads-avoid-copy-reply", integer(0, INT_MAX), "7", NO_COPIES).hidden();
    MIN_STRING_SIZE_AVOID_COPY_REPLY => Directive::no_effect("min-string-size-avoid-copy-reply", integer(0, INT_MAX), "16384", NO_COPIES).hidden();
    MIN_STRING_SIZE_AVOID_COPY_REPLY_THREADED => Directive::no_effect("min-string-size-avoid-copy-reply-threaded", integer(0, INT_MAX), "65536", NO_COPIES).hidden();
    IMPORT_MODE => Directive::works("import-mode", Kind::Bool, "no");
    RDB_VERSION_CHECK => Directive::not_yet("rdb-version-check", Kind::Choice(&["strict", "relaxed"]), "strict");
    DUAL_CHANNEL_REPLICATION_ENABLED => Directive::no_effect("dual-channel-replication-enabled", Kind::Bool, "no", NO_DUAL);
    EXTENDED_REDIS_COMPATIBILITY => Directive::works("extended-redis-compatibility", Kind::Bool, "yes");
    PREFETCH_BATCH_MAX_SIZE => Directive::no_effect("prefetch-batch-max-size", integer(0, 128), "16", NO_BATCH);
    ACTIVE_DEFRAG_CYCLE_US => Directive::no_effect("active-defrag-cycle-us", integer(0, 100_000), "500", NO_DEFRAG);
    TLS_AUTH_CLIENTS_USER => Directive::no_effect("tls-auth-clients-user", Kind::Choice(&["off", "cn", "uri"]), "off", NO_TLS);
    TLS_AUTO_RELOAD_INTERVAL => Directive::no_effect("tls-auto-reload-interval", integer(0, INT_MAX), "0", NO_TLS);
    SLOT_MIGRATION_MAX_FAILOVER_REPL_BYTES => Directive::no_effect("slot-migration-max-failover-repl-bytes", integer(-1, i64::MAX), "0", NO_MOVES).hidden();
    CLUSTER_SLOT_STATS_ENABLED => Directive::no_effect("cluster-slot-stats-enabled", Kind::Bool, "no", NO_SLOT_STATS);
}
