//! Payload: one value on its own, as DUMP answers it and RESTORE takes it.
//!
//!   type byte | value | version (2 bytes) | CRC-64 of all before (8 bytes)
//!
//! Written in version 10, so that every server from Redis 7.0 on takes it; what only Valkey 9 knows in its version 80.

use alloc::vec::Vec;
use core::fmt;

use base::crc64::crc64;

use super::encoder::{self, Packing};
use super::{Decoder, Item, RdbError, VALKEY_VERSION_READ, VERSION_READ_MAX, VERSION_WRITTEN, Value, kind};

/// What is said where nothing more is known.
const NO_SENSE: &str = "its data make no sense";
/// 10: the version and the checksum.
const FOOTER_LEN: usize = 10;

/// Why a payload is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It is too short, its version is none that can be read, or its checksum is wrong.
    Footer,
    /// Its data make no sense, or are of a type that this program can not hold: what is wrong with them, where that is
    /// known.
    Data(&'static str),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PayloadError::Footer => "DUMP payload version or checksum are wrong",
            PayloadError::Data(_) => "Bad data format",
        })
    }
}

impl core::error::Error for PayloadError {}

/// Appends the payload of a value.
pub fn write(out: &mut Vec<u8>, value: &Value, packing: Packing) {
    let start = out.len();
    out.push(value.kind());
    encoder::body(out, value, packing);
    seal(out, start);
}

/// Ends the payload that began at `start` of `out`.
pub fn seal(out: &mut Vec<u8>, start: usize) {
    let is_newer = out.get(start) == Some(&kind::HASH_2);
    let version = if is_newer { VALKEY_VERSION_READ } else { VERSION_WRITTEN };
    out.extend_from_slice(&(version as u16).to_le_bytes());
    let checksum = crc64(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// What is looked at of a payload's footer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Footer {
    /// The version and the checksum.
    #[default]
    Whole,
    /// The version alone: tests damage payloads.
    Version,
}

/// The value of a payload, and the version that it says.
pub fn read(payload: &[u8], looked_at: Footer) -> Result<(Value, u32), PayloadError> {
    let Some((body, footer)) = payload.split_last_chunk::<FOOTER_LEN>() else {
        return Err(PayloadError::Footer);
    };
    let [low, high, sum @ ..] = *footer;
    let version = u32::from(u16::from_le_bytes([low, high]));
    let is_known = version <= VERSION_READ_MAX || version == VALKEY_VERSION_READ;
    let checked = &payload[..payload.len() - sum.len()];
    let is_sound = || looked_at == Footer::Version || crc64(checked) == u64::from_le_bytes(sum);
    if !is_known || !is_sound() {
        return Err(PayloadError::Footer);
    }
    decoded(body).map(|value| (value, version)).map_err(PayloadError::Data)
}

/// The value of a type byte and its data, which must end with it.
pub fn value(body: &[u8]) -> Option<Value> {
    decoded(body).ok()
}

/// The value, or what is wrong.
fn decoded(body: &[u8]) -> Result<Value, &'static str> {
    let (kind, data) = body.split_first().ok_or(NO_SENSE)?;
    let mut decoder = Decoder::of_value(*kind).ok_or(NO_SENSE)?;
    decoder.push(data);
    match decoder.next_item() {
        Ok(Some(Item::Key { value, .. })) if decoder.rest().is_empty() => Ok(value),
        Err(RdbError::BadFlat { error, .. }) => Err(error.what),
        // More is needed, something is left over, or a hash has no fields: none of them is a value.
        Ok(_) | Err(_) => Err(NO_SENSE),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pairs;
    use super::*;

    fn sealed(body: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        out.extend_from_slice(body);
        seal(&mut out, b"before".len());
        out.split_off(b"before".len())
    }

    fn written(value: &Value) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write(&mut out, value, Packing::Lzf);
        out.split_off(b"before".len())
    }

    #[test]
    fn what_is_written_is_read() {
        let text = written(&Value::String(b"hello".to_vec()));
        assert_eq!(text[..9], *b"\0\x05hello\x0a\0");
        assert_eq!(read(&text, Footer::Whole), Ok((Value::String(b"hello".to_vec()), 10)));
        let number = written(&Value::Integer(-7));
        assert_eq!(read(&number, Footer::Whole), Ok((Value::Integer(-7), 10)));
        let mut pairs = Pairs::default();
        pairs.push(b"field", b"1");
        let value = Value::Hash(pairs);
        assert_eq!(read(&written(&value), Footer::Whole), Ok((value, 10)));
    }

    #[test]
    fn no_damage_passes() {
        let payload = written(&Value::String(b"hello".to_vec()));
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1;
            assert_eq!(read(&damaged, Footer::Whole), Err(PayloadError::Footer), "byte {at}");
            let is_in_checksum = at >= payload.len() - 8;
            assert!(!is_in_checksum || read(&damaged, Footer::Version).is_ok(), "byte {at}");
            assert_eq!(read(&payload[..at], Footer::Whole), Err(PayloadError::Footer), "cut at {at}");
        }
    }

    #[test]
    fn sound_footers_do_not_hide_bad_data() {
        let bodies: [&[u8]; 6] = [b"", b"\0", b"\0\x05hell", b"\0\x05hello!", b"\x04\0", b"\x63\0"];
        for body in bodies {
            assert_eq!(read(&sealed(body), Footer::Whole), Err(PayloadError::Data(NO_SENSE)), "{body:?}");
        }
    }

    #[test]
    fn the_version_decides_who_may_read() {
        for (version, is_read) in
            [(1_u16, true), (12, true), (13, false), (79, false), (80, true), (81, false)]
        {
            let mut payload = b"\0\x01a".to_vec();
            payload.extend_from_slice(&version.to_le_bytes());
            let sum = crc64(&payload);
            payload.extend_from_slice(&sum.to_le_bytes());
            assert_eq!(read(&payload, Footer::Whole).is_ok(), is_read, "version {version}");
        }
    }
}
