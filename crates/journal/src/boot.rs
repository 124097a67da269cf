//! Boot: the file of the last save comes back into the keyspace when a node starts.
//!
//! A primary gets a new history, and what the file says of the old one becomes the second: its replicas go on where they
//! are. Keys that expired meanwhile are left out, and their DEL is the first thing in the new stream. A replica
//! keeps everything, and offers its old position to its primary.

use crate::backlog::Backlog;
use crate::feed::Feed;
use crate::load::{Loader, Step};
use crate::{Loaded, Settings, Turn};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::crc64::Crc64;
use base::{Span, Time};
use machine::{DiskError, DiskFault, DiskOp, FileId, Level, Output};

/// 256 KiB: one read.
const READ_BYTES: usize = 256 << 10;
/// 3: one is decoded while the next is there, and another on its way.
const READS: usize = 3;

/// What tools look for in the log.
const TERMINATING: &str = "Terminating server after rdb file reading failure.";

/// 5 s: a long load says so often how far it is.
const TELL_PERIOD: Span = Span::seconds(5);

/// A load from a file.
pub(crate) struct Boot {
    pub(crate) file: FileId,
    pub(crate) read_bytes: u64,
    /// Size of the file; 0: not known yet.
    pub(crate) total_bytes: u64,
    path: String,
    pub(crate) loader: Loader,
    /// When the progress was last told.
    told_at: Time,
    /// Read and not given to the loader, the first of them from `from` on; with the sums of their bytes. At most `READS`.
    waiting: VecDeque<(Vec<u8>, Option<Crc64>)>,
    from: usize,
    end: Option<Result<(), DiskError>>,
    has_more: bool,
    /// The next key is not due yet.
    is_early: bool,
    /// The node serves already: the file's history means nothing, and the file must be there.
    pub(crate) is_reload: bool,
}

impl Boot {
    pub(crate) fn new(settings: &Settings, keeps_expired: bool, turn: &mut Turn<'_>) -> Boot {
        let (file, path) = (turn.numbers.file(), settings.dump_file.clone());
        turn.out.put(Output::Disk(DiskOp::Open { file, path: path.clone() }));
        turn.out.put(Output::Disk(DiskOp::Measure { file }));
        let is_summed = settings.checksum;
        for _ in 0..READS {
            turn.out.put(Output::Disk(DiskOp::Read { file, bytes_max: READ_BYTES, is_summed }));
        }
        let loader = Loader::new(keeps_expired, settings);
        Boot {
            file,
            read_bytes: 0,
            total_bytes: 0,
            path,
            loader,
            told_at: turn.now.mono,
            waiting: VecDeque::new(),
            from: 0,
            end: None,
            has_more: false,
            is_early: false,
            is_reload: false,
        }
    }

    /// A load into a node that serves already. `merges`: a key of the file takes the place of one that is there.
    pub(crate) fn again(settings: &Settings, merges: bool, turn: &mut Turn<'_>) -> Boot {
        let mut boot = Boot::new(settings, false, turn);
        (boot.is_reload, boot.loader.overwrites) = (true, merges);
        boot
    }

    pub(crate) fn on_read(&mut self, result: Result<Vec<u8>, DiskError>, sum: Option<Crc64>) {
        match result {
            Ok(bytes) if bytes.is_empty() => self.end = Some(Ok(())),
            Ok(bytes) => {
                self.read_bytes += bytes.len() as u64;
                self.waiting.push_back((bytes, sum));
            }
            Err(error) => self.end = Some(Err(error)),
        }
    }

    /// There is something to do without another read.
    pub(crate) fn has_work(&self) -> bool {
        !self.is_early && (self.has_more || !self.waiting.is_empty() || self.end.is_some())
    }

    /// When the next key is due, where that is waited for.
    pub(crate) fn wake_at(&self) -> Time {
        if self.is_early { self.loader.due() } else { Time::NEVER }
    }

    /// A slice of the load; the result once it is over. `leads`: this node is a primary now.
    pub(crate) fn work(
        &mut self,
        budget: usize,
        settings: &Settings,
        leads: bool,
        feed: &mut Feed,
        turn: &mut Turn<'_>,
    ) -> Option<Result<Loaded, String>> {
        let is_missing = |error: &DiskError| error.fault == DiskFault::Missing;
        if let Some(Err(error)) = &self.end {
            let result = if is_missing(error) && self.read_bytes == 0 && !self.is_reload {
                Ok(Loaded::default())
            } else {
                Err(format!("Fatal error loading the DB: {error}. Exiting."))
            };
            return Some(self.close(result, turn));
        }
        if self.read_bytes == 0 && self.end.is_none() {
            return None;
        }
        let mut gone = Vec::new();
        let step = self.loader.step(budget, settings.key_load_delay, turn.now, turn.keyspace, &mut gone);
        if feed.backlog.is_some() && !gone.is_empty() {
            feed.append(gone);
            feed.data_end = feed.end;
        }
        self.has_more = matches!(step, Ok(Step::More | Step::Ready | Step::Early));
        self.is_early = matches!(step, Ok(Step::Early));
        self.tell(turn);
        match step {
            Ok(Step::More | Step::Early) => None,
            Ok(Step::Ready) => {
                let lines = self.loader.writer().lines(turn.now);
                lines.into_iter().for_each(|line| turn.out.log(Level::Notice, line));
                if !self.is_reload {
                    self.restore(leads, feed, turn);
                }
                None
            }
            Ok(Step::Starved) => {
                self.has_more = self.push_next(settings, turn);
                if self.has_more || self.end.is_none() {
                    return None;
                }
                self.tell_end(None, turn);
                Some(self.close(Err(self.short_read()), turn))
            }
            Ok(Step::Done) => {
                let mut loaded = self.loader.loaded.clone();
                loaded.found = true;
                Some(self.close(Ok(loaded), turn))
            }
            Err(error) => {
                self.tell_end(Some(&error), turn);
                let text = format!("Fatal error loading the DB {}: {error}. Exiting.", self.path);
                Some(self.close(Err(text), turn))
            }
        }
    }

    /// Gives the next bytes to the loader; false when there are none.
    fn push_next(&mut self, settings: &Settings, turn: &mut Turn<'_>) -> bool {
        let Some((bytes, sum)) = self.waiting.front() else { return false };
        let until = self.from.saturating_add(settings.load_turn_bytes).min(bytes.len());
        let is_all = self.from == 0 && until == bytes.len();
        self.loader.push_summed(&bytes[self.from..until], sum.filter(|_| is_all));
        self.from = until;
        if until == bytes.len() {
            self.from = 0;
            self.waiting.pop_front();
            let (file, is_summed) = (self.file, settings.checksum);
            turn.out.put(Output::Disk(DiskOp::Read { file, bytes_max: READ_BYTES, is_summed }));
        }
        true
    }

    /// A start ends here: what tools look for in the log.
    fn tell_end(&self, error: Option<&str>, turn: &mut Turn<'_>) {
        if self.is_reload {
            return;
        }
        if let Some(error) = error {
            let at = self.loader.at();
            turn.out.log(Level::Warning, format!("Internal error in RDB reading offset {at}: {error}"));
        }
        turn.out.log(Level::Warning, TERMINATING);
    }

    fn short_read(&self) -> String {
        let (path, bytes) = (&self.path, self.read_bytes);
        let text = format!("Short read loading {path}: the file ends at byte {bytes}, before its last key");
        format!("{text}; load another copy. Exiting.")
    }

    /// The progress of a long load, and what was left out, for the log.
    fn tell(&mut self, turn: &mut Turn<'_>) {
        for line in self.loader.take_left_out() {
            turn.out.log(Level::Warning, line);
        }
        if turn.now.mono.since(self.told_at) >= TELL_PERIOD && self.total_bytes > 0 {
            self.told_at = turn.now.mono;
            let (done, keys) = (self.loader.at(), self.loader.loaded.keys);
            let share = done as f64 * 100.0 / self.total_bytes as f64;
            let text = format!("Loading: {share:.1}% of {} bytes, {keys} keys", self.total_bytes);
            turn.out.log(Level::Notice, text);
        }
    }

    fn close(&self, result: Result<Loaded, String>, turn: &mut Turn<'_>) -> Result<Loaded, String> {
        turn.out.put(Output::Disk(DiskOp::Close { file: self.file }));
        result
    }

    /// The file's history, before its first key.
    fn restore(&self, leads: bool, feed: &mut Feed, turn: &mut Turn<'_>) {
        restore(&self.loader.loaded, leads, feed, turn);
    }
}

/// The history of what was loaded goes on.
pub(crate) fn restore(loaded: &Loaded, leads: bool, feed: &mut Feed, turn: &mut Turn<'_>) {
    let Some((replid, offset)) = loaded.position else { return };
    let data_end = loaded.data_offset.unwrap_or(offset);
    if loaded.unmarked_bytes > 0 {
        // Nobody can go on from here, but who has more than `offset` is known.
        (feed.end, feed.data_end) = (offset + loaded.unmarked_bytes, data_end);
        feed.second = Some((replid, offset + 1));
        let text = format!(
            "The file holds the history {replid} up to offset {offset} at least: it has no mark at its end"
        );
        turn.out.log(Level::Notice, text);
        return;
    }
    if leads {
        (feed.end, feed.data_end) = (offset, data_end);
        feed.second = Some((replid, offset + 1));
        feed.backlog = Some(Backlog::new(offset));
    } else {
        feed.adopt(replid, offset, data_end);
        feed.second = loaded.second;
    }
    let text = format!("The file continues the history {replid} at offset {offset}");
    turn.out.log(Level::Notice, text);
}
