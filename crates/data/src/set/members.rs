//! Members: a walk through a set.
//!
//! In a table the nodes of a bucket are asked for two buckets before their turn. What the walk knows of a member's hash
//! without computing it (the bits that led to its segment, and its tag) goes along: another table finds the member by
//! them, if its own segment there is no finer.

use super::member::Member;
use crate::listpack;
use crate::node::Node;
use crate::segment::{BUCKET_WORDS, Segment, Word};
use crate::table::Table;
use crate::value::StrRef;

/// How many buckets ahead nodes are asked for.
const BUCKETS_AHEAD: usize = 2;

/// The members of a set.
#[derive(Debug)]
pub struct Members<'a>(pub(super) Source<'a>);

#[derive(Debug)]
pub(super) enum Source<'a> {
    Ints(super::intset::Iter<'a>),
    List(listpack::Iter<'a>),
    Table(Walk<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = StrRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        match &mut self.0 {
            Source::Table(walk) => walk.next().map(|found| StrRef::Bytes(found.key)),
            Source::Ints(ints) => ints.next().map(StrRef::Int),
            Source::List(list) => list.next(),
        }
    }
}

/// A member of a table with what is known of its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub key: &'a [u8],
    /// Right in the first `depth` bits and in the tag's; zeros between.
    pub hash: u64,
    pub depth: u32,
}

/// The members of a table.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    table: &'a Table<Member>,
    segment: Segment,
    /// The segment's first place in the directory.
    index: usize,
    bucket: usize,
    words: [Word; BUCKET_WORDS],
    /// The next word of the bucket.
    at: usize,
}

impl<'a> Walk<'a> {
    pub fn new(table: &'a Table<Member>) -> Walk<'a> {
        let segment = table.segment_at(0).unwrap_or(Segment::NONE);
        let mut walk =
            Walk { table, segment, index: 0, bucket: 0, words: [Word::EMPTY; BUCKET_WORDS], at: 0 };
        if !segment.is_none() {
            walk.enter_segment();
        }
        walk
    }

    fn enter_segment(&mut self) {
        self.bucket = 0;
        (0..BUCKETS_AHEAD).for_each(|bucket| self.prefetch(bucket));
        self.enter_bucket();
    }

    fn enter_bucket(&mut self) {
        self.prefetch(self.bucket + BUCKETS_AHEAD);
        self.words = self.segment.words(self.bucket);
        self.at = 0;
    }

    fn prefetch(&self, bucket: usize) {
        if bucket < self.segment.buckets() {
            for word in self.segment.words(bucket) {
                if !word.is_empty() {
                    word.node::<Member>().prefetch();
                }
            }
        }
    }

    /// Goes to the next bucket; false at the end.
    fn step(&mut self) -> bool {
        if self.segment.is_none() {
            return false;
        }
        if self.bucket + 1 < self.segment.buckets() {
            self.bucket += 1;
            self.enter_bucket();
            return true;
        }
        self.index += 1 << (self.table.depth() - self.segment.depth());
        match self.table.segment_at(self.index) {
            Some(segment) => {
                self.segment = segment;
                self.enter_segment();
                true
            }
            None => {
                self.segment = Segment::NONE;
                false
            }
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Found<'a>;

    #[inline]
    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            while self.at < BUCKET_WORDS {
                let word = self.words[self.at];
                self.at += 1;
                if !word.is_empty() {
                    let depth = self.table.depth();
                    let prefix = if depth == 0 { 0 } else { (self.index as u64) << (64 - depth) };
                    let hash = prefix | u64::from(word.tag());
                    return Some(Found {
                        key: word.node::<Member>().key(),
                        hash,
                        depth: self.segment.depth(),
                    });
                }
            }
            if !self.step() {
                return None;
            }
        }
    }
}
