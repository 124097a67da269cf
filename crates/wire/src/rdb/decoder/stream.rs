//! Streams, piece by piece.
//!
//!   nodes -> numbers -> groups: numbers -> pending -> consumers: times -> ids
//!
//! A piece is a string or a few numbers. What was counted down is of pieces that are there, so that nothing is read
//! twice.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::cursor::{Cursor, Stop};
use super::super::stream::{Stream, StreamConsumer, StreamGroup, StreamId, StreamPending, StreamVersion};
use super::{Decoder, Item, RdbError, State, Value};
use crate::listpack::FlatError;

/// What is next.
enum Step {
    NodeCount,
    NodeKey,
    NodePack(StreamId),
    Numbers,
    GroupCount,
    GroupName,
    Group(Vec<u8>),
    PendingCount,
    Pending,
    ConsumerCount,
    ConsumerName,
    Consumer(Vec<u8>),
    ConsumerPending,
}

/// A stream so far.
pub(super) struct StreamReader {
    stream: Stream,
    step: Step,
    nodes: u64,
    groups: u64,
    pending: u64,
    consumers: u64,
    ids: u64,
    /// Memory of `stream`, about.
    bytes: usize,
}

impl StreamReader {
    pub(super) fn new(version: StreamVersion) -> Box<StreamReader> {
        Box::new(StreamReader {
            stream: Stream { version, ..Stream::default() },
            step: Step::NodeCount,
            nodes: 0,
            groups: 0,
            pending: 0,
            consumers: 0,
            ids: 0,
            bytes: 0,
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<StreamReader>() + self.bytes
    }

    fn group(&mut self) -> &mut StreamGroup {
        self.stream.groups.last_mut().expect("a group was begun")
    }

    /// The next consumer, or the next group.
    fn consumers_or_on(&self) -> Step {
        if self.consumers > 0 { Step::ConsumerName } else { Step::GroupName }
    }
}

impl Decoder {
    /// Reads on in a stream; its item when it is whole.
    pub(super) fn stream(&mut self) -> Result<Option<Item>, Stop> {
        let State::Stream { key, mut reader } = core::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("the caller passes only this state");
        };
        loop {
            match self.stream_step(&mut reader, &key) {
                Ok(false) => {}
                Ok(true) => return Ok(Some(self.keyed(key, Value::Stream(Box::new(reader.stream))))),
                Err(stop) => {
                    self.state = State::Stream { key, reader };
                    return Err(stop);
                }
            }
        }
    }

    /// One piece; true at the end.
    fn stream_step(&mut self, reader: &mut StreamReader, key: &[u8]) -> Result<bool, Stop> {
        match &mut reader.step {
            Step::NodeKey if reader.nodes == 0 => reader.step = Step::Numbers,
            Step::NodeKey => {
                let at = self.filling.as_ref().map_or_else(|| self.at(), |filling| filling.at);
                let text = self.text()?.into_bytes();
                let Ok(bytes) = <[u8; 16]>::try_from(text) else {
                    let error = FlatError { at: 0, what: "a stream with a node whose name is no id" };
                    return Err(RdbError::BadFlat { key: key.to_vec(), at, error }.into());
                };
                reader.step = Step::NodePack(id_of(bytes));
            }
            Step::NodePack(id) => {
                let pack = self.text()?.into_bytes();
                reader.bytes += pack.len() + size_of::<(StreamId, Vec<u8>)>();
                reader.stream.nodes.push((*id, pack));
                reader.nodes -= 1;
                reader.step = Step::NodeKey;
            }
            Step::GroupName if reader.groups == 0 => return Ok(true),
            Step::GroupName => reader.step = Step::Group(self.text()?.into_bytes()),
            Step::ConsumerName => reader.step = Step::Consumer(self.text()?.into_bytes()),
            _ => {
                let mut cursor = self.cursor();
                numbers(reader, &mut cursor)?;
                self.read += cursor.used();
            }
        }
        Ok(false)
    }
}

/// A piece that is numbers alone. It changes the reader only when all of it is there.
fn numbers(reader: &mut StreamReader, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let version = reader.stream.version;
    match &mut reader.step {
        Step::NodeCount => {
            reader.nodes = cursor.length()?;
            reader.step = Step::NodeKey;
        }
        Step::Numbers => {
            let (len, last_id) = (cursor.length()?, cursor.stream_id()?);
            if version > StreamVersion::First {
                let (first_id, max_deleted_id) = (cursor.stream_id()?, cursor.stream_id()?);
                reader.stream.added = cursor.length()?;
                (reader.stream.first_id, reader.stream.max_deleted_id) = (first_id, max_deleted_id);
            }
            (reader.stream.len, reader.stream.last_id) = (len, last_id);
            reader.step = Step::GroupCount;
        }
        Step::GroupCount => {
            reader.groups = cursor.length()?;
            reader.step = Step::GroupName;
        }
        Step::Group(name) => {
            let last_id = cursor.stream_id()?;
            let entries_read = if version > StreamVersion::First { cursor.length()? } else { 0 };
            let group =
                StreamGroup { name: core::mem::take(name), last_id, entries_read, ..StreamGroup::default() };
            reader.bytes += group.name.len() + size_of::<StreamGroup>();
            reader.stream.groups.push(group);
            reader.groups -= 1;
            reader.step = Step::PendingCount;
        }
        Step::PendingCount => {
            reader.pending = cursor.length()?;
            reader.step = Step::Pending;
        }
        Step::Pending if reader.pending == 0 => reader.step = Step::ConsumerCount,
        Step::Pending => {
            let id = id_of(cursor.array()?);
            let delivered_ms = i64::from_le_bytes(cursor.array()?);
            let count = cursor.length()?;
            reader.group().pending.push(StreamPending { id, delivered_ms, count });
            reader.bytes += size_of::<StreamPending>();
            reader.pending -= 1;
        }
        Step::ConsumerCount => {
            reader.consumers = cursor.length()?;
            reader.step = reader.consumers_or_on();
        }
        Step::Consumer(_) => consumer(reader, cursor)?,
        Step::ConsumerPending if reader.ids == 0 => reader.step = reader.consumers_or_on(),
        Step::ConsumerPending => {
            let id = id_of(cursor.array()?);
            let consumer = reader.group().consumers.last_mut().expect("a consumer was begun");
            consumer.pending.push(id);
            reader.bytes += size_of::<StreamId>();
            reader.ids -= 1;
        }
        Step::NodeKey | Step::NodePack(_) | Step::GroupName | Step::ConsumerName => {
            unreachable!("the caller reads strings itself")
        }
    }
    Ok(())
}

/// The times of a consumer whose name was read.
fn consumer(reader: &mut StreamReader, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let seen_ms = i64::from_le_bytes(cursor.array()?);
    let has_active = reader.stream.version == StreamVersion::Third;
    let active_ms = if has_active { i64::from_le_bytes(cursor.array()?) } else { 0 };
    reader.ids = cursor.length()?;
    let Step::Consumer(name) = core::mem::replace(&mut reader.step, Step::ConsumerPending) else {
        unreachable!("the caller passes only this step");
    };
    reader.bytes += name.len() + size_of::<StreamConsumer>();
    reader.group().consumers.push(StreamConsumer { name, seen_ms, active_ms, pending: Vec::new() });
    reader.consumers -= 1;
    Ok(())
}

fn id_of(bytes: [u8; 16]) -> StreamId {
    let word = u128::from_be_bytes(bytes);
    ((word >> 64) as u64, word as u64)
}

impl Cursor<'_> {
    fn stream_id(&mut self) -> Result<StreamId, Stop> {
        Ok((self.length()?, self.length()?))
    }
}
