//! List: elements in an order, with both ends open.
//!
//! A small list is one node of neighbouring elements in one allocation, a large one a row of such nodes. Pushes and pops touch
//! the node at their end alone; whoever looks for an index skips whole nodes by their counts, from the nearer end. With
//! `list-compress-depth` the nodes farther from both ends are squeezed; they are opened when they are changed.

mod node;
#[cfg(test)]
mod tests;
mod watch;

pub use node::End;

use crate::collection::Collection;
use crate::flat::{Body, Form};
use crate::listpack::Malformed;
use crate::memory::size_class;
use crate::value::{Encoding, Kind, StrRef, ValueRef};
use crate::watch::Slot;
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use node::{Elements, Lone, Node, Wanted};

/// How large the nodes of a list become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// `list-max-listpack-size`: elements of a node; below zero a size of it: -1 is 4 KiB, -5 is 64 KiB.
    pub fill: i64,
    /// `list-compress-depth`: nodes at each end that are not squeezed; 0: none is.
    pub compress_depth: usize,
    /// An element of so many bytes lies in a node of its own, as it is.
    pub plain_bytes: usize,
}

impl ListLimits {
    /// 1 GiB: the original's bound of a plain element, while DEBUG does not set another.
    pub const PLAIN_BYTES_USUAL: usize = 1 << 30;
    /// 8 KiB: a node that is bounded by its elements becomes no larger (the original's choice).
    const COUNTED_BYTES_MAX: usize = 8_192;
    /// 8: what an element may take beside its text (the original's estimate).
    const OVERHEAD: usize = 8;

    /// True when one more element of `text_len` bytes fits a node of `count` elements and `len` bytes.
    #[inline]
    fn fits(&self, len: usize, count: usize, text_len: usize) -> bool {
        let new_len = len + text_len + ListLimits::OVERHEAD;
        match self.fill {
            0.. => count < self.fill as usize && new_len <= ListLimits::COUNTED_BYTES_MAX,
            // -1 is 4 KiB, -2 is 8 KiB ...
            fill => new_len <= 2_048 << fill.unsigned_abs().min(5),
        }
    }
}

impl Default for ListLimits {
    /// 8 KiB, nothing squeezed: the defaults of Redis.
    fn default() -> ListLimits {
        ListLimits { fill: -2, compress_depth: 0, plain_bytes: ListLimits::PLAIN_BYTES_USUAL }
    }
}

/// 4: what a node counts in allocations when it is freed; it has some KiB.
const NODE_EFFORT: usize = 4;

/// A list value: one word, of a packed node or of a row.
#[derive(Debug)]
pub struct List {
    body: Body<Lone, Row>,
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl Clone for List {
    fn clone(&self) -> List {
        List {
            body: match self.body.form() {
                Form::Small(bytes) => self.body.copy_of_small(bytes),
                Form::Large(row) => Body::large(row.clone()),
            },
        }
    }
}

/// The node of a small list, while it is changed. It becomes the list again when this is dropped.
struct Opened<'a> {
    node: Node,
    home: &'a mut Body<Lone, Row>,
}

impl core::ops::Deref for Opened<'_> {
    type Target = Node;
    fn deref(&self) -> &Node {
        &self.node
    }
}

impl core::ops::DerefMut for Opened<'_> {
    fn deref_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

impl Drop for Opened<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.home = body_of(core::mem::take(&mut self.node));
    }
}

/// A list of one node.
#[inline]
fn body_of(node: Node) -> Body<Lone, Row> {
    if node.len() == 0 {
        return Body::EMPTY;
    }
    if node.may_be_lone() {
        return Body::small(node.into_lone());
    }
    let mut row = Row::default();
    row.insert(0, node);
    Body::large(row)
}

/// A row of nodes. Invariant: `len` and `memory` are the sums over `nodes`, none of which is empty.
#[derive(Clone, Debug, Default)]
struct Row {
    nodes: VecDeque<Node>,
    len: usize,
    memory: usize,
    watch: Slot<watch::Watch>,
}

/// A node as a dump has it.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// One element as it is.
    Plain(&'a [u8]),
    /// So many elements, as the middle of a listpack.
    Packed(Cow<'a, [u8]>, usize),
}

impl Chunk<'_> {
    /// Visits its elements, the first one first.
    pub fn visit(&self, mut each: impl FnMut(StrRef<'_>)) {
        match self {
            Chunk::Plain(text) => each(StrRef::Bytes(text)),
            Chunk::Packed(bytes, count) => {
                let elements = Elements { bytes, count: *count };
                let _: ControlFlow<()> = elements.visit(End::Front, 0, |element| {
                    each(element);
                    ControlFlow::Continue(())
                });
            }
        }
    }
}

impl List {
    /// An empty one.
    pub fn new() -> List {
        List { body: Body::EMPTY }
    }

    /// How many elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self.body.form() {
            Form::Small(bytes) => Elements::of_lone(bytes).count,
            Form::Large(row) => row.len,
        }
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node of a small list, to change.
    #[inline]
    fn small_mut(&mut self) -> Option<Opened<'_>> {
        if self.body.large_mut().is_some() {
            return None;
        }
        let node = self.body.take_small().map_or_else(Node::default, Node::of_lone);
        Some(Opened { node, home: &mut self.body })
    }

    // ----- the ends

    /// Puts an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &ListLimits) {
        let is_plain = text.len() >= limits.plain_bytes;
        if let Some(mut node) = self.small_mut() {
            if takes(&node, text, limits) {
                return node.push(end, text);
            }
            if node.len() == 0 {
                *node = Node::of(text, is_plain);
                return;
            }
        }
        let row = self.row();
        row.before_end(end);
        let at = if end == End::Front { row.nodes.front_mut() } else { row.nodes.back_mut() };
        if let Some(node) = at {
            let before = node.memory_bytes();
            node.open();
            let is_taken = takes(node, text, limits);
            if is_taken {
                node.push(end, text);
            }
            row.memory = row.memory - before + node.memory_bytes();
            if is_taken {
                row.len += 1;
                return;
            }
        }
        let at = if end == End::Front { 0 } else { row.nodes.len() };
        row.insert(at, Node::of(text, is_plain));
        row.settle(limits.compress_depth, at);
    }

    /// Takes the element at an end, after a look at it.
    #[inline]
    pub fn pop<R>(&mut self, end: End, limits: &ListLimits, look: impl FnOnce(StrRef<'_>) -> R) -> Option<R> {
        if let Some(mut node) = self.small_mut() {
            return pop_of(&mut node, end, look);
        }
        let row = self.body.large_mut()?;
        row.before_end(end);
        let node = if end == End::Front { row.nodes.front_mut() } else { row.nodes.back_mut() }?;
        let before = node.memory_bytes();
        node.open();
        let result = pop_of(node, end, look);
        row.memory = row.memory - before + node.memory_bytes();
        row.len -= 1;
        if node.len() == 0 {
            let at = if end == End::Front { 0 } else { row.nodes.len() - 1 };
            row.remove(at..at + 1);
            row.settle(limits.compress_depth, at);
            self.shrink(limits);
        }
        result
    }

    // ----- reading

    /// Visits the elements from an end on, after `skip` of them, until `each` breaks.
    #[inline]
    pub fn visit<B>(
        &self,
        from: End,
        mut skip: usize,
        mut each: impl FnMut(StrRef<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let row = match self.body.form() {
            Form::Small(bytes) => {
                let elements = Elements::of_lone(bytes);
                let is_there = skip < elements.count;
                return if is_there { elements.visit(from, skip, each) } else { ControlFlow::Continue(()) };
            }
            Form::Large(row) => row,
        };
        let mut at = if skip == 0 {
            0
        } else if skip >= row.len {
            return ControlFlow::Continue(());
        } else {
            let (node, inside) = row.find(if from == End::Front { skip } else { row.len - 1 - skip });
            if from == End::Front {
                skip = inside;
                node
            } else {
                skip = row.nodes[node].len() - 1 - inside;
                row.nodes.len() - 1 - node
            }
        };
        while at < row.nodes.len() {
            let node = if from == End::Front { &row.nodes[at] } else { &row.nodes[row.nodes.len() - 1 - at] };
            node.visit(from, skip, &mut each)?;
            skip = 0;
            at += 1;
        }
        ControlFlow::Continue(())
    }

    /// Visits `count` elements from number `index` on.
    #[inline]
    pub fn range(&self, index: usize, count: usize, mut each: impl FnMut(StrRef<'_>)) {
        let mut left = count;
        if left == 0 {
            return;
        }
        let _: ControlFlow<()> = self.visit(End::Front, index, |element| {
            each(element);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// A look at element number `index`.
    pub fn get<R>(&self, index: usize, look: impl FnOnce(StrRef<'_>) -> R) -> Option<R> {
        let mut look = Some(look);
        let found = self
            .visit(End::Front, index, |element| ControlFlow::Break(look.take().map(|look| look(element))));
        found.break_value().flatten()
    }

    /// Visits the index of each element that equals `text`, from an end on, until `each` breaks. Looks at `most`
    /// elements.
    pub fn find(&self, text: &[u8], from: End, most: usize, mut each: impl FnMut(usize) -> ControlFlow<()>) {
        let wanted = Wanted::new(text);
        let (len, mut seen) = (self.len(), 0);
        let _: ControlFlow<()> = self.visit(from, 0, |element| {
            if seen == most {
                return ControlFlow::Break(());
            }
            seen += 1;
            if wanted.is(element) {
                each(if from == End::Front { seen - 1 } else { len - seen })?;
            }
            ControlFlow::Continue(())
        });
    }

    /// True when it is one packed node within `limits`: what newer servers call a listpack.
    pub fn is_packed(&self, limits: &ListLimits) -> bool {
        match self.body.form() {
            // The last element's 8 bytes of the estimate count no more.
            Form::Small(bytes) => {
                let Elements { bytes, count } = Elements::of_lone(bytes);
                limits.fits(bytes.len().saturating_sub(ListLimits::OVERHEAD), count.saturating_sub(1), 0)
            }
            // What lies on its own because DEBUG says so would fit a packed node.
            Form::Large(row) => row.is_set_apart() && row.would_fit(limits),
        }
    }

    /// The nodes, as a dump has them.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = Chunk<'_>> {
        let (small, (front, back)) = match self.body.form() {
            Form::Small(bytes) => (Some(Elements::of_lone(bytes)), Default::default()),
            Form::Large(row) => (None, row.nodes.as_slices()),
        };
        let count = usize::from(small.is_some()) + front.len() + back.len();
        (0..count).map(move |at| {
            if let Some(elements) = small {
                return Chunk::Packed(Cow::Borrowed(elements.bytes), elements.count);
            }
            let node = front.get(at).unwrap_or_else(|| &back[at - front.len()]);
            chunk(node)
        })
    }

    // ----- the middle

    /// Replaces element number `index`, which is there.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &ListLimits) {
        if let Some(mut node) = self.small_mut()
            && may_replace(&node, index, text, limits)
        {
            return node.replace(index, text);
        }
        let row = self.row();
        let (at, inside) = row.find(index);
        let is_done = row.change(at, |node| {
            let is_fit = may_replace(node, inside, text, limits);
            if is_fit {
                node.replace(inside, text);
            }
            is_fit
        });
        if is_done {
            row.settle(limits.compress_depth, at);
        } else if row.nodes[at].len() == 1 {
            row.change(at, |node| *node = Node::of(text, text.len() >= limits.plain_bytes));
            row.settle(limits.compress_depth, at);
        } else {
            row.change(at, |node| node.cut(inside, 1));
            row.len -= 1;
            self.insert(index, text, limits);
        }
        self.shrink(limits);
    }

    /// Puts an element before number `index`; at the end if there is none of that number.
    pub fn insert(&mut self, index: usize, text: &[u8], limits: &ListLimits) {
        if index == 0 || index >= self.len() {
            return self.push(if index == 0 { End::Front } else { End::Back }, text, limits);
        }
        if let Some(mut node) = self.small_mut()
            && takes(&node, text, limits)
        {
            return node.insert(index, text);
        }
        self.row().insert_element(index, text, limits);
    }

    /// Removes `count` elements from number `index` on: as many as there are.
    pub fn remove(&mut self, index: usize, count: usize, limits: &ListLimits) {
        let count = count.min(self.len().saturating_sub(index));
        if count == 0 {
            return;
        }
        if let Some(mut node) = self.small_mut() {
            if count == node.len() {
                *node = Node::default();
            } else {
                node.cut(index, count);
            }
            return;
        }
        let row = self.row();
        row.remove_elements(index, count, limits);
        row.settle(limits.compress_depth, row.nodes.len());
        self.shrink(limits);
    }

    /// Removes up to `count` elements that equal `text`, from an end on. Returns how many.
    pub fn remove_equal(&mut self, text: &[u8], from: End, count: usize, limits: &ListLimits) -> usize {
        if let Some(mut node) = self.small_mut() {
            return node.remove_equal(text, from, count);
        }
        let row = self.row();
        let removed = row.remove_equal(text, from, count);
        if removed > 0 {
            row.settle(limits.compress_depth, row.nodes.len());
            self.shrink(limits);
        }
        removed
    }

    // ----- making one out of a dump

    /// Puts the elements of a listpack, which is checked, at the end.
    ///
    /// # Errors
    /// When the bytes are no listpack.
    pub fn push_listpack(&mut self, bytes: Vec<u8>, limits: &ListLimits) -> Result<(), Malformed> {
        let node = Node::of_listpack(bytes)?;
        if node.len() == 0 {
            return Ok(());
        }
        if self.is_empty() {
            self.body = body_of(node);
            return Ok(());
        }
        let row = self.row();
        let at = row.nodes.len();
        row.insert(at, node);
        row.settle(limits.compress_depth, at);
        Ok(())
    }

    /// The list as a row of nodes.
    fn row(&mut self) -> &mut Row {
        if self.body.large_mut().is_none() {
            let mut row = Row::default();
            if let Some(bytes) = self.body.take_small() {
                row.insert(0, Node::of_lone(bytes));
            }
            self.body = Body::large(row);
        }
        self.body.large_mut().expect("it was made a row above")
    }

    /// A row of one node that is not full becomes that node.
    fn shrink(&mut self, limits: &ListLimits) {
        let Some(row) = self.body.large_mut().filter(|row| row.watch.0.is_none()) else { return };
        let is_small = match row.nodes.front() {
            None => true,
            // Half full: the next few pushes shall not make it a row again.
            Some(node) => row.nodes.len() == 1 && limits.fits(node.listpack_len() * 2, node.len() * 2, 0),
        };
        if is_small {
            let mut node = row.nodes.pop_front().unwrap_or_default();
            node.open();
            self.body = body_of(node);
        }
    }
}

fn chunk(node: &Node) -> Chunk<'_> {
    match node.plain() {
        Some(text) => Chunk::Plain(text),
        None => Chunk::Packed(node.elements(), node.len()),
    }
}

/// True when a packed node may take one more element.
#[inline]
fn takes(node: &Node, text: &[u8], limits: &ListLimits) -> bool {
    let is_plain = text.len() >= limits.plain_bytes || node.is_plain();
    !is_plain && (node.len() == 0 || limits.fits(node.listpack_len(), node.len(), text.len()))
}

/// True when an element of a packed node may be replaced where it is.
fn may_replace(node: &Node, index: usize, text: &[u8], limits: &ListLimits) -> bool {
    if node.is_plain() || text.len() >= limits.plain_bytes {
        return false;
    }
    let old_len = node.len_of(index);
    node.len() == 1
        || text.len() + ListLimits::OVERHEAD <= old_len
        || limits.fits(node.listpack_len() - old_len, node.len() - 1, text.len())
}

#[inline]
fn pop_of<R>(node: &mut Node, end: End, look: impl FnOnce(StrRef<'_>) -> R) -> Option<R> {
    let (element, len) = node.end(end)?;
    let result = look(element);
    node.drop_end(end, len);
    Some(result)
}

impl Row {
    /// The node of element number `index`, which is there, and its number in it.
    fn find(&self, index: usize) -> (usize, usize) {
        if index <= self.len / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.len() {
                    return (at, left);
                }
                left -= node.len();
            }
        } else {
            let mut first = self.len;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                first -= node.len();
                if index >= first {
                    return (at, index - first);
                }
            }
        }
        unreachable!("an index below the length has a node")
    }

    /// Puts a node before number `at`.
    fn insert(&mut self, at: usize, node: Node) {
        self.len += node.len();
        self.memory += node.memory_bytes();
        self.nodes.insert(at, node);
    }

    /// As `before`, for the node at an end.
    #[inline]
    /// True when elements lie on their own though they are not large.
    fn is_set_apart(&self) -> bool {
        self.nodes
            .iter()
            .take(2)
            .any(|node| node.plain().is_some_and(|text| text.len() < ListLimits::PLAIN_BYTES_USUAL))
    }

    /// True when one packed node of these limits could hold all elements.
    fn would_fit(&self, limits: &ListLimits) -> bool {
        let mut len = 0;
        for node in &self.nodes {
            len += node.plain().map_or_else(|| node.listpack_len(), |text| text.len() + 2);
            if !limits.fits(len.saturating_sub(ListLimits::OVERHEAD), self.len - 1, 0) {
                return false;
            }
        }
        true
    }

    fn before_end(&mut self, end: End) {
        if self.watch.0.is_some() {
            self.before(if end == End::Front { 0 } else { self.nodes.len().wrapping_sub(1) });
        }
    }

    /// Removes nodes; their elements are counted off, as far as they have some.
    fn remove(&mut self, range: core::ops::Range<usize>) {
        if self.watch.0.is_some() {
            range.clone().for_each(|at| self.before(at));
        }
        for node in self.nodes.drain(range) {
            self.len -= node.len();
            self.memory -= node.memory_bytes();
        }
        if self.nodes.capacity() > 32 && self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Changes a node, opened; the caller sees to `len`.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        self.before(at);
        let node = &mut self.nodes[at];
        let before = node.memory_bytes();
        node.open();
        let result = change(node);
        self.memory = self.memory - before + node.memory_bytes();
        result
    }

    fn squeeze(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let before = node.memory_bytes();
        node.squeeze();
        self.memory = self.memory - before + node.memory_bytes();
    }

    /// Has the nodes near the ends open, and those squeezed that a change, at node `changed` or of the number of nodes, has
    /// left open though they are far from both ends.
    fn settle(&mut self, depth: usize, changed: usize) {
        if depth == 0 {
            return;
        }
        let count = self.nodes.len();
        for at in 0..depth.min(count) {
            self.change(at, |_| ());
            self.change(count - 1 - at, |_| ());
        }
        // A change touches its node and the neighbours that it was split from or merged with.
        let near = changed.saturating_sub(2)..changed.saturating_add(3);
        for at in near.chain([depth, count.saturating_sub(depth + 1)]) {
            if at >= depth && at + depth < count {
                self.squeeze(at);
            }
        }
    }

    /// Puts an element before number `index`, which is neither the first nor behind the last.
    fn insert_element(&mut self, index: usize, text: &[u8], limits: &ListLimits) {
        let (mut at, inside) = self.find(index);
        let is_taken = self.change(at, |node| {
            let is_taken = takes(node, text, limits);
            if is_taken {
                node.insert(inside, text);
            }
            is_taken
        });
        let is_taken_before = !is_taken
            && inside == 0
            && at > 0
            && self.change(at - 1, |node| {
                let is_taken = takes(node, text, limits);
                if is_taken {
                    node.push(End::Back, text);
                }
                is_taken
            });
        if is_taken || is_taken_before {
            self.len += 1;
            return self.settle(limits.compress_depth, at);
        }
        if inside > 0 {
            let right = self.change(at, |node| node.split_off(inside));
            self.len -= right.len();
            at += 1;
            self.insert(at, right);
        }
        self.insert(at, Node::of(text, text.len() >= limits.plain_bytes));
        // The new node and the halves around it may fit one another, or their neighbours.
        let first = at.saturating_sub(2);
        for at in (first..(at + 2).min(self.nodes.len() - 1)).rev() {
            self.merge(at, limits);
        }
        self.settle(limits.compress_depth, at);
    }

    /// Makes a node and the next one a single one where they fit it.
    fn merge(&mut self, at: usize, limits: &ListLimits) {
        let (left, right) = (&self.nodes[at], &self.nodes[at + 1]);
        if left.is_plain() || right.is_plain() {
            return;
        }
        let (len, count) = (left.listpack_len() + right.listpack_len(), left.len() + right.len());
        // One more element is asked for than there is.
        if !limits.fits(len.saturating_sub(ListLimits::OVERHEAD), count - 1, 0) {
            return;
        }
        self.before(at + 1);
        let mut right = self.nodes.remove(at + 1).expect("there is a next node");
        self.memory -= right.memory_bytes();
        right.open();
        self.change(at, |node| node.append(&right));
    }

    /// Removes elements that are there.
    fn remove_elements(&mut self, index: usize, mut count: usize, limits: &ListLimits) {
        let (mut at, inside) = self.find(index);
        if inside > 0 || count < self.nodes[at].len() {
            let here = count.min(self.nodes[at].len() - inside);
            self.change(at, |node| node.cut(inside, here));
            self.len -= here;
            count -= here;
            at += 1;
        }
        let mut end = at;
        while end < self.nodes.len() && self.nodes[end].len() <= count {
            count -= self.nodes[end].len();
            end += 1;
        }
        self.remove(at..end);
        if count > 0 {
            self.change(at, |node| node.cut(0, count));
            self.len -= count;
        }
        // What is left at both sides may fit one node.
        if at > 0 && at < self.nodes.len() {
            self.merge(at - 1, limits);
        }
    }

    fn remove_equal(&mut self, text: &[u8], from: End, count: usize) -> usize {
        let wanted = Wanted::new(text);
        let mut removed = 0;
        let mut step = 0;
        while step < self.nodes.len() && removed < count {
            let at = if from == End::Front { step } else { self.nodes.len() - 1 - step };
            let has_some = self.nodes[at].visit(from, 0, |element| {
                if wanted.is(element) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if has_some.is_continue() {
                step += 1;
                continue;
            }
            if self.nodes[at].is_plain() {
                removed += 1;
                self.remove(at..at + 1);
                continue;
            }
            let was_squeezed = self.nodes[at].is_squeezed();
            let here = self.change(at, |node| node.remove_equal(text, from, count - removed));
            self.len -= here;
            removed += here;
            if self.nodes[at].len() == 0 {
                self.remove(at..at + 1);
                continue;
            }
            if was_squeezed {
                self.squeeze(at);
            }
            step += 1;
        }
        removed
    }
}

impl Collection for List {
    const KIND: Kind = Kind::List;

    fn of(value: ValueRef<'_>) -> Option<&List> {
        match value {
            ValueRef::List(value) => Some(value),
            _ => None,
        }
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        match self.body.form() {
            Form::Small(_) => self.body.small_bytes(),
            Form::Large(row) => {
                let nodes = row.memory + size_class(row.nodes.capacity() * size_of::<Node>());
                Body::<Lone, Row>::box_bytes() + nodes
            }
        }
    }

    /// As Redis 7.0 calls every list.
    fn encoding(&self) -> Encoding {
        Encoding::Quicklist
    }

    fn free_effort(&self) -> usize {
        match self.body.form() {
            Form::Small(_) => 1,
            Form::Large(row) => row.nodes.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        let Some(row) = self.body.large_mut() else { return false };
        while *budget > 0 {
            if row.nodes.pop_back().is_none() {
                return false;
            }
            *budget = budget.saturating_sub(NODE_EFFORT);
        }
        !row.nodes.is_empty()
    }
}
