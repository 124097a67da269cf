//! A stream is a plain list with plain maps beside it.

use super::*;
use crate::Collection;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use base::Random;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    last_id: StreamId,
    max_deleted: StreamId,
    added: u64,
}

fn texts(random: &mut Random) -> Fields {
    let names: [&[u8]; 4] = [b"temperature", b"17", b"place", b""];
    let count = if random.chance(3, 4) { 2 } else { random.between(1, 4) };
    (0..count)
        .map(|at| {
            let name = names[if random.chance(9, 10) { at as usize } else { random.below(4) as usize }];
            let value = match random.below(4) {
                0 => alloc::format!("{}", random.word() as i64 >> random.below(64)).into_bytes(),
                1 => alloc::vec![b'x'; random.below(20) as usize],
                2 => alloc::vec![b'y'; random.below(300) as usize],
                _ => Vec::new(),
            };
            (name.to_vec(), value)
        })
        .collect()
}

fn push(log: &mut Log, id: StreamId, fields: &Fields, limits: StreamLimits) {
    let texts: Vec<&[u8]> = fields.iter().flat_map(|(field, value)| [&field[..], &value[..]]).collect();
    log.push(id, texts.into_iter(), limits);
}

fn read(entry: Entry<'_>) -> (StreamId, Fields) {
    assert_eq!(entry.len(), entry.clone().fields().count());
    (entry.id(), entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
}

impl Model {
    fn check(&self, stream: &Stream, random: &mut Random) {
        let log = stream.log();
        let all: Vec<_> = self.entries.iter().map(|(id, fields)| (*id, fields.clone())).collect();
        assert!(log.range(StreamId::ZERO, StreamId::MAX).map(read).eq(all.iter().cloned()));
        let back = log.range_back(StreamId::ZERO, StreamId::MAX).map(read);
        assert!(back.eq(all.iter().rev().cloned()));
        assert_eq!(log.len(), all.len() as u64);
        assert_eq!(log.first_id(), self.entries.keys().next().copied().unwrap_or_default());
        assert_eq!(log.last_live_id(), self.entries.keys().last().copied());
        assert_eq!((log.last_id(), log.max_deleted_id()), (self.last_id, self.max_deleted));
        assert_eq!(log.entries_added(), self.added);
        for _ in 0..5 {
            let mut one = || StreamId::new(random.below(self.last_id.ms + 2), random.below(4));
            let (start, end) = (one(), one());
            let expected: Vec<_> = if start > end {
                Vec::new()
            } else {
                self.entries.range(start..=end).map(|(id, fields)| (*id, fields.clone())).collect()
            };
            assert!(log.range(start, end).map(read).eq(expected.iter().cloned()));
            assert!(log.range_back(start, end).map(read).eq(expected.into_iter().rev()));
            assert_eq!(log.contains(start), self.entries.contains_key(&start));
        }
        let (before, mut again) = (stream.memory_bytes(), stream.clone());
        again.log_mut().recount();
        assert!(again.memory_bytes() <= before);
        let known = (again.memory_bytes(), again.radix_nodes());
        assert_eq!(known, (again.clone().memory_bytes(), stream.radix_nodes()));
    }

    fn step(&mut self, log: &mut Log, random: &mut Random, limits: StreamLimits) {
        match random.below(20) {
            0 | 1 => {
                let id = match self.entries.keys().nth(random.below(self.entries.len() as u64 + 1) as usize) {
                    Some(id) => *id,
                    None => StreamId::new(random.below(100), 0),
                };
                let is_there = self.entries.remove(&id).is_some();
                assert_eq!(log.remove(id), is_there);
                if is_there {
                    self.max_deleted = self.max_deleted.max(id);
                }
            }
            2 if random.chance(1, 4) => {
                let len = random.below(self.entries.len() as u64 + 2);
                let dropped = (self.entries.len() as u64).saturating_sub(len);
                assert_eq!(log.trim(Trim::ToLen(len), false, 0), dropped);
                (0..dropped).for_each(|_| drop(self.entries.pop_first()));
            }
            3 if random.chance(1, 4) => {
                let id = StreamId::new(random.below(self.last_id.ms + 2), random.below(3));
                let kept = self.entries.split_off(&id);
                assert_eq!(log.trim(Trim::Below(id), false, 0), self.entries.len() as u64);
                self.entries = kept;
            }
            4 if random.chance(1, 4) => {
                let dropped = log.trim(Trim::ToLen(self.entries.len() as u64 / 2), true, 30);
                assert!(dropped <= 30);
                (0..dropped).for_each(|_| drop(self.entries.pop_first()));
            }
            5 if random.chance(1, 4) => {
                // XSETID goes back to the last entry at most.
                let id = self.entries.keys().last().copied().unwrap_or(StreamId::new(1, 0));
                self.last_id = id;
                log.set_ids(id, None, None);
            }
            _ => {
                let fields = texts(random);
                let id = if random.chance(1, 2) {
                    StreamId::new(self.last_id.ms + random.between(1, 3), random.below(3))
                } else {
                    log.next_id(0).unwrap()
                };
                push(log, id, &fields, limits);
                self.entries.insert(id, fields);
                self.last_id = id;
                self.added += 1;
            }
        }
    }
}

/// What a file has, with ids of nodes and listpacks.
fn parts(stream: &Stream) -> StreamParts {
    let log = stream.log();
    let mut parts = StreamParts {
        nodes: log.packs().map(|(id, bytes)| (id, bytes.to_vec())).collect(),
        len: log.len(),
        last_id: log.last_id(),
        history: Some((log.first_id(), log.max_deleted_id(), log.entries_added())),
        groups: Vec::new(),
    };
    for group in stream.groups().iter() {
        let pending = group.pending().iter();
        parts.groups.push(GroupParts {
            name: group.name().to_vec(),
            last_id: group.last_id,
            entries_read: group.entries_read.unwrap_or(u64::MAX),
            pending: pending
                .map(|one| PendingParts { id: one.id, delivered_ms: one.delivered_ms, count: one.count })
                .collect(),
            consumers: group
                .consumers()
                .map(|consumer| ConsumerParts {
                    name: consumer.name().to_vec(),
                    seen_ms: consumer.seen_ms,
                    active_ms: Some(consumer.active_or_never()),
                    pending: consumer.pending().iter().copied().collect(),
                })
                .collect(),
        });
    }
    parts
}

#[test]
fn a_stream_is_its_model() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let limits = match seed % 4 {
            0 => StreamLimits { node_bytes: 400, node_entries: 0 },
            1 => StreamLimits { node_bytes: 0, node_entries: 7 },
            2 => StreamLimits { node_bytes: 1, node_entries: 1 },
            _ => StreamLimits::default(),
        };
        let (mut stream, mut model) = (Stream::new(), Model::default());
        for round in 0..800 {
            model.step(stream.log_mut(), &mut random, limits);
            if round % 40 == 0 {
                model.check(&stream, &mut random);
                let parts = parts(&stream);
                let again = Stream::from_parts(parts.clone()).unwrap();
                assert_eq!(super::tests::parts(&again), parts);
                model.check(&again, &mut random);
            }
        }
        let mut budget = 5;
        while stream.free_slice(&mut budget) {
            budget = 5;
        }
        assert_eq!(stream.log().nodes(), 0);
    }
}

#[test]
fn entries_below_their_node_are_kept_after_a_load() {
    let mut stream = Stream::new();
    let limits = StreamLimits::default();
    let field = alloc::vec![(b"a".to_vec(), b"1".to_vec())];
    push(stream.log_mut(), StreamId::new(8, 1), &field, limits);
    push(stream.log_mut(), StreamId::new(9, 0), &field, limits);
    let (_, bytes) = stream.log().packs().next().unwrap();
    // The same listpack at a higher id, as if the distances went back.
    let mut moved =
        StreamParts { nodes: alloc::vec![(StreamId::new(8, 0), bytes.to_vec())], ..parts(&stream) };
    moved.last_id = StreamId::new(10, 0);
    let pack = &mut moved.nodes[0].1;
    // Flags, ms and seq of the first entry: its ms becomes -1.
    let at = pack.windows(3).rposition(|three| three == [2, 1, 0]).unwrap();
    pack.splice(at + 2..at + 4, [0xdf, 0xff, 2]);
    let len = pack.len() as u32;
    pack[..4].copy_from_slice(&len.to_le_bytes());
    let mut loaded = Stream::from_parts(moved).unwrap();
    let ids = |stream: &Stream| -> Vec<StreamId> {
        stream.log().range(StreamId::ZERO, StreamId::MAX).map(|entry| entry.id()).collect()
    };
    assert_eq!(ids(&loaded), [StreamId::new(7, 0), StreamId::new(9, u64::MAX)]);
    assert!(loaded.log().contains(StreamId::new(7, 0)));
    assert!(loaded.log_mut().remove(StreamId::new(7, 0)));
    assert_eq!(ids(&loaded), [StreamId::new(9, u64::MAX)]);
}

#[test]
fn damaged_nodes_are_refused_or_harmless() {
    let mut stream = Stream::new();
    let mut random = Random::new(4);
    for ms in 1..12 {
        push(stream.log_mut(), StreamId::new(ms, 0), &texts(&mut random), StreamLimits::default());
    }
    stream.log_mut().remove(StreamId::new(4, 0));
    let good = parts(&stream);
    for _ in 0..if cfg!(miri) { 50 } else { 20_000 } {
        let mut bad = good.clone();
        let pack = &mut bad.nodes[0].1;
        for _ in 0..random.between(1, 3) {
            let at = random.below(pack.len() as u64) as usize;
            pack[at] = random.word() as u8;
        }
        let Ok(mut stream) = Stream::from_parts(bad) else { continue };
        let count = stream.log().range(StreamId::ZERO, StreamId::MAX).map(read).count();
        assert_eq!(stream.log().range_back(StreamId::ZERO, StreamId::MAX).map(read).count(), count);
        let last = stream.log().last_id();
        stream.log_mut().remove(StreamId::new(random.below(12), 0));
        if let Some(id) = last.next() {
            push(stream.log_mut(), id, &texts(&mut random), StreamLimits::default());
        }
        stream.log_mut().trim(Trim::ToLen(2), false, 0);
        assert!(stream.log().len() <= 2);
    }
}

#[test]
fn groups_are_their_model() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let mut groups = Groups::default();
        let empty = groups.memory_bytes();
        assert!(groups.create(b"g", StreamId::ZERO, None) && !groups.create(b"g", StreamId::ZERO, None));
        let mut pending: BTreeMap<StreamId, (u8, i64, u64)> = BTreeMap::new();
        let mut consumers: BTreeSet<u8> = BTreeSet::new();
        for _ in 0..2_000 {
            let mut group = groups.group_mut(b"g").unwrap();
            let name = random.below(5) as u8 + b'a';
            let id = StreamId::new(random.below(300), 0);
            match random.below(8) {
                0..4 => {
                    let number = match group.consumer(&[name]) {
                        Some(number) => number,
                        None => group.create_consumer(&[name], 1).unwrap(),
                    };
                    consumers.insert(name);
                    let (delivered_ms, count) = (random.below(99) as i64, random.below(9));
                    group.assign(Pending { id, delivered_ms, count, consumer: number });
                    pending.insert(id, (name, delivered_ms, count));
                }
                4..7 => assert_eq!(group.settle(id), pending.remove(&id).is_some()),
                _ if random.chance(1, 10) => {
                    let had = pending.values().filter(|one| one.0 == name).count();
                    let expected = consumers.remove(&name).then_some(had);
                    assert_eq!(group.remove_consumer(&[name]), expected);
                    pending.retain(|_, one| one.0 != name);
                }
                _ => {
                    group.redelivered(id, 5);
                    if let Some(one) = pending.get_mut(&id) {
                        (one.1, one.2) = (5, one.2 + 1);
                    }
                }
            }
            drop(group);
            let group = groups.group(b"g").unwrap();
            assert!(group.consumers().map(|one| one.name()[0]).eq(consumers.iter().copied()));
            assert_eq!(group.pending().len(), pending.len());
        }
        let group = groups.group(b"g").unwrap();
        let found = group
            .pending()
            .iter()
            .map(|one| (one.id, (group.at(one.consumer).name()[0], one.delivered_ms, one.count)));
        assert!(found.eq(pending.clone()));
        for consumer in group.consumers() {
            let own = pending.iter().filter(|(_, one)| one.0 == consumer.name()[0]).map(|(id, _)| *id);
            assert!(consumer.pending().iter().copied().eq(own));
        }
        let before = groups.memory_bytes();
        groups.recount();
        assert_eq!(groups.memory_bytes(), before);
        assert!(groups.remove(b"g") && !groups.remove(b"g"));
        assert!(groups.memory_bytes() <= empty + 1_024);
    }
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let id = StreamId::new(1, 0);
    let pending = alloc::vec![PendingParts { id, delivered_ms: 1, count: 1 }];
    let consumer =
        ConsumerParts { name: b"c".to_vec(), pending: alloc::vec![id], ..ConsumerParts::default() };
    let group = GroupParts {
        name: b"g".to_vec(),
        pending,
        consumers: alloc::vec![consumer.clone()],
        ..GroupParts::default()
    };
    let stream = |groups: &[GroupParts]| {
        Stream::from_parts(StreamParts {
            history: Some((StreamId::ZERO, StreamId::ZERO, 0)),
            groups: groups.to_vec(),
            ..StreamParts::default()
        })
    };
    assert!(stream(core::slice::from_ref(&group)).is_ok());
    assert!(stream(&[group.clone(), group.clone()]).is_err());
    let without_owner = GroupParts { consumers: Vec::new(), ..group.clone() };
    assert!(stream(&[without_owner]).is_err());
    let unknown = GroupParts { pending: Vec::new(), ..group.clone() };
    assert!(stream(&[unknown]).is_err());
    let other = ConsumerParts { name: b"d".to_vec(), ..consumer.clone() };
    let two_owners = GroupParts { consumers: alloc::vec![consumer, other], ..group };
    assert!(stream(&[two_owners]).is_err());
}

#[test]
fn many_groups_consumers_and_ids_come_back_in_any_order() {
    const MANY: u64 = 3_000;
    let name = |number: u64| number.to_be_bytes().to_vec();
    let ids = (0..MANY).map(|ms| StreamId::new(ms, 0));
    let pending = ids.clone().map(|id| PendingParts { id, delivered_ms: 1, count: 2 }).collect();
    // The last name first, and ids handed out in turns.
    let consumer = |number: u64| ConsumerParts {
        name: name(number),
        pending: ids.clone().filter(|id| id.ms % 30 == number % 30 && number < 30).collect(),
        ..ConsumerParts::default()
    };
    let full = GroupParts {
        name: name(1),
        pending,
        consumers: (0..MANY).rev().map(consumer).collect(),
        ..GroupParts::default()
    };
    let empty = (2..MANY).rev().map(|number| GroupParts { name: name(number), ..GroupParts::default() });
    let parts = StreamParts {
        history: Some((StreamId::ZERO, StreamId::ZERO, 0)),
        groups: empty.chain([full]).collect(),
        ..StreamParts::default()
    };
    let stream = Stream::from_parts(parts).unwrap();
    assert!(stream.groups().iter().map(|group| group.name().to_vec()).eq((1..MANY).map(name)));
    let group = stream.groups().group(&name(1)).unwrap();
    assert!(group.consumers().map(|consumer| consumer.name().to_vec()).eq((0..MANY).map(name)));
    for pending in group.pending().iter() {
        assert_eq!(group.at(pending.consumer).name(), name(pending.id.ms % 30));
    }
    assert_eq!(group.pending().len() as u64, MANY);
}
