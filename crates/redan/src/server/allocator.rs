//! Allocator: what a server asks of jemalloc beyond the settings in `main`, and what it tells of it.

use os::Allocator;
use std::sync::OnceLock;
use tikv_jemalloc_ctl::{Access, AsName, Error, Name, background_thread, epoch, stats, version};

/// Before the server makes threads of its own, and after a daemon's fork, which leaves the allocator without its threads.
/// Without any of it all works, some of it slower: what fails here is no reason to stop.
pub fn prepare() {
    // The first arena, which is this thread's, is made before the settings are looked at, and would go on giving free extents
    // of 8 MiB back at once, whoever frees what lies beside them.
    const NEVER: usize = usize::MAX;
    let _: Result<(), Error> = b"arena.0.oversize_threshold\0".name().write(NEVER);
    let _: Result<(), Error> = background_thread::write(true);
}

/// What the host tells of it, and what it can be asked.
pub fn allocator() -> Allocator {
    Allocator { name: name(), facts, number, text }
}

/// Name and version as the originals have them: `jemalloc-5.3.0`, without what tells of the very commit.
pub fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let whole = version::read().unwrap_or_default();
        format!("jemalloc-{}", whole.split('-').next().unwrap_or_default())
    })
}

/// In the system's words, as the originals say them.
const NO_CONTROL: &str = "No such file or directory";
const NOT_PERMITTED: &str = "Operation not permitted";

/// Runs `look` on a control. Its name comes from a client: what is none is refused before jemalloc's own checks.
fn control<T>(name: &[u8], look: impl FnOnce(&Name) -> Result<T, Error>) -> Result<T, &'static str> {
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(NO_CONTROL);
    }
    let mut ended = name.to_vec();
    ended.push(0);
    // The crate's errors have a text alone. The one for a missing name begins with that word.
    look(ended.as_slice().name()).map_err(|error| match error.to_string() {
        text if text.starts_with("`name`") => NO_CONTROL,
        _ => NOT_PERMITTED,
    })
}

/// DEBUG MALLCTL. Only what can not harm the process is written.
fn number(name: &[u8], value: Option<i64>) -> Result<i64, &'static str> {
    let Some(value) = value else {
        // Numbers are of three sizes; a control refuses all but its own.
        return control(name, |name| {
            Access::<u64>::read(name)
                .map(|number| number as i64)
                .or_else(|_| Access::<u32>::read(name).map(i64::from))
                .or_else(|_| Access::<bool>::read(name).map(i64::from))
        });
    };
    let is_decay = name.ends_with(b".dirty_decay_ms") || name.ends_with(b".muzzy_decay_ms");
    match name {
        b"epoch" => control(name, |name| name.update(value as u64)).map(|before| before as i64),
        b"thread.tcache.enabled" => control(name, |name| name.update(value != 0)).map(i64::from),
        _ if is_decay => control(name, |name| name.update(value as isize)).map(|before| before as i64),
        _ => Err(NOT_PERMITTED),
    }
}

/// DEBUG MALLCTL-STR. The one control without a value that is carried out is the flush of the thread's cache.
fn text(name: &[u8], value: Option<&[u8]>) -> Result<&'static [u8], &'static str> {
    match (name, value) {
        (b"thread.tcache.flush", Some(b"VOID")) => {
            // A cache that is switched off is emptied first.
            control(b"thread.tcache.enabled", |name| name.write(false).and_then(|()| name.write(true)))?;
            Ok(b"")
        }
        (_, Some(_)) => Err(NOT_PERMITTED),
        (_, None) => {
            control(name, |name| if name.value_type_str() { name.read().map(Some) } else { Ok(None) })
                .and_then(|text: Option<&'static [u8]>| text.ok_or(NOT_PERMITTED))
        }
    }
}

/// jemalloc's figures: allocated, active, resident.
fn facts() -> [u64; 3] {
    // Statistics are refreshed by advancing the epoch; without them the figures are zero, which INFO shows.
    let read = || -> Result<[u64; 3], Error> {
        epoch::advance()?;
        Ok([stats::allocated::read()? as u64, stats::active::read()? as u64, stats::resident::read()? as u64])
    };
    read().unwrap_or_default()
}
