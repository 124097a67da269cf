//! The nodes of a stream at the moment of a snapshot, while the stream is changed.
//!
//! A node is known by its id. One that is about to be changed or to go is written beside under its id; the walker takes the
//! ids in order. Groups follow (`group_watch`).

use super::node::Node;
use super::runs::Keyed;
use super::{Pack, Stream, StreamId};
use crate::collection::Collection;
use crate::watch::{Allowance, BYTES_MIN, EncodePart, Part, Shape, Slot, Walked, Watched};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// 2 KiB: about what a saved node takes.
const NODE_BYTES: usize = 2 << 10;

#[derive(Debug)]
pub(super) struct Watch {
    encode: EncodePart,
    /// No node before this one is left to be written.
    next: Option<StreamId>,
    /// The last node of the moment.
    last: StreamId,
    /// Nodes that are left.
    left: usize,
    /// Encoded nodes that were changed before the walker came; nothing for one that is newer than the moment.
    beside: BTreeMap<StreamId, Vec<u8>>,
    /// What follows the nodes, without the groups.
    rest: Vec<u8>,
}

impl Watch {
    fn is_open(&self, id: StreamId) -> bool {
        self.next.is_some_and(|next| id >= next) && id <= self.last && !self.beside.contains_key(&id)
    }

    /// A node is about to be changed or to go.
    pub(super) fn before(&mut self, node: &Node) {
        if self.is_open(node.id()) {
            let mut out = Vec::new();
            (self.encode)(&mut out, Part::Pack(Pack(node)));
            self.beside.insert(node.id(), out);
        }
    }

    /// A node of this id is about to come. (XSETID may lead back before the last node of the moment.)
    pub(super) fn before_new(&mut self, id: StreamId) {
        if self.is_open(id) {
            self.beside.insert(id, Vec::new());
        }
    }
}

impl Watched for Stream {
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        if Collection::memory_bytes(self) < BYTES_MIN {
            return None;
        }
        let (mut rest, left) = (Vec::new(), self.log.nodes.len());
        encode(&mut rest, Part::Rest(self));
        let last = self.log.nodes.last().map_or(StreamId::ZERO, Keyed::id);
        let next = Some(StreamId::ZERO);
        let watch = Watch { encode, next, last, left, beside: BTreeMap::new(), rest };
        self.log.watch = Slot(Some(Box::new(watch)));
        self.groups.watch();
        Some(Shape::Stream(left))
    }

    fn is_watched(&self) -> bool {
        self.log.watch.0.is_some()
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(watch) = &mut self.log.watch.0 else { return Walked::Broken };
        while let Some(next) = watch.next.filter(|next| *next <= watch.last) {
            if allowance.is_spent() {
                return Walked::On;
            }
            let before = out.len();
            let node = self.log.nodes.first_from(next).filter(|node| node.id() <= watch.last);
            let saved = watch.beside.first_key_value().map(|(id, _)| *id);
            let id = match (node.map(Keyed::id), saved) {
                (Some(node), Some(saved)) => node.min(saved),
                (node, saved) => match node.or(saved) {
                    Some(id) => id,
                    None => break,
                },
            };
            match watch.beside.remove(&id) {
                Some(saved) => {
                    watch.left = watch.left.wrapping_sub(usize::from(!saved.is_empty()));
                    out.extend_from_slice(&saved);
                    allowance.spend(saved.len());
                }
                None => {
                    if let Some(node) = node {
                        (watch.encode)(out, Part::Pack(Pack(node)));
                        allowance.spend_node(node.len_bytes(), out.len() - before);
                        watch.left = watch.left.wrapping_sub(1);
                    }
                }
            }
            watch.next = id.next();
        }
        out.append(&mut watch.rest);
        if watch.left > 0 { Walked::Broken } else { self.groups.walk(watch.encode, out, allowance) }
    }

    fn noted_bytes(&self) -> usize {
        let nodes = self.log.watch.0.as_ref().map_or(0, |watch| watch.beside.len() * NODE_BYTES);
        nodes + self.groups.noted_bytes()
    }

    fn unwatch(&mut self) {
        self.log.watch = Slot(None);
        self.groups.unwatch();
    }
}
