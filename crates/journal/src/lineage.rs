//! Lineage: whose history the data of a replica is, and whether the primary may put its own in the place of it.
//!
//! Both originals take whatever the primary has. One that comes back without its data, or with those of an old file,
//! so wipes all its replicas. Here a replica remembers its bond: the address that its data came from, and when it was last
//! in step with it. Back at that address it asks who is there (INFO) before it asks for the data:
//!
//! ```text
//!   it holds all of our history ------------------------------------> as ever
//!   its process began before we were last in step: it lost nothing -> as ever
//!   it began later, its history is ours, and ends before ours ------> refused: older
//!   it began later, knows no history of ours, and has loaded nothing -> refused: empty
//!   it began later, with data of which nothing can be known --------> as ever
//! ```
//!
//! Invariant: another address is another order. What an operator, a sentinel or a cluster decides is never in doubt here,
//! only what nobody has decided.

use alloc::format;
use alloc::string::String;
use base::{Id, Unix};

/// 1 MiB: no INFO of a server is that long.
pub(crate) const PORTRAIT_BYTES_MAX: usize = 1 << 20;

/// Whom the data came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The address, as it was told to us.
    pub primary: String,
    /// When the data was last in step with it.
    pub seen: Unix,
}

impl Bond {
    /// As a snapshot's note holds it.
    pub(crate) fn note(&self) -> String {
        format!("{} {}", self.seen.as_seconds(), self.primary)
    }

    /// Reads such a note.
    pub(crate) fn parse(note: &[u8]) -> Option<Bond> {
        let (seconds, primary) = core::str::from_utf8(note).ok()?.split_once(' ')?;
        let seen = Unix::from_ms(seconds.parse::<u64>().ok()?.saturating_mul(1_000));
        Some(Bond { primary: primary.into(), seen })
    }
}

/// Why a primary's data is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It has lost all.
    Empty,
    /// Its part of our history ends here.
    Older(u64),
}

impl Lack {
    /// As INFO names it.
    pub fn name(self) -> &'static str {
        match self {
            Lack::Empty => "primary-is-empty",
            Lack::Older(_) => "primary-is-older",
        }
    }
}

/// What is at stake on a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stake {
    /// The history of our data.
    pub(crate) replid: Id,
    /// How far it reaches.
    pub(crate) end: u64,
    /// When it was last in step with this primary.
    pub(crate) seen: Unix,
}

/// What a server's INFO says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Portrait {
    replid: Option<Id>,
    second: Option<Id>,
    /// The first offset that is not in the second history.
    split: u64,
    offset: u64,
    uptime_seconds: Option<u64>,
    keys: u64,
    /// Keys of the file that it has loaded; none where the version does not say.
    loaded: Option<u64>,
    has_log: bool,
    /// It counts the keys that came from a log, too.
    counts_log: bool,
}

impl Portrait {
    /// Reads INFO; none when it does not hold what a judgement needs.
    pub(crate) fn parse(info: &[u8]) -> Option<Portrait> {
        let mut portrait = Portrait::default();
        let text = String::from_utf8_lossy(info);
        for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
            let number = || value.parse::<u64>().ok();
            match name {
                "master_replid" => portrait.replid = Id::parse(value.as_bytes()),
                "master_replid2" => {
                    portrait.second = Id::parse(value.as_bytes()).filter(|id| *id != Id::ZERO)
                }
                // -1 without a second history.
                "second_repl_offset" => portrait.split = number().unwrap_or(0),
                "master_repl_offset" => portrait.offset = number()?,
                "uptime_in_seconds" => portrait.uptime_seconds = number(),
                "rdb_last_load_keys_loaded" => portrait.loaded = number(),
                "redan_version" => portrait.counts_log = true,
                "aof_enabled" => portrait.has_log = value == "1",
                _ => portrait.keys = portrait.keys.saturating_add(keys_of_database(name, value)),
            }
        }
        (portrait.replid.is_some() && portrait.uptime_seconds.is_some()).then_some(portrait)
    }

    /// What it lacks of what is here; none: nothing, or it has lost nothing, or nobody can know.
    pub(crate) fn lack(&self, stake: &Stake, now: Unix) -> Option<Lack> {
        let (is_ours, was_ours) = (self.replid == Some(stake.replid), self.second == Some(stake.replid));
        if (is_ours && self.offset >= stake.end) || (was_ours && stake.end < self.split) {
            return None;
        }
        // Whole seconds of two clocks: in doubt about one, the offset decides, which starts anew with the process.
        let began = now.as_seconds().saturating_sub(self.uptime_seconds.unwrap_or(u64::MAX));
        let seen = stake.seen.as_seconds();
        let is_later = began > seen || (began + 1 >= seen && self.offset < stake.end);
        match (is_ours, was_ours) {
            _ if !is_later => None,
            (true, _) => Some(Lack::Older(self.offset)),
            (false, true) => Some(Lack::Older(self.split.saturating_sub(1))),
            (false, false) if self.has_loaded_nothing() => Some(Lack::Empty),
            (false, false) => None,
        }
    }

    /// A file without a history, or a log, may hold all that there was. Who has loaded nothing may have been written to
    /// already.
    fn has_loaded_nothing(&self) -> bool {
        match self.loaded {
            Some(0) if !self.has_log || self.counts_log => true,
            Some(0) | None => self.keys == 0,
            Some(_) => false,
        }
    }
}

/// The keys of a line `db<n>:keys=<count>,...`.
fn keys_of_database(name: &str, value: &str) -> u64 {
    let is_database = name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok());
    let first = value.split(',').next().and_then(|first| first.strip_prefix("keys="));
    first.filter(|_| is_database).and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0123456789012345678901234567890123456789";
    const OTHER: &str = "9999999999999999999999999999999999999999";
    const NONE: &str = "0000000000000000000000000000000000000000";

    /// The judgement over a primary that says this of itself, 100 s after the data was last in step at offset 500.
    fn lack(ids: [&str; 2], [offset, split]: [i64; 2], uptime: u64, rest: &str) -> Option<Lack> {
        let info = format!(
            "# Server\r\nuptime_in_seconds:{uptime}\r\nmaster_replid:{}\r\nmaster_replid2:{}\r\n\
             master_repl_offset:{offset}\r\nsecond_repl_offset:{split}\r\n{rest}\r\n",
            ids[0], ids[1]
        );
        let seen = Unix::from_ms(1_000_000);
        let stake = Stake { replid: Id::parse(OURS.as_bytes()).unwrap(), end: 500, seen };
        Portrait::parse(info.as_bytes()).unwrap().lack(&stake, Unix::from_ms(1_100_000))
    }

    #[test]
    fn who_comes_back_empty_lacks_all() {
        let loaded_nothing = "aof_enabled:0\r\nrdb_last_load_keys_loaded:0";
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, loaded_nothing), Some(Lack::Empty));
        let written_since = format!("{loaded_nothing}\r\ndb0:keys=3,expires=0,avg_ttl=0");
        assert_eq!(lack([OTHER, NONE], [900, -1], 50, &written_since), Some(Lack::Empty));
        let log = "aof_enabled:1\r\nrdb_last_load_keys_loaded:0\r\ndb3:keys=7,expires=0,avg_ttl=0";
        let counts = format!("redan_version:1.0.0\r\n{log}");
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, &counts), Some(Lack::Empty));
        // An older version does not say what it has loaded.
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, ""), Some(Lack::Empty));
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, "db0:keys=3,expires=0,avg_ttl=0"), None);
    }

    #[test]
    fn who_comes_back_with_unknown_data_is_believed() {
        let log = "aof_enabled:1\r\nrdb_last_load_keys_loaded:0\r\ndb3:keys=7,expires=0,avg_ttl=0";
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, log), None);
        let file = "aof_enabled:0\r\nrdb_last_load_keys_loaded:7";
        assert_eq!(lack([OTHER, NONE], [0, -1], 50, file), None);
    }

    #[test]
    fn who_comes_back_with_less_of_our_history_is_older() {
        let file = "aof_enabled:0\r\nrdb_last_load_keys_loaded:7";
        assert_eq!(lack([OTHER, OURS], [480, 401], 50, file), Some(Lack::Older(400)));
        assert_eq!(lack([OURS, NONE], [480, -1], 50, file), Some(Lack::Older(480)));
        assert_eq!(lack([OTHER, OURS], [600, 501], 50, file), None);
        assert_eq!(lack([OURS, NONE], [500, -1], 50, file), None);
    }

    #[test]
    fn who_was_there_all_the_time_lost_nothing() {
        assert_eq!(lack([OTHER, NONE], [0, -1], 200, ""), None);
        assert_eq!(lack([OTHER, OURS], [480, 401], 200, ""), None);
        // Begun in the second before: the offset decides.
        assert_eq!(lack([OTHER, NONE], [600, -1], 101, ""), None);
        assert_eq!(lack([OTHER, NONE], [0, -1], 101, ""), Some(Lack::Empty));
    }

    #[test]
    fn a_bond_is_read_as_it_was_written() {
        let bond = Bond { primary: "[::1]:6379".into(), seen: Unix::from_ms(77_000) };
        assert_eq!(Bond::parse(bond.note().as_bytes()), Some(bond));
        assert_eq!(Bond::parse(b"what"), None);
    }
}
