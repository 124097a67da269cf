//! Keys between databases, and what replicas are told of it.

use crate::world::{World, check};

#[test]
fn a_copy_is_a_value_of_its_own() {
    check("set a 1\n copy a b\n incr a\n get b", "$1 1");
    check("hset h f v\n copy h g\n hset h f w\n hget g f", "$1 v");
    check("set a 1\n copy a b db 3\n exists b\n select 3\n get b", "$1 1");
}

#[test]
fn moves_and_swaps_are_fed_as_requested() {
    let mut world = World::new();
    world.ask("set a 1\n hset h f v");
    world.fed();
    world.ask("move a 2");
    assert_eq!(world.fed(), "*3 $4 move $1 a $1 2");
    world.ask("copy h g db 1");
    assert_eq!(world.fed(), "*5 $4 copy $1 h $1 g $2 db $1 1");
    world.ask("swapdb 0 2");
    assert_eq!(world.fed(), "*3 $6 swapdb $1 0 $1 2");
    assert_eq!(world.ask("get a\n dbsize"), "$1 1 :1");
}

#[test]
fn an_expired_key_in_the_other_database_makes_room() {
    let mut world = World::new();
    world.ask("set a old px 5\n select 1\n set a new");
    world.fed();
    world.wait(10);
    assert_eq!(world.ask("move a 0"), ":1");
    assert_eq!(
        world.fed(),
        "*2 $6 SELECT $1 0 *1 $5 MULTI *2 $3 DEL $1 a *2 $6 SELECT $1 1 *3 $4 move $1 a $1 0 *1 $4 EXEC"
    );
    assert_eq!(world.ask("select 0\n get a\n ttl a"), "+OK $3 new :-1");
}

#[test]
fn a_swap_touches_watched_keys_of_both() {
    let mut world = World::new();
    world.ask("select 3\n set a 1\n select 0\n watch a");
    world.send(2, "swapdb 0 3");
    world.turn();
    assert_eq!(world.ask("multi\n get a\n exec"), "+OK +QUEUED *-1");
}
