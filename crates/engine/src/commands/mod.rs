//! The commands, by group. Each group is one static table and the handlers below it.

pub mod bitfield;
pub mod bitmaps;
pub mod client;
pub mod clients;
pub mod cluster;
mod cluster_scan;
pub mod command;
pub mod commandlog;
pub mod compare;
pub mod config;
pub mod connection;
pub mod databases;
pub mod debug;
pub mod dump;
pub mod durable;
pub mod expiry;
pub mod fields;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod info;
mod inspect;
pub mod keys;
pub mod lcs;
pub mod lists;
pub mod lolwut;
pub mod memory;
pub mod migrate;
pub mod monitor;
pub mod pause;
pub mod pubsub;
pub mod replication;
pub mod server;
pub mod set_algebra;
pub mod set_options;
pub mod sets;
pub mod sharded;
pub mod slowlog;
pub mod sort;
pub mod sorted_sets;
pub mod streams;
pub mod strings;
pub mod tracking;
pub mod transactions;

use crate::call::Call;
use crate::table::Command;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::number;
use spec::Refusal;

/// All groups.
pub static GROUPS: &[&[Command]] = &[
    strings::COMMANDS,
    compare::COMMANDS,
    bitmaps::COMMANDS,
    bitfield::COMMANDS,
    hyperloglog::COMMANDS,
    hashes::COMMANDS,
    fields::COMMANDS,
    sets::COMMANDS,
    sort::COMMANDS,
    set_algebra::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    geo::COMMANDS,
    lists::COMMANDS,
    keys::COMMANDS,
    databases::COMMANDS,
    lcs::COMMANDS,
    expiry::COMMANDS,
    dump::COMMANDS,
    migrate::COMMANDS,
    transactions::COMMANDS,
    pubsub::COMMANDS,
    sharded::COMMANDS,
    connection::COMMANDS,
    client::COMMANDS,
    server::COMMANDS,
    debug::COMMANDS,
    durable::COMMANDS,
    slowlog::COMMANDS,
    monitor::COMMANDS,
    memory::COMMANDS,
    commandlog::COMMANDS,
    lolwut::COMMANDS,
    config::COMMANDS,
    replication::COMMANDS,
    cluster::COMMANDS,
    cluster_scan::COMMANDS,
    command::COMMANDS,
];

/// The handler of a container: its subcommands run, it never does.
pub fn container(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = String::from(call.name());
    Err(Refusal::unknown_subcommand(&name, call.args.get(1).unwrap_or_default()))
}

/// How a deadline is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Seconds from now.
    Ex,
    /// Milliseconds from now.
    Px,
    /// Unix time in seconds.
    ExAt,
    /// Unix time in milliseconds.
    PxAt,
}

impl Deadline {
    /// The kind that an option names.
    pub fn named(word: &[u8]) -> Option<Deadline> {
        let kinds =
            [("ex", Deadline::Ex), ("px", Deadline::Px), ("exat", Deadline::ExAt), ("pxat", Deadline::PxAt)];
        kinds.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, kind)| kind)
    }
}

/// The deadline that an option of `command` gives, in milliseconds since 1970. It must be positive.
pub fn deadline_of(kind: Deadline, text: &[u8], now_ms: u64, command: &'static str) -> Result<u64, Refusal> {
    let value = number::parse_i64(text).ok_or(Refusal::NotInteger)?;
    let invalid = || Refusal::InvalidExpire(command);
    if value <= 0 {
        return Err(invalid());
    }
    let ms = match kind {
        Deadline::Ex | Deadline::ExAt => value.checked_mul(1_000).ok_or_else(invalid)?,
        Deadline::Px | Deadline::PxAt => value,
    };
    let at = match kind {
        Deadline::Ex | Deadline::Px => ms.checked_add_unsigned(now_ms).ok_or_else(invalid)?,
        Deadline::ExAt | Deadline::PxAt => ms,
    };
    Ok(at as u64)
}

/// The answer of a HELP subcommand: a headline, the lines given, and HELP itself.
pub fn help(call: &mut Call<'_>, container: &str, lines: &[&str]) {
    call.reply.array(lines.len() + 3);
    let head = alloc::format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    call.reply.simple(&head);
    for line in lines.iter().copied().chain(["HELP", "    Print this help."]) {
        call.reply.simple(line);
    }
}

/// Bytes as text, for error texts.
pub fn text(bytes: &[u8]) -> String {
    base::text::carried(bytes)
}

/// The name, in lower case, by which a command's errors call it.
pub fn arity(call: &Call<'_>) -> Refusal {
    Refusal::Arity(call.table.row(call.row).full_name.to_string())
}

/// What SCAN and HSCAN are asked for.
#[derive(Default)]
pub struct ScanOptions<'a> {
    /// MATCH, unless it is `*`.
    pub pattern: Option<&'a [u8]>,
    /// COUNT, at least 1.
    pub count: usize,
    /// TYPE.
    pub kind: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// 10: the COUNT of a request that gives none.
    const COUNT_USUAL: usize = 10;

    /// Reads the options.
    pub fn parse(args: wire::batch::Args<'a>, with_type: bool) -> Result<ScanOptions<'a>, Refusal> {
        let args: Vec<&[u8]> = args.iter().collect();
        ScanOptions::of(&args, with_type)
    }

    /// Reads the options of HSCAN; true with NOVALUES among them.
    pub fn parse_hash(args: wire::batch::Args<'a>) -> Result<(ScanOptions<'a>, bool), Refusal> {
        ScanOptions::parse_with(args, b"novalues")
    }

    /// Reads options; true with `flag` among them.
    pub fn parse_with(args: wire::batch::Args<'a>, flag: &[u8]) -> Result<(ScanOptions<'a>, bool), Refusal> {
        let (mut pairs, mut no_values) = (Vec::new(), false);
        let mut args = args.iter();
        while let Some(word) = args.next() {
            if word.eq_ignore_ascii_case(flag) {
                no_values = true;
            } else {
                pairs.push(word);
                pairs.extend(args.next());
            }
        }
        ScanOptions::of(&pairs, false).map(|options| (options, no_values))
    }

    /// The same of words that were picked out before.
    pub fn of(args: &[&'a [u8]], with_type: bool) -> Result<ScanOptions<'a>, Refusal> {
        let mut options = ScanOptions { count: ScanOptions::COUNT_USUAL, ..ScanOptions::default() };
        for pair in args.chunks(2) {
            let &[word, value] = pair else { return Err(Refusal::Syntax) };
            if word.eq_ignore_ascii_case(b"count") {
                let count = number::parse_i64(value).ok_or(Refusal::NotInteger)?;
                if count < 1 {
                    return Err(Refusal::Syntax);
                }
                options.count = count as usize;
            } else if word.eq_ignore_ascii_case(b"match") {
                options.pattern = Some(value).filter(|pattern| *pattern != b"*");
            } else if with_type && word.eq_ignore_ascii_case(b"type") {
                options.kind = Some(value);
            } else {
                return Err(Refusal::Syntax);
            }
        }
        Ok(options)
    }

    /// Refuses a TYPE that does not exist.
    pub fn check_kind(self) -> Result<ScanOptions<'a>, Refusal> {
        let is_known = |kind: &&[u8]| {
            [&b"string"[..], b"list", b"set", b"zset", b"hash", b"stream"]
                .contains(&&*kind.to_ascii_lowercase())
        };
        match self.kind.filter(|kind| !is_known(kind)) {
            Some(kind) => Err(Refusal::UnknownType(text(kind))),
            None => Ok(self),
        }
    }

    /// True when the pattern, if any, matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| base::glob::matches(pattern, name))
    }
}

/// A cursor of SCAN and HSCAN.
pub fn cursor(text: &[u8]) -> Result<u64, Refusal> {
    number::parse_cursor(text).ok_or(Refusal::InvalidCursor)
}
