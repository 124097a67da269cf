//! Random faults from a seed; then all is healed and must settle. A lying disk must be caught.

use crate::world::World;
use base::{Random, Span};
use cluster::Facts;

/// Runs faults for a while. Returns the world as it is then.
fn storm(seed: u64, lies: bool) -> World {
    let mut chance = Random::new(seed ^ 0x5eed);
    let mut world = World::cluster(seed, 6 + 3 * (seed % 2) as usize);
    world.lies = lies;
    let count = world.hosts.len();
    let mut kept: Vec<Facts> = vec![Facts::default(); count];
    for _ in 0..25 {
        world.run(Span::ms(chance.between(10, 1_500)));
        let node = chance.below(count as u64) as usize;
        match (chance.below(8), world.hosts[node].is_some()) {
            (0..=2, true) => {
                kept[node] = world.host(node).facts;
                world.kill(node);
            }
            (0..=3, false) => {
                let facts = if chance.chance(1, 3) { Facts::default() } else { kept[node] };
                world.start(node, Facts { heard_at: None, is_link_up: false, ..facts });
            }
            (4, _) => world.isolate(node),
            (5, _) => world.cut_one_way(node, chance.below(count as u64) as usize),
            (6, true) if world.is_primary(node) => world.write(node),
            (7, true) => {
                let how = ["", " FORCE"][chance.below(2) as usize];
                // Refusals are part of the storm.
                let _ = world.ask(node, &format!("CLUSTER FAILOVER{how}"));
            }
            (_, _) => world.heal(),
        }
    }
    world.heal();
    for (node, facts) in kept.into_iter().enumerate() {
        if world.hosts[node].is_none() {
            world.start(node, Facts { heard_at: None, is_link_up: false, ..facts });
        }
    }
    world
}

#[test]
fn nobody_votes_twice_and_all_settles_after_a_storm() {
    for seed in 0..25 {
        let mut world = storm(seed, false);
        world
            .run_until(Span::seconds(60), &format!("settled, seed {seed}"), |world| World::is_settled(world));
        assert!(world.violations.is_empty(), "seed {seed}: {:?}", world.violations);
    }
}

/// The mutation: the disk says "done" and loses the write at the crash. The checker must see its consequence.
#[test]
fn a_lost_vote_is_a_double_vote() {
    let found = (0..400).any(|seed| !lying_voters(seed).violations.is_empty());
    assert!(found, "the checker of votes sees nothing");
    let honest = (0..40).all(|seed| voters(seed, false).violations.is_empty());
    assert!(honest);
}

fn lying_voters(seed: u64) -> World {
    voters(seed, true)
}

/// Two replicas of one shard ask at nearly one time, and the voters crash right after they have voted.
fn voters(seed: u64, lies: bool) -> World {
    let mut chance = Random::new(seed);
    let mut world = World::cluster(seed % 8, 9);
    world.lies = lies;
    // The two candidates do not hear of each other's epoch.
    world.cut(3, 6);
    world.kill(0);
    world.run(Span::ms(chance.between(100, 300)));
    let _ = world.ask(3, "CLUSTER FAILOVER FORCE");
    world.run(Span::us(chance.between(300, 30_000)));
    for voter in [1, 2] {
        let facts = world.host(voter).facts;
        world.kill(voter);
        world.start(voter, facts);
    }
    // The first candidate must not spread its epoch.
    world.isolate(3);
    world.run(Span::ms(chance.between(5, 400)));
    let _ = world.ask(6, "CLUSTER FAILOVER FORCE");
    world.run(Span::seconds(1));
    world
}

/// Damaged frames that still decode say wrong things: that may confuse a cluster, and must not stop a machine.
#[test]
fn damaged_frames_do_not_stop_a_machine() {
    for seed in 0..15 {
        let mut world = World::cluster(seed, 6);
        world.garbles = true;
        for _ in 0..10 {
            world.run(Span::seconds(1));
            let _ = world.ask((seed % 6) as usize, "CLUSTER FAILOVER FORCE");
        }
        assert!((0..6).all(|node| world.ask(node, "CLUSTER NODES").contains("myself")));
    }
}

/// Frames of bytes that nobody meant: a stranger's connection is closed, and nothing else happens.
#[test]
fn garbage_closes_its_connection() {
    use cluster::{Act, Event};
    use machine::{Address, ConnId, Dialer, Peer};
    let mut world = World::cluster(1, 3);
    let now = world.now();
    let cluster = &mut world.hosts[0].as_mut().unwrap().cluster;
    let (mut dialer, mut acts) = (Dialer::default(), vec![]);
    let conn = ConnId::inbound(99, 9);
    let address = Address::Inet([10, 9, 9, 9].into(), 5);
    let peer = Peer { remote: address.clone(), local: address };
    cluster.handle(now, Event::Accepted { conn, peer: &peer }, &mut dialer, &mut acts);
    cluster.handle(now, Event::Frame { conn, bytes: b"RCmb\0\0\0\x10garbage!" }, &mut dialer, &mut acts);
    assert!(acts.iter().any(|act| matches!(act, Act::Close { conn: closed } if *closed == conn)));
    assert!(!acts.iter().any(|act| matches!(act, Act::RoutesChanged | Act::SaveConf { .. })));
}
