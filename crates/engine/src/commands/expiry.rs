//! Deadlines of keys: setting, reading and removing them.

use crate::call::{Call, Class};
use crate::commands::text;
use crate::table::Command;
use base::number;
use spec::command::{Access, Acl, Arity, Flags, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "expire",
            summary: "Sets the deadline of a key, in seconds from now.",
            syntax: "key seconds [NX | XX | GT | LT]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: expire,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pexpire",
            summary: "Sets the deadline of a key, in milliseconds from now.",
            since: "2.6.0",
            syntax: "key milliseconds [NX | XX | GT | LT]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: pexpire,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "expireat",
            summary: "Sets the deadline of a key as a Unix time in seconds.",
            since: "1.2.0",
            syntax: "key unix-time-seconds [NX | XX | GT | LT]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: expireat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pexpireat",
            summary: "Sets the deadline of a key as a Unix time in milliseconds.",
            since: "2.6.0",
            syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
            arity: Arity::AtLeast(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: pexpireat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "ttl",
            summary: "Returns how many seconds a key still lives.",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: ttl,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pttl",
            summary: "Returns how many milliseconds a key still lives.",
            since: "2.6.0",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: pttl,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "expiretime",
            summary: "Returns the deadline of a key as a Unix time in seconds.",
            since: "7.0.0",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: expiretime,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pexpiretime",
            summary: "Returns the deadline of a key as a Unix time in milliseconds.",
            since: "7.0.0",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: pexpiretime,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "persist",
            summary: "Removes the deadline of a key.",
            since: "2.2.0",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: persist,
        subcommands: &[],
    },
];

/// What the original's error shows of a word: it ends at a zero byte, and line ends around it go.
fn shown(word: &[u8]) -> &[u8] {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let len = word.iter().rposition(|byte| !is_line_end(byte)).map_or(0, |last| last + 1);
    &word[..len]
}

/// The conditions of EXPIRE and its relatives.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(args: wire::batch::Args<'_>) -> Result<Conditions, Refusal> {
        let mut conditions = Conditions::default();
        for word in args.iter() {
            conditions.add(word).ok_or_else(|| Refusal::UnsupportedOption(text(shown(word))))?;
        }
        conditions.check()?;
        Ok(conditions)
    }

    /// Adds the condition that a word names; none where it names none.
    pub fn add(&mut self, word: &[u8]) -> Option<()> {
        let flag = match word.to_ascii_lowercase().as_slice() {
            b"nx" => &mut self.nx,
            b"xx" => &mut self.xx,
            b"gt" => &mut self.gt,
            b"lt" => &mut self.lt,
            _ => return None,
        };
        *flag = true;
        Some(())
    }

    /// Refuses conditions that exclude each other.
    pub fn check(self) -> Result<(), Refusal> {
        if self.nx && (self.xx || self.gt || self.lt) {
            return Err(Refusal::ExpireNxWithOthers);
        }
        if self.gt && self.lt {
            return Err(Refusal::ExpireGtAndLt);
        }
        Ok(())
    }

    /// True when a key with deadline `old` (none: it lives for ever) may get the deadline `new`.
    pub fn allow(self, old: Option<u64>, new: i64) -> bool {
        let old_ms = old.map(|old| i64::try_from(old).unwrap_or(i64::MAX));
        let fails = (self.nx && old.is_some())
            || (self.xx && old.is_none())
            || (self.gt && old_ms.is_none_or(|old| new <= old))
            || (self.lt && old_ms.is_some_and(|old| new >= old));
        !fails
    }
}

fn expire(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_deadline(call, 1_000, true)
}

fn pexpire(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_deadline(call, 1, true)
}

fn expireat(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_deadline(call, 1_000, false)
}

fn pexpireat(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_deadline(call, 1, false)
}

fn set_deadline(call: &mut Call<'_>, unit_ms: i64, is_relative: bool) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let conditions = Conditions::parse(call.args.from(3))?;
    let invalid = Refusal::InvalidExpire(call.name());
    let value = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let now_ms = call.keys.now_ms;
    let Some(mut at) = value.checked_mul(unit_ms) else { return Err(invalid) };
    if is_relative {
        let Some(sum) = at.checked_add_unsigned(now_ms) else { return Err(invalid) };
        at = sum;
    }
    let waits = call.waits_for_end();
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    if !conditions.allow(entry.deadline_ms(), at) {
        call.reply.integer(0);
        return Ok(());
    }
    if at <= now_ms as i64 && !waits {
        entry.remove();
        call.ended(key);
        call.reply.integer(1);
        return Ok(());
    }
    // A deadline before 1970 is as past as 1970 itself.
    let at = at.max(0) as u64;
    entry.set_deadline(Some(at));
    call.effect(&[b"PEXPIREAT", key, &number::integer_text(at as i64)]);
    call.changed(Class::GENERIC, "expire", key);
    call.reply.integer(1);
    Ok(())
}

fn persist(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key).filter(|entry| entry.deadline_ms().is_some()) else {
        call.reply.integer(0);
        return Ok(());
    };
    entry.set_deadline(None);
    call.as_requested();
    call.changed(Class::GENERIC, "persist", key);
    call.reply.integer(1);
    Ok(())
}

/// Answers -2 for a missing key, -1 for one without a deadline, else what `answer` makes of the deadline.
fn tell(call: &mut Call<'_>, answer: impl Fn(i64, i64) -> i64) -> Result<(), Refusal> {
    let now_ms = call.keys.now_ms as i64;
    let value = match call.keys.peek(call.args.at(1)) {
        None => -2,
        Some(entry) => entry.deadline_ms().map_or(-1, |deadline| answer(deadline as i64, now_ms)),
    };
    call.reply.integer(value);
    Ok(())
}

fn ttl(call: &mut Call<'_>) -> Result<(), Refusal> {
    tell(call, |deadline, now| deadline.saturating_sub(now).max(0).saturating_add(500) / 1_000)
}

fn pttl(call: &mut Call<'_>) -> Result<(), Refusal> {
    tell(call, |deadline, now| deadline.saturating_sub(now).max(0))
}

fn expiretime(call: &mut Call<'_>) -> Result<(), Refusal> {
    tell(call, |deadline, _| deadline.saturating_add(500) / 1_000)
}

fn pexpiretime(call: &mut Call<'_>) -> Result<(), Refusal> {
    tell(call, |deadline, _| deadline)
}
