//! Vote: how a primary answers a replica that wants to lead.
//!
//! One vote per epoch, for at most one replica of a shard within two node timeouts, and only for a replica whose
//! primary has failed (or that says that the operator forces it) and whose slots nobody holds under a greater epoch.
//!
//! The rest keeps a second candidate from undoing what the first has just won. The same candidate may have our vote of
//! a later epoch at once: it asks again because it lost the earlier one, and voters that rest at different times would
//! never be of one mind again. (The originals let it rest as well.)
//!
//! Invariant: the vote is durable before it leaves. A vote that a crash can forget is a vote that can be given twice.

use crate::event::Act;
use crate::{Cluster, Turn};
use alloc::format;
use machine::{ConnId, Level};
use wire::bus::{self, Body, Header, Kind};

/// A shard's other replicas get our vote only after so many node timeouts.
const REST_TIMEOUTS: u64 = 2;

impl Cluster {
    pub(crate) fn on_auth_request(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        sender: u32,
        header: &Header,
    ) {
        if !self.view.me().is_voter() {
            return;
        }
        let id = self.view.node(sender).id;
        if let Err(why) = self.may_vote_for(turn, sender, header) {
            turn.log(Level::Warning, format!("Failover auth denied to {id}: {why}"));
            return;
        }
        let primary = self.view.node(sender).primary.expect("a vote is for a replica with a primary");
        self.view.node_mut(primary).voted = Some((turn.now.mono, id));
        self.view.last_vote_epoch = self.view.current_epoch;
        let write = self.promise(turn);
        let epoch = self.view.current_epoch;
        turn.log(Level::Warning, format!("Failover auth granted to {id} for epoch {epoch}"));
        let bytes = self.frame(Body::AuthAck, 0);
        // Over the link that we opened, as the originals do; without one, back over the one that the request came by.
        let conn = self.standing_link(sender).unwrap_or(conn);
        if !self.saving.is_broken {
            self.sent.count(Kind::AuthAck, bytes.len());
            turn.acts.push(Act::Send { conn, bytes: bytes.into(), after: Some(write) });
        }
    }

    fn may_vote_for(
        &self,
        turn: &Turn<'_>,
        sender: u32,
        header: &Header,
    ) -> Result<(), alloc::string::String> {
        let view = &self.view;
        if header.current_epoch < view.current_epoch {
            return Err(format!("reqEpoch ({}) < curEpoch({})", header.current_epoch, view.current_epoch));
        }
        if view.last_vote_epoch >= view.current_epoch {
            return Err(format!("already voted for epoch {}", view.current_epoch));
        }
        let node = view.node(sender);
        let Some(primary) = node.primary.filter(|_| !node.is_primary()) else {
            return Err("it is a master node, or its master is unknown".into());
        };
        let is_forced = header.message_flags & bus::FORCE_ACK != 0;
        if !view.node(primary).is_failed() && !is_forced {
            return Err("its master is up".into());
        }
        let rest = self.settings.node_timeout.times(REST_TIMEOUTS);
        if let Some((voted_at, voted_for)) = view.node(primary).voted
            && voted_for != node.id
            && turn.now.mono.since(voted_at) < rest
        {
            let left = rest.as_ms() - turn.now.mono.since(voted_at).as_ms();
            return Err(format!("can't vote about this master before {left} milliseconds"));
        }
        let newer = header.slots.iter().find_map(|slot| {
            let epoch = view.held_under(slot)?;
            (epoch > header.config_epoch).then_some((slot, epoch))
        });
        match newer {
            Some((slot, epoch)) => {
                Err(format!("slot {slot} epoch ({epoch}) > reqEpoch ({})", header.config_epoch))
            }
            None => Ok(()),
        }
    }
}
