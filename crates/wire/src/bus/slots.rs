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
        (0..SlotSet::SLOTS).filter(|&slot| self.0[usize::from(slot / 8)] & (1 << (slot % 8)) != 0)
    }

    /// The slots as ranges, first and last, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = (at..SlotSet::SLOTS).find(|&slot| self.has(slot))?;
            let end = (start..SlotSet::SLOTS).find(|&slot| !self.has(slot)).unwrap_or(SlotSet::SLOTS);
            at = end;
            Some((start, end - 1))
        })
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
