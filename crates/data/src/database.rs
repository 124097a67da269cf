//! Database: the tables of one numbered database with their counts. One table, or in cluster mode one per slot.
//!
//! Tables are in groups of 128 with a count each, so that the next slot with keys, a random key and the next
//! deadline are found without a look at 16,384 tables.

use crate::entry::RawEntry;
use crate::expire::{ExpireRound, units};
use crate::memory::size_class;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, NEVER, Table};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use base::Random;
use core::ops::RangeInclusive;

/// Tables of a group: the square root of the slots, so that groups and tables of a group are about as many.
pub(crate) const GROUP: usize = 128;
/// Tables of a database in cluster mode.
pub(crate) const SLOTS: usize = 16_384;

/// How many deadlines there are, and their sum.
#[derive(Clone, Copy, Debug, Default)]
struct Deadlines {
    count: u64,
    sum_ms: u128,
}

impl Deadlines {
    #[inline]
    fn change(&mut self, old: Option<u64>, new: Option<u64>) {
        self.count = self.count + u64::from(new.is_some()) - u64::from(old.is_some());
        self.sum_ms = self.sum_ms + u128::from(new.unwrap_or(0)) - u128::from(old.unwrap_or(0));
    }
}

/// One numbered database.
#[derive(Debug, Default)]
pub(crate) struct Database {
    /// The heads of the tables; none until the first key.
    pub tables: Vec<Table>,
    /// Keys of each group of tables.
    group_len: Vec<u64>,
    /// A lower bound of the deadlines of each group, in units.
    pub group_due: Vec<u32>,
    len: u64,
    /// Keys with a deadline, and the sum of those in milliseconds.
    deadlines: Deadlines,
    /// The same of each table where there are many; none until the first deadline.
    table_deadlines: Vec<Deadlines>,
    /// Where active expiry stands.
    pub round: ExpireRound,
    /// The keys whose values have parts with deadlines, by the bound of these.
    bounds: BTreeSet<(u32, Box<[u8]>)>,
    /// The memory of these.
    bounds_bytes: u64,
}

/// What a key takes in `Database::bounds`: its name, and its place in a node, of which about three of four are filled.
fn bound_bytes(key: &[u8]) -> u64 {
    (size_class(key.len()) + size_of::<(u32, Box<[u8]>)>() * 4 / 3) as u64
}

impl Database {
    /// Keys.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Keys with a deadline.
    pub fn expires(&self) -> u64 {
        self.deadlines.count
    }

    /// The mean time to live at `now_ms`, in milliseconds.
    pub fn avg_ttl_ms(&self, now_ms: u64) -> u64 {
        let mean = self.deadlines.sum_ms.checked_div(u128::from(self.deadlines.count)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX).saturating_sub(now_ms)
    }

    /// Makes room for `tables` tables on first use.
    #[inline]
    pub fn prepare(&mut self, tables: usize) {
        if self.tables.is_empty() {
            self.tables.resize_with(tables, Table::default);
            self.group_len.resize(tables.div_ceil(GROUP), 0);
            self.group_due.resize(tables.div_ceil(GROUP), NEVER);
        }
    }

    /// Counts a key that came in.
    #[inline]
    pub fn count_in(&mut self, table: usize) {
        self.len += 1;
        self.group_len[table / GROUP] += 1;
    }

    /// Counts keys that went out.
    #[inline]
    pub fn count_out(&mut self, table: usize, keys: u64) {
        self.len -= keys;
        self.group_len[table / GROUP] -= keys;
    }

    /// A key's deadline changed, came or went.
    #[inline]
    pub fn count_deadline(&mut self, table: usize, hash: u64, old: Option<u64>, new: Option<u64>) {
        if old == new {
            return;
        }
        self.deadlines.change(old, new);
        if self.tables.len() > 1 {
            self.table_deadlines.resize(self.tables.len(), Deadlines::default());
            self.table_deadlines[table].change(old, new);
        }
        if let Some(new) = new {
            let due = units(new);
            self.tables[table].note_due(hash, due);
            let group = &mut self.group_due[table / GROUP];
            *group = (*group).min(due);
        }
    }

    /// The bound of the deadlines of a value's parts changed, came or went. Counts the memory of that in `used`, too.
    #[inline]
    pub fn note_bound(&mut self, key: &[u8], old: Option<u32>, new: Option<u32>, used: &mut u64) {
        if old != new {
            *used -= self.bounds_bytes;
            self.move_bound(key, old, new);
            *used += self.bounds_bytes;
        }
    }

    #[cold]
    fn move_bound(&mut self, key: &[u8], old: Option<u32>, new: Option<u32>) {
        let mut name = Box::from(key);
        if let Some(old) = old
            && let Some((_, kept)) = self.bounds.take(&(old, name))
        {
            self.bounds_bytes -= bound_bytes(key);
            name = kept;
        } else {
            name = key.into();
        }
        if let Some(new) = new
            && self.bounds.insert((new, name))
        {
            self.bounds_bytes += bound_bytes(key);
        }
    }

    /// Keys whose values have parts with deadlines.
    pub fn bounds(&self) -> &BTreeSet<(u32, Box<[u8]>)> {
        &self.bounds
    }

    /// The memory of `bounds`.
    pub fn bounds_bytes(&self) -> u64 {
        self.bounds_bytes
    }

    /// The next table with keys, at `from` or after it.
    pub fn next_filled(&self, from: usize) -> Option<usize> {
        let mut table = from;
        while table < self.tables.len() {
            if self.group_len[table / GROUP] == 0 {
                table = (table / GROUP + 1) * GROUP;
            } else if self.tables[table].len() == 0 {
                table += 1;
            } else {
                return Some(table);
            }
        }
        None
    }

    /// Scans over some tables; see `Keyspace::scan` and `Keyspace::scan_slots`.
    pub fn scan(
        &self,
        slots: RangeInclusive<u16>,
        cursor: u64,
        count: usize,
        key: HashKey,
        visit: &mut impl FnMut(RawEntry),
    ) -> u64 {
        let (slot, mut at) = match Position::of_cursor(cursor) {
            Some(position) => position,
            None if cursor == 0 => (*slots.start(), Position::START),
            None => return 0,
        };
        let mut budget = Budget::new(count);
        let mut from = usize::from(slot.max(*slots.start()));
        while let Some(table) = self.next_filled(from).filter(|table| *table <= usize::from(*slots.end())) {
            if table != usize::from(slot) {
                at = Position::START;
            }
            if budget.is_used_up() {
                return at.cursor(table as u16);
            }
            if let Some(next) = self.tables[table].scan(at, key, &mut budget, visit) {
                return next.cursor(table as u16);
            }
            budget.look();
            from = table + 1;
        }
        0
    }

    /// Scans one table alone; see `Keyspace::scan_slot`.
    pub fn scan_table(
        &self,
        slot: u16,
        cursor: u64,
        count: usize,
        key: HashKey,
        visit: &mut impl FnMut(RawEntry),
    ) -> u64 {
        let at = match Position::of_cursor(cursor) {
            Some((_, position)) => position,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let Some(table) = self.tables.get(usize::from(slot)) else { return 0 };
        table.scan(at, key, &mut Budget::new(count), visit).map_or(0, |next| next.cursor(slot))
    }

    /// A random entry.
    pub fn random(&self, random: &mut Random) -> Option<RawEntry> {
        self.tables[self.random_table(random)?].random(random)
    }

    /// Keys with a deadline in a table, where there are many tables.
    pub fn table_expires(&self, table: usize) -> u64 {
        self.table_deadlines.get(table).map_or(0, |deadlines| deadlines.count)
    }

    /// A table, with a chance by its number of keys.
    pub fn random_table(&self, random: &mut Random) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let mut at = random.below(self.len);
        let group = self.group_len.iter().position(|&len| {
            let is_here = at < len;
            at -= if is_here { 0 } else { len };
            is_here
        })?;
        let mut tables = self.tables[group * GROUP..].iter().take(GROUP);
        let within = tables.position(|table| {
            let len = table.len() as u64;
            let is_here = at < len;
            at -= if is_here { 0 } else { len };
            is_here
        })?;
        Some(group * GROUP + within)
    }

    /// Takes one table out, with its counts.
    pub fn take_table(&mut self, table: usize) -> Option<Table> {
        if self.tables.get(table).is_none_or(|table| table.len() == 0 && table.memory() == 0) {
            return None;
        }
        let taken = core::mem::take(&mut self.tables[table]);
        let is_other = |key: &[u8]| self.tables.len() > 1 && usize::from(base::crc16::slot_of(key)) != table;
        self.bounds.retain(|(_, key)| is_other(key));
        self.bounds_bytes = self.bounds.iter().map(|(_, key)| bound_bytes(key)).sum();
        self.count_out(table, taken.len() as u64);
        match self.table_deadlines.get_mut(table).map(core::mem::take) {
            Some(gone) => {
                self.deadlines.count -= gone.count;
                self.deadlines.sum_ms -= gone.sum_ms;
            }
            // The only table, or no deadline was ever set.
            None => self.deadlines = Deadlines::default(),
        }
        Some(taken)
    }
}
