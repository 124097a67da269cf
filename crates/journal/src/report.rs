//! Report: what the journal says of itself to INFO and ROLE.

use crate::facts::{Facts, PrimaryFacts, ReplicaFacts};
use crate::journal::Journal;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::Now;
use machine::Address;
use spec::directive::id;
use spec::info::{PrimaryLink, Replica};
use wire::reply::Reply;

impl Journal {
    /// Replicas in step whose lag is within `min-replicas-max-lag`.
    pub fn good_replicas(&self, now: Now) -> u32 {
        self.links.good(self.settings.min_replicas_max_lag, now)
    }

    /// True when there are replicas and all of them execute CLUSTER SETSLOT: they said so by their version.
    pub fn replicas_know_slots(&self) -> bool {
        self.links.know_slots()
    }

    /// Replicas in step.
    pub fn replicas_online(&self) -> u32 {
        self.links.acked(0)
    }

    /// How often a replica came in step so far.
    pub fn replicas_joined(&self) -> u64 {
        self.links.joined
    }

    /// Fills the fields of INFO that are the journal's: persistence, replication, and its counters of stats.
    pub fn fill_info(&self, now: Now, config: &spec::Config, info: &mut spec::Facts) {
        let facts = self.facts(now);
        fill_persistence(&facts, now, &mut info.persistence);
        let stats = &mut info.stats;
        stats.background_jobs = facts.saving.snapshots;
        [stats.sync_full, stats.sync_partial_ok, stats.sync_partial_refused] = facts.syncs;
        stats.replication_input_bytes = facts.input_bytes;
        stats.replication_output_bytes = facts.output_bytes;
        let replication = &mut info.replication;
        replication.primary = facts.primary.as_ref().map(|primary| primary_link(primary, config));
        replication.replicas = facts.replicas.iter().map(replica).collect();
        replication.good_replicas =
            (config.count(id::MIN_REPLICAS_TO_WRITE) > 0).then_some(u64::from(facts.good_replicas));
        replication.replid = facts.replid.as_bytes().to_vec();
        replication.replid2 = facts.second_replid.as_bytes().to_vec();
        replication.offset = signed(facts.offset);
        replication.offset2 = facts.second_offset;
        replication.backlog_active = facts.backlog_active;
        replication.backlog_size_bytes = facts.backlog_bytes;
        replication.backlog_first = signed(facts.backlog_first);
        replication.backlog_bytes = facts.backlog_len;
    }

    /// Answers ROLE.
    pub fn role(&self, now: Now, reply: &mut Reply<'_>) {
        let facts = self.facts(now);
        let Some(primary) = &facts.primary else {
            reply.array(3);
            reply.bulk(b"master");
            reply.integer(signed(facts.offset));
            let online: Vec<&ReplicaFacts> =
                facts.replicas.iter().filter(|link| link.state == "online").collect();
            reply.array(online.len());
            for link in online {
                reply.array(3);
                reply.bulk(link.ip.as_bytes());
                reply.bulk(link.port.to_string().as_bytes());
                reply.bulk(link.acked.to_string().as_bytes());
            }
            return;
        };
        let (host, port) = host_and_port(&primary.address);
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(&host);
        reply.integer(i64::from(port));
        reply.bulk(primary.state.as_bytes());
        reply.integer(if primary.link_up { signed(primary.applied_offset) } else { -1 });
    }
}

fn fill_persistence(facts: &Facts, now: Now, info: &mut spec::info::Persistence) {
    if let Some(loading) = facts.loading {
        (info.loading, info.is_loading_aside) = (!loading.is_served, loading.is_served);
        info.load_started_seconds = loading.started_seconds;
        info.load_total_bytes = loading.total_bytes;
        info.load_done_bytes = loading.loaded_bytes;
        info.load_used_bytes = loading.used_bytes;
        let passed = now.unix.as_seconds().saturating_sub(loading.started_seconds).max(1);
        let per_second = (loading.loaded_bytes / passed).max(1);
        info.load_eta_seconds = loading.total_bytes.saturating_sub(loading.loaded_bytes) / per_second;
    }
    let saving = &facts.saving;
    info.changes_since_save = saving.changes;
    info.saving = saving.in_progress;
    info.last_save_seconds = saving.last_save.as_seconds();
    info.last_save_failed = !saving.last_ok;
    info.last_save_took_seconds = saving.last_seconds;
    info.save_runs_seconds = saving.current_seconds;
    info.saves = saving.saves;
    info.save_keys_done = saving.keys_done;
    info.save_keys_total = saving.keys_total;
    info.load_keys_expired = saving.loaded_expired;
    info.load_keys = saving.loaded_keys;
    let aof = &facts.aof;
    info.aof = spec::info::Aof {
        is_on: aof.is_on,
        rewriting: aof.rewriting,
        scheduled: aof.scheduled,
        last_seconds: aof.last_seconds,
        current_seconds: aof.current_seconds,
        last_failed: aof.last_failed,
        rewrites: aof.rewrites,
        failures: aof.failures,
        write_failed: aof.write_failed,
        current_bytes: aof.current_bytes,
        base_bytes: aof.base_bytes,
        buffered_bytes: aof.buffered_bytes,
        syncing: aof.syncing,
        delayed: aof.delayed,
    };
}

fn primary_link(facts: &PrimaryFacts, config: &spec::Config) -> PrimaryLink {
    let (host, port) = host_and_port(&facts.address);
    PrimaryLink {
        host,
        port,
        is_up: facts.link_up,
        last_io_seconds: facts.silent_seconds,
        is_loading: facts.sync_in_progress,
        read_offset: signed(facts.read_offset),
        offset: signed(facts.applied_offset),
        load_total_bytes: facts.sync_total_bytes,
        load_done_bytes: facts.sync_read_bytes,
        load_last_io_seconds: facts.sync_silent_seconds,
        down_seconds: facts.down_seconds,
        refused: facts.lack.map(crate::Lack::name),
        priority: config.count(id::REPLICA_PRIORITY),
        is_read_only: config.yes(id::REPLICA_READ_ONLY),
        is_announced: config.yes(id::REPLICA_ANNOUNCED),
    }
}

fn replica(facts: &ReplicaFacts) -> Replica {
    Replica {
        address: facts.ip.as_bytes().to_vec(),
        port: facts.port,
        state: facts.state,
        offset: facts.acked,
        lag_seconds: facts.lag_seconds,
    }
}

fn host_and_port(address: &Address) -> (Vec<u8>, u16) {
    match address {
        Address::Inet(ip, port) => (ip.to_string().into_bytes(), *port),
        Address::Name(name, port) => (name.as_bytes().to_vec(), *port),
        Address::Unix(path) => (path.as_bytes().to_vec(), 0),
    }
}

/// An offset as INFO and ROLE print it.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
