//! Access: what the 24 bits of a key's access clock mean: the time of its last use, or how often it is used.
//!
//! Without an LFU policy the clock is the second of the last use. With one, as in the original, 16 bits are the minute
//! in which the counter was last looked at and 8 bits a logarithmic counter: the more it shows the rarer a use raises
//! it, and it falls by one for each `lfu-decay-time` minutes without a use.
//!
//! Invariant: a change of the policy does not touch the keys, so a clock may have been set under the other meaning; every
//! value of 24 bits is a legal clock in both.

use base::Random;

/// 24 bits: what an entry's access clock holds.
pub const CLOCK_MAX: u32 = (1 << 24) - 1;
/// 5: the counter of a new key, so that it is not the first to go. As the original.
const FIRST: u32 = 5;

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
        let count = clock & 0xff;
        let minutes = u64::from(minute(now_ms).wrapping_sub(clock >> 8) & 0xffff);
        let fallen = minutes.checked_div(self.decay_minutes).unwrap_or(0);
        count.saturating_sub(u32::try_from(fallen).unwrap_or(u32::MAX))
    }

    /// The clock of a key whose counter is set (RESTORE).
    pub fn with_frequency(&self, frequency: u32, now_ms: u64) -> u32 {
        counted(now_ms, frequency.min(255))
    }
}

/// Seconds since the last use of a key whose clock is a time.
#[inline]
pub fn idle_seconds(clock: u32, now_ms: u64) -> u32 {
    seconds(now_ms).wrapping_sub(clock) & CLOCK_MAX
}

/// The clock of a last use at `now_ms`.
#[inline]
pub fn seconds(now_ms: u64) -> u32 {
    (now_ms / 1_000) as u32 & CLOCK_MAX
}

fn minute(now_ms: u64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

fn counted(now_ms: u64, count: u32) -> u32 {
    minute(now_ms) << 8 | count
}

#[cfg(test)]
mod tests {
    use super::*;

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
