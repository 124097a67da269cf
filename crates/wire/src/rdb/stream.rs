//! Stream: a stream as a file keeps it. Nothing in it is looked at but its frame.

use alloc::vec::Vec;

use super::encoder::{self, Packing};
use super::kind;

/// The id of an entry: a time and a number within it.
pub type StreamId = (u64, u64);

/// Which encoding it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamVersion {
    /// Redis 5: nothing is known of entries that were there before.
    #[default]
    First,
    /// Redis 7.0: with counts of entries.
    Second,
    /// Redis 7.2: with the time at which a consumer was last given something.
    Third,
}

impl StreamVersion {
    /// The type byte.
    pub fn kind(self) -> u8 {
        match self {
            StreamVersion::First => kind::STREAM_LISTPACKS,
            StreamVersion::Second => kind::STREAM_LISTPACKS_2,
            StreamVersion::Third => kind::STREAM_LISTPACKS_3,
        }
    }

    pub(super) fn of_kind(kind: u8) -> Option<StreamVersion> {
        [StreamVersion::First, StreamVersion::Second, StreamVersion::Third]
            .into_iter()
            .find(|version| version.kind() == kind)
    }
}

/// A stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its encoding.
    pub version: StreamVersion,
    /// Ids and listpacks of its nodes.
    pub nodes: Vec<(StreamId, Vec<u8>)>,
    /// Entries.
    pub len: u64,
    /// The id that was given last.
    pub last_id: StreamId,
    /// The first entry's; zeros in the first version.
    pub first_id: StreamId,
    /// The highest that was removed by itself; zeros in the first version.
    pub max_deleted_id: StreamId,
    /// Entries that were ever put in; 0 in the first version.
    pub added: u64,
    /// Consumer groups.
    pub groups: Vec<StreamGroup>,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamGroup {
    /// Its name.
    pub name: Vec<u8>,
    /// The id that was delivered last.
    pub last_id: StreamId,
    /// Entries that were delivered; all bits set where that is not known; 0 in the first version.
    pub entries_read: u64,
    /// What was delivered and is not done.
    pub pending: Vec<StreamPending>,
    /// Consumers.
    pub consumers: Vec<StreamConsumer>,
}

/// An entry that was delivered and is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPending {
    /// Its id.
    pub id: StreamId,
    /// When, in milliseconds since 1970.
    pub delivered_ms: i64,
    /// How often.
    pub count: u64,
}

/// A consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamConsumer {
    /// Its name.
    pub name: Vec<u8>,
    /// When it was there last, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it was given something, -1 for never; 0 before the third version.
    pub active_ms: i64,
    /// Ids of what it has.
    pub pending: Vec<StreamId>,
}

impl Stream {
    /// About how many bytes it comes to.
    pub fn len_bytes(&self) -> usize {
        let group = |group: &StreamGroup| {
            let consumers = group.consumers.iter();
            let names: usize = consumers.map(|consumer| 32 + consumer.name.len()).sum();
            48 * group.pending.len() + names
        };
        self.nodes.iter().map(|(_, pack)| pack.len()).sum::<usize>()
            + self.groups.iter().map(group).sum::<usize>()
    }

    /// Appends what follows the type byte and the key.
    pub(super) fn write(&self, out: &mut Vec<u8>, packing: Packing) {
        encoder::length(out, self.nodes.len() as u64);
        for (id, pack) in &self.nodes {
            encoder::blob(out, &id_bytes(*id), Packing::Plain);
            encoder::blob(out, pack, packing);
        }
        encoder::length(out, self.len);
        id(out, self.last_id);
        if self.version > StreamVersion::First {
            id(out, self.first_id);
            id(out, self.max_deleted_id);
            encoder::length(out, self.added);
        }
        encoder::length(out, self.groups.len() as u64);
        for group in &self.groups {
            encoder::string(out, &group.name, packing);
            id(out, group.last_id);
            if self.version > StreamVersion::First {
                encoder::length(out, group.entries_read);
            }
            encoder::length(out, group.pending.len() as u64);
            for pending in &group.pending {
                out.extend_from_slice(&id_bytes(pending.id));
                out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
                encoder::length(out, pending.count);
            }
            encoder::length(out, group.consumers.len() as u64);
            group.consumers.iter().for_each(|consumer| self.write_consumer(out, consumer, packing));
        }
    }

    fn write_consumer(&self, out: &mut Vec<u8>, consumer: &StreamConsumer, packing: Packing) {
        encoder::string(out, &consumer.name, packing);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        if self.version == StreamVersion::Third {
            out.extend_from_slice(&consumer.active_ms.to_le_bytes());
        }
        encoder::length(out, consumer.pending.len() as u64);
        consumer.pending.iter().for_each(|id| out.extend_from_slice(&id_bytes(*id)));
    }
}

fn id(out: &mut Vec<u8>, (ms, seq): StreamId) {
    encoder::length(out, ms);
    encoder::length(out, seq);
}

fn id_bytes((ms, seq): StreamId) -> [u8; 16] {
    (u128::from(ms) << 64 | u128::from(seq)).to_be_bytes()
}
