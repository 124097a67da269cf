//! CRC16 (XMODEM: polynomial 0x1021, start 0, bits not reflected) and the hash slot of a key.

use alloc::string::String;

/// Number of hash slots of a cluster.
pub const SLOTS: u16 = 16_384;

const POLYNOMIAL: u16 = 0x1021;
static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            let carries = remainder & 0x8000 != 0;
            remainder <<= 1;
            if carries {
                remainder ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// The CRC16 of `bytes`.
#[inline]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The hash slot of `key`, in `0..SLOTS`.
///
/// When the key has a `{` and, somewhere after it, a `}`, and there is at least one byte between the first
/// `{` and the first `}` after it, then only those bytes count: keys with one tag share a slot.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag_of(key).unwrap_or(key)) & (SLOTS - 1)
}

/// The bytes between the braces of `key`, if it has a tag.
#[inline]
fn tag_of(key: &[u8]) -> Option<&[u8]> {
    let after = key.iter().position(|&byte| byte == b'{')? + 1;
    let len = key[after..].iter().position(|&byte| byte == b'}')?;
    (len > 0).then(|| &key[after..after + len])
}

/// The shortest text of digits and letters whose slot is `slot`; of equally long ones the first in the order of ASCII.
pub fn text_of(slot: u16) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let step = |crc: u16, last: &u8| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ last)];
    let ones = || ALPHABET.iter().map(|one| (one, step(0, one)));
    let twos = || ones().flat_map(|(one, crc)| ALPHABET.iter().map(move |two| (one, two, step(crc, two))));
    let is_it = |crc: u16| crc % SLOTS == slot;
    let text = |bytes: &[&u8]| bytes.iter().map(|byte| char::from(**byte)).collect();
    if let Some((one, _)) = ones().find(|&(_, crc)| is_it(crc)) {
        return text(&[one]);
    }
    if let Some((one, two, _)) = twos().find(|&(_, _, crc)| is_it(crc)) {
        return text(&[one, two]);
    }
    let found = twos().find_map(|(one, two, crc)| {
        ALPHABET.iter().find(|last| is_it(step(crc, last))).map(|last| text(&[one, two, last]))
    });
    found.expect("three characters reach every slot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_xmodem_is_met() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn slots_are_those_of_the_originals() {
        // Figures of CLUSTER KEYSLOT of Redis 7.0.15.
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"bar"), 5_061);
        assert_eq!(slot_of(b"123456789"), 12_739);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn a_tag_alone_decides() {
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"a{user1000}b"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
    }

    #[test]
    fn an_empty_or_open_tag_is_none() {
        for key in [&b"foo{}{bar}"[..], b"{}", b"foo{bar", b"foo}bar{"] {
            assert_eq!(slot_of(key), crc16(key) & (SLOTS - 1));
        }
    }

    #[test]
    fn a_slot_has_a_short_text() {
        let texts =
            [(0, "06S"), (1, "Qi"), (5, "460"), (9842, "1"), (1180, "aa"), (12_182, "9Le"), (16_383, "6ZJ")];
        for (slot, text) in texts {
            assert_eq!(text_of(slot), text);
        }
        for slot in (0..SLOTS).step_by(97) {
            assert_eq!(slot_of(text_of(slot).as_bytes()), slot);
        }
    }
}
