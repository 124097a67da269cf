//! Blocking: clients that wait until a key holds something for them (BLPOP, BZPOPMIN, XREAD BLOCK ...).
//!
//! A handler that finds nothing to take calls [`Call::await_keys`] and returns; the client is blocked. Whatever changes one
//! of the keys, by whatever command, makes the key *ready*; at the end of that command (of the whole transaction) the
//! handlers of those who wait for it run again, the first who came first. One that finds something now replies as if it had
//! just been asked; one that calls `await_keys` again goes on waiting, at its old place and with its old deadline.
//!
//! ```text
//!   BLPOP k --nothing there--> await_keys --> waits
//!   LPUSH k x   changed(k): k is ready                       [effect: LPUSH k x]
//!   end of it   for each who waits for a list at k, in order, while k holds one:
//!                   the handler again --> LPOP k, reply      [effect: LPOP k]
//!                                     `-> await_keys --> waits on
//! ```
//!
//! What a handler must do:
//! - parse and refuse everything first, the timeout included: [`deadline_of_seconds`], [`deadline_of_ms`];
//! - look at its keys in their order and take what there is; its effect is the form that does not block (LPOP, not BLPOP);
//! - if there is nothing, call [`Call::await_keys`] and return. Within a transaction that answers at once:
//!   `Awaited::nothing`.
//! - report what it changed with `call.changed`, as everyone does: nothing else makes a key ready.
//!
//! Sorted sets wait with `Awaited::of(Kind::SortedSet)`. Streams: one write wakes all readers in turn, for none takes
//! anything away. XREAD with `$` waits from the id that is the last one now: give [`Awaited::again`], the request with the
//! ids in place of `$`, which runs in the place of the one that was sent. XREADGROUP sets [`Awaited::minds_end`]: it runs
//! again too when the key is gone or holds another type, and then refuses; [`Call::is_retried`] tells that run from the first.
//!
//! Invariant: a session in `waits` has `is_blocked`, and the request that it waits with is the one before `inbox.next`.
//! While nobody waits, a change of a key costs one look at [`Blocking::is_empty`].

use crate::call::Call;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use base::{Now, Span, Time, number};
use data::Kind;
use machine::ConnId;
use spec::Refusal;
use wire::Batch;

/// What a client waits for.
#[derive(Debug)]
pub struct Awaited {
    /// A key that holds this type.
    pub kind: Kind,
    /// Run again also when a key is gone, or holds another type than it did.
    pub minds_end: bool,
    /// What is answered where waiting is not possible. When the time is over that is the null array, always.
    pub nothing: Nothing,
    /// The request that is run again, where it is not the one that was sent.
    pub again: Option<Batch>,
}

impl Awaited {
    /// A value of this type; where waiting is not possible the answer is the null array.
    pub fn of(kind: Kind) -> Awaited {
        Awaited { kind, minds_end: false, nothing: Nothing::Array, again: None }
    }
}

/// The answer to one who can not wait. RESP3 knows one null alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The null array.
    Array,
    /// The null string.
    String,
}

impl Nothing {
    /// Writes it.
    pub fn say(self, reply: &mut wire::reply::Reply<'_>) {
        match self {
            Nothing::Array => reply.null_array(),
            Nothing::String => reply.null(),
        }
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Wait {
    /// Counts up: who came first is served first.
    order: u64,
    db: u32,
    /// Without repetitions. Bound: the arguments of one request.
    keys: Vec<Box<[u8]>>,
    deadline: Time,
    /// What for.
    pub awaited: Awaited,
}

/// Those who wait for one key.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, ConnId>,
    /// Those of them that mind the key's end.
    minding_end: usize,
    /// The key stands in `ready`.
    is_ready: bool,
}

/// All who wait. Bound: one wait per client, so `maxclients`.
#[derive(Debug, Default)]
pub struct Blocking {
    waits: BTreeMap<ConnId, Wait>,
    /// By database and key; no queue without one who waits.
    queues: BTreeMap<u32, BTreeMap<Box<[u8]>, Queue>>,
    /// Deadlines that will come, with the order of the wait.
    deadlines: BTreeMap<(Time, u64), ConnId>,
    /// Keys that changed while somebody waited for them, in the order in which they did. Bound: the number of queues, and
    /// those that were given up since.
    ready: VecDeque<(u32, Box<[u8]>)>,
    last_order: u64,
}

impl Blocking {
    /// True while nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// True when a key changed that somebody waits for.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next key that changed.
    pub fn take_ready(&mut self) -> Option<(u32, Box<[u8]>)> {
        let (db, key) = self.ready.pop_front()?;
        if let Some(queue) = self.queue(db, &key) {
            queue.is_ready = false;
        }
        Some((db, key))
    }

    /// Keys that somebody waits for.
    pub fn keys(&self) -> usize {
        self.queues.values().map(BTreeMap::len).sum()
    }

    /// Keys whose end somebody waits for.
    pub fn keys_minded(&self) -> usize {
        self.queues.values().flat_map(BTreeMap::values).filter(|queue| queue.minding_end > 0).count()
    }

    /// What a client waits for.
    pub fn wait_of(&self, conn: ConnId) -> Option<&Wait> {
        self.waits.get(&conn)
    }

    /// Every client that waits, with the first of its keys.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &[u8])> {
        self.waits.iter().map(|(conn, wait)| (*conn, &*wait.keys[0]))
    }

    /// How many wait with a deadline.
    pub fn with_end(&self) -> usize {
        self.deadlines.len()
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Time {
        self.deadlines.first_key_value().map_or(Time::NEVER, |((at, _), _)| *at)
    }

    /// One whose time is over.
    pub fn late(&self, now: Time) -> Option<ConnId> {
        self.deadlines.first_key_value().filter(|((at, _), _)| *at <= now).map(|(_, conn)| *conn)
    }

    fn queue(&mut self, db: u32, key: &[u8]) -> Option<&mut Queue> {
        self.queues.get_mut(&db)?.get_mut(key)
    }

    /// A client waits from now on.
    fn add<'a>(
        &mut self,
        conn: ConnId,
        db: u32,
        keys: impl Iterator<Item = &'a [u8]>,
        awaited: Awaited,
        deadline: Time,
    ) {
        self.last_order += 1;
        let order = self.last_order;
        let mut wait = Wait { order, db, keys: Vec::new(), deadline, awaited };
        let queues = self.queues.entry(db).or_default();
        for key in keys {
            let queue = queues.entry(key.into()).or_default();
            if queue.waiting.insert(order, conn).is_none() {
                queue.minding_end += usize::from(wait.awaited.minds_end);
                wait.keys.push(key.into());
            }
        }
        assert!(!wait.keys.is_empty());
        if deadline != Time::NEVER {
            self.deadlines.insert((deadline, order), conn);
        }
        self.waits.insert(conn, wait);
    }

    /// A client waits no more.
    pub fn forget(&mut self, conn: ConnId) -> Option<Wait> {
        let wait = self.waits.remove(&conn)?;
        self.deadlines.remove(&(wait.deadline, wait.order));
        let queues = self.queues.get_mut(&wait.db).expect("who waits stands in the queues of a database");
        for key in &wait.keys {
            let queue = queues.get_mut(key).expect("who waits stands in the queue of each key");
            queue.waiting.remove(&wait.order);
            queue.minding_end -= usize::from(wait.awaited.minds_end);
            if queue.waiting.is_empty() {
                queues.remove(key);
            }
        }
        if queues.is_empty() {
            self.queues.remove(&wait.db);
        }
        // What changed for those who are gone is of no interest.
        if self.waits.is_empty() {
            self.ready.clear();
        }
        Some(wait)
    }

    /// Who comes after `order` among those at a key that holds `kind` now and whom that concerns.
    pub fn next(&self, db: u32, key: &[u8], order: u64, kind: Option<Kind>) -> Option<(u64, ConnId)> {
        let queue = self.queues.get(&db)?.get(key)?;
        if kind.is_none() && queue.minding_end == 0 {
            return None;
        }
        let concerns = |conn: &ConnId| {
            let awaited = &self.waits[conn].awaited;
            kind == Some(awaited.kind) || awaited.minds_end
        };
        let later = queue.waiting.range(order + 1..);
        later.map(|(order, conn)| (*order, *conn)).find(|(_, conn)| concerns(conn))
    }

    /// A key has changed.
    #[cold]
    pub fn touch(&mut self, db: u32, key: &[u8]) {
        if let Some(queue) = self.queue(db, key)
            && !core::mem::replace(&mut queue.is_ready, true)
        {
            self.ready.push_back((db, key.into()));
        }
    }

    /// A database (none: every one) was emptied or exchanged.
    pub fn touch_all(&mut self, db: Option<u32>) {
        for (at, queues) in &mut self.queues {
            if db.is_some_and(|db| db != *at) {
                continue;
            }
            for (key, queue) in queues {
                if !core::mem::replace(&mut queue.is_ready, true) {
                    self.ready.push_back((*at, key.clone()));
                }
            }
        }
    }

    /// Drops what became ready after the first `count`: one who goes on waiting changes nothing for the others.
    pub fn truncate_ready(&mut self, count: usize) {
        while self.ready.len() > count {
            let (db, key) = self.ready.pop_back().expect("the queue is longer than that");
            if let Some(queue) = self.queue(db, &key) {
                queue.is_ready = false;
            }
        }
    }

    /// Keys that are ready.
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Lends the request that is run again out; [`Blocking::give_again`] puts it back.
    pub fn lend_again(&mut self, conn: ConnId) -> Option<Batch> {
        self.waits.get_mut(&conn)?.awaited.again.take()
    }

    /// Puts a lent request back.
    pub fn give_again(&mut self, conn: ConnId, again: Option<Batch>) {
        if let Some(wait) = self.waits.get_mut(&conn) {
            wait.awaited.again = again;
        }
    }
}

impl Call<'_> {
    /// The client waits until one of `keys` holds something for it, or until `deadline`. Nothing may be in the reply.
    /// Where waiting is not possible (a transaction, the primary's stream) the answer is `awaited.nothing`.
    pub fn await_keys<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, awaited: Awaited, deadline: Time) {
        if self.in_exec || self.session.is_stream {
            awaited.nothing.say(&mut self.reply);
            return;
        }
        if !self.is_retried() {
            let db = self.keys.db;
            self.keys.watch.blocking.add(self.session.conn, db, keys, awaited, deadline);
        }
        self.session.is_blocked = true;
    }

    /// The client has waited, and a key has changed: this is not the first run of its request.
    pub fn is_retried(&self) -> bool {
        let blocking = &self.keys.watch.blocking;
        !blocking.is_empty() && blocking.wait_of(self.session.conn).is_some()
    }
}

/// The deadline that a timeout in seconds gives; 0: never.
///
/// # Errors
/// A timeout that is no number, negative, or too large.
pub fn deadline_of_seconds(now: Now, text: &[u8]) -> Result<Time, Refusal> {
    let refusal = Refusal::Text("ERR timeout is not a float or out of range");
    let seconds = number::parse_f64(text).ok_or(refusal)?;
    let ms = seconds * 1_000.0;
    // 2^63: the first that is no 64-bit integer.
    if ms >= 9_223_372_036_854_775_808.0 {
        return Err(Refusal::TimeoutOutOfRange);
    }
    // Up to the next millisecond; a cast cuts towards zero.
    let whole = ms as i64;
    deadline(now, if (whole as f64) < ms { whole.saturating_add(1) } else { whole })
}

/// The deadline that a timeout in milliseconds gives; 0: never.
///
/// # Errors
/// A timeout that is no integer, negative, or too large.
pub fn deadline_of_ms(now: Now, text: &[u8]) -> Result<Time, Refusal> {
    deadline(now, number::parse_i64(text).ok_or(Refusal::TimeoutNotInteger)?)
}

fn deadline(now: Now, ms: i64) -> Result<Time, Refusal> {
    let ms = u64::try_from(ms).map_err(|_| Refusal::TimeoutNegative)?;
    if ms == 0 {
        return Ok(Time::NEVER);
    }
    // The original counts from 1970.
    if ms > i64::MAX as u64 - now.unix.as_ms() {
        return Err(Refusal::TimeoutOutOfRange);
    }
    Ok(now.mono + Span::ms(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Unix;

    fn conn(index: u32) -> ConnId {
        ConnId::inbound(index, 0)
    }

    fn add(blocking: &mut Blocking, index: u32, keys: &[&str], deadline: u64) {
        let keys = keys.iter().map(|key| key.as_bytes());
        blocking.add(conn(index), 0, keys, Awaited::of(Kind::List), Time(deadline));
    }

    #[test]
    fn who_came_first_is_next() {
        let mut blocking = Blocking::default();
        add(&mut blocking, 3, &["a", "b", "a"], 50);
        add(&mut blocking, 1, &["b"], 40);
        assert_eq!(blocking.keys(), 2);
        let (first, who) = blocking.next(0, b"b", 0, Some(Kind::List)).unwrap();
        assert_eq!(who, conn(3));
        assert_eq!(blocking.next(0, b"b", first, Some(Kind::List)).unwrap().1, conn(1));
        assert_eq!(blocking.next(0, b"b", 0, Some(Kind::String)), None);
        assert_eq!(blocking.next(0, b"b", 0, None), None);
        assert_eq!(blocking.next(1, b"b", 0, Some(Kind::List)), None);
        assert_eq!((blocking.deadline(), blocking.late(Time(39))), (Time(40), None));
        assert_eq!(blocking.late(Time(60)), Some(conn(1)));
        assert!(blocking.forget(conn(1)).is_some() && blocking.forget(conn(1)).is_none());
        assert!(blocking.forget(conn(3)).is_some());
        assert!(blocking.is_empty() && blocking.keys() == 0 && blocking.deadline() == Time::NEVER);
    }

    #[test]
    fn only_what_somebody_waits_for_becomes_ready() {
        let mut blocking = Blocking::default();
        add(&mut blocking, 1, &["a", "b"], 50);
        for key in ["x", "b", "a", "b"] {
            blocking.touch(0, key.as_bytes());
        }
        blocking.touch(1, b"a");
        assert_eq!(blocking.take_ready(), Some((0, (*b"b").into())));
        blocking.touch(0, b"b");
        blocking.truncate_ready(1);
        assert_eq!(blocking.take_ready(), Some((0, (*b"a").into())));
        assert_eq!(blocking.take_ready(), None);
        blocking.touch_all(Some(0));
        assert_eq!(blocking.ready_len(), 2);
    }

    #[test]
    fn timeouts_are_refused_as_the_original_does() {
        let now = Now { mono: Time::START, unix: Unix::from_ms(1_700_000_000_000) };
        let of = |text: &str| deadline_of_seconds(now, text.as_bytes()).map(|at| at.0);
        assert_eq!(of("0"), Ok(u64::MAX));
        assert_eq!(of("0.0001"), Ok(1_000));
        assert_eq!(of("1.5"), Ok(1_500_000));
        assert_eq!(of("0x2"), Ok(2_000_000));
        assert_eq!(of("-1"), Err(Refusal::TimeoutNegative));
        assert_eq!(of("0x7FFFFFFFFFFFFFFF"), Err(Refusal::TimeoutOutOfRange));
        assert_eq!(of("9223372036854775"), Err(Refusal::TimeoutOutOfRange));
        assert!(of("x").is_err() && of("nan").is_err() && of("").is_err());
        assert_eq!(deadline_of_ms(now, b"1.5"), Err(Refusal::TimeoutNotInteger));
    }
}
