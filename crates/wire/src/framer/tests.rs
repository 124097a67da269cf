//! Bytes in, requests out, at every cut.

use super::*;
use crate::request::request;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

/// Everything that one connection was framed into.
#[derive(Debug, Default, PartialEq)]
struct Framed {
    requests: Vec<Vec<Vec<u8>>>,
    raw: Vec<Vec<u8>>,
    broken: Option<ProtocolError>,
    holds: usize,
}

/// A host: reads `pieces` one after the other, answers every hold with `held(request)`, and checks on the way
/// what every host relies on.
struct Host {
    framer: Framer,
    framed: Framed,
}

impl Host {
    fn new(mode: Mode) -> Host {
        Host { framer: Framer::new(mode), framed: Framed::default() }
    }

    fn read(&mut self, mut bytes: &[u8], room_bytes: usize, held: fn(&[u8]) -> Option<Mode>) {
        while !bytes.is_empty() {
            // A pooled buffer has seen other uses.
            let mut buffer = self.framer.lend(room_bytes, || b"old".to_vec());
            let room = buffer.capacity() - buffer.len();
            assert!(room > 0);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            buffer.extend_from_slice(now);
            bytes = later;
            let mut batch = Batch::default();
            let _ = self.framer.feed(buffer, &mut batch);
            while self.take(&batch) {
                let mode = batch.request(batch.len() - 1).get(0).and_then(held);
                self.framer.set_mode(mode.unwrap_or(self.framer.mode()));
                batch = Batch::default();
                let _ = self.framer.resume(&mut batch);
            }
        }
    }

    /// Notes a batch; true when it is held.
    fn take(&mut self, batch: &Batch) -> bool {
        assert!(self.framed.broken.is_none() || batch.is_empty(), "nothing follows an error");
        for index in 0..batch.len() {
            self.framed.requests.push(batch.request(index).iter().map(<[u8]>::to_vec).collect());
            if self.framer.mode() == Mode::Stream {
                self.framed.raw.push(batch.raw(index).to_vec());
            }
        }
        match batch.ending() {
            Ending::Open => {}
            Ending::Held => {
                assert!(self.framer.is_held());
                self.framed.holds += 1;
            }
            Ending::Broken(error) => self.framed.broken = Some(error.clone()),
        }
        *batch.ending() == Ending::Held
    }
}

fn framed(mode: Mode, bytes: &[u8]) -> Framed {
    let mut host = Host::new(mode);
    host.read(bytes, 16 << 10, |_| None);
    host.framed
}

fn requests_mode(authenticated: bool) -> Mode {
    Mode::Requests(Limits { authenticated, ..Limits::default() })
}

/// Reads `bytes` as a client's, compares the requests in a readable form: words joined by spaces, with `!`
/// and the error's text at the end.
#[track_caller]
fn check(bytes: &[u8], expected: &[&str]) {
    check_mode(requests_mode(true), bytes, expected);
}

#[track_caller]
fn check_mode(mode: Mode, bytes: &[u8], expected: &[&str]) {
    let framed = framed(mode, bytes);
    let mut lines: Vec<String> =
        framed.requests.iter().map(|request| request.join(&b' ').escape_ascii().to_string()).collect();
    if let Some(error) = framed.broken {
        lines.push(alloc::format!("!{error}"));
    }
    assert_eq!(lines, expected, "{}", bytes[..bytes.len().min(100)].escape_ascii());
}

use alloc::string::ToString;

#[test]
fn arrays_and_inline_lines_are_requests() {
    check(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n", &["GET a", "PING"]);
    check(b"PING\r\nECHO hello\n  \r\n\r\n GET\t a \r\n", &["PING", "ECHO hello", "GET a"]);
    check(b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\nPING\r\n", &["ECHO ", "PING"]);
    check(b"ECHO \"a b\" 'it\\'s' \"\\x41\\n\"\r\n", &["ECHO a b it\\'s A\\n"]);
    check(b"\"\" x\r\n", &[" x"]);
}

#[test]
fn empty_arrays_are_ignored() {
    check(b"*-1\r\n*0\r\n*-5\r\n*1\r\n$4\r\nPING\r\n", &["PING"]);
}

#[test]
fn the_bytes_of_line_ends_do_not_matter() {
    // The original's reader trusts the lengths as well.
    check(b"*1\rX$4\rYPINGzz*1\r\n$1\r\na\r\n", &["PING", "a"]);
}

#[test]
fn errors_have_the_texts_of_the_original() {
    let invalid_multibulk = "!Protocol error: invalid multibulk length";
    for count in ["abc", "+1", "01", "", " 1", "2147483648", "99999999999999999999"] {
        check(alloc::format!("*{count}\r\n").as_bytes(), &[invalid_multibulk]);
    }
    let invalid_bulk = "!Protocol error: invalid bulk length";
    for len in ["-1", "abc", "", "536870913"] {
        check(alloc::format!("PING\r\n*1\r\n${len}\r\n").as_bytes(), &["PING", invalid_bulk]);
    }
    check(b"*1\r\nx4\r\n", &["!Protocol error: expected '$', got 'x'"]);
    check(b"ECHO \"abc\r\nPING\r\n", &["!Protocol error: unbalanced quotes in request"]);
    check(b"ECHO \"abc\"d\r\n", &["!Protocol error: unbalanced quotes in request"]);
    check(&[b'a'; (64 << 10) + 1], &["!Protocol error: too big inline request"]);
    let header = |prefix: &str| [prefix.as_bytes(), &[b'1'; 64 << 10]].concat();
    check(&header("*"), &["!Protocol error: too big mbulk count string"]);
    check(&header("*1\r\n$"), &["!Protocol error: too big bulk count string"]);
}

#[test]
fn just_below_a_bound_is_no_error() {
    check(b"*2147483647\r\n", &[]);
    check(b"*1\r\n$536870912\r\n", &[]);
    check(&[b'a'; 64 << 10], &[]);
    check(&[b"*".as_slice(), &[b'1'; (64 << 10) - 1]].concat(), &[]);
    check_mode(requests_mode(false), b"*10\r\n", &[]);
    check_mode(requests_mode(false), b"*1\r\n$16384\r\n", &[]);
}

#[test]
fn strangers_have_smaller_limits() {
    let strangers = requests_mode(false);
    check_mode(strangers, b"*11\r\n", &["!Protocol error: unauthenticated multibulk length"]);
    check_mode(strangers, b"*1\r\n$16385\r\n", &["!Protocol error: unauthenticated bulk length"]);
    check_mode(strangers, b"*2147483648\r\n", &["!Protocol error: invalid multibulk length"]);
    check_mode(strangers, b"*1\r\n$536870913\r\n", &["!Protocol error: invalid bulk length"]);
}

#[test]
fn an_unexpected_byte_is_shown_as_it_is() {
    assert_eq!(ProtocolError::ExpectedDollar(0xff).text(), b"Protocol error: expected '$', got '\xff'");
    assert_eq!(ProtocolError::ExpectedDollar(b'\n').text(), b"Protocol error: expected '$', got ' '");
}

#[test]
fn a_request_that_may_change_the_mode_holds_the_rest() {
    for name in ["AUTH", "hello", "Psync", "SYNC", "reset"] {
        let mut host = Host::new(requests_mode(false));
        let bytes = alloc::format!("{name} x\r\n*11\r\nleft");
        let mut batch = Batch::default();
        let _ = host.framer.feed(bytes.into_bytes(), &mut batch);
        assert_eq!((batch.len(), batch.ending()), (1, &Ending::Held), "{name}");
        assert_eq!(host.framer.unframed_bytes(), 9);
        assert!(host.framer.is_held());
        host.framer.set_mode(requests_mode(true));
        let mut batch = Batch::default();
        let _ = host.framer.resume(&mut batch);
        // Known now: eleven arguments are allowed. The first is not there yet.
        assert_eq!((batch.len(), batch.ending()), (0, &Ending::Open), "{name}");
    }
    for name in ["GET", "SET", "AUTHX", "SETEX", "HSET", "PSYN", "RESE"] {
        assert_eq!(framed(requests_mode(true), alloc::format!("{name} x\r\n").as_bytes()).holds, 0, "{name}");
    }
}

#[test]
fn many_holds_cost_no_more_than_twice_their_bytes() {
    let mut host = Host::new(requests_mode(true));
    let bytes = b"RESET\r\n".repeat(100);
    host.read(&bytes, 16 << 10, |_| None);
    assert_eq!((host.framed.holds, host.framed.requests.len()), (100, 100));
    assert_eq!(host.framer.memory_bytes(), 0);
}

#[test]
fn an_idle_connection_holds_no_memory() {
    let mut host = Host::new(requests_mode(true));
    host.read(b"*1\r\n$4\r\nPI", 16 << 10, |_| None);
    assert!(host.framer.is_mid_request());
    assert!(host.framer.memory_bytes() < 32, "a small rest takes its own size");
    host.read(b"NG\r\n", 16 << 10, |_| None);
    let mut large = Vec::new();
    request(&mut large, &[b"SET", b"a", &vec![7; 1 << 20]]);
    host.read(&large, 16 << 10, |_| None);
    assert_eq!(host.framed.requests.len(), 2);
    assert!(!host.framer.is_mid_request());
    assert_eq!(host.framer.memory_bytes(), 0);
    assert!(size_of::<Framer>() <= 80, "{}", size_of::<Framer>());
}

#[test]
fn a_large_value_is_read_into_the_buffer_that_becomes_the_batch() {
    let mut framer = Framer::new(requests_mode(true));
    let mut bytes = Vec::new();
    request(&mut bytes, &[b"SET", b"a", &vec![7; 8 << 20]]);
    let mut batch = Batch::default();
    let mut buffer = framer.lend(16 << 10, Vec::new);
    buffer.extend_from_slice(&bytes[..16 << 10]);
    let _ = framer.feed(buffer, &mut batch);
    let mut fed = 16 << 10;
    let mut places = Vec::new();
    while batch.is_empty() {
        let mut buffer = framer.lend(16 << 10, || panic!("it has its own"));
        places.push(buffer.as_ptr());
        let room = (buffer.capacity() - buffer.len()).min(64 << 10).min(bytes.len() - fed);
        buffer.extend_from_slice(&bytes[fed..fed + room]);
        fed += room;
        let _ = framer.feed(buffer, &mut batch);
    }
    places.dedup();
    assert_eq!(places.len(), 1, "the buffer never moves");
    assert_eq!(batch.bytes.as_ptr(), places[0]);
    assert_eq!(batch.request(0)[2].len(), 8 << 20);
}

#[test]
fn an_unfinished_request_has_a_bound() {
    let limits = Limits { buffer_bytes_max: 1_000, ..Limits::default() };
    let mut bytes = Vec::new();
    request(&mut bytes, &[b"GET", &[b'a'; 900]]);
    request(&mut bytes, &[b"GET", &[b'a'; 1_100]]);
    let framed = framed(Mode::Requests(limits), &bytes[..bytes.len() - 10]);
    assert_eq!((framed.requests.len(), framed.broken), (1, Some(ProtocolError::BufferOverflow)));
}

#[test]
fn the_ranges_of_many_arguments_count_as_well() {
    let limits = Limits { buffer_bytes_max: 1_000, ..Limits::default() };
    let bytes = [b"*500\r\n".as_slice(), &b"$0\r\n\r\n".repeat(100)].concat();
    assert_eq!(framed(Mode::Requests(limits), &bytes).broken, Some(ProtocolError::BufferOverflow));
    assert_eq!(framed(requests_mode(true), &bytes).broken, None);
}

#[test]
fn the_raw_ranges_of_a_stream_leave_no_gap() {
    let mut bytes = b"\n*1\r\n$4\r\nPING\r\n\r\n*0\r\n".to_vec();
    request(&mut bytes, &[b"SET", b"a", b"auth"]);
    request(&mut bytes, &[b"RESET"]);
    let framed = framed(Mode::Stream, &bytes);
    assert_eq!(framed.raw.concat(), bytes);
    assert_eq!((framed.requests.len(), framed.holds), (3, 0));
    check_mode(
        Mode::Stream,
        b"PING\r\n",
        &["!the primary's stream is out of step: text where a request must start"],
    );
}

#[test]
fn a_handshake_holds_before_each_payload() {
    let held = |line: &[u8]| (line.starts_with(b"+CONTINUE")).then_some(Mode::Stream);
    let mut host = Host::new(Mode::Replies);
    host.read(b"+PONG\r\n\n\n-NOAUTH x\r\n:1\r\n+FULLRESYNC id 1\r\n\n$EOF:abc\r\n", 16 << 10, held);
    host.read(b"+CONTINUE id\r\n*1\r\n$4\r\nPING\r\n", 16 << 10, held);
    let lines: Vec<_> = host.framed.requests.iter().map(|request| request.concat()).collect();
    let expected: [&[u8]; 10] = [
        b"+PONG",
        b"",
        b"",
        b"-NOAUTH x",
        b":1",
        b"+FULLRESYNC id 1",
        b"",
        b"$EOF:abc",
        b"+CONTINUE id",
        b"PING",
    ];
    assert_eq!(lines, expected);
    assert_eq!(host.framed.holds, 3);
    assert_eq!(host.framed.raw.concat(), b"*1\r\n$4\r\nPING\r\n", "the stream starts behind the reply");
    check_mode(Mode::Replies, b"HTTP/1.1\r\n", &["!the primary's reply is no line of a handshake"]);
}

#[test]
fn bus_frames_are_bounded_and_signed() {
    let frame = |len: u32, total: usize| {
        let mut frame = [b"RCmb".as_slice(), &len.to_be_bytes()].concat();
        frame.resize(total, 0);
        frame
    };
    let whole = framed(Mode::Bus, &[frame(16, 16), frame(300, 300), frame(20, 19)].concat());
    assert_eq!(whole.requests.iter().map(|request| request[0].len()).collect::<Vec<_>>(), [16, 300]);
    assert_eq!(whole.broken, None);
    let bad = "!a bus frame has a wrong signature or an impossible length";
    check_mode(Mode::Bus, &frame(15, 16), &[bad]);
    check_mode(Mode::Bus, &frame((16 << 20) + 1, 16), &[bad]);
    check_mode(Mode::Bus, b"RCmX", &[bad]);
    check_mode(Mode::Bus, b"G", &[bad]);
}

#[test]
fn a_header_can_be_cut_before_its_last_byte() {
    let mut bytes = Vec::new();
    request(&mut bytes, &[&[b'x'; 6_000], b"a"]);
    let mut host = Host::new(requests_mode(true));
    host.read(&bytes[..bytes.len() - 4], 16 << 10, |_| None);
    assert_eq!(host.framer.unframed_bytes(), bytes.len() - 4, "ends with the CR of the last header");
    host.read(&bytes[bytes.len() - 4..], 16 << 10, |_| None);
    assert_eq!(host.framed.requests, [[vec![b'x'; 6_000], b"a".to_vec()]]);
}

#[test]
fn raw_bytes_pass() {
    let framed = framed(Mode::Raw, b"any\r\nthing");
    assert_eq!(framed.requests, [[b"any\r\nthing".to_vec()]]);
}

/// One request in one of its forms, sometimes a broken one.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..40),
        2 => proptest::collection::vec(any::<u8>(), 100..1_200),
        1 => (5_000usize..40_000).prop_map(|len| vec![b'x'; len]),
        1 => prop_oneof![Just("auth"), Just("HELLO"), Just("reset"), Just("psync")]
            .prop_map(|name| name.as_bytes().to_vec()),
    ];
    let array = proptest::collection::vec(arg, 1..12).prop_map(|args| {
        let mut bytes = Vec::new();
        request(&mut bytes, &args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        bytes
    });
    let inline = "[a-z \"'\\\\x0-9]{0,30}\r?\n".prop_map(String::into_bytes);
    let odd = prop_oneof![
        Just(b"*0\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"AUTH x\r\n".to_vec()),
        Just(b"*1\r\nx".to_vec()),
        Just(vec![b'1'; 70_000]),
    ];
    prop_oneof![8 => array, 3 => inline, 1 => odd]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_do_not_matter(
        pieces in proptest::collection::vec(piece(), 1..12),
        cuts in proptest::collection::vec(1usize..3_000, 0..60),
        room in prop_oneof![Just(1usize), 2usize..100, Just(4_096), Just(16_384)],
        authenticated in any::<bool>(),
        stream in any::<bool>(),
    ) {
        let mode = if stream { Mode::Stream } else { requests_mode(authenticated) };
        let bytes = pieces.concat();
        // After AUTH the limits are wider: a hold that comes at the wrong place would show.
        let held = |_: &[u8]| Some(requests_mode(true));
        let mut whole = Host::new(mode);
        whole.read(&bytes, 1 << 20, held);
        let mut cut = Host::new(mode);
        let mut rest = bytes.as_slice();
        for len in cuts {
            let (now, later) = rest.split_at(len.min(rest.len()));
            cut.read(now, room, held);
            rest = later;
        }
        cut.read(rest, room.max(64), held);
        prop_assert_eq!(&whole.framed, &cut.framed);
        if stream {
            prop_assert!(bytes.starts_with(&cut.framed.raw.concat()));
        }
    }

    #[test]
    fn frames_of_the_bus_can_be_cut_anywhere(
        lens in proptest::collection::vec(16usize..9_000, 1..6),
        cuts in proptest::collection::vec(1usize..5_000, 0..20),
    ) {
        let mut bytes = Vec::new();
        for len in &lens {
            let start = bytes.len();
            bytes.extend_from_slice(b"RCmb");
            bytes.extend_from_slice(&(*len as u32).to_be_bytes());
            bytes.resize(start + len, b'.');
        }
        let mut host = Host::new(Mode::Bus);
        let mut rest = bytes.as_slice();
        for len in cuts {
            let (now, later) = rest.split_at(len.min(rest.len()));
            host.read(now, 1_000, |_| None);
            rest = later;
        }
        host.read(rest, 1_000, |_| None);
        let framed: Vec<_> = host.framed.requests.iter().map(|request| request[0].len()).collect();
        prop_assert_eq!(framed, lens);
    }
}
