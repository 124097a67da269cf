//! Watch: which connections watch which keys, and whether one of them was touched; those who wait for keys to change;
//! and those who keep copies of them.

use crate::blocking::Blocking;
use crate::keys::is_due;
use crate::tracking::{Copies, Tracking};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use data::Keyspace;
use machine::ConnId;

/// What stands at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Missing,
    /// What its deadline has ended: to everybody it is missing.
    Due,
    /// A value.
    There,
}

impl Standing {
    /// That of a key in a keyspace.
    pub fn of(keyspace: &Keyspace, now_ms: u64, db: u32, key: &[u8]) -> Standing {
        match keyspace.find(db, key, keyspace.hash(key)) {
            None => Standing::Missing,
            Some(entry) if is_due(&entry, now_ms) => Standing::Due,
            Some(_) => Standing::There,
        }
    }
}

/// All watched keys. Costs a change of a key one comparison while nobody watches or tracks.
#[derive(Debug, Default)]
pub struct Watch {
    /// Who waits for keys to change.
    pub blocking: Blocking,
    /// Keys that clients keep copies of.
    pub copies: Copies,
    /// Invariant: true while somebody watches or tracks.
    is_used: bool,
    keys: BTreeMap<(u32, Box<[u8]>), Vec<ConnId>>,
    clients: BTreeMap<ConnId, Watching>,
}

#[derive(Debug, Default)]
struct Watching {
    /// Each with whether its deadline had passed already when it was watched.
    keys: BTreeMap<(u32, Box<[u8]>), bool>,
    is_touched: bool,
    bytes: usize,
}

impl Watch {
    /// True while nobody watches a key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many connections watch.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many keys are watched.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many keys a connection watches.
    pub fn count(&self, conn: ConnId) -> usize {
        self.clients.get(&conn).map_or(0, |watching| watching.keys.len())
    }

    /// Memory of the keys that a connection watches.
    pub fn memory_bytes(&self, conn: ConnId) -> usize {
        if self.is_empty() { 0 } else { self.clients.get(&conn).map_or(0, |watching| watching.bytes) }
    }

    /// `conn` watches a key from now on. `was_expired`: its deadline has passed, though it is still there.
    pub fn add(&mut self, conn: ConnId, db: u32, key: &[u8], was_expired: bool) {
        let watching = self.clients.entry(conn).or_default();
        if watching.keys.contains_key(&(db, Box::from(key))) {
            return;
        }
        watching.keys.insert((db, key.into()), was_expired);
        watching.bytes += key.len() + crate::names::NAME_BYTES;
        self.is_used = true;
        self.keys.entry((db, key.into())).or_default().push(conn);
    }

    /// `conn` watches nothing any more.
    pub fn clear(&mut self, conn: ConnId) {
        let Some(watching) = self.clients.remove(&conn) else { return };
        for place in watching.keys.into_keys() {
            if let Some(conns) = self.keys.get_mut(&place) {
                conns.retain(|other| *other != conn);
                if conns.is_empty() {
                    self.keys.remove(&place);
                }
            }
        }
        self.settle();
    }

    /// A session has CLIENT TRACKING in this form from now on.
    pub fn track(&mut self, conn: ConnId, was_on: bool, tracking: &Tracking) {
        self.copies.enable(conn, was_on, tracking);
        self.settle();
    }

    /// A session has CLIENT TRACKING no more.
    pub fn untrack(&mut self, conn: ConnId, tracking: &Tracking) {
        self.copies.disable(conn, tracking);
        self.settle();
    }

    fn settle(&mut self) {
        self.is_used = !self.keys.is_empty() || self.copies.clients() > 0;
    }

    /// A key has changed.
    #[inline]
    pub fn touch(&mut self, db: u32, key: &[u8]) {
        self.touch_lessened(db, key);
        if !self.blocking.is_empty() {
            self.blocking.touch(db, key);
        }
    }

    /// A key has changed, and has nothing new for those who wait for it.
    #[inline]
    pub fn touch_lessened(&mut self, db: u32, key: &[u8]) {
        if self.is_used {
            self.touch_used(db, key, false);
        }
    }

    /// A key's deadline has passed.
    #[inline]
    pub fn touch_due(&mut self, db: u32, key: &[u8]) {
        if self.is_used {
            self.touch_used(db, key, true);
        }
        if !self.blocking.is_empty() {
            self.blocking.touch(db, key);
        }
    }

    #[cold]
    fn touch_used(&mut self, db: u32, key: &[u8], is_due: bool) {
        if self.copies.clients() > 0 {
            self.copies.touch(key, is_due);
        }
        if self.keys.is_empty() {
            return;
        }
        let Some(conns) = self.keys.get(&(db, Box::from(key))) else { return };
        for conn in conns {
            let Some(watching) = self.clients.get_mut(conn) else { continue };
            match watching.keys.get_mut(&(db, Box::from(key))) {
                // It was over when it was watched: that it is removed now changes nothing.
                Some(was_due @ true) if is_due => *was_due = false,
                _ => watching.is_touched = true,
            }
        }
    }

    /// The keys of a database (none: every one) are replaced by others. `before` and `after` tell what stands there.
    pub fn touch_all(
        &mut self,
        db: Option<u32>,
        before: impl Fn(u32, &[u8]) -> Standing,
        after: impl Fn(u32, &[u8]) -> Standing,
    ) {
        self.blocking.touch_all(db);
        for (place, conns) in &self.keys {
            let (at, key) = place;
            if db.is_some_and(|db| db != *at) {
                continue;
            }
            let (before, after) = (before(*at, key), after(*at, key));
            if (before, after) == (Standing::Missing, Standing::Missing) {
                continue;
            }
            for conn in conns {
                let Some(watching) = self.clients.get_mut(conn) else { continue };
                let Some(was_due) = watching.keys.get_mut(place) else { continue };
                match (*was_due, after) {
                    (true, Standing::Missing) => *was_due = false,
                    (true, Standing::Due) => {}
                    (false, Standing::Due) if before == Standing::Missing => *was_due = true,
                    _ => watching.is_touched = true,
                }
            }
        }
    }

    /// True when a key that `conn` watches was touched, or has expired since (as `is_expired` says).
    pub fn is_broken(&self, conn: ConnId, is_expired: impl Fn(u32, &[u8]) -> bool) -> bool {
        self.clients.get(&conn).is_some_and(|watching| {
            let has_expired = || watching.keys.iter().any(|((db, key), was)| !was && is_expired(*db, key));
            watching.is_touched || has_expired()
        })
    }
}
