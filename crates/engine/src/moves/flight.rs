//! In flight: the keys that are on their way to another server, each with the move that it belongs to.

use crate::table::{Row, Table};
use crate::{multi::Multi, table::RowIndex};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use spec::Flags;
use wire::batch::Args;

/// The keys in flight, whatever their database: two moves never have a key of one name.
#[derive(Debug, Default)]
pub struct InFlight(BTreeMap<Box<[u8]>, u64>);

impl InFlight {
    /// True while no key is on its way: the usual state, and the only cost of a request then.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True for a key that nobody may change now, expiry included.
    pub fn has(&self, key: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains_key(key)
    }

    /// A key leaves with move `id`.
    pub(crate) fn add(&mut self, key: &[u8], id: u64) {
        self.0.insert(key.into(), id);
    }

    /// A key's move is over.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// The move that a request must wait for: it changes a key in flight, or reads one that `is_due`.
    pub(crate) fn waits(&self, row: &Row, args: Args<'_>, is_due: &dyn Fn(&[u8]) -> bool) -> Option<u64> {
        let spec = row.spec();
        if spec.keys.count() == 0 {
            // FLUSHALL and its like: every key is theirs.
            return if spec.flags.has(Flags::WRITE) { self.0.values().next().copied() } else { None };
        }
        let changes = spec.flags.has_any(Flags::WRITE.and(Flags::MAY_REPLICATE));
        let mut found = None;
        spec.keys.places(
            args.len(),
            |at| args.at(at),
            |at, _| {
                let key = args.at(at);
                if found.is_none()
                    && let Some(id) = self.0.get(key)
                    && (changes || is_due(key))
                {
                    found = Some(*id);
                }
            },
        );
        found
    }

    /// The same for EXEC.
    pub(crate) fn exec_waits(
        &self,
        table: &Table,
        multi: &Multi,
        is_due: &dyn Fn(&[u8]) -> bool,
    ) -> Option<u64> {
        let requests = (0..multi.len()).map(|index| multi.request(index));
        requests
            .filter_map(|(row, args): (RowIndex, Args<'_>)| self.waits(table.row(row), args, is_due))
            .next()
    }
}
