//! Outputs: carries out what a turn has put out, in order.
//!
//! Bytes go to the socket at once. Several sends in a row to one connection become one gathering call; sends
//! are never moved past another connection's, because their order is a promise (replicas before replies).

use crate::connections::{Flushed, Outcome, State};
use crate::reactor::Reactor;
use base::{Now, Span, Time};
use machine::{Chunk, Closing, ConnId, Crash, Input, Level, Outbox, Output, Pool, WriteId};
use std::time::Duration;

/// One second: how long a connection that is to be closed may stand without progress.
pub(crate) const FLUSH_WAIT: Span = Span::seconds(1);
/// 5 s: how long an exit waits for clients to take what was put out for them.
const EXIT_FLUSH_WAIT: Span = Span::seconds(5);
/// 60 s: how long an exit waits for the disk; a dump of many gigabytes is synced by then.
const EXIT_DISK_WAIT: Duration = Duration::from_secs(60);
/// 256 KiB: unread bytes that are thrown away before a close, so that the kernel sends an end and no reset,
/// which could overtake the last reply.
const DRAIN_BYTES_MAX: usize = 256 << 10;

impl Reactor {
    /// Carries out the outputs of a turn; the exit code when one of them ends the process.
    pub(crate) fn carry_out(&mut self, now: &mut Now, out: &mut Outbox) -> Option<u8> {
        let mut outputs = std::mem::take(&mut out.outputs);
        let mut code = None;
        {
            let mut outputs = outputs.drain(..);
            while let Some(output) = outputs.next() {
                let is_followed = match (&output, outputs.as_slice().first()) {
                    (Output::Send { conn, .. }, Some(Output::Send { conn: next, .. })) => conn == next,
                    _ => false,
                };
                if let Output::Exit { code: asked } = output {
                    code = Some(asked);
                    break;
                }
                self.carry_out_one(output, is_followed, now, &mut out.pool);
            }
        }
        out.outputs = outputs;
        if self.disks.has_answers() {
            let done = self.disks.settle();
            self.on_disk_answers(done, &mut out.pool);
        }
        self.settle(now.mono, out);
        code
    }

    fn carry_out_one(&mut self, output: Output, is_followed: bool, now: &mut Now, pool: &mut Pool) {
        match output {
            Output::Send { conn, bytes, after } => self.send(conn, bytes, after, is_followed, pool),
            Output::Close { conn, closing: Closing::Now } => self.kill(conn, pool),
            Output::Close { conn, closing: Closing::Flushed } => self.close_flushed(conn, now.mono, pool),
            Output::Connect { conn, to, mode } => self.connect(conn, to, mode, pool),
            Output::Frame { conn, mode } => self.reframe(conn, mode, pool),
            Output::Pause(conn) => self.set_paused(conn, true),
            Output::Resume(conn) => self.set_paused(conn, false),
            Output::Disk(op) => {
                self.gates.on_submit(&op);
                self.disks.submit(op);
            }
            Output::Stall(span) => {
                std::thread::sleep(Duration::from_micros(span.as_us()));
                *now = self.clock.now();
            }
            Output::Log { level, text } => self.log.write(level, &text),
            Output::Host(setting) => self.set(setting),
            Output::Ask { ask, question } => {
                let answer = self.answer(question);
                self.inputs.push(Input::Answered { ask, answer });
            }
            Output::Crash(Crash::Segfault) => crate::crash::segfault(),
            Output::Crash(Crash::Assertion) => panic!("DEBUG ASSERT asks for it"),
            Output::Exit { .. } => unreachable!("an exit ends the outputs"),
        }
    }

    #[inline]
    fn send(
        &mut self,
        conn: ConnId,
        bytes: Chunk,
        after: Option<WriteId>,
        is_followed: bool,
        pool: &mut Pool,
    ) {
        let Some(connection) = self.connections.at_mut(conn) else { return pool.recycle_chunk(bytes) };
        if matches!(connection.state, State::Dead | State::Flushing) || bytes.is_empty() && after.is_none() {
            return pool.recycle_chunk(bytes);
        }
        let after = after.filter(|&write| self.gates.outcome(write) != Outcome::Durable);
        if after.is_none() && !is_followed && connection.is_clear() {
            let (sent, flushed) = connection.send_now(&self.sys, bytes, pool);
            if flushed == Flushed::All && connection.unsent_told == 0 && connection.state == State::Open {
                // The common end of a request: nothing is left to note.
                self.note_sent(sent);
                return;
            }
            return self.after_sending(conn, sent, flushed, pool);
        }
        connection.push(bytes, after);
        if !is_followed {
            self.flush(conn, pool);
        }
    }

    fn close_flushed(&mut self, conn: ConnId, now: Time, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        match connection.state {
            State::Dead | State::Flushing => return,
            State::Connecting => return self.kill(conn, pool),
            State::Open => self.closing.push(conn),
            // In the list already.
            State::Ended => {}
        }
        connection.state = State::Flushing;
        connection.deadline = now + FLUSH_WAIT;
    }

    /// Ends the closing connections whose time has come.
    fn settle(&mut self, now: Time, out: &mut Outbox) {
        if self.closing.is_empty() {
            return;
        }
        let mut closing = std::mem::take(&mut self.closing);
        closing.retain(|&conn| {
            let Some(connection) = self.connections.at_mut(conn) else { return false };
            let is_over = connection.deadline <= now;
            let is_done = match connection.state {
                State::Dead => return false,
                State::Connecting | State::Open => return true,
                State::Flushing => connection.is_flushed(),
                // What it asked for before its end may still be in the works.
                State::Ended => {
                    let is_framed = !connection.framer.is_held() && !connection.has_batch;
                    connection.is_flushed() && is_framed && !out.again
                }
            };
            if connection.gate().is_some() {
                // It waits for our disk; that is not the peer's fault.
                connection.deadline = now + FLUSH_WAIT;
                return true;
            }
            if !is_done && !is_over {
                return true;
            }
            if connection.state == State::Flushing && connection.is_flushed() {
                self.drain(conn);
            }
            self.kill(conn, &mut out.pool);
            false
        });
        closing.append(&mut self.closing);
        self.closing = closing;
    }

    /// Throws unread bytes away before a close.
    fn drain(&mut self, conn: ConnId) {
        let Some(fd) = self.connections.at_mut(conn).and_then(|connection| connection.fd()) else { return };
        let mut bytes = Vec::with_capacity(16 << 10);
        let mut drained = 0;
        while drained < DRAIN_BYTES_MAX {
            bytes.clear();
            match self.sys.recv(fd, &mut bytes, 16 << 10) {
                Ok(received) if received == bytes.capacity() => drained += received,
                // Drained, at its end, or broken: there is nothing more to throw away.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Ends the world: what was put out is sent and written, within bounds.
    pub(crate) fn finish(mut self, out: &mut Outbox) {
        let until = self.clock.mono() + EXIT_FLUSH_WAIT;
        self.listeners.bound.clear();
        loop {
            let now = self.clock.mono();
            let open = self.connections.ids();
            let waiting = open.into_iter().filter(|&conn| {
                let connection = self.connections.at_mut(conn);
                connection.is_some_and(|connection| {
                    !connection.is_flushed() && !matches!(connection.state, State::Dead | State::Connecting)
                })
            });
            if waiting.count() == 0 || now >= until {
                break;
            }
            self.wait_to_flush(&mut out.pool);
        }
        for conn in self.connections.ids() {
            self.drain(conn);
            self.kill(conn, &mut out.pool);
        }
        if !self.disks.finish(EXIT_DISK_WAIT) {
            self.log
                .write(Level::Warning, "Leaving with disk operations unfinished: the disk takes too long");
        }
    }
}
