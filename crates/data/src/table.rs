//! Table: extendible hashing over segments. The keyspace's tables and the fields of large hashes are this one.
//!
//! ```text
//!   hash:  top bits -> place in the directory | low 16 bits -> tag, and by it the home bucket
//!   directory: 2^depth words, each the packed address of a segment; a segment of depth d stands in 2^(depth - d) of them
//! ```
//!
//! A segment that is full is rebuilt one size class larger (its words alone are touched); the largest is split
//! in two by one more bit of the hash. A segment that became mostly empty is rebuilt smaller and merged with
//! its neighbour. So no operation touches more than one segment, but for the doubling of the directory: a copy
//! of 8 bytes per segment.
//!
//! Invariant: `due`, where it is allocated, has a place per directory word; the first of a segment's places holds a lower bound
//! of its deadlines (in units of `expire`), the others `NEVER`.

use crate::entry::RawEntry;
use crate::memory::size_class;
use crate::node::Node;
use crate::segment::{BUCKET_WORDS, BUCKETS_MAX, Place, Segment, Word, fitting, larger, tag_of};
use crate::value::Value;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use base::Random;
use base::siphash::siphash13;
use core::marker::PhantomData;
use core::ops::ControlFlow;

/// The secret of the tables' hash, drawn per process.
#[derive(Clone, Copy, Debug)]
pub struct HashKey(pub [u64; 2]);

impl HashKey {
    /// The hash of a key or field.
    #[inline]
    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        siphash13(self.0, bytes)
    }
}

const _: () = assert!(size_of::<Table>() == 64);

/// In `Table::due`: no deadline.
pub(crate) const NEVER: u32 = u32::MAX;
/// Bits of the hash that a directory may use. Cursors have room for so many.
pub(crate) const DEPTH_MAX: u32 = 31;
/// A segment with fewer entries than this share of its words is rebuilt smaller (in percent). Growth ends at some 75.
const SHRINK_BELOW_PERCENT: usize = 30;
/// Two neighbours with at most so many entries become one: half of what makes the largest split.
const MERGE_MAX: usize = 400;
/// 640: up to so many entries of a segment are made room for beforehand; with the eighth more they fill it to 70 %.
const ROOM_EACH: usize = 640;
/// How many entries ahead a walk through a segment prefetches.
pub(crate) const PREFETCH_AHEAD: usize = 16;
/// 16: entries that are asked for in one go, while those before are visited. Where a page lies must be looked up for nearly
/// each of them, and what asks waits for that: one after the other they wait side by side, among other work each alone.
const PREFETCH_BLOCK: usize = 16;
/// 64: an entry is asked for up to this byte, whose line is mostly that of its value.
const PREFETCH_BYTES: usize = 64;

/// A hash table that owns its entries. Its head is one cache line: in cluster mode there are 16,384 in a row.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Table<E: Node = RawEntry> {
    /// The only segment while the depth is 0.
    root: Segment,
    /// The segments by the top bits of the hash; empty while the depth is 0.
    directory: Box<[Segment]>,
    /// See the module's invariant; empty until a deadline is set.
    due: Box<[u32]>,
    len: usize,
    /// Memory of entries, segments and directory, in size classes.
    bytes: usize,
    /// Segments whose depth is the directory's: when there is none it is halved.
    deepest: u32,
    depth: u32,
    entries: PhantomData<E>,
}

// SAFETY: a table owns its segments and entries alone; nothing in them is tied to a thread.
unsafe impl<E: Node> Send for Table<E> {}

impl<E: Node> Default for Table<E> {
    fn default() -> Table<E> {
        Table {
            root: Segment::NONE,
            directory: Box::default(),
            due: Box::default(),
            len: 0,
            bytes: 0,
            deepest: 0,
            depth: 0,
            entries: PhantomData,
        }
    }
}

/// The entries of a segment, brought into the cache before they are visited.
#[inline]
pub(crate) fn visit_prefetched(segment: Segment, visit: impl FnMut(Word)) {
    visit_prefetched_up_to(PREFETCH_BYTES, segment, visit);
}

/// As `visit_prefetched`, of entries with about so many bytes.
#[inline]
pub(crate) fn visit_prefetched_up_to(bytes: usize, segment: Segment, mut visit: impl FnMut(Word)) {
    let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
    let count = gather(segment, &mut words);
    let words = &words[..count];
    let ask = |at: usize| {
        for word in words.iter().skip(at).take(PREFETCH_BLOCK) {
            word.prefetch_up_to(bytes);
        }
    };
    ask(0);
    for (number, block) in words.chunks(PREFETCH_BLOCK).enumerate() {
        ask((number + 1) * PREFETCH_BLOCK);
        block.iter().for_each(|word| visit(*word));
    }
}

/// As `visit_prefetched`, in a table of keys whose values will be read, for as long as `visit` wants more. Returns how many it
/// was called for, where it wanted no more.
pub(crate) fn visit_prefetched_values(
    segment: Segment,
    mut visit: impl FnMut(Word) -> ControlFlow<()>,
) -> Option<usize> {
    let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
    let count = gather(segment, &mut words);
    let words = &words[..count];
    let block = |number: usize| words.iter().skip(number * PREFETCH_BLOCK).take(PREFETCH_BLOCK);
    block(0).chain(block(1)).for_each(|word| word.entry().prefetch());
    block(0).for_each(|word| word.entry().prefetch_value());
    let mut visited = 0;
    for number in 0..count.div_ceil(PREFETCH_BLOCK) {
        block(number + 2).for_each(|word| word.entry().prefetch());
        block(number + 1).for_each(|word| word.entry().prefetch_value());
        for word in block(number) {
            visited += 1;
            if visit(*word).is_break() {
                return Some(visited).filter(|visited| *visited < count);
            }
        }
    }
    None
}

/// Compares keys; those of usual length without a call, in words of which the last two may overlap.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (Some(one_end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return one == other;
    };
    if one.len() > 32 {
        return one == other;
    }
    let (ones, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    one_end == other_end && ones.iter().zip(others).all(|(one, other)| one == other)
}

fn gather(segment: Segment, words: &mut [Word; BUCKETS_MAX * BUCKET_WORDS]) -> usize {
    let mut count = 0;
    for word in segment.iter() {
        words[count] = word;
        count += 1;
    }
    count
}

impl<E: Node> Table<E> {
    /// Entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory of the table and its entries, in size classes.
    #[inline]
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// About how many bytes an entry has, up to what is worth asking for beforehand.
    pub fn entry_bytes(&self) -> usize {
        /// 12: what an entry's word takes, and those that are empty.
        const WORD_BYTES: usize = 12;
        (self.bytes / self.len.max(1)).saturating_sub(WORD_BYTES).min(PREFETCH_BYTES)
    }

    /// Memory of segments, directory and the index of deadlines.
    pub fn overhead(&self) -> usize {
        let segments: usize = self.segments().map(|(_, segment)| segment.memory()).sum();
        segments + size_class(size_of_val(&*self.directory)) + size_class(size_of_val(&*self.due))
    }

    /// The directory's depth.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    #[inline(always)]
    fn index(&self, hash: u64) -> usize {
        if self.depth == 0 { 0 } else { (hash >> (64 - self.depth)) as usize }
    }

    /// The segment of a hash; `NONE` in a table that never had an entry.
    #[inline(always)]
    pub fn segment(&self, hash: u64) -> Segment {
        if self.depth == 0 { self.root } else { self.directory[(hash >> (64 - self.depth)) as usize] }
    }

    /// The places in the directory where a segment stands.
    fn span(&self, index: usize, segment: Segment) -> core::ops::Range<usize> {
        let width = 1 << (self.depth - segment.depth());
        let start = index & !(width - 1);
        start..start + width
    }

    fn put_segment(&mut self, index: usize, segment: Segment) {
        if self.depth == 0 {
            self.root = segment;
        } else {
            let span = self.span(index, segment);
            self.directory[span].fill(segment);
        }
    }

    /// Sets the snapshot mark of a hash's segment.
    pub fn set_mark(&mut self, hash: u64, mark: bool) {
        let segment = self.segment(hash);
        if !segment.is_none() {
            self.put_segment(self.index(hash), segment.with_mark(mark));
        }
    }

    /// Sets the snapshot mark of all segments.
    pub fn set_all_marks(&mut self, mark: bool) {
        if !self.root.is_none() {
            self.root = self.root.with_mark(mark);
        }
        for segment in &mut self.directory {
            *segment = segment.with_mark(mark);
        }
    }

    /// All segments, each once, with their first place in the directory.
    pub fn segments(&self) -> impl Iterator<Item = (usize, Segment)> {
        let mut index = 0;
        core::iter::from_fn(move || {
            let (found, segment) = (index, self.segment_at(index)?);
            if segment.is_none() {
                return None;
            }
            index += 1 << (self.depth - segment.depth());
            Some((found, segment))
        })
    }

    /// The segment that stands at a place of the directory.
    pub fn segment_at(&self, index: usize) -> Option<Segment> {
        if self.depth == 0 {
            (index == 0 && !self.root.is_none()).then_some(self.root)
        } else {
            self.directory.get(index).copied()
        }
    }

    /// Places in the directory.
    pub fn places(&self) -> usize {
        1 << self.depth
    }

    /// The place of a key.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let segment = self.segment(hash);
        if segment.is_none() {
            return None;
        }
        segment.find(tag_of(hash), |word| is_same(word.node::<E>().key(), key))
    }

    /// A hint, see `Keyspace::prefetch_bucket`.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        let segment = self.segment(hash);
        if !segment.is_none() {
            segment.prefetch_bucket(tag_of(hash));
        }
    }

    /// A hint, see `Keyspace::prefetch_entry`.
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        let segment = self.segment(hash);
        if !segment.is_none() {
            segment.prefetch_entry(tag_of(hash));
        }
    }

    /// Puts an entry in whose key is not there. The first segment of a table gets `mark`.
    pub fn insert(&mut self, hash: u64, entry: E, key: HashKey, mark: bool) -> Place {
        if self.depth == 0 && self.root.is_none() {
            self.root = Segment::new(1, 0, mark);
            self.bytes += self.root.memory();
        }
        self.len += 1;
        self.bytes += entry.memory();
        let word = Word::new(tag_of(hash), entry);
        loop {
            if let Some(place) = self.segment(hash).insert(word) {
                return place;
            }
            self.grow(hash, key);
        }
    }

    /// Makes room for about `count` entries in a table that never had one, so that none of them makes a segment grow.
    pub fn make_room(&mut self, count: usize, mark: bool) {
        if self.depth > 0 || !self.root.is_none() || count < 2 {
            return;
        }
        if count <= ROOM_EACH {
            self.root = Segment::new(fitting(count + count / 8), 0, mark);
            self.bytes += self.root.memory();
            return;
        }
        let depth = usize::BITS - ((count - 1) / ROOM_EACH).leading_zeros();
        if depth > DEPTH_MAX {
            return;
        }
        let each = count >> depth;
        // An eighth more: the hash does not spread them evenly.
        let buckets = fitting(each + each / 8);
        self.directory = (0..1usize << depth).map(|_| Segment::new(buckets, depth, mark)).collect();
        (self.depth, self.deepest) = (depth, 1 << depth);
        self.bytes += self.segments().map(|(_, segment)| segment.memory()).sum::<usize>() + self.side_bytes();
    }

    /// An entry owned `before` bytes and owns `after`.
    #[inline]
    pub fn count_memory(&mut self, before: usize, after: usize) {
        // Most overwrites change nothing; then the line of the head stays clean.
        if before != after {
            self.bytes = self.bytes - before + after;
        }
    }

    /// Takes an entry out. May rebuild the segment smaller: all places are void after it.
    pub fn remove(&mut self, hash: u64, place: Place) -> E {
        let segment = self.segment(hash);
        let entry: E = segment.remove(place).node();
        self.len -= 1;
        self.bytes -= entry.memory();
        if segment.looks_empty_at(place) {
            self.shrink(hash);
        }
        entry
    }

    /// Replaces a segment by a rebuilt one.
    fn rebuilt(&mut self, index: usize, old: Segment, new: Segment) {
        self.put_segment(index, new);
        self.bytes = self.bytes + new.memory() - old.memory();
        old.free_words();
    }

    /// Makes room in the segment of `hash`.
    fn grow(&mut self, hash: u64, key: HashKey) {
        let index = self.index(hash);
        let segment = self.segment(hash);
        let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
        let count = gather(segment, &mut words);
        let grown = larger(segment.buckets())
            .and_then(|size| Segment::build(&words[..count], size, segment.depth(), segment.mark()));
        match grown {
            Some(new) => self.rebuilt(index, segment, new),
            None => self.split(hash, segment, &words[..count], key),
        }
    }

    /// Splits a segment in two by the next bit of the hash.
    fn split(&mut self, hash: u64, old: Segment, words: &[Word], key: HashKey) {
        let span = self.span(self.index(hash), old);
        let due = self.due.get(span.start).copied();
        let prefix = if old.depth() == 0 { 0 } else { hash >> (64 - old.depth()) << (64 - old.depth()) };
        self.settle_halves(words, (prefix, old.depth()), (old.mark(), due), key);
        self.bytes -= old.memory();
        old.free_words();
    }

    /// Puts these words, whose hashes have the first `depth` bits of `prefix`, into segments of one more bit.
    fn settle_halves(
        &mut self,
        words: &[Word],
        (prefix, depth): (u64, u32),
        state: (bool, Option<u32>),
        key: HashKey,
    ) {
        let depth = depth + 1;
        // Hashes are keyed by a secret: a thousand keys with 31 equal top bits do not come about.
        assert!(depth <= DEPTH_MAX);
        if depth > self.depth {
            self.double();
        }
        let mut halves = [[Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS]; 2];
        let mut counts = [0; 2];
        for (at, &word) in words.iter().enumerate() {
            if let Some(ahead) = words.get(at + PREFETCH_AHEAD) {
                ahead.entry().prefetch_key();
            }
            let side = (key.hash(word.node::<E>().key()) >> (64 - depth) & 1) as usize;
            halves[side][counts[side]] = word;
            counts[side] += 1;
        }
        for (half, prefix) in [prefix, prefix | 1 << (64 - depth)].into_iter().enumerate() {
            let words = &halves[half][..counts[half]];
            let (mark, due) = state;
            match Segment::build(words, fitting(words.len()), depth, mark) {
                Some(new) => self.settle(new, prefix, due),
                // Keys that come in the order of their hashes (out of another table) may all be of one half, and in another
                // order than before they do not always fit.
                None => self.settle_halves(words, (prefix, depth), state, key),
            }
        }
    }

    /// Puts a new segment to its places in the directory.
    fn settle(&mut self, new: Segment, prefix: u64, due: Option<u32>) {
        let start = self.index(prefix);
        let places = start..start + (1 << (self.depth - new.depth()));
        self.bytes += new.memory();
        self.directory[places].fill(new);
        if let Some(due) = due {
            self.due[start] = due;
        }
        self.deepest += u32::from(new.depth() == self.depth);
    }

    fn side_bytes(&self) -> usize {
        size_class(size_of_val(&*self.directory)) + size_class(size_of_val(&*self.due))
    }

    /// Doubles the directory.
    fn double(&mut self) {
        let before = self.side_bytes();
        let places = 2 * self.places();
        if self.depth == 0 {
            self.directory = Box::new([self.root; 2]);
            self.root = Segment::NONE;
        } else {
            self.directory = (0..places).map(|index| self.directory[index / 2]).collect();
        }
        if !self.due.is_empty() {
            let spread = |index| if index % 2 == 0 { self.due[index / 2] } else { NEVER };
            self.due = (0..places).map(spread).collect();
        }
        self.depth += 1;
        self.deepest = 0;
        self.count_memory(before, self.side_bytes());
    }

    /// Halves the directory while no segment needs its last bit.
    fn halve(&mut self) {
        while self.depth > 0 && self.deepest == 0 {
            let before = self.side_bytes();
            self.depth -= 1;
            if self.depth == 0 {
                self.root = self.directory[0];
                self.directory = Box::default();
            } else {
                self.directory = self.directory.iter().step_by(2).copied().collect();
            }
            if !self.due.is_empty() {
                self.due = self.due.chunks(2).map(|pair| pair[0].min(pair[1])).collect();
            }
            self.count_memory(before, self.side_bytes());
            if self.depth > 0 {
                let depth = self.depth;
                self.deepest =
                    self.directory.iter().filter(|segment| segment.depth() == depth).count() as u32;
            }
        }
    }

    /// Rebuilds the segment of `hash` smaller, and merges it with its neighbour while both are small.
    fn shrink(&mut self, hash: u64) {
        let segment = self.segment(hash);
        let count = segment.count();
        if count * 100 >= segment.buckets() * BUCKET_WORDS * SHRINK_BELOW_PERCENT {
            return;
        }
        if count == 0 && self.depth == 0 {
            self.bytes -= segment.memory();
            segment.free_words();
            self.root = Segment::NONE;
            return;
        }
        let buckets = fitting(count);
        if buckets < segment.buckets() {
            let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
            let count = gather(segment, &mut words);
            let new = Segment::build(&words[..count], buckets, segment.depth(), segment.mark())
                .expect("a third of the words fit");
            self.rebuilt(self.index(hash), segment, new);
        }
        while self.merge(hash) {}
    }

    /// The neighbour that a segment could be merged with: the other half of one less bit of the hash.
    fn neighbour(&self, hash: u64) -> Option<(usize, Segment)> {
        let segment = self.segment(hash);
        if segment.is_none() || segment.depth() == 0 {
            return None;
        }
        let index = self.span(self.index(hash), segment).start ^ (1 << (self.depth - segment.depth()));
        let neighbour = self.directory[index];
        (neighbour.depth() == segment.depth()).then_some((index, neighbour))
    }

    /// Merges the segment of `hash` with its neighbour if both are small.
    ///
    /// Their marks must agree, so that a snapshot sees no half-encoded segment. Else they stay two for now: removals after the
    /// snapshot find both marked.
    fn merge(&mut self, hash: u64) -> bool {
        let Some((_, neighbour)) = self.neighbour(hash) else { return false };
        let segment = self.segment(hash);
        if neighbour.mark() != segment.mark() {
            return false;
        }
        // A neighbour of many buckets is not counted: it shrinks first, at a removal of its own.
        if neighbour.buckets() > fitting(MERGE_MAX) {
            return false;
        }
        let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
        let mut count = 0;
        for word in segment.iter().chain(neighbour.iter()).take(MERGE_MAX + 1) {
            words[count] = word;
            count += 1;
        }
        if count > MERGE_MAX {
            return false;
        }
        let depth = segment.depth();
        let new = Segment::build(&words[..count], fitting(count), depth - 1, segment.mark())
            .expect("half of the words of the largest segment fit");
        let index = self.index(hash);
        let span = self.span(index, new);
        if !self.due.is_empty() {
            let middle = span.start + span.len() / 2;
            self.due[span.start] = self.due[span.start].min(self.due[middle]);
            self.due[middle] = NEVER;
        }
        self.directory[span].fill(new);
        self.bytes = self.bytes + new.memory() - segment.memory() - neighbour.memory();
        segment.free_words();
        neighbour.free_words();
        if depth == self.depth {
            self.deepest -= 2;
            self.halve();
        }
        true
    }

    /// Notes a deadline (in units of `expire`) of the segment of `hash`.
    #[inline]
    pub fn note_due(&mut self, hash: u64, due: u32) {
        if self.due.is_empty() {
            self.due = vec![NEVER; self.places()].into_boxed_slice();
            self.bytes += size_class(size_of_val(&*self.due));
        }
        let index = self.span(self.index(hash), self.segment(hash)).start;
        self.due[index] = self.due[index].min(due);
    }

    /// The index of deadlines; empty when none was ever set.
    pub fn due(&self) -> &[u32] {
        &self.due
    }

    /// Replaces a segment's lower bound, by its first place.
    pub fn set_due(&mut self, index: usize, due: u32) {
        self.due[index] = due;
    }

    /// An entry, each with the same chance: a random word of the table, drawn anew while it is empty.
    ///
    /// A segment of depth d and b buckets is drawn with chance 2^-d and kept with chance b / 2^(D-d) of the most, so every
    /// word has the same chance, whatever the shape of the table.
    pub fn random(&self, random: &mut Random) -> Option<E> {
        self.draw(random).map(|(_, place)| place.word().node())
    }

    /// As `random`, and takes it out.
    pub fn take_random(&mut self, random: &mut Random) -> Option<E> {
        // Of the hash only the bits that find the segment are needed.
        let (hash, place) = self.draw(random)?;
        Some(self.remove(hash, place))
    }

    /// A random word that is not empty, and a hash whose segment it lies in.
    fn draw(&self, random: &mut Random) -> Option<(u64, Place)> {
        if self.len == 0 {
            return None;
        }
        let widest = self.widest();
        loop {
            let hash = random.word();
            let segment = self.segment(hash);
            let buckets = widest << (self.depth - segment.depth());
            let bucket = random.below(buckets as u64) as usize;
            if bucket >= segment.buckets() {
                continue;
            }
            let place = segment.place(bucket, random.below(BUCKET_WORDS as u64) as usize);
            if !place.word().is_empty() {
                return Some((hash, place));
            }
        }
    }

    /// A table of the same shape with a copy of each entry: nothing is hashed. It has no index of deadlines. Before the entries
    /// of a segment are copied all of them are prepared.
    pub fn copied(&self, prepare: impl Fn(E), copy: impl Fn(E) -> E) -> Table<E> {
        let mut table = Table {
            root: Segment::NONE,
            directory: vec![Segment::NONE; self.directory.len()].into_boxed_slice(),
            due: Box::default(),
            len: self.len,
            bytes: self.bytes - size_class(size_of_val(&*self.due)),
            deepest: self.deepest,
            depth: self.depth,
            entries: PhantomData,
        };
        let (mut before, mut after) = (0, 0);
        for (index, segment) in self.segments() {
            visit_prefetched(segment, |word| prepare(word.node()));
            let segment = segment.copied(|word| {
                let node = word.node::<E>();
                let copied = copy(node);
                // A copy has no room to spare.
                (before, after) = (before + node.memory(), after + copied.memory());
                word.with_node(copied)
            });
            table.put_segment(index, segment);
        }
        table.bytes = table.bytes - before + after;
        table
    }

    /// No segment has more buckets.
    fn widest(&self) -> usize {
        if self.depth == 0 { self.root.buckets() } else { BUCKETS_MAX }
    }

    /// Frees the segments from the end of the directory on, until some `budget` entries are freed; `left` is how many
    /// places are left (at first `places()`). False when nothing is left. The table is good for nothing else after it.
    pub fn free_slice(&mut self, left: &mut usize, budget: &mut usize) -> bool {
        self.free_slice_keeping(left, budget, &mut Vec::new())
    }

    /// As `free_slice`; values that would take long go to `large`.
    pub fn free_slice_keeping(
        &mut self,
        left: &mut usize,
        budget: &mut usize,
        large: &mut Vec<Value>,
    ) -> bool {
        while *left > 0 {
            if *budget == 0 {
                return true;
            }
            let Some(segment) = self.segment_at(*left - 1) else { return false };
            let start = self.span(*left - 1, segment).start;
            if !free_part::<E>(segment, budget, large) {
                return true;
            }
            if self.depth == 0 {
                self.root = Segment::NONE;
            } else {
                self.directory[start..*left].fill(Segment::NONE);
            }
            *left = start;
        }
        false
    }
}

impl Table {
    /// The entry at `place` was replaced by `entry`, and its memory has changed.
    #[inline]
    pub fn replaced(&mut self, place: Place, entry: RawEntry, before: usize, after: usize) {
        place.set(entry);
        self.count_memory(before, after);
    }
}

/// Frees some `budget` allocations of a segment's entries, and the segment after the last of them; false while there are more.
fn free_part<E: Node>(segment: Segment, budget: &mut usize, large: &mut Vec<Value>) -> bool {
    let mut words = [Word::EMPTY; BUCKETS_MAX * BUCKET_WORDS];
    let (mut count, mut bucket) = (0, 0);
    while bucket < segment.buckets() && count < *budget {
        for word in segment.take_words(bucket).into_iter().filter(|word| !word.is_empty()) {
            words[count] = word;
            count += 1;
        }
        bucket += 1;
    }
    let words = &words[..count];
    words.iter().take(PREFETCH_AHEAD).for_each(|word| word.entry().prefetch());
    // The segment is an allocation of its own.
    let mut freed = 1;
    for (at, word) in words.iter().enumerate() {
        if let Some(ahead) = words.get(at + PREFETCH_AHEAD) {
            ahead.entry().prefetch();
        }
        freed += word.node::<E>().free_small(large);
    }
    *budget = budget.saturating_sub(freed);
    let is_done = bucket == segment.buckets();
    if is_done {
        segment.free_words();
    }
    is_done
}

/// Frees a segment with its entries.
fn free_segment<E: Node>(segment: Segment) {
    visit_prefetched(segment, |word| {
        word.node::<E>().free_small(&mut Vec::new());
    });
    segment.free_words();
}

impl<E: Node> Drop for Table<E> {
    fn drop(&mut self) {
        for (_, segment) in self.segments() {
            free_segment::<E>(segment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Payload;
    use alloc::format;

    const KEY: HashKey = HashKey([7, 8]);

    fn check(table: &Table) {
        let segments: usize = table.segments().map(|(_, segment)| segment.memory()).sum();
        let mut entries = 0;
        for (index, segment) in table.segments() {
            segment.check();
            assert_eq!(table.span(index, segment).start, index);
            for word in segment.iter() {
                entries += 1;
                assert_eq!(table.segment(KEY.hash(word.entry().key())), segment);
            }
        }
        assert_eq!(table.len(), entries);
        assert_eq!(table.overhead(), segments + table.side_bytes());
        let deepest = table.segments().filter(|(_, segment)| segment.depth() == table.depth).count();
        assert!(table.depth == 0 || table.deepest as usize == deepest);
    }

    #[test]
    fn segments_keep_their_invariant() {
        let mut random = Random::new(1);
        let mut table: Table = Table::default();
        let names = if cfg!(miri) { 300 } else { 20_000 };
        for round in 0..6 {
            for _ in 0..names {
                let key = format!("{}", random.below(names));
                let hash = KEY.hash(key.as_bytes());
                match table.find(hash, key.as_bytes()) {
                    Some(place) if random.chance(if round % 2 == 0 { 1 } else { 9 }, 10) => {
                        table.remove(hash, place).free()
                    }
                    Some(_) => {}
                    None if round % 2 == 0 => {
                        table.insert(
                            hash,
                            RawEntry::new(key.as_bytes(), None, Payload::Integer(1)),
                            KEY,
                            false,
                        );
                    }
                    None => {}
                }
            }
            check(&table);
        }
    }
}
