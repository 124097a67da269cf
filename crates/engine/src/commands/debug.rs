//! DEBUG: what test suites and tools do to a server from inside. `enable-debug-command` says who may.

use crate::access;
use crate::call::{Call, Flow};
use crate::commands::{client, help, inspect, keys};
use crate::keys::Place;
use crate::table::Command;
use crate::{Question, digest};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Span, number};
use core::fmt::Write;
use machine::{Crash, HostSetting, Level, Output};
use spec::command::{Arity, Flags, Group};
use spec::config::Extent;
use spec::{Refusal, Spec};
use wire::rdb::encoder::Packing;
use wire::rdb::payload::Footer;

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "debug",
        summary: "Is for testing the server.",
        group: Group::Server,
        arity: Arity::AtLeast(2),
        flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
        ..Spec::USUAL
    },
    run: debug,
    subcommands: &[],
}];

fn debug(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = call.args.at(1).to_ascii_lowercase();
    match (name.as_slice(), call.args.len()) {
        (b"sleep", 3) => debug_sleep(call)?,
        (b"object", 3 | 4) => debug_object(call)?,
        (b"segfault", 2) => debug_crash(call, Crash::Segfault),
        (b"assert" | b"panic", 2) => debug_crash(call, Crash::Assertion),
        (b"mallctl" | b"mallctl-str", 3..) => return debug_mallctl(call, name == b"mallctl-str"),
        (b"config-rewrite-force-all", 2) => {
            let may_wait = !call.in_exec;
            return call.ask(Question::RewriteConfig { extent: Extent::Everything, may_wait });
        }
        (b"reload", _) => return debug_reload(call),
        (b"loadaof", 2) => return debug_loadaof(call),
        (b"populate", 3..=5) => debug_populate(call)?,
        (b"protocol", 3) => return debug_protocol(call),
        (b"quicklist-packed-threshold", 3) => debug_plain_bytes(call)?,
        (b"set-active-expire", 3) => {
            call.core.expires_actively = number::parse_i64(call.args.at(2)).is_some_and(|value| value != 0);
            call.reply.ok();
        }
        (b"set-skip-checksum-validation", 3) => {
            let skips = number::parse_i64(call.args.at(2)).is_some_and(|value| value != 0);
            call.core.payload_footer = if skips { Footer::Version } else { Footer::Whole };
            call.reply.ok();
        }
        (b"aof-flush-sleep", 3) => debug_aof_flush_sleep(call),
        (b"pause-cron", 3) => {
            call.core.is_cron_paused = number::parse_i64(call.args.at(2)).is_some_and(|value| value != 0);
            call.reply.ok();
        }
        (b"drop-cluster-packet-filter" | b"close-cluster-link-on-packet-drop", 3) | (b"clusterlink", 5) => {
            let args = call.args;
            return call.ask(Question::Cluster { args, may_wait: false });
        }
        (b"digest", 2) => {
            let digest = digest::of_all(&call.keys.shared.keyspace);
            call.reply.simple(&digest.text());
        }
        (b"digest-value", 2..) => {
            call.reply.array(call.args.len() - 2);
            for key in call.args.from(2).iter() {
                let digest = digest::of_value(call.keys.look(key));
                call.reply.simple(&digest.text());
            }
        }
        (b"log", 3) => {
            let text = String::from_utf8_lossy(call.args.at(2)).into_owned();
            call.out.log(Level::Warning, format!("DEBUG LOG: {text}"));
            call.reply.ok();
        }
        (b"error", 3) => call.reply.error(call.args.at(2)),
        (b"change-repl-id", 2) => {
            call.out.log(Level::Warning, "Changing replication IDs after receiving DEBUG change-repl-id");
            return call.ask(Question::ChangeReplid);
        }
        (b"replicate", 3..) => return call.ask(Question::Replicate { args: call.args.from(2) }),
        (b"help", 2) => help(call, "DEBUG", &[HELP, inspect::HELP].concat()),
        (name, _) => {
            let args = call.args;
            let unknown = || Err(Refusal::subcommand_or_arity("DEBUG", args.at(1)));
            return inspect::run(call, name).unwrap_or_else(unknown);
        }
    }
    Ok(())
}

fn debug_crash(call: &mut Call<'_>, crash: Crash) {
    let current = client::portrait_of_own(call);
    let others = client::portrait(call.core, call.table, call.keys.watch, call.now.mono);
    let clients = format!("{}{others}", current.split_inclusive('\n').next().unwrap_or_default());
    call.out.put(Output::Host(HostSetting::Portrait { clients, current }));
    call.out.put(Output::Crash(crash));
}

const HELP: &[&str] = &[
    "AOF-FLUSH-SLEEP <microseconds>",
    "    Stand still for so long before each write to the append-only file.",
    "CHANGE-REPL-ID",
    "    Begin a new replication history: no replica can resume the old one.",
    "ASSERT",
    "    End by an assertion that does not hold.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    Like CONFIG REWRITE, with the defaults as well.",
    "CLOSE-CLUSTER-LINK-ON-PACKET-DROP <0|1>",
    "    Close the bus connection on which a frame was dropped by the filter.",
    "CLUSTERLINK KILL <TO|FROM|ALL> <node-id>",
    "    Close a bus connection to or from another node.",
    "DIGEST",
    "    Return a digest of all data, the same for the same data.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Return a digest of each value.",
    "DROP-CLUSTER-PACKET-FILTER <kind>",
    "    Drop all bus frames of the kind with this number; -1 drops none.",
    "ERROR <text>",
    "    Answer with an error of this text.",
    "LOADAOF",
    "    Write what is left into the append-only file, drop the data and load it from there.",
    "LOG <text>",
    "    Write a line to the log.",
    "OBJECT <key>",
    "    Show how the value at <key> is kept.",
    "PANIC",
    "    As ASSERT.",
    "PAUSE-CRON <0|1>",
    "    Stop or start the regular work: expiry, idle clients, output limits over time.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Add <count> strings <prefix>:<number> where there is no such key; <prefix> is 'key' if none is given.",
    "PROTOCOL <type>",
    "    Answer with a reply of this type.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Keep elements of lists from this size on apart from the others; 0 is 1gb again.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Save the data, drop it and load it again; leave a step out, or let the file's keys win over those here.",
    "REPLICATE <arg> [<arg> ...]",
    "    Send this to the replicas, and to them alone.",
    "SEGFAULT",
    "    End by a memory access that is not allowed.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or start the removal of expired keys that nobody asks for.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Take or refuse payloads of RESTORE whose checksum is wrong.",
    "SLEEP <seconds>",
    "    Stand still for so long.",
];

/// From how many bytes on an element of a list lies in a node of its own.
fn debug_plain_bytes(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// What the original allows at most: somewhat less than 4 GiB.
    const PLAIN_BYTES_MAX: u64 = (1 << 32) - (1 << 20);
    let bytes = spec::config::memory(call.args.at(2)).filter(|bytes| *bytes <= PLAIN_BYTES_MAX);
    let bytes = bytes
        .ok_or(Refusal::Text("ERR argument must be a memory value bigger than 1 and smaller than 4gb"))?;
    call.core.plain_bytes = match usize::try_from(bytes) {
        Ok(0) | Err(_) => data::ListLimits::PLAIN_BYTES_USUAL,
        Ok(bytes) => bytes,
    };
    call.reply.ok();
    Ok(())
}

/// Saves and loads the data: nobody's request runs until it is back.
fn debug_reload(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (mut saves, mut flushes, mut merges) = (true, true, false);
    for word in call.args.from(2).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" => saves = false,
            b"noflush" => flushes = false,
            b"merge" => merges = true,
            _ => {
                let text = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
                return Err(Refusal::Text(text));
            }
        }
    }
    if call.in_exec {
        return Err(Refusal::Text("ERR DEBUG RELOAD can not stand in a transaction"));
    }
    call.ask(Question::Reload { saves, flushes, merges })?;
    call.flow = Flow::Yield;
    Ok(())
}

fn debug_loadaof(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.in_exec {
        return Err(Refusal::Text("ERR DEBUG LOADAOF can not stand in a transaction"));
    }
    call.ask(Question::ReloadAof)?;
    call.flow = Flow::Yield;
    Ok(())
}

fn debug_populate(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// 512 MiB: what a string may hold.
    const SIZE_MAX: i64 = 512 << 20;
    let number =
        |text: &[u8]| number::parse_i64(text).filter(|value| *value >= 0).ok_or(Refusal::NotPositive);
    let count = number(call.args.at(2))?;
    let prefix = call.args.get(3).unwrap_or(b"key");
    let size = call.args.get(4).map(number).transpose()?.unwrap_or(0);
    if size > SIZE_MAX {
        return Err(Refusal::NotPositive);
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for index in 0..count {
        key.clear();
        key.extend_from_slice(prefix);
        key.extend_from_slice(format!(":{index}").as_bytes());
        value.clear();
        value.extend_from_slice(format!("value:{index}").as_bytes());
        if size > 0 {
            value.resize(size as usize, 0);
        }
        let Place::Free(free) = call.keys.entry(&key) else { continue };
        free.insert_string(&value, None);
        call.keys.watch.touch(call.keys.db, &key);
    }
    call.reply.ok();
    Ok(())
}

/// A reply of each type, as the original's own tests of the protocol expect them.
fn debug_protocol(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = call.args.at(2).to_ascii_lowercase();
    let reply = &mut call.reply;
    match name.as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12_345),
        // The three digits behind the point are the original's.
        b"double" => reply.double(f64::from(3_141_i32) / 1_000.0),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|value| reply.integer(value));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|value| reply.integer(value));
        }
        b"map" => {
            reply.map(3);
            for value in 0..3 {
                reply.integer(value);
                reply.boolean(value == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.is_resp3() => {
            return Err(Refusal::Text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        _ => {
            let text = "ERR Wrong protocol type name. Please use one of the following: \
                        string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";
            return Err(Refusal::Text(text));
        }
    }
    Ok(())
}

/// What the allocator is asked is answered by the host, and a transaction waits for nobody.
fn debug_mallctl(call: &mut Call<'_>, is_text: bool) -> Result<(), Refusal> {
    if call.in_exec {
        return Err(Refusal::Text("ERR DEBUG MALLCTL is not possible within a transaction"));
    }
    let (name, value) = (call.args.at(2), call.args.get(3));
    if value.is_some_and(|value| !is_text && number::parse_i64(value).is_none()) {
        return Err(Refusal::NotInteger);
    }
    call.ask(Question::Allocator { name, value, is_text })
}

fn debug_sleep(call: &mut Call<'_>) -> Result<(), Refusal> {
    /// One day: a longer sleep is a slip of the hand.
    const SLEEP_SECONDS_MAX: f64 = 86_400.0;
    let seconds = number::parse_f64(call.args.at(2)).unwrap_or(0.0).clamp(0.0, SLEEP_SECONDS_MAX);
    call.out.put(Output::Stall(Span::us((seconds * 1e6) as u64)));
    // The process stands still when the turn ends; the time counts as this request's.
    call.core.slow.stalls += (seconds * 1e9) as u64;
    // Nothing else runs in this turn: to everyone the sleep lies before what comes after it.
    call.core.is_stalled = true;
    call.flow = crate::call::Flow::Yield;
    call.reply.ok();
    Ok(())
}

fn debug_aof_flush_sleep(call: &mut Call<'_>) {
    /// One minute: a longer sleep is a slip of the hand.
    const SLEEP_US_MAX: i64 = 60_000_000;
    let sleep_us = number::parse_i64(call.args.at(2)).unwrap_or(0).clamp(0, SLEEP_US_MAX);
    call.core.aof_flush_sleep = Span::us(sleep_us.unsigned_abs());
    call.reply.ok();
}

fn debug_object(call: &mut Call<'_>) -> Result<(), Refusal> {
    let now_ms = call.keys.now_ms;
    let key = call.args.at(2);
    // Whatever its deadline says.
    let found = call.keys.shared.keyspace.find(call.keys.db, key, call.keys.hash_of(key));
    let Some(entry) = found else { return Err(Refusal::NoSuchKey) };
    let mut body = Vec::new();
    codec::body(&mut body, entry.value(), Packing::Plain);
    let serialized = body.len();
    let (is_valkey, limits) = (call.core.settings.is_valkey, &call.core.settings.limits.list);
    let (clock, encoding) = (entry.clock(), keys::encoding_name(&entry, is_valkey, limits));
    let idle = access::idle_seconds(clock, now_ms);
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
