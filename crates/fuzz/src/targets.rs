//! The targets, by what they read.

pub mod bus;
pub mod held;
pub mod rdb;
pub mod resp;
pub mod text;

use base::Random;
use wire::{Batch, Ending, Framer, Mode, ProtocolError};

/// Everything that a connection was framed into.
#[derive(Debug, Default, PartialEq)]
struct Framed {
    /// Arguments of all requests, and how many each request has.
    args: Vec<Vec<u8>>,
    counts: Vec<usize>,
    raw: Vec<u8>,
    broken: Option<ProtocolError>,
}

/// Frames `bytes` in reads of random lengths (`cuts`) or in one, as a host does, and checks what must hold
/// for every batch. `held` says how to read on after a hold.
fn frame(mode: Mode, mut bytes: &[u8], mut cuts: Option<Random>, held: fn(Mode) -> Mode) -> Framed {
    let mut framed = Framed::default();
    let mut framer = Framer::new(mode);
    let mut pool = vec![Vec::with_capacity(1 << 10)];
    while !bytes.is_empty() {
        let room_bytes = cuts.as_mut().map_or(64 << 10, |cuts| 1 + cuts.below(16 << 10) as usize);
        let mut buffer = framer.lend(room_bytes, || pool.pop().unwrap_or_default());
        let room = buffer.capacity() - buffer.len();
        assert!(room > 0, "a lent buffer has room");
        let wished = match &mut cuts {
            Some(cuts) => {
                // Between CR and LF, a few bytes, or many.
                let below = if cuts.chance(1, 2) { 8 } else { 4_000 };
                let len = 1 + cuts.below(below) as usize;
                let from_len = &bytes[len.min(bytes.len())..];
                let to_line_end = from_len.iter().take(4_000).position(|&byte| byte == b'\r');
                len + to_line_end.filter(|_| cuts.chance(1, 3)).map_or(0, |at| at + 1)
            }
            None => usize::MAX,
        };
        let (now, later) = bytes.split_at(wished.min(room).min(bytes.len()));
        buffer.extend_from_slice(now);
        bytes = later;
        let mut batch = Batch::default();
        pool.push(framer.feed(buffer, &mut batch));
        while framed.take(&framer, &batch) {
            framer.set_mode(held(framer.mode()));
            batch = Batch::default();
            pool.push(framer.resume(&mut batch));
        }
        pool.truncate(2);
    }
    framed
}

impl Framed {
    /// Notes a batch; true when it is held.
    fn take(&mut self, framer: &Framer, batch: &Batch) -> bool {
        assert!(self.broken.is_none() || batch.is_empty(), "nothing follows an error");
        for index in 0..batch.len() {
            let request = batch.request(index);
            assert!(!request.is_empty(), "a request has a name");
            self.counts.push(request.len());
            self.args.extend(request.iter().map(<[u8]>::to_vec));
            if framer.mode() == Mode::Stream {
                self.raw.extend_from_slice(batch.raw(index));
            }
        }
        if let Ending::Broken(error) = batch.ending() {
            assert!(framer.is_broken());
            self.broken = Some(error.clone());
        }
        let is_held = *batch.ending() == Ending::Held;
        assert_eq!(framer.is_held(), is_held);
        assert!(!is_held || !batch.is_empty(), "a hold follows a request");
        is_held
    }
}

/// Splits what steers a target off the input: a few bits, and where the reads are cut.
fn steering(input: &[u8]) -> Option<(u8, Random, &[u8])> {
    let [bits, cuts, bytes @ ..] = input else { return None };
    Some((*bits, Random::new(u64::from(*cuts)), bytes))
}
