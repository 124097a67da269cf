//! Allocator: what a server asks of jemalloc beyond the settings in `main`, and what it tells of it.

use tikv_jemalloc_ctl::{Access, AsName, Error, background_thread, epoch, stats};

/// Before the server makes threads of its own, and after a daemon's fork, which leaves the allocator without its threads.
/// Without any of it all works, some of it slower: what fails here is no reason to stop.
pub fn prepare() {
    // The first arena, which is this thread's, is made before the settings are looked at, and would go on giving free extents
    // of 8 MiB back at once, whoever frees what lies beside them.
    const NEVER: usize = usize::MAX;
    let _: Result<(), Error> = b"arena.0.oversize_threshold\0".name().write(NEVER);
    let _: Result<(), Error> = background_thread::write(true);
}

/// jemalloc's figures: allocated, active, resident.
pub fn facts() -> [u64; 3] {
    // Statistics are refreshed by advancing the epoch; without them the figures are zero, which INFO shows.
    let read = || -> Result<[u64; 3], Error> {
        epoch::advance()?;
        Ok([stats::allocated::read()? as u64, stats::active::read()? as u64, stats::resident::read()? as u64])
    };
    read().unwrap_or_default()
}
