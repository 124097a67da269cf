//! HyperLogLog: estimates how many different elements were added, in a string of at most 12 KiB.
//!
//! The form is the original's, byte for byte, so that strings of both products can be exchanged:
//!
//! ```text
//!   "HYLL" | encoding: 0 dense, 1 sparse | 3 unused | cardinality u64 LE, its highest bit: out of date | registers
//!   dense:  16384 registers of 6 bits, the lowest bits first
//!   sparse: runs   00nnnnnn: n+1 zeros | 01nnnnnn nnnnnnnn: n+1 zeros | 1vvvvvnn: n+1 times the value v+1
//! ```
//!
//! The estimate is Otmar Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of an element's hash that make the value.
const VALUE_BITS: usize = 64 - INDEX_BITS as usize;
const HEADER: usize = 16;
const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// The byte of the header whose highest bit says that the cardinality is out of date.
const STALE_AT: usize = 15;
/// The largest value that a run can hold.
const RUN_VALUE_MAX: u8 = 32;
/// The longest runs.
const ZEROS_MAX: usize = 64;
const MANY_ZEROS_MAX: usize = 1 << 14;
const VALUES_MAX: usize = 4;

/// The runs do not make all registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// One value for each register.
pub type Registers = [u8; REGISTERS];

/// Registers of zeros.
pub fn no_registers() -> Box<Registers> {
    vec![0; REGISTERS].into_boxed_slice().try_into().expect("the length is that of the array")
}

/// One without elements.
pub fn new() -> Vec<u8> {
    let mut text = vec![0; HEADER];
    text[..4].copy_from_slice(MAGIC);
    text[4] = SPARSE;
    push_zeros(&mut text, REGISTERS);
    text
}

/// True when the header is that of a HyperLogLog.
pub fn is_one(text: &[u8]) -> bool {
    text.len() >= HEADER
        && text.starts_with(MAGIC)
        && (text[4] == SPARSE || text[4] == DENSE && text.len() == DENSE_LEN)
}

/// True for the dense form.
pub fn is_dense(text: &[u8]) -> bool {
    text[4] == DENSE
}

/// The cardinality as it was last computed, unless it is out of date.
pub fn cached(text: &[u8]) -> Option<u64> {
    let card = u64::from_le_bytes(text[8..16].try_into().expect("eight bytes"));
    (text[STALE_AT] & 0x80 == 0).then_some(card)
}

/// Notes the cardinality.
pub fn set_cached(text: &mut [u8], count: u64) {
    text[8..16].copy_from_slice(&count.to_le_bytes());
}

/// Notes that the cardinality is out of date.
pub fn set_stale(text: &mut [u8]) {
    text[STALE_AT] |= 0x80;
}

/// The register of an element, and the value that it asks for there.
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    // The end mark makes sure that there is a bit to find.
    let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
    (hash as usize & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A (Austin Appleby) with the seed that the originals have.
fn murmur(bytes: &[u8]) -> u64 {
    const MIX: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MIX);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MIX);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(MIX)).wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MIX);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(MIX);
    hash ^ hash >> 47
}

/// A register of the dense form.
pub fn dense_register(text: &[u8], index: usize) -> u8 {
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    // The last register ends with the last byte.
    let high = text.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([text[at], high]) >> shift) as u8 & 63
}

/// Raises a register of the dense form; true when it was below.
pub fn raise_dense(text: &mut [u8], index: usize, value: u8) -> bool {
    if dense_register(text, index) >= value {
        return false;
    }
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    let high = text.get(at + 1).copied().unwrap_or(0);
    let old = u16::from_le_bytes([text[at], high]);
    let [low, high] = (old & !(63 << shift) | u16::from(value) << shift).to_le_bytes();
    text[at] = low;
    if let Some(byte) = text.get_mut(at + 1) {
        *byte = high;
    }
    true
}

/// One run of the sparse form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The value of its registers.
    pub value: u8,
    /// How many registers.
    pub len: usize,
    /// Bytes that it takes.
    bytes: usize,
}

impl Run {
    /// True for the longer one of the two kinds of zeros.
    pub fn is_long(&self) -> bool {
        self.bytes == 2
    }

    /// The run at an offset. A long one that is cut off counts as if a zero followed.
    fn at(text: &[u8], at: usize) -> Run {
        let first = text[at];
        match first >> 6 {
            0 => Run { value: 0, len: usize::from(first & 63) + 1, bytes: 1 },
            1 => {
                let second = text.get(at + 1).copied().unwrap_or(0);
                Run { value: 0, len: (usize::from(first & 63) << 8 | usize::from(second)) + 1, bytes: 2 }
            }
            _ => Run { value: (first >> 2 & 31) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
        }
    }
}

/// The runs of the sparse form.
pub fn runs(text: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = HEADER;
    core::iter::from_fn(move || {
        let run = (at < text.len()).then(|| Run::at(text, at))?;
        at += run.bytes;
        Some(run)
    })
}

fn push_zeros(out: &mut Vec<u8>, len: usize) {
    debug_assert!((1..=MANY_ZEROS_MAX).contains(&len));
    match len - 1 {
        less if less < ZEROS_MAX => out.push(less as u8),
        less => out.extend_from_slice(&[0x40 | (less >> 8) as u8, less as u8]),
    }
}

fn values(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// What raising a register of the sparse form comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raised {
    No,
    Yes,
    /// The form can not hold it, or not within the bytes allowed.
    TooLarge,
}

/// The run that covers a register.
struct Covering {
    /// Where it stands, and where the one before it does.
    at: usize,
    previous: usize,
    run: Run,
    /// Its first register.
    first: usize,
}

fn covering(text: &[u8], index: usize) -> Result<Covering, Corrupt> {
    let (mut at, mut previous, mut first) = (HEADER, HEADER, 0);
    while at < text.len() {
        let run = Run::at(text, at);
        if index < first + run.len {
            return Ok(Covering { at, previous, run, first });
        }
        previous = at;
        at += run.bytes;
        first += run.len;
    }
    Err(Corrupt)
}

/// The value of a register in either form.
pub fn register(text: &[u8], index: usize) -> Result<u8, Corrupt> {
    if is_dense(text) { Ok(dense_register(text, index)) } else { Ok(covering(text, index)?.run.value) }
}

fn raise_sparse(text: &mut Vec<u8>, index: usize, value: u8, bytes_max: u64) -> Result<Raised, Corrupt> {
    if value > RUN_VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let Covering { at, previous, run, first } = covering(text, index)?;
    if run.value >= value {
        return Ok(Raised::No);
    }
    if run.len == 1 && run.bytes == 1 {
        text[at] = values(value, 1);
    } else {
        let (before, after) = (index - first, first + run.len - 1 - index);
        let mut split = Vec::with_capacity(5);
        for (len, is_middle) in [(before, false), (1, true), (after, false)] {
            match (len, is_middle, run.value) {
                (0, ..) => {}
                (_, true, _) => split.push(values(value, 1)),
                (_, _, 0) => push_zeros(&mut split, len),
                (_, _, old) => split.push(values(old, len)),
            }
        }
        let end = (at + run.bytes).min(text.len());
        let len_after = text.len() - (end - at) + split.len();
        if split.len() > run.bytes && len_after as u64 > bytes_max {
            return Ok(Raised::TooLarge);
        }
        text.splice(at..end, split);
    }
    join(text, previous);
    Ok(Raised::Yes)
}

/// 5: from the run before the one that was split, so many runs may have got a neighbour like themselves.
const JOINED_MAX: usize = 5;

/// Joins neighbours with equal values around a change.
fn join(text: &mut Vec<u8>, from: usize) {
    let (mut at, mut left) = (from, JOINED_MAX);
    while at < text.len() && left > 0 {
        left -= 1;
        let run = Run::at(text, at);
        if run.value > 0 && at + 1 < text.len() {
            let next = Run::at(text, at + 1);
            if next.value == run.value && run.len + next.len <= VALUES_MAX {
                text[at + 1] = values(run.value, run.len + next.len);
                text.remove(at);
                continue;
            }
        }
        at += run.bytes;
    }
}

/// Makes it dense.
pub fn to_dense(text: &mut Vec<u8>) -> Result<(), Corrupt> {
    if is_dense(text) {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER].copy_from_slice(&text[..HEADER]);
    dense[4] = DENSE;
    let mut index = 0;
    for run in runs(text) {
        if run.value > 0 {
            if index + run.len > REGISTERS {
                return Err(Corrupt);
            }
            (index..index + run.len).for_each(|at| {
                raise_dense(&mut dense, at, run.value);
            });
        }
        index += run.len;
    }
    if index != REGISTERS {
        return Err(Corrupt);
    }
    *text = dense;
    Ok(())
}

/// Raises a register in either form; true when it was below. A sparse one that would be over `sparse_bytes_max` becomes
/// dense.
pub fn raise(text: &mut Vec<u8>, index: usize, value: u8, sparse_bytes_max: u64) -> Result<bool, Corrupt> {
    if !is_dense(text) {
        match raise_sparse(text, index, value, sparse_bytes_max)? {
            Raised::No => return Ok(false),
            Raised::Yes => return Ok(true),
            Raised::TooLarge => to_dense(text)?,
        }
    }
    Ok(raise_dense(text, index, value))
}

/// Raises `registers` to those of `text`.
pub fn merge(registers: &mut Registers, text: &[u8]) -> Result<(), Corrupt> {
    if is_dense(text) {
        merge_dense(registers, text);
        return Ok(());
    }
    let mut index = 0;
    for run in runs(text) {
        if run.value > 0 {
            let covered = registers.get_mut(index..index + run.len).ok_or(Corrupt)?;
            covered.iter_mut().for_each(|register| *register = (*register).max(run.value));
        }
        index += run.len;
    }
    if index == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Raises `registers` to those of the dense form: four of them are three bytes.
fn merge_dense(registers: &mut Registers, text: &[u8]) {
    let packed: &Sixes = text[HEADER..].first_chunk().expect("its length was compared");
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if crate::processor::level() >= crate::processor::AVX2 {
        // SAFETY: the processor has these instructions and the system keeps their state.
        return unsafe { wide::merge(registers, packed) };
    }
    merge_triples(registers, packed);
}

/// Registers of 6 bits.
type Sixes = [u8; REGISTERS * 6 / 8];

/// 32 registers, which are 24 bytes, at a time.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod wide {
    use super::{Histogram, Registers, Sixes, merge_triples, pack_triples};
    use core::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_and_si256, _mm256_castsi256_si128,
        _mm256_cmpeq_epi8, _mm256_extract_epi64, _mm256_extracti128_si256, _mm256_loadu_si256,
        _mm256_max_epu8, _mm256_or_si256, _mm256_sad_epu8, _mm256_set_m128i, _mm256_set1_epi8,
        _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32,
        _mm256_srli_epi32, _mm256_storeu_si256, _mm256_sub_epi8,
    };

    /// Bytes of 32 registers, and those that a load or store at their end covers.
    const STEP: usize = 24;
    const COVERED: usize = 28;

    /// As `merge_triples`.
    #[target_feature(enable = "avx2")]
    pub fn merge(registers: &mut Registers, text: &Sixes) {
        // Three bytes to the start of each word.
        let spread = _mm256_setr_epi8(
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9,
            10, 11, -1,
        );
        let masks = [0x3f, 0x3f00, 0x3f_0000, 0x3f00_0000].map(|mask| _mm256_set1_epi32(mask));
        let (blocks, _) = registers.as_chunks_mut::<32>();
        let mut done = 0;
        while let Some(bytes) = text[done * STEP..].first_chunk::<COVERED>() {
            let block = &mut blocks[done];
            // SAFETY: both loads end within the 28 bytes and need no alignment.
            let (low, high): (__m128i, __m128i) = unsafe {
                (_mm_loadu_si128(bytes.as_ptr().cast()), _mm_loadu_si128(bytes.as_ptr().add(12).cast()))
            };
            let words = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
            let first = _mm256_and_si256(words, masks[0]);
            let second = _mm256_and_si256(_mm256_slli_epi32::<2>(words), masks[1]);
            let third = _mm256_and_si256(_mm256_slli_epi32::<4>(words), masks[2]);
            let fourth = _mm256_and_si256(_mm256_slli_epi32::<6>(words), masks[3]);
            let values = _mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth));
            // SAFETY: the block has 32 bytes, and neither needs an alignment.
            unsafe {
                let before: __m256i = _mm256_loadu_si256(block.as_ptr().cast());
                _mm256_storeu_si256(block.as_mut_ptr().cast(), _mm256_max_epu8(before, values));
            }
            done += 1;
        }
        merge_triples(&mut registers[done * 32..], &text[done * STEP..]);
    }

    /// As `super::histogram`: each vector is compared with each value, two values at a time. Nearly always there are some
    /// twenty values; with more, one register at a time is faster.
    #[target_feature(enable = "avx2")]
    pub fn histogram(registers: &Registers) -> Histogram {
        const VALUES_MAX: u8 = 32;
        // 128: a byte counts them without going over.
        const STEPS: usize = 128;
        let mut out: Histogram = [0; 64];
        let highest = registers.iter().fold(0, |highest, value| (*value).max(highest));
        if highest >= VALUES_MAX {
            return super::histogram(registers);
        }
        let (groups, _) = registers.as_chunks::<{ 32 * STEPS }>();
        let zero = _mm256_setzero_si256();
        for value in (0..=highest).step_by(2) {
            let (even, odd) = (_mm256_set1_epi8(value as i8), _mm256_set1_epi8(value as i8 + 1));
            for group in groups {
                let (blocks, _) = group.as_chunks::<32>();
                let (mut evens, mut odds) = (zero, zero);
                for block in blocks {
                    // SAFETY: the block has 32 bytes, and the load needs no alignment.
                    let values: __m256i = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
                    evens = _mm256_sub_epi8(evens, _mm256_cmpeq_epi8(values, even));
                    odds = _mm256_sub_epi8(odds, _mm256_cmpeq_epi8(values, odd));
                }
                for (at, counts) in [evens, odds].into_iter().enumerate() {
                    let sums = _mm256_sad_epu8(counts, zero);
                    let sums = [
                        _mm256_extract_epi64::<0>(sums),
                        _mm256_extract_epi64::<1>(sums),
                        _mm256_extract_epi64::<2>(sums),
                        _mm256_extract_epi64::<3>(sums),
                    ];
                    out[usize::from(value) + at] += sums.iter().sum::<i64>() as u32;
                }
            }
        }
        out
    }

    /// As `pack_triples`.
    #[target_feature(enable = "avx2")]
    pub fn pack(text: &mut Sixes, registers: &Registers) {
        // The three bytes of each word side by side.
        let join = _mm256_setr_epi8(
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14,
            -1, -1, -1, -1,
        );
        let masks = [0x3f, 0xfc0, 0x3_f000, 0xfc_0000].map(|mask| _mm256_set1_epi32(mask));
        let (blocks, _) = registers.as_chunks::<32>();
        let mut done = 0;
        // What is written beyond the 24 bytes is written again by the next step.
        while let Some(bytes) = text[done * STEP..].first_chunk_mut::<COVERED>() {
            // SAFETY: the block has 32 bytes, and the load needs no alignment.
            let values: __m256i = unsafe { _mm256_loadu_si256(blocks[done].as_ptr().cast()) };
            let first = _mm256_and_si256(values, masks[0]);
            let second = _mm256_and_si256(_mm256_srli_epi32::<2>(values), masks[1]);
            let third = _mm256_and_si256(_mm256_srli_epi32::<4>(values), masks[2]);
            let fourth = _mm256_and_si256(_mm256_srli_epi32::<6>(values), masks[3]);
            let words = _mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth));
            let joined = _mm256_shuffle_epi8(words, join);
            // SAFETY: both stores end within the 28 bytes and need no alignment; the second covers what the first has
            // too much.
            unsafe {
                _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm256_castsi256_si128(joined));
                _mm_storeu_si128(bytes.as_mut_ptr().add(12).cast(), _mm256_extracti128_si256::<1>(joined));
            }
            done += 1;
        }
        pack_triples(&mut text[done * STEP..], &registers[done * 32..]);
    }
}

fn merge_triples(registers: &mut [u8], text: &[u8]) {
    for (four, [low, middle, high]) in
        registers.as_chunks_mut::<4>().0.iter_mut().zip(text.as_chunks::<3>().0)
    {
        let word = u32::from_le_bytes([*low, *middle, *high, 0]);
        let spread = word & 0x3f | word << 2 & 0x3f00 | word << 4 & 0x3f_0000 | word << 6 & 0x3f00_0000;
        for (register, value) in four.iter_mut().zip(spread.to_le_bytes()) {
            *register = (*register).max(value);
        }
    }
}

/// Sets all registers of the dense form.
pub fn set_dense(text: &mut [u8], registers: &Registers) {
    let packed: &mut Sixes = text[HEADER..].first_chunk_mut().expect("its length was compared");
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if crate::processor::level() >= crate::processor::AVX2 {
        // SAFETY: the processor has these instructions and the system keeps their state.
        return unsafe { wide::pack(packed, registers) };
    }
    pack_triples(packed, registers);
}

fn pack_triples(text: &mut [u8], registers: &[u8]) {
    for (four, triple) in registers.as_chunks::<4>().0.iter().zip(text.as_chunks_mut::<3>().0) {
        let spread = u32::from_le_bytes(*four);
        let word =
            spread & 0x3f | (spread & 0x3f00) >> 2 | (spread & 0x3f_0000) >> 4 | (spread & 0x3f00_0000) >> 6;
        triple.copy_from_slice(&word.to_le_bytes()[..3]);
    }
}

/// How often each value stands in the registers.
type Histogram = [u32; 64];

/// The estimate for `text`.
pub fn count(text: &[u8]) -> Result<u64, Corrupt> {
    if is_dense(text) {
        let mut registers = no_registers();
        merge_dense(&mut registers, text);
        return Ok(count_registers(&registers));
    }
    let mut histogram: Histogram = [0; 64];
    let mut index = 0;
    for run in runs(text) {
        // Nothing is taken from what is too long: it is corrupt, and its lengths might leave 32 bits.
        index += run.len;
        if index > REGISTERS {
            return Err(Corrupt);
        }
        histogram[usize::from(run.value)] += run.len as u32;
    }
    if index == REGISTERS { Ok(estimate(&histogram)) } else { Err(Corrupt) }
}

/// The estimate for registers.
pub fn count_registers(registers: &Registers) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if crate::processor::level() >= crate::processor::AVX2 {
        // SAFETY: the processor has these instructions and the system keeps their state.
        return estimate(&unsafe { wide::histogram(registers) });
    }
    estimate(&histogram(registers))
}

fn histogram(registers: &Registers) -> Histogram {
    // Several at a time: neighbours are often equal, and would wait for each other.
    const LANES: usize = 8;
    let mut histograms: [[u16; 64]; LANES] = [[0; 64]; LANES];
    for eight in registers.as_chunks::<LANES>().0 {
        let word = u64::from_le_bytes(*eight);
        for lane in 0..LANES {
            histograms[lane][(word >> (8 * lane) & 63) as usize] += 1;
        }
    }
    let mut sums: Histogram = [0; 64];
    for histogram in &histograms {
        for (value, count) in histogram.iter().enumerate() {
            sums[value] += u32::from(*count);
        }
    }
    sums
}

fn estimate(histogram: &Histogram) -> u64 {
    // 1 / (2 ln 2), the limit of the algorithm's constant.
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[VALUE_BITS + 1])) / m);
    for value in (1..=VALUE_BITS).rev() {
        z += f64::from(histogram[value]);
        z *= 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    libm::round(ALPHA * m * m / z) as u64
}

/// The series for registers that are zero.
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// The series for registers that are full.
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = libm::sqrt(x);
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    fn fill(elements: core::ops::Range<u64>, bytes_max: u64) -> Vec<u8> {
        let mut text = new();
        for element in elements {
            let (index, value) = place(&element.to_le_bytes());
            raise(&mut text, index, value, bytes_max).expect("a good one");
        }
        text
    }

    #[test]
    fn both_forms_hold_the_same() {
        for elements in [1, 10, 500, 3_000] {
            let (sparse, dense) = (fill(0..elements, 1 << 20), fill(0..elements, 0));
            assert!(!is_dense(&sparse) && is_dense(&dense));
            for index in 0..REGISTERS {
                assert_eq!(register(&sparse, index), register(&dense, index));
            }
            assert_eq!(count(&sparse), count(&dense));
            let mut turned = sparse.clone();
            to_dense(&mut turned).expect("a good one");
            assert_eq!(turned[HEADER..], dense[HEADER..]);
            let mut registers = no_registers();
            merge(&mut registers, &dense).expect("a good one");
            for (index, value) in registers.iter().enumerate() {
                assert_eq!(Ok(*value), register(&sparse, index));
            }
            turned[HEADER..].fill(0xff);
            set_dense(&mut turned, &registers);
            assert_eq!(turned[HEADER..], dense[HEADER..]);
        }
    }

    #[test]
    fn registers_are_counted_as_one_by_one() {
        let mut random = Random::new(6);
        for below in [1, 2, 21, 32, 33, 64] {
            let mut registers = no_registers();
            registers.iter_mut().for_each(|register| *register = random.below(below) as u8);
            let mut expected: Histogram = [0; 64];
            registers.iter().for_each(|register| expected[usize::from(*register)] += 1);
            assert_eq!(histogram(&registers), expected);
            assert_eq!(count_registers(&registers), estimate(&expected));
        }
    }

    #[test]
    fn the_estimate_is_close() {
        for elements in [1, 7, 100, 1_000, 20_000, 200_000] {
            let counted = count(&fill(0..elements, 3_000)).expect("a good one");
            assert!(counted.abs_diff(elements) * 100 <= elements * 3, "{elements}: {counted}");
        }
    }

    #[test]
    fn bytes_from_outside_do_no_harm() {
        let mut random = Random::new(5);
        for _ in 0..3_000 {
            let mut text = fill(0..random.below(300), 3_000);
            for _ in 0..1 + random.below(4) {
                let at = HEADER + random.below((text.len() - HEADER) as u64) as usize;
                text[at] = random.below(256) as u8;
            }
            text.truncate(HEADER + random.below((text.len() - HEADER) as u64 + 1) as usize);
            let counted = count(&text);
            let mut registers = no_registers();
            if counted.is_ok() {
                assert!(merge(&mut registers, &text).is_ok());
            }
            for _ in 0..20 {
                let index = random.below(REGISTERS as u64) as usize;
                let _ = raise(&mut text, index, 1 + random.below(40) as u8, 3_000);
            }
        }
    }
}
