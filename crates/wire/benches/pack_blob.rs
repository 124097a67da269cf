//! Cost of one string of an RDB file, with LZF: text that repeats and random text, short ones as caches hold.
//! Answers: what does a write pay during a save for the old value that it has to keep?

use base::Random;
use std::hint::black_box;
use std::time::Instant;
use wire::rdb::encoder::{Packing, blob};

const ROUNDS: usize = 15;
const STRINGS: usize = 200_000;

fn measure(name: &str, strings: &[Vec<u8>]) {
    let mut out = Vec::new();
    let mut ns: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for index in 0..STRINGS {
                // As pieces of a file are: a few thousand bytes, then the next.
                if out.len() > 1 << 16 {
                    black_box(&out);
                    out.clear();
                }
                blob(&mut out, &strings[index % strings.len()], Packing::Lzf);
            }
            start.elapsed().as_nanos() as f64 / STRINGS as f64
        })
        .collect();
    ns.sort_by(f64::total_cmp);
    println!("{name}: median {:.1} ns, min {:.1}, max {:.1} a string", ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1]);
}

fn main() {
    let mut random = Random::new(1);
    for len in [40, 64, 90, 200, 1_000] {
        let texts: Vec<Vec<u8>> =
            (0..256).map(|_| (0..len).map(|_| b'a' + random.below(26) as u8).collect()).collect();
        measure(&format!("random letters, {len}"), &texts);
        measure(&format!("one letter, {len}"), &[vec![b'x'; len]]);
    }
}
