//! Stream: entries in the order of their ids, and groups of consumers that share them out.
//!
//! ```text
//!   Stream -> Log    -> nodes (listpacks) of entries; what was there once
//!          -> Groups -> who has which entries
//! ```

mod group;
mod group_watch;
mod id;
mod log;
mod node;
mod parts;
mod radix;
mod runs;
mod watch;

use crate::collection::Collection;
use crate::value::{Encoding, Kind, ValueRef};
pub use group::{Consumer, ConsumerNumber, Group, GroupMut, Groups, Pending};
pub use id::{StreamId, TEXT_LEN_MAX};
pub use log::{Log, NODE_BYTES_MAX, Range, RangeBack, Trim};
pub use node::{Entry, Pack};
pub use parts::{ConsumerParts, GroupParts, PendingParts, StreamParts};
pub use runs::{Keyed, Runs};

/// When a new node begins (`stream-node-max-bytes`, `stream-node-max-entries`).
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Bytes of a node at most; 0: as many as a node can have.
    pub node_bytes: usize,
    /// Entries of a node at most, tombstones included; 0: no limit.
    pub node_entries: u64,
}

impl Default for StreamLimits {
    /// 4096 bytes and 100 entries: the defaults of Redis 7.
    fn default() -> StreamLimits {
        StreamLimits { node_bytes: 4096, node_entries: 100 }
    }
}

/// A stream value.
#[derive(Debug, Default)]
pub struct Stream {
    log: Log,
    groups: Groups,
}

impl Clone for Stream {
    fn clone(&self) -> Stream {
        let mut copy = Stream { log: self.log.clone(), groups: self.groups.clone() };
        copy.log.recount();
        copy.groups.recount();
        copy
    }
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// How many entries.
    pub fn len(&self) -> u64 {
        self.log.len()
    }

    /// True when it has none. Such a stream stays.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Its entries.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its entries, to change.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Its groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Its groups, to change.
    pub fn groups_mut(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// Entries and groups at once.
    pub fn split(&mut self) -> (&Log, &mut Groups) {
        (&self.log, &mut self.groups)
    }

    /// How many entries a group has still to be given, where that can be known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let log = &self.log;
        let read = match group.entries_read {
            _ if log.entries_added() == 0 => 0,
            Some(read) if !log.has_tombstone_from(group.last_id) => read,
            _ => log.count_up_to(group.last_id)?,
        };
        Some(log.entries_added().wrapping_sub(read) as i64)
    }

    /// How many nodes a radix tree of the nodes' ids would have, as XINFO tells it.
    pub fn radix_nodes(&self) -> u64 {
        radix::nodes(&self.log)
    }
}

impl Collection for Stream {
    const KIND: Kind = Kind::Stream;

    fn of(value: ValueRef<'_>) -> Option<&Stream> {
        match value {
            ValueRef::Stream(value) => Some(value),
            _ => None,
        }
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        self.log.memory_bytes() + self.groups.memory_bytes()
    }

    fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    fn free_effort(&self) -> usize {
        self.log.free_effort() + self.groups.free_effort()
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        self.log.free_slice(budget) || self.groups.free_slice(budget)
    }
}

#[cfg(test)]
mod tests;
