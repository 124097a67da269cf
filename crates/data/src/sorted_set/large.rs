//! A large sorted set: a table of the members with their scores, and a tree that has them in order.
//!
//! The table owns the entries. Invariant: both hold the same entries.

use super::member::Member;
use super::tree::{Item, Tree};
use super::watch::Watch;
use crate::node::Node as _;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, Table};
use crate::value::StrRef;
use crate::watch::{Allowance, EncodePart, Slot, Walked};
use alloc::vec::Vec;
use base::Random;
use core::ops::Range;

/// Entries that an iteration brings into the cache before it reads them.
const AHEAD: usize = 8;

#[derive(Debug)]
pub(super) struct Large {
    table: Table<Member>,
    tree: Tree,
    key: HashKey,
    /// Places of the table that are still to be freed; the table's own number until freeing starts.
    left: Option<usize>,
    pub(super) watch: Slot<Watch>,
    /// Members may have the stamp of a snapshot that was given up.
    is_stale: bool,
}

// SAFETY: the table and the tree share entries that belong to this value alone; nothing in them is tied to a thread.
unsafe impl Send for Large {}

impl Large {
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    #[inline]
    pub fn memory(&self) -> usize {
        self.table.memory() + self.tree.memory()
    }

    fn find(&self, member: &[u8]) -> Option<Member> {
        self.table.find(self.key.hash(member), member).map(|place| place.word().node::<Member>())
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(Member::score)
    }

    /// The rank and the score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let node = self.find(member)?;
        let score = node.score();
        Some((self.tree.rank(Item { score, member: node }), score))
    }

    /// Gives a member the score that `choose` makes of the one it has; `None` leaves it as it is. One lookup.
    #[inline]
    pub fn change(&mut self, member: &[u8], choose: impl FnOnce(Option<f64>) -> Option<f64>) {
        let hash = self.key.hash(member);
        match self.table.find(hash, member) {
            Some(place) => {
                let node = place.word().node::<Member>();
                let before = node.score();
                if let Some(score) = choose(Some(before)).filter(|score| *score != before) {
                    self.before(before, node, Some(score));
                    self.rescore(node, before, score);
                }
            }
            None => {
                if let Some(score) = choose(None) {
                    let node = Member::new(member, score);
                    self.before_new(node);
                    self.table.insert(hash, node, self.key, false);
                    self.tree.insert(Item { score, member: node });
                }
            }
        }
    }

    fn rescore(&mut self, node: Member, before: f64, score: f64) {
        node.set_score(score);
        self.tree.rescore(Item { score: before, member: node }, score);
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let hash = self.key.hash(member);
        let Some(place) = self.table.find(hash, member) else { return false };
        let node = place.word().node::<Member>();
        self.before(node.score(), node, None);
        self.tree.remove(Item { score: node.score(), member: node });
        self.table.remove(hash, place).free();
        true
    }

    /// Removes the members of these ranks.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        let items = self.tree.remove_ranks(ranks.start, ranks.len());
        let mut hashes = [0; AHEAD];
        // The member is brought into the cache twice as far ahead as its bucket, which its text leads to.
        for at in 0..items.len() + 2 * AHEAD {
            if let Some(ahead) = items.get(at) {
                ahead.member.prefetch();
            }
            let Some(at) = at.checked_sub(AHEAD) else { continue };
            let before = hashes[at % AHEAD];
            if let Some(ahead) = items.get(at) {
                hashes[at % AHEAD] = self.key.hash(ahead.member.key());
                self.table.prefetch_bucket(hashes[at % AHEAD]);
            }
            let Some(item) = at.checked_sub(AHEAD).and_then(|at| items.get(at)) else { continue };
            let (member, hash) = (item.member.key(), before);
            self.before(item.score, item.member, None);
            let place = self.table.find(hash, member).expect("what the tree has is in the table");
            self.table.remove(hash, place).free();
        }
    }

    /// As `Tree::partition_point`, by the score alone.
    pub fn partition_by_score(&self, is_below: impl Fn(f64) -> bool) -> usize {
        self.tree.partition_point(|item| is_below(item.score))
    }

    /// As `Tree::partition_point`, by the member alone.
    pub fn partition_by_member(&self, is_below: impl Fn(&[u8]) -> bool) -> usize {
        self.tree.partition_point(|item| is_below(item.member.key()))
    }

    /// The members of these ranks, in order.
    pub fn range(&self, ranks: Range<usize>) -> Walk<'_> {
        Walk { tree: &self.tree, leaf: &[], leaf_start: 0, ranks }
    }

    /// A member with its score, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, f64)> {
        self.table.random(random).map(|node| (StrRef::Bytes(node.key()), node.score()))
    }

    /// A set like this one. Nothing is hashed or compared: while the tree is copied each member notes where its copy is, in
    /// place of its score, and gets that back from the copy while the table is copied.
    pub fn duplicate(&self) -> Large {
        let mut items: Vec<Item> = Vec::with_capacity(self.len());
        while items.len() < self.len() {
            let (leaf, _) = self.tree.leaf_at(items.len());
            leaf.iter().take(AHEAD).for_each(|item| item.member.prefetch());
            for (at, item) in leaf.iter().enumerate() {
                if let Some(ahead) = leaf.get(at + AHEAD) {
                    ahead.member.prefetch();
                }
                let copy = Member::new(item.member.key(), item.score);
                item.member.set_forward(copy);
                items.push(Item { score: item.score, member: copy });
            }
        }
        let table = self.table.copied(
            |member: Member| member.forward().prefetch(),
            |member| {
                let copy = member.forward();
                member.set_score(copy.score());
                copy
            },
        );
        Large {
            tree: Tree::of_sorted(&items),
            table,
            key: self.key,
            left: None,
            watch: Slot(None),
            is_stale: false,
        }
    }

    /// As `Hash::scan`.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>, f64)) -> u64 {
        let at = match Position::of_cursor(cursor) {
            Some((_, at)) => at,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let mut visit = |node: Member| visit(StrRef::Bytes(node.key()), node.score());
        self.table.scan(at, self.key, &mut Budget::new(count), &mut visit).map_or(0, |next| next.cursor(0))
    }

    /// Brings the bucket of a member into the cache. A hint.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        self.table.prefetch_bucket(self.key.hash(member));
    }

    /// Frees some of it; true while there is more. It is good for nothing else after it.
    pub fn free_slice(&mut self, budget: &mut usize) -> bool {
        if self.left.is_none() {
            self.left = Some(self.table.places());
        }
        self.tree.free_slice(budget)
            || self.left.as_mut().is_some_and(|left| self.table.free_slice(left, budget))
    }

    /// A member is about to go, or to get another score: a snapshot under way saves it.
    #[inline]
    fn before(&mut self, score: f64, member: Member, new: Option<f64>) {
        if let Some(watch) = &mut self.watch.0 {
            watch.before(score, member, new);
        }
    }

    /// A member is about to come.
    #[inline]
    fn before_new(&mut self, member: Member) {
        if let Some(watch) = &mut self.watch.0 {
            watch.before_new(member);
        }
    }

    /// See `watch::Watched`.
    pub fn watch(&mut self, encode: EncodePart) {
        self.watch = Slot(Some(Watch::new(encode, self.len(), self.is_stale)));
    }

    pub fn is_watched(&self) -> bool {
        self.watch.0.is_some()
    }

    pub fn unwatch(&mut self) {
        if let Some(watch) = self.watch.0.take() {
            self.is_stale = !watch.is_over();
        }
    }

    /// Walks from the highest rank down.
    pub fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(mut watch) = self.watch.0.take() else { return Walked::Broken };
        let walked = watch.walk(&self.tree, out, allowance);
        self.watch = Slot(Some(watch));
        walked
    }

    #[cfg(test)]
    pub fn check(&self) {
        self.tree.check();
        assert_eq!(self.tree.len(), self.table.len());
        for (_, segment) in self.table.segments() {
            for word in segment.iter() {
                self.tree.rank(Item { score: word.node::<Member>().score(), member: word.node::<Member>() });
            }
        }
    }
}

/// Members collected without an order: what a union or a load makes.
#[derive(Debug)]
pub(super) struct Heap {
    pub table: Table<Member>,
    pub key: HashKey,
}

impl Heap {
    /// As `Large::change`; the choice is made in every case.
    #[inline]
    pub fn change(&mut self, member: &[u8], choose: impl FnOnce(Option<f64>) -> f64) {
        let hash = self.key.hash(member);
        match self.table.find(hash, member) {
            Some(place) => {
                let node = place.word().node::<Member>();
                node.set_score(choose(Some(node.score())));
            }
            None => {
                let node = Member::new(member, choose(None));
                self.table.insert(hash, node, self.key, false);
            }
        }
    }

    /// The same members in order.
    pub fn into_large(self) -> Large {
        let mut items: Vec<Item> = Vec::with_capacity(self.table.len());
        for (_, segment) in self.table.segments() {
            crate::table::visit_prefetched(segment, |word| {
                let node = word.node::<Member>();
                items.push(Item { score: node.score(), member: node });
            });
        }
        items.sort_unstable_by(|one, other| {
            let scores = one.score.partial_cmp(&other.score).expect("no score is a NaN");
            scores.then_with(|| one.member.key().cmp(other.member.key()))
        });
        Large {
            tree: Tree::of_sorted(&items),
            table: self.table,
            key: self.key,
            left: None,
            watch: Slot(None),
            is_stale: false,
        }
    }
}

/// The members of some ranks in order, from both ends.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    pub(super) tree: &'a Tree,
    /// The leaf that was visited last, and the rank of its first item.
    leaf: &'a [Item],
    leaf_start: usize,
    /// Those left.
    ranks: Range<usize>,
}

impl<'a> Walk<'a> {
    #[inline]
    fn item(&mut self, rank: usize, is_forward: bool) -> Item {
        let at = rank.wrapping_sub(self.leaf_start);
        if let Some(item) = self.leaf.get(at) {
            let ahead = if is_forward { at + AHEAD } else { at.wrapping_sub(AHEAD) };
            if let Some(ahead) = self.leaf.get(ahead) {
                ahead.member.prefetch();
            }
            return *item;
        }
        let (leaf, at) = self.tree.leaf_at(rank);
        (self.leaf, self.leaf_start) = (leaf, rank - at);
        let near = if is_forward {
            &leaf[at..leaf.len().min(at + AHEAD)]
        } else {
            &leaf[at.saturating_sub(AHEAD)..at]
        };
        near.iter().for_each(|item| item.member.prefetch());
        leaf[at]
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (StrRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(StrRef<'a>, f64)> {
        let rank = self.ranks.next()?;
        let item = self.item(rank, true);
        Some((StrRef::Bytes(item.member.key()), item.score))
    }

    /// Leaf by leaf.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, start: B, mut visit: F) -> B {
        let mut folded = start;
        while !self.ranks.is_empty() {
            let part = self.part(self.ranks.start);
            part.iter().take(AHEAD).for_each(|item| item.member.prefetch());
            for (at, item) in part.iter().enumerate() {
                if let Some(ahead) = part.get(at + AHEAD) {
                    ahead.member.prefetch();
                }
                folded = visit(folded, (StrRef::Bytes(item.member.key()), item.score));
            }
            self.ranks.start += part.len();
        }
        folded
    }
}

impl Walk<'_> {
    /// The leaf of a rank that is left, cut to those that are, up to the rank or from it on.
    fn part(&self, rank: usize) -> &[Item] {
        let (leaf, at) = self.tree.leaf_at(rank);
        let leaf_start = rank - at;
        let start = self.ranks.start.saturating_sub(leaf_start);
        &leaf[start..leaf.len().min(self.ranks.end - leaf_start)]
    }
}

impl ExactSizeIterator for Walk<'_> {
    fn len(&self) -> usize {
        self.ranks.len()
    }
}

impl DoubleEndedIterator for Walk<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        let item = self.item(rank, false);
        Some((StrRef::Bytes(item.member.key()), item.score))
    }

    #[inline]
    fn rfold<B, F: FnMut(B, Self::Item) -> B>(mut self, start: B, mut visit: F) -> B {
        let mut folded = start;
        while !self.ranks.is_empty() {
            let part = self.part(self.ranks.end - 1);
            part.iter().rev().take(AHEAD).for_each(|item| item.member.prefetch());
            for (at, item) in part.iter().enumerate().rev() {
                if let Some(ahead) = at.checked_sub(AHEAD).and_then(|at| part.get(at)) {
                    ahead.member.prefetch();
                }
                folded = visit(folded, (StrRef::Bytes(item.member.key()), item.score));
            }
            self.ranks.end -= part.len();
        }
        folded
    }
}
