//! Transfer: a snapshot of the primary on its way into the keyspace of a replica.
//!
//! What arrives is queued, decoded and loaded in slices; over a bound the primary's connection is not read. The end is
//! known by length or by mark, and what follows it is the stream already.

use crate::load::{Loader, Step};
use crate::{Settings, Turn};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Id, Time};
use machine::{ConnId, Output};
use wire::Batch;

/// 8 MiB: so much of a snapshot may wait to be decoded before the primary's connection is not read any more.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// How a payload ends.
#[derive(Debug)]
pub(crate) enum Frame {
    /// After so many bytes.
    Length(u64),
    /// After this mark.
    Mark([u8; 40]),
}

/// A snapshot of the primary on its way into the keyspace.
pub(crate) struct Transfer {
    pub(crate) replid: Id,
    pub(crate) offset: u64,
    pub(crate) frame: Frame,
    pub(crate) loader: Loader,
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
    pub(crate) fn new(replid: Id, offset: u64, frame: Frame, settings: &Settings) -> Transfer {
        Transfer {
            replid,
            offset,
            frame,
            loader: Loader::new(true, settings),
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
                self.queued += bytes.len();
                self.queue.push_back(bytes.to_vec());
            }
        }
        if self.queued > QUEUE_BYTES_MAX && !self.is_paused {
            self.is_paused = true;
            turn.out.put(Output::Pause(conn));
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
            let step = self.loader.step(budget, delay, turn.now, turn.keyspace, &mut Vec::new())?;
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
        if self.is_paused && self.queued < QUEUE_BYTES_MAX / 4 {
            self.is_paused = false;
            turn.out.put(Output::Resume(conn));
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
