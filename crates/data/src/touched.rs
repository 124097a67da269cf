//! Touched: which elements of a large value are not a snapshot's walker's any more.
//!
//! An element is known by 64 bits that are spread evenly. Their first bits choose one of many small parts, each in no order of
//! its own: nothing that takes long is ever moved, and the walker finds what is touched of a segment in one place.
//!
//! Memory is taken when the first element of a block of parts comes: all large values of a save may begin to be watched in the
//! same turn, and a system takes milliseconds to give some megabytes that nobody has had before.

use crate::memory::prefetch;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// 256: so many elements of the value belong to a part.
const ELEMENTS_PER_PART: usize = if cfg!(miri) { 16 } else { 256 };
/// 65,536 parts at most: their heads alone take 1.5 MiB.
const PARTS_BITS_MAX: u32 = 16;
/// 64: parts whose heads are made together.
const BLOCK_PARTS: usize = 64;
/// 512: words of a filter that are made together, 4 KiB.
const BLOCK_WORDS: usize = 512;

/// The heads of neighbouring parts.
type Block = Box<[Vec<u64>; BLOCK_PARTS]>;

/// A set of 64 bits each.
#[derive(Debug)]
pub(crate) struct Touched {
    blocks: Vec<Option<Block>>,
    /// The part's number stands above so many bits.
    shift: u32,
    len: usize,
}

impl Touched {
    /// For a value of `len` elements.
    pub fn new(len: usize) -> Touched {
        let bits = (len / ELEMENTS_PER_PART).max(2).next_power_of_two().ilog2().min(PARTS_BITS_MAX);
        let mut blocks = Vec::new();
        blocks.resize_with((1usize << bits).div_ceil(BLOCK_PARTS), || None);
        Touched { blocks, shift: u64::BITS - bits, len: 0 }
    }

    /// The block of a part, and the part's place in it.
    #[inline]
    fn place(&self, bits: u64) -> (usize, usize) {
        let part = (bits >> self.shift) as usize;
        (part / BLOCK_PARTS, part % BLOCK_PARTS)
    }

    /// Adds an element; false when it was there.
    #[inline]
    pub fn insert(&mut self, bits: u64) -> bool {
        let (block, at) = self.place(bits);
        let block = self.blocks[block].get_or_insert_with(|| Box::new([const { Vec::new() }; BLOCK_PARTS]));
        let part = &mut block[at];
        if part.contains(&bits) {
            return false;
        }
        part.push(bits);
        self.len += 1;
        true
    }

    /// About how much memory the elements take.
    pub fn bytes(&self) -> usize {
        // Three quarters of what is asked for are used on average.
        self.len * size_of::<u64>() * 4 / 3
    }

    /// True when an element is there.
    #[inline]
    pub fn contains(&self, bits: u64) -> bool {
        let (block, at) = self.place(bits);
        self.len > 0 && self.blocks[block].as_ref().is_some_and(|block| block[at].contains(&bits))
    }

    /// Moves the elements of a range to the end of `out`, in no order.
    pub fn take(&mut self, range: RangeInclusive<u64>, out: &mut Vec<u64>) {
        if self.len == 0 {
            return;
        }
        let before = out.len();
        let parts = (range.start() >> self.shift) as usize..=(range.end() >> self.shift) as usize;
        for at in parts {
            let Some(block) = &mut self.blocks[at / BLOCK_PARTS] else { continue };
            let part = &mut block[at % BLOCK_PARTS];
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
    blocks: Vec<Option<Box<[u64; BLOCK_WORDS]>>>,
    shift: u32,
}

impl Filter {
    /// For a value of `len` elements: four bits each.
    pub fn new(len: usize) -> Filter {
        let bits = len.saturating_mul(4).clamp(64, 1 << 30).next_power_of_two();
        let mut blocks = Vec::new();
        blocks.resize_with((bits / 64).div_ceil(BLOCK_WORDS), || None);
        Filter { blocks, shift: u64::BITS - bits.ilog2() }
    }

    #[inline]
    fn place(&self, bits: u64) -> (usize, usize, u64) {
        let at = bits >> self.shift;
        let word = (at >> 6) as usize;
        (word / BLOCK_WORDS, word % BLOCK_WORDS, 1 << (at & 63))
    }

    /// An element is touched.
    #[inline]
    pub fn note(&mut self, bits: u64) {
        let (block, word, mask) = self.place(bits);
        self.blocks[block].get_or_insert_with(|| Box::new([0; BLOCK_WORDS]))[word] |= mask;
    }

    /// Asks for the word of an element.
    #[inline]
    pub fn prefetch(&self, bits: u64) {
        let (block, word, _) = self.place(bits);
        if let Some(words) = &self.blocks[block] {
            prefetch((&raw const words[word]).cast());
        }
    }

    /// False when an element is certainly not touched.
    #[inline]
    pub fn may_have(&self, bits: u64) -> bool {
        let (block, word, mask) = self.place(bits);
        self.blocks[block].as_ref().is_some_and(|block| block[word] & mask != 0)
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
