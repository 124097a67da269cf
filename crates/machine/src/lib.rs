//! The contract between a role and the world that runs it.
//!
//! ```text
//!   world (os or sim)                        machine (server node, sentinel, proxy, vip)
//!        |-- handle(now, input, outbox) -------->|   any number of times: one turn
//!        |-- seal(now, outbox) ----------------->|   once: decides what becomes visible
//!        |<------------- outbox.outputs ---------|   carried out in order
//! ```
//!
//! A machine owns its state alone. It reads no clock, socket, file or environment. Both worlds run it
//! through this one contract, so what the simulator breaks is what production runs.
//!
//! Invariant: the world carries out the outputs of a turn in their order, after `seal`. The promise
//! "file, then replicas, then replies" is the order in which `seal` puts them out.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod chunk;
pub mod input;
pub mod outbox;
pub mod output;

pub use chunk::Chunk;
pub use input::{
    Address, Disk, DiskError, DiskFault, HostFacts, HostRefusal, Input, Listener, Peer, Signal, Traffic,
};
pub use outbox::{Meter, Outbox, Pool};
pub use output::{Closing, Crash, DiskOp, HostQuestion, HostSetting, Level, OomScore, Output};

use base::Now;

/// A role as a deterministic state machine.
pub trait Machine {
    /// Takes one input. Nothing that it puts out is visible before `seal`.
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox);

    /// Ends the turn. `now` is fresh: a jump since `handle` (SIGSTOP, a sleeping host) is seen before a reply leaves.
    fn seal(&mut self, now: Now, out: &mut Outbox);
}

/// A connection. The world numbers those that were opened to the machine; the machine numbers those that it
/// opens itself (`outbound`), so the two never meet.
///
/// `index` is small and reused, fit to index a table; `generation` tells the users of one index apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Place in the tables; the top bit is set for outbound connections.
    pub index: u32,
    /// Counts up each time that the index is used again.
    pub generation: u32,
}

impl ConnId {
    const OUTBOUND: u32 = 1 << 31;

    /// A connection that was opened to the machine.
    pub const fn inbound(index: u32, generation: u32) -> ConnId {
        ConnId { index, generation }
    }

    /// A connection that the machine opens.
    pub const fn outbound(index: u32, generation: u32) -> ConnId {
        ConnId { index: index | ConnId::OUTBOUND, generation }
    }

    /// True when the machine opened it.
    pub const fn is_outbound(self) -> bool {
        self.index & ConnId::OUTBOUND != 0
    }

    /// Place among the connections of its direction.
    pub const fn place(self) -> usize {
        (self.index & !ConnId::OUTBOUND) as usize
    }
}

/// Numbers the connections that a machine opens. A node has one, and lends it to its parts.
#[derive(Debug, Default)]
pub struct Dialer {
    free: alloc::vec::Vec<ConnId>,
    used: u32,
}

impl Dialer {
    /// A number for a new connection.
    pub fn dial(&mut self) -> ConnId {
        if let Some(conn) = self.free.pop() {
            return ConnId { index: conn.index, generation: conn.generation.wrapping_add(1) };
        }
        self.used += 1;
        ConnId::outbound(self.used - 1, 0)
    }

    /// Gives the number of a closed connection back.
    pub fn closed(&mut self, conn: ConnId) {
        debug_assert!(conn.is_outbound());
        self.free.push(conn);
    }
}

/// A write to disk whose end is reported. Chosen by the machine, counting up; shared by all its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Numbers the disk operations and files of a machine. A node has one, and lends it to its parts.
#[derive(Debug, Default)]
pub struct DiskNumbers {
    writes: u64,
    files: u64,
    process: u32,
}

impl DiskNumbers {
    /// Those of this process.
    pub fn of(process: u32) -> DiskNumbers {
        DiskNumbers { process, ..DiskNumbers::default() }
    }

    /// The process, for names of unfinished files: another one may share the directory.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// A number for a new write.
    pub fn write(&mut self) -> WriteId {
        self.writes += 1;
        WriteId(self.writes)
    }

    /// A number for a new file.
    pub fn file(&mut self) -> FileId {
        self.files += 1;
        FileId(self.files)
    }
}

/// An open file. Chosen by the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);
