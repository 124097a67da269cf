//! Handover: FAILOVER, the planned change of roles between a primary and one of its replicas.
//!
//! ```text
//!   none --FAILOVER--> Waiting for a replica in step --> Asked it to lead --it leads--> none, as its replica
//!     ^                  |                                 |
//!     +---time, ABORT----+-------------refused, ABORT------+
//! ```
//!
//! Clients' writes are held from the request to the end, so the stream stands still and a replica can have all of it.

use crate::node::Node;
use crate::outside::Rest;
use crate::settings;
use alloc::format;
use alloc::vec::Vec;
use base::{Now, Span, Time, number};
use engine::{Answer, Asked};
use journal::{Candidate, Takeover};
use machine::{Level, Outbox};
use wire::batch::Args;
use wire::reply::Reply;

/// A handover that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    /// Who is to lead; none: the first that is in step.
    target: Option<(Vec<u8>, Vec<u8>)>,
    /// At the end of its time the target is asked even if it lacks something.
    is_forced: bool,
    until: Option<Time>,
    holds_writes: bool,
    is_asked: bool,
    is_aborted: bool,
}

impl Handover {
    /// Its state, as INFO names it.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_asked { "failover-in-progress" } else { "waiting-for-sync" }
    }

    fn is_for(&self, candidate: &Candidate) -> bool {
        self.target.as_ref().is_none_or(|(host, port)| {
            *host == candidate.ip.as_bytes() && number::parse_i64(port) == Some(i64::from(candidate.port))
        })
    }
}

/// What a request asks for.
#[derive(Default)]
struct Wish<'a> {
    target: Option<(&'a [u8], &'a [u8])>,
    timeout: Option<i64>,
    is_forced: bool,
    is_abort: bool,
}

impl<'a> Wish<'a> {
    fn parse(args: Args<'a>) -> Result<Wish<'a>, &'static str> {
        const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
        let mut wish = Wish::default();
        let mut at = 1;
        while let Some(word) = args.get(at) {
            let (first, second) = (args.get(at + 1), args.get(at + 2));
            match (word.to_ascii_lowercase().as_slice(), first, second) {
                (b"timeout", Some(ms), _) if wish.timeout.is_none() => {
                    let ms = number::parse_i64(ms).ok_or(NOT_INTEGER)?;
                    if ms <= 0 {
                        return Err("ERR FAILOVER timeout must be greater than 0");
                    }
                    wish.timeout = Some(ms);
                    at += 2;
                }
                (b"to", Some(host), Some(port)) if wish.target.is_none() => {
                    number::parse_i64(port).ok_or(NOT_INTEGER)?;
                    wish.target = Some((host, port));
                    at += 3;
                }
                (b"abort", ..) if args.len() == 2 => {
                    wish.is_abort = true;
                    at += 1;
                }
                (b"force", ..) if !wish.is_forced => {
                    wish.is_forced = true;
                    at += 1;
                }
                _ => return Err("ERR syntax error"),
            }
        }
        Ok(wish)
    }
}

impl Rest {
    pub(crate) fn on_failover(&mut self, asked: &Asked<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Answer {
        match self.begin_handover(asked.now, args) {
            Ok(()) => {
                reply.ok();
                Answer::Yield
            }
            Err(text) => {
                reply.error(text);
                Answer::Done
            }
        }
    }

    fn begin_handover(&mut self, now: Now, args: Args<'_>) -> Result<(), &'static str> {
        if self.is_clustered {
            return Err("ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.");
        }
        let wish = Wish::parse(args)?;
        if wish.is_abort {
            let handover = self.handover.as_mut().ok_or("ERR No failover in progress.")?;
            handover.is_aborted = true;
            return Ok(());
        }
        if self.handover.is_some() {
            return Err("ERR FAILOVER already in progress.");
        }
        if self.journal.primary().is_some() {
            return Err("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.journal.candidates().next().is_none() {
            return Err("ERR FAILOVER requires connected replicas.");
        }
        if wish.is_forced && (wish.timeout.is_none() || wish.target.is_none()) {
            return Err("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        let handover = Handover {
            target: wish.target.map(|(host, port)| (host.to_vec(), port.to_vec())),
            is_forced: wish.is_forced,
            until: wish.timeout.map(|ms| now.mono + Span::ms(ms.unsigned_abs())),
            holds_writes: false,
            is_asked: false,
            is_aborted: false,
        };
        if wish.target.is_some() {
            let target = self.journal.candidates().find(|candidate| handover.is_for(candidate));
            let target = target.ok_or("ERR FAILOVER target HOST and PORT is not a replica.")?;
            if !target.is_online {
                return Err("ERR FAILOVER target replica is not online.");
            }
        }
        self.handover = Some(handover);
        Ok(())
    }

    /// When a handover gives up waiting.
    pub(crate) fn handover_end(&self) -> Time {
        let waiting = self.handover.as_ref().filter(|handover| !handover.is_asked);
        waiting.and_then(|handover| handover.until).unwrap_or(Time::NEVER)
    }
}

impl Node {
    /// Carries a handover on.
    pub(crate) fn step_handover(&mut self, now: Now, out: &mut Outbox) {
        let Some(handover) = &mut self.rest.handover else { return };
        if !core::mem::replace(&mut handover.holds_writes, true) {
            out.log(Level::Notice, "FAILOVER requested: writes are held until a replica is in step");
            self.engine.hold_writes(handover.until.unwrap_or(Time::NEVER));
        }
        let handover = handover.clone();
        if handover.is_aborted {
            return self.abort_handover(now, "Failover manually aborted", out);
        }
        if handover.is_asked {
            match self.rest.journal.takeover() {
                Some(Takeover::Asked) => {}
                Some(Takeover::Taken) => {
                    out.log(Level::Notice, "Failover completed: the replica leads, this node follows it");
                    self.end_handover();
                }
                Some(Takeover::Refused) | None => {
                    self.abort_handover(now, "Failover target rejected psync request", out);
                }
            }
            return;
        }
        // The stream stands still, but for what was written before the hold.
        let mut chosen = self.with_turn(now, out, |journal, _| {
            journal.candidates().find(|candidate| candidate.is_in_step && handover.is_for(candidate))
        });
        let is_late = chosen.is_none() && handover.until.is_some_and(|until| until <= now.mono);
        if is_late {
            if !handover.is_forced {
                return self.abort_handover(now, "Replica never caught up before timeout", out);
            }
            chosen = self.rest.journal.candidates().find(|candidate| handover.is_for(candidate));
            if chosen.is_none() {
                return self.abort_handover(now, "Failover target is gone", out);
            }
        }
        let Some(chosen) = chosen else { return };
        let port = format!("{}", chosen.port);
        let Some(target) = settings::primary_address(chosen.ip.as_bytes(), port.as_bytes()) else { return };
        if is_late {
            out.log(Level::Notice, format!("Failover to {target} time out exceeded, failing over."));
        }
        out.log(Level::Notice, format!("Failover target is {target}: it is asked to lead"));
        if let Some(handover) = &mut self.rest.handover {
            handover.is_asked = true;
        }
        self.with_turn(now, out, |journal, turn| journal.hand_over(target, turn));
        self.note_standing(now);
    }

    fn abort_handover(&mut self, now: Now, why: &str, out: &mut Outbox) {
        let was_asked = self.rest.handover.as_ref().is_some_and(|handover| handover.is_asked);
        out.log(Level::Warning, format!("Aborting failover: {why}"));
        if was_asked {
            // Nobody else has led this history: this node does again.
            self.with_turn(now, out, |journal, turn| journal.lead(turn));
        }
        self.note_standing(now);
        self.end_handover();
    }

    fn end_handover(&mut self) {
        self.rest.handover = None;
        self.engine.resume_writes();
    }
}
