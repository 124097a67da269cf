//! Frames on their way out: the header, gossip, and the one place where bytes are sent.

use crate::event::Act;
use crate::view::{Node, unix_at};
use crate::{Cluster, Turn};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Now, Time};
use machine::{Chunk, ConnId};
use wire::bus::{self, Body, Extensions, Flags, Frame, Gossip, Header, Kind, Light, Note, Update};

/// Gossip entries in a ping at least, when there are so many nodes.
const GOSSIP_MIN: usize = 3;
/// Forgotten nodes that one frame tells of: more are told of when the first are not banned any more.
const FORGOTTEN_MAX: usize = 256;

impl Cluster {
    /// The header of every frame that we send now.
    pub(crate) fn header(&self, message_flags: u8) -> Header {
        let view = &self.view;
        let me = view.me();
        let primary = view.node(view.primary_of(view.me));
        let is_pausing = me.is_primary() && self.manual.is_pausing();
        Header {
            port: self.announced_port(),
            plain_port: self.announced_plain_port(),
            bus_port: self.announced_bus_port(),
            current_epoch: view.current_epoch,
            config_epoch: primary.config_epoch,
            offset: self.facts.offset,
            sender: me.id,
            slots: view.claims_of(view.primary_of(view.me)),
            primary: me.primary.filter(|_| !me.is_primary()).map(|index| view.node(index).id),
            ip: self.settings.announce_ip.clone(),
            // What this node can read, of what the others ask about.
            flags: me.flags.with(Flags::LIGHT_PUBLISH),
            is_ok: self.state.is_ok,
            message_flags: message_flags | if is_pausing { bus::PAUSED } else { 0 },
            note: Some(Note {
                data_offset: self.facts.data_offset,
                is_on_probation: self.probation.is_some(),
                is_handing_over: false,
            }),
        }
    }

    pub(crate) fn announced_port(&self) -> u16 {
        let settings = &self.settings;
        if settings.is_tls {
            first_of(settings.announce_tls_port, settings.tls_port)
        } else {
            first_of(settings.announce_port, settings.port)
        }
    }

    pub(crate) fn announced_plain_port(&self) -> u16 {
        let settings = &self.settings;
        if settings.is_tls {
            first_of(settings.announce_port, settings.port)
        } else {
            first_of(settings.announce_tls_port, settings.tls_port)
        }
    }

    pub(crate) fn announced_bus_port(&self) -> u16 {
        let settings = &self.settings;
        let client_port = if settings.is_tls { settings.tls_port } else { settings.port };
        let port = first_of(settings.bus_port, client_port.wrapping_add(10_000));
        first_of(settings.announce_bus_port, port)
    }

    /// Encodes a body under our header.
    pub(crate) fn frame(&self, body: Body<'_>, message_flags: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(bus::HEADER_BYTES + 512);
        Frame { header: self.header(message_flags), body }.encode(&mut bytes);
        bytes
    }

    /// Sends a frame over a link that stands. While a promise is not durable yet, the frame waits for it.
    /// False if it is not sent.
    pub(crate) fn send(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        kind: Kind,
        bytes: impl Into<Chunk>,
    ) -> bool {
        let stands = self.links.get(&conn).is_some_and(|link| !link.is_connecting);
        // A node whose disk fails must not speak: what it says could be lost at its restart.
        if !stands || self.saving.is_broken {
            return false;
        }
        let bytes = bytes.into();
        self.sent.count(kind, bytes.len());
        turn.acts.push(Act::Send { conn, bytes, after: self.saving.promise });
        true
    }

    /// Sends a ping, pong or meet with gossip.
    ///
    /// A ping that was open before the link broke stays open since then: reconnecting hides no failure. One that could
    /// not be sent is not open: nobody will answer it.
    pub(crate) fn send_ping(&mut self, turn: &mut Turn<'_>, conn: ConnId, kind: Kind) {
        if self.probation.as_ref().is_some_and(crate::Probation::is_silent) {
            return;
        }
        let receiver = self.links.get(&conn).and_then(|link| link.node);
        let entries = self.gossip(turn.now, receiver);
        let extensions = self.extensions(turn.now.mono, receiver);
        let bytes = self.frame(Body::Gossip { kind, entries, extensions }, 0);
        if !self.send(turn, conn, kind, bytes) || kind == Kind::Pong {
            return;
        }
        if let Some(link) = self.links.get_mut(&conn).filter(|link| !link.is_inbound)
            && let Some(index) = link.node
        {
            link.has_pinged = true;
            let node = self.view.node_mut(index);
            node.ping_sent = node.ping_sent.or(Some(turn.now.mono));
        }
    }

    /// Sends a pong that nobody asked for, over our own links.
    pub(crate) fn broadcast_pong(&mut self, turn: &mut Turn<'_>, is_meant: impl Fn(&Cluster, u32) -> bool) {
        for index in self.view.indexes() {
            let is_known = index != self.view.me && !self.view.node(index).is_in_handshake();
            if is_known
                && is_meant(self, index)
                && let Some(conn) = self.standing_link(index)
            {
                self.send_ping(turn, conn, Kind::Pong);
            }
        }
    }

    /// Sends one frame to all nodes that we have a link to.
    pub(crate) fn broadcast(&mut self, turn: &mut Turn<'_>, body: Body<'_>, message_flags: u8) {
        let kind = body.kind();
        let bytes = Arc::new(self.frame(body, message_flags));
        for index in self.view.indexes() {
            if index != self.view.me
                && !self.view.node(index).is_in_handshake()
                && let Some(conn) = self.standing_link(index)
            {
                let range = 0..bytes.len();
                self.send(turn, conn, kind, Chunk::Shared { bytes: bytes.clone(), range });
            }
        }
    }

    /// Tells a node who really owns slots that it claims.
    pub(crate) fn send_update(&mut self, turn: &mut Turn<'_>, conn: ConnId, owner: u32) {
        let node = self.view.node(owner);
        let update =
            Update { config_epoch: node.config_epoch, id: node.id, slots: self.view.claims_of(owner) };
        let bytes = self.frame(Body::Update(update), 0);
        self.send(turn, conn, Kind::Update, bytes);
    }

    pub(crate) fn on_publish(
        &mut self,
        turn: &mut Turn<'_>,
        channel: &[u8],
        message: &[u8],
        is_sharded: bool,
    ) {
        let body = Body::Publish { is_sharded, channel, message };
        let kind = body.kind();
        let my_shard = self.view.primary_of(self.view.me);
        let (mut full, mut light) = (None, None);
        for index in self.view.indexes() {
            let node = self.view.node(index);
            let is_meant =
                if is_sharded { self.view.primary_of(index) == my_shard } else { !node.is_in_handshake() };
            if !is_meant || node.link.is_none() || index == self.view.me {
                continue;
            }
            let bytes = if node.flags.has(Flags::LIGHT_PUBLISH) {
                light.get_or_insert_with(|| {
                    let mut bytes = Vec::new();
                    Light { body: body.clone() }.encode(&mut bytes);
                    Arc::new(bytes)
                })
            } else {
                full.get_or_insert_with(|| Arc::new(self.frame(body.clone(), 0)))
            };
            let chunk = Chunk::Shared { bytes: bytes.clone(), range: 0..bytes.len() };
            self.pass_on(turn, index, kind, chunk);
        }
    }

    /// What the receiver can make use of: Redis 7.0 knows host names alone and logs a warning for each of the others.
    ///
    /// A host name goes to everybody, as in 7.0: such a node does not say that it reads extensions unless it has a host
    /// name itself.
    fn extensions(&self, now: Time, receiver: Option<u32>) -> Extensions {
        let mut extensions = Extensions::default();
        let named = |text: &String| (!text.is_empty()).then(|| text.clone());
        extensions.hostname = named(&self.settings.announce_hostname);
        let Some(node) = receiver.map(|index| self.view.node(index)) else { return extensions };
        if node.announces_shard || node.note.is_some() {
            extensions.human_name = named(&self.settings.announce_human_name);
            extensions.shard = Some(self.view.shard_of(self.view.me));
            let seconds = |until: &Time| until.since(now).as_ms().div_ceil(1_000);
            let banned = self.banned.iter().filter(|(_, until)| **until > now);
            extensions.forgotten =
                banned.take(FORGOTTEN_MAX).map(|(id, until)| (*id, seconds(until))).collect();
        }
        extensions
    }

    /// A tenth of the nodes, at random, and all suspects: what is urgent travels with every frame.
    fn gossip(&mut self, now: Now, receiver: Option<u32>) -> Vec<Gossip> {
        let wanted = (self.view.count() / 10).max(GOSSIP_MIN);
        let (mut suspects, mut others) = (Vec::new(), Vec::new());
        for index in self.view.indexes() {
            let node = self.view.node(index);
            if index == self.view.me || node.flags.has_any(Flags::HANDSHAKE.with(Flags::NO_ADDRESS)) {
                continue;
            }
            if node.flags.has(Flags::PFAIL) {
                suspects.push(index);
            } else if Some(index) != receiver && (node.link.is_some() || node.slot_count > 0) {
                others.push(index);
            }
        }
        let wanted = wanted.min(others.len());
        for at in 0..wanted {
            let pick = self.random.between(at as u64, others.len() as u64 - 1) as usize;
            others.swap(at, pick);
        }
        others.truncate(wanted);
        others.extend(suspects);
        others.into_iter().map(|index| gossip_entry(now, self.view.node(index))).collect()
    }
}

fn gossip_entry(now: Now, node: &Node) -> Gossip {
    let seconds = |unix: base::Unix| u32::try_from(unix.as_seconds()).unwrap_or(u32::MAX);
    Gossip {
        id: node.id,
        ping_sent: node.ping_sent.map_or(0, |at| seconds(unix_at(now, at))),
        pong_received: if node.pong_at == base::Time::START {
            0
        } else {
            seconds(unix_at(now, node.pong_at))
        },
        ip: String::from(&node.ip[..node.ip.len().min(bus::IP_BYTES - 1)]),
        port: node.port,
        bus_port: node.bus_port,
        flags: node.flags,
        plain_port: node.plain_port,
    }
}

fn first_of(port: u16, otherwise: u16) -> u16 {
    if port != 0 { port } else { otherwise }
}
