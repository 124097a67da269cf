//! Fields with deadlines of their own.
//!
//! A hash with such a field is a table; the deadline stands in the field's entry, as a key's in its own. The table's array of
//! bounds (`Table::due`) leads to the fields that are due, as it does for keys, and the least of the bounds is the hash's
//! own, by which the database finds the hash. A hash without deadlines pays for none of it.

use super::{Hash, HashLimits, Large, pair_of};
use crate::entry::Payload;
use crate::expire::units;
use crate::limits::Growth;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, NEVER, visit_prefetched};
use crate::value::StrRef;
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::Random;

/// What becomes of a field's deadline when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldDeadline {
    /// There is none any more.
    Clear,
    /// It stays.
    Keep,
    /// It is this, in milliseconds since 1970.
    At(u64),
}

impl Hash {
    /// True when a field has a deadline.
    pub fn has_deadlines(&self) -> bool {
        self.with_deadlines().is_some()
    }

    /// The table where a field has a deadline.
    #[inline]
    fn with_deadlines(&self) -> Option<&Large> {
        self.large().filter(|large| large.volatile > 0)
    }

    /// A lower bound of the deadlines, in units of active expiry; none where there is no deadline.
    #[inline]
    pub(crate) fn bound(&self) -> Option<u32> {
        self.with_deadlines().map(|large| large.due)
    }

    /// The value of a field with its deadline, whether that has passed or not.
    pub fn field_with_deadline(&self, field: &[u8]) -> Option<(StrRef<'_>, Option<u64>)> {
        match self.with_deadlines() {
            Some(large) => {
                let entry = large.table.find(large.key.hash(field), field)?.entry();
                Some((entry.string()?, entry.deadline()))
            }
            None => self.field(field).map(|value| (value, None)),
        }
    }

    /// Sets or removes the deadline of a field; false when there is no such field. With the first one the hash becomes a
    /// table.
    pub fn set_field_deadline(&mut self, field: &[u8], deadline_ms: Option<u64>, key: HashKey) -> bool {
        if deadline_ms.is_some() {
            self.need_large(key);
        }
        let Some(large) = self.body.large_mut() else { return self.field(field).is_some() };
        let hash = large.key.hash(field);
        let Some(place) = large.table.find(hash, field) else { return false };
        let entry = place.entry();
        large.before(hash, entry);
        let (before, had) = (entry.memory(), entry.has_deadline());
        let entry = entry.set_deadline(deadline_ms);
        large.table.replaced(place, entry, before, entry.memory());
        if let Some(deadline) = deadline_ms {
            large.table.note_due(hash, units(deadline));
        }
        large.count_deadline(had, deadline_ms);
        true
    }

    /// Sets the value of a field of a table with its deadline; true when the field is new.
    pub(super) fn set_in_table(&mut self, field: &[u8], value: &[u8], deadline: FieldDeadline) -> bool {
        let large = self.body.large_mut().expect("the caller has made it a table");
        let hash = large.key.hash(field);
        let given = match deadline {
            FieldDeadline::At(deadline) => Some(deadline),
            FieldDeadline::Clear | FieldDeadline::Keep => None,
        };
        if let Some(deadline) = given {
            // The array of bounds comes with the first segment.
            large.table.note_due(hash, units(deadline));
        }
        let Some(place) = large.table.find(hash, field) else {
            let entry = crate::entry::RawEntry::new(field, given, Payload::Text(value));
            large.comes(entry);
            large.table.insert(hash, entry, large.key, false);
            large.count_deadline(false, given);
            return true;
        };
        let entry = place.entry();
        large.before(hash, entry);
        let (before, old) = (entry.memory(), entry.deadline());
        let new = if deadline == FieldDeadline::Keep { old } else { given };
        let (entry, _) = entry.replace(new, Payload::Text(value));
        large.table.replaced(place, entry, before, entry.memory());
        large.count_deadline(old.is_some(), new);
        false
    }

    /// As `set`, and says what becomes of the deadline.
    pub fn set_with_deadline(
        &mut self,
        field: &[u8],
        value: &[u8],
        deadline: FieldDeadline,
        growth: Growth<HashLimits>,
    ) -> bool {
        if matches!(deadline, FieldDeadline::At(_)) {
            self.need_large(growth.key);
        }
        if self.large().is_some() {
            self.set_in_table(field, value, deadline)
        } else {
            self.set(field, value, growth)
        }
    }

    fn need_large(&mut self, key: HashKey) {
        if self.large().is_none() {
            self.make_large(key);
        }
    }

    /// Removes fields whose deadline has passed, about `fields_max` at most, and returns them. It finds those whose unit of
    /// half a second is over; while there are more, the hash stays due.
    pub fn expire(&mut self, now_ms: u64, fields_max: usize) -> Vec<Box<[u8]>> {
        let (mut gone, now) = (Vec::new(), units(now_ms));
        let Some(large) = self.body.large_mut() else { return gone };
        if large.volatile == 0 || large.due >= now {
            return gone;
        }
        let table = &mut large.table;
        let mut least = NEVER;
        for place in 0..table.due().len() {
            let bound = table.due()[place];
            if bound >= now || gone.len() >= fields_max {
                least = least.min(bound);
                continue;
            }
            let mut bound = NEVER;
            if let Some(segment) = table.segment_at(place) {
                visit_prefetched(segment, |word| {
                    let entry = word.entry();
                    match entry.deadline() {
                        Some(deadline) if deadline < now_ms => gone.push(entry.key().into()),
                        Some(deadline) => bound = bound.min(units(deadline)),
                        None => {}
                    }
                });
            }
            table.set_due(place, bound);
            least = least.min(bound);
        }
        large.due = least;
        for field in &gone {
            self.remove(field);
        }
        gone
    }

    /// The fields as they are to a reader at `now_ms`; at 0 all of them, also those whose deadline has passed.
    pub fn at(&self, now_ms: u64) -> FieldsAt<'_> {
        FieldsAt { hash: self, now_ms: if self.has_deadlines() { now_ms } else { 0 } }
    }

    /// The fields with their values and deadlines, for dumps.
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (StrRef<'_>, StrRef<'_>, Option<u64>)> {
        self.fields(0)
    }
}

impl Large {
    /// A field's deadline came, changed or went.
    pub(super) fn count_deadline(&mut self, had: bool, new: Option<u64>) {
        self.volatile = self.volatile - u32::from(had) + u32::from(new.is_some());
        if let Some(deadline) = new {
            self.due = self.due.min(units(deadline));
        }
        if self.volatile == 0 {
            self.due = NEVER;
        }
    }
}

/// A hash as it is at a time.
#[derive(Clone, Copy, Debug)]
pub struct FieldsAt<'a> {
    hash: &'a Hash,
    /// 0: no deadline counts.
    now_ms: u64,
}

/// 64: random fields that may be expired before all are looked at instead.
const RANDOM_TRIES: usize = 64;

impl<'a> FieldsAt<'a> {
    fn is_there(&self, deadline: Option<u64>) -> bool {
        self.now_ms == 0 || deadline.is_none_or(|deadline| deadline >= self.now_ms)
    }

    /// The value of a field.
    pub fn field(&self, field: &[u8]) -> Option<StrRef<'a>> {
        if self.now_ms == 0 {
            return self.hash.field(field);
        }
        self.field_with_deadline(field).map(|(value, _)| value)
    }

    /// The value of a field with its deadline.
    pub fn field_with_deadline(&self, field: &[u8]) -> Option<(StrRef<'a>, Option<u64>)> {
        self.hash.field_with_deadline(field).filter(|(_, deadline)| self.is_there(*deadline))
    }

    /// How many fields; where some have deadlines all are looked at.
    pub fn len(&self) -> usize {
        if self.now_ms == 0 { self.hash.len() } else { self.iter().count() }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The fields with their values.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (StrRef<'a>, StrRef<'a>)> + use<'a> {
        self.hash.fields(self.now_ms).map(|(field, value, _)| (field, value))
    }

    /// As [`Hash::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, StrRef<'_>)) -> u64 {
        let Some(large) = self.hash.large() else { return self.hash.scan(cursor, count, visit) };
        let at = match Position::of_cursor(cursor) {
            Some((_, at)) => at,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let mut visit = |entry: crate::entry::RawEntry| {
            if let Some((field, value)) = pair_of(entry).filter(|_| self.is_there(entry.deadline())) {
                visit(field, value);
            }
        };
        let next = large.table.scan(at, large.key, &mut Budget::new(count), &mut visit);
        next.map_or(0, |next| next.cursor(0))
    }

    /// As [`Hash::random`].
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'a>, StrRef<'a>)> {
        if self.now_ms == 0 {
            return self.hash.random(random);
        }
        let Some(Large { table, .. }) = self.hash.large() else { return self.hash.random(random) };
        for _ in 0..RANDOM_TRIES {
            let entry = table.random(random)?;
            if self.is_there(entry.deadline()) {
                return pair_of(entry);
            }
        }
        let left = self.len();
        if left == 0 { None } else { self.iter().nth(random.below(left as u64) as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collection, Encoding};
    use alloc::format;

    const KEY: HashKey = HashKey([1, 2]);
    const NOW: u64 = 1_700_000_000_000;

    #[test]
    fn fields_go_at_their_time() {
        let limits = Growth { key: KEY, limits: HashLimits::default() };
        let mut hash = Hash::new();
        for index in 0..5_000u64 {
            hash.set(format!("{index}").as_bytes(), b"v", limits);
        }
        for index in 0..2_000u64 {
            assert!(hash.set_field_deadline(format!("{index}").as_bytes(), Some(NOW + index), KEY));
        }
        assert_eq!((hash.len(), hash.at(NOW + 500).len(), hash.at(0).len()), (5_000, 4_500, 5_000));
        assert!(hash.expire(NOW, 100).is_empty());
        let (mut gone, later) = (0, NOW + 10_000);
        while hash.has_deadlines() {
            let fields = hash.expire(later, 100);
            assert!(!fields.is_empty() && fields.len() < 1_000, "slices are bounded");
            gone += fields.len();
        }
        assert_eq!((gone, hash.len(), hash.bound()), (2_000, 3_000, None));
    }

    #[test]
    fn a_new_value_has_no_deadline_unless_it_is_kept() {
        let limits = Growth { key: KEY, limits: HashLimits::default() };
        let mut hash = Hash::new();
        hash.set(b"a", b"1", limits);
        assert!(!hash.set_field_deadline(b"b", Some(NOW), KEY));
        assert!(hash.set_field_deadline(b"a", Some(NOW), KEY));
        assert_eq!(hash.encoding(), Encoding::Hashtable);
        assert!(!hash.set_with_deadline(b"a", b"2", FieldDeadline::Keep, limits));
        assert_eq!(hash.field_with_deadline(b"a"), Some((StrRef::Bytes(b"2"), Some(NOW))));
        assert!(hash.at(NOW + 1).field(b"a").is_none() && hash.at(NOW).field(b"a").is_some());
        assert!(!hash.set(b"a", b"3", limits));
        assert!(!hash.has_deadlines());
        assert!(hash.set_with_deadline(b"c", b"3", FieldDeadline::At(NOW), limits));
        assert!(hash.remove(b"c") && !hash.has_deadlines());
    }
}
