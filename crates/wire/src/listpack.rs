//! Listpack: the flat list of RDB files, read with every byte checked.
//!
//!   total bytes u32 | elements u16 (65535: count them) | element ... | 0xff
//!   element = encoding and data | its length backwards (1 to 5 bytes)
//!
//! All numbers are little-endian, except those within an encoding byte, which go on big-endian.

use alloc::vec::Vec;
use base::distinct::Distinct;
use core::fmt::{self, Display};

/// 6: bytes before the first element.
const HEADER: usize = 6;
/// The byte after the last element.
const END: u8 = 0xff;
/// The count that says "more than fit here".
const UNCOUNTED: u16 = u16::MAX;

/// An element of a listpack or a ziplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element<'a> {
    /// A number; its text is the decimal form.
    Integer(i64),
    /// Any bytes.
    Bytes(&'a [u8]),
}

impl Element<'_> {
    /// Appends the element's text.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Element::Integer(number) => push_decimal(*number, out),
            Element::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Adds the element's text to those that are looked at for equal ones.
    #[inline]
    pub(crate) fn add_to(&self, seen: &mut Distinct) {
        match self {
            Element::Integer(number) => seen.add_integer(*number),
            Element::Bytes(text) => seen.add(text),
        }
    }

    /// The element in the one form that all elements of the same text share.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Element::Bytes(bytes) => canonical_integer(bytes).map_or(self, Element::Integer),
            Element::Integer(_) => self,
        }
    }
}

/// True when two of these are of the same text.
#[cold]
pub(crate) fn has_twice<'a>(elements: impl Iterator<Item = Element<'a>>) -> bool {
    let mut elements: Vec<Element<'a>> = elements.map(Element::canonical).collect();
    elements.sort_unstable();
    elements.windows(2).any(|pair| pair[0] == pair[1])
}

/// What is wrong with a flat list, and at which of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatError {
    /// Index of the byte in the blob.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Display for FlatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at its byte {}", self.what, self.at)
    }
}

pub(crate) fn flaw<T>(at: usize, what: &'static str) -> Result<T, FlatError> {
    Err(FlatError { at, what })
}

/// A listpack whose header is sound. Iterating it checks each element.
#[derive(Clone, Debug)]
pub struct Listpack<'a> {
    bytes: &'a [u8],
    at: usize,
    seen: u64,
    over: bool,
}

impl<'a> Listpack<'a> {
    /// Reads the header and the end mark of `bytes`, which must be the whole listpack and no more.
    pub fn new(bytes: &'a [u8]) -> Result<Listpack<'a>, FlatError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return flaw(0, "a listpack shorter than its header");
        };
        let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        if total as usize != bytes.len() {
            return flaw(0, "a listpack with another length than its header says");
        }
        if body.last() != Some(&END) {
            return flaw(bytes.len() - 1, "a listpack without its end mark");
        }
        Ok(Listpack { bytes, at: HEADER, seen: 0, over: false })
    }

    /// Elements by the header; `None` when they must be counted.
    pub fn declared_len(&self) -> Option<u16> {
        let count = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        (count != UNCOUNTED).then_some(count)
    }

    fn step(&mut self) -> Result<Option<Element<'a>>, FlatError> {
        let last = self.bytes.len() - 1;
        if self.at == last {
            return match self.declared_len() {
                Some(count) if u64::from(count) != self.seen => {
                    flaw(4, "a listpack with another number of elements than its header says")
                }
                _ => Ok(None),
            };
        }
        let start = self.at;
        // The end mark is not data: an element must end before it.
        let (element, len) =
            read_element(&self.bytes[start..last]).map_err(|what| FlatError { at: start, what })?;
        let back = start + len;
        let backward = &self.bytes[back..last];
        let back_len = backward_len(len);
        let is_right = match backward {
            [byte, ..] if back_len == 1 => usize::from(*byte) == len,
            _ => backward.get(..back_len).is_some_and(|bytes| decode_backward(bytes) == len as u64),
        };
        if !is_right {
            return flaw(back, "a listpack element with a wrong backward length");
        }
        self.at = back + back_len;
        self.seen += 1;
        Ok(Some(element))
    }
}

impl<'a> Iterator for Listpack<'a> {
    type Item = Result<Element<'a>, FlatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step();
        self.over = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// Checks the whole of `bytes` and counts its elements.
pub fn validate(bytes: &[u8]) -> Result<u64, FlatError> {
    Listpack::new(bytes)?.try_fold(0, |count, element| element.map(|_| count + 1))
}

/// One element at the start of `bytes` and the length of its encoding and data.
fn read_element(bytes: &[u8]) -> Result<(Element<'_>, usize), &'static str> {
    const CUT: &str = "a listpack element that is cut off";
    let byte = |index: usize| bytes.get(index).copied().ok_or(CUT);
    let text = |header: usize, len: usize| -> Result<(Element<'_>, usize), &'static str> {
        let end = header.checked_add(len).ok_or(CUT)?;
        Ok((Element::Bytes(bytes.get(header..end).ok_or(CUT)?), end))
    };
    let integer = |count: usize| -> Result<(Element<'_>, usize), &'static str> {
        let number = bytes.get(1..1 + count).ok_or(CUT)?;
        Ok((Element::Integer(little_signed(number)), 1 + count))
    };
    let first = byte(0)?;
    match first {
        0x00..=0x7f => Ok((Element::Integer(i64::from(first)), 1)),
        0x80..=0xbf => text(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let raw = i64::from(first & 0x1f) << 8 | i64::from(byte(1)?);
            // 13 bits, two's complement.
            Ok((Element::Integer(if raw >= 1 << 12 { raw - (1 << 13) } else { raw }), 2))
        }
        0xe0..=0xef => text(2, usize::from(first & 0x0f) << 8 | usize::from(byte(1)?)),
        0xf0 => text(5, u32::from_le_bytes([byte(1)?, byte(2)?, byte(3)?, byte(4)?]) as usize),
        0xf1 => integer(2),
        0xf2 => integer(3),
        0xf3 => integer(4),
        0xf4 => integer(8),
        0xf5..=0xff => Err("an unknown listpack encoding"),
    }
}

/// A little-endian two's complement number of up to 8 bytes.
pub(crate) fn little_signed(bytes: &[u8]) -> i64 {
    let fill = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut word = [fill; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(word)
}

/// Bytes that the backward length of an element of `len` bytes takes. The bounds are the writer's, as they are.
fn backward_len(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Seven bits a byte, high bits first; all but the first byte carry the mark 0x80.
fn decode_backward(bytes: &[u8]) -> u64 {
    let marks = bytes.iter().enumerate().all(|(index, byte)| (byte & 0x80 != 0) == (index > 0));
    let value = bytes.iter().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    if marks { value } else { u64::MAX }
}

/// Appends the decimal form of `number`.
pub(crate) fn push_decimal(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// The number whose decimal form is exactly `text`: no sign `+`, no leading zero, no `-0`.
pub(crate) fn canonical_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let plain = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', ..] => digits.len() <= 19,
        _ => false,
    };
    if !plain {
        return None;
    }
    let mut value: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        let next = value.checked_mul(10)?;
        value = if negative { next.checked_sub(digit)? } else { next.checked_add(digit)? };
    }
    Some(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use base::Random;

    /// A listpack of `elements`, each written in the encoding of its form.
    pub(crate) fn build(elements: &[Element<'_>]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        for element in elements {
            let start = out.len();
            match *element {
                Element::Integer(number) => push_integer(number, &mut out),
                Element::Bytes(bytes) => push_bytes(bytes, &mut out),
            }
            let len = out.len() - start;
            let count = backward_len(len);
            for index in (0..count).rev() {
                let mark = if index + 1 < count { 0x80 } else { 0 };
                out.push((len >> (7 * index)) as u8 & 0x7f | mark);
            }
        }
        out.push(END);
        let total = (out.len() as u32).to_le_bytes();
        out[..4].copy_from_slice(&total);
        out[4..6].copy_from_slice(&(elements.len().min(65_535) as u16).to_le_bytes());
        out
    }

    fn push_integer(number: i64, out: &mut Vec<u8>) {
        let bytes = number.to_le_bytes();
        match number {
            0..=127 => out.push(number as u8),
            -4_096..=4_095 => {
                out.push((number >> 8) as u8 & 0x1f | 0xc0);
                out.push(number as u8);
            }
            -32_768..=32_767 => out.extend([&[0xf1], &bytes[..2]].concat()),
            -8_388_608..=8_388_607 => out.extend([&[0xf2], &bytes[..3]].concat()),
            -2_147_483_648..=2_147_483_647 => out.extend([&[0xf3], &bytes[..4]].concat()),
            _ => out.extend([&[0xf4], &bytes[..]].concat()),
        }
    }

    fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
        let len = bytes.len();
        match len {
            0..=63 => out.push(0x80 | len as u8),
            64..=4_095 => out.extend([0xe0 | (len >> 8) as u8, len as u8]),
            _ => {
                out.push(0xf0);
                out.extend((len as u32).to_le_bytes());
            }
        }
        out.extend_from_slice(bytes);
    }

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, FlatError> {
        Listpack::new(bytes)?.collect()
    }

    #[test]
    fn all_encodings_are_read() {
        let mut numbers = vec![0, 127, 128, -1, 4_095, -4_096, 4_096, -4_097, 32_767, -32_768, 32_768];
        numbers.extend([8_388_607, -8_388_608, 8_388_608, i64::from(i32::MAX), i64::from(i32::MIN)]);
        numbers.extend([1 << 31, i64::MAX, i64::MIN]);
        let texts: Vec<Vec<u8>> = [0, 63, 64, 126, 127, 4_095, 4_096, 16_377, 16_378, 16_379, 70_000]
            .map(|len| vec![b'x'; len])
            .to_vec();
        let mut elements: Vec<_> = numbers.into_iter().map(Element::Integer).collect();
        elements.extend(texts.iter().map(|text| Element::Bytes(text)));
        let bytes = build(&elements);
        assert_eq!(read(&bytes), Ok(elements.clone()));
        assert_eq!(validate(&bytes), Ok(elements.len() as u64));
    }

    #[test]
    fn more_than_65534_elements_are_counted() {
        let bytes = build(&vec![Element::Integer(1); 70_000]);
        assert_eq!(Listpack::new(&bytes).unwrap().declared_len(), None);
        assert_eq!(validate(&bytes), Ok(70_000));
    }

    #[test]
    fn damaged_headers_are_refused() {
        let good = build(&[Element::Bytes(b"field"), Element::Integer(7)]);
        for cut in 0..good.len() {
            assert!(validate(&good[..cut]).is_err());
        }
        for (index, value) in [(0, 99), (4, 3), (good.len() - 1, 0)] {
            let mut bad = good.clone();
            bad[index] = value;
            assert!(validate(&bad).is_err(), "byte {index}");
        }
        assert!(validate(&[6, 0, 0, 0, 0, 0]).is_err());
        assert_eq!(validate(&[7, 0, 0, 0, 0, 0, END]), Ok(0));
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        let good = build(&[Element::Bytes(b"field"), Element::Integer(7_000), Element::Bytes(&[9; 200])]);
        let mut random = Random::new(2);
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..random.between(1, 3) {
                let index = random.below(bad.len() as u64) as usize;
                bad[index] = random.word() as u8;
            }
            let _: Result<u64, FlatError> = validate(&bad);
        }
    }

    #[test]
    fn equal_texts_have_one_canonical_form() {
        assert_eq!(Element::Bytes(b"17").canonical(), Element::Integer(17));
        assert_eq!(Element::Bytes(b"-9223372036854775808").canonical(), Element::Integer(i64::MIN));
        for text in [&b""[..], b"-", b"-0", b"01", b"+1", b"1a", b"9223372036854775808"] {
            assert_eq!(Element::Bytes(text).canonical(), Element::Bytes(text));
        }
        for number in [0, 7, -10, i64::MAX, i64::MIN] {
            let mut text = Vec::new();
            push_decimal(number, &mut text);
            assert_eq!(canonical_integer(&text), Some(number));
        }
    }
}
