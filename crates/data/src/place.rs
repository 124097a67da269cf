//! A key's place in the keyspace: taken or free. All changes of entries go through here.
//!
//! Invariant: every change first lets a snapshot save the entry (`before_write`), and leaves the counts of
//! memory, keys and deadlines exact.

use crate::collection::{Collection, Mut};
use crate::entry::{Payload, RawEntry};
use crate::garbage::FREE_AT_ONCE_MAX;
use crate::hash::Hash;
use crate::keyspace::{KeyHash, Keyspace, Parts};
use crate::segment::Place;
use crate::value::{Encoding, Kind, StrRef, Value, ValueRef};
use alloc::boxed::Box;
use core::iter;
use core::marker::PhantomData;
use core::ops::Range;

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
    raw: RawEntry,
    borrow: PhantomData<&'a ()>,
}

impl<'a> EntryRef<'a> {
    #[inline]
    pub(crate) fn new(raw: RawEntry) -> EntryRef<'a> {
        EntryRef { raw, borrow: PhantomData }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.raw.key()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        self.raw.value()
    }

    /// The string; `None` when the value is of another type.
    #[inline]
    pub fn string(&self) -> Option<StrRef<'a>> {
        self.raw.string()
    }

    /// The hash; `None` when the value is of another type.
    pub fn hash(&self) -> Option<&'a Hash> {
        self.of()
    }

    /// The collection; `None` when the value is of another type.
    #[inline]
    pub fn of<T: Collection + 'a>(&self) -> Option<&'a T> {
        T::of(self.raw.value())
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        self.raw.kind()
    }

    /// When the key is due, in milliseconds since 1970.
    #[inline]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.raw.deadline()
    }

    /// The layout of the value.
    pub fn encoding(&self) -> Encoding {
        self.raw.encoding()
    }

    /// The access clock (24 bits) that was last set: a time (LRU) or a counter (LFU), as the engine has it.
    #[inline]
    pub fn clock(&self) -> u32 {
        self.raw.clock()
    }

    /// Sets the access clock (24 bits). It is no part of the data: a snapshot does not notice.
    #[inline]
    pub fn touch(&self, clock: u32) {
        self.raw.set_clock(clock);
    }

    /// All memory of the key and its value, in size classes, with its word in the table.
    pub fn memory_bytes(&self) -> usize {
        self.raw.memory() + size_of::<u64>()
    }
}

/// An entry, to change. Every change first saves the old state for a snapshot under way.
#[derive(Debug)]
pub struct OccupiedEntry<'a> {
    space: &'a mut Keyspace,
    db: u32,
    hash: KeyHash,
    place: Place,
}

impl<'a> OccupiedEntry<'a> {
    #[inline]
    pub(crate) fn new(space: &'a mut Keyspace, db: u32, hash: KeyHash, place: Place) -> OccupiedEntry<'a> {
        OccupiedEntry { space, db, hash, place }
    }

    #[inline]
    fn raw(&self) -> RawEntry {
        self.place.entry()
    }

    /// The entry, to look at.
    #[inline]
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef::new(self.raw())
    }

    /// The entry, to look at for as long as the keyspace was borrowed.
    #[inline]
    pub fn into_ref(self) -> EntryRef<'a> {
        EntryRef::new(self.raw())
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.raw().key()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        self.raw().value()
    }

    /// When the key is due, in milliseconds since 1970.
    #[inline]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.raw().deadline()
    }

    /// Saves the entry for a snapshot, lets `change` give its new place, and counts what that changed.
    #[inline]
    fn change(&mut self, change: impl FnOnce(RawEntry) -> (RawEntry, Option<Value>)) {
        let old = self.raw();
        self.space.before_write(self.db, self.hash, old);
        let (before, old_deadline, old_bound) = (old.memory(), old.deadline(), old.bound());
        let (new, old_value) = change(old);
        let (after, new_deadline) = (new.memory(), new.deadline());
        let slot = usize::from(self.hash.slot());
        let Parts { database, used, .. } = self.space.parts(self.db);
        let table_before = database.tables[slot].memory();
        database.tables[slot].replaced(self.place, new, before, after);
        database.count_deadline(slot, self.hash.bits(), old_deadline, new_deadline);
        database.note_bound(new.key(), old_bound, new.bound(), used);
        let table_after = database.tables[slot].memory();
        if table_before != table_after {
            *used = *used - table_before as u64 + table_after as u64;
        }
        if let Some(value) = old_value {
            self.space.part_with(self.db, self.hash.slot(), new.key(), value);
        }
    }

    /// Sets value and deadline at once, as SET does: an integer where the text is one. In place where the size class allows.
    /// A large old value is freed in slices.
    #[inline]
    pub fn store(&mut self, value: &[u8], deadline_ms: Option<u64>) {
        let payload = self.payload(value);
        self.change(|entry| entry.replace(deadline_ms, payload));
    }

    /// A string on its way in. A long one that a snapshot may walk through is left to it.
    #[inline]
    fn payload<'b>(&self, value: &'b [u8]) -> Payload<'b> {
        if self.space.has_snapshot() && self.raw().long_text().is_some() {
            return Payload::string_apart(value);
        }
        Payload::string(value)
    }

    /// As `store`; the deadline stays.
    pub fn set_string(&mut self, value: &[u8]) {
        let payload = self.payload(value);
        self.change(|entry| entry.replace(entry.deadline(), payload));
    }

    /// Sets an integer; the deadline stays.
    pub fn set_integer(&mut self, value: i64) {
        self.change(|entry| entry.replace(entry.deadline(), Payload::Integer(value)));
    }

    /// Puts an owned value in place of the old one, which is disposed of; the deadline stays.
    pub fn set_value(&mut self, value: Value) {
        let mut value = value;
        self.change(|entry| entry.replace(entry.deadline(), Payload::value(&mut value)));
        if self.space.has_snapshot() {
            self.space.has_come(self.db, self.hash.slot(), self.place.entry());
        }
    }

    /// Appends to a string; returns its new length. The encoding becomes raw.
    ///
    /// # Panics
    /// When the value is no string.
    pub fn append(&mut self, tail: &[u8]) -> usize {
        let len = self.raw().string().expect("the caller appends to strings alone").len();
        self.set_range(len, tail)
    }

    /// Writes into a string at `offset`, with zeros before it where the string is shorter; returns its new length.
    ///
    /// # Panics
    /// When the value is no string.
    pub fn set_range(&mut self, offset: usize, part: &[u8]) -> usize {
        let len = self.raw().string().expect("the caller changes strings alone").len();
        let end = offset + part.len();
        let new_len = len.max(end);
        self.edit(new_len, iter::once(offset..end), |text| text[offset..end].copy_from_slice(part));
        new_len
    }

    /// Lets `change` write into a string, which is made at least `len` bytes long before, filled up with zeros. The
    /// encoding becomes raw. `touched`: `change` writes there alone.
    ///
    /// # Panics
    /// When the value is no string.
    pub fn edit(
        &mut self,
        len: usize,
        touched: impl Iterator<Item = Range<usize>>,
        change: impl FnOnce(&mut [u8]),
    ) {
        let len = len.max(self.raw().string().expect("the caller changes strings alone").len());
        let moves = self.space.before_edit(self.db, self.hash, self.raw(), touched);
        self.change(|entry| (entry.edit(len, change), None));
        if let Some(moves) = moves {
            self.space.after_edit(self.raw(), moves);
        }
    }

    /// A string's encoding is raw from now on, however short it is.
    pub fn mark_raw(&mut self) {
        self.raw().mark_changed();
    }

    /// The collection, to change; `None` when the value is of another type.
    pub fn change_in<T: Collection>(&mut self) -> Option<Mut<'_, T>> {
        if self.raw().kind() != T::KIND {
            return None;
        }
        self.space.before_write(self.db, self.hash, self.raw());
        let collection = self.raw().collection_mut::<T>()?;
        let slot = usize::from(self.hash.slot());
        let Parts { database, used, .. } = self.space.parts(self.db);
        Some(Mut::new(collection, self.place.entry().key(), database, slot, used))
    }

    /// As `change_in`, for a hash.
    pub fn hash_mut(&mut self) -> Option<Mut<'_, Hash>> {
        self.change_in()
    }

    /// Sets or removes the deadline.
    pub fn set_deadline(&mut self, deadline_ms: Option<u64>) {
        if self.raw().deadline() != deadline_ms {
            self.change(|entry| (entry.set_deadline(deadline_ms), None));
        }
    }

    /// Takes the entry out of its table.
    fn unlink(&mut self) -> RawEntry {
        self.space.before_write(self.db, self.hash, self.raw());
        let slot = usize::from(self.hash.slot());
        let parts = self.space.parts(self.db);
        let table = &mut parts.database.tables[slot];
        let before = table.memory();
        let entry = table.remove(self.hash.bits(), self.place);
        *parts.used = *parts.used - before as u64 + table.memory() as u64;
        parts.database.count_out(slot, 1);
        parts.database.count_deadline(slot, self.hash.bits(), entry.deadline(), None);
        parts.database.note_bound(entry.key(), entry.bound(), None, parts.used);
        entry
    }

    /// Removes the key. A large value is freed in slices.
    pub fn remove(mut self) {
        let entry = self.unlink();
        // Most are strings: their keys go with them.
        if !self.space.has_snapshot() {
            if let Some(value) = entry.free_keeping_large() {
                self.space.dispose_value(value);
            }
            return;
        }
        let key: Box<[u8]> = entry.key().into();
        if let Some(value) = entry.free_keeping_large() {
            self.space.part_with(self.db, self.hash.slot(), &key, value);
        }
    }

    /// Removes the key and gives its value and deadline (RENAME, MOVE). A value that may be large comes back under another name
    /// before anything else happens.
    pub fn take(mut self) -> (Value, Option<u64>) {
        let entry = self.unlink();
        let (deadline, has_snapshot) = (entry.deadline(), self.space.has_snapshot());
        let key: Box<[u8]> = if has_snapshot { entry.key().into() } else { Box::default() };
        let mut value = entry.into_value();
        if has_snapshot {
            self.space.sets_out(self.db, self.hash.slot(), &key, &mut value);
        }
        (value, deadline)
    }

    /// True when freeing the value would take long (then it is freed in slices).
    pub fn is_large(&self) -> bool {
        self.value().free_effort() > FREE_AT_ONCE_MAX
    }
}

/// A free place for a key.
#[derive(Debug)]
pub struct VacantEntry<'a> {
    space: &'a mut Keyspace,
    db: u32,
    hash: KeyHash,
    key: &'a [u8],
}

impl<'a> VacantEntry<'a> {
    #[inline]
    pub(crate) fn new(space: &'a mut Keyspace, db: u32, hash: KeyHash, key: &'a [u8]) -> VacantEntry<'a> {
        VacantEntry { space, db, hash, key }
    }

    /// The key that may be put here.
    pub fn key(&self) -> &[u8] {
        self.key
    }

    #[inline]
    fn put(self, payload: Payload<'_>, deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        let VacantEntry { space, db, hash, key } = self;
        let entry = RawEntry::new(key, deadline_ms, payload);
        let stamp = space.stamp_for(db, hash);
        if stamp != 0 {
            entry.set_stamp(stamp);
        }
        let slot = usize::from(hash.slot());
        let parts = space.parts(db);
        let table = &mut parts.database.tables[slot];
        let before = table.memory();
        let place = table.insert(hash.bits(), entry, parts.key, parts.mark);
        parts.database.count_in(slot);
        parts.database.count_deadline(slot, hash.bits(), None, deadline_ms);
        parts.database.note_bound(key, None, entry.bound(), parts.used);
        *parts.used = *parts.used - before as u64 + parts.database.tables[slot].memory() as u64;
        OccupiedEntry { space, db, hash, place }
    }

    /// Puts a string there, as SET does: an integer where the text is one.
    #[inline]
    pub fn insert_string(self, value: &[u8], deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        self.put(Payload::string(value), deadline_ms)
    }

    /// Puts an integer there.
    pub fn insert_integer(self, value: i64, deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        self.put(Payload::Integer(value), deadline_ms)
    }

    /// Puts an empty hash there, to be filled through `hash_mut`.
    pub fn insert_hash(self) -> OccupiedEntry<'a> {
        self.insert(Hash::new().into(), None)
    }

    /// Puts an owned value there.
    pub fn insert(self, value: Value, deadline_ms: Option<u64>) -> OccupiedEntry<'a> {
        let mut value = value;
        let entry = self.put(Payload::value(&mut value), deadline_ms);
        if entry.space.has_snapshot() {
            entry.space.has_come(entry.db, entry.hash.slot(), entry.place.entry());
        }
        entry
    }
}
