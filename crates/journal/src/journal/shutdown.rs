//! Shutdown: the end of the process, after the replicas have it all and the files are written.

use super::Journal;
use crate::snapshot::Wish;
use crate::{Act, Turn};
use alloc::format;
use alloc::string::String;
use base::{Now, Span, Time};
use machine::Level;

/// What a shutdown asks of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownWish {
    /// Some(true): SAVE; Some(false): NOSAVE; none: save when there are save points.
    pub save: Option<bool>,
    /// NOW: do not wait for lagging replicas.
    pub now: bool,
    /// FORCE: go on when the save fails.
    pub force: bool,
    /// A signal: nobody is there to be refused, so an append-only file that is only just being begun is waited for.
    pub is_signal: bool,
}

/// How far a shutdown is.
pub(super) enum Shutdown {
    /// Replicas lag; their time ends then.
    Waiting {
        wish: ShutdownWish,
        until: Time,
    },
    Saving {
        force: bool,
    },
}

impl Journal {
    /// Prepares the end of the process; ends with `ShutdownReady` or `ShutdownFailed`. The node stops clients' writes meanwhile.
    pub fn shutdown(&mut self, wish: ShutdownWish, turn: &mut Turn<'_>) {
        let (replicas, lagging) = self.links.lagging(self.feed.end);
        let must_wait = lagging > 0 && !wish.now && self.settings.shutdown_timeout > Span::ZERO;
        if must_wait {
            self.gate.ask();
            let text = format!("{lagging} of {replicas} replicas lag: waiting for them before the shutdown");
            turn.out.log(Level::Notice, text);
        }
        let must_wait = must_wait || wish.is_signal && self.aof.is_beginning();
        let until = if must_wait { turn.now.mono + self.settings.shutdown_timeout } else { turn.now.mono };
        self.shutdown = Some(Shutdown::Waiting { wish, until });
        turn.out.again = true;
    }

    /// How long the shutdown still waits for replicas, at most; none when it does not.
    pub fn shutdown_waits(&self, now: Now) -> Option<Span> {
        match self.shutdown {
            Some(Shutdown::Waiting { until, .. }) => Some(until.since(now.mono)),
            Some(Shutdown::Saving { .. }) | None => None,
        }
    }

    /// SHUTDOWN ABORT.
    pub fn abort_shutdown(&mut self) {
        self.shutdown = None;
    }

    pub(super) fn step_shutdown(&mut self, turn: &mut Turn<'_>) {
        let Some(Shutdown::Waiting { wish, until }) = self.shutdown else { return };
        let (replicas, lagging) = self.links.lagging(self.feed.end);
        let is_early = wish.is_signal && self.aof.is_beginning();
        if (lagging > 0 || is_early) && turn.now.mono < until {
            return;
        }
        if replicas > 0 {
            self.links.name_lagging(self.feed.end, turn.now, turn.out);
            let text =
                format!("{} of {replicas} replicas are in sync when shutting down.", replicas - lagging);
            turn.out.log(Level::Notice, text);
        }
        self.shutdown = Some(Shutdown::Saving { force: wish.force });
        if self.aof.is_beginning() {
            // What was written since then is in no file that a start would read.
            let text = "Writing initial AOF, can't exit";
            turn.out.log(Level::Warning, text);
            if !wish.force {
                return self.on_last_save(Err(text.into()), turn);
            }
        }
        let saves = wish.save.unwrap_or(!self.settings.save_points.is_empty());
        // A half loaded keyspace would overwrite the file that it comes from.
        if saves && !self.is_loading() {
            self.saver.abort("the server is shutting down", &mut self.links, turn);
            turn.out.log(Level::Notice, "Saving the final RDB snapshot before exiting.");
            self.saver.wish(Wish::Shutdown);
        } else {
            self.on_last_save(Ok(()), turn);
        }
    }

    pub(super) fn on_last_save(&mut self, result: Result<(), String>, turn: &mut Turn<'_>) {
        let Some(Shutdown::Saving { force }) = self.shutdown.take() else { return };
        match result {
            Err(error) if !force => {
                let text = "Error trying to save the DB, can't exit";
                turn.acts.push(Act::ShutdownFailed(format!("{text}: {error}")));
            }
            Ok(()) | Err(_) => {
                self.note_place(turn.now);
                self.aof.flush(self.feed.end, turn);
                turn.acts.push(Act::ShutdownReady);
            }
        }
    }
}
