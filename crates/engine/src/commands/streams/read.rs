//! XREAD and XREADGROUP: what came after an id, now or as soon as it comes.
//!
//! XREADGROUP with `>` hands out what no consumer of the group was given yet; with an id it shows a consumer again what
//! it has not acknowledged.

use super::{Claimed, Late, consumer_came, now_ms, pass_group_on, say_entry, say_id, strict_id};
use crate::blocking::{self, Awaited};
use crate::call::Call;
use crate::commands::text;
use crate::keys;
use alloc::format;
use alloc::vec::Vec;
use base::{Time, number};
use data::stream::{ConsumerNumber, Group, Log, Pending, StreamId};
use data::{Kind, Stream};
use spec::Refusal;
use wire::Batch;
use wire::batch::Args;
use wire::reply::Reply;

/// 1000: entries that one who waited is given where no COUNT is (the original's choice).
const AWAITED_COUNT: usize = 1_000;

/// What is asked for.
struct Options<'a> {
    /// Until when to wait; none: not at all.
    deadline: Option<Time>,
    count: Option<usize>,
    group: Option<(&'a [u8], &'a [u8])>,
    /// What is handed out counts as done at once.
    needs_no_ack: bool,
    keys: Args<'a>,
    ids: Args<'a>,
    /// Where the ids begin among the arguments.
    ids_at: usize,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>, is_group: bool) -> Result<Options<'a>, Refusal> {
        let args = call.args;
        let (mut deadline, mut count, mut group, mut needs_no_ack) = (None, None, None, false);
        let mut at = 1;
        let streams = loop {
            let word = args.get(at).ok_or(Refusal::Syntax)?;
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let has_more = at + 1 < args.len();
            if is(b"block") && has_more {
                deadline = Some(blocking::deadline_of_ms(call.now, args.at(at + 1))?);
                at += 1;
            } else if is(b"count") && has_more {
                let value = number::parse_i64(args.at(at + 1)).ok_or(Refusal::NotInteger)?;
                // Zero stands for all, and so does what is below.
                count = usize::try_from(value).ok().filter(|count| *count > 0);
                at += 1;
            } else if is(b"streams") && has_more {
                break args.from(at + 1);
            } else if is(b"group") && at + 2 < args.len() {
                if !is_group {
                    return Err(Refusal::Text(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                group = Some((args.at(at + 1), args.at(at + 2)));
                at += 2;
            } else if is(b"noack") {
                if !is_group {
                    return Err(Refusal::Text(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                needs_no_ack = true;
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        };
        if streams.len() % 2 != 0 {
            if call.core.settings.is_valkey {
                let mark = if is_group { '>' } else { '$' };
                let text = format!(
                    "ERR Unbalanced '{}' list of streams: for each stream key an ID or '{mark}' must be specified.",
                    call.name()
                );
                return Err(Refusal::Owned(text.into()));
            }
            return Err(Refusal::Text(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            ));
        }
        if is_group && group.is_none() {
            return Err(Refusal::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        let count_of_keys = streams.len() / 2;
        let ids_at = args.len() - count_of_keys;
        let keys = streams.to(count_of_keys);
        Ok(Options { deadline, count, group, needs_no_ack, keys, ids: args.from(ids_at), ids_at })
    }
}

/// From where a stream is read.
#[derive(Clone, Copy)]
enum Start {
    /// Behind this id; for a consumer: what it has.
    Behind(StreamId),
    /// What the group was not given yet.
    New,
}

pub fn xread(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options = Options::parse(call, false)?;
    let mut behind = Vec::new();
    for (key, id) in options.keys.iter().zip(options.ids.iter()) {
        let stream = super::read(&mut call.keys, key)?;
        behind.push(match id {
            b"$" => stream.map_or(StreamId::ZERO, |stream| stream.log().last_id()),
            // The entry that was added last, unless it is deleted.
            b"+" => {
                let last = stream.map_or(StreamId::ZERO, |stream| stream.log().last_id());
                last.previous().unwrap_or(StreamId::ZERO)
            }
            b">" => {
                return Err(Refusal::Text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                     <consumer> option.",
                ));
            }
            id => strict_id(id, 0)?,
        });
    }
    let count = options.count.or_else(|| call.is_retried().then_some(AWAITED_COUNT));
    let list = Late::open(&mut call.reply);
    let mut served = 0;
    for (key, behind) in options.keys.iter().zip(&behind) {
        let Some(entry) = call.keys.look(key) else { continue };
        let log = keys::of::<Stream>(&entry)?.log();
        if log.last_live_id().is_none_or(|last| last <= *behind) {
            continue;
        }
        let Some(start) = behind.next() else { continue };
        served += 1;
        say_key(&mut call.reply, key);
        super::range::say_entries(&mut call.reply, log.range(start, StreamId::MAX), count);
    }
    if served > 0 {
        list.close(&mut call.reply, |reply| say_served(reply, served));
        return Ok(());
    }
    match options.deadline {
        None => call.reply.null_array(),
        Some(deadline) => {
            let moves = options.ids.iter().any(|id| matches!(id, b"$" | b"+"));
            let again = moves.then(|| with_ids(call.args, options.ids_at, &behind));
            let awaited = Awaited { again, ..Awaited::of(Kind::Stream) };
            call.await_keys(options.keys.iter(), awaited, deadline);
        }
    }
    Ok(())
}

/// The request with these ids.
fn with_ids(args: Args<'_>, ids_at: usize, ids: &[StreamId]) -> Batch {
    let mut batch = Batch::default();
    args.to(ids_at).iter().for_each(|arg| batch.push_arg(arg));
    ids.iter().for_each(|id| batch.push_arg(&id.to_vec()));
    batch.end_request();
    batch
}

/// How many streams follow.
fn say_served(reply: &mut Reply<'_>, served: usize) {
    if reply.is_resp3() { reply.map(served) } else { reply.array(served) }
}

/// A key before its entries; in RESP2 they are a pair.
fn say_key(reply: &mut Reply<'_>, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

pub fn xreadgroup(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options = Options::parse(call, true)?;
    let (group, _) = options.group.ok_or(Refusal::Syntax)?;
    let mut from = Vec::new();
    for (key, id) in options.keys.iter().zip(options.ids.iter()) {
        // Valkey asks anew as if it were for the first time.
        let is_retried = call.is_retried() && !call.core.settings.is_valkey;
        let stream = match call.keys.read(key) {
            Some(entry) if !is_retried || entry.kind() == Kind::Stream => Some(keys::of::<Stream>(&entry)?),
            _ if is_retried => {
                return Err(Refusal::Text("UNBLOCKED the stream key no longer exists"));
            }
            _ => None,
        };
        if stream.and_then(|stream| stream.groups().group(group)).is_none() {
            return Err(no_group_to_read(key, group, is_retried));
        }
        from.push(match id {
            b"$" => {
                return Err(Refusal::Text(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of \
                     this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID \
                     would just return an empty result set.",
                ));
            }
            b">" => Start::New,
            id => match strict_id(id, 0)? {
                StreamId::MAX => Start::New,
                id => Start::Behind(id),
            },
        });
    }
    let list = Late::open(&mut call.reply);
    let mut served = 0;
    for (key, from) in options.keys.iter().zip(from) {
        served += usize::from(serve(call, key, &options, from)?);
    }
    if served > 0 {
        list.close(&mut call.reply, |reply| say_served(reply, served));
        return Ok(());
    }
    match options.deadline {
        None => call.reply.null_array(),
        Some(deadline) => {
            let awaited = Awaited { minds_end: true, ..Awaited::of(Kind::Stream) };
            call.await_keys(options.keys.iter(), awaited, deadline);
        }
    }
    Ok(())
}

fn no_group_to_read(key: &[u8], group: &[u8], is_retried: bool) -> Refusal {
    if is_retried {
        return Refusal::Text("NOGROUP the consumer group this client was blocked on no longer exists");
    }
    let (key, group) = (text(key), text(group));
    let text =
        format!("NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option");
    Refusal::Owned(text.into())
}

/// What was handed out of one stream.
#[derive(Default)]
struct HandedOut {
    told: Vec<Claimed>,
    /// Where the group stands, if it went on without anybody being told by an XCLAIM.
    went_on: Option<(StreamId, Option<u64>)>,
}

/// Serves a consumer from one stream; false when there is nothing.
fn serve(call: &mut Call<'_>, key: &[u8], options: &Options<'_>, from: Start) -> Result<bool, Refusal> {
    let Some((name, consumer_name)) = options.group else { return Ok(false) };
    let now = now_ms(call);
    let count = options.count.or_else(|| call.is_retried().then_some(AWAITED_COUNT)).unwrap_or(usize::MAX);
    let (is_valkey, is_retried) = (call.core.settings.is_valkey, call.is_retried());
    let Some(mut entry) = call.keys.taken(key) else { return Ok(false) };
    let known = entry.as_ref();
    let stream = keys::of::<Stream>(&known)?;
    let Some(group) = stream.groups().group(name) else { return Ok(false) };
    if let Start::New = from
        && stream.log().last_live_id().is_none_or(|last| last <= group.last_id)
    {
        if is_valkey && !is_retried {
            came_in_vain(call, key, name, consumer_name)?;
        }
        return Ok(false);
    }
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    let (log, groups) = stream.split();
    let Some(mut group) = groups.group_mut(name) else { return Ok(false) };
    let known = group.consumer(consumer_name);
    let is_new = known.is_none();
    let made = known.or_else(|| group.create_consumer(consumer_name, now));
    let consumer = made.expect("it is there, or it is made");
    group.saw(consumer, now, None);
    say_key(&mut call.reply, key);
    let list = Late::open(&mut call.reply);
    let mut said = 0;
    let mut handed_out = HandedOut::default();
    match from {
        Start::Behind(id) => said = show_again(&mut call.reply, log, &mut group, consumer, (id, count), now),
        Start::New => {
            group.saw(consumer, now, (!options.needs_no_ack).then_some(now));
            let start = group.last_id.next().unwrap_or(StreamId::MAX);
            for entry in log.range(start, StreamId::MAX).take(count) {
                let id = entry.id();
                say_entry(&mut call.reply, entry);
                said += 1;
                advance(&mut group, log, id, is_valkey);
                if !options.needs_no_ack {
                    let pending = Pending { id, delivered_ms: now, count: 1, consumer };
                    group.assign(pending);
                    handed_out.told.push(Claimed::new(&group, &pending, &id.to_vec()));
                }
            }
            let tells = options.needs_no_ack || (is_valkey && said > 0);
            handed_out.went_on = tells.then_some((group.last_id, group.entries_read));
        }
    }
    drop(group);
    drop(stream);
    list.close(&mut call.reply, |reply| reply.array(said));
    // A consumer that an XCLAIM names comes into being by it.
    if is_new {
        consumer_came(call, key);
        if handed_out.told.is_empty() {
            call.effect(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer_name]);
        }
    }
    handed_out.told.iter().for_each(|claimed| claimed.pass_on(call, key, name));
    if let Some((last_id, read)) = handed_out.went_on {
        pass_group_on(call, key, name, last_id, read);
    }
    call.keys.shared.feed.changes += 1;
    Ok(true)
}

/// Shows a consumer what it has behind an id, so many entries at most; returns how many.
fn show_again(
    reply: &mut Reply<'_>,
    log: &Log,
    group: &mut Group,
    consumer: ConsumerNumber,
    (behind, count): (StreamId, usize),
    now: i64,
) -> usize {
    let start = behind.next().unwrap_or(StreamId::ZERO);
    let own = group.at(consumer).pending();
    let ids: Vec<StreamId> = own.iter_from(start).take(count).copied().collect();
    for id in &ids {
        match log.entry(*id) {
            Some(entry) => {
                say_entry(reply, entry);
                group.redelivered(*id, now);
            }
            // It was removed meanwhile; the consumer still has it.
            None => {
                reply.array(2);
                say_id(reply, *id);
                reply.null_array();
            }
        }
    }
    ids.len()
}

/// A consumer found nothing. In Redis 7.2 and Valkey it has been seen all the same, or comes into being.
fn came_in_vain(call: &mut Call<'_>, key: &[u8], name: &[u8], consumer: &[u8]) -> Result<(), Refusal> {
    let now = now_ms(call);
    let Some(mut entry) = call.keys.taken(key) else { return Ok(()) };
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    let Some(mut group) = stream.split().1.group_mut(name) else { return Ok(()) };
    let known = group.consumer(consumer);
    if let Some(number) = known.or_else(|| group.create_consumer(consumer, now)) {
        group.saw(number, now, None);
    }
    drop(group);
    drop(stream);
    if known.is_none() {
        consumer_came(call, key);
        call.effect(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
    }
    Ok(())
}

/// The group was given an entry. In Valkey what was removed between the one before and this one counts as well.
fn advance(group: &mut Group, log: &Log, id: StreamId, is_valkey: bool) {
    let from = if is_valkey { group.last_id } else { id };
    match &mut group.entries_read {
        Some(read) if !log.has_tombstone_from(from) => *read = read.wrapping_add(1),
        read if log.entries_added() > 0 => *read = log.count_up_to(id),
        _ => {}
    }
    group.last_id = id;
}
