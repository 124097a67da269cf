//! XINFO: what there is to know of a stream, its groups and their consumers.

use super::{no_group_of_key, now_ms, range, read, say_entry, say_id};
use crate::call::Call;
use crate::commands;
use base::number;
use data::Stream;
use data::stream::{Consumer, Group, StreamId};
use spec::Refusal;
use wire::reply::Reply;

fn named(reply: &mut Reply<'_>, name: &str, number: u64) {
    reply.bulk(name.as_bytes());
    reply.integer(number as i64);
}

fn named_id(reply: &mut Reply<'_>, name: &str, id: StreamId) {
    reply.bulk(name.as_bytes());
    say_id(reply, id);
}

/// A number that may not be known.
fn named_maybe(reply: &mut Reply<'_>, name: &str, number: Option<i64>) {
    reply.bulk(name.as_bytes());
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

/// COUNT of FULL (0: all); none where FULL is not asked for.
fn full_count(call: &Call<'_>) -> Result<Option<usize>, Refusal> {
    /// 10: entries where no COUNT is given.
    const COUNT_USUAL: usize = 10;
    let syntax = || Refusal::subcommand_or_arity("xinfo", call.args.at(1));
    let is = |at: usize, name: &[u8]| call.args.at(at).eq_ignore_ascii_case(name);
    match call.args.len() {
        3 => Ok(None),
        4 if is(3, b"full") => Ok(Some(COUNT_USUAL)),
        6 if is(3, b"full") && is(4, b"count") => {
            let count = number::parse_i64(call.args.at(5)).ok_or(Refusal::NotInteger)?;
            Ok(Some(usize::try_from(count).unwrap_or(COUNT_USUAL)))
        }
        _ => Err(syntax()),
    }
}

pub fn stream(call: &mut Call<'_>) -> Result<(), Refusal> {
    let full = full_count(call);
    let stream = read(&mut call.keys, call.args.at(2))?.ok_or(Refusal::NoSuchKey)?;
    let full = full?;
    let reply = &mut call.reply;
    let log = stream.log();
    reply.map(if full.is_some() { 9 } else { 10 });
    named(reply, "length", log.len());
    named(reply, "radix-tree-keys", log.nodes() as u64);
    named(reply, "radix-tree-nodes", stream.radix_nodes());
    named_id(reply, "last-generated-id", log.last_id());
    named_id(reply, "max-deleted-entry-id", log.max_deleted_id());
    named(reply, "entries-added", log.entries_added());
    named_id(reply, "recorded-first-entry-id", log.first_id());
    let Some(count) = full else {
        named(reply, "groups", stream.groups().len() as u64);
        let first = log.range(StreamId::ZERO, StreamId::MAX).next();
        let last = log.range_back(StreamId::ZERO, StreamId::MAX).next();
        for (name, entry) in [("first-entry", first), ("last-entry", last)] {
            reply.bulk(name.as_bytes());
            match entry {
                Some(entry) => say_entry(reply, entry),
                None => reply.null(),
            }
        }
        return Ok(());
    };
    let count = if count == 0 { usize::MAX } else { count };
    reply.bulk(b"entries");
    range::say_entries(reply, log.range(StreamId::ZERO, StreamId::MAX), Some(count));
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    stream.groups().iter().for_each(|group| say_group(reply, stream, group, count));
    Ok(())
}

fn say_group(reply: &mut Reply<'_>, stream: &Stream, group: &Group, count: usize) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(group.name());
    say_progress(reply, stream, group);
    named(reply, "pel-count", group.pending().len() as u64);
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count));
    for pending in group.pending().iter().take(count) {
        reply.array(4);
        say_id(reply, pending.id);
        reply.bulk(group.at(pending.consumer).name());
        reply.integer(pending.delivered_ms);
        reply.integer(pending.count as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers_len());
    group.consumers().for_each(|consumer| say_consumer(reply, group, consumer, count));
}

/// How far a group has come.
fn say_progress(reply: &mut Reply<'_>, stream: &Stream, group: &Group) {
    named_id(reply, "last-delivered-id", group.last_id);
    named_maybe(reply, "entries-read", group.entries_read.map(|read| read as i64));
    named_maybe(reply, "lag", stream.lag(group));
}

fn say_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    named_maybe(reply, "seen-time", Some(consumer.seen_ms));
    named_maybe(reply, "active-time", Some(consumer.active_or_never()));
    named(reply, "pel-count", consumer.pending().len() as u64);
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count));
    for id in consumer.pending().iter().take(count) {
        let pending = group.pending().by_id(*id).expect("what a consumer has is its group's as well");
        reply.array(3);
        say_id(reply, *id);
        reply.integer(pending.delivered_ms);
        reply.integer(pending.count as i64);
    }
}

pub fn groups(call: &mut Call<'_>) -> Result<(), Refusal> {
    let stream = read(&mut call.keys, call.args.at(2))?.ok_or(Refusal::NoSuchKey)?;
    call.reply.array(stream.groups().len());
    for group in stream.groups().iter() {
        call.reply.map(6);
        call.reply.bulk(b"name");
        call.reply.bulk(group.name());
        named(&mut call.reply, "consumers", group.consumers_len() as u64);
        named(&mut call.reply, "pending", group.pending().len() as u64);
        say_progress(&mut call.reply, stream, group);
    }
    Ok(())
}

pub fn consumers(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(2), call.args.at(3));
    let now = now_ms(call);
    let stream = read(&mut call.keys, key)?.ok_or(Refusal::NoSuchKey)?;
    let group = stream.groups().group(name).ok_or_else(|| no_group_of_key(key, name))?;
    let reply = &mut call.reply;
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        named(reply, "pending", consumer.pending().len() as u64);
        named_maybe(reply, "idle", Some(now.saturating_sub(consumer.seen_ms).max(0)));
        let inactive = consumer.active_ms.map_or(-1, |active| now.saturating_sub(active).max(0));
        named_maybe(reply, "inactive", Some(inactive));
    }
    Ok(())
}

pub fn help(call: &mut Call<'_>) -> Result<(), Refusal> {
    commands::help(
        call,
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Lists the consumers of a group.",
            "GROUPS <key>",
            "    Lists the consumer groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Describes a stream; with FULL its entries, groups and consumers too.",
        ],
    );
    Ok(())
}
