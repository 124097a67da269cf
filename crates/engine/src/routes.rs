//! Routes: which node serves which hash slot, as the admission of each request needs it.
//!
//! The cluster machine decides; `node` writes its decisions in here within the same input; nothing else
//! changes it. One flat table, so that the check of a request is one read at `slot`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use base::Id;

/// Hash slots of a cluster.
pub const SLOTS: usize = 16_384;

/// A node's place in [`Routes::nodes`].
pub type NodeIndex = u16;

/// No node.
pub const NOBODY: NodeIndex = NodeIndex::MAX;

/// This node's own place.
pub const MYSELF: NodeIndex = 0;

/// Who has one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The primary that serves it, or [`NOBODY`].
    pub owner: NodeIndex,
    /// Where this node, its owner, moves it to, or [`NOBODY`].
    pub migrating_to: NodeIndex,
    /// Where this node takes it over from, or [`NOBODY`].
    pub importing_from: NodeIndex,
}

impl Slot {
    /// Nobody's slot.
    pub const FREE: Slot = Slot { owner: NOBODY, migrating_to: NOBODY, importing_from: NOBODY };
}

/// A node that a client can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteNode {
    /// Its id.
    pub id: Id,
    /// `host:port`, as MOVED and ASK say it.
    pub endpoint: String,
}

/// The flat table of slots, the nodes that it names, and the cluster's state.
#[derive(Debug)]
pub struct Routes {
    /// False on a server that is no cluster node: then nothing is looked up.
    pub enabled: bool,
    /// True for `cluster_state:ok`.
    pub ok: bool,
    /// While not `ok`: reads are served all the same (`cluster-allow-reads-when-down`).
    pub reads_when_down: bool,
    /// While not `ok`: sharded channels are served all the same (`cluster-allow-pubsubshard-when-down`).
    pub pubsub_when_down: bool,
    /// The primary that this node follows, or [`NOBODY`]: READONLY clients read its slots here.
    pub primary: NodeIndex,
    /// The nodes. The first is this node itself.
    pub nodes: Vec<RouteNode>,
    slots: Box<[Slot]>,
}

impl Routes {
    /// A table in which nobody has anything.
    pub fn new(enabled: bool) -> Routes {
        let slots = if enabled { SLOTS } else { 0 };
        Routes {
            enabled,
            ok: !enabled,
            reads_when_down: false,
            pubsub_when_down: true,
            primary: NOBODY,
            nodes: vec![RouteNode { id: Id::ZERO, endpoint: String::new() }],
            slots: vec![Slot::FREE; slots].into_boxed_slice(),
        }
    }

    /// Who has `slot`.
    #[inline]
    pub fn slot(&self, slot: u16) -> Slot {
        self.slots.get(usize::from(slot)).copied().unwrap_or(Slot::FREE)
    }

    /// True when the shard of this node serves `slot`: the node itself, or the primary that it follows.
    pub fn is_in_shard(&self, slot: u16) -> bool {
        let owner = self.slot(slot).owner;
        owner != NOBODY && (owner == MYSELF || owner == self.primary)
    }

    /// Says who has `slot`.
    pub fn set_slot(&mut self, slot: u16, value: Slot) {
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            *place = value;
        }
    }

    /// The place of the node with this id and endpoint; it is added, or its endpoint renewed, as needed.
    /// The caller clears the table's nodes (all but the first) when it writes the table anew.
    pub fn node(&mut self, id: Id, endpoint: &str) -> NodeIndex {
        let index = match self.nodes.iter().position(|node| node.id == id) {
            Some(index) => index,
            None => {
                self.nodes.push(RouteNode { id, endpoint: String::new() });
                self.nodes.len() - 1
            }
        };
        if self.nodes[index].endpoint != endpoint {
            self.nodes[index].endpoint = String::from(endpoint);
        }
        NodeIndex::try_from(index).ok().filter(|index| *index != NOBODY).unwrap_or(NOBODY)
    }

    /// `host:port` of a node; empty for nobody.
    pub fn endpoint(&self, node: NodeIndex) -> &str {
        self.nodes.get(usize::from(node)).map_or("", |node| &node.endpoint)
    }
}
