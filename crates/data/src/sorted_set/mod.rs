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
mod watch;

use crate::collection::Collection;
use crate::flat::{Body, Exact, Form, Opened};
use crate::limits;
use crate::listpack::{Listpack, Unfit, View};
use crate::table::{HashKey, Table};
use crate::value::{Encoding, IntText, Kind, StrRef, ValueRef};
use crate::watch::{Allowance, BYTES_MIN, EncodePart, Shape, Walked, Watched};
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

/// What a sorted set must know to grow.
pub type Growth = limits::Growth<SortedSetLimits>;

/// No listpack grows beyond this, whatever the limits say: its lengths must stay far below 32 bits. As the original.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// A sorted set value: one word. No score in it is a NaN.
#[derive(Debug)]
pub struct SortedSet {
    body: Body<Exact, Large>,
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
        SortedSet { body: Body::EMPTY }
    }

    /// A set from a listpack of members and scores (a dump's): checked, no member twice. It becomes a large one where the limits
    /// ask for it.
    pub fn from_listpack(bytes: Vec<u8>, growth: Growth) -> Result<SortedSet, Unfit> {
        let (list, longest) = small::checked(bytes, growth.key)?;
        let limits = growth.limits;
        let is_small = list.len() / 2 <= limits.entries && longest <= limits.value_bytes;
        let mut set = SortedSet { body: Body::of(list) };
        if !is_small {
            set.grow(growth.key);
        }
        Ok(set)
    }

    /// How many members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.body.form() {
            Form::Small(list) => View::of_own(list).len() / 2,
            Form::Large(large) => large.len(),
        }
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.body.form() {
            Form::Small(list) => small::find(View::of_own(list), member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// The rank of a member, from the lowest score on, with its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.body.form() {
            Form::Small(list) => {
                let mut room = IntText::default();
                let mut pairs = Pairs::of(View::of_own(list)).enumerate();
                pairs
                    .find(|(_, (other, _))| other.bytes(&mut room) == member)
                    .map(|(at, (_, score))| (at, score))
            }
            Form::Large(large) => large.rank(member),
        }
    }

    /// Gives a member the score that `choose` makes of the one that it has; with `None` all stays as it is.
    pub fn change(&mut self, member: &[u8], growth: Growth, choose: impl FnOnce(Option<f64>) -> Option<f64>) {
        if let Some(large) = self.body.large_mut() {
            return large.change(member, choose);
        }
        let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
        let found = small::find(list.view(), member);
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
                    drop(list);
                    return self.grow(growth.key).change(member, |_| Some(score));
                }
            }
        }
        small::insert(&mut list, member, score);
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Some(large) = self.body.large_mut() {
            return large.remove(member);
        }
        let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
        let found = list.find(member, 2);
        if let Some(at) = found {
            list.remove(at, 2);
        }
        found.is_some()
    }

    /// Removes the members of these ranks, which are there.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        if ranks.is_empty() {
            return;
        }
        if let Some(large) = self.body.large_mut() {
            return large.remove_ranks(ranks);
        }
        let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
        let mut elements = list.iter();
        if ranks.start > 0 {
            elements.nth(ranks.start * 2 - 1);
        }
        let at = elements.offset();
        list.remove(at, ranks.len() * 2);
    }

    /// The ranks of the members with scores in a range.
    pub fn ranks_of_scores(&self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match self.body.form() {
            Form::Small(list) => (
                Pairs::of(View::of_own(list)).take_while(|(_, score)| range.is_below(*score)).count(),
                Pairs::of(View::of_own(list)).take_while(|(_, score)| !range.is_above(*score)).count(),
            ),
            Form::Large(large) => (
                large.partition_by_score(|score| range.is_below(score)),
                large.partition_by_score(|score| !range.is_above(score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members in a range of members. Of use where all scores are equal; else some range.
    pub fn ranks_of_members(&self, range: &MemberRange<'_>) -> Range<usize> {
        let mut room = IntText::default();
        let (start, end) = match self.body.form() {
            Form::Small(list) => (
                Pairs::of(View::of_own(list))
                    .take_while(|(member, _)| range.is_below(member.bytes(&mut room)))
                    .count(),
                Pairs::of(View::of_own(list))
                    .take_while(|(member, _)| !range.is_above(member.bytes(&mut IntText::default())))
                    .count(),
            ),
            Form::Large(large) => (
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
        Members(match self.body.form() {
            Form::Small(list) => {
                let mut pairs = Pairs::of(View::of_own(list));
                pairs.skip_pairs(ranks.start);
                Source::Small(pairs, ranks.len())
            }
            Form::Large(large) => Source::Large(large.range(ranks)),
        })
    }

    /// The members of these ranks, which are there, with their scores, from the highest rank on.
    pub fn range_reversed(&self, ranks: Range<usize>) -> Members<'_> {
        Members(match self.body.form() {
            Form::Small(_) => Source::SmallReversed(self.range(ranks).collect::<Vec<_>>().into_iter().rev()),
            Form::Large(large) => Source::LargeReversed(large.range(ranks).rev()),
        })
    }

    /// Visits some members after `cursor` (0: from the start); returns the next cursor, 0 at the end. A member that is there
    /// during the whole scan is visited at least once. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, f64)) -> u64 {
        match self.body.form() {
            Form::Small(list) => {
                Pairs::of(View::of_own(list)).for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Large(large) => large.scan(cursor, count, visit),
        }
    }

    /// A member with its score, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, f64)> {
        match self.body.form() {
            Form::Small(_) if self.is_empty() => None,
            Form::Small(list) => Pairs::of(View::of_own(list)).nth(random.below(self.len() as u64) as usize),
            Form::Large(large) => large.random(random),
        }
    }

    /// A set like this one, in the same layout.
    pub fn duplicate(&self) -> SortedSet {
        SortedSet {
            body: match self.body.form() {
                Form::Small(bytes) => self.body.copy_of_small(bytes),
                Form::Large(large) => Body::large(large.duplicate()),
            },
        }
    }

    /// The listpack's bytes where it is one: a dump copies them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match self.body.form() {
            Form::Small(bytes) => Some(View::of_own(bytes).as_bytes()),
            Form::Large(_) => None,
        }
    }

    /// Prefetches the bucket of a member in a large set. A hint.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        if let Form::Large(large) = self.body.form() {
            large.prefetch_bucket(member);
        }
    }

    /// Makes it a large one.
    fn grow(&mut self, key: HashKey) -> &mut Large {
        if let Form::Small(bytes) = self.body.form() {
            let mut heap = Heap { table: Table::default(), key };
            let mut room = IntText::default();
            for (member, score) in Pairs::of(View::of_own(bytes)) {
                heap.change(member.bytes(&mut room), |_| score);
            }
            self.body = Body::large(heap.into_large());
        }
        self.body.large_mut().expect("it was made large above")
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

    #[inline]
    fn memory_bytes(&self) -> usize {
        match self.body.form() {
            Form::Small(_) => self.body.small_bytes(),
            Form::Large(large) => Body::<Exact, Large>::box_bytes() + large.memory(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self.body.form() {
            Form::Small(_) => Encoding::Listpack,
            Form::Large(_) => Encoding::Skiplist,
        }
    }

    fn free_effort(&self) -> usize {
        match self.body.form() {
            Form::Small(_) => 1,
            Form::Large(large) => large.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        self.body.large_mut().is_some_and(|large| large.free_slice(budget))
    }
}

impl Watched for SortedSet {
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        let is_large = Collection::memory_bytes(self) >= BYTES_MIN;
        let large = self.body.large_mut().filter(|_| is_large)?;
        large.watch(encode);
        Some(Shape::SortedSet(large.len()))
    }

    fn is_watched(&self) -> bool {
        matches!(self.body.form(), Form::Large(large) if large.is_watched())
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        self.body.large_mut().map_or(Walked::Broken, |large| large.walk(out, allowance))
    }

    fn noted_bytes(&self) -> usize {
        match self.body.form() {
            Form::Large(large) => large.watch.0.as_ref().map_or(0, |watch| watch.noted_bytes()),
            Form::Small(_) => 0,
        }
    }

    fn unwatch(&mut self) {
        if let Some(large) = self.body.large_mut() {
            large.unwatch();
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
            return SortedSet { body: Body::large(large) };
        }
        let mut list = Listpack::new();
        for (member, score) in large.range(0..large.len()) {
            small::push(&mut list, member, score);
        }
        SortedSet { body: Body::of(list) }
    }
}

#[cfg(test)]
mod tests;
