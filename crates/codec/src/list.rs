//! Lists: their nodes as they are.

use crate::Flaw;
use alloc::vec::Vec;
use data::list::{Chunk, End};
use data::{List, ListLimits, Value};
use wire::rdb::encoder::{self, Packing};
use wire::rdb::{self, ListNode, Texts};

pub(crate) fn kind(_: &List) -> u8 {
    rdb::kind::LIST_QUICKLIST_2
}

pub(crate) fn body(out: &mut Vec<u8>, list: &List, packing: Packing) {
    let chunks = list.chunks();
    encoder::length(out, chunks.len() as u64);
    chunks.for_each(|one| chunk(out, one, packing));
}

pub(crate) fn chunk(out: &mut Vec<u8>, chunk: Chunk<'_>, packing: Packing) {
    match chunk {
        Chunk::Plain(text) => encoder::list_plain(out, text, packing),
        Chunk::Packed(elements, count) => {
            let len = u32::try_from(elements.len() + 7).expect("a node is far below 4 GiB");
            let mut listpack = Vec::with_capacity(elements.len() + 7);
            listpack.extend_from_slice(&len.to_le_bytes());
            listpack.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
            listpack.extend_from_slice(&elements);
            listpack.push(0xff);
            encoder::list_packed(out, &listpack, packing);
        }
    }
}

pub(crate) fn of_elements(elements: &Texts, limits: &ListLimits) -> Value {
    let mut list = List::new();
    elements.iter().for_each(|element| list.push(End::Back, element, limits));
    list.into()
}

pub(crate) fn of_nodes(nodes: Vec<ListNode>, limits: &ListLimits) -> Result<Value, Flaw> {
    let mut list = List::new();
    for node in nodes {
        match node {
            ListNode::Plain(text) => list.push(End::Back, &text, limits),
            ListNode::Packed(bytes) => {
                list.push_listpack(bytes, limits).map_err(|_| "a listpack of a list is damaged")?;
            }
        }
    }
    if list.is_empty() { Err("a list has no elements") } else { Ok(list.into()) }
}

pub(crate) fn copy(list: &List) -> Value {
    list.clone().into()
}

pub(crate) fn parts(list: &List, visit: &mut dyn FnMut(&[&[u8]])) {
    let mut room = Default::default();
    list.range(0, list.len(), |element| visit(&[element.bytes(&mut room)]));
}
