//! Limits: up to which size a collection stays in its small layout.

pub use crate::hash::HashLimits;
pub use crate::list::ListLimits;
pub use crate::set::SetLimits;
pub use crate::sorted_set::SortedSetLimits;
pub use crate::stream::StreamLimits;
use crate::table::HashKey;

/// Those of all types, as the directives of the same names have them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// `hash-max-listpack-entries`, `hash-max-listpack-value`.
    pub hash: HashLimits,
    /// `set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`.
    pub set: SetLimits,
    /// `stream-node-max-bytes`, `stream-node-max-entries`.
    pub stream: StreamLimits,
    /// `zset-max-listpack-entries`, `zset-max-listpack-value`.
    pub sorted_set: SortedSetLimits,
    /// `list-max-listpack-size`, `list-compress-depth`.
    pub list: ListLimits,
}

/// What a collection must know to grow: it keeps neither while it is small.
#[derive(Clone, Copy, Debug)]
pub struct Growth<L> {
    /// The keyspace's secret (`Keyspace::hash_key`): a large collection hashes with it.
    pub key: HashKey,
    /// When it becomes large.
    pub limits: L,
}
