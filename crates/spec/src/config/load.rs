//! Loading: the text of a configuration file and the arguments of the command line, line by line.
//!
//! The arguments become lines behind those of the file, so that they win: `--port 7001 --save ""` is
//! `port "7001"` and `save ""`. A line that can not be accepted ends the start, with the original's words.

use super::users;
use super::{Complaint, Config, DirectiveId, Whence};
use crate::directive::{LINES, LineState, id};
use crate::info::REDIS_VERSION;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::words;
use core::fmt;

/// 16: files that include each other in a circle end here; no set-up needs as many levels.
pub const INCLUDES_DEEP_MAX: u32 = 16;

/// Answers an `include`: the texts of the files that the pattern names, in order, or why there are none.
pub type Include<'a> = dyn FnMut(&[u8]) -> Result<Vec<Vec<u8>>, String> + 'a;

/// What a load asks of the world: lines whose effect is at once, so that the next line finds it done.
pub trait Surroundings {
    /// The texts of the files that an `include` names, in order, or why there are none.
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String>;

    /// `dir`: makes it the working directory; gives its absolute path.
    fn enter(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        Ok(dir.into())
    }

    /// `rename-command`: tells whether there is such a command, and whether the new name is free. An empty new name
    /// takes the command away.
    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let _any = (from, to);
        Ok(())
    }

    /// `logfile`: tells whether it can be written.
    fn open_log(&mut self, path: &[u8]) -> Result<(), String> {
        let _any = path;
        Ok(())
    }
}

/// Includes alone; everything else is accepted as it stands.
struct OnlyIncludes<'a, 'b>(&'a mut Include<'b>);

impl Surroundings for OnlyIncludes<'_, '_> {
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        (self.0)(pattern)
    }
}

/// Why the configuration is not accepted. Its text is what the program prints before it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// A file could not be read: the original has one line for the log, without a heading.
    pub is_about_file: bool,
    /// The number of the line, from 1, and the line; nothing when it is about the whole.
    pub line: Option<(usize, String)>,
    /// What is wrong.
    pub complaint: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_about_file {
            return f.write_str(&self.complaint);
        }
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
        if let Some((number, line)) = &self.line {
            writeln!(f, "Reading the configuration file, at line {number}")?;
            writeln!(f, ">>> '{line}'")?;
        }
        writeln!(f, "{}", self.complaint)
    }
}

impl core::error::Error for LoadError {}

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

impl Config {
    /// The defaults, changed by the lines of `text` (a configuration file, standard input behind it), then by the
    /// arguments of the command line behind the program's and the file's name.
    pub fn load(text: &[u8], args: &[&[u8]], include: &mut Include<'_>) -> Result<Config, LoadError> {
        Config::new().load_in(text, args, &mut OnlyIncludes(include))
    }

    /// As [`Config::load`], from these values on, with all that lines ask of the world.
    pub fn load_in(
        self,
        text: &[u8],
        args: &[&[u8]],
        around: &mut dyn Surroundings,
    ) -> Result<Config, LoadError> {
        let mut config = self;
        let mut load = Load { config: &mut config, saves_seen: false, users: Vec::new(), around };
        let mut whole = text.to_vec();
        if !args.is_empty() {
            whole.push(b'\n');
            whole.extend_from_slice(&argument_lines(args));
        }
        load.text(&whole, 0)?;
        let users = core::mem::take(&mut load.users);
        let log_file = load.config.text(id::LOGFILE).to_vec();
        let about_all = |complaint| LoadError { is_about_file: false, line: None, complaint };
        if !log_file.is_empty() {
            let opened = load.around.open_log(&log_file);
            opened.map_err(|reason| about_all(format!("Can't open the log file: {reason}")))?;
        }
        if config.yes(id::CLUSTER_ENABLED) && config.replicaof().is_some() {
            return Err(about_all("replicaof directive not allowed in cluster mode".into()));
        }
        for rules in &users {
            users::check(rules, config.text(id::REQUIREPASS)).map_err(about_all)?;
        }
        Ok(config)
    }
}

/// A load under way.
struct Load<'a> {
    config: &'a mut Config,
    /// The first `save` replaces the default points, later ones add to it.
    saves_seen: bool,
    /// The rules of `user default`: they are held against the whole configuration.
    users: Vec<Vec<Vec<u8>>>,
    around: &'a mut dyn Surroundings,
}

impl Load<'_> {
    fn text(&mut self, text: &[u8], depth: u32) -> Result<(), LoadError> {
        // Strings of the original end at a zero byte.
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        for (index, line) in text[..end].split(|byte| *byte == b'\n').enumerate() {
            let line = trimmed(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.line(line, depth).map_err(|fault| match fault {
                Fault::Here(complaint) => LoadError {
                    is_about_file: false,
                    line: Some((index + 1, String::from_utf8_lossy(line).into_owned())),
                    complaint: complaint.into_owned(),
                },
                Fault::Included(error) => error,
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], depth: u32) -> Result<(), Fault> {
        let words =
            words::split(line).ok_or(Fault::Here("Unbalanced quotes in configuration line".into()))?;
        let Some((name, args)) = words.split_first() else { return Ok(()) };
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        if let Some(id) = DirectiveId::named(name) {
            return self.directive(id, &args).map_err(Fault::Here);
        }
        let found = LINES.iter().find(|row| name.eq_ignore_ascii_case(row.name.as_bytes()));
        let row = found.filter(|row| row.takes(args.len())).ok_or(Fault::Here(BAD_DIRECTIVE.into()))?;
        match row.state {
            LineState::Include => self.include(args[0], depth),
            LineState::Rename => self.rename(args[0], args[1]).map_err(|text| Fault::Here(text.into())),
            LineState::User => self.user(&args).map_err(Fault::Here),
            LineState::Obsolete => Ok(()),
            LineState::NotHere(complaint) => Err(Fault::Here(complaint.into())),
            LineState::NotYet => {
                Err(Fault::Here(format!("redan does not support '{}' yet", row.name).into()))
            }
        }
    }

    fn directive(&mut self, id: DirectiveId, args: &[&[u8]]) -> Result<(), Complaint> {
        let is_later_save = id == id::SAVE && self.saves_seen;
        let whence = if is_later_save { Whence::LaterLine } else { Whence::FirstLine };
        // One argument may hold several; in a file, quotes count within it.
        let split = match args {
            [one] if id.row().kind.is_multiple() && !one.is_empty() => {
                let words = words::split(one).ok_or("Unbalanced quotes in configuration line")?;
                (words.len() > 1).then_some(words)
            }
            _ => None,
        };
        match split {
            Some(words) => {
                self.config.take(id, &words.iter().map(Vec::as_slice).collect::<Vec<_>>(), whence)?
            }
            None => self.config.take(id, args, whence)?,
        }
        self.saves_seen |= id == id::SAVE;
        if id == id::DIR {
            let absolute = self.around.enter(self.config.text(id::DIR))?;
            self.config.put_text(id::DIR, &absolute);
        }
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        self.around.rename(from, to)?;
        self.config.renames.push((from.into(), to.into()));
        Ok(())
    }

    /// CONFIG REWRITE of the originals writes a line for the default user even where nobody asked for users.
    fn user(&mut self, args: &[&[u8]]) -> Result<(), Complaint> {
        if args[0] != b"default" {
            return Err("redan does not support 'user' yet".into());
        }
        self.users.push(args[1..].iter().map(|word| word.to_vec()).collect());
        Ok(())
    }

    fn include(&mut self, pattern: &[u8], depth: u32) -> Result<(), Fault> {
        if depth >= INCLUDES_DEEP_MAX {
            return Err(Fault::Here(
                format!("include is nested more than {INCLUDES_DEEP_MAX} levels deep").into(),
            ));
        }
        let texts = self
            .around
            .include(pattern)
            .map_err(|complaint| Fault::Included(LoadError { is_about_file: true, line: None, complaint }))?;
        texts.iter().try_for_each(|text| self.text(text, depth + 1)).map_err(Fault::Included)
    }
}

/// What ends a load: in this line, or in a file that it includes.
enum Fault {
    Here(Complaint),
    Included(LoadError),
}

/// The line without the blanks around it.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}

/// The arguments as lines: a word with two hyphens begins one, unless a directive still waits for its first value.
fn argument_lines(args: &[&[u8]]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut has_value = true;
    for (index, arg) in args.iter().enumerate() {
        let Some(name) = arg.strip_prefix(b"--").filter(|_| has_value) else {
            words::quote(&mut lines, arg);
            lines.push(b' ');
            has_value = true;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend_from_slice(name);
        lines.push(b' ');
        // `--save` may stand alone for no save points; `--sentinel` always stands alone.
        let next = args.get(index + 1);
        let is_alone = next.is_none_or(|next| next.starts_with(b"--"));
        let is_save = arg.eq_ignore_ascii_case(b"--save");
        if is_alone && is_save {
            lines.extend_from_slice(b"\"\"");
        }
        // "--port 7001" in one argument is a whole line.
        let is_whole = words::split(arg).is_none_or(|words| words.len() != 1);
        let stands_alone = is_alone && (is_save || arg.eq_ignore_ascii_case(b"--sentinel"));
        has_value = is_whole || stands_alone;
    }
    lines
}
