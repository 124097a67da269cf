//! Member: one member of a large sorted set with its score, in one allocation.
//!
//! ```text
//!   score f64 | length u7, stamp | bytes                 up to 126 bytes
//!   score f64 | 127, stamp | length u32 | bytes          longer
//! ```

use crate::memory::{give_back, prefetch, size_class, take};
use crate::node::Node;
use core::ptr::{self, NonNull};

/// Where the length stands.
const LEN: usize = size_of::<f64>();
/// The length byte of a long member.
const LONG: u8 = 127;
/// The bit of the length byte that says that a snapshot under way has the member; see `watch`.
const STAMP: u8 = 128;
/// Bytes before the text of a short member, and of a long one.
const SHORT_START: usize = LEN + 1;
const LONG_START: usize = LEN + 5;
/// Tags and flags need three free bits in its address; the score is aligned.
const ALIGN: usize = 8;

/// The address of a live member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member(NonNull<u8>);

impl Member {
    /// A new member.
    pub fn new(text: &[u8], score: f64) -> Member {
        let is_short = text.len() < usize::from(LONG);
        let start = if is_short { SHORT_START } else { LONG_START };
        let member = Member(take(start + text.len(), ALIGN));
        let base = member.0.as_ptr();
        // SAFETY: the allocation has `start` bytes and those of the text, is aligned for the score, and is not shared yet.
        unsafe {
            base.cast::<f64>().write(score);
            if is_short {
                base.add(LEN).write(text.len() as u8);
            } else {
                let len = u32::try_from(text.len()).expect("members are far below 4 GiB");
                base.add(LEN).write(LONG);
                base.add(LEN + 1).cast::<u32>().write_unaligned(len);
            }
            ptr::copy_nonoverlapping(text.as_ptr(), base.add(start), text.len());
        }
        member
    }

    /// Its score.
    #[inline(always)]
    pub fn score(self) -> f64 {
        // SAFETY: the member lives (invariant of `Node`), and its first eight bytes are the score, aligned.
        unsafe { self.0.as_ptr().cast::<f64>().read() }
    }

    /// Changes its score. The caller holds the exclusive borrow of the set.
    #[inline(always)]
    pub fn set_score(self, score: f64) {
        // SAFETY: as in `score`; no reference to these bytes is ever made.
        unsafe { self.0.as_ptr().cast::<f64>().write(score) }
    }

    /// Notes where its copy is, in place of its score: until that is set again, only `forward` may be asked for. The set is
    /// not shared between threads, and its owner does nothing else meanwhile.
    #[inline(always)]
    pub fn set_forward(self, copy: Member) {
        // SAFETY: as in `set_score`; an address has the size and the alignment of a score.
        unsafe { self.0.as_ptr().cast::<NonNull<u8>>().write(copy.0) }
    }

    /// Where its copy is, as noted.
    #[inline(always)]
    pub fn forward(self) -> Member {
        // SAFETY: the caller has called `set_forward` and nothing else since; these bytes are an address.
        Member(unsafe { self.0.as_ptr().cast::<NonNull<u8>>().read() })
    }

    /// The stamp of a snapshot.
    #[inline(always)]
    pub fn is_stamped(self) -> bool {
        // SAFETY: the member lives, and `new` wrote its length byte.
        unsafe { self.0.as_ptr().add(LEN).read() & STAMP != 0 }
    }

    /// Sets the stamp, or takes it off. The caller holds the exclusive borrow of the set.
    #[inline]
    pub fn set_stamp(self, is_stamped: bool) {
        // SAFETY: as in `is_stamped`; no reference to this byte is ever made: the text lies behind it.
        unsafe {
            let len = self.0.as_ptr().add(LEN);
            len.write(len.read() & !STAMP | if is_stamped { STAMP } else { 0 });
        }
    }

    /// Where its text starts, and how long it is.
    #[inline(always)]
    fn extent(self) -> (usize, usize) {
        let base = self.0.as_ptr();
        // SAFETY: the member lives (invariant of `Node`), and `new` wrote the length byte, and the length behind it where
        // that byte says so; nothing changes them but the stamp.
        unsafe {
            match base.add(LEN).read() & !STAMP {
                LONG => (LONG_START, base.add(LEN + 1).cast::<u32>().read_unaligned() as usize),
                len => (SHORT_START, usize::from(len)),
            }
        }
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
        // borrow of the set that owns it.
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
