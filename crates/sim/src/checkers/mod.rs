//! Checkers: what must hold in every run. Each is one file, and names one mutation of the code that it catches.

pub mod confirmed;
pub mod convergence;
pub mod double_vote;
pub mod offsets;
pub mod one_primary;
pub mod whole;

use crate::net::HostIndex;
use base::Id;

/// Slots that the checkers look at: the ends of the shares of three primaries, and some within.
pub const SAMPLES: [u16; 8] = [0, 1_000, 5_460, 5_461, 9_999, 10_922, 10_923, 16_383];

/// What a run must not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// What was seen.
    pub text: String,
}

/// What is seen of one node at one time.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The host.
    pub host: HostIndex,
    /// Which life of it.
    pub life: u32,
    /// The node's id.
    pub id: Id,
    /// It sees itself as a primary.
    pub is_primary: bool,
    /// The primary that it follows.
    pub primary: Option<Id>,
    /// The epoch of its slots.
    pub config_epoch: u64,
    /// The owners of `SAMPLES`, in its view.
    pub owners: [Option<Id>; SAMPLES.len()],
    /// It serves.
    pub is_ok: bool,
    /// The history that its data belongs to.
    pub replid: Id,
    /// Where in that history.
    pub offset: u64,
    /// Full synchronisations that it has received in this life, the one under way included.
    pub full_syncs: u64,
    /// A replica's link stands.
    pub is_link_up: bool,
    /// Data is being loaded.
    pub is_loading: bool,
}
