//! Shutdown: the end of the process, after the replicas have it all and the files are written.

use super::{Journal, Shutdown, ShutdownWish};
use crate::snapshot::Wish;
use crate::{Act, Turn};
use alloc::format;
use alloc::string::String;
use base::Span;
use machine::Level;

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
        let until = if must_wait { turn.now.mono + self.settings.shutdown_timeout } else { turn.now.mono };
        self.shutdown = Some(Shutdown::Waiting { wish, until });
        turn.out.again = true;
    }

    /// SHUTDOWN ABORT.
    pub fn abort_shutdown(&mut self) {
        self.shutdown = None;
    }

    pub(super) fn step_shutdown(&mut self, turn: &mut Turn<'_>) {
        let Some(Shutdown::Waiting { wish, until }) = self.shutdown else { return };
        let (replicas, lagging) = self.links.lagging(self.feed.end);
        if lagging > 0 && turn.now.mono < until {
            return;
        }
        if replicas > 0 {
            let text =
                format!("{} of {replicas} replicas are in sync when shutting down.", replicas - lagging);
            turn.out.log(Level::Notice, text);
        }
        self.shutdown = Some(Shutdown::Saving { force: wish.force });
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
                self.aof.flush(self.feed.end, turn);
                turn.acts.push(Act::ShutdownReady);
            }
        }
    }
}
