//! CRC-64 (Jones: polynomial 0xad93d23594c935a9, start 0, bits reflected) as RDB files use it; the catalogues' CRC-64/REDIS.
//!
//! The work is done by `crc-fast`, with the processor's carry-less multiplication where it has one.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

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
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, self.0);
        digest.update(bytes);
        self.0 = digest.get_state();
    }

    /// Continues with `len` bytes of which `sum` is the CRC.
    pub fn append(&mut self, sum: Crc64, len: usize) {
        self.0 = checksum_combine(CrcAlgorithm::Crc64Redis, self.0, sum.0, len as u64);
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

    fn text<const LEN: usize>() -> [u8; LEN] {
        core::array::from_fn(|index| (index * 37 + index / 251) as u8)
    }

    /// The definition, a bit at a time.
    fn by_bits(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |crc: u64, _| {
                let polynomial = if crc & 1 == 1 { 0xad93_d235_94c9_35a9_u64.reverse_bits() } else { 0 };
                crc >> 1 ^ polynomial
            })
        })
    }

    #[test]
    fn the_check_value_of_jones_is_met() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
    }

    #[test]
    fn every_length_gives_what_the_definition_gives() {
        let bytes = text::<1_500>();
        for len in (0..300).chain([511, 512, 513, 1_024, 1_499]) {
            assert_eq!(crc64(&bytes[1..1 + len]), by_bits(&bytes[1..1 + len]), "{len}");
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_value() {
        let bytes = text::<700>();
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
        let bytes = text::<3_000>();
        for split in [0, 1, 70, 1_024, 1_033, bytes.len()] {
            let (mut head, mut tail) = (Crc64::new(), Crc64::new());
            head.update(&bytes[..split]);
            tail.update(&bytes[split..]);
            head.append(tail, bytes.len() - split);
            assert_eq!(head.value(), crc64(&bytes), "split at {split}");
        }
    }
}
