//! Transfer: a snapshot of the primary on its way into the keyspace of a replica.
//!
//! What arrives is queued, decoded and loaded in slices; over a bound the primary's connection is not read. The end is
//! known by length or by mark, and what follows it is the stream already.

use crate::load::{Loader, Step};
use crate::settings::DisklessLoad;
use crate::spool::Spool;
use crate::{Settings, Turn};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Id, Time};
use data::Keyspace;
use machine::{ConnId, Disk, DiskError, FileId, Output};
use wire::Batch;

/// 8 MiB: so much of a snapshot may wait to be decoded before the primary's connection is not read any more.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// 32 MiB: where a payload's length is not known, its number of keys is believed as if it had this one.
const UNKNOWN_BYTES: u64 = 32 << 20;

/// How a payload ends.
#[derive(Debug)]
pub(crate) enum Frame {
    /// After so many bytes.
    Length(u64),
    /// After this mark.
    Mark([u8; 40]),
}

/// What is loaded beside the data that is served, to take its place at the end.
pub(crate) struct Aside {
    pub(crate) keyspace: Box<Keyspace>,
    /// What is here is a part of the same history: it is served meanwhile.
    pub(crate) is_served: bool,
    /// The load has begun.
    pub(crate) is_begun: bool,
}

/// A snapshot of the primary on its way into the keyspace.
pub(crate) struct Transfer {
    pub(crate) replid: Id,
    pub(crate) offset: u64,
    pub(crate) frame: Frame,
    pub(crate) loader: Loader,
    /// The data is collected in a file first.
    spool: Option<Box<Spool>>,
    /// The data is loaded beside what is here.
    pub(crate) aside: Option<Aside>,
    queue: VecDeque<Vec<u8>>,
    pub(crate) queued: usize,
    pub(crate) received: u64,
    /// Given to the loader.
    pushed: u64,
    pub(crate) is_paused: bool,
    /// The own data is gone.
    pub(crate) replaced: bool,
    /// The loader stopped for its budget, not for want of bytes.
    has_more: bool,
    /// The next key is not due yet.
    pub(crate) is_early: bool,
    is_done: bool,
    /// What came after the snapshot itself: the mark, and the stream.
    pub(crate) tail: Vec<u8>,
}

impl Transfer {
    /// `ours`: the history of the data that is here.
    pub(crate) fn new(
        (replid, offset): (Id, u64),
        frame: Frame,
        ours: Option<Id>,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) -> Transfer {
        // Where there is nothing, nothing can be lost on the way.
        let has_data = !turn.keyspace.is_empty();
        let swaps = settings.diskless_load == DisklessLoad::Swap;
        let mut loader = Loader::new(true, settings);
        loader.total_bytes = match frame {
            Frame::Length(bytes) => bytes,
            Frame::Mark(_) => UNKNOWN_BYTES,
        };
        Transfer {
            replid,
            offset,
            frame,
            loader,
            spool: (has_data && !swaps).then(|| Box::new(Spool::new(turn))),
            aside: (has_data && swaps).then(|| Aside {
                keyspace: Box::new(turn.keyspace.beside()),
                is_served: ours == Some(replid),
                is_begun: false,
            }),
            queue: VecDeque::new(),
            queued: 0,
            received: 0,
            pushed: 0,
            is_paused: false,
            replaced: false,
            has_more: false,
            is_early: false,
            is_done: false,
            tail: Vec::new(),
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.is_early && (self.has_more || !self.queue.is_empty())
    }

    /// When the next key is due, where that is waited for.
    pub(crate) fn due(&self) -> Time {
        if self.is_early { self.loader.due() } else { Time::NEVER }
    }

    pub(crate) fn take(&mut self, conn: ConnId, batch: &Batch, turn: &mut Turn<'_>) {
        for index in 0..batch.len() {
            for bytes in batch.request(index).iter() {
                self.received += bytes.len() as u64;
                match &mut self.spool {
                    Some(spool) => spool.take(bytes, &self.frame, turn),
                    None => self.enqueue(bytes.to_vec()),
                }
            }
        }
        let is_full = match &self.spool {
            Some(spool) => spool.is_full(),
            None => self.queued > QUEUE_BYTES_MAX,
        };
        if is_full && !self.is_paused {
            self.is_paused = true;
            turn.out.put(Output::Pause(conn));
        }
    }

    fn enqueue(&mut self, bytes: Vec<u8>) {
        self.queued += bytes.len();
        self.queue.push_back(bytes);
    }

    /// True when it goes to a file first.
    pub(crate) fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// True when the data that is here is gone, or is to be, and what comes is loaded.
    pub(crate) fn is_begun(&self) -> bool {
        self.replaced || self.aside.as_ref().is_some_and(|aside| aside.is_begun)
    }

    /// A write ended. None when it is not one of this.
    pub(crate) fn on_disk(
        &mut self,
        conn: ConnId,
        disk: &Disk,
        turn: &mut Turn<'_>,
    ) -> Option<Result<(), String>> {
        let spool = self.spool.as_mut()?;
        let result = spool.on_disk(disk, turn)?;
        if self.is_paused && !spool.is_full() {
            self.is_paused = false;
            turn.out.put(Output::Resume(conn));
        }
        Some(result)
    }

    /// A part of the file that all was collected in. None when it is another file.
    pub(crate) fn on_file_read(
        &mut self,
        file: FileId,
        result: &mut Option<Result<Vec<u8>, DiskError>>,
        turn: &mut Turn<'_>,
    ) -> Option<Result<(), String>> {
        let spool = self.spool.as_mut().filter(|spool| spool.owns(file))?;
        match spool.on_read(result.take()?) {
            Ok((bytes, is_last)) => {
                // All of it is in the file, with what has come behind it.
                self.loader.total_bytes = self.loader.total_bytes.max(self.received);
                self.enqueue(bytes);
                let behind = self.spool.take_if(|_| is_last).map(|spool| spool.close(turn));
                behind.into_iter().flatten().for_each(|bytes| self.enqueue(bytes));
            }
            Err(text) => return Some(Err(text)),
        }
        Some(Ok(()))
    }

    /// What it has collected goes.
    pub(crate) fn give_up(&mut self, turn: &mut Turn<'_>) {
        if let Some(spool) = self.spool.take() {
            drop(spool.close(turn));
        }
        if let Some(mut aside) = self.aside.take() {
            let part = aside.keyspace.flush_all();
            turn.keyspace.dispose(part);
        }
    }

    /// Decodes and loads on.
    pub(crate) fn step(
        &mut self,
        conn: ConnId,
        budget: usize,
        settings: &Settings,
        turn: &mut Turn<'_>,
    ) -> Result<Step, String> {
        if self.is_done {
            self.tail.extend(self.queue.drain(..).flatten());
            self.queued = 0;
            return Ok(Step::Done);
        }
        let delay = settings.key_load_delay;
        let pushed_max = self.pushed.saturating_add(settings.load_turn_bytes as u64);
        loop {
            let keyspace = match &mut self.aside {
                Some(aside) => &mut *aside.keyspace,
                None => &mut *turn.keyspace,
            };
            let step = self.loader.step(budget, delay, turn.now, keyspace, &mut Vec::new())?;
            self.has_more = matches!(step, Step::More | Step::Ready);
            self.is_early = step == Step::Early;
            self.is_done = step == Step::Done;
            if step == Step::Done {
                self.tail = self.loader.rest().to_vec();
            }
            if step != Step::Starved || !self.push_next(pushed_max) {
                break self.after_step(conn, step, turn);
            }
        }
    }

    fn after_step(&mut self, conn: ConnId, step: Step, turn: &mut Turn<'_>) -> Result<Step, String> {
        let has_room = self.queued < QUEUE_BYTES_MAX / 4;
        match &mut self.spool {
            Some(spool) if has_room => spool.read_on(turn),
            Some(_) => {}
            None if self.is_paused && has_room => {
                self.is_paused = false;
                turn.out.put(Output::Resume(conn));
            }
            None => {}
        }
        if self.is_done {
            self.tail.extend(self.queue.drain(..).flatten());
            self.queued = 0;
        }
        let is_short = matches!(self.frame, Frame::Length(bytes) if self.pushed == bytes);
        if step == Step::Starved && is_short {
            return Err("the primary's snapshot ends before its last key".to_string());
        }
        Ok(step)
    }

    /// Gives the next received bytes to the loader; false when there are none for it, or `pushed_max` is reached.
    fn push_next(&mut self, pushed_max: u64) -> bool {
        let room = match self.frame {
            Frame::Length(bytes) => usize::try_from(bytes - self.pushed).unwrap_or(usize::MAX),
            Frame::Mark(_) => usize::MAX,
        };
        let room = room.min(usize::try_from(pushed_max - self.pushed).unwrap_or(usize::MAX));
        if room == 0 {
            return false;
        }
        let Some(mut bytes) = self.queue.pop_front() else { return false };
        if bytes.len() > room {
            self.queue.push_front(bytes.split_off(room));
        }
        self.queued -= bytes.len();
        self.pushed += bytes.len() as u64;
        self.loader.push(&bytes);
        true
    }

    /// After the snapshot's end: true once what must follow it is here; `tail` is then the stream.
    pub(crate) fn finish(&mut self) -> Result<bool, String> {
        match self.frame {
            Frame::Length(bytes) if bytes != self.pushed => {
                Err(format!("the primary announced {bytes} bytes and its snapshot has {}", self.pushed))
            }
            Frame::Length(_) => Ok(true),
            Frame::Mark(_) if self.tail.len() < 40 => Ok(false),
            Frame::Mark(mark) if self.tail[..40] == mark => {
                self.tail.drain(..40);
                Ok(true)
            }
            Frame::Mark(_) => Err("the primary's snapshot does not end with its mark".to_string()),
        }
    }
}
