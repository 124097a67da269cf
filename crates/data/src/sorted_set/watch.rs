//! The members of a sorted set at the moment of a snapshot, while the set is changed.
//!
//! The walker goes in the set's order, from the highest rank down: whoever loads the file finds each member's place at once. A
//! member is known by where it lies, which needs no look at it. (One that comes where another lay before is a new one, as that
//! was: it is passed by all the same.)

use super::member::Member;
use super::tree::{Item, Tree};
use crate::node::Node as _;
use crate::touched::Filter;
use crate::watch::{Allowance, ELEMENT_NS, Elements, EncodePart, Part, Walked};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// 16: members that are asked for in one go, with what the filter says of them, while those before are written; see
/// `table::PREFETCH_BLOCK`.
const BLOCK: usize = 16;

/// What a snapshot under way has left to write.
#[derive(Debug)]
pub(super) struct Watch {
    elements: Box<Elements>,
    /// Says for most members at once that they are untouched.
    filter: Filter,
    /// What was walked last.
    last: Option<(f64, Box<[u8]>)>,
}

/// What a member is known by: its address, spread over 64 bits.
#[inline]
fn bits_of(member: Member) -> u64 {
    // 2^64 divided by the golden ratio (Knuth's multiplicative hashing).
    (member.address().as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Watch {
    pub fn new(encode: EncodePart, len: usize) -> Box<Watch> {
        Box::new(Watch { elements: Elements::new(encode, len), filter: Filter::new(len), last: None })
    }

    /// A member is about to be changed or to go, with its score.
    #[cold]
    pub fn before(&mut self, score: f64, member: Member) {
        let is_walked = self.last.as_ref().is_some_and(|last| !is_below(score, member.key(), last));
        let bits = bits_of(member);
        self.filter.note(bits);
        // What was walked is passed by, too, where it comes to lie before the walker again.
        self.elements.touch(bits, (!is_walked).then(|| Part::Scored(member.key(), score)));
    }

    /// A member is about to come.
    #[cold]
    pub fn before_new(&mut self, member: Member) {
        let bits = bits_of(member);
        self.filter.note(bits);
        self.elements.touch(bits, None);
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
        let ask = |items: &[Item]| {
            for item in items.rchunks(BLOCK).next().into_iter().flatten() {
                item.member.prefetch();
                filter.prefetch(bits_of(item.member));
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
                    let (bits, before) = (bits_of(item.member), out.len());
                    if !filter.may_have(bits) || !elements.is_touched(bits) {
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
        if left > 0 { Walked::On } else { self.elements.end() }
    }
}

/// True when a member with its score stands before another one.
fn is_below(score: f64, member: &[u8], (other_score, other): &(f64, Box<[u8]>)) -> bool {
    if score == *other_score { member < &**other } else { score < *other_score }
}
