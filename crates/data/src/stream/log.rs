//! Log: the entries of a stream, in nodes, and what is remembered of those that were there.

use super::node::{Entry, Head, Master, Node};
use super::runs::{Keyed, Place, Runs};
use super::watch::Watch;
use super::{StreamId, StreamLimits};
use crate::listpack::Malformed;
use crate::watch::Slot;
use alloc::vec::Vec;

/// 1 GiB: no node grows beyond, whatever the limits say, and no entry's texts together. As the original.
pub const NODE_BYTES_MAX: usize = 1 << 30;

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) nodes: Runs<Node>,
    /// What a snapshot under way has left to write.
    pub(super) watch: Slot<Watch>,
    /// Size classes of all listpacks.
    pack_bytes: usize,
    pub(super) len: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) entries_added: u64,
}

/// Which entries a trim drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// The oldest, down to so many.
    ToLen(u64),
    /// Those below this id.
    Below(StreamId),
}

impl Log {
    /// How many entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id of the first entry; `0-0` when there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The id that was given last.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The highest id that was removed by itself.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever put in.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Sets what XSETID sets.
    pub fn set_ids(&mut self, last: StreamId, entries_added: Option<u64>, max_deleted: Option<StreamId>) {
        self.last_id = last;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted.unwrap_or(self.max_deleted_id);
    }

    /// Memory in size classes.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes() + self.pack_bytes
    }

    /// How many nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Ids and listpacks of all nodes, as a dump has them.
    pub fn packs(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.nodes.iter().map(|node| (node.id(), node.as_bytes()))
    }

    /// The id of an entry at `now_ms` that follows all others; none when there is none left.
    #[inline]
    pub fn next_id(&self, now_ms: u64) -> Option<StreamId> {
        if now_ms > self.last_id.ms { Some(StreamId::new(now_ms, 0)) } else { self.last_id.next() }
    }

    /// Puts an entry at the end. `texts`: fields and values in turn, at most [`NODE_BYTES_MAX`] bytes.
    ///
    /// # Panics
    /// When the id is not above all that were given.
    pub fn push<'a>(
        &mut self,
        id: StreamId,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
        limits: StreamLimits,
    ) {
        assert!(id > self.last_id);
        let (mut count, mut bytes) = (0, 0);
        texts.clone().for_each(|text| {
            count += 1;
            bytes += text.len();
        });
        let bytes_max = match limits.node_bytes {
            0 => NODE_BYTES_MAX,
            most => most.min(NODE_BYTES_MAX),
        };
        let fits = |node: &Node| {
            node.len_bytes() + bytes < bytes_max
                && (limits.node_entries == 0 || {
                    let master = node.master();
                    ((master.live + master.deleted) as u64) < limits.node_entries
                })
        };
        if let Some(watch) = &mut self.watch.0 {
            match self.nodes.last() {
                Some(node) if fits(node) => watch.before(node),
                _ => watch.before_new(id),
            }
        }
        match self.nodes.last_mut() {
            Some(node) if fits(node) => {
                let before = node.pack_bytes();
                node.push(id, count / 2, texts, bytes);
                self.pack_bytes = self.pack_bytes - before + node.pack_bytes();
            }
            last => {
                if let Some(node) = last {
                    let before = node.pack_bytes();
                    node.close();
                    self.pack_bytes = self.pack_bytes - before + node.pack_bytes();
                }
                let node = Node::new(id, count / 2, texts, bytes);
                self.pack_bytes += node.pack_bytes();
                assert!(self.nodes.insert(node));
            }
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    /// Takes a node from outside: ids must lie behind those of all nodes before.
    pub(super) fn push_node(&mut self, id: StreamId, bytes: Vec<u8>) -> Result<(), Malformed> {
        let node = Node::from_bytes(id, bytes)?;
        let live = node.master().live as u64;
        let mut one = Log::default();
        assert!(one.nodes.insert(node.clone()));
        // A node of tombstones alone says nothing.
        let Some(first_id) = one.range(StreamId::ZERO, StreamId::MAX).next().map(|entry| entry.id()) else {
            return Ok(());
        };
        if first_id == StreamId::ZERO || self.last_live_id().is_some_and(|last| last >= first_id) {
            return Err(Malformed);
        }
        if first_id < id {
            self.push_entries(&one);
            return Ok(());
        }
        if self.nodes.last().is_some_and(|last| last.id() >= id) {
            return Err(Malformed);
        }
        self.pack_bytes += node.pack_bytes();
        self.len += live;
        assert!(self.nodes.insert(node));
        Ok(())
    }

    /// Puts in the entries of another log. For a node whose entries lie before its own id: XSETID may lead to such a
    /// one, and to look entries up nodes by their ids must be in the order of entries.
    fn push_entries(&mut self, other: &Log) {
        for entry in other.range(StreamId::ZERO, StreamId::MAX) {
            let id = entry.id();
            let texts: Vec<Vec<u8>> =
                entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
            self.push(id, texts.iter().map(Vec::as_slice), StreamLimits::default());
        }
    }

    /// A node is about to be changed or to go: a snapshot under way saves it.
    fn before(&mut self, place: Place) {
        if let Some(watch) = &mut self.watch.0
            && let Some(node) = self.nodes.at(place)
        {
            watch.before(node);
        }
    }

    fn drop_node(&mut self, place: Place) {
        self.before(place);
        let node = self.nodes.remove_at(place);
        self.pack_bytes -= node.pack_bytes();
    }

    /// The entries from `start` to `end`, both included, in order.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let place = match self.nodes.find(start) {
            Ok(place) => place,
            Err(place) => self.nodes.before(place).unwrap_or(place),
        };
        Range { log: self, start, end, place, current: None, is_over: start > end }
    }

    /// The entries from `end` to `start`, both included, the last first.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        let place = match self.nodes.find(end) {
            Ok(place) => Some(place),
            Err(place) => self.nodes.before(place),
        };
        RangeBack { log: self, start, end, place: place.filter(|_| start <= end), current: None }
    }

    /// The entry of an id.
    pub fn entry(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// True when there is an entry of this id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.entry(id).is_some()
    }

    /// The id of the last entry.
    pub fn last_live_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::ZERO, StreamId::MAX).next().map(|entry| entry.id())
    }

    /// The id of the first entry or tombstone; the last id that can be when there is neither.
    pub fn first_known_id(&self) -> StreamId {
        let first = self.nodes.first().and_then(|node| node.first(&node.master()));
        first.map_or(StreamId::MAX, |head| head.id)
    }

    pub(super) fn renew_first_id(&mut self) {
        let first = self.range(StreamId::ZERO, StreamId::MAX).next().map(|entry| entry.id());
        self.first_id = first.unwrap_or(StreamId::ZERO);
    }

    /// Removes an entry; false when there is none of this id.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let mut range = self.range(id, id);
        let Some((place, master, head)) = range.step() else { return false };
        if master.live == 1 {
            self.drop_node(place);
        } else {
            self.before(place);
            let node = self.nodes.at_mut(place);
            let before = node.pack_bytes();
            node.bury(&head);
            node.set_counts(master.live - 1, master.deleted + 1);
            self.pack_bytes = self.pack_bytes - before + node.pack_bytes();
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if self.len == 0 {
            self.first_id = StreamId::ZERO;
        } else if id == self.first_id {
            self.renew_first_id();
        }
        true
    }

    /// Drops old entries; returns how many. `is_rough`: whole nodes alone. `limit`: no node that would make it more (0:
    /// no limit).
    pub fn trim(&mut self, trim: Trim, is_rough: bool, limit: u64) -> u64 {
        let mut dropped = 0;
        while let Some(node) = self.nodes.first() {
            let master = node.master();
            let live = master.live as u64;
            if matches!(trim, Trim::ToLen(len) if self.len <= len) || (limit > 0 && dropped + live > limit) {
                break;
            }
            let goes = match trim {
                Trim::ToLen(len) => self.len - live >= len,
                Trim::Below(id) => node.last(&master).is_none_or(|last| last.id < id),
            };
            if goes {
                self.drop_node(self.nodes.first_place());
                self.len -= live;
                dropped += live;
                continue;
            }
            if !is_rough {
                dropped += self.trim_first_node(trim, &master);
            }
            break;
        }
        if self.len == 0 {
            self.first_id = StreamId::ZERO;
        } else if dropped > 0 {
            self.renew_first_id();
        }
        dropped
    }

    /// Makes tombstones of the first entries of the first node.
    fn trim_first_node(&mut self, trim: Trim, master: &Master) -> u64 {
        let place = self.nodes.first_place();
        self.before(place);
        let node = self.nodes.at_mut(place);
        let before = node.pack_bytes();
        let mut dropped = 0;
        let mut next = node.first(master);
        while let Some(head) = next {
            let stops = match trim {
                Trim::ToLen(len) => self.len <= len,
                Trim::Below(id) => !head.is_deleted() && head.id >= id,
            };
            if stops {
                break;
            }
            if !head.is_deleted() {
                node.bury(&head);
                self.len -= 1;
                dropped += 1;
            }
            next = node.after(&head, master);
        }
        let live = master.live - dropped;
        if live == 0 {
            self.drop_node(place);
        } else {
            node.set_counts(live, master.deleted + dropped);
            self.pack_bytes = self.pack_bytes - before + node.pack_bytes();
        }
        dropped as u64
    }

    /// True when an entry from `start` on was removed by itself.
    pub fn has_tombstone_from(&self, start: StreamId) -> bool {
        self.len > 0
            && self.max_deleted_id != StreamId::ZERO
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were put in up to `id`, where that can be known.
    pub fn count_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        if self.max_deleted_id == StreamId::ZERO || self.max_deleted_id < self.first_id {
            let before_first = self.entries_added.wrapping_sub(self.len);
            if id < self.first_id {
                return Some(before_first);
            }
            if id == self.first_id {
                return Some(before_first.wrapping_add(1));
            }
        }
        None
    }

    /// Counts memory anew: a copy has other capacities.
    pub(super) fn recount(&mut self) {
        self.pack_bytes = self.nodes.iter().map(Node::pack_bytes).sum();
    }

    /// Frees nodes from the end; true while there is more.
    pub(super) fn free_slice(&mut self, budget: &mut usize) -> bool {
        self.nodes.free_slice(budget, true)
    }

    /// Allocations, about.
    pub(super) fn free_effort(&self) -> usize {
        self.nodes.len() + self.nodes.runs()
    }

    /// The nodes' ids, for figures.
    pub(super) fn node_ids(&self) -> impl Iterator<Item = StreamId> {
        self.nodes.iter().map(Keyed::id)
    }
}

/// Entries in order.
#[derive(Debug)]
pub struct Range<'a> {
    log: &'a Log,
    start: StreamId,
    end: StreamId,
    /// The node.
    place: Place,
    /// Its master entry, and the entry that was looked at last.
    current: Option<(Master, Head)>,
    is_over: bool,
}

impl Range<'_> {
    /// The next entry, where it is.
    fn step(&mut self) -> Option<(Place, Master, Head)> {
        while !self.is_over {
            let node = self.log.nodes.at(self.place)?;
            let (master, mut next) = match self.current {
                Some((master, head)) => (master, node.after(&head, &master)),
                None => {
                    let master = node.master();
                    (master, node.first(&master))
                }
            };
            while let Some(head) = next {
                if !head.is_deleted() && head.id >= self.start {
                    if head.id > self.end {
                        self.is_over = true;
                        return None;
                    }
                    self.current = Some((master, head));
                    return Some((self.place, master, head));
                }
                next = node.after(&head, &master);
            }
            self.current = None;
            self.place = self.log.nodes.after(self.place);
        }
        None
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (place, master, head) = self.step()?;
        Some(self.log.nodes.at(place)?.entry(&head, &master))
    }
}

/// Entries, the last first.
#[derive(Debug)]
pub struct RangeBack<'a> {
    log: &'a Log,
    start: StreamId,
    end: StreamId,
    /// The node; none when it is over.
    place: Option<Place>,
    current: Option<(Master, Head)>,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        while let Some(place) = self.place {
            let node = self.log.nodes.at(place)?;
            let (master, mut next) = match self.current {
                Some((master, head)) => (master, node.before(&head, &master)),
                None => {
                    let master = node.master();
                    (master, node.last(&master))
                }
            };
            while let Some(head) = next {
                if !head.is_deleted() && head.id <= self.end {
                    if head.id < self.start {
                        self.place = None;
                        return None;
                    }
                    self.current = Some((master, head));
                    return Some(node.entry(&head, &master));
                }
                next = node.before(&head, &master);
            }
            self.current = None;
            self.place = self.log.nodes.before(place);
        }
        None
    }
}
