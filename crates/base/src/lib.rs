//! The words that every other crate speaks: time and spans, seeded randomness, ids, a slab.
//!
//! Nothing here knows of a protocol, a keyspace or a system. Everything is a plain value.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod id;
pub mod random;
pub mod slab;
pub mod time;

pub use id::Id;
pub use random::Random;
pub use slab::Slab;
pub use time::{Now, Span, Time, Unix};
