//! Reply: writes RESP2 or RESP3 straight into the connection's outgoing buffer.
//!
//! A handler says what it means (a map, a double, null); the protocol version decides how it looks.

use crate::batch::ProtocolError;
use alloc::vec::Vec;
use core::fmt;

/// Writes replies behind what `out` holds already.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    resp3: bool,
}

impl<'a> Reply<'a> {
    /// A writer of RESP3 or RESP2.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, resp3: bool) -> Reply<'a> {
        Reply { out, resp3 }
    }

    /// True when it writes RESP3.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// Writes RESP3 or RESP2 from now on: HELLO answers in the version that it sets.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    /// What is written so far, with what stood before it. To measure, and to cut back to a mark.
    #[inline]
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        todo!()
    }

    /// A simple string; CR and LF become spaces.
    pub fn simple(&mut self, text: &str) {
        let _ = text;
        todo!()
    }

    /// An error. `text` starts with its code (`ERR ...`), without `-`; CR and LF become spaces.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let _ = text;
        todo!()
    }

    /// An error from something that can be displayed; CR and LF become spaces.
    pub fn error_display(&mut self, text: impl fmt::Display) {
        let _ = text;
        todo!()
    }

    /// `-ERR Protocol error: ...`, byte for byte as the original.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        let _ = error;
        todo!()
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        let _ = value;
        todo!()
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// An integer as a bulk string, as GET answers for integer values.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        let _ = value;
        todo!()
    }

    /// A bulk string of what can be displayed.
    pub fn bulk_display(&mut self, value: impl fmt::Display) {
        let _ = value;
        todo!()
    }

    /// A bulk string, or null.
    #[inline]
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Null: `$-1`, in RESP3 `_`.
    #[inline]
    pub fn null(&mut self) {
        todo!()
    }

    /// The null array: `*-1`, in RESP3 `_`.
    #[inline]
    pub fn null_array(&mut self) {
        todo!()
    }

    /// Opens an array of `count` replies.
    #[inline]
    pub fn array(&mut self, count: usize) {
        let _ = count;
        todo!()
    }

    /// Opens a map of `count` pairs; in RESP2 an array of twice as many.
    pub fn map(&mut self, count: usize) {
        let _ = count;
        todo!()
    }

    /// Opens a set of `count` members; in RESP2 an array.
    pub fn set(&mut self, count: usize) {
        let _ = count;
        todo!()
    }

    /// Opens a push message of `count` parts; in RESP2 an array.
    pub fn push(&mut self, count: usize) {
        let _ = count;
        todo!()
    }

    /// Opens the attributes of the next reply: `count` pairs. RESP3 alone has them; check `is_resp3` first.
    pub fn attribute(&mut self, count: usize) {
        let _ = count;
        todo!()
    }

    /// A double; in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        let _ = value;
        todo!()
    }

    /// A boolean; in RESP2 the integer 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        let _ = value;
        todo!()
    }

    /// A big number in decimal digits; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        let _ = digits;
        todo!()
    }

    /// Text with a format of three letters (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        let _ = (format, text);
        todo!()
    }

    /// Bytes that are RESP already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}
