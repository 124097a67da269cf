//! The prompt: lines from a terminal, with history, completion and hints; or from a pipe, without all that.

use crate::connection::reason;
use crate::help::Help;
use crate::interrupts::Interrupts;
use crate::options::{Format, Options};
use crate::session::{Failure, Session, Tone};
use crate::{complain, say};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor};
use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A command that takes longer says how long it took.
const SLOW: Duration = Duration::from_millis(500);
/// Lines that the history keeps.
const HISTORY_LINES_MAX: usize = 100;
/// A line from a pipe is at most so long.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Runs until the input ends or the user leaves; the result is the exit code.
pub fn run(options: Options) -> u8 {
    let mut session = Session::new(options);
    // What fails is said; each command tries again.
    let _ = session.connect(Tone::Aloud);
    session.is_interactive = true;
    if std::io::stdin().is_terminal() { terminal(&mut session) } else { pipe(&mut session) }
}

/// Lets Ctrl-C end streams. After the line editor has come: it takes the signal for itself, and would take it from us.
fn listen(session: &mut Session) {
    match Interrupts::listen() {
        Ok(interrupts) => session.interrupts = Some(interrupts),
        Err(error) => complain!("Ctrl-C will end the client at once: {}", reason(&error)),
    }
}

/// Lines from a pipe: no prompt, no history.
fn pipe(session: &mut Session) -> u8 {
    listen(session);
    loop {
        let mut line = Vec::new();
        if !read_line(&mut line) {
            return 0;
        }
        match execute(session, &line) {
            Next::Line(_) | Next::Hints(_) => {}
            Next::Clear => say!("\x1b[H\x1b[2J"),
            Next::Exit(code) => return code,
        }
    }
}

/// What follows a line.
enum Next {
    /// The next line; whether this one belongs into the history.
    Line(Remember),
    /// Hints are shown from now on, or not.
    Hints(bool),
    /// The screen is cleared.
    Clear,
    /// The end.
    Exit(u8),
}

/// Whether a line belongs into the history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remember {
    Yes,
    No,
}

/// Carries out one line.
fn execute(session: &mut Session, line: &[u8]) -> Next {
    let words = match base::words::split(line) {
        None => {
            say!("Invalid argument(s)\n");
            return Next::Line(Remember::Yes);
        }
        Some(words) if words.is_empty() => return Next::Line(Remember::No),
        Some(words) => words,
    };
    let Some((repeat, skipped)) = repetition(&words) else {
        say!("Invalid redis-cli repeat command option value.\n");
        return Next::Line(Remember::No);
    };
    let command = &words[skipped..];
    let remember = if is_sensitive(command) { Remember::No } else { Remember::Yes };
    match (words[0].to_ascii_lowercase().as_slice(), words.len()) {
        (b"quit" | b"exit", _) => return Next::Exit(0),
        ([b':', ..], _) => {
            if let Some(hints) = preference(&words, "") {
                return Next::Hints(hints);
            }
        }
        (b"restart", _) => say!("Use 'restart' only in Lua debugging mode.\n"),
        (b"connect", 3) => {
            session.options.host = String::from_utf8_lossy(&words[1]).into_owned();
            session.options.port = u16::try_from(crate::options::atoi(&words[2])).unwrap_or(0);
            // What fails is said.
            let _ = session.connect_anew(Tone::Aloud);
        }
        (b"clear", 1) => return Next::Clear,
        _ => {
            let start = Instant::now();
            if let Err(Failure::Ended(code)) = session.issue(command, repeat) {
                return Next::Exit(code);
            }
            let elapsed = start.elapsed();
            if elapsed >= SLOW && session.format == Format::Standard {
                say!("({:.2}s)\n", elapsed.as_secs_f64());
            }
        }
    }
    Next::Line(remember)
}

/// `5 PING` runs five times: the count, and the words that it takes. Nothing for a count that makes no sense.
fn repetition(words: &[Vec<u8>]) -> Option<(i64, usize)> {
    let digits = words[0].strip_prefix(b"-").or(words[0].strip_prefix(b"+")).unwrap_or(&words[0]);
    if words.len() == 1 || !digits.iter().all(u8::is_ascii_digit) {
        return Some((1, 0));
    }
    let count: i64 = std::str::from_utf8(&words[0]).ok()?.parse().ok()?;
    (count > 0).then_some((count, 1))
}

/// `:set hints`, `:set nohints`: what it sets. Others are said to be unknown.
fn preference(words: &[Vec<u8>], origin: &str) -> Option<bool> {
    let shown = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    match words {
        [set, name, ..] if set.eq_ignore_ascii_case(b":set") => match name.to_ascii_lowercase().as_slice() {
            b"hints" => return Some(true),
            b"nohints" => return Some(false),
            _ => say!("{origin}unknown redis-cli preference '{}'\n", shown(name)),
        },
        [name, ..] => say!("{origin}unknown redis-cli internal command '{}'\n", shown(name)),
        [] => {}
    }
    None
}

/// Commands with secrets: they do not go into the history.
fn is_sensitive(words: &[Vec<u8>]) -> bool {
    let lower: Vec<Vec<u8>> = words.iter().take(9_999).map(|word| word.to_ascii_lowercase()).collect();
    let is = |at: usize, word: &str| lower.get(at).is_some_and(|found| found == word.as_bytes());
    let behind = |at: usize| lower.len() - 1 - at;
    if is(0, "auth") || (is(0, "acl") && is(1, "setuser")) {
        return true;
    }
    if is(0, "config") && is(1, "set") {
        return ["masterauth", "masteruser", "requirepass"].iter().any(|secret| is(2, secret));
    }
    if is(0, "hello") && lower.len() > 4 {
        // HELLO version [AUTH user password] [SETNAME name], in any order.
        let at = if is(2, "setname") { 4 } else { 2 };
        return is(at, "auth") && behind(at) >= 2;
    }
    if is(0, "migrate") && lower.len() > 7 {
        let keys = (6..lower.len()).find(|&at| is(at, "keys") && behind(at) >= 1).unwrap_or(lower.len());
        return (6..keys)
            .any(|at| (is(at, "auth") && behind(at) >= 1) || (is(at, "auth2") && behind(at) >= 2));
    }
    false
}

/// The file that `variable` names, or `name` in the home directory; none for /dev/null.
fn dotfile(variable: &str, name: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) if path == "/dev/null" => None,
        Some(path) => Some(path.into()),
        None => std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .map(|home| PathBuf::from(home).join(name)),
    }
}

/// Completion and hints for the line editor.
struct Assistant {
    help: Help,
    hints: bool,
}

impl rustyline::completion::Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, self.help.completions(&line[..pos])))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if !self.hints || pos < line.len() || line.trim().is_empty() {
            return None;
        }
        let hint = self.help.hint(line).filter(|hint| !hint.is_empty())?;
        let gap = if line.ends_with(' ') { "" } else { " " };
        Some(format!("{gap}{hint}"))
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }
}

impl Validator for Assistant {}
impl rustyline::Helper for Assistant {}

/// Lines from a terminal.
fn terminal(session: &mut Session) -> u8 {
    let config = Config::builder().completion_type(CompletionType::Circular).auto_add_history(false);
    let config = match config.max_history_size(HISTORY_LINES_MAX) {
        Ok(config) => config.build(),
        Err(error) => {
            complain!("The history has no place: {error}");
            return 1;
        }
    };
    let mut editor = match Editor::<Assistant, DefaultHistory>::with_config(config) {
        Ok(editor) => editor,
        Err(error) => {
            complain!("This terminal cannot be used: {error}");
            return 1;
        }
    };
    listen(session);
    let dialect = session.options.dialect;
    let help = Help::of(session.connection(), dialect);
    let hints = preferences();
    editor.set_helper(Some(Assistant { help, hints }));
    let history = dotfile("REDISCLI_HISTFILE", ".rediscli_history");
    // A history that is not there yet, or cannot be read, is an empty one.
    let old = history.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    for line in String::from_utf8_lossy(&old).lines() {
        let _ = editor.add_history_entry(line);
    }
    loop {
        let line = match editor.readline(&session.prompt()) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return 0,
            // The Ctrl-C that ended a stream: the editor heard it too.
            Err(ReadlineError::Signal(_)) => continue,
            Err(error) => {
                complain!("{error}");
                return 1;
            }
        };
        match execute(session, line.as_bytes()) {
            Next::Line(Remember::No) => {}
            Next::Line(Remember::Yes) => remember(&mut editor, &line, history.as_ref()),
            Next::Hints(hints) => {
                remember(&mut editor, &line, history.as_ref());
                if let Some(assistant) = editor.helper_mut() {
                    assistant.hints = hints;
                }
            }
            Next::Clear => {
                remember(&mut editor, &line, history.as_ref());
                // A terminal that cannot be cleared stays as it is.
                let _ = editor.clear_screen();
            }
            Next::Exit(code) => {
                if code == 0 {
                    remember(&mut editor, &line, history.as_ref());
                }
                return code;
            }
        }
    }
}

/// Adds the line to the history, and saves it: plain lines, which redis-cli reads and writes too. Where they cannot be
/// saved the history lives as long as the client.
fn remember(editor: &mut Editor<Assistant, DefaultHistory>, line: &str, file: Option<&PathBuf>) {
    let _ = editor.add_history_entry(line);
    let Some(path) = file else { return };
    let text: String = editor.history().iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    // For the user's eyes alone.
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
}

/// Shows a star for each letter.
struct Stars;

impl Highlighter for Stars {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned("*".repeat(line.chars().count()))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

impl rustyline::completion::Completer for Stars {
    type Candidate = String;
}

impl Hinter for Stars {
    type Hint = String;
}

impl Validator for Stars {}
impl rustyline::Helper for Stars {}

/// Asks for a password, which is shown as stars; from a pipe it is the first line. None at the end of the input.
pub fn password(question: &str) -> Option<Vec<u8>> {
    if !std::io::stdin().is_terminal() {
        let mut line = Vec::new();
        return read_line(&mut line).then_some(line);
    }
    let mut editor = Editor::<Stars, DefaultHistory>::new().ok()?;
    editor.set_helper(Some(Stars));
    editor.readline(question).ok().map(String::into_bytes)
}

/// One line from a pipe, without its end; false at the end of the input.
fn read_line(line: &mut Vec<u8>) -> bool {
    match std::io::Read::take(std::io::stdin().lock(), LINE_BYTES_MAX).read_until(b'\n', line) {
        Ok(0) | Err(_) => return false,
        Ok(_) => {}
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    true
}

/// Reads ~/.redisclirc: whether hints are shown.
fn preferences() -> bool {
    let mut hints = true;
    let file = dotfile("REDISCLI_RCFILE", ".redisclirc").and_then(|path| std::fs::read(path).ok());
    for line in file.unwrap_or_default().split(|&byte| byte == b'\n') {
        match base::words::split(line) {
            Some(words) if !words.is_empty() => hints = preference(&words, ".redisclirc: ").unwrap_or(hints),
            _ => {}
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        base::words::split(line.as_bytes()).expect("balanced")
    }

    #[test]
    fn a_number_before_a_command_repeats_it() {
        assert_eq!(repetition(&words("5 ping")), Some((5, 1)));
        assert_eq!(repetition(&words("5")), Some((1, 0)));
        assert_eq!(repetition(&words("0 ping")), None);
        assert_eq!(repetition(&words("-1 ping")), None);
        assert_eq!(repetition(&words("99999999999999999999 ping")), None);
        assert_eq!(repetition(&words("5x ping")), Some((1, 0)));
    }

    #[test]
    fn secrets_stay_out_of_the_history() {
        for line in [
            "auth x",
            "ACL SETUSER a >b",
            "config set requirepass x",
            "hello 3 setname n auth u p",
            "migrate h 1 k 0 5 copy auth2 u p",
        ] {
            assert!(is_sensitive(&words(line)), "{line}");
        }
        for line in [
            "get auth",
            "config get requirepass",
            "hello 3 setname auth",
            "migrate h 1 \"\" 0 5 keys auth a b",
        ] {
            assert!(!is_sensitive(&words(line)), "{line}");
        }
    }
}
