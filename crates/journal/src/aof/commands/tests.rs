//! A base of commands is written while its values change; the commands are carried out on a model.

use super::*;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use base::Random;
use data::list::End;
use data::stream::Pending;
use data::{
    Entry as Place, Growth, Hash, HashKey, HashLimits, Keyspace, Limits, List, Progress, Set, SetLimits,
    SnapshotBudget, SortedSet, SortedSetLimits, Value,
};

const KEY: HashKey = HashKey([3, 4]);
const TIME: u64 = 1_700_000_000_000;
const NAMES: [&str; 7] = ["hash", "set", "sorted", "list", "stream", "fields", "text"];

/// What a key holds, as text: what has no order is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    parts: Vec<String>,
    /// Fields with deadlines, groups with their consumers and what these have.
    more: Vec<String>,
    deadline: Option<u64>,
}

type State = BTreeMap<(u32, String), Held>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into()
}

fn held(value: ValueRef<'_>, deadline: Option<u64>) -> Held {
    let mut held = Held { deadline, ..Held::default() };
    codec::parts(value, &mut |parts| held.parts.push(text(&parts.join(&b' '))));
    match value {
        ValueRef::Hash(hash) => held.more.extend(
            hash.iter_with_deadlines()
                .filter_map(|(field, _, deadline)| Some(format!("{} {}", text(&field.to_vec()), deadline?))),
        ),
        ValueRef::Stream(stream) => {
            let log = stream.log();
            let ids = [log.last_id(), log.max_deleted_id()].map(|id| text(&id.to_vec()));
            held.more.push(format!("{} {} {}", ids[0], log.entries_added(), ids[1]));
            for group in stream.groups().iter() {
                let (name, last) = (text(group.name()), text(&group.last_id.to_vec()));
                held.more.push(format!("{name} {last} {:?}", group.entries_read));
                held.more.extend(group.consumers().map(|one| format!("{name} {}", text(one.name()))));
                held.more.extend(group.pending().iter().map(|one| {
                    let (id, consumer) = (text(&one.id.to_vec()), text(group.at(one.consumer).name()));
                    format!("{name} {consumer} {id} {} {}", one.delivered_ms, one.count)
                }));
            }
        }
        _ => {}
    }
    if !matches!(value, ValueRef::List(_) | ValueRef::Stream(_)) {
        held.parts.sort();
    }
    held.more.sort();
    held
}

fn state(space: &Keyspace) -> State {
    let mut state = State::new();
    for db in 0..space.databases() {
        space.for_each(db, |entry| {
            state.insert((db, text(entry.key())), held(entry.value(), entry.deadline_ms()));
        });
    }
    state
}

fn requests(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut rest = bytes;
    let number = |mark: u8, rest: &mut &[u8]| {
        let end = rest.iter().position(|byte| *byte == b'\r').unwrap();
        assert_eq!(rest[0], mark);
        let number = text(&rest[1..end]).parse::<usize>().unwrap();
        *rest = &rest[end + 2..];
        number
    };
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let count = number(b'*', &mut rest);
        let words = (0..count).map(|_| {
            let len = number(b'$', &mut rest);
            let word = text(&rest[..len]);
            assert_eq!(&rest[len..len + 2], b"\r\n");
            rest = &rest[len + 2..];
            word
        });
        requests.push(words.collect());
    }
    requests
}

/// Carries commands out; returns what is there then, and how many elements came in commands of 64.
fn read(bytes: &[u8]) -> (State, usize) {
    let (mut state, mut db, mut in_full) = (State::new(), 0, 0);
    for request in requests(bytes) {
        let words: Vec<&str> = request.iter().map(String::as_str).collect();
        if words[0] == "SELECT" {
            db = words[1].parse().unwrap();
            continue;
        }
        let key = if words[0] == "XGROUP" { words[2] } else { words[1] };
        let held = state.entry((db, key.into())).or_default();
        let each = match words[0] {
            "HMSET" | "ZADD" => 2,
            _ => 1,
        };
        match (words[0], &words[2..]) {
            ("SET" | "RPUSH" | "SADD" | "HMSET" | "ZADD", elements) => {
                assert!((1..=PER_COMMAND).contains(&(elements.len() / each)), "{}", elements.len());
                in_full += if elements.len() / each == PER_COMMAND { PER_COMMAND } else { 0 };
                for element in elements.chunks_exact(each) {
                    let mut element = element.to_vec();
                    if words[0] == "ZADD" {
                        element.reverse();
                    }
                    held.parts.push(element.join(" "));
                }
            }
            ("HPEXPIREAT", [deadline, "FIELDS", "1", field]) => {
                assert!(held.parts.iter().rev().any(|part| part.split(' ').next() == Some(*field)));
                held.more.push(format!("{field} {deadline}"));
            }
            ("PEXPIREAT", [deadline]) => held.deadline = deadline.parse().ok(),
            ("XADD", ["MAXLEN", ..]) => assert!(held.parts.is_empty()),
            ("XADD", [id, fields @ ..]) => {
                held.parts.push(format!("{} {}", id.replace('-', "."), fields.join(" ")));
            }
            ("XSETID", [last, "ENTRIESADDED", added, "MAXDELETEDID", deleted]) => {
                held.more.push(format!("{last} {added} {deleted}"));
            }
            ("XGROUP", [_, group, last, "ENTRIESREAD", read]) => {
                let read = read.parse::<i64>().unwrap();
                held.more.push(format!("{group} {last} {:?}", u64::try_from(read).ok()));
            }
            ("XGROUP", [_, group, consumer]) => held.more.push(format!("{group} {consumer}")),
            ("XCLAIM", [group, consumer, "0", id, "TIME", time, "RETRYCOUNT", count, "JUSTID", "FORCE"]) => {
                let name = format!("{group} {consumer}");
                if !held.more.contains(&name) {
                    held.more.push(name);
                }
                held.more.push(format!("{group} {consumer} {id} {time} {count}"));
            }
            other => panic!("{other:?}"),
        }
    }
    for ((_, key), held) in &mut state {
        if !key.starts_with("list") && !key.starts_with("stream") {
            held.parts.sort();
        }
        held.more.sort();
    }
    (state, in_full)
}

struct World {
    space: Keyspace,
    random: Random,
    clock: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let space = Keyspace::new(KEY.0, 2, false);
        let mut world = World { space, random: Random::new(seed), clock: 1 };
        for db in 0..2 {
            for (kind, name) in NAMES.into_iter().enumerate() {
                for (number, count) in [3_000, 70, 1].into_iter().enumerate() {
                    let key = format!("{name}:{number}");
                    world.make(db, &key, kind);
                    (0..count).for_each(|_| world.change(db, &key));
                }
            }
        }
        world
    }

    fn make(&mut self, db: u32, key: &str, kind: usize) {
        let value: Value = match kind {
            0 | 5 => Hash::new().into(),
            1 => Set::new().into(),
            2 => SortedSet::new().into(),
            3 => List::new().into(),
            6 => Value::String(vec![b'x'; 70_000 + self.random.below(150_000) as usize]),
            _ => Stream::new().into(),
        };
        let deadline = self.random.chance(1, 3).then(|| TIME + self.random.below(1_000));
        let hash = self.space.hash(key.as_bytes());
        let Place::Vacant(entry) = self.space.entry(db, key.as_bytes(), hash) else { return };
        entry.insert(value, deadline);
    }

    fn change(&mut self, db: u32, key: &str) {
        let random = &mut self.random;
        let hash = self.space.hash(key.as_bytes());
        let element = format!("element:{:030}", random.below(5_000)).into_bytes();
        let Place::Occupied(mut entry) = self.space.entry(db, key.as_bytes(), hash) else { return };
        let (action, limits) = (random.below(8), Limits::default());
        self.clock += 1;
        match entry.value() {
            ValueRef::Hash(_) => {
                let growth = Growth { key: KEY, limits: HashLimits::default() };
                let mut hash = entry.hash_mut().unwrap();
                match action {
                    0 => drop(hash.remove(&element)),
                    1 | 2 if key.starts_with("fields") => {
                        hash.set_field_deadline(&element, Some(TIME + action), KEY);
                    }
                    _ => drop(hash.set(&element, format!("{}", random.word()).as_bytes(), growth)),
                }
            }
            ValueRef::Set(_) => {
                let growth = Growth { key: KEY, limits: SetLimits::default() };
                let mut set = entry.change_in::<Set>().unwrap();
                match action {
                    0 => drop(set.remove(&element)),
                    _ => drop(set.insert(&element, growth)),
                }
            }
            ValueRef::SortedSet(_) => {
                let growth = Growth { key: KEY, limits: SortedSetLimits::default() };
                let mut set = entry.change_in::<SortedSet>().unwrap();
                match action {
                    0 => drop(set.remove(&element)),
                    _ => set.change(&element, growth, |_| Some(random.below(5_000) as f64 / 4.0)),
                }
            }
            ValueRef::List(_) => {
                let mut list = entry.change_in::<List>().unwrap();
                match action {
                    0 => drop(list.pop(End::Front, &limits.list, |_| ())),
                    1..4 => list.push(End::Front, &element, &limits.list),
                    4 if !list.is_empty() => {
                        let at = list.len() / 2;
                        list.set(at, &element, &limits.list);
                    }
                    _ => list.push(End::Back, &element, &limits.list),
                }
            }
            ValueRef::Stream(_) => change_stream(
                &mut entry.change_in::<Stream>().unwrap(),
                (action, self.clock),
                &element,
                random,
                &limits,
            ),
            ValueRef::Str(text) => {
                let at = random.below(text.len() as u64) as usize;
                entry.set_range(at, &element);
            }
        }
    }

    fn name(&mut self) -> (u32, String) {
        let name = NAMES[self.random.below(7) as usize];
        (self.random.below(2) as u32, format!("{name}:{}", self.random.below(3)))
    }
}

fn change_stream(
    stream: &mut Stream,
    (action, clock): (u64, u64),
    element: &[u8],
    random: &mut Random,
    limits: &Limits,
) {
    let id = stream.log_mut().next_id(clock).unwrap();
    let known = StreamId::new(random.below(clock), 0);
    let group = format!("group{}", random.below(3)).into_bytes();
    match action {
        0 if stream.log().contains(known) => drop(stream.log_mut().remove(known)),
        1..4 => {
            stream.groups_mut().create(&group, known, Some(clock));
            let mut group = stream.groups_mut().group_mut(&group).unwrap();
            let name = format!("consumer{}", random.below(4)).into_bytes();
            let consumer =
                group.consumer(&name).or_else(|| group.create_consumer(&name, 5)).expect("it is there now");
            let pending = Pending { id: known, delivered_ms: clock as i64, count: 1 + action, consumer };
            match action {
                1 if random.chance(1, 40) => drop(group.remove_consumer(&name)),
                1 => drop(group.settle(known)),
                _ => group.assign(pending),
            }
        }
        _ => stream.log_mut().push(id, [b"field", element].into_iter(), limits.stream),
    }
}

fn base_among_changes(seed: u64) {
    let mut world = World::new(seed);
    let mut expected = state(&world.space);
    // The engine would have removed the others.
    let stays =
        |(_, key): &(u32, String), held: &mut Held| !held.parts.is_empty() || key.starts_with("stream");
    expected.retain(stays);
    world.space.snapshot_begin(encode());
    let mut bytes = Vec::new();
    let rate = 1 + world.random.below(30);
    loop {
        for _ in 0..world.random.below(rate) {
            let (db, key) = world.name();
            world.change(db, &key);
        }
        if world.random.chance(1, 20) {
            let (db, key) = world.name();
            let hash = world.space.hash(key.as_bytes());
            if let Place::Occupied(entry) = world.space.entry(db, key.as_bytes(), hash) {
                entry.remove();
            }
        }
        let ns = 1 + world.random.below(40_000) as usize;
        world.space.snapshot_step(SnapshotBudget { entries: 8, ns });
        assert!(!world.space.snapshot_is_broken(), "seed {seed}");
        if world.space.snapshot_take(&mut bytes) == Progress::Done {
            break;
        }
    }
    let (mut seen, in_full) = read(&bytes);
    seen.retain(stays);
    assert!(in_full > 10_000, "{in_full} elements in full commands");
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, held) in &expected {
        assert!(seen[name].parts == held.parts, "seed {seed}: {name:?} has other parts");
        assert_eq!(seen[name].more, held.more, "seed {seed}: {name:?}");
        assert_eq!(seen[name].deadline, held.deadline, "seed {seed}: {name:?}");
    }
}

#[test]
fn a_base_of_commands_holds_one_moment() {
    (0..4).for_each(base_among_changes);
}

#[test]
fn long_elements_do_not_gather() {
    let mut space = Keyspace::new(KEY.0, 1, false);
    let mut list = List::new();
    (0..40).for_each(|_| list.push(End::Back, &vec![b'x'; 30_000], &Limits::default().list));
    let hash = space.hash(b"list");
    let Place::Vacant(entry) = space.entry(0, b"list", hash) else { unreachable!() };
    entry.insert(list.into(), None);
    space.snapshot_begin(encode());
    let mut bytes = Vec::new();
    while space.snapshot_step(SnapshotBudget { entries: 1, ns: 1 }) != Progress::Done {
        space.snapshot_take(&mut bytes);
    }
    space.snapshot_take(&mut bytes);
    let elements: Vec<usize> = requests(&bytes).iter().skip(1).map(|request| request.len() - 2).collect();
    assert!(elements.iter().all(|count| *count <= 3), "{elements:?}");
    assert_eq!(elements.iter().sum::<usize>(), 40);
}

#[test]
fn a_last_id_below_a_deleted_entry_is_written_so_that_it_loads() {
    let (mut stream, limits) = (Stream::new(), Limits::default());
    for ms in [5, 10] {
        let pair = [&b"field"[..], b"value"];
        stream.log_mut().push(StreamId::new(ms, 0), pair.into_iter(), limits.stream);
    }
    stream.log_mut().remove(StreamId::new(10, 0));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    of_facts(&mut before, &[b"key"], &stream);
    stream.log_mut().set_ids(StreamId::new(8, 0), None, None);
    of_facts(&mut after, &[b"key"], &stream);
    let written = |bytes: &[u8]| requests(bytes)[0].join(" ");
    assert_eq!(written(&before), "XSETID key 10-0 ENTRIESADDED 2 MAXDELETEDID 10-0");
    assert_eq!(written(&after), "XSETID key 8-0 ENTRIESADDED 2 MAXDELETEDID 8-0");
}
