//! Sets in flat encodings.

use alloc::vec::Vec;

use super::value::{Flaw, Value};
use crate::listpack::{self, FlatError};

/// 8: width and count before the integers of an intset.
const INTSET_HEADER: usize = 8;

/// A set out of an intset: a known width, and as many integers as it says, each above the one before.
pub(super) fn from_intset(blob: Vec<u8>) -> Result<Value, Flaw> {
    let Some((header, body)) = blob.split_first_chunk::<INTSET_HEADER>() else {
        return flaw(0, "an intset shorter than its header");
    };
    let width = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let count = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if !matches!(width, 2 | 4 | 8) {
        return flaw(0, "an intset of an unknown width");
    }
    if count.checked_mul(width) != Some(body.len()) {
        return flaw(4, "an intset of another length than its header says");
    }
    if count == 0 {
        return Err(Flaw::Empty);
    }
    let number = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[8 - width..].copy_from_slice(bytes);
        i64::from_le_bytes(word) >> (64 - 8 * width)
    };
    let (mut numbers, later) =
        (body.chunks_exact(width).map(number), body.chunks_exact(width).skip(1).map(number));
    if !later.zip(numbers.by_ref()).all(|(next, one)| one < next) {
        return flaw(INTSET_HEADER, "an intset that is not in order");
    }
    Ok(Value::SetIntset(blob))
}

/// A set out of a listpack, which stays as it is.
pub(super) fn from_listpack(blob: Vec<u8>) -> Result<Value, Flaw> {
    match listpack::validate(&blob)? {
        0 => Err(Flaw::Empty),
        _ => Ok(Value::SetListpack(blob)),
    }
}

fn flaw(at: usize, what: &'static str) -> Result<Value, Flaw> {
    Err(Flaw::Bad(FlatError { at, what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intsets_are_checked() {
        let good = b"\x02\0\0\0\x02\0\0\0\xff\xff\x01\0".to_vec();
        assert_eq!(from_intset(good.clone()), Ok(Value::SetIntset(good)));
        assert_eq!(from_intset(b"\x02\0\0\0\0\0\0\0".to_vec()), Err(Flaw::Empty));
        let bad: [&[u8]; 5] = [
            b"",
            b"\x03\0\0\0\x01\0\0\0\x01\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x08\0\0\0\x01\0\0\x20",
        ];
        for blob in bad {
            assert!(matches!(from_intset(blob.to_vec()), Err(Flaw::Bad(_))), "{blob:?}");
        }
    }
}
