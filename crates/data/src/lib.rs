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

pub mod bits;
pub mod clock;
pub mod collection;
mod database;
mod entry;
pub mod expire;
mod flat;
pub mod garbage;
pub mod hash;
pub mod hyperloglog;
pub mod keyspace;
pub mod limits;
pub mod list;
pub mod listpack;
pub mod memory;
mod node;
mod pieces;
pub mod place;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod processor;
pub mod sample;
mod scan;
mod segment;
pub mod set;
pub mod snapshot;
pub mod sorted_set;
pub mod stream;
mod table;
mod texts;
mod touched;
pub mod value;
mod walk;
mod watch;

pub use clock::{Clocks, LastUse};
pub use collection::{Collection, Mut};
pub use expire::Expired;
pub use garbage::{Detached, GarbageFigures};
pub use hash::{FieldDeadline, FieldsAt, Hash, HashLimits};
pub use keyspace::{DbFigures, KeyHash, Keyspace};
pub use limits::{Growth, Limits};
pub use list::{List, ListLimits};
pub use place::{Entry, EntryRef, OccupiedEntry, VacantEntry};
pub use sample::Among;
pub use set::{Set, SetLimits};
pub use snapshot::{Encode, EncodeLarge, EncodeWhole, Frame, Framed, Progress, SnapshotBudget, SnapshotOut};
pub use sorted_set::{SortedSet, SortedSetBuilder, SortedSetLimits};
pub use stream::{Stream, StreamLimits};
pub use table::HashKey;
pub use value::{Encoding, Kind, StrRef, Value, ValueRef};
pub use watch::{EncodePart, Part, Shape};
