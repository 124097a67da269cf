//! XLEN, XRANGE, XREVRANGE.

use super::{Late, end_of_range, read, say_entry, start_of_range};
use crate::call::Call;
use base::number;
use data::Stream;
use data::stream::Entry;
use spec::Refusal;
use wire::reply::Reply;

pub fn xlen(call: &mut Call<'_>) -> Result<(), Refusal> {
    let stream = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(stream.map_or(0, Stream::len) as i64);
    Ok(())
}

/// Says entries, `count` at most.
pub fn say_entries<'a>(
    reply: &mut Reply<'_>,
    entries: impl Iterator<Item = Entry<'a>>,
    count: Option<usize>,
) {
    let list = Late::open(reply);
    let mut said = 0;
    for entry in entries.take(count.unwrap_or(usize::MAX)) {
        say_entry(reply, entry);
        said += 1;
    }
    list.close(reply, |reply| reply.array(said));
}

/// COUNT, where it is given; below zero as zero.
fn count_of(call: &Call<'_>) -> Result<Option<usize>, Refusal> {
    let mut count = None;
    let mut at = 4;
    while let Some(word) = call.args.get(at) {
        match call.args.get(at + 1) {
            Some(value) if word.eq_ignore_ascii_case(b"count") => {
                let value = number::parse_i64(value).ok_or(Refusal::NotInteger)?;
                count = Some(value.max(0) as usize);
            }
            _ => return Err(Refusal::Syntax),
        }
        at += 2;
    }
    Ok(count)
}

pub fn xrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (start, end) = (start_of_range(call.args.at(2))?, end_of_range(call.args.at(3))?);
    let count = count_of(call)?;
    match read(&mut call.keys, call.args.at(1))? {
        None => call.reply.array(0),
        Some(_) if count == Some(0) => call.reply.null_array(),
        Some(stream) => say_entries(&mut call.reply, stream.log().range(start, end), count),
    }
    Ok(())
}

pub fn xrevrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (start, end) = (start_of_range(call.args.at(3))?, end_of_range(call.args.at(2))?);
    let count = count_of(call)?;
    match read(&mut call.keys, call.args.at(1))? {
        None => call.reply.array(0),
        Some(_) if count == Some(0) => call.reply.null_array(),
        Some(stream) => say_entries(&mut call.reply, stream.log().range_back(start, end), count),
    }
    Ok(())
}
