//! Numbers from text and back, by the protocol's rules.
