//! Clock: the two faces of the present, the ticks for statistics, and chance from the system.

/// Monotonic nanoseconds, for `Outbox::new`: statistics alone.
pub fn meter() -> u64 {
    0
}

/// 64 bits from the system's generator of secrets: the seed of a machine's `Random`.
pub fn seed() -> u64 {
    0
}
