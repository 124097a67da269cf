//! Feed: the one ordered stream with its offset and its histories.
//!
//! A history is named by a replication id. A node that takes over from a primary begins a new one and keeps the
//! old id as the second: replicas of the old primary continue where they are, up to the offset at which
//! the new history began (PSYNC2).

use crate::backlog::Backlog;
use alloc::vec::Vec;
use base::{Id, Random};

/// The stream.
pub(crate) struct Feed {
    /// The history that `end` counts in.
    pub(crate) replid: Id,
    /// The history before, and the first byte's offset (as PSYNC asks for it) that is not in it.
    pub(crate) second: Option<(Id, u64)>,
    /// The end of the stream: `master_repl_offset`.
    pub(crate) end: u64,
    /// The end of the last real write.
    pub(crate) data_end: u64,
    /// What replicas can still read.
    pub(crate) backlog: Option<Backlog>,
}

/// Why a replica can not go on where it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It asked for everything.
    Asked,
    /// Another history, or a part of the second one that came after the split.
    History,
    /// The backlog does not hold that offset.
    Backlog,
}

impl Feed {
    pub(crate) fn new(random: &mut Random) -> Feed {
        Feed { replid: Id::random(random), second: None, end: 0, data_end: 0, backlog: None }
    }

    /// Starts to keep bytes, if that is not done yet.
    pub(crate) fn keep(&mut self) {
        self.backlog.get_or_insert_with(|| Backlog::new(self.end));
    }

    /// Appends bytes; gives the buffer back when it is free again.
    pub(crate) fn append(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.end += bytes.len() as u64;
        match &mut self.backlog {
            Some(backlog) => backlog.append(bytes),
            None => Some(bytes),
        }
    }

    /// A new history without a past: nobody can continue here.
    pub(crate) fn begin_history(&mut self, random: &mut Random) {
        self.replid = Id::random(random);
        self.second = None;
    }

    /// A new history whose past, up to here, is known as the second id.
    pub(crate) fn shift_history(&mut self, replid: Id) {
        self.second = Some((self.replid, self.end + 1));
        self.replid = replid;
    }

    /// Takes over the history of a primary at `end`, with no byte of it kept.
    pub(crate) fn adopt(&mut self, replid: Id, end: u64, data_end: u64) {
        self.replid = replid;
        self.second = None;
        self.end = end;
        self.data_end = data_end;
        self.backlog = Some(Backlog::new(end));
    }

    /// Where a replica that asks for `PSYNC replid first` goes on: the position before its first byte.
    pub(crate) fn resume(&self, replid: &[u8], first: i64) -> Result<u64, Mismatch> {
        if replid == b"?" {
            return Err(Mismatch::Asked);
        }
        let is_current = replid.eq_ignore_ascii_case(self.replid.as_bytes());
        let is_second = self.second.is_some_and(|(second, split)| {
            replid.eq_ignore_ascii_case(second.as_bytes())
                && u64::try_from(first).is_ok_and(|first| first <= split)
        });
        if !is_current && !is_second {
            return Err(Mismatch::History);
        }
        let position =
            u64::try_from(first).ok().and_then(|first| first.checked_sub(1)).ok_or(Mismatch::Backlog)?;
        match &self.backlog {
            Some(backlog) if backlog.holds(position) => Ok(position),
            _ => Err(Mismatch::Backlog),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_history_ends_where_the_new_one_began() {
        let mut random = Random::new(1);
        let mut feed = Feed::new(&mut random);
        let old = feed.replid;
        assert_eq!(feed.resume(old.as_bytes(), 1), Err(Mismatch::Backlog));
        feed.keep();
        feed.append(b"0123456789".to_vec());
        feed.shift_history(Id::random(&mut random));
        feed.append(b"abc".to_vec());
        assert_eq!(feed.resume(old.as_bytes(), 1), Ok(0));
        assert_eq!(feed.resume(old.as_bytes(), 11), Ok(10));
        assert_eq!(feed.resume(old.as_bytes(), 12), Err(Mismatch::History));
        assert_eq!(feed.resume(feed.replid.as_bytes(), 14), Ok(13));
        assert_eq!(feed.resume(feed.replid.as_bytes(), 15), Err(Mismatch::Backlog));
        assert_eq!(feed.resume(feed.replid.as_bytes(), -1), Err(Mismatch::Backlog));
        assert_eq!(feed.resume(b"?", -1), Err(Mismatch::Asked));
    }
}
