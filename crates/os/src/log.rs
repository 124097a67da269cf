//! Log: lines in the originals' format, `PID:ROLE DD Mon YYYY HH:MM:SS.mmm * text`, in local time.
//!
//! A file is opened anew for every line, as the originals do, so that a rotated log goes on in a new file.

use machine::Level;
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

/// Where lines go, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Where.
    pub target: LogTarget,
    /// The quietest level that is written.
    pub level: Level,
    /// The role's character: `M` primary, `S` replica, `C` child, `X` sentinel. `HostSetting::LogRole` changes it.
    pub role: char,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { target: LogTarget::Stdout, level: Level::Notice, role: 'M' }
    }
}
