//! What a key of an RDB file holds.

use alloc::vec::Vec;

use super::kind;
use crate::listpack::{Element, FlatError, Listpack};
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
}

impl Value {
    /// The type byte that it is written under.
    pub fn kind(&self) -> u8 {
        match self {
            Value::String(_) | Value::Integer(_) => kind::STRING,
            Value::HashListpack(_) => kind::HASH_LISTPACK,
            Value::Hash(_) => kind::HASH,
        }
    }
}

/// Fields and values of a hash, in the order of the file, in two allocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`; fields and values in turn.
    ends: Vec<usize>,
}

impl Pairs {
    /// Number of whole pairs.
    pub fn len(&self) -> usize {
        self.ends.len() / 2
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Field and value of each pair.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|index| (self.text(2 * index), self.text(2 * index + 1)))
    }

    /// Appends one pair.
    pub fn push(&mut self, field: &[u8], value: &[u8]) {
        self.push_text(field);
        self.push_text(value);
    }

    fn text(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Appends a field, or the value of the field before it.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push_element(&mut self, element: Element<'_>) {
        element.write_to(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Texts so far, half-finished pairs included.
    pub(super) fn text_count(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Why a flat hash is not taken; a hash without fields is a case of its own.
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
const TWICE: FlatError = FlatError { at: 0, what: "a hash with one field twice" };

/// A hash out of a listpack, which stays as it is.
pub(super) fn from_listpack(blob: Vec<u8>) -> Result<Value, Flaw> {
    let mut fields = Vec::new();
    let mut texts = 0_u64;
    for element in Listpack::new(&blob)? {
        let element = element?;
        if texts.is_multiple_of(2) {
            fields.push(element.canonical());
        }
        texts += 1;
    }
    check_fields(fields, texts)?;
    Ok(Value::HashListpack(blob))
}

/// A hash out of a ziplist.
pub(super) fn from_ziplist(blob: &[u8]) -> Result<Value, Flaw> {
    let mut fields = Vec::new();
    let mut pairs = Pairs::default();
    for element in Ziplist::new(blob)? {
        let element = element?;
        if pairs.text_count().is_multiple_of(2) {
            fields.push(element.canonical());
        }
        pairs.push_element(element);
    }
    check_fields(fields, pairs.text_count())?;
    Ok(Value::Hash(pairs))
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
    check_fields(fields, pairs.text_count())?;
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
