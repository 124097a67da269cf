//! The ends of lists: pushes and pops.

use super::{limits, say, told};
use crate::call::{Call, Class};
use crate::commands::arity;
use crate::keys::{self, Place};
use base::number;
use core::ops::ControlFlow;
use data::List;
use data::list::End;
use spec::Refusal;

pub fn lpush(call: &mut Call<'_>) -> Result<(), Refusal> {
    push(call, End::Front, true)
}

pub fn rpush(call: &mut Call<'_>) -> Result<(), Refusal> {
    push(call, End::Back, true)
}

pub fn lpushx(call: &mut Call<'_>) -> Result<(), Refusal> {
    push(call, End::Front, false)
}

pub fn rpushx(call: &mut Call<'_>) -> Result<(), Refusal> {
    push(call, End::Back, false)
}

#[inline]
fn push(call: &mut Call<'_>, end: End, creates: bool) -> Result<(), Refusal> {
    let (key, limits) = (call.args.at(1), limits(call));
    let elements = call.args.from(2);
    let len = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let mut list = keys::change_in::<List>(&mut entry)?;
            elements.iter().for_each(|element| list.push(end, element, &limits));
            list.len()
        }
        Place::Free(_) if !creates => {
            call.reply.integer(0);
            return Ok(());
        }
        Place::Free(free) => {
            let mut list = List::new();
            elements.iter().for_each(|element| list.push(end, element, &limits));
            let len = list.len();
            free.insert(list.into(), None);
            len
        }
    };
    call.keys.shared.feed.changes += elements.len() as u64 - 1;
    call.as_requested();
    call.changed(Class::LIST, pushed(end), key);
    call.reply.integer(len as i64);
    Ok(())
}

pub fn lpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop(call, End::Front)
}

pub fn rpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop(call, End::Back)
}

#[inline]
fn pop(call: &mut Call<'_>, end: End) -> Result<(), Refusal> {
    if call.args.len() > 2 {
        return pop_counted(call, end);
    }
    let key = call.args.at(1);
    if !pop_one(call, key, end, false)? {
        call.reply.null();
        return Ok(());
    }
    call.as_requested();
    Ok(())
}

fn pop_counted(call: &mut Call<'_>, end: End) -> Result<(), Refusal> {
    if call.args.len() > 3 {
        return Err(arity(call));
    }
    let key = call.args.at(1);
    let count = number::parse_i64(call.args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(Refusal::NotPositive)?;
    match call.keys.taken(key) {
        None => call.reply.null_array(),
        Some(entry) if count == 0 => {
            keys::of::<List>(&entry.as_ref())?;
            call.reply.array(0);
        }
        Some(_) => {
            pop_many(call, key, end, count)?;
            call.as_requested();
        }
    }
    Ok(())
}

/// Takes an element and replies it, behind the key where that is asked for. False when there is none.
#[inline]
pub fn pop_one(call: &mut Call<'_>, key: &[u8], end: End, with_key: bool) -> Result<bool, Refusal> {
    let limits = limits(call);
    let Some(mut entry) = call.keys.taken(key) else { return Ok(false) };
    let mut list = keys::change_in::<List>(&mut entry)?;
    let reply = &mut call.reply;
    if with_key {
        reply.array(2);
        reply.bulk(key);
    }
    let popped = list.pop(end, &limits, |element| say(reply, element));
    popped.expect("a list at a key has elements");
    let is_empty = list.is_empty();
    drop(list);
    if is_empty {
        entry.remove();
    }
    told(call, taken(end), key, is_empty);
    Ok(true)
}

/// Takes up to `count` elements of a list that is there and replies them. Returns how many.
pub fn pop_many(call: &mut Call<'_>, key: &[u8], end: End, count: usize) -> Result<usize, Refusal> {
    let limits = limits(call);
    let Some(mut entry) = call.keys.taken(key) else { return Ok(0) };
    let mut list = keys::change_in::<List>(&mut entry)?;
    let count = count.min(list.len());
    let reply = &mut call.reply;
    reply.array(count);
    let mut left = count;
    let _: ControlFlow<()> = list.visit(end, 0, |element| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        say(reply, element);
        ControlFlow::Continue(())
    });
    let first = if end == End::Front { 0 } else { list.len() - count };
    list.remove(first, count, &limits);
    let is_empty = list.is_empty();
    drop(list);
    if is_empty {
        entry.remove();
    }
    call.keys.shared.feed.changes += count as u64 - 1;
    told(call, taken(end), key, is_empty);
    Ok(count)
}

/// The event of a push.
pub fn pushed(end: End) -> &'static str {
    if end == End::Front { "lpush" } else { "rpush" }
}

/// The event of a pop, which is the name of the command too.
pub fn taken(end: End) -> &'static str {
    if end == End::Front { "lpop" } else { "rpop" }
}
