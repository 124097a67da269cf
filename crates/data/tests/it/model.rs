//! Operations one by one give what the model gives.

use crate::world::{World, scaled};
use base::Random;
use data::Keyspace;

fn grows_and_shrinks(seed: u64, clustered: bool) {
    let mut world = World::new(seed, clustered, scaled(if clustered { 3_000 } else { 12_000 }) as u64);
    // Every other one begins with room for more, or for less, than will come.
    if seed % 2 == 1 {
        world.space.make_room(0, scaled(2_000 * seed as usize));
        let slots = if clustered { 16_384 } else { 0 };
        (0..slots).step_by(97).for_each(|slot| world.space.make_room_in_slot(0, slot, 30 * seed as usize));
        world.check();
    }
    for round in 0..4 {
        world.run(scaled(12_000), round % 2 == 0);
        world.check();
        while world.space.free_slice(100) {}
    }
    for name in world.model.keys().cloned().collect::<Vec<_>>() {
        let hash = world.space.hash(&name.1);
        let data::Entry::Occupied(entry) = world.space.entry(name.0, &name.1, hash) else {
            panic!("{name:?}")
        };
        entry.remove();
        world.model.remove(&name);
    }
    while world.space.free_slice(100) {}
    world.check();
    // Memory comes back: what stays is the heads of the tables, and some indexes of deadlines.
    let empty = if clustered { 2 << 20 } else { 16 << 10 };
    assert!(world.space.used_bytes() < empty, "{}", world.space.used_bytes());
}

#[test]
fn a_keyspace_is_its_model() {
    (0..scaled(6) as u64).for_each(|seed| grows_and_shrinks(seed, false));
}

#[test]
fn a_clustered_keyspace_is_its_model() {
    if !cfg!(miri) {
        (0..3).for_each(|seed| grows_and_shrinks(seed, true));
    }
}

#[test]
fn a_clustered_keyspace_is_its_model_in_small() {
    let mut world = World::new(1, true, 40);
    world.run(300, true);
    world.check();
}

#[test]
fn flushing_empties_and_frees() {
    let mut world = World::new(5, false, 1_000);
    world.run(scaled(4_000), true);
    let first = world.space.flush(0);
    world.space.dispose(first);
    world.model.retain(|name, _| name.0 != 0);
    world.check();
    while world.space.free_slice(10) {}
    world.run(scaled(500), true);
    let all = world.space.flush_all();
    world.model.clear();
    world.check();
    std::thread::spawn(move || drop(all)).join().unwrap();
    assert_eq!(world.space.used_bytes(), world.space.garbage().bytes);
}

#[test]
fn slots_are_counted_and_removed() {
    let mut world = World::new(6, true, 600);
    world.run(scaled(3_000), true);
    let slot = base::crc16::slot_of(b"{tag3}");
    let is_there = |name: &(u32, Vec<u8>)| base::crc16::slot_of(&name.1) == slot;
    let expected = world.model.keys().filter(|name| is_there(name)).count();
    assert_eq!(world.space.slot_len(slot), expected as u64);
    let mut seen = 0;
    world.space.keys_in_slot(0, slot, 5, |key| {
        assert_eq!(base::crc16::slot_of(key), slot);
        seen += 1;
    });
    assert_eq!(seen, expected.min(5));
    let detached = world.space.remove_slot(slot);
    assert_eq!(detached.len(), expected as u64);
    world.model.retain(|name, _| !is_there(name));
    world.check();
}

/// Chi-squared of `draws` draws over `cells` cells, in units of its standard deviation above its mean.
fn unfairness(counts: &[u64], draws: u64) -> f64 {
    let expected = draws as f64 / counts.len() as f64;
    let chi: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    (chi - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn random_keys_are_fair() {
    for clustered in [false, true] {
        let mut space = Keyspace::new([1, 2], 1, clustered);
        let keys = scaled(3_000);
        for number in 0..keys {
            let key = format!("{number}");
            let hash = space.hash(key.as_bytes());
            let data::Entry::Vacant(entry) = space.entry(0, key.as_bytes(), hash) else { panic!() };
            entry.insert_string(b"x", None);
        }
        let mut counts = vec![0; keys];
        let mut random = Random::new(3);
        let draws = scaled(60_000) as u64;
        for _ in 0..draws {
            let entry = space.random(0, &mut random).unwrap();
            counts[std::str::from_utf8(entry.key()).unwrap().parse::<usize>().unwrap()] += 1;
        }
        // Six deviations: a fair source fails once in a hundred million seeds.
        assert!(unfairness(&counts, draws).abs() < 6.0, "{}", unfairness(&counts, draws));
    }
}
