//! Snapshot: the state of the whole keyspace at one moment, encoded while writes go on.
//!
//! `Keyspace::snapshot_begin` marks the moment: it turns the keyspace's mark over, so that no segment has it. The
//! walker encodes segments in order, each whole, and gives them the mark. A write to a segment without it first
//! encodes that segment's old state (copy before write). What is made by a split or a rebuild inherits the mark,
//! segments of different marks are not merged, and the first segment of a new table has the mark: a new key never lands in
//! a segment that is still to be encoded. What FLUSHALL or a lost slot detaches is handed to the walker.
//!
//! Invariant: without a snapshot under way every segment has the keyspace's mark.
//!
//! A value is encoded whole, at the granularity of a segment: a write beside a huge value pays for encoding it.

use crate::database::Database;
use crate::garbage::Garbage;
use crate::segment::Segment;
use crate::table::{Table, visit_prefetched};
use crate::value::ValueRef;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Encodes one key into the output: database, key, value, deadline in milliseconds since 1970.
pub type Encode = fn(&mut SnapshotOut, u32, &[u8], ValueRef<'_>, Option<u64>);

/// Where the snapshot's bytes gather until the journal takes them.
#[derive(Debug, Default)]
pub struct SnapshotOut {
    /// Encoded and not taken yet.
    pub bytes: Vec<u8>,
    /// The database that the last encoded key belongs to: the encoder writes a SELECT when it changes.
    pub last_db: Option<u32>,
    /// Keys encoded so far.
    pub keys: u64,
}

/// How much one step of the walker may do. A step ends after the segment that uses it up.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotBudget {
    /// Entries to encode.
    pub entries: usize,
    /// Bytes to put out.
    pub bytes: usize,
}

/// Where a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is no snapshot.
    Idle,
    /// There is more to walk.
    Walking,
    /// All is encoded. What was not taken yet stays until `snapshot_take`.
    Done,
}

/// A table that left the keyspace while the snapshot was under way.
#[derive(Debug)]
struct Left {
    db: u32,
    table: Table,
    /// The next place of its directory.
    place: usize,
}

/// A snapshot under way.
#[derive(Debug)]
pub(crate) struct Snapshot {
    encode: Encode,
    pub out: SnapshotOut,
    left: VecDeque<Left>,
    /// By place in the keyspace: which database it was when the snapshot began (SWAPDB).
    names: Vec<u32>,
    /// The walker's position: database (by its name then), table, and hash prefix in 32 bits (2^32: the table's end).
    db: usize,
    table: usize,
    prefix: u64,
    pub is_done: bool,
}

impl Snapshot {
    /// A snapshot whose walk begins.
    pub fn new(encode: Encode, databases: u32) -> Snapshot {
        Snapshot {
            encode,
            out: SnapshotOut::default(),
            left: VecDeque::new(),
            names: (0..databases).collect(),
            db: 0,
            table: 0,
            prefix: 0,
            is_done: false,
        }
    }

    /// Encodes a segment; returns how many entries it has.
    pub fn encode(&mut self, db: u32, segment: Segment) -> usize {
        self.encode_named(self.names[db as usize], segment)
    }

    /// Two databases have exchanged their places.
    pub fn swap(&mut self, one: u32, other: u32) {
        self.names.swap(one as usize, other as usize);
    }

    fn encode_named(&mut self, db: u32, segment: Segment) -> usize {
        let mut count = 0;
        visit_prefetched(segment, |word| {
            let entry = word.entry();
            (self.encode)(&mut self.out, db, entry.key(), entry.value(), entry.deadline());
            count += 1;
        });
        self.out.keys += count as u64;
        count
    }

    /// Takes over a table that is detached.
    pub fn adopt(&mut self, db: u32, table: Table) {
        self.left.push_back(Left { db: self.names[db as usize], table, place: 0 });
    }

    /// The tables that were adopted.
    pub fn into_left(self) -> impl Iterator<Item = Table> {
        self.left.into_iter().map(|left| left.table)
    }

    /// Walks on until the budget is used up. Detached tables that are done with go to the garbage.
    pub fn step(
        &mut self,
        databases: &mut [Database],
        garbage: &mut Garbage,
        mark: bool,
        budget: SnapshotBudget,
    ) {
        let bytes_max = self.out.bytes.len().saturating_add(budget.bytes);
        let mut entries = budget.entries.max(1);
        while entries > 0 && self.out.bytes.len() < bytes_max {
            if let Some(left) = self.left.front_mut() {
                let (db, place) = (left.db, left.place);
                let Some(segment) = left.table.segment_at(place).filter(|segment| !segment.is_none()) else {
                    self.left.pop_front().into_iter().for_each(|left| garbage.add(left.table));
                    continue;
                };
                left.place += 1 << (left.table.depth() - segment.depth());
                let encoded = if segment.mark() == mark { 0 } else { self.encode_named(db, segment) };
                entries = entries.saturating_sub(encoded.max(1));
                continue;
            }
            let place = self.names.iter().position(|name| *name as usize == self.db);
            let Some(database) = place.and_then(|place| databases.get_mut(place)) else {
                self.is_done = true;
                return;
            };
            if self.prefix >> 32 != 0 {
                self.prefix = 0;
                self.table += 1;
            }
            let Some(at) = database.next_filled(self.table) else {
                (self.db, self.table, self.prefix) = (self.db + 1, 0, 0);
                continue;
            };
            if at != self.table {
                (self.table, self.prefix) = (at, 0);
            }
            let table = &mut database.tables[at];
            let hash = self.prefix << 32;
            let segment = table.segment(hash);
            let width = 1 << (32 - segment.depth());
            self.prefix = (self.prefix & !(width - 1)) + width;
            if segment.mark() == mark {
                continue;
            }
            table.set_mark(hash, mark);
            let encoded = self.encode_named(self.db as u32, segment);
            entries = entries.saturating_sub(encoded.max(1));
        }
    }
}
