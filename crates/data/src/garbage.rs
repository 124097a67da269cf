//! Garbage: what was taken out of the keyspace and waits to be freed, a slice at a time.

use crate::table::Table;
use crate::value::Value;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A value of fewer allocations is freed at once. 64: as lazy freeing has it in the original.
pub(crate) const FREE_AT_ONCE_MAX: usize = 64;

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
}

#[derive(Debug)]
enum Rest {
    /// A table with the places of its directory that are left.
    Table(Table, usize),
    /// A collection.
    Value(Value),
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    queue: VecDeque<Dying>,
    bytes: u64,
}

impl Garbage {
    /// Takes a table.
    pub fn add(&mut self, table: Table) {
        let (left, bytes) = (table.places(), table.memory());
        self.push(Rest::Table(table, left), bytes);
    }

    /// Takes a value, or frees it at once if it is small.
    pub fn add_value(&mut self, value: Value) {
        if value.free_effort() > FREE_AT_ONCE_MAX {
            let bytes = value.memory_bytes();
            self.push(Rest::Value(value), bytes);
        }
    }

    fn push(&mut self, rest: Rest, bytes: usize) {
        self.bytes += bytes as u64;
        self.queue.push_back(Dying { rest, bytes });
    }

    /// Bytes that wait, until a table or a value is wholly freed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frees some `budget` allocations; true while there is more.
    pub fn step(&mut self, budget: usize) -> bool {
        let mut budget = budget;
        while let Some(dying) = self.queue.front_mut() {
            let is_left = match &mut dying.rest {
                Rest::Table(table, left) => table.free_slice(left, &mut budget),
                Rest::Value(value) => value.free_slice(&mut budget),
            };
            if is_left {
                return true;
            }
            self.bytes -= dying.bytes as u64;
            self.queue.pop_front();
            if budget == 0 {
                return !self.queue.is_empty();
            }
        }
        false
    }
}
