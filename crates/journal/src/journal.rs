//! Journal: the part as its node sees it.
//!
//! One turn, in the order in which the node calls:
//!
//! ```text
//!   on_connected, on_batch, on_closed, on_unsent, on_disk, on_file_read, tick   as inputs arrive
//!   psync, replconf, wait, save, shutdown                                       as commands ask
//!   append(feed)           in seal: what the engine's commands did, in order
//!   seal(turn)             PINGs, snapshots, stream bytes to replicas
//!   release(safe_offset)   the engine's replies, after that
//! ```
//!
//! Before `follow` and `lead` the node appends what its engine has collected: it belongs to the role that ends.
//! After `seal` the node sets the engine's `feed.offset` to `offset()` (PINGs were added), and `feed.enabled` to
//! `wants_feed()` whenever it called anything here. Acts are carried out in order right after each call.

mod asked;
mod filed;
mod handover;
mod held;
mod inputs;
mod shutdown;

use crate::aof::{Aof, Replay};
use crate::boot::Boot;
use crate::feed::Feed;
use crate::follow::{Event, Follow, Loading, command};
use crate::gate::{Done, Gate};
use crate::lineage::Bond;
use crate::link::Links;
use crate::snapshot::{Saver, Wish};
use crate::{Act, Loaded, Settings, Source, dump};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Id, Now, Random, Span, Time, Unix};
use data::Keyspace;
pub use handover::{Candidate, Takeover};
use machine::{Address, ConnId, Dialer, DiskNumbers, Level, Outbox, Peer};
use shutdown::Shutdown;
pub use shutdown::ShutdownWish;
use wire::{Batch, batch::Args};

/// 1 s: the period of timeouts and save points, as in the originals.
const CRON: Span = Span::seconds(1);
/// 1,000 keys: one slice of a load, about half a millisecond.
const LOAD_SLICE: usize = 1_000;

/// What the node lends to the journal for one call.
pub struct Turn<'a> {
    /// The present.
    pub now: Now,
    /// The data: walked by snapshots, filled by loads.
    pub keyspace: &'a mut Keyspace,
    /// Numbers outbound connections. The journal gives the numbers of its own back.
    pub dialer: &'a mut Dialer,
    /// Numbers files and disk writes.
    pub numbers: &'a mut DiskNumbers,
    /// Bytes, connections, files, log lines.
    pub out: &'a mut Outbox,
    /// Consequences for engine and cluster, to be carried out in order right after the call.
    pub acts: &'a mut Vec<Act>,
}

/// How REPLCONF is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replconf {
    /// `+OK`.
    Ok,
    /// Nothing at all (ACK, GETACK).
    Silent,
    /// An error, from its code on (`ERR ...`).
    Refused(String),
}

/// What the engine made of a batch of the primary's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamApplied {
    /// Raw bytes up to the last boundary between commands or transactions, counted from the boundary before (an open
    /// transaction of earlier batches counts when its EXEC has run).
    pub bytes_done: u64,
    /// The primary asked for an acknowledgement.
    pub wants_ack: bool,
    /// The database that the stream has selected at that boundary.
    pub stream_db: u32,
    /// What could not be applied, and why: replication ends there.
    pub error: Option<String>,
}

/// The ordered stream of writes and everything that reads or feeds it.
pub struct Journal {
    pub(crate) settings: Settings,
    random: Random,
    feed: Feed,
    pub(crate) links: Links,
    gate: Gate,
    saver: Saver,
    follow: Option<Follow>,
    /// Whom the data came from.
    bond: Option<Bond>,
    /// Somebody else sees to it that the primary lacks nothing.
    is_guarded_elsewhere: bool,
    /// Connections to former primaries whose end is still to be reported.
    closing: Vec<ConnId>,
    boot: Option<Boot>,
    aof: Aof,
    /// The append-only file is being loaded.
    replay: Option<Replay>,
    /// It is loaded, and is being opened.
    opening: Option<Loaded>,
    /// Received from the primary and not yet at a boundary.
    unsettled: Vec<u8>,
    /// Received and not to be applied yet.
    held: held::Held,
    stream_db: u32,
    cron_at: Time,
    pinged_at: Time,
    pings_held: bool,
    /// Without a replica since then.
    alone_since: Time,
    shutdown: Option<Shutdown>,
    load_started: Unix,
    loaded: Loaded,
    /// Libraries of functions that came with the data.
    functions: Vec<Vec<u8>>,
    /// FLUSHALL has run in this turn.
    is_flushed: bool,
    /// This client waits for the save that FLUSHALL leads to.
    flush_saves_for: Option<ConnId>,
    /// As a primary: the database that the stream has selected at this turn's end.
    selected: Option<u32>,
    /// Bytes that came from primaries.
    input_bytes: u64,
}

impl Journal {
    /// A journal without history: a new replication id, offset 0, the role of a primary.
    pub fn new(settings: Settings, mut random: Random, now: Now) -> Journal {
        Journal {
            feed: Feed::new(&mut random),
            settings,
            random,
            links: Links::default(),
            gate: Gate::default(),
            saver: Saver::new(now),
            follow: None,
            bond: None,
            is_guarded_elsewhere: false,
            closing: Vec::new(),
            boot: None,
            aof: Aof::new(),
            replay: None,
            opening: None,
            unsettled: Vec::new(),
            held: held::Held::default(),
            stream_db: 0,
            cron_at: now.mono + CRON,
            pinged_at: now.mono,
            pings_held: false,
            alone_since: now.mono,
            shutdown: None,
            load_started: now.unix,
            loaded: Loaded::default(),
            functions: Vec::new(),
            is_flushed: false,
            flush_saves_for: None,
            selected: None,
            input_bytes: 0,
        }
    }

    /// Starts to load the file of the last save, in the role that the journal has now: call `follow` first where the
    /// configuration names a primary. `LoadEnded` comes in any case, also when there is no file.
    pub fn boot(&mut self, turn: &mut Turn<'_>) {
        self.load_started = turn.now.unix;
        if self.settings.aof.is_on {
            self.replay = Some(Replay::new(&self.settings.aof, false, turn));
        } else {
            self.boot = Some(Boot::new(&self.settings, self.follow.is_some(), turn));
        }
        turn.acts.push(Act::LoadBegan(Source::File));
    }

    /// Takes changed settings over.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    // ----- the stream

    /// True when effects must be encoded: somebody reads the stream, or a backlog is kept. Without, the offset stands still.
    pub fn wants_feed(&self) -> bool {
        self.follow.is_none() && (self.feed.backlog.is_some() || self.aof.wants_feed())
    }

    /// Appends the effects of this turn, those of so many requests, as a primary. Whole transactions only. Gives back a buffer to
    /// collect the next in.
    pub fn append(&mut self, bytes: Vec<u8>, requests: u64) -> Vec<u8> {
        assert!(self.follow.is_none() || bytes.is_empty());
        let is_write = !bytes.is_empty();
        self.aof.take(&bytes, requests, &self.settings.aof);
        let mut buffer = self.feed.append(bytes).unwrap_or_default();
        if is_write {
            self.feed.data_end = self.feed.end;
        }
        buffer.clear();
        buffer
    }

    /// Appends commands that replicas execute although they change no data (CLUSTER SETSLOT): the append-only file does not
    /// have them, and the end of the data stays where it is.
    pub fn tell_replicas(&mut self, bytes: Vec<u8>) {
        if self.follow.is_none() && !bytes.is_empty() {
            self.feed.append(bytes);
        }
    }

    /// Counts changes to the data, for save points (`dirty` of the originals).
    pub fn changed(&mut self, changes: u64) {
        self.saver.changes += changes;
    }

    /// The batch of `Act::StreamBatch` after the engine worked on it.
    /// (After an error the link is cut and tried again later; the node is not in step.)
    pub fn applied(&mut self, batch: Batch, applied: StreamApplied, turn: &mut Turn<'_>) {
        let Some(follow) = self.follow.as_mut().filter(|follow| follow.is_linked()) else { return };
        let base = self.unsettled.len() as u64;
        let data_end = last_data_end(&batch, base, applied.bytes_done);
        let start = self.feed.end;
        let done = usize::try_from(applied.bytes_done).expect("a stream's open part fits the memory");
        let bytes = batch.into_raw();
        let (aof, aof_settings) = (&mut self.aof, &self.settings.aof);
        if self.unsettled.is_empty() && done == bytes.len() {
            aof.take_stream(&bytes, self.stream_db, aof_settings);
            self.feed.append(bytes);
        } else {
            self.unsettled.extend_from_slice(&bytes);
            let open = self.unsettled.split_off(done.min(self.unsettled.len()));
            let settled = core::mem::replace(&mut self.unsettled, open);
            aof.take_stream(&settled, self.stream_db, aof_settings);
            self.feed.append(settled);
        }
        if let Some(end) = data_end {
            self.feed.data_end = start + end;
        }
        self.stream_db = applied.stream_db;
        if applied.bytes_done > 0 && applied.error.is_none() {
            follow.note_progress();
        }
        if applied.wants_ack {
            follow.acknowledge(self.feed.end, turn);
        }
        if let Some(error) = applied.error {
            let mut events = Vec::new();
            follow.refuse(error, turn, &mut events);
            self.on_events(events, turn);
        }
    }

    /// The end of the journal: `master_repl_offset`.
    pub fn offset(&self) -> u64 {
        self.feed.end
    }

    /// Offset of the end of the last real write (no PING, GETACK, SELECT).
    pub fn data_offset(&self) -> u64 {
        self.feed.data_end
    }

    /// The id of the history that `offset` counts in.
    pub fn replid(&self) -> Id {
        self.feed.replid
    }

    /// Replies that need no more than this offset may leave. Valid right after `seal`.
    pub fn safe_offset(&self) -> u64 {
        self.gate.safe()
    }

    /// While true no PING is put into the stream: a manual failover compares offsets.
    pub fn hold_pings(&mut self, held: bool) {
        self.pings_held = held;
    }

    // ----- the role

    /// Follow this primary. A journal that led keeps its history to try a partial resynchronisation.
    pub fn follow(&mut self, primary: Address, turn: &mut Turn<'_>) {
        if self.follow.as_ref().is_some_and(|follow| follow.primary == primary) {
            return;
        }
        let had_primary = self.follow.is_some();
        self.stop_following(turn);
        if !had_primary {
            // The history of this node is offered to the new primary; from here on it is kept for replicas, too.
            if !self.is_booting() && (self.feed.end > 0 || !turn.keyspace.is_empty()) {
                self.feed.keep();
            }
            turn.acts.extend(self.gate.drain().map(|conn| Act::WaitBroken { conn }));
        }
        turn.out.log(Level::Notice, format!("REPLICAOF {primary}: this node follows now"));
        // Another address is another order: whatever is there is what is wanted.
        self.bond = self.bond.take().filter(|bond| bond.primary == primary.to_string());
        let mut follow = Follow::new(primary, turn.now);
        follow.inherit(core::mem::take(&mut self.closing));
        self.follow = Some(follow);
        turn.out.again = true;
    }

    /// Lead: a new history begins here; the one until here stays known as the second.
    pub fn lead(&mut self, turn: &mut Turn<'_>) {
        if self.follow.is_none() {
            return;
        }
        self.stop_following(turn);
        self.bond = None;
        let replid = Id::random(&mut self.random);
        self.feed.shift_history(replid);
        if let Some((second, first)) = self.feed.second {
            let text = format!("Setting secondary replication ID to {second}, valid up to offset: {first}.");
            turn.out.log(Level::Notice, format!("{text} New replication ID is {replid}"));
        }
        // They learn the history's new name when they come back; their position stays good.
        self.links.disconnect(turn.out);
        self.alone_since = turn.now.mono;
        turn.acts.push(Act::SelectAgain);
    }

    fn stop_following(&mut self, turn: &mut Turn<'_>) {
        let Some(follow) = self.follow.take() else { return };
        let (was_linked, was) = (follow.is_linked(), follow.what_is_loaded());
        self.closing = follow.stop(turn);
        let error = "the role of this node changed".to_string();
        self.on_events(Vec::from([Event::Down { was_linked, was, error }]), turn);
    }

    /// The primary that is followed.
    pub fn primary(&self) -> Option<&Address> {
        self.follow.as_ref().map(|follow| &follow.primary)
    }

    /// True on a replica whose link stands.
    pub fn is_linked(&self) -> bool {
        self.follow.as_ref().is_some_and(Follow::is_linked)
    }

    /// On a replica: when the primary was last heard while the data was in step with it.
    pub fn heard_at(&self) -> Option<Time> {
        self.follow.as_ref().and_then(Follow::heard_at)
    }

    /// The database that the stream has selected at the journal's end.
    pub fn stream_db(&self) -> u32 {
        self.stream_db
    }

    /// Bytes that came from a primary, and bytes that went to replicas, so far.
    pub fn replication_bytes(&self) -> [u64; 2] {
        [self.input_bytes, self.links.sent]
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.links.syncs = Default::default();
    }

    /// True while a load runs.
    pub fn is_loading(&self) -> bool {
        self.is_booting() || self.follow.as_ref().is_some_and(Follow::is_loading)
    }

    /// True while nothing is under way that goes on in every turn: between inputs, effects and the times that `seal` told,
    /// neither `tick` nor `seal` would do anything.
    pub fn is_idle(&self) -> bool {
        let is_starting = self.boot.is_some() || self.replay.is_some() || self.opening.is_some();
        !is_starting && self.follow.is_none() && !self.saver.is_running() && self.shutdown.is_none()
    }

    // ----- commands of clients

    /// PSYNC (or SYNC: `args` has one element). The journal writes the answer itself, so the engine's reply is nothing; the
    /// engine has put out its earlier replies. From here on the connection is a replica's link. An error is from its code
    /// on and leaves the connection a client.
    pub fn psync(
        &mut self,
        conn: ConnId,
        peer: &Peer,
        args: Args<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), String> {
        if !self.is_booting() && args.get(3).is_some_and(|word| word.eq_ignore_ascii_case(b"failover")) {
            self.take_over(args, turn)?;
        }
        if self.follow.as_ref().is_some_and(|follow| !follow.is_linked()) || self.is_booting() {
            return Err("NOMASTERLINK Can't SYNC while not connected with my master".to_string());
        }
        if self.feed.backlog.is_none() {
            // Nothing before this moment was kept: nobody may take the old id for a place to continue from.
            self.feed.begin_history(&mut self.random);
        }
        if self.links.psync((conn, peer), args, &self.feed, turn)? {
            self.feed.keep();
        }
        Ok(())
    }

    /// REPLCONF, from a connection that is or becomes a replica's link.
    pub fn replconf(&mut self, conn: ConnId, args: Args<'_>, turn: &mut Turn<'_>) -> Replconf {
        let answer = self.links.replconf(conn, args, turn.now, turn.out);
        self.settle_waits(turn);
        answer
    }

    /// Something came from this connection (keepalive newlines make no request): call for every batch of an inbound link.
    pub fn heard(&mut self, conn: ConnId, now: Now) {
        self.links.heard(conn, now);
    }

    /// WAIT on a primary: the count if it is reached already, none when the client must block until `WaitDone`.
    /// `offset` is the end of the client's last write; without a timeout it waits forever.
    pub fn wait(
        &mut self,
        conn: ConnId,
        offset: u64,
        replicas: u64,
        timeout: Option<Span>,
        now: Now,
    ) -> Option<u32> {
        let acked = self.links.acked(offset);
        if u64::from(acked) >= replicas {
            return Some(acked);
        }
        let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
        self.gate.wait(conn, offset, replicas, timeout.unwrap_or(Span::ZERO), now.mono);
        None
    }

    /// SAVE of `conn`, or BGSAVE (none): starts at the end of this turn. The client of a SAVE blocks until `SaveDone`.
    /// An error is from its code on.
    pub fn save(&mut self, conn: Option<ConnId>) -> Result<(), String> {
        if self.saver.is_base() && conn.is_none() {
            let text = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order \
                        to schedule a BGSAVE whenever possible.";
            return Err(text.to_string());
        }
        if self.saver.is_busy() && !self.saver.is_base() {
            return Err("ERR Background save already in progress".to_string());
        }
        self.saver.wish(conn.map_or(Wish::Background, Wish::Client));
        Ok(())
    }

    /// LASTSAVE.
    pub fn last_save(&self) -> Unix {
        self.saver.last_save
    }

    /// Writes are to be refused with MISCONF: the last save failed, and the operator wants to know.
    pub fn stops_writes(&self) -> bool {
        self.saver.stops_writes(&self.settings)
    }

    // ----- inputs

    /// Time passed: timeouts, retries, ACKs, save points, a slice of a running load.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        if self.boot.is_some() {
            self.work_boot(turn);
        } else if self.replay.is_some() {
            self.work_replay(turn);
        } else if self.follow.is_some() && self.opening.is_none() {
            let filed = self.aof.synced();
            self.follow.iter_mut().for_each(|follow| follow.filed = filed);
            self.with_follow(turn, |follow, settings, _, turn, events| {
                follow.work(LOAD_SLICE, settings, turn, events)
            });
            // After what the work led to: an acknowledgement tells the offset that holds now.
            self.with_follow(turn, |follow, settings, end, turn, events| {
                follow.tick(settings, end, turn, events)
            });
        }
        self.settle_waits(turn);
        if self.cron_at <= turn.now.mono {
            self.cron_at = turn.now.mono + CRON;
            self.cron(turn);
        }
    }

    fn with_follow(
        &mut self,
        turn: &mut Turn<'_>,
        call: impl FnOnce(&mut Follow, &Settings, u64, &mut Turn<'_>, &mut Vec<Event>),
    ) {
        let mut events = Vec::new();
        if let Some(follow) = &mut self.follow {
            call(follow, &self.settings, self.feed.end, turn, &mut events);
        }
        self.on_events(events, turn);
    }

    fn cron(&mut self, turn: &mut Turn<'_>) {
        let had_links = !self.links.is_empty();
        self.links.cron(&self.settings, turn.now, turn.out);
        if had_links && self.links.is_empty() {
            self.alone_since = turn.now.mono;
        }
        let ttl = self.settings.backlog_ttl;
        let is_alone = self.follow.is_none() && self.links.is_empty() && !self.is_booting();
        let is_over = ttl > Span::ZERO && turn.now.mono.since(self.alone_since) > ttl;
        if is_alone && is_over && self.feed.backlog.is_some() {
            self.feed.backlog = None;
            self.feed.begin_history(&mut self.random);
            let seconds = ttl.as_seconds();
            let text =
                format!("Replication backlog freed after {seconds} seconds without connected replicas.");
            turn.out.log(Level::Notice, text);
        }
        if !self.is_loading()
            && let Some(text) = self.saver.is_due(&self.settings, turn.now)
        {
            turn.out.log(Level::Notice, text);
            self.saver.wish(Wish::Background);
        }
        if !self.is_loading() {
            self.aof.cron(&self.settings.aof, turn);
        }
    }

    fn settle_waits(&mut self, turn: &mut Turn<'_>) {
        let (links, synced) = (&self.links, self.aof.synced());
        let acts = &mut *turn.acts;
        self.gate.settle(
            turn.now.mono,
            |offset| links.safety(offset, synced),
            |conn, done| {
                acts.push(match done {
                    Done::Received(acked) => Act::WaitDone { conn, acked },
                    Done::Filed(is_local, acked) => Act::WaitAofDone { conn, is_local, acked },
                });
            },
        );
    }

    /// So many requests ran in this turn: the walk of a snapshot leaves them the most of the time.
    pub fn note_requests(&mut self, count: u64) {
        self.saver.note_requests(count);
    }

    /// Ends the turn: starts snapshots, walks a slice, puts the stream out to the replicas, sets `wake_at` and `again`.
    pub fn seal(&mut self, turn: &mut Turn<'_>) {
        self.links.begin_seal(turn.now);
        if let Some(follow) = &mut self.follow {
            follow.seal(turn);
        }
        self.seal_own_commands(turn.now.mono);
        self.step_shutdown(turn);
        self.settle_base(turn);
        self.see_to_flush(turn);
        self.note_place(turn.now);
        self.begin_snapshots(turn);
        self.saver.sharing.join(&self.feed, &mut self.links, &self.settings, turn);
        self.saver.sharing.step(&mut self.links, turn);
        self.seal_aof(turn);
        if self.saver.step(&mut self.links, &self.settings, turn) {
            turn.out.again = true;
        }
        self.links.seal(&self.feed, &self.settings, turn.now, turn.out);
        if let Some(backlog) = &mut self.feed.backlog {
            backlog.trim(self.settings.backlog_bytes, self.links.pinned());
        }
        self.gate.put_out(self.feed.end);
        self.gate.filed(self.aof_floor());
        self.wake(turn);
    }

    /// What the journal itself says to the replicas: PING and the question for their offsets.
    fn seal_own_commands(&mut self, now: Time) {
        let leads = self.follow.is_none() && !self.links.is_empty();
        if self.gate.take_ask() && leads {
            self.feed.append(command(&[b"REPLCONF", b"GETACK", b"*"]));
        }
        if !leads {
            // Nobody is pinged right after it came.
            self.pinged_at = now;
        } else if self.ping_at() <= now {
            self.pinged_at = now;
            if !self.pings_held {
                self.feed.append(command(&[b"PING"]));
            }
        }
    }

    /// Counted from the last one: a period that was made longer holds at once, one that is left over would end the history
    /// that replicas have in common when they go over to another primary.
    fn ping_at(&self) -> Time {
        self.pinged_at + self.settings.ping_period
    }

    fn begin_snapshots(&mut self, turn: &mut Turn<'_>) {
        if self.saver.is_running() || (self.is_loading() && self.opening.is_none()) {
            return;
        }
        let is_due = self.saver.has_wish()
            || self.aof.can_walk(turn.now.mono)
            || self.links.transfer_at(&self.settings) <= turn.now.mono;
        if !is_due {
            return;
        }
        let mut head = dump::Head {
            is_base: false,
            stream_db: if self.follow.is_some() { self.stream_db } else { self.selected.unwrap_or(0) },
            position: self.feed.backlog.is_some().then_some((self.feed.replid, self.feed.end)),
            data_offset: self.feed.data_end,
            second: self.feed.second,
            bond: self.bond_now(turn.now),
            functions: &self.functions,
        };
        let knows_selected = self.selected.is_some() && self.saver.has_wish();
        if self.saver.has_wish() {
            let mark = *Id::random(&mut self.random).as_bytes();
            self.saver.begin_save(mark, &head, &self.settings, turn);
        } else if self.aof.can_walk(turn.now.mono) {
            let walk = self.aof.begin_walk(self.feed.end, &self.settings.aof, turn);
            self.saver.begin_base(walk, head, &self.settings, turn);
        } else if self.links.transfer_at(&self.settings) <= turn.now.mono {
            let mark = *Id::random(&mut self.random).as_bytes();
            let count = self.links.begin_transfer(&self.feed, &mark, &self.settings, turn.now, turn.out);
            turn.out.log(Level::Notice, format!("Starting a full synchronization of {count} replicas"));
            head.bond = None;
            self.saver.begin_links(mark, &head, &self.settings, turn);
        } else {
            return;
        }
        if self.follow.is_none() && !knows_selected {
            // Whoever goes on from this offset does not know which database is selected.
            turn.acts.push(Act::SelectAgain);
        }
    }

    fn wake(&self, turn: &mut Turn<'_>) {
        let out = &mut *turn.out;
        out.wake(self.cron_at);
        out.wake(self.gate.deadline());
        out.wake(self.saver.wake_at(&self.settings));
        if !self.links.is_empty() && self.follow.is_none() {
            out.wake(self.ping_at());
        }
        // What is in the way now ends with a turn of its own.
        if !self.saver.is_running() && !self.is_loading() {
            out.wake(self.links.transfer_at(&self.settings));
        }
        if !self.saver.is_running() && (!self.is_loading() || self.opening.is_some()) {
            out.wake(self.aof.walk_at());
        }
        if let Some(Shutdown::Waiting { until, .. }) = self.shutdown {
            out.wake(until);
        }
        if let Some(replay) = &self.replay {
            out.again |= replay.has_work(turn.now.mono);
            if replay.wake_at() > turn.now.mono {
                out.wake(replay.wake_at());
            }
            return;
        }
        match (&self.follow, &self.boot) {
            (_, Some(boot)) => {
                out.again |= boot.has_work();
                out.wake(boot.wake_at());
            }
            (Some(follow), None) => {
                out.again |= follow.has_work();
                out.wake(follow.wake_at(&self.settings));
            }
            (None, None) => {}
        }
    }

    // ----- consequences

    fn on_events(&mut self, events: Vec<Event>, turn: &mut Turn<'_>) {
        for event in events {
            match event {
                Event::Continue(replid) => {
                    self.bind(turn.now);
                    self.forget_received();
                    self.aof.select_again();
                    self.feed.keep();
                    if let Some(replid) = replid.filter(|replid| *replid != self.feed.replid) {
                        let text = format!("Master replication ID changed to {replid}");
                        turn.out.log(Level::Notice, text);
                        self.feed.shift_history(replid);
                        self.links.disconnect(turn.out);
                    }
                    turn.acts.push(Act::PrimaryLinkUp);
                }
                Event::Replace => {
                    self.load_started = turn.now.unix;
                    turn.acts.push(Act::LoadBegan(Source::Primary));
                    self.drop_data(turn);
                }
                Event::Beside(is_served) => {
                    self.load_started = turn.now.unix;
                    turn.acts.push(Act::LoadBegan(beside(is_served)));
                }
                Event::Swap(keyspace) => {
                    turn.acts.push(Act::LoadBegan(Source::Primary));
                    self.drop_data(turn);
                    turn.keyspace.take_from(*keyspace);
                }
                Event::Synced(replid, offset, loaded) => {
                    self.bind(turn.now);
                    self.forget_received();
                    // A primary of the originals does not say: then all that it sent counts as data.
                    let data_end = loaded.data_offset.unwrap_or(offset);
                    self.feed.adopt(replid, offset, data_end);
                    self.saver.changes += loaded.keys.max(1);
                    self.stream_db = loaded.stream_db;
                    self.functions = loaded.functions.clone();
                    self.loaded = (*loaded).clone();
                    turn.acts.push(Act::LoadEnded(Source::Primary, Ok(*loaded)));
                    turn.acts.push(Act::PrimaryLinkUp);
                }
                Event::Stream(conn, batch) => {
                    if let Some(batch) = self.held.keep(conn, batch, turn.out) {
                        turn.acts.push(Act::StreamBatch { conn, batch });
                    }
                }
                Event::Down { was_linked, was, error } => {
                    self.forget_received();
                    self.end_load(was, error, turn);
                    if was_linked {
                        self.bond = self.bond_now(turn.now);
                        turn.acts.push(Act::PrimaryLinkDown);
                    }
                }
            }
        }
    }

    /// What was received and not applied counts for nothing: the next link goes on from what was applied.
    fn forget_received(&mut self) {
        self.unsettled.clear();
        self.held.clear();
    }

    /// A load from the primary ended before its end.
    fn end_load(&mut self, was: Loading, error: String, turn: &mut Turn<'_>) {
        match was {
            Loading::Nothing => {}
            Loading::Instead => {
                self.drop_data(turn);
                turn.acts.push(Act::LoadEnded(Source::Primary, Err(error)));
            }
            Loading::Beside { is_served } => {
                turn.acts.push(Act::LoadEnded(beside(is_served), Err(error)));
            }
        }
    }

    /// The data goes, and with it the right to be taken for somebody who has it.
    fn drop_data(&mut self, turn: &mut Turn<'_>) {
        self.saver.abort("the data is replaced by that of a primary", &mut self.links, turn);
        self.aof.restart(turn);
        self.links.disconnect(turn.out);
        self.feed.begin_history(&mut self.random);
        self.bond = None;
        (self.feed.end, self.feed.data_end, self.feed.backlog) = (0, 0, None);
        let old = turn.keyspace.flush_all();
        turn.keyspace.dispose(old);
    }

    fn work_boot(&mut self, turn: &mut Turn<'_>) {
        let Some(boot) = &mut self.boot else { return };
        let leads = self.follow.is_none();
        let Some(result) = boot.work(LOAD_SLICE, &self.settings, leads, &mut self.feed, turn) else { return };
        let source = if boot.is_reload { Source::Reload } else { Source::File };
        self.boot = None;
        self.alone_since = turn.now.mono;
        match &result {
            Ok(loaded) => {
                let seconds =
                    turn.now.unix.as_ms().saturating_sub(self.load_started.as_ms()) as f64 / 1_000.0;
                loaded.report().into_iter().for_each(|line| turn.out.log(Level::Notice, line));
                turn.out.log(Level::Notice, format!("DB loaded from disk: {seconds:.3} seconds"));
                if source == Source::File {
                    self.stream_db = loaded.stream_db;
                    let address = self.primary().map(|primary| primary.to_string());
                    self.bond = loaded.bond.clone().filter(|bond| Some(&bond.primary) == address.as_ref());
                }
                if source == Source::File || !loaded.functions.is_empty() {
                    self.functions = loaded.functions.clone();
                }
                self.loaded = loaded.clone();
                self.saver.last_save = turn.now.unix;
            }
            Err(error) => turn.out.log(Level::Warning, error.clone()),
        }
        turn.acts.push(Act::LoadEnded(source, result));
        if leads {
            turn.acts.push(Act::SelectAgain);
        }
        turn.out.again = true;
    }
}

/// A load beside the data, which is served meanwhile or not.
fn beside(is_served: bool) -> Source {
    if is_served { Source::BesideServed } else { Source::Beside }
}

/// The end of the last real write among the first `done` bytes, where `base` bytes stand before the batch.
fn last_data_end(batch: &Batch, base: u64, done: u64) -> Option<u64> {
    let mut end = base + batch.raw_len() as u64;
    for index in (0..batch.len()).rev() {
        let name = batch.request(index).get(0).unwrap_or(b"");
        let is_silent = ["", "ping", "replconf", "select", "cluster"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
        if end <= done && !is_silent {
            return Some(end);
        }
        end -= batch.raw(index).len() as u64;
    }
    None
}
