//! The nodes of a row at the moment of a snapshot, while the row is changed.
//!
//! Each node of the moment carries its number. A node that is about to be changed or to go is written beside under its number,
//! and carries none from then on; the walker takes the numbers in order.

use super::node::Node;
use super::{List, Row};
use crate::collection::Collection;
use crate::watch::{Allowance, BYTES_MIN, EncodePart, Part, Shape, Slot, Walked, Watched};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// 4 KiB: about what a saved node takes.
const NODE_BYTES: usize = 4 << 10;

/// What a snapshot under way has left to write.
#[derive(Debug)]
pub(super) struct Watch {
    encode: EncodePart,
    /// The number to write next, and the last one.
    next: u32,
    last: u32,
    /// About where in the row the next node lies.
    near: usize,
    /// Encoded nodes that were changed before the walker came.
    beside: BTreeMap<u32, Vec<u8>>,
}

impl Watch {
    /// A node with a number is about to be changed or to go.
    #[cold]
    pub(super) fn before(&mut self, node: &mut Node) {
        let number = core::mem::take(&mut node.number);
        if number >= self.next {
            let mut out = Vec::new();
            (self.encode)(&mut out, Part::Chunk(super::chunk(node)));
            self.beside.insert(number, out);
        }
    }
}

impl Row {
    /// A node is about to be changed or to go: a snapshot under way saves it.
    #[inline]
    pub(super) fn before(&mut self, at: usize) {
        if let Some(watch) = &mut self.watch.0
            && let Some(node) = self.nodes.get_mut(at)
            && node.number != 0
        {
            watch.before(node);
        }
    }

    /// Numbers the nodes from 1 on.
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        let last = u32::try_from(self.nodes.len()).ok()?;
        (1..).zip(&mut self.nodes).for_each(|(number, node)| node.number = number);
        let watch = Watch { encode, next: 1, last, near: 0, beside: BTreeMap::new() };
        self.watch = Slot(Some(Box::new(watch)));
        Some(Shape::List(self.nodes.len()))
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(watch) = &mut self.watch.0 else { return Walked::Broken };
        while watch.next <= watch.last {
            if allowance.is_spent() {
                return Walked::On;
            }
            let before = out.len();
            if let Some(saved) = watch.beside.remove(&watch.next) {
                out.extend_from_slice(&saved);
                allowance.spend(saved.len());
            } else {
                let Some(at) = find(&self.nodes, watch.near, watch.next) else { return Walked::Broken };
                (watch.encode)(out, Part::Chunk(super::chunk(&self.nodes[at])));
                allowance.spend_node(self.nodes[at].listpack_len(), out.len() - before);
                watch.near = at + 1;
            }
            watch.next += 1;
        }
        Walked::Whole
    }
}

/// The place of the node with a number, looked for from `near` on. Numbers ascend; some nodes have none.
fn find(nodes: &alloc::collections::VecDeque<Node>, near: usize, number: u32) -> Option<usize> {
    let mut at = near.min(nodes.len().checked_sub(1)?);
    loop {
        match nodes[at].number {
            found if found == number => return Some(at),
            found if found > number => at = at.checked_sub(1)?,
            // Lower, or none: it lies behind, unless nothing before is higher.
            _ => break,
        }
    }
    // Backwards over nodes without a number, to one that tells the direction.
    let mut back = at;
    while nodes[back].number == 0 && back > 0 {
        back -= 1;
    }
    if nodes[back].number >= number {
        return (0..=back).rev().find(|&at| nodes[at].number == number);
    }
    (at..nodes.len()).find(|&at| nodes[at].number == number)
}

impl Watched for List {
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        let is_large = Collection::memory_bytes(self) >= BYTES_MIN;
        self.body.large_mut().filter(|_| is_large)?.watch(encode)
    }

    fn is_watched(&self) -> bool {
        matches!(self.body.form(), crate::flat::Form::Large(row) if row.watch.0.is_some())
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        self.body.large_mut().map_or(Walked::Broken, |row| row.walk(out, allowance))
    }

    fn noted_bytes(&self) -> usize {
        let crate::flat::Form::Large(row) = self.body.form() else { return 0 };
        row.watch.0.as_ref().map_or(0, |watch| watch.beside.len() * NODE_BYTES)
    }

    fn unwatch(&mut self) {
        if let Some(row) = self.body.large_mut() {
            row.watch = Slot(None);
            // Numbers that are left mean nothing without a watch; the next one gives new ones.
        }
    }
}
