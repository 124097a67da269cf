//! Values on their own: DUMP, and RESTORE of what DUMP gave, here or elsewhere.

use crate::access;
use crate::call::{Call, Class};
use crate::keys::Place;
use crate::table::Command;
use alloc::format;
use alloc::vec::Vec;
use base::number;
use data::Value;
use machine::Level;
use spec::command::{Access, Acl, Arity, Flags, Keys};
use spec::directive::id;
use spec::{Config, Refusal, Spec};
use wire::rdb::encoder::Packing;
use wire::rdb::{self, kind, payload};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "dump",
            summary: "Returns the value at a key in the form that RESTORE takes.",
            since: "2.6.0",
            cost: "O(1)",
            syntax: "key",
            arity: Arity::Exactly(2),
            flags: Flags::READONLY,
            acl: Acl::KEYSPACE,
            tips: &["nondeterministic_output"],
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: dump,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "restore",
            summary: "Creates a key from what DUMP returned.",
            since: "2.6.0",
            cost: "O(1)",
            syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            keys: Keys::One { at: 1, access: Access::OVERWRITE },
            ..Spec::USUAL
        },
        run: restore,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "restore-asking",
            summary: "As RESTORE, and as if ASKING stood before it: what MIGRATE sends to a cluster node.",
            since: "3.0.0",
            group: spec::command::Group::Server,
            cost: "O(1)",
            syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            arity: Arity::AtLeast(4),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::ASKING),
            acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
            keys: Keys::One { at: 1, access: Access::OVERWRITE },
            ..Spec::USUAL
        },
        run: restore,
        subcommands: &[],
    },
];

/// How strings in payloads are kept (`rdbcompression`).
pub fn packing(config: &Config) -> Packing {
    if config.yes(id::RDBCOMPRESSION) { Packing::Lzf } else { Packing::Plain }
}

fn dump(call: &mut Call<'_>) -> Result<(), Refusal> {
    let packing = packing(&call.keys.shared.config);
    let Some(entry) = call.keys.read(call.args.at(1)) else {
        call.reply.null();
        return Ok(());
    };
    // Straight into the reply: of a large value a second copy would take long. Most payloads take less than the value.
    call.reply.bulk_by(entry.memory_bytes() / 2, |out| codec::payload(out, entry.value(), packing));
    Ok(())
}

/// The options of RESTORE.
#[derive(Default)]
struct Options {
    replace: bool,
    is_absolute: bool,
    /// Seconds since the last use.
    idle: Option<i64>,
    /// What the counter of uses shows; it counts under an LFU policy alone.
    frequency: Option<i64>,
}

impl Options {
    fn parse(args: wire::batch::Args<'_>) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"replace") {
                options.replace = true;
            } else if is(b"absttl") {
                options.is_absolute = true;
            } else if is(b"idletime") && at + 1 < args.len() && options.frequency.is_none() {
                at += 1;
                let idle = number::parse_i64(args.at(at)).ok_or(Refusal::NotInteger)?;
                if idle < 0 {
                    return Err(Refusal::Text("ERR Invalid IDLETIME value, must be >= 0"));
                }
                options.idle = Some(idle);
            } else if is(b"freq") && at + 1 < args.len() && options.idle.is_none() {
                at += 1;
                let frequency = number::parse_i64(args.at(at)).ok_or(Refusal::NotInteger)?;
                if !(0..=255).contains(&frequency) {
                    return Err(Refusal::Text("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
                options.frequency = Some(frequency);
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

fn restore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let options = Options::parse(call.args.from(4))?;
    if !options.replace && call.keys.look(key).is_some() {
        return Err(Refusal::Text("BUSYKEY Target key name already exists."));
    }
    let ttl = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    if ttl < 0 {
        return Err(Refusal::Text("ERR Invalid TTL value, must be >= 0"));
    }
    let (value, version) = payload_of(call)?;
    // As in the original, one that another node moves here does not count.
    call.core.stats.payloads += u64::from(!call.args.at(0).eq_ignore_ascii_case(b"restore-asking"));
    let now_ms = call.keys.now_ms;
    let deadline = (ttl > 0).then(|| match options.is_absolute {
        true => ttl as u64,
        false => now_ms.saturating_add(ttl as u64),
    });
    let waits = call.waits_for_end();
    if deadline.is_some_and(|deadline| deadline <= now_ms) && !waits {
        if let Some(entry) = call.keys.taken(key) {
            entry.remove();
            call.effect(&[call.keys.shared.feed.ends.replaced, key]);
            call.changed(Class::GENERIC, "del", key);
        }
        call.reply.ok();
        return Ok(());
    }
    pass_on(call, &value, version, deadline, &options);
    match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            entry.set_value(value);
            entry.set_deadline(deadline);
        }
        Place::Free(free) => drop(free.insert(value, deadline)),
    }
    set_access(call, key, &options);
    call.changed(Class::GENERIC, "restore", key);
    call.reply.ok();
    Ok(())
}

/// The value of the payload, and the version that it says.
fn payload_of(call: &mut Call<'_>) -> Result<(Value, u32), Refusal> {
    let payload = call.args.at(3);
    let flaw = match payload::read(payload, call.core.payload_footer) {
        Ok((value, version)) => {
            let hash_key = call.keys.shared.keyspace.hash_key();
            match codec::held(value, hash_key, &call.core.settings.limits) {
                Ok(value) => return Ok((value, version)),
                Err(flaw) => flaw,
            }
        }
        Err(payload::PayloadError::Footer) => {
            return Err(Refusal::Text("ERR DUMP payload version or checksum are wrong"));
        }
        Err(payload::PayloadError::Data(flaw)) => flaw,
    };
    let (kind, len) = (payload.first().copied().unwrap_or_default(), payload.len());
    let text =
        format!("{} integrity check failed in RESTORE: {flaw} ({len} bytes of type {kind})", layout(kind));
    call.out.log(Level::Warning, text);
    Err(Refusal::Text("ERR Bad data format"))
}

/// What a value of a type is kept in, in the words of the originals' log.
fn layout(kind: u8) -> &'static str {
    match kind {
        kind::HASH_ZIPMAP => "Zipmap",
        kind::LIST_ZIPLIST | kind::LIST_QUICKLIST => "Ziplist",
        kind::LIST_QUICKLIST_2 => "Listpack",
        kind::SET_INTSET => "Intset",
        kind::SET_LISTPACK => "Set listpack",
        kind::SORTED_SET_ZIPLIST => "Zset ziplist",
        kind::SORTED_SET_LISTPACK => "Zset listpack",
        kind::HASH_ZIPLIST => "Hash ziplist",
        kind::HASH_LISTPACK => "Hash listpack",
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => "Stream listpack",
        _ => "Value",
    }
}

/// Sets the access clock to what the options say, where the policy has that kind of clock.
fn set_access(call: &mut Call<'_>, key: &[u8], options: &Options) {
    let (access, now_ms) = (&call.keys.shared.access, call.keys.now_ms);
    let clock = match (options.idle, options.frequency) {
        (Some(idle), _) if !access.counts => {
            access::seconds(now_ms.saturating_sub((idle as u64).saturating_mul(1_000)))
        }
        (_, Some(frequency)) if access.counts => access.with_frequency(frequency as u32, now_ms),
        _ => return,
    };
    if let Some(entry) = call.keys.look(key) {
        entry.touch(clock);
    }
}

/// The effect: the request with its deadline as a time. What a newer server packed is packed anew, so that a
/// replica of any version takes it; and so is what came without a sound checksum.
fn pass_on(call: &mut Call<'_>, value: &Value, version: u32, deadline: Option<u64>, options: &Options) {
    let mut repacked = Vec::new();
    if version > rdb::VERSION_WRITTEN || call.core.payload_footer != payload::Footer::Whole {
        codec::payload(&mut repacked, value.as_ref(), packing(&call.keys.shared.config));
    }
    let deadline_text = number::integer_text(i64::try_from(deadline.unwrap_or(0)).unwrap_or(i64::MAX));
    let mut args: Vec<&[u8]> = call.args.iter().collect();
    if deadline.is_some() {
        args[2] = &deadline_text;
    }
    if !repacked.is_empty() {
        args[3] = &repacked;
    }
    if deadline.is_some() && !options.is_absolute {
        args.push(b"ABSTTL");
    }
    call.effect(&args);
}
