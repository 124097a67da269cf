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
//! whole value that is expected. Parsing goes on where it stopped: a byte of a large request is looked at
//! once, and copied at most once.
//!
//! Invariant: what a sequence of bytes is framed into does not depend on how it was cut into reads.

mod frames;
mod replies;
mod requests;
#[cfg(test)]
mod tests;

use crate::batch::{Batch, Ending, Limits, Mode, ProtocolError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

/// Frames the bytes of one connection.
#[derive(Debug)]
pub struct Framer {
    mode: Mode,
    phase: Phase,
    /// Bytes that are not framed yet, from `start` on.
    rest: Vec<u8>,
    /// Nonzero after a hold alone: what stands before it is in a batch already.
    start: u32,
    /// Where parsing goes on in `rest`; none when it starts anew at `start`.
    part: Option<Box<Part>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Held,
    Broken,
}

/// What is known of an unfinished request that is too long to be parsed again.
#[derive(Debug)]
struct Part {
    place: Place,
    /// The ranges of its arguments so far, counted from the start of the buffer.
    args: Vec<(u32, u32)>,
}

/// Where parsing stands within a request. Positions count from the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The first byte of the request or, in the stream of a primary, of the empty lines before it.
    start: usize,
    /// The next byte to parse.
    at: usize,
    /// Up to here there is no line end; at least `at` where it counts.
    scanned: usize,
    /// Arguments that the request still lacks; 0 before its header.
    missing: u32,
    /// The length of the argument that starts at `at`; none before its header.
    bulk: Option<u32>,
}

impl Place {
    fn new(start: usize) -> Place {
        Place { start, at: start, scanned: start, missing: 0, bulk: None }
    }

    /// The place when the buffer's first `cut` bytes are gone.
    fn cut(self, cut: usize) -> Place {
        Place {
            start: self.start - cut,
            at: self.at - cut,
            scanned: self.scanned.saturating_sub(cut),
            ..self
        }
    }
}

/// Why a room stopped reading.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// The bytes end within a request (or right after one).
    NeedMore,
    /// A request that may change the mode is complete.
    Held,
    /// The bytes make no sense.
    Broken(ProtocolError),
}

/// Longest inline request, and longest `*` or `$` header, in bytes, as in the original.
const LINE_BYTES_MAX: usize = 64 << 10;
/// An unfinished request up to here is parsed again from its start: that costs less than to keep its state.
const AGAIN_BYTES_MAX: usize = 512;
/// A rest from here on stays in its buffer and is read into directly; a smaller one is copied into the next.
const OWN_BYTES_MIN: usize = 4 << 10;
/// Memory for an expected value is taken at once up to here; beyond that it grows with what really comes.
const AT_ONCE_BYTES_MAX: usize = 32 << 20;
/// Room behind an expected value, so that the short arguments after it do not move the buffer.
const BEHIND_BYTES: usize = 256;
/// The ranges of a batch are 32 bits wide.
const BUFFER_BYTES_MAX: usize = u32::MAX as usize - (1 << 20);

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
        let is_same_kind = mem::discriminant(&self.mode) == mem::discriminant(&mode);
        if !is_same_kind {
            self.part = None;
            // The raw ranges of a stream start with its first byte.
            self.rest.drain(..mem::take(&mut self.start) as usize);
        }
        self.mode = mode;
        if self.phase == Phase::Held {
            self.phase = Phase::Open;
        }
    }

    /// True after a batch that ended `Held`, until `set_mode`. Do not read the socket meanwhile.
    pub fn is_held(&self) -> bool {
        self.phase == Phase::Held
    }

    /// True after a batch that ended `Broken`. What still comes is swallowed.
    pub fn is_broken(&self) -> bool {
        self.phase == Phase::Broken
    }

    /// The buffer to read into: append behind what it holds already, then `feed` it. It has room for at least
    /// one byte; normally for `room_bytes`, or for the large value that is expected (read up to its capacity,
    /// and no more: then the value ends with the buffer). `pooled` is asked for an empty buffer unless the
    /// framer has a large one of its own.
    pub fn lend(&mut self, room_bytes: usize, pooled: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let room_bytes = room_bytes.max(1);
        if self.rest.is_empty() {
            let mut buffer = pooled();
            buffer.clear();
            buffer.reserve(room_bytes);
            return buffer;
        }
        let expected = self.expected_bytes();
        if self.rest.len() < OWN_BYTES_MIN && expected.is_none_or(|bytes| bytes < room_bytes) {
            let mut buffer = pooled();
            buffer.clear();
            buffer.reserve(room_bytes.max(2 * self.rest.len()));
            buffer.extend_from_slice(&self.rest);
            self.rest = Vec::new();
            return buffer;
        }
        let mut buffer = mem::take(&mut self.rest);
        make_room(&mut buffer, room_bytes, expected);
        buffer
    }

    /// Frames the lent buffer with the bytes that were appended to it (none is allowed: a spurious wake).
    ///
    /// `batch` is an empty one of the pool; it takes the buffer over when there is anything complete in it.
    /// Gives back memory for the pool (possibly a vector without capacity).
    #[must_use = "the memory goes back to the pool"]
    pub fn feed(&mut self, buffer: Vec<u8>, batch: &mut Batch) -> Vec<u8> {
        match self.phase {
            Phase::Open => self.frame(buffer, batch),
            // Read too early: kept as it is.
            Phase::Held => {
                self.rest = buffer;
                Vec::new()
            }
            Phase::Broken => buffer,
        }
    }

    /// Frames what was kept, after `set_mode`. Otherwise as `feed`. Cheap when nothing was kept.
    #[must_use = "the memory goes back to the pool"]
    pub fn resume(&mut self, batch: &mut Batch) -> Vec<u8> {
        if self.rest.is_empty() {
            return Vec::new();
        }
        let buffer = mem::take(&mut self.rest);
        self.feed(buffer, batch)
    }

    /// Bytes that are received and not framed yet.
    pub fn unframed_bytes(&self) -> usize {
        self.rest.len().saturating_sub(self.start as usize)
    }

    /// As `unframed_bytes`, but of a request that is received into its last value those of that value alone.
    pub fn query_bytes(&self) -> usize {
        match self.part.as_ref().map(|part| part.place) {
            Some(Place { at, bulk: Some(_), .. }) => self.rest.len().saturating_sub(at),
            _ => self.unframed_bytes(),
        }
    }

    /// Bytes of memory that it holds on the heap.
    pub fn memory_bytes(&self) -> usize {
        let part = self.part.as_ref().map_or(0, |part| size_of::<Part>() + part.args.capacity() * 8);
        self.rest.capacity() + part
    }

    /// True when a peer that ends the connection now would cut a request in two.
    pub fn is_mid_request(&self) -> bool {
        self.unframed_bytes() > 0
    }

    /// How many bytes the value that is being received still lacks, where its length is known.
    fn expected_bytes(&self) -> Option<usize> {
        let place = self.part.as_ref()?.place;
        let end = place.at + place.bulk? as usize + 2;
        Some(end.saturating_sub(self.rest.len()))
    }

    fn frame(&mut self, mut buffer: Vec<u8>, batch: &mut Batch) -> Vec<u8> {
        debug_assert!(batch.is_empty() && batch.args.is_empty());
        let mut place = match self.part.take() {
            Some(part) => {
                batch.args = part.args;
                part.place
            }
            None => Place::new(self.start as usize),
        };
        let stop = match self.mode {
            Mode::Requests(limits) => requests::requests(&mut buffer, limits, &mut place, batch),
            Mode::Stream => requests::stream(&buffer, &mut place, batch),
            Mode::Replies => replies::replies(&buffer, &mut place, batch),
            Mode::Bus => frames::bus(&buffer, &mut place, batch),
            Mode::Raw => frames::raw(&buffer, &mut place, batch),
        };
        let stop = if stop == Stop::NeedMore { self.bounded(&buffer, &place, batch) } else { stop };
        match stop {
            Stop::NeedMore => self.keep(buffer, place, batch),
            Stop::Held => {
                self.phase = Phase::Held;
                batch.ending = Ending::Held;
                self.hold(buffer, place.start, batch)
            }
            Stop::Broken(error) => {
                self.phase = Phase::Broken;
                self.start = 0;
                batch.ending = Ending::Broken(error);
                drop_unfinished_args(batch);
                mem::replace(&mut batch.bytes, buffer)
            }
        }
    }

    /// Breaks off when the unfinished request is over the connection's bound, with the ranges of its arguments:
    /// many empty arguments take more memory than bytes.
    fn bounded(&self, buffer: &[u8], place: &Place, batch: &Batch) -> Stop {
        let bytes_max = match self.mode {
            Mode::Requests(Limits { buffer_bytes_max, .. }) => {
                usize::try_from(buffer_bytes_max).unwrap_or(usize::MAX).min(BUFFER_BYTES_MAX)
            }
            Mode::Stream | Mode::Replies | Mode::Bus | Mode::Raw => BUFFER_BYTES_MAX,
        };
        let ranges = (batch.args.len() - complete_args(batch)) * size_of::<(u32, u32)>();
        let is_over = buffer.len() - place.start + ranges > bytes_max || buffer.len() > BUFFER_BYTES_MAX;
        if is_over { Stop::Broken(ProtocolError::BufferOverflow) } else { Stop::NeedMore }
    }

    /// Gives the complete requests to the batch and keeps the unfinished one.
    fn keep(&mut self, mut buffer: Vec<u8>, place: Place, batch: &mut Batch) -> Vec<u8> {
        let unfinished = buffer.len() - place.start;
        self.start = 0;
        if unfinished == 0 {
            if batch.is_empty() {
                return buffer;
            }
            return mem::replace(&mut batch.bytes, buffer);
        }
        let is_small =
            unfinished <= AGAIN_BYTES_MAX && place.bulk.is_none_or(|len| len < OWN_BYTES_MIN as u32);
        if is_small {
            drop_unfinished_args(batch);
        } else {
            let args = take_unfinished_args(batch, place.start);
            self.part = Some(Box::new(Part { place: place.cut(place.start), args }));
        }
        if batch.is_empty() && place.start == 0 && unfinished >= OWN_BYTES_MIN {
            self.rest = buffer;
            return Vec::new();
        }
        self.rest = match place.bulk {
            // The whole value at once, so that what was received of it is copied once.
            Some(len) if !is_small => {
                let whole = (place.at - place.start + len as usize + 2).min(AT_ONCE_BYTES_MAX);
                Vec::with_capacity(whole.max(unfinished) + BEHIND_BYTES)
            }
            _ => Vec::with_capacity(unfinished),
        };
        self.rest.extend_from_slice(&buffer[place.start..]);
        if batch.is_empty() {
            return buffer;
        }
        buffer.truncate(place.start);
        mem::replace(&mut batch.bytes, buffer)
    }

    /// Gives what is before `end` to the batch and keeps the rest unframed. The smaller part is copied, so
    /// that a buffer full of requests that hold costs no more than twice its bytes.
    fn hold(&mut self, mut buffer: Vec<u8>, end: usize, batch: &mut Batch) -> Vec<u8> {
        let start = mem::take(&mut self.start) as usize;
        if end - start >= buffer.len() - end {
            self.rest = buffer[end..].to_vec();
            buffer.truncate(end);
            return mem::replace(&mut batch.bytes, buffer);
        }
        batch.bytes.clear();
        batch.bytes.extend_from_slice(&buffer[start..end]);
        for range in &mut batch.args {
            *range = (range.0 - start as u32, range.1 - start as u32);
        }
        for bounds in &mut batch.requests {
            bounds.raw_end -= start as u32;
        }
        self.rest = buffer;
        self.start = end as u32;
        Vec::new()
    }
}

/// Makes room in a buffer of the framer's own: for all of a large value that is expected, else for a read.
fn make_room(buffer: &mut Vec<u8>, room_bytes: usize, expected: Option<usize>) {
    let room = buffer.capacity() - buffer.len();
    match expected {
        Some(bytes) if bytes >= room_bytes => {
            let enough = if bytes <= AT_ONCE_BYTES_MAX { bytes } else { room_bytes };
            if room < enough {
                let more = bytes.min(AT_ONCE_BYTES_MAX.max(buffer.len()));
                buffer.reserve_exact(more.saturating_add(BEHIND_BYTES));
            }
        }
        // The last bytes of a large value: a buffer that grew for them would be twice as large.
        Some(bytes) if bytes > 0 && room >= bytes => {}
        _ if room < room_bytes.div_ceil(2) => buffer.reserve(room_bytes),
        _ => {}
    }
}

/// Where the arguments of the request that is not complete start.
fn complete_args(batch: &Batch) -> usize {
    batch.requests.last().map_or(0, |bounds| bounds.args_end as usize)
}

fn drop_unfinished_args(batch: &mut Batch) {
    batch.args.truncate(complete_args(batch));
}

/// Takes the ranges of the unfinished request out, as they are once the buffer's first `cut` bytes are gone.
fn take_unfinished_args(batch: &mut Batch, cut: usize) -> Vec<(u32, u32)> {
    let complete = complete_args(batch);
    if complete == 0 && cut == 0 {
        return mem::take(&mut batch.args);
    }
    let cut = cut as u32;
    let args = batch.args[complete..].iter().map(|&(start, end)| (start - cut, end - cut)).collect();
    batch.args.truncate(complete);
    args
}
