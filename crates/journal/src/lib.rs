//! The ordered stream of writes: backlog, gate, replicas, snapshots.
#![no_std]
extern crate alloc;
