//! Handover: what a FAILOVER needs of the journal, on the side that hands the role over and on the one that takes it.
//!
//! The one that hands over follows its chosen replica, and its first PSYNC asks the replica to lead. That is all
//! that changes hands: the replica has the whole history, and the old primary continues it.

use super::{Journal, Turn};
use alloc::string::{String, ToString};
use machine::{Address, Level};
use wire::batch::Args;

/// A replica, as a choice for who leads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it listens.
    pub ip: String,
    /// The same.
    pub port: u16,
    /// It gets the stream.
    pub is_online: bool,
    /// It has acknowledged all of it.
    pub is_in_step: bool,
}

/// How far the one that was asked to lead is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// It has not answered.
    Asked,
    /// It leads.
    Taken,
    /// It does not want to, or is none that could.
    Refused,
}

impl Journal {
    /// All replicas.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.links.candidates(self.feed.end)
    }

    /// Follows the replica at `target` and asks it to lead.
    pub fn hand_over(&mut self, target: Address, turn: &mut Turn<'_>) {
        self.follow(target, turn);
        if let Some(follow) = &mut self.follow {
            follow.takeover = Some(Takeover::Asked);
        }
    }

    /// What became of [`Journal::hand_over`]; none where nothing was handed over.
    pub fn takeover(&self) -> Option<Takeover> {
        self.follow.as_ref().and_then(|follow| follow.takeover)
    }

    /// A PSYNC that asks this node to lead: it does, if it is a replica with the same history.
    pub(crate) fn take_over(&mut self, args: Args<'_>, turn: &mut Turn<'_>) -> Result<(), String> {
        let replid = args.get(1).unwrap_or_default();
        let text = String::from_utf8_lossy(replid);
        turn.out.log(Level::Warning, alloc::format!("Failover request received for replid {text}."));
        if self.follow.is_none() {
            return Err("ERR PSYNC FAILOVER can't be sent to a master.".to_string());
        }
        if !replid.eq_ignore_ascii_case(self.feed.replid.to_string().as_bytes()) {
            return Err("ERR PSYNC FAILOVER replid must match my replid.".to_string());
        }
        self.lead(turn);
        turn.out.log(Level::Notice, "MASTER MODE enabled (failover request)");
        Ok(())
    }
}
