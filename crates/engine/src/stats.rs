//! Stats: counters for INFO. No decision hangs on them.

use crate::histogram::Histogram;
use crate::table::RowIndex;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::Traffic;

/// One command's figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStats {
    /// Times that it ran.
    pub calls: u64,
    /// Meter ticks that it ran.
    pub ticks: u64,
    /// Times that admission refused it.
    pub rejected: u64,
    /// Times that its reply was an error.
    pub failed: u64,
}

/// 128: kinds of errors that are told apart; more would be a client's play with error codes.
const ERRORS_MAX: usize = 128;

/// All counters.
#[derive(Debug, Default)]
pub struct Stats {
    /// By row.
    pub commands: Vec<CommandStats>,
    /// By the error's first word.
    pub errors: BTreeMap<Box<[u8]>, u64>,
    /// All error replies.
    pub error_replies: u64,
    /// Requests that ran.
    pub requests: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections over `maxclients`.
    pub rejected_connections: u64,
    /// Keys that were removed because of their deadline.
    pub expired: u64,
    /// Fields of hashes that expired.
    pub expired_fields: u64,
    /// Keys that made room for others.
    pub evicted: u64,
    /// Clients that were closed for the memory that they pinned.
    pub evicted_clients: u64,
    /// Since when more memory is in use than there may be, and how long it was before that.
    over_limit_since: Option<Time>,
    over_limit: Span,
    /// What was freed in slices before the counters were set back.
    pub freed_before: u64,
    /// Lookups of reads that found their key.
    pub hits: u64,
    /// Lookups of reads that did not.
    pub misses: u64,
    /// Connections that were closed for their unread output.
    pub output_disconnections: u64,
    /// Connections that were closed for an unfinished request over `client-query-buffer-limit`.
    pub query_disconnections: u64,
    /// Authentications and commands that were denied.
    pub auth_denied: u64,
    /// Requests and replies that were looked at in the window of the instantaneous figure.
    pub rate: Rate,
    /// What went over sockets, of late.
    pub rates: Rates,
    /// What had gone over sockets when the counters were set back.
    pub traffic_before: Traffic,
    /// Meter ticks that regular work took.
    pub cron_ticks: u64,
    /// Of these, those of active expiry.
    pub expire_ticks: u64,
    /// Of the keys with deadlines, the share in percent that slices of active expiry found to be over, of late.
    pub expired_stale_percent: f64,
    /// Payloads of RESTORE that were checked in full.
    pub payloads: u64,
    /// Slices of active expiry that left due keys behind.
    pub expire_cut_short: u64,
    /// Most requests in one turn.
    pub requests_max: u64,
    /// How long requests took, by row; none for a row that did not run, and for all without `latency-tracking`.
    histograms: Vec<Option<Box<Histogram>>>,
    /// `latency-tracking`.
    pub is_tracking: bool,
    row: RowIndex,
    since: u64,
    /// Calls of `row` when the run of requests began.
    calls_before: u64,
}

/// Requests per second, sampled every 100 ms, the mean of 16 samples, as the original has it.
#[derive(Debug, Default)]
pub struct Rate {
    samples: [u64; 16],
    next: usize,
    last_us: u64,
    last_count: u64,
}

/// Rates of what the host counts.
#[derive(Debug, Default)]
pub struct Rates {
    /// Bytes from clients.
    pub input: Rate,
    /// Bytes to clients.
    pub output: Rate,
    /// Bytes from the primary.
    pub replication_input: Rate,
    /// Bytes to replicas.
    pub replication_output: Rate,
    /// Turns of the loop.
    pub turns: Rate,
    /// Microseconds of them.
    pub turns_us: Rate,
}

impl Rates {
    /// Takes a sample of each. `replication`: bytes that came from a primary and went to replicas, so far.
    pub fn sample(&mut self, at_us: u64, traffic: &Traffic, replication: [u64; 2]) {
        self.replication_input.sample(at_us, replication[0]);
        self.replication_output.sample(at_us, replication[1]);
        self.input.sample(at_us, traffic.input_bytes);
        self.output.sample(at_us, traffic.output_bytes);
        self.turns.sample(at_us, traffic.turns);
        self.turns_us.sample(at_us, traffic.turns_us);
    }
}

impl Rate {
    /// Takes a sample: `count` so far at `at_us`.
    pub fn sample(&mut self, at_us: u64, count: u64) {
        let span = at_us.saturating_sub(self.last_us);
        if span < 100_000 {
            return;
        }
        let per_second = count.saturating_sub(self.last_count).saturating_mul(1_000_000) / span;
        self.samples[self.next] = per_second;
        self.next = (self.next + 1) % self.samples.len();
        (self.last_us, self.last_count) = (at_us, count);
    }

    /// The mean.
    pub fn mean(&self) -> u64 {
        self.samples.iter().sum::<u64>() / self.samples.len() as u64
    }
}

impl Stats {
    /// Counters for a table of `rows` rows.
    pub fn new(rows: usize) -> Stats {
        Stats {
            commands: vec![CommandStats::default(); rows],
            histograms: vec![None; rows],
            is_tracking: true,
            ..Stats::default()
        }
    }

    /// A slice of active expiry found so many keys to be over, of so many with a deadline; what it had no time to look at
    /// is not among them. Older slices count ever less, as in the original.
    pub fn note_stale(&mut self, over: u64, all: u64) {
        let percent = if all == 0 { 0.0 } else { over as f64 * 100.0 / all as f64 };
        self.expired_stale_percent = percent * 0.05 + self.expired_stale_percent * 0.95;
    }

    /// CONFIG RESETSTAT; `traffic` is what went over sockets so far.
    pub fn reset(&mut self, traffic: Traffic) {
        *self = Stats {
            commands: vec![CommandStats::default(); self.commands.len()],
            histograms: vec![None; self.commands.len()],
            is_tracking: self.is_tracking,
            rate: core::mem::take(&mut self.rate),
            rates: core::mem::take(&mut self.rates),
            traffic_before: traffic,
            row: self.row,
            since: self.since,
            ..Stats::default()
        };
        self.rate.last_count = 0;
        // The request that asks for it counts as one.
        self.commands[usize::from(self.row)].calls = 1;
    }

    /// More memory is in use than there may be, or not.
    pub fn note_limit(&mut self, is_over: bool, now: Time) {
        if is_over {
            self.over_limit_since.get_or_insert(now);
        } else if let Some(since) = self.over_limit_since.take() {
            self.over_limit = self.over_limit + now.since(since);
        }
    }

    /// How long more memory was in use than there may be: in all, and since it was last less.
    pub fn over_limit(&self, now: Time) -> (Span, Span) {
        let current = self.over_limit_since.map_or(Span::default(), |since| now.since(since));
        (self.over_limit + current, current)
    }

    /// How long requests of a row took.
    pub fn histogram(&self, row: usize) -> Option<&Histogram> {
        self.histograms[row].as_deref()
    }

    /// `count` requests of a row took `ticks` together.
    pub fn record(&mut self, row: RowIndex, ticks: u64, count: u64) {
        if self.is_tracking && count > 0 {
            let histogram = &mut self.histograms[usize::from(row)];
            histogram.get_or_insert_with(|| Box::new(Histogram::new())).record(ticks / count, count);
        }
    }

    /// A run of requests begins at `ticks`.
    #[inline]
    pub fn start(&mut self, ticks: u64) {
        self.since = ticks;
    }

    /// A request of `row` begins. The meter is read where the command changes alone: its figures are sums.
    #[inline]
    pub fn ran(&mut self, row: RowIndex, ticks: impl FnOnce() -> u64) {
        if row != self.row {
            self.stop(ticks());
            self.row = row;
            self.calls_before = self.commands[usize::from(row)].calls;
        }
        self.requests += 1;
        self.commands[usize::from(row)].calls += 1;
    }

    /// The run of requests ends at `ticks`.
    #[inline]
    pub fn stop(&mut self, ticks: u64) {
        self.end(ticks.saturating_sub(self.since));
        self.since = ticks;
    }

    /// A run of requests of one command took `spent`.
    fn end(&mut self, spent: u64) {
        if let Some(stats) = self.commands.get_mut(usize::from(self.row)) {
            stats.ticks = stats.ticks.saturating_add(spent);
            // A call that turned out to wait is taken back.
            let count = stats.calls.saturating_sub(self.calls_before);
            self.calls_before = stats.calls;
            self.record(self.row, spent, count);
        }
    }

    /// The request that runs has ended at `ticks`, and will stand still for `stalls` more; how long it took, where the
    /// meter was read when it began.
    pub fn lap(&mut self, ticks: u64, stalls: u64) -> u64 {
        let spent = ticks.saturating_sub(self.since).saturating_add(stalls);
        self.end(spent);
        self.since = ticks;
        spent
    }

    /// An error reply, given as it stands on the wire after its `-`.
    #[cold]
    pub fn error(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let code = text.split(|byte| matches!(byte, b' ' | b'\r')).next().unwrap_or_default();
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERRORS_MAX {
            self.errors.insert(code.into(), 1);
        }
    }
}
