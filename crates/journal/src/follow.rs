//! Follow: how a replica gets in step with its primary, and stays there.
//!
//! ```text
//!   Idle --retry_at--> Connecting --> Greeting (PING, AUTH, REPLCONF ..., PSYNC)
//!     ^                                  |                |
//!     |                              +CONTINUE       +FULLRESYNC
//!     |                                  v                v
//!     +----- any failure --------------Linked <--load--Transfer
//! ```
//!
//! It speaks to the primary and tells its journal what that means, as `Event`s. The own data is replaced only
//! when the header and the first key of the primary's snapshot were read and understood.
//!
//! Invariant: what was received and not applied is no part of the offset. A cut link asks for it again.

mod facts;
mod talk;

use crate::journal::Takeover;
use crate::lineage::{Lack, PORTRAIT_BYTES_MAX, Portrait, Stake};
use crate::load::Step;
use crate::transfer::{Frame, Transfer};
use crate::{Loaded, Settings, Turn};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Id, Now, Span, Time, Unix};
use data::Keyspace;
use machine::{Address, ConnId, Disk, DiskError, FileId, Level, Output, Peer};
pub(crate) use talk::command;
use talk::{Line, ack, frame, on_ping, psync, reframe};
use wire::{Batch, Ending, Framer, Mode};

/// 1 s: the pause before the next attempt, as in the originals.
const RETRY: Span = Span::seconds(1);
/// 60 s: the longest pause, after repeated attempts that ended with data that can not be understood.
const RETRY_MAX: Span = Span::seconds(60);
/// 10 s: the longest pause between two looks at a primary whose data is refused.
const LOOK_MAX: Span = Span::seconds(10);
/// 1 s: between two acknowledgements, and between two signs of life during a load.
const ACK_PERIOD: Span = Span::seconds(1);

/// What the journal must do about it, in order.
#[derive(Debug)]
pub(crate) enum Event {
    /// The primary goes on where we are; its history may have another name now.
    Continue(Option<Id>),
    /// The primary's data is about to come in: the own data must go first.
    Replace,
    /// The primary's data is about to come in beside the own. True: the own is served meanwhile.
    Beside(bool),
    /// What came in beside the own data takes its place.
    Swap(Box<Keyspace>),
    /// The primary's data is in. This history at this offset begins.
    Synced(Id, u64, Box<Loaded>),
    /// Commands.
    Stream(ConnId, Batch),
    /// The link, or the attempt to get one, ended, and with it what was loaded.
    Down { was_linked: bool, was: Loading, error: String },
}

/// The state of a replica towards its primary.
pub(crate) struct Follow {
    pub(crate) primary: Address,
    state: State,
    /// Attempts in a row that ended with data that could not be understood.
    bad_data: u32,
    down_since: Option<Time>,
    in_step_at: Option<Time>,
    last_error: Option<String>,
    /// Connections that were closed here and are not reported closed yet. Bound: one per attempt, which lasts a second.
    closing: Vec<ConnId>,
    /// The first PSYNC asks the primary to be one.
    pub(crate) takeover: Option<Takeover>,
    /// The stream is on disk here up to this offset; none without an append-only file. The journal keeps it true.
    pub(crate) filed: Option<u64>,
    /// The primary's data is refused, and how often in a row.
    refused: Option<(Lack, u32)>,
    /// The operator takes the data of this primary as it is, until the link stands.
    accepts: bool,
    /// The end of our history, where the primary did not say who it is: an empty snapshot tells.
    unjudged: Option<u64>,
}

/// A load from the primary that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    Nothing,
    /// The own data is gone and the primary's is not complete.
    Instead,
    /// The own data is here; it is served or not.
    Beside {
        is_served: bool,
    },
}

/// What this node has when it asks its primary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand {
    /// The history that can be continued, and its end.
    pub(crate) position: Option<(Id, u64)>,
    /// What a full synchronisation must not cost.
    pub(crate) stake: Option<Stake>,
}

enum State {
    Idle { retry_at: Time },
    Connecting { conn: ConnId, since: Time },
    Greeting { conn: ConnId, heard: Time, asked: VecDeque<Ask> },
    Transfer { conn: ConnId, heard: Time, sign_at: Time, transfer: Box<Transfer> },
    Linked { conn: ConnId, heard: Time, ack_at: Time, rest: Option<Box<Framer>> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    Ping,
    Auth,
    Port,
    Ip,
    Capabilities,
    /// Redis does not know it and says so: nothing is amiss.
    Version,
    /// Who it is.
    Portrait,
    /// The body of the answer to that: bytes that are still to come, and those that are here.
    Body(usize, Vec<u8>),
    Psync,
    /// The announcement of the payload.
    Payload(Id, u64),
}

/// What a primary is told: the first version of Valkey whose snapshots may hold hashes with fields that expire; a primary
/// fails to write one for less. Replicas since version 8 execute CLUSTER SETSLOT of the stream, too.
const VERSION_LIKE: &[u8] = b"9.0.0";

/// Why an attempt ends.
enum Fault {
    /// The link: try again at once, then every second.
    Link(String),
    /// The data: try again, but ever more slowly.
    Data(String),
    /// It lacks what we have: look again.
    Lack(Lack),
}

impl Follow {
    pub(crate) fn new(primary: Address, now: Now) -> Follow {
        Follow {
            primary,
            state: State::Idle { retry_at: now.mono },
            bad_data: 0,
            down_since: None,
            in_step_at: None,
            last_error: None,
            closing: Vec::new(),
            takeover: None,
            filed: None,
            refused: None,
            accepts: false,
            unjudged: None,
        }
    }

    /// The link stands.
    /// When the primary was last heard while the data was in step with it.
    pub(crate) fn heard_at(&self) -> Option<Time> {
        match &self.state {
            State::Linked { heard, .. } => Some(*heard),
            State::Idle { .. }
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Transfer { .. } => self.in_step_at,
        }
    }

    pub(crate) fn is_linked(&self) -> bool {
        matches!(self.state, State::Linked { .. })
    }

    /// The primary's data is coming in; the own is gone.
    pub(crate) fn is_loading(&self) -> bool {
        self.what_is_loaded() == Loading::Instead
    }

    pub(crate) fn what_is_loaded(&self) -> Loading {
        let State::Transfer { transfer, .. } = &self.state else { return Loading::Nothing };
        match &transfer.aside {
            _ if transfer.replaced => Loading::Instead,
            Some(aside) if aside.is_begun => Loading::Beside { is_served: aside.is_served },
            Some(_) | None => Loading::Nothing,
        }
    }

    /// What a transfer has collected goes.
    fn give_transfer_up(&mut self, turn: &mut Turn<'_>) {
        if let State::Transfer { transfer, .. } = &mut self.state {
            transfer.give_up(turn);
        }
    }

    /// Work is at hand for `work`.
    pub(crate) fn has_work(&self) -> bool {
        matches!(&self.state, State::Transfer { transfer, .. } if transfer.has_work())
    }

    fn conn(&self) -> Option<ConnId> {
        match &self.state {
            State::Idle { .. } => None,
            State::Connecting { conn, .. }
            | State::Greeting { conn, .. }
            | State::Transfer { conn, .. }
            | State::Linked { conn, .. } => Some(*conn),
        }
    }

    /// True for a connection that was opened here and is not reported closed.
    pub(crate) fn owns(&self, conn: ConnId) -> bool {
        self.conn() == Some(conn) || self.closing.contains(&conn)
    }

    /// Closes what is open: the role changes. Returns the connections whose end is still to be reported.
    pub(crate) fn stop(mut self, turn: &mut Turn<'_>) -> Vec<ConnId> {
        self.give_transfer_up(turn);
        if let Some(conn) = self.conn() {
            turn.out.close_now(conn);
            self.closing.push(conn);
        }
        self.closing
    }

    /// Takes over the connections of a former primary whose end is still to be reported.
    pub(crate) fn inherit(&mut self, closing: Vec<ConnId>) {
        self.closing.extend(closing);
    }

    // ----- inputs

    pub(crate) fn on_connected(
        &mut self,
        conn: ConnId,
        result: Result<Peer, String>,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        let is_ours = matches!(&self.state, State::Connecting { conn: own, .. } if *own == conn);
        match result {
            Ok(_) if is_ours => {
                turn.out.send(conn, command(&[b"PING"]));
                let asked = VecDeque::from([Ask::Ping]);
                self.state = State::Greeting { conn, heard: turn.now.mono, asked };
            }
            // It was given up meanwhile; its end is reported later.
            Ok(_) => {}
            Err(error) => {
                self.closing.retain(|closing| *closing != conn);
                turn.dialer.closed(conn);
                if is_ours {
                    self.state = State::Idle { retry_at: turn.now.mono };
                    self.fail(
                        Fault::Link(format!("Error condition on socket for SYNC: {error}")),
                        turn,
                        events,
                    );
                }
            }
        }
    }

    pub(crate) fn on_closed(&mut self, conn: ConnId, turn: &mut Turn<'_>, events: &mut Vec<Event>) {
        turn.dialer.closed(conn);
        if self.conn() != Some(conn) {
            self.closing.retain(|closing| *closing != conn);
            return;
        }
        let (was_linked, was) = (self.is_linked(), self.what_is_loaded());
        self.give_transfer_up(turn);
        self.state = State::Idle { retry_at: turn.now.mono };
        let error = "Connection with MASTER lost".to_string();
        self.note_down(was_linked, was, error, turn, events);
    }

    pub(crate) fn on_batch(
        &mut self,
        conn: ConnId,
        batch: Batch,
        settings: &Settings,
        stand: Stand,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        if self.conn() != Some(conn) {
            turn.out.pool.recycle_batch(batch);
            return;
        }
        let now = turn.now.mono;
        if let Ending::Broken(error) = batch.ending() {
            let error = format!("the primary's bytes make no sense: {error:?}");
            return self.fail(Fault::Link(error), turn, events);
        }
        let result = match &mut self.state {
            State::Greeting { heard, asked, .. } => {
                *heard = now;
                match asked.pop_front() {
                    Some(Ask::Body(left, body)) => self.on_portrait(conn, &batch, (left, body), stand, turn),
                    first => {
                        first.into_iter().for_each(|first| asked.push_front(first));
                        self.on_replies(conn, &batch, settings, stand, turn, events)
                    }
                }
            }
            State::Transfer { heard, transfer, .. } => {
                *heard = now;
                transfer.take(conn, &batch, turn);
                Ok(())
            }
            State::Linked { heard, rest, .. } => {
                *heard = now;
                self.in_step_at = Some(now);
                match rest {
                    None => {
                        events.push(Event::Stream(conn, batch));
                        return;
                    }
                    Some(framer) => {
                        let parts = (0..batch.len()).flat_map(|index| batch.request(index).iter());
                        let bytes: Vec<u8> = parts.flatten().copied().collect();
                        reframe(conn, framer, &bytes, turn, events)
                    }
                }
            }
            // Nothing is expected yet.
            State::Idle { .. } | State::Connecting { .. } => Ok(()),
        };
        turn.out.pool.recycle_batch(batch);
        if let Err(fault) = result {
            self.fail(fault, turn, events);
        }
    }

    fn on_replies(
        &mut self,
        conn: ConnId,
        batch: &Batch,
        settings: &Settings,
        stand: Stand,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let mut mode = Mode::Replies;
        for index in 0..batch.len() {
            // An empty line is a sign of life of a primary that has to wait itself.
            let Some(reply) = Line::read(batch, index) else { continue };
            let State::Greeting { asked, .. } = &mut self.state else {
                return Err(Fault::Link("the primary talks when it should wait".to_string()));
            };
            let Some(ask) = asked.pop_front() else {
                return Err(Fault::Link(format!("a reply that nothing was asked for: {}", reply.text)));
            };
            match ask {
                Ask::Ping => on_ping(conn, &reply, settings, asked, turn)?,
                Ask::Auth if reply.is_error() => {
                    return Err(Fault::Link(format!("Unable to AUTH to MASTER: {}", reply.text)));
                }
                Ask::Auth => {}
                Ask::Port | Ask::Ip | Ask::Capabilities => {
                    if reply.is_error() {
                        let text =
                            format!("(Non critical) Master does not understand {ask:?}: {}", reply.text);
                        turn.out.log(Level::Notice, text);
                    }
                }
                Ask::Version => {
                    self.unjudged = stand.stake.filter(|_| !self.accepts).map(|stake| stake.end);
                    if self.unjudged.is_some() {
                        asked.push_back(Ask::Portrait);
                        turn.out.send(conn, command(&[b"INFO"]));
                    } else {
                        self.ask_for_stream(conn, stand.position, turn);
                    }
                }
                Ask::Portrait => mode = self.on_info(conn, &reply, stand, turn)?,
                Ask::Body(..) => return Err(Fault::Link("the primary talks out of turn".to_string())),
                Ask::Psync => mode = self.on_psync(conn, &reply, turn, events)?,
                Ask::Payload(replid, offset) => {
                    let (frame, ours) = (frame(&reply)?, stand.position.map(|(replid, _)| replid));
                    let transfer = Transfer::new((replid, offset), frame, ours, settings, turn);
                    let transfer = Box::new(transfer);
                    let to = if transfer.is_spooled() { "disk" } else { "parser" };
                    let text = match &transfer.frame {
                        Frame::Length(bytes) => format!("receiving {bytes} bytes from master to {to}"),
                        Frame::Mark(_) => format!("receiving streamed RDB from master with EOF to {to}"),
                    };
                    turn.out.log(Level::Notice, format!("MASTER <-> REPLICA sync: {text}"));
                    let now = turn.now.mono;
                    self.state = State::Transfer { conn, heard: now, sign_at: now + ACK_PERIOD, transfer };
                    mode = Mode::Raw;
                }
            }
        }
        if *batch.ending() == Ending::Held {
            turn.out.put(Output::Frame { conn, mode });
        }
        Ok(())
    }

    /// The begin of the primary's INFO, or its refusal.
    fn on_info(
        &mut self,
        conn: ConnId,
        reply: &Line,
        stand: Stand,
        turn: &mut Turn<'_>,
    ) -> Result<Mode, Fault> {
        let State::Greeting { asked, .. } = &mut self.state else { return Ok(Mode::Replies) };
        match reply.text.parse::<usize>() {
            Ok(len) if reply.kind == b'$' && len <= PORTRAIT_BYTES_MAX => {
                // The line's end belongs to it.
                asked.push_front(Ask::Body(len + 2, Vec::new()));
                Ok(Mode::Raw)
            }
            Ok(_) => Err(Fault::Link(format!("a strange answer to INFO: {}", reply.text))),
            // It does not tell everybody.
            Err(_) => {
                self.ask_for_stream(conn, stand.position, turn);
                Ok(Mode::Replies)
            }
        }
    }

    fn ask_for_stream(&mut self, conn: ConnId, position: Option<(Id, u64)>, turn: &mut Turn<'_>) {
        if let State::Greeting { asked, .. } = &mut self.state {
            asked.push_back(Ask::Psync);
        }
        let request = psync(position, self.takeover == Some(Takeover::Asked), turn);
        turn.out.send(conn, request);
    }

    /// A part of the primary's INFO. Once it is whole: its data is asked for, or refused.
    fn on_portrait(
        &mut self,
        conn: ConnId,
        batch: &Batch,
        (left, mut body): (usize, Vec<u8>),
        stand: Stand,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let parts = (0..batch.len()).flat_map(|index| batch.request(index).iter());
        let bytes: Vec<u8> = parts.flatten().copied().collect();
        let Some(left) = left.checked_sub(bytes.len()) else {
            return Err(Fault::Link("the primary sends more than its INFO".to_string()));
        };
        body.extend_from_slice(&bytes);
        if left > 0 {
            if let State::Greeting { asked, .. } = &mut self.state {
                asked.push_front(Ask::Body(left, body));
            }
            return Ok(());
        }
        if let (Some(portrait), Some(stake)) = (Portrait::parse(&body), stand.stake) {
            if let Some(lack) = portrait.lack(&stake, turn.now.unix) {
                return Err(Fault::Lack(lack));
            }
            self.unjudged = None;
        }
        turn.out.put(Output::Frame { conn, mode: Mode::Replies });
        self.ask_for_stream(conn, stand.position, turn);
        Ok(())
    }

    fn on_psync(
        &mut self,
        conn: ConnId,
        reply: &Line,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Mode, Fault> {
        if self.takeover == Some(Takeover::Asked) {
            let is_taken = reply.kind == b'+'
                && (reply.text.starts_with("CONTINUE") || reply.text.starts_with("FULLRESYNC "));
            self.takeover = Some(if is_taken { Takeover::Taken } else { Takeover::Refused });
        }
        if let Some(rest) = reply.text.strip_prefix("FULLRESYNC ").filter(|_| reply.kind == b'+') {
            let mut words = rest.split(' ');
            let replid = words.next().and_then(|word| Id::parse(word.as_bytes()));
            let offset = words.next().and_then(|word| word.parse::<u64>().ok());
            let (Some(replid), Some(offset)) = (replid, offset) else {
                return Err(Fault::Link(format!("+FULLRESYNC with a wrong id or offset: {}", reply.text)));
            };
            turn.out.log(Level::Notice, format!("Full resync from master: {replid}:{offset}"));
            if let State::Greeting { asked, .. } = &mut self.state {
                asked.push_back(Ask::Payload(replid, offset));
            }
            return Ok(Mode::Replies);
        }
        if reply.kind == b'+' && (reply.text == "CONTINUE" || reply.text.starts_with("CONTINUE ")) {
            let replid = reply.text.split(' ').nth(1).and_then(|word| Id::parse(word.as_bytes()));
            turn.out.log(Level::Notice, "Successful partial resynchronization with master.");
            self.link(conn, None, turn);
            events.push(Event::Continue(replid));
            return Ok(Mode::Stream);
        }
        let text = format!("the primary does not synchronise: {}", reply.text);
        Err(Fault::Link(text))
    }

    fn link(&mut self, conn: ConnId, rest: Option<Box<Framer>>, turn: &Turn<'_>) {
        let now = turn.now.mono;
        self.down_since = None;
        (self.refused, self.accepts) = (None, false);
        self.in_step_at = Some(now);
        self.state = State::Linked { conn, heard: now, ack_at: now, rest };
    }

    /// A write ended; false when it is none of a transfer.
    pub(crate) fn on_disk(&mut self, disk: &Disk, turn: &mut Turn<'_>, events: &mut Vec<Event>) -> bool {
        let State::Transfer { conn, transfer, .. } = &mut self.state else { return false };
        let Some(result) = transfer.on_disk(*conn, disk, turn) else { return false };
        if let Err(text) = result {
            self.fail(Fault::Data(text), turn, events);
        }
        true
    }

    /// Bytes of a file; those of another are left.
    pub(crate) fn on_file_read(
        &mut self,
        file: FileId,
        result: Result<Vec<u8>, DiskError>,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        let State::Transfer { transfer, .. } = &mut self.state else { return };
        if let Some(Err(text)) = transfer.on_file_read(file, &mut Some(result), turn) {
            self.fail(Fault::Data(text), turn, events);
        }
    }

    // ----- work and time

    /// A slice of the load.
    pub(crate) fn work(
        &mut self,
        budget: usize,
        settings: &Settings,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        let State::Transfer { conn, transfer, .. } = &mut self.state else { return };
        let conn = *conn;
        let step = transfer.step(conn, budget, settings, turn);
        for line in transfer.loader.take_left_out() {
            turn.out.log(Level::Warning, line);
        }
        match step {
            Ok(Step::Starved | Step::More | Step::Early) => {}
            // Whoever would have lost as much in our history would be further on in it.
            Ok(Step::Ready)
                if transfer.loader.is_empty() && self.unjudged.is_some_and(|end| transfer.offset < end) =>
            {
                self.fail(Fault::Lack(Lack::Empty), turn, events);
            }
            Ok(Step::Ready) => {
                let lines = transfer.loader.writer().lines(turn.now);
                lines.into_iter().for_each(|line| turn.out.log(Level::Notice, line));
                turn.out.log(Level::Notice, "MASTER <-> REPLICA sync: Loading DB in memory");
                match &mut transfer.aside {
                    Some(aside) => {
                        aside.is_begun = true;
                        events.push(Event::Beside(aside.is_served));
                    }
                    None => {
                        transfer.replaced = true;
                        events.push(Event::Replace);
                    }
                }
            }
            Ok(Step::Done) => match transfer.finish() {
                Ok(true) => {
                    let rest = core::mem::take(&mut transfer.tail);
                    let (replid, offset) = (transfer.replid, transfer.offset);
                    let loaded = transfer.loader.loaded.clone();
                    turn.out.log(Level::Notice, "MASTER <-> REPLICA sync: Finished with success");
                    if transfer.is_paused {
                        turn.out.put(Output::Resume(conn));
                    }
                    let mut framer = Box::new(Framer::new(Mode::Stream));
                    events.extend(transfer.aside.take().map(|aside| Event::Swap(aside.keyspace)));
                    events.push(Event::Synced(replid, offset, Box::new(loaded)));
                    let result = reframe(conn, &mut framer, &rest, turn, events);
                    self.link(conn, Some(framer), turn);
                    if let Err(fault) = result {
                        self.fail(fault, turn, events);
                    }
                }
                Ok(false) => {}
                Err(text) => self.fail(Fault::Data(text), turn, events),
            },
            Err(text) => self.fail(Fault::Data(text), turn, events),
        }
    }

    /// Retries, timeouts, acknowledgements, signs of life. `applied` is the end of what was applied.
    pub(crate) fn tick(
        &mut self,
        settings: &Settings,
        applied: u64,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        let now = turn.now.mono;
        let is_over = |heard: Time| now.since(heard) > settings.timeout;
        let fault = match &mut self.state {
            State::Idle { retry_at } if *retry_at <= now => {
                let conn = turn.dialer.dial();
                turn.out.log(Level::Notice, format!("Connecting to MASTER {}", self.primary));
                turn.out.put(Output::Connect { conn, to: self.primary.clone(), mode: Mode::Replies });
                self.state = State::Connecting { conn, since: now };
                None
            }
            State::Idle { .. } => None,
            State::Connecting { since, .. } if is_over(*since) => Some("Timeout connecting to the MASTER..."),
            State::Greeting { heard, .. } if is_over(*heard) => Some("Timeout connecting to the MASTER..."),
            State::Connecting { .. } | State::Greeting { .. } => None,
            State::Transfer { conn, heard, sign_at, transfer } => {
                if *sign_at <= now {
                    *sign_at = now + ACK_PERIOD;
                    turn.out.send(*conn, b"\n".to_vec());
                }
                let is_waiting = !transfer.has_work() && !transfer.is_early && !transfer.is_paused;
                let text = "Timeout receiving bulk data from MASTER... If the problem persists try to set the \
                            'repl-timeout' parameter in redis.conf to a larger value.";
                (is_waiting && is_over(*heard)).then_some(text)
            }
            State::Linked { heard, .. } if is_over(*heard) => {
                Some("MASTER timeout: no data nor PING received...")
            }
            State::Linked { conn, ack_at, .. } => {
                if *ack_at <= now {
                    *ack_at = now + ACK_PERIOD;
                    turn.out.send(*conn, ack(applied, self.filed));
                }
                None
            }
        };
        if let Some(text) = fault {
            self.fail(Fault::Link(text.to_string()), turn, events);
        }
    }

    /// The primary asked for an acknowledgement.
    pub(crate) fn acknowledge(&mut self, applied: u64, turn: &mut Turn<'_>) {
        if let State::Linked { conn, ack_at, .. } = &mut self.state {
            *ack_at = turn.now.mono + ACK_PERIOD;
            turn.out.send(*conn, ack(applied, self.filed));
        }
    }

    /// What follows a snapshot is framed here until it ends with a whole command: then the world does it.
    pub(crate) fn seal(&mut self, turn: &mut Turn<'_>) {
        if let State::Linked { conn, rest, .. } = &mut self.state
            && rest.as_ref().is_some_and(|framer| framer.unframed_bytes() == 0)
        {
            *rest = None;
            turn.out.put(Output::Frame { conn: *conn, mode: Mode::Stream });
        }
    }

    /// When `tick` is wanted.
    pub(crate) fn wake_at(&self, settings: &Settings) -> Time {
        match &self.state {
            State::Idle { retry_at } => *retry_at,
            State::Connecting { since, .. } => *since + settings.timeout,
            State::Greeting { heard, .. } => *heard + settings.timeout,
            State::Transfer { sign_at, transfer, .. } => (*sign_at).min(transfer.due()),
            State::Linked { ack_at, heard, .. } => (*ack_at).min(*heard + settings.timeout),
        }
    }

    /// Commands of the primary were applied: what stood in the way is gone.
    pub(crate) fn note_progress(&mut self) {
        (self.bad_data, self.last_error) = (0, None);
    }

    /// Commands of the primary can not be applied: replication ends here, loudly.
    pub(crate) fn refuse(&mut self, error: String, turn: &mut Turn<'_>, events: &mut Vec<Event>) {
        self.fail(Fault::Data(error), turn, events);
    }

    /// An operator has killed the link.
    pub(crate) fn cut(&mut self, turn: &mut Turn<'_>, events: &mut Vec<Event>) {
        self.fail(Fault::Link("killed by CLIENT KILL".to_string()), turn, events);
    }

    fn fail(&mut self, fault: Fault, turn: &mut Turn<'_>, events: &mut Vec<Event>) {
        let (was_linked, was) = (self.is_linked(), self.what_is_loaded());
        self.give_transfer_up(turn);
        if let Some(conn) = self.conn() {
            turn.out.close_now(conn);
            self.closing.push(conn);
        }
        let now = turn.now.mono;
        let (error, pause) = match fault {
            // A cut in the middle of a load is no sign of a primary that is gone: as the originals, at once.
            Fault::Link(error) if was_linked || was != Loading::Nothing => (error, Span::ZERO),
            Fault::Link(error) => (error, RETRY),
            Fault::Data(error) => {
                let pause = RETRY.times(1 << self.bad_data.min(6)).min(RETRY_MAX);
                self.bad_data += 1;
                let seconds = pause.as_seconds();
                (format!("REPLICATION STOPPED, next attempt in {seconds} s: {error}"), pause)
            }
            Fault::Lack(lack) => self.refuse_data(lack),
        };
        self.state = State::Idle { retry_at: now + pause };
        self.note_down(was_linked, was, error, turn, events);
    }

    /// The primary's data is refused: what the log says, and how long to wait before the next look.
    fn refuse_data(&mut self, lack: Lack) -> (String, Span) {
        let times = self.refused.map_or(0, |(_, times)| times);
        self.refused = Some((lack, times.saturating_add(1)));
        let pause = RETRY.times(1 << times.min(6)).min(LOOK_MAX);
        let what = match lack {
            Lack::Empty => "came back without its data".to_string(),
            Lack::Older(end) => format!("came back with an older history, which ends at offset {end}"),
        };
        let text = "FULL SYNCHRONIZATION REFUSED: the primary";
        let rest = "this replica keeps its data, and looks again. To lead with it: REPLICAOF NO ONE. To take the \
                    primary's: REPLICAOF FULL SYNC";
        (format!("{text} {what}; {rest}"), pause)
    }

    /// Takes the primary's data whatever it is, once. False when none is refused.
    pub(crate) fn accept(&mut self, now: Now) -> bool {
        let is_refused = self.refused.is_some();
        self.accepts |= is_refused;
        if let State::Idle { retry_at } = &mut self.state
            && is_refused
        {
            *retry_at = now.mono;
        }
        is_refused
    }

    /// The primary's data is refused, and why.
    pub(crate) fn lack(&self) -> Option<Lack> {
        self.refused.map(|(lack, _)| lack)
    }

    /// When the data was last in step with the primary, by the wall clock.
    pub(crate) fn seen(&self, now: Now) -> Unix {
        let age = self.heard_at().map_or(Span::ZERO, |at| now.mono.since(at));
        Unix(now.unix.0.saturating_sub(age.as_us()))
    }

    fn note_down(
        &mut self,
        was_linked: bool,
        was: Loading,
        error: String,
        turn: &mut Turn<'_>,
        events: &mut Vec<Event>,
    ) {
        self.down_since.get_or_insert(turn.now.mono);
        if !was_linked && let State::Idle { retry_at } = &mut self.state {
            *retry_at = (*retry_at).max(turn.now.mono + RETRY);
        }
        turn.out.log(Level::Warning, format!("Link to the primary {} down: {error}", self.primary));
        self.last_error = Some(error.clone());
        events.push(Event::Down { was_linked, was, error });
    }
}
