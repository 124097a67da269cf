//! Streams: replies, what replicas are told, and those who wait.

use crate::world::{World, check};

const FILLED: &str = "XADD s 1-1 a 1 b 2\n XADD s 2-1 a 3 b 4\n XADD s 3-1 c 5\n";

/// Runs a script after `FILLED`; compares the last reply.
#[track_caller]
fn filled(script: &str, expected: &str) {
    check(&format!("{FILLED}{script}"), expected);
}

#[test]
fn entries_are_read_in_both_directions() {
    filled("XRANGE s (1-1 2", "*1 *2 $3 2-1 *4 $1 a $1 3 $1 b $1 4");
    filled("XREVRANGE s + - COUNT 1", "*1 *2 $3 3-1 *2 $1 c $1 5");
    filled("XRANGE s - + COUNT 0", "*-1");
    filled("XRANGE none - +", "*0");
    filled("XRANGE s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval");
    filled("XREAD COUNT 1 STREAMS s s 2-1 3-1", "*1 *2 $1 s *1 *2 $3 3-1 *2 $1 c $1 5");
    filled("HELLO 3\n XREAD STREAMS s 2-1", "%1 $1 s *1 *2 $3 3-1 *2 $1 c $1 5");
    filled("XREAD STREAMS s +", "*1 *2 $1 s *1 *2 $3 3-1 *2 $1 c $1 5");
    filled("XREAD STREAMS s $", "*-1");
    // The last of all is meant, not the last that is left.
    filled("XSETID s 4-0\n XREAD STREAMS s +", "*-1");
    filled("XDEL s 3-1\n XREAD STREAMS s +", "*-1");
    check("XGROUP CREATE s g 0 MKSTREAM\n XREAD STREAMS s +", "*-1");
}

#[test]
fn ids_only_grow() {
    filled(
        "XADD s 3-1 a 1",
        "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
    );
    filled("XADD s 3-* a 1", "$3 3-2");
    filled("XADD s * a 1", "$15 1700000000000-0");
    filled("XADD s NOMKSTREAM * a", "-ERR wrong number of arguments for 'xadd' command");
    filled("XADD none NOMKSTREAM * a 1", "$-1");
    filled("XADD none 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0");
    filled("XADD s 5-x a 1", "-ERR Invalid stream ID specified as stream command argument");
    filled("XSETID s 2-1", "-ERR The ID specified in XSETID is smaller than the target stream top item");
    filled("SET t 1\n XADD t * a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn an_empty_stream_stays() {
    filled("XTRIM s MAXLEN 0\n XLEN s", ":0");
    filled("XDEL s 1-1 2-1 3-1 4-1\n EXISTS s", ":1");
}

#[test]
fn replicas_are_told_what_came_of_it() {
    let mut world = World::new();
    world.ask("CONFIG SET stream-node-max-entries 2");
    world.ask("XADD s 1-1 a 1\n XADD s 2-1 a 1\n XADD s 3-1 a 1");
    world.fed();
    world.ask("XADD s MAXLEN ~ 2 * a 1");
    let told = "*8 $4 XADD $1 s $6 MAXLEN $1 = $1 2 $15 1700000000000-0 $1 a $1 1";
    assert_eq!(world.fed(), told);
    world.ask("XGROUP CREATE s g 0");
    world.fed();
    assert_eq!(world.ask("XREADGROUP GROUP g c COUNT 1 STREAMS s >"), "*1 *2 $1 s *1 *2 $3 3-1 *2 $1 a $1 1");
    let claim = "*14 $6 XCLAIM $1 s $1 g $1 c $1 0 $3 3-1 $4 TIME $13 1700000000000 $10 RETRYCOUNT $1 1 $5 FORCE \
                 $6 JUSTID $6 LASTID $3 3-1";
    assert_eq!(world.fed(), claim);
    world.ask("XREADGROUP GROUP g d NOACK STREAMS s >");
    let told = "*1 $5 MULTI *5 $6 XGROUP $14 CREATECONSUMER $1 s $1 g $1 d *7 $6 XGROUP $5 SETID $1 s $1 g \
                $15 1700000000000-0 $11 ENTRIESREAD $1 4 *1 $4 EXEC";
    assert_eq!(world.fed(), told);
    // A reader of what it has tells nobody, but that it is there.
    world.ask("XREADGROUP GROUP g e STREAMS s 0");
    assert_eq!(world.fed(), "*5 $6 XGROUP $14 CREATECONSUMER $1 s $1 g $1 e");
    world.ask("XREADGROUP GROUP g e STREAMS s >");
    assert_eq!(world.fed(), "");
}

#[test]
fn claims_of_entries_that_are_gone_end() {
    let mut world = World::new();
    world.ask(&format!("{FILLED}XGROUP CREATE s g 0\n XREADGROUP GROUP g c STREAMS s >\n XDEL s 2-1"));
    assert_eq!(world.ask("XCLAIM s g d 0 1-1 2-1 9-9 JUSTID"), "*1 $3 1-1");
    assert_eq!(world.ask("XPENDING s g"), "*4 :2 $3 1-1 $3 3-1 *2 *2 $1 c $1 1 *2 $1 d $1 1");
    world.ask("XDEL s 1-1");
    assert_eq!(world.ask("XAUTOCLAIM s g d 0 - COUNT 1 JUSTID"), "*3 $3 3-1 *0 *1 $3 1-1");
    assert_eq!(world.ask("XAUTOCLAIM s g d 0 - JUSTID"), "*3 $3 0-0 *1 $3 3-1 *0");
    assert_eq!(world.ask("XPENDING s g - + 10 d"), "*1 *4 $3 3-1 $1 d :0 :1");
    assert_eq!(world.ask("XACK s g 3-1 3-1"), ":1");
    assert_eq!(world.ask("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
}

#[test]
fn one_entry_wakes_all_who_wait_for_it() {
    let mut world = World::new();
    world.ask("XADD s 1-1 a 1");
    world.send(2, "XREAD BLOCK 0 STREAMS s none $ $");
    world.send(3, "XREAD BLOCK 1000 STREAMS s 5");
    world.turn();
    assert_eq!((world.read(2), world.read(3)), (String::new(), String::new()));
    world.ask("XADD s 2-1 a 2");
    assert_eq!(world.read(2), "*1 *2 $1 s *1 *2 $3 2-1 *2 $1 a $1 2");
    assert_eq!(world.read(3), "");
    world.wait(1_001);
    world.tick();
    assert_eq!(world.read(3), "*-1");
}

#[test]
fn a_group_s_readers_are_served_in_turn() {
    let mut world = World::new();
    world.ask("XGROUP CREATE s g 0 MKSTREAM");
    for client in [2, 3] {
        world.send(client, &format!("XREADGROUP GROUP g c{client} BLOCK 0 STREAMS s >"));
    }
    world.turn();
    world.ask("XADD s 1-1 a 1");
    assert_eq!(world.read(2), "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 1");
    assert_eq!(world.read(3), "");
    world.ask("XGROUP DESTROY s g");
    assert_eq!(world.read(3), "-NOGROUP the consumer group this client was blocked on no longer exists");
    world.ask("XGROUP CREATE s g $");
    world.send(2, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    world.turn();
    world.ask("DEL s");
    assert_eq!(world.read(2), "-UNBLOCKED the stream key no longer exists");
}

#[test]
fn a_stream_is_restored_and_copied_as_it_was() {
    let mut world = World::new();
    world
        .ask(&format!("{FILLED}XGROUP CREATE s g 0\n XREADGROUP GROUP g c COUNT 2 STREAMS s >\n XDEL s 1-1"));
    let before = world.ask("XINFO STREAM s FULL");
    world.ask("COPY s t");
    assert_eq!(world.ask("XINFO STREAM t FULL"), before);
    assert_eq!(world.ask("OBJECT ENCODING s"), "$6 stream");
    assert_eq!(world.ask("TYPE s"), "+stream");
}

#[test]
fn blanks_before_the_parts_of_an_id_are_taken() {
    check("xadd x 5-1 a 1\n xrange x \" 5\" \"\\t05- 1\"", "*1 *2 $3 5-1 *2 $1 a $1 1");
    check("xadd x \"5 -1\" a 1", "-ERR Invalid stream ID specified as stream command argument");
}

#[test]
fn a_read_without_acknowledgement_is_no_activity() {
    let script =
        "xadd x 1-1 a 1\n xgroup create x g 0\n xreadgroup group g c noack streams x >\n xinfo consumers x g";
    check(script, "*1 *8 $4 name $1 c $7 pending :0 $4 idle :0 $8 inactive :-1");
}

#[test]
fn a_file_may_set_the_last_id_below_a_deleted_entry() {
    let script = "xadd s 5-0 a 1\n xsetid s 8-0 ENTRIESADDED 2 MAXDELETEDID 10-0";
    let refused = "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
    check(script, refused);
    let mut world = World::new();
    world.apply(script).expect("a file's commands");
    assert_eq!(world.ask("xadd s 7-0 a 1"), {
        "-ERR The ID specified in XADD is equal or smaller than the target stream top item"
    });
}
