//! Table: all commands, found by name without an allocation.
//!
//! The groups' static tables are joined once, when an engine is made. A name of up to eight bytes is one
//! folded word: finding it costs one multiplication and, nearly always, one comparison.

use crate::call::Call;
use crate::{commands, slow, turn};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use spec::command::{Arity, Begin};
use spec::{Refusal, Spec};
use wire::batch::Args;

/// A handler: parses and refuses first, changes second, replies last.
pub type Run = fn(&mut Call<'_>) -> Result<(), Refusal>;

/// One entry of a group's table.
pub struct Command {
    /// What is known of it without running it.
    pub spec: Spec,
    /// What runs it. A container's is never called.
    pub run: Run,
    /// The subcommands of a container.
    pub subcommands: &'static [Command],
}

/// A command's place in the [`Table`].
pub type RowIndex = u16;

/// A command in the table.
pub struct Row {
    /// The entry.
    pub command: &'static Command,
    /// The name by which statistics and errors call it: `get`, `config|get`.
    pub full_name: Box<str>,
    /// The name by which requests call it: another after `rename-command`, none at all if it was taken away.
    pub called: Option<Box<[u8]>>,
    /// Its container.
    pub container: Option<RowIndex>,
    /// Its subcommands.
    pub subcommands: Range<RowIndex>,
    /// Argument 1 is a key.
    pub has_key_first: bool,
    /// Argument 2 is a field of the hash that argument 1 names.
    pub has_field: bool,
    /// A plain session's request needs no more than the check of its arity and slot.
    pub is_plain: bool,
    /// A request of so many arguments at least ...
    args_min: u16,
    /// ... and so many at most costs little whatever its key holds (see [`crate::slow`]).
    brief_args_max: u16,
}

impl Row {
    fn new(command: &'static Command, full_name: Box<str>, container: Option<RowIndex>) -> Row {
        let has_key_first = match command.spec.keys.spec(0).map(|spec| spec.begin) {
            Some(Begin::Index(at)) => at == 1,
            _ => false,
        };
        let is_plain = turn::is_plain(&command.spec) && command.subcommands.is_empty();
        let called = Some(command.spec.name.as_bytes().into());
        let (args_min, args_max) = match command.spec.arity {
            Arity::Exactly(count) => (count, count),
            Arity::AtLeast(count) => (count, count.max(slow::BRIEF_ARGS_MAX)),
        };
        let brief_args_max = if slow::is_brief(&command.spec) { args_max } else { 0 };
        Row {
            command,
            full_name,
            called,
            container,
            subcommands: 0..0,
            has_key_first,
            has_field: has_field(&command.spec),
            is_plain,
            args_min,
            brief_args_max,
        }
    }

    /// True for a request with as many arguments as it needs, and few enough to be brief.
    #[inline]
    pub fn is_brief(&self, args: usize) -> bool {
        (usize::from(self.args_min)..=usize::from(self.brief_args_max)).contains(&args)
    }

    /// What is known of the command.
    #[inline]
    pub fn spec(&self) -> &'static Spec {
        &self.command.spec
    }
}

/// Those that set, change or read single fields.
fn has_field(spec: &Spec) -> bool {
    let names =
        ["hset", "hsetnx", "hmset", "hget", "hmget", "hdel", "hexists", "hstrlen", "hincrby", "hincrbyfloat"];
    names.contains(&spec.name)
}

/// What a request's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This command (a subcommand where the name is a container's).
    Row(RowIndex),
    /// There is no such command.
    Nothing,
    /// This container has no such subcommand.
    NoSubcommand(RowIndex),
}

/// All commands.
pub struct Table {
    rows: Vec<Row>,
    /// Open addressing with linear probing; `FREE` marks a free place.
    places: Box<[Place; PLACES]>,
    /// Rows `0..top` are commands; their subcommands follow.
    top: RowIndex,
}

/// A place of the index: a folded name, and what every request asks of its row.
#[derive(Clone, Copy)]
struct Place {
    word: u64,
    row: RowIndex,
    has_subcommands: bool,
    has_key_first: bool,
}

/// Places of the index: over four times the commands that Redis has.
const PLACES: usize = 1024;
const FREE: RowIndex = RowIndex::MAX;

/// The bit that makes a letter a small one, in each of eight bytes.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// The name in lower case as one word, for up to eight bytes; a mixture of all bytes for longer names.
#[inline]
fn fold(name: &[u8]) -> u64 {
    let len = name.len();
    if len >= 8 {
        let head = u64::from_le_bytes(name[..8].try_into().expect("eight bytes")) | LOWER;
        let tail = u64::from_le_bytes(name[len - 8..].try_into().expect("eight bytes")) | LOWER;
        if len == 8 {
            return head;
        }
        return (head ^ tail.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63;
    }
    let mut word = 0;
    for (at, byte) in name.iter().enumerate() {
        word |= u64::from(byte | 0x20) << (8 * at);
    }
    word
}

#[inline]
fn place_of(folded: u64) -> usize {
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

impl Table {
    /// The table of all groups.
    pub fn new() -> Table {
        Table::renamed(&[])
    }

    /// The table of all groups after some `rename-command`. A name that is none, or a new name that is another command's,
    /// was refused when the configuration was loaded; here it changes nothing.
    pub fn renamed(renames: &[(Vec<u8>, Vec<u8>)]) -> Table {
        let mut rows: Vec<Row> = Vec::new();
        for command in commands::GROUPS.iter().flat_map(|group| group.iter()) {
            rows.push(Row::new(command, Box::from(command.spec.name), None));
        }
        let top = rows.len() as RowIndex;
        for container in 0..top {
            let first = rows.len() as RowIndex;
            let command = rows[usize::from(container)].command;
            for subcommand in command.subcommands {
                let full_name = format!("{}|{}", command.spec.name, subcommand.spec.name).into_boxed_str();
                rows.push(Row::new(subcommand, full_name, Some(container)));
            }
            rows[usize::from(container)].subcommands = first..rows.len() as RowIndex;
        }
        for (from, to) in renames {
            let is_called = |row: &Row, name: &[u8]| {
                row.called.as_ref().is_some_and(|called| called.eq_ignore_ascii_case(name))
            };
            let commands = &mut rows[..usize::from(top)];
            if commands.iter().any(|row| is_called(row, to)) {
                continue;
            }
            if let Some(row) = commands.iter_mut().find(|row| is_called(row, from)) {
                row.called = (!to.is_empty()).then(|| to.as_slice().into());
            }
        }
        let free = Place { word: 0, row: FREE, has_subcommands: false, has_key_first: false };
        let mut places = Box::new([free; PLACES]);
        for index in 0..top {
            let Some(called) = &rows[usize::from(index)].called else { continue };
            let folded = fold(called);
            let mut place = place_of(folded);
            while places[place].row != FREE {
                place = (place + 1) % PLACES;
            }
            let row = &rows[usize::from(index)];
            places[place] = Place {
                word: folded,
                row: index,
                has_subcommands: !row.subcommands.is_empty(),
                has_key_first: row.has_key_first,
            };
        }
        Table { rows, places, top }
    }

    /// The row at `index`.
    #[inline]
    pub fn row(&self, index: RowIndex) -> &Row {
        &self.rows[usize::from(index)]
    }

    /// True for a subcommand of the container of this name.
    pub fn is_in(&self, index: RowIndex, container: &str) -> bool {
        self.row(index)
            .container
            .is_some_and(|container_row| self.row(container_row).spec().name == container)
    }

    /// All rows: commands first, then subcommands.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The commands that can be called, without subcommands.
    pub fn commands(&self) -> impl Iterator<Item = RowIndex> {
        (0..self.top).filter(|index| self.row(*index).called.is_some())
    }

    /// The command that is called `name`, in any case.
    #[inline]
    pub fn named(&self, name: &[u8]) -> Option<RowIndex> {
        let is_called = |index: RowIndex| {
            let text = self.rows[usize::from(index)].called.as_deref().unwrap_or_default();
            text.len() == name.len() && (name.len() <= 8 || text.eq_ignore_ascii_case(name))
        };
        self.folded(fold(name), is_called).map(|place| place.row)
    }

    /// The place of a folded name.
    #[inline(always)]
    fn folded(&self, folded: u64, is_called: impl Fn(RowIndex) -> bool) -> Option<&Place> {
        let mut at = place_of(folded);
        loop {
            let place = &self.places[at % PLACES];
            if place.row == FREE {
                return None;
            }
            if place.word == folded && is_called(place.row) {
                return Some(place);
            }
            at += 1;
        }
    }

    /// What the request `args` calls, and whether its argument 1 is a key.
    #[inline(always)]
    pub fn find(&self, args: Args<'_>) -> (Found, bool) {
        // A short name is its folded word: that of a longer one has the top bit.
        if let Some((word, len)) = args.short_name()
            && word >> 63 == 0
            && let Some(place) = self.folded(word | LOWER >> (64 - 8 * len), |_| true)
            && !place.has_subcommands
        {
            return (Found::Row(place.row), place.has_key_first);
        }
        let found = self.find_any(args);
        let has_key_first = matches!(found, Found::Row(index) if self.row(index).has_key_first);
        (found, has_key_first)
    }

    /// As `find`, of any name.
    #[inline(never)]
    fn find_any(&self, args: Args<'_>) -> Found {
        let Some(name) = args.get(0) else { return Found::Nothing };
        let Some(index) = self.named(name) else { return Found::Nothing };
        let row = self.row(index);
        if row.subcommands.is_empty() || args.len() < 2 {
            return Found::Row(index);
        }
        match self.subcommand(index, args.at(1)) {
            Some(index) => Found::Row(index),
            None => Found::NoSubcommand(index),
        }
    }

    /// The subcommand of `container` that is called `name`, in any case.
    pub fn subcommand(&self, container: RowIndex, name: &[u8]) -> Option<RowIndex> {
        let is_it = |index: &RowIndex| self.row(*index).spec().name.as_bytes().eq_ignore_ascii_case(name);
        self.row(container).subcommands.clone().find(is_it)
    }

    /// The row of a name as COMMAND INFO and ACL write it: `get`, `config|get`.
    pub fn full(&self, name: &[u8]) -> Option<RowIndex> {
        match name.iter().position(|byte| *byte == b'|') {
            None => self.named(name),
            Some(at) => self.subcommand(self.named(&name[..at])?, &name[at + 1..]),
        }
    }

    /// The refusal for a request whose name was not found.
    pub fn refuse(&self, found: Found, args: Args<'_>) -> Refusal {
        match found {
            Found::NoSubcommand(container) => {
                let name = String::from(self.row(container).spec().name);
                Refusal::unknown_subcommand(&name, args.get(1).unwrap_or_default())
            }
            Found::Row(_) | Found::Nothing => {
                Refusal::unknown_command(args.get(0).unwrap_or_default(), args.from(1).iter())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name() {
        let table = Table::new();
        for index in table.commands() {
            let name = table.row(index).spec().name;
            assert_eq!(table.named(name.as_bytes()), Some(index), "{name}");
            assert_eq!(table.named(name.to_ascii_uppercase().as_bytes()), Some(index), "{name}");
            assert_eq!(table.named(format!("{name}-").as_bytes()), None, "{name}");
        }
        assert_eq!(table.named(b""), None);
    }

    #[test]
    fn a_renamed_command_has_its_new_name_alone() {
        let pair = |from: &str, to: &str| (Vec::from(from), Vec::from(to));
        let renames =
            [pair("GET", "a-very-long-name"), pair("set", ""), pair("del", "echo"), pair("none", "x")];
        let table = Table::renamed(&renames);
        let name = |called: &[u8]| table.named(called).map(|index| table.row(index).spec().name);
        assert_eq!(name(b"A-Very-Long-Name"), Some("get"));
        assert_eq!((name(b"get"), name(b"set"), name(b"x")), (None, None, None));
        assert_eq!((name(b"del"), name(b"echo")), (Some("del"), Some("echo")));
        assert_eq!(table.commands().count() + 1, Table::new().commands().count());
    }

    #[test]
    fn a_request_is_found_as_its_name_is() {
        let table = Table::new();
        let mut names: Vec<Vec<u8>> = table
            .commands()
            .map(|index| table.row(index).spec().name.to_ascii_uppercase().into_bytes())
            .collect();
        // Names of eight bytes that are the folded words of longer ones.
        names.extend(table.places.iter().map(|place| place.word.to_le_bytes().to_vec()));
        names.extend([Vec::new(), b"get\0".to_vec(), b"gets".to_vec(), b"ge".to_vec(), [0xff; 8].to_vec()]);
        for name in names {
            // The name as the last bytes of the buffer, and with others behind it.
            for behind in [&b""[..], b"0123456789"] {
                let mut batch = wire::Batch::default();
                batch.push_arg(&name);
                if !behind.is_empty() {
                    batch.push_arg(behind);
                }
                batch.end_request();
                let args = batch.requests_from(0).next().expect("a request");
                let is_container =
                    table.named(&name).is_some_and(|index| !table.row(index).subcommands.is_empty());
                if !is_container {
                    let found = table.named(&name).map_or(Found::Nothing, Found::Row);
                    assert_eq!(table.find(args).0, found, "{}", name.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn strange_names_are_not_found() {
        let table = Table::new();
        assert_eq!(table.named(&[0; 100]), None);
    }
}
