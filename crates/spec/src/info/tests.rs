//! INFO against the original's own answer.

use super::*;
use alloc::string::String;
use alloc::vec;

/// Headings and names of fields in the answer of Redis 7.0.15 to INFO everything.
const ORIGINAL: &str = include_str!("../../tests/golden/info-7.0.15.txt");

/// Fields that 7.0.15 does not have: of 7.2, and our own.
const BEYOND_ORIGINAL: [&str; 10] = [
    "server_name",
    "redan_version",
    "listener0",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
    "acl_access_denied_auth",
    "acl_access_denied_cmd",
    "acl_access_denied_key",
    "acl_access_denied_channel",
    "expired_fields",
];

/// Facts with one of everything that a primary has.
fn facts() -> Facts {
    let mut facts = Facts::default();
    facts.server.listeners = vec![Listener { name: "tcp", bind: vec![b"127.0.0.1".into()], port: 7001 }];
    facts.databases =
        vec![Database { index: 0, keys: 3, expires: 1, average_ttl_ms: 5, keys_with_volatile_items: 2 }];
    let names = [b"set".to_vec(), b"config|get".to_vec()];
    for name in names {
        facts.command_stats.push(CommandStat { name: name.clone(), calls: 2, us: 5, rejected: 0, failed: 1 });
        facts.latency_stats.push(LatencyStat { name, percentiles: vec![(50.0, 1.003), (99.9, 2.0)] });
    }
    facts.error_stats = vec![ErrorStat { code: b"ERR".into(), count: 1 }];
    facts
}

fn text(words: &[&str], facts: &Facts) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut out = Vec::new();
    render(Sections::chosen(&words), facts, &mut out);
    String::from_utf8(out).unwrap()
}

/// The names of the answer's fields, headings among them.
fn names(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).map(|line| line.split(':').next().unwrap()).collect()
}

#[test]
fn fields_are_those_of_the_original_in_its_order() {
    let text = text(&["everything"], &facts());
    let is_newer = |name: &str| NEWER.iter().any(|field| field.name == name);
    let is_original = |name: &&str| !BEYOND_ORIGINAL.contains(name) && !is_newer(name);
    let ours: Vec<&str> = names(&text).into_iter().filter(is_original).collect();
    assert_eq!(ours, ORIGINAL.lines().collect::<Vec<_>>());
}

#[test]
fn fields_beyond_the_original_are_there() {
    let text = text(&["all"], &facts());
    assert!(BEYOND_ORIGINAL.iter().all(|name| names(&text).contains(name)));
}

#[test]
fn sections_are_chosen_by_name() {
    let facts = facts();
    let headings = |words: &[&str]| -> String {
        let text = text(words, &facts);
        text.lines().filter_map(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ")
    };
    let usual = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace";
    assert_eq!(headings(&[]), usual);
    assert_eq!(headings(&["default"]), usual);
    assert_eq!(headings(&["cpu", "SERVER", "nosuch"]), "Server CPU");
    assert_eq!(headings(&["module_list"]), "Modules");
    assert_eq!(text(&["nosuch"], &facts), "");
    assert_eq!(text(&["modules", "cluster"], &facts), "# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n");
}

#[test]
fn lines_are_written_like_the_original_s() {
    let text = text(&["all"], &facts());
    for line in [
        "redis_version:7.2.4",
        "listener0:name=tcp,bind=127.0.0.1,port=7001",
        "db0:keys=3,expires=1,avg_ttl=5,keys_with_volatile_items=2",
        "cmdstat_config|get:calls=2,usec=5,usec_per_call=2.50,rejected_calls=0,failed_calls=1",
        "latency_percentiles_usec_set:p50=1.003,p99.9=2.000",
        "errorstat_ERR:count=1",
        "used_cpu_sys:0.000000",
        "role:master",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn a_replica_tells_of_its_primary() {
    let mut facts = facts();
    let link =
        PrimaryLink { host: b"a\r\nb".into(), port: 6379, is_up: true, priority: 100, ..Default::default() };
    facts.replication.primary = Some(link);
    facts.replication.replicas =
        vec![Replica { address: b"::1".into(), port: 1, state: "online", offset: 7, lag_seconds: 0 }];
    let text = text(&["replication"], &facts);
    let start = "# Replication\r\nrole:slave\r\nmaster_host:a  b\r\nmaster_port:6379\r\nmaster_link_status:up\r\n\
        master_last_io_seconds_ago:0\r\nmaster_sync_in_progress:0\r\nslave_read_repl_offset:0\r\nslave_repl_offset:0\r\n\
        slave_priority:100\r\nslave_read_only:0\r\nreplica_announced:0\r\nconnected_slaves:1\r\n\
        slave0:ip=::1,port=1,state=online,offset=7,lag=0,type=replica\r\nmaster_failover_state:";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn bytes_are_written_for_people() {
    let human = |bytes: u64| {
        let mut out = Vec::new();
        write_human(&mut out, bytes);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(human(200), "200B");
    assert_eq!(human(1023), "1023B");
    assert_eq!(human(1024), "1.00K");
    assert_eq!(human(941_000), "918.95K");
    assert_eq!(human(25_276_514_304), "23.54G");
    assert_eq!(human(u64::MAX), "16384.00P");
}
