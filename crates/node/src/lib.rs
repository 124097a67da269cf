//! One server as a value: engine, journal and cluster joined.
#![no_std]
extern crate alloc;
