//! A primary that starts without the data that it had does not lead.

use crate::world::World;
use base::Span;
use cluster::{Facts, Role, Serving};

/// Kills primary 0 after a write, restarts it with what `loaded` makes of its facts.
fn restart(seed: u64, loaded: impl Fn(Facts) -> Facts) -> World {
    let mut world = World::cluster(seed, 6);
    world.write(0);
    world.run(Span::ms(200));
    let facts = world.host(0).facts;
    world.kill(0);
    world.run(Span::ms(50 + seed * 30));
    world.start(0, loaded(facts));
    world
}

#[test]
fn an_empty_primary_hands_over_at_once() {
    for seed in 0..20 {
        let mut world = restart(seed, |_| Facts::default());
        assert!(world.host(0).cluster.refuses_psync());
        let took = world.run_until(Span::ms(1_000), "handed over", |world| world.is_primary(3));
        println!("seed {seed}: handed over after {} ms", took.as_ms());
        assert_eq!(world.host(3).facts.data_offset, 100, "the write is there");
        let new = world.id(3);
        world.run_until(Span::ms(500), "follows", |world| world.role(0) == Role::Replica(new));
        world.run_until(Span::seconds(3), "settled", |world| World::is_settled(world));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn a_primary_with_older_data_hands_over() {
    let mut world = restart(1, |facts| Facts { offset: 40, data_offset: 40, ..facts });
    world.run_until(Span::ms(1_000), "handed over", |world| world.is_primary(3));
}

#[test]
fn a_primary_with_all_its_data_serves_at_once() {
    for seed in 0..20 {
        let mut world = restart(seed, |facts| facts);
        assert_eq!(world.serving(0), Serving::Probation);
        let took = world.run_until(Span::ms(200), "serves", |world| world.serving(0) == Serving::Ok);
        println!("seed {seed}: serves after {} ms", took.as_ms());
        world.run(Span::seconds(5));
        assert!(world.is_primary(0) && !world.is_primary(3));
    }
}

#[test]
fn without_its_replica_it_serves_after_the_node_timeout() {
    let mut world = World::cluster(5, 6);
    world.write(0);
    world.run(Span::ms(100));
    world.kill(3);
    world.kill(0);
    world.run(Span::ms(100));
    world.start(0, Facts::default());
    world.run(Span::ms(1_900));
    assert_eq!(world.serving(0), Serving::Probation);
    world.run_until(Span::ms(500), "serves", |world| world.serving(0) == Serving::Ok);
    assert!(world.host(0).logs.iter().any(|line| line.contains("NO REPLICA")));
}

#[test]
fn three_empty_primaries_hand_over_in_turn() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        (0..3).for_each(|node| world.write(node));
        world.run(Span::ms(200));
        (0..3).for_each(|node| world.kill(node));
        world.run(Span::ms(100));
        (0..3).for_each(|node| world.start(node, Facts::default()));
        let took = world.run_until(Span::seconds(5), "all handed over", |world| {
            (3..6).all(|node| world.is_primary(node))
        });
        println!("seed {seed}: all handed over after {} ms", took.as_ms());
        assert!((3..6).all(|node| world.host(node).facts.data_offset == 100));
        assert!(world.violations.is_empty());
    }
}

#[test]
fn the_replica_furthest_ahead_takes_over() {
    let mut world = World::cluster(6, 9);
    world.cut(0, 3);
    world.write(0);
    world.run(Span::ms(100));
    world.cut(0, 6);
    world.kill(0);
    world.heal();
    world.run(Span::ms(100));
    world.start(0, Facts::default());
    world.run_until(Span::seconds(1), "handed over", |world| world.is_primary(6));
}

#[test]
fn a_foreign_replica_that_is_ahead_is_elected_in_silence() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        // No message makes it take over from a primary that is alive: the others must hold that one for failed.
        world.foreign.insert(3);
        world.run(Span::seconds(3));
        world.write(0);
        world.run(Span::ms(200));
        world.kill(0);
        world.run(Span::ms(50 + seed * 30));
        world.start(0, Facts::default());
        let took = world.run_until(Span::seconds(15), "elected", |world| world.is_primary(3));
        println!("seed {seed}: elected after {} ms", took.as_ms());
        assert_eq!(world.host(3).facts.data_offset, 100, "the write is there");
        let new = world.id(3);
        world.run_until(Span::seconds(3), "follows", |world| world.role(0) == Role::Replica(new));
        world.run_until(Span::seconds(5), "settled", |world| World::is_settled(world));
        assert!(world.violations.is_empty(), "{:?}", world.violations);
    }
}

#[test]
fn silence_for_a_replica_that_nobody_elects_ends() {
    let mut world = World::cluster(3, 6);
    world.foreign.insert(3);
    world.run(Span::seconds(3));
    world.write(0);
    world.run(Span::ms(200));
    world.kill(0);
    world.run(Span::ms(50));
    world.start(0, Facts::default());
    let says = |world: &World, text: &str| world.host(0).logs.iter().any(|line| line.contains(text));
    world.run_until(Span::seconds(3), "silent", |world| says(world, "silent until it is elected"));
    // Whoever asks gets no vote of the others: no majority is left.
    world.kill(1);
    world.kill(2);
    world.run_until(Span::seconds(40), "serves what there is", |world| says(world, "NO REPLICA WAS ELECTED"));
    assert!(world.is_primary(0) && !world.host(0).cluster.refuses_psync());
}
