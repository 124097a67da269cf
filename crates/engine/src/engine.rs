//! Engine: runs the requests of all clients on one keyspace, one after the other.

use crate::{Outside, Shared};
use alloc::string::String;
use alloc::vec::Vec;
use base::{Now, Random, Time};
use core::fmt;
use machine::{ConnId, Listener, Outbox, Peer};
use wire::Batch;
use wire::reply::Reply;

/// The engine. `node` (or a test) feeds it and decides when replies leave.
pub struct Engine {
    /// What other parts work on too.
    pub shared: Shared,
}

/// What [`Engine::run`] leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Nothing is left to do.
    Idle,
    /// A request was answered with [`crate::Answer::Yield`]: apply what it changed, then run again in this turn.
    Yield,
    /// The turn's budget is used and requests are left: run again in the next turn.
    Budget,
}

/// How far [`Engine::apply`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Bytes of the stream up to the last boundary between commands or transactions, counted from the boundary
    /// before: what an open transaction of earlier batches held is counted when its EXEC has run.
    pub bytes_done: u64,
    /// The primary asks for an acknowledgement (REPLCONF GETACK); the offset to tell includes this command.
    pub wants_ack: bool,
}

/// A request of the primary's stream that can not be applied. Replication must end here: skipping it would
/// make this node a wrong copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyError {
    /// The request's name, and its arguments cut to a line.
    pub command: String,
    /// What the request would have been answered.
    pub error: String,
    /// As [`Applied::bytes_done`], before this request.
    pub bytes_done: u64,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the primary's stream holds '{}', which fails here ({}): this node would no longer be a true \
             copy; let it follow a primary that speaks no newer dialect, or update it",
            self.command, self.error
        )
    }
}

impl core::error::Error for ApplyError {}

impl Engine {
    /// An engine with an empty keyspace. `clustered` fixes for its life whether keys have slots.
    pub fn new(mut random: Random, clustered: bool) -> Engine {
        Engine { shared: Shared::new(&mut random, 16, clustered) }
    }

    /// A client connected. Refuses it (with the error's text) over `maxclients` or in protected mode.
    pub fn on_opened(&mut self, now: Now, conn: ConnId, listener: Listener, peer: Peer, out: &mut Outbox) {
        let _ = (now, conn, listener, peer, out);
        todo!()
    }

    /// A connection is gone. True when it was one of the engine's.
    pub fn on_closed(&mut self, now: Now, conn: ConnId, out: &mut Outbox) -> bool {
        let _ = (now, conn, out);
        todo!()
    }

    /// Requests arrived: they are queued on their sessions, to be executed by `run`. True when `conn` is one
    /// of the engine's; otherwise the batch is given back.
    pub fn on_batch(&mut self, now: Now, conn: ConnId, batch: Batch, out: &mut Outbox) -> Result<(), Batch> {
        let _ = (now, conn, batch, out);
        todo!()
    }

    /// What connections could not send yet. Applies the output limits and pauses or resumes reading.
    pub fn on_unsent(&mut self, now: Now, conn: ConnId, bytes: usize, out: &mut Outbox) {
        let _ = (now, conn, bytes, out);
        todo!()
    }

    /// Executes what is queued, in fair rotation, within the turn's budget.
    pub fn run(&mut self, now: Now, outside: &mut dyn Outside, out: &mut Outbox) -> Ran {
        let _ = (now, outside, out);
        todo!()
    }

    /// Executes requests of the primary's stream: no replies, no refusals by role, no expiry of its own, and no
    /// effects in the feed (the stream's own bytes are the journal). Transactions may span batches.
    /// `conn` is the link to the primary, for questions (a PUBLISH and the like ask nothing).
    pub fn apply(&mut self, now: Now, batch: &Batch, out: &mut Outbox) -> Result<Applied, ApplyError> {
        let _ = (now, batch, out);
        todo!()
    }

    /// The stream was cut: a transaction whose EXEC did not arrive is dropped. Also before a new stream.
    pub fn apply_reset(&mut self) {
        todo!()
    }

    /// Which database the primary's stream has selected (for the state of a partial resynchronisation).
    pub fn apply_db(&self) -> u32 {
        todo!()
    }

    /// Continues the stream with this database selected (after a full synchronisation that said so).
    pub fn set_apply_db(&mut self, db: u32) {
        let _ = db;
        todo!()
    }

    /// Ends the turn: puts out all replies that depend on nothing beyond the journal offset `safe`.
    /// `u64::MAX` holds nothing back.
    pub fn release(&mut self, now: Now, safe: u64, out: &mut Outbox) {
        let _ = (now, safe, out);
        todo!()
    }

    /// Answers a connection that a question left blocked; its further requests run with the next `run`.
    /// Nothing happens when it is gone or not blocked.
    pub fn unblock(&mut self, conn: ConnId, answer: impl FnOnce(&mut Reply<'_>)) {
        let _ = (conn, answer);
        todo!()
    }

    /// Delivers a message to this node's subscribers (one that came over the cluster bus). Returns how many.
    pub fn publish(&mut self, channel: &[u8], message: &[u8], out: &mut Outbox) -> usize {
        let _ = (channel, message, out);
        todo!()
    }

    /// Closes all clients whose role this node can not play any more: pub/sub stays, blocked ones are told.
    pub fn on_demoted(&mut self, out: &mut Outbox) {
        let _ = out;
        todo!()
    }

    /// Regular work: a slice of active expiry (when this node leads), idle clients, freed memory, output limits
    /// over time. Returns when it wants to be called again.
    pub fn tick(&mut self, now: Now, out: &mut Outbox) -> Time {
        let _ = (now, out);
        todo!()
    }

    /// True when requests wait for `run`.
    pub fn has_work(&self) -> bool {
        todo!()
    }

    /// Connections of clients, as INFO counts them.
    pub fn clients(&self) -> Vec<ConnId> {
        todo!()
    }
}
