//! The stream of a primary.

use crate::world::World;

fn replica() -> World {
    let mut world = World::new();
    world.engine.shared.standing.is_replica = true;
    world.engine.shared.standing.link_up = true;
    world.engine.shared.feed.enabled = false;
    world
}

#[test]
fn the_stream_writes_and_clients_do_not() {
    let mut world = replica();
    let applied = world.apply("select 2\n set a 1\n replconf getack *\n ping").unwrap();
    assert!(applied.wants_ack);
    assert_eq!(world.engine.apply_db(), 2);
    assert_eq!(world.ask("select 2\n get a"), "+OK $1 1");
    assert_eq!(world.ask("set a 2"), "-READONLY You can't write against a read only replica.");
    assert_eq!(world.fed(), "");
}

#[test]
fn bytes_count_to_the_last_whole_transaction() {
    let mut world = replica();
    // A batch built by hand has raw bytes without framing: those of its arguments.
    assert_eq!(world.apply("set a 1\n multi\n set b 2").unwrap().bytes_done, 5);
    assert_eq!(world.ask("exists a b"), ":1");
    assert_eq!(world.apply("set c 3\n exec\n set d 4").unwrap().bytes_done, 5 + 5 + 5 + 4 + 5);
    assert_eq!(world.ask("exists a b c d"), ":4");
}

#[test]
fn a_cut_transaction_is_dropped() {
    let mut world = replica();
    world.apply("multi\n set b 2").unwrap();
    world.engine.apply_reset();
    world.apply("set a 1").unwrap();
    assert_eq!(world.ask("exists a b"), ":1");
}

#[test]
fn what_fails_is_named() {
    let mut world = replica();
    // As the originals: by default it is said aloud, and the stream goes on.
    assert_eq!(world.apply("set a 1\n lpush a b c\n set b 2").unwrap().bytes_done, 18);
    assert_eq!(world.ask("exists a b"), ":2");
    // What the server does not have is never skipped.
    let error = world.apply("set c 1\n nothing z 1 a\n set d 2").unwrap_err();
    assert!(error.error.starts_with("ERR unknown command"), "{error}");
    assert_eq!(world.ask("exists c d"), ":1");
    let mut world = replica();
    world.ask("config set propagation-error-behavior panic-on-replicas hide-user-data-from-log no");
    let error = world.apply("set a 1\n nothing z 1 a\n set b 2").unwrap_err();
    assert_eq!(error.command, "nothing z 1 a");
    assert_eq!(error.bytes_done, 5);
    assert_eq!(world.ask("exists a b"), ":1");
    let error = world.apply("multi\n set x y\n incr x\n exec").unwrap_err();
    assert!(error.error.starts_with("ERR value is not an integer"), "{error}");
}

#[test]
fn a_replica_waits_for_the_del_of_its_primary() {
    let mut world = replica();
    world.apply("set a 1 px 10").unwrap();
    world.wait(1_000);
    world.tick();
    assert_eq!(world.ask("get a\n exists a\n ttl a\n dbsize"), "$-1 :0 :-2 :1");
    // The primary's clock may be behind: to its stream the key is still there.
    world.apply("append a 2\n persist a").unwrap();
    assert_eq!(world.ask("get a"), "$2 12");
    world.apply("del a").unwrap();
    assert_eq!(world.ask("dbsize"), ":0");
}

#[test]
fn what_may_run_depends_on_the_link_and_on_loading() {
    let mut world = replica();
    world.ask("config set replica-serve-stale-data no");
    world.engine.shared.standing.link_up = false;
    assert!(world.ask("get a").starts_with("-MASTERDOWN Link with MASTER is down"));
    assert_eq!(world.ask("echo a"), "$1 a");
    world.engine.shared.standing.link_up = true;
    world.engine.shared.standing.loading = true;
    assert_eq!(world.ask("get a"), "-LOADING Redis is loading the dataset in memory");
    assert_eq!(world.ask("select 0"), "+OK");
}
