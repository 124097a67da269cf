//! Hint: the arguments of a command as text, and what of it is still to type.
//!
//! ```text
//!   SET key value [NX|XX] [EX seconds|PX milliseconds]      the usage
//!   typed: SET k v EX _                                     the hint: seconds [NX|XX]
//! ```
//!
//! What was typed is laid over the arguments, and each argument keeps a mark of how far it is typed; the hint is
//! the usage without what is typed. Optional arguments that stand side by side may come in any order; the one that is
//! begun is shown first. A word that fits nowhere ends the hinting.

use crate::syntax::{Arg, Kind};
use alloc::string::String;
use alloc::vec::Vec;

/// The arguments in one line.
pub fn usage(args: &[Arg]) -> String {
    joined(args.iter().map(full), " ")
}

/// What is still to type behind `typed`; empty when nothing is, or when a word does not fit.
pub fn hint<W: AsRef<[u8]>>(args: &[Arg], typed: &[W]) -> String {
    let words: Vec<&[u8]> = typed.iter().map(AsRef::as_ref).collect();
    let mut marks = Mark::of_all(args);
    let taken = lay_all(args, &mut marks, &words);
    if taken == words.len() { rest_of_all(args, &mut marks, " ") } else { String::new() }
}

/// A name or token; nothing is shown as a pair of quotes.
fn word(text: &str) -> &str {
    if text.is_empty() { "\"\"" } else { text }
}

fn joined(parts: impl Iterator<Item = String>, separator: &str) -> String {
    let mut out = String::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push_str(separator);
        }
        out.push_str(&part);
    }
    out
}

/// An argument without its token, its repetition and its brackets.
fn body(arg: &Arg) -> String {
    match arg.kind {
        Kind::OneOf => joined(arg.inner.iter().map(full), "|"),
        Kind::Block => usage(&arg.inner),
        Kind::PureToken => String::new(),
        _ => word(&arg.name).into(),
    }
}

/// The token, with a blank behind it where something follows.
fn head(arg: &Arg) -> String {
    let mut head = arg.token.as_deref().map(word).map_or_else(String::new, String::from);
    if !head.is_empty() && arg.kind != Kind::PureToken {
        head.push(' ');
    }
    head
}

/// `[body ...]` for an argument that may be repeated.
fn repetition(arg: &Arg) -> String {
    if !arg.is_multiple {
        return String::new();
    }
    let head = if arg.repeats_token { head(arg) } else { String::new() };
    alloc::format!("[{head}{} ...]", body(arg))
}

/// The whole argument.
fn full(arg: &Arg) -> String {
    let text = joined([head(arg) + &body(arg), repetition(arg)].into_iter(), " ");
    if arg.is_optional { alloc::format!("[{text}]") } else { text }
}

/// How far an argument is typed.
#[derive(Default)]
struct Mark {
    /// Something of it is typed.
    is_begun: bool,
    has_token: bool,
    has_name: bool,
    /// Nothing of it is left to type.
    is_whole: bool,
    inner: Vec<Mark>,
}

impl Mark {
    fn of_all(args: &[Arg]) -> Vec<Mark> {
        args.iter().map(|arg| Mark { inner: Mark::of_all(&arg.inner), ..Mark::default() }).collect()
    }

    fn clear(&mut self, arg: &Arg) {
        *self = Mark { inner: Mark::of_all(&arg.inner), ..Mark::default() };
    }
}

/// Lays the words over the arguments in their order; gives how many fit. A required argument that does not fit
/// makes all misfit.
fn lay_all(args: &[Arg], marks: &mut [Mark], words: &[&[u8]]) -> usize {
    let (mut at, mut taken) = (0, 0);
    while taken < words.len() && at < args.len() {
        let optional = args[at..].iter().take_while(|arg| arg.is_optional).count();
        if optional > 0 {
            let end = at + optional;
            taken += lay_optional(&args[at..end], &mut marks[at..end], &words[taken..]);
            at = end;
            continue;
        }
        match lay(&args[at], &mut marks[at], &words[taken..]) {
            0 => return 0,
            count => taken += count,
        }
        at += 1;
    }
    taken
}

/// Lays words over optional arguments, which come in any order, each once.
fn lay_optional(args: &[Arg], marks: &mut [Mark], words: &[&[u8]]) -> usize {
    let mut taken = 0;
    let mut last: Option<usize> = None;
    while taken < words.len() {
        let mut found = None;
        for (place, arg) in args.iter().enumerate() {
            if marks[place].is_begun {
                continue;
            }
            let count = lay(arg, &mut marks[place], &words[taken..]);
            if count > 0 {
                found = Some((place, count));
                break;
            }
        }
        let Some((place, count)) = found else { break };
        // What is begun and left for another is as good as whole.
        if let Some(last) = last {
            marks[last].is_whole = true;
        }
        last = Some(place);
        taken += count;
    }
    taken
}

/// Lays words over one argument as often as it may be repeated.
fn lay(arg: &Arg, mark: &mut Mark, words: &[&[u8]]) -> usize {
    let mut taken = lay_once(arg, mark, words);
    if taken == 0 {
        mark.clear(arg);
    }
    if !arg.is_multiple {
        return taken;
    }
    while mark.is_whole && taken < words.len() {
        mark.clear(arg);
        if arg.token.is_some() && !arg.repeats_token {
            taken += lay_body(arg, mark, &words[taken..]);
            mark.has_token = mark.is_begun;
        } else {
            taken += lay_once(arg, mark, &words[taken..]);
        }
    }
    mark.is_whole = false;
    taken
}

fn lay_once(arg: &Arg, mark: &mut Mark, words: &[&[u8]]) -> usize {
    let Some(token) = &arg.token else { return lay_body(arg, mark, words) };
    if !words[0].eq_ignore_ascii_case(token.as_bytes()) {
        return 0;
    }
    (mark.has_token, mark.is_begun) = (true, true);
    if arg.kind == Kind::PureToken {
        mark.is_whole = true;
        return 1;
    }
    if words.len() == 1 {
        return 1;
    }
    match lay_body(arg, mark, &words[1..]) {
        0 => 0,
        count => 1 + count,
    }
}

fn lay_body(arg: &Arg, mark: &mut Mark, words: &[&[u8]]) -> usize {
    let taken = match arg.kind {
        Kind::Block => {
            let taken = lay_all(&arg.inner, &mut mark.inner, words);
            mark.is_whole = mark.inner.iter().all(|inner| inner.is_whole);
            taken
        }
        Kind::OneOf => {
            for (inner, inner_mark) in arg.inner.iter().zip(&mut mark.inner) {
                let taken = lay(inner, inner_mark, words);
                if taken > 0 {
                    (mark.is_begun, mark.is_whole) = (true, inner_mark.is_whole);
                    return taken;
                }
            }
            0
        }
        Kind::Integer | Kind::UnixTime => usize::from(begins_with_integer(words[0])),
        Kind::Double => usize::from(begins_with_number(words[0])),
        _ => 1,
    };
    if !matches!(arg.kind, Kind::Block | Kind::OneOf) {
        (mark.has_name, mark.is_whole) = (taken > 0, taken > 0);
        mark.is_begun = taken > 0;
    } else {
        mark.is_begun |= taken > 0;
    }
    taken
}

fn unsigned(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"-").or(word.strip_prefix(b"+")).unwrap_or(word)
}

fn begins_with_integer(word: &[u8]) -> bool {
    unsigned(word).first().is_some_and(u8::is_ascii_digit)
}

fn begins_with_number(word: &[u8]) -> bool {
    let rest = unsigned(word);
    let named = |name: &[u8]| rest.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(name));
    let digits = rest.strip_prefix(b".").unwrap_or(rest);
    digits.first().is_some_and(u8::is_ascii_digit) || named(b"inf") || named(b"nan")
}

/// The usage of what is not typed yet.
fn rest_of_all(args: &[Arg], marks: &mut [Mark], separator: &str) -> String {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < args.len() {
        if !args[at].is_optional {
            parts.push(rest(&args[at], &mut marks[at]));
            at += 1;
            continue;
        }
        let end = at + args[at..].iter().take_while(|arg| arg.is_optional).count();
        let is_closed = marks.get(end).is_some_and(|mark| mark.is_begun);
        // The one that is begun comes first; the others only while what follows them is not typed.
        let begun: Vec<bool> = marks[at..end].iter().map(|mark| mark.is_begun && !mark.is_whole).collect();
        for shows_begun in [true, false] {
            for place in at..end {
                if begun[place - at] == shows_begun && (shows_begun || !is_closed) {
                    parts.push(rest(&args[place], &mut marks[place]));
                }
            }
        }
        at = end;
    }
    joined(parts.into_iter(), separator)
}

fn rest(arg: &Arg, mark: &mut Mark) -> String {
    if mark.is_whole {
        return String::new();
    }
    let head = if mark.has_token { String::new() } else { head(arg) };
    let body = match arg.kind {
        Kind::OneOf if mark.is_begun => {
            let begun = arg.inner.iter().zip(&mut mark.inner).filter(|(_, inner)| inner.is_begun);
            joined(begun.map(|(inner, inner_mark)| rest(inner, inner_mark)), " ")
        }
        Kind::OneOf => body(arg),
        Kind::Block => rest_of_all(&arg.inner, &mut mark.inner, " "),
        Kind::PureToken => String::new(),
        _ if mark.has_name => String::new(),
        _ => word(&arg.name).into(),
    };
    let text = joined([head + &body, repetition(arg)].into_iter(), " ");
    match (arg.is_optional, mark.is_begun) {
        (true, false) => alloc::format!("[{text}]"),
        // What is begun has lost its opening bracket. The originals leave the closing one of a repetition.
        (true, true) if arg.is_multiple => text + "]",
        _ => text,
    }
}
