//! Engine: everything from a framed batch to reply bytes and journal effects.
//!
//! ```text
//!  batch -> session -> table -> admission -> handler -> keyspace
//!                                               |-> reply bytes (the session's outgoing buffer)
//!                                               |-> effects (the feed) -> journal
//!                                               `-> questions (Outside) -> replication, snapshots, cluster
//! ```
//!
//! The engine sends nothing before [`Engine::release`]: whoever runs it decides when a reply is safe.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod access;
mod admission;
mod apply;
mod blocking;
mod call;
mod commands;
mod crowd;
mod digest;
mod engine;
mod evict;
mod feed;
mod histogram;
mod hold;
mod inside;
mod keys;
mod monitor;
mod moves;
mod multi;
mod names;
mod outside;
mod pubsub;
mod routes;
mod serve;
mod session;
mod settings;
mod shared;
mod slow;
mod stats;
mod table;
mod tracking;
mod turn;
mod watch;

pub use engine::{Applied, ApplyError, Engine, Ran};
pub use feed::Feed;
pub use moves::InFlight;
pub use outside::{Answer, Asked, Outside, Question, Shutdown};
pub use routes::{MYSELF, NOBODY, NodeIndex, RouteNode, Routes, SLOTS, Slot};
pub use shared::{OwnKeys, Shared, Standing};
pub use table::{Command, Row, Table};
