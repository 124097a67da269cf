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
    /// Only the operator ends an import: when the slot goes to another owner, it is imported from that one.
    ///
    /// Slots that a primary loses may have keys here that exist nowhere else: the claimant may be a replica that took
    /// over its primary's slots before it had heard that one of them was ours. They are kept (`import_kept`). For the
    /// same reason a primary that loses its last slot follows the claimant when it has no keys left, or when the claimant
    /// is of its own shard and has its data.
    pub(crate) fn apply_claims(&mut self, turn: &mut Turn<'_>, claimant: u32, epoch: u64, slots: &SlotSet) {
        if claimant == self.view.me {
            return;
        }
        let (me, ours) = (self.view.me, self.view.primary_of(self.view.me));
        let mut lost = Vec::new();
        let mut losers: Vec<u32> = Vec::new();
        let (mut claimed, mut taken) = (0_u32, 0_u32);
        for slot in slots.iter() {
            claimed += 1;
            let owner = self.view.owner(slot);
            let is_older = self.view.held_under(slot).is_none_or(|held| held < epoch);
            if owner == Some(claimant) || !is_older {
                continue;
            }
            if claimant == ours {
                self.view.importing.remove(&slot);
            } else if let Some(source) = self.view.importing.get_mut(&slot) {
                *source = claimant;
            }
            if owner == Some(me) {
                lost.push(slot);
            }
            if owner == Some(ours) {
                self.view.migrating.remove(&slot);
            }
            losers.extend(owner.filter(|owner| losers.last() != Some(owner)));
            taken += u32::from(owner == Some(ours));
            self.view.set_owner(slot, Some(claimant));
            self.mark_changed();
        }
        self.retarget(turn, &losers, claimant);
        // A failover takes exactly our slots. Where the last slots were moved, following is a kind of migration.
        let is_exact = claimed == taken;
        let may_follow = self.settings.allows_migration || is_exact;
        let is_sibling = self.view.shard_of(claimant) == self.view.shard_of(ours)
            || (is_exact && !self.view.node(claimant).announces_shard);
        let loses_nothing = is_sibling || self.facts.is_empty;
        if taken > 0 && self.view.node(ours).slot_count == 0 && may_follow && loses_nothing {
            let id = self.view.node(claimant).id;
            turn.log(
                Level::Warning,
                format!("Configuration change detected. Reconfiguring myself as a replica of {id}"),
            );
            self.follow(turn, claimant);
        } else if !lost.is_empty() {
            turn.acts.push(Act::KeepKeys(lost));
        }
    }

    /// The target of a move was replaced by another node of its shard: the slot moves there.
    fn retarget(&mut self, turn: &mut Turn<'_>, losers: &[u32], claimant: u32) {
        let view = &mut self.view;
        let shard = view.shard_of(claimant);
        let is_heir = |node: u32| losers.contains(&node) && view.shard_of(node) == shard;
        let slots: Vec<u16> =
            view.migrating.iter().filter(|(_, node)| is_heir(**node)).map(|(slot, _)| *slot).collect();
        for slot in slots {
            view.migrating.insert(slot, claimant);
            let id = view.node(claimant).id;
            turn.log(
                Level::Notice,
                format!("Failover occurred in migration target. Slot {slot} is now being migrated to {id}"),
            );
        }
    }

    /// Slots of others that have keys here are imported from their owners: the keys are not served, but they are seen,
    /// and the manager's `fix` brings them to where they belong. (The originals delete the keys of a slot that they lose.)
    pub(crate) fn import_kept(&mut self, turn: &mut Turn<'_>, slots: &[u16]) {
        let me = self.view.me;
        if !self.view.me().is_primary() {
            return;
        }
        let mut first = None;
        let mut count = 0_u32;
        for &slot in slots {
            let Some(owner) = self.view.owner(slot).filter(|owner| *owner != me) else { continue };
            if self.view.importing.insert(slot, owner).is_none() {
                first = first.or(Some((slot, self.view.node(owner).id)));
                count += 1;
            }
        }
        let Some((slot, id)) = first else { return };
        self.mark_changed();
        turn.log(
            Level::Warning,
            format!(
                "I have keys for {count} slots that belong to others, the first is {slot} of {id}. Setting them to \
                 importing state: the keys are kept, and the fix of the cluster manager brings them to their owners."
            ),
        );
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
        // Until the others know the new epoch, a slot that either has just got may be taken back. In a cluster that is
        // being formed, where all have none, that is no haste.
        if header.config_epoch != 0 {
            self.broadcast_pong(turn, |_, _| true);
        }
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
