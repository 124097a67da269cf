//! What is told of keys that expire, and of those that are written with a deadline in the past.

use crate::world::World;

/// What a listener hears of a script.
fn told(script: &str) -> String {
    let mut world = World::new();
    world.ask("config set notify-keyspace-events EAmn");
    world.send(2, "psubscribe __keyevent@0__:*");
    world.turn();
    world.read(2);
    world.ask(script);
    let heard = world.read(2);
    let words: Vec<&str> =
        heard.split_whitespace().filter(|word| !word.starts_with(['*', '$', ':'])).collect();
    let events = words
        .chunks(4)
        .map(|event| format!("{}:{}", event[2].trim_start_matches("__keyevent@0__:"), event[3]));
    events.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn whole(script: &str, expected: &str) {
    assert_eq!(World::new().ask(script), expected, "{script}");
}

#[test]
fn an_option_is_shown_without_its_line_ends() {
    whole("expire a 5 \"x\\r\\ny\\r\\n\"", "-ERR Unsupported option x  y");
    whole("expire a 5 \"x\\x00y\"", "-ERR Unsupported option x");
}

#[test]
fn a_key_that_is_born_expired_stays_until_it_is_looked_at() {
    whole("set a 1 exat 1\n dbsize\n get a\n dbsize", "+OK :1 $-1 :0");
    // Written over an expired one, it is there again.
    whole("set a 1 exat 1\n set a 2 exat 1\n dbsize\n exists a\n dbsize", "+OK +OK :1 :0 :0");
    whole("set a 1 exat 1\n set b 1\n scan 0\n dbsize", "+OK +OK *2 $1 0 *1 $1 b :1");
    whole("set a 1 exat 1\n scan 0 match b\n dbsize", "+OK *2 $1 0 *0 :1");
}

#[test]
fn an_expired_key_that_a_request_names_and_does_not_touch_is_no_new_one() {
    let heard = told("set a 1\n set b 1 exat 1\n msetnx a 2 b 2");
    assert_eq!(heard, "new:a set:a new:b set:b expire:b");
    assert_eq!(
        told("set b 1 exat 1\n set b 2 exat 1"),
        "new:b set:b expire:b expired:b new:b set:b expire:b"
    );
}

#[test]
fn the_end_of_a_key_is_told_before_its_next_life() {
    assert_eq!(told("set a 1 exat 1\n set a 2"), "new:a set:a expire:a expired:a new:a set:a");
    assert_eq!(
        told("set a 1 exat 1\n set a 2 exat 1"),
        "new:a set:a expire:a expired:a new:a set:a expire:a"
    );
    assert_eq!(told("set a 1 exat 1\n scan 0"), "new:a set:a expire:a expired:a");
    assert_eq!(told("copy nothing b"), "keymiss:nothing");
}

#[test]
fn a_bitfield_that_fails_to_write_is_no_event() {
    assert_eq!(told("bitfield b overflow fail incrby u1 0 2"), "new:b");
    assert_eq!(told("bitfield b set u8 0 0"), "new:b setbit:b");
    assert_eq!(told("set b a\n bitfield b set u8 0 97"), "new:b set:b");
}

#[test]
fn fields_that_are_set_in_the_past_come_and_go() {
    assert_eq!(told("hsetex h pxat 1 fields 1 f v"), "new:h hset:h hexpire:h hexpired:h del:h");
    let over = "new:h hset:h hset:h hexpire:h hexpired:h";
    assert_eq!(told("hset h f 1 g 2\n hsetex h pxat 1 fields 1 f v"), over);
    whole("hset h f 1\n hsetex h pxat 1 fields 1 f v\n exists h", ":1 :1 :0");
}
