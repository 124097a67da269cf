//! XGROUP: groups and their consumers, made and removed.

use super::{consumer_came, loose_id, no_group_of_key, now_ms, strict_id, tell};
use crate::call::{Call, Class};
use crate::commands;
use crate::keys::{self, Keys, Place};
use base::number;
use data::Stream;
use data::stream::StreamId;
use spec::Refusal;

const NO_KEY: Refusal = Refusal::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    /// 8: no request has more arguments.
    const ARGS_MAX: usize = 8;

    fn parse(call: &Call<'_>, is_create: bool) -> Result<Options, Refusal> {
        let syntax = || Refusal::subcommand_or_arity("xgroup", call.args.at(1));
        let mut options = Options::default();
        let mut at = 5;
        while let Some(word) = call.args.get(at) {
            match call.args.get(at + 1) {
                _ if is_create && word.eq_ignore_ascii_case(b"mkstream") => options.makes_stream = true,
                Some(value) if word.eq_ignore_ascii_case(b"entriesread") => {
                    let count = number::parse_i64(value).ok_or(Refusal::NotInteger)?;
                    if count < -1 {
                        return Err(Refusal::Text("ERR value for ENTRIESREAD must be positive or -1"));
                    }
                    options.entries_read = u64::try_from(count).ok();
                    at += 1;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        if call.args.len() > Options::ARGS_MAX {
            return Err(syntax());
        }
        Ok(options)
    }
}

/// The stream at a key with a group of this name.
fn stream_with<'k>(keys: &'k mut Keys<'_>, key: &[u8], group: &[u8]) -> Result<&'k Stream, Refusal> {
    let entry = keys.look(key).ok_or(NO_KEY)?;
    let stream = keys::of::<Stream>(&entry)?;
    stream.groups().group(group).map(|_| stream).ok_or_else(|| no_group_of_key(key, group))
}

/// Runs `change` on the stream at a key that is there.
fn change<R>(call: &mut Call<'_>, key: &[u8], change: impl FnOnce(&mut Stream) -> R) -> Result<R, Refusal> {
    let mut entry = call.keys.taken(key).ok_or(NO_KEY)?;
    let mut stream = keys::change_in::<Stream>(&mut entry)?;
    Ok(change(&mut stream))
}

pub fn create(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(2), call.args.at(3));
    let options = Options::parse(call, true)?;
    let known = match call.keys.look(key) {
        Some(entry) => {
            let stream = keys::of::<Stream>(&entry)?;
            Some((stream.log().last_id(), stream.groups().group(name).is_some()))
        }
        None if options.makes_stream => None,
        None => return Err(NO_KEY),
    };
    let id = match call.args.at(4) {
        b"$" => known.map_or(StreamId::ZERO, |(last, _)| last),
        id => strict_id(id, 0)?,
    };
    if matches!(known, Some((_, true))) {
        return Err(Refusal::Text("BUSYGROUP Consumer Group name already exists"));
    }
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert(Stream::new().into(), None),
    };
    keys::change_in::<Stream>(&mut entry)?.groups_mut().create(name, id, options.entries_read);
    call.as_requested();
    if known.is_none() {
        call.changed(Class::STREAM, "xgroup-create", key);
    } else {
        call.keys.shared.feed.changes += 1;
        tell(call, "xgroup-create", key);
    }
    call.reply.ok();
    Ok(())
}

pub fn set_id(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(2), call.args.at(3));
    let options = Options::parse(call, false)?;
    let stream = stream_with(&mut call.keys, key, name)?;
    let id = match call.args.at(4) {
        b"$" => stream.log().last_id(),
        id => loose_id(id, 0)?,
    };
    change(call, key, |stream| {
        if let Some(mut group) = stream.groups_mut().group_mut(name) {
            (group.last_id, group.entries_read) = (id, options.entries_read);
        }
    })?;
    call.as_requested();
    call.keys.shared.feed.changes += 1;
    tell(call, "xgroup-setid", key);
    call.reply.ok();
    Ok(())
}

pub fn destroy(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(2), call.args.at(3));
    let entry = call.keys.look(key).ok_or(NO_KEY)?;
    if keys::of::<Stream>(&entry)?.groups().group(name).is_none() {
        call.reply.integer(0);
        return Ok(());
    }
    change(call, key, |stream| _ = stream.groups_mut().remove(name))?;
    call.as_requested();
    call.keys.shared.feed.changes += 1;
    tell(call, "xgroup-destroy", key);
    // Who waits for this group hears that it is gone.
    let db = call.keys.db;
    call.keys.watch.blocking.touch(db, key);
    call.reply.integer(1);
    Ok(())
}

pub fn create_consumer(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name, consumer) = (call.args.at(2), call.args.at(3), call.args.at(4));
    let stream = stream_with(&mut call.keys, key, name)?;
    let is_new = stream.groups().group(name).is_some_and(|group| group.consumer(consumer).is_none());
    if is_new {
        let now = now_ms(call);
        change(call, key, |stream| {
            stream.groups_mut().group_mut(name).map(|mut group| group.create_consumer(consumer, now));
        })?;
        call.as_requested();
        consumer_came(call, key);
    }
    call.reply.integer(i64::from(is_new));
    Ok(())
}

pub fn remove_consumer(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name, consumer) = (call.args.at(2), call.args.at(3), call.args.at(4));
    let stream = stream_with(&mut call.keys, key, name)?;
    let is_there = stream.groups().group(name).is_some_and(|group| group.consumer(consumer).is_some());
    let mut had = 0;
    if is_there {
        let removed = change(call, key, |stream| {
            stream.groups_mut().group_mut(name).and_then(|mut group| group.remove_consumer(consumer))
        })?;
        had = removed.unwrap_or(0);
        call.as_requested();
        call.keys.shared.feed.changes += 1;
        tell(call, "xgroup-delconsumer", key);
    }
    call.reply.integer(had as i64);
    Ok(())
}

pub fn help(call: &mut Call<'_>) -> Result<(), Refusal> {
    commands::help(
        call,
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Makes a consumer group that reads on behind the id. Options:",
            "    * MKSTREAM",
            "      Makes an empty stream where the key is missing.",
            "    * ENTRIESREAD entries_read",
            "      How many entries the group counts as read.",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Makes a consumer.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Removes a consumer with what it has not acknowledged.",
            "DESTROY <key> <groupname>",
            "    Removes a group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Sets behind which id the group reads on.",
        ],
    );
    Ok(())
}
