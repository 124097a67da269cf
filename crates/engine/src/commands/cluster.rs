//! CLUSTER: what the keyspace knows is answered here, all else outside of the engine.

use crate::Question;
use crate::call::Call;
use crate::commands::container;
use crate::table::Command;
use alloc::vec::Vec;
use base::number;
use spec::command::{Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "cluster",
        summary: "Shows and steers the cluster.",
        since: "3.0.0",
        group: Group::Cluster,
        arity: Arity::AtLeast(2),
        ..Spec::USUAL
    },
    run: container,
    subcommands: CLUSTER,
}];

static CLUSTER: &[Command] = &[
    Command {
        spec: Spec {
            name: "addslots",
            summary: "Gives slots to this node.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "slot [slot ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "addslotsrange",
            summary: "Gives ranges of slots to this node.",
            since: "7.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "start-slot end-slot [start-slot end-slot ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "bumpepoch",
            summary: "Raises the configuration epoch.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "count-failure-reports",
            summary: "Returns how many nodes report a node as failing.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "node-id",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "countkeysinslot",
            summary: "Returns how many keys a slot has here.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "slot",
            arity: Arity::Exactly(3),
            flags: Flags::STALE,
            ..Spec::USUAL
        },
        run: cluster_countkeysinslot,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "delslots",
            summary: "Takes slots from their owner, as this node sees it.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "slot [slot ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "delslotsrange",
            summary: "Takes ranges of slots from their owner, as this node sees it.",
            since: "7.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "start-slot end-slot [start-slot end-slot ...]",
            arity: Arity::AtLeast(4),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "failover",
            summary: "Makes this replica take over from its primary.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "[FORCE | TAKEOVER]",
            arity: Arity::AtLeast(2),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "flushslots",
            summary: "Takes all slots from this node.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "forget",
            summary: "Removes a node from the view of this one.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "node-id",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getkeysinslot",
            summary: "Returns names of keys of a slot.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(log(N))",
            syntax: "slot count",
            arity: Arity::Exactly(4),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: cluster_getkeysinslot,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "info",
            summary: "Returns the state of the cluster.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "keyslot",
            summary: "Returns the slot of a key.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "key",
            arity: Arity::Exactly(3),
            flags: Flags::STALE,
            ..Spec::USUAL
        },
        run: cluster_keyslot,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "links",
            summary: "Returns the links of the bus.",
            since: "7.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "meet",
            summary: "Brings this node and another together.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "ip port [cluster-bus-port]",
            arity: Arity::AtLeast(4),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "myid",
            summary: "Returns the id of this node.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "myshardid",
            summary: "Returns the id of the shard of this node.",
            since: "7.2.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "nodes",
            summary: "Returns the nodes as nodes.conf lists them.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "replicas",
            summary: "Returns the replicas of a node.",
            since: "5.0.0",
            group: Group::Cluster,
            syntax: "node-id",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "replicate",
            summary: "Makes this node a replica of another.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "node-id",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reset",
            summary: "Makes the node forget the cluster.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "[HARD | SOFT]",
            arity: Arity::AtLeast(2),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "saveconfig",
            summary: "Writes nodes.conf.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "set-config-epoch",
            summary: "Sets the configuration epoch of a new node.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "config-epoch",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setslot",
            summary: "Says what happens with a slot.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
            arity: Arity::AtLeast(4),
            flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "shards",
            summary: "Returns the shards with their nodes.",
            since: "7.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "slaves",
            summary: "Returns the replicas of a node; the old name of REPLICAS.",
            since: "3.0.0",
            group: Group::Cluster,
            syntax: "node-id",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::STALE),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "slot-stats",
            summary: "Returns figures of the slots of this shard.",
            since: "8.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            syntax: "<SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]>",
            arity: Arity::AtLeast(4),
            flags: Flags::STALE,
            tips: &["nondeterministic_output", "request_policy:all_shards"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "slots",
            summary: "Returns the slots with their nodes.",
            since: "3.0.0",
            group: Group::Cluster,
            cost: "O(N)",
            arity: Arity::Exactly(2),
            flags: Flags::STALE,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            ..Spec::USUAL
        },
        run: outside,
        subcommands: &[],
    },
];

pub(super) fn check_enabled(call: &Call<'_>) -> Result<(), Refusal> {
    if call.keys.shared.routes.enabled { Ok(()) } else { Err(Refusal::ClusterDisabled) }
}

fn outside(call: &mut Call<'_>) -> Result<(), Refusal> {
    check_enabled(call)?;
    let args = call.args;
    call.ask(Question::Cluster { args, may_wait: !call.in_exec })
}

fn cluster_keyslot(call: &mut Call<'_>) -> Result<(), Refusal> {
    check_enabled(call)?;
    call.reply.integer(i64::from(base::crc16::slot_of(call.args.at(2))));
    Ok(())
}

/// A slot's number.
fn slot(text: &[u8], refusal: Refusal) -> Result<u16, Refusal> {
    let slot = number::parse_i64(text).ok_or(Refusal::NotInteger)?;
    u16::try_from(slot).ok().filter(|slot| usize::from(*slot) < crate::SLOTS).ok_or(refusal)
}

fn cluster_countkeysinslot(call: &mut Call<'_>) -> Result<(), Refusal> {
    check_enabled(call)?;
    let slot = slot(call.args.at(2), Refusal::InvalidSlot)?;
    call.reply.integer(call.keys.shared.keyspace.slot_len_in(call.keys.db, slot) as i64);
    Ok(())
}

fn cluster_getkeysinslot(call: &mut Call<'_>) -> Result<(), Refusal> {
    const INVALID: Refusal = Refusal::Text("ERR Invalid slot or number of keys");
    check_enabled(call)?;
    let slot = slot(call.args.at(2), INVALID)?;
    let count = number::parse_i64(call.args.at(3)).ok_or(Refusal::NotInteger)?;
    let count = usize::try_from(count).map_err(|_| INVALID)?;
    let mut keys: Vec<Vec<u8>> = Vec::new();
    call.keys.shared.keyspace.keys_in_slot(call.keys.db, slot, count, |key| keys.push(key.to_vec()));
    call.reply.array(keys.len());
    for key in keys {
        call.reply.bulk(&key);
    }
    Ok(())
}
