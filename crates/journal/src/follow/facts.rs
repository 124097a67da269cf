//! Facts: what a replica knows of its primary, for INFO, ROLE and the cluster.

use super::{Follow, State};
use crate::PrimaryFacts;
use crate::transfer::Frame;
use base::{Now, Time};

impl Follow {
    pub(crate) fn facts(&self, applied: u64, read: u64, now: Now) -> PrimaryFacts {
        let seconds =
            |since: Option<Time>| since.map_or(-1, |since| now.mono.since(since).as_seconds() as i64);
        let (state, heard) = match &self.state {
            State::Idle { .. } => ("connect", None),
            State::Connecting { .. } => ("connecting", None),
            State::Greeting { heard, .. } => ("handshake", Some(*heard)),
            State::Transfer { heard, .. } => ("sync", Some(*heard)),
            State::Linked { heard, .. } => ("connected", Some(*heard)),
        };
        let transfer = match &self.state {
            State::Transfer { transfer, .. } => Some(transfer),
            _ => None,
        };
        PrimaryFacts {
            address: self.primary.clone(),
            state,
            link_up: self.is_linked(),
            silent_seconds: if self.is_linked() { seconds(heard) } else { -1 },
            sync_in_progress: transfer.is_some(),
            read_offset: read,
            applied_offset: applied,
            sync_total_bytes: match transfer.map(|transfer| &transfer.frame) {
                Some(Frame::Length(bytes)) => *bytes as i64,
                _ => -1,
            },
            sync_read_bytes: transfer.map_or(0, |transfer| transfer.received),
            sync_silent_seconds: if transfer.is_some() { seconds(heard) } else { -1 },
            down_seconds: seconds(self.down_since),
            data_age_ms: self.in_step_at.map_or(u64::MAX, |at| now.mono.since(at).as_ms()),
            lack: self.lack(),
            last_error: self.last_error.clone(),
        }
    }

    /// Bytes of the running transfer: of all, decoded, and of the data's memory at the primary.
    pub(crate) fn loading(&self) -> Option<[u64; 3]> {
        match &self.state {
            State::Transfer { transfer, .. } if transfer.is_begun() => {
                let total = if let Frame::Length(bytes) = transfer.frame { bytes } else { 0 };
                Some([total, transfer.loader.at(), transfer.loader.writer().used_bytes])
            }
            _ => None,
        }
    }
}
