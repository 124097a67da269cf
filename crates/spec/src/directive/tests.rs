//! The table against the original's own answer, and against itself.

use super::*;
use crate::config::Config;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What Redis 7.0.15 answers to CONFIG GET *, sorted.
const ORIGINAL: &str = include_str!("../../tests/golden/config-7.0.15.txt");
/// What does not do yet, or never does, what the original's documentation says.
const NOT_WORKING: &str = include_str!("../../tests/golden/directives-not-working.txt");

/// Directives that 7.0.15 does not list: newer, or hidden there too.
const BEYOND_ORIGINAL: [&str; 51] = [
    "aof-checksums",
    "cluster-databases",
    "repl-full-syncs-max",
    "replica-full-sync-guard",
    "commandlog-execution-slower-than",
    "commandlog-slow-execution-max-len",
    "commandlog-request-larger-than",
    "commandlog-large-request-max-len",
    "commandlog-reply-larger-than",
    "commandlog-large-reply-max-len",
    "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle",
    "locale-collate",
    "use-exit-on-panic",
    "watchdog-period",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "rdb-key-save-delay",
    "key-load-delay",
    "loading-process-events-interval-bytes",
    "cluster-ping-interval",
    "cluster-blacklist-ttl",
    "cluster-announce-human-nodename",
    "hide-user-data-from-log",
    "log-format",
    "log-timestamp-format",
    "availability-zone",
    "enable-debug-assert",
    "min-io-threads-avoid-copy-reply",
    "min-string-size-avoid-copy-reply",
    "min-string-size-avoid-copy-reply-threaded",
    "slot-migration-max-failover-repl-bytes",
    "unixsocketgroup",
    "mptcp",
    "repl-mptcp",
    "hash-seed",
    "import-mode",
    "rdb-version-check",
    "dual-channel-replication-enabled",
    "extended-redis-compatibility",
    "prefetch-batch-max-size",
    "active-defrag-cycle-us",
    "tls-auth-clients-user",
    "tls-auto-reload-interval",
    "cluster-slot-stats-enabled",
    "primaryauth",
    "primaryuser",
    "server-cpulist",
    "bio-cpulist",
    "aof-rewrite-cpulist",
    "bgsave-cpulist",
];

#[test]
fn every_directive_of_the_original_has_a_row_and_its_default() {
    let config = Config::new();
    for line in ORIGINAL.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let id = DirectiveId::named(name.as_bytes()).unwrap_or_else(|| panic!("no row for {name}"));
        if name != "dir" {
            assert_eq!(String::from_utf8_lossy(&config.printed(id)), value, "{name}");
        }
    }
}

#[test]
fn rows_beyond_the_original_are_known() {
    let originals: Vec<&str> = ORIGINAL.lines().map(|line| line.split(' ').next().unwrap()).collect();
    for row in DIRECTIVES {
        for name in [Some(row.name), row.alias].into_iter().flatten() {
            assert!(originals.contains(&name) || BEYOND_ORIGINAL.contains(&name), "{name}");
        }
    }
}

#[test]
fn constants_are_named_like_their_rows() {
    assert_eq!(table::CONSTANTS.len(), DIRECTIVES.len());
    for (constant, row) in table::CONSTANTS.iter().zip(DIRECTIVES) {
        assert_eq!(*constant, row.name.to_ascii_uppercase().replace('-', "_"));
    }
    assert_eq!(id::MAXCLIENTS.row().name, "maxclients");
    assert_eq!(DirectiveId::named(b"Slave-Priority"), Some(id::REPLICA_PRIORITY));
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> =
        DIRECTIVES.iter().flat_map(|row| [Some(row.name), row.alias]).flatten().collect();
    names.extend(LINES.iter().map(|line| line.name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn hostile_values_are_legal() {
    for row in DIRECTIVES {
        if let Some(value) = row.hostile {
            assert_eq!(row.state, State::Works, "{}: only what works can be strained", row.name);
            let line = format!("{} {value}", row.name);
            let loaded = Config::load(line.as_bytes(), &[], &mut |_| Err("none".into()));
            assert!(loaded.is_ok(), "{line}: {loaded:?}");
        }
    }
}

#[test]
fn what_does_not_work_is_listed() {
    let mut list = String::new();
    for row in DIRECTIVES {
        match row.state {
            State::Works => {}
            State::NoEffectHere { reason } => list += &format!("{}: no effect: {reason}\n", row.name),
            State::NotYet { off: [] } => list += &format!("{}: not yet, only '{}'\n", row.name, row.default),
            State::NotYet { off } => {
                list += &format!("{}: not yet, only '{}' or {off:?}\n", row.name, row.default)
            }
        }
    }
    for line in LINES.iter().filter(|line| line.state == LineState::NotYet) {
        list += &format!("{}: not yet\n", line.name);
    }
    assert!(list == NOT_WORKING, "the list in tests/golden/directives-not-working.txt should be:\n{list}");
}
