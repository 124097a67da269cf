//! Place: notes in the increments that tell which history the data belongs to, and how far it is in it.
//!
//! ```text
//!   #REDAN-H:<id> <second id> <first offset that is not in it>    the history; zeros and 0 without a second
//!   #REDAN-B:<seconds> <address>                                 whom the data came from
//!   #REDAN-P:<offset> <end of the last write>                     the place in the history, here
//!   #=                                                            the commands since are the stream's next bytes
//! ```
//!
//! The originals pass over lines that begin with `#`; each is shorter than the 127 bytes that they read at once.
//!
//! A base of RDB says the same in its head, of its own moment.
//!
//! Invariant: a place is exact only where nothing but notes stands behind a `P` or `=`. What another server has appended,
//! or what is missing at a torn end, leaves commands behind the last of them: then all up to there is held, and nobody
//! knows how much more. Nobody can go on from such a place; but who has more than that is known.

use crate::{Bond, Loaded};
use alloc::format;
use alloc::vec::Vec;
use base::Id;

/// 120: no note is longer.
const NOTE_BYTES_MAX: usize = 120;
/// 60 s: how long a bond's time is good enough.
const BOND_SECONDS: u64 = 60;

/// A history, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) replid: Id,
    /// The history before, and the first offset that is not in it.
    pub(crate) second: Option<(Id, u64)>,
    pub(crate) offset: u64,
    /// The end of the last real write.
    pub(crate) data_end: u64,
    /// Whom the data came from.
    pub(crate) bond: Option<Bond>,
}

/// What the file says so far, as its writer knows.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The last place, its offset moved on by the commands since.
    place: Option<Place>,
    /// Commands came since.
    is_open: bool,
}

impl Noted {
    /// So many bytes of commands were written.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.is_open = true;
        if let Some(place) = &mut self.place {
            place.offset += bytes as u64;
        }
    }

    /// Nothing would be noted of this place.
    pub(crate) fn is_at(&self, place: Option<&Place>) -> bool {
        let Some(now) = place else { return true };
        !self.is_open
            && self.place.as_ref().is_some_and(|noted| {
                (noted.replid, noted.second, noted.offset) == (now.replid, now.second, now.offset)
            })
    }

    /// Notes that this is the place, as far as that is not said already.
    pub(crate) fn note(&mut self, place: Option<&Place>, out: &mut Vec<u8>) {
        let Some(now) = place else { return };
        if self.is_at(place) {
            return;
        }
        let old = self.place.take();
        let is_same = old.as_ref().is_some_and(|old| (old.replid, old.second) == (now.replid, now.second));
        if !is_same {
            let (second, first) = now.second.unwrap_or((Id::ZERO, 0));
            out.extend_from_slice(format!("#REDAN-H:{} {second} {first}\r\n", now.replid).as_bytes());
        }
        let old_bond = old.as_ref().and_then(|old| old.bond.as_ref()).filter(|_| is_same);
        let mut noted = now.clone();
        if is_old(old_bond, now.bond.as_ref()) {
            let note = now.bond.as_ref().map(|bond| format!("#REDAN-B:{}\r\n", bond.note()));
            let note = note.filter(|note| note.len() <= NOTE_BYTES_MAX);
            out.extend_from_slice(note.unwrap_or_default().as_bytes());
        } else {
            noted.bond = old_bond.cloned();
        }
        if is_same && self.is_open && old.is_some_and(|old| old.offset == now.offset) {
            out.extend_from_slice(b"#=\r\n");
        } else {
            out.extend_from_slice(format!("#REDAN-P:{} {}\r\n", now.offset, now.data_end).as_bytes());
        }
        (self.place, self.is_open) = (Some(noted), false);
    }
}

fn is_old(noted: Option<&Bond>, now: Option<&Bond>) -> bool {
    match (noted, now) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(noted), Some(now)) => {
            noted.primary != now.primary || noted.seen.as_seconds() + BOND_SECONDS <= now.seen.as_seconds()
        }
    }
}

/// What files know of their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    Exactly(Place),
    /// All up to the place is held, and about so many bytes more, of which nobody knows where they belong.
    AtLeast(Place, u64),
}

/// Reads the notes again.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    history: Option<(Id, Option<(Id, u64)>)>,
    bond: Option<Bond>,
    /// Offset, and end of the last write, as far as the commands were counted.
    at: Option<(u64, u64)>,
    /// The last place that was noted.
    marked: Option<Place>,
    is_open: bool,
    /// The database that is selected.
    pub(crate) stream_db: u32,
}

impl Tracker {
    /// A whole command.
    pub(crate) fn on_command(&mut self, bytes: &[u8], name: &[u8]) {
        self.is_open = true;
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let is_silent = is(b"select") || is(b"multi");
        if is(b"select") {
            self.stream_db = selected(bytes).unwrap_or(self.stream_db);
        }
        if let Some((offset, data_end)) = &mut self.at {
            *offset += bytes.len() as u64;
            *data_end = if is_silent { *data_end } else { *offset };
        }
    }

    /// A line that begins with `#`.
    pub(crate) fn on_note(&mut self, note: &[u8]) {
        if note == b"#=" {
            return self.mark();
        }
        let Some((kind, text)) = note.strip_prefix(b"#REDAN-").and_then(|rest| rest.split_at_checked(2))
        else {
            return;
        };
        let mut words = text.split(|byte| *byte == b' ');
        let mut number = || core::str::from_utf8(words.next()?).ok()?.parse::<u64>().ok();
        match kind {
            b"P:" => {
                self.at = number().zip(number());
                self.mark();
            }
            b"B:" => self.bond = Bond::parse(text),
            b"H:" => {
                let mut words = text.split(|byte| *byte == b' ');
                let mut id = || Id::parse(words.next().unwrap_or_default());
                (self.history, self.at, self.bond) = (None, None, None);
                if let (Some(replid), Some(second)) = (id(), id()) {
                    let first = words.next().and_then(|first| core::str::from_utf8(first).ok()?.parse().ok());
                    let second = (second != Id::ZERO).then_some(second).zip(first);
                    self.history = Some((replid, second));
                }
            }
            _ => {}
        }
    }

    /// A base begins the files, and says where.
    pub(crate) fn on_base(&mut self, loaded: &Loaded) {
        let Some((replid, offset)) = loaded.position else { return };
        self.history = Some((replid, loaded.second));
        self.at = Some((offset, loaded.data_offset.unwrap_or(offset)));
        self.bond.clone_from(&loaded.bond);
        self.stream_db = loaded.stream_db;
        self.mark();
    }

    fn mark(&mut self) {
        self.is_open = false;
        let bond = self.bond.clone();
        let place = self.history.zip(self.at).map(|((replid, second), (offset, data_end))| Place {
            replid,
            second,
            offset,
            data_end,
            bond,
        });
        self.marked = place.or(self.marked.take());
    }

    /// What is known of the place at the end of what was read.
    pub(crate) fn known(&self) -> Known {
        let Some(place) = self.marked.clone() else { return Known::Nothing };
        if !self.is_open && self.at.is_some() {
            return Known::Exactly(place);
        }
        // Some byte at least: else it would not be open.
        let more = self.at.map_or(0, |(offset, _)| offset.saturating_sub(place.offset)).max(1);
        Known::AtLeast(place, more)
    }
}

/// The database of a SELECT.
fn selected(command: &[u8]) -> Option<u32> {
    let line = command.split(|byte| *byte == b'\n').nth(4)?;
    core::str::from_utf8(line.trim_ascii_end()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Random, Unix};
    use wire::aof::{Record, Scanner};

    fn read(bytes: &[u8]) -> Tracker {
        let (mut tracker, mut scanner) = (Tracker::default(), Scanner::default());
        scanner.push(bytes);
        while let Ok(Some(record)) = scanner.next_record() {
            match record {
                Record::Command { bytes, name } => tracker.on_command(bytes, name),
                Record::Note(note) => tracker.on_note(note),
            }
        }
        tracker
    }

    fn place(offset: u64) -> Place {
        let mut random = Random::new(7);
        let (replid, second) = (Id::random(&mut random), Some((Id::random(&mut random), 12)));
        let bond = Some(Bond { primary: "10.0.0.1:6379".into(), seen: Unix::from_ms(5_000) });
        Place { replid, second, offset, data_end: offset, bond }
    }

    #[test]
    fn what_is_noted_is_read_back() {
        let (mut noted, mut out) = (Noted::default(), Vec::new());
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n".as_slice();
        let select = b"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n".as_slice();
        noted.note(Some(&place(100)), &mut out);
        assert_eq!(read(&out).known(), Known::Exactly(place(100)));
        for command in [select, set] {
            out.extend_from_slice(command);
            noted.moved(command.len());
        }
        let more = (set.len() + select.len()) as u64;
        assert_eq!(read(&out).known(), Known::AtLeast(place(100), more), "no mark behind the commands");
        let end = 100 + more;
        noted.note(Some(&place(end)), &mut out);
        assert!(out.ends_with(b"\r\n#=\r\n") && noted.is_at(Some(&place(end))));
        let tracker = read(&out);
        assert_eq!((tracker.known(), tracker.stream_db), (Known::Exactly(place(end)), 7));
        // A PING came in between.
        noted.note(Some(&Place { data_end: end, ..place(end + 14) }), &mut out);
        let last = Place { data_end: end, ..place(end + 14) };
        assert_eq!(read(&out).known(), Known::Exactly(last.clone()));
        // Another server has appended.
        out.extend_from_slice(set);
        assert_eq!(read(&out).known(), Known::AtLeast(last, set.len() as u64));
        assert_eq!(read(set).known(), Known::Nothing);
        assert!(out.split(|byte| *byte == b'\n').all(|line| line.len() < 127));
    }
}
