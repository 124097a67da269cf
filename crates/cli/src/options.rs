//! The options of the command line.
//!
//! Their meaning and their order of checks are redis-cli's: an option that needs a value and is the last word is
//! unknown, numbers are read as C's `atoi` reads them, and the first word that is no option begins the command.

use crate::connection::Address;
use crate::{complain, say, usage};
use spec::catalogue::Dialect;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// How replies are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For the eye: quotes, types, numbered items.
    Standard,
    /// As they are.
    Raw,
    /// `--csv`
    Csv,
    /// `--json`
    Json,
    /// `--quoted-json`
    QuotedJson,
}

/// Which protocol is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the server starts with.
    Usual,
    /// `-2`
    Resp2,
    /// `-3`: without it nothing is done.
    Resp3,
    /// `--json`: RESP3 if the server has it.
    Resp3IfThere,
}

/// What runs instead of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `--latency`
    pub latency: bool,
    /// `--latency-history`
    pub latency_history: bool,
    /// `--latency-dist`
    pub latency_dist: bool,
    /// `--replica`, `--slave`
    pub replica: bool,
    /// `--pipe`
    pub pipe: bool,
    /// `--bigkeys`
    pub bigkeys: bool,
    /// `--memkeys`
    pub memkeys: bool,
    /// `--hotkeys`
    pub hotkeys: bool,
    /// `--stat`
    pub stat: bool,
    /// `--scan`
    pub scan: bool,
}

/// The options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Unix socket, instead of both.
    pub socket: Option<String>,
    /// Password: `-a`, `-u`, `--askpass` or REDISCLI_AUTH.
    pub password: Option<Vec<u8>>,
    /// User name.
    pub user: Option<Vec<u8>>,
    /// `--askpass`
    pub asks_password: bool,
    /// `-n`
    pub database: i32,
    /// `-2`, `-3`
    pub protocol: Protocol,
    /// `-c`
    pub follows_cluster: bool,
    /// `-r`; below zero: for ever.
    pub repeat: i64,
    /// `-i`
    pub interval: Duration,
    /// `-x`
    pub stdin_last: bool,
    /// `-X`
    pub stdin_tag: Option<Vec<u8>>,
    /// `-d`
    pub item_delimiter: Vec<u8>,
    /// `-D`
    pub reply_delimiter: Vec<u8>,
    /// `-e`
    pub error_exits: bool,
    /// How replies are printed.
    pub format: Format,
    /// Pushes are printed.
    pub shows_pushes: bool,
    /// `--quoted-input`
    pub quoted_input: bool,
    /// `--verbose`
    pub verbose: bool,
    /// `--mono`
    pub is_mono: bool,
    /// What runs instead of commands.
    pub modes: Modes,
    /// `--pattern`
    pub pattern: Option<Vec<u8>>,
    /// `--type`
    pub scan_type: Option<Vec<u8>>,
    /// `--count`
    pub scan_count: Option<i64>,
    /// `--memkeys-samples`
    pub memkeys_samples: u32,
    /// `--pipe-timeout`, in seconds; none: wait for ever.
    pub pipe_timeout: Option<Duration>,
    /// `--rdb`
    pub rdb_file: Option<Vec<u8>>,
    /// `--functions-rdb`
    pub functions_file: Option<Vec<u8>>,
    /// `--eval`
    pub eval_file: Option<Vec<u8>>,
    /// `--ldb`, `--ldb-sync-mode`
    pub debugs_script: bool,
    /// `--intrinsic-latency`, in seconds.
    pub intrinsic_seconds: Option<i64>,
    /// `--lru-test`
    pub lru_keys: Option<i64>,
    /// `--test_hint`
    pub test_hint: Option<Vec<u8>>,
    /// `--test_hint_file`
    pub test_hint_file: Option<Vec<u8>>,
    /// What belongs to the cluster manager: the words behind `--cluster`, and the options `--cluster-...` with their
    /// values, wherever they stood, in their order.
    pub cluster: Option<Vec<Vec<u8>>>,
    /// The command.
    pub command: Vec<Vec<u8>>,
    /// Whose commands the own table shows.
    pub dialect: Dialect,
}

/// What the arguments ask for.
pub enum Parsed {
    /// To run with these options.
    Run(Box<Options>),
    /// Nothing more: what was to say is said.
    Exit(u8),
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: "127.0.0.1".into(),
            port: 6379,
            socket: None,
            password: None,
            user: None,
            asks_password: false,
            database: 0,
            protocol: Protocol::Usual,
            follows_cluster: false,
            repeat: 1,
            interval: Duration::ZERO,
            stdin_last: false,
            stdin_tag: None,
            item_delimiter: b"\n".to_vec(),
            reply_delimiter: b"\n".to_vec(),
            error_exits: false,
            format: Format::Raw,
            shows_pushes: false,
            quoted_input: false,
            verbose: false,
            is_mono: false,
            modes: Modes::default(),
            pattern: None,
            scan_type: None,
            scan_count: None,
            memkeys_samples: 0,
            pipe_timeout: Some(Duration::from_secs(30)),
            rdb_file: None,
            functions_file: None,
            eval_file: None,
            debugs_script: false,
            intrinsic_seconds: None,
            lru_keys: None,
            test_hint: None,
            test_hint_file: None,
            cluster: None,
            command: Vec::new(),
            dialect: Dialect::Redis,
        }
    }
}

/// The cluster manager's options that take no value.
const CLUSTER_FLAGS: &[&str] = &[
    "--cluster-only-masters",
    "--cluster-only-replicas",
    "--cluster-from-askpass",
    "--cluster-yes",
    "--cluster-simulate",
    "--cluster-replace",
    "--cluster-copy",
    "--cluster-slave",
    "--cluster-use-empty-masters",
    "--cluster-search-multiple-owners",
    "--cluster-fix-with-unreachable-masters",
];

/// The cluster manager's options that take one.
const CLUSTER_VALUES: &[&str] = &[
    "--cluster-replicas",
    "--cluster-master-id",
    "--cluster-from",
    "--cluster-to",
    "--cluster-from-user",
    "--cluster-from-pass",
    "--cluster-slots",
    "--cluster-timeout",
    "--cluster-pipeline",
    "--cluster-threshold",
];

/// Options of clients that were built with TLS.
const TLS: &[&str] = &[
    "--tls",
    "--sni",
    "--cacert",
    "--cacertdir",
    "--insecure",
    "--cert",
    "--key",
    "--tls-ciphers",
    "--tls-ciphersuites",
];

/// The program ends at once, with this code.
struct Stop(u8);

/// What stands for an option while the arguments are read, and is settled at the end.
#[derive(Default)]
struct Pending {
    resp2: bool,
    resp3: bool,
    json: bool,
    is_silent_about_password: bool,
    debugs: bool,
}

impl Options {
    /// Reads the arguments, then the environment.
    pub fn parse(args: &[Vec<u8>]) -> Parsed {
        let mut options = Options::default();
        if std::io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some() {
            options.format = Format::Standard;
            options.shows_pushes = true;
        }
        let mut pending = Pending::default();
        match options.read(args, &mut pending).and_then(|()| options.settle(&pending)) {
            Ok(()) => Parsed::Run(Box::new(options)),
            Err(Stop(code)) => Parsed::Exit(code),
        }
    }

    /// Where the server is.
    pub fn address(&self) -> Address {
        match &self.socket {
            Some(path) => Address::Unix(path.clone()),
            None => Address::tcp(&self.host, self.port),
        }
    }

    /// Takes host, port, user, password and database from a URI, as `-u` does.
    ///
    /// # Errors
    /// The exit code; what was to say is said.
    pub fn take_uri(&mut self, uri: &[u8]) -> Result<(), u8> {
        self.read_uri(uri).map_err(|Stop(code)| code)
    }

    fn read(&mut self, args: &[Vec<u8>], pending: &mut Pending) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let text = String::from_utf8_lossy(word).into_owned();
            let value = args.get(at + 1).map(Vec::as_slice);
            if self.flag(&text, pending)? {
                at += 1;
            } else if let Some(value) = value
                && (self.connection_value(&text, value)? || self.value(&text, value)?)
            {
                at += 2;
            } else if let Some(count) = self.cluster_words(&text, &args[at..])? {
                at += count;
            } else if text == "-h" || text == "--help" {
                say!("{}", usage::usage());
                return Err(Stop(0));
            } else if word.starts_with(b"-") {
                complain!("Unrecognized option or bad number of args for: '{text}'");
                return Err(Stop(1));
            } else {
                self.command = args[at..].to_vec();
                break;
            }
        }
        Ok(())
    }

    /// An option without a value.
    fn flag(&mut self, word: &str, pending: &mut Pending) -> Result<bool, Stop> {
        match word {
            "-v" | "--version" => {
                say!("redis-cli {}\n", usage::VERSION);
                return Err(Stop(0));
            }
            "-x" => self.stdin_last = true,
            "--no-auth-warning" => pending.is_silent_about_password = true,
            "--askpass" => self.asks_password = true,
            "--raw" => self.format = Format::Raw,
            "--no-raw" => self.format = Format::Standard,
            "--quoted-input" => self.quoted_input = true,
            "--csv" => self.format = Format::Csv,
            "--json" => (self.format, pending.json) = (Format::Json, true),
            "--quoted-json" => (self.format, pending.json) = (Format::QuotedJson, true),
            "--latency" => self.modes.latency = true,
            "--latency-dist" => self.modes.latency_dist = true,
            "--mono" => self.is_mono = true,
            "--latency-history" => (self.modes.latency, self.modes.latency_history) = (true, true),
            "--slave" | "--replica" => self.modes.replica = true,
            "--stat" => self.modes.stat = true,
            "--scan" => self.modes.scan = true,
            "--pipe" => self.modes.pipe = true,
            "--bigkeys" => self.modes.bigkeys = true,
            "--memkeys" => self.modes.memkeys = true,
            "--hotkeys" => self.modes.hotkeys = true,
            "--ldb" | "--ldb-sync-mode" => (pending.debugs, self.format) = (true, Format::Raw),
            "-c" => self.follows_cluster = true,
            "-e" => self.error_exits = true,
            "--verbose" => self.verbose = true,
            "-2" => pending.resp2 = true,
            "-3" => pending.resp3 = true,
            word if TLS.contains(&word) => {
                complain!("{word} needs TLS, which this client does not have");
                return Err(Stop(1));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An option with a value that says where and as whom to connect.
    fn connection_value(&mut self, word: &str, value: &[u8]) -> Result<bool, Stop> {
        match word {
            "-h" => self.host = text(value),
            "-p" => self.port = port(value),
            "-s" => self.socket = Some(text(value)),
            "-n" => self.database = atoi(value),
            "-a" | "--pass" => self.password = Some(value.to_vec()),
            "--user" => self.user = Some(value.to_vec()),
            "-u" => self.read_uri(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Another option with a value.
    fn value(&mut self, word: &str, value: &[u8]) -> Result<bool, Stop> {
        match word {
            "-X" => self.stdin_tag = Some(value.to_vec()),
            "-r" => self.repeat = strtoll(value),
            "-i" => self.interval = seconds(value),
            "-d" => self.item_delimiter = value.to_vec(),
            "-D" => self.reply_delimiter = value.to_vec(),
            "--lru-test" => self.lru_keys = Some(strtoll(value)),
            "--pattern" => self.pattern = Some(value.to_vec()),
            "--quoted-pattern" => match unquote(value) {
                Some(pattern) => self.pattern = Some(pattern),
                None => {
                    complain!("Invalid quoted string specified for --quoted-pattern.");
                    return Err(Stop(1));
                }
            },
            "--type" => self.scan_type = Some(value.to_vec()),
            "--count" => self.scan_count = Some(strtoll(value)),
            "--intrinsic-latency" => self.intrinsic_seconds = Some(strtoll(value)),
            "--rdb" => self.rdb_file = Some(value.to_vec()),
            "--functions-rdb" => self.functions_file = Some(value.to_vec()),
            "--pipe-timeout" => {
                self.pipe_timeout =
                    u64::try_from(atoi(value)).ok().filter(|n| *n > 0).map(Duration::from_secs);
            }
            "--memkeys-samples" => {
                (self.modes.memkeys, self.memkeys_samples) = (true, u32::try_from(atoi(value)).unwrap_or(0));
            }
            "--eval" => self.eval_file = Some(value.to_vec()),
            "--test_hint" => self.test_hint = Some(value.to_vec()),
            "--test_hint_file" => self.test_hint_file = Some(value.to_vec()),
            "--show-pushes" => match value.first().map(u8::to_ascii_lowercase) {
                Some(b'n') => self.shows_pushes = false,
                Some(b'y') => self.shows_pushes = true,
                _ => complain!("Unknown --show-pushes value '{}' (valid: '[y]es', '[n]o')", text(value)),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Words for the cluster manager: how many of `args` are its.
    fn cluster_words(&mut self, word: &str, args: &[Vec<u8>]) -> Result<Option<usize>, Stop> {
        let count = if word == "--cluster" {
            if args.len() == 1 || self.cluster.as_ref().is_some_and(|words| has_subcommand(words)) {
                complain!("{}", usage::usage());
                return Err(Stop(1));
            }
            let words = 2 + args[2..].iter().take_while(|arg| !arg.starts_with(b"-")).count();
            let before = self.cluster.take().unwrap_or_default();
            self.cluster = Some(args[1..words].iter().cloned().chain(before).collect());
            return Ok(Some(words));
        } else if CLUSTER_FLAGS.contains(&word) {
            1
        } else if CLUSTER_VALUES.contains(&word) && args.len() > 1 {
            2
        } else if word == "--cluster-weight" && args.len() > 1 {
            let is_weight = |arg: &&Vec<u8>| !arg.starts_with(b"--") && arg.contains(&b'=');
            1 + args[1..].iter().take_while(is_weight).count()
        } else if !word.starts_with('-') && self.cluster.as_ref().is_some_and(|words| has_subcommand(words)) {
            args.iter().take_while(|arg| !arg.starts_with(b"-")).count()
        } else {
            return Ok(None);
        };
        self.cluster.get_or_insert_default().extend_from_slice(&args[..count]);
        Ok(Some(count))
    }

    /// Checks what excludes each other, then reads the environment.
    fn settle(&mut self, pending: &Pending) -> Result<(), Stop> {
        let refuse = |text: &str| {
            complain!("{text}");
            Err(Stop(1))
        };
        if self.socket.is_some() && self.follows_cluster {
            return refuse("Options -c and -s are mutually exclusive.");
        }
        if pending.resp2 && pending.resp3 {
            return refuse("Options -2 and -3 are mutually exclusive.");
        }
        self.protocol = match (pending.resp2, pending.resp3, pending.json) {
            (true, ..) => Protocol::Resp2,
            (_, true, _) => Protocol::Resp3,
            (_, _, true) => Protocol::Resp3IfThere,
            _ => Protocol::Usual,
        };
        if pending.debugs && self.eval_file.is_none() {
            complain!("Options --ldb and --ldb-sync-mode require --eval.");
            return refuse("Try redis-cli --help for more information.");
        }
        self.debugs_script = pending.debugs;
        if !pending.is_silent_about_password && self.password.is_some() {
            complain!(
                "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe."
            );
        }
        if self.rdb_file.is_some() && self.functions_file.is_some() {
            return refuse("Option --functions-rdb and --rdb are mutually exclusive.");
        }
        if self.stdin_last && self.stdin_tag.is_some() {
            return refuse("Options -x and -X are mutually exclusive.");
        }
        if self.password.is_none() {
            self.password = std::env::var_os("REDISCLI_AUTH").map(OsStringExt::into_vec);
        }
        // Options of the cluster manager without its command mean nothing.
        self.cluster = self.cluster.take().filter(|words| has_subcommand(words));
        Ok(())
    }

    /// `redis://[[user:]password@][host[:port]][/database]`
    fn read_uri(&mut self, uri: &[u8]) -> Result<(), Stop> {
        let refuse = |text: &str| {
            complain!("{text}");
            Err(Stop(1))
        };
        let scheme = |name: &[u8]| uri.len() >= name.len() && uri[..name.len()].eq_ignore_ascii_case(name);
        if scheme(b"rediss://") {
            return refuse("rediss:// needs TLS, which this client does not have");
        }
        if !scheme(b"redis://") {
            return refuse("Invalid URI scheme");
        }
        let mut rest = &uri[b"redis://".len()..];
        if let Some(at) = rest.iter().position(|&byte| byte == b'@') {
            let mut userinfo = &rest[..at];
            if let Some(colon) = userinfo.iter().position(|&byte| byte == b':') {
                self.user = Some(percent_decode(&userinfo[..colon])?);
                userinfo = &userinfo[colon + 1..];
            }
            self.password = Some(percent_decode(userinfo)?);
            rest = &rest[at + 1..];
        }
        let slash = rest.iter().position(|&byte| byte == b'/');
        let place = &rest[..slash.unwrap_or(rest.len())];
        if !place.is_empty() {
            let colon = place.iter().position(|&byte| byte == b':');
            if let Some(colon) = colon {
                self.port = port(&place[colon + 1..]);
            }
            self.host = text(&place[..colon.unwrap_or(place.len())]);
        }
        match slash.map(|slash| &rest[slash + 1..]) {
            Some(database) if !database.is_empty() => self.database = atoi(database),
            _ => {}
        }
        Ok(())
    }
}

fn has_subcommand(words: &[Vec<u8>]) -> bool {
    words.first().is_some_and(|word| !word.starts_with(b"-"))
}

fn percent_decode(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != b'%' {
            out.push(byte);
            at += 1;
            continue;
        }
        if text.len() - at < 2 {
            complain!("Incomplete URI encoding");
            return Err(Stop(1));
        }
        // The original looks for the second digit behind the end, and finds `@` or `:` there.
        let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            complain!("Illegal character in URI encoding");
            return Err(Stop(1));
        };
        out.push((high << 4 | low) as u8);
        at += 3;
    }
    Ok(out)
}

/// One quoted string with its escapes; nothing if it is not exactly one.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    match base::words::split(text)?.as_mut_slice() {
        [word] => Some(std::mem::take(word)),
        _ => None,
    }
}

/// A number as C's `strtoll` reads it: what is no number is 0, what is too large is the largest.
pub fn strtoll(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value =
        digits.fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if is_negative { -value } else { value }
}

/// A number as C's `atoi` reads it.
pub fn atoi(text: &[u8]) -> i32 {
    strtoll(text) as i32
}

/// A port; what is none is 0, which no server has.
fn port(text: &[u8]) -> u16 {
    u16::try_from(atoi(text)).unwrap_or(0)
}

/// Seconds with a fraction, as C's `atof` reads them.
fn seconds(text: &[u8]) -> Duration {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let number = std::str::from_utf8(&text[..len]).ok().and_then(|text| text.parse::<f64>().ok());
    Duration::try_from_secs_f64(number.unwrap_or(0.0)).unwrap_or(Duration::ZERO)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Options {
        let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        match Options::parse(&args) {
            Parsed::Run(options) => *options,
            Parsed::Exit(code) => panic!("exit {code}"),
        }
    }

    #[test]
    fn the_first_other_word_begins_the_command() {
        let options = parse("-h ::1 -p 7000 -n 3 get -h");
        assert_eq!((options.host.as_str(), options.port, options.database), ("::1", 7000, 3));
        assert_eq!(options.command, [b"get".to_vec(), b"-h".to_vec()]);
    }

    #[test]
    fn a_uri_says_it_all() {
        let options = parse("--no-auth-warning -u redis://me:a%20b@host:7001/5");
        assert_eq!((options.host.as_str(), options.port, options.database), ("host", 7001, 5));
        assert_eq!(options.user.as_deref(), Some(b"me".as_slice()));
        assert_eq!(options.password.as_deref(), Some(b"a b".as_slice()));
    }

    #[test]
    fn the_cluster_manager_gets_its_words() {
        let line = "--cluster-yes --cluster create a:1 b:2 -a x --no-auth-warning --cluster-replicas 1 c:3";
        let words = parse(line).cluster.expect("a subcommand");
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        assert_eq!(words.join(" "), "create a:1 b:2 --cluster-yes --cluster-replicas 1 c:3");
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        assert_eq!(atoi(b" 12x"), 12);
        assert_eq!(atoi(b"x"), 0);
        assert_eq!(strtoll(b"-99999999999999999999"), -i64::MAX);
        assert_eq!(seconds(b"0.25s"), Duration::from_millis(250));
    }
}
