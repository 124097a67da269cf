//! Snapshot: the state of the whole keyspace at one moment, encoded while writes go on.
//!
//! `Keyspace::snapshot_begin` marks the moment: it turns the keyspace's mark over, so that no segment has it. The
//! walker encodes segments in order and gives them the mark. A write to an entry in a segment without it first encodes that
//! entry's old state and stamps it (copy before write); a key that comes into such a segment is stamped, too. The walker passes
//! by what has the stamp, and takes it off. What is made by a split or a rebuild inherits the mark, segments of different
//! marks are not merged, and the first segment of a new table has the mark. What FLUSHALL or a lost slot detaches is handed to
//! the walker.
//!
//! A large collection is not encoded at once: its moment is marked (`watch`), and it waits in a queue. The walker writes the
//! first of the queue, a slice at a time, and meanwhile what is copied before write goes beside (`aside`). A large value that
//! leaves the keyspace is handed to the queue; of one that gets another name the queue learns where it is. So are long strings
//! (`texts`).
//!
//! Invariant: without a snapshot under way every segment has the keyspace's mark, and no value is watched.

use crate::clock::{Clocks, LastUse};
use crate::database::Database;
use crate::entry::{Payload, RawEntry};
use crate::garbage::Garbage;
use crate::pieces::{PIECE_BYTES, PIECE_ROOM, Pieces};
use crate::segment::{Segment, Word};
use crate::table::{HashKey, Table, visit_prefetched, visit_prefetched_values};
use crate::texts::Texts;
use crate::value::{Value, ValueRef};
use crate::watch::{Allowance, EncodePart, Shape, Walked, Watched};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

/// 200 ns: what a key takes beside its bytes, mostly waiting for memory.
const KEY_NS: usize = 200;
/// 2: nanoseconds for a byte of a key or a value that is encoded whole.
const BYTE_NS: usize = 2;
/// 1 ns: what a byte takes that is framed.
const FRAMED_NS: usize = 1;
/// 200 us: by so much a step goes over its time to come to the end of a segment. To begin in one again takes a look at all that
/// was done with, and waits for the memory of each: a segment of small values is walked in one step.
const SEGMENT_NS: usize = 200_000;
/// 20 ns: what one takes that is passed by.
const PASSED_NS: usize = 20;

/// Encodes one key into the output: database, key, value, deadline in milliseconds since 1970.
pub type EncodeWhole = fn(&mut SnapshotOut, u32, &[u8], ValueRef<'_>, Option<u64>);

/// How keys are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encode {
    /// A key with its value.
    pub whole: EncodeWhole,
    /// A large value, part by part; without it such values are encoded whole.
    pub large: Option<EncodeLarge>,
    /// What the keys' access clocks mean, and the moment that they are looked at from, in milliseconds since 1970.
    pub clocks: (Clocks, u64),
}

/// How a large value is encoded.
#[derive(Clone, Copy, Debug)]
pub struct EncodeLarge {
    /// What stands before the parts: database, key, what the value is, deadline.
    pub head: fn(&mut SnapshotOut, u32, &[u8], Shape, Option<u64>),
    /// A part. The parts of a list or stream come in order, others in any.
    pub part: EncodePart,
    /// What makes of the parts what goes out, where they do not go as they are.
    pub frame: Option<Frame>,
    /// Long strings are packed by LZF, where that makes them smaller.
    pub packs: bool,
}

/// Takes parts that were encoded (of a string there are none) off the start of `Framed::parts` and writes what goes out for them. It may leave some until more
/// are there; at the end all go.
pub type Frame = fn(&mut SnapshotOut, Framed<'_>);

/// Parts of a large value on their way out.
#[derive(Debug)]
pub struct Framed<'a> {
    /// The value's key.
    pub key: &'a [u8],
    /// What it is.
    pub shape: Shape,
    /// Its deadline.
    pub deadline: Option<u64>,
    /// Encoded parts, the first one first.
    pub parts: &'a mut Vec<u8>,
    /// No more will come.
    pub is_end: bool,
}

/// Where the snapshot's bytes gather until the journal takes them.
#[derive(Debug, Default)]
pub struct SnapshotOut {
    /// Encoded and not taken yet.
    pub bytes: Vec<u8>,
    /// The database that the last encoded key belongs to: the encoder writes a SELECT when it changes.
    pub last_db: Option<u32>,
    /// What the clock of the key says that is being encoded.
    pub last_use: Option<LastUse>,
}

/// How much one step of the walker may do.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotBudget {
    /// Entries to encode.
    pub entries: usize,
    /// Time to take, in nanoseconds as they usually are: what is done is counted, not the time.
    pub ns: usize,
}

/// Where a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is no snapshot.
    Idle,
    /// There is more to walk.
    Walking,
    /// All is encoded. What was not taken yet stays until `snapshot_take`.
    Done,
}

/// A table that left the keyspace while the snapshot was under way.
#[derive(Debug)]
struct Left {
    db: u32,
    table: Table,
    /// The next place of its directory.
    place: usize,
}

/// A large value of which something is left to write.
#[derive(Debug)]
struct Large {
    home: Home,
    /// Its key, database and deadline at the moment.
    key: Box<[u8]>,
    name: u32,
    deadline: Option<u64>,
    last_use: Option<LastUse>,
    shape: Shape,
}

/// Where a large value lies.
#[derive(Debug)]
enum Home {
    /// In the keyspace: the place of its database, its table there, and the key that it has now, where that is another.
    Key(u32, usize, Option<Box<[u8]>>),
    /// It has left the keyspace.
    Here(Value),
    /// It was taken out, and comes back under another name.
    OnTheWay,
}

impl Large {
    fn watched<'a>(&'a mut self, databases: &'a mut [Database], key: HashKey) -> Option<&'a mut dyn Watched> {
        let entry = self.entry(databases, key);
        match &mut self.home {
            Home::Here(value) => value.watched_mut(),
            Home::Key(..) | Home::OnTheWay => entry?.watched_mut(),
        }
    }

    /// The string, where it is one.
    fn text<'a>(&'a self, databases: &'a [Database], key: HashKey) -> Option<&'a [u8]> {
        match &self.home {
            Home::Here(Value::String(text)) => Some(text),
            _ => self.entry(databases, key)?.long_text(),
        }
    }

    fn entry(&self, databases: &[Database], key: HashKey) -> Option<RawEntry> {
        let Home::Key(db, table, renamed) = &self.home else { return None };
        let name = renamed.as_deref().unwrap_or(&self.key);
        let table = databases.get(*db as usize)?.tables.get(*table)?;
        Some(table.find(key.hash(name), name)?.entry())
    }

    /// The key that it has now, where it lies in this table.
    fn key_in(&self, db: u32, table: usize) -> Option<&[u8]> {
        match &self.home {
            Home::Key(in_db, in_table, renamed) if (*in_db, *in_table) == (db, table) => {
                Some(renamed.as_deref().unwrap_or(&self.key))
            }
            Home::Key(..) | Home::Here(_) | Home::OnTheWay => None,
        }
    }

    fn is_at(&self, db: u32, table: usize, key: &[u8]) -> bool {
        self.key_in(db, table) == Some(key)
    }

    fn into_value(self) -> Option<Value> {
        match self.home {
            Home::Here(value) => Some(value),
            Home::Key(..) | Home::OnTheWay => None,
        }
    }
}

/// A snapshot under way.
#[derive(Debug)]
pub(crate) struct Snapshot {
    encode: Encode,
    /// What is to be taken before `out`.
    full: Pieces,
    pub out: SnapshotOut,
    /// What is encoded while a large value is being written to `out`, and what is to be taken before it.
    aside_full: Pieces,
    aside: SnapshotOut,
    larges: VecDeque<Large>,
    /// The accounts of those that are strings.
    texts: Texts,
    /// The head of the first of `larges` is written.
    is_within: bool,
    /// Its parts that wait to be framed.
    parts: Vec<u8>,
    left: VecDeque<Left>,
    /// By place in the keyspace: which database it was when the snapshot began (SWAPDB).
    names: Vec<u32>,
    /// The walker's position: database (by its name then), table, and hash prefix in 32 bits (2^32: the table's end).
    db: usize,
    table: usize,
    prefix: u64,
    /// What entries carry that are encoded before their segment; see `RawEntry::stamp`.
    pub stamp: u8,
    /// Keys encoded so far.
    pub keys: u64,
    /// What all steps have taken, and what writes have that saved an entry whole, in nanoseconds as they usually are.
    pub spent_ns: u64,
    pub copied_ns: u64,
    pub is_done: bool,
    /// A large value is not where it should be, or was changed unseen: the snapshot is not to be used.
    pub is_broken: bool,
}

/// What a step of the walker works with.
pub(crate) struct Ground<'a> {
    pub databases: &'a mut [Database],
    pub garbage: &'a mut Garbage,
    pub key: HashKey,
    pub mark: bool,
}

impl Snapshot {
    /// A snapshot whose walk begins.
    pub fn new(encode: Encode, databases: u32, stamp: u8) -> Snapshot {
        Snapshot {
            encode,
            full: Pieces::default(),
            out: SnapshotOut::default(),
            aside_full: Pieces::default(),
            aside: SnapshotOut::default(),
            larges: VecDeque::new(),
            texts: Texts::default(),
            is_within: false,
            parts: Vec::new(),
            left: VecDeque::new(),
            names: (0..databases).collect(),
            db: 0,
            table: 0,
            prefix: 0,
            stamp,
            keys: 0,
            spent_ns: 0,
            copied_ns: 0,
            is_done: false,
            is_broken: false,
        }
    }

    /// Encodes an entry that is about to change, and that the walker has not come to.
    pub fn save(&mut self, db: u32, table: usize, entry: RawEntry) {
        let name = self.names[db as usize];
        if self.enqueue(name, entry, |_| Home::Key(db, table, None)) {
            return;
        }
        let before = self.len();
        self.put_whole(name, entry);
        self.copied_ns += (KEY_NS + BYTE_NS * (self.len() - before)) as u64;
        // While the walker waits, this goes on and on.
        let (full, out) = match self.is_within {
            true => (&mut self.aside_full, &mut self.aside),
            false => (&mut self.full, &mut self.out),
        };
        if out.bytes.len() >= PIECE_BYTES {
            full.put(core::mem::take(&mut out.bytes));
        }
    }

    /// Encoded bytes of the pieces that are being filled.
    fn len(&self) -> usize {
        self.out.bytes.len() + self.aside.bytes.len()
    }

    fn put_whole(&mut self, name: u32, entry: RawEntry) {
        self.keys += 1;
        let out = if self.is_within { &mut self.aside } else { &mut self.out };
        let (clocks, now_ms) = self.encode.clocks;
        out.last_use = clocks.say(entry.clock(), now_ms);
        (self.encode.whole)(out, name, entry.key(), entry.value(), entry.deadline());
    }

    /// Encoded bytes that are not taken, and those of them that can be.
    pub fn bytes(&self) -> (usize, usize) {
        let ready = self.full.len() + self.out.bytes.len();
        (ready + self.aside_full.len() + self.aside.bytes.len(), ready)
    }

    /// True while a step would do nothing.
    pub fn must_be_taken(&self) -> bool {
        !self.full.is_empty()
    }

    /// About how much memory it takes what writes have saved because the walk is within large values, or has not come to them: of
    /// the first values of the queue, as if the others had as much, and what is put aside.
    pub fn noted_bytes(&mut self, databases: &mut [Database], key: HashKey) -> usize {
        /// 16: each of them must be looked for.
        const LOOKS_MAX: usize = 16;
        let looks = self.larges.len().min(LOOKS_MAX);
        let found = self.larges.iter_mut().take(looks);
        let noted: usize =
            found.map(|large| large.watched(databases, key).map_or(0, |watched| watched.noted_bytes())).sum();
        let aside = self.aside_full.len() + self.aside.bytes.len();
        noted / looks.max(1) * self.larges.len() + self.texts.noted_bytes() + aside
    }

    /// Moves encoded bytes to the end of `out`, a piece at a time; true when there are no more.
    pub fn take(&mut self, out: &mut Vec<u8>) -> bool {
        let mut bytes = self.full.take_first().unwrap_or_else(|| core::mem::take(&mut self.out.bytes));
        if out.is_empty() {
            *out = bytes;
        } else {
            out.append(&mut bytes);
        }
        self.bytes().1 == 0
    }

    /// Marks the moment of a large value and puts it into the queue; false for others.
    fn enqueue(&mut self, name: u32, entry: RawEntry, home: impl FnOnce(RawEntry) -> Home) -> bool {
        let Some(encode) = self.encode.large else { return false };
        let shape = match entry.long_text() {
            Some(text) => Some(self.texts.watch(text, encode.packs)),
            None => entry.watched_mut().and_then(|value| value.watch(encode.part)),
        };
        let Some(shape) = shape else { return false };
        let (clocks, now_ms) = self.encode.clocks;
        let last_use = clocks.say(entry.clock(), now_ms);
        let (key, deadline, home) = (entry.key().into(), entry.deadline(), home(entry));
        self.larges.push_back(Large { home, key, name, deadline, last_use, shape });
        self.keys += 1;
        true
    }

    /// Two databases have exchanged their places.
    pub fn swap(&mut self, one: u32, other: u32) {
        self.names.swap(one as usize, other as usize);
        for large in &mut self.larges {
            let Home::Key(db, ..) = &mut large.home else { continue };
            *db = match *db {
                db if db == one => other,
                db if db == other => one,
                db => db,
            };
        }
    }

    /// Takes over a table that is detached: number `number` of its database.
    pub fn adopt(&mut self, db: u32, number: usize, mut table: Table, key: HashKey) {
        for large in &mut self.larges {
            let Some(name) = large.key_in(db, number) else { continue };
            if let Some(place) = table.find(key.hash(name), name)
                && let Some(value) = take_value(&mut table, place.entry())
            {
                large.home = Home::Here(value);
            }
        }
        self.left.push_back(Left { db: self.names[db as usize], table, place: 0 });
    }

    /// Takes over a value that was taken out of the keyspace; gives it back where it is not a watched one.
    pub fn adopt_value(&mut self, db: u32, table: usize, key: &[u8], value: Value) -> Option<Value> {
        let mut value = value;
        if !self.is_watched(&mut value) {
            return Some(value);
        }
        match self.larges.iter_mut().find(|large| large.is_at(db, table, key)) {
            Some(large) => large.home = Home::Here(value),
            None => self.is_broken = true,
        }
        None
    }

    /// A value was taken out of the keyspace, and comes back under another name.
    pub fn sets_out(&mut self, db: u32, table: usize, key: &[u8], value: &mut Value) {
        if !self.is_watched(value) {
            return;
        }
        match self.larges.iter_mut().find(|large| large.is_at(db, table, key)) {
            Some(large) => large.home = Home::OnTheWay,
            None => self.is_broken = true,
        }
    }

    /// A value has come into the keyspace: perhaps that which has set out.
    pub fn arrives(&mut self, db: u32, table: usize, entry: RawEntry) {
        let is_watched = match entry.long_text() {
            Some(text) => self.texts.has(text),
            None => entry.watched_mut().is_some_and(|watched| watched.is_watched()),
        };
        if !is_watched {
            return;
        }
        match self.larges.iter_mut().find(|large| matches!(large.home, Home::OnTheWay)) {
            Some(large) => large.home = Home::Key(db, table, Some(entry.key().into())),
            None => self.is_broken = true,
        }
    }

    fn is_watched(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => self.texts.has(text),
            value => value.watched_mut().is_some_and(|watched| watched.is_watched()),
        }
    }

    /// These bytes of an entry are about to change, if it has a string that is watched.
    pub fn before_edit(&mut self, entry: RawEntry, touched: impl Iterator<Item = Range<usize>>) {
        if let Some(text) = entry.long_text() {
            self.texts.before(text, touched);
        }
    }

    /// The string of an entry was changed, and lay there before.
    pub fn after_edit(&mut self, entry: RawEntry, before: usize) {
        if let Some(text) = entry.long_text() {
            self.texts.has_moved(before, text);
        }
    }

    /// The first large value is written: what was put aside meanwhile follows.
    fn end_large(&mut self) {
        self.is_within = false;
        if !self.aside_full.is_empty() {
            self.full.put(core::mem::take(&mut self.out.bytes));
            self.full.append(core::mem::take(&mut self.aside_full));
        }
        if !self.aside.bytes.is_empty() {
            self.out.bytes.append(&mut self.aside.bytes);
        }
        // What was put aside began with no database selected, and has selected its own.
        if self.aside.last_db.is_some() {
            self.out.last_db = self.aside.last_db;
        }
        self.aside = SnapshotOut::default();
    }

    /// Writes on at the first large value; false when there is none.
    fn walk_large(&mut self, ground: &mut Ground<'_>, allowance: &mut Allowance) -> bool {
        let (Some(large), Some(encode)) = (self.larges.front_mut(), self.encode.large) else { return false };
        if let Shape::Text(..) = large.shape {
            let walked = self.walk_text(encode, ground, allowance);
            self.end_if_walked(walked, ground);
            return true;
        }
        if !self.is_within {
            self.out.last_use = large.last_use;
            (encode.head)(&mut self.out, large.name, &large.key, large.shape, large.deadline);
            self.is_within = true;
        }
        let out = if encode.frame.is_some() { &mut self.parts } else { &mut self.out.bytes };
        let walked = match large.watched(ground.databases, ground.key) {
            None => Walked::Broken,
            Some(watched) => {
                let walked = watched.walk(out, allowance);
                if walked != Walked::On {
                    watched.unwatch();
                }
                walked
            }
        };
        if let Some(frame) = encode.frame {
            let (before, parts) = (self.out.bytes.len(), &mut self.parts);
            let (shape, deadline, is_end) = (large.shape, large.deadline, walked != Walked::On);
            frame(&mut self.out, Framed { key: &large.key, shape, deadline, parts, is_end });
            allowance.spend((self.out.bytes.len() - before) * FRAMED_NS);
        }
        self.end_if_walked(walked, ground);
        true
    }

    /// Writes on at the first large value, which is a string.
    fn walk_text(&mut self, encode: EncodeLarge, ground: &Ground<'_>, allowance: &mut Allowance) -> Walked {
        let Some(large) = self.larges.front() else { return Walked::Broken };
        let Some(text) = large.text(ground.databases, ground.key) else { return Walked::Broken };
        if !self.is_within {
            let Some(shape) = self.texts.prepare(text, allowance) else { return Walked::On };
            self.out.last_use = large.last_use;
            (encode.head)(&mut self.out, large.name, &large.key, shape, large.deadline);
            self.is_within = true;
        }
        let walked = self.texts.walk(text, &mut self.out.bytes, allowance);
        if let (Some(frame), Walked::Whole) = (encode.frame, walked) {
            let (shape, deadline, parts) = (large.shape, large.deadline, &mut self.parts);
            frame(&mut self.out, Framed { key: &large.key, shape, deadline, parts, is_end: true });
        }
        walked
    }

    /// The first large value is done with, if it was walked.
    fn end_if_walked(&mut self, walked: Walked, ground: &mut Ground<'_>) {
        if walked == Walked::On {
            return;
        }
        self.is_broken |= walked == Walked::Broken;
        let large = self.larges.pop_front().expect("the first one was written");
        large.into_value().into_iter().for_each(|value| ground.garbage.add_value(value));
        self.end_large();
    }

    /// Ends it before its end: no value is watched any more, and tables and values that were adopted are garbage.
    pub fn give_up(self, ground: &mut Ground<'_>) {
        for mut large in self.larges {
            if let Some(watched) = large.watched(ground.databases, ground.key) {
                watched.unwatch();
            }
            large.into_value().into_iter().for_each(|value| ground.garbage.add_value(value));
        }
        self.left.into_iter().for_each(|left| ground.garbage.add(left.table));
    }

    /// Walks on until the budget is used up. Detached tables that are done with go to the garbage.
    pub fn step(&mut self, ground: &mut Ground<'_>, budget: SnapshotBudget) {
        if self.must_be_taken() {
            return;
        }
        if self.out.bytes.capacity() == 0 && budget.entries > 1 {
            // Growing it would copy as many bytes again. One key may be little, and wait with thousands of its like.
            self.out.bytes.reserve(PIECE_ROOM);
        }
        let mut allowance = Allowance::new(budget.ns.max(1));
        let mut entries = budget.entries.max(1);
        while entries > 0 && !allowance.is_spent() && !self.is_done {
            // Something must be left when a walk is called, else the smallest slices would never bring it on.
            if self.walk_large(ground, &mut allowance) {
                allowance.spend(PASSED_NS);
                continue;
            }
            let encoded = match self.left.is_empty() {
                false => self.step_left(ground, entries, &mut allowance),
                true => self.step_database(ground, entries, &mut allowance),
            };
            entries = entries.saturating_sub(encoded.max(1));
            allowance.spend(PASSED_NS);
        }
        self.spent_ns += allowance.spent() as u64;
    }

    /// Walks on in the first table that was detached.
    fn step_left(&mut self, ground: &mut Ground<'_>, entries: usize, allowance: &mut Allowance) -> usize {
        let Some(mut left) = self.left.pop_front() else { return 0 };
        let Some(segment) = left.table.segment_at(left.place).filter(|segment| !segment.is_none()) else {
            ground.garbage.add(left.table);
            return 0;
        };
        let (mut encoded, mut is_over) = (0, true);
        if segment.mark() != ground.mark {
            let first = self.larges.len();
            let mut owned = Vec::new();
            let home = |entry| {
                owned.push(entry);
                Home::OnTheWay
            };
            (encoded, is_over) = self.encode_segment(left.db, segment, (entries, allowance), home);
            for (large, entry) in self.larges.range_mut(first..).zip(owned) {
                if let Some(value) = take_value(&mut left.table, entry) {
                    large.home = Home::Here(value);
                }
            }
        }
        if is_over {
            left.place += 1 << (left.table.depth() - segment.depth());
        }
        self.left.push_front(left);
        encoded
    }

    /// Walks on in the databases; at their end all is done.
    fn step_database(&mut self, ground: &mut Ground<'_>, entries: usize, allowance: &mut Allowance) -> usize {
        let place = self.names.iter().position(|name| *name as usize == self.db);
        let Some((place, database)) = place.and_then(|place| Some((place, ground.databases.get_mut(place)?)))
        else {
            self.is_done = true;
            return 0;
        };
        if self.prefix >> 32 != 0 {
            self.prefix = 0;
            self.table += 1;
        }
        let Some(at) = database.next_filled(self.table) else {
            (self.db, self.table, self.prefix) = (self.db + 1, 0, 0);
            return 0;
        };
        if at != self.table {
            (self.table, self.prefix) = (at, 0);
        }
        let hash = self.prefix << 32;
        let segment = database.tables[at].segment(hash);
        let (mut encoded, mut is_over) = (0, true);
        if segment.mark() != ground.mark {
            let home = |_| Home::Key(place as u32, at, None);
            (encoded, is_over) = self.encode_segment(self.db as u32, segment, (entries, allowance), home);
        }
        if is_over {
            let width = 1 << (32 - segment.depth());
            self.prefix = (self.prefix & !(width - 1)) + width;
            database.tables[at].set_mark(hash, ground.mark);
        }
        encoded
    }

    /// Encodes what has no stamp of a segment, and takes the stamps off. Large values are enqueued; `home` says where they lie.
    /// Returns how many entries that were, and whether the segment is done with: when far more than the budget is used up, all
    /// before get the stamp.
    fn encode_segment(
        &mut self,
        db: u32,
        segment: Segment,
        (entries, allowance): (usize, &mut Allowance),
        mut home: impl FnMut(RawEntry) -> Home,
    ) -> (usize, bool) {
        let mut encoded = 0;
        let stopped_at = visit_prefetched_values(segment, |word: Word| {
            let entry = word.entry();
            allowance.spend(PASSED_NS);
            match entry.stamp() {
                0 => {}
                stamp => {
                    entry.set_stamp(0);
                    if stamp == self.stamp {
                        return ControlFlow::Continue(());
                    }
                }
            }
            encoded += 1;
            let before = self.len();
            if !self.enqueue(db, entry, &mut home) {
                self.put_whole(db, entry);
            }
            allowance.spend(KEY_NS + BYTE_NS * (self.len() - before));
            match encoded >= entries || allowance.overdrawn() >= SEGMENT_NS {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let Some(stopped_at) = stopped_at else { return (encoded, true) };
        segment.iter().take(stopped_at).for_each(|word| word.entry().set_stamp(self.stamp));
        (encoded, false)
    }

    /// Takes the stamps of given up snapshots off all entries.
    pub fn clear_stamps(databases: &mut [Database]) {
        for table in databases.iter().flat_map(|database| &database.tables) {
            for (_, segment) in table.segments() {
                visit_prefetched(segment, |word| {
                    if word.entry().stamp() != 0 {
                        word.entry().set_stamp(0);
                    }
                });
            }
        }
    }
}

/// Takes the value out of an entry of a table that has left the keyspace; the entry stays where it is, with nothing in it.
fn take_value(table: &mut Table, entry: RawEntry) -> Option<Value> {
    let before = entry.memory();
    // A number takes as much room in an entry as the word of a collection, an empty buffer as much as a full one.
    let empty = if entry.long_text().is_some() { Payload::Buffer(Vec::new()) } else { Payload::Integer(0) };
    let (same, value) = entry.replace(entry.deadline(), empty);
    assert!(same == entry);
    table.count_memory(before, entry.memory());
    value
}
