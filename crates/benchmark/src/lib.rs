//! The load generator that is called `redis-benchmark`, and a mode of its own for honest latencies.
//!
//! ```text
//!   run(args) -> options.rs --> classic.rs   the tests one after the other, as the original runs and prints them
//!                   |              |-- suite.rs      the list of tests
//!                   |              |-- closed.rs     clients that send again when their replies are there; threads
//!                   |              '-- report.rs     text, CSV, quiet
//!                   '----------> timed.rs    warm-up, duration, rate, a mix of commands; summary.rs: text, JSON
//!
//!   both: link.rs (one connection), replies.rs (counts replies without keeping them), template.rs (the request whose
//!   random places are written anew), nodes.rs (the primaries of a cluster), poller.rs (epoll)
//! ```
//!
//! What makes it fast: a request is encoded once, and only its random digits change; replies are counted and not
//! decoded; a client in step costs one read and one write, and no change of what epoll waits for.

#![forbid(unsafe_code)]

mod classic;
mod closed;
mod link;
mod nodes;
mod options;
mod poller;
mod replies;
mod report;
mod suite;
mod summary;
mod template;
mod timed;
mod usage;

use options::{Options, Parsed};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Runs the load generator with the arguments behind its name; the result is the exit code.
pub fn run(args: Vec<OsString>) -> u8 {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    let options = match Options::parse(&args) {
        Parsed::Run(options) => options,
        Parsed::Exit(code) => return code,
    };
    let outcome = if options.timed.is_wanted { timed::run(&options) } else { classic::run(&options) };
    outcome.err().unwrap_or(0)
}
