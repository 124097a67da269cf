//! Garbage: what was taken out of the keyspace and waits to be freed, a slice at a time.
//!
//! Tables are freed by segments, collections by their own parts (`Collection::free_slice`), and huge strings from their
//! end on: an allocator that gives the pages of what is cut off back needs time for that.
//!
//! Invariant: nothing that takes long is dropped anywhere else. A large value within a table that is freed comes into
//! the queue by itself.

use crate::memory::size_class;
use crate::table::Table;
use crate::value::Value;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A value of fewer allocations is freed at once. 64: as lazy freeing has it in the original.
pub(crate) const FREE_AT_ONCE_MAX: usize = 64;
/// The same for the values of a table that is freed: a segment has up to a thousand of them.
const FREE_AT_ONCE_AMONG_MANY: usize = 8;
/// 16 MiB: a longer string is freed in pieces of this size. An allocator that keeps the pages for a while, as the program's
/// does, takes a microsecond for it; one that gives huge pages back at once, some 100.
const PIECE_BYTES: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };
/// What a piece counts in allocations. A turn must free more than a few requests can make: strings that are overwritten as
/// fast as they come must not pile up here.
const PIECE_EFFORT: usize = 64;

/// Whole tables that left the keyspace. `Send`: a helper thread may drop it, or `Keyspace::dispose` frees it in slices.
#[derive(Debug, Default)]
pub struct Detached {
    pub(crate) tables: Vec<Table>,
}

impl Detached {
    /// Keys in it.
    pub fn len(&self) -> u64 {
        self.tables.iter().map(|table| table.len() as u64).sum()
    }

    /// True when there is no key in it.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.len() == 0)
    }
}

/// What waits, with the memory that it had when it came.
#[derive(Debug)]
struct Dying {
    rest: Rest,
    bytes: usize,
    objects: u64,
}

#[derive(Debug)]
enum Rest {
    /// A table with the places of its directory that are left.
    Table(Table, usize),
    /// A collection or a huge string.
    Value(Value),
}

/// What waits and what is done, for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GarbageFigures {
    /// Keys and values that wait.
    pub waiting: u64,
    /// Keys and values that were freed in slices so far.
    pub freed: u64,
    /// Memory of what waits.
    pub bytes: u64,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    queue: VecDeque<Dying>,
    figures: GarbageFigures,
}

impl Garbage {
    /// Takes a table.
    pub fn add(&mut self, table: Table) {
        let (left, bytes, keys) = (table.places(), table.memory(), table.len() as u64);
        self.push(Rest::Table(table, left), bytes, keys);
    }

    /// Takes a value, or frees it at once if it is small.
    pub fn add_value(&mut self, value: Value) {
        if is_large(&value, FREE_AT_ONCE_MAX) {
            let bytes = value.memory_bytes();
            self.push(Rest::Value(value), bytes, 1);
        }
    }

    fn push(&mut self, rest: Rest, bytes: usize, objects: u64) {
        self.figures.bytes += bytes as u64;
        self.figures.waiting += objects;
        self.queue.push_back(Dying { rest, bytes, objects });
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What waits and what is done.
    pub fn figures(&self) -> GarbageFigures {
        self.figures
    }

    /// Frees some `budget` allocations; true while there is more.
    pub fn step(&mut self, budget: usize) -> bool {
        let mut budget = budget;
        let mut large = Vec::new();
        while budget > 0
            && let Some(mut dying) = self.queue.pop_front()
        {
            let is_left = match &mut dying.rest {
                Rest::Table(table, left) => table.free_slice_keeping(left, &mut budget, &mut large),
                Rest::Value(Value::String(text)) => cut_piece(text, &mut budget),
                Rest::Value(value) => value.free_slice(&mut budget),
            };
            // The memory of large values is in their table's until that is done with; counted twice it would be wrong.
            for value in large.drain(..) {
                let bytes = value.memory_bytes();
                dying.bytes = dying.bytes.saturating_sub(bytes);
                self.figures.bytes -= bytes as u64;
                self.push(Rest::Value(value), bytes, 0);
            }
            if is_left {
                self.queue.push_front(dying);
            } else {
                self.figures.bytes -= dying.bytes as u64;
                self.figures.waiting -= dying.objects;
                self.figures.freed += dying.objects;
            }
        }
        !self.queue.is_empty()
    }
}

/// True when a value of a table that is freed should not be freed with it.
pub(crate) fn is_large_among_many(value: &Value) -> bool {
    is_large(value, FREE_AT_ONCE_AMONG_MANY)
}

fn is_large(value: &Value, effort_max: usize) -> bool {
    match value {
        Value::String(text) => text.capacity() > PIECE_BYTES,
        value => value.free_effort() > effort_max,
    }
}

/// Cuts the last piece of a string off; false when it is small enough to be freed at once.
fn cut_piece(text: &mut Vec<u8>, budget: &mut usize) -> bool {
    while text.capacity() > PIECE_BYTES {
        if *budget == 0 {
            return true;
        }
        // What is asked for is a size class: the allocator can cut where it lies, and copies nothing.
        let len = size_class(text.capacity() - PIECE_BYTES).min(text.capacity() - PIECE_BYTES / 2);
        text.truncate(len);
        text.shrink_to(len);
        *budget = budget.saturating_sub(PIECE_EFFORT);
    }
    *budget = budget.saturating_sub(PIECE_EFFORT);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Growth, Hash, HashLimits, Keyspace};
    use alloc::format;

    const FIELDS: usize = if cfg!(miri) { 70 } else { 20_000 };

    fn large_hash(space: &Keyspace) -> Value {
        let mut hash = Hash::new();
        let limits = HashLimits { entries: 1, ..HashLimits::default() };
        let limits = Growth { key: space.hash_key(), limits };
        for field in 0..FIELDS {
            hash.set(format!("field:{field}").as_bytes(), b"value", limits);
        }
        hash.into()
    }

    fn put(space: &mut Keyspace, key: &[u8], value: Value) {
        let hash = space.hash(key);
        match space.entry(0, key, hash) {
            Entry::Occupied(mut entry) => entry.set_value(value),
            Entry::Vacant(entry) => drop(entry.insert(value, None)),
        }
    }

    /// Frees all in slices; returns how many there were.
    fn slices(space: &mut Keyspace, budget: usize) -> usize {
        let mut slices = 1;
        while space.free_slice(budget) {
            slices += 1;
        }
        slices
    }

    #[test]
    fn a_large_value_is_freed_in_slices_however_it_goes() {
        let mut space = Keyspace::new([1, 2], 1, false);
        for way in ["remove", "overwrite", "flush"] {
            let value = large_hash(&space);
            put(&mut space, b"key", value);
            let full = space.used_bytes();
            let hash = space.hash(b"key");
            match (way, space.entry(0, b"key", hash)) {
                ("remove", Entry::Occupied(entry)) => entry.remove(),
                ("overwrite", Entry::Occupied(mut entry)) => entry.store(b"x", None),
                _ => {
                    let detached = space.flush(0);
                    space.dispose(detached);
                }
            }
            // Nothing is freed yet.
            assert!(space.garbage().waiting == 1 && space.used_bytes() + 4_096 > full, "{way}");
            assert!(slices(&mut space, 100) * 200 > FIELDS, "{way}");
            assert_eq!(space.garbage().bytes, 0, "{way}");
        }
        assert_eq!(space.garbage().freed, 3);
    }

    #[test]
    fn large_values_of_a_flushed_table_are_freed_one_after_the_other() {
        let mut space = Keyspace::new([1, 2], 1, false);
        for key in 0..5 {
            let value = large_hash(&space);
            put(&mut space, format!("key:{key}").as_bytes(), value);
        }
        let detached = space.flush(0);
        space.dispose(detached);
        assert_eq!(space.garbage().waiting, 5);
        assert!(space.garbage().bytes > 5 * FIELDS as u64 * 16);
        assert!(slices(&mut space, 100) * 200 > 5 * FIELDS);
        assert_eq!(space.garbage(), GarbageFigures { waiting: 0, freed: 5, bytes: 0 });
    }

    #[test]
    fn a_huge_string_is_freed_from_its_end_on() {
        let mut space = Keyspace::new([1, 2], 1, false);
        let text = alloc::vec![b'x'; 12 * PIECE_BYTES];
        put(&mut space, b"key", Value::String(text));
        let hash = space.hash(b"key");
        let Entry::Occupied(entry) = space.entry(0, b"key", hash) else { panic!("it is there") };
        entry.remove();
        let slices = slices(&mut space, 1);
        assert!((6..20).contains(&slices), "{slices}");
        assert_eq!(space.used_bytes(), space.live_bytes());
    }
}
