//! A replica in front of a primary that says what the test says.

use crate::world::{Node, address};
use base::{Now, Span, Time, Unix};
use journal::Settings;
use machine::{ConnId, Output, Peer};
use std::collections::BTreeMap;
use wire::rdb::encoder;
use wire::{Batch, Framer};

const MARK: &str = "0123456789012345678901234567890123456789";
const REPLID: &str = "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd";

struct Script {
    node: Node,
    now: Now,
    conn: Option<(ConnId, Framer)>,
    said: Vec<u8>,
}

impl Script {
    /// A node with one key that follows, before its first turn.
    fn new() -> Script {
        let now = Now { mono: Time(1_000_000), unix: Unix::from_ms(1_700_000_000_000) };
        let settings = Settings { primary_password: b"secret".to_vec(), ..Settings::default() };
        let mut node = Node::new(&settings, 1, now, BTreeMap::new());
        node.write(0, b"own", Some(b"1"));
        node.call(now, |journal, turn| journal.follow(address(3), turn));
        let mut script = Script { node, now, conn: None, said: Vec::new() };
        script.pass(Span::ms(1));
        script
    }

    fn pass(&mut self, span: Span) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            self.now.mono += Span::ms(100);
            self.node.call(self.now, |journal, turn| journal.tick(turn));
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.node.call(self.now, |journal, turn| journal.seal(turn));
        for output in self.node.take_outputs() {
            match output {
                Output::Connect { conn, mode, .. } => {
                    self.conn = Some((conn, Framer::new(mode)));
                    self.said.clear();
                    let peer = Peer { remote: address(1), local: address(2) };
                    self.node.call(self.now, |journal, turn| journal.on_connected(conn, Ok(peer), turn));
                    self.seal();
                }
                Output::Send { conn, bytes, .. }
                    if self.conn.as_ref().is_some_and(|(own, _)| *own == conn) =>
                {
                    self.said.extend_from_slice(bytes.as_slice());
                }
                Output::Close { conn, .. } => {
                    self.conn = None;
                    self.node.call(self.now, |journal, turn| journal.on_closed(conn, turn));
                }
                Output::Frame { mode, .. } => {
                    if let Some((conn, framer)) = &mut self.conn {
                        framer.set_mode(mode);
                        let (conn, mut batch) = (*conn, Batch::default());
                        drop(framer.resume(&mut batch));
                        self.give(conn, batch);
                    }
                }
                Output::Log { text, .. } => self.node.log.push(text),
                Output::Disk(work) => self.node.work(work, false),
                _ => {}
            }
        }
        if self.node.answer(self.now) {
            self.seal();
        }
    }

    fn give(&mut self, conn: ConnId, batch: Batch) {
        if !batch.is_empty() || *batch.ending() != wire::Ending::Open {
            self.node.call(self.now, |journal, turn| journal.on_batch(conn, batch, turn));
            self.seal();
        }
    }

    /// The primary sends these bytes.
    fn hears(&mut self, bytes: &[u8]) {
        let (conn, framer) = self.conn.as_mut().expect("a connection");
        let mut buffer = framer.lend(bytes.len(), Vec::new);
        buffer.extend_from_slice(bytes);
        let (conn, mut batch) = (*conn, Batch::default());
        drop(framer.feed(buffer, &mut batch));
        self.give(conn, batch);
    }

    /// What the replica said since the last call, with spaces for line ends.
    fn said(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.said)).unwrap().replace("\r\n", " ")
    }

    /// Through the handshake, up to the announced payload.
    fn reach_payload(&mut self) {
        self.hears(b"+PONG\r\n");
        self.hears(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        self.hears(format!("\n+FULLRESYNC {REPLID} 7\r\n").as_bytes());
        self.hears(format!("\n\n$EOF:{MARK}\r\n").as_bytes());
        self.said.clear();
    }

    fn has_own_data(&self) -> bool {
        self.node.contents().contains_key(&(0, b"own".to_vec()))
    }
}

fn snapshot(keys: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder::header(&mut bytes);
    encoder::aux(&mut bytes, b"redis-ver", b"7.0.15");
    encoder::select_db(&mut bytes, 0);
    for key in keys {
        let value = wire::rdb::Value::String(b"value".to_vec());
        encoder::entry(&mut bytes, key.as_bytes(), &value, encoder::Packing::Plain);
    }
    encoder::end(&mut bytes, Some(base::crc64::Crc64::default()));
    bytes
}

#[test]
fn the_handshake_is_that_of_the_originals() {
    let mut script = Script::new();
    assert_eq!(script.said(), "*1 $4 PING ");
    script.hears(b"-NOAUTH Authentication required.\r\n");
    assert_eq!(
        script.said(),
        "*2 $4 AUTH $6 secret *3 $8 REPLCONF $14 listening-port $4 6379 \
         *5 $8 REPLCONF $4 capa $3 eof $4 capa $6 psync2 *3 $8 REPLCONF $7 version $5 9.0.0 "
    );
    script.hears(b"+OK\r\n-ERR what?\r\n+OK\r\n-ERR Unrecognized REPLCONF option: version\r\n");
    assert!(script.said().starts_with("*3 $5 PSYNC $40 "));
    script.hears(format!("+FULLRESYNC {REPLID} 7\r\n$EOF:{MARK}\r\n").as_bytes());
    script.hears(&[snapshot(&["a", "b"]), MARK.as_bytes().to_vec()].concat());
    script.pass(Span::ms(300));
    assert!(script.node.link_up);
    assert_eq!(script.said(), "*3 $8 REPLCONF $3 ACK $1 7 ");
    assert_eq!((script.node.contents().len(), script.has_own_data()), (2, false));
    script.hears(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
    assert_eq!(script.said(), "*3 $8 REPLCONF $3 ACK $2 44 ");
}

#[test]
fn a_primary_whose_saves_fail_is_followed_all_the_same() {
    let mut script = Script::new();
    script.hears(b"-MISCONF Redis is configured to save RDB snapshots, but...\r\n");
    assert!(script.conn.is_some() && script.said().contains("AUTH"));
}

#[test]
fn a_wrong_password_ends_the_attempt() {
    let mut script = Script::new();
    script.hears(b"-NOAUTH Authentication required.\r\n");
    script.hears(b"-WRONGPASS invalid\r\n");
    assert!(script.conn.is_none());
    assert!(script.node.has_logged("Unable to AUTH to MASTER: WRONGPASS"));
    script.pass(Span::seconds(2));
    assert_eq!(script.said(), "*1 $4 PING ");
}

#[test]
fn own_data_stays_until_the_primarys_is_understood() {
    let mut bad_version = snapshot(&[]);
    bad_version[5..9].copy_from_slice(b"0099");
    for payload in [b"HELLO WORLD, this is no snapshot".to_vec(), bad_version] {
        let mut script = Script::new();
        script.reach_payload();
        script.hears(&[payload, MARK.as_bytes().to_vec()].concat());
        script.pass(Span::ms(300));
        assert!(script.node.has_logged("REPLICATION STOPPED"));
        assert!(script.has_own_data() && script.node.loads.is_empty());
    }
    // Up to the first key all is well, then there is a module's value.
    let mut script = Script::new();
    script.reach_payload();
    let mut payload = snapshot(&["a"]);
    payload.truncate(payload.len() - 9);
    payload.extend_from_slice(b"\x07\x01l\x01\x01x");
    payload.extend_from_slice(MARK.as_bytes());
    script.hears(&payload);
    script.pass(Span::ms(300));
    assert!(script.node.has_logged("module"));
    assert!(!script.node.link_up && script.node.contents().is_empty());
    assert_eq!(script.node.journal.offset(), 0);
}

#[test]
fn a_payload_of_known_length_may_be_followed_by_the_stream() {
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n";
    for cut in [1, 10, set.len()] {
        let mut script = Script::new();
        script.hears(b"+PONG\r\n");
        script.hears(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        let payload = snapshot(&["a"]);
        script.hears(format!("+FULLRESYNC {REPLID} 7\r\n").as_bytes());
        script.hears(format!("${}\r\n", payload.len()).as_bytes());
        script.hears(&[&payload, &set[..cut]].concat());
        script.pass(Span::ms(300));
        assert!(script.node.link_up);
        script.hears(&set[cut..]);
        script.hears(set);
        assert_eq!(script.node.journal.offset(), 7 + 2 * set.len() as u64);
        assert_eq!(script.node.contents().len(), 2);
    }
}

#[test]
fn a_silent_primary_is_given_up_in_every_phase() {
    let phases: [fn(&mut Script); 3] = [
        |_| {},
        |script| script.reach_payload(),
        |script| {
            script.reach_payload();
            script.hears(&[snapshot(&[]), MARK.as_bytes().to_vec()].concat());
            script.pass(Span::ms(300));
            assert!(script.node.link_up);
        },
    ];
    for phase in phases {
        let mut script = Script::new();
        phase(&mut script);
        let conn = script.conn.as_ref().map(|(conn, _)| *conn);
        script.pass(Span::seconds(55));
        assert_eq!(script.conn.as_ref().map(|(conn, _)| *conn), conn);
        script.pass(Span::seconds(7));
        assert!(!script.node.link_up);
        assert_ne!(script.conn.as_ref().map(|(conn, _)| *conn), conn);
    }
}

#[test]
fn a_waiting_primary_that_gives_signs_of_life_is_not_given_up() {
    let mut script = Script::new();
    script.hears(b"+PONG\r\n");
    script.hears(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    for _ in 0..100 {
        script.pass(Span::seconds(1));
        script.hears(b"\n");
    }
    script.hears(format!("+FULLRESYNC {REPLID} 7\r\n").as_bytes());
    assert!(script.conn.is_some());
}
