//! MONITOR.

use crate::call::Call;
use crate::table::Command;
use spec::command::{Arity, Flags, Group};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "monitor",
        summary: "Shows every request that the server runs, as it runs.",
        group: Group::Server,
        arity: Arity::Exactly(1),
        flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
        ..Spec::USUAL
    },
    run: monitor,
    subcommands: &[],
}];

fn monitor(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.in_exec {
        return Err(Refusal::Text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // A replica's link, or one that monitors already, is not answered.
    if call.session.is_replica || call.session.is_monitor {
        return Ok(());
    }
    call.session.is_monitor = true;
    call.session.settle();
    call.core.monitors.push(call.session.conn);
    call.reply.ok();
    Ok(())
}
