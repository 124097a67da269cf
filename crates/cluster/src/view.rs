//! The view: all nodes that this node knows, and who owns which slot.
//!
//! Nodes have small indexes that stay while the node is known; an index is reused after the node is forgotten.
//!
//! Invariant: `owners[s] == i` exactly when slot `s` is in `nodes[i].slots`; all changes go through `set_owner`.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use base::{Id, Now, Slab, Time, Unix};
use machine::ConnId;
use wire::bus::{Flags, Note, SlotSet};

/// No node.
const NOBODY: u32 = u32::MAX;
/// Nodes known at most: far more than a cluster can have; gossip can not fill the memory.
pub(crate) const NODES_MAX: usize = 16_384;

/// One node as this node sees it.
#[derive(Debug)]
pub(crate) struct Node {
    pub id: Id,
    pub created_at: Time,
    pub ip: String,
    /// Client port; the TLS port when the cluster runs over TLS.
    pub port: u16,
    /// Plain client port when `port` is for TLS.
    pub plain_port: u16,
    pub bus_port: u16,
    pub hostname: String,
    /// Name for people; may be empty.
    pub human_name: String,
    /// Availability zone; may be empty.
    pub zone: String,
    /// Shard id: ours, and that of nodes that announce one. See `View::shard_of`.
    pub shard: Option<Id>,
    /// It announces its shard: then it knows the other extensions of Redis 7.2, too.
    pub announces_shard: bool,
    pub flags: Flags,
    pub primary: Option<u32>,
    pub config_epoch: u64,
    pub slots: SlotSet,
    pub slot_count: u32,
    /// When the ping was sent (or the link broke) that is not answered yet.
    pub ping_sent: Option<Time>,
    /// When it last answered a ping, to us or, by gossip, to others.
    pub pong_at: Time,
    /// When any frame of it last came.
    pub heard_at: Time,
    /// The current epoch that its last frame told.
    pub epoch_told: u64,
    /// When it was marked as failed.
    pub failed_at: Time,
    /// When we last voted for a replica of it, and for which.
    pub voted: Option<(Time, Id)>,
    pub offset: u64,
    /// What it said as a redan node, and when.
    pub note: Option<(Note, Time)>,
    /// It has answered a ping of ours since our start, and is a node that tells of conflicts before it answers.
    pub has_agreed: bool,
    /// Our connection to it.
    pub link: Option<ConnId>,
    /// Its connection to us.
    pub inbound: Option<ConnId>,
    /// An attempt to connect has failed and none has succeeded since.
    pub is_refusing: bool,
    /// Primaries that reported it as failing, and when.
    pub reports: Vec<(u32, Time)>,
    /// Replicas that it had when that was last looked at.
    pub replicas_seen: usize,
    /// Since when it serves slots without a working replica.
    pub orphaned_at: Option<Time>,
}

impl Node {
    pub fn new(id: Id, flags: Flags, now: Time) -> Node {
        Node {
            id,
            created_at: now,
            ip: String::new(),
            port: 0,
            plain_port: 0,
            bus_port: 0,
            hostname: String::new(),
            human_name: String::new(),
            zone: String::new(),
            shard: None,
            announces_shard: false,
            flags,
            primary: None,
            config_epoch: 0,
            slots: SlotSet::default(),
            slot_count: 0,
            ping_sent: None,
            pong_at: Time::START,
            heard_at: Time::START,
            epoch_told: 0,
            failed_at: Time::START,
            voted: None,
            offset: 0,
            note: None,
            has_agreed: false,
            link: None,
            inbound: None,
            is_refusing: false,
            reports: Vec::new(),
            replicas_seen: 0,
            orphaned_at: None,
        }
    }

    pub fn is_primary(&self) -> bool {
        self.flags.has(Flags::PRIMARY)
    }

    pub fn is_in_handshake(&self) -> bool {
        self.flags.has(Flags::HANDSHAKE)
    }

    pub fn is_failed(&self) -> bool {
        self.flags.has(Flags::FAIL)
    }

    pub fn is_suspected_or_failed(&self) -> bool {
        self.flags.has_any(Flags::FAIL.with(Flags::PFAIL))
    }

    /// A primary that serves slots: only these vote, and only their reports count.
    pub fn is_voter(&self) -> bool {
        self.is_primary() && self.slot_count > 0
    }
}

/// All nodes and the owners of slots.
#[derive(Debug)]
pub(crate) struct View {
    pub nodes: Slab<Node>,
    by_id: BTreeMap<Id, u32>,
    pub me: u32,
    owners: Vec<u32>,
    /// Slots that their owner has ceased to claim: whoever claims one gets it, under any epoch. It stays where it is
    /// until then, and nobody is told that it is there.
    unclaimed: SlotSet,
    pub migrating: BTreeMap<u16, u32>,
    pub importing: BTreeMap<u16, u32>,
    /// Greatest epoch seen.
    pub current_epoch: u64,
    /// Epoch of our last vote.
    pub last_vote_epoch: u64,
}

impl View {
    /// A view that knows only `me`.
    pub fn new(me: Node) -> View {
        let mut nodes = Slab::new();
        let id = me.id;
        let index = nodes.insert(me);
        View {
            nodes,
            by_id: BTreeMap::from([(id, index)]),
            me: index,
            owners: vec![NOBODY; usize::from(SlotSet::SLOTS)],
            unclaimed: SlotSet::default(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            current_epoch: 0,
            last_vote_epoch: 0,
        }
    }

    pub fn me(&self) -> &Node {
        self.node(self.me)
    }

    pub fn me_mut(&mut self) -> &mut Node {
        self.node_mut(self.me)
    }

    /// # Panics
    /// When there is no such node: indexes held by the machine are cleared when a node is forgotten.
    pub fn node(&self, index: u32) -> &Node {
        self.nodes.at(index).expect("an index in use has its node")
    }

    pub fn node_mut(&mut self, index: u32) -> &mut Node {
        self.nodes.at_mut(index).expect("an index in use has its node")
    }

    pub fn find(&self, id: Id) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// Nodes in order of their ids: the same order in every run.
    pub fn indexes(&self) -> Vec<u32> {
        self.by_id.values().copied().collect()
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    pub fn add(&mut self, node: Node) -> u32 {
        let id = node.id;
        let index = self.nodes.insert(node);
        self.by_id.insert(id, index);
        index
    }

    /// Gives a node its true id.
    pub fn rename(&mut self, index: u32, id: Id) {
        let old = core::mem::replace(&mut self.node_mut(index).id, id);
        self.by_id.remove(&old);
        self.by_id.insert(id, index);
    }

    /// Forgets a node, its slots and everything that mentions it. Its links are the caller's matter.
    pub fn remove(&mut self, index: u32) {
        assert!(index != self.me);
        self.clear_slots(index);
        self.migrating.retain(|_, node| *node != index);
        self.importing.retain(|_, node| *node != index);
        if let Some(node) = self.nodes.remove(index) {
            self.by_id.remove(&node.id);
        }
        for (_, node) in self.nodes.iter_mut() {
            node.reports.retain(|(reporter, _)| *reporter != index);
            if node.primary == Some(index) {
                node.primary = None;
            }
        }
    }

    pub fn owner(&self, slot: u16) -> Option<u32> {
        self.owners.get(usize::from(slot)).copied().filter(|&owner| owner != NOBODY)
    }

    /// The epoch under which a slot is held; none when whoever claims it gets it.
    pub fn held_under(&self, slot: u16) -> Option<u64> {
        let owner = self.owner(slot).filter(|_| !self.unclaimed.has(slot))?;
        Some(self.node(owner).config_epoch)
    }

    /// The slots of a node that it has not ceased to claim.
    pub fn claims_of(&self, index: u32) -> SlotSet {
        let mut slots = self.node(index).slots.clone();
        self.unclaimed.iter().for_each(|slot| slots.remove(slot));
        slots
    }

    /// What another primary says now of the slots that it has in this view.
    pub fn hear_claims(&mut self, index: u32, claims: &SlotSet) {
        let is_all_there = self.node(index).slots == *claims;
        if is_all_there && self.unclaimed.is_empty() {
            return;
        }
        let held: Vec<u16> = self.node(index).slots.iter().collect();
        for slot in held {
            if claims.has(slot) {
                self.unclaimed.remove(slot);
            } else {
                self.unclaimed.insert(slot);
            }
        }
    }

    pub fn set_owner(&mut self, slot: u16, owner: Option<u32>) {
        self.unclaimed.remove(slot);
        if let Some(before) = self.owner(slot) {
            let node = self.node_mut(before);
            node.slots.remove(slot);
            node.slot_count -= 1;
        }
        self.owners[usize::from(slot)] = owner.unwrap_or(NOBODY);
        if let Some(after) = owner {
            let node = self.node_mut(after);
            node.slots.insert(slot);
            node.slot_count += 1;
            // A primary with a first slot may have a replica of another, where there are replicas at all.
            if node.slot_count == 1 && self.nodes.iter().any(|(_, node)| node.primary.is_some()) {
                self.node_mut(after).flags.set(Flags::MIGRATE_TO);
            }
        }
    }

    pub fn clear_slots(&mut self, index: u32) {
        let slots: Vec<u16> = self.node(index).slots.iter().collect();
        slots.into_iter().for_each(|slot| self.set_owner(slot, None));
    }

    /// The primary of a replica, or the primary itself; a replica without a known primary stands for itself.
    pub fn primary_of(&self, index: u32) -> u32 {
        let node = self.node(index);
        if node.is_primary() { index } else { node.primary.unwrap_or(index) }
    }

    /// The shard's id: that of its primary. A primary that announces none (Redis 7.0) stands for it with its own id.
    pub fn shard_of(&self, index: u32) -> Id {
        let primary = self.node(self.primary_of(index));
        primary.shard.unwrap_or(primary.id)
    }

    /// Our own shard id is that of our primary, so that we keep it when we lead.
    pub fn adopt_shard(&mut self) {
        let me = self.me();
        if let Some(primary) = me.primary.filter(|_| !me.is_primary()) {
            self.me_mut().shard = Some(self.shard_of(primary));
        }
    }

    /// Replicas of a primary, in order of ids.
    pub fn replicas_of(&self, primary: u32) -> Vec<u32> {
        let is_replica = |index: &u32| {
            let node = self.node(*index);
            !node.is_primary() && node.primary == Some(primary)
        };
        self.by_id.values().copied().filter(is_replica).collect()
    }

    /// How many primaries serve slots: the electorate.
    pub fn size(&self) -> usize {
        self.nodes.iter().filter(|(_, node)| node.is_voter()).count()
    }

    /// Votes and reports that make a majority.
    pub fn majority(&self) -> usize {
        self.size() / 2 + 1
    }

    pub fn epoch_max(&self) -> u64 {
        let epochs = self.nodes.iter().map(|(_, node)| node.config_epoch);
        epochs.fold(self.current_epoch, u64::max)
    }
}

/// The wall clock's reading at an instant of the past.
pub(crate) fn unix_at(now: Now, at: Time) -> Unix {
    Unix(now.unix.0.saturating_sub(now.mono.since(at).0))
}

/// The instant at which the wall clock showed this; at the earliest the start of the world.
pub(crate) fn mono_at(now: Now, unix: Unix) -> Time {
    Time(now.mono.0.saturating_sub(now.unix.0.saturating_sub(unix.0)))
}
