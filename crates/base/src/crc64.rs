//! CRC-64 (Jones) as RDB files use it.
