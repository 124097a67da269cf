//! Progress on stderr: one line that is written over on a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two lines on a terminal, and elsewhere (chosen here).
const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

/// What is told of the work.
pub struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    last: Mutex<Instant>,
}

impl Progress {
    /// A teller that may be silent.
    pub fn new(is_quiet: bool) -> Progress {
        let is_terminal = std::io::stderr().is_terminal();
        Progress { is_quiet, is_terminal, last: Mutex::new(Instant::now()) }
    }

    /// Tells where the work is, if it is time to.
    pub fn step(&self, text: impl FnOnce() -> String) {
        if self.is_quiet {
            return;
        }
        let pause = if self.is_terminal { ON_TERMINAL } else { ELSEWHERE };
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() < pause {
            return;
        }
        *last = Instant::now();
        let (start, end) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Nobody is left to tell where stderr is closed.
        let _ = write!(std::io::stderr().lock(), "{start}{}{end}", text());
    }

    /// Tells what stays.
    pub fn line(&self, text: &str) {
        if self.is_quiet {
            return;
        }
        let start = if self.is_terminal { "\r\x1b[K" } else { "" };
        // Nobody is left to tell where stderr is closed.
        let _ = writeln!(std::io::stderr().lock(), "{start}{text}");
    }
}

/// Bytes for the eye.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
