//! A slab: values under small indexes that are reused, most recently freed first.

use alloc::vec::Vec;

/// Values under `u32` indexes. An index is free again after `remove`.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// An empty slab.
    pub fn new() -> Slab<T> {
        Slab::default()
    }

    /// Puts `value` at a free index.
    ///
    /// # Panics
    /// When 2^32 values are held, which no bound of the product allows.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = Some(value);
            return index;
        }
        let index = u32::try_from(self.places.len()).expect("a slab holds under 2^32 values");
        self.places.push(Some(value));
        index
    }

    /// Puts `value` at `index`, which another slab chose; what stood there is returned.
    pub fn put(&mut self, index: u32, value: T) -> Option<T> {
        while self.places.len() <= index as usize {
            self.places.push(None);
        }
        self.places[index as usize].replace(value)
    }

    /// Takes the value at `index` out and frees the index for `insert`.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.places.get_mut(index as usize)?.take();
        if value.is_some() {
            self.free.push(index);
        }
        value
    }

    /// The value at `index`.
    #[inline]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.as_ref()
    }

    /// The value at `index`, to change.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    /// All values with their indexes, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| Some((index as u32, place.as_ref()?)))
    }

    /// All values with their indexes, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(index, place)| Some((index as u32, place.as_mut()?)))
    }

    /// How many values are held.
    pub fn count(&self) -> usize {
        self.places.iter().filter(|place| place.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_index_is_used_again() {
        let mut slab = Slab::new();
        let (first, second) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(first), Some('a'));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.insert('c'), first);
        assert_eq!(slab.at(second), Some(&'b'));
        assert_eq!(slab.count(), 2);
    }
}
