//! Failure detector: who is silent (PFAIL, one node's view), and who has failed (FAIL, a majority's view).
//!
//! ```text
//!   silent for node_timeout --> PFAIL --majority of primaries says so within 2 * node_timeout--> FAIL --> told to all
//!         ^                       |                                                               |
//!         +------ it answers -----+------------- it answers, and clearing is allowed -------------+
//! ```
//!
//! A new suspicion is told to all primaries at once, so that agreement takes one trip and not one round of gossip.

use crate::view::{Node, mono_at};
use crate::{Cluster, Turn};
use alloc::format;
use alloc::vec::Vec;
use base::{Id, Span, Time, Unix};
use machine::{ConnId, Level};
use wire::bus::{Body, Flags, Gossip, Kind};

/// Reports older than so many node timeouts do not count.
const REPORT_AGE_TIMEOUTS: u64 = 2;
/// A failed primary with slots is trusted again after so many node timeouts without a successor.
const UNDO_TIMEOUTS: u64 = 2;
/// Random nodes looked at in each interval; the one that was silent longest is pinged.
const RANDOM_PINGS_OF: u64 = 5;

impl Cluster {
    /// Pings whom it is time to ping, and suspects whom it is time to suspect.
    pub(crate) fn watch(&mut self, turn: &mut Turn<'_>) {
        if turn.now.mono >= self.random_ping_at {
            self.random_ping_at = turn.now.mono + self.settings.ping_interval;
            self.ping_a_random_node(turn);
        }
        let mut has_new_suspect = false;
        for index in self.view.indexes() {
            let node = self.view.node(index);
            if index == self.view.me || node.flags.has_any(Flags::HANDSHAKE.with(Flags::NO_ADDRESS)) {
                continue;
            }
            self.ping_if_due(turn, index);
            has_new_suspect |= self.suspect_if_silent(turn, index);
        }
        if has_new_suspect {
            self.broadcast_pong(turn, |cluster, index| cluster.view.node(index).is_primary());
        }
    }

    fn ping_a_random_node(&mut self, turn: &mut Turn<'_>) {
        let indexes = self.view.indexes();
        let picks = (0..RANDOM_PINGS_OF).map(|_| indexes[self.random.below(indexes.len() as u64) as usize]);
        let picks: Vec<u32> = picks.collect();
        let is_free = |index: &u32| {
            let node = self.view.node(*index);
            *index != self.view.me && !node.is_in_handshake() && node.ping_sent.is_none()
        };
        let oldest = picks.into_iter().filter(is_free).min_by_key(|index| self.view.node(*index).pong_at);
        if let Some(conn) = oldest.and_then(|index| self.standing_link(index)) {
            self.send_ping(turn, conn, Kind::Ping);
        }
    }

    fn ping_if_due(&mut self, turn: &mut Turn<'_>, index: u32) {
        let now = turn.now.mono;
        let half = Span(self.settings.node_timeout.0 / 2);
        let Some(conn) = self.standing_link(index) else { return };
        let node = self.view.node(index);
        let has_pinged = self.links.get(&conn).is_some_and(|link| link.has_pinged);
        if let Some(sent) = node.ping_sent.filter(|_| has_pinged) {
            // No word for half the timeout: perhaps the connection is dead and not the node. Once per timeout.
            // What comes over its own connection to us tells nothing about ours: a whole timeout is enough in any case.
            let is_silent = now.since(node.heard_at) > half || now.since(sent) > self.settings.node_timeout;
            let is_stale = now.since(sent) > half && is_silent;
            if is_stale && self.is_older_link(conn, now) {
                self.close_link(turn, conn);
                self.hurry = true;
            }
            return;
        }
        let is_due = !has_pinged || now.since(node.pong_at) > half || self.manual.wants_pings_to(index);
        // A primary on probation waits for its replicas' answers alone: it asks at every tick.
        let is_wanted = self.probation.is_some() && self.view.primary_of(index) == self.view.me;
        if is_due || is_wanted {
            self.send_ping(turn, conn, Kind::Ping);
        }
    }

    fn is_older_link(&self, conn: ConnId, now: Time) -> bool {
        self.links.get(&conn).is_some_and(|link| now.since(link.created_at) > self.settings.node_timeout)
    }

    /// Marks a node that is silent for the node timeout; true when that is new.
    ///
    /// Silent means: a ping is open for that long; or the last sign of life is that old and a ping is open for half of it.
    /// A node whose address refuses connections is not slow but gone: three quarters of the timeout are enough.
    fn suspect_if_silent(&mut self, turn: &mut Turn<'_>, index: u32) -> bool {
        let (now, timeout) = (turn.now.mono, self.settings.node_timeout);
        let node = self.view.node(index);
        let Some(sent) = node.ping_sent else { return false };
        let heard = node.heard_at.max(node.pong_at);
        let open = now.since(sent.max(node.heard_at));
        let is_silent = open > timeout
            || (now.since(heard) > timeout && open.0 >= timeout.0 / 2)
            || (node.is_refusing && open.0 >= timeout.0 / 4 * 3);
        if !is_silent || node.is_suspected_or_failed() {
            return false;
        }
        turn.log(Level::Debug, format!("*** NODE {} possibly failing", node.id));
        self.view.node_mut(index).flags.set(Flags::PFAIL);
        self.mark_changed();
        self.agree_on_failure(turn, index);
        true
    }

    /// What another node tells of third ones.
    pub(crate) fn take_gossip(&mut self, turn: &mut Turn<'_>, sender: u32, entries: &[Gossip]) {
        for entry in entries {
            match self.view.find(entry.id) {
                Some(index) if index == self.view.me => {}
                Some(index) => self.take_gossip_of_known(turn, sender, index, entry),
                None => self.take_gossip_of_stranger(turn, entry),
            }
        }
    }

    fn take_gossip_of_known(&mut self, turn: &mut Turn<'_>, sender: u32, index: u32, entry: &Gossip) {
        let now = turn.now;
        let says_bad = entry.flags.has_any(Flags::FAIL.with(Flags::PFAIL));
        if self.view.node(sender).is_primary() && index != sender {
            self.report(turn, sender, index, says_bad);
        }
        let reports = self.report_count(now.mono, index);
        let node = self.view.node_mut(index);
        let is_well = !node.is_suspected_or_failed() && node.ping_sent.is_none() && reports == 0;
        if !says_bad && is_well && entry.pong_received > 0 {
            let unix = Unix::from_ms(u64::from(entry.pong_received).saturating_mul(1_000));
            // A clock that is ahead tells nothing.
            if unix.0 <= now.unix.0.saturating_add(500_000) {
                node.pong_at = node.pong_at.max(mono_at(now, unix));
            }
        }
        let node = self.view.node(index);
        let address = (entry.ip.as_str(), entry.port, entry.bus_port);
        let has_moved = address != (node.ip.as_str(), node.port, node.bus_port);
        let is_usable = !says_bad && !entry.flags.has(Flags::NO_ADDRESS) && !entry.ip.is_empty();
        if node.is_suspected_or_failed() && is_usable && has_moved {
            self.close_links_of(turn, index);
            let node = self.view.node_mut(index);
            node.ip.clone_from(&entry.ip);
            (node.port, node.plain_port, node.bus_port) = (entry.port, entry.plain_port, entry.bus_port);
            node.flags.clear(Flags::NO_ADDRESS);
            self.mark_changed();
            self.hurry = true;
        }
    }

    /// A node that a member vouches for: it is taken in under the id that the member knows.
    fn take_gossip_of_stranger(&mut self, turn: &mut Turn<'_>, entry: &Gossip) {
        let is_banned = self.banned.get(&entry.id).is_some_and(|until| turn.now.mono < *until);
        let is_usable =
            !entry.flags.has_any(Flags::NO_ADDRESS.with(Flags::HANDSHAKE)) && !entry.ip.is_empty();
        if is_banned || !is_usable || self.view.count() >= crate::view::NODES_MAX {
            return;
        }
        // Its failure, if any, is for our own detector to find.
        let told = Flags::PRIMARY.with(Flags::REPLICA).with(Flags::NO_FAILOVER);
        let mut node = Node::new(entry.id, Flags(entry.flags.0 & told.0), turn.now.mono);
        node.ip.clone_from(&entry.ip);
        (node.port, node.plain_port, node.bus_port) = (entry.port, entry.plain_port, entry.bus_port);
        self.view.add(node);
        self.mark_changed();
        self.hurry = true;
    }

    fn report(&mut self, turn: &mut Turn<'_>, reporter: u32, index: u32, says_bad: bool) {
        let now = turn.now.mono;
        let node = self.view.node_mut(index);
        let before = node.reports.iter_mut().find(|(by, _)| *by == reporter);
        match (before, says_bad) {
            (Some(report), true) => report.1 = now,
            (Some(_), false) => node.reports.retain(|(by, _)| *by != reporter),
            (None, true) => {
                let id = node.id;
                node.reports.push((reporter, now));
                let by = self.view.node(reporter).id;
                turn.log(Level::Verbose, format!("Node {by} reported node {id} as not reachable."));
            }
            (None, false) => {}
        }
        if says_bad {
            self.agree_on_failure(turn, index);
        }
    }

    /// Reports of other primaries that are young enough to count.
    pub(crate) fn report_count(&mut self, now: Time, index: u32) -> usize {
        let age_max = self.settings.node_timeout.times(REPORT_AGE_TIMEOUTS);
        let reports = &mut self.view.node_mut(index).reports;
        reports.retain(|(_, at)| now.since(*at) <= age_max);
        reports.len()
    }

    /// A suspect that a majority suspects has failed: all are told.
    fn agree_on_failure(&mut self, turn: &mut Turn<'_>, index: u32) {
        let node = self.view.node(index);
        if !node.flags.has(Flags::PFAIL) || node.is_failed() {
            return;
        }
        let mine = usize::from(self.view.me().is_primary());
        if self.report_count(turn.now.mono, index) + mine < self.view.majority() {
            return;
        }
        let id = self.view.node(index).id;
        turn.log(Level::Notice, format!("Marking node {id} as failing (quorum reached)."));
        self.mark_failed(turn.now.mono, index);
        self.broadcast(turn, Body::Fail(id), 0);
    }

    pub(crate) fn on_fail(&mut self, turn: &mut Turn<'_>, sender: u32, id: Id) {
        let Some(index) = self.view.find(id) else { return };
        if index == self.view.me || self.view.node(index).is_failed() {
            return;
        }
        let by = self.view.node(sender).id;
        turn.log(Level::Notice, format!("FAIL message received from {by} about {id}"));
        self.mark_failed(turn.now.mono, index);
    }

    fn mark_failed(&mut self, now: Time, index: u32) {
        let node = self.view.node_mut(index);
        node.flags = node.flags.without(Flags::PFAIL).with(Flags::FAIL);
        node.failed_at = now;
        self.mark_changed();
    }

    /// A node has answered us: it is not silent, and perhaps not failed any more.
    pub(crate) fn hear_life(&mut self, turn: &mut Turn<'_>, index: u32) {
        let undo_age = self.settings.node_timeout.times(UNDO_TIMEOUTS);
        let node = self.view.node_mut(index);
        if node.flags.has(Flags::PFAIL) {
            node.flags.clear(Flags::PFAIL);
            self.mark_changed();
        } else if node.is_failed() {
            // A primary with slots must give its replicas the time to take over before it counts again.
            let is_harmless = !node.is_primary() || node.slot_count == 0;
            if is_harmless || turn.now.mono.since(node.failed_at) > undo_age {
                node.flags.clear(Flags::FAIL);
                let id = node.id;
                turn.log(Level::Notice, format!("Clear FAIL state for node {id}: is reachable again."));
                self.mark_changed();
            }
        }
    }
}
