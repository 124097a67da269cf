//! Output: everything that a machine can ask of the world.

use crate::{Address, Chunk, ConnId, FileId, WriteId};
use alloc::string::String;
use alloc::vec::Vec;
use base::Span;
use wire::Mode;

/// What is to be done. Small and closed; the same for all roles; carried out in order.
#[derive(Debug)]
pub enum Output {
    /// Send bytes. What is sent to one connection stays in order.
    Send {
        /// To whom.
        conn: ConnId,
        /// What.
        bytes: Chunk,
        /// Not before this write is durable: the bytes, and all that is sent to `conn` after them, wait.
        /// If that write fails, the connection is closed instead: a promise that was not kept is not told.
        after: Option<WriteId>,
    },
    /// Close a connection. The world answers with `Input::Closed`, as for any other end.
    Close {
        /// Which.
        conn: ConnId,
        /// When.
        closing: Closing,
    },
    /// Open a connection; answered by `Input::Connected`.
    Connect {
        /// The number, from the machine's `Dialer`.
        conn: ConnId,
        /// Where to.
        to: Address,
        /// How its bytes are read.
        mode: Mode,
    },
    /// Read on in this mode: the answer to a batch that ended `Held`, or a change at any other time
    /// (then it holds for the bytes that were not framed yet).
    Frame {
        /// Which connection.
        conn: ConnId,
        /// How.
        mode: Mode,
    },
    /// Stop reading from a connection; its end is still noticed.
    Pause(ConnId),
    /// Read again.
    Resume(ConnId),
    /// Work for the disk.
    Disk(DiskOp),
    /// Stand still for so long, the whole process, as DEBUG SLEEP asks.
    Stall(Span),
    /// A line for the log.
    Log {
        /// How loud.
        level: Level,
        /// One line, without a line end.
        text: String,
    },
    /// A setting that the world applies, and that can not be refused.
    Host(HostSetting),
    /// A question to the world, which answers with `Input::Answered` before the next turn's other inputs.
    Ask {
        /// Its number in the answer, chosen by the machine.
        ask: u64,
        /// What is asked.
        question: HostQuestion,
    },
    /// End the process by a fault of its own, as DEBUG SEGFAULT and DEBUG ASSERT ask.
    Crash(Crash),
    /// End the process after everything before this is out.
    Exit {
        /// The process' exit code.
        code: u8,
    },
}

/// When a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// At once; what was not sent is dropped.
    Now,
    /// When everything that was put out for it is sent, at the latest after a second without progress.
    Flushed,
}

/// Work for the disk. Paths are relative to the data directory, without `..`.
///
/// Operations on one file are carried out in order; those on different files may overlap.
#[derive(Debug)]
pub enum DiskOp {
    /// Replace a small file whole: temporary file, fsync, rename, fsync of the directory. Answered.
    Replace {
        /// Its number in the answer.
        write: WriteId,
        /// The file's name.
        path: String,
        /// The new content.
        bytes: Vec<u8>,
    },
    /// Create or empty a file, to append to. Not answered: a failure shows at the next answered step.
    Create {
        /// Its number from now on.
        file: FileId,
        /// The file's name.
        path: String,
    },
    /// Append bytes to a created file. Answered when the kernel has them (not: when they are durable).
    Append {
        /// The file.
        file: FileId,
        /// Its number in the answer.
        write: WriteId,
        /// The bytes.
        bytes: Chunk,
    },
    /// Make all that was appended durable. Answered.
    Sync {
        /// The file.
        file: FileId,
        /// Its number in the answer.
        write: WriteId,
    },
    /// Make a created file durable, close it and give it its final name (fsync, rename, fsync of the directory). Answered.
    Commit {
        /// The file.
        file: FileId,
        /// Its number in the answer.
        write: WriteId,
        /// The final name.
        path: String,
    },
    /// Close a created file and remove it. Not answered.
    Abandon {
        /// The file.
        file: FileId,
    },
    /// Open a file to read. Not answered: that it is missing shows at the first `Read`.
    Open {
        /// Its number from now on.
        file: FileId,
        /// The file's name.
        path: String,
    },
    /// How long is an open file? Answered by `Input::FileSize`.
    Measure {
        /// The file.
        file: FileId,
    },
    /// Read the next bytes, at most so many; answered by `Input::FileRead`.
    Read {
        /// The file.
        file: FileId,
        /// At most so many bytes.
        bytes_max: usize,
        /// Their CRC-64 is wanted, too.
        is_summed: bool,
    },
    /// Open a file to append to at its end; it is made, with its directory, where it is missing. Not answered: a failure
    /// shows at the next answered step. An `Append` to it happens whole or not at all; after one that failed all others
    /// fail, too, until the file is opened anew. Syncs may overlap, and be answered in another order.
    Extend {
        /// Its number from now on.
        file: FileId,
        /// The file's name.
        path: String,
        /// What is there already is dropped.
        is_new: bool,
    },
    /// Make durable what was appended to an extended file and answered before this was asked for. It takes no turn in the
    /// file's order: later appends go on meanwhile. Answered.
    SyncBeside {
        /// The file.
        file: FileId,
        /// Its number in the answer.
        write: WriteId,
    },
    /// Cut a file that is not open to its first bytes. In the order of the extended files' operations. Answered.
    Truncate {
        /// Its number in the answer.
        write: WriteId,
        /// The file's name.
        path: String,
        /// So many bytes stay.
        bytes: u64,
    },
    /// Give a file another name, durably. In the order of the extended files' operations. Answered.
    Rename {
        /// Its number in the answer.
        write: WriteId,
        /// The file's name.
        path: String,
        /// Its name from now on.
        to: String,
    },
    /// Close a file. Not answered.
    Close {
        /// The file.
        file: FileId,
    },
    /// Remove a file by name. Answered; a missing file is no failure.
    Remove {
        /// Its number in the answer.
        write: WriteId,
        /// The file's name.
        path: String,
    },
}

impl DiskOp {
    /// The number of an operation whose end is reported.
    pub fn write(&self) -> Option<WriteId> {
        match self {
            DiskOp::Replace { write, .. }
            | DiskOp::Append { write, .. }
            | DiskOp::Sync { write, .. }
            | DiskOp::SyncBeside { write, .. }
            | DiskOp::Truncate { write, .. }
            | DiskOp::Rename { write, .. }
            | DiskOp::Commit { write, .. }
            | DiskOp::Remove { write, .. } => Some(*write),
            DiskOp::Create { .. }
            | DiskOp::Extend { .. }
            | DiskOp::Abandon { .. }
            | DiskOp::Open { .. }
            | DiskOp::Measure { .. }
            | DiskOp::Read { .. }
            | DiskOp::Close { .. } => None,
        }
    }
}

/// How loud a line of the log is, as in the originals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `.` in the log.
    Debug,
    /// `-` in the log.
    Verbose,
    /// `*` in the log.
    Notice,
    /// `#` in the log.
    Warning,
}

/// A setting that the world applies while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSetting {
    /// `tcp-keepalive`, in seconds; 0 is off. For connections that open from now on.
    TcpKeepalive(u32),
    /// `loglevel`: the quietest level that is still written.
    LogLevel(Level),
    /// The role's character in the lines of the log: `M` for a primary, `S` for a replica.
    LogRole(char),
    /// `dir`: the data directory from now on. Refused when it can not be entered; the answer has its absolute path.
    Dir(String),
    /// `maxclients`: refused when the system allows fewer open files. The world adds what the machine needs itself.
    ClientsMax(u32),
    /// `bind` and `port`: where clients come in over TCP from now on. Refused when that can not be bound.
    Listen {
        /// The words of `bind`.
        bind: Vec<String>,
        /// The port; 0: no way in over TCP.
        port: u16,
    },
    /// `oom-score-adj`: what this process' score for the kernel's killer is. Refused when the system does.
    OomScore(OomScore),
    /// `crash-log-enabled`.
    CrashLog(bool),
    /// What the report of a crash says of the clients, from now on.
    Portrait {
        /// Lines of CLIENT LIST, as of this moment.
        clients: String,
        /// The client whose request runs now, and its request; empty: none does.
        current: String,
    },
    /// `watchdog-period` in ms: a turn that lasts longer is shown in the log; 0: none is.
    Watchdog(u32),
    /// `bind-source-addr`: where connections come from that open from now on; empty: the system decides.
    Source(String),
    /// Bytes for this connection may wait a little for more (`repl-disable-tcp-nodelay`).
    Gather(ConnId),
    /// The process' title from now on.
    Title(String),
    /// The machine serves: its supervisor may be told so. The text is for people.
    Ready(String),
    /// The machine is about to end: its supervisor may be told so.
    Stopping,
}

/// A score for the kernel's killer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScore {
    /// What it was at the start.
    AsFound,
    /// More than it was at the start by so much.
    Relative(i32),
    /// This.
    Absolute(i32),
}

/// What a machine can ask of the world where the answer decides how it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostQuestion {
    /// Apply all of these settings, or none.
    Apply(Vec<HostSetting>),
    /// The content of the configuration file as it is now.
    ReadConfig,
    /// Replace the configuration file by this content.
    WriteConfig(Vec<u8>),
    /// A number among the allocator's controls, in decimal digits; it is changed where there is a value.
    AllocatorNumber {
        /// Which.
        name: Vec<u8>,
        /// What it becomes.
        value: Option<i64>,
    },
    /// A text among the allocator's controls, or (no text) what was done where there is a value.
    AllocatorText {
        /// Which.
        name: Vec<u8>,
        /// What it becomes; `VOID` where it has no value.
        value: Option<Vec<u8>>,
    },
}

/// How a process ends by its own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// By a memory access that is not allowed.
    Segfault,
    /// By an assertion that does not hold.
    Assertion,
}
