//! Bits of a byte string: counting, finding and combining them, and reading numbers of any width.
//!
//! Bit 0 is the highest bit of the first byte, as in the commands.

use alloc::vec;
use alloc::vec::Vec;

/// How many bits are set.
#[inline]
pub fn count(bytes: &[u8]) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if bytes.len() >= wide::BYTES_MIN {
        return wide::count(bytes);
    }
    count_words(bytes)
}

/// One word at a time; the loop is what the instruction set in force makes of it.
#[inline(always)]
fn count_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// With what the processor has beyond the program's baseline.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod wide {
    use crate::processor::{AVX2, AVX512_POPCNT, POPCNT, level};
    use core::arch::x86_64::{
        __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_loadu_si256, _mm256_sad_epu8,
        _mm256_set1_epi8, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
        _mm256_storeu_si256, _mm512_add_epi64, _mm512_loadu_si512, _mm512_popcnt_epi64,
        _mm512_reduce_add_epi64, _mm512_setzero_si512,
    };

    /// 64: below, the look at what is there costs as much as it saves.
    pub const BYTES_MIN: usize = 64;
    /// 512: from here on vectors pay.
    const VECTOR_BYTES_MIN: usize = 512;

    /// As `count_words`.
    #[inline]
    pub fn count(bytes: &[u8]) -> u64 {
        #[target_feature(enable = "popcnt")]
        fn with_popcnt(bytes: &[u8]) -> u64 {
            super::count_words(bytes)
        }
        match level() {
            // SAFETY: the processor has these instructions and the system keeps their state.
            AVX512_POPCNT if bytes.len() >= VECTOR_BYTES_MIN => unsafe { count_wide_vectors(bytes) },
            // SAFETY: the processor has these instructions and the system keeps their state.
            AVX2 if bytes.len() >= VECTOR_BYTES_MIN => unsafe { count_vectors(bytes) },
            // SAFETY: the processor has the instruction.
            AVX512_POPCNT | AVX2 | POPCNT => unsafe { with_popcnt(bytes) },
            _ => super::count_words(bytes),
        }
    }

    /// 256 bytes a step: the sums do not wait for each other.
    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    fn count_wide_vectors(bytes: &[u8]) -> u64 {
        const SUMS: usize = 4;
        let mut sums = [_mm512_setzero_si512(); SUMS];
        let (blocks, rest) = bytes.as_chunks::<{ 64 * SUMS }>();
        for block in blocks {
            let (parts, _) = block.as_chunks::<64>();
            for at in 0..SUMS {
                // SAFETY: the part has 64 bytes, and the load needs no alignment.
                let part = unsafe { _mm512_loadu_si512(parts[at].as_ptr().cast()) };
                sums[at] = _mm512_add_epi64(sums[at], _mm512_popcnt_epi64(part));
            }
        }
        let whole: u64 = sums.into_iter().map(|sum| _mm512_reduce_add_epi64(sum) as u64).sum();
        whole + super::count_words(rest)
    }

    /// Counts by a table of the 16 halves of a byte, 32 bytes a step (Mula, Kurz and Lemire, "Faster population counts using
    /// AVX2 instructions").
    #[target_feature(enable = "avx2")]
    fn count_vectors(bytes: &[u8]) -> u64 {
        /// 31: steps until a byte's count, 8 at most of each, would leave the byte.
        const STEPS: usize = 31;
        let table = _mm256_setr_epi8(
            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
        );
        let low_half = _mm256_set1_epi8(0x0f);
        let zero = _mm256_setzero_si256();
        let (blocks, rest) = bytes.as_chunks::<32>();
        let mut sums = zero;
        for group in blocks.chunks(STEPS) {
            let mut counts = zero;
            for block in group {
                // SAFETY: the block has 32 bytes, and the load needs no alignment.
                let block: __m256i = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
                let low = _mm256_and_si256(block, low_half);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(block), low_half);
                let both = _mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high));
                counts = _mm256_add_epi8(counts, both);
            }
            sums = _mm256_add_epi64(sums, _mm256_sad_epu8(counts, zero));
        }
        let mut parts = [0u64; 4];
        // SAFETY: the array has 32 bytes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(parts.as_mut_ptr().cast(), sums) };
        parts.iter().sum::<u64>() + super::count_words(rest)
    }
}

/// How many of the bits `start..=end` are set. The range lies within the bytes.
pub fn count_range(bytes: &[u8], start: u64, end: u64) -> u64 {
    let (first, last) = ((start / 8) as usize, (end / 8) as usize);
    let (head, tail) = (head_mask(start), tail_mask(end));
    let outside = (bytes[first] & !head).count_ones() + (bytes[last] & !tail).count_ones();
    count(&bytes[first..=last]) - u64::from(outside)
}

/// The bits of a byte from bit `at % 8` on.
fn head_mask(at: u64) -> u8 {
    0xff >> (at % 8)
}

/// The bits of a byte up to and with bit `at % 8`.
fn tail_mask(at: u64) -> u8 {
    0xff << (7 - at % 8)
}

/// The first bit that is `is_set` among the bits `start..=end`, which lie within the bytes.
pub fn find(bytes: &[u8], is_set: bool, start: u64, end: u64) -> Option<u64> {
    /// 128: what the loads of some steps of the compiler's vectors cover.
    const BLOCK: usize = 128;
    // What is looked for is a set bit of what the flip leaves.
    let flip = if is_set { 0 } else { 0xff };
    let (first, last) = ((start / 8) as usize, (end / 8) as usize);
    let found_in = |at: usize, byte: u8| at as u64 * 8 + u64::from(byte.leading_zeros());
    let head = (bytes[first] ^ flip) & head_mask(start);
    if first == last {
        let both = head & tail_mask(end);
        return (both != 0).then(|| found_in(first, both));
    }
    if head != 0 {
        return Some(found_in(first, head));
    }
    let middle = &bytes[first + 1..last];
    // Blocks without a branch inside: the compiler makes vectors of them.
    let is_full = |block: &&[u8; BLOCK]| block.iter().fold(0, |any, byte| any | (byte ^ flip)) == 0;
    let full = middle.as_chunks::<BLOCK>().0.iter().take_while(is_full).count() * BLOCK;
    if let Some(at) = middle[full..].iter().position(|byte| *byte != flip) {
        let at = full + at;
        return Some(found_in(first + 1 + at, middle[at] ^ flip));
    }
    let tail = (bytes[last] ^ flip) & tail_mask(end);
    (tail != 0).then(|| found_in(last, tail))
}

/// How BITOP combines its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Set in all.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number.
    Xor,
    /// Not set in the only one.
    Not,
    /// Set in the first and in none of the others.
    Diff,
    /// Set in one of the others and not in the first.
    Diff1,
    /// Set in the first and in one of the others at least.
    AndOr,
    /// Set in exactly one.
    One,
}

/// Combines byte strings; a shorter one counts as filled up with zeros. The result is as long as the longest.
pub fn combine(how: Combine, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut out = Vec::with_capacity(len);
    let Some((first, others)) = sources.split_first() else { return out };
    match how {
        Combine::And | Combine::Or | Combine::Xor => {
            // Block by block: each is written once, and is in the nearest cache while all are combined into it.
            for start in (0..len).step_by(BLOCK_BYTES) {
                let end = len.min(start + BLOCK_BYTES);
                let (first, mut others) = (part(first, start, end), others);
                match others.split_first().map(|(second, others)| (part(second, start, end), others)) {
                    // The usual case: both are read while the result is written.
                    Some((second, rest)) if second.len() == first.len() && first.len() == end - start => {
                        extend_with_both(how, &mut out, first, second);
                        others = rest;
                    }
                    _ => {
                        out.extend_from_slice(first);
                        out.resize(end, 0);
                    }
                }
                for other in others {
                    fold(how, &mut out[start..], part(other, start, end));
                }
            }
        }
        Combine::Not => {
            for block in first.chunks(BLOCK_BYTES) {
                let start = out.len();
                out.extend_from_slice(block);
                out[start..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
        Combine::Diff | Combine::Diff1 | Combine::AndOr => {
            out.resize(len, 0);
            for other in others {
                fold(Combine::Or, &mut out, other);
            }
            let (with, beyond) = out.split_at_mut(first.len());
            match how {
                Combine::Diff => with.iter_mut().zip(*first).for_each(|(any, byte)| *any = byte & !*any),
                Combine::Diff1 => with.iter_mut().zip(*first).for_each(|(any, byte)| *any &= !byte),
                _ => with.iter_mut().zip(*first).for_each(|(any, byte)| *any &= byte),
            }
            if how != Combine::Diff1 {
                beyond.fill(0);
            }
        }
        Combine::One => {
            // `out` has what was seen once at least, `twice` what was seen more often.
            out.resize(len, 0);
            let mut twice = vec![0; len];
            for source in sources {
                for ((once, twice), byte) in out.iter_mut().zip(&mut twice).zip(*source) {
                    *twice |= *once & byte;
                    *once |= byte;
                }
            }
            out.iter_mut().zip(&twice).for_each(|(once, twice)| *once &= !twice);
        }
    }
    out
}

/// 8 KiB: a quarter of the nearest cache.
const BLOCK_BYTES: usize = 8 << 10;

/// The bytes from `start` to `end`, as far as they are there.
fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    &bytes[start.min(bytes.len())..end.min(bytes.len())]
}

/// Appends two combined.
fn extend_with_both(how: Combine, out: &mut Vec<u8>, one: &[u8], other: &[u8]) {
    let pairs = one.iter().zip(other);
    match how {
        Combine::And => out.extend(pairs.map(|(one, other)| one & other)),
        Combine::Xor => out.extend(pairs.map(|(one, other)| one ^ other)),
        _ => out.extend(pairs.map(|(one, other)| one | other)),
    }
}

/// Combines `other` into `out`, which is as long or longer.
fn fold(how: Combine, out: &mut [u8], other: &[u8]) {
    let (with, beyond) = out.split_at_mut(other.len());
    let pairs = with.iter_mut().zip(other);
    match how {
        Combine::And => {
            pairs.for_each(|(out, byte)| *out &= byte);
            beyond.fill(0);
        }
        Combine::Xor => pairs.for_each(|(out, byte)| *out ^= byte),
        _ => pairs.for_each(|(out, byte)| *out |= byte),
    }
}

/// The unsigned number in the `width` bits (1 to 64) from bit `offset` on; what lies beyond the end is zero.
pub fn number(bytes: &[u8], offset: u64, width: u32) -> u64 {
    let first = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    // Up to 64 bits that begin within a byte lie in 9 bytes.
    let mut room = [0; 16];
    let there = bytes.get(first..).unwrap_or_default();
    let len = there.len().min(9);
    room[..len].copy_from_slice(&there[..len]);
    let shifted = u128::from_be_bytes(room) << (offset % 8);
    (shifted >> (128 - width)) as u64
}

/// Writes the low `width` bits (1 to 64) of `value` from bit `offset` on. The range lies within the bytes.
pub fn set_number(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let first = (offset / 8) as usize;
    let len = (bytes.len() - first).min(9);
    let mut room = [0; 16];
    room[..len].copy_from_slice(&bytes[first..first + len]);
    let shift = 128 - width - (offset % 8) as u32;
    let mask = (u128::from(u64::MAX) >> (64 - width)) << shift;
    let value = (u128::from(value) << shift) & mask;
    let changed = (u128::from_be_bytes(room) & !mask) | value;
    bytes[first..first + len].copy_from_slice(&changed.to_be_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0
    }

    fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
        // Long runs of equal bits now and then: what finding must step over.
        let fill = [0u8, 0xff][random.below(2) as usize];
        let dense = random.below(3);
        (0..len).map(|_| if random.below(3) < dense { random.below(256) as u8 } else { fill }).collect()
    }

    #[test]
    fn counts_and_finds_as_bit_by_bit() {
        let mut random = Random::new(1);
        for _ in 0..2_000 {
            // Over two of the blocks that are looked at at a time.
            let len_max = if random.chance(1, 10) { 400 } else { 90 };
            let len = 1 + random.below(len_max) as usize;
            let text = bytes(&mut random, len);
            let start = random.below(len as u64 * 8);
            let end = start + random.below(len as u64 * 8 - start);
            let expected = (start..=end).filter(|at| bit(&text, *at)).count() as u64;
            assert_eq!(count_range(&text, start, end), expected);
            for wanted in [true, false] {
                let expected = (start..=end).find(|at| bit(&text, *at) == wanted);
                assert_eq!(find(&text, wanted, start, end), expected, "{text:x?} {start} {end} {wanted}");
            }
        }
        for len in [0, 63, 64, 65, 511, 512, 767, 768, 1_000, 1_023, 5_000, 20_001] {
            let text = bytes(&mut random, len);
            let expected: u32 = text.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(count(&text), u64::from(expected));
            assert_eq!(count(&vec![0xff; len]), 8 * len as u64);
        }
    }

    #[test]
    fn combines_as_bit_by_bit() {
        let mut random = Random::new(2);
        let all = [
            Combine::And,
            Combine::Or,
            Combine::Xor,
            Combine::Not,
            Combine::Diff,
            Combine::Diff1,
            Combine::AndOr,
            Combine::One,
        ];
        for _ in 0..300 {
            let how = all[random.below(8) as usize];
            let sources = if how == Combine::Not { 1 } else { 2 + random.below(4) };
            let texts: Vec<Vec<u8>> = (0..sources)
                .map(|_| {
                    let len = random.below(20) as usize;
                    bytes(&mut random, len)
                })
                .collect();
            let borrowed: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let out = combine(how, &borrowed);
            assert_eq!(out.len(), texts.iter().map(Vec::len).max().unwrap());
            for at in 0..out.len() as u64 * 8 {
                let has = |text: &Vec<u8>| at < text.len() as u64 * 8 && bit(text, at);
                let (first, others) = (has(&texts[0]), texts[1..].iter().any(has));
                let set = texts.iter().filter(|text| has(text)).count();
                let expected = match how {
                    Combine::And => set == texts.len(),
                    Combine::Or => set > 0,
                    Combine::Xor => set % 2 == 1,
                    Combine::Not => !first,
                    Combine::Diff => first && !others,
                    Combine::Diff1 => !first && others,
                    Combine::AndOr => first && others,
                    Combine::One => set == 1,
                };
                assert_eq!(bit(&out, at), expected, "{how:?} {at}");
            }
        }
    }

    #[test]
    fn long_ones_are_combined_block_by_block() {
        let mut random = Random::new(4);
        let lens = [3 * BLOCK_BYTES + 5, 3 * BLOCK_BYTES + 5, BLOCK_BYTES + 1];
        let texts = lens.map(|len| bytes(&mut random, len));
        for sources in [&texts[..2], &texts[..], &texts[1..]] {
            let borrowed: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let byte_at = |source: &Vec<u8>, at: usize| source.get(at).copied().unwrap_or(0);
            let all = |fold: fn(u8, u8) -> u8| -> Vec<u8> {
                let folded = |at| sources.iter().map(move |source| byte_at(source, at)).reduce(fold);
                (0..sources[0].len()).map(|at| folded(at).unwrap()).collect()
            };
            assert_eq!(combine(Combine::And, &borrowed), all(|one, other| one & other));
            assert_eq!(combine(Combine::Or, &borrowed), all(|one, other| one | other));
            assert_eq!(combine(Combine::Xor, &borrowed), all(|one, other| one ^ other));
        }
    }

    #[test]
    fn numbers_are_read_as_written() {
        let mut random = Random::new(3);
        for _ in 0..2_000 {
            let mut text = bytes(&mut random, 20);
            let (before, width) = (text.clone(), 1 + random.below(64) as u32);
            let offset = random.below(160 - u64::from(width) + 1);
            let value = random.word() >> (64 - width);
            set_number(&mut text, offset, width, value);
            assert_eq!(number(&text, offset, width), value);
            let inside = offset..offset + u64::from(width);
            assert!((0..160).all(|at| inside.contains(&at) || bit(&text, at) == bit(&before, at)));
        }
        assert_eq!(number(&[0xff], 4, 8), 0xf0);
        assert_eq!(number(&[0xff], u64::MAX, 8), 0);
    }
}
