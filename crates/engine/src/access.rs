//! Access: how the access clocks of keys go on when they are used. What they mean says `data::clock`.
//!
//! Under an LFU policy the counter is raised the more rarely the more it shows, as in the original.

use base::Random;
use data::clock::{FIRST, counted};
pub use data::clock::{idle_seconds, seconds};

/// How uses are noted.
#[derive(Debug)]
pub struct Access {
    /// Uses are counted (an LFU policy).
    pub counts: bool,
    /// `lfu-log-factor`.
    pub log_factor: u64,
    /// `lfu-decay-time`, in minutes; zero: nothing falls.
    pub decay_minutes: u64,
    random: Random,
}

impl Access {
    /// Uses are times, until the settings say otherwise.
    pub fn new(random: Random) -> Access {
        Access { counts: false, log_factor: 10, decay_minutes: 1, random }
    }

    /// The clock of a key that comes into being.
    #[inline]
    pub fn first(&self, now_ms: u64) -> u32 {
        if self.counts { counted(now_ms, FIRST) } else { seconds(now_ms) }
    }

    /// The clock of a key that is used; `clock` is what it shows.
    #[inline]
    pub fn used(&mut self, clock: u32, now_ms: u64) -> u32 {
        if self.counts { self.count_use(clock, now_ms) } else { seconds(now_ms) }
    }

    fn count_use(&mut self, clock: u32, now_ms: u64) -> u32 {
        let count = self.frequency(clock, now_ms);
        // Ever rarer: by chance of one in (how far above the first value) times the factor.
        let above = u64::from(count.saturating_sub(FIRST));
        let is_raised = count < 255 && self.random.below(above.saturating_mul(self.log_factor) + 1) == 0;
        counted(now_ms, count + u32::from(is_raised))
    }

    /// The counter at `now_ms`.
    pub fn frequency(&self, clock: u32, now_ms: u64) -> u32 {
        data::clock::frequency(clock, now_ms, self.decay_minutes)
    }

    /// The clock of a key whose counter is set (RESTORE).
    pub fn with_frequency(&self, frequency: u32, now_ms: u64) -> u32 {
        counted(now_ms, frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::clock::CLOCK_MAX;

    const MINUTE: u64 = 60_000;

    fn counting(log_factor: u64, decay_minutes: u64) -> Access {
        Access { counts: true, log_factor, decay_minutes, ..Access::new(Random::new(1)) }
    }

    #[test]
    fn a_time_goes_round() {
        let access = Access::new(Random::new(1));
        let last = (u64::from(CLOCK_MAX)) * 1_000;
        assert_eq!(idle_seconds(access.first(last), last + 5_000), 5);
    }

    #[test]
    fn uses_count_ever_more_rarely() {
        let mut access = counting(10, 1);
        let mut clock = access.first(MINUTE);
        assert_eq!(access.frequency(clock, MINUTE), 5);
        clock = access.used(clock, MINUTE);
        assert_eq!(access.frequency(clock, MINUTE), 6);
        for _ in 0..10_000 {
            clock = access.used(clock, MINUTE);
        }
        let count = access.frequency(clock, MINUTE);
        assert!((30..60).contains(&count), "{count}");
        let mut every = counting(0, 1);
        let mut clock = every.first(MINUTE);
        for _ in 0..300 {
            clock = every.used(clock, MINUTE);
        }
        assert_eq!(every.frequency(clock, MINUTE), 255);
    }

    #[test]
    fn a_counter_falls_while_nobody_looks() {
        let access = counting(10, 2);
        let clock = access.with_frequency(100, MINUTE);
        assert_eq!(access.frequency(clock, 11 * MINUTE), 95);
        assert_eq!(access.frequency(clock, 1_000 * MINUTE), 0);
        let never = counting(10, 0);
        assert_eq!(never.frequency(clock, 1_000 * MINUTE), 100);
    }
}
