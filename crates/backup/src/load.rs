//! `redan restore`.

use crate::Failure;
use crate::manifest::{self, Manifest};
use crate::options::Restore;
use crate::progress::{Progress, size};
use crate::save::Sums;
use crate::store::Store;
use crate::target::Target;
use cli::cluster::slots::SlotSet;
use cli::connection::reason;
use std::collections::BTreeSet;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::rdb::encoder::Packing;
use wire::rdb::{Decoder, Item, payload};

/// Bytes that one read takes.
const READ_BYTES: usize = 256 << 10;
/// 64 MiB: a manifest is far smaller.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What was left out, and why.
#[derive(Default)]
struct Counts {
    expired: u64,
    foreign: u64,
    empty: u64,
    modules: u64,
}

/// Checks the backup, and restores it if the options say where to.
pub fn run(options: &Restore) -> Result<(), Failure> {
    let progress = Progress::new(options.is_quiet);
    let store = Store::open(&options.from)?;
    let mut text = Vec::new();
    let opened = store.read(manifest::NAME).map_err(|error| format!("no backup: {error}"))?;
    opened
        .take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(|error| format!("{}: {}", manifest::NAME, reason(&error)))?;
    let manifest = Manifest::parse(&text)?;
    for node in &manifest.nodes {
        check(&store, node, &progress)?;
    }
    let total: u64 = manifest.nodes.iter().map(|node| node.bytes).sum();
    progress.line(&format!("checksums are right: {} file(s), {}", manifest.nodes.len(), size(total)));
    let Some(address) = &options.to else { return Ok(()) };
    let mut target = Target::open(address, &options.login, options.replaces)?;
    if !options.is_forced
        && let Some(data) = target.data()?
    {
        return Err(format!(
            "the target holds data already ({data}); --force restores beside it, --replace over it"
        ));
    }
    let mut restore =
        Work { options, target, counts: Counts::default(), functions: BTreeSet::new(), done: 0, total };
    for node in &manifest.nodes {
        restore.file(&store, node, &manifest, &progress)?;
    }
    restore.target.finish()?;
    progress.line(&restore.summary());
    Ok(())
}

/// Compares a file with what the manifest says of it.
fn check(store: &Store, node: &manifest::Node, progress: &Progress) -> Result<(), Failure> {
    let mut file = store.read(&node.file)?;
    let (mut sums, mut bytes) = (Sums::default(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer).map_err(|error| format!("{}: {}", node.file, reason(&error)))?;
        if count == 0 {
            break;
        }
        sums.update(&buffer[..count]);
        bytes += count as u64;
        progress.step(|| format!("checking {}: {} of {}", node.file, size(bytes), size(node.bytes)));
    }
    if bytes != node.bytes {
        return Err(format!(
            "{} is damaged: it has {bytes} bytes, the manifest says {}",
            node.file, node.bytes
        ));
    }
    let (sha256, crc64) = sums.texts();
    if sha256 != node.sha256 || crc64 != node.crc64 {
        return Err(format!(
            "{} is damaged: its SHA-256 is {sha256}, the manifest says {}; nothing was restored",
            node.file, node.sha256
        ));
    }
    Ok(())
}

/// A restore under way.
struct Work<'a> {
    options: &'a Restore,
    target: Target,
    counts: Counts,
    /// Libraries that are loaded already: each node of a cluster has all of them.
    functions: BTreeSet<Vec<u8>>,
    done: u64,
    total: u64,
}

impl Work<'_> {
    /// Brings the keys of one file to the target.
    fn file(
        &mut self,
        store: &Store,
        node: &manifest::Node,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let slots = manifest.is_cluster.then(|| node.slot_set());
        let mut file = store.read(&node.file)?;
        let (mut decoder, mut buffer) = (Decoder::new(), vec![0; READ_BYTES]);
        while !decoder.has_ended() {
            let count =
                file.read(&mut buffer).map_err(|error| format!("{}: {}", node.file, reason(&error)))?;
            if count == 0 {
                decoder.finish().map_err(|error| format!("{}: {error}", node.file))?;
                return Err(format!("{} ends too early", node.file));
            }
            decoder.push(&buffer[..count]);
            while let Some(item) = decoder.next_item().map_err(|error| format!("{}: {error}", node.file))? {
                self.item(item, slots.as_ref())?;
            }
            self.done += count as u64;
            progress.step(|| {
                format!("{} of {}, {} keys restored", size(self.done), size(self.total), self.target.restored)
            });
        }
        Ok(())
    }

    fn item(&mut self, item: Item, slots: Option<&SlotSet>) -> Result<(), Failure> {
        match item {
            Item::Key { db, key, value, deadline_ms, idle, freq } => {
                if slots.is_some_and(|slots| !slots.contains(base::crc16::slot_of(&key))) {
                    self.counts.foreign += 1;
                    return Ok(());
                }
                if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms()) {
                    self.counts.expired += 1;
                    return Ok(());
                }
                let mut body = Vec::new();
                payload::write(&mut body, &value, Packing::Plain);
                let deadline = deadline_ms.unwrap_or(0).to_string();
                let mut words: Vec<&[u8]> = vec![deadline.as_bytes(), &body, b"ABSTTL"];
                let (idle, freq) = (idle.map(|idle| idle.to_string()), freq.map(|freq| freq.to_string()));
                match (&idle, &freq) {
                    (Some(idle), _) => words.extend([b"IDLETIME", idle.as_bytes()]),
                    (None, Some(freq)) => words.extend([b"FREQ", freq.as_bytes()]),
                    (None, None) => {}
                }
                self.target.key(db, key, &words)
            }
            Item::Function(code) => {
                if self.options.drops_functions || self.functions.contains(&code) {
                    return Ok(());
                }
                self.target.function(&code)?;
                self.functions.insert(code);
                Ok(())
            }
            Item::Empty { .. } => {
                self.counts.empty += 1;
                Ok(())
            }
            Item::ModuleData { .. } => {
                self.counts.modules += 1;
                Ok(())
            }
            Item::Header { .. }
            | Item::Aux { .. }
            | Item::SlotImport { .. }
            | Item::SelectDb(_)
            | Item::ResizeDb { .. }
            | Item::Eof { .. } => Ok(()),
        }
    }

    fn summary(&self) -> String {
        let mut text = format!("{} keys restored to {} node(s)", self.target.restored, self.target.len());
        let rows = [
            (self.functions.len() as u64, "libraries of functions restored"),
            (self.counts.expired, "keys had expired and were left out"),
            (self.counts.foreign, "keys were not of their node's slots and were left out"),
            (self.counts.empty, "empty collections were left out"),
            (self.counts.modules, "notes of modules were left out"),
        ];
        for (count, what) in rows.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64)
}
