//! Hashes: a listpack as it is, or pairs.

use crate::Flaw;
use alloc::vec::Vec;
use data::listpack::Unfit;
use data::{FieldDeadline, Growth, Hash, HashKey, HashLimits, StrRef, Value};
use wire::rdb::encoder::{self, Packing};
use wire::rdb::{self, Pairs};

pub(crate) fn kind(hash: &Hash) -> u8 {
    match hash.listpack_bytes() {
        Some(_) => rdb::kind::HASH_LISTPACK,
        None if hash.has_deadlines() => rdb::kind::HASH_2,
        None => rdb::kind::HASH,
    }
}

pub(crate) fn body(out: &mut Vec<u8>, hash: &Hash, packing: Packing) {
    if let Some(listpack) = hash.listpack_bytes() {
        return encoder::blob(out, listpack, packing);
    }
    encoder::length(out, hash.len() as u64);
    let with_deadlines = hash.has_deadlines();
    for (name, value, deadline) in hash.iter_with_deadlines() {
        field(out, (name, value), with_deadlines.then_some(deadline), packing);
    }
}

pub(crate) fn field(
    out: &mut Vec<u8>,
    (field, value): (StrRef<'_>, StrRef<'_>),
    deadline: Option<Option<u64>>,
    packing: Packing,
) {
    encoder::string(out, field.bytes(&mut Default::default()), packing);
    match value {
        // A number needs no text to be made of it.
        StrRef::Int(number) => encoder::integer(out, number),
        StrRef::Bytes(value) => encoder::string(out, value, packing),
    }
    if let Some(deadline) = deadline {
        encoder::field_deadline(out, deadline);
    }
}

fn flaw(unfit: Unfit) -> Flaw {
    match unfit {
        Unfit::Malformed => "the listpack of a hash is damaged",
        Unfit::Repeated => "a hash listpack with dup elements",
    }
}

pub(crate) fn of_listpack(bytes: Vec<u8>, key: HashKey, limits: HashLimits) -> Result<Value, Flaw> {
    let hash = Hash::from_listpack(key, bytes, limits);
    hash.map(Value::from).map_err(flaw)
}

pub(crate) fn of_pairs(pairs: &Pairs, key: HashKey, limits: HashLimits) -> Result<Value, Flaw> {
    let (mut hash, limits) = (Hash::new(), Growth { key, limits });
    let mut deadlines = pairs.deadlines().iter();
    let all_new = pairs.iter().all(|(field, value)| match deadlines.next() {
        Some(Some(deadline)) => hash.set_with_deadline(field, value, FieldDeadline::At(*deadline), limits),
        Some(None) | None => hash.set(field, value, limits),
    });
    if all_new { Ok(hash.into()) } else { Err("a field of a hash comes twice") }
}

pub(crate) fn copy(hash: &Hash) -> Value {
    hash.duplicate().into()
}

pub(crate) fn parts(hash: &Hash, visit: &mut dyn FnMut(&[&[u8]])) {
    let (mut field_room, mut value_room) = Default::default();
    for (field, value) in hash.iter() {
        visit(&[field.bytes(&mut field_room), value.bytes(&mut value_room)]);
    }
}
