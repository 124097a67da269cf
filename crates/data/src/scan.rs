//! Scan: a walk through a table in the order of its hashes, in small steps, between which anything may change.
//!
//! A cursor is a position in the space of hashes, not in the table: the prefix that a segment stood for, its depth,
//! and the tag up to which that segment was walked. All entries of that range with smaller tags, and all before it,
//! were visited. Growth inside the segment leaves tags in order; a split is noticed by the depth (the second child is
//! walked from its start: what it repeats is allowed); after a merge only the entries of the old range are visited.
//!
//! ```text
//!   cursor: slot 14 bits | prefix, then a 1, then zeros: 32 bits | tag 16 bits
//! ```
//!
//! The 1 that ends the prefix tells its length, and keeps every cursor but the end's from being 0.

use crate::node::Node;
use crate::segment::{Segment, home_of};
use crate::table::{DEPTH_MAX, HashKey, Table};

/// Buckets that a step may look at for each entry that it was asked for: a nearly empty table must not make it long.
const BUCKETS_PER_ENTRY: usize = 10;

/// Where a scan of one table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The first hash of the range, its top 32 bits.
    prefix: u32,
    /// How many of those bits the range fixes.
    depth: u32,
    /// Entries of the range with smaller tags were visited.
    tag: u16,
}

impl Position {
    /// Before the first entry.
    pub const START: Position = Position { prefix: 0, depth: 0, tag: 0 };

    /// The cursor for this position in the table of `slot`.
    pub fn cursor(self, slot: u16) -> u64 {
        let end = 1u32 << (DEPTH_MAX - self.depth);
        u64::from(slot) << 48 | u64::from(self.prefix | end) << 16 | u64::from(self.tag)
    }

    /// Reads a cursor that a client sent; `None` when none of ours looks like that.
    pub fn of_cursor(cursor: u64) -> Option<(u16, Position)> {
        let slot = u16::try_from(cursor >> 48).ok().filter(|&slot| slot < 1 << 14)?;
        let bits = (cursor >> 16) as u32;
        if bits == 0 {
            return None;
        }
        let end = bits.trailing_zeros();
        let prefix = bits & (bits - 1);
        Some((slot, Position { prefix, depth: DEPTH_MAX - end, tag: cursor as u16 }))
    }

    /// The start of the range after this one, in a table whose segment there has `depth`.
    fn next(self, depth: u32) -> Option<Position> {
        let prefix = self.prefix.checked_add(1 << (31 - depth) << 1).filter(|_| depth > 0)?;
        // The widest range that starts there: a range that was merged meanwhile is taken in as few steps as may be.
        Some(Position { prefix, depth: 32 - prefix.trailing_zeros().min(32), tag: 0 })
    }
}

/// What a step has left to do.
pub(crate) struct Budget {
    entries: usize,
    buckets: usize,
}

impl Budget {
    /// For about `count` entries.
    pub fn new(count: usize) -> Budget {
        let entries = count.max(1);
        Budget { entries, buckets: entries.saturating_mul(BUCKETS_PER_ENTRY) }
    }

    /// True when the step should end.
    pub fn is_used_up(&self) -> bool {
        self.entries == 0 || self.buckets == 0
    }

    /// Counts the look at a table that turned out to be empty.
    pub fn look(&mut self) {
        self.buckets = self.buckets.saturating_sub(1);
    }
}

/// The first tag whose home is `home`.
fn first_tag(home: usize, buckets: usize) -> Option<u16> {
    u16::try_from((home << 16).div_ceil(buckets)).ok()
}

impl<E: Node> Table<E> {
    /// Visits entries from `at` on until the budget is used up; returns where to go on, `None` at the table's end.
    pub fn scan(
        &self,
        at: Position,
        key: HashKey,
        budget: &mut Budget,
        visit: &mut impl FnMut(E),
    ) -> Option<Position> {
        let mut at = at;
        loop {
            let segment = self.segment(u64::from(at.prefix) << 32);
            if segment.is_none() {
                return None;
            }
            if let Some(tag) = scan_segment(segment, at, key, budget, visit) {
                return Some(Position { depth: at.depth.max(segment.depth()), tag, ..at });
            }
            at = at.next(at.depth.max(segment.depth()))?;
            if budget.is_used_up() {
                return Some(at);
            }
        }
    }
}

/// Visits entries of one segment; returns the tag to go on with, `None` at its end.
fn scan_segment<E: Node>(
    segment: Segment,
    at: Position,
    key: HashKey,
    budget: &mut Budget,
    visit: &mut impl FnMut(E),
) -> Option<u16> {
    // The segment is wider than the range of the cursor: it was merged, and only a part of it is still to be visited.
    let is_merged = at.depth > segment.depth();
    let buckets = segment.buckets();
    for home in home_of(at.tag, buckets)..buckets {
        if budget.is_used_up() {
            return first_tag(home, buckets).map(|tag| tag.max(at.tag));
        }
        budget.buckets -= 1;
        segment.visit_home(home, |word| {
            if word.tag() < at.tag {
                return;
            }
            let entry: E = word.node();
            let is_in_range =
                || (key.hash(entry.key()) >> 32) as u32 >> (32 - at.depth) == at.prefix >> (32 - at.depth);
            if !is_merged || is_in_range() {
                visit(entry);
                budget.entries = budget.entries.saturating_sub(1);
            }
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        for (prefix, depth, tag) in
            [(0, 0, 5), (0x8000_0000, 1, 0), (0x4000_0000, 3, 65535), (0xffff_fffe, 31, 7)]
        {
            let position = Position { prefix, depth, tag };
            assert_eq!(Position::of_cursor(position.cursor(77)), Some((77, position)));
        }
        assert_eq!(Position::of_cursor(0), None);
        assert_eq!(Position::of_cursor(u64::MAX), None);
    }

    #[test]
    fn ranges_follow_each_other() {
        let second = Position::START.next(2).unwrap();
        assert_eq!(second, Position { prefix: 1 << 30, depth: 2, tag: 0 });
        assert_eq!(second.next(2).unwrap(), Position { prefix: 2 << 30, depth: 1, tag: 0 });
        assert_eq!(Position::START.next(0), None);
        assert_eq!(Position { prefix: 3 << 30, depth: 2, tag: 0 }.next(2), None);
    }
}
