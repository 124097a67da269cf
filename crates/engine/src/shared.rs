//! Shared: the part of the engine's state that other parts of the node work on too.

use crate::access::Access;
use crate::feed::Ends;
use crate::{Feed, InFlight, Routes};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use base::Random;
use core::ops::Bound;
use data::Keyspace;
use spec::Config;
use spec::directive::id;

/// Lent to whoever answers questions, and open to `node` between calls.
pub struct Shared {
    /// All data.
    pub keyspace: Keyspace,
    /// The configuration. After a change from outside call `Engine::on_config`.
    pub config: Config,
    /// Who serves which slot.
    pub routes: Routes,
    /// Effects on their way into the journal.
    pub feed: Feed,
    /// Keys that are on their way to another server.
    pub in_flight: InFlight,
    /// What this node may do at present.
    pub standing: Standing,
    /// Keys that clients wrote on a writable replica: no primary tells their end.
    pub own_keys: OwnKeys,
    /// What the keys' access clocks mean.
    pub(crate) access: Access,
}

impl Shared {
    pub(crate) fn new(config: Config, random: &mut Random, clustered: bool) -> Shared {
        let databases = crate::settings::databases(&config, clustered);
        let drawn = [random.word(), random.word()];
        let hash_key = seeded(config.text(id::HASH_SEED)).unwrap_or(drawn);
        let keyspace = Keyspace::new(hash_key, databases, clustered);
        let routes = Routes::new(clustered);
        let mut feed = Feed::default();
        feed.ends = Ends::from_config(&config);
        feed.wraps_select = !config.yes(id::EXTENDED_REDIS_COMPATIBILITY);
        Shared {
            keyspace,
            config,
            routes,
            feed,
            in_flight: InFlight::default(),
            standing: Standing::default(),
            own_keys: OwnKeys::default(),
            access: Access::new(Random::new(drawn[0] ^ drawn[1].rotate_left(32))),
        }
    }
}

/// The key of all hashes that `hash-seed` asks for: servers with the same one scan the same keys in the same order.
fn seeded(seed: &[u8]) -> Option<[u64; 2]> {
    let digest = base::sha256::digest(seed);
    let word = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("8 bytes"));
    (!seed.is_empty()).then(|| [word(0), word(8)])
}

/// Keys that clients of a writable replica wrote, among them those with deadlines.
///
/// Its primary does not know them, and sends no DEL when their time has come: the replica removes them itself.
#[derive(Debug, Default)]
pub struct OwnKeys {
    keys: BTreeSet<(u32, Box<[u8]>)>,
    /// Where the last look ended.
    at: Option<(u32, Box<[u8]>)>,
}

impl OwnKeys {
    /// A client wrote this key.
    #[cold]
    pub(crate) fn note(&mut self, db: u32, key: &[u8]) {
        self.keys.insert((db, key.into()));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All are forgotten: the data is another, or this node's own.
    pub fn clear(&mut self) {
        *self = OwnKeys::default();
    }

    /// This key needs no further look.
    pub(crate) fn forget(&mut self, db: u32, key: &[u8]) {
        self.keys.remove(&(db, key.into()));
    }

    /// The next so many, in a round through all.
    pub(crate) fn next(&mut self, count: usize) -> Vec<(u32, Box<[u8]>)> {
        let from = self.at.take().map_or(Bound::Unbounded, Bound::Excluded);
        let found: Vec<_> = self.keys.range((from, Bound::Unbounded)).take(count).cloned().collect();
        self.at = found.last().filter(|_| found.len() == count).cloned();
        found
    }
}

/// What a node may do at present. `node` keeps it true; admission reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It follows a primary: writes of clients are refused (`replica-read-only`), nothing expires by itself.
    pub is_replica: bool,
    /// As a replica: the link to the primary stands and the data is in step.
    pub link_up: bool,
    /// Data is being loaded; most commands are refused.
    pub loading: bool,
    /// Data is being loaded beside what is served; few commands are refused.
    pub loads_beside: bool,
    /// The last background save failed, and writes stop for that (`stop-writes-on-bgsave-error`).
    pub save_failed: bool,
    /// Why the append-only file can not be written: writes stop until it can.
    pub aof_error: Option<Box<str>>,
    /// Fewer good replicas than `min-replicas-to-write` asks for.
    pub lacks_replicas: bool,
    /// Bytes that came from a primary, and bytes that went to replicas, so far.
    pub replication_bytes: [u64; 2],
    /// Clients' writes are held for a manual failover.
    pub holds_writes: bool,
    /// The node has set itself apart: it serves no slot and its own data must not lead (a restart without its data).
    pub is_apart: bool,
}

impl Standing {
    /// True when nothing of the node's state can make admission refuse a request.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_replica
            && !self.loading
            && !self.loads_beside
            && !self.save_failed
            && self.aof_error.is_none()
            && !self.lacks_replicas
            && !self.holds_writes
    }
}
