//! Lists.

use alloc::vec::Vec;

use super::encoder::{Packing, blob, length};
use super::texts::Texts;
use super::value::{Flaw, Value};
use crate::listpack;
use crate::ziplist::Ziplist;

/// The number that stands before an element on its own.
const PLAIN: u64 = 1;
/// The number that stands before a listpack.
const PACKED: u64 = 2;

/// A node of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNode {
    /// One element as it is.
    Plain(Vec<u8>),
    /// A listpack, checked whole, with one element at least.
    Packed(Vec<u8>),
}

impl ListNode {
    /// A node of the kind that stood before it; none for a listpack without elements, which holds nothing.
    pub(super) fn of(container: u64, bytes: Vec<u8>) -> Result<Option<ListNode>, Flaw> {
        match container {
            PLAIN => Ok(Some(ListNode::Plain(bytes))),
            PACKED => Ok((listpack::validate(&bytes)? > 0).then_some(ListNode::Packed(bytes))),
            _ => Err(listpack::FlatError { at: 0, what: "a node of a list of an unknown kind" }.into()),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            ListNode::Plain(bytes) | ListNode::Packed(bytes) => bytes,
        }
    }

    /// Appends it to a list that is written.
    pub(super) fn write(&self, out: &mut Vec<u8>, packing: Packing) {
        match self {
            ListNode::Plain(text) => write_plain(out, text, packing),
            ListNode::Packed(bytes) => write_packed(out, bytes, packing),
        }
    }
}

/// Appends an element on its own.
pub fn write_plain(out: &mut Vec<u8>, text: &[u8], packing: Packing) {
    length(out, PLAIN);
    blob(out, text, packing);
}

/// Appends a listpack.
pub fn write_packed(out: &mut Vec<u8>, bytes: &[u8], packing: Packing) {
    length(out, PACKED);
    blob(out, bytes, packing);
}

/// A list out of ziplists.
pub(super) fn from_ziplists<'a>(blobs: impl Iterator<Item = &'a [u8]>) -> Result<Value, Flaw> {
    let mut elements = Texts::default();
    for blob in blobs {
        for element in Ziplist::new(blob)? {
            elements.push_element(element?);
        }
    }
    if elements.is_empty() { Err(Flaw::Empty) } else { Ok(Value::List(elements)) }
}
