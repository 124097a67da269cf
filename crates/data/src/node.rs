//! Node: what the words of a table point to. Entries of the keyspace and fields of hashes are one kind, the members
//! of a set, which need no header, another.

use crate::entry::RawEntry;
use crate::garbage::is_large_among_many;
use crate::value::Value;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ptr::NonNull;

/// The address of something with a key that a table owns.
///
/// Invariant: a node is only used while it lives; see `entry`.
pub(crate) trait Node: Copy + Debug {
    /// What `address` was given away for.
    fn from_address(address: NonNull<u8>) -> Self;

    /// Where it lies: aligned to 8.
    fn address(self) -> NonNull<u8>;

    /// Its key.
    fn key<'a>(self) -> &'a [u8];

    /// All its memory, in size classes.
    fn memory(self) -> usize;

    /// True when it has a deadline.
    fn has_deadline(self) -> bool;

    /// Asks for its lines.
    fn prefetch(self);

    /// Frees it.
    fn free(self);

    /// As `free`, but what would take long goes to `large` instead. Returns how many allocations were freed, about.
    fn free_small(self, large: &mut Vec<Value>) -> usize {
        let _ = large;
        self.free();
        1
    }
}

impl Node for RawEntry {
    #[inline(always)]
    fn from_address(address: NonNull<u8>) -> RawEntry {
        RawEntry::from_address(address)
    }

    #[inline(always)]
    fn address(self) -> NonNull<u8> {
        RawEntry::address(self)
    }

    #[inline(always)]
    fn key<'a>(self) -> &'a [u8] {
        RawEntry::key(self)
    }

    #[inline(always)]
    fn memory(self) -> usize {
        RawEntry::memory(self)
    }

    #[inline(always)]
    fn has_deadline(self) -> bool {
        RawEntry::has_deadline(self)
    }

    #[inline(always)]
    fn prefetch(self) {
        RawEntry::prefetch(self);
    }

    #[inline]
    fn free(self) {
        RawEntry::free(self);
    }

    #[inline]
    fn free_small(self, large: &mut Vec<Value>) -> usize {
        match self.free_keeping_large() {
            None => 1,
            Some(value) if is_large_among_many(&value) => {
                large.push(value);
                1
            }
            Some(value) => 1 + value.free_effort(),
        }
    }
}
