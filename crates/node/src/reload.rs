//! Reload: DEBUG RELOAD, as a state of the node.
//!
//! ```text
//!   asked --saves--> Saving --saved--> Loading --loaded--> answered
//!     `----nosave---------------------^
//! ```
//!
//! While it lasts no client's request runs: to everyone it is one long command, as in the original.

use crate::node::Node;
use crate::outside::Rest;
use base::Now;
use engine::{Answer, Asked};
use journal::Loaded;
use machine::{ConnId, Level, Outbox};
use wire::reply::Reply;

/// A reload that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reload {
    conn: ConnId,
    flushes: bool,
    merges: bool,
    /// From the append-only file.
    is_aof: bool,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It was asked for, and nothing is to be saved.
    Asked,
    /// The file is being written.
    Saving,
    /// The file is being loaded.
    Loading,
}

impl Rest {
    /// DEBUG RELOAD.
    pub(crate) fn on_reload(
        &mut self,
        asked: &Asked<'_>,
        saves: bool,
        flushes: bool,
        merges: bool,
        reply: &mut Reply<'_>,
    ) -> Answer {
        if self.journal.primary().is_some() {
            // The stream would go on into data that is not there.
            reply.error("ERR DEBUG RELOAD is not supported on a replica");
            return Answer::Done;
        }
        let conn = asked.conn;
        if saves && self.journal.save(Some(conn)).is_err() {
            reply.error("ERR Background save already in progress");
            return Answer::Done;
        }
        let step = if saves { Step::Saving } else { Step::Asked };
        self.reload = Some(Reload { conn, flushes, merges, is_aof: false, step });
        Answer::Block
    }

    /// DEBUG LOADAOF.
    pub(crate) fn on_reload_aof(&mut self, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Answer {
        if self.journal.primary().is_some() {
            reply.error("ERR DEBUG LOADAOF is not supported on a replica");
            return Answer::Done;
        }
        let conn = asked.conn;
        self.reload = Some(Reload { conn, flushes: true, merges: false, is_aof: true, step: Step::Asked });
        Answer::Block
    }

    /// True when the save that `conn` asked for is the first step of a reload.
    pub(crate) fn is_reloading(&self, conn: ConnId) -> bool {
        self.reload.is_some_and(|reload| reload.conn == conn && reload.step == Step::Saving)
    }
}

impl Node {
    /// The file is written, or could not be.
    pub(crate) fn reload_saved(
        &mut self,
        now: Now,
        result: Result<(), alloc::string::String>,
        out: &mut Outbox,
    ) {
        match result {
            Ok(()) => self.reload_load(now, out),
            Err(text) => {
                out.log(Level::Warning, alloc::format!("DEBUG RELOAD: the data was not saved: {text}"));
                self.end_reload(Err("ERR"), out);
            }
        }
    }

    /// A reload without a save begins at once.
    pub(crate) fn step_reload(&mut self, now: Now, out: &mut Outbox) {
        // What was written is in the file first.
        let may_load = |reload: &Reload| !reload.is_aof || self.rest.journal.aof_is_idle();
        if self.rest.reload.as_ref().is_some_and(|reload| reload.step == Step::Asked && may_load(reload)) {
            self.reload_load(now, out);
        }
    }

    fn reload_load(&mut self, now: Now, out: &mut Outbox) {
        let Some(reload) = &mut self.rest.reload else { return };
        reload.step = Step::Loading;
        let (flushes, merges, is_aof) = (reload.flushes, reload.merges, reload.is_aof);
        if flushes {
            let detached = self.engine.shared.keyspace.flush_all();
            self.engine.shared.keyspace.dispose(detached);
        }
        self.with_turn(now, out, |journal, turn| match is_aof {
            true => journal.reload_aof(turn),
            false => journal.reload(merges, turn),
        });
    }

    /// The load is over.
    pub(crate) fn reloaded(&mut self, result: Result<Loaded, alloc::string::String>, out: &mut Outbox) {
        self.engine.shared.standing.loading = false;
        let is_aof = self.rest.reload.is_some_and(|reload| reload.is_aof);
        if is_aof {
            self.engine.apply_reset();
        }
        match result {
            Ok(_) if is_aof => {
                out.log(Level::Warning, "Append Only File loaded by DEBUG LOADAOF");
                self.end_reload(Ok(()), out);
            }
            Err(_) if is_aof => {
                self.end_reload(Err("ERR Error trying to load the AOF files, check server logs."), out);
            }
            Ok(_) => {
                out.log(Level::Warning, "DB reloaded by DEBUG RELOAD");
                self.end_reload(Ok(()), out);
            }
            Err(_) => self.end_reload(Err("ERR Error trying to load the RDB dump"), out),
        }
    }

    fn end_reload(&mut self, result: Result<(), &str>, out: &mut Outbox) {
        let Some(reload) = self.rest.reload.take() else { return };
        self.engine.unblock(reload.conn, |reply| match result {
            Ok(()) => reply.ok(),
            Err(text) => reply.error(text),
        });
        out.again = true;
    }
}
