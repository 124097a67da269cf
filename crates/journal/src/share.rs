//! Share: how much of the engine's time the walk of a snapshot gets.
//!
//! ```text
//!   while requests run:   time passes --> credit --> a slice, once there is enough --> what it took is taken off
//!   few requests:         slices, as fast as they go
//! ```
//!
//! The host tells how long turns took. Of that time the walk gets a small part, of the time that the engine sleeps another: the
//! requests' rate, their kind and the machine's speed are all in it. What a slice takes is not measured but counted, in
//! nanoseconds as they usually are (`data`): a turn has no clock. Slices are short, so that no request waits long for one.
//!
//! Writes save what they change before the walk has come to it. Entries that they save whole are done with: what that took is
//! taken off the walk's part, down to a quarter of it. So a save costs requests about the same, whatever they do, and where they
//! do most of its work it takes longer. Of large values they save what must be kept until the walk comes by. The more memory that
//! takes, the greater the walk's part becomes, little by little: the sooner it ends the less is saved.

use base::{Span, Time};
use data::SnapshotBudget;

/// 300 us: a slice where nobody has asked for anything.
const IDLE_SLICE: SnapshotBudget = SnapshotBudget { entries: usize::MAX, ns: 300_000 };
/// 48 ns of each microsecond that turns take, what writes save whole included. What the disk's thread does comes to it.
const BUSY_NS_PER_US: u64 = 48;
/// 12 ns: so much the walk gets whatever writes save.
const BUSY_NS_PER_US_MIN: u64 = 12;
/// 60 ns, and nothing is taken off, where what is kept of large values takes more than 1 MiB.
const KEEPING_NS_PER_US: u64 = 60;
const KEEPING_BYTES: u64 = 1 << 20;
/// 150 ns more where that takes much memory, in proportion.
const NOTED_NS_PER_US: u64 = 150;
/// 300 ns: not even much memory makes it more.
const BUSY_NS_PER_US_MAX: u64 = 300;
/// 1.7 % of the data and 32 MiB are much.
const NOTED_PART: u64 = 60;
const NOTED_FREE_BYTES: u64 = 32 << 20;
/// 8: slices between two looks at that.
const SLICES_PER_LOOK: u32 = 8;
/// 1/8 of the time between them: at depth 1 a request that comes while nobody seems to want anything waits for the slice.
const SLEEP_PART: u64 = 8;
/// 40 us: the smallest slice. It costs a turn some cache misses more, whatever its length.
const SLICE_MIN_NS: i64 = 40_000;
/// 150 us: the longest while requests run, but for the end of a segment of small values.
const SLICE_MAX_NS: i64 = 150_000;
/// 20 ms: no longer a debt is remembered, of values that were written whole.
const DEBT_MAX_NS: i64 = 20_000_000;
/// 1 ms: so long after the last look the walk comes again where no request does.
const LOOK_AGAIN: Span = Span::ms(1);
/// 16 requests in 3 ms: fewer leave the walk all the time that it wants.
const FEW_REQUESTS: u64 = 16;
const LOAD_PERIOD: Span = Span::ms(3);

/// The account of one walk.
#[derive(Debug)]
pub(crate) struct Share {
    credit_ns: i64,
    /// When time was last counted, and how long all turns had taken then.
    counted_at: Time,
    turns_us: u64,
    /// Slices since the last look at what writes have saved, and the part of the turns' time that it has led to.
    slices: u32,
    busy_ns_per_us: u64,
    busy_ns_per_us_min: u64,
    /// What writes had saved whole when time was last counted.
    copied_ns: u64,
    /// Requests of this period and of the one before, and when this one began.
    recent: [u64; 2],
    recent_since: Time,
}

impl Share {
    pub(crate) fn new(now: Time, turns_us: u64) -> Share {
        Share {
            credit_ns: 0,
            counted_at: now,
            turns_us,
            slices: 0,
            busy_ns_per_us: BUSY_NS_PER_US,
            busy_ns_per_us_min: BUSY_NS_PER_US_MIN,
            copied_ns: 0,
            recent: [0; 2],
            recent_since: now,
        }
    }

    /// So many requests ran.
    pub(crate) fn note_requests(&mut self, count: u64) {
        self.recent[0] += count;
    }

    /// How much may be walked now; none while requests come first. `turns_us`: how long all turns before this one took;
    /// `copied_ns`: what writes, also of this one, took to save entries whole.
    pub(crate) fn slice(&mut self, now: Time, turns_us: u64, copied_ns: u64) -> Option<SnapshotBudget> {
        if now.since(self.recent_since) >= LOAD_PERIOD {
            (self.recent, self.recent_since) = ([0, self.recent[0]], now);
        }
        let passed_us = now.since(self.counted_at).as_us();
        let busy_us = turns_us.saturating_sub(self.turns_us).min(passed_us);
        (self.counted_at, self.turns_us) = (now, turns_us);
        let copied_now_ns = copied_ns.saturating_sub(core::mem::replace(&mut self.copied_ns, copied_ns));
        // Clients that wait for replies ask for nothing meanwhile: a turn without requests alone is no time to take.
        if self.recent.iter().all(|requests| *requests < FEW_REQUESTS) {
            self.credit_ns = 0;
            return Some(IDLE_SLICE);
        }
        let earned_ns = busy_us
            .saturating_mul(self.busy_ns_per_us)
            .saturating_sub(copied_now_ns)
            .max(busy_us.saturating_mul(self.busy_ns_per_us_min))
            .saturating_add((passed_us - busy_us).saturating_mul(1_000 / SLEEP_PART));
        let earned_ns = i64::try_from(earned_ns).unwrap_or(i64::MAX);
        self.credit_ns = self.credit_ns.saturating_add(earned_ns).min(SLICE_MAX_NS);
        (self.credit_ns >= SLICE_MIN_NS)
            .then(|| SnapshotBudget { entries: usize::MAX, ns: self.credit_ns.unsigned_abs() as usize })
    }

    /// So much was walked.
    pub(crate) fn pay(&mut self, spent_ns: u64) {
        let spent_ns = i64::try_from(spent_ns).unwrap_or(i64::MAX);
        self.credit_ns = self.credit_ns.saturating_sub(spent_ns).max(-DEBT_MAX_NS);
    }

    /// True now and then: `note` is to be told what writes have saved.
    pub(crate) fn wants_note(&mut self) -> bool {
        self.slices = (self.slices + 1) % SLICES_PER_LOOK;
        self.slices == 0
    }

    /// So much memory takes what writes have saved, and so much the data.
    pub(crate) fn note(&mut self, noted_bytes: u64, data_bytes: u64) {
        if noted_bytes <= KEEPING_BYTES {
            (self.busy_ns_per_us, self.busy_ns_per_us_min) = (BUSY_NS_PER_US, BUSY_NS_PER_US_MIN);
            return;
        }
        let bound = data_bytes / NOTED_PART + NOTED_FREE_BYTES;
        let more = noted_bytes.saturating_mul(NOTED_NS_PER_US) / bound;
        self.busy_ns_per_us = KEEPING_NS_PER_US.saturating_add(more).min(BUSY_NS_PER_US_MAX);
        self.busy_ns_per_us_min = self.busy_ns_per_us;
    }

    /// When to look again, where the walk waits.
    pub(crate) fn look_again_at(&self) -> Time {
        self.counted_at + LOOK_AGAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks for 10 s among turns of `turn_us` with a sleep of `sleep_us` between them; returns which part of all that time the
    /// walk has taken, if a slice takes `dearer` times what is counted, in percent.
    fn percent(turn_us: u64, sleep_us: u64, requests: u64, dearer: u64) -> u64 {
        let (mut now, mut turns_us, mut walked_us) = (Time(1_000_000), 0, 0);
        let mut share = Share::new(now, turns_us);
        let until = now + Span::seconds(10);
        while now < until {
            share.note_requests(requests);
            let mut slice_us = 0;
            if let Some(slice) = share.slice(now, turns_us, 0) {
                // By whole steps of 70 us.
                let spent_ns = slice.ns.next_multiple_of(70_000) as u64;
                share.pay(spent_ns);
                slice_us = spent_ns * dearer / 1_000;
            }
            turns_us += turn_us + slice_us;
            walked_us += slice_us;
            now += Span::us(turn_us + slice_us + sleep_us);
        }
        walked_us * 100 / now.since(Time(1_000_000)).as_us()
    }

    #[test]
    fn turns_of_any_length_give_the_same_part() {
        for turn_us in [20, 100, 600, 3_000] {
            let part = percent(turn_us, 0, 100, 1);
            // A slice has a bound: turns longer than a millisecond leave less.
            let least = if turn_us > 1_000 { 3 } else { 4 };
            assert!((least..=6).contains(&part), "{turn_us}: {part}");
        }
    }

    #[test]
    fn sleep_gives_more_and_few_requests_give_all() {
        let part = percent(50, 200, 100, 1);
        assert!((9..=16).contains(&part), "{part}");
        assert!(percent(20, 5_000, 1, 1) >= 5);
        assert!(percent(0, 10, 0, 1) > 90);
    }

    #[test]
    fn a_slow_machine_pays_in_proportion() {
        // Everything takes three times as long: turns and slices.
        let part = percent(300, 0, 100, 3);
        assert!((10..=40).contains(&part), "{part}");
    }

    #[test]
    fn what_writes_have_saved_makes_it_hurry() {
        let mut share = Share::new(Time(0), 0);
        let (mut walked, bound) = ([0; 4], (1 << 30) / NOTED_PART + NOTED_FREE_BYTES);
        let mut now = Time(0);
        for (walked, noted) in walked.iter_mut().zip([KEEPING_BYTES + 1, bound / 2, bound, u64::MAX]) {
            share.note(noted, 1 << 30);
            for _ in 0..1_000 {
                share.note_requests(100);
                now += Span::us(500);
                if let Some(slice) = share.slice(now, now.since(Time(0)).as_us(), 0) {
                    share.pay(slice.ns as u64);
                    *walked += slice.ns;
                }
            }
        }
        let first = walked[0];
        for (walked, times) in walked.iter().skip(1).zip([2.25, 3.5, 5.0]) {
            let ratio = *walked as f64 / first as f64 / times;
            assert!((0.9..1.1).contains(&ratio), "{walked} of {first}");
        }
        assert_eq!((0..SLICES_PER_LOOK * 2).filter(|_| share.wants_note()).count(), 2);
    }

    #[test]
    fn what_writes_save_whole_is_taken_off() {
        // Nanoseconds of each microsecond that writes take to save, whether much is kept of large values, and what is left.
        for (copied, keeps, left) in
            [(0, false, 48), (30, false, 18), (48, false, 12), (400, false, 12), (400, true, 60)]
        {
            let (mut share, mut now, mut walked) = (Share::new(Time(0), 0), Time(0), 0);
            share.note(if keeps { KEEPING_BYTES + 1 } else { KEEPING_BYTES }, 1 << 40);
            for _ in 0..10_000 {
                share.note_requests(100);
                now += Span::us(500);
                let us = now.since(Time(0)).as_us();
                if let Some(slice) = share.slice(now, us, us * copied) {
                    share.pay(slice.ns as u64);
                    walked += slice.ns as u64;
                }
            }
            let part = walked / now.since(Time(0)).as_us();
            assert!(part.abs_diff(left) <= 1, "{copied} {keeps}: {part}");
        }
    }

    #[test]
    fn a_debt_ends() {
        let mut share = Share::new(Time(0), 0);
        share.note_requests(1_000);
        share.pay(u64::MAX);
        let mut now = Time(0);
        while share.slice(now, now.since(Time(0)).as_us(), 0).is_none() {
            share.note_requests(1_000);
            now += Span::us(500);
            assert!(now < Time(0) + Span::seconds(1));
        }
        assert_eq!(share.look_again_at(), now + LOOK_AGAIN);
    }
}
