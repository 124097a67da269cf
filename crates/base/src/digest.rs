//! Digest of a value, as the command DIGEST answers it: XXH3 in 64 bits (Yann Collet), in hexadecimal.

/// 16: the digits of a digest.
pub const DIGITS: usize = 16;

/// The digest of `bytes`.
pub fn digest(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// A digest as text: 16 digits in lower case.
pub fn text(digest: u64) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    for (index, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(digest >> (60 - 4 * index)) as usize & 15];
    }
    text
}

/// The digest that a text of 16 digits says, in any case.
pub fn parse(text: &[u8]) -> Option<u64> {
    if text.len() != DIGITS {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(u64::from);
    text.iter().try_fold(0, |digest, byte| Some(digest << 4 | digit(byte)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(&text(digest(b"")), b"2d06800538d394c2");
        assert_eq!(&text(digest(b"Hello world")), b"b6acb9d84a38ff74");
        assert_eq!(parse(b"B6ACB9D84A38FF74"), Some(digest(b"Hello world")));
        assert_eq!(parse(b"b6acb9d84a38ff7"), None);
        assert_eq!(parse(b"b6acb9d84a38ff7g"), None);
    }
}
