//! Scan: the commands and notes of a file of commands, with the place of each.
//!
//! Only the shape is looked at: `*<count>`, then so many `$<length>` with that many bytes. What the commands mean is
//! for others. A note is a line that begins with `#`.
//!
//! Invariant: a record is given whole, and `offset` is where the next one begins.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// 128: no header is longer, its end included (the original's bound).
const HEADER_BYTES_MAX: usize = 128;
/// 7: no more digits are looked at in one go.
const SHORT_DIGITS: usize = 7;
/// 64 KiB: no note is longer.
const NOTE_BYTES_MAX: usize = 64 << 10;
/// 1 GiB: no argument is longer; a longer one is taken for damage.
const ARG_BYTES_MAX: u64 = 1 << 30;
/// Arguments of one command, as in the original.
const ARGS_MAX: u64 = 1 << 30;

/// One whole thing in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A command: its bytes as they are, and its name.
    Command {
        /// All of it.
        bytes: &'a [u8],
        /// The first argument.
        name: &'a [u8],
    },
    /// A note, without its line end.
    Note(&'a [u8]),
}

/// Where and why the file makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The place, counted from the file's start.
    pub offset: u64,
    /// What is wrong there.
    pub text: String,
}

/// The bytes of one file, as they come.
#[derive(Debug, Default)]
pub struct Scanner {
    bytes: Vec<u8>,
    /// What stands before was given away.
    start: usize,
    /// Of `start`, in the file.
    offset: u64,
    /// How far the record at `start` was looked at, and how many arguments it lacks after that.
    part: Option<(usize, u64)>,
    /// The first argument of the record at `start`.
    name: Range<usize>,
}

enum Look {
    NeedsMore,
    Note(usize),
    Command(usize),
}

impl Scanner {
    /// A scanner whose first byte stands at `offset` of the file.
    pub fn at(offset: u64) -> Scanner {
        Scanner { offset, ..Scanner::default() }
    }

    /// Gives the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.part = self.part.map(|(at, missing)| (at - self.start, missing));
            self.name = self.name.start.saturating_sub(self.start)..self.name.end.saturating_sub(self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of a record that is not whole yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// How far the unfinished record makes sense, counted in the file.
    pub fn seen_offset(&self) -> u64 {
        self.offset + self.part.map_or(0, |(at, _)| (at - self.start) as u64)
    }

    /// The next record; none when it is not whole.
    ///
    /// # Errors
    /// Bytes that no record can begin with or go on with.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Flaw> {
        let (start, end) = (
            self.start,
            match self.look()? {
                Look::NeedsMore => return Ok(None),
                Look::Note(end) | Look::Command(end) => end,
            },
        );
        let is_note = self.bytes[start] == b'#';
        self.start = end;
        self.offset += (end - start) as u64;
        self.part = None;
        let bytes = &self.bytes[start..end];
        if is_note {
            return Ok(Some(Record::Note(bytes.trim_ascii_end())));
        }
        Ok(Some(Record::Command { bytes, name: &self.bytes[self.name.clone()] }))
    }

    fn look(&mut self) -> Result<Look, Flaw> {
        if self.part.is_none() {
            match self.bytes.get(self.start) {
                None => return Ok(Look::NeedsMore),
                Some(b'#') => return self.look_at_note(),
                Some(_) => {}
            }
            let Some((count, at)) = self.header(self.start, b'*', ARGS_MAX)? else {
                return Ok(Look::NeedsMore);
            };
            if count == 0 {
                return Err(self.flaw(self.start, "a command without a name".into()));
            }
            self.name = 0..0;
            self.part = Some((at, count));
        }
        let (mut at, mut missing) = self.part.unwrap_or((self.start, 0));
        while missing > 0 {
            let Some((len, from)) = self.header(at, b'$', ARG_BYTES_MAX)? else { return Ok(Look::NeedsMore) };
            let end = from + len as usize;
            let Some(tail) = self.bytes.get(end..end + 2) else { return Ok(Look::NeedsMore) };
            if tail != b"\r\n" {
                let text = alloc::format!("Expected \\r\\n, got: {:02x}{:02x}", tail[0], tail[1]);
                return Err(self.flaw(end, text));
            }
            if self.name.end == 0 {
                self.name = from..end;
            }
            (at, missing) = (end + 2, missing - 1);
            self.part = Some((at, missing));
        }
        Ok(Look::Command(at))
    }

    fn look_at_note(&self) -> Result<Look, Flaw> {
        let bytes = &self.bytes[self.start..];
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(len) if len < NOTE_BYTES_MAX => Ok(Look::Note(self.start + len + 1)),
            None if bytes.len() < NOTE_BYTES_MAX => Ok(Look::NeedsMore),
            Some(_) | None => Err(self.flaw(self.start, "a note without an end".into())),
        }
    }

    /// The number of the header at `at`, and where it ends.
    fn header(&self, at: usize, kind: u8, max: u64) -> Result<Option<(u64, usize)>, Flaw> {
        let bytes = &self.bytes[at..];
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first != kind {
            let text = alloc::format!("Expected prefix '{}', got: '{}'", kind as char, first.escape_ascii());
            return Err(self.flaw(at, text));
        }
        if let Some((number, end)) = short_header(bytes)
            && number <= max
        {
            return Ok(Some((number, at + end)));
        }
        let end = bytes.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            if bytes.len() < HEADER_BYTES_MAX {
                return Ok(None);
            }
            return Err(self.flaw(at, "a header without an end".into()));
        };
        let number = bytes[1..end].strip_suffix(b"\r");
        let number =
            number.and_then(|digits| core::str::from_utf8(digits).ok()).and_then(|text| text.parse().ok());
        match number.filter(|number| *number <= max) {
            Some(number) => Ok(Some((number, at + end + 1))),
            None => Err(self.flaw(
                at,
                alloc::format!("a header without a number in bounds: '{}'", bytes[..end].escape_ascii()),
            )),
        }
    }

    fn flaw(&self, at: usize, text: String) -> Flaw {
        Flaw { offset: self.offset + (at - self.start) as u64, text }
    }
}

/// The number of a header as all servers write it, and where it ends; none of one with more than `SHORT_DIGITS` or none.
#[inline]
fn short_header(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(1).take(SHORT_DIGITS + 1) {
        match byte {
            b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
            b'\r' if at > 1 && bytes.get(at + 1) == Some(&b'\n') => return Some((number, at + 2)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"#TS:1\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n*1\r\n$0\r\n\r\n#x\n";

    /// All records, the bytes given in pieces of `step`.
    fn records(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, Result<u64, Flaw>) {
        let (mut scanner, mut found) = (Scanner::default(), Vec::new());
        for piece in bytes.chunks(step) {
            scanner.push(piece);
            loop {
                match scanner.next_record() {
                    Ok(Some(Record::Command { bytes, .. } | Record::Note(bytes))) => {
                        found.push(bytes.to_vec())
                    }
                    Ok(None) => break,
                    Err(flaw) => return (found, Err(flaw)),
                }
            }
        }
        (found, Ok(scanner.offset()))
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_pieces() {
        let whole = records(FILE, 1_000);
        assert_eq!(whole.0.len(), 4);
        assert_eq!(whole.0[1], b"*2\r\n$3\r\nget\r\n$1\r\na\r\n");
        assert_eq!(whole.1, Ok(FILE.len() as u64));
        for step in 1..FILE.len() {
            assert_eq!(records(FILE, step), whole);
        }
    }

    #[test]
    fn the_name_is_the_first_argument() {
        let mut scanner = Scanner::at(100);
        scanner.push(b"*2\r\n$3\r\nget\r\n$1");
        assert_eq!(scanner.next_record(), Ok(None));
        assert_eq!((scanner.offset(), scanner.seen_offset()), (100, 113));
        scanner.push(b"\r\na\r\n");
        assert!(matches!(scanner.next_record(), Ok(Some(Record::Command { name: b"get", .. }))));
    }

    #[test]
    fn a_flaw_has_a_place() {
        let place = |bytes: &[u8]| records(bytes, 7).1.map_err(|flaw| flaw.offset);
        assert_eq!(place(b"*1\r\n$4\r\nping\r\nget a\r\n"), Err(14));
        assert_eq!(place(b"*1\r\n*4\r\nping\r\n"), Err(4));
        assert_eq!(place(b"*1\r\n$4\r\npingx\r\n"), Err(12));
        assert_eq!(place(b"*0\r\n"), Err(0));
        assert_eq!(place(b"*-1\r\n"), Err(0));
        assert_eq!(place(b"*1\r\n$99999999999999\r\n"), Err(4));
        assert_eq!(place(b"*2\r\n$4\r\npi"), Ok(0));
    }
}
