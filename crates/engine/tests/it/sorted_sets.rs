//! Sorted sets and places: what is answered, passed on and told. Texts and forms were compared with Redis 7.0.15.

use crate::world::{World, check};

#[track_caller]
fn check_feed(script: &str, expected: &str) {
    let mut world = World::new();
    world.ask("set warm up");
    world.fed();
    world.ask(script);
    assert_eq!(world.fed(), expected, "{script}");
}

#[test]
fn scores_are_set_under_conditions() {
    check("zadd z 1 a 2 b 1 a", ":2");
    check("zadd z 1 a\n zadd z ch 2 a 3 b", ":2");
    check("zadd z 1 a\n zadd z nx 2 a\n zscore z a", "$1 1");
    check("zadd z xx 1 a\n exists z", ":0");
    check("zadd z 5 a\n zadd z gt 3 a lt 3 a", "-ERR syntax error");
    check("zadd z 5 a\n zadd z gt ch 3 a", ":0");
    check("zadd z 5 a\n zadd z lt incr -3 a", "$1 2");
    check("zadd z 5 a\n zadd z lt incr 3 a", "$-1");
    check("zadd z incr 1 a 2 b", "-ERR INCR option supports a single increment-element pair");
    check("zadd z nx xx 1 a", "-ERR XX and NX options at the same time are not compatible");
    check("zadd z gt nx 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible");
    check("zadd z inf a\n zincrby z -inf a", "-ERR resulting score is not a number (NaN)");
    check("zadd z 1 a 2", "-ERR syntax error");
    check("zadd z 1 a nan b\n exists z", ":0");
    check("zadd z 3.1 a\n zscore z a", "$18 3.1000000000000001");
}

#[test]
fn ranges_have_many_forms() {
    let three = "zadd z 1 a 2 b 3 c\n ";
    check(&format!("{three} zrange z 0 -1 rev withscores"), "*6 $1 c $1 3 $1 b $1 2 $1 a $1 1");
    check(&format!("{three} zrange z (1 inf byscore limit 1 1"), "*1 $1 c");
    check(&format!("{three} zrange z + - bylex rev limit 0 2"), "*2 $1 c $1 b");
    check(&format!("{three} zrevrangebyscore z 2 (0"), "*2 $1 b $1 a");
    check(
        &format!("{three} zrange z 0 1 limit 0 1"),
        "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    );
    check(&format!("{three} zrank z c withscore"), "*2 :2 $1 3");
    check(&format!("{three} zrangestore y z -2 -1\n zrange y 0 -1"), "*2 $1 b $1 c");
    check(&format!("{three} zremrangebyscore z -inf (3\n zcard z"), ":1");
    check(&format!("{three} zremrangebyrank z 0 -1\n exists z"), ":0");
}

#[test]
fn sets_are_combined() {
    let two = "zadd x 1 a 2 b\n zadd y 10 b 20 c\n sadd s b\n ";
    check(&format!("{two} zunion 2 x y weights 2 1 withscores"), "*6 $1 a $1 2 $1 b $2 14 $1 c $2 20");
    check(&format!("{two} zinter 3 x y s aggregate max withscores"), "*2 $1 b $2 10");
    check(&format!("{two} zdiff 2 x s"), "*1 $1 a");
    check(&format!("{two} zintercard 2 x y limit 1"), ":1");
    check(&format!("{two} zinterstore d 2 x nothing"), ":0");
    check("zunion 0 x", "-ERR at least 1 input key is needed for 'zunion' command");
    check("set t 1\n zunion 1 t", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn members_are_popped_and_waited_for() {
    check("zadd z 1 a 2 b\n zpopmax z", "*2 $1 b $1 2");
    check("zadd z 1 a\n zmpop 2 y z min count 5", "*2 $1 z *1 *2 $1 a $1 1");
    check("zmpop 1 z mid", "-ERR syntax error");
    let mut world = World::new();
    world.send(2, "bzpopmin y z 0");
    world.turn();
    assert_eq!(world.read(2), "");
    world.ask("zadd z 2 b 1 a");
    assert_eq!(world.read(2), "*3 $1 z $1 a $1 1");
    world.send(2, "bzmpop 0 1 z max count 9");
    world.turn();
    assert_eq!(world.read(2), "*2 $1 z *1 *2 $1 b $1 2");
}

#[test]
fn what_is_passed_on_does_not_wait() {
    check_feed("zadd z 1 a\n zadd z 1 a", "*4 $4 zadd $1 z $1 1 $1 a");
    check_feed("zadd z 1 a\n zmpop 1 z min", "*4 $4 zadd $1 z $1 1 $1 a *3 $7 ZPOPMIN $1 z $1 1");
    check_feed("zadd z 1 a\n bzpopmax z 0", "*4 $4 zadd $1 z $1 1 $1 a *2 $7 ZPOPMAX $1 z");
    check_feed("geoadd g nx 13.361389 38.115556 p", "*5 $4 ZADD $1 g $2 nx $16 3479099956230698 $1 p");
    check_feed("zrem z a\n zinterstore d 1 z", "");
}

#[test]
fn places_are_found() {
    let two = "geoadd g 13.361389 38.115556 palermo 15.087269 37.502669 catania\n ";
    check(&format!("{two} geodist g palermo catania km"), "$8 166.2742");
    check(&format!("{two} geohash g palermo x"), "*2 $11 sqc8b49rny0 $-1");
    check(
        &format!("{two} geopos g palermo x"),
        "*2 *2 $20 13.36138933897018433 $20 38.11555639549629859 *-1",
    );
    check(
        &format!("{two} georadius g 15 37 200 km asc withdist"),
        "*2 *2 $7 catania $7 56.4413 *2 $7 palermo $8 190.4424",
    );
    check(&format!("{two} geosearch g frommember palermo bybox 400 10 km"), "*1 $7 palermo");
    check(
        &format!("{two} geosearchstore d g fromlonlat 15 37 byradius 100 km storedist\n zscore d catania"),
        "$18 56.441257870158204",
    );
    check("geoadd g 200 100 x", "-ERR invalid longitude,latitude pair 200.000000,100.000000");
    check(
        &format!("{two} GeoSearch g byradius 1 m asc desc"),
        "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch",
    );
}

#[test]
fn the_types_of_combined_keys_are_looked_at_before_the_options() {
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    check("set s 1\n zdiff 1 s nonsense", wrong);
    check("set s 1\n zinterstore d 1 s weights x", wrong);
    check("zinterstore d 1 s weights x", "-ERR weight value is not a float");
}
