//! Intset: integers in order in one flat allocation, byte for byte as RDB has it.
//!
//! ```text
//!   width u32 LE (2, 4 or 8 bytes) | count u32 LE | integers, LE, ascending
//! ```
//!
//! All have the width that the widest of them needs; it never shrinks, as in the original.

use crate::flat::Flat;
use crate::listpack::Malformed;
use crate::memory::size_class;
use alloc::vec::Vec;

const HEADER: usize = 8;

/// The bytes of an intset, to look at. Invariant: they are none (no integers) or well-formed.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub bytes: &'a [u8],
}

/// A set of integers. Invariant: `bytes` is empty (no integers, no allocation) or well-formed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intset {
    bytes: Vec<u8>,
}

/// How many bytes an integer needs.
fn width_of(number: i64) -> usize {
    match number {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

/// The integer in these bytes, of which there are 2, 4 or 8.
#[inline]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("the width of an intset is 2, 4 or 8"),
    }
}

impl<'a> View<'a> {
    fn width(self) -> usize {
        self.bytes.first().map_or(2, |&width| usize::from(width))
    }

    /// How many integers.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.len().saturating_sub(HEADER) / self.width()
    }

    /// The integer of this rank.
    pub fn at(self, index: usize) -> Option<i64> {
        let start = HEADER + index * self.width();
        self.bytes.get(start..start + self.width()).map(read)
    }

    /// All in ascending order.
    pub fn iter(self) -> Iter<'a> {
        Iter { bytes: self.bytes.get(HEADER..).unwrap_or_default(), width: self.width() }
    }

    /// The rank of an integer, or the one that it would have.
    fn find(self, number: i64) -> Result<usize, usize> {
        let len = self.len();
        // Most sets are filled in ascending order.
        match len.checked_sub(1).and_then(|last| self.at(last)) {
            None => return Err(0),
            Some(last) if last < number => return Err(len),
            Some(_) => {}
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = usize::midpoint(low, high);
            let found = self.at(middle).expect("a rank below the length");
            match found.cmp(&number) {
                core::cmp::Ordering::Equal => return Ok(middle),
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// True when it is there.
    pub fn contains(self, number: i64) -> bool {
        self.find(number).is_ok()
    }
}

impl Flat for Intset {
    fn of_own(bytes: Option<Vec<u8>>) -> Intset {
        Intset { bytes: bytes.unwrap_or_default() }
    }

    fn into_own(self) -> Option<Vec<u8>> {
        (!self.is_empty()).then_some(self.bytes)
    }
}

impl Intset {
    /// Takes bytes from outside, after a full check: a known width, as many integers as stated, each above the one before.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Intset, Malformed> {
        let header = bytes.get(..HEADER).ok_or(Malformed)?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (width, count) = (word(0) as usize, word(4) as usize);
        if !matches!(width, 2 | 4 | 8) || count == 0 || Some(bytes.len() - HEADER) != count.checked_mul(width)
        {
            return Err(Malformed);
        }
        let set = Intset { bytes };
        let is_ascending = set.iter().zip(set.iter().skip(1)).all(|(one, next)| one < next);
        if is_ascending { Ok(set) } else { Err(Malformed) }
    }

    /// The bytes, as RDB has them; empty when there is no integer.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn view(&self) -> View<'_> {
        View { bytes: &self.bytes }
    }

    fn width(&self) -> usize {
        self.view().width()
    }

    /// How many integers.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// Adds an integer; false when it was there.
    pub fn insert(&mut self, number: i64) -> bool {
        let Err(index) = self.view().find(number) else { return false };
        let width = width_of(number).max(if self.is_empty() { 2 } else { self.width() });
        if self.is_empty() || width > self.width() {
            self.widen(width);
        }
        self.reserve(width);
        let start = HEADER + index * width;
        let end = self.bytes.len();
        self.bytes.resize(end + width, 0);
        self.bytes.copy_within(start..end, start + width);
        self.bytes[start..start + width].copy_from_slice(&number.to_le_bytes()[..width]);
        self.count();
        true
    }

    /// Removes an integer; false when it was not there.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.view().find(number) else { return false };
        let start = HEADER + index * self.width();
        self.bytes.drain(start..start + self.width());
        self.count();
        // Room is given back when most of it is unused.
        if self.bytes.len() * 2 < self.bytes.capacity() {
            self.bytes.shrink_to(size_class(self.bytes.len()));
        }
        true
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(size_class(needed) - self.bytes.len());
        }
    }

    /// Writes all integers anew, `width` bytes each.
    fn widen(&mut self, width: usize) {
        let len = self.len();
        let mut bytes = Vec::with_capacity(size_class(HEADER + (len + 1) * width));
        bytes.extend_from_slice(&(width as u32).to_le_bytes());
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        for number in self.iter() {
            bytes.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.bytes = bytes;
    }

    fn count(&mut self) {
        let len = u32::try_from(self.len()).expect("the caller bounds an intset far below 2^32");
        self.bytes[4..HEADER].copy_from_slice(&len.to_le_bytes());
    }
}

/// The integers of an intset in ascending order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (first, rest) = self.bytes.split_at_checked(self.width)?;
        self.bytes = rest;
        Some(read(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use base::Random;

    #[test]
    fn the_bytes_are_those_of_the_original() {
        let mut set = Intset::default();
        assert!(set.insert(7) && set.insert(-1) && !set.insert(7));
        assert_eq!(set.as_bytes(), b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\0");
        assert!(set.insert(40_000));
        assert_eq!(set.as_bytes(), b"\x04\0\0\0\x03\0\0\0\xff\xff\xff\xff\x07\0\0\0\x40\x9c\0\0");
        assert!(set.remove(40_000) && !set.remove(40_000));
        assert_eq!(set.as_bytes(), b"\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff\x07\0\0\0");
    }

    #[test]
    fn it_is_a_set_of_integers() {
        let mut random = Random::new(3);
        for bits in [4, 15, 17, 31, 33, 63] {
            let (mut set, mut model) = (Intset::default(), BTreeSet::new());
            for _ in 0..if cfg!(miri) { 60 } else { 2_000 } {
                let number = (random.below(1 << bits) as i64).wrapping_sub(1 << (bits - 1));
                if random.chance(2, 3) {
                    assert_eq!(set.insert(number), model.insert(number));
                } else {
                    assert_eq!(set.remove(number), model.remove(&number));
                }
                assert_eq!(set.view().contains(number), model.contains(&number));
                assert_eq!(set.len(), model.len());
            }
            assert!(set.iter().eq(model.iter().copied()));
            if !set.is_empty() {
                assert_eq!(Intset::from_bytes(set.as_bytes().to_vec()), Ok(set));
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bad: [&[u8]; 7] = [
            b"",
            b"\x02\0\0\0\0\0\0\0",
            b"\x03\0\0\0\x01\0\0\0\x01\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0",
            b"\x02\0\0\0\x01\0\0\0\x01\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
        ];
        for bytes in bad {
            assert_eq!(Intset::from_bytes(bytes.to_vec()), Err(Malformed), "{bytes:?}");
        }
    }
}
