//! At most one primary per slot and epoch, over the whole run.
//!
//! Catches: a winner that votes for another in its epoch (rare: one seed of some thousands).

use super::{SAMPLES, Sight, Violation};
use base::Id;
use std::collections::BTreeMap;

/// Who has claimed each slot in each epoch.
#[derive(Debug, Default)]
pub struct OnePrimary {
    claims: BTreeMap<(u16, u64), Id>,
}

impl OnePrimary {
    /// Looks at one node.
    pub fn see(&mut self, sight: &Sight) -> Result<(), Violation> {
        if !sight.is_primary {
            return Ok(());
        }
        for (slot, owner) in SAMPLES.iter().zip(&sight.owners) {
            if *owner != Some(sight.id) {
                continue;
            }
            let first = *self.claims.entry((*slot, sight.config_epoch)).or_insert(sight.id);
            if first != sight.id {
                let text = format!(
                    "slot {slot} in epoch {} is claimed by {} and by {}",
                    sight.config_epoch, first, sight.id
                );
                return Err(Violation { rule: "one primary per slot and epoch", text });
            }
        }
        Ok(())
    }
}
