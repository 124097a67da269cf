//! The server: INFO, SHUTDOWN, DEBUG, MEMORY, and what concerns snapshots.

use crate::call::Call;
use crate::commands::{arity, container, help, info};
use crate::digest;
use crate::keys;
use crate::table::Command;
use crate::{Question, Shutdown};
use alloc::string::String;
use alloc::vec::Vec;
use base::{Span, number};
use core::fmt::Write;
use data::{StrRef, ValueRef};
use machine::Output;
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::info::{Facts, Sections};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "info",
            summary: "Returns facts and figures of the server.",
            group: Group::Server,
            syntax: "[section [section ...]]",
            arity: Arity::AtLeast(1),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::DANGEROUS,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            ..Spec::USUAL
        },
        run: info,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "shutdown",
            summary: "Stops the server.",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
            arity: Arity::AtLeast(1),
            flags: Flags::ADMIN
                .and(Flags::NO_SCRIPT)
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::NO_MULTI)
                .and(Flags::ALLOW_BUSY),
            ..Spec::USUAL
        },
        run: shutdown,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "debug",
            summary: "Is for testing the server.",
            group: Group::Server,
            syntax: "subcommand [argument ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: debug,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "memory",
            summary: "Shows how memory is used.",
            since: "4.0.0",
            group: Group::Server,
            arity: Arity::AtLeast(2),
            ..Spec::USUAL
        },
        run: container,
        subcommands: MEMORY,
    },
    Command {
        spec: Spec {
            name: "save",
            summary: "Saves a snapshot while everyone waits.",
            group: Group::Server,
            cost: "O(N)",
            arity: Arity::Exactly(1),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::NO_ASYNC_LOADING).and(Flags::NO_MULTI),
            ..Spec::USUAL
        },
        run: save,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bgsave",
            summary: "Saves a snapshot beside the work.",
            group: Group::Server,
            syntax: "[SCHEDULE]",
            arity: Arity::AtLeast(1),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: bgsave,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "lastsave",
            summary: "Returns when the last snapshot was saved.",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: Acl::ADMIN.and(Acl::DANGEROUS),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: lastsave,
        subcommands: &[],
    },
];

static MEMORY: &[Command] = &[
    Command {
        spec: Spec {
            name: "usage",
            summary: "Returns the memory of a key with its value.",
            since: "4.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "key [SAMPLES count]",
            arity: Arity::AtLeast(3),
            flags: Flags::READONLY,
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: memory_usage,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "4.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: memory_help,
        subcommands: &[],
    },
];

fn info(call: &mut Call<'_>) -> Result<(), Refusal> {
    let words: Vec<&[u8]> = call.args.from(1).iter().collect();
    let sections = Sections::chosen(&words);
    let mut facts = Facts::default();
    info::fill(call, sections, &mut facts);
    call.ask(Question::Info(&mut facts))?;
    let mut text = Vec::new();
    spec::info::render(sections, &facts, &mut text);
    call.reply.verbatim("txt", &text);
    Ok(())
}

fn shutdown(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut options = Shutdown::default();
    for word in call.args.from(1).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" if options.save != Some(true) => options.save = Some(false),
            b"save" if options.save != Some(false) => options.save = Some(true),
            b"now" => options.now = true,
            b"force" => options.force = true,
            b"abort" => options.abort = true,
            _ => return Err(Refusal::Syntax),
        }
    }
    if options.abort && call.args.len() > 2 {
        return Err(Refusal::Syntax);
    }
    call.ask(Question::Shutdown(options))
}

fn save(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.ask(Question::Save)
}

fn bgsave(call: &mut Call<'_>) -> Result<(), Refusal> {
    let schedule = match call.args.get(1) {
        None => false,
        Some(word) if call.args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return Err(Refusal::Syntax),
    };
    call.ask(Question::Bgsave { schedule })
}

fn lastsave(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.ask(Question::Lastsave)
}

fn memory_usage(call: &mut Call<'_>) -> Result<(), Refusal> {
    let options: Vec<&[u8]> = call.args.from(3).iter().collect();
    for pair in options.chunks(2) {
        // Sizes are exact here: samples are read, and nothing needs them.
        let &[word, count] = pair else { return Err(Refusal::Syntax) };
        if !word.eq_ignore_ascii_case(b"samples") {
            return Err(Refusal::Syntax);
        }
        if number::parse_i64(count).ok_or(Refusal::NotInteger)? < 0 {
            return Err(Refusal::Syntax);
        }
    }
    match call.keys.peek(call.args.at(2)).map(|entry| entry.memory_bytes()) {
        Some(bytes) => call.reply.integer(bytes as i64),
        None => call.reply.null(),
    }
    Ok(())
}

fn memory_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    let lines = ["USAGE <key> [SAMPLES <count>]", "    Return the memory of <key> with its value, in bytes."];
    help(call, "MEMORY", &lines);
    Ok(())
}

fn debug(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = call.args.at(1).to_ascii_lowercase();
    match (name.as_slice(), call.args.len()) {
        (b"sleep", 3) => debug_sleep(call),
        (b"object", 3..) => debug_object(call),
        (b"set-active-expire", 3) => {
            call.core.expires_actively = number::parse_i64(call.args.at(2)).is_some_and(|value| value != 0);
            call.reply.ok();
            Ok(())
        }
        (b"digest", 2) => {
            let digest = digest::of_all(&call.keys.shared.keyspace);
            call.reply.simple(&digest.text());
            Ok(())
        }
        (b"digest-value", 3..) => {
            call.reply.array(call.args.len() - 2);
            for key in call.args.from(2).iter() {
                let digest = digest::of_value(call.keys.look(key));
                call.reply.simple(&digest.text());
            }
            Ok(())
        }
        (b"help", 2) => {
            help(
                call,
                "DEBUG",
                &[
                    "DIGEST",
                    "    Return a digest of all data, the same for the same data.",
                    "DIGEST-VALUE <key> [<key> ...]",
                    "    Return a digest of each value.",
                    "OBJECT <key>",
                    "    Show how the value at <key> is kept.",
                    "SET-ACTIVE-EXPIRE <0|1>",
                    "    Stop or start the removal of expired keys that nobody asks for.",
                    "SLEEP <seconds>",
                    "    Stand still for so long.",
                ],
            );
            Ok(())
        }
        _ if call.args.len() < 2 => Err(arity(call)),
        _ => Err(Refusal::subcommand_or_arity("DEBUG", call.args.at(1))),
    }
}

fn debug_sleep(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// One day: a longer sleep is a slip of the hand.
    const SLEEP_SECONDS_MAX: f64 = 86_400.0;
    let seconds = number::parse_f64(call.args.at(2)).unwrap_or(0.0).clamp(0.0, SLEEP_SECONDS_MAX);
    call.out.put(Output::Stall(Span::us((seconds * 1e6) as u64)));
    // Nothing else runs in this turn: to everyone the sleep lies before what comes after it.
    call.flow = crate::call::Flow::Yield;
    call.reply.ok();
    Ok(())
}

fn debug_object(call: &mut Call<'_>) -> Result<(), Refusal> {
    let now = keys::clock(call.keys.now_ms);
    let Some(entry) = call.keys.look(call.args.at(2)) else { return Err(Refusal::NoSuchKey) };
    let serialized = match entry.value() {
        ValueRef::Str(string) => serialized_len(string),
        ValueRef::Hash(hash) => match hash.listpack_bytes() {
            Some(bytes) => bytes.len() + length_len(bytes.len()),
            None => {
                let parts = hash.iter().map(|(field, value)| serialized_len(field) + serialized_len(value));
                length_len(hash.len()) + parts.sum::<usize>()
            }
        },
    };
    let (clock, encoding) = (entry.clock(), entry.encoding().name());
    let idle = now.wrapping_sub(clock) & keys::CLOCK_MAX;
    let mut text = String::new();
    write!(
        text,
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{serialized} lru:{clock} \
         lru_seconds_idle:{idle}"
    )
    .expect("a string takes all text");
    call.reply.simple(&text);
    Ok(())
}

/// Bytes of a length in an RDB file.
fn length_len(len: usize) -> usize {
    match len {
        0..64 => 1,
        64..16_384 => 2,
        _ => 5,
    }
}

/// Bytes of a string in an RDB file, uncompressed.
fn serialized_len(string: StrRef<'_>) -> usize {
    match string.integer() {
        Some(-128..=127) => 2,
        Some(-32_768..=32_767) => 3,
        Some(-2_147_483_648..=2_147_483_647) => 5,
        _ => string.len() + length_len(string.len()),
    }
}
