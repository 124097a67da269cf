//! LZF, the compression of strings in RDB files (format of Lehmann's liblzf).
//!
//! A packed text is a row of literal runs and references to earlier output:
//!
//!   000lllll  then l+1 literal bytes
//!   llldddddd dddddddd                 copy l+2 bytes (l in 1..=6) from d+1 bytes back (13 bits of d)
//!   111ddddd  llllllll dddddddd        copy l+9 bytes
//!
//! A reference may overlap what it writes: `a` and "copy 263 from 1 back" is a run of 264 `a`s.

use crate::size::size_class;
use alloc::vec::Vec;

/// 264 bytes out of a reference of 3 bytes: no packed text grows by more. A header that claims more lies.
pub const GROWTH_MAX: u64 = 88;
/// 32: the longest literal run.
const LITERALS_MAX: usize = 32;
/// 8,192: how far back a reference reaches.
const DISTANCE_MAX: usize = 1 << 13;
/// 264: the longest reference.
const MATCH_MAX: usize = 264;

/// Why a packed text can not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LzfError {
    /// It ends within a run or a reference.
    Truncated,
    /// A reference points before the start of the output.
    BadReference,
    /// It does not unpack to the length that was announced.
    WrongLength,
}

impl core::fmt::Display for LzfError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            LzfError::Truncated => "the LZF data ends too early",
            LzfError::BadReference => "the LZF data refers to bytes before its start",
            LzfError::WrongLength => "the LZF data does not have the announced length",
        })
    }
}

/// Unpacks `packed` into exactly `len` bytes.
///
/// Memory grows with what is really unpacked; a `len` that `packed` can not reach is refused at once.
pub fn unpack(packed: &[u8], len: u64) -> Result<Vec<u8>, LzfError> {
    if len > (packed.len() as u64).saturating_mul(GROWTH_MAX) {
        return Err(LzfError::WrongLength);
    }
    let len = usize::try_from(len).map_err(|_| LzfError::WrongLength)?;
    // The whole of a size class: values are kept in such, and need not be moved into one then.
    let mut out: Vec<u8> = Vec::with_capacity(size_class(len.min(packed.len().saturating_mul(8))));
    let mut rest = packed;
    while let [control, tail @ ..] = rest {
        let control = usize::from(*control);
        let count;
        if control < LITERALS_MAX {
            count = control + 1;
            let (literals, tail) = tail.split_at_checked(count).ok_or(LzfError::Truncated)?;
            if out.len() + count > len {
                return Err(LzfError::WrongLength);
            }
            out.extend_from_slice(literals);
            rest = tail;
        } else {
            let (extra, low, tail) = match tail {
                [extra, low, tail @ ..] if control >> 5 == 7 => (usize::from(*extra), *low, tail),
                [low, tail @ ..] if control >> 5 != 7 => (0, *low, tail),
                _ => return Err(LzfError::Truncated),
            };
            count = (control >> 5) + extra + 2;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            let start = out.len().checked_sub(distance).ok_or(LzfError::BadReference)?;
            if out.len() + count > len {
                return Err(LzfError::WrongLength);
            }
            copy_within(&mut out, start, count);
            rest = tail;
        }
    }
    if out.len() == len { Ok(out) } else { Err(LzfError::WrongLength) }
}

/// Appends `count` bytes that are read from `start` on, those just written included.
fn copy_within(out: &mut Vec<u8>, start: usize, count: usize) {
    let mut left = count;
    while left > 0 {
        // Each round at least doubles what can be copied at once.
        let step = left.min(out.len() - start);
        out.extend_from_within(start..start + step);
        left -= step;
    }
}

/// 40: a reference and a run of literals are written before the length is looked at.
const ROOM_BEYOND: usize = 8 + LITERALS_MAX;

/// Appends `plain`, packed, to `out`, whatever that takes. Parts that were packed one by one are together their packed whole: a
/// reference never points before its part.
pub fn pack_part(plain: &[u8], out: &mut Vec<u8>) {
    if pack(plain, usize::MAX, out).is_some() {
        return;
    }
    for literals in plain.chunks(LITERALS_MAX) {
        out.push(literals.len() as u8 - 1);
        out.extend_from_slice(literals);
    }
}

/// Appends `plain`, packed, to `out`, if that takes at most `len_max` bytes. Gives the packed length.
///
/// When it would take more, `out` is as before and the answer is `None`.
pub fn pack(plain: &[u8], len_max: usize, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    if plain.len() <= SHORT_LEN_MAX {
        let mut room = [0; SHORT_ROOM];
        let packed = pack_short(plain, len_max, &mut room)?;
        out.extend_from_slice(packed);
        return Some(packed.len());
    }
    let len_max = len_max.min(plain.len().saturating_add(plain.len() / LITERALS_MAX + 1));
    out.resize(start + len_max + ROOM_BEYOND, 0);
    let room = Packed { out: &mut out[start..], len: 1, run: 0, len_max };
    // The table of earlier places costs its clearing: a small text gets a small one.
    let packed = match plain.len() {
        ..=256 => pack_with(&mut [0; 256], plain, room),
        257..=4_096 => pack_with(&mut [0; 2_048], plain, room),
        _ => pack_with(&mut [0; 8_192], plain, room),
    };
    out.truncate(start + packed.unwrap_or(0));
    packed
}

/// 96: up to this length a text is short. It is looked at before it is packed: in longer ones something repeats nearly always.
pub const SHORT_LEN_MAX: usize = 96;
/// What a short text takes at most, and what is written before the length is looked at.
pub const SHORT_ROOM: usize = SHORT_LEN_MAX + SHORT_LEN_MAX / LITERALS_MAX + 1 + ROOM_BEYOND;

/// As `pack`, of a short text into room that the caller has: gives the packed bytes, and `None` for a longer text.
#[inline]
pub fn pack_short<'a>(plain: &[u8], len_max: usize, room: &'a mut [u8; SHORT_ROOM]) -> Option<&'a [u8]> {
    let len_max = len_max.min(plain.len() + plain.len() / LITERALS_MAX + 1);
    if plain.is_empty() || plain.len() > SHORT_LEN_MAX || is_hopeless(plain, len_max) {
        return None;
    }
    let len = pack_with(&mut [0; 256], plain, Packed { out: &mut room[..], len: 1, run: 0, len_max })?;
    Some(&room[..len])
}

/// True when no packing takes at most `len_max` bytes: too few places have three bytes that were there before.
///
/// A reference of `n` bytes saves at most `n - 2`, and at as many places of it three bytes repeat. Many values are random
/// text, where this is found out in half the time that a trial takes. Hashes that meet only make the answer `false`.
fn is_hopeless(plain: &[u8], len_max: usize) -> bool {
    /// A bit each, 256 bytes in all: a byte each would push 2 KiB out of the nearest cache for each string.
    const SEEN: usize = 2_048;
    // The number of a run of literals takes a byte.
    let Some(needed) = (plain.len() + 1).checked_sub(len_max) else { return false };
    let mut seen = [0u64; SEEN / 64];
    // The last place has three bytes only: it counts as one that repeats.
    let mut repeated = 1;
    for word in plain.windows(4) {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let slot = ((word << 8).wrapping_mul(0x9e37_79b1) >> (32 - SEEN.trailing_zeros())) as usize;
        let (bits, bit) = (&mut seen[slot / 64 % (SEEN / 64)], 1 << (slot % 64));
        repeated += usize::from(*bits & bit != 0);
        *bits |= bit;
        if repeated >= needed {
            return false;
        }
    }
    repeated < needed
}

/// The four bytes at a place.
#[inline(always)]
fn word_at(plain: &[u8], at: usize) -> Option<u32> {
    plain.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// `places` remembers by hash where three bytes were seen last: the low bits of the place, which tell how far back it is as
/// long as that is in reach. What is remembered is a hint: the bytes there are compared.
fn pack_with<const N: usize>(places: &mut [u16; N], plain: &[u8], mut room: Packed<'_>) -> Option<usize> {
    const { assert!(N.is_power_of_two() && N > 1) };
    // The fourth byte does not count.
    let slot = |word: u32| ((word << 8).wrapping_mul(0x9e37_79b1) >> (32 - N.trailing_zeros())) as usize % N;
    let mut at = 0;
    while let Some(here) = word_at(plain, at) {
        let place = &mut places[slot(here)];
        // At most `at`: what is remembered is before it, or still zero.
        let distance = usize::from((at as u16).wrapping_sub(*place));
        *place = at as u16;
        let is_same = word_at(plain, at.wrapping_sub(distance)).is_some_and(|there| (here ^ there) << 8 == 0);
        // Two branches, the rare one first: the processor guesses better than it computes.
        if !is_same || distance.wrapping_sub(1) >= DISTANCE_MAX {
            room.literal(here as u8)?;
            at += 1;
            continue;
        }
        let len = match_len(plain, at - distance, at);
        room.reference(distance, len)?;
        at += len;
        // The places within the match are worth remembering only near its end, as the original does.
        for inner in at - 2..at {
            if let Some(word) = word_at(plain, inner) {
                places[slot(word)] = inner as u16;
            }
        }
    }
    plain[at..].iter().try_for_each(|byte| room.literal(*byte))?;
    room.end()
}

/// How many bytes from `at` on equal those from `seen` on, where three do.
///
/// Words as long as they are the same, then byte by byte, each with a branch of its own: lengths repeat, and where the
/// processor guesses one it goes on with what follows; a length that is computed from words would have to be waited for.
#[inline(always)]
fn match_len(plain: &[u8], seen: usize, at: usize) -> usize {
    let limit = MATCH_MAX.min(plain.len() - at);
    let (ones, others) = (&plain[at..at + limit], &plain[seen..seen + limit]);
    let long_at = |bytes: &[u8], at: usize| bytes[at..].first_chunk().map(|word| u64::from_le_bytes(*word));
    let mut len = 3;
    while let (Some(one), Some(other)) = (long_at(ones, len), long_at(others, len))
        && one == other
    {
        len += 8;
    }
    macro_rules! step {
        ($($more:literal)*) => {$(
            if limit <= len + $more || ones[len + $more] != others[len + $more] {
                return len + $more;
            }
        )*};
    }
    step!(0 1 2 3 4 5 6);
    len + 7
}

/// What is packed so far. Invariant: the byte before the `run` literals at the end is free for their number.
struct Packed<'a> {
    out: &'a mut [u8],
    len: usize,
    run: usize,
    len_max: usize,
}

impl Packed<'_> {
    /// The length, unless it is too long.
    #[inline(always)]
    fn checked(&self) -> Option<()> {
        (self.len <= self.len_max).then_some(())
    }

    #[inline(always)]
    fn literal(&mut self, byte: u8) -> Option<()> {
        self.out[self.len] = byte;
        self.len += 1;
        self.run += 1;
        if self.run == LITERALS_MAX {
            self.checked()?;
            self.close_run();
            self.len += 1;
        }
        Some(())
    }

    /// Writes the number of the literals; the free byte where there are none is given back.
    #[inline(always)]
    fn close_run(&mut self) {
        self.out[self.len - self.run - 1] = (self.run as u8).wrapping_sub(1);
        self.len -= usize::from(self.run == 0);
        self.run = 0;
    }

    #[inline(always)]
    fn reference(&mut self, distance: usize, len: usize) -> Option<()> {
        self.checked()?;
        self.close_run();
        let (distance, len) = (distance - 1, len - 2);
        let is_long = len >= 7;
        let second = if is_long { len - 7 } else { distance };
        let parts = [(len.min(7) << 5 | distance >> 8) as u8, second as u8, distance as u8];
        *self.out[self.len..].first_chunk_mut()? = parts;
        // And the free byte of the next run.
        self.len += 3 + usize::from(is_long);
        Some(())
    }

    /// The packed length.
    fn end(mut self) -> Option<usize> {
        self.close_run();
        self.checked()?;
        Some(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[track_caller]
    fn round_trip(plain: &[u8]) -> Option<usize> {
        let mut out = b"before".to_vec();
        let packed = pack(plain, plain.len().saturating_mul(2), &mut out)?;
        assert_eq!(&out[..6], b"before");
        assert_eq!(unpack(&out[6..], plain.len() as u64).as_deref(), Ok(plain));
        Some(packed)
    }

    #[test]
    fn parts_are_together_a_whole() {
        let mut random = crate::Random::new(3);
        let (mut plain, mut packed) = (Vec::new(), Vec::new());
        for len in [0, 1, 31, 32, 33, 96, 97, 4_000, 40_000, 7] {
            let part: Vec<u8> =
                (0..len).map(|at| if len % 2 == 0 { random.word() as u8 } else { at as u8 / 9 }).collect();
            pack_part(&part, &mut packed);
            plain.extend_from_slice(&part);
        }
        assert_eq!(unpack(&packed, plain.len() as u64), Ok(plain));
    }

    #[test]
    fn runs_and_repeats_become_small() {
        assert!(round_trip(&[b'a'; 100]).unwrap() < 8);
        assert!(round_trip(&b"0123456789".repeat(1_000)).unwrap() < 180);
        assert!(round_trip(&b"{\"name\":\"x\",\"age\":1}".repeat(9)).unwrap() < 40);
    }

    #[test]
    fn what_does_not_fit_leaves_the_output_alone() {
        let mut out = b"before".to_vec();
        assert_eq!(pack(b"abcdefghijklmnopqrstuvwxyz", 22, &mut out), None);
        assert_eq!(out, b"before");
        assert_eq!(pack(b"", 10, &mut out), None);
    }

    #[test]
    fn what_is_hopeless_does_not_pack() {
        let mut random = Random::new(6);
        let mut hopeless = 0;
        for _ in 0..20_000 {
            let letters = random.between(2, 64);
            let len = random.below(SHORT_LEN_MAX as u64 + 1) as usize;
            let mut plain: Vec<u8> = (0..len).map(|_| random.below(letters) as u8).collect();
            if random.below(2) == 0 && len > 8 {
                let (from, to) = (random.below(len as u64 / 2) as usize, len / 2);
                let count = random.below((len - to) as u64 + 1) as usize;
                plain.copy_within(from..from + count.min(len - from), to);
            }
            let len_max = len.saturating_sub(random.below(8) as usize);
            if is_hopeless(&plain, len_max) {
                hopeless += 1;
                let mut out = alloc::vec![0; plain.len() * 2 + ROOM_BEYOND];
                let room = Packed { out: &mut out, len: 1, run: 0, len_max: plain.len() * 2 };
                let packed = pack_with(&mut [0; 256], &plain, room);
                assert!(plain.is_empty() || packed.unwrap() > len_max, "{plain:?}, {len_max}");
            }
        }
        assert!(hopeless > 5_000, "{hopeless}");
    }

    #[test]
    fn any_text_survives_the_round_trip() {
        let mut random = Random::new(4);
        for _ in 0..400 {
            let letters = random.between(1, 256);
            let scale = random.between(1, 15);
            let len = random.below(1 << scale);
            let plain: Vec<u8> = (0..len).map(|_| random.below(letters) as u8).collect();
            round_trip(&plain);
        }
    }

    #[test]
    fn references_reach_8192_bytes_back_and_no_farther() {
        let mut random = Random::new(9);
        for gap in [8_100, 8_176, 8_177, 8_180, 8_192, 8_200] {
            let mut plain = b"a pattern to find".to_vec();
            plain.extend((0..gap).map(|_| random.word() as u8));
            plain.extend_from_slice(b"a pattern to find");
            round_trip(&plain);
        }
    }

    #[test]
    fn hostile_data_is_refused() {
        assert_eq!(unpack(&[5, 1, 2], 6), Err(LzfError::Truncated));
        assert_eq!(unpack(&[0, b'a', 0x20, 1], 4), Err(LzfError::BadReference));
        assert_eq!(unpack(&[0, b'a'], 2), Err(LzfError::WrongLength));
        assert_eq!(unpack(&[1, b'a', b'b'], 1), Err(LzfError::WrongLength));
        assert_eq!(unpack(&[0, b'a'], u64::MAX), Err(LzfError::WrongLength));
        assert_eq!(unpack(&[0, b'a', 0xe0, 255], 1), Err(LzfError::Truncated));
        let mut random = Random::new(5);
        for _ in 0..2_000 {
            let mut packed = [0; 40];
            random.fill(&mut packed);
            let _: Result<Vec<u8>, LzfError> = unpack(&packed, random.below(3_000));
        }
    }
}
