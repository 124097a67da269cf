//! Hold: what the rest of the node does to clients and keys from outside of any request.
//!
//! While writes are held (a manual failover is about to hand the slots over) a client's next write stays where
//! it is, and the client with it; reads go on. Nothing is refused and nothing is answered twice. CLIENT PAUSE is the
//! same with a deadline; its form ALL holds every request.

use crate::call::Core;
use crate::watch::Standing;
use crate::{Engine, Shared};
use base::{Now, Time};

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// It ends then.
    pub until: Time,
    /// Every request waits, not writes alone.
    pub holds_all: bool,
}

/// What is held has changed: where nothing (or less) is, those who wait are looked at again, in the order in which
/// they came.
pub fn settle(core: &mut Core, shared: &mut Shared) {
    shared.standing.holds_writes = core.hands_over.is_some() || core.pause.is_some();
    for conn in core::mem::take(&mut core.held) {
        if let Some(connection) = core.sessions.at_mut(conn) {
            connection.session.is_held = false;
            core.sessions.wake(conn);
        }
    }
}

impl Engine {
    /// Holds all writes of clients, and all expiry, until `resume_writes`, which comes by `until`.
    pub fn hold_writes(&mut self, until: Time) {
        self.core.hands_over = Some(until);
        self.shared.standing.holds_writes = true;
    }

    /// The hold is over: what waited runs with the next `run`, in the order in which it came.
    pub fn resume_writes(&mut self) {
        self.core.hands_over = None;
        settle(&mut self.core, &mut self.shared);
    }

    /// When the engine must be called again though nothing happens: CLIENT PAUSE ends, or the time of one who waits.
    pub fn holds_end(&self) -> Time {
        self.core.pause.map_or(Time::NEVER, |pause| pause.until).min(self.waits_end())
    }

    /// True while CLIENT PAUSE is in force.
    pub fn is_paused(&self) -> bool {
        self.core.pause.is_some()
    }

    /// Ends CLIENT PAUSE when its time is over.
    pub(crate) fn end_pause(&mut self, now: Now) {
        if self.core.pause.is_some_and(|pause| pause.until <= now.mono) {
            self.core.pause = None;
            settle(&mut self.core, &mut self.shared);
        }
    }

    /// Drops all data, without an effect: the node starts anew as another's replica or without a cluster.
    pub fn drop_data(&mut self) {
        self.touch_everything();
        let detached = self.shared.keyspace.flush_all();
        self.shared.keyspace.dispose(detached);
    }

    /// All data is replaced from outside (a synchronisation): whoever watches a key has seen it change.
    pub fn touch_everything(&mut self) {
        let keyspace = &self.shared.keyspace;
        // What stands there afterwards is not known here: a key that is there now counts as changed.
        let standing = |db: u32, key: &[u8]| Standing::of(keyspace, 0, db, key);
        self.watch.touch_all(None, standing, standing);
        self.watch.copies.touch_all();
    }
}
