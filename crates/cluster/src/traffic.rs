//! Traffic: what went over the bus, for CLUSTER INFO. No decision hangs on it.

use wire::bus::Kind;

/// Frames and bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Frames, by kind.
    pub(crate) frames: [u64; Kind::COUNT],
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Of these, bytes of messages on channels.
    pub(crate) publish_bytes: u64,
    /// Of these, bytes of messages of modules.
    pub(crate) module_bytes: u64,
}

impl Traffic {
    /// A frame of `len` bytes.
    pub(crate) fn count(&mut self, kind: Kind, len: usize) {
        self.frames[kind as usize] += 1;
        self.bytes += len as u64;
        match kind {
            Kind::Publish | Kind::PublishShard => self.publish_bytes += len as u64,
            Kind::Module => self.module_bytes += len as u64,
            _ => {}
        }
    }
}
