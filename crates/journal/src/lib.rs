//! The node's spine: the ordered stream of writes, the links that carry it, snapshots, and the reply gate.
//!
//! One [`Journal`] lives in each node. It hears the clock, its connections and its disk operations, and
//! answers with outputs (bytes, connections, files, log lines: straight into the outbox) and acts
//! (consequences for engine and cluster: into a list). It never runs a command and never answers a client.
//!
//! ```text
//!   engine's effects --append--> feed (backlog: one chain of chunks, one offset space)
//!   primary's stream --applied-->   |-- link, link, link      (cursors: bytes to replicas)
//!                                   |-- gate                  (WAIT, released replies)
//!   keyspace --snapshot--> file, or the links that wait for a full synchronisation
//!   file or primary --load--> keyspace
//! ```
//!
//! Invariant: a byte of the stream gets its offset once, and what is sent to replicas in a turn is put out
//! before the replies of that turn. Without that, a killed primary could have acknowledged a write that no
//! replica can still read from its socket.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod act;
mod aof;
mod backlog;
mod boot;
mod dump;
pub mod facts;
mod feed;
mod follow;
mod functions;
mod gate;
pub mod journal;
mod lineage;
mod link;
mod load;
mod pace;
mod report;
pub mod settings;
mod share;
mod sharing;
mod snapshot;
mod spool;
mod transfer;

pub use act::{Act, Loaded, Source};
pub use aof::{AofFacts, AofSettings, Fsync};
pub use facts::{Facts, LoadingFacts, PrimaryFacts, ReplicaFacts, SavingFacts};
pub use journal::{Candidate, Journal, Replconf, ShutdownWish, StreamApplied, Takeover, Turn};
pub use lineage::{Bond, Lack};
pub use settings::{DisklessLoad, Settings};
