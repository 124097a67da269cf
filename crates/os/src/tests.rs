//! Tests of the host: a reference machine on the real loop, with and without faults.
