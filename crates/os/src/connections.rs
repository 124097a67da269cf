//! Connections: the state of each socket with its unsent bytes, and the tables that `ConnId` indexes.
//!
//! ```text
//!   Connecting --writable--> Open --peer's end read--> Ended ----\  (what it asked for is still answered)
//!        |                    |----Close Flushed-----> Flushing --+--> Dead --Input::Closed--> free
//!        \---- failed ---     \----error, Close Now---------------/
//! ```
//!
//! Invariant: a connection of state `Dead` has no descriptor and no bytes, and its number is not used again
//! before the machine has heard `Input::Closed`.

use crate::syscalls::{self, Syscalls};
use base::Time;
use machine::{Chunk, ConnId, Pool, WriteId};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::{Framer, Mode};

/// Where a connection stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The machine opens it; it does not stand yet.
    Connecting,
    /// Both ways.
    Open,
    /// The peer will send nothing more; what is put out still goes to it.
    Ended,
    /// The machine is done with it; what was put out still goes.
    Flushing,
    /// Gone; `Input::Closed` is due.
    Dead,
}

/// Bytes that wait to be sent, and the write that must be durable before.
#[derive(Debug)]
struct Queued {
    bytes: Chunk,
    after: Option<WriteId>,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) state: State,
    /// There may be something to read: set by events, cleared when the socket was drained.
    pub(crate) may_read: bool,
    /// The peer has ended its half; bytes before that may still be unread.
    pub(crate) peer_ended: bool,
    /// The machine wants nothing more for now.
    pub(crate) is_paused: bool,
    /// In the queue of connections to read.
    pub(crate) is_ready: bool,
    /// In the list of those whose unsent bytes may have changed.
    pub(crate) is_changed: bool,
    /// A resumed batch waits to be handed over; nothing is read before.
    pub(crate) has_batch: bool,
    /// Registered for writability; from the first full socket on.
    pub(crate) is_armed: bool,
    /// The socket was full; it is tried again when it becomes writable.
    is_full: bool,
    /// Bytes to read at once, by what the last reads brought.
    pub(crate) room_bytes: u32,
    /// The last period (of `Coalescing`) in which it brought something.
    pub(crate) read_period: u32,
    fd: Option<OwnedFd>,
    pub(crate) framer: Framer,
    queue: VecDeque<Queued>,
    /// Bytes of the queue's first chunk that are sent.
    head_sent: usize,
    /// Bytes that were put out and are not sent.
    pub(crate) unsent_bytes: usize,
    /// What the machine was told of that.
    pub(crate) unsent_told: usize,
    /// Memory of its unfinished request as the machine was told.
    pub(crate) unframed_told: usize,
    /// It stands in the list of those whose unfinished requests are told.
    pub(crate) is_unframed_listed: bool,
    /// Ended, Flushing: the end if nothing more is sent until then.
    pub(crate) deadline: Time,
}

/// What a flush has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing.
    All,
    /// The socket is full.
    Full,
    /// The rest waits for this write.
    Gated(WriteId),
    /// The connection is broken.
    Broken,
}

/// What became of a write that sends may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pending,
    Durable,
    Failed,
}

/// 16 KiB: a read takes at least this much, the originals' choice as well.
pub(crate) const ROOM_BYTES_MIN: u32 = 16 << 10;
/// 64 KiB: a busy connection's read; the pool keeps no larger buffers. It is the bound per connection and turn.
pub(crate) const ROOM_BYTES_MAX: u32 = 64 << 10;

impl Connection {
    pub(crate) fn new(id: ConnId, fd: Option<OwnedFd>, mode: Mode, state: State) -> Connection {
        Connection {
            id,
            state,
            may_read: false,
            peer_ended: false,
            is_paused: false,
            is_ready: false,
            is_changed: false,
            has_batch: false,
            is_armed: false,
            is_full: false,
            room_bytes: ROOM_BYTES_MIN,
            read_period: 0,
            fd,
            framer: Framer::new(mode),
            queue: VecDeque::new(),
            head_sent: 0,
            unsent_bytes: 0,
            unsent_told: 0,
            unframed_told: 0,
            is_unframed_listed: false,
            deadline: Time::NEVER,
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn set_fd(&mut self, fd: OwnedFd) {
        self.fd = Some(fd);
    }

    /// The token of its events.
    pub(crate) fn token(&self) -> u64 {
        token_of(self.id)
    }

    /// True when bytes that are put out now may go straight to the socket.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        self.queue.is_empty() && matches!(self.state, State::Open | State::Ended)
    }

    /// True when nothing waits to be sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.queue.is_empty()
    }

    /// The write that the first waiting bytes wait for.
    pub(crate) fn gate(&self) -> Option<WriteId> {
        self.queue.front()?.after
    }

    /// Puts bytes at the end of the queue.
    pub(crate) fn push(&mut self, bytes: Chunk, after: Option<WriteId>) {
        self.unsent_bytes += bytes.len();
        self.queue.push_back(Queued { bytes, after });
    }

    /// Sends one chunk past the empty queue; what the socket did not take is queued. Returns the bytes sent.
    #[inline]
    pub(crate) fn send_now(&mut self, sys: &Syscalls, bytes: Chunk, pool: &mut Pool) -> (usize, Flushed) {
        debug_assert!(self.is_clear());
        let Some(fd) = self.fd.as_ref() else { return (0, Flushed::Broken) };
        let sent = match retried(|| sys.send(fd.as_fd(), bytes.as_slice())) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return (0, Flushed::Broken),
        };
        if sent == bytes.len() {
            pool.recycle_chunk(bytes);
            return (sent, Flushed::All);
        }
        self.unsent_bytes += bytes.len() - sent;
        self.queue.push_back(Queued { bytes, after: None });
        self.head_sent = sent;
        self.is_full = true;
        (sent, Flushed::Full)
    }

    /// Sends what is queued as far as socket and gates let it. Returns the bytes sent as well.
    pub(crate) fn flush(
        &mut self,
        sys: &Syscalls,
        pool: &mut Pool,
        outcome: impl Fn(WriteId) -> Outcome,
    ) -> (usize, Flushed) {
        let mut total = 0;
        loop {
            match self.open_gates(&outcome) {
                Flushed::All => {}
                stop => return (total, stop),
            }
            if self.is_full {
                return (total, Flushed::Full);
            }
            let Some(fd) = self.fd.as_ref() else { return (total, Flushed::Broken) };
            let mut slices = [IoSlice::new(&[]); syscalls::GATHER_MAX];
            let mut count = 0;
            let mut skip = self.head_sent;
            let open = self.queue.iter().take_while(|queued| queued.after.is_none());
            for (place, queued) in slices.iter_mut().zip(open) {
                *place = IoSlice::new(&queued.bytes.as_slice()[skip..]);
                skip = 0;
                count += 1;
            }
            if count == 0 {
                return (total, Flushed::All);
            }
            let slices = &slices[..count];
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let sent = match retried(|| match slices {
                [one] => sys.send(fd.as_fd(), one),
                several => sys.send_gathered(fd.as_fd(), several),
            }) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return (total, Flushed::Broken),
            };
            total += sent;
            self.is_full = sent < offered;
            self.advance(sent, pool);
        }
    }

    /// Lifts the gates of the queue's front that are open; `All` when the front may be sent or is empty.
    fn open_gates(&mut self, outcome: &impl Fn(WriteId) -> Outcome) -> Flushed {
        let mut is_first = true;
        for queued in self.queue.iter_mut().take(syscalls::GATHER_MAX) {
            if let Some(write) = queued.after {
                match outcome(write) {
                    Outcome::Durable => queued.after = None,
                    Outcome::Pending if is_first => return Flushed::Gated(write),
                    Outcome::Pending => break,
                    Outcome::Failed if is_first => return Flushed::Broken,
                    Outcome::Failed => break,
                }
            }
            is_first = false;
        }
        Flushed::All
    }

    /// Takes `sent` bytes off the queue's front.
    fn advance(&mut self, mut sent: usize, pool: &mut Pool) {
        self.unsent_bytes -= sent;
        while let Some(front) = self.queue.front() {
            let left = front.bytes.len() - self.head_sent;
            if sent < left {
                self.head_sent += sent;
                return;
            }
            sent -= left;
            self.head_sent = 0;
            if let Some(done) = self.queue.pop_front() {
                pool.recycle_chunk(done.bytes);
            }
        }
        // A queue that was long once does not stay in memory: an idle connection holds none.
        if self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn on_writable(&mut self) {
        self.is_full = false;
    }

    /// Drops descriptor and bytes.
    pub(crate) fn bury(&mut self, pool: &mut Pool) {
        self.fd = None;
        self.state = State::Dead;
        for queued in std::mem::take(&mut self.queue) {
            pool.recycle_chunk(queued.bytes);
        }
        self.unsent_bytes = 0;
        self.framer = Framer::new(Mode::Raw);
    }
}

/// Runs a call again while a signal interrupts it.
#[inline]
pub(crate) fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The token of a connection's events.
pub(crate) fn token_of(id: ConnId) -> u64 {
    u64::from(id.index) | u64::from(id.generation) << 32
}

/// The connection of an event's token.
pub(crate) fn id_of(token: u64) -> ConnId {
    ConnId { index: token as u32, generation: (token >> 32) as u32 }
}

/// All connections, by direction and place.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    inbound: Vec<Option<Connection>>,
    /// The generation that the next user of each inbound place gets.
    generations: Vec<u32>,
    free: Vec<u32>,
    outbound: Vec<Option<Connection>>,
    count: u32,
}

impl Connections {
    /// Connections in the tables.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Takes an accepted connection in.
    pub(crate) fn insert(&mut self, fd: OwnedFd, mode: Mode) -> &mut Connection {
        let index = self.free.pop().unwrap_or_else(|| {
            self.inbound.push(None);
            self.generations.push(0);
            u32::try_from(self.inbound.len() - 1).expect("descriptors are fewer than 2^31")
        });
        let id = ConnId::inbound(index, self.generations[index as usize]);
        self.count += 1;
        self.inbound[index as usize].insert(Connection::new(id, Some(fd), mode, State::Open))
    }

    /// Takes a connection in that the machine opens and has numbered.
    ///
    /// # Panics
    /// When the number is in use, which the machine's `Dialer` excludes.
    pub(crate) fn insert_outbound(&mut self, id: ConnId, mode: Mode) {
        assert!(id.is_outbound());
        if self.outbound.len() <= id.place() {
            self.outbound.resize_with(id.place() + 1, || None);
        }
        let place = &mut self.outbound[id.place()];
        assert!(place.is_none(), "a connection's number is used once at a time");
        *place = Some(Connection::new(id, None, mode, State::Connecting));
        self.count += 1;
    }

    /// The connection of this number, unless it is gone.
    #[inline]
    pub(crate) fn at_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        let table = if id.is_outbound() { &mut self.outbound } else { &mut self.inbound };
        let connection = table.get_mut(id.place())?.as_mut()?;
        (connection.id.generation == id.generation).then_some(connection)
    }

    /// Frees a number.
    pub(crate) fn remove(&mut self, id: ConnId) {
        if self.at_mut(id).is_none() {
            return;
        }
        self.count -= 1;
        if id.is_outbound() {
            self.outbound[id.place()] = None;
        } else {
            self.inbound[id.place()] = None;
            self.generations[id.place()] = id.generation.wrapping_add(1);
            self.free.push(id.index);
        }
    }

    /// The numbers of all connections.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.inbound.iter().chain(&self.outbound).flatten().map(|connection| connection.id).collect()
    }
}
