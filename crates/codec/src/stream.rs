//! Streams.

use alloc::vec::Vec;
use data::{HashKey, Stream, Value};
use wire::rdb::encoder::Packing;

const NONE: &str = "no command makes a stream yet";

pub(crate) fn kind(_: &Stream) -> u8 {
    unreachable!("{NONE}")
}

pub(crate) fn body(_: &mut Vec<u8>, _: &Stream, _: Packing) {
    unreachable!("{NONE}")
}

pub(crate) fn copy(_: &Stream, _: HashKey) -> Value {
    unreachable!("{NONE}")
}

pub(crate) fn parts(_: &Stream, _: &mut dyn FnMut(&[&[u8]])) {
    unreachable!("{NONE}")
}
