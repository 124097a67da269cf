//! The cluster bus: framing, frames, and the file that keeps the cluster.

use super::{frame, steering};
use wire::Mode;
use wire::bus::{Body, Frame, HAS_EXTENSIONS, Light, is_light};
use wire::nodes_conf::NodesConf;

/// Frames: cuts change nothing, and frames are the input, up to the last whole one.
pub fn framing(input: &[u8]) {
    let Some((_, cuts, bytes)) = steering(input) else { return };
    let whole = frame(Mode::Bus, bytes, None, |mode| mode);
    let cut = frame(Mode::Bus, bytes, Some(cuts), |mode| mode);
    assert!(whole == cut, "cuts change {:?} to {:?}", whole.broken, cut.broken);
    assert!(bytes.starts_with(&cut.args.concat()));
}

/// One frame: what is read is written, and reads back.
pub fn packet(input: &[u8]) {
    if is_light(input) {
        let Ok(light) = Light::decode(input) else { return };
        let mut bytes = Vec::new();
        light.encode(&mut bytes);
        assert_eq!(Light::decode(&bytes).expect("a written frame is valid"), light);
        return;
    }
    let Ok(mut frame) = Frame::decode(input) else { return };
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    // What is read and not written.
    if let Body::Gossip { extensions, .. } = &mut frame.body {
        extensions.unknown = 0;
        frame.header.message_flags |= HAS_EXTENSIONS;
    }
    assert_eq!(Frame::decode(&bytes).expect("a written frame is valid"), frame);
}

/// nodes.conf: what is read is written, and reads back as the same.
pub fn nodes_conf(input: &[u8]) {
    let Ok(conf) = NodesConf::parse(input) else { return };
    let text = conf.format();
    let again = NodesConf::parse(&text).expect("a written file is valid");
    assert_eq!(again.format(), text);
    assert_eq!((again.current_epoch, again.last_vote_epoch), (conf.current_epoch, conf.last_vote_epoch));
}
