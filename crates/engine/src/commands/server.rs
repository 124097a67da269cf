//! The server: INFO, SHUTDOWN, DEBUG, MEMORY, and what concerns snapshots.

use crate::call::Call;
use crate::commands::info;
use crate::table::Command;
use crate::{Question, Shutdown};
use alloc::vec::Vec;
use spec::command::{Acl, Arity, Flags, Group};
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
            syntax: "[[NOSAVE | SAVE] [NOW] [FORCE] | ABORT]",
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
    let in_exec = call.in_exec;
    call.ask(Question::Bgsave { schedule, in_exec })
}

fn lastsave(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.ask(Question::Lastsave)
}
