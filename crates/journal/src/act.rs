//! Acts: the consequences for the other parts of a node. The node carries them out in order, at once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Id;
use machine::ConnId;
use wire::Batch;

/// What another part of the node must do or know.
#[derive(Debug)]
pub enum Act {
    /// A load begins: the engine answers LOADING until `LoadEnded`. For a synchronisation the data that was here is
    /// dropped by the journal right after this act (in the same call): watched keys are touched, caches emptied.
    LoadBegan(Source),
    /// The load is over; the keyspace holds what was loaded.
    LoadEnded(Source, Result<Loaded, String>),
    /// The next effect that the engine encodes must be preceded by a SELECT: somebody starts to read the stream here.
    SelectAgain,
    /// Commands of the primary. The engine applies them; the node then calls `Journal::applied` with the batch.
    /// The node applies it before it gives the journal anything else that came from this connection.
    StreamBatch {
        /// The link to the primary.
        conn: ConnId,
        /// The commands, with their raw bytes.
        batch: Batch,
    },
    /// A file of commands is about to be loaded: the engine forgets a transaction that was begun, and selects database 0.
    ReplayFile,
    /// Commands of a file. The engine executes them; where one of them makes no sense to it, the node calls
    /// `Journal::replay_failed`.
    Replay {
        /// The commands.
        batch: Batch,
    },
    /// A WAITAOF ended: reached or timed out.
    WaitAofDone {
        /// Who asked.
        conn: ConnId,
        /// It is durable here.
        is_local: bool,
        /// Replicas where it is durable.
        acked: u32,
    },
    /// In step with the primary from here on: the link is up.
    PrimaryLinkUp,
    /// The link to the primary is gone. The engine forgets a transaction that was begun and not ended.
    PrimaryLinkDown,
    /// A WAIT ended: reached or timed out.
    WaitDone {
        /// Who asked.
        conn: ConnId,
        /// Replicas that have acknowledged its offset.
        acked: u32,
    },
    /// A WAIT ended without a count: this node follows a primary now (`-UNBLOCKED`).
    WaitBroken {
        /// Who asked.
        conn: ConnId,
    },
    /// A WAIT ended without a count: somebody asked for that (`-UNBLOCKED`).
    WaitUnblocked {
        /// Who asked.
        conn: ConnId,
    },
    /// A save ended. `conn` is the connection whose SAVE it was; none for BGSAVE, save points and shutdown.
    SaveDone {
        /// Who is blocked by its SAVE.
        conn: Option<ConnId>,
        /// In the file, or why not.
        result: Result<(), String>,
    },
    /// A shutdown that was asked for may go on: what had to be saved is saved, replicas had their time.
    ShutdownReady,
    /// A shutdown that was asked for can not go on; the text is for the log and the asker.
    ShutdownFailed(String),
}

/// Where loaded data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file of the last save, at start.
    File,
    /// A primary.
    Primary,
    /// A primary, into a keyspace of its own; the data here is not served meanwhile.
    Beside,
    /// The same, and the data here is served: it is of the same history.
    BesideServed,
    /// The file of the last save, into a node that serves already (DEBUG RELOAD).
    Reload,
}

/// What a load found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// False when there was no file.
    pub found: bool,
    /// Keys that are in the keyspace now.
    pub keys: u64,
    /// Keys that were expired already and left out.
    pub expired: u64,
    /// Collections without elements, which are no keys and were left out.
    pub empty: u64,
    /// The names of the first of them.
    pub empty_keys: Vec<Vec<u8>>,
    /// The history that the data belongs to, and the offset in it, where the file says so.
    pub position: Option<(Id, u64)>,
    /// The database that the stream has selected at that offset.
    pub stream_db: u32,
    /// Offset of the end of the last write that the data contains, where the file says so.
    pub data_offset: Option<u64>,
    /// The history before that of `position`, and the first offset that is not in it, where the file says so.
    pub second: Option<(Id, u64)>,
    /// Whom the data came from, where the file says so.
    pub bond: Option<crate::Bond>,
    /// About so many bytes more than up to `position` are in the data: a log without a mark at its end. Nobody can go on
    /// from there.
    pub unmarked_bytes: u64,
    /// Libraries of functions. They are not run here; what is saved or synchronised later has them again.
    pub functions: Vec<Vec<u8>>,
}

impl Loaded {
    /// 10: so many keys that were left out as empty are named in the log.
    const EMPTY_NAMED_MAX: usize = 10;

    /// Notes a collection without elements.
    pub(crate) fn note_empty(&mut self, key: &[u8]) {
        self.empty += 1;
        if self.empty_keys.len() < Loaded::EMPTY_NAMED_MAX {
            self.empty_keys.push(key.to_vec());
        }
    }

    /// Lines for the log.
    pub(crate) fn report(&self) -> Vec<String> {
        let name = |key: &Vec<u8>| format!("RDB load: skipping empty key: {}", key.escape_ascii());
        let mut lines: Vec<String> = self.empty_keys.iter().map(name).collect();
        let Loaded { keys, expired, empty, .. } = self;
        lines.push(format!(
            "Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}."
        ));
        lines
    }
}
