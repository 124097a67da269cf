//! Framer: the bytes of one connection become batches. A pure value, driven by whoever owns the socket.
//!
//! ```text
//!   host                                           framer
//!     |-- lend(room, pooled) ---------------------->|  a buffer that begins with the unfinished rest
//!     |   appends what the socket gives             |
//!     |-- feed(buffer, &mut batch) ---------------->|  the buffer moves into the batch (no copy)
//!     |<- memory for the pool ----------------------|
//!     |   batch Open: deliver it unless it is empty; lend again when the socket is ready
//!     |   batch Held: deliver it; when the machine has answered: set_mode, then resume
//!     |-- set_mode(mode), resume(&mut batch) ------>|  frames what it kept
//!     |   batch Broken: deliver it; the framer swallows everything from now on
//! ```
//!
//! A connection without an unfinished request holds no memory here. A small rest is kept in a vector of its
//! own size; a large one keeps the buffer, and `lend` gives that very buffer to read into, with room for the
//! whole value that is expected. Parsing goes on where it stopped: a byte of a large request is looked at once.

use crate::batch::{Batch, Mode};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Frames the bytes of one connection.
#[derive(Debug)]
pub struct Framer {
    mode: Mode,
    phase: Phase,
    /// Bytes that are not framed yet, from `start` on.
    rest: Vec<u8>,
    start: u32,
    part: Option<Box<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Held,
    Broken,
}

impl Framer {
    /// A framer for a new connection. Holds no memory.
    pub const fn new(mode: Mode) -> Framer {
        Framer { mode, phase: Phase::Open, rest: Vec::new(), start: 0, part: None }
    }

    /// How it reads.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Reads in another mode from the first byte on that is not framed yet, and ends a hold. Call `resume` next.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// True after a batch that ended `Held`, until `set_mode`. Do not read the socket meanwhile.
    pub fn is_held(&self) -> bool {
        self.phase == Phase::Held
    }

    /// The buffer to read into: append behind what it holds already, at most into its spare capacity (at
    /// least one byte, normally `room_bytes` or the whole large value that is expected), then `feed` it.
    /// `pooled` is asked for an empty buffer unless the framer has a large one of its own.
    pub fn lend(&mut self, room_bytes: usize, pooled: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let _ = room_bytes;
        pooled()
    }

    /// Frames the lent buffer with the bytes that were appended to it (none is allowed: a spurious wake).
    ///
    /// `batch` is an empty one of the pool; it takes the buffer over when there is anything complete in it.
    /// Gives back memory for the pool (possibly a vector without capacity).
    #[must_use = "the memory goes back to the pool"]
    pub fn feed(&mut self, buffer: Vec<u8>, batch: &mut Batch) -> Vec<u8> {
        let _ = (&self.rest, self.start, &self.part, &batch);
        buffer
    }

    /// Frames what was kept, after `set_mode`. Otherwise as `feed`. Cheap when nothing was kept.
    #[must_use = "the memory goes back to the pool"]
    pub fn resume(&mut self, batch: &mut Batch) -> Vec<u8> {
        let buffer = core::mem::take(&mut self.rest);
        self.feed(buffer, batch)
    }

    /// Bytes that are received and not framed yet.
    pub fn unframed_bytes(&self) -> usize {
        self.rest.len() - self.start as usize
    }

    /// Bytes of memory that it holds on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.rest.capacity()
    }

    /// True when a peer that ends the connection now would cut a request in two.
    pub fn is_mid_request(&self) -> bool {
        self.unframed_bytes() > 0
    }
}
