//! Engine: runs the requests of all clients on one keyspace, one after the other.

use crate::Shared;
use crate::call::Core;
use crate::commands::client;
use crate::evict::{Eviction, Maker, Room};
use crate::moves::Moves;
use crate::pubsub::PubSub;
use crate::session::{Connection, Session, Sessions};
use crate::settings::Settings;
use crate::stats::Stats;
use crate::table::Table;
use crate::turn::{Planned, Segment};
use crate::watch::Watch;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Now, Random, Span, Time};
use core::fmt;
use machine::{Address, ConnId, HostFacts, HostSetting, Level, Listener, Outbox, Output, Peer};
use spec::{Config, Refusal};
use wire::reply::Reply;
use wire::{Batch, Limits, Mode};

/// The engine. `node` (or a test) feeds it and decides when replies leave.
pub struct Engine {
    /// What other parts work on too.
    pub shared: Shared,
    pub(crate) core: Core,
    pub(crate) watch: Watch,
    pub(crate) table: Box<Table>,
    /// The look-ahead of `run`, kept for its memory.
    pub(crate) plan: Vec<Planned>,
    /// Whose requests they are.
    pub(crate) segments: Vec<Segment>,
    /// The primary's stream as a connection: its transaction, its database.
    pub(crate) stream: Box<Connection>,
    /// FUNCTION commands of the stream: the journal keeps the libraries, nobody runs them.
    pub(crate) functions: Vec<Vec<Vec<u8>>>,
    /// When clients may be looked through again for those that pin most.
    pub(crate) crowd_look_at: Time,
    next_expiry: Time,
    next_sweep: Time,
}

/// What [`Engine::run`] leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Nothing is left to do.
    Idle,
    /// A request was answered with [`crate::Answer::Yield`]: apply what it changed, then run again in this turn.
    Yield,
    /// The turn's budget is used and requests are left: run again in the next turn.
    Budget,
}

/// How far [`Engine::apply`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Bytes of the stream up to the last boundary between commands or transactions, counted from the boundary
    /// before: what an open transaction of earlier batches held is counted when its EXEC has run.
    pub bytes_done: u64,
    /// The primary asks for an acknowledgement (REPLCONF GETACK); the offset to tell includes this command.
    pub wants_ack: bool,
}

/// A request of the primary's stream that can not be applied. Replication must end here: skipping it would
/// make this node a wrong copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyError {
    /// The request's name, and its arguments cut to a line.
    pub command: String,
    /// What the request would have been answered.
    pub error: String,
    /// As [`Applied::bytes_done`], before this request.
    pub bytes_done: u64,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the primary's stream holds '{}', which fails here ({}): this node would no longer be a true \
             copy; let it follow a primary that speaks no newer dialect, or update it",
            self.command, self.error
        )
    }
}

impl core::error::Error for ApplyError {}

/// 100 ms: between two slices of active expiry while little is due. An expired key goes within a second.
const EXPIRY_EVERY: Span = Span::ms(100);
/// One second: idle clients and soft output limits are looked at this often.
const SWEEP_EVERY: Span = Span::seconds(1);
/// 512: keys that one slice of active expiry removes at most (about 100 us).
const EXPIRY_BUDGET: usize = 512;
/// 64: allocations that are freed between two looks at how long it takes.
const FREE_PART: usize = 64;
/// 12: such parts that one turn frees at most of what was emptied or unlinked: some 100 us where each of them misses the
/// caches. The next turn follows at once, so that requests wait for one slice and no longer, and memory is back soon.
const FREE_PARTS: usize = 12;
/// 250 us: after so long a turn frees nothing more. Where the processor waits for its memory, or for the host of a virtual
/// machine to bring it, an allocation takes up to 50 us.
const FREE_TICKS_MAX: u64 = 250_000;
/// 1 GiB: of so much that waits a turn frees twice as much.
const MUCH_GARBAGE_BYTES: u64 = 1 << 30;
/// 4: batches that wait on a session before its connection is not read any more.
const WAITING_BATCHES_MAX: usize = 4;
/// 16 MiB: a client with so much unread output runs no further request, and is not read.
pub(crate) const UNREAD_BYTES_MAX: usize = 16 << 20;

/// 17 KiB: one who may do nothing has no reason to leave more unread: a buffer of the originals and their bound beyond it.
const UNKNOWN_UNREAD_BYTES_MAX: usize = 17 << 10;

/// 64 KiB: the memory of one read; a batch of more counts as soon as it has come.
const UNCOUNTED_BATCH_BYTES: usize = 64 << 10;
/// 256 KiB: a batch of more is looked at before it runs: its client may be over the limit of memory.
const LARGE_BATCH_BYTES: usize = 256 << 10;

impl Engine {
    /// An engine with an empty keyspace. `clustered` fixes for its life whether keys have slots.
    pub fn new(config: Config, mut random: Random, clustered: bool, now: Now) -> Engine {
        let settings = Settings::from_config(&config);
        let table = Box::new(Table::renamed(config.renames()));
        let mut stats = Stats::new(table.rows().len());
        stats.is_tracking = settings.tracks_latency;
        let nowhere = Address::Unix(String::new());
        let peer = Peer { remote: nowhere.clone(), local: nowhere };
        let mut session = Session::new(ConnId::outbound(0, 0), 0, Listener::Client, peer, now.mono);
        session.is_stream = true;
        session.is_authenticated = true;
        let mut shared = Shared::new(config, &mut random, clustered);
        let mut eviction = Eviction::default();
        settings.eviction.settle(&mut eviction, &mut shared.access);
        Engine {
            shared,
            core: Core {
                sessions: Sessions::default(),
                pubsub: PubSub::default(),
                stats,
                slow: crate::slow::Slow::default(),
                random,
                settings,
                expires_actively: true,
                is_cron_paused: false,
                aof_flush_sleep: Span::ZERO,
                payload_footer: wire::rdb::payload::Footer::Whole,
                started: now,
                host: HostFacts::default(),
                held: Vec::new(),
                absent: Vec::new(),
                hands_over: None,
                has_new_bounds: false,
                later: Vec::new(),
                pause: None,
                moves: Moves::default(),
                eviction,
                plain_bytes: data::ListLimits::PLAIN_BYTES_USUAL,
                peak_bytes: 0,
                is_stalled: false,
                has_grown: false,
                monitors: Vec::new(),
            },
            watch: Watch::default(),
            table,
            plan: Vec::new(),
            segments: Vec::new(),
            stream: Box::new(Connection::new(session)),
            crowd_look_at: now.mono,
            next_expiry: now.mono,
            next_sweep: now.mono,
            functions: Vec::new(),
        }
    }

    /// All commands, for whoever derives from the table (the command line, the proxy).
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// A client connected. Refuses it (with the error's text) over `maxclients` or in protected mode.
    pub fn on_opened(&mut self, now: Now, conn: ConnId, listener: Listener, peer: Peer, out: &mut Outbox) {
        let settings = &self.core.settings;
        let mut refused = None;
        if self.core.sessions.count() >= settings.clients_max {
            self.core.stats.rejected_connections += 1;
            refused = Some(Refusal::MaxClients);
        }
        let id = self.core.sessions.next_id();
        let mut session = Session::new(conn, id, listener, peer, now.mono);
        session.is_authenticated = settings.password.is_empty();
        if settings.is_protected && session.is_authenticated && !crate::admission::is_local(&session) {
            refused = refused.or(Some(Refusal::Protected));
        }
        session.settle();
        if let Some(refusal) = refused {
            let mut bytes = out.pool.buffer();
            Reply::new(&mut bytes, false).error_display(&refusal);
            out.send(conn, bytes);
            out.close_flushed(conn);
            return;
        }
        self.core.stats.connections += 1;
        let mode = requests_mode(settings, session.is_authenticated);
        if mode != Mode::Requests(Limits::default()) {
            out.put(Output::Frame { conn, mode });
        }
        self.core.sessions.insert(Connection::new(session));
    }

    /// A connection is gone. True when it was one of the engine's.
    pub fn on_closed(&mut self, now: Now, conn: ConnId, out: &mut Outbox) -> bool {
        let _ = now;
        let Some(mut connection) = self.core.sessions.remove(conn) else { return false };
        self.watch.clear(conn);
        self.watch.blocking.forget(conn);
        if let Some(tracking) = connection.session.tracking.take() {
            self.watch.untrack(conn, &tracking);
        }
        if connection.session.is_monitor {
            self.core.monitors.retain(|monitor| *monitor != conn);
        }
        if let Some(subscriptions) = connection.session.subscriptions.take() {
            self.core.pubsub.forget(conn, &subscriptions);
        }
        while let Some(batch) = connection.inbox.advance() {
            out.pool.recycle_batch(batch);
        }
        out.pool.recycle(core::mem::take(&mut connection.outgoing.bytes));
        true
    }

    /// Requests arrived: they are queued on their session, to be executed by `run`. The batch comes back when
    /// `conn` is none of the engine's.
    ///
    /// # Errors
    /// The batch of a connection that the engine does not know.
    pub fn on_batch(&mut self, now: Now, conn: ConnId, batch: Batch, out: &mut Outbox) -> Result<(), Batch> {
        let Some(connection) = self.core.sessions.at_mut(conn) else { return Err(batch) };
        if connection.session.is_closing {
            out.pool.recycle_batch(batch);
            return Ok(());
        }
        connection.session.active = now.mono;
        connection.session.input_bytes += batch.raw_len() as u64;
        connection.session.read_bytes = batch.memory_bytes();
        self.core.has_grown |= batch.memory_bytes() > LARGE_BATCH_BYTES;
        // A small one runs before anybody asks, and what it leaves is counted with its replies.
        let is_counted = batch.memory_bytes() > UNCOUNTED_BATCH_BYTES || connection.session.is_stuck();
        connection.inbox.push(batch);
        let waiting = connection.inbox.waiting();
        let is_full = waiting >= WAITING_BATCHES_MAX;
        if is_full && !core::mem::replace(&mut connection.is_paused, true) {
            out.put(Output::Pause(conn));
        }
        if !connection.session.is_blocked && !core::mem::replace(&mut connection.is_ready, true) {
            self.core.sessions.ready.push_back(conn.place() as u32);
        }
        if is_counted || waiting > 1 {
            self.core.sessions.recount(conn.place() as u32);
        }
        Ok(())
    }

    /// What a connection could not send yet. Applies the output limits and pauses or resumes reading.
    pub fn on_unsent(&mut self, now: Now, conn: ConnId, bytes: usize, out: &mut Outbox) {
        if conn.is_outbound() {
            self.core.moves.on_unsent(now, conn, bytes);
            return;
        }
        let settings = &self.core.settings;
        let Some(connection) = self.core.sessions.at_mut(conn) else { return };
        connection.outgoing.unsent = bytes;
        self.core.sessions.recount(conn.place() as u32);
        let Some(connection) = self.core.sessions.at_mut(conn) else { return };
        if is_over_limit(settings, connection, now.mono) {
            self.cut_off_over_limit(now, conn, out);
            return;
        }
        if connection.session.is_replica {
            return;
        }
        let is_over = connection.outgoing.pending() > UNREAD_BYTES_MAX;
        if is_over && !core::mem::replace(&mut connection.is_paused, true) {
            out.put(Output::Pause(conn));
        } else if !is_over {
            resume(connection, out);
            if connection.inbox.batch.is_some() && !connection.session.is_blocked {
                self.core.sessions.wake(conn);
            }
        }
    }

    /// What a connection has brought of a request that is not whole yet: bytes, and the memory that they pin.
    pub fn on_unframed(&mut self, conn: ConnId, bytes: usize, memory_bytes: usize) {
        if let Some(connection) = self.core.sessions.at_mut(conn) {
            self.core.has_grown |= memory_bytes > connection.inbox.unframed.1;
            connection.inbox.unframed = (bytes, memory_bytes);
            self.core.sessions.recount(conn.place() as u32);
        }
    }

    /// Figures of the world, for INFO.
    pub fn on_host(&mut self, facts: HostFacts) {
        self.core.host = facts;
    }

    /// Ends the turn: puts out all replies that depend on nothing beyond the journal offset `safe`.
    /// `u64::MAX` holds nothing back.
    pub fn release(&mut self, now: Now, safe: u64, out: &mut Outbox) {
        self.tell_of_changes(out);
        if core::mem::take(&mut self.core.has_new_bounds) {
            self.tell_bounds(out);
        }
        // What waits for the end of a sleep has its turn next: the node asks for one.
        self.core.is_stalled = false;
        self.core.has_grown = false;
        let held = core::mem::take(&mut self.core.sessions.held);
        for place in held {
            self.release_held(place, safe, out);
        }
        let mut dirty = core::mem::take(&mut self.core.sessions.dirty);
        for &place in &dirty {
            let Some(connection) = self.core.sessions.place_mut(place) else { continue };
            let conn = connection.session.conn;
            if !core::mem::replace(&mut connection.outgoing.is_listed, false) {
                continue;
            }
            if is_over_limit(&self.core.settings, connection, now.mono) {
                self.cut_off_over_limit(now, conn, out);
                continue;
            }
            let outgoing = &mut connection.outgoing;
            let bytes = core::mem::take(&mut outgoing.bytes);
            if outgoing.held.is_empty() && outgoing.needed <= safe {
                if bytes.is_empty() {
                    out.pool.recycle(bytes);
                } else {
                    connection.session.output_bytes += bytes.len() as u64;
                    out.send(conn, bytes);
                }
                if connection.session.is_closing {
                    out.close_flushed(conn);
                }
                continue;
            }
            if !bytes.is_empty() {
                outgoing.held_bytes += bytes.len();
                outgoing.held.push_back((bytes, outgoing.needed));
            }
            let was_held = core::mem::replace(&mut outgoing.is_held, true);
            if !was_held {
                self.core.sessions.held.push(place);
            }
        }
        dirty.drain(..).for_each(|place| self.core.sessions.recount(place));
        self.core.sessions.dirty = dirty;
        self.thin_out(now, out);
    }

    /// Tells all connections of new bounds of requests. One that waits for an answer to go on reading is told with it.
    fn tell_bounds(&mut self, out: &mut Outbox) {
        for connection in self.core.sessions.iter() {
            let session = &connection.session;
            if !session.is_replica && !session.is_closing && !connection.inbox.is_held() {
                let mode = requests_mode(&self.core.settings, session.is_authenticated);
                out.put(Output::Frame { conn: session.conn, mode });
            }
        }
    }

    /// Tells tracking clients of what changed outside of requests, and of what broadcasts have gathered.
    fn tell_of_changes(&mut self, out: &mut Outbox) {
        let copies = &mut self.watch.copies;
        if copies.clients() == 0 {
            return;
        }
        let needed = self.shared.feed.offset;
        copies.deliver(&mut self.core.sessions, None, needed, out);
        copies.broadcast(&mut self.core.sessions, needed, out);
    }

    fn release_held(&mut self, place: u32, safe: u64, out: &mut Outbox) {
        let Some(connection) = self.core.sessions.place_mut(place) else { return };
        let conn = connection.session.conn;
        let last_write = connection.session.last_write;
        let outgoing = &mut connection.outgoing;
        // Only one that says so itself is held: the place may have a new connection.
        if !outgoing.is_held {
            return;
        }
        if self.shared.standing.aof_error.is_some() {
            outgoing.held.iter_mut().for_each(|(_, needed)| *needed = last_write.min(*needed));
        }
        while outgoing.held.front().is_some_and(|(_, needed)| *needed <= safe) {
            let (bytes, _) = outgoing.held.pop_front().expect("the queue has a front");
            outgoing.held_bytes -= bytes.len();
            connection.session.output_bytes += bytes.len() as u64;
            out.send(conn, bytes);
        }
        if !outgoing.held.is_empty() {
            self.core.sessions.held.push(place);
            return;
        }
        outgoing.is_held = false;
        if connection.session.is_closing && !outgoing.is_listed {
            out.close_flushed(conn);
        }
    }

    /// Answers a connection that a question left blocked; its further requests run with the next `run`.
    /// False when it is gone or not blocked: then `answer` is not called.
    pub fn unblock(&mut self, conn: ConnId, answer: impl FnOnce(&mut Reply<'_>)) -> bool {
        crate::serve::end_wait(&mut self.core, &mut self.watch, conn, answer)
    }

    /// Settles an answer that was given as [`crate::Answer::Later`]: it stays, or is the error.
    pub fn settle(&mut self, conn: ConnId, number: u64, error: Option<&str>) {
        let mut bytes = Vec::new();
        if let Some(text) = error {
            Reply::new(&mut bytes, false).error(text);
            self.core.stats.error(text.as_bytes());
        }
        let needed = self.shared.feed.offset;
        self.core.sessions.settle(conn, number, needed, error.map(|_| &*bytes));
    }

    /// Delivers a message to this node's subscribers (one that came over the cluster bus). Returns how many.
    pub fn publish(&mut self, channel: &[u8], message: &[u8], out: &mut Outbox) -> usize {
        let needed = self.shared.feed.offset;
        let core = &mut self.core;
        core.pubsub.publish(&mut core.sessions, None, needed, channel, message, out)
    }

    /// As [`Engine::publish`], on a sharded channel.
    pub fn publish_sharded(&mut self, channel: &[u8], message: &[u8], out: &mut Outbox) -> usize {
        let needed = self.shared.feed.offset;
        let core = &mut self.core;
        core.pubsub.publish_sharded(&mut core.sessions, None, needed, channel, message, out)
    }

    /// The table of slots was written anew: subscriptions to channels of another shard's slots end. A failover within
    /// the shard ends none.
    pub fn on_routes(&mut self, out: &mut Outbox) {
        if self.shared.routes.enabled && !self.watch.blocking.is_empty() {
            self.redirect_waits();
        }
        let Engine { core, shared, .. } = self;
        if shared.routes.enabled && !core.pubsub.shards.is_empty() {
            let is_served = |channel: &[u8]| shared.routes.is_in_shard(shared.keyspace.hash(channel).slot());
            core.pubsub.drop_unserved(&mut core.sessions, shared.feed.offset, is_served, out);
        }
    }

    /// The node's role changed: those who wait for what only the old role could give are told.
    pub fn on_demoted(&mut self) {
        self.end_waits();
        let blocked: Vec<ConnId> = self
            .core
            .sessions
            .iter()
            .filter(|connection| connection.session.is_blocked && !connection.session.is_replica)
            .map(|connection| connection.session.conn)
            .collect();
        for conn in blocked {
            self.unblock(conn, |reply| reply.error_display(&Refusal::Demoted));
        }
    }

    /// Closes a connection: what was written to it is sent first.
    pub fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.core.sessions.at_mut(conn) {
            connection.session.is_closing = true;
            if !core::mem::replace(&mut connection.outgoing.is_listed, true) {
                self.core.sessions.dirty.push(conn.place() as u32);
            }
        }
    }

    /// DEBUG PAUSE-CRON.
    pub fn is_cron_paused(&self) -> bool {
        self.core.is_cron_paused
    }

    /// So long the process stands still before it writes to the append-only file (DEBUG AOF-FLUSH-SLEEP).
    pub fn aof_flush_sleep(&self) -> Span {
        self.core.aof_flush_sleep
    }

    /// Regular work: a slice of active expiry (when this node leads), idle clients, freed memory, output limits
    /// over time. Returns when it wants to be called again.
    pub fn tick(&mut self, now: Now, out: &mut Outbox) -> Time {
        self.end_pause(now);
        self.end_late_waits(now);
        let started = out.ticks();
        self.core.stats.rate.sample(now.mono.0, self.core.stats.requests);
        self.core.stats.rates.sample(now.mono.0, &out.traffic, self.shared.standing.replication_bytes);
        self.core.peak_bytes = self.core.peak_bytes.max(self.shared.keyspace.used_bytes());
        if self.core.is_cron_paused {
            return now.mono + EXPIRY_EVERY;
        }
        self.watch.copies.shrink(self.core.settings.tracked_max);
        let has_garbage = self.free_more(out);
        let has_garbage = self.evict_more(now, out) || has_garbage;
        if now.mono >= self.next_expiry {
            let begun = out.ticks();
            let has_more = self.expire_actively(now, out);
            self.core.stats.expire_ticks += out.ticks().saturating_sub(begun);
            self.core.stats.expire_cut_short += u64::from(has_more);
            self.next_expiry = now.mono + if has_more { Span::ms(1) } else { EXPIRY_EVERY };
        }
        if now.mono >= self.next_sweep {
            self.sweep(now, out);
            self.next_sweep = now.mono + SWEEP_EVERY;
        }
        self.core.stats.cron_ticks += out.ticks().saturating_sub(started);
        let next = self.next_expiry.min(self.next_sweep);
        if has_garbage {
            out.again = true;
            // Not in this turn again, however many inputs it has.
            return next.min(now.mono + Span::us(1));
        }
        next
    }

    /// Closes idle clients and those that were over the soft output limit for too long.
    fn sweep(&mut self, now: Now, out: &mut Outbox) {
        let settings = &self.core.settings;
        let mut over_limit = Vec::new();
        for connection in self.core.sessions.iter_mut() {
            let session = &connection.session;
            let may_idle =
                session.is_replica || session.is_blocked || session.is_held || session.is_subscribed();
            let idle = now.mono.since(session.active);
            if settings.idle > Span::ZERO && !may_idle && idle > settings.idle {
                out.log(Level::Verbose, "Closing idle client");
                out.close_now(session.conn);
            } else if is_over_limit(settings, connection, now.mono) {
                over_limit.push(connection.session.conn);
            }
        }
        over_limit.into_iter().for_each(|conn| self.cut_off_over_limit(now, conn, out));
        if self.core.settings.reports_crashes {
            let clients = client::portrait(&self.core, &self.table, &self.watch, now.mono);
            out.put(Output::Host(HostSetting::Portrait { clients, current: String::new() }));
        }
    }

    /// True when requests wait for `run`.
    pub fn has_work(&self) -> bool {
        !self.core.is_stalled && (!self.core.sessions.ready.is_empty() || self.may_serve())
    }

    /// Requests that ran so far. (CONFIG RESETSTAT sets it back.)
    pub fn requests(&self) -> u64 {
        self.core.stats.requests
    }

    /// A turn is over in which so many requests ran.
    pub fn note_turn(&mut self, requests: u64) {
        self.core.stats.requests_max = self.core.stats.requests_max.max(requests);
    }

    /// True when `conn` is one of the engine's.
    pub fn knows(&self, conn: ConnId) -> bool {
        self.core.sessions.at(conn).is_some()
    }

    /// The configuration was changed from outside (a rewrite of `replicaof`, for example): derived values follow.
    pub fn on_config(&mut self) {
        self.core.configure(&mut self.shared);
    }

    /// True when something waits to be freed: `tick` wants to be called at once.
    pub fn has_garbage(&self) -> bool {
        !self.core.is_cron_paused && self.shared.keyspace.has_garbage()
    }

    /// Frees a slice of what was unlinked; true while there is more. A turn frees more where so much waits, or counts
    /// against `maxmemory`, that the memory is worth some hundred microseconds.
    fn free_more(&mut self, out: &Outbox) -> bool {
        let keyspace = &mut self.shared.keyspace;
        if !keyspace.has_garbage() {
            return false;
        }
        let is_pressed = keyspace.garbage().bytes > MUCH_GARBAGE_BYTES
            || keyspace.used_bytes() > self.core.settings.eviction.limit_bytes;
        let parts = if is_pressed { 2 * FREE_PARTS } else { FREE_PARTS };
        let start = out.ticks();
        (0..parts).all(|_| {
            let is_late = out.ticks().saturating_sub(start) > FREE_TICKS_MAX;
            is_late || keyspace.free_slice(FREE_PART)
        })
    }

    /// Goes on with an eviction that a request has begun, or that a lower `maxmemory` asks for. True when there is
    /// more to do.
    fn evict_more(&mut self, now: Now, out: &mut Outbox) -> bool {
        let Engine { core, shared, watch, .. } = self;
        let now_ms = now.unix.as_ms();
        let has_more = core.settings.eviction.evicts()
            && Maker { core, shared, watch, out, now_ms }.make_room() == Room::Working;
        core.stats.note_limit(!crate::evict::is_room(core, shared), now.mono);
        has_more
    }

    /// Removes keys whose time has come, with a DEL for each. True when there are more.
    fn expire_actively(&mut self, now: Now, out: &mut Outbox) -> bool {
        let standing = &self.shared.standing;
        if standing.is_replica && !standing.loading {
            self.expire_own_keys(now, out);
        }
        let standing = &self.shared.standing;
        if self.core.settings.is_importing
            || standing.is_replica
            || standing.loading
            || standing.holds_writes
            || !self.core.expires_actively
        {
            return false;
        }
        let now_ms = now.unix.as_ms();
        let mut due: Vec<(Box<[u8]>, data::KeyHash)> = Vec::new();
        let mut has_more = false;
        let (mut all, mut over) = (0, 0);
        for db in 0..self.shared.keyspace.databases() {
            // A key lives through the millisecond of its deadline.
            let due_ms = now_ms.saturating_sub(1);
            let found = self
                .shared
                .keyspace
                .expire_slice(db, due_ms, EXPIRY_BUDGET, |key, hash| due.push((key.into(), hash)));
            has_more |= found.more;
            all += self.shared.keyspace.figures(db, now_ms).expires;
            over += found.found as u64;
            for (key, hash) in due.drain(..) {
                self.remove_due(db, &key, hash, out);
            }
            has_more |= self.expire_fields(db, now_ms, out);
        }
        self.core.stats.note_stale(over, all);
        has_more
    }

    /// On a writable replica: removes keys of its own clients whose time has come.
    fn expire_own_keys(&mut self, now: Now, out: &mut Outbox) {
        let now_ms = now.unix.as_ms();
        for (db, key) in self.shared.own_keys.next(EXPIRY_BUDGET) {
            let hash = self.shared.keyspace.hash(&key);
            let entry = self.shared.keyspace.find(db, &key, hash);
            let deadline_ms = entry.and_then(|entry| entry.deadline_ms());
            if deadline_ms.is_some_and(|deadline_ms| deadline_ms >= now_ms) {
                continue;
            }
            self.shared.own_keys.forget(db, &key);
            if deadline_ms.is_some() {
                self.remove_due(db, &key, hash, out);
            }
        }
    }

    /// Removes fields of hashes whose time has come, with a HDEL for those of a hash. True when there are more.
    fn expire_fields(&mut self, db: u32, now_ms: u64, out: &mut Outbox) -> bool {
        let mut left = EXPIRY_BUDGET;
        while let Some(key) = self.shared.keyspace.next_due_parts(db, now_ms) {
            if left == 0 || self.shared.in_flight.has(key) {
                return left == 0;
            }
            let key: Box<[u8]> = key.into();
            let hash = self.shared.keyspace.hash(&key);
            let data::Entry::Occupied(mut entry) = self.shared.keyspace.entry(db, &key, hash) else {
                unreachable!("what has due parts is there");
            };
            let (mut gone, mut is_empty) = (Vec::new(), false);
            if let Some(mut hash) = entry.hash_mut() {
                gone = hash.expire(now_ms, left);
                is_empty = hash.is_empty();
            }
            left = left.saturating_sub(gone.len().max(1));
            if gone.is_empty() {
                continue;
            }
            if is_empty {
                entry.remove();
            }
            let effect = [&b"HDEL"[..], &key].into_iter().chain(gone.iter().map(|field| &**field));
            let effect: Vec<&[u8]> = effect.collect();
            self.shared.feed.begin_unit();
            self.shared.feed.effect(db, effect.iter().copied());
            self.shared.feed.end_unit();
            self.watch.touch_due(db, &key);
            self.core.stats.expired_fields += gone.len() as u64;
            if self.core.settings.notify != 0 {
                let needed = self.shared.feed.offset;
                self.core.notify(db, crate::call::Class::HASH, "hexpired", &key, needed, None, out);
                if is_empty {
                    self.core.notify(db, crate::call::Class::GENERIC, "del", &key, needed, None, out);
                }
            }
        }
        false
    }

    pub(crate) fn remove_due(&mut self, db: u32, key: &[u8], hash: data::KeyHash, out: &mut Outbox) {
        if self.shared.in_flight.has(key) {
            return;
        }
        if let data::Entry::Occupied(entry) = self.shared.keyspace.entry(db, key, hash) {
            entry.remove();
        }
        self.shared.feed.begin_unit();
        let word = self.shared.feed.ends.expired;
        self.shared.feed.effect(db, [word, key].into_iter());
        self.shared.feed.end_unit();
        self.watch.touch_due(db, key);
        self.core.stats.expired += 1;
        if self.core.settings.notify != 0 {
            let needed = self.shared.feed.offset;
            self.core.notify(db, crate::call::Class::EXPIRED, "expired", key, needed, None, out);
        }
    }
}

/// How a client's bytes are read.
pub(crate) fn requests_mode(settings: &Settings, is_authenticated: bool) -> Mode {
    Mode::Requests(Limits {
        bulk_len_max: settings.bulk_len_max,
        buffer_bytes_max: settings.query_bytes_max,
        authenticated: is_authenticated,
    })
}

/// Reads from a connection again, where it was paused and nothing speaks against it.
pub(crate) fn resume(connection: &mut Connection, out: &mut Outbox) {
    let may_read =
        connection.inbox.waiting() < WAITING_BATCHES_MAX && connection.outgoing.pending() <= UNREAD_BYTES_MAX;
    if connection.is_paused && may_read {
        connection.is_paused = false;
        out.put(Output::Resume(connection.session.conn));
    }
}

impl Engine {
    /// Closes a client whose unread output is over the limits of its class.
    pub(crate) fn check_output(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        let settings = &self.core.settings;
        if self.core.sessions.at_mut(conn).is_some_and(|client| is_over_limit(settings, client, now.mono)) {
            self.cut_off_over_limit(now, conn, out);
        }
    }
}

/// True when the client's unread output is over the limits of its class. Links of replicas have limits that know the
/// backlog, elsewhere.
fn is_over_limit(settings: &Settings, connection: &mut Connection, now: Time) -> bool {
    if connection.session.is_replica {
        return false;
    }
    if !connection.session.is_authenticated && connection.outgoing.pending() > UNKNOWN_UNREAD_BYTES_MAX {
        return true;
    }
    let class = crate::commands::client::class_of(&connection.session);
    let limit = settings.output_limits[class as usize];
    let outgoing = &mut connection.outgoing;
    let pending = outgoing.pending() as u64;
    let is_over_soft = limit.soft_bytes > 0 && pending > limit.soft_bytes;
    if !is_over_soft {
        outgoing.over_soft_since = None;
    }
    let since = if is_over_soft { *outgoing.over_soft_since.get_or_insert(now) } else { now };
    let is_over_hard = limit.hard_bytes > 0 && pending > limit.hard_bytes;
    is_over_hard || (is_over_soft && now.since(since) > limit.soft)
}
