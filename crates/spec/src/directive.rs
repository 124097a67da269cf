//! Configuration directives: one row for each, the one place where a directive is declared.
//!
//! CONFIG GET and SET, the configuration file, `--directive value` arguments and the start-up warnings are
//! derived from [`DIRECTIVES`]. A row says honestly what becomes of the value ([`State`]): a directive that is
//! parsed and then ignored without a word does not exist.

mod table;

pub use table::{DIRECTIVES, id};

/// Place of a directive in [`DIRECTIVES`]. The constants are in [`id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectiveId(pub(crate) u16);

impl DirectiveId {
    /// The row.
    pub fn row(self) -> &'static Directive {
        &DIRECTIVES[usize::from(self.0)]
    }

    /// All directives, in the order of the table.
    pub fn all() -> impl Iterator<Item = DirectiveId> {
        (0..DIRECTIVES.len()).map(|place| DirectiveId(place as u16))
    }

    /// The directive called `name` (in any case), by its name or its alias.
    pub fn named(name: &[u8]) -> Option<DirectiveId> {
        DirectiveId::all().find(|id| {
            let row = id.row();
            name.eq_ignore_ascii_case(row.name.as_bytes())
                || row.alias.is_some_and(|alias| name.eq_ignore_ascii_case(alias.as_bytes()))
        })
    }
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Its older (or newer) name, with which it stands a second time in CONFIG GET.
    pub alias: Option<&'static str>,
    /// What its values are.
    pub kind: Kind,
    /// The default, as CONFIG GET prints it.
    pub default: &'static str,
    /// When it can be changed.
    pub change: Change,
    /// CONFIG GET shows it only when it is named in full.
    pub hidden: bool,
    /// The value is a secret and stays out of logs.
    pub secret: bool,
    /// What becomes of the value.
    pub state: State,
    /// A legal value that strains whoever uses the directive: the simulator draws it.
    pub hostile: Option<&'static str>,
}

/// What the values of a directive are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A whole number.
    Integer {
        /// The smallest that is allowed.
        min: i64,
        /// The largest that is allowed.
        max: i64,
    },
    /// A number in octal: file permissions.
    Octal {
        /// The largest that is allowed.
        max: i64,
    },
    /// Bytes, with an optional unit (`1k` is 1000, `1kb` is 1024).
    Memory {
        /// The smallest that is allowed.
        min: u64,
        /// The largest that is allowed.
        max: u64,
    },
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Any of some words; the first stands for none.
    Flags(&'static [&'static str]),
    /// Any text.
    Text,
    /// The name of a file or folder, without a path.
    FileName {
        /// What the original calls it in its error: `filename` or `dirname`.
        what: &'static str,
        /// Whether the name may be empty.
        may_be_empty: bool,
    },
    /// A host name: letters, digits, hyphens, dots.
    HostName,
    /// The name of a node for people: what a field of nodes.conf can hold.
    NodeName,
    /// Several words.
    Words {
        /// How many at most.
        count_max: usize,
    },
    /// `save`: pairs of seconds and changes.
    SavePoints,
    /// `client-output-buffer-limit`: class, hard, soft, seconds.
    OutputLimits,
    /// `notify-keyspace-events`: letters of event classes.
    Events,
    /// `oom-score-adj-values`: three numbers.
    OomScores,
    /// `latency-tracking-info-percentiles`: numbers from 0 to 100.
    Percentiles,
    /// `replicaof`: host and port, or `no one`.
    PrimaryAddress,
}

impl Kind {
    /// True when the directive takes several arguments; one argument with blanks is then split at them.
    pub const fn is_multiple(self) -> bool {
        matches!(
            self,
            Kind::Flags(_)
                | Kind::Words { .. }
                | Kind::SavePoints
                | Kind::OutputLimits
                | Kind::OomScores
                | Kind::Percentiles
                | Kind::PrimaryAddress
        )
    }
}

/// When a directive can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time, by CONFIG SET.
    Live,
    /// At start alone.
    AtStart,
    /// By CONFIG SET where `enable-protected-configs` allows it.
    Protected,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what the original's documentation says.
    Works,
    /// It is kept and shown; a value other than the default gives one warning at start.
    NoEffectHere {
        /// Why, for the warning.
        reason: &'static str,
    },
    /// What it asks for does not exist yet: only the values that ask for nothing are accepted.
    NotYet {
        /// Those values, as CONFIG GET prints them.
        off: &'static [&'static str],
    },
}

impl Directive {
    const fn new(name: &'static str, kind: Kind, default: &'static str, state: State) -> Directive {
        Directive {
            name,
            alias: None,
            kind,
            default,
            change: Change::Live,
            hidden: false,
            secret: false,
            state,
            hostile: None,
        }
    }

    const fn works(name: &'static str, kind: Kind, default: &'static str) -> Directive {
        Directive::new(name, kind, default, State::Works)
    }

    const fn no_effect(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        reason: &'static str,
    ) -> Directive {
        Directive::new(name, kind, default, State::NoEffectHere { reason })
    }

    /// A directive whose default is the only value that asks for nothing.
    const fn not_yet(name: &'static str, kind: Kind, default: &'static str) -> Directive {
        Directive::new(name, kind, default, State::NotYet { off: &[] })
    }

    const fn alias(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    const fn at_start(mut self) -> Directive {
        self.change = Change::AtStart;
        self
    }

    const fn protected(mut self) -> Directive {
        self.change = Change::Protected;
        self
    }

    const fn hidden(mut self) -> Directive {
        self.hidden = true;
        self
    }

    const fn secret(mut self) -> Directive {
        self.secret = true;
        self
    }

    const fn hostile(mut self, value: &'static str) -> Directive {
        self.hostile = Some(value);
        self
    }

    /// True when the value, as CONFIG GET prints it, asks for something that does not exist yet.
    pub fn is_refused(&self, value: &[u8]) -> bool {
        match self.state {
            State::NotYet { off } => {
                value != self.default.as_bytes() && !off.iter().any(|text| text.as_bytes() == value)
            }
            State::Works | State::NoEffectHere { .. } => false,
        }
    }
}

/// A line of a configuration file that is no directive with a value: CONFIG GET does not know it.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Its first word.
    pub name: &'static str,
    /// Arguments at least.
    pub args_min: usize,
    /// Arguments at most.
    pub args_max: usize,
    /// What becomes of it.
    pub state: LineState,
}

/// What becomes of a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// The lines of other files stand in its place.
    Include,
    /// A command goes by another name, or by none.
    Rename,
    /// A user: only the default one, as it is without the line.
    User,
    /// It has had no effect for long, in the originals too.
    Obsolete,
    /// It belongs to another role; the text says so.
    NotHere(&'static str),
    /// What it asks for does not exist yet.
    NotYet,
}

impl Line {
    const fn new(name: &'static str, args_min: usize, args_max: usize, state: LineState) -> Line {
        Line { name, args_min, args_max, state }
    }

    /// True when the line may have `count` arguments.
    pub fn takes(&self, count: usize) -> bool {
        (self.args_min..=self.args_max).contains(&count)
    }
}

/// The lines of a configuration file that are no directives.
pub static LINES: &[Line] = &[
    Line::new("include", 1, 1, LineState::Include),
    Line::new("rename-command", 2, 2, LineState::Rename),
    Line::new("user", 1, usize::MAX, LineState::User),
    Line::new("loadmodule", 1, usize::MAX, LineState::NotYet),
    Line::new("sentinel", 0, usize::MAX, LineState::NotHere("sentinel directive while not in sentinel mode")),
    Line::new("list-max-ziplist-entries", 1, 1, LineState::Obsolete),
    Line::new("list-max-ziplist-value", 1, 1, LineState::Obsolete),
    Line::new("lua-replicate-commands", 1, 1, LineState::Obsolete),
];

#[cfg(test)]
mod tests;
