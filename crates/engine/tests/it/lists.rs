//! Commands on lists.

use crate::world::{World, check};

#[test]
fn elements_are_pushed_popped_and_shown() {
    check("rpush l a b\n lpush l 1 2\n lrange l 0 -1", "*4 $1 2 $1 1 $1 a $1 b");
    check("rpush l a b c d e\n lrange l -3 -2", "*2 $1 c $1 d");
    check("rpush l a\n lrange l 1 0", "*0");
    check("rpushx l a", ":0");
    check("rpush l a\n lpushx l b c", ":3");
    check("rpush l a b c\n rpop l 2", "*2 $1 c $1 b");
    check("rpush l a\n lpop l\n exists l", ":0");
    check("lpop l", "$-1");
    check("lpop l 0", "*-1");
    check("rpush l a\n lpop l 0", "*0");
    check("rpush l a\n lpop l -1", "-ERR value is out of range, must be positive");
    check("rpush l a\n lpop l 1 2", "-ERR wrong number of arguments for 'lpop' command");
    check("set l a\n lpush l b", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    check("rpush l a b\n lindex l -1", "$1 b");
    check("rpush l a b\n lindex l 2", "$-1");
    check("rpush l a b\n object encoding l", "$9 quicklist");
}

#[test]
fn elements_are_changed_in_the_middle() {
    check("rpush l a b c\n lset l 1 x\n lrange l 0 -1", "*3 $1 a $1 x $1 c");
    check("rpush l a\n lset l 1 x", "-ERR index out of range");
    check("lset l 1 x", "-ERR no such key");
    check("rpush l a b\n linsert l after a x\n lrange l 0 -1", "*3 $1 a $1 x $1 b");
    check("rpush l a b\n linsert l before c x", ":-1");
    check("linsert l before c x", ":0");
    check("rpush l a b a c a\n lrem l -2 a\n lrange l 0 -1", "*3 $1 a $1 b $1 c");
    check("rpush l a a\n lrem l 0 a\n exists l", ":0");
    check("rpush l a b c d\n ltrim l 1 -2\n lrange l 0 -1", "*2 $1 b $1 c");
    check("rpush l a b\n ltrim l 5 6\n exists l", ":0");
    check("rpush l a b a\n lpos l a rank -1", ":2");
    check("rpush l a b a\n lpos l a count 0", "*2 :0 :2");
    check("rpush l a b a\n lpos l a rank -1 count 0 maxlen 2", "*1 :2");
    check("lpos l a count 2", "*0");
}

#[test]
fn elements_move_between_lists() {
    check("rpush l a b\n lmove l m left right\n lmove l m left right\n lrange m 0 -1", "*2 $1 a $1 b");
    check("rpush l a b c\n rpoplpush l l\n lrange l 0 -1", "*3 $1 c $1 a $1 b");
    check("rpush l a\n lmove l l left right\n lrange l 0 -1", "*1 $1 a");
    check("lmove l m left right", "$-1");
    check(
        "rpush l a\n set m x\n lmove l m left left",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
    );
    check("rpush m a b c\n lmpop 2 l m right count 2", "*2 $1 m *2 $1 c $1 b");
    check("lmpop 2 l m right count 2", "*-1");
    check("lmpop 3 l m right", "-ERR syntax error");
    check("rpush l a\n blpop k l 0", "*2 $1 l $1 a");
}

#[test]
fn effects_are_those_of_the_forms_that_do_not_wait() {
    let mut world = World::new();
    world.ask("rpush l 1 2 3 4 5 6 7");
    world.fed();
    world.ask(
        "blpop l 0\n brpop l 0\n blmpop 0 1 l right count 2\n brpoplpush l m 0\n blmove l m left right 0",
    );
    assert_eq!(
        world.fed(),
        "*2 $4 LPOP $1 l *2 $4 RPOP $1 l *3 $4 RPOP $1 l $1 2 *3 $9 RPOPLPUSH $1 l $1 m \
         *5 $5 LMOVE $1 l $1 m $4 left $5 right"
    );
    world.ask("lrem m 0 nothing\n ltrim m 0 -1\n linsert m before nothing x\n lpop m 0");
    assert_eq!(world.fed(), "");
}

#[test]
fn events_of_lists_are_those_of_the_original() {
    let mut world = World::new();
    world.ask("config set notify-keyspace-events KEA");
    world.send(2, "psubscribe __keyevent*");
    world.turn();
    world.read(2);
    world.ask("rpush l a b\n lmove l m left right\n lpop l\n ltrim m 1 1");
    let seen = world.read(2);
    let events: Vec<&str> = seen
        .split("__keyevent@0__:")
        .skip(1)
        .map(|event| event.split(' ').next().unwrap())
        .filter(|event| *event != "*")
        .collect();
    assert_eq!(events, ["rpush", "rpush", "lpop", "lpop", "del", "ltrim", "del"]);
}
