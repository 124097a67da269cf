//! Collection: what all values have in common that are no strings.

use crate::database::Database;
use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::value::{Encoding, Kind, Value, ValueRef};
use crate::watch::Watched;
use core::fmt::Debug;

/// A value of parts. One word of it lies in its key's entry; see `flat`. A stream has a box of its own there.
pub trait Collection: Sized + Debug {
    /// Its type.
    const KIND: Kind;

    /// The collection in a value; `None` for another type.
    fn of(value: ValueRef<'_>) -> Option<&Self>;

    /// Its memory in size classes, without itself and the key's entry. In constant time: it is asked for before and after
    /// each change.
    fn memory_bytes(&self) -> usize;

    /// Its layout.
    fn encoding(&self) -> Encoding;

    /// A lower bound of the deadlines of its parts, in units of active expiry; none where no part has one.
    fn bound(&self) -> Option<u32> {
        None
    }

    /// How many allocations dropping it frees, about: what decides whether it is freed in slices.
    fn free_effort(&self) -> usize;

    /// Frees up to about `budget` allocations and counts them off; true while there is more. The collection is good for
    /// nothing else after the first call.
    fn free_slice(&mut self, budget: &mut usize) -> bool;
}

/// Which types there are: their names here, in `Kind`, `Value` and `ValueRef`.
macro_rules! collections {
    ($($name:ident),*) => {
        $(impl From<$name> for Value {
            fn from(collection: $name) -> Value {
                Value::$name(collection.into())
            }
        })*

        impl Value {
            /// How many allocations dropping it frees, about: what decides whether it is freed in slices.
            pub fn free_effort(&self) -> usize {
                match self {
                    Value::Integer(_) | Value::String(_) => 1,
                    $(Value::$name(collection) => 1 + collection.free_effort(),)*
                }
            }

            /// Frees up to about `budget` allocations and counts them off; true while there is more.
            pub(crate) fn free_slice(&mut self, budget: &mut usize) -> bool {
                match self {
                    Value::Integer(_) | Value::String(_) => false,
                    $(Value::$name(collection) => collection.free_slice(budget),)*
                }
            }

            /// Its memory in size classes, without a key's entry.
            pub fn memory_bytes(&self) -> usize {
                match self {
                    Value::Integer(_) => 0,
                    Value::String(text) => crate::memory::size_class(text.capacity()),
                    $(Value::$name(collection) => whole_memory::<$name>(collection),)*
                }
            }
        }

        impl ValueRef<'_> {
            /// The layout of a collection; `None` for a string.
            pub(crate) fn collection_encoding(&self) -> Option<Encoding> {
                match self {
                    ValueRef::Str(_) => None,
                    $(ValueRef::$name(collection) => Some(collection.encoding()),)*
                }
            }

            /// The memory of a collection, with its box if it has one; 0 for a string.
            #[inline]
            pub(crate) fn collection_memory(&self) -> usize {
                match self {
                    ValueRef::Str(_) => 0,
                    $(ValueRef::$name(collection) => whole_memory(*collection),)*
                }
            }

            /// How many allocations dropping it frees, about.
            pub fn free_effort(&self) -> usize {
                match self {
                    ValueRef::Str(_) => 1,
                    $(ValueRef::$name(collection) => 1 + collection.free_effort(),)*
                }
            }
        }
    };
}

collections!(Hash, List, Set, SortedSet, Stream);

impl Value {
    /// A collection, for a snapshot to walk.
    pub(crate) fn watched_mut(&mut self) -> Option<&mut dyn Watched> {
        match self {
            Value::Integer(_) | Value::String(_) => None,
            Value::Hash(hash) => Some(hash),
            Value::List(list) => Some(list),
            Value::Set(set) => Some(set),
            Value::SortedSet(set) => Some(set),
            Value::Stream(stream) => Some(&mut **stream),
        }
    }
}

/// With the box of what is more than a word.
#[inline]
fn whole_memory<T: Collection>(collection: &T) -> usize {
    let own =
        if size_of::<T>() == size_of::<usize>() { 0 } else { crate::memory::size_class(size_of::<T>()) };
    own + collection.memory_bytes()
}

/// A collection in the keyspace, to change. Its memory is counted anew when this is dropped.
///
/// The caller removes the key when the last element is gone (streams excepted).
#[derive(Debug)]
pub struct Mut<'a, T: Collection> {
    collection: &'a mut T,
    /// The key.
    key: &'a [u8],
    /// The database that the key is in, and the number of its table there.
    database: &'a mut Database,
    slot: usize,
    /// The keyspace's count.
    used: &'a mut u64,
    before: usize,
    bound_before: Option<u32>,
}

impl<'a, T: Collection> Mut<'a, T> {
    pub(crate) fn new(
        collection: &'a mut T,
        key: &'a [u8],
        database: &'a mut Database,
        slot: usize,
        used: &'a mut u64,
    ) -> Mut<'a, T> {
        let (before, bound_before) = (collection.memory_bytes(), collection.bound());
        Mut { collection, key, database, slot, used, before, bound_before }
    }
}

impl<T: Collection> core::ops::Deref for Mut<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.collection
    }
}

impl<T: Collection> core::ops::DerefMut for Mut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.collection
    }
}

impl<T: Collection> Drop for Mut<'_, T> {
    fn drop(&mut self) {
        let after = self.collection.memory_bytes();
        self.database.tables[self.slot].count_memory(self.before, after);
        *self.used = *self.used - self.before as u64 + after as u64;
        self.database.note_bound(self.key, self.bound_before, self.collection.bound(), self.used);
    }
}
