//! Sorted set: members with scores, in the order of the scores.
//!
//! ```text
//!   small: a listpack of members and scores in order
//!   large: a table member -> score, and a B+tree with counts over the same entries
//! ```
//!
//! Everything that selects members does it by ranks: a range of scores or of members is turned into ranks first, in
//! O(log n), and read, counted or removed as such.

mod large;
mod member;
mod small;
mod tree;

use crate::collection::Collection;
use crate::listpack::{Listpack, Malformed};
use crate::memory::size_class;
use crate::table::{HashKey, Table};
use crate::value::{Encoding, IntText, Kind, StrRef, Value, ValueRef};
use alloc::boxed::Box;
use alloc::vec::{self, Vec};
use base::Random;
use core::iter::Rev;
use core::ops::Range;
use large::{Heap, Large, Walk};
use small::Pairs;

/// Up to which size a sorted set stays a listpack (`zset-max-listpack-entries`, `zset-max-listpack-value`).
#[derive(Clone, Copy, Debug)]
pub struct SortedSetLimits {
    /// Members at most.
    pub entries: usize,
    /// Bytes of a member at most.
    pub value_bytes: usize,
}

impl Default for SortedSetLimits {
    /// 128 members of 64 bytes: the defaults of Redis 7.
    fn default() -> SortedSetLimits {
        SortedSetLimits { entries: 128, value_bytes: 64 }
    }
}

/// What a sorted set must know to grow: the keyspace's secret (`Keyspace::hash_key`) and the limits.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// A large set hashes its members with it.
    pub key: HashKey,
    /// When it becomes large.
    pub limits: SortedSetLimits,
}

/// No listpack grows beyond this, whatever the limits say: its lengths must stay far below 32 bits. As the original.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// A sorted set value. No score in it is a NaN.
#[derive(Debug)]
pub struct SortedSet {
    body: Body,
}

#[derive(Debug)]
enum Body {
    Small(Listpack),
    Large(Box<Large>),
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    /// The score.
    pub score: f64,
    /// The score itself is left out.
    pub is_exclusive: bool,
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lower end.
    pub min: ScoreBound,
    /// The upper end.
    pub max: ScoreBound,
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberBound<'a> {
    /// Before all members.
    Lowest,
    /// This member and what lies inside.
    Including(&'a [u8]),
    /// What lies inside of this member.
    Excluding(&'a [u8]),
    /// After all members.
    Highest,
}

impl ScoreRange {
    fn is_below(&self, score: f64) -> bool {
        score < self.min.score || self.min.is_exclusive && score == self.min.score
    }

    fn is_above(&self, score: f64) -> bool {
        score > self.max.score || self.max.is_exclusive && score == self.max.score
    }
}

/// Both ends of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRange<'a> {
    /// The lower end.
    pub min: MemberBound<'a>,
    /// The upper end.
    pub max: MemberBound<'a>,
}

impl MemberRange<'_> {
    fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            MemberBound::Lowest => false,
            MemberBound::Including(min) => member < min,
            MemberBound::Excluding(min) => member <= min,
            MemberBound::Highest => true,
        }
    }

    fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            MemberBound::Lowest => true,
            MemberBound::Including(max) => member > max,
            MemberBound::Excluding(max) => member >= max,
            MemberBound::Highest => false,
        }
    }
}

impl Default for SortedSet {
    fn default() -> SortedSet {
        SortedSet::new()
    }
}

impl SortedSet {
    /// A set without members.
    pub fn new() -> SortedSet {
        SortedSet { body: Body::Small(Listpack::new()) }
    }

    /// A set from a listpack of members and scores (a dump's): checked, no member twice. It becomes a large one where the limits
    /// ask for it.
    pub fn from_listpack(bytes: Vec<u8>, growth: Growth) -> Result<SortedSet, Malformed> {
        let list = small::checked(bytes, growth.key)?;
        let limits = growth.limits;
        let is_small = list.len() / 2 <= limits.entries
            && Pairs::of(&list).all(|(member, _)| member.len() <= limits.value_bytes);
        let mut set = SortedSet { body: Body::Small(list) };
        if !is_small {
            set.grow(growth.key);
        }
        Ok(set)
    }

    /// How many members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Small(list) => list.len() / 2,
            Body::Large(large) => large.len(),
        }
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.body {
            Body::Small(list) => small::find(list, member).map(|(_, score)| score),
            Body::Large(large) => large.score(member),
        }
    }

    /// The rank of a member, from the lowest score on, with its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.body {
            Body::Small(list) => {
                let mut room = IntText::default();
                let mut pairs = Pairs::of(list).enumerate();
                pairs
                    .find(|(_, (other, _))| other.bytes(&mut room) == member)
                    .map(|(at, (_, score))| (at, score))
            }
            Body::Large(large) => large.rank(member),
        }
    }

    /// Gives a member the score that `choose` makes of the one that it has; with `None` all stays as it is.
    pub fn change(&mut self, member: &[u8], growth: Growth, choose: impl FnOnce(Option<f64>) -> Option<f64>) {
        let list = match &mut self.body {
            Body::Large(large) => return large.change(member, choose),
            Body::Small(list) => list,
        };
        let found = small::find(list, member);
        let before = found.map(|(_, score)| score);
        let Some(score) = choose(before).filter(|score| before != Some(*score)) else { return };
        assert!(!score.is_nan());
        match found {
            Some((at, _)) => list.remove(at, 2),
            None => {
                let limits = growth.limits;
                let is_small = list.len() / 2 < limits.entries
                    && member.len() <= limits.value_bytes
                    && list.as_bytes().len() + member.len() < LISTPACK_BYTES_MAX;
                if !is_small {
                    return self.grow(growth.key).change(member, |_| Some(score));
                }
            }
        }
        small::insert(list, member, score);
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.body {
            Body::Small(list) => match list.find(member, 2) {
                Some(at) => {
                    list.remove(at, 2);
                    true
                }
                None => false,
            },
            Body::Large(large) => large.remove(member),
        }
    }

    /// Removes the members of these ranks, which are there.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match &mut self.body {
            _ if ranks.is_empty() => {}
            Body::Small(list) => {
                let mut elements = list.iter();
                if ranks.start > 0 {
                    elements.nth(ranks.start * 2 - 1);
                }
                let at = elements.offset();
                list.remove(at, ranks.len() * 2);
            }
            Body::Large(large) => large.remove_ranks(ranks),
        }
    }

    /// The ranks of the members with scores in a range.
    pub fn ranks_of_scores(&self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match &self.body {
            Body::Small(list) => (
                Pairs::of(list).take_while(|(_, score)| range.is_below(*score)).count(),
                Pairs::of(list).take_while(|(_, score)| !range.is_above(*score)).count(),
            ),
            Body::Large(large) => (
                large.partition_by_score(|score| range.is_below(score)),
                large.partition_by_score(|score| !range.is_above(score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members in a range of members. Of use where all scores are equal; else some range.
    pub fn ranks_of_members(&self, range: &MemberRange<'_>) -> Range<usize> {
        let mut room = IntText::default();
        let (start, end) = match &self.body {
            Body::Small(list) => (
                Pairs::of(list).take_while(|(member, _)| range.is_below(member.bytes(&mut room))).count(),
                Pairs::of(list)
                    .take_while(|(member, _)| !range.is_above(member.bytes(&mut IntText::default())))
                    .count(),
            ),
            Body::Large(large) => (
                large.partition_by_member(|member| range.is_below(member)),
                large.partition_by_member(|member| !range.is_above(member)),
            ),
        };
        start..end.max(start)
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Members<'_> {
        self.range(0..self.len())
    }

    /// The members of these ranks, which are there, with their scores, from the lowest rank on.
    pub fn range(&self, ranks: Range<usize>) -> Members<'_> {
        Members(match &self.body {
            Body::Small(list) => {
                let mut pairs = Pairs::of(list);
                pairs.skip_pairs(ranks.start);
                Source::Small(pairs, ranks.len())
            }
            Body::Large(large) => Source::Large(large.range(ranks)),
        })
    }

    /// The members of these ranks, which are there, with their scores, from the highest rank on.
    pub fn range_reversed(&self, ranks: Range<usize>) -> Members<'_> {
        Members(match &self.body {
            Body::Small(_) => Source::SmallReversed(self.range(ranks).collect::<Vec<_>>().into_iter().rev()),
            Body::Large(large) => Source::LargeReversed(large.range(ranks).rev()),
        })
    }

    /// Visits some members after `cursor` (0: from the start); returns the next cursor, 0 at the end. A member that is there
    /// during the whole scan is visited at least once. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, f64)) -> u64 {
        match &self.body {
            Body::Small(list) => {
                Pairs::of(list).for_each(|(member, score)| visit(member, score));
                0
            }
            Body::Large(large) => large.scan(cursor, count, visit),
        }
    }

    /// A member with its score, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, f64)> {
        match &self.body {
            Body::Small(_) if self.is_empty() => None,
            Body::Small(list) => Pairs::of(list).nth(random.below(self.len() as u64) as usize),
            Body::Large(large) => large.random(random),
        }
    }

    /// A set like this one, in the same layout. `key` is the keyspace's.
    pub fn duplicate(&self, key: HashKey) -> SortedSet {
        SortedSet {
            body: match &self.body {
                Body::Small(list) => Body::Small(list.clone()),
                Body::Large(large) => Body::Large(Box::new(large.duplicate(key))),
            },
        }
    }

    /// The listpack's bytes where it is one: a dump copies them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Small(list) => Some(list.as_bytes()),
            Body::Large(_) => None,
        }
    }

    /// Prefetches the bucket of a member in a large set. A hint.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        if let Body::Large(large) = &self.body {
            large.prefetch_bucket(member);
        }
    }

    /// Makes it a large one.
    fn grow(&mut self, key: HashKey) -> &mut Large {
        if let Body::Small(list) = &self.body {
            let mut heap = Heap { table: Table::default(), key };
            let mut room = IntText::default();
            for (member, score) in Pairs::of(list) {
                heap.change(member.bytes(&mut room), |_| score);
            }
            self.body = Body::Large(Box::new(heap.into_large()));
        }
        let Body::Large(large) = &mut self.body else { unreachable!("it was made large above") };
        large
    }
}

impl Collection for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn of(value: ValueRef<'_>) -> Option<&SortedSet> {
        match value {
            ValueRef::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::SortedSet(self)
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        match &self.body {
            Body::Small(list) => size_class(list.capacity()),
            Body::Large(large) => size_class(size_of::<Large>()) + large.memory(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self.body {
            Body::Small(_) => Encoding::Listpack,
            Body::Large(_) => Encoding::Skiplist,
        }
    }

    fn free_effort(&self) -> usize {
        match &self.body {
            Body::Small(_) => 1,
            Body::Large(large) => large.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        match &mut self.body {
            Body::Small(_) => false,
            Body::Large(large) => large.free_slice(budget),
        }
    }
}

/// Members with their scores, in order or against it.
#[derive(Clone, Debug)]
pub struct Members<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    Small(Pairs<'a>, usize),
    SmallReversed(Rev<vec::IntoIter<(StrRef<'a>, f64)>>),
    Large(Walk<'a>),
    LargeReversed(Rev<Walk<'a>>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (StrRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(StrRef<'a>, f64)> {
        match &mut self.0 {
            Source::Small(_, 0) => None,
            Source::Small(pairs, left) => {
                *left -= 1;
                pairs.next()
            }
            Source::SmallReversed(pairs) => pairs.next(),
            Source::Large(walk) => walk.next(),
            Source::LargeReversed(walk) => walk.next(),
        }
    }

    /// The layout is looked at once.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, start: B, visit: F) -> B {
        match self.0 {
            Source::Small(pairs, left) => pairs.take(left).fold(start, visit),
            Source::SmallReversed(pairs) => pairs.fold(start, visit),
            Source::Large(walk) => walk.fold(start, visit),
            Source::LargeReversed(walk) => walk.fold(start, visit),
        }
    }
}

/// A sorted set that is put together in any order, as a union or a load makes it; it is sorted once, at the end.
#[derive(Debug)]
pub struct SortedSetBuilder {
    heap: Heap,
    limits: SortedSetLimits,
    longest: usize,
}

impl SortedSetBuilder {
    /// Without members.
    pub fn new(growth: Growth) -> SortedSetBuilder {
        SortedSetBuilder {
            heap: Heap { table: Table::default(), key: growth.key },
            limits: growth.limits,
            longest: 0,
        }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.heap.table.len()
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives a member the score that `choose` makes of the one that it has.
    #[inline]
    pub fn change(&mut self, member: &[u8], choose: impl FnOnce(Option<f64>) -> f64) {
        self.longest = self.longest.max(member.len());
        self.heap.change(member, choose);
    }

    /// Puts a member in; false when it is there already.
    pub fn add(&mut self, member: &[u8], score: f64) -> bool {
        let mut is_new = true;
        self.change(member, |before| {
            is_new = before.is_none();
            score
        });
        is_new
    }

    /// The set.
    pub fn finish(self) -> SortedSet {
        let is_small = self.len() <= self.limits.entries && self.longest <= self.limits.value_bytes;
        let large = self.heap.into_large();
        if !is_small {
            return SortedSet { body: Body::Large(Box::new(large)) };
        }
        let mut list = Listpack::new();
        for (member, score) in large.range(0..large.len()) {
            small::push(&mut list, member, score);
        }
        SortedSet { body: Body::Small(list) }
    }
}

#[cfg(test)]
mod tests;
