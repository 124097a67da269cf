//! Parts: a stream as files have it, taken apart; and put together again, with every part checked.

use super::{Consumer, Groups, Log, Pending, Stream, StreamId};
use crate::listpack::Unfit;
use alloc::vec::Vec;

/// A stream, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamParts {
    /// Ids and listpacks of nodes.
    pub nodes: Vec<(StreamId, Vec<u8>)>,
    /// Entries.
    pub len: u64,
    /// The id that was given last.
    pub last_id: StreamId,
    /// The first entry's id, the highest id that was removed by itself, and how many entries were ever put in. None: a
    /// file of a server that did not count.
    pub history: Option<(StreamId, StreamId, u64)>,
    /// Groups.
    pub groups: Vec<GroupParts>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupParts {
    /// Its name.
    pub name: Vec<u8>,
    /// The last id that was delivered.
    pub last_id: StreamId,
    /// How many entries were delivered; `u64::MAX` where that is not known.
    pub entries_read: u64,
    /// What is not done.
    pub pending: Vec<PendingParts>,
    /// Consumers.
    pub consumers: Vec<ConsumerParts>,
}

/// An entry that was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingParts {
    /// Its id.
    pub id: StreamId,
    /// When.
    pub delivered_ms: i64,
    /// How often.
    pub count: u64,
}

/// A consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerParts {
    /// Its name.
    pub name: Vec<u8>,
    /// When it was there last.
    pub seen_ms: i64,
    /// When it was given something; -1: never; none: a file that does not say.
    pub active_ms: Option<i64>,
    /// Ids of what it has.
    pub pending: Vec<StreamId>,
}

impl Stream {
    /// Puts a stream together. Refused is what no server writes: nodes that are damaged, ids out of order, lengths that
    /// are not true, lists of groups and consumers that do not fit.
    pub fn from_parts(parts: StreamParts) -> Result<Stream, Unfit> {
        let mut log = Log::default();
        for (id, bytes) in parts.nodes {
            log.push_node(id, bytes)?;
        }
        let is_behind = log.last_live_id().is_some_and(|last| last > parts.last_id);
        if is_behind || log.len != parts.len {
            return Err(Unfit::Malformed);
        }
        log.last_id = parts.last_id;
        match parts.history {
            Some(history) => (log.first_id, log.max_deleted_id, log.entries_added) = history,
            None => {
                log.renew_first_id();
                log.max_deleted_id = StreamId::ZERO;
                log.entries_added = log.len;
            }
        }
        let mut groups = Groups::default();
        let mut sorted = parts.groups;
        sorted.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for group in sorted {
            let read = match parts.history {
                Some(_) => Some(group.entries_read).filter(|read| *read != u64::MAX),
                None => log.count_up_to(group.last_id),
            };
            put_group(&mut groups, group, read)?;
        }
        Ok(Stream { log, groups })
    }
}

/// Puts in a group whose name comes behind those of all groups before: each step puts something at an end, so that many
/// groups, consumers and ids take no more than in proportion.
fn put_group(groups: &mut Groups, parts: GroupParts, entries_read: Option<u64>) -> Result<(), Unfit> {
    if !parts.pending.is_sorted_by(|one, other| one.id < other.id)
        || !groups.create(&parts.name, parts.last_id, entries_read)
    {
        return Err(Unfit::Malformed);
    }
    let mut group = groups.group_mut(&parts.name).expect("it was just made");
    let mut owners = alloc::vec![None; parts.pending.len()];
    let mut consumers = parts.consumers;
    consumers.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    for consumer in &consumers {
        let number = group.create_consumer(&consumer.name, consumer.seen_ms).ok_or(Unfit::Repeated)?;
        let active_ms = consumer.active_ms.unwrap_or(consumer.seen_ms);
        group.saw(number, consumer.seen_ms, Some(active_ms).filter(|active| *active != -1));
        for id in &consumer.pending {
            let at =
                parts.pending.binary_search_by_key(id, |pending| pending.id).map_err(|_| Unfit::Malformed)?;
            if owners[at].replace(number).is_some() {
                return Err(Unfit::Malformed);
            }
        }
    }
    for (pending, owner) in parts.pending.iter().zip(owners) {
        let PendingParts { id, delivered_ms, count } = *pending;
        group.assign(Pending { id, delivered_ms, count, consumer: owner.ok_or(Unfit::Malformed)? });
    }
    Ok(())
}

impl Consumer {
    /// When it was given something, as files say it.
    pub fn active_or_never(&self) -> i64 {
        self.active_ms.unwrap_or(-1)
    }
}
