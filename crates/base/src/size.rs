//! Sizes of memory in the allocator's classes: exact, and a pure function of what was asked for.
//!
//! The classes are those of jemalloc with 4 KiB pages and a quantum of 16: 8, then steps of 16 up to 128,
//! then four steps per doubling.

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
