//! Runs commands on a keyspace.
#![no_std]
extern crate alloc;
