//! The cluster bus.

use super::{frame, steering};
use wire::Mode;

/// Frames: cuts change nothing, and frames are the input, up to the last whole one.
pub fn framing(input: &[u8]) {
    let Some((_, cuts, bytes)) = steering(input) else { return };
    let whole = frame(Mode::Bus, bytes, None, |mode| mode);
    let cut = frame(Mode::Bus, bytes, Some(cuts), |mode| mode);
    assert!(whole == cut, "cuts change {:?} to {:?}", whole.broken, cut.broken);
    assert!(bytes.starts_with(&cut.args.concat()));
}
