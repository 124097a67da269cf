//! Gate: how safe the journal is, and the clients that wait for more.
//!
//! A reply leaves when the offset that it depends on is at most `safe`. Safety is the lowest of several floors, one
//! per promise in force; a floor that is not in force is `None`. Here one is: the bytes were put out for every replica
//! in step before the reply (the order within `seal`). An append-only file adds "with the kernel" or "fsynced",
//! in-sync replicas add "acknowledged".
//!
//! WAIT is the same comparison with a count and a deadline.

use alloc::vec::Vec;
use base::{Span, Time};
use machine::ConnId;

/// The floors under the replies.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Put out for the replicas.
    put_out: u64,
    /// As safe in the append-only file as `appendfsync` asks; none: there is no such file.
    filed: Option<u64>,
    waits: Vec<Wait>,
    /// A wait began: the replicas must be asked for their offsets, once per turn.
    ask: bool,
}

#[derive(Debug)]
struct Wait {
    conn: ConnId,
    offset: u64,
    replicas: u32,
    deadline: Time,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// WAIT: the replicas have it.
    Received,
    /// WAITAOF: they have it on disk; here, too, where that is asked for.
    Filed { here: bool },
}

/// How safe an offset is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Safety {
    /// Replicas that have it.
    pub(crate) received: u32,
    /// Replicas that have it on disk.
    pub(crate) filed: u32,
    /// It is on disk here.
    pub(crate) is_filed_here: bool,
}

/// What a wait ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// WAIT: so many replicas.
    Received(u32),
    /// WAITAOF: here, and so many replicas.
    Filed(bool, u32),
}

impl Wait {
    fn done(&self, safety: Safety) -> (bool, Done) {
        match self.kind {
            Kind::Received => (safety.received >= self.replicas, Done::Received(safety.received)),
            Kind::Filed { here } => {
                let is_reached = safety.filed >= self.replicas && (safety.is_filed_here || !here);
                (is_reached, Done::Filed(safety.is_filed_here, safety.filed))
            }
        }
    }
}

impl Gate {
    /// Everything up to here was put out.
    pub(crate) fn put_out(&mut self, offset: u64) {
        self.put_out = offset;
    }

    /// Up to here the append-only file is as safe as it is to be.
    pub(crate) fn filed(&mut self, offset: Option<u64>) {
        self.filed = offset;
    }

    /// Replies that depend on no more than this may leave.
    pub(crate) fn safe(&self) -> u64 {
        self.put_out.min(self.filed.unwrap_or(u64::MAX))
    }

    /// A client waits until so many replicas have `offset`. Bound: one per client, so `maxclients`.
    pub(crate) fn wait(&mut self, conn: ConnId, offset: u64, replicas: u32, timeout: Span, now: Time) {
        let deadline = if timeout == Span::ZERO { Time::NEVER } else { now + timeout };
        self.waits.push(Wait { conn, offset, replicas, deadline, kind: Kind::Received });
        self.ask = true;
    }

    /// As `wait`, until so many replicas have it on disk, and this node, too, if `here`.
    pub(crate) fn wait_filed(
        &mut self,
        conn: ConnId,
        offset: u64,
        (here, replicas): (bool, u32),
        timeout: Span,
        now: Time,
    ) {
        let deadline = if timeout == Span::ZERO { Time::NEVER } else { now + timeout };
        self.waits.push(Wait { conn, offset, replicas, deadline, kind: Kind::Filed { here } });
        self.ask |= replicas > 0;
    }

    /// Somebody waits for the disk of this node.
    pub(crate) fn waits_here(&self) -> bool {
        self.waits.iter().any(|wait| wait.kind == Kind::Filed { here: true })
    }

    /// Has the replicas asked for their offsets at the end of this turn.
    pub(crate) fn ask(&mut self) {
        self.ask = true;
    }

    /// The client does not wait any more.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.waits.retain(|wait| wait.conn != conn);
    }

    /// True when the client waits.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.waits.iter().any(|wait| wait.conn == conn)
    }

    /// The client's time is over.
    pub(crate) fn end_now(&mut self, conn: ConnId) {
        self.waits.iter_mut().filter(|wait| wait.conn == conn).for_each(|wait| wait.deadline = Time::START);
    }

    /// True once after `ask` or the begin of a wait: GETACK must go out.
    pub(crate) fn take_ask(&mut self) -> bool {
        core::mem::take(&mut self.ask)
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Time {
        self.waits.iter().map(|wait| wait.deadline).min().unwrap_or(Time::NEVER)
    }

    /// Ends the waits that are reached or over, in the order in which they began; `safety(offset)` tells how safe it is.
    pub(crate) fn settle(
        &mut self,
        now: Time,
        safety: impl Fn(u64) -> Safety,
        mut done: impl FnMut(ConnId, Done),
    ) {
        self.waits.retain(|wait| {
            let (is_reached, end) = wait.done(safety(wait.offset));
            let stays = !is_reached && now < wait.deadline;
            if !stays {
                done(wait.conn, end);
            }
            stays
        });
    }

    /// Ends all waits: the role changed, nothing will be acknowledged here any more.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = ConnId> {
        core::mem::take(&mut self.waits).into_iter().map(|wait| wait.conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_by_count_or_deadline() {
        let (one, two) = (ConnId::inbound(1, 0), ConnId::inbound(2, 0));
        let mut gate = Gate::default();
        gate.wait(one, 100, 1, Span::ZERO, Time(0));
        gate.wait(two, 200, 2, Span::us(50), Time(0));
        assert!(gate.take_ask());
        assert!(!gate.take_ask());
        let settled = |gate: &mut Gate, now, reached: u64| {
            let mut done = Vec::new();
            gate.settle(
                Time(now),
                |offset| Safety { received: u32::from(offset <= reached), ..Safety::default() },
                |conn, end| done.push((conn, end)),
            );
            done
        };
        assert_eq!(settled(&mut gate, 10, 99), []);
        assert_eq!(gate.deadline(), Time(50));
        assert_eq!(settled(&mut gate, 20, 100), [(one, Done::Received(1))]);
        assert_eq!(settled(&mut gate, 50, 100), [(two, Done::Received(0))]);
        assert_eq!(gate.deadline(), Time::NEVER);
        gate.wait(one, 200, 1, Span::ZERO, Time(60));
        gate.end_now(one);
        assert!(gate.has(one) && !gate.has(two));
        assert_eq!(settled(&mut gate, 60, 100), [(one, Done::Received(0))]);
    }
}
