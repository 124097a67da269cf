//! Gates: which writes are durable, and which connections wait for them.

use crate::connections::Outcome;
use machine::{ConnId, DiskOp, WriteId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known of the machine's writes.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// Submitted, not ended.
    pending: BTreeSet<WriteId>,
    /// Ended badly, the last ones: a send that names one may still be in the machine's hands.
    failed: VecDeque<WriteId>,
    /// The highest number submitted so far; a higher one is still to come.
    submitted: Option<WriteId>,
    /// Who waits at the front of its queue.
    waiting: BTreeMap<WriteId, Vec<ConnId>>,
}

/// 4,096: failed writes that are remembered. The machine hears of a failure one turn later at most and then
/// names that write no more.
const FAILED_MAX: usize = 4_096;

impl Gates {
    /// What became of a write.
    #[inline]
    pub(crate) fn outcome(&self, write: WriteId) -> Outcome {
        if self.submitted.is_none_or(|last| write > last) || self.pending.contains(&write) {
            return Outcome::Pending;
        }
        if self.failed.contains(&write) { Outcome::Failed } else { Outcome::Durable }
    }

    /// Notes the write of an operation that is being submitted.
    pub(crate) fn on_submit(&mut self, op: &DiskOp) {
        let Some(write) = op.write() else { return };
        self.pending.insert(write);
        self.submitted = self.submitted.max(Some(write));
    }

    /// Notes the end of a write; returns who waited for it.
    pub(crate) fn on_done(&mut self, write: WriteId, is_durable: bool) -> Vec<ConnId> {
        self.pending.remove(&write);
        if !is_durable {
            if self.failed.len() == FAILED_MAX {
                self.failed.pop_front();
            }
            self.failed.push_back(write);
        }
        self.waiting.remove(&write).unwrap_or_default()
    }

    /// Notes that the front of a connection's queue waits.
    pub(crate) fn wait(&mut self, write: WriteId, conn: ConnId) {
        let waiting = self.waiting.entry(write).or_default();
        if waiting.last() != Some(&conn) {
            waiting.push(conn);
        }
    }
}
