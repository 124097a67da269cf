//! Snapshot: the whole data at one offset of the journal, to a file or to the replicas that wait for it.
//!
//! ```text
//!   begin (marks the moment) --> step, step, ... --> tail and checksum --> commit | mark
//!            |                     |   pace: the file's completions, the replicas' sockets
//!            |                     +-- fault --> the file is abandoned, the links are cut
//! ```
//!
//! One job runs at a time; what else is wished waits. The walk lives in the keyspace, which keeps the moment's state
//! while commands go on.
//!
//! Invariant: a file gets its final name only when every byte before was reported written.

use crate::aof::Walk;
use crate::link::Links;
use crate::pace::Pace;
use crate::share::Share;
use crate::sharing::Sharing;
use crate::{Act, SavingFacts, Settings, Turn, dump};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Now, Span, Time, Unix};
use data::{Encode, Keyspace, Progress, SnapshotBudget};
use machine::{ConnId, Disk, DiskOp, FileId, Level, Output, WriteId};

/// 4 MiB: so much may be on its way to the disk before the walker waits.
const FILE_WINDOW_BYTES: usize = 4 << 20;
/// 64 KiB: so much is gathered before it goes on: each append wakes the disk's thread, and its answer the engine. A slice among
/// requests may be a few kilobytes, in a buffer of as much room as any: a replica that reads slowly would pin mostly room.
const APPEND_BYTES: usize = 64 << 10;
/// One entry: the smallest slice.
const ONE_ENTRY: SnapshotBudget = SnapshotBudget { entries: 1, ns: 1 };
/// 5 s: a failed save is tried again after so long, as in the originals.
const RETRY: Span = Span::seconds(5);

/// Where a snapshot goes.
enum Target {
    File(FileJob),
    Links { mark: [u8; 40] },
}

struct FileJob {
    file: FileId,
    path: String,
    /// Appends that were not reported yet.
    pending: Vec<(WriteId, usize)>,
    commit: Option<WriteId>,
    wish: Wish,
    changes_before: u64,
    /// Bytes put out so far.
    bytes: u64,
}

struct Job {
    target: Target,
    begun: Now,
    sum: dump::Sum,
    is_walked: bool,
    keys_total: u64,
    keys_done: u64,
    pace: Pace,
    /// Keys that the pace knows.
    keys_paced: u64,
    share: Share,
    /// Requests come first; the walk goes on a while after the last slice.
    is_waiting: bool,
}

impl Job {
    /// Walks a slice.
    fn walk(&mut self, slice: SnapshotBudget, keyspace: &mut Keyspace) {
        let before = keyspace.snapshot_spent_ns();
        keyspace.snapshot_step(slice);
        self.share.pay(keyspace.snapshot_spent_ns() - before);
        if self.share.wants_note() {
            self.share.note(keyspace.snapshot_noted_bytes() as u64, keyspace.used_bytes());
        }
    }

    /// What the copies of writes are to take off the walk's time. Replicas that wait gather all that is written meanwhile: for them
    /// the walk does not wait.
    fn copied_ns(&self, sharing: &Sharing, keyspace: &Keyspace) -> u64 {
        match &self.target {
            Target::File(target) if !sharing.has_readers(target.file) => keyspace.snapshot_copied_ns(),
            Target::File(_) | Target::Links { .. } => 0,
        }
    }

    /// More is to be encoded before it is worth a piece.
    fn gathers(&self, keyspace: &Keyspace) -> bool {
        keyspace.snapshot_progress() == Progress::Walking
            && !keyspace.snapshot_must_be_taken()
            && keyspace.snapshot_ready_bytes() < APPEND_BYTES
    }
}

/// What a save was asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// SAVE of this client.
    Client(ConnId),
    /// BGSAVE, or a save point.
    Background,
    /// FLUSHALL, of this client if one waits.
    Flushed(Option<ConnId>),
    /// A shutdown.
    Shutdown,
    /// The append-only file.
    Rewrite,
}

impl Wish {
    /// Who waits for it.
    fn client(self) -> Option<ConnId> {
        match self {
            Wish::Client(conn) => Some(conn),
            Wish::Flushed(conn) => conn,
            Wish::Background | Wish::Shutdown | Wish::Rewrite => None,
        }
    }
}

/// Saves and full synchronisations.
pub(crate) struct Saver {
    job: Option<Job>,
    wish: Option<Wish>,
    pub(crate) changes: u64,
    pub(crate) last_save: Unix,
    last_ok: bool,
    last_try: Time,
    last_seconds: i64,
    saves: u64,
    /// Snapshots that were begun in the background, whatever for.
    begun: u64,
    base_aborted: bool,
    pub(crate) sharing: Sharing,
}

/// What the end of a disk operation means.
pub(crate) enum Written {
    /// It was not one of the running save's.
    NotOurs,
    /// The save goes on.
    Going,
    /// The save ended, for whom, and how: its bytes.
    Ended(Wish, Result<u64, String>),
}

impl Saver {
    pub(crate) fn new(now: Now) -> Saver {
        Saver {
            job: None,
            wish: None,
            changes: 0,
            last_save: now.unix,
            last_ok: true,
            last_try: now.mono,
            last_seconds: -1,
            saves: 0,
            begun: 0,
            base_aborted: false,
            sharing: Sharing::default(),
        }
    }

    /// A snapshot is under way, or will begin at the end of this turn.
    pub(crate) fn is_busy(&self) -> bool {
        self.job.is_some() || self.wish.is_some()
    }

    /// Once a save in the background is given up, another one begins at once.
    pub(crate) fn can_begin_anew(&self) -> bool {
        let is_given_up = |job: &Job| match &job.target {
            Target::File(target) => target.wish == Wish::Background && target.commit.is_none(),
            Target::Links { .. } => false,
        };
        self.wish.is_none() && self.job.as_ref().is_none_or(is_given_up)
    }

    /// A snapshot is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.job.is_some()
    }

    /// Wishes for a save at the end of the turn, or once the running job is done.
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.wish = Some(wish);
    }

    pub(crate) fn has_wish(&self) -> bool {
        self.wish.is_some()
    }

    /// A save point is reached, or the last save failed: while writes are refused for that, no change would come that
    /// reaches a save point again. (The originals wait for the operator there.)
    pub(crate) fn is_due(&self, settings: &Settings, now: Now) -> Option<String> {
        if self.is_busy() || settings.save_points.is_empty() {
            return None;
        }
        if !self.last_ok {
            let is_time = now.mono.since(self.last_try) > RETRY;
            return is_time.then(|| "The last save failed. Saving again...".to_string());
        }
        let seconds = now.unix.as_seconds().saturating_sub(self.last_save.as_seconds());
        let is_reached = |changes: u64, after: u64| self.changes >= changes && seconds > after;
        let point = settings.save_points.iter().find(|point| is_reached(point.changes, point.seconds))?;
        Some(format!("{} changes in {} seconds. Saving...", point.changes, point.seconds))
    }

    // ----- jobs

    /// Starts the save that was wished for. `mark`: how replicas that get its file find the end.
    pub(crate) fn begin_save(
        &mut self,
        mark: [u8; 40],
        head: &dump::Head<'_>,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) {
        let Some(wish) = self.wish.take() else { return };
        let file = turn.numbers.file();
        let path = format!("temp-{}.rdb", turn.numbers.process());
        turn.out.put(Output::Disk(DiskOp::Create { file, path: path.clone() }));
        // One that follows a failure may well fail, too: replicas do not wait for that.
        if self.last_ok && matches!(wish, Wish::Background | Wish::Client(_)) {
            self.sharing.begin((file, path), head, mark);
        }
        turn.out.log(Level::Notice, "Background saving started");
        self.last_try = turn.now.mono;
        self.begin(
            Target::File(FileJob {
                file,
                path: settings.dump_file.clone(),
                pending: Vec::new(),
                commit: None,
                wish,
                changes_before: self.changes,
                bytes: 0,
            }),
            dump::encode(settings, turn.now),
            dump::Sum::new(settings.checksum, head.write(turn.now, turn.keyspace)),
            turn,
        );
        self.put(Vec::new(), &mut Links::default(), turn);
    }

    /// Starts to write a base of the append-only file.
    pub(crate) fn begin_base(
        &mut self,
        walk: Walk,
        head: dump::Head<'_>,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) {
        let file = turn.numbers.file();
        let path = format!("temp-rewriteaof-bg-{}.aof", turn.numbers.process());
        turn.out.put(Output::Disk(DiskOp::Create { file, path }));
        let (encode, sum) = if walk.is_rdb {
            let head = dump::Head { is_base: true, ..head }.write(turn.now, turn.keyspace);
            (dump::encode(settings, turn.now), dump::Sum::new(settings.checksum, head))
        } else {
            (crate::aof::encode(), dump::Sum::none(walk.noted_seconds, head.functions))
        };
        let target = Target::File(FileJob {
            file,
            path: walk.path,
            pending: Vec::new(),
            commit: None,
            wish: Wish::Rewrite,
            changes_before: 0,
            bytes: 0,
        });
        self.begin(target, encode, sum, turn);
    }

    /// A base was given up since the last time that this was asked.
    pub(crate) fn take_base_aborted(&mut self) -> bool {
        core::mem::take(&mut self.base_aborted)
    }

    /// The base that is being written is not wanted any more.
    pub(crate) fn abort_base(&mut self, links: &mut Links, turn: &mut Turn<'_>) {
        let is_base =
            matches!(&self.job, Some(Job { target: Target::File(file), .. }) if file.wish == Wish::Rewrite);
        if is_base {
            let wish = self.wish.take();
            self.abort("the append-only file goes on without it", links, turn);
            self.wish = wish;
        }
    }

    /// A base of the append-only file is being written.
    pub(crate) fn is_base(&self) -> bool {
        matches!(&self.job, Some(Job { target: Target::File(file), .. }) if file.wish == Wish::Rewrite)
    }

    /// Starts the full synchronisation of the links that wait.
    pub(crate) fn begin_links(
        &mut self,
        mark: [u8; 40],
        head: &dump::Head<'_>,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) {
        let sum = dump::Sum::new(settings.checksum, head.write(turn.now, turn.keyspace));
        self.begin(Target::Links { mark }, dump::encode(settings, turn.now), sum, turn);
    }

    fn begin(&mut self, target: Target, encode: Encode, sum: dump::Sum, turn: &mut Turn<'_>) {
        assert!(self.job.is_none());
        let is_waited_for = match &target {
            Target::File(target) => !matches!(target.wish, Wish::Background | Wish::Rewrite),
            Target::Links { .. } => false,
        };
        self.begun += u64::from(!is_waited_for);
        turn.keyspace.snapshot_begin(encode);
        let keys_total = (0..turn.keyspace.databases()).map(|db| turn.keyspace.len(db)).sum();
        self.job = Some(Job {
            target,
            begun: turn.now,
            sum,
            is_walked: false,
            keys_total,
            keys_done: 0,
            pace: Pace::default(),
            keys_paced: 0,
            share: Share::new(turn.now.mono, turn.out.traffic.turns_us),
            is_waiting: false,
        });
    }

    /// So many requests ran in this turn.
    pub(crate) fn note_requests(&mut self, count: u64) {
        if let Some(job) = &mut self.job {
            job.share.note_requests(count);
        }
    }

    /// Walks on as far as the target keeps up and one slice goes. True when more could be done at once.
    pub(crate) fn step(&mut self, links: &mut Links, settings: &Settings, turn: &mut Turn<'_>) -> bool {
        self.commit_if_written(turn);
        let Some(job) = &mut self.job else { return false };
        let can_take = match &job.target {
            Target::File(file) => {
                file.commit.is_none()
                    && file.pending.iter().map(|(_, len)| len).sum::<usize>() < FILE_WINDOW_BYTES
            }
            Target::Links { .. } if links.receivers() == 0 => {
                let text = "Diskless rdb transfer, last replica dropped, killing fork child";
                turn.out.log(Level::Notice, format!("{text} (there is none: the snapshot is given up)"));
                self.abort_walk(turn);
                return false;
            }
            Target::Links { .. } if turn.keyspace.snapshot_pending_bytes() as u64 > pending_max(settings) => {
                turn.out.log(
                    Level::Warning,
                    "The replicas are too slow for what is written meanwhile: transfer given up",
                );
                links.abort_transfer(turn.out);
                self.abort_walk(turn);
                return false;
            }
            Target::Links { .. } => links.receivers_are_ready(),
        };
        let delay = settings.key_save_delay;
        if !can_take || job.is_walked || !job.pace.is_due(delay, turn.now.mono) {
            job.is_waiting = false;
            return false;
        }
        let copied_ns = job.copied_ns(&self.sharing, turn.keyspace);
        let slice = match delay {
            0 => job.share.slice(turn.now.mono, turn.out.traffic.turns_us, copied_ns),
            _ => Some(ONE_ENTRY),
        };
        job.is_waiting = slice.is_none();
        match slice {
            Some(slice) => job.walk(slice, turn.keyspace),
            // What writes have saved goes out meanwhile.
            None if turn.keyspace.snapshot_must_be_taken() => {}
            None => return false,
        }
        if turn.keyspace.snapshot_is_broken() {
            self.abort("a value was changed in an unforeseen way", links, turn);
            return false;
        }
        job.keys_done = turn.keyspace.snapshot_keys().max(job.keys_done);
        if delay == 0 && job.gathers(turn.keyspace) {
            return true;
        }
        let mut bytes = job.sum.take_head();
        let progress = turn.keyspace.snapshot_take(&mut bytes);
        job.pace.note_keys(job.keys_done - job.keys_paced, delay, turn.now.mono);
        job.keys_paced = job.keys_done;
        // The last key takes its time as well.
        job.is_walked = progress != Progress::Walking && job.pace.is_due(delay, turn.now.mono);
        if job.is_walked {
            job.sum.end(&mut bytes);
        } else {
            job.sum.add(&bytes);
        }
        let is_waiting = job.is_waiting && !turn.keyspace.snapshot_must_be_taken();
        let has_more = !job.is_walked && !is_waiting;
        self.put(bytes, links, turn);
        // A base of commands may have nothing in it.
        self.commit_if_written(turn);
        has_more
    }

    fn put(&mut self, bytes: Vec<u8>, links: &mut Links, turn: &mut Turn<'_>) {
        let Some(job) = &mut self.job else { return };
        match &mut job.target {
            Target::File(target) => {
                if !bytes.is_empty() {
                    let write = turn.numbers.write();
                    target.pending.push((write, bytes.len()));
                    target.bytes += bytes.len() as u64;
                    turn.out.put(Output::Disk(DiskOp::Append {
                        file: target.file,
                        write,
                        bytes: bytes.into(),
                    }));
                }
            }
            Target::Links { mark } => {
                let mut bytes = bytes;
                if bytes.len() < bytes.capacity() / 2 {
                    bytes.shrink_to_fit();
                }
                links.send_transfer(&Arc::new(bytes), turn.out);
                if job.is_walked {
                    let count = links.receivers();
                    let text =
                        format!("Diskless rdb transfer, done reading from pipe, {count} replicas still up.");
                    turn.out.log(Level::Notice, text);
                    links.end_transfer(mark, turn.now, turn.out);
                    self.last_seconds = turn.now.mono.since(job.begun.mono).as_seconds() as i64;
                    self.job = None;
                }
            }
        }
    }

    /// A write ended: the walker may go on, the file may be committed, or the save is over.
    pub(crate) fn on_disk(&mut self, disk: &Disk, turn: &mut Turn<'_>) -> Written {
        let Some(Job { target: Target::File(target), .. }) = &mut self.job else {
            return Written::NotOurs;
        };
        let is_commit = target.commit == Some(disk.write);
        let index = target.pending.iter().position(|(write, _)| *write == disk.write);
        if let Some(index) = index {
            let (_, bytes) = target.pending.remove(index);
            self.sharing.written(target.file, bytes);
        } else if !is_commit {
            return Written::NotOurs;
        }
        if let Err(error) = &disk.result {
            let text = error.to_string();
            if !is_commit {
                turn.out.put(Output::Disk(DiskOp::Abandon { file: target.file }));
            }
            return self.end(Err(text), turn);
        }
        if is_commit {
            return self.end(Ok(()), turn);
        }
        self.commit_if_written(turn);
        Written::Going
    }

    fn commit_if_written(&mut self, turn: &mut Turn<'_>) {
        let Some(Job { target: Target::File(target), is_walked, .. }) = &mut self.job else { return };
        if *is_walked && target.pending.is_empty() && target.commit.is_none() {
            self.sharing.whole(target.file);
            if !self.sharing.all_open(target.file) {
                return;
            }
            let write = turn.numbers.write();
            target.commit = Some(write);
            turn.out.put(Output::Disk(DiskOp::Commit {
                file: target.file,
                write,
                path: target.path.clone(),
            }));
        }
    }

    fn end(&mut self, result: Result<(), String>, turn: &mut Turn<'_>) -> Written {
        let job = self.job.take().expect("only a running job ends");
        if !job.is_walked {
            turn.keyspace.snapshot_abort();
        }
        let Target::File(target) = job.target else { unreachable!("a transfer ends in `put`") };
        if result.is_err() {
            self.sharing.failed(target.file);
        }
        if target.wish == Wish::Rewrite {
            return Written::Ended(Wish::Rewrite, result.map(|()| target.bytes));
        }
        self.last_seconds = turn.now.mono.since(job.begun.mono).as_seconds() as i64;
        // Whoever asks for a save, or for the end, reads its failure; writes stop for those that nobody waits for.
        self.last_ok = result.is_ok() || (self.last_ok && target.wish != Wish::Background);
        match &result {
            Ok(()) => {
                self.changes = self.changes.saturating_sub(target.changes_before);
                self.last_save = turn.now.unix;
                self.saves += 1;
                turn.out.log(Level::Notice, "DB saved on disk");
            }
            Err(error) => {
                // What could not be saved is still to be.
                self.changes = self.changes.max(1);
                turn.out.log(Level::Warning, format!("Background saving error: {error}"));
            }
        }
        Written::Ended(target.wish, result.map(|()| target.bytes))
    }

    /// The data is about to be replaced, or the process to end: what runs is given up.
    pub(crate) fn abort(&mut self, why: &str, links: &mut Links, turn: &mut Turn<'_>) {
        if let Some(Wish::Flushed(conn)) = self.wish.take() {
            turn.acts.push(Act::SaveDone { conn, result: Ok(()) });
        }
        let Some(job) = &self.job else { return };
        match &job.target {
            Target::File(target) => {
                self.sharing.failed(target.file);
                let conn = target.wish.client();
                if target.commit.is_none() {
                    turn.out.put(Output::Disk(DiskOp::Abandon { file: target.file }));
                }
                if target.wish == Wish::Rewrite {
                    self.base_aborted = true;
                } else {
                    let is_flush = matches!(target.wish, Wish::Flushed(_));
                    let result = if is_flush { Ok(()) } else { Err(why.to_string()) };
                    turn.acts.push(Act::SaveDone { conn, result });
                }
            }
            Target::Links { .. } => links.abort_transfer(turn.out),
        }
        turn.out.log(Level::Warning, format!("Snapshot given up: {why}"));
        self.abort_walk(turn);
    }

    fn abort_walk(&mut self, turn: &mut Turn<'_>) {
        if self.job.take().is_some_and(|job| !job.is_walked) {
            turn.keyspace.snapshot_abort();
        }
    }

    /// The data was removed on purpose: what is being saved in the background is not wanted any more.
    pub(crate) fn give_up_background(&mut self, turn: &mut Turn<'_>) {
        let Some(Job { target: Target::File(target), .. }) = &self.job else { return };
        if matches!(target.wish, Wish::Background | Wish::Flushed(None)) && target.commit.is_none() {
            self.sharing.failed(target.file);
            turn.out.put(Output::Disk(DiskOp::Abandon { file: target.file }));
            turn.out.log(Level::Notice, "Background saving given up: all keys were removed");
            self.abort_walk(turn);
        }
    }

    /// When the walker goes on, where it waits for the time of its keys, or for requests.
    pub(crate) fn wake_at(&self, settings: &Settings) -> Time {
        match &self.job {
            Some(job) if settings.key_save_delay != 0 && !job.is_walked => job.pace.due(),
            Some(job) if job.is_waiting => job.share.look_again_at(),
            Some(_) | None => Time::NEVER,
        }
    }

    // ----- answers

    pub(crate) fn facts(&self, settings: &Settings, now: Now) -> SavingFacts {
        SavingFacts {
            changes: self.changes,
            in_progress: self.job.is_some() && !self.is_base(),
            last_save: self.last_save,
            last_ok: self.last_ok,
            last_seconds: self.last_seconds,
            current_seconds: self
                .job
                .as_ref()
                .filter(|_| !self.is_base())
                .map_or(-1, |job| now.mono.since(job.begun.mono).as_seconds() as i64),
            saves: self.saves,
            snapshots: self.begun,
            keys_done: self.job.as_ref().map_or(0, |job| job.keys_done),
            keys_total: self.job.as_ref().map_or(0, |job| job.keys_total),
            loaded_keys: 0,
            loaded_expired: 0,
            stop_writes: self.stops_writes(settings),
        }
    }

    /// Writes are to be refused: the last save failed, and the operator wants to know.
    pub(crate) fn stops_writes(&self, settings: &Settings) -> bool {
        settings.stop_writes_on_save_error && !settings.save_points.is_empty() && !self.last_ok
    }
}

/// Encoded bytes that may wait for replicas: writes add to them while the walker waits. They count as the replicas' own.
fn pending_max(settings: &Settings) -> u64 {
    match settings.replica_hard_limit {
        0 => u64::MAX,
        limit => limit.max(settings.backlog_bytes),
    }
}
