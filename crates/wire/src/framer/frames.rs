//! Frames of the cluster bus, and raw bytes.
//!
//! ```text
//!   0      4            8
//!   "RCmb" length (BE)  rest of the frame ...      `length` counts from the signature on
//! ```

use super::{Place, Stop};
use crate::batch::{Batch, Bounds, ProtocolError};

const SIGNATURE: &[u8; 4] = b"RCmb";
/// Signature, length, and what every frame has behind them.
const FRAME_BYTES_MIN: usize = 16;
/// Chosen: far above a full gossip section of 1,000 nodes (about 100 KiB); PUBLISH carries the rest.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// Reads frames of the bus: each is one request with one argument.
pub(super) fn bus(bytes: &[u8], place: &mut Place, batch: &mut Batch) -> Stop {
    loop {
        let frame = &bytes[place.start..];
        let known = frame.len().min(SIGNATURE.len());
        if frame[..known] != SIGNATURE[..known] {
            return Stop::Broken(ProtocolError::BadFrame);
        }
        let Some(&[_, _, _, _, a, b, c, d]) = frame.first_chunk() else { return Stop::NeedMore };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&len) {
            return Stop::Broken(ProtocolError::BadFrame);
        }
        if frame.len() < len {
            // As a value of which the end is known: room for all of it is made at once.
            (place.at, place.bulk) = (place.start, Some(len as u32));
            return Stop::NeedMore;
        }
        push_whole(place.start, place.start + len, batch);
        *place = Place::new(place.start + len);
    }
}

/// Passes bytes on as they are.
pub(super) fn raw(bytes: &[u8], place: &mut Place, batch: &mut Batch) -> Stop {
    if place.start < bytes.len() {
        push_whole(place.start, bytes.len(), batch);
        *place = Place::new(bytes.len());
    }
    Stop::NeedMore
}

pub(super) fn push_whole(start: usize, end: usize, batch: &mut Batch) {
    batch.args.push((start as u32, end as u32));
    batch.requests.push(Bounds { args_end: batch.args.len() as u32, raw_end: end as u32 });
}
