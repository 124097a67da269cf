//! HyperLogLog: how many different elements were added, about, in a string.

use crate::call::{Call, Class};
use crate::keys::{self, Keys as View, Place};
use crate::table::Command;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Random;
use core::iter::once;
use data::hyperloglog::{self as hll, Corrupt, REGISTERS};
use data::{EntryRef, Value};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "pfadd",
            summary: "Adds elements to the HyperLogLog at a key.",
            since: "2.8.9",
            group: Group::HyperLogLog,
            syntax: "key [element [element ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::FAST),
            acl: Acl::HYPERLOGLOG,
            keys: Keys::One { at: 1, access: Access::INSERT },
            ..Spec::USUAL
        },
        run: pfadd,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pfcount",
            summary: "Estimates how many different elements the HyperLogLogs at several keys have together.",
            since: "2.8.9",
            group: Group::HyperLogLog,
            cost: "O(N)",
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::HYPERLOGLOG,
            keys: Keys::Specs(&[KeySpec {
                notes: "RW since the cardinality that is noted in the value may change, also on replicas",
                access: Access::RW.and(Access::SHOWS),
                begin: Begin::Index(1),
                find: Find::Range { last: -1, step: 1, limit: 0 },
            }]),
            ..Spec::USUAL
        },
        run: pfcount,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pfmerge",
            summary: "Merges the HyperLogLogs at several keys into the first.",
            since: "2.8.9",
            group: Group::HyperLogLog,
            cost: "O(N)",
            syntax: "destkey [sourcekey [sourcekey ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::HYPERLOGLOG,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::RW.and(Access::SHOWS).and(Access::INSERTS),
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(2),
                    find: Find::Range { last: -1, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: pfmerge,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pfdebug",
            summary: "Shows the inside of the HyperLogLog at a key.",
            since: "2.8.9",
            group: Group::HyperLogLog,
            cost: "O(N)",
            syntax: "subcommand key",
            arity: Arity::Exactly(3),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::ADMIN),
            acl: Acl::HYPERLOGLOG,
            keys: Keys::One { at: 2, access: Access::RW.and(Access::SHOWS) },
            ..Spec::USUAL
        },
        run: pfdebug,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pfselftest",
            summary: "Tests that HyperLogLogs hold and estimate what they should.",
            since: "2.8.9",
            group: Group::HyperLogLog,
            cost: "O(N)",
            arity: Arity::Exactly(1),
            flags: Flags::ADMIN,
            acl: Acl::HYPERLOGLOG,
            ..Spec::USUAL
        },
        run: pfselftest,
        subcommands: &[],
    },
];

fn corrupt(_: Corrupt) -> Refusal {
    Refusal::Text("INVALIDOBJ Corrupted HLL object detected")
}

/// The HyperLogLog in an entry.
fn text<'e>(entry: &EntryRef<'e>) -> Result<&'e [u8], Refusal> {
    match keys::string(entry)? {
        data::StrRef::Bytes(text) if hll::is_one(text) => Ok(text),
        _ => Err(Refusal::Text("WRONGTYPE Key is not a valid HyperLogLog string value.")),
    }
}

/// Puts back what was changed outside of its place; the deadline stays.
fn put(keys: &mut View<'_>, key: &[u8], text: Vec<u8>) {
    match keys.entry(key) {
        Place::Taken(mut entry) => {
            entry.set_value(Value::String(text));
            entry.mark_raw();
        }
        Place::Free(free) => free.insert_raw(text),
    }
}

fn pfadd(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, elements) = (call.args.at(1), call.args.from(2));
    let sparse_bytes_max = call.core.settings.hll_sparse_bytes_max;
    let is_changed = match call.keys.entry(key) {
        Place::Taken(mut entry) => {
            let text = text(&entry.as_ref())?;
            // Nearly always nothing changes: then nothing is copied.
            let mut raised = Vec::new();
            for element in elements.iter() {
                let (index, value) = hll::place(element);
                if hll::register(text, index).map_err(corrupt)? < value {
                    raised.push((index, value));
                }
            }
            let is_changed = !raised.is_empty();
            if hll::is_dense(text) && is_changed {
                entry.edit(0, once(0..usize::MAX), |text| {
                    for (index, value) in raised {
                        hll::raise_dense(text, index, value);
                    }
                    hll::set_stale(text);
                });
            } else if is_changed {
                let mut text = text.to_vec();
                for (index, value) in raised {
                    hll::raise(&mut text, index, value, sparse_bytes_max).map_err(corrupt)?;
                }
                hll::set_stale(&mut text);
                entry.set_value(Value::String(text));
                entry.mark_raw();
            }
            is_changed
        }
        Place::Free(free) => {
            let mut text = hll::new();
            for element in elements.iter() {
                let (index, value) = hll::place(element);
                hll::raise(&mut text, index, value, sparse_bytes_max).map_err(corrupt)?;
            }
            hll::set_stale(&mut text);
            free.insert_raw(text);
            true
        }
    };
    if is_changed {
        call.as_requested();
        call.changed(Class::STRING, "pfadd", key);
    }
    call.reply.integer(i64::from(is_changed));
    Ok(())
}

fn pfcount(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len() > 2 {
        let mut registers = hll::no_registers();
        for key in call.args.from(1).iter() {
            if let Some(entry) = call.keys.read(key) {
                hll::merge(&mut registers, text(&entry)?).map_err(corrupt)?;
            }
        }
        call.reply.integer(hll::count_registers(&registers) as i64);
        return Ok(());
    }
    let key = call.args.at(1);
    let Some(entry) = call.keys.read(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let text = text(&entry)?;
    let count = match hll::cached(text) {
        Some(count) => count,
        None => {
            let count = hll::count(text).map_err(corrupt)?;
            note(call, key, count);
            count
        }
    };
    call.reply.integer(count as i64);
    Ok(())
}

/// Notes a cardinality in the value, and passes the request on so that replicas note it too. Where data must not change
/// (writes that are held, a key on its way to another server) it is computed again the next time.
fn note(call: &mut Call<'_>, key: &[u8], count: u64) {
    if call.keys.shared.standing.holds_writes || call.keys.shared.in_flight.has(key) {
        return;
    }
    if let Some(mut entry) = call.keys.taken(key) {
        entry.edit(0, once(0..usize::MAX), |text| hll::set_cached(text, count));
        call.as_requested();
        call.keys.changed(key);
    }
}

fn pfmerge(call: &mut Call<'_>) -> Result<(), Refusal> {
    let target = call.args.at(1);
    let sparse_bytes_max = call.core.settings.hll_sparse_bytes_max;
    let (mut registers, mut is_dense) = (hll::no_registers(), false);
    for key in call.args.from(1).iter() {
        if let Some(entry) = call.keys.read(key) {
            let text = text(&entry)?;
            is_dense |= hll::is_dense(text);
            hll::merge(&mut registers, text).map_err(corrupt)?;
        }
    }
    let mut merged = match call.keys.find(target) {
        Some(entry) => text(&entry)?.to_vec(),
        None => hll::new(),
    };
    if is_dense {
        hll::to_dense(&mut merged).map_err(corrupt)?;
        // The target's own registers are among those that were merged.
        hll::set_dense(&mut merged, &registers);
    } else {
        for (index, value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
            hll::raise(&mut merged, index, *value, sparse_bytes_max).map_err(corrupt)?;
        }
    }
    hll::set_stale(&mut merged);
    put(&mut call.keys, target, merged);
    call.as_requested();
    call.changed(Class::STRING, "pfadd", target);
    call.reply.ok();
    Ok(())
}

fn pfdebug(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (word, key) = (call.args.at(1), call.args.at(2));
    let Some(entry) = call.keys.look(key) else {
        return Err(Refusal::Text("ERR The specified key does not exist"));
    };
    let text = text(&entry)?;
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("getreg") || is("todense") {
        let was_sparse = !hll::is_dense(text);
        let mut dense = text.to_vec();
        hll::to_dense(&mut dense).map_err(corrupt)?;
        if is("todense") {
            call.reply.integer(i64::from(was_sparse));
        } else {
            call.reply.array(REGISTERS);
            (0..REGISTERS).for_each(|at| call.reply.integer(i64::from(hll::dense_register(&dense, at))));
        }
        if was_sparse {
            put(&mut call.keys, key, dense);
            call.as_requested();
            call.keys.changed(key);
        }
    } else if is("encoding") {
        call.reply.simple(if hll::is_dense(text) { "dense" } else { "sparse" });
    } else if is("decode") {
        if hll::is_dense(text) {
            return Err(Refusal::Text("ERR HLL encoding is not sparse"));
        }
        call.reply.bulk(decoded(text).as_bytes());
    } else {
        let word = crate::commands::text(word);
        return Err(Refusal::Owned(format!("ERR Unknown PFDEBUG subcommand '{word}'").into()));
    }
    Ok(())
}

/// The runs of a sparse one.
fn decoded(text: &[u8]) -> String {
    let runs: Vec<String> = hll::runs(text)
        .map(|run| match run.value {
            0 if run.is_long() => format!("Z:{}", run.len),
            0 => format!("z:{}", run.len),
            value => format!("v:{value},{}", run.len),
        })
        .collect();
    runs.join(" ")
}

/// 20,000: enough to go from one form to the other and to see an estimate that is off, in a few milliseconds.
const SELF_TEST_ELEMENTS: u64 = 20_000;

fn pfselftest(call: &mut Call<'_>) -> Result<(), Refusal> {
    let failed = |what: &str| Err(Refusal::Owned(format!("TESTFAILED {what}").into()));
    let (mut random, mut dense) = (Random::new(1), hll::new());
    hll::to_dense(&mut dense).map_err(corrupt)?;
    let mut values = hll::no_registers();
    for (index, value) in values.iter_mut().enumerate() {
        *value = random.below(64) as u8;
        hll::raise_dense(&mut dense, index, *value);
    }
    if let Some(at) = (0..REGISTERS).find(|at| hll::dense_register(&dense, *at) != values[*at]) {
        return failed(&format!(
            "Register {at} should be {} but is {}",
            values[at],
            hll::dense_register(&dense, at)
        ));
    }
    let mut text = hll::new();
    for element in 1..=SELF_TEST_ELEMENTS {
        let (index, value) = hll::place(&element.to_le_bytes());
        hll::raise(&mut text, index, value, 3_000).map_err(corrupt)?;
        if element.is_power_of_two() || element == SELF_TEST_ELEMENTS {
            let count = hll::count(&text).map_err(corrupt)?;
            // 4 standard errors of 1.04 / sqrt(16384), and one for small numbers.
            if count.abs_diff(element) > element * 4 / 100 + 1 {
                return failed(&format!("Too big error. card:{element} estimate:{count}"));
            }
        }
    }
    call.reply.ok();
    Ok(())
}
