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

mod list;
mod stream;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base::crc64::Crc64;

use super::cursor::{Cursor, Length, Stop};
use super::sorted_set::Scored;
use super::stream::StreamVersion;
use super::texts::Texts;
use super::value::{self, Flaw, Pairs, Value};
use super::{RdbError, VALKEY_VERSION_READ, VERSION_READ_MAX, kind, list as lists, opcode, set, sorted_set};
use crate::listpack::Element;
use crate::lzf;
use list::ListReader;
use stream::StreamReader;

/// 5: the first version that ends with a checksum.
const VERSION_WITH_CHECKSUM: u32 = 5;
/// 2^31: one more than the highest database number that a server can have.
const DATABASES_MAX: u64 = 1 << 31;
/// 4 GiB less 1 MiB: no string is longer, packed or not. What holds them counts in 32 bits.
const STRING_LEN_MAX: u64 = (1 << 32) - (1 << 20);
/// 200: so much of a function library's first line goes into an error.
const TITLE_LEN_MAX: usize = 200;

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
    Function { at: u64 },
    Key { kind: u8, at: u64 },
    Text { key: Vec<u8> },
    Flat { key: Vec<u8>, kind: u8 },
    Count { key: Vec<u8>, kind: u8 },
    Texts { key: Vec<u8>, kind: u8, count: u64, texts: Texts },
    Stream { key: Vec<u8>, reader: Box<StreamReader> },
    Fields { key: Vec<u8>, count: u64, pairs: Pairs },
    Scored { key: Vec<u8>, kind: u8, count: u64, scored: Scored },
    List { key: Vec<u8>, reader: ListReader },
    Checksum,
    Ended,
    Failed(RdbError),
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
    /// Bytes of `window` that are in `crc`. Invariant: at most `read`.
    summed: usize,
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
            crc: Some(Crc64::new()),
            state: State::Header,
            filling: None,
            version: 0,
            db: 0,
            deadline_ms: None,
            idle: None,
            freq: None,
            past_preamble: false,
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
            kind::HASH_2 => State::Count { key, kind },
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
        self.sum();
        self.window.drain(..self.read);
        self.base += self.read as u64;
        self.summed = 0;
        self.read = 0;
        self.window.extend_from_slice(bytes);
    }

    /// The next item; `None` when more bytes are needed, and after the end.
    ///
    /// An error is final: every later call gives it again.
    pub fn next_item(&mut self) -> Result<Option<Item>, RdbError> {
        while !self.has_ended() {
            match self.step() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(Stop::Short) => return Ok(None),
                Err(Stop::Error(error)) => {
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
        if let Some(crc) = &mut self.crc {
            crc.update(&self.window[self.summed..self.read]);
        }
        self.summed = self.read;
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
            State::Function { at } => self.function(at),
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
            opcode::FUNCTION2 => state = State::Function { at },
            opcode::FUNCTION_PRE_GA => {
                return Err(RdbError::Function { title: b"of a 7.0 release candidate".to_vec(), at }.into());
            }
            opcode::MODULE_AUX => {
                let name = module_name(cursor.length()?);
                return Err(RdbError::Module { name, at }.into());
            }
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
            // A function library is known to be empty only later.
            State::AuxKey | State::Function { .. } => false,
            State::Key { kind, .. } => kind::is_held(kind),
            _ => true,
        };
        self.read += used;
        self.state = state;
        Ok(item)
    }

    fn function(&mut self, at: u64) -> Result<Option<Item>, Stop> {
        let code = self.text()?.into_bytes();
        self.state = State::Opcode;
        if code.is_empty() {
            return Ok(None);
        }
        let line = code.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let title = line[..line.len().min(TITLE_LEN_MAX)].to_vec();
        Err(RdbError::Function { title, at }.into())
    }

    fn key(&mut self, kind: u8, at: u64) -> Result<Option<Item>, Stop> {
        let key = self.text()?.into_bytes();
        self.state = match kind {
            kind::STRING => State::Text { key },
            kind::HASH | kind::SET | kind::SORTED_SET | kind::SORTED_SET_2 => State::Count { key, kind },
            kind::HASH_2 => State::Count { key, kind },
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
                let value = match kind {
                    kind::HASH_ZIPMAP => value::from_zipmap(&blob),
                    kind::HASH_ZIPLIST => value::from_ziplist(&blob),
                    kind::SET_INTSET => set::from_intset(blob),
                    kind::SET_LISTPACK => set::from_listpack(blob),
                    kind::SORTED_SET_ZIPLIST => sorted_set::from_ziplist(&blob),
                    kind::SORTED_SET_LISTPACK => sorted_set::from_listpack(blob),
                    kind::LIST_ZIPLIST => lists::from_ziplists([&*blob].into_iter()),
                    _ => value::from_listpack(blob),
                };
                match value {
                    Ok(value) => Ok(Some(self.keyed(key, value))),
                    Err(Flaw::Empty) => Ok(Some(self.empty(key))),
                    Err(Flaw::Bad(error)) => Err(RdbError::BadFlat { key, at, error }.into()),
                }
            }
            _ => unreachable!("the caller passes only states that end with a string"),
        }
    }

    fn count(&mut self) -> Result<Option<Item>, Stop> {
        let mut cursor = self.cursor();
        let count = cursor.length()?;
        self.read += cursor.used();
        let State::Count { key, kind } = core::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("the caller passes only this state");
        };
        if count == 0 {
            return Ok(Some(self.empty(key)));
        }
        if matches!(kind, kind::SORTED_SET | kind::SORTED_SET_2) {
            self.state = State::Scored { key, kind, count, scored: Scored::default() };
            return Ok(None);
        }
        if kind == kind::HASH_2 {
            self.state = State::Fields { key, count, pairs: Pairs::default() };
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

    fn fields(&mut self) -> Result<Option<Item>, Stop> {
        // As in `texts`.
        let State::Fields { key, count, mut pairs } = core::mem::replace(&mut self.state, State::Opcode)
        else {
            unreachable!("the caller passes only this state");
        };
        while (pairs.len() as u64) < count || pairs.wants_deadline() {
            if let Err(stop) = self.part_of_field(&mut pairs) {
                self.state = State::Fields { key, count, pairs };
                return Err(stop);
            }
        }
        pairs.settle();
        Ok(Some(self.keyed(key, Value::Hash(pairs))))
    }

    /// The next field, its value or its deadline.
    fn part_of_field(&mut self, pairs: &mut Pairs) -> Result<(), Stop> {
        if pairs.wants_deadline() {
            let mut cursor = self.cursor();
            let deadline = i64::from_le_bytes(cursor.array()?);
            self.read += cursor.used();
            // -1: none.
            pairs.push_deadline(u64::try_from(deadline).ok());
            return Ok(());
        }
        match self.text()? {
            Text::Bytes(bytes) => pairs.push_text(&bytes),
            Text::Integer(number) => pairs.push_text(&base::number::integer_text(number)),
        }
        Ok(())
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

/// The name in a module's id: nine characters of six bits, then ten bits of a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|index| char::from(LETTERS[(id >> (58 - 6 * index)) as usize & 63])).collect()
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
