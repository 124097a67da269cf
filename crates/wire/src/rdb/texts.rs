//! Texts of a value, in the order of the file, in two allocations.

use alloc::vec::Vec;

use crate::listpack::Element;

/// Any number of texts: the members of a set, the fields and values of a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`.
    ends: Vec<usize>,
}

impl Texts {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.text(index))
    }

    /// Text number `index`.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn text(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Appends one.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// Appends the text of an element.
    pub(super) fn push_element(&mut self, element: Element<'_>) {
        element.write_to(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}
