//! Counts whole replies in a stream of bytes, and keeps none but the texts of errors.
//!
//! A reply may be nested: `open` counts the values that are still to come before it is whole. Bytes of strings are
//! passed over. A push is no reply; an attribute belongs to the reply behind it.

/// So many bytes of a line are kept: numbers are shorter, errors are cut.
const LINE_BYTES_MAX: usize = 1024;
/// So many errors of one piece are kept: more replies than one read brings.
const ERRORS_MAX: usize = 64 << 10;

/// The state between two pieces of the stream.
#[derive(Debug, Default)]
pub struct Replies {
    line: Vec<u8>,
    /// Bytes of a string, with its line end, that are still to be passed over.
    skip: u64,
    /// Values that the reply under way still needs; 0: between replies.
    open: u64,
    is_push: bool,
    /// The string under way is the text of an error.
    is_error: bool,
    /// Replies that became whole in this piece.
    whole: u64,
    /// Which replies of the last piece were errors, counted from 0, and their texts without the dash.
    pub errors: Vec<(u64, Vec<u8>)>,
}

impl Replies {
    /// Takes the next bytes; gives how many replies became whole.
    pub fn feed(&mut self, bytes: &[u8]) -> u64 {
        self.errors.clear();
        self.whole = 0;
        self.take(bytes);
        self.whole
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let count = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
                if self.is_error {
                    self.keep(&bytes[..count]);
                }
                bytes = &bytes[count..];
                self.skip -= count as u64;
                if self.skip == 0 {
                    if std::mem::take(&mut self.is_error) {
                        let mut text = std::mem::take(&mut self.line);
                        text.truncate(text.trim_ascii_end().len());
                        self.error(text);
                    }
                    self.value_done();
                }
                continue;
            }
            let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
                self.keep(bytes);
                return;
            };
            if self.line.is_empty() {
                let line = &bytes[..end];
                self.line(line.strip_suffix(b"\r").unwrap_or(line));
            } else {
                self.keep(&bytes[..end]);
                let line = std::mem::take(&mut self.line);
                self.line(line.strip_suffix(b"\r").unwrap_or(&line));
                self.line = line;
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len().min(LINE_BYTES_MAX);
        self.line.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn error(&mut self, text: Vec<u8>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push((self.whole, text));
        }
    }

    /// One head of a value, without its line end.
    fn line(&mut self, line: &[u8]) {
        let Some((&kind, rest)) = line.split_first() else { return };
        let number = || base::number::parse_i64(rest).unwrap_or(0);
        // -1: null, which is whole with its line.
        let length = || u64::try_from(number()).ok();
        if self.open == 0 {
            self.open = 1;
            self.is_push = kind == b'>';
        }
        match kind {
            b'$' | b'=' | b'!' => match length() {
                Some(length) => {
                    self.skip = length + 2;
                    self.is_error = kind == b'!';
                }
                None => self.value_done(),
            },
            b'*' | b'~' | b'>' => {
                self.open += length().unwrap_or(0);
                self.value_done()
            }
            b'%' => {
                self.open += 2 * length().unwrap_or(0);
                self.value_done()
            }
            // The value that it belongs to is counted already.
            b'|' => self.open += 2 * length().unwrap_or(0),
            b'-' => {
                if self.open == 1 {
                    self.error(rest.to_vec());
                }
                self.value_done()
            }
            _ => self.value_done(),
        }
    }

    fn value_done(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.whole += u64::from(self.open == 0 && !self.is_push);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts `text` in one piece and byte by byte.
    #[track_caller]
    fn check(text: &str, whole: u64, errors: &[&str]) {
        let mut replies = Replies::default();
        assert_eq!(replies.feed(text.as_bytes()), whole);
        let found: Vec<_> = replies.errors.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect();
        assert_eq!(found, errors);
        let mut replies = Replies::default();
        let (mut count, mut found) = (0, Vec::new());
        for byte in text.as_bytes().chunks(1) {
            count += replies.feed(byte);
            found.extend(replies.errors.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()));
        }
        assert_eq!(count, whole);
        assert_eq!(found, errors);
    }

    #[test]
    fn replies_of_every_kind_are_counted() {
        check("+OK\r\n:1\r\n$3\r\nfoo\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n", 7, &[]);
        check("*2\r\n*2\r\n:1\r\n$5\r\na\r\nb\r\r\n$-1\r\n_\r\n#t\r\n,1.5\r\n", 4, &[]);
        check("%1\r\n+a\r\n:1\r\n~2\r\n:1\r\n:2\r\n=7\r\ntxt:abc\r\n", 3, &[]);
        check("*2\r\n:1\r\n", 0, &[]);
    }

    #[test]
    fn pushes_are_no_replies_and_attributes_belong_to_one() {
        check(">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n+OK\r\n", 1, &[]);
        check("|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n", 1, &[]);
    }

    #[test]
    fn errors_are_kept_with_their_places() {
        check("-ERR no\r\n+OK\r\n!5\r\nERR x\r\n", 3, &["ERR no", "ERR x"]);
        let mut replies = Replies::default();
        replies.feed(b"+OK\r\n-ERR no\r\n");
        assert_eq!(replies.errors, [(1, b"ERR no".to_vec())]);
    }
}
