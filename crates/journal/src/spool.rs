//! Spool: a snapshot of the primary in a file, until all of it is here.
//!
//! ```text
//!   the primary --appended--> file --whole--> read again --> the loader
//! ```
//!
//! The data here so stays until the primary's is complete: a primary that dies on the way costs nothing. The file is
//! removed in any case.

use crate::Turn;
use crate::transfer::Frame;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use machine::{Disk, DiskError, DiskOp, FileId, Output, WriteId};

/// 4 MiB: so much may be on its way to the disk before the primary's connection is not read any more.
const PENDING_BYTES_MAX: usize = 4 << 20;
/// 256 KiB: one read.
const READ_BYTES: usize = 256 << 10;

/// A file between a primary and the loader.
pub(crate) struct Spool {
    file: FileId,
    pending: Vec<(WriteId, usize)>,
    /// Bytes given to the file.
    len: u64,
    /// The last bytes: where the end is a mark.
    last: Vec<u8>,
    /// All is here.
    is_whole: bool,
    /// What came behind the end.
    behind: VecDeque<Vec<u8>>,
    /// The file as it is read, and what was read of it.
    reading: Option<(FileId, u64)>,
    is_read_asked: bool,
}

impl Spool {
    pub(crate) fn new(turn: &mut Turn<'_>) -> Spool {
        let file = turn.numbers.file();
        let path = path(turn);
        turn.out.put(Output::Disk(DiskOp::Create { file, path }));
        Spool {
            file,
            pending: Vec::new(),
            len: 0,
            last: Vec::new(),
            is_whole: false,
            behind: VecDeque::new(),
            reading: None,
            is_read_asked: false,
        }
    }

    /// Bytes of the primary.
    pub(crate) fn take(&mut self, bytes: &[u8], frame: &Frame, turn: &mut Turn<'_>) {
        if self.is_whole {
            return self.behind.push_back(bytes.to_vec());
        }
        self.len += bytes.len() as u64;
        let write = turn.numbers.write();
        self.pending.push((write, bytes.len()));
        let append = DiskOp::Append { file: self.file, write, bytes: bytes.to_vec().into() };
        turn.out.put(Output::Disk(append));
        self.is_whole = match frame {
            Frame::Length(len) => self.len >= *len,
            Frame::Mark(mark) => {
                let keep = mark.len().saturating_sub(bytes.len()).min(self.last.len());
                self.last.drain(..self.last.len() - keep);
                self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(mark.len())..]);
                self.last == mark
            }
        };
    }

    /// The primary's connection is not to be read: the disk is behind, or all is here.
    pub(crate) fn is_full(&self) -> bool {
        self.is_whole || self.pending.iter().map(|(_, len)| len).sum::<usize>() > PENDING_BYTES_MAX
    }

    /// A write ended. None when it is not one of these.
    pub(crate) fn on_disk(&mut self, disk: &Disk, turn: &mut Turn<'_>) -> Option<Result<(), String>> {
        let index = self.pending.iter().position(|(write, _)| *write == disk.write)?;
        self.pending.remove(index);
        if let Err(error) = &disk.result {
            let text = "the file of the MASTER <-> REPLICA synchronization can not be written";
            return Some(Err(format!("{text}: {error}")));
        }
        if self.is_whole && self.pending.is_empty() {
            let file = turn.numbers.file();
            let path = path(turn);
            turn.out.put(Output::Disk(DiskOp::Open { file, path }));
            self.reading = Some((file, 0));
            self.read_on(turn);
        }
        Some(Ok(()))
    }

    /// Asks for the next part, once it is wanted.
    pub(crate) fn read_on(&mut self, turn: &mut Turn<'_>) {
        if let Some((file, _)) = self.reading.filter(|_| !self.is_read_asked) {
            self.is_read_asked = true;
            turn.out.put(Output::Disk(DiskOp::Read { file, bytes_max: READ_BYTES, is_summed: false }));
        }
    }

    /// True for the file that is read.
    pub(crate) fn owns(&self, file: FileId) -> bool {
        self.reading.is_some_and(|(own, _)| own == file)
    }

    /// A part of the file, and whether it was the last: what came behind is next.
    pub(crate) fn on_read(&mut self, result: Result<Vec<u8>, DiskError>) -> Result<(Vec<u8>, bool), String> {
        self.is_read_asked = false;
        let bytes =
            result.map_err(|error| format!("what the primary sent can not be read again: {error}"))?;
        let Some((_, read)) = &mut self.reading else { return Ok((bytes, false)) };
        *read += bytes.len() as u64;
        if bytes.is_empty() {
            return Err(format!("of {} bytes that the primary sent {read} are in the file", self.len));
        }
        let is_last = *read >= self.len;
        Ok((bytes, is_last))
    }

    /// The end: the files go. What came behind the snapshot is left.
    pub(crate) fn close(self, turn: &mut Turn<'_>) -> VecDeque<Vec<u8>> {
        if let Some((file, _)) = self.reading {
            turn.out.put(Output::Disk(DiskOp::Close { file }));
        }
        turn.out.put(Output::Disk(DiskOp::Abandon { file: self.file }));
        self.behind
    }
}

/// The file's name: other servers may share the directory.
fn path(turn: &Turn<'_>) -> String {
    format!("temp-sync-{}.rdb", turn.numbers.process())
}
