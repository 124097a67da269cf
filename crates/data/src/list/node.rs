//! Node: neighbouring elements of a list in one allocation, encoded as in a listpack but without its header and end.
//!
//! ```text
//!   packed:    room | element element ... | room     both ends are open: a push writes into the room, a pop makes room
//!   plain:     one huge element as it is
//!   squeezed:  length u32 LE | elements, by LZF
//! ```
//!
//! Invariant: `bytes[start..]` of a packed node is `count` whole elements of a listpack. Eight bytes of room at the front
//! are left alone where that costs nothing: a list of one node has its lengths there.

use crate::flat::Shape;
use crate::listpack::{HEADER, Malformed, back_length, check, decode, encoding};
use crate::memory::size_class;
use crate::value::{StrRef, integer_of};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use base::lzf;
use core::ops::{ControlFlow, Range};

/// In `start`: a plain node.
const PLAIN: u32 = u32::MAX;
/// In `start`: a squeezed node.
const SQUEEZED: u32 = u32::MAX - 1;
/// 7: bytes that a listpack has beside its elements.
const LISTPACK_FRAME: usize = 7;
/// 48: bytes of a node that are worth an attempt to squeeze them (the original's choice).
const SQUEEZE_BYTES_MIN: usize = 48;
/// 8: bytes that squeezing must save (the original's choice).
const SQUEEZE_GAIN_MIN: usize = 8;
/// 64: memory that is kept though most of it is unused.
const KEPT_BYTES: usize = 64;

/// 8: bytes at the front that are left for a list of one node.
const HEAD: usize = 8;
/// 32 KiB: a larger node has no place in a list's own word. The lengths there have 16 bits.
const FLAT_BYTES_MAX: usize = 1 << 15;

/// The lone packed node of a small list. Its first eight bytes: capacity, length, start and count, 16 bits each.
#[derive(Debug)]
pub(super) struct Lone;

impl Shape for Lone {
    #[inline]
    fn extent(head: [u8; 8]) -> (usize, usize) {
        let [capacity, len, ..] = words(head);
        (len, capacity)
    }
}

fn words(head: [u8; 8]) -> [usize; 4] {
    let word = |at: usize| usize::from(u16::from_le_bytes([head[2 * at], head[2 * at + 1]]));
    [word(0), word(1), word(2), word(3)]
}

/// Elements, to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    pub bytes: &'a [u8],
    pub count: usize,
}

impl<'a> Elements<'a> {
    /// Those of a lone node's bytes.
    #[inline]
    pub(super) fn of_lone(bytes: &'a [u8]) -> Elements<'a> {
        let Some(head) = bytes.first_chunk() else { return Elements { bytes: &[], count: 0 } };
        let [_, _, start, count] = words(*head);
        Elements { bytes: &bytes[start..], count }
    }

    /// Visits them from an end on, after `skip` of them.
    #[inline]
    pub(super) fn visit<B>(
        self,
        from: End,
        skip: usize,
        mut each: impl FnMut(StrRef<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut rest = self.bytes;
        // The shorter way to the first one.
        if skip > 0 {
            let (front, back) =
                if from == End::Front { (skip, self.count - skip) } else { (self.count - skip, skip) };
            let at = offset(rest, front, back);
            rest = if from == End::Front { &rest[at..] } else { &rest[..at] };
        }
        match from {
            End::Front => {
                while let Some((element, len)) = first(rest) {
                    rest = &rest[len..];
                    each(element)?;
                }
            }
            End::Back => {
                while let Some((element, len)) = last(rest) {
                    rest = &rest[..rest.len() - len];
                    each(element)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    bytes: Vec<u8>,
    /// Where the elements start, or what the node is else.
    start: u32,
    count: u32,
    /// Its number for a snapshot under way; 0: none.
    pub(super) number: u32,
}

/// Which elements of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// From the first one on.
    Front,
    /// From the last one back.
    Back,
}

impl Node {
    /// A node of one element.
    pub(super) fn of(text: &[u8], is_plain: bool) -> Node {
        if is_plain {
            let mut bytes = Vec::with_capacity(size_class(text.len()));
            bytes.extend_from_slice(text);
            return Node { bytes, start: PLAIN, count: 1, number: 0 };
        }
        let mut node = Node::default();
        node.push(End::Back, text);
        node
    }

    /// A node out of a whole listpack, which is checked. It keeps the allocation.
    pub(super) fn of_listpack(mut bytes: Vec<u8>) -> Result<Node, Malformed> {
        let count = check(&bytes)?;
        bytes.pop();
        Ok(Node {
            bytes,
            start: HEADER as u32,
            count: u32::try_from(count).map_err(|_| Malformed)?,
            number: 0,
        })
    }

    /// The lone node of a small list.
    #[inline]
    pub(super) fn of_lone(bytes: Vec<u8>) -> Node {
        let [_, _, start, count] = bytes.first_chunk().map_or([0; 4], |head| words(*head));
        Node { bytes, start: start as u32, count: count as u32, number: 0 }
    }

    /// True when it may be the lone node of a small list.
    #[inline]
    pub(super) fn may_be_lone(&self) -> bool {
        !self.is_plain() && !self.is_squeezed() && self.bytes.capacity() <= FLAT_BYTES_MAX - HEAD
    }

    /// Its bytes as those of a small list.
    #[inline]
    pub(super) fn into_lone(mut self) -> Vec<u8> {
        if (self.start as usize) < HEAD {
            self.refit(size_class(HEAD + self.used()), HEAD);
        }
        let word = |value: usize| u16::try_from(value).expect("a lone node is below 64 KiB").to_le_bytes();
        let words = [self.bytes.capacity(), self.bytes.len(), self.start as usize, self.len()].map(word);
        self.bytes[..HEAD].copy_from_slice(words.as_flattened());
        self.bytes
    }

    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn is_plain(&self) -> bool {
        self.start == PLAIN
    }

    pub(super) fn is_squeezed(&self) -> bool {
        self.start == SQUEEZED
    }

    /// Its memory in size classes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_class(self.bytes.capacity())
    }

    /// Bytes of the listpack that it stands for.
    pub(super) fn listpack_len(&self) -> usize {
        if self.is_squeezed() { self.squeezed_len() + LISTPACK_FRAME } else { self.used() + LISTPACK_FRAME }
    }

    fn used(&self) -> usize {
        if self.is_plain() { self.bytes.len() } else { self.bytes.len() - self.start as usize }
    }

    fn squeezed_len(&self) -> usize {
        u32::from_le_bytes(self.bytes[..4].try_into().expect("a squeezed node begins with its length"))
            as usize
    }

    /// The elements of a packed or squeezed node.
    pub(super) fn elements(&self) -> Cow<'_, [u8]> {
        match self.start {
            PLAIN => unreachable!("a plain node has no encoded elements"),
            SQUEEZED => Cow::Owned(self.unsqueezed()),
            start => Cow::Borrowed(&self.bytes[start as usize..]),
        }
    }

    /// The element of a plain node.
    pub(super) fn plain(&self) -> Option<&[u8]> {
        self.is_plain().then_some(&*self.bytes)
    }

    // ----- squeezing

    fn unsqueezed(&self) -> Vec<u8> {
        lzf::unpack(&self.bytes[4..], self.squeezed_len() as u64)
            .expect("what was squeezed here comes out again")
    }

    /// Makes a squeezed node a packed one.
    pub(super) fn open(&mut self) {
        if self.is_squeezed() {
            self.bytes = self.unsqueezed();
            self.start = 0;
        }
    }

    /// Squeezes a packed node where that pays.
    pub(super) fn squeeze(&mut self) {
        if self.is_plain() || self.is_squeezed() || self.listpack_len() < SQUEEZE_BYTES_MIN {
            return;
        }
        let elements = &self.bytes[self.start as usize..];
        let Ok(len) = u32::try_from(elements.len()) else { return };
        let mut out = Vec::new();
        out.extend_from_slice(&len.to_le_bytes());
        if lzf::pack(elements, elements.len().saturating_sub(SQUEEZE_GAIN_MIN), &mut out).is_some() {
            out.shrink_to_fit();
            self.bytes = out;
            self.start = SQUEEZED;
        }
    }

    // ----- the ends of a packed node

    /// Puts an element at an end.
    #[inline]
    pub(super) fn push(&mut self, end: End, text: &[u8]) {
        let (prefix, prefix_len, payload) = encoding(text);
        let body_len = prefix_len + payload.len();
        let (back, back_len) = back_length(body_len);
        let len = body_len + back_len;
        self.count += 1;
        match end {
            End::Back => {
                if self.bytes.capacity() - self.bytes.len() < len {
                    self.make_room(End::Back, len);
                }
                self.bytes.extend_from_slice(&prefix[..prefix_len]);
                self.bytes.extend_from_slice(payload);
                self.bytes.extend_from_slice(&back[..back_len]);
            }
            End::Front => {
                if (self.start as usize) < HEAD + len {
                    self.make_room(End::Front, len);
                }
                let start = self.start as usize - len;
                let target = &mut self.bytes[start..start + len];
                target[..prefix_len].copy_from_slice(&prefix[..prefix_len]);
                target[prefix_len..body_len].copy_from_slice(payload);
                target[body_len..].copy_from_slice(&back[..back_len]);
                self.start = start as u32;
            }
        }
    }

    /// The element at an end, and its length in bytes.
    #[inline]
    pub(super) fn end(&self, end: End) -> Option<(StrRef<'_>, usize)> {
        if self.count == 0 {
            return None;
        }
        if self.is_plain() {
            return Some((StrRef::Bytes(&self.bytes), self.bytes.len()));
        }
        let elements = &self.bytes[self.start as usize..];
        match end {
            End::Front => first(elements),
            End::Back => last(elements),
        }
    }

    /// Drops the element at an end, whose length `end` said.
    #[inline]
    pub(super) fn drop_end(&mut self, end: End, len: usize) {
        self.count -= 1;
        if self.is_plain() {
            *self = Node::default();
            return;
        }
        match end {
            End::Front => self.start += len as u32,
            End::Back => self.bytes.truncate(self.bytes.len() - len),
        }
        self.tighten();
    }

    /// Has at least `len` bytes of room at an end.
    #[cold]
    fn make_room(&mut self, end: End, len: usize) {
        let used = self.used();
        let needed = HEAD + used + len;
        let capacity = self.bytes.capacity();
        if needed <= capacity {
            // The room at the other end is shared: pushes to both ends in turn shall not move all each time.
            let share = (capacity - needed) / 2;
            let start = HEAD + if end == End::Front { len + share } else { share };
            let old = self.start as usize;
            if start > old {
                self.bytes.resize(start + used, 0);
            }
            self.bytes.copy_within(old..old + used, start);
            self.bytes.truncate(start + used);
            self.start = u32::try_from(start).expect("a node is far below 4 GiB");
            return;
        }
        let capacity = size_class(needed);
        self.refit(capacity, if end == End::Front { capacity - used } else { HEAD });
    }

    /// Gives memory back when most of it is unused.
    fn tighten(&mut self) {
        let (used, capacity) = (HEAD + self.used(), self.bytes.capacity());
        if capacity > KEPT_BYTES && used * 2 < capacity {
            self.refit(size_class(used), HEAD);
        }
    }

    /// Takes another allocation, with so much room before the elements.
    fn refit(&mut self, capacity: usize, start: usize) {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(start, 0);
        bytes.extend_from_slice(&self.bytes[self.start as usize..]);
        self.bytes = bytes;
        self.start = u32::try_from(start).expect("a node is far below 4 GiB");
    }

    // ----- the middle

    /// Visits the elements from an end on, after `skip` of them.
    #[inline]
    pub(super) fn visit<B>(
        &self,
        from: End,
        skip: usize,
        mut each: impl FnMut(StrRef<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if self.is_plain() {
            return if skip == 0 { each(StrRef::Bytes(&self.bytes)) } else { ControlFlow::Continue(()) };
        }
        let elements = self.elements();
        Elements { bytes: &elements, count: self.len() }.visit(from, skip, each)
    }

    /// Where element number `index` of a packed node starts, in `bytes`.
    fn offset_of(&self, index: usize) -> usize {
        let start = self.start as usize;
        start + offset(&self.bytes[start..], index, self.len() - index)
    }

    /// Puts an element before number `index` of a packed node.
    pub(super) fn insert(&mut self, index: usize, text: &[u8]) {
        let at = self.offset_of(index);
        self.splice(at..at, text);
        self.count += 1;
    }

    /// Replaces element number `index` of a packed node.
    pub(super) fn replace(&mut self, index: usize, text: &[u8]) {
        let at = self.offset_of(index);
        let (_, len) = first(&self.bytes[at..]).expect("there is an element at an index below the count");
        self.splice(at..at + len, text);
    }

    /// Length of element number `index` of a packed node.
    pub(super) fn len_of(&self, index: usize) -> usize {
        first(&self.bytes[self.offset_of(index)..]).map_or(0, |(_, len)| len)
    }

    fn splice(&mut self, old: Range<usize>, text: &[u8]) {
        let (prefix, prefix_len, payload) = encoding(text);
        let (back, back_len) = back_length(prefix_len + payload.len());
        let len = prefix_len + payload.len() + back_len;
        let start = self.start as usize;
        let (from, to) = (old.start - start, old.end - start);
        if len > to - from && self.bytes.capacity() - self.bytes.len() < len {
            self.make_room(End::Back, len);
        }
        let start = self.start as usize;
        let (from, to, end) = (start + from, start + to, self.bytes.len());
        if from + len > to {
            self.bytes.resize(end + len - (to - from), 0);
        }
        self.bytes.copy_within(to..end, from + len);
        self.bytes.truncate(end + len - (to - from));
        let target = &mut self.bytes[from..from + len];
        target[..prefix_len].copy_from_slice(&prefix[..prefix_len]);
        target[prefix_len..prefix_len + payload.len()].copy_from_slice(payload);
        target[prefix_len + payload.len()..].copy_from_slice(&back[..back_len]);
        self.tighten();
    }

    /// Removes `count` elements of a packed node from number `index` on.
    pub(super) fn cut(&mut self, index: usize, count: usize) {
        let (from, to) = (self.offset_of(index), self.offset_of(index + count));
        if from == self.start as usize {
            self.start = to as u32;
        } else {
            self.bytes.drain(from..to);
        }
        self.count -= count as u32;
        self.tighten();
    }

    /// Takes the elements of a packed node from number `index` on.
    pub(super) fn split_off(&mut self, index: usize) -> Node {
        let at = self.offset_of(index);
        let mut bytes = Vec::with_capacity(size_class(HEAD + self.bytes.len() - at));
        bytes.resize(HEAD, 0);
        bytes.extend_from_slice(&self.bytes[at..]);
        let right = Node { bytes, start: HEAD as u32, count: self.count - index as u32, number: 0 };
        self.bytes.truncate(at);
        self.count = index as u32;
        self.tighten();
        right
    }

    /// Puts the elements of another packed node behind.
    pub(super) fn append(&mut self, other: &Node) {
        let more = &other.bytes[other.start as usize..];
        if self.bytes.capacity() - self.bytes.len() < more.len() {
            self.make_room(End::Back, more.len());
        }
        self.bytes.extend_from_slice(more);
        self.count += other.count;
    }

    /// Removes up to `count` elements that equal `text` from a packed node, from an end on. Returns how many.
    pub(super) fn remove_equal(&mut self, text: &[u8], from: End, count: usize) -> usize {
        let wanted = Wanted::new(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        let (start, end) = (self.start as usize, self.bytes.len());
        let (mut front, mut back) = (start, end);
        while front < back && found.len() < count {
            let (element, range) = match from {
                End::Front => {
                    let Some((element, len)) = first(&self.bytes[front..back]) else { break };
                    front += len;
                    (element, front - len..front)
                }
                End::Back => {
                    let Some((element, len)) = last(&self.bytes[front..back]) else { break };
                    back -= len;
                    (element, back..back + len)
                }
            };
            if wanted.is(element) {
                found.push(range);
            }
        }
        if found.is_empty() {
            return 0;
        }
        if from == End::Back {
            found.reverse();
        }
        let mut kept = found[0].start;
        for (at, range) in found.iter().enumerate() {
            let next = found.get(at + 1).map_or(end, |next| next.start);
            self.bytes.copy_within(range.end..next, kept);
            kept += next - range.end;
        }
        self.bytes.truncate(kept);
        self.count -= found.len() as u32;
        self.tighten();
        found.len()
    }
}

/// An element that is looked for.
pub(super) struct Wanted<'a> {
    text: &'a [u8],
    number: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(text: &'a [u8]) -> Wanted<'a> {
        Wanted { text, number: integer_of(text) }
    }

    #[inline]
    pub(super) fn is(&self, element: StrRef<'_>) -> bool {
        match element {
            StrRef::Bytes(bytes) => bytes == self.text,
            StrRef::Int(number) => Some(number) == self.number,
        }
    }
}

/// The first of some elements, and its whole length.
#[inline(always)]
fn first(elements: &[u8]) -> Option<(StrRef<'_>, usize)> {
    // Short strings are what most lists are made of.
    if let [head @ 0x80..=0xbf, tail @ ..] = elements {
        let len = usize::from(head & 0x3f);
        return Some((StrRef::Bytes(tail.get(..len)?), len + 2));
    }
    let (element, body_len) = decode(elements)?;
    Some((element, body_len + back_length(body_len).1))
}

/// The last of some elements, and its whole length.
#[inline]
fn last(elements: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let (mut body_len, mut back_len) = (0_usize, 0);
    // The least significant group stands last; the first group has no top bit.
    loop {
        let byte = *elements.get(elements.len().checked_sub(back_len + 1)?)?;
        body_len |= usize::from(byte & 0x7f) << (7 * back_len);
        back_len += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let len = body_len + back_len;
    let (element, _) = decode(&elements[elements.len() - len..])?;
    Some((element, len))
}

/// Where the element begins that has `front` others before it and `back`, itself included, behind: the shorter way.
fn offset(elements: &[u8], front: usize, back: usize) -> usize {
    if front <= back {
        let mut at = 0;
        for _ in 0..front {
            at += first(&elements[at..]).expect("the count is that of the elements").1;
        }
        return at;
    }
    let mut at = elements.len();
    for _ in 0..back {
        at -= last(&elements[..at]).expect("the count is that of the elements").1;
    }
    at
}
