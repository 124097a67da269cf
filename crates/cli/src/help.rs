//! HELP: what is known of the commands, for `help`, completion and hints.
//!
//! The server's own COMMAND DOCS comes first: it knows its version and its modules. Without it (no server, or one
//! before 7.0) the client's own table serves.

use crate::connection::Connection;
use crate::say;
use crate::session::{Session, Tone};
use crate::usage::VERSION;
use spec::catalogue::{self, Dialect};
use spec::hint;
use spec::syntax::{Arg, Kind};
use std::collections::HashSet;
use wire::value::Value;

/// Arguments within arguments in COMMAND DOCS: far above what any command has.
const DEPTH_MAX: usize = 8;

/// One command or subcommand.
#[derive(Debug)]
pub struct Entry {
    /// Its words, in upper case.
    pub words: Vec<String>,
    /// Its arguments in one line.
    pub params: String,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// One sentence.
    pub summary: String,
    /// The version that brought it.
    pub since: String,
    /// Its chapter.
    pub group: String,
}

impl Entry {
    /// `CONFIG GET`
    pub fn name(&self) -> String {
        self.words.join(" ")
    }
}

/// All that is known, by name.
#[derive(Debug, Default)]
pub struct Help {
    /// The commands.
    pub entries: Vec<Entry>,
}

impl Help {
    /// Asks the server; without an answer, the own table.
    pub fn of(connection: Option<&mut Connection>, dialect: Dialect) -> Help {
        let answer = connection.and_then(|connection| connection.command(&["COMMAND", "DOCS"]).ok());
        match answer.as_ref().and_then(pairs) {
            Some(commands) if !commands.is_empty() => {
                let mut entries = Vec::new();
                for (name, docs) in commands {
                    read_command(&mut entries, &[], name, docs);
                }
                Help::sorted(entries)
            }
            _ => Help::own(dialect),
        }
    }

    /// The own table.
    pub fn own(dialect: Dialect) -> Help {
        let entries = catalogue::all().map(|row| {
            let args = row.args(dialect);
            Entry {
                words: row.name.to_ascii_uppercase().split('|').map(str::to_string).collect(),
                params: hint::usage(&args),
                args,
                summary: row.summary.into(),
                since: row.since.into(),
                group: row.group.to_string(),
            }
        });
        Help::sorted(entries.collect())
    }

    /// With what `other` knows beyond this.
    pub fn and(mut self, other: Help) -> Help {
        let known: HashSet<String> = self.entries.iter().map(Entry::name).collect();
        self.entries.extend(other.entries.into_iter().filter(|entry| !known.contains(&entry.name())));
        Help::sorted(self.entries)
    }

    fn sorted(mut entries: Vec<Entry>) -> Help {
        entries.sort_by_cached_key(Entry::name);
        Help { entries }
    }

    /// What may stand behind what was typed: the whole line for each.
    pub fn completions(&self, line: &str) -> Vec<String> {
        let is_help = line.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("help "));
        let start = if is_help { line.len() - line[5..].trim_start().len() } else { 0 };
        let (head, typed) = line.split_at(start);
        let fits =
            |name: &String| name.get(..typed.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(typed));
        let mut names: Vec<String> = Vec::new();
        if is_help {
            names.extend(self.entries.iter().map(|entry| format!("@{}", entry.group)));
            names.sort();
            names.dedup();
        }
        names.extend(self.entries.iter().map(Entry::name));
        names.into_iter().filter(fits).map(|name| format!("{head}{name}")).collect()
    }

    /// What is still to type behind `line`; nothing when no command is known that it begins with.
    pub fn hint(&self, line: &str) -> Option<String> {
        let words = base::words::split(line.as_bytes())?;
        let ends_word = line.ends_with(|last: char| last.is_ascii_whitespace());
        let whole = &words[..words.len() - usize::from(!ends_word && !words.is_empty())];
        let entry = self.find(whole)?;
        Some(hint::hint(&entry.args, &whole[entry.words.len()..]))
    }

    /// The command whose words `typed` begins with; the longest.
    fn find(&self, typed: &[Vec<u8>]) -> Option<&Entry> {
        let fits = |entry: &&Entry| {
            let mut pairs = entry.words.iter().zip(typed);
            entry.words.len() <= typed.len()
                && pairs.all(|(word, typed)| typed.eq_ignore_ascii_case(word.as_bytes()))
        };
        self.entries.iter().filter(fits).max_by_key(|entry| entry.words.len())
    }
}

/// Prints the help on `words`; on nothing, how to get help.
pub fn print(session: &mut Session, words: &[Vec<u8>]) {
    let Some(first) = words.first() else {
        return say!("{}", general());
    };
    let dialect = session.options.dialect;
    // Without a server the own table serves; that is no news.
    let _ = session.connect(Tone::Quiet);
    let help = Help::of(session.connection(), dialect);
    if let Some(group) = first.strip_prefix(b"@") {
        for entry in help.entries.iter().filter(|entry| group.eq_ignore_ascii_case(entry.group.as_bytes())) {
            print_entry(entry, false);
        }
    } else {
        for entry in &help.entries {
            let is_prefix = words.len() <= entry.words.len()
                && words.iter().zip(&entry.words).all(|(a, b)| a.eq_ignore_ascii_case(b.as_bytes()));
            if is_prefix {
                print_entry(entry, true);
            }
        }
    }
    say!("\r\n");
}

fn print_entry(entry: &Entry, with_group: bool) {
    say!("\r\n  \x1b[1m{}\x1b[0m \x1b[90m{}\x1b[0m\r\n", entry.name(), entry.params);
    say!("  \x1b[33msummary:\x1b[0m {}\r\n", entry.summary);
    if !entry.since.is_empty() {
        say!("  \x1b[33msince:\x1b[0m {}\r\n", entry.since);
    }
    if with_group {
        say!("  \x1b[33mgroup:\x1b[0m {}\r\n", entry.group);
    }
}

fn general() -> String {
    format!(
        "redis-cli {VERSION}\n\
         To get help about Redis commands type:\n\
         \x20     \"help @<group>\" to get a list of commands in <group>\n\
         \x20     \"help <command>\" for help on <command>\n\
         \x20     \"help <tab>\" to get a list of possible help topics\n\
         \x20     \"quit\" to exit\n\n\
         To set redis-cli preferences:\n\
         \x20     \":set hints\" enable online hints\n\
         \x20     \":set nohints\" disable online hints\n\
         Set your preferences in ~/.redisclirc\n"
    )
}

/// A map, or in RESP2 an array of keys and values in turn.
fn pairs(value: &Value) -> Option<Vec<(&Value, &Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
        Value::Array(items) => Some(items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect()),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned()
}

fn read_command(entries: &mut Vec<Entry>, container: &[String], name: &Value, docs: &Value) {
    let name = text(name).to_ascii_uppercase();
    // A subcommand is called `config|get`.
    let own = name.rsplit('|').next().unwrap_or_default().to_string();
    let words: Vec<String> = container.iter().cloned().chain([own]).collect();
    let mut entry = Entry {
        words: words.clone(),
        params: String::new(),
        args: Vec::new(),
        summary: String::new(),
        since: String::new(),
        group: String::new(),
    };
    let mut subcommands = Vec::new();
    for (key, value) in pairs(docs).unwrap_or_default() {
        match key.text() {
            Some(b"summary") => entry.summary = text(value),
            Some(b"since") => entry.since = text(value),
            Some(b"group") => entry.group = text(value),
            Some(b"arguments") => entry.args = read_args(value, DEPTH_MAX),
            Some(b"subcommands") if container.is_empty() => subcommands = pairs(value).unwrap_or_default(),
            _ => {}
        }
    }
    entry.params = hint::usage(&entry.args);
    entries.push(entry);
    for (name, docs) in subcommands {
        read_command(entries, &words, name, docs);
    }
}

fn read_args(value: &Value, depth: usize) -> Vec<Arg> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    value.items().unwrap_or_default().iter().map(|arg| read_arg(arg, depth)).collect()
}

fn read_arg(value: &Value, depth: usize) -> Arg {
    let mut arg = Arg::default();
    let mut shown = None;
    for (key, value) in pairs(value).unwrap_or_default() {
        match key.text() {
            Some(b"name") => arg.name = text(value),
            Some(b"display_text") => shown = Some(text(value)),
            Some(b"token") => arg.token = Some(text(value)),
            Some(b"type") => arg.kind = Kind::named(&text(value)),
            Some(b"arguments") => arg.inner = read_args(value, depth),
            Some(b"flags") => {
                for flag in value.items().unwrap_or_default() {
                    match flag.text() {
                        Some(b"optional") => arg.is_optional = true,
                        Some(b"multiple") => arg.is_multiple = true,
                        Some(b"multiple_token") => arg.repeats_token = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    arg.name = shown.unwrap_or(arg.name);
    arg
}
