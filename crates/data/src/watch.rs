//! Watch: the state that a large collection had when a snapshot came to it, while the collection is changed.
//!
//! ```text
//!   watch (marks the moment, in constant time or by node) --> walk, walk, ... --> unwatch
//!                                    a change meanwhile first saves the element or node that it touches
//! ```
//!
//! A collection of elements (hash, set, sorted set) is walked in an order of its own. Whoever changes an element that was not
//! walked yet hands its old state to the watch, which writes it beside; from then on the element is the watch's no more, and the
//! walker passes it by. Lists and streams save nodes in the same way, but keep their order (`list`, `stream`).
//!
//! Invariant: each element of the moment is written once, by the walker or when it is first changed.

use crate::list::Chunk;
use crate::memory::prefetch;
use crate::node::Node;
use crate::pieces::Pieces;
use crate::segment::tag_of;
use crate::stream::{Pack, Pending, Stream, StreamId};
use crate::table::{HashKey, Table, visit_prefetched_up_to};
use crate::touched::Touched;
use crate::value::StrRef;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

/// 64 KiB: a smaller collection is encoded whole.
pub(crate) const BYTES_MIN: usize = 64 << 10;
/// 100 ns: what coming to an element takes, mostly waiting for memory, beside what its bytes take.
pub(crate) const ELEMENT_NS: usize = 100;
/// 80 ns: the same in a table, whose elements are asked for many at once.
const TABLE_ELEMENT_NS: usize = 80;

/// What a slice of a walk may still take, in nanoseconds as they usually are: the walk has no clock, it counts what it does.
/// A slice may overdraw it by one step.
#[derive(Debug)]
pub(crate) struct Allowance {
    all: usize,
    spent: usize,
}

impl Allowance {
    pub fn new(ns: usize) -> Allowance {
        Allowance { all: ns, spent: 0 }
    }

    /// So much was done.
    #[inline]
    pub fn spend(&mut self, ns: usize) {
        self.spent = self.spent.saturating_add(ns);
    }

    /// All that was done.
    pub fn spent(&self) -> usize {
        self.spent
    }

    /// What is left.
    pub fn left(&self) -> usize {
        self.all.saturating_sub(self.spent)
    }

    /// By how much more than all was done.
    #[inline]
    pub fn overdrawn(&self) -> usize {
        self.spent.saturating_sub(self.all)
    }

    /// Nothing is left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.spent >= self.all
    }

    /// A node of `len` bytes was written in `written`. Looking for what repeats takes longer where much does, bit by bit.
    pub fn spend_node(&mut self, len: usize, written: usize) {
        let packed = if written < len { 3 * written } else { 0 };
        self.spend(ELEMENT_NS + 2 * len + packed);
    }
}

/// Encodes one part of a large value.
pub type EncodePart = fn(&mut Vec<u8>, Part<'_>);

/// How many parts of which kind a large value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fields; true where some have deadlines.
    Hash(usize, bool),
    /// Members.
    Set(usize),
    /// Members with scores.
    SortedSet(usize),
    /// Nodes.
    List(usize),
    /// Nodes, and the rest of a stream behind them.
    Stream(usize),
    /// A string: its bytes, and where they go packed how many that takes. They follow as they are, not as parts.
    Text(usize, Option<usize>),
}

/// A part of a large value.
#[derive(Debug)]
pub enum Part<'a> {
    /// A field, its value, and its deadline where some field has one.
    Field(StrRef<'a>, StrRef<'a>, Option<Option<u64>>),
    /// A member of a set.
    Member(&'a [u8]),
    /// A member of a sorted set.
    Scored(&'a [u8], f64),
    /// A node of a list.
    Chunk(Chunk<'a>),
    /// A node of a stream.
    Pack(Pack<'a>),
    /// All of a stream but its nodes and groups. What follows stands in this order, group by group.
    Rest(&'a Stream),
    /// A group.
    Group {
        /// Its name.
        name: &'a [u8],
        /// The last id that was delivered.
        last_id: StreamId,
        /// How many entries were delivered up to there; none where that is not known.
        entries_read: Option<u64>,
        /// How many are pending.
        pending: usize,
    },
    /// What is pending, and who has it.
    Pending {
        /// The group's name.
        group: &'a [u8],
        /// The consumer's.
        consumer: &'a [u8],
        /// What.
        pending: &'a Pending,
    },
    /// How many consumers the group has.
    Consumers(usize),
    /// A consumer.
    Consumer {
        /// The group's name.
        group: &'a [u8],
        /// Its name.
        name: &'a [u8],
        /// When it was there last.
        seen_ms: i64,
        /// How many ids it has.
        pending: usize,
    },
    /// An id that the consumer has.
    Owned(StreamId),
}

/// A collection that can be walked for a snapshot while it changes.
pub(crate) trait Watched: Debug {
    /// Marks the moment; `None` where the value is to be encoded whole, because it is small.
    fn watch(&mut self, encode: EncodePart) -> Option<Shape>;

    /// The moment is marked, and the walk is not over.
    fn is_watched(&self) -> bool;

    /// Writes more of what there was at the moment, for as long as it is allowed.
    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked;

    /// About how much memory the states take that were saved and not written yet.
    fn noted_bytes(&self) -> usize;

    /// Ends the walk.
    fn unwatch(&mut self);
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// There is more.
    On,
    /// All was written.
    Whole,
    /// Less or more was written than there was: a change went by unseen.
    Broken,
}

/// Where the watch of a collection lies. A copy of the collection is not watched.
#[derive(Debug)]
pub(crate) struct Slot<T>(pub Option<Box<T>>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(None)
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot(None)
    }
}

/// The watch of elements that are known by 64 bits each.
#[derive(Debug)]
pub(crate) struct Elements {
    pub encode: EncodePart,
    /// Elements that are not the walker's any more, though it would come to them.
    touched: Touched,
    /// Encoded elements that were changed before the walker came.
    beside: Pieces,
    /// Elements that are not written yet.
    left: usize,
    /// How far a walk through a table is: hash prefix in 32 bits (2^32: the end).
    at: u64,
}

impl Elements {
    pub fn new(encode: EncodePart, len: usize) -> Box<Elements> {
        let (touched, beside) = (Touched::new(len), Pieces::default());
        Box::new(Elements { encode, touched, beside, left: len, at: 0 })
    }

    /// An element of a table is about to be changed, or to come (then there is no `old`).
    #[cold]
    pub fn before(&mut self, hash: u64, old: Option<Part<'_>>) {
        if self.is_ahead(hash) {
            self.touch(hash, old);
        }
    }

    /// As `before`, where the caller knows that `old` was not walked yet.
    pub fn touch(&mut self, bits: u64, old: Option<Part<'_>>) {
        if self.touched.insert(bits)
            && let Some(old) = old
        {
            self.save(old);
        }
    }

    /// Writes an element of the moment beside, whose collection notes by itself that it is not the walker's any more.
    #[inline]
    pub fn save(&mut self, old: Part<'_>) {
        let beside = self.beside.end();
        (self.encode)(beside, old);
        // The next one goes on there: a write that waits for its line holds up all writes behind it.
        prefetch(beside.as_ptr().wrapping_add(beside.len() + 64));
        self.left = self.left.wrapping_sub(1);
    }

    /// True when the walk through a table has not come to this hash.
    #[inline]
    pub fn is_ahead(&self, hash: u64) -> bool {
        hash >> 32 >= self.at
    }

    /// See `Watched`.
    pub fn noted_bytes(&self) -> usize {
        self.beside.len() + self.touched.bytes()
    }

    /// True when this element is not the walker's.
    pub fn is_touched(&self, bits: u64) -> bool {
        self.touched.contains(bits)
    }

    /// Writes an element of the moment.
    #[inline]
    pub fn put(&mut self, out: &mut Vec<u8>, part: Part<'_>) {
        (self.encode)(out, part);
        self.left = self.left.wrapping_sub(1);
    }

    /// Writes what was saved beside, for as long as it is allowed; true when that is all.
    pub fn put_beside(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> bool {
        /// Bytes are copied, or passed on as they are, and summed up.
        const BYTES_PER_NS: usize = 2;
        let before = out.len();
        let until = before.saturating_add(allowance.left().saturating_mul(BYTES_PER_NS));
        let is_all = self.beside.move_to(out, until);
        allowance.spend((out.len() - before) / BYTES_PER_NS);
        is_all
    }

    /// The end, where the walker has been everywhere, and all that was beside is written.
    pub fn end(&self) -> Walked {
        if self.left == 0 { Walked::Whole } else { Walked::Broken }
    }

    /// Walks through a table, by whole segments. `part` gives none for an element that came or was saved meanwhile, where the
    /// collection notes that by itself.
    pub fn walk<E: Node>(
        &mut self,
        table: &Table<E>,
        key: HashKey,
        (out, allowance): (&mut Vec<u8>, &mut Allowance),
        part: impl Fn(E) -> Option<Part<'static>>,
    ) -> Walked {
        if !self.put_beside(out, allowance) {
            return Walked::On;
        }
        let (mut touched, bytes) = (Vec::new(), table.entry_bytes());
        while self.at >> 32 == 0 && table.len() > 0 {
            if allowance.is_spent() {
                return Walked::On;
            }
            let (before, mut visited) = (out.len(), 0);
            let segment = table.segment(self.at << 32);
            let width = 1u64 << (32 - segment.depth());
            let start = self.at & !(width - 1);
            let end = start + width;
            let last = (end << 32).wrapping_sub(1);
            touched.clear();
            self.touched.take(self.at << 32..=last, &mut touched);
            touched.sort_unstable();
            let tags = Tags::of(&touched);
            // A segment that was merged with one that was walked begins before the walker's place.
            let is_new = start == self.at;
            visit_prefetched_up_to(bytes, segment, |word| {
                let node = word.node::<E>();
                visited += 1;
                if !is_new || tags.may_have(word.tag()) {
                    let hash = key.hash(node.key());
                    if hash >> 32 < self.at || touched.binary_search(&hash).is_ok() {
                        return;
                    }
                }
                if let Some(part) = part(node) {
                    self.put(out, part);
                }
            });
            self.at = end;
            allowance.spend(visited * TABLE_ELEMENT_NS + out.len() - before);
        }
        self.end()
    }
}

/// Which tags the touched elements of a segment may have: most others need not be hashed.
struct Tags([u64; Tags::WORDS]);

impl Tags {
    /// 2,048 bits: twice the elements of the largest segment.
    const WORDS: usize = 32;

    fn of(hashes: &[u64]) -> Tags {
        let mut tags = Tags([0; Tags::WORDS]);
        for hash in hashes {
            let (word, bit) = Tags::place(tag_of(*hash));
            tags.0[word] |= bit;
        }
        tags
    }

    #[inline]
    fn place(tag: u16) -> (usize, u64) {
        (usize::from(tag >> 6) % Tags::WORDS, 1 << (tag & 63))
    }

    #[inline]
    fn may_have(&self, tag: u16) -> bool {
        let (word, bit) = Tags::place(tag);
        self.0[word] & bit != 0
    }
}
