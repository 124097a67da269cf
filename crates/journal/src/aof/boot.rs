//! Boot: the files of the manifest come back into the keyspace, the base first, then the increments.
//!
//! ```text
//!   Manifest --named--> File, File, ... --the last is cut short--> Cutting --> loaded
//!      |                  ^
//!      `--none, but an old single file--> Naming --> Moving (it becomes the base)
//! ```
//!
//! A file of commands is given to the engine in batches, as the stream of a primary is. A file that begins as RDB does is
//! loaded as such, and what stands behind its end are commands.

use super::place::{Known, Tracker};
use super::{AofSettings, MANIFEST_BYTES_MAX, MANIFEST_READ_BYTES};
use crate::functions;
use crate::load::{Loader, Step as LoadStep};
use crate::{Act, Loaded, Settings, Turn};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::crc64::Crc64;
use base::{Now, Time};
use machine::{Disk, DiskError, DiskFault, DiskOp, FileId, Level, Output, WriteId};
use wire::aof::{Flaw, Manifest, Part, Record, Scanner, SumCheck};
use wire::{Batch, Framer, Mode};

/// 256 KiB: one read.
const READ_BYTES: usize = 256 << 10;
/// 64 KiB of commands: one slice, about a millisecond.
const SLICE_BYTES: usize = 64 << 10;

/// 1,000: so many files are measured beforehand.
const MEASURED_MAX: usize = 1_000;

/// What was loaded: the manifest as it is on disk, and the bytes of all files but the last increment, and of that.
pub(crate) struct Restored {
    pub(crate) manifest: Manifest,
    pub(crate) earlier_bytes: u64,
    pub(crate) last_bytes: Option<u64>,
    pub(crate) loaded: Loaded,
}

enum Step {
    Manifest {
        bytes: Vec<u8>,
    },
    /// Is there a file of the old kind?
    Single,
    /// The manifest that names the old file as base is being written.
    Naming {
        write: WriteId,
    },
    /// The old file is on its way into the directory.
    Moving {
        write: WriteId,
    },
    Reading,
    /// The torn end is being cut off.
    Cutting {
        write: WriteId,
    },
    Over,
}

/// How the bytes of the file at hand are read.
enum Reader {
    /// The first bytes decide.
    Unknown(Vec<u8>),
    Rdb(Box<Loader>),
    Commands,
}

/// A load of the append-only file.
pub(crate) struct Replay {
    /// The file that is being read.
    pub(crate) file: Option<FileId>,
    /// The server runs already (DEBUG LOADAOF).
    pub(crate) is_reload: bool,
    settings: AofSettings,
    step: Step,
    manifest: Manifest,
    left: VecDeque<Part>,
    part: Option<Part>,
    part_bytes: u64,
    /// The files' sizes, in their order; the first is that of the file at hand. Each is measured through a file of its own.
    sizes: VecDeque<(FileId, u64)>,
    /// Of all files.
    total_bytes: u64,
    /// What the base's writer had in its memory.
    used_bytes: u64,
    earlier_bytes: u64,
    reader: Reader,
    scanner: Scanner,
    framer: Framer,
    /// Where the open transaction begins.
    multi_at: Option<u64>,
    /// Where the commands begin that the engine has at the moment.
    given_at: Vec<u64>,
    /// The next bytes, with their sum where it is known.
    waiting: Option<(Vec<u8>, Option<Crc64>)>,
    is_ended: bool,
    has_more: bool,
    /// When the next key may come (`key-load-delay`).
    due: Time,
    /// The file that ends early, and where its last whole command does.
    torn: Option<(Part, u64)>,
    loaded: Loaded,
    place: Tracker,
    sums: SumCheck,
    failure: Option<String>,
    begun: Now,
    part_begun: Now,
}

impl Replay {
    /// Begins.
    pub(crate) fn new(settings: &AofSettings, is_reload: bool, turn: &mut Turn<'_>) -> Replay {
        let mut replay = Replay {
            file: None,
            is_reload,
            settings: settings.clone(),
            step: Step::Manifest { bytes: Vec::new() },
            manifest: Manifest::default(),
            left: VecDeque::new(),
            part: None,
            part_bytes: 0,
            sizes: VecDeque::new(),
            total_bytes: 0,
            used_bytes: 0,
            earlier_bytes: 0,
            reader: Reader::Unknown(Vec::new()),
            scanner: Scanner::default(),
            framer: Framer::new(Mode::Stream),
            multi_at: None,
            given_at: Vec::new(),
            waiting: None,
            is_ended: false,
            has_more: false,
            due: Time::START,
            torn: None,
            loaded: Loaded::default(),
            place: Tracker::default(),
            sums: SumCheck::default(),
            failure: None,
            begun: turn.now,
            part_begun: turn.now,
        };
        replay.open(settings.path(&settings.manifest()), MANIFEST_READ_BYTES, turn);
        replay
    }

    fn open(&mut self, path: String, bytes_max: usize, turn: &mut Turn<'_>) {
        let file = turn.numbers.file();
        self.file = Some(file);
        turn.out.put(Output::Disk(DiskOp::Open { file, path }));
        read(file, bytes_max, false, turn);
    }

    fn close(&mut self, turn: &mut Turn<'_>) {
        if let Some(file) = self.file.take() {
            turn.out.put(Output::Disk(DiskOp::Close { file }));
        }
    }

    /// There is something to do without another input.
    pub(crate) fn has_work(&self, now: Time) -> bool {
        let reads = matches!(self.step, Step::Reading);
        self.failure.is_some()
            || matches!(self.step, Step::Over)
            || (reads
                && self.due <= now
                && (self.has_more || self.waiting.is_some() || self.is_ended || self.file.is_none()))
    }

    /// When there is something to do, where that is not now.
    pub(crate) fn wake_at(&self) -> Time {
        self.due
    }

    /// Bytes of all files, bytes that are loaded, and what the data took in the memory of the base's writer.
    pub(crate) fn progress(&self) -> [u64; 3] {
        let in_part = match &self.reader {
            Reader::Unknown(_) => 0,
            Reader::Rdb(loader) => loader.at(),
            Reader::Commands => self.scanner.offset(),
        };
        [self.total_bytes, self.earlier_bytes + in_part.min(self.part_bytes), self.used_bytes]
    }

    // ----- inputs

    /// How long a file is.
    pub(crate) fn on_size(&mut self, file: FileId, bytes: u64) {
        if let Some((_, size)) = self.sizes.iter_mut().find(|(measured, _)| *measured == file) {
            *size = bytes;
            self.total_bytes += bytes;
        }
    }

    pub(crate) fn on_read(
        &mut self,
        result: Result<Vec<u8>, DiskError>,
        sum: Option<Crc64>,
        turn: &mut Turn<'_>,
    ) {
        let is_missing = matches!(&result, Err(error) if error.fault == DiskFault::Missing);
        let is_half_moved = self.is_half_moved();
        match (&mut self.step, result) {
            (Step::Manifest { bytes }, Ok(more)) if !more.is_empty() => {
                bytes.extend_from_slice(&more);
                if bytes.len() > MANIFEST_BYTES_MAX {
                    self.failure = Some("the AOF manifest is too long".to_string());
                } else if let Some(file) = self.file {
                    read(file, MANIFEST_READ_BYTES, false, turn);
                }
            }
            (Step::Manifest { bytes }, Ok(_)) => {
                let parsed = Manifest::parse(bytes);
                self.close(turn);
                match parsed {
                    Ok(manifest) => self.begin(manifest, turn),
                    Err(error) => {
                        let line = if error.line > 0 {
                            format!(" at line {}: '{}'", error.line, error.text)
                        } else {
                            String::from(" (it ends at byte 0)")
                        };
                        self.failure = Some(format!("Fatal error reading the AOF manifest: {error}{line}"));
                    }
                }
            }
            (Step::Manifest { .. }, Err(_)) if is_missing => {
                self.close(turn);
                self.step = Step::Single;
                self.open(self.settings.stem.clone(), 1, turn);
            }
            (Step::Single, Ok(_)) => {
                self.close(turn);
                let base = Part { name: self.settings.stem.clone(), seq: 1 };
                self.manifest.base = Some(base);
                let write = turn.numbers.write();
                let path = self.settings.path(&self.settings.manifest());
                let bytes = self.manifest.format();
                turn.out.put(Output::Disk(DiskOp::Replace { write, path, bytes }));
                self.step = Step::Naming { write };
            }
            (Step::Single, Err(_)) if is_missing => {
                self.close(turn);
                self.step = Step::Over;
            }
            (Step::Reading, Ok(bytes)) if bytes.is_empty() => self.is_ended = true,
            (Step::Reading, Ok(bytes)) => {
                self.part_bytes += bytes.len() as u64;
                self.waiting = Some((bytes, sum));
            }
            (Step::Reading, Err(_)) if is_missing && is_half_moved => {
                self.close(turn);
                self.move_single(turn);
            }
            (Step::Reading, Err(_)) if is_missing => {
                let name = self.part.as_ref().map_or("", |part| &part.name);
                self.failure = Some(no_file(name));
            }
            (_, Err(error)) => self.failure = Some(format!("Can't read the append only file: {error}")),
            (_, Ok(_)) => {}
        }
    }

    /// The old file is named as the base, and was not moved yet when the process ended.
    fn is_half_moved(&self) -> bool {
        let is_old = |base: &Part| base.name == self.settings.stem;
        self.part_bytes == 0
            && self.manifest.base.as_ref().is_some_and(is_old)
            && self.manifest.increments.is_empty()
    }

    fn move_single(&mut self, turn: &mut Turn<'_>) {
        let (write, path) = (turn.numbers.write(), self.settings.stem.clone());
        let to = self.settings.path(&path);
        turn.out.put(Output::Disk(DiskOp::Rename { write, path, to }));
        self.step = Step::Moving { write };
    }

    /// A disk operation ended; false when it was none of its own.
    pub(crate) fn on_disk(&mut self, disk: &Disk, turn: &mut Turn<'_>) -> bool {
        let is_ours = match self.step {
            Step::Naming { write } | Step::Moving { write } | Step::Cutting { write } => write == disk.write,
            Step::Manifest { .. } | Step::Single | Step::Reading | Step::Over => false,
        };
        if !is_ours {
            return false;
        }
        if let Err(error) = &disk.result {
            if let (Step::Moving { .. }, DiskFault::Missing) = (&self.step, error.fault) {
                self.failure = Some(no_file(&self.settings.stem));
                return true;
            }
            self.failure = Some(format!("The append only file can not be made ready: {error}"));
            return true;
        }
        match self.step {
            Step::Naming { .. } => self.move_single(turn),
            Step::Moving { .. } => {
                let (stem, dir) = (&self.settings.stem, &self.settings.dir);
                let text = format!(
                    "Successfully migrated an old-style AOF configuration ({stem}) into the AOF directory ({dir})."
                );
                turn.out.log(Level::Notice, text);
                let manifest = core::mem::take(&mut self.manifest);
                self.begin(manifest, turn);
            }
            _ => self.step = Step::Over,
        }
        true
    }

    /// The engine could not execute what it was given.
    /// The engine can not execute the command of this index, of those that it was given last.
    pub(crate) fn on_failed(&mut self, index: usize, text: &str) {
        let name = self.part.as_ref().map_or("", |part| &part.name);
        let at = self.given_at.get(index).copied().unwrap_or_default();
        self.failure
            .get_or_insert_with(|| format!("{text} reading the append only file {name}, at byte {at}"));
    }

    /// A command that changes the functions, which are kept and not run.
    pub(crate) fn keep_function(&mut self, words: &[Vec<u8>]) {
        functions::change(&mut self.loaded.functions, words);
    }

    fn begin(&mut self, manifest: Manifest, turn: &mut Turn<'_>) {
        self.left = manifest.loaded().cloned().collect();
        for part in self.left.iter().take(MEASURED_MAX) {
            let (file, path) = (turn.numbers.file(), self.settings.path(&part.name));
            turn.out.put(Output::Disk(DiskOp::Open { file, path }));
            turn.out.put(Output::Disk(DiskOp::Measure { file }));
            turn.out.put(Output::Disk(DiskOp::Close { file }));
            self.sizes.push_back((file, 0));
        }
        self.loaded.found = !self.left.is_empty();
        self.manifest = manifest;
        self.part = None;
        self.step = if self.left.is_empty() { Step::Over } else { Step::Reading };
    }

    // ----- work

    /// A slice of the load; the result once it is over.
    pub(crate) fn work(
        &mut self,
        budget: usize,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) -> Option<Result<Restored, String>> {
        if let Some(text) = self.failure.take() {
            self.close(turn);
            return Some(Err(text));
        }
        match self.step {
            Step::Reading => {}
            Step::Over => return Some(Ok(self.restored(turn))),
            _ => return None,
        }
        if self.file.is_none() {
            self.next_part(turn);
            return None;
        }
        if let Err(text) = self.read_on(budget, settings, turn) {
            self.failure = Some(text);
        }
        None
    }

    fn restored(&mut self, turn: &mut Turn<'_>) -> Restored {
        if self.loaded.found {
            let seconds = turn.now.mono.since(self.begun.mono).as_us() as f64 / 1e6;
            turn.out.log(Level::Notice, format!("DB loaded from append only file: {seconds:.3} seconds"));
        }
        let last_bytes = self.manifest.increments.last().map(|_| self.part_bytes);
        self.settle_place();
        if self.loaded.keys == 0 {
            // Whoever asks for that wants to know whether there was anything.
            let databases = 0..turn.keyspace.databases();
            self.loaded.keys = databases.map(|db| turn.keyspace.len(db)).sum();
        }
        Restored {
            manifest: core::mem::take(&mut self.manifest),
            earlier_bytes: self.earlier_bytes + if last_bytes.is_some() { 0 } else { self.part_bytes },
            last_bytes,
            loaded: self.loaded.clone(),
        }
    }

    fn settle_place(&mut self) {
        let loaded = &mut self.loaded;
        loaded.stream_db = self.place.stream_db;
        let place = match self.place.known() {
            Known::Nothing => return,
            Known::Exactly(place) => {
                loaded.second = place.second;
                place
            }
            Known::AtLeast(place, more) => {
                loaded.unmarked_bytes = more;
                place
            }
        };
        loaded.position = Some((place.replid, place.offset));
        (loaded.data_offset, loaded.bond) = (Some(place.data_end), place.bond);
    }

    fn next_part(&mut self, turn: &mut Turn<'_>) {
        let Some(part) = self.left.pop_front() else {
            match &self.torn {
                Some((part, offset)) => {
                    let (write, path) = (turn.numbers.write(), self.settings.path(&part.name));
                    turn.out.put(Output::Disk(DiskOp::Truncate { write, path, bytes: *offset }));
                    self.step = Step::Cutting { write };
                }
                None => self.step = Step::Over,
            }
            return;
        };
        self.earlier_bytes += core::mem::take(&mut self.part_bytes);
        if self.part.is_some() {
            self.sizes.pop_front();
        }
        self.open(self.settings.path(&part.name), READ_BYTES, turn);
        self.part = Some(part);
        self.part_begun = turn.now;
        self.reader = Reader::Unknown(Vec::new());
        self.scanner = Scanner::default();
        self.framer = Framer::new(Mode::Stream);
        self.sums = SumCheck::default();
        (self.multi_at, self.is_ended, self.has_more) = (None, false, false);
        turn.acts.push(Act::ReplayFile);
    }

    fn read_on(&mut self, budget: usize, settings: &Settings, turn: &mut Turn<'_>) -> Result<(), String> {
        if !self.has_more {
            match self.waiting.take() {
                Some((bytes, sum)) => {
                    self.push(&bytes, sum, settings)?;
                    if let Some(file) = self.file {
                        let is_summed = settings.checksum && matches!(self.reader, Reader::Rdb(_));
                        read(file, READ_BYTES, is_summed, turn);
                    }
                }
                None if self.is_ended => return self.end_part(turn),
                None => return Ok(()),
            }
        }
        match &mut self.reader {
            Reader::Unknown(_) => Ok(()),
            Reader::Rdb(_) => self.step_rdb(budget, settings.key_load_delay, turn),
            Reader::Commands => self.step_commands(turn),
        }
    }

    fn push(&mut self, bytes: &[u8], sum: Option<Crc64>, settings: &Settings) -> Result<(), String> {
        if self.torn.is_some() {
            return Err("Fatal error: the truncated file is not the last file".to_string());
        }
        match &mut self.reader {
            Reader::Unknown(held) => {
                held.extend_from_slice(bytes);
                if held.len() < 5 && !self.is_ended {
                    return Ok(());
                }
                let held = core::mem::take(held);
                if held.starts_with(b"REDIS") || held.starts_with(b"VALKE") {
                    // An expired key is data here: its DEL may stand in an increment.
                    let mut loader = Loader::new(true, settings);
                    loader.total_bytes = self.sizes.front().map_or(0, |(_, bytes)| *bytes);
                    loader.push(&held);
                    self.reader = Reader::Rdb(Box::new(loader));
                } else {
                    self.scanner.push(&held);
                    self.reader = Reader::Commands;
                }
            }
            Reader::Rdb(loader) => loader.push_summed(bytes, sum),
            Reader::Commands => self.scanner.push(bytes),
        }
        self.has_more = true;
        Ok(())
    }

    fn step_rdb(&mut self, budget: usize, delay: i64, turn: &mut Turn<'_>) -> Result<(), String> {
        let Reader::Rdb(loader) = &mut self.reader else { return Ok(()) };
        let step = loader.step(budget, delay, turn.now, turn.keyspace, &mut Vec::new());
        self.due = if matches!(step, Ok(LoadStep::Early)) { loader.due() } else { Time::START };
        match step {
            Ok(LoadStep::Starved) => self.has_more = false,
            Ok(LoadStep::Ready) => {
                let writer = loader.writer();
                self.used_bytes = writer.used_bytes;
                writer.lines(turn.now).into_iter().for_each(|line| turn.out.log(Level::Notice, line));
            }
            Ok(LoadStep::More | LoadStep::Early) => {}
            Ok(LoadStep::Done) => {
                self.loaded.keys += loader.loaded.keys;
                self.loaded.functions.append(&mut loader.loaded.functions);
                self.place.on_base(&loader.loaded);
                let rest = loader.rest().to_vec();
                let seen = self.part_bytes
                    - rest.len() as u64
                    - self.waiting.as_ref().map_or(0, |(bytes, _)| bytes.len()) as u64;
                self.scanner = Scanner::at(seen);
                self.scanner.push(&rest);
                self.reader = Reader::Commands;
            }
            Err(error) => {
                let name = self.part.as_ref().map_or("", |part| &part.name);
                return Err(format!("Error reading the RDB preamble of the AOF file {name}: {error}"));
            }
        }
        Ok(())
    }

    /// Gives the engine the next whole commands.
    fn step_commands(&mut self, turn: &mut Turn<'_>) -> Result<(), String> {
        let mut buffer = self.framer.lend(SLICE_BYTES, Vec::new);
        self.given_at.clear();
        loop {
            let at = self.scanner.offset();
            match self.scanner.next_record() {
                Ok(Some(Record::Note(note))) => {
                    self.place.on_note(note);
                    let note = note.to_vec();
                    let checked = self.sums.on_note(&note, self.scanner.offset());
                    checked.map_err(|flaw| self.on_flaw(&flaw, turn))?;
                }
                Ok(Some(Record::Command { bytes, name })) => {
                    self.place.on_command(bytes, name);
                    self.sums.on_command(bytes);
                    if name.eq_ignore_ascii_case(b"multi") {
                        self.multi_at = Some(at);
                    } else if name.eq_ignore_ascii_case(b"exec") {
                        self.multi_at = None;
                    }
                    buffer.extend_from_slice(bytes);
                    self.given_at.push(at);
                    if buffer.len() >= SLICE_BYTES {
                        break;
                    }
                }
                Ok(None) => {
                    self.has_more = false;
                    break;
                }
                Err(flaw) => return Err(self.on_flaw(&flaw, turn)),
            }
        }
        if !buffer.is_empty() {
            let mut batch = Batch::default();
            let _memory_of_no_use = self.framer.feed(buffer, &mut batch);
            turn.acts.push(Act::Replay { batch });
        }
        Ok(())
    }

    fn on_flaw(&self, flaw: &Flaw, turn: &mut Turn<'_>) -> String {
        let name = self.part.as_ref().map_or("", |part| &part.name);
        let place = format!("The AOF file {name} makes no sense at byte {}: {}", flaw.offset, flaw.text);
        turn.out.log(Level::Warning, place);
        format!(
            "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
             ./redis-check-aof --fix <filename.manifest>"
        )
    }

    fn end_part(&mut self, turn: &mut Turn<'_>) -> Result<(), String> {
        // A file of less than five bytes.
        if let Reader::Unknown(held) = &mut self.reader
            && !held.is_empty()
        {
            let held = core::mem::take(held);
            self.scanner.push(&held);
            self.reader = Reader::Commands;
            self.has_more = true;
            return Ok(());
        }
        self.close(turn);
        let part = self.part.clone().expect("a file was read");
        let end = match &self.reader {
            Reader::Unknown(_) => None,
            Reader::Rdb(_) => {
                let text = "Unexpected end of file reading the RDB preamble of the AOF file";
                return Err(format!("{text} {}, at byte {}", part.name, self.part_bytes));
            }
            Reader::Commands => {
                let is_torn = self.scanner.unfinished_bytes() > 0 || self.multi_at.is_some();
                is_torn.then(|| self.multi_at.unwrap_or(self.scanner.offset()))
            }
        };
        if let Some((from, len)) = self.sums.open() {
            let name = &part.name;
            let text =
                format!("The last {len} bytes of the AOF file {name}, from byte {from}, have no checksum");
            turn.out.log(Level::Warning, text);
        }
        if let Some(offset) = end {
            return self.note_torn(part, offset, turn);
        }
        let is_base = self.manifest.base.as_ref() == Some(&part);
        let kind = if is_base { "base" } else { "incr" };
        let seconds = turn.now.mono.since(self.part_begun.mono).as_us() as f64 / 1e6;
        if self.part_bytes > 0 {
            let text = format!("DB loaded from {kind} file {}: {seconds:.3} seconds", part.name);
            turn.out.log(Level::Notice, text);
        }
        Ok(())
    }

    /// The file ends within a command or a transaction. Where that is allowed, what follows must be empty.
    fn note_torn(&mut self, part: Part, offset: u64, turn: &mut Turn<'_>) -> Result<(), String> {
        let name = &part.name;
        if self.multi_at.is_some() {
            let text = format!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
            turn.out.log(Level::Warning, text);
        }
        if !self.settings.loads_truncated {
            let bytes = self.part_bytes;
            let text = format!(
                "The AOF file {name} ends at byte {bytes}; what begins at byte {offset} is not whole"
            );
            turn.out.log(Level::Warning, text);
            return Err(format!(
                "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, \
                 then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
                 'aof-load-truncated' configuration option to yes and restart the server."
            ));
        }
        let lost = self.part_bytes - offset;
        for text in [
            format!("!!! Warning: short read while loading the AOF file {name}!!!"),
            format!(
                "AOF loaded anyway because aof-load-truncated is enabled: {lost} bytes at its end are dropped"
            ),
            format!("Truncating the AOF {name} at offset {offset}"),
        ] {
            turn.out.log(Level::Warning, text);
        }
        self.part_bytes = offset;
        self.torn = Some((part, offset));
        Ok(())
    }
}

fn read(file: FileId, bytes_max: usize, is_summed: bool, turn: &mut Turn<'_>) {
    turn.out.put(Output::Disk(DiskOp::Read { file, bytes_max, is_summed }));
}

fn no_file(name: &str) -> String {
    format!("Fatal error: can't open the append log file {name} for reading: No such file or directory")
}
