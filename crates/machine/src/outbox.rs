//! Outbox: where a machine puts what it asks for, with the pool that buffers come from and go back to.

use crate::{Chunk, Closing, ConnId, Level, Output, Traffic, WriteId};
use alloc::string::String;
use alloc::vec::Vec;
use base::Time;
use core::cell::Cell;
use wire::Batch;

/// Monotonic ticks, for statistics and the length of slices: nanoseconds in production; in the simulator they stand still.
pub type Meter = fn() -> u64;

/// The outputs of one turn, and the memory that goes round between world and machine.
pub struct Outbox {
    /// What was put out, in order. The world drains it after `seal`.
    pub outputs: Vec<Output>,
    /// Buffers to reuse.
    pub pool: Pool,
    /// The earliest time at which the machine wants a `Tick`. Set anew by every `seal`.
    pub wake_at: Time,
    /// The machine has work left (a job, a rest of a batch): the next turn starts at once, with a `Tick`.
    pub again: bool,
    /// What went over sockets so far, and the turns before this one. For statistics alone: no decision may hang on it.
    pub traffic: Traffic,
    meter: Meter,
    /// What the meter said last; 0: nothing since the world forgot it.
    ticks: Cell<u64>,
}

impl Outbox {
    /// An empty outbox whose statistics are measured by `meter`.
    pub fn new(meter: Meter) -> Outbox {
        Outbox {
            outputs: Vec::new(),
            pool: Pool::default(),
            wake_at: Time::NEVER,
            again: false,
            traffic: Traffic::default(),
            meter,
            ticks: Cell::new(0),
        }
    }

    /// The meter's ticks. For statistics, and for how much of what was unlinked a turn frees: no effect and no reply may hang on
    /// them.
    #[inline]
    pub fn ticks(&self) -> u64 {
        let ticks = (self.meter)();
        self.ticks.set(ticks);
        ticks
    }

    /// What the meter said when it was last asked since `forget_ticks`; for the world, which may spare itself a look.
    pub fn last_ticks(&self) -> Option<u64> {
        Some(self.ticks.get()).filter(|ticks| *ticks > 0)
    }

    /// Begins anew with `last_ticks`.
    pub fn forget_ticks(&mut self) {
        self.ticks.set(0);
    }

    /// Puts one output out.
    #[inline]
    pub fn put(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Sends bytes.
    #[inline]
    pub fn send(&mut self, conn: ConnId, bytes: impl Into<Chunk>) {
        self.outputs.push(Output::Send { conn, bytes: bytes.into(), after: None });
    }

    /// Sends bytes once a write is durable.
    pub fn send_after(&mut self, conn: ConnId, bytes: impl Into<Chunk>, write: WriteId) {
        self.outputs.push(Output::Send { conn, bytes: bytes.into(), after: Some(write) });
    }

    /// Closes a connection once its output is sent.
    pub fn close_flushed(&mut self, conn: ConnId) {
        self.outputs.push(Output::Close { conn, closing: Closing::Flushed });
    }

    /// Closes a connection at once.
    pub fn close_now(&mut self, conn: ConnId) {
        self.outputs.push(Output::Close { conn, closing: Closing::Now });
    }

    /// Writes a line to the log.
    pub fn log(&mut self, level: Level, text: impl Into<String>) {
        self.outputs.push(Output::Log { level, text: text.into() });
    }

    /// Asks for a `Tick` at `at`, or earlier where another part asked for that.
    pub fn wake(&mut self, at: Time) {
        self.wake_at = self.wake_at.min(at);
    }
}

/// Buffers to reuse. Bounded: what is over the bounds is freed.
#[derive(Default)]
pub struct Pool {
    buffers: Vec<Vec<u8>>,
    batches: Vec<Batch>,
    /// The list that brings a turn's batches.
    list: Vec<(ConnId, Batch)>,
}

impl Pool {
    /// Buffers kept at most: those of a turn with many ready connections.
    const KEPT_MAX: usize = 256;
    /// A larger buffer is not kept: one huge reply must not stay in memory.
    const BUFFER_BYTES_MAX: usize = 64 << 10;

    /// An empty buffer.
    #[inline]
    pub fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    #[inline]
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        let is_useful = buffer.capacity() > 0 && buffer.capacity() <= Pool::BUFFER_BYTES_MAX;
        if is_useful && self.buffers.len() < Pool::KEPT_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// Takes a chunk back; the memory of a shared one goes with its last owner.
    #[inline]
    pub fn recycle_chunk(&mut self, chunk: Chunk) {
        if let Chunk::Owned(buffer) = chunk {
            self.recycle(buffer);
        }
    }

    /// An empty batch.
    #[inline]
    pub fn batch(&mut self) -> Batch {
        self.batches.pop().unwrap_or_default()
    }

    /// An empty list of batches.
    #[inline]
    pub fn list(&mut self) -> Vec<(ConnId, Batch)> {
        core::mem::take(&mut self.list)
    }

    /// Takes the list back once its batches are handed on.
    #[inline]
    pub fn recycle_list(&mut self, mut list: Vec<(ConnId, Batch)>) {
        if list.capacity() <= Pool::KEPT_MAX {
            list.clear();
            self.list = list;
        }
    }

    /// Takes a batch back once all its requests are done.
    #[inline]
    pub fn recycle_batch(&mut self, mut batch: Batch) {
        if batch.memory_bytes() <= Pool::BUFFER_BYTES_MAX && self.batches.len() < Pool::KEPT_MAX {
            batch.clear();
            self.batches.push(batch);
        }
    }
}
