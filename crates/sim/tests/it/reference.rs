//! The reference machine: echo with gates, holds, timers, large replies and ends.
//!
//! ```text
//!   ECHO text      +text                           GATE text    the same, once a small file is replaced
//!   AUTH text      +text, after a hold             GROW text    the same, once a file has grown
//!   LATER text ms  the same later; reads pause     BIG bytes    so many bytes, in pieces
//!   BYE text       the same, then the end          STOP         +stopped once durable, then the exit
//! ```
//!
//! It checks its inputs as well: their order within a turn, one batch a connection, one end for each beginning.

use base::{Now, Span, Time};
use machine::{Chunk, ConnId, DiskOp, FileId, Input, Machine, Outbox, Output, WriteId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::{Limits, Mode, batch::Ending};

#[derive(Default)]
struct Session {
    waiting: VecDeque<Vec<Vec<u8>>>,
    later: Option<(Time, Vec<u8>)>,
    is_held: bool,
    is_over: bool,
}

#[derive(Default)]
pub struct Reference {
    sessions: BTreeMap<ConnId, Session>,
    writes: u64,
    grows: bool,
    /// How far this turn's inputs are: they come in a fixed order.
    place: u8,
    spoke: BTreeSet<ConnId>,
    unsent: BTreeMap<ConnId, usize>,
    pub opened: u32,
    pub closed: u32,
    pub unsent_peak: usize,
    pub disk_failures: u32,
}

/// Byte number `index` of every large reply.
pub fn big_byte(index: usize) -> u8 {
    b'a' + (index % 23) as u8
}

const BIG_CHUNK: usize = 7_001;
const GROWING: FileId = FileId(1);

impl Reference {
    fn write_id(&mut self) -> WriteId {
        self.writes += 1;
        WriteId(self.writes)
    }

    fn replace(&mut self, path: &str, text: &[u8], out: &mut Outbox) -> WriteId {
        let write = self.write_id();
        out.put(Output::Disk(DiskOp::Replace { write, path: path.into(), bytes: text.to_vec() }));
        write
    }

    fn grow(&mut self, text: &[u8], out: &mut Outbox) -> WriteId {
        if !std::mem::replace(&mut self.grows, true) {
            out.put(Output::Disk(DiskOp::Create { file: GROWING, path: "growing".into() }));
        }
        let write = self.write_id();
        out.put(Output::Disk(DiskOp::Append { file: GROWING, write, bytes: text.to_vec().into() }));
        write
    }

    fn run(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        loop {
            let session = self.sessions.get_mut(&conn).expect("requests come on open connections");
            if session.later.is_some() || session.is_over {
                return;
            }
            let Some(request) = session.waiting.pop_front() else { break };
            self.answer(now, conn, &request, out);
        }
        let session = self.sessions.get_mut(&conn).expect("it is open");
        if std::mem::take(&mut session.is_held) {
            out.put(Output::Frame { conn, mode: Mode::Requests(Limits::default()) });
        }
    }

    fn answer(&mut self, now: Now, conn: ConnId, request: &[Vec<u8>], out: &mut Outbox) {
        let text = request.get(1).cloned().unwrap_or_default();
        let line = [b"+", text.as_slice(), b"\r\n"].concat();
        let session = self.sessions.get_mut(&conn).expect("it is open");
        match request[0].as_slice() {
            b"ECHO" | b"AUTH" => out.send(conn, line),
            b"LATER" => {
                let ms = std::str::from_utf8(&request[2]).unwrap().parse().unwrap();
                session.later = Some((now.mono + Span::ms(ms), line));
                out.put(Output::Pause(conn));
            }
            b"BYE" => {
                session.is_over = true;
                out.send(conn, line);
                out.close_flushed(conn);
            }
            b"BIG" => {
                let len: usize = std::str::from_utf8(&text).unwrap().parse().unwrap();
                let bytes: std::sync::Arc<Vec<u8>> = std::sync::Arc::new((0..len).map(big_byte).collect());
                for start in (0..len).step_by(BIG_CHUNK) {
                    let range = start..len.min(start + BIG_CHUNK);
                    out.send(conn, Chunk::Shared { bytes: bytes.clone(), range });
                }
            }
            b"GATE" => {
                let write = self.replace("small", &text, out);
                out.send_after(conn, line, write);
            }
            b"GROW" => {
                let write = self.grow(&text, out);
                out.send_after(conn, line, write);
            }
            b"STOP" => {
                let write = self.replace("stopped", b"", out);
                out.send_after(conn, b"+stopped\r\n".to_vec(), write);
                out.put(Output::Exit { code: 7 });
            }
            other => panic!("{other:?}"),
        }
    }

    fn check_order(&mut self, input: &Input) {
        let place = match input {
            Input::Opened { .. } | Input::Connected { .. } | Input::Disk(_) => 0,
            Input::FileRead { .. } | Input::FileSize { .. } | Input::Signal(_) | Input::Answered { .. } => 0,
            Input::Unsent(_) | Input::Unframed(_) => 1,
            Input::Batches(_) => 2,
            Input::Closed { .. } => 3,
            Input::Host(_) => 4,
            Input::Tick => 5,
        };
        assert!(place >= self.place, "{input:?} is out of order");
        self.place = place;
    }
}

impl Machine for Reference {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.check_order(&input);
        match input {
            Input::Opened { conn, .. } => {
                self.opened += 1;
                assert!(self.sessions.insert(conn, Session::default()).is_none(), "opened twice");
                let places: BTreeSet<usize> = self.sessions.keys().map(|conn| conn.place()).collect();
                assert_eq!(
                    places.len(),
                    self.sessions.len(),
                    "a place is given anew before its end was told"
                );
            }
            Input::Closed { conn } => {
                self.closed += 1;
                assert!(self.sessions.remove(&conn).is_some(), "closed without being open");
                self.unsent.remove(&conn);
            }
            Input::Batches(batches) => {
                for (conn, batch) in batches {
                    assert!(self.spoke.insert(conn), "two batches of one connection in one turn");
                    let session = self.sessions.get_mut(&conn).expect("a batch of an open connection");
                    assert!(!session.is_held, "a held connection is not read");
                    let requests = (0..batch.len()).map(|at| batch.request(at));
                    let requests = requests.map(|request| request.iter().map(<[u8]>::to_vec).collect());
                    session.waiting.extend(requests.collect::<Vec<_>>());
                    session.is_held = *batch.ending() == Ending::Held;
                    self.run(now, conn, out);
                }
            }
            Input::Unframed(_) => {}
            Input::Unsent(unsent) => {
                for (conn, bytes) in unsent {
                    assert!(self.sessions.contains_key(&conn), "unsent bytes of an open connection");
                    assert_ne!(self.unsent.insert(conn, bytes), Some(bytes), "told though nothing changed");
                    self.unsent_peak = self.unsent_peak.max(bytes);
                }
            }
            Input::Disk(disk) => self.disk_failures += u32::from(disk.result.is_err()),
            Input::Tick => {
                let is_due =
                    |session: &Session| session.later.as_ref().is_some_and(|(at, _)| *at <= now.mono);
                let due = self.sessions.iter().filter(|(_, session)| is_due(session));
                let due: Vec<ConnId> = due.map(|(conn, _)| *conn).collect();
                for conn in due {
                    let session = self.sessions.get_mut(&conn).expect("it is open");
                    let (_, line) = session.later.take().expect("it is due");
                    out.send(conn, line);
                    out.put(Output::Resume(conn));
                    self.run(now, conn, out);
                }
            }
            Input::Host(_)
            | Input::Connected { .. }
            | Input::FileRead { .. }
            | Input::FileSize { .. }
            | Input::Signal(_)
            | Input::Answered { .. } => {}
        }
    }

    fn seal(&mut self, _: Now, out: &mut Outbox) {
        self.place = 0;
        self.spoke.clear();
        for (at, _) in self.sessions.values().filter_map(|session| session.later.as_ref()) {
            out.wake(*at);
        }
    }
}
