//! What a key of an RDB file holds.

use alloc::boxed::Box;
use alloc::vec::Vec;

use base::distinct::Distinct;

use super::kind;
use super::list::ListNode;
use super::sorted_set::Scored;
use super::stream::Stream;
use super::texts::Texts;
use crate::listpack::{Element, FlatError, Listpack, has_twice};
use crate::ziplist::Ziplist;
use crate::zipmap::Zipmap;

/// A decoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    String(Vec<u8>),
    /// A string that the file keeps as a number; its text is the decimal form.
    Integer(i64),
    /// A hash in one listpack, checked whole: fields and values in turn, at least one pair, no field twice.
    HashListpack(Vec<u8>),
    /// A hash as its pairs, at least one. Out of a flat encoding no field comes twice; out of the plain one
    /// that is for the reader to see as it inserts them: it is damage.
    Hash(Pairs),
    /// The members of a set, at least one. Whether one comes twice is for the reader to see as it inserts them: it is damage.
    Set(Texts),
    /// A set in one intset, checked whole.
    SetIntset(Vec<u8>),
    /// A set in one listpack, which is sound; as for `Set` no member may come twice.
    SetListpack(Vec<u8>),
    /// The elements of a list, at least one.
    List(Texts),
    /// The nodes of a list, at least one.
    ListNodes(Vec<ListNode>),
    /// A stream, its nodes unchecked.
    Stream(Box<Stream>),
    /// The members of a sorted set, at least one. As for `Set`, the plain encoding may have one twice.
    SortedSet(Scored),
    /// A sorted set in one listpack, checked whole but for the order: members and scores in turn, no member twice.
    SortedSetListpack(Vec<u8>),
}

impl Value {
    /// The type byte that it is written under.
    pub fn kind(&self) -> u8 {
        match self {
            Value::String(_) | Value::Integer(_) => kind::STRING,
            Value::HashListpack(_) => kind::HASH_LISTPACK,
            Value::Hash(pairs) if pairs.has_deadlines() => kind::HASH_2,
            Value::Hash(_) => kind::HASH,
            Value::Set(_) => kind::SET,
            Value::SetIntset(_) => kind::SET_INTSET,
            Value::SetListpack(_) => kind::SET_LISTPACK,
            Value::List(_) => kind::LIST,
            Value::ListNodes(_) => kind::LIST_QUICKLIST_2,
            Value::Stream(stream) => stream.version.kind(),
            Value::SortedSet(_) => kind::SORTED_SET_2,
            Value::SortedSetListpack(_) => kind::SORTED_SET_LISTPACK,
        }
    }
}

/// Fields and values of a hash, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Fields and values in turn.
    texts: Texts,
    /// The fields' deadlines in milliseconds since 1970; as many as fields, or none at all.
    deadlines: Vec<Option<u64>>,
}

impl Pairs {
    /// Pairs of texts in turn, of which there is an even number.
    pub(super) fn of(texts: Texts) -> Pairs {
        Pairs { texts, deadlines: Vec::new() }
    }

    /// Number of whole pairs.
    pub fn len(&self) -> usize {
        self.texts.len() / 2
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Field and value of each pair.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|index| (self.texts.text(2 * index), self.texts.text(2 * index + 1)))
    }

    /// The deadline of each pair; none where there are none.
    pub fn deadlines(&self) -> &[Option<u64>] {
        &self.deadlines
    }

    /// True when a field has a deadline.
    pub fn has_deadlines(&self) -> bool {
        self.deadlines.iter().any(Option::is_some)
    }

    /// True when there is a pair whose deadline is not there yet, in an encoding where each has one.
    pub(super) fn wants_deadline(&self) -> bool {
        self.texts.len().is_multiple_of(2) && self.deadlines.len() < self.len()
    }

    /// The same where the deadline stands before its pair.
    pub(super) fn wants_deadline_first(&self) -> bool {
        self.texts.len().is_multiple_of(2) && self.deadlines.len() == self.len()
    }

    pub(super) fn push_deadline(&mut self, deadline: Option<u64>) {
        self.deadlines.push(deadline);
    }

    /// Forgets the deadlines where there is none: the same pairs are equal then, whichever encoding they came in.
    pub(super) fn settle(&mut self) {
        if !self.has_deadlines() {
            self.deadlines = Vec::new();
        }
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        self.texts.push(text);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.texts.memory_bytes() + self.deadlines.capacity() * size_of::<Option<u64>>()
    }

    /// Appends one pair.
    pub fn push(&mut self, field: &[u8], value: &[u8]) {
        self.texts.push(field);
        self.texts.push(value);
    }
}

/// Why a flat encoding is not taken; one without elements is a case of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Empty,
    Bad(FlatError),
}

impl From<FlatError> for Flaw {
    fn from(error: FlatError) -> Flaw {
        Flaw::Bad(error)
    }
}

const ODD: FlatError = FlatError { at: 0, what: "a hash with a field without a value" };
const NO_DEADLINE: FlatError = FlatError { at: 0, what: "a hash with a field whose deadline is no time" };
const TWICE: FlatError = FlatError { at: 0, what: "a hash listpack with dup elements" };

/// A hash out of a listpack, which stays as it is.
pub(super) fn from_listpack(blob: Vec<u8>) -> Result<Value, Flaw> {
    let mut seen = Distinct::default();
    let mut texts = 0_u64;
    let elements = Listpack::new(&blob)?;
    for element in elements.clone() {
        let element = element?;
        if texts.is_multiple_of(2) {
            element.add_to(&mut seen);
        }
        texts += 1;
    }
    if texts == 0 {
        return Err(Flaw::Empty);
    }
    if !texts.is_multiple_of(2) {
        return Err(ODD.into());
    }
    if !seen.is_sure() && has_twice(elements.step_by(2).flatten()) {
        return Err(TWICE.into());
    }
    Ok(Value::HashListpack(blob))
}

/// A hash out of a listpack of fields, values and deadlines.
pub(super) fn from_listpack_of_triples(blob: &[u8]) -> Result<Value, Flaw> {
    let mut fields = Vec::new();
    let mut pairs = Pairs::default();
    let mut count = 0_u64;
    for element in Listpack::new(blob)? {
        let element = element?;
        match (count % 3, element) {
            (0, field) => {
                fields.push(field.canonical());
                pairs.texts.push_element(field);
            }
            (1, value) => pairs.texts.push_element(value),
            (_, Element::Integer(deadline)) if deadline >= 0 => {
                pairs.push_deadline(field_deadline(deadline.unsigned_abs(), 0));
            }
            (_, Element::Integer(_) | Element::Bytes(_)) => return Err(NO_DEADLINE.into()),
        }
        count += 1;
    }
    if !count.is_multiple_of(3) {
        return Err(ODD.into());
    }
    check_fields(fields, 2 * pairs.len() as u64)?;
    pairs.settle();
    Ok(Value::Hash(pairs))
}

/// The deadline that is `distance` after `start`; 0 is the word for none.
pub(super) fn field_deadline(distance: u64, start: u64) -> Option<u64> {
    (distance > 0).then(|| start.saturating_add(distance).min(i64::MAX.unsigned_abs()))
}

/// A hash out of a ziplist.
pub(super) fn from_ziplist(blob: &[u8]) -> Result<Value, Flaw> {
    let mut fields = Vec::new();
    let mut texts = Texts::default();
    for element in Ziplist::new(blob)? {
        let element = element?;
        if texts.len().is_multiple_of(2) {
            fields.push(element.canonical());
        }
        texts.push_element(element);
    }
    check_fields(fields, texts.len() as u64)?;
    Ok(Value::Hash(Pairs::of(texts)))
}

/// A hash out of a zipmap.
pub(super) fn from_zipmap(blob: &[u8]) -> Result<Value, Flaw> {
    let mut fields = Vec::new();
    let mut pairs = Pairs::default();
    for pair in Zipmap::new(blob)? {
        let (field, value) = pair?;
        fields.push(Element::Bytes(field));
        pairs.push(field, value);
    }
    check_fields(fields, 2 * pairs.len() as u64)?;
    Ok(Value::Hash(pairs))
}

/// A hash of `texts` fields and values has at least one pair, whole pairs, and each of its `fields` once.
fn check_fields(mut fields: Vec<Element<'_>>, texts: u64) -> Result<(), Flaw> {
    if fields.is_empty() {
        return Err(Flaw::Empty);
    }
    if !texts.is_multiple_of(2) {
        return Err(ODD.into());
    }
    fields.sort_unstable();
    if fields.windows(2).any(|pair| pair[0] == pair[1]) { Err(TWICE.into()) } else { Ok(()) }
}
