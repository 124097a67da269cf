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
            PLAIN if bytes.is_empty() => {
                Err(listpack::FlatError { at: 0, what: "an element on its own without a byte" }.into())
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::payload;
    use alloc::vec;

    const ZIPLIST: &[u8] = b"\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff";
    const LISTPACK: &[u8] = b"\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff";

    #[test]
    fn lists_of_every_age_are_read() {
        let list = |texts: &[&str]| {
            let mut all = Texts::default();
            texts.iter().for_each(|text| all.push(text.as_bytes()));
            Some(Value::List(all))
        };
        assert_eq!(payload::value(b"\x01\x02\x01a\xc0\x07"), list(&["a", "7"]));
        assert_eq!(payload::value(&[b"\x0a", ZIPLIST].concat()), list(&["1"]));
        assert_eq!(payload::value(&[b"\x0e\x02", ZIPLIST, ZIPLIST].concat()), list(&["1", "1"]));
        let nodes = vec![ListNode::Plain(b"a".to_vec()), ListNode::Packed(LISTPACK[1..].to_vec())];
        let newest = [b"\x12\x02\x01\x01a\x02", LISTPACK].concat();
        assert_eq!(payload::value(&newest), Some(Value::ListNodes(nodes)));
    }

    #[test]
    fn damaged_lists_are_not_taken() {
        // A node of an unknown kind, a listpack that is none, a list without elements, and a cut at every byte.
        assert_eq!(payload::value(b"\x12\x01\x03\x01a"), None);
        assert_eq!(payload::value(b"\x12\x01\x02\x01a"), None);
        assert_eq!(payload::value(b"\x12\x00"), None);
        assert_eq!(payload::value(b"\x12\x01\x01\x00"), None);
        assert_eq!(payload::value(b"\x12\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff"), None);
        let whole = [b"\x12\x02\x01\x01a\x02", LISTPACK].concat();
        for cut in 0..whole.len() {
            assert_eq!(payload::value(&whole[..cut]), None, "{cut}");
        }
        for claimed in [b"\x12\x81\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(), b"\x01\x80\xff\xff\xff\xff"] {
            assert_eq!(payload::value(claimed), None);
        }
    }
}
