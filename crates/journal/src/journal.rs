//! Journal: the part as its node sees it.
//!
//! One turn, in the order in which the node calls:
//!
//! ```text
//!   on_connected, on_batch, on_closed, on_unsent, on_disk, on_file_read, tick   as inputs arrive
//!   psync, replconf, wait, save, bgsave, shutdown                               as commands ask
//!   append(feed)         in seal: what the engine's commands did, in order
//!   seal(turn)           PINGs, snapshots, stream bytes to replicas
//!   release(safe_offset) the engine's replies, after that
//! ```

use crate::{Act, Facts, Settings};
use alloc::string::String;
use alloc::vec::Vec;
use base::{Id, Now, Random, Span, Unix};
use machine::{Address, ConnId, Dialer, DiskError, DiskNumbers, FileId, Outbox, Peer};
use wire::{Batch, batch::Args};

/// What the node lends to the journal for one call.
pub struct Turn<'a> {
    /// The present.
    pub now: Now,
    /// Numbers outbound connections.
    pub dialer: &'a mut Dialer,
    /// Numbers files and disk writes.
    pub numbers: &'a mut DiskNumbers,
    /// Bytes, connections, files, log lines.
    pub out: &'a mut Outbox,
    /// Consequences for engine and cluster, to be carried out in order right after the call.
    pub acts: &'a mut Vec<Act>,
}

/// How REPLCONF is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replconf {
    /// `+OK`.
    Ok,
    /// Nothing at all (ACK, GETACK).
    Silent,
    /// An error, from its code on (`ERR ...`).
    Refused(String),
}

/// What a shutdown asks of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownWish {
    /// Some(true): SAVE; Some(false): NOSAVE; none: save when there are save points.
    pub save: Option<bool>,
    /// NOW: do not wait for lagging replicas.
    pub now: bool,
    /// FORCE: go on when the save fails.
    pub force: bool,
}

/// The ordered stream of writes and everything that reads or feeds it.
pub struct Journal {
    settings: Settings,
    random: Random,
}

impl Journal {
    /// A journal without history: a new replication id, offset 0, the role of a primary.
    pub fn new(settings: Settings, random: Random, now: Now) -> Journal {
        let _ = now;
        Journal { settings, random }
    }

    /// Starts to load the file of the last save, in the role that the journal has now: call `follow` first where the
    /// configuration names a primary. `LoadEnded` comes in any case, also when there is no file.
    pub fn boot(&mut self, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Takes changed settings over.
    pub fn configure(&mut self, settings: Settings, _turn: &mut Turn<'_>) {
        self.settings = settings;
        let _ = &self.random;
    }

    // ----- the stream

    /// True when effects must be encoded: somebody reads the stream, or a backlog is kept. Without, the offset stands still.
    pub fn wants_feed(&self) -> bool {
        todo!()
    }

    /// Appends the effects of this turn, as a primary. Whole transactions only.
    pub fn append(&mut self, _bytes: Vec<u8>) {
        todo!()
    }

    /// Counts changes to the data, for save points (`dirty` of the originals).
    pub fn changed(&mut self, _changes: u64) {
        todo!()
    }

    /// The batch of `Act::StreamBatch` after the engine applied it: `bytes_done` raw bytes of all that was given so far up to
    /// the last whole command or transaction, or the error that names what could not be applied.
    /// (After an error the link is cut and tried again later; the node is not in step.)
    pub fn applied(&mut self, _batch: Batch, _result: Result<u64, String>, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// The end of the journal: `master_repl_offset`.
    pub fn offset(&self) -> u64 {
        todo!()
    }

    /// Offset of the end of the last real write (no PING, GETACK, SELECT).
    pub fn data_offset(&self) -> u64 {
        todo!()
    }

    /// The id of the history that `offset` counts in.
    pub fn replid(&self) -> Id {
        todo!()
    }

    /// Replies that need no more than this offset may leave. Valid right after `seal`.
    pub fn safe_offset(&self) -> u64 {
        todo!()
    }

    /// While true no PING is put into the stream: a manual failover compares offsets.
    pub fn hold_pings(&mut self, _held: bool) {
        todo!()
    }

    // ----- the role

    /// Follow this primary. A journal that led keeps its history to try a partial resynchronisation.
    pub fn follow(&mut self, _primary: Address, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Lead: a new history begins here; the one until here stays known as the second.
    pub fn lead(&mut self, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// The primary that is followed.
    pub fn primary(&self) -> Option<&Address> {
        todo!()
    }

    /// True while a load runs.
    pub fn is_loading(&self) -> bool {
        todo!()
    }

    /// Replicas in step whose lag is within `min-replicas-max-lag`.
    pub fn good_replicas(&self, _now: Now) -> u32 {
        todo!()
    }

    // ----- commands of clients

    /// PSYNC (or SYNC: `args` has one element). The journal writes the answer itself, in a later turn, so the engine's reply is
    /// nothing; from here on the connection is a replica's link. An error is from its code on and leaves the connection a client.
    pub fn psync(
        &mut self,
        _conn: ConnId,
        _peer: &Peer,
        _args: Args<'_>,
        _turn: &mut Turn<'_>,
    ) -> Result<(), String> {
        todo!()
    }

    /// REPLCONF, from a connection that is or becomes a replica's link.
    pub fn replconf(&mut self, _conn: ConnId, _args: Args<'_>, _turn: &mut Turn<'_>) -> Replconf {
        todo!()
    }

    /// Something came from this connection (keepalive newlines make no request): call for every batch of an inbound link.
    pub fn heard(&mut self, _conn: ConnId, _now: Now) {
        todo!()
    }

    /// WAIT: the count if it is reached already (or the wait is for nothing), none when the client must block until `WaitDone`.
    /// `offset` is the end of the client's last write; a timeout of zero waits forever.
    pub fn wait(
        &mut self,
        _conn: ConnId,
        _offset: u64,
        _replicas: u32,
        _timeout: Span,
        _now: Now,
    ) -> Option<u32> {
        todo!()
    }

    /// SAVE: starts at the end of this turn; the client blocks until `SaveDone`. BGSAVE: `conn` is none.
    /// An error is from its code on.
    pub fn save(&mut self, _conn: Option<ConnId>, _turn: &mut Turn<'_>) -> Result<(), String> {
        todo!()
    }

    /// BGSAVE SCHEDULE: as soon as the running snapshot is done; true when it started at once.
    pub fn schedule_save(&mut self, _turn: &mut Turn<'_>) -> bool {
        todo!()
    }

    /// LASTSAVE.
    pub fn last_save(&self) -> Unix {
        todo!()
    }

    /// Prepares the end of the process; ends with `ShutdownReady` or `ShutdownFailed`. The node stops clients' writes meanwhile.
    pub fn shutdown(&mut self, _wish: ShutdownWish, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// SHUTDOWN ABORT; false when none was under way.
    pub fn abort_shutdown(&mut self) -> bool {
        todo!()
    }

    // ----- inputs

    /// True for an outbound connection of the journal: its `Connected`, `Batches` and `Closed` belong here.
    pub fn owns_conn(&self, _conn: ConnId) -> bool {
        todo!()
    }

    /// True for a file of the journal.
    pub fn owns_file(&self, _file: FileId) -> bool {
        todo!()
    }

    /// The connection to the primary stands, or not.
    pub fn on_connected(&mut self, _conn: ConnId, _result: Result<Peer, String>, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Bytes from the primary.
    pub fn on_batch(&mut self, _conn: ConnId, _batch: Batch, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Any connection closed: a link, a waiting client, the primary. The node gives outbound numbers back to the dialer.
    pub fn on_closed(&mut self, _conn: ConnId, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// What a connection could not send yet; others than links are ignored.
    pub fn on_unsent(&mut self, _conn: ConnId, _bytes: usize) {
        todo!()
    }

    /// A disk operation ended; false when it is not the journal's.
    pub fn on_disk(&mut self, _disk: &machine::Disk, _turn: &mut Turn<'_>) -> bool {
        todo!()
    }

    /// Bytes of a file that the journal reads.
    pub fn on_file_read(&mut self, _file: FileId, _result: Result<Vec<u8>, DiskError>, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Time passed: timeouts, retries, ACKs, save points, a slice of a running load.
    pub fn tick(&mut self, _turn: &mut Turn<'_>) {
        todo!()
    }

    /// Ends the turn: starts snapshots, walks a slice, puts the stream out to the replicas, sets `wake_at` and `again`.
    pub fn seal(&mut self, _turn: &mut Turn<'_>) {
        todo!()
    }

    // ----- answers

    /// Everything that INFO, ROLE and the cluster want to know.
    pub fn facts(&self, _now: Now) -> Facts {
        todo!()
    }
}
