//! What commands answer. Texts and forms were compared with Redis 7.0.15.

use crate::world::{World, check};

#[test]
fn strings() {
    check("set a 1\n get a", "$1 1");
    check("get a", "$-1");
    check("set a 1 nx get", "$-1");
    check("set a 1\n set a 2 nx", "$-1");
    check("set a 1 ex 0", "-ERR invalid expire time in 'set' command");
    check("set a 1 ex 10 px 10", "-ERR syntax error");
    check("set a 1 ex 10\n ttl a", ":10");
    check("set a 1 ex 10\n set a 2 keepttl\n ttl a", ":10");
    check("set a 1\n append a 2\n get a", "$2 12");
    check("setrange a 3 x\n strlen a", ":4");
    check("set a hello\n getrange a -3 -1", "$3 llo");
    check("mset a 1 b 2\n mget a b c", "*3 $1 1 $1 2 $-1");
    check("mset a 1 b", "-ERR wrong number of arguments for 'mset' command");
    check("hset h f v\n get h", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn corners_that_the_original_has() {
    check("set a 1 ex 10 ex 20\n ttl a", ":20");
    check("set a 1 ex 10 ex x", "-ERR value is not an integer or out of range");
    check("set a 1 ex 10 exat 99999999999", "-ERR syntax error");
    check("set a 1\n getex a px 10000 px 20000\n ttl a", ":20");
    check("hincrbyfloat h f inf", "-ERR value is NaN or Infinity");
    check("incrbyfloat a inf", "-ERR increment would produce NaN or Infinity");
    check("set a 1e308\n incrbyfloat a 9e307\n incrbyfloat a .5\n strlen a", ":309");
    check("set '' 1\n keys *", "*1 $0");
    check("set '' 1\n keys **", "*0");
    check(
        "exec x",
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
    );
    check("setrange a 0 5\n object encoding a", "$3 raw");
    check("config set hz 1 port", "-ERR syntax error");
    check(
        "hset h f v\n hrandfield h -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
}

#[test]
fn counters() {
    check("incr hits", ":1");
    check("incr hits\n incr hits", ":2");
    check("set a 9223372036854775807\n incr a", "-ERR increment or decrement would overflow");
    check("decrby a -9223372036854775808", "-ERR decrement would overflow");
    check("set a x\n incr a", "-ERR value is not an integer or out of range");
    check("incrbyfloat a 0.1\n incrbyfloat a 0.2", "$3 0.3");
}

#[test]
fn hashes() {
    check("hset h a 1 b 2", ":2");
    check("hset h a 1\n hset h a 2", ":0");
    check("hset h a 1\n hgetall h", "*2 $1 a $1 1");
    check("hset h a 1\n hdel h a\n exists h", ":0");
    check("hset h a x\n hincrby h a 1", "-ERR hash value is not an integer");
    check("hmget h a b", "*2 $-1 $-1");
    check("hset h a 1\n hscan h 0 novalues count 5", "*2 $1 0 *1 $1 a");
    check("hset h a 1\n hscan h 0", "*2 $1 0 *2 $1 a $1 1");
}

#[test]
fn keys() {
    check("set a 1\n rename a b\n get b", "$1 1");
    check("rename a b", "-ERR no such key");
    check("set a 1\n set b 2\n renamenx a b", ":0");
    check("set a 1\n expire a 100 gt", ":0");
    check("set a 1\n expire a 100 lt\n ttl a", ":100");
    check("set a 1\n expire a -1\n exists a", ":0");
    check("set a 1\n pexpireat a 9223372036854775807\n expiretime a", ":9223372036854775");
    check("expire a 1 nx xx", "-ERR NX and XX, GT or LT options at the same time are not compatible");
    check("set a 1\n object encoding a", "$3 int");
    check("object foo a", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.");
    check("scan x", "-ERR invalid cursor");
    check("set a 1\n select 1\n dbsize", ":0");
}

#[test]
fn unknown_commands_show_their_arguments() {
    check("foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b'");
    check("get", "-ERR wrong number of arguments for 'get' command");
    check("config foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.");
}

#[test]
fn a_key_is_gone_after_its_deadline() {
    let mut world = World::new();
    world.ask("set a 1 px 10\n set b 1");
    world.wait(11);
    assert_eq!(world.ask("get a\n exists a\n mget a a"), "$-1 :0 *2 $-1 $-1");
    assert_eq!(world.ask("dbsize"), ":1");
}

#[test]
fn active_expiry_removes_what_nobody_asks_for() {
    let mut world = World::new();
    world.ask("set a 1 px 10\n set b 1 px 10\n set c 1");
    world.fed();
    world.wait(1_000);
    for _ in 0..20 {
        world.wait(100);
        world.tick();
    }
    assert_eq!(world.ask("dbsize"), ":1");
    let fed = world.fed();
    assert!(fed.contains("DEL $1 a") && fed.contains("DEL $1 b"), "{fed}");
}

#[test]
fn transactions() {
    check("multi\n set a 1\n incr a\n exec", "*2 +OK :2");
    check("multi\n foo\n exec", "-EXECABORT Transaction discarded because of previous errors.");
    check("multi\n set a x\n incr a\n exec", "*2 +OK -ERR value is not an integer or out of range");
    check("watch a\n set a 1\n multi\n get a\n exec", "*-1");
    check("watch a\n multi\n get a\n exec", "*1 $-1");
    check("multi\n multi", "-ERR MULTI calls can not be nested");
    check("exec", "-ERR EXEC without MULTI");
}

#[test]
fn a_watched_key_that_expires_breaks_the_transaction() {
    let mut world = World::new();
    world.ask("set a 1 px 10\n watch a");
    world.wait(20);
    assert_eq!(world.ask("multi\n ping\n exec"), "+OK +QUEUED *-1");
}

#[test]
fn config_is_all_or_nothing() {
    check("config set timeout 5 maxclients abc\n config get timeout", "*2 $7 timeout $1 0");
    check("config set timeout 5\n config get timeout", "*2 $7 timeout $1 5");
}

#[test]
fn the_digest_is_that_of_the_original() {
    // Redis 7.0.15: DEBUG DIGEST after SET a 1, HSET h f v g w, SET b x, EXPIRE b 1000 (on database 0).
    check(
        "set a 1\n hset h f v g w\n set b x\n expire b 1000\n debug digest",
        "+c6721eb1bbe5a9b0b57040a775f565d5847fbf89",
    );
    check("debug digest", "+0000000000000000000000000000000000000000");
}

#[test]
fn bitmaps() {
    check("setbit b 7 1\n get b", "$1 \u{1}");
    check("setbit b 7 1\n setbit b 7 0", ":1");
    check("set b 12\n setbit b 6 1\n get b", "$2 32");
    check("set b 12\n setbit b 6 1\n object encoding b", "$3 raw");
    check("setbit b 4294967296 1", "-ERR bit offset is not an integer or out of range");
    check("getbit b 4294967295", ":0");
    check("set b foobar\n bitcount b 5 30 bit", ":17");
    check("set b foobar\n bitcount b 1", ":22");
    check("bitcount b 0 x", "-ERR value is not an integer or out of range");
    check("set b 1\n bitpos b 0 0 -1 bit", ":0");
    check("set b \"\\xff\\xff\"\n bitpos b 0 0 -1", ":-1");
    check("set b \"\\xff\\xff\"\n bitpos b 0", ":16");
    check("bitpos b 1", ":-1");
    check("set a abc\n bitop not b a\n bitop not c b\n get c", "$3 abc");
    check("set a ab\n set b b\n bitop diff c a b\n get c", "$2 \u{1}b");
    check("bitop diff c a", "-ERR BITOP DIFF, DIFF1 and ANDOR must be called with at least two source keys.");
    check("set c 1\n bitop and c a b\n exists c", ":0");
    check(
        "hset h f v\n bitop or c a h",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn bitfields() {
    check("bitfield b set u8 #1 255 get u16 0 incrby i8 8 2", "*3 :0 :255 :1");
    check("bitfield b overflow fail incrby u2 0 4 overflow sat incrby u2 0 4", "*2 $-1 :3");
    check(
        "bitfield b set u64 0 1",
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    check("bitfield_ro b set u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand");
    check("bitfield b\n exists b", ":0");
    let mut world = World::new();
    world.ask("bitfield b set u8 0 0\n bitfield b set u8 0 0\n bitfield b get u8 0");
    assert_eq!(world.fed().matches("bitfield").count(), 1, "what changes nothing is not passed on");
}

#[test]
fn hyperloglogs() {
    check("pfadd h a b c\n pfcount h", ":3");
    check("pfadd h", ":1");
    check("pfadd h\n pfadd h", ":0");
    check("pfadd h a b\n pfadd i b c\n pfcount h i no", ":3");
    check("pfadd h a b\n pfadd i b c\n pfmerge j h i\n pfcount j", ":3");
    check("pfadd h a\n pfdebug todense h\n pfdebug encoding h", "+dense");
    check("pfadd h a\n pfdebug decode h", "$20 Z:12711 v:2,1 Z:3672");
    check("set h 1\n pfcount h", "-WRONGTYPE Key is not a valid HyperLogLog string value.");
    check("pfadd h a\n append h x\n pfcount h", "-INVALIDOBJ Corrupted HLL object detected");
    check("pfselftest", "+OK");
    let mut world = World::new();
    world.ask("pfadd h a b");
    world.fed();
    assert_eq!(world.ask("pfcount h\n pfcount h"), ":2 :2");
    assert_eq!(world.fed(), "*2 $7 pfcount $1 h", "what was computed is noted once, on replicas too");
}

#[test]
fn fields_with_deadlines() {
    check("hset h a 1 b 2\n hexpire h 100 fields 3 a b c", "*3 :1 :1 :-2");
    check("hset h a 1 b 2\n hexpire h 100 fields 1 a\n httl h fields 3 a b c", "*3 :100 :-1 :-2");
    check("hset h a 1\n hexpire h 100 fields 1 a\n object encoding h", "$9 hashtable");
    check("hset h a 1\n hexpire h 100 fields 1 a\n hpersist h fields 2 a b\n httl h fields 1 a", "*1 :-1");
    check("hset h a 1\n hexpire h 0 fields 1 a", "*1 :2");
    check("hset h a 1\n hexpire h 0 fields 1 a\n exists h", ":0");
    check("hset h a 1\n hexpire h 100 fields 1 a\n hset h a 2\n httl h fields 1 a", "*1 :-1");
    check("hset h a 1\n hexpire h 100 fields 1 a\n hincrby h a 2\n httl h fields 1 a", "*1 :100");
    check("hset h a 1\n hexpire h 100 fields 1 a\n hincrbyfloat h a 2\n httl h fields 1 a", "*1 :100");
    check("hset h a 1\n hexpire h 100 nx fields 1 a\n hexpire h 90 gt fields 1 a", "*1 :0");
    check("hset h a 1\n hexpire h 100 nx fields 1 a\n hexpire h 90 lt fields 1 a", "*1 :1");
    check(
        "hexpire h 1 fields 2 a",
        "-ERR numfields should be greater than 0 and match the provided number of fields",
    );
    check("hexpire h -1 fields 1 a", "-ERR invalid expire time in 'hexpire' command");
    check(
        "hexpire h 1 nx xx fields 1 a",
        "-ERR NX and XX, GT or LT options at the same time are not compatible",
    );
    check("httl h fields 2 a", "-ERR syntax error");
    check("hsetex h ex 100 fields 2 a 1 b 2\n httl h fields 2 a b", "*2 :100 :100");
    check("hset h a 1\n hsetex h fnx fields 1 a 2", ":0");
    check("hset h a 1\n hsetex h fxx keepttl fields 1 a 2", ":1");
    check("hsetex h xx fields 1 a 2\n exists h", ":0");
    check("hsetex h xx exat -1 fields 1 a 2", ":0");
    check("hsetex h fxx exat -1 fields 1 a 2", "-ERR invalid expire time in 'hsetex' command");
    check("hset h a 1 b 2\n hgetex h pxat 1 fields 3 a b a", "*3 $1 1 $1 2 $-1");
    check("hset h a 1 b 2\n hsetex h pxat 1 fields 2 a 3 c 3\n hgetall h", "*2 $1 b $1 2");
    check("hset h a 1\n hgetex h ex 100 fields 2 a b\n httl h fields 1 a", "*1 :100");
    check("hsetex h ex 100 fields 1 a 1\n hgetex h persist fields 1 a\n httl h fields 1 a", "*1 :-1");
    check("hset h a 1 b 2\n hgetdel h fields 3 a a c", "*3 $1 1 $-1 $-1");
    check("hset h a 1\n hgetdel h fields 1 a\n exists h", ":0");
    check("hsetex h ex 100 fields 1 a 1\n copy h g\n rename g i\n httl i fields 1 a", "*1 :100");
}

#[test]
fn a_field_past_its_deadline_is_hidden_then_removed() {
    let mut world = World::new();
    world.ask("hset h a 1 b 2 c 3\n hpexpire h 10 fields 2 a b\n hset g a 1\n hpexpire g 10 fields 1 a");
    world.wait(11);
    assert_eq!(
        world.ask("hgetall h\n hexists h a\n hmget h a c\n hkeys h\n hlen h"),
        "*2 $1 c $1 3 :0 *2 $-1 $1 3 *1 $1 c :3"
    );
    assert_eq!(
        world.ask("hscan h 0\n hrandfield h 5\n httl h fields 1 a\n hdel h a"),
        "*2 $1 0 *2 $1 c $1 3 *1 $1 c *1 :-2 :0"
    );
    world.fed();
    assert_eq!(world.ask("hincrby h a 5\n hgetall g\n exists g"), ":5 *0 :1");
    assert_eq!(world.fed(), "*4 $4 HSET $1 h $1 a $1 5");
    for _ in 0..20 {
        world.wait(100);
        world.tick();
    }
    assert_eq!(world.ask("hlen h\n exists g"), ":2 :0");
    assert_eq!(world.fed(), "*3 $4 HDEL $1 g $1 a *3 $4 HDEL $1 h $1 b");
}

#[test]
fn deadlines_of_fields_are_passed_on_as_times() {
    let mut world = World::new();
    world.ask("hset h a 1 b 2");
    world.fed();
    world.ask("hexpire h 10 nx fields 2 a no");
    assert_eq!(world.fed(), "*6 $10 HPEXPIREAT $1 h $13 1700000010000 $6 FIELDS $1 1 $1 a");
    world.ask("hsetex h fxx px 500 fields 1 b 3");
    assert_eq!(world.fed(), "*8 $6 HSETEX $1 h $4 PXAT $13 1700000000500 $6 FIELDS $1 1 $1 b $1 3");
    world.ask("hpersist h fields 1 a\n hexpire h 0 fields 1 b\n hgetdel h fields 1 a");
    assert_eq!(
        world.fed(),
        "*5 $8 HPERSIST $1 h $6 FIELDS $1 1 $1 a *3 $4 HDEL $1 h $1 b *3 $4 HDEL $1 h $1 a"
    );
}

#[test]
fn comparisons() {
    check("set a 1\n set a 2 ifeq 1\n get a", "$1 2");
    check("set a 1\n set a 2 ifeq 3\n get a", "$1 1");
    check("set a 1\n set a 2 ifeq 3 get", "$1 1");
    check("set a 1 ifeq 1", "$-1");
    check("set a 1 ifne 1\n get a", "$1 1");
    check("set a 1\n set a 2 ifeq 1 nx", "-ERR syntax error");
    check("set a 1 xx ifeq 1", "-ERR syntax error");
    check("set a 1 ifeq", "-ERR syntax error");
    check(
        "hset h f v\n set h 1 ifeq 1",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
    );
    check("set a 'Hello world'\n digest a", "$16 b6acb9d84a38ff74");
    check("set a 'Hello world'\n set a 1 ifdeq b6acb9d84a38ff74", "+OK");
    check("set a 'Hello world'\n set a 1 ifdne b6acb9d84a38ff74", "$-1");
    check("digest a", "$-1");
    check("set a 1\n delifeq a 2", ":0");
    check("set a 1\n delifeq a 1\n exists a", ":0");
    check("set a 1\n delex a ifne 2", ":1");
    check("hset h f v\n delex h", ":1");
    check("msetex 2 a 1 b 2 nx ex 100\n ttl b", ":100");
    check("set b 1\n msetex 2 a 1 b 2 nx\n exists a", ":0");
    check("msetex 2 a 1 b 2 xx", ":0");
    check("msetex 0 a 1", "-ERR invalid numkeys value or out of range");
    check("msetex 2 a 1 b", "-ERR syntax error");
    check("msetex 1 a 1 ex 0", "-ERR invalid expire time in 'msetex' command");
}

#[test]
fn a_group_of_requests_for_a_large_hash() {
    let mut world = World::new();
    let mut script = String::from("config set hash-max-listpack-entries 0\n set text 1\n hset small f 1");
    for field in 0..20_000 {
        script.push_str(&format!("\n hset large f{field} {field}"));
    }
    world.ask(&script);
    let asked = "hget large f7\n hset large f7 x f8 y\n hget large f8\n hget small f\n hget text f\n hget large\n \
        hdel large f9\n get text\n hget nothing f\n del large\n hget large f10\n hset large f10 z\n hlen large";
    let expected = "$1 7 :0 $1 y $1 1 -WRONGTYPE Operation against a key holding the wrong kind of value \
        -ERR wrong number of arguments for 'hget' command :1 $1 1 $-1 :1 $-1 :1 :1";
    assert_eq!(world.ask(asked), expected);
    world.send(2, "hget large f10\n hget large f1\n hget large f2");
    world.send(3, "hget large f10\n del large\n hget large f10");
    world.turn();
    assert_eq!(world.read(2), "$1 z $-1 $-1");
    assert_eq!(world.read(3), "$1 z :1 $-1");
}
