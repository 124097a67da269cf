//! XACK, XCLAIM, XAUTOCLAIM: entries are done, or go over to another consumer.

use super::{
    Claimed, Late, consumer_came, no_group, now_ms, pass_group_on, read, say_entry, say_id, start_of_range,
    strict_id,
};
use crate::call::Call;
use crate::keys::{self, Keys};
use alloc::format;
use alloc::vec::Vec;
use base::number;
use data::Stream;
use data::stream::{ConsumerNumber, Group, Log, Pending, StreamId};
use spec::Refusal;
use wire::reply::Reply;

/// A refusal unless there is a stream at the key with this group.
fn check_group(keys: &mut Keys<'_>, key: &[u8], group: &[u8]) -> Result<(), Refusal> {
    let stream: Option<&Stream> = read(keys, key)?;
    match stream.and_then(|stream| stream.groups().group(group)) {
        Some(_) => Ok(()),
        None => Err(no_group(key, group)),
    }
}

pub fn xack(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(1), call.args.at(2));
    let stream: Option<&Stream> = read(&mut call.keys, key)?;
    let Some(group) = stream.and_then(|stream| stream.groups().group(name)) else {
        call.reply.integer(0);
        return Ok(());
    };
    let ids: Result<Vec<StreamId>, Refusal> = call.args.from(3).iter().map(|id| strict_id(id, 0)).collect();
    let ids = ids?;
    let mut done = 0;
    if ids.iter().any(|id| group.pending().by_id(*id).is_some())
        && let Some(mut entry) = call.keys.taken(key)
    {
        let mut stream = keys::change_in::<Stream>(&mut entry)?;
        if let Some(mut group) = stream.groups_mut().group_mut(name) {
            done = ids.into_iter().filter(|id| group.settle(*id)).count();
        }
        drop(stream);
        call.keys.shared.feed.changes += done as u64;
        call.as_requested();
    }
    call.reply.integer(done as i64);
    Ok(())
}

/// The options of XCLAIM.
struct Options {
    idle_ms_min: i64,
    ids: Vec<StreamId>,
    delivered_ms: i64,
    count: Option<u64>,
    is_forced: bool,
    ids_alone: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, Refusal> {
        let args = call.args;
        let now = now_ms(call);
        let number =
            |at: usize, what: &'static str| number::parse_i64(args.at(at)).ok_or(Refusal::Text(what));
        let mut options = Options {
            idle_ms_min: number(4, "ERR Invalid min-idle-time argument for XCLAIM")?.max(0),
            ids: args.from(5).iter().map_while(|id| strict_id(id, 0).ok()).collect(),
            delivered_ms: now,
            count: None,
            is_forced: false,
            ids_alone: false,
            last_id: StreamId::ZERO,
        };
        let mut at = 5 + options.ids.len();
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let has_more = at + 1 < args.len();
            let mut takes = 2;
            if is(b"force") {
                options.is_forced = true;
                takes = 1;
            } else if is(b"justid") {
                options.ids_alone = true;
                takes = 1;
            } else if is(b"idle") && has_more {
                let idle = number(at + 1, "ERR Invalid IDLE option argument for XCLAIM")?;
                options.delivered_ms = now.wrapping_sub(idle);
            } else if is(b"time") && has_more {
                options.delivered_ms = number(at + 1, "ERR Invalid TIME option argument for XCLAIM")?;
            } else if is(b"retrycount") && has_more {
                let count = number(at + 1, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                options.count = u64::try_from(count).ok();
            } else if is(b"lastid") && has_more {
                options.last_id = strict_id(args.at(at + 1), 0)?;
            } else {
                let text = format!("ERR Unrecognized XCLAIM option '{}'", crate::commands::text(word));
                return Err(Refusal::Owned(text.into()));
            }
            at += takes;
        }
        // A time that can not be is now.
        if options.delivered_ms < 0 || options.delivered_ms > now {
            options.delivered_ms = now;
        }
        Ok(options)
    }
}

/// Entries on their way from consumer to consumer.
struct Claiming<'s, 'r, 'o> {
    log: &'s Log,
    group: &'s mut Group,
    name: &'s [u8],
    consumer: Option<ConsumerNumber>,
    is_new: bool,
    now: i64,
    ids_alone: bool,
    reply: &'r mut Reply<'o>,
    said: usize,
    told: Vec<Claimed>,
}

impl Claiming<'_, '_, '_> {
    /// The entry is gone: nobody has it any more. `text` is its id as replicas are told.
    fn drop_gone(&mut self, id: StreamId, text: &[u8]) -> bool {
        let Some(pending) = self.group.pending().by_id(id).copied() else { return false };
        self.told.push(Claimed::new(self.group, &pending, text));
        self.group.settle(id)
    }

    /// Gives the entry to the consumer, who comes into being with the first.
    fn take(&mut self, id: StreamId, text: &[u8], delivered_ms: i64, count: u64) {
        let consumer = match self.consumer.or_else(|| self.group.consumer(self.name)) {
            Some(known) => known,
            None => {
                self.is_new = true;
                let made = self.group.create_consumer(self.name, self.now);
                made.expect("there is no consumer of this name")
            }
        };
        self.consumer = Some(consumer);
        self.group.saw(consumer, self.now, Some(self.now));
        let pending = Pending { id, delivered_ms, count, consumer };
        self.group.assign(pending);
        match self.log.entry(id) {
            Some(entry) if !self.ids_alone => say_entry(self.reply, entry),
            _ => say_id(self.reply, id),
        }
        self.said += 1;
        self.told.push(Claimed::new(self.group, &pending, text));
    }
}

/// Tells replicas and listeners what was claimed.
fn tell(call: &mut Call<'_>, is_new: bool, told: &[Claimed]) {
    let (key, group) = (call.args.at(1), call.args.at(2));
    if is_new {
        consumer_came(call, key);
    }
    told.iter().for_each(|claimed| claimed.pass_on(call, key, group));
    call.keys.shared.feed.changes += told.len() as u64;
}

pub fn xclaim(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(1), call.args.at(2));
    check_group(&mut call.keys, key, name)?;
    let options = Options::parse(call)?;
    let (args, now) = (call.args, now_ms(call));
    let mut entry = call.keys.taken(key).ok_or_else(|| no_group(key, name))?;
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    let (log, groups) = stream.split();
    let mut group = groups.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let goes_on = options.last_id > group.last_id;
    if goes_on {
        group.last_id = options.last_id;
    }
    let list = Late::open(&mut call.reply);
    let mut claiming = Claiming {
        log,
        group: &mut group,
        name: args.at(3),
        consumer: None,
        is_new: false,
        now,
        ids_alone: options.ids_alone,
        reply: &mut call.reply,
        said: 0,
        told: Vec::new(),
    };
    for (at, id) in options.ids.iter().copied().enumerate() {
        let text = args.at(5 + at);
        if !log.contains(id) {
            claiming.drop_gone(id, text);
            continue;
        }
        let before = match claiming.group.pending().by_id(id) {
            Some(pending) => {
                let idle = now.wrapping_sub(pending.delivered_ms);
                if options.idle_ms_min > 0 && idle < options.idle_ms_min {
                    continue;
                }
                pending.count
            }
            None if options.is_forced => 1,
            None => continue,
        };
        let count = options.count.unwrap_or(if options.ids_alone { before } else { before.wrapping_add(1) });
        claiming.take(id, text, options.delivered_ms, count);
    }
    let Claiming { is_new, said, told, .. } = claiming;
    let (last_id, entries_read) = (group.last_id, group.entries_read);
    drop(group);
    drop(stream);
    list.close(&mut call.reply, |reply| reply.array(said));
    tell(call, is_new, &told);
    if goes_on && told.is_empty() {
        pass_group_on(call, key, name, last_id, entries_read);
        call.keys.shared.feed.changes += 1;
    }
    Ok(())
}

/// The options of XAUTOCLAIM: COUNT and JUSTID.
fn options_of_auto(call: &Call<'_>) -> Result<(usize, bool), Refusal> {
    /// 100: entries where no COUNT is given.
    const COUNT_USUAL: i64 = 100;
    /// The original's bound, by the memory that it takes for an id.
    const COUNT_MAX: i64 = i64::MAX / 16;
    let (mut count, mut ids_alone) = (COUNT_USUAL, false);
    let mut at = 6;
    while let Some(word) = call.args.get(at) {
        match call.args.get(at + 1) {
            Some(value) if word.eq_ignore_ascii_case(b"count") => {
                let value = number::parse_i64(value).filter(|count| (1..=COUNT_MAX).contains(count));
                count = value.ok_or(Refusal::Text("ERR COUNT must be > 0"))?;
                at += 1;
            }
            _ if word.eq_ignore_ascii_case(b"justid") => ids_alone = true,
            _ => return Err(Refusal::Syntax),
        }
        at += 1;
    }
    Ok((count as usize, ids_alone))
}

pub fn xautoclaim(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// 10: so many entries are looked at for each that is wanted.
    const ATTEMPTS: usize = 10;
    let (key, name) = (call.args.at(1), call.args.at(2));
    let idle_ms_min = number::parse_i64(call.args.at(4));
    let idle_ms_min =
        idle_ms_min.ok_or(Refusal::Text("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?.max(0);
    let start = start_of_range(call.args.at(5))?;
    let (mut count, ids_alone) = options_of_auto(call)?;
    check_group(&mut call.keys, key, name)?;
    let now = now_ms(call);
    let mut entry = call.keys.taken(key).ok_or_else(|| no_group(key, name))?;
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    let (log, groups) = stream.split();
    let mut group = groups.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let list = Late::open(&mut call.reply);
    let mut claiming = Claiming {
        log,
        group: &mut group,
        name: call.args.at(3),
        consumer: None,
        is_new: false,
        now,
        ids_alone,
        reply: &mut call.reply,
        said: 0,
        told: Vec::new(),
    };
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let mut gone = Vec::new();
    let mut next = Some(start);
    while attempts > 0
        && count > 0
        && let Some(from) = next
        && let Some(pending) = claiming.group.pending().first_from(from).copied()
    {
        attempts -= 1;
        next = pending.id.next();
        let text = pending.id.to_vec();
        if !log.contains(pending.id) {
            claiming.drop_gone(pending.id, &text);
            gone.push(pending.id);
            count -= 1;
        } else if idle_ms_min == 0 || now.wrapping_sub(pending.delivered_ms) >= idle_ms_min {
            let deliveries = if ids_alone { pending.count } else { pending.count.wrapping_add(1) };
            claiming.take(pending.id, &text, now, deliveries);
            count -= 1;
        }
    }
    let next = next.and_then(|from| claiming.group.pending().first_from(from)).map(|pending| pending.id);
    let Claiming { is_new, said, told, .. } = claiming;
    drop(group);
    drop(stream);
    list.close(&mut call.reply, |reply| {
        reply.array(3);
        say_id(reply, next.unwrap_or(StreamId::ZERO));
        reply.array(said);
    });
    call.reply.array(gone.len());
    gone.into_iter().for_each(|id| say_id(&mut call.reply, id));
    tell(call, is_new, &told);
    Ok(())
}
