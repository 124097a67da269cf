//! Member: one member of a large set, in an allocation without a header but its length.
//!
//! ```text
//!   length u8 | bytes                        up to 254 bytes
//!   255 | length u32 | bytes                 longer
//! ```

use crate::memory::{give_back, prefetch, size_class, take};
use crate::node::Node;
use core::ptr::{self, NonNull};

/// The first byte of a long member.
const LONG: u8 = 255;
/// Bytes before a long member.
const LONG_START: usize = 5;
/// Tags and flags need three free bits in its address.
const ALIGN: usize = 8;

/// The address of a live member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member(NonNull<u8>);

impl Member {
    /// A new member.
    pub fn new(text: &[u8]) -> Member {
        let start = if text.len() < usize::from(LONG) { 1 } else { LONG_START };
        let member = Member(take(start + text.len(), ALIGN));
        let base = member.0.as_ptr();
        // SAFETY: the allocation has `start` bytes and those of the text, and is not shared yet.
        unsafe {
            if start == 1 {
                base.write(text.len() as u8);
            } else {
                let len = u32::try_from(text.len()).expect("members are far below 4 GiB");
                base.write(LONG);
                base.add(1).cast::<u32>().write_unaligned(len);
            }
            ptr::copy_nonoverlapping(text.as_ptr(), base.add(start), text.len());
        }
        member
    }

    /// Where its text starts, and how long it is.
    #[inline(always)]
    fn extent(self) -> (usize, usize) {
        let base = self.0.as_ptr();
        // SAFETY: the member lives (invariant of `Node`), and `new` wrote its first byte, and the length behind it where
        // that byte says so; nothing changes them.
        unsafe {
            match base.read() {
                LONG => (LONG_START, base.add(1).cast::<u32>().read_unaligned() as usize),
                len => (1, usize::from(len)),
            }
        }
    }

    /// A copy of its own.
    pub fn duplicate(self) -> Member {
        Member::new(self.key())
    }
}

impl Node for Member {
    #[inline(always)]
    fn from_address(address: NonNull<u8>) -> Member {
        Member(address)
    }

    #[inline(always)]
    fn address(self) -> NonNull<u8> {
        self.0
    }

    #[inline(always)]
    fn key<'a>(self) -> &'a [u8] {
        let (start, len) = self.extent();
        // SAFETY: these bytes of the live member were written by `new` and never change; the lifetime is bounded by the
        // borrow of the table that owns it.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().add(start), len) }
    }

    #[inline(always)]
    fn memory(self) -> usize {
        let (start, len) = self.extent();
        size_class(start + len)
    }

    #[inline(always)]
    fn has_deadline(self) -> bool {
        false
    }

    #[inline(always)]
    fn prefetch(self) {
        prefetch(self.0.as_ptr());
    }

    fn free(self) {
        let (start, len) = self.extent();
        // SAFETY: it was taken with the class of these bytes and this alignment; its owner gives it up.
        unsafe { give_back(self.0, start + len, ALIGN) }
    }
}
