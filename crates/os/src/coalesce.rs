//! Coalescing: where many connections keep the loop busy, it lets some requests come together before it looks for them.
//!
//! A loop that is a little faster than its clients sleeps after each request and is woken for the next one. The sleep, the
//! wake (at the client's expense, where both are on one machine), the look at what has come and the turn cost more than the
//! request. As network cards hold their interrupts back for a moment, the loop naps before it looks again:
//!
//! ```text
//!   a period of 1 ms   many reads, from many connections?  ---- no ----> no naps
//!   the turn is over   it had requests, nothing else is due ---- nap ----> next turn: how many connections came?
//!                      more than half of all: they were waiting for us ---> no naps for a while
//! ```
//!
//! Clients that wait for their replies before they ask again are kept waiting by a nap only if all of them do at once; that is
//! what the last look is for. An answer of the disk ends a nap.

use base::{Span, Time};

/// 20 us: a nap.
pub(crate) const NAP: Span = Span::us(20);
/// 1 ms: so long reads are counted.
const PERIOD: Span = Span::ms(1);
/// 20 us: with less between two reads on average, a nap brings more than one.
const READ_EVERY: Span = Span::us(20);
/// 16: with fewer connections it is likely that all of them wait.
const PEERS_MIN: u32 = 16;
/// 10 ms: no naps after one that was too long.
const REST: Span = Span::ms(10);

/// What is known of the load, and of the last nap.
#[derive(Debug, Default)]
pub(crate) struct Coalescing {
    /// The number of this period, and when it began.
    period: u32,
    began: Time,
    reads: u32,
    /// Connections that were read in this period.
    connections: u32,
    /// Connections that were read in the last period, if there were enough reads from enough of them.
    peers: Option<u32>,
    /// Reads of this turn.
    turn_reads: u32,
    has_napped: bool,
    rests_until: Time,
}

impl Coalescing {
    /// A turn begins.
    pub(crate) fn begin_turn(&mut self, now: Time) {
        let passed = now.since(self.began);
        if passed < PERIOD {
            return;
        }
        let is_busy =
            self.connections >= PEERS_MIN && passed.as_us() <= u64::from(self.reads) * READ_EVERY.as_us();
        self.peers = is_busy.then_some(self.connections);
        self.period = self.period.wrapping_add(1);
        self.began = now;
        (self.reads, self.connections) = (0, 0);
    }

    /// A connection was read; `period` is the one in which it was read last.
    #[inline]
    pub(crate) fn note_read(&mut self, period: &mut u32) {
        self.reads += 1;
        self.turn_reads += 1;
        self.connections += u32::from(*period != self.period);
        *period = self.period;
    }

    /// The turn is over. True when a nap would be well spent, if nothing is due before its end.
    pub(crate) fn end_turn(&mut self, now: Time) -> bool {
        let reads = std::mem::take(&mut self.turn_reads);
        let has_napped = std::mem::take(&mut self.has_napped);
        let Some(peers) = self.peers else { return false };
        if has_napped && reads * 2 > peers {
            self.rests_until = now + REST;
        }
        reads > 0 && now >= self.rests_until
    }

    /// It was done.
    pub(crate) fn note_nap(&mut self) {
        self.has_napped = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs turns that read `per_turn` of `peers` connections in rotation, each `turn_us` long and followed by a nap where one
    /// is wanted, for 50 ms; how many naps there were.
    fn naps(peers: usize, per_turn: usize, turn_us: u64, after_nap: usize) -> u32 {
        let mut coalescing = Coalescing::default();
        let mut periods = vec![0; peers];
        let (mut now, mut next, mut naps, mut has_napped) = (Time(1_000_000), 0, 0, false);
        let end = now + Span::ms(50);
        while now < end {
            coalescing.begin_turn(now);
            for _ in 0..if has_napped { after_nap } else { per_turn } {
                coalescing.note_read(&mut periods[next % peers]);
                next += 1;
            }
            now += Span::us(turn_us);
            has_napped = coalescing.end_turn(now);
            if has_napped {
                coalescing.note_nap();
                naps += 1;
                now += NAP;
            }
        }
        naps
    }

    #[test]
    fn many_connections_are_let_come_together() {
        assert!(naps(50, 1, 12, 3) > 500);
    }

    #[test]
    fn few_connections_never_wait() {
        assert_eq!(naps(1, 1, 12, 1), 0);
        assert_eq!(naps(15, 1, 12, 3), 0);
    }

    #[test]
    fn a_slow_stream_of_requests_never_waits() {
        assert_eq!(naps(50, 1, 30, 1), 0);
    }

    #[test]
    fn connections_that_all_wait_for_a_nap_end_the_naps() {
        let rounds = naps(20, 20, 100, 20);
        assert!((1..=6).contains(&rounds), "one in {REST:?}: {rounds}");
    }

    #[test]
    fn a_turn_without_requests_is_followed_by_no_nap() {
        let mut coalescing = Coalescing::default();
        let mut periods = [0; 50];
        coalescing.begin_turn(Time(1_000));
        (0..100).for_each(|read| coalescing.note_read(&mut periods[read % 50]));
        coalescing.begin_turn(Time(2_000));
        assert!(coalescing.end_turn(Time(2_001)));
        assert!(!coalescing.end_turn(Time(2_002)));
    }
}
