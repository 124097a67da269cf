//! The cluster bus as a machine: who is in the cluster, who serves which slot, who is dead, who leads.
//!
//! One [`Cluster`] lives in each node that runs with `cluster-enabled yes`. It hears frames, ticks and facts as
//! [`Event`]s and asks for [`Act`]s. It knows nothing of keys, clients or sockets.
//!
//! ```text
//!   node --Event--> handle --Act--> node           frames, ticks, disk
//!   node --facts--> observe                        offsets, link to the primary
//!   client CLUSTER ... --> ask --> reply + acts    the operator's commands
//!   node <-- owner(slot), endpoint(), serving()    the route table of the engine, after RoutesChanged
//!
//!   receive --> detector --> election (replica) --AuthRequest--> vote (primary)
//!      |  \--> slots                 |
//!      |                           save: promises before frames
//!      +--> probation, manual --> election, forced
//! ```
//!
//! Invariant: no vote and no epoch leaves this node before the nodes.conf that holds it is durable: such frames
//! carry the write that they wait for ([`Act::Send`]'s `after`).
//!
//! With `cluster-allow-replica-migration` a primary that loses its last slot follows who took it, and replicas move to
//! primaries that have none left (`migration`).
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod ask;
mod detector;
mod election;
pub mod event;
mod links;
mod manual;
mod migration;
mod probation;
mod receive;
mod save;
mod send;
mod slots;
mod state;
mod traffic;
mod view;
mod vote;

pub use event::{
    Act, Asker, Boot, Endpoint, EndpointType, Event, Facts, Keys, NodeIndex, Role, Serving, Settings,
};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Id, Now, Random, Span, Time};
use core::fmt;
use election::Election;
use links::Link;
use machine::{ConnId, Dialer, Level, WriteId};
use manual::Manual;
use probation::Probation;
use save::Saving;
use state::State;
use traffic::Traffic;
use view::{Node, View};
use wire::bus::Flags;

/// Slots of a cluster.
pub const SLOTS: usize = 16_384;

/// The beat of everything that is not driven by a frame: the originals' ten times a second.
const TICK: Span = Span::ms(100);
/// A handshake that takes longer than this and the node timeout is given up.
const HANDSHAKE_MIN: Span = Span::ms(1_000);

/// The bus machine of one node.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    view: View,
    links: BTreeMap<ConnId, Link>,
    random: Random,
    facts: Facts,
    state: State,
    election: Election,
    manual: Manual,
    probation: Option<Probation>,
    saving: Saving,
    /// Frames sent and received, by kind.
    sent: Traffic,
    received: Traffic,
    /// Links that were closed because they were over their limit.
    links_over_limit: u64,
    /// Nodes that gossip may not bring back, and until when.
    banned: BTreeMap<Id, Time>,
    /// Whom we replicate from, as last told to the node.
    followed: Option<(Id, String, u16)>,
    tick_at: Time,
    random_ping_at: Time,
    /// No complaint about old data before then.
    complain_at: Time,
    /// The current epoch that nodes.conf had at our start, if it gave us slots: claims that may be out of date.
    boot_epoch: Option<u64>,
    /// There is something to dial: the next tick is due at once.
    hurry: bool,
    needs_save: bool,
    routes_changed: bool,
    state_dirty: bool,
    /// The first turn makes the first promise: our id.
    is_new: bool,
    /// What DEBUG has set.
    tampering: ask::Tampering,
    /// Lines for the log from before the first turn.
    complaints: Vec<String>,
}

/// One turn: its time, and where its acts go.
struct Turn<'a> {
    now: Now,
    acts: &'a mut Vec<Act>,
}

impl Turn<'_> {
    fn log(&mut self, level: Level, text: impl Into<String>) {
        self.acts.push(Act::Log { level, text: text.into() });
    }
}

/// Slots that have keys here although they are not ours: a free one becomes ours, one of another node is imported.
fn adopt_keys(view: &mut View, populated: &[u16]) -> Vec<String> {
    let mut complaints = Vec::new();
    for &slot in populated {
        match view.owner(slot) {
            Some(owner) if owner == view.me => {}
            Some(_) if view.importing.contains_key(&slot) => {}
            Some(owner) => {
                complaints.push(alloc::format!(
                    "I have keys for slot {slot}, but the slot is assigned to another node. Setting it to importing state."
                ));
                view.importing.insert(slot, owner);
            }
            None => {
                complaints.push(alloc::format!(
                    "I have keys for unassigned slot {slot}. Taking responsibility for it."
                ));
                view.set_owner(slot, Some(view.me));
            }
        }
    }
    complaints
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
    pub fn new(settings: Settings, boot: Boot<'_>, mut random: Random) -> Result<Cluster, BootError> {
        // The originals create the file empty before they write it: an empty one is none.
        let mut view = match boot.nodes_conf.filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => save::view_from(bytes)?,
            None => {
                let flags = Flags::MYSELF.with(Flags::PRIMARY);
                View::new(Node::new(Id::random(&mut random), flags, Time::START))
            }
        };
        if view.me().shard.is_none() {
            view.me_mut().shard = Some(Id::random(&mut random));
        }
        if !settings.announce_ip.is_empty() {
            view.me_mut().ip.clone_from(&settings.announce_ip);
        }
        let complaints =
            if view.me().is_primary() { adopt_keys(&mut view, boot.populated) } else { Vec::new() };
        let must_prove = view.me().is_voter() && !view.replicas_of(view.me).is_empty();
        let mut cluster = Cluster {
            boot_epoch: view.me().is_voter().then_some(view.current_epoch),
            settings,
            view,
            links: BTreeMap::new(),
            random,
            facts: boot.facts,
            state: State::default(),
            election: Election::Idle,
            manual: Manual::default(),
            probation: must_prove.then(Probation::new),
            saving: Saving::default(),
            sent: Traffic::default(),
            received: Traffic::default(),
            links_over_limit: 0,
            banned: BTreeMap::new(),
            followed: None,
            tick_at: Time::START,
            random_ping_at: Time::START,
            complain_at: Time::START,
            hurry: true,
            needs_save: true,
            routes_changed: true,
            state_dirty: true,
            is_new: true,
            tampering: ask::Tampering::default(),
            complaints,
        };
        cluster.apply_flags();
        Ok(cluster)
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Now, event: Event<'_>, dialer: &mut Dialer, acts: &mut Vec<Act>) {
        let mut turn = Turn { now, acts };
        let turn = &mut turn;
        if core::mem::take(&mut self.is_new) {
            self.start(turn);
        }
        match event {
            Event::Tick => self.on_tick(turn),
            Event::Accepted { conn, peer } => self.on_accepted(turn, conn, peer),
            Event::Connected { conn, result } => self.on_connected(turn, conn, result),
            Event::Frame { conn, bytes } => self.on_frame(turn, conn, bytes),
            Event::Closed { conn } => self.on_closed(now.mono, conn),
            Event::Unsent { conn, bytes } => self.on_unsent(turn, conn, bytes),
            Event::Written { write, is_done } => self.on_written(turn, write, is_done),
            Event::Publish { channel, message, is_sharded } => {
                self.on_publish(turn, channel, message, is_sharded);
            }
            Event::KeysKept { slots } => self.import_kept(turn, slots),
            Event::Stopping => {
                self.save(turn);
            }
        }
        if core::mem::take(&mut self.hurry) {
            self.dial_all(turn, dialer);
        }
        self.end_turn(turn);
    }

    fn start(&mut self, turn: &mut Turn<'_>) {
        for text in core::mem::take(&mut self.complaints) {
            turn.log(Level::Warning, text);
        }
        // Times of a file are times of another life: silence is measured from now.
        for (_, node) in self.view.nodes.iter_mut() {
            (node.created_at, node.ping_sent) = (turn.now.mono, None);
        }
        if self.probation.is_some() {
            let text = alloc::format!(
                "This primary owned slots and has replicas: it leads when none of them has data beyond data offset {}.",
                self.facts.data_offset
            );
            turn.log(Level::Notice, text);
        }
        self.promise(turn);
    }

    fn on_tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        if now < self.tick_at {
            return;
        }
        self.tick_at = now + TICK;
        let patience = self.settings.node_timeout.max(HANDSHAKE_MIN);
        for index in self.view.indexes() {
            let node = self.view.node(index);
            if node.is_in_handshake() && now.since(node.created_at) > patience {
                self.forget(turn, index);
            }
        }
        self.banned.retain(|_, until| now < *until);
        self.watch(turn);
        self.step_migration(turn);
        self.hurry = true;
    }

    /// What follows from whatever happened in this turn.
    fn end_turn(&mut self, turn: &mut Turn<'_>) {
        self.step_manual(turn);
        self.step_probation(turn);
        self.step_election(turn);
        if self.state_dirty || !self.state.is_ok {
            self.update_state(turn);
        }
        self.tell_role(turn);
        if core::mem::take(&mut self.routes_changed) {
            turn.acts.push(Act::RoutesChanged);
        }
        self.save_if_needed(turn);
    }

    /// Tells the node whom to replicate from, where that has changed.
    fn tell_role(&mut self, turn: &mut Turn<'_>) {
        let me = self.view.me();
        if me.is_primary() {
            if self.followed.take().is_some() {
                turn.acts.push(Act::Promote);
                // What a primary was importing is in its replica's data; which slots these are, only the data knows.
                let others = (0..SLOTS as u16).filter(|slot| self.view.owner(*slot) != Some(self.view.me));
                turn.acts.push(Act::KeepKeys(others.collect()));
            }
            return;
        }
        let Some(primary) = me.primary.map(|index| self.view.node(index)) else { return };
        if primary.ip.is_empty() {
            return;
        }
        let wanted = (primary.id, primary.ip.clone(), primary.port);
        if self.followed.as_ref() != Some(&wanted) {
            turn.acts.push(Act::Follow { primary: wanted.0, ip: wanted.1.clone(), port: wanted.2 });
            self.followed = Some(wanted);
        }
    }

    /// Takes the node's own figures. Cheap: call it whenever they may have changed, at least before each `handle`.
    /// It may move `wake_at` forward (a manual failover that waits for an offset).
    pub fn observe(&mut self, facts: Facts) {
        self.facts = facts;
        self.hurry |= self.manual.waits_for_offset(facts.offset);
    }

    /// New values of the directives (CONFIG SET).
    pub fn configure(&mut self, settings: Settings) {
        if settings.announce_ip != self.settings.announce_ip {
            // Without one the next connection tells it.
            self.view.me_mut().ip.clone_from(&settings.announce_ip);
        }
        self.settings = settings;
        self.apply_flags();
        self.mark_changed();
        self.hurry = true;
    }

    fn apply_flags(&mut self) {
        let is_off = self.settings.is_failover_off;
        let me = self.view.me_mut();
        me.flags = me.flags.without(Flags::NO_FAILOVER);
        if is_off {
            me.flags.set(Flags::NO_FAILOVER);
        }
    }

    /// When the next `Event::Tick` is due.
    pub fn wake_at(&self) -> Time {
        if self.hurry || self.is_new {
            return Time::START;
        }
        self.tick_at.min(self.election.wake_at()).min(self.saving.wake_at())
    }

    /// True when the answer of the disk belongs to `Event::Written`: the top bit marks this machine's writes.
    pub fn owns_write(write: WriteId) -> bool {
        write.0 & save::WRITE_MARK != 0
    }

    /// Our id.
    pub fn my_id(&self) -> Id {
        self.view.me().id
    }

    /// Our place in the view.
    pub fn my_index(&self) -> NodeIndex {
        NodeIndex(self.view.me)
    }

    /// What this node is.
    pub fn role(&self) -> Role {
        let me = self.view.me();
        match me.primary.filter(|_| !me.is_primary()) {
            Some(primary) => Role::Replica(self.view.node(primary).id),
            None => Role::Primary,
        }
    }

    /// The epoch of our claims: a replica's is that of its primary.
    pub fn config_epoch(&self) -> u64 {
        self.view.node(self.view.primary_of(self.view.me)).config_epoch
    }

    /// Whether requests for keys are served.
    pub fn serving(&self) -> Serving {
        match (&self.probation, self.state.is_ok) {
            (Some(_), _) => Serving::Probation,
            (None, true) => Serving::Ok,
            (None, false) => Serving::Down,
        }
    }

    /// True when no replica may synchronise from this node: it may lack data that the replica has. Answer PSYNC with
    /// a retry (`-NOMASTERLINK ...`), so that the replica keeps its data and asks again.
    pub fn refuses_psync(&self) -> bool {
        self.probation.is_some()
    }

    /// The node that owns `slot`, in our view.
    pub fn owner(&self, slot: u16) -> Option<NodeIndex> {
        self.view.owner(slot).map(NodeIndex)
    }

    /// The primary of a node: of a replica its primary, of a primary itself.
    pub fn primary_of(&self, node: NodeIndex) -> NodeIndex {
        if self.view.nodes.at(node.0).is_some() { NodeIndex(self.view.primary_of(node.0)) } else { node }
    }

    /// Where clients reach a node. `None` for an index that is not in the view.
    pub fn endpoint(&self, node: NodeIndex) -> Option<Endpoint> {
        let known = self.view.nodes.at(node.0)?;
        let (port, plain_port, hostname) = if node.0 == self.view.me {
            (self.announced_port(), self.announced_plain_port(), &self.settings.announce_hostname)
        } else {
            (known.port, known.plain_port, &known.hostname)
        };
        let (port, tls_port) = if self.settings.is_tls { (plain_port, port) } else { (port, plain_port) };
        let host = match self.settings.endpoint {
            EndpointType::Ip => known.ip.clone(),
            EndpointType::Hostname if hostname.is_empty() => "?".into(),
            EndpointType::Hostname => hostname.clone(),
            EndpointType::Unknown => String::new(),
        };
        Some(Endpoint { id: known.id, host, ip: known.ip.clone(), port, tls_port })
    }

    /// Slots that move away from us, with their destinations (ASK redirection). A replica serves none.
    pub fn migrating(&self) -> impl Iterator<Item = (u16, NodeIndex)> {
        let is_primary = self.view.me().is_primary();
        self.view.migrating.iter().filter(move |_| is_primary).map(|(slot, node)| (*slot, NodeIndex(*node)))
    }

    /// Slots that move to us, with their sources (ASKING is honoured).
    pub fn importing(&self) -> impl Iterator<Item = (u16, NodeIndex)> {
        let is_primary = self.view.me().is_primary();
        self.view.importing.iter().filter(move |_| is_primary).map(|(slot, node)| (*slot, NodeIndex(*node)))
    }

    /// The slots on the move: the word of CLUSTER SETSLOT and the other node.
    pub fn moves(&self) -> impl Iterator<Item = (u16, &'static str, Id)> {
        let named = |word| move |(slot, node): (&u16, &u32)| (*slot, word, self.view.node(*node).id);
        let migrating = self.view.migrating.iter().map(named("MIGRATING"));
        migrating.chain(self.view.importing.iter().map(named("IMPORTING")))
    }

    /// A replica has got all data afresh: what it knew of its primary's moves may be out of date, and is told again.
    pub fn forget_moves(&mut self) {
        let has_some = !self.view.migrating.is_empty() || !self.view.importing.is_empty();
        if has_some && !self.view.me().is_primary() {
            self.view.migrating.clear();
            self.view.importing.clear();
            self.mark_changed();
        }
    }

    /// Number of bus connections, in both directions.
    pub fn link_count(&self) -> usize {
        self.links.len()
    }
}
