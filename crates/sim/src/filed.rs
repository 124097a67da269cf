//! Filed: a server with an append-only file that is killed, loses its power and fills its disk, and writers who count.
//!
//! ```text
//!   writer --INCR own key--> server --> files        faults: kill, loss of power, full disk, slow disk, rewrites
//! ```
//!
//! Each writer knows its last acknowledged number and how often it has asked. Every answer must be above the one and at
//! most the other: no acknowledged write is lost, and none is there twice. Power is lost only under `appendfsync always`:
//! `everysec` does not promise that much, but what it has acknowledged survives a kill.
//!
//! Catches: a reply that leaves before its write is in the file; a rewrite that drops or doubles what came meanwhile; a
//! manifest that names files which are not durable.

use crate::checkers::Violation;
use crate::operator::Operator;
use crate::world::{CLIENT_PORT, World};
use base::{Now, Random, Span, Time};
use machine::{Address, Closing, ConnId, Dialer, Input, Machine, Outbox, Output};
use node::Node;
use std::net::IpAddr;
use wire::Mode;
use wire::value::{Parser, Value};

/// The hosts, in the order in which they are added.
const SERVER: usize = 0;
const OPERATOR: usize = 1;
const WRITERS: std::ops::Range<usize> = 2..5;
/// A server that says nothing for so long is given up.
const SILENCE: Span = Span::seconds(3);
/// After a refusal a writer waits so long.
const PAUSE: Span = Span::ms(20);
/// The checker looks so often.
const LOOK_EVERY_US: u64 = 20_000;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Starts of the server after its first.
    pub restarts: u64,
    /// How often the server lost its power.
    pub power_losses: u64,
    /// The hash of everything that happened.
    pub trace: u64,
}

/// Counts up its own key.
struct Writer {
    to: IpAddr,
    key: String,
    dialer: Dialer,
    conn: Option<ConnId>,
    parser: Parser,
    is_asked: bool,
    since: Time,
    /// The number that was acknowledged last.
    acknowledged: u64,
    /// Requests that may have been carried out.
    asked: u64,
    writes: u64,
    broken: Option<String>,
}

impl Writer {
    fn new(to: IpAddr, key: String) -> Writer {
        Writer {
            to,
            key,
            dialer: Dialer::default(),
            conn: None,
            parser: Parser::default(),
            is_asked: false,
            since: Time::START,
            acknowledged: 0,
            asked: 0,
            writes: 0,
            broken: None,
        }
    }

    fn dial(&mut self, now: Now, out: &mut Outbox) {
        if let Some(conn) = self.conn.take() {
            out.put(Output::Close { conn, closing: Closing::Now });
        }
        self.is_asked = false;
        let conn = self.dialer.dial();
        self.conn = Some(conn);
        self.parser = Parser::default();
        self.since = now.mono;
        out.put(Output::Connect { conn, to: Address::Inet(self.to, CLIENT_PORT), mode: Mode::Raw });
    }

    fn write(&mut self, now: Now, out: &mut Outbox) {
        let Some(conn) = self.conn else { return };
        let mut bytes = Vec::new();
        wire::request(&mut bytes, &[b"INCR", self.key.as_bytes()]);
        (self.is_asked, self.since) = (true, now.mono);
        self.asked += 1;
        out.send(conn, bytes);
    }

    fn on_value(&mut self, now: Now, value: &Value, out: &mut Outbox) {
        self.is_asked = false;
        self.since = now.mono;
        let Value::Integer(value) = value else {
            // Refused: it was not carried out.
            self.asked -= 1;
            return;
        };
        let value = u64::try_from(*value).unwrap_or(0);
        if value <= self.acknowledged || value > self.asked {
            let text = format!(
                "{} answers {value}; acknowledged was {}, asked for were {}",
                self.key, self.acknowledged, self.asked
            );
            self.broken.get_or_insert(text);
        }
        self.acknowledged = value;
        self.writes += 1;
        self.write(now, out);
    }
}

impl Machine for Writer {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { conn, result: Ok(_) } if self.conn == Some(conn) => self.write(now, out),
            Input::Closed { conn } | Input::Connected { conn, result: Err(_) } if self.conn == Some(conn) => {
                self.conn = None;
                self.since = now.mono;
            }
            Input::Batches(batches) => {
                for (conn, batch) in batches {
                    for index in 0..batch.len() {
                        if self.conn == Some(conn) {
                            self.parser.push(batch.request(index).get(0).unwrap_or(&[]));
                        }
                    }
                }
                while let Ok(Some(value)) = self.parser.next_value() {
                    self.on_value(now, &value, out);
                }
            }
            _ => {}
        }
        let waited = now.mono.since(self.since);
        if (self.conn.is_none() && waited >= PAUSE) || waited > SILENCE {
            self.dial(now, out);
        } else if self.conn.is_some() && !self.is_asked && waited >= PAUSE {
            self.write(now, out);
        }
    }

    fn seal(&mut self, _: Now, out: &mut Outbox) {
        let is_going = self.conn.is_some() && self.is_asked;
        out.wake(self.since + if is_going { SILENCE + Span::ms(1) } else { PAUSE });
    }
}

/// The server, a writer, or the operator.
enum Actor {
    Node(Box<Node>),
    Writer(Box<Writer>),
    Operator(Box<Operator>),
}

impl Machine for Actor {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.handle(now, input, out),
            Actor::Writer(writer) => writer.handle(now, input, out),
            Actor::Operator(operator) => operator.handle(now, input, out),
        }
    }

    fn seal(&mut self, now: Now, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.seal(now, out),
            Actor::Writer(writer) => writer.seal(now, out),
            Actor::Operator(operator) => operator.seal(now, out),
        }
    }
}

struct Run {
    world: World<Actor>,
    random: Random,
    directives: String,
    loses_power: bool,
    restart_at: Option<u64>,
    restarts: u64,
    power_losses: u64,
}

/// Runs one seed.
pub fn run(seed: u64) -> Outcome {
    let mut world: World<Actor> = World::new(seed, |_| false);
    let mut random = world.random.fork();
    (0..WRITERS.end).for_each(|_| {
        world.add_host();
    });
    let loses_power = random.chance(2, 3);
    let fsync = if loses_power { "always" } else { "everysec" };
    let mut pick = |values: [&'static str; 2]| values[random.below(2) as usize];
    let directives = format!(
        "port {CLIENT_PORT}\nprotected-mode no\nsave \"\"\nappendonly yes\nappendfsync {fsync}\n\
         aof-use-rdb-preamble {}\naof-timestamp-enabled {}\nauto-aof-rewrite-min-size {}\n",
        pick(["yes", "no"]),
        pick(["yes", "no"]),
        pick(["1kb", "64mb"]),
    );
    let mut run =
        Run { world, random, directives, loses_power, restart_at: None, restarts: 0, power_losses: 0 };
    run.boot();
    for host in WRITERS {
        let writer = Writer::new(run.world.ip(SERVER), format!("key:{host}"));
        run.world.boot(host, Actor::Writer(Box::new(writer)));
    }
    run.world.boot(OPERATOR, Actor::Operator(Box::new(Operator::new(CLIENT_PORT))));
    let violation = run.play().err();
    Outcome {
        violation,
        writes: run.writes(),
        restarts: run.restarts,
        power_losses: run.power_losses,
        trace: run.world.trace.hash(),
    }
}

impl Run {
    fn boot(&mut self) {
        let seed = self.world.random.word();
        let node = Node::new(crate::settings::config(&self.directives), node::Identity::default(), seed);
        self.world.boot(SERVER, Actor::Node(Box::new(node)));
    }

    fn play(&mut self) -> Result<(), Violation> {
        let end_us = self.world.now_us() + 20_000_000;
        let gap_us = self.random.between(50_000, 2_000_000);
        let mut fault_at = self.world.now_us() + gap_us;
        while self.world.now_us() < end_us {
            self.step()?;
            if self.world.now_us() >= fault_at {
                fault_at = self.world.now_us() + self.random.between(gap_us / 4, gap_us * 2);
                self.fault();
            }
        }
        self.world.mend_disks();
        let before = self.writes();
        let end_us = self.world.now_us() + 15_000_000;
        while self.world.now_us() < end_us {
            self.step()?;
        }
        if self.writes() == before {
            return Err(Violation {
                rule: "writers go on",
                text: format!("after {before} writes they stand"),
            });
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Violation> {
        let now_us = self.world.now_us();
        self.world.run_until(now_us + LOOK_EVERY_US);
        if self.world.machine(SERVER).is_none() {
            let at = *self.restart_at.get_or_insert(now_us + self.random.between(1_000, 400_000));
            if at <= now_us {
                self.restart_at = None;
                self.restarts += 1;
                self.boot();
            }
        }
        for host in WRITERS {
            if let Some(Actor::Writer(writer)) = self.world.machine(host)
                && let Some(text) = writer.broken.clone()
            {
                return Err(Violation { rule: "what was acknowledged is there, once", text });
            }
        }
        Ok(())
    }

    fn fault(&mut self) {
        match self.random.below(8) {
            0..=2 if self.world.machine(SERVER).is_some() => {
                let is_power_lost = self.loses_power && self.random.chance(1, 2);
                self.power_losses += u64::from(is_power_lost);
                self.world.crash(SERVER, is_power_lost);
            }
            3 => {
                let span_us = self.random.between(10_000, 3_000_000);
                self.world.fill_disk(SERVER, span_us);
            }
            4 => {
                let span_us = self.random.between(10_000, 1_000_000);
                self.world.slow_disk(SERVER, span_us);
            }
            _ => {
                let to = self.world.ip(SERVER);
                if let Some(Actor::Operator(operator)) = self.world.machine_mut(OPERATOR) {
                    operator.send(to, "BGREWRITEAOF".into());
                }
                self.world.nudge(OPERATOR);
            }
        }
    }

    fn writes(&self) -> u64 {
        WRITERS
            .map(|host| match self.world.machine(host) {
                Some(Actor::Writer(writer)) => writer.writes,
                _ => 0,
            })
            .sum()
    }
}
