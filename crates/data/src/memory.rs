//! Memory in the allocator's size classes: exact, and a pure function of what was asked for.
//!
//! The classes are those of jemalloc with 4 KiB pages and a quantum of 16: 8, then steps of 16 up to 128,
//! then four steps per doubling.

use alloc::alloc::{alloc, alloc_zeroed, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr::NonNull;

/// The bytes that the allocator really takes for a request of `bytes` (0 for 0: nothing is allocated).
#[inline]
pub const fn size_class(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => (bytes + 15) & !15,
        _ => {
            // The step is a quarter of the doubling that `bytes` lies in.
            let doubling = usize::BITS - 1 - (bytes - 1).leading_zeros();
            let step = 1usize << (doubling - 2);
            (bytes + step - 1) & !(step - 1)
        }
    }
}

/// A request to the allocator: `bytes` rounded up to their size class, at an alignment of `align`.
fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(size_class(bytes), align).expect("a size within the address space")
}

/// Takes the whole size class of `bytes`. The content is undefined.
pub(crate) fn take(bytes: usize, align: usize) -> NonNull<u8> {
    assert!(bytes > 0);
    let layout = layout(bytes, align);
    // SAFETY: the layout's size is not zero: `bytes` is not, and a class is never below its request.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// As `take`, filled with zeros.
pub(crate) fn take_zeroed(bytes: usize, align: usize) -> NonNull<u8> {
    assert!(bytes > 0);
    let layout = layout(bytes, align);
    // SAFETY: as in `take`.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory back.
///
/// # Safety
/// `memory` came from `take` or `take_zeroed` with the same size class and alignment, and nothing uses it any more.
pub(crate) unsafe fn give_back(memory: NonNull<u8>, bytes: usize, align: usize) {
    // SAFETY: the caller's promise; the layout is a pure function of class and alignment.
    unsafe { dealloc(memory.as_ptr(), layout(bytes, align)) }
}

/// Asks the processor to bring the cache line at `address`. Any address will do: it is a hint and never faults.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch has no effect but on the caches, whatever the address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn the_classes_are_the_allocator_s() {
        let pairs = [
            (1, 8),
            (8, 8),
            (9, 16),
            (16, 16),
            (17, 32),
            (92, 96),
            (96, 96),
            (97, 112),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (1024, 1024),
            (1025, 1280),
            (4096, 4096),
            (4097, 5120),
            (8192, 8192),
            (8193, 10240),
            (14336, 14336),
            (14337, 16384),
            (1 << 20, 1 << 20),
            ((1 << 20) + 1, 5 << 18),
        ];
        for (bytes, class) in pairs {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }
}
