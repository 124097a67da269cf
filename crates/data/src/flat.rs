//! Flat: what a small collection is in its key's entry: one word, with the address of its bytes or of a box.
//!
//! ```text
//!   nothing               an empty collection
//!   address -> bytes      small: one allocation; its first eight bytes tell how long it is
//!   address -> MARK | L   large: a box
//! ```
//!
//! A small collection so costs nothing beside its bytes. What changes them takes them as a vector, and puts them back.
//!
//! Invariant: the address is that of a vector's buffer which begins with eight bytes of which `F` tells the vector's length
//! and capacity, and which are not `MARK`; or of a box of a `Marked<L>`. This word alone owns it.

use crate::memory::size_class;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// What a box begins with and flat bytes never do.
const MARK: u64 = u64::MAX;

/// How flat bytes tell how many they are.
pub(crate) trait Shape {
    /// The vector's length and capacity.
    fn extent(head: [u8; 8]) -> (usize, usize);
}

/// A listpack that is not empty, or an intset that is not: they fill the size class of their length.
///
/// The first four bytes of a listpack are its length, those of an intset the width of its integers: 2, 4 or 8. No
/// listpack has that length: one with an element has 9 bytes at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact;

impl Exact {
    /// True for the bytes of an intset.
    #[inline]
    pub fn is_intset(head: [u8; 4]) -> bool {
        matches!(u32::from_le_bytes(head), 2 | 4 | 8)
    }

    /// Has a vector that is to be put back fill its size class and nothing more.
    #[inline]
    pub fn fit(bytes: &mut Vec<u8>) {
        let class = size_class(bytes.len());
        if bytes.capacity() > class {
            bytes.shrink_to(class);
        } else if bytes.capacity() < class {
            bytes.reserve_exact(class - bytes.len());
        }
    }
}

impl Shape for Exact {
    #[inline]
    fn extent(head: [u8; 8]) -> (usize, usize) {
        let [a, b, c, d, e, f, g, h] = head;
        let first = u32::from_le_bytes([a, b, c, d]) as usize;
        let len = if Exact::is_intset([a, b, c, d]) {
            8 + first * u32::from_le_bytes([e, f, g, h]) as usize
        } else {
            first
        };
        (len, size_class(len))
    }
}

#[repr(C)]
struct Marked<L> {
    mark: u64,
    large: L,
}

/// A collection's word. It may lie anywhere: an entry's bytes are not aligned.
#[repr(C, packed)]
pub(crate) struct Body<F: Shape, L> {
    address: Option<NonNull<u8>>,
    kinds: PhantomData<(F, Box<L>)>,
}

// SAFETY: the word owns what it points to: a vector of bytes or a box of `L`, both of which may go to another thread.
unsafe impl<F: Shape, L: Send> Send for Body<F, L> {}
// SAFETY: through a shared word the bytes and `L` are only read.
unsafe impl<F: Shape, L: Sync> Sync for Body<F, L> {}

/// What a word holds, to look at.
pub(crate) enum Form<'a, L> {
    /// The bytes; none of an empty collection.
    Small(&'a [u8]),
    Large(&'a L),
}

impl<F: Shape, L> Body<F, L> {
    /// An empty collection.
    pub const EMPTY: Self = Body { address: None, kinds: PhantomData };

    /// Of a large collection.
    pub fn large(large: L) -> Self {
        let marked = Box::into_raw(Box::new(Marked { mark: MARK, large }));
        Body { address: NonNull::new(marked.cast()), kinds: PhantomData }
    }

    /// Of these bytes.
    ///
    /// # Panics
    /// When they do not tell their own length and capacity.
    #[inline]
    pub fn small(bytes: Vec<u8>) -> Self {
        let head = *bytes.first_chunk::<8>().expect("flat bytes begin with what tells their length");
        assert!(u64::from_le_bytes(head) != MARK);
        assert!(F::extent(head) == (bytes.len(), bytes.capacity()));
        let mut bytes = ManuallyDrop::new(bytes);
        Body { address: NonNull::new(bytes.as_mut_ptr()), kinds: PhantomData }
    }

    /// Memory of a large collection's box, in its size class.
    pub fn box_bytes() -> usize {
        size_class(size_of::<Marked<L>>())
    }

    /// A copy of a small collection, whose bytes these are.
    pub fn copy_of_small(&self, bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Body::EMPTY;
        }
        let mut copy = Vec::with_capacity(self.head().map_or(0, |(_, head)| F::extent(head).1));
        copy.extend_from_slice(bytes);
        Body::small(copy)
    }

    /// The first eight bytes; none of an empty collection.
    #[inline(always)]
    fn head(&self) -> Option<(NonNull<u8>, [u8; 8])> {
        let address = { self.address }?;
        // SAFETY: the allocation lives and begins with eight initialised bytes, whichever it is (module invariant).
        Some((address, unsafe { address.cast::<[u8; 8]>().read() }))
    }

    /// What it holds.
    #[inline(always)]
    pub fn form(&self) -> Form<'_, L> {
        let Some((address, head)) = self.head() else { return Form::Small(&[]) };
        if u64::from_le_bytes(head) == MARK {
            // SAFETY: what begins with the mark is a box of `Marked<L>` (module invariant), borrowed as this word is.
            return Form::Large(unsafe { &address.cast::<Marked<L>>().as_ref().large });
        }
        // SAFETY: the buffer has so many initialised bytes (module invariant), and is borrowed as this word is.
        Form::Small(unsafe { core::slice::from_raw_parts(address.as_ptr(), F::extent(head).0) })
    }

    /// The large collection, if it is one.
    #[inline(always)]
    pub fn large_mut(&mut self) -> Option<&mut L> {
        let (address, head) = self.head()?;
        if u64::from_le_bytes(head) != MARK {
            return None;
        }
        // SAFETY: as in `form`; the borrow of this word is exclusive.
        Some(unsafe { &mut address.cast::<Marked<L>>().as_mut().large })
    }

    /// Memory of a small collection, in size classes.
    #[inline(always)]
    pub fn small_bytes(&self) -> usize {
        self.head().map_or(0, |(_, head)| size_class(F::extent(head).1))
    }

    /// Takes the bytes of a small collection; it is empty then. An empty one has none.
    ///
    /// # Panics
    /// When it is a large one.
    #[inline]
    pub fn take_small(&mut self) -> Option<Vec<u8>> {
        let (address, head) = self.head()?;
        assert!(u64::from_le_bytes(head) != MARK);
        let (len, capacity) = F::extent(head);
        self.address = None;
        // SAFETY: length and capacity are those of the vector that this address was taken from (module invariant); the word
        // has given it up.
        Some(unsafe { Vec::from_raw_parts(address.as_ptr(), len, capacity) })
    }
}

impl<F: Shape, L> Drop for Body<F, L> {
    fn drop(&mut self) {
        let Some((address, head)) = self.head() else { return };
        if u64::from_le_bytes(head) == MARK {
            // SAFETY: the box came from `Box::into_raw` with this type (module invariant); the word is gone after this.
            drop(unsafe { Box::from_raw(address.cast::<Marked<L>>().as_ptr()) });
        } else {
            drop(self.take_small());
        }
    }
}

impl<F: Shape, L: core::fmt::Debug> core::fmt::Debug for Body<F, L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.form() {
            Form::Small(bytes) => f.debug_tuple("Small").field(&bytes).finish(),
            Form::Large(large) => f.debug_tuple("Large").field(large).finish(),
        }
    }
}

/// Bytes that a collection takes out of its word to change them.
pub(crate) trait Flat: Sized {
    /// Of bytes that were such before.
    fn of_own(bytes: Option<Vec<u8>>) -> Self;

    /// The bytes; none when there is nothing in them.
    fn into_own(self) -> Option<Vec<u8>>;
}

impl<L> Body<Exact, L> {
    /// Of a small collection.
    #[inline]
    pub fn of(flat: impl Flat) -> Self {
        let Some(mut bytes) = flat.into_own() else { return Body::EMPTY };
        Exact::fit(&mut bytes);
        Body::small(bytes)
    }
}

/// A small collection that is being changed. It goes back into its word, at its exact size, when this is dropped.
pub(crate) struct Opened<'a, T: Flat, L> {
    flat: ManuallyDrop<T>,
    home: &'a mut Body<Exact, L>,
}

impl<'a, T: Flat, L> Opened<'a, T, L> {
    #[inline]
    pub fn new(home: &'a mut Body<Exact, L>) -> Opened<'a, T, L> {
        Opened { flat: ManuallyDrop::new(T::of_own(home.take_small())), home }
    }
}

impl<T: Flat, L> core::ops::Deref for Opened<'_, T, L> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.flat
    }
}

impl<T: Flat, L> core::ops::DerefMut for Opened<'_, T, L> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.flat
    }
}

impl<T: Flat, L> Drop for Opened<'_, T, L> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and it is not used afterwards.
        let flat = unsafe { ManuallyDrop::take(&mut self.flat) };
        *self.home = Body::of(flat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack::Listpack;

    type Word = Body<Exact, Vec<u8>>;

    #[test]
    fn a_word_keeps_what_it_is_given() {
        let mut list = Listpack::new();
        list.push(b"some");
        list.push(b"7");
        let bytes = list.as_bytes().to_vec();
        let mut own = bytes.clone();
        Exact::fit(&mut own);
        let mut words = [Word::EMPTY, Word::small(own), Word::large(bytes.clone())];
        assert!(matches!(words[0].form(), Form::Small([])) && words[0].take_small().is_none());
        assert!(matches!(words[1].form(), Form::Small(found) if found == bytes));
        assert_eq!(words[1].small_bytes(), 16);
        assert!(matches!(words[2].form(), Form::Large(found) if *found == bytes));
        assert!(words[0].large_mut().is_none() && words[1].large_mut().is_none());
        words[2].large_mut().unwrap().push(1);
        for at in 1..100 {
            let mut opened: Opened<'_, Listpack, _> = Opened::new(&mut words[at % 2]);
            opened.push(&[b'x'; 70][..at % 70]);
        }
        assert_eq!(words[1].take_small().map(|bytes| Listpack::from_bytes(bytes).unwrap().len()), Some(52));
        assert!(matches!(words[1].form(), Form::Small([])));
    }
}
