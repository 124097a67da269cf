//! Reply: writes RESP2 or RESP3 straight into the connection's outgoing buffer.
//!
//! A handler says what it means (a map, a double, null); the protocol version decides how it looks.

use crate::batch::ProtocolError;
use alloc::vec::Vec;
use base::number::text_17g;
use core::fmt::{self, Write as _};

/// Lengths and integers from 0 to 999 have their header ready.
const READY: usize = 1_000;

/// `$len\r\n` padded to 8 bytes, so that it is one store; the first byte is replaced for other types.
static HEADERS: [[u8; 8]; READY] = headers();

const fn headers() -> [[u8; 8]; READY] {
    let mut all = [[0; 8]; READY];
    let mut value = 0;
    while value < READY {
        let mut header = *b"$\0\0\0\0\0\0\0";
        let len = ready_len(value);
        let mut rest = value;
        let mut at = len - 3;
        while at > 0 {
            header[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            at -= 1;
        }
        header[len - 2] = b'\r';
        header[len - 1] = b'\n';
        all[value] = header;
        value += 1;
    }
    all
}

/// The length of a ready header.
const fn ready_len(value: usize) -> usize {
    4 + (value >= 10) as usize + (value >= 100) as usize
}

/// Appends a type byte, a number and the line's end.
#[inline]
pub(crate) fn push_header(out: &mut Vec<u8>, kind: u8, value: u64) {
    match HEADERS.get(usize::try_from(value).unwrap_or(usize::MAX)) {
        Some(ready) => {
            let mut header = *ready;
            header[0] = kind;
            let end = out.len() + ready_len(value as usize);
            out.extend_from_slice(&header);
            out.truncate(end);
        }
        None => push_long_header(out, kind, value),
    }
}

/// Appends a bulk string of up to 32 bytes, the usual one: put together from pieces of fixed sizes that may overlap, so
/// that nothing is copied by a call. False for another length.
#[inline]
fn push_short_bulk(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    // 48: `$32`, the lines' ends, 32 bytes, and the rest of a ready header.
    let mut piece = [0; 48];
    let len = bytes.len();
    if len > 32 {
        return false;
    }
    let start = ready_len(len);
    piece[..8].copy_from_slice(&HEADERS[len]);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        piece[start..start + 16].copy_from_slice(first);
        piece[start + len - 16..start + len].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        piece[start..start + 8].copy_from_slice(first);
        piece[start + len - 8..start + len].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        piece[start..start + 4].copy_from_slice(first);
        piece[start + len - 4..start + len].copy_from_slice(last);
    } else {
        bytes.iter().enumerate().for_each(|(at, byte)| piece[start + at] = *byte);
    }
    piece[start + len..start + len + 2].copy_from_slice(b"\r\n");
    let end = out.len() + start + len + 2;
    out.extend_from_slice(&piece);
    out.truncate(end);
    true
}

fn push_long_header(out: &mut Vec<u8>, kind: u8, value: u64) {
    // 1 + 20 + 2: the type, the digits of 2^64, the line's end.
    let mut header = [0; 23];
    header[21..].copy_from_slice(b"\r\n");
    let at = write_digits(&mut header[..21], value) - 1;
    header[at] = kind;
    out.extend_from_slice(&header[at..]);
}

/// Writes decimal digits so that they end with `text`, and tells where they start.
#[inline]
fn write_digits(text: &mut [u8], mut value: u64) -> usize {
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return at;
        }
    }
}

/// Writes replies behind what `out` holds already.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    resp3: bool,
}

impl<'a> Reply<'a> {
    /// A writer of RESP3 or RESP2.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, resp3: bool) -> Reply<'a> {
        Reply { out, resp3 }
    }

    /// True when it writes RESP3.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// Writes RESP3 or RESP2 from now on: HELLO answers in the version that it sets.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    /// What is written so far, with what stood before it. To measure, and to cut back to a mark.
    #[inline]
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; CR and LF become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', |out| out.extend_from_slice(text.as_bytes()));
    }

    /// An error. `text` starts with its code (`ERR ...`), without `-`; CR and LF become spaces.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', |out| out.extend_from_slice(text.as_ref()));
    }

    /// An error from something that can be displayed; CR and LF become spaces.
    pub fn error_display(&mut self, text: impl fmt::Display) {
        self.line(b'-', |out| display(out, &text));
    }

    /// `-ERR Protocol error: ...`, byte for byte as the original.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        self.line(b'-', |out| {
            out.extend_from_slice(b"ERR ");
            out.extend_from_slice(&error.text());
        });
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => push_header(self.out, b':', value),
            Err(_) => {
                self.out.push(b':');
                push_header(self.out, b'-', value.unsigned_abs());
            }
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if push_short_bulk(self.out, bytes) {
            return;
        }
        self.out.reserve(bytes.len() + 32);
        push_header(self.out, b'$', bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string, as GET answers for integer values.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        // The text of i64::MIN has 20 characters.
        let mut text = [0; 20];
        let mut at = write_digits(&mut text, value.unsigned_abs());
        if value < 0 {
            at -= 1;
            text[at] = b'-';
        }
        self.bulk(&text[at..]);
    }

    /// A bulk string of what can be displayed.
    pub fn bulk_display(&mut self, value: impl fmt::Display) {
        self.bulk_by(0, |out| display(out, &value));
    }

    /// A bulk string that `write` appends to what it is given; `len_guess` is about how long it will be.
    pub fn bulk_by(&mut self, len_guess: usize, write: impl FnOnce(&mut Vec<u8>)) {
        // The text is written where it would stand behind the header of the guess, and moved if the real one is longer or
        // shorter.
        let start = self.out.len();
        self.out.reserve(len_guess);
        push_header(self.out, b'$', len_guess as u64);
        let text = self.out.len();
        write(self.out);
        let mut header = Vec::new();
        push_header(&mut header, b'$', (self.out.len() - text) as u64);
        self.out.splice(start..text, header);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A bulk string, or null.
    #[inline]
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Null: `$-1`, in RESP3 `_`.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null array: `*-1`, in RESP3 `_`.
    #[inline]
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// Opens an array of `count` replies.
    #[inline]
    pub fn array(&mut self, count: usize) {
        push_header(self.out, b'*', count as u64);
    }

    /// Opens a map of `count` pairs; in RESP2 an array of twice as many.
    pub fn map(&mut self, count: usize) {
        if self.resp3 { push_header(self.out, b'%', count as u64) } else { self.array(2 * count) }
    }

    /// Opens a set of `count` members; in RESP2 an array.
    pub fn set(&mut self, count: usize) {
        push_header(self.out, if self.resp3 { b'~' } else { b'*' }, count as u64);
    }

    /// Opens a push message of `count` parts; in RESP2 an array.
    pub fn push(&mut self, count: usize) {
        push_header(self.out, if self.resp3 { b'>' } else { b'*' }, count as u64);
    }

    /// Opens the attributes of the next reply: `count` pairs. RESP3 alone has them; check `is_resp3` first.
    pub fn attribute(&mut self, count: usize) {
        debug_assert!(self.resp3);
        push_header(self.out, b'|', count as u64);
    }

    /// A double; in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        /// 10^15: a whole number below it has the same text as an integer; the sign of zero counts.
        const WHOLE_MAX: f64 = 1e15;
        let whole = value as i64;
        if !self.resp3
            && whole as f64 == value
            && value.abs() < WHOLE_MAX
            && (whole != 0 || value.is_sign_positive())
        {
            self.bulk_integer(whole);
            return;
        }
        let text = text_17g(value);
        if self.resp3 {
            self.line(b',', |out| out.extend_from_slice(&text));
        } else {
            self.bulk(&text);
        }
    }

    /// A boolean; in RESP2 the integer 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// A big number in decimal digits; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        if self.resp3 {
            self.line(b'(', |out| out.extend_from_slice(digits.as_bytes()));
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text with a format of three letters (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        if !self.resp3 {
            return self.bulk(text);
        }
        push_header(self.out, b'=', text.len() as u64 + 4);
        self.out.extend_from_slice(format.as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Bytes that are RESP already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// One line: the type, the text without line ends in it, the line's end.
    fn line(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(kind);
        let start = self.out.len();
        write(self.out);
        for byte in &mut self.out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

struct Sink<'a>(&'a mut Vec<u8>);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match base::text::byte_of(character) {
                // What a client has sent comes back as it was.
                Some(byte) => self.0.push(byte),
                None => self.0.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(())
    }
}

fn display(out: &mut Vec<u8>, value: &impl fmt::Display) {
    write!(Sink(out), "{value}").expect("a vector takes everything that displays");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    /// What is written in RESP2 and in RESP3.
    #[track_caller]
    fn check(write: impl Fn(&mut Reply<'_>), resp2: &str, resp3: &str) {
        for (version, expected) in [(false, resp2), (true, resp3)] {
            let mut out = b"before".to_vec();
            write(&mut Reply::new(&mut out, version));
            assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"));
        }
    }

    #[test]
    fn every_type_has_its_form_in_both_versions() {
        check(|reply| reply.ok(), "+OK\r\n", "+OK\r\n");
        check(|reply| reply.simple("a\r\nb"), "+a  b\r\n", "+a  b\r\n");
        check(|reply| reply.error("ERR a\nb"), "-ERR a b\r\n", "-ERR a b\r\n");
        check(|reply| reply.error_display(format_args!("ERR {}", 1)), "-ERR 1\r\n", "-ERR 1\r\n");
        check(|reply| reply.null(), "$-1\r\n", "_\r\n");
        check(|reply| reply.null_array(), "*-1\r\n", "_\r\n");
        for guess in [0, 3, 10, 100_000] {
            check(
                |reply| reply.bulk_by(guess, |out| out.extend_from_slice(b"abc")),
                "$3\r\nabc\r\n",
                "$3\r\nabc\r\n",
            );
        }
        check(|reply| reply.bulk_or_null(None), "$-1\r\n", "_\r\n");
        check(|reply| reply.array(2), "*2\r\n", "*2\r\n");
        check(|reply| reply.map(600), "*1200\r\n", "%600\r\n");
        check(|reply| reply.set(2), "*2\r\n", "~2\r\n");
        check(|reply| reply.push(2), "*2\r\n", ">2\r\n");
        check(|reply| reply.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|reply| reply.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
        check(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
        check(|reply| reply.big_number("12"), "$2\r\n12\r\n", "(12\r\n");
        check(|reply| reply.verbatim("txt", b"ab"), "$2\r\nab\r\n", "=6\r\ntxt:ab\r\n");
        check(
            |reply| reply.bulk_display(format_args!("{:>12}", 7)),
            "$12\r\n           7\r\n",
            "$12\r\n           7\r\n",
        );
    }

    #[test]
    fn numbers_of_every_length_are_written() {
        let powers = (0..19).flat_map(|power| [10i64.pow(power) - 1, 10i64.pow(power)]);
        for value in powers.chain([i64::MAX, i64::MIN, -1, -999, -1_000]) {
            check(|reply| reply.integer(value), &format!(":{value}\r\n"), &format!(":{value}\r\n"));
            let bulk = format!("${}\r\n{value}\r\n", format!("{value}").len());
            check(|reply| reply.bulk_integer(value), &bulk, &bulk);
        }
    }

    #[test]
    fn strings_of_every_length_are_written() {
        for len in [0, 1, 9, 10, 99, 100, 999, 1_000, 70_000] {
            let text = "x".repeat(len);
            let expected = format!("${len}\r\n{text}\r\n");
            check(|reply| reply.bulk(text.as_bytes()), &expected, &expected);
        }
    }

    #[test]
    fn a_protocol_error_is_told_as_the_original_does() {
        check(
            |reply| reply.protocol_error(&ProtocolError::BulkLength),
            "-ERR Protocol error: invalid bulk length\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        );
    }
}
