//! Sets: an intset as it is, or member by member. A listpack of members is only for versions above the one that is written.

use crate::Flaw;
use alloc::vec::Vec;
use data::listpack::Unfit;
use data::{Growth, HashKey, Set, SetLimits, StrRef, Value};
use wire::rdb;
use wire::rdb::Texts;
use wire::rdb::encoder::{self, Packing};

pub(crate) fn kind(set: &Set) -> u8 {
    if set.intset_bytes().is_some() { rdb::kind::SET_INTSET } else { rdb::kind::SET }
}

pub(crate) fn body(out: &mut Vec<u8>, set: &Set, packing: Packing) {
    if let Some(intset) = set.intset_bytes() {
        return encoder::blob(out, intset, packing);
    }
    encoder::length(out, set.len() as u64);
    for member in set.iter() {
        match member {
            StrRef::Bytes(text) => encoder::string(out, text, packing),
            StrRef::Int(number) => encoder::integer(out, number),
        }
    }
}

pub(crate) fn of_intset(bytes: Vec<u8>, key: HashKey, limits: SetLimits) -> Result<Value, Flaw> {
    Set::from_intset(key, bytes, limits).map(Value::from).map_err(|_| "the intset of a set is damaged")
}

fn flaw(unfit: Unfit) -> Flaw {
    match unfit {
        Unfit::Malformed => "the listpack of a set is damaged",
        Unfit::Repeated => "a set listpack with dup elements",
    }
}

pub(crate) fn of_listpack(bytes: Vec<u8>, key: HashKey, limits: SetLimits) -> Result<Value, Flaw> {
    Set::from_listpack(key, bytes, limits).map(Value::from).map_err(flaw)
}

pub(crate) fn of_members(members: &Texts, key: HashKey, limits: SetLimits) -> Result<Value, Flaw> {
    let mut set = Set::new();
    set.extend(members.iter().map(StrRef::Bytes), Growth { key, limits });
    if set.len() == members.len() { Ok(set.into()) } else { Err("a member of a set comes twice") }
}

pub(crate) fn copy(set: &Set) -> Value {
    set.duplicate().into()
}

pub(crate) fn parts(set: &Set, visit: &mut dyn FnMut(&[&[u8]])) {
    let mut room = Default::default();
    set.iter().for_each(|member| visit(&[member.bytes(&mut room)]));
}
