//! Rewrite: the base is written anew from a snapshot, and the manifest goes on to it.
//!
//! ```text
//!   Idle --wished, on--> Making --the increment's file is durable--> Announcing --named in the manifest--> Announced --the snapshot begins--> Walking
//!     |                                                                                            |
//!     `--to begin, or off----------------------------------------the snapshot begins------------->|
//!   Walking --the base is durable--> (Rooting, for a first increment) --> Naming --the manifest is durable--> Clearing --removed--> Tidying --> Idle
//! ```

use super::writer::Writer;
use super::{Aof, AofSettings, State};
use crate::Turn;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Span, Time};
use machine::{Disk, DiskOp, Level, Output, WriteId};
use wire::aof::{Manifest, Part};

/// 3 failures in a row: from then on an automatic rewrite waits, a minute first, twice as long after each one more.
const FAILURES_FREE: u64 = 3;
/// 1 hour: it waits no longer.
const PAUSE_MAX: Span = Span::seconds(3_600);

enum Step {
    Idle,
    /// The file of the next increment is being made, empty: a manifest never names a file that may be missing. With
    /// `opens_at` it is the first one after a start, with the stream at that end.
    Making {
        write: WriteId,
        next: Manifest,
        opens_at: Option<u64>,
    },
    /// After a start: the manifest with the first increment is being written. The stream's end then.
    Opening {
        write: WriteId,
        next: Manifest,
        end: u64,
    },
    /// The manifest with one more increment is being written.
    Announcing {
        write: WriteId,
        next: Manifest,
    },
    /// The next increment is named, and nothing is in it.
    Announced,
    /// The snapshot is being written, as this base. The increment that gathers meanwhile, where one does.
    Walking {
        base: Part,
        increment: Option<Part>,
    },
    /// The base is durable. So has to be the file of the first increment, which the writer has begun beside it: a manifest
    /// never names a file that may be missing.
    Rooting {
        write: WriteId,
        next: Manifest,
        bytes: u64,
    },
    /// The manifest that names the two is being written.
    Naming {
        write: WriteId,
        next: Manifest,
        bytes: u64,
    },
    /// What nobody needs is being removed.
    Clearing {
        writes: Vec<WriteId>,
    },
    /// The manifest without that is being written.
    Tidying {
        write: WriteId,
        next: Manifest,
    },
}

/// A rewrite, and what became of those before.
pub(super) struct Rewrite {
    step: Step,
    is_wished: bool,
    begun: Option<Time>,
    last_seconds: i64,
    last_failed: bool,
    rewrites: u64,
    failures: u64,
    next_auto: Time,
    /// The pause until then was not told yet.
    says_pause: bool,
    /// The last attempt to begin, where replies wait for one.
    pub(super) failure: Option<String>,
    /// The walk has to end: what it leans on did not come about.
    pub(super) abort_walk: bool,
}

impl Default for Rewrite {
    fn default() -> Rewrite {
        Rewrite {
            step: Step::Idle,
            is_wished: false,
            begun: None,
            last_seconds: -1,
            last_failed: false,
            rewrites: 0,
            failures: 0,
            next_auto: Time::START,
            says_pause: false,
            failure: None,
            abort_walk: false,
        }
    }
}

/// What the snapshot of a rewrite is to be.
pub(crate) struct Walk {
    /// Its final path.
    pub(crate) path: String,
    /// As RDB, or as commands.
    pub(crate) is_rdb: bool,
    /// The time is noted where it is of commands.
    pub(crate) noted_seconds: Option<u64>,
}

impl Rewrite {
    pub(super) fn is_walking(&self) -> bool {
        matches!(self.step, Step::Walking { .. })
    }

    pub(super) fn is_wished(&self) -> bool {
        self.is_wished
    }

    pub(super) fn unwish(&mut self) {
        self.is_wished = false;
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle) && !self.is_wished
    }

    fn is_busy(&self) -> bool {
        !matches!(self.step, Step::Idle | Step::Clearing { .. } | Step::Tidying { .. })
    }

    pub(super) fn facts(&self, now: Time, is_wanted: bool, is_waiting: bool) -> super::AofFacts {
        let is_coming = self.is_wished || is_wanted;
        let is_clearing = matches!(self.step, Step::Clearing { .. } | Step::Tidying { .. });
        super::AofFacts {
            rewriting: is_clearing || (self.is_busy() && self.begun.is_some()) || (is_coming && !is_waiting),
            scheduled: is_coming && is_waiting,
            last_seconds: self.last_seconds,
            current_seconds: match self.begun {
                Some(begun) if self.is_busy() => now.since(begun).as_seconds() as i64,
                _ => -1,
            },
            last_failed: self.last_failed,
            rewrites: self.rewrites,
            failures: self.failures,
            ..super::AofFacts::default()
        }
    }
}

impl Aof {
    /// A rewrite was asked for, and has not begun.
    pub(crate) fn is_wished(&self) -> bool {
        self.rewrite.is_wished
    }

    /// BGREWRITEAOF: false when one runs already.
    pub(crate) fn wish(&mut self) -> bool {
        let is_free = !self.rewrite.is_busy() && !matches!(self.state, State::Starting { .. });
        self.rewrite.is_wished |= is_free;
        is_free
    }

    /// Where the files have grown enough, a rewrite is wished.
    pub(crate) fn cron(&mut self, settings: &AofSettings, turn: &mut Turn<'_>) {
        let is_free = self.state == State::On && !self.rewrite.is_wished && !self.rewrite.is_busy();
        let bytes = self.current_bytes();
        if !is_free || settings.rewrite_percent == 0 || bytes <= settings.rewrite_bytes_min {
            return;
        }
        let base = self.base_bytes.max(1);
        let growth = (bytes as u128 * 100 / u128::from(base)).saturating_sub(100);
        if growth < u128::from(settings.rewrite_percent) {
            return;
        }
        if self.rewrite.next_auto > turn.now.mono {
            if core::mem::take(&mut self.rewrite.says_pause) {
                let minutes = self.rewrite.next_auto.since(turn.now.mono).as_seconds().div_ceil(60);
                let text =
                    "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in";
                turn.out.log(Level::Warning, format!("{text} {minutes} minutes"));
            }
        } else {
            let text = format!("Starting automatic rewriting of AOF on {growth}% growth");
            turn.out.log(Level::Notice, text);
            self.rewrite.is_wished = true;
        }
    }

    /// The steps that need no snapshot.
    pub(super) fn step_rewrite(&mut self, settings: &AofSettings, turn: &mut Turn<'_>) {
        let can_begin =
            self.state == State::On && self.rewrite.is_wished && matches!(self.rewrite.step, Step::Idle);
        let is_quiet = self.writer.as_ref().is_some_and(|writer| writer.failure().is_none());
        let Some(manifest) = self.manifest.as_ref().filter(|_| can_begin && is_quiet) else { return };
        self.rewrite.is_wished = false;
        let mut next = manifest.clone();
        let increment = next.next_increment(&settings.stem);
        turn.out
            .log(Level::Notice, format!("Creating AOF incr file {} on background rewrite", increment.name));
        next.increments.push(increment);
        self.rewrite.begun = Some(turn.now.mono);
        self.make_increment(next, None, settings, turn);
    }

    /// A snapshot is wanted as a base.
    pub(crate) fn wants_walk(&self) -> bool {
        let is_known = self.manifest.is_some() && matches!(self.rewrite.step, Step::Idle);
        match self.state {
            State::Wanted { .. } => is_known,
            State::Off => is_known && self.rewrite.is_wished && self.writer.is_none(),
            State::On => matches!(self.rewrite.step, Step::Announced),
            State::Starting { .. } => false,
        }
    }

    /// It can begin in this turn: the file can be left for the next one.
    pub(crate) fn can_walk(&mut self, now: Time) -> bool {
        if !self.wants_walk() || self.retry_at > now {
            return false;
        }
        let Some(writer) = self.writer.as_mut().filter(|_| self.state == State::On) else {
            return self.state != State::On;
        };
        // Under a steady load it would never be quiet by itself.
        writer.holds = !writer.is_quiet();
        !writer.holds
    }

    /// The snapshot begins now, with the stream at `end`: effects from here on go into the next increment.
    pub(crate) fn begin_walk(&mut self, end: u64, settings: &AofSettings, turn: &mut Turn<'_>) -> Walk {
        let manifest = self.manifest.clone().unwrap_or_default();
        let base = manifest.next_base(&settings.stem, settings.is_base_rdb);
        let increment = match self.state {
            State::On => {
                let increment = manifest.increments.last().expect("the next increment was announced").clone();
                let writer = self.writer.as_mut().expect("it is on");
                self.earlier_bytes += writer.file_bytes() + writer.buffered_bytes();
                writer.go_on_in(settings.path(&increment.name), end, turn);
                Some(increment)
            }
            State::Wanted { held_at } => {
                let increment = manifest.next_increment(&settings.stem);
                self.writer = Some(Writer::open(settings.path(&increment.name), true, 0, end, turn));
                self.state = State::Starting { held_at };
                if self.is_first {
                    for (kind, name) in [("base", &base.name), ("incr", &increment.name)] {
                        turn.out
                            .log(Level::Notice, format!("Creating AOF {kind} file {name} on server start"));
                    }
                }
                Some(increment)
            }
            State::Off | State::Starting { .. } => None,
        };
        self.rewrite.is_wished = false;
        if !self.is_first {
            self.rewrite.begun = self.rewrite.begun.or(Some(turn.now.mono));
            turn.out.log(Level::Notice, "Background append only file rewriting started");
        }
        let path = settings.path(&base.name);
        self.rewrite.step = Step::Walking { base, increment };
        let noted_seconds = settings.has_times.then(|| turn.now.unix.as_seconds());
        Walk { path, is_rdb: settings.is_base_rdb, noted_seconds }
    }

    /// After a start from files without an increment: the first one is named.
    pub(super) fn open_increment(&mut self, end: u64, settings: &AofSettings, turn: &mut Turn<'_>) {
        let mut next = self.manifest.clone().unwrap_or_default();
        let increment = next.next_increment(&settings.stem);
        turn.out.log(Level::Notice, format!("Creating AOF incr file {} on server start", increment.name));
        next.increments.push(increment);
        self.make_increment(next, Some(end), settings, turn);
    }

    /// Makes the file of the last increment of `next`, which is named after that.
    fn make_increment(
        &mut self,
        next: Manifest,
        opens_at: Option<u64>,
        settings: &AofSettings,
        turn: &mut Turn<'_>,
    ) {
        let write = turn.numbers.write();
        let path = next.increments.last().map_or_else(String::new, |part| settings.path(&part.name));
        turn.out.put(Output::Disk(DiskOp::Replace { write, path, bytes: Vec::new() }));
        self.rewrite.step = Step::Making { write, next, opens_at };
    }

    /// The walk has to end, and why.
    pub(crate) fn take_abort(&mut self) -> bool {
        core::mem::take(&mut self.rewrite.abort_walk)
    }

    /// The snapshot is durable under its name, or could not be made.
    pub(crate) fn on_walked(
        &mut self,
        result: Result<u64, String>,
        settings: &AofSettings,
        turn: &mut Turn<'_>,
    ) {
        if !self.rewrite.is_walking() {
            return;
        }
        let step = core::mem::replace(&mut self.rewrite.step, Step::Idle);
        let Step::Walking { base, increment } = step else { return };
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(text) => return self.fail_rewrite(text, turn),
        };
        let old = self.manifest.clone().unwrap_or_default();
        let is_kept = |part: &&Part| increment.as_ref().is_some_and(|last| last.seq == part.seq);
        let mut history: Vec<Part> = old.base.into_iter().chain(old.history).collect();
        history.extend(old.increments.iter().filter(|part| !is_kept(part)).cloned());
        let next = Manifest { base: Some(base), history, increments: increment.into_iter().collect() };
        let is_first_increment = matches!(self.state, State::Starting { .. });
        self.rewrite.step = match self.writer.as_ref().filter(|_| is_first_increment) {
            Some(writer) => Step::Rooting { write: writer.root(turn), next, bytes },
            None => Step::Naming { write: save(&next, settings, turn), next, bytes },
        };
    }

    /// What runs is given up; files that it has begun are left for the next attempt.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>) {
        match core::mem::replace(&mut self.rewrite.step, Step::Idle) {
            Step::Walking { .. } => {
                self.rewrite.abort_walk = true;
                turn.out.again = true;
            }
            // Which of the two lists is on disk is not known: it is read again.
            Step::Opening { .. } | Step::Announcing { .. } | Step::Naming { .. } | Step::Tidying { .. } => {
                self.manifest = None;
            }
            Step::Idle
            | Step::Making { .. }
            | Step::Announced
            | Step::Rooting { .. }
            | Step::Clearing { .. } => {}
        }
        self.rewrite.begun = None;
    }

    fn fail_rewrite(&mut self, text: String, turn: &mut Turn<'_>) {
        turn.out.log(Level::Warning, format!("Background AOF rewrite terminated with error: {text}"));
        let rewrite = &mut self.rewrite;
        rewrite.step = Step::Idle;
        rewrite.last_failed = true;
        rewrite.failures += 1;
        if let Some(begun) = rewrite.begun.take() {
            rewrite.last_seconds = turn.now.mono.since(begun).as_seconds() as i64;
        }
        if rewrite.failures >= FAILURES_FREE {
            let doubled = (rewrite.failures - FAILURES_FREE).min(6);
            rewrite.says_pause = true;
            rewrite.next_auto = turn.now.mono + Span::seconds(60 << doubled).min(PAUSE_MAX);
        }
        if let State::Starting { held_at } = self.state {
            self.state = State::Wanted { held_at };
            self.retry_at = turn.now.mono + super::RETRY;
            self.rewrite.failure = Some(text);
            if let Some(mut writer) = self.writer.take() {
                writer.drop_file(turn);
            }
        }
    }

    pub(super) fn rewrite_on_disk(
        &mut self,
        disk: &Disk,
        settings: &AofSettings,
        turn: &mut Turn<'_>,
    ) -> bool {
        let is_ours = match &mut self.rewrite.step {
            Step::Making { write, .. }
            | Step::Opening { write, .. }
            | Step::Announcing { write, .. }
            | Step::Rooting { write, .. }
            | Step::Naming { write, .. }
            | Step::Tidying { write, .. } => *write == disk.write,
            Step::Clearing { writes } => {
                let count = writes.len();
                writes.retain(|write| *write != disk.write);
                if count == writes.len() || !writes.is_empty() {
                    return count != writes.len();
                }
                true
            }
            Step::Idle | Step::Announced | Step::Walking { .. } => false,
        };
        if !is_ours {
            return false;
        }
        turn.out.again = true;
        let failure = disk.result.as_ref().err().map(ToString::to_string);
        match (core::mem::replace(&mut self.rewrite.step, Step::Idle), failure) {
            (Step::Making { next, opens_at, .. }, None) => {
                let write = save(&next, settings, turn);
                self.rewrite.step = match opens_at {
                    Some(end) => Step::Opening { write, next, end },
                    None => Step::Announcing { write, next },
                };
            }
            // The list on disk is what it was.
            (Step::Making { .. } | Step::Rooting { .. }, Some(text)) => self.fail_rewrite(text, turn),
            (Step::Rooting { next, bytes, .. }, None) => {
                self.rewrite.step = Step::Naming { write: save(&next, settings, turn), next, bytes };
            }
            (Step::Opening { next, end, .. }, None) => {
                let path = next.increments.last().map_or_else(String::new, |part| settings.path(&part.name));
                self.writer = Some(Writer::open(path, true, 0, end, turn));
                self.manifest = Some(next);
                self.state = State::On;
                self.remove_history(settings, turn);
            }
            (Step::Announcing { next, .. }, None) => {
                self.manifest = Some(next);
                self.rewrite.step = Step::Announced;
            }
            (Step::Naming { next, bytes, .. }, None) => self.finish_rewrite(next, bytes, settings, turn),
            (Step::Opening { .. } | Step::Announcing { .. } | Step::Naming { .. }, Some(text)) => {
                self.manifest = None;
                self.fail_rewrite(text, turn);
            }
            (Step::Clearing { .. }, failure) => {
                if let Some(text) = failure {
                    turn.out.log(
                        Level::Warning,
                        format!("A file of the AOF's history can not be removed: {text}"),
                    );
                }
                let next = Manifest { history: Vec::new(), ..self.manifest.clone().unwrap_or_default() };
                let write = save(&next, settings, turn);
                self.rewrite.step = Step::Tidying { write, next };
            }
            (Step::Tidying { next, .. }, None) => self.manifest = Some(next),
            // The old list holds: it names files that are gone as history, which is no harm.
            (Step::Tidying { .. }, Some(_)) | (Step::Idle | Step::Announced | Step::Walking { .. }, _) => {}
        }
        true
    }

    fn finish_rewrite(&mut self, next: Manifest, bytes: u64, settings: &AofSettings, turn: &mut Turn<'_>) {
        self.manifest = Some(next);
        if let State::Starting { .. } = self.state {
            self.state = State::On;
        }
        self.earlier_bytes = bytes;
        self.base_bytes = self.current_bytes();
        let rewrite = &mut self.rewrite;
        rewrite.failure = None;
        if !core::mem::take(&mut self.is_first) {
            (rewrite.last_failed, rewrite.failures) = (false, 0);
            rewrite.rewrites += 1;
            turn.out.log(Level::Notice, "Background AOF rewrite terminated with success");
            turn.out.log(Level::Notice, "Background AOF rewrite finished successfully");
        }
        if let Some(begun) = rewrite.begun.take() {
            rewrite.last_seconds = turn.now.mono.since(begun).as_seconds() as i64;
        }
        self.remove_history(settings, turn);
    }

    /// Files that nobody needs any more.
    pub(super) fn remove_history(&mut self, settings: &AofSettings, turn: &mut Turn<'_>) {
        let Some(manifest) = self.manifest.as_ref().filter(|manifest| !manifest.history.is_empty()) else {
            return;
        };
        if settings.keeps_history {
            return;
        }
        let mut writes = Vec::new();
        for part in &manifest.history {
            let write = turn.numbers.write();
            turn.out.put(Output::Disk(DiskOp::Remove { write, path: settings.path(&part.name) }));
            turn.out.log(Level::Notice, format!("Removing the history file {} in the background", part.name));
            writes.push(write);
        }
        self.rewrite.step = Step::Clearing { writes };
    }
}

/// Writes the list of files.
fn save(manifest: &Manifest, settings: &AofSettings, turn: &mut Turn<'_>) -> WriteId {
    let write = turn.numbers.write();
    let path = settings.path(&settings.manifest());
    turn.out.put(Output::Disk(DiskOp::Replace { write, path, bytes: manifest.format() }));
    write
}
