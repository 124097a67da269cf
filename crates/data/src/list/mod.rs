//! List: elements in an order, with both ends open.

use crate::collection::Collection;
use crate::value::{Encoding, Kind, Value, ValueRef};
use alloc::boxed::Box;

/// elements in an order, with both ends open.
#[derive(Debug, Default)]
pub struct List {
    len: usize,
}

impl List {
    /// An empty one.
    pub fn new() -> List {
        List::default()
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

impl Collection for List {
    const KIND: Kind = Kind::List;

    fn of(value: ValueRef<'_>) -> Option<&List> {
        match value {
            ValueRef::List(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::List(self)
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
