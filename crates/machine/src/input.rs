//! Input: everything that can happen to a machine.

use crate::{ConnId, FileId, WriteId};
use alloc::string::String;
use alloc::vec::Vec;
use base::crc64::Crc64;
use core::fmt;
use core::net::IpAddr;
use wire::Batch;

/// What happened. Small and closed; the same for all roles.
#[derive(Debug)]
pub enum Input {
    /// A peer opened a connection. It is read in the mode of its listener until an `Output::Frame` says otherwise.
    Opened {
        /// Its number.
        conn: ConnId,
        /// Where it came in.
        listener: Listener,
        /// Who and where, as far as the socket tells.
        peer: Peer,
    },
    /// A connection that the machine asked for stands, or could not be made (then it is closed already).
    Connected {
        /// The number that the machine chose.
        conn: ConnId,
        /// The two ends, or why there is no connection.
        result: Result<Peer, String>,
    },
    /// What all connections that were ready in this turn have brought, one batch each.
    Batches(Vec<(ConnId, Batch)>),
    /// A connection is gone. No output for it has an effect any more.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// What each connection could not send yet, in bytes, where that changed: once per turn.
    Unsent(Vec<(ConnId, usize)>),
    /// What connections have brought of requests that are not whole: the bytes, and the memory that they pin. Said
    /// where the memory is worth counting and has changed.
    Unframed(Vec<(ConnId, usize, usize)>),
    /// A disk operation with a `WriteId` ended.
    Disk(Disk),
    /// The bytes that a `DiskOp::Read` asked for; none at the end of the file.
    FileRead {
        /// The file.
        file: FileId,
        /// The next bytes in order.
        result: Result<Vec<u8>, DiskError>,
        /// The CRC-64 of these bytes, where it was asked for. It may be missing.
        sum: Option<Crc64>,
    },
    /// How long a file is, after a `DiskOp::Measure`. There is no answer where that can not be known.
    FileSize {
        /// The file.
        file: FileId,
        /// Bytes.
        bytes: u64,
    },
    /// The time of `Outbox::wake_at` has come, or `Outbox::again` was asked for. The first turn has one as well.
    Tick,
    /// The operator asks.
    Signal(Signal),
    /// Figures that only the world knows, about every 100 ms.
    Host(HostFacts),
    /// The answer to an `Output::Ask`.
    Answered {
        /// The question's number.
        ask: u64,
        /// What was asked for: a file's content, the absolute path of a directory, or nothing.
        answer: Result<Vec<u8>, HostRefusal>,
    },
}

/// Why the world can not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRefusal {
    /// Which of several settings it is about.
    pub at: usize,
    /// The reason, in the system's words.
    pub text: String,
}

/// The end of a disk operation.
#[derive(Debug)]
pub struct Disk {
    /// The operation's number.
    pub write: WriteId,
    /// Durable, or why not.
    pub result: Result<(), DiskError>,
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The client port over TCP. Starts in `Mode::Requests`.
    Client,
    /// The client port over a Unix socket. Starts in `Mode::Requests`.
    Unix,
    /// The cluster bus. Starts in `Mode::Bus`.
    Bus,
}

/// The two ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end. For a Unix socket: the socket's path.
    pub remote: Address,
    /// Our end.
    pub local: Address,
}

/// Where to connect to, or where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An address and a port.
    Inet(IpAddr, u16),
    /// A host name and a port; the world resolves it.
    Name(String, u16),
    /// A Unix socket.
    Unix(String),
}

impl fmt::Display for Address {
    /// `127.0.0.1:6379`, `[::1]:6379`, `host:6379` or `/path:0`, as CLIENT LIST prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(IpAddr::V4(ip), port) => write!(f, "{ip}:{port}"),
            Address::Inet(IpAddr::V6(ip), port) => write!(f, "[{ip}]:{port}"),
            Address::Name(name, port) => write!(f, "{name}:{port}"),
            Address::Unix(path) => write!(f, "{path}:0"),
        }
    }
}

/// What the operator asks by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

/// Why a disk operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// What kind of trouble.
    pub fault: DiskFault,
    /// The system's own words, with the path.
    pub text: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Kinds of disk trouble that decide what a machine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// There is no such file.
    Missing,
    /// No space left, or over quota.
    Full,
    /// Anything else: EIO, EROFS, EACCES.
    Other,
}

/// What went over sockets since the start, and the turns that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Reads that brought something.
    pub reads: u64,
    /// Writes that took something.
    pub writes: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Time that they took, in microseconds: not that of waiting for something to happen.
    pub turns_us: u64,
    /// The longest of them.
    pub turn_us_max: u64,
}

impl Traffic {
    /// What came on top of `before`. The longest turn is that of all time.
    pub fn since(&self, before: &Traffic) -> Traffic {
        Traffic {
            input_bytes: self.input_bytes.saturating_sub(before.input_bytes),
            output_bytes: self.output_bytes.saturating_sub(before.output_bytes),
            reads: self.reads.saturating_sub(before.reads),
            writes: self.writes.saturating_sub(before.writes),
            turns: self.turns.saturating_sub(before.turns),
            turns_us: self.turns_us.saturating_sub(before.turns_us),
            turn_us_max: self.turn_us_max,
        }
    }
}

/// Figures from the world, for INFO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFacts {
    /// Resident set, in bytes.
    pub rss_bytes: u64,
    /// User CPU time of the process, in microseconds.
    pub cpu_user_us: u64,
    /// System CPU time of the process, in microseconds.
    pub cpu_system_us: u64,
    /// User CPU time of the engine's thread, in microseconds.
    pub cpu_user_main_us: u64,
    /// System CPU time of the engine's thread, in microseconds.
    pub cpu_system_main_us: u64,
    /// What went over sockets so far, and the turns of the loop.
    pub traffic: Traffic,
    /// Memory of the machine, in bytes.
    pub memory_total_bytes: u64,
    /// The allocator's own figures: allocated, active, resident, in bytes (zero where unknown).
    pub allocator: [u64; 3],
    /// The allocator's name and version; empty where unknown.
    pub allocator_name: &'static str,
}
