//! nodes.conf: what of the view survives this process, and the promises that wait for it.
//!
//! A *promise* is a vote or an epoch of our own. From the moment that one is made until the write that holds it is
//! durable, every frame that leaves waits for that write, so that nobody can have heard what a crash makes us forget.
//! Everything else is saved when the last write is done, without anybody waiting.

use crate::event::Act;
use crate::view::{Node, View, unix_at};
use crate::{BootError, Cluster, Turn};
use alloc::string::ToString;
use alloc::vec::Vec;
use base::{Id, Now, Span, Time};
use machine::{Level, WriteId};
use wire::bus::Flags;
use wire::nodes_conf::{ConfNode, NodesConf};

/// The mark of this machine's writes.
pub(crate) const WRITE_MARK: u64 = 1 << 63;
/// After a failed write the next one is tried so much later.
const RETRY: Span = Span::seconds(1);

/// Writes of nodes.conf under way.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    /// Number of the last write put out.
    last: u64,
    /// Number of the last write that ended.
    ended: u64,
    /// The write that holds our latest promise, until it is durable.
    pub promise: Option<WriteId>,
    /// The last write failed.
    pub is_broken: bool,
    retry_at: Option<Time>,
}

impl Saving {
    pub(crate) fn wake_at(&self) -> Time {
        self.retry_at.unwrap_or(Time::NEVER)
    }
}

impl Cluster {
    /// Saves at once and makes all frames wait for it.
    pub(crate) fn promise(&mut self, turn: &mut Turn<'_>) -> WriteId {
        let write = self.save(turn);
        self.saving.promise = Some(write);
        write
    }

    /// Saves at once.
    pub(crate) fn save(&mut self, turn: &mut Turn<'_>) -> WriteId {
        self.needs_save = false;
        self.saving.last += 1;
        let write = WriteId(WRITE_MARK | self.saving.last);
        let bytes = self.conf(turn.now).format();
        turn.acts.push(Act::SaveConf { write, bytes });
        write
    }

    pub(crate) fn save_if_needed(&mut self, turn: &mut Turn<'_>) {
        let is_due = self.saving.retry_at.is_some_and(|at| turn.now.mono >= at);
        if is_due {
            self.saving.retry_at = None;
            self.promise(turn);
        } else if self.needs_save && self.saving.ended == self.saving.last && !self.saving.is_broken {
            self.save(turn);
        }
    }

    pub(crate) fn on_written(&mut self, turn: &mut Turn<'_>, write: WriteId, is_done: bool) {
        let number = write.0 & !WRITE_MARK;
        if number > self.saving.last || number <= self.saving.ended {
            return;
        }
        self.saving.ended = number;
        if is_done {
            // Writes of one file keep their order, and each holds all: an earlier promise is kept, too.
            self.saving.promise = self.saving.promise.filter(|promise| *promise > write);
            self.saving.is_broken &= number < self.saving.last;
        } else if number == self.saving.last {
            self.saving.is_broken = true;
            self.saving.retry_at = Some(turn.now.mono + RETRY);
            turn.log(
                Level::Warning,
                "nodes.conf could not be written: this node is silent on the cluster bus until it can be.",
            );
        }
    }

    /// The whole view as nodes.conf holds it: everyone but those in handshake.
    pub(crate) fn conf(&self, now: Now) -> NodesConf {
        let view = &self.view;
        let indexes = view.indexes().into_iter().filter(|&index| !view.node(index).is_in_handshake());
        NodesConf {
            nodes: indexes.map(|index| self.conf_node(now, index, false)).collect(),
            current_epoch: view.current_epoch,
            last_vote_epoch: view.last_vote_epoch,
        }
    }

    /// One node as nodes.conf and CLUSTER NODES show it.
    pub(crate) fn conf_node(&self, now: Now, index: u32, shows_plain_port: bool) -> ConfNode {
        let view = &self.view;
        let node = view.node(index);
        let is_me = index == view.me;
        let port = if is_me { self.announced_port() } else { node.port };
        let plain_port = if is_me { self.announced_plain_port() } else { node.plain_port };
        let targets = |moving: &alloc::collections::BTreeMap<u16, u32>| {
            let list = moving.iter().filter(|_| is_me);
            list.map(|(slot, other)| (*slot, view.node(*other).id)).collect::<Vec<(u16, Id)>>()
        };
        let pong_ms = if node.pong_at == Time::START { 0 } else { unix_at(now, node.pong_at).as_ms() };
        let hostname = if is_me { &self.settings.announce_hostname } else { &node.hostname };
        let shows_plain_port = shows_plain_port && self.settings.is_tls;
        ConfNode {
            id: node.id,
            ip: node.ip.clone(),
            port: if shows_plain_port && plain_port != 0 { plain_port } else { port },
            bus_port: if is_me { self.announced_bus_port() } else { node.bus_port },
            hostname: hostname.clone(),
            shard: Some(view.shard_of(index)),
            human_name: if is_me {
                self.settings.announce_human_name.clone()
            } else {
                node.human_name.clone()
            },
            zone: node.zone.clone(),
            other_port: plain_port,
            is_tls: self.settings.is_tls,
            flags: node.flags.without(Flags::MEET).without(Flags::MIGRATE_TO),
            primary: node.primary.filter(|_| !node.is_primary()).map(|primary| view.node(primary).id),
            ping_sent_ms: node.ping_sent.map_or(0, |at| unix_at(now, at).as_ms()),
            pong_received_ms: if is_me { now.unix.as_ms() } else { pong_ms },
            config_epoch: view.node(view.primary_of(index)).config_epoch,
            is_connected: is_me || self.standing_link(index).is_some(),
            slots: node.slots.clone(),
            migrating: targets(&view.migrating),
            importing: targets(&view.importing),
        }
    }
}

/// The view that a file holds.
pub(crate) fn view_from(bytes: &[u8]) -> Result<View, BootError> {
    let refuse = |text: &str| BootError { text: text.into() };
    let conf = NodesConf::parse(bytes).map_err(|error| BootError { text: error.to_string() })?;
    let my = conf.nodes.iter().find(|node| node.flags.has(Flags::MYSELF));
    let my = my.ok_or_else(|| refuse("nodes.conf has no line of this node"))?;
    let mut view = View::new(node_from(my));
    for node in conf.nodes.iter().filter(|node| node.id != my.id) {
        view.add(node_from(node));
    }
    for line in &conf.nodes {
        let index = view.find(line.id).expect("every line has its node");
        line.slots.iter().for_each(|slot| view.set_owner(slot, Some(index)));
        let Some(primary) = line.primary.filter(|_| !line.flags.has(Flags::PRIMARY)) else { continue };
        let primary = view.find(primary).filter(|&primary| primary != index);
        if primary.is_none() {
            return Err(refuse("nodes.conf: a replica's primary has no line: restore the file or remove it"));
        }
        view.node_mut(index).primary = primary;
    }
    view.adopt_shard();
    for (slots, is_out) in [(&my.migrating, true), (&my.importing, false)] {
        for (slot, id) in slots {
            // A node that was forgotten takes its moves with it.
            let Some(other) = view.find(*id) else { continue };
            if is_out {
                view.migrating.insert(*slot, other)
            } else {
                view.importing.insert(*slot, other)
            };
        }
    }
    view.last_vote_epoch = conf.last_vote_epoch;
    view.current_epoch = conf.current_epoch;
    view.current_epoch = view.epoch_max().max(conf.last_vote_epoch);
    Ok(view)
}

fn node_from(line: &ConfNode) -> Node {
    // Suspicions are of the moment and not kept. Roles are one or the other.
    let mut flags = line.flags.without(Flags::PFAIL).without(Flags::HANDSHAKE);
    if flags.has(Flags::PRIMARY) || (line.primary.is_none() && flags.has(Flags::MYSELF)) {
        flags = flags.without(Flags::REPLICA).with(Flags::PRIMARY);
    }
    if line.ip.is_empty() && !flags.has(Flags::MYSELF) {
        flags.set(Flags::NO_ADDRESS);
    }
    let mut node = Node::new(line.id, flags, Time::START);
    node.ip.clone_from(&line.ip);
    (node.port, node.bus_port) = (line.port, line.bus_port);
    node.hostname.clone_from(&line.hostname);
    node.shard = line.shard;
    node.human_name.clone_from(&line.human_name);
    node.zone.clone_from(&line.zone);
    node.plain_port = line.other_port;
    node.config_epoch = line.config_epoch;
    node
}
