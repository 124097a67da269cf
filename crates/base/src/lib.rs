//! The words that every other crate speaks: time and spans, seeded randomness, ids, a slab.
//!
//! Nothing here knows of a protocol, a keyspace or a system. Everything is a plain value.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod crc16;
pub mod crc64;
pub mod digest;
pub mod distinct;
pub mod geohash;
pub mod glob;
pub mod id;
pub mod lzf;
pub mod number;
pub mod random;
pub mod sha256;
pub mod siphash;
pub mod size;
pub mod slab;
pub mod text;
pub mod time;
pub mod words;

pub use id::Id;
pub use random::Random;
pub use slab::Slab;
pub use time::{Now, Span, Time, Unix};
