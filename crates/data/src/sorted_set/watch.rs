//! The members of a sorted set at the moment of a snapshot, while the set is changed.
//!
//! The walker goes in the set's order, from the highest rank down: whoever loads the file finds each member's place at once. A
//! member before the walker that came or was saved meanwhile has a stamp: the walker takes it off, and passes the member by. So
//! at the end no member has one. Where a snapshot was given up some may be left: then the next one knows members by where
//! they lie, which needs no look at them, and takes all stamps off. (A member that comes where another lay before is a new one,
//! as that was: it is passed by all the same.)

use super::member::Member;
use super::tree::{Item, Tree};
use crate::node::Node as _;
use crate::touched::Filter;
use crate::watch::{Allowance, ELEMENT_NS, Elements, EncodePart, Part, Walked};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// 16: members that are asked for in one go while those before are written; see
/// `table::PREFETCH_BLOCK`.
const BLOCK: usize = 16;

/// What a snapshot under way has left to write.
#[derive(Debug)]
pub(super) struct Watch {
    elements: Box<Elements>,
    /// Where stamps say nothing: says for most members at once that they are untouched.
    filter: Option<Filter>,
    /// What was walked last.
    last: Option<(f64, Box<[u8]>)>,
    /// The walker was everywhere.
    is_over: bool,
}

/// What a member is known by: its address, spread over 64 bits.
#[inline]
fn bits_of(member: Member) -> u64 {
    // 2^64 divided by the golden ratio (Knuth's multiplicative hashing).
    (member.address().as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Watch {
    /// `is_stale`: members may have a stamp that means nothing.
    pub fn new(encode: EncodePart, len: usize, is_stale: bool) -> Box<Watch> {
        let filter = is_stale.then(|| Filter::new(len));
        Box::new(Watch { elements: Elements::new(encode, len), filter, last: None, is_over: false })
    }

    /// The walker has not come to this place.
    fn is_ahead(&self, score: f64, member: Member) -> bool {
        !self.is_over && self.last.as_ref().is_none_or(|last| is_below(score, member.key(), last))
    }

    /// A member is about to go, or to get a new score.
    #[cold]
    pub fn before(&mut self, score: f64, member: Member, new: Option<f64>) {
        let was_ahead = self.is_ahead(score, member);
        let part = Part::Scored(member.key(), score);
        let Some(filter) = &mut self.filter else {
            if was_ahead && !member.is_stamped() {
                self.elements.save(part);
            }
            member.set_stamp(new.is_some_and(|new| self.is_ahead(new, member)));
            return;
        };
        let bits = bits_of(member);
        filter.note(bits);
        // What was walked is passed by, too, where it comes to lie before the walker again.
        self.elements.touch(bits, was_ahead.then_some(part));
        member.set_stamp(false);
    }

    /// A member is about to come.
    #[cold]
    pub fn before_new(&mut self, member: Member) {
        let is_ahead = self.is_ahead(member.score(), member);
        let Some(filter) = &mut self.filter else { return member.set_stamp(is_ahead) };
        let bits = bits_of(member);
        filter.note(bits);
        self.elements.touch(bits, None);
    }

    /// No member has a stamp.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// True when a member is not the walker's any more. It has no stamp after it.
    #[inline]
    fn passes_by(filter: Option<&Filter>, elements: &Elements, member: Member) -> bool {
        let is_stamped = member.is_stamped();
        if is_stamped {
            member.set_stamp(false);
        }
        let Some(filter) = filter else { return is_stamped };
        let bits = bits_of(member);
        filter.may_have(bits) && elements.is_touched(bits)
    }

    /// See `watch::Watched`.
    pub fn noted_bytes(&self) -> usize {
        self.elements.noted_bytes()
    }

    /// Writes more, for as long as it is allowed.
    pub fn walk(&mut self, tree: &Tree, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        if !self.elements.put_beside(out, allowance) {
            return Walked::On;
        }
        let mut left = match &self.last {
            None => tree.len(),
            Some(last) => tree.partition_point(|item| is_below(item.score, item.member.key(), last)),
        };
        let Watch { elements, filter, .. } = self;
        let filter = filter.as_ref();
        let ask = |items: &[Item]| {
            for item in items.rchunks(BLOCK).next().into_iter().flatten() {
                item.member.prefetch();
                if let Some(filter) = filter {
                    filter.prefetch(bits_of(item.member));
                }
            }
        };
        let mut last = None;
        while left > 0 && !allowance.is_spent() {
            let (leaf, at) = tree.leaf_at(left - 1);
            let mut part = &leaf[..=at];
            ask(part);
            while !part.is_empty() && !allowance.is_spent() {
                let (rest, block) = part.split_at(part.len().saturating_sub(BLOCK));
                ask(rest);
                for item in block.iter().rev() {
                    let before = out.len();
                    if !Watch::passes_by(filter, elements, item.member) {
                        elements.put(out, Part::Scored(item.member.key(), item.score));
                    }
                    // What is passed by counts, too.
                    allowance.spend(ELEMENT_NS + out.len() - before);
                }
                (left, last, part) = (left - block.len(), block.first().copied(), rest);
            }
        }
        if let Some(item) = last {
            self.last = Some((item.score, item.member.key().into()));
        }
        self.is_over = left == 0;
        if left > 0 { Walked::On } else { self.elements.end() }
    }
}

/// True when a member with its score stands before another one.
fn is_below(score: f64, member: &[u8], (other_score, other): &(f64, Box<[u8]>)) -> bool {
    if score == *other_score { member < &**other } else { score < *other_score }
}

#[cfg(test)]
mod tests {
    use super::super::{Growth, SortedSet, SortedSetLimits};
    use super::*;
    use crate::HashKey;
    use crate::watch::Watched as _;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use base::Random;

    const GROWTH: Growth =
        Growth { key: HashKey([1, 2]), limits: SortedSetLimits { entries: 128, value_bytes: 64 } };

    type Held = BTreeMap<Vec<u8>, u64>;

    fn put(out: &mut Vec<u8>, part: Part<'_>) {
        let Part::Scored(member, score) = part else { unreachable!("a sorted set has members alone") };
        out.extend_from_slice(&score.to_bits().to_le_bytes());
        out.push(member.len() as u8);
        out.extend_from_slice(member);
    }

    /// What was written; no member twice.
    fn written(mut bytes: &[u8]) -> Held {
        let mut held = Held::new();
        while let Some((score, rest)) = bytes.split_first_chunk() {
            let (member, rest) = rest[1..].split_at(usize::from(rest[0]));
            assert!(held.insert(member.to_vec(), u64::from_le_bytes(*score)).is_none());
            bytes = rest;
        }
        held
    }

    fn change(set: &mut SortedSet, growth: u64, random: &mut Random) {
        let number = random.below(if cfg!(miri) { 900 } else { 6_000 });
        // Some are longer than the length byte tells.
        let member = format!("{number:0len$}", len = [20, 126, 127, 130][number as usize % 4]);
        let score = [random.below(50) as f64, 25.0, -0.0, f64::INFINITY][random.below(4) as usize];
        match random.below(20) {
            0 if growth < 10 => {
                let start = random.below(set.len() as u64 + 1) as usize;
                let end = set.len().min(start + 1 + random.below(9) as usize);
                set.remove_ranks(start..end);
            }
            // It goes, and comes again, most likely where it lay.
            1 => {
                set.remove(member.as_bytes());
                set.change(member.as_bytes(), GROWTH, |_| Some(score));
            }
            2..20 if random.below(10) < growth => set.change(member.as_bytes(), GROWTH, |_| Some(score)),
            _ => drop(set.remove(member.as_bytes())),
        }
    }

    #[test]
    fn a_walk_writes_the_members_of_its_moment() {
        let (seeds, changes) = if cfg!(miri) { (1, 1_500) } else { (10, 12_000) };
        for seed in 0..seeds {
            let (mut random, mut set) = (Random::new(seed), SortedSet::new());
            (0..changes).for_each(|_| change(&mut set, 10, &mut random));
            let (mut whole, mut begun) = (0, 0);
            while whole < 3 {
                let expected: Held =
                    set.iter().map(|(member, score)| (member.to_vec(), score.to_bits())).collect();
                set.watch(put).unwrap();
                begun += 1;
                // Some go by without one that was given up before.
                let is_given_up = seed % 2 == 0 && begun < 9 && random.chance(1, 2);
                let (mut out, growth) = (Vec::new(), [2, 5, 9][random.below(3) as usize]);
                let rate = 1 + random.below(500);
                loop {
                    (0..random.below(rate)).for_each(|_| change(&mut set, growth, &mut random));
                    let mut allowance = Allowance::new(1 + random.below(60_000) as usize);
                    let walked = set.walk(&mut out, &mut allowance);
                    assert!(walked != Walked::Broken, "seed {seed}");
                    if walked == Walked::Whole {
                        (0..random.below(rate)).for_each(|_| change(&mut set, growth, &mut random));
                        set.unwatch();
                        assert!(written(&out) == expected, "seed {seed}");
                        whole += 1;
                        break;
                    }
                    if is_given_up && random.chance(1, 9) {
                        set.unwatch();
                        break;
                    }
                }
                (0..changes / 2).for_each(|_| change(&mut set, 9, &mut random));
            }
        }
    }
}
