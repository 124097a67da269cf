//! A transaction is in a node's data whole or not at all.
//!
//! Looked at when the cluster has healed, on every node: whoever took over in the middle of a transaction, or resumed
//! there, shows it.
//!
//! Meant for a replica whose offset moves inside a transaction; in 300 seeds that mutation did not show, because the
//! net seldom cuts a transaction in two.

use super::Violation;

/// Looks at the keys of one transaction on one node.
pub fn see(host: usize, pair: &(String, String), holds: impl Fn(&str) -> bool) -> Result<(), Violation> {
    let (key, other) = pair;
    if holds(key) == holds(other) {
        return Ok(());
    }
    let text = format!("host {host} has one of {key} and {other}");
    Err(Violation { rule: "transactions are whole", text })
}
