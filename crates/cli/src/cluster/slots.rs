//! Slots: a set of hash slots, and its two ways on paper.

use std::fmt::Write;

/// A cluster has so many slots.
pub const SLOTS: u16 = 16384;

/// A set of slots: one bit each.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet {
    words: Box<[u64; SLOTS as usize / 64]>,
}

impl Default for SlotSet {
    fn default() -> SlotSet {
        SlotSet { words: Box::new([0; SLOTS as usize / 64]) }
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.bracketed())
    }
}

impl SlotSet {
    /// Is `slot` in the set? A number that is no slot is not.
    pub fn contains(&self, slot: u16) -> bool {
        slot < SLOTS && self.words[usize::from(slot / 64)] >> (slot % 64) & 1 == 1
    }

    /// Adds one slot; a number that is no slot is ignored.
    pub fn insert(&mut self, slot: u16) {
        if slot < SLOTS {
            self.words[usize::from(slot / 64)] |= 1 << (slot % 64);
        }
    }

    /// Takes one slot out.
    pub fn remove(&mut self, slot: u16) {
        if slot < SLOTS {
            self.words[usize::from(slot / 64)] &= !(1 << (slot % 64));
        }
    }

    /// Adds all slots of `other`.
    pub fn add_all(&mut self, other: &SlotSet) {
        for (word, more) in self.words.iter_mut().zip(other.words.iter()) {
            *word |= more;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The slots in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..SLOTS).filter(|slot| self.contains(*slot))
    }

    /// The slots that are not in the set, in rising order.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        (0..SLOTS).filter(|slot| !self.contains(*slot))
    }

    /// The set as first and last slot of each run.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }

    /// `[0-5460],[7000]`: as redis-cli writes it.
    pub fn bracketed(&self) -> String {
        self.written("[", "-", "]")
    }

    /// `[0,5460],[7000]`: as it stands in a backup's JSON.
    pub fn json(&self) -> String {
        self.written("[", ",", "]")
    }

    /// `0-5460,7000`: as redis-trib writes it.
    pub fn plain(&self) -> String {
        self.written("", "-", "")
    }

    fn written(&self, open: &str, dash: &str, close: &str) -> String {
        let mut text = String::new();
        for (first, last) in self.ranges() {
            let comma = if text.is_empty() { "" } else { "," };
            let written = if first == last {
                write!(text, "{comma}{open}{first}{close}")
            } else {
                write!(text, "{comma}{open}{first}{dash}{last}{close}")
            };
            written.expect("a String takes everything");
        }
        text
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> SlotSet {
        let mut set = SlotSet::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_written_as_ranges() {
        let set: SlotSet = [0, 1, 2, 7, 9, 10, 16383].into_iter().collect();
        assert_eq!(set.bracketed(), "[0-2],[7],[9-10],[16383]");
        assert_eq!(set.plain(), "0-2,7,9-10,16383");
        assert_eq!(set.json(), "[0,2],[7],[9,10],[16383]");
        assert_eq!((set.count(), set.missing().count()), (7, 16377));
        assert_eq!(SlotSet::default().bracketed(), "");
    }

    #[test]
    fn a_number_that_is_no_slot_changes_nothing() {
        let mut set = SlotSet::default();
        set.insert(16384);
        set.remove(u16::MAX);
        assert!(set.is_empty() && !set.contains(16384));
    }
}
