//! The 40-character hexadecimal id of nodes, shards, runs and replication histories.

use crate::Random;
use core::fmt;

/// 40 lowercase hexadecimal characters, as they stand on the wire and in files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Characters in an id.
    pub const LEN: usize = 40;
    /// Forty zeros: "no id" in replication (the original prints it for an absent second replid).
    pub const ZERO: Id = Id([b'0'; Id::LEN]);

    /// A new id, drawn from `random`.
    pub fn random(random: &mut Random) -> Id {
        let mut bytes = [0; Id::LEN];
        random.fill(&mut bytes);
        Id(bytes.map(|byte| b"0123456789abcdef"[usize::from(byte & 15)]))
    }

    /// Reads an id: exactly 40 hexadecimal digits, lower case as the originals write them.
    pub fn parse(text: &[u8]) -> Option<Id> {
        let bytes: [u8; Id::LEN] = text.try_into().ok()?;
        bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Id(bytes))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8; Id::LEN] {
        &self.0
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("an id holds hexadecimal digits alone")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = Id::random(&mut Random::new(3));
        assert_eq!(Id::parse(id.as_bytes()), Some(id));
        assert_eq!(Id::parse(b"short"), None);
        assert_eq!(Id::parse(&[b'G'; 40]), None);
    }
}
