//! Segment: the words of one part of a table, in buckets of one cache line.
//!
//! ```text
//!   word:    tag (16 bits of the hash) | entry's address (45 bits) | 3 flags
//!   bucket:  8 words = 64 bytes, aligned
//!   segment: 1 to 128 buckets, one allocation
//! ```
//!
//! The home bucket of an entry is a function of its tag and the number of buckets, so a segment is rebuilt
//! larger, smaller or merged with its neighbour without a look at the entries.
//!
//! Invariant: an entry lies in its home bucket, or in one of the next `reach` buckets (going round), where `reach` is kept
//! in flags of the home bucket's last two words. While `reach` is not zero the home bucket is full: so a miss in
//! a bucket with an empty word ends the search, and an empty word never carries flags.

use crate::entry::RawEntry;
use crate::memory::{give_back, prefetch, size_class, take_zeroed};
use crate::node::Node;
use core::ptr::{self, NonNull};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the table packs tags into 64-bit addresses");

/// Words of a bucket: one cache line.
pub(crate) const BUCKET_WORDS: usize = 8;
/// Bytes of a bucket.
const BUCKET_BYTES: usize = 64;
/// Buckets of the largest segment: 8 KiB. A split then touches under 1,024 entries.
pub(crate) const BUCKETS_MAX: usize = 128;
/// How far from its home bucket an entry may lie; four flag bits hold it.
const REACH_MAX: usize = 15;
/// Bucket counts that fill an allocator's size class.
const SIZES: [u8; 22] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96];
const SIZES_LARGE: [u8; 2] = [112, 128];

const ADDRESS: usize = 0x0000_ffff_ffff_fff8;
const HAS_DEADLINE: usize = 0b010;
const REACH_BITS: usize = 0b101;

/// The next larger number of buckets; `None` above the largest.
pub(crate) fn larger(buckets: usize) -> Option<usize> {
    SIZES.iter().chain(&SIZES_LARGE).map(|&size| usize::from(size)).find(|&size| size > buckets)
}

/// The number of buckets for `count` entries: about three quarters full.
pub(crate) fn fitting(count: usize) -> usize {
    let wanted = (count * 4).div_ceil(3 * BUCKET_WORDS);
    SIZES
        .iter()
        .chain(&SIZES_LARGE)
        .map(|&size| usize::from(size))
        .find(|&size| size >= wanted)
        .unwrap_or(BUCKETS_MAX)
}

/// The tag of a hash; never zero, so that an empty word matches no tag.
#[inline(always)]
pub(crate) fn tag_of(hash: u64) -> u16 {
    let tag = hash as u16;
    if tag == 0 { 1 } else { tag }
}

/// The home bucket of a tag.
#[inline(always)]
pub(crate) fn home_of(tag: u16, buckets: usize) -> usize {
    (usize::from(tag) * buckets) >> 16
}

/// One word: an entry's address with its tag and flags. Empty is all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Word(*mut u8);

impl Word {
    /// No entry.
    pub const EMPTY: Word = Word(ptr::null_mut());

    /// The word for an entry.
    #[inline]
    pub fn new<E: Node>(tag: u16, entry: E) -> Word {
        let address = entry.address().as_ptr();
        debug_assert!(address.addr() & !ADDRESS == 0 && tag != 0);
        let deadline = if entry.has_deadline() { HAS_DEADLINE } else { 0 };
        Word(address.map_addr(|bits| bits | usize::from(tag) << 48 | deadline))
    }

    #[inline(always)]
    pub fn tag(self) -> u16 {
        (self.0.addr() >> 48) as u16
    }

    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.0.is_null()
    }

    /// The entry. The word is not empty.
    #[inline(always)]
    pub fn entry(self) -> RawEntry {
        self.node()
    }

    /// As `entry`, in a table of other nodes. The word is not empty, and of such a table.
    #[inline(always)]
    pub fn node<E: Node>(self) -> E {
        let address = self.0.map_addr(|bits| bits & ADDRESS);
        debug_assert!(!address.is_null());
        // SAFETY: a word that is not empty holds an entry's address, which is not null (made by `new`).
        E::from_address(unsafe { NonNull::new_unchecked(address) })
    }

    /// Asks for the lines of the entry's first and last of so many bytes.
    #[inline(always)]
    pub fn prefetch_up_to(self, bytes: usize) {
        let address = self.0.map_addr(|bits| bits & ADDRESS);
        prefetch(address);
        prefetch(address.wrapping_add(bytes));
    }

    /// The same word for another entry.
    #[inline]
    pub fn with_node<E: Node>(self, entry: E) -> Word {
        let address = entry.address().as_ptr();
        let rest = self.0.addr() & !ADDRESS;
        Word(address.map_addr(|bits| bits | rest))
    }

    /// True when the entry has a deadline: known without a look at the entry.
    #[inline(always)]
    pub fn has_deadline(self) -> bool {
        self.0.addr() & HAS_DEADLINE != 0
    }

    fn without_reach(self) -> Word {
        Word(self.0.map_addr(|bits| bits & !REACH_BITS))
    }

    fn with_reach_of(self, old: Word) -> Word {
        let flags = old.0.addr() & REACH_BITS;
        Word(self.0.map_addr(|bits| bits & !REACH_BITS | flags))
    }

    /// Two bits of the reach, spread over the flags 0 and 2.
    fn with_reach_part(self, part: usize) -> Word {
        let flags = (part & 1) | (part & 2) << 1;
        Word(self.0.map_addr(|bits| bits & !REACH_BITS | flags))
    }

    #[inline(always)]
    fn reach_part(self) -> usize {
        let bits = self.0.addr();
        (bits & 1) | (bits >> 1 & 2)
    }
}

/// Where an entry's word lies. Good until its table is changed in any other way than through `Place`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(NonNull<Word>);

impl Place {
    /// The word there.
    #[inline(always)]
    pub fn word(self) -> Word {
        // SAFETY: a place points to a word of a live segment (see the type's doc).
        unsafe { self.0.as_ptr().read() }
    }

    /// The entry there.
    #[inline(always)]
    pub fn entry(self) -> RawEntry {
        self.word().entry()
    }

    /// Puts the entry, which was replaced or whose deadline changed, in place of the old word.
    #[inline]
    pub fn set(self, entry: RawEntry) {
        let old = self.word();
        let new = Word::new(old.tag(), entry).with_reach_of(old);
        if new != old {
            // SAFETY: as in `word`; the table is borrowed exclusively by whoever changes an entry.
            unsafe { self.0.as_ptr().write(new) }
        }
    }
}

/// The address of a segment, packed with what the directory must know without reading it.
///
/// bits 0-5: depth; 6-47: address (64-byte aligned); 48-55: buckets; 56: snapshot mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Segment(*mut u8);

const MARK: usize = 1 << 56;

impl Segment {
    /// No segment: an empty table has it.
    pub const NONE: Segment = Segment(ptr::null_mut());

    /// A new segment without entries.
    pub fn new(buckets: usize, depth: u32, mark: bool) -> Segment {
        assert!((1..=BUCKETS_MAX).contains(&buckets));
        assert!(depth < 64);
        let address = take_zeroed(buckets * BUCKET_BYTES, BUCKET_BYTES).as_ptr();
        debug_assert!(address.addr() & !(ADDRESS & !63) == 0);
        Segment(address.map_addr(|bits| bits | depth as usize | buckets << 48)).with_mark(mark)
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0.is_null()
    }

    #[inline(always)]
    pub fn buckets(self) -> usize {
        self.0.addr() >> 48 & 0xff
    }

    #[inline(always)]
    pub fn depth(self) -> u32 {
        (self.0.addr() & 63) as u32
    }

    /// The snapshot mark: equal to the keyspace's when nothing here is still to be encoded.
    #[inline(always)]
    pub fn mark(self) -> bool {
        self.0.addr() & MARK != 0
    }

    /// The same segment with another mark.
    pub fn with_mark(self, mark: bool) -> Segment {
        Segment(self.0.map_addr(|bits| if mark { bits | MARK } else { bits & !MARK }))
    }

    /// Its depth; none for no segment.
    #[inline(always)]
    pub fn depth_or_none(self) -> Option<u32> {
        if self.is_none() { None } else { Some(self.depth()) }
    }

    /// Memory of the segment, in size classes.
    pub fn memory(self) -> usize {
        if self.is_none() { 0 } else { size_class(self.buckets() * BUCKET_BYTES) }
    }

    #[inline(always)]
    fn bucket(self, bucket: usize) -> *mut Word {
        debug_assert!(bucket < self.buckets());
        let base = self.0.map_addr(|bits| bits & ADDRESS & !63).cast::<Word>();
        base.wrapping_add(bucket * BUCKET_WORDS)
    }

    #[inline(always)]
    fn read(self, bucket: usize, at: usize) -> Word {
        debug_assert!(at < BUCKET_WORDS);
        // SAFETY: the segment lives while its table does, and bucket and word lie within it.
        unsafe { self.bucket(bucket).add(at).read() }
    }

    #[inline(always)]
    fn write(self, bucket: usize, at: usize, word: Word) {
        debug_assert!(at < BUCKET_WORDS);
        // SAFETY: as in `read`; whoever changes a segment has borrowed its table exclusively.
        unsafe { self.bucket(bucket).add(at).write(word) }
    }

    /// The words of one bucket, empty ones included.
    #[inline]
    pub fn words(self, bucket: usize) -> [Word; BUCKET_WORDS] {
        // SAFETY: as in `read`; an array of words has the layout of a bucket.
        unsafe { self.bucket(bucket).cast::<[Word; BUCKET_WORDS]>().read() }
    }

    /// The words of one bucket, which is empty after it.
    pub fn take_words(self, bucket: usize) -> [Word; BUCKET_WORDS] {
        let words = self.words(bucket);
        (0..BUCKET_WORDS).for_each(|at| self.write(bucket, at, Word::EMPTY));
        words
    }

    /// Which words of a bucket have this tag (0: which are empty), a bit each.
    #[inline(always)]
    fn matches(self, bucket: usize, tag: u16) -> u32 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE2 is part of x86-64; a bucket is 64 readable bytes, aligned to 64.
        unsafe {
            use core::arch::x86_64::*;
            let words = self.bucket(bucket).cast::<__m128i>();
            // Keeps the high halves of two pairs of words, then their tags, sign-extended so that packing keeps them.
            let tags = |low: usize| {
                let pair = _mm_castsi128_ps(_mm_load_si128(words.add(low)));
                let next = _mm_castsi128_ps(_mm_load_si128(words.add(low + 1)));
                _mm_srai_epi32::<16>(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(pair, next)))
            };
            let tags = _mm_packs_epi32(tags(0), tags(2));
            let equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag as i16));
            _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) as u32
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let words = self.words(bucket);
            (0..BUCKET_WORDS).fold(0, |mask, at| mask | u32::from(words[at].tag() == tag) << at)
        }
    }

    #[inline(always)]
    fn reach(self, bucket: usize) -> usize {
        self.read(bucket, 6).reach_part() | self.read(bucket, 7).reach_part() << 2
    }

    fn set_reach(self, bucket: usize, reach: usize) {
        debug_assert!(reach <= REACH_MAX);
        for (at, part) in [(6, reach & 3), (7, reach >> 2)] {
            let word = self.read(bucket, at);
            if !word.is_empty() {
                self.write(bucket, at, word.with_reach_part(part));
            }
        }
    }

    #[inline(always)]
    fn step(self, bucket: usize, steps: usize) -> usize {
        // Steps are at most buckets - 1, so one subtraction is a modulo.
        let next = bucket + steps;
        if next >= self.buckets() { next - self.buckets() } else { next }
    }

    /// The place of the entry with this tag that `is` accepts.
    #[inline(always)]
    pub fn find(self, tag: u16, mut is: impl FnMut(Word) -> bool) -> Option<Place> {
        let home = home_of(tag, self.buckets());
        if let Some(place) = self.find_in(home, tag, &mut is) {
            return Some(place);
        }
        // A plain loop: an iterator over the inclusive range stays a call here, seen in profiles of GET.
        let (reach, mut steps) = (self.reach(home), 0);
        while steps < reach {
            steps += 1;
            if let Some(place) = self.find_in(self.step(home, steps), tag, &mut is) {
                return Some(place);
            }
        }
        None
    }

    #[inline(always)]
    fn find_in(self, bucket: usize, tag: u16, is: &mut impl FnMut(Word) -> bool) -> Option<Place> {
        let mut matches = self.matches(bucket, tag);
        while matches != 0 {
            let at = matches.trailing_zeros() as usize;
            if is(self.read(bucket, at)) {
                return Some(self.place(bucket, at));
            }
            matches &= matches - 1;
        }
        None
    }

    /// The place of a word.
    #[inline(always)]
    pub fn place(self, bucket: usize, at: usize) -> Place {
        // SAFETY: the bucket's address is that of a live allocation, so not null.
        Place(unsafe { NonNull::new_unchecked(self.bucket(bucket).wrapping_add(at)) })
    }

    /// Prefetches the home bucket of a tag.
    #[inline(always)]
    pub fn prefetch_bucket(self, tag: u16) {
        prefetch(self.bucket(home_of(tag, self.buckets())).cast());
    }

    /// Prefetches the first entry that matches a tag.
    #[inline(always)]
    pub fn prefetch_entry(self, tag: u16) {
        let home = home_of(tag, self.buckets());
        let matches = self.matches(home, tag);
        if matches != 0 {
            return self.read(home, matches.trailing_zeros() as usize).entry().prefetch();
        }
        if self.reach(home) > 0 {
            let next = self.step(home, 1);
            let matches = self.matches(next, tag);
            if matches != 0 {
                self.read(next, matches.trailing_zeros() as usize).entry().prefetch();
            }
        }
    }

    /// Puts a word into the nearest empty place; `None` when there is none within reach.
    #[inline]
    pub fn insert(self, word: Word) -> Option<Place> {
        let buckets = self.buckets();
        let home = home_of(word.tag(), buckets);
        for steps in 0..=REACH_MAX.min(buckets - 1) {
            let bucket = self.step(home, steps);
            let empty = self.matches(bucket, 0);
            if empty != 0 {
                let at = empty.trailing_zeros() as usize;
                self.write(bucket, at, word.without_reach());
                if steps > 0 && steps > self.reach(home) {
                    self.set_reach(home, steps);
                }
                return Some(self.place(bucket, at));
            }
        }
        None
    }

    /// Takes the word at `place` out, and brings entries that lie away from home back.
    pub fn remove(self, place: Place) -> Word {
        let word = place.word();
        let (mut bucket, mut at) = self.position(place);
        // Each turn moves an entry nearer to its home, so this ends.
        loop {
            let reach = self.reach(bucket);
            let Some((from, from_at)) = self.away_from(bucket, reach) else {
                self.set_reach(bucket, 0);
                self.write(bucket, at, Word::EMPTY);
                return word;
            };
            let back = self.read(from, from_at).with_reach_of(self.read(bucket, at));
            self.write(bucket, at, back);
            (bucket, at) = (from, from_at);
        }
    }

    /// An entry whose home is `home` but that lies further on.
    fn away_from(self, home: usize, reach: usize) -> Option<(usize, usize)> {
        let buckets = self.buckets();
        for steps in 1..=reach {
            let bucket = self.step(home, steps);
            let words = self.words(bucket);
            let at = (0..BUCKET_WORDS)
                .find(|&at| !words[at].is_empty() && home_of(words[at].tag(), buckets) == home);
            if let Some(at) = at {
                return Some((bucket, at));
            }
        }
        None
    }

    fn position(self, place: Place) -> (usize, usize) {
        let index = (place.0.as_ptr().addr() - self.bucket(0).addr()) / size_of::<Word>();
        debug_assert!(index < self.buckets() * BUCKET_WORDS);
        (index / BUCKET_WORDS, index % BUCKET_WORDS)
    }

    /// True when the bucket of `place` and those after it are so empty that a count is worth its while.
    pub fn looks_empty_at(self, place: Place) -> bool {
        let (bucket, _) = self.position(place);
        let buckets = self.buckets();
        if self.matches(bucket, 0) != 0xff {
            return false;
        }
        // 8 buckets are looked at; under a third of their words in use is what the shrinking is for.
        let looked_at = buckets.min(8);
        let used: u32 = (0..looked_at)
            .map(|steps| BUCKET_WORDS as u32 - self.matches(self.step(bucket, steps), 0).count_ones())
            .sum();
        used as usize * 3 < looked_at * BUCKET_WORDS
    }

    /// All words that are not empty.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Word> {
        let buckets = if self.is_none() { 0 } else { self.buckets() };
        (0..buckets).flat_map(move |bucket| self.words(bucket)).filter(|word| !word.is_empty())
    }

    /// Visits the words whose home is `home`.
    pub fn visit_home(self, home: usize, mut visit: impl FnMut(Word)) {
        let buckets = self.buckets();
        for steps in 0..=self.reach(home) {
            for word in self.words(self.step(home, steps)) {
                if !word.is_empty() && home_of(word.tag(), buckets) == home {
                    visit(word);
                }
            }
        }
    }

    /// How many entries there are.
    pub fn count(self) -> usize {
        if self.is_none() {
            return 0;
        }
        let empty: u32 = (0..self.buckets()).map(|bucket| self.matches(bucket, 0).count_ones()).sum();
        self.buckets() * BUCKET_WORDS - empty as usize
    }

    /// A segment of at least `buckets` buckets with the given words; `None` when they do not fit the largest.
    pub fn build(words: &[Word], buckets: usize, depth: u32, mark: bool) -> Option<Segment> {
        let mut buckets = Some(buckets);
        while let Some(size) = buckets {
            let segment = Segment::new(size, depth, mark);
            if words.iter().all(|&word| segment.insert(word).is_some()) {
                return Some(segment);
            }
            segment.free_words();
            buckets = larger(size);
        }
        None
    }

    /// A segment of the same shape, whose words `map` gives: for a copy of each entry.
    pub fn copied(self, mut map: impl FnMut(Word) -> Word) -> Segment {
        let copy = Segment::new(self.buckets(), self.depth(), false);
        for bucket in 0..self.buckets() {
            // What the words of the next bucket lead to is on its way while those of this one are copied.
            if bucket + 1 < self.buckets() {
                self.words(bucket + 1)
                    .iter()
                    .filter(|word| !word.is_empty())
                    .for_each(|word| word.entry().prefetch());
            }
            for (at, word) in self.words(bucket).into_iter().enumerate() {
                if !word.is_empty() {
                    copy.write(bucket, at, map(word));
                }
            }
        }
        copy
    }

    /// Frees the words, not the entries.
    pub fn free_words(self) {
        if !self.is_none() {
            let address = self.0.map_addr(|bits| bits & ADDRESS & !63);
            // SAFETY: the address came from `take_zeroed` with this size and alignment; its table gives the segment up.
            unsafe {
                give_back(NonNull::new_unchecked(address), self.buckets() * BUCKET_BYTES, BUCKET_BYTES);
            }
        }
    }

    /// Panics where the module's invariant does not hold.
    #[cfg(test)]
    pub fn check(self) {
        let buckets = self.buckets();
        for bucket in 0..buckets {
            let words = self.words(bucket);
            let full = words.iter().all(|word| !word.is_empty());
            assert!(self.reach(bucket) == 0 || full);
            for word in words.iter().filter(|word| !word.is_empty()) {
                let home = home_of(word.tag(), buckets);
                let away = (bucket + buckets - home) % buckets;
                assert!(away <= self.reach(home));
                assert!(word.has_deadline() == word.entry().has_deadline());
            }
        }
    }
}
