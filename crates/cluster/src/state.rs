//! State: whether the cluster is ok in this node's view.
//!
//! It is not when slots have no owner or a failed one (and full coverage is required), when a majority of primaries is
//! out of reach, and on a primary that may have been replaced while it was away:
//!
//! - after a start the originals wait 2 s. Here a primary serves as soon as a majority of primaries has answered its
//!   pings without correcting its claims; a node that would correct us does so before it answers. If one of them knows
//!   an epoch that we did not know, an election has been held meanwhile, and the 2 s stay.
//! - after a time in the minority it waits for the node timeout (0.5 s to 5 s), as the originals.

use crate::{Cluster, Turn};
use base::{Span, Time};
use machine::Level;
use wire::bus::Flags;

/// The originals' wait after a start.
const START_DELAY: Span = Span::ms(2_000);
/// Bounds of the wait after a time in the minority.
const REJOIN_MIN: Span = Span::ms(500);
const REJOIN_MAX: Span = Span::ms(5_000);

/// The cluster's state.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub is_ok: bool,
    started_at: Option<Time>,
    /// When we were last in the minority.
    minority_at: Option<Time>,
    /// A node that answered us knew a greater epoch than our nodes.conf.
    pub saw_newer_epoch: bool,
}

impl Cluster {
    pub(crate) fn update_state(&mut self, turn: &mut Turn<'_>) {
        self.state_dirty = false;
        let now = turn.now.mono;
        let started_at = *self.state.started_at.get_or_insert(now);
        let is_primary = self.view.me().is_primary();
        let is_early = now.since(started_at) < START_DELAY;
        let has_majority = self.reachable() >= self.view.majority();
        // Without any primary with slots, as before the first ADDSLOTS, there is no majority to be cut off from.
        if !has_majority && self.view.size() > 0 {
            self.state.minority_at = Some(now);
        }
        if is_primary && !self.state.is_ok && is_early && !self.is_confirmed() {
            return;
        }
        let is_covered = !self.settings.needs_full_coverage || self.is_covered();
        let is_ok = has_majority && is_covered && self.probation.is_none();
        if is_ok == self.state.is_ok {
            return;
        }
        let rejoin = self.settings.node_timeout.max(REJOIN_MIN).min(REJOIN_MAX);
        let was_away = self.state.minority_at.is_some_and(|at| now.since(at) < rejoin);
        if is_ok && is_primary && was_away {
            return;
        }
        self.state.is_ok = is_ok;
        self.routes_changed = true;
        turn.log(
            Level::Warning,
            if is_ok { "Cluster state changed: ok" } else { "Cluster state changed: fail" },
        );
    }

    /// Primaries with slots that are not suspected.
    fn reachable(&self) -> usize {
        let nodes = self.view.nodes.iter();
        nodes.filter(|(_, node)| node.is_voter() && !node.is_suspected_or_failed()).count()
    }

    fn is_covered(&self) -> bool {
        (0..wire::bus::SlotSet::SLOTS).all(|slot| {
            self.view.owner(slot).is_some_and(|owner| !self.view.node(owner).flags.has(Flags::FAIL))
        })
    }

    /// A majority of primaries, ourselves included, holds our claims for right.
    fn is_confirmed(&self) -> bool {
        let agrees = |index: u32| index == self.view.me || self.view.node(index).has_agreed;
        let count = self.view.nodes.iter().filter(|(index, node)| node.is_voter() && agrees(*index)).count();
        !self.state.saw_newer_epoch && count >= self.view.majority()
    }
}
