//! Lists.

use alloc::vec::Vec;
use data::{HashKey, List, Value};
use wire::rdb::encoder::Packing;

const NONE: &str = "no command makes a list yet";

pub(crate) fn kind(_: &List) -> u8 {
    unreachable!("{NONE}")
}

pub(crate) fn body(_: &mut Vec<u8>, _: &List, _: Packing) {
    unreachable!("{NONE}")
}

pub(crate) fn copy(_: &List, _: HashKey) -> Value {
    unreachable!("{NONE}")
}

pub(crate) fn parts(_: &List, _: &mut dyn FnMut(&[&[u8]])) {
    unreachable!("{NONE}")
}
