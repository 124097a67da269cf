//! Append: many elements at the end at once, numbers changed in place, and the way back from element to element.

use super::{COUNT_UNKNOWN, END, HEADER, Listpack, back_length, decode, encoding};
use crate::memory::size_class;
use crate::value::StrRef;
use alloc::vec::Vec;

/// 4096: up to here room grows by doubling, beyond by size classes.
const DOUBLES_TO: usize = 4096;

/// Takes elements for the end of a listpack.
pub struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
    added: usize,
}

impl Appender<'_> {
    /// A text; one that is an integer is kept as such.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        let (prefix, prefix_len, payload) = encoding(text);
        self.element(&prefix[..prefix_len], payload);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, number: i64) {
        let (bytes, len) = integer_encoding(number);
        self.element(&bytes[..len], &[]);
    }

    #[inline]
    fn element(&mut self, prefix: &[u8], payload: &[u8]) {
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(payload);
        let len = prefix.len() + payload.len();
        if len < 128 {
            self.bytes.push(len as u8);
        } else {
            let (back, back_len) = back_length(len);
            self.bytes.extend_from_slice(&back[..back_len]);
        }
        self.added += 1;
    }
}

impl Listpack {
    /// Puts elements at the end. `room`: about how many bytes they take.
    pub fn append(&mut self, room: usize, write: impl FnOnce(&mut Appender<'_>)) {
        let needed = self.bytes.len() + room;
        if needed > self.bytes.capacity() {
            let doubled = (self.bytes.capacity() * 2).min(DOUBLES_TO);
            self.bytes.reserve_exact(size_class(needed.max(doubled)) - self.bytes.len());
        }
        self.bytes.pop();
        let mut appender = Appender { bytes: &mut self.bytes, added: 0 };
        write(&mut appender);
        let added = appender.added;
        self.bytes.push(END);
        self.set_total();
        let count = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        if count != COUNT_UNKNOWN {
            let count = u16::try_from(usize::from(count) + added).unwrap_or(COUNT_UNKNOWN);
            self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        }
    }

    /// Replaces the element at `offset` by an integer.
    pub fn set_integer(&mut self, offset: usize, number: i64) {
        let end = self.at(offset).expect("an offset of an element").1;
        let (bytes, len) = integer_encoding(number);
        let new_end = offset + len + 1;
        if end != new_end {
            let grows = new_end.saturating_sub(end);
            if self.bytes.len() + grows > self.bytes.capacity() {
                self.bytes.reserve_exact(size_class(self.bytes.len() + grows) - self.bytes.len());
            }
            let old_len = self.bytes.len();
            self.bytes.resize(old_len + grows, 0);
            self.bytes.copy_within(end..old_len, new_end);
            self.bytes.truncate(old_len + new_end - end);
            self.set_total();
        }
        self.bytes[offset..offset + len].copy_from_slice(&bytes[..len]);
        // An integer takes at most nine bytes: its length goes back in one.
        self.bytes[offset + len] = len as u8;
    }

    /// The offset of the first element, or of the end where there is none.
    pub fn first_offset(&self) -> usize {
        HEADER
    }

    /// The offset behind the last element.
    pub fn end_offset(&self) -> usize {
        self.bytes.len() - 1
    }

    /// The offset of the element before the one at `offset`; none at the first.
    #[inline]
    pub fn before(&self, offset: usize) -> Option<usize> {
        let mut len = 0;
        let mut shift = 0;
        let mut at = offset;
        while at > HEADER && shift < 35 {
            at -= 1;
            let byte = self.bytes[at];
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return at.checked_sub(len).filter(|start| *start >= HEADER);
            }
        }
        None
    }

    /// The offset behind `count` elements from `offset` on; none when there are fewer.
    #[inline]
    pub fn skip(&self, offset: usize, count: usize) -> Option<usize> {
        let mut at = offset;
        for _ in 0..count {
            let (_, len): (StrRef<'_>, usize) = decode(&self.bytes[at..])?;
            at += len + back_length(len).1;
        }
        Some(at)
    }

    /// Gives room back that is not used.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to(size_class(self.bytes.len()));
    }

    fn set_total(&mut self) {
        let total = u32::try_from(self.bytes.len()).expect("the caller bounds a listpack far below 4 GiB");
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
    }
}

/// The encoding of an integer: up to nine bytes.
#[inline]
fn integer_encoding(number: i64) -> ([u8; 9], usize) {
    let mut out = [0; 9];
    let len = match number {
        0..=127 => {
            out[0] = number as u8;
            return (out, 1);
        }
        -4096..=4095 => {
            out[0] = 0xc0 | (number >> 8 & 0x1f) as u8;
            out[1] = number as u8;
            return (out, 2);
        }
        -0x8000..=0x7fff => 2,
        -0x80_0000..=0x7f_ffff => 3,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    };
    out[0] = if len == 8 { 0xf4 } else { 0xef + len as u8 };
    out[1..=len].copy_from_slice(&number.to_le_bytes()[..len]);
    (out, len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn appended_elements_are_those_pushed() {
        let numbers = [0, 127, 128, -1, 4095, -4096, 4096, 40_000, -9_000_000, 1 << 31, i64::MAX, i64::MIN];
        let (mut pushed, mut appended) = (Listpack::new(), Listpack::new());
        let long = [b'x'; 300];
        for number in numbers {
            let text = alloc::format!("{number}");
            pushed.push(text.as_bytes());
            pushed.push(&long);
            appended.append(10, |list| {
                list.integer(number);
                list.text(&long);
            });
        }
        assert_eq!(pushed.as_bytes(), appended.as_bytes());
        let mut offset = appended.end_offset();
        let mut back = Vec::new();
        while let Some(at) = appended.before(offset) {
            back.push(appended.at(at).unwrap().0);
            offset = at;
        }
        back.reverse();
        assert_eq!(back, appended.iter().collect::<Vec<_>>());
        assert_eq!(offset, appended.first_offset());
    }

    #[test]
    fn a_number_is_replaced_by_a_longer_or_shorter_one() {
        let mut list = Listpack::new();
        list.append(10, |list| {
            list.integer(1);
            list.text(b"tail");
        });
        for number in [5, 127, 128, 4096, 1 << 40, 3, i64::MIN] {
            list.set_integer(list.first_offset(), number);
            let mut fresh = Listpack::new();
            fresh.append(10, |list| {
                list.integer(number);
                list.text(b"tail");
            });
            assert_eq!(list.as_bytes(), fresh.as_bytes());
        }
    }
}
