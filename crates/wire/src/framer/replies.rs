//! Replies of a primary in a handshake, up to the one that opens a payload.

use super::frames::push_whole;
use super::{LINE_BYTES_MAX, Place, Stop};
use crate::batch::{Batch, Bounds, ProtocolError};

/// Reads lines: each is one request with one argument.
pub(super) fn replies(bytes: &[u8], place: &mut Place, batch: &mut Batch) -> Stop {
    loop {
        let start = place.start;
        let from = place.scanned.max(start);
        let to = bytes.len().min(start + LINE_BYTES_MAX + 1);
        let Some(line_len) = bytes[from..to].iter().position(|&byte| byte == b'\n') else {
            if to - start > LINE_BYTES_MAX {
                return Stop::Broken(ProtocolError::BadReply);
            }
            place.scanned = to;
            return Stop::NeedMore;
        };
        let next = from + line_len + 1;
        *place = Place::new(next);
        let line = &bytes[start..next - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            // An empty line is a keepalive: a sign of life, with an empty argument.
            None | Some(b'+' | b'-' | b':' | b'$') => push_whole(start, start + line.len(), batch),
            Some(_) => return Stop::Broken(ProtocolError::BadReply),
        }
        if let Some(Bounds { raw_end, .. }) = batch.requests.last_mut() {
            *raw_end = next as u32;
        }
        if line.starts_with(b"$") || line.starts_with(b"+FULLRESYNC") || line.starts_with(b"+CONTINUE") {
            return Stop::Held;
        }
    }
}
