//! Commands: a base without RDB, where each key is the commands that make it.
//!
//! Up to 64 elements go into one command, as in the originals: nothing that loads the file meets a longer one. Large values are
//! written part by part (`large`).

mod large;

use alloc::string::ToString;
use alloc::vec::Vec;
use data::stream::{Entry, StreamId};
use data::{Clocks, Encode, EncodeLarge, Hash, Part, SnapshotOut, Stream, ValueRef};
use wire::request::{open_request, request_arg};

/// 64: the original's `AOF_REWRITE_ITEMS_PER_CMD`.
const PER_COMMAND: usize = 64;

/// How keys are written.
pub(crate) fn encode() -> Encode {
    let large = EncodeLarge { head: large::head, part: large::part, frame: Some(large::frame), packs: false };
    Encode { whole: write, large: Some(large), clocks: (Clocks::Unused, 0) }
}

fn write(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, deadline_ms: Option<u64>) {
    select(out, db);
    let bytes = &mut out.bytes;
    match value {
        ValueRef::Str(_) => codec::parts(value, &mut |parts| wire::request(bytes, &[b"SET", key, parts[0]])),
        ValueRef::List(list) => grouped(bytes, b"RPUSH", key, (list.len(), 1), value),
        ValueRef::Set(set) => grouped(bytes, b"SADD", key, (set.len(), 1), value),
        ValueRef::SortedSet(set) => grouped(bytes, b"ZADD", key, (set.len(), 2), value),
        ValueRef::Hash(hash) => {
            grouped(bytes, b"HMSET", key, (hash.len(), 2), value);
            field_deadlines(bytes, key, hash);
        }
        ValueRef::Stream(stream) => of_stream(bytes, key, stream),
    }
    expire(bytes, key, deadline_ms);
}

fn select(out: &mut SnapshotOut, db: u32) {
    if out.last_db != Some(db) {
        out.last_db = Some(db);
        wire::request(&mut out.bytes, &[b"SELECT", db.to_string().as_bytes()]);
    }
}

fn expire(out: &mut Vec<u8>, key: &[u8], deadline_ms: Option<u64>) {
    if let Some(deadline_ms) = deadline_ms {
        wire::request(out, &[b"PEXPIREAT", key, deadline_ms.to_string().as_bytes()]);
    }
}

/// Elements of `each` arguments, 64 a command. A score stands before its member.
fn grouped(out: &mut Vec<u8>, name: &[u8], key: &[u8], (len, each): (usize, usize), value: ValueRef<'_>) {
    let (mut left, mut in_command) = (len, 0);
    codec::parts(value, &mut |parts| {
        if in_command == 0 {
            in_command = left.min(PER_COMMAND);
            left -= in_command;
            open_request(out, 2 + in_command * each);
            request_arg(out, name);
            request_arg(out, key);
        }
        in_command -= 1;
        match (parts, name) {
            ([member, score], b"ZADD") => {
                request_arg(out, score);
                request_arg(out, member);
            }
            _ => parts.iter().for_each(|part| request_arg(out, part)),
        }
    });
}

fn field_deadlines(out: &mut Vec<u8>, key: &[u8], hash: &Hash) {
    if !hash.has_deadlines() {
        return;
    }
    let mut room = Default::default();
    for (field, _, deadline) in hash.iter_with_deadlines() {
        if let Some(deadline) = deadline {
            field_deadline(out, key, field.bytes(&mut room), deadline.to_string().as_bytes());
        }
    }
}

fn field_deadline(out: &mut Vec<u8>, key: &[u8], field: &[u8], deadline: &[u8]) {
    wire::request(out, &[b"HPEXPIREAT", key, deadline, b"FIELDS", b"1", field]);
}

fn of_stream(out: &mut Vec<u8>, key: &[u8], stream: &Stream) {
    stream.log().range(StreamId::ZERO, StreamId::MAX).for_each(|entry| of_entry(out, &[key], entry));
    of_facts(out, &[key], stream);
    stream.groups().parts(|part| of_groups(out, &[key], part));
}

// What is written of a stream is written with the key, or, of a part that is framed later, without.

fn of_entry(out: &mut Vec<u8>, key: &[&[u8]], entry: Entry<'_>) {
    let (mut field_room, mut value_room) = Default::default();
    open_request(out, 3 + 2 * entry.len());
    request_arg(out, b"XADD");
    key.iter().for_each(|key| request_arg(out, key));
    request_arg(out, &entry.id().to_vec());
    for (field, value) in entry.fields() {
        request_arg(out, field.bytes(&mut field_room));
        request_arg(out, value.bytes(&mut value_room));
    }
}

/// A request with the key behind its first words; the key is counted where it is missing, too.
fn keyed(out: &mut Vec<u8>, words: &[&[u8]], key: &[&[u8]], more: &[&[u8]]) {
    open_request(out, words.len() + 1 + more.len());
    words.iter().chain(key).chain(more).for_each(|word| request_arg(out, word));
}

/// What makes a stream beside its entries and groups.
fn of_facts(out: &mut Vec<u8>, key: &[&[u8]], stream: &Stream) {
    let log = stream.log();
    if log.is_empty() {
        // Only XADD makes a stream: one entry comes, and is trimmed away at once.
        keyed(out, &[b"XADD"], key, &[b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
    }
    // XSETID can set the last id below that of a deleted entry; of no command would any server take both.
    let max_deleted = log.max_deleted_id().min(log.last_id()).to_vec();
    let last = log.last_id().to_vec();
    let added = log.entries_added().to_string();
    let words: [&[u8]; 5] = [&last, b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", &max_deleted];
    keyed(out, &[b"XSETID"], key, &words);
}

/// A part of a group; other parts are none.
fn of_groups(out: &mut Vec<u8>, key: &[&[u8]], part: Part<'_>) {
    match part {
        Part::Group { name, last_id, entries_read, .. } => {
            let read = entries_read.map_or("-1".to_string(), |read| read.to_string());
            let words: [&[u8]; 4] = [name, &last_id.to_vec(), b"ENTRIESREAD", read.as_bytes()];
            keyed(out, &[b"XGROUP", b"CREATE"], key, &words);
        }
        // Whoever has something comes with that.
        Part::Consumer { group, name, pending: 0, .. } => {
            keyed(out, &[b"XGROUP", b"CREATECONSUMER"], key, &[group, name]);
        }
        Part::Pending { group, consumer, pending } => {
            let (time, count) = (pending.delivered_ms.to_string(), pending.count.to_string());
            let words: [&[u8]; 10] = [
                group,
                consumer,
                b"0",
                &pending.id.to_vec(),
                b"TIME",
                time.as_bytes(),
                b"RETRYCOUNT",
                count.as_bytes(),
                b"JUSTID",
                b"FORCE",
            ];
            keyed(out, &[b"XCLAIM"], key, &words);
        }
        Part::Consumer { .. } | Part::Consumers(_) | Part::Owned(_) => {}
        Part::Field(..) | Part::Member(_) | Part::Scored(..) => {}
        Part::Chunk(_) | Part::Pack(_) | Part::Rest(_) => {}
    }
}

#[cfg(test)]
mod tests;
