//! No node votes twice in one epoch, whatever crashes in between.
//!
//! Catches: a vote that is sent before the write of nodes.conf that holds it is durable; a second vote in one epoch.

use super::Violation;
use crate::world::Tapped;
use base::Id;
use std::collections::BTreeMap;
use wire::bus::{Frame, Kind};

/// Whom each node has voted for in each epoch.
#[derive(Debug, Default)]
pub struct DoubleVote {
    votes: BTreeMap<(Id, u64), usize>,
}

/// True for a frame that carries a vote: the tap of the world.
pub fn is_vote(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RCmb") && bytes.get(12..14) == Some(&(Kind::AuthAck as u16).to_be_bytes())
}

impl DoubleVote {
    /// Looks at one frame as it went onto the wire.
    pub fn see(&mut self, tapped: &Tapped) -> Result<(), Violation> {
        let (Ok(frame), Some(to)) = (Frame::decode(&tapped.bytes), tapped.to) else { return Ok(()) };
        let epoch = frame.header.current_epoch;
        let first = *self.votes.entry((frame.header.sender, epoch)).or_insert(to);
        if first != to {
            let text = format!(
                "{} (host {}) voted in epoch {epoch} for host {first} and for host {to}",
                frame.header.sender, tapped.from
            );
            return Err(Violation { rule: "no double vote", text });
        }
        Ok(())
    }
}
