//! The tables' types: commands, directives, INFO fields, refusals.
#![no_std]
extern crate alloc;
