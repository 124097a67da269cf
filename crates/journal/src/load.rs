//! Load: the bytes of an RDB file or payload become keys, slice by slice.
//!
//! Invariant: nothing is put into the keyspace before `Step::Ready` was said, and whoever hears it has made
//! room for the data. What can not be held ends the load with an error that names it.

use crate::pace::Pace;
use crate::{Loaded, Settings};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::crc64::Crc64;
use base::{Id, Now, Time};
use data::{Clocks, Entry, KeyHash, Keyspace, Limits};
use wire::rdb::{Content, Decoder, Item, Span, Value, Whole};

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It needs bytes.
    Starved,
    /// The version, all notes of the writer and the first opcode of the data are understood, and nothing was loaded
    /// yet. Said once.
    Ready,
    /// The budget is used.
    More,
    /// The next key is not due yet (`key-load-delay`): it is at `Loader::due`.
    Early,
    /// The end was read, and its checksum is right.
    Done,
}

/// 32: keys whose places in the table are asked for before the first of them is put in.
const BATCH: usize = 32;

/// 8: a key with its value takes more in nearly every file.
const KEY_BYTES_MIN: u64 = 8;

/// 16,384: slots of a cluster.
const SLOTS_MAX: u64 = 16_384;

/// A key on its way into the keyspace.
struct Arriving {
    db: u32,
    key: Span,
    hash: KeyHash,
    content: Content,
    deadline_ms: Option<u64>,
    /// Its access clock.
    clock: u32,
    /// Where it ends in the file.
    ends_at: u64,
}

/// A load.
pub(crate) struct Loader {
    /// What the file says, and what was done so far.
    pub(crate) loaded: Loaded,
    decoder: Decoder,
    /// Read before `Ready` was said.
    held: Option<Item>,
    said_ready: bool,
    /// Expired keys are data too (a replica: its primary will delete them).
    keeps_expired: bool,
    /// A key takes the place of one that is there; otherwise that ends the load.
    pub(crate) overwrites: bool,
    limits: Limits,
    clocks: Clocks,
    /// Size of the file; 0: not known.
    pub(crate) total_bytes: u64,
    /// The database that the next sizes are of.
    db: u32,
    /// Among how many slots the keys are, where the writer says so, and how many are in each of them on the average.
    slots: u64,
    slot_keys: usize,
    /// For so many keys room may still be made in slots: the file may be damaged.
    slot_room: usize,
    /// Decoded and not put in yet; empty between two steps.
    arriving: Vec<Arriving>,
    pace: Pace,
    /// The database that the DELs of expired keys have selected.
    gone_db: Option<u32>,
    replid: Option<Id>,
    offset: Option<u64>,
    /// What the writer says of itself.
    writer: Writer,
    /// Lines for the log, of what was left out.
    left_out: Vec<String>,
}

/// The writer's notes about itself and the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    version: Vec<u8>,
    created_seconds: Option<u64>,
    pub(crate) used_bytes: u64,
}

impl Writer {
    /// The lines that the originals have in their logs.
    pub(crate) fn lines(&self, now: Now) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.version.is_empty() {
            let version = String::from_utf8_lossy(&self.version);
            lines.push(format!("Loading RDB produced by version {version}"));
        }
        if let Some(created) = self.created_seconds {
            lines.push(format!("RDB age {} seconds", now.unix.as_seconds().saturating_sub(created)));
        }
        if self.used_bytes > 0 {
            let mebibytes = self.used_bytes as f64 / f64::from(1 << 20);
            lines.push(format!("RDB memory usage when created {mebibytes:.2} Mb"));
        }
        lines
    }
}

impl Loader {
    pub(crate) fn new(keeps_expired: bool, settings: &Settings) -> Loader {
        Loader {
            loaded: Loaded::default(),
            decoder: if settings.checksum { Decoder::new() } else { Decoder::without_checksum() },
            held: None,
            said_ready: false,
            keeps_expired,
            overwrites: false,
            limits: settings.limits,
            clocks: settings.clocks,
            total_bytes: 0,
            db: 0,
            slots: 0,
            slot_keys: 0,
            slot_room: 0,
            arriving: Vec::new(),
            pace: Pace::default(),
            gone_db: None,
            replid: None,
            offset: None,
            writer: Writer::default(),
            left_out: Vec::new(),
        }
    }

    /// Gives the next bytes; after `Starved` alone.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// As `push`, with the sum of the bytes where it is known.
    pub(crate) fn push_summed(&mut self, bytes: &[u8], sum: Option<Crc64>) {
        match sum {
            Some(sum) => self.decoder.push_summed(bytes, sum),
            None => self.decoder.push(bytes),
        }
    }

    /// After `Ready`: the data that comes is no data at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.held, Some(Item::Eof { .. }))
    }

    /// What was pushed behind the end.
    pub(crate) fn rest(&self) -> &[u8] {
        self.decoder.rest()
    }

    /// Bytes that are decoded.
    pub(crate) fn at(&self) -> u64 {
        self.decoder.at()
    }

    /// What the writer says of itself.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Lines for the log, of what was left out since the last call.
    pub(crate) fn take_left_out(&mut self) -> Vec<String> {
        core::mem::take(&mut self.left_out)
    }

    /// When the next key is due, after `Early`.
    pub(crate) fn due(&self) -> Time {
        self.pace.due()
    }

    /// Loads up to about `budget` keys, each `delay` microseconds after the other. The DELs of keys that were left out as
    /// expired go to `gone`.
    pub(crate) fn step(
        &mut self,
        budget: usize,
        delay: i64,
        now: Now,
        keyspace: &mut Keyspace,
        gone: &mut Vec<u8>,
    ) -> Result<Step, String> {
        let step = self.decode(budget, delay, now, keyspace, gone);
        // What came before an error, or before the end, is there.
        self.arrive(keyspace)?;
        step
    }

    fn decode(
        &mut self,
        budget: usize,
        delay: i64,
        now: Now,
        keyspace: &mut Keyspace,
        gone: &mut Vec<u8>,
    ) -> Result<Step, String> {
        let mut left = budget;
        while left > 0 {
            if !self.pace.is_due(delay, now.mono) {
                return Ok(Step::Early);
            }
            if self.said_ready
                && self.held.is_none()
                && let Some(whole) = self.decoder.next_whole()
            {
                left = left.saturating_sub(1 + cost(&whole.content));
                self.on_key(whole, delay, now, keyspace, gone)?;
                continue;
            }
            let item = match self.held.take() {
                Some(item) => Some(item),
                None => self.decoder.next_item().map_err(|error| error.to_string())?,
            };
            if !self.said_ready && self.decoder.has_passed_preamble() {
                self.said_ready = true;
                self.loaded.position = self.replid.zip(self.offset);
                self.held = item;
                return Ok(Step::Ready);
            }
            let Some(item) = item else { return Ok(Step::Starved) };
            match item {
                Item::Header { .. } => {}
                Item::ResizeDb { keys, .. } => self.make_room(keys, keyspace),
                Item::Aux { key, value } => self.on_note(&key, &value),
                Item::Function(code) => self.loaded.functions.push(code),
                Item::ModuleData { module } => {
                    let text = format!("Data of the module '{module}' are left out: modules are not loaded");
                    self.left_out.push(text);
                }
                Item::SlotImport { name, .. } => {
                    let name = String::from_utf8_lossy(&name);
                    self.left_out.push(format!("The import of slots '{name}' is left out: it did not end"));
                }
                Item::SelectDb(db) if db >= keyspace.databases() => {
                    return Err(self.no_database(db, keyspace.databases()));
                }
                Item::SelectDb(db) => self.db = db,
                // The originals wrote such by mistake and leave it out, too.
                Item::Empty { key, .. } => self.loaded.note_empty(&key),
                Item::Key { db, key, value, deadline_ms, idle, freq } => {
                    let (key, content) = (Span::Own(key), Content::Value(value));
                    left = left.saturating_sub(cost(&content));
                    let whole = Whole { db, key, content, deadline_ms, idle, freq };
                    self.on_key(whole, delay, now, keyspace, gone)?;
                }
                Item::Eof { .. } => return Ok(Step::Done),
            }
            left = left.saturating_sub(1);
        }
        Ok(Step::More)
    }

    /// A key has come out of the file: it goes into the batch, or is left out where it has expired.
    fn on_key(
        &mut self,
        whole: Whole,
        delay: i64,
        now: Now,
        keyspace: &mut Keyspace,
        gone: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Whole { db, key, content, deadline_ms, idle, freq } = whole;
        let now_ms = now.unix.as_ms();
        if !self.keeps_expired && deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms) {
            self.loaded.expired += 1;
            note_gone(&mut self.gone_db, db, self.decoder.bytes(&key), gone);
            return Ok(());
        }
        let clock = self.clocks.arriving(idle, freq, now_ms);
        let (hash, ends_at) = (keyspace.hash(self.decoder.bytes(&key)), self.at());
        keyspace.prefetch_bucket(db, hash);
        self.arriving.push(Arriving { db, key, hash, content, deadline_ms, clock, ends_at });
        if self.arriving.len() == BATCH {
            self.arrive(keyspace)?;
        }
        self.loaded.keys += 1;
        self.pace.note_key(delay, now.mono);
        Ok(())
    }

    fn no_database(&self, db: u32, databases: u32) -> String {
        format!("at byte {} the data has a database {db}, and 'databases' is {databases}", self.at())
    }

    /// The number of keys is believed as far as the file is large enough for them: it may be damaged.
    fn make_room(&mut self, keys: u64, keyspace: &mut Keyspace) {
        if let Ok(keys) = usize::try_from(keys.min(self.total_bytes / KEY_BYTES_MIN)) {
            keyspace.make_room(self.db, keys);
            // A slot gets its room with its first key.
            let slots = usize::try_from(self.slots).unwrap_or(usize::MAX);
            self.slot_keys = if keyspace.is_clustered() { keys.checked_div(slots).unwrap_or(0) } else { 0 };
            self.slot_room = keys;
        }
    }

    /// The notes that matter; others mean nothing for the data.
    fn on_note(&mut self, key: &[u8], value: &[u8]) {
        let number = || core::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        match key {
            b"repl-id" => self.replid = Id::parse(value),
            b"repl-offset" => self.offset = number(),
            b"repl-stream-db" => {
                self.loaded.stream_db = number().and_then(|db| u32::try_from(db).ok()).unwrap_or(0);
            }
            b"redis-ver" | b"valkey-ver" => self.writer.version = value.to_vec(),
            crate::dump::SLOTS => self.slots = number().unwrap_or(0).clamp(1, SLOTS_MAX),
            b"ctime" => self.writer.created_seconds = number(),
            b"used-mem" => self.writer.used_bytes = number().unwrap_or(0),
            crate::dump::DATA_OFFSET => self.loaded.data_offset = number(),
            crate::dump::SECOND => self.loaded.second = crate::dump::parse_second(value),
            crate::dump::BOND => self.loaded.bond = crate::Bond::parse(value),
            _ => {}
        }
    }

    /// Puts in what has arrived.
    fn arrive(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let mut arriving = core::mem::take(&mut self.arriving);
        let result = arriving.drain(..).try_for_each(|one| {
            let ends_at = one.ends_at;
            self.insert(keyspace, one).map_err(|flaw| format!("{flaw}; it ends at byte {ends_at}"))
        });
        self.arriving = arriving;
        result
    }

    fn insert(&mut self, keyspace: &mut Keyspace, arriving: Arriving) -> Result<(), String> {
        let Arriving { db, key, hash, content, deadline_ms, clock, .. } = arriving;
        let (key, hash_key) = (self.decoder.bytes(&key), keyspace.hash_key());
        if self.overwrites
            && let Entry::Occupied(entry) = keyspace.entry(db, key, hash)
        {
            entry.remove();
        }
        if self.slot_keys > 0
            && self.slot_room >= self.slot_keys
            && keyspace.slot_len_in(db, hash.slot()) == 0
        {
            keyspace.make_room_in_slot(db, hash.slot(), self.slot_keys);
            self.slot_room -= self.slot_keys;
        }
        let Entry::Vacant(entry) = keyspace.entry(db, key, hash) else {
            return Err(format!("the key '{}' comes twice in database {db}", String::from_utf8_lossy(key)));
        };
        let entry = match content {
            Content::Text(text) => entry.insert_string(self.decoder.bytes(&text), deadline_ms),
            Content::Value(Value::String(text)) => entry.insert_string(&text, deadline_ms),
            Content::Value(value) => {
                let value = codec::held(value, hash_key, &self.limits).map_err(|flaw| {
                    let key = String::from_utf8_lossy(key);
                    format!("the key '{key}': {flaw}")
                })?;
                entry.insert(value, deadline_ms)
            }
        };
        entry.as_ref().touch(clock);
        Ok(())
    }
}

/// What a key takes of a slice's budget beside itself.
fn cost(content: &Content) -> usize {
    match content {
        Content::Text(text) => codec::text_cost(text.len()),
        Content::Value(value) => codec::cost(value),
    }
}

/// The DEL of an expired key. `selected`: the database that the ones before have selected.
fn note_gone(selected: &mut Option<u32>, db: u32, key: &[u8], gone: &mut Vec<u8>) {
    if *selected != Some(db) {
        *selected = Some(db);
        gone.extend_from_slice(&crate::follow::command(&[b"SELECT", db.to_string().as_bytes()]));
    }
    gone.extend_from_slice(&crate::follow::command(&[b"DEL", key]));
}
