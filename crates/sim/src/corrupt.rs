//! Corrupt: data directories with one damage each, which a server starts on.
//!
//! ```text
//!   directory --one byte changed, or an end cut off--> server: goes on, or says what and where
//! ```
//!
//! What is damaged and still loads is used: a digest of all values, a rewrite of the log, a save, another start.
//!
//! Catches: a decoder that panics, or goes on for ever, or fills the memory; an error that does not say where.

use crate::operator::Operator;
use crate::world::{CLIENT_PORT, World};
use base::{Now, Random};
use machine::{Input, Machine, Outbox};
use node::Node;

/// The hosts, in the order in which they are added.
const SERVER: usize = 0;
const OPERATOR: usize = 1;
/// 60 s of the world's time: no start takes longer.
const START_US: u64 = 60_000_000;
/// 2 s of the world's time: a command that uses the data.
const USE_US: u64 = 2_000_000;

/// Files of a data directory: path and bytes.
pub type Files = Vec<(String, Vec<u8>)>;

/// What came of a damage.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server serves, as if nothing was.
    Served,
    /// The server serves, and said how much it has left out.
    Dropped(String),
    /// The server ended with this error.
    Refused(String),
    /// It neither serves nor has it ended.
    Stuck,
    /// The server ended without saying why and where; its last words.
    Unclear(String),
}

/// Damages one file, and says how.
pub fn damage(files: &mut Files, random: &mut Random) -> String {
    let whole: Vec<usize> = (0..files.len()).filter(|index| !files[*index].1.is_empty()).collect();
    let (path, bytes) = &mut files[whole[random.below(whole.len() as u64) as usize]];
    let mut note = String::new();
    let is_rdb = bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY");
    if is_rdb && path.ends_with(".rdb") && random.chance(2, 3) {
        // Without its checksum the damage is for the decoders to see.
        let end = bytes.len();
        bytes[end.saturating_sub(8)..].fill(0);
        note.push_str("no checksum, ");
    }
    let mut at = random.below(bytes.len() as u64) as usize;
    if random.chance(1, 4) {
        at %= 400;
    }
    let how = match random.below(6) {
        0 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit at {at}")
        }
        2 => {
            const LIKELY: [u8; 12] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc3, 0xfe, 0xff];
            bytes[at] = LIKELY[random.below(LIKELY.len() as u64) as usize];
            format!("byte {at} is {:#04x}", bytes[at])
        }
        3 => {
            bytes[at] = bytes[at].wrapping_add(1);
            format!("byte {at} plus one")
        }
        _ => {
            bytes[at] = random.below(256) as u8;
            format!("byte {at} is {:#04x}", bytes[at])
        }
    };
    format!("{path}: {note}{how}")
}

/// The server, or who sends it commands.
enum Actor {
    Node(Box<Node>),
    Operator(Box<Operator>),
}

impl Machine for Actor {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.handle(now, input, out),
            Actor::Operator(operator) => operator.handle(now, input, out),
        }
    }

    fn seal(&mut self, now: Now, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.seal(now, out),
            Actor::Operator(operator) => operator.seal(now, out),
        }
    }
}

struct Run {
    world: World<Actor>,
    directives: String,
}

/// Starts a server on these files, and uses what it has loaded.
pub fn run(files: &Files, seed: u64) -> Verdict {
    let mut world: World<Actor> = World::new(seed, |_| false);
    world.keeps_log = true;
    (0..2).for_each(|_| {
        world.add_host();
    });
    for (path, bytes) in files {
        world.disk_mut(SERVER).write(path, bytes.clone());
    }
    let has_log = files.iter().any(|(path, _)| path.starts_with("appendonlydir/"));
    let truncates = !world.random.chance(1, 4);
    let word = |is: bool| if is { "yes" } else { "no" };
    let directives = format!(
        "port {CLIENT_PORT}\nprotected-mode no\nsave \"\"\nenable-debug-command yes\nappendonly {}\n\
         aof-load-truncated {}\n",
        word(has_log),
        word(truncates)
    );
    let mut run = Run { world, directives };
    let verdict = run.start();
    if matches!(verdict, Verdict::Served | Verdict::Dropped(_)) {
        run.world.boot(OPERATOR, Actor::Operator(Box::new(Operator::new(CLIENT_PORT))));
        for command in ["DEBUG DIGEST", "BGREWRITEAOF", "SAVE", "DEBUG RELOAD", "FLUSHALL"] {
            run.ask(command);
            if run.world.machine(SERVER).is_none() {
                return Verdict::Unclear(format!("{command} ended the server: {}", run.last_words()));
            }
        }
    }
    verdict
}

impl Run {
    fn start(&mut self) -> Verdict {
        let seed = self.world.random.word();
        let node = Node::new(crate::settings::config(&self.directives), node::Identity::default(), seed);
        self.world.boot(SERVER, Actor::Node(Box::new(node)));
        let until_us = self.world.now_us() + START_US;
        while self.world.now_us() < until_us {
            let now_us = self.world.now_us();
            self.world.run_until(now_us + 1_000);
            if self.world.machine(SERVER).is_none() {
                let words = self.last_words();
                return if says_where(&words) { Verdict::Refused(words) } else { Verdict::Unclear(words) };
            }
            if let Some((_, _, line)) = self.world.log.last()
                && line.contains("Ready to accept connections")
            {
                let dropped =
                    self.world.log.iter().find(|(_, _, line)| line.contains("bytes at its end are dropped"));
                return dropped.map_or(Verdict::Served, |(_, _, line)| Verdict::Dropped(line.clone()));
            }
        }
        Verdict::Stuck
    }

    fn ask(&mut self, command: &str) {
        let to = self.world.ip(SERVER);
        if let Some(Actor::Operator(operator)) = self.world.machine_mut(OPERATOR) {
            operator.send(to, command.into());
        }
        self.world.nudge(OPERATOR);
        let now_us = self.world.now_us();
        self.world.run_until(now_us + USE_US);
    }

    fn last_words(&self) -> String {
        let from = self.world.log.len().saturating_sub(2);
        self.world.log[from..].iter().map(|(_, _, text)| text.as_str()).collect::<Vec<_>>().join(" | ")
    }
}

/// An error names the place: a byte of a file, a line of a list, or a file that is not there.
fn says_where(words: &str) -> bool {
    let number_follows = |name: &str| {
        words.match_indices(name).any(|(at, _)| {
            words[at + name.len()..].trim_start().starts_with(|letter: char| letter.is_ascii_digit())
        })
    };
    number_follows("byte ")
        || number_follows("offset ")
        || number_follows("line ")
        || words.contains("No such file")
}
