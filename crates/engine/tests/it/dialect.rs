//! What differs between the two manners of speaking (`extended-redis-compatibility`), and what newer servers have beyond.

use crate::world::World;

fn valkey(config: &str) -> World {
    World::with(&format!("extended-redis-compatibility no\n{config}"), false)
}

#[test]
fn a_nested_multi_breaks_the_transaction_in_valkey_alone() {
    let script = "multi\n multi\n set a 1\n exec";
    let told = World::new().ask(script);
    assert_eq!(told, "+OK -ERR MULTI calls can not be nested +QUEUED *1 +OK");
    let told = valkey("").ask(script);
    let refused = "-ERR Command 'multi' not allowed inside a transaction";
    assert_eq!(
        told,
        format!("+OK {refused} +QUEUED -EXECABORT Transaction discarded because of previous errors.")
    );
}

#[test]
fn small_lists_are_listpacks_in_valkey() {
    let script = "rpush l a b\n object encoding l";
    assert_eq!(World::new().ask(script), ":2 $9 quicklist");
    assert_eq!(valkey("").ask(script), ":2 $8 listpack");
    let script = "rpush l a b c d e\n object encoding l\n ltrim l 0 0\n object encoding l";
    assert_eq!(valkey("list-max-listpack-size 4").ask(script), ":5 $9 quicklist +OK $8 listpack");
}

#[test]
fn the_name_is_that_of_who_it_speaks_as() {
    assert!(World::new().ask("hello 2").starts_with("*14 $6 server $5 redis $7 version $5 7.2"));
    assert!(valkey("").ask("hello 2").starts_with("*14 $6 server $6 valkey $7 version $5 9.1"));
    assert!(valkey("availability-zone here").ask("hello 2").ends_with("$17 availability_zone $4 here"));
}

#[test]
fn the_stream_says_unlink_where_it_is_asked_for() {
    let script = "set a 1\n pexpire a -1";
    for (config, word) in [("", "DEL"), ("lazyfree-lazy-expire yes", "UNLINK")] {
        let mut world = World::with(config, false);
        world.ask(script);
        let stream = world.fed();
        assert!(stream.contains(&format!("{word} $1 a")), "{stream}");
    }
}

#[test]
fn in_import_mode_nothing_ends_by_itself() {
    let mut world = World::with("import-mode yes", false);
    assert_eq!(world.ask("set a 1\n pexpire a 5"), "+OK :1");
    world.wait(10);
    assert_eq!(world.ask("get a\n dbsize"), "$-1 :1");
    assert_eq!(world.ask("client import-source on\n get a"), "+OK $1 1");
    assert_eq!(
        world.ask("client import-source off\n config set import-mode no\n get a\n dbsize"),
        "+OK +OK $-1 :0"
    );
    assert_eq!(world.ask("client import-source on"), "-ERR Server is not in import mode");
}

#[test]
fn filters_of_clients_take_the_last_of_a_kind() {
    let mut world = World::new();
    world.ask("client setname one\n client capa redirect");
    let list = world.ask("client list name other name one");
    assert!(list.contains("name=one") && list.contains("capa=r") && list.contains("tot-cmds="), "{list}");
    assert!(!world.ask("client list name one name other").contains("name=one"));
    assert!(!world.ask("client list not-capa r").contains("name=one"));
}

#[test]
fn a_bound_that_is_set_later_holds_for_open_connections() {
    let mut world = World::new();
    world.ask("config set client-query-buffer-limit 2mb");
    let is_told = |output: &machine::Output| matches!(output, machine::Output::Frame { .. });
    assert!(world.other.iter().any(is_told), "{:?}", world.other);
}

#[test]
fn no_last_id_goes_below_a_deleted_entry_in_valkey() {
    let deleted = "xadd s 5-0 a 1\n xadd s 10-0 a 1\n xdel s 10-0";
    let script = format!("{deleted}\n xsetid s 8-0\n xadd s 9-0 a 1");
    assert_eq!(World::new().ask(&script), "$3 5-0 $4 10-0 :1 +OK $3 9-0");
    assert_eq!(
        valkey("").ask(&script),
        "$3 5-0 $4 10-0 :1 \
         -ERR The ID specified in XSETID is smaller than current max_deleted_entry_id \
         -ERR The ID specified in XADD is equal or smaller than the target stream top item"
    );
    assert_eq!(valkey("").ask(&format!("{deleted}\n xsetid s 10-0")), "$3 5-0 $4 10-0 :1 +OK");
    // What a primary has done is done here, too.
    let mut replica = valkey("");
    replica.apply(&script).expect("a primary's stream");
    assert_eq!(replica.ask("xlen s"), ":2");
}
