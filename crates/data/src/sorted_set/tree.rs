//! Tree: the members of a large sorted set in order, a B+tree that knows its counts.
//!
//! ```text
//!   inner: (first item below, number of items below, node) ...     leaf: (score, member) ...
//! ```
//!
//! An item is a score with the member that holds it and its member; the entries belong to the set's table. The score stands
//! in the leaf as well: a search reads no member but where scores are equal. Leaves grow through the allocator's size
//! classes, so that nothing is paid for room that is not used.
//!
//! Invariant: every member in the tree lives in the table of the same set, and its score is the item's.

use super::member::Member;
use crate::memory::size_class;
use crate::node::Node as _;
use alloc::vec::Vec;
use core::mem;

/// 64: a kilobyte; a full one is moved in some 20 ns, and its search touches four cache lines.
const LEAF_MAX: usize = if cfg!(miri) { 8 } else { 64 };
/// 64: three levels hold a hundred thousand leaves.
const FANOUT_MAX: usize = if cfg!(miri) { 8 } else { 64 };
/// A node with fewer parts is merged with a neighbour.
const LEAF_MIN: usize = LEAF_MAX / 4;
const FANOUT_MIN: usize = FANOUT_MAX / 4;

/// A member's place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub score: f64,
    pub member: Member,
}

impl Item {
    /// The order of a sorted set: by score, then by the member's bytes.
    #[inline]
    pub fn is_before(self, other: Item) -> bool {
        if self.score == other.score {
            self.member != other.member && self.member.key() < other.member.key()
        } else {
            self.score < other.score
        }
    }
}

#[derive(Debug)]
struct Child {
    /// The first item below.
    first: Item,
    /// Items below.
    count: usize,
    node: Node,
}

impl Child {
    fn of(node: Node) -> Child {
        let first = node.first().expect("a node below another is never empty");
        Child { first, count: node.count(), node }
    }
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<Item>),
    Inner(Vec<Child>),
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    /// Memory of all nodes, in size classes.
    bytes: usize,
}

/// Memory of a vector's buffer.
fn memory_of<T>(parts: &Vec<T>) -> usize {
    size_class(parts.capacity() * size_of::<T>())
}

/// Makes room for one more: the next size class.
fn make_room<T>(parts: &mut Vec<T>, bytes: &mut usize) {
    if parts.len() == parts.capacity() {
        *bytes -= memory_of(parts);
        let wanted = size_class((parts.len() + 1) * size_of::<T>()) / size_of::<T>();
        parts.reserve_exact(wanted - parts.len());
        *bytes += memory_of(parts);
    }
}

/// Gives room back that was not used for a while.
fn give_room_back<T>(parts: &mut Vec<T>, bytes: &mut usize) {
    let wanted = size_class((parts.len() + 1) * size_of::<T>()) / size_of::<T>();
    if wanted + wanted / 4 < parts.capacity() {
        *bytes -= memory_of(parts);
        parts.shrink_to(wanted);
        *bytes += memory_of(parts);
    }
}

/// The parts from `at` on, in a vector of their own.
fn split_off<T>(parts: &mut Vec<T>, at: usize, bytes: &mut usize) -> Vec<T> {
    *bytes -= memory_of(parts);
    let moved = parts.len() - at;
    // Room for one more: the caller puts something in one of the two.
    let room = size_class((moved + 1) * size_of::<T>()) / size_of::<T>();
    let mut right = Vec::with_capacity(room);
    right.extend(parts.drain(at..));
    parts.shrink_to(size_class((at + 1) * size_of::<T>()) / size_of::<T>());
    *bytes += memory_of(parts) + memory_of(&right);
    right
}

impl Node {
    fn first(&self) -> Option<Item> {
        match self {
            Node::Leaf(items) => items.first().copied(),
            Node::Inner(children) => children.first().map(|child| child.first),
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    fn is_too_small(&self) -> bool {
        match self {
            Node::Leaf(items) => items.len() < LEAF_MIN,
            Node::Inner(children) => children.len() < FANOUT_MIN,
        }
    }

    /// Puts an item in; returns the right half where the node had to be split. `is_last`: nothing follows the node in the tree.
    fn insert(&mut self, item: Item, is_last: bool, bytes: &mut usize) -> Option<Node> {
        match self {
            Node::Leaf(items) => {
                let at = items.partition_point(|other| other.is_before(item));
                if items.len() < LEAF_MAX {
                    make_room(items, bytes);
                    items.insert(at, item);
                    return None;
                }
                // What grows at its end leaves full leaves behind.
                let middle = if is_last && at == items.len() { at } else { items.len() / 2 };
                let mut right = split_off(items, middle, bytes);
                let (side, at) =
                    if at < middle || middle == 0 { (items, at) } else { (&mut right, at - middle) };
                make_room(side, bytes);
                side.insert(at, item);
                Some(Node::Leaf(right))
            }
            Node::Inner(children) => {
                let at = place_of(children, item);
                let is_last = is_last && at + 1 == children.len();
                let child = &mut children[at];
                let split = child.node.insert(item, is_last, bytes);
                child.count += 1;
                child.first = child.node.first().expect("something was just put in");
                let right = split?;
                child.count -= right.count();
                if children.len() < FANOUT_MAX {
                    make_room(children, bytes);
                    children.insert(at + 1, Child::of(right));
                    return None;
                }
                let middle = if is_last { children.len() - 1 } else { children.len() / 2 };
                let mut side = split_off(children, middle, bytes);
                let (target, at) =
                    if at < middle { (children, at + 1) } else { (&mut side, at + 1 - middle) };
                make_room(target, bytes);
                target.insert(at, Child::of(right));
                Some(Node::Inner(side))
            }
        }
    }

    /// Takes an item out that is there.
    fn remove(&mut self, item: Item, bytes: &mut usize) {
        match self {
            Node::Leaf(items) => {
                let at = items.partition_point(|other| other.is_before(item));
                assert!(items[at].member == item.member, "the item of an member is in the tree");
                items.remove(at);
                give_room_back(items, bytes);
            }
            Node::Inner(children) => {
                let at = place_of(children, item);
                children[at].node.remove(item, bytes);
                removed(children, at, 1, bytes);
            }
        }
    }

    /// Takes out some items of one leaf, from `rank` on at most `count`; returns how many.
    fn remove_run(&mut self, rank: usize, count: usize, bytes: &mut usize, out: &mut Vec<Item>) -> usize {
        match self {
            Node::Leaf(items) => {
                let end = items.len().min(rank + count);
                out.extend(items.drain(rank..end));
                give_room_back(items, bytes);
                end - rank
            }
            Node::Inner(children) => {
                let (at, rank) = place_of_rank(children, rank);
                let taken = children[at].node.remove_run(rank, count, bytes, out);
                removed(children, at, taken, bytes);
                taken
            }
        }
    }

    /// Changes the score of an item that is there, if it stays in its leaf and is not the first there; else false.
    fn rescore_within(&mut self, item: Item, score: f64) -> bool {
        match self {
            Node::Leaf(items) => {
                let new = Item { score, ..item };
                let at = items.partition_point(|other| other.is_before(item));
                let [first, .., last] = items.as_slice() else { return false };
                if at == 0
                    || !first.is_before(new)
                    || !(new.is_before(*last) || at == items.len() - 1 && score <= last.score)
                {
                    return false;
                }
                let rest = |other: &Item| other.is_before(new);
                // The order among the others is what it was: the new place is found on the side that it moves to.
                let to = if new.is_before(item) {
                    items[..at].partition_point(rest)
                } else {
                    at + items[at + 1..].partition_point(rest)
                };
                items[at] = new;
                if to < at {
                    items[to..=at].rotate_right(1);
                } else {
                    items[at..=to].rotate_left(1);
                }
                true
            }
            Node::Inner(children) => {
                let at = place_of(children, item);
                children[at].node.rescore_within(item, score)
            }
        }
    }

    /// Frees the last leaf; true when nothing is left.
    fn free_last(&mut self) -> bool {
        match self {
            Node::Leaf(items) => {
                *items = Vec::new();
                true
            }
            Node::Inner(children) => {
                if let Some(last) = children.last_mut()
                    && last.node.free_last()
                {
                    children.pop();
                }
                children.is_empty()
            }
        }
    }
}

/// The child that an item belongs to.
#[inline]
fn place_of(children: &[Child], item: Item) -> usize {
    children.partition_point(|child| !item.is_before(child.first)).saturating_sub(1)
}

/// The child with an item's rank, and the rank in it.
#[inline]
fn place_of_rank(children: &[Child], rank: usize) -> (usize, usize) {
    let mut rest = rank;
    for (at, child) in children.iter().enumerate() {
        if rest < child.count {
            return (at, rest);
        }
        rest -= child.count;
    }
    unreachable!("the caller has compared the rank with the count");
}

/// After `count` items were taken out below the child at `at`: its figures, and its neighbour's help when it is too small.
fn removed(children: &mut Vec<Child>, at: usize, count: usize, bytes: &mut usize) {
    children[at].count -= count;
    if let Some(first) = children[at].node.first() {
        children[at].first = first;
    }
    if !children[at].node.is_too_small() {
        return;
    }
    if children.len() == 1 {
        // Only a root has a single child for long; an empty one is taken out by the level above, or by the tree.
        if children[0].count == 0 {
            forget(children, 0, bytes);
        }
        return;
    }
    let left = at.min(children.len() - 2);
    let right = children.remove(left + 1);
    *bytes -= match &right.node {
        Node::Leaf(items) => memory_of(items),
        Node::Inner(below) => memory_of(below),
    };
    let split = match (&mut children[left].node, right.node) {
        (Node::Leaf(items), Node::Leaf(more)) => join(items, more, LEAF_MAX, bytes).map(Node::Leaf),
        (Node::Inner(below), Node::Inner(more)) => join(below, more, FANOUT_MAX, bytes).map(Node::Inner),
        _ => unreachable!("all leaves are on one level"),
    };
    if children[left].node.first().is_none() {
        // Both were empty.
        forget(children, left, bytes);
        return;
    }
    let node = mem::replace(&mut children[left].node, Node::Leaf(Vec::new()));
    children[left] = Child::of(node);
    if let Some(node) = split {
        make_room(children, bytes);
        children.insert(left + 1, Child::of(node));
    } else {
        give_room_back(children, bytes);
    }
}

/// Takes an empty child out.
fn forget(children: &mut Vec<Child>, at: usize, bytes: &mut usize) {
    *bytes -= match &children[at].node {
        Node::Leaf(items) => memory_of(items),
        Node::Inner(below) => memory_of(below),
    };
    children.remove(at);
}

/// Puts two neighbours together; where that is too much for one, returns the right half.
fn join<T>(left: &mut Vec<T>, more: Vec<T>, max: usize, bytes: &mut usize) -> Option<Vec<T>> {
    *bytes -= memory_of(left);
    left.reserve_exact(more.len());
    left.extend(more);
    *bytes += memory_of(left);
    // Three quarters: the next few changes must neither split nor merge it again.
    if left.len() > max * 3 / 4 {
        let middle = left.len() / 2;
        return Some(split_off(left, middle, bytes));
    }
    None
}

impl Tree {
    pub fn new() -> Tree {
        Tree { root: Node::Leaf(Vec::new()), len: 0, bytes: 0 }
    }

    /// A tree of items that are in order.
    pub fn of_sorted(items: &[Item]) -> Tree {
        let mut bytes = 0;
        let mut level: Vec<Node> = items
            .chunks(LEAF_MAX)
            .map(|chunk| {
                let leaf = chunk.to_vec();
                bytes += memory_of(&leaf);
                Node::Leaf(leaf)
            })
            .collect();
        while level.len() > 1 {
            let mut nodes = level.into_iter().map(Child::of);
            let mut next = Vec::with_capacity(nodes.len().div_ceil(FANOUT_MAX));
            while nodes.len() > 0 {
                let mut children = Vec::with_capacity(nodes.len().min(FANOUT_MAX));
                children.extend(nodes.by_ref().take(FANOUT_MAX));
                bytes += memory_of(&children);
                next.push(Node::Inner(children));
            }
            level = next;
        }
        Tree { root: level.pop().unwrap_or(Node::Leaf(Vec::new())), len: items.len(), bytes }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory of the nodes, in size classes.
    #[inline]
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// Puts an item in that is not there.
    pub fn insert(&mut self, item: Item) {
        self.len += 1;
        if let Some(right) = self.root.insert(item, true, &mut self.bytes) {
            let left = mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            let mut children = Vec::new();
            make_room(&mut children, &mut self.bytes);
            children.push(Child::of(left));
            make_room(&mut children, &mut self.bytes);
            children.push(Child::of(right));
            self.root = Node::Inner(children);
        }
    }

    /// Takes an item out that is there.
    pub fn remove(&mut self, item: Item) {
        self.root.remove(item, &mut self.bytes);
        self.len -= 1;
        self.lower_root();
    }

    /// Takes out `count` items from `rank` on.
    pub fn remove_ranks(&mut self, rank: usize, count: usize) -> Vec<Item> {
        assert!(rank <= self.len && count <= self.len - rank);
        let mut out = Vec::with_capacity(count);
        while out.len() < count {
            let left = count - out.len();
            self.len -= self.root.remove_run(rank, left, &mut self.bytes, &mut out);
            self.lower_root();
        }
        out
    }

    /// A root with a single child gives its place to it.
    fn lower_root(&mut self) {
        while let Node::Inner(children) = &mut self.root
            && children.len() <= 1
        {
            self.bytes -= memory_of(children);
            self.root = children.pop().map_or(Node::Leaf(Vec::new()), |child| child.node);
        }
    }

    /// Changes an item's score; the member has the new one already or gets it from the caller, before anything else is asked.
    pub fn rescore(&mut self, item: Item, score: f64) {
        if !self.root.rescore_within(item, score) {
            self.remove(item);
            self.insert(Item { score, ..item });
        }
    }

    /// How many items are at the start for which `is_below` holds; it holds for no item after one for which it does not.
    pub fn partition_point(&self, is_below: impl Fn(Item) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(|item| is_below(*item)),
                Node::Inner(children) => {
                    let at = children.partition_point(|child| is_below(child.first)).saturating_sub(1);
                    rank += children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The rank of an item that is there.
    pub fn rank(&self, item: Item) -> usize {
        self.partition_point(|other| other.is_before(item))
    }

    /// The leaf that a rank lies in, and the place there. The rank is below the length.
    pub fn leaf_at(&self, rank: usize) -> (&[Item], usize) {
        let (mut node, mut rank) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(items) => return (items, rank),
                Node::Inner(children) => {
                    let (at, rest) = place_of_rank(children, rank);
                    (node, rank) = (&children[at].node, rest);
                }
            }
        }
    }

    /// Frees leaves from the end on; true while there is more. The tree is good for nothing else after it.
    pub fn free_slice(&mut self, budget: &mut usize) -> bool {
        while *budget > 0 {
            *budget -= 1;
            if self.root.free_last() {
                *self = Tree::new();
                return false;
            }
        }
        true
    }

    #[cfg(test)]
    pub fn check(&self) {
        fn walk(
            node: &Node,
            depth: usize,
            depths: &mut Vec<usize>,
            bytes: &mut usize,
            last: &mut Option<Item>,
        ) -> usize {
            match node {
                Node::Leaf(items) => {
                    assert!(items.len() <= LEAF_MAX);
                    depths.push(depth);
                    *bytes += memory_of(items);
                    for item in items {
                        assert!(last.is_none_or(|last| last.is_before(*item)));
                        assert_eq!(item.score.to_bits(), item.member.score().to_bits());
                        *last = Some(*item);
                    }
                    items.len()
                }
                Node::Inner(children) => {
                    assert!((1..=FANOUT_MAX).contains(&children.len()));
                    *bytes += memory_of(children);
                    let mut sum = 0;
                    for child in children {
                        assert!(child.node.first().is_some_and(|first| {
                            first.member == child.first.member
                                && first.score.to_bits() == child.first.score.to_bits()
                        }));
                        assert_eq!(walk(&child.node, depth + 1, depths, bytes, last), child.count);
                        sum += child.count;
                    }
                    sum
                }
            }
        }
        let (mut depths, mut bytes) = (Vec::new(), 0);
        assert_eq!(walk(&self.root, 0, &mut depths, &mut bytes, &mut None), self.len);
        assert_eq!(bytes, self.bytes);
        depths.dedup();
        assert_eq!(depths.len(), 1);
    }
}
