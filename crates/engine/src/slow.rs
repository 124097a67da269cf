//! Slow: which requests took long (SLOWLOG) or were large (COMMANDLOG), and when the worst of them were (LATENCY).
//!
//! A reading of the meter costs a quarter of a GET, so not every request gets one. What a request costs is bounded by
//! its row where that is *brief* (one key, few arguments, no walk over a value): such requests share a reading with
//! their neighbours and are never looked at alone. All others are measured alone, exactly. With a threshold under
//! [`CLOSE_US`], and while `latency-monitor-threshold` is on, every request is measured alone: whoever asks for
//! microseconds pays for them.

use crate::session::Session;
use crate::table::Row;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Now, Unix};
use spec::directive::id;
use spec::{Config, DirectiveId, Flags, Spec};
use wire::batch::Args;

/// 1 ms: under this threshold brief requests are measured alone, too.
const CLOSE_US: i64 = 1_000;
/// 8: arguments of a brief request, at most.
pub const BRIEF_ARGS_MAX: u16 = 8;
/// 32: arguments of a request that an entry keeps.
const ENTRY_ARGS_MAX: usize = 32;
/// 128: bytes of an argument that an entry keeps.
const ENTRY_ARG_BYTES_MAX: usize = 128;
/// 160: samples of one event.
const SAMPLES_MAX: usize = 160;

/// True when a request of this command costs no more than a few microseconds, as long as its arguments are few.
pub fn is_brief(spec: &Spec) -> bool {
    let is_single = matches!(
        spec.name,
        "set" | "setex" | "psetex" | "setrange" | "getrange" | "substr" | "getset" | "del" | "unlink"
    );
    is_single || spec.flags.has(Flags::FAST)
}

/// From how long on a request is noted, in meter ticks (nanoseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `slowlog-log-slower-than`.
    pub slowlog: u64,
    /// `slowlog-max-len`.
    pub entries_max: usize,
    /// `latency-monitor-threshold`.
    pub latency: u64,
    /// `commandlog-request-larger-than`, in bytes; the largest number: none.
    pub request_bytes: usize,
    /// `commandlog-large-request-max-len`.
    pub requests_max: usize,
    /// `commandlog-reply-larger-than`, in bytes; the largest number: none.
    pub reply_bytes: usize,
    /// `commandlog-large-reply-max-len`.
    pub replies_max: usize,
    /// Every request is measured alone.
    pub is_close: bool,
}

impl Thresholds {
    /// Reads them.
    pub fn from_config(config: &Config) -> Thresholds {
        let slowlog_us = config.integer(id::SLOWLOG_LOG_SLOWER_THAN);
        let latency_ms = config.count(id::LATENCY_MONITOR_THRESHOLD);
        let count = |id| usize::try_from(config.count(id)).unwrap_or(usize::MAX);
        // Below zero: never.
        let bytes = |id| usize::try_from(config.integer(id)).unwrap_or(usize::MAX);
        Thresholds {
            slowlog: u64::try_from(slowlog_us).map_or(u64::MAX, |us| us.saturating_mul(1_000)),
            entries_max: count(id::SLOWLOG_MAX_LEN),
            request_bytes: bytes(id::COMMANDLOG_REQUEST_LARGER_THAN),
            requests_max: count(id::COMMANDLOG_LARGE_REQUEST_MAX_LEN),
            reply_bytes: bytes(id::COMMANDLOG_REPLY_LARGER_THAN),
            replies_max: count(id::COMMANDLOG_LARGE_REPLY_MAX_LEN),
            latency: if latency_ms == 0 { u64::MAX } else { latency_ms.saturating_mul(1_000_000) },
            is_close: (0..CLOSE_US).contains(&slowlog_us) || latency_ms > 0,
        }
    }
}

/// Why a request is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It took long.
    Slow,
    /// It was large.
    LargeRequest,
    /// Its reply was large.
    LargeReply,
}

/// A request that is noted.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts up over the process' life.
    pub id: u64,
    /// When it ran.
    pub at: Unix,
    /// How long, in microseconds, or how large, in bytes.
    pub amount: u64,
    /// Its arguments, cut.
    pub args: Vec<Vec<u8>>,
    /// Whose it was: `ip:port`.
    pub client: String,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
}

/// What one event's samples tell.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// When (seconds since 1970), and how long in milliseconds. One for each second, the worst.
    pub samples: VecDeque<(u64, u64)>,
    /// The worst ever.
    pub worst_ms: u64,
}

/// The requests that are noted for one reason.
#[derive(Debug, Default)]
pub struct Log {
    /// The newest first.
    pub entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    fn push(
        &mut self,
        entries_max: usize,
        amount: u64,
        row: &Row,
        args: Args<'_>,
        session: &Session,
        now: Now,
    ) {
        if entries_max == 0 {
            return;
        }
        self.entries.push_front(Entry {
            id: self.next_id,
            at: now.unix,
            amount,
            args: shown(&redacted(row, args)),
            client: session.peer.remote.to_string(),
            name: session.name.clone(),
        });
        self.next_id += 1;
        self.entries.truncate(entries_max);
    }
}

/// The logs and the samples.
#[derive(Debug, Default)]
pub struct Slow {
    /// By [`Kind`].
    pub logs: [Log; 3],
    /// By event.
    pub events: BTreeMap<&'static str, Event>,
    /// Ticks that the running request will stand still after the turn (DEBUG SLEEP): they are its own.
    pub stalls: u64,
}

impl Slow {
    /// Notes a request that ran for `ticks`, where that is long. `args` as they were sent.
    pub fn note(
        &mut self,
        thresholds: Thresholds,
        ticks: u64,
        row: &Row,
        args: Args<'_>,
        session: &Session,
        now: Now,
    ) {
        if ticks >= thresholds.latency {
            let event = if row.spec().flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.sample(event, now.unix.as_seconds(), ticks / 1_000_000);
        }
        if ticks < thresholds.slowlog || row.spec().flags.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        self.logs[Kind::Slow as usize].push(thresholds.entries_max, ticks / 1_000, row, args, session, now);
    }

    /// Notes a request where it or its reply is large.
    #[cold]
    pub fn note_sizes(
        &mut self,
        thresholds: Thresholds,
        (request_bytes, reply_bytes): (usize, usize),
        row: &Row,
        args: Args<'_>,
        session: &Session,
        now: Now,
    ) {
        if row.spec().flags.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        if request_bytes > thresholds.request_bytes {
            let log = &mut self.logs[Kind::LargeRequest as usize];
            log.push(thresholds.requests_max, request_bytes as u64, row, args, session, now);
        }
        if reply_bytes > thresholds.reply_bytes {
            let log = &mut self.logs[Kind::LargeReply as usize];
            log.push(thresholds.replies_max, reply_bytes as u64, row, args, session, now);
        }
    }

    fn sample(&mut self, event: &'static str, second: u64, ms: u64) {
        let event = self.events.entry(event).or_default();
        event.worst_ms = event.worst_ms.max(ms);
        match event.samples.back_mut() {
            Some((at, worst)) if *at == second => *worst = (*worst).max(ms),
            _ => event.samples.push_back((second, ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }
}

/// The arguments of a request without its secrets.
pub fn redacted<'a>(row: &Row, args: Args<'a>) -> Vec<&'a [u8]> {
    const REDACTED: &[u8] = b"(redacted)";
    let mut args: Vec<&[u8]> = args.iter().collect();
    match &*row.full_name {
        "auth" => args[1..].fill(REDACTED),
        "hello" => {
            if let Some(at) = args.iter().position(|word| word.eq_ignore_ascii_case(b"auth")) {
                args.iter_mut().skip(at + 1).take(2).for_each(|word| *word = REDACTED);
            }
        }
        "migrate" => {
            for (word, count) in [("auth", 1), ("auth2", 2)] {
                if let Some(at) = args.iter().position(|arg| arg.eq_ignore_ascii_case(word.as_bytes())) {
                    args.iter_mut().skip(at + 1).take(count).for_each(|word| *word = REDACTED);
                }
            }
        }
        "config|set" => {
            let is_secret = |name: &[u8]| DirectiveId::named(name).is_some_and(|id| id.row().secret);
            for pair in args[2..].chunks_mut(2) {
                if let [name, value] = pair
                    && is_secret(name)
                {
                    *value = REDACTED;
                }
            }
        }
        _ => {}
    }
    args
}

/// Cuts long requests and long arguments, and says what is missing.
fn shown(args: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if args.len() > ENTRY_ARGS_MAX { ENTRY_ARGS_MAX - 1 } else { args.len() };
    let mut shown: Vec<Vec<u8>> = args[..kept]
        .iter()
        .map(|arg| match arg.len().checked_sub(ENTRY_ARG_BYTES_MAX) {
            None | Some(0) => arg.to_vec(),
            Some(more) => {
                let mut cut = arg[..ENTRY_ARG_BYTES_MAX].to_vec();
                cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                cut
            }
        })
        .collect();
    if kept < args.len() {
        shown.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    shown
}

/// Bytes of a request on the wire.
pub fn wire_len(args: Args<'_>) -> usize {
    let header = |number: usize| number.checked_ilog10().unwrap_or(0) as usize + 4;
    header(args.len()) + args.iter().map(|arg| header(arg.len()) + arg.len() + 2).sum::<usize>()
}
