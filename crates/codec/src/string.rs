//! Strings.

use alloc::vec::Vec;
use data::{StrRef, Value};
use wire::rdb::encoder::{self, Packing};

pub(crate) fn body(out: &mut Vec<u8>, text: StrRef<'_>, packing: Packing) {
    match text {
        StrRef::Int(number) => encoder::integer(out, number),
        StrRef::Bytes(text) => encoder::string(out, text, packing),
    }
}

pub(crate) fn copy(text: StrRef<'_>) -> Value {
    match text {
        StrRef::Int(number) => Value::Integer(number),
        StrRef::Bytes(text) => Value::String(text.to_vec()),
    }
}
