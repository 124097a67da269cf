//! Groups at the moment of a snapshot, while they are changed.
//!
//! What is small (names, times, lengths) is copied at the moment. The lists of what is pending are walked in the order of their
//! ids: whoever changes an item that was not walked yet first notes what was there. A group or a consumer that goes leaves its
//! lists to the walker.

use super::StreamId;
use super::group::{Consumer, ConsumerNumber, Group, Groups, Pending};
use super::runs::{Keyed, Runs};
use crate::watch::{Allowance, EncodePart, Part, Slot, Walked};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

/// 20 ns: what an item takes beside its bytes; they lie in rows.
const ITEM_NS: usize = 20;
/// 96: about what a note takes.
const NOTE_BYTES: usize = 96;

/// A list at the moment.
#[derive(Debug)]
struct Notes<T> {
    /// No item before this one is left to be written; none where there is none at all.
    next: Option<StreamId>,
    /// The last one.
    last: StreamId,
    /// How many are left.
    left: usize,
    /// What was there where something was changed; nothing where nothing was.
    notes: BTreeMap<StreamId, Option<T>>,
}

impl<T: Keyed + Copy> Notes<T> {
    fn new(items: &Runs<T>) -> Notes<T> {
        let next = items.first().map(Keyed::id);
        let last = items.last().map_or(StreamId::ZERO, Keyed::id);
        Notes { next, last, left: items.len(), notes: BTreeMap::new() }
    }

    fn before(&mut self, id: StreamId, old: Option<T>) {
        if self.next.is_some_and(|next| id >= next) && id <= self.last {
            self.notes.entry(id).or_insert(old);
        }
    }

    /// Gives what is left to `put`, for as long as it is allowed; true at the end.
    fn walk(&mut self, items: &Runs<T>, allowance: &mut Allowance, mut put: impl FnMut(T) -> usize) -> bool {
        let Some(next) = self.next else { return true };
        let last = self.last;
        let mut items = items.iter_from(next).take_while(|item| item.id() <= last).peekable();
        loop {
            if allowance.is_spent() {
                return false;
            }
            let noted = self.notes.first_key_value().map(|(id, _)| *id);
            let (id, item) = match (items.peek().map(|item| item.id()), noted) {
                (item, Some(noted)) if item.is_none_or(|item| noted <= item) => {
                    if item == Some(noted) {
                        items.next();
                    }
                    (noted, self.notes.pop_first().and_then(|(_, item)| item))
                }
                (Some(id), _) => (id, items.next().copied()),
                (None, _) => {
                    self.next = None;
                    return true;
                }
            };
            if let Some(item) = item {
                self.left = self.left.wrapping_sub(1);
                allowance.spend(put(item));
            }
            allowance.spend(ITEM_NS);
            self.next = id.next();
            if self.next.is_none() {
                return true;
            }
        }
    }
}

/// A consumer at the moment.
#[derive(Debug)]
struct Owner {
    number: ConsumerNumber,
    name: Box<[u8]>,
    seen_ms: i64,
    ids: Notes<StreamId>,
    /// What it had when it went.
    gone: Option<Runs<StreamId>>,
}

/// What a snapshot under way has left to write of a group.
#[derive(Debug)]
pub(super) struct Watch {
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: Notes<Pending>,
    /// By name.
    owners: Vec<Owner>,
    /// By number: the place among the owners; none for numbers that were free, or are again.
    places: Vec<Option<u32>>,
    /// The names of owners stay where they are, by number, though these have gone.
    names: Vec<u32>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Pending,
    /// An owner's head is to be written.
    Owner(usize),
    /// And what it has.
    Owned(usize),
}

impl Watch {
    fn new(group: &Group) -> Box<Watch> {
        let owner = |(number, consumer): (ConsumerNumber, &Consumer)| Owner {
            number,
            name: consumer.name().into(),
            seen_ms: consumer.seen_ms,
            ids: Notes::new(consumer.pending()),
            gone: None,
        };
        let owners: Vec<Owner> = group.numbered().map(owner).collect();
        let numbers = owners.iter().map(|owner| owner.number.index() + 1).max().unwrap_or(0);
        let (mut places, mut names) = (alloc::vec![None; numbers], alloc::vec![0; numbers]);
        for (place, owner) in (0..).zip(&owners) {
            places[owner.number.index()] = Some(place);
            names[owner.number.index()] = place;
        }
        Box::new(Watch {
            last_id: group.last_id,
            entries_read: group.entries_read,
            pending: Notes::new(group.pending()),
            owners,
            places,
            names,
            stage: Stage::Head,
        })
    }

    /// An item of the group is about to change, to go or to come (then there is no `old`).
    #[cold]
    pub fn before(&mut self, id: StreamId, old: Option<Pending>) {
        self.pending.before(id, old);
    }

    /// An id is about to come to a consumer, or to go from it.
    #[cold]
    pub fn before_owned(&mut self, number: ConsumerNumber, id: StreamId, is_there: bool) {
        if let Some(Some(place)) = self.places.get(number.index()) {
            self.owners[*place as usize].ids.before(id, is_there.then_some(id));
        }
    }

    /// A consumer goes, and leaves what it has.
    #[cold]
    pub fn parts_with(&mut self, number: ConsumerNumber, ids: Runs<StreamId>) {
        if let Some(place) = self.places.get_mut(number.index()).and_then(Option::take) {
            self.owners[place as usize].gone = Some(ids);
        }
    }

    fn noted_bytes(&self) -> usize {
        let owned: usize = self.owners.iter().map(|owner| owner.ids.notes.len()).sum();
        (self.pending.notes.len() + owned) * NOTE_BYTES
    }

    /// Writes on, for as long as it is allowed. `group` is where the lists are.
    fn walk(
        &mut self,
        group: &Group,
        encode: EncodePart,
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Walked {
        let name = group.name();
        loop {
            if allowance.is_spent() {
                return Walked::On;
            }
            let before = out.len();
            match self.stage {
                Stage::Head => {
                    let (last_id, entries_read) = (self.last_id, self.entries_read);
                    encode(out, Part::Group { name, last_id, entries_read, pending: self.pending.left });
                    self.stage = Stage::Pending;
                }
                Stage::Pending => {
                    let (owners, names) = (&self.owners, &self.names);
                    let is_all = self.pending.walk(group.pending(), allowance, |pending| {
                        let before = out.len();
                        let place = names.get(pending.consumer.index()).map_or(0, |place| *place as usize);
                        let consumer = owners.get(place).map_or(&[][..], |owner| &owner.name);
                        encode(out, Part::Pending { group: name, consumer, pending: &pending });
                        out.len() - before
                    });
                    if !is_all {
                        return Walked::On;
                    }
                    encode(out, Part::Consumers(self.owners.len()));
                    self.stage = Stage::Owner(0);
                    continue;
                }
                Stage::Owner(place) => {
                    let Some(owner) = self.owners.get(place) else { return self.end() };
                    let (consumer, seen_ms) = (&*owner.name, owner.seen_ms);
                    let pending = owner.ids.left;
                    encode(out, Part::Consumer { group: name, name: consumer, seen_ms, pending });
                    self.stage = Stage::Owned(place);
                }
                Stage::Owned(place) => {
                    let owner = &mut self.owners[place];
                    let ids = owner.gone.as_ref().unwrap_or_else(|| group.at(owner.number).pending());
                    let is_all = owner.ids.walk(ids, allowance, |id| {
                        let before = out.len();
                        encode(out, Part::Owned(id));
                        out.len() - before
                    });
                    if !is_all {
                        return Walked::On;
                    }
                    self.stage = Stage::Owner(place + 1);
                    continue;
                }
            }
            allowance.spend(ITEM_NS + out.len() - before);
        }
    }

    fn end(&self) -> Walked {
        let is_whole = self.pending.left == 0 && self.owners.iter().all(|owner| owner.ids.left == 0);
        if is_whole { Walked::Whole } else { Walked::Broken }
    }
}

/// The groups of the moment, in their order.
#[derive(Debug)]
pub(super) struct Order {
    names: Vec<Box<[u8]>>,
    /// Groups that are written.
    at: usize,
    /// Groups that were removed since.
    gone: Vec<Group>,
}

impl Groups {
    /// Marks the moment.
    pub(super) fn watch(&mut self) {
        for group in self.all_mut() {
            group.watch = Slot(Some(Watch::new(group)));
        }
        let names = self.iter().map(|group| group.name().into()).collect();
        self.order = Slot(Some(Box::new(Order { names, at: 0, gone: Vec::new() })));
    }

    /// Keeps a group that is removed, where something of it is left to be written.
    pub(super) fn part_with(&mut self, group: Group) {
        if let Some(order) = &mut self.order.0
            && group.watch.0.is_some()
        {
            order.gone.push(group);
        }
    }

    /// Writes on, for as long as it is allowed.
    pub(super) fn walk(
        &mut self,
        encode: EncodePart,
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Walked {
        let Some(mut order) = mem::take(&mut self.order).0 else { return Walked::Broken };
        let mut walked = Walked::Whole;
        while let Some(name) = order.names.get(order.at)
            && walked == Walked::Whole
        {
            let gone = order.gone.iter_mut().find(|group| group.name() == &**name);
            let group = gone.or_else(|| self.named_mut(name));
            walked = match group.map(|group| (mem::take(&mut group.watch).0, group)) {
                Some((Some(mut watch), group)) => {
                    let walked = watch.walk(group, encode, out, allowance);
                    if walked == Walked::On {
                        group.watch = Slot(Some(watch));
                    }
                    walked
                }
                Some((None, _)) | None => Walked::Broken,
            };
            order.at += usize::from(walked == Walked::Whole);
        }
        self.order = Slot(Some(order));
        walked
    }

    /// About how much memory the notes take.
    pub(super) fn noted_bytes(&self) -> usize {
        let Some(order) = &self.order.0 else { return 0 };
        let noted = |group: &Group| group.watch.0.as_ref().map_or(0, |watch| watch.noted_bytes());
        let gone: usize = order.gone.iter().map(|group| group.pending().memory_bytes() + noted(group)).sum();
        gone + self.iter().map(noted).sum::<usize>()
    }

    /// Ends the walk.
    pub(super) fn unwatch(&mut self) {
        self.order = Slot(None);
        self.all_mut().iter_mut().for_each(|group| group.watch = Slot(None));
    }

    /// Visits all that is written of the groups, in the order of RDB.
    pub fn parts(&self, mut visit: impl FnMut(Part<'_>)) {
        for group in self.iter() {
            let (name, last_id, entries_read) = (group.name(), group.last_id, group.entries_read);
            visit(Part::Group { name, last_id, entries_read, pending: group.pending().len() });
            for pending in group.pending().iter() {
                let consumer = group.at(pending.consumer).name();
                visit(Part::Pending { group: name, consumer, pending });
            }
            visit(Part::Consumers(group.consumers_len()));
            for consumer in group.consumers() {
                let pending = consumer.pending().len();
                let seen_ms = consumer.seen_ms;
                visit(Part::Consumer { group: name, name: consumer.name(), seen_ms, pending });
                consumer.pending().iter().for_each(|id| visit(Part::Owned(*id)));
            }
        }
    }
}
