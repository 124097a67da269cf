use super::*;
use alloc::vec;

/// A ping with two gossip entries and a host name, caught between two Redis 7.0.15 nodes.
const PING: &[u8] = include_bytes!("golden/ping_redis_7_0.bin");
/// A pong with a host name, a name, a zone, two addresses for clients and a shard, caught from Valkey 9.1.
const PING_VALKEY: &[u8] = include_bytes!("golden/ping_valkey_9_1.bin");
/// `PUBLISH chan hello`, caught between two Redis 7.0.15 nodes.
const PUBLISH: &[u8] = include_bytes!("golden/publish_redis_7_0.bin");

fn header() -> Header {
    Header {
        port: 7001,
        plain_port: 0,
        bus_port: 17001,
        current_epoch: 5,
        config_epoch: 3,
        offset: 99,
        sender: Id::random(&mut base::Random::new(1)),
        slots: (0..100).collect(),
        primary: Some(Id::random(&mut base::Random::new(2))),
        ip: String::from("127.0.0.1"),
        flags: Flags::REPLICA,
        is_ok: true,
        message_flags: FORCE_ACK,
        note: Some(Note { data_offset: 77, is_on_probation: true, is_handing_over: false }),
    }
}

/// Writes a frame and reads it back.
fn round(body: Body<'_>) {
    let mut header = header();
    let mut bytes = vec![];
    Frame { header: header.clone(), body: body.clone() }.encode(&mut bytes);
    if matches!(body, Body::Gossip { .. }) {
        header.message_flags |= HAS_EXTENSIONS;
    }
    assert_eq!(Frame::decode(&bytes), Ok(Frame { header, body }));
    // No part of a frame is a frame, and nothing in it can make the reader panic.
    for len in (0..bytes.len()).step_by(7) {
        assert!(Frame::decode(&bytes[..len]).is_err());
    }
    for at in (0..bytes.len()).filter(|at| !(80..2128).contains(at)) {
        let mut bad = bytes.clone();
        bad[at] ^= 0xff;
        let _ = Frame::decode(&bad);
    }
}

#[test]
fn every_kind_reads_back() {
    let id = Id::random(&mut base::Random::new(3));
    let entry = Gossip {
        id,
        ping_sent: 1,
        pong_received: 2,
        ip: String::from("::1"),
        port: 1,
        bus_port: 2,
        flags: Flags::PRIMARY.with(Flags::PFAIL),
        plain_port: 3,
    };
    let extensions = Extensions {
        hostname: Some(String::from("host.example")),
        human_name: Some(String::from("first")),
        zone: Some(String::from("zone-1")),
        forgotten: vec![(id, 60)],
        shard: Some(id),
        ..Extensions::default()
    };
    for kind in [Kind::Ping, Kind::Pong, Kind::Meet] {
        round(Body::Gossip { kind, entries: vec![], extensions: Extensions::default() });
        round(Body::Gossip {
            kind,
            entries: vec![entry.clone(), entry.clone()],
            extensions: extensions.clone(),
        });
    }
    round(Body::Fail(id));
    round(Body::Publish { is_sharded: false, channel: b"c", message: b"hello" });
    round(Body::Publish { is_sharded: true, channel: b"", message: b"" });
    round(Body::AuthRequest);
    round(Body::AuthAck);
    round(Body::ManualStart);
    round(Body::Update(Update { config_epoch: 9, id, slots: [1, 5, 16_383].into_iter().collect() }));
    round(Body::Module(Module { module: 4, kind: 2, payload: b"abc" }));
}

#[test]
fn a_ping_of_redis_7_0_is_understood() {
    let frame = Frame::decode(PING).unwrap();
    assert_eq!((frame.header.port, frame.header.bus_port, frame.header.note), (27411, 42411, None));
    assert_eq!(frame.header.flags, Flags::MYSELF.with(Flags::REPLICA));
    let Body::Gossip { kind: Kind::Ping, entries, extensions } = &frame.body else { panic!() };
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].ip, "127.0.0.1");
    assert!(entries.iter().any(|entry| entry.flags == Flags::PRIMARY));
    assert!(entries.iter().any(|entry| entry.port == 27413 && entry.bus_port == 37413));
    assert_eq!(extensions.hostname.as_deref(), Some("host0.example"));
    let mut again = vec![];
    frame.encode(&mut again);
    assert_eq!(again, PING);
}

#[test]
fn a_ping_of_valkey_9_1_is_understood() {
    let frame = Frame::decode(PING_VALKEY).unwrap();
    assert!(frame.header.flags.has(Flags::LIGHT_PUBLISH));
    let Body::Gossip { entries, extensions, .. } = &frame.body else { panic!() };
    assert!(entries.is_empty());
    assert_eq!(extensions.hostname.as_deref(), Some("h.example"));
    assert_eq!(extensions.human_name.as_deref(), Some("bob"));
    assert_eq!(extensions.zone.as_deref(), Some("az-1"));
    assert!(extensions.shard.is_some());
    // The addresses for clients of both families.
    assert_eq!(extensions.unknown, 2);
}

#[test]
fn a_publish_of_redis_7_0_is_written_alike() {
    let frame = Frame::decode(PUBLISH).unwrap();
    assert_eq!(frame.body, Body::Publish { is_sharded: false, channel: b"chan", message: b"hello" });
    assert_eq!(frame.header.flags, Flags::MYSELF.with(Flags::PRIMARY));
    let mut again = vec![];
    frame.encode(&mut again);
    assert_eq!(again, PUBLISH);
}

#[test]
fn ranges_of_slots_are_whole() {
    let set: SlotSet = (0..3).chain([7]).chain(16_380..16_384).collect();
    let ranges: Vec<_> = set.ranges().collect();
    assert_eq!(ranges, [(0, 2), (7, 7), (16_380, 16_383)]);
    assert_eq!(set.count(), 8);
}
