//! What takes from several lists, moves between lists, or waits for elements.

use super::ends::{pop_many, pop_one, pushed, taken};
use super::{limits, told};
use crate::blocking::{Awaited, Nothing, deadline_of_seconds};
use crate::call::{Call, Class};
use crate::keys::{self, Place};
use base::number;
use data::list::End;
use data::{Kind, List};
use spec::Refusal;
use wire::batch::Args;

fn end_named(word: &[u8]) -> Result<End, Refusal> {
    match word {
        _ if word.eq_ignore_ascii_case(b"left") => Ok(End::Front),
        _ if word.eq_ignore_ascii_case(b"right") => Ok(End::Back),
        _ => Err(Refusal::Syntax),
    }
}

pub fn blpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    blocking_pop(call, End::Front)
}

pub fn brpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    blocking_pop(call, End::Back)
}

fn blocking_pop(call: &mut Call<'_>, end: End) -> Result<(), Refusal> {
    let args = call.args;
    let last = args.len() - 1;
    let deadline = deadline_of_seconds(call.now, args.at(last))?;
    for at in 1..last {
        if pop_one(call, args.at(at), end, true)? {
            call.effect(&[if end == End::Front { b"LPOP" } else { b"RPOP" }, args.at(at)]);
            return Ok(());
        }
    }
    call.await_keys((1..last).map(|at| args.at(at)), Awaited::of(Kind::List), deadline);
    Ok(())
}

/// What LMPOP and BLMPOP are asked for.
struct Pops<'a> {
    args: Args<'a>,
    /// Where the keys stand.
    keys: core::ops::Range<usize>,
    end: End,
    count: usize,
}

impl<'a> Pops<'a> {
    /// Reads the arguments from the number of keys on, which stands at `first`.
    fn parse(args: Args<'a>, first: usize) -> Result<Pops<'a>, Refusal> {
        let count = |text: &[u8], refusal: &'static str| {
            let count = number::parse_i64(text).and_then(|count| usize::try_from(count).ok());
            count.filter(|count| *count > 0).ok_or(Refusal::Text(refusal))
        };
        let keys = count(args.at(first), "ERR numkeys should be greater than 0")?;
        let end_at = keys.checked_add(first + 1).filter(|at| *at < args.len()).ok_or(Refusal::Syntax)?;
        let mut pops = Pops { args, keys: first + 1..end_at, end: end_named(args.at(end_at))?, count: 1 };
        let mut at = end_at + 1;
        while let Some(word) = args.get(at) {
            match args.get(at + 1) {
                Some(value) if at == end_at + 1 && word.eq_ignore_ascii_case(b"count") => {
                    pops.count = count(value, "ERR count should be greater than 0")?;
                }
                _ => return Err(Refusal::Syntax),
            }
            at += 2;
        }
        Ok(pops)
    }

    /// Takes from the first list that is there. False when there is none.
    fn run(&self, call: &mut Call<'_>) -> Result<bool, Refusal> {
        for at in self.keys.clone() {
            let key = self.args.at(at);
            let Some(entry) = call.keys.taken(key) else { continue };
            keys::of::<List>(&entry.as_ref())?;
            call.reply.array(2);
            call.reply.bulk(key);
            let count = pop_many(call, key, self.end, self.count)?;
            let name: &[u8] = if self.end == End::Front { b"LPOP" } else { b"RPOP" };
            call.effect(&[name, key, &number::integer_text(count as i64)]);
            return Ok(true);
        }
        Ok(false)
    }
}

pub fn lmpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    let pops = Pops::parse(call.args, 1)?;
    if !pops.run(call)? {
        call.reply.null_array();
    }
    Ok(())
}

pub fn blmpop(call: &mut Call<'_>) -> Result<(), Refusal> {
    let pops = Pops::parse(call.args, 2)?;
    let deadline = deadline_of_seconds(call.now, call.args.at(1))?;
    if !pops.run(call)? {
        let args = call.args;
        call.await_keys(pops.keys.map(|at| args.at(at)), Awaited::of(Kind::List), deadline);
    }
    Ok(())
}

pub fn lmove(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (from, to) = (end_named(call.args.at(3))?, end_named(call.args.at(4))?);
    move_or_null(call, from, to)
}

pub fn rpoplpush(call: &mut Call<'_>) -> Result<(), Refusal> {
    move_or_null(call, End::Back, End::Front)
}

fn move_or_null(call: &mut Call<'_>, from: End, to: End) -> Result<(), Refusal> {
    if move_element(call, from, to)? {
        call.as_requested();
    } else {
        call.reply.null();
    }
    Ok(())
}

pub fn blmove(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let (from, to) = (end_named(args.at(3))?, end_named(args.at(4))?);
    let deadline = deadline_of_seconds(call.now, args.at(5))?;
    if move_element(call, from, to)? {
        call.effect(&[b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)]);
        return Ok(());
    }
    await_source(call, deadline);
    Ok(())
}

pub fn brpoplpush(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let deadline = deadline_of_seconds(call.now, args.at(3))?;
    if move_element(call, End::Back, End::Front)? {
        call.effect(&[b"RPOPLPUSH", args.at(1), args.at(2)]);
        return Ok(());
    }
    await_source(call, deadline);
    Ok(())
}

fn await_source(call: &mut Call<'_>, deadline: base::Time) {
    let args = call.args;
    let awaited = Awaited { nothing: Nothing::String, ..Awaited::of(Kind::List) };
    call.await_keys([args.at(1)].into_iter(), awaited, deadline);
}

/// Moves an element of the list at argument 1 to the one at argument 2 and replies it. False when there is none.
fn move_element(call: &mut Call<'_>, from: End, to: End) -> Result<bool, Refusal> {
    let (source, target) = (call.args.at(1), call.args.at(2));
    let limits = limits(call);
    // Both are looked at before either is changed.
    let Some(entry) = call.keys.taken(source) else { return Ok(false) };
    keys::of::<List>(&entry.as_ref())?;
    if let Some(entry) = call.keys.taken(target) {
        keys::of::<List>(&entry.as_ref())?;
    }
    let mut entry = call.keys.taken(source).expect("the list was there a moment ago");
    let mut list = keys::change_in::<List>(&mut entry)?;
    let element = list.pop(from, &limits, |element| element.to_vec()).expect("a list at a key has elements");
    if source == target {
        // It may have been the only one: the key stays.
        list.push(to, &element, &limits);
        drop(list);
        call.changed(Class::LIST, pushed(to), target);
        call.changed(Class::LIST, taken(from), source);
        call.reply.bulk(&element);
        return Ok(true);
    }
    let is_empty = list.is_empty();
    drop(list);
    if is_empty {
        entry.remove();
    }
    match call.keys.entry(target) {
        Place::Taken(mut entry) => keys::change_in::<List>(&mut entry)?.push(to, &element, &limits),
        Place::Free(free) => {
            let mut list = List::new();
            list.push(to, &element, &limits);
            free.insert(list.into(), None);
        }
    }
    call.changed(Class::LIST, pushed(to), target);
    told(call, taken(from), source, is_empty);
    call.reply.bulk(&element);
    Ok(true)
}
