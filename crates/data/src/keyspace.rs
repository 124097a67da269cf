//! Keyspace: all databases of a node, their keys, values and deadlines.

use crate::hash::HashMut;
use crate::snapshot::{Encode, Progress, SnapshotBudget};
use crate::value::{Encoding, Kind, Value, ValueRef};
use alloc::vec::Vec;
use base::Random;
use core::marker::PhantomData;

/// The secret of the tables' hash, drawn per process.
#[derive(Clone, Copy, Debug)]
pub struct HashKey(pub [u64; 2]);

/// A key's hash and, in cluster mode, its slot (else 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    bits: u64,
    slot: u16,
}

impl KeyHash {
    /// The 64 bits.
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// The slot; 0 outside of cluster mode.
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

/// What one slice of active expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Keys that were found due.
    pub found: usize,
    /// The budget ran out before the round through the database ended: there may be more due keys.
    pub more: bool,
}

/// Whole tables that left the keyspace. `Send`: a helper thread may drop it, or `Keyspace::dispose` frees it in slices.
#[derive(Debug)]
pub struct Detached {
    _tables: (),
}

/// All databases of a node.
#[derive(Debug)]
pub struct Keyspace {
    _todo: (),
}

impl Keyspace {
    /// An empty keyspace of `databases` databases. In cluster mode each has a table per slot, made on first use.
    pub fn new(hash_key: [u64; 2], databases: u32, clustered: bool) -> Keyspace {
        let _ = (hash_key, databases, clustered);
        todo!()
    }

    /// True in cluster mode.
    pub fn is_clustered(&self) -> bool {
        todo!()
    }

    /// How many databases there are.
    pub fn databases(&self) -> u32 {
        todo!()
    }

    /// The tables' secret: new hash values take it.
    pub fn hash_key(&self) -> HashKey {
        todo!()
    }

    /// Hashes a key (and finds its slot in cluster mode). Stays true for the keyspace's life.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let _ = key;
        todo!()
    }

    /// Asks the processor for the key's bucket. A hint: nothing is kept. Call it for a batch of keys, then `prefetch_entry` for all.
    #[inline]
    pub fn prefetch_bucket(&self, db: u32, hash: KeyHash) {
        let _ = (db, hash);
        todo!()
    }

    /// Asks the processor for the key's entry, through a bucket that `prefetch_bucket` brought. A hint.
    #[inline]
    pub fn prefetch_entry(&self, db: u32, hash: KeyHash) {
        let _ = (db, hash);
        todo!()
    }

    /// The key's entry, whether its deadline has passed or not: the caller compares `deadline_ms`.
    pub fn find(&self, db: u32, key: &[u8], hash: KeyHash) -> Option<EntryRef<'_>> {
        let _ = (db, key, hash);
        todo!()
    }

    /// The key's place: the one lookup of a command that may write.
    pub fn entry<'a>(&'a mut self, db: u32, key: &'a [u8], hash: KeyHash) -> Entry<'a> {
        let _ = (db, key, hash);
        todo!()
    }

    /// Keys in a database.
    pub fn len(&self, db: u32) -> u64 {
        let _ = db;
        todo!()
    }

    /// True when no database has a key.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// What INFO keyspace says.
    pub fn figures(&self, db: u32, now_ms: u64) -> DbFigures {
        let _ = (db, now_ms);
        todo!()
    }

    /// Visits about `count` entries after `cursor` (0: from the start) and returns the next cursor, 0 at the end.
    /// An entry that is there during the whole scan is visited at least once, whatever grows or shrinks meanwhile.
    pub fn scan(&self, db: u32, cursor: u64, count: usize, visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let _ = (db, cursor, count, visit);
        todo!()
    }

    /// `scan` over one slot alone (cluster mode).
    pub fn scan_slot(
        &self,
        db: u32,
        slot: u16,
        cursor: u64,
        count: usize,
        visit: impl FnMut(EntryRef<'_>),
    ) -> u64 {
        let _ = (db, slot, cursor, count, visit);
        todo!()
    }

    /// Visits every entry of a database, in one long call (KEYS, DEBUG DIGEST).
    pub fn for_each(&self, db: u32, visit: impl FnMut(EntryRef<'_>)) {
        let _ = (db, visit);
        todo!()
    }

    /// An entry, each with the same chance.
    pub fn random(&self, db: u32, random: &mut Random) -> Option<EntryRef<'_>> {
        let _ = (db, random);
        todo!()
    }

    /// Keys in a slot of database 0 (cluster mode).
    pub fn slot_len(&self, slot: u16) -> u64 {
        let _ = slot;
        todo!()
    }

    /// Up to `count` keys of a slot of database 0 (cluster mode).
    pub fn keys_in_slot(&self, slot: u16, count: usize, visit: impl FnMut(&[u8])) {
        let _ = (slot, count, visit);
        todo!()
    }

    /// Empties a database. What was in it is returned: drop it elsewhere or `dispose` of it.
    /// (During a snapshot the walker keeps it, and what is returned is empty.)
    pub fn flush(&mut self, db: u32) -> Detached {
        let _ = db;
        todo!()
    }

    /// Empties all databases; see `flush`.
    pub fn flush_all(&mut self) -> Detached {
        todo!()
    }

    /// Empties a slot in all databases (cluster mode); see `flush`.
    pub fn remove_slot(&mut self, slot: u16) -> Detached {
        let _ = slot;
        todo!()
    }

    /// Takes what is to be freed in slices by `free_slice`.
    pub fn dispose(&mut self, detached: Detached) {
        let _ = detached;
        todo!()
    }

    /// As `dispose`, for one value (UNLINK, an overwritten big value). Small ones are freed at once.
    pub fn dispose_value(&mut self, value: Value) {
        let _ = value;
        todo!()
    }

    /// Frees up to about `budget` allocations of what was disposed of; true while there is more.
    pub fn free_slice(&mut self, budget: usize) -> bool {
        let _ = budget;
        todo!()
    }

    /// Looks for keys of a database whose deadline is `now_ms` or earlier, going round through it over many calls.
    /// The caller removes every key that it is shown (with DEL in the journal) before the next call.
    /// `budget` bounds the keys found and the entries looked at (by some 16 per key of the budget).
    pub fn expire_slice(
        &mut self,
        db: u32,
        now_ms: u64,
        budget: usize,
        due: impl FnMut(&[u8], KeyHash),
    ) -> Expired {
        let _ = (db, now_ms, budget, due);
        todo!()
    }

    /// All memory of keys, values and tables, in the allocator's size classes. Exact after every operation.
    pub fn used_bytes(&self) -> u64 {
        todo!()
    }

    /// The part of `used_bytes` that is tables: buckets and directories.
    pub fn overhead_bytes(&self) -> u64 {
        todo!()
    }

    /// Memory that waits to be freed by `free_slice`.
    pub fn garbage_bytes(&self) -> u64 {
        todo!()
    }

    /// Marks this moment: the snapshot will hold exactly what is in the keyspace now.
    ///
    /// # Panics
    /// When a snapshot is under way.
    pub fn snapshot_begin(&mut self, encode: Encode) {
        let _ = encode;
        todo!()
    }

    /// Walks on. Never splits a segment: it may overshoot the budget by one (up to some 1,000 entries).
    pub fn snapshot_step(&mut self, budget: SnapshotBudget) -> Progress {
        let _ = budget;
        todo!()
    }

    /// Where the snapshot stands.
    pub fn snapshot_progress(&self) -> Progress {
        todo!()
    }

    /// Encoded bytes that were not taken yet (writes add to them, too: see copy before write).
    pub fn snapshot_pending_bytes(&self) -> usize {
        todo!()
    }

    /// Moves the encoded bytes to the end of `out`. Once `Done` and taken, the snapshot is over.
    pub fn snapshot_take(&mut self, out: &mut Vec<u8>) -> Progress {
        let _ = out;
        todo!()
    }

    /// Gives the snapshot up; its bytes are dropped.
    pub fn snapshot_abort(&mut self) {
        todo!()
    }
}

/// A key's place in the keyspace: taken or free.
#[derive(Debug)]
pub enum Entry<'a> {
    /// The key is there.
    Occupied(OccupiedEntry<'a>),
    /// It is not.
    Vacant(VacantEntry<'a>),
}

/// An entry, to look at.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    _entry: PhantomData<&'a ()>,
}

impl<'a> EntryRef<'a> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        todo!()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        todo!()
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        todo!()
    }

    /// When the key is due, in milliseconds since 1970.
    #[inline]
    pub fn deadline_ms(&self) -> Option<u64> {
        todo!()
    }

    /// The layout of the value.
    pub fn encoding(&self) -> Encoding {
        todo!()
    }

    /// The access clock (24 bits) that was last set: a time (LRU) or a counter (LFU), as the engine has it.
    pub fn clock(&self) -> u32 {
        todo!()
    }

    /// Sets the access clock (24 bits). It is no part of the data: a snapshot does not notice.
    #[inline]
    pub fn touch(&self, clock: u32) {
        let _ = clock;
        todo!()
    }

    /// All memory of the key and its value, in size classes, with its share of the table (one word).
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }
}

/// An entry, to change. Every change first saves the old state for a snapshot under way.
#[derive(Debug)]
pub struct OccupiedEntry<'a> {
    _entry: PhantomData<&'a mut ()>,
}

impl<'a> OccupiedEntry<'a> {
    /// The entry, to look at.
    pub fn as_ref(&self) -> EntryRef<'_> {
        todo!()
    }

    /// The entry, to look at for as long as the keyspace was borrowed.
    pub fn into_ref(self) -> EntryRef<'a> {
        todo!()
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        todo!()
    }

    /// The value.
    pub fn value(&self) -> ValueRef<'_> {
        todo!()
    }

    /// When the key is due, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> Option<u64> {
        todo!()
    }

    /// Sets value and deadline at once, as SET does: an integer where the text is one. In place where the size class allows.
    /// A large old value is freed in slices.
    pub fn store(&mut self, value: &[u8], deadline_ms: Option<u64>) {
        let _ = (value, deadline_ms);
        todo!()
    }

    /// As `store`; the deadline stays.
    pub fn set_string(&mut self, value: &[u8]) {
        let _ = value;
        todo!()
    }

    /// Sets an integer; the deadline stays.
    pub fn set_integer(&mut self, value: i64) {
        let _ = value;
        todo!()
    }

    /// Puts an owned value in place of the old one, which is disposed of; the deadline stays.
    pub fn set_value(&mut self, value: Value) {
        let _ = value;
        todo!()
    }

    /// Appends to a string; returns its new length. The encoding becomes raw.
    ///
    /// # Panics
    /// When the value is no string.
    pub fn append(&mut self, tail: &[u8]) -> usize {
        let _ = tail;
        todo!()
    }

    /// Writes into a string at `offset`, with zeros before it where the string is shorter; returns its new length.
    ///
    /// # Panics
    /// When the value is no string.
    pub fn set_range(&mut self, offset: usize, part: &[u8]) -> usize {
        let _ = (offset, part);
        todo!()
    }

    /// The hash, to change; `None` when the value is none.
    pub fn hash_mut(&mut self) -> Option<HashMut<'_>> {
        todo!()
    }

    /// Sets or removes the deadline.
    pub fn set_deadline(&mut self, deadline_ms: Option<u64>) {
        let _ = deadline_ms;
        todo!()
    }

    /// Removes the key. A large value is freed in slices.
    pub fn remove(self) {
        todo!()
    }

    /// Removes the key and gives its value and deadline (RENAME, GETDEL).
    pub fn take(self) -> (Value, Option<u64>) {
        todo!()
    }
}

/// A free place for a key.
#[derive(Debug)]
pub struct VacantEntry<'a> {
    _entry: PhantomData<&'a mut ()>,
}

impl<'a> VacantEntry<'a> {
    /// Puts a string there, as SET does: an integer where the text is one.
    pub fn insert_string(self, value: &[u8], deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        let _ = (value, deadline_ms);
        todo!()
    }

    /// Puts an integer there.
    pub fn insert_integer(self, value: i64, deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        let _ = (value, deadline_ms);
        todo!()
    }

    /// Puts an empty hash there, to be filled through `hash_mut`.
    pub fn insert_hash(self) -> OccupiedEntry<'a> {
        todo!()
    }

    /// Puts an owned value there.
    pub fn insert(self, value: Value, deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        let _ = (value, deadline_ms);
        todo!()
    }
}
