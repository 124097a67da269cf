//! `--bigkeys`, `--memkeys`, `--hotkeys`: a walk over all keys that keeps the largest.

use super::scan::step;
use super::{ask, cancelled, shown};
use crate::session::Session;
use crate::{complain, say};
use base::words::quoted;
use std::sync::atomic::Ordering;
use wire::value::Value;

/// After so many steps of SCAN the walk rests for the interval.
const STEPS_BETWEEN_RESTS: u64 = 100;
/// After so many keys a line says how far the walk is.
const KEYS_PER_LINE: u64 = 1_000_000;
/// So many of the most used keys are shown.
const HOT_KEYS: usize = 16;

/// What is measured of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// Its elements.
    Elements,
    /// Its bytes.
    Memory,
}

/// What was found of one type.
struct Kind {
    name: String,
    /// The command that gives a key's size; types of modules have none.
    size: Option<&'static str>,
    unit: &'static str,
    count: u64,
    total: u64,
    largest: u64,
    largest_key: Option<String>,
}

impl Kind {
    fn new(name: &str, size: Option<&'static str>, unit: &'static str) -> Kind {
        Kind { name: name.into(), size, unit, count: 0, total: 0, largest: 0, largest_key: None }
    }

    fn unit(&self, measure: Measure) -> &'static str {
        if measure == Measure::Memory { "bytes" } else { self.unit }
    }
}

/// How far a walk is.
struct Progress {
    total: u64,
    sampled: u64,
    percent: f64,
    steps: u64,
}

impl Progress {
    fn begin(session: &mut Session, what: &str) -> Result<Progress, u8> {
        let total = match ask(session, &["DBSIZE"])? {
            Value::Integer(count) => count.unsigned_abs(),
            Value::Error(text) => {
                complain!("Couldn't determine DBSIZE: {}", shown(&text));
                return Err(1);
            }
            _ => {
                complain!("Non INTEGER response from DBSIZE!");
                return Err(1);
            }
        };
        say!("\n# Scanning the entire keyspace to find {what} keys as well as\n");
        say!("# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n");
        say!("# per 100 SCAN commands (not usually needed).\n\n");
        Ok(Progress { total, sampled: 0, percent: 0.0, steps: 0 })
    }

    fn on_step(&mut self) {
        self.percent = 100.0 * self.sampled as f64 / self.total as f64;
        self.steps += 1;
    }

    fn on_key(&mut self) {
        self.sampled += 1;
        if self.sampled.is_multiple_of(KEYS_PER_LINE) {
            say!("[{}%] Sampled {} keys so far\n", self.percent(), self.sampled);
        }
    }

    fn percent(&self) -> String {
        percent(self.percent)
    }

    fn rest(&self, session: &Session) {
        if self.steps.is_multiple_of(STEPS_BETWEEN_RESTS) {
            std::thread::sleep(session.options.interval);
        }
    }

    fn end(&self, is_cancelled: bool) {
        say!("\n-------- summary -------\n\n");
        if is_cancelled {
            say!("[{}%] ", self.percent());
        }
        say!("Sampled {} keys in the keyspace!\n", self.sampled);
    }
}

/// As C's `%05.2f`; no keys at all give its "not a number".
fn percent(value: f64) -> String {
    if value.is_nan() { " -nan".into() } else { format!("{value:05.2}") }
}

/// `--bigkeys`
pub fn big(session: &mut Session) -> u8 {
    walk(session, Measure::Elements).err().unwrap_or(0)
}

/// `--memkeys`
pub fn memory(session: &mut Session) -> u8 {
    walk(session, Measure::Memory).err().unwrap_or(0)
}

fn walk(session: &mut Session, measure: Measure) -> Result<(), u8> {
    // In the order of the original's summary.
    let mut kinds = vec![
        Kind::new("list", Some("LLEN"), "items"),
        Kind::new("hash", Some("HLEN"), "fields"),
        Kind::new("string", Some("STRLEN"), "bytes"),
        Kind::new("stream", Some("XLEN"), "entries"),
        Kind::new("set", Some("SCARD"), "members"),
        Kind::new("zset", Some("ZCARD"), "members"),
    ];
    let cancelled = cancelled();
    let mut progress = Progress::begin(session, "biggest")?;
    let mut key_bytes = 0;
    let mut cursor = b"0".to_vec();
    loop {
        progress.on_step();
        let (next, keys) = step(session, &cursor)?;
        cursor = next;
        let types = types(session, &keys, &mut kinds)?;
        let sizes = sizes(session, &keys, &types, &kinds, measure)?;
        for ((key, kind), size) in keys.iter().zip(types).zip(sizes) {
            // Gone between SCAN and TYPE.
            let Some(kind) = kind else { continue };
            key_bytes += key.len() as u64;
            note(&mut kinds[kind], key, size, measure, &progress);
            progress.on_key();
        }
        progress.rest(session);
        if cursor == b"0" || cancelled.load(Ordering::Relaxed) {
            break;
        }
    }
    progress.end(cancelled.load(Ordering::Relaxed));
    summary(&kinds, measure, progress.sampled, key_bytes);
    Ok(())
}

fn note(kind: &mut Kind, key: &[u8], size: u64, measure: Measure, progress: &Progress) {
    kind.total += size;
    kind.count += 1;
    if kind.largest < size {
        let key = shown(&quoted(key));
        let (percent, name, unit) = (progress.percent(), &kind.name, kind.unit(measure));
        say!("[{percent}%] Biggest {name:<6} found so far '{key}' with {size} {unit}\n");
        kind.largest = size;
        kind.largest_key = Some(key);
    }
}

/// The place of each key's type in `kinds`; none for a key that is gone. New types are added.
fn types(session: &mut Session, keys: &[Vec<u8>], kinds: &mut Vec<Kind>) -> Result<Vec<Option<usize>>, u8> {
    let requests: Vec<Vec<&[u8]>> = keys.iter().map(|key| vec![b"TYPE".as_slice(), key]).collect();
    let replies = session.connection().map(|connection| connection.pipeline(&requests));
    let Some(Ok(replies)) = replies else {
        complain!("Error getting the types of keys");
        return Err(1);
    };
    let mut places = Vec::with_capacity(keys.len());
    for (key, reply) in keys.iter().zip(replies) {
        let name = match reply {
            Value::Simple(name) => shown(&name),
            Value::Error(text) => {
                complain!("TYPE returned an error: {}", shown(&text));
                return Err(1);
            }
            _ => {
                complain!("Invalid reply type for TYPE on key '{}'!", shown(key));
                return Err(1);
            }
        };
        let place = kinds.iter().position(|kind| kind.name == name);
        if place.is_none() && name != "none" {
            kinds.push(Kind::new(&name, None, "?"));
        }
        places.push(place.or((name != "none").then(|| kinds.len() - 1)));
    }
    Ok(places)
}

fn sizes(
    session: &mut Session,
    keys: &[Vec<u8>],
    types: &[Option<usize>],
    kinds: &[Kind],
    measure: Measure,
) -> Result<Vec<u64>, u8> {
    let samples = session.options.memkeys_samples.to_string();
    let request = |(key, kind): (&Vec<u8>, &Option<usize>)| -> Option<Vec<Vec<u8>>> {
        let kind = &kinds[(*kind)?];
        match measure {
            Measure::Elements => Some(vec![kind.size?.into(), key.clone()]),
            Measure::Memory if samples == "0" => Some(vec![b"MEMORY".into(), b"USAGE".into(), key.clone()]),
            Measure::Memory => Some(vec![
                b"MEMORY".into(),
                b"USAGE".into(),
                key.clone(),
                b"SAMPLES".into(),
                samples.clone().into_bytes(),
            ]),
        }
    };
    let wanted: Vec<_> = keys.iter().zip(types).map(request).collect();
    let requests: Vec<_> = wanted.iter().flatten().cloned().collect();
    let replies = session.connection().map(|connection| connection.pipeline(&requests));
    let Some(Ok(replies)) = replies else {
        complain!("Error getting the sizes of keys");
        return Err(1);
    };
    let mut replies = replies.into_iter();
    let mut sizes = Vec::with_capacity(keys.len());
    for (key, wanted) in keys.iter().zip(&wanted) {
        let Some(words) = wanted else {
            sizes.push(0);
            continue;
        };
        match replies.next() {
            Some(Value::Integer(size)) => sizes.push(size.unsigned_abs()),
            _ => {
                let command =
                    if measure == Measure::Memory { "MEMORY USAGE".into() } else { shown(&words[0]) };
                complain!("Warning:  {command} on '{}' failed (may have changed type)", shown(key));
                sizes.push(0);
            }
        }
    }
    Ok(sizes)
}

fn summary(kinds: &[Kind], measure: Measure, sampled: u64, key_bytes: u64) {
    let average = if key_bytes == 0 { 0.0 } else { key_bytes as f64 / sampled as f64 };
    say!("Total key length in bytes is {key_bytes} (avg len {average:.2})\n\n");
    let kinds = in_original_order(kinds, sampled);
    for kind in &kinds {
        if let Some(key) = &kind.largest_key {
            let (name, size, unit) = (&kind.name, kind.largest, kind.unit(measure));
            say!("Biggest {name:>6} found '{key}' has {size} {unit}\n");
        }
    }
    say!("\n");
    for kind in kinds {
        let share = if sampled == 0 { 0.0 } else { 100.0 * kind.count as f64 / sampled as f64 };
        let average = if kind.count == 0 { 0.0 } else { kind.total as f64 / kind.count as f64 };
        let (count, name, total, unit) = (kind.count, &kind.name, kind.total, kind.unit(measure));
        let share = percent(share);
        say!("{count} {name}s with {total} {unit} ({share}% of keys, avg size {average:.2})\n");
    }
}

/// The original keeps its types in a hash table; the order of the first three depends on how often it was looked into
/// while it grew: once per key.
fn in_original_order(kinds: &[Kind], sampled: u64) -> Vec<&Kind> {
    let mut ordered: Vec<&Kind> = kinds.iter().collect();
    match sampled {
        0 => ordered.swap(0, 1),
        1 => ordered[..3].rotate_right(1),
        _ => {}
    }
    ordered
}

/// `--hotkeys`
pub fn hot(session: &mut Session) -> u8 {
    hot_walk(session).err().unwrap_or(0)
}

fn hot_walk(session: &mut Session) -> Result<(), u8> {
    let cancelled = cancelled();
    let mut progress = Progress::begin(session, "hot")?;
    // The most used keys so far, the least of them first; no use yet: an empty name.
    let mut hottest: Vec<(u64, String)> = vec![(0, String::new()); HOT_KEYS];
    let mut cursor = b"0".to_vec();
    loop {
        progress.on_step();
        let (next, keys) = step(session, &cursor)?;
        cursor = next;
        for (key, uses) in keys.iter().zip(uses(session, &keys)?) {
            progress.on_key();
            let above = hottest.iter().take_while(|(least, _)| uses > *least).count();
            let Some(place) = above.checked_sub(1) else { continue };
            let key = shown(&quoted(key));
            say!("[{}%] Hot key '{key}' found so far with counter {uses}\n", progress.percent());
            if place == 0 || hottest[place].0 == 0 {
                hottest[place] = (uses, key);
            } else {
                hottest[..=place].rotate_left(1);
                hottest[place] = (uses, key);
            }
        }
        progress.rest(session);
        if cursor == b"0" || cancelled.load(Ordering::Relaxed) {
            break;
        }
    }
    progress.end(cancelled.load(Ordering::Relaxed));
    for (uses, key) in hottest.iter().rev().filter(|(uses, _)| *uses > 0) {
        say!("hot key found with counter: {uses}\tkeyname: {key}\n");
    }
    Ok(())
}

fn uses(session: &mut Session, keys: &[Vec<u8>]) -> Result<Vec<u64>, u8> {
    let requests: Vec<Vec<&[u8]>> = keys.iter().map(|key| vec![b"OBJECT".as_slice(), b"FREQ", key]).collect();
    let replies = session.connection().map(|connection| connection.pipeline(&requests));
    let Some(Ok(replies)) = replies else {
        complain!("Error getting freq for keys");
        return Err(1);
    };
    let mut uses = Vec::with_capacity(keys.len());
    for (key, reply) in keys.iter().zip(replies) {
        uses.push(match reply {
            Value::Integer(uses) => uses.unsigned_abs(),
            Value::Error(text) => {
                complain!("Error: {}", shown(&text));
                return Err(1);
            }
            _ => {
                let key = shown(&quoted(key));
                complain!("Warning: OBJECT freq on '{key}' failed (may have been deleted)");
                0
            }
        });
    }
    Ok(uses)
}
