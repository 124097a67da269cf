//! Rest: a machine that has nothing to do lets its host sleep.
//!
//! A time that is over already, asked for in turn after turn, costs all of a processor in the real loop, and nothing in the
//! virtual one: nobody would see it.

use base::Time;
use machine::Outbox;

/// 20: so many turns in a row may come of times that are over, without an input and without an output.
const SPINS_MAX: u32 = 20;

/// What a host sees of its machine's rest.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    spins: u32,
}

impl Rest {
    /// A turn ended. `brings`: it had other inputs than the clock.
    pub(crate) fn see(&mut self, brings: bool, out: &Outbox, now: Time) {
        let is_spin = !brings && out.outputs.is_empty() && !out.again && out.wake_at <= now;
        self.spins = if is_spin { self.spins + 1 } else { 0 };
        let at = out.wake_at;
        assert!(
            self.spins < SPINS_MAX,
            "at {now:?} turn after turn is asked for at {at:?}, with nothing to do"
        );
    }
}
