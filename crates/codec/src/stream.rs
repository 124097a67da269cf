//! Streams: nodes as they are, then ids, then groups.

use crate::Flaw;
use alloc::vec::Vec;
use data::listpack::Unfit;
use data::stream::{ConsumerParts, GroupParts, PendingParts, StreamId, StreamParts};
use data::{Part, Stream, Value};
use wire::rdb::encoder::{self, Packing};
use wire::rdb::{self, StreamVersion};

pub(crate) fn kind(_: &Stream) -> u8 {
    rdb::kind::STREAM_LISTPACKS_2
}

fn id(out: &mut Vec<u8>, id: StreamId) {
    encoder::length(out, id.ms);
    encoder::length(out, id.seq);
}

pub(crate) fn body(out: &mut Vec<u8>, stream: &Stream, packing: Packing) {
    let log = stream.log();
    encoder::length(out, log.nodes() as u64);
    log.packs().for_each(|(id, bytes)| pack(out, id, bytes, packing));
    facts(out, stream);
    stream.groups().parts(|part| of_groups(out, part, packing));
}

pub(crate) fn pack(out: &mut Vec<u8>, id: StreamId, pack: &[u8], packing: Packing) {
    encoder::blob(out, &id.to_bytes(), Packing::Plain);
    encoder::blob(out, pack, packing);
}

/// What follows the nodes, up to the number of groups.
pub(crate) fn facts(out: &mut Vec<u8>, stream: &Stream) {
    let log = stream.log();
    encoder::length(out, log.len());
    [log.last_id(), log.first_id(), log.max_deleted_id()].into_iter().for_each(|part| id(out, part));
    encoder::length(out, log.entries_added());
    encoder::length(out, stream.groups().len() as u64);
}

/// A part of a group; other parts are none.
pub(crate) fn of_groups(out: &mut Vec<u8>, part: Part<'_>, packing: Packing) {
    match part {
        Part::Group { name, last_id, entries_read, pending } => {
            encoder::string(out, name, packing);
            id(out, last_id);
            encoder::length(out, entries_read.unwrap_or(u64::MAX));
            encoder::length(out, pending as u64);
        }
        Part::Pending { pending, .. } => {
            out.extend_from_slice(&pending.id.to_bytes());
            out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
            encoder::length(out, pending.count);
        }
        Part::Consumers(count) => encoder::length(out, count as u64),
        Part::Consumer { name, seen_ms, pending, .. } => {
            encoder::string(out, name, packing);
            out.extend_from_slice(&seen_ms.to_le_bytes());
            encoder::length(out, pending as u64);
        }
        Part::Owned(id) => out.extend_from_slice(&id.to_bytes()),
        Part::Field(..) | Part::Member(_) | Part::Scored(..) => {}
        Part::Chunk(_) | Part::Pack(_) | Part::Rest(_) => {}
    }
}

pub(crate) fn of_parts(parts: rdb::Stream) -> Result<Value, Flaw> {
    let id = |(ms, seq): rdb::StreamId| StreamId::new(ms, seq);
    let version = parts.version;
    let consumer = |consumer: rdb::StreamConsumer| ConsumerParts {
        name: consumer.name,
        seen_ms: consumer.seen_ms,
        active_ms: (version == StreamVersion::Third).then_some(consumer.active_ms),
        pending: consumer.pending.into_iter().map(id).collect(),
    };
    let pending = |pending: rdb::StreamPending| PendingParts {
        id: id(pending.id),
        delivered_ms: pending.delivered_ms,
        count: pending.count,
    };
    let group = |group: rdb::StreamGroup| GroupParts {
        name: group.name,
        last_id: id(group.last_id),
        entries_read: group.entries_read,
        pending: group.pending.into_iter().map(pending).collect(),
        consumers: group.consumers.into_iter().map(consumer).collect(),
    };
    let history = (id(parts.first_id), id(parts.max_deleted_id), parts.added);
    let parts = StreamParts {
        nodes: parts.nodes.into_iter().map(|(at, bytes)| (id(at), bytes)).collect(),
        len: parts.len,
        last_id: id(parts.last_id),
        history: (version > StreamVersion::First).then_some(history),
        groups: parts.groups.into_iter().map(group).collect(),
    };
    Stream::from_parts(parts).map(Value::from).map_err(|unfit| match unfit {
        Unfit::Malformed => "a stream is damaged",
        Unfit::Repeated => "Duplicate stream consumer detected",
    })
}

pub(crate) fn copy(stream: &Stream) -> Value {
    stream.clone().into()
}

pub(crate) fn parts(stream: &Stream, visit: &mut dyn FnMut(&[&[u8]])) {
    for entry in stream.log().range(StreamId::ZERO, StreamId::MAX) {
        let StreamId { ms, seq } = entry.id();
        let mut texts = alloc::vec![alloc::format!("{ms}.{seq}").into_bytes()];
        for (field, value) in entry.fields() {
            texts.push(field.to_vec());
            texts.push(value.to_vec());
        }
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        visit(&texts);
    }
}
