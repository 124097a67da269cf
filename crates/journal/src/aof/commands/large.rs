//! Large values, part by part.
//!
//! ```text
//!   parts:  arguments of elements, in whatever order they come        --> commands of up to 64 elements
//!           a stream: requests that miss the key, with its place      --> requests
//! ```

use super::{PER_COMMAND, expire, field_deadline, of_entry, of_facts, of_groups, select};
use alloc::string::ToString;
use alloc::vec::Vec;
use base::number;
use data::{Framed, Part, Shape, SnapshotOut};
use wire::request::{open_arg, open_request, request_arg};

/// 64 KiB: a command that has so much gets no more elements.
const COMMAND_BYTES: usize = 64 << 10;

pub(super) fn head(out: &mut SnapshotOut, db: u32, key: &[u8], shape: Shape, _deadline_ms: Option<u64>) {
    select(out, db);
    if let Shape::Text(len, _) = shape {
        // The string is the last argument: its bytes follow, and the end of the line (`frame`).
        let out = &mut out.bytes;
        open_request(out, 3);
        request_arg(out, b"SET");
        request_arg(out, key);
        open_arg(out, len);
    }
}

pub(super) fn part(out: &mut Vec<u8>, part: Part<'_>) {
    let (mut room, mut other_room) = Default::default();
    match part {
        Part::Field(field, value, deadline) => {
            request_arg(out, field.bytes(&mut room));
            request_arg(out, value.bytes(&mut other_room));
            // Where some fields have deadlines, all have a third argument: an empty one, too.
            if let Some(deadline) = deadline {
                let text = deadline.map(|deadline| deadline.to_string());
                request_arg(out, text.as_deref().unwrap_or_default().as_bytes());
            }
        }
        Part::Member(member) => request_arg(out, member),
        Part::Scored(member, score) => {
            request_arg(out, &number::text_17g(score));
            request_arg(out, member);
        }
        Part::Chunk(chunk) => chunk.visit(|element| request_arg(out, element.bytes(&mut room))),
        Part::Pack(pack) => pack.visit(|entry| of_entry(out, &[], entry)),
        Part::Rest(stream) => of_facts(out, &[], stream),
        part => of_groups(out, &[], part),
    }
}

pub(super) fn frame(out: &mut SnapshotOut, framed: Framed<'_>) {
    let Framed { key, shape, deadline, parts, is_end } = framed;
    let out = &mut out.bytes;
    let used = match shape {
        Shape::List(_) => elements(out, (b"RPUSH", key), 1, parts, is_end),
        Shape::Set(_) => elements(out, (b"SADD", key), 1, parts, is_end),
        Shape::SortedSet(_) => elements(out, (b"ZADD", key), 2, parts, is_end),
        Shape::Hash(_, false) => elements(out, (b"HMSET", key), 2, parts, is_end),
        Shape::Hash(_, true) => fields(out, key, parts, is_end),
        Shape::Stream(_) => requests(out, key, parts),
        Shape::Text(..) => {
            out.extend_from_slice(b"\r\n");
            0
        }
    };
    parts.drain(..used);
    if is_end {
        expire(out, key, deadline);
    }
}

/// The bytes of the argument that stands first, its frame with them, and where its text is in it.
fn arg(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().position(|byte| *byte == b'\r')?;
    let len = bytes.get(1..digits)?.iter().fold(0, |len, digit| len * 10 + usize::from(digit - b'0'));
    let text = bytes.get(digits + 2..digits + 2 + len)?;
    Some((digits + 2 + len + 2, text))
}

/// How many elements of `each` arguments go into the next command, and their bytes; none where there are not enough yet.
fn group(parts: &[u8], each: usize, is_end: bool) -> Option<(usize, usize)> {
    let (mut count, mut at) = (0, 0);
    while count < PER_COMMAND && at < COMMAND_BYTES && at < parts.len() {
        for _ in 0..each {
            at += arg(&parts[at..])?.0;
        }
        count += 1;
    }
    let is_full = count == PER_COMMAND || at >= COMMAND_BYTES;
    (is_full || (is_end && count > 0)).then_some((count, at))
}

/// Commands with elements as they are.
fn elements(out: &mut Vec<u8>, words: (&[u8], &[u8]), each: usize, parts: &[u8], is_end: bool) -> usize {
    let mut used = 0;
    while let Some((count, len)) = group(&parts[used..], each, is_end) {
        open_request(out, 2 + count * each);
        request_arg(out, words.0);
        request_arg(out, words.1);
        out.extend_from_slice(&parts[used..used + len]);
        used += len;
    }
    used
}

/// Commands with fields some of which have deadlines.
fn fields(out: &mut Vec<u8>, key: &[u8], parts: &[u8], is_end: bool) -> usize {
    let mut used = 0;
    let mut deadlines = Vec::new();
    while let Some((count, len)) = group(&parts[used..], 3, is_end) {
        open_request(out, 2 + 2 * count);
        request_arg(out, b"HMSET");
        request_arg(out, key);
        let mut rest = &parts[used..used + len];
        while let Some((field_len, field)) = arg(rest) {
            let value_len = arg(&rest[field_len..]).map_or(0, |(len, _)| len);
            let (pair, tail) = rest.split_at(field_len + value_len);
            out.extend_from_slice(pair);
            let (deadline_len, deadline) = arg(tail).unwrap_or((tail.len(), &[]));
            if !deadline.is_empty() {
                deadlines.push((field, deadline));
            }
            rest = &tail[deadline_len..];
        }
        deadlines.drain(..).for_each(|(field, deadline)| field_deadline(out, key, field, deadline));
        used += len;
    }
    used
}

/// Requests without their key: it stands behind the name, and behind the second word of XGROUP.
fn requests(out: &mut Vec<u8>, key: &[u8], parts: &[u8]) -> usize {
    let mut rest = parts;
    // The head of a request is like that of an argument, with a count.
    while let Some(digits) = rest.iter().position(|byte| *byte == b'\r') {
        let count = rest[1..digits].iter().fold(0, |count, digit| count * 10 + usize::from(digit - b'0'));
        let start = digits + 2;
        let Some((name_len, name)) = arg(&rest[start..]) else { break };
        let mut key_at = start + name_len;
        if name == b"XGROUP" {
            key_at += arg(&rest[key_at..]).map_or(0, |(len, _)| len);
        }
        let words_before = if name == b"XGROUP" { 2 } else { 1 };
        let end =
            (words_before + 1..count).fold(key_at, |at, _| at + arg(&rest[at..]).map_or(0, |(len, _)| len));
        out.extend_from_slice(&rest[..key_at]);
        request_arg(out, key);
        out.extend_from_slice(&rest[key_at..end]);
        rest = &rest[end..];
    }
    parts.len() - rest.len()
}
