//! Sorted sets.

use alloc::vec::Vec;
use data::{HashKey, SortedSet, Value};
use wire::rdb::encoder::Packing;

const NONE: &str = "no command makes a sorted set yet";

pub(crate) fn kind(_: &SortedSet) -> u8 {
    unreachable!("{NONE}")
}

pub(crate) fn body(_: &mut Vec<u8>, _: &SortedSet, _: Packing) {
    unreachable!("{NONE}")
}

pub(crate) fn copy(_: &SortedSet, _: HashKey) -> Value {
    unreachable!("{NONE}")
}

pub(crate) fn parts(_: &SortedSet, _: &mut dyn FnMut(&[&[u8]])) {
    unreachable!("{NONE}")
}
