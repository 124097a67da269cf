//! BITFIELD: integers of any width within a string.

use crate::call::{Call, Class};
use crate::commands::bitmaps::{bit_offset, bulk_len_max};
use crate::keys::{self, Place};
use crate::table::Command;
use alloc::vec;
use alloc::vec::Vec;
use base::number;
use core::ops::Range;
use data::bits;
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "bitfield",
            summary: "Reads and writes integers of any width within the string at a key.",
            since: "3.2.0",
            group: Group::Bitmap,
            syntax: "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value/i | INCRBY encoding offset increment>> ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::BITMAP,
            keys: Keys::Specs(&[KeySpec {
                notes: "It reads, writes or does both, as its subcommands say",
                access: Access::CHANGE.and(Access::VARIABLE),
                begin: Begin::Index(1),
                find: Find::Range { last: 0, step: 1, limit: 0 },
            }]),
            ..Spec::USUAL
        },
        run: bitfield,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bitfield_ro",
            summary: "Reads integers of any width within the string at a key.",
            since: "6.0.0",
            group: Group::Bitmap,
            syntax: "key [GET encoding offset [GET encoding offset ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::BITMAP,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: bitfield_ro,
        subcommands: &[],
    },
];

/// What becomes of a number that does not fit.
#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Act {
    Get,
    Set(i64),
    Add(i64),
}

/// One subcommand.
#[derive(Clone, Copy)]
struct Step {
    act: Act,
    is_signed: bool,
    /// Bits: 1 to 63, or 64 for signed ones.
    width: u32,
    offset: u64,
    overflow: Overflow,
}

impl Step {
    fn writes(&self) -> bool {
        !matches!(self.act, Act::Get)
    }

    /// The bytes that it may change.
    fn bytes(&self) -> Range<usize> {
        if !self.writes() {
            return 0..0;
        }
        (self.offset / 8) as usize..(self.offset + u64::from(self.width)).div_ceil(8) as usize
    }

    /// The number at its place.
    fn read(&self, text: &[u8]) -> i64 {
        let bits = bits::number(text, self.offset, self.width);
        if self.is_signed { ((bits << (64 - self.width)) as i64) >> (64 - self.width) } else { bits as i64 }
    }

    /// `value` as it fits; none if it does not and that is a failure. An unsigned one was below 2^64.
    fn fit(&self, value: i128) -> Option<i64> {
        let (min, max) = if self.is_signed {
            (-(1i128 << (self.width - 1)), (1i128 << (self.width - 1)) - 1)
        } else {
            (0, (1i128 << self.width) - 1)
        };
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match self.overflow {
            Overflow::Wrap => {
                let low = (value as u64) << (64 - self.width);
                Some(if self.is_signed {
                    (low as i64) >> (64 - self.width)
                } else {
                    (low >> (64 - self.width)) as i64
                })
            }
            Overflow::Saturate => {
                Some(if value > max || self.looks_large(max, value) { max } else { min } as i64)
            }
            Overflow::Fail => None,
        }
    }

    /// True for a number that is set and whose distance to the largest one leaves 64 bits: in the originals it counts
    /// as too large, though it is too small.
    fn looks_large(&self, max: i128, value: i128) -> bool {
        matches!(self.act, Act::Set(_)) && max - value > i128::from(i64::MAX)
    }

    /// What it writes where `before` stands, and what it answers; none where it fails.
    fn outcome(&self, before: i64) -> Option<(i64, i64)> {
        // A negative number that is set as an unsigned one counts as a large one.
        let given = |value: i64| if self.is_signed { i128::from(value) } else { i128::from(value as u64) };
        match self.act {
            Act::Get => Some((before, before)),
            Act::Set(value) => self.fit(given(value)).map(|after| (after, before)),
            Act::Add(delta) => self.fit(i128::from(before) + i128::from(delta)).map(|after| (after, after)),
        }
    }
}

/// Reads the encoding of an integer: `i8`, `u63`.
fn encoding(text: &[u8]) -> Result<(bool, u32), Refusal> {
    let invalid = Refusal::Text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    let (is_signed, digits) = match text {
        [b'i', digits @ ..] => (true, digits),
        [b'u', digits @ ..] => (false, digits),
        _ => return Err(invalid),
    };
    let max = if is_signed { 64 } else { 63 };
    match number::parse_i64(digits) {
        Some(width) if (1..=max).contains(&width) => Ok((is_signed, width as u32)),
        _ => Err(invalid),
    }
}

/// Reads an offset: in bits, or after `#` in numbers of this width.
fn offset(text: &[u8], width: u32, bulk_len_max: u64) -> Result<u64, Refusal> {
    let Some(index) = text.strip_prefix(b"#") else { return bit_offset(text, bulk_len_max) };
    let invalid = Refusal::Text("ERR bit offset is not an integer or out of range");
    let index = number::parse_i64(index).and_then(|index| u64::try_from(index).ok());
    let offset = index.and_then(|index| index.checked_mul(u64::from(width)));
    offset.filter(|offset| offset / 8 < bulk_len_max).ok_or(invalid)
}

/// Reads the subcommands.
fn steps(call: &Call<'_>) -> Result<Vec<Step>, Refusal> {
    let (args, bulk_len_max) = (call.args, bulk_len_max(call));
    let (mut steps, mut overflow, mut at) = (Vec::new(), Overflow::Wrap, 2);
    while let Some(word) = args.get(at) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let left = args.len() - at - 1;
        if is("overflow") && left >= 1 {
            overflow = match args.at(at + 1).to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Saturate,
                b"fail" => Overflow::Fail,
                _ => return Err(Refusal::Text("ERR Invalid OVERFLOW type specified")),
            };
            at += 2;
            continue;
        }
        let is_get = is("get") && left >= 2;
        if !is_get && !((is("set") || is("incrby")) && left >= 3) {
            return Err(Refusal::Syntax);
        }
        let (is_signed, width) = encoding(args.at(at + 1))?;
        let offset = offset(args.at(at + 2), width, bulk_len_max)?;
        let act = if is_get {
            Act::Get
        } else {
            let value = number::parse_i64(args.at(at + 3)).ok_or(Refusal::NotInteger)?;
            if is("set") { Act::Set(value) } else { Act::Add(value) }
        };
        steps.push(Step { act, is_signed, width, offset, overflow });
        at += if is_get { 3 } else { 4 };
    }
    Ok(steps)
}

/// The length that a string has after the writes among the steps; none where there is no write.
fn len_after(steps: &[Step]) -> Option<usize> {
    let writes = steps.iter().filter(|step| step.writes());
    writes.map(|step| ((step.offset + u64::from(step.width) - 1) / 8) as usize + 1).max()
}

fn bitfield(call: &mut Call<'_>) -> Result<(), Refusal> {
    let steps = steps(call)?;
    match len_after(&steps) {
        None => read(call, &steps),
        Some(len) => write(call, &steps, len),
    }
}

fn bitfield_ro(call: &mut Call<'_>) -> Result<(), Refusal> {
    let steps = steps(call)?;
    if len_after(&steps).is_some() {
        return Err(Refusal::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(call, &steps)
}

fn read(call: &mut Call<'_>, steps: &[Step]) -> Result<(), Refusal> {
    let mut room = [0; 20];
    let text = match call.keys.read(call.args.at(1)) {
        Some(entry) => keys::string(&entry)?.bytes(&mut room),
        None => &[],
    };
    call.reply.array(steps.len());
    for step in steps {
        call.reply.integer(step.read(text));
    }
    Ok(())
}

fn write(call: &mut Call<'_>, steps: &[Step], len: usize) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let mut answers = Vec::with_capacity(steps.len());
    let mut run = |text: &mut [u8]| {
        let mut is_changed = false;
        for step in steps {
            let before = step.read(text);
            let outcome = step.outcome(before);
            if let Some((after, _)) = outcome
                && after != before
            {
                bits::set_number(text, step.offset, step.width, after as u64);
                is_changed = true;
            }
            answers.push(outcome.map(|(_, answer)| answer));
        }
        is_changed
    };
    let (mut is_changed, mut has_grown) = (false, true);
    match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            has_grown = keys::string(&entry.as_ref())?.len() < len;
            let touched = steps.iter().map(Step::bytes);
            entry.edit(len, touched, |text| is_changed = run(text));
        }
        Place::Free(free) => {
            let mut text = vec![0; len];
            run(&mut text);
            free.insert_raw(text);
        }
    }
    let has_written = answers.iter().zip(steps).any(|(answer, step)| step.writes() && answer.is_some());
    if is_changed || has_grown {
        call.as_requested();
        call.keys.changed(key);
    }
    if is_changed || (has_grown && has_written) {
        call.notify(Class::STRING, "setbit", key);
    }
    call.reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(value) => call.reply.integer(value),
            None => call.reply.null(),
        }
    }
    Ok(())
}
