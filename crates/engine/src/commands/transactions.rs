//! Transactions: MULTI, EXEC, and the keys that EXEC depends on.

use crate::call::Call;
use crate::keys::{Expiry, is_due};
use crate::multi::Multi;
use crate::session::Replies;
use crate::table::Command;
use alloc::boxed::Box;
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "multi",
            summary: "Opens a transaction: what follows is queued until EXEC.",
            since: "1.2.0",
            group: Group::Transactions,
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::TRANSACTION,
            ..Spec::USUAL
        },
        run: multi,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "exec",
            summary: "Runs what was queued since MULTI, in one go.",
            since: "1.2.0",
            group: Group::Transactions,
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SKIP_SLOWLOG),
            acl: Acl::TRANSACTION,
            ..Spec::USUAL
        },
        run: exec,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "discard",
            summary: "Drops what was queued since MULTI.",
            since: "2.0.0",
            group: Group::Transactions,
            cost: "O(N)",
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::TRANSACTION,
            ..Spec::USUAL
        },
        run: discard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "watch",
            summary: "Makes the next EXEC fail if one of the keys changes until then.",
            since: "2.2.0",
            group: Group::Transactions,
            syntax: "key [key ...]",
            arity: Arity::AtLeast(2),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::TRANSACTION,
            keys: Keys::Range { first: 1, last: -1, step: 1, access: Access::LOOK },
            ..Spec::USUAL
        },
        run: watch,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "unwatch",
            summary: "Forgets all watched keys.",
            since: "2.2.0",
            group: Group::Transactions,
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::TRANSACTION,
            ..Spec::USUAL
        },
        run: unwatch,
        subcommands: &[],
    },
];

fn multi(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.session.multi.is_some() {
        return Err(Refusal::NestedMulti);
    }
    call.session.multi = Some(Box::new(Multi::new()));
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn discard(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.session.multi.take().is_none() {
        return Err(Refusal::DiscardWithoutMulti);
    }
    call.keys.watch.clear(call.session.conn);
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(multi) = call.session.multi.take() else { return Err(Refusal::ExecWithoutMulti) };
    let conn = call.session.conn;
    let (keyspace, now_ms) = (&call.keys.shared.keyspace, call.keys.now_ms);
    let is_expired = |db: u32, key: &[u8]| {
        keyspace.find(db, key, keyspace.hash(key)).is_some_and(|entry| is_due(&entry, now_ms))
    };
    let is_broken = call.keys.watch.count(conn) > 0 && call.keys.watch.is_broken(conn, is_expired);
    call.keys.watch.clear(conn);
    call.session.settle();
    if multi.is_aborted {
        return Err(Refusal::ExecAborted);
    }
    if is_broken {
        call.reply.null_array();
        return Ok(());
    }
    let start = call.reply.out().len();
    call.reply.array(multi.len());
    for index in 0..multi.len() {
        let (row, args) = multi.request(index);
        call.nested(args, row);
    }
    hold_reply(call, start);
    Ok(())
}

/// Where answers are still to come, the reply waits for them.
fn hold_reply(call: &mut Call<'_>, start: usize) {
    if call.session.replies != Replies::On {
        call.session.unsettled = None;
    }
    if let Some(unsettled) = &mut call.session.unsettled {
        unsettled.bytes = call.reply.out().split_off(start);
        for (_, place) in &mut unsettled.answers {
            *place = place.start - start..place.end - start;
        }
        call.session.is_blocked = true;
    }
}

fn watch(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.session.multi.is_some() {
        return Err(Refusal::WatchInMulti);
    }
    for key in call.args.from(1).iter() {
        let hash = call.keys.hash_of(key);
        let found = call.keys.shared.keyspace.find(call.keys.db, key, hash);
        let was_expired =
            call.keys.expiry != Expiry::Show && found.is_some_and(|entry| is_due(&entry, call.keys.now_ms));
        call.keys.watch.add(call.session.conn, call.keys.db, key, was_expired);
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.keys.watch.clear(call.session.conn);
    call.reply.ok();
    Ok(())
}
