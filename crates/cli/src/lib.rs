//! The command line: the client that is called `redis-cli`, the cluster manager, and the blocking client below both.
//!
//! ```text
//!   run(args) -> options.rs --> session.rs (connection, database, transaction, what to print)
//!                   |               |-- once.rs         one command from the arguments, --eval
//!                   |               |-- prompt.rs       a terminal, or lines from stdin; help.rs
//!                   |               '-- modes/*         --scan, --bigkeys, --pipe, --latency, ...
//!                   '--> cluster/   --cluster ..., redis-trib.rb
//! ```
//!
//! What is printed is byte for byte what redis-cli 7.0.15 prints; tests/peers/test_cli.py compares both on one server
//! and lists what differs on purpose. A function that ends the program returns its exit code up to `run`.

#![forbid(unsafe_code)]

pub mod cluster;
pub mod connection;
pub mod modes;
pub mod options;
pub mod print;
pub mod session;

mod help;
mod interrupts;
mod once;
mod output;
mod prompt;
mod usage;

pub use connection::{Address, Connection, Timeouts};
pub use spec::catalogue::Dialect;

use help::Help;
use options::{Options, Parsed};
use session::{Session, Tone};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Runs the client with the arguments behind its name; the result is the exit code.
///
/// `dialect`: whose commands the own table shows, where no server documents its own.
pub fn run(args: Vec<OsString>, dialect: Dialect) -> u8 {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    let mut options = match Options::parse(&args) {
        Parsed::Run(options) => Options { dialect, ..*options },
        Parsed::Exit(code) => return code,
    };
    if options.asks_password {
        options.password = prompt::password("Please input password: ");
    }
    if let Some(args) = &options.cluster {
        return cluster::run(args, &options);
    }
    if let Some(mode) = modes::wanted(&options) {
        return modes::run(options, mode);
    }
    if let Some(seconds) = options.intrinsic_seconds {
        return modes::latency::intrinsic(seconds);
    }
    if options.test_hint.is_some() || options.test_hint_file.is_some() {
        return test_hints(options);
    }
    match options.eval_file.clone() {
        Some(file) => once::eval(options, &file),
        None if options.command.is_empty() => prompt::run(options),
        None => once::run(options),
    }
}

/// `--test_hint LINE`, `--test_hint_file FILE`: what would be hinted, or whether it is what the file says.
fn test_hints(options: Options) -> u8 {
    let mut session = Session::new(options);
    // What no server documents comes from the own table.
    let _ = session.connect(Tone::Quiet);
    let dialect = session.options.dialect;
    let help = Help::of(session.connection(), dialect).and(Help::own(dialect));
    if let Some(line) = &session.options.test_hint {
        say!("{}\n", help.hint(&String::from_utf8_lossy(line)).unwrap_or_default());
        return 0;
    }
    let path = OsString::from_vec(session.options.test_hint_file.clone().unwrap_or_default());
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => {
            complain!("Can't open file '{}': {}", path.display(), connection::reason(&error));
            return 1;
        }
    };
    let (mut passed, mut count) = (0, 0);
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"#")) {
        let words = base::words::split(line).unwrap_or_default();
        let Some(input) = words.first() else { continue };
        let input = String::from_utf8_lossy(input);
        let expected =
            words.get(1).map(|word| String::from_utf8_lossy(word).trim().to_string()).unwrap_or_default();
        let found = help.hint(&input).unwrap_or_default();
        count += 1;
        if found == expected {
            passed += 1;
        } else {
            complain!("Test case '{input}' FAILED: expected '{expected}', got '{found}'");
        }
    }
    say!("{}: {passed}/{count} passed\n", if passed == count { "SUCCESS" } else { "FAILURE" });
    u8::from(passed != count)
}

/// Runs redis-trib.rb with the arguments behind its name; the result is the exit code.
pub fn run_trib(args: Vec<OsString>) -> u8 {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    cluster::run_trib(&args)
}
