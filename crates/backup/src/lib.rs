//! `redan backup` and `redan restore`: a copy of a node or of a whole cluster while it runs, and its way back into any
//! number of nodes.
//!
//! ```text
//!   backup:  view.rs (who serves which slots) -> transfer.rs (PSYNC to each primary) -> store.rs, s3.rs (files)
//!                       '---- looked at again once every snapshot has begun ----'  -> manifest.rs, last of all
//!   restore: manifest.rs -> checksums -> wire::rdb::Decoder -> target.rs (RESTORE to the primary of each key's slot)
//! ```
//!
//! What is promised. Each node's file is its data at one replication offset, which the manifest names. In a cluster all
//! snapshots begin before the first is fetched; the manifest says within how many milliseconds. Between two nodes there is
//! no common moment: of two writes to different nodes within that window the later may be in the copy and the earlier
//! not. Slots that are on the move, or that changed their owner within the window, would be lost or doubled: then the copy
//! begins again, and after some attempts gives up. Of each file only the keys of the slots that its node served are
//! restored.
//!
//! A directory without `manifest.json` is no backup: the manifest is written when all files are whole and on disk.

#![forbid(unsafe_code)]

mod load;
mod manifest;
mod options;
mod progress;
mod s3;
mod save;
mod store;
mod target;
mod transfer;
mod view;

use std::ffi::OsString;

/// Why the work ended: text for the operator.
type Failure = String;

/// `redan backup`; the result is the exit code.
pub fn backup(args: &[OsString]) -> u8 {
    code(
        options::Backup::parse(args)
            .and_then(|options| options.map_or(Ok(()), |options| save::run(&options))),
    )
}

/// `redan restore`; the result is the exit code.
pub fn restore(args: &[OsString]) -> u8 {
    code(
        options::Restore::parse(args)
            .and_then(|options| options.map_or(Ok(()), |options| load::run(&options))),
    )
}

fn code(outcome: Result<(), Failure>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(text) => {
            cli::complain!("redan: {text}");
            1
        }
    }
}
