//! A snapshot of large values that are changed, renamed, removed and flushed while the walker is within them.

use base::Random;
use data::list::{Chunk, End};
use data::stream::{Pending, StreamId, Trim};
use data::{
    Clocks, Encode, EncodeLarge, Entry, Growth, Hash, HashKey, HashLimits, Keyspace, Limits, List,
    OccupiedEntry, Part, Progress, Set, SetLimits, Shape, SnapshotBudget, SnapshotOut, SortedSet,
    SortedSetLimits, Stream, Value, ValueRef,
};
use std::collections::BTreeMap;
use std::iter::once;

const KEY: HashKey = HashKey([8, 9]);
const TIME: u64 = 1_700_000_000_000;
const NAMES: [&str; 6] = ["hash", "set", "sorted", "list", "stream", "text"];

/// Deadline, type, and the encoded parts; those without an order sorted.
type Held = (Option<u64>, u8, Vec<Vec<u8>>);
type State = BTreeMap<(u32, Vec<u8>), Held>;

fn record(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn part(out: &mut Vec<u8>, part: Part<'_>) {
    let text = match part {
        Part::Field(field, value, deadline) => {
            format!("{:?} {:?} {deadline:?}", field.to_vec(), value.to_vec()).into_bytes()
        }
        Part::Member(member) => member.to_vec(),
        Part::Scored(member, score) => format!("{member:?} {score}").into_bytes(),
        Part::Chunk(Chunk::Plain(text)) => text.to_vec(),
        Part::Chunk(Chunk::Packed(elements, count)) => format!("{count} {elements:?}").into_bytes(),
        Part::Pack(pack) => node(pack.id(), pack.as_bytes()),
        Part::Rest(stream) => rest(stream),
        part => of_groups(part),
    };
    record(out, &text);
}

fn node(id: StreamId, pack: &[u8]) -> Vec<u8> {
    format!("{id:?} {pack:?}").into_bytes()
}

/// Of a group: how many such parts come is not told before.
fn of_groups(part: Part<'_>) -> Vec<u8> {
    match part {
        Part::Pending { group, consumer, pending } => {
            let Pending { id, delivered_ms, count, .. } = pending;
            format!("group part {group:?} {consumer:?} {id:?} {delivered_ms} {count}").into_bytes()
        }
        part => format!("group part {part:?}").into_bytes(),
    }
}

fn rest(stream: &Stream) -> Vec<u8> {
    let log = stream.log();
    format!("{} {:?} {:?} {}", log.len(), log.first_id(), log.last_id(), log.entries_added()).into_bytes()
}

/// The parts of a value where it lies.
fn parts(value: ValueRef<'_>) -> (u8, Vec<Vec<u8>>) {
    let mut out = Vec::new();
    let tag = match value {
        ValueRef::Str(text) => {
            record(&mut out, &text.to_vec());
            b'"'
        }
        ValueRef::Hash(hash) => {
            let has_deadlines = hash.has_deadlines();
            hash.iter_with_deadlines().for_each(|(field, value, deadline)| {
                part(&mut out, Part::Field(field, value, has_deadlines.then_some(deadline)))
            });
            b'H'
        }
        ValueRef::Set(set) => {
            set.iter().for_each(|member| record(&mut out, &member.to_vec()));
            b'S'
        }
        ValueRef::SortedSet(set) => {
            set.iter().for_each(|(member, score)| part(&mut out, Part::Scored(&member.to_vec(), score)));
            b'Z'
        }
        ValueRef::List(list) => {
            list.chunks().for_each(|chunk| part(&mut out, Part::Chunk(chunk)));
            b'L'
        }
        ValueRef::Stream(stream) => {
            stream.log().packs().for_each(|(id, pack)| record(&mut out, &node(id, pack)));
            record(&mut out, &rest(stream));
            stream.groups().parts(|part| record(&mut out, &of_groups(part)));
            b'X'
        }
    };
    let mut parts = records(&out);
    if !matches!(tag, b'L' | b'X') {
        parts.sort();
    }
    (tag, parts)
}

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (record, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

fn begin(out: &mut SnapshotOut, db: u32, key: &[u8], deadline: Option<u64>, tag: u8, count: usize) {
    record(&mut out.bytes, &db.to_le_bytes());
    record(&mut out.bytes, key);
    record(&mut out.bytes, &deadline.unwrap_or(0).to_le_bytes());
    record(&mut out.bytes, &[tag]);
    record(&mut out.bytes, &count.to_le_bytes());
}

fn whole(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, deadline: Option<u64>) {
    let (tag, parts) = parts(value);
    let of_groups = parts.iter().filter(|part| part.starts_with(b"group part")).count();
    begin(out, db, key, deadline, tag, parts.len() - of_groups);
    parts.iter().for_each(|part| record(&mut out.bytes, part));
}

fn head(out: &mut SnapshotOut, db: u32, key: &[u8], shape: Shape, deadline: Option<u64>) {
    let (tag, count) = match shape {
        Shape::Hash(len, _) => (b'H', len),
        Shape::Set(len) => (b'S', len),
        Shape::SortedSet(len) => (b'Z', len),
        Shape::List(nodes) => (b'L', nodes),
        Shape::Stream(nodes) => (b'X', nodes + 1),
        // The bytes that follow make a record of this head's last four.
        Shape::Text(len, packed) => {
            begin(out, db, key, deadline, if packed.is_some() { b'P' } else { b'"' }, 1);
            if packed.is_some() {
                record(&mut out.bytes, &len.to_le_bytes());
            }
            out.bytes.extend_from_slice(&(packed.unwrap_or(len) as u32).to_le_bytes());
            return;
        }
    };
    begin(out, db, key, deadline, tag, count);
}

fn encode(packs: bool) -> Encode {
    let large = EncodeLarge { head, part, frame: None, packs };
    Encode { whole, large: Some(large), clocks: (Clocks::Unused, 0) }
}

/// What a snapshot has written.
fn read(bytes: &[u8]) -> State {
    let mut state = State::new();
    let mut records = records(bytes).into_iter().peekable();
    while let Some(db) = records.next() {
        let mut word = || records.next().unwrap();
        let (key, deadline, tag, count) = (word(), word(), word()[0], word());
        let count = usize::from_le_bytes(count.try_into().unwrap());
        let plain_len = (tag == b'P').then(|| u64::from_le_bytes(word().try_into().unwrap()));
        let mut parts: Vec<Vec<u8>> = records.by_ref().take(count).collect();
        assert_eq!(parts.len(), count);
        while let Some(part) = records.next_if(|record| record.starts_with(b"group part")) {
            parts.push(part);
        }
        if !matches!(tag, b'L' | b'X') {
            parts.sort();
        }
        let deadline = u64::from_le_bytes(deadline.try_into().unwrap());
        if let Some(len) = plain_len {
            parts[0] = base::lzf::unpack(&parts[0], len).unwrap();
        }
        let tag = if tag == b'P' { b'"' } else { tag };
        let held = ((deadline > 0).then_some(deadline), tag, parts);
        let name = (u32::from_le_bytes(db.try_into().unwrap()), key);
        assert!(state.insert(name.clone(), held).is_none(), "{name:?} was written twice");
    }
    state
}

fn state(space: &Keyspace) -> State {
    let mut state = State::new();
    for db in 0..space.databases() {
        space.for_each(db, |entry| {
            let (tag, parts) = parts(entry.value());
            state.insert((db, entry.key().to_vec()), (entry.deadline_ms(), tag, parts));
        });
    }
    state
}

struct World {
    space: Keyspace,
    random: Random,
    clock: u64,
    limits: Limits,
}

impl World {
    fn new(seed: u64, clustered: bool) -> World {
        let mut random = Random::new(seed);
        let space = Keyspace::new(KEY.0, if clustered { 1 } else { 2 }, clustered);
        let mut limits = Limits::default();
        limits.list.compress_depth = random.below(3) as usize;
        let mut world = World { space, random, clock: 1, limits };
        for db in 0..world.space.databases() {
            for (kind, name) in NAMES.into_iter().enumerate() {
                for number in 0..3 {
                    world.make(db, format!("{name}:{number}").as_bytes(), kind, 1 << (12 - 5 * number));
                }
            }
        }
        world
    }

    fn hash_limits(&self) -> Growth<HashLimits> {
        Growth { key: KEY, limits: self.limits.hash }
    }

    fn element(&mut self) -> Vec<u8> {
        format!("element {:024}", self.random.below(6_000)).into_bytes()
    }

    /// A string of up to `len_max` bytes, or half of them; a long one may be well packed.
    fn text(&mut self, len_max: u64) -> Vec<u8> {
        let len = (len_max / 2 + self.random.below(len_max / 2)) as usize;
        if self.random.chance(1, 2) {
            return (0..len).map(|_| self.random.word() as u8).collect();
        }
        b"the same again ".iter().copied().cycle().take(len).collect()
    }

    /// Makes a value of about `count` elements, if the key is not there.
    fn make(&mut self, db: u32, key: &[u8], kind: usize, count: usize) {
        let value = match kind {
            0 => Hash::new().into(),
            1 => Set::new().into(),
            2 => SortedSet::new().into(),
            3 => List::new().into(),
            4 => Stream::new().into(),
            _ => Value::String(self.text(if count > 2_000 { 400_000 } else { 20 })),
        };
        let hash = self.space.hash(key);
        let deadline = self.random.chance(1, 3).then(|| TIME + self.random.below(1_000));
        if let Entry::Vacant(entry) = self.space.entry(db, key, hash) {
            entry.insert(value, deadline);
            (0..count).for_each(|_| self.change(db, key, true));
        }
    }

    /// A change within a value.
    fn change(&mut self, db: u32, key: &[u8], grows: bool) {
        let (element, hash_limits, limits) = (self.element(), self.hash_limits(), self.limits);
        self.clock += 1;
        let (clock, hash) = (self.clock, self.space.hash(key));
        let (action, number) =
            (self.random.below(if grows { 6 } else { 12 }), self.random.below(4_000) as usize);
        let Entry::Occupied(mut entry) = self.space.entry(db, key, hash) else { return };
        let random = &mut self.random;
        match entry.value() {
            ValueRef::Str(text) => {
                let (len, is_long) = (text.len(), text.len() > 100_000);
                let at = random.below(len as u64 + 50) as usize;
                match action {
                    // Into the same buffer, where nobody reads it.
                    9 if is_long => entry.store(&vec![b'n'; len - number % 10], None),
                    10 if !is_long || random.chance(1, 20) => entry.store(&element, None),
                    0 => _ = entry.append(&element),
                    11 if is_long && random.chance(1, 9) => _ = entry.append(&vec![b'z'; 1_200_000]),
                    2..5 => entry.edit(at + 1, once(at..at + 1), |text| text[at] ^= 1),
                    5 if is_long => _ = entry.set_range(at, &[b'w'; 70_000]),
                    _ => _ = entry.set_range(at, &element),
                }
            }
            ValueRef::Hash(_) => change_hash(&mut entry, action, &element, hash_limits, random),
            ValueRef::Set(_) => {
                let growth = Growth { key: KEY, limits: SetLimits::default() };
                let mut set = entry.change_in::<Set>().unwrap();
                match action {
                    0..6 => drop(set.insert(&element, growth)),
                    6..8 => drop(set.take_random(random)),
                    8 => set.extend([b"some", &element[..]].map(data::StrRef::Bytes).into_iter(), growth),
                    _ => drop(set.remove(&element)),
                }
            }
            ValueRef::SortedSet(_) => {
                let growth = Growth { key: KEY, limits: SortedSetLimits::default() };
                let mut set = entry.change_in::<SortedSet>().unwrap();
                match action {
                    0..6 => set.change(&element, growth, |_| Some(random.below(5_000) as f64)),
                    6 => {
                        let end = set.len().min(number + 5);
                        set.remove_ranks(number.min(end)..end);
                    }
                    7..9 => set.change(&element, growth, |old| old.map(|score| score + 1_000.0)),
                    _ => drop(set.remove(&element)),
                }
            }
            ValueRef::List(_) => change_list(&mut entry, (action, number), &element, &limits),
            ValueRef::Stream(_) => {
                let mut stream = entry.change_in::<Stream>().unwrap();
                if random.chance(1, 2) {
                    return change_groups(&mut stream, random, clock as i64);
                }
                let log = stream.log_mut();
                match action {
                    0..8 => {
                        let id = log.next_id(clock).unwrap();
                        log.push(id, [b"field", &element[..]].into_iter(), limits.stream);
                    }
                    8..11 => {
                        let id = log.range(StreamId::new(number as u64 * 4, 0), StreamId::MAX).next();
                        if let Some(id) = id.map(|entry| entry.id()) {
                            assert!(log.remove(id));
                        }
                    }
                    _ => drop(log.trim(Trim::ToLen(log.len() - log.len().min(7)), number % 2 == 0, 0)),
                }
            }
        }
    }

    fn name(&mut self) -> (u32, Vec<u8>) {
        let name = NAMES[self.random.below(6) as usize];
        let db = self.random.below(u64::from(self.space.databases())) as u32;
        (db, format!("{name}:{}", self.random.below(4)).into_bytes())
    }

    /// A change of keys.
    fn shuffle(&mut self) {
        let (db, key) = self.name();
        let hash = self.space.hash(&key);
        let (action, is_clustered) = (self.random.below(20), self.space.is_clustered());
        match (action, self.space.entry(db, &key, hash)) {
            (0, Entry::Occupied(entry)) => entry.remove(),
            (1, Entry::Occupied(mut entry)) => entry.store(b"another", Some(TIME)),
            (2, Entry::Occupied(mut entry)) => entry.set_value(Value::String(vec![b'x'; 3_000])),
            (3..6, Entry::Occupied(mut entry)) => entry.set_deadline(Some(TIME + action)),
            (6..8, Entry::Occupied(entry)) => {
                let (value, deadline) = entry.take();
                let (other_db, other) = self.name();
                let hash = self.space.hash(&other);
                if let Entry::Occupied(entry) = self.space.entry(other_db, &other, hash) {
                    entry.remove();
                }
                let Entry::Vacant(entry) = self.space.entry(other_db, &other, hash) else { unreachable!() };
                entry.insert(value, deadline);
            }
            (8, _) if self.random.chance(1, 4) => {
                let detached = self.space.flush(db);
                self.space.dispose(detached);
            }
            (9, _) if is_clustered => {
                let detached = self.space.remove_slot(base::crc16::slot_of(&key));
                self.space.dispose(detached);
            }
            (9, _) => self.space.swap(0, 1),
            (10, Entry::Vacant(_)) => {
                let kind = NAMES.iter().position(|name| key.starts_with(name.as_bytes())).unwrap();
                self.make(db, &key, kind, 3_000);
            }
            _ => {}
        }
    }
}

fn change_hash(
    entry: &mut OccupiedEntry<'_>,
    action: u64,
    element: &[u8],
    growth: Growth<HashLimits>,
    random: &mut Random,
) {
    let mut hash = entry.hash_mut().unwrap();
    let value = format!("{}", random.word());
    match action {
        0..6 => drop(hash.set(element, value.as_bytes(), growth)),
        6 => drop(hash.set_field_deadline(element, Some(TIME + random.below(50_000)), KEY)),
        7 => drop(hash.set_field_deadline(element, None, KEY)),
        8 => drop(hash.expire(TIME + random.below(50_000), 5)),
        _ => drop(hash.remove(element)),
    }
}

fn change_groups(stream: &mut Stream, random: &mut Random, clock: i64) {
    let groups = stream.groups_mut();
    let name = [b'g', random.below(3) as u8];
    let (id, consumer) = (StreamId::new(random.below(9_000), 0), [b'c', random.below(5) as u8]);
    match random.below(1_000) {
        0..4 => drop(groups.remove(&name)),
        4..20 => drop(groups.create(&name, id, Some(clock as u64))),
        _ => {}
    }
    let Some(mut group) = groups.group_mut(&name) else { return };
    if random.chance(1, 60) {
        group.remove_consumer(&consumer);
    }
    let number = match group.consumer(&consumer) {
        Some(number) => number,
        None => group.create_consumer(&consumer, clock).expect("it was not there"),
    };
    match random.below(8) {
        0..2 => drop(group.settle(id)),
        2 => group.redelivered(id, clock),
        3 => group.saw(number, clock, Some(clock)),
        4 => group.last_id = id,
        _ => group.assign(Pending { id, delivered_ms: clock, count: 1, consumer: number }),
    }
}

fn change_list(
    entry: &mut OccupiedEntry<'_>,
    (action, number): (u64, usize),
    element: &[u8],
    limits: &Limits,
) {
    let mut list = entry.change_in::<List>().unwrap();
    let len = list.len().max(1);
    match action {
        0..3 => list.push(End::Front, element, &limits.list),
        3..5 => list.push(End::Back, element, &limits.list),
        5 => list.insert(number % len, element, &limits.list),
        6 => drop(list.pop(End::Front, &limits.list, |_| ())),
        7 => drop(list.pop(End::Back, &limits.list, |_| ())),
        8 if !list.is_empty() => list.set(number % len, &[b'y'; 500][..number % 500], &limits.list),
        9 => list.remove(number % len, 1 + number % 40, &limits.list),
        10 => drop(list.remove_equal(element, End::Back, 2, &limits.list)),
        _ if number % 50 == 0 => list.remove(number % len, 400, &limits.list),
        _ => {}
    }
}

fn snapshots_among_changes(seed: u64, clustered: bool) {
    let encode = encode(!seed.is_multiple_of(3));
    let mut world = World::new(seed, clustered);
    let mut whole = 0;
    while whole < 2 {
        let expected = state(&world.space);
        world.space.snapshot_begin(encode);
        let (mut bytes, is_given_up) = (Vec::new(), world.random.chance(1, 4));
        let rate = 1 + world.random.below(60);
        loop {
            for _ in 0..world.random.below(rate) {
                let (db, key) = world.name();
                world.change(db, &key, false);
            }
            if world.random.chance(1, 6) {
                world.shuffle();
            }
            if is_given_up && world.random.chance(1, 60) {
                world.space.snapshot_abort();
                break;
            }
            let entries = 1 + world.random.below(8) as usize;
            let budget = SnapshotBudget { entries, ns: 1 + world.random.below(40_000) as usize };
            world.space.snapshot_step(budget);
            assert!(!world.space.snapshot_is_broken(), "seed {seed}");
            let progress = world.space.snapshot_take(&mut bytes);
            if progress == Progress::Done {
                whole += 1;
                let seen = read(&bytes);
                assert!(seen.keys().eq(expected.keys()), "seed {seed}: other keys");
                for (name, held) in &expected {
                    let name_text = String::from_utf8_lossy(&name.1);
                    assert!(seen[name] == *held, "seed {seed}: {name_text} of {} differs", name.0);
                }
                break;
            }
        }
        while world.space.free_slice(1_000) {}
    }
}

#[test]
fn large_values_are_written_as_they_were() {
    (0..6).for_each(|seed| snapshots_among_changes(seed, false));
}

#[test]
fn large_values_of_slots_are_written_as_they_were() {
    (6..9).for_each(|seed| snapshots_among_changes(seed, true));
}

#[test]
fn a_write_beside_a_large_value_is_cheap() {
    let mut world = World::new(1, false);
    for (kind, name) in NAMES.iter().enumerate() {
        world.make(0, format!("{name}:big").as_bytes(), kind, 20_000);
    }
    world.space.snapshot_begin(encode(true));
    for name in &NAMES {
        let before = world.space.snapshot_pending_bytes();
        world.change(0, format!("{name}:big").as_bytes(), false);
        let after = world.space.snapshot_pending_bytes();
        assert!(after - before < 64 << 10, "{name} took {} bytes", after - before);
    }
    let noted = world.space.snapshot_noted_bytes();
    assert!((1..500 << 10).contains(&noted), "{noted}");
    world.space.snapshot_step(SnapshotBudget { entries: 1_000, ns: 30_000 });
    assert!(world.space.snapshot_pending_bytes() < 200 << 10);
    world.space.snapshot_abort();
}

#[test]
fn the_smallest_steps_come_to_an_end() {
    /// So many bytes do the smallest steps write at least, on the average.
    const STEP_BYTES: usize = 8;
    let mut world = World::new(2, false);
    for (kind, name) in NAMES.iter().enumerate() {
        world.make(0, format!("{name}:big").as_bytes(), kind, 8_000);
    }
    let expected = state(&world.space);
    world.space.snapshot_begin(encode(true));
    let (mut bytes, mut steps) = (Vec::new(), 0);
    loop {
        world.space.snapshot_step(SnapshotBudget { entries: 1, ns: 1 });
        if world.space.snapshot_take(&mut bytes) == Progress::Done {
            break;
        }
        steps += 1;
        assert!(steps <= 1_000 + bytes.len() / STEP_BYTES, "{steps} steps for {} bytes", bytes.len());
    }
    assert!(read(&bytes).keys().eq(expected.keys()));
}
