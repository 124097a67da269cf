//! Pace: a delay per key (`key-load-delay`, `rdb-key-save-delay`), without a thread that sleeps.
//!
//! Each key moves the moment at which the next one is due. Whoever is ahead of it stops, and asks for a wake-up then.

use base::{Span, Time};

/// 5 ms: so much of being late is made up for. A wake-up comes some time after it is due, which must not add up.
const LATE_MAX: Span = Span::ms(5);

/// When the next key is due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    due: Time,
    /// Keys without a delay since the last one that had it.
    free: u64,
}

impl Pace {
    /// A key is done. `delay` is in microseconds; a negative one is a microsecond for each so many keys.
    pub(crate) fn note_key(&mut self, delay: i64, now: Time) {
        let us = if delay >= 0 {
            delay.unsigned_abs()
        } else {
            self.free += 1;
            if self.free < delay.unsigned_abs() {
                return;
            }
            self.free = 0;
            1
        };
        self.due = self.due.max(now - LATE_MAX) + Span::us(us);
    }

    /// Several keys are done.
    pub(crate) fn note_keys(&mut self, count: u64, delay: i64, now: Time) {
        if delay < 0 {
            (0..count).for_each(|_| self.note_key(delay, now));
        } else if delay > 0 && count > 0 {
            self.due = self.due.max(now - LATE_MAX) + Span::us(delay.unsigned_abs()).times(count);
        }
    }

    /// True when the next key is due.
    pub(crate) fn is_due(&self, delay: i64, now: Time) -> bool {
        delay == 0 || self.due <= now
    }

    /// When the next key is due.
    pub(crate) fn due(&self) -> Time {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long `keys` keys take when each wake-up comes 300 us late.
    fn took(delay: i64, keys: u64) -> Span {
        let begun = Time(1_000_000);
        let (mut pace, mut now) = (Pace::default(), begun);
        for _ in 0..keys {
            if !pace.is_due(delay, now) {
                now = pace.due() + Span::us(300);
            }
            pace.note_key(delay, now);
        }
        now.since(begun)
    }

    #[test]
    fn keys_take_their_time_and_lateness_does_not_add_up() {
        let span = took(50, 10_000);
        assert!(span >= Span::ms(494) && span <= Span::ms(501), "{span:?}");
        assert!(took(1_000, 100) >= Span::ms(94));
    }

    #[test]
    fn a_negative_delay_is_for_so_many_keys() {
        let span = took(-10, 1_000_000);
        assert!(span >= Span::ms(94) && span <= Span::ms(101), "{span:?}");
    }

    #[test]
    fn no_delay_ends_what_was_waited_for() {
        let mut pace = Pace::default();
        pace.note_key(1_000_000, Time(10_000_000));
        assert!(!pace.is_due(1_000_000, Time(10_000_000)));
        assert!(pace.is_due(0, Time(10_000_000)));
    }
}
