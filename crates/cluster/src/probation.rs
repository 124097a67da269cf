//! Probation: a primary that starts does not lead before it knows that no replica has data that it lacks.
//!
//! Both originals lose the shard here: an empty primary that restarts within the node timeout makes its replicas
//! synchronise from nothing. A redan primary that owned slots and has replicas starts on probation: it serves no slot
//! and refuses PSYNC, and its notes ask for the replicas' data offsets (the end of the last real write).
//!
//! ```text
//!   a replica is ahead ----------------------------> it is asked to take over, until it does; then we follow it
//!   all that can be reached have answered, none is --> serve
//!   no answer for a node timeout -------------------> serve what there is, and say so
//! ```
//!
//! Replicas of other products tell no data offset, and no message of the originals' bus makes one take over from a
//! primary that is alive. So a primary that lacks something of what such a replica has (by the replication offset of its
//! frames) is silent on the bus until the others hold it for failed and elect the replica. Its votes still go out.

use crate::{Cluster, Turn};
use alloc::format;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::Level;
use wire::bus::{self, Body, Extensions, Frame, Kind};

/// After the first replica that is ahead answered, the others get so long to be further ahead.
const GRACE: Span = Span::ms(100);
/// Elections at one time take votes from each other: a primary waits so long for each other one that is on probation.
const STAGGER: Span = Span::ms(200);
/// A hand-over that has no effect is asked for again after so long.
const ASK_AGAIN: Span = Span::ms(100);

/// The silence ends after so many node timeouts, and so long: a failure is found within two, an election of the
/// originals waits for up to a second and may have to be repeated.
const SILENCE_TIMEOUTS: u64 = 5;
const SILENCE: Span = Span::seconds(5);

/// A primary that does not lead yet.
#[derive(Debug)]
pub(crate) struct Probation {
    /// None before the first turn.
    since: Option<Time>,
    ahead_since: Option<Time>,
    asked_at: Option<Time>,
    handed_to: Option<u32>,
    /// Since when we say nothing, so that a replica of another product is elected.
    silent_since: Option<Time>,
}

impl Probation {
    pub(crate) fn new() -> Probation {
        Probation { since: None, ahead_since: None, asked_at: None, handed_to: None, silent_since: None }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }

    pub(crate) fn forget(&mut self, index: u32) {
        if self.handed_to == Some(index) {
            self.handed_to = None;
        }
    }
}

impl Cluster {
    pub(crate) fn step_probation(&mut self, turn: &mut Turn<'_>) {
        let (now, mine) = (turn.now.mono, self.facts.data_offset);
        let Some(probation) = &mut self.probation else { return };
        let since = *probation.since.get_or_insert(now);
        let is_late = now.since(since) >= self.settings.node_timeout;
        let replicas = self.view.replicas_of(self.view.me);
        let note = |index: &u32| self.view.node(*index).note.map(|(note, _)| note.data_offset);
        let answers: Vec<(u64, u32)> =
            replicas.iter().filter_map(|index| Some((note(index)?, *index))).collect();
        let is_unheard = |index: &u32| {
            let node = self.view.node(*index);
            node.heard_at == Time::START && !node.is_refusing
        };
        let is_waiting = replicas.iter().any(is_unheard);
        if let Some((offset, foreign)) = self.foreign_ahead(&replicas) {
            return self.be_silent(turn, foreign, offset);
        }
        let Some(probation) = &mut self.probation else { return };
        probation.silent_since = None;
        let has_heard_some = replicas.iter().any(|index| self.view.node(*index).heard_at > Time::START);
        let best = answers.iter().filter(|(offset, _)| *offset > mine).max();
        match best {
            Some(&(offset, best)) => {
                let ahead_since = *probation.ahead_since.get_or_insert(now);
                let patience = GRACE + STAGGER.times(self.probation_rank());
                let is_clear = !is_waiting && patience == GRACE && self.has_heard_voters();
                if is_clear || now.since(ahead_since) >= patience {
                    self.hand_over(turn, best, offset);
                }
            }
            None if replicas.is_empty() => self.end_probation(turn, Level::Notice, "no replica is left"),
            None if has_heard_some && (!is_waiting || is_late) => {
                self.end_probation(turn, Level::Notice, "no replica has data that this primary lacks");
            }
            None if is_late => self.end_probation(
                turn,
                Level::Warning,
                "NO REPLICA TOLD ITS DATA OFFSET within cluster-node-timeout: serving what was loaded. \
                 Writes that only a replica holds are lost",
            ),
            None => {}
        }
    }

    /// The replica of another product that has more data than we and all others have, and its offset.
    fn foreign_ahead(&self, replicas: &[u32]) -> Option<(u64, u32)> {
        let heard = replicas.iter().filter(|index| self.view.node(**index).heard_at > Time::START);
        let (offset, index) = heard.map(|index| (self.view.node(*index).offset, *index)).max()?;
        (offset > self.facts.offset && self.view.node(index).note.is_none()).then_some((offset, index))
    }

    /// Waits in silence for the election of a replica of another product; not for ever.
    fn be_silent(&mut self, turn: &mut Turn<'_>, foreign: u32, offset: u64) {
        let now = turn.now.mono;
        let Some(probation) = &mut self.probation else { return };
        let is_new = probation.silent_since.is_none();
        let since = *probation.silent_since.get_or_insert(now);
        if is_new {
            let (id, mine) = (self.view.node(foreign).id, self.facts.offset);
            let text = format!(
                "Replica {id} has data that this primary lacks (offset {offset} there, {mine} here): silent until it is elected."
            );
            turn.log(Level::Warning, text);
        } else if now.since(since) > self.settings.node_timeout.times(SILENCE_TIMEOUTS) + SILENCE {
            self.end_probation(
                turn,
                Level::Warning,
                "NO REPLICA WAS ELECTED although one is ahead: serving what was loaded. \
                 Writes that only a replica holds are lost",
            );
        }
    }

    /// Every other primary that votes has been heard, or can not be reached.
    fn has_heard_voters(&self) -> bool {
        self.view.nodes.iter().all(|(index, node)| {
            let is_heard = node.heard_at > Time::START || node.is_refusing;
            index == self.view.me || !node.is_voter() || is_heard
        })
    }

    /// How many primaries with smaller ids are on probation: their elections come first.
    fn probation_rank(&self) -> u64 {
        let mine = self.view.me().id;
        let is_before = |node: &crate::view::Node| {
            node.is_primary() && node.id < mine && node.note.is_some_and(|(note, _)| note.is_on_probation)
        };
        self.view.nodes.iter().filter(|(_, node)| is_before(node)).count() as u64
    }

    fn end_probation(&mut self, turn: &mut Turn<'_>, level: Level, why: &str) {
        turn.log(level, format!("Leading again: {why} (data offset {}).", self.facts.data_offset));
        self.probation = None;
        self.state_dirty = true;
        self.routes_changed = true;
    }

    fn hand_over(&mut self, turn: &mut Turn<'_>, best: u32, offset: u64) {
        let now = turn.now.mono;
        let Some(probation) = &mut self.probation else { return };
        if probation.asked_at.is_some_and(|at| now.since(at) < ASK_AGAIN) {
            return;
        }
        probation.asked_at = Some(now);
        let is_new = probation.handed_to.replace(best) != Some(best);
        if is_new {
            let (id, mine) = (self.view.node(best).id, self.facts.data_offset);
            let text = format!(
                "Replica {id} has data that this primary lacks (data offset {offset} there, {mine} here): handing over to it."
            );
            turn.log(Level::Warning, text);
        }
        let Some(conn) = self.standing_link(best) else { return };
        let mut header = self.header(0);
        if let Some(note) = &mut header.note {
            note.is_handing_over = true;
        }
        let body = Body::Gossip { kind: Kind::Ping, entries: Vec::new(), extensions: Extensions::default() };
        let mut bytes = Vec::with_capacity(bus::HEADER_BYTES);
        Frame { header, body }.encode(&mut bytes);
        self.send(turn, conn, Kind::Ping, bytes);
    }
}
