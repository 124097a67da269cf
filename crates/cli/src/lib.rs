//! The command line: the client that is called `redis-cli`, the cluster manager, and the blocking client below both.
//!
//! ```text
//!   run(args) -> options.rs --> session.rs (connection, database, transaction, what to print)
//!                   |               |-- once.rs         one command from the arguments
//!                   |               |-- prompt.rs       a terminal, or commands from stdin
//!                   |               '-- modes/*         --scan, --bigkeys, --pipe, --latency, ...
//!                   '--> cluster/   --cluster ..., redis-trib.rb
//! ```
//!
//! What is printed is byte for byte what redis-cli 7.0.15 prints; tests/peers/test_cli.py compares both on one server
//! and lists what differs on purpose. A function that ends the program returns its exit code up to `run`.

#![forbid(unsafe_code)]

pub mod cluster;
pub mod connection;
pub mod options;

mod usage;

pub use connection::{Address, Connection, Timeouts};

use options::{Options, Parsed};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Runs the client with the arguments behind its name; the result is the exit code.
pub fn run(args: Vec<OsString>) -> u8 {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    let options = match Options::parse(&args) {
        Parsed::Run(options) => *options,
        Parsed::Exit(code) => return code,
    };
    if let Some(args) = &options.cluster {
        return cluster::run(args, &options);
    }
    eprintln!("redan: only the cluster manager's options are part of this version.");
    1
}

/// Runs redis-trib.rb with the arguments behind its name; the result is the exit code.
pub fn run_trib(args: Vec<OsString>) -> u8 {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    cluster::run_trib(&args)
}
