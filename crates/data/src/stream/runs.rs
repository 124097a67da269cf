//! Runs: items in the order of their ids, in pieces of bounded length.
//!
//! ```text
//!   deque of runs:  [a b c ... ] [m n o ... ] [x y]
//! ```
//!
//! Made for what is put in at the end and taken out at the front; what happens in the middle moves one run. Full runs
//! carry no unused room. Invariant: no run is empty, and ids ascend over all runs.

use super::StreamId;
use crate::memory::size_class;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// 128: items of a run. With 40 bytes an item, a move in the middle copies 5 KiB at most.
const RUN_LEN_MAX: usize = 128;

/// What has an id.
pub trait Keyed {
    /// Its id.
    fn id(&self) -> StreamId;
}

impl Keyed for StreamId {
    fn id(&self) -> StreamId {
        *self
    }
}

/// Where an item is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    run: usize,
    at: usize,
}

/// The items.
#[derive(Debug)]
pub struct Runs<T> {
    runs: VecDeque<Vec<T>>,
    len: usize,
    /// Size classes of all runs.
    bytes: usize,
}

impl<T> Default for Runs<T> {
    fn default() -> Runs<T> {
        Runs { runs: VecDeque::new(), len: 0, bytes: 0 }
    }
}

impl<T: Clone> Clone for Runs<T> {
    fn clone(&self) -> Runs<T> {
        let runs: VecDeque<Vec<T>> = self.runs.iter().cloned().collect();
        let bytes = runs.iter().map(|run| run_bytes(run)).sum();
        Runs { runs, len: self.len, bytes }
    }
}

fn run_bytes<T>(run: &Vec<T>) -> usize {
    size_class(run.capacity() * size_of::<T>())
}

impl<T: Keyed> Runs<T> {
    /// How many items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory in size classes, without what items own.
    pub fn memory_bytes(&self) -> usize {
        self.bytes + size_class(self.runs.capacity() * size_of::<Vec<T>>())
    }

    /// Where the item of `id` is; where it would be if it is not there.
    pub fn find(&self, id: StreamId) -> Result<Place, Place> {
        let run = self.runs.partition_point(|run| run[0].id() <= id).saturating_sub(1);
        match self.runs.get(run) {
            None => Err(Place { run: 0, at: 0 }),
            Some(items) => match items.binary_search_by_key(&id, Keyed::id) {
                Ok(at) => Ok(Place { run, at }),
                Err(at) => Err(Place { run, at }),
            },
        }
    }

    /// The item at a place; none behind the last.
    #[inline]
    pub fn at(&self, place: Place) -> Option<&T> {
        match self.runs.get(place.run)?.get(place.at) {
            None => self.runs.get(place.run + 1)?.first(),
            item => item,
        }
    }

    /// The item at a place where one is, to change; not its id.
    #[inline]
    pub fn at_mut(&mut self, place: Place) -> &mut T {
        &mut self.runs[place.run][place.at]
    }

    /// The first place.
    pub fn first_place(&self) -> Place {
        Place { run: 0, at: 0 }
    }

    /// The place of the last item; the first place where there is none.
    pub fn last_place(&self) -> Place {
        let run = self.runs.len().saturating_sub(1);
        Place { run, at: self.runs.get(run).map_or(0, |items| items.len() - 1) }
    }

    /// The place behind one.
    #[inline]
    pub fn after(&self, place: Place) -> Place {
        match self.runs.get(place.run) {
            Some(items) if place.at + 1 >= items.len() => Place { run: place.run + 1, at: 0 },
            _ => Place { run: place.run, at: place.at + 1 },
        }
    }

    /// The place before one; none before the first.
    pub fn before(&self, place: Place) -> Option<Place> {
        if place.at > 0 {
            return Some(Place { run: place.run, at: place.at - 1 });
        }
        let run = place.run.checked_sub(1)?;
        Some(Place { run, at: self.runs.get(run)?.len() - 1 })
    }

    /// The first item.
    pub fn first(&self) -> Option<&T> {
        self.runs.front()?.first()
    }

    /// The last item.
    #[inline]
    pub fn last(&self) -> Option<&T> {
        self.runs.back()?.last()
    }

    /// The last item, to change; not its id.
    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.runs.back_mut()?.last_mut()
    }

    /// The item of an id.
    pub fn by_id(&self, id: StreamId) -> Option<&T> {
        self.at(self.find(id).ok()?)
    }

    /// The item of an id, to change; not its id.
    pub fn by_id_mut(&mut self, id: StreamId) -> Option<&mut T> {
        let place = self.find(id).ok()?;
        Some(self.at_mut(place))
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// The first item from an id on.
    pub fn first_from(&self, id: StreamId) -> Option<&T> {
        self.at(self.find(id).unwrap_or_else(|place| place))
    }

    /// The items from an id on, in order.
    pub fn iter_from(&self, id: StreamId) -> impl Iterator<Item = &T> {
        let place = self.find(id).unwrap_or_else(|place| place);
        let head = self.runs.get(place.run).map_or(&[][..], |run| &run[place.at.min(run.len())..]);
        head.iter().chain(self.runs.iter().skip(place.run + 1).flat_map(|run| run.iter()))
    }

    /// Puts an item in; false when its id is there already.
    pub fn insert(&mut self, item: T) -> bool {
        if self.last().is_none_or(|last| last.id() < item.id()) {
            self.push(item);
            return true;
        }
        let Err(place) = self.find(item.id()) else { return false };
        let run = &mut self.runs[place.run];
        let before = run_bytes(run);
        if run.len() < RUN_LEN_MAX {
            grow(run);
            run.insert(place.at, item);
            self.bytes = self.bytes - before + run_bytes(run);
        } else {
            let mut upper = Vec::with_capacity(RUN_LEN_MAX);
            upper.extend(run.drain(RUN_LEN_MAX / 2..));
            let target = if place.at <= run.len() { &mut *run } else { &mut upper };
            let at = if place.at <= RUN_LEN_MAX / 2 { place.at } else { place.at - RUN_LEN_MAX / 2 };
            target.insert(at, item);
            self.bytes = self.bytes - before + run_bytes(run) + run_bytes(&upper);
            self.runs.insert(place.run + 1, upper);
        }
        self.len += 1;
        true
    }

    /// Puts an item at the end; its id is above all others.
    fn push(&mut self, item: T) {
        if self.runs.back().is_none_or(|run| run.len() == RUN_LEN_MAX) {
            if self.runs.is_empty() {
                self.runs.reserve_exact(1);
            }
            self.runs.push_back(Vec::new());
        }
        let run = self.runs.back_mut().expect("one was put there if there was none");
        let before = run_bytes(run);
        grow(run);
        run.push(item);
        self.bytes = self.bytes - before + run_bytes(run);
        self.len += 1;
    }

    /// Takes out the item of an id.
    pub fn remove(&mut self, id: StreamId) -> Option<T> {
        let place = self.find(id).ok()?;
        Some(self.remove_at(place))
    }

    /// Takes out the item at a place where one is.
    pub fn remove_at(&mut self, place: Place) -> T {
        let run = &mut self.runs[place.run];
        let before = run_bytes(run);
        let item = run.remove(place.at);
        self.len -= 1;
        if run.is_empty() {
            self.bytes -= before;
            self.runs.remove(place.run);
            if self.runs.len() * 4 < self.runs.capacity() {
                self.runs.shrink_to(self.runs.len() * 2);
            }
            return item;
        }
        if run.len() * 4 <= run.capacity() {
            run.shrink_to(run.len() * 2);
        }
        self.bytes = self.bytes - before + run_bytes(run);
        item
    }

    /// Frees from the end: `budget` counts down by one an item (where items own memory) or run; true while there is more.
    pub fn free_slice(&mut self, budget: &mut usize, owns: bool) -> bool {
        while *budget > 0
            && let Some(run) = self.runs.back_mut()
        {
            let before = run_bytes(run);
            let dropped = if owns { run.len().min(*budget) } else { run.len() };
            run.truncate(run.len() - dropped);
            *budget = budget.saturating_sub(if owns { dropped } else { 1 });
            self.len -= dropped;
            if run.is_empty() {
                self.runs.pop_back();
                self.bytes -= before;
            }
        }
        !self.is_empty()
    }

    /// How many runs.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }
}

/// Makes room for one more: by doubling, so that a full run has none unused.
fn grow<T>(run: &mut Vec<T>) {
    if run.len() == run.capacity() {
        let more =
            if run.is_empty() { 1 } else { run.len().min(RUN_LEN_MAX.saturating_sub(run.len())).max(1) };
        run.reserve_exact(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use base::Random;

    fn id(random: &mut Random) -> StreamId {
        StreamId::new(random.below(40), random.below(40))
    }

    fn check(runs: &Runs<StreamId>, model: &BTreeSet<StreamId>) {
        assert_eq!(runs.len(), model.len());
        assert!(runs.iter().eq(model));
        assert_eq!(runs.last(), model.last());
        assert_eq!(runs.bytes, runs.runs.iter().map(run_bytes).sum::<usize>());
        assert!(runs.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN_LEN_MAX));
    }

    #[test]
    fn runs_are_an_ordered_set() {
        for seed in 0..8 {
            let mut random = Random::new(seed);
            let (mut runs, mut model) = (Runs::default(), BTreeSet::new());
            for round in 0..3_000 {
                let id = id(&mut random);
                if random.chance(if round % 1_000 < 700 { 3 } else { 1 }, 4) {
                    assert_eq!(runs.insert(id), model.insert(id));
                } else {
                    assert_eq!(runs.remove(id), model.take(&id));
                }
                let from = StreamId::new(random.below(41), random.below(41));
                assert!(runs.iter_from(from).take(3).eq(model.range(from..).take(3)));
                assert_eq!(runs.by_id(from).is_some(), model.contains(&from));
                if round % 50 == 0 {
                    check(&runs, &model);
                }
            }
            let mut budget = 3;
            while runs.free_slice(&mut budget, true) {
                assert_eq!(budget, 0);
                budget = 3;
            }
            assert_eq!((runs.len(), runs.bytes), (0, 0));
        }
    }

    #[test]
    fn places_lead_from_item_to_item() {
        let mut runs = Runs::default();
        (0..1_000).for_each(|ms| assert!(runs.insert(StreamId::new(ms, 0))));
        let mut place = runs.first_place();
        let mut count = 0;
        while let Some(item) = runs.at(place) {
            assert_eq!(item.ms, count);
            count += 1;
            place = runs.after(place);
        }
        let mut place = Some(runs.last_place());
        while let Some(at) = place {
            count -= 1;
            assert_eq!(runs.at(at), Some(&StreamId::new(count, 0)));
            place = runs.before(at);
        }
        assert_eq!(count, 0);
    }
}
