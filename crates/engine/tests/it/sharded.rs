//! Sharded channels: routed like keys, served by the whole shard, ended when their slot leaves it.

use crate::world::World;
use base::Id;
use engine::{MYSELF, NOBODY, Slot};

/// A node that owns every slot; `foo` lies in 12182, `bar` in 5061.
fn clustered() -> World {
    let mut world = World::with("", true);
    let routes = &mut world.engine.shared.routes;
    routes.ok = true;
    routes.node(Id::random(&mut base::Random::new(9)), "10.0.0.2:7002");
    (0..16_384).for_each(|slot| routes.set_slot(slot, Slot { owner: MYSELF, ..Slot::FREE }));
    world
}

#[test]
fn messages_reach_subscribers_of_the_channel_alone() {
    let mut world = World::new();
    world.send(2, "ssubscribe ch\n subscribe ch");
    world.send(3, "psubscribe *");
    world.turn();
    assert_eq!(world.read(2), "*3 $10 ssubscribe $2 ch :1 *3 $9 subscribe $2 ch :1");
    world.read(3);
    assert_eq!(world.ask("spublish ch hi"), ":1");
    assert_eq!(world.read(2), "*3 $8 smessage $2 ch $2 hi");
    assert_eq!(world.read(3), "");
    assert_eq!(world.fed(), "*2 $6 SELECT $1 0 *3 $8 spublish $2 ch $2 hi");
    assert_eq!(world.ask("pubsub shardnumsub ch none"), "*4 $2 ch :1 $4 none :0");
    world.send(2, "sunsubscribe");
    world.turn();
    assert_eq!(world.read(2), "*3 $12 sunsubscribe $2 ch :0");
    assert_eq!(world.ask("pubsub shardchannels"), "*0");
}

#[test]
fn channels_are_routed_like_keys() {
    let mut world = clustered();
    let routes = &mut world.engine.shared.routes;
    routes.set_slot(5_061, Slot { owner: 1, ..Slot::FREE });
    assert_eq!(world.ask("ssubscribe bar"), "-MOVED 5061 10.0.0.2:7002");
    assert_eq!(world.ask("spublish bar x"), "-MOVED 5061 10.0.0.2:7002");
    assert_eq!(world.ask("ssubscribe foo bar"), "-CROSSSLOT Keys in request don't hash to the same slot");
    assert_eq!(world.ask("spublish foo x"), ":0");
    // A slot that moves away is served until it has: a channel is nothing that could be missing.
    let routes = &mut world.engine.shared.routes;
    routes.set_slot(12_182, Slot { owner: MYSELF, migrating_to: 1, importing_from: NOBODY });
    assert_eq!(world.ask("spublish foo x"), ":0");
    // A replica serves its shard's channels without READONLY.
    world.engine.shared.routes.primary = 1;
    assert_eq!(world.ask("ssubscribe bar"), "*3 $10 ssubscribe $3 bar :1");
}

#[test]
fn a_cluster_that_is_down_serves_channels_unless_told_otherwise() {
    let mut world = clustered();
    world.engine.shared.routes.ok = false;
    assert_eq!(world.ask("spublish foo x"), ":0");
    world.engine.shared.routes.pubsub_when_down = false;
    assert_eq!(world.ask("spublish foo x"), "-CLUSTERDOWN The cluster is down");
}

#[test]
fn subscriptions_end_when_the_slot_leaves_the_shard() {
    let mut world = clustered();
    world.send(2, "ssubscribe foo{bar} bar");
    world.send(3, "ssubscribe foo");
    world.turn();
    world.read(2);
    world.read(3);
    // A failover within the shard: the other node leads, this one follows it.
    let routes = &mut world.engine.shared.routes;
    routes.primary = 1;
    routes.set_slot(5_061, Slot { owner: 1, ..Slot::FREE });
    world.engine.on_routes(&mut world.out);
    world.turn();
    assert_eq!(world.read(2), "");
    // The slot is another shard's.
    world.engine.shared.routes.primary = NOBODY;
    world.engine.on_routes(&mut world.out);
    world.turn();
    let told = "*3 $12 sunsubscribe $3 bar :1 *3 $12 sunsubscribe $8 foo{bar} :0";
    assert_eq!(world.read(2), told);
    assert_eq!(world.read(3), "");
    world.send(2, "get foo");
    world.turn();
    assert_eq!(world.read(2), "$-1");
}
