//! Settings: what the operator decides about the append-only file.

use alloc::string::String;
use spec::Config;
use spec::directive::id;

/// When the file is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before a write is answered.
    Always,
    /// Every second.
    EverySecond,
    /// When the system likes.
    No,
}

/// The directives of the append-only file; each field is the directive of that name.
#[derive(Clone, Debug)]
pub struct AofSettings {
    /// `appendonly`.
    pub is_on: bool,
    /// `appenddirname`.
    pub dir: String,
    /// `appendfilename`: what all files' names begin with.
    pub stem: String,
    /// `appendfsync`.
    pub fsync: Fsync,
    /// `no-appendfsync-on-rewrite`.
    pub rests_in_rewrite: bool,
    /// `auto-aof-rewrite-percentage`; 0: never.
    pub rewrite_percent: u64,
    /// `auto-aof-rewrite-min-size`.
    pub rewrite_bytes_min: u64,
    /// `aof-load-truncated`.
    pub loads_truncated: bool,
    /// `aof-use-rdb-preamble`.
    pub is_base_rdb: bool,
    /// `aof-timestamp-enabled`.
    pub has_times: bool,
    /// `aof-checksums`.
    pub has_sums: bool,
    /// `aof-disable-auto-gc`.
    pub keeps_history: bool,
}

impl AofSettings {
    /// The settings that a configuration holds.
    pub fn read(config: &Config) -> AofSettings {
        let text = |id| String::from_utf8_lossy(config.text(id)).into_owned();
        AofSettings {
            is_on: config.yes(id::APPENDONLY),
            dir: text(id::APPENDDIRNAME),
            stem: text(id::APPENDFILENAME),
            fsync: match config.choice(id::APPENDFSYNC) {
                "always" => Fsync::Always,
                "no" => Fsync::No,
                _ => Fsync::EverySecond,
            },
            rests_in_rewrite: config.yes(id::NO_APPENDFSYNC_ON_REWRITE),
            rewrite_percent: config.count(id::AUTO_AOF_REWRITE_PERCENTAGE),
            rewrite_bytes_min: config.bytes(id::AUTO_AOF_REWRITE_MIN_SIZE),
            loads_truncated: config.yes(id::AOF_LOAD_TRUNCATED),
            is_base_rdb: config.yes(id::AOF_USE_RDB_PREAMBLE),
            has_times: config.yes(id::AOF_TIMESTAMP_ENABLED),
            has_sums: config.yes(id::AOF_CHECKSUMS),
            keeps_history: config.yes(id::AOF_DISABLE_AUTO_GC),
        }
    }

    /// The path of a file of the set.
    pub(crate) fn path(&self, name: &str) -> String {
        alloc::format!("{}/{name}", self.dir)
    }

    /// The name of the list of files.
    pub(crate) fn manifest(&self) -> String {
        alloc::format!("{}.manifest", self.stem)
    }
}
