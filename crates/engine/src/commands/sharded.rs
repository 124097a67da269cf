//! Sharded publish and subscribe: channels that belong to a hash slot, served by the nodes of its shard alone.
//!
//! A channel's name is routed like a key (the specifications say "not a key"), so admission has sent the client to
//! the right shard before a handler runs. When the slot moves to another shard, `Engine::on_routes` ends the
//! subscriptions.

use crate::Question;
use crate::call::Call;
use crate::pubsub::PubSub;
use crate::table::Command;
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::glob;
use spec::command::{Access, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "ssubscribe",
            summary: "Listens to sharded channels.",
            since: "7.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "shardchannel [shardchannel ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::NOT_KEY },
            ..Spec::USUAL
        },
        run: ssubscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sunsubscribe",
            summary: "Stops listening to sharded channels; without any, to all.",
            since: "7.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "[shardchannel [shardchannel ...]]",
            arity: Arity::AtLeast(1),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::NOT_KEY },
            ..Spec::USUAL
        },
        run: sunsubscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "spublish",
            summary: "Sends a message to a sharded channel.",
            since: "7.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "shardchannel message",
            arity: Arity::Exactly(3),
            flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST),
            keys: Keys::One { at: 1, access: Access::NOT_KEY },
            ..Spec::USUAL
        },
        run: spublish,
        subcommands: &[],
    },
];

/// PUBSUB SHARDCHANNELS and PUBSUB SHARDNUMSUB: rows of the table in [`super::pubsub`].
pub const SHARDCHANNELS: Command = Command {
    spec: Spec {
        name: "shardchannels",
        summary: "Returns the sharded channels that somebody listens to.",
        since: "7.0.0",
        group: Group::PubSub,
        cost: "O(N)",
        syntax: "[pattern]",
        arity: Arity::AtLeast(2),
        flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
        ..Spec::USUAL
    },
    run: pubsub_shardchannels,
    subcommands: &[],
};

/// See [`SHARDCHANNELS`].
pub const SHARDNUMSUB: Command = Command {
    spec: Spec {
        name: "shardnumsub",
        summary: "Returns how many clients listen to each of the sharded channels.",
        since: "7.0.0",
        group: Group::PubSub,
        cost: "O(N)",
        syntax: "[shardchannel [shardchannel ...]]",
        arity: Arity::AtLeast(2),
        flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
        ..Spec::USUAL
    },
    run: pubsub_shardnumsub,
    subcommands: &[],
};

/// One line of a (un)subscription's answer.
fn say(call: &mut Call<'_>, what: &str, name: Option<&[u8]>) {
    let count = call.session.subscriptions.as_ref().map_or(0, |all| all.shards.len());
    call.reply.push(3);
    call.reply.bulk(what.as_bytes());
    call.reply.bulk_or_null(name);
    call.reply.integer(count as i64);
}

fn ssubscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.in_exec {
        return Err(Refusal::Text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    for channel in call.args.from(1).iter() {
        let all = call.session.subscriptions.get_or_insert_default();
        if all.shards.insert(channel.into()) {
            PubSub::add(&mut call.core.pubsub.shards, call.session.conn, channel);
        }
        say(call, "ssubscribe", Some(channel));
    }
    call.session.settle();
    Ok(())
}

fn sunsubscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    let named: Vec<Box<[u8]>> = match call.args.len() {
        1 => call.session.subscriptions.iter().flat_map(|all| all.shards.iter().cloned()).collect(),
        _ => call.args.from(1).iter().map(Box::from).collect(),
    };
    for channel in &named {
        let is_known = call.session.subscriptions.as_mut().is_some_and(|all| all.shards.remove(channel));
        if is_known {
            PubSub::drop(&mut call.core.pubsub.shards, call.session.conn, channel);
        }
        say(call, "sunsubscribe", Some(channel));
    }
    if named.is_empty() {
        say(call, "sunsubscribe", None);
    }
    super::pubsub::settle(call);
    Ok(())
}

fn spublish(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (channel, message) = (call.args.at(1), call.args.at(2));
    let delivered = call.publish_sharded(channel, message);
    if call.keys.shared.routes.enabled {
        call.ask(Question::Publish { channel, message, is_sharded: true })?;
    } else {
        call.as_requested();
    }
    call.reply.integer(delivered as i64);
    Ok(())
}

fn pubsub_shardchannels(call: &mut Call<'_>) -> Result<(), Refusal> {
    let pattern = match call.args.len() {
        2 => None,
        3 => Some(call.args.at(2)),
        _ => return Err(Refusal::subcommand_or_arity("PUBSUB", call.args.at(1))),
    };
    let channels = call.core.pubsub.shards.keys();
    let found: Vec<&[u8]> = channels
        .map(|name| &**name)
        .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name)))
        .collect();
    call.reply.array(found.len());
    for channel in found {
        call.reply.bulk(channel);
    }
    Ok(())
}

fn pubsub_shardnumsub(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.array((call.args.len() - 2) * 2);
    for channel in call.args.from(2).iter() {
        call.reply.bulk(channel);
        call.reply.integer(call.core.pubsub.shards.get(channel).map_or(0, Vec::len) as i64);
    }
    Ok(())
}
