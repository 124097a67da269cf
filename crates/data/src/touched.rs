//! Touched: which elements of a large value are not a snapshot's walker's any more.
//!
//! An element is known by 64 bits that are spread evenly. Their first bits choose one of many small parts, each in no order of
//! its own: nothing that takes long is ever moved, and the walker finds what is touched of a segment in one place.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// 256: so many elements of the value belong to a part.
const ELEMENTS_PER_PART: usize = if cfg!(miri) { 16 } else { 256 };
/// 65,536 parts at most: their heads alone take 1.5 MiB.
const PARTS_BITS_MAX: u32 = 16;

/// A set of 64 bits each.
#[derive(Debug)]
pub(crate) struct Touched {
    parts: Vec<Vec<u64>>,
    /// The part's number stands above so many bits.
    shift: u32,
    len: usize,
}

impl Touched {
    /// For a value of `len` elements.
    pub fn new(len: usize) -> Touched {
        let bits = (len / ELEMENTS_PER_PART).max(2).next_power_of_two().ilog2().min(PARTS_BITS_MAX);
        let mut parts = Vec::new();
        parts.resize_with(1 << bits, Vec::new);
        Touched { parts, shift: u64::BITS - bits, len: 0 }
    }

    /// Adds an element; false when it was there.
    #[inline]
    pub fn insert(&mut self, bits: u64) -> bool {
        let part = &mut self.parts[(bits >> self.shift) as usize];
        if part.contains(&bits) {
            return false;
        }
        part.push(bits);
        self.len += 1;
        true
    }

    /// True when an element is there.
    #[inline]
    pub fn contains(&self, bits: u64) -> bool {
        self.len > 0 && self.parts[(bits >> self.shift) as usize].contains(&bits)
    }

    /// Moves the elements of a range to the end of `out`, in no order.
    pub fn take(&mut self, range: RangeInclusive<u64>, out: &mut Vec<u64>) {
        let before = out.len();
        let places = (range.start() >> self.shift) as usize..=(range.end() >> self.shift) as usize;
        for part in &mut self.parts[places] {
            part.retain(|bits| {
                let is_in = range.contains(bits);
                if is_in {
                    out.push(*bits);
                }
                !is_in
            });
            if part.is_empty() {
                *part = Vec::new();
            }
        }
        self.len -= out.len() - before;
    }
}

/// A quick look at whether an element may be touched, where the walk has another order: a Bloom filter of one bit for each.
#[derive(Debug)]
pub(crate) struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    /// For a value of `len` elements: four bits each.
    pub fn new(len: usize) -> Filter {
        let bits = len.saturating_mul(4).clamp(64, 1 << 30).next_power_of_two();
        Filter { words: alloc::vec![0; bits / 64], shift: u64::BITS - bits.ilog2() }
    }

    #[inline]
    fn place(&self, bits: u64) -> (usize, u64) {
        let at = bits >> self.shift;
        ((at >> 6) as usize, 1 << (at & 63))
    }

    /// An element is touched.
    #[inline]
    pub fn note(&mut self, bits: u64) {
        let (word, mask) = self.place(bits);
        self.words[word] |= mask;
    }

    /// False when an element is certainly not touched.
    #[inline]
    pub fn may_have(&self, bits: u64) -> bool {
        let (word, mask) = self.place(bits);
        self.words[word] & mask != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    #[test]
    fn what_is_touched_is_found_and_taken_by_ranges() {
        let mut random = Random::new(1);
        let count = if cfg!(miri) { 300 } else { 20_000 };
        for len in [0, 1, 600, count] {
            let (mut touched, mut filter) = (Touched::new(len), Filter::new(len));
            let all: Vec<u64> = (0..count).map(|_| random.word()).collect();
            for bits in &all {
                assert!(touched.insert(*bits) && !touched.insert(*bits));
                filter.note(*bits);
            }
            assert!(all.iter().all(|bits| touched.contains(*bits) && filter.may_have(*bits)));
            let (mut seen, middle) = (Vec::new(), 0x7654_3210_0000_0000);
            touched.take(0..=middle, &mut seen);
            assert!(seen.iter().all(|bits| *bits <= middle && !touched.contains(*bits)));
            touched.take(middle + 1..=u64::MAX, &mut seen);
            assert!(seen.len() == count && touched.len == 0);
        }
    }
}
