//! The simulator: thousands of failovers from seeds, with the code of production.
//!
//! ```text
//!   seed -> scenario (shape, settings, faults) -> world (clock, net, disks) -> machines -> checkers
//! ```
#![forbid(unsafe_code)]

pub mod checkers;
pub mod client;
pub mod corrupt;
pub mod disk;
pub mod filed;
pub mod moving;
pub mod net;
pub mod operator;
mod rest;
pub mod scenario;
pub mod settings;
pub mod trace;
pub mod world;
