//! Stream: entries under ids that only grow, and the groups that consume them.

use crate::collection::Collection;
use crate::value::{Encoding, Kind, Value, ValueRef};
use alloc::boxed::Box;

/// entries under ids that only grow, and the groups that consume them.
#[derive(Debug, Default)]
pub struct Stream {
    len: usize,
}

impl Stream {
    /// An empty one.
    pub fn new() -> Stream {
        Stream::default()
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

impl Collection for Stream {
    const KIND: Kind = Kind::Stream;

    fn of(value: ValueRef<'_>) -> Option<&Stream> {
        match value {
            ValueRef::Stream(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::Stream(self)
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    fn free_effort(&self) -> usize {
        0
    }

    fn free_slice(&mut self, _: &mut usize) -> bool {
        false
    }
}
