//! A small sorted set: member, score, member, score ... in a listpack, in order, as RDB has it.
//!
//! A score that is a whole number is an integer there, any other the shortest text that reads back as it.

use crate::listpack::{Listpack, Unfit, View};
use crate::table::HashKey;
use crate::value::{IntText, StrRef};
use alloc::vec::Vec;
use base::number::{Text, parse_f64, text_shortest};
use core::cmp::Ordering;

/// 8: about what a score takes, and a member beside its text.
const PAIR_ROOM: usize = 8;

/// A score as the listpack has it.
pub(super) fn score_of(text: StrRef<'_>) -> f64 {
    match text {
        StrRef::Int(number) => number as f64,
        StrRef::Bytes(bytes) => parse_f64(bytes).expect("a sorted set's listpack holds scores"),
    }
}

/// The members with their scores, in order.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a>(crate::listpack::Iter<'a>);

impl<'a> Pairs<'a> {
    pub fn of(list: View<'a>) -> Pairs<'a> {
        Pairs(list.iter())
    }

    /// Passes over some without a look at their scores.
    pub fn skip_pairs(&mut self, count: usize) {
        if count > 0 {
            self.0.nth(count * 2 - 1);
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (StrRef<'a>, f64);
    fn next(&mut self) -> Option<(StrRef<'a>, f64)> {
        let member = self.0.next()?;
        Some((member, score_of(self.0.next()?)))
    }
}

/// The score of a member, and the offset of the member.
pub(super) fn find(list: View<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let at = list.find(member, 2)?;
    let (_, score_at) = list.at(at)?;
    Some((at, score_of(list.at(score_at)?.0)))
}

/// The order of a sorted set.
fn order(one: (StrRef<'_>, f64), other: (&[u8], f64)) -> Ordering {
    let scores = one.1.partial_cmp(&other.1).expect("no score is a NaN");
    scores.then_with(|| one.0.bytes(&mut IntText::default()).cmp(other.0))
}

/// Puts a member in that is not there.
pub(super) fn insert(list: &mut Listpack, member: &[u8], score: f64) {
    list.reserve(member.len() + PAIR_ROOM);
    let mut iter = list.iter();
    let at = loop {
        let offset = iter.offset();
        match (iter.next(), iter.next()) {
            (Some(other), Some(text)) if order((other, score_of(text)), (member, score)).is_lt() => {}
            (Some(_), Some(_)) => break Some(offset),
            _ => break None,
        }
    };
    match at {
        Some(offset) => {
            // The score first: the member then goes before it.
            list.insert(offset, &text_of(score));
            list.insert(offset, member);
        }
        None => push(list, StrRef::Bytes(member), score),
    }
}

/// Puts a member at the end.
pub(super) fn push(list: &mut Listpack, member: StrRef<'_>, score: f64) {
    list.push(member.bytes(&mut IntText::default()));
    list.push(&text_of(score));
}

/// A score as the listpack has it: zero has no sign there, as in the original.
fn text_of(score: f64) -> Text {
    text_shortest(if score == 0.0 { 0.0 } else { score })
}

/// Checks a listpack from outside: pairs, scores that are numbers, no member twice. One that is out of order is put in order.
pub(super) fn checked(bytes: Vec<u8>, key: HashKey) -> Result<Listpack, Unfit> {
    let list = Listpack::from_bytes(bytes)?;
    if !list.len().is_multiple_of(2) {
        return Err(Unfit::Malformed);
    }
    let is_number = |text| match text {
        StrRef::Int(_) => true,
        StrRef::Bytes(bytes) => parse_f64(bytes).is_some(),
    };
    if !list.iter().skip(1).step_by(2).all(is_number) {
        return Err(Unfit::Malformed);
    }
    // Two members of one hash of 64 bits under a secret key are the same member.
    let mut hashes: Vec<u64> =
        Pairs::of(list.view()).map(|(member, _)| key.hash(member.bytes(&mut IntText::default()))).collect();
    hashes.sort_unstable();
    if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Unfit::Repeated);
    }
    let mut room = IntText::default();
    let is_sorted = Pairs::of(list.view())
        .zip(Pairs::of(list.view()).skip(1))
        .all(|(one, next)| order(one, (next.0.bytes(&mut room), next.1)).is_lt());
    if is_sorted {
        return Ok(list);
    }
    let mut pairs: Vec<(Vec<u8>, f64)> =
        Pairs::of(list.view()).map(|(member, score)| (member.to_vec(), score)).collect();
    pairs.sort_unstable_by(|one, other| order((StrRef::Bytes(&one.0), one.1), (other.0.as_slice(), other.1)));
    let mut sorted = Listpack::new();
    sorted.append(list.as_bytes().len(), |sorted| {
        for (member, score) in pairs {
            sorted.text(&member);
            sorted.text(&text_of(score));
        }
    });
    Ok(sorted)
}
