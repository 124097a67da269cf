//! Keys whatever their type: removing, renaming, finding, going through them.

use crate::call::{Call, Class};
use crate::commands::{ScanOptions, container, cursor, help};
use crate::keys::{self, Expiry, is_due};
use crate::table::Command;
use crate::watch::Standing;
use crate::{Answer, Question};
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::glob;
use data::{EntryRef, Keyspace};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "del",
            summary: "Removes keys.",
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE,
            acl: Acl::KEYSPACE,
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::REMOVE },
            ..Spec::USUAL
        },
        run: del,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "unlink",
            summary: "Removes keys; their memory is freed later.",
            since: "4.0.0",
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::REMOVE },
            ..Spec::USUAL
        },
        run: del,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "exists",
            summary: "Counts how many of the keys exist.",
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: exists,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "type",
            summary: "Returns the type of the value at a key.",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::One { at: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: type_of,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "touch",
            summary: "Counts how many of the keys exist, and marks them as used.",
            since: "3.2.1",
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: touch,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "rename",
            summary: "Gives a key another name; a key that has it already is overwritten.",
            syntax: "key newkey",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE,
            acl: Acl::KEYSPACE,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::TAKE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: rename,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "renamenx",
            summary: "Gives a key another name if no key has it yet.",
            syntax: "key newkey",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::TAKE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OW.and(Access::INSERTS),
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: rename,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "keys",
            summary: "Returns all keys whose name matches a pattern.",
            cost: "O(N)",
            syntax: "pattern",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            tips: &["request_policy:all_shards", "nondeterministic_output_order"],
            ..Spec::USUAL
        },
        run: keys,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "scan",
            summary: "Goes through the keys of the database, a few per call.",
            since: "2.8.0",
            cost: "O(N)",
            syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output", "request_policy:special"],
            ..Spec::USUAL
        },
        run: scan,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "randomkey",
            summary: "Returns the name of some key.",
            arity: Arity::Exactly(1),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["request_policy:all_shards", "nondeterministic_output"],
            ..Spec::USUAL
        },
        run: randomkey,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "dbsize",
            summary: "Returns how many keys the database has.",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::READONLY.and(Flags::FAST),
            acl: Acl::KEYSPACE,
            tips: &["request_policy:all_shards", "response_policy:agg_sum"],
            ..Spec::USUAL
        },
        run: dbsize,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "flushdb",
            summary: "Removes all keys of the database.",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[ASYNC | SYNC]",
            arity: Arity::AtLeast(1),
            flags: Flags::WRITE,
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: flushdb,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "flushall",
            summary: "Removes all keys of all databases.",
            group: Group::Server,
            cost: "O(N)",
            syntax: "[ASYNC | SYNC]",
            arity: Arity::AtLeast(1),
            flags: Flags::WRITE,
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: flushall,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "object",
            summary: "Shows how a value is kept.",
            since: "2.2.3",
            arity: Arity::AtLeast(2),
            ..Spec::USUAL
        },
        run: container,
        subcommands: OBJECT,
    },
];

static OBJECT: &[Command] = &[
    Command {
        spec: Spec {
            name: "encoding",
            summary: "Returns the layout of the value at a key.",
            since: "2.2.3",
            syntax: "key",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: object_encoding,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "freq",
            summary: "Returns how often the key is used, as LFU counts it.",
            since: "4.0.0",
            syntax: "key",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: object_freq,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "idletime",
            summary: "Returns for how many seconds the key was not used.",
            since: "2.2.3",
            syntax: "key",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: object_idletime,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "refcount",
            summary: "Returns how many references the value has.",
            since: "2.2.3",
            syntax: "key",
            arity: Arity::Exactly(3),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 2, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: object_refcount,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "6.2.0",
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::KEYSPACE,
            ..Spec::USUAL
        },
        run: object_help,
        subcommands: &[],
    },
];

fn del(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut removed = 0;
    for key in call.args.from(1).iter() {
        let Some(entry) = call.keys.taken(key) else { continue };
        entry.remove();
        removed += 1;
        call.changed(Class::GENERIC, "del", key);
    }
    if removed > 0 {
        call.as_requested();
    }
    call.reply.integer(removed);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = call.args.from(1).iter().filter(|key| call.keys.peek(key).is_some()).count();
    call.reply.integer(count as i64);
    Ok(())
}

fn touch(call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = call.args.from(1).iter().filter(|key| call.keys.read(key).is_some()).count();
    call.reply.integer(count as i64);
    Ok(())
}

fn type_of(call: &mut Call<'_>) -> Result<(), Refusal> {
    let kind = call.keys.peek(call.args.at(1)).map_or("none", |entry| entry.kind().name());
    call.reply.simple(kind);
    Ok(())
}

fn rename(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (old, new) = (call.args.at(1), call.args.at(2));
    let only_free = call.name() == "renamenx";
    if call.keys.look(old).is_none() {
        return Err(Refusal::NoSuchKey);
    }
    if old == new {
        if only_free {
            call.reply.integer(0)
        } else {
            call.reply.ok()
        }
        return Ok(());
    }
    if only_free && call.keys.look(new).is_some() {
        call.reply.integer(0);
        return Ok(());
    }
    let Some(entry) = call.keys.taken(old) else { return Err(Refusal::NoSuchKey) };
    let is_raw = keys::is_raw(&entry.as_ref());
    let (value, deadline) = entry.take();
    call.keys.put(new, value, deadline, is_raw);
    call.as_requested();
    call.replaced(new);
    call.changed(Class::GENERIC, "rename_from", old);
    call.changed(Class::GENERIC, "rename_to", new);
    if only_free {
        call.reply.integer(1)
    } else {
        call.reply.ok()
    }
    Ok(())
}

fn keys(call: &mut Call<'_>) -> Result<(), Refusal> {
    let pattern = call.args.at(1);
    // As a pattern, a star does not match the empty key.
    let is_all = pattern == b"*";
    let (db, now_ms, shows) = (call.keys.db, call.keys.now_ms, call.keys.expiry == Expiry::Show);
    let (mut found, mut count) = (Vec::new(), 0);
    let mut list = Reply::new(&mut found, call.reply.is_resp3());
    call.keys.shared.keyspace.for_each(db, |entry: EntryRef<'_>| {
        if (shows || !is_due(&entry, now_ms)) && (is_all || glob::matches(pattern, entry.key())) {
            list.bulk(entry.key());
            count += 1;
        }
    });
    call.reply.array(count);
    call.reply.raw(&found);
    Ok(())
}

fn scan(call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = cursor(call.args.at(1))?;
    let mut options = ScanOptions::parse(call.args.from(2), true)?;
    if call.core.settings.is_valkey {
        options = options.check_kind()?;
    }
    let db = call.keys.db;
    let (next, listed) =
        list_keys(call, &options, |keyspace, count, visit| keyspace.scan(db, from, count, visit));
    call.reply.array(2);
    call.reply.bulk_display(next);
    call.reply.array(listed.count);
    call.reply.raw(&listed.keys);
    Ok(())
}

/// Keys that a step of SCAN found, as a reply has them.
#[derive(Default)]
pub(super) struct Listed {
    pub keys: Vec<u8>,
    pub count: usize,
}

/// Lists the keys that the options ask for; `step` visits entries and returns the next cursor.
pub(super) fn list_keys(
    call: &mut Call<'_>,
    options: &ScanOptions<'_>,
    step: impl FnOnce(&Keyspace, usize, &mut dyn FnMut(EntryRef<'_>)) -> u64,
) -> (u64, Listed) {
    let now_ms = call.keys.now_ms;
    let is_kind = |entry: &EntryRef<'_>| {
        options.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(entry.kind().name().as_bytes()))
    };
    let (mut listed, mut due) = (Listed::default(), Vec::<Box<[u8]>>::new());
    let mut list = Reply::new(&mut listed.keys, call.reply.is_resp3());
    let next = step(&call.keys.shared.keyspace, options.count, &mut |entry| {
        if !options.matches(entry.key()) {
            return;
        }
        if is_due(&entry, now_ms) {
            due.push(entry.key().into());
        } else if is_kind(&entry) {
            list.bulk(entry.key());
            listed.count += 1;
        }
    });
    loosen(call);
    for key in due {
        // Expired keys that match go now.
        call.keys.look(&key);
    }
    (next, listed)
}

/// A request that comes across keys which nobody named: the end of one has nothing to do with that of another.
fn loosen(call: &mut Call<'_>) {
    if !call.in_exec {
        call.keys.shared.feed.loosen_unit();
    }
}

fn randomkey(call: &mut Call<'_>) -> Result<(), Refusal> {
    loosen(call);
    /// 100: draws that may meet expired keys before one of those is returned after all, as in the original.
    const DRAWS_MAX: usize = 100;
    let (db, now_ms) = (call.keys.db, call.keys.now_ms);
    let mut chosen: Option<Box<[u8]>> = None;
    for _ in 0..DRAWS_MAX {
        match call.keys.shared.keyspace.random(db, &mut call.core.random) {
            Some(entry) => {
                chosen = Some(entry.key().into());
                if !is_due(&entry, now_ms) {
                    break;
                }
            }
            None => break,
        }
        if call.keys.expiry == Expiry::Remove
            && let Some(key) = chosen.take()
        {
            call.keys.look(&key);
            call.bury();
        }
    }
    call.reply.bulk_or_null(chosen.as_deref());
    Ok(())
}

fn dbsize(call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = call.keys.shared.keyspace.len(call.keys.db);
    call.reply.integer(count as i64);
    Ok(())
}

/// False for SYNC: the memory is wanted back before the answer.
fn is_lazy_flush(call: &Call<'_>) -> Result<bool, Refusal> {
    match call.args.get(1) {
        None => Ok(true),
        Some(_) if call.args.len() > 2 => Err(Refusal::Syntax),
        Some(word) if word.eq_ignore_ascii_case(b"async") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case(b"sync") => Ok(false),
        Some(_) => Err(Refusal::Syntax),
    }
}

fn flushdb(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_lazy = is_lazy_flush(call)?;
    flush(call, Some(call.keys.db), is_lazy);
    call.reply.ok();
    Ok(())
}

fn flushall(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_lazy = is_lazy_flush(call)?;
    flush(call, None, is_lazy);
    let may_wait = !call.in_exec && !call.session.is_stream;
    if call.put(Question::FlushedAll { may_wait }) == Answer::Block {
        // The answer comes when the file has no keys either.
        call.session.is_blocked = true;
    } else {
        call.reply.ok();
    }
    Ok(())
}

fn flush(call: &mut Call<'_>, db: Option<u32>, is_lazy: bool) {
    let shared = &mut *call.keys.shared;
    let keyspace = &mut shared.keyspace;
    let now_ms = call.keys.now_ms;
    let before = |db: u32, key: &[u8]| Standing::of(keyspace, now_ms, db, key);
    call.keys.watch.touch_all(db, before, |_, _| Standing::Missing);
    call.keys.watch.copies.touch_all();
    let removed: u64 = match db {
        Some(db) => keyspace.len(db),
        None => (0..keyspace.databases()).map(|db| keyspace.len(db)).sum(),
    };
    let detached = match db {
        Some(db) => keyspace.flush(db),
        None => keyspace.flush_all(),
    };
    // What is freed in slices stalls nobody.
    if is_lazy {
        keyspace.dispose(detached)
    } else {
        drop(detached)
    }
    shared.feed.changes += removed.max(1);
    call.as_requested();
}

fn object_entry<'c>(call: &'c mut Call<'_>) -> Option<EntryRef<'c>> {
    call.keys.peek(call.args.at(2))
}

/// What OBJECT ENCODING calls the form of a value. Valkey has a name of its own for small lists.
pub fn encoding_name(entry: &EntryRef<'_>, is_valkey: bool, limits: &data::ListLimits) -> &'static str {
    match entry.of::<data::List>() {
        Some(list) if is_valkey && list.is_packed(limits) => "listpack",
        _ => entry.encoding().name(),
    }
}

fn object_encoding(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (is_valkey, limits) = (call.core.settings.is_valkey, call.core.settings.limits.list);
    match object_entry(call).map(|entry| encoding_name(&entry, is_valkey, &limits)) {
        Some(name) => call.reply.bulk(name.as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}

fn object_refcount(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// What the originals say of the integers that they share.
    const SHARED: i64 = i32::MAX as i64;
    let shares = call.core.settings.eviction.shares_integers();
    match object_entry(call).map(|entry| entry.string()) {
        Some(Some(data::StrRef::Int(0..10_000))) if shares => call.reply.integer(SHARED),
        Some(_) => call.reply.integer(1),
        None => call.reply.null(),
    }
    Ok(())
}

fn object_freq(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(clock) = object_entry(call).map(|entry| entry.clock()) else {
        call.reply.null();
        return Ok(());
    };
    let (access, now_ms) = (&call.keys.shared.access, call.keys.now_ms);
    if !access.counts {
        return Err(Refusal::NoLfu);
    }
    call.reply.integer(i64::from(access.frequency(clock, now_ms)));
    Ok(())
}

fn object_idletime(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(clock) = object_entry(call).map(|entry| entry.clock()) else {
        call.reply.null();
        return Ok(());
    };
    if call.keys.shared.access.counts {
        return Err(Refusal::LfuSelected);
    }
    call.reply.integer(i64::from(crate::access::idle_seconds(clock, call.keys.now_ms)));
    Ok(())
}

fn object_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "OBJECT",
        &[
            "ENCODING <key>",
            "    Return the layout of the value at <key>.",
            "FREQ <key>",
            "    Return how often <key> is used, as LFU counts it.",
            "IDLETIME <key>",
            "    Return for how many seconds <key> was not used.",
            "REFCOUNT <key>",
            "    Return how many references the value at <key> has.",
        ],
    );
    Ok(())
}
