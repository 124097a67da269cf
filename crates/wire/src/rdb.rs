//! RDB: the file of a snapshot and the payload of a full synchronisation.
//!
//!   "REDIS" version(4 digits) | AUX ... | (SELECTDB RESIZEDB? key ...) ... | EOF | CRC-64 of all before
//!   key = EXPIRETIME_MS? IDLE? FREQ? type byte | key | value
//!
//! Rooms: `decoder` (bytes in, items out, at any split), `encoder` (version 10, appended to chunks), `value`
//! (what a key holds), `payload` (one value on its own: DUMP), `error` (where and what is wrong), `check` (a report on
//! a whole file).
//!
//! A value that this program can not hold ends the reading with an error that names it: a node that drops such would
//! lead with less than it was given. What stands beside the keys and means nothing here (data of a module, slots that a
//! Valkey was importing) is an item that says so; libraries of functions are items to be kept and written back.

mod check;
mod cursor;
mod decoder;
pub mod encoder;
mod error;
mod list;
pub mod payload;
mod set;
mod sorted_set;
mod stream;
mod texts;
mod value;

pub use check::{Checker, Report};
pub use decoder::{Content, Decoder, Item, Span, Whole};
pub use error::RdbError;
pub use list::ListNode;
pub use sorted_set::Scored;
pub use stream::{Stream, StreamConsumer, StreamGroup, StreamId, StreamPending, StreamVersion};
pub use texts::Texts;
pub use value::{Pairs, Value};

/// The newest version of `REDIS` files that can be read (Redis 7.4).
pub const VERSION_READ_MAX: u32 = 12;
/// The version of `VALKEY` files that can be read (Valkey 9): version 11 and types of its own.
pub const VALKEY_VERSION_READ: u32 = 80;
/// The version that is written: Redis 7.0 and all later ones load it.
pub const VERSION_WRITTEN: u32 = 10;

/// The byte that opens each part of a file.
mod opcode {
    /// String, length, pairs of lengths: slots that a Valkey 9 was importing.
    pub(super) const SLOT_IMPORT: u8 = 243;
    /// Length, length, length: a slot, its keys, its keys with a deadline (Valkey 8).
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION2: u8 = 245;
    pub(super) const FUNCTION_PRE_GA: u8 = 246;
    pub(super) const MODULE_AUX: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQ: u8 = 249;
    pub(super) const AUX: u8 = 250;
    pub(super) const RESIZEDB: u8 = 251;
    pub(super) const EXPIRETIME_MS: u8 = 252;
    pub(super) const EXPIRETIME: u8 = 253;
    pub(super) const SELECTDB: u8 = 254;
    pub(super) const EOF: u8 = 255;
}

/// The byte that says what a key holds.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// A list, element by element.
    pub const LIST: u8 = 1;
    /// A set, member by member.
    pub const SET: u8 = 2;
    /// A sorted set, member by member, the scores as texts (before Redis 4).
    pub const SORTED_SET: u8 = 3;
    /// A hash, pair by pair.
    pub const HASH: u8 = 4;
    /// A sorted set, member by member.
    pub const SORTED_SET_2: u8 = 5;
    /// A hash in a zipmap (Redis 2.2).
    pub const HASH_ZIPMAP: u8 = 9;
    /// A list in one ziplist (before Redis 3.2).
    pub const LIST_ZIPLIST: u8 = 10;
    /// A set of integers in one string.
    pub const SET_INTSET: u8 = 11;
    /// A sorted set in a ziplist.
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    /// A hash in a ziplist.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A list of ziplists (Redis 3.2).
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream (Redis 5).
    pub const STREAM_LISTPACKS: u8 = 15;
    /// A hash in a listpack (Redis 7).
    pub const HASH_LISTPACK: u8 = 16;
    /// A list of listpacks and of elements on their own (Redis 7).
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream with counts of entries (Redis 7.0).
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// A hash, pair by pair, with the deadlines of its fields (Valkey 9).
    pub const HASH_2: u8 = 22;
    /// A stream with one more time for each consumer (Redis 7.2).
    pub const STREAM_LISTPACKS_3: u8 = 21;

    /// A hash, pair by pair, each after its deadline; the lowest deadline stands first (Redis 7.4).
    pub const HASH_METADATA: u8 = 24;
    /// A hash in a listpack of triples: field, value, deadline; the lowest deadline stands first (Redis 7.4).
    pub const HASH_LISTPACK_EX: u8 = 25;
    /// A sorted set in a listpack (Redis 7).
    pub const SORTED_SET_LISTPACK: u8 = 17;
    /// A set in a listpack (Redis 7.2).
    pub const SET_LISTPACK: u8 = 20;

    /// True for the types that this program can hold.
    pub(super) fn is_held(byte: u8) -> bool {
        let of_sets = matches!(byte, SET | SET_INTSET | SET_LISTPACK);
        let of_lists = matches!(byte, LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2);
        let of_hashes = matches!(byte, HASH | HASH_2 | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK)
            || matches!(byte, HASH_METADATA | HASH_LISTPACK_EX);
        let of_streams = matches!(byte, STREAM_LISTPACKS | STREAM_LISTPACKS_2 | STREAM_LISTPACKS_3);
        let of_sorted_sets =
            matches!(byte, SORTED_SET | SORTED_SET_2 | SORTED_SET_ZIPLIST | SORTED_SET_LISTPACK);
        byte == STRING || of_lists || of_sets || of_hashes || of_sorted_sets || of_streams
    }

    /// The name of a type byte, those included that this program can not hold.
    pub(super) fn name(byte: u8) -> Option<&'static str> {
        Some(match byte {
            STRING => "string",
            LIST => "list",
            SET => "set",
            SORTED_SET => "sorted set",
            HASH => "hash",
            SORTED_SET_2 => "sorted set (2)",
            6 => "module (before 4.0)",
            7 => "module",
            HASH_ZIPMAP => "hash (zipmap)",
            LIST_ZIPLIST => "list (ziplist)",
            SET_INTSET => "set (intset)",
            SORTED_SET_ZIPLIST => "sorted set (ziplist)",
            HASH_ZIPLIST => "hash (ziplist)",
            LIST_QUICKLIST => "list (quicklist)",
            STREAM_LISTPACKS => "stream (listpacks)",
            HASH_LISTPACK => "hash (listpack)",
            SORTED_SET_LISTPACK => "sorted set (listpack)",
            LIST_QUICKLIST_2 => "list (quicklist 2)",
            STREAM_LISTPACKS_2 => "stream (listpacks 2)",
            SET_LISTPACK => "set (listpack)",
            STREAM_LISTPACKS_3 => "stream (listpacks 3)",
            HASH_2 => "hash with field deadlines",
            HASH_METADATA => "hash with field deadlines (metadata)",
            HASH_LISTPACK_EX => "hash with field deadlines (listpack)",
            _ => return None,
        })
    }
}
