//! Frames that come in: who speaks, what its header changes, and what its kind asks for.
//!
//! Order within a frame matters and is that of the originals: epochs first, then handshake and addresses, then the
//! sender's role, then its slots, then gossip. A ping is answered after the update that corrects its sender: a redan
//! node that gets a pong knows that no update came before it, so nothing newer is known there.

use crate::event::Act;
use crate::view::Node;
use crate::{Cluster, Turn};
use alloc::format;
use alloc::string::{String, ToString};
use base::{Id, Span};
use core::net::IpAddr;
use machine::{ConnId, Level};
use wire::bus::{self, Body, Extensions, Flags, Frame, Header, Kind, Light, Update};

/// A ban that another node tells of holds for so many seconds at most.
const BAN_SECONDS_MAX: u64 = 7 * 24 * 3_600;

impl Cluster {
    pub(crate) fn on_frame(&mut self, turn: &mut Turn<'_>, conn: ConnId, bytes: &[u8]) {
        if !self.links.contains_key(&conn) {
            return;
        }
        if bus::is_light(bytes) {
            return self.on_light_frame(turn, conn, bytes);
        }
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                turn.log(Level::Verbose, format!("Bus connection closed: {error}"));
                self.close_link(turn, conn);
                return;
            }
        };
        self.received.count(frame.body.kind(), bytes.len());
        if self.tampering.drops == Some(frame.body.kind()) {
            turn.log(Level::Warning, "Packet that matches debug drop filter");
            if self.tampering.closes {
                self.close_link(turn, conn);
            }
            return;
        }
        if let Some(link) = self.links.get_mut(&conn) {
            link.speaker = Some(frame.header.sender);
        }
        let sender = self.view.find(frame.header.sender);
        if sender == Some(self.view.me) {
            self.on_own_frame(turn, conn, &frame.body);
            return;
        }
        if let Some(sender) = sender {
            self.take_header(turn, conn, sender, &frame.header);
        }
        match (frame.body, sender) {
            (Body::Gossip { kind, entries, extensions }, _) => {
                self.on_gossip_frame(turn, conn, kind, &frame.header, &entries, &extensions);
            }
            (Body::Fail(id), Some(sender)) => self.on_fail(turn, sender, id),
            (Body::Publish { is_sharded, channel, message }, Some(_)) => {
                turn.acts.push(Act::Deliver { channel: channel.into(), message: message.into(), is_sharded });
            }
            (Body::AuthRequest, Some(sender)) => self.on_auth_request(turn, conn, sender, &frame.header),
            (Body::AuthAck, Some(sender)) => self.on_auth_ack(turn, sender, &frame.header),
            (Body::Update(update), Some(_)) => self.on_update(turn, &update),
            (Body::ManualStart, Some(sender)) => self.on_manual_start(turn, sender),
            // Modules do not exist here; strangers are not listened to.
            (Body::Module(_), _) | (_, None) => {}
        }
    }

    /// A message under the light header: its sender is whoever has spoken on the connection before.
    fn on_light_frame(&mut self, turn: &mut Turn<'_>, conn: ConnId, bytes: &[u8]) {
        let light = match Light::decode(bytes) {
            Ok(light) => light,
            Err(error) => {
                turn.log(Level::Verbose, format!("Bus connection closed: {error}"));
                self.close_link(turn, conn);
                return;
            }
        };
        self.received.count(light.body.kind(), bytes.len());
        let Some(link) = self.links.get(&conn) else { return };
        // A node that was met speaks before it is known: what it says counts as soon as it is, not from its next ping on.
        let Some(sender) = link.node.or_else(|| self.view.find(link.speaker?)) else { return };
        self.view.node_mut(sender).heard_at = turn.now.mono;
        if let Body::Publish { is_sharded, channel, message } = light.body {
            turn.acts.push(Act::Deliver { channel: channel.into(), message: message.into(), is_sharded });
        }
    }

    /// A frame of our own: the operator has us meet ourselves, or another node's old address is ours now.
    fn on_own_frame(&mut self, turn: &mut Turn<'_>, conn: ConnId, body: &Body<'_>) {
        let dialled = self.links.get(&conn).filter(|link| !link.is_inbound).and_then(|link| link.node);
        match (dialled, body) {
            (Some(index), _) if self.view.node(index).is_in_handshake() => self.forget(turn, index),
            (Some(index), _) if index != self.view.me => self.lose_address(turn, conn, index),
            (None, Body::Gossip { kind: Kind::Ping | Kind::Meet, .. }) => {
                self.send_ping(turn, conn, Kind::Pong);
            }
            (_, _) => {}
        }
    }

    /// What every frame of a known node tells.
    fn take_header(&mut self, turn: &mut Turn<'_>, conn: ConnId, sender: u32, header: &Header) {
        let now = turn.now.mono;
        if header.current_epoch > self.view.current_epoch {
            self.view.current_epoch = header.current_epoch;
            self.needs_save = true;
        }
        let node = self.view.node_mut(sender);
        node.heard_at = now;
        node.epoch_told = header.current_epoch;
        node.offset = header.offset;
        node.note = header.note.map(|note| (note, now));
        node.flags = node.flags.without(Flags::LIGHT_PUBLISH);
        node.flags.set(Flags(header.flags.0 & Flags::LIGHT_PUBLISH.0));
        if header.config_epoch > node.config_epoch {
            node.config_epoch = header.config_epoch;
            self.needs_save = true;
        }
        if let Some(link) = self.links.get_mut(&conn)
            && link.is_inbound
        {
            link.node = Some(sender);
            self.view.node_mut(sender).inbound = Some(conn);
        }
        self.manual_hears(turn, sender, header);
        if let Some(note) = header.note {
            self.hear_hand_over(turn, sender, note);
        }
    }

    fn on_gossip_frame(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        kind: Kind,
        header: &Header,
        entries: &[bus::Gossip],
        extensions: &Extensions,
    ) {
        let mut sender = self.view.find(header.sender);
        if kind != Kind::Pong {
            self.learn_own_ip(conn, kind);
            if kind == Kind::Meet && sender.is_none() {
                self.begin_handshake_with_stranger(turn, conn, header);
            }
        }
        let dialled = self.links.get(&conn).filter(|link| !link.is_inbound).and_then(|link| link.node);
        if let Some(index) = dialled {
            if !self.confirm_identity(turn, conn, index, sender, header) {
                return;
            }
            sender = Some(index);
        }
        if let Some(sender) = sender {
            // Before its claims: whose shard it is of says whether it replaces us.
            self.take_shard(sender, extensions.shard);
            self.take_ping(turn, conn, kind, sender, header);
            self.take_gossip(turn, sender, entries);
            self.take_extensions(turn, sender, extensions);
        }
        if kind != Kind::Pong {
            self.send_ping(turn, conn, Kind::Pong);
        }
    }

    /// What a ping, pong or meet of a known node tells beyond its header's figures.
    fn take_ping(&mut self, turn: &mut Turn<'_>, conn: ConnId, kind: Kind, sender: u32, header: &Header) {
        let node = self.view.node_mut(sender);
        if node.flags.has(Flags::NO_FAILOVER) != header.flags.has(Flags::NO_FAILOVER) {
            node.flags.0 ^= Flags::NO_FAILOVER.0;
            self.needs_save = true;
        }
        if kind != Kind::Pong {
            self.update_address(turn, conn, sender, header);
        }
        self.take_role(turn, sender, header);
        self.take_slots(turn, conn, sender, header);
        self.resolve_epoch_collision(turn, sender, header);
        let is_inbound = self.links.get(&conn).is_none_or(|link| link.is_inbound);
        if kind == Kind::Pong && !is_inbound {
            self.on_answer(turn, sender, header);
        }
    }

    /// A ping of ours is answered.
    fn on_answer(&mut self, turn: &mut Turn<'_>, sender: u32, header: &Header) {
        let node = self.view.node_mut(sender);
        node.pong_at = turn.now.mono;
        node.ping_sent = None;
        if header.note.is_some() && !node.has_agreed {
            node.has_agreed = true;
            // An election since our start: its winner may not be known to this node yet.
            self.state.saw_newer_epoch |= self.boot_epoch.is_some_and(|epoch| header.current_epoch > epoch);
            self.state_dirty = true;
        }
        self.hear_life(turn, sender);
    }

    fn learn_own_ip(&mut self, conn: ConnId, kind: Kind) {
        let is_wanted =
            self.settings.announce_ip.is_empty() && (kind == Kind::Meet || self.view.me().ip.is_empty());
        let Some(ip) = self.links.get(&conn).and_then(|link| link.local_ip).filter(|_| is_wanted) else {
            return;
        };
        let ip = ip.to_string();
        if self.view.me().ip != ip {
            self.view.me_mut().ip = ip;
            self.needs_save = true;
            self.routes_changed = true;
        }
    }

    fn begin_handshake_with_stranger(&mut self, turn: &mut Turn<'_>, conn: ConnId, header: &Header) {
        let Some(ip) = self.claimed_ip(conn, header) else { return };
        if self.is_handshaking_with(&ip, header.bus_port) || self.view.count() >= crate::view::NODES_MAX {
            return;
        }
        let mut node = Node::new(Id::random(&mut self.random), Flags::HANDSHAKE, turn.now.mono);
        node.ip = ip;
        (node.port, node.plain_port, node.bus_port) = (header.port, header.plain_port, header.bus_port);
        self.view.add(node);
        self.hurry = true;
    }

    pub(crate) fn is_handshaking_with(&self, ip: &str, bus_port: u16) -> bool {
        let is_same = |node: &Node| node.is_in_handshake() && node.ip == ip && node.bus_port == bus_port;
        self.view.nodes.iter().any(|(_, node)| is_same(node))
    }

    /// The address that a sender goes by: the one that it announces, or the one that its connection shows.
    fn claimed_ip(&self, conn: ConnId, header: &Header) -> Option<String> {
        if !header.ip.is_empty() {
            return Some(header.ip.clone());
        }
        self.links.get(&conn)?.remote_ip.map(|ip: IpAddr| ip.to_string())
    }

    /// A frame on a link that we dialled must come from the node that we meant. False ends its processing.
    fn confirm_identity(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        index: u32,
        sender: Option<u32>,
        header: &Header,
    ) -> bool {
        if self.view.node(index).is_in_handshake() {
            if let Some(known) = sender {
                self.update_address_from(turn, conn, known, header);
                self.forget(turn, index);
                return false;
            }
            self.view.rename(index, header.sender);
            let role = header.flags.0 & Flags::PRIMARY.with(Flags::REPLICA).0;
            let node = self.view.node_mut(index);
            node.flags = Flags(role);
            node.heard_at = turn.now.mono;
            (node.offset, node.config_epoch) = (header.offset, header.config_epoch);
            node.note = header.note.map(|note| (note, turn.now.mono));
            self.needs_save = true;
            self.state_dirty = true;
            self.routes_changed = true;
            return true;
        }
        if sender == Some(index) {
            return true;
        }
        self.lose_address(turn, conn, index);
        false
    }

    /// Somebody else answers at a known node's address: the node is remembered, its address is not.
    fn lose_address(&mut self, turn: &mut Turn<'_>, conn: ConnId, index: u32) {
        let node = self.view.node_mut(index);
        let text = format!(
            "PONG contains mismatching sender ID. About node {} whose address is someone else's",
            node.id
        );
        turn.log(Level::Debug, text);
        node.flags.set(Flags::NO_ADDRESS);
        node.ip.clear();
        (node.port, node.plain_port, node.bus_port) = (0, 0, 0);
        self.close_link(turn, conn);
        self.needs_save = true;
        self.routes_changed = true;
    }

    fn update_address(&mut self, turn: &mut Turn<'_>, conn: ConnId, sender: u32, header: &Header) {
        // What we dialled is where it is.
        if self.view.node(sender).link != Some(conn) {
            self.update_address_from(turn, conn, sender, header);
        }
    }

    fn update_address_from(&mut self, turn: &mut Turn<'_>, conn: ConnId, known: u32, header: &Header) {
        let Some(ip) = self.claimed_ip(conn, header) else { return };
        let node = self.view.node_mut(known);
        let ports = (header.port, header.plain_port, header.bus_port);
        if node.ip == ip && (node.port, node.plain_port, node.bus_port) == ports {
            return;
        }
        turn.log(Level::Warning, format!("Address updated for node {}, now {ip}:{}", node.id, header.port));
        node.ip = ip;
        (node.port, node.plain_port, node.bus_port) = ports;
        node.flags.clear(Flags::NO_ADDRESS);
        if let Some(link) = node.link {
            self.close_link(turn, link);
        }
        self.needs_save = true;
        self.routes_changed = true;
    }

    fn take_role(&mut self, turn: &mut Turn<'_>, sender: u32, header: &Header) {
        let Some(primary) = header.primary else {
            self.make_primary(sender);
            return;
        };
        let primary = self.view.find(primary).filter(|&primary| primary != sender);
        if self.view.node(sender).is_primary() {
            self.view.clear_slots(sender);
            let node = self.view.node_mut(sender);
            node.flags = node.flags.without(Flags::PRIMARY.with(Flags::MIGRATE_TO)).with(Flags::REPLICA);
            self.mark_changed();
        }
        let Some(primary) = primary else { return };
        if self.view.node(sender).primary != Some(primary) {
            self.view.node_mut(sender).primary = Some(primary);
            self.mark_changed();
        }
        // Our primary follows another: so do we, or we would wait for a primary that leads nobody.
        let me = self.view.me();
        let is_ours = !me.is_primary() && me.primary == Some(sender);
        if is_ours && primary != self.view.me && self.view.node(primary).is_primary() {
            self.follow(turn, primary);
        }
    }

    /// A node leads from now on.
    pub(crate) fn make_primary(&mut self, index: u32) {
        if self.view.node(index).is_primary() {
            return;
        }
        // The shard keeps its id under its new primary.
        let shard = self.view.node(index).primary.map(|_| self.view.shard_of(index));
        let node = self.view.node_mut(index);
        node.shard = node.shard.or(shard);
        node.primary = None;
        node.flags = node.flags.without(Flags::REPLICA).with(Flags::PRIMARY);
        self.mark_changed();
    }

    fn take_slots(&mut self, turn: &mut Turn<'_>, conn: ConnId, sender: u32, header: &Header) {
        let speaks_for = self.view.primary_of(sender);
        let node = self.view.node(sender);
        // Word of mouth does not end a claim, nor does a frame from before the newest one.
        if node.is_primary() && node.config_epoch == header.config_epoch {
            self.view.hear_claims(sender, &header.slots);
        }
        if self.view.node(speaks_for).slots == header.slots {
            return;
        }
        if self.view.node(sender).is_primary() {
            self.apply_claims(turn, sender, header.config_epoch, &header.slots);
        }
        let stale = header.slots.iter().find_map(|slot| {
            let owner = self.view.owner(slot).filter(|owner| *owner != sender)?;
            (self.view.held_under(slot)? > header.config_epoch).then_some(owner)
        });
        if let Some(owner) = stale {
            // Over the connection that the claim came by: it stands for sure, and the pong comes behind.
            self.send_update(turn, conn, owner);
        }
    }

    fn on_update(&mut self, turn: &mut Turn<'_>, update: &Update) {
        let Some(index) = self.view.find(update.id) else { return };
        if self.view.node(index).config_epoch >= update.config_epoch {
            return;
        }
        if index == self.view.me {
            // Nobody knows a newer epoch of ours than we do, unless our disk lost it: then it is ours again.
            return;
        }
        self.make_primary(index);
        self.view.node_mut(index).config_epoch = update.config_epoch;
        self.mark_changed();
        self.apply_claims(turn, index, update.config_epoch, &update.slots);
    }

    fn take_extensions(&mut self, turn: &mut Turn<'_>, sender: u32, extensions: &Extensions) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let names = (text(&extensions.hostname), text(&extensions.human_name), text(&extensions.zone));
        let node = self.view.node_mut(sender);
        if (&node.hostname, &node.human_name, &node.zone) != (&names.0, &names.1, &names.2) {
            (node.hostname, node.human_name, node.zone) = names;
            self.mark_changed();
        }
        for &(id, seconds) in &extensions.forgotten {
            let Some(index) = self.view.find(id) else { continue };
            let is_dear = index == self.view.me || self.view.primary_of(self.view.me) == index;
            if !is_dear && index != sender && seconds > 0 {
                self.banned.insert(id, turn.now.mono + Span::seconds(seconds.min(BAN_SECONDS_MAX)));
                self.forget(turn, index);
            }
        }
    }

    /// A node announces its shard, or does not.
    fn take_shard(&mut self, sender: u32, shard: Option<Id>) {
        let node = self.view.node_mut(sender);
        node.announces_shard = shard.is_some();
        if shard.is_none() || node.shard == shard {
            return;
        }
        node.shard = shard;
        self.view.adopt_shard();
        self.mark_changed();
    }

    /// Removes a node from the view.
    pub(crate) fn forget(&mut self, turn: &mut Turn<'_>, index: u32) {
        self.close_links_of(turn, index);
        self.view.remove(index);
        if let Some(probation) = &mut self.probation {
            probation.forget(index);
        }
        self.mark_changed();
    }

    /// Something that nodes.conf and routes show has changed.
    pub(crate) fn mark_changed(&mut self) {
        self.needs_save = true;
        self.routes_changed = true;
        self.state_dirty = true;
    }
}
