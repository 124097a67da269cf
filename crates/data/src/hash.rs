//! Hash: fields with values. Small ones are a listpack, larger ones a table with one allocation per field.

mod volatile;

pub use volatile::{FieldDeadline, FieldsAt};

use crate::collection::Collection;
use crate::entry::{Payload, RawEntry};
use crate::listpack::{Listpack, Malformed};
use crate::memory::size_class;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, NEVER, Table};
use crate::value::{Encoding, IntText, Kind, StrRef, Value, ValueRef};
use crate::walk::Walk;
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::Random;

/// Up to which size a hash stays a listpack (`hash-max-listpack-entries`, `hash-max-listpack-value`).
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// Fields at most.
    pub entries: usize,
    /// Bytes of a field or a value at most.
    pub value_bytes: usize,
}

impl Default for HashLimits {
    /// 128 fields of 64 bytes: the defaults of Redis 7.
    fn default() -> HashLimits {
        HashLimits { entries: 128, value_bytes: 64 }
    }
}

/// No listpack grows beyond this, whatever the limits say: its lengths must stay far below 32 bits. As the original.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// A hash value.
#[derive(Debug)]
pub struct Hash {
    body: Body,
    key: HashKey,
    /// Fields with a deadline.
    volatile: u32,
    /// A lower bound of their deadlines, in units of active expiry.
    due: u32,
}

#[derive(Debug)]
enum Body {
    /// Field, value, field, value ...
    List(Listpack),
    /// An entry per field.
    Table(Box<Table>),
    /// Being freed: what is left of the table, and of the places of its directory.
    Dying(Box<Table>, usize),
}

impl Hash {
    /// A hash without fields. `key` is the keyspace's (`Keyspace::hash_key`): a large hash hashes its fields with it.
    pub fn new(key: HashKey) -> Hash {
        Hash { body: Body::List(Listpack::new()), key, volatile: 0, due: NEVER }
    }

    /// A hash from a listpack of fields and values (a dump's): checked, without repeated fields. It becomes a table where
    /// `limits` ask for one.
    pub fn from_listpack(key: HashKey, bytes: Vec<u8>, limits: HashLimits) -> Result<Hash, Malformed> {
        let list = Listpack::from_bytes(bytes)?;
        let count = list.len();
        if count % 2 != 0 {
            return Err(Malformed);
        }
        let hash = Hash { body: Body::List(list), ..Hash::new(key) };
        // Two fields of one hash of 64 bits under a secret key are the same field.
        let mut hashes: Vec<u64> =
            hash.iter().map(|(field, _)| key.hash(field.bytes(&mut IntText::default()))).collect();
        hashes.sort_unstable();
        if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Malformed);
        }
        let is_text_small = |text: StrRef<'_>| text.len() <= limits.value_bytes;
        let is_small = count / 2 <= limits.entries
            && hash.iter().all(|(field, value)| is_text_small(field) && is_text_small(value));
        let body = if is_small { hash.body } else { Body::Table(Box::new(hash.to_table())) };
        Ok(Hash { body, ..Hash::new(key) })
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::List(list) => list.len() / 2,
            Body::Table(table) | Body::Dying(table, _) => table.len(),
        }
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn field(&self, field: &[u8]) -> Option<StrRef<'_>> {
        match &self.body {
            Body::List(list) => {
                let (_, value_at) = list.at(list.find(field, 2)?)?;
                list.at(value_at).map(|(value, _)| value)
            }
            Body::Table(table) | Body::Dying(table, _) => {
                table.find(self.key.hash(field), field)?.entry().string()
            }
        }
    }

    /// Sets a field; true when it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        if let Body::List(list) = &mut self.body {
            let is_small = field.len() <= limits.value_bytes
                && value.len() <= limits.value_bytes
                && list.as_bytes().len() + field.len() + value.len() < LISTPACK_BYTES_MAX;
            if is_small {
                // Limits that were lowered meanwhile hold from the next write on, also one of a field that is there.
                let fields = list.len() / 2;
                let found = list.find(field, 2);
                if let Some(at) = found.filter(|_| fields <= limits.entries) {
                    let value_at = list.at(at).expect("a field was found here").1;
                    list.replace(value_at, value);
                    return false;
                }
                if found.is_none() && fields < limits.entries {
                    list.push(field);
                    list.push(value);
                    return true;
                }
            }
            self.body = Body::Table(Box::new(self.to_table()));
        }
        self.set_in_table(field, value, FieldDeadline::Clear)
    }

    /// Removes a field; false when there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.body {
            Body::List(list) => match list.find(field, 2) {
                Some(at) => {
                    list.remove(at, 2);
                    true
                }
                None => false,
            },
            Body::Table(table) | Body::Dying(table, _) => {
                let hash = self.key.hash(field);
                match table.find(hash, field) {
                    Some(place) => {
                        let entry = table.remove(hash, place);
                        let had = entry.has_deadline();
                        entry.free();
                        self.count_deadline(had, None);
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (StrRef<'_>, StrRef<'_>)> {
        let (list, table) = match &self.body {
            Body::List(list) => (Some(list), None),
            Body::Table(table) | Body::Dying(table, _) => (None, Some(table)),
        };
        let pairs = list.into_iter().flat_map(|list| {
            let mut elements = list.iter();
            core::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
        });
        let entries =
            table.into_iter().flat_map(|table| Walk::new(table)).filter_map(|found| pair_of(found.node));
        pairs.chain(entries)
    }

    /// Visits some fields after `cursor` (0: from the start); returns the next cursor, 0 at the end. A field that is there
    /// during the whole scan is visited at least once. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, StrRef<'_>)) -> u64 {
        let Body::Table(table) = &self.body else {
            self.iter().for_each(|(field, value)| visit(field, value));
            return 0;
        };
        let at = match Position::of_cursor(cursor) {
            Some((_, at)) => at,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let mut visit = |entry| {
            if let Some((field, value)) = pair_of(entry) {
                visit(field, value);
            }
        };
        table.scan(at, self.key, &mut Budget::new(count), &mut visit).map_or(0, |next| next.cursor(0))
    }

    /// A field with its value, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, StrRef<'_>)> {
        match &self.body {
            Body::List(_) if self.is_empty() => None,
            Body::List(_) => self.iter().nth(random.below(self.len() as u64) as usize),
            Body::Table(table) | Body::Dying(table, _) => pair_of(table.random(random)?),
        }
    }

    /// The listpack's bytes where it is one: a dump copies them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match &self.body {
            Body::List(list) => Some(list.as_bytes()),
            Body::Table(_) | Body::Dying(..) => None,
        }
    }

    /// Prefetches the bucket of a field in a large hash. A hint.
    pub fn prefetch_bucket(&self, field: &[u8]) {
        if let Body::Table(table) = &self.body {
            table.prefetch_bucket(self.key.hash(field));
        }
    }

    /// A copy with memory of its own. A large one costs no hashing, unless fields have deadlines.
    pub fn duplicate(&self) -> Hash {
        const TABLE: HashLimits = HashLimits { entries: 0, value_bytes: 0 };
        let body = match &self.body {
            Body::List(list) => Body::List(list.clone()),
            Body::Table(table) | Body::Dying(table, _) if self.volatile == 0 => {
                Body::Table(Box::new(table.copied(RawEntry::duplicate)))
            }
            Body::Table(_) | Body::Dying(..) => {
                let mut copy = Hash::new(self.key);
                let (mut field_room, mut value_room) = Default::default();
                for (field, value, deadline) in self.iter_with_deadlines() {
                    let deadline = deadline.map_or(FieldDeadline::Clear, FieldDeadline::At);
                    let (field, value) = (field.bytes(&mut field_room), value.bytes(&mut value_room));
                    copy.set_with_deadline(field, value, deadline, TABLE);
                }
                return copy;
            }
        };
        Hash { body, ..Hash::new(self.key) }
    }

    /// The fields as a table; a repeated field keeps its last value.
    fn to_table(&self) -> Table {
        let mut table = Table::default();
        for (field, value) in self.iter() {
            let (mut field_room, mut value_room) = Default::default();
            set_in_table(&mut table, self.key, field.bytes(&mut field_room), value.bytes(&mut value_room));
        }
        table
    }
}

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;

    fn of(value: ValueRef<'_>) -> Option<&Hash> {
        match value {
            ValueRef::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::Hash(self)
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        match &self.body {
            Body::List(list) => size_class(list.capacity()),
            Body::Table(table) | Body::Dying(table, _) => size_class(size_of::<Table>()) + table.memory(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self.body {
            Body::List(_) => Encoding::Listpack,
            Body::Table(_) | Body::Dying(..) => Encoding::Hashtable,
        }
    }

    fn bound(&self) -> Option<u32> {
        Hash::bound(self)
    }

    fn free_effort(&self) -> usize {
        match &self.body {
            Body::List(_) => 1,
            Body::Table(table) | Body::Dying(table, _) => table.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        if let Body::Table(table) = &mut self.body {
            let places = table.places();
            self.body = Body::Dying(core::mem::take(table), places);
        }
        match &mut self.body {
            Body::Dying(table, left) => table.free_slice(left, budget),
            Body::List(_) | Body::Table(_) => false,
        }
    }
}

fn pair_of<'a>(entry: RawEntry) -> Option<(StrRef<'a>, StrRef<'a>)> {
    Some((StrRef::Bytes(entry.key()), entry.string()?))
}

/// Sets a field of a table; true when it is new.
fn set_in_table(table: &mut Table, key: HashKey, field: &[u8], value: &[u8]) -> bool {
    let hash = key.hash(field);
    if let Some(place) = table.find(hash, field) {
        let entry = place.entry();
        let before = entry.memory();
        let (entry, _) = entry.replace(None, Payload::Text(value));
        table.replaced(place, entry, before, entry.memory());
        return false;
    }
    table.insert(hash, RawEntry::new(field, None, Payload::Text(value)), key, false);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_limit_holds_from_the_next_write_on() {
        let wide = HashLimits::default();
        let narrow = HashLimits { entries: 1, ..wide };
        let mut hash = Hash::new(HashKey([1, 2]));
        assert!(hash.set(b"a", b"1", wide) && hash.set(b"b", b"2", wide));
        assert_eq!(hash.encoding(), crate::Encoding::Listpack);
        assert!(!hash.set(b"a", b"3", narrow));
        assert_eq!(hash.encoding(), crate::Encoding::Hashtable);
        assert_eq!(hash.len(), 2);
    }
}
