//! Expire: finds the keys whose time has come, without a pointer per key.
//!
//! Each segment has a lower bound of its deadlines in a flat array beside the directory (`Table::due`), each group of
//! tables a lower bound of those. A round walks the array, and looks into a segment only when its bound has
//! passed; the bound is then exact again. A bound is a count of units of about half a second; a segment is
//! looked into once its unit is wholly over, so what it names is due for certain.

use crate::database::{Database, GROUP};
use crate::keyspace::KeyHash;
use crate::table::{HashKey, NEVER, visit_prefetched};

/// 2020-01-01, in milliseconds since 1970. Simulated clocks may show an earlier time.
const EPOCH_MS: u64 = 1_577_836_800_000;
/// Before it, a unit is 1,024 ms; from it on 512 ms, which lasts until the year 2064. Later deadlines are not indexed.
const EARLY_SHIFT: u32 = 10;
const SHIFT: u32 = 9;
/// Entries looked at for each key of the budget.
const LOOKS_PER_KEY: usize = 16;
/// Places of the directory whose bounds are compared as one.
const STRIDE: usize = 64;

/// The unit that a time lies in; monotonic.
pub(crate) fn units(ms: u64) -> u32 {
    let units = match ms.checked_sub(EPOCH_MS) {
        None => ms >> EARLY_SHIFT,
        Some(ms) => (EPOCH_MS >> EARLY_SHIFT) + 1 + (ms >> SHIFT),
    };
    u32::try_from(units).map_or(NEVER - 1, |units| units.min(NEVER - 1))
}

/// What one slice of active expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Keys that were found due.
    pub found: usize,
    /// The budget ran out before the round through the database ended: there may be more due keys.
    pub more: bool,
}

/// Where a round through a database stands.
#[derive(Debug, Default)]
pub(crate) struct ExpireRound {
    table: usize,
    place: usize,
    /// The least bound that was passed in the group under way; none between groups.
    group_least: Option<u32>,
}

/// What a slice may still do.
struct Slice {
    now_ms: u64,
    now: u32,
    keys: usize,
    looks: usize,
    found: usize,
}

impl Database {
    /// Goes on with the round; see `Keyspace::expire_slice`.
    pub fn expire_slice(
        &mut self,
        key: HashKey,
        now_ms: u64,
        budget: usize,
        due: &mut impl FnMut(&[u8], KeyHash),
    ) -> Expired {
        let looks = budget.saturating_mul(LOOKS_PER_KEY);
        let mut slice = Slice { now_ms, now: units(now_ms), keys: budget, looks, found: 0 };
        let is_clustered = self.tables.len() > 1;
        while self.round.table < self.tables.len() {
            if slice.keys == 0 || slice.looks == 0 {
                return Expired { found: slice.found, more: true };
            }
            let group = self.round.table / GROUP;
            let mut least = match self.round.group_least {
                Some(least) => least,
                None if self.group_due[group] >= slice.now => {
                    self.round.table = (group + 1) * GROUP;
                    continue;
                }
                // Deadlines that are set while the round is in this group are noted anew.
                None => {
                    self.group_due[group] = NEVER;
                    NEVER
                }
            };
            let table = self.round.table;
            let slot = if is_clustered { table as u16 } else { 0 };
            let mut due = |bytes: &[u8]| due(bytes, KeyHash::new(key.hash(bytes), slot));
            let is_over = self.expire_table(table, &mut slice, &mut least, &mut due);
            self.round.group_least = Some(least);
            if is_over {
                self.round.table += 1;
                self.round.place = 0;
                if self.round.table.is_multiple_of(GROUP) || self.round.table == self.tables.len() {
                    self.group_due[group] = self.group_due[group].min(least);
                    self.round.group_least = None;
                }
            }
        }
        self.round = ExpireRound::default();
        Expired { found: slice.found, more: false }
    }

    /// Goes through one table from the round's place on; true at its end.
    fn expire_table(
        &mut self,
        table: usize,
        slice: &mut Slice,
        least: &mut u32,
        due: &mut impl FnMut(&[u8]),
    ) -> bool {
        let table = &mut self.tables[table];
        slice.looks = slice.looks.saturating_sub(1);
        while self.round.place < table.due().len() {
            if slice.keys == 0 || slice.looks == 0 {
                return false;
            }
            let end = (self.round.place + STRIDE).min(table.due().len());
            let bounds = &table.due()[self.round.place..end];
            let bound = bounds.iter().fold(NEVER, |least, &bound| least.min(bound));
            if bound >= slice.now {
                *least = (*least).min(bound);
                slice.looks = slice.looks.saturating_sub(1);
                self.round.place = end;
                continue;
            }
            let place = self.round.place;
            let mut bound = table.due()[place];
            if bound < slice.now {
                bound = NEVER;
                if let Some(segment) = table.segment_at(place) {
                    bound = expire_segment(segment, slice, due);
                }
                table.set_due(place, bound);
            }
            *least = (*least).min(bound);
            self.round.place += 1;
        }
        true
    }
}

/// Shows the due keys of a segment; returns the bound of the others.
fn expire_segment(segment: crate::segment::Segment, slice: &mut Slice, due: &mut impl FnMut(&[u8])) -> u32 {
    let mut bound = NEVER;
    visit_prefetched(segment, |word| {
        if !word.has_deadline() {
            return;
        }
        slice.looks = slice.looks.saturating_sub(1);
        let entry = word.entry();
        let deadline = entry.deadline().unwrap_or(u64::MAX);
        if deadline <= slice.now_ms {
            slice.found += 1;
            slice.keys = slice.keys.saturating_sub(1);
            due(entry.key());
        } else {
            bound = bound.min(units(deadline));
        }
    });
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_never_go_back() {
        let times =
            [0, 1, 1 << 10, 1 << 40, EPOCH_MS - 1, EPOCH_MS, EPOCH_MS + 512, 1 << 41, 1 << 50, u64::MAX];
        assert!(times.windows(2).all(|pair| units(pair[0]) <= units(pair[1])));
        assert!(units(EPOCH_MS - 1) < units(EPOCH_MS));
        assert!(units(u64::MAX) < NEVER);
    }
}
