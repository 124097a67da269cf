//! After healing, all nodes come to one view, every replica is in step, and shards hold equal data.
//!
//! Catches: a FAIL flag that is never cleared; a replica that follows a node that is no primary any more; an election
//! that is won with one vote.

use super::Sight;
use base::Id;
use std::collections::BTreeMap;

/// Why the cluster has not converged yet; none when it has. `digest` is that of a host's data.
pub fn missing(sights: &[Sight], hosts: usize, digest: impl Fn(usize) -> u64) -> Option<String> {
    if sights.len() != hosts {
        return Some(format!("{} of {hosts} nodes are in the cluster", sights.len()));
    }
    let by_id: BTreeMap<Id, &Sight> = sights.iter().map(|sight| (sight.id, sight)).collect();
    for sight in sights {
        if !sight.is_ok {
            return Some(format!("host {} does not see the cluster as ok", sight.host));
        }
        if sight.owners != sights[0].owners {
            return Some(format!("hosts {} and {} see other owners", sights[0].host, sight.host));
        }
        let Some(primary) = sight.primary else { continue };
        let Some(primary) = by_id.get(&primary).filter(|primary| primary.is_primary) else {
            return Some(format!("host {} follows {primary}, which is no primary", sight.host));
        };
        if !sight.is_link_up || sight.is_loading {
            return Some(format!("host {} is not in step with its primary", sight.host));
        }
        if (primary.replid, primary.offset) != (sight.replid, sight.offset) {
            return Some(format!(
                "host {} is at {} of {}, its primary (host {}) at {} of {}",
                sight.host, sight.offset, sight.replid, primary.host, primary.offset, primary.replid
            ));
        }
        if digest(primary.host) != digest(sight.host) {
            return Some(format!(
                "host {} has other data than its primary, host {}",
                sight.host, primary.host
            ));
        }
    }
    None
}
