//! Clock: the two faces of the present, the ticks for statistics, and chance from the system.
//!
//! The monotonic face counts while the host sleeps (`CLOCK_BOOTTIME`), so that a machine sees the jump.

use crate::syscalls;
use base::{Now, Span, Time, Unix};

/// 1 ms: so old may the difference between the two faces be. A wall clock that is set is noticed as late.
const DIFFERENCE_AGE_MAX: Span = Span::ms(1);

/// The clocks of one host; its monotonic time starts with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start_ns: u64,
    /// What the wall clock said when the monotonic one said `looked_at`: in between one clock is read, not two.
    wall: Unix,
    looked_at: Time,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let start_ns = syscalls::boot_ns();
        Clock { start_ns, wall: unix(), looked_at: Time::START }
    }

    /// Both faces, read now.
    pub(crate) fn now(&mut self) -> Now {
        let mono = self.mono();
        if mono.since(self.looked_at) >= DIFFERENCE_AGE_MAX {
            (self.wall, self.looked_at) = (unix(), mono);
        }
        moved_on(Now { mono: self.looked_at, unix: self.wall }, mono)
    }

    /// `earlier`, moved on by the monotonic time that has passed: one clock is read, both faces are fresh.
    /// `ticks`: what `meter` has just said, if it was asked.
    pub(crate) fn moved_on(&self, earlier: Now, ticks: Option<u64>) -> Now {
        let read = |ns: u64| Time(ns.saturating_sub(self.start_ns) / 1_000);
        moved_on(earlier, ticks.map_or_else(|| self.mono(), read).max(earlier.mono))
    }

    /// The monotonic face.
    pub(crate) fn mono(&self) -> Time {
        Time((syscalls::boot_ns() - self.start_ns) / 1_000)
    }
}

/// `earlier` at `mono`, as if nobody had set the wall clock.
fn moved_on(earlier: Now, mono: Time) -> Now {
    Now { mono, unix: Unix(earlier.unix.0 + mono.since(earlier.mono).as_us()) }
}

fn unix() -> Unix {
    Unix(syscalls::unix_ns() / 1_000)
}

/// Monotonic nanoseconds, for `Outbox::new`: statistics alone.
pub fn meter() -> u64 {
    syscalls::boot_ns()
}

/// 64 bits from the system's generator of secrets: the seed of a machine's `Random`.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    syscalls::fill_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// This process' bound on open files.
pub fn open_files() -> u64 {
    syscalls::raise_open_files(0)
}

/// Raises this process' bound on open files to `wanted`, as far as the system allows; tells what it is now.
/// A program calls it before it decides on `maxclients`.
pub fn raise_open_files(wanted: u64) -> u64 {
    syscalls::raise_open_files(wanted)
}
