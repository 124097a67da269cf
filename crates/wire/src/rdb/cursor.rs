//! Cursor: the small pieces of a file. Nothing is used up until all of a piece is there.

use super::RdbError;

/// Why a step did not finish.
pub(super) enum Stop {
    /// More bytes are needed.
    Short,
    /// The file is wrong here.
    Error(RdbError),
}

impl From<RdbError> for Stop {
    fn from(error: RdbError) -> Stop {
        Stop::Error(error)
    }
}

/// A length, or the announcement of a string encoding.
pub(super) enum Length {
    Plain(u64),
    Encoded(u8),
}

/// Reads numbers at the start of what has arrived.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    used: usize,
    /// Offset in the file of the first of `bytes`.
    start: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], start: u64) -> Cursor<'a> {
        Cursor { bytes, used: 0, start }
    }

    /// Bytes that were read.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Offset in the file of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.start + self.used as u64
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.used).ok_or(Stop::Short)?;
        self.used += 1;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let array = *self.bytes[self.used..].first_chunk().ok_or(Stop::Short)?;
        self.used += N;
        Ok(array)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let bytes = self.bytes[self.used..].get(..count).ok_or(Stop::Short)?;
        self.used += count;
        Ok(bytes)
    }

    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        let at = self.at();
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(other) => Err(RdbError::BadLength { byte: 0xc0 | other, at }.into()),
        }
    }

    /// The two high bits of the first byte decide: 6 bits, 14 bits, 32 or 64 bits, or an encoding.
    pub(super) fn length_or_encoding(&mut self) -> Result<Length, Stop> {
        let at = self.at();
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(u64::from(low)),
            (1, _) => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            (3, _) => Length::Encoded(low),
            (_, 0x80) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            (_, byte) => return Err(RdbError::BadLength { byte, at }.into()),
        })
    }
}
