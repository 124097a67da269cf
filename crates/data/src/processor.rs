//! Processor: what it has beyond the program's baseline.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
/// Nothing more.
const BASELINE: u8 = 1;
/// The instruction that counts the bits of a word.
pub(crate) const POPCNT: u8 = 2;
/// That, and vectors of 32 bytes.
pub(crate) const AVX2: u8 = 3;
/// That, and vectors of 64 bytes with a count of their bits.
pub(crate) const AVX512_POPCNT: u8 = 4;

/// A fact of the processor, asked for once: the asking is slow, in a virtual machine above all.
static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);

/// What is there.
#[inline]
pub(crate) fn level() -> u8 {
    match LEVEL.load(Ordering::Relaxed) {
        UNKNOWN => ask(),
        level => level,
    }
}

#[cold]
fn ask() -> u8 {
    // Bits of the leaves 1 and 7, as the processor's manual has them.
    const HAS_POPCNT: u32 = 1 << 23;
    const SAVES_VECTORS_AND_AVX: u32 = 1 << 27 | 1 << 28;
    const HAS_AVX2: u32 = 1 << 5;
    const HAS_AVX512_FOUNDATION: u32 = 1 << 16;
    const HAS_AVX512_POPCNT: u32 = 1 << 14;
    let ecx = __cpuid(1).ecx;
    let mut level = if ecx & HAS_POPCNT != 0 { POPCNT } else { BASELINE };
    if level == POPCNT && ecx & SAVES_VECTORS_AND_AVX == SAVES_VECTORS_AND_AVX && __cpuid(0).eax >= 7 {
        // SAFETY: bit 27 says that the instruction is there and that the system has enabled it.
        let saved = unsafe { _xgetbv(0) };
        // 6: the system keeps both halves of the vectors.
        if saved & 6 == 6 && __cpuid_count(7, 0).ebx & HAS_AVX2 != 0 {
            level = AVX2;
        }
        // 0xe0: it keeps the masks and all of the larger vectors too.
        let features = __cpuid_count(7, 0);
        let has_all = features.ebx & HAS_AVX512_FOUNDATION != 0 && features.ecx & HAS_AVX512_POPCNT != 0;
        if level == AVX2 && saved & 0xe0 == 0xe0 && has_all {
            level = AVX512_POPCNT;
        }
    }
    LEVEL.store(level, Ordering::Relaxed);
    level
}
