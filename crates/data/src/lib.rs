//! The keyspace and the structures of its values.
#![no_std]
extern crate alloc;
