//! The cluster bus as a machine.
#![no_std]
extern crate alloc;
