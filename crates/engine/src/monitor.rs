//! Monitor: clients that are shown every request as it runs.

use crate::call::Call;
use crate::slow::redacted;
use alloc::format;
use base::words;
use machine::Address;
use spec::Flags;
use wire::reply::Reply;

/// Shows the request of `call` to all monitors. Administration is not shown, nor is a password.
#[cold]
pub fn show(call: &mut Call<'_>) {
    let row = call.table.row(call.row);
    let is_hidden = row.spec().flags.has_any(Flags::ADMIN.and(Flags::SKIP_MONITOR));
    if is_hidden || call.keys.shared.standing.loading {
        return;
    }
    let now = call.now.unix.as_us();
    let (db, from) = (call.session.db, &call.session.peer.remote);
    let from = match from {
        Address::Unix(path) => format!("unix:{path}"),
        other => format!("{other}"),
    };
    let mut line = format!("{}.{:06} [{db} {from}]", now / 1_000_000, now % 1_000_000).into_bytes();
    for arg in redacted(row, call.args) {
        line.push(b' ');
        words::quote(&mut line, arg);
    }
    let line = core::str::from_utf8(&line).expect("quoted words are ASCII");
    let needed = call.keys.shared.feed.offset;
    let own = call.session.conn;
    for conn in &call.core.monitors {
        if *conn == own {
            Reply::new(call.reply.out(), false).simple(line);
        } else {
            call.core.sessions.write(*conn, needed, Some(call.out), |reply| reply.simple(line));
        }
    }
}
