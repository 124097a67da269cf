//! Lists of nodes, node by node.

use alloc::vec::Vec;

use super::super::cursor::Stop;
use super::super::list::ListNode;
use super::super::value::Flaw;
use super::{Decoder, Item, RdbError, State, Value};

/// A list so far.
#[derive(Default)]
pub(super) struct ListReader {
    /// Nodes still to come, once it is known.
    left: Option<u64>,
    /// What the next node is.
    container: Option<u64>,
    nodes: Vec<ListNode>,
    /// Bytes of `nodes`.
    bytes: usize,
}

impl ListReader {
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<ListNode>() + self.bytes
    }
}

impl Decoder {
    /// Reads on in a list; its item when it is whole.
    pub(super) fn list(&mut self) -> Result<Option<Item>, Stop> {
        let State::List { key, mut reader } = core::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("the caller passes only this state");
        };
        while reader.left != Some(0) {
            if let Err(stop) = self.list_step(&mut reader, &key) {
                self.state = State::List { key, reader };
                return Err(stop);
            }
        }
        let is_empty = reader.nodes.is_empty();
        Ok(Some(if is_empty { self.empty(key) } else { self.keyed(key, Value::ListNodes(reader.nodes)) }))
    }

    /// One piece.
    fn list_step(&mut self, reader: &mut ListReader, key: &[u8]) -> Result<(), Stop> {
        let Some(left) = reader.left else {
            reader.left = Some(self.number()?);
            return Ok(());
        };
        let Some(container) = reader.container else {
            reader.container = Some(self.number()?);
            return Ok(());
        };
        let at = self.filling.as_ref().map_or_else(|| self.at(), |filling| filling.at);
        let bytes = self.text()?.into_bytes();
        match ListNode::of(container, bytes) {
            Ok(Some(node)) => {
                reader.bytes += node.bytes().len();
                reader.nodes.push(node);
            }
            // It holds nothing.
            Ok(None) | Err(Flaw::Empty) => {}
            Err(Flaw::Bad(error)) => return Err(RdbError::BadFlat { key: key.to_vec(), at, error }.into()),
        }
        (reader.left, reader.container) = (Some(left - 1), None);
        Ok(())
    }

    fn number(&mut self) -> Result<u64, Stop> {
        let mut cursor = self.cursor();
        let number = cursor.length()?;
        self.read += cursor.used();
        Ok(number)
    }
}
