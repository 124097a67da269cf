//! Feed: the effects of commands as RESP, on their way into the journal.
//!
//! Handlers append what a replica must execute to get the same data. A command is one unit; when a unit
//! (a transaction, a command with several effects) has more than one effect it is wrapped in MULTI and
//! EXEC, so that nobody stops in its middle. SELECT is put in where the database changes.
//!
//! Invariant: `offset` counts every byte that was ever appended to `bytes`, and nothing else.

use alloc::vec::Vec;
use spec::Config;
use spec::directive::id;

/// Where effects are collected. `node` takes `bytes` into the journal at the end of each turn, or earlier.
#[derive(Debug, Default)]
pub struct Feed {
    /// Off: nobody listens and there is no backlog. Nothing is encoded and the offset stands still.
    pub enabled: bool,
    /// What was appended since `bytes` was last taken. Always whole units between two requests; do not take it
    /// while a question is answered.
    pub bytes: Vec<u8>,
    /// The journal's end: the replication offset after `bytes`.
    pub offset: u64,
    /// Changes of data since the start, whoever listens (`rdb_changes_since_last_save` derives from it).
    pub changes: u64,
    /// Units that had effects, since the start: as many requests wait for the disk where it is waited for.
    pub units: u64,
    /// A SELECT that a transaction needs stands within it, as Valkey has it, and not before it.
    pub(crate) wraps_select: bool,
    /// How the stream says that a key has ended.
    pub(crate) ends: Ends,
    selected: Option<u32>,
    unit: Unit,
}

/// DEL, or UNLINK where the directives `lazyfree-lazy-...` ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Its deadline has passed.
    pub expired: &'static [u8],
    /// It made room.
    pub evicted: &'static [u8],
    /// A command left nothing of it.
    pub replaced: &'static [u8],
}

impl Ends {
    /// As the configuration says.
    pub fn from_config(config: &Config) -> Ends {
        let word = |id| if config.yes(id) { &b"UNLINK"[..] } else { b"DEL" };
        Ends {
            expired: word(id::LAZYFREE_LAZY_EXPIRE),
            evicted: word(id::LAZYFREE_LAZY_EVICTION),
            replaced: word(id::LAZYFREE_LAZY_SERVER_DEL),
        }
    }
}

impl Default for Ends {
    fn default() -> Ends {
        Ends { expired: b"DEL", evicted: b"DEL", replaced: b"DEL" }
    }
}

#[derive(Debug, Default)]
struct Unit {
    /// Where in `bytes` the unit began.
    start: usize,
    /// Where its first effect stands: behind the SELECT that it needed.
    first: usize,
    effects: u32,
    is_open: bool,
    /// Its effects are for nobody: its role ended in its middle.
    is_dropped: bool,
    /// Its effects do not belong together.
    is_loose: bool,
    /// What was selected when it began.
    selected: Option<u32>,
}

impl Feed {
    /// Forgets which database is selected: the next effect says it. For a new replica, a new file, a new role.
    pub fn forget_selection(&mut self) {
        self.selected = None;
    }

    /// The database that the stream has selected; none when the next effect says it.
    pub fn selected(&self) -> Option<u32> {
        self.selected
    }

    /// Opens a unit: effects from here to [`Feed::end_unit`] belong together.
    #[inline]
    pub(crate) fn begin_unit(&mut self) {
        self.unit = Unit {
            start: self.bytes.len(),
            first: self.bytes.len(),
            effects: 0,
            is_open: true,
            is_dropped: false,
            is_loose: false,
            selected: self.selected,
        };
    }

    /// The role ends in the middle of the open unit: nobody hears of it, neither of what it did nor of what it will
    /// do. True when it had done something.
    pub fn drop_unit(&mut self) -> bool {
        let start = self.unit.start.min(self.bytes.len());
        self.offset -= (self.bytes.len() - start) as u64;
        self.bytes.truncate(start);
        self.selected = self.unit.selected;
        self.unit.is_dropped = true;
        core::mem::take(&mut self.unit.effects) > 0
    }

    /// The open unit's effects do not belong together: they get no MULTI and EXEC around them.
    pub(crate) fn loosen_unit(&mut self) {
        self.unit.is_loose = true;
    }

    /// Closes the unit; several effects get MULTI and EXEC around them.
    #[inline]
    pub(crate) fn end_unit(&mut self) {
        self.unit.is_open = false;
        self.units += u64::from(self.unit.effects > 0);
        if self.unit.effects >= 2 && !self.unit.is_loose {
            self.frame_unit();
        }
    }

    /// Puts MULTI and EXEC around the open unit.
    #[inline(never)]
    fn frame_unit(&mut self) {
        const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
        let at = if self.wraps_select { self.unit.start } else { self.unit.first }.min(self.bytes.len());
        let tail = self.bytes.len();
        self.bytes.extend_from_slice(MULTI);
        let added = self.bytes.len() - tail;
        self.bytes[at..].rotate_right(added);
        self.bytes.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        self.offset += (MULTI.len() + b"*1\r\n$4\r\nEXEC\r\n".len()) as u64;
    }

    /// Appends one effect on database `db`: a command with its arguments.
    pub(crate) fn effect<'a>(&mut self, db: u32, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        if !self.enabled || self.unit.is_dropped {
            return;
        }
        let before = self.bytes.len();
        self.select(db);
        if self.unit.effects == 0 {
            // A SELECT that the first effect needs stands before the transaction, as in the original.
            self.unit.first = self.bytes.len();
        }
        header(&mut self.bytes, b'*', args.len() as u64);
        for arg in args {
            header(&mut self.bytes, b'$', arg.len() as u64);
            self.bytes.extend_from_slice(arg);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.unit.effects += 1;
        self.offset += (self.bytes.len() - before) as u64;
    }

    fn select(&mut self, db: u32) {
        if self.selected == Some(db) {
            return;
        }
        self.selected = Some(db);
        let mut digits = [0; 20];
        let digits = decimal(&mut digits, u64::from(db));
        self.bytes.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n");
        header(&mut self.bytes, b'$', digits.len() as u64);
        self.bytes.extend_from_slice(digits);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

fn header(bytes: &mut Vec<u8>, kind: u8, count: u64) {
    let mut digits = [0; 20];
    bytes.push(kind);
    bytes.extend_from_slice(decimal(&mut digits, count));
    bytes.extend_from_slice(b"\r\n");
}

fn decimal(digits: &mut [u8; 20], mut value: u64) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn feed(units: &[&[(u32, &str)]]) -> String {
        let mut feed = Feed { enabled: true, ..Feed::default() };
        for unit in units {
            feed.begin_unit();
            for (db, effect) in *unit {
                let args: Vec<&[u8]> = effect.split(' ').map(str::as_bytes).collect();
                feed.effect(*db, args.into_iter());
            }
            feed.end_unit();
        }
        assert_eq!(feed.offset, feed.bytes.len() as u64);
        String::from_utf8(feed.bytes).unwrap().replace("\r\n", " ")
    }

    #[test]
    fn one_effect_stands_alone() {
        assert_eq!(
            feed(&[&[(0, "del a")], &[(0, "del b")]]),
            "*2 $6 SELECT $1 0 *2 $3 del $1 a *2 $3 del $1 b "
        );
    }

    #[test]
    fn several_effects_are_one_transaction() {
        assert_eq!(
            feed(&[&[(3, "del a"), (3, "del b")]]),
            "*2 $6 SELECT $1 3 *1 $5 MULTI *2 $3 del $1 a *2 $3 del $1 b *1 $4 EXEC "
        );
    }

    #[test]
    fn a_dropped_unit_leaves_nothing() {
        let mut feed = Feed { enabled: true, ..Feed::default() };
        feed.begin_unit();
        assert!(!feed.drop_unit());
        feed.end_unit();
        feed.begin_unit();
        feed.effect(1, [b"del".as_slice(), b"a"].into_iter());
        assert!(feed.drop_unit());
        feed.effect(1, [b"del".as_slice(), b"b"].into_iter());
        feed.end_unit();
        assert_eq!((feed.bytes.len(), feed.offset), (0, 0));
        feed.begin_unit();
        feed.effect(1, [b"del".as_slice(), b"c"].into_iter());
        feed.end_unit();
        assert!(feed.bytes.starts_with(b"*2\r\n$6\r\nSELECT"));
    }
}
