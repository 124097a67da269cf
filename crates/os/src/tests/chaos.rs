//! The reference machine under faults: clients check every byte and its order.

use super::reference::{BIG_CHUNK, Reference, big_byte};
use super::{Running, Scratch, run};
use crate::faults::Faults;
use base::Random;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// 20 s: a client that waits longer has found a lost wake.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one client sends, what must come back, and where a failed write may end it.
#[derive(Default)]
struct Script {
    sent: Vec<u8>,
    expected: Vec<u8>,
    /// Offset in `expected` of the first reply that waits for the disk.
    first_gate: Option<usize>,
    /// Texts that a file must hold before they are told, and where their replies end.
    grown: Vec<(usize, String)>,
    half_closes: bool,
}

fn script(random: &mut Random, client: u64) -> Script {
    let mut script = Script { half_closes: random.chance(1, 2), ..Script::default() };
    let is_gated = random.chance(1, 2);
    for number in 0..random.between(10, 120) {
        let text = format!("c{client}-{number}-{}", "x".repeat(random.below(300) as usize));
        match random.below(20) {
            0 | 1 if is_gated => script.gated("GATE", &text),
            2 | 3 if is_gated => script.gated("GROW", &text),
            4 if !script.half_closes => {
                script.request(&["LATER", &text, &random.below(5).to_string()]);
                script.expect_line(&text);
            }
            5 => {
                let len = random.between(1, 20 * BIG_CHUNK as u64);
                script.request(&["BIG", &len.to_string()]);
                script.expected.extend((0..len as usize).map(big_byte));
            }
            6 | 7 => script.echo("AUTH", &text),
            8 => script.echo("ECHO", &"y".repeat(random.below(200_000) as usize)),
            _ => script.echo("ECHO", &text),
        }
    }
    if !script.half_closes {
        script.echo("BYE", "now");
    }
    script
}

impl Script {
    fn request(&mut self, args: &[&str]) {
        self.sent.extend(format!("*{}\r\n", args.len()).bytes());
        for arg in args {
            self.sent.extend(format!("${}\r\n{arg}\r\n", arg.len()).bytes());
        }
    }

    fn expect_line(&mut self, text: &str) {
        self.expected.extend(format!("+{text}\r\n").bytes());
    }

    fn echo(&mut self, name: &str, text: &str) {
        self.request(&[name, text]);
        self.expect_line(text);
    }

    fn gated(&mut self, name: &str, text: &str) {
        self.first_gate.get_or_insert(self.expected.len());
        self.echo(name, text);
        if name == "GROW" {
            self.grown.push((self.expected.len(), text.to_string()));
        }
    }
}

/// The two kinds of sockets, as far as the clients need them.
trait Socket: Read + Write + Send + Sized + 'static {
    /// The same socket, for another thread; neither waits for ever.
    fn twin(&self) -> Self;
    fn end_writing(&self);
}

impl Socket for TcpStream {
    fn twin(&self) -> TcpStream {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
        self.set_write_timeout(Some(PATIENCE)).unwrap();
        self.try_clone().unwrap()
    }
    fn end_writing(&self) {
        // The server may have closed already, after a failed write.
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Socket for UnixStream {
    fn twin(&self) -> UnixStream {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
        self.set_write_timeout(Some(PATIENCE)).unwrap();
        self.try_clone().unwrap()
    }
    fn end_writing(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// Plays a script; returns how many bytes came back.
fn play<S: Socket>(socket: S, script: &Script, mut random: Random, seed: u64) -> usize {
    let mut writer = socket.twin();
    let mut reader = socket;
    let sent = script.sent.clone();
    let half_closes = script.half_closes;
    let mut pace = random.fork();
    let writing = std::thread::spawn(move || {
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let len = rest.len().min(pace.between(1, 9_000) as usize);
            if writer.write_all(&rest[..len]).is_err() {
                return;
            }
            rest = &rest[len..];
            if pace.chance(1, 8) {
                std::thread::yield_now();
            }
        }
        if half_closes {
            writer.end_writing();
        }
    });
    let mut received = Vec::new();
    let mut bytes = vec![0; 32 << 10];
    loop {
        if random.chance(1, 16) {
            // A slow reader: the server's socket fills.
            std::thread::sleep(Duration::from_micros(random.below(3_000)));
        }
        let room = random.between(1, bytes.len() as u64) as usize;
        match reader.read(&mut bytes[..room]) {
            Ok(0) => break,
            Ok(len) => received.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("seed {seed}: no answer in 20 s"),
            // A reset, after a failed write.
            Err(_) => break,
        }
    }
    writing.join().unwrap();
    assert!(script.expected.starts_with(&received), "seed {seed}: other bytes, or another order");
    let is_whole = received.len() == script.expected.len();
    assert!(
        is_whole || script.first_gate.is_some(),
        "seed {seed}: replies are missing without a failed write: {} of {}, half close {}",
        received.len(),
        script.expected.len(),
        script.half_closes
    );
    received.len()
}

fn stop(address: SocketAddr) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"*1\r\n$4\r\nSTOP\r\n").unwrap();
    let mut reply = Vec::new();
    // A reset ends it as well, after a failed write.
    let _ = socket.read_to_end(&mut reply);
    reply
}

/// Plays all scripts at once; returns how many came back whole, and what the file must hold by now.
fn clients(dir: &Path, address: SocketAddr, seed: u64, count: u64) -> (u64, Vec<String>) {
    let mut random = Random::new(seed);
    let threads: Vec<_> = (0..count)
        .map(|client| {
            let mut random = random.fork();
            let path = dir.join("socket");
            std::thread::spawn(move || {
                let script = script(&mut random, client);
                let received = if random.chance(1, 3) {
                    play(UnixStream::connect(path).unwrap(), &script, random, seed)
                } else {
                    play(TcpStream::connect(address).unwrap(), &script, random, seed)
                };
                let is_told = |grown: &(usize, String)| grown.0 <= received;
                let told: Vec<String> =
                    script.grown.into_iter().filter(is_told).map(|(_, text)| text).collect();
                (received == script.expected.len(), told)
            })
        })
        .collect();
    let (mut whole, mut told) = (0, Vec::new());
    for thread in threads {
        let (is_whole, mut texts) = thread.join().unwrap();
        whole += u64::from(is_whole);
        told.append(&mut texts);
    }
    (whole, told)
}

fn check(name: &str, seed: u64, faults: Arc<Faults>) -> (u64, Reference) {
    let scratch = Scratch::new(&format!("{name}-{seed}"));
    let Running { address, thread } = run(scratch.path(), Some(faults), Reference::new());
    let (whole, told) = clients(scratch.path(), address, seed, 24);
    let reply = stop(address);
    let (code, machine) = thread.join().unwrap();
    assert_eq!(code, 7, "seed {seed}");
    let is_kept = std::fs::read(scratch.path().join("stopped")).is_ok_and(|bytes| bytes == b"stopped");
    assert!(reply.is_empty() || reply == b"+stopped\r\n", "seed {seed}");
    assert!(reply.is_empty() || is_kept, "seed {seed}: told before it was durable");
    let grown = std::fs::read_to_string(scratch.path().join("growing")).unwrap_or_default();
    for text in told {
        assert!(grown.contains(&text), "seed {seed}: told, and not in the file");
    }
    assert_eq!(machine.opened, 25, "seed {seed}");
    assert_eq!(machine.closed, 24, "seed {seed}: all but the one that stopped it");
    (whole, machine)
}

#[test]
fn every_byte_comes_in_order_without_faults() {
    let (whole, machine) = check("calm", 1, Arc::new(Faults::counting()));
    assert_eq!((whole, machine.disk_failures), (24, 0));
    assert!(machine.unsent_peak > 0);
}

#[test]
fn every_byte_comes_in_order_under_faults() {
    let (mut whole, mut failures, mut injected) = (0, 0, 0);
    for seed in 1..=12 {
        println!("seed {seed}");
        let faults = Arc::new(Faults::seeded(seed));
        let (one, machine) = check("chaos", seed, Arc::clone(&faults));
        whole += one;
        failures += machine.disk_failures;
        injected += faults.injected();
    }
    println!("{whole} whole, {failures} failed writes, {injected} faults");
    assert!(whole > 60 && failures > 10 && injected > 1_000, "the faults are at work, and most clients pass");
}
