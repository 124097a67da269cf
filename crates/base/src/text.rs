//! Text: a client's bytes within texts, so that they come out again as they were.
//!
//! Error texts repeat what a client has sent, which need not be UTF-8. Such a byte is carried as a character of the last
//! private plane (U+10FF00 and the byte), and whoever writes the text out turns it into the byte again.

use alloc::string::String;

/// The character of the byte 0.
const FIRST: u32 = 0x10_ff00;

/// Bytes as text; see the module.
pub fn carried(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if byte_of(character).is_none() {
                text.push(character);
            } else {
                character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.extend(character_of(byte)));
            }
        }
        chunk.invalid().iter().for_each(|&byte| text.extend(character_of(byte)));
    }
    text
}

/// The byte that a character carries.
#[inline]
pub fn byte_of(character: char) -> Option<u8> {
    u32::from(character).checked_sub(FIRST).and_then(|byte| u8::try_from(byte).ok())
}

fn character_of(byte: u8) -> Option<char> {
    char::from_u32(FIRST + u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn bytes_come_out_as_they_were() {
        for bytes in [&b"plain"[..], b"o)\x93", "\u{10ff93} and \u{e9}".as_bytes(), b"\xf0\x9f", b""] {
            let mut out = Vec::new();
            for character in carried(bytes).chars() {
                match byte_of(character) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            assert_eq!(out, bytes);
        }
    }
}
