//! Dump: what stands in the journal's snapshots beside the keys, and how a key is written.

use alloc::vec::Vec;
use base::crc64::Crc64;
use base::{Id, Now};
use data::{Keyspace, SnapshotOut, ValueRef};

/// What a snapshot says about itself.
pub(crate) struct Head {
    /// The database that the stream has selected at the snapshot's offset.
    pub(crate) stream_db: u32,
    /// History and offset, where there is a history that somebody could continue.
    pub(crate) position: Option<(Id, u64)>,
    /// Offset of the end of the last real write.
    pub(crate) data_offset: u64,
}

impl Head {
    /// The bytes before the first key.
    pub(crate) fn write(&self, now: Now, keyspace: &Keyspace) -> Vec<u8> {
        let _ = (now, keyspace);
        Vec::new()
    }
}

/// The checksum of what goes by.
pub(crate) struct Sum {
    sum: Option<Crc64>,
    head: Vec<u8>,
}

impl Sum {
    pub(crate) fn new(is_on: bool, head: Vec<u8>) -> Sum {
        Sum { sum: is_on.then(Crc64::default), head }
    }

    /// The bytes before the first key, once.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.head)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
    }

    /// Writes the end: the last opcode and the checksum, zero where there is none.
    pub(crate) fn finish(&mut self, bytes: &mut Vec<u8>) {
        let _ = bytes;
    }
}

/// Encodes one key.
pub(crate) fn encode(
    out: &mut SnapshotOut,
    db: u32,
    key: &[u8],
    value: ValueRef<'_>,
    deadline_ms: Option<u64>,
) {
    let _ = (out, db, key, value, deadline_ms);
}
