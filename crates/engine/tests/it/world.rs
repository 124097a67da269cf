//! An engine with as many clients as a test needs: the only code here that knows the engine's interface.

use base::{Now, Random, Span, Time, Unix};
use engine::{Answer, Applied, ApplyError, Asked, Engine, Outside, Question, Ran};
use machine::{Address, ConnId, Dialer, Listener, Outbox, Output, Peer};
use spec::Config;
use std::collections::BTreeMap;
use std::string::String;
use wire::Batch;
use wire::reply::Reply;

/// Answers every question in the simplest way, and keeps what was asked.
#[derive(Default)]
pub struct Simple {
    pub asked: Vec<String>,
}

impl Outside for Simple {
    fn ask(&mut self, _: &mut Asked<'_>, question: Question<'_>, reply: &mut Reply<'_>) -> Answer {
        self.asked.push(format!("{question:?}"));
        match question {
            Question::Wait { timeout: Some(Span::ZERO), .. } => reply.integer(0),
            Question::Wait { .. } => return Answer::Block,
            Question::Info(_)
            | Question::ConfigChanged { .. }
            | Question::RewriteConfig { .. }
            | Question::ResetStats
            | Question::Replicate { .. }
            | Question::FlushedAll { .. } => {}
            Question::Publish { .. } => {}
            // There is no link to a primary.
            Question::CutPrimary { .. } => return Answer::Refused(spec::Refusal::NoSuchClient),
            Question::Psync(_) => {
                reply.simple("CONTINUE");
                return Answer::Link;
            }
            _ => reply.ok(),
        }
        Answer::Done
    }
}

pub struct World {
    pub engine: Engine,
    pub outside: Simple,
    pub out: Outbox,
    pub now: Now,
    /// What was sent to each client since it was last asked.
    sent: BTreeMap<u32, String>,
    pub closed: Vec<u32>,
    pub other: Vec<Output>,
    pub dialer: Dialer,
}

impl World {
    pub fn new() -> World {
        World::with("", false)
    }

    pub fn with(config: &str, clustered: bool) -> World {
        let text = format!("enable-debug-command yes\n{config}\n");
        let config = Config::load(text.as_bytes(), &[], &mut |_: &[u8]| Err("no files here".into())).unwrap();
        let now = Now { mono: Time::START, unix: Unix::from_ms(1_700_000_000_000) };
        let mut engine = Engine::new(config, Random::new(1), clustered, now);
        engine.shared.feed.enabled = true;
        World {
            engine,
            outside: Simple::default(),
            out: Outbox::new(|| 0),
            now,
            sent: BTreeMap::new(),
            closed: Vec::new(),
            other: Vec::new(),
            dialer: Dialer::default(),
        }
    }

    pub fn open(&mut self, client: u32) {
        self.open_as(ConnId::inbound(client, 0));
    }

    pub fn open_as(&mut self, conn: ConnId) {
        let client = conn.index;
        let address = Address::Inet("127.0.0.1".parse().unwrap(), 1_000 + client as u16);
        let peer = Peer { remote: address.clone(), local: address };
        self.engine.on_opened(self.now, conn, Listener::Client, peer, &mut self.out);
        self.collect();
    }

    /// Sends lines as one batch.
    pub fn send(&mut self, client: u32, script: &str) {
        let conn = ConnId::inbound(client, 0);
        if !self.engine.knows(conn) {
            self.open(client);
        }
        let batch = batch(script);
        if let Err(batch) = self.engine.on_batch(self.now, conn, batch, &mut self.out) {
            panic!("a closed client sends {} requests", batch.len());
        }
    }

    /// Runs all that was sent, and lets the replies go.
    pub fn turn(&mut self) {
        self.run();
        self.drive();
        self.release(u64::MAX);
    }

    pub fn run(&mut self) {
        while self.engine.run(self.now, &mut self.outside, &mut self.out) != Ran::Idle {}
    }

    /// Carries moves on, and runs what their ends let go on.
    pub fn drive(&mut self) {
        self.engine.drive_moves(self.now, &mut self.dialer, &mut self.out);
        self.run();
    }

    pub fn release(&mut self, safe: u64) {
        self.engine.release(self.now, safe, &mut self.out);
        self.collect();
    }

    pub fn tick(&mut self) {
        self.engine.tick(self.now, &mut self.out);
        self.release(u64::MAX);
    }

    pub fn wait(&mut self, ms: u64) {
        self.now.mono += Span::ms(ms);
        self.now.unix = Unix::from_ms(self.now.unix.as_ms() + ms);
    }

    fn collect(&mut self) {
        for output in self.out.outputs.drain(..) {
            match output {
                Output::Send { conn, bytes, .. } => {
                    let text = String::from_utf8_lossy(bytes.as_slice()).replace("\r\n", " ");
                    self.sent.entry(conn.index).or_default().push_str(&text);
                }
                Output::Close { conn, .. } => self.closed.push(conn.index),
                other => self.other.push(other),
            }
        }
    }

    /// What a client was sent since it was last asked; line ends are spaces.
    pub fn read(&mut self, client: u32) -> String {
        self.sent.remove(&client).unwrap_or_default().trim_end().to_string()
    }

    /// Sends lines and returns all replies.
    pub fn ask(&mut self, script: &str) -> String {
        self.send(1, script);
        self.turn();
        self.read(1)
    }

    /// What was fed since it was last asked.
    pub fn fed(&mut self) -> String {
        let bytes = std::mem::take(&mut self.engine.shared.feed.bytes);
        String::from_utf8_lossy(&bytes).replace("\r\n", " ").trim_end().to_string()
    }

    /// Applies lines as a primary's stream.
    pub fn apply(&mut self, script: &str) -> Result<Applied, ApplyError> {
        let batch = batch(script);
        self.engine.apply(self.now, &batch, &mut self.outside, &mut self.out)
    }
}

fn batch(script: &str) -> Batch {
    let mut batch = Batch::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        for word in words(line) {
            batch.push_arg(&word);
        }
        batch.end_request();
    }
    batch
}

fn words(line: &str) -> Vec<Vec<u8>> {
    base::words::split(line.as_bytes()).expect("a script's quotes are balanced")
}

/// Runs `script`, one request a line, on an empty keyspace; compares the last reply.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    let mut world = World::new();
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (last, before) = lines.split_last().expect("a script has a line");
    if !before.is_empty() {
        world.ask(&before.join("\n"));
    }
    assert_eq!(world.ask(last), expected, "{script}");
}
