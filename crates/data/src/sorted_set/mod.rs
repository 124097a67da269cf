//! SortedSet: members with scores, in the order of scores and members.

use crate::collection::Collection;
use crate::value::{Encoding, Kind, Value, ValueRef};
use alloc::boxed::Box;

/// members with scores, in the order of scores and members.
#[derive(Debug, Default)]
pub struct SortedSet {
    len: usize,
}

impl SortedSet {
    /// An empty one.
    pub fn new() -> SortedSet {
        SortedSet::default()
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Collection for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn of(value: ValueRef<'_>) -> Option<&SortedSet> {
        match value {
            ValueRef::SortedSet(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::SortedSet(self)
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn encoding(&self) -> Encoding {
        Encoding::Listpack
    }

    fn free_effort(&self) -> usize {
        0
    }

    fn free_slice(&mut self, _: &mut usize) -> bool {
        false
    }
}
