//! Migration: a replica of a shard that has several moves to a primary that has none left.
//!
//! As in the originals: a primary is orphaned when it serves slots, has no working replica, and had one before (or got
//! its first slots while others had replicas). After five seconds of that, the replica with the smallest id of the shards
//! with the most replicas moves, if its own primary keeps `cluster-migration-barrier` others.

use crate::{Cluster, Turn};
use alloc::format;
use alloc::vec::Vec;
use base::Span;
use machine::Level;
use wire::bus::Flags;

/// A primary is orphaned for so long before a replica moves: after a failover its own replicas need time to say so.
const DELAY: Span = Span::ms(5_000);

impl Cluster {
    /// Once per beat: who may be migrated to, and whether this node is to move.
    pub(crate) fn step_migration(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let primaries: Vec<u32> =
            self.view.indexes().into_iter().filter(|index| self.view.node(*index).is_primary()).collect();
        // The primary, its working replicas, and whether it is orphaned.
        let mut shards: Vec<(u32, Vec<u32>, bool)> = Vec::new();
        for index in primaries {
            let replicas = self.view.replicas_of(index);
            let is_working = |replica: &u32| !self.view.node(*replica).is_suspected_or_failed();
            let working: Vec<u32> = replicas.iter().copied().filter(is_working).collect();
            let node = self.view.node_mut(index);
            match (replicas.len(), node.replicas_seen) {
                (0, 0) => {}
                (0, _) => node.flags.clear(Flags::MIGRATE_TO),
                (_, _) => node.flags.set(Flags::MIGRATE_TO),
            }
            node.replicas_seen = replicas.len();
            let has_claim = node.slot_count > 0 && !node.is_failed() && node.flags.has(Flags::MIGRATE_TO);
            let is_orphaned = has_claim && working.is_empty();
            node.orphaned_at = node.orphaned_at.or(Some(now)).filter(|_| is_orphaned);
            shards.push((index, working, is_orphaned));
        }
        let Some(target) = self.migration_target(&shards) else { return };
        let since = self.view.node(target).orphaned_at;
        if since.is_some_and(|since| now.since(since) > DELAY) {
            let id = self.view.node(target).id;
            turn.log(Level::Notice, format!("Migrating to orphaned master {id}"));
            self.follow(turn, target);
        }
    }

    /// The orphaned primary that this node is to move to, when it has been orphaned for long enough.
    fn migration_target(&self, shards: &[(u32, Vec<u32>, bool)]) -> Option<u32> {
        let me = self.view.me();
        let my_primary = me.primary.filter(|_| !me.is_primary() && self.settings.allows_migration)?;
        if !self.state.is_ok || self.manual.is_under_way() {
            return None;
        }
        let working = |primary: u32| {
            shards.iter().find(|(index, ..)| *index == primary).map_or(0, |(_, working, _)| working.len())
        };
        let most = shards.iter().map(|(_, working, _)| working.len()).max().unwrap_or(0);
        let mine = working(my_primary);
        if most < 2 || mine < most || mine as u64 <= self.settings.migration_barrier {
            return None;
        }
        let richest = shards.iter().filter(|(_, working, _)| working.len() == most);
        let first =
            richest.flat_map(|(_, working, _)| working).min_by_key(|index| self.view.node(**index).id);
        let target = shards.iter().find(|(.., is_orphaned)| *is_orphaned).map(|(index, ..)| *index);
        target.filter(|_| first == Some(&self.view.me))
    }
}
