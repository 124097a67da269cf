//! What is there during a whole scan is visited at least once.

use crate::world::{World, scaled};
use base::Random;
use data::{Growth, Hash, HashKey, HashLimits};
use std::collections::BTreeSet;

fn scan_among_changes(seed: u64, clustered: bool) {
    let mut world = World::new(seed, clustered, scaled(6_000) as u64);
    let start = world.random.below(3);
    world.run(scaled(1 + start as usize * 10_000), true);
    let mut always: BTreeSet<Vec<u8>> =
        world.model.keys().filter(|name| name.0 == 0).map(|name| name.1.clone()).collect();
    let grow = world.random.chance(1, 2);
    let (mut cursor, mut steps) = (0, 0);
    let mut seen = BTreeSet::new();
    loop {
        let count = 1 + world.random.below(60) as usize;
        let mut visited = 0;
        cursor = world.space.scan(0, cursor, count, |entry| {
            seen.insert(entry.key().to_vec());
            visited += 1;
        });
        assert!(visited <= count + 200, "one step visited {visited} of {count}");
        steps += 1;
        if cursor == 0 {
            break;
        }
        let changes = world.random.below(300) as usize;
        let turned = world.random.chance(1, 4);
        world.run(changes, grow ^ turned);
        always.retain(|key| world.model.contains_key(&(0, key.clone())));
    }
    assert!(
        always.is_subset(&seen),
        "seed {seed}: {} missing after {steps} steps",
        always.difference(&seen).count()
    );
}

#[test]
fn a_scan_misses_nothing() {
    (0..scaled(60) as u64).for_each(|seed| scan_among_changes(seed, false));
}

#[test]
fn a_clustered_scan_misses_nothing() {
    if !cfg!(miri) {
        (0..10).for_each(|seed| scan_among_changes(seed, true));
    }
}

#[test]
fn a_scan_without_changes_visits_each_key_once() {
    for clustered in [false, true] {
        let mut world = World::new(9, clustered, 5_000);
        world.run(scaled(9_000), true);
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = world.space.scan(0, cursor, 10, |entry| seen.push(entry.key().to_vec()));
            if cursor == 0 {
                break;
            }
        }
        let visited = seen.len();
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), visited);
        assert_eq!(visited as u64, world.space.len(0));
    }
}

#[test]
fn a_scan_of_a_slot_stays_in_it() {
    let mut world = World::new(10, true, 600);
    world.run(scaled(3_000), true);
    let slot = base::crc16::slot_of(b"{tag0}");
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        cursor = world.space.scan_slot(0, slot, cursor, 3, |entry| {
            seen.insert(entry.key().to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len() as u64, world.space.slot_len(slot));
}

#[test]
fn hostile_cursors_end() {
    let mut world = World::new(11, false, 2_000);
    world.run(scaled(4_000), true);
    let mut random = Random::new(1);
    for _ in 0..scaled(2_000) {
        let mut cursor = random.word() >> random.below(64);
        let mut steps = 0;
        loop {
            cursor = world.space.scan(0, cursor, 100, |_| {});
            steps += 1;
            if cursor == 0 {
                break;
            }
        }
        assert!(steps < 1_000);
    }
}

#[test]
fn a_large_hash_is_scanned_whole() {
    let mut hash = Hash::new();
    let growth = Growth { key: HashKey([4, 5]), limits: HashLimits::default() };
    let fields = scaled(5_000);
    for number in 0..fields {
        hash.set(format!("{number}").as_bytes(), b"v", growth);
    }
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        cursor = hash.scan(cursor, 10, |field, _| {
            seen.insert(field.to_vec());
        });
        if cursor == 0 {
            break;
        }
        let field = format!("{}", seen.len() + 10_000);
        hash.set(field.as_bytes(), b"w", growth);
    }
    assert!((0..fields).all(|number| seen.contains(format!("{number}").as_bytes())));
}
