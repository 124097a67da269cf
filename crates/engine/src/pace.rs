//! Pace: how much of what was unlinked a turn frees, by how long the turns before took.
//!
//! An allocation is freed in 50 ns where its bucket and its neighbours are in the caches, and in a microsecond or more where
//! they are not, or where others use up the memory's bandwidth. A count alone bounds no turn. The machine reads no clock
//! within a turn, so that the next one tells how long it was: turns follow each other at once while there is garbage.

use base::{Span, Time};

/// 200 us: a turn that took longer is followed by one that frees half as much.
const TURN_MAX: Span = Span::us(200);
/// 4: turns with more requests tell nothing about freeing. They free what the last quiet turn did, so that what requests
/// make does not pile up because there are many of them.
const REQUESTS_MAX: u64 = 4;
/// An eighth of the most is freed in any turn, and a sixteenth more after each short one.
const LEAST_PART: usize = 8;
const STEP_PART: usize = 16;

/// One engine's.
#[derive(Debug)]
pub(crate) struct Pace {
    budget: usize,
    /// When the last turn that freed began, with how many requests had run: if this one follows at once.
    before: Option<(Time, u64)>,
}

impl Pace {
    pub fn new() -> Pace {
        Pace { budget: usize::MAX, before: None }
    }

    /// What the turn that begins `now` frees, at most `most`; `requests` have run so far.
    pub fn budget(&mut self, now: Time, requests: u64, most: usize) -> usize {
        if let Some((then, ran)) = self.before
            && requests.saturating_sub(ran) <= REQUESTS_MAX
        {
            let was_long = now.since(then) > TURN_MAX;
            self.budget =
                if was_long { self.budget / 2 } else { self.budget.saturating_add(most / STEP_PART) };
        }
        self.before = Some((now, requests));
        self.budget = self.budget.clamp(most / LEAST_PART, most);
        self.budget
    }

    /// Nothing is left: the next turn may be any time later.
    pub fn rest(&mut self) {
        self.before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_turns_make_small_ones_and_short_ones_large_ones() {
        let mut pace = Pace::new();
        let mut now = Time::START;
        assert_eq!(pace.budget(now, 0, 800), 800);
        for expected in [400, 200, 100, 100] {
            now += Span::ms(2);
            assert_eq!(pace.budget(now, 0, 800), expected);
        }
        for expected in [150, 200, 250] {
            now += Span::us(100);
            assert_eq!(pace.budget(now, 0, 800), expected);
        }
        // Under pressure there is more.
        now += Span::us(100);
        assert_eq!(pace.budget(now, 0, 4_000), 500);
    }

    #[test]
    fn neither_requests_nor_rests_slow_it_down() {
        let mut pace = Pace::new();
        let mut now = Time::START;
        for turn in 0..5 {
            assert_eq!(pace.budget(now, turn * 100, 800), 800);
            now += Span::ms(5);
        }
        pace.rest();
        assert_eq!(pace.budget(now, 500, 800), 800);
        now += Span::ms(5);
        pace.rest();
        assert_eq!(pace.budget(now, 500, 800), 800);
    }
}
