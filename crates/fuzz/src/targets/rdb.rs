//! RDB files and the flat encodings in them.

use base::Random;
use base::crc64::Crc64;
use wire::listpack::{Element, Listpack};
use wire::lzf;
use wire::rdb::encoder::{self, Packing};
use wire::rdb::payload::{self, Footer};
use wire::rdb::{Decoder, Item, RdbError, Value};
use wire::ziplist::Ziplist;
use wire::zipmap::Zipmap;

/// The items of a file that is pushed in pieces of random lengths, keys taken whole or not, or at once.
fn decode(
    mut decoder: Decoder,
    mut bytes: &[u8],
    mut cuts: Option<Random>,
) -> (Vec<Item>, Result<(), RdbError>) {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let wished = cuts.as_mut().map_or(usize::MAX, |cuts| 1 + cuts.below(40) as usize);
        let (piece, later) = bytes.split_at(wished.min(bytes.len()));
        bytes = later;
        let mut chance = || cuts.as_mut().is_some_and(|cuts| cuts.below(2) == 0);
        if chance() {
            let mut sum = Crc64::new();
            sum.update(piece);
            decoder.push_summed(piece, sum);
        } else {
            decoder.push(piece);
        }
        loop {
            if chance()
                && let Some(whole) = decoder.next_whole()
            {
                items.push(decoder.item_of(whole));
                continue;
            }
            match decoder.next_item() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.finish(), Err(error.clone()), "an error is final");
                    return (items, Err(error));
                }
            }
        }
    }
    (items, decoder.finish())
}

/// Any bytes as a file: the same items at any split, and what was read can be written and read again.
pub fn rdb(input: &[u8]) {
    let cuts =
        || Random::new(input.iter().fold(input.len() as u64, |seed, byte| seed << 1 ^ u64::from(*byte)));
    assert_eq!(decode(Decoder::new(), input, Some(cuts())), decode(Decoder::new(), input, None));
    // The checksum would hide everything behind it from the mutations.
    let (items, end) = decode(Decoder::without_checksum(), input, None);
    assert_eq!(decode(Decoder::without_checksum(), input, Some(cuts())), (items.clone(), end));
    let mut out = Vec::new();
    encoder::header(&mut out);
    let mut keys = Vec::new();
    for item in items {
        if let Item::Key { key, value, deadline_ms, .. } = item {
            if let Some(deadline_ms) = deadline_ms.filter(|deadline_ms| i64::try_from(*deadline_ms).is_ok()) {
                encoder::deadline(&mut out, deadline_ms);
            }
            encoder::entry(&mut out, &key, &value, Packing::Lzf);
            keys.push(key);
        }
    }
    encoder::end(&mut out, None);
    let (again, end) = decode(Decoder::without_checksum(), &out, None);
    assert_eq!(end, Ok(()));
    let names = again.into_iter().filter_map(|item| match item {
        Item::Key { key, .. } => Some(key),
        _ => None,
    });
    assert!(names.eq(keys), "what is written is read");
}

/// Any bytes as a payload of RESTORE, and as the type byte and data in one: what is read can be written and read again.
pub fn payload(input: &[u8]) {
    let _ = payload::read(input, Footer::Whole);
    let _ = payload::read(input, Footer::Version);
    let Some(value) = payload::value(input) else { return };
    let mut out = Vec::new();
    payload::write(&mut out, &value, Packing::Lzf);
    let (again, _) = payload::read(&out, Footer::Whole).expect("what is written is read");
    match (&value, &again) {
        // A text that is a number comes back as one, and the reverse for a long one.
        (Value::String(_) | Value::Integer(_), Value::String(_) | Value::Integer(_)) => {}
        _ => assert_eq!(value, again),
    }
}

/// Checks that iterating ends, and nothing follows an error.
fn walk<T, E>(mut elements: impl Iterator<Item = Result<T, E>>, input: &[u8]) {
    let mut count = 0;
    while let Some(element) = elements.next() {
        count += 1;
        assert!(count <= input.len(), "an element takes at least a byte");
        if element.is_err() {
            assert!(elements.next().is_none(), "an error is final");
        }
    }
}

/// Any bytes as a listpack.
pub fn listpack(input: &[u8]) {
    if let Ok(listpack) = Listpack::new(input) {
        walk(listpack, input);
    }
    if let Ok(count) = wire::listpack::validate(input) {
        let elements: Result<Vec<Element<'_>>, _> =
            Listpack::new(input).and_then(|listpack| listpack.collect());
        assert_eq!(elements.map(|elements| elements.len() as u64), Ok(count));
    }
}

/// Any bytes as a ziplist.
pub fn ziplist(input: &[u8]) {
    if let Ok(ziplist) = Ziplist::new(input) {
        walk(ziplist, input);
    }
}

/// Any bytes as a zipmap.
pub fn zipmap(input: &[u8]) {
    if let Ok(zipmap) = Zipmap::new(input) {
        walk(zipmap, input);
    }
}

/// Any bytes as packed data of a length that its first two bytes claim, and as a text that is packed.
pub fn lzf(input: &[u8]) {
    if let [low, high, packed @ ..] = input {
        let len = u64::from(u16::from_le_bytes([*low, *high]));
        if let Ok(plain) = lzf::unpack(packed, len) {
            assert_eq!(plain.len() as u64, len);
            round_trip(&plain);
        }
    }
    round_trip(input);
}

fn round_trip(plain: &[u8]) {
    let mut packed = Vec::new();
    if let Some(len) = lzf::pack(plain, plain.len() * 2, &mut packed) {
        assert_eq!(len, packed.len());
        assert_eq!(lzf::unpack(&packed, plain.len() as u64).as_deref(), Ok(plain));
    }
}
