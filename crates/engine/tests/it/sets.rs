//! Sets: replies, effects and events. Compared with Redis 7.0.15; layouts with 7.2's limits.

use crate::world::{World, check};

/// Runs `script` and compares what was fed after its first SELECT.
#[track_caller]
fn check_feed(script: &str, expected: &str) {
    let mut world = World::new();
    world.ask("set warm up");
    world.fed();
    world.ask(script);
    assert_eq!(world.fed(), expected, "{script}");
}

/// Runs `script` while client 2 listens to all events; compares their names with their keys.
#[track_caller]
fn check_events(script: &str, expected: &str) {
    let mut world = World::with("notify-keyspace-events KEA", false);
    world.send(2, "psubscribe __keyevent@0__:*");
    world.turn();
    world.read(2);
    world.ask(script);
    let sent = world.read(2);
    let words: Vec<&str> = sent.split(' ').collect();
    let events: Vec<String> = words
        .windows(3)
        .filter_map(|window| {
            let event = window[0].strip_prefix("__keyevent@0__:").filter(|event| *event != "*")?;
            Some(format!("{event} {}", window[2]))
        })
        .collect();
    assert_eq!(events.join(", "), expected, "{script}");
}

#[test]
fn members_come_and_go() {
    check("sadd s a b a", ":2");
    check("sadd s a\n sadd s a b", ":1");
    check("sadd s 3 1 2\n smembers s", "*3 $1 1 $1 2 $1 3");
    check("smembers s", "*0");
    check("sadd s a b\n srem s a x", ":1");
    check("sadd s a b\n srem s a b\n exists s", ":0");
    check("sadd s a 1\n sismember s 1", ":1");
    check("sismember s 1", ":0");
    check("sadd s a 1\n smismember s 1 2 a", "*3 :1 :0 :1");
    check("smismember s 1 2", "*2 :0 :0");
    check("sadd s a b\n scard s", ":2");
    check("set s 1\n sadd s a", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    check("sadd s a\n get s", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    check("sadd s a\n type s", "+set");
    check("sadd s 1\n object encoding s", "$6 intset");
    check("sadd s 1 a\n object encoding s", "$8 listpack");
    check("config set set-max-listpack-entries 1\n sadd s 1 a\n object encoding s", "$9 hashtable");
    check("config set set-max-intset-entries 1\n sadd s 1 2\n object encoding s", "$9 hashtable");
    check("hello 3\n sadd s 1 2\n smembers s", "~2 $1 1 $1 2");
}

#[test]
fn random_members() {
    check("spop s", "$-1");
    check("sadd s a\n spop s", "$1 a");
    check("sadd s a\n spop s\n exists s", ":0");
    check("spop s 2", "*0");
    check("sadd s 1 2\n spop s 5", "*2 $1 1 $1 2");
    check("sadd s 1 2\n spop s 2\n exists s", ":0");
    check("sadd s 1 2 3\n spop s 2\n scard s", ":1");
    check("spop s -1", "-ERR value is out of range, must be positive");
    check("spop s x", "-ERR value is out of range, must be positive");
    check("spop s 1 2", "-ERR syntax error");
    check("srandmember s", "$-1");
    check("srandmember s 1", "*0");
    check("sadd s a\n srandmember s", "$1 a");
    check("sadd s 1 2\n srandmember s 5", "*2 $1 1 $1 2");
    check("sadd s a\n srandmember s -3", "*3 $1 a $1 a $1 a");
    check("sadd s a\n srandmember s 0", "*0");
    check("srandmember s x", "-ERR value is not an integer or out of range");
    check(
        "srandmember s -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
}

#[test]
fn sets_together() {
    let sets = "sadd a 1 2 3 4\n sadd b 3 4 5\n sadd c 4 x\n";
    for (request, expected) in [
        ("sinter a b", "*2 $1 3 $1 4"),
        ("sinter a b c", "*1 $1 4"),
        ("sinter a none", "*0"),
        ("sinter a a", "*4 $1 1 $1 2 $1 3 $1 4"),
        ("sintercard 2 a b", ":2"),
        ("sintercard 2 a b limit 1", ":1"),
        ("sintercard 2 a b limit 0", ":2"),
        ("sintercard 0 a", "-ERR numkeys should be greater than 0"),
        ("sintercard x a", "-ERR numkeys should be greater than 0"),
        ("sintercard 3 a b", "-ERR Number of keys can't be greater than number of args"),
        ("sintercard 2 a b limit -1", "-ERR LIMIT can't be negative"),
        ("sintercard 2 a b limit", "-ERR syntax error"),
        ("sunion b a", "*5 $1 1 $1 2 $1 3 $1 4 $1 5"),
        ("sunion none", "*0"),
        ("sdiff a b", "*2 $1 1 $1 2"),
        ("sdiff a b c a", "*0"),
        ("sdiff none a", "*0"),
        ("sinterstore d a b\n smembers d", "*2 $1 3 $1 4"),
        ("sunionstore d a b\n scard d", ":5"),
        ("sunionstore d a c\n object encoding d", "$8 listpack"),
        ("sdiffstore d a b\n smembers d", "*2 $1 1 $1 2"),
        ("sdiffstore a a b\n smembers a", "*2 $1 1 $1 2"),
        ("set d 1 ex 10\n sinterstore d a b\n ttl d", ":-1"),
        ("set d 1\n sinterstore d a none\n exists d", ":0"),
        ("set d 1\n sinter a none d", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("smove a b 1\n smembers b", "*4 $1 1 $1 3 $1 4 $1 5"),
        ("smove a b 9", ":0"),
        ("smove none b 1", ":0"),
        ("smove a a 1", ":1"),
        ("smove c d x\n smove c d 4\n exists c", ":0"),
        ("set d 1\n smove a d 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("set d 1\n smove none d 1", ":0"),
        ("sscan a 0", "*2 $1 0 *4 $1 1 $1 2 $1 3 $1 4"),
        ("sscan a 0 match [23] count 1", "*2 $1 0 *2 $1 2 $1 3"),
        ("copy a d\n smembers d", "*4 $1 1 $1 2 $1 3 $1 4"),
    ] {
        check(&format!("{sets}{request}"), expected);
    }
}

#[test]
fn both_ways_of_a_difference_agree() {
    let many: Vec<String> = (0..9).map(|set| format!("sadd few{set} {set} x{set}")).collect();
    let names: Vec<String> = (0..9).map(|set| format!("few{set}")).collect();
    let all: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let sets = format!("sadd big {}\n{}\n", all.join(" "), many.join("\n"));
    check(&format!("{sets}sdiffstore d big {}\n scard d", names.join(" ")), ":11");
    check(&format!("{sets}sdiff few1 few1x big"), "*1 $2 x1");
    check(&format!("{sets}sunionstore d {} big\n scard d", names.join(" ")), ":29");
    check(&format!("{sets}sunion few1 few2"), "*4 $1 1 $2 x1 $1 2 $2 x2");
}

#[test]
fn replicas_hear_what_chance_chose() {
    check_feed("sadd s a\n sadd s a", "*3 $4 sadd $1 s $1 a");
    check_feed("sadd s a\n spop s", "*3 $4 sadd $1 s $1 a *3 $4 SREM $1 s $1 a");
    check_feed("sadd s a\n spop s 1", "*3 $4 sadd $1 s $1 a *2 $3 DEL $1 s");
    check_feed(
        "sadd s a\n sinterstore s s none",
        "*3 $4 sadd $1 s $1 a *4 $11 sinterstore $1 s $1 s $4 none",
    );
    check_feed("srem s a\n smove s t a\n spop s\n sunionstore s t", "");
    let mut world = World::new();
    world.ask("sadd s 1 2 3");
    world.fed();
    world.ask("spop s 2");
    let fed = world.fed();
    assert!(fed.starts_with("*4 $4 SREM $1 s $1 "), "{fed}");
}

#[test]
fn what_is_popped_in_large_numbers_is_one_unit() {
    let mut world = World::new();
    let members: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    world.ask(&format!("sadd s {}", members.join(" ")));
    world.fed();
    world.ask("spop s 2500");
    let fed = world.fed();
    assert!(fed.starts_with("*1 $5 MULTI *1026 $4 SREM $1 s ") && fed.ends_with("*1 $4 EXEC"));
    assert_eq!(world.ask("scard s"), ":500");
}

#[test]
fn events() {
    check_events("sadd s a b\n sadd s a", "sadd s");
    check_events("sadd s a b\n srem s a\n srem s b", "sadd s, srem s, srem s, del s");
    check_events("sadd s a b\n spop s\n spop s", "sadd s, spop s, spop s, del s");
    check_events("sadd s a b\n spop s 2", "sadd s, spop s, del s");
    check_events("sadd s a\n smove s t a", "sadd s, srem s, del s, sadd t");
    check_events("sadd s a\n sadd t a\n smove s t a", "sadd s, sadd t, srem s, del s");
    check_events(
        "sadd s a\n sinterstore d s\n sunionstore d s\n sdiffstore d s s",
        "sadd s, sinterstore d, sunionstore d, del d",
    );
}

#[test]
fn dumps_are_those_of_the_original() {
    let mut world = World::new();
    let restored = |world: &mut World, text: &str| world.ask(&format!("restore r 0 \"{text}\" replace"));
    // DUMP of Redis 7.0.15: an intset of 1 and 2, and the set of `a` and `b`.
    assert_eq!(restored(&mut world, INTSET), "+OK");
    assert_eq!(world.ask("object encoding r\n smembers r"), "$6 intset *2 $1 1 $1 2");
    assert_eq!(restored(&mut world, PLAIN), "+OK");
    assert_eq!(world.ask("object encoding r\n smembers r"), "$8 listpack *2 $1 b $1 a");
    world.ask("sadd s a b");
    assert_eq!(world.ask("debug digest-value s"), world.ask("debug digest-value r"));
}

/// What Redis 7.0.15 answers to DUMP of a set of 1 and 2.
const INTSET: &str = "\\x0b\\x0c\\x02\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x01\\x00\\x02\\x00\\x0a\\x00\\x6f\\x79\\x38\\xb1\\x34\\xeb\\x20\\x2e";
/// What it answers for a set of a and b.
const PLAIN: &str = "\\x02\\x02\\x01\\x62\\x01\\x61\\x0a\\x00\\x75\\xd9\\x9d\\x83\\x5e\\xf8\\x5f\\x65";
