//! Bytes to values and back, without state of a role: RESP, inline requests, bus frames, RDB, files.
//!
//! Everything here takes bytes from outside: nothing panics, every size is checked, every error is a value.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod aof;
pub mod batch;
pub mod bus;
pub mod framer;
pub mod listpack;
pub use base::lzf;
pub mod nodes_conf;
pub mod rdb;
pub mod reply;
pub mod request;
pub mod value;
pub mod ziplist;
pub mod zipmap;

pub use batch::{Args, Batch, Ending, Limits, Mode, ProtocolError};
pub use framer::Framer;
pub use reply::Reply;
pub use request::request;
pub use value::Value;
