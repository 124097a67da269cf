//! Ziplist: the flat list of RDB files before version 10, read with every byte checked.
//!
//!   total bytes u32 | offset of the last element u32 | elements u16 (65535: count them) | element ... | 0xff
//!   element = length of the element before (1 byte, or 0xfe and u32) | encoding | data
//!
//! Numbers are little-endian; the lengths of texts are big-endian.

use crate::listpack::{Element, FlatError, flaw, little_signed};

/// 10: bytes before the first element.
const HEADER: usize = 10;
/// The byte after the last element.
const END: u8 = 0xff;
/// The mark of a length of five bytes.
const LONG: u8 = 0xfe;
/// The count that says "more than fit here".
const UNCOUNTED: u16 = u16::MAX;

/// A ziplist whose header is sound. Iterating it checks each element.
#[derive(Clone, Debug)]
pub struct Ziplist<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the element before `at` starts.
    before: usize,
    seen: u64,
    over: bool,
}

impl<'a> Ziplist<'a> {
    /// Reads the header and the end mark of `bytes`, which must be the whole ziplist and no more.
    pub fn new(bytes: &'a [u8]) -> Result<Ziplist<'a>, FlatError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return flaw(0, "a ziplist shorter than its header");
        };
        let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        if total as usize != bytes.len() {
            return flaw(0, "a ziplist with another length than its header says");
        }
        if body.last() != Some(&END) {
            return flaw(bytes.len() - 1, "a ziplist without its end mark");
        }
        Ok(Ziplist { bytes, at: HEADER, before: HEADER, seen: 0, over: false })
    }

    fn step(&mut self) -> Result<Option<Element<'a>>, FlatError> {
        let last = self.bytes.len() - 1;
        if self.at == last {
            return self.check_end().map(|()| None);
        }
        let start = self.at;
        // The end mark is not data: an element must end before it.
        let body = &self.bytes[start..last];
        let (previous, previous_len) = match body {
            [LONG, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 5),
            [byte, ..] if *byte < LONG => (usize::from(*byte), 1),
            _ => return flaw(start, "a ziplist element without the length of the one before"),
        };
        if previous != start - self.before {
            return flaw(start, "a ziplist element with a wrong length of the one before");
        }
        let (element, len) = read_element(&body[previous_len..])
            .map_err(|what| FlatError { at: start + previous_len, what })?;
        self.before = start;
        self.at = start + previous_len + len;
        self.seen += 1;
        Ok(Some(element))
    }

    fn check_end(&self) -> Result<(), FlatError> {
        let header = self.bytes;
        let tail = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if tail as usize != self.before {
            return flaw(4, "a ziplist whose header points at another last element");
        }
        let count = u16::from_le_bytes([header[8], header[9]]);
        if count != UNCOUNTED && u64::from(count) != self.seen {
            return flaw(8, "a ziplist with another number of elements than its header says");
        }
        Ok(())
    }
}

impl<'a> Iterator for Ziplist<'a> {
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

/// One element's encoding and data at the start of `bytes`, and their length.
fn read_element(bytes: &[u8]) -> Result<(Element<'_>, usize), &'static str> {
    const CUT: &str = "a ziplist element that is cut off";
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
        0x00..=0x3f => text(1, usize::from(first)),
        0x40..=0x7f => text(2, usize::from(first & 0x3f) << 8 | usize::from(byte(1)?)),
        0x80 => text(5, u32::from_be_bytes([byte(1)?, byte(2)?, byte(3)?, byte(4)?]) as usize),
        0xc0 => integer(2),
        0xd0 => integer(4),
        0xe0 => integer(8),
        0xf0 => integer(3),
        0xfe => integer(1),
        // 0 to 12 within the encoding byte.
        0xf1..=0xfd => Ok((Element::Integer(i64::from(first & 0x0f) - 1), 1)),
        _ => Err("an unknown ziplist encoding"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use base::Random;

    /// A ziplist of `elements`.
    pub(crate) fn build(elements: &[Element<'_>]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        let mut before = HEADER;
        for element in elements {
            let start = out.len();
            match start - before {
                len @ 0..254 => out.push(len as u8),
                len => {
                    out.push(LONG);
                    out.extend((len as u32).to_le_bytes());
                }
            }
            match *element {
                Element::Integer(number) => push_integer(number, &mut out),
                Element::Bytes(bytes) => push_bytes(bytes, &mut out),
            }
            before = start;
        }
        out.push(END);
        let total = (out.len() as u32).to_le_bytes();
        out[..4].copy_from_slice(&total);
        out[4..8].copy_from_slice(&(before as u32).to_le_bytes());
        out[8..10].copy_from_slice(&(elements.len().min(65_535) as u16).to_le_bytes());
        out
    }

    fn push_integer(number: i64, out: &mut Vec<u8>) {
        let bytes = number.to_le_bytes();
        match number {
            0..=12 => out.push(0xf1 + number as u8),
            -128..=127 => out.extend([0xfe, bytes[0]]),
            -32_768..=32_767 => out.extend([&[0xc0], &bytes[..2]].concat()),
            -8_388_608..=8_388_607 => out.extend([&[0xf0], &bytes[..3]].concat()),
            -2_147_483_648..=2_147_483_647 => out.extend([&[0xd0], &bytes[..4]].concat()),
            _ => out.extend([&[0xe0], &bytes[..]].concat()),
        }
    }

    fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
        let len = bytes.len();
        match len {
            0..=63 => out.push(len as u8),
            64..=16_383 => out.extend([0x40 | (len >> 8) as u8, len as u8]),
            _ => {
                out.push(0x80);
                out.extend((len as u32).to_be_bytes());
            }
        }
        out.extend_from_slice(bytes);
    }

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, FlatError> {
        Ziplist::new(bytes)?.collect()
    }

    #[test]
    fn all_encodings_are_read() {
        let mut numbers = vec![0, 12, 13, -1, 127, -128, 128, 32_767, -32_768, 32_768, 8_388_607, -8_388_608];
        numbers.extend([8_388_608, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 31, i64::MAX, i64::MIN]);
        let texts: Vec<Vec<u8>> =
            [0, 63, 64, 251, 252, 253, 16_383, 16_384].map(|len| vec![b'x'; len]).to_vec();
        let mut elements: Vec<_> = numbers.into_iter().map(Element::Integer).collect();
        elements.extend(texts.iter().map(|text| Element::Bytes(text)));
        assert_eq!(read(&build(&elements)), Ok(elements));
        assert_eq!(read(&build(&[])), Ok(vec![]));
    }

    #[test]
    fn damage_is_refused_and_never_panics() {
        let good = build(&[Element::Bytes(b"field"), Element::Integer(7_000), Element::Bytes(&[9; 300])]);
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err());
        }
        for (index, value) in [(0, 99), (4, 11), (8, 9), (HEADER, 1), (good.len() - 1, 0)] {
            let mut bad = good.clone();
            bad[index] = value;
            assert!(read(&bad).is_err(), "byte {index}");
        }
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let mut bad = good.clone();
            let index = random.below(bad.len() as u64) as usize;
            bad[index] = random.word() as u8;
            let _: Result<Vec<Element<'_>>, FlatError> = read(&bad);
        }
    }
}
