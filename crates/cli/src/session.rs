//! Session: one user's talk with a server, over as many connections as it takes.
//!
//! It knows what the prompt shows (where, which database, in a transaction), connects again when the connection is
//! gone, follows a cluster's redirections, and prints what comes. `issue` is the one way for a command.
//!
//! Commands that answer with a stream (SUBSCRIBE, MONITOR, SYNC) read until the stream ends.

use crate::connection::{Address, Connection, Timeouts, reason};
use crate::interrupts::Interrupts;
use crate::options::{Format, Options, Protocol, atoi};
use crate::{complain, help, modes, output, print, say};
use std::io::Error;
use wire::value::Value;

/// A command could not be carried out. What was to say is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection is gone, or did not come about.
    Lost,
    /// The program ends with this code.
    Ended(u8),
}

/// Whether a failure to connect is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is.
    Aloud,
    /// Not this one: the command that follows will say it.
    Quiet,
}

/// What kind the last reply was, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Error,
    Null,
    Other,
}

/// One user's session.
pub struct Session {
    /// How it was asked for; host, port and database follow CONNECT, SELECT and redirections.
    pub options: Options,
    /// How replies are printed now.
    pub format: Format,
    /// At the prompt (or fed by stdin), not one command from the arguments.
    pub is_interactive: bool,
    /// Ctrl-C, once somebody listens.
    pub interrupts: Option<Interrupts>,
    connection: Option<Connection>,
    /// The database that the server has selected for this connection.
    database: i32,
    /// Between MULTI and EXEC: the database before.
    transaction: Option<i32>,
    /// The address is that of a redirection.
    is_redirected: bool,
    /// The next command follows an ASK.
    asks: bool,
    /// SHUTDOWN was sent: the end of the connection is what was asked for.
    is_shutting_down: bool,
    is_resp3_over: bool,
    last: Last,
}

impl Session {
    /// A session that is not connected.
    pub fn new(options: Options) -> Session {
        Session {
            format: options.format,
            options,
            is_interactive: false,
            interrupts: None,
            connection: None,
            database: 0,
            transaction: None,
            is_redirected: false,
            asks: false,
            is_shutting_down: false,
            is_resp3_over: false,
            last: Last::Other,
        }
    }

    /// What stands before the user's line.
    pub fn prompt(&self) -> String {
        if self.connection.is_none() {
            return "not connected> ".into();
        }
        let place = match &self.options.socket {
            Some(path) => format!("redis {path}"),
            None if self.options.host.contains(':') => {
                format!("[{}]:{}", self.options.host, self.options.port)
            }
            None => format!("{}:{}", self.options.host, self.options.port),
        };
        let database = if self.database == 0 { String::new() } else { format!("[{}]", self.database) };
        let transaction = if self.transaction.is_some() { "(TX)" } else { "" };
        format!("{place}{database}{transaction}> ")
    }

    /// The connection, if there is one.
    pub fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Connects if there is no connection, authenticates, selects the database and the protocol.
    pub fn connect(&mut self, tone: Tone) -> Result<(), Failure> {
        if self.connection.is_some() { Ok(()) } else { self.connect_anew(tone) }
    }

    /// Like `connect`, whether there is a connection or not.
    pub fn connect_anew(&mut self, tone: Tone) -> Result<(), Failure> {
        (self.database, self.transaction) = (0, None);
        self.connection = None;
        let address = match &self.options.socket {
            Some(path) if !(self.options.follows_cluster && self.is_redirected) => {
                Address::Unix(path.clone())
            }
            _ => Address::tcp(&self.options.host, self.options.port),
        };
        match Connection::open(&address, Timeouts::default()) {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => {
                if tone == Tone::Aloud {
                    complain!("Could not connect to Redis at {address}: {}", reason(&error));
                }
                return Err(Failure::Lost);
            }
        }
        self.authenticate()?;
        self.select()?;
        self.switch_protocol()
    }

    fn authenticate(&mut self) -> Result<(), Failure> {
        let Some(password) = self.options.password.clone() else { return Ok(()) };
        let words = match self.options.user.clone() {
            Some(user) => vec![b"AUTH".to_vec(), user, password],
            None => vec![b"AUTH".to_vec(), password],
        };
        self.must(&words, "AUTH failed: ")
    }

    /// Selects the database that is wanted.
    fn select(&mut self) -> Result<(), Failure> {
        let wanted = self.options.database;
        if wanted == self.database {
            return Ok(());
        }
        let words = [b"SELECT".to_vec(), wanted.to_string().into_bytes()];
        self.must(&words, &format!("SELECT {wanted} failed: "))?;
        self.database = wanted;
        Ok(())
    }

    fn switch_protocol(&mut self) -> Result<(), Failure> {
        let is_asked = matches!(self.options.protocol, Protocol::Resp3 | Protocol::Resp3IfThere);
        if !is_asked || self.is_resp3_over {
            return Ok(());
        }
        match self.must(&[b"HELLO".to_vec(), b"3".to_vec()], "HELLO 3 failed: ") {
            Err(_) if self.options.protocol == Protocol::Resp3IfThere => Ok(()),
            other => other,
        }
    }

    /// Sends a command of the session's own; a refusal is said with `head` before it.
    fn must(&mut self, words: &[Vec<u8>], head: &str) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Err(Failure::Lost) };
        match connection.command(words) {
            Ok(Value::Error(text)) => {
                complain!("{head}{}", String::from_utf8_lossy(&text));
                Err(Failure::Lost)
            }
            Ok(_) => Ok(()),
            Err(_) => {
                complain!("\nI/O error");
                Err(Failure::Lost)
            }
        }
    }

    /// Runs one command `repeat` times (below zero: for ever), connecting first where it must.
    pub fn issue(&mut self, words: &[Vec<u8>], repeat: i64) -> Result<(), Failure> {
        if words[0].eq_ignore_ascii_case(b"help") || words[0] == b"?" {
            help::print(self, &words[1..]);
            return Ok(());
        }
        loop {
            if (self.is_redirected || self.connection.is_none()) && self.connect_anew(Tone::Aloud).is_err() {
                if self.connection.is_some() {
                    complain!("Error: ");
                }
                self.is_redirected = false;
                return Err(Failure::Lost);
            }
            self.is_redirected = false;
            if std::mem::take(&mut self.asks) {
                let asked = self.must(&[b"ASKING".to_vec()], "ASKING failed: ");
                if asked.is_err() {
                    complain!("Error: ");
                    return asked;
                }
            }
            if let Err(failure) = self.send(words, repeat) {
                self.connection = None;
                return Err(failure);
            }
            if !self.is_redirected {
                return Ok(());
            }
        }
    }

    fn send(&mut self, words: &[Vec<u8>], repeat: i64) -> Result<(), Failure> {
        let is_text = answers_in_text(words);
        let mut left = repeat;
        self.is_shutting_down |= words[0].eq_ignore_ascii_case(b"shutdown");
        while left != 0 {
            left = if left > 0 { left - 1 } else { left };
            let Some(connection) = &mut self.connection else { return Ok(()) };
            if let Err(error) = connection.send(words) {
                return self.on_lost(&error);
            }
            match Stream::of(&words[0]) {
                Some(Stream::Monitor) => return self.read_stream(is_text),
                Some(Stream::PubSub) => {
                    if self.format != Format::Raw {
                        say!("Reading messages... (press Ctrl-C to quit)\n");
                    }
                    self.read_stream(is_text)?;
                    continue;
                }
                Some(Stream::Replication) => {
                    say!("Entering replica output mode...  (press Ctrl-C to quit)\n");
                    modes::replica::follow_sent(self)?;
                    return Err(Failure::Lost);
                }
                None => self.read(is_text)?,
            }
            self.note(words);
            if self.is_redirected {
                break;
            }
            std::thread::sleep(self.options.interval);
        }
        Ok(())
    }

    /// Keeps in mind what the command changed that the prompt shows.
    fn note(&mut self, words: &[Vec<u8>]) {
        let is_error = self.last == Last::Error;
        match (words[0].to_ascii_lowercase().as_slice(), words.len()) {
            (b"select", 2) if !is_error => {
                self.database = atoi(&words[1]);
                self.options.database = self.database;
            }
            // After AUTH the wanted database may be reached; a refusal was said.
            (b"auth", 2 | 3) => drop(self.select()),
            (b"multi", 1) if !is_error => self.transaction = Some(self.database),
            (b"exec", 1) => {
                if let Some(before) = self.transaction.take()
                    && self.last != Last::Other
                {
                    (self.database, self.options.database) = (before, before);
                }
            }
            (b"discard", 1) if !is_error => {
                if let Some(before) = self.transaction.take() {
                    (self.database, self.options.database) = (before, before);
                }
            }
            (b"reset", 1) if !is_error => {
                (self.database, self.options.database, self.transaction) = (0, 0, None);
                self.is_resp3_over = true;
            }
            _ => {}
        }
    }

    /// Reads and prints one reply; pushes before it are printed or dropped.
    fn read(&mut self, is_text: bool) -> Result<(), Failure> {
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            match connection.read() {
                Ok(push @ Value::Push(_)) => self.show_push(&push),
                Ok(value) => return self.show(&value, is_text),
                Err(error) => return self.on_lost(&error),
            }
        }
    }

    /// Reads and prints until an error ends the stream, or Ctrl-C at the prompt.
    fn read_stream(&mut self, is_text: bool) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let is_watched = match &self.interrupts {
            Some(interrupts) => interrupts.watch(connection).is_ok(),
            None => false,
        };
        let result = loop {
            let Some(connection) = &mut self.connection else { break Ok(()) };
            match connection.read() {
                Ok(value) => {
                    let shown = self.show(&value, is_text);
                    if shown.is_err() || self.last == Last::Error {
                        break shown;
                    }
                }
                Err(_) if is_watched && self.interrupts.as_ref().is_some_and(Interrupts::was_cut) => {
                    break self.connect_anew(Tone::Aloud);
                }
                Err(error) => {
                    complain!("Error: {}", reason(&error));
                    break Err(Failure::Ended(1));
                }
            }
        };
        if let Some(interrupts) = &self.interrupts {
            interrupts.unwatch();
        }
        result
    }

    /// Prints one reply after another as CSV until the connection ends: what a primary sends.
    pub fn read_replication(&mut self) -> Failure {
        let format = std::mem::replace(&mut self.format, Format::Csv);
        let failure = loop {
            if let Err(failure) = self.read(false) {
                break failure;
            }
        };
        self.format = format;
        failure
    }

    fn show_push(&self, push: &Value) {
        if self.options.shows_pushes {
            print::bytes(&output::push(&self.options, self.format, push));
        }
    }

    fn show(&mut self, value: &Value, is_text: bool) -> Result<(), Failure> {
        self.last = match value {
            Value::Error(_) => Last::Error,
            Value::Null => Last::Null,
            _ => Last::Other,
        };
        if let Value::Error(text) = value {
            if self.options.follows_cluster && self.redirect(text) {
                return Ok(());
            }
            if self.options.error_exits && !self.is_interactive {
                complain!("{}", String::from_utf8_lossy(text));
                return Err(Failure::Ended(1));
            }
        }
        print::bytes(&output::reply(&self.options, self.format, value, is_text));
        Ok(())
    }

    /// `MOVED 3999 127.0.0.1:6381`, `ASK ...`: takes the address for the next connection.
    fn redirect(&mut self, error: &[u8]) -> bool {
        let text = String::from_utf8_lossy(error);
        let mut words = text.split(' ');
        let is_ask = match words.next() {
            Some("MOVED") => false,
            Some("ASK") => true,
            _ => return false,
        };
        let Some((slot, (host, port))) =
            words.next().zip(words.next().and_then(|place| place.rsplit_once(':')))
        else {
            return false;
        };
        // No host: the one that we talk to.
        if !host.is_empty() {
            self.options.host = host.to_string();
        }
        self.options.port = port.parse().unwrap_or(0);
        if self.is_interactive {
            let (host, port) = (&self.options.host, self.options.port);
            say!("-> Redirected to slot [{slot}] located at {host}:{port}\n");
        }
        self.asks = is_ask;
        self.is_redirected = true;
        true
    }

    /// The connection is gone while a reply was due.
    fn on_lost(&mut self, error: &Error) -> Result<(), Failure> {
        if self.is_shutting_down {
            self.connection = None;
            return Ok(());
        }
        complain!("Error: {}", reason(error));
        Err(if self.is_interactive { Failure::Lost } else { Failure::Ended(1) })
    }
}

/// Commands whose answer is a stream.
enum Stream {
    Monitor,
    PubSub,
    Replication,
}

impl Stream {
    fn of(command: &[u8]) -> Option<Stream> {
        match command.to_ascii_lowercase().as_slice() {
            b"monitor" => Some(Stream::Monitor),
            b"subscribe" | b"psubscribe" | b"ssubscribe" => Some(Stream::PubSub),
            b"sync" | b"psync" => Some(Stream::Replication),
            _ => None,
        }
    }
}

/// Commands whose replies are readable lines: shown as they are, on a terminal too.
fn answers_in_text(words: &[Vec<u8>]) -> bool {
    let lower: Vec<Vec<u8>> = words.iter().take(2).map(|word| word.to_ascii_lowercase()).collect();
    let sub = lower.get(1).map_or(b"".as_slice(), Vec::as_slice);
    let count = words.len();
    match lower[0].as_slice() {
        b"info" | b"lolwut" => true,
        b"debug" => matches!(sub, b"htstats" | b"htstats-key" | b"client-eviction"),
        b"memory" => matches!(sub, b"malloc-stats" | b"doctor"),
        b"cluster" => count == 2 && matches!(sub, b"nodes" | b"info"),
        b"client" => matches!(sub, b"list" | b"info"),
        b"latency" => (count == 3 && sub == b"graph") || (count == 2 && sub == b"doctor"),
        b"proxy" => sub == b"info",
        _ => false,
    }
}
