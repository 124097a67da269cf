//! Listpack: a list of strings and integers in one flat allocation, byte for byte as Redis 7 has it.
//!
//! ```text
//!   total bytes u32 LE | elements u16 LE (65535: more than can be said) | element ... | 0xff
//!   element: encoding byte(s), payload, length of these two written to be read backwards
//!
//!   0xxxxxxx  integer 0..127            11110001  16-bit integer
//!   10xxxxxx  string up to 63           11110010  24-bit integer
//!   110xxxxx  13-bit integer            11110011  32-bit integer
//!   1110xxxx  string up to 4095         11110100  64-bit integer
//!   11110000  string, 32-bit length
//! ```

mod append;

use crate::flat::Flat;
use crate::memory::size_class;
use crate::table::HashKey;
use crate::value::{IntText, StrRef, integer_of};
use alloc::vec::Vec;
pub use append::Appender;
use base::distinct::Distinct;

pub(crate) const HEADER: usize = 6;
pub(crate) const END: u8 = 0xff;
/// 127: the length of an element up to this takes one byte.
const BACK_SHORT_MAX: usize = 127;
/// The element count that means "count them".
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Why bytes are not a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the bytes are not a well-formed listpack")
    }
}

impl core::error::Error for Malformed {}

/// Why the parts of a dump are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Some bytes are not what they are said to be.
    Malformed,
    /// Something that a value has once comes twice: a field, a member, a consumer's name.
    Repeated,
}

impl From<Malformed> for Unfit {
    fn from(Malformed: Malformed) -> Unfit {
        Unfit::Malformed
    }
}

/// The bytes of an empty one.
const EMPTY: [u8; HEADER + 1] = [HEADER as u8 + 1, 0, 0, 0, 0, 0, END];

/// The bytes of a listpack, to look at. Invariant: they are well-formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Of the bytes of a listpack that was taken apart; none are an empty one.
    #[inline]
    pub fn of_own(bytes: &'a [u8]) -> View<'a> {
        View { bytes: if bytes.is_empty() { &EMPTY } else { bytes } }
    }

    /// The bytes, as RDB has them.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Elements.
    #[inline]
    pub fn len(self) -> usize {
        match u16::from_le_bytes([self.bytes[4], self.bytes[5]]) {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// The elements in order.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        self.iter_from(HEADER)
    }

    /// The elements from an offset on that an iterator gave.
    #[inline]
    pub fn iter_from(self, offset: usize) -> Iter<'a> {
        Iter { bytes: self.bytes, at: offset }
    }

    /// The offset of the element that equals `text`, looking at the first of every `step` elements.
    pub fn find(self, text: &[u8], step: usize) -> Option<usize> {
        let number = integer_of(text);
        let mut iter = self.iter();
        loop {
            let offset = iter.offset();
            let is_equal = match iter.next()? {
                StrRef::Bytes(bytes) => bytes == text,
                StrRef::Int(element) => Some(element) == number,
            };
            if is_equal {
                return Some(offset);
            }
            for _ in 1..step {
                iter.next()?;
            }
        }
    }

    /// The element at an offset, and the offset after it.
    #[inline]
    pub fn at(self, offset: usize) -> Option<(StrRef<'a>, usize)> {
        let mut iter = self.iter_from(offset);
        let element = iter.next()?;
        Some((element, iter.offset()))
    }
}

/// Adds the text of an element to those that are looked at for equal ones.
#[inline]
pub(crate) fn add_to(seen: &mut Distinct, element: StrRef<'_>) {
    match element {
        StrRef::Bytes(text) => seen.add(text),
        StrRef::Int(number) => seen.add_integer(number),
    }
}

/// True when two of these are the same: two of one hash of 64 bits under a secret key are.
#[cold]
pub(crate) fn has_twice<'a>(elements: impl Iterator<Item = StrRef<'a>>, key: HashKey) -> bool {
    let mut hashes: Vec<u64> =
        elements.map(|element| key.hash(element.bytes(&mut IntText::default()))).collect();
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair[0] == pair[1])
}

/// A listpack that owns its bytes. Invariant: `bytes` is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listpack {
    bytes: Vec<u8>,
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Listpack {
    /// An empty list.
    pub fn new() -> Listpack {
        let mut bytes = Vec::with_capacity(16);
        bytes.extend_from_slice(&EMPTY);
        Listpack { bytes }
    }

    /// Its bytes, to look at.
    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View { bytes: &self.bytes }
    }

    /// Has room for elements of about so many bytes.
    #[inline]
    pub(crate) fn reserve(&mut self, room: usize) {
        let needed = self.bytes.len() + room;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(size_class(needed) - self.bytes.len());
        }
    }

    /// Takes bytes from outside, after a full check.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Listpack, Malformed> {
        check(&bytes)?;
        Ok(Listpack { bytes })
    }

    /// The bytes, as RDB has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// True when there is no element.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER + 1
    }

    /// Capacity, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The elements in order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(HEADER)
    }

    /// The elements from an offset on that an iterator gave.
    pub fn iter_from(&self, offset: usize) -> Iter<'_> {
        Iter { bytes: &self.bytes, at: offset }
    }

    /// The offset of the element that equals `text`, looking at the first of every `step` elements.
    pub fn find(&self, text: &[u8], step: usize) -> Option<usize> {
        self.view().find(text, step)
    }

    /// The element at an offset, and the offset after it.
    pub fn at(&self, offset: usize) -> Option<(StrRef<'_>, usize)> {
        self.view().at(offset)
    }

    /// Puts an element at the end.
    pub fn push(&mut self, text: &[u8]) {
        self.splice(self.bytes.len() - 1, 0, 1, text);
    }

    /// Puts an element before the one at `offset`.
    pub fn insert(&mut self, offset: usize, text: &[u8]) {
        self.splice(offset, 0, 1, text);
    }

    /// Replaces the element at `offset`.
    pub fn replace(&mut self, offset: usize, text: &[u8]) {
        let end = self.at(offset).expect("an offset of an element").1;
        self.splice(offset, end - offset, 0, text);
    }

    /// Removes `count` elements from `offset` on.
    pub fn remove(&mut self, offset: usize, count: usize) {
        let mut end = offset;
        let mut removed = 0;
        while removed < count
            && let Some((_, next)) = self.at(end)
        {
            end = next;
            removed += 1;
        }
        self.bytes.drain(offset..end);
        self.set_header(-(removed as i64));
        // Room is given back when most of it is unused.
        if self.bytes.len() * 2 < self.bytes.capacity() {
            self.bytes.shrink_to(size_class(self.bytes.len()));
        }
    }

    /// Replaces `old_len` bytes at `offset` by the encoding of `text`.
    fn splice(&mut self, offset: usize, old_len: usize, added: i64, text: &[u8]) {
        let (prefix, prefix_len, payload) = encoding(text);
        let body_len = prefix_len + payload.len();
        let (back, back_len) = back_length(body_len);
        let new_len = body_len + back_len;
        let old_end = self.bytes.len();
        if new_len > old_len {
            let more = new_len - old_len;
            if old_end + more > self.bytes.capacity() {
                self.bytes.reserve_exact(size_class(old_end + more) - old_end);
            }
            self.bytes.resize(old_end + more, 0);
        }
        self.bytes.copy_within(offset + old_len..old_end, offset + new_len);
        self.bytes.truncate(old_end - old_len + new_len);
        let target = &mut self.bytes[offset..offset + new_len];
        target[..prefix_len].copy_from_slice(&prefix[..prefix_len]);
        target[prefix_len..body_len].copy_from_slice(payload);
        target[body_len..].copy_from_slice(&back[..back_len]);
        self.set_header(added);
    }

    fn set_header(&mut self, added: i64) {
        let total = u32::try_from(self.bytes.len()).expect("the caller bounds a listpack far below 4 GiB");
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        let count = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        let count = match count {
            // As in the original, an unknown count stays so: to count at each push would take quadratic time.
            COUNT_UNKNOWN if added >= 0 => return,
            COUNT_UNKNOWN => self.iter().count() as i64,
            count => i64::from(count) + added,
        };
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
    }
}

impl Flat for Listpack {
    #[inline]
    fn of_own(bytes: Option<Vec<u8>>) -> Listpack {
        bytes.map_or_else(Listpack::new, |bytes| Listpack { bytes })
    }

    #[inline]
    fn into_own(self) -> Option<Vec<u8>> {
        (!self.is_empty()).then_some(self.bytes)
    }
}

/// The elements of a listpack in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iter<'_> {
    /// The offset of the next element.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = StrRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        let (element, body_len) = decode(&self.bytes[self.at..])?;
        let back_len = if body_len <= BACK_SHORT_MAX { 1 } else { back_length(body_len).1 };
        self.at += body_len + back_len;
        Some(element)
    }
}

/// The element at the start of `bytes` with the length of encoding and payload; `None` at the end, or when it is cut off.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let &first = bytes.first()?;
    let string = |start: usize, len: usize| {
        let end = start.checked_add(len)?;
        Some((StrRef::Bytes(bytes.get(start..end)?), end))
    };
    // Signed little-endian integers of `len` bytes.
    let integer = |len: usize| {
        let payload = bytes.get(1..1 + len)?;
        let mut word = [0; 8];
        word[8 - len..].copy_from_slice(payload);
        Some((StrRef::Int(i64::from_le_bytes(word) >> (64 - 8 * len)), 1 + len))
    };
    match first {
        0x00..=0x7f => Some((StrRef::Int(i64::from(first)), 1)),
        0x80..=0xbf => string(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let word = i64::from(first & 0x1f) << 8 | i64::from(*bytes.get(1)?);
            Some((StrRef::Int(if word >= 1 << 12 { word - (1 << 13) } else { word }), 2))
        }
        0xe0..=0xef => string(2, usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => {
            let len = bytes.get(1..5)?;
            string(5, u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize)
        }
        0xf1 => integer(2),
        0xf2 => integer(3),
        0xf3 => integer(4),
        0xf4 => integer(8),
        0xf5..=0xff => None,
    }
}

/// The encoding bytes of an element (up to nine, with an integer's payload), their number, and the string's payload.
pub(crate) fn encoding(text: &[u8]) -> ([u8; 9], usize, &[u8]) {
    let mut out = [0; 9];
    if let Some(number) = integer_of(text) {
        let len = match number {
            0..=127 => {
                out[0] = number as u8;
                1
            }
            -4096..=4095 => {
                out[0] = 0xc0 | (number >> 8 & 0x1f) as u8;
                out[1] = number as u8;
                2
            }
            _ => {
                let (code, len) = match number {
                    -0x8000..=0x7fff => (0xf1, 2),
                    -0x80_0000..=0x7f_ffff => (0xf2, 3),
                    -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                out[0] = code;
                out[1..=len].copy_from_slice(&number.to_le_bytes()[..len]);
                1 + len
            }
        };
        return (out, len, &[]);
    }
    let len = text.len();
    let prefix_len = match len {
        0..=63 => {
            out[0] = 0x80 | len as u8;
            1
        }
        64..=4095 => {
            out[0] = 0xe0 | (len >> 8) as u8;
            out[1] = len as u8;
            2
        }
        _ => {
            let len = u32::try_from(len).expect("the caller bounds an element far below 4 GiB");
            out[0] = 0xf0;
            out[1..5].copy_from_slice(&len.to_le_bytes());
            5
        }
    };
    (out, prefix_len, text)
}

/// The length of an element in groups of 7 bits, the most significant first; all but the first carry the top bit.
///
/// The bounds are the original's own: 16383 takes three bytes already.
#[inline]
pub(crate) fn back_length(len: usize) -> ([u8; 5], usize) {
    let count = match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let mut out = [0; 5];
    for (at, byte) in out[..count].iter_mut().enumerate() {
        let bits = (len >> (7 * (count - 1 - at)) & 0x7f) as u8;
        *byte = if at == 0 { bits } else { bits | 0x80 };
    }
    (out, count)
}

/// Checks every byte of a listpack; returns how many elements it has.
pub(crate) fn check(bytes: &[u8]) -> Result<usize, Malformed> {
    let header = bytes.get(..HEADER).ok_or(Malformed)?;
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if total as usize != bytes.len() || bytes.len() < HEADER + 1 {
        return Err(Malformed);
    }
    let mut at = HEADER;
    let mut count = 0usize;
    while at < bytes.len() - 1 {
        let (_, body_len) = decode(&bytes[at..bytes.len() - 1]).ok_or(Malformed)?;
        let start = at + body_len;
        if body_len <= BACK_SHORT_MAX {
            if usize::from(bytes[start]) != body_len {
                return Err(Malformed);
            }
            at = start + 1;
        } else {
            let (back, back_len) = back_length(body_len);
            if bytes.get(start..start + back_len) != Some(&back[..back_len]) {
                return Err(Malformed);
            }
            at = start + back_len;
        }
        count += 1;
    }
    let stated = u16::from_le_bytes([header[4], header[5]]);
    let is_counted = stated == COUNT_UNKNOWN || usize::from(stated) == count;
    if at == bytes.len() - 1 && bytes[at] == END && is_counted { Ok(count) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn texts(list: &Listpack) -> Vec<Vec<u8>> {
        list.iter().map(StrRef::to_vec).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_original() {
        let mut list = Listpack::new();
        assert_eq!(list.as_bytes(), [7, 0, 0, 0, 0, 0, 0xff]);
        list.push(b"a");
        list.push(b"100");
        list.push(b"-1");
        list.push(b"300000");
        let expected =
            [22, 0, 0, 0, 4, 0, 0x81, b'a', 2, 100, 1, 0xdf, 0xff, 2, 0xf2, 0xe0, 0x93, 0x04, 4, 0xff];
        assert_eq!(list.as_bytes()[4..], expected[4..]);
        assert_eq!(usize::from(list.as_bytes()[0]), expected.len());
    }

    #[test]
    fn every_length_reads_back() {
        let numbers = [
            "0",
            "127",
            "128",
            "-1",
            "4095",
            "-4096",
            "4096",
            "-32768",
            "32768",
            "8388607",
            "-8388609",
            "2147483648",
            "-9223372036854775808",
            "007",
            "",
        ];
        let mut list = Listpack::new();
        let mut model: Vec<Vec<u8>> = numbers.iter().map(|text| text.as_bytes().to_vec()).collect();
        model.extend(
            [62, 63, 64, 125, 126, 127, 4094, 4095, 4096, 16_377, 16_378, 16_379, 70_000]
                .map(|len| vec![b'x'; len]),
        );
        model.iter().for_each(|text| list.push(text));
        assert_eq!(texts(&list), model);
        assert_eq!(Listpack::from_bytes(list.as_bytes().to_vec()), Ok(list));
    }

    #[test]
    fn elements_are_found_replaced_and_removed() {
        let mut list = Listpack::new();
        for text in ["k1", "v1", "2", "v2", "v1", "k1"] {
            list.push(text.as_bytes());
        }
        let at = list.find(b"2", 2).unwrap();
        assert_eq!(list.find(b"v2", 2), None);
        list.replace(at, &[b'y'; 100]);
        list.insert(at, b"5");
        assert_eq!(list.len(), 7);
        list.remove(at, 2);
        assert_eq!(texts(&list), ["k1", "v1", "v2", "v1", "k1"].map(|text| text.as_bytes().to_vec()));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let mut list = Listpack::new();
        for text in ["field", "12345", "x", "70000"] {
            list.push(text.as_bytes());
        }
        let good = list.as_bytes();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[at] ^= 1 << bit;
                if let Ok(list) = Listpack::from_bytes(bad) {
                    // Some flips give another good list; reading it must be sound.
                    assert!(list.iter().count() <= 5);
                }
            }
            assert_eq!(Listpack::from_bytes(good[..at].to_vec()), Err(Malformed));
        }
    }
}
