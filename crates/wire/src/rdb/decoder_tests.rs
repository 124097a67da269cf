use super::super::encoder::{self, Packing};
use super::*;
use crate::listpack::tests::build as listpack;
use crate::ziplist::tests::build as ziplist;
use crate::zipmap::tests::build as zipmap;
use alloc::string::ToString;
use alloc::vec;
use base::Random;

/// Reads `file` in pieces whose lengths `split` gives.
fn read_in(file: &[u8], mut split: impl FnMut() -> usize) -> Result<Vec<Item>, RdbError> {
    let mut decoder = Decoder::new();
    let mut items = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(split().clamp(1, rest.len()));
        rest = tail;
        decoder.push(piece);
        while let Some(item) = decoder.next_item()? {
            items.push(item);
        }
    }
    decoder.finish().map(|()| items)
}

fn read(file: &[u8]) -> Result<Vec<Item>, RdbError> {
    read_in(file, || usize::MAX)
}

/// A file of version `version` with `body` between header and end, without a checksum.
fn file(version: u32, body: &[u8]) -> Vec<u8> {
    let digits = [1_000, 100, 10, 1].map(|unit| b'0' + (version / unit % 10) as u8);
    let end: &[u8] = if version < 5 { &[255] } else { &[255, 0, 0, 0, 0, 0, 0, 0, 0] };
    [b"REDIS", &digits[..], body, end].concat()
}

/// The one key of a file with `body`.
#[track_caller]
fn value_of(body: &[u8]) -> Value {
    match &read(&file(11, body)).expect("the file is sound")[1] {
        Item::Key { value, .. } => value.clone(),
        other => panic!("{other:?}"),
    }
}

fn key(name: &[u8], value: Value) -> Item {
    Item::Key { db: 0, key: name.to_vec(), value, deadline_ms: None, idle: None, freq: None }
}

fn pairs(of: &[(&[u8], &[u8])]) -> Value {
    let mut pairs = Pairs::default();
    of.iter().for_each(|(field, value)| pairs.push(field, value));
    Value::Hash(pairs)
}

/// A string with a header of one byte.
fn short(text: &[u8]) -> Vec<u8> {
    assert!(text.len() < 64);
    [&[text.len() as u8], text].concat()
}

/// A string with a header of five bytes.
fn long(text: &[u8]) -> Vec<u8> {
    [&[0x80], &(text.len() as u32).to_be_bytes()[..], text].concat()
}

#[test]
fn old_flat_hashes_are_read() {
    let fields: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"two")];
    let blob = zipmap(&fields, 2);
    assert_eq!(value_of(&[&[9], &short(b"k")[..], &long(&blob)].concat()), pairs(&fields));
    let elements = [b"a", &b"1"[..], b"b", b"two"].map(|text| Element::Bytes(text).canonical());
    let blob = ziplist(&elements);
    assert_eq!(value_of(&[&[13], &short(b"k")[..], &long(&blob)].concat()), pairs(&fields));
    let blob = listpack(&elements);
    assert_eq!(value_of(&[&[16], &short(b"k")[..], &long(&blob)].concat()), Value::HashListpack(blob));
}

#[test]
fn deadlines_of_both_units_and_use_marks_belong_to_the_next_key() {
    let mut body = vec![253, 10, 0, 0, 0, 248, 0x40, 200, 249, 7, 0, 1, b'a', 0xc0, 5];
    body.extend([252, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, b'b', 1, b'x']);
    body.extend([252, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, b'c', 1, b'x']);
    let items = read(&file(11, &body)).unwrap();
    let first = Item::Key {
        db: 0,
        key: b"a".to_vec(),
        value: Value::Integer(5),
        deadline_ms: Some(10_000),
        idle: Some(200),
        freq: Some(7),
    };
    assert_eq!(items[1], first);
    assert_eq!(items[2], key(b"b", Value::String(b"x".to_vec())));
    assert!(matches!(items[3], Item::Key { deadline_ms: Some(0), .. }));
}

#[test]
fn versions_are_bounded() {
    for version in 1..=12 {
        assert_eq!(read(&file(version, b"")).unwrap()[0], Item::Header { version });
    }
    assert_eq!(read(&file(13, b"")), Err(RdbError::Version { version: 13, valkey: false }));
    assert_eq!(read(&file(0, b"")), Err(RdbError::Version { version: 0, valkey: false }));
    assert!(matches!(read(b"REDIX0010"), Err(RdbError::BadMagic { .. })));
    assert!(matches!(read(b"REDIS00-1"), Err(RdbError::BadMagic { .. })));
    assert!(read(b"VALKEY080\xff\0\0\0\0\0\0\0\0").is_ok());
    assert_eq!(read(b"VALKEY081"), Err(RdbError::Version { version: 81, valkey: true }));
}

#[test]
fn what_can_not_be_held_is_named_and_placed() {
    let module = [&[7], &short(b"filter")[..], &[1, 2]].concat();
    let error = read(&file(10, &module)).unwrap_err();
    assert_eq!(error, RdbError::UnknownType { byte: 7, name: "module", key: b"filter".to_vec(), at: 9 });
    assert!(error.to_string().starts_with("key \"filter\" at byte 9 is of type 7, module"));

    assert_eq!(read(&file(10, &[99])), Err(RdbError::UnknownOpcode { byte: 99, at: 9 }));
    assert!(matches!(read(&file(10, &[246])), Err(RdbError::Function { at: 9, .. })));
}

#[test]
fn libraries_of_functions_are_kept() {
    let library = [&[245], &short(b"#!lua name=lib\nredis.x()")[..]].concat();
    assert_eq!(read(&file(10, &library)).unwrap()[1], Item::Function(b"#!lua name=lib\nredis.x()".to_vec()));
    assert_eq!(read(&file(10, &[245, 0])).unwrap().len(), 2);
    let mut written = Vec::new();
    encoder::function(&mut written, b"#!lua name=lib\nredis.x()");
    assert_eq!(read(&file(10, &written)), read(&file(10, &library)));
}

#[test]
fn data_of_modules_and_imports_are_walked_over() {
    // The id of a module "ReJSON-RL" of version 3.
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = |letter| letters.iter().position(|other| *other == letter).unwrap() as u64;
    let id = b"ReJSON-RL".iter().fold(0, |id, letter| id << 6 | place(*letter)) << 10 | 3;
    let head = [&[247, 0x81], &id.to_be_bytes()[..], &[2, 1]].concat();
    let parts = [&[1, 5, 2, 0x40, 7, 3, 1, 2, 3, 4, 4][..], &[0; 8], &[5], &short(b"text")].concat();
    let whole = [&head[..], &parts, &[0, 0], &short(b"k"), &short(b"v")].concat();
    let items = read(&file(10, &whole)).unwrap();
    assert_eq!(items[1], Item::ModuleData { module: "ReJSON-RL".to_string() });
    assert!(matches!(&items[2], Item::Key { key, .. } if key == b"k"));
    let wrong = [&head[..], &[6]].concat();
    let name = "ReJSON-RL".to_string();
    assert_eq!(read(&file(10, &wrong)), Err(RdbError::Module { name, at: 9 + head.len() as u64 }));

    let import = [&[243], &short(b"job")[..], &[2, 1, 5, 9, 9]].concat();
    let ranges = vec![(1, 5), (9, 9)];
    assert_eq!(read(&file(11, &import)).unwrap()[1], Item::SlotImport { name: b"job".to_vec(), ranges });
    // A number that a file claims costs nothing.
    let import = [&[243], &short(b"job")[..], &[0x81], &[255; 8], &[1, 2]].concat();
    let mut decoder = Decoder::new();
    decoder.push(&[b"REDIS0011", &import[..]].concat());
    while let Ok(Some(_)) = decoder.next_item() {}
    assert!(decoder.finish().is_err() && decoder.memory_bytes() < 4_096);
}

#[test]
fn deadlines_of_fields_are_read_in_the_forms_of_redis() {
    let lowest = 1_700_000_000_000_u64;
    let far = [&[0x80], &5_000_u32.to_be_bytes()[..]].concat();
    let body = [
        &[24][..],
        &short(b"h"),
        &lowest.to_le_bytes(),
        &[3],
        &[0],
        &short(b"a"),
        &short(b"1"),
        &[1],
        &short(b"b"),
        &short(b"2"),
        &far,
        &short(b"c"),
        &short(b"3"),
    ]
    .concat();
    let items = read(&file(12, &body)).unwrap();
    let Item::Key { value: Value::Hash(pairs), .. } = &items[1] else { panic!("{items:?}") };
    assert_eq!(pairs.deadlines(), [None, Some(lowest), Some(lowest + 4_999)]);
    let fields: Vec<(&[u8], &[u8])> = pairs.iter().collect();
    assert_eq!(fields, [(&b"a"[..], &b"1"[..]), (b"b", b"2"), (b"c", b"3")]);

    let text = |text: &'static str| Element::Bytes(text.as_bytes());
    let deadline = Element::Integer(lowest as i64);
    let flat = listpack(&[text("b"), text("2"), deadline, text("a"), text("1"), Element::Integer(0)]);
    let body = [&[25][..], &short(b"h"), &lowest.to_le_bytes(), &short(&flat)].concat();
    let items = read(&file(12, &body)).unwrap();
    let Item::Key { value: Value::Hash(pairs), .. } = &items[1] else { panic!("{items:?}") };
    assert_eq!(pairs.deadlines(), [Some(lowest), None]);
}

#[test]
fn data_may_be_dropped_only_after_the_preamble() {
    let passed = |body: &[u8]| {
        let mut decoder = Decoder::new();
        decoder.push(b"REDIS0010");
        decoder.push(body);
        while let Ok(Some(_)) = decoder.next_item() {}
        decoder.has_passed_preamble()
    };
    let aux = [&[250], &short(b"redis-ver")[..], &short(b"7.0.15")].concat();
    assert!(!passed(b""));
    assert!(!passed(&aux));
    assert!(!passed(&[&aux[..], &[7, 1, b'f']].concat()));
    assert!(!passed(&[&aux[..], &[245, 1, b'f']].concat()));
    assert!(!passed(&[&aux[..], &[99]].concat()));
    assert!(!passed(&[&aux[..], &[254]].concat()));
    assert!(passed(&[&aux[..], &[254, 0]].concat()));
    assert!(passed(&[&aux[..], &[255]].concat()));
    assert!(passed(&[&aux[..], &[0]].concat()));
}

#[test]
fn hashes_without_fields_are_items_of_their_own() {
    let empty = Item::Empty { db: 0, key: b"h".to_vec() };
    assert_eq!(read(&file(10, &[4, 1, b'h', 0])).unwrap()[1], empty);
    let blob = [&[16, 1, b'h'], &short(&listpack(&[]))[..]].concat();
    assert_eq!(read(&file(10, &blob)).unwrap()[1], empty);
    // The deadline of what is left out must not fall on the next key.
    let body = [253, 9, 0, 0, 0, 4, 1, b'h', 0, 0, 1, b'k', 1, b'v'];
    assert_eq!(read(&file(10, &body)).unwrap()[2], key(b"k", Value::String(b"v".to_vec())));
}

#[test]
fn damaged_hashes_are_errors_with_their_key() {
    let odd = listpack(&[Element::Integer(1)]);
    let twice =
        listpack(&[Element::Integer(1), Element::Integer(2), Element::Bytes(b"1"), Element::Integer(3)]);
    for blob in [&odd, &twice, &odd[..5].to_vec()] {
        let body = [&[16, 1, b'h'], &short(blob)[..]].concat();
        let error = read(&file(10, &body)).unwrap_err();
        assert!(matches!(&error, RdbError::BadFlat { key, at: 12, .. } if key == b"h"), "{error:?}");
    }
}

#[test]
fn damaged_pieces_are_errors_with_their_place() {
    assert_eq!(read(&file(10, &[0, 0xc7])), Err(RdbError::BadStringEncoding { byte: 0xc7, at: 10 }));
    assert_eq!(read(&file(10, &[0, 0x99])), Err(RdbError::BadLength { byte: 0x99, at: 10 }));
    assert_eq!(read(&file(10, &[254, 0xc1])), Err(RdbError::BadLength { byte: 0xc1, at: 10 }));
    let database = [254, 0x80, 0x80, 0, 0, 0];
    assert_eq!(read(&file(10, &database)), Err(RdbError::BadDatabase { number: 1 << 31, at: 10 }));
    let packed = [0, 0xc3, 2, 5, 0xff, 0xff];
    assert!(matches!(read(&file(10, &packed)), Err(RdbError::BadLzf { at: 10, .. })));
    assert_eq!(read(b"REDIS0010\xfe"), Err(RdbError::Truncated { at: 10 }));
}

#[test]
fn strings_beyond_what_can_be_held_are_refused_by_their_headers() {
    for header in [&b"\x81\0\0\0\x01\0\0\0\0"[..], b"\xc3\x05\x81\0\0\0\x01\0\0\0\0"] {
        let body = [b"\x00\x01k", header, b"hello"].concat();
        assert_eq!(read(&file(11, &body)), Err(RdbError::TooLong { len: 1 << 32, at: 12 }));
    }
}

#[test]
fn an_error_is_final() {
    let mut decoder = Decoder::new();
    decoder.push(b"nonsense!");
    let error = decoder.next_item();
    decoder.push(b"REDIS0010");
    assert!(error.is_err());
    assert_eq!(decoder.next_item(), error);
    assert_eq!(decoder.finish(), Err(error.unwrap_err()));
}

#[test]
fn a_claimed_length_allocates_nothing() {
    for header in [&[0, 0x80, 0xff, 0xef, 0xff, 0xff][..], &[4, 1, b'h', 0x80, 255, 255, 255, 255]] {
        let mut decoder = Decoder::new();
        decoder.push(b"REDIS0010");
        decoder.push(header);
        decoder.push(b"\x05abcde");
        while let Some(item) = decoder.next_item().unwrap() {
            assert_eq!(item, Item::Header { version: 10 });
        }
        assert!(decoder.memory_bytes() < 1_024);
    }
}

#[test]
fn a_long_value_leaves_the_window_as_it_arrives() {
    let value = vec![b'x'; 1 << 20];
    let body = file(10, &[&[0, 1, b'k'][..], &long(&value)].concat());
    let mut decoder = Decoder::new();
    let mut found = false;
    for piece in body.chunks(1_000) {
        decoder.push(piece);
        while let Some(item) = decoder.next_item().unwrap() {
            found |= item == key(b"k", Value::String(value.clone()));
        }
        assert!(decoder.rest().len() < 64);
    }
    assert!(found && decoder.has_ended());
}

#[test]
fn bytes_behind_the_end_are_left_alone() {
    let mut decoder = Decoder::new();
    decoder.push(&[&file(10, b"")[..], b"mark"].concat());
    while decoder.next_item().unwrap().is_some() {}
    assert_eq!((decoder.rest(), decoder.at()), (&b"mark"[..], 18));
    decoder.push(b"s");
    assert_eq!(decoder.next_item(), Ok(None));
    assert_eq!((decoder.rest(), decoder.finish()), (&b"marks"[..], Ok(())));
}

/// Any text: empty, a number, easy to pack, or noise.
fn random_text(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => Vec::new(),
        1 => {
            let bits = random.below(64);
            (random.word() as i64 >> bits).to_string().into_bytes()
        }
        2 => vec![b'a' + random.below(26) as u8; random.below(300) as usize],
        3 => b"0123456789abcdef".repeat(random.below(9) as usize),
        _ => {
            let mut text = vec![0; random.below(200) as usize];
            random.fill(&mut text);
            text
        }
    }
}

/// A file of random keys, and the items that it must give.
fn random_file(random: &mut Random) -> (Vec<u8>, Vec<Item>) {
    let packing = if random.chance(1, 2) { Packing::Lzf } else { Packing::Plain };
    let (mut out, mut items) = (Vec::new(), vec![Item::Header { version: 10 }]);
    encoder::header(&mut out);
    let (name, note) = (random_text(random), random_text(random));
    encoder::aux(&mut out, &name, &note);
    items.push(Item::Aux { key: name, value: note });
    let mut db = 0;
    for _ in 0..random.below(12) {
        if random.chance(1, 4) {
            db = random.below(1 << 31) as u32;
            encoder::select_db(&mut out, db);
            encoder::resize_db(&mut out, u64::from(db), 1 << 40);
            items.extend([Item::SelectDb(db), Item::ResizeDb { keys: u64::from(db), expires: 1 << 40 }]);
        }
        let deadline_ms = random.chance(1, 3).then(|| random.below(1 << 50));
        if let Some(deadline_ms) = deadline_ms {
            encoder::deadline(&mut out, deadline_ms);
        }
        let key = random_text(random);
        let value = random_value(random, &key, packing, &mut out);
        items.push(Item::Key { db, key, value, deadline_ms, idle: None, freq: None });
    }
    encoder::end(&mut out, Some(Crc64::new()));
    let (body, tail) = out.split_at(out.len() - 8);
    let stored = u64::from_le_bytes(tail.try_into().unwrap());
    assert_eq!(stored, base::crc64::crc64(body));
    items.push(Item::Eof { stored, computed: stored });
    (out, items)
}

fn random_value(random: &mut Random, key: &[u8], packing: Packing, out: &mut Vec<u8>) -> Value {
    match random.below(6) {
        0 => {
            let number = random.word() as i64 >> random.below(64);
            encoder::entry(out, key, &Value::Integer(number), packing);
            match i32::try_from(number) {
                Ok(_) => Value::Integer(number),
                Err(_) => Value::String(number.to_string().into_bytes()),
            }
        }
        1 => {
            let text = random_text(random);
            encoder::entry(out, key, &Value::String(text.clone()), packing);
            match crate::listpack::canonical_integer(&text) {
                Some(number) if i32::try_from(number).is_ok() => Value::Integer(number),
                _ => Value::String(text),
            }
        }
        2 => {
            let texts: Vec<Vec<u8>> = (0..random.between(1, 9)).map(|_| random_text(random)).collect();
            let fields = (0_i64..).map(Element::Integer);
            let elements = fields.zip(&texts).flat_map(|(field, text)| [field, Element::Bytes(text)]);
            let blob = listpack(&elements.collect::<Vec<_>>());
            let value = Value::HashListpack(blob);
            encoder::entry(out, key, &value, packing);
            value
        }
        3 => {
            let mut members = Texts::default();
            (0..random.between(1, 80)).for_each(|_| members.push(&random_text(random)));
            let value = Value::Set(members);
            encoder::entry(out, key, &value, packing);
            value
        }
        4 => {
            let count = random.between(1, 40) as u32;
            let mut blob = [4u32.to_le_bytes(), count.to_le_bytes()].concat();
            (0..count).for_each(|index| blob.extend_from_slice(&(index * index).to_le_bytes()));
            let value = Value::SetIntset(blob);
            encoder::entry(out, key, &value, packing);
            value
        }
        _ => {
            let mut pairs = Pairs::default();
            let count = random.between(1, 80);
            for _ in 0..count {
                let (field, value) = (random_text(random), random_text(random));
                pairs.push(&field, &value);
            }
            let value = Value::Hash(pairs);
            encoder::entry(out, key, &value, packing);
            value
        }
    }
}

#[test]
fn what_is_encoded_is_decoded_at_any_split() {
    let mut random = Random::new(11);
    for _ in 0..120 {
        let (file, items) = random_file(&mut random);
        assert_eq!(read(&file).as_ref(), Ok(&items));
        assert_eq!(read_in(&file, || 1).as_ref(), Ok(&items));
        let scale = random.between(2, 400);
        assert_eq!(read_in(&file, || random.below(scale) as usize).as_ref(), Ok(&items));
    }
}

#[test]
fn every_two_pieces_of_a_file_give_its_items() {
    let (file, items) = random_file(&mut Random::new(3));
    for at in 1..file.len() {
        let mut pieces = [at, usize::MAX].into_iter();
        assert_eq!(read_in(&file, || pieces.next().unwrap_or(1)).as_ref(), Ok(&items), "split at {at}");
    }
}

#[test]
fn any_damage_is_seen_or_harmless_and_never_panics() {
    let mut random = Random::new(5);
    for _ in 0..2_000 {
        let (mut file, _) = random_file(&mut random);
        let at = random.below(file.len() as u64 - 8) as usize;
        file[at] ^= 1 << random.below(8);
        // The header's digits are in the checksum too: nothing but an error is right.
        assert!(read(&file).is_err());
        let cut = random.below(file.len() as u64) as usize;
        assert!(read_in(&file[..cut], || 7).is_err());
    }
}

/// A hash whose fields have deadlines, as Valkey 9.1 writes it: an item at any split, the same bytes when written again.
#[test]
fn deadlines_of_fields() {
    let mut body = vec![22, 1, b'h', 2, 1, b'a', 0xc0, 1];
    body.extend_from_slice(&2_000_000_000_000_u64.to_le_bytes());
    body.extend_from_slice(&[1, b'b', 3, b'x', b'y', b'z']);
    body.extend_from_slice(&[0xff; 8]);
    let bytes = file(11, &body);
    let items = read(&bytes).unwrap();
    let Item::Key { value: Value::Hash(pairs), .. } = &items[1] else { panic!("{items:?}") };
    assert_eq!(pairs.deadlines(), [Some(2_000_000_000_000), None]);
    let mut out = Vec::new();
    encoder::entry(&mut out, b"h", &Value::Hash(pairs.clone()), Packing::Lzf);
    assert_eq!(out, body);
    for cut in 0..bytes.len() {
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            decoder.push(part);
            while let Some(item) = decoder.next_item().unwrap() {
                found.push(item);
            }
        }
        assert_eq!(found, items, "{cut}");
    }
}
