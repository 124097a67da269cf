//! Disk: one host's files, with what a crash does to them.
//!
//! ```text
//!   machine --DiskOp--> pending --(delay)--> done: durable, answered
//!                          \---death---> the first of them, by chance how many, have happened
//! ```
//!
//! A killed process leaves what the kernel has; a loss of power leaves what is durable. A full disk fails what needs
//! room, until it has some again.
//!
//! A mutation for the checkers: a *lying* disk reports a replaced file as durable at once and writes it
//! later; a loss of power in between loses what was promised. The product has no switch for that: the world lies.

use base::Random;
use base::crc64::Crc64;
use machine::{Disk as DiskDone, DiskError, DiskFault, DiskOp, FileId, Input, WriteId};
use std::collections::BTreeMap;

/// One host's disk.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    /// Files that are being written or read: name, content so far, read position.
    open: BTreeMap<FileId, Open>,
    /// Replacements that a lying disk reported and has not made.
    lies: Vec<(String, Vec<u8>)>,
    /// Reports replacements before they are durable.
    pub is_lying: bool,
    /// No room: everything that writes fails.
    pub is_full: bool,
}

#[derive(Debug)]
struct Open {
    path: String,
    content: Vec<u8>,
    position: usize,
    is_missing: bool,
    /// It is appended to: who opens it by its name finds what is there so far.
    is_written: bool,
    /// An append or a sync failed: what is there is not the whole.
    is_damaged: bool,
    /// It is extended: an append happens whole or not at all.
    is_log: bool,
}

impl Open {
    fn new(path: String, found: Option<Vec<u8>>) -> Open {
        Open {
            path,
            is_missing: found.is_none(),
            content: found.unwrap_or_default(),
            position: 0,
            is_written: false,
            is_damaged: false,
            is_log: false,
        }
    }
}

impl Disk {
    /// Carries an operation out, at the time when it is durable; the machine's answer, if there is one.
    pub fn carry_out(&mut self, op: DiskOp) -> Option<Input> {
        match op {
            DiskOp::Replace { write, .. } if self.is_full => Some(failed(write, DiskFault::Full)),
            DiskOp::Append { file, write, .. } | DiskOp::Sync { file, write } if self.is_full => {
                if let Some(open) = self.open.get_mut(&file) {
                    open.is_damaged = true;
                }
                Some(failed(write, DiskFault::Full))
            }
            DiskOp::Commit { file, write, .. } if self.is_full => {
                self.open.remove(&file);
                Some(failed(write, DiskFault::Full))
            }
            DiskOp::Replace { write, path, bytes } => {
                if self.is_lying {
                    self.lies.push((path, bytes));
                } else {
                    self.files.insert(path, bytes);
                }
                done(write)
            }
            DiskOp::Create { file, path } => {
                self.open.insert(file, Open { is_written: true, ..Open::new(path, Some(Vec::new())) });
                None
            }
            DiskOp::Extend { file, path, is_new } => self.extend(file, path, is_new),
            DiskOp::Truncate { write, .. } | DiskOp::Rename { write, .. } if self.is_full => {
                Some(failed(write, DiskFault::Full))
            }
            DiskOp::Truncate { write, path, bytes } => self.truncate(write, &path, bytes),
            DiskOp::Rename { write, path, to } => self.rename(write, &path, to),
            DiskOp::Append { file, write, bytes } => self.append(file, write, bytes.as_slice()),
            DiskOp::Sync { file, write } | DiskOp::SyncBeside { file, write } => match self.open.get(&file) {
                Some(open) => {
                    self.files.insert(open.path.clone(), open.content.clone());
                    done(write)
                }
                None => Some(failed(write, DiskFault::Other)),
            },
            DiskOp::Commit { file, write, path } => match self.open.remove(&file) {
                Some(open) if !open.is_damaged => {
                    self.files.remove(&open.path);
                    self.files.insert(path, open.content);
                    done(write)
                }
                Some(_) | None => Some(failed(write, DiskFault::Other)),
            },
            DiskOp::Abandon { file } => {
                if let Some(open) = self.open.remove(&file) {
                    self.files.remove(&open.path);
                }
                None
            }
            DiskOp::Open { file, path } => {
                let found = self.read_through_lies(&path);
                self.open.insert(file, Open::new(path, found));
                None
            }
            DiskOp::Measure { file } => self.measure(file),
            DiskOp::Read { file, bytes_max, is_summed } => Some(self.read(file, bytes_max, is_summed)),
            DiskOp::Close { file } => self.close(file),
            DiskOp::Remove { write, path } => {
                self.files.remove(&path);
                done(write)
            }
        }
    }

    fn append(&mut self, file: FileId, write: WriteId, bytes: &[u8]) -> Option<Input> {
        match self.open.get_mut(&file) {
            // Nothing follows an append that failed.
            Some(open) if open.is_log && open.is_damaged => Some(failed(write, DiskFault::Full)),
            Some(open) => {
                open.content.extend_from_slice(bytes);
                let path = open.path.clone();
                // Whoever reads the same file sees it grow.
                let is_reader = |open: &&mut Open| !open.is_written && !open.is_log && open.path == path;
                for reader in self.open.values_mut().filter(is_reader) {
                    reader.content.extend_from_slice(bytes);
                }
                done(write)
            }
            None => Some(failed(write, DiskFault::Other)),
        }
    }

    fn extend(&mut self, file: FileId, path: String, is_new: bool) -> Option<Input> {
        let found = self.read_through_lies(&path).filter(|_| !is_new).unwrap_or_default();
        // The name of a new file is no more durable than what is in it: operations on other files may overtake this one.
        if is_new && let Some(content) = self.files.get_mut(&path) {
            content.clear();
        }
        self.open.retain(|_, open| !open.is_log || open.path != path);
        self.open.insert(file, Open { is_log: true, ..Open::new(path, Some(found)) });
        None
    }

    fn truncate(&mut self, write: WriteId, path: &str, bytes: u64) -> Option<Input> {
        let Some(content) = self.files.get_mut(path) else { return Some(failed(write, DiskFault::Missing)) };
        content.truncate(bytes as usize);
        done(write)
    }

    fn rename(&mut self, write: WriteId, path: &str, to: String) -> Option<Input> {
        let Some(content) = self.files.remove(path) else { return Some(failed(write, DiskFault::Missing)) };
        self.files.insert(to, content);
        done(write)
    }

    fn close(&mut self, file: FileId) -> Option<Input> {
        // What the kernel has of a log is there for whoever opens it next, and lost with the power.
        if self.open.get(&file).is_some_and(|open| !open.is_log) {
            self.open.remove(&file);
        }
        None
    }

    fn measure(&self, file: FileId) -> Option<Input> {
        let open = self.open.get(&file).filter(|open| !open.is_missing)?;
        Some(Input::FileSize { file, bytes: open.content.len() as u64 })
    }

    /// The kernel's cache hides the lie until the crash.
    fn read_through_lies(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(log) = self.open.values().rev().find(|open| open.is_log && open.path == path) {
            return Some(log.content.clone());
        }
        let lie = self.lies.iter().rev().find(|(name, _)| name == path).map(|(_, bytes)| bytes);
        let written = self.open.values().find(|open| open.is_written && open.path == path);
        lie.or(written.map(|open| &open.content)).or_else(|| self.files.get(path)).cloned()
    }

    fn read(&mut self, file: FileId, bytes_max: usize, is_summed: bool) -> Input {
        let result = match self.open.get_mut(&file) {
            Some(open) if !open.is_missing => {
                let end = open.content.len().min(open.position + bytes_max);
                let part = open.content[open.position..end].to_vec();
                open.position = end;
                Ok(part)
            }
            _ => Err(DiskError { fault: DiskFault::Missing, text: "no such file".into() }),
        };
        let sum = result.as_ref().ok().filter(|_| is_summed).map(|bytes| {
            let mut sum = Crc64::new();
            sum.update(bytes);
            sum
        });
        Input::FileRead { file, result, sum }
    }

    /// The process dies. `pending` are the operations that were asked for and not answered, in order: the machine was
    /// not told of any, so it can rely on none. With a loss of power goes what is not durable.
    pub fn die(&mut self, pending: Vec<DiskOp>, is_power_lost: bool, random: &mut Random) {
        let carried_out = random.below(pending.len() as u64 + 1) as usize;
        for op in pending.into_iter().take(carried_out) {
            let _nobody_is_left_to_hear = self.carry_out(op);
        }
        let open = std::mem::take(&mut self.open);
        if is_power_lost {
            self.lies.clear();
            // Of what was appended and not synced, the disk may have got the first bytes.
            for log in open.into_values().filter(|open| open.is_log) {
                if !self.files.contains_key(&log.path) && random.below(2) == 0 {
                    continue;
                }
                let durable = self.files.entry(log.path).or_default();
                let torn = log.content.get(durable.len()..).unwrap_or_default();
                durable.extend_from_slice(&torn[..random.below(torn.len() as u64 + 1) as usize]);
            }
            return;
        }
        self.catch_up();
        // Unfinished files stay behind; those that were only read are what they were.
        for file in open.into_values().filter(|open| open.position == 0 && !open.is_missing) {
            if file.is_log {
                self.files.insert(file.path, file.content);
            } else {
                self.files.entry(file.path).or_insert(file.content);
            }
        }
    }

    /// Puts a durable file there before the host is switched on.
    pub fn write(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_string(), content);
    }

    /// The content of a durable file, for checkers.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// A lying disk catches up: what it reported becomes true. Called at random times by the world.
    pub fn catch_up(&mut self) {
        for (path, bytes) in self.lies.drain(..) {
            self.files.insert(path, bytes);
        }
    }
}

fn done(write: machine::WriteId) -> Option<Input> {
    Some(Input::Disk(DiskDone { write, result: Ok(()) }))
}

fn failed(write: machine::WriteId, fault: DiskFault) -> Input {
    let text = if fault == DiskFault::Full { "no space left on device" } else { "the file is not open" };
    let error = DiskError { fault, text: text.into() };
    Input::Disk(DiskDone { write, result: Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::WriteId;

    fn replace(disk: &mut Disk, content: &[u8]) -> bool {
        let op = DiskOp::Replace { write: WriteId(1), path: "a".into(), bytes: content.to_vec() };
        matches!(disk.carry_out(op), Some(Input::Disk(DiskDone { result: Ok(()), .. })))
    }

    #[test]
    fn a_durable_file_survives_a_loss_of_power_and_a_lie_does_not() {
        let mut disk = Disk::default();
        replace(&mut disk, b"one");
        disk.die(Vec::new(), true, &mut Random::new(1));
        assert_eq!(disk.file("a"), Some(&b"one"[..]));
        disk.is_lying = true;
        replace(&mut disk, b"two");
        assert_eq!(disk.read_through_lies("a"), Some(b"two".to_vec()));
        disk.die(Vec::new(), true, &mut Random::new(1));
        assert_eq!(disk.file("a"), Some(&b"one"[..]));
    }

    #[test]
    fn a_killed_process_leaves_its_lies_with_the_kernel() {
        let mut disk = Disk { is_lying: true, ..Disk::default() };
        assert!(replace(&mut disk, b"one"));
        disk.die(Vec::new(), false, &mut Random::new(1));
        assert_eq!(disk.file("a"), Some(&b"one"[..]));
    }

    #[test]
    fn a_full_disk_keeps_the_old_file() {
        let mut disk = Disk::default();
        assert!(replace(&mut disk, b"one"));
        disk.is_full = true;
        assert!(!replace(&mut disk, b"two"));
        assert_eq!(disk.file("a"), Some(&b"one"[..]));
    }
}
