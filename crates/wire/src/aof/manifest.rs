//! Manifest: which files make up the append-only file, and in which order they are loaded.
//!
//! ```text
//!   file appendonly.aof.2.base.rdb seq 2 type b      the data at one moment
//!   file appendonly.aof.1.incr.aof seq 1 type h      over: to be removed
//!   file appendonly.aof.2.incr.aof seq 2 type i      what came after the base, in order
//! ```
//!
//! Invariant: the sequence numbers of the increments grow from line to line.

use alloc::string::String;
use alloc::vec::Vec;
use base::words;
use core::fmt;

/// 1,024: no line is longer, its end included (the original's bound).
const LINE_BYTES_MAX: usize = 1_024;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The data at one moment.
    Base,
    /// Replaced by a newer base; to be removed.
    History,
    /// Commands.
    Increment,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, without a directory.
    pub name: String,
    /// Its place among the files of its kind.
    pub seq: u64,
}

/// The whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Loaded first.
    pub base: Option<Part>,
    /// To be removed.
    pub history: Vec<Part>,
    /// Loaded after the base, in this order.
    pub increments: Vec<Part>,
}

/// Why a manifest can not be read: the original's words, with the line where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The line's number from 1 on; 0: about the whole.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Manifest {
    /// Reads the file's content.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let about_all = |reason| ManifestError { line: 0, text: String::new(), reason };
        if bytes.is_empty() {
            return Err(about_all("Found an empty AOF manifest"));
        }
        let mut manifest = Manifest::default();
        let mut rest = bytes;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[], |end| &rest[end + 1..]);
            if line.first() == Some(&b'#') {
                continue;
            }
            let failed = |reason| {
                let text = String::from_utf8_lossy(line).into_owned();
                ManifestError { line: number, text, reason }
            };
            if line.len() >= LINE_BYTES_MAX || end.is_none() {
                return Err(failed("The AOF manifest file contains too long line"));
            }
            let (part, kind) = parse_line(line).map_err(failed)?;
            manifest.add(part, kind).map_err(failed)?;
        }
        Ok(manifest)
    }

    fn add(&mut self, part: Part, kind: Kind) -> Result<(), &'static str> {
        match kind {
            Kind::Base if self.base.is_some() => return Err("Found duplicate base file information"),
            Kind::Base => self.base = Some(part),
            Kind::History => self.history.push(part),
            Kind::Increment => {
                if self.increments.last().is_some_and(|last| part.seq <= last.seq) {
                    return Err("Found a non-monotonic sequence number");
                }
                self.increments.push(part);
            }
        }
        Ok(())
    }

    /// The file's content.
    pub fn format(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |part: &Part, kind: char| {
            out.extend_from_slice(b"file ");
            let is_plain = part.name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte));
            if is_plain && !part.name.is_empty() {
                out.extend_from_slice(part.name.as_bytes());
            } else {
                words::quote(&mut out, part.name.as_bytes());
            }
            out.extend_from_slice(alloc::format!(" seq {} type {kind}\n", part.seq).as_bytes());
        };
        self.base.iter().for_each(|part| line(part, 'b'));
        self.history.iter().for_each(|part| line(part, 'h'));
        self.increments.iter().for_each(|part| line(part, 'i'));
        out
    }

    /// True when there is no data in it.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files that are loaded, in order, the base among them or not.
    pub fn loaded(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// The next base, of files named after `stem`.
    pub fn next_base(&self, stem: &str, is_rdb: bool) -> Part {
        let of_base = |part: &&Part| part.name.contains(".base.");
        let seqs = self.base.iter().chain(self.history.iter().filter(of_base)).map(|part| part.seq);
        let seq = seqs.max().unwrap_or(0) + 1;
        let ending = if is_rdb { "rdb" } else { "aof" };
        Part { name: alloc::format!("{stem}.{seq}.base.{ending}"), seq }
    }

    /// The next increment, of files named after `stem`.
    pub fn next_increment(&self, stem: &str) -> Part {
        let of_increment = |part: &&Part| part.name.contains(".incr.");
        let seqs =
            self.increments.iter().chain(self.history.iter().filter(of_increment)).map(|part| part.seq);
        let seq = seqs.max().unwrap_or(0) + 1;
        Part { name: alloc::format!("{stem}.{seq}.incr.aof"), seq }
    }
}

fn parse_line(line: &[u8]) -> Result<(Part, Kind), &'static str> {
    const FORMAT: &str = "Invalid AOF manifest file format";
    let trimmed = line.trim_ascii();
    if trimmed.is_empty() {
        return Err(FORMAT);
    }
    let words = words::split(trimmed).ok_or(FORMAT)?;
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(FORMAT);
    }
    let (mut name, mut seq, mut kind) = (None, None, None);
    for pair in words.chunks(2) {
        let value = &pair[1];
        if pair[0].eq_ignore_ascii_case(b"file") {
            if value.contains(&b'/') || value.contains(&b'\\') {
                return Err("File can't be a path, just a filename");
            }
            name = Some(String::from_utf8_lossy(value).into_owned());
        } else if pair[0].eq_ignore_ascii_case(b"seq") {
            seq = core::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        } else if pair[0].eq_ignore_ascii_case(b"type") {
            kind = match value.as_slice() {
                b"b" => Some(Kind::Base),
                b"h" => Some(Kind::History),
                b"i" => Some(Kind::Increment),
                _ => return Err("Unknown AOF file type"),
            };
        }
        // Other words are left for newer versions.
    }
    match (name, seq.filter(|seq| *seq > 0), kind) {
        (Some(name), Some(seq), Some(kind)) if !name.is_empty() => Ok((Part { name, seq }, kind)),
        _ => Err(FORMAT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const USUAL: &[u8] = b"file a.2.base.rdb seq 2 type b\nfile a.1.base.rdb seq 1 type h\n\
        file a.4.incr.aof seq 4 type h\nfile a.5.incr.aof seq 5 type i\nfile \"a b.6.incr.aof\" seq 6 type i\n";

    fn refused(bytes: &[u8]) -> String {
        Manifest::parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let manifest = Manifest::parse(USUAL).unwrap();
        assert_eq!(manifest.format(), USUAL);
        assert_eq!(manifest.loaded().map(|part| part.seq).collect::<Vec<_>>(), [2, 5, 6]);
        assert_eq!(manifest.next_base("a", true).name, "a.3.base.rdb");
        assert_eq!(manifest.next_base("a", false).name, "a.3.base.aof");
        assert_eq!(manifest.next_increment("a").name, "a.7.incr.aof");
        assert_eq!(Manifest::default().next_increment("a").name, "a.1.incr.aof");
    }

    #[test]
    fn wrong_lines_are_refused_in_the_originals_words() {
        assert_eq!(refused(b""), "Found an empty AOF manifest");
        assert_eq!(refused(b"\n"), "Invalid AOF manifest file format");
        assert_eq!(refused(b"file a seq 1 type"), "The AOF manifest file contains too long line");
        assert_eq!(refused(b"file a seq 1\n"), "Invalid AOF manifest file format");
        assert_eq!(refused(b"file a/b seq 1 type b\n"), "File can't be a path, just a filename");
        assert_eq!(refused(b"file a seq 1 type x\n"), "Unknown AOF file type");
        let twice = b"file a seq 1 type b\nfile b seq 2 type b\n";
        assert_eq!(refused(twice), "Found duplicate base file information");
        let back = b"file a seq 2 type i\nfile b seq 1 type i\n";
        assert_eq!(refused(back), "Found a non-monotonic sequence number");
        assert!(Manifest::parse(b"# a note\nfile a seq 1 type i more words\n").is_ok());
    }
}
