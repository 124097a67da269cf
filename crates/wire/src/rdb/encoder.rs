//! Encoder: the parts of an RDB file of version 10, each appended to a chunk of bytes.
//!
//! All are functions without state, so that a walk over a keyspace can write into whatever buffer it has, and
//! chunks can leave before the file ends. Who sends the chunks keeps a `Crc64` over them and gives it to `end`:
//!
//!   chunk 1 -> crc.update -> out      chunk 2 -> crc.update -> out      end(last chunk, Some(crc)) -> out

use alloc::vec::Vec;

use base::crc64::Crc64;

use super::{VALKEY_VERSION_READ, VERSION_WRITTEN, Value, opcode};
use crate::listpack::{canonical_integer, push_decimal};
use crate::lzf;

/// 20: a string up to this length is never packed (the original's choice).
const PLAIN_LEN_MAX: usize = 20;
/// 4: so many bytes must packing save, else the string stays plain (the original's choice).
const PACK_GAIN_MIN: usize = 4;
/// 11: no longer text is a number of 32 bits.
const INTEGER_TEXT_LEN_MAX: usize = 11;
/// What begins a packed string.
const PACKED: u8 = 0xc3;
/// 9: no length takes more bytes.
const LENGTH_LEN_MAX: usize = 9;

/// How strings are kept (`rdbcompression`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// Packed by LZF where that makes them smaller.
    Lzf,
}

/// The first bytes of a file.
pub fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(b"REDIS");
    out.extend_from_slice(&[1_000, 100, 10, 1].map(|unit| b'0' + (VERSION_WRITTEN / unit % 10) as u8));
}

/// The first bytes of a file with types that only Valkey 9 knows.
pub fn valkey_header(out: &mut Vec<u8>) {
    out.extend_from_slice(b"VALKEY");
    out.extend_from_slice(&[100, 10, 1].map(|unit| b'0' + (VALKEY_VERSION_READ / unit % 10) as u8));
}

/// A note of the writer.
pub fn aux(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.push(opcode::AUX);
    string(out, key, Packing::Plain);
    string(out, value, Packing::Plain);
}

/// A library of functions.
pub fn function(out: &mut Vec<u8>, code: &[u8]) {
    out.push(opcode::FUNCTION2);
    blob(out, code, Packing::Lzf);
}

/// The keys that follow are of database `db`.
pub fn select_db(out: &mut Vec<u8>, db: u32) {
    out.push(opcode::SELECTDB);
    length(out, u64::from(db));
}

/// A hint how many keys follow in this database, and how many of them have a deadline.
pub fn resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(opcode::RESIZEDB);
    length(out, keys);
    length(out, expires);
}

/// The deadline of the key that follows, in milliseconds since 1970.
pub fn deadline(out: &mut Vec<u8>, deadline_ms: u64) {
    out.push(opcode::EXPIRETIME_MS);
    out.extend_from_slice(&deadline_ms.to_le_bytes());
}

/// For how many seconds the key that follows was not used.
pub fn idle(out: &mut Vec<u8>, seconds: u64) {
    out.push(opcode::IDLE);
    length(out, seconds);
}

/// How often the key that follows is used, as LFU counts it.
pub fn frequency(out: &mut Vec<u8>, count: u8) {
    out.extend_from_slice(&[opcode::FREQ, count]);
}

/// A key with its value, as they were decoded.
pub fn entry(out: &mut Vec<u8>, key: &[u8], value: &Value, packing: Packing) {
    out.push(value.kind());
    string(out, key, packing);
    body(out, value, packing);
}

/// What follows the type byte and the key.
pub fn body(out: &mut Vec<u8>, value: &Value, packing: Packing) {
    match value {
        Value::String(text) => string(out, text, packing),
        Value::Integer(number) => integer(out, *number),
        Value::HashListpack(flat)
        | Value::SetIntset(flat)
        | Value::SetListpack(flat)
        | Value::SortedSetListpack(flat) => blob(out, flat, packing),
        Value::SortedSet(scored) => {
            length(out, scored.len() as u64);
            for (member, score) in scored.iter() {
                string(out, member, packing);
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
        Value::Set(texts) | Value::List(texts) => {
            length(out, texts.len() as u64);
            texts.iter().for_each(|text| string(out, text, packing));
        }
        Value::ListNodes(nodes) => {
            length(out, nodes.len() as u64);
            nodes.iter().for_each(|node| node.write(out, packing));
        }
        Value::Stream(stream) => stream.write(out, packing),
        Value::Hash(pairs) => {
            length(out, pairs.len() as u64);
            let deadlines = if pairs.has_deadlines() { pairs.deadlines() } else { &[] };
            for (index, (field, value)) in pairs.iter().enumerate() {
                string(out, field, packing);
                string(out, value, packing);
                if let Some(deadline) = deadlines.get(index) {
                    field_deadline(out, *deadline);
                }
            }
        }
    }
}

pub use super::list::{write_packed as list_packed, write_plain as list_plain};

/// The deadline of a field of a hash, behind its value.
pub fn field_deadline(out: &mut Vec<u8>, deadline_ms: Option<u64>) {
    // -1: none.
    let deadline = deadline_ms.map_or(-1, |deadline| i64::try_from(deadline).unwrap_or(i64::MAX));
    out.extend_from_slice(&deadline.to_le_bytes());
}

/// The end. `before` is the checksum of all bytes of the file that are not in `out` (`out` holds the file's last
/// bytes, and only such); with `None` the file says that it has no checksum (`rdbchecksum no`).
pub fn end(out: &mut Vec<u8>, before: Option<Crc64>) {
    out.push(opcode::EOF);
    let checksum = before.map_or(0, |mut crc| {
        crc.update(out);
        crc.value()
    });
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// A string: as a number where its text is one of 32 bits, packed where that pays, else as it is.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8], packing: Packing) {
    if bytes.len() <= INTEGER_TEXT_LEN_MAX
        && let Some(number) = canonical_integer(bytes)
        && encoded_integer(out, number)
    {
        return;
    }
    blob(out, bytes, packing);
}

/// A string that is no number.
#[inline]
pub fn blob(out: &mut Vec<u8>, bytes: &[u8], packing: Packing) {
    if bytes.len() > PLAIN_LEN_MAX {
        return long_blob(out, bytes, packing);
    }
    out.reserve(1 + bytes.len());
    out.push(bytes.len() as u8);
    short(out, bytes);
}

/// 32: two copies of 16 bytes.
const TWO_COPIES_LEN_MAX: usize = 32;

/// Appends up to 32 bytes, most of them by two copies that overlap: a copy of a length that is not known beforehand is a call.
#[inline]
fn short(out: &mut Vec<u8>, bytes: &[u8]) {
    let end = out.len() + bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        out.extend_from_slice(first);
        out.truncate(end - 16);
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
    } else {
        out.extend_from_slice(bytes);
    }
}

fn long_blob(out: &mut Vec<u8>, bytes: &[u8], packing: Packing) {
    if packing == Packing::Lzf && packed(out, bytes) {
        return;
    }
    length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What stands before a packed string: how long it is, and how long unpacked.
pub fn packed_lengths(out: &mut Vec<u8>, packed: usize, plain: usize) {
    out.push(PACKED);
    length(out, packed as u64);
    length(out, plain as u64);
}

/// Appends `bytes` packed, if that pays.
fn packed(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let len_max = bytes.len() - PACK_GAIN_MIN;
    if bytes.len() <= lzf::SHORT_LEN_MAX {
        let mut room = [0; lzf::SHORT_ROOM];
        let Some(packed) = lzf::pack_short(bytes, len_max, &mut room) else { return false };
        packed_lengths(out, packed.len(), bytes.len());
        match packed.len() {
            ..=TWO_COPIES_LEN_MAX => short(out, packed),
            _ => out.extend_from_slice(packed),
        }
        return true;
    }
    // The header holds the packed length, which is known only afterwards: the data is packed behind room for
    // the longest header, then moved up to the real one.
    let start = out.len();
    let room = start + 1 + 2 * LENGTH_LEN_MAX;
    out.resize(room, PACKED);
    let Some(len) = lzf::pack(bytes, len_max, out) else {
        out.truncate(start);
        return false;
    };
    // The lengths are written behind it, where there is room, and moved to where they belong.
    let end = out.len();
    packed_lengths(out, len, bytes.len());
    let header = out.len() - end;
    out.copy_within(end.., start);
    out.copy_within(room..end, start + header);
    out.truncate(start + header + len);
    true
}

/// A string that is the decimal form of `number`.
pub fn integer(out: &mut Vec<u8>, number: i64) {
    if !encoded_integer(out, number) {
        let mut text = Vec::with_capacity(20);
        push_decimal(number, &mut text);
        blob(out, &text, Packing::Plain);
    }
}

/// Appends `number` as one of 8, 16 or 32 bits, if it is.
fn encoded_integer(out: &mut Vec<u8>, number: i64) -> bool {
    if let Ok(small) = i8::try_from(number) {
        out.push(0xc0);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(medium) = i16::try_from(number) {
        out.push(0xc1);
        out.extend_from_slice(&medium.to_le_bytes());
    } else if let Ok(large) = i32::try_from(number) {
        out.push(0xc2);
        out.extend_from_slice(&large.to_le_bytes());
    } else {
        return false;
    }
    true
}

/// A length in its shortest form.
#[inline]
pub fn length(out: &mut Vec<u8>, length: u64) {
    if length < 1 << 6 {
        out.push(length as u8);
    } else if length < 1 << 14 {
        out.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]);
    } else if let Ok(medium) = u32::try_from(length) {
        out.push(0x80);
        out.extend_from_slice(&medium.to_be_bytes());
    } else {
        out.push(0x81);
        out.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn of(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_take_their_shortest_form() {
        assert_eq!(of(|out| string(out, b"-128", Packing::Lzf)), [0xc0, 0x80]);
        assert_eq!(of(|out| string(out, b"128", Packing::Lzf)), [0xc1, 0x80, 0]);
        assert_eq!(of(|out| string(out, b"-2147483648", Packing::Lzf)), [0xc2, 0, 0, 0, 0x80]);
        assert_eq!(of(|out| string(out, b"2147483648", Packing::Lzf)), *b"\x0a2147483648");
        assert_eq!(of(|out| string(out, b"012", Packing::Lzf)), *b"\x03012");
        assert_eq!(of(|out| integer(out, i64::MIN)), *b"\x14-9223372036854775808");
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        assert_eq!(of(|out| length(out, 63)), [63]);
        assert_eq!(of(|out| length(out, 64)), [0x40, 64]);
        assert_eq!(of(|out| length(out, 16_384)), [0x80, 0, 0, 0x40, 0]);
        assert_eq!(of(|out| length(out, 1 << 32)), [0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn short_strings_are_whole() {
        let text: [u8; 32] = core::array::from_fn(|index| b'a' + index as u8 % 26);
        for len in 0..=32 {
            assert_eq!(of(|out| short(out, &text[..len])), text[..len]);
            let mut expected = vec![len as u8];
            expected.extend_from_slice(&text[..len]);
            assert_eq!(of(|out| blob(out, &text[..len], Packing::Plain)), expected);
        }
    }

    #[test]
    fn only_what_becomes_smaller_is_packed() {
        assert_eq!(of(|out| string(out, &[b'a'; 20], Packing::Lzf))[0], 20);
        assert_eq!(of(|out| string(out, &[b'a'; 21], Packing::Lzf))[0], 0xc3);
        assert_eq!(of(|out| string(out, &[b'a'; 21], Packing::Plain))[0], 21);
        assert_eq!(of(|out| string(out, b"abcdefghijklmnopqrstuvwxyz", Packing::Lzf))[0], 26);
    }

    #[test]
    fn a_packed_string_has_both_lengths() {
        let plain = vec![b'a'; 100_000];
        let out = of(|out| string(out, &plain, Packing::Lzf));
        let len = usize::from(out[1] & 0x3f) << 8 | usize::from(out[2]);
        assert_eq!(out[3..8], [0x80, 0, 1, 0x86, 0xa0]);
        assert_eq!(out.len(), 8 + len);
        assert_eq!(lzf::unpack(&out[8..], 100_000), Ok(plain));
    }
}
