//! Replication: the commands. What they ask is answered outside of the engine.

use crate::Question;
use crate::call::Call;
use crate::table::Command;
use base::{Span, number};
use core::mem;
use machine::Output;
use spec::command::{Acl, Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "role",
            summary: "Returns the replication role.",
            since: "2.8.12",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST),
            acl: Acl::ADMIN.and(Acl::DANGEROUS),
            ..Spec::USUAL
        },
        run: role,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "replicaof",
            summary: "Makes the server follow a primary, or lead.",
            since: "5.0.0",
            group: Group::Server,
            syntax: "<host port | NO ONE>",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: replicaof,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "slaveof",
            summary: "Makes the server follow a primary, or lead; the old name of REPLICAOF.",
            group: Group::Server,
            syntax: "<host port | NO ONE>",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
            ..Spec::USUAL
        },
        run: replicaof,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "failover",
            summary: "Hands the role of the primary over to a replica.",
            since: "6.2.0",
            group: Group::Server,
            syntax: "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
            arity: Arity::AtLeast(1),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::STALE),
            ..Spec::USUAL
        },
        run: failover,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "replconf",
            summary: "Is how a replica tells its primary about itself.",
            since: "3.0.0",
            group: Group::Server,
            arity: Arity::AtLeast(1),
            flags: Flags::ADMIN
                .and(Flags::NO_SCRIPT)
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::ALLOW_BUSY),
            ..Spec::USUAL
        },
        run: replconf,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "psync",
            summary: "Is how a replica asks for the stream.",
            since: "2.8.0",
            group: Group::Server,
            syntax: "replicationid offset",
            arity: Arity::AtLeast(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::NO_ASYNC_LOADING).and(Flags::NO_MULTI),
            ..Spec::USUAL
        },
        run: psync,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sync",
            summary: "Is how an old replica asks for the stream.",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::NO_ASYNC_LOADING).and(Flags::NO_MULTI),
            ..Spec::USUAL
        },
        run: psync,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "wait",
            summary: "Waits until replicas have the connection's writes.",
            since: "3.0.0",
            syntax: "numreplicas timeout",
            arity: Arity::Exactly(3),
            flags: Flags::NO_SCRIPT,
            acl: Acl::CONNECTION,
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            ..Spec::USUAL
        },
        run: wait,
        subcommands: &[],
    },
];

fn role(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.ask(Question::Role)
}

fn replicaof(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    // What is refused on a member of a cluster is the choice of a primary.
    let is_consent = args.at(1).eq_ignore_ascii_case(b"full") && args.at(2).eq_ignore_ascii_case(b"sync");
    if call.keys.shared.routes.enabled && !is_consent {
        return Err(Refusal::ReplicaofInCluster);
    }
    call.ask(Question::Replicaof(args))
}

fn failover(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    call.ask(Question::Failover(args))
}

fn replconf(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    call.ask(Question::Replconf(args))
}

/// The stream is sent by whoever answers, straight to the connection: what the replica was answered before,
/// and the answer to this request, must be out before it.
fn psync(call: &mut Call<'_>) -> Result<(), Refusal> {
    let conn = call.session.conn;
    let earlier = mem::take(call.reply.out());
    if !earlier.is_empty() {
        call.out.send(conn, earlier);
    }
    let (args, at) = (call.args, call.out.outputs.len());
    call.ask(Question::Psync(args))?;
    if call.session.is_replica {
        let bytes = mem::take(call.reply.out());
        if !bytes.is_empty() {
            // Before all that was put out for the link while the question was answered.
            call.out.outputs.insert(at, Output::Send { conn, bytes: bytes.into(), after: None });
        }
    }
    Ok(())
}

fn wait(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.keys.shared.standing.is_replica {
        return Err(Refusal::WaitOnReplica);
    }
    let replicas = number::parse_i64(call.args.at(1)).ok_or(Refusal::NotInteger)?;
    let timeout = number::parse_i64(call.args.at(2)).ok_or(Refusal::TimeoutNotInteger)?;
    let timeout = u64::try_from(timeout).map_err(|_| Refusal::TimeoutNegative)?;
    let timeout = match (call.in_exec, timeout) {
        // Nothing waits inside of a transaction: the answer is what is known now.
        (true, _) => Some(Span::ZERO),
        (false, 0) => None,
        (false, ms) if ms > i64::MAX as u64 - call.now.unix.as_ms() => {
            return Err(Refusal::TimeoutOutOfRange);
        }
        (false, ms) => Some(Span::ms(ms)),
    };
    let replicas = u64::try_from(replicas).unwrap_or(0);
    call.ask(Question::Wait { replicas, offset: call.session.last_write, timeout })
}
