//! COMMAND: the table of commands, as clients read it.

use crate::call::Call;
use crate::commands::help;
use crate::table::{Command, Found, Row, RowIndex};
use alloc::vec::Vec;
use base::glob;
use spec::catalogue::{self, Dialect};
use spec::command::{Acl, Arity, Begin, Find, Flags, Group, KeySpec};
use spec::{Refusal, Spec, syntax};
use wire::batch::Args;
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "command",
        summary: "Describes all commands.",
        since: "2.8.13",
        group: Group::Server,
        cost: "O(N)",
        arity: Arity::AtLeast(1),
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Acl::CONNECTION,
        tips: &["nondeterministic_output_order"],
        ..Spec::USUAL
    },
    run: all,
    subcommands: COMMAND,
}];

static COMMAND: &[Command] = &[
    Command {
        spec: Spec {
            name: "count",
            summary: "Returns how many commands there are.",
            since: "2.8.13",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: command_count,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "info",
            summary: "Describes commands.",
            since: "2.8.13",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[command-name [command-name ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["nondeterministic_output_order"],
            ..Spec::USUAL
        },
        run: command_info,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "list",
            summary: "Returns the names of commands.",
            since: "7.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
            arity: Arity::AtLeast(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["nondeterministic_output_order"],
            ..Spec::USUAL
        },
        run: command_list,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "docs",
            summary: "Documents commands.",
            since: "7.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[command-name [command-name ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["nondeterministic_output_order"],
            ..Spec::USUAL
        },
        run: command_docs,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getkeys",
            summary: "Returns the keys of a request.",
            since: "2.8.13",
            group: Group::Server,
            cost: "O(N)",
            syntax: "command [arg [arg ...]]",
            arity: Arity::AtLeast(4),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: command_getkeys,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getkeysandflags",
            summary: "Returns the keys of a request, each with what is done with it.",
            since: "7.0.0",
            group: Group::Server,
            cost: "O(N)",
            syntax: "command [arg [arg ...]]",
            arity: Arity::AtLeast(4),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: command_getkeysandflags,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: Group::Server,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: command_help,
        subcommands: &[],
    },
];

fn all(call: &mut Call<'_>) -> Result<(), Refusal> {
    let commands: Vec<RowIndex> = call.table.commands().collect();
    call.reply.array(commands.len());
    for index in commands {
        describe(call, index);
    }
    Ok(())
}

fn command_count(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.integer(call.table.commands().count() as i64);
    Ok(())
}

fn command_info(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len() == 2 {
        return all(call);
    }
    call.reply.array(call.args.len() - 2);
    for name in call.args.from(2).iter() {
        match call.table.full(name) {
            Some(index) => describe(call, index),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// One command in ten parts.
fn describe(call: &mut Call<'_>, index: RowIndex) {
    let row = call.table.row(index);
    let spec = row.spec();
    let (first, last, step) = spec.keys.legacy();
    let reply = &mut call.reply;
    reply.array(10);
    reply.bulk(row.full_name.as_bytes());
    reply.integer(spec.arity.wire());
    let flags = flags_of(row);
    reply.set(flags.count());
    for flag in flags.names() {
        reply.simple(flag);
    }
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    let acl = acl_of(row);
    reply.set(acl.count());
    for category in acl.names() {
        reply.simple(&alloc::format!("@{category}"));
    }
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.keys.count());
    for keys in spec.keys.specs() {
        describe_keys(reply, keys);
    }
    let subcommands = row.subcommands.clone();
    if subcommands.is_empty() && !call.core.settings.is_valkey {
        // Redis names the type of its other lists here, and of this one an array where it has members.
        reply.set(0);
    } else {
        reply.array(subcommands.len());
    }
    for subcommand in subcommands {
        describe(call, subcommand);
    }
}

fn flags_of(row: &Row) -> Flags {
    row.spec().flags
}

fn acl_of(row: &Row) -> Acl {
    row.spec().acl_all()
}

fn describe_keys(reply: &mut Reply<'_>, keys: KeySpec) {
    reply.map(if keys.notes.is_empty() { 3 } else { 4 });
    if !keys.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(keys.notes.as_bytes());
    }
    reply.bulk(b"flags");
    reply.set(keys.access.count());
    for name in keys.access.names() {
        reply.simple(name);
    }
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    match keys.begin {
        Begin::Index(at) => numbers(reply, "index", &[("index", i64::from(at))]),
        Begin::Keyword { word, from } => {
            reply.bulk(b"keyword");
            reply.bulk(b"spec");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(i64::from(from));
        }
        Begin::Unknown => numbers(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    match keys.find {
        Find::Range { last, step, limit } => numbers(
            reply,
            "range",
            &[("lastkey", i64::from(last)), ("keystep", i64::from(step)), ("limit", i64::from(limit))],
        ),
        Find::Counted { count_at, first, step } => numbers(
            reply,
            "keynum",
            &[
                ("keynumidx", i64::from(count_at)),
                ("firstkey", i64::from(first)),
                ("keystep", i64::from(step)),
            ],
        ),
        Find::Unknown => numbers(reply, "unknown", &[]),
    }
}

/// A kind and the numbers that specify it.
fn numbers(reply: &mut Reply<'_>, kind: &str, parts: &[(&str, i64)]) {
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(parts.len());
    for (name, value) in parts {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

fn command_list(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_wanted: &dyn Fn(&Row) -> bool = match call.args.len() {
        2 => &|_| true,
        5 if call.args.at(2).eq_ignore_ascii_case(b"filterby") => {
            let value = call.args.at(4);
            match call.args.at(3).to_ascii_lowercase().as_slice() {
                b"pattern" => &move |row| glob::matches_any_case(value, row.full_name.as_bytes()),
                b"aclcat" => {
                    let category = Acl::named(value);
                    &move |row| category.is_some_and(|category| acl_of(row).has(category))
                }
                // There are no modules.
                b"module" => &|_| false,
                _ => return Err(Refusal::Syntax),
            }
        }
        _ => return Err(Refusal::Syntax),
    };
    let rows = call.table.rows().iter().filter(|row| row.called.is_some());
    let found: Vec<&Row> = rows.filter(|row| is_wanted(row)).collect();
    call.reply.array(found.len());
    for row in found {
        call.reply.bulk(row.full_name.as_bytes());
    }
    Ok(())
}

fn command_docs(call: &mut Call<'_>) -> Result<(), Refusal> {
    let rows: Vec<RowIndex> = match call.args.len() {
        2 => call.table.commands().collect(),
        _ => call.args.from(2).iter().filter_map(|name| call.table.full(name)).collect(),
    };
    call.reply.map(rows.len());
    for index in rows {
        document(call, index);
    }
    Ok(())
}

fn document(call: &mut Call<'_>, index: RowIndex) {
    let row = call.table.row(index);
    let spec = row.spec();
    // The catalogue is the one place for the syntax of what the originals have too.
    let syntax = catalogue::find(&row.full_name).map_or(spec.syntax, |row| row.syntax(Dialect::Redis));
    let args = syntax::parse_keyed(syntax, spec.keys.count());
    let subcommands = row.subcommands.clone();
    let reply = &mut call.reply;
    reply.bulk(row.full_name.as_bytes());
    reply.map(4 + usize::from(!args.is_empty()) + usize::from(!subcommands.is_empty()));
    for (name, value) in [("summary", spec.summary), ("since", spec.since)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"group");
    reply.bulk_display(spec.group);
    reply.bulk(b"complexity");
    reply.bulk(spec.cost.as_bytes());
    if !args.is_empty() {
        reply.bulk(b"arguments");
        document_args(reply, &args);
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            document(call, subcommand);
        }
    }
}

fn document_args(reply: &mut Reply<'_>, args: &[syntax::Arg]) {
    reply.array(args.len());
    for arg in args {
        let flags = [
            (arg.is_optional, "optional"),
            (arg.is_multiple, "multiple"),
            (arg.repeats_token, "multiple_token"),
        ];
        let flags: Vec<&str> = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
        let parts = 2
            + usize::from(arg.key_spec.is_some())
            + usize::from(arg.token.is_some())
            + usize::from(!flags.is_empty())
            + usize::from(!arg.inner.is_empty());
        reply.map(parts);
        reply.bulk(b"name");
        reply.bulk(arg.name.as_bytes());
        reply.bulk(b"type");
        reply.bulk(arg.kind.name().as_bytes());
        if let Some(index) = arg.key_spec {
            reply.bulk(b"key_spec_index");
            reply.integer(index as i64);
        }
        if let Some(token) = &arg.token {
            reply.bulk(b"token");
            reply.bulk(token.as_bytes());
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            reply.set(flags.len());
            for flag in flags {
                reply.simple(flag);
            }
        }
        if !arg.inner.is_empty() {
            reply.bulk(b"arguments");
            document_args(reply, &arg.inner);
        }
    }
}

/// The keys of the request that COMMAND GETKEYS is given, each with its access.
fn keys_of<'a>(call: &Call<'_>, args: Args<'a>) -> Result<Vec<(&'a [u8], spec::Access)>, Refusal> {
    let Found::Row(index) = call.table.find(args).0 else { return Err(Refusal::InvalidCommand) };
    let spec = call.table.row(index).spec();
    // The channels of sharded publish and subscribe are routed like keys, and are none.
    let has_keys = spec.keys.specs().any(|keys| !keys.access.has(spec::Access::NOT_KEY));
    if !has_keys {
        return Err(Refusal::NoKeyArguments);
    }
    if !spec.arity.fits(args.len()) {
        return Err(Refusal::InvalidCommandArity);
    }
    let can_be_none = spec.flags.has(Flags::NO_MANDATORY_KEYS);
    if !spec.keys.fit(args.len(), |at| args.at(at)) {
        return if can_be_none { Ok(Vec::new()) } else { Err(Refusal::InvalidArguments) };
    }
    let mut found = Vec::new();
    // What SET does with its key depends on one option.
    let shows = spec.name != "set" || args.from(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"get"));
    let exact = |access| if shows { access } else { spec::Access::OVERWRITE };
    spec.keys.places(args.len(), |at| args.at(at), |at, access| found.push((args.at(at), exact(access))));
    if found.is_empty() && !can_be_none {
        return Err(Refusal::InvalidArguments);
    }
    Ok(found)
}

fn command_getkeys(call: &mut Call<'_>) -> Result<(), Refusal> {
    let keys = keys_of(call, call.args.from(2))?;
    call.reply.array(keys.len());
    for (key, _) in keys {
        call.reply.bulk(key);
    }
    Ok(())
}

fn command_getkeysandflags(call: &mut Call<'_>) -> Result<(), Refusal> {
    let keys = keys_of(call, call.args.from(2))?;
    call.reply.array(keys.len());
    for (key, access) in keys {
        call.reply.array(2);
        call.reply.bulk(key);
        call.reply.set(access.count());
        for name in access.names() {
            call.reply.simple(name);
        }
    }
    Ok(())
}

fn command_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    let own = call.table.named(b"command").expect("COMMAND is in the table");
    let lines: Vec<_> = call
        .table
        .row(own)
        .subcommands
        .clone()
        .map(|index| call.table.row(index).spec())
        .filter(|spec| spec.name != "help")
        .flat_map(|spec| [spec.name.to_ascii_uppercase(), alloc::format!("    {}", spec.summary)])
        .collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
    help(call, "COMMAND", &lines);
    Ok(())
}
