//! CRC16 (XMODEM) and the hash slot of a key.
