//! Set: members without an order, each once.

use crate::collection::Collection;
use crate::value::{Encoding, Kind, Value, ValueRef};
use alloc::boxed::Box;

/// members without an order, each once.
#[derive(Debug, Default)]
pub struct Set {
    len: usize,
}

impl Set {
    /// An empty one.
    pub fn new() -> Set {
        Set::default()
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

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    fn of(value: ValueRef<'_>) -> Option<&Set> {
        match value {
            ValueRef::Set(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::Set(self)
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
