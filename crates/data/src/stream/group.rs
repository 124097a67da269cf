//! Consumer groups: who has been given which entries and has not said yet that it is done with them.
//!
//! ```text
//!   Groups -> Group, by name -> pending: id -> consumer, when, how often      (all of the group)
//!                            -> consumers, by number -> pending: ids          (its own)
//!                            -> order: their numbers by name
//! ```
//!
//! Invariant: an id is in the group's list exactly when it is in the list of the consumer that is named there.

use super::StreamId;
use super::group_watch::{Order, Watch};
use super::runs::{Keyed, Runs};
use crate::memory::size_class;
use crate::watch::Slot;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An entry that was delivered and is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: StreamId,
    /// When it was delivered last, in milliseconds since 1970.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub count: u64,
    /// To whom.
    pub consumer: ConsumerNumber,
}

impl Keyed for Pending {
    fn id(&self) -> StreamId {
        self.id
    }
}

/// A consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerNumber(u32);

impl ConsumerNumber {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for anything, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it was last given anything; none if never.
    pub active_ms: Option<i64>,
    pending: Runs<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Ids of what it has.
    pub fn pending(&self) -> &Runs<StreamId> {
        &self.pending
    }

    fn memory_bytes(&self) -> usize {
        size_class(size_of::<Consumer>()) + size_class(self.name.len()) + self.pending.memory_bytes()
    }
}

/// A consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    name: Box<[u8]>,
    /// The last id that was delivered.
    pub last_id: StreamId,
    /// How many entries were delivered up to there; none where that is not known.
    pub entries_read: Option<u64>,
    pending: Runs<Pending>,
    consumers: Vec<Option<Box<Consumer>>>,
    order: Vec<u32>,
    /// Of all consumers.
    consumer_bytes: usize,
    pub(super) watch: Slot<Watch>,
}

impl Group {
    fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: Runs::default(),
            consumers: Vec::new(),
            order: Vec::new(),
            consumer_bytes: 0,
            watch: Slot(None),
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What is not done.
    pub fn pending(&self) -> &Runs<Pending> {
        &self.pending
    }

    /// How many consumers.
    pub fn consumers_len(&self) -> usize {
        self.order.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.order.iter().map(|number| self.at(ConsumerNumber(*number)))
    }

    /// The same with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (ConsumerNumber, &Consumer)> {
        self.order.iter().map(|number| (ConsumerNumber(*number), self.at(ConsumerNumber(*number))))
    }

    /// A consumer of this group.
    pub fn at(&self, number: ConsumerNumber) -> &Consumer {
        self.consumers[number.0 as usize].as_deref().expect("a number stands for a consumer")
    }

    /// The consumer of a name.
    pub fn consumer(&self, name: &[u8]) -> Option<ConsumerNumber> {
        self.order_of(name).ok().map(|at| ConsumerNumber(self.order[at]))
    }

    fn order_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|number| self.at(ConsumerNumber(*number)).name().cmp(name))
    }

    /// Notes when a consumer was there, and was given something.
    pub fn saw(&mut self, number: ConsumerNumber, seen_ms: i64, active_ms: Option<i64>) {
        let consumer = self.consumers[number.0 as usize].as_mut().expect("a number stands for a consumer");
        consumer.seen_ms = seen_ms;
        consumer.active_ms = active_ms.or(consumer.active_ms);
    }

    fn change<R>(&mut self, number: ConsumerNumber, change: impl FnOnce(&mut Consumer) -> R) -> R {
        let consumer = self.consumers[number.0 as usize].as_mut().expect("a number stands for a consumer");
        self.consumer_bytes -= consumer.memory_bytes();
        let result = change(consumer);
        self.consumer_bytes += consumer.memory_bytes();
        result
    }

    /// Makes a consumer; none when there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], seen_ms: i64) -> Option<ConsumerNumber> {
        let Err(at) = self.order_of(name) else { return None };
        let consumer =
            Box::new(Consumer { name: name.into(), seen_ms, active_ms: None, pending: Runs::default() });
        self.consumer_bytes += consumer.memory_bytes();
        let free = if self.order.len() < self.consumers.len() {
            self.consumers.iter().position(Option::is_none)
        } else {
            None
        };
        let number = free.unwrap_or(self.consumers.len());
        match free {
            Some(free) => self.consumers[free] = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        let number = u32::try_from(number).expect("fewer consumers than memory for 2^32");
        self.order.insert(at, number);
        Some(ConsumerNumber(number))
    }

    /// Removes a consumer with all that it has not done; returns how much that is.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.order_of(name).ok()?;
        let number = self.order.remove(at) as usize;
        let consumer = self.consumers[number].take().expect("a number stands for a consumer");
        while self.consumers.pop_if(|last| last.is_none()).is_some() {}
        self.consumer_bytes -= consumer.memory_bytes();
        let (number, len) = (ConsumerNumber(number as u32), consumer.pending.len());
        for id in consumer.pending.iter() {
            let old = self.pending.remove(*id);
            if let Some(watch) = &mut self.watch.0 {
                watch.before(*id, old);
            }
        }
        if let Some(watch) = &mut self.watch.0 {
            watch.parts_with(number, consumer.pending);
        }
        Some(len)
    }

    /// A snapshot under way saves what is there of an id, which is given to a consumer or to none.
    #[inline]
    fn before(&mut self, id: StreamId, to: Option<ConsumerNumber>) {
        if self.watch.0.is_some() {
            self.save(id, to);
        }
    }

    #[cold]
    fn save(&mut self, id: StreamId, to: Option<ConsumerNumber>) {
        let old = self.pending.by_id(id).copied();
        let Some(watch) = &mut self.watch.0 else { return };
        watch.before(id, old);
        let from = old.map(|old| old.consumer);
        if from != to {
            from.into_iter().for_each(|from| watch.before_owned(from, id, true));
            to.into_iter().for_each(|to| watch.before_owned(to, id, false));
        }
    }

    /// Gives an entry to a consumer, whoever has it now.
    pub fn assign(&mut self, pending: Pending) {
        let Pending { id, consumer, .. } = pending;
        self.before(id, Some(consumer));
        let before = match self.pending.by_id_mut(id) {
            Some(known) => Some(core::mem::replace(known, pending).consumer),
            None => {
                self.pending.insert(pending);
                None
            }
        };
        if before == Some(consumer) {
            return;
        }
        if let Some(before) = before {
            self.change(before, |consumer| consumer.pending.remove(id));
        }
        self.change(consumer, |consumer| consumer.pending.insert(id));
    }

    /// Changes when and how often an entry was delivered.
    pub fn redelivered(&mut self, id: StreamId, delivered_ms: i64) {
        if let (Some(watch), Some(known)) = (&mut self.watch.0, self.pending.by_id(id)) {
            watch.before(id, Some(*known));
        }
        if let Some(known) = self.pending.by_id_mut(id) {
            known.delivered_ms = delivered_ms;
            known.count = known.count.wrapping_add(1);
        }
    }

    /// Takes an entry off the lists: it is done, or gone. False when it is not there.
    pub fn settle(&mut self, id: StreamId) -> bool {
        self.before(id, None);
        let Some(pending) = self.pending.remove(id) else { return false };
        self.change(pending.consumer, |consumer| consumer.pending.remove(id));
        true
    }

    fn memory_bytes(&self) -> usize {
        size_class(self.name.len())
            + self.pending.memory_bytes()
            + size_class(self.consumers.capacity() * size_of::<Option<Box<Consumer>>>())
            + size_class(self.order.capacity() * size_of::<u32>())
            + self.consumer_bytes
    }

    fn free_effort(&self) -> usize {
        // A consumer comes to three allocations, and its own runs.
        2 + self.pending.runs() + 3 * self.order.len() + self.pending.len() / 128
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        while *budget > 0
            && let Some(consumer) = self.consumers.last_mut()
        {
            let Some(consumer) = consumer else {
                self.consumers.pop();
                continue;
            };
            if !consumer.pending.free_slice(budget, false) {
                *budget = budget.saturating_sub(3);
                self.consumers.pop();
            }
        }
        !self.consumers.is_empty() || self.pending.free_slice(budget, false)
    }
}

/// The groups of a stream.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// By name.
    groups: Vec<Group>,
    /// Of all groups.
    bytes: usize,
    /// What a snapshot under way has left to write.
    pub(super) order: Slot<Order>,
}

impl Groups {
    /// How many.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| group.name().cmp(name))
    }

    /// The group of a name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.place(name).ok().map(|at| &self.groups[at])
    }

    /// The group of a name, to change.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let at = self.place(name).ok()?;
        let before = self.groups[at].memory_bytes();
        Some(GroupMut { group: &mut self.groups[at], bytes: &mut self.bytes, before })
    }

    /// Makes a group; false when there is one of this name.
    pub fn create(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        let Err(at) = self.place(name) else { return false };
        let group = Group::new(name, last_id, entries_read);
        self.bytes += group.memory_bytes();
        self.groups.insert(at, group);
        true
    }

    /// Removes a group; false when there is none of this name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Ok(at) = self.place(name) else { return false };
        let group = self.groups.remove(at);
        self.bytes -= group.memory_bytes();
        self.part_with(group);
        true
    }

    pub(super) fn all_mut(&mut self) -> &mut [Group] {
        &mut self.groups
    }

    pub(super) fn named_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        let at = self.place(name).ok()?;
        self.groups.get_mut(at)
    }

    /// Memory in size classes.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.bytes + size_class(self.groups.capacity() * size_of::<Group>())
    }

    /// Counts memory anew: a copy has other capacities.
    pub(super) fn recount(&mut self) {
        for group in &mut self.groups {
            group.consumer_bytes = group.consumers.iter().flatten().map(|one| one.memory_bytes()).sum();
        }
        self.bytes = self.groups.iter().map(Group::memory_bytes).sum();
    }

    pub(super) fn free_effort(&self) -> usize {
        self.groups.iter().map(Group::free_effort).sum()
    }

    pub(super) fn free_slice(&mut self, budget: &mut usize) -> bool {
        while let Some(group) = self.groups.last_mut() {
            if group.free_slice(budget) || *budget == 0 {
                return true;
            }
            *budget = budget.saturating_sub(1);
            self.groups.pop();
        }
        false
    }
}

/// A group, to change. Its memory is counted anew when this is dropped.
#[derive(Debug)]
pub struct GroupMut<'a> {
    group: &'a mut Group,
    bytes: &'a mut usize,
    before: usize,
}

impl core::ops::Deref for GroupMut<'_> {
    type Target = Group;
    fn deref(&self) -> &Group {
        self.group
    }
}

impl core::ops::DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.bytes = *self.bytes - self.before + self.group.memory_bytes();
    }
}
