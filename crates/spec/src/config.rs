//! The values of all directives: defaults, loaded from a file and arguments, read by CONFIG GET, changed by CONFIG SET.
//!
//! ```text
//!   redis.conf text --+
//!   standard input  --+-- lines -- words -- row of the table -- value checked by its kind
//!   --arguments     --+
//! ```
//!
//! Nothing here reads a file: the caller brings the text, and answers for `include`.
//!
//! Invariant: a value that is held was accepted by its row: no code behind this has to look at a bound again.

mod load;
mod rewrite;
mod users;
mod value;

pub use load::{INCLUDES_DEEP_MAX, Include, LoadError, Surroundings};
pub use rewrite::Extent;
pub use value::{CLIENT_CLASSES, EVENT_LETTERS, OutputLimit, SavePoint, memory};

use crate::directive::{Change, DIRECTIVES, Directive, DirectiveId, Kind, State, id};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::glob;
use core::fmt;
use value::{Complaint, Value};

/// The values of all directives.
///
/// It is cheap enough to clone: who must undo a change that could not be carried out keeps a clone.
#[derive(Clone, Debug)]
pub struct Config {
    /// One value for each row, in the order of the table.
    values: Vec<Value>,
    /// `rename-command`: names and new names, in the order of the lines.
    renames: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a CONFIG SET changed nothing. Its text is the error line without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no such directive.
    Unknown {
        /// The name as it was sent.
        name: String,
    },
    /// The directive can not have that value, or not now.
    Failed {
        /// The directive.
        name: String,
        /// What is wrong.
        complaint: String,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Unknown { name } => {
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            SetError::Failed { name, complaint } => {
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{name}') - {complaint}")
            }
        }
    }
}

impl core::error::Error for SetError {}

impl SetError {
    /// The error of a directive whose new value could not be carried out (a folder that is not there).
    pub fn failed(id: DirectiveId, complaint: impl Into<String>) -> SetError {
        SetError::Failed { name: id.row().name.into(), complaint: complaint.into() }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config { values: DIRECTIVES.iter().map(Value::default_of).collect(), renames: Vec::new() }
    }
}

impl Config {
    /// All defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// The defaults of a program that is called by the name of a Valkey server: it speaks as one.
    pub fn of_valkey() -> Config {
        let mut config = Config::new();
        config.values[usize::from(id::EXTENDED_REDIS_COMPATIBILITY.0)] = Value::Bool(false);
        for id in [id::LAZYFREE_LAZY_EVICTION, id::LAZYFREE_LAZY_EXPIRE, id::LAZYFREE_LAZY_SERVER_DEL] {
            config.values[usize::from(id.0)] = Value::Bool(true);
        }
        config
    }

    /// The `rename-command` lines: names of commands and what they are called from then on (empty: not at all).
    pub fn renames(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.renames
    }

    /// The names and values that match one of `patterns`, as CONFIG GET lists them: by name. A pattern without
    /// special characters names one directive, also a hidden one, and is given back as it was written.
    pub fn matching(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (id, name) in patterns.iter().flat_map(names_matching) {
            if !found.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                found.push((name.into_owned(), self.printed(id)));
            }
        }
        found.sort_unstable();
        found
    }

    /// The value of a directive as CONFIG GET prints it.
    pub fn printed(&self, id: DirectiveId) -> Vec<u8> {
        self.value(id).text(id.row().kind)
    }

    /// Changes all of `pairs` (names and values) or nothing. `local`: the client came by the loopback or a Unix
    /// socket, which `enable-protected-configs local` allows more. Gives the directives whose value is another now.
    ///
    /// What a new value asks of the host (another folder, more connections) is the caller's to carry out; where
    /// that fails, it puts a clone of before back.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<Vec<DirectiveId>, SetError> {
        let mut named: Vec<(DirectiveId, &'static str)> = Vec::with_capacity(pairs.len());
        for (given, _) in pairs {
            let (id, name) =
                lookup(given).ok_or_else(|| SetError::Unknown { name: base::text::carried(given) })?;
            if let Some(complaint) = self.complaint_about_change(id.row(), local) {
                return Err(SetError::Failed {
                    name: base::text::carried(given),
                    complaint: complaint.into(),
                });
            }
            if named.iter().any(|(_, other)| *other == name) {
                let complaint = "duplicate parameter".into();
                return Err(SetError::Failed { name: base::text::carried(given), complaint });
            }
            named.push((id, name));
        }
        let mut staged = self.clone();
        for ((id, name), (_, text)) in named.iter().zip(pairs) {
            let failed = |complaint: Complaint| SetError::Failed {
                name: (*name).into(),
                complaint: complaint.into_owned(),
            };
            staged.take(*id, &[text], Whence::Command).map_err(failed)?;
        }
        let mut changed: Vec<DirectiveId> = named.iter().map(|(id, _)| *id).collect();
        changed.retain(|id| staged.value(*id) != self.value(*id));
        changed.dedup();
        *self = staged;
        Ok(changed)
    }

    /// True when a client may use a command that the directive `id` (`enable-debug-command` and the like) guards.
    pub fn allows(&self, id: DirectiveId, local: bool) -> bool {
        match self.choice(id) {
            "yes" => true,
            "local" => local,
            _ => false,
        }
    }

    /// The directives that have no effect here and were given another value than their default, in one line for
    /// the log.
    pub fn warning(&self) -> Option<String> {
        let rows = DirectiveId::all().filter(|id| *self.value(*id) != Value::default_of(id.row()));
        let parts: Vec<String> = rows
            .filter_map(|id| match id.row().state {
                State::NoEffectHere { reason } => Some(format!("{} ({reason})", id.row().name)),
                State::Works | State::NotYet { .. } => None,
            })
            .collect();
        (!parts.is_empty())
            .then(|| format!("These directives are kept but have no effect here: {}", parts.join(", ")))
    }

    fn complaint_about_change(&self, row: &Directive, local: bool) -> Option<&'static str> {
        match row.change {
            Change::Live => None,
            Change::AtStart => Some("can't set immutable config"),
            Change::Protected if self.allows(id::ENABLE_PROTECTED_CONFIGS, local) => None,
            Change::Protected => Some("can't set protected config"),
        }
    }

    /// Reads and keeps one value.
    fn take(&mut self, id: DirectiveId, args: &[&[u8]], whence: Whence) -> Result<(), Complaint> {
        let row = id.row();
        let empty = Value::SavePoints(Vec::new());
        let current = match (row.kind, whence) {
            (Kind::SavePoints, Whence::Command | Whence::FirstLine) => &empty,
            (Kind::SavePoints, Whence::LaterLine) | (_, _) => self.value(id),
        };
        let value = adjusted(id, Value::read(row, args, Some(current))?);
        // A file may have thousands of lines of `save`, which add up: what is not asked for is not printed.
        let text = || value.text(row.kind);
        if id == id::PROC_TITLE_TEMPLATE && !is_title_template(&text()) {
            return Err("template format is invalid or contains unknown variables".into());
        }
        // In a file it is kept, as all that has no effect here; who asks for it by a command is told, as where an original was
        // built with an allocator that can not do it.
        if id == id::ACTIVEDEFRAG && whence == Whence::Command && text() == b"yes" && *self.value(id) != value
        {
            return Err(
                "Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
                        modified Jemalloc like the one shipped by default with the Redis source distribution"
                    .into(),
            );
        }
        if matches!(row.state, State::NotYet { .. }) && row.is_refused(&text()) {
            let text = String::from_utf8_lossy(&text()).into_owned();
            return Err(format!("redan does not support '{} {text}' yet", row.name).into());
        }
        self.values[usize::from(id.0)] = value;
        Ok(())
    }

    fn value(&self, id: DirectiveId) -> &Value {
        &self.values[usize::from(id.0)]
    }
}

/// Where a value comes from: `save` begins anew with a command and with the first line of a load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whence {
    Command,
    FirstLine,
    LaterLine,
}

/// Values that the original moves into their bounds without a word.
fn adjusted(id: DirectiveId, value: Value) -> Value {
    match value {
        // 1 and 500: the original's bounds of its timer.
        Value::Integer(hz) if id == id::HZ => Value::Integer(hz.clamp(1, 500)),
        // `relative` is another word for `yes`: the originals show the first.
        Value::Choice(place @ 2) if id == id::OOM_SCORE_ADJ => Value::Choice(place - 1),
        // 16 KiB: a backlog below the size of one block holds nothing.
        Value::Bytes(bytes) if id == id::REPL_BACKLOG_SIZE => Value::Bytes(bytes.max(16 << 10)),
        value => value,
    }
}

/// The variables of `proc-title-template`.
const TITLE_VARIABLES: [&[u8]; 7] =
    [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"config-file", b"unixsocket"];

/// True when there is a template and every variable of it is one that there is. Two braces stand for one.
fn is_title_template(text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    let mut rest = text;
    while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
        let inner = &rest[start + 1..];
        if let Some(behind) = inner.strip_prefix(b"{") {
            rest = behind;
            continue;
        }
        let Some(end) = inner.iter().position(|byte| *byte == b'}') else { return false };
        if !TITLE_VARIABLES.contains(&&inner[..end]) {
            return false;
        }
        rest = &inner[end + 1..];
    }
    true
}

/// The directive of a name, and the name of the two that was meant.
fn lookup(name: &[u8]) -> Option<(DirectiveId, &'static str)> {
    let id = DirectiveId::named(name)?;
    let row = id.row();
    let alias = row.alias.filter(|alias| name.eq_ignore_ascii_case(alias.as_bytes()));
    Some((id, alias.unwrap_or(row.name)))
}

fn names_matching<'a>(pattern: &&'a [u8]) -> Vec<(DirectiveId, Cow<'a, [u8]>)> {
    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return DirectiveId::named(pattern).map(|id| (id, Cow::Borrowed(*pattern))).into_iter().collect();
    }
    let names = DirectiveId::all().filter(|id| !id.row().hidden).flat_map(|id| {
        let row = id.row();
        // `server-cpulist` is `server_cpulist` in the spelling of others, and listed once as in Redis.
        let is_other = |alias: &&str| alias.replace('-', "_") != row.name;
        [Some(row.name), row.alias.filter(is_other)].into_iter().flatten().map(move |name| (id, name))
    });
    names
        .filter(|(_, name)| glob::matches_any_case(pattern, name.as_bytes()))
        .map(|(id, name)| (id, Cow::Borrowed(name.as_bytes())))
        .collect()
}

/// Typed values. Each expects a directive of its kind: another is an error of the program.
impl Config {
    /// A `yes` or `no`.
    #[inline]
    pub fn yes(&self, id: DirectiveId) -> bool {
        let Value::Bool(yes) = self.value(id) else { self.mistyped(id) };
        *yes
    }

    /// A whole number, or file permissions.
    #[inline]
    pub fn integer(&self, id: DirectiveId) -> i64 {
        let Value::Integer(number) = self.value(id) else { self.mistyped(id) };
        *number
    }

    /// A whole number whose row allows none below zero.
    #[inline]
    pub fn count(&self, id: DirectiveId) -> u64 {
        u64::try_from(self.integer(id)).expect("the row of a count has no negative value")
    }

    /// A port. Zero: none.
    #[inline]
    pub fn port(&self, id: DirectiveId) -> u16 {
        u16::try_from(self.integer(id)).expect("the row of a port has no larger value")
    }

    /// A size in bytes.
    #[inline]
    pub fn bytes(&self, id: DirectiveId) -> u64 {
        let Value::Bytes(bytes) = self.value(id) else { self.mistyped(id) };
        *bytes
    }

    /// A size in bytes, where a percentage is one of `whole`.
    pub fn bytes_or_share(&self, id: DirectiveId, whole: u64) -> u64 {
        match self.value(id) {
            Value::Bytes(bytes) => *bytes,
            Value::Percent(percent) => (u128::from(whole) * u128::from(*percent) / 100) as u64,
            _ => self.mistyped(id),
        }
    }

    /// One of the words of the kind.
    pub fn choice(&self, id: DirectiveId) -> &'static str {
        let (Value::Choice(place), Kind::Choice(choices)) = (self.value(id), id.row().kind) else {
            self.mistyped(id)
        };
        choices[usize::from(*place)]
    }

    /// A text: file names and host names too.
    #[inline]
    pub fn text(&self, id: DirectiveId) -> &[u8] {
        let Value::Text(text) = self.value(id) else { self.mistyped(id) };
        text
    }

    /// Several words.
    pub fn words(&self, id: DirectiveId) -> &[Vec<u8>] {
        let Value::Words(words) = self.value(id) else { self.mistyped(id) };
        words
    }

    /// The points of `save`.
    pub fn save_points(&self) -> &[SavePoint] {
        let Value::SavePoints(points) = self.value(id::SAVE) else { self.mistyped(id::SAVE) };
        points
    }

    /// The limits of `client-output-buffer-limit`: of normal clients, of replicas, of subscribers.
    pub fn output_limits(&self) -> &[OutputLimit; 3] {
        let directive = id::CLIENT_OUTPUT_BUFFER_LIMIT;
        let Value::OutputLimits(limits) = self.value(directive) else { self.mistyped(directive) };
        limits
    }

    /// Host and port of `replicaof`.
    pub fn replicaof(&self) -> Option<(&[u8], u16)> {
        let Value::PrimaryAddress(address) = self.value(id::REPLICAOF) else { self.mistyped(id::REPLICAOF) };
        address.as_ref().map(|(host, port)| (host.as_slice(), *port))
    }

    /// `oom-score-adj-values`: of a primary, of a replica, of a child.
    pub fn oom_scores(&self) -> &[i32; 3] {
        let directive = id::OOM_SCORE_ADJ_VALUES;
        let Value::OomScores(scores) = self.value(directive) else { self.mistyped(directive) };
        scores
    }

    /// Puts the values of `ids` back to what they were in `before`.
    pub fn restore(&mut self, before: &Config, ids: &[DirectiveId]) {
        for id in ids {
            self.values[usize::from(id.0)] = before.value(*id).clone();
        }
    }

    /// The bits of `notify-keyspace-events`, by their place in [`EVENT_LETTERS`].
    pub fn events(&self) -> u16 {
        let directive = id::NOTIFY_KEYSPACE_EVENTS;
        let Value::Events(bits) = self.value(directive) else { self.mistyped(directive) };
        *bits
    }

    /// `latency-tracking-info-percentiles`.
    pub fn percentiles(&self) -> &[f64] {
        let directive = id::LATENCY_TRACKING_INFO_PERCENTILES;
        let Value::Percentiles(percentiles) = self.value(directive) else { self.mistyped(directive) };
        percentiles
    }

    /// Keeps the primary that REPLICAOF named.
    pub fn put_replicaof(&mut self, address: Option<(&[u8], u16)>) {
        let address = address.map(|(host, port)| (host.to_vec(), port));
        self.values[usize::from(id::REPLICAOF.0)] = Value::PrimaryAddress(address);
    }

    /// Keeps a text that the host found out, such as the absolute path of `dir`.
    pub fn put_text(&mut self, id: DirectiveId, text: &[u8]) {
        assert!(matches!(self.value(id), Value::Text(_)), "{} is no text", id.row().name);
        self.values[usize::from(id.0)] = Value::Text(text.into());
    }

    /// Keeps a number that the host had to lower, such as `maxclients` under a limit of open files.
    pub fn put_integer(&mut self, id: DirectiveId, number: i64) {
        assert!(matches!(self.value(id), Value::Integer(_)), "{} is no number", id.row().name);
        self.values[usize::from(id.0)] = Value::Integer(number);
    }

    #[cold]
    fn mistyped(&self, id: DirectiveId) -> ! {
        panic!("{} is asked for as another kind than {:?}", id.row().name, id.row().kind)
    }
}

#[cfg(test)]
mod tests;
