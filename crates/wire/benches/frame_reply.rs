//! Cost of framing one request and writing one reply, at a pipeline depth of 64 and at 1.
//! Answers: what of the budget per request (130 ns of a bare loop at depth 64) goes into `wire`?

use std::hint::black_box;
use std::time::Instant;
use wire::{Batch, Framer, Limits, Mode, Reply, request};

const ROUNDS: usize = 15;
const REQUESTS: usize = 400_000;
/// As the hosts read.
const ROOM_BYTES: usize = 16 << 10;

/// Memory that goes round between reads.
#[derive(Default)]
struct Pool {
    buffers: Vec<Vec<u8>>,
    batches: Vec<Batch>,
}

/// Reads `input`, `REQUESTS / depth` times, replies to each request; nanoseconds per request.
fn one_round(input: &[u8], depth: usize, value: Option<&[u8]>) -> f64 {
    let mut framer = Framer::new(Mode::Requests(Limits::default()));
    let mut pool = Pool::default();
    let (mut out, mut served) = (Vec::new(), 0);
    let start = Instant::now();
    for _ in 0..REQUESTS / depth {
        let mut rest = input;
        while !rest.is_empty() {
            let mut buffer = framer.lend(ROOM_BYTES, || pool.buffers.pop().unwrap_or_default());
            let (now, later) = rest.split_at(rest.len().min(buffer.capacity() - buffer.len()));
            buffer.extend_from_slice(now);
            rest = later;
            let mut batch = pool.batches.pop().unwrap_or_default();
            pool.buffers.push(framer.feed(buffer, &mut batch));
            for index in 0..batch.len() {
                black_box(batch.request(index).get(1));
                if let Some(value) = value {
                    Reply::new(&mut out, false).bulk(value);
                }
            }
            served += batch.len();
            batch.clear();
            pool.batches.push(batch);
        }
        black_box(&out);
        out.clear();
    }
    let ns = start.elapsed().as_nanos() as f64 / served as f64;
    assert_eq!(served, REQUESTS / depth * depth);
    ns
}

fn measure(name: &str, depth: usize, args: impl Fn(usize) -> Vec<Vec<u8>>, value: Option<&[u8]>) {
    let mut input = Vec::new();
    for index in 0..depth {
        let args = args(index);
        request(&mut input, &args.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    let mut ns: Vec<f64> = (0..ROUNDS).map(|_| one_round(&input, depth, value)).collect();
    ns.sort_by(f64::total_cmp);
    println!(
        "{name}, depth {depth}: median {:.1} ns, min {:.1}, max {:.1} a request, {REQUESTS} x {ROUNDS}",
        ns[ROUNDS / 2],
        ns[0],
        ns[ROUNDS - 1]
    );
}

fn main() {
    let key = |index: usize| format!("key:{:012}", index * 7_919 % 1_000_000).into_bytes();
    let get = |index: usize| vec![b"GET".to_vec(), key(index)];
    let set = |index: usize| vec![b"SET".to_vec(), key(index), vec![b'x'; 64]];
    for depth in [64, 16, 1] {
        measure("GET framed", depth, get, None);
        measure("GET framed, 64 bytes replied", depth, get, Some(&[b'x'; 64]));
        measure("SET of 64 bytes framed", depth, set, None);
    }
    let big = |_| vec![b"SET".to_vec(), b"a".to_vec(), vec![b'x'; 4 << 20]];
    let mut input = Vec::new();
    let args = big(0);
    request(&mut input, &args.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut ms: Vec<f64> = (0..ROUNDS).map(|_| large(&input)).collect();
    ms.sort_by(f64::total_cmp);
    println!("4 MiB received: median {:.2} ms; one copy of it: {:.2} ms", ms[ROUNDS / 2], copy(&input));
}

/// Receives one large value in reads of 64 KiB; milliseconds.
fn large(input: &[u8]) -> f64 {
    let mut framer = Framer::new(Mode::Requests(Limits::default()));
    let mut batch = Batch::default();
    let start = Instant::now();
    let mut rest = input;
    while batch.is_empty() {
        let mut buffer = framer.lend(ROOM_BYTES, Vec::new);
        let read = rest.len().min(buffer.capacity() - buffer.len()).min(64 << 10);
        let (now, later) = rest.split_at(read);
        buffer.extend_from_slice(now);
        rest = later;
        black_box(framer.feed(buffer, &mut batch));
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// One copy into fresh memory; milliseconds.
fn copy(input: &[u8]) -> f64 {
    let start = Instant::now();
    black_box(input.to_vec());
    start.elapsed().as_secs_f64() * 1e3
}
