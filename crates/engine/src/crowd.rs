//! Crowd: keeps what clients pin below `maxmemory-clients`.
//!
//! At the end of a turn, while all clients together pin more than the limit, the one that pins most is closed, and the
//! next. Links of replicas do not count and are not closed; clients under NO-EVICT count and are not closed.

use crate::Engine;
use alloc::format;
use alloc::vec::Vec;
use base::{Now, Span};
use machine::{ConnId, Level, Outbox};

/// 10 ms: after a look through all clients found nobody to close, the next one is not sooner.
const LOOK_AGAIN: Span = Span::ms(10);

impl Engine {
    /// Closes clients until what is pinned is below the limit.
    pub(crate) fn thin_out(&mut self, now: Now, out: &mut Outbox) {
        let limit = self.core.settings.clients_bytes_max;
        if self.core.sessions.memory_bytes() <= limit || now.mono < self.crowd_look_at {
            return;
        }
        let mut largest = self.evictable();
        largest.sort_unstable_by_key(|(bytes, id, _)| (core::cmp::Reverse(*bytes), *id));
        let mut is_any = false;
        for (bytes, id, conn) in largest {
            if self.core.sessions.memory_bytes() <= limit {
                break;
            }
            out.log(
                Level::Notice,
                format!("Evicting client: id={id} tot-mem={bytes}, over the limit of maxmemory-clients"),
            );
            self.cut_off(now, conn, out);
            self.core.stats.evicted_clients += 1;
            is_any = true;
        }
        if !is_any {
            self.crowd_look_at = now.mono + LOOK_AGAIN;
        }
    }

    fn evictable(&self) -> Vec<(usize, u64, ConnId)> {
        self.core
            .sessions
            .iter()
            .map(|connection| (connection.counted_bytes, &connection.session))
            .filter(|(_, session)| !session.is_replica && !session.no_evict && !session.is_closing)
            .map(|(bytes, session)| (bytes, session.id, session.conn))
            .collect()
    }

    /// Closes a connection without its output, and forgets it at once: nobody sees it any more.
    pub(crate) fn cut_off(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        out.close_now(conn);
        self.on_closed(now, conn, out);
    }

    /// As `cut_off`, for a client that has not read its output (`client-output-buffer-limit`).
    pub(crate) fn cut_off_over_limit(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        let id = self.core.sessions.at(conn).map_or(0, |connection| connection.session.id);
        out.log(
            Level::Warning,
            format!("Client id={id} scheduled to be closed ASAP for overcoming of output buffer limits."),
        );
        self.core.stats.output_disconnections += 1;
        self.cut_off(now, conn, out);
    }
}
