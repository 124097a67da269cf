//! Due keys are found, all of them and no other, in time.

use crate::world::scaled;
use base::Random;
use data::{Entry, Growth, HashLimits, Keyspace};
use std::collections::BTreeMap;

const START_MS: u64 = 1_790_000_000_000;

fn set(space: &mut Keyspace, key: &str, deadline: Option<u64>) {
    let hash = space.hash(key.as_bytes());
    match space.entry(0, key.as_bytes(), hash) {
        Entry::Vacant(entry) => drop(entry.insert_string(b"v", deadline)),
        Entry::Occupied(mut entry) => entry.store(b"v", deadline),
    }
}

fn expire_over_time(seed: u64, clustered: bool, start_ms: u64) {
    let mut random = Random::new(seed);
    let mut space = Keyspace::new([seed, 1], 1, clustered);
    let mut model: BTreeMap<String, u64> = BTreeMap::new();
    let mut now = start_ms;
    for _ in 0..scaled(120) {
        for _ in 0..random.below(200) {
            let key = format!("{}", random.below(5_000));
            let deadline = random.chance(3, 4).then(|| now + random.below(6_000));
            set(&mut space, &key, deadline);
            match deadline {
                Some(deadline) => model.insert(key, deadline),
                None => model.remove(&key),
            };
        }
        now += random.below(200);
        loop {
            let mut found = Vec::new();
            let expired = space.expire_slice(0, now, 20, |key, hash| found.push((key.to_vec(), hash)));
            assert_eq!(expired.found, found.len());
            for (key, hash) in found {
                let name = String::from_utf8(key).unwrap();
                assert!(model.remove(&name).is_some_and(|deadline| deadline <= now));
                assert_eq!(hash, space.hash(name.as_bytes()));
                let Entry::Occupied(entry) = space.entry(0, name.as_bytes(), hash) else { panic!("{name}") };
                entry.remove();
            }
            if !expired.more {
                break;
            }
        }
        // A slice may begin in the middle of a database: what lay before it comes one round later.
        let late = model.iter().find(|(_, deadline)| **deadline + 1_300 < now);
        assert_eq!(late, None, "seed {seed} at {now}");
    }
    assert_eq!(space.figures(0, now).expires, model.len() as u64);
}

#[test]
fn due_keys_are_found_in_time() {
    for seed in 0..scaled(6) as u64 {
        expire_over_time(seed, false, START_MS);
        expire_over_time(seed, false, 0);
    }
}

#[test]
fn due_keys_of_slots_are_found_in_time() {
    if !cfg!(miri) {
        (0..3).for_each(|seed| expire_over_time(seed, true, START_MS));
    }
}

#[test]
fn the_mean_time_to_live_is_exact() {
    let mut space = Keyspace::new([1, 1], 1, false);
    set(&mut space, "a", Some(START_MS + 100));
    set(&mut space, "b", Some(START_MS + 300));
    set(&mut space, "c", None);
    let figures = space.figures(0, START_MS);
    assert_eq!((figures.keys, figures.expires, figures.avg_ttl_ms), (3, 2, 200));
}

/// The index of keys whose fields expire is counted with each change, and goes with the keys.
#[test]
fn the_index_of_fields_that_expire_is_counted() {
    for clustered in [false, true] {
        let mut space = Keyspace::new([1, 1], 1, clustered);
        let growth = Growth { key: space.hash_key(), limits: HashLimits::default() };
        let empty = space.used_bytes();
        let keys = ["a", "a rather long name of a key with fields that expire", "c"];
        for (index, key) in keys.iter().enumerate() {
            let hash = space.hash(key.as_bytes());
            let Entry::Vacant(free) = space.entry(0, key.as_bytes(), hash) else { panic!("a new key") };
            let mut entry = free.insert_hash();
            let mut fields = entry.hash_mut().unwrap();
            fields.set(b"f", b"v", growth);
            fields.set_field_deadline(b"f", Some(START_MS + index as u64 * 10_000), growth.key);
        }
        let indexed = |space: &mut Keyspace| {
            let mut entries = 0;
            space.for_each(0, |entry| entries += entry.memory_bytes() as u64 - 8);
            assert_eq!(space.used_bytes() - space.garbage().bytes, entries + space.overhead_bytes());
            space.keys_with_volatile_parts(0)
        };
        assert_eq!(indexed(&mut space), 3);
        let hash = space.hash(keys[1].as_bytes());
        let Entry::Occupied(mut entry) = space.entry(0, keys[1].as_bytes(), hash) else {
            panic!("it is there")
        };
        assert!(entry.hash_mut().unwrap().set_field_deadline(b"f", None, growth.key));
        assert_eq!(indexed(&mut space), 2);
        let hash = space.hash(b"c");
        let Entry::Occupied(entry) = space.entry(0, b"c", hash) else { panic!("it is there") };
        entry.remove();
        assert_eq!(indexed(&mut space), 1);
        if clustered {
            drop(space.remove_slot(base::crc16::slot_of(b"a")));
            assert_eq!(indexed(&mut space), 0);
        }
        drop(space.flush(0));
        assert_eq!(
            (space.used_bytes() - space.garbage().bytes, space.keys_with_volatile_parts(0)),
            (empty, 0)
        );
    }
}
