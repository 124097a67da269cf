//! Quiet turns: only requests of clients came in, and they asked nothing of the node and put nothing into the stream.
//!
//! Most turns of a busy server are of this kind, and short ones cost mostly what is asked of the parts around the engine.
//! Those parts act on inputs, on questions and effects of requests, and on time: a turn with none of these leaves them
//! as they were, so they are not asked.
//!
//! Invariant: `Rest::is_stirred` is set by everything but a client's batch, and stays set until a whole seal; that seal says
//! until when nothing is due (`quiet_until`), or that quiet turns must wait.

use crate::node::Node;
use base::{Now, Span, Time};
use machine::{Input, Outbox};

impl Node {
    /// Notes what kind of turn an input makes this one.
    #[inline]
    pub(crate) fn note_input(&mut self, now: Now, input: &Input) {
        let is_plain = matches!(input, Input::Batches(_)) && now.mono < self.quiet_until;
        self.rest.is_stirred |= !is_plain;
    }

    /// True when the parts around the engine have nothing to do.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        let feed = &self.engine.shared.feed;
        !self.rest.is_stirred && feed.bytes.is_empty() && self.is_settled()
    }

    /// Ends a quiet turn: replies alone are put out.
    pub(crate) fn seal_quiet(&mut self, now: Now, out: &mut Outbox) {
        self.note_ran();
        self.rest.note_changes(&self.engine.shared.feed);
        self.engine.release(now, self.rest.journal.safe_offset(), out);
        self.note_engine_wake(now, out);
        self.quiet_until = self.quiet_until.min(self.engine_wake_at);
        out.wake(self.quiet_until);
        out.again |= self.may_run(now);
    }

    /// At the end of a whole seal: how long turns may be quiet. Whoever works in every turn rules them out.
    pub(crate) fn begin_quiet(&mut self, out: &Outbox) {
        let is_idle = self.rest.journal.is_idle() && !self.engine.has_moves() && self.rest.boot.is_over();
        self.quiet_until = if is_idle && !out.again { out.wake_at } else { Time::START };
        self.rest.is_stirred = false;
    }

    /// Requests that ran since the last seal.
    pub(crate) fn note_ran(&mut self) -> u64 {
        let requests = self.engine.requests();
        let ran = requests.saturating_sub(core::mem::replace(&mut self.requests, requests));
        self.engine.note_turn(ran);
        ran
    }

    /// When the engine wants its next turn.
    pub(crate) fn note_engine_wake(&mut self, now: Now, out: &mut Outbox) {
        self.engine_wake_at = self.engine_wake_at.min(self.engine.holds_end());
        if !self.rest.boot.is_over() {
            // The engine is not called yet: a time that is over would come again at once.
            return;
        }
        if self.engine.has_garbage() {
            // What a request has unlinked goes from the next turn on.
            self.engine_wake_at = self.engine_wake_at.min(now.mono + Span::us(1));
        }
        out.wake(self.engine_wake_at);
    }
}
