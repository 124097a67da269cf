//! Held: the primary's stream while CLIENT PAUSE is in force on this replica. It is received and not applied.

use super::Journal;
use crate::{Act, Turn};
use alloc::vec::Vec;
use machine::{ConnId, Outbox, Output};
use wire::Batch;

/// 1 MiB: so much of the stream is taken from the primary while nothing is applied; the rest waits in its socket.
const HELD_BYTES_MAX: u64 = 1 << 20;

/// What came while the stream stands.
#[derive(Default)]
pub(super) struct Held {
    is_on: bool,
    batches: Vec<(ConnId, Batch)>,
    bytes: u64,
    /// Nothing more is read from it.
    stopped: Option<ConnId>,
}

impl Held {
    /// Bytes that were received and not applied.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps a batch while the stream stands; gives it back otherwise.
    pub(super) fn keep(&mut self, conn: ConnId, batch: Batch, out: &mut Outbox) -> Option<Batch> {
        if !self.is_on {
            return Some(batch);
        }
        self.bytes += batch.raw_len() as u64;
        self.batches.push((conn, batch));
        if self.bytes > HELD_BYTES_MAX && self.stopped.is_none() {
            self.stopped = Some(conn);
            out.put(Output::Pause(conn));
        }
        None
    }

    /// The link is gone, and what it brought with it.
    pub(super) fn clear(&mut self) {
        *self = Held { is_on: self.is_on, ..Held::default() };
    }
}

impl Journal {
    /// True while the primary's stream is received and not applied.
    pub fn holds_stream(&self) -> bool {
        self.held.is_on
    }

    /// From now on the primary's stream is received and not applied, or applied again.
    pub fn hold_stream(&mut self, is_held: bool, turn: &mut Turn<'_>) {
        self.held.is_on = is_held;
        if is_held {
            return;
        }
        let held = core::mem::take(&mut self.held);
        turn.out.outputs.extend(held.stopped.map(Output::Resume));
        turn.acts.extend(held.batches.into_iter().map(|(conn, batch)| Act::StreamBatch { conn, batch }));
    }
}
