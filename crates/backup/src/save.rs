//! `redan backup`.

use crate::Failure;
use crate::manifest::{self, Manifest};
use crate::options::Backup;
use crate::progress::{Progress, size};
use crate::store::Store;
use crate::transfer::{self, Snapshot};
use crate::view::{self, Place, Places};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// 1 s: before the second attempt; each later one waits as much longer (chosen here).
const PAUSE: Duration = Duration::from_secs(1);

/// Copies what the options name.
pub fn run(options: &Backup) -> Result<(), Failure> {
    let progress = Progress::new(options.is_quiet);
    let store = Store::create(&options.to)?;
    let (places, snapshots) = begin(options, &progress)?;
    let begun = snapshots.iter().map(|snapshot| snapshot.begun_ms);
    let (first, last) = (begun.clone().min().unwrap_or(0), begun.max().unwrap_or(0));
    let done = AtomicU64::new(0);
    let count = places.list.len();
    let fetch = |place, snapshot| fetch(&store, place, snapshot, &done, count, &progress);
    let nodes: Result<Vec<manifest::Node>, Failure> = thread::scope(|scope| {
        let fetch = &fetch;
        let threads: Vec<_> = places
            .list
            .iter()
            .zip(snapshots)
            .map(|(place, snapshot)| scope.spawn(move || fetch(place, snapshot)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends by returning")).collect()
    });
    let nodes = nodes?;
    let manifest =
        Manifest { begun_ms: first, window_ms: last - first, is_cluster: places.is_cluster, nodes };
    // The names of the files are durable before the one that vouches for them.
    store.sync()?;
    let mut draft = store.write(manifest::NAME)?;
    draft.write(manifest.text().as_bytes())?;
    draft.finish()?;
    store.sync()?;
    progress.line(&format!(
        "{count} node(s), {} in {}; all snapshots began within {} ms",
        size(manifest.nodes.iter().map(|node| node.bytes).sum()),
        store.name(),
        manifest.window_ms
    ));
    Ok(())
}

/// Has all snapshots begin, at a time when no slot moves.
fn begin(options: &Backup, progress: &Progress) -> Result<(Places, Vec<Snapshot>), Failure> {
    let mut trouble = String::new();
    for attempt in 1..=options.attempts {
        let before = view::places(&options.from, &options.login)?;
        match before.unrest() {
            Some(text) => trouble = text,
            None => {
                let snapshots = begin_all(options, &before.list)?;
                let after = view::places(&options.from, &options.login)?;
                if !before.is_cluster || after == before {
                    return Ok((before, snapshots));
                }
                trouble = after.unrest().unwrap_or_else(|| "slots changed their owner meanwhile".into());
            }
        }
        progress.line(&format!("attempt {attempt} of {}: {trouble}", options.attempts));
        if attempt < options.attempts {
            thread::sleep(PAUSE * attempt);
        }
    }
    Err(format!(
        "{trouble}: a copy would lose keys or have them twice. Let the resharding end, then try again"
    ))
}

/// Asks all at the same time.
fn begin_all(options: &Backup, places: &[Place]) -> Result<Vec<Snapshot>, Failure> {
    thread::scope(|scope| {
        let threads: Vec<_> = places
            .iter()
            .map(|place| scope.spawn(|| transfer::begin(&place.address, &options.login)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends by returning")).collect()
    })
}

/// Brings one snapshot into its file.
fn fetch(
    store: &Store,
    place: &Place,
    snapshot: Snapshot,
    done: &AtomicU64,
    count: usize,
    progress: &Progress,
) -> Result<manifest::Node, Failure> {
    let short: String = place.id.chars().take(12).collect();
    let file = format!("node-{}.rdb", if short.is_empty() { "0" } else { &short });
    let (replid, offset) = (snapshot.replid.clone(), snapshot.offset);
    let mut draft = store.write(&file)?;
    let (mut sums, mut bytes) = (Sums::default(), 0);
    snapshot.fetch(|piece, _| {
        draft.write(piece)?;
        sums.update(piece);
        bytes += piece.len() as u64;
        let all = done.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        progress.step(|| format!("{} of {count} node(s)", size(all)));
        Ok(())
    })?;
    draft.finish()?;
    let (sha256, crc64) = sums.texts();
    progress.line(&format!("{}: {} at offset {offset} in {file}", place.address, size(bytes)));
    Ok(manifest::Node {
        id: place.id.clone(),
        address: place.address.to_string(),
        slots: place.slots.plain(),
        epoch: place.epoch,
        replid,
        offset,
        file,
        bytes,
        sha256,
        crc64,
    })
}

/// The checksums of one file.
#[derive(Default)]
pub struct Sums {
    sha256: Sha256,
    crc64: base::crc64::Crc64,
}

impl Sums {
    /// Continues with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc64.update(bytes);
    }

    /// SHA-256 and CRC-64 in hex.
    pub fn texts(self) -> (String, String) {
        let mut text = String::new();
        for byte in self.sha256.finalize() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        (text, format!("{:016x}", self.crc64.value()))
    }
}
