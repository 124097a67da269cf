//! The options of the command line: redis-benchmark's, and those of the mode of our own.

use crate::usage;
use cli::connection::Address;
use cli::options::{Options as ClientOptions, atoi};
use cli::{complain, say};
use std::time::Duration;

/// 500: threads at most, as in the original.
const THREADS_MAX: i32 = 500;
/// 1 GiB: the largest payload, as in the original.
const PAYLOAD_BYTES_MAX: i32 = 1 << 30;
/// Options of the original that need TLS.
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

/// The options.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub address: Address,
    /// `-a`
    pub password: Option<Vec<u8>>,
    /// `--user`
    pub user: Option<Vec<u8>>,
    /// `--dbnum`
    pub database: i32,
    /// `-3`
    pub is_resp3: bool,
    /// `-c`
    pub clients: usize,
    /// `-n`
    pub requests: u64,
    /// `-d`
    pub payload_bytes: usize,
    /// `--threads`; 0: one, and the report says that there are none.
    pub threads: usize,
    /// `--cluster`
    pub is_cluster: bool,
    /// `--enable-tracking`
    pub tracks: bool,
    /// `-k`, as it was given: the report shows it.
    pub keepalive: i32,
    /// `-r`
    pub keyspace: Option<u64>,
    /// `-P`
    pub pipeline: usize,
    /// `-q`
    pub is_quiet: bool,
    /// `--precision`: significant digits of latencies.
    pub precision: u8,
    /// `--csv`
    pub is_csv: bool,
    /// `-l`
    pub loops: bool,
    /// `-t`, in lower case.
    pub tests: Option<Vec<String>>,
    /// `-I`
    pub is_idle: bool,
    /// `-x`
    pub stdin_last: bool,
    /// The command.
    pub command: Vec<Vec<u8>>,
    /// The mode of our own.
    pub timed: Timed,
}

/// The options of the mode of our own.
#[derive(Clone, Debug)]
pub struct Timed {
    /// One of these options was there.
    pub is_wanted: bool,
    /// `--duration`
    pub duration: Duration,
    /// `--warmup`
    pub warmup: Duration,
    /// `--rate`: requests a second, all clients together; none: as fast as the replies come.
    pub rate: Option<f64>,
    /// `--mix` and `--command`: what is sent, and its weight.
    pub mix: Vec<(Share, u32)>,
    /// `--json`
    pub is_json: bool,
}

/// One part of a mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// One of the tests, by its name for `-t`.
    Test(String),
    /// A command line.
    Words(Vec<Vec<u8>>),
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
        let timed = Timed {
            is_wanted: false,
            duration: Duration::from_secs(10),
            warmup: Duration::ZERO,
            rate: None,
            mix: Vec::new(),
            is_json: false,
        };
        Options {
            address: Address::tcp("127.0.0.1", 6379),
            password: None,
            user: None,
            database: 0,
            is_resp3: false,
            clients: 50,
            requests: 100_000,
            payload_bytes: 3,
            threads: 0,
            is_cluster: false,
            tracks: false,
            keepalive: 1,
            keyspace: None,
            pipeline: 1,
            is_quiet: false,
            precision: 3,
            is_csv: false,
            loops: false,
            tests: None,
            is_idle: false,
            stdin_last: false,
            command: Vec::new(),
            timed,
        }
    }
}

/// The program ends at once, with this code.
struct Stop(u8);

/// What is settled when all arguments are read.
struct Pending {
    place: ClientOptions,
    /// Options of the original that the mode of our own can not follow.
    classic_only: Option<&'static str>,
}

impl Options {
    /// Reads the arguments.
    pub fn parse(args: &[Vec<u8>]) -> Parsed {
        let mut options = Options::default();
        let mut pending = Pending { place: ClientOptions::default(), classic_only: None };
        match options.read(args, &mut pending) {
            Ok(()) => Parsed::Run(Box::new(options)),
            Err(Stop(code)) => Parsed::Exit(code),
        }
    }

    fn read(&mut self, args: &[Vec<u8>], pending: &mut Pending) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            let word = String::from_utf8_lossy(arg).into_owned();
            let value = args.get(at + 1).map(Vec::as_slice);
            if self.flag(&word, pending)? {
                at += 1;
            } else if let Some(value) = value
                && (place_value(&mut pending.place, &word, value)?
                    || self.value(&word, value, pending)?
                    || self.timed_value(&word, value)?)
            {
                at += 2;
            } else if word.starts_with('-') {
                return Err(invalid(&word));
            } else {
                self.command = args[at..].to_vec();
                break;
            }
        }
        self.address = pending.place.address();
        self.password = pending.place.password.take();
        self.user = pending.place.user.take();
        self.database = pending.place.database;
        match pending.classic_only {
            Some(word) if self.timed.is_wanted => {
                complain!(
                    "{word} does not go together with --duration, --warmup, --rate, --mix, --command or --json"
                );
                Err(Stop(1))
            }
            _ => Ok(()),
        }
    }

    /// An option without a value.
    fn flag(&mut self, word: &str, pending: &mut Pending) -> Result<bool, Stop> {
        let classic = match word {
            "--csv" => Some("--csv"),
            "-l" => Some("-l"),
            "-I" => Some("-I"),
            _ => None,
        };
        pending.classic_only = pending.classic_only.or(classic);
        match word {
            "-v" | "--version" => {
                say!("redis-benchmark 7.0.15\n");
                return Err(Stop(0));
            }
            "--help" => {
                say!("{}", usage::USAGE);
                return Err(Stop(0));
            }
            "-x" => self.stdin_last = true,
            "-3" => self.is_resp3 = true,
            "-q" => self.is_quiet = true,
            "--csv" => self.is_csv = true,
            "-l" => self.loops = true,
            "-I" => self.is_idle = true,
            "-e" => complain!(
                "WARNING: -e option has no effect. We now immediately exit on error to avoid false results."
            ),
            "--cluster" => self.is_cluster = true,
            "--enable-tracking" => self.tracks = true,
            "--json" => (self.timed.is_json, self.timed.is_wanted) = (true, true),
            word if TLS.contains(&word) => {
                complain!("{word} needs TLS, which this client does not have");
                return Err(Stop(1));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One of the original's options with a value.
    fn value(&mut self, word: &str, value: &[u8], pending: &mut Pending) -> Result<bool, Stop> {
        let number = atoi(value);
        let classic = match word {
            "-n" => Some("-n"),
            "-t" => Some("-t"),
            "-k" if number == 0 => Some("-k 0"),
            _ => None,
        };
        pending.classic_only = pending.classic_only.or(classic);
        match word {
            "-c" => self.clients = usize::try_from(number).unwrap_or(0),
            "-n" => self.requests = u64::try_from(number).unwrap_or(0),
            "-k" => self.keepalive = number,
            "-d" => self.payload_bytes = number.clamp(1, PAYLOAD_BYTES_MAX) as usize,
            "-P" => self.pipeline = number.max(1) as usize,
            "-r" => {
                if value.starts_with(b"-") && !value.get(1).is_some_and(u8::is_ascii_digit) {
                    return Err(invalid(&String::from_utf8_lossy(value)));
                }
                self.keyspace = Some(u64::try_from(number).unwrap_or(0));
            }
            "-t" => {
                let names = String::from_utf8_lossy(value).to_lowercase();
                self.tests = Some(names.split(',').map(str::to_string).collect());
            }
            // None is no number that a histogram could have; the original dies of 0.
            "--precision" => self.precision = if number < 0 { 3 } else { number.clamp(1, 4) as u8 },
            "--threads" => {
                if number > THREADS_MAX {
                    complain!("WARNING: Too many threads, limiting threads to {THREADS_MAX}.");
                }
                self.threads = number.clamp(0, THREADS_MAX) as usize;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An option with a value of the mode of our own.
    fn timed_value(&mut self, word: &str, value: &[u8]) -> Result<bool, Stop> {
        let bad = |what: &str| {
            complain!("{word} wants {what}, and not '{}'", String::from_utf8_lossy(value));
            Stop(1)
        };
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
        let seconds = || {
            number()
                .and_then(|number| Duration::try_from_secs_f64(number).ok())
                .ok_or_else(|| bad("a number of seconds"))
        };
        match word {
            "--duration" => self.timed.duration = seconds()?,
            "--warmup" => self.timed.warmup = seconds()?,
            "--rate" => {
                let rate = number().filter(|rate| rate.is_finite() && *rate > 0.0);
                self.timed.rate = Some(rate.ok_or_else(|| bad("a number of requests a second"))?);
            }
            "--mix" => {
                let share = mix(value).ok_or_else(|| bad("names of tests with weights: get=80,set=20"))?;
                self.timed.mix.extend(share);
            }
            "--command" => {
                let share =
                    weighted(value).ok_or_else(|| bad("a weight and a command line: '20 INCR hits'"))?;
                self.timed.mix.push(share);
            }
            _ => return Ok(false),
        }
        self.timed.is_wanted = true;
        Ok(true)
    }
}

/// An option with a value that says where and as whom to connect.
fn place_value(place: &mut ClientOptions, word: &str, value: &[u8]) -> Result<bool, Stop> {
    let text = || String::from_utf8_lossy(value).into_owned();
    match word {
        "-h" => place.host = text(),
        "-p" => place.port = u16::try_from(atoi(value)).unwrap_or(0),
        "-s" => place.socket = Some(text()),
        "-a" => place.password = Some(value.to_vec()),
        "--user" => place.user = Some(value.to_vec()),
        "-u" => place.take_uri(value).map_err(Stop)?,
        "--dbnum" => place.database = atoi(value),
        _ => return Ok(false),
    }
    Ok(true)
}

/// `get=80,set=20`; a name without a weight has 1.
fn mix(text: &[u8]) -> Option<Vec<(Share, u32)>> {
    let text = std::str::from_utf8(text).ok()?.to_lowercase();
    text.split(',')
        .map(|part| {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let weight = weight.parse().ok().filter(|weight| *weight > 0)?;
            (!name.is_empty()).then(|| (Share::Test(name.to_string()), weight))
        })
        .collect()
}

/// `20 INCR hits`: the weight, then the words, quoted as at a prompt.
fn weighted(text: &[u8]) -> Option<(Share, u32)> {
    let mut words = base::words::split(text)?;
    if words.len() < 2 {
        return None;
    }
    let weight = std::str::from_utf8(&words.remove(0)).ok()?.parse().ok().filter(|weight| *weight > 0)?;
    Some((Share::Words(words), weight))
}

fn invalid(word: &str) -> Stop {
    say!("Invalid option \"{word}\" or option argument missing\n\n{}", usage::USAGE);
    Stop(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(line: &str) -> Options {
        let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        match Options::parse(&args) {
            Parsed::Run(options) => *options,
            Parsed::Exit(code) => panic!("exit {code}"),
        }
    }

    #[test]
    fn the_first_other_word_begins_the_command() {
        let options = parse("-p 7000 -c 5 -n 10 -r 50 -P 0 --threads 3 incr -n");
        assert_eq!((options.clients, options.requests, options.keyspace), (5, 10, Some(50)));
        assert_eq!((options.pipeline, options.threads), (1, 3));
        assert_eq!(options.command, [b"incr".to_vec(), b"-n".to_vec()]);
        assert_eq!(options.address, Address::tcp("127.0.0.1", 7000));
    }

    #[test]
    fn a_uri_and_the_tests_are_read() {
        let options = parse("-u redis://me:pw@host:7001/5 -t SET,get -q");
        assert_eq!(options.address, Address::tcp("host", 7001));
        assert_eq!((options.user, options.password), (Some(b"me".to_vec()), Some(b"pw".to_vec())));
        assert_eq!((options.database, options.tests), (5, Some(vec!["set".into(), "get".into()])));
    }

    #[test]
    fn a_mix_has_names_and_weights() {
        let names = |text: &str| {
            let share = mix(text.as_bytes())?;
            Some(share.into_iter().map(|(share, weight)| format!("{share:?}{weight}")).collect::<String>())
        };
        assert_eq!(names("get=80,set").as_deref(), Some("Test(\"get\")80Test(\"set\")1"));
        assert_eq!(names("get=0"), None);
        assert_eq!(names(""), None);
        let words = vec![b"SET".to_vec(), b"a b".to_vec()];
        assert_eq!(weighted(b"3 SET 'a b'"), Some((Share::Words(words), 3)));
        assert_eq!(weighted(b"SET a"), None);
    }
}
