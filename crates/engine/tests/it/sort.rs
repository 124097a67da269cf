//! SORT. Compared with Redis 7.0.15; what a cluster allows with Valkey 9.1.

use crate::world::{World, check};

#[test]
fn numbers_and_texts() {
    let numbers = "sadd s 3 1 20 -5\n";
    check(&format!("{numbers}sort s"), "*4 $2 -5 $1 1 $1 3 $2 20");
    check(&format!("{numbers}sort s desc"), "*4 $2 20 $1 3 $1 1 $2 -5");
    check(&format!("{numbers}sort s alpha"), "*4 $2 -5 $1 1 $2 20 $1 3");
    check(&format!("{numbers}sort s limit 1 2"), "*2 $1 1 $1 3");
    check(&format!("{numbers}sort s limit -3 2"), "*2 $2 -5 $1 1");
    check(&format!("{numbers}sort s limit 2 -1"), "*2 $1 3 $2 20");
    check(&format!("{numbers}sort s limit 9 2"), "*0");
    check(&format!("{numbers}sort s limit 0 0"), "*0");
    check(&format!("{numbers}sort_ro s desc limit 0 1"), "*1 $2 20");
    check("sort none", "*0");
    check("sadd s a\n sort s", "-ERR One or more scores can't be converted into double");
    check("sadd s 1e3 ' 7' 0x10 -inf\n sort s", "*4 $4 -inf $2  7 $4 0x10 $3 1e3");
    check("sadd s aaaaaaaab aaaaaaaaa b\n sort s alpha", "*3 $9 aaaaaaaaa $9 aaaaaaaab $1 b");
    check("sadd s 1 1.0 01\n sort s", "*3 $2 01 $1 1 $3 1.0");
    check("sadd s 1 1.0 01\n sort s desc", "*3 $3 1.0 $1 1 $2 01");
    check("set s 1\n sort s", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    check("sort s limit 1", "-ERR syntax error");
    check("sort s limit a 1", "-ERR value is not an integer or out of range");
    check("sort_ro s store d", "-ERR syntax error");
    check("sort s by", "-ERR syntax error");
}

#[test]
fn lists_and_sorted_sets() {
    check("rpush l 3 1 2 2\n sort l", "*4 $1 1 $1 2 $1 2 $1 3");
    check("rpush l 3 1 2\n sort l by nosort", "*3 $1 3 $1 1 $1 2");
    check("rpush l 3 1 2\n sort l by nosort desc limit 0 2", "*2 $1 2 $1 1");
    check("rpush l 3 1 2\n sort l by nosort limit 1 5", "*2 $1 1 $1 2");
    check("zadd z 1 c 2 a 3 b\n sort z alpha", "*3 $1 a $1 b $1 c");
    check("zadd z 1 c 2 a 3 b\n sort z by nosort", "*3 $1 c $1 a $1 b");
    check("zadd z 1 c 2 a 3 b\n sort z by nosort desc limit 0 2", "*2 $1 b $1 a");
    check("zadd z 1 c 2 a 3 b\n sort z by nosort asc limit 1 1", "*1 $1 a");
}

#[test]
fn values_at_other_keys() {
    let data = "sadd s 1 2 3\n mset w1 30 w2 10 n1 one n2 two\n hset h1 f 5\n hset h2 f 6\n hset h3 f 4\n";
    check(&format!("{data}sort s by w*"), "*3 $1 3 $1 2 $1 1");
    check(&format!("{data}sort s by h*->f"), "*3 $1 3 $1 1 $1 2");
    check(&format!("{data}sort s by n* alpha"), "*3 $1 3 $1 1 $1 2");
    check(&format!("{data}sort s by n* alpha desc limit 0 2"), "*2 $1 2 $1 1");
    check(&format!("{data}sort s by n*"), "-ERR One or more scores can't be converted into double");
    check(&format!("{data}sort s get n* get #"), "*6 $3 one $1 1 $3 two $1 2 $-1 $1 3");
    check(&format!("{data}sort s get h*->f get h*->g limit 0 1"), "*2 $1 5 $-1");
    check(&format!("{data}sort s get h*-> get x limit 0 1"), "*2 $-1 $-1");
    check(&format!("{data}sort s by w* get n* store d\n lrange d 0 -1"), "*3 $0  $3 two $3 one");
    check(&format!("{data}sort s by w*x alpha"), "*3 $1 1 $1 2 $1 3");
}

#[test]
fn results_are_stored() {
    check("sadd s 2 1\n sort s store d", ":2");
    check("sadd s 2 1\n set d x ex 10\n sort s store d\n ttl d", ":-1");
    check("sadd s 2 1\n set d x ex 10\n sort s store d\n lrange d 0 -1", "*2 $1 1 $1 2");
    check("sadd s b a\n sort s by nosort store d\n lrange d 0 -1", "*2 $1 a $1 b");
    check("set d x\n sort none store d", ":0");
    check("set d x\n sort none store d\n exists d", ":0");
    check("command getkeys sort a by store get store limit 0 1 store b", "*2 $1 a $1 b");
    let mut world = World::new();
    world.ask("sadd s 2 1");
    world.fed();
    world.ask("sort s");
    assert_eq!(world.fed(), "");
    world.ask("sort s store d\n sort none store d\n sort none store d");
    assert_eq!(world.fed(), "*4 $4 sort $1 s $5 store $1 d *4 $4 sort $4 none $5 store $1 d");
}

#[test]
fn equal_texts_stay_as_they_came() {
    check("rpush l b a c\n sort l by w* alpha desc", "*3 $1 b $1 a $1 c");
    check("rpush l \"a\\x00b\" \"a\\x00a\"\n sort l alpha get w* get #", "*4 $-1 $3 a\0b $-1 $3 a\0a");
}

#[test]
fn numbers_too_small_for_full_precision_are_none() {
    check("rpush l 5e-324\n sort l", "-ERR One or more scores can't be converted into double");
}
