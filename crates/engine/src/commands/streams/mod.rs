//! Streams: entries in the order of their ids, read by many, or shared out among the consumers of a group.
//!
//! Rooms: `add` (what puts in and takes out), `range`, `read` (XREAD and XREADGROUP), `group`, `claim` and `pending` (what
//! consumers have), `info`; `rows` is the table.
//!
//! What a group's readers do goes into the feed as what it comes to: an XCLAIM for each entry, with the time.

mod add;
mod claim;
mod group;
mod info;
mod pending;
mod range;
mod read;
mod rows;

use crate::call::{Call, Class};
use crate::keys::{self, Keys};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use data::stream::{Entry, Group, Pending, StreamId, TEXT_LEN_MAX};
use data::{StrRef, Stream};
pub use rows::COMMANDS;
use spec::Refusal;
use wire::reply::Reply;

const INVALID_ID: Refusal = Refusal::Text("ERR Invalid stream ID specified as stream command argument");

/// An id; `-` and `+` are the first and the last that can be.
fn loose_id(text: &[u8], missing_seq: u64) -> Result<StreamId, Refusal> {
    match text {
        b"-" => Ok(StreamId::ZERO),
        b"+" => Ok(StreamId::MAX),
        text => strict_id(text, missing_seq),
    }
}

/// An id.
fn strict_id(text: &[u8], missing_seq: u64) -> Result<StreamId, Refusal> {
    StreamId::parse(text, missing_seq).ok_or(INVALID_ID)
}

/// The start of a range: an id, or `(` and the id before it.
fn start_of_range(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let next = strict_id(id, 0)?.next();
            next.ok_or(Refusal::Text("ERR invalid start ID for the interval"))
        }
        text => loose_id(text, 0),
    }
}

/// The end of a range: an id, or `(` and the id behind it.
fn end_of_range(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let previous = strict_id(id, u64::MAX)?.previous();
            previous.ok_or(Refusal::Text("ERR invalid end ID for the interval"))
        }
        text => loose_id(text, u64::MAX),
    }
}

/// The stream at a key, for a reader.
fn read<'c>(keys: &'c mut Keys<'_>, key: &[u8]) -> Result<Option<&'c Stream>, Refusal> {
    keys.read(key).map(|entry| keys::of(&entry)).transpose()
}

fn no_group(key: &[u8], group: &[u8]) -> Refusal {
    let (key, group) = (crate::commands::text(key), crate::commands::text(group));
    Refusal::Owned(format!("NOGROUP No such key '{key}' or consumer group '{group}'").into())
}

fn no_group_of_key(key: &[u8], group: &[u8]) -> Refusal {
    let (key, group) = (crate::commands::text(key), crate::commands::text(group));
    Refusal::Owned(format!("NOGROUP No such consumer group '{group}' for key name '{key}'").into())
}

/// The time, as groups keep it.
fn now_ms(call: &Call<'_>) -> i64 {
    call.keys.now_ms as i64
}

fn say_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(id.text(&mut [0; TEXT_LEN_MAX]));
}

fn say_text(reply: &mut Reply<'_>, text: StrRef<'_>) {
    match text {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(number) => reply.bulk_integer(number),
    }
}

/// An entry: its id, and its fields and values in one list.
fn say_entry(reply: &mut Reply<'_>, entry: Entry<'_>) {
    reply.array(2);
    say_id(reply, entry.id());
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        say_text(reply, field);
        say_text(reply, value);
    }
}

/// A list whose length is known when it is written.
struct Late {
    at: usize,
}

impl Late {
    fn open(reply: &mut Reply<'_>) -> Late {
        Late { at: reply.out().len() }
    }

    /// Puts what `head` writes before what came since.
    fn close(self, reply: &mut Reply<'_>, head: impl FnOnce(&mut Reply<'_>)) {
        let end = reply.out().len();
        head(reply);
        let len = reply.out().len() - end;
        reply.out()[self.at..].rotate_right(len);
    }
}

/// What the feed says of an entry of a group.
struct Claimed {
    id: Vec<u8>,
    consumer: Box<[u8]>,
    delivered_ms: i64,
    count: u64,
    /// The group's last id after it.
    last_id: StreamId,
}

impl Claimed {
    fn new(group: &Group, pending: &Pending, id: &[u8]) -> Claimed {
        Claimed {
            id: id.to_vec(),
            consumer: group.at(pending.consumer).name().into(),
            delivered_ms: pending.delivered_ms,
            count: pending.count,
            last_id: group.last_id,
        }
    }

    /// Puts it into the feed: it has the same effect whenever it is executed, on an entry that is gone as well.
    fn pass_on(&self, call: &mut Call<'_>, key: &[u8], group: &[u8]) {
        let time = base::number::integer_text(self.delivered_ms);
        let count = base::number::integer_text(self.count as i64);
        call.effect(&[
            b"XCLAIM",
            key,
            group,
            &self.consumer,
            b"0",
            &self.id,
            b"TIME",
            &time,
            b"RETRYCOUNT",
            &count,
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            self.last_id.text(&mut [0; TEXT_LEN_MAX]),
        ]);
    }
}

/// Puts where a group stands into the feed.
fn pass_group_on(call: &mut Call<'_>, key: &[u8], group: &[u8], last_id: StreamId, read: Option<u64>) {
    let read = base::number::integer_text(read.map_or(-1, |read| read as i64));
    let mut room = [0; TEXT_LEN_MAX];
    call.effect(&[b"XGROUP", b"SETID", key, group, last_id.text(&mut room), b"ENTRIESREAD", &read]);
}

/// A consumer came into being: nobody who watches the key hears of it.
fn consumer_came(call: &mut Call<'_>, key: &[u8]) {
    call.keys.shared.feed.changes += 1;
    tell(call, "xgroup-createconsumer", key);
}

/// Publishes an event of a stream.
fn tell(call: &mut Call<'_>, event: &str, key: &[u8]) {
    if call.core.settings.notify != 0 {
        call.notify(Class::STREAM, event, key);
    }
}
