//! Syntax: the arguments of a command, read from its one-line notation.
//!
//! ```text
//!   key value [NX | XX] [EX seconds | PERSIST] [field value ...] <ON | OFF>
//! ```
//!
//! Lower case is an argument, upper case a word that stands as it is (a token), alone or before its argument.
//! `[ ]` may be left out, `< >` groups, `|` separates alternatives, and `a [a ...]` may be repeated.

use crate::Spec;
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

    fn of(name: &str) -> Kind {
        match name {
            "key" | "newkey" => Kind::Key,
            "pattern" => Kind::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            "seconds" | "milliseconds" | "offset" | "start" | "end" | "cursor" | "count" | "index"
            | "timeout" | "numreplicas" | "slot" | "start-slot" | "end-slot" | "port" | "client-id"
            | "protover" | "config-epoch" | "decrement" => Kind::Integer,
            _ => Kind::String,
        }
    }
}

/// The arguments of `spec`.
pub fn parse(spec: &Spec) -> Vec<Arg> {
    let words = words(spec.syntax);
    let mut at = 0;
    let mut args = sequence(&words, &mut at);
    let mut keys = 0;
    number_keys(&mut args, spec.keys.count(), &mut keys);
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
    let name = token.as_deref().map_or_else(|| "data".to_string(), str::to_ascii_lowercase);
    Arg { name, kind: Kind::Block, token, inner: args, ..Arg::default() }
}

fn single(word: &str, words: &[&str], at: &mut usize) -> Arg {
    let is_token = |word: &str| word.bytes().any(|byte| byte.is_ascii_uppercase());
    if !is_token(word) {
        return Arg { name: word.to_string(), kind: Kind::of(word), ..Arg::default() };
    }
    let token = Some(word.to_string());
    // The next word, unless it is a mark or a token too, is the token's argument.
    match words.get(*at).copied() {
        Some(next) if !matches!(next, "[" | "]" | "<" | ">" | "|" | "...") && !is_token(next) => {
            let more = words.get(*at + 1).copied();
            let is_block = more
                .is_some_and(|more| !matches!(more, "[" | "]" | "<" | ">" | "|" | "...") && !is_token(more));
            if is_block {
                return Arg {
                    name: word.to_ascii_lowercase(),
                    kind: Kind::PureToken,
                    token,
                    ..Arg::default()
                };
            }
            *at += 1;
            Arg { name: next.to_string(), kind: Kind::of(next), token, ..Arg::default() }
        }
        _ => Arg { name: word.to_ascii_lowercase(), kind: Kind::PureToken, token, ..Arg::default() },
    }
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
        shown(&parse(&Spec { syntax, ..Spec::USUAL }))
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
