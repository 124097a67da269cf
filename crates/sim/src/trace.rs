//! Trace: a hash over everything that happens in a run. The same seed gives the same hash, or the run is not deterministic.

use crate::net::HostIndex;
use machine::Input;

/// A running hash of events (FNV-1a by words, rotated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// What happened to a host.
    pub fn input(&mut self, at_us: u64, host: HostIndex, input: &Input) {
        match input {
            Input::Opened { conn, .. } => self.event(at_us, host, 10, u64::from(conn.index)),
            Input::Connected { conn, result } => {
                self.event(at_us, host, 11, u64::from(conn.index) << 1 | u64::from(result.is_ok()));
            }
            Input::Batches(batches) => {
                for (conn, batch) in batches {
                    self.event(at_us, host, 12, u64::from(conn.index));
                    for index in 0..batch.len() {
                        for arg in batch.request(index).iter() {
                            self.bytes(arg);
                        }
                    }
                }
            }
            Input::Closed { conn } => self.event(at_us, host, 13, u64::from(conn.index)),
            Input::Unsent(list) => self.event(at_us, host, 14, list.len() as u64),
            Input::Unframed(list) => self.event(at_us, host, 21, list.len() as u64),
            Input::Disk(disk) => self.event(at_us, host, 15, disk.write.0),
            Input::FileRead { file, .. } => self.event(at_us, host, 16, file.0),
            Input::FileSize { file, .. } => self.event(at_us, host, 22, file.0),
            Input::Tick => self.event(at_us, host, 17, 0),
            Input::Signal(_) => self.event(at_us, host, 18, 0),
            Input::Host(_) => self.event(at_us, host, 19, 0),
            Input::Answered { ask, .. } => self.event(at_us, host, 20, *ask),
        }
    }

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
