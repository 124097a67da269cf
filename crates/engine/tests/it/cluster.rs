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
