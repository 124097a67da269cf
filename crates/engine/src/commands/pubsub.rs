//! Publish and subscribe: the commands. Who listens to what is kept in [`crate::pubsub`].

use crate::Question;
use crate::call::Call;
use crate::commands::{container, help, sharded};
use crate::pubsub::PubSub;
use crate::table::Command;
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::glob;
use spec::command::{Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "subscribe",
            summary: "Listens to channels.",
            since: "2.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "channel [channel ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: subscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "unsubscribe",
            summary: "Stops listening to channels; without any, to all.",
            since: "2.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "[channel [channel ...]]",
            arity: Arity::AtLeast(1),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: unsubscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "psubscribe",
            summary: "Listens to all channels that match patterns.",
            since: "2.0.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "pattern [pattern ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: psubscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "punsubscribe",
            summary: "Stops listening to patterns; without any, to all.",
            since: "2.0.0",
            group: Group::PubSub,
            cost: "O(N+M)",
            syntax: "[pattern [pattern ...]]",
            arity: Arity::AtLeast(1),
            flags: Flags::PUBSUB.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: punsubscribe,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "publish",
            summary: "Sends a message to a channel.",
            since: "2.0.0",
            group: Group::PubSub,
            cost: "O(N+M)",
            syntax: "channel message",
            arity: Arity::Exactly(3),
            flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST),
            ..Spec::USUAL
        },
        run: publish,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "pubsub",
            summary: "Shows who listens.",
            since: "2.8.0",
            group: Group::PubSub,
            arity: Arity::AtLeast(2),
            ..Spec::USUAL
        },
        run: container,
        subcommands: PUBSUB,
    },
];

static PUBSUB: &[Command] = &[
    Command {
        spec: Spec {
            name: "channels",
            summary: "Returns the channels that somebody listens to.",
            since: "2.8.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "[pattern]",
            arity: Arity::AtLeast(2),
            flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: pubsub_channels,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "numpat",
            summary: "Returns how many patterns somebody listens to.",
            since: "2.8.0",
            group: Group::PubSub,
            arity: Arity::Exactly(2),
            flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: pubsub_numpat,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "numsub",
            summary: "Returns how many clients listen to each of the channels.",
            since: "2.8.0",
            group: Group::PubSub,
            cost: "O(N)",
            syntax: "[channel [channel ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: pubsub_numsub,
        subcommands: &[],
    },
    sharded::SHARDCHANNELS,
    sharded::SHARDNUMSUB,
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "6.2.0",
            group: Group::PubSub,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: pubsub_help,
        subcommands: &[],
    },
];

/// One line of a (un)subscription's answer.
fn say(call: &mut Call<'_>, what: &str, name: Option<&[u8]>) {
    let count = call.session.subscriptions.as_ref().map_or(0, |all| all.count());
    call.reply.push(3);
    call.reply.bulk(what.as_bytes());
    call.reply.bulk_or_null(name);
    call.reply.integer(count as i64);
}

fn subscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    for channel in call.args.from(1).iter() {
        let all = call.session.subscriptions.get_or_insert_default();
        if all.channels.insert(channel.into()) {
            PubSub::add(&mut call.core.pubsub.channels, call.session.conn, channel);
        }
        say(call, "subscribe", Some(channel));
    }
    call.session.settle();
    Ok(())
}

fn psubscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    for pattern in call.args.from(1).iter() {
        let all = call.session.subscriptions.get_or_insert_default();
        if all.patterns.insert(pattern.into()) {
            PubSub::add(&mut call.core.pubsub.patterns, call.session.conn, pattern);
        }
        say(call, "psubscribe", Some(pattern));
    }
    call.session.settle();
    Ok(())
}

fn unsubscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    let named: Vec<Box<[u8]>> = match call.args.len() {
        1 => call.session.subscriptions.iter().flat_map(|all| all.channels.iter().cloned()).collect(),
        _ => call.args.from(1).iter().map(Box::from).collect(),
    };
    for channel in &named {
        let is_known = call.session.subscriptions.as_mut().is_some_and(|all| all.channels.remove(channel));
        if is_known {
            PubSub::drop(&mut call.core.pubsub.channels, call.session.conn, channel);
        }
        say(call, "unsubscribe", Some(channel));
    }
    if named.is_empty() {
        say(call, "unsubscribe", None);
    }
    settle(call);
    Ok(())
}

fn punsubscribe(call: &mut Call<'_>) -> Result<(), Refusal> {
    let named: Vec<Box<[u8]>> = match call.args.len() {
        1 => call.session.subscriptions.iter().flat_map(|all| all.patterns.iter().cloned()).collect(),
        _ => call.args.from(1).iter().map(Box::from).collect(),
    };
    for pattern in &named {
        let is_known = call.session.subscriptions.as_mut().is_some_and(|all| all.patterns.remove(pattern));
        if is_known {
            PubSub::drop(&mut call.core.pubsub.patterns, call.session.conn, pattern);
        }
        say(call, "punsubscribe", Some(pattern));
    }
    if named.is_empty() {
        say(call, "punsubscribe", None);
    }
    settle(call);
    Ok(())
}

/// A client that listens to nothing any more is an ordinary one again.
pub fn settle(call: &mut Call<'_>) {
    if call.session.subscriptions.as_ref().is_some_and(|all| all.is_empty()) {
        call.session.subscriptions = None;
    }
    call.session.settle();
}

fn publish(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (channel, message) = (call.args.at(1), call.args.at(2));
    let delivered = call.publish(channel, message);
    if call.keys.shared.routes.enabled {
        call.ask(Question::Publish { channel, message, is_sharded: false })?;
    } else {
        call.as_requested();
    }
    call.reply.integer(delivered as i64);
    Ok(())
}

fn pubsub_channels(call: &mut Call<'_>) -> Result<(), Refusal> {
    let pattern = match call.args.len() {
        2 => None,
        3 => Some(call.args.at(2)),
        _ => return Err(Refusal::subcommand_or_arity("PUBSUB", call.args.at(1))),
    };
    let channels = call.core.pubsub.channels.keys();
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

fn pubsub_numpat(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.integer(call.core.pubsub.patterns.len() as i64);
    Ok(())
}

fn pubsub_numsub(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.array((call.args.len() - 2) * 2);
    for channel in call.args.from(2).iter() {
        call.reply.bulk(channel);
        call.reply.integer(call.core.pubsub.channels.get(channel).map_or(0, Vec::len) as i64);
    }
    Ok(())
}

fn pubsub_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the channels that somebody listens to and that match <pattern>.",
            "NUMPAT",
            "    Return how many patterns somebody listens to.",
            "NUMSUB [<channel> ...]",
            "    Return how many clients listen to each of the channels.",
            "SHARDCHANNELS [<pattern>]",
            "    Return the sharded channels that somebody listens to and that match <pattern>.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return how many clients listen to each of the sharded channels.",
        ],
    );
    Ok(())
}
