//! A keyspace beside its model, and random operations on both.

use base::Random;
use data::{Entry, Growth, HashKey, HashLimits, Keyspace, OccupiedEntry, Set, SetLimits, Value, ValueRef};
use std::collections::{BTreeMap, BTreeSet};

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Str(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
}

/// Database and key.
pub type Name = (u32, Vec<u8>);
/// The whole state.
pub type State = BTreeMap<Name, (Held, Option<u64>)>;

/// The content of a value.
pub fn held(value: ValueRef<'_>) -> Held {
    match value {
        ValueRef::Str(text) => Held::Str(text.to_vec()),
        ValueRef::Hash(hash) => {
            Held::Hash(hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
        }
        ValueRef::Set(set) => Held::Set(set.iter().map(|member| member.to_vec()).collect()),
        other => unreachable!("no such value is made here: {other:?}"),
    }
}

/// Fewer operations under Miri, which is some hundred times slower.
pub fn scaled(count: usize) -> usize {
    if cfg!(miri) { count / 40 + 1 } else { count }
}

const KEY: HashKey = HashKey([8, 9]);
const LIMITS: Growth<HashLimits> = Growth { key: KEY, limits: HashLimits { entries: 6, value_bytes: 20 } };
const SET_LIMITS: Growth<SetLimits> =
    Growth { key: KEY, limits: SetLimits { intset_entries: 9, listpack_entries: 6, value_bytes: 20 } };

fn change_hash(
    entry: &mut OccupiedEntry<'_>,
    fields: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    text: &[u8],
    random: &mut Random,
) {
    let mut hash = entry.hash_mut().unwrap();
    for _ in 0..4 {
        let field = format!("{}", random.below(30)).into_bytes();
        if random.chance(1, 4) {
            assert_eq!(hash.remove(&field), fields.remove(&field).is_some());
        } else {
            let is_new = fields.insert(field.clone(), text.to_vec()).is_none();
            assert_eq!(hash.set(&field, text, LIMITS), is_new);
            assert_eq!(hash.field(&field).unwrap().to_vec(), text);
        }
    }
}

fn change_set(entry: &mut OccupiedEntry<'_>, members: &mut BTreeSet<Vec<u8>>, random: &mut Random) {
    let mut set = entry.change_in::<Set>().unwrap();
    for _ in 0..6 {
        let member = match random.below(3) {
            0 => format!("{}", random.below(30)),
            1 => format!("member {}", random.below(30)),
            _ => "x".repeat(random.below(30) as usize),
        };
        let member = member.into_bytes();
        if random.chance(1, 4) {
            assert_eq!(set.remove(&member), members.remove(&member));
        } else {
            assert_eq!(set.insert(&member, SET_LIMITS), members.insert(member));
        }
    }
}

/// The two side by side.
pub struct World {
    pub space: Keyspace,
    pub model: State,
    pub random: Random,
    pub databases: u32,
    /// Keys are drawn from so many.
    pub names: u64,
}

impl World {
    pub fn new(seed: u64, clustered: bool, names: u64) -> World {
        let mut random = Random::new(seed);
        let databases = if clustered { 1 } else { 2 };
        let space = Keyspace::new([random.word(), random.word()], databases, clustered);
        World { space, model: State::new(), random, databases, names }
    }

    pub fn name(&mut self) -> Name {
        let number = self.random.below(self.names);
        // Some keys share a slot.
        let key = match number % 3 {
            0 => format!("{{tag{}}}{number}", number % 7),
            _ => format!("key:{number}"),
        };
        (self.random.below(u64::from(self.databases)) as u32, key.into_bytes())
    }

    fn text(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0..3 => format!("{}", self.random.word() as i64 >> self.random.below(64)).into_bytes(),
            3 => vec![b'b'; 900 + self.random.below(400) as usize],
            4 => vec![b'c'; 3_000],
            _ => vec![b'a' + self.random.below(3) as u8; self.random.below(80) as usize],
        }
    }

    fn deadline(&mut self) -> Option<u64> {
        self.random.chance(1, 3).then(|| 1_700_000_000_000 + self.random.below(100_000))
    }

    /// Random operations; `grow` sways towards inserts or removals.
    pub fn run(&mut self, operations: usize, grow: bool) {
        for _ in 0..operations {
            let kind = self.random.below(if grow { 16 } else { 24 });
            self.operation(kind);
        }
    }

    pub fn operation(&mut self, kind: u64) {
        let name = self.name();
        let (text, deadline) = (self.text(), self.deadline());
        let hash = self.space.hash(&name.1);
        self.space.prefetch_bucket(name.0, hash);
        self.space.prefetch_entry(name.0, hash);
        let entry = self.space.entry(name.0, &name.1, hash);
        let mut entry = match entry {
            Entry::Vacant(entry) => {
                assert!(!self.model.contains_key(&name), "{name:?} is missing");
                let value = match kind {
                    0..7 => {
                        entry.insert_string(&text, deadline);
                        Held::Str(text)
                    }
                    7 => {
                        entry.insert_integer(-5, deadline);
                        Held::Str(b"-5".to_vec())
                    }
                    8 => {
                        entry.insert(Value::String(text.clone()), deadline);
                        Held::Str(text)
                    }
                    9..11 => {
                        entry.insert_hash().hash_mut().unwrap().set(b"first", &text, LIMITS);
                        self.model.insert(name, (Held::Hash([(b"first".to_vec(), text)].into()), None));
                        return;
                    }
                    11 | 12 => {
                        let mut set = Set::new();
                        set.insert(&text, SET_LIMITS);
                        let entry = self.space.entry(name.0, &name.1, hash);
                        let Entry::Vacant(entry) = entry else { unreachable!("it was vacant just now") };
                        entry.insert(set.into(), deadline);
                        Held::Set([text].into())
                    }
                    _ => return,
                };
                self.model.insert(name, (value, deadline));
                return;
            }
            Entry::Occupied(entry) => entry,
        };
        let modelled = self.model.get_mut(&name).expect("a key that was never set");
        assert_eq!(held(entry.value()), modelled.0);
        assert_eq!(entry.deadline_ms(), modelled.1);
        match (kind, &mut modelled.0) {
            (0..3, _) => {
                entry.store(&text, deadline);
                *modelled = (Held::Str(text), deadline);
            }
            (3, _) => {
                entry.set_string(&text);
                modelled.0 = Held::Str(text);
            }
            (4, _) => {
                entry.set_integer(77);
                modelled.0 = Held::Str(b"77".to_vec());
            }
            (5, _) => {
                entry.set_value(Value::string(&text));
                modelled.0 = Held::Str(text);
            }
            (6, _) => {
                entry.set_deadline(deadline);
                modelled.1 = deadline;
            }
            (7..9, Held::Str(old)) => {
                old.extend_from_slice(&text);
                assert_eq!(entry.append(&text), old.len());
            }
            (9, Held::Str(old)) => {
                let offset = self.random.below(50) as usize;
                old.resize(old.len().max(offset + text.len()), 0);
                old[offset..offset + text.len()].copy_from_slice(&text);
                assert_eq!(entry.set_range(offset, &text), old.len());
            }
            (7..13, Held::Hash(fields)) => change_hash(&mut entry, fields, &text, &mut self.random),
            (7..13, Held::Set(members)) => change_set(&mut entry, members, &mut self.random),
            (13, _) => {
                let (value, deadline) = entry.take();
                assert_eq!((held(value.as_ref()), deadline), *modelled);
                self.space.dispose_value(value);
                self.model.remove(&name);
            }
            (14.., _) => {
                entry.remove();
                self.model.remove(&name);
            }
            _ => entry.as_ref().touch(self.random.word() as u32 & 0xff_ffff),
        }
    }

    /// Compares everything.
    pub fn check(&mut self) {
        let mut state = State::new();
        let (mut entries, mut overhead) = (0, self.space.overhead_bytes());
        for db in 0..self.databases {
            let mut expires = 0;
            self.space.for_each(db, |entry| {
                let value = (held(entry.value()), entry.deadline_ms());
                assert!(state.insert((db, entry.key().to_vec()), value).is_none());
                expires += u64::from(entry.deadline_ms().is_some());
                entries += entry.memory_bytes() as u64 - 8;
            });
            assert_eq!(self.space.figures(db, 0).expires, expires);
            let len = self.model.range((db, Vec::new())..(db + 1, Vec::new())).count();
            assert_eq!(self.space.len(db), len as u64);
        }
        assert!(state == self.model);
        overhead += self.space.garbage().bytes;
        assert_eq!(self.space.used_bytes(), entries + overhead);
        for (name, _) in self.model.iter().take(scaled(200)) {
            let hash = self.space.hash(&name.1);
            assert_eq!(self.space.find(name.0, &name.1, hash).unwrap().key(), name.1);
        }
    }
}
