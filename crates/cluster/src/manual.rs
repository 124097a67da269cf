//! Manual failover: the operator has a replica take over, without losing a write.
//!
//! ```text
//!   replica                                   primary
//!     |-- ManualStart ------------------------->|  pauses its clients
//!     |<-- ping with PAUSED and its offset -----|
//!     |   (applies the stream up to the offset)
//!     |-- AuthRequest with FORCE_ACK --> all      wins, announces, the old primary follows
//! ```
//!
//! FORCE skips the first two steps; TAKEOVER skips the vote as well. The same machinery serves a primary on probation
//! that hands over to a replica with more data.

use crate::event::Act;
use crate::{Cluster, Turn};
use alloc::format;
use base::{Span, Time};
use machine::Level;
use wire::bus::{self, Body, Header, Kind, Note};

/// A manual failover that takes longer is given up.
const PATIENCE: Span = Span::seconds(5);
/// The primary's clients are paused at most so long.
const PAUSE: Span = Span::seconds(10);

/// A primary that has not said that it has paused is asked again after so long: the link may only just have come up, or
/// the primary may not have known yet whose replica asked.
const ASK_AGAIN: Span = Span::ms(300);

/// A manual failover in progress, on either side.
#[derive(Debug, Default)]
pub(crate) struct Manual {
    /// When it is given up; none when there is none.
    until: Option<Time>,
    /// On the primary: the replica that takes over.
    replica: Option<u32>,
    /// On the replica: the offset at which the primary paused.
    offset: Option<u64>,
    /// On the replica: when the primary was last asked to pause.
    asked_at: Option<Time>,
    /// On the replica: the election may start, and is forced.
    pub(crate) can_start: bool,
}

impl Manual {
    /// True on a primary that has paused its clients.
    pub(crate) fn is_pausing(&self) -> bool {
        self.until.is_some() && self.replica.is_some()
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.until.is_some()
    }

    pub(crate) fn wants_pings_to(&self, index: u32) -> bool {
        self.until.is_some() && self.replica == Some(index)
    }

    pub(crate) fn waits_for_offset(&self, offset: u64) -> bool {
        self.until.is_some() && !self.can_start && self.offset.is_some_and(|wanted| offset >= wanted)
    }
}

impl Cluster {
    /// CLUSTER FAILOVER on a replica; the caller has checked that it makes sense.
    pub(crate) fn begin_manual(&mut self, turn: &mut Turn<'_>, is_forced: bool) {
        self.reset_manual(turn);
        self.manual.until = Some(turn.now.mono + PATIENCE);
        self.manual.can_start = is_forced;
        if !is_forced {
            self.ask_to_pause(turn);
        }
    }

    fn ask_to_pause(&mut self, turn: &mut Turn<'_>) {
        if let Some(primary) = self.view.me().primary
            && let Some(conn) = self.standing_link(primary)
        {
            self.manual.asked_at = Some(turn.now.mono);
            let bytes = self.frame(Body::ManualStart, 0);
            self.send(turn, conn, Kind::ManualStart, bytes);
        }
    }

    pub(crate) fn reset_manual(&mut self, turn: &mut Turn<'_>) {
        if self.manual.replica.is_some() {
            turn.acts.push(Act::ResumeClients);
        }
        self.manual = Manual::default();
    }

    /// On the primary: a replica of ours asks us to pause.
    pub(crate) fn on_manual_start(&mut self, turn: &mut Turn<'_>, sender: u32) {
        let is_ours = self.view.me().is_primary() && self.view.node(sender).primary == Some(self.view.me);
        if !is_ours {
            return;
        }
        // Asked again, we answer again: the pause stands, and its end is that of the first time.
        if self.manual.until.is_none() || self.manual.replica != Some(sender) {
            self.reset_manual(turn);
            self.manual.until = Some(turn.now.mono + PATIENCE);
            self.manual.replica = Some(sender);
            turn.acts.push(Act::PauseClients { until: turn.now.mono + PAUSE });
            let id = self.view.node(sender).id;
            turn.log(Level::Warning, format!("Manual failover requested by replica {id}."));
        }
        if let Some(conn) = self.standing_link(sender) {
            self.send_ping(turn, conn, Kind::Ping);
        }
    }

    /// On the replica: the primary has paused at this offset.
    pub(crate) fn manual_hears(&mut self, turn: &mut Turn<'_>, sender: u32, header: &Header) {
        let is_primary = !self.view.me().is_primary() && self.view.me().primary == Some(sender);
        let has_paused = header.message_flags & bus::PAUSED != 0;
        if self.manual.until.is_some() && self.manual.offset.is_none() && is_primary && has_paused {
            self.manual.offset = Some(header.offset);
            turn.log(
                Level::Warning,
                format!("Received replication offset for paused master manual failover: {}", header.offset),
            );
        }
    }

    /// On a replica: its primary, which restarted without data that we have, wants us to lead.
    pub(crate) fn hear_hand_over(&mut self, turn: &mut Turn<'_>, sender: u32, note: Note) {
        let me = self.view.me();
        let is_for_us = note.is_handing_over && !me.is_primary() && me.primary == Some(sender);
        if !is_for_us || self.manual.until.is_some() || self.facts.data_offset <= note.data_offset {
            return;
        }
        turn.log(
            Level::Warning,
            format!(
                "The primary lacks data that this replica has (data offset {} here, {} there): taking over.",
                self.facts.data_offset, note.data_offset
            ),
        );
        self.begin_manual(turn, true);
    }

    pub(crate) fn step_manual(&mut self, turn: &mut Turn<'_>) {
        let Some(until) = self.manual.until else { return };
        if turn.now.mono > until {
            turn.log(Level::Warning, "Manual failover timed out.");
            self.reset_manual(turn);
        } else if self.manual.waits_for_offset(self.facts.offset) {
            self.manual.can_start = true;
            turn.log(Level::Warning, "All master replication stream processed, manual failover can start.");
        } else if !self.view.me().is_primary() && !self.manual.can_start && self.manual.offset.is_none() {
            let is_due = |at: Time| turn.now.mono.since(at) >= ASK_AGAIN;
            if self.manual.asked_at.is_none_or(is_due) {
                self.ask_to_pause(turn);
            }
        }
    }
}
