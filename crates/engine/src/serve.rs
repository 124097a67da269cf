//! Serve: runs the requests again of those who wait for a key that has changed, and ends waits in other ways: by time, by
//! CLIENT UNBLOCK, by a change of the node's role, by the loss of a slot. See [`crate::blocking`].

use crate::admission::waits_in_vain;
use crate::call::{Core, Stage};
use crate::keys::is_due;
use crate::table::Found;
use crate::turn::{Planned, settle_replies};
use crate::watch::Watch;
use crate::{Engine, Outside};
use alloc::vec::Vec;
use base::{Now, Time};
use data::{KeyHash, Kind};
use machine::{ConnId, Outbox};
use spec::Refusal;
use wire::reply::Reply;

impl Engine {
    /// True when a key has changed that somebody waits for, and they may be served. While writes are held, or data is
    /// being loaded, those who wait go on waiting.
    pub(crate) fn may_serve(&self) -> bool {
        let standing = &self.shared.standing;
        self.watch.blocking.has_ready()
            && !standing.holds_writes
            && !standing.loading
            && !self.core.is_stalled
    }

    /// Serves those who wait for keys that have changed, and those whom that in turn lets go on. Between two requests alone.
    pub(crate) fn serve(&mut self, now: Now, outside: &mut dyn Outside, out: &mut Outbox) {
        while self.may_serve() {
            let Some((db, key)) = self.watch.blocking.take_ready() else { break };
            let hash = self.shared.keyspace.hash(&key);
            let mut order = 0;
            loop {
                let kind = self.kind_now(db, &key, hash, now, out);
                let Some((next, conn)) = self.watch.blocking.next(db, &key, order, kind) else { break };
                order = next;
                self.run_again(conn, now, outside, out);
            }
        }
    }

    /// What a key holds. Where its time is over it is removed, as by any other look at it; Valkey only passes it by.
    fn kind_now(&mut self, db: u32, key: &[u8], hash: KeyHash, now: Now, out: &mut Outbox) -> Option<Kind> {
        let entry = self.shared.keyspace.find(db, key, hash)?;
        if !is_due(&entry, now.unix.as_ms()) {
            return Some(entry.value().kind());
        }
        if !self.shared.standing.is_replica && !self.core.settings.is_valkey {
            self.remove_due(db, key, hash, out);
        }
        None
    }

    /// Runs the request of one who waits again.
    fn run_again(&mut self, conn: ConnId, now: Now, outside: &mut dyn Outside, out: &mut Outbox) {
        let is_open = self.core.sessions.at(conn).is_some_and(|waiting| !waiting.session.is_closing);
        let place = conn.place() as u32;
        // One that is being closed takes nothing; its wait ends with it.
        let Some(mut connection) = self.core.sessions.lend(place).filter(|_| is_open) else {
            self.watch.blocking.forget(conn);
            return;
        };
        let ready = self.watch.blocking.ready_len();
        let again = self.watch.blocking.lend_again(conn);
        let (inbox, outgoing, session) =
            (&mut connection.inbox, &mut connection.outgoing, &mut connection.session);
        let sent = inbox.batch.as_ref().expect("who waits has the request that it waits with");
        let args = again.as_ref().map_or_else(|| sent.request(inbox.next - 1), |again| again.request(0));
        let planned = Planned::new(&self.table, &self.shared.keyspace, session.db, args);
        let Found::Row(row) = planned.found else { unreachable!("the request was found before") };
        if outgoing.bytes.capacity() == 0 {
            outgoing.bytes = out.pool.buffer();
        }
        let mut stage = Stage {
            shared: &mut self.shared,
            watch: &mut self.watch,
            core: &mut self.core,
            table: &self.table,
            outside,
            out,
            now,
        };
        session.is_blocked = false;
        let moved = if stage.shared.in_flight.is_empty() {
            None
        } else {
            stage.awaited_move(session, &planned, args)
        };
        if let Some(id) = moved {
            // What it would change is on its way to another server: it asks anew when that is over.
            session.is_held = true;
            inbox.next -= 1;
            stage.core.moves.park(id, conn);
        } else {
            let first = planned.hash.map(|hash| (args.at(1), hash));
            stage.slow_request(session, &mut outgoing.bytes, args, row, first);
            // One request, however often it ran.
            self.core.stats.requests -= 1;
            self.core.stats.commands[usize::from(row)].calls -= 1;
        }
        if session.is_blocked {
            self.watch.blocking.give_again(conn, again);
            self.watch.blocking.truncate_ready(ready);
        } else {
            self.watch.blocking.forget(conn);
        }
        outgoing.needed = self.shared.feed.offset;
        if !outgoing.bytes.is_empty() && !core::mem::replace(&mut outgoing.is_listed, true) {
            self.core.sessions.dirty.push(place);
        }
        let is_stuck = session.is_stuck();
        self.core.sessions.give_back(connection);
        if !is_stuck {
            self.core.sessions.wake(conn);
        }
    }

    /// Ends the waits whose time is over.
    pub(crate) fn end_late_waits(&mut self, now: Now) {
        while let Some(conn) = self.watch.blocking.late(now.mono) {
            say_nothing(&mut self.core, &mut self.watch, conn);
        }
    }

    /// When the next wait's time is over.
    pub(crate) fn waits_end(&self) -> Time {
        self.watch.blocking.deadline()
    }

    /// This node is a primary no more: those who wait for keys are told.
    pub fn end_waits(&mut self) {
        let waiting: Vec<ConnId> = self.watch.blocking.iter().map(|(conn, _)| conn).collect();
        for conn in waiting {
            refuse(&mut self.core, &mut self.watch, conn, &Refusal::Demoted);
        }
    }

    /// The routes have changed: those who wait for keys that are served elsewhere now are sent there.
    pub(crate) fn redirect_waits(&mut self) {
        let Engine { core, watch, shared, table, .. } = self;
        let mut lost = Vec::new();
        for (conn, key) in watch.blocking.iter() {
            let Some(waiting) = core.sessions.at(conn) else { continue };
            let slot = shared.keyspace.hash(key).slot();
            let row = waiting.session.last_row.map(|row| table.row(row).spec());
            let refusal = waits_in_vain(&shared.routes, slot, &waiting.session, row);
            lost.extend(refusal.map(|refusal| (conn, refusal)));
        }
        for (conn, refusal) in lost {
            refuse(core, watch, conn, &refusal);
        }
    }
}

/// Ends a client's wait as if its time were over. False when it waits for no key.
pub fn say_nothing(core: &mut Core, watch: &mut Watch, conn: ConnId) -> bool {
    watch.blocking.wait_of(conn).is_some() && end_wait(core, watch, conn, |reply| reply.null_array())
}

/// Ends a client's wait with an error. False when it waits for no key.
pub fn refuse(core: &mut Core, watch: &mut Watch, conn: ConnId, refusal: &Refusal) -> bool {
    if watch.blocking.wait_of(conn).is_none() {
        return false;
    }
    core.stats.error(alloc::format!("{refusal}").as_bytes());
    if let Some(row) = core.sessions.at(conn).and_then(|waiting| waiting.session.last_row) {
        let stats = &mut core.stats.commands[usize::from(row)];
        // Valkey takes it for one that never ran.
        *if core.settings.is_valkey { &mut stats.rejected } else { &mut stats.failed } += 1;
    }
    end_wait(core, watch, conn, |reply| reply.error_display(refusal))
}

/// Answers a client that waits, whatever for; its further requests run with the next `run`. False when it is gone or
/// does not wait: then `answer` is not called.
pub fn end_wait(
    core: &mut Core,
    watch: &mut Watch,
    conn: ConnId,
    answer: impl FnOnce(&mut Reply<'_>),
) -> bool {
    let is_key_wait = watch.blocking.forget(conn).is_some();
    let Some(connection) = core.sessions.at_mut(conn).filter(|waiting| waiting.session.is_blocked) else {
        return false;
    };
    connection.session.is_blocked = false;
    connection.session.moving = None;
    // The answer depends on nothing that the gate still has to wait for: the question was about that.
    let mark = connection.outgoing.bytes.len();
    let replies = connection.session.replies;
    core.sessions.write(conn, 0, None, answer);
    if let Some(connection) = core.sessions.at_mut(conn) {
        if is_key_wait {
            // What was put off until its request is over.
            connection.session.is_asking = false;
            settle_replies(&mut connection.session, &mut connection.outgoing.bytes, mark, replies);
            connection.session.settle();
        }
        if connection.inbox.batch.is_some() {
            core.sessions.wake(conn);
        }
    }
    true
}
