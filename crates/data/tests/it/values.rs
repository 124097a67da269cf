//! Layouts and their names.

use data::{Collection, Encoding, Entry, Growth, Hash, HashKey, HashLimits, Keyspace, OccupiedEntry};

/// The entry of `key`, made with `value` if it is not there.
fn entry<'a>(space: &'a mut Keyspace, key: &'a [u8], value: &[u8]) -> OccupiedEntry<'a> {
    let hash = space.hash(key);
    match space.entry(0, key, hash) {
        Entry::Vacant(entry) => entry.insert_string(value, None),
        Entry::Occupied(entry) => entry,
    }
}

#[test]
fn encodings_have_the_original_s_names() {
    let mut space = Keyspace::new([1, 2], 1, false);
    let mut check = |value: &[u8], encoding: &str| {
        assert_eq!(entry(&mut space, value, value).as_ref().encoding().name(), encoding);
    };
    check(b"12", "int");
    check(b"-9223372036854775808", "int");
    check(b"9223372036854775808", "embstr");
    check(b"012", "embstr");
    check(b"", "embstr");
    check(&[b'x'; 44], "embstr");
    check(&[b'x'; 45], "raw");
    check(&[b'x'; 4_000], "raw");
}

#[test]
fn a_string_that_was_appended_to_is_raw_until_set() {
    let mut space = Keyspace::new([1, 2], 1, false);
    let mut entry = entry(&mut space, b"key", b"10");
    assert_eq!(entry.append(b"1"), 3);
    assert_eq!(entry.as_ref().encoding(), Encoding::Raw);
    assert_eq!(entry.as_ref().string().unwrap().integer(), Some(101));
    entry.store(b"short", None);
    assert_eq!(entry.as_ref().encoding(), Encoding::Embstr);
    assert_eq!(entry.append(&[b'y'; 2_000]), 2_005);
    assert_eq!(entry.set_range(3_000, b"z"), 3_001);
}

#[test]
fn a_key_of_16_bytes_and_a_value_of_64_take_96() {
    let mut space = Keyspace::new([1, 2], 1, false);
    assert_eq!(entry(&mut space, b"key:000000000001", &[b'x'; 64]).as_ref().memory_bytes(), 96 + 8);
}

#[test]
fn a_hash_changes_its_layout_at_the_limits() {
    let mut hash = Hash::new();
    let limits = Growth { key: HashKey([1, 2]), limits: HashLimits { entries: 2, value_bytes: 4 } };
    assert!(hash.set(b"a", b"1", limits));
    assert!(hash.set(b"b", b"2", limits));
    assert!(!hash.set(b"b", b"three", limits));
    assert_eq!(hash.encoding(), Encoding::Hashtable);
    let mut hash = Hash::new();
    for field in [b"a", b"b", b"c"] {
        hash.set(field, b"1", limits);
    }
    assert_eq!((hash.encoding(), hash.len()), (Encoding::Hashtable, 3));
}

#[test]
fn a_listpack_of_a_dump_is_checked() {
    let mut hash = Hash::new();
    hash.set(b"a", b"1", Growth { key: HashKey([1, 2]), limits: HashLimits::default() });
    let bytes = hash.listpack_bytes().unwrap().to_vec();
    let load = |bytes: Vec<u8>, entries| {
        Hash::from_listpack(HashKey([1, 2]), bytes, HashLimits { entries, value_bytes: 64 })
    };
    assert_eq!(load(bytes.clone(), 1).unwrap().encoding(), Encoding::Listpack);
    assert_eq!(load(bytes.clone(), 0).unwrap().encoding(), Encoding::Hashtable);
    assert!(load(bytes[..5].to_vec(), 1).is_err());
    let mut list = data::listpack::Listpack::from_bytes(bytes).unwrap();
    list.push(b"a");
    assert!(load(list.as_bytes().to_vec(), 9).is_err());
    list.push(b"2");
    assert!(load(list.as_bytes().to_vec(), 9).is_err());
}

#[test]
fn what_leaves_the_keyspace_may_be_dropped_by_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Keyspace>();
    is_send::<data::Detached>();
    is_send::<data::Value>();
}
