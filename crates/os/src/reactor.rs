//! Reactor: waits for the kernel, and makes of its events the inputs of one turn.
//!
//! ```text
//!   epoll_wait -> events -> ready queue -> one read each -> framers -> batches --\
//!                    \-> full sockets that take bytes again                      inputs of the turn
//!   mailboxes of the helper threads, signals, clock, listeners -----------------/
//! ```
//!
//! Connections are registered edge-triggered. A read that falls short has drained its socket, so a request
//! costs one read; what a filled read may have left is read in the next turn, after everyone else had a turn.
//!
//! Invariant: a connection with `may_read` is in the ready queue unless it is paused, held by its framer, or
//! not open. No other event would come for what is there already.

use crate::clock::Clock;
use crate::coalesce::{Coalescing, NAP};
use crate::connect::{Dialing, Resolved};
use crate::connections::{Connections, Flushed, ROOM_BYTES_MAX, ROOM_BYTES_MIN, State, id_of, retried};
use crate::disk::Disks;
use crate::facts::Facts;
use crate::gates::Gates;
use crate::listen::Listeners;
use crate::log::LogConfig;
use crate::mailbox::Mailbox;
use crate::settings::Service;
use crate::signals::{Asked, Signals};
use crate::syscalls::{self, BROKEN, EDGE, Epoll, PEER_ENDED, READABLE, Syscalls, WRITABLE};
use crate::{crash, watchdog};
use base::{Now, Span, Time};
use machine::{ConnId, Input, Outbox, Pool, Traffic};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use wire::{Batch, Ending};

/// 512: events taken from the kernel, and connections read, per turn.
pub(crate) const READY_MAX: usize = 512;
/// 1 MiB: bytes read at once into a large value that is being received.
const VALUE_READ_BYTES_MAX: usize = 1 << 20;
/// 3: reads of one connection in a turn while it is within a large value: what was sent before somebody else's request is
/// seen before it.
const VALUE_READS_MAX: u32 = 3;
/// 256: read buffers kept; more are in use only in a turn with more ready connections.
const READ_BUFFERS_MAX: usize = 256;
/// 100 ms: how often the machine hears the host's figures.
const FACTS_EVERY: Span = Span::ms(100);

/// What a connection is registered for at first. Writability is added when its socket was full once: until
/// then, a Unix socket would report it after each of our own replies.
pub(crate) const INBOUND: u32 = READABLE | EDGE;

/// The low half of tokens that are no connection's: a place that no connection has.
/// 16 KiB: an unfinished request that pins less memory is not told.
const UNFRAMED_TOLD_MIN: usize = 16 << 10;
const SPECIAL: u32 = u32::MAX;
const DISK_TOKEN: u64 = special(0);
const RESOLVED_TOKEN: u64 = special(1);
const SIGNAL_TOKEN: u64 = special(2);
/// The first listener's number among the special tokens.
const LISTENER_FIRST: u32 = 3;

const fn special(number: u32) -> u64 {
    (number as u64) << 32 | SPECIAL as u64
}

/// The token of listener number `index`.
pub(crate) fn listener_token(index: usize) -> u64 {
    special(LISTENER_FIRST + index as u32)
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(crate) sys: Syscalls,
    pub(crate) epoll: Epoll,
    pub(crate) clock: Clock,
    pub(crate) connections: Connections,
    pub(crate) connections_max: u32,
    pub(crate) listeners: Listeners,
    pub(crate) dialing: Dialing,
    pub(crate) disks: Disks,
    pub(crate) gates: Gates,
    pub(crate) log: LogConfig,
    signals: Option<Signals>,
    pub(crate) facts: Facts,
    disk_mailbox: Arc<Mailbox<Input>>,
    resolved_mailbox: Arc<Mailbox<Resolved>>,
    /// Connections to read.
    ready: VecDeque<ConnId>,
    /// Inputs of the next turn that are there already.
    pub(crate) inputs: Vec<Input>,
    /// Batches of the next turn that are there already: what framers kept until the machine's answer.
    pub(crate) batches: Vec<(ConnId, Batch)>,
    /// The connections of those.
    resumed: Vec<ConnId>,
    /// Connections whose unsent bytes may have changed since the machine was told.
    changed: Vec<ConnId>,
    /// Connections whose unfinished requests pin so much that the machine is told.
    unframed: Vec<ConnId>,
    /// Connections in state `Ended` or `Flushing`.
    pub(crate) closing: Vec<ConnId>,
    /// Connections that are gone; the machine is told in the next turn.
    dead: Vec<ConnId>,
    buffers: Vec<Vec<u8>>,
    facts_at: Time,
    /// What went over sockets, and the turns of the loop.
    traffic: Traffic,
    coalescing: Coalescing,
    /// When the turn under way began.
    turn_began: Option<Time>,
    /// The operator does not want to wait for the machine.
    pub(crate) exit_now: bool,
    pub(crate) service: Service,
}

/// What a reactor is made of.
pub(crate) struct Parts {
    pub(crate) sys: Syscalls,
    pub(crate) epoll: Epoll,
    pub(crate) listeners: Listeners,
    pub(crate) dialing: Dialing,
    pub(crate) disks: Disks,
    pub(crate) log: LogConfig,
    pub(crate) signals: Option<Signals>,
    pub(crate) facts: Facts,
    pub(crate) disk_mailbox: Arc<Mailbox<Input>>,
    pub(crate) resolved_mailbox: Arc<Mailbox<Resolved>>,
    pub(crate) connections_max: u32,
    pub(crate) service: Service,
}

impl Reactor {
    /// Registers everything that wakes the loop.
    pub(crate) fn new(parts: Parts) -> io::Result<Reactor> {
        let Parts { sys, epoll, listeners, disk_mailbox, resolved_mailbox, signals, .. } = parts;
        sys.epoll_add(&epoll, disk_mailbox.fd(), DISK_TOKEN, READABLE)?;
        sys.epoll_add(&epoll, resolved_mailbox.fd(), RESOLVED_TOKEN, READABLE)?;
        if let Some(signals) = &signals {
            sys.epoll_add(&epoll, signals.fd(), SIGNAL_TOKEN, READABLE)?;
        }
        listeners.register(&sys, &epoll)?;
        Ok(Reactor {
            sys,
            epoll,
            clock: Clock::new(),
            connections: Connections::default(),
            connections_max: parts.connections_max,
            listeners,
            dialing: parts.dialing,
            disks: parts.disks,
            gates: Gates::default(),
            log: parts.log,
            signals,
            facts: parts.facts,
            disk_mailbox,
            resolved_mailbox,
            ready: VecDeque::new(),
            inputs: Vec::new(),
            batches: Vec::new(),
            resumed: Vec::new(),
            changed: Vec::new(),
            unframed: Vec::new(),
            closing: Vec::new(),
            dead: Vec::new(),
            buffers: Vec::new(),
            facts_at: Time::START,
            traffic: Traffic::default(),
            coalescing: Coalescing::default(),
            turn_began: None,
            exit_now: false,
            service: parts.service,
        })
    }

    /// Waits for something to happen; leaves the inputs of the turn in `inputs` and returns its time.
    pub(crate) fn gather(&mut self, now: Time, out: &mut Outbox) -> Now {
        let mut timeout = self.timeout(now, out);
        if timeout > Span::ZERO && !self.disk_mailbox.may_sleep() {
            timeout = Span::ZERO;
        }
        watchdog::rest();
        self.end_turn();
        if self.coalescing.end_turn(now) && timeout > NAP {
            self.coalescing.note_nap();
            syscalls::wait_for(self.disk_mailbox.fd(), NAP);
        }
        let events = self.sys.epoll_wait(&mut self.epoll, timeout);
        watchdog::begin();
        self.disk_mailbox.on_awake();
        let events = events.expect("waiting on a valid epoll instance only ever is interrupted");
        let now = self.clock.now();
        self.turn_began = Some(now.mono);
        self.coalescing.begin_turn(now.mono);
        let pool = &mut out.pool;
        for index in 0..events {
            let event = self.epoll.event(index);
            if event.token as u32 == SPECIAL {
                self.on_special(event.token, now.mono, pool);
            } else {
                self.on_connection(id_of(event.token), event.flags, pool);
            }
        }
        self.on_disk_done(pool);
        self.tell_unsent();
        self.read_ready(pool);
        self.tell_unframed();
        self.tell_batches();
        self.tell_closed();
        self.tell_time(now.mono, out);
        out.traffic = self.traffic;
        now
    }

    /// The turn under way is over: counts it.
    fn end_turn(&mut self) {
        let Some(began) = self.turn_began.take() else { return };
        let us = self.clock.mono().since(began).as_us();
        let traffic = &mut self.traffic;
        traffic.turns += 1;
        traffic.turns_us += us;
        traffic.turn_us_max = traffic.turn_us_max.max(us);
    }

    /// One write took `sent` bytes.
    #[inline]
    pub(crate) fn note_sent(&mut self, sent: usize) {
        self.traffic.output_bytes += sent as u64;
        self.traffic.writes += u64::from(sent > 0);
    }

    /// After the machine's exit: waits a moment for sockets and gates, and sends on.
    pub(crate) fn wait_to_flush(&mut self, pool: &mut Pool) {
        let wait = if self.disk_mailbox.may_sleep() { Span::ms(10) } else { Span::ZERO };
        let events = self.sys.epoll_wait(&mut self.epoll, wait).unwrap_or(0);
        for index in 0..events {
            let event = self.epoll.event(index);
            if event.token == DISK_TOKEN {
                self.disk_mailbox.clear_wake();
            } else if event.token as u32 != SPECIAL && event.flags & (WRITABLE | BROKEN) != 0 {
                self.on_connection(id_of(event.token), event.flags, pool);
            }
        }
        self.on_disk_done(pool);
    }

    /// How long the loop may sleep: not at all while anything is left to do.
    fn timeout(&self, now: Time, out: &Outbox) -> Span {
        let is_busy = out.again
            || !self.ready.is_empty()
            || !self.inputs.is_empty()
            || !self.batches.is_empty()
            || !self.dead.is_empty()
            || !self.changed.is_empty();
        if is_busy {
            return Span::ZERO;
        }
        let mut until = out.wake_at.min(self.facts_at);
        until = until.min(self.listeners.rest_until.unwrap_or(Time::NEVER));
        if !self.closing.is_empty() {
            // Their deadlines are a second away; a look every 100 ms is exact enough.
            until = until.min(now + Span::ms(100));
        }
        until.since(now)
    }

    fn on_special(&mut self, token: u64, now: Time, pool: &mut Pool) {
        match token {
            DISK_TOKEN => self.disk_mailbox.clear_wake(),
            RESOLVED_TOKEN => {
                let mut resolved = Vec::new();
                self.resolved_mailbox.take_woken(&mut resolved);
                for resolved in resolved {
                    self.on_resolved(resolved, pool);
                }
            }
            SIGNAL_TOKEN => {
                while let Some(asked) = self.signals.as_mut().and_then(Signals::next) {
                    match asked {
                        Asked::Machine(signal) => self.inputs.push(Input::Signal(signal)),
                        Asked::ExitNow => self.exit_now = true,
                    }
                }
            }
            listener => self.accept((listener >> 32) as usize - LISTENER_FIRST as usize, now),
        }
    }

    fn on_disk_done(&mut self, pool: &mut Pool) {
        if self.disk_mailbox.is_empty() {
            return;
        }
        let mut done = Vec::new();
        self.disk_mailbox.take(&mut done);
        self.on_disk_answers(done, pool);
    }

    /// Completions open gates before the machine hears of them.
    pub(crate) fn on_disk_answers(&mut self, mut done: Vec<Input>, pool: &mut Pool) {
        let first = self.inputs.len();
        self.inputs.append(&mut done);
        let mut released = Vec::new();
        for input in &self.inputs[first..] {
            if let Input::Disk(disk) = input {
                released.append(&mut self.gates.on_done(disk.write, disk.result.is_ok()));
            }
        }
        for conn in released {
            self.flush(conn, pool);
        }
    }

    fn on_connection(&mut self, conn: ConnId, flags: u32, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if connection.state == State::Connecting {
            return self.on_connect_ready(conn, pool);
        }
        connection.peer_ended |= flags & PEER_ENDED != 0;
        if flags & BROKEN != 0 && (connection.is_paused || connection.state != State::Open) {
            // What is unread is not worth waiting for: nothing could be answered.
            return self.kill(conn, pool);
        }
        connection.may_read |= flags & (READABLE | BROKEN) != 0;
        if flags & WRITABLE != 0 && connection.is_armed {
            connection.on_writable();
            if !connection.is_flushed() {
                self.flush(conn, pool);
            }
        }
        self.enqueue(conn);
    }

    /// Puts a connection into the ready queue if there may be something to read.
    #[inline]
    pub(crate) fn enqueue(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if connection.may_read && !connection.is_ready && connection.state == State::Open {
            connection.is_ready = true;
            self.ready.push_back(conn);
        }
    }

    fn read_ready(&mut self, pool: &mut Pool) {
        let count = self.ready.len().min(READY_MAX);
        if self.batches.is_empty() && count > 0 {
            self.batches = pool.list();
            self.batches.reserve(count);
        }
        for _ in 0..count {
            let Some(conn) = self.ready.pop_front() else { return };
            let mut reads = 1;
            while self.read(conn, reads < VALUE_READS_MAX, pool) {
                reads += 1;
            }
        }
    }

    /// One read of a ready connection. True when it ended within a large value and more is there, if `may_go_on`.
    fn read(&mut self, conn: ConnId, may_go_on: bool, pool: &mut Pool) -> bool {
        let Some(connection) = self.connections.at_mut(conn) else { return false };
        connection.is_ready = false;
        if connection.state != State::Open || connection.framer.is_held() {
            return false;
        }
        if connection.has_batch {
            // One batch per connection and turn.
            self.enqueue(conn);
            return false;
        }
        if connection.is_paused {
            self.look_for_end(conn);
            return false;
        }
        let buffers = &mut self.buffers;
        let room_bytes = connection.room_bytes as usize;
        let mut buffer = connection.framer.lend(room_bytes, || buffers.pop().unwrap_or_default());
        let asked = (buffer.capacity() - buffer.len()).min(VALUE_READ_BYTES_MAX);
        let Some(fd) = connection.fd() else { return false };
        let received = retried(|| self.sys.recv(fd, &mut buffer, asked));
        let mut is_end = false;
        let is_full = received.as_ref().is_ok_and(|received| *received == asked);
        match &received {
            Ok(0) => is_end = true,
            Ok(received) => {
                self.traffic.input_bytes += *received as u64;
                self.traffic.reads += 1;
                self.coalescing.note_read(&mut connection.read_period);
                if is_full {
                    connection.room_bytes = (connection.room_bytes * 2).min(ROOM_BYTES_MAX);
                } else {
                    // The end of the stream is still to be read where it was announced.
                    connection.may_read = connection.peer_ended;
                    if *received < room_bytes / 4 {
                        connection.room_bytes = (connection.room_bytes / 2).max(ROOM_BYTES_MIN);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.may_read = false,
            Err(_) => {}
        }
        let mut batch = pool.batch();
        let freed = connection.framer.feed(buffer, &mut batch);
        let unframed = connection.framer.memory_bytes();
        if unframed.max(connection.unframed_told) >= UNFRAMED_TOLD_MIN && !connection.is_unframed_listed {
            connection.is_unframed_listed = true;
            self.unframed.push(conn);
        }
        if buffers.len() < READ_BUFFERS_MAX
            && freed.capacity() > 0
            && freed.capacity() <= ROOM_BYTES_MAX as usize
        {
            buffers.push(freed);
        }
        if batch.is_empty() && *batch.ending() == Ending::Open {
            pool.recycle_batch(batch);
            if is_full && may_go_on {
                return true;
            }
        } else {
            self.batches.push((conn, batch));
        }
        match received {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.kill(conn, pool),
            _ if is_end => self.on_peer_end(conn),
            _ => self.enqueue(conn),
        }
        false
    }

    /// Nothing is read from a paused connection, but its end is noticed.
    fn look_for_end(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        let is_end = connection.peer_ended
            && connection.fd().is_some_and(|fd| retried(|| self.sys.peek_end(fd)).unwrap_or(false));
        if is_end {
            self.on_peer_end(conn);
        }
    }

    /// The peer sends nothing more. What it asked for is answered before the machine hears of the end.
    fn on_peer_end(&mut self, conn: ConnId) {
        let now = self.clock.mono();
        let Some(connection) = self.connections.at_mut(conn) else { return };
        connection.state = State::Ended;
        connection.may_read = false;
        connection.deadline = now + crate::outputs::FLUSH_WAIT;
        self.closing.push(conn);
    }

    /// Ends a connection at once; the machine hears of it in the next turn.
    pub(crate) fn kill(&mut self, conn: ConnId, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if connection.state != State::Dead {
            connection.bury(pool);
            self.dialing.forget(conn);
            self.dead.push(conn);
        }
    }

    /// Sends what a connection has queued, as far as possible.
    pub(crate) fn flush(&mut self, conn: ConnId, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if matches!(connection.state, State::Connecting | State::Dead) {
            return;
        }
        let gates = &self.gates;
        let (sent, flushed) = connection.flush(&self.sys, pool, |write| gates.outcome(write));
        self.after_sending(conn, sent, flushed, pool);
    }

    /// Notes what a send has left.
    pub(crate) fn after_sending(&mut self, conn: ConnId, sent: usize, flushed: Flushed, pool: &mut Pool) {
        self.note_sent(sent);
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if sent > 0 && matches!(connection.state, State::Ended | State::Flushing) {
            connection.deadline = self.clock.mono() + crate::outputs::FLUSH_WAIT;
        }
        if connection.unsent_bytes != connection.unsent_told && !connection.is_changed {
            connection.is_changed = true;
            self.changed.push(conn);
        }
        match flushed {
            Flushed::All => {}
            Flushed::Broken => self.kill(conn, pool),
            Flushed::Gated(write) => self.gates.wait(write, conn),
            Flushed::Full => {
                if !connection.is_armed {
                    connection.is_armed = true;
                    let (token, fd) = (connection.token(), connection.fd());
                    let modified =
                        fd.map(|fd| self.sys.epoll_modify(&self.epoll, fd, token, INBOUND | WRITABLE));
                    if let Some(Err(_)) = modified {
                        self.kill(conn, pool);
                    }
                }
            }
        }
    }

    fn tell_unsent(&mut self) {
        if self.changed.is_empty() {
            return;
        }
        let mut unsent = Vec::with_capacity(self.changed.len());
        for conn in self.changed.drain(..) {
            let Some(connection) = self.connections.at_mut(conn) else { continue };
            connection.is_changed = false;
            if connection.unsent_told != connection.unsent_bytes && connection.state != State::Dead {
                connection.unsent_told = connection.unsent_bytes;
                unsent.push((conn, connection.unsent_bytes));
            }
        }
        if !unsent.is_empty() {
            self.inputs.push(Input::Unsent(unsent));
        }
    }

    fn tell_unframed(&mut self) {
        if self.unframed.is_empty() {
            return;
        }
        let mut unframed = Vec::with_capacity(self.unframed.len());
        for conn in self.unframed.drain(..) {
            let Some(connection) = self.connections.at_mut(conn) else { continue };
            connection.is_unframed_listed = false;
            if connection.state != State::Dead {
                let memory_bytes = connection.framer.memory_bytes();
                connection.unframed_told = memory_bytes;
                unframed.push((conn, connection.framer.query_bytes(), memory_bytes));
            }
        }
        self.inputs.push(Input::Unframed(unframed));
    }

    fn tell_batches(&mut self) {
        for conn in self.resumed.drain(..) {
            if let Some(connection) = self.connections.at_mut(conn) {
                connection.has_batch = false;
            }
        }
        let mut batches = std::mem::take(&mut self.batches);
        if !self.dead.is_empty() || !self.closing.is_empty() {
            // A connection that the machine itself has closed brings nothing more.
            batches.retain(|(conn, _)| {
                let connection = self.connections.at_mut(*conn);
                connection
                    .is_some_and(|connection| !matches!(connection.state, State::Dead | State::Flushing))
            });
        }
        crash::serve(&batches);
        if !batches.is_empty() {
            self.inputs.push(Input::Batches(batches));
        }
    }

    fn tell_closed(&mut self) {
        for conn in self.dead.drain(..) {
            self.connections.remove(conn);
            self.inputs.push(Input::Closed { conn });
        }
    }

    fn tell_time(&mut self, now: Time, out: &Outbox) {
        self.end_rest(now);
        if self.facts_at <= now {
            self.facts_at = now + FACTS_EVERY;
            let facts = self.facts.look(self.traffic);
            crash::keep(&facts);
            self.inputs.push(Input::Host(facts));
        }
        if out.again || out.wake_at <= now {
            self.inputs.push(Input::Tick);
        }
    }

    /// Frames on what a framer has kept, now that the machine has said how.
    pub(crate) fn reframe(&mut self, conn: ConnId, mode: wire::Mode, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        if matches!(connection.state, State::Dead | State::Flushing) {
            return;
        }
        if connection.has_batch {
            // The machine has not seen that batch: what may follow it is not for it to say yet.
            return;
        }
        connection.framer.set_mode(mode);
        let mut batch = pool.batch();
        let freed = connection.framer.resume(&mut batch);
        pool.recycle(freed);
        if batch.is_empty() && *batch.ending() == Ending::Open {
            pool.recycle_batch(batch);
        } else {
            connection.has_batch = true;
            self.resumed.push(conn);
            self.batches.push((conn, batch));
        }
        self.enqueue(conn);
    }

    /// Stops or goes on reading.
    pub(crate) fn set_paused(&mut self, conn: ConnId, is_paused: bool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        connection.is_paused = is_paused;
        self.enqueue(conn);
    }
}
