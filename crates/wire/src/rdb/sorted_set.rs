//! Sorted sets: members with scores, and those in flat encodings.

use alloc::vec::Vec;

use base::distinct::Distinct;
use base::number;

use super::cursor::{Cursor, Stop};
use super::texts::Texts;
use super::value::{Flaw, Value};
use super::{RdbError, kind};
use crate::listpack::{Element, FlatError, Listpack, has_twice};
use crate::ziplist::Ziplist;

/// Members with scores, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    members: Texts,
    /// The bits of each member's score; a member whose score is still to be read has none.
    scores: Vec<u64>,
}

impl Scored {
    /// How many members have their score.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Members and scores in turn. No score is a NaN.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.members.iter().zip(self.scores.iter().map(|bits| f64::from_bits(*bits)))
    }

    /// Appends one.
    pub fn push(&mut self, member: &[u8], score: f64) {
        self.push_member(Element::Bytes(member));
        self.push_score(score);
    }

    /// Appends a member; its score comes next.
    pub(super) fn push_member(&mut self, member: Element<'_>) {
        self.members.push_element(member);
    }

    /// The score of the member that was appended last.
    pub(super) fn push_score(&mut self, score: f64) {
        self.scores.push(score.to_bits());
    }

    /// True when a member has no score yet.
    pub(super) fn wants_score(&self) -> bool {
        self.members.len() > self.scores.len()
    }

    /// Memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.members.memory_bytes() + self.scores.capacity() * size_of::<u64>()
    }
}

/// The score of a member in a list of kind `kind`.
pub(super) fn score(cursor: &mut Cursor<'_>, kind: u8) -> Result<f64, Stop> {
    let at = cursor.at();
    let score = if kind == kind::SORTED_SET_2 {
        Some(f64::from_le_bytes(cursor.array()?))
    } else {
        match cursor.byte()? {
            // The three that have no digits.
            253 => None,
            254 => Some(f64::INFINITY),
            255 => Some(f64::NEG_INFINITY),
            len => {
                let text = cursor.bytes(usize::from(len))?;
                number::parse_f64(text)
            }
        }
    };
    score.filter(|score| !score.is_nan()).ok_or_else(|| RdbError::BadScore { at }.into())
}

fn flaw(what: &'static str) -> Flaw {
    Flaw::Bad(FlatError { at: 0, what })
}

/// The score that an element of a flat encoding is.
fn score_of(element: Element<'_>) -> Result<f64, Flaw> {
    match element {
        Element::Integer(number) => Some(number as f64),
        Element::Bytes(text) => number::parse_f64(text),
    }
    .ok_or_else(|| flaw("a sorted set with a score that is no number"))
}

fn from_elements<'a>(
    elements: impl Iterator<Item = Result<Element<'a>, FlatError>> + Clone,
    mut keep: impl FnMut(Element<'a>, f64),
) -> Result<(), Flaw> {
    let (mut left, mut seen, mut is_empty) = (elements.clone(), Distinct::default(), true);
    while let Some(member) = left.next() {
        let member = member?;
        let Some(score) = left.next() else {
            return Err(flaw("a sorted set with a member without a score"));
        };
        keep(member, score_of(score?)?);
        member.add_to(&mut seen);
        is_empty = false;
    }
    if is_empty {
        return Err(Flaw::Empty);
    }
    if !seen.is_sure() && has_twice(elements.step_by(2).flatten()) {
        return Err(flaw("a sorted set listpack with dup elements"));
    }
    Ok(())
}

/// A sorted set out of a listpack, which stays as it is.
pub(super) fn from_listpack(blob: Vec<u8>) -> Result<Value, Flaw> {
    from_elements(Listpack::new(&blob)?, |_, _| {})?;
    Ok(Value::SortedSetListpack(blob))
}

/// A sorted set out of a ziplist.
pub(super) fn from_ziplist(blob: &[u8]) -> Result<Value, Flaw> {
    let mut scored = Scored::default();
    from_elements(Ziplist::new(blob)?, |member, score| {
        scored.push_member(member);
        scored.push_score(score);
    })?;
    Ok(Value::SortedSet(scored))
}

#[cfg(test)]
mod tests {
    use super::super::payload;
    use super::*;

    fn pairs(body: &[u8]) -> Option<Vec<(Vec<u8>, f64)>> {
        match payload::value(body)? {
            Value::SortedSet(scored) => {
                Some(scored.iter().map(|(member, score)| (member.to_vec(), score)).collect())
            }
            _ => None,
        }
    }

    #[test]
    fn scores_come_as_texts_and_as_bytes() {
        let expected = Some(alloc::vec![(b"a".to_vec(), 1.5), (b"b".to_vec(), f64::NEG_INFINITY)]);
        assert_eq!(pairs(b"\x03\x02\x01a\x031.5\x01b\xff"), expected);
        let mut binary = b"\x05\x02\x01a".to_vec();
        binary.extend_from_slice(&1.5f64.to_le_bytes());
        binary.extend_from_slice(b"\x01b");
        binary.extend_from_slice(&f64::NEG_INFINITY.to_le_bytes());
        assert_eq!(pairs(&binary), expected);
        for damaged in
            [&b"\x03\x01\x01a\xfd"[..], b"\x03\x01\x01a\x011x", b"\x03\x01\x01a\x02 1", b"\x03\x01\x01a"]
        {
            assert_eq!(pairs(damaged), None);
        }
        let nan = [&b"\x05\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat();
        assert_eq!(pairs(&nan), None);
    }

    #[test]
    fn flat_ones_are_checked() {
        let list = |elements: &[u8], count: u8| {
            let mut blob = alloc::vec![elements.len() as u8 + 7, 0, 0, 0, count, 0];
            blob.extend_from_slice(elements);
            blob.push(0xff);
            from_listpack(blob)
        };
        assert!(list(b"\x81a\x02\x05\x01", 2).is_ok());
        assert_eq!(list(b"", 0), Err(Flaw::Empty));
        for (damaged, count) in
            [(&b"\x81a\x02"[..], 1), (b"\x81a\x02\x81x\x02", 2), (b"\x81a\x02\x05\x01\x81a\x02\x06\x01", 4)]
        {
            assert!(matches!(list(damaged, count), Err(Flaw::Bad(_))), "{damaged:?}");
        }
    }
}
