//! Listpack: a list of strings and integers in one flat allocation, byte for byte as Redis 7 has it.
//!
//! ```text
//!   total bytes u32 LE | elements u16 LE (65535: count them) | element ... | 0xff
//!   element: encoding byte(s), payload, length of the two written backwards
//! ```

use alloc::vec::Vec;

/// Why bytes are not a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A listpack that owns its bytes. Invariant: `bytes` is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listpack {
    bytes: Vec<u8>,
}
