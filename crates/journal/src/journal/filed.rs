//! Filed: the journal and its append-only file.

use super::{Journal, LOAD_SLICE};
use crate::aof::{Fsync, Place, Replay};
use crate::{Act, Loaded, Source, Turn};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Now, Span};
use machine::{ConnId, Disk, Level};

impl Journal {
    /// A start, or a load that was asked for, is under way.
    pub(crate) fn is_booting(&self) -> bool {
        self.boot.is_some() || self.replay.is_some() || self.opening.is_some()
    }

    /// A start has loaded its data, and the files for what comes are being made.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Something waits to be written to the append-only file.
    pub fn has_unwritten(&self) -> bool {
        self.aof.has_unwritten()
    }

    /// Why the append-only file can not take writes at present: they are to be refused.
    pub fn aof_failure(&self) -> Option<&str> {
        self.aof.failure().filter(|_| self.follow.is_none())
    }

    /// What the append-only file allows to leave; none where no reply waits for it. A replica's writes are its primary's:
    /// nobody here is told of them.
    pub(crate) fn aof_floor(&self) -> Option<u64> {
        self.follow.is_none().then(|| self.aof.floor(self.settings.aof.fsync))
    }

    /// A disk operation ended; false when it is none of the append-only file's.
    pub(crate) fn on_filed(&mut self, disk: &Disk, turn: &mut Turn<'_>) -> bool {
        if let Some(replay) = &mut self.replay
            && replay.on_disk(disk, turn)
        {
            turn.out.again = true;
            return true;
        }
        self.aof.on_disk(disk, &self.settings.aof, turn)
    }

    /// The engine could not execute a command of a file that is being loaded.
    /// `index`: which of those that it was given last.
    pub fn replay_failed(&mut self, index: usize, text: &str) {
        if let Some(replay) = &mut self.replay {
            replay.on_failed(index, text);
        }
    }

    /// A FUNCTION command of a file that is being loaded, or of the primary's stream.
    pub fn keep_function(&mut self, words: &[Vec<u8>]) {
        match &mut self.replay {
            Some(replay) => replay.keep_function(words),
            None => crate::functions::change(&mut self.functions, words),
        }
    }

    pub(crate) fn work_replay(&mut self, turn: &mut Turn<'_>) {
        let Some(replay) = &mut self.replay else { return };
        let Some(result) = replay.work(LOAD_SLICE, &self.settings, turn) else { return };
        let source = if replay.is_reload { Source::Reload } else { Source::File };
        self.replay = None;
        self.alone_since = turn.now.mono;
        let result = match result {
            Ok(restored) => {
                if source == Source::File {
                    let loaded = &restored.loaded;
                    crate::boot::restore(loaded, self.follow.is_none(), &mut self.feed, turn);
                    self.stream_db = loaded.stream_db;
                    let address = self.primary().map(|primary| primary.to_string());
                    self.bond = loaded.bond.clone().filter(|bond| Some(&bond.primary) == address.as_ref());
                    let sizes = (restored.earlier_bytes, restored.last_bytes);
                    self.aof.loaded(restored.manifest, sizes, self.feed.end, &self.settings.aof, turn);
                    self.saver.changes = 0;
                    self.functions = restored.loaded.functions.clone();
                    self.opening = Some(restored.loaded);
                    turn.out.again = true;
                    return;
                }
                if !restored.loaded.functions.is_empty() {
                    self.functions = restored.loaded.functions.clone();
                }
                Ok(restored.loaded)
            }
            Err(text) => {
                if source == Source::Reload {
                    turn.out.log(Level::Warning, text.clone());
                }
                Err(text)
            }
        };
        self.end_replay(source, result, turn);
    }

    fn end_replay(&mut self, source: Source, result: Result<Loaded, String>, turn: &mut Turn<'_>) {
        if let Ok(loaded) = &result {
            self.loaded = loaded.clone();
        }
        turn.acts.push(Act::LoadEnded(source, result));
        if self.follow.is_none() {
            turn.acts.push(Act::SelectAgain);
        }
        turn.out.again = true;
    }

    /// Ends the snapshot of a rewrite that came to nothing, and a rewrite whose snapshot did.
    pub(crate) fn settle_base(&mut self, turn: &mut Turn<'_>) {
        if self.aof.take_abort() {
            self.saver.abort_base(&mut self.links, turn);
        }
        if self.saver.take_base_aborted() {
            self.aof.on_walked(Err(String::from("it was given up")), &self.settings.aof, turn);
        }
    }

    /// What the turn has brought goes on its way into the file.
    pub(crate) fn seal_aof(&mut self, turn: &mut Turn<'_>) {
        let is_loading = self.is_loading();
        self.note_place(turn.now);
        self.aof.seal(self.feed.end, is_loading, &self.settings.aof, turn);
        // A start ends when the files are there.
        if self.aof.is_ready()
            && let Some(loaded) = self.opening.take()
        {
            self.end_replay(Source::File, Ok(loaded), turn);
        }
        // Nobody else would ever do it.
        if self.settings.aof.fsync == Fsync::No && self.gate.waits_here() {
            self.aof.sync_now(turn);
        }
    }

    /// The append-only file learns how far the stream is in its history.
    pub(crate) fn note_place(&mut self, now: Now) {
        let feed = &self.feed;
        let place = feed.backlog.as_ref().map(|_| Place {
            replid: feed.replid,
            second: feed.second,
            offset: feed.end,
            data_end: feed.data_end,
            bond: self.bond_now(now),
        });
        self.aof.note_place(place);
    }

    /// True once everything that was written is with the kernel.
    pub fn aof_is_idle(&self) -> bool {
        self.aof.is_idle()
    }

    /// Loads the append-only file into a node that serves (DEBUG LOADAOF). `LoadEnded` comes in any case.
    pub fn reload_aof(&mut self, turn: &mut Turn<'_>) {
        self.load_started = turn.now.unix;
        self.replay = Some(Replay::new(&self.settings.aof, true, turn));
        turn.acts.push(Act::LoadBegan(Source::Reload));
    }

    /// WAITAOF on a primary: what is reached if that is enough, none when the client must block until `WaitAofDone`.
    /// `offset` is the end of the client's last write; without a timeout it waits forever.
    ///
    /// # Errors
    /// The text of a refusal, from its code on.
    pub fn wait_aof(
        &mut self,
        conn: ConnId,
        offset: u64,
        (here, replicas): (bool, u64),
        timeout: Option<Span>,
        now: Now,
    ) -> Result<Option<(bool, u32)>, &'static str> {
        if here && !self.aof.is_on() {
            return Err("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        }
        let safety = self.links.safety(offset, self.aof.synced());
        if timeout == Some(Span::ZERO)
            || u64::from(safety.filed) >= replicas && (safety.is_filed_here || !here)
        {
            return Ok(Some((safety.is_filed_here, safety.filed)));
        }
        let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
        self.gate.wait_filed(conn, offset, (here, replicas), timeout.unwrap_or(Span::ZERO), now.mono);
        Ok(None)
    }

    /// BGREWRITEAOF: what the client reads. An error is from its code on. Within a transaction it begins behind that.
    pub fn rewrite_aof(&mut self, in_exec: bool) -> Result<&'static str, &'static str> {
        // One that was asked for in this turn is as good as begun, unless it has to wait its turn.
        let waits = in_exec || self.saver.is_busy();
        let is_coming = self.aof.is_wished() && !waits;
        if is_coming || !self.aof.wish() {
            return Err("ERR Background append only file rewriting already in progress");
        }
        Ok(if waits {
            "Background append only file rewriting scheduled"
        } else {
            "Background append only file rewriting started"
        })
    }
}
