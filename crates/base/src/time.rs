//! Time as a value: a monotonic instant, a wall clock reading, and the span between two instants.
//!
//! Decisions about timeouts use [`Time`]; decisions about data (deadlines of keys) use [`Unix`].
//! Both arrive together as [`Now`]; nothing below the hosts can read a clock.

use core::ops::{Add, AddAssign, Sub};

/// A length of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of `us` microseconds.
    pub const fn us(us: u64) -> Span {
        Span(us)
    }

    /// A span of `ms` milliseconds (saturating).
    pub const fn ms(ms: u64) -> Span {
        Span(ms.saturating_mul(1_000))
    }

    /// A span of `seconds` seconds (saturating).
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1_000_000))
    }

    /// The span in whole microseconds.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds, rounded down.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000
    }

    /// The span in whole seconds, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The span `factor` times over (saturating).
    pub const fn times(self, factor: u64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

/// A monotonic instant, in microseconds since an arbitrary start of the world that runs the machine.
///
/// It never goes back and has no relation to the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The start of the world.
    pub const START: Time = Time(0);
    /// An instant that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

/// A reading of the wall clock, in microseconds since 1970-01-01 UTC. It may jump in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unix(pub u64);

impl Unix {
    /// A reading of `ms` milliseconds since 1970.
    pub const fn from_ms(ms: u64) -> Unix {
        Unix(ms.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since 1970: the unit of every key's deadline.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds since 1970.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// The two faces of the present, fixed for one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic face: timeouts, retries, lag.
    pub mono: Time,
    /// The wall clock's face: deadlines of keys, LASTSAVE, TIME.
    pub unix: Unix,
}
