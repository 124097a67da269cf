//! Crowd: keeps what clients pin below `maxmemory-clients`.
//!
//! At the end of a turn, while all clients together pin more than the limit, the one that pins most is closed, and the
//! next. Links of replicas do not count and are not closed; clients under NO-EVICT count and are not closed.

use crate::call::Core;
use crate::session::Sessions;
use alloc::format;
use alloc::vec::Vec;
use base::{Span, Time};
use machine::{ConnId, Level, Outbox};

/// 10 ms: after a look through all clients found nobody to close, the next one is not sooner.
const LOOK_AGAIN: Span = Span::ms(10);

/// Closes clients until what is pinned is below the limit. `look_at` is when it may look through the clients again.
pub fn thin_out(core: &mut Core, now: Time, out: &mut Outbox) {
    let limit = core.settings.clients_bytes_max;
    if core.sessions.memory_bytes() <= limit || now < core.crowd_look_at {
        return;
    }
    let mut largest = evictable(&core.sessions);
    largest.sort_unstable_by_key(|(bytes, _)| core::cmp::Reverse(*bytes));
    let mut is_any = false;
    for (_, conn) in largest {
        if core.sessions.memory_bytes() <= limit {
            break;
        }
        let Some(connection) = core.sessions.at_mut(conn) else { continue };
        let (id, bytes) = (connection.session.id, connection.counted_bytes);
        out.log(
            Level::Notice,
            format!("Evicting client: id={id} tot-mem={bytes}, over the limit of maxmemory-clients"),
        );
        connection.session.is_closing = true;
        connection.outgoing.held.clear();
        connection.outgoing.held_bytes = 0;
        out.close_now(conn);
        core.sessions.recount(conn.place() as u32);
        core.stats.evicted_clients += 1;
        is_any = true;
    }
    if !is_any {
        core.crowd_look_at = now + LOOK_AGAIN;
    }
}

fn evictable(sessions: &Sessions) -> Vec<(usize, ConnId)> {
    sessions
        .iter()
        .filter(|connection| {
            let session = &connection.session;
            !session.is_replica && !session.no_evict && !session.is_closing
        })
        .map(|connection| (connection.counted_bytes, connection.session.conn))
        .collect()
}
