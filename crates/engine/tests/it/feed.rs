//! What replicas are told: effects, with absolute times. Compared with the stream of Redis 7.0.15.

use crate::world::World;

/// Runs `script` and compares what was fed after its first SELECT.
#[track_caller]
fn check_feed(script: &str, expected: &str) {
    let mut world = World::new();
    world.ask("set warm up");
    world.fed();
    world.ask(script);
    assert_eq!(world.fed(), expected, "{script}");
    let feed = &world.engine.shared.feed;
    assert!(feed.offset > 0 || expected.is_empty());
}

#[test]
fn what_is_repeatable_goes_as_it_came() {
    check_feed("SET a 1", "*3 $3 SET $1 a $1 1");
    check_feed("incr a", "*2 $4 incr $1 a");
    check_feed("get a\n set a 1 xx\n del a\n expire a 10", "");
    check_feed("publish ch x", "*3 $7 publish $2 ch $1 x");
}

#[test]
fn times_are_absolute() {
    check_feed("set a 1 ex 10", "*5 $3 SET $1 a $1 1 $4 PXAT $13 1700000010000");
    check_feed("psetex a 500 1", "*5 $3 SET $1 a $1 1 $4 PXAT $13 1700000000500");
    check_feed("set a 1\n expire a 10", "*3 $3 set $1 a $1 1 *3 $9 PEXPIREAT $1 a $13 1700000010000");
    check_feed("set a 1\n expire a -1", "*3 $3 set $1 a $1 1 *2 $3 DEL $1 a");
    check_feed("set a 1\n getex a px 5", "*3 $3 set $1 a $1 1 *3 $9 PEXPIREAT $1 a $13 1700000000005");
}

#[test]
fn floats_go_as_their_result() {
    check_feed("incrbyfloat a 1.5", "*4 $3 SET $1 a $3 1.5 $7 KEEPTTL");
    check_feed("hincrbyfloat h f 1.5", "*4 $4 HSET $1 h $1 f $3 1.5");
}

#[test]
fn a_transaction_is_one_unit() {
    check_feed(
        "multi\n set a 1\n select 3\n set b 2\n exec",
        "*1 $5 MULTI *3 $3 set $1 a $1 1 *2 $6 SELECT $1 3 *3 $3 set $1 b $1 2 *1 $4 EXEC",
    );
    check_feed("multi\n set a 1\n exec", "*3 $3 set $1 a $1 1");
    check_feed("multi\n get a\n exec", "");
}

#[test]
fn an_expired_key_is_deleted_before_its_successor_is_written() {
    let mut world = World::new();
    world.ask("set a 1 px 10");
    world.wait(20);
    world.fed();
    world.ask("append a x");
    assert_eq!(world.fed(), "*1 $5 MULTI *2 $3 DEL $1 a *3 $6 append $1 a $1 x *1 $4 EXEC");
    assert_eq!(world.ask("get a\n ttl a"), "$1 x :-1");
}

#[test]
fn replies_wait_for_their_offset() {
    let mut world = World::new();
    world.send(1, "get a");
    world.run();
    world.release(0);
    assert_eq!(world.read(1), "$-1");
    world.send(1, "set a 1");
    world.send(1, "get a");
    world.run();
    world.release(0);
    assert_eq!(world.read(1), "");
    let end = world.engine.shared.feed.offset;
    world.send(1, "ping");
    world.run();
    world.release(end - 1);
    assert_eq!(world.read(1), "");
    world.release(end);
    assert_eq!(world.read(1), "+OK $1 1 +PONG");
}
