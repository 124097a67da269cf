//! Sessions: what the engine knows of each connection, in a flat table by the connection's place.
//!
//! A [`Connection`] has three parts that a request borrows separately: the inbox it reads its arguments from,
//! the outgoing bytes it writes to, and the session itself.

use crate::multi::Multi;
use crate::pubsub::Subscriptions;
use crate::table::RowIndex;
use crate::tracking::Tracking;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use base::Time;
use core::ops::Range;
use machine::{ConnId, Listener, Outbox, Peer};
use wire::reply::Reply;
use wire::{Batch, Ending};

/// The state of one client.
pub struct Session {
    /// Its connection.
    pub conn: ConnId,
    /// The id that CLIENT ID says: counts up over the process' life.
    pub id: u64,
    /// The two ends.
    pub peer: Peer,
    /// Where it came in.
    pub listener: Listener,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Vec<u8>,
    /// The selected database.
    pub db: u32,
    /// It speaks RESP3.
    pub resp3: bool,
    /// It may run commands.
    pub is_authenticated: bool,
    /// READONLY: reads slots of this replica's primary.
    pub is_readonly: bool,
    /// ASKING: the next request may touch an importing slot.
    pub is_asking: bool,
    /// The link of a replica.
    pub is_replica: bool,
    /// The primary's stream: nothing is refused by role, nothing expires.
    pub is_stream: bool,
    /// CLIENT CAPA REDIRECT: it follows to the primary what a replica would answer itself.
    pub follows_redirects: bool,
    /// Bytes of its requests.
    pub input_bytes: u64,
    /// Bytes of its replies.
    pub output_bytes: u64,
    /// Requests that it began.
    pub requests: u64,
    /// CLIENT IMPORT-SOURCE: in import mode it sees keys whose time is over.
    pub is_import_source: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// Waits for an answer; its requests wait with it.
    pub is_blocked: bool,
    /// The reply of a transaction that it waits with.
    pub unsettled: Option<Box<Unsettled>>,
    /// The move that it waits for, while it is blocked by MIGRATE.
    pub moving: Option<u64>,
    /// Its next request is a write, and writes are held, or what it touches is in flight.
    pub is_held: bool,
    /// No request runs any more; the connection is closed once its output is out.
    pub is_closing: bool,
    /// Which replies it wants.
    pub replies: Replies,
    /// The open transaction.
    pub multi: Option<Box<Multi>>,
    /// Its channels and patterns.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// CLIENT TRACKING.
    pub tracking: Option<Box<Tracking>>,
    /// MONITOR: it is shown what all clients run.
    pub is_monitor: bool,
    /// Memory of the keys that it watches.
    pub watched_bytes: usize,
    /// The journal offset after its last write, for WAIT.
    pub last_write: u64,
    /// When it connected.
    pub created: Time,
    /// When its last request ran.
    pub active: Time,
    /// What the batch that it sent last took.
    pub read_bytes: usize,
    /// The command that it ran last.
    pub last_row: Option<RowIndex>,
    /// Invariant: true only if nothing of the session itself can make admission refuse or queue a request.
    pub is_plain: bool,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// All.
    On,
    /// None.
    Off,
    /// Not that of the request that runs (CLIENT REPLY SKIP itself); the next one's is dropped.
    SkipNext,
    /// Not that of the request that runs.
    Skip,
}

impl Session {
    /// The state of a new connection.
    pub fn new(conn: ConnId, id: u64, listener: Listener, peer: Peer, now: Time) -> Session {
        Session {
            conn,
            id,
            peer,
            listener,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            db: 0,
            resp3: false,
            is_authenticated: false,
            is_readonly: false,
            is_asking: false,
            is_replica: false,
            is_stream: false,
            follows_redirects: false,
            is_import_source: false,
            input_bytes: 0,
            output_bytes: 0,
            requests: 0,
            no_evict: false,
            no_touch: false,
            is_blocked: false,
            unsettled: None,
            moving: None,
            is_held: false,
            is_closing: false,
            replies: Replies::On,
            multi: None,
            subscriptions: None,
            tracking: None,
            is_monitor: false,
            watched_bytes: 0,
            last_write: 0,
            created: now,
            active: now,
            read_bytes: 0,
            last_row: None,
            is_plain: false,
        }
    }

    /// Derives `is_plain` anew. Call it after a change of anything that admission looks at.
    pub fn settle(&mut self) {
        self.is_plain = self.is_authenticated
            && !self.is_stream
            && !self.is_replica
            && !self.is_asking
            && self.multi.is_none()
            && self.tracking.is_none()
            && !self.is_monitor
            && !self.follows_redirects
            && self.replies == Replies::On
            && (self.resp3 || self.subscriptions.is_none());
    }

    /// Memory of what it has beside its buffers.
    pub fn memory_bytes(&self) -> usize {
        let texts = self.name.capacity() + self.library_name.capacity() + self.library_version.capacity();
        let multi = self.multi.as_ref().map_or(0, |multi| multi.memory_bytes());
        let subscriptions = self.subscriptions.as_ref().map_or(0, |all| all.memory_bytes());
        let tracking = self.tracking.as_ref().map_or(0, |tracking| tracking.prefixes.memory_bytes());
        texts + multi + subscriptions + tracking + self.watched_bytes
    }

    /// True when none of its requests may run now.
    pub fn is_stuck(&self) -> bool {
        self.is_blocked || self.is_held || self.is_closing
    }

    /// True in the context in which a RESP2 client may run few commands.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.is_some()
    }
}

/// Requests that arrived and have not run.
#[derive(Default)]
pub struct Inbox {
    /// The batch that is being worked on.
    pub batch: Option<Batch>,
    /// The next request in it.
    pub next: usize,
    /// The batches after it.
    pub later: VecDeque<Batch>,
    /// What it has brought of a request that is not whole: the bytes, and the memory that they pin.
    pub unframed: (usize, usize),
}

impl Inbox {
    /// Requests of the current batch that have not run.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.len() - self.next)
    }

    /// Puts a batch behind the others.
    pub fn push(&mut self, batch: Batch) {
        if self.batch.is_none() {
            self.batch = Some(batch);
            self.next = 0;
        } else {
            self.later.push_back(batch);
        }
    }

    /// Goes to the next batch; returns the one that is done.
    pub fn advance(&mut self) -> Option<Batch> {
        self.next = 0;
        core::mem::replace(&mut self.batch, self.later.pop_front())
    }

    /// True when nothing is read behind its last batch until that is answered.
    pub fn is_held(&self) -> bool {
        self.later.back().or(self.batch.as_ref()).is_some_and(|batch| *batch.ending() == Ending::Held)
    }

    /// Batches that wait behind the current one.
    pub fn waiting(&self) -> usize {
        self.later.len()
    }

    /// Bytes that have not run, as far as they pin memory of their own.
    pub fn query_bytes(&self) -> usize {
        self.memory_bytes() - self.unframed.1 + self.unframed.0
    }

    /// Memory that it pins.
    pub fn memory_bytes(&self) -> usize {
        let current = self.batch.as_ref().map_or(0, Batch::memory_bytes);
        current + self.later.iter().map(Batch::memory_bytes).sum::<usize>() + self.unframed.1
    }
}

/// The reply of a transaction in which answers may turn out otherwise.
#[derive(Default)]
pub struct Unsettled {
    /// The reply.
    pub bytes: Vec<u8>,
    /// Which answers, and where they stand, in their order.
    pub answers: Vec<(u64, Range<usize>)>,
}

impl Unsettled {
    /// An answer is settled: it stays, or `error` stands in its place. False when it is none of these.
    fn settle(&mut self, number: u64, error: Option<&[u8]>) -> bool {
        let Some(at) = self.answers.iter().position(|(other, _)| *other == number) else { return false };
        let (_, place) = self.answers.remove(at);
        if let Some(error) = error {
            let (before, after) = (place.len(), error.len());
            self.bytes.splice(place, error.iter().copied());
            for (_, later) in &mut self.answers[at..] {
                *later = later.start - before + after..later.end - before + after;
            }
        }
        true
    }
}

/// 16 KiB: more replies of a connection count before the turn's end.
const UNCOUNTED_REPLY_BYTES: usize = 16 << 10;

/// Bytes on their way to one client.
#[derive(Default)]
pub struct Outgoing {
    /// What this turn has written.
    pub bytes: Vec<u8>,
    /// The journal offset that `bytes` depend on.
    pub needed: u64,
    /// Earlier turns' bytes that the gate holds, each with its offset. A reply never overtakes another.
    pub held: VecDeque<(Vec<u8>, u64)>,
    /// Bytes in `held`.
    pub held_bytes: usize,
    /// Bytes that the world could not send yet.
    pub unsent: usize,
    /// Since when the soft limit is passed without a pause.
    pub over_soft_since: Option<Time>,
    /// It stands in the list of connections that have written in this turn.
    pub is_listed: bool,
    /// It stands in the list of connections that the gate holds.
    pub is_held: bool,
}

impl Outgoing {
    /// Memory that it pins. What is on its way to the world counts as sent.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.held_bytes + self.unsent
    }

    /// All bytes that the client has not received.
    pub fn pending(&self) -> usize {
        self.bytes.len() + self.held_bytes + self.unsent
    }
}

/// One connection.
pub struct Connection {
    /// Requests.
    pub inbox: Inbox,
    /// Replies.
    pub outgoing: Outgoing,
    /// State.
    pub session: Session,
    /// It stands in the queue of those with work.
    pub is_ready: bool,
    /// The world was asked not to read from it.
    pub is_paused: bool,
    /// What it has in `Sessions::memory_bytes`. A connection that is to be closed counts nothing any more.
    pub counted_bytes: usize,
}

impl Connection {
    /// A connection that has neither brought nor got anything.
    pub fn new(session: Session) -> Connection {
        Connection {
            inbox: Inbox::default(),
            outgoing: Outgoing::default(),
            session,
            is_ready: false,
            is_paused: false,
            counted_bytes: 0,
        }
    }

    /// All memory that it pins here.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Connection>()
            + self.inbox.memory_bytes()
            + self.outgoing.memory_bytes()
            + self.session.memory_bytes()
    }
}

/// All connections of the engine.
#[derive(Default)]
pub struct Sessions {
    places: Vec<Option<Box<Connection>>>,
    /// Those with requests to run, in order.
    pub ready: VecDeque<u32>,
    /// Those that have written in this turn.
    pub dirty: Vec<u32>,
    /// Those that the gate holds.
    pub held: Vec<u32>,
    count: usize,
    last_id: u64,
    /// What all connections pin, as of each one's last `recount`; links of replicas count nothing.
    memory_bytes: usize,
}

impl Sessions {
    /// A new id for CLIENT ID.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Adds a connection.
    pub fn insert(&mut self, connection: Connection) {
        let place = connection.session.conn.place();
        let mut connection = connection;
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        connection.counted_bytes = 0;
        recount(&mut connection, &mut self.memory_bytes);
        if self.places[place].replace(Box::new(connection)).is_none() {
            self.count += 1;
        }
    }

    /// Removes a connection that is closed.
    pub fn remove(&mut self, conn: ConnId) -> Option<Box<Connection>> {
        let counted = self.at(conn)?.counted_bytes;
        self.memory_bytes -= counted;
        self.count -= 1;
        self.places[conn.place()].take()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The connection `conn`, unless it is closed or its request is running.
    pub fn at(&self, conn: ConnId) -> Option<&Connection> {
        let connection = self.places.get(conn.place())?.as_deref()?;
        (connection.session.conn == conn).then_some(connection)
    }

    /// The connection `conn`, to change.
    pub fn at_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let connection = self.places.get_mut(conn.place())?.as_deref_mut()?;
        (connection.session.conn == conn).then_some(connection)
    }

    /// The connection at a place.
    #[inline]
    pub fn place(&self, place: u32) -> Option<&Connection> {
        self.places.get(place as usize)?.as_deref()
    }

    /// The connection at a place, to change.
    #[inline]
    pub fn place_mut(&mut self, place: u32) -> Option<&mut Connection> {
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// Takes the connection at `place` out while its requests run.
    #[inline]
    pub fn lend(&mut self, place: u32) -> Option<Box<Connection>> {
        self.places.get_mut(place as usize)?.take()
    }

    /// What all connections pin; links of replicas count nothing.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Counts the memory of the connection at `place` anew.
    #[inline]
    pub fn recount(&mut self, place: u32) {
        if let Some(Some(connection)) = self.places.get_mut(place as usize) {
            recount(connection, &mut self.memory_bytes);
        }
    }

    /// Puts a lent connection back. One with a few replies is counted when they are put out.
    #[inline]
    pub fn give_back(&mut self, connection: Box<Connection>) {
        let mut connection = connection;
        let outgoing = &connection.outgoing;
        if !outgoing.is_listed || outgoing.bytes.len() > UNCOUNTED_REPLY_BYTES {
            recount(&mut connection, &mut self.memory_bytes);
        }
        let place = connection.session.conn.place();
        self.places[place] = Some(connection);
    }

    /// All but the one that is lent, in order of place.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.places.iter().filter_map(|place| place.as_deref())
    }

    /// All but the one that is lent, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.places.iter_mut().filter_map(|place| place.as_deref_mut())
    }

    /// Writes to a connection outside of its own requests (a push, an answer that it waited for).
    pub fn write(
        &mut self,
        conn: ConnId,
        needed: u64,
        pool: Option<&mut Outbox>,
        write: impl FnOnce(&mut Reply<'_>),
    ) -> bool {
        let Some(connection) = self.at_mut(conn) else { return false };
        if connection.session.is_closing {
            return false;
        }
        let outgoing = &mut connection.outgoing;
        if outgoing.bytes.capacity() == 0
            && let Some(out) = pool
        {
            outgoing.bytes = out.pool.buffer();
        }
        write(&mut Reply::new(&mut outgoing.bytes, connection.session.resp3));
        outgoing.needed = needed;
        if !core::mem::replace(&mut outgoing.is_listed, true) {
            self.dirty.push(conn.place() as u32);
        }
        true
    }

    /// Settles an answer in the reply of a connection's transaction; with the last one the reply goes.
    pub fn settle(&mut self, conn: ConnId, number: u64, needed: u64, error: Option<&[u8]>) {
        let Some(session) = self.at_mut(conn).map(|connection| &mut connection.session) else { return };
        let Some(mut unsettled) = session.unsettled.take() else { return };
        if !unsettled.settle(number, error) || !unsettled.answers.is_empty() {
            session.unsettled = Some(unsettled);
            return;
        }
        session.is_blocked = false;
        self.write(conn, needed, None, |reply| reply.out().append(&mut unsettled.bytes));
        if self.at(conn).is_some_and(|connection| connection.inbox.batch.is_some()) {
            self.wake(conn);
        }
    }

    /// Lists a connection among those with work.
    pub fn wake(&mut self, conn: ConnId) {
        if let Some(connection) = self.at_mut(conn)
            && !core::mem::replace(&mut connection.is_ready, true)
        {
            self.ready.push_back(conn.place() as u32);
        }
    }
}

#[inline]
fn recount(connection: &mut Connection, sum: &mut usize) {
    let is_counted = !connection.session.is_replica && !connection.session.is_closing;
    let bytes = if is_counted { connection.memory_bytes() } else { 0 };
    *sum = *sum - connection.counted_bytes + bytes;
    connection.counted_bytes = bytes;
}
