//! CRC-64 (Jones: polynomial 0xad93d23594c935a9, start 0, bits reflected) as RDB files use it.
//!
//! Eight bytes a step by eight tables ("slicing by 8", Kounavis and Berry): table `n` gives the remainder of
//! a byte that is followed by `n` zero bytes, so the eight lookups of a word do not wait for each other. Long texts are
//! computed in lanes side by side, since one word waits for the one before it.

/// The polynomial with its bits reversed.
const POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();
static TABLES: [[u64; 256]; 8] = tables();
/// What a remainder becomes behind `LANE_BYTES` zero bytes, by its bytes.
static SHIFT: [[u64; 256]; 8] = shift();
/// 4: so many parts of a block are computed side by side; one alone waits for each of its lookups.
const LANES: usize = 4;
/// 1 KiB: putting the parts of a block together costs little beside it.
const LANE_BYTES: usize = 1 << 10;

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 { (remainder >> 1) ^ POLYNOMIAL } else { remainder >> 1 };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

const fn shift() -> [[u64; 256]; 8] {
    let tables = tables();
    // Each bit of a remainder goes its own way.
    let mut bits = [0u64; 64];
    let mut bit = 0;
    while bit < 64 {
        let mut remainder = 1u64 << bit;
        let mut at = 0;
        while at < LANE_BYTES {
            remainder = (remainder >> 8) ^ tables[0][(remainder & 0xff) as usize];
            at += 1;
        }
        bits[bit] = remainder;
        bit += 1;
    }
    let mut out = [[0u64; 256]; 8];
    let mut at = 0;
    while at < 8 * 256 {
        let (place, byte) = (at / 256, at % 256);
        let mut bit = 0;
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                out[place][byte] ^= bits[place * 8 + bit];
            }
            bit += 1;
        }
        at += 1;
    }
    out
}

/// The entries of a word's bytes, of the first byte from the first table.
#[inline(always)]
fn looked_up(tables: &[[u64; 256]; 8], word: u64) -> u64 {
    let bytes = word.to_le_bytes();
    tables.iter().zip(bytes).fold(0, |all, (table, byte)| all ^ table[usize::from(byte)])
}

#[inline(always)]
fn after_word(crc: u64, word: &[u8; 8]) -> u64 {
    let word = crc ^ u64::from_le_bytes(*word);
    TABLES[7][(word & 255) as usize]
        ^ TABLES[6][(word >> 8 & 255) as usize]
        ^ TABLES[5][(word >> 16 & 255) as usize]
        ^ TABLES[4][(word >> 24 & 255) as usize]
        ^ TABLES[3][(word >> 32 & 255) as usize]
        ^ TABLES[2][(word >> 40 & 255) as usize]
        ^ TABLES[1][(word >> 48 & 255) as usize]
        ^ TABLES[0][(word >> 56) as usize]
}

/// The lanes of a block in step, then each remainder moved behind the bytes that follow it.
fn of_block(crc: u64, block: &[u8; LANES * LANE_BYTES]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let mut lanes = [0; LANES];
    lanes[0] = crc;
    for at in 0..LANE_BYTES / 8 {
        for (lane, crc) in lanes.iter_mut().enumerate() {
            *crc = after_word(*crc, &words[lane * (LANE_BYTES / 8) + at]);
        }
    }
    lanes.into_iter().reduce(|before, lane| looked_up(&SHIFT, before) ^ lane).expect("there are lanes")
}

/// A CRC-64 that is fed piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc64(u64);

impl Crc64 {
    /// The CRC of no bytes.
    pub const fn new() -> Crc64 {
        Crc64(0)
    }

    /// Continues with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<{ LANES * LANE_BYTES }>();
        let mut crc = self.0;
        for block in blocks {
            crc = of_block(crc, block);
        }
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            crc = after_word(crc, word);
        }
        for &byte in rest {
            crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
        }
        self.0 = crc;
    }

    /// Continues with `len` bytes of which `sum` is the CRC.
    pub fn append(&mut self, sum: Crc64, len: usize) {
        let mut crc = self.0;
        for _ in 0..len / LANE_BYTES {
            crc = looked_up(&SHIFT, crc);
        }
        for _ in 0..len % LANE_BYTES {
            crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8)];
        }
        self.0 = crc ^ sum.0;
    }

    /// The CRC of all bytes so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// The CRC-64 of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_jones_is_met() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
    }

    #[test]
    fn pieces_of_any_length_give_the_same_value() {
        let bytes: [u8; 67] = core::array::from_fn(|index| (index * 37 + 11) as u8);
        let whole = crc64(&bytes);
        for split in 0..=bytes.len() {
            let mut crc = Crc64::new();
            crc.update(&bytes[..split]);
            crc.update(&bytes[split..]);
            assert_eq!(crc.value(), whole, "split at {split}");
        }
    }

    #[test]
    fn parts_are_summed_on_their_own() {
        let bytes: [u8; 2 * LANE_BYTES + 77] = core::array::from_fn(|index| (index * 37 + index / 251) as u8);
        for split in [0, 1, 70, LANE_BYTES, LANE_BYTES + 9, bytes.len()] {
            let (mut head, mut tail) = (Crc64::new(), Crc64::new());
            head.update(&bytes[..split]);
            tail.update(&bytes[split..]);
            head.append(tail, bytes.len() - split);
            assert_eq!(head.value(), crc64(&bytes), "split at {split}");
        }
    }

    #[test]
    fn lanes_give_what_single_words_give() {
        let bytes: [u8; 3 * LANES * LANE_BYTES + 5] =
            core::array::from_fn(|index| (index * 37 + index / 251) as u8);
        let mut crc = Crc64::new();
        bytes.chunks(LANE_BYTES).for_each(|piece| crc.update(piece));
        assert_eq!(crc.value(), crc64(&bytes));
    }
}
