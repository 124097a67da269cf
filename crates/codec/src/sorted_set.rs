//! Sorted sets: a listpack as it is, or members with scores of eight bytes.

use crate::Flaw;
use alloc::vec::Vec;
use base::number;
use data::listpack::Unfit;
use data::sorted_set::Growth;
use data::{HashKey, SortedSet, SortedSetBuilder, SortedSetLimits, Value};
use wire::rdb::encoder::{self, Packing};
use wire::rdb::{self, Scored};

pub(crate) fn kind(set: &SortedSet) -> u8 {
    if set.listpack_bytes().is_some() { rdb::kind::SORTED_SET_LISTPACK } else { rdb::kind::SORTED_SET_2 }
}

pub(crate) fn body(out: &mut Vec<u8>, set: &SortedSet, packing: Packing) {
    if let Some(listpack) = set.listpack_bytes() {
        return encoder::blob(out, listpack, packing);
    }
    encoder::length(out, set.len() as u64);
    let mut room = Default::default();
    // From the highest score on, as the original does: its list is built from the end.
    for (member, score) in set.range_reversed(0..set.len()) {
        scored(out, member.bytes(&mut room), score, packing);
    }
}

pub(crate) fn scored(out: &mut Vec<u8>, member: &[u8], score: f64, packing: Packing) {
    encoder::string(out, member, packing);
    out.extend_from_slice(&score.to_le_bytes());
}

fn flaw(unfit: Unfit) -> Flaw {
    match unfit {
        Unfit::Malformed => "the listpack of a sorted set is damaged",
        Unfit::Repeated => "a sorted set listpack with dup elements",
    }
}

pub(crate) fn of_listpack(bytes: Vec<u8>, key: HashKey, limits: SortedSetLimits) -> Result<Value, Flaw> {
    let set = SortedSet::from_listpack(bytes, Growth { key, limits });
    set.map(Value::from).map_err(flaw)
}

pub(crate) fn of_scored(scored: &Scored, key: HashKey, limits: SortedSetLimits) -> Result<Value, Flaw> {
    let mut builder = SortedSetBuilder::new(Growth { key, limits });
    if scored.iter().all(|(member, score)| builder.add(member, score)) {
        Ok(builder.finish().into())
    } else {
        Err("a member of a sorted set comes twice")
    }
}

pub(crate) fn copy(set: &SortedSet) -> Value {
    set.duplicate().into()
}

/// A score is shown as the original's digest has it: by `%.17g`.
pub(crate) fn parts(set: &SortedSet, visit: &mut dyn FnMut(&[&[u8]])) {
    let mut room = Default::default();
    for (member, score) in set.iter() {
        visit(&[member.bytes(&mut room), &number::text_17g(score)]);
    }
}
