//! Strings that change only if they are what the caller thinks: SET with a comparison, DELIFEQ, DELEX, DIGEST; and
//! MSETEX, which sets several under one condition.

use crate::call::{Call, Class};
use crate::commands::deadline_of;
use crate::commands::set_options::{Form, Options};
use crate::keys::{self, Place};
use crate::table::Command;
use base::{digest, number};
use data::StrRef;
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "delifeq",
            summary: "Removes a key if its string is the given one.",
            since: "9.0.0",
            group: Group::String,
            syntax: "key value",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::REMOVE },
            ..Spec::USUAL
        },
        run: delifeq,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "delex",
            summary: "Removes a key, also on a condition that its string must meet.",
            since: "8.4.0",
            group: Group::String,
            syntax: "key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::REMOVE },
            ..Spec::USUAL
        },
        run: delex,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "digest",
            summary: "Returns the digest of the string at a key.",
            since: "8.4.0",
            group: Group::String,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::STRING,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: digest_of,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "msetex",
            summary: "Sets several keys to strings that may expire, on one condition for all.",
            since: "9.1.0",
            group: Group::String,
            cost: "O(N)",
            syntax: "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::STRING,
            tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
            keys: Keys::Specs(&[KeySpec {
                notes: "",
                access: Access::OVERWRITE,
                begin: Begin::Index(1),
                find: Find::Counted { count_at: 0, first: 1, step: 2 },
            }]),
        },
        run: msetex,
        subcommands: &[],
    },
];

/// What a string must be for a change to happen.
#[derive(Clone, Copy, Debug)]
pub enum Compare<'a> {
    /// This.
    Is(&'a [u8]),
    /// Another, or none.
    IsNot(&'a [u8]),
    /// One of this digest.
    Digest(u64),
    /// One of another digest, or none.
    NotDigest(u64),
}

impl<'a> Compare<'a> {
    /// The comparison that a word names, with its argument.
    pub fn parse(word: &[u8], value: &'a [u8]) -> Result<Option<Compare<'a>>, Refusal> {
        let digest = || {
            digest::parse(value).ok_or(Refusal::Text("ERR digest must be exactly 16 hexadecimal characters"))
        };
        Ok(match word.to_ascii_lowercase().as_slice() {
            b"ifeq" => Some(Compare::Is(value)),
            b"ifne" => Some(Compare::IsNot(value)),
            b"ifdeq" => Some(Compare::Digest(digest()?)),
            b"ifdne" => Some(Compare::NotDigest(digest()?)),
            _ => None,
        })
    }

    /// True when a key without a value meets it.
    pub fn holds_for_none(&self) -> bool {
        matches!(self, Compare::IsNot(_) | Compare::NotDigest(_))
    }

    /// True when the string meets it.
    pub fn holds(&self, string: StrRef<'_>) -> bool {
        let mut room = [0; 20];
        let text = string.bytes(&mut room);
        match *self {
            Compare::Is(value) => text == value,
            Compare::IsNot(value) => text != value,
            Compare::Digest(value) => digest::digest(text) == value,
            Compare::NotDigest(value) => digest::digest(text) != value,
        }
    }
}

fn delifeq(call: &mut Call<'_>) -> Result<(), Refusal> {
    let value = call.args.at(2);
    remove_if(call, Some(Compare::Is(value)))
}

fn delex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let compare = match (args.get(2), args.get(3), args.len()) {
        (None, ..) => None,
        (Some(word), Some(value), 4) => Some(Compare::parse(word, value)?.ok_or(Refusal::Syntax)?),
        _ => return Err(Refusal::Syntax),
    };
    remove_if(call, compare)
}

fn remove_if(call: &mut Call<'_>, compare: Option<Compare<'_>>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let found = call.keys.taken(key);
    let entry = match (found, compare) {
        (Some(entry), None) => Some(entry),
        (Some(entry), Some(compare)) => {
            let string = keys::string(&entry.as_ref())?;
            let holds = compare.holds(string);
            Some(entry).filter(|_| holds)
        }
        (None, _) => None,
    };
    let Some(entry) = entry else {
        call.reply.integer(0);
        return Ok(());
    };
    entry.remove();
    call.effect(&[b"DEL", key]);
    call.changed(Class::GENERIC, "del", key);
    call.reply.integer(1);
    Ok(())
}

fn digest_of(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut room = [0; 20];
    match call.keys.read(call.args.at(1)) {
        Some(entry) => {
            let text = keys::string(&entry)?.bytes(&mut room);
            call.reply.bulk(&digest::text(digest::digest(text)));
        }
        None => call.reply.null(),
    }
    Ok(())
}

fn msetex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let count = number::parse_i64(args.at(1)).and_then(|count| i32::try_from(count).ok());
    let invalid = Refusal::Text("ERR invalid numkeys value or out of range");
    let count =
        count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0).ok_or(invalid)?;
    if args.len() < 2 + 2 * count {
        return Err(Refusal::Syntax);
    }
    let options = Options::parse(args.from(2 + 2 * count), Form::SetMany)?;
    let deadline = match options.deadline {
        Some((kind, text)) => Some(deadline_of(kind, text, call.keys.now_ms, call.name())?),
        None => None,
    };
    let places = || (2..2 + 2 * count).step_by(2);
    if options.only_new || options.only_old {
        for at in places() {
            if call.keys.look(args.at(at)).is_some() != options.only_old {
                call.reply.integer(0);
                return Ok(());
            }
        }
    }
    for at in places() {
        let (key, value) = (args.at(at), args.at(at + 1));
        match call.keys.entry(key) {
            Place::Taken(mut entry) if options.keep => entry.set_string(value),
            Place::Taken(mut entry) => entry.store(value, deadline),
            Place::Free(free) => free.insert_string(value, deadline),
        }
        pass_on_set(call, key, value, deadline, options.keep);
        call.changed(Class::STRING, "set", key);
        if deadline.is_some() {
            call.notify(Class::GENERIC, "expire", key);
        }
    }
    call.reply.integer(1);
    Ok(())
}

/// Passes on what was set as a SET without conditions: they were met, and every replica knows that form.
pub fn pass_on_set(call: &mut Call<'_>, key: &[u8], value: &[u8], deadline: Option<u64>, keeps: bool) {
    let time = deadline.map(|at| number::integer_text(at as i64));
    match &time {
        Some(time) => call.effect(&[b"SET", key, value, b"PXAT", time]),
        None if keeps => call.effect(&[b"SET", key, value, b"KEEPTTL"]),
        None => call.effect(&[b"SET", key, value]),
    }
}
