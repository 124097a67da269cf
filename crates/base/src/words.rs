//! Splitting a line into arguments, with quotes; and quoting back.
//!
//! The rules are those of inline requests, of configuration files and of the command line:
//!
//! ```text
//!   word            ends at a blank
//!   "a\n\x0ab"      escapes: \n \r \t \b \a, \xHH, and any other character as itself
//!   'it\'s'         only \' is an escape
//! ```
//!
//! A closing quote must be followed by a blank or the end. A zero byte ends the line, as in the originals,
//! whose strings end there.

use alloc::vec::Vec;

/// The arguments of `line`, or nothing when its quotes are not balanced.
///
/// What is allocated is bounded by the length of the line: no argument is longer than what it was read from.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = Rest(line);
    loop {
        while rest.byte(0).is_some_and(is_space) {
            rest.skip(1);
        }
        if rest.byte(0).is_none() {
            return Some(words);
        }
        words.push(rest.word()?);
    }
}

/// Appends `bytes` in double quotes, everything that is not printable ASCII escaped: `split` reads it back.
pub fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[
                b'\\',
                b'x',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
    out.push(b'"');
}

/// `bytes` in double quotes, as [`quote`] appends them.
pub fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(2));
    quote(&mut out, bytes);
    out
}

/// The blanks of C's `isspace`.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What is left of a line.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// The byte `ahead` of the first; nothing at the end of the line or at a zero byte.
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.0.get(ahead).copied().filter(|byte| *byte != 0)
    }

    fn skip(&mut self, count: usize) {
        self.0 = &self.0[count..];
    }

    /// One argument, from its first byte. A quote may also open inside a word and then ends it.
    fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        loop {
            match self.byte(0) {
                None | Some(b' ' | b'\n' | b'\r' | b'\t') => return Some(word),
                Some(b'"') => {
                    self.skip(1);
                    self.double_quoted(&mut word)?;
                    return self.after_quote().then_some(word);
                }
                Some(b'\'') => {
                    self.skip(1);
                    self.single_quoted(&mut word)?;
                    return self.after_quote().then_some(word);
                }
                Some(byte) => {
                    word.push(byte);
                    self.skip(1);
                }
            }
        }
    }

    fn after_quote(&self) -> bool {
        self.byte(0).is_none_or(is_space)
    }

    fn double_quoted(&mut self, word: &mut Vec<u8>) -> Option<()> {
        loop {
            let byte = self.byte(0)?;
            self.skip(1);
            match byte {
                b'"' => return Some(()),
                b'\\' => {
                    let Some(escape) = self.byte(0) else {
                        // A backslash at the very end is taken as itself; the quote is still open.
                        word.push(b'\\');
                        continue;
                    };
                    let pair = (self.byte(1).and_then(hex_digit), self.byte(2).and_then(hex_digit));
                    if let (b'x', (Some(high), Some(low))) = (escape, pair) {
                        word.push(high << 4 | low);
                        self.skip(3);
                        continue;
                    }
                    word.push(match escape {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        other => other,
                    });
                    self.skip(1);
                }
                other => word.push(other),
            }
        }
    }

    fn single_quoted(&mut self, word: &mut Vec<u8>) -> Option<()> {
        loop {
            let byte = self.byte(0)?;
            self.skip(1);
            match byte {
                b'\'' => return Some(()),
                b'\\' if self.byte(0) == Some(b'\'') => {
                    word.push(b'\'');
                    self.skip(1);
                }
                other => word.push(other),
            }
        }
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[track_caller]
    fn check(line: &str, expected: &[&[u8]]) {
        assert_eq!(split(line.as_bytes()).expect("balanced"), expected);
    }

    #[test]
    fn words_are_split_at_blanks() {
        check("", &[]);
        check("  \t\r\n", &[]);
        check(" set  key\tvalue \r\n", &[b"set", b"key", b"value"]);
        check("a\x0bb", &[b"a\x0bb"]);
        check("a\0b", &[b"a"]);
    }

    #[test]
    fn quotes_keep_blanks_and_escapes() {
        check(r#"set "a b" 'c d'"#, &[b"set", b"a b", b"c d"]);
        check(r#""\x41\n\r\t\b\a\q\"\\""#, &[b"A\n\r\t\x08\x07q\"\\"]);
        check(r#""\x4z""#, &[b"x4z"]);
        check(r#"'it\'s \n'"#, &[b"it's \\n"]);
        check(r#"a"b c""#, &[b"ab c"]);
        check("\"\" ''", &[b"", b""]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in ["\"", "'", "\"a\"b", "'a'b", "a \"b", "\"a\\", "\"\\\"", "\"a\0\""] {
            assert_eq!(split(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn what_was_quoted_reads_back() {
        let mut random = Random::new(5);
        for len in 0..200 {
            let mut bytes = alloc::vec![0; len];
            random.fill(&mut bytes);
            assert_eq!(split(&quoted(&bytes)), Some(alloc::vec![bytes]));
        }
        assert_eq!(quoted(b"a\"\\\n\x00\xff ~"), br#""a\"\\\n\x00\xff ~""#);
    }
}
