//! Slots: claims by config epoch, and what losing slots means for this node.

use crate::event::Act;
use crate::{Cluster, Turn};
use alloc::format;
use alloc::vec::Vec;
use machine::Level;
use wire::bus::{Flags, Header, SlotSet};

impl Cluster {
    /// A primary claims slots under an epoch: it gets those that nobody owns, that are owned under a smaller epoch, or
    /// that their owner does not claim any more.
    ///
    /// A slot that we import is left alone: only the operator ends an import. When its source has failed over, the
    /// slot and the import go over to the new primary of that shard: the old one gives its slots up as it becomes a
    /// replica, and without this nobody would own the slot here, and all slots of this node would be down.
    /// When the claim takes the last slot of our shard, we follow the claimant.
    pub(crate) fn apply_claims(&mut self, turn: &mut Turn<'_>, claimant: u32, epoch: u64, slots: &SlotSet) {
        if claimant == self.view.me {
            return;
        }
        let (me, ours) = (self.view.me, self.view.primary_of(self.view.me));
        let mut lost = Vec::new();
        let (mut claimed, mut taken) = (0_u32, 0_u32);
        for slot in slots.iter() {
            claimed += 1;
            let owner = self.view.owner(slot);
            let is_older = self.view.held_under(slot).is_none_or(|held| held < epoch);
            if owner == Some(claimant) || !is_older {
                continue;
            }
            if let Some(&source) = self.view.importing.get(&slot) {
                if self.view.shard_of(source) != self.view.shard_of(claimant) {
                    continue;
                }
                self.view.importing.insert(slot, claimant);
            }
            if owner == Some(me) {
                lost.push(slot);
                self.view.migrating.remove(&slot);
            }
            taken += u32::from(owner == Some(ours));
            self.view.set_owner(slot, Some(claimant));
            self.mark_changed();
        }
        // A failover takes exactly our slots. Where the last slots were moved, following is a kind of migration.
        let may_follow = self.settings.allows_migration || claimed == taken;
        if taken > 0 && self.view.node(ours).slot_count == 0 && may_follow {
            let id = self.view.node(claimant).id;
            turn.log(
                Level::Warning,
                format!("Configuration change detected. Reconfiguring myself as a replica of {id}"),
            );
            self.follow(turn, claimant);
        } else if !lost.is_empty() {
            turn.acts.push(Act::DropSlots(lost));
        }
    }

    /// This node becomes a replica of `primary`, or changes its primary.
    pub(crate) fn follow(&mut self, turn: &mut Turn<'_>, primary: u32) {
        assert!(primary != self.view.me);
        let me = self.view.me;
        self.view.clear_slots(me);
        self.view.migrating.clear();
        self.view.importing.clear();
        let node = self.view.me_mut();
        node.flags = node.flags.without(Flags::PRIMARY.with(Flags::MIGRATE_TO)).with(Flags::REPLICA);
        node.primary = Some(primary);
        self.view.adopt_shard();
        if self.probation.take().is_some() {
            turn.log(
                Level::Notice,
                format!("Following {}: it leads this shard now", self.view.node(primary).id),
            );
        }
        self.reset_manual(turn);
        self.election.reset();
        self.mark_changed();
    }

    /// Two primaries with one config epoch: the one with the greater id keeps it, the other takes a new one.
    pub(crate) fn resolve_epoch_collision(&mut self, turn: &mut Turn<'_>, sender: u32, header: &Header) {
        let (me, other) = (self.view.me(), self.view.node(sender));
        let collides = me.is_primary() && other.is_primary() && header.config_epoch == me.config_epoch;
        if !collides || other.id <= me.id {
            return;
        }
        let text = format!("configEpoch collision with node {}.", other.id);
        self.view.current_epoch = self.view.current_epoch.saturating_add(1);
        self.view.me_mut().config_epoch = self.view.current_epoch;
        self.abstain();
        turn.log(Level::Verbose, format!("{text} Updating my configEpoch to {}", self.view.current_epoch));
        self.mark_changed();
        self.promise(turn);
    }

    /// Takes a new greatest epoch without asking anybody: for TAKEOVER, BUMPEPOCH and the end of an import.
    /// False when ours is already the greatest and not zero.
    pub(crate) fn bump_epoch(&mut self, turn: &mut Turn<'_>) -> bool {
        let greatest = self.view.epoch_max();
        let mine = self.view.me().config_epoch;
        if mine != 0 && mine == greatest {
            return false;
        }
        self.view.current_epoch = self.view.current_epoch.saturating_add(1);
        self.view.me_mut().config_epoch = self.view.current_epoch;
        self.abstain();
        turn.log(Level::Warning, format!("New configEpoch set to {}", self.view.current_epoch));
        self.mark_changed();
        self.promise(turn);
        true
    }
}
