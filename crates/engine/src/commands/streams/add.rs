//! What puts entries in and takes them out: XADD, XTRIM, XDEL, XSETID.

use super::{INVALID_ID, say_id, strict_id, tell};
use crate::call::{Call, Class};
use crate::commands::arity;
use crate::keys::{self, Place};
use alloc::vec::Vec;
use base::number;
use data::Stream;
use data::stream::{Log, NODE_BYTES_MAX, StreamId, TEXT_LEN_MAX, Trim};
use spec::Refusal;

/// The id that XADD is given.
#[derive(Clone, Copy)]
enum NewId {
    /// `*`.
    Now,
    /// `ms-*`.
    Time(u64),
    /// The whole.
    Whole(StreamId),
}

/// What XADD and XTRIM are asked for.
struct Options {
    id: NewId,
    /// Where the id stands.
    id_at: usize,
    makes_none: bool,
    trim: Option<Trim>,
    /// Where the threshold stands.
    trim_at: usize,
    is_rough: bool,
    limit: u64,
}

impl Options {
    fn parse(call: &Call<'_>, is_add: bool) -> Result<Options, Refusal> {
        let args = call.args;
        let mut limit = None;
        let mut options = Options {
            id: NewId::Now,
            id_at: 0,
            makes_none: false,
            trim: None,
            trim_at: 0,
            is_rough: false,
            limit: 0,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let has_more = at + 1 < args.len();
            if is_add && word == b"*" {
                options.id_at = at;
                break;
            } else if has_more && (is(b"maxlen") || is(b"minid")) {
                at = options.parse_trim(call, at, is(b"maxlen"))?;
            } else if is(b"limit") && has_more {
                at += 1;
                let count = number::parse_i64(args.at(at)).ok_or(Refusal::NotInteger)?;
                let count = u64::try_from(count);
                limit = Some(count.map_err(|_| Refusal::Text("ERR The LIMIT argument must be >= 0."))?);
            } else if is_add && is(b"nomkstream") {
                options.makes_none = true;
            } else if is_add {
                options.id = new_id(word)?;
                options.id_at = at;
                break;
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        options.settle_limit(call, limit, is_add)?;
        Ok(options)
    }

    /// Reads the threshold of MAXLEN or MINID, which stands at `at`; returns the place of its last argument.
    fn parse_trim(&mut self, call: &Call<'_>, at: usize, is_len: bool) -> Result<usize, Refusal> {
        if self.trim.is_some() {
            return Err(Refusal::Text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let mut at = at + 1;
        let sign = call.args.at(at);
        if matches!(sign, b"~" | b"=") && at + 1 < call.args.len() {
            self.is_rough = sign == b"~";
            at += 1;
        }
        let threshold = call.args.at(at);
        self.trim = Some(if is_len {
            let len = number::parse_i64(threshold).ok_or(Refusal::NotInteger)?;
            let len = u64::try_from(len);
            Trim::ToLen(len.map_err(|_| Refusal::Text("ERR The MAXLEN argument must be >= 0."))?)
        } else {
            Trim::Below(strict_id(threshold, 0)?)
        });
        self.trim_at = at;
        Ok(at)
    }

    /// Bounds a rough trim, so that it takes no long time.
    fn settle_limit(&mut self, call: &Call<'_>, given: Option<u64>, is_add: bool) -> Result<(), Refusal> {
        /// 100: so many nodes a trim that is given no LIMIT drops (the original's choice).
        const NODES: u64 = 100;
        /// 1,000,000: entries that it drops at most; 10,000 where nodes have no bound.
        const ENTRIES_MAX: u64 = 1_000_000;
        const ENTRIES_UNBOUNDED: u64 = 10_000;
        if self.trim.is_none() {
            if given.is_some_and(|limit| limit > 0) {
                return Err(Refusal::Text(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !is_add {
                return Err(Refusal::Text("ERR syntax error, XTRIM must be called with a trimming strategy"));
            }
        }
        // The primary has written into its stream how far it trimmed.
        if call.session.is_stream {
            return Ok(());
        }
        self.limit = match given {
            Some(_) if !self.is_rough => {
                return Err(Refusal::Text(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if self.is_rough => match call.core.settings.limits.stream.node_entries {
                0 => ENTRIES_UNBOUNDED,
                entries => entries.saturating_mul(NODES).min(ENTRIES_MAX),
            },
            None => 0,
        };
        Ok(())
    }

    /// Trims; returns how many entries are gone, and what replicas are told for a rough threshold.
    fn trim(&self, log: &mut Log) -> (u64, Option<Vec<u8>>) {
        let Some(trim) = self.trim else { return (0, None) };
        let dropped = log.trim(trim, self.is_rough, self.limit);
        let told = self.is_rough.then(|| match trim {
            Trim::ToLen(_) => number::integer_text(log.len() as i64).to_vec(),
            Trim::Below(_) => log.first_known_id().to_vec(),
        });
        (dropped, told)
    }
}

fn new_id(text: &[u8]) -> Result<NewId, Refusal> {
    if let Some(id) = StreamId::parse(text, 0) {
        return Ok(NewId::Whole(id));
    }
    StreamId::parse_time(text).map(NewId::Time).ok_or(INVALID_ID)
}

/// The id of the entry that is put in.
fn chosen_id(log: &Log, asked: NewId, now_ms: u64) -> Result<StreamId, Refusal> {
    const TOO_LOW: Refusal =
        Refusal::Text("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    let last = log.last_id();
    if last == StreamId::MAX {
        return Err(Refusal::Text(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    match asked {
        NewId::Now => log.next_id(now_ms).ok_or(TOO_LOW),
        NewId::Time(ms) if ms == last.ms => {
            last.seq.checked_add(1).map(|seq| StreamId::new(ms, seq)).ok_or(TOO_LOW)
        }
        NewId::Time(ms) => Some(StreamId::new(ms, 0)).filter(|id| *id > last).ok_or(TOO_LOW),
        NewId::Whole(id) => Some(id).filter(|id| *id > last).ok_or(TOO_LOW),
    }
}

/// Passes the request on with some arguments replaced.
fn pass_on(call: &mut Call<'_>, replaced: [Option<(usize, &[u8])>; 3]) {
    if call.keys.shared.standing.is_replica {
        return;
    }
    let args = call.args.iter().enumerate().map(|(at, arg)| {
        replaced.iter().flatten().find(|(place, _)| *place == at).map_or(arg, |(_, other)| *other)
    });
    call.keys.shared.feed.effect(call.keys.db, args);
}

pub fn xadd(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options = Options::parse(call, true)?;
    let texts = call.args.from(options.id_at + 1);
    if options.id_at == 0 || texts.is_empty() || texts.len() % 2 == 1 {
        return Err(arity(call));
    }
    if matches!(options.id, NewId::Whole(StreamId::ZERO)) {
        return Err(Refusal::Text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let is_too_large = texts.iter().map(<[u8]>::len).sum::<usize>() > NODE_BYTES_MAX;
    let too_large = Refusal::Text("ERR Elements are too large to be stored");
    let (key, now_ms) = (call.args.at(1), call.keys.now_ms);
    let limits = call.core.settings.limits.stream;
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(_) if options.makes_none => {
            call.reply.null();
            return Ok(());
        }
        Place::Free(_) if is_too_large => return Err(too_large),
        Place::Free(free) => free.insert(Stream::new().into(), None),
    };
    let id = chosen_id(keys::of::<Stream>(&entry.as_ref())?.log(), options.id, now_ms)?;
    if is_too_large {
        return Err(too_large);
    }
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    stream.log_mut().push(id, texts.iter(), limits);
    let (dropped, told) = options.trim(stream.log_mut());
    drop(stream);
    let mut room = [0; TEXT_LEN_MAX];
    let new_id = (!matches!(options.id, NewId::Whole(_))).then(|| (options.id_at, id.text(&mut room)));
    match told.as_deref() {
        Some(told) => {
            pass_on(call, [new_id, Some((options.trim_at - 1, b"=")), Some((options.trim_at, told))])
        }
        None => pass_on(call, [new_id, None, None]),
    }
    say_id(&mut call.reply, id);
    call.changed(Class::STREAM, "xadd", key);
    if dropped > 0 {
        tell(call, "xtrim", key);
    }
    Ok(())
}

pub fn xtrim(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options = Options::parse(call, false)?;
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let (dropped, told) = options.trim(keys::change_in::<Stream>(&mut entry)?.log_mut());
    if dropped > 0 {
        match told.as_deref() {
            Some(told) => {
                pass_on(call, [Some((options.trim_at - 1, b"=")), Some((options.trim_at, told)), None])
            }
            None => call.as_requested(),
        }
        lessened(call, "xtrim", key);
        call.keys.shared.feed.changes += dropped - 1;
    }
    call.reply.integer(dropped as i64);
    Ok(())
}

/// Entries are gone: whom XGROUP SETID has set back hears of older ones with the next that comes, and not with this.
fn lessened(call: &mut Call<'_>, event: &str, key: &[u8]) {
    call.keys.lessened(key);
    tell(call, event, key);
}

pub fn xdel(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let ids: Result<Vec<StreamId>, Refusal> = call.args.from(2).iter().map(|id| strict_id(id, 0)).collect();
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    keys::of::<Stream>(&entry.as_ref())?;
    let ids = ids?;
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    let removed = ids.into_iter().filter(|id| stream.log_mut().remove(*id)).count() as u64;
    drop(stream);
    if removed > 0 {
        call.as_requested();
        lessened(call, "xdel", key);
        call.keys.shared.feed.changes += removed - 1;
    }
    call.reply.integer(removed as i64);
    Ok(())
}

pub fn xsetid(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, id) = (call.args.at(1), strict_id(call.args.at(2), 0)?);
    let (mut added, mut max_deleted) = (None, None);
    let options: Vec<&[u8]> = call.args.from(3).iter().collect();
    for pair in options.chunks(2) {
        let &[word, value] = pair else { return Err(Refusal::Syntax) };
        if word.eq_ignore_ascii_case(b"entriesadded") {
            let count = number::parse_i64(value).ok_or(Refusal::NotInteger)?;
            let count = u64::try_from(count);
            added = Some(count.map_err(|_| Refusal::Text("ERR entries_added must be positive"))?);
        } else if word.eq_ignore_ascii_case(b"maxdeletedid") {
            let deleted = strict_id(value, 0)?;
            // Redis writes both into a base of commands, and loses them when it loads that.
            if id < deleted && !call.session.is_stream {
                return Err(Refusal::Text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted = Some(deleted).filter(|deleted| *deleted != StreamId::ZERO);
        } else {
            return Err(Refusal::Syntax);
        }
    }
    let mut entry = call.keys.taken(key).ok_or(Refusal::NoSuchKey)?;
    let known = entry.as_ref();
    let log = keys::of::<Stream>(&known)?.log();
    // A replica that is Valkey would refuse it, and after it the entries with ids below that of the deleted one.
    if call.core.settings.is_valkey && !call.session.is_stream && id < log.max_deleted_id() {
        return Err(Refusal::Text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if log.last_live_id().is_some_and(|last| id < last) {
        return Err(Refusal::Text(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if added.is_some_and(|added| added < log.len()) {
        return Err(Refusal::Text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    keys::change_in::<Stream>(&mut entry)?.log_mut().set_ids(id, added, max_deleted);
    call.as_requested();
    call.keys.shared.feed.changes += 1;
    tell(call, "xsetid", key);
    call.reply.ok();
    Ok(())
}
