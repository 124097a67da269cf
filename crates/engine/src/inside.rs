//! Inside: the look-ahead of a group of requests goes on into large hashes.
//!
//! The fields of a hash of millions lie as far apart as the keys of a keyspace do: bucket and entry of each are misses of the
//! caches. Where a group of requests begins with one for a field of such a hash, the group's fields are asked for as its keys
//! were: buckets first, entries a few requests later. Other groups pay for a look at their first request.

use crate::Engine;
use crate::table::Found;
use crate::turn::{BUCKETS_AHEAD, Planned, Segment};
use data::Hash;

/// 4: fewer requests are done before anything could have come.
const REQUESTS_MIN: usize = 4;
/// 16,384: a hash with fewer fields is mostly in the caches.
const FIELDS_MIN: usize = 16 << 10;

impl Engine {
    /// Asks the processor for the fields that the planned requests are about.
    #[inline]
    pub(crate) fn look_inside(&self, segments: &[Segment]) {
        if self.plan.len() >= REQUESTS_MIN && self.is_about_field(&self.plan[0]) {
            self.look_at_fields(segments);
        }
    }

    fn is_about_field(&self, planned: &Planned) -> bool {
        matches!(planned.found, Found::Row(row) if self.table.row(row).has_field)
    }

    fn look_at_fields(&self, segments: &[Segment]) {
        let mut behind: [Option<(&Hash, u64)>; BUCKETS_AHEAD] = [None; BUCKETS_AHEAD];
        let mut at = 0;
        for segment in segments {
            let Some(connection) = self.core.sessions.place(segment.place) else { return };
            let Some(batch) = &connection.inbox.batch else { return };
            for args in batch.requests_from(connection.inbox.next).take(segment.count) {
                let planned = &self.plan[at];
                let before = &mut behind[at % BUCKETS_AHEAD];
                if let Some((hash, field)) = before.take() {
                    hash.prefetch_entry(field);
                }
                if self.is_about_field(planned)
                    && let (Some(key_hash), Some(field)) = (planned.hash, args.get(2))
                {
                    let entry = self.shared.keyspace.find(planned.db, args.at(1), key_hash);
                    let large =
                        entry.and_then(|entry| entry.of::<Hash>()).filter(|hash| hash.len() >= FIELDS_MIN);
                    if large.is_none() && at == 0 {
                        return;
                    }
                    *before = large.and_then(|hash| Some((hash, hash.prefetch_bucket(field)?)));
                }
                at += 1;
            }
        }
        for (hash, field) in behind.into_iter().flatten() {
            hash.prefetch_entry(field);
        }
    }
}
