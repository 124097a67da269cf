//! A set of slots as the bus carries it: one bit for each of the 16384.

use alloc::boxed::Box;
use core::fmt;

/// A set of slots. Slot `s` is bit `s % 8` of byte `s / 8`.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u8; SlotSet::BYTES]>);

impl SlotSet {
    /// Slots there are.
    pub const SLOTS: u16 = 16_384;
    /// Bytes of the set.
    pub const BYTES: usize = 2_048;

    /// The set of these bytes.
    pub fn from_bytes(bytes: &[u8; SlotSet::BYTES]) -> SlotSet {
        SlotSet(Box::new(*bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; SlotSet::BYTES] {
        &self.0
    }

    /// True when `slot` is in the set.
    pub fn has(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 8)).is_some_and(|byte| byte & (1 << (slot % 8)) != 0)
    }

    /// Puts `slot` in.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot / 8)] |= 1 << (slot % 8);
    }

    /// Takes `slot` out.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn remove(&mut self, slot: u16) {
        self.0[usize::from(slot / 8)] &= !(1 << (slot % 8));
    }

    /// How many slots are in it.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    /// The slots in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let slot = self.next(at, 0);
            at = (slot + 1).min(SlotSet::SLOTS);
            (slot < SlotSet::SLOTS).then_some(slot)
        })
    }

    /// The slots as ranges, first and last, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = self.next(at, 0);
            let end = self.next(start, u64::MAX);
            at = end;
            (start < SlotSet::SLOTS).then(|| (start, end - 1))
        })
    }

    /// The first slot from `at` on that is in the set (`flip` 0) or is not (all ones); `SLOTS` if there is none.
    fn next(&self, at: u16, flip: u64) -> u16 {
        let mut skip = at % 64;
        let (words, _) = self.0.as_chunks::<8>();
        for (index, word) in (at / 64..).zip(&words[usize::from(at / 64).min(words.len())..]) {
            let found = ((u64::from_le_bytes(*word) ^ flip) >> skip) << skip;
            if found != 0 {
                return index * 64 + found.trailing_zeros() as u16;
            }
            skip = 0;
        }
        SlotSet::SLOTS
    }
}

impl Default for SlotSet {
    fn default() -> SlotSet {
        SlotSet(Box::new([0; SlotSet::BYTES]))
    }
}

impl FromIterator<u16> for SlotSet {
    /// # Panics
    /// When a slot does not exist.
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> SlotSet {
        let mut set = SlotSet::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn check(slots: &[u16], ranges: &[(u16, u16)]) {
        let set: SlotSet = slots.iter().copied().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), slots);
        assert_eq!(set.ranges().collect::<Vec<_>>(), ranges);
    }

    #[test]
    fn slots_and_ranges_are_found_at_the_edges_of_words() {
        check(&[], &[]);
        check(&[0], &[(0, 0)]);
        check(&[16_383], &[(16_383, 16_383)]);
        check(
            &[62, 63, 64, 65, 127, 129, 16_382, 16_383],
            &[(62, 65), (127, 127), (129, 129), (16_382, 16_383)],
        );
        let all: Vec<u16> = (0..SlotSet::SLOTS).collect();
        check(&all, &[(0, 16_383)]);
        check(&all[1..], &[(1, 16_383)]);
    }
}
