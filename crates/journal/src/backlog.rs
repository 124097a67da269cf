//! Backlog: the last bytes of the stream, as a chain of chunks that replicas read by cursors.
//!
//! ```text
//!   first                                              end
//!     |--piece--|--piece-------|--piece--|--piece (open)--|
//!                    ^ cursor of a replica       new bytes go here, in place while nobody else holds the piece
//! ```
//!
//! A position is a number of bytes since the history began: the byte that the protocol calls "offset N" lies
//! between the positions N-1 and N. Pieces are shared with the outputs that carry them to the replicas.
//!
//! Invariant: the pieces are consecutive, and the last ends at `end`.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use machine::Chunk;

/// 64 KiB: a piece is not extended beyond this, so that trimming frees memory in small steps.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// 8 KiB: what is appended is copied into the open piece up to this size; a larger buffer becomes a piece as it is.
const COPY_BYTES_MAX: usize = 8 << 10;

struct Piece {
    start: u64,
    bytes: Arc<Vec<u8>>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// The chain of chunks.
pub(crate) struct Backlog {
    pieces: VecDeque<Piece>,
    first: u64,
    end: u64,
    memory: u64,
}

impl Backlog {
    /// An empty backlog that begins at `position`.
    pub(crate) fn new(position: u64) -> Backlog {
        Backlog { pieces: VecDeque::new(), first: position, end: position, memory: 0 }
    }

    /// The position of the first byte kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Bytes kept.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.first
    }

    /// Bytes of memory, with what lies before the backlog's size because a replica still needs it.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Appends bytes; gives the buffer back when they were copied.
    pub(crate) fn append(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let len = bytes.len();
        if len == 0 {
            return Some(bytes);
        }
        let start = self.end;
        self.end += len as u64;
        if len <= COPY_BYTES_MAX {
            if let Some(open) = self.pieces.back_mut()
                && open.bytes.len() + len <= PIECE_BYTES_MAX
                && let Some(buffer) = Arc::get_mut(&mut open.bytes)
            {
                let before = buffer.capacity();
                buffer.extend_from_slice(&bytes);
                self.memory += (buffer.capacity() - before) as u64;
            } else {
                self.push(start, bytes.as_slice().to_vec());
            }
            return Some(bytes);
        }
        self.push(start, bytes);
        None
    }

    fn push(&mut self, start: u64, bytes: Vec<u8>) {
        self.memory += bytes.capacity() as u64;
        self.pieces.push_back(Piece { start, bytes: Arc::new(bytes) });
    }

    /// Gives up what is neither within the last `keep_bytes` nor needed from `pinned` on; memory goes by whole pieces.
    pub(crate) fn trim(&mut self, keep_bytes: u64, pinned: u64) {
        while let Some(front) = self.pieces.front() {
            let end = front.end();
            if self.end - end < keep_bytes || end > pinned {
                break;
            }
            self.memory -= front.bytes.capacity() as u64;
            self.first = end;
            self.pieces.pop_front();
        }
        self.first = self.first.max(pinned.min(self.end.saturating_sub(keep_bytes)));
    }

    /// True when the stream can be read from `position` on.
    pub(crate) fn holds(&self, position: u64) -> bool {
        (self.first..=self.end).contains(&position)
    }

    /// Gives the bytes from `position` on to `take`, at most `bytes_max` and one piece; returns the position reached.
    ///
    /// # Panics
    /// When the backlog does not hold `position`.
    pub(crate) fn read(&self, position: u64, bytes_max: u64, take: &mut dyn FnMut(Chunk)) -> u64 {
        assert!(self.holds(position));
        let (mut at, limit) = (position, position.saturating_add(bytes_max).min(self.end));
        let mut index = self.pieces.partition_point(|piece| piece.end() <= position);
        while at < limit {
            let piece = &self.pieces[index];
            let from = (at - piece.start) as usize;
            let to = (limit.min(piece.end()) - piece.start) as usize;
            take(Chunk::Shared { bytes: Arc::clone(&piece.bytes), range: from..to });
            at = piece.start + to as u64;
            index += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn read(backlog: &Backlog, from: u64, bytes_max: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let end = backlog.read(from, bytes_max, &mut |chunk| bytes.extend_from_slice(chunk.as_slice()));
        assert_eq!(end, from + bytes.len() as u64);
        bytes
    }

    #[test]
    fn every_byte_keeps_its_position() {
        let mut backlog = Backlog::new(10);
        assert!(backlog.append(b"abc".to_vec()).is_some());
        assert!(backlog.append(vec![b'x'; 20_000]).is_none());
        assert!(backlog.append(b"yz".to_vec()).is_some());
        assert_eq!((backlog.first(), backlog.end), (10, 20_015));
        assert_eq!(read(&backlog, 10, 4), b"abcx");
        assert_eq!(read(&backlog, 20_012, 99), b"xyz");
        assert_eq!(read(&backlog, 20_015, 99), b"");
    }

    #[test]
    fn a_piece_on_its_way_is_not_changed() {
        let mut backlog = Backlog::new(0);
        backlog.append(b"abc".to_vec());
        let mut sent = Vec::new();
        backlog.read(0, 99, &mut |chunk| sent.push(chunk));
        backlog.append(b"def".to_vec());
        assert_eq!(sent[0].as_slice(), b"abc");
        assert_eq!(read(&backlog, 1, 99), b"bcdef");
    }

    #[test]
    fn trimming_keeps_the_size_and_what_is_pinned() {
        let mut backlog = Backlog::new(0);
        for _ in 0..10 {
            backlog.append(vec![0; 10_000]);
        }
        backlog.trim(25_000, 100_000);
        assert_eq!((backlog.first(), backlog.memory()), (75_000, 30_000));
        assert!(!backlog.holds(74_999));
        backlog.append(vec![0; 50_000]);
        backlog.trim(0, 85_000);
        assert_eq!((backlog.first(), backlog.memory()), (85_000, 70_000));
        backlog.trim(0, u64::MAX);
        assert_eq!((backlog.len(), backlog.memory()), (0, 0));
    }
}
