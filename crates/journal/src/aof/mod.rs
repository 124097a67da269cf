//! The append-only file: every effect on the data, on disk, in files that a server of the family can load.
//!
//! ```text
//!   Off --appendonly yes--> Wanted --the walk begins--> Starting --base and manifest are durable--> On
//!    ^                        ^------- it failed ----------'                                         |
//!    |                        ^------- the data is replaced, or a sync failed ----------------------|
//!    `-----------------------------------appendonly no----------------------------------------------'
//! ```
//!
//! A rewrite while it is on: the manifest names a new increment, effects go on into that one, the snapshot of this moment
//! becomes the new base, and the manifest names the two. Files that nobody needs any more are removed after that.
//!
//! Invariant: at every moment the manifest that is durable names files which give the data of all effects that were
//! reported as safe.

mod boot;
mod commands;
mod place;
mod rewrite;
mod settings;
mod writer;

pub(crate) use boot::Replay;
pub(crate) use commands::encode;
pub(crate) use place::Place;
pub(crate) use rewrite::Walk;
pub use settings::{AofSettings, Fsync};

use crate::Turn;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::{Disk, DiskError, DiskFault, DiskOp, FileId, Level, Output};
use rewrite::Rewrite;
use wire::aof::{Manifest, Record, Scanner};
use writer::{Heard, Writer};

/// 1 s: a start that failed is tried again after so long.
const RETRY: Span = Span::seconds(1);
/// 16 MiB: no list of files is longer.
pub(crate) const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// 64 KiB: one read of the list of files.
pub(crate) const MANIFEST_READ_BYTES: usize = 64 << 10;

/// How far the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    /// It has to begin anew with a base. `held_at`: replies that depend on more than this offset wait for it.
    Wanted {
        held_at: Option<u64>,
    },
    /// The base is being written, and the effects since are gathered.
    Starting {
        held_at: Option<u64>,
    },
    On,
}

/// The append-only file.
pub(crate) struct Aof {
    state: State,
    /// As it is on disk; none: not read yet.
    manifest: Option<Manifest>,
    reading: Option<(FileId, Vec<u8>)>,
    writer: Option<Writer>,
    rewrite: Rewrite,
    retry_at: Time,
    /// Bytes of the files before the last increment.
    earlier_bytes: u64,
    /// What the files had when they were rewritten or loaded last.
    base_bytes: u64,
    /// Set by every call that knows the time.
    now_seconds: u64,
    /// The start of a server without data: no rewrite as its operator sees it.
    is_first: bool,
}

/// What INFO shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AofFacts {
    /// `aof_enabled`.
    pub is_on: bool,
    /// `aof_rewrite_in_progress`.
    pub rewriting: bool,
    /// `aof_rewrite_scheduled`.
    pub scheduled: bool,
    /// `aof_last_rewrite_time_sec`.
    pub last_seconds: i64,
    /// `aof_current_rewrite_time_sec`.
    pub current_seconds: i64,
    /// `aof_last_bgrewrite_status` is not ok.
    pub last_failed: bool,
    /// `aof_rewrites`.
    pub rewrites: u64,
    /// `aof_rewrites_consecutive_failures`.
    pub failures: u64,
    /// `aof_last_write_status` is not ok.
    pub write_failed: bool,
    /// `aof_current_size`.
    pub current_bytes: u64,
    /// `aof_base_size`.
    pub base_bytes: u64,
    /// `aof_buffer_length`.
    pub buffered_bytes: u64,
    /// `aof_pending_bio_fsync`.
    pub syncing: bool,
    /// `aof_delayed_fsync`.
    pub delayed: u64,
}

impl Aof {
    pub(crate) fn new() -> Aof {
        Aof {
            state: State::Off,
            manifest: None,
            reading: None,
            writer: None,
            rewrite: Rewrite::default(),
            retry_at: Time::START,
            earlier_bytes: 0,
            base_bytes: 0,
            now_seconds: 0,
            is_first: false,
        }
    }

    // ----- the stream

    /// Effects must be encoded: they belong in the file, or replies wait for it.
    pub(crate) fn wants_feed(&self) -> bool {
        match self.state {
            State::Off => self.writer.is_some(),
            State::Wanted { held_at } => held_at.is_some(),
            State::Starting { .. } | State::On => true,
        }
    }

    fn takes(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::On)
    }

    /// Effects of this node's commands: whole units.
    pub(crate) fn take(&mut self, bytes: &[u8], requests: u64, settings: &AofSettings) {
        let seconds = settings.has_times.then_some(self.now_seconds);
        if self.takes()
            && let Some(writer) = &mut self.writer
        {
            writer.wants_sums = settings.has_sums;
            writer.take(bytes, requests, None, seconds);
        }
    }

    /// A part of the primary's stream, whole commands, with the database that is selected before it. What is no effect
    /// is left out.
    pub(crate) fn take_stream(&mut self, bytes: &[u8], stream_db: u32, settings: &AofSettings) {
        if !self.takes() || bytes.is_empty() {
            return;
        }
        let seconds = settings.has_times.then_some(self.now_seconds);
        let Some(writer) = &mut self.writer else { return };
        writer.wants_sums = settings.has_sums;
        let mut scanner = Scanner::default();
        scanner.push(bytes);
        loop {
            let from = scanner.offset() as usize;
            match scanner.next_record() {
                Ok(Some(Record::Command { bytes, name })) => {
                    let is_silent = [b"ping".as_slice(), b"replconf", b"cluster"]
                        .iter()
                        .any(|word| name.eq_ignore_ascii_case(word));
                    if !is_silent {
                        writer.take(bytes, 1, Some(stream_db), seconds);
                    }
                }
                Ok(Some(Record::Note(_))) => {}
                Ok(None) => return,
                // Not in the shape that the files have: it is for whoever loads them to judge.
                Err(_) => return writer.take(&bytes[from..], 1, Some(stream_db), seconds),
            }
        }
    }

    /// The stream goes on behind another one: the file must say which database it means.
    pub(crate) fn select_again(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.needs_select = true;
        }
    }

    /// Replies that depend on no more than this may leave.
    pub(crate) fn floor(&self, fsync: Fsync) -> u64 {
        match (self.state, &self.writer) {
            (State::Wanted { held_at } | State::Starting { held_at }, _) => held_at.unwrap_or(u64::MAX),
            (State::On | State::Off, Some(writer)) => writer.floor(fsync),
            (State::On | State::Off, None) => u64::MAX,
        }
    }

    /// Durable in files up to here; none while that means nothing.
    pub(crate) fn synced(&self) -> Option<u64> {
        match (self.state, &self.writer) {
            (State::On, Some(writer)) => Some(writer.synced()),
            (State::Wanted { held_at } | State::Starting { held_at }, _) => held_at,
            (State::On | State::Off, _) => None,
        }
    }

    /// True while the file was asked for and is not there yet: its first base is still to be written.
    pub(crate) fn is_beginning(&self) -> bool {
        matches!(self.state, State::Wanted { held_at: None } | State::Starting { held_at: None })
    }

    /// `appendonly yes` is in force.
    pub(crate) fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Why writes are to be refused.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self.state {
            State::On => self.writer.as_ref().and_then(Writer::failure),
            State::Wanted { held_at: Some(_) } | State::Starting { held_at: Some(_) } => {
                self.rewrite.failure.as_deref()
            }
            State::Off | State::Wanted { .. } | State::Starting { .. } => None,
        }
    }

    /// Makes durable what is with the kernel, for somebody who waits.
    pub(crate) fn sync_now(&mut self, turn: &mut Turn<'_>) {
        if let Some(writer) = &mut self.writer {
            writer.sync_now(turn);
        }
    }

    // ----- the state

    /// The files were loaded: the last increment goes on. `has_increment`: its bytes, where there is one.
    pub(crate) fn loaded(
        &mut self,
        manifest: Manifest,
        sizes: (u64, Option<u64>),
        end: u64,
        settings: &AofSettings,
        turn: &mut Turn<'_>,
    ) {
        let is_fresh = manifest.is_empty();
        (self.earlier_bytes, self.base_bytes) = (sizes.0, sizes.0 + sizes.1.unwrap_or(0));
        let last = manifest.increments.last().cloned().zip(sizes.1);
        self.manifest = Some(manifest);
        match last {
            Some((last, file_bytes)) => {
                let path = settings.path(&last.name);
                turn.out.log(
                    Level::Notice,
                    alloc::format!("Opening AOF incr file {} on server start", last.name),
                );
                self.writer = Some(Writer::open(path, false, file_bytes, end, turn));
                self.state = State::On;
                self.remove_history(settings, turn);
            }
            None => {
                // Nobody is told that a write is safe before the files are there.
                self.state = State::Wanted { held_at: Some(end) };
                self.is_first = is_fresh;
                turn.out.again = true;
                if !is_fresh {
                    self.open_increment(end, settings, turn);
                }
            }
        }
    }

    /// The data is about to be something else: what the files have is over.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>) {
        self.give_up(turn);
        if self.state != State::Off {
            self.state = State::Wanted { held_at: None };
        }
        if let Some(mut writer) = self.writer.take() {
            writer.drop_file(turn);
        }
    }

    /// Where the stream is at present, in a history that somebody could continue.
    pub(crate) fn note_place(&mut self, place: Option<Place>) {
        if let Some(writer) = &mut self.writer {
            writer.place = place;
        }
    }

    /// The end of a turn, with the stream at `end`.
    pub(crate) fn seal(&mut self, end: u64, is_loading: bool, settings: &AofSettings, turn: &mut Turn<'_>) {
        self.now_seconds = turn.now.unix.as_seconds();
        match (self.state, settings.is_on) {
            (State::Off, true) if !is_loading => {
                self.state = State::Wanted { held_at: None };
                turn.out.again = true;
            }
            (State::Wanted { .. } | State::Starting { .. } | State::On, false) => self.turn_off(end, turn),
            _ => {}
        }
        if self.state == State::Off && self.writer.as_ref().is_some_and(Writer::is_idle) {
            self.writer = None;
        }
        if let Some(writer) = &mut self.writer
            && self.state != State::Off
        {
            let rests = settings.rests_in_rewrite && self.rewrite.is_walking();
            writer.wants_sums = settings.has_sums;
            writer.seal(end, settings.fsync, rests, turn);
            writer.tick(settings.fsync, rests, turn);
            if writer.is_broken() && matches!(self.state, State::On | State::Starting { .. }) {
                self.begin_anew(settings, turn);
            }
        }
        if self.needs_manifest() {
            let file = turn.numbers.file();
            self.reading = Some((file, Vec::new()));
            turn.out.put(Output::Disk(DiskOp::Open { file, path: settings.path(&settings.manifest()) }));
            turn.out.put(Output::Disk(DiskOp::Read {
                file,
                bytes_max: MANIFEST_READ_BYTES,
                is_summed: false,
            }));
        }
        self.step_rewrite(settings, turn);
        if let Some(writer) = self.writer.as_ref().filter(|_| self.state != State::Off) {
            let rests = settings.rests_in_rewrite && self.rewrite.is_walking();
            turn.out.wake(writer.wake_at(settings.fsync, rests));
        }
    }

    /// When a rewrite may begin that nothing else is in the way of.
    pub(crate) fn walk_at(&self) -> Time {
        let waits = self.state == State::On && !self.writer.as_ref().is_some_and(Writer::is_quiet);
        if self.wants_walk() && !waits { self.retry_at } else { Time::NEVER }
    }

    /// Something has gathered for the last increment.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::has_gathered)
    }

    fn needs_manifest(&self) -> bool {
        let is_wanted = matches!(self.state, State::Wanted { .. }) || self.rewrite.is_wished();
        is_wanted && self.manifest.is_none() && self.reading.is_none()
    }

    /// A sync failed: the files have to be made anew, and replies wait for that.
    fn begin_anew(&mut self, settings: &AofSettings, turn: &mut Turn<'_>) {
        let held_at = self.floor(settings.fsync);
        let failure = self.writer.as_ref().and_then(Writer::failure).unwrap_or_default().to_string();
        self.give_up(turn);
        if let Some(mut writer) = self.writer.take() {
            writer.drop_file(turn);
        }
        self.state = State::Wanted { held_at: Some(held_at) };
        self.rewrite.failure = Some(failure);
        self.retry_at = turn.now.mono + RETRY;
    }

    fn turn_off(&mut self, end: u64, turn: &mut Turn<'_>) {
        let was_on = self.state == State::On;
        if self.rewrite.is_walking() {
            // There is no child; tools look for this line.
            turn.out.log(Level::Notice, "Killing AOF child: the rewrite is given up");
        }
        self.give_up(turn);
        self.rewrite.unwish();
        self.state = State::Off;
        match &mut self.writer {
            Some(writer) if was_on => writer.end(end, turn),
            Some(writer) => {
                writer.drop_file(turn);
                self.writer = None;
            }
            None => {}
        }
    }

    /// What is left goes into the file before the process ends.
    pub(crate) fn flush(&mut self, end: u64, turn: &mut Turn<'_>) {
        if self.state == State::On
            && let Some(writer) = &mut self.writer
        {
            turn.out.log(Level::Notice, "Calling fsync() on the AOF file.");
            writer.flush(end, turn);
        }
    }

    /// Everything that was taken is with the kernel, and no file is about to come or go.
    pub(crate) fn is_idle(&self) -> bool {
        self.writer.as_ref().is_none_or(Writer::is_idle) && self.rewrite.is_idle()
    }

    /// The files are there, and take what comes.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::On && self.rewrite.is_idle()
    }

    // ----- inputs

    pub(crate) fn owns_file(&self, file: FileId) -> bool {
        self.reading.as_ref().is_some_and(|(reading, _)| *reading == file)
    }

    /// Bytes of the list of files, which is read when the file is turned on while the server runs.
    pub(crate) fn on_file_read(&mut self, result: Result<Vec<u8>, DiskError>, turn: &mut Turn<'_>) {
        let Some((file, mut bytes)) = self.reading.take() else { return };
        let parsed = match result {
            Ok(more) if more.is_empty() => Manifest::parse(&bytes).map_err(|error| error.to_string()),
            Ok(more) if bytes.len() + more.len() > MANIFEST_BYTES_MAX => Err("it is too long".to_string()),
            Ok(more) => {
                bytes.extend_from_slice(&more);
                self.reading = Some((file, bytes));
                turn.out.put(Output::Disk(DiskOp::Read {
                    file,
                    bytes_max: MANIFEST_READ_BYTES,
                    is_summed: false,
                }));
                return;
            }
            Err(error) if error.fault == DiskFault::Missing => Ok(Manifest::default()),
            Err(error) => Err(error.to_string()),
        };
        turn.out.put(Output::Disk(DiskOp::Close { file }));
        match parsed {
            Ok(manifest) => self.manifest = Some(manifest),
            Err(text) => {
                turn.out.log(Level::Warning, alloc::format!("The AOF manifest can not be read: {text}"));
                self.retry_at = turn.now.mono + RETRY;
                self.rewrite.unwish();
            }
        }
        turn.out.again = true;
    }

    /// A disk operation ended; false when it was none of its own.
    pub(crate) fn on_disk(&mut self, disk: &Disk, settings: &AofSettings, turn: &mut Turn<'_>) -> bool {
        if let Some(writer) = &mut self.writer {
            match writer.on_disk(disk, turn) {
                Heard::NotOurs => {}
                Heard::Fine => return true,
                Heard::StuckInOld => {
                    self.rewrite.abort_walk = true;
                    turn.out.again = true;
                    return true;
                }
            }
        }
        self.rewrite_on_disk(disk, settings, turn)
    }

    // ----- answers

    /// `is_waiting`: another snapshot is under way.
    pub(crate) fn facts(&self, now: Time, is_waiting: bool) -> AofFacts {
        let writer = self.writer.as_ref();
        AofFacts {
            is_on: self.is_on(),
            write_failed: self.failure().is_some(),
            current_bytes: self.current_bytes(),
            base_bytes: self.base_bytes,
            buffered_bytes: writer.map_or(0, Writer::buffered_bytes),
            syncing: writer.is_some_and(Writer::is_syncing),
            delayed: writer.map_or(0, |writer| writer.delayed),
            ..self.rewrite.facts(
                now,
                matches!(self.state, State::Wanted { .. }) && !self.is_first,
                is_waiting,
            )
        }
    }

    fn current_bytes(&self) -> u64 {
        self.earlier_bytes + self.writer.as_ref().map_or(0, Writer::file_bytes)
    }
}
