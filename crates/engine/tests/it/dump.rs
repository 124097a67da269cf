//! RESTORE of payloads, good and bad, and what replicas hear of it.

use crate::world::World;
use wire::rdb::encoder::Packing;
use wire::rdb::{Pairs, Value, payload};

/// A payload as a word of a script.
fn word(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn string(text: &[u8]) -> String {
    let mut out = Vec::new();
    payload::write(&mut out, &Value::String(text.to_vec()), Packing::Lzf);
    word(&out)
}

fn hash(pairs: &[(&str, &str)]) -> String {
    let mut held = Pairs::default();
    pairs.iter().for_each(|(field, value)| held.push(field.as_bytes(), value.as_bytes()));
    let mut out = Vec::new();
    payload::write(&mut out, &Value::Hash(held), Packing::Lzf);
    word(&out)
}

#[test]
fn a_payload_becomes_a_key() {
    let mut world = World::new();
    let text = string(b"hello");
    assert_eq!(world.ask(&format!("restore a 0 {text}\n get a\n ttl a")), "+OK $5 hello :-1");
    let pairs = hash(&[("f", "1"), ("g", "two")]);
    assert_eq!(world.ask(&format!("restore h 0 {pairs}\n hget h g\n hlen h")), "+OK $3 two :2");
    assert_eq!(world.ask("object encoding h"), "$8 listpack");
    let again = format!("restore a 0 {}", string(b"12"));
    assert_eq!(world.ask(&again), "-BUSYKEY Target key name already exists.");
    assert_eq!(world.ask(&format!("{again} replace\n incr a")), "+OK :13");
    world.ask(&format!("restore-asking m 0 {text}"));
    let info = world.ask("info stats");
    assert!(info.contains("dump_payload_sanitizations:3 "), "what a node moves here does not count: {info}");
}

#[test]
fn replicas_hear_of_a_time() {
    let mut world = World::new();
    let text = string(b"x");
    world.ask("select 0");
    world.fed();
    world.ask(&format!("restore a 500 {text}"));
    let fed = world.fed();
    assert!(fed.contains("$1 a $13 1700000000500"), "{fed}");
    assert!(fed.ends_with("ABSTTL"), "{fed}");
    assert_eq!(world.ask("pttl a"), ":500");
    world.ask(&format!("restore b 1700000000900 {text} absttl"));
    let fed = world.fed();
    assert!(fed.starts_with("*5 $7 restore $1 b $13 1700000000900"), "{fed}");
    assert_eq!(world.ask("pttl b"), ":900");
}

#[test]
fn a_time_that_is_over_leaves_no_key() {
    let mut world = World::new();
    let text = string(b"x");
    assert_eq!(world.ask(&format!("set a 1\n restore a 1 {text} absttl replace\n exists a")), "+OK +OK :0");
    assert!(world.fed().ends_with("*2 $3 DEL $1 a"));
    assert_eq!(world.ask(&format!("restore a 1 {text} absttl\n exists a")), "+OK :0");
    assert_eq!(world.fed(), "");
}

#[test]
fn a_replica_keeps_what_its_primary_restores() {
    let mut world = World::new();
    world.engine.shared.standing.is_replica = true;
    world.engine.shared.standing.link_up = true;
    world.engine.shared.feed.enabled = false;
    world.apply(&format!("restore a 1 {} ABSTTL", string(b"x"))).unwrap();
    assert_eq!(world.ask("dbsize\n get a"), ":1 $-1");
}

#[test]
fn a_newer_payload_is_passed_on_in_the_version_that_all_take() {
    let mut world = World::new();
    let mut newer = b"\0\x01x".to_vec();
    newer.extend_from_slice(&80_u16.to_le_bytes());
    let sum = base::crc64::crc64(&newer);
    newer.extend_from_slice(&sum.to_le_bytes());
    assert_eq!(world.ask(&format!("restore a 0 {}\n get a", word(&newer))), "+OK $1 x");
    let mut older = Vec::new();
    payload::write(&mut older, &Value::String(b"x".to_vec()), Packing::Lzf);
    let fed = std::mem::take(&mut world.engine.shared.feed.bytes);
    assert!(fed.windows(older.len()).any(|part| part == older), "{fed:?}");
}

#[test]
fn what_is_wrong_is_refused() {
    let mut world = World::new();
    let text = string(b"x");
    let cases = [
        (format!("restore a 0 {text} idletime"), "-ERR syntax error"),
        (format!("restore a 0 {text} idletime -1"), "-ERR Invalid IDLETIME value, must be >= 0"),
        (format!("restore a 0 {text} freq 256"), "-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (format!("restore a 0 {text} freq 1 idletime 1"), "-ERR syntax error"),
        (format!("restore a -1 {text}"), "-ERR Invalid TTL value, must be >= 0"),
        (format!("restore a x {text}"), "-ERR value is not an integer or out of range"),
        ("restore a 0 abc".into(), "-ERR DUMP payload version or checksum are wrong"),
        (format!("restore a 0 {}", hash(&[])), "-ERR Bad data format"),
        (format!("restore a 0 {}", hash(&[("f", "1"), ("f", "2")])), "-ERR Bad data format"),
    ];
    for (request, expected) in cases {
        assert_eq!(world.ask(&request), expected, "{request}");
    }
    assert_eq!(world.fed(), "");
    assert_eq!(world.ask("exists a"), ":0");
}

#[test]
fn a_restored_key_may_have_been_idle() {
    let mut world = World::new();
    let text = string(b"x");
    assert_eq!(world.ask(&format!("restore a 0 {text} idletime 1000\n object idletime a")), "+OK :1000");
}
