//! The catalogue: commands on strings, bitmaps and HyperLogLogs.

use super::{Row, row};
use crate::command::Group;

/// The rows, by name.
pub static ROWS: &[Row] = &[
    row(Group::String, "append", "2.0.0", "key value", "Appends to a string; a missing key counts as empty."),
    row(Group::Bitmap, "bitcount", "2.6.0", "key [start [end/i [BYTE | BIT]]]", "Counts the bits that are set."),
    row(Group::Bitmap, "bitfield", "3.2.0", "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value/i | INCRBY encoding offset increment>> ...]", "Reads and writes integers of any width within a string."),
    row(Group::Bitmap, "bitfield_ro", "6.0.0", "key [GET encoding offset [GET encoding offset ...]]", "Reads integers of any width within a string."),
    row(Group::Bitmap, "bitop", "2.6.0", "<AND | OR | XOR | NOT> destkey key [key ...]", "Combines strings bit by bit and stores the result."),
    row(Group::Bitmap, "bitpos", "2.8.7", "key bit [start [end/i [BYTE | BIT]]]", "Finds the first bit that is set, or clear."),
    row(Group::String, "decr", "1.0.0", "key", "Takes one from the integer value of a key; a missing key counts as 0."),
    row(Group::String, "decrby", "1.0.0", "key decrement", "Takes a number from the integer value of a key; a missing key counts as 0."),
    row(Group::String, "delifeq", "9.0.0", "key value", "Removes a key if its value is the given one.").only_valkey(),
    row(Group::String, "get", "1.0.0", "key", "Returns the string value of a key."),
    row(Group::Bitmap, "getbit", "2.2.0", "key offset", "Returns one bit of a string."),
    row(Group::String, "getdel", "6.2.0", "key", "Returns the string value of a key and removes the key."),
    row(Group::String, "getex", "6.2.0", "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]", "Returns the string value of a key and may change when it expires."),
    row(Group::String, "getrange", "2.4.0", "key start end/i", "Returns a part of a string."),
    row(Group::String, "getset", "1.0.0", "key value", "Sets a string and returns the one before."),
    row(Group::String, "incr", "1.0.0", "key", "Adds one to the integer value of a key; a missing key counts as 0."),
    row(Group::String, "incrby", "1.0.0", "key increment", "Adds to the integer value of a key; a missing key counts as 0."),
    row(Group::String, "incrbyfloat", "2.6.0", "key increment/d", "Adds to the floating point value of a key; a missing key counts as 0."),
    row(Group::String, "lcs", "7.0.0", "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", "Finds the longest common subsequence of two strings."),
    row(Group::String, "mget", "1.0.0", "key [key ...]", "Returns the string values of keys."),
    row(Group::String, "mset", "1.0.1", "key value [key value ...]", "Sets several strings at once."),
    row(Group::String, "msetex", "9.1.0", "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]", "Sets several strings at once, and when they expire.").only_valkey(),
    row(Group::String, "msetnx", "1.0.1", "key value [key value ...]", "Sets several strings at once if none of the keys exists."),
    row(Group::HyperLogLog, "pfadd", "2.8.9", "key [element [element ...]]", "Adds elements to a HyperLogLog."),
    row(Group::HyperLogLog, "pfcount", "2.8.9", "key [key ...]", "Estimates how many different elements were added."),
    row(Group::HyperLogLog, "pfdebug", "2.8.9", "subcommand key", "Shows the inside of a HyperLogLog."),
    row(Group::HyperLogLog, "pfmerge", "2.8.9", "destkey [sourcekey [sourcekey ...]]", "Merges HyperLogLogs into one."),
    row(Group::HyperLogLog, "pfselftest", "2.8.9", "", "Tests the HyperLogLog code."),
    row(Group::String, "psetex", "2.6.0", "key milliseconds value", "Sets a string and its time to live in milliseconds."),
    row(Group::String, "set", "1.0.0", "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]", "Sets the string value of a key, whatever it was.").valkey("key value [NX | XX | IFEQ comparison-value] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]"),
    row(Group::Bitmap, "setbit", "2.2.0", "key offset value/i", "Sets or clears one bit of a string."),
    row(Group::String, "setex", "2.0.0", "key seconds value", "Sets a string and its time to live in seconds."),
    row(Group::String, "setnx", "1.0.0", "key value", "Sets a string if the key does not exist."),
    row(Group::String, "setrange", "2.2.0", "key offset value", "Overwrites a part of a string."),
    row(Group::String, "strlen", "2.2.0", "key", "Returns the length of a string."),
    row(Group::String, "substr", "1.0.0", "key start end/i", "Returns a part of a string."),
];
