//! Distinct: tells at once that texts are all different, in nearly every case.
//!
//! A bit for each text, by a hash that is quick rather than good: texts with different bits are different. Where two have the
//! same bit nothing is known, and the caller compares its texts in its own way.

use crate::number;

/// 2,048 bits: among ten texts two have the same bit in one of 45 cases.
const WORDS: usize = 32;
/// 2^64 divided by the golden ratio, odd: its multiples are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bits of the texts so far.
#[derive(Clone, Debug)]
pub struct Distinct {
    bits: [u64; WORDS],
    is_sure: bool,
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct { bits: [0; WORDS], is_sure: true }
    }
}

impl Distinct {
    /// Adds a text.
    #[inline]
    pub fn add(&mut self, text: &[u8]) {
        match number::parse_i64(text) {
            Some(number) => self.add_integer(number),
            None => self.add_hash(hash(text)),
        }
    }

    /// Adds the decimal text of an integer.
    #[inline]
    pub fn add_integer(&mut self, number: i64) {
        self.add_hash(number as u64);
    }

    #[inline]
    fn add_hash(&mut self, hash: u64) {
        let bit = (hash.wrapping_mul(SPREAD) >> (64 - (WORDS * 64).trailing_zeros())) as usize;
        let word = &mut self.bits[bit / 64];
        self.is_sure &= *word >> (bit % 64) & 1 == 0;
        *word |= 1 << (bit % 64);
    }

    /// True when no two of the texts are equal for sure.
    #[inline]
    pub fn is_sure(&self) -> bool {
        self.is_sure
    }
}

/// Word by word; the last two may overlap.
#[inline]
fn hash(text: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(SPREAD);
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().fold(text.len() as u64, |hash, byte| hash << 8 | u64::from(*byte));
    };
    let (words, _) = text.as_chunks::<8>();
    let hash = words.iter().fold(text.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    mix(hash, u64::from_le_bytes(*last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn equal_texts_are_never_missed() {
        for text in [&b""[..], b"a", b"-7", b"12345678", b"member:1", b"a text of more than one word"] {
            let mut seen = Distinct::default();
            seen.add(text);
            assert!(seen.is_sure());
            seen.add(text);
            assert!(!seen.is_sure());
        }
        let mut seen = Distinct::default();
        seen.add(b"17");
        seen.add_integer(17);
        assert!(!seen.is_sure());
    }

    #[test]
    fn different_texts_are_mostly_known_to_be() {
        let is_sure = |round: u32| {
            let mut seen = Distinct::default();
            (0..10).for_each(|at| seen.add(format!("round:{round}:member:{at}").as_bytes()));
            seen.is_sure()
        };
        assert!((0..1_000).filter(|&round| is_sure(round)).count() > 900);
    }
}
