//! Writer: the last increment, and how far the stream is in it.
//!
//! ```text
//!   take --> buffer --group by group--> with the kernel --sync--> durable
//!                          ^ failed: the same bytes again, a second later
//! ```
//!
//! While a group is on its way the next bytes gather, so that one append, and under `always` one sync, serves all
//! writes of that time.
//!
//! Invariant: `written` and `synced` are offsets of the stream up to which every effect is with the kernel, or durable.
//! Bytes get into the file in their order, each once.

use super::place::{Noted, Place};
use super::settings::Fsync;
use crate::Turn;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::{Chunk, Disk, DiskOp, FileId, Level, Output, WriteId};
use wire::aof::Sum;

/// 2 ms: a group waits no longer for the rest, and for a slow disk no longer than a sync's time.
const GATHER_MAX: Span = Span::ms(2);
/// 0.5 ms: with shorter syncs the disk is fast. Two thirds of such a sync are the processor's time, as much as ten requests
/// take: few syncs matter there, not what they wait for.
const FAST_MAX: Span = Span::us(500);
/// 3/5 of what is written in the time of a fast sync is a group. Measured with one core for the server: more leaves server and
/// clients waiting for each other, less costs more syncs.
const FAST_GROUP: (u64, u64) = (3, 5);
/// 1/3 of a fast sync's time: nothing more came for so long, so that what has gathered is the group.
const FAST_GAP: u64 = 3;
/// 15/16 of what goes round is all of it, for a slow sync; and 1/4 of its time is such a gap.
const SLOW_GROUP: (u64, u64) = (15, 16);
const SLOW_GAP: u64 = 4;
/// 1 MiB: a bigger buffer is given back.
const SPARE_BYTES_MAX: usize = 1 << 20;
/// 1 s: `everysec`, and how long a failed append waits until it is tried again.
const SECOND: Span = Span::seconds(1);

/// What is on its way to the file.
struct Flight {
    append: Option<WriteId>,
    sync: Option<WriteId>,
    begun: Time,
    bytes: Arc<Vec<u8>>,
    /// As many requests' effects.
    requests: u64,
    /// The stream's end behind these bytes.
    end: u64,
    /// They are the last for the file of this path: the writer has gone on to the next file.
    leaves: Option<String>,
}

/// When the next group leaves under `always`.
///
/// Clients that wait for their answers come again in a wave when a sync has ended. If the first of the wave went alone, all
/// others would wait for that sync and then for their own. So a group waits until a good part of the wave is there, and one is on
/// its way at a time: file systems and disks carry out one sync after the other, so that a second one beside it only takes longer.
///
/// Where a slow sync takes longer than the wave, all of it is worth waiting for: else two halves take turns, and each client
/// waits for two syncs. Where the wave takes longer, it goes on while a sync does, and what has gathered at its end leaves at once.
#[derive(Default)]
struct Gather {
    /// How long a group took, on average.
    took: Span,
    /// So many requests were on their way or gathered, at most, of late. Bytes would say less: requests of one client differ.
    circulating: u64,
    /// When the first of what has gathered came, or a slow sync ended since; none: nothing has.
    begun: Option<Time>,
    /// How much had gathered when something came last, and when that was, or when a slow sync ended since.
    requests: u64,
    came: Time,
    /// The wave goes on while a sync does.
    is_long_wave: bool,
}

impl Gather {
    /// A group has become durable.
    fn note_end(&mut self, took: Span, circulating: u64, now: Time) {
        self.took = Span::us((self.took.as_us() * 7 + took.as_us()) / 8);
        self.circulating = circulating.max(self.circulating - self.circulating / 8);
        self.is_long_wave = self.begun.is_some() && now.since(self.came).as_us() < took.as_us() / 2;
        if !self.is_fast() {
            // What came meanwhile waits for the wave that begins now.
            (self.begun, self.came) = (self.begun.map(|_| now), now);
        }
    }

    /// What has gathered is gone.
    fn clear(&mut self) {
        (self.begun, self.requests) = (None, 0);
    }

    fn is_fast(&self) -> bool {
        self.took < FAST_MAX
    }

    /// So many requests have gathered: are they a group?
    fn is_group(&mut self, requests: u64, now: Time) -> bool {
        self.begun.get_or_insert(now);
        if self.requests != requests {
            (self.requests, self.came) = (requests, now);
        }
        let wanted = match self.is_fast() {
            true => self.circulating * FAST_GROUP.0 / FAST_GROUP.1,
            false if self.is_long_wave => 0,
            false => self.circulating * SLOW_GROUP.0 / SLOW_GROUP.1,
        };
        requests >= wanted || now >= self.until()
    }

    fn until(&self) -> Time {
        let Some(begun) = self.begun else { return Time::NEVER };
        let (longest, gap) = match self.is_fast() {
            true => (GATHER_MAX, FAST_GAP),
            false => (self.took.min(GATHER_MAX), SLOW_GAP),
        };
        (begun + longest).min(self.came + Span::us(self.took.as_us() / gap))
    }
}

/// What is left of a group's memory, where nobody else has it.
fn spare(bytes: Arc<Vec<u8>>) -> Vec<u8> {
    let mut bytes =
        Arc::into_inner(bytes).filter(|bytes| bytes.capacity() <= SPARE_BYTES_MAX).unwrap_or_default();
    bytes.clear();
    bytes
}

/// What the end of a disk operation means for the writer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was none of its own.
    NotOurs,
    /// All is well.
    Fine,
    /// The bytes are not in the file that was to be left: the writer is back at it.
    StuckInOld,
}

/// Writes the last increment.
pub(crate) struct Writer {
    file: FileId,
    path: String,
    buffer: Vec<u8>,
    /// So many requests' effects are in it.
    requests: u64,
    /// The memory of the last group.
    spare: Vec<u8>,
    /// In their order. More than one only where the file is left, or the process ends.
    flights: VecDeque<Flight>,
    gather: Gather,
    /// For one turn: no further group leaves, the file is to be left.
    pub(crate) holds: bool,
    /// A sync beside the appends, and the offset that it makes durable.
    beside: Option<(WriteId, u64)>,
    written: u64,
    synced: u64,
    synced_at: Time,
    retry_at: Option<Time>,
    /// Why the last append failed; none when it did not.
    failure: Option<String>,
    /// A sync failed: nobody knows what the file holds.
    is_broken: bool,
    /// Bytes in this file.
    file_bytes: u64,
    /// The time of the last note.
    noted_seconds: u64,
    /// The place in a history, where there is one, and what the file says of it.
    pub(crate) place: Option<Place>,
    noted: Noted,
    /// Checksums are wanted, and what has gone by since the last.
    pub(crate) wants_sums: bool,
    sum: Option<Sum>,
    /// The database must be said before the next effect.
    pub(crate) needs_select: bool,
    /// Syncs that had to wait for the one before.
    pub(crate) delayed: u64,
}

impl Writer {
    /// Opens the file at `path`, of which `file_bytes` are there, when the stream is at `end`.
    pub(crate) fn open(path: String, is_new: bool, file_bytes: u64, end: u64, turn: &mut Turn<'_>) -> Writer {
        let file = turn.numbers.file();
        turn.out.put(Output::Disk(DiskOp::Extend { file, path: path.clone(), is_new }));
        Writer {
            file,
            path,
            buffer: Vec::new(),
            requests: 0,
            spare: Vec::new(),
            flights: VecDeque::new(),
            gather: Gather::default(),
            holds: false,
            beside: None,
            written: end,
            synced: end,
            synced_at: turn.now.mono,
            retry_at: None,
            failure: None,
            is_broken: false,
            file_bytes,
            noted_seconds: 0,
            place: None,
            noted: Noted::default(),
            wants_sums: false,
            sum: None,
            needs_select: true,
            delayed: 0,
        }
    }

    /// Asks for the file itself to be durable, and what has been appended; the answer is not the writer's.
    pub(crate) fn root(&self, turn: &mut Turn<'_>) -> WriteId {
        let write = turn.numbers.write();
        turn.out.put(Output::Disk(DiskOp::Sync { file: self.file, write }));
        write
    }

    /// Effects of so many requests that belong in the file. `note_seconds`: the time is noted where it is a new one.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        requests: u64,
        stream_db: Option<u32>,
        note_seconds: Option<u64>,
    ) {
        if bytes.is_empty() {
            return;
        }
        self.requests += requests;
        self.begin_sums();
        if let Some(seconds) = note_seconds.filter(|seconds| *seconds > self.noted_seconds) {
            self.noted_seconds = seconds;
            let note = alloc::format!("#TS:{seconds}\r\n");
            self.buffer.extend_from_slice(note.as_bytes());
            self.sum.iter_mut().for_each(|sum| sum.add_notes(note.as_bytes()));
        }
        if core::mem::take(&mut self.needs_select)
            && let Some(db) = stream_db
        {
            let before = self.buffer.len();
            wire::request(&mut self.buffer, &[b"SELECT", db.to_string().as_bytes()]);
            self.noted.moved(self.buffer.len() - before);
            self.sum.iter_mut().for_each(|sum| sum.add_commands(&self.buffer[before..]));
        }
        self.buffer.extend_from_slice(bytes);
        self.sum.iter_mut().for_each(|sum| sum.add_commands(bytes));
        self.noted.moved(bytes.len());
    }

    fn begin_sums(&mut self) {
        if self.wants_sums && self.sum.is_none() {
            self.buffer.extend_from_slice(Sum::BEGIN);
            self.sum = Some(Sum::default());
        }
    }

    /// Leaves the file for a new one at `path`, which exists and is empty: all bytes so far go into the old one, durably.
    /// Only while `is_quiet`.
    pub(crate) fn go_on_in(&mut self, path: String, end: u64, turn: &mut Turn<'_>) {
        assert!(self.is_quiet());
        let old = core::mem::replace(&mut self.path, path.clone());
        self.submit(end, true, turn);
        if let Some(flight) = self.flights.back_mut() {
            flight.leaves = Some(old);
        }
        turn.out.put(Output::Disk(DiskOp::Close { file: self.file }));
        self.file = turn.numbers.file();
        turn.out.put(Output::Disk(DiskOp::Extend { file: self.file, path, is_new: true }));
        (self.file_bytes, self.needs_select, self.noted_seconds, self.beside) = (0, true, 0, None);
        (self.noted, self.sum) = (Noted::default(), None);
    }

    /// The last word to the file: what is left goes into it, durably, and it is closed.
    pub(crate) fn end(&mut self, end: u64, turn: &mut Turn<'_>) {
        if !self.is_broken {
            self.submit(end, true, turn);
        }
        turn.out.put(Output::Disk(DiskOp::Close { file: self.file }));
    }

    /// As `end`, and the file goes on: the process may end after this.
    pub(crate) fn flush(&mut self, end: u64, turn: &mut Turn<'_>) {
        if !self.is_broken {
            self.submit(end, true, turn);
        }
    }

    /// Gives the file up: what is not in it will never be.
    pub(crate) fn drop_file(&mut self, turn: &mut Turn<'_>) {
        turn.out.put(Output::Disk(DiskOp::Close { file: self.file }));
    }

    fn submit(&mut self, end: u64, syncs: bool, turn: &mut Turn<'_>) {
        // A place of another moment would be a lie.
        let place = self.place.as_ref().filter(|place| place.offset == end);
        if !self.noted.is_at(place) {
            self.begin_sums();
        }
        let place = self.place.as_ref().filter(|place| place.offset == end);
        let before = self.buffer.len();
        self.noted.note(place, &mut self.buffer);
        if let Some(sum) = &mut self.sum {
            sum.add_notes(&self.buffer[before..]);
            sum.close(&mut self.buffer);
            if !self.wants_sums {
                self.buffer.extend_from_slice(Sum::END);
                self.sum = None;
            }
        }
        let bytes = Arc::new(core::mem::replace(&mut self.buffer, core::mem::take(&mut self.spare)));
        let requests = core::mem::take(&mut self.requests);
        let begun = turn.now.mono;
        let mut flight = Flight { append: None, sync: None, bytes, requests, end, leaves: None, begun };
        if !flight.bytes.is_empty() {
            let write = turn.numbers.write();
            let bytes = Chunk::Shared { bytes: Arc::clone(&flight.bytes), range: 0..flight.bytes.len() };
            turn.out.put(Output::Disk(DiskOp::Append { file: self.file, write, bytes }));
            flight.append = Some(write);
        }
        if syncs {
            let write = turn.numbers.write();
            turn.out.put(Output::Disk(DiskOp::Sync { file: self.file, write }));
            flight.sync = Some(write);
        }
        self.gather.clear();
        self.flights.push_back(flight);
    }

    /// What has gathered may leave.
    fn may_leave(&mut self, is_always: bool, now: Time) -> bool {
        if !is_always {
            return self.flights.is_empty();
        }
        self.gather.is_group(self.requests, now) && self.flights.is_empty()
    }

    fn flying_bytes(&self) -> usize {
        self.flights.iter().map(|flight| flight.bytes.len()).sum()
    }

    /// The last bytes for a file that the writer has left are on their way.
    fn leaves(&self) -> bool {
        self.flights.iter().any(|flight| flight.leaves.is_some())
    }

    /// The end of a turn, with the stream at `end`: what has gathered is put out, unless an append is under way.
    pub(crate) fn seal(&mut self, end: u64, fsync: Fsync, rests: bool, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let holds = core::mem::take(&mut self.holds) && !self.flights.is_empty();
        if holds {
            self.gather.clear();
        }
        if self.is_broken || holds || self.retry_at.is_some_and(|at| now < at || !self.flights.is_empty()) {
            return;
        }
        if self.retry_at.take().is_some() {
            // The file may never have been opened; and one that failed stays failed.
            turn.out.put(Output::Disk(DiskOp::Close { file: self.file }));
            self.file = turn.numbers.file();
            let (file, path) = (self.file, self.path.clone());
            turn.out.put(Output::Disk(DiskOp::Extend { file, path, is_new: false }));
        }
        let is_always = fsync == Fsync::Always;
        let place = self.place.as_ref().filter(|place| place.offset == end);
        let has_something = !self.buffer.is_empty() || !self.noted.is_at(place);
        if has_something && self.may_leave(is_always, now) {
            return self.submit(end, is_always, turn);
        }
        if has_something || !self.flights.is_empty() {
            return;
        }
        if self.synced == self.written {
            self.synced = end;
        }
        self.written = end;
        if self.synced == self.written {
            self.synced_at = now;
        } else if is_always {
            self.submit(end, true, turn);
        } else if fsync == Fsync::EverySecond && !rests {
            self.sync_beside(now, turn);
        }
    }

    /// As `seal` does where nothing has gathered, while appends go on.
    pub(crate) fn tick(&mut self, fsync: Fsync, rests: bool, turn: &mut Turn<'_>) {
        let is_due = fsync == Fsync::EverySecond && !rests && !self.is_broken;
        if is_due && self.synced < self.written {
            self.sync_beside(turn.now.mono, turn);
        }
    }

    /// Makes durable what the kernel has, at most once a second.
    fn sync_beside(&mut self, now: Time, turn: &mut Turn<'_>) {
        if now < self.synced_at + SECOND {
            return;
        }
        if self.beside.is_none() {
            self.sync_now(turn);
        } else {
            self.delayed += 1;
            self.synced_at = now;
        }
    }

    /// Makes durable what the kernel has, unless that is under way.
    pub(crate) fn sync_now(&mut self, turn: &mut Turn<'_>) {
        if self.beside.is_some() || self.synced >= self.written || self.is_broken || self.leaves() {
            return;
        }
        let write = turn.numbers.write();
        self.beside = Some((write, self.written));
        self.synced_at = turn.now.mono;
        turn.out.put(Output::Disk(DiskOp::SyncBeside { file: self.file, write }));
    }

    /// A disk operation ended.
    pub(crate) fn on_disk(&mut self, disk: &Disk, turn: &mut Turn<'_>) -> Heard {
        if self.beside.is_some_and(|(write, _)| write == disk.write) {
            let (_, offset) = self.beside.take().expect("it was there");
            match &disk.result {
                Ok(()) => self.synced = self.synced.max(offset),
                Err(error) => self.break_off(error.to_string(), turn),
            }
            return Heard::Fine;
        }
        let is_of = |flight: &Flight| flight.append == Some(disk.write) || flight.sync == Some(disk.write);
        let Some(index) = self.flights.iter().position(is_of) else { return Heard::NotOurs };
        let flight = &mut self.flights[index];
        if flight.append == Some(disk.write) {
            flight.append = None;
            if let Err(error) = &disk.result {
                return self.on_failed_append(index, error.to_string(), turn);
            }
            // Answers may overtake each other, appends do not.
            self.written = self.written.max(flight.end);
            if flight.leaves.is_none() {
                self.file_bytes += flight.bytes.len() as u64;
            }
        } else {
            flight.sync = None;
            if let Err(error) = &disk.result {
                self.break_off(error.to_string(), turn);
                return Heard::Fine;
            }
            self.synced = self.synced.max(flight.end);
            self.written = self.written.max(flight.end);
            self.synced_at = turn.now.mono;
            let took = turn.now.mono.since(flight.begun);
            let flying: u64 = self.flights.iter().map(|flight| flight.requests).sum();
            let circulating = flying + self.requests;
            self.gather.note_end(took, circulating, turn.now.mono);
        }
        let flight = &self.flights[index];
        if flight.append.is_none() && flight.sync.is_none() {
            self.spare = self.flights.remove(index).map_or_else(Vec::new, |flight| spare(flight.bytes));
            if self.flights.is_empty() && self.retry_at.is_none() && self.failure.take().is_some() {
                turn.out.log(Level::Warning, "AOF write error looks solved, The server can write again.");
            }
        }
        Heard::Fine
    }

    /// What failed, and what was to follow it, goes again, in its order.
    fn on_failed_append(&mut self, index: usize, error: String, turn: &mut Turn<'_>) -> Heard {
        let mut leaves = None;
        let mut again = Vec::new();
        for mut flight in self.flights.split_off(index) {
            again.extend_from_slice(&flight.bytes);
            self.requests += flight.requests;
            leaves = leaves.or(flight.leaves.take());
        }
        again.append(&mut self.buffer);
        self.buffer = again;
        self.gather.clear();
        self.retry_at = Some(turn.now.mono + SECOND);
        if self.failure.is_none() {
            turn.out.log(Level::Warning, alloc::format!("Error writing to the AOF file: {error}"));
        }
        self.failure = Some(error);
        let Some(old) = leaves else { return Heard::Fine };
        self.path = old;
        Heard::StuckInOld
    }

    fn break_off(&mut self, error: String, turn: &mut Turn<'_>) {
        let text = alloc::format!("Error syncing the AOF file: {error}. It is written anew from the data.");
        turn.out.log(Level::Warning, text);
        self.failure = Some(error);
        self.is_broken = true;
        self.flights.clear();
    }

    // ----- answers

    /// Replies that depend on no more than this may leave.
    pub(crate) fn floor(&self, fsync: Fsync) -> u64 {
        if fsync == Fsync::Always { self.synced } else { self.written }
    }

    /// Durable up to here.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// The file can be left now.
    pub(crate) fn is_quiet(&self) -> bool {
        self.flights.is_empty() && self.failure.is_none() && !self.is_broken
    }

    /// Nothing that was taken is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.flights.is_empty() && (self.buffer.is_empty() || self.is_broken)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Why nothing can be written at present.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Taken, and not with the kernel.
    pub(crate) fn buffered_bytes(&self) -> u64 {
        (self.buffer.len() + self.flying_bytes()) as u64
    }

    /// Bytes wait for their group to leave.
    pub(crate) fn has_gathered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// A sync beside is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.beside.is_some()
    }

    /// When it wants a turn; what waits for the end of a disk operation gets one by that.
    pub(crate) fn wake_at(&self, fsync: Fsync, rests: bool) -> Time {
        if self.is_broken {
            return Time::NEVER;
        }
        let may_sync = !rests && !self.leaves() && self.synced < self.written;
        let sync_at = match fsync {
            Fsync::EverySecond if may_sync => self.synced_at + SECOND,
            Fsync::Always if self.flights.is_empty() => self.gather.until(),
            _ => Time::NEVER,
        };
        let retry_at = self.retry_at.filter(|_| self.flights.is_empty());
        sync_at.min(retry_at.unwrap_or(Time::NEVER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000);

    /// The state after many syncs of this length, with 100 bytes going round.
    fn gather(took_us: u64) -> Gather {
        let mut gather = Gather::default();
        (0..100).for_each(|_| gather.note_end(Span::us(took_us), 100, NOW));
        gather
    }

    #[test]
    fn a_fast_disk_gets_a_good_part_of_the_wave() {
        let mut gather = gather(150);
        assert!(!gather.is_group(59, NOW));
        assert!(gather.is_group(60, NOW));
    }

    #[test]
    fn a_group_leaves_when_nothing_more_comes() {
        let mut gather = gather(300);
        let gap = Span::us(gather.took.as_us() / FAST_GAP);
        assert!(!gather.is_group(10, NOW));
        assert!(!gather.is_group(20, NOW + gap), "more has come");
        assert_eq!(gather.until(), NOW + gap + gap);
        assert!(gather.is_group(20, NOW + gap + gap));
        gather.clear();
        assert_eq!(gather.until(), Time::NEVER);
    }

    #[test]
    fn a_slow_disk_gets_all_of_a_short_wave() {
        let mut gather = gather(1_000);
        let took = gather.took;
        assert!(!gather.is_group(50, NOW));
        // A sync ends, long after the last of what waits for the next: all others come again.
        let end = NOW + took;
        gather.note_end(took, 100, end);
        assert!(!gather.is_group(50, end), "the others are on their way");
        assert!(!gather.is_group(92, end + Span::us(200)));
        assert!(gather.is_group(93, end + Span::us(300)));
        // Nobody else comes.
        gather.clear();
        assert!(!gather.is_group(50, end));
        assert_eq!(gather.until(), end + Span::us(took.as_us() / SLOW_GAP));
        assert!(gather.is_group(50, gather.until()));
    }

    #[test]
    fn a_slow_disk_takes_what_is_there_of_a_long_wave() {
        let mut gather = gather(1_000);
        let end = NOW + gather.took;
        assert!(!gather.is_group(30, end));
        gather.note_end(gather.took, 100, end + Span::us(100));
        assert!(gather.is_group(40, end + Span::us(100)), "requests came until the end of the sync");
    }
}
