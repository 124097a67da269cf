//! Cost of one random GET and SET among a million keys (16-byte key, 64-byte value), alone and with prefetched batches of
//! 32. Answers: does the table reach 100 ns an operation, hashing included, and how many bytes does a key cost?
//!
//! Run: `cargo bench -p data --bench table [-- clustered]`

use base::Random;
use data::{Entry, KeyHash, Keyspace, StrRef};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;
const OPERATIONS: u64 = 1_000_000;
const BATCH: usize = 32;
const ROUNDS: usize = 7;

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for byte in key[4..].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Thread CPU time, so that neighbours on the machine count less.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn get(space: &Keyspace, key: &[u8], hash: KeyHash) -> u64 {
    match space.find(0, key, hash).and_then(|entry| entry.string()) {
        Some(StrRef::Bytes(text)) => u64::from(text[0]) + u64::from(text[63]),
        _ => panic!("{key:?} is missing"),
    }
}

fn set(space: &mut Keyspace, key: &[u8], hash: KeyHash, value: &[u8]) {
    match space.entry(0, key, hash) {
        Entry::Occupied(mut entry) => entry.store(value, None),
        Entry::Vacant(entry) => drop(entry.insert_string(value, None)),
    }
}

/// One round over random keys, made beforehand as a parser would; returns ns per operation.
fn round(space: &mut Keyspace, seed: u64, prefetched: bool, write: bool) -> f64 {
    let mut random = Random::new(seed);
    let value = [b'a' + (seed % 20) as u8; 64];
    let mut sum = 0;
    let mut spent = 0;
    for _ in 0..OPERATIONS / 4096 {
        let keys: Vec<[u8; 16]> = (0..4096).map(|_| key(random.below(KEYS))).collect();
        let start = cpu_ns();
        for batch in keys.chunks(BATCH) {
            let mut hashes = [space.hash(b""); BATCH];
            for (key, hash) in batch.iter().zip(&mut hashes) {
                *hash = space.hash(key);
            }
            if prefetched {
                hashes.iter().for_each(|hash| space.prefetch_bucket(0, *hash));
                hashes.iter().for_each(|hash| space.prefetch_entry(0, *hash));
            }
            for (key, hash) in batch.iter().zip(hashes) {
                if write {
                    set(space, key, hash, &value);
                } else {
                    sum += get(space, key, hash);
                }
            }
        }
        spent += cpu_ns() - start;
    }
    assert!(write || sum > 0);
    spent as f64 / (OPERATIONS / 4096 * 4096) as f64
}

fn main() {
    let clustered = std::env::args().any(|arg| arg == "clustered");
    let mut space = Keyspace::new([0x1234, 0x5678], 1, clustered);
    let start = Instant::now();
    for number in 0..KEYS {
        let key = key(number);
        let hash = space.hash(&key);
        set(&mut space, &key, hash, &[b'v'; 64]);
    }
    let filled = start.elapsed().as_nanos() as f64 / KEYS as f64;
    println!("fill: {filled:.0} ns per insert, clustered {clustered}");
    let (used, overhead) = (space.used_bytes() as f64, space.overhead_bytes() as f64);
    println!("bytes per key: {:.2}, of it table {:.2}", used / KEYS as f64, overhead / KEYS as f64);
    for (name, write) in [("GET", false), ("SET", true)] {
        for prefetched in [false, true] {
            let mut ns: Vec<f64> =
                (0..ROUNDS).map(|seed| round(&mut space, seed as u64, prefetched, write)).collect();
            ns.sort_by(f64::total_cmp);
            let (median, max) = (ns[ROUNDS / 2], ns[ROUNDS - 1]);
            println!(
                "{name}, prefetch {prefetched}: median {median:.0} ns, min {:.0} ns, max {max:.0} ns",
                ns[0]
            );
        }
    }
}
