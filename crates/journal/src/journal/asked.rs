//! Asked: what operators ask of the journal by a command, beside its regular work.

use super::Journal;
use crate::boot::Boot;
use crate::facts::{Facts, LoadingFacts};
use crate::follow::{Follow, Loading};
use crate::lineage::{Bond, Lack, Stake};
use crate::snapshot::Wish;
use crate::{Act, Source, Turn};
use alloc::string::ToString;
use alloc::vec::Vec;
use base::{Id, Now};
use machine::{ConnId, FileId};

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

    /// REPLICAOF FULL SYNC: takes the data of the primary whatever it is, once. False when none is refused.
    pub fn accept_full_sync(&mut self, turn: &mut Turn<'_>) -> bool {
        let is_refused = self.follow.as_mut().is_some_and(|follow| follow.accept(turn.now));
        turn.out.again |= is_refused;
        is_refused
    }

    /// What the primary lacks, while its data is refused for that.
    pub fn primary_lacks(&self) -> Option<Lack> {
        self.follow.as_ref().and_then(Follow::lack)
    }

    /// The primary is of a kind that does not lead before it knows that it lacks nothing: it is not doubted here.
    pub fn trust_primary(&mut self, is_trusted: bool) {
        self.is_guarded_elsewhere = is_trusted;
    }

    /// What a full synchronisation must not cost; none where there is nothing, or nobody minds.
    pub(super) fn stake(&self, is_empty: bool) -> Option<Stake> {
        let is_guarded = self.settings.full_sync_guard && !self.is_guarded_elsewhere;
        let bond = self.bond.as_ref().filter(|_| is_guarded && !is_empty)?;
        let (replid, end) = match (&self.feed.backlog, self.feed.second) {
            (Some(_), _) => (self.feed.replid, self.feed.end),
            // Our log had no mark at its end: this much is known.
            (None, Some((replid, first))) => (replid, first.saturating_sub(1)),
            (None, None) => return None,
        };
        Some(Stake { replid, end, seen: bond.seen })
    }

    /// The data is that of the primary from here on.
    pub(super) fn bind(&mut self, now: Now) {
        self.bond = self.primary().map(|primary| Bond { primary: primary.to_string(), seen: now.unix });
    }

    /// The bond as it is now: while the link stands it is renewed by all that is heard.
    pub(super) fn bond_now(&self, now: Now) -> Option<Bond> {
        let mut bond = self.bond.clone()?;
        if let Some(follow) = self.follow.as_ref().filter(|follow| follow.heard_at().is_some()) {
            bond.seen = follow.seen(now);
        }
        Some(bond)
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

    /// BGSAVE within a transaction: it begins behind that. An error is from its code on.
    pub fn save_behind_exec(&mut self) -> Result<(), &'static str> {
        if self.saver.is_running() && !self.saver.is_base() {
            return Err("ERR Background save already in progress");
        }
        self.schedule_save();
        Ok(())
    }

    /// As a primary: the database that is selected at the end of the stream, if one is. To be said before `seal`.
    pub fn note_selected(&mut self, db: Option<u32>) {
        self.selected = db;
    }

    /// FLUSHALL has run: a save in the background ends, and where there are save points the file is written anew. True
    /// when this client waits for that: its `SaveDone` comes.
    pub fn flushed_all(&mut self, conn: Option<ConnId>) -> bool {
        self.is_flushed = true;
        if self.settings.save_points.is_empty() || self.is_loading() {
            return false;
        }
        let can_begin = self.saver.can_begin_anew();
        if can_begin && self.flush_saves_for.is_none() {
            self.flush_saves_for = conn;
            return conn.is_some();
        }
        false
    }

    /// What FLUSHALL leads to, at the end of its turn.
    pub(super) fn see_to_flush(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.is_flushed) {
            self.saver.give_up_background(turn);
            if self.settings.save_points.is_empty() || self.is_loading() {
                return;
            }
            // What was changed before is gone, and that it is will be in the file.
            self.saver.changes = 0;
            let asker = self.flush_saves_for.take();
            if asker.is_some() || !self.saver.has_wish() {
                self.saver.wish(Wish::Flushed(asker));
            }
        }
    }

    /// How long a file is that the journal reads.
    pub fn on_file_size(&mut self, file: FileId, bytes: u64) {
        if let Some(replay) = &mut self.replay {
            replay.on_size(file, bytes);
        }
        if let Some(boot) = self.boot.as_mut().filter(|boot| boot.file == file) {
            (boot.total_bytes, boot.loader.total_bytes) = (bytes, bytes);
        }
    }

    /// Everything that INFO, ROLE and the cluster want to know.
    pub fn facts(&self, now: Now) -> Facts {
        let read = self.feed.end + self.unsettled.len() as u64 + self.held.bytes();
        let backlog = self.feed.backlog.as_ref();
        let mut saving = self.saver.facts(&self.settings, now);
        (saving.loaded_keys, saving.loaded_expired) = (self.loaded.keys, self.loaded.expired);
        let replayed = self.replay.as_ref().map(|replay| (replay.progress(), false));
        let replayed = replayed.or(self.opening.as_ref().map(|_| ([0; 3], false)));
        let loading = match (&self.boot, self.follow.as_ref().and_then(Follow::loading)) {
            (Some(boot), _) => {
                Some(([boot.total_bytes, boot.loader.at(), boot.loader.writer().used_bytes], false))
            }
            (None, Some(bytes)) => Some((bytes, true)),
            (None, None) => replayed,
        };
        Facts {
            replid: self.feed.replid,
            second_replid: self.feed.second.map_or(Id::ZERO, |(id, _)| id),
            second_offset: self.feed.second.map_or(-1, |(_, first)| first as i64),
            offset: self.feed.end,
            data_offset: self.feed.data_end,
            backlog_active: backlog.is_some(),
            backlog_bytes: self.settings.backlog_bytes,
            backlog_first: backlog.map_or(0, |backlog| backlog.first() + 1),
            backlog_len: backlog.map_or(0, |backlog| backlog.len()),
            backlog_memory: backlog.map_or(0, |backlog| backlog.memory()),
            replicas: self.links.facts(self.feed.end, now),
            good_replicas: self.good_replicas(now),
            primary: self.follow.as_ref().map(|follow| follow.facts(self.feed.end, read, now)),
            loading: loading.map(|([total_bytes, loaded_bytes, used_bytes], from_primary)| LoadingFacts {
                started_seconds: self.load_started.as_seconds(),
                total_bytes,
                loaded_bytes,
                used_bytes,
                from_primary,
                is_served: self.follow.as_ref().map(Follow::what_is_loaded)
                    == Some(Loading::Beside { is_served: true }),
            }),
            saving,
            aof: self.aof.facts(now.mono, self.saver.is_running() && !self.saver.is_base()),
            syncs: self.links.syncs,
            input_bytes: self.input_bytes,
            output_bytes: self.links.sent,
        }
    }
}
