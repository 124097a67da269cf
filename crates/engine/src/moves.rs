//! Moves: keys on their way to other servers (MIGRATE).
//!
//! The original stands still from DUMP to DEL. Here the engine goes on: the client that asked is held, and the keys
//! are in flight ([`InFlight`]) until the move is over:
//!
//! ```text
//!   MIGRATE -> Queued -> Connecting -> Ready -> Asked -> Over -> keys removed, DEL in the feed, client answered
//!                 |  an idle link     ^          |
//!                 `-------------------'          `-- link lost before any reply, once: Queued
//! ```
//!
//! `Ready` to `Asked` encodes the keys as they are then; from the request on nobody changes them, so this is what they
//! are when they are removed. Whoever would change them waits, in order. Reads go on; those of a key whose deadline
//! has passed meanwhile wait, too: whether it is here or there is decided by the answer.
//!
//! Invariant: a key is removed only when the target has said that it has it. On any failure it stays.

mod carry;
mod flight;

pub use flight::InFlight;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use base::{Now, Span, Time};
use machine::{Address, ConnId, Dialer, Outbox, Output};
use wire::{Batch, Ending, Mode};

/// 64: connections to targets at most, as many as the original keeps. Further moves wait for one.
const LINKS_MAX: usize = 64;
/// 10 s: an unused connection is kept for so long (the original's choice).
const LINK_IDLE_MAX: Span = Span::seconds(10);

/// What MIGRATE asks for.
pub struct Order {
    /// Where to; none for a port that does not exist.
    pub target: Option<Address>,
    /// The database there.
    pub target_db: i64,
    /// How long the target may be silent.
    pub timeout: Span,
    /// COPY: the keys stay here.
    pub copy: bool,
    /// REPLACE: over what is there.
    pub replace: bool,
    /// The arguments of AUTH, where they were given.
    pub auth: Vec<Box<[u8]>>,
    /// The keys.
    pub keys: Vec<Box<[u8]>>,
}

/// A move that is under way.
struct Job {
    order: Order,
    /// The client that waits for the answer.
    asker: ConnId,
    /// The database here.
    db: u32,
    /// It was asked of a replica. When that changes, the data is not what it was.
    is_replica: bool,
    stage: Stage,
    /// When the target last gave a sign of life.
    heard_at: Time,
    /// Places of the keys that the target has.
    moved: Vec<usize>,
    /// The first error of the target.
    refused: Option<String>,
    may_retry: bool,
    /// Clients whose next request waits for the end, in order.
    waiters: Vec<ConnId>,
}

enum Stage {
    /// It has no link.
    Queued,
    /// Its link opens.
    Connecting,
    /// Its link is open; the request is to be written.
    Ready,
    /// The request is on its way.
    Asked(Asked),
    /// What it came to.
    Over(End),
}

/// A request to a target, and the replies so far.
struct Asked {
    /// Replies to AUTH and SELECT that come before those to RESTORE.
    greetings: usize,
    /// The request has a SELECT.
    selects: bool,
    /// Places of the keys that were sent.
    sent: Vec<usize>,
    /// Replies that have come.
    heard: usize,
    /// AUTH or SELECT was refused: nothing was restored where it should be.
    is_void: bool,
}

/// How a move ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All replies have come.
    Answered,
    /// No key was left to send.
    NoKey,
    /// There was no connection.
    Unconnected,
    /// The connection broke, or the target was silent for too long, while the request was still being sent.
    BrokenWriting,
    /// The same while replies were awaited.
    BrokenReading,
    /// This node's role changed meanwhile.
    RoleChanged,
}

/// A connection to a target.
struct Link {
    conn: ConnId,
    target: Address,
    is_open: bool,
    job: Option<u64>,
    /// Since when it has no job.
    idle_since: Time,
    /// The database that it has selected there.
    selected: Option<i64>,
    /// Bytes that the world could not send yet.
    unsent: usize,
}

/// All moves, and the connections to their targets.
#[derive(Default)]
pub struct Moves {
    jobs: BTreeMap<u64, Job>,
    last_id: u64,
    queue: VecDeque<u64>,
    links: Vec<Link>,
    /// Connections that were closed here and are not reported closed yet. Bound: that of `links`, and one second's.
    closing: Vec<ConnId>,
}

impl Moves {
    /// Begins a move; returns its number. The caller has put the keys in flight.
    pub fn begin(&mut self, order: Order, asker: ConnId, db: u32, is_replica: bool, now: Now) -> u64 {
        self.last_id += 1;
        let (stage, may_retry) = match order.target {
            Some(_) => (Stage::Queued, true),
            // The original takes such a port for another, where nobody is.
            None => (Stage::Over(End::BrokenWriting), false),
        };
        let job = Job {
            order,
            asker,
            db,
            is_replica,
            stage,
            heard_at: now.mono,
            moved: Vec::new(),
            refused: None,
            may_retry,
            waiters: Vec::new(),
        };
        self.jobs.insert(self.last_id, job);
        self.queue.push_back(self.last_id);
        self.last_id
    }

    /// The number of the next move.
    pub fn next_id(&self) -> u64 {
        self.last_id + 1
    }

    /// A client's next request waits for the end of a move.
    pub fn park(&mut self, id: u64, conn: ConnId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.waiters.push(conn);
        }
    }

    /// Connections to targets, for INFO.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// True for a connection that was opened here and is not reported closed.
    pub fn owns(&self, conn: ConnId) -> bool {
        self.closing.contains(&conn) || self.links.iter().any(|link| link.conn == conn)
    }

    /// When something is to be done unless something happens before.
    pub fn wake_at(&self) -> Time {
        let is_open = |job: &&Job| !matches!(job.stage, Stage::Over(_));
        let jobs = self.jobs.values().filter(is_open).map(|job| job.heard_at + job.order.timeout);
        let idle = |link: &Link| link.idle_since + LINK_IDLE_MAX;
        let links = self.links.iter().filter(|link| link.job.is_none()).map(idle);
        jobs.chain(links).min().unwrap_or(Time::NEVER)
    }

    fn link_of(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.conn == conn)
    }

    // ----- inputs

    /// An attempt to connect ended.
    pub fn on_connected(&mut self, now: Now, conn: ConnId, is_open: bool, dialer: &mut Dialer) {
        if !is_open {
            dialer.closed(conn);
            self.closing.retain(|closing| *closing != conn);
            // The original finds out that nobody is there when it writes; a name without an address it finds before.
            let is_name = self.link_of(conn).is_some_and(|link| matches!(link.target, Address::Name(..)));
            if let Some(id) = self.drop_link(conn) {
                self.end(id, if is_name { End::Unconnected } else { End::BrokenWriting });
            }
            return;
        }
        // Given up meanwhile: its end is reported later.
        let Some(link) = self.link_of(conn) else { return };
        link.is_open = true;
        if let Some(job) = link.job.and_then(|id| self.jobs.get_mut(&id)) {
            job.stage = Stage::Ready;
            job.heard_at = now.mono;
        }
    }

    /// A connection is gone.
    pub fn on_closed(&mut self, conn: ConnId, dialer: &mut Dialer) {
        dialer.closed(conn);
        self.closing.retain(|closing| *closing != conn);
        let was_sending = self.link_of(conn).is_some_and(|link| link.unsent > 0);
        if let Some(id) = self.drop_link(conn) {
            self.broken(id, was_sending);
        }
    }

    /// What a connection could not send yet.
    pub fn on_unsent(&mut self, now: Now, conn: ConnId, bytes: usize) {
        let Some(link) = self.link_of(conn) else { return };
        link.unsent = bytes;
        if let Some(job) = link.job.and_then(|id| self.jobs.get_mut(&id)) {
            job.heard_at = now.mono;
        }
    }

    /// Replies of a target.
    pub fn on_batch(&mut self, now: Now, conn: ConnId, batch: &Batch, out: &mut Outbox) {
        for index in 0..batch.len() {
            let line: Vec<u8> = batch.request(index).iter().flatten().copied().collect();
            // An empty line is a sign of life alone.
            if !line.is_empty() && !self.on_reply(now, conn, &line) {
                return self.give_up(conn, out);
            }
        }
        match batch.ending() {
            Ending::Open => {}
            Ending::Held => out.put(Output::Frame { conn, mode: Mode::Replies }),
            Ending::Broken(_) => self.give_up(conn, out),
        }
    }

    /// One reply; false for one that nobody asked for.
    fn on_reply(&mut self, now: Now, conn: ConnId, line: &[u8]) -> bool {
        let Some(link) = self.links.iter_mut().find(|link| link.conn == conn) else { return true };
        let Some(id) = link.job else { return false };
        let job = self.jobs.get_mut(&id).expect("a link's job is there until it ends");
        let Stage::Asked(asked) = &mut job.stage else { return false };
        job.heard_at = now.mono;
        let error = line.strip_prefix(b"-");
        if let Some(error) = error {
            job.refused.get_or_insert_with(|| String::from_utf8_lossy(error).into_owned());
        }
        match asked.heard.checked_sub(asked.greetings) {
            None => asked.is_void |= error.is_some(),
            Some(at) if error.is_none() && !asked.is_void => job.moved.push(asked.sent[at]),
            Some(_) => {}
        }
        asked.heard += 1;
        if asked.heard == asked.greetings + asked.sent.len() {
            let is_sound = job.refused.is_none();
            if asked.selects {
                link.selected = Some(job.order.target_db);
            }
            if !is_sound {
                link.selected = None;
            }
            link.job = None;
            link.idle_since = now.mono;
            job.stage = Stage::Over(End::Answered);
        }
        true
    }

    // ----- time and work

    /// Ends what took too long, closes what is unused, and finds links for those that wait.
    fn step(&mut self, now: Now, dialer: &mut Dialer, out: &mut Outbox) {
        let is_late = |job: &Job| {
            !matches!(job.stage, Stage::Over(_)) && now.mono.since(job.heard_at) >= job.order.timeout
        };
        let late: Vec<u64> = self.jobs.iter().filter(|(_, job)| is_late(job)).map(|(id, _)| *id).collect();
        for id in late {
            self.time_out(id, out);
        }
        let is_stale = |link: &&Link| link.job.is_none() && now.mono.since(link.idle_since) >= LINK_IDLE_MAX;
        let stale: Vec<ConnId> = self.links.iter().filter(is_stale).map(|link| link.conn).collect();
        for conn in stale {
            self.hang_up(conn, out);
        }
        let mut waiting = core::mem::take(&mut self.queue);
        while let Some(id) = waiting.pop_front() {
            if !self.find_link(id, now, dialer, out) {
                self.queue.push_back(id);
            }
        }
    }

    /// Gives a queued job a link, an idle one or a new one; false while there is none.
    fn find_link(&mut self, id: u64, now: Now, dialer: &mut Dialer, out: &mut Outbox) -> bool {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| matches!(job.stage, Stage::Queued)) else {
            return true;
        };
        let target = job.order.target.as_ref().expect("a job without a target is over");
        // After a failure only a new link will do: the idle ones may be as dead as the last one was.
        let idle = |link: &&mut Link| job.may_retry && link.job.is_none() && link.target == *target;
        if let Some(link) = self.links.iter_mut().find(idle) {
            link.job = Some(id);
            job.stage = Stage::Ready;
            return true;
        }
        if self.links.len() >= LINKS_MAX {
            let unused = self.links.iter().filter(|link| link.job.is_none());
            let Some(oldest) = unused.min_by_key(|link| link.idle_since).map(|link| link.conn) else {
                return false;
            };
            self.hang_up(oldest, out);
        }
        let job = self.jobs.get_mut(&id).expect("the job was found above");
        let target = job.order.target.clone().expect("a job without a target is over");
        let conn = dialer.dial();
        out.put(Output::Connect { conn, to: target.clone(), mode: Mode::Replies });
        job.stage = Stage::Connecting;
        self.links.push(Link {
            conn,
            target,
            is_open: false,
            job: Some(id),
            idle_since: now.mono,
            selected: None,
            unsent: 0,
        });
        true
    }

    /// The target was silent for too long. There is no second attempt.
    fn time_out(&mut self, id: u64, out: &mut Outbox) {
        let link = self.links.iter().find(|link| link.job == Some(id));
        let end = match link {
            Some(link) if link.is_open && link.unsent > 0 => End::BrokenWriting,
            Some(link) if link.is_open => End::BrokenReading,
            Some(_) | None => End::Unconnected,
        };
        if let Some(conn) = link.map(|link| link.conn) {
            self.hang_up(conn, out);
        }
        self.end(id, end);
    }

    /// A connection talks nonsense.
    fn give_up(&mut self, conn: ConnId, out: &mut Outbox) {
        let job = self.link_of(conn).and_then(|link| link.job);
        self.hang_up(conn, out);
        if let Some(id) = job {
            self.broken(id, false);
        }
    }

    /// Closes a connection; returns nothing of its job, which the caller sees to.
    fn hang_up(&mut self, conn: ConnId, out: &mut Outbox) {
        out.close_now(conn);
        self.closing.push(conn);
        self.drop_link(conn);
    }

    fn drop_link(&mut self, conn: ConnId) -> Option<u64> {
        let at = self.links.iter().position(|link| link.conn == conn)?;
        self.links.swap_remove(at).job
    }

    /// A job's link is gone. A kept connection may have been dead for long: once, and only if nothing was heard,
    /// the request goes out again on a new one.
    fn broken(&mut self, id: u64, was_sending: bool) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let heard = match &job.stage {
            Stage::Asked(asked) => asked.heard,
            Stage::Queued | Stage::Connecting | Stage::Ready => 0,
            Stage::Over(_) => return,
        };
        if heard == 0 && core::mem::take(&mut job.may_retry) {
            job.stage = Stage::Queued;
            self.queue.push_back(id);
            return;
        }
        self.end(id, if was_sending { End::BrokenWriting } else { End::BrokenReading });
    }

    fn end(&mut self, id: u64, end: End) {
        if let Some(job) = self.jobs.get_mut(&id)
            && !matches!(job.stage, Stage::Over(_))
        {
            job.stage = Stage::Over(end);
        }
    }
}
