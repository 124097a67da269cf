//! Tracking: which clients keep copies of which keys, and what they are told when one changes.
//!
//! ```text
//!   a read by a tracking client --remember--> keys ---touch---> pending ---deliver---> pushes to those clients
//!   CLIENT TRACKING ON BCAST ----------------> prefixes --touch--> fresh --deliver--> prefix.keys --broadcast--> pushes
//! ```
//!
//! A key is forgotten when it changes: the client reads it again, or does not want to hear of it. What a request
//! touches is told when it is done, behind its reply; broadcasts are told once a turn.

use crate::names::Names;
use crate::session::{Session, Sessions};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use machine::{ConnId, Outbox};
use wire::reply::Reply;

/// The channel on which a subscribed RESP2 client is told.
pub const CHANNEL: &[u8] = b"__redis__:invalidate";

/// CLIENT TRACKING, as one session has it on.
#[derive(Debug, Default)]
pub struct Tracking {
    /// BCAST: all keys with a prefix, whether they were read or not.
    pub is_broadcast: bool,
    /// Keys are remembered only where CLIENT CACHING YES stands before the read.
    pub is_optin: bool,
    /// Keys are remembered unless CLIENT CACHING NO stands before the read.
    pub is_optout: bool,
    /// Its own changes are not told to it.
    pub is_noloop: bool,
    /// CLIENT CACHING was given for the next request.
    pub is_caching_given: bool,
    /// The client that is told in its stead is gone.
    pub is_redirect_broken: bool,
    /// The client that is told in its stead: its id and its connection.
    pub redirect: Option<(u64, ConnId)>,
    /// The prefixes of BCAST.
    pub prefixes: Names,
}

impl Tracking {
    /// True when the keys that the next request reads are to be remembered.
    fn remembers(&self) -> bool {
        let is_left_out = if self.is_caching_given { self.is_optout } else { self.is_optin };
        !self.is_broadcast && !is_left_out
    }
}

/// What changed, in order.
#[derive(Debug)]
enum Change {
    /// A key that these clients have read.
    Key(Box<[u8]>, BTreeSet<ConnId>),
    /// All keys.
    Everything,
}

/// A prefix that somebody wants to hear of.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<ConnId>,
    /// Keys that changed since the last broadcast, each with who changed it.
    keys: BTreeMap<Box<[u8]>, Option<ConnId>>,
}

/// What all tracking clients are to be told.
#[derive(Debug, Default)]
pub struct Copies {
    /// Sessions that have tracking on.
    clients: usize,
    /// Who has read which key. Invariant: no key without a client.
    keys: BTreeMap<Box<[u8]>, BTreeSet<ConnId>>,
    /// The clients of all keys, added up.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Changes that were not told yet.
    pending: Vec<Change>,
    /// Touched keys with a prefix of interest, each with whether its own deadline ended it.
    fresh: Vec<(Box<[u8]>, bool)>,
    /// Where the search for a key to forget goes on.
    hand: Box<[u8]>,
}

/// The connection whose request runs: it is lent out of the table.
pub struct Runner<'a> {
    pub session: &'a mut Session,
    pub bytes: &'a mut Vec<u8>,
}

impl Copies {
    /// Sessions that have tracking on.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Keys that are remembered.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Clients of all remembered keys, added up.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Prefixes that somebody wants to hear of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// True when [`Copies::deliver`] has something to tell.
    #[inline]
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty() || !self.fresh.is_empty()
    }

    /// A session switches tracking on, or changes its form.
    pub fn enable(&mut self, conn: ConnId, was_on: bool, tracking: &Tracking) {
        self.clients += usize::from(!was_on);
        for prefix in &tracking.prefixes {
            self.prefixes.entry(prefix.clone()).or_default().clients.insert(conn);
        }
    }

    /// A session switches tracking off, or is gone. What it has read is forgotten key by key, as keys change.
    pub fn disable(&mut self, conn: ConnId, tracking: &Tracking) {
        self.clients -= 1;
        if self.clients == 0 {
            self.keys.clear();
            self.items = 0;
        }
        for name in &tracking.prefixes {
            if let Some(prefix) = self.prefixes.get_mut(name) {
                prefix.clients.remove(&conn);
                if prefix.clients.is_empty() {
                    self.prefixes.remove(name);
                }
            }
        }
    }

    /// A client reads a key.
    pub fn remember(&mut self, conn: ConnId, tracking: &Tracking, key: &[u8]) {
        if !tracking.remembers() {
            return;
        }
        let clients = match self.keys.get_mut(key) {
            Some(clients) => clients,
            None => self.keys.entry(key.into()).or_default(),
        };
        self.items += usize::from(clients.insert(conn));
    }

    /// A key has changed. `is_due`: by its own deadline, not by a client.
    pub fn touch(&mut self, key: &[u8], is_due: bool) {
        if let Some((key, clients)) = self.keys.remove_entry(key) {
            self.items -= clients.len();
            self.pending.push(Change::Key(key, clients));
        }
        if self.prefixes.keys().any(|prefix| key.starts_with(prefix)) {
            self.fresh.push((key.into(), is_due));
        }
    }

    /// All keys are gone.
    pub fn touch_all(&mut self) {
        if self.clients > 0 {
            self.pending.push(Change::Everything);
        }
        self.keys.clear();
        self.items = 0;
    }

    /// Forgets keys beyond `keys_max`, in turn over all of them. Their clients are told as if the keys had changed.
    pub fn shrink(&mut self, keys_max: usize) {
        while self.keys.len() > keys_max {
            let after = (Bound::Excluded(&*self.hand), Bound::Unbounded);
            let next = self.keys.range::<[u8], _>(after).next().or_else(|| self.keys.iter().next());
            let Some((key, _)) = next else { return };
            self.hand = key.clone();
            if let Some((key, clients)) = self.keys.remove_entry(&*self.hand) {
                self.items -= clients.len();
                self.pending.push(Change::Key(key, clients));
            }
        }
    }

    /// Tells of all changes so far. `runner`: whose request made them.
    pub fn deliver(
        &mut self,
        sessions: &mut Sessions,
        mut runner: Option<Runner<'_>>,
        needed: u64,
        out: &mut Outbox,
    ) {
        let running = runner.as_ref().map(|runner| runner.session.conn);
        for (key, is_due) in self.fresh.drain(..) {
            let by = running.filter(|_| !is_due);
            for (name, prefix) in &mut self.prefixes {
                if key.starts_with(name) {
                    prefix.keys.insert(key.clone(), by);
                }
            }
        }
        for change in core::mem::take(&mut self.pending) {
            let mut post = Post { sessions, runner: runner.as_mut(), needed, out: &mut *out };
            match change {
                Change::Key(key, clients) => {
                    for conn in clients {
                        let wanted = post.tracking(conn).is_some_and(|tracking| {
                            let is_own = tracking.is_noloop && running == Some(conn);
                            !(tracking.is_broadcast || is_own)
                        });
                        if wanted {
                            post.tell(conn, Some(&[&key]));
                        }
                    }
                }
                Change::Everything => {
                    let on = |session: &Session| session.tracking.is_some().then_some(session.conn);
                    let mut all: Vec<ConnId> =
                        post.sessions.iter().filter_map(|other| on(&other.session)).collect();
                    all.extend(post.runner.as_ref().and_then(|runner| on(runner.session)));
                    for conn in all {
                        post.tell(conn, None);
                    }
                }
            }
        }
    }

    /// Tells the clients of BCAST what changed since the last time.
    pub fn broadcast(&mut self, sessions: &mut Sessions, needed: u64, out: &mut Outbox) {
        for prefix in self.prefixes.values_mut() {
            if prefix.keys.is_empty() {
                continue;
            }
            let changed = core::mem::take(&mut prefix.keys);
            let mut post = Post { sessions, runner: None, needed, out: &mut *out };
            for conn in &prefix.clients {
                let Some(tracking) = post.tracking(*conn) else { continue };
                let is_noloop = tracking.is_noloop;
                let is_told = |by: &Option<ConnId>| !(is_noloop && *by == Some(*conn));
                let keys: Vec<&[u8]> =
                    changed.iter().filter(|(_, by)| is_told(by)).map(|(key, _)| &**key).collect();
                if !keys.is_empty() {
                    post.tell(*conn, Some(&keys));
                }
            }
        }
    }

    /// True when there is something for [`Copies::broadcast`].
    pub fn has_news(&self) -> bool {
        self.prefixes.values().any(|prefix| !prefix.keys.is_empty())
    }
}

/// Sends messages, to the one whose request runs as well as to others.
struct Post<'p, 'r> {
    sessions: &'p mut Sessions,
    runner: Option<&'p mut Runner<'r>>,
    needed: u64,
    out: &'p mut Outbox,
}

impl Post<'_, '_> {
    fn session(&mut self, conn: ConnId) -> Option<&mut Session> {
        match &mut self.runner {
            Some(runner) if runner.session.conn == conn => Some(&mut *runner.session),
            _ => self.sessions.at_mut(conn).map(|other| &mut other.session),
        }
    }

    fn tracking(&mut self, conn: ConnId) -> Option<&mut Tracking> {
        self.session(conn)?.tracking.as_deref_mut()
    }

    fn write(&mut self, conn: ConnId, write: impl FnOnce(&mut Reply<'_>)) {
        match &mut self.runner {
            Some(runner) if runner.session.conn == conn => {
                write(&mut Reply::new(runner.bytes, runner.session.resp3));
            }
            _ => {
                self.sessions.write(conn, self.needed, Some(self.out), write);
            }
        }
    }

    /// Tells a tracking client, or whom it has named, that keys (none: all keys) are no longer what they were.
    fn tell(&mut self, conn: ConnId, keys: Option<&[&[u8]]>) {
        let Some(session) = self.session(conn) else { return };
        let resp3 = session.resp3;
        let Some(redirect) = session.tracking.as_ref().map(|tracking| tracking.redirect) else { return };
        let Some((id, target)) = redirect else {
            return self.push(conn, resp3, false, keys);
        };
        // One that said QUIT is gone, whether the host has closed its connection yet or not.
        let found = self.session(target).filter(|other| !other.is_closing);
        let found = found.map(|other| (other.resp3, other.is_subscribed()));
        let Some((target_resp3, is_subscribed)) = found else {
            if let Some(tracking) = self.tracking(conn) {
                tracking.is_redirect_broken = true;
            }
            if resp3 {
                self.write(conn, |reply| {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.integer(id as i64);
                });
            }
            return;
        };
        self.push(target, target_resp3, is_subscribed, keys);
    }

    /// A RESP2 client can be told only as a subscriber, and only in another's stead.
    fn push(&mut self, conn: ConnId, resp3: bool, is_subscribed: bool, keys: Option<&[&[u8]]>) {
        if !resp3 && !is_subscribed {
            return;
        }
        self.write(conn, |reply| {
            if resp3 {
                reply.push(2);
                reply.bulk(b"invalidate");
            } else {
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
            match keys {
                None => reply.null(),
                Some(keys) => {
                    reply.array(keys.len());
                    keys.iter().for_each(|key| reply.bulk(key));
                }
            }
        });
    }
}
