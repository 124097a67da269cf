//! Glob patterns as KEYS, SCAN and PSUBSCRIBE use them.
