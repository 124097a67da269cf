//! Requests of clients and of the stream of a primary: arrays of bulk strings, and inline lines.
//!
//! As the original, the reader trusts lengths, not line ends: it does not look at the byte after the CR of a
//! header, nor at the two bytes after an argument.

use super::{BUFFER_BYTES_MAX, LINE_BYTES_MAX, Place, Stop};
use crate::batch::{Batch, Bounds, Limits, ProtocolError};
use alloc::vec::Vec;

/// Arguments in one request, as in the original.
const ARGS_MAX: i64 = i32::MAX as i64;
/// The same before authentication.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
/// Bytes in one argument before authentication.
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16_384;
/// Empty lines and empty arrays before one request of a primary's stream, in bytes. Chosen: far above what
/// signs of life can add up to.
const STREAM_EMPTY_BYTES_MAX: usize = 64 << 10;

/// The bounds in the form in which the loop needs them.
#[derive(Clone, Copy)]
struct Rules {
    args_max: i64,
    bulk_bytes_max: i64,
    /// The bound for authenticated clients: it decides which error a client gets that is not.
    known_bulk_bytes_max: i64,
    /// Ends at requests that may change how the connection is read.
    holds: bool,
}

/// What `arrays` met.
enum Met {
    /// The end of the bytes, within an array or between two.
    End,
    /// A request that does not start with `*`.
    Inline,
    /// `*0` or `*-1` ended at the place.
    Nothing,
    /// The end of a request that may change the mode.
    Held,
    /// Bytes that make no sense.
    Broken(ProtocolError),
}

/// Reads the requests of a client.
pub(super) fn requests(buffer: &mut [u8], limits: Limits, place: &mut Place, batch: &mut Batch) -> Stop {
    let rules = Rules::of_client(limits);
    loop {
        match arrays(buffer, &rules, place, batch) {
            Met::End => return Stop::NeedMore,
            Met::Nothing => place.start = place.at,
            Met::Held => return Stop::Held,
            Met::Broken(error) => return Stop::Broken(error),
            Met::Inline => match inline_line(buffer, place) {
                Ok(None) => return Stop::NeedMore,
                Ok(Some(line)) => {
                    let first = batch.args.len();
                    if let Err(error) = inline(buffer, line, &mut batch.args) {
                        return Stop::Broken(error);
                    }
                    place.start = place.at;
                    let Some(&name) = batch.args.get(first) else { continue };
                    batch
                        .requests
                        .push(Bounds { args_end: batch.args.len() as u32, raw_end: place.at as u32 });
                    if is_holding(buffer, name) {
                        return Stop::Held;
                    }
                }
                Err(error) => return Stop::Broken(error),
            },
        }
    }
}

/// Reads the stream of a primary: no limits, no holds, every byte within the raw range of some request.
pub(super) fn stream(buffer: &[u8], place: &mut Place, batch: &mut Batch) -> Stop {
    let rules = Rules::of_stream();
    loop {
        match arrays(buffer, &rules, place, batch) {
            Met::End => return Stop::NeedMore,
            // Its bytes count to the next request.
            Met::Nothing => {}
            Met::Held => unreachable!("a stream has no holds"),
            Met::Broken(error) => return Stop::Broken(error),
            Met::Inline => match inline_line(buffer, place) {
                Ok(None) => return Stop::NeedMore,
                Ok(Some((start, end))) if start == end => {}
                Ok(Some(_)) => return Stop::Broken(ProtocolError::InlineInStream),
                Err(error) => return Stop::Broken(error),
            },
        }
        if place.at - place.start > STREAM_EMPTY_BYTES_MAX {
            return Stop::Broken(ProtocolError::InlineInStream);
        }
    }
}

impl Rules {
    fn of_client(limits: Limits) -> Rules {
        let known =
            i64::try_from(limits.bulk_len_max).unwrap_or(i64::MAX).clamp(999, BUFFER_BYTES_MAX as i64);
        if limits.authenticated {
            return Rules {
                args_max: ARGS_MAX,
                bulk_bytes_max: known,
                known_bulk_bytes_max: known,
                holds: true,
            };
        }
        Rules {
            args_max: UNAUTHENTICATED_ARGS_MAX,
            bulk_bytes_max: known.min(UNAUTHENTICATED_BULK_BYTES_MAX),
            known_bulk_bytes_max: known,
            holds: true,
        }
    }

    fn of_stream() -> Rules {
        let known = BUFFER_BYTES_MAX as i64;
        Rules { args_max: ARGS_MAX, bulk_bytes_max: known, known_bulk_bytes_max: known, holds: false }
    }

    #[cold]
    fn bad_count(&self, count: i64) -> ProtocolError {
        if count > ARGS_MAX {
            return ProtocolError::MultibulkLength;
        }
        ProtocolError::UnauthenticatedMultibulkLength
    }

    #[cold]
    fn bad_bulk(&self, len: i64) -> ProtocolError {
        if len < 0 || len > self.known_bulk_bytes_max {
            return ProtocolError::BulkLength;
        }
        ProtocolError::UnauthenticatedBulkLength
    }
}

/// Reads arrays until something else is met. This loop is the hottest of the product: one look per header for
/// the usual forms (a count of one digit, a length of up to three), everything else in `header`.
fn arrays(bytes: &[u8], rules: &Rules, place: &mut Place, batch: &mut Batch) -> Met {
    let Place { mut start, mut at, mut missing, mut bulk, scanned } = *place;
    let Batch { args, requests, .. } = batch;
    let mut first = requests.last().map_or(0, |bounds| bounds.args_end as usize);
    let met = 'all: loop {
        if missing == 0 {
            match bytes.get(at..).unwrap_or_default() {
                [b'*', count @ b'1'..=b'9', b'\r', _, ..] => {
                    missing = u32::from(count - b'0');
                    at += 4;
                }
                [b'*', ..] => match header(bytes, at, scanned, true) {
                    Ok((_, count)) if count > rules.args_max => break Met::Broken(rules.bad_count(count)),
                    Ok((end, count)) => {
                        at = end;
                        if count <= 0 {
                            break Met::Nothing;
                        }
                        missing = count as u32;
                    }
                    Err(met) => break met,
                },
                [] => break Met::End,
                [_, ..] => break Met::Inline,
            }
        }
        loop {
            let len = match bulk.take() {
                Some(len) => len,
                None => match short_header(bytes.get(at..).unwrap_or_default()) {
                    Some((header_len, len)) => {
                        at += header_len;
                        len
                    }
                    None => match header(bytes, at, scanned, false) {
                        Ok((_, len)) if len < 0 || len > rules.bulk_bytes_max => {
                            break 'all Met::Broken(rules.bad_bulk(len));
                        }
                        Ok((end, len)) => {
                            at = end;
                            len as u32
                        }
                        Err(met) => break 'all met,
                    },
                },
            };
            let end = at + len as usize;
            if bytes.len() < end + 2 {
                bulk = Some(len);
                break 'all Met::End;
            }
            args.push((at as u32, end as u32));
            at = end + 2;
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
        requests.push(Bounds { args_end: args.len() as u32, raw_end: at as u32 });
        start = at;
        if rules.holds && is_holding(bytes, args[first]) {
            break Met::Held;
        }
        first = args.len();
    };
    // Where the bytes end within a header, `header` has looked at all of them; a CR at the very end counts
    // once its LF is there.
    let scanned = if matches!(met, Met::End) { bytes.len().saturating_sub(1) } else { scanned.max(at) };
    *place = Place { start, at, scanned, missing, bulk };
    met
}

/// The usual header of an argument: how long it is, and the length that it states.
#[inline(always)]
fn short_header(bytes: &[u8]) -> Option<(usize, u32)> {
    let digit = |byte: u8| u32::from(byte - b'0');
    match *bytes {
        [b'$', a @ b'0'..=b'9', b'\r', _, ..] => Some((4, digit(a))),
        [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => Some((5, digit(a) * 10 + digit(b))),
        [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'\r', _, ..] => {
            Some((6, digit(a) * 100 + digit(b) * 10 + digit(c)))
        }
        _ => None,
    }
}

/// Any header at `at`: where it ends, and its number. `Met::End` when its line is not complete.
#[cold]
fn header(bytes: &[u8], at: usize, scanned: usize, multibulk: bool) -> Result<(usize, i64), Met> {
    let from = scanned.max(at);
    let to = bytes.len().min(at + LINE_BYTES_MAX + 1);
    let Some(line_len) = bytes.get(from..to).unwrap_or_default().iter().position(|&byte| byte == b'\r')
    else {
        if to - at > LINE_BYTES_MAX {
            return Err(Met::Broken(ProtocolError::TooBigHeader { multibulk }));
        }
        return Err(Met::End);
    };
    let line_end = from + line_len;
    if bytes.len() < line_end + 2 {
        return Err(Met::End);
    }
    let line = &bytes[at..line_end];
    if !multibulk && line.first() != Some(&b'$') {
        return Err(Met::Broken(ProtocolError::ExpectedDollar(bytes[at])));
    }
    match base::number::parse_i64(&line[1..]) {
        Some(value) => Ok((line_end + 2, value)),
        None if multibulk => Err(Met::Broken(ProtocolError::MultibulkLength)),
        None => Err(Met::Broken(ProtocolError::BulkLength)),
    }
}

/// The next inline request, without its line end; the place moves behind it. None when it is not complete.
fn inline_line(bytes: &[u8], place: &mut Place) -> Result<Option<(usize, usize)>, ProtocolError> {
    let start = place.at;
    let from = place.scanned.max(start);
    let to = bytes.len().min(start + LINE_BYTES_MAX + 1);
    let Some(line_len) = bytes[from..to].iter().position(|&byte| byte == b'\n') else {
        if to - start > LINE_BYTES_MAX {
            return Err(ProtocolError::TooBigInline);
        }
        place.scanned = to;
        return Ok(None);
    };
    let mut end = from + line_len;
    *place = Place { at: end + 1, scanned: end + 1, ..*place };
    if end > start && bytes[end - 1] == b'\r' {
        end -= 1;
    }
    Ok(Some((start, end)))
}

/// Appends the ranges of the words of an inline request. Words with quotes are written over the line itself:
/// they never become longer.
fn inline(
    buffer: &mut [u8],
    (start, end): (usize, usize),
    args: &mut Vec<(u32, u32)>,
) -> Result<(), ProtocolError> {
    let line = &buffer[start..end];
    if !line.iter().any(|byte| matches!(byte, b'"' | b'\'' | 0)) {
        let mut at = start;
        for word in line.split(|&byte| is_space(byte)) {
            if !word.is_empty() {
                args.push((at as u32, (at + word.len()) as u32));
            }
            at += word.len() + 1;
        }
        return Ok(());
    }
    let words = base::words::split(line).ok_or(ProtocolError::UnbalancedQuotes)?;
    let mut at = start;
    for word in words {
        let word_end = at + word.len();
        buffer[at..word_end].copy_from_slice(&word);
        args.push((at as u32, word_end as u32));
        at = word_end;
    }
    Ok(())
}

/// What C's `isspace` says.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// True for the requests after which the connection may be read in another way: AUTH, SYNC, HELLO, PSYNC, RESET.
#[inline]
fn is_holding(bytes: &[u8], (start, end): (u32, u32)) -> bool {
    if !matches!(end - start, 4 | 5) {
        return false;
    }
    let name = &bytes[start as usize..end as usize];
    match name[0] | 0x20 {
        b'a' => name.eq_ignore_ascii_case(b"auth"),
        b's' => name.eq_ignore_ascii_case(b"sync"),
        b'h' => name.eq_ignore_ascii_case(b"hello"),
        b'p' => name.eq_ignore_ascii_case(b"psync"),
        b'r' => name.eq_ignore_ascii_case(b"reset"),
        _ => false,
    }
}
