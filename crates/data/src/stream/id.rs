//! Id of an entry: a time in milliseconds and a number within it.

use alloc::vec::Vec;
use core::fmt;

/// The id of an entry. Ids order by time, then by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, usually since 1970.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// 41: two numbers of 20 digits and a dash.
pub const TEXT_LEN_MAX: usize = 41;

/// 127: no longer text is looked at, as in the original.
const PARSED_LEN_MAX: usize = 127;

impl StreamId {
    /// `0-0`, which no entry has.
    pub const ZERO: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last id that can be.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id of these parts.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id that follows; none after the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before; none before the first.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The id `ms` and `seq` away, around the end of the numbers if need be: how nodes keep ids.
    #[inline]
    pub(super) fn plus(self, ms: i64, seq: i64) -> StreamId {
        StreamId { ms: self.ms.wrapping_add_signed(ms), seq: self.seq.wrapping_add_signed(seq) }
    }

    /// 16 bytes, the most significant first, as RDB has it.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// The id of 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let word = |at: usize| bytes[at..at + 8].iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        StreamId { ms: word(0), seq: word(8) }
    }

    /// The text `ms-seq`, written at the end of `room`.
    #[inline]
    pub fn text(self, room: &mut [u8; TEXT_LEN_MAX]) -> &[u8] {
        let mut at = room.len();
        for (index, number) in [self.seq, self.ms].into_iter().enumerate() {
            let mut rest = number;
            loop {
                at -= 1;
                room[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
                if rest == 0 {
                    break;
                }
            }
            if index == 0 {
                at -= 1;
                room[at] = b'-';
            }
        }
        &room[at..]
    }

    /// The text as a vector.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut [0; TEXT_LEN_MAX]).to_vec()
    }

    /// Reads `ms-seq`, or `ms` alone with `missing_seq` as its number.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        if text.len() > PARSED_LEN_MAX {
            return None;
        }
        match text.iter().position(|byte| *byte == b'-') {
            Some(dash) => Some(StreamId { ms: number(&text[..dash])?, seq: number(&text[dash + 1..])? }),
            None => Some(StreamId { ms: number(text)?, seq: missing_seq }),
        }
    }

    /// Reads `ms-*`: the time.
    pub fn parse_time(text: &[u8]) -> Option<u64> {
        if text.len() > PARSED_LEN_MAX { None } else { number(text.strip_suffix(b"-*")?) }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// An unsigned number in decimal; blanks before it, leading zeros and a plus sign are taken, as the original takes them.
fn number(text: &[u8]) -> Option<u64> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = &text[text.iter().position(|byte| !is_blank(byte))?..];
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        for id in [StreamId::ZERO, StreamId::MAX, StreamId::new(7, 0), StreamId::new(0, 1234567890123)] {
            assert_eq!(StreamId::parse(&id.to_vec(), 9), Some(id));
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
            assert_eq!(alloc::format!("{id}").as_bytes(), id.to_vec());
        }
        assert_eq!(StreamId::parse(b"5", 9), Some(StreamId::new(5, 9)));
        assert_eq!(StreamId::parse_time(b"5-*"), Some(5));
        for text in [&b""[..], b"-", b"1-", b"-1", b"1-2-3", b"a-1", b"1-*", b"18446744073709551616-0"] {
            assert_eq!(StreamId::parse(text, 0), None, "{text:?}");
        }
    }

    #[test]
    fn neighbours_cross_milliseconds() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!((StreamId::MAX.next(), StreamId::ZERO.previous()), (None, None));
    }
}
