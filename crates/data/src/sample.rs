//! Sample: a few entries at random, for eviction to choose from.
//!
//! The entries of one segment are as random as any: keys lie in the order of their hashes. So a sample is a random
//! segment and what follows a random bucket of it: the words come with a cache line or two, and the entries
//! are asked for all at once before the first is looked at.
//!
//! Keys with a deadline cost no memory of their own: a word says whether its entry has one, and the index of deadlines
//! (`Table::due`) says which segments have any. So the few among many are found by a walk through four bytes per
//! segment, of some 700 keys each.

use crate::database::{Database, GROUP};
use crate::entry::RawEntry;
use crate::keyspace::Keyspace;
use crate::place::EntryRef;
use crate::segment::{BUCKET_WORDS, Segment, Word};
use crate::table::{NEVER, Table};
use base::Random;

/// Entries of one sample at most: the largest `maxmemory-samples`.
pub const SAMPLE_MAX: usize = 64;
/// Segments that a sample among few keys with a deadline looks through before it is content with what it has.
const SEGMENTS_MAX: usize = 8;
/// Random segments that are tried before the first that has an entry is looked for in order.
const TRIES_MAX: usize = 16;

/// Which entries are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Those with a deadline.
    Volatile,
}

/// What a sample has found.
struct Found {
    words: [Word; SAMPLE_MAX],
    count: usize,
    wanted: usize,
}

impl Found {
    fn new(wanted: usize) -> Found {
        Found { words: [Word::EMPTY; SAMPLE_MAX], count: 0, wanted: wanted.clamp(1, SAMPLE_MAX) }
    }

    fn is_full(&self) -> bool {
        self.count == self.wanted
    }

    fn show(&self, visit: &mut impl FnMut(RawEntry)) {
        let words = &self.words[..self.count];
        words.iter().for_each(|word| word.entry().prefetch_key());
        words.iter().for_each(|word| visit(word.entry()));
    }
}

impl Keyspace {
    /// Shows up to `count` entries (of at most [`SAMPLE_MAX`]) of a database, at random; at least one where there is one.
    pub fn sample(
        &mut self,
        db: u32,
        among: Among,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(EntryRef<'_>),
    ) {
        let database = self.database_mut(db);
        if let Some(table) = database.table_to_sample(among, random) {
            let mut found = Found::new(count);
            match among {
                Among::All => database.tables[table].sample_all(random, &mut found),
                Among::Volatile => database.tables[table].sample_volatile(random, &mut found),
            }
            found.show(&mut |entry| visit(EntryRef::new(entry)));
        }
    }
}

impl Database {
    /// The table that a sample is drawn from.
    fn table_to_sample(&self, among: Among, random: &mut Random) -> Option<usize> {
        match among {
            _ if self.tables.len() <= 1 => (!self.tables.is_empty()).then_some(0),
            Among::All => self.random_table(random),
            Among::Volatile if self.expires() == 0 => None,
            Among::Volatile => {
                // The bounds of groups may be too low for a moment; the counts behind them are exact.
                let tables = self.tables.len();
                let start = random.below(tables as u64) as usize;
                let has_group = |table: &usize| self.group_due[table / GROUP] != NEVER;
                let has_any = |table: &usize| self.table_expires(*table) > 0;
                let round = || (start..tables).chain(0..start);
                round().filter(has_group).find(has_any).or_else(|| round().find(has_any))
            }
        }
    }
}

impl Table {
    fn sample_all(&self, random: &mut Random, found: &mut Found) {
        if self.len() == 0 {
            return;
        }
        for _ in 0..TRIES_MAX {
            gather(self.segment(random.word()), random, found, |_| true);
            if found.count > 0 {
                return;
            }
        }
        for (_, segment) in self.segments() {
            gather(segment, random, found, |_| true);
            if found.count > 0 {
                return;
            }
        }
    }

    fn sample_volatile(&mut self, random: &mut Random, found: &mut Found) {
        let places = self.due().len();
        if places == 0 {
            return;
        }
        let start = random.below(places as u64) as usize;
        let mut segments = 0;
        for place in (start..places).chain(0..start) {
            if self.due()[place] == NEVER {
                continue;
            }
            let before = found.count;
            if let Some(segment) = self.segment_at(place) {
                gather(segment, random, found, Word::has_deadline);
            }
            if found.count == before && !found.is_full() {
                // None is left in it: the next sample need not look.
                self.set_due(place, NEVER);
                continue;
            }
            segments += 1;
            if found.is_full() || segments == SEGMENTS_MAX {
                return;
            }
        }
    }
}

/// Adds words of a segment, from a random bucket on.
fn gather(segment: Segment, random: &mut Random, found: &mut Found, is_wanted: impl Fn(Word) -> bool) {
    if segment.is_none() {
        return;
    }
    let buckets = segment.buckets();
    let start = random.below(buckets as u64) as usize;
    // Within a bucket the words are as they came: begin anywhere.
    let turn = random.below(BUCKET_WORDS as u64) as usize;
    for bucket in (start..buckets).chain(0..start) {
        let mut words = segment.words(bucket);
        words.rotate_left(turn);
        for word in words {
            if found.is_full() {
                return;
            }
            if !word.is_empty() && is_wanted(word) {
                found.words[found.count] = word;
                found.count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::vec::Vec;

    const KEYS: usize = if cfg!(miri) { 300 } else { 20_000 };

    fn space(clustered: bool, has_deadline: impl Fn(usize) -> bool) -> Keyspace {
        let mut space = Keyspace::new([1, 2], 2, clustered);
        for index in 0..KEYS {
            let key = format!("key:{index}").into_bytes();
            let hash = space.hash(&key);
            let crate::Entry::Vacant(entry) = space.entry(0, &key, hash) else { panic!("a new key") };
            entry.insert_string(b"x", has_deadline(index).then_some(1 << 42));
        }
        space
    }

    fn drawn(space: &mut Keyspace, among: Among, rounds: usize) -> BTreeSet<Vec<u8>> {
        let mut random = Random::new(3);
        let mut keys = BTreeSet::new();
        for _ in 0..rounds {
            space.sample(0, among, 5, &mut random, |entry| {
                assert!(among == Among::All || entry.deadline_ms().is_some());
                keys.insert(entry.key().to_vec());
            });
        }
        keys
    }

    #[test]
    fn every_key_is_drawn_some_time() {
        let mut space = space(false, |_| false);
        let keys = drawn(&mut space, Among::All, KEYS * 4);
        assert!(keys.len() > KEYS * 9 / 10, "{}", keys.len());
        assert!(drawn(&mut space, Among::Volatile, 10).is_empty());
    }

    #[test]
    fn the_few_with_a_deadline_are_found() {
        for clustered in [false, true] {
            let mut space = space(clustered, |index| index % (KEYS / 10) == 7);
            // In a cluster a table right after another with such keys is drawn rarely.
            assert!(drawn(&mut space, Among::Volatile, 300).len() >= 8, "clustered: {clustered}");
            assert!(!drawn(&mut space, Among::All, 3).is_empty());
        }
    }

    #[test]
    fn an_empty_database_has_none() {
        let mut space = Keyspace::new([1, 2], 1, true);
        assert!(drawn(&mut space, Among::All, 3).is_empty());
        assert!(drawn(&mut space, Among::Volatile, 3).is_empty());
    }

    #[test]
    fn a_deadline_that_went_away_is_not_drawn() {
        let mut space = space(false, |index| index == 5);
        let hash = space.hash(b"key:5");
        let crate::Entry::Occupied(mut entry) = space.entry(0, b"key:5", hash) else { panic!("it is there") };
        entry.set_deadline(None);
        assert!(drawn(&mut space, Among::Volatile, 3).is_empty());
    }
}
