//! Routing of requests by slot.

use crate::world::World;
use base::Id;
use engine::{MYSELF, NOBODY, Slot};

/// Slots 0-8191 are ours, the others those of a node at 10.0.0.2:7002.
fn clustered() -> World {
    let mut world = World::with("", true);
    let routes = &mut world.engine.shared.routes;
    routes.ok = true;
    let other = routes.node(Id::random(&mut base::Random::new(9)), "10.0.0.2:7002");
    for slot in 0..16_384 {
        let owner = if slot < 8_192 { MYSELF } else { other };
        routes.set_slot(slot, Slot { owner, ..Slot::FREE });
    }
    world
}

#[test]
fn requests_go_to_the_owner_of_their_slot() {
    let mut world = clustered();
    // foo is in slot 12182, bar in 5061.
    assert_eq!(world.ask("set bar 1"), "+OK");
    assert_eq!(world.ask("get foo"), "-MOVED 12182 10.0.0.2:7002");
    assert_eq!(world.ask("mget foo bar"), "-CROSSSLOT Keys in request don't hash to the same slot");
    assert_eq!(world.ask("mget {bar}1 bar"), "*2 $-1 $1 1");
    assert_eq!(
        world.ask("multi\n get foo\n exec"),
        "+OK -MOVED 12182 10.0.0.2:7002 -EXECABORT Transaction discarded because of previous errors."
    );
    assert_eq!(world.ask("cluster keyslot foo\n cluster countkeysinslot 5061"), ":12182 :1");
    assert_eq!(world.ask("select 1"), "-ERR SELECT is not allowed in cluster mode");
}

#[test]
fn a_slot_that_moves_asks() {
    let mut world = clustered();
    world.ask("set bar 1");
    let routes = &mut world.engine.shared.routes;
    routes.set_slot(5_061, Slot { owner: MYSELF, migrating_to: 1, importing_from: NOBODY });
    assert_eq!(world.ask("get bar"), "$1 1");
    assert_eq!(world.ask("get {bar}2"), "-ASK 5061 10.0.0.2:7002");
    world.ask("set bar 1 px 5");
    assert_eq!(world.ask("get bar"), "$1 1");
    world.wait(6);
    assert_eq!(world.ask("get bar"), "-ASK 5061 10.0.0.2:7002", "past its time, it is not here");
    world.engine.shared.routes.set_slot(5_061, Slot { owner: MYSELF, ..Slot::FREE });
    world.ask("set bar 1");
    let routes = &mut world.engine.shared.routes;
    routes.set_slot(5_061, Slot { owner: MYSELF, migrating_to: 1, importing_from: NOBODY });
    assert_eq!(world.ask("mget bar {bar}2"), "-TRYAGAIN Multiple keys request during rehashing of slot");
    let routes = &mut world.engine.shared.routes;
    routes.set_slot(12_182, Slot { owner: 1, migrating_to: NOBODY, importing_from: 1 });
    assert_eq!(world.ask("set foo 1"), "-MOVED 12182 10.0.0.2:7002");
    assert_eq!(world.ask("asking\n set foo 1\n get foo"), "+OK +OK -MOVED 12182 10.0.0.2:7002");
}

#[test]
fn a_cluster_that_is_down_says_so() {
    let mut world = clustered();
    world.engine.shared.routes.ok = false;
    assert_eq!(world.ask("get bar"), "-CLUSTERDOWN The cluster is down");
    world.engine.shared.routes.reads_when_down = true;
    assert_eq!(world.ask("get bar"), "$-1");
    assert_eq!(world.ask("set bar 1"), "-CLUSTERDOWN The cluster is down and only accepts read commands");
    world.engine.shared.routes.set_slot(5_061, Slot::FREE);
    assert_eq!(world.ask("get bar"), "-CLUSTERDOWN Hash slot not served");
}

#[test]
fn a_replica_reads_for_those_who_ask_for_it() {
    let mut world = clustered();
    world.engine.shared.routes.primary = 1;
    world.engine.shared.standing.is_replica = true;
    world.engine.shared.standing.link_up = true;
    assert_eq!(world.ask("get foo"), "-MOVED 12182 10.0.0.2:7002");
    assert_eq!(world.ask("readonly\n get foo\n set foo 1"), "+OK $-1 -MOVED 12182 10.0.0.2:7002");
    assert_eq!(world.ask("readwrite\n get foo"), "+OK -MOVED 12182 10.0.0.2:7002");
}

#[test]
fn a_walk_goes_over_the_slots_and_to_the_next_owner() {
    let mut world = clustered();
    world.ask("set bar 1\n set {bar}2 1\n set b 1\n hset {b}h f v");
    // The first cursor is in a slot as a key would be.
    assert_eq!(world.ask("clusterscan 0"), "-MOVED 13907 10.0.0.2:7002");
    // All of ours at once, then the first slot of the other node.
    let page = world.ask("clusterscan 0-{06S}-0 count 100");
    assert!(page.starts_with(&format!("*2 $9 0-{}-0 *4", tag(8192))), "{page}");
    assert_eq!(world.ask(&format!("clusterscan 0-{}-0", tag(8192))), "-MOVED 8192 10.0.0.2:7002");
    assert_eq!(
        world.ask("clusterscan 0-{06S}-0 count 100 type hash match *h"),
        format!("*2 $9 0-{}-0 *1 $4 {{b}}h", tag(8192))
    );
    // In steps: each key once, and a cursor of another process starts its slot anew.
    let (mut cursor, mut found, mut foreign) = (String::from("0-{06S}-0"), 0, String::new());
    while !cursor.starts_with(&format!("0-{}", tag(8192))) {
        let page = world.ask(&format!("clusterscan {cursor} count 1"));
        let words: Vec<&str> = page.split_whitespace().collect();
        cursor = words[2].into();
        found += (words.len() - 4) / 2;
        if foreign.is_empty() {
            foreign = cursor.clone();
        }
    }
    assert_eq!(found, 4);
    assert_ne!(world.ask(&format!("clusterscan x{foreign} count 100")), "-ERR Invalid cursor");
    for (script, refusal) in [
        ("clusterscan x", "-MOVED"),
        ("clusterscan 00", "-MOVED"),
        ("clusterscan {06S}", "-ERR Invalid cursor"),
        ("clusterscan 0-{06S}-", "-ERR Invalid cursor"),
        ("clusterscan 0-{06S}-x", "-ERR Invalid cursor"),
        ("clusterscan 0-{06S}--1", "-ERR Invalid cursor"),
        ("clusterscan 0-{06S}x-+00", "*2"),
        ("clusterscan 0-{06S}-0 slot 0 slot 0", "-ERR SLOT option can only be specified once"),
        ("clusterscan 0-{06S}-0 count x slot x", "-ERR value is not an integer or out of range"),
        ("clusterscan 0-{06S}-0 type foo slot x", "-ERR unknown type name 'foo'"),
        ("clusterscan 0-{06S}-0 type list novalues", "-ERR NOVALUES option can only be used in HSCAN"),
        ("clusterscan 0-{06S}-0 slot 1", "-ERR Cursor slot mismatch with SLOT argument"),
        ("clusterscan 0-{06S}-0 slot 16384", "-ERR Invalid or out of range slot"),
        ("clusterscan 0-{06S}-0 type foo", "-ERR unknown type name 'foo'"),
        ("clusterscan 0-{06S}-0 count 0", "-ERR syntax error"),
    ] {
        let reply = world.ask(script);
        assert!(reply.starts_with(refusal), "{script}: {reply}");
    }
    assert_eq!(World::new().ask("clusterscan 0"), "-ERR This instance has cluster support disabled");
}

/// A slot as a cursor has it.
fn tag(slot: u16) -> String {
    format!("{{{}}}", base::crc16::text_of(slot))
}

#[test]
fn a_cluster_may_have_several_databases() {
    let mut world = World::with("cluster-databases 3", true);
    let routes = &mut world.engine.shared.routes;
    routes.ok = true;
    (0..16_384).for_each(|slot| routes.set_slot(slot, Slot { owner: MYSELF, ..Slot::FREE }));
    assert_eq!(world.ask("select 2\n set bar 1\n copy bar {bar}1 db 1\n move bar 0"), "+OK +OK :1 :1");
    assert_eq!(world.ask("select 3"), "-ERR DB index is out of range");
    assert_eq!(world.ask("swapdb 0 1"), "-ERR SWAPDB is not allowed in cluster mode");
    assert_eq!(world.ask("cluster countkeysinslot 5061\n cluster getkeysinslot 5061 9"), ":0 *0");
    assert_eq!(
        world.ask("select 1\n cluster countkeysinslot 5061\n cluster getkeysinslot 5061 9"),
        "+OK :1 *1 $6 {bar}1"
    );
    assert_eq!(world.engine.shared.keyspace.slot_len(5061), 2);
    // Of a slot that moves, the keys of the selected database are looked at.
    let routes = &mut world.engine.shared.routes;
    let other = routes.node(Id::random(&mut base::Random::new(9)), "10.0.0.2:7002");
    routes.set_slot(5061, Slot { owner: MYSELF, migrating_to: other, ..Slot::FREE });
    assert_eq!(world.ask("get bar\n get {bar}1"), "-ASK 5061 10.0.0.2:7002 $1 1");
    assert_eq!(world.ask("clusterscan 0"), "*2 $9 0-{06S}-0 *0");
    let start = format!("0-{}-0", tag(5061));
    assert_eq!(world.ask("clusterscan 0 slot 5061"), format!("*2 ${} {start} *0", start.len()));
    assert_eq!(world.ask("clusterscan 0-{06S}-0 count 9"), "*2 $1 0 *1 $6 {bar}1");
    assert_eq!(world.ask("select 2\n clusterscan 0-{06S}-0 count 9"), "+OK *2 $1 0 *0");
}
