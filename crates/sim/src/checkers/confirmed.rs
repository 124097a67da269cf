//! No write is lost that WAIT confirmed on the replica that took over.
//!
//! When a replica becomes a primary, every write that its former primary took and that *all* replicas of the
//! shard had confirmed must be in its data; unless it has lost its memory since (another life) or synchronised
//! anew, for then it is not the copy that confirmed.
//!
//! Catches: a WAIT that counts replicas which have not acknowledged.

use super::{Sight, Violation};
use crate::client::Confirmed;
use base::Id;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A confirmed write, with the copies that must have it.
#[derive(Debug)]
struct Promise {
    key: String,
    /// Host, life and full synchronisations of each replica at the time.
    copies: Vec<(usize, u32, u64)>,
}

/// The promises that stand, by the node that took the writes.
#[derive(Debug, Default)]
pub struct ConfirmedWrites {
    promises: BTreeMap<Id, Vec<Promise>>,
    /// The primary that each host followed when it was last seen.
    followed: BTreeMap<usize, (u32, Option<Id>)>,
    /// Promises that were tested at a takeover.
    pub tested: u64,
}

impl ConfirmedWrites {
    /// Takes a confirmation. `sights` are what is known of all nodes at that time; `replicas` the number in a shard.
    pub fn confirm(
        &mut self,
        write: &Confirmed,
        sights: &[Sight],
        ip_of: impl Fn(usize) -> IpAddr,
        replicas: i64,
    ) {
        if write.replicas < replicas {
            return;
        }
        let Some(primary) = sights.iter().find(|sight| ip_of(sight.host) == write.node && sight.is_primary)
        else {
            return;
        };
        let copies: Vec<_> = (sights.iter())
            .filter(|sight| sight.primary == Some(primary.id) && !sight.is_loading && sight.is_link_up)
            .filter(|sight| sight.replid == primary.replid)
            .map(|sight| (sight.host, sight.life, sight.full_syncs))
            .collect();
        if copies.len() as i64 == replicas {
            self.promises.entry(primary.id).or_default().push(Promise { key: write.key.clone(), copies });
        }
    }

    /// Looks at one node; `holds` answers whether its keyspace has a key.
    pub fn see(&mut self, sight: &Sight, holds: impl Fn(&str) -> bool) -> Result<(), Violation> {
        let before = self.followed.insert(sight.host, (sight.life, sight.primary));
        let Some((life, Some(former))) = before else { return Ok(()) };
        if life != sight.life || !sight.is_primary || sight.primary.is_some() {
            return Ok(());
        }
        let own = (sight.host, sight.life, sight.full_syncs);
        for promise in self.promises.get(&former).into_iter().flatten() {
            if !promise.copies.contains(&own) {
                continue;
            }
            self.tested += 1;
            if !holds(&promise.key) {
                let text = format!("host {} took over from {former} without {}", sight.host, promise.key);
                return Err(Violation { rule: "confirmed writes survive", text });
            }
        }
        Ok(())
    }
}
