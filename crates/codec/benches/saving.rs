//! What a snapshot costs the thread that runs the commands: a million strings of 64 bytes, random ones of them written to from
//! its beginning to its end. Answers: how many ns per key and save, for the walk and for what the writes copy before?
//!
//! Run: `cargo bench -p codec --bench saving [-- KEYS]`
//!
//! A turn is 160 writes whose entries are asked for ahead, as the engine does it, and then a slice of the walk, once 6 percent of the
//! time that the turns would take among the kernel's network code have come together. Two keyspaces take turns, of which one is
//! saved: what other guests of the machine do comes to both, so the ratio is steadier than the times.

use base::crc64::Crc64;
use data::{Clocks, Encode, Entry, Keyspace, Progress, SnapshotBudget, SnapshotOut, ValueRef};
use wire::rdb::encoder::{Packing, select_db};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// As the product sets it.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8] = b"background_thread:true,thp:always\0";

/// Writes of a turn.
const TURN: usize = 160;
/// 48 ns: what the walk gets for each write, a write taking 0.8 us with all around it.
const CREDIT_NS: usize = 48;
/// 40 us: the least of a slice.
const SLICE_NS: usize = 40_000;
/// 64 KiB: what goes to the disk at once.
const PIECE_BYTES: usize = 64 << 10;
const ROUNDS: usize = 15;
const VALUE_LEN: usize = 64;

fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn whole(out: &mut SnapshotOut, db: u32, key: &[u8], value: ValueRef<'_>, _deadline: Option<u64>) {
    if out.last_db != Some(db) {
        out.last_db = Some(db);
        select_db(&mut out.bytes, db);
    }
    codec::entry(&mut out.bytes, key, value, Packing::Lzf);
}

const ENCODE: Encode = Encode { whole, large: None, clocks: (Clocks::Unused, 0) };

/// A million keys, and who writes to them.
struct World {
    space: Keyspace,
    keys: u64,
    random: base::Random,
    /// What the writes put in.
    value: [u8; VALUE_LEN],
    is_random: bool,
}

impl World {
    fn new(keys: u64, is_random: bool) -> World {
        let mut world = World {
            space: Keyspace::new([0x1234, 0x5678], 1, false),
            keys,
            random: base::Random::new(1),
            value: [b'x'; VALUE_LEN],
            is_random,
        };
        for number in 0..keys {
            world.draw();
            let (key, value) = (key(number), world.value);
            let hash = world.space.hash(&key);
            match world.space.entry(0, &key, hash) {
                Entry::Vacant(entry) => drop(entry.insert_string(&value, None)),
                Entry::Occupied(_) => panic!("the keys differ"),
            }
        }
        world
    }

    fn draw(&mut self) {
        if self.is_random {
            for byte in &mut self.value {
                *byte = b"0123456789abcdef"[self.random.below(16) as usize];
            }
        }
    }

    fn turn(&mut self) {
        self.draw();
        let keys: [[u8; 16]; TURN] = core::array::from_fn(|_| key(self.random.below(self.keys)));
        for keys in keys.chunks(16) {
            let hashes: [_; 16] = core::array::from_fn(|at| self.space.hash(&keys[at]));
            hashes.iter().for_each(|hash| self.space.prefetch_bucket(0, *hash));
            hashes.iter().take(4).for_each(|hash| self.space.prefetch_entry(0, *hash));
            for (at, key) in keys.iter().enumerate() {
                if let Some(hash) = hashes.get(at + 4) {
                    self.space.prefetch_entry(0, *hash);
                }
                match self.space.entry(0, key, hashes[at]) {
                    Entry::Occupied(mut entry) => entry.set_string(&self.value),
                    Entry::Vacant(_) => panic!("all keys are there"),
                }
            }
        }
    }

    /// Saves among writes, with as many to `idle`.
    fn save(&mut self, idle: &mut World) -> Figures {
        let (mut credit, mut sum, mut figures) = (0, Crc64::default(), Figures::default());
        self.space.snapshot_begin(ENCODE);
        loop {
            let start = cpu_ns();
            idle.turn();
            let middle = cpu_ns();
            figures.idle_ns += middle - start;
            self.turn();
            figures.turns += 1;
            credit += (TURN * CREDIT_NS) as i64;
            let end = cpu_ns();
            figures.writing_ns += end - middle;
            if credit >= SLICE_NS as i64 {
                let before = self.space.snapshot_spent_ns();
                self.space.snapshot_step(SnapshotBudget { entries: usize::MAX, ns: credit as usize });
                credit -= (self.space.snapshot_spent_ns() - before) as i64;
            }
            let is_done = self.space.snapshot_progress() == Progress::Done;
            if is_done
                || self.space.snapshot_must_be_taken()
                || self.space.snapshot_ready_bytes() >= PIECE_BYTES
            {
                let mut piece = Vec::new();
                let progress = self.space.snapshot_take(&mut piece);
                sum.update(&piece);
                figures.bytes += piece.len();
                if progress != Progress::Walking {
                    std::hint::black_box(sum.value());
                    figures.walking_ns += cpu_ns() - end;
                    return figures;
                }
            }
            figures.walking_ns += cpu_ns() - end;
        }
    }
}

/// What a save was.
#[derive(Clone, Copy, Default)]
struct Figures {
    turns: usize,
    bytes: usize,
    /// The turns of the other keyspace, those of the one that is saved, and the walk.
    idle_ns: u64,
    writing_ns: u64,
    walking_ns: u64,
}

impl Figures {
    /// What the save costs, as a part of what the writes do without it.
    fn part(&self) -> f64 {
        (self.writing_ns + self.walking_ns) as f64 / self.idle_ns as f64 - 1.0
    }
}

fn main() {
    let keys: u64 = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    println!("ns per write; ns per key and save; of the round in the middle of {ROUNDS}");
    for (name, is_random) in [("random text", true), ("runs of x", false)] {
        let (mut world, mut idle) = (World::new(keys, is_random), World::new(keys, is_random));
        let mut rounds: Vec<Figures> = (0..ROUNDS).map(|_| world.save(&mut idle)).collect();
        rounds.sort_by(|one, other| one.part().total_cmp(&other.part()));
        let Figures { turns, bytes, idle_ns, writing_ns, walking_ns } = rounds[ROUNDS / 2];
        let (per_write, per_key) = (|ns| ns as f64 / (turns * TURN) as f64, |ns| ns as f64 / keys as f64);
        let copying_ns = writing_ns as i64 - idle_ns as i64;
        println!(
            "{name:12} idle {:.0}; saving {:.0} and the walk {:.0}: {:.2} of it; copies {:.0}, walk {:.0}; {} writes, {bytes} bytes",
            per_write(idle_ns as i64),
            per_write(writing_ns as i64),
            per_write(walking_ns as i64),
            1.0 + rounds[ROUNDS / 2].part(),
            per_key(copying_ns),
            per_key(walking_ns as i64),
            turns * TURN
        );
        // The process ends without freeing the entries one by one.
        std::mem::forget((world.space, idle.space));
    }
}

/// 16 bytes.
fn key(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}
