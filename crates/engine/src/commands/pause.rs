//! CLIENT PAUSE, UNPAUSE and UNBLOCK: rows of the table in [`super::client`].

use crate::call::Call;
use crate::hold::{self, Pause};
use crate::serve;
use crate::table::Command;
use crate::{Answer, Question};
use base::{Span, number};
use machine::ConnId;
use spec::command::{Acl, Arity, Flags, Group};
use spec::{Refusal, Spec};

const STEERS: Flags = Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// CLIENT PAUSE.
pub const PAUSE: Command = Command {
    spec: Spec {
        name: "pause",
        summary: "Holds requests for a time.",
        since: "2.9.50",
        group: Group::Connection,
        syntax: "timeout [WRITE | ALL]",
        arity: Arity::AtLeast(3),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_pause,
    subcommands: &[],
};

/// CLIENT UNPAUSE.
pub const UNPAUSE: Command = Command {
    spec: Spec {
        name: "unpause",
        summary: "Ends CLIENT PAUSE.",
        since: "6.2.0",
        group: Group::Connection,
        cost: "O(N)",
        arity: Arity::Exactly(2),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_unpause,
    subcommands: &[],
};

/// CLIENT UNBLOCK.
pub const UNBLOCK: Command = Command {
    spec: Spec {
        name: "unblock",
        summary: "Ends the wait of another client.",
        since: "5.0.0",
        group: Group::Connection,
        cost: "O(log N)",
        syntax: "client-id [TIMEOUT | ERROR]",
        arity: Arity::AtLeast(3),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_unblock,
    subcommands: &[],
};

fn client_pause(call: &mut Call<'_>) -> Result<(), Refusal> {
    let holds_all = match (call.args.len(), call.args.get(3)) {
        (3, _) => true,
        (4, Some(word)) if word.eq_ignore_ascii_case(b"write") => false,
        (4, Some(word)) if word.eq_ignore_ascii_case(b"all") => true,
        (4, _) => return Err(Refusal::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Refusal::subcommand_or_arity("CLIENT", call.args.at(1))),
    };
    let timeout = number::parse_i64(call.args.at(2)).ok_or(Refusal::TimeoutNotInteger)?;
    let timeout = u64::try_from(timeout).map_err(|_| Refusal::TimeoutNegative)?;
    // A second pause never makes the first shorter or less strict.
    let until = call.now.mono + Span::ms(timeout);
    let before = call.core.pause.unwrap_or(Pause { until, holds_all });
    let pause = Pause { until: until.max(before.until), holds_all: holds_all || before.holds_all };
    call.core.pause = Some(pause).filter(|pause| pause.until > call.now.mono);
    hold::settle(call.core, call.keys.shared);
    call.reply.ok();
    Ok(())
}

fn client_unpause(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.core.pause = None;
    hold::settle(call.core, call.keys.shared);
    call.reply.ok();
    Ok(())
}

fn client_unblock(call: &mut Call<'_>) -> Result<(), Refusal> {
    let with_error = match (call.args.len(), call.args.get(3)) {
        (3, _) => false,
        (4, Some(word)) if word.eq_ignore_ascii_case(b"timeout") => false,
        (4, Some(word)) if word.eq_ignore_ascii_case(b"error") => true,
        (4, _) => return Err(Refusal::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(Refusal::subcommand_or_arity("CLIENT", call.args.at(1))),
    };
    let id = number::parse_i64(call.args.at(2)).ok_or(Refusal::NotInteger)?;
    let blocked = call.core.sessions.iter().map(|other| &other.session);
    let found: Option<ConnId> =
        blocked.filter(|other| other.is_blocked).find(|other| other.id as i64 == id).map(|other| other.conn);
    let Some(conn) = found else {
        call.reply.integer(0);
        return Ok(());
    };
    let (core, watch) = (&mut *call.core, &mut *call.keys.watch);
    let is_ended = if with_error {
        serve::refuse(core, watch, conn, &Refusal::Unblocked)
    } else {
        serve::say_nothing(core, watch, conn)
    };
    if is_ended {
        call.reply.integer(1);
        return Ok(());
    }
    match call.put(Question::Unblock { conn, with_error }) {
        Answer::Refused(refusal) => return Err(refusal),
        Answer::Yield => call.flow = crate::call::Flow::Yield,
        Answer::Done | Answer::Block | Answer::Later(_) | Answer::Link => {}
    }
    Ok(())
}
