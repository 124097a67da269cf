//! Keyspace: all databases of a node, their keys, values and deadlines.

use crate::database::{Database, SLOTS};
use crate::entry::RawEntry;
use crate::expire::Expired;
use crate::garbage::{Detached, Garbage, GarbageFigures};
use crate::memory::{prefetch, size_class};
use crate::place::{Entry, EntryRef, OccupiedEntry, VacantEntry};
use crate::snapshot::{Encode, Ground, Progress, Snapshot, SnapshotBudget};
use crate::table::{HashKey, Table};
use crate::value::Value;
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::Random;
use core::ops::{Range, RangeInclusive};

/// A key's hash and, in cluster mode, its slot (else 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    bits: u64,
    slot: u16,
}

impl KeyHash {
    /// The hash of no key, where there is none.
    pub const NONE: KeyHash = KeyHash { bits: 0, slot: 0 };

    #[inline]
    pub(crate) fn new(bits: u64, slot: u16) -> KeyHash {
        KeyHash { bits, slot }
    }

    /// The 64 bits.
    #[inline]
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// The slot; 0 outside of cluster mode.
    #[inline]
    pub fn slot(self) -> u16 {
        self.slot
    }
}

/// What INFO keyspace says of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbFigures {
    /// Keys.
    pub keys: u64,
    /// Keys with a deadline.
    pub expires: u64,
    /// The mean time to live of those, in milliseconds.
    pub avg_ttl_ms: u64,
}

/// 3: entries have two bits for the stamp of a snapshot.
const STAMPS: u8 = 3;

/// All databases of a node.
#[derive(Debug)]
pub struct Keyspace {
    databases: Vec<Database>,
    key: HashKey,
    /// Tables of a database: 1, or one per slot.
    tables: usize,
    /// Memory of all tables and entries, in size classes.
    used: u64,
    /// Memory of the flat arrays of tables' heads.
    heads: u64,
    /// See `snapshot`.
    mark: bool,
    snapshot: Option<Box<Snapshot>>,
    /// The stamp of the last snapshot, and how many different ones entries may carry since one came to its end.
    stamp: u8,
    stale_stamps: u8,
    garbage: Garbage,
}

impl Keyspace {
    /// An empty keyspace of `databases` databases. In cluster mode each has a table per slot, made on first use.
    pub fn new(hash_key: [u64; 2], databases: u32, clustered: bool) -> Keyspace {
        assert!(databases > 0);
        Keyspace {
            databases: (0..databases).map(|_| Database::default()).collect(),
            key: HashKey(hash_key),
            tables: if clustered { SLOTS } else { 1 },
            used: 0,
            heads: 0,
            mark: false,
            snapshot: None,
            stamp: 0,
            stale_stamps: 0,
            garbage: Garbage::default(),
        }
    }

    /// True in cluster mode.
    #[inline]
    pub fn is_clustered(&self) -> bool {
        self.tables > 1
    }

    /// How many databases there are.
    pub fn databases(&self) -> u32 {
        self.databases.len() as u32
    }

    /// The tables' secret: new hash values take it.
    pub fn hash_key(&self) -> HashKey {
        self.key
    }

    /// Hashes a key (and finds its slot in cluster mode). Stays true for the keyspace's life.
    ///
    /// In cluster mode the head of the slot's table is prefetched, so a batch is best hashed whole before its
    /// buckets are prefetched.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let mut slot = 0;
        if self.is_clustered() {
            slot = base::crc16::slot_of(key);
            prefetch(self.databases[0].tables.as_ptr().wrapping_add(usize::from(slot)).cast());
        }
        KeyHash { bits: self.key.hash(key), slot }
    }

    #[inline(always)]
    fn table(&self, db: u32, slot: u16) -> Option<&Table> {
        self.databases.get(db as usize)?.tables.get(usize::from(slot))
    }

    /// Asks the processor for the key's bucket. A hint: nothing is kept. Call it for a batch of hashed keys, then
    /// `prefetch_entry` for all of them.
    #[inline]
    pub fn prefetch_bucket(&self, db: u32, hash: KeyHash) {
        if let Some(table) = self.table(db, hash.slot) {
            table.prefetch_bucket(hash.bits);
        }
    }

    /// Asks the processor for the key's entry, through a bucket that `prefetch_bucket` brought. A hint.
    #[inline]
    pub fn prefetch_entry(&self, db: u32, hash: KeyHash) {
        if let Some(table) = self.table(db, hash.slot) {
            table.prefetch_entry(hash.bits);
        }
    }

    /// The key's entry, whether its deadline has passed or not: the caller compares `deadline_ms`.
    #[inline]
    pub fn find(&self, db: u32, key: &[u8], hash: KeyHash) -> Option<EntryRef<'_>> {
        let place = self.table(db, hash.slot)?.find(hash.bits, key)?;
        Some(EntryRef::new(place.entry()))
    }

    /// The key's place: the one lookup of a command that may write.
    #[inline]
    pub fn entry<'a>(&'a mut self, db: u32, key: &'a [u8], hash: KeyHash) -> Entry<'a> {
        match self.table(db, hash.slot).and_then(|table| table.find(hash.bits, key)) {
            Some(place) => Entry::Occupied(OccupiedEntry::new(self, db, hash, place)),
            None => Entry::Vacant(VacantEntry::new(self, db, hash, key)),
        }
    }

    /// Makes room for about `keys` keys in a database without any; not in cluster mode, where each slot has a table.
    pub fn make_room(&mut self, db: u32, keys: usize) {
        if !self.is_clustered() && self.len(db) == 0 {
            self.make_room_in_slot(db, 0, keys);
        }
    }

    /// Makes room for about `keys` keys in a slot's table that has none.
    pub fn make_room_in_slot(&mut self, db: u32, slot: u16, keys: usize) {
        let parts = self.parts(db);
        let Some(table) = parts.database.tables.get_mut(usize::from(slot)) else { return };
        if table.len() > 0 {
            return;
        }
        let before = table.memory();
        table.make_room(keys, parts.mark);
        *parts.used = *parts.used - before as u64 + table.memory() as u64;
    }

    /// Keys in a database.
    pub fn len(&self, db: u32) -> u64 {
        self.databases[db as usize].len()
    }

    /// True when no database has a key.
    pub fn is_empty(&self) -> bool {
        self.databases.iter().all(|database| database.len() == 0)
    }

    /// What INFO keyspace says.
    pub fn figures(&self, db: u32, now_ms: u64) -> DbFigures {
        let database = &self.databases[db as usize];
        DbFigures {
            keys: database.len(),
            expires: database.expires(),
            avg_ttl_ms: database.avg_ttl_ms(now_ms),
        }
    }

    /// Visits about `count` entries after `cursor` (0: from the start) and returns the next cursor, 0 at the end.
    /// An entry that is there during the whole scan is visited at least once, whatever grows or shrinks meanwhile.
    pub fn scan(&self, db: u32, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let mut visit = |entry| visit(EntryRef::new(entry));
        self.databases[db as usize].scan(0..=u16::MAX, cursor, count, self.key, &mut visit)
    }

    /// `scan` over some slots (cluster mode). The slot of a cursor is in its highest 16 bits.
    pub fn scan_slots(
        &self,
        db: u32,
        slots: RangeInclusive<u16>,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> u64 {
        let mut visit = |entry| visit(EntryRef::new(entry));
        self.databases[db as usize].scan(slots, cursor, count, self.key, &mut visit)
    }

    /// A number by which to tell this keyspace's cursors from another's.
    pub fn fingerprint(&self) -> u64 {
        self.key.hash(b"fingerprint")
    }

    /// `scan` over one slot alone (cluster mode).
    pub fn scan_slot(
        &self,
        db: u32,
        slot: u16,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> u64 {
        let mut visit = |entry| visit(EntryRef::new(entry));
        self.databases[db as usize].scan_table(slot, cursor, count, self.key, &mut visit)
    }

    /// Visits every entry of a database, in one long call (KEYS, DEBUG DIGEST).
    pub fn for_each(&self, db: u32, mut visit: impl FnMut(EntryRef<'_>)) {
        for table in &self.databases[db as usize].tables {
            for (_, segment) in table.segments() {
                crate::table::visit_prefetched(segment, |word| visit(EntryRef::new(word.entry())));
            }
        }
    }

    /// An entry, each with the same chance.
    pub fn random(&self, db: u32, random: &mut Random) -> Option<EntryRef<'_>> {
        self.databases[db as usize].random(random).map(EntryRef::new)
    }

    /// Keys in a slot (cluster mode).
    pub fn slot_len(&self, slot: u16) -> u64 {
        (0..self.databases()).map(|db| self.slot_len_in(db, slot)).sum()
    }

    /// Keys in a slot of one database (cluster mode).
    pub fn slot_len_in(&self, db: u32, slot: u16) -> u64 {
        self.table(db, slot).map_or(0, |table| table.len() as u64)
    }

    /// Up to `count` keys of a slot of a database (cluster mode).
    pub fn keys_in_slot(&self, db: u32, slot: u16, count: usize, mut visit: impl FnMut(&[u8])) {
        let Some(table) = self.table(db, slot) else { return };
        let words = table.segments().flat_map(|(_, segment)| segment.iter());
        words.take(count).for_each(|word| visit(word.entry().key()));
    }

    /// Empties a database. What was in it is returned: drop it elsewhere or `dispose` of it.
    /// (During a snapshot the walker keeps it, and what is returned is empty.)
    pub fn flush(&mut self, db: u32) -> Detached {
        let database = core::mem::take(&mut self.databases[db as usize]);
        self.used -= database.bounds_bytes();
        self.count_heads();
        self.detach(db, 0, database.tables)
    }

    /// Empties all databases; see `flush`.
    pub fn flush_all(&mut self) -> Detached {
        let mut all = Detached::default();
        for db in 0..self.databases() {
            all.tables.append(&mut self.flush(db).tables);
        }
        all
    }

    /// An empty keyspace of the same form and secret: its data can take the place of this one's.
    pub fn beside(&self) -> Keyspace {
        Keyspace::new(self.key.0, self.databases(), self.is_clustered())
    }

    /// Takes the data of `other`, which `beside` has made, as its own.
    ///
    /// # Panics
    /// When there is data, or a snapshot is under way in either.
    pub fn take_from(&mut self, other: Keyspace) {
        assert!(self.is_empty() && self.snapshot.is_none() && other.snapshot.is_none());
        assert!(self.databases() == other.databases());
        // The marks of entries mean what their keyspace says.
        (self.databases, self.mark) = (other.databases, other.mark);
        (self.used, self.heads) = (other.used, other.heads);
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, one: u32, other: u32) {
        self.databases.swap(one as usize, other as usize);
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.swap(one, other);
        }
    }

    /// Empties a slot in all databases (cluster mode); see `flush`.
    pub fn remove_slot(&mut self, slot: u16) -> Detached {
        let mut all = Detached::default();
        for db in 0..self.databases() {
            let database = &mut self.databases[db as usize];
            self.used -= database.bounds_bytes();
            let table = database.take_table(usize::from(slot));
            self.used += database.bounds_bytes();
            all.tables.append(&mut self.detach(db, usize::from(slot), table.into_iter().collect()).tables);
        }
        all
    }

    /// Counts tables out, from number `first` on, and hands them to a snapshot under way or back.
    fn detach(&mut self, db: u32, first: usize, tables: Vec<Table>) -> Detached {
        let bytes: usize = tables.iter().map(Table::memory).sum();
        self.used -= bytes as u64;
        match &mut self.snapshot {
            Some(snapshot) if !snapshot.is_done => {
                for (number, table) in (first..).zip(tables).filter(|(_, table)| table.len() > 0) {
                    snapshot.adopt(db, number, table, self.key);
                }
                Detached::default()
            }
            _ => Detached { tables },
        }
    }

    /// Takes what is to be freed in slices by `free_slice`.
    pub fn dispose(&mut self, detached: Detached) {
        detached.tables.into_iter().filter(|table| table.len() > 0).for_each(|table| self.garbage.add(table));
    }

    /// As `dispose`, for one value (UNLINK, an overwritten big value). Small ones are freed at once.
    pub fn dispose_value(&mut self, value: Value) {
        self.garbage.add_value(value);
    }

    /// Frees up to about `budget` allocations of what was disposed of; true while there is more.
    pub fn free_slice(&mut self, budget: usize) -> bool {
        self.garbage.step(budget)
    }

    /// Looks for keys of a database whose deadline is `now_ms` or earlier, going round through it over many calls.
    ///
    /// The caller removes every key that it is shown (with DEL in the journal) before the next call: it is not shown
    /// again. `budget` bounds the keys found, and the entries looked at (by 16 per key); a segment is looked through to its
    /// end, so both may be passed by some hundreds. A key is shown within 0.6 s of its deadline if slices follow
    /// each other often enough.
    pub fn expire_slice(
        &mut self,
        db: u32,
        now_ms: u64,
        budget: usize,
        mut due: impl FnMut(&[u8], KeyHash),
    ) -> Expired {
        self.databases[db as usize].expire_slice(self.key, now_ms, budget, &mut due)
    }

    /// A key of a database whose value may have parts that are due (`Hash::expire` finds out), if there is one.
    pub fn next_due_parts(&self, db: u32, now_ms: u64) -> Option<&[u8]> {
        let (bound, key) = self.databases[db as usize].bounds().first()?;
        (*bound < crate::expire::units(now_ms)).then_some(&**key)
    }

    /// Keys of a database whose values have parts with deadlines.
    pub fn keys_with_volatile_parts(&self, db: u32) -> u64 {
        self.databases[db as usize].bounds().len() as u64
    }

    /// All memory of keys, values and tables, in the allocator's size classes. Exact after every operation.
    pub fn used_bytes(&self) -> u64 {
        self.live_bytes() + self.garbage.figures().bytes
    }

    /// The part of `used_bytes` that does not wait to be freed.
    #[inline]
    pub fn live_bytes(&self) -> u64 {
        self.used + self.heads
    }

    /// The part of `used_bytes` that is tables: heads, buckets and directories. Walks all directories: for MEMORY STATS.
    pub fn overhead_bytes(&self) -> u64 {
        let tables = self.databases.iter().flat_map(|database| &database.tables);
        let bounds: u64 = self.databases.iter().map(Database::bounds_bytes).sum();
        tables.map(|table| table.overhead() as u64).sum::<u64>() + bounds + self.heads
    }

    /// The part of `overhead_bytes` that belongs to one database, its head aside.
    pub fn table_bytes(&self, db: u32) -> u64 {
        let database = &self.databases[db as usize];
        database.tables.iter().map(|table| table.overhead() as u64).sum::<u64>() + database.bounds_bytes()
    }

    /// Counts the flat arrays of tables' heads, which come with a database's first key and go with all of them.
    #[cold]
    fn count_heads(&mut self) {
        let heads = |database: &Database| size_class(database.tables.capacity() * size_of::<Table>()) as u64;
        self.heads = self.databases.iter().map(heads).sum();
    }

    /// True when `free_slice` has something to do.
    pub fn has_garbage(&self) -> bool {
        !self.garbage.is_empty()
    }

    /// What waits to be freed by `free_slice`, and what it has freed so far.
    pub fn garbage(&self) -> GarbageFigures {
        self.garbage.figures()
    }

    /// Marks this moment: the snapshot will hold exactly what is in the keyspace now.
    ///
    /// # Panics
    /// When a snapshot is under way.
    pub fn snapshot_begin(&mut self, encode: Encode) {
        assert!(self.snapshot.as_ref().is_none_or(|snapshot| snapshot.is_done));
        self.mark = !self.mark;
        if self.stale_stamps == STAMPS {
            // As many snapshots were given up one after the other: entries may carry each of their stamps.
            Snapshot::clear_stamps(&mut self.databases);
            self.stale_stamps = 0;
        }
        self.stale_stamps += 1;
        self.stamp = self.stamp % STAMPS + 1;
        self.snapshot = Some(Box::new(Snapshot::new(encode, self.databases(), self.stamp)));
    }

    /// Walks on. It overshoots the budget by the rest of a segment of small values, or by a value, not a large one.
    pub fn snapshot_step(&mut self, budget: SnapshotBudget) -> Progress {
        let Some(snapshot) = &mut self.snapshot else { return Progress::Idle };
        if !snapshot.is_done {
            let (databases, garbage) = (&mut self.databases, &mut self.garbage);
            snapshot.step(&mut Ground { databases, garbage, key: self.key, mark: self.mark }, budget);
            if snapshot.is_done {
                self.stale_stamps = 0;
            }
        }
        self.snapshot_progress()
    }

    /// The snapshot turned out to be wrong: it must be given up. (No way to this is known.)
    pub fn snapshot_is_broken(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_broken)
    }

    /// Where the snapshot stands.
    pub fn snapshot_progress(&self) -> Progress {
        match &self.snapshot {
            None => Progress::Idle,
            Some(snapshot) if snapshot.is_done => Progress::Done,
            Some(_) => Progress::Walking,
        }
    }

    /// Encoded bytes that were not taken yet (writes add to them, too: see copy before write).
    pub fn snapshot_pending_bytes(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes().0)
    }

    /// Those of them that can be taken now.
    pub fn snapshot_ready_bytes(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes().1)
    }

    /// A piece is full: no step goes on before it is taken.
    pub fn snapshot_must_be_taken(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.must_be_taken())
    }

    /// Moves encoded bytes to the end of `out`: what a step has written, or a piece of what writes have added. It answers `Done`
    /// once when all is encoded and taken; then the snapshot is over.
    pub fn snapshot_take(&mut self, out: &mut Vec<u8>) -> Progress {
        let Some(snapshot) = &mut self.snapshot else { return Progress::Idle };
        if !snapshot.take(out) || !snapshot.is_done {
            return Progress::Walking;
        }
        self.snapshot = None;
        Progress::Done
    }

    /// Gives the snapshot up; its bytes are dropped.
    pub fn snapshot_abort(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        if !snapshot.is_done {
            let tables = self.databases.iter_mut().flat_map(|database| &mut database.tables);
            tables.for_each(|table| table.set_all_marks(self.mark));
        }
        let (databases, garbage) = (&mut self.databases, &mut self.garbage);
        snapshot.give_up(&mut Ground { databases, garbage, key: self.key, mark: self.mark });
    }

    /// What all steps of the snapshot have taken, in nanoseconds as they usually are.
    pub fn snapshot_spent_ns(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.spent_ns)
    }

    /// What writes have taken that saved an entry whole before they changed it, in nanoseconds as they usually are.
    pub fn snapshot_copied_ns(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.copied_ns)
    }

    /// About how much memory it takes what writes have saved for the snapshot while the walk is held up by large values.
    pub fn snapshot_noted_bytes(&mut self) -> usize {
        let Some(snapshot) = &mut self.snapshot else { return 0 };
        snapshot.noted_bytes(&mut self.databases, self.key)
    }

    /// Keys that the snapshot has encoded so far.
    pub fn snapshot_keys(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.keys)
    }
}

/// What places in the keyspace need to change it.
impl Keyspace {
    pub(crate) fn database_mut(&mut self, db: u32) -> &mut Database {
        &mut self.databases[db as usize]
    }

    /// Saves the old state of an entry for a snapshot under way.
    #[inline]
    pub(crate) fn before_write(&mut self, db: u32, hash: KeyHash, entry: RawEntry) {
        if self.snapshot.is_some() {
            self.copy_before_write(db, hash, entry);
        }
    }

    #[cold]
    fn copy_before_write(&mut self, db: u32, hash: KeyHash, entry: RawEntry) {
        // Most writes find the stamp once a save has gone on for a while: then where the entry lies need not be looked up.
        if self.snapshot.as_ref().is_none_or(|snapshot| snapshot.stamp == entry.stamp()) {
            return;
        }
        let stamp = self.stamp_for(db, hash);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|_| stamp != 0) {
            snapshot.save(db, usize::from(hash.slot), entry);
            entry.set_stamp(stamp);
        }
    }

    /// These bytes of a string are about to change, and it may come to lie elsewhere: `after_edit` follows with what this gives.
    pub(crate) fn before_edit(
        &mut self,
        db: u32,
        hash: KeyHash,
        entry: RawEntry,
        touched: impl Iterator<Item = Range<usize>>,
    ) -> Option<usize> {
        self.snapshot.as_ref()?;
        let before = entry.long_text()?.as_ptr().addr();
        self.copy_before_write(db, hash, entry);
        self.snapshot.as_mut()?.before_edit(entry, touched);
        Some(before)
    }

    /// A string was changed; see `before_edit`.
    pub(crate) fn after_edit(&mut self, entry: RawEntry, before: usize) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.after_edit(entry, before);
        }
    }

    /// A snapshot is under way, or was not taken to its end.
    #[inline]
    pub(crate) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The stamp that an entry must carry so that a snapshot under way passes it by; 0 where the walker does not come by.
    #[inline]
    pub(crate) fn stamp_for(&self, db: u32, hash: KeyHash) -> u8 {
        let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| !snapshot.is_done) else { return 0 };
        let Some(table) = self.table(db, hash.slot) else { return 0 };
        let segment = table.segment(hash.bits);
        if segment.is_none() || segment.mark() == self.mark { 0 } else { snapshot.stamp }
    }

    /// Disposes of a value that was taken out of the keyspace, unless a snapshot under way has something left of it to write.
    pub(crate) fn part_with(&mut self, db: u32, slot: u16, key: &[u8], value: Value) {
        let value = match &mut self.snapshot {
            Some(snapshot) => snapshot.adopt_value(db, usize::from(slot), key, value),
            None => Some(value),
        };
        if let Some(value) = value {
            self.garbage.add_value(value);
        }
    }

    /// A value is about to be known by another name; `has_come` follows.
    pub(crate) fn sets_out(&mut self, db: u32, slot: u16, key: &[u8], value: &mut Value) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.sets_out(db, usize::from(slot), key, value);
        }
    }

    /// A value was put in.
    pub(crate) fn has_come(&mut self, db: u32, slot: u16, entry: RawEntry) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.arrives(db, usize::from(slot), entry);
        }
    }

    /// The parts that a change of one entry needs: its database with tables made, the count of memory, the garbage.
    #[inline]
    pub(crate) fn parts(&mut self, db: u32) -> Parts<'_> {
        if self.databases[db as usize].tables.is_empty() {
            self.databases[db as usize].prepare(self.tables);
            self.count_heads();
        }
        let database = &mut self.databases[db as usize];
        Parts { database, used: &mut self.used, key: self.key, mark: self.mark }
    }
}

/// Parts of a keyspace, borrowed at once.
pub(crate) struct Parts<'a> {
    pub database: &'a mut Database,
    pub used: &'a mut u64,
    pub key: HashKey,
    pub mark: bool,
}
