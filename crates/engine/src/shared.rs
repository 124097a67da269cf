//! Shared: the part of the engine's state that other parts of the node work on too.

use crate::{Feed, Routes};
use base::Random;
use data::Keyspace;

/// Lent to whoever answers questions, and open to `node` between calls.
pub struct Shared {
    /// All data.
    pub keyspace: Keyspace,
    /// Who serves which slot.
    pub routes: Routes,
    /// Effects on their way into the journal.
    pub feed: Feed,
    /// What this node may do at present.
    pub standing: Standing,
}

impl Shared {
    pub(crate) fn new(random: &mut Random, databases: u32, clustered: bool) -> Shared {
        let keyspace = Keyspace::new([random.word(), random.word()], databases, clustered);
        Shared {
            keyspace,
            routes: Routes::new(clustered),
            feed: Feed::default(),
            standing: Standing::default(),
        }
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
    /// The last background save failed, and writes stop for that (`stop-writes-on-bgsave-error`).
    pub save_failed: bool,
    /// Fewer good replicas than `min-replicas-to-write` asks for.
    pub lacks_replicas: bool,
    /// The node has set itself apart: it serves no slot and its own data must not lead (a restart without its data).
    pub is_apart: bool,
}
