//! Sets.

use alloc::vec::Vec;
use data::{HashKey, Set, Value};
use wire::rdb::encoder::Packing;

const NONE: &str = "no command makes a set yet";

pub(crate) fn kind(_: &Set) -> u8 {
    unreachable!("{NONE}")
}

pub(crate) fn body(_: &mut Vec<u8>, _: &Set, _: Packing) {
    unreachable!("{NONE}")
}

pub(crate) fn copy(_: &Set, _: HashKey) -> Value {
    unreachable!("{NONE}")
}

pub(crate) fn parts(_: &Set, _: &mut dyn FnMut(&[&[u8]])) {
    unreachable!("{NONE}")
}
