//! Election: how a replica becomes the primary of its shard.
//!
//! ```text
//!   Idle --primary failed--> Waiting --delay over, or provably best--> Asking --majority--> Idle, promoted
//!     ^                         |                                        |
//!     |                         +-- primary is back --> Idle             +-- 2 timeouts --> Resting
//!     +------------------------------------------ 4 timeouts after asking -------------------+
//! ```
//!
//! An election that lost its epoch to another one is repeated soon in a new epoch, when enough voters are left. It is lost
//! when the voters have shown that they know the epoch, and have not voted for us; who is merely slow may still vote, and
//! a vote of the originals for an epoch that we gave up would block their next one for two node timeouts.
//!
//! The originals wait 500 to 1000 ms, and a second more for each sibling that has more data, so that the best replica
//! asks first and all voters have heard of the failure. Here a replica that has no live sibling, or has heard from
//! each since the failure and has the most data (the smaller id among equals), asks at once; and whoever has not voted
//! is asked again in the same epoch, in case that it had not heard of the failure yet. A vote is given once per epoch,
//! so asking again is safe.
//!
//! Invariant: the epoch is durable before a request that carries it leaves (`promise`).

use crate::{Cluster, Turn};
use alloc::format;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::Level;
use wire::bus::{self, Body, Flags, Header, Kind};

/// The originals' fixed delay, and the bound of the random one on top.
const DELAY: Span = Span::ms(500);
/// The originals' delay for each sibling with more data.
const RANK_DELAY: Span = Span::ms(1_000);
/// An election lasts at least so long.
const WINDOW_MIN: Span = Span::ms(2_000);
/// Those who have not voted are asked again after so long: a few round trips and disk writes.
const ASK_AGAIN: Span = Span::ms(200);

/// An election that lost its epoch to another is repeated after so long, and up to so long more at random.
const RETRY: Span = Span::ms(400);
/// A vote comes by another connection than the frame that shows the voter's epoch: it gets so long to arrive.
const VOTE_BEHIND: Span = Span::ms(200);

/// Where the election stands.
#[derive(Debug, Default)]
pub(crate) enum Election {
    #[default]
    Idle,
    Waiting {
        ask_at: Time,
        rank: u64,
    },
    Asking {
        epoch: u64,
        asked_at: Time,
        again_at: Time,
        /// A lost election is not repeated in a new epoch before then.
        retry_at: Time,
        /// Since when it is known to be lost.
        lost_at: Option<Time>,
        /// Who voted for us.
        voters: Vec<u32>,
        is_forced: bool,
    },
    Resting {
        until: Time,
    },
}

impl Election {
    pub(crate) fn reset(&mut self) {
        *self = Election::Idle;
    }

    pub(crate) fn wake_at(&self) -> Time {
        match self {
            Election::Idle => Time::NEVER,
            Election::Waiting { ask_at, .. } => *ask_at,
            Election::Asking { again_at, .. } => *again_at,
            Election::Resting { until } => *until,
        }
    }
}

impl Cluster {
    /// Takes the election as far as it goes now.
    pub(crate) fn step_election(&mut self, turn: &mut Turn<'_>) {
        let is_forced = self.manual.can_start;
        let Some(primary) = self.failed_primary(is_forced) else {
            self.election.reset();
            return;
        };
        let (now, window) = (turn.now.mono, self.election_window());
        // The voters do not hold it for failed: they are asked as in a manual failover.
        let is_urgent = self.primary_lacks_data(primary);
        let is_lost = self.may_ask_anew();
        if let Election::Asking { lost_at, .. } = &mut self.election {
            *lost_at = lost_at.or(Some(now)).filter(|_| is_lost);
        }
        match &self.election {
            Election::Idle | Election::Waiting { .. } | Election::Resting { .. } if is_forced => {
                self.ask_for_votes(turn, true)
            }
            Election::Asking { is_forced: false, .. } if is_forced => self.ask_for_votes(turn, true),
            Election::Idle => self.begin_election(turn, primary),
            Election::Waiting { ask_at, rank } => {
                let (ask_at, rank) = (*ask_at, *rank);
                let new_rank = self.rank(primary);
                if now >= ask_at || self.is_provably_best(primary) {
                    self.ask_for_votes(turn, is_urgent);
                } else if new_rank > rank {
                    let ask_at = ask_at + RANK_DELAY.times(new_rank - rank);
                    self.election = Election::Waiting { ask_at, rank: new_rank };
                }
            }
            Election::Asking { voters, .. } if voters.len() >= self.view.majority() => self.win(turn),
            Election::Asking { asked_at, .. } if now.since(*asked_at) > window => {
                turn.log(Level::Warning, "Failover attempt expired: no majority has voted for this replica.");
                self.election = Election::Resting { until: *asked_at + window.times(2) };
            }
            Election::Asking { retry_at, lost_at: Some(lost_at), .. }
                if now >= (*lost_at + VOTE_BEHIND).max(*retry_at) =>
            {
                self.ask_for_votes(turn, is_forced || is_urgent);
            }
            Election::Asking { again_at, .. } if now >= *again_at => self.ask_again(turn),
            Election::Resting { until } if now >= *until => self.election = Election::Idle,
            Election::Asking { .. } | Election::Resting { .. } => {}
        }
    }

    fn election_window(&self) -> Span {
        self.settings.node_timeout.times(2).max(WINDOW_MIN)
    }

    /// Our primary, if we may try to replace it.
    fn failed_primary(&self, is_forced: bool) -> Option<u32> {
        let me = self.view.me();
        let index = me.primary.filter(|_| !me.is_primary())?;
        let primary = self.view.node(index);
        let is_gone = primary.is_failed() || self.primary_lacks_data(index);
        let is_called_for = is_forced || (is_gone && !self.settings.is_failover_off);
        (is_called_for && primary.slot_count > 0).then_some(index)
    }

    /// True when our primary is of another product and came back without data that we have. (One of our own does not lead
    /// before it knows that it lacks nothing: `probation`.)
    fn primary_lacks_data(&self, primary: u32) -> bool {
        let node = self.view.node(primary);
        self.facts.primary_lacks && node.heard_at > Time::START && node.note.is_none()
    }

    /// True when our primary tells what only a node of our kind does.
    pub fn has_kindred_primary(&self) -> bool {
        self.view.me().primary.is_some_and(|primary| self.view.node(primary).note.is_some())
    }

    /// True when our data is not too old to lead with.
    fn has_fresh_data(&self, now: Time) -> bool {
        let factor = self.settings.validity_factor;
        let timeout = self.settings.node_timeout;
        let Some(heard_at) = self.facts.heard_at else { return factor == 0 };
        let age = now.since(heard_at);
        // The time in which the primary was silent but not yet failed is not the replica's fault.
        let age = if age > timeout { Span(age.0 - timeout.0) } else { age };
        factor == 0 || age <= self.settings.replica_ping_period + timeout.times(factor)
    }

    fn begin_election(&mut self, turn: &mut Turn<'_>, primary: u32) {
        let now = turn.now.mono;
        if !self.has_fresh_data(now) {
            if now >= self.complain_at {
                self.complain_at = now + Span::seconds(10);
                turn.log(
                    Level::Warning,
                    "Currently unable to failover: Disconnected from master for longer than allowed. \
                     Please check the 'cluster-replica-validity-factor' configuration option.",
                );
            }
            return;
        }
        if self.is_provably_best(primary) {
            self.ask_for_votes(turn, self.primary_lacks_data(primary));
            return;
        }
        let rank = self.rank(primary);
        let delay = DELAY + Span::ms(self.random.below(DELAY.as_ms())) + RANK_DELAY.times(rank);
        turn.log(
            Level::Notice,
            format!(
                "Start of election delayed for {} milliseconds (rank #{rank}, offset {}).",
                delay.as_ms(),
                self.facts.offset
            ),
        );
        self.election = Election::Waiting { ask_at: now + delay, rank };
        // The siblings rank themselves by what they know of us.
        self.broadcast_pong(turn, |cluster, index| cluster.is_sibling(primary, index));
    }

    fn is_sibling(&self, primary: u32, index: u32) -> bool {
        let node = self.view.node(index);
        index != self.view.me && !node.is_primary() && node.primary == Some(primary)
    }

    fn live_siblings(&self, primary: u32) -> impl Iterator<Item = u32> {
        let all = self.view.replicas_of(primary).into_iter();
        all.filter(move |&index| {
            let node = self.view.node(index);
            index != self.view.me && !node.is_failed() && !node.flags.has(Flags::NO_FAILOVER)
        })
    }

    /// How many siblings have more data.
    fn rank(&self, primary: u32) -> u64 {
        let mine = self.facts.offset;
        self.live_siblings(primary).filter(|&index| self.view.node(index).offset > mine).count() as u64
    }

    /// True when the originals' delay has no use: nobody can be better, and no other shard elects before us.
    ///
    /// Two elections at one time take the votes of one epoch from each other, and a voter rests after each vote. So where
    /// several primaries have failed, only the shard of the one with the smallest id goes at once.
    fn is_provably_best(&self, primary: u32) -> bool {
        let id = self.view.node(primary).id;
        let is_first = |node: &crate::view::Node| !node.is_failed() || !node.is_voter() || node.id >= id;
        if !self.view.nodes.iter().all(|(_, node)| is_first(node)) {
            return false;
        }
        let failed_at = self.view.node(primary).failed_at;
        let (my_offset, my_id) = (self.facts.offset, self.view.me().id);
        self.live_siblings(primary).all(|index| {
            let node = self.view.node(index);
            let is_behind = node.offset < my_offset || (node.offset == my_offset && my_id < node.id);
            node.heard_at > failed_at && is_behind
        })
    }

    fn ask_for_votes(&mut self, turn: &mut Turn<'_>, is_forced: bool) {
        let now = turn.now.mono;
        self.view.current_epoch = self.view.current_epoch.saturating_add(1);
        let epoch = self.view.current_epoch;
        turn.log(Level::Warning, format!("Starting a failover election for epoch {epoch}."));
        self.election = Election::Asking {
            epoch,
            asked_at: now,
            again_at: now + ASK_AGAIN,
            retry_at: now + RETRY + Span::us(self.random.below(RETRY.as_us())),
            lost_at: None,
            voters: Vec::new(),
            is_forced,
        };
        self.needs_save = true;
        self.promise(turn);
        self.broadcast(turn, Body::AuthRequest, if is_forced { bus::FORCE_ACK } else { 0 });
        // The answer shows that the request was read, whatever came of it.
        for index in self.view.indexes() {
            if self.view.node(index).is_voter()
                && let Some(conn) = self.standing_link(index)
            {
                self.send_ping(turn, conn, Kind::Ping);
            }
        }
    }

    /// True when a new epoch can be won although this one was not: a majority is in reach that knows of this epoch and has
    /// not voted for us. (A voter of the originals that has voted for us rests for two node timeouts.)
    fn may_ask_anew(&self) -> bool {
        let Election::Asking { epoch, voters, .. } = &self.election else { return false };
        let is_free = |index: u32, node: &crate::view::Node| {
            node.is_voter()
                && !node.is_suspected_or_failed()
                && node.link.is_some()
                && node.epoch_told >= *epoch
                && !voters.contains(&index)
        };
        self.view.nodes.iter().filter(|(index, node)| is_free(*index, node)).count() >= self.view.majority()
    }

    fn ask_again(&mut self, turn: &mut Turn<'_>) {
        let Election::Asking { epoch, again_at, voters, is_forced, .. } = &mut self.election else { return };
        *again_at = turn.now.mono + ASK_AGAIN;
        if *epoch != self.view.current_epoch {
            // The header carries the current epoch: another election has begun, this one can not be asked for any more.
            return;
        }
        let (voters, flags) = (voters.clone(), if *is_forced { bus::FORCE_ACK } else { 0 });
        let bytes = self.frame(Body::AuthRequest, flags);
        for index in self.view.indexes() {
            if self.view.node(index).is_voter()
                && !voters.contains(&index)
                && let Some(conn) = self.standing_link(index)
            {
                self.send(turn, conn, Kind::AuthRequest, bytes.clone());
            }
        }
    }

    pub(crate) fn on_auth_ack(&mut self, turn: &mut Turn<'_>, sender: u32, header: &Header) {
        let is_voter = self.view.node(sender).is_voter();
        let majority = self.view.majority();
        let Election::Asking { epoch, voters, .. } = &mut self.election else { return };
        if is_voter && header.current_epoch >= *epoch && !voters.contains(&sender) {
            voters.push(sender);
            if voters.len() >= majority {
                self.win(turn);
            }
        }
    }

    fn win(&mut self, turn: &mut Turn<'_>) {
        let Election::Asking { epoch, .. } = self.election else { return };
        turn.log(
            Level::Warning,
            format!("Failover election won: I'm the new master. configEpoch set to {epoch}"),
        );
        let me = self.view.me_mut();
        me.config_epoch = me.config_epoch.max(epoch);
        self.abstain();
        self.replace_primary(turn);
    }

    /// Votes for nobody in the current epoch any more.
    ///
    /// An epoch of our own is not to be another's as well. And who has just replaced a primary has its seat among the
    /// voters: that one may have voted in this epoch, and a seat that votes twice makes two winners of one epoch.
    /// (The originals do not see that.)
    pub(crate) fn abstain(&mut self) {
        self.view.last_vote_epoch = self.view.last_vote_epoch.max(self.view.current_epoch);
    }

    /// Takes the place and the slots of our primary, and tells everybody.
    pub(crate) fn replace_primary(&mut self, turn: &mut Turn<'_>) {
        let me = self.view.me;
        let Some(old) = self.view.me().primary.filter(|_| !self.view.me().is_primary()) else { return };
        self.make_primary(me);
        let slots: Vec<u16> = self.view.claims_of(old).iter().collect();
        slots.into_iter().for_each(|slot| self.view.set_owner(slot, Some(me)));
        // The moves of our primary are ours now, as far as they are about these slots.
        let view = &mut self.view;
        let mine: Vec<u16> = view.me().slots.iter().collect();
        view.migrating.retain(|slot, _| mine.binary_search(slot).is_ok());
        view.importing.retain(|slot, source| mine.binary_search(slot).is_err() && *source != me);
        self.election.reset();
        self.reset_manual(turn);
        self.mark_changed();
        self.update_state(turn);
        self.promise(turn);
        self.broadcast_pong(turn, |_, _| true);
    }
}
