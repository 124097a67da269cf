//! Evict: keeps the data below `maxmemory`.
//!
//! Before a request, and in the ticks between, keys are removed by the policy until what counts is below the limit:
//! the data, exactly as `data` counts it, and what clients pin. Not counted are values that only wait to be
//! freed, and what replicas have yet to read: else a slow replica would cost keys, whose DELs it would have to read
//! as well.
//!
//! Which key goes is found as in the original: each step draws a few keys of every database, and the best of them
//! stay in a pool; the best of the pool goes. A step of eviction is bounded (`maxmemory-eviction-tenacity`): a request
//! that finds too much to do goes on meanwhile, and the ticks do the rest.
//!
//! Invariant: the effect of an eviction is a unit of its own in the feed, before the request that it makes room for.

mod pool;

use crate::Shared;
use crate::access::{self, Access};
use crate::call::{Class, Core};
use crate::watch::Watch;
use data::{Among, Entry};
use machine::Outbox;
use pool::{Candidate, Pool};
use spec::Config;
use spec::directive::id;

/// What `maxmemory-policy` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The last use.
    Age,
    /// How often it is used.
    Use,
    /// The deadline.
    Deadline,
    /// Nothing.
    Chance,
}

/// 64: entries that one step looks at, at most. More make the choice no better.
const SAMPLES_MAX: usize = 64;

/// The directives of eviction.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `maxmemory`, in bytes; the largest number: none.
    pub limit_bytes: u64,
    /// Nothing: `noeviction`.
    policy: Option<(Among, By)>,
    samples: usize,
    tenacity: u32,
    replica_ignores: bool,
    counts_uses: bool,
    log_factor: u64,
    decay_minutes: u64,
}

impl Rules {
    /// Reads them.
    pub fn from_config(config: &Config) -> Rules {
        let policy = config.choice(id::MAXMEMORY_POLICY);
        let limit = config.bytes(id::MAXMEMORY);
        let among = if policy.starts_with("volatile") { Among::Volatile } else { Among::All };
        let by = match policy.rsplit('-').next() {
            Some("lru") => Some(By::Age),
            Some("lfu") => Some(By::Use),
            Some("ttl") => Some(By::Deadline),
            Some("random") => Some(By::Chance),
            _ => None,
        };
        Rules {
            limit_bytes: if limit == 0 { u64::MAX } else { limit },
            // In import mode another program says what goes.
            policy: by.filter(|_| !config.yes(id::IMPORT_MODE)).map(|by| (among, by)),
            samples: usize::try_from(config.count(id::MAXMEMORY_SAMPLES)).unwrap_or(1).min(SAMPLES_MAX),
            tenacity: u32::try_from(config.count(id::MAXMEMORY_EVICTION_TENACITY)).unwrap_or(0),
            replica_ignores: config.yes(id::REPLICA_IGNORE_MAXMEMORY),
            counts_uses: by == Some(By::Use),
            log_factor: config.count(id::LFU_LOG_FACTOR),
            decay_minutes: config.count(id::LFU_DECAY_TIME),
        }
    }

    /// Tells the keys' clocks what they are. Keys that were drawn by other rules are forgotten.
    pub fn settle(&self, eviction: &mut Eviction, access: &mut Access) {
        *eviction = Eviction::default();
        access.counts = self.counts_uses;
        access.log_factor = self.log_factor;
        access.decay_minutes = self.decay_minutes;
    }

    /// True when there is a limit and something may go for it.
    pub fn evicts(&self) -> bool {
        self.limit_bytes != u64::MAX && self.policy.is_some()
    }

    /// True when the originals share small integers: no clock of their own is asked for. Here nothing is shared, but OBJECT
    /// REFCOUNT tells their rule.
    pub fn shares_integers(&self) -> bool {
        self.limit_bytes == u64::MAX || !matches!(self.policy, Some((_, By::Age | By::Use)))
    }

    /// Keys that one step removes at most. A key takes about a microsecond, so the default of 10 is a third of a
    /// millisecond; above it the original's curve: 15 % more for each step, and no bound at 100.
    fn keys_max(&self) -> usize {
        /// 32: keys for each of the first ten steps of tenacity.
        const KEYS_PER_STEP: usize = 32;
        match self.tenacity {
            // One at least, or a step would come to nothing.
            0..=10 => (self.tenacity as usize * KEYS_PER_STEP).max(1),
            11..100 => (10..self.tenacity).fold(10 * KEYS_PER_STEP, |keys, _| keys + keys * 3 / 20),
            _ => usize::MAX,
        }
    }
}

/// What eviction keeps between its steps.
#[derive(Default)]
pub struct Eviction {
    pool: Pool,
    /// The database that a random key is drawn from next.
    next_db: u32,
}

/// What came of making room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is some.
    Enough,
    /// There will be: keys go, but not all that have to could go at once.
    Working,
    /// There is none, and nothing may go for it.
    None,
}

/// Memory that counts against `maxmemory`. What clients pin beyond `maxmemory-clients` does not: they are closed for it at the
/// end of the turn, and no key has to go.
#[inline]
pub fn counted_bytes(core: &Core, shared: &Shared) -> u64 {
    let clients = core.sessions.memory_bytes().min(core.settings.clients_bytes_max);
    shared.keyspace.live_bytes() + clients as u64
}

/// True when nothing has to go.
#[inline]
pub fn is_room(core: &Core, shared: &Shared) -> bool {
    let limit = core.settings.eviction.limit_bytes;
    limit == u64::MAX || counted_bytes(core, shared) <= limit
}

/// The parts of the engine that making room takes.
pub struct Maker<'a> {
    /// The rules, what is kept, and the counters.
    pub core: &'a mut Core,
    /// The data.
    pub shared: &'a mut Shared,
    /// Who is told of keys that go.
    pub watch: &'a mut Watch,
    /// For events.
    pub out: &'a mut Outbox,
    /// The wall clock, in milliseconds.
    pub now_ms: u64,
}

impl Maker<'_> {
    /// Removes keys until there is room.
    pub fn make_room(&mut self) -> Room {
        if is_room(self.core, self.shared) {
            return Room::Enough;
        }
        let (rules, standing) = (self.core.settings.eviction, &self.shared.standing);
        // While writes are held the data stays as it is.
        if standing.loading || standing.holds_writes || (standing.is_replica && rules.replica_ignores) {
            return Room::Enough;
        }
        let Some((among, by)) = rules.policy else { return Room::None };
        for _ in 0..rules.keys_max() {
            let Some(candidate) = self.choose(among, by) else { return Room::None };
            self.remove(&candidate);
            self.core.eviction.pool.give_back(candidate);
            if is_room(self.core, self.shared) {
                return Room::Enough;
            }
        }
        Room::Working
    }

    /// The key that goes next.
    fn choose(&mut self, among: Among, by: By) -> Option<Candidate> {
        if by == By::Chance {
            return self.choose_by_chance(among);
        }
        loop {
            let is_any = self.draw(among, by);
            while let Some(candidate) = self.core.eviction.pool.take_best() {
                // What was drawn earlier may be gone or have lost its deadline meanwhile.
                let keyspace = &self.shared.keyspace;
                let found = keyspace.find(candidate.db, &candidate.key, keyspace.hash(&candidate.key));
                let is_valid =
                    found.is_some_and(|entry| among == Among::All || entry.deadline_ms().is_some());
                if is_valid && !self.shared.in_flight.has(&candidate.key) {
                    return Some(candidate);
                }
                self.core.eviction.pool.give_back(candidate);
            }
            // What is in flight stays; drawn again and again it would never come to an end.
            if !is_any || !self.shared.in_flight.is_empty() {
                return None;
            }
        }
    }

    /// Draws keys of all databases into the pool; false when there are none.
    fn draw(&mut self, among: Among, by: By) -> bool {
        let Core { eviction, random, settings, .. } = &mut *self.core;
        let (samples, now_ms) = (settings.eviction.samples, self.now_ms);
        let Shared { keyspace, access, .. } = &mut *self.shared;
        let mut is_any = false;
        for db in 0..keyspace.databases() {
            keyspace.sample(db, among, samples, random, |entry| {
                is_any = true;
                let score = match by {
                    By::Age => u64::from(access::idle_seconds(entry.clock(), now_ms)),
                    By::Use => 255 - u64::from(access.frequency(entry.clock(), now_ms)),
                    By::Deadline => u64::MAX - entry.deadline_ms().unwrap_or(u64::MAX),
                    By::Chance => 0,
                };
                eviction.pool.offer(score, db, entry.key());
            });
        }
        is_any
    }

    /// A random key, of one database after the other.
    fn choose_by_chance(&mut self, among: Among) -> Option<Candidate> {
        let Core { eviction, random, .. } = &mut *self.core;
        let Shared { keyspace, in_flight, .. } = &mut *self.shared;
        let databases = keyspace.databases();
        for _ in 0..databases {
            let db = eviction.next_db % databases;
            eviction.next_db = db + 1;
            let pool = &mut eviction.pool;
            keyspace.sample(db, among, 1, random, |entry| {
                if !in_flight.has(entry.key()) {
                    pool.offer(0, db, entry.key());
                }
            });
            if let Some(candidate) = eviction.pool.take_best() {
                return Some(candidate);
            }
        }
        None
    }

    fn remove(&mut self, candidate: &Candidate) {
        let (db, key) = (candidate.db, &*candidate.key);
        let Shared { keyspace, feed, standing, .. } = &mut *self.shared;
        let hash = keyspace.hash(key);
        if let Entry::Occupied(entry) = keyspace.entry(db, key, hash) {
            entry.remove();
        }
        // A replica that evicts by itself tells nobody: its stream is its primary's.
        if !standing.is_replica {
            feed.begin_unit();
            feed.effect(db, [feed.ends.evicted, key].into_iter());
            feed.end_unit();
        }
        feed.changes += 1;
        let needed = feed.offset;
        self.watch.touch(db, key);
        self.core.stats.evicted += 1;
        if self.core.settings.notify != 0 {
            self.core.notify(db, Class::EVICTED, "evicted", key, needed, None, self.out);
        }
    }
}
