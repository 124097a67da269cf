//! Load: RDB bytes become keys, slice by slice.
use crate::{Loaded, Settings};
use alloc::string::String;
use alloc::vec::Vec;
use data::Keyspace;

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It needs bytes.
    Starved,
    /// The header and the first item of data are understood, and nothing was loaded yet. Said once.
    Ready,
    /// The budget is used.
    More,
    /// The end was read, and its checksum is right.
    Done,
}

/// A load.
pub(crate) struct Loader {
    pub(crate) loaded: Loaded,
}

impl Loader {
    pub(crate) fn new(keeps_expired: bool, settings: &Settings) -> Loader {
        let _ = (keeps_expired, settings);
        Loader { loaded: Loaded::default() }
    }
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
    pub(crate) fn step(
        &mut self,
        budget: usize,
        now_ms: u64,
        keyspace: &mut Keyspace,
        gone: Option<&mut Vec<u8>>,
    ) -> Result<Step, String> {
        let _ = (budget, now_ms, keyspace, gone);
        Ok(Step::Starved)
    }
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        Vec::new()
    }
}
