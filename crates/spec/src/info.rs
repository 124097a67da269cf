//! INFO: every section and field of the original, one row for each field, and the plain facts behind them.
//!
//! ```text
//!   node, engine, journal, cluster, host --fill--> Facts --rows of FIELDS--> text
//! ```
//!
//! Clients read INFO by the names of its fields, so the names and their order are those of Redis 7.2; the golden
//! list in `tests/golden` holds the answer of a real server. A field of a feature that does not exist yet
//! says what the original says when the feature is not in use.

mod facts;
mod newer;
mod table;

pub use facts::{
    Aof, Clients, Cluster, CommandStat, Cpu, Database, ErrorStat, Facts, LatencyStat, Listener, Memory,
    Pause, Persistence, PrimaryLink, Replica, Replication, Server, Stats, Turns,
};
pub use newer::NEWER;
pub use table::FIELDS;

use alloc::format;
use alloc::vec::Vec;

/// The version of Redis that the program answers like, as clients are told.
pub const REDIS_VERSION: &str = "7.2.4";
/// The version of Valkey that the program answers like, where `extended-redis-compatibility` is off.
pub const VALKEY_VERSION: &str = "9.1.0";
/// The program's own version.
pub const REDAN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A section of INFO, in the order of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The program and its process.
    Server,
    /// Connections.
    Clients,
    /// Memory.
    Memory,
    /// Snapshots and the append-only file.
    Persistence,
    /// Counters.
    Stats,
    /// Replication.
    Replication,
    /// Processor time.
    Cpu,
    /// Loaded modules: there are none.
    Modules,
    /// Calls of each command.
    Commandstats,
    /// Errors of each code.
    Errorstats,
    /// Latencies of each command.
    Latencystats,
    /// Whether this is a cluster's node.
    Cluster,
    /// Keys of each database.
    Keyspace,
    /// Turns of the loop in detail: only where it is asked for by its name.
    Debug,
}

impl Section {
    /// All sections, in the order of the answer.
    pub const ALL: [Section; 14] = [
        Section::Server,
        Section::Clients,
        Section::Memory,
        Section::Persistence,
        Section::Stats,
        Section::Replication,
        Section::Cpu,
        Section::Modules,
        Section::Commandstats,
        Section::Errorstats,
        Section::Latencystats,
        Section::Cluster,
        Section::Keyspace,
        Section::Debug,
    ];

    /// Its name, as the answer's heading writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Section::Server => "Server",
            Section::Clients => "Clients",
            Section::Memory => "Memory",
            Section::Persistence => "Persistence",
            Section::Stats => "Stats",
            Section::Replication => "Replication",
            Section::Cpu => "CPU",
            Section::Modules => "Modules",
            Section::Commandstats => "Commandstats",
            Section::Errorstats => "Errorstats",
            Section::Latencystats => "Latencystats",
            Section::Cluster => "Cluster",
            Section::Keyspace => "Keyspace",
            Section::Debug => "Debug",
        }
    }

    const fn is_default(self) -> bool {
        !matches!(self, Section::Commandstats | Section::Latencystats | Section::Debug)
    }
}

/// A set of sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections(u16);

impl Sections {
    /// The sections that the words of an INFO command choose: no word and `default` give the usual ones, `all` and
    /// `everything` give all. An unknown word chooses nothing.
    pub fn chosen(words: &[&[u8]]) -> Sections {
        if words.is_empty() {
            return Sections::those(Section::is_default);
        }
        words
            .iter()
            .fold(Sections::default(), |sections, word| Sections(sections.0 | Sections::of_word(word).0))
    }

    fn of_word(word: &[u8]) -> Sections {
        match word.to_ascii_lowercase().as_slice() {
            b"default" => Sections::those(Section::is_default),
            b"all" | b"everything" => Sections::those(|section| section != Section::Debug),
            b"module_list" => Sections::those(|section| section == Section::Modules),
            name => Sections::those(|section| section.name().as_bytes().eq_ignore_ascii_case(name)),
        }
    }

    fn those(is_chosen: impl Fn(Section) -> bool) -> Sections {
        let chosen = Section::ALL.into_iter().filter(|section| is_chosen(*section));
        Sections(chosen.fold(0, |bits, section| bits | 1 << section as u16))
    }

    /// True when `section` is chosen: what is costly to find out is left out of the facts otherwise.
    pub const fn has(self, section: Section) -> bool {
        self.0 >> section as u16 & 1 == 1
    }
}

/// One field: its section, its name and where its value comes from.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The section that it stands in.
    pub section: Section,
    /// Its name; of a row with several lines, what their names begin with.
    pub name: &'static str,
    /// Its value or lines.
    pub show: Show,
}

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug)]
pub enum Show {
    /// One line, or none.
    Value(fn(&Facts) -> Shown<'_>),
    /// A line for each of something: written whole, with their ends.
    Lines(fn(&Facts, &mut Vec<u8>)),
}

/// A value as it is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown<'a> {
    /// The field is left out.
    Absent,
    /// A whole number.
    Number(i64),
    /// A whole number that is never negative.
    Size(u64),
    /// `1` or `0`.
    Flag(bool),
    /// Bytes in a form for people: `918.95K`.
    Human(u64),
    /// A number with so many digits behind the point.
    Fixed(f64, usize),
    /// A percentage with two digits behind the point and its sign.
    Percent(f64),
    /// A time in microseconds, printed in seconds with six digits.
    Seconds(u64),
    /// A text.
    Text(&'a [u8]),
}

impl Shown<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Shown::Absent => {}
            Shown::Number(number) => out.extend_from_slice(format!("{number}").as_bytes()),
            Shown::Size(size) => out.extend_from_slice(format!("{size}").as_bytes()),
            Shown::Flag(flag) => out.push(if flag { b'1' } else { b'0' }),
            Shown::Human(bytes) => write_human(out, bytes),
            Shown::Fixed(number, digits) => out.extend_from_slice(format!("{number:.digits$}").as_bytes()),
            Shown::Percent(number) => out.extend_from_slice(format!("{number:.2}%").as_bytes()),
            Shown::Seconds(us) => {
                out.extend_from_slice(format!("{}.{:06}", us / 1_000_000, us % 1_000_000).as_bytes());
            }
            // A line's end inside of a value would be a field of its own.
            Shown::Text(text) => {
                out.extend(text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
            }
        }
    }
}

fn percent(part: u64, whole: u64) -> Shown<'static> {
    Shown::Percent(if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

fn ratio(one: u64, other: u64) -> Shown<'static> {
    Shown::Fixed(if other == 0 { 0.0 } else { one as f64 / other as f64 }, 2)
}

fn write_human(out: &mut Vec<u8>, bytes: u64) {
    const UNITS: &[u8] = b"KMGTP";
    if bytes < 1024 {
        out.extend_from_slice(format!("{bytes}B").as_bytes());
        return;
    }
    let place = ((63 - bytes.leading_zeros()) / 10 - 1).min(UNITS.len() as u32 - 1);
    let size = bytes as f64 / (1u64 << (10 * (place + 1))) as f64;
    out.extend_from_slice(format!("{size:.2}{}", char::from(UNITS[place as usize])).as_bytes());
}

/// Appends the answer: the chosen sections with their headings, a blank line between two of them.
pub fn render(sections: Sections, facts: &Facts, out: &mut Vec<u8>) {
    let start = out.len();
    for section in Section::ALL.into_iter().filter(|section| sections.has(*section)) {
        if out.len() > start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("# {}\r\n", section.name()).as_bytes());
        for field in FIELDS.iter().chain(NEWER).filter(|field| field.section == section) {
            match field.show {
                Show::Lines(write) => write(facts, out),
                Show::Value(value) => match value(facts) {
                    Shown::Absent => {}
                    shown => {
                        out.extend_from_slice(field.name.as_bytes());
                        out.push(b':');
                        shown.write(out);
                        out.extend_from_slice(b"\r\n");
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
