//! Sums: checksums in the increments, where they are asked for. Damage anywhere shows, not only at the end.
//!
//! ```text
//!   #REDAN-S:begin              what follows is summed up
//!   *3.. *3.. #..               commands and notes
//!   #REDAN-S:<len> <crc64>      so many bytes since the last such line, and their checksum
//!   #REDAN-S:end                what follows is not
//! ```
//!
//! Commands count as they are, notes without their line's end. The originals pass over these lines. What a server that knows
//! nothing of them has appended carries no sum; neither does a last group that was torn.

use super::Flaw;
use alloc::format;
use alloc::vec::Vec;
use base::crc64::Crc64;

/// How the lines begin.
const PREFIX: &[u8] = b"#REDAN-S:";

/// What has gone by since the last sum.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    crc: Crc64,
    len: u64,
}

impl Sum {
    /// The line that begins the sums of a file.
    pub const BEGIN: &'static [u8] = b"#REDAN-S:begin\r\n";
    /// The line after which there are none.
    pub const END: &'static [u8] = b"#REDAN-S:end\r\n";

    /// Whole commands.
    pub fn add_commands(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// Whole lines of notes.
    pub fn add_notes(&mut self, lines: &[u8]) {
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .for_each(|line| self.add_commands(line.trim_ascii_end()));
    }

    /// Puts the sum behind what it is of, if there is anything, and begins the next.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.len > 0 {
            out.extend_from_slice(format!("#REDAN-S:{} {:016x}\r\n", self.len, self.crc.value()).as_bytes());
            *self = Sum::default();
        }
    }
}

/// Checks the sums of a file.
#[derive(Clone, Debug, Default)]
pub struct SumCheck {
    sum: Option<Sum>,
    /// Where the sum's first byte stands.
    from: u64,
}

impl SumCheck {
    /// A whole command.
    pub fn on_command(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.sum {
            sum.add_commands(bytes);
        }
    }

    /// A note without its line's end. `next`: where the next record begins.
    ///
    /// # Errors
    /// The sum of what stands before it is another, or there should be none.
    pub fn on_note(&mut self, note: &[u8], next: u64) -> Result<(), Flaw> {
        let Some(text) = note.strip_prefix(PREFIX) else {
            self.on_command(note);
            return Ok(());
        };
        let from = core::mem::replace(&mut self.from, next);
        match (text, &mut self.sum) {
            (b"begin", sum) => *sum = Some(Sum::default()),
            (b"end", sum) => *sum = None,
            (_, None) => return Err(flaw(from, "a checksum where none was announced".into())),
            (text, Some(sum)) => {
                let found = format!("{} {:016x}", sum.len, sum.crc.value());
                if text != found.as_bytes() {
                    let text = alloc::string::String::from_utf8_lossy(text);
                    let text = format!("length and checksum should be '{text}', the data gives '{found}'");
                    return Err(flaw(from, text));
                }
                *sum = Sum::default();
            }
        }
        Ok(())
    }

    /// Where the bytes begin that have no sum although sums were announced, and how many there are.
    pub fn open(&self) -> Option<(u64, u64)> {
        self.sum.as_ref().filter(|sum| sum.len > 0).map(|sum| (self.from, sum.len))
    }
}

fn flaw(offset: u64, text: alloc::string::String) -> Flaw {
    Flaw { offset, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Record, Scanner};

    fn check(bytes: &[u8]) -> Result<Option<(u64, u64)>, Flaw> {
        let (mut check, mut scanner) = (SumCheck::default(), Scanner::default());
        scanner.push(bytes);
        loop {
            let note = match scanner.next_record()? {
                None => return Ok(check.open()),
                Some(Record::Command { bytes, .. }) => {
                    check.on_command(bytes);
                    continue;
                }
                Some(Record::Note(note)) => note.to_vec(),
            };
            check.on_note(&note, scanner.offset())?;
        }
    }

    #[test]
    fn every_changed_byte_shows() {
        let mut file = Sum::BEGIN.to_vec();
        let mut sum = Sum::default();
        for value in [b'a', b'b'] {
            let command = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n".as_slice(), &[value], b"\r\n"].concat();
            file.extend_from_slice(&command);
            sum.add_commands(&command);
            file.extend_from_slice(b"#=\r\n");
            sum.add_notes(b"#=\r\n");
            sum.close(&mut file);
        }
        assert_eq!(check(&file), Ok(None));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            // The end of a note's line is no data; a torn line at the very end is for the scanner's owner.
            let is_line_end = matches!(file[at], b'\r' | b'\n') && check(&damaged) == Ok(None);
            let is_torn = at == file.len() - 1;
            assert!(check(&damaged) != Ok(None) || is_line_end || is_torn, "byte {at}");
        }
        let from = file.len() as u64;
        file.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(check(&file), Ok(Some((from, 14))));
        file.extend_from_slice(Sum::BEGIN);
        assert_eq!(check(&file), Ok(None), "whoever goes on begins anew");
    }
}
