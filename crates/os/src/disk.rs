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
//! A lane is a thread, started by its first operation, so a small file never waits behind a snapshot. All
//! operations on one `FileId` are in one lane, in order.
//!
//! Invariant: a file that failed once stays failed: every later answered step on it reports that first error.
//! Otherwise an append after a lost one would leave a hole, and `Commit` would give it a final name.

use crate::syscalls::{self, DiskStep, Syscalls};
use machine::{Disk, DiskError, DiskFault, DiskOp, FileId, Input, WriteId};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What helper threads have finished, with the wake of the loop. `T` is a completion.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    done: Mutex<Vec<T>>,
    wake: OwnedFd,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> io::Result<Mailbox<T>> {
        Ok(Mailbox { done: Mutex::new(Vec::new()), wake: syscalls::event_counter()? })
    }

    /// The descriptor that becomes readable when something is there.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(crate) fn put(&self, done: T) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        syscalls::event_add(self.wake.as_fd());
    }

    /// Moves everything that is there to the end of `to`.
    pub(crate) fn take(&self, to: &mut Vec<T>) {
        syscalls::event_take(self.wake.as_fd());
        to.append(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

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

/// The extended files that are open, for the lane that syncs beside.
type Logs = Arc<Mutex<HashMap<FileId, (Arc<File>, PathBuf)>>>;

type Job = (Arc<PathBuf>, DiskOp);

/// The lanes, as the loop sees them.
#[derive(Debug)]
pub(crate) struct Disks {
    sys: Syscalls,
    dir: Arc<PathBuf>,
    mailbox: Arc<Mailbox<Input>>,
    lanes: [Option<(Sender<Job>, JoinHandle<()>)>; LANES.len()],
    /// Which files are extended: their operations have a lane of their own.
    extended: HashSet<FileId>,
    logs: Logs,
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

    /// Hands an operation to its lane.
    pub(crate) fn submit(&mut self, op: DiskOp) {
        if let DiskOp::Extend { file, .. } = &op {
            self.extended.insert(*file);
        }
        let lane = match &op {
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
        };
        if let DiskOp::Close { file } = &op {
            self.extended.remove(file);
        }
        let place = &mut self.lanes[lane as usize];
        let (sender, _) = place.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            let worker = Worker {
                sys: self.sys.clone(),
                mailbox: Arc::clone(&self.mailbox),
                files: HashMap::new(),
                logs: Arc::clone(&self.logs),
            };
            let thread = std::thread::Builder::new().name(LANES[lane as usize].1.into());
            // A process that can not start a thread can not keep a promise about its files.
            let thread = thread.spawn(move || worker.run(&receiver)).expect("the system starts a thread");
            (sender, thread)
        });
        // The worker lives as long as its sender.
        sender.send((Arc::clone(&self.dir), op)).expect("a lane ends after its sender");
    }

    /// Ends the lanes after everything that was submitted; false if they did not end within `wait`.
    pub(crate) fn finish(mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let threads: Vec<JoinHandle<()>> =
            self.lanes.iter_mut().filter_map(|lane| lane.take().map(|(_, thread)| thread)).collect();
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
struct Held {
    /// None once it failed.
    file: Option<File>,
    path: PathBuf,
    failure: Option<DiskError>,
    /// Of an extended file: its length without what a failed append may have left.
    good_bytes: Option<u64>,
}

impl Held {
    /// Appends all of `bytes` to an extended file, or nothing: the file stays good where that succeeds.
    fn extend(&mut self, sys: &Syscalls, bytes: &[u8]) -> Result<(), DiskError> {
        let good_bytes = self.good_bytes.unwrap_or_default();
        let (mut failed, path) = (None, self.path.clone());
        let result = self.step(|file| {
            failed = append(sys, file, bytes).err();
            if failed.is_some() { file.set_len(good_bytes) } else { Ok(()) }
        });
        if let Some(error) = failed {
            return result.and_then(|()| Err(disk_error(&path, &error)));
        }
        if result.is_ok() {
            self.good_bytes = Some(good_bytes + bytes.len() as u64);
        }
        result
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
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok((dir, op)) = jobs.recv() {
            self.carry_out(&dir, op);
        }
    }

    fn answer(&self, write: WriteId, result: Result<(), DiskError>) {
        self.mailbox.put(Input::Disk(Disk { write, result }));
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
                let result = match self.files.get_mut(&file) {
                    Some(held) if held.good_bytes.is_some() => held.extend(&sys, bytes.as_slice()),
                    _ => self.step(file, |file| append(&sys, file, bytes.as_slice())),
                };
                self.answer(write, result);
            }
            DiskOp::Sync { file, write } => {
                let is_log = self.files.get(&file).is_some_and(|held| held.good_bytes.is_some());
                let result =
                    self.step(file, |file| if is_log { sync_data(&sys, file) } else { sync(&sys, file) });
                self.answer(write, result);
            }
            DiskOp::SyncBeside { file, write } => {
                let log = self.logs.lock().unwrap_or_else(PoisonError::into_inner).get(&file).cloned();
                let result = match log {
                    Some((file, path)) => named(&path, sync_data(&sys, &file)),
                    None => Err(not_open(file)),
                };
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
            DiskOp::Read { file, bytes_max } => self.read(file, bytes_max),
            DiskOp::Measure { file } => self.measure(file),
            DiskOp::Close { file } => {
                self.files.remove(&file);
                self.logs.lock().unwrap_or_else(PoisonError::into_inner).remove(&file);
            }
            DiskOp::Remove { write, path } => {
                let result = within(dir, &path).and_then(|path| named(&path, remove(&sys, &path)));
                self.answer(write, result);
            }
        }
    }

    fn read(&mut self, file: FileId, bytes_max: usize) {
        let sys = self.sys.clone();
        let result = self.step(file, |file| {
            sys.disk_gate(DiskStep::Read)?;
            let mut bytes = Vec::new();
            file.take(bytes_max as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        self.mailbox.put(Input::FileRead { file, result });
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

    fn extend(&mut self, id: FileId, dir: &Path, path: &str, is_new: bool) {
        let opened = within(dir, path).and_then(|path| {
            named(&path, extended(&self.sys, dir, &path, is_new)).map(|found| (path, found))
        });
        let held = match opened {
            Ok((path, (file, shared, good_bytes))) => {
                let log = (Arc::new(shared), path.clone());
                self.logs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, log);
                Held { file: Some(file), path, failure: None, good_bytes: Some(good_bytes) }
            }
            Err(failure) => {
                Held { file: None, path: PathBuf::from(path), failure: Some(failure), good_bytes: Some(0) }
            }
        };
        self.files.insert(id, held);
    }

    fn open(&mut self, id: FileId, dir: &Path, path: &str, create: bool) {
        let held = match within(dir, path) {
            Err(failure) => {
                Held { file: None, path: PathBuf::from(path), failure: Some(failure), good_bytes: None }
            }
            Ok(path) => {
                let opened = self.sys.disk_gate(DiskStep::Open).and_then(|()| match create {
                    true => OpenOptions::new().write(true).create(true).truncate(true).open(&path),
                    false => File::open(&path),
                });
                match opened {
                    Ok(file) => Held { file: Some(file), path, failure: None, good_bytes: None },
                    Err(error) => {
                        Held { file: None, failure: Some(disk_error(&path, &error)), path, good_bytes: None }
                    }
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

/// An extended file, once more for the lane that syncs it, and its length.
fn extended(sys: &Syscalls, dir: &Path, path: &Path, is_new: bool) -> io::Result<(File, File, u64)> {
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
    let (shared, good_bytes) = (file.try_clone()?, file.metadata()?.len());
    Ok((file, shared, good_bytes))
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
