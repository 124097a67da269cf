//! Requests, streams, replies and values.

use super::{frame, steering};
use wire::value::Parser;
use wire::{Limits, Mode};

/// Longest bulk string here, so that heap bounds tell something.
const BULK_LEN_MAX: u64 = 1 << 20;

fn client(authenticated: bool, buffer_bytes_max: u64) -> Mode {
    Mode::Requests(Limits { bulk_len_max: BULK_LEN_MAX, buffer_bytes_max, authenticated })
}

/// A client's requests: cuts change nothing, and a hold is where the mode may change.
pub fn requests(input: &[u8]) {
    let Some((bits, cuts, bytes)) = steering(input) else { return };
    // The bound on unframed bytes is looked at after each read; a low one would depend on the cuts.
    let mode = client(bits & 1 == 1, 1 << 30);
    let held = |_| client(true, 1 << 30);
    let whole = frame(mode, bytes, None, held);
    let cut = frame(mode, bytes, Some(cuts), held);
    assert!(whole == cut, "cuts change {:?} to {:?}", whole.broken, cut.broken);
    let total: usize = cut.args.iter().map(Vec::len).sum();
    assert!(total <= bytes.len());
}

/// The stream of a primary: its raw ranges are the input, up to the last whole request.
pub fn stream(input: &[u8]) {
    let Some((_, cuts, bytes)) = steering(input) else { return };
    let whole = frame(Mode::Stream, bytes, None, |mode| mode);
    let cut = frame(Mode::Stream, bytes, Some(cuts), |mode| mode);
    assert!(whole == cut, "cuts change {:?} to {:?}", whole.broken, cut.broken);
    assert!(bytes.starts_with(&cut.raw), "raw ranges leave gaps");
}

/// A handshake, with the stream after `+CONTINUE` in half of the cases.
pub fn replies(input: &[u8]) {
    let Some((bits, cuts, bytes)) = steering(input) else { return };
    let held = if bits & 1 == 1 { |_| Mode::Stream } else { |mode| mode };
    let whole = frame(Mode::Replies, bytes, None, held);
    let cut = frame(Mode::Replies, bytes, Some(cuts), held);
    assert!(whole == cut, "cuts change {:?} to {:?}", whole.broken, cut.broken);
}

/// Values: cuts change nothing.
pub fn value(input: &[u8]) {
    let Some((_, mut cuts, bytes)) = steering(input) else { return };
    let read = |next: &mut dyn FnMut(usize) -> usize| {
        let (mut parser, mut rest) = (Parser::default(), bytes);
        let mut shown = Vec::new();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(next(rest.len()).min(rest.len()));
            parser.push(now);
            rest = later;
            loop {
                match parser.next_value() {
                    Ok(Some(value)) => shown.push(Some(value)),
                    Ok(None) => break,
                    Err(_) => {
                        shown.push(None);
                        return shown;
                    }
                }
            }
        }
        shown
    };
    let whole = read(&mut |len| len);
    let cut = read(&mut |_| 1 + cuts.below(64) as usize);
    // NaN is not equal to itself.
    let text = |values: &[Option<wire::Value>]| format!("{values:?}");
    assert!(whole == cut || text(&whole) == text(&cut), "cuts change the values");
}
