//! The keyspace and the structures of its values.
//!
//! ```text
//!   Keyspace -> Database -> Table (one, or one per slot) -> segment -> bucket of 8 words -> entry
//!                                                                          tag + pointer     header, deadline, key, value
//! ```
//!
//! Nothing here reads a clock: deadlines are milliseconds since 1970 that the caller compares.
#![no_std]
extern crate alloc;

pub mod hash;
pub mod keyspace;
pub mod listpack;
pub mod memory;
pub mod snapshot;
pub mod value;

pub use hash::{Hash, HashLimits, HashMut};
pub use keyspace::{
    DbFigures, Detached, Entry, EntryRef, Expired, HashKey, KeyHash, Keyspace, OccupiedEntry, VacantEntry,
};
pub use snapshot::{Encode, Progress, SnapshotBudget, SnapshotOut};
pub use value::{Encoding, Kind, StrRef, Value, ValueRef};
