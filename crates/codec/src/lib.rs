//! Codec: values between the keyspace and RDB. One module per type; files and payloads have the same parts.
//!
//! ```text
//!   file:    type byte | key | body          payload: type byte | body | version | checksum
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod string;

use alloc::vec::Vec;
use data::{
    HashKey, HashLimits, Limits, ListLimits, Part, SetLimits, Shape, SortedSetLimits, StreamLimits, Value,
    ValueRef,
};
use spec::Config;
use spec::directive::id;
use wire::rdb;
use wire::rdb::encoder::{self, Packing};

/// What is wrong with a value that was decoded, and cannot be held.
pub type Flaw = &'static str;

/// Up to which size collections stay small, as the configuration has it.
pub fn limits(config: &Config) -> Limits {
    let count = |id| usize::try_from(config.count(id)).unwrap_or(usize::MAX);
    let size = |id| usize::try_from(config.bytes(id)).unwrap_or(usize::MAX);
    Limits {
        hash: HashLimits {
            entries: count(id::HASH_MAX_LISTPACK_ENTRIES),
            value_bytes: size(id::HASH_MAX_LISTPACK_VALUE),
        },
        list: ListLimits {
            fill: config.integer(id::LIST_MAX_LISTPACK_SIZE),
            compress_depth: count(id::LIST_COMPRESS_DEPTH),
            ..ListLimits::default()
        },
        set: SetLimits {
            intset_entries: count(id::SET_MAX_INTSET_ENTRIES),
            listpack_entries: count(id::SET_MAX_LISTPACK_ENTRIES),
            value_bytes: size(id::SET_MAX_LISTPACK_VALUE),
        },
        stream: StreamLimits {
            node_bytes: size(id::STREAM_NODE_MAX_BYTES),
            node_entries: config.count(id::STREAM_NODE_MAX_ENTRIES),
        },
        sorted_set: SortedSetLimits {
            entries: count(id::ZSET_MAX_LISTPACK_ENTRIES),
            value_bytes: size(id::ZSET_MAX_LISTPACK_VALUE),
        },
    }
}

/// The type byte of a value.
pub fn kind(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Str(_) => rdb::kind::STRING,
        ValueRef::Hash(value) => hash::kind(value),
        ValueRef::List(value) => list::kind(value),
        ValueRef::Set(value) => set::kind(value),
        ValueRef::SortedSet(value) => sorted_set::kind(value),
        ValueRef::Stream(value) => stream::kind(value),
    }
}

/// Appends what follows the type byte and the key.
pub fn body(out: &mut Vec<u8>, value: ValueRef<'_>, packing: Packing) {
    match value {
        ValueRef::Str(text) => string::body(out, text, packing),
        ValueRef::Hash(value) => hash::body(out, value, packing),
        ValueRef::List(value) => list::body(out, value, packing),
        ValueRef::Set(value) => set::body(out, value, packing),
        ValueRef::SortedSet(value) => sorted_set::body(out, value, packing),
        ValueRef::Stream(value) => stream::body(out, value, packing),
    }
}

/// Appends a key of a file with its value.
pub fn entry(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>, packing: Packing) {
    out.push(kind(value));
    encoder::string(out, key, packing);
    body(out, value, packing);
}

/// Appends a key of a file with what stands before the parts of its value, which `part` appends, or before its bytes.
pub fn head(out: &mut Vec<u8>, key: &[u8], shape: Shape, packing: Packing) {
    let (kind, count) = match shape {
        Shape::Text(len, packed) => {
            out.push(rdb::kind::STRING);
            encoder::string(out, key, packing);
            return match packed {
                Some(packed) => encoder::packed_lengths(out, packed, len),
                None => encoder::length(out, len as u64),
            };
        }
        Shape::Hash(fields, false) => (rdb::kind::HASH, fields),
        Shape::Hash(fields, true) => (rdb::kind::HASH_2, fields),
        Shape::Set(members) => (rdb::kind::SET, members),
        Shape::SortedSet(members) => (rdb::kind::SORTED_SET_2, members),
        Shape::List(nodes) => (rdb::kind::LIST_QUICKLIST_2, nodes),
        Shape::Stream(nodes) => (rdb::kind::STREAM_LISTPACKS_2, nodes),
    };
    out.push(kind);
    encoder::string(out, key, packing);
    encoder::length(out, count as u64);
}

/// Appends a part of a large value.
pub fn part(out: &mut Vec<u8>, part: Part<'_>, packing: Packing) {
    match part {
        Part::Field(field, value, deadline) => hash::field(out, (field, value), deadline, packing),
        Part::Member(member) => encoder::string(out, member, packing),
        Part::Scored(member, score) => sorted_set::scored(out, member, score, packing),
        Part::Chunk(chunk) => list::chunk(out, chunk, packing),
        Part::Pack(pack) => stream::pack(out, pack.id(), pack.as_bytes(), packing),
        Part::Rest(stream) => stream::facts(out, stream),
        part => stream::of_groups(out, part, packing),
    }
}

/// Appends the payload of a value, as DUMP answers it.
pub fn payload(out: &mut Vec<u8>, value: ValueRef<'_>, packing: Packing) {
    let start = out.len();
    out.push(kind(value));
    body(out, value, packing);
    rdb::payload::seal(out, start);
}

/// A decoded value as the keyspace holds it. `key` is the keyspace's hash key.
///
/// # Errors
/// When the value is damaged in a way that only shows when it is put together (a field comes twice).
pub fn held(value: rdb::Value, key: HashKey, limits: &Limits) -> Result<Value, Flaw> {
    match value {
        rdb::Value::String(text) => Ok(Value::string(&text)),
        rdb::Value::Integer(number) => Ok(Value::Integer(number)),
        rdb::Value::HashListpack(bytes) => hash::of_listpack(bytes, key, limits.hash),
        rdb::Value::Hash(pairs) => hash::of_pairs(&pairs, key, limits.hash),
        rdb::Value::Set(members) => set::of_members(&members, key, limits.set),
        rdb::Value::SetIntset(bytes) => set::of_intset(bytes, key, limits.set),
        rdb::Value::SetListpack(bytes) => set::of_listpack(bytes, key, limits.set),
        rdb::Value::List(elements) => Ok(list::of_elements(&elements, &limits.list)),
        rdb::Value::ListNodes(nodes) => list::of_nodes(nodes, &limits.list),
        rdb::Value::Stream(parts) => stream::of_parts(*parts),
        rdb::Value::SortedSet(scored) => sorted_set::of_scored(&scored, key, limits.sorted_set),
        rdb::Value::SortedSetListpack(bytes) => sorted_set::of_listpack(bytes, key, limits.sorted_set),
    }
}

/// A value like `value`, in the same layout.
pub fn copy(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Str(text) => string::copy(text),
        ValueRef::Hash(value) => hash::copy(value),
        ValueRef::List(value) => list::copy(value),
        ValueRef::Set(value) => set::copy(value),
        ValueRef::SortedSet(value) => sorted_set::copy(value),
        ValueRef::Stream(value) => stream::copy(value),
    }
}

/// Visits the parts of a value, each as a group of texts (field and value, member and score ...), in the value's own
/// order. For digests and comparisons; COPY and files have faster ways.
pub fn parts(value: ValueRef<'_>, visit: &mut dyn FnMut(&[&[u8]])) {
    match value {
        ValueRef::Str(text) => visit(&[text.bytes(&mut Default::default())]),
        ValueRef::Hash(value) => hash::parts(value, visit),
        ValueRef::List(value) => list::parts(value, visit),
        ValueRef::Set(value) => set::parts(value, visit),
        ValueRef::SortedSet(value) => sorted_set::parts(value, visit),
        ValueRef::Stream(value) => stream::parts(value, visit),
    }
}

/// 1 KiB of a value counts as one more key of a slice's budget.
const BYTES_PER_UNIT: usize = 1 << 10;

/// As `cost`, of a string of `len` bytes.
pub fn text_cost(len: usize) -> usize {
    len / BYTES_PER_UNIT
}

/// What a value takes of a slice's budget when it is loaded, beside its key: a kilobyte counts as a key.
pub fn cost(value: &rdb::Value) -> usize {
    match value {
        rdb::Value::Integer(_) => 0,
        rdb::Value::String(bytes) | rdb::Value::HashListpack(bytes) => bytes.len() / BYTES_PER_UNIT,
        rdb::Value::SetIntset(bytes) | rdb::Value::SetListpack(bytes) => bytes.len() / BYTES_PER_UNIT,
        rdb::Value::Hash(pairs) => pairs.len() / 8,
        rdb::Value::Set(members) => members.len() / 8,
        rdb::Value::List(elements) => elements.len() / 8,
        rdb::Value::ListNodes(nodes) => {
            nodes.iter().map(|node| node.bytes().len()).sum::<usize>() / BYTES_PER_UNIT
        }
        rdb::Value::Stream(stream) => stream.len_bytes() / BYTES_PER_UNIT,
        rdb::Value::SortedSetListpack(bytes) => bytes.len() / BYTES_PER_UNIT,
        rdb::Value::SortedSet(scored) => scored.len() / 8,
    }
}
