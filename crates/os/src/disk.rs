//! Disk: helper threads that carry out disk operations in order and answer with inputs.
//!
//! ```text
//!   loop --operation--> lane "replace"  small files that are replaced whole (votes wait for them)
//!                       lane "append"   files that grow; removals
//!                       lane "read"     files that are read
//!                       lane "log"      files that are extended for good: the append-only file
//!                       lane "sync"     the log's syncs that its appends do not wait for
//!        <--completion, wake-- each
//! ```
//!
//! A lane is a thread (the log's are two) with a queue (`jobs.rs`), started by its first operation, so a small file never waits
//! behind a snapshot. All
//! operations on one `FileId` are in one lane, in order. One exception: what is only to reach the kernel's memory, at the
//! end of a log whose lanes are idle, is written by the loop itself.
//!
//! Invariant: a file that failed once stays failed: every later answered step on it reports that first error.
//! Otherwise an append after a lost one would leave a hole, and `Commit` would give it a final name.

use crate::jobs::{JobTurn, Jobs};
use crate::locked;
use crate::mailbox::Mailbox;
use crate::syscalls::{self, DiskStep, Syscalls};
use base::crc64::Crc64;
use machine::{Disk, DiskError, DiskFault, DiskOp, FileId, Input, WriteId};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Replace,
    Append,
    Read,
    Log,
    Sync,
}

const LANES: [(Lane, &str); 5] = [
    (Lane::Replace, "disk-replace"),
    (Lane::Append, "disk-append"),
    (Lane::Read, "disk-read"),
    (Lane::Log, "disk-log"),
    (Lane::Sync, "disk-sync"),
];

/// 256 KiB: no more is appended on the loop itself.
const DIRECT_BYTES_MAX: usize = 256 << 10;
/// 4 ms: a direct append that took longer shows that the system makes writers wait.
const DIRECT_TIME_MAX: Duration = Duration::from_millis(4);
/// 1 s: so long nothing is appended on the loop after that.
const DIRECT_REST: Duration = Duration::from_secs(1);

/// 1 MiB: so much room is made for a read before it is known how much there is.
const READ_BYTES_MAX: usize = 1 << 20;

/// 2: threads of the lane "log": one appends, while the other waits for the sync of what was appended before.
const LOG_THREADS: usize = 2;

/// 0.1 ms: slices of the threads that sync, about the time that a sync computes. With the usual ones such a thread would wait
/// for a busy loop on the same core: to begin, and to see that the disk is done.
const SLICE_NS: u64 = 100_000;

/// An extended file that is open: for its lane, for the lane that syncs beside, and for direct appends.
#[derive(Clone, Debug)]
struct Log {
    held: Arc<Mutex<Held>>,
    /// Once more, for each thread that syncs, the last for the lane beside; empty where it could not be opened. Each is
    /// opened on its own, at the beginning: the kernel reports a failure of writing back once to each open file, so that
    /// none of them hears of success after a failure that only another one was told of.
    syncers: Arc<Vec<File>>,
}

impl Log {
    /// A failed sync fails the file.
    fn sync(&self, sys: &Syscalls, syncer: usize) -> Result<(), DiskError> {
        let Some(file) = self.syncers.get(syncer) else { return locked(&self.held).step(|_| Ok(())) };
        if let Some(failure) = &locked(&self.held).failure {
            return Err(failure.clone());
        }
        let result = sync_data(sys, file);
        result.map_err(|error| locked(&self.held).fail(&error))
    }
}

#[derive(Debug, Default)]
struct LogTable {
    open: HashMap<FileId, Log>,
    /// Closed files with a torn append at their end that could not be cut off, and their length without it.
    torn: HashMap<PathBuf, u64>,
}

type Logs = Arc<Mutex<LogTable>>;

/// Operations that are answered together, with one wake: an append and its sync.
#[derive(Debug)]
struct Job {
    dir: Arc<PathBuf>,
    op: DiskOp,
    then: Option<DiskOp>,
}

/// A lane, as the loop sees it.
#[derive(Debug)]
struct LaneEnd {
    jobs: Arc<Jobs<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Jobs that have not ended.
    open: Arc<AtomicUsize>,
}

impl Drop for LaneEnd {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

/// The lanes, as the loop sees them.
#[derive(Debug)]
pub(crate) struct Disks {
    sys: Syscalls,
    dir: Arc<PathBuf>,
    mailbox: Arc<Mailbox<Input>>,
    lanes: [Option<LaneEnd>; LANES.len()],
    /// Which files are extended: their operations have a lane of their own.
    extended: HashSet<FileId>,
    logs: Logs,
    /// An append to an extended file, until it is known whether its sync follows.
    append: Option<DiskOp>,
    /// Answers of direct appends.
    done: Vec<Input>,
    /// No direct appends until then.
    rests_until: Option<Instant>,
}

impl Disks {
    pub(crate) fn new(sys: Syscalls, dir: PathBuf, mailbox: Arc<Mailbox<Input>>) -> Disks {
        Disks {
            sys,
            dir: Arc::new(dir),
            mailbox,
            lanes: [const { None }; LANES.len()],
            extended: HashSet::new(),
            logs: Logs::default(),
            append: None,
            done: Vec::new(),
            rests_until: None,
        }
    }

    /// The data directory of operations from now on.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data directory for operations from now on.
    pub(crate) fn set_dir(&mut self, dir: PathBuf) {
        self.dir = Arc::new(dir);
    }

    /// Takes an operation. What became of it shows after `settle` at the latest.
    pub(crate) fn submit(&mut self, op: DiskOp) {
        if let Some(append) = self.append.take() {
            match (&append, &op) {
                (DiskOp::Append { file, .. }, DiskOp::Sync { file: synced, .. }) if file == synced => {
                    return self.hand_over(append, Some(op));
                }
                _ => self.append(append),
            }
        }
        match &op {
            DiskOp::Append { file, .. } if self.extended.contains(file) => self.append = Some(op),
            _ => self.hand_over(op, None),
        }
    }

    /// True when `settle` has something to do.
    pub(crate) fn has_answers(&self) -> bool {
        self.append.is_some() || !self.done.is_empty()
    }

    /// The end of a turn's operations: answers that are there already, of appends that no lane was needed for.
    pub(crate) fn settle(&mut self) -> Vec<Input> {
        if let Some(append) = self.append.take() {
            self.append(append);
        }
        std::mem::take(&mut self.done)
    }

    /// An append without a sync behind it ends in the kernel's memory. It is carried out here and now: a thread's wake
    /// costs more than that. The exceptions are all cases in which the kernel is known to make a writer wait: a sync is
    /// under way, others are before it, it is big, or the last one took its time.
    fn append(&mut self, op: DiskOp) {
        let DiskOp::Append { file, write, bytes } = &op else { return self.hand_over(op, None) };
        let is_free = |lane: Lane| {
            self.lanes[lane as usize].as_ref().is_none_or(|lane| lane.open.load(Ordering::Acquire) == 0)
        };
        let is_direct = bytes.len() <= DIRECT_BYTES_MAX && is_free(Lane::Log) && is_free(Lane::Sync);
        if !is_direct || self.rests_until.is_some_and(|until| Instant::now() < until) {
            return self.hand_over(op, None);
        }
        let Some(log) = locked(&self.logs).open.get(file).cloned() else { return self.hand_over(op, None) };
        let begun = Instant::now();
        let result = locked(&log.held).extend(&self.sys, bytes.as_slice());
        let ended = Instant::now();
        self.rests_until = (ended - begun > DIRECT_TIME_MAX).then(|| ended + DIRECT_REST);
        self.done.push(Input::Disk(Disk { write: *write, result }));
    }

    /// Hands an operation to its lane, with one that is answered together with it.
    fn hand_over(&mut self, op: DiskOp, then: Option<DiskOp>) {
        if let DiskOp::Extend { file, .. } = &op {
            self.extended.insert(*file);
        }
        let lane = self.lane_of(&op);
        if let DiskOp::Close { file } = &op {
            self.extended.remove(file);
        }
        let place = &mut self.lanes[lane as usize];
        let end = place.get_or_insert_with(|| LaneEnd {
            jobs: Arc::new(Jobs::new()),
            threads: Vec::new(),
            open: Arc::default(),
        });
        let before = end.open.fetch_add(1, Ordering::Relaxed);
        let threads_max = if lane == Lane::Log && then.is_some() { LOG_THREADS } else { 1 };
        if end.threads.len() < threads_max.min(before + 1) {
            let worker = Worker {
                sys: self.sys.clone(),
                mailbox: Arc::clone(&self.mailbox),
                files: HashMap::new(),
                logs: Arc::clone(&self.logs),
                open: Arc::clone(&end.open),
                syncer: end.threads.len(),
                is_brief: matches!(lane, Lane::Log | Lane::Sync),
            };
            let jobs = Arc::clone(&end.jobs);
            let thread = std::thread::Builder::new().name(LANES[lane as usize].1.into());
            // A process that can not start a thread can not keep a promise about its files.
            end.threads.push(thread.spawn(move || worker.run(&jobs)).expect("the system starts a thread"));
        }
        end.jobs.push(Job { dir: Arc::clone(&self.dir), op, then });
    }

    fn lane_of(&self, op: &DiskOp) -> Lane {
        match op {
            DiskOp::Append { file, .. } | DiskOp::Sync { file, .. } | DiskOp::Close { file }
                if self.extended.contains(file) =>
            {
                Lane::Log
            }
            DiskOp::Extend { .. } | DiskOp::Truncate { .. } | DiskOp::Rename { .. } => Lane::Log,
            DiskOp::SyncBeside { .. } => Lane::Sync,
            DiskOp::Replace { .. } => Lane::Replace,
            DiskOp::Open { .. } | DiskOp::Measure { .. } | DiskOp::Read { .. } | DiskOp::Close { .. } => {
                Lane::Read
            }
            DiskOp::Create { .. }
            | DiskOp::Append { .. }
            | DiskOp::Sync { .. }
            | DiskOp::Commit { .. }
            | DiskOp::Abandon { .. }
            | DiskOp::Remove { .. } => Lane::Append,
        }
    }

    /// Ends the lanes after everything that was submitted; false if they did not end within `wait`.
    pub(crate) fn finish(mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        self.settle().into_iter().for_each(|done| self.mailbox.put(done));
        let threads: Vec<JoinHandle<()>> =
            self.lanes.iter_mut().flatten().flat_map(|lane| std::mem::take(&mut lane.threads)).collect();
        self.lanes.iter_mut().for_each(|lane| *lane = None);
        while threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// A file of a lane.
#[derive(Debug)]
struct Held {
    /// None once it failed.
    file: Option<File>,
    path: PathBuf,
    failure: Option<DiskError>,
    /// Of an extended file: its length without what a failed append may have left.
    good_bytes: Option<u64>,
    /// What a failed append has left is still there.
    is_torn: bool,
}

impl Held {
    /// Keeps the first failure.
    fn fail(&mut self, error: &io::Error) -> DiskError {
        self.failure.get_or_insert_with(|| disk_error(&self.path, error)).clone()
    }

    /// Appends all of `bytes` to an extended file, or nothing. Nothing follows an append that failed.
    fn extend(&mut self, sys: &Syscalls, bytes: &[u8]) -> Result<(), DiskError> {
        let good_bytes = self.good_bytes.unwrap_or_default();
        let mut is_torn = false;
        let appended = self.step(|file| {
            let appended = append(sys, file, bytes);
            is_torn = appended.is_err() && file.set_len(good_bytes).is_err();
            appended
        });
        self.is_torn |= is_torn;
        appended?;
        self.good_bytes = Some(good_bytes + bytes.len() as u64);
        Ok(())
    }

    /// Runs `step` unless the file failed before; keeps the first failure.
    fn step<T>(&mut self, step: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, DiskError> {
        if let (Some(file), None) = (&mut self.file, &self.failure) {
            match step(file) {
                Ok(value) => return Ok(value),
                Err(error) => self.failure = Some(disk_error(&self.path, &error)),
            }
        }
        let closed = || disk_error(&self.path, &io::Error::other("the file is not open"));
        Err(self.failure.clone().unwrap_or_else(closed))
    }
}

struct Worker {
    sys: Syscalls,
    mailbox: Arc<Mailbox<Input>>,
    files: HashMap<FileId, Held>,
    logs: Logs,
    open: Arc<AtomicUsize>,
    /// Which of a log's syncers is this thread's.
    syncer: usize,
    /// Its jobs are waits more than work.
    is_brief: bool,
}

impl Worker {
    fn run(mut self, jobs: &Jobs<Job>) {
        if self.is_brief {
            syscalls::prefer_short_slices(SLICE_NS);
        }
        // Appends happen in order, whichever thread makes them.
        while let Some((Job { dir, op, then }, turn)) = jobs.next() {
            match then {
                None => {
                    self.carry_out(&dir, op);
                    drop(turn);
                }
                Some(sync) => self.append_and_sync(op, sync, turn),
            }
            self.open.fetch_sub(1, Ordering::Release);
        }
    }

    fn answer(&self, write: WriteId, result: Result<(), DiskError>) {
        self.mailbox.put(Input::Disk(Disk { write, result }));
    }

    /// The turn ends before the sync begins. The loop is woken once, for both.
    fn append_and_sync(&self, append: DiskOp, sync: DiskOp, turn: JobTurn<'_, Job>) {
        let (DiskOp::Append { file, write, bytes }, DiskOp::Sync { write: sync, .. }) = (append, sync) else {
            unreachable!("an append goes with its sync");
        };
        let log = self.log(file).ok_or_else(|| not_open(file));
        let appended = log.clone().and_then(|log| locked(&log.held).extend(&self.sys, bytes.as_slice()));
        drop((turn, bytes));
        let synced = appended.clone().and(log).and_then(|log| log.sync(&self.sys, self.syncer));
        let answer = |write, result| Input::Disk(Disk { write, result });
        self.mailbox.put_all(vec![answer(write, appended), answer(sync, synced)]);
    }

    fn log(&self, file: FileId) -> Option<Log> {
        locked(&self.logs).open.get(&file).cloned()
    }

    fn carry_out(&mut self, dir: &Path, op: DiskOp) {
        let sys = self.sys.clone();
        match op {
            DiskOp::Replace { write, path, bytes } => {
                let result = within(dir, &path).and_then(|path| {
                    named(&path, make_parent(dir, &path).and_then(|()| replace(&sys, &path, &bytes)))
                });
                self.answer(write, result);
            }
            DiskOp::Create { file, path } => self.open(file, dir, &path, true),
            DiskOp::Open { file, path } => self.open(file, dir, &path, false),
            DiskOp::Extend { file, path, is_new } => self.extend(file, dir, &path, is_new),
            DiskOp::Append { file, write, bytes } => {
                let result = match self.log(file) {
                    Some(log) => locked(&log.held).extend(&sys, bytes.as_slice()),
                    None => self.step(file, |file| append(&sys, file, bytes.as_slice())),
                };
                self.answer(write, result);
            }
            DiskOp::Sync { file, write } => {
                let result = match self.log(file) {
                    Some(log) => log.sync(&sys, self.syncer),
                    None => self.step(file, |file| sync(&sys, file)),
                };
                self.answer(write, result);
            }
            DiskOp::SyncBeside { file, write } => {
                let log = self.log(file).ok_or_else(|| not_open(file));
                let result = log.and_then(|log| log.sync(&sys, LOG_THREADS));
                self.answer(write, result);
            }
            DiskOp::Truncate { write, path, bytes } => {
                let result = within(dir, &path).and_then(|path| named(&path, truncate(&sys, &path, bytes)));
                self.answer(write, result);
            }
            DiskOp::Rename { write, path, to } => {
                let result = within(dir, &path).and_then(|path| {
                    let to = within(dir, &to)?;
                    named(&path, make_parent(dir, &to).and_then(|()| rename(&sys, &path, &to)))
                });
                self.answer(write, result);
            }
            DiskOp::Commit { file, write, path } => {
                let result = within(dir, &path).and_then(|path| {
                    named(&path, make_parent(dir, &path))?;
                    self.commit(file, &path)
                });
                self.answer(write, result);
            }
            DiskOp::Abandon { file } => {
                if let Some(held) = self.files.remove(&file) {
                    // Nothing waits for it, and a file that is left over is replaced by the next one.
                    let _ = fs::remove_file(&held.path);
                }
            }
            DiskOp::Read { file, bytes_max, is_summed } => self.read(file, bytes_max, is_summed),
            DiskOp::Measure { file } => self.measure(file),
            DiskOp::Close { file } => {
                self.files.remove(&file);
                self.close_log(file);
            }
            DiskOp::Remove { write, path } => {
                let result = within(dir, &path).and_then(|path| named(&path, remove(&sys, &path)));
                self.answer(write, result);
            }
        }
    }

    fn close_log(&self, file: FileId) {
        let mut logs = locked(&self.logs);
        let Some(log) = logs.open.remove(&file) else { return };
        let held = locked(&log.held);
        if let Some(good_bytes) = held.good_bytes.filter(|_| held.is_torn) {
            logs.torn.insert(held.path.clone(), good_bytes);
        }
    }

    fn read(&mut self, file: FileId, bytes_max: usize, is_summed: bool) {
        let sys = self.sys.clone();
        let result = self.step(file, |file| {
            sys.disk_gate(DiskStep::Read)?;
            let mut bytes = Vec::with_capacity(bytes_max.min(READ_BYTES_MAX));
            file.take(bytes_max as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let sum = result.as_ref().ok().filter(|_| is_summed).map(|bytes| {
            let mut sum = Crc64::new();
            sum.update(bytes);
            sum
        });
        self.mailbox.put(Input::FileRead { file, result, sum });
    }

    /// A file that is not open says so at the first read.
    fn measure(&self, file: FileId) {
        let held = self.files.get(&file).and_then(|held| held.file.as_ref());
        if let Some(Ok(about)) = held.map(File::metadata) {
            self.mailbox.put(Input::FileSize { file, bytes: about.len() });
        }
    }

    fn step<T>(
        &mut self,
        file: FileId,
        step: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        match self.files.get_mut(&file) {
            Some(held) => held.step(step),
            None => Err(not_open(file)),
        }
    }

    fn extend(&self, id: FileId, dir: &Path, path: &str, is_new: bool) {
        let opened = within(dir, path).and_then(|path| {
            named(&path, self.mend(&path))?;
            named(&path, extended(&self.sys, dir, &path, is_new)).map(|found| (path, found))
        });
        let (held, syncers) = match opened {
            Ok((path, (file, syncers, good_bytes))) => (
                Held { file: Some(file), path, failure: None, good_bytes: Some(good_bytes), is_torn: false },
                syncers,
            ),
            Err(failure) => {
                let path = PathBuf::from(path);
                (
                    Held { file: None, path, failure: Some(failure), good_bytes: Some(0), is_torn: false },
                    Vec::new(),
                )
            }
        };
        let log = Log { held: Arc::new(Mutex::new(held)), syncers: Arc::new(syncers) };
        locked(&self.logs).open.insert(id, log);
    }

    /// Cuts off what a failed append has left.
    fn mend(&self, path: &Path) -> io::Result<()> {
        let Some(good_bytes) = locked(&self.logs).torn.get(path).copied() else { return Ok(()) };
        OpenOptions::new().write(true).open(path)?.set_len(good_bytes)?;
        locked(&self.logs).torn.remove(path);
        Ok(())
    }

    fn open(&mut self, id: FileId, dir: &Path, path: &str, create: bool) {
        let held = match within(dir, path) {
            Err(failure) => Held {
                file: None,
                path: PathBuf::from(path),
                failure: Some(failure),
                good_bytes: None,
                is_torn: false,
            },
            Ok(path) => {
                let opened = self.sys.disk_gate(DiskStep::Open).and_then(|()| match create {
                    true => OpenOptions::new().write(true).create(true).truncate(true).open(&path),
                    false => File::open(&path),
                });
                match opened {
                    Ok(file) => {
                        Held { file: Some(file), path, failure: None, good_bytes: None, is_torn: false }
                    }
                    Err(error) => Held {
                        file: None,
                        failure: Some(disk_error(&path, &error)),
                        path,
                        good_bytes: None,
                        is_torn: false,
                    },
                }
            }
        };
        self.files.insert(id, held);
    }

    /// A commit that fails leaves the file open, for `Abandon`.
    fn commit(&mut self, id: FileId, to: &Path) -> Result<(), DiskError> {
        let sys = self.sys.clone();
        let from = self.files.get(&id).map(|held| held.path.clone()).unwrap_or_default();
        self.step(id, |file| {
            sync(&sys, file)?;
            rename(&sys, &from, to)
        })?;
        self.files.remove(&id);
        Ok(())
    }
}

/// An extended file, once more for each thread that syncs it, and its length.
fn extended(sys: &Syscalls, dir: &Path, path: &Path, is_new: bool) -> io::Result<(File, Vec<File>, u64)> {
    sys.disk_gate(DiskStep::Open)?;
    make_parent(dir, path)?;
    let was_there = path.exists();
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    if is_new {
        file.set_len(0)?;
    }
    if !was_there {
        sync_parent(sys, path)?;
    }
    let syncers = (0..=LOG_THREADS).map(|_| OpenOptions::new().append(true).open(path));
    let syncers = syncers.collect::<io::Result<Vec<File>>>()?;
    let good_bytes = file.metadata()?.len();
    Ok((file, syncers, good_bytes))
}

/// Makes the directory of a file, which is durable before anything in it is.
fn make_parent(dir: &Path, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| *parent != dir && !parent.is_dir()) else {
        return Ok(());
    };
    fs::create_dir_all(parent)?;
    File::open(dir)?.sync_all()
}

fn append(sys: &Syscalls, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    sys.disk_gate(DiskStep::Write)?;
    file.write_all(bytes)
}

fn sync(sys: &Syscalls, file: &File) -> io::Result<()> {
    sys.disk_gate(DiskStep::Sync)?;
    file.sync_all()
}

/// As the originals do for their logs: the length counts as data, times do not.
fn sync_data(sys: &Syscalls, file: &File) -> io::Result<()> {
    sys.disk_gate(DiskStep::Sync)?;
    file.sync_data()
}

fn truncate(sys: &Syscalls, path: &Path, bytes: u64) -> io::Result<()> {
    sys.disk_gate(DiskStep::Write)?;
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    sync(sys, &file)
}

fn rename(sys: &Syscalls, from: &Path, to: &Path) -> io::Result<()> {
    sys.disk_gate(DiskStep::Rename)?;
    fs::rename(from, to)?;
    sync_parent(sys, to)
}

/// Makes the directory's entry durable.
fn sync_parent(sys: &Syscalls, path: &Path) -> io::Result<()> {
    sys.disk_gate(DiskStep::Sync)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// The temporary name is fixed, so a crash leaves one file at most, which the next replacement takes.
fn replace(sys: &Syscalls, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    sys.disk_gate(DiskStep::Open)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
    append(sys, &mut file, bytes)?;
    sync(sys, &file)?;
    rename(sys, &temporary, path)
}

fn remove(sys: &Syscalls, path: &Path) -> io::Result<()> {
    sys.disk_gate(DiskStep::Rename)?;
    match fs::remove_file(path) {
        Ok(()) => sync_parent(sys, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The place of `path` in the data directory; a path that would lead out of it is refused.
fn within(dir: &Path, path: &str) -> Result<PathBuf, DiskError> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if inside && !path.is_empty() {
        return Ok(dir.join(path));
    }
    let text = format!("{path}: not a path within the data directory");
    Err(DiskError { fault: DiskFault::Other, text })
}

fn named<T>(path: &Path, result: io::Result<T>) -> Result<T, DiskError> {
    result.map_err(|error| disk_error(path, &error))
}

fn not_open(file: FileId) -> DiskError {
    DiskError { fault: DiskFault::Other, text: format!("file {} is not open", file.0) }
}

fn disk_error(path: &Path, error: &io::Error) -> DiskError {
    let fault = match error.kind() {
        io::ErrorKind::NotFound => DiskFault::Missing,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskFault::Full,
        _ => DiskFault::Other,
    };
    DiskError { fault, text: format!("{}: {error}", path.display()) }
}
