//! The reference machine: echo with gates, timers, pauses, holds, large replies and closes.
//!
//! ```text
//!   ECHO text      +text                           GATE text    the same, once a small file is replaced
//!   AUTH text      +text, after a hold             GROW text    the same, once a file has grown
//!   LATER text ms  the same later; reads pause     BIG bytes    so many bytes, in shared chunks
//!   BYE text       the same, then the end          STOP         +stopped once durable, then the exit
//! ```
//!
//! It checks its own inputs as well: every connection opens once, ends once, and is silent afterwards.

use base::{Now, Span, Time};
use machine::{Chunk, ConnId, DiskOp, FileId, Input, Machine, Outbox, Output, WriteId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::{Ending, Limits, Mode};

type Request = Vec<Vec<u8>>;

#[derive(Default)]
struct Session {
    waiting: VecDeque<Request>,
    /// A LATER is on: its reply and when.
    later: Option<(Time, Vec<u8>)>,
    is_held: bool,
    is_full: bool,
    is_over: bool,
}

/// Reads pause while a connection has more than this unsent.
const UNSENT_BYTES_MAX: usize = 256 << 10;
const GROWING: FileId = FileId(1);

pub struct Reference {
    sessions: HashMap<ConnId, Session>,
    writes: u64,
    pub opened: u64,
    pub closed: u64,
    pub unsent_peak: usize,
    pub disk_failures: u64,
    grows: bool,
    big: Arc<Vec<u8>>,
}

/// Byte number `index` of every large reply.
pub fn big_byte(index: usize) -> u8 {
    b'a' + (index % 23) as u8
}

/// Large replies go out in chunks of this size.
pub const BIG_CHUNK: usize = 7_001;

impl Reference {
    pub fn new() -> Reference {
        Reference {
            sessions: HashMap::new(),
            writes: 0,
            opened: 0,
            closed: 0,
            unsent_peak: 0,
            disk_failures: 0,
            grows: false,
            big: Arc::new((0..4 << 20).map(big_byte).collect()),
        }
    }

    fn write_id(&mut self) -> WriteId {
        self.writes += 1;
        WriteId(self.writes)
    }

    fn grow(&mut self, text: &[u8], out: &mut Outbox) -> WriteId {
        if !self.grows {
            self.grows = true;
            out.put(Output::Disk(DiskOp::Create { file: GROWING, path: "growing".into() }));
        }
        let write = self.write_id();
        out.put(Output::Disk(DiskOp::Append { file: GROWING, write, bytes: text.to_vec().into() }));
        write
    }

    fn replace(&mut self, text: &[u8], out: &mut Outbox) -> WriteId {
        let write = self.write_id();
        out.put(Output::Disk(DiskOp::Replace { write, path: "small".into(), bytes: text.to_vec() }));
        write
    }

    fn run(&mut self, conn: ConnId, now: Now, out: &mut Outbox) {
        loop {
            let session = self.sessions.get_mut(&conn).expect("requests come on open connections");
            if session.later.is_some() || session.is_over {
                return;
            }
            let Some(request) = session.waiting.pop_front() else { break };
            let text = request.get(1).cloned().unwrap_or_default();
            match request[0].as_slice() {
                b"ECHO" | b"AUTH" => out.send(conn, line(&text)),
                b"LATER" => {
                    let ms = str::from_utf8(&request[2]).unwrap().parse().unwrap();
                    session.later = Some((now.mono + Span::ms(ms), line(&text)));
                    out.put(Output::Pause(conn));
                }
                b"BYE" => {
                    session.is_over = true;
                    out.send(conn, line(&text));
                    out.close_flushed(conn);
                }
                b"BIG" => {
                    let len: usize = str::from_utf8(&text).unwrap().parse().unwrap();
                    for start in (0..len).step_by(BIG_CHUNK) {
                        let range = start..len.min(start + BIG_CHUNK);
                        out.send(conn, Chunk::Shared { bytes: Arc::clone(&self.big), range });
                    }
                }
                b"GATE" => {
                    let write = self.replace(&text, out);
                    out.send_after(conn, line(&text), write);
                }
                b"GROW" => {
                    let write = self.grow(&text, out);
                    out.send_after(conn, line(&text), write);
                }
                b"STOP" => {
                    let write = self.write_id();
                    let bytes = b"stopped".to_vec();
                    out.put(Output::Disk(DiskOp::Replace { write, path: "stopped".into(), bytes }));
                    out.send_after(conn, line(b"stopped"), write);
                    out.put(Output::Exit { code: 7 });
                    return;
                }
                other => panic!("unknown request {other:?}"),
            }
        }
        let session = self.sessions.get_mut(&conn).expect("still open");
        if std::mem::take(&mut session.is_held) {
            out.put(Output::Frame { conn, mode: Mode::Requests(Limits::default()) });
        }
    }
}

fn line(text: &[u8]) -> Vec<u8> {
    [b"+", text, b"\r\n"].concat()
}

impl Machine for Reference {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Opened { conn, .. } => {
                self.opened += 1;
                assert!(self.sessions.insert(conn, Session::default()).is_none(), "opened twice");
            }
            Input::Closed { conn } => {
                self.closed += 1;
                assert!(self.sessions.remove(&conn).is_some(), "closed without being open");
            }
            Input::Batches(batches) => {
                let mut seen = std::collections::HashSet::new();
                for (conn, batch) in batches {
                    assert!(seen.insert(conn), "two batches of one connection in one turn");
                    let session = self.sessions.get_mut(&conn).expect("a batch of an open connection");
                    assert!(!session.is_over, "a batch after the close");
                    for index in 0..batch.len() {
                        let request = batch.request(index).iter().map(<[u8]>::to_vec).collect();
                        session.waiting.push_back(request);
                    }
                    match batch.ending() {
                        Ending::Open => {}
                        Ending::Held => session.is_held = true,
                        Ending::Broken(error) => panic!("{error:?}"),
                    }
                    out.pool.recycle_batch(batch);
                    self.run(conn, now, out);
                }
            }
            Input::Unframed(_) => {}
            Input::Unsent(unsent) => {
                for (conn, bytes) in unsent {
                    self.unsent_peak = self.unsent_peak.max(bytes);
                    let session = self.sessions.get_mut(&conn).expect("unsent bytes of an open connection");
                    let is_full = bytes > UNSENT_BYTES_MAX || bytes > 0 && session.is_full;
                    if is_full != session.is_full {
                        session.is_full = is_full;
                        let resumes = !is_full && session.later.is_none();
                        out.put(if resumes { Output::Resume(conn) } else { Output::Pause(conn) });
                    }
                }
            }
            Input::Disk(disk) => self.disk_failures += u64::from(disk.result.is_err()),
            Input::Tick => {
                let due: Vec<ConnId> = self
                    .sessions
                    .iter()
                    .filter(|(_, session)| session.later.as_ref().is_some_and(|(at, _)| *at <= now.mono))
                    .map(|(conn, _)| *conn)
                    .collect();
                for conn in due {
                    let session = self.sessions.get_mut(&conn).expect("just seen");
                    let (_, reply) = session.later.take().expect("just seen");
                    out.send(conn, reply);
                    if !session.is_full {
                        out.put(Output::Resume(conn));
                    }
                    self.run(conn, now, out);
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
        for (at, _) in self.sessions.values().filter_map(|session| session.later.as_ref()) {
            out.wake(*at);
        }
    }
}
