//! CLIENT TRACKING and MONITOR: who is shown what.

use crate::world::World;

const INVALID: &str = ">2 $10 invalidate *1";

#[test]
fn a_reader_is_told_once_when_its_key_changes() {
    let mut world = World::new();
    world.send(5, "hello 3\n client tracking on\n get a\n get b");
    world.turn();
    world.read(5);
    world.ask("set a 1\n set a 2");
    assert_eq!(world.read(5), format!("{INVALID} $1 a"));
    world.ask("set c 1");
    assert_eq!(world.read(5), "");
    // Its own changes are told behind its reply, those of a transaction behind all of it.
    world.send(5, "set b 1\n multi\n get b\n del b\n set d 1\n exec");
    world.turn();
    let queued = "+OK +QUEUED +QUEUED +QUEUED";
    assert_eq!(world.read(5), format!("+OK {INVALID} $1 b {queued} *3 $1 1 :1 +OK {INVALID} $1 b"));
}

#[test]
fn expired_and_flushed_keys_are_told() {
    let mut world = World::new();
    world.ask("set a 1 px 10\n set b 1");
    world.send(5, "hello 3\n client tracking on\n mget a b");
    world.turn();
    world.read(5);
    for _ in 0..20 {
        world.wait(100);
        world.tick();
    }
    assert_eq!(world.read(5), format!("{INVALID} $1 a"));
    world.ask("flushall");
    assert_eq!(world.read(5), ">2 $10 invalidate _");
    assert!(world.ask("info").contains("tracking_total_keys:0"));
}

#[test]
fn broadcasts_gather_a_turn_and_spare_whoever_changed() {
    let mut world = World::new();
    world.send(5, "hello 3\n client tracking on bcast prefix a: prefix b: noloop");
    world.turn();
    world.read(5);
    world.ask("set a:1 1\n set a:2 1\n set c:1 1");
    assert_eq!(world.read(5), ">2 $10 invalidate *2 $3 a:1 $3 a:2");
    world.send(5, "set a:3 1");
    world.send(2, "set b:1 1");
    world.turn();
    assert_eq!(world.read(5), format!("+OK {INVALID} $3 b:1"));
    assert!(world.ask("info").contains("tracking_total_prefixes:2"));
}

#[test]
fn a_subscriber_is_told_in_anothers_stead() {
    let mut world = World::new();
    world.send(2, "client id\n subscribe __redis__:invalidate");
    world.turn();
    assert!(world.read(2).starts_with(":1 "));
    world.send(5, "client tracking on redirect 1\n get a\n client getredir");
    world.turn();
    assert_eq!(world.read(5), "+OK $-1 :1");
    world.ask("set a 1");
    assert_eq!(world.read(2), "*3 $7 message $20 __redis__:invalidate *1 $1 a");
    world.send(5, "hello 3\n get a");
    world.turn();
    world.read(5);
    world.ask("client kill id 1");
    let conn = machine::ConnId::inbound(2, 0);
    world.engine.on_closed(world.now, conn, &mut world.out);
    world.ask("set a 2");
    assert_eq!(world.read(5), ">2 $21 tracking-redir-broken :1");
}

#[test]
fn who_has_quit_is_told_nothing_even_before_the_connection_is_closed() {
    let mut world = World::new();
    world.send(2, "client id\n subscribe __redis__:invalidate");
    world.turn();
    world.read(2);
    world.send(5, "hello 3\n client tracking on redirect 1\n get a");
    world.turn();
    world.read(5);
    world.send(2, "quit");
    world.turn();
    assert_eq!(world.read(2), "+OK");
    world.ask("set a 1");
    assert_eq!(world.read(5), ">2 $21 tracking-redir-broken :1");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut world = World::new();
    world.ask("config set tracking-table-max-keys 2");
    world.send(5, "hello 3\n client tracking on\n mget a b c d");
    world.turn();
    world.read(5);
    world.tick();
    assert_eq!(world.read(5), format!("{INVALID} $1 a {INVALID} $1 b"));
    assert!(world.ask("info").contains("tracking_total_keys:2"));
    world.send(5, "reset");
    world.turn();
    assert!(world.ask("info").contains("tracking_clients:0"));
}

#[test]
fn only_chosen_reads_are_remembered() {
    let mut world = World::new();
    world.send(5, "hello 3\n client tracking on optin\n get a\n client caching yes\n get b\n get c");
    world.turn();
    world.read(5);
    world.ask("mset a 1 b 1 c 1");
    assert_eq!(world.read(5), format!("{INVALID} $1 b"));
}

#[test]
fn a_monitor_sees_requests_without_secrets() {
    let mut world = World::new();
    world.send(9, "monitor");
    world.turn();
    assert_eq!(world.read(9), "+OK");
    world.ask("set a x\\y\n config set maxmemory 0\n auth secret\n nothing\n multi\n select 3\n exec");
    let seen = world.read(9);
    let lines: Vec<&str> =
        seen.split(" +").map(|line| line.split_once(' ').map_or(line, |two| two.1)).collect();
    let from = "127.0.0.1:1001]";
    assert_eq!(
        lines,
        [
            format!("[0 {from} \"set\" \"a\" \"x\\\\y\""),
            format!("[0 {from} \"auth\" \"(redacted)\""),
            format!("[0 {from} \"multi\""),
            format!("[3 {from} \"select\" \"3\""),
            format!("[3 {from} \"exec\""),
        ]
    );
    // It is like a replica: it touches no key.
    world.send(9, "get a\n reset\n get b");
    world.turn();
    assert!(world.read(9).starts_with("-ERR Replica can't interact with the keyspace +RESET $-1"));
}
