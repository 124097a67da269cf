//! Whole keys: those whose records lie in what was pushed from end to end, which is nearly all of a file.
//!
//! Nothing is copied of such a key and of the string that it holds, and no state is kept between their parts. What is not of
//! that kind, or is damaged, is left as it is: `next_item` reads it, or says what is wrong with it.

use alloc::vec::Vec;
use core::ops::Range;

use base::size::size_class;

use super::super::cursor::{Cursor, Length, Stop};
use super::super::value::Value;
use super::super::{kind, opcode};
use super::{Decoder, Item, STRING_LEN_MAX, State, deadline, flat};
use crate::listpack::Element;
use crate::lzf;

/// A text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// As it stands in what was pushed, until the next push; `Decoder::bytes` gives it.
    Here(Range<usize>),
    /// On its own.
    Own(Vec<u8>),
}

impl Span {
    /// Bytes.
    pub fn len(&self) -> usize {
        match self {
            Span::Here(range) => range.len(),
            Span::Own(bytes) => bytes.len(),
        }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a whole key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A string.
    Text(Span),
    /// Any other value.
    Value(Value),
}

/// A key and what it holds, as in `Item::Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub key: Span,
    /// What it holds.
    pub content: Content,
    /// Its deadline in milliseconds since 1970, if it has one.
    pub deadline_ms: Option<u64>,
    /// Seconds since its last use, if the writer counts them.
    pub idle: Option<u64>,
    /// Its use counter, if the writer counts by frequency.
    pub freq: Option<u8>,
}

/// A string of a record, as the file keeps it.
enum Piece {
    Text(Span),
    Integer(i64),
}

impl Decoder {
    /// A whole key in the form in which `next_item` gives it.
    pub fn item_of(&self, whole: Whole) -> Item {
        let Whole { db, key, content, deadline_ms, idle, freq } = whole;
        let value = match content {
            Content::Text(text) => Value::String(self.bytes(&text).to_vec()),
            Content::Value(value) => value,
        };
        Item::Key { db, key: self.bytes(&key).to_vec(), value, deadline_ms, idle, freq }
    }

    /// The next key, where all of it lies in what was pushed and it is of a kind that is read so; `None`: ask `next_item`.
    pub fn next_whole(&mut self) -> Option<Whole> {
        if !matches!(self.state, State::Opcode) || !self.past_preamble {
            return None;
        }
        let mut cursor = Cursor::new(&self.window[self.read..], self.base + self.read as u64);
        let (kind, whole) = self.whole(&mut cursor).ok()??;
        self.read += cursor.used();
        self.kind = Some(kind);
        (self.deadline_ms, self.idle, self.freq) = (None, None, None);
        Some(whole)
    }

    /// The bytes of a text that was read since the last push.
    pub fn bytes<'a>(&'a self, span: &'a Span) -> &'a [u8] {
        match span {
            Span::Here(range) => &self.window[range.clone()],
            Span::Own(bytes) => bytes,
        }
    }

    /// `None` for what is not a key, a key of another kind, or a damaged one.
    fn whole(&self, cursor: &mut Cursor<'_>) -> Result<Option<(u8, Whole)>, Stop> {
        let (mut deadline_ms, mut idle, mut freq) = (self.deadline_ms, self.idle, self.freq);
        let kind = loop {
            match cursor.byte()? {
                opcode::EXPIRETIME_MS => deadline_ms = deadline(i64::from_le_bytes(cursor.array()?), 1),
                opcode::IDLE => idle = Some(cursor.length()?),
                opcode::FREQ => freq = Some(cursor.byte()?),
                byte => break byte,
            }
        };
        if kind != kind::STRING && !flat::is_flat(kind) {
            return Ok(None);
        }
        let key = match self.piece(cursor)? {
            Some(Piece::Text(key)) => key,
            Some(Piece::Integer(number)) => {
                let mut text = Vec::new();
                Element::Integer(number).write_to(&mut text);
                Span::Own(text)
            }
            None => return Ok(None),
        };
        let content = match self.piece(cursor)? {
            Some(Piece::Text(text)) if kind == kind::STRING => Content::Text(text),
            Some(Piece::Integer(number)) if kind == kind::STRING => Content::Value(Value::Integer(number)),
            Some(Piece::Text(blob)) => {
                let blob = match blob {
                    Span::Own(blob) => blob,
                    Span::Here(range) => {
                        let mut blob = Vec::with_capacity(size_class(range.len()));
                        blob.extend_from_slice(&self.window[range]);
                        blob
                    }
                };
                match flat::value(kind, blob) {
                    Ok(value) => Content::Value(value),
                    Err(_) => return Ok(None),
                }
            }
            Some(Piece::Integer(_)) | None => return Ok(None),
        };
        Ok(Some((kind, Whole { db: self.db, key, content, deadline_ms, idle, freq })))
    }

    /// A string; `None` for a damaged one.
    fn piece(&self, cursor: &mut Cursor<'_>) -> Result<Option<Piece>, Stop> {
        let (packed, len) = match cursor.length_or_encoding()? {
            Length::Plain(len) => (None, len),
            Length::Encoded(0) => {
                return Ok(Some(Piece::Integer(i64::from(i8::from_le_bytes(cursor.array()?)))));
            }
            Length::Encoded(1) => {
                return Ok(Some(Piece::Integer(i64::from(i16::from_le_bytes(cursor.array()?)))));
            }
            Length::Encoded(2) => {
                return Ok(Some(Piece::Integer(i64::from(i32::from_le_bytes(cursor.array()?)))));
            }
            Length::Encoded(3) => (Some(cursor.length()?), cursor.length()?),
            Length::Encoded(_) => return Ok(None),
        };
        let here = packed.unwrap_or(len);
        if len.max(here) > STRING_LEN_MAX {
            return Ok(None);
        }
        let start = self.read + cursor.used();
        let bytes = cursor.bytes(usize::try_from(here).map_err(|_| Stop::Short)?)?;
        if packed.is_none() {
            return Ok(Some(Piece::Text(Span::Here(start..start + bytes.len()))));
        }
        Ok(lzf::unpack(bytes, len).ok().map(|plain| Piece::Text(Span::Own(plain))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::encoder::{self, Packing};
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        encoder::header(&mut file);
        encoder::select_db(&mut file, 3);
        for at in 0..40u32 {
            if at % 3 == 0 {
                encoder::deadline(&mut file, 1_000 + u64::from(at));
            }
            let text = alloc::format!("{at}").repeat(at as usize);
            let value = match at % 5 {
                0 => Value::Integer(i64::from(at)),
                1 => Value::String(text.into_bytes()),
                2 => Value::SortedSetListpack(b"\x0c\0\0\0\x02\0\x81a\x02\x05\x01\xff"[..].to_vec()),
                3 => Value::SetIntset(b"\x02\0\0\0\x02\0\0\0\xff\xff\x01\0".to_vec()),
                _ => {
                    let mut pairs = super::super::Pairs::default();
                    pairs.push(b"field", text.as_bytes());
                    Value::Hash(pairs)
                }
            };
            let key = if at % 2 == 0 { alloc::format!("{at}") } else { alloc::format!("key:{at}") };
            encoder::entry(&mut file, key.as_bytes(), &value, Packing::Lzf);
        }
        encoder::end(&mut file, Some(base::crc64::Crc64::new()));
        file
    }

    /// All items and how many of them were whole keys, with pushes of `size` bytes.
    fn read(file: &[u8], size: usize, is_whole: bool, is_summed: bool) -> (Vec<Item>, usize) {
        let (mut decoder, mut items, mut wholes) = (Decoder::new(), Vec::new(), 0);
        for bytes in file.chunks(size) {
            if is_summed {
                let mut sum = base::crc64::Crc64::new();
                sum.update(bytes);
                decoder.push_summed(bytes, sum);
            } else {
                decoder.push(bytes);
            }
            loop {
                if is_whole && let Some(whole) = decoder.next_whole() {
                    items.push(decoder.item_of(whole));
                    wholes += 1;
                } else if let Some(item) = decoder.next_item().unwrap() {
                    items.push(item);
                } else {
                    break;
                }
            }
        }
        assert_eq!(decoder.finish(), Ok(()));
        (items, wholes)
    }

    #[test]
    fn whole_keys_are_the_items_in_another_form() {
        let file = file();
        let (items, _) = read(&file, file.len(), false, false);
        for size in [1, 2, 3, 7, 64, 301, file.len()] {
            for is_summed in [false, true] {
                assert_eq!(read(&file, size, false, is_summed).0, items, "{size}");
                assert_eq!(read(&file, size, true, is_summed).0, items, "{size}");
            }
        }
        // Hashes as pairs are read in parts.
        assert_eq!(read(&file, file.len(), true, true).1, 40 - 8);
    }

    #[test]
    fn damage_is_found_whether_the_sum_is_given_or_computed() {
        let file = file();
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x10;
            let mut ends = [64, bad.len()].into_iter().flat_map(|size| {
                [(false, false), (true, false), (true, true)]
                    .map(|(is_whole, is_summed)| end_of(&bad, size, is_whole, is_summed))
            });
            let first = ends.next().unwrap();
            assert!(first.is_err(), "{at}");
            assert!(ends.all(|end| end == first), "{at}: {first:?}");
        }
    }

    fn end_of(file: &[u8], size: usize, is_whole: bool, is_summed: bool) -> Result<(), crate::rdb::RdbError> {
        let mut decoder = Decoder::new();
        for bytes in file.chunks(size) {
            let mut sum = base::crc64::Crc64::new();
            sum.update(bytes);
            if is_summed {
                decoder.push_summed(bytes, sum)
            } else {
                decoder.push(bytes)
            }
            while is_whole && decoder.next_whole().is_some() || decoder.next_item()?.is_some() {}
        }
        decoder.finish()
    }
}
