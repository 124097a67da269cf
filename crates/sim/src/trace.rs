//! Trace: a hash over everything that happens in a run. The same seed gives the same hash, or the run is not deterministic.

/// A running hash of events (FNV-1a, 64 bit).
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
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Takes an event into the hash: when, where, which kind, with what figure.
    pub fn event(&mut self, at_us: u64, host: usize, kind: u8, figure: u64) {
        self.bytes(&at_us.to_le_bytes());
        self.bytes(&[host as u8, kind]);
        self.bytes(&figure.to_le_bytes());
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.0
    }
}
