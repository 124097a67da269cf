//! A node's offset never goes back within one history and one life, but for a full synchronisation.
//!
//! Meant for (no mutation tried yet): a replica that counts a transaction that was cut off, and forgets it again.

use super::{Sight, Violation};
use base::Id;
use std::collections::BTreeMap;

/// The last offset of each life.
#[derive(Debug, Default)]
pub struct Offsets {
    last: BTreeMap<(usize, u32), (Id, u64, u64)>,
}

impl Offsets {
    /// Looks at one node.
    pub fn see(&mut self, sight: &Sight) -> Result<(), Violation> {
        if sight.is_loading {
            return Ok(());
        }
        let now = (sight.replid, sight.full_syncs, sight.offset);
        let before = self.last.insert((sight.host, sight.life), now);
        match before {
            Some((replid, syncs, offset)) if (replid, syncs) == (now.0, now.1) && now.2 < offset => {
                let text =
                    format!("host {} went back from {offset} to {} in history {replid}", sight.host, now.2);
                Err(Violation { rule: "offsets are monotonic", text })
            }
            _ => Ok(()),
        }
    }
}
