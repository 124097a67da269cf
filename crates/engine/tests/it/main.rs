//! The engine through its public interface: requests in, replies and effects out.

mod apply;
mod blocking;
mod clients;
mod cluster;
mod commands;
mod databases;
mod dialect;
mod dump;
mod events;
mod evict;
mod feed;
mod golden;
mod hostile;
mod lists;
mod looking;
mod moves;
mod pause;
mod sets;
mod sharded;
mod slow;
mod sort;
mod sorted_sets;
mod streams;
mod tracking;
mod world;
