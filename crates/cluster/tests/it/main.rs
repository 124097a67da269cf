//! The bus machine in a small world: several machines, a network with delays and cuts, and disks that forget.

mod chaos;
mod disk;
mod failover;
mod formation;
mod probation;
mod shards;
mod vote;
mod world;
