//! Members taken from either end: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait for some.

use super::say;
use crate::blocking::{Awaited, deadline_of_seconds};
use crate::call::{Call, Class};
use crate::keys;
use base::number;
use core::ops::Range;
use data::{Kind, SortedSet};
use spec::Refusal;
use wire::reply::Reply;

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The lowest scores.
    Lowest,
    /// The highest.
    Highest,
}

impl End {
    /// The end that MIN or MAX names.
    pub fn named(word: &[u8]) -> Result<End, Refusal> {
        match word {
            _ if word.eq_ignore_ascii_case(b"min") => Ok(End::Lowest),
            _ if word.eq_ignore_ascii_case(b"max") => Ok(End::Highest),
            _ => Err(Refusal::Syntax),
        }
    }

    /// The command that takes from there, and its event.
    pub fn command(self) -> (&'static [u8], &'static str) {
        match self {
            End::Lowest => (b"ZPOPMIN", "zpopmin"),
            End::Highest => (b"ZPOPMAX", "zpopmax"),
        }
    }

    fn ranks(self, len: usize, count: usize) -> Range<usize> {
        let count = count.min(len);
        match self {
            End::Lowest => 0..count,
            End::Highest => len - count..len,
        }
    }
}

/// How popped members are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Members and scores in turn.
    Flat,
    /// As `Flat`, without a head of their own: they stand in the reply's array.
    Bare,
    /// A pair each.
    Nested,
}

/// Takes up to `count` members out of the set at a key and replies with them; `head` is written first. Returns how many
/// they were: with none, nothing was written or changed.
pub(super) fn pop(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    count: usize,
    shape: Shape,
    head: impl FnOnce(&mut Reply<'_>),
) -> Result<usize, Refusal> {
    let Some(mut entry) = call.keys.taken(key) else { return Ok(0) };
    let mut set = keys::change_in::<SortedSet>(&mut entry)?;
    let ranks = end.ranks(set.len(), count);
    let popped = ranks.len();
    if popped == 0 {
        return Ok(0);
    }
    head(&mut call.reply);
    let members = match end {
        End::Lowest => set.range(ranks.clone()),
        End::Highest => set.range_reversed(ranks.clone()),
    };
    match shape {
        Shape::Flat => call.reply.array(popped * 2),
        Shape::Nested => call.reply.array(popped),
        Shape::Bare => {}
    }
    for (member, score) in members {
        if shape == Shape::Nested {
            call.reply.array(2);
        }
        say(&mut call.reply, member);
        call.reply.double(score);
    }
    set.remove_ranks(ranks);
    let is_empty = set.is_empty();
    drop(set);
    if is_empty {
        entry.remove();
    }
    call.changed(Class::SORTED_SET, end.command().1, key);
    if is_empty {
        call.notify(Class::GENERIC, "del", key);
    }
    Ok(popped)
}

pub(super) fn zpopmin(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop_one_key(call, End::Lowest)
}

pub(super) fn zpopmax(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop_one_key(call, End::Highest)
}

fn pop_one_key(call: &mut Call<'_>, end: End) -> Result<(), Refusal> {
    let count = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(Refusal::Syntax),
        Some(text) => usize::try_from(number::parse_i64(text).ok_or(Refusal::NotPositive)?)
            .map_err(|_| Refusal::NotPositive)?,
        None => 1,
    };
    let is_nested = call.args.len() == 3 && call.reply.is_resp3();
    let shape = if is_nested { Shape::Nested } else { Shape::Flat };
    if pop(call, call.args.at(1), end, count, shape, |_| {})? == 0 {
        call.reply.array(0);
    } else {
        call.as_requested();
    }
    Ok(())
}

/// What ZMPOP and BZMPOP are asked for.
pub(super) struct Many {
    /// Where the keys stand.
    pub keys: Range<usize>,
    pub end: End,
    pub count: usize,
}

const NO_KEYS: Refusal = Refusal::Text("ERR numkeys should be greater than 0");
const NO_COUNT: Refusal = Refusal::Text("ERR count should be greater than 0");

impl Many {
    /// Reads the arguments from the number of keys on, which stands at `at`.
    pub fn parse(call: &Call<'_>, at: usize) -> Result<Many, Refusal> {
        let args = call.args;
        let positive = |text| {
            number::parse_i64(text).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0)
        };
        let numkeys = positive(args.at(at)).ok_or(NO_KEYS)?;
        let first = at + 1;
        let after = first.checked_add(numkeys).filter(|after| *after < args.len()).ok_or(Refusal::Syntax)?;
        let end = End::named(args.at(after))?;
        let mut count = None;
        let mut at = after + 1;
        while let Some(word) = args.get(at) {
            match args.get(at + 1) {
                Some(text) if count.is_none() && word.eq_ignore_ascii_case(b"count") => {
                    count = Some(positive(text).ok_or(NO_COUNT)?);
                }
                _ => return Err(Refusal::Syntax),
            }
            at += 2;
        }
        Ok(Many { keys: first..after, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first of the keys that has members, and replies; false when none has.
    pub fn pop(&self, call: &mut Call<'_>) -> Result<bool, Refusal> {
        for at in self.keys.clone() {
            let key = call.args.at(at);
            let popped = pop(call, key, self.end, self.count, Shape::Nested, |reply| {
                reply.array(2);
                reply.bulk(key);
            })?;
            if popped > 0 {
                let count = number::integer_text(popped as i64);
                call.effect(&[self.end.command().0, key, &count]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn zmpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    let many = Many::parse(call, 1)?;
    if !many.pop(call)? {
        call.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzpopmin(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop_or_wait(call, End::Lowest)
}

pub(super) fn bzpopmax(call: &mut Call<'_>) -> Result<(), Refusal> {
    pop_or_wait(call, End::Highest)
}

fn pop_or_wait(call: &mut Call<'_>, end: End) -> Result<(), Refusal> {
    let args = call.args;
    let keys = 1..args.len() - 1;
    let deadline = deadline_of_seconds(call.now, args.at(keys.end))?;
    for at in keys.clone() {
        let key = args.at(at);
        let popped = pop(call, key, end, 1, Shape::Bare, |reply| {
            reply.array(3);
            reply.bulk(key);
        })?;
        if popped > 0 {
            call.effect(&[end.command().0, key]);
            return Ok(());
        }
    }
    call.await_keys(keys.map(|at| args.at(at)), Awaited::of(Kind::SortedSet), deadline);
    Ok(())
}

pub(super) fn bzmpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    let many = Many::parse(call, 2)?;
    let args = call.args;
    let deadline = deadline_of_seconds(call.now, args.at(1))?;
    if !many.pop(call)? {
        call.await_keys(many.keys.map(|at| args.at(at)), Awaited::of(Kind::SortedSet), deadline);
    }
    Ok(())
}
