//! One server as a value: engine, journal and cluster joined into a [`machine::Machine`].
//!
//! ```text
//!   Input --> Node::handle --> whose is it?  engine (clients)   journal (replication, files)   cluster (bus)
//!                                   |  questions                    |  acts                        |  acts
//!                                   +------------> settle: carries every consequence to the part that it concerns
//!   seal:  effects -> journal.append -> journal.seal (stream to replicas) -> engine.release (replies)
//! ```
//!
//! The node translates and seals; it decides nothing. A rule that needs a decision belongs into a part.
//!
//! Invariant: acts are carried out before the next request runs, so nobody is served by a role that is over.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod asks;
mod boot;
mod bus;
mod facts;
mod handover;
mod names;
mod node;
mod outside;
mod quiet;
mod reload;
mod replication;
mod routes;
mod settings;
mod waits;

pub use facts::Sight;
pub use names::CommandNames;
pub use node::Node;
pub use outside::Identity;
pub use settings::title;
