//! Apply: what comes as a stream instead of from a client: the primary's, and that of the append-only file.

use crate::call::Stage;
use crate::engine::{Applied, ApplyError};
use crate::session::Connection;
use crate::turn::{AHEAD, Planned};
use crate::{Engine, Outside};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Now;
use machine::{Level, Outbox};
use wire::Batch;
use wire::batch::Args;

impl Engine {
    /// Executes requests of the primary's stream: no replies, no refusals by role, no expiry of its own, and no
    /// effects in the feed (the stream's own bytes are the journal). Transactions may span batches.
    ///
    /// # Errors
    /// A request that fails here, where `propagation-error-behavior` says so, and one that this server does not have
    /// whatever it says: to go on would lose a write without a trace. Everything before it is applied.
    pub fn apply(
        &mut self,
        now: Now,
        batch: &Batch,
        outside: &mut dyn Outside,
        out: &mut Outbox,
    ) -> Result<Applied, ApplyError> {
        let feeds = core::mem::replace(&mut self.shared.feed.enabled, false);
        let result = self.apply_all(now, batch, outside, out);
        self.shared.feed.enabled = feeds;
        result
    }

    fn apply_all(
        &mut self,
        now: Now,
        batch: &Batch,
        outside: &mut dyn Outside,
        out: &mut Outbox,
    ) -> Result<Applied, ApplyError> {
        let mut applied = Applied::default();
        self.plan.clear();
        self.core.stats.start(out.ticks());
        for index in 0..batch.len() {
            self.plan_at(batch, index);
            let args = batch.request(index);
            let raw_bytes = batch.raw(index).len() as u64;
            if let Some(multi) = &mut self.stream.session.multi {
                multi.raw_bytes += raw_bytes;
            }
            let before = self.stream.session.multi.as_ref().map_or(raw_bytes, |multi| multi.raw_bytes);
            if !args.is_empty() {
                if let Err(error) = self.apply_one(now, args, index % AHEAD, outside, out, &mut applied) {
                    if self.core.settings.stops_on_error || is_unknown(&error) {
                        self.stream.session.multi = None;
                        return Err(error);
                    }
                    let text = "== CRITICAL == This replica is sending an error to its master";
                    let ApplyError { error, command, .. } = error;
                    out.log(
                        Level::Warning,
                        format!("{text}: '{error}' after processing the command '{command}'"),
                    );
                }
                if self.may_serve() && self.stream.session.multi.is_none() {
                    self.serve(now, outside, out);
                }
            }
            match &mut self.stream.session.multi {
                // MULTI itself opened it: its bytes count when EXEC has run.
                Some(multi) => multi.raw_bytes = before,
                None => applied.bytes_done += before,
            }
        }
        self.core.stats.stop(out.ticks());
        Ok(applied)
    }

    /// The same look-ahead as for clients, in groups.
    fn plan_at(&mut self, batch: &Batch, index: usize) {
        if !index.is_multiple_of(AHEAD) {
            return;
        }
        self.plan.clear();
        let db = self.stream.session.db;
        for ahead in index..batch.len().min(index + AHEAD) {
            let request = batch.request(ahead);
            self.plan.push(Planned::new(&self.table, &self.shared.keyspace, db, request));
        }
        for planned in &self.plan {
            planned.prefetch_bucket(&self.shared.keyspace);
        }
        for planned in &self.plan {
            planned.prefetch_entry(&self.shared.keyspace);
        }
    }

    fn apply_one(
        &mut self,
        now: Now,
        args: Args<'_>,
        planned: usize,
        outside: &mut dyn Outside,
        out: &mut Outbox,
        applied: &mut Applied,
    ) -> Result<(), ApplyError> {
        if args[0].eq_ignore_ascii_case(b"replconf") {
            applied.wants_ack |= args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack"));
            return Ok(());
        }
        if args[0].eq_ignore_ascii_case(b"function") {
            self.functions.push(args.iter().map(<[u8]>::to_vec).collect());
            return Ok(());
        }
        let Connection { outgoing, session, .. } = &mut *self.stream;
        let mut stage = Stage {
            shared: &mut self.shared,
            watch: &mut self.watch,
            core: &mut self.core,
            table: &self.table,
            outside,
            out,
            now,
        };
        outgoing.bytes.clear();
        stage.request(session, &mut outgoing.bytes, args, &self.plan[planned], false);
        match first_error(&outgoing.bytes) {
            None => Ok(()),
            Some(error) => Err(ApplyError {
                command: shown(args, self.core.settings.hides_user_data),
                error,
                bytes_done: applied.bytes_done,
            }),
        }
    }

    /// Executes requests of a file that is being loaded. As [`Engine::apply`], but what fails for the data's sake has
    /// failed when it was written, too.
    ///
    /// # Errors
    /// A command that does not exist here, by its index in the batch.
    pub fn replay(
        &mut self,
        now: Now,
        batch: &Batch,
        outside: &mut dyn Outside,
        out: &mut Outbox,
    ) -> Result<(), (usize, String)> {
        let feeds = core::mem::replace(&mut self.shared.feed.enabled, false);
        let mut result = Ok(());
        for index in 0..batch.len() {
            self.plan_at(batch, index);
            let args = batch.request(index);
            let mut applied = Applied::default();
            if args.is_empty() {
                continue;
            }
            if let Err(error) = self.apply_one(now, args, index % AHEAD, outside, out, &mut applied)
                && error.error.starts_with("ERR unknown command")
            {
                self.stream.session.multi = None;
                let name = String::from_utf8_lossy(args.at(0)).into_owned();
                result = Err((index, alloc::format!("Unknown command '{name}'")));
                break;
            }
        }
        self.shared.feed.enabled = feeds;
        result
    }

    /// The FUNCTION commands that were met since the last call.
    pub fn take_functions(&mut self) -> Vec<Vec<Vec<u8>>> {
        core::mem::take(&mut self.functions)
    }

    /// The stream was cut: a transaction whose EXEC did not arrive is dropped. Also before a new stream.
    pub fn apply_reset(&mut self) {
        self.stream.session.multi = None;
        self.stream.session.db = 0;
    }

    /// Which database the primary's stream has selected (for the state of a partial resynchronisation).
    pub fn apply_db(&self) -> u32 {
        self.stream.session.db
    }

    /// Continues the stream with this database selected.
    pub fn set_apply_db(&mut self, db: u32) {
        self.stream.session.db = db;
    }
}

/// True when the server does not know what it was asked for.
fn is_unknown(error: &ApplyError) -> bool {
    error.error.starts_with("ERR unknown command") || error.error.starts_with("ERR unknown subcommand")
}

/// The first error among the replies in `bytes` (EXEC answers an array of replies, where one may be an error).
fn first_error(bytes: &[u8]) -> Option<String> {
    let line_of = |from: usize| {
        let line = bytes[from..].split(|byte| *byte == b'\r').next().unwrap_or_default();
        Some(String::from_utf8_lossy(line).into_owned())
    };
    match bytes.first() {
        Some(b'-') => line_of(1),
        Some(b'*') => {
            // Only the top level matters: inner replies of writes are no arrays with errors.
            let mut at = bytes.iter().position(|byte| *byte == b'\n')? + 1;
            while at < bytes.len() {
                if bytes[at] == b'-' {
                    return line_of(at + 1);
                }
                let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
                let text = core::str::from_utf8(&bytes[at + 1..end - 2]).ok()?;
                at = match bytes[at] {
                    b'$' => end + text.parse::<usize>().map_or(0, |len| len + 2),
                    _ => end,
                };
            }
            None
        }
        _ => None,
    }
}

/// A request as one line, cut; its name alone where the rest is nobody's business.
fn shown(args: Args<'_>, hides_user_data: bool) -> String {
    /// 128: bytes of a request that an error shows.
    const SHOWN_BYTES_MAX: usize = 128;
    let mut text = Vec::new();
    for arg in args.iter().take(if hides_user_data { 1 } else { usize::MAX }) {
        if text.len() >= SHOWN_BYTES_MAX {
            break;
        }
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(&arg[..arg.len().min(SHOWN_BYTES_MAX - text.len().min(SHOWN_BYTES_MAX))]);
    }
    String::from_utf8_lossy(&text).into_owned()
}
