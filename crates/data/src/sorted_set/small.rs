//! A small sorted set: member, score, member, score ... in a listpack, in order, as RDB has it.
//!
//! A score that is a whole number is an integer there, any other the shortest text that reads back as it.

use crate::listpack::{Listpack, Unfit, View, add_to, has_twice};
use crate::table::HashKey;
use crate::value::{IntText, StrRef};
use alloc::vec::Vec;
use base::distinct::Distinct;
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
/// The second is the length of the longest member.
pub(super) fn checked(bytes: Vec<u8>, key: HashKey) -> Result<(Listpack, usize), Unfit> {
    let list = Listpack::from_bytes(bytes)?;
    if !list.len().is_multiple_of(2) {
        return Err(Unfit::Malformed);
    }
    let (mut seen, mut room) = (Distinct::default(), IntText::default());
    let mut elements = list.iter();
    let (mut before, mut is_sorted, mut longest) = (None::<(StrRef<'_>, f64)>, true, 0);
    while let (Some(member), Some(text)) = (elements.next(), elements.next()) {
        let score = match text {
            StrRef::Int(number) => number as f64,
            StrRef::Bytes(bytes) => parse_f64(bytes).ok_or(Unfit::Malformed)?,
        };
        add_to(&mut seen, member);
        is_sorted = is_sorted
            && before.is_none_or(|one| one.1 < score || order(one, (member.bytes(&mut room), score)).is_lt());
        longest = longest.max(member.len());
        before = Some((member, score));
    }
    if !seen.is_sure() && has_twice(list.iter().step_by(2), key) {
        return Err(Unfit::Repeated);
    }
    if is_sorted {
        return Ok((list, longest));
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
    Ok((sorted, longest))
}
