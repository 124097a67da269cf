//! Clock: what the 24 bits of a key's access clock mean: the time of its last use, or how often it is used.
//!
//! Without an LFU policy the clock is the second of the last use. With one, as in the original, 16 bits are the minute
//! in which the counter was last looked at and 8 bits a logarithmic counter, which falls by one for each
//! `lfu-decay-time` minutes without a use.
//!
//! Invariant: a change of the policy does not touch the keys, so a clock may have been set under the other meaning; every
//! value of 24 bits is a legal clock in both.

/// 24 bits: what an entry's access clock holds.
pub const CLOCK_MAX: u32 = (1 << 24) - 1;
/// 5: the counter of a new key, so that it is not the first to go. As the original.
pub const FIRST: u32 = 5;
/// One day: a clock that is ahead by less was set after the moment that it is looked at from.
const AHEAD_SECONDS: u32 = 86_400;

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

/// The clock of a last use so long ago.
pub fn idle_for(idle_seconds: u64, now_ms: u64) -> u32 {
    let idle = idle_seconds.min(u64::from(CLOCK_MAX)) as u32;
    seconds(now_ms).wrapping_sub(idle) & CLOCK_MAX
}

/// The counter at `now_ms`. `decay_minutes`: zero, and nothing falls.
pub fn frequency(clock: u32, now_ms: u64, decay_minutes: u64) -> u32 {
    let count = clock & 0xff;
    let minutes = u64::from(minute(now_ms).wrapping_sub(clock >> 8) & 0xffff);
    let fallen = minutes.checked_div(decay_minutes).unwrap_or(0);
    count.saturating_sub(u32::try_from(fallen).unwrap_or(u32::MAX))
}

/// The clock of a counter that shows `count` at `now_ms`.
pub fn counted(now_ms: u64, count: u32) -> u32 {
    minute(now_ms) << 8 | count.min(255)
}

fn minute(now_ms: u64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// Which meaning the clocks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clocks {
    /// Times, which no policy looks at.
    #[default]
    Unused,
    /// Times, of an LRU policy.
    Times,
    /// Counters, of an LFU policy with this `lfu-decay-time`.
    Counters(u64),
}

/// What a clock says, in the words of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUse {
    /// So many seconds ago.
    Idle(u32),
    /// The counter of uses.
    Count(u8),
}

impl Clocks {
    /// What a clock says at `now_ms`, as far as a policy looks at it. It may have been set a little later than that.
    pub fn say(self, clock: u32, now_ms: u64) -> Option<LastUse> {
        let ahead = clock.wrapping_sub(seconds(now_ms)) & CLOCK_MAX;
        match self {
            Clocks::Unused => None,
            Clocks::Times if ahead < AHEAD_SECONDS => Some(LastUse::Idle(0)),
            Clocks::Times => Some(LastUse::Idle(idle_seconds(clock, now_ms))),
            Clocks::Counters(decay_minutes) => {
                let ahead = (clock >> 8).wrapping_sub(minute(now_ms)) & 0xffff;
                let is_later = ahead < AHEAD_SECONDS / 60;
                let count = if is_later { clock & 0xff } else { frequency(clock, now_ms, decay_minutes) };
                Some(LastUse::Count(count as u8))
            }
        }
    }

    /// The clock of a key that comes out of a file, with what the file says of its last use.
    pub fn arriving(self, idle_seconds: Option<u64>, count: Option<u8>, now_ms: u64) -> u32 {
        match self {
            Clocks::Unused | Clocks::Times => idle_for(idle_seconds.unwrap_or(0), now_ms),
            Clocks::Counters(_) => counted(now_ms, count.map_or(FIRST, u32::from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clock_says_comes_back() {
        let now_ms = 1_700_000_000_000;
        let later_ms = now_ms + 3_600_000;
        let times = Clocks::Times;
        let clock = times.arriving(Some(77), None, now_ms);
        assert_eq!(times.say(clock, now_ms), Some(LastUse::Idle(77)));
        assert_eq!(times.say(clock, later_ms), Some(LastUse::Idle(77 + 3_600)));
        assert_eq!(times.say(clock, now_ms - 100_000), Some(LastUse::Idle(0)), "used after the moment");
        let counters = Clocks::Counters(1);
        let clock = counters.arriving(Some(5), Some(200), now_ms);
        assert_eq!(counters.say(clock, now_ms), Some(LastUse::Count(200)));
        assert_eq!(counters.say(clock, later_ms), Some(LastUse::Count(140)));
        assert_eq!(counters.say(clock, now_ms - 100_000), Some(LastUse::Count(200)));
        assert_eq!(counters.say(counters.arriving(None, None, now_ms), now_ms), Some(LastUse::Count(5)));
        assert_eq!(Clocks::Unused.say(clock, now_ms), None);
        assert_eq!(times.arriving(Some(u64::MAX), None, now_ms) & !CLOCK_MAX, 0);
    }
}
