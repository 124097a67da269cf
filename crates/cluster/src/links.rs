//! Links: the connections of the bus. Each node keeps one to every other, and has one from every other.

use crate::event::Act;
use crate::{Cluster, Turn};
use alloc::vec::Vec;
use base::{Id, Time};
use core::net::IpAddr;
use machine::{Address, Chunk, ConnId, Dialer, Level, Peer};
use wire::bus::{Flags, Kind};

/// Inbound links held at most; more are closed at once.
const INBOUND_MAX: usize = 20_000;

/// Bytes of messages that wait for one link at most; what is more is lost, as without a link.
const WAITING_MAX: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub created_at: Time,
    /// Outbound: the node that we dialled. Inbound: the node that its frames name.
    pub node: Option<u32>,
    pub is_inbound: bool,
    /// Who the last frame with a whole header said it is from.
    pub speaker: Option<Id>,
    /// An outbound link that does not stand yet.
    pub is_connecting: bool,
    /// A ping has gone out over it.
    pub has_pinged: bool,
    /// The other end's address and ours.
    pub remote_ip: Option<IpAddr>,
    pub local_ip: Option<IpAddr>,
    /// Bytes that the world could not send yet.
    pub unsent_bytes: u64,
    /// Messages of clients that go out as soon as the link stands, and how many bytes they have.
    pub waiting: Vec<(Kind, Chunk)>,
    pub waiting_bytes: usize,
}

impl Cluster {
    pub(crate) fn on_accepted(&mut self, turn: &mut Turn<'_>, conn: ConnId, peer: &Peer) {
        if self.links.values().filter(|link| link.is_inbound).count() >= INBOUND_MAX {
            turn.acts.push(Act::Close { conn });
            return;
        }
        let link = Link {
            created_at: turn.now.mono,
            node: None,
            is_inbound: true,
            speaker: None,
            is_connecting: false,
            has_pinged: false,
            remote_ip: ip_of(&peer.remote),
            local_ip: ip_of(&peer.local),
            unsent_bytes: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
        };
        self.links.insert(conn, link);
    }

    pub(crate) fn on_connected(&mut self, turn: &mut Turn<'_>, conn: ConnId, result: Result<&Peer, &str>) {
        let Some(link) = self.links.get_mut(&conn) else {
            // The node was forgotten while the connection was made.
            if result.is_ok() {
                turn.acts.push(Act::Close { conn });
            }
            return;
        };
        let Some(index) = link.node else { return };
        match result {
            Ok(peer) => {
                link.is_connecting = false;
                let waiting = core::mem::take(&mut link.waiting);
                link.remote_ip = ip_of(&peer.remote);
                link.local_ip = ip_of(&peer.local);
                let node = self.view.node_mut(index);
                node.is_refusing = false;
                let kind = if node.flags.has(Flags::MEET) { Kind::Meet } else { Kind::Ping };
                node.flags.clear(Flags::MEET);
                // First: the other end takes messages only from a link whose sender it knows.
                self.send_ping(turn, conn, kind);
                for (kind, chunk) in waiting {
                    self.send(turn, conn, kind, chunk);
                }
            }
            Err(_) => {
                self.links.remove(&conn);
                let node = self.view.node_mut(index);
                node.is_refusing = true;
                self.link_broke(turn.now.mono, conn, index);
            }
        }
    }

    pub(crate) fn on_closed(&mut self, now: Time, conn: ConnId) {
        if let Some(link) = self.links.remove(&conn)
            && let Some(index) = link.node
        {
            self.link_broke(now, conn, index);
        }
    }

    /// A link whose receiver is too slow is closed (`cluster-link-sendbuf-limit`): it starts afresh.
    pub(crate) fn on_unsent(&mut self, turn: &mut Turn<'_>, conn: ConnId, bytes: u64) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.unsent_bytes = bytes;
        let limit = self.settings.link_unsent_bytes_max;
        if limit != 0 && bytes > limit {
            self.links_over_limit += 1;
            turn.log(Level::Warning, "Freeing outbound cluster link: it is over cluster-link-sendbuf-limit.");
            self.close_link(turn, conn);
        }
    }

    /// A broken link counts as a ping sent now: silence is measured from here.
    fn link_broke(&mut self, now: Time, conn: ConnId, index: u32) {
        let Some(node) = self.view.nodes.at_mut(index) else { return };
        if node.inbound == Some(conn) {
            node.inbound = None;
        }
        if node.link == Some(conn) {
            node.link = None;
            node.ping_sent = node.ping_sent.or(Some(now));
        }
    }

    /// Closes a link from our side.
    pub(crate) fn close_link(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        turn.acts.push(Act::Close { conn });
        if let Some(link) = self.links.remove(&conn)
            && let Some(node) = link.node.and_then(|index| self.view.nodes.at_mut(index))
        {
            if node.link == Some(conn) {
                node.link = None;
            }
            if node.inbound == Some(conn) {
                node.inbound = None;
            }
        }
    }

    /// Closes both links of a node.
    pub(crate) fn close_links_of(&mut self, turn: &mut Turn<'_>, index: u32) {
        let conns: Vec<ConnId> =
            self.links.iter().filter(|(_, link)| link.node == Some(index)).map(|(conn, _)| *conn).collect();
        conns.into_iter().for_each(|conn| self.close_link(turn, conn));
    }

    /// Dials every node without a link; gives up attempts that hang.
    pub(crate) fn dial_all(&mut self, turn: &mut Turn<'_>, dialer: &mut Dialer) {
        let now = turn.now.mono;
        let patience = self.settings.node_timeout;
        for index in self.view.indexes() {
            let node = self.view.node(index);
            if index == self.view.me || node.flags.has(Flags::NO_ADDRESS) {
                continue;
            }
            if let Some(conn) = node.link {
                let is_hanging = self
                    .links
                    .get(&conn)
                    .is_some_and(|link| link.is_connecting && now.since(link.created_at) > patience);
                if is_hanging {
                    self.close_link(turn, conn);
                    let node = self.view.node_mut(index);
                    node.is_refusing = true;
                    node.ping_sent = node.ping_sent.or(Some(now));
                }
                continue;
            }
            let Some(to) = bus_address(&node.ip, node.bus_port) else { continue };
            let conn = dialer.dial();
            self.view.node_mut(index).link = Some(conn);
            let link = Link {
                created_at: now,
                node: Some(index),
                is_inbound: false,
                speaker: None,
                is_connecting: true,
                has_pinged: false,
                remote_ip: None,
                local_ip: None,
                unsent_bytes: 0,
                waiting: Vec::new(),
                waiting_bytes: 0,
            };
            self.links.insert(conn, link);
            turn.acts.push(Act::Connect { conn, to });
        }
    }

    /// Sends a client's message to a node; one whose link is being made gets it when the link stands.
    pub(crate) fn pass_on(&mut self, turn: &mut Turn<'_>, index: u32, kind: Kind, chunk: Chunk) {
        let Some(conn) = self.view.node(index).link else { return };
        match self.links.get_mut(&conn) {
            Some(link) if link.is_connecting && link.waiting_bytes + chunk.len() <= WAITING_MAX => {
                link.waiting_bytes += chunk.len();
                link.waiting.push((kind, chunk));
            }
            _ => {
                self.send(turn, conn, kind, chunk);
            }
        }
    }

    /// The standing link to a node, if there is one.
    pub(crate) fn standing_link(&self, index: u32) -> Option<ConnId> {
        let conn = self.view.node(index).link?;
        self.links.get(&conn).filter(|link| !link.is_connecting).map(|_| conn)
    }
}

fn bus_address(ip: &str, port: u16) -> Option<Address> {
    if ip.is_empty() || port == 0 {
        return None;
    }
    Some(match ip.parse() {
        Ok(ip) => Address::Inet(ip, port),
        Err(_) => Address::Name(ip.into(), port),
    })
}

fn ip_of(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Inet(ip, _) => Some(ip.to_canonical()),
        Address::Name(..) | Address::Unix(_) => None,
    }
}
