//! Asked: what operators ask of the journal by a command, beside its regular work.

use super::Journal;
use crate::boot::Boot;
use crate::snapshot::Wish;
use crate::{Act, Source, Turn};
use alloc::vec::Vec;
use base::Id;
use machine::ConnId;

impl Journal {
    /// Loads the file of the last save into a node that serves (DEBUG RELOAD). `LoadEnded` comes in any case.
    pub fn reload(&mut self, merges: bool, turn: &mut Turn<'_>) {
        self.load_started = turn.now.unix;
        self.boot = Some(Boot::again(&self.settings, merges, turn));
        turn.acts.push(Act::LoadBegan(Source::Reload));
    }

    /// Ends the WAIT of a client before its time. False when it does not wait.
    pub fn unblock(&mut self, conn: ConnId, with_error: bool, acts: &mut Vec<Act>) -> bool {
        let waits = self.gate.has(conn);
        if waits && with_error {
            self.gate.forget(conn);
            acts.push(Act::WaitUnblocked { conn });
        } else if waits {
            self.gate.end_now(conn);
        }
        waits
    }

    /// Cuts the link to the primary; it is made anew at once. False when there is none.
    pub fn cut_primary(&mut self, turn: &mut Turn<'_>) -> bool {
        let is_linked = self.is_linked();
        if is_linked {
            self.with_follow(turn, |follow, _, _, turn, events| follow.cut(turn, events));
        }
        is_linked
    }

    /// Begins a new history: no replica can resume the old one.
    pub fn change_replid(&mut self) {
        self.feed.replid = Id::random(&mut self.random);
        self.feed.second = None;
    }

    /// BGSAVE SCHEDULE: as soon as the running snapshot is done; true when it starts at once.
    pub fn schedule_save(&mut self) -> bool {
        let is_free = !self.saver.is_busy();
        if !self.saver.has_wish() {
            self.saver.wish(Wish::Background);
        }
        is_free
    }
}
