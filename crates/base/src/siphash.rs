//! SipHash-1-3: the keyed hash of the tables (Aumasson and Bernstein, 2012; one round per word, three at the end).
//!
//! The key is drawn per process, so that a client cannot prepare keys that meet in one bucket.

/// The state of one hash: four words.
struct State([u64; 4]);

impl State {
    #[inline(always)]
    fn new(key: [u64; 2]) -> State {
        State([
            key[0] ^ 0x736f_6d65_7073_6575,
            key[1] ^ 0x646f_7261_6e64_6f6d,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*b);
        *a = a.wrapping_add(*d);
        *b = b.rotate_left(17) ^ *c;
        *d = d.rotate_left(21) ^ *a;
        *c = c.rotate_left(32);
    }

    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

/// The last 0 to 7 bytes as a little-endian word, read without a loop over bytes.
#[inline(always)]
fn tail(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if len >= 4 {
        let low = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let high = u32::from_le_bytes([bytes[len - 4], bytes[len - 3], bytes[len - 2], bytes[len - 1]]);
        // The two halves overlap; both hold the same bytes there.
        return u64::from(low) | (u64::from(high) << ((len - 4) * 8));
    }
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | (u64::from(b) << 8),
        [a, b, c, ..] => u64::from(a) | (u64::from(b) << 8) | (u64::from(c) << 16),
    }
}

/// The 64-bit hash of `bytes` under a key of 128 bits.
#[inline]
pub fn siphash13(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = State::new(key);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    state.absorb(tail(rest) | ((bytes.len() as u64) << 56));
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The paper's own structure, byte by byte, to compare with.
    fn plain(key: [u64; 2], bytes: &[u8]) -> u64 {
        let mut state = State::new(key);
        let mut padded = bytes.to_vec();
        while padded.len() % 8 != 7 {
            padded.push(0);
        }
        padded.push(bytes.len() as u8);
        for word in padded.chunks(8) {
            state.absorb(u64::from_le_bytes(word.try_into().unwrap()));
        }
        state.finish()
    }

    #[test]
    fn the_fast_tail_gives_the_same_hash() {
        let bytes: Vec<u8> = (0..64u8).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
        for len in 0..=64 {
            assert_eq!(siphash13([1, 2], &bytes[..len]), plain([1, 2], &bytes[..len]), "length {len}");
        }
    }

    #[test]
    fn it_is_siphash_1_3() {
        // The first vectors of the reference implementation with 1 and 3 rounds: key 00..0f, input 00..len-1.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..64u8).collect();
        let expected: [u64; 3] = [0xabac_0158_050f_c4dc, 0xc9f4_9bf3_7d57_ca93, 0x82cb_9b02_4dc7_d44d];
        for (len, expected) in expected.into_iter().enumerate() {
            assert_eq!(siphash13(key, &input[..len]), expected, "length {len}");
        }
    }
}
