//! Hash: fields with values. Small ones are a listpack, larger ones a table with one allocation per field.

mod volatile;

pub use volatile::{FieldDeadline, FieldsAt};

use crate::collection::Collection;
use crate::entry::{CLOCK_MAX, Payload, RawEntry};
use crate::flat::{Body, Exact, Form, Opened};
use crate::limits::Growth;
use crate::listpack::{self, Listpack, Unfit, View, add_to, has_twice};
use crate::scan::{Budget, Position};
use crate::table::{HashKey, NEVER, Table, visit_prefetched};
use crate::value::{Encoding, Kind, StrRef, ValueRef};
use crate::walk::Walk;
use crate::watch::{Allowance, BYTES_MIN, Elements, EncodePart, Part, Shape, Slot, Walked, Watched};
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::Random;
use base::distinct::Distinct;

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
/// 4: what a field and a value of up to 63 bytes take beside their texts.
const PAIR_OVERHEAD: usize = 4;

/// A hash value: one word, of a listpack (field, value, field, value ...) or of a table with an entry per field.
#[derive(Debug)]
pub struct Hash {
    body: Body<Exact, Large>,
}

#[derive(Debug)]
struct Large {
    table: Table,
    key: HashKey,
    /// Fields with a deadline.
    volatile: u32,
    /// A lower bound of their deadlines, in units of active expiry.
    due: u32,
    /// While it is being freed: the places of the table's directory that are left.
    dying: Option<usize>,
    /// How many snapshots have begun to watch it. A field that came or was saved while one does has this number.
    watches: u32,
    watch: Slot<Watch>,
}

/// What a snapshot under way has left to write.
#[derive(Debug)]
struct Watch {
    elements: Box<Elements>,
    /// Some field had a deadline at the snapshot's moment.
    has_deadlines: bool,
    /// What fields carry that are not the walker's any more, in place of the clock that keys have.
    number: u32,
}

impl Watch {
    /// A field is about to change or to go.
    #[cold]
    fn before(&mut self, hash: u64, entry: RawEntry) {
        if entry.clock() == self.number {
            return;
        }
        if self.elements.is_ahead(hash)
            && let Some(part) = watched_part(entry, self.has_deadlines)
        {
            self.elements.save(part);
        }
        entry.set_clock(self.number);
    }
}

impl Large {
    fn new(table: Table, key: HashKey) -> Large {
        Large { table, key, volatile: 0, due: NEVER, dying: None, watches: 0, watch: Slot(None) }
    }

    /// A field is about to change or to go: a snapshot under way saves it.
    #[inline]
    fn before(&mut self, hash: u64, entry: RawEntry) {
        if let Some(watch) = &mut self.watch.0 {
            watch.before(hash, entry);
        }
    }

    /// A new field: none of a snapshot under way.
    #[inline]
    fn comes(&self, entry: RawEntry) {
        if self.watch.0.is_some() {
            entry.set_clock(self.watches);
        }
    }

    /// A number that no field has.
    fn next_number(&mut self) -> u32 {
        if self.watches == CLOCK_MAX {
            for (_, segment) in self.table.segments() {
                visit_prefetched(segment, |word| word.entry().set_clock(0));
            }
            self.watches = 0;
        }
        self.watches += 1;
        self.watches
    }
}

/// A field as a snapshot has it.
fn watched_part(entry: RawEntry, has_deadlines: bool) -> Option<Part<'static>> {
    let (field, value) = pair_of(entry)?;
    Some(Part::Field(field, value, has_deadlines.then(|| entry.deadline())))
}

impl Watched for Hash {
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        let is_large = Collection::memory_bytes(self) >= BYTES_MIN;
        let large = self.body.large_mut().filter(|_| is_large)?;
        let (len, has_deadlines, number) = (large.table.len(), large.volatile > 0, large.next_number());
        let watch = Watch { elements: Elements::new(encode, len), has_deadlines, number };
        large.watch = Slot(Some(Box::new(watch)));
        Some(Shape::Hash(len, has_deadlines))
    }

    fn is_watched(&self) -> bool {
        self.large().is_some_and(|large| large.watch.0.is_some())
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(large) = self.body.large_mut() else { return Walked::Broken };
        let Some(watch) = &mut large.watch.0 else { return Walked::Broken };
        let (has_deadlines, number) = (watch.has_deadlines, watch.number);
        let part = |entry: RawEntry| {
            if entry.clock() == number { None } else { watched_part(entry, has_deadlines) }
        };
        watch.elements.walk(&large.table, large.key, (out, allowance), part)
    }

    fn noted_bytes(&self) -> usize {
        let watch = self.large().and_then(|large| large.watch.0.as_ref());
        watch.map_or(0, |watch| watch.elements.noted_bytes())
    }

    fn unwatch(&mut self) {
        if let Some(large) = self.body.large_mut() {
            large.watch = Slot(None);
        }
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Hash {
        Hash { body: Body::EMPTY }
    }

    /// A hash from a listpack of fields and values (a dump's): checked, without repeated fields. It becomes a table where
    /// `limits` ask for one. `key` is the keyspace's (`Keyspace::hash_key`).
    pub fn from_listpack(key: HashKey, bytes: Vec<u8>, limits: HashLimits) -> Result<Hash, Unfit> {
        let list = Listpack::from_bytes(bytes)?;
        let count = list.len();
        if count % 2 != 0 {
            return Err(Unfit::Malformed);
        }
        let (mut seen, mut longest, mut is_field) = (Distinct::default(), 0, false);
        for text in list.iter() {
            is_field = !is_field;
            if is_field {
                add_to(&mut seen, text);
            }
            longest = longest.max(text.len());
        }
        if !seen.is_sure() && has_twice(list.iter().step_by(2), key) {
            return Err(Unfit::Repeated);
        }
        let is_small = count / 2 <= limits.entries && longest <= limits.value_bytes;
        let mut hash = Hash { body: Body::of(list) };
        if !is_small {
            hash.make_large(key);
        }
        Ok(hash)
    }

    #[inline]
    fn large(&self) -> Option<&Large> {
        match self.body.form() {
            Form::Small(_) => None,
            Form::Large(large) => Some(large),
        }
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        match self.body.form() {
            Form::Small(bytes) => View::of_own(bytes).len() / 2,
            Form::Large(large) => large.table.len(),
        }
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn field(&self, field: &[u8]) -> Option<StrRef<'_>> {
        match self.body.form() {
            Form::Small(bytes) => {
                let list = View::of_own(bytes);
                let (_, value_at) = list.at(list.find(field, 2)?)?;
                list.at(value_at).map(|(value, _)| value)
            }
            Form::Large(large) => large.table.find(large.key.hash(field), field)?.entry().string(),
        }
    }

    /// Asks the processor for the bucket of a field in a table; what `prefetch_entry` wants to know of it. A hint.
    #[inline]
    pub fn prefetch_bucket(&self, field: &[u8]) -> Option<u64> {
        let large = self.large()?;
        let hash = large.key.hash(field);
        large.table.prefetch_bucket(hash);
        Some(hash)
    }

    /// Asks the processor for the entry of a field, through the bucket that `prefetch_bucket` brought. A hint.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        if let Some(large) = self.large() {
            large.table.prefetch_entry(hash);
        }
    }

    /// Sets a field; true when it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], growth: Growth<HashLimits>) -> bool {
        if self.body.large_mut().is_none() {
            let limits = growth.limits;
            let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
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
                    list.reserve(field.len() + value.len() + PAIR_OVERHEAD);
                    list.push(field);
                    list.push(value);
                    return true;
                }
            }
            drop(list);
            self.make_large(growth.key);
        }
        self.set_in_table(field, value, FieldDeadline::Clear)
    }

    /// Removes a field; false when there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Some(large) = self.body.large_mut() else {
            let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
            let found = list.find(field, 2);
            if let Some(at) = found {
                list.remove(at, 2);
            }
            return found.is_some();
        };
        let hash = large.key.hash(field);
        let Some(place) = large.table.find(hash, field) else { return false };
        large.before(hash, place.entry());
        let entry = large.table.remove(hash, place);
        let had = entry.has_deadline();
        entry.free();
        large.count_deadline(had, None);
        true
    }

    /// All fields with their values.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (StrRef<'_>, StrRef<'_>)> {
        self.fields(0).map(|(field, value, _)| (field, value))
    }

    /// The fields that a reader at `now_ms` sees; at 0 all of them.
    #[inline]
    fn fields(&self, now_ms: u64) -> Fields<'_> {
        let source = match self.body.form() {
            Form::Small(bytes) => Source::List(View::of_own(bytes).iter()),
            Form::Large(large) => Source::Table(Walk::new(&large.table)),
        };
        Fields { source, now_ms }
    }

    /// Visits some fields after `cursor` (0: from the start); returns the next cursor, 0 at the end. A field that is there
    /// during the whole scan is visited at least once. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, StrRef<'_>)) -> u64 {
        let Some(large) = self.large() else {
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
        let next = large.table.scan(at, large.key, &mut Budget::new(count), &mut visit);
        next.map_or(0, |next| next.cursor(0))
    }

    /// A field with its value, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, StrRef<'_>)> {
        match self.large() {
            None if self.is_empty() => None,
            None => self.iter().nth(random.below(self.len() as u64) as usize),
            Some(large) => pair_of(large.table.random(random)?),
        }
    }

    /// The listpack's bytes where it is one: a dump copies them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match self.body.form() {
            Form::Small(bytes) => Some(View::of_own(bytes).as_bytes()),
            Form::Large(_) => None,
        }
    }

    /// A copy with memory of its own. A large one costs no hashing, unless fields have deadlines.
    pub fn duplicate(&self) -> Hash {
        const TABLE: HashLimits = HashLimits { entries: 0, value_bytes: 0 };
        let large = match self.body.form() {
            Form::Small(bytes) => return Hash { body: self.body.copy_of_small(bytes) },
            Form::Large(large) => large,
        };
        if large.volatile == 0 {
            let table = large.table.copied(|_| (), RawEntry::duplicate);
            return Hash { body: Body::large(Large::new(table, large.key)) };
        }
        let (mut copy, growth) = (Hash::new(), Growth { key: large.key, limits: TABLE });
        let (mut field_room, mut value_room) = Default::default();
        for (field, value, deadline) in self.iter_with_deadlines() {
            let deadline = deadline.map_or(FieldDeadline::Clear, FieldDeadline::At);
            let (field, value) = (field.bytes(&mut field_room), value.bytes(&mut value_room));
            copy.set_with_deadline(field, value, deadline, growth);
        }
        copy
    }

    /// Makes a listpack a table; a repeated field keeps its last value.
    fn make_large(&mut self, key: HashKey) {
        let mut table = Table::default();
        for (field, value) in self.iter() {
            let (mut field_room, mut value_room) = Default::default();
            set_in_table(&mut table, key, field.bytes(&mut field_room), value.bytes(&mut value_room));
        }
        self.body = Body::large(Large::new(table, key));
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

    #[inline]
    fn memory_bytes(&self) -> usize {
        match self.large() {
            None => self.body.small_bytes(),
            Some(large) => Body::<Exact, Large>::box_bytes() + large.table.memory(),
        }
    }

    fn encoding(&self) -> Encoding {
        if self.large().is_some() { Encoding::Hashtable } else { Encoding::Listpack }
    }

    fn bound(&self) -> Option<u32> {
        Hash::bound(self)
    }

    fn free_effort(&self) -> usize {
        self.large().map_or(1, |large| large.table.len())
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        let Some(large) = self.body.large_mut() else { return false };
        let left = large.dying.get_or_insert_with(|| large.table.places());
        large.table.free_slice(left, budget)
    }
}

/// Fields with their values and deadlines.
#[derive(Debug)]
struct Fields<'a> {
    source: Source<'a>,
    /// A field whose deadline is before is left out.
    now_ms: u64,
}

#[derive(Debug)]
enum Source<'a> {
    List(listpack::Iter<'a>),
    Table(Walk<'a, RawEntry>),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (StrRef<'a>, StrRef<'a>, Option<u64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::List(elements) => Some((elements.next()?, elements.next()?, None)),
            Source::Table(walk) => loop {
                let entry = walk.next()?.node;
                let deadline = entry.deadline();
                if deadline.is_none_or(|deadline| deadline >= self.now_ms) {
                    return Some((StrRef::Bytes(entry.key()), entry.string()?, deadline));
                }
            },
        }
    }
}

#[inline]
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
mod tests;
