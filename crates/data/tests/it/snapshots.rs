//! A snapshot holds exactly what was there when it began, whatever happens meanwhile.

use crate::world::{Held, State, World, held, scaled};
use data::{Clocks, Encode, Progress, SnapshotBudget, SnapshotOut, ValueRef};
use std::cell::RefCell;

thread_local! {
    /// What the encoder saw.
    static SEEN: RefCell<State> = const { RefCell::new(State::new()) };
}

/// Gathers what a dump would hold. A key must come once.
fn encode(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, deadline: Option<u64>) {
    out.last_db = Some(db);
    out.bytes.extend_from_slice(key);
    let value: (Held, Option<u64>) = (held(value), deadline);
    let before = SEEN.with_borrow_mut(|seen| seen.insert((db, key.to_vec()), value));
    assert!(before.is_none(), "{key:?} was encoded twice");
}

const ENCODE: Encode = Encode { whole: encode, large: None, clocks: (Clocks::Unused, 0) };

fn snapshot_among_changes(seed: u64, clustered: bool) {
    let mut world = World::new(seed, clustered, scaled(8_000) as u64);
    let filled = world.random.below(20_000) as usize;
    world.run(scaled(filled), true);
    for _ in 0..2 {
        SEEN.with_borrow_mut(State::clear);
        let expected = world.model.clone();
        world.space.snapshot_begin(ENCODE);
        let (grow, mut bytes) = (world.random.chance(1, 2), Vec::new());
        loop {
            let changes = world.random.below(400) as usize;
            world.run(changes, grow);
            if world.random.chance(1, 40) {
                let detached = world.space.flush_all();
                assert_eq!(detached.len(), 0);
                world.model.clear();
            }
            if clustered && world.random.chance(1, 3) {
                let slot = base::crc16::slot_of(&world.name().1);
                let detached = world.space.remove_slot(slot);
                world.space.dispose(detached);
                world.model.retain(|name, _| base::crc16::slot_of(&name.1) != slot);
            }
            if !clustered && world.random.chance(1, 3) {
                let databases = u64::from(world.space.databases());
                let (one, other) =
                    (world.random.below(databases) as u32, world.random.below(databases) as u32);
                world.space.swap(one, other);
                let place = |db: u32| match db {
                    db if db == one => other,
                    db if db == other => one,
                    db => db,
                };
                world.model = std::mem::take(&mut world.model)
                    .into_iter()
                    .map(|((db, name), held)| ((place(db), name), held))
                    .collect();
            }
            let entries = 1 + world.random.below(800) as usize;
            world.space.snapshot_step(SnapshotBudget { entries, ns: 1 << 20 });
            let keys = world.space.snapshot_keys();
            if world.space.snapshot_take(&mut bytes) == Progress::Done {
                assert_eq!(keys, expected.len() as u64);
                break;
            }
        }
        SEEN.with_borrow(|seen| {
            assert!(*seen == expected, "seed {seed}: {} of {}", seen.len(), expected.len())
        });
        assert_eq!(bytes.len(), expected.keys().map(|name| name.1.len()).sum::<usize>());
        assert_eq!(world.space.snapshot_progress(), Progress::Idle);
        while world.space.free_slice(1_000) {}
        world.check();
    }
}

#[test]
fn a_snapshot_is_the_state_at_its_beginning() {
    (0..scaled(24) as u64).for_each(|seed| snapshot_among_changes(seed, false));
}

#[test]
fn a_clustered_snapshot_is_the_state_at_its_beginning() {
    if !cfg!(miri) {
        (0..8).for_each(|seed| snapshot_among_changes(seed, true));
    }
}

#[test]
fn an_aborted_snapshot_leaves_no_trace() {
    let mut world = World::new(3, false, 3_000);
    world.run(scaled(9_000), true);
    SEEN.with_borrow_mut(State::clear);
    world.space.snapshot_begin(ENCODE);
    world.space.snapshot_step(SnapshotBudget { entries: 100, ns: 1 << 20 });
    world.run(scaled(500), true);
    world.space.snapshot_abort();
    world.run(scaled(500), true);
    SEEN.with_borrow_mut(State::clear);
    let expected = world.model.clone();
    world.space.snapshot_begin(ENCODE);
    let mut bytes = Vec::new();
    while world.space.snapshot_step(SnapshotBudget { entries: 1_000, ns: 1 << 20 }) == Progress::Walking {
        world.space.snapshot_take(&mut bytes);
    }
    SEEN.with_borrow(|seen| assert!(*seen == expected));
}

#[test]
fn what_is_taken_key_by_key_takes_no_more_room() {
    let mut world = World::new(7, false, 500);
    world.run(scaled(2_000), false);
    world.space.snapshot_begin(ENCODE);
    loop {
        world.space.snapshot_step(SnapshotBudget { entries: 1, ns: 1 });
        let mut bytes = Vec::new();
        let progress = world.space.snapshot_take(&mut bytes);
        assert!(bytes.capacity() <= 2 * bytes.len() + 64, "{} for {}", bytes.capacity(), bytes.len());
        if progress == Progress::Done {
            break;
        }
    }
}
