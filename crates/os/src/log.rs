//! Log: lines in the originals' format, `PID:ROLE DD Mon YYYY HH:MM:SS.mmm * text`, in local time.
//!
//! A file is opened anew for every line, as the originals do, so that a rotated log goes on in a new file.

use crate::syscalls;
use base::Unix;
use machine::Level;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    #[default]
    Stdout,
    /// The end of a file.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// `syslog-*`: lines go to the system's log as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Its number: 1 for `user`, 16 and up for `local0` and up.
    pub facility: u8,
    /// The name in front of the lines.
    pub ident: String,
}

impl Syslog {
    /// One datagram in the form of RFC 3164, as the C library writes it.
    fn write(&self, level: Level, text: &str) -> io::Result<()> {
        let severity = match level {
            Level::Debug => 7,
            Level::Verbose => 6,
            Level::Notice => 5,
            Level::Warning => 4,
        };
        let priority = u32::from(self.facility) * 8 + severity;
        let [day, month, _, hour, minute, second] = syscalls::local_time(syscalls::unix_ns() / 1_000_000_000);
        let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
        let (ident, pid) = (&self.ident, std::process::id());
        let line =
            format!("<{priority}>{month} {day:2} {hour:02}:{minute:02}:{second:02} {ident}[{pid}]: {text}");
        UnixDatagram::unbound()?.send_to(line.as_bytes(), "/dev/log").map(|_| ())
    }
}

/// Where lines go, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Where.
    pub target: LogTarget,
    /// The quietest level that is written.
    pub level: Level,
    /// The role's character: `M` primary, `S` replica, `C` child, `X` sentinel. `HostSetting::LogRole` changes it.
    pub role: char,
    /// The system's log, besides.
    pub syslog: Option<Syslog>,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { target: LogTarget::Stdout, level: Level::Notice, role: 'M', syslog: None }
    }
}

impl LogConfig {
    /// Writes one line, if `level` is loud enough. For the program's own lines before the host runs, too.
    pub fn write(&self, level: Level, text: &str) {
        if level < self.level || self.target == LogTarget::Nowhere {
            return;
        }
        let line = line(std::process::id(), self.role, Unix(syscalls::unix_ns() / 1_000), level, text);
        // A log that can not be written has nowhere to complain; the service goes on.
        let _ = match &self.target {
            LogTarget::Stdout => io::stdout().write_all(line.as_bytes()),
            LogTarget::File(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
            LogTarget::Nowhere => Ok(()),
        };
        if let Some(syslog) = &self.syslog {
            // Without a system log there is still the other target.
            let _ = syslog.write(level, text);
        }
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn line(pid: u32, role: char, at: Unix, level: Level, text: &str) -> String {
    let [day, month, year, hour, minute, second] = syscalls::local_time(at.as_seconds());
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
    let ms = at.as_ms() % 1_000;
    let mark = match level {
        Level::Debug => '.',
        Level::Verbose => '-',
        Level::Notice => '*',
        Level::Warning => '#',
    };
    // A line end inside would forge a line.
    let text = text.replace(['\r', '\n'], " ");
    format!("{pid}:{role} {day:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{ms:03} {mark} {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_original_format() {
        let line = line(7, 'M', Unix(1_700_000_000_123_456), Level::Warning, "one\ntwo");
        let (head, rest) = line.split_once(' ').unwrap();
        assert_eq!(head, "7:M");
        assert!(rest.contains(" Nov 2023 "), "{rest}");
        assert!(rest.ends_with(".123 # one two\n"), "{rest}");
    }
}
