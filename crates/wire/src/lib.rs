//! Bytes to values and back, without state of a role: RESP, inline requests, bus frames, RDB, files.
//!
//! Everything here takes bytes from outside: nothing panics, every size is checked, every error is a value.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod batch;

pub use batch::{Batch, Ending, Limits, Mode, ProtocolError};
