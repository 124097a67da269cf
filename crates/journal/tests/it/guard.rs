//! What a primary that comes back may cost, and who may synchronise when.

use crate::world::World;
use crate::{assert_equal, in_step, pair, settings, some_writes, syncs};
use base::Span;
use journal::{Lack, Settings, ShutdownWish};

const SAVE: ShutdownWish = ShutdownWish { save: Some(true), now: true, force: false, is_signal: false };

/// What the primary of this node lacks.
fn lack(world: &World, node: usize) -> Option<Lack> {
    world.nodes[node].journal.primary_lacks()
}

fn accept(world: &mut World, node: usize) {
    let now = world.now;
    assert!(world.nodes[node].call(now, |journal, turn| journal.accept_full_sync(turn)));
}

/// A pair in step, some seconds old, that both have saved `before` the last writes.
fn old_pair(seed: u64, settings: Settings) -> World {
    let mut world = pair(seed, 3, settings);
    world.run(Span::seconds(5));
    for node in 0..2 {
        world.nodes[node].journal.save(None).unwrap();
    }
    world.until("saved", |world| (0..2).all(|node| !world.nodes[node].saves.is_empty()));
    some_writes(&mut world, 0, 100);
    // What was written last is in nobody's journal before the next turn.
    world.step();
    world.until("in step", |world| in_step(world, 1, 0));
    world
}

#[test]
fn a_primary_that_comes_back_empty_wipes_nobody() {
    for seed in 0..10 {
        let mut world = old_pair(seed, settings());
        let data = world.nodes[1].contents();
        world.nodes[0].files.clear();
        world.restart(0, None);
        // Whatever is written there meanwhile.
        some_writes(&mut world, 0, seed * 40);
        world.until("refused", |world| lack(world, 1).is_some());
        world.run(Span::seconds(40));
        assert_eq!(lack(&world, 1), Some(Lack::Empty));
        assert!(world.nodes[1].contents() == data);
        assert_eq!(syncs(&world, 0)[0], 0);
        assert!(
            world.nodes[1].has_logged("FULL SYNCHRONIZATION REFUSED: the primary came back without its data")
        );
        // Its choice is the operator's: the old primary follows, and has everything again.
        world.lead(1);
        world.follow(0, 1);
        world.until("the other way round", |world| in_step(world, 0, 1));
        assert!(world.nodes[0].contents() == data);
    }
}

#[test]
fn a_primary_that_comes_back_with_an_older_history_wipes_nobody() {
    for seed in 0..10 {
        let mut world = old_pair(seed, settings());
        let data = world.nodes[1].contents();
        world.restart(0, None);
        world.until("refused", |world| lack(world, 1).is_some());
        assert!(matches!(lack(&world, 1), Some(Lack::Older(end)) if end < world.nodes[1].journal.offset()));
        world.run(Span::seconds(20));
        assert!(world.nodes[1].contents() == data);
        accept(&mut world, 1);
        world.until("taken", |world| in_step(world, 1, 0));
        assert_eq!(lack(&world, 1), None);
        assert_equal(&world, 0, 1);
        assert!(world.nodes[1].contents() != data);
    }
}

#[test]
fn a_replica_that_restarts_as_well_remembers() {
    let mut world = old_pair(3, settings());
    world.shutdown(1, SAVE);
    world.until("saved", |world| !world.nodes[1].shutdowns.is_empty());
    let data = world.nodes[1].contents();
    world.nodes[0].files.clear();
    world.restart(0, None);
    world.restart(1, Some(0));
    world.until("refused", |world| lack(world, 1).is_some());
    assert!(world.nodes[1].contents() == data);
    // The same data at another address is another order.
    some_writes(&mut world, 2, 50);
    world.follow(1, 2);
    world.until("in step", |world| in_step(world, 1, 2));
    assert_equal(&world, 2, 1);
}

#[test]
fn a_primary_that_tells_nothing_must_show_data() {
    let mut world = old_pair(4, settings());
    let data = world.nodes[1].contents();
    world.nodes[0].files.clear();
    world.restart(0, None);
    world.nodes[0].tells = false;
    world.until("refused", |world| lack(world, 1).is_some());
    assert!(world.nodes[1].contents() == data);
    some_writes(&mut world, 0, 20);
    world.until("taken", |world| in_step(world, 1, 0));
}

#[test]
fn without_the_guard_the_primary_is_always_right() {
    let mut world = old_pair(5, Settings { full_sync_guard: false, ..settings() });
    world.nodes[0].files.clear();
    world.restart(0, None);
    world.until("in step", |world| in_step(world, 1, 0));
    assert!(world.nodes[1].contents().is_empty());
}

#[test]
fn a_primary_that_lost_nothing_is_not_doubted() {
    // The backlog is freed with its history, and then too short: full synchronisations, as ever.
    let settings = Settings {
        backlog_ttl: Span::seconds(2),
        timeout: Span::seconds(2),
        backlog_bytes: 20_000,
        ..settings()
    };
    for goes_by in [10, 1] {
        let mut world = old_pair(6, settings.clone());
        world.is_split = true;
        world.cut();
        for _ in 0..200 {
            some_writes(&mut world, 0, 10);
            world.step();
        }
        world.run(Span::seconds(goes_by));
        world.is_split = false;
        world.until("in step", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
        assert!(!world.nodes[1].has_logged("REFUSED"));
    }
    let mut world = old_pair(7, crate::settings());
    world.shutdown(0, SAVE);
    world.until("saved", |world| !world.nodes[0].shutdowns.is_empty());
    world.restart(0, None);
    world.until("in step", |world| in_step(world, 1, 0));
    assert_eq!(syncs(&world, 0), [0, 1, 0]);
}

#[test]
fn the_gate_lets_so_many_in_at_one_time() {
    for (limit, seed) in [(1, 1), (2, 2), (0, 3)] {
        let mut world = World::new(seed, 6, Settings { full_syncs_max: limit, ..settings() });
        some_writes(&mut world, 0, 3_000);
        (1..6).for_each(|node| world.follow(node, 0));
        let mut most = 0;
        world.until("all", |world| {
            let facts = world.nodes[0].journal.facts(world.now);
            most = most.max(facts.replicas.iter().filter(|replica| replica.state == "send_bulk").count());
            (1..6).all(|node| in_step(world, node, 0))
        });
        assert_eq!(syncs(&world, 0)[0], 5);
        assert!(limit == 0 || most <= limit as usize, "{most} at one time");
    }
}
