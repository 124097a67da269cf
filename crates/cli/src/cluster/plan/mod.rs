//! Plans: what should go where. Pure functions over small values; nothing here talks to a node.

pub mod affinity;
pub mod create;
pub mod open_slot;
pub mod rebalance;
pub mod reshard;
