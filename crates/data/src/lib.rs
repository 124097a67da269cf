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

mod database;
mod entry;
pub mod expire;
pub mod garbage;
pub mod hash;
pub mod keyspace;
pub mod listpack;
pub mod memory;
pub mod place;
mod scan;
mod segment;
pub mod snapshot;
mod table;
pub mod value;

pub use expire::Expired;
pub use garbage::Detached;
pub use hash::{Hash, HashLimits, HashMut};
pub use keyspace::{DbFigures, KeyHash, Keyspace};
pub use place::{Entry, EntryRef, OccupiedEntry, VacantEntry};
pub use snapshot::{Encode, Progress, SnapshotBudget, SnapshotOut};
pub use table::HashKey;
pub use value::{Encoding, Kind, StrRef, Value, ValueRef};
