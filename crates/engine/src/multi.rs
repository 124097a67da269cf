//! Multi: the requests that an open transaction has queued.

use crate::table::RowIndex;
use alloc::vec::Vec;
use spec::Flags;
use wire::Batch;
use wire::batch::Args;

/// An open transaction.
#[derive(Debug, Default)]
pub struct Multi {
    requests: Batch,
    rows: Vec<RowIndex>,
    /// A request could not be queued: EXEC will refuse.
    pub is_aborted: bool,
    /// What its requests do, together: admission of EXEC goes by it.
    pub flags: Flags,
    /// What all its requests have in common: whether EXEC may run while loading or stale.
    pub all_flags: Flags,
    /// Raw bytes of the primary's stream that it holds, its MULTI included.
    pub raw_bytes: u64,
}

impl Multi {
    /// A transaction that was just opened.
    pub fn new() -> Multi {
        // Until there is a request, nothing speaks against EXEC.
        let all_flags = Flags::LOADING.and(Flags::STALE);
        Multi { all_flags, ..Multi::default() }
    }

    /// Queues a request.
    pub fn push(&mut self, row: RowIndex, flags: Flags, args: Args<'_>) {
        for arg in args.iter() {
            self.requests.push_arg(arg);
        }
        self.requests.end_request();
        self.all_flags = if self.rows.is_empty() { flags } else { self.all_flags.common(flags) };
        self.rows.push(row);
        self.flags = self.flags.and(flags);
    }

    /// Requests in it.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Request number `index` with its command.
    pub fn request(&self, index: usize) -> (RowIndex, Args<'_>) {
        (self.rows[index], self.requests.request(index))
    }

    /// Memory of the queued requests.
    pub fn memory_bytes(&self) -> usize {
        self.requests.memory_bytes()
    }
}
