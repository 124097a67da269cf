//! Walk: all nodes of a table, each asked for before its turn.
//!
//! The nodes of a bucket are asked for two buckets before their turn. What the walk knows of a node's hash without computing
//! it (the bits that led to its segment, and its tag) goes along: another table finds the key by them, if its own segment
//! there is no finer.

use crate::node::Node;
use crate::segment::{BUCKET_WORDS, Segment, Word};
use crate::table::Table;

/// How many buckets ahead nodes are asked for.
const BUCKETS_AHEAD: usize = 2;

/// A node of a table with what is known of its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<E> {
    pub node: E,
    /// Right in the first `depth` bits and in the tag's; zeros between.
    pub hash: u64,
    pub depth: u32,
}

/// The nodes of a table.
#[derive(Debug)]
pub(crate) struct Walk<'a, E: Node> {
    table: &'a Table<E>,
    segment: Segment,
    /// The segment's first place in the directory.
    index: usize,
    bucket: usize,
    words: [Word; BUCKET_WORDS],
    /// The next word of the bucket.
    at: usize,
}

impl<'a, E: Node> Walk<'a, E> {
    pub fn new(table: &'a Table<E>) -> Walk<'a, E> {
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
                    word.node::<E>().prefetch();
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

impl<E: Node> Iterator for Walk<'_, E> {
    type Item = Found<E>;

    #[inline]
    fn next(&mut self) -> Option<Found<E>> {
        loop {
            while self.at < BUCKET_WORDS {
                let word = self.words[self.at];
                self.at += 1;
                if !word.is_empty() {
                    let depth = self.table.depth();
                    let prefix = if depth == 0 { 0 } else { (self.index as u64) << (64 - depth) };
                    let hash = prefix | u64::from(word.tag());
                    return Some(Found { node: word.node(), hash, depth: self.segment.depth() });
                }
            }
            if !self.step() {
                return None;
            }
        }
    }
}
