//! Trace: a hash over everything that happens in a run. The same seed gives the same hash, or the run is not deterministic.

/// A running hash of events (FNV-1a by words, rotated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Takes bytes into the hash.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }

    /// Takes an event into the hash: when, where, which kind, with what figure.
    pub fn event(&mut self, at_us: u64, host: usize, kind: u8, figure: u64) {
        self.word(at_us);
        self.word((host as u64) << 8 | u64::from(kind));
        self.word(figure);
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.0
    }
}
