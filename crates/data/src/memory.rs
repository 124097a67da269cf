//! Memory in the allocator's size classes (`base::size`): what is asked for takes the whole of its class.

use alloc::alloc::{alloc, alloc_zeroed, dealloc, handle_alloc_error};
pub use base::size::size_class;
use core::alloc::Layout;
use core::ptr::NonNull;

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
