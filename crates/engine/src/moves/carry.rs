//! Carry: what moves do to the engine: requests out of the keyspace, keys removed, clients answered.

use super::{Asked, End, Job, Stage};
use crate::Engine;
use crate::call::Class;
use crate::commands::dump;
use crate::keys::is_due;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Now, Time, number};
use data::Entry;
use machine::{ConnId, Dialer, Outbox};
use spec::Refusal;
use wire::Batch;

impl Engine {
    /// True for a connection to the target of a move.
    pub fn owns_move(&self, conn: ConnId) -> bool {
        self.core.moves.owns(conn)
    }

    /// An attempt to connect to a target ended.
    pub fn on_move_connected(&mut self, now: Now, conn: ConnId, is_open: bool, dialer: &mut Dialer) {
        self.core.moves.on_connected(now, conn, is_open, dialer);
    }

    /// A connection to a target is gone.
    pub fn on_move_closed(&mut self, conn: ConnId, dialer: &mut Dialer) {
        self.core.moves.on_closed(conn, dialer);
    }

    /// Replies of a target.
    pub fn on_move_batch(&mut self, now: Now, conn: ConnId, batch: Batch, out: &mut Outbox) {
        self.core.moves.on_batch(now, conn, &batch, out);
        out.pool.recycle_batch(batch);
    }

    /// True while something is being moved, or links for it are open.
    pub fn has_moves(&self) -> bool {
        !self.core.moves.jobs.is_empty() || !self.core.moves.links.is_empty()
    }

    /// Carries all moves on as far as they go now. To be called when requests have run, and when `moves_wake_at` says.
    pub fn drive_moves(&mut self, now: Now, dialer: &mut Dialer, out: &mut Outbox) {
        if !self.has_moves() {
            return;
        }
        let moves = &mut self.core.moves;
        moves.step(now, dialer, out);
        let standing = &self.shared.standing;
        let ids = |is_wanted: &dyn Fn(&Job) -> bool, moves: &super::Moves| -> Vec<u64> {
            moves.jobs.iter().filter(|(_, job)| is_wanted(job)).map(|(id, _)| *id).collect()
        };
        let is_other_role = |job: &Job| job.is_replica != standing.is_replica;
        for id in ids(&is_other_role, moves) {
            let link = moves.links.iter().find(|link| link.job == Some(id)).map(|link| link.conn);
            if let Some(conn) = link {
                moves.hang_up(conn, out);
            }
            let job = moves.jobs.get_mut(&id).expect("the job was found just now");
            job.stage = Stage::Over(End::RoleChanged);
        }
        let holds_writes = standing.holds_writes;
        for id in ids(&|job| matches!(job.stage, Stage::Ready), &self.core.moves) {
            self.send_move(id, now, out);
        }
        // While writes are held the data must not change: what has arrived there is removed here afterwards.
        if !holds_writes {
            for id in ids(&|job| matches!(job.stage, Stage::Over(_)), &self.core.moves) {
                self.end_move(id, out);
            }
        }
    }

    /// When `drive_moves` wants to be called again.
    pub fn moves_wake_at(&self) -> Time {
        self.core.moves.wake_at()
    }

    /// Writes the request of a job whose link is open.
    fn send_move(&mut self, id: u64, now: Now, out: &mut Outbox) {
        let moves = &mut self.core.moves;
        let job = moves.jobs.get_mut(&id).expect("the caller names a job");
        let link = moves.links.iter_mut().find(|link| link.job == Some(id)).expect("a ready job has a link");
        let order = &job.order;
        let mut bytes = Vec::new();
        let mut greetings = 0;
        if !order.auth.is_empty() {
            let mut words: Vec<&[u8]> = Vec::from([b"AUTH".as_slice()]);
            words.extend(order.auth.iter().map(|word| &**word));
            request(&mut bytes, &words);
            greetings += 1;
        }
        let selects = link.selected != Some(order.target_db);
        if selects {
            request(&mut bytes, &[b"SELECT", format!("{}", order.target_db).as_bytes()]);
            greetings += 1;
        }
        let name: &[u8] = if self.shared.routes.enabled { b"RESTORE-ASKING" } else { b"RESTORE" };
        let packing = dump::packing(&self.shared.config);
        let keyspace = &self.shared.keyspace;
        let now_ms = now.unix.as_ms();
        let (mut sent, mut payload) = (Vec::new(), Vec::new());
        for (place, key) in order.keys.iter().enumerate() {
            // One whose time has come is not sent; it goes here, as any other.
            let entry = keyspace.find(job.db, key, keyspace.hash(key));
            let Some(entry) = entry.filter(|entry| !is_due(entry, now_ms)) else { continue };
            let ttl = entry.deadline_ms().map_or(0, |deadline| deadline.saturating_sub(now_ms).max(1));
            payload.clear();
            codec::payload(&mut payload, entry.value(), packing);
            let ttl = number::integer_text(i64::try_from(ttl).unwrap_or(i64::MAX));
            let words: [&[u8]; 5] = [name, key, &ttl, &payload, b"REPLACE"];
            request(&mut bytes, &words[..if order.replace { 5 } else { 4 }]);
            sent.push(place);
        }
        job.heard_at = now.mono;
        if sent.is_empty() {
            link.job = None;
            link.idle_since = now.mono;
            job.stage = Stage::Over(End::NoKey);
            return;
        }
        out.send(link.conn, bytes);
        job.stage = Stage::Asked(Asked { greetings, selects, sent, heard: 0, is_void: false });
    }

    /// A job is over: its keys go or stay, its client is answered, those who waited go on.
    fn end_move(&mut self, id: u64, out: &mut Outbox) {
        let job = self.core.moves.jobs.remove(&id).expect("the caller names a job");
        let Stage::Over(end) = job.stage else { unreachable!("only a job that is over ends") };
        for key in &job.order.keys {
            self.shared.in_flight.remove(key);
        }
        if !job.order.copy && end != End::RoleChanged {
            self.remove_moved(&job, out);
        }
        self.note_deadlines(&job);
        let needed = self.shared.feed.offset;
        let is_waiting = |connection: &crate::session::Connection| {
            connection.session.is_blocked && connection.session.moving == Some(id)
        };
        if self.core.sessions.at(job.asker).is_some_and(is_waiting) {
            let failure = failure(end, job.refused.as_deref());
            if let Some(text) = &failure {
                self.core.stats.error(text.as_bytes());
            }
            self.core.sessions.write(job.asker, needed, None, |reply| match failure {
                None if end == End::NoKey => reply.simple("NOKEY"),
                None => reply.ok(),
                Some(text) => reply.error(text),
            });
            if let Some(connection) = self.core.sessions.at_mut(job.asker) {
                connection.session.is_blocked = false;
                connection.session.moving = None;
                connection.session.last_write = needed;
                if connection.inbox.batch.is_some() {
                    self.core.sessions.wake(job.asker);
                }
            }
        }
        for conn in job.waiters {
            if let Some(connection) = self.core.sessions.at_mut(conn) {
                connection.session.is_held = false;
                self.core.sessions.wake(conn);
            }
        }
    }

    /// Removes what the target has, with one DEL for replicas.
    fn remove_moved(&mut self, job: &Job, out: &mut Outbox) {
        let mut effect: Vec<&[u8]> = Vec::from([b"DEL".as_slice()]);
        for key in job.moved.iter().map(|place| &*job.order.keys[*place]) {
            let hash = self.shared.keyspace.hash(key);
            if let Entry::Occupied(entry) = self.shared.keyspace.entry(job.db, key, hash) {
                entry.remove();
                effect.push(key);
            }
        }
        if effect.len() == 1 {
            return;
        }
        self.shared.feed.begin_unit();
        if !self.shared.standing.is_replica {
            self.shared.feed.effect(job.db, effect.iter().copied());
        }
        self.shared.feed.end_unit();
        self.shared.feed.changes += effect.len() as u64 - 1;
        for key in &effect[1..] {
            self.watch.touch(job.db, key);
            if self.core.settings.notify != 0 {
                let needed = self.shared.feed.offset;
                self.core.notify(job.db, Class::GENERIC, "del", key, needed, None, out);
            }
        }
    }

    /// Active expiry has passed over keys in flight: those that stay are shown to it again.
    fn note_deadlines(&mut self, job: &Job) {
        for key in &job.order.keys {
            let hash = self.shared.keyspace.hash(key);
            if let Entry::Occupied(mut entry) = self.shared.keyspace.entry(job.db, key, hash)
                && let Some(deadline) = entry.deadline_ms()
            {
                entry.set_deadline(None);
                entry.set_deadline(Some(deadline));
            }
        }
    }
}

/// What the client reads; none where all went well.
fn failure(end: End, refused: Option<&str>) -> Option<String> {
    if end == End::RoleChanged {
        return Some(format!("{}", Refusal::Demoted));
    }
    if let Some(text) = refused {
        return Some(format!("ERR Target instance replied with error: {text}"));
    }
    let text = match end {
        End::Answered | End::NoKey | End::RoleChanged => return None,
        End::Unconnected => "IOERR error or timeout connecting to the client",
        End::BrokenWriting => "IOERR error or timeout writing to target instance",
        End::BrokenReading => "IOERR error or timeout reading to target instance",
    };
    Some(String::from(text))
}

/// Appends a request.
fn request(bytes: &mut Vec<u8>, words: &[&[u8]]) {
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}
