//! Values that a file keeps as one string.

use alloc::vec::Vec;

use super::super::stream::StreamVersion;
use super::super::value::{self, Flaw, Value};
use super::super::{kind, list, set, sorted_set};

/// True for a type whose values are one string that is taken apart by `value`.
pub(super) fn is_flat(kind: u8) -> bool {
    match kind {
        kind::STRING | kind::HASH | kind::SET | kind::SORTED_SET | kind::SORTED_SET_2 => false,
        kind::HASH_2 | kind::HASH_METADATA | kind::HASH_LISTPACK_EX => false,
        kind::LIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => false,
        _ => kind::is_held(kind) && StreamVersion::of_kind(kind).is_none(),
    }
}

/// The value that a string is.
pub(super) fn value(kind: u8, blob: Vec<u8>) -> Result<Value, Flaw> {
    match kind {
        kind::HASH_ZIPMAP => value::from_zipmap(&blob),
        kind::HASH_ZIPLIST => value::from_ziplist(&blob),
        kind::SET_INTSET => set::from_intset(blob),
        kind::SET_LISTPACK => set::from_listpack(blob),
        kind::SORTED_SET_ZIPLIST => sorted_set::from_ziplist(&blob),
        kind::SORTED_SET_LISTPACK => sorted_set::from_listpack(blob),
        kind::LIST_ZIPLIST => list::from_ziplists([&*blob].into_iter()),
        kind::HASH_LISTPACK_EX => value::from_listpack_of_triples(&blob),
        _ => value::from_listpack(blob),
    }
}
