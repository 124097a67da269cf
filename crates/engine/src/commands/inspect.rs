//! Inspect: the subcommands of DEBUG that show how data is kept, and the switches of parts that only the originals have.

use crate::call::Call;
use alloc::format;
use alloc::string::String;
use base::number;
use core::fmt::Write;
use data::{Encoding, EntryRef};
use machine::Level;
use spec::Refusal;

/// What HELP says of them.
pub(super) const HELP: &[&str] = &[
    "CLIENT-ENFORCE-REPLY-LIST <0|1>",
    "    Is accepted: replies are always in a list of buffers.",
    "CLIENT-EVICTION",
    "    Show how much memory clients use, and what they may.",
    "DICT-RESIZING <0|1>",
    "    Is accepted: tables grow a segment at a time, and that is never put off.",
    "HASHTABLE-CAN-ABORT-SHRINK <0|1>",
    "    Is accepted: there is no shrinking that could be aborted.",
    "HTSTATS <dbid> [FULL]",
    "    Show the size of a database's table.",
    "HTSTATS-KEY <key> [FULL]",
    "    Show the size of the table at <key>.",
    "LEAK <string>",
    "    Lose the memory that the string takes.",
    "LISTPACK <key>",
    "    Write to the log how long the listpack at <key> is.",
    "QUICKLIST <key> [<0|1>]",
    "    Write to the log how long the list at <key> is.",
    "REPLYBUFFER <PEAK-RESET-TIME <NEVER|RESET|time> | RESIZING <0|1>>",
    "    Is accepted: buffers of replies belong to a pool and are returned when they are empty.",
    "SDSLEN <key>",
    "    Show the length of <key> and of the string there.",
    "STRINGMATCH-TEST",
    "    Match random patterns with random texts.",
    "STRUCTSIZE",
    "    Show the sizes of some types.",
];

/// Runs such a subcommand; none when `name` is none of them.
pub(super) fn run(call: &mut Call<'_>, name: &[u8]) -> Option<Result<(), Refusal>> {
    let count = call.args.len();
    Some(match (name, count) {
        (b"htstats", 3 | 4) => table_of_database(call),
        (b"htstats-key", 3 | 4) => table_of_key(call),
        (b"listpack", 3) => flat_of_key(call, "Listpack", Encoding::Listpack),
        (b"quicklist", 3 | 4) => flat_of_key(call, "Quicklist", Encoding::Quicklist),
        (b"sdslen", 3) => lengths(call),
        (b"structsize", 2) => sizes(call),
        (b"stringmatch-test", 2) => match_randomly(call),
        (b"client-eviction", 2) => clients_memory(call),
        (b"leak", 3) => {
            call.args.at(2).to_vec().leak();
            call.reply.ok();
            Ok(())
        }
        (b"dict-resizing" | b"hashtable-can-abort-shrink" | b"client-enforce-reply-list", 3) => {
            call.reply.ok();
            Ok(())
        }
        (b"replybuffer", 4) => reply_buffer(call),
        _ => return None,
    })
}

fn table_of_database(call: &mut Call<'_>) -> Result<(), Refusal> {
    let db = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let keyspace = &call.keys.shared.keyspace;
    let db = u32::try_from(db).ok().filter(|db| *db < keyspace.databases());
    let db = db.ok_or(Refusal::Text("ERR Out of range database"))?;
    let figures = keyspace.figures(db, call.keys.now_ms);
    let mut text = String::from("[Dictionary HT]\n");
    // 8: bytes that a place in a table takes. Deadlines lie in the entries themselves.
    write_table(&mut text, keyspace.table_bytes(db) / 8, figures.keys);
    text.push_str("[Expires HT]\n");
    write_table(&mut text, figures.expires, figures.expires);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn table_of_key(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(entry) = call.keys.look(call.args.at(2)) else { return Err(Refusal::NoSuchKey) };
    if !matches!(entry.encoding(), Encoding::Hashtable | Encoding::Skiplist) {
        let text = "ERR The value stored at the specified key is not represented using an hash table";
        return Err(Refusal::Text(text));
    }
    let len = length(&entry);
    let mut text = String::new();
    // A table has room for its elements up to the next power of two.
    write_table(&mut text, len.next_power_of_two(), len);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn write_table(text: &mut String, size: u64, count: u64) {
    if count == 0 {
        text.push_str("Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n");
        return;
    }
    let head = "Hash table 0 stats (main hash table):";
    write!(text, "{head}\n table size: {size}\n number of elements: {count}\n")
        .expect("a string takes all text");
}

/// Elements of a collection; 1 for a string.
fn length(entry: &EntryRef<'_>) -> u64 {
    let mut count = 0;
    codec::parts(entry.value(), &mut |_| count += 1);
    count
}

fn flat_of_key(call: &mut Call<'_>, name: &str, wanted: Encoding) -> Result<(), Refusal> {
    let key = call.args.at(2);
    let Some(entry) = call.keys.look(key) else { return Err(Refusal::NoSuchKey) };
    if entry.encoding() != wanted {
        let text = match wanted {
            Encoding::Quicklist => "ERR Not a quicklist encoded object.",
            _ => "ERR Not a listpack encoded object.",
        };
        return Err(Refusal::Text(text));
    }
    let count = length(&entry);
    let text = format!("{name} at {}: {count} elements", String::from_utf8_lossy(key));
    call.out.log(Level::Warning, text);
    call.reply.simple(&format!("{name} structure printed on stdout"));
    Ok(())
}

fn lengths(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(2);
    let Some(entry) = call.keys.look(key) else { return Err(Refusal::NoSuchKey) };
    let text = match (entry.encoding(), entry.string()) {
        (Encoding::Embstr | Encoding::Raw, Some(text)) => text,
        _ => return Err(Refusal::Text("ERR Not an sds encoded string.")),
    };
    let (key_len, len) = (key.len(), text.to_vec().len());
    // Key and string lie in one allocation, without room to grow.
    let text = format!(
        "key_sds_len:{key_len}, key_sds_avail:0, key_zmalloc: {key_len}, \
         val_sds_len:{len}, val_sds_avail:0, val_zmalloc: {len}"
    );
    call.reply.simple(&text);
    Ok(())
}

fn sizes(call: &mut Call<'_>) -> Result<(), Refusal> {
    let bits = usize::BITS;
    let (value, session) = (size_of::<data::Value>(), size_of::<crate::session::Session>());
    call.reply.simple(&format!("bits:{bits} value:{value} session:{session}"));
    Ok(())
}

fn match_randomly(call: &mut Call<'_>) -> Result<(), Refusal> {
    const ROUNDS: u32 = 100_000;
    let (mut pattern, mut text) = ([0; 32], [0; 32]);
    for _ in 0..ROUNDS {
        let mut filled = [0; 2];
        for (bytes, filled) in [&mut pattern, &mut text].into_iter().zip(&mut filled) {
            *filled = call.core.random.below(bytes.len() as u64 + 1) as usize;
            bytes.iter_mut().for_each(|byte| *byte = call.core.random.below(128) as u8);
        }
        base::glob::matches(&pattern[..filled[0]], &text[..filled[1]]);
    }
    call.reply.simple("Apparently Redis did not crash: test passed");
    Ok(())
}

fn clients_memory(call: &mut Call<'_>) -> Result<(), Refusal> {
    let limit = call.core.settings.clients_bytes_max;
    if limit == usize::MAX {
        return Err(Refusal::Text("ERR maxmemory-clients is disabled."));
    }
    let used = call.core.sessions.memory_bytes();
    call.reply.verbatim("txt", format!("used: {used}\nlimit: {limit}\n").as_bytes());
    Ok(())
}

fn reply_buffer(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_number = number::parse_i64(call.args.at(3)).is_some();
    let word = call.args.at(3).to_ascii_lowercase();
    let is_known = match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"resizing" => is_number,
        b"peak-reset-time" => is_number || word == b"never" || word == b"reset",
        _ => return Err(Refusal::subcommand_or_arity("DEBUG", call.args.at(1))),
    };
    if !is_known {
        return Err(Refusal::NotInteger);
    }
    call.reply.ok();
    Ok(())
}
