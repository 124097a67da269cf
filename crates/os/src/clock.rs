//! Clock: the two faces of the present, the ticks for statistics, and chance from the system.
//!
//! The monotonic face counts while the host sleeps (`CLOCK_BOOTTIME`), so that a machine sees the jump.

use crate::syscalls;
use base::{Now, Time, Unix};

/// The clocks of one host; its monotonic time starts with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { start_ns: syscalls::boot_ns() }
    }

    /// Both faces, read now.
    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono(), unix: Unix(syscalls::unix_ns() / 1_000) }
    }

    /// `earlier`, moved on by the monotonic time that has passed: one clock is read, both faces are fresh.
    pub(crate) fn moved_on(&self, earlier: Now) -> Now {
        let mono = self.mono();
        Now { mono, unix: Unix(earlier.unix.0 + mono.since(earlier.mono).as_us()) }
    }

    /// The monotonic face.
    pub(crate) fn mono(&self) -> Time {
        Time((syscalls::boot_ns() - self.start_ns) / 1_000)
    }
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
