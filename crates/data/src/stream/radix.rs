//! Radix: how many nodes the original's tree of the nodes' ids would have. XINFO STREAM shows the figure.
//!
//! Every id ends in a leaf, every place where ids part is a node, and a stretch of bytes without a parting is one.

use super::Log;
use alloc::vec::Vec;

/// 16: bytes of an id.
const ID_LEN: usize = 16;
/// 65,536: of a longer stream so many ids are looked at, and the figure is scaled.
const LOOKED_AT_MAX: usize = 1 << 16;

/// The count.
pub(super) fn nodes(log: &Log) -> u64 {
    let ids: Vec<[u8; ID_LEN]> = log.node_ids().take(LOOKED_AT_MAX).map(|id| id.to_bytes()).collect();
    if ids.is_empty() {
        return 1;
    }
    below(&ids, 0) * log.nodes() as u64 / ids.len() as u64
}

/// The nodes for ids that are equal in their first `depth` bytes. Goes down by a byte at least: 16 calls deep at most.
fn below(ids: &[[u8; ID_LEN]], depth: usize) -> u64 {
    let (first, last) = (&ids[0], &ids[ids.len() - 1]);
    let common = (depth..ID_LEN).find(|at| first[*at] != last[*at]).unwrap_or(ID_LEN);
    let stretch = u64::from(common > depth);
    if common == ID_LEN {
        return stretch + 1;
    }
    let children: u64 =
        ids.chunk_by(|one, other| one[common] == other[common]).map(|child| below(child, common + 1)).sum();
    stretch + 1 + children
}
