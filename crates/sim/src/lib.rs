//! The simulator: one seed, one run.
