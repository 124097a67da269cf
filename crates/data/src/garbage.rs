//! Garbage: what was taken out of the keyspace and waits to be freed, a slice at a time.

use crate::hash::HashFree;
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

/// A table with the places of its directory that are left.
#[derive(Debug)]
struct Dying {
    table: Table,
    left: usize,
    bytes: usize,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    tables: VecDeque<Dying>,
    bytes: u64,
}

impl Garbage {
    /// Takes a table.
    pub fn add(&mut self, table: Table) {
        let (left, bytes) = (table.places(), table.memory());
        self.bytes += bytes as u64;
        self.tables.push_back(Dying { table, left, bytes });
    }

    /// Takes a value, or frees it at once if it is small.
    pub fn add_value(&mut self, value: Value) {
        if let Value::Hash(hash) = value
            && hash.len() > FREE_AT_ONCE_MAX
            && let HashFree::Table(table) = hash.into_parts()
        {
            self.add(table);
        }
    }

    /// Bytes that wait, until a table is wholly freed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frees some `budget` allocations; true while there is more.
    pub fn step(&mut self, budget: usize) -> bool {
        let mut budget = budget;
        while let Some(dying) = self.tables.front_mut() {
            if budget == 0 || dying.table.free_slice(&mut dying.left, &mut budget) {
                return true;
            }
            self.bytes -= dying.bytes as u64;
            self.tables.pop_front();
        }
        false
    }
}
