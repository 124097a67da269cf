//! Snapshot: the state of the whole keyspace at one moment, encoded while writes go on.
//!
//! `Keyspace::snapshot_begin` marks the moment. `snapshot_step` walks the segments of all tables in order and
//! encodes each whole. A write to a segment that has not been walked yet first encodes that segment's old
//! state (copy before write); a new key lands in a segment that is encoded already. What FLUSHALL or a lost
//! slot detaches is handed to the walker, which goes on with it.
//!
//! A value is encoded whole, at the granularity of a segment: a write beside a huge value pays for encoding it.

use crate::value::ValueRef;
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
