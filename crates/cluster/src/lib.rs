//! The cluster bus as a machine: who is in the cluster, who serves which slot, who is dead, who leads.
//!
//! One [`Cluster`] lives in each node that runs with `cluster-enabled yes`. It hears frames, ticks and facts as
//! [`Event`]s and asks for [`Act`]s. It knows nothing of keys, clients or sockets.
//!
//! ```text
//!   node --Event--> handle --Act--> node           frames, ticks, disk
//!   node --facts--> observe                        offsets, link to the primary
//!   client CLUSTER ... --> ask --> reply + acts    the operator's commands:
//!        ask(now, args, asker: Asker, keys: &dyn Keys, reply: &mut Reply<'_>, acts)
//!   node <-- owner(slot), endpoint(), serving()    the route table of the engine, after RoutesChanged
//! ```
//!
//! Invariant: no vote and no epoch leaves this node before the nodes.conf that holds it is durable: such frames
//! carry the write that they wait for ([`Act::Send`]'s `after`).
//!
//! Migration of replicas to orphaned primaries does not exist yet: `cluster-allow-replica-migration` acts as `no`.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod event;

pub use event::{
    Act, Asker, Boot, Endpoint, EndpointType, Event, Facts, Keys, NodeIndex, Role, Serving, Settings,
};

use alloc::string::String;
use alloc::vec::Vec;
use base::{Id, Now, Random, Time};
use core::fmt;
use machine::{Dialer, WriteId};

/// Slots of a cluster.
pub const SLOTS: usize = 16_384;

/// The bus machine of one node.
pub struct Cluster {
    settings: Settings,
}

/// Why a node can not start in cluster mode. Display gives the line for the log; the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootError {
    /// What is wrong with nodes.conf.
    pub text: String,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cluster {
    /// Starts from nodes.conf and from what the node loaded. The acts of the start (a first nodes.conf, `Follow`,
    /// log lines) come with the first `handle`, which must be called at once with `Event::Tick`.
    ///
    /// # Errors
    /// When nodes.conf makes no sense: the node must not start with a guess.
    pub fn new(settings: Settings, boot: Boot<'_>, random: Random) -> Result<Cluster, BootError> {
        let _ = (boot, random);
        Ok(Cluster { settings })
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Now, event: Event<'_>, dialer: &mut Dialer, acts: &mut Vec<Act>) {
        let _ = (now, event, dialer, acts);
    }

    /// Takes the node's own figures. Cheap: call it whenever they may have changed, at least before each `handle`.
    /// It may move `wake_at` forward (a manual failover that waits for an offset).
    pub fn observe(&mut self, facts: Facts) {
        let _ = facts;
    }

    /// New values of the directives (CONFIG SET).
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// When the next `Event::Tick` is due.
    pub fn wake_at(&self) -> Time {
        Time::NEVER
    }

    /// True when the answer of the disk belongs to `Event::Written`: the top bit marks this machine's writes.
    pub fn owns_write(write: WriteId) -> bool {
        write.0 >> 63 == 1
    }

    /// Our id.
    pub fn my_id(&self) -> Id {
        Id::ZERO
    }

    /// Our place in the view.
    pub fn my_index(&self) -> NodeIndex {
        NodeIndex(0)
    }

    /// What this node is.
    pub fn role(&self) -> Role {
        Role::Primary
    }

    /// Whether requests for keys are served.
    pub fn serving(&self) -> Serving {
        Serving::Down
    }

    /// True when no replica may synchronise from this node: it may lack data that the replica has. Answer PSYNC with
    /// `-NOMASTERLINK ...`-like trouble, so that the replica retries.
    pub fn refuses_psync(&self) -> bool {
        false
    }

    /// The node that owns `slot`, in our view.
    pub fn owner(&self, slot: u16) -> Option<NodeIndex> {
        let _ = slot;
        None
    }

    /// The primary of a node: of a replica its primary, of a primary itself.
    pub fn primary_of(&self, node: NodeIndex) -> NodeIndex {
        node
    }

    /// Where clients reach a node. `None` for an index that is not in the view.
    pub fn endpoint(&self, node: NodeIndex) -> Option<Endpoint> {
        let _ = node;
        None
    }

    /// Slots that move away from us, with their destinations (ASK redirection).
    pub fn migrating(&self) -> impl Iterator<Item = (u16, NodeIndex)> {
        core::iter::empty()
    }

    /// Slots that move to us, with their sources (ASKING is honoured).
    pub fn importing(&self) -> impl Iterator<Item = (u16, NodeIndex)> {
        core::iter::empty()
    }

    /// Number of bus connections and bytes queued: for INFO (`cluster_connections`, `mem_cluster_links`).
    pub fn link_count(&self) -> usize {
        0
    }
}
