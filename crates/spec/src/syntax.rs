//! Syntax: the arguments of a command, read from its one-line notation.
//!
//! ```text
//!   key value [NX | XX] [EX seconds | PERSIST] [field value ...] <ON | OFF>
//! ```
//!
//! Lower case is an argument, upper case a word that stands as it is (a token), alone or before its argument.
//! `[ ]` may be left out, `< >` groups, `|` separates alternatives, `a [a ...]` may be repeated, and so may the inside of
//! `[a ...]` and `<a ...>`. `""` is a token without text; `name/i` is an argument of a type that its name does not tell.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One argument, as COMMAND DOCS shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word before it, or the word that it is.
    pub token: Option<String>,
    /// The key specification that it belongs to.
    pub key_spec: Option<usize>,
    /// It may be left out.
    pub is_optional: bool,
    /// It may be repeated.
    pub is_multiple: bool,
    /// Repeated together with its token.
    pub repeats_token: bool,
    /// Its alternatives or parts.
    pub inner: Vec<Arg>,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    #[default]
    String,
    /// A key.
    Key,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// A pattern.
    Pattern,
    /// A time since 1970.
    UnixTime,
    /// A word that stands as it is.
    PureToken,
    /// One of several.
    OneOf,
    /// Several together.
    Block,
}

impl Kind {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Key => "key",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// The kind of that name on the wire.
    pub fn named(name: &str) -> Kind {
        const ALL: [Kind; 9] = [
            Kind::String,
            Kind::Key,
            Kind::Integer,
            Kind::Double,
            Kind::Pattern,
            Kind::UnixTime,
            Kind::PureToken,
            Kind::OneOf,
            Kind::Block,
        ];
        ALL.into_iter().find(|kind| kind.name() == name).unwrap_or_default()
    }

    /// The kind that an argument's name tells.
    fn of(name: &str) -> Kind {
        match name {
            "key" | "newkey" | "destination" | "destkey" | "dst" | "key1" | "key2" | "source"
            | "sourcekey" | "src" => Kind::Key,
            "pattern" | "match-pattern" => Kind::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            "latitude" | "longitude" | "radius" | "width" | "height" | "score" => Kind::Double,
            "bit" | "bits" | "client-id" | "cluster-bus-port" | "config-epoch" | "count" | "cursor"
            | "db" | "decrement" | "destination-db" | "end" | "end-slot" | "entries-added"
            | "entries-read" | "frequency" | "idle" | "increment" | "index" | "index1" | "index2" | "len"
            | "limit" | "maxage" | "milliseconds" | "min-match-len" | "ms" | "not-client-id" | "not-db"
            | "num-matches" | "num-vertices" | "numfields" | "numkeys" | "numlocal" | "numreplicas"
            | "offset" | "port" | "protover" | "rank" | "seconds" | "slot" | "start" | "stop"
            | "start-slot" | "timeout" | "ttl" | "version" | "weight" => Kind::Integer,
            _ => Kind::String,
        }
    }

    /// The kind of a mark behind an argument's name.
    fn marked(mark: &str) -> Option<Kind> {
        Some(match mark {
            "s" => Kind::String,
            "i" => Kind::Integer,
            "d" => Kind::Double,
            "k" => Kind::Key,
            "p" => Kind::Pattern,
            "u" => Kind::UnixTime,
            _ => return None,
        })
    }
}

/// An argument by its word: its name, and its kind.
fn named(word: &str) -> Arg {
    let (name, kind) = match word.split_once('/') {
        Some((name, mark)) => (name, Kind::marked(mark).unwrap_or_default()),
        None => (word, Kind::of(word)),
    };
    Arg { name: name.to_string(), kind, ..Arg::default() }
}

/// The arguments of one line.
pub fn parse_text(syntax: &str) -> Vec<Arg> {
    sequence(&words(syntax), &mut 0)
}

/// The arguments of a command with so many key specifications.
pub fn parse_keyed(syntax: &str, key_specs: usize) -> Vec<Arg> {
    let mut args = parse_text(syntax);
    number_keys(&mut args, key_specs, &mut 0);
    args
}

/// The key arguments belong to the key specifications in their order.
fn number_keys(args: &mut [Arg], specs: usize, next: &mut usize) {
    for arg in args {
        if arg.kind == Kind::Key && specs > 0 {
            arg.key_spec = Some((*next).min(specs - 1));
            *next += 1;
        }
        number_keys(&mut arg.inner, specs, next);
    }
}

/// Words and the marks `[ ] < > | ...`.
fn words(syntax: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in syntax.split(' ') {
        let mut rest = word;
        while let Some(inner) = rest.strip_prefix(['[', '<']) {
            words.push(&rest[..1]);
            rest = inner;
        }
        let body = rest.trim_end_matches([']', '>']);
        if !body.is_empty() {
            words.push(body);
        }
        words.extend(rest[body.len()..].split("").filter(|mark| !mark.is_empty()));
    }
    words
}

/// Arguments up to the closing mark or the next alternative.
fn sequence(words: &[&str], at: &mut usize) -> Vec<Arg> {
    let mut args: Vec<Arg> = Vec::new();
    while let Some(word) = words.get(*at).copied() {
        match word {
            "]" | ">" | "|" => break,
            "[" | "<" => {
                *at += 1;
                let group = group(words, at);
                // `a b [a b ...]` says that `a b` may be repeated.
                let repeated = group.1 && group.0.len() <= args.len() && {
                    let tail = &args[args.len() - group.0.len()..];
                    tail.iter().zip(&group.0).all(|(one, other)| one.name == other.name)
                };
                if repeated {
                    let tail = args.split_off(args.len() - group.0.len());
                    let mut arg = join(tail);
                    arg.is_multiple = true;
                    arg.repeats_token = group.0.first().is_some_and(|first| first.token.is_some());
                    args.push(arg);
                } else {
                    let mut arg = join(group.0);
                    arg.is_optional = word == "[";
                    arg.is_multiple |= group.1;
                    args.push(arg);
                }
            }
            _ => {
                *at += 1;
                args.push(single(word, words, at));
            }
        }
    }
    args
}

/// The inside of a group, and whether it ends with dots. Several alternatives are one argument.
fn group(words: &[&str], at: &mut usize) -> (Vec<Arg>, bool) {
    let mut alternatives = Vec::new();
    let mut has_dots = false;
    loop {
        let mut args = sequence(words, at);
        if args.last().is_some_and(|arg| arg.name == "...") {
            args.pop();
            has_dots = true;
        }
        alternatives.push(args);
        let mark = words.get(*at).copied();
        *at += 1;
        if mark != Some("|") {
            break;
        }
    }
    if alternatives.len() == 1 {
        return (alternatives.remove(0), has_dots);
    }
    let inner: Vec<Arg> = alternatives.into_iter().map(join).collect();
    let name = inner[0].name.clone();
    (alloc::vec![Arg { name, kind: Kind::OneOf, inner, ..Arg::default() }], has_dots)
}

/// One argument of several: itself, or a block.
fn join(mut args: Vec<Arg>) -> Arg {
    if args.len() == 1 {
        return args.remove(0);
    }
    // A token before a block of arguments belongs to the block.
    let token = match args.first() {
        Some(first) if first.kind == Kind::PureToken => args.remove(0).token,
        _ => None,
    };
    if token.is_some() && args.len() == 1 && args[0].token.is_none() && !args[0].is_optional {
        return Arg { token, ..args.remove(0) };
    }
    let name = token.as_deref().map_or_else(|| "data".to_string(), str::to_ascii_lowercase);
    Arg { name, kind: Kind::Block, token, inner: args, ..Arg::default() }
}

fn single(word: &str, words: &[&str], at: &mut usize) -> Arg {
    let is_mark = |word: &str| matches!(word, "[" | "]" | "<" | ">" | "|" | "...");
    // A word without lower case letters: NX, MAXLEN, =, $, *, and the empty one.
    let is_token = |word: &str| !is_mark(word) && !word.bytes().any(|byte| byte.is_ascii_lowercase());
    if !is_token(word) {
        return named(word);
    }
    let token = Some(if word == "\"\"" { String::new() } else { word.to_string() });
    let is_argument = |at: usize| words.get(at).is_some_and(|word| !is_mark(word) && !is_token(word));
    // The next word, unless it is a mark or a token too, is the token's argument. Several are a block's.
    if is_argument(*at) && !is_argument(*at + 1) {
        *at += 1;
        return Arg { token, ..named(words[*at - 1]) };
    }
    Arg { name: word.to_ascii_lowercase(), kind: Kind::PureToken, token, ..Arg::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn shown(args: &[Arg]) -> String {
        let one = |arg: &Arg| {
            let token = arg.token.as_ref().map_or(String::new(), |token| format!("{token}="));
            let inner = if arg.inner.is_empty() { String::new() } else { format!("({})", shown(&arg.inner)) };
            let marks = format!(
                "{}{}",
                if arg.is_optional { "?" } else { "" },
                if arg.is_multiple { "*" } else { "" }
            );
            format!("{token}{}:{}{inner}{marks}", arg.name, arg.kind.name())
        };
        args.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn read(syntax: &'static str) -> String {
        shown(&parse_text(syntax))
    }

    #[test]
    fn the_notation_is_read() {
        assert_eq!(read(""), "");
        assert_eq!(read("key [key ...]"), "key:key*");
        assert_eq!(read("key value [key value ...]"), "data:block(key:key value:string)*");
        assert_eq!(
            read("key [NX | XX] [EX seconds | KEEPTTL]"),
            "key:key nx:oneof(NX=nx:pure-token XX=xx:pure-token)? \
             seconds:oneof(EX=seconds:integer KEEPTTL=keepttl:pure-token)?"
        );
        assert_eq!(read("cursor [MATCH pattern]"), "cursor:integer MATCH=pattern:pattern?");
        assert_eq!(
            read("[protover [AUTH username password]]"),
            "data:block(protover:integer AUTH=auth:block(username:string password:string)?)?"
        );
        assert_eq!(read("<ON | OFF>"), "on:oneof(ON=on:pure-token OFF=off:pure-token)");
    }
}
