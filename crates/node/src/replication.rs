//! The journal's consequences: loads, the primary's commands, ends of waits and saves; and the settling of all acts.

use crate::node::{LOAD_GRACE, Node, drained};
use crate::outside::shutdown_refused;
use crate::settings;
use alloc::format;
use alloc::string::ToString;
use base::{Now, Span};
use data::Keyspace;
use journal::{Act, Journal, Source, StreamApplied, Turn};
use machine::{Address, ConnId, HostSetting, Level, Outbox, Output};

/// Consequences of consequences, at most: each round empties both lists, so reaching it is a bug.
const ROUNDS_MAX: u32 = 10_000;
/// The slots on the move are told to a new replica again after so long, each from the one before: gossip brings it the
/// other nodes within seconds, on a slow machine somewhat later.
const TELL_AGAIN: [Span; 3] = [Span::seconds(1), Span::seconds(4), Span::seconds(15)];

impl Node {
    /// Lends the journal what it needs for one call.
    pub(crate) fn with_turn<R>(
        &mut self,
        now: Now,
        out: &mut Outbox,
        call: impl FnOnce(&mut Journal, &mut Turn<'_>) -> R,
    ) -> R {
        let (journal, mut turn) = self.rest.turn(now, &mut self.engine.shared, out);
        call(journal, &mut turn)
    }

    /// Carries out everything that the parts have decided, and what follows from it.
    #[inline]
    pub(crate) fn settle(&mut self, now: Now, out: &mut Outbox) {
        if self.is_quiet() {
            // Nothing that it is about has changed.
        } else if self.is_settled() {
            self.note_standing(now);
        } else {
            self.settle_parts(now, out);
        }
    }

    /// True when nothing waits to be carried out: so it is nearly always, and it is asked several times a turn.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        let rest = &self.rest;
        rest.cluster_acts.is_empty()
            && rest.journal_acts.is_empty()
            && rest.turned_away.is_empty()
            && !rest.settings_changed
            && rest.stopping.is_none()
            && rest.handover.is_none()
            && rest.reload.is_none()
            && rest.journal.holds_stream() == self.engine.is_paused()
    }

    fn settle_parts(&mut self, now: Now, out: &mut Outbox) {
        self.rest.is_stirred = true;
        for _ in 0..ROUNDS_MAX {
            self.apply_settings(out);
            self.hold_stream(now, out);
            self.go_on_stopping(now, out);
            self.step_handover(now, out);
            self.step_reload(now, out);
            let had_cluster = self.settle_cluster(now, out);
            let had_journal = self.settle_journal(now, out);
            if !had_cluster && !had_journal {
                self.note_standing(now);
                return;
            }
        }
        panic!("the consequences of one input do not come to an end");
    }

    /// The regular work of the parts other than the engine.
    pub(crate) fn tick_parts(&mut self, now: Now, out: &mut Outbox) {
        self.with_turn(now, out, |journal, turn| journal.tick(turn));
        self.settle(now, out);
        if self.rest.cluster.as_ref().is_some_and(|cluster| cluster.wake_at() <= now.mono) {
            self.bus(now, cluster::Event::Tick);
            self.settle(now, out);
        }
    }

    /// Keeps the engine's idea of this node true.
    pub(crate) fn note_standing(&mut self, now: Now) {
        let journal = &self.rest.journal;
        let shared = &mut self.engine.shared;
        shared.feed.enabled = journal.wants_feed() && journal.primary().is_none();
        shared.feed.offset = journal.offset() + shared.feed.bytes.len() as u64;
        let was_primary = !shared.standing.is_replica;
        shared.standing.is_replica = journal.primary().is_some();
        shared.standing.link_up = journal.primary().is_none() || journal.is_linked();
        shared.standing.save_failed = journal.stops_writes();
        shared.standing.replication_bytes = journal.replication_bytes();
        if shared.standing.aof_error.as_deref() != journal.aof_failure() {
            shared.standing.aof_error = journal.aof_failure().map(Into::into);
        }
        let wanted = settings::replicas_to_write(&shared.config);
        shared.standing.lacks_replicas =
            wanted > 0 && journal.primary().is_none() && journal.good_replicas(now) < wanted;
        if was_primary == shared.standing.is_replica {
            shared.own_keys.clear();
        }
        if was_primary && shared.standing.is_replica {
            self.engine.end_waits();
        }
        self.note_primary();
    }

    /// Keeps `replicaof` true, for CONFIG GET and CONFIG REWRITE. (A cluster keeps it in nodes.conf.)
    fn note_primary(&mut self) {
        let primary = self.rest.journal.primary();
        if self.rest.is_clustered || self.rest.primary_told.as_ref() == primary {
            return;
        }
        let told = primary.map(|address| match address {
            Address::Inet(ip, port) => (ip.to_string(), *port),
            Address::Name(name, port) => (name.clone(), *port),
            Address::Unix(path) => (path.clone(), 0),
        });
        let told = told.as_ref().map(|(host, port)| (host.as_bytes(), *port));
        self.engine.shared.config.put_replicaof(told);
        self.rest.primary_told = primary.cloned();
    }

    /// A replica that comes in step gets the state of the slots on the move, which no snapshot holds; and again a few times,
    /// because it may not know yet the nodes that the moves are about: then it can do nothing with it.
    pub(crate) fn tell_moves(&mut self, now: Now, out: &mut Outbox) {
        let journal = &self.rest.journal;
        let joined = journal.replicas_joined();
        if core::mem::replace(&mut self.rest.joined_told, joined) != joined {
            self.rest.moves_due = Some((now.mono, 0));
        }
        let Some((at, step)) = self.rest.moves_due else { return };
        if now.mono < at {
            out.wake(at);
            return;
        }
        self.rest.moves_due = TELL_AGAIN.get(step).map(|span| (now.mono + *span, step + 1));
        if let Some((at, _)) = self.rest.moves_due {
            out.wake(at);
        }
        if !journal.replicas_know_slots() {
            return;
        }
        let Some(cluster) = &self.rest.cluster else { return };
        let bytes = &mut self.rest.waits.untold;
        for (slot, word, node) in cluster.moves() {
            let (slot, node) = (alloc::format!("{slot}"), alloc::format!("{node}"));
            let words: [&[u8]; 5] =
                [b"CLUSTER", b"SETSLOT", slot.as_bytes(), word.as_bytes(), node.as_bytes()];
            wire::request(bytes, &words);
        }
    }

    fn settle_journal(&mut self, now: Now, out: &mut Outbox) -> bool {
        let acts = drained(&mut self.rest.journal_acts);
        let had_some = !acts.is_empty();
        for act in acts {
            self.carry_out_journal(now, act, out);
        }
        had_some
    }

    fn carry_out_journal(&mut self, now: Now, act: Act, out: &mut Outbox) {
        match act {
            Act::LoadBegan(source) => self.load_began(now, source),
            Act::LoadEnded(Source::File, result) => {
                // A transaction that a file does not end is none.
                self.engine.apply_reset();
                self.loaded(now, result, out);
            }
            Act::LoadEnded(Source::Reload, result) => self.reloaded(result, out),
            Act::LoadEnded(Source::Primary | Source::Beside | Source::BesideServed, result) => {
                self.synchronised(result, out);
            }
            Act::SelectAgain => self.engine.shared.feed.forget_selection(),
            Act::StreamBatch { conn: _, batch } => {
                let mut told = StreamApplied::default();
                match self.engine.apply(now, &batch, &mut self.rest, out) {
                    Ok(applied) => {
                        (told.bytes_done, told.wants_ack) = (applied.bytes_done, applied.wants_ack)
                    }
                    Err(error) => (told.bytes_done, told.error) = (error.bytes_done, Some(error.to_string())),
                }
                self.keep_functions();
                told.stream_db = self.engine.apply_db();
                self.with_turn(now, out, |journal, turn| journal.applied(batch, told, turn));
            }
            Act::ReplayFile => self.engine.apply_reset(),
            Act::Replay { batch } => {
                self.replay(now, &batch, out);
                out.pool.recycle_batch(batch);
            }
            Act::WaitAofDone { conn, is_local, acked } => {
                self.engine.unblock(conn, |reply| wait_aof_answer(reply, is_local, acked));
            }
            Act::PrimaryLinkUp => self.engine.set_apply_db(self.rest.journal.stream_db()),
            Act::PrimaryLinkDown => self.engine.apply_reset(),
            Act::WaitDone { conn, acked } => {
                if !self.end_set_slot(now, conn, acked) {
                    self.engine.unblock(conn, |reply| reply.integer(i64::from(acked)));
                }
            }
            Act::WaitBroken { conn } => {
                let text =
                    "force unblock from blocking operation, instance state changed (master -> replica?)";
                self.end_wait(conn, text);
            }
            Act::WaitUnblocked { conn } => self.end_wait(conn, "client unblocked via CLIENT UNBLOCK"),
            Act::SaveDone { conn: Some(conn), result } if self.rest.is_reloading(conn) => {
                self.reload_saved(now, result, out);
            }
            Act::SaveDone { conn: Some(conn), result } => {
                self.engine.unblock(conn, |reply| match result {
                    Ok(()) => reply.ok(),
                    Err(text) => reply.error(format!("ERR {text}")),
                });
            }
            Act::SaveDone { conn: None, .. } => {}
            Act::ShutdownReady => {
                out.log(Level::Warning, "redan is now ready to exit, bye bye...");
                out.put(Output::Exit { code: 0 });
            }
            Act::ShutdownFailed(text) => {
                out.log(Level::Warning, format!("Errors trying to shut down the server: {text}"));
                self.rest.turned_away = self.rest.stopping.take().unwrap_or_default().askers;
                self.turn_away();
            }
        }
    }

    /// Data comes in.
    fn load_began(&mut self, now: Now, source: Source) {
        if source == Source::BesideServed {
            self.engine.shared.standing.loads_beside = true;
            return;
        }
        self.engine.shared.standing.loading = true;
        if source == Source::Primary {
            self.rest.full_syncs += 1;
            self.rest.door_until = now.mono + LOAD_GRACE;
            self.engine.touch_everything();
            self.engine.shared.own_keys.clear();
        }
    }

    /// A full synchronisation has ended.
    fn synchronised(&mut self, result: Result<journal::Loaded, alloc::string::String>, out: &mut Outbox) {
        self.engine.shared.standing.loading = false;
        self.engine.shared.standing.loads_beside = false;
        self.engine.apply_reset();
        match result {
            Ok(loaded) => {
                self.engine.set_apply_db(loaded.stream_db);
                let text = format!("PRIMARY <-> REPLICA sync: Finished with success, {} keys", loaded.keys);
                out.log(Level::Notice, text);
                if let Some(cluster) = &mut self.rest.cluster {
                    cluster.forget_moves();
                }
            }
            Err(text) => {
                let what = "Internal error in RDB, PRIMARY <-> REPLICA sync failed";
                out.log(Level::Warning, format!("{what}: {text}"));
            }
        }
    }

    fn end_wait(&mut self, conn: ConnId, why: &str) {
        self.rest.waits.forget(conn);
        self.engine.unblock(conn, |reply| reply.error(format!("UNBLOCKED {why}")));
    }

    /// CLIENT PAUSE holds the primary's stream as well.
    fn hold_stream(&mut self, now: Now, out: &mut Outbox) {
        let is_held = self.engine.is_paused();
        if self.rest.journal.holds_stream() != is_held {
            self.with_turn(now, out, |journal, turn| journal.hold_stream(is_held, turn));
        }
    }

    /// Answers those whose SHUTDOWN has come to nothing.
    fn turn_away(&mut self) {
        for asker in core::mem::take(&mut self.rest.turned_away) {
            self.engine.unblock(asker, |reply| reply.error(shutdown_refused()));
        }
    }

    /// Tells the parts that a shutdown was asked for.
    fn go_on_stopping(&mut self, now: Now, out: &mut Outbox) {
        self.turn_away();
        let Some(stopping) = &mut self.rest.stopping else { return };
        // The originals look at signals in their cron (DEBUG PAUSE-CRON).
        let is_held = stopping.askers.is_empty() && self.engine.is_cron_paused();
        if stopping.is_begun || is_held {
            return;
        }
        stopping.is_begun = true;
        out.put(Output::Host(HostSetting::Stopping));
        let wish = stopping.wish;
        if self.rest.cluster.is_some() {
            self.bus(now, cluster::Event::Stopping);
        }
        self.with_turn(now, out, |journal, turn| journal.shutdown(wish, turn));
    }

    /// CONFIG SET changed something that other parts heed.
    fn apply_settings(&mut self, out: &mut Outbox) {
        if !core::mem::take(&mut self.rest.settings_changed) {
            return;
        }
        let config = &self.engine.shared.config;
        let (for_journal, for_cluster) = (settings::journal(config), settings::cluster(config));
        for setting in settings::host(config) {
            out.put(Output::Host(setting));
        }
        self.rest.journal.configure(for_journal);
        if let Some(cluster) = &mut self.rest.cluster {
            cluster.configure(for_cluster);
        }
        self.take_routes(out);
    }
}

/// What WAITAOF answers: durable here, and on so many replicas.
pub(crate) fn wait_aof_answer(reply: &mut wire::reply::Reply<'_>, is_local: bool, acked: u32) {
    reply.array(2);
    reply.integer(i64::from(is_local));
    reply.integer(i64::from(acked));
}

/// The keyspace as CLUSTER subcommands ask about it.
pub(crate) struct KeysOf<'a>(pub(crate) &'a Keyspace);

impl cluster::Keys for KeysOf<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count_in_slot(&self, slot: u16) -> u64 {
        self.0.slot_len(slot)
    }

    fn keys_in_slot(&self, slot: u16, count: u64, each: &mut dyn FnMut(&[u8])) {
        self.0.keys_in_slot(0, slot, usize::try_from(count).unwrap_or(usize::MAX), each);
    }
}

impl Node {
    fn replay(&mut self, now: Now, batch: &wire::Batch, out: &mut Outbox) {
        if let Err((index, text)) = self.engine.replay(now, batch, &mut self.rest, out) {
            self.rest.journal.replay_failed(index, &text);
        }
        self.keep_functions();
    }

    /// What the engine has met of functions goes to the journal, which keeps them.
    fn keep_functions(&mut self) {
        for words in self.engine.take_functions() {
            self.rest.journal.keep_function(&words);
        }
    }
}
