//! Sharing: replicas that get the file of a save under way, instead of a snapshot of their own.
//!
//! ```text
//!   BGSAVE at offset S ----> file: bytes, bytes, bytes ... ----> final name
//!   a replica asks at E:     +FULLRESYNC id S | the file from its start, as it is written | mark | the stream from S on
//! ```
//!
//! The backlog must hold all from S on: then nothing is missing, whenever the replica came. Each reads the file at its own
//! speed: neither the save nor another replica waits for it.
//!
//! Invariant: no byte is read before the disk has answered that it is written, and the file gets its final name only when
//! every reader has it open.

use crate::Settings;
use crate::feed::Feed;
use crate::link::Links;
use crate::{Turn, dump};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Id;
use machine::{ConnId, DiskError, DiskOp, FileId, Level, Output};

/// 256 KiB: one read.
const READ_BYTES: u64 = 256 << 10;

/// A save whose file is read.
struct Save {
    file: FileId,
    path: String,
    /// What it holds: all up to here.
    replid: Id,
    offset: u64,
    mark: [u8; 40],
    /// Bytes that are in the file.
    written: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Going,
    /// All bytes are in the file.
    Whole,
    Failed,
}

/// A replica that gets the file.
struct Reader {
    conn: ConnId,
    /// The save's file, and the same as it is read.
    save: FileId,
    file: FileId,
    sent: u64,
    is_asked: bool,
    is_open: bool,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Sharing {
    saves: Vec<Save>,
    readers: Vec<Reader>,
}

impl Sharing {
    /// A save begins whose file may be shared.
    pub(crate) fn begin(&mut self, (file, path): (FileId, String), head: &dump::Head<'_>, mark: [u8; 40]) {
        if let Some((replid, offset)) = head.position {
            self.saves.push(Save { file, path, replid, offset, mark, written: 0, state: State::Going });
        }
    }

    fn save(&mut self, file: FileId) -> Option<&mut Save> {
        self.saves.iter_mut().find(|save| save.file == file)
    }

    /// The disk has answered for the next bytes of a save.
    pub(crate) fn written(&mut self, file: FileId, bytes: usize) {
        if let Some(save) = self.save(file) {
            save.written += bytes as u64;
        }
    }

    /// All bytes of a save are written.
    pub(crate) fn whole(&mut self, file: FileId) {
        if let Some(save) = self.save(file) {
            save.state = State::Whole;
        }
    }

    /// A save was given up, or has failed: those that get its file ask again. What is all written can still be read, by whoever
    /// has it open.
    pub(crate) fn failed(&mut self, file: FileId) {
        if let Some(save) = self.save(file).filter(|save| save.state == State::Going) {
            save.state = State::Failed;
        }
    }

    /// Replicas get this save's file.
    pub(crate) fn has_readers(&self, file: FileId) -> bool {
        self.readers.iter().any(|reader| reader.save == file)
    }

    /// True when every reader of a save has its file open.
    pub(crate) fn all_open(&self, file: FileId) -> bool {
        self.readers.iter().all(|reader| reader.save != file || reader.is_open)
    }

    /// Replicas that wait take part in the save under way, where they can.
    pub(crate) fn join(&mut self, feed: &Feed, links: &mut Links, settings: &Settings, turn: &mut Turn<'_>) {
        let Some(save) = self.saves.last_mut().filter(|save| save.state == State::Going) else { return };
        let holds = feed.backlog.as_ref().is_some_and(|backlog| backlog.holds(save.offset));
        if feed.replid != save.replid || !holds {
            return;
        }
        let position = (save.replid, save.offset);
        for conn in links.begin_sharing(position, &save.mark, settings, turn.now, turn.out) {
            let file = turn.numbers.file();
            turn.out.put(Output::Disk(DiskOp::Open { file, path: save.path.clone() }));
            let (is_asked, is_open) = (false, false);
            self.readers.push(Reader { conn, save: save.file, file, sent: 0, is_asked, is_open });
        }
    }

    /// Reads on for those that can take more; ends what is done.
    pub(crate) fn step(&mut self, links: &mut Links, turn: &mut Turn<'_>) {
        if self.saves.is_empty() {
            return;
        }
        let saves = &self.saves;
        self.readers.retain_mut(|reader| {
            let save = saves.iter().find(|save| save.file == reader.save);
            let stays = save.is_some_and(|save| reader.step(save, links, turn));
            if !stays {
                turn.out.put(Output::Disk(DiskOp::Close { file: reader.file }));
            }
            stays
        });
        let readers = &self.readers;
        self.saves.retain(|save| {
            save.state == State::Going || readers.iter().any(|reader| reader.save == save.file)
        });
    }

    /// A part of a file was read; false when it is not one of these.
    pub(crate) fn on_read(
        &mut self,
        file: FileId,
        result: &mut Option<Result<Vec<u8>, DiskError>>,
        links: &mut Links,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.file == file) else { return false };
        (reader.is_asked, reader.is_open) = (false, true);
        match result.take() {
            Some(Ok(bytes)) if !bytes.is_empty() => {
                reader.sent += bytes.len() as u64;
                links.send_shared(reader.conn, bytes, turn.out);
            }
            Some(Err(error)) => {
                let text = format!("The file of the save can not be read for a replica: {error}");
                turn.out.log(Level::Warning, text);
                links.cut(reader.conn, turn.out);
            }
            Some(Ok(_)) | None => links.cut(reader.conn, turn.out),
        }
        true
    }
}

impl Reader {
    /// False when it is done with.
    fn step(&mut self, save: &Save, links: &mut Links, turn: &mut Turn<'_>) -> bool {
        if save.state == State::Failed {
            links.cut(self.conn, turn.out);
            return false;
        }
        let Some(has_room) = links.has_room_for_shared(self.conn) else { return false };
        let left = save.written - self.sent;
        if left == 0 && save.state == State::Whole {
            links.end_sharing(self.conn, &save.mark, turn.now, turn.out);
            return false;
        }
        if left == 0 {
            // It waits for the save, not the save for it.
            links.note_progress(self.conn, turn.now);
        } else if has_room && !self.is_asked {
            self.is_asked = true;
            let bytes_max = left.min(READ_BYTES) as usize;
            turn.out.put(Output::Disk(DiskOp::Read { file: self.file, bytes_max, is_summed: false }));
        }
        true
    }
}
