//! Screen: what the operator sees and answers.
//!
//! Lines have a tone; on a terminal that knows colours (`TERM` with `xterm`, as the originals judge) a tone has a colour.
//! Standard output that is gone does not stop the work: a slot half moved is worse than a line nobody reads.

use rustix::termios::OptionalActions;
use std::io::Write;
use std::os::fd::AsFd;

/// Longest answer that is read; the rest of the line is dropped.
const ANSWER_BYTES_MAX: usize = 1024;

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A step.
    Step,
    /// Something went well.
    Good,
    /// Look at this.
    Warning,
    /// Something is wrong.
    Bad,
}

/// Whose shape the output has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `redis-cli --cluster`.
    Cli,
    /// `redis-trib.rb`.
    Trib,
}

/// Standard output with tones, and the answers from standard input.
#[derive(Debug)]
pub struct Screen {
    dialect: Dialect,
    has_colours: bool,
}

impl Screen {
    /// For this process's terminal.
    pub fn new(dialect: Dialect) -> Screen {
        let has_colours = std::env::var("TERM").is_ok_and(|term| term.contains("xterm"));
        Screen { dialect, has_colours }
    }

    /// Whose shape the output has.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Prints as it is, at once.
    pub fn put(&self, text: impl AsRef<[u8]>) {
        let mut out = std::io::stdout().lock();
        // Nobody listens any more: the work goes on.
        let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
    }

    /// Prints one line without a tone.
    pub fn line(&self, text: impl std::fmt::Display) {
        self.put(format!("{text}\n"));
    }

    /// Prints `text` and a line end in a tone.
    pub fn say(&self, tone: Tone, text: impl std::fmt::Display) {
        match (self.has_colours, self.dialect) {
            (false, _) => self.line(text),
            (true, Dialect::Cli) => self.put(format!("\x1b[{}m{text}\n\x1b[0m", self.colour(tone))),
            (true, Dialect::Trib) => self.put(format!("\x1b[{}m{text}\x1b[0m\n", self.colour(tone))),
        }
    }

    /// A step's text, then more without the tone, as one line.
    pub fn step_with(&self, step: &str, more: &str) {
        match (self.has_colours, self.dialect) {
            (true, Dialect::Cli) => self.put(format!("\x1b[29;1m{step}\x1b[0m{more}\n")),
            _ => self.step(format!("{step}{more}")),
        }
    }

    fn colour(&self, tone: Tone) -> &'static str {
        match (tone, self.dialect) {
            (Tone::Step, _) => "29;1",
            (Tone::Bad, _) => "31;1",
            (Tone::Good, Dialect::Cli) => "32;1",
            (Tone::Good, Dialect::Trib) => "32",
            (Tone::Warning, Dialect::Cli) => "33;1",
            (Tone::Warning, Dialect::Trib) => "33",
        }
    }

    /// A step begins.
    pub fn step(&self, text: impl std::fmt::Display) {
        self.say(Tone::Step, text);
    }

    /// Something went well.
    pub fn good(&self, text: impl std::fmt::Display) {
        self.say(Tone::Good, text);
    }

    /// Look at this.
    pub fn warn(&self, text: impl std::fmt::Display) {
        self.say(Tone::Warning, text);
    }

    /// Something is wrong.
    pub fn bad(&self, text: impl std::fmt::Display) {
        self.say(Tone::Bad, text);
    }

    /// Prints to standard error, for what the originals print there.
    pub fn error(&self, text: impl std::fmt::Display) {
        // Nobody listens any more.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Asks `question (type 'yes' to accept): `.
    pub fn is_confirmed(&self, question: &str) -> bool {
        self.put(format!("{question} (type 'yes' to accept): "));
        self.answer().is_some_and(|answer| self.is_yes(&answer))
    }

    /// Asks for a password: what is typed is not shown. `None` when there is no input.
    pub fn ask_hidden(&self, question: &str) -> Option<String> {
        let stdin = std::io::stdin();
        self.put(question);
        let shown = rustix::termios::tcgetattr(stdin.as_fd());
        if let Ok(mut hidden) = shown.clone() {
            hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
            // It was asked for a moment ago: a terminal that is gone by now gives no answer either.
            let _ = rustix::termios::tcsetattr(stdin.as_fd(), OptionalActions::Now, &hidden);
        }
        let answer = self.answer();
        if let Ok(shown) = shown {
            // As above.
            let _ = rustix::termios::tcsetattr(stdin.as_fd(), OptionalActions::Now, &shown);
            self.put("\n");
        }
        answer
    }

    /// redis-cli looks at the first three letters only; redis-trib at the word, in any case.
    pub fn is_yes(&self, answer: &str) -> bool {
        match self.dialect {
            Dialect::Cli => answer.starts_with("yes"),
            Dialect::Trib => answer.eq_ignore_ascii_case("yes"),
        }
    }

    /// One line from standard input, without its end; `None` when there is no more. Byte for byte, so that nothing is taken
    /// that belongs to the next question.
    pub fn answer(&self) -> Option<String> {
        let stdin = std::io::stdin();
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            match rustix::io::read(stdin.as_fd(), &mut byte) {
                Ok(1) if byte[0] == b'\n' => break,
                Ok(1) if line.len() < ANSWER_BYTES_MAX => line.push(byte[0]),
                Ok(1) => {}
                Err(rustix::io::Errno::INTR) => {}
                _ if line.is_empty() => return None,
                _ => break,
            }
        }
        Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_string())
    }
}
