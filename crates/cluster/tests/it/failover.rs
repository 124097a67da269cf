//! Failovers: after a kill, after a cut, and by the operator's hand.

use crate::world::World;
use base::{Id, Span};
use cluster::{Facts, Role};

#[test]
fn a_killed_primary_is_replaced_in_time() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        world.write(0);
        world.run(Span::ms(100 + 37 * seed));
        world.kill(0);
        let took = world.run_until(Span::ms(2_800), "promoted", |world| world.is_primary(3));
        println!("seed {seed}: promoted after {} ms", took.as_ms());
        world.run_until(Span::ms(200), "settled", |world| World::is_settled(world));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn a_silent_primary_is_replaced_in_time() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        world.write(0);
        world.run(Span::ms(100 + 131 * seed));
        world.isolate(0);
        world.run_until(Span::ms(2_800), "promoted", |world| world.is_primary(3));
        world.run(Span::seconds(1));
        assert_eq!(world.serving(0), cluster::Serving::Down, "the minority must not serve");
        world.heal();
        let new = world.id(3);
        world
            .run_until(Span::seconds(10), "the old one follows", |world| world.role(0) == Role::Replica(new));
        world.run_until(Span::seconds(10), "settled", |world| World::is_settled(world));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn the_old_primary_comes_back_as_a_replica() {
    let mut world = World::cluster(30, 6);
    world.write(0);
    world.run(Span::ms(100));
    let facts = world.host(0).facts;
    world.kill(0);
    world.run_until(Span::ms(2_800), "promoted", |world| world.is_primary(3));
    world.run(Span::seconds(10));
    world.start(0, facts);
    let new = world.id(3);
    world.run_until(Span::seconds(2), "follows", |world| world.role(0) == Role::Replica(new));
    world.run_until(Span::seconds(5), "settled", |world| World::is_settled(world));
    assert!(world.violations.is_empty());
}

#[test]
fn the_replica_with_more_data_wins() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 9);
        world.cut(0, 3);
        world.write(0);
        world.run(Span::ms(500));
        world.kill(0);
        world.heal();
        world.run_until(Span::seconds(5), "promoted", |world| world.is_primary(6) || world.is_primary(3));
        assert!(world.is_primary(6), "seed {seed}: node 6 has the write");
        let new = world.id(6);
        world.run_until(Span::seconds(5), "sibling follows", |world| world.role(3) == Role::Replica(new));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn two_equal_replicas_do_not_split_the_vote() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 9);
        world.write(0);
        world.run(Span::seconds(1));
        world.kill(0);
        let took =
            world.run_until(Span::ms(4_000), "promoted", |world| world.is_primary(3) || world.is_primary(6));
        println!("seed {seed}: promoted after {} ms", took.as_ms());
        world.run_until(Span::seconds(3), "settled", |world| World::is_settled(world));
    }
}

#[test]
fn two_shards_fail_over_one_after_the_other() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        world.kill(0);
        world.run_until(Span::seconds(3), "first", |world| world.is_primary(3));
        world.run(Span::ms(50 * seed));
        world.kill(1);
        world.run_until(Span::seconds(20), "second", |world| world.is_primary(4));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn a_manual_failover_waits_for_the_offset() {
    let mut world = World::cluster(40, 6);
    world.write(0);
    assert_eq!(world.ask(3, "CLUSTER FAILOVER"), "+OK\r\n");
    let took = world.run_until(Span::ms(500), "promoted", |world| world.is_primary(3));
    println!("manual failover took {} ms", took.as_ms());
    assert_eq!(world.host(3).facts.data_offset, world.host(0).facts.data_offset);
    let new = world.id(3);
    world.run_until(Span::ms(300), "demoted", |world| world.role(0) == Role::Replica(new));
    assert!(!world.host(0).paused, "clients go on");
    assert!(world.violations.is_empty());
}

#[test]
fn a_forced_failover_needs_no_primary() {
    let mut world = World::cluster(41, 6);
    world.kill(0);
    world.run(Span::ms(300));
    assert!(world.ask(3, "CLUSTER FAILOVER").starts_with("-ERR Master is down or failed"));
    assert_eq!(world.ask(3, "CLUSTER FAILOVER FORCE"), "+OK\r\n");
    world.run_until(Span::ms(300), "promoted", |world| world.is_primary(3));
}

#[test]
fn a_takeover_needs_nobody() {
    let mut world = World::cluster(42, 6);
    (0..3).for_each(|node| world.kill(node));
    world.run(Span::seconds(4));
    assert!(!world.is_primary(3));
    assert_eq!(world.ask(3, "CLUSTER FAILOVER TAKEOVER"), "+OK\r\n");
    assert!(world.is_primary(3));
}

#[test]
fn a_replica_with_old_data_does_not_lead() {
    let mut world = World::cluster(43, 6);
    world.cut(0, 3);
    world.run(Span::seconds(60));
    world.kill(0);
    world.run(Span::seconds(20));
    assert!(!world.is_primary(3));
}

#[test]
fn all_restarted_nodes_are_what_they_were() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        (0..3).for_each(|node| world.write(node));
        world.run(Span::seconds(1));
        let before: Vec<(Role, u64)> =
            (0..6).map(|node| (world.role(node), world.info(node, "cluster_my_epoch"))).collect();
        let facts: Vec<Facts> = (0..6).map(|node| world.host(node).facts).collect();
        (0..6).for_each(|node| world.kill(node));
        world.run(Span::seconds(1));
        for (node, facts) in facts.into_iter().enumerate() {
            world.start(node, Facts { is_link_up: false, heard_at: None, ..facts });
        }
        let took = world.run_until(Span::seconds(3), "settled", |world| World::is_settled(world));
        println!("seed {seed}: all back after {} ms", took.as_ms());
        world.run(Span::seconds(5));
        let after: Vec<(Role, u64)> =
            (0..6).map(|node| (world.role(node), world.info(node, "cluster_my_epoch"))).collect();
        assert_eq!(before, after, "seed {seed}");
        assert!(world.violations.is_empty());
    }
}

/// A slot that is imported stays so while its owner fails over; nobody must be without an owner for it afterwards.
#[test]
fn an_import_outlives_a_failover_of_its_source() {
    for takeover in [false, true] {
        let mut world = World::cluster(23, 6);
        let (source, target) = (0, 1);
        let id = world.id(source);
        assert_eq!(world.ask(target, &format!("CLUSTER SETSLOT 0 IMPORTING {id}")), "+OK\r\n");
        if takeover {
            assert_eq!(world.ask(3, "CLUSTER FAILOVER TAKEOVER"), "+OK\r\n");
        } else {
            world.kill(source);
            world.run_until(Span::seconds(10), "the replica leads", |world| world.is_primary(3));
            world.start(source, Facts::default());
        }
        world.run_until(Span::seconds(20), "all are content", |world| {
            !world.is_primary(source) && World::is_settled(world)
        });
        let importing: Vec<_> = world.host(target).cluster.importing().map(|(slot, _)| slot).collect();
        assert_eq!(importing, [0], "takeover {takeover}");
        assert_eq!(world.info(target, "cluster_slots_assigned"), 16_384, "takeover {takeover}");
        let (slots, heir) = (world.ask(target, "CLUSTER NODES"), world.id(3));
        assert!(slots.contains(&format!("[0-<-{heir}]")), "{slots}");
    }
}

/// A node that was away while a primary lost its slots and then took over another shard: the newer epoch of that one
/// must not hold the slots that it does not claim any more.
#[test]
fn slots_that_their_owner_does_not_claim_go_to_who_does() {
    let mut world = World::cluster(29, 6);
    world.kill(5);
    assert_eq!(world.ask(3, "CLUSTER FAILOVER TAKEOVER"), "+OK\r\n");
    world.run_until(Span::seconds(10), "the old primary follows", |world| !world.is_primary(0));
    let other = world.id(2);
    assert_eq!(world.ask(0, &format!("CLUSTER REPLICATE {other}")), "+OK\r\n");
    world.run(Span::seconds(1));
    assert_eq!(world.ask(0, "CLUSTER FAILOVER TAKEOVER"), "+OK\r\n");
    world.run_until(Span::seconds(10), "the other primary follows", |world| !world.is_primary(2));
    world.start(5, Facts::default());
    world.run_until(Span::seconds(20), "all are content", |world| World::is_settled(world));
    let heir = world.id(3);
    world.run_until(Span::seconds(5), "all see the heir", |world| {
        (0..6).all(|node| {
            let cluster = &world.host(node).cluster;
            let owner = cluster.owner(0).and_then(|owner| cluster.endpoint(owner));
            owner.is_some_and(|owner| owner.id == heir)
        })
    });
    assert!(world.violations.is_empty(), "{:?}", world.violations);
}

/// A slot goes to another primary, and its old primary dies before its replica has heard of that: the replica takes the
/// slot with the others, under a newer epoch. The keys are where the slot was for that moment, and nowhere else.
#[test]
fn keys_of_a_slot_that_is_taken_back_are_kept() {
    let mut world = World::cluster(31, 6);
    let (source, target, replica) = (0, 1, 3);
    let id = world.id(source);
    world.cut(replica, target);
    world.cut(replica, source);
    assert_eq!(world.ask(target, &format!("CLUSTER SETSLOT 0 IMPORTING {id}")), "+OK\r\n");
    let id = world.id(target);
    assert_eq!(world.ask(target, &format!("CLUSTER SETSLOT 0 NODE {id}")), "+OK\r\n");
    let host = world.hosts[target].as_mut().unwrap();
    (host.populated, host.facts.is_empty) = (vec![0], false);
    world.run_until(Span::seconds(5), "the source hears of it", |world| {
        !world.ask(source, "CLUSTER NODES").contains(" 0-5460")
    });
    world.kill(source);
    world.heal();
    // Its epoch is taken without a vote, as the target's was: they may collide for a moment.
    assert_eq!(world.ask(replica, "CLUSTER FAILOVER TAKEOVER"), "+OK\r\n");
    let heir = world.id(replica);
    world.run_until(Span::seconds(20), "the slot is imported back", |world| {
        world.ask(target, "CLUSTER NODES").contains(&format!("[0-<-{heir}]"))
    });
    world.start(source, Facts::default());
    world.run_until(Span::seconds(20), "all are content", |world| World::is_settled(world));
    assert!(world.is_primary(target));
}

/// The last slots of a primary go to another shard: it follows the new owner only when it has no keys left.
#[test]
fn a_primary_with_keys_does_not_follow_who_took_its_last_slot() {
    for has_keys in [false, true] {
        let mut world = World::cluster(37, 6);
        let host = world.hosts[0].as_mut().unwrap();
        (host.populated, host.facts.is_empty) = (if has_keys { vec![7] } else { vec![] }, !has_keys);
        let (from, to) = (world.id(0), world.id(1));
        for (node, action) in [(0, "DEL"), (1, "DEL"), (1, "ADD")] {
            assert_eq!(world.ask(node, &format!("CLUSTER {action}SLOTSRANGE 0 6 8 5460")), "+OK\r\n");
        }
        assert_eq!(world.ask(1, &format!("CLUSTER SETSLOT 7 IMPORTING {from}")), "+OK\r\n");
        assert_eq!(world.ask(1, &format!("CLUSTER SETSLOT 7 NODE {to}")), "+OK\r\n");
        world.run_until(Span::seconds(20), "all are content", |world| World::is_settled(world));
        world.run(Span::seconds(2));
        assert_eq!(world.is_primary(0), has_keys);
        assert_eq!(world.ask(0, "CLUSTER NODES").contains(&format!("[7-<-{to}]")), has_keys);
    }
}

/// Both ends of a move fail over while it goes on: the replicas that take over know of it, and each end hears who the
/// other is now.
#[test]
fn a_move_outlives_failovers_of_both_ends() {
    for dies_first in [0, 1] {
        let mut world = World::cluster(41, 6);
        let (source, target) = (world.id(0), world.id(1));
        world.set_slot(1, &[4], &format!("7 IMPORTING {source}"));
        world.set_slot(0, &[3], &format!("7 MIGRATING {target}"));
        // A move that ends is no move any more at a replica either.
        world.set_slot(0, &[3], &format!("8 MIGRATING {target}"));
        world.set_slot(0, &[3], "8 STABLE");
        for node in [dies_first, 1 - dies_first] {
            world.kill(node);
            world.run_until(Span::seconds(10), "the replica leads", |world| world.is_primary(node + 3));
            world.start(node, Facts::default());
            world.run_until(Span::seconds(20), "all are content", |world| {
                !world.is_primary(node) && World::is_settled(world)
            });
        }
        let moves = |world: &World, node: usize| -> Vec<(u16, &'static str, Id)> {
            world.host(node).cluster.moves().collect()
        };
        assert_eq!(moves(&world, 3), [(7, "MIGRATING", world.id(4))], "{dies_first}");
        assert_eq!(moves(&world, 4), [(7, "IMPORTING", world.id(3))], "{dies_first}");
        assert!(moves(&world, 0).is_empty() && moves(&world, 1).is_empty());
        let id = world.id(4);
        world.set_slot(4, &[1], &format!("7 NODE {id}"));
        world.set_slot(3, &[0], &format!("7 NODE {id}"));
        world.run_until(Span::seconds(10), "all see the new owner", |world| {
            (0..6).all(|node| {
                let cluster = &world.host(node).cluster;
                let owner = cluster.owner(7).and_then(|owner| cluster.endpoint(owner));
                cluster.moves().count() == 0 && owner.is_some_and(|owner| owner.id == id)
            })
        });
        assert!(world.violations.is_empty(), "{:?}", world.violations);
    }
}

/// Right after a replica's start its link to the primary is only coming up, or what it sends is lost: the primary is asked
/// to pause until it says that it has.
#[test]
fn a_manual_failover_right_after_a_start_succeeds() {
    let mut world = World::cluster(43, 6);
    world.kill(3);
    world.run(Span::ms(300));
    world.start(3, Facts { is_link_up: true, ..Facts::default() });
    assert_eq!(world.ask(3, "CLUSTER FAILOVER"), "+OK\r\n");
    world.run_until(Span::seconds(2), "the replica leads", |world| world.is_primary(3));

    world.run_until(Span::seconds(5), "the former primary follows", |world| !world.is_primary(0));
    world.cut_one_way(0, 3);
    assert_eq!(world.ask(0, "CLUSTER FAILOVER"), "+OK\r\n");
    world.run(Span::ms(500));
    world.heal();
    world.run_until(Span::seconds(4), "the former primary leads", |world| world.is_primary(0));
    assert!(world.violations.is_empty(), "{:?}", world.violations);
}

#[test]
fn votes_that_are_late_still_count() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        world.run(Span::seconds(2));
        let epoch = world.info(3, "cluster_current_epoch");
        world.isolate(0);
        // Longer than an election that was lost takes to be repeated: who is slow has not refused.
        world.slow = Some((3, Span::ms(1_500)));
        world.ask(3, "CLUSTER FAILOVER FORCE");
        let took = world.run_until(Span::ms(2_500), "elected", |world| world.is_primary(3));
        println!("seed {seed}: elected after {} ms", took.as_ms());
        assert_eq!(world.host(3).cluster.config_epoch(), epoch + 1, "seed {seed}: asked anew");
    }
}
