//! The special modes: each runs instead of commands and ends the program.

pub mod keys;
pub mod latency;
pub mod lru;
pub mod pipe;
pub mod replica;
pub mod scan;
pub mod stat;

use crate::complain;
use crate::options::Options;
use crate::session::{Session, Tone};
use signal_hook::consts::SIGINT;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use wire::value::Value;

/// A mode: it runs on a connected session and gives the exit code.
type Mode = fn(&mut Session) -> u8;

/// The mode that the options ask for: the first in the original's order.
pub fn wanted(options: &Options) -> Option<Mode> {
    let modes = &options.modes;
    let rows: [(bool, Mode); 11] = [
        (modes.latency, latency::round_trips),
        (modes.latency_dist, latency::spectrum),
        (modes.replica, replica::show),
        (options.rdb_file.is_some() || options.functions_file.is_some(), replica::fetch),
        (modes.pipe, pipe::run),
        (modes.bigkeys, keys::big),
        (modes.memkeys, keys::memory),
        (modes.hotkeys, keys::hot),
        (modes.stat, stat::run),
        (modes.scan, scan::run),
        (options.lru_keys.is_some(), lru::run),
    ];
    rows.into_iter().find(|(is_wanted, _)| *is_wanted).map(|(_, mode)| mode)
}

/// Connects and runs `mode`.
pub fn run(options: Options, mode: Mode) -> u8 {
    let mut session = Session::new(options);
    match session.connect(Tone::Aloud) {
        Ok(()) => mode(&mut session),
        Err(_) => 1,
    }
}

/// One request in a mode; without an answer the mode ends with this exit code.
fn ask<W: AsRef<[u8]>>(session: &mut Session, words: &[W]) -> Result<Value, u8> {
    let answer = session.connection().map(|connection| connection.command(words));
    match answer {
        Some(Ok(value)) => Ok(value),
        _ => {
            complain!("\nI/O error");
            Err(1)
        }
    }
}

/// Ctrl-C asks for the end of the loop, whose summary is still printed.
fn cancelled() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(SIGINT, Arc::clone(&flag)) {
        complain!("Ctrl-C will end the client without a summary: {error}");
    }
    flag
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
