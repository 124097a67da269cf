//! Decoder: bytes of an RDB file in, at any split; items out.
//!
//!   push -> [ window: at most what was pushed and a header ] -> next_item -> item
//!                                   \-> text being filled (long strings leave the window as they arrive)
//!
//!   Header -> Opcode -> AuxKey -> AuxValue -> Opcode
//!                    -> Key -> Text | Texts(so far) | Scored(so far) | Flat -> Opcode
//!                    -> Checksum -> Ended
//!
//! Each step either takes a whole small piece (an opcode with its numbers, the header of a string) or nothing,
//! and a long string keeps its place in `Filling`: no byte is looked at twice but those of one small piece.
//! Invariant: memory grows with bytes that have arrived, never with a length that a header claims.

mod beside;
mod fields;
mod flat;
mod list;
mod stream;
mod whole;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base::crc64::Crc64;

use super::cursor::{Cursor, Length, Stop};
use super::sorted_set::Scored;
use super::stream::StreamVersion;
use super::texts::Texts;
use super::value::{Flaw, Pairs, Value};
use super::{RdbError, VALKEY_VERSION_READ, VERSION_READ_MAX, kind, list as lists, opcode, sorted_set};
use crate::listpack::Element;
use crate::lzf;
use beside::Beside;
use fields::FieldsForm;
use list::ListReader;
use stream::StreamReader;
pub use whole::{Content, Span, Whole};

/// 5: the first version that ends with a checksum.
const VERSION_WITH_CHECKSUM: u32 = 5;
/// 2^31: one more than the highest database number that a server can have.
const DATABASES_MAX: u64 = 1 << 31;
/// 4 GiB less 1 MiB: no string is longer, packed or not. What holds them counts in 32 bits.
const STRING_LEN_MAX: u64 = (1 << 32) - (1 << 20);

/// What is next in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The file is one that can be read.
    Header {
        /// Its version.
        version: u32,
    },
    /// A note of the writer: `redis-ver`, `repl-id`, `repl-offset`, ... Unknown ones mean nothing for the data.
    Aux {
        /// Its name.
        key: Vec<u8>,
        /// Its text.
        value: Vec<u8>,
    },
    /// A library of functions: its code.
    Function(Vec<u8>),
    /// Data of a module beside the keys. They are left out.
    ModuleData {
        /// The module's name.
        module: String,
    },
    /// Slots that a Valkey was importing when it wrote the file. They are left out: whoever sends them begins again.
    SlotImport {
        /// The name of the import.
        name: Vec<u8>,
        /// The first and the last of each range of slots, at most 1,024 of them.
        ranges: Vec<(u64, u64)>,
    },
    /// The keys that follow are of this database.
    SelectDb(u32),
    /// A hint how many keys follow in this database. It is not checked: do not allocate by it.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys with a deadline.
        expires: u64,
    },
    /// A key and what it holds.
    Key {
        /// Its database.
        db: u32,
        /// Its name.
        key: Vec<u8>,
        /// What it holds.
        value: Value,
        /// Its deadline in milliseconds since 1970, if it has one.
        deadline_ms: Option<u64>,
        /// Seconds since its last use, if the writer counts them.
        idle: Option<u64>,
        /// Its use counter, if the writer counts by frequency.
        freq: Option<u8>,
    },
    /// A collection without elements. Old servers wrote such by mistake; it is no key: the originals log it and leave it out.
    Empty {
        /// Its database.
        db: u32,
        /// Its name.
        key: Vec<u8>,
    },
    /// The end. The checksum was right, or there is none (`stored` is 0).
    Eof {
        /// The checksum in the file; 0 when its writer did not compute one.
        stored: u64,
        /// That of the data; 0 when the version has none or the decoder was told not to compute it.
        computed: u64,
    },
}

/// What is being read.
enum State {
    Header,
    Opcode,
    AuxKey,
    AuxValue { key: Vec<u8> },
    Function,
    Beside(Beside),
    Key { kind: u8, at: u64 },
    Text { key: Vec<u8> },
    Flat { key: Vec<u8>, kind: u8 },
    Count { key: Vec<u8>, kind: u8 },
    Texts { key: Vec<u8>, kind: u8, count: u64, texts: Texts },
    Stream { key: Vec<u8>, reader: Box<StreamReader> },
    Fields { key: Vec<u8>, count: u64, pairs: Pairs, form: FieldsForm },
    Scored { key: Vec<u8>, kind: u8, count: u64, scored: Scored },
    List { key: Vec<u8>, reader: ListReader },
    Checksum,
    Ended,
    Failed(RdbError),
}

impl State {
    fn doing(&self) -> &'static str {
        match self {
            State::Header => "start",
            State::Opcode | State::Ended | State::Failed(_) => "read-type",
            State::AuxKey | State::AuxValue { .. } => "read-aux",
            State::Function => "read-functions",
            State::Beside(_) => "read-module-aux",
            State::Key { .. } => "read-key",
            State::Text { .. }
            | State::Flat { .. }
            | State::Count { .. }
            | State::Texts { .. }
            | State::Stream { .. }
            | State::Fields { .. }
            | State::Scored { .. }
            | State::List { .. } => "read-object-value",
            State::Checksum => "check-sum",
        }
    }
}

/// A string whose header is read and whose bytes arrive.
struct Filling {
    bytes: Vec<u8>,
    /// Bytes still to come.
    left: u64,
    /// Length when unpacked; `None` for a plain string.
    unpacked: Option<u64>,
    /// Where the string starts.
    at: u64,
}

/// A string as the file keeps it.
enum Text {
    Bytes(Vec<u8>),
    Integer(i64),
}

impl Text {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Integer(number) => {
                let mut text = Vec::new();
                Element::Integer(number).write_to(&mut text);
                text
            }
        }
    }
}

/// Reads one RDB file.
pub struct Decoder {
    window: Vec<u8>,
    /// Bytes of `window` that are read.
    read: usize,
    /// Offset of the window's first byte in the file.
    base: u64,
    /// Bytes of `window` that are in `crc`. All of them stand before the checksum.
    summed: usize,
    /// The sum of the bytes of `window` from `summed` on, where it was given with them.
    given: Option<Crc64>,
    /// All that was pushed is read but for a part of one piece.
    is_starved: bool,
    /// `None`: the checksum is not wanted.
    crc: Option<Crc64>,
    state: State,
    filling: Option<Filling>,
    version: u32,
    db: u32,
    deadline_ms: Option<u64>,
    idle: Option<u64>,
    freq: Option<u8>,
    past_preamble: bool,
    /// What was being read when it failed.
    failed_in: &'static str,
    /// The type byte that was read last.
    kind: Option<u8>,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder at the start of a file.
    pub fn new() -> Decoder {
        Decoder {
            window: Vec::new(),
            read: 0,
            base: 0,
            summed: 0,
            given: None,
            is_starved: true,
            crc: Some(Crc64::new()),
            state: State::Header,
            filling: None,
            version: 0,
            db: 0,
            deadline_ms: None,
            idle: None,
            freq: None,
            past_preamble: false,
            failed_in: "",
            kind: None,
        }
    }

    /// A decoder that neither computes nor compares the checksum (`rdbchecksum no`).
    pub fn without_checksum() -> Decoder {
        Decoder { crc: None, ..Decoder::new() }
    }

    /// A decoder of one value without a key (a DUMP payload) of this type; none for a type that can not be held.
    pub(super) fn of_value(kind: u8) -> Option<Decoder> {
        let key = Vec::new();
        let state = match kind {
            kind::STRING => State::Text { key },
            kind::HASH | kind::SET | kind::SORTED_SET | kind::SORTED_SET_2 => State::Count { key, kind },
            kind::HASH_2 | kind::HASH_METADATA | kind::HASH_LISTPACK_EX => State::Count { key, kind },
            kind::LIST | kind::LIST_QUICKLIST => State::Count { key, kind },
            kind::LIST_QUICKLIST_2 => State::List { key, reader: ListReader::default() },
            _ if kind::is_held(kind) => match StreamVersion::of_kind(kind) {
                Some(version) => State::Stream { key, reader: StreamReader::new(version) },
                None => State::Flat { key, kind },
            },
            _ => return None,
        };
        Some(Decoder { crc: None, state, version: VERSION_READ_MAX, ..Decoder::new() })
    }

    /// Gives the next bytes of the file. Take all items with `next_item` before the next push, else they pile up.
    pub fn push(&mut self, bytes: &[u8]) {
        self.settle();
        self.window.extend_from_slice(bytes);
        self.is_starved &= bytes.is_empty();
    }

    /// As `push`, of bytes whose sum is known.
    pub fn push_summed(&mut self, bytes: &[u8], sum: Crc64) {
        self.settle();
        // What is left over is looked at again with the new bytes, and belongs to their sum where it is in none.
        let mut given = Crc64::new();
        given.update(&self.window[self.summed..]);
        given.append(sum, bytes.len());
        self.given = Some(given);
        self.window.extend_from_slice(bytes);
        self.is_starved &= bytes.is_empty();
    }

    /// Sums what is read, and forgets it.
    fn settle(&mut self) {
        // What is left of a piece that has not ended stands before the checksum, too.
        let is_before = !matches!(self.state, State::Checksum | State::Ended | State::Failed(_));
        match (self.given.take(), &mut self.crc) {
            (Some(given), Some(crc)) if self.is_starved && is_before => {
                crc.append(given, self.window.len() - self.summed);
                self.summed = self.window.len();
            }
            _ => self.sum(),
        }
        self.window.drain(..self.read);
        self.base += self.read as u64;
        self.summed -= self.read;
        self.read = 0;
    }

    /// The next item; `None` when more bytes are needed, and after the end.
    ///
    /// An error is final: every later call gives it again.
    pub fn next_item(&mut self) -> Result<Option<Item>, RdbError> {
        while !self.has_ended() {
            let doing = self.state.doing();
            match self.step() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(Stop::Short) => {
                    self.is_starved = true;
                    return Ok(None);
                }
                Err(Stop::Error(error)) => {
                    if !matches!(self.state, State::Failed(_)) {
                        self.failed_in = doing;
                    }
                    self.state = State::Failed(error.clone());
                    self.filling = None;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Says that no more bytes come: an error unless the end was read.
    pub fn finish(&self) -> Result<(), RdbError> {
        match &self.state {
            State::Ended => Ok(()),
            State::Failed(error) => Err(error.clone()),
            _ => Err(RdbError::Truncated { at: self.base + self.window.len() as u64 }),
        }
    }

    /// True once the version, all notes of the writer and the first opcode that belongs to the data are
    /// understood. Before that, whoever loads must not have dropped what it had.
    pub fn has_passed_preamble(&self) -> bool {
        self.past_preamble
    }

    /// What is being read, or was when it failed: in the words of the originals' checker.
    pub fn doing(&self) -> &'static str {
        if let State::Failed(_) = self.state { self.failed_in } else { self.state.doing() }
    }

    /// The type byte that was read last, and its name.
    pub fn last_type(&self) -> Option<(u8, &'static str)> {
        self.kind.map(|byte| (byte, kind::name(byte).unwrap_or("unknown")))
    }

    /// The key whose value is being read.
    pub fn key_being_read(&self) -> Option<&[u8]> {
        match &self.state {
            State::Text { key }
            | State::Flat { key, .. }
            | State::Count { key, .. }
            | State::Texts { key, .. }
            | State::Stream { key, .. }
            | State::Fields { key, .. }
            | State::Scored { key, .. }
            | State::List { key, .. }
            | State::Failed(RdbError::BadFlat { key, .. } | RdbError::UnknownType { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// True when the end was read.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Offset in the file of the next byte to be read.
    pub fn at(&self) -> u64 {
        self.base + self.read as u64
    }

    /// The pushed bytes that are not read; after the end: those that do not belong to the file.
    pub fn rest(&self) -> &[u8] {
        &self.window[self.read..]
    }

    /// Bytes of memory that the decoder holds for what is not read and for the value that is being read.
    pub fn memory_bytes(&self) -> usize {
        let filling = self.filling.as_ref().map_or(0, |filling| filling.bytes.capacity());
        let value = match &self.state {
            State::Texts { texts, .. } => texts.memory_bytes(),
            State::Stream { reader, .. } => reader.memory_bytes(),
            State::Fields { pairs, .. } => pairs.memory_bytes(),
            State::Scored { scored, .. } => scored.memory_bytes(),
            State::List { reader, .. } => reader.memory_bytes(),
            _ => 0,
        };
        self.window.capacity() + filling + value
    }

    /// Brings the checksum up to what is read.
    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc
            && self.summed < self.read
        {
            crc.update(&self.window[self.summed..self.read]);
        }
        self.summed = self.summed.max(self.read);
    }

    fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.rest(), self.at())
    }

    /// One piece. It may change the state and have no item for it.
    fn step(&mut self) -> Result<Option<Item>, Stop> {
        match self.state {
            State::Header => self.header(),
            State::Opcode => self.opcode(),
            State::AuxKey => {
                let key = self.text()?.into_bytes();
                self.state = State::AuxValue { key };
                Ok(None)
            }
            State::Function => {
                let code = self.text()?.into_bytes();
                self.state = State::Opcode;
                // Some servers write one without code.
                Ok((!code.is_empty()).then_some(Item::Function(code)))
            }
            State::Beside(_) => self.beside(),
            State::Key { kind, at } => self.key(kind, at),
            State::AuxValue { .. } | State::Text { .. } | State::Flat { .. } => self.text_of_state(),
            State::Count { .. } => self.count(),
            State::Texts { .. } => self.texts(),
            State::Stream { .. } => self.stream(),
            State::Fields { .. } => self.fields(),
            State::Scored { .. } => self.scored(),
            State::List { .. } => self.list(),
            State::Checksum => self.checksum(),
            State::Ended => Ok(None),
            State::Failed(ref error) => Err(Stop::Error(error.clone())),
        }
    }

    fn header(&mut self) -> Result<Option<Item>, Stop> {
        let found: [u8; 9] = *self.rest().first_chunk().ok_or(Stop::Short)?;
        let (valkey, digits) = match &found {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (false, &digits[..]),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (true, &digits[..]),
            _ => return Err(RdbError::BadMagic { found }.into()),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(RdbError::BadMagic { found }.into());
        }
        let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
        let known =
            if valkey { version == VALKEY_VERSION_READ } else { (1..=VERSION_READ_MAX).contains(&version) };
        if !known {
            return Err(RdbError::Version { version, valkey }.into());
        }
        self.read += found.len();
        self.version = version;
        self.state = State::Opcode;
        Ok(Some(Item::Header { version }))
    }

    fn opcode(&mut self) -> Result<Option<Item>, Stop> {
        let at = self.at();
        let mut cursor = self.cursor();
        let byte = cursor.byte()?;
        // What stands before a key is kept only when the whole of it has arrived.
        let (mut deadline_ms, mut idle, mut freq) = (self.deadline_ms, self.idle, self.freq);
        let mut item = None;
        let mut state = State::Opcode;
        match byte {
            opcode::AUX => state = State::AuxKey,
            opcode::FUNCTION2 => state = State::Function,
            opcode::FUNCTION_PRE_GA => {
                return Err(RdbError::Function { title: b"of a 7.0 release candidate".to_vec(), at }.into());
            }
            opcode::MODULE_AUX => state = State::Beside(Beside::module(&mut cursor)?),
            opcode::SLOT_IMPORT => state = State::Beside(Beside::ImportName),
            opcode::SELECTDB => item = Some(Item::SelectDb(cursor.database()?)),
            opcode::RESIZEDB => {
                item = Some(Item::ResizeDb { keys: cursor.length()?, expires: cursor.length()? });
            }
            opcode::SLOT_INFO => {
                // A hint for the size of the slot's table; keys say by themselves where they belong.
                for _ in 0..3 {
                    cursor.length()?;
                }
            }
            opcode::EXPIRETIME => {
                let seconds = i64::from(i32::from_le_bytes(cursor.array()?));
                deadline_ms = deadline(seconds, 1_000);
            }
            opcode::EXPIRETIME_MS => deadline_ms = deadline(i64::from_le_bytes(cursor.array()?), 1),
            opcode::IDLE => idle = Some(cursor.length()?),
            opcode::FREQ => freq = Some(cursor.byte()?),
            opcode::EOF if self.version < VERSION_WITH_CHECKSUM => {
                item = Some(Item::Eof { stored: 0, computed: 0 });
                state = State::Ended;
            }
            opcode::EOF => state = State::Checksum,
            kind if kind::name(kind).is_some() => state = State::Key { kind, at },
            byte => return Err(RdbError::UnknownOpcode { byte, at }.into()),
        }
        let used = cursor.used();
        (self.deadline_ms, self.idle, self.freq) = (deadline_ms, idle, freq);
        if let Some(Item::SelectDb(db)) = item {
            self.db = db;
        }
        self.past_preamble |= match state {
            // What stands beside the data is read whole before anything is dropped for it.
            State::AuxKey | State::Function | State::Beside(_) => false,
            State::Key { kind, .. } => kind::is_held(kind),
            _ => true,
        };
        if let State::Key { kind, .. } = state {
            self.kind = Some(kind);
        }
        self.read += used;
        self.state = state;
        Ok(item)
    }

    fn key(&mut self, kind: u8, at: u64) -> Result<Option<Item>, Stop> {
        let key = self.text()?.into_bytes();
        self.state = match kind {
            kind::STRING => State::Text { key },
            kind::HASH | kind::SET | kind::SORTED_SET | kind::SORTED_SET_2 => State::Count { key, kind },
            kind::HASH_2 | kind::HASH_METADATA | kind::HASH_LISTPACK_EX => State::Count { key, kind },
            kind::LIST | kind::LIST_QUICKLIST => State::Count { key, kind },
            kind::LIST_QUICKLIST_2 => State::List { key, reader: ListReader::default() },
            _ if kind::is_held(kind) => match StreamVersion::of_kind(kind) {
                Some(version) => State::Stream { key, reader: StreamReader::new(version) },
                None => State::Flat { key, kind },
            },
            byte => {
                let name = kind::name(byte).expect("only a type with a name becomes a key");
                return Err(RdbError::UnknownType { byte, name, key, at }.into());
            }
        };
        Ok(None)
    }

    /// The states that end with one string.
    fn text_of_state(&mut self) -> Result<Option<Item>, Stop> {
        let at = self.filling.as_ref().map_or_else(|| self.at(), |filling| filling.at);
        let text = self.text()?;
        match core::mem::replace(&mut self.state, State::Opcode) {
            State::AuxValue { key } => Ok(Some(Item::Aux { key, value: text.into_bytes() })),
            State::Text { key } => {
                let value = match text {
                    Text::Bytes(bytes) => Value::String(bytes),
                    Text::Integer(number) => Value::Integer(number),
                };
                Ok(Some(self.keyed(key, value)))
            }
            State::Flat { key, kind } => {
                let blob = text.into_bytes();
                match flat::value(kind, blob) {
                    Ok(value) => Ok(Some(self.keyed(key, value))),
                    Err(Flaw::Empty) => Ok(Some(self.empty(key))),
                    Err(Flaw::Bad(error)) => Err(RdbError::BadFlat { key, at, error }.into()),
                }
            }
            _ => unreachable!("the caller passes only states that end with a string"),
        }
    }

    fn count(&mut self) -> Result<Option<Item>, Stop> {
        let State::Count { kind, .. } = self.state else {
            unreachable!("the caller passes only this state");
        };
        let mut cursor = self.cursor();
        let lowest = match kind {
            kind::HASH_METADATA | kind::HASH_LISTPACK_EX => u64::from_le_bytes(cursor.array()?),
            _ => 0,
        };
        let count = if kind == kind::HASH_LISTPACK_EX { 1 } else { cursor.length()? };
        self.read += cursor.used();
        let State::Count { key, .. } = core::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("it is this state");
        };
        if kind == kind::HASH_LISTPACK_EX {
            self.state = State::Flat { key, kind };
            return Ok(None);
        }
        if count == 0 {
            return Ok(Some(self.empty(key)));
        }
        if matches!(kind, kind::SORTED_SET | kind::SORTED_SET_2) {
            self.state = State::Scored { key, kind, count, scored: Scored::default() };
            return Ok(None);
        }
        if matches!(kind, kind::HASH_2 | kind::HASH_METADATA) {
            let form = if kind == kind::HASH_2 { FieldsForm::Valkey } else { FieldsForm::Redis { lowest } };
            self.state = State::Fields { key, count, pairs: Pairs::default(), form };
            return Ok(None);
        }
        let each = if kind == kind::HASH { 2 } else { 1 };
        self.state = State::Texts { key, kind, count: count.saturating_mul(each), texts: Texts::default() };
        Ok(None)
    }

    fn texts(&mut self) -> Result<Option<Item>, Stop> {
        // The state is taken out while strings are read into it, and put back when they are not all there.
        let State::Texts { key, kind, count, mut texts } = core::mem::replace(&mut self.state, State::Opcode)
        else {
            unreachable!("the caller passes only this state");
        };
        while (texts.len() as u64) < count {
            match self.text() {
                Ok(Text::Bytes(bytes)) => texts.push(&bytes),
                Ok(Text::Integer(number)) => texts.push_element(Element::Integer(number)),
                Err(stop) => {
                    self.state = State::Texts { key, kind, count, texts };
                    return Err(stop);
                }
            }
        }
        let value = match kind {
            kind::HASH => Value::Hash(Pairs::of(texts)),
            kind::SET => Value::Set(texts),
            kind::LIST_QUICKLIST => match lists::from_ziplists(texts.iter()) {
                Ok(value) => value,
                Err(Flaw::Empty) => return Ok(Some(self.empty(key))),
                Err(Flaw::Bad(error)) => {
                    return Err(RdbError::BadFlat { key, at: self.at(), error }.into());
                }
            },
            _ => Value::List(texts),
        };
        Ok(Some(self.keyed(key, value)))
    }

    fn scored(&mut self) -> Result<Option<Item>, Stop> {
        // As in `texts`.
        let State::Scored { key, kind, count, mut scored } =
            core::mem::replace(&mut self.state, State::Opcode)
        else {
            unreachable!("the caller passes only this state");
        };
        while (scored.len() as u64) < count {
            if let Err(stop) = self.part_of(&mut scored, kind) {
                self.state = State::Scored { key, kind, count, scored };
                return Err(stop);
            }
        }
        Ok(Some(self.keyed(key, Value::SortedSet(scored))))
    }

    /// The next member of a sorted set, or its score.
    fn part_of(&mut self, scored: &mut Scored, kind: u8) -> Result<(), Stop> {
        if scored.wants_score() {
            let mut cursor = self.cursor();
            let score = sorted_set::score(&mut cursor, kind)?;
            self.read += cursor.used();
            scored.push_score(score);
        } else {
            match self.text()? {
                Text::Bytes(bytes) => scored.push_member(Element::Bytes(&bytes)),
                Text::Integer(number) => scored.push_member(Element::Integer(number)),
            }
        }
        Ok(())
    }

    fn checksum(&mut self) -> Result<Option<Item>, Stop> {
        let at = self.at();
        let stored = u64::from_le_bytes(*self.rest().first_chunk().ok_or(Stop::Short)?);
        self.sum();
        let computed = self.crc.map_or(0, Crc64::value);
        if self.crc.is_some() && stored != 0 && stored != computed {
            return Err(RdbError::BadChecksum { at, stored, computed }.into());
        }
        self.read += size_of::<u64>();
        self.state = State::Ended;
        Ok(Some(Item::Eof { stored, computed }))
    }

    /// The item of a key; what stood before it is used up.
    fn keyed(&mut self, key: Vec<u8>, value: Value) -> Item {
        let (deadline_ms, idle, freq) = (self.deadline_ms.take(), self.idle.take(), self.freq.take());
        Item::Key { db: self.db, key, value, deadline_ms, idle, freq }
    }

    fn empty(&mut self, key: Vec<u8>) -> Item {
        (self.deadline_ms, self.idle, self.freq) = (None, None, None);
        Item::Empty { db: self.db, key }
    }

    /// The string at the read position, whole.
    fn text(&mut self) -> Result<Text, Stop> {
        let mut filling = match self.filling.take() {
            Some(filling) => filling,
            None => match self.text_header()? {
                Ok(number) => return Ok(Text::Integer(number)),
                Err(filling) => filling,
            },
        };
        let available = self.rest();
        let count = usize::try_from(filling.left).map_or(available.len(), |left| left.min(available.len()));
        filling.bytes.extend_from_slice(&available[..count]);
        filling.left -= count as u64;
        self.read += count;
        if filling.left > 0 {
            self.filling = Some(filling);
            return Err(Stop::Short);
        }
        match filling.unpacked {
            None => Ok(Text::Bytes(filling.bytes)),
            Some(len) => match lzf::unpack(&filling.bytes, len) {
                Ok(bytes) => Ok(Text::Bytes(bytes)),
                Err(error) => Err(RdbError::BadLzf { at: filling.at, error }.into()),
            },
        }
    }

    /// The header of a string, or the whole of one that is a number.
    fn text_header(&mut self) -> Result<Result<i64, Filling>, Stop> {
        let at = self.at();
        let mut cursor = self.cursor();
        let header = match cursor.length_or_encoding()? {
            Length::Plain(left) => Err(Filling { bytes: Vec::new(), left, unpacked: None, at }),
            Length::Encoded(0) => Ok(i64::from(i8::from_le_bytes(cursor.array()?))),
            Length::Encoded(1) => Ok(i64::from(i16::from_le_bytes(cursor.array()?))),
            Length::Encoded(2) => Ok(i64::from(i32::from_le_bytes(cursor.array()?))),
            Length::Encoded(3) => {
                let left = cursor.length()?;
                let unpacked = Some(cursor.length()?);
                Err(Filling { bytes: Vec::new(), left, unpacked, at })
            }
            Length::Encoded(other) => {
                return Err(RdbError::BadStringEncoding { byte: 0xc0 | other, at }.into());
            }
        };
        if let Err(Filling { left, unpacked, .. }) = &header {
            let len = unpacked.unwrap_or(0).max(*left);
            if len > STRING_LEN_MAX {
                return Err(RdbError::TooLong { len, at }.into());
            }
        }
        self.read += cursor.used();
        Ok(header)
    }
}

impl Cursor<'_> {
    fn database(&mut self) -> Result<u32, Stop> {
        let at = self.at();
        let number = self.length()?;
        if number < DATABASES_MAX {
            Ok(number as u32)
        } else {
            Err(RdbError::BadDatabase { number, at }.into())
        }
    }
}

/// A deadline before 1970 is long over; -1 is the original's word for none.
fn deadline(count: i64, unit_ms: i64) -> Option<u64> {
    let ms = u64::try_from(count.saturating_mul(unit_ms)).unwrap_or(0);
    (count != -1).then_some(ms)
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
