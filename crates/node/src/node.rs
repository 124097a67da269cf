//! Node: one server, driven by inputs.

use crate::boot::Boot;
use crate::outside::{Identity, Rest};
use crate::settings;
use alloc::vec::Vec;
use base::{Now, Random, Span, Time};
use engine::{Engine, Ran};
use machine::{Closing, ConnId, HostFacts, Input, Level, Listener, Machine, Outbox, Output, Signal};
use spec::Config;
use spec::directive::id;
use wire::Batch;
use wire::batch::Ending;

/// One server: a data node, with the cluster bus if its configuration says so.
pub struct Node {
    pub(crate) engine: Engine,
    pub(crate) rest: Rest,
    /// When the engine wants its next regular work.
    pub(crate) engine_wake_at: Time,
    /// Requests that ran up to the last turn.
    pub(crate) requests: u64,
    /// Until then nothing around the engine is due.
    pub(crate) quiet_until: Time,
}

/// Rounds of engine and consequences in one input, at most: each round makes progress, so reaching it is a bug.
const ROUNDS_MAX: u32 = 1_000_000;
/// 200 ms: so long requests wait for the data of a start or of a primary before they are answered with LOADING.
pub(crate) const LOAD_GRACE: Span = Span::ms(200);
/// 10 s: so long they wait at a start for the first append-only file.
const OPEN_GRACE: Span = Span::seconds(10);

impl Node {
    /// A server with this configuration. `seed` fixes all its chance, its hash key and ids included: the host
    /// takes it from the system, the simulator from its own seed. Nothing happens before the first input,
    /// which must be `Input::Tick`.
    pub fn new(config: Config, identity: Identity, seed: u64) -> Node {
        let mut random = Random::new(seed);
        let is_clustered = settings::is_clustered(&config);
        let engine = Engine::new(config, random.fork(), is_clustered, Now::default());
        let rest = Rest::new(&engine.shared, identity, random);
        Node { engine, rest, engine_wake_at: Time::START, requests: 0, quiet_until: Time::START }
    }

    fn route(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Opened { conn, listener: Listener::Bus, peer } => {
                self.on_bus_opened(now, conn, &peer, out)
            }
            Input::Opened { conn, listener: listener @ (Listener::Client | Listener::Unix), peer } => {
                self.engine.on_opened(now, conn, listener, peer, out);
            }
            Input::Connected { conn, result } => self.on_connected(now, conn, result, out),
            Input::Batches(mut batches) => {
                for (conn, batch) in batches.drain(..) {
                    self.on_batch(now, conn, batch, out);
                }
                out.pool.recycle_list(batches);
            }
            Input::Closed { conn } => self.on_closed(now, conn, out),
            Input::Unsent(connections) => {
                for (conn, bytes) in connections {
                    self.engine.on_unsent(now, conn, bytes, out);
                    self.rest.journal.on_unsent(conn, bytes);
                }
            }
            Input::Unframed(connections) => {
                for (conn, bytes, memory_bytes) in connections {
                    self.engine.on_unframed(conn, bytes, memory_bytes);
                }
            }
            Input::Disk(disk) => self.on_disk(now, disk, out),
            Input::FileRead { file, result, sum } => self.on_file_read(now, file, result, sum, out),
            Input::FileSize { file, bytes } => self.rest.journal.on_file_size(file, bytes),
            Input::Tick => {}
            Input::Signal(signal) => self.on_signal(signal, out),
            Input::Host(facts) => self.on_host(facts),
            Input::Answered { ask, answer } => self.on_answered(now, ask, answer, out),
        }
    }

    fn on_batch(&mut self, now: Now, conn: ConnId, batch: Batch, out: &mut Outbox) {
        if self.rest.is_bus(conn) {
            self.rest.is_stirred = true;
            self.on_bus_batch(now, conn, batch, out);
            return;
        }
        if conn.is_outbound() {
            self.rest.is_stirred = true;
            if self.rest.journal.owns_conn(conn) {
                self.with_turn(now, out, |journal, turn| journal.on_batch(conn, batch, turn));
                self.settle(now, out);
            } else if self.engine.owns_move(conn) {
                self.engine.on_move_batch(now, conn, batch, out);
            } else {
                out.pool.recycle_batch(batch);
            }
            return;
        }
        self.rest.journal.heard(conn, now);
        if let Err(batch) = self.engine.on_batch(now, conn, batch, out) {
            out.pool.recycle_batch(batch);
        }
    }

    fn on_bus_batch(&mut self, now: Now, conn: ConnId, batch: Batch, out: &mut Outbox) {
        for index in 0..batch.len() {
            let Some(frame) = batch.request(index).get(0) else { continue };
            self.bus(now, cluster::Event::Frame { conn, bytes: frame });
            self.settle(now, out);
        }
        if let Ending::Broken(error) = batch.ending() {
            out.log(Level::Verbose, alloc::format!("bus connection closed: {error}"));
            out.put(Output::Close { conn, closing: Closing::Now });
        }
        out.pool.recycle_batch(batch);
    }

    fn on_closed(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        if self.rest.forget_bus(conn) {
            self.bus(now, cluster::Event::Closed { conn });
            self.rest.give_back(conn);
        } else if self.engine.owns_move(conn) {
            self.engine.on_move_closed(conn, &mut self.rest.dialer);
        } else {
            self.engine.on_closed(now, conn, out);
            self.rest.waits.forget(conn);
            self.with_turn(now, out, |journal, turn| journal.on_closed(conn, turn));
        }
        self.settle(now, out);
    }

    fn on_signal(&mut self, signal: Signal, out: &mut Outbox) {
        let (name, wish) = match signal {
            Signal::Terminate => ("SIGTERM", id::SHUTDOWN_ON_SIGTERM),
            Signal::Interrupt => ("SIGINT", id::SHUTDOWN_ON_SIGINT),
        };
        if self.rest.is_stopping() {
            if signal == Signal::Interrupt {
                out.log(Level::Warning, "You insist... exiting now.");
                out.put(Output::Exit { code: 1 });
            }
            return;
        }
        out.log(Level::Warning, alloc::format!("Received {name} scheduling shutdown..."));
        out.log(Level::Warning, "User requested shutdown...");
        let wish = settings::shutdown(&self.engine.shared.config, wish);
        self.rest.begin_shutdown(wish, None);
    }

    fn on_host(&mut self, facts: HostFacts) {
        self.rest.host = facts.clone();
        self.engine.on_host(facts);
    }

    /// True when there are requests and they may run. A client that comes while a small data set is being loaded waits
    /// for it, as it would at the originals' door, and is not sent away with LOADING.
    pub(crate) fn may_run(&self, now: Now) -> bool {
        self.engine.has_work() && self.rest.reload.is_none() && now.mono >= self.door_opens_at()
    }

    fn door_opens_at(&self) -> Time {
        match (self.rest.boot.is_over(), self.engine.shared.standing.loading) {
            // The data is there, only the files for what comes are not: nobody is sent away for that.
            (false, _) if self.rest.journal.is_opening() => self.rest.started.mono + OPEN_GRACE,
            (false, _) => self.rest.started.mono + LOAD_GRACE,
            (true, true) => self.rest.door_until,
            (true, false) => Time::START,
        }
    }

    /// Runs requests, and after each one that changed the node itself carries the consequences out.
    fn work(&mut self, now: Now, out: &mut Outbox) {
        if !self.is_settled() {
            self.settle(now, out);
        }
        for _ in 0..ROUNDS_MAX {
            if !self.may_run(now) {
                return;
            }
            match self.engine.run(now, &mut self.rest, out) {
                Ran::Idle => {
                    self.settle(now, out);
                    return;
                }
                Ran::Yield => self.settle(now, out),
                Ran::Budget => {
                    out.again = true;
                    self.settle(now, out);
                    return;
                }
            }
        }
        panic!("requests and their consequences do not come to an end");
    }
}

impl Machine for Node {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.note_input(now, &input);
        self.boot_step(now, out);
        self.route(now, input, out);
        if self.engine_wake_at <= now.mono && self.rest.boot.is_over() {
            self.engine_wake_at = self.engine.tick(now, out);
        }
        if self.rest.is_stirred {
            self.tick_parts(now, out);
            // Before the requests: what a move has brought about is seen by all of them. After: what they have begun.
            self.engine.drive_moves(now, &mut self.rest.dialer, out);
        }
        self.work(now, out);
        if self.engine.has_moves() {
            self.rest.is_stirred = true;
            self.engine.drive_moves(now, &mut self.rest.dialer, out);
        }
    }

    /// File first, then the stream to replicas, then replies: the order is the promise.
    fn seal(&mut self, now: Now, out: &mut Outbox) {
        if self.is_quiet() {
            return self.seal_quiet(now, out);
        }
        self.tell_moves(now, out);
        self.tell_set_slots(now, out);
        let selected = self.engine.shared.feed.selected();
        let ran = self.note_ran();
        let sleep = self.engine.aof_flush_sleep();
        self.with_turn(now, out, |journal, turn| {
            if sleep > Span::ZERO && journal.has_unwritten() {
                turn.out.put(Output::Stall(sleep));
            }
            journal.note_selected(selected);
            journal.note_requests(ran);
            journal.seal(turn);
        });
        if !self.is_settled() {
            self.settle(now, out);
        }
        self.observe(now, out);
        self.note_standing(now);
        self.tell_role(out);
        self.engine.release(now, self.rest.journal.safe_offset(), out);
        self.note_engine_wake(now, out);
        out.wake(self.engine.moves_wake_at());
        out.wake(self.rest.handover_end());
        if let Some(cluster) = &self.rest.cluster {
            out.wake(cluster.wake_at());
        }
        if self.may_run(now) {
            out.again = true;
        } else if now.mono < self.door_opens_at() {
            out.wake(self.door_opens_at());
        }
        self.begin_quiet(out);
    }
}

impl Boot {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Boot::Over)
    }
}

/// A list that is drained while its owner works: taken out, and its memory given back.
pub(crate) fn drained<T>(list: &mut Vec<T>) -> Vec<T> {
    core::mem::take(list)
}
