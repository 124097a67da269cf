//! Turn: executes what all ready sessions have brought.
//!
//! Requests run in groups of up to [`AHEAD`], taken from the sessions in rotation. A group is first looked at
//! as a whole: names are found, keys hashed, their buckets and a few requests later their entries prefetched; then all
//! is executed, with the hashes reused. A prefetch is a hint: nothing that it found is kept.

use crate::admission::{self, Verdict};
use crate::call::{Flow, Stage};
use crate::engine::{UNREAD_BYTES_MAX, requests_mode, resume};
use crate::keys::is_due;
use crate::routes::{MYSELF, NOBODY, Routes};
use crate::session::{Connection, Replies, Session};
use crate::slow::wire_len;
use crate::table::{Found, RowIndex, Table};
use crate::tracking::Runner;
use crate::{Engine, Outside, Ran};
use alloc::vec::Vec;
use base::Now;
use data::{KeyHash, Keyspace};
use machine::{Outbox, Output};
use spec::command::{Begin, Find};
use spec::{Flags, Refusal};
use wire::Ending;
use wire::batch::Args;
use wire::reply::Reply;

/// 32: requests that are looked at ahead. More would push the first out of the nearest cache again.
pub(crate) const AHEAD: usize = 32;
/// 4: so many requests after its bucket an entry is asked for: hashing them takes as long as the bucket takes to come. One
/// bucket and one entry at a time, so that the processor never waits for more lines than it can have under way.
pub(crate) const BUCKETS_AHEAD: usize = 4;
/// 4,096: requests of a turn. With 0.2 us each, a turn stays under a millisecond.
const TURN_REQUESTS_MAX: usize = 4_096;
/// 16 KiB: with more reply bytes of one turn a client's output limit is looked at before others run.
const MUCH_OUTPUT_BYTES: usize = 16 << 10;
/// 4 MiB: reply bytes of a turn.
const TURN_REPLY_BYTES_MAX: usize = 4 << 20;

/// What was found out about a request before it runs. Both are functions of its bytes alone, so they stay true
/// whatever runs in between.
pub struct Planned {
    /// The command.
    pub found: Found,
    /// The database that was selected; a hint for the prefetch alone.
    pub(crate) db: u32,
    /// Hash of argument 1 where that is a key.
    pub hash: Option<KeyHash>,
}

/// Requests of one session in a group.
pub(crate) struct Segment {
    pub(crate) place: u32,
    pub(crate) count: usize,
}

/// What a segment leaves behind.
enum Left {
    /// Nothing, or what waits for something else.
    Nothing,
    /// More requests.
    More,
    /// Nobody's request may run before the caller has applied something.
    Yield,
}

impl Engine {
    /// Executes what is queued, in fair rotation, within the turn's budget.
    pub fn run(&mut self, now: Now, outside: &mut dyn Outside, out: &mut Outbox) -> Ran {
        let mut segments = core::mem::take(&mut self.segments);
        let ran = self.run_groups(&mut segments, now, outside, out);
        self.segments = segments;
        ran
    }

    #[inline]
    fn run_groups(
        &mut self,
        segments: &mut Vec<Segment>,
        now: Now,
        outside: &mut dyn Outside,
        out: &mut Outbox,
    ) -> Ran {
        let mut requests = 0;
        let mut reply_bytes = 0;
        if core::mem::take(&mut self.core.has_grown) {
            // What has come in meanwhile counts before anybody asks who is there.
            self.thin_out(now, out);
        }
        if self.may_serve() {
            self.core.stats.start(out.ticks());
            self.serve(now, outside, out);
            self.core.stats.stop(out.ticks());
        }
        while !self.core.sessions.ready.is_empty() {
            if requests >= TURN_REQUESTS_MAX || reply_bytes >= TURN_REPLY_BYTES_MAX {
                return Ran::Budget;
            }
            self.look_ahead(segments);
            self.core.stats.start(out.ticks());
            let mut planned = 0;
            let mut waiting = segments.drain(..);
            let mut yields = false;
            for segment in waiting.by_ref() {
                let plan = planned..planned + segment.count;
                planned = plan.end;
                let Some(mut connection) = self.core.sessions.lend(segment.place) else { continue };
                let before = connection.outgoing.bytes.len();
                let left = self.execute(&mut connection, plan, now, outside, out);
                reply_bytes += connection.outgoing.bytes.len().saturating_sub(before);
                requests += segment.count;
                connection.is_ready = !matches!(left, Left::Nothing);
                if connection.is_ready {
                    self.core.sessions.ready.push_back(segment.place);
                }
                yields = matches!(left, Left::Yield);
                if yields && connection.inbox.batch.is_none() {
                    connection.is_ready = false;
                    self.core.sessions.ready.pop_back();
                }
                let has_much = connection.outgoing.bytes.len() > MUCH_OUTPUT_BYTES;
                let conn = connection.session.conn;
                self.core.sessions.give_back(connection);
                if has_much {
                    self.check_output(now, conn, out);
                }
                if self.may_serve() {
                    self.serve(now, outside, out);
                }
                if yields {
                    break;
                }
            }
            // Those whose turn did not come stand first again, in their order.
            let rest: Vec<Segment> = waiting.collect();
            for segment in rest.iter().rev() {
                self.core.sessions.ready.push_front(segment.place);
            }
            self.core.stats.stop(out.ticks());
            if yields {
                return Ran::Yield;
            }
        }
        Ran::Idle
    }

    /// Takes the next group from the ready sessions, and asks the processor for what it will need.
    fn look_ahead(&mut self, segments: &mut Vec<Segment>) {
        self.plan.clear();
        segments.clear();
        let keyspace = &self.shared.keyspace;
        while self.plan.len() < AHEAD {
            let Some(place) = self.core.sessions.ready.pop_front() else { break };
            let Some(connection) = self.core.sessions.place_mut(place) else { continue };
            let is_stuck = connection.session.is_blocked
                || connection.session.is_held
                || connection.session.is_closing
                || connection.outgoing.pending() > UNREAD_BYTES_MAX;
            if is_stuck {
                connection.is_ready = false;
                continue;
            }
            let Some(batch) = &connection.inbox.batch else {
                connection.is_ready = false;
                continue;
            };
            let first = connection.inbox.next;
            let count = connection.inbox.remaining().min(AHEAD - self.plan.len());
            let db = connection.session.db;
            for args in batch.requests_from(first).take(count) {
                let planned = Planned::new(&self.table, keyspace, db, args);
                planned.prefetch_bucket(keyspace);
                if let Some(before) = self.plan.len().checked_sub(BUCKETS_AHEAD) {
                    self.plan[before].prefetch_entry(keyspace);
                }
                self.plan.push(planned);
            }
            segments.push(Segment { place, count });
        }
        if self.plan.len() > 1 {
            // One alone would only be waited for a moment earlier.
            let rest = self.plan.len().saturating_sub(BUCKETS_AHEAD);
            self.plan[rest..].iter().for_each(|planned| planned.prefetch_entry(keyspace));
            self.look_inside(segments);
        }
    }

    /// Runs requests of one session.
    fn execute(
        &mut self,
        connection: &mut Connection,
        plan: core::ops::Range<usize>,
        now: Now,
        outside: &mut dyn Outside,
        out: &mut Outbox,
    ) -> Left {
        let Connection { inbox, outgoing, session, .. } = connection;
        if outgoing.bytes.capacity() == 0 {
            outgoing.bytes = out.pool.buffer();
        }
        let is_open = self.shared.standing.is_open()
            && !self.core.settings.looks_close()
            && self.core.monitors.is_empty();
        let mut stage = Stage {
            shared: &mut self.shared,
            watch: &mut self.watch,
            core: &mut self.core,
            table: &self.table,
            outside,
            out,
            now,
        };
        let mut flow = Flow::Next;
        if let Some(batch) = &inbox.batch {
            // A large request may be in it: each is looked at.
            let is_open = is_open && batch.memory_bytes() <= stage.core.settings.slow.request_bytes;
            for (index, args) in plan.zip(batch.requests_from(inbox.next)) {
                let planned = &self.plan[index];
                if stage.shared.standing.holds_writes && stage.must_wait(session, planned, args) {
                    session.is_held = true;
                    stage.core.held.push(session.conn);
                    break;
                }
                if !stage.shared.in_flight.is_empty()
                    && let Some(id) = stage.awaited_move(session, planned, args)
                {
                    session.is_held = true;
                    stage.core.moves.park(id, session.conn);
                    break;
                }
                inbox.next += 1;
                flow = stage.request(session, &mut outgoing.bytes, args, planned, is_open);
                // Who waits for what the request has changed comes before the next one.
                let is_over = session.is_blocked || session.is_closing || stage.watch.blocking.has_ready();
                if flow == Flow::Yield || is_over {
                    break;
                }
            }
        }
        outgoing.needed = needed(&self.shared, session);
        session.watched_bytes = self.watch.memory_bytes(session.conn);
        self.end_batch(connection, out);
        let place = connection.session.conn.place() as u32;
        let outgoing = &mut connection.outgoing;
        if (!outgoing.bytes.is_empty() || connection.session.is_closing)
            && !core::mem::replace(&mut outgoing.is_listed, true)
        {
            self.core.sessions.dirty.push(place);
        }
        left(flow, connection)
    }

    /// Goes on to the next batch where one is done; a batch that ended for a reason of its own is answered.
    fn end_batch(&mut self, connection: &mut Connection, out: &mut Outbox) {
        let is_closing = connection.session.is_closing;
        while !connection.session.is_stuck() {
            let Some(batch) = &connection.inbox.batch else { break };
            if connection.inbox.next < batch.len() {
                break;
            }
            match batch.ending() {
                Ending::Open => {}
                Ending::Held => {
                    let session = &connection.session;
                    let mode = requests_mode(&self.core.settings, session.is_authenticated);
                    out.put(Output::Frame { conn: session.conn, mode });
                }
                Ending::Broken(error) => {
                    if *error == wire::ProtocolError::BufferOverflow {
                        self.core.stats.query_disconnections += 1;
                    } else {
                        let bytes = &mut connection.outgoing.bytes;
                        let mark = bytes.len();
                        Reply::new(bytes, connection.session.resp3).protocol_error(error);
                        self.core.stats.error(&bytes[mark + 1..]);
                    }
                    connection.session.is_closing = true;
                }
            }
            if let Some(batch) = connection.inbox.advance() {
                out.pool.recycle_batch(batch);
            }
            let has_requests = connection.inbox.batch.as_ref().is_some_and(|batch| !batch.is_empty());
            if has_requests {
                break;
            }
        }
        if !is_closing {
            resume(connection, out);
        }
    }
}

/// The offset that replies so far depend on. While the append-only file can not be written, readers do not wait for
/// others' writes: those may stay on their way for long.
fn needed(shared: &crate::Shared, session: &Session) -> u64 {
    if shared.standing.aof_error.is_some() { session.last_write } else { shared.feed.offset }
}

impl Planned {
    /// Finds a request's command and hashes its first key.
    #[inline(always)]
    pub fn new(table: &Table, keyspace: &Keyspace, db: u32, args: Args<'_>) -> Planned {
        let (found, has_key_first) = table.find(args);
        let mut hash = None;
        if has_key_first && let Some(key) = args.get(1) {
            hash = Some(keyspace.hash(key));
        }
        Planned { found, db, hash }
    }

    /// Asks the processor for the bucket of the first key.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, keyspace: &Keyspace) {
        if let Some(hash) = self.hash {
            keyspace.prefetch_bucket(self.db, hash);
        }
    }

    /// Asks the processor for the entry of the first key.
    #[inline]
    pub(crate) fn prefetch_entry(&self, keyspace: &Keyspace) {
        if let Some(hash) = self.hash {
            keyspace.prefetch_entry(self.db, hash);
        }
    }
}

impl Stage<'_> {
    /// True for a request that may change data: what waits while writes are held.
    fn must_wait(&self, session: &crate::session::Session, planned: &Planned, args: Args<'_>) -> bool {
        // What is refused whatever happens meanwhile is refused at once.
        let Found::Row(row) = planned.found else { return false };
        let spec = self.table.row(row).spec();
        if !spec.arity.fits(args.len()) {
            return false;
        }
        if self.core.pause.is_some_and(|pause| pause.holds_all) && !session.is_replica {
            return true;
        }
        let queued = session.multi.as_ref().is_some_and(|multi| multi.flags.has(Flags::WRITE));
        // Some that change no data pass something on all the same: a message, a sum that they keep.
        let passes_on = matches!(spec.name, "publish" | "spublish" | "pfcount");
        spec.flags.has(Flags::WRITE) || passes_on || (spec.name == "exec" && queued)
    }

    /// The move that a request must wait for.
    #[cold]
    pub fn awaited_move(
        &self,
        session: &crate::session::Session,
        planned: &Planned,
        args: Args<'_>,
    ) -> Option<u64> {
        let Found::Row(row) = planned.found else { return None };
        let (row, in_flight) = (self.table.row(row), &self.shared.in_flight);
        let (keyspace, now_ms) = (&self.shared.keyspace, self.now.unix.as_ms());
        let is_due = |key: &[u8]| {
            let entry = keyspace.find(session.db, key, keyspace.hash(key));
            entry.is_some_and(|entry| is_due(&entry, now_ms))
        };
        match &session.multi {
            None => in_flight.waits(row, args, &is_due),
            Some(multi) if row.spec().name == "exec" => in_flight.exec_waits(self.table, multi, &is_due),
            // It is queued only.
            Some(_) => None,
        }
    }

    /// Admits and runs one request.
    #[inline]
    pub(crate) fn request(
        &mut self,
        session: &mut crate::session::Session,
        bytes: &mut Vec<u8>,
        args: Args<'_>,
        planned: &Planned,
        is_open: bool,
    ) -> Flow {
        let Found::Row(row) = planned.found else {
            return self.unknown(session, bytes, args, planned.found);
        };
        session.last_row = Some(row);
        session.requests += 1;
        let entry = self.table.row(row);
        let is_admitted = is_open
            && session.is_plain
            && entry.is_plain
            && entry.is_brief(args.len())
            && crate::evict::is_room(self.core, self.shared)
            && is_served(&self.shared.routes, entry.has_key_first, planned.hash);
        let first = planned.hash.map(|hash| (args.at(1), hash));
        if !is_admitted {
            return self.slow_request(session, bytes, args, row, first);
        }
        let out = &*self.out;
        self.core.stats.ran(row, || out.ticks());
        self.shared.feed.begin_unit();
        let before = self.shared.feed.offset;
        let mark = bytes.len();
        let mut call = self.call(session, bytes, args, row, first);
        call.perform();
        let flow = call.flow;
        self.shared.feed.end_unit();
        if bytes.len() - mark > self.core.settings.slow.reply_bytes {
            self.note_sizes(session, args, row, bytes.len() - mark);
        }
        if self.shared.feed.offset != before {
            session.last_write = self.shared.feed.offset;
        }
        if !self.core.later.is_empty() {
            bytes.append(&mut self.core.later);
        }
        if self.watch.copies.is_pending() {
            self.tell_of_changes(session, bytes);
        }
        flow
    }

    /// Notes a request where it or its reply is large.
    #[cold]
    fn note_sizes(&mut self, session: &Session, args: Args<'_>, row: RowIndex, reply_bytes: usize) {
        let (thresholds, sizes) = (self.core.settings.slow, (wire_len(args), reply_bytes));
        self.core.slow.note_sizes(thresholds, sizes, self.table.row(row), args, session, self.now);
    }

    /// Tells tracking clients of what the request has changed.
    #[cold]
    fn tell_of_changes(&mut self, session: &mut crate::session::Session, bytes: &mut Vec<u8>) {
        let needed = self.shared.feed.offset;
        let runner = Some(Runner { session, bytes });
        self.watch.copies.deliver(&mut self.core.sessions, runner, needed, self.out);
    }

    /// A request that needs the whole of admission, or changes what becomes of its reply.
    #[cold]
    pub fn slow_request(
        &mut self,
        session: &mut crate::session::Session,
        bytes: &mut Vec<u8>,
        args: Args<'_>,
        row: RowIndex,
        first: Option<(&[u8], KeyHash)>,
    ) -> Flow {
        self.watch.copies.shrink(self.core.settings.tracked_max);
        if self.watch.copies.is_pending() {
            self.tell_of_changes(session, bytes);
        }
        let replies = session.replies;
        let was_asking = session.is_asking;
        let before = self.shared.feed.offset;
        let verdict = admission::verdict(&mut self.call(session, bytes, args, row, first));
        // Keys that made room for the request are told of before it.
        if self.watch.copies.is_pending() {
            self.tell_of_changes(session, bytes);
        }
        let mark = bytes.len();
        let mut flow = Flow::Next;
        match verdict {
            Verdict::Run => flow = self.run_alone(session, bytes, args, row, first),
            Verdict::Queue => {
                let mut call = self.call(session, bytes, args, row, first);
                let flags = call.table.row(row).spec().flags;
                let multi = call.session.multi.as_mut().expect("a request is queued in an open transaction");
                multi.push(row, flags, args);
                call.reply.simple("QUEUED");
            }
            Verdict::Refuse(refusal) => {
                let mut call = self.call(session, bytes, args, row, first);
                call.reply.error_display(&refusal);
                if call.table.row(row).spec().name == "exec" {
                    call.show_monitors();
                }
                call.core.stats.commands[usize::from(row)].rejected += 1;
                let at = mark + 1;
                let text = &call.reply.out()[at..];
                call.core.stats.error(text);
            }
        }
        if self.shared.feed.offset != before {
            session.last_write = self.shared.feed.offset;
        }
        // Who waits for a key goes on with this request later.
        if session.is_blocked && self.watch.blocking.wait_of(session.conn).is_some() {
            bytes.append(&mut self.core.later);
            return flow;
        }
        // ASKING holds for one request; the transaction it stands in front of counts as one.
        if was_asking && session.multi.is_none() {
            session.is_asking = false;
            session.settle();
        }
        // PSYNC has sent away what stood before it.
        self.note_sizes(session, args, row, bytes.len().saturating_sub(mark));
        self.end_request(session, bytes, row, (mark, replies));
        flow
    }

    /// Runs a request that admission has looked at, and what looks at requests one by one.
    fn run_alone(
        &mut self,
        session: &mut Session,
        bytes: &mut Vec<u8>,
        args: Args<'_>,
        row: RowIndex,
        first: Option<(&[u8], KeyHash)>,
    ) -> Flow {
        let is_alone = self.core.settings.slow.is_close || !self.table.row(row).is_brief(args.len());
        let out = &*self.out;
        if is_alone {
            self.core.stats.stop(out.ticks());
        }
        self.core.stats.ran(row, || out.ticks());
        self.shared.feed.begin_unit();
        let mut call = self.call(session, bytes, args, row, first);
        let is_retried = call.is_retried();
        call.perform_watched();
        // Who waits for a key is looked at when the request is done.
        let is_done = !call.session.is_blocked;
        if is_alone {
            let stalls = core::mem::take(&mut call.core.slow.stalls);
            let spent = call.core.stats.lap(call.out.ticks(), stalls);
            if is_done {
                call.took(row, args, spent);
            }
        }
        if is_done {
            call.note_copies();
        }
        // One who waits is shown when it comes, and never again.
        if !is_retried {
            call.show_monitors();
        }
        let flow = call.flow;
        self.shared.feed.end_unit();
        flow
    }

    /// What follows a request's reply, which begins at `mark`. `replies`: what was wanted before it.
    fn end_request(
        &mut self,
        session: &mut Session,
        bytes: &mut Vec<u8>,
        row: RowIndex,
        (mark, replies): (usize, Replies),
    ) {
        // What a client listens to is told whatever it wants to hear otherwise, and so is that it listens.
        let is_push = bytes.get(mark).is_some_and(|kind| *kind != b'-')
            && self.table.row(row).spec().name.ends_with("subscribe");
        let cut_at = if is_push { bytes.len() } else { mark };
        settle_replies(session, bytes, cut_at, replies);
        bytes.append(&mut self.core.later);
        if self.watch.copies.is_pending() {
            self.tell_of_changes(session, bytes);
        }
        // What CLIENT CACHING says holds for one request, or one transaction.
        if let Some(tracking) = &mut session.tracking
            && tracking.is_caching_given
            && session.multi.is_none()
            && !self.table.is_in(row, "client")
        {
            tracking.is_caching_given = false;
        }
    }

    #[cold]
    fn unknown(
        &mut self,
        session: &mut crate::session::Session,
        bytes: &mut Vec<u8>,
        args: Args<'_>,
        found: Found,
    ) -> Flow {
        let mark = bytes.len();
        // What looks like HTTP is an attack through somebody's browser: no second line of it is read.
        let is_http = args
            .get(0)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"host:") || name.eq_ignore_ascii_case(b"post"));
        if is_http && !session.is_stream {
            session.is_closing = true;
            self.out.log(
                machine::Level::Warning,
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to \
                 Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to \
                 compromise your Redis instance. Connection aborted.",
            );
            return Flow::Next;
        }
        // A client that may do nothing is not told either what there is.
        let hides = self.core.settings.is_valkey && !session.is_authenticated;
        let refusal = if hides { Refusal::NoAuth } else { self.table.refuse(found, args) };
        Reply::new(bytes, session.resp3).error_display(&refusal);
        self.core.stats.error(&bytes[mark + 1..]);
        if let Some(multi) = &mut session.multi {
            multi.is_aborted = true;
        }
        let replies = session.replies;
        settle_replies(session, bytes, mark, replies);
        Flow::Next
    }
}

/// What a run of requests leaves behind.
fn left(flow: Flow, connection: &Connection) -> Left {
    match flow {
        Flow::Yield => Left::Yield,
        Flow::Next if connection.session.is_stuck() => Left::Nothing,
        Flow::Next if connection.inbox.batch.is_some() => Left::More,
        Flow::Next => Left::Nothing,
    }
}

/// Cuts off the reply that CLIENT REPLY has asked not to send. `before` is how it stood when the request came.
pub fn settle_replies(
    session: &mut crate::session::Session,
    bytes: &mut Vec<u8>,
    mark: usize,
    before: Replies,
) {
    if (before, session.replies) == (Replies::On, Replies::On) {
        return;
    }
    // CLIENT REPLY ON is answered though nothing was before; OFF and SKIP write no answer themselves.
    if before != Replies::On && session.replies != Replies::On {
        bytes.truncate(mark);
    }
    session.replies = match (before, session.replies) {
        (_, Replies::SkipNext) => Replies::Skip,
        (Replies::Skip, Replies::Skip) => Replies::On,
        (_, other) => other,
    };
    session.settle();
}

/// True when the routing of a plain request is beyond doubt: no cluster, no key, or a slot that is wholly ours.
#[inline]
fn is_served(routes: &Routes, has_key: bool, hash: Option<KeyHash>) -> bool {
    if !routes.enabled {
        return true;
    }
    match (has_key, hash) {
        (false, _) => true,
        (true, Some(hash)) => {
            let slot = routes.slot(hash.slot());
            routes.ok && slot.owner == MYSELF && slot.migrating_to == NOBODY
        }
        (true, None) => false,
    }
}

/// True when nothing about a command itself makes admission look closer: its flags and the form of its keys.
pub fn is_plain(spec: &spec::Spec) -> bool {
    // EXEC goes by what is queued, DEBUG by a directive, CLIENT REPLY by what was asked before.
    let is_special = matches!(spec.name, "exec" | "debug" | "reply");
    let keys_plain = matches!(
        (spec.keys.count(), spec.keys.spec(0).map(|keys| (keys.begin, keys.find))),
        (0, _) | (1, Some((Begin::Index(1), Find::Range { last: 0, .. })))
    );
    !is_special && keys_plain && !spec.flags.has_any(Flags::NO_MULTI.and(Flags::ASKING))
}
