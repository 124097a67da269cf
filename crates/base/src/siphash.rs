//! SipHash: the keyed hash of the tables.
