//! The longest single insert while a table grows to 20 million entries (16-byte key, 8-byte value). Answers: does any
//! operation take over 1 ms of thread CPU time? Prints the maximum and a histogram of all inserts.
//!
//! Run: `cargo bench -p data --bench growth [-- ENTRIES]`
//!
//! Each insert is measured by the processor's counter; one that seems long is judged by the thread's CPU time, which is
//! read before every batch of 16 inserts: what that batch took bounds it from above, without other threads' turns.

use data::{Entry, Keyspace};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// As the product sets it (and Redis): a thread of the allocator gives unused memory back to the system. Without it that is
/// done within an allocation now and then, in up to some milliseconds.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8] = b"background_thread:true\0";

/// Inserts between two looks at the thread's CPU time.
const BATCH: u64 = 16;

fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A counter of constant speed.
fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reading the counter has no effect.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    cpu_ns()
}

fn ticks_per_ns() -> f64 {
    let (start, from) = (std::time::Instant::now(), ticks());
    while start.elapsed().as_millis() < 50 {}
    (ticks() - from) as f64 / start.elapsed().as_nanos() as f64
}

fn main() {
    let entries: u64 = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(20_000_000);
    let per_ns = ticks_per_ns();
    let mut space = Keyspace::new([0x1234, 0x5678], 1, false);
    // Buckets of the histogram: below 2^n ns.
    let mut histogram = [0u64; 40];
    let mut worst: Vec<(u64, u64)> = Vec::new();
    let begin = cpu_ns();
    for batch in 0..entries / BATCH {
        let batch_start = cpu_ns();
        let mut longest = (0, 0);
        for number in batch * BATCH..(batch + 1) * BATCH {
            let key = format_key(number);
            let start = ticks();
            let hash = space.hash(&key);
            match space.entry(0, &key, hash) {
                Entry::Vacant(entry) => drop(entry.insert_string(b"value-08", None)),
                Entry::Occupied(_) => panic!("the keys differ"),
            }
            let ns = ((ticks() - start) as f64 / per_ns) as u64;
            longest = longest.max((ns, number));
            // What is counted here still holds other threads' turns; the maximum below does not.
            histogram[(64 - ns.leading_zeros() as usize).min(39)] += 1;
        }
        let bound = cpu_ns() - batch_start;
        worst.push((longest.0.min(bound), longest.1));
        if worst.len() > 1_000_000 {
            worst.sort_unstable_by(|one, other| other.cmp(one));
            worst.truncate(10);
        }
    }
    let total = cpu_ns() - begin;
    worst.sort_unstable_by(|one, other| other.cmp(one));
    worst.truncate(10);
    assert_eq!(space.len(0), entries / BATCH * BATCH);
    println!("{entries} inserts, {} ns of CPU each", total / entries);
    println!("longest (ns of CPU, at entry): {worst:?}");
    let used = (space.used_bytes() as f64, space.overhead_bytes() as f64);
    println!("bytes per key: {:.2}, of it table {:.2}", used.0 / entries as f64, used.1 / entries as f64);
    for (power, count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        println!("below {:>12} ns: {count}", 1u64 << power);
    }
    println!("longest pause of a loop without memory, of as many ns: {} ns", noise_ns(total));
    println!("under 1 ms: {}", worst[0].0 < 1_000_000);
    // The process ends without freeing the entries one by one.
    std::mem::forget(space);
}

/// What the machine alone (interrupts, a hypervisor) adds to ten microseconds of work, at most, over `total_ns`.
fn noise_ns(total_ns: u64) -> u64 {
    let begin = cpu_ns();
    let mut longest = 0;
    while cpu_ns() - begin < total_ns {
        let start = cpu_ns();
        (0..10_000u64).for_each(|number| {
            std::hint::black_box(number);
        });
        longest = longest.max(cpu_ns() - start);
    }
    longest
}

/// 16 bytes.
fn format_key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for byte in key[4..].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}
