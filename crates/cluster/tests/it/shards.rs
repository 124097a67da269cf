//! Shards, names and members: what extensions tell, who moves where, what a start makes of keys in foreign slots.

use crate::world::World;
use base::{Id, Now, Random, Span, Time, Unix};
use cluster::{Act, Boot, Cluster, Event, Facts, Role};
use machine::{Address, ConnId, Dialer, Peer};
use wire::bus::{Body, Frame, Kind, Light};

fn shard(world: &mut World, node: usize) -> String {
    world.ask(node, "CLUSTER MYSHARDID")
}

#[test]
fn replicas_adopt_the_shard_and_keep_it_when_they_lead() {
    let mut world = World::cluster(41, 6);
    let of_first = shard(&mut world, 0);
    assert_eq!(shard(&mut world, 3), of_first);
    assert_ne!(shard(&mut world, 1), of_first);
    world.kill(0);
    world.run_until(Span::seconds(20), "a new primary", |world| world.is_primary(3));
    assert_eq!(shard(&mut world, 3), of_first);
    world.start(0, Facts::default());
    let third = Role::Replica(world.id(3));
    world.run_until(Span::seconds(20), "the old one follows", |world| world.role(0) == third);
    assert_eq!(shard(&mut world, 0), of_first);
}

#[test]
fn one_forget_is_enough() {
    let mut world = World::cluster(42, 6);
    let id = world.id(5);
    world.kill(5);
    assert_eq!(world.ask(0, &format!("CLUSTER FORGET {id}")), "+OK\r\n");
    world.run_until(Span::seconds(10), "all forget", |world| {
        (0..5).all(|node| world.info(node, "cluster_known_nodes") == 5)
    });
    world.run(Span::seconds(20));
    assert!((0..5).all(|node| world.info(node, "cluster_known_nodes") == 5));
}

#[test]
fn a_replica_moves_to_an_orphaned_primary() {
    let mut world = World::cluster(43, 7);
    for node in [0, 1, 2] {
        world.write(node);
    }
    world.run(Span::seconds(2));
    let orphan = world.id(1);
    world.kill(4);
    world.run_until(Span::seconds(30), "a replica of the first moves", |world| {
        [3, 6].iter().any(|node| world.role(*node) == Role::Replica(orphan))
    });
    world.run(Span::seconds(20));
    let stays = [3, 6].iter().filter(|node| world.role(**node) == Role::Replica(world.id(0))).count();
    assert_eq!(stays, 1);
    assert!(world.violations.is_empty());
}

fn now(ms: u64) -> Now {
    Now { mono: Time(Span::ms(ms).0), unix: Unix(1_700_000_000_000_000 + Span::ms(ms).0) }
}

fn logs(acts: &[Act]) -> Vec<&str> {
    acts.iter()
        .filter_map(|act| if let Act::Log { text, .. } = act { Some(text.as_str()) } else { None })
        .collect()
}

#[test]
fn keys_at_the_start_take_free_slots_and_import_foreign_ones() {
    let (me, other) = (Id::random(&mut Random::new(1)), Id::random(&mut Random::new(2)));
    let conf = format!(
        "{me} :7000@17000 myself,master - 0 0 1 connected 0-9\n\
         {other} 10.0.0.2:7000@17000 master - 0 0 2 connected 10-19\n\
         vars currentEpoch 2 lastVoteEpoch 0\n"
    );
    let boot = Boot { nodes_conf: Some(conf.as_bytes()), populated: &[5, 15, 25], ..Boot::default() };
    let mut cluster = Cluster::new(World::settings(), boot, Random::new(3)).unwrap();
    let (mut dialer, mut acts) = (Dialer::default(), vec![]);
    cluster.handle(now(1), Event::Tick, &mut dialer, &mut acts);
    let logs = logs(&acts);
    assert!(logs.contains(&"I have keys for unassigned slot 25. Taking responsibility for it."), "{logs:?}");
    assert!(logs.iter().any(|line| line.starts_with("I have keys for slot 15, but")), "{logs:?}");
    assert_eq!(cluster.owner(25), Some(cluster.my_index()));
    assert_eq!(cluster.importing().map(|(slot, _)| slot).collect::<Vec<u16>>(), [15]);
}

#[test]
fn a_light_message_is_delivered_once_its_sender_is_known() {
    let other = Id::random(&mut Random::new(2));
    let conf = format!(
        "{} :7000@17000 myself,master - 0 0 1 connected\n\
         {other} 10.0.0.2:7000@17000 master - 0 0 2 connected\n\
         vars currentEpoch 2 lastVoteEpoch 0\n",
        Id::random(&mut Random::new(1))
    );
    let boot = Boot { nodes_conf: Some(conf.as_bytes()), ..Boot::default() };
    let mut cluster = Cluster::new(World::settings(), boot, Random::new(3)).unwrap();
    let (mut dialer, mut acts) = (Dialer::default(), vec![]);
    cluster.handle(now(1), Event::Tick, &mut dialer, &mut acts);
    let inet = |last| Address::Inet([10, 0, 0, last].into(), 17_000);
    let (conn, peer) = (ConnId::inbound(7, 0), Peer { remote: inet(2), local: inet(1) });
    cluster.handle(now(2), Event::Accepted { conn, peer: &peer }, &mut dialer, &mut acts);
    let mut light = vec![];
    Light { body: Body::Publish { is_sharded: false, channel: b"c", message: b"m" } }.encode(&mut light);
    let is_delivered = |acts: &[Act]| acts.iter().any(|act| matches!(act, Act::Deliver { .. }));
    cluster.handle(now(3), Event::Frame { conn, bytes: &light }, &mut dialer, &mut acts);
    assert!(!is_delivered(&acts));
    let mut full = vec![];
    let mut frame =
        Frame::decode(include_bytes!("../../../wire/src/bus/golden/ping_valkey_9_1.bin")).unwrap();
    frame.header.sender = other;
    frame.encode(&mut full);
    cluster.handle(now(4), Event::Frame { conn, bytes: &full }, &mut dialer, &mut acts);
    cluster.handle(now(5), Event::Frame { conn, bytes: &light }, &mut dialer, &mut acts);
    assert!(is_delivered(&acts));
}

#[test]
fn who_met_us_is_heard_as_soon_as_it_is_known() {
    let other = Id::random(&mut Random::new(2));
    let conf = format!(
        "{} :7000@17000 myself,master - 0 0 1 connected\nvars currentEpoch 2 lastVoteEpoch 0\n",
        Id::random(&mut Random::new(1))
    );
    let boot = Boot { nodes_conf: Some(conf.as_bytes()), ..Boot::default() };
    let mut cluster = Cluster::new(World::settings(), boot, Random::new(3)).unwrap();
    let (mut dialer, mut acts) = (Dialer::default(), vec![]);
    let inet = |last| Address::Inet([10, 0, 0, last].into(), 17_000);
    let (inbound, peer) = (ConnId::inbound(7, 0), Peer { remote: inet(2), local: inet(1) });
    let full = |kind: Kind| {
        let golden = include_bytes!("../../../wire/src/bus/golden/ping_valkey_9_1.bin");
        let mut frame = Frame::decode(golden).unwrap();
        frame.header.sender = other;
        frame.body = Body::Gossip { kind, entries: vec![], extensions: Default::default() };
        let mut bytes = vec![];
        frame.encode(&mut bytes);
        bytes
    };
    cluster.handle(now(1), Event::Accepted { conn: inbound, peer: &peer }, &mut dialer, &mut acts);
    cluster.handle(now(2), Event::Frame { conn: inbound, bytes: &full(Kind::Meet) }, &mut dialer, &mut acts);
    cluster.handle(now(200), Event::Tick, &mut dialer, &mut acts);
    let dialled =
        acts.iter().find_map(|act| if let Act::Connect { conn, .. } = act { Some(*conn) } else { None });
    let conn = dialled.expect("who met us is dialled");
    cluster.handle(now(201), Event::Connected { conn, result: Ok(&peer) }, &mut dialer, &mut acts);
    cluster.handle(now(202), Event::Frame { conn, bytes: &full(Kind::Pong) }, &mut dialer, &mut acts);
    let mut light = vec![];
    Light { body: Body::Publish { is_sharded: true, channel: b"c", message: b"m" } }.encode(&mut light);
    cluster.handle(now(203), Event::Frame { conn: inbound, bytes: &light }, &mut dialer, &mut acts);
    assert!(acts.iter().any(|act| matches!(act, Act::Deliver { .. })));
}

#[test]
fn a_message_waits_for_a_link_that_is_being_made() {
    let conf = format!(
        "{} :7000@17000 myself,master - 0 0 1 connected\n\
         {} 10.0.0.2:7000@17000 master - 0 0 2 connected\n\
         vars currentEpoch 2 lastVoteEpoch 0\n",
        Id::random(&mut Random::new(1)),
        Id::random(&mut Random::new(2))
    );
    let boot = Boot { nodes_conf: Some(conf.as_bytes()), ..Boot::default() };
    let mut cluster = Cluster::new(World::settings(), boot, Random::new(3)).unwrap();
    let (mut dialer, mut acts) = (Dialer::default(), vec![]);
    cluster.handle(now(1), Event::Tick, &mut dialer, &mut acts);
    let dialled =
        acts.iter().find_map(|act| if let Act::Connect { conn, .. } = act { Some(*conn) } else { None });
    let conn = dialled.expect("a link is being made");
    acts.clear();
    let publish = Event::Publish { channel: b"c", message: b"hello", is_sharded: false };
    cluster.handle(now(2), publish, &mut dialer, &mut acts);
    // More than may wait is lost, as without a link.
    let huge = vec![b'x'; 2 << 20];
    let publish = Event::Publish { channel: b"c", message: &huge, is_sharded: false };
    cluster.handle(now(3), publish, &mut dialer, &mut acts);
    assert!(!acts.iter().any(|act| matches!(act, Act::Send { .. })));
    let inet = |last| Address::Inet([10, 0, 0, last].into(), 17_000);
    let peer = Peer { remote: inet(2), local: inet(1) };
    cluster.handle(now(4), Event::Connected { conn, result: Ok(&peer) }, &mut dialer, &mut acts);
    let kinds = acts.iter().filter_map(|act| match act {
        Act::Send { bytes, .. } => Some(Frame::decode(bytes.as_slice()).unwrap().body.kind()),
        _ => None,
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [Kind::Ping, Kind::Publish]);
}

#[test]
fn frames_can_be_made_to_get_lost() {
    let mut world = World::cluster(44, 6);
    // Votes do not reach the replica, whatever it does.
    assert_eq!(world.ask(4, "DEBUG DROP-CLUSTER-PACKET-FILTER 6"), "+OK\r\n");
    world.kill(1);
    world.run(Span::seconds(10));
    assert!(!world.is_primary(4));
    assert_eq!(world.ask(4, "DEBUG DROP-CLUSTER-PACKET-FILTER -1"), "+OK\r\n");
    world.run_until(Span::seconds(30), "the votes arrive", |world| world.is_primary(4));
    let id = world.id(2);
    let is_connected = |nodes: String| {
        nodes.lines().any(|line| line.starts_with(&id.to_string()) && line.contains(" connected"))
    };
    world.run_until(Span::seconds(20), "all is well", |world| is_connected(world.ask(0, "CLUSTER NODES")));
    assert_eq!(world.ask(0, &format!("DEBUG CLUSTERLINK KILL ALL {id}")), "+OK\r\n");
    assert!(world.ask(0, &format!("DEBUG CLUSTERLINK KILL UP {id}")).starts_with("-ERR Unknown direction"));
    world.run_until(Span::seconds(10), "the link is back", |world| {
        is_connected(world.ask(0, "CLUSTER NODES"))
    });
}
