//! Chunk: bytes that leave a machine. Owned by one consumer, or shared by several without a copy.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes on their way out.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// One consumer's own buffer; the world gives its memory back to the pool.
    Owned(Vec<u8>),
    /// A part of a buffer that several consumers read (a stream to three replicas).
    Shared {
        /// The buffer. It does not change any more.
        bytes: Arc<Vec<u8>>,
        /// The part that is meant.
        range: Range<usize>,
    },
}

impl Chunk {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Chunk::Owned(bytes) => bytes,
            Chunk::Shared { bytes, range } => &bytes[range.clone()],
        }
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Chunk::Owned(bytes) => bytes.len(),
            Chunk::Shared { range, .. } => range.len(),
        }
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk::Owned(bytes)
    }
}
