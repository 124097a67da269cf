//! Digest: what DEBUG DIGEST answers, equal to the original's for equal data, whatever the order of keys.
//!
//! SHA-1 (FIPS 180-4) over the parts, joined by exclusive or where the order does not count. It is no
//! protection against anyone, a comparison of data sets alone.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use data::{EntryRef, Keyspace, Kind};

/// 20 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// 40 hexadecimal digits.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for byte in self.0 {
            write!(text, "{byte:02x}").expect("a string takes all text");
        }
        text
    }

    /// Joins a part whose order does not count.
    fn join(&mut self, part: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(sha1(part)) {
            *byte ^= other;
        }
    }

    /// Joins a part whose order counts.
    fn mix(&mut self, part: &[u8]) {
        self.join(part);
        self.0 = sha1(&self.0);
    }
}

/// The digest of all databases.
pub fn of_all(keyspace: &Keyspace) -> Digest {
    let mut all = Digest::default();
    for db in 0..keyspace.databases() {
        if keyspace.len(db) == 0 {
            continue;
        }
        all.mix(&db.to_be_bytes());
        keyspace.for_each(db, |entry| {
            let mut one = Digest::default();
            one.mix(entry.key());
            add_value(&mut one, entry);
            all.join(&one.0);
        });
    }
    all
}

/// The digest of one value; zeros for none.
pub fn of_value(entry: Option<EntryRef<'_>>) -> Digest {
    let mut digest = Digest::default();
    if let Some(entry) = entry {
        add_value(&mut digest, entry);
    }
    digest
}

fn add_value(digest: &mut Digest, entry: EntryRef<'_>) {
    // The type numbers of the original.
    let number: u32 = match entry.kind() {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    };
    digest.mix(&number.to_be_bytes());
    let is_ordered = matches!(entry.kind(), Kind::String | Kind::List | Kind::Stream);
    codec::parts(entry.value(), &mut |parts| match parts {
        parts if is_ordered => parts.iter().for_each(|part| digest.mix(part)),
        [member] => digest.join(member),
        parts => {
            let mut group = Digest::default();
            parts.iter().for_each(|part| group.mix(part));
            digest.join(&group.0);
        }
    });
    if entry.deadline_ms().is_some() {
        digest.join(b"!!expire!!");
    }
}

fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let (blocks, rest) = message.as_chunks::<64>();
    for block in blocks {
        compress(&mut state, block);
    }
    let mut tail: Vec<u8> = rest.to_vec();
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in tail.as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in words.iter().enumerate() {
        let (mixed, constant) = match at / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6u32),
        };
        let next =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, added) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_agrees_with_the_standard() {
        assert_eq!(Digest(sha1(b"abc")).text(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(Digest(sha1(b"")).text(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(Digest(sha1(&[b'a'; 64])).text(), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    }
}
