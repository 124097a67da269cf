//! Request: encodes requests, for clients, the replication stream and handshakes.

use crate::reply::push_header;
use alloc::vec::Vec;

/// Appends one request to `out`.
pub fn request(out: &mut Vec<u8>, args: &[&[u8]]) {
    open_request(out, args.len());
    for arg in args {
        request_arg(out, arg);
    }
}

/// Appends the head of a request with `count` arguments; `request_arg` must follow so often.
#[inline]
pub fn open_request(out: &mut Vec<u8>, count: usize) {
    push_header(out, b'*', count as u64);
}

/// Appends what stands before an argument of `len` bytes; they must follow, and the end of the line.
#[inline]
pub fn open_arg(out: &mut Vec<u8>, len: usize) {
    push_header(out, b'$', len as u64);
}

/// Appends one argument of a request.
#[inline]
pub fn request_arg(out: &mut Vec<u8>, arg: &[u8]) {
    open_arg(out, arg.len());
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}
