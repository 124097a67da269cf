//! Client: a workload as a machine. It writes keys of its own, asks for confirmation by WAIT, and remembers.
//!
//! It follows MOVED, gives up a node that is silent, and starts over at another: what a plain cluster client
//! does. Each key is written once, so a read tells at any time whether the write is there.

use base::{Now, Random, Span, Time};
use machine::{Address, Closing, ConnId, Dialer, Input, Machine, Outbox, Output};
use std::net::IpAddr;
use wire::Mode;
use wire::value::{Parser, Value};

/// A node that says nothing for so long is given up.
const SILENCE: Span = Span::ms(1_500);
/// The timeout of WAIT.
const WAIT_MS: u64 = 500;

/// A write that WAIT has confirmed.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The key; its value is the same text.
    pub key: String,
    /// The node that took the write.
    pub node: IpAddr,
    /// How many replicas have acknowledged it.
    pub replicas: i64,
    /// When, in microseconds.
    pub at_us: u64,
}

/// What the client waits for.
#[derive(Debug)]
enum Step {
    /// Nothing; the next write begins then.
    Resting(Time),
    Connecting,
    /// The replies to SET, or to a transaction: so many are missing.
    Setting(u32),
    /// The reply to WAIT.
    Waiting,
}

/// One writer.
#[derive(Debug)]
pub struct Client {
    name: String,
    nodes: Vec<IpAddr>,
    port: u16,
    replicas: u64,
    random: Random,
    dialer: Dialer,
    conn: Option<(ConnId, IpAddr)>,
    parser: Parser,
    step: Step,
    since: Time,
    count: u64,
    /// True from then on: no new writes.
    pub is_stopped: bool,
    /// What WAIT confirmed on at least one replica and the checker has not taken yet.
    pub confirmed: Vec<Confirmed>,
    /// Keys that were written by transactions, each with the key that must be there with it.
    pub pairs: Vec<(String, String)>,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
}

impl Client {
    /// A writer that asks `replicas` of them to confirm.
    pub fn new(name: String, nodes: Vec<IpAddr>, port: u16, replicas: u64, seed: u64) -> Client {
        Client {
            name,
            nodes,
            port,
            replicas,
            random: Random::new(seed),
            dialer: Dialer::default(),
            conn: None,
            parser: Parser::default(),
            step: Step::Resting(Time::START),
            since: Time::START,
            count: 0,
            is_stopped: false,
            confirmed: Vec::new(),
            pairs: Vec::new(),
            acknowledged: 0,
        }
    }

    fn key(&self) -> String {
        format!("{}:{}", self.name, self.count)
    }

    fn rest(&mut self, now: Now) {
        self.step = Step::Resting(now.mono + Span::us(self.random.between(500, 30_000)));
    }

    fn drop_conn(&mut self, out: &mut Outbox) {
        if let Some((conn, _)) = self.conn.take() {
            out.put(Output::Close { conn, closing: Closing::Now });
        }
    }

    fn go(&mut self, now: Now, to: IpAddr, out: &mut Outbox) {
        self.drop_conn(out);
        let conn = self.dialer.dial();
        self.conn = Some((conn, to));
        self.parser = Parser::default();
        self.step = Step::Connecting;
        self.since = now.mono;
        out.put(Output::Connect { conn, to: Address::Inet(to, self.port), mode: Mode::Raw });
    }

    fn anywhere(&mut self) -> IpAddr {
        self.nodes[self.random.below(self.nodes.len() as u64) as usize]
    }

    fn send(&mut self, now: Now, requests: &[&[&[u8]]], out: &mut Outbox) {
        let Some((conn, _)) = self.conn else { return };
        let mut bytes = Vec::new();
        requests.iter().for_each(|words| wire::request(&mut bytes, words));
        self.since = now.mono;
        out.send(conn, bytes);
    }

    fn write(&mut self, now: Now, out: &mut Outbox) {
        let key = self.key();
        let set: &[&[u8]] = &[b"SET", key.as_bytes(), key.as_bytes()];
        match self.random.below(8) {
            0 | 1 => {
                // A transaction: the two keys come together or not at all.
                let other = format!("{{{key}}}+");
                self.step = Step::Setting(4);
                let more: &[&[u8]] = &[b"HSET", other.as_bytes(), b"field", key.as_bytes()];
                self.send(now, &[&[b"MULTI"], more, set, &[b"EXEC"]], out);
                self.pairs.push((key, other));
            }
            2 => {
                // A key that expires: its end goes through the stream as well.
                let (other, span_ms) = (format!("{{{key}}}-"), self.random.between(1, 5_000).to_string());
                self.step = Step::Setting(2);
                let short: &[&[u8]] = &[b"SET", other.as_bytes(), b"short", b"PX", span_ms.as_bytes()];
                self.send(now, &[short, set], out);
            }
            _ => {
                self.step = Step::Setting(1);
                self.send(now, &[set], out);
            }
        }
    }

    fn on_value(&mut self, now: Now, value: Value, out: &mut Outbox) {
        let node = self.conn.map(|(_, node)| node);
        match (&self.step, value) {
            (Step::Setting(left @ 2..), Value::Simple(_)) => self.step = Step::Setting(left - 1),
            (Step::Setting(1), Value::Simple(_) | Value::Array(_)) => {
                self.acknowledged += 1;
                self.step = Step::Waiting;
                let (replicas, timeout) = (self.replicas.to_string(), WAIT_MS.to_string());
                self.send(now, &[&[b"WAIT", replicas.as_bytes(), timeout.as_bytes()]], out);
            }
            (Step::Waiting, Value::Integer(replicas)) => {
                if let (true, Some(node)) = (replicas > 0, node) {
                    self.confirmed.push(Confirmed { key: self.key(), node, replicas, at_us: now.mono.0 });
                }
                self.count += 1;
                self.rest(now);
            }
            (_, Value::Error(text)) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                // A key that was refused is not used again: what happened to it may be unknown.
                self.count += 1;
                match moved(&text) {
                    Some(to) => self.go(now, to, out),
                    None => {
                        self.drop_conn(out);
                        self.rest(now);
                    }
                }
            }
            (Step::Resting(_) | Step::Connecting | Step::Setting(_) | Step::Waiting, _) => {
                self.count += 1;
                self.drop_conn(out);
                self.rest(now);
            }
        }
    }
}

/// The address in `MOVED 1234 10.0.0.1:6379`.
fn moved(text: &str) -> Option<IpAddr> {
    let mut words = text.split(' ');
    (words.next()? == "MOVED").then_some(())?;
    words.nth(1)?.rsplit_once(':')?.0.parse().ok()
}

impl Machine for Client {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { conn, result } if self.conn.is_some_and(|(own, _)| own == conn) => {
                match result {
                    Ok(_) => self.write(now, out),
                    Err(_) => {
                        self.conn = None;
                        self.rest(now);
                    }
                }
            }
            Input::Batches(batches) => {
                for (conn, batch) in batches {
                    if self.conn.is_none_or(|(own, _)| own != conn) {
                        continue;
                    }
                    for index in 0..batch.len() {
                        self.parser.push(batch.request(index).get(0).unwrap_or(&[]));
                    }
                    while let Ok(Some(value)) = self.parser.next_value() {
                        self.on_value(now, value, out);
                    }
                }
            }
            Input::Closed { conn } if self.conn.is_some_and(|(own, _)| own == conn) => {
                self.conn = None;
                self.count += 1;
                self.rest(now);
            }
            _ => {}
        }
        let is_silent = now.mono.since(self.since) > SILENCE;
        match self.step {
            Step::Resting(until) if until <= now.mono && !self.is_stopped => {
                let is_restless = self.random.chance(1, 20);
                if self.conn.is_some() && !is_restless {
                    self.write(now, out);
                } else {
                    let to = self.anywhere();
                    self.go(now, to, out);
                }
            }
            Step::Connecting | Step::Setting(_) | Step::Waiting if is_silent => {
                self.count += 1;
                self.drop_conn(out);
                self.rest(now);
            }
            Step::Resting(_) | Step::Connecting | Step::Setting(_) | Step::Waiting => {}
        }
    }

    fn seal(&mut self, now: Now, out: &mut Outbox) {
        match self.step {
            Step::Resting(_) if self.is_stopped => {}
            Step::Resting(until) => out.wake(until.max(now.mono)),
            Step::Connecting | Step::Setting(_) | Step::Waiting => {
                out.wake(self.since + SILENCE + Span::ms(1))
            }
        }
    }
}
