//! The world itself, with the same kind of machine that the production world is tested with: what a machine may rely on
//! there holds here.

mod reference;

use base::{Now, Span, Time};
use machine::{Address, ConnId, Dialer, Input, Machine, Outbox, Output};
use reference::{Reference, big_byte};
use sim::world::{CLIENT_PORT, World};
use std::collections::VecDeque;
use std::net::IpAddr;
use wire::Mode;

/// Sends its requests in pieces, each when its time has come, and keeps what comes back.
struct Talker {
    to: IpAddr,
    pieces: VecDeque<(u64, Vec<u8>)>,
    dialer: Dialer,
    conn: Option<ConnId>,
    is_up: bool,
    heard: Vec<u8>,
    ends: u32,
}

enum Actor {
    Server(Box<Reference>),
    Talker(Talker),
}

impl Talker {
    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { result, .. } => self.is_up = result.is_ok(),
            Input::Batches(batches) => {
                for (_, batch) in batches {
                    (0..batch.len()).for_each(|at| self.heard.extend_from_slice(batch.request(at).at(0)));
                }
            }
            Input::Closed { .. } => self.ends += 1,
            _ => {}
        }
        if self.conn.is_none() {
            let conn = self.dialer.dial();
            self.conn = Some(conn);
            out.put(Output::Connect { conn, to: Address::Inet(self.to, CLIENT_PORT), mode: Mode::Raw });
        }
        let is_due =
            |pieces: &VecDeque<(u64, _)>| pieces.front().is_some_and(|(ms, _)| ms * 1_000 <= now.mono.0);
        while let (true, true, Some(conn)) = (self.is_up, is_due(&self.pieces), self.conn) {
            let (_, bytes) = self.pieces.pop_front().expect("one is due");
            out.send(conn, bytes);
        }
    }
}

impl Machine for Actor {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match self {
            Actor::Server(server) => server.handle(now, input, out),
            Actor::Talker(talker) => talker.step(now, input, out),
        }
    }

    fn seal(&mut self, now: Now, out: &mut Outbox) {
        match self {
            Actor::Server(server) => server.seal(now, out),
            Actor::Talker(talker) => {
                if let Some((ms, _)) = talker.pieces.front() {
                    out.wake(Time(*ms * 1_000).max(now.mono + Span::ms(1)));
                }
            }
        }
    }
}

/// A server (host 0) and a talker for each script. A script's line is `ms request`.
fn world(seed: u64, scripts: &[&str]) -> World<Actor> {
    let mut world = World::new(seed, |_| false);
    let server = world.add_host();
    let to = world.ip(server);
    for script in scripts {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let ms = words.next().unwrap().parse().unwrap();
            let words: Vec<&[u8]> = words.map(str::as_bytes).collect();
            let mut bytes = vec![];
            wire::request(&mut bytes, &words);
            (ms, bytes)
        };
        let pieces = script.lines().map(str::trim).filter(|text| !text.is_empty()).map(line).collect();
        let host = world.add_host();
        let talker = Talker {
            to,
            pieces,
            dialer: Dialer::default(),
            conn: None,
            is_up: false,
            heard: vec![],
            ends: 0,
        };
        world.boot(host, Actor::Talker(talker));
    }
    world.boot(server, Actor::Server(Box::default()));
    world
}

fn talker(world: &World<Actor>, host: usize) -> &Talker {
    match world.machine(host) {
        Some(Actor::Talker(talker)) => talker,
        _ => panic!("host {host} is no talker"),
    }
}

fn server(world: &World<Actor>) -> &Reference {
    match world.machine(0) {
        Some(Actor::Server(server)) => server,
        _ => panic!("the server is gone"),
    }
}

fn heard(world: &World<Actor>, host: usize) -> String {
    String::from_utf8(talker(world, host).heard.clone()).unwrap()
}

/// Runs a second; the talkers have heard these lines then.
#[track_caller]
fn check(scripts: &[&str], expected: &[&str]) {
    for seed in 0..20 {
        let mut world = world(seed, scripts);
        world.run_until(1_500_000);
        for (host, expected) in expected.iter().enumerate() {
            let expected: String = expected.split(' ').map(|word| format!("+{word}\r\n")).collect();
            assert_eq!(heard(&world, host + 1), expected, "seed {seed}");
        }
    }
}

#[test]
fn replies_keep_their_order_through_gates_holds_and_timers() {
    check(
        &["0 ECHO a\n 0 GATE b\n 0 ECHO c\n 0 AUTH d\n 0 ECHO e\n 5 LATER f 30\n 6 ECHO g"],
        &["a b c d e f g"],
    );
    check(&["0 GROW a\n 1 GROW b\n 2 ECHO c", "0 GATE x\n 0 GATE y\n 3 BYE z"], &["a b c", "x y z"]);
}

#[test]
fn a_gated_reply_comes_after_its_write_is_durable() {
    for seed in 0..20 {
        let script: String = (0..9).map(|at| format!("{at} GATE {at}\n")).collect();
        let mut world = world(seed, &[&script]);
        world.slow_disk(0, 100_000);
        while heard(&world, 1).lines().count() < 9 {
            world.run_until(world.now_us() + 500);
            let heard = heard(&world, 1);
            let Some(last) = heard.lines().last() else { continue };
            let durable = world.disk_mut(0).file("small").expect("there is a file").to_vec();
            assert!(durable.as_slice() >= &last.as_bytes()[1..], "seed {seed}: {last} before its write");
            assert!(world.now_us() < 5_000_000, "seed {seed}");
        }
    }
}

#[test]
fn what_waits_for_a_failed_write_is_never_told() {
    for seed in 0..20 {
        let mut world = world(seed, &["0 ECHO a\n 50 GATE b\n 50 ECHO c", "100 ECHO d"]);
        world.fill_disk(0, 400_000);
        world.run_until(1_500_000);
        assert_eq!(heard(&world, 1), "+a\r\n", "seed {seed}");
        assert_eq!((talker(&world, 1).ends, heard(&world, 2).as_str()), (1, "+d\r\n"), "seed {seed}");
        assert_eq!((server(&world).disk_failures, server(&world).closed), (1, 1), "seed {seed}");
    }
}

#[test]
fn a_large_reply_is_whole_and_what_is_unsent_is_told() {
    for seed in 0..10 {
        let mut world = world(seed, &["0 BIG 300000\n 0 BYE end"]);
        world.run_until(3_000_000);
        let talker = talker(&world, 1);
        let expected: Vec<u8> = (0..300_000).map(big_byte).chain(*b"+end\r\n").collect();
        assert!(talker.heard == expected, "seed {seed}: {} bytes", talker.heard.len());
        assert_eq!((talker.ends, server(&world).opened, server(&world).closed), (1, 1, 1), "seed {seed}");
        assert!(server(&world).unsent_peak > 0, "seed {seed}");
    }
}

#[test]
fn an_exit_comes_after_what_was_put_out_before() {
    for seed in 0..10 {
        let mut world = world(seed, &["0 ECHO a\n 0 STOP"]);
        world.run_until(1_000_000);
        assert_eq!(
            (heard(&world, 1).as_str(), world.exit_code(0)),
            ("+a\r\n+stopped\r\n", Some(7)),
            "seed {seed}"
        );
        assert!(world.disk_mut(0).file("stopped").is_some());
        assert_eq!(talker(&world, 1).ends, 1, "seed {seed}");
    }
}

#[test]
fn a_killed_host_is_heard_and_a_dark_one_is_not() {
    for (is_power_lost, ends) in [(false, 1), (true, 0)] {
        let mut world = world(3, &["0 ECHO a\n 600 ECHO b"]);
        world.run_until(500_000);
        world.crash(0, is_power_lost);
        world.run_until(1_000_000);
        assert_eq!(talker(&world, 1).ends, ends);
        world.boot(0, Actor::Server(Box::default()));
        world.run_until(2_000_000);
        assert_eq!(
            (talker(&world, 1).ends, heard(&world, 1).as_str()),
            (1, "+a\r\n"),
            "nobody answers for it"
        );
    }
}

#[test]
fn one_seed_is_one_run() {
    let trace = |seed| {
        let mut world = world(seed, &["0 ECHO a\n 1 GATE b\n 2 BIG 100000\n 3 LATER c 20"]);
        world.run_until(1_000_000);
        world.trace.hash()
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn no_write_is_lost_between_a_copy_and_its_removal() {
    let (mut writes, mut moved) = (0, 0);
    for seed in 1..=6 {
        let outcome = sim::moving::run(seed);
        assert_eq!(outcome.violation, None, "seed {seed}");
        writes += outcome.writes;
        moved += outcome.moved;
    }
    assert!(writes > 1_000 && moved > 20, "{writes} writes, {moved} keys moved");
}

#[test]
fn nothing_acknowledged_leaves_the_append_only_file() {
    // SEEDS: how many, for a long run by hand.
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let (mut writes, mut restarts) = (0, 0);
    for seed in 1..=seeds {
        let outcome = sim::filed::run(seed);
        assert_eq!(outcome.violation, None, "seed {seed}");
        writes += outcome.writes;
        restarts += outcome.restarts;
    }
    assert!(writes > 1_000 && restarts > 5, "{writes} writes, {restarts} restarts");
}
