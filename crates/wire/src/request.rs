//! Request: encodes requests, for clients, the replication stream and handshakes.

use alloc::vec::Vec;

/// Appends one request to `out`.
pub fn request(out: &mut Vec<u8>, args: &[&[u8]]) {
    open_request(out, args.len());
    for arg in args {
        request_arg(out, arg);
    }
}

/// Appends the head of a request with `count` arguments; `request_arg` must follow so often.
pub fn open_request(out: &mut Vec<u8>, count: usize) {
    let _ = (out, count);
    todo!()
}

/// Appends one argument of a request.
pub fn request_arg(out: &mut Vec<u8>, arg: &[u8]) {
    let _ = (out, arg);
    todo!()
}
