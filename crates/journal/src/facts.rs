//! Facts: what the journal tells INFO, ROLE and the cluster about itself.

use alloc::string::String;
use alloc::vec::Vec;
use base::{Id, Unix};
use machine::{Address, ConnId};

/// The journal's state as plain values, made on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// INFO replication: `master_replid`.
    pub replid: Id,
    /// `master_replid2`; zeros when there is none.
    pub second_replid: Id,
    /// `second_repl_offset`; -1 when there is none.
    pub second_offset: i64,
    /// `master_repl_offset`: the end of the journal.
    pub offset: u64,
    /// Offset of the end of the last real write.
    pub data_offset: u64,
    /// `repl_backlog_active`.
    pub backlog_active: bool,
    /// `repl_backlog_size`.
    pub backlog_bytes: u64,
    /// `repl_backlog_first_byte_offset`.
    pub backlog_first: u64,
    /// `repl_backlog_histlen`.
    pub backlog_len: u64,
    /// Bytes that the chain of chunks holds, with what replicas pin.
    pub backlog_memory: u64,
    /// Replicas, in the order in which they came.
    pub replicas: Vec<ReplicaFacts>,
    /// `min_slaves_good_slaves`: replicas in step with a lag within bounds.
    pub good_replicas: u32,
    /// Set on a replica.
    pub primary: Option<PrimaryFacts>,
    /// A load runs.
    pub loading: Option<LoadingFacts>,
    /// INFO persistence.
    pub saving: SavingFacts,
    /// The append-only file.
    pub aof: crate::AofFacts,
    /// `sync_full`, `sync_partial_ok`, `sync_partial_err`.
    pub syncs: [u64; 3],
    /// Bytes that came from primaries.
    pub input_bytes: u64,
    /// Bytes that went to replicas.
    pub output_bytes: u64,
}

/// One replica, for INFO and ROLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaFacts {
    /// Its connection.
    pub conn: ConnId,
    /// The address that it announced, or that of its connection.
    pub ip: String,
    /// The port that it announced.
    pub port: u16,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    /// The offset that it acknowledged last.
    pub acked: u64,
    /// Seconds since it did.
    pub lag_seconds: u64,
    /// Bytes of the stream and of the snapshot that wait for it.
    pub unsent_bytes: u64,
}

/// The primary of a replica, for INFO, ROLE and the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryFacts {
    /// Where it is.
    pub address: Address,
    /// `connect`, `connecting`, `handshake`, `sync` or `connected`: the words of ROLE.
    pub state: &'static str,
    /// `master_link_status` is up.
    pub link_up: bool,
    /// Seconds since its last byte; -1 without a link.
    pub silent_seconds: i64,
    /// A transfer or load runs.
    pub sync_in_progress: bool,
    /// `slave_read_repl_offset`: received so far.
    pub read_offset: u64,
    /// `slave_repl_offset`: applied so far.
    pub applied_offset: u64,
    /// Bytes of the payload; -1 when the primary did not say.
    pub sync_total_bytes: i64,
    /// Bytes of the payload received so far.
    pub sync_read_bytes: u64,
    /// Seconds since the payload's last byte.
    pub sync_silent_seconds: i64,
    /// Seconds since the link went down; -1 while it is up or never was.
    pub down_seconds: i64,
    /// Milliseconds since the last time that the data was in step with the primary (the cluster's data age).
    pub data_age_ms: u64,
    /// Its data is refused: it came back with less than ours.
    pub lack: Option<crate::Lack>,
    /// Why the last attempt ended, for the operator.
    pub last_error: Option<String>,
}

/// A running load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadingFacts {
    /// Seconds since 1970 when it began.
    pub started_seconds: u64,
    /// `loading_total_bytes`; zero when unknown.
    pub total_bytes: u64,
    /// `loading_loaded_bytes`.
    pub loaded_bytes: u64,
    /// `loading_rdb_used_mem`: memory of the data when they were written.
    pub used_bytes: u64,
    /// This one is true for a synchronisation.
    pub from_primary: bool,
    /// `async_loading`: the old data is served meanwhile.
    pub is_served: bool,
}

/// Saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavingFacts {
    /// `rdb_changes_since_last_save`.
    pub changes: u64,
    /// `rdb_bgsave_in_progress`: a save to a file or a transfer to replicas.
    pub in_progress: bool,
    /// `rdb_last_save_time`.
    pub last_save: Unix,
    /// `rdb_last_bgsave_status` is ok.
    pub last_ok: bool,
    /// `rdb_last_bgsave_time_sec`; -1 when there was none.
    pub last_seconds: i64,
    /// `rdb_current_bgsave_time_sec`; -1 when none runs.
    pub current_seconds: i64,
    /// `rdb_saves`.
    pub saves: u64,
    /// Snapshots that were begun in the background: saves, rewrites, full synchronisations.
    pub snapshots: u64,
    /// `current_save_keys_processed`.
    pub keys_done: u64,
    /// `current_save_keys_total`: keys when the running snapshot began.
    pub keys_total: u64,
    /// `rdb_last_load_keys_loaded`.
    pub loaded_keys: u64,
    /// `rdb_last_load_keys_expired`.
    pub loaded_expired: u64,
    /// Writes are to be refused with MISCONF: the last save failed, and the operator wants that.
    pub stop_writes: bool,
}
