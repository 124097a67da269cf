//! Pieces: bytes that gather for long, in parts that are never moved.
//!
//! One long buffer would be copied whenever it grows, and all of it taken over at once: both take milliseconds in the middle of
//! requests.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// 62 KiB: a piece with so many bytes is closed.
pub(crate) const PIECE_BYTES: usize = 62 << 10;
/// 64 KiB: what one takes that is filled little by little. An allocation that is little greater takes a quarter more.
const PIECE_CAPACITY: usize = 64 << 10;
/// 160 KiB: room for one, and for a segment of small values that is written last.
pub(crate) const PIECE_ROOM: usize = 160 << 10;

/// Bytes in an order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    closed: VecDeque<Vec<u8>>,
    /// Bytes in `closed`.
    closed_bytes: usize,
    open: Vec<u8>,
}

impl Pieces {
    /// How many bytes.
    pub fn len(&self) -> usize {
        self.closed_bytes + self.open.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next bytes are appended.
    #[inline]
    pub fn end(&mut self) -> &mut Vec<u8> {
        if self.open.len() >= PIECE_BYTES {
            self.close();
        }
        &mut self.open
    }

    #[cold]
    fn close(&mut self) {
        // Whoever has filled one is likely to fill another.
        let mut open = core::mem::replace(&mut self.open, Vec::with_capacity(PIECE_CAPACITY));
        if open.capacity() > PIECE_CAPACITY {
            // What was written last has gone beyond the bound.
            open.shrink_to_fit();
        }
        self.push(open);
    }

    /// Appends a buffer as it is; nothing was written through `end` since the last one.
    fn push(&mut self, piece: Vec<u8>) {
        self.closed_bytes += piece.len();
        self.closed.push_back(piece);
    }

    /// Appends a buffer of any length.
    pub fn put(&mut self, piece: Vec<u8>) {
        if !self.open.is_empty() {
            let open = core::mem::take(&mut self.open);
            self.push(open);
        }
        if !piece.is_empty() {
            self.push(piece);
        }
    }

    /// Appends all pieces of another.
    pub fn append(&mut self, mut other: Pieces) {
        while let Some(piece) = other.take_first() {
            self.put(piece);
        }
    }

    /// Takes the first piece.
    pub fn take_first(&mut self) -> Option<Vec<u8>> {
        if let Some(piece) = self.closed.pop_front() {
            self.closed_bytes -= piece.len();
            return Some(piece);
        }
        (!self.open.is_empty()).then(|| core::mem::take(&mut self.open))
    }

    /// Moves pieces to the end of `out` until that has `until` bytes; true when all are there.
    pub fn move_to(&mut self, out: &mut Vec<u8>, until: usize) -> bool {
        while out.len() < until {
            let Some(mut piece) = self.take_first() else { return true };
            if out.is_empty() {
                *out = piece;
            } else {
                out.append(&mut piece);
            }
        }
        self.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_their_order() {
        let mut pieces = Pieces::default();
        let mut expected = Vec::new();
        for at in 0..30_000_u32 {
            pieces.end().extend_from_slice(&at.to_le_bytes());
            expected.extend_from_slice(&at.to_le_bytes());
            if at % 10_000 == 9_999 {
                pieces.put(alloc::vec![7; 100]);
                expected.extend_from_slice(&[7; 100]);
            }
        }
        let mut more = Pieces::default();
        more.end().push(9);
        pieces.append(more);
        expected.push(9);
        assert_eq!(pieces.len(), expected.len());
        let (mut seen, mut steps) = (Vec::new(), 0);
        while !pieces.is_empty() {
            let until = seen.len() + 1;
            let is_all = pieces.move_to(&mut seen, until);
            assert_eq!(is_all, pieces.is_empty());
            steps += 1;
        }
        assert!(seen == expected && steps > 3);
        assert!(pieces.move_to(&mut seen, usize::MAX));
    }
}
