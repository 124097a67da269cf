//! Call: what a handler sees of the world while its request runs.

use crate::evict::Eviction;
use crate::feed::Ends;
use crate::hold::Pause;
use crate::keys::{Expiry, Keys};
use crate::monitor;
use crate::moves::Moves;
use crate::pubsub::{PubSub, Running};
use crate::session::{Session, Sessions};
use crate::settings::Settings;
use crate::slow::Slow;
use crate::stats::Stats;
use crate::table::{RowIndex, Table};
use crate::watch::Watch;
use crate::{Answer, Asked, Outside, Question, Shared};
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::{Now, Random, Span, Time};
use data::KeyHash;
use machine::{ConnId, HostFacts, Outbox};
use spec::command::Access;
use spec::{Flags, Refusal};
use wire::batch::Args;
use wire::reply::Reply;

/// The engine's own state, without the connection whose request runs.
pub struct Core {
    /// All other connections.
    pub sessions: Sessions,
    /// Channels and patterns.
    pub pubsub: PubSub,
    /// Counters.
    pub stats: Stats,
    /// Requests that took long.
    pub slow: Slow,
    /// The node's chance.
    pub random: Random,
    /// What the configuration says, ready to use.
    pub settings: Settings,
    /// Active expiry runs (DEBUG SET-ACTIVE-EXPIRE).
    pub expires_actively: bool,
    /// No regular work is done (DEBUG PAUSE-CRON).
    pub is_cron_paused: bool,
    /// DEBUG AOF-FLUSH-SLEEP: so long the process stands still before it writes to the append-only file.
    pub aof_flush_sleep: Span,
    /// What RESTORE looks at of a payload's footer (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub payload_footer: wire::rdb::payload::Footer,
    /// When the engine started.
    pub started: Now,
    /// Figures of the world.
    pub host: HostFacts,
    /// Keys of the running request that were not there when it began, while somebody wants to hear of new keys.
    pub absent: Vec<(u32, Box<[u8]>)>,
    /// A manual failover holds writes.
    pub hands_over: Option<Time>,
    /// What the client whose request runs is told behind its reply.
    pub later: Vec<u8>,
    /// The bounds of requests have changed: all connections are told at the end of the turn.
    pub has_new_bounds: bool,
    /// CLIENT PAUSE.
    pub pause: Option<Pause>,
    /// Clients whose next write is held, in the order in which they came.
    pub held: Vec<ConnId>,
    /// Keys on their way to other servers.
    pub moves: Moves,
    /// Clients that are shown what all clients run.
    pub monitors: Vec<ConnId>,
    /// What eviction keeps between its steps.
    pub eviction: Eviction,
    /// From how many bytes on an element of a list lies on its own (DEBUG QUICKLIST-PACKED-THRESHOLD).
    pub plain_bytes: usize,
    /// The most memory that the keyspace has had.
    pub peak_bytes: u64,
    /// The process stands still at this turn's end (DEBUG SLEEP): what is left to do has a later time.
    pub is_stalled: bool,
    /// A client pins more memory than at the end of the last turn, by a request that is not whole, or a large one.
    pub has_grown: bool,
}

impl Core {
    /// The configuration has changed: what is derived from it follows.
    pub fn configure(&mut self, shared: &mut Shared) {
        let bounds = |settings: &Settings| (settings.bulk_len_max, settings.query_bytes_max);
        let before = bounds(&self.settings);
        self.settings = Settings::from_config(&shared.config);
        self.has_new_bounds |= bounds(&self.settings) != before;
        shared.feed.ends = Ends::from_config(&shared.config);
        shared.feed.wraps_select = self.settings.is_valkey;
        self.stats.is_tracking = self.settings.tracks_latency;
        self.settings.eviction.settle(&mut self.eviction, &mut shared.access);
    }

    /// Publishes a keyspace event where `notify-keyspace-events` asks for it.
    #[expect(clippy::too_many_arguments, reason = "an event is all of these")]
    pub fn notify(
        &mut self,
        db: u32,
        class: Class,
        event: &str,
        key: &[u8],
        needed: u64,
        mut running: Option<Running<'_, '_>>,
        out: &mut Outbox,
    ) {
        const KEYSPACE: u32 = 1 << 10;
        const KEYEVENT: u32 = 1 << 11;
        let wanted = self.settings.notify;
        if wanted & class.0 == 0 {
            return;
        }
        let db = base::number::integer_text(i64::from(db));
        let mut channel = Vec::with_capacity(32 + key.len());
        let mut send = |prefix: &[u8], name: &[u8], message: &[u8]| {
            channel.clear();
            for part in [prefix, &db, b"__:", name] {
                channel.extend_from_slice(part);
            }
            let running = running.as_mut().map(|run| Running { conn: run.conn, reply: run.reply });
            self.pubsub.publish(&mut self.sessions, running, needed, &channel, message, out);
        };
        if wanted & KEYSPACE != 0 {
            send(b"__keyspace@", key, event.as_bytes());
        }
        if wanted & KEYEVENT != 0 {
            send(b"__keyevent@", event.as_bytes(), key);
        }
    }
}

/// What becomes of the run after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next request.
    Next,
    /// The caller must apply something first.
    Yield,
}

/// Kinds of keyspace events, as `notify-keyspace-events` selects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(pub u32);

impl Class {
    /// `g`: commands on keys whatever their type.
    pub const GENERIC: Class = Class(1 << 0);
    /// `$`.
    pub const STRING: Class = Class(1 << 1);
    /// `s`.
    pub const SET: Class = Class(1 << 3);
    /// `l`.
    pub const LIST: Class = Class(1 << 2);
    /// `h`.
    pub const HASH: Class = Class(1 << 4);
    /// `z`.
    pub const SORTED_SET: Class = Class(1 << 5);
    /// `x`.
    pub const EXPIRED: Class = Class(1 << 6);
    /// `e`: keys that made room for others.
    pub const EVICTED: Class = Class(1 << 7);
    /// `t`.
    pub const STREAM: Class = Class(1 << 8);
    /// `m`: a reader found no key.
    pub const MISS: Class = Class(1 << 12);
    /// `n`: a key came into being.
    pub const NEW: Class = Class(1 << 13);
    /// The classes for which a request's keys must be looked at one by one.
    pub const LOOKED_AT: u32 = Class::MISS.0 | Class::NEW.0;
}

/// A request that runs.
pub struct Call<'a> {
    /// Its arguments; the first is the command's name.
    pub args: Args<'a>,
    /// Where its reply goes.
    pub reply: Reply<'a>,
    /// The keyspace, with deadlines in force.
    pub keys: Keys<'a>,
    /// Whose request it is.
    pub session: &'a mut Session,
    /// The rest of the engine.
    pub core: &'a mut Core,
    /// All commands.
    pub table: &'a Table,
    /// Who answers what the engine can not.
    pub outside: &'a mut dyn Outside,
    /// For outputs other than the reply.
    pub out: &'a mut Outbox,
    /// The present.
    pub now: Now,
    /// The command.
    pub row: RowIndex,
    /// What becomes of the run afterwards.
    pub flow: Flow,
    /// It runs inside of EXEC.
    pub in_exec: bool,
}

/// What every request of one run has in common.
pub struct Stage<'a> {
    pub shared: &'a mut Shared,
    pub watch: &'a mut Watch,
    pub core: &'a mut Core,
    pub table: &'a Table,
    pub outside: &'a mut dyn Outside,
    pub out: &'a mut Outbox,
    pub now: Now,
}

/// In import mode the program that brings the data sees all of it. A writer's own change ends what is over.
#[cold]
fn while_importing(session: &Session, flags: Flags) -> Expiry {
    match (session.is_import_source, flags.has(Flags::WRITE)) {
        (true, _) => Expiry::Show,
        (false, true) => Expiry::Remove,
        (false, false) => Expiry::Hide,
    }
}

impl<'a> Stage<'a> {
    /// The call of one request.
    #[inline(always)]
    pub fn call<'c>(
        &'c mut self,
        session: &'c mut Session,
        bytes: &'c mut Vec<u8>,
        args: Args<'c>,
        row: RowIndex,
        first: Option<(&[u8], KeyHash)>,
    ) -> Call<'c> {
        let expiry = if session.is_stream {
            Expiry::Show
        } else if self.shared.standing.is_replica || self.shared.standing.holds_writes {
            // While writes are held the data does not change, not even by a reader who meets an expired key.
            Expiry::Hide
        } else if self.core.settings.is_importing {
            while_importing(session, self.table.row(row).spec().flags)
        } else {
            Expiry::Remove
        };
        let now_ms = self.now.unix.as_ms();
        let mut keys = Keys::new(self.shared, self.watch, session.db, now_ms, expiry, first);
        if session.no_touch {
            keys.clock = None;
        }
        Call {
            args,
            reply: Reply::new(bytes, session.resp3),
            keys,
            session,
            core: self.core,
            table: self.table,
            outside: self.outside,
            out: self.out,
            now: self.now,
            row,
            flow: Flow::Next,
            in_exec: false,
        }
    }
}

impl Call<'_> {
    /// Runs the command's handler and sees to what follows every command. Admission has been asked before.
    #[inline]
    pub fn perform(&mut self) {
        let mark = self.reply.out().len();
        let run = self.table.row(self.row).command.run;
        if let Err(refusal) = run(self) {
            self.reply.error_display(&refusal);
        }
        self.core.stats.hits += u64::from(self.keys.hits);
        self.core.stats.misses += u64::from(self.keys.misses);
        (self.keys.hits, self.keys.misses) = (0, 0);
        if self.keys.expired.is_some() {
            self.bury();
        }
        if self.reply.out().get(mark) == Some(&b'-') {
            self.core.stats.commands[usize::from(self.row)].failed += 1;
            let text = &self.reply.out()[mark + 1..];
            self.core.stats.error(text);
        }
    }

    /// As [`Call::perform`], and tells of keys that a reader missed and of those that came into being.
    pub fn perform_watched(&mut self) {
        let wanted = self.core.settings.notify & Class::LOOKED_AT;
        if wanted == 0 {
            return self.perform();
        }
        self.core.absent = self.absent_keys(|_| true);
        // An expired key that nobody looks at lies there as before: it is no new one.
        let until = |(_, key): &(u32, Box<[u8]>)| Some((key.clone(), self.stored_until(key)?));
        let stale: Vec<(Box<[u8]>, u64)> = self.core.absent.iter().filter_map(until).collect();
        let misses = self.core.stats.misses;
        self.perform();
        if self.core.stats.misses != misses {
            for (_, key) in self.absent_keys(|access| !access.has(Access::OW)) {
                self.notify(Class::MISS, "keymiss", &key);
            }
        }
        // What came without an event of its own.
        for (_, key) in core::mem::take(&mut self.core.absent) {
            let deadline = self.stored_until(&key);
            let is_stale = stale.iter().any(|(other, until)| *other == key && deadline == Some(*until));
            if self.is_stored(&key) && !is_stale {
                self.notify(Class::NEW, "new", &key);
            }
        }
    }

    /// A key was put in the place of whatever was there: to those who listen it is a new one.
    pub fn replaced(&mut self, key: &[u8]) {
        if self.core.settings.notify & Class::NEW.0 != 0 {
            let db = self.keys.db;
            self.core.absent.retain(|(at, absent)| *at != db || **absent != *key);
            self.notify(Class::NEW, "new", key);
        }
    }

    fn is_there(&self, key: &[u8]) -> bool {
        let keyspace = &self.keys.shared.keyspace;
        let found = keyspace.find(self.keys.db, key, keyspace.hash(key));
        found.is_some_and(|entry| !crate::keys::is_due(&entry, self.keys.now_ms))
    }

    /// True for an expired key as well: what is written with a deadline in the past stays until somebody looks at it.
    fn is_stored(&self, key: &[u8]) -> bool {
        let keyspace = &self.keys.shared.keyspace;
        keyspace.find(self.keys.db, key, keyspace.hash(key)).is_some()
    }

    /// The deadline of a key, passed or not.
    fn stored_until(&self, key: &[u8]) -> Option<u64> {
        let keyspace = &self.keys.shared.keyspace;
        keyspace.find(self.keys.db, key, keyspace.hash(key)).and_then(|entry| entry.deadline_ms())
    }

    /// Those of the request's keys that are not there, by how it accesses them.
    fn absent_keys(&self, counts: impl Fn(Access) -> bool) -> Vec<(u32, Box<[u8]>)> {
        let mut absent = Vec::new();
        let args = self.args;
        self.table.row(self.row).spec().keys.places(
            args.len(),
            |at| args.at(at),
            |at, access| {
                if counts(access) && !self.is_there(args.at(at)) {
                    absent.push((self.keys.db, args.at(at).into()));
                }
            },
        );
        absent
    }

    /// Runs another request within this one (EXEC).
    pub fn nested(&mut self, args: Args<'_>, row: RowIndex) {
        let now = self.now;
        let started = self.out.ticks();
        let mut call = Call {
            args,
            reply: Reply::new(self.reply.out(), self.session.resp3),
            keys: Keys::new(
                self.keys.shared,
                self.keys.watch,
                self.session.db,
                self.keys.now_ms,
                self.keys.expiry,
                None,
            ),
            session: self.session,
            core: self.core,
            table: self.table,
            outside: self.outside,
            out: self.out,
            now,
            row,
            flow: Flow::Next,
            in_exec: true,
        };
        if call.session.no_touch {
            call.keys.clock = None;
        }
        call.perform_watched();
        call.note_copies();
        call.show_monitors();
        if call.flow == Flow::Yield {
            self.flow = Flow::Yield;
        }
        let (ended, resp3) = (self.out.ticks(), self.session.resp3);
        self.took(row, args, ended.saturating_sub(started));
        let stats = &mut self.core.stats.commands[usize::from(row)];
        stats.calls += 1;
        stats.ticks += ended.saturating_sub(started);
        self.core.stats.record(row, ended.saturating_sub(started), 1);
        self.reply.set_resp3(resp3);
    }

    /// A client that tracks has read keys.
    pub fn note_copies(&mut self) {
        let spec = self.table.row(self.row).spec();
        if !spec.flags.has(Flags::READONLY) {
            return;
        }
        let Some(tracking) = &self.session.tracking else { return };
        let (args, conn, copies) = (self.args, self.session.conn, &mut self.keys.watch.copies);
        let note = |at: usize, _| copies.remember(conn, tracking, args.at(at));
        spec.keys.places(args.len(), |at| args.at(at), note);
    }

    /// Monitors are shown a request that ran.
    #[inline]
    pub fn show_monitors(&mut self) {
        if !self.core.monitors.is_empty() {
            monitor::show(self);
        }
    }

    /// A request was measured alone: it is noted where it took long.
    pub fn took(&mut self, row: RowIndex, args: Args<'_>, ticks: u64) {
        let ticks = ticks.saturating_add(core::mem::take(&mut self.core.slow.stalls));
        let thresholds = self.core.settings.slow;
        if ticks >= thresholds.slowlog.min(thresholds.latency) {
            self.core.slow.note(thresholds, ticks, self.table.row(row), args, self.session, self.now);
        }
    }

    #[cold]
    pub fn bury(&mut self) {
        for key in self.keys.bury() {
            self.core.stats.expired += 1;
            self.notify(Class::EXPIRED, "expired", &key);
        }
    }

    /// A reply that grows beyond so many bytes is never read: its client is over its hard limit and is cut off. None
    /// where there is no such limit.
    pub fn reply_bytes_max(&self) -> Option<usize> {
        let class = crate::commands::client::class_of(self.session);
        let bytes = self.core.settings.output_limits[class as usize].hard_bytes;
        usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)
    }

    /// Passes the request on to replicas as it came.
    #[inline]
    pub fn as_requested(&mut self) {
        // A replica's stream is its primary's, whatever its own clients do.
        if self.keys.shared.standing.is_replica {
            return;
        }
        self.keys.shared.feed.effect(self.keys.db, self.args.iter());
    }

    /// Passes something else on: what has the same effect whenever it is executed.
    pub fn effect(&mut self, args: &[&[u8]]) {
        if self.keys.shared.standing.is_replica {
            return;
        }
        self.keys.shared.feed.effect(self.keys.db, args.iter().copied());
    }

    /// A key was changed: who watches it and who listens to events of it is told.
    #[inline]
    pub fn changed(&mut self, class: Class, event: &str, key: &[u8]) {
        self.keys.changed(key);
        if self.core.settings.notify != 0 {
            self.notify(class, event, key);
        }
    }

    /// True where a deadline that has passed ends nothing: a replica and the stream of a primary wait for the primary's
    /// own DEL, and in import mode another program says what ends.
    pub fn waits_for_end(&self) -> bool {
        self.session.is_stream || self.keys.shared.standing.is_replica || self.core.settings.is_importing
    }

    /// A command gave a key a deadline that has passed: it is gone, and the stream says so.
    pub fn ended(&mut self, key: &[u8]) {
        let word = self.keys.shared.feed.ends.expired;
        self.effect(&[word, key]);
        if self.core.settings.is_valkey {
            self.core.stats.expired += 1;
            self.changed(Class::EXPIRED, "expired", key);
        } else {
            self.changed(Class::GENERIC, "del", key);
        }
    }

    /// Publishes a keyspace event where `notify-keyspace-events` asks for it.
    #[cold]
    pub fn notify(&mut self, class: Class, event: &str, key: &[u8]) {
        // The end of what was found expired comes before all that the request does.
        if self.keys.expired.is_some() {
            self.bury();
        }
        // A key's first event follows the one of its coming into being.
        let is_change = !matches!(class, Class::NEW | Class::EXPIRED);
        if !self.core.absent.is_empty() && is_change && self.is_stored(key) {
            let before = self.core.absent.len();
            let db = self.keys.db;
            self.core.absent.retain(|(at, absent)| *at != db || **absent != *key);
            if self.core.absent.len() < before {
                self.notify(Class::NEW, "new", key);
            }
        }
        let (db, needed) = (self.keys.db, self.keys.shared.feed.offset);
        self.tell_all(|core, running, out| core.notify(db, class, event, key, needed, Some(running), out));
    }

    /// Delivers a message to this node's subscribers; returns how many.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let needed = self.keys.shared.feed.offset;
        self.tell_all(|core, running, out| {
            core.pubsub.publish(&mut core.sessions, Some(running), needed, channel, message, out)
        })
    }

    /// Delivers a message to this node's subscribers of a sharded channel; returns how many.
    pub fn publish_sharded(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let needed = self.keys.shared.feed.offset;
        self.tell_all(|core, running, out| {
            core.pubsub.publish_sharded(&mut core.sessions, Some(running), needed, channel, message, out)
        })
    }

    /// Lends what a message to all subscribers takes. What the client whose request runs is told itself comes before its
    /// reply in Redis, and in Valkey behind it, where it speaks RESP3.
    fn tell_all<R>(&mut self, send: impl FnOnce(&mut Core, Running<'_, '_>, &mut Outbox) -> R) -> R {
        let conn = self.session.conn;
        if !self.core.settings.is_valkey || !self.session.resp3 {
            return send(self.core, Running { conn, reply: &mut self.reply }, self.out);
        }
        let mut later = core::mem::take(&mut self.core.later);
        let sent = send(self.core, Running { conn, reply: &mut Reply::new(&mut later, true) }, self.out);
        self.core.later = later;
        sent
    }

    /// Asks a question; what follows from the answer is seen to here.
    pub fn ask(&mut self, question: Question<'_>) -> Result<(), Refusal> {
        match self.put(question) {
            Answer::Done => {}
            Answer::Refused(refusal) => return Err(refusal),
            Answer::Yield => self.flow = Flow::Yield,
            Answer::Block => self.session.is_blocked = true,
            Answer::Later(number) => self.answer_later(number),
            Answer::Link => {
                self.session.is_replica = true;
                self.session.settle();
            }
        }
        Ok(())
    }

    /// Answers OK for now, within a transaction; see `Answer::Later`.
    pub fn answer_later(&mut self, number: u64) {
        let start = self.reply.out().len();
        self.reply.ok();
        let place = start..self.reply.out().len();
        self.session.unsettled.get_or_insert_default().answers.push((number, place));
        // What follows waits until the host has answered; the transaction does not.
        self.flow = Flow::Yield;
    }

    /// Puts a question; the answer is for the caller.
    pub fn put(&mut self, question: Question<'_>) -> Answer {
        let mut asked = Asked {
            now: self.now,
            conn: self.session.conn,
            peer: &self.session.peer,
            db: self.session.db,
            shared: self.keys.shared,
            out: self.out,
        };
        self.outside.ask(&mut asked, question, &mut self.reply)
    }

    /// The command's own name, for error texts that carry it.
    pub fn name(&self) -> &'static str {
        self.table.row(self.row).spec().name
    }
}
