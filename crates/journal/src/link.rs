//! Links: the replicas of this node, from their PSYNC on.
//!
//! ```text
//!   PSYNC --history and backlog fit--------------------------> Online
//!     |                                                          ^
//!     +--no--> Waiting --snapshot begins--> Transfer --all sent--> Loaded? --first ACK--+
//!                  +--a save is under way--> Shared ----^
//! ```
//!
//! A link reads the stream by a cursor. What it has not read is pinned in the backlog, and what it pins counts as its
//! own: over the limits of its class it is dropped. Between the end of a transfer and the first ACK nothing is sent:
//! a replica of the originals finds the end of a transfer by the last bytes of a read.
//!
//! Invariant: a link that is cut leaves the list at once: it counts for nothing and gets no further byte.

use crate::feed::{Feed, Mismatch};
use crate::gate::Safety;
use crate::journal::Candidate;
use crate::{Replconf, Settings, Turn};
use alloc::collections::BTreeMap;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Id, Now, Span, Time};
use machine::{Address, ConnId, Level, Outbox, Peer};
use wire::batch::Args;

/// 4 MiB: so much is given to the host for one link before it waits for the socket.
const WINDOW_BYTES: u64 = 4 << 20;
/// 1 MiB: the same for a snapshot, which need not be hurried.
pub(crate) const TRANSFER_WINDOW_BYTES: u64 = 1 << 20;
/// 1 GiB: a snapshot that is collected for a replica of old may be so big.
const COLLECTED_BYTES_MAX: u64 = 1 << 30;
/// 10 timeouts: so long may a replica load what it received without a sign of life that makes a request.
const LOAD_TIMEOUTS: u64 = 10;

/// Replicas of the originals execute CLUSTER SETSLOT of the stream from this version on (Valkey 8); before, it is an error.
const SLOTS_SINCE: u64 = 8;

/// What a connection said about itself before PSYNC.
#[derive(Clone, Debug, Default)]
struct Greeting {
    port: u16,
    ip: String,
    knows_eof: bool,
    knows_psync2: bool,
    is_rdb_only: bool,
    /// Its version is such that it keeps the slots on the move in step with its primary.
    knows_slots: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for a snapshot to begin.
    Waiting { since: Time },
    /// Gets a snapshot.
    Transfer,
    /// Gets the file of a save.
    Shared,
    /// Gets a snapshot that was collected, as its length had to be told first.
    Handing,
    /// Has the whole snapshot; loads it.
    Sent { at: Time },
    /// Gets the stream.
    Online,
}

/// One replica.
struct Link {
    conn: ConnId,
    remote_ip: String,
    greeting: Greeting,
    state: State,
    /// Answered with SYNC's bare payload.
    is_plain_sync: bool,
    /// To be sent before anything else.
    answer: Vec<u8>,
    /// The snapshot, or its rest, for a replica that does not know an end by mark.
    collected: VecDeque<Arc<Vec<u8>>>,
    /// Next byte of the stream to send.
    cursor: u64,
    acked: u64,
    /// It has so much on its disk; none while it has not said so.
    filed: Option<u64>,
    acked_at: Time,
    /// What the host could not send, by its last report.
    reported: u64,
    /// The same, with what was put out in this turn.
    queued: u64,
    progress_at: Time,
    soft_since: Option<Time>,
    /// Bytes put out for it in this turn.
    sent: u64,
    /// The log says that it waits for its turn.
    is_told: bool,
}

impl Link {
    fn name(&self) -> String {
        let ip = if self.greeting.ip.is_empty() { &self.remote_ip } else { &self.greeting.ip };
        format!("{ip}:{}", self.greeting.port)
    }

    fn note_sent(&mut self, bytes: u64) {
        self.queued += bytes;
        self.sent += bytes;
    }

    fn send(&mut self, bytes: Vec<u8>, out: &mut Outbox) {
        self.note_sent(bytes.len() as u64);
        out.send(self.conn, bytes);
    }

    /// A snapshot at this position follows, and its end by this mark, for whoever knows that.
    fn announce(&mut self, (replid, offset): (Id, u64), mark: &[u8; 40], out: &mut Outbox) {
        let mut bytes = core::mem::take(&mut self.answer);
        if !self.is_plain_sync {
            bytes.extend_from_slice(format!("+FULLRESYNC {replid} {offset}\r\n").as_bytes());
        }
        if self.greeting.knows_eof {
            bytes.extend_from_slice(b"$EOF:");
            bytes.extend_from_slice(mark);
            bytes.extend_from_slice(b"\r\n");
        }
        if !bytes.is_empty() {
            self.send(bytes, out);
        }
        self.cursor = offset;
    }

    /// The snapshot is out; the stream follows at the first ACK.
    fn end_with(&mut self, mark: &[u8; 40], now: Now, out: &mut Outbox) {
        (self.acked_at, self.progress_at) = (now.mono, now.mono);
        self.send(mark.to_vec(), out);
        self.state = State::Sent { at: now.mono };
        self.note_rdb_only(out);
    }

    fn collected_bytes(&self) -> u64 {
        self.collected.iter().map(|bytes| bytes.len() as u64).sum()
    }

    /// Puts out what was collected, as far as there is room; the stream follows.
    fn hand_over(&mut self, now: Now, out: &mut Outbox) {
        while self.queued < TRANSFER_WINDOW_BYTES
            && let Some(bytes) = self.collected.pop_front()
        {
            self.note_sent(bytes.len() as u64);
            let range = 0..bytes.len();
            out.send(self.conn, machine::Chunk::Shared { bytes, range });
        }
        if self.collected.is_empty() {
            (self.state, self.acked_at) = (State::Online, now.mono);
            out.log(Level::Notice, format!("Synchronization with replica {} succeeded", self.name()));
            self.note_rdb_only(out);
        }
    }

    /// The snapshot is out: a reader that wants nothing else is done.
    fn note_rdb_only(&self, out: &mut Outbox) {
        if self.greeting.is_rdb_only {
            let text = format!("RDB transfer for {} is done; it wants no stream", self.name());
            out.log(Level::Notice, text);
            out.close_flushed(self.conn);
        }
    }

    fn holds_bytes(&self, end: u64) -> u64 {
        let stream = if matches!(self.state, State::Waiting { .. }) { 0 } else { end - self.cursor };
        stream + self.queued
    }

    fn stream(&mut self, feed: &Feed, out: &mut Outbox) {
        if !self.answer.is_empty() {
            let answer = core::mem::take(&mut self.answer);
            self.send(answer, out);
        }
        let room = WINDOW_BYTES.saturating_sub(self.queued);
        if let Some(backlog) = feed.backlog.as_ref().filter(|_| room > 0 && self.cursor < feed.end) {
            let from = self.cursor;
            self.cursor = backlog.read(from, room, &mut |chunk| out.send(self.conn, chunk));
            self.note_sent(self.cursor - from);
        }
    }

    fn is_over_limits(&mut self, end: u64, settings: &Settings, now: Now, out: &mut Outbox) -> bool {
        // What was put out in this turn may well leave at once.
        let held = self.reported + self.holds_bytes(end).saturating_sub(self.queued);
        // As in the originals: a limit below the backlog's size would cut a link right after a partial resynchronisation.
        let hard = settings.replica_hard_limit.max(settings.backlog_bytes);
        let is_over_hard = settings.replica_hard_limit > 0 && held > hard;
        let is_over_soft = settings.replica_soft_limit > 0 && held > settings.replica_soft_limit;
        self.soft_since = is_over_soft.then(|| self.soft_since.unwrap_or(now.mono));
        let is_too_long =
            self.soft_since.is_some_and(|since| now.mono.since(since) > settings.replica_soft_span);
        if is_over_hard || is_too_long {
            let text = "scheduled to be closed ASAP for overcoming of output buffer limits";
            out.log(Level::Warning, format!("Replica {} {text}: {held} bytes", self.name()));
        }
        is_over_hard || is_too_long
    }
}

/// All replicas.
#[derive(Default)]
pub(crate) struct Links {
    links: Vec<Link>,
    greetings: BTreeMap<ConnId, Greeting>,
    /// `sync_full`, `sync_partial_ok`, `sync_partial_err`.
    pub(crate) syncs: [u64; 3],
    /// Bytes put out for all links so far, this turn's aside.
    pub(crate) sent: u64,
    /// How often a link came in step: who does is told what a snapshot does not hold.
    pub(crate) joined: u64,
}

impl Links {
    /// True when there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// True when there are replicas and all of them execute CLUSTER SETSLOT.
    pub(crate) fn know_slots(&self) -> bool {
        let mut readers = self.links.iter().filter(|link| !link.greeting.is_rdb_only).peekable();
        readers.peek().is_some() && readers.all(|link| link.greeting.knows_slots)
    }

    /// All of them, as choices for who leads next.
    pub(crate) fn candidates(&self, end: u64) -> impl Iterator<Item = Candidate> {
        self.links.iter().filter(|link| !link.greeting.is_rdb_only).map(move |link| Candidate {
            ip: if link.greeting.ip.is_empty() { &link.remote_ip } else { &link.greeting.ip }.clone(),
            port: link.greeting.port,
            is_online: link.state == State::Online,
            is_in_step: link.state == State::Online && link.acked >= end,
        })
    }

    fn find(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.conn == conn)
    }

    /// The earliest position that a link still needs; what its socket has not taken is held for it as well, and so
    /// counted.
    pub(crate) fn pinned(&self) -> u64 {
        let cursors = self.links.iter().filter_map(|link| match link.state {
            State::Waiting { .. } => None,
            State::Online => Some(link.cursor.saturating_sub(link.queued)),
            State::Transfer | State::Shared | State::Handing | State::Sent { .. } => Some(link.cursor),
        });
        cursors.min().unwrap_or(u64::MAX)
    }

    /// REPLCONF. GETACK is silent here: a replica answers it in the stream of its primary alone.
    pub(crate) fn replconf(&mut self, conn: ConnId, args: Args<'_>, now: Now, out: &mut Outbox) -> Replconf {
        if args.len().is_multiple_of(2) {
            return Replconf::Refused("ERR syntax error".to_string());
        }
        let mut answer = Replconf::Ok;
        for at in (1..args.len()).step_by(2) {
            match self.option(conn, &args[at], &args[at + 1], now, out) {
                Replconf::Ok => {}
                Replconf::Silent => answer = Replconf::Silent,
                refused @ Replconf::Refused(_) => return refused,
            }
        }
        answer
    }

    fn option(&mut self, conn: ConnId, name: &[u8], value: &[u8], now: Now, out: &mut Outbox) -> Replconf {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        let number = || core::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        if is("ack") {
            if let Some(offset) = number() {
                self.on_ack(conn, offset, now, out);
            }
            return Replconf::Silent;
        }
        if is("fack") {
            if let Some(link) = self.find(conn) {
                link.filed = link.filed.max(number());
            }
            return Replconf::Silent;
        }
        if is("getack") {
            return Replconf::Silent;
        }
        let greeting = match self.links.iter_mut().position(|link| link.conn == conn) {
            Some(index) => &mut self.links[index].greeting,
            None => self.greetings.entry(conn).or_default(),
        };
        let not_a_number = || Replconf::Refused("ERR value is not an integer or out of range".to_string());
        if is("listening-port") {
            let Some(port) = number().and_then(|port| u16::try_from(port).ok()) else {
                return not_a_number();
            };
            greeting.port = port;
        } else if is("ip-address") {
            // 255: longest host name of the originals.
            let Some(ip) = core::str::from_utf8(value).ok().filter(|ip| ip.len() <= 255) else {
                let text = "ERR REPLCONF ip-address provided by replica instance is too long: ";
                return Replconf::Refused(format!("{text}{} bytes", value.len()));
            };
            greeting.ip = ip.to_string();
        } else if is("capa") {
            greeting.knows_eof |= value.eq_ignore_ascii_case(b"eof");
            greeting.knows_psync2 |= value.eq_ignore_ascii_case(b"psync2");
        } else if is("rdb-only") {
            let Some(wish) = number() else { return not_a_number() };
            greeting.is_rdb_only = wish == 1;
        } else if is("version") {
            let text = core::str::from_utf8(value).unwrap_or_default();
            let major = text.split('.').next().and_then(|major| major.parse::<u64>().ok());
            greeting.knows_slots = major.is_some_and(|major| major >= SLOTS_SINCE);
        } else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Replconf::Refused(format!("ERR Unrecognized REPLCONF option: {name}"));
        }
        Replconf::Ok
    }

    fn on_ack(&mut self, conn: ConnId, offset: u64, now: Now, out: &mut Outbox) {
        let Some(link) = self.find(conn) else { return };
        link.acked = link.acked.max(offset);
        link.acked_at = now.mono;
        if let State::Sent { .. } = link.state {
            link.state = State::Online;
            out.log(Level::Notice, format!("Synchronization with replica {} succeeded", link.name()));
            self.joined += 1;
        }
    }

    /// The connection gave a sign of life.
    pub(crate) fn heard(&mut self, conn: ConnId, now: Now) {
        if let Some(link) = self.find(conn) {
            match &mut link.state {
                State::Sent { at } => *at = now.mono,
                State::Waiting { .. } | State::Transfer | State::Shared | State::Handing | State::Online => {
                    link.acked_at = now.mono;
                }
            }
        }
    }

    /// PSYNC or SYNC on a node that may serve it. True when a link was made.
    pub(crate) fn psync(
        &mut self,
        (conn, peer): (ConnId, &Peer),
        args: Args<'_>,
        feed: &Feed,
        turn: &mut Turn<'_>,
    ) -> Result<bool, String> {
        if self.find(conn).is_some() {
            return Ok(false);
        }
        let remote_ip = match &peer.remote {
            Address::Inet(ip, _) => ip.to_string(),
            Address::Name(name, _) | Address::Unix(name) => name.clone(),
        };
        let mut link = Link {
            conn,
            remote_ip,
            greeting: self.greetings.get(&conn).cloned().unwrap_or_default(),
            state: State::Waiting { since: turn.now.mono },
            is_plain_sync: args.len() == 1,
            answer: Vec::new(),
            collected: VecDeque::new(),
            cursor: feed.end,
            acked: 0,
            filed: None,
            acked_at: turn.now.mono,
            reported: 0,
            queued: 0,
            progress_at: turn.now.mono,
            soft_since: None,
            sent: 0,
            is_told: false,
        };
        let name = link.name();
        turn.out.log(Level::Notice, format!("Replica {name} asks for synchronization"));
        match self.resume(args, feed)? {
            Ok(position) => {
                let id = if link.greeting.knows_psync2 { format!(" {}", feed.replid) } else { String::new() };
                link.answer = format!("+CONTINUE{id}\r\n").into_bytes();
                (link.state, link.cursor, link.acked) = (State::Online, position, position);
                self.syncs[1] += 1;
                self.joined += 1;
                let text = format!("Partial resynchronization request from {name} accepted. ");
                turn.out
                    .log(Level::Notice, format!("{text}Sending {} bytes of backlog.", feed.end - position));
            }
            Err(mismatch) => {
                self.syncs[0] += 1;
                self.syncs[2] += u64::from(mismatch != Mismatch::Asked);
                turn.out.log(Level::Notice, format!("Full resync for replica {name}: {}", why(&mismatch)));
            }
        }
        self.greetings.remove(&conn);
        self.links.push(link);
        Ok(true)
    }

    fn resume(&self, args: Args<'_>, feed: &Feed) -> Result<Result<u64, Mismatch>, String> {
        if args.len() == 1 {
            return Ok(Err(Mismatch::Asked));
        }
        if args.len() > 3 && !args[3].eq_ignore_ascii_case(b"failover") {
            return Err("ERR syntax error".to_string());
        }
        let (Some(replid), Some(first)) = (args.get(1), args.get(2)) else {
            return Err("ERR wrong number of arguments for 'psync' command".to_string());
        };
        let first = core::str::from_utf8(first).ok().and_then(|text| text.parse::<i64>().ok());
        let first = first.ok_or("ERR value is not an integer or out of range")?;
        Ok(feed.resume(replid, first))
    }

    /// A connection closed. True when it was a link.
    pub(crate) fn on_closed(&mut self, conn: ConnId, out: &mut Outbox) -> bool {
        self.greetings.remove(&conn);
        let Some(index) = self.links.iter().position(|link| link.conn == conn) else { return false };
        let link = self.links.remove(index);
        out.log(Level::Notice, format!("Connection with replica {} lost.", link.name()));
        true
    }

    pub(crate) fn on_unsent(&mut self, conn: ConnId, bytes: u64) {
        if let Some(link) = self.find(conn) {
            link.reported = bytes;
        }
    }

    // ----- full synchronisation

    /// When the next full synchronisation may begin: `NEVER` when nobody waits for one.
    pub(crate) fn transfer_at(&self, settings: &Settings) -> Time {
        if self.links.is_empty() {
            return Time::NEVER;
        }
        let waiting = || {
            self.links.iter().filter_map(|link| match link.state {
                State::Waiting { since } => Some(since),
                _ => None,
            })
        };
        let Some(oldest) = waiting().min() else { return Time::NEVER };
        let enough = settings.diskless_replicas_max > 0
            && waiting().count() >= settings.diskless_replicas_max as usize;
        if self.free_syncs(settings) == 0 {
            Time::NEVER
        } else if enough {
            oldest
        } else {
            oldest + settings.diskless_delay
        }
    }

    /// So many full synchronisations may begin beside those that are under way.
    fn free_syncs(&self, settings: &Settings) -> usize {
        if settings.full_syncs_max == 0 {
            return usize::MAX;
        }
        let running = self
            .links
            .iter()
            .filter(|link| !matches!(link.state, State::Waiting { .. } | State::Online))
            .count();
        (settings.full_syncs_max as usize).saturating_sub(running)
    }

    /// A snapshot at the end of the stream begins for all that wait, as far as the gate lets them in: in the order in
    /// which they came. The links get the announcement.
    pub(crate) fn begin_transfer(
        &mut self,
        feed: &Feed,
        mark: &[u8; 40],
        settings: &Settings,
        now: Now,
        out: &mut Outbox,
    ) -> usize {
        let mut count = 0;
        let free = self.free_syncs(settings);
        for link in &mut self.links {
            if !matches!(link.state, State::Waiting { .. }) {
                continue;
            }
            if count == free {
                break;
            }
            link.announce((feed.replid, feed.end), mark, out);
            (link.state, link.progress_at) = (State::Transfer, now.mono);
            count += 1;
        }
        count
    }

    /// Replicas that wait, and can go on where a save under way began, get its file: the links get the announcement.
    pub(crate) fn begin_sharing(
        &mut self,
        position: (Id, u64),
        mark: &[u8; 40],
        settings: &Settings,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<ConnId> {
        let free = self.free_syncs(settings);
        // Others would have to know the length first, or which database the stream has selected.
        let can_share = |link: &&mut Link| {
            let is_waiting = matches!(link.state, State::Waiting { .. });
            is_waiting && !link.is_plain_sync && link.greeting.knows_eof && link.greeting.knows_psync2
        };
        let mut begun = Vec::new();
        for link in self.links.iter_mut().filter(can_share).take(free) {
            link.announce(position, mark, out);
            (link.state, link.progress_at) = (State::Shared, now.mono);
            let text = "gets the file of the save that is under way";
            out.log(Level::Notice, format!("Replica {} {text}", link.name()));
            begun.push(link.conn);
        }
        begun
    }

    /// True when a link that gets a save's file can take more; `None` when there is no such link any more.
    pub(crate) fn has_room_for_shared(&self, conn: ConnId) -> Option<bool> {
        let link = self.links.iter().find(|link| link.conn == conn && link.state == State::Shared)?;
        Some(link.queued < TRANSFER_WINDOW_BYTES)
    }

    /// Nothing is there for it yet: that is no fault of the link.
    pub(crate) fn note_progress(&mut self, conn: ConnId, now: Now) {
        if let Some(link) = self.find(conn) {
            link.progress_at = now.mono;
        }
    }

    /// A part of a save's file.
    pub(crate) fn send_shared(&mut self, conn: ConnId, bytes: Vec<u8>, out: &mut Outbox) {
        if let Some(link) = self.find(conn).filter(|link| link.state == State::Shared) {
            link.send(bytes, out);
        }
    }

    /// All of a save's file is out.
    pub(crate) fn end_sharing(&mut self, conn: ConnId, mark: &[u8; 40], now: Now, out: &mut Outbox) {
        if let Some(link) = self.find(conn) {
            link.end_with(mark, now, out);
        }
    }

    /// What a link gets can not be finished: it must ask again.
    pub(crate) fn cut(&mut self, conn: ConnId, out: &mut Outbox) {
        if self.find(conn).is_some() {
            self.links.retain(|link| link.conn != conn);
            out.close_now(conn);
        }
    }

    /// Links that still receive the snapshot.
    pub(crate) fn receivers(&self) -> usize {
        self.links.iter().filter(|link| link.state == State::Transfer).count()
    }

    /// True when every receiver of the snapshot can take more.
    pub(crate) fn receivers_are_ready(&self) -> bool {
        let mut receivers = self.links.iter().filter(|link| link.state == State::Transfer);
        receivers.all(|link| link.queued < TRANSFER_WINDOW_BYTES)
    }

    /// A part of the snapshot for all receivers.
    pub(crate) fn send_transfer(&mut self, bytes: &Arc<Vec<u8>>, out: &mut Outbox) {
        self.links.retain_mut(|link| {
            if link.state != State::Transfer {
                return true;
            }
            if link.greeting.knows_eof {
                link.note_sent(bytes.len() as u64);
                out.send(link.conn, machine::Chunk::Shared { bytes: bytes.clone(), range: 0..bytes.len() });
                return true;
            }
            link.collected.push_back(bytes.clone());
            let is_in_bounds = link.collected_bytes() <= COLLECTED_BYTES_MAX;
            if !is_in_bounds {
                let text = "does not announce capa eof, and the snapshot is too big to be collected for it";
                out.log(Level::Warning, format!("Replica {} {text}", link.name()));
                out.close_now(link.conn);
            }
            is_in_bounds
        });
    }

    /// The snapshot is out. Who knows the mark gets it, and the stream at the first ACK; who does not gets the
    /// whole now, with its length, and the stream behind it.
    pub(crate) fn end_transfer(&mut self, mark: &[u8; 40], now: Now, out: &mut Outbox) {
        for link in self.links.iter_mut().filter(|link| link.state == State::Transfer) {
            if link.greeting.knows_eof {
                link.end_with(mark, now, out);
            } else {
                (link.acked_at, link.progress_at) = (now.mono, now.mono);
                link.send(format!("${}\r\n", link.collected_bytes()).into_bytes(), out);
                link.state = State::Handing;
            }
        }
    }

    /// The snapshot can not be finished: its receivers must ask again.
    pub(crate) fn abort_transfer(&mut self, out: &mut Outbox) {
        self.links.retain(|link| {
            let is_receiver = link.state == State::Transfer;
            if is_receiver {
                out.close_now(link.conn);
            }
            !is_receiver
        });
    }

    // ----- time

    /// Once a second: newlines for those that wait, timeouts.
    pub(crate) fn cron(&mut self, settings: &Settings, now: Now, out: &mut Outbox) {
        let is_gate_shut = self.free_syncs(settings) == 0;
        self.links.retain_mut(|link| {
            let over = |since: Time, timeout: Span| now.mono.since(since) > timeout;
            let timed_out = match link.state {
                State::Waiting { .. } => {
                    link.send(b"\n".to_vec(), out);
                    if is_gate_shut && !core::mem::replace(&mut link.is_told, true) {
                        let (name, limit) = (link.name(), settings.full_syncs_max);
                        let text = "full synchronizations are under way (repl-full-syncs-max): it waits for its turn";
                        out.log(Level::Notice, format!("Replica {name}: {limit} {text}"));
                    }
                    None
                }
                // A newline keeps the link alive while its snapshot is collected.
                State::Transfer if !link.greeting.knows_eof => {
                    link.send(b"\n".to_vec(), out);
                    None
                }
                // One that has taken all waits for the walker, which may wait for another: that is no fault of this one.
                State::Transfer | State::Shared | State::Handing => {
                    (link.reported > 0 && over(link.progress_at, settings.timeout)).then_some("full sync")
                }
                State::Sent { at } => over(at, settings.timeout.times(LOAD_TIMEOUTS)).then_some("loading"),
                // SYNC is older than acknowledgements.
                State::Online if link.is_plain_sync => None,
                State::Online => over(link.acked_at, settings.timeout).then_some("streaming sync"),
            };
            if let Some(phase) = timed_out {
                let name = link.name();
                out.log(Level::Warning, format!("Disconnecting timedout replica ({phase}): {name}"));
                out.close_now(link.conn);
            }
            timed_out.is_none()
        });
    }

    /// The turn ends: what the host reported last is what is unsent.
    pub(crate) fn begin_seal(&mut self, now: Now) {
        for link in &mut self.links {
            if link.reported < link.queued || link.reported == 0 {
                link.progress_at = now.mono;
            }
            link.queued = link.reported;
            self.sent += core::mem::take(&mut link.sent);
        }
    }

    /// Puts the stream out, and drops who pins too much.
    pub(crate) fn seal(&mut self, feed: &Feed, settings: &Settings, now: Now, out: &mut Outbox) {
        self.links.retain_mut(|link| {
            if link.state == State::Handing {
                link.hand_over(now, out);
            }
            if link.state == State::Online {
                link.stream(feed, out);
            }
            let stays = !link.is_over_limits(feed.end, settings, now, out);
            if !stays {
                out.close_now(link.conn);
            }
            stays
        });
    }

    /// Cuts all links: the history changed, or the data does. They come back and ask again.
    pub(crate) fn disconnect(&mut self, out: &mut Outbox) {
        for link in self.links.drain(..) {
            out.close_now(link.conn);
        }
    }

    // ----- answers

    /// How safe `offset` is on the replicas; here it is on disk up to `filed`.
    pub(crate) fn safety(&self, offset: u64, filed: Option<u64>) -> Safety {
        let has =
            |link: &&Link| link.state == State::Online && link.filed.is_some_and(|filed| filed >= offset);
        Safety {
            received: self.acked(offset),
            filed: self.links.iter().filter(has).count() as u32,
            is_filed_here: filed.is_some_and(|filed| filed >= offset),
        }
    }

    /// Replicas in step that have acknowledged `offset`.
    pub(crate) fn acked(&self, offset: u64) -> u32 {
        self.links.iter().filter(|link| link.state == State::Online && link.acked >= offset).count() as u32
    }

    /// Replicas in step whose lag is within `lag_max`.
    pub(crate) fn good(&self, lag_max: Span, now: Now) -> u32 {
        let online = self.links.iter().filter(|link| link.state == State::Online);
        online.filter(|link| now.mono.since(link.acked_at) <= lag_max + Span::ms(999)).count() as u32
    }

    /// Replicas that have the data, and those among them that lack something of it.
    pub(crate) fn lagging(&self, end: u64) -> (usize, usize) {
        let online =
            || self.links.iter().filter(|link| matches!(link.state, State::Sent { .. } | State::Online));
        (online().count(), online().filter(|link| link.acked < end).count())
    }

    /// Tells the log of each replica that lacks something.
    pub(crate) fn name_lagging(&self, end: u64, now: Now, out: &mut Outbox) {
        for fact in self.facts(end, now).iter().filter(|fact| fact.state == "online" && fact.acked < end) {
            let (behind, lag, state) = (end - fact.acked, fact.lag_seconds, fact.state);
            let text = format!(
                "Lagging replica {}:{} reported offset {behind} behind master, lag={lag}, state={state}.",
                fact.ip, fact.port
            );
            out.log(Level::Notice, text);
        }
    }

    /// For INFO and ROLE.
    pub(crate) fn facts(&self, end: u64, now: Now) -> Vec<crate::ReplicaFacts> {
        let fact = |link: &Link| crate::ReplicaFacts {
            conn: link.conn,
            ip: if link.greeting.ip.is_empty() { link.remote_ip.clone() } else { link.greeting.ip.clone() },
            port: link.greeting.port,
            state: match link.state {
                State::Waiting { .. } => "wait_bgsave",
                State::Transfer | State::Shared | State::Handing => "send_bulk",
                State::Sent { .. } | State::Online => "online",
            },
            acked: link.acked,
            lag_seconds: if link.state == State::Online {
                now.mono.since(link.acked_at).as_seconds()
            } else {
                0
            },
            unsent_bytes: link.holds_bytes(end),
        };
        self.links.iter().map(fact).collect()
    }
}

fn why(mismatch: &Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Asked => "it asked for one",
        Mismatch::History => "its history is not ours",
        Mismatch::Backlog => "the backlog does not hold its offset",
    }
}
