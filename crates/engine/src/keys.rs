//! Keys: a handler's view of the keyspace: one database, with deadlines in force.
//!
//! Whoever leads removes an expired key when a request meets it, with a DEL in the feed. A replica removes
//! nothing by itself: its readers see an expired key as missing. The primary's stream sees every key.

use crate::access::Access;
use crate::watch::Watch;
use crate::{Feed, InFlight, Shared};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ptr;
use data::{
    Collection, Encoding, Entry, EntryRef, Hash, KeyHash, Mut, OccupiedEntry, StrRef, VacantEntry, Value,
};
use spec::Refusal;

/// Keys that were found expired, and whether each was written anew since.
pub type Expired = Option<BTreeMap<Box<[u8]>, bool>>;

/// What happens to a key whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It is removed, and replicas are told.
    Remove,
    /// Readers see it as missing; nothing is removed (a replica). A writer on a writable replica removes it
    /// without telling.
    Hide,
    /// It is there (the primary's stream, which brings the DEL itself; DEBUG SET-ACTIVE-EXPIRE plays no part).
    Show,
}

/// The view.
pub struct Keys<'a> {
    /// State of the node, the keyspace included.
    pub shared: &'a mut Shared,
    /// Who watches.
    pub watch: &'a mut Watch,
    /// The database.
    pub db: u32,
    /// The wall clock, in milliseconds.
    pub now_ms: u64,
    /// What happens to expired keys.
    pub expiry: Expiry,
    /// Keys that this request found expired and removed; nearly always there is none.
    pub expired: Expired,
    /// Lookups of readers.
    pub hits: u32,
    /// Lookups of readers that found nothing.
    pub misses: u32,
    /// A new key's access clock, and that of a used one where uses are times; none for CLIENT NO-TOUCH.
    pub clock: Option<u32>,
    /// Where the hashed key lies, its length included: an empty argument and the next one may start at one place.
    hashed: *const [u8],
    hash: KeyHash,
}

impl<'a> Keys<'a> {
    /// A view of database `db`.
    #[inline(always)]
    pub fn new(
        shared: &'a mut Shared,
        watch: &'a mut Watch,
        db: u32,
        now_ms: u64,
        expiry: Expiry,
        first: Option<(&[u8], KeyHash)>,
    ) -> Keys<'a> {
        let (hashed, hash) = match first {
            Some((key, hash)) => (ptr::from_ref(key), hash),
            // Never read: no argument starts at the null pointer.
            None => (ptr::slice_from_raw_parts(ptr::null(), 0), KeyHash::NONE),
        };
        let clock = Some(shared.access.first(now_ms));
        Keys { shared, watch, db, now_ms, expiry, expired: None, hits: 0, misses: 0, clock, hashed, hash }
    }

    /// The key's hash: what the prefetch found, for the request's first key; computed for the others.
    #[inline]
    pub fn hash_of(&self, key: &[u8]) -> KeyHash {
        if ptr::eq(key, self.hashed) { self.hash } else { self.shared.keyspace.hash(key) }
    }

    /// The key's entry, for a reader; counts a hit or a miss.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let hash = self.hash_of(key);
        match self.shared.keyspace.find(self.db, key, hash) {
            Some(entry) if self.expiry == Expiry::Show || !is_due(&entry, self.now_ms) => {
                self.hits += 1;
                if let Some(clock) = self.clock {
                    used(&entry, clock, &mut self.shared.access, self.now_ms);
                }
                Some(entry)
            }
            Some(_) => {
                self.misses += 1;
                let in_flight = &self.shared.in_flight;
                expire(
                    &mut self.shared.feed,
                    in_flight,
                    self.watch,
                    &mut self.expired,
                    self.expiry,
                    self.db,
                    key,
                );
                None
            }
            None => {
                self.misses += 1;
                None
            }
        }
    }

    /// As `read`, and the key does not count as used (TTL, OBJECT).
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let clock = self.clock.take();
        let is_there = self.read(key).is_some();
        self.clock = clock;
        if is_there { self.look(key) } else { None }
    }

    /// The key's entry, to look at without counting (a writer's look).
    pub fn look(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let hash = self.hash_of(key);
        match self.shared.keyspace.find(self.db, key, hash) {
            Some(entry) if self.expiry == Expiry::Show || !is_due(&entry, self.now_ms) => Some(entry),
            Some(_) => {
                let in_flight = &self.shared.in_flight;
                expire(
                    &mut self.shared.feed,
                    in_flight,
                    self.watch,
                    &mut self.expired,
                    self.expiry,
                    self.db,
                    key,
                );
                None
            }
            None => None,
        }
    }

    /// The time by which the deadlines of fields count for this request; 0 where none counts (the primary's stream).
    pub fn fields_now(&self) -> u64 {
        if self.expiry == Expiry::Show { 0 } else { self.now_ms }
    }

    /// The key's entry, without any effect on an expired one: for further looks at keys that were read before.
    pub fn find(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let entry = self.shared.keyspace.find(self.db, key, self.hash_of(key))?;
        (self.expiry == Expiry::Show || !is_due(&entry, self.now_ms)).then_some(entry)
    }

    /// The key's place, for a writer: the one lookup.
    #[inline]
    pub fn entry<'k>(&'k mut self, key: &'k [u8]) -> Place<'k> {
        let hash = self.hash_of(key);
        match self.shared.keyspace.entry(self.db, key, hash) {
            Entry::Occupied(entry) => {
                if self.expiry == Expiry::Show || !is_due(&entry.as_ref(), self.now_ms) {
                    if let Some(clock) = self.clock {
                        used(&entry.as_ref(), clock, &mut self.shared.access, self.now_ms);
                    }
                    return Place::Taken(entry);
                }
                let in_flight = &self.shared.in_flight;
                expire(
                    &mut self.shared.feed,
                    in_flight,
                    self.watch,
                    &mut self.expired,
                    self.expiry,
                    self.db,
                    key,
                );
                let place = FreePlace::Stale(Stale { entry, expired: &mut self.expired });
                Place::Free(Free { place, clock: self.clock })
            }
            Entry::Vacant(entry) => Place::Free(Free { place: FreePlace::Vacant(entry), clock: self.clock }),
        }
    }

    /// The key's place if it is taken.
    #[inline]
    pub fn taken<'k>(&'k mut self, key: &'k [u8]) -> Option<OccupiedEntry<'k>> {
        match self.entry(key) {
            Place::Taken(entry) => Some(entry),
            Place::Free(_) => None,
        }
    }

    /// Puts a value at the key, whatever it held. `is_raw`: a string's encoding was raw where it comes from.
    pub fn put(&mut self, key: &[u8], value: Value, deadline_ms: Option<u64>, is_raw: bool) {
        let mut entry = match self.entry(key) {
            Place::Taken(mut entry) => {
                entry.set_value(value);
                entry.set_deadline(deadline_ms);
                entry
            }
            Place::Free(free) => free.insert(value, deadline_ms),
        };
        if is_raw {
            entry.mark_raw();
        }
    }

    /// Puts a string at the key, whatever it held: it becomes no integer, its encoding is raw, there is no deadline.
    pub fn store_raw(&mut self, key: &[u8], text: Vec<u8>) {
        self.put(key, Value::String(text), None, true);
    }

    /// Removes what this request found expired, unless it was written anew meanwhile. Returns the keys.
    #[cold]
    pub fn bury(&mut self) -> impl Iterator<Item = Box<[u8]>> + use<> {
        let expired = self.expired.take().unwrap_or_default();
        for (key, is_anew) in &expired {
            let hash = self.shared.keyspace.hash(key);
            if !is_anew
                && let Entry::Occupied(entry) = self.shared.keyspace.entry(self.db, key, hash)
                && is_due(&entry.as_ref(), self.now_ms)
            {
                entry.remove();
            }
        }
        expired.into_keys()
    }

    /// A key was changed: who watches it is told, and `changes` counts.
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        self.shared.feed.changes += 1;
        self.watch.touch(self.db, key);
        if self.expiry == Expiry::Hide && self.shared.standing.is_replica {
            let entry = self.shared.keyspace.find(self.db, key, self.hash_of(key));
            if entry.is_some_and(|entry| entry.deadline_ms().is_some()) {
                self.shared.own_keys.note(self.db, key);
            }
        }
    }

    /// As `changed`, of a key that has nothing new for those who wait for it.
    pub fn lessened(&mut self, key: &[u8]) {
        self.shared.feed.changes += 1;
        self.watch.touch_lessened(self.db, key);
    }
}

/// Notes that a request met an expired key: replicas hear of its end before anything else that the request does.
#[cold]
fn expire(
    feed: &mut Feed,
    in_flight: &InFlight,
    watch: &mut Watch,
    expired: &mut Expired,
    expiry: Expiry,
    db: u32,
    key: &[u8],
) {
    // What is in flight stays until its move is over: its end might be the other server's to tell.
    if expiry == Expiry::Remove
        && !in_flight.has(key)
        && expired.get_or_insert_default().insert(key.into(), false).is_none()
    {
        feed.effect(db, [feed.ends.expired, key].into_iter());
        watch.touch_due(db, key);
    }
}

/// A key's place, with deadlines in force.
pub enum Place<'k> {
    /// The key is there.
    Taken(OccupiedEntry<'k>),
    /// It is not.
    Free(Free<'k>),
}

/// A free place.
pub struct Free<'k> {
    place: FreePlace<'k>,
    clock: Option<u32>,
}

enum FreePlace<'k> {
    /// Nothing is there.
    Vacant(VacantEntry<'k>),
    /// A key whose deadline has passed is there; to everyone it is gone.
    Stale(Stale<'k>),
}

/// A key whose deadline has passed, about to be written anew.
struct Stale<'k> {
    entry: OccupiedEntry<'k>,
    expired: &'k mut Expired,
}

impl<'k> Stale<'k> {
    /// The entry, for what comes in its place: that stays even if its deadline, too, is past.
    fn anew(self) -> OccupiedEntry<'k> {
        if let Some(is_anew) = self.expired.as_mut().and_then(|expired| expired.get_mut(self.entry.key())) {
            *is_anew = true;
        }
        self.entry
    }
}

impl<'k> Free<'k> {
    /// Puts a string there, as SET does.
    #[inline]
    pub fn insert_string(self, value: &[u8], deadline_ms: Option<u64>) {
        let entry = match self.place {
            FreePlace::Vacant(entry) => entry.insert_string(value, deadline_ms),
            FreePlace::Stale(stale) => {
                let mut entry = stale.anew();
                entry.store(value, deadline_ms);
                entry
            }
        };
        born(&entry, self.clock);
    }

    /// Puts an integer there.
    pub fn insert_integer(self, value: i64) {
        let entry = match self.place {
            FreePlace::Vacant(entry) => entry.insert_integer(value, None),
            FreePlace::Stale(stale) => {
                let mut entry = stale.anew();
                entry.set_integer(value);
                entry.set_deadline(None);
                entry
            }
        };
        born(&entry, self.clock);
    }

    /// Puts an empty hash there, to be filled.
    pub fn insert_hash(self) -> OccupiedEntry<'k> {
        self.insert(Hash::new().into(), None)
    }

    /// Puts a string there as it is: it becomes no integer, and its encoding is raw.
    pub fn insert_raw(self, text: Vec<u8>) {
        let mut entry = match self.place {
            FreePlace::Vacant(entry) => entry.insert(Value::String(text), None),
            FreePlace::Stale(stale) => {
                let mut entry = stale.anew();
                entry.set_value(Value::String(text));
                entry.set_deadline(None);
                entry
            }
        };
        entry.mark_raw();
        born(&entry, self.clock);
    }

    /// Puts an owned value there.
    pub fn insert(self, value: Value, deadline_ms: Option<u64>) -> OccupiedEntry<'k> {
        let entry = match self.place {
            FreePlace::Vacant(entry) => entry.insert(value, deadline_ms),
            FreePlace::Stale(stale) => {
                let mut entry = stale.anew();
                entry.set_value(value);
                entry.set_deadline(deadline_ms);
                entry
            }
        };
        born(&entry, self.clock);
        entry
    }
}

/// Notes that a key was used.
#[inline]
fn used(entry: &EntryRef<'_>, clock: u32, access: &mut Access, now_ms: u64) {
    let clock = if access.counts { access.used(entry.clock(), now_ms) } else { clock };
    entry.touch(clock);
}

/// Sets the clock of a key that came into being.
#[inline]
fn born(entry: &OccupiedEntry<'_>, clock: Option<u32>) {
    if let Some(clock) = clock {
        entry.as_ref().touch(clock);
    }
}

/// True when the entry's deadline has passed.
#[inline]
pub fn is_due(entry: &EntryRef<'_>, now_ms: u64) -> bool {
    entry.deadline_ms().is_some_and(|deadline| deadline < now_ms)
}

/// The string in an entry.
#[inline]
pub fn string<'e>(entry: &EntryRef<'e>) -> Result<StrRef<'e>, Refusal> {
    entry.string().ok_or(Refusal::WrongType)
}

/// The collection in an entry.
#[inline]
pub fn of<'e, T: Collection + 'e>(entry: &EntryRef<'e>) -> Result<&'e T, Refusal> {
    entry.of().ok_or(Refusal::WrongType)
}

/// The collection in an entry, to change.
#[inline]
pub fn change_in<'e, T: Collection>(entry: &'e mut OccupiedEntry<'_>) -> Result<Mut<'e, T>, Refusal> {
    entry.change_in().ok_or(Refusal::WrongType)
}

/// The hash in an entry.
#[inline]
pub fn hash<'e>(entry: &EntryRef<'e>) -> Result<&'e Hash, Refusal> {
    of(entry)
}

/// The hash in an entry, to change.
#[inline]
pub fn hash_mut<'e>(entry: &'e mut OccupiedEntry<'_>) -> Result<Mut<'e, Hash>, Refusal> {
    change_in(entry)
}

/// True for a string whose encoding is raw: it stays so where it is copied or moved.
pub fn is_raw(entry: &EntryRef<'_>) -> bool {
    entry.encoding() == Encoding::Raw
}
