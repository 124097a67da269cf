//! Files of the real servers against the decoder. `tests/peers/rdb_roundtrip.py --golden` makes the files and
//! holds the commands that fill the server; this is what they must contain.

use std::collections::BTreeMap;
use wire::listpack::Listpack;
use wire::rdb::{Decoder, Item, RdbError, Value};

const DEADLINE_MS: u64 = 4_102_444_800_123;

/// Text or hash of each key, as text, with its deadline.
type Found = BTreeMap<(u32, String), (Vec<(String, String)>, Option<u64>)>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the golden files hold plain text")
}

fn plain(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::String(bytes) => vec![(text(bytes), String::new())],
        Value::Integer(number) => vec![(number.to_string(), String::new())],
        Value::Hash(pairs) => pairs.iter().map(|(field, value)| (text(field), text(value))).collect(),
        Value::HashListpack(blob) => {
            let mut texts = Vec::new();
            for element in Listpack::new(blob).unwrap() {
                let mut bytes = Vec::new();
                element.unwrap().write_to(&mut bytes);
                texts.push(text(&bytes));
            }
            texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        }
        other => panic!("the golden files hold strings and hashes alone: {other:?}"),
    }
}

/// Version, writer and keys of a file that is read in pieces of `piece` bytes.
fn read(file: &[u8], piece: usize) -> Result<(u32, String, Found), RdbError> {
    let (mut version, mut writer, mut found) = (0, String::new(), Found::new());
    let mut decoder = Decoder::new();
    for piece in file.chunks(piece) {
        decoder.push(piece);
        while let Some(item) = decoder.next_item()? {
            match item {
                Item::Header { version: read } => version = read,
                Item::Aux { key, value } if key.ends_with(b"-ver") => {
                    writer = text(&key) + " " + &text(&value)
                }
                Item::Key { db, key, value, deadline_ms, .. } => {
                    let mut value = plain(&value);
                    value.sort();
                    found.insert((db, text(&key)), (value, deadline_ms));
                }
                Item::Aux { .. } | Item::SelectDb(_) | Item::ResizeDb { .. } | Item::Eof { .. } => {}
                Item::Function(_) | Item::ModuleData { .. } | Item::SlotImport { .. } => {}
                Item::Empty { .. } => panic!("nothing in the golden files is empty"),
            }
        }
    }
    decoder.finish()?;
    Ok((version, writer, found))
}

fn expected() -> Found {
    let mut keys = Found::new();
    let mut add = |db, key: &str, mut value: Vec<(String, String)>, deadline| {
        value.sort();
        keys.insert((db, key.to_owned()), (value, deadline));
    };
    let string = |text: &str| vec![(text.to_owned(), String::new())];
    let long: String = (0..500_u32).map(|index| char::from(33 + (index * index % 90) as u8)).collect();
    let packed_key = "packed:".to_owned() + &"k".repeat(60);
    let packed = "ab".repeat(200);
    for (key, value) in [
        ("int8", "12"),
        ("int8min", "-128"),
        ("int16", "300"),
        ("int16min", "-32768"),
        ("int32", "70000"),
        ("int32min", "-2147483648"),
        ("int64", "123456789012"),
        ("raw", "hello"),
        ("empty", ""),
        ("packed", &packed),
        ("42", "answer"),
        (&packed_key, "x"),
        ("long", &long),
    ] {
        add(0, key, string(value), None);
    }
    add(0, "deadline", string("soon"), Some(DEADLINE_MS));
    let pairs = |of: &[(&str, &str)]| of.iter().map(|(f, v)| ((*f).to_owned(), (*v).to_owned())).collect();
    add(0, "small", pairs(&[("a", "1"), ("b", "two"), ("c", "-70000"), ("d", "12345678901")]), None);
    add(0, "big", (0..600).map(|index| (format!("field:{index}"), format!("value:{index}"))).collect(), None);
    add(0, "wide", pairs(&[("text", &"w".repeat(100))]), None);
    add(5, "other", string("five"), Some(DEADLINE_MS));
    keys
}

#[track_caller]
fn check(file: &[u8], version: u32, writer: &str) {
    for piece in [1, 7, 64, usize::MAX] {
        let (found_version, found_writer, found) = read(file, piece).expect("the file is sound");
        assert_eq!((found_version, found_writer.as_str()), (version, writer));
        let expected = expected();
        assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
        for (key, value) in &expected {
            assert!(found[key] == *value, "{key:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_file_of_redis_7_0_is_read() {
    check(include_bytes!("../golden/redis-7.0.15.rdb"), 10, "redis-ver 7.0.15");
}

#[test]
fn a_file_of_valkey_9_1_is_read() {
    check(include_bytes!("../golden/valkey-9.1.rdb"), 80, "valkey-ver 9.1.2");
}
