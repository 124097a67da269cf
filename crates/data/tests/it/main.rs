//! The keyspace against a plain model: random operations from seeds, in both modes, with snapshots and scans among them.

mod expiry;
mod large;
mod model;
mod scans;
mod snapshots;
mod values;
mod world;
