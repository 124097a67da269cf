//! Inputs: what the host brings goes to the part that asked for it.

use super::Journal;
use crate::follow::Stand;
use crate::snapshot::{Wish, Written};
use crate::{Act, Turn};
use alloc::string::String;
use alloc::vec::Vec;
use base::crc64::Crc64;
use machine::{ConnId, DiskError, FileId, Peer};
use wire::Batch;

impl Journal {
    /// True for an outbound connection of the journal: its `Connected`, `Batches` and `Closed` belong here.
    pub fn owns_conn(&self, conn: ConnId) -> bool {
        self.closing.contains(&conn) || self.follow.as_ref().is_some_and(|follow| follow.owns(conn))
    }

    /// True for a file that the journal reads.
    pub fn owns_file(&self, file: FileId) -> bool {
        self.boot.as_ref().is_some_and(|boot| boot.file == file)
            || self.replay.as_ref().is_some_and(|replay| replay.file == Some(file))
            || self.aof.owns_file(file)
    }

    /// The connection to the primary stands, or not.
    pub fn on_connected(&mut self, conn: ConnId, result: Result<Peer, String>, turn: &mut Turn<'_>) {
        let mut events = Vec::new();
        match &mut self.follow {
            Some(follow) => follow.on_connected(conn, result, turn, &mut events),
            None if result.is_err() && self.closing.contains(&conn) => {
                self.closing.retain(|closing| *closing != conn);
                turn.dialer.closed(conn);
            }
            None => {}
        }
        self.on_events(events, turn);
    }

    /// Bytes from the primary.
    pub fn on_batch(&mut self, conn: ConnId, batch: Batch, turn: &mut Turn<'_>) {
        self.input_bytes += batch.raw_len() as u64;
        let mut events = Vec::new();
        let position = self.feed.backlog.is_some().then_some((self.feed.replid, self.feed.end));
        let stand = Stand { position, stake: self.stake(turn.keyspace.is_empty()) };
        if let Some(follow) = &mut self.follow {
            follow.on_batch(conn, batch, &self.settings, stand, turn, &mut events);
            turn.out.again |= follow.has_work();
        }
        self.on_events(events, turn);
    }

    /// Any connection closed: a link, a waiting client, the primary.
    pub fn on_closed(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        self.gate.forget(conn);
        if self.closing.contains(&conn) {
            self.closing.retain(|closing| *closing != conn);
            turn.dialer.closed(conn);
            return;
        }
        let mut events = Vec::new();
        if let Some(follow) = self.follow.as_mut().filter(|follow| follow.owns(conn)) {
            follow.on_closed(conn, turn, &mut events);
            turn.out.again = true;
            self.on_events(events, turn);
        } else if self.links.on_closed(conn, turn.out) && self.links.is_empty() {
            self.alone_since = turn.now.mono;
        }
    }

    /// What a connection could not send yet; others than links are ignored.
    pub fn on_unsent(&mut self, conn: ConnId, bytes: usize) {
        self.links.on_unsent(conn, bytes as u64);
    }

    /// A disk operation ended; false when it is none of a running save (one that was given up may still be answered).
    pub fn on_disk(&mut self, disk: &machine::Disk, turn: &mut Turn<'_>) -> bool {
        if self.on_filed(disk, turn) {
            return true;
        }
        match self.saver.on_disk(disk, turn) {
            Written::NotOurs => {
                let mut events = Vec::new();
                let follow = self.follow.as_mut();
                let is_ours = follow.is_some_and(|follow| follow.on_disk(disk, turn, &mut events));
                self.on_events(events, turn);
                return is_ours;
            }
            Written::Going => {}
            Written::Ended(Wish::Rewrite, result) => self.aof.on_walked(result, &self.settings.aof, turn),
            Written::Ended(Wish::Shutdown, result) => self.on_last_save(result.map(|_| ()), turn),
            Written::Ended(Wish::Client(conn), result) => {
                turn.acts.push(Act::SaveDone { conn: Some(conn), result: result.map(|_| ()) });
            }
            Written::Ended(Wish::Flushed(conn), _) => {
                turn.acts.push(Act::SaveDone { conn, result: Ok(()) });
            }
            Written::Ended(Wish::Background, result) => {
                turn.acts.push(Act::SaveDone { conn: None, result: result.map(|_| ()) });
            }
        }
        true
    }

    /// Bytes of a file that the journal reads, with their sum where it is known.
    pub fn on_file_read(
        &mut self,
        file: FileId,
        result: Result<Vec<u8>, DiskError>,
        sum: Option<Crc64>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(boot) = self.boot.as_mut().filter(|boot| boot.file == file) {
            boot.on_read(result, sum);
            turn.out.again = true;
            return;
        } else if let Some(replay) = self.replay.as_mut().filter(|replay| replay.file == Some(file)) {
            replay.on_read(result, sum, turn);
            turn.out.again = true;
            return;
        } else if self.aof.owns_file(file) {
            self.aof.on_file_read(result, turn);
            return;
        }
        let mut result = Some(result);
        if self.saver.sharing.on_read(file, &mut result, &mut self.links, turn) {
            return;
        }
        let mut events = Vec::new();
        if let (Some(follow), Some(result)) = (&mut self.follow, result) {
            follow.on_file_read(file, result, turn, &mut events);
            turn.out.again |= follow.has_work();
        }
        self.on_events(events, turn);
    }
}
