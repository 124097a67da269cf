//! Facts: what INFO asks of the parts together, and what an observer may see.

use crate::node::Node;
use crate::outside::Rest;
use alloc::vec::Vec;
use base::{Id, Now, Span};
use cluster::Role;
use data::Kind;

/// What an observer (the simulator's checkers) may see of a node that is a cluster member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The node's id.
    pub id: Id,
    /// The primary that it follows; none for a primary.
    pub primary: Option<Id>,
    /// The epoch of its slots.
    pub config_epoch: u64,
    /// It serves its slots, as far as the cluster decides that.
    pub is_ok: bool,
    /// The history that its data belongs to.
    pub replid: Id,
    /// Where in that history.
    pub offset: u64,
    /// Full synchronisations that it has begun to receive since it started.
    pub full_syncs: u64,
    /// A replica's link stands.
    pub is_link_up: bool,
    /// Data is being loaded.
    pub is_loading: bool,
}

impl Node {
    /// What can be seen from outside; none before the node has joined its cluster.
    pub fn sight(&self) -> Option<Sight> {
        let (cluster, journal) = (self.rest.cluster.as_ref()?, &self.rest.journal);
        let primary = match cluster.role() {
            Role::Primary => None,
            Role::Replica(primary) => Some(primary),
        };
        Some(Sight {
            id: cluster.my_id(),
            primary,
            config_epoch: cluster.config_epoch(),
            is_ok: cluster.serving() == cluster::Serving::Ok,
            replid: journal.replid(),
            offset: journal.offset(),
            full_syncs: self.rest.full_syncs,
            is_link_up: journal.is_linked(),
            is_loading: journal.is_loading(),
        })
    }

    /// The id of a slot's owner in this node's view.
    pub fn owner(&self, slot: u16) -> Option<Id> {
        let cluster = self.rest.cluster.as_ref()?;
        Some(cluster.endpoint(cluster.owner(slot)?)?.id)
    }

    /// True when the keyspace has this key.
    pub fn holds(&self, key: &[u8]) -> bool {
        let keyspace = &self.engine.shared.keyspace;
        keyspace.find(0, key, keyspace.hash(key)).is_some()
    }

    /// The string at a key.
    pub fn text(&self, key: &[u8]) -> Option<Vec<u8>> {
        let keyspace = &self.engine.shared.keyspace;
        keyspace.find(0, key, keyspace.hash(key))?.string().map(|text| text.to_vec())
    }

    /// A digest of all data that does not depend on the order of the table.
    pub fn digest(&self) -> u64 {
        let mut sum = 0u64;
        let keyspace = &self.engine.shared.keyspace;
        for db in 0..keyspace.databases() {
            keyspace.for_each(db, |entry| {
                let mut crc = base::crc64::Crc64::default();
                crc.update(entry.key());
                crc.update(&entry.deadline_ms().unwrap_or(0).to_le_bytes());
                let mut groups: Vec<Vec<u8>> = Vec::new();
                codec::parts(entry.value(), &mut |parts| groups.push(parts.join(&b'\n')));
                if !matches!(entry.kind(), Kind::List | Kind::Stream) {
                    groups.sort();
                }
                groups.iter().for_each(|group| crc.update(group));
                sum = sum.wrapping_add(crc.value());
            });
        }
        sum
    }
}

impl Rest {
    /// What the journal, the cluster and the host have to say in INFO.
    pub(crate) fn fill(&self, now: Now, config: &spec::Config, facts: &mut spec::info::Facts) {
        self.journal.fill_info(now, config, facts);
        facts.replication.failover_state =
            self.handover.as_ref().map_or("no-failover", |handover| handover.state());
        let journal = self.journal.facts(now);
        // As the originals split one buffer: its first part is the backlog's, what replicas pin beyond that is theirs.
        let total = journal.backlog_memory;
        let pinned =
            if journal.replicas.is_empty() { 0 } else { total.saturating_sub(journal.backlog_bytes) };
        let memory = &mut facts.memory;
        memory.used_bytes += total;
        memory.peak_bytes = memory.peak_bytes.max(memory.used_bytes);
        memory.overhead_bytes += total;
        memory.backlog_bytes = total - pinned;
        memory.replication_bytes = total;
        memory.replica_buffers_bytes = pinned;
        memory.not_counted_bytes = pinned;
        facts.cluster.enabled = self.is_clustered;
        if let Some(cluster) = &self.cluster {
            facts.clients.cluster_links = cluster.link_count() as u64;
        }
        let server = &mut facts.server;
        server.mode = if self.is_clustered { "cluster" } else { "standalone" };
        server.os = self.identity.os.clone().into_bytes();
        server.process_id = u64::from(self.identity.process_id);
        server.executable = self.identity.executable.clone().into_bytes();
        server.config_file = self.identity.config_file.clone().into_bytes();
        server.shutdown_in_ms = self.journal.shutdown_waits(now).map(Span::as_ms);
        server.uptime_seconds = now.mono.since(self.started.mono).as_seconds();
    }
}
