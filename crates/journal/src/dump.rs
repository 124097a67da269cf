//! Dump: what stands in the journal's snapshots beside the keys, and how a key is written.
//!
//! The notes are those of Redis 7.0, so that any server of its family goes on where the file ends, and one of our own.

use crate::{Bond, Settings};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::crc64::Crc64;
use base::{Id, Now};
use data::{Encode, EncodeLarge, Keyspace, LastUse, Part, Shape, SnapshotOut, ValueRef};
use wire::rdb::encoder::{self, Packing};

/// Our own note: the offset of the end of the last real write in the data. The originals skip notes that they do not know.
pub(crate) const DATA_OFFSET: &[u8] = b"redan-data-offset";
/// The same: the second history, and the first offset that is not in it.
pub(crate) const SECOND: &[u8] = b"redan-second-history";
/// The same: whom the data came from. In files alone: it is nobody else's business.
pub(crate) const BOND: &[u8] = b"redan-primary";
/// The same: among how many slots of a cluster the keys are.
pub(crate) const SLOTS: &[u8] = b"redan-slots";
/// The version that clients are told, too.
const VERSION: &[u8] = b"7.2.4";

/// What a snapshot says about itself.
#[derive(Default)]
pub(crate) struct Head<'a> {
    /// It is a base of the append-only file.
    pub(crate) is_base: bool,
    /// The database that the stream has selected at the snapshot's offset.
    pub(crate) stream_db: u32,
    /// History and offset, where there is a history that somebody could continue.
    pub(crate) position: Option<(Id, u64)>,
    /// Offset of the end of the last real write.
    pub(crate) data_offset: u64,
    /// The history before, and the first offset that is not in it.
    pub(crate) second: Option<(Id, u64)>,
    /// Whom the data came from.
    pub(crate) bond: Option<Bond>,
    /// Libraries of functions that came with the data.
    pub(crate) functions: &'a [Vec<u8>],
}

/// Reads the note of the second history.
pub(crate) fn parse_second(note: &[u8]) -> Option<(Id, u64)> {
    let (id, first) = core::str::from_utf8(note).ok()?.split_once(' ')?;
    Some((Id::parse(id.as_bytes())?, first.parse().ok()?))
}

impl Head<'_> {
    /// The bytes before the first key.
    pub(crate) fn write(&self, now: Now, keyspace: &Keyspace) -> Vec<u8> {
        let mut out = Vec::new();
        // The newer form only where something needs it: older servers read the other.
        if (0..keyspace.databases()).any(|db| keyspace.keys_with_volatile_parts(db) > 0) {
            encoder::valkey_header(&mut out);
        } else {
            encoder::header(&mut out);
        }
        let number = |out: &mut Vec<u8>, key: &[u8], value: u64| {
            encoder::aux(out, key, value.to_string().as_bytes());
        };
        encoder::aux(&mut out, b"redis-ver", VERSION);
        number(&mut out, b"redis-bits", u64::from(usize::BITS));
        number(&mut out, b"ctime", now.unix.as_seconds());
        number(&mut out, b"used-mem", keyspace.used_bytes());
        if let Some((replid, offset)) = self.position {
            number(&mut out, b"repl-stream-db", u64::from(self.stream_db));
            encoder::aux(&mut out, b"repl-id", replid.as_bytes());
            number(&mut out, b"repl-offset", offset);
            number(&mut out, DATA_OFFSET, self.data_offset);
            if let Some((second, first)) = self.second {
                encoder::aux(&mut out, SECOND, format!("{second} {first}").as_bytes());
            }
            if let Some(bond) = &self.bond {
                encoder::aux(&mut out, BOND, bond.note().as_bytes());
            }
        }
        number(&mut out, b"aof-base", u64::from(self.is_base));
        if keyspace.is_clustered() {
            let slots = (0..=u16::MAX >> 2).filter(|slot| keyspace.slot_len(*slot) > 0).count();
            number(&mut out, SLOTS, slots as u64);
        }
        self.functions.iter().for_each(|code| encoder::function(&mut out, code));
        // How many keys will follow is known now; a load makes room for them.
        for db in (0..keyspace.databases()).filter(|db| keyspace.len(*db) > 0) {
            encoder::select_db(&mut out, db);
            encoder::resize_db(&mut out, keyspace.len(db), keyspace.figures(db, 0).expires);
        }
        out
    }
}

/// How keys are written: packed where that makes them smaller (`rdbcompression`), or as they are; under an LRU or LFU
/// policy with what their clocks say now.
pub(crate) fn encode(settings: &Settings, now: Now) -> Encode {
    let clocks = (settings.clocks, now.unix.as_ms());
    if settings.compression {
        Encode {
            whole: packed,
            large: Some(EncodeLarge { head: packed_head, part: packed_part, frame: None, packs: true }),
            clocks,
        }
    } else {
        Encode {
            whole: plain,
            large: Some(EncodeLarge { head: plain_head, part: plain_part, frame: None, packs: false }),
            clocks,
        }
    }
}

fn packed_part(out: &mut Vec<u8>, part: Part<'_>) {
    codec::part(out, part, Packing::Lzf);
}

fn plain_part(out: &mut Vec<u8>, part: Part<'_>) {
    codec::part(out, part, Packing::Plain);
}

fn packed_head(out: &mut SnapshotOut, db: u32, key: &[u8], shape: Shape, deadline_ms: Option<u64>) {
    before_key(out, db, deadline_ms);
    codec::head(&mut out.bytes, key, shape, Packing::Lzf);
}

fn plain_head(out: &mut SnapshotOut, db: u32, key: &[u8], shape: Shape, deadline_ms: Option<u64>) {
    before_key(out, db, deadline_ms);
    codec::head(&mut out.bytes, key, shape, Packing::Plain);
}

fn packed(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, deadline_ms: Option<u64>) {
    write(out, db, key, value, deadline_ms, Packing::Lzf);
}

fn plain(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, deadline_ms: Option<u64>) {
    write(out, db, key, value, deadline_ms, Packing::Plain);
}

fn write(
    out: &mut SnapshotOut,
    db: u32,
    key: &[u8],
    value: ValueRef<'_>,
    deadline_ms: Option<u64>,
    packing: Packing,
) {
    before_key(out, db, deadline_ms);
    codec::entry(&mut out.bytes, key, value, packing);
}

fn before_key(out: &mut SnapshotOut, db: u32, deadline_ms: Option<u64>) {
    let bytes = &mut out.bytes;
    if out.last_db != Some(db) {
        out.last_db = Some(db);
        encoder::select_db(bytes, db);
    }
    if let Some(deadline_ms) = deadline_ms {
        encoder::deadline(bytes, deadline_ms);
    }
    match out.last_use {
        Some(LastUse::Idle(seconds)) => encoder::idle(bytes, u64::from(seconds)),
        Some(LastUse::Count(count)) => encoder::frequency(bytes, count),
        None => {}
    }
}

/// The checksum of what goes by, and the bytes that go first.
pub(crate) struct Sum {
    sum: Option<Crc64>,
    head: Vec<u8>,
    has_end: bool,
}

impl Sum {
    pub(crate) fn new(is_on: bool, head: Vec<u8>) -> Sum {
        Sum { sum: is_on.then(Crc64::default), head, has_end: true }
    }

    /// Commands: the time and the libraries of functions stand before the first key, and nothing behind the last.
    pub(crate) fn none(noted_seconds: Option<u64>, functions: &[Vec<u8>]) -> Sum {
        let mut head =
            noted_seconds.map_or_else(Vec::new, |seconds| alloc::format!("#TS:{seconds}\r\n").into_bytes());
        functions.iter().for_each(|code| wire::request(&mut head, &[b"FUNCTION", b"LOAD", code]));
        Sum { sum: None, head, has_end: false }
    }

    /// The bytes before the first key, once.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.head)
    }

    /// These bytes go by.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
    }

    /// Ends the last bytes, which have not gone by.
    pub(crate) fn end(&self, bytes: &mut Vec<u8>) {
        if self.has_end {
            encoder::end(bytes, self.sum);
        }
    }
}
