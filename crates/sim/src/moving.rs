//! Moving: two servers, a writer, and an operator who moves the writer's keys from one to the other.
//!
//! ```text
//!   writer --SET key n XX--> source --RESTORE--> target       faults: pauses, cut wires, broken connections
//!                              ^ MIGRATE
//!                           operator
//! ```
//!
//! Neither server ever loses its memory. So at every moment each key is at the source or at the target, and what is
//! there is at least as new as what the writer was told: no write falls between the copy and its removal.
//!
//! Catches: a write that runs while its key is in flight; a key that is removed before the target has it.

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
const SOURCE: usize = 0;
const TARGET: usize = 1;
const WRITER: usize = 2;
const OPERATOR: usize = 3;
/// 40: keys; few, so that writes and moves meet.
const KEYS: usize = 40;
/// A server that says nothing for so long is given up.
const SILENCE: Span = Span::seconds(3);
/// The checker looks so often.
const LOOK_EVERY_US: u64 = 2_000;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Keys that are at the target in the end.
    pub moved: usize,
    /// The hash of everything that happened.
    pub trace: u64,
}

/// What the writer knows of one key.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The value that was acknowledged last; none before the first.
    acknowledged: Option<u64>,
    /// It is not written any more: it was moved, or what became of a write is unknown.
    is_left: bool,
}

/// Writes each key again and again, with a number that counts up, as long as it is at the source.
#[derive(Debug)]
struct Writer {
    to: IpAddr,
    random: Random,
    dialer: Dialer,
    conn: Option<ConnId>,
    parser: Parser,
    asked: Option<usize>,
    since: Time,
    known: Vec<Known>,
    writes: u64,
}

impl Writer {
    fn new(to: IpAddr, random: Random) -> Writer {
        Writer {
            to,
            random,
            dialer: Dialer::default(),
            conn: None,
            parser: Parser::default(),
            asked: None,
            since: Time::START,
            known: vec![Known::default(); KEYS],
            writes: 0,
        }
    }

    fn dial(&mut self, now: Now, out: &mut Outbox) {
        if let Some(conn) = self.conn.take() {
            out.put(Output::Close { conn, closing: Closing::Now });
        }
        // Whether the last write was carried out is unknown: its key is left as it is.
        if let Some(place) = self.asked.take() {
            self.known[place].is_left = true;
        }
        let conn = self.dialer.dial();
        self.conn = Some(conn);
        self.parser = Parser::default();
        self.since = now.mono;
        out.put(Output::Connect { conn, to: Address::Inet(self.to, CLIENT_PORT), mode: Mode::Raw });
    }

    fn write(&mut self, now: Now, out: &mut Outbox) {
        let open: Vec<usize> = (0..KEYS).filter(|place| !self.known[*place].is_left).collect();
        let (Some(conn), false) = (self.conn, open.is_empty()) else { return };
        let place = open[self.random.below(open.len() as u64) as usize];
        let next = self.known[place].acknowledged.map_or(0, |value| value + 1).to_string();
        let (key, mut bytes) = (key(place), Vec::new());
        let words: [&[u8]; 4] = [b"SET", key.as_bytes(), next.as_bytes(), b"XX"];
        // The first write makes the key; no later one does.
        let is_first = self.known[place].acknowledged.is_none();
        wire::request(&mut bytes, &words[..if is_first { 3 } else { 4 }]);
        self.asked = Some(place);
        self.since = now.mono;
        out.send(conn, bytes);
    }

    fn on_value(&mut self, now: Now, value: &Value, out: &mut Outbox) {
        let Some(place) = self.asked.take() else { return };
        let known = &mut self.known[place];
        match value {
            Value::Simple(_) => {
                known.acknowledged = Some(known.acknowledged.map_or(0, |value| value + 1));
                self.writes += 1;
            }
            _ => known.is_left = true,
        }
        self.write(now, out);
    }
}

impl Machine for Writer {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { conn, result: Ok(_) } if self.conn == Some(conn) => self.write(now, out),
            Input::Closed { conn } | Input::Connected { conn, result: Err(_) } if self.conn == Some(conn) => {
                self.conn = None;
                self.dial(now, out);
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
        if self.conn.is_none() || now.mono.since(self.since) > SILENCE {
            self.dial(now, out);
        }
    }

    fn seal(&mut self, _: Now, out: &mut Outbox) {
        out.wake(self.since + SILENCE + Span::ms(1));
    }
}

/// A server, the writer, or the operator.
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

fn key(place: usize) -> String {
    format!("key:{place}")
}

/// Runs one seed.
pub fn run(seed: u64) -> Outcome {
    let mut world: World<Actor> = World::new(seed, |_| false);
    let mut random = world.random.fork();
    for _ in 0..=OPERATOR {
        world.add_host();
    }
    for host in [SOURCE, TARGET] {
        let text = format!("port {CLIENT_PORT}\nprotected-mode no\nsave \"\"\n");
        let node = Node::new(crate::settings::config(&text), node::Identity::default(), world.random.word());
        world.boot(host, Actor::Node(Box::new(node)));
    }
    let writer = Writer::new(world.ip(SOURCE), random.fork());
    world.boot(WRITER, Actor::Writer(Box::new(writer)));
    world.boot(OPERATOR, Actor::Operator(Box::new(Operator::new(CLIENT_PORT))));
    let violation = play(&mut world, &mut random).err();
    let moved = (0..KEYS).filter(|place| !holds(&world, SOURCE, *place) && holds(&world, TARGET, *place));
    Outcome {
        violation,
        moved: moved.count(),
        writes: match world.machine(WRITER) {
            Some(Actor::Writer(writer)) => writer.writes,
            _ => 0,
        },
        trace: world.trace.hash(),
    }
}

fn play(world: &mut World<Actor>, random: &mut Random) -> Result<(), Violation> {
    let end_us = world.now_us() + 15_000_000;
    let gap_us = random.between(20_000, 1_000_000);
    let (mut fault_at, mut heal_at, mut move_at) = (end_us - 14_000_000, u64::MAX, end_us - 14_500_000);
    while world.now_us() < end_us {
        let now_us = world.now_us();
        world.run_until(now_us + LOOK_EVERY_US);
        look(world)?;
        if now_us >= heal_at {
            world.net.heal();
            heal_at = u64::MAX;
        }
        if now_us >= fault_at {
            fault_at = now_us + random.between(gap_us / 4, gap_us * 2);
            match random.below(6) {
                0 | 1 => world.pause(random.below(2) as usize, random.between(1_000, 900_000)),
                2 | 3 => {
                    let (out, back) = (random.chance(2, 3), random.chance(2, 3));
                    world.net.partition(&[SOURCE], &[TARGET], out, back);
                    heal_at = now_us + random.between(10_000, 1_500_000);
                }
                _ => world.break_connection(),
            }
        }
        if now_us >= move_at {
            move_at = now_us + random.between(20_000, 600_000);
            order_move(world, random);
        }
    }
    world.net.heal();
    // Nobody waits for ever: once all is well, what is still at the source can be written.
    let before = writes(world);
    world.run_until(world.now_us() + 10_000_000);
    look(world)?;
    let is_open = match world.machine(WRITER) {
        Some(Actor::Writer(writer)) => writer.known.iter().any(|known| !known.is_left),
        _ => false,
    };
    if is_open && writes(world) == before {
        return Err(Violation { rule: "writers go on", text: format!("after {before} writes they stand") });
    }
    Ok(())
}

fn writes(world: &World<Actor>) -> u64 {
    match world.machine(WRITER) {
        Some(Actor::Writer(writer)) => writer.writes,
        _ => 0,
    }
}

/// MIGRATE of a few keys. Without REPLACE: a copy that comes late, after its move was given up, must not win.
fn order_move(world: &mut World<Actor>, random: &mut Random) {
    let (source, target) = (world.ip(SOURCE), world.ip(TARGET));
    let names: Vec<String> =
        (0..random.between(1, 4)).map(|_| key(random.below(KEYS as u64) as usize)).collect();
    let timeout_ms = random.between(20, 800);
    let command = format!("MIGRATE {target} {CLIENT_PORT}  0 {timeout_ms} KEYS {}", names.join(" "));
    if let Some(Actor::Operator(operator)) = world.machine_mut(OPERATOR) {
        operator.send(source, command);
    }
    world.nudge(OPERATOR);
}

fn holds(world: &World<Actor>, host: usize, place: usize) -> bool {
    value(world, host, place).is_some()
}

fn value(world: &World<Actor>, host: usize, place: usize) -> Option<u64> {
    let Some(Actor::Node(node)) = world.machine(host) else { return None };
    String::from_utf8(node.text(key(place).as_bytes())?).ok()?.parse().ok()
}

fn look(world: &World<Actor>) -> Result<(), Violation> {
    let Some(Actor::Writer(writer)) = world.machine(WRITER) else { return Ok(()) };
    for (place, known) in writer.known.iter().enumerate() {
        let Some(acknowledged) = known.acknowledged else { continue };
        let (here, there) = (value(world, SOURCE, place), value(world, TARGET, place));
        let broken = |what: &str| {
            let text = format!(
                "{} at {}: acknowledged {acknowledged}, source {here:?}, target {there:?}: {what}",
                key(place),
                world.now_us()
            );
            Err(Violation { rule: "a moving key is whole", text })
        };
        match here.or(there) {
            None => return broken("it is nowhere"),
            Some(value) if value < acknowledged => return broken("a write is lost"),
            Some(_) => {}
        }
    }
    Ok(())
}
