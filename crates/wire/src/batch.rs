//! Batch: what a framer makes of the bytes of one read, and the modes in which it reads them.
//!
//! A batch owns one buffer and the ranges of the arguments of every complete request in it:
//!
//!   bytes     *2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n
//!   args                  [8..11]    [17..18]        [..]
//!   requests  [0..2]                                 [2..3]
//!
//! Invariant: every range lies within `bytes`, and the requests' argument ranges are consecutive.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// How the bytes of a connection are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requests of a client: RESP arrays or inline commands.
    Requests(Limits),
    /// The command stream of a primary: requests without the clients' limits.
    Stream,
    /// The replies of a primary in a handshake: each line is one request with one argument, the line with its
    /// type byte and without its end (`+OK`, `-ERR no`, `$1234`). An empty line is a sign of life: one empty argument.
    /// A reply that opens a payload (`+FULLRESYNC`, `+CONTINUE`, `$<length>`, `$EOF:`) ends the batch `Held`.
    Replies,
    /// Cluster bus frames: each whole frame is one request with one argument.
    Bus,
    /// Bytes as they come: one request with one argument per read.
    Raw,
}

/// The bounds on a client's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest bulk string, in bytes (`proto-max-bulk-len`). Below 999 it counts as 999; the directive's own
    /// minimum is 1 MiB.
    pub bulk_len_max: u64,
    /// Most unparsed bytes that one connection may hold (`client-query-buffer-limit`).
    pub buffer_bytes_max: u64,
    /// False until the client may run any command: then a request has at most 10 arguments of at most
    /// 16,384 bytes each.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bulk_len_max: 512 << 20, buffer_bytes_max: 1 << 30, authenticated: true }
    }
}

/// Why the bytes of a connection can not be read on. The text is what follows `-ERR ` on the wire; for those
/// errors that no client is told (overflow, bus, primary) it is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// `*` is not followed by a number in bounds.
    MultibulkLength,
    /// More arguments than an unauthenticated client may send.
    UnauthenticatedMultibulkLength,
    /// `$` is not followed by a number in bounds.
    BulkLength,
    /// A longer argument than an unauthenticated client may send.
    UnauthenticatedBulkLength,
    /// Another byte than `$` where an argument must start.
    ExpectedDollar(u8),
    /// An inline request without a line end within 64 KiB.
    TooBigInline,
    /// A `*` or `$` header without a line end within 64 KiB.
    TooBigHeader {
        /// True for the `*` header.
        multibulk: bool,
    },
    /// Quotes in an inline request that do not close.
    UnbalancedQuotes,
    /// The connection's buffer is over `buffer_bytes_max`; the original closes without a reply.
    BufferOverflow,
    /// A bus frame without the signature, or with an impossible length.
    BadFrame,
    /// A reply that a handshake does not know.
    BadReply,
    /// Text where the stream of a primary must have a `*`: the two have lost step.
    InlineInStream,
}

impl ProtocolError {
    /// The text byte for byte as the original sends it: `ExpectedDollar` shows any byte as it is.
    pub fn text(&self) -> Vec<u8> {
        match self {
            // A line end would end the error's line.
            ProtocolError::ExpectedDollar(byte) => {
                let shown = if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
                [b"Protocol error: expected '$', got '", core::slice::from_ref(&shown), b"'"].concat()
            }
            error => error.to_string().into_bytes(),
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProtocolError::MultibulkLength => "Protocol error: invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => {
                "Protocol error: unauthenticated multibulk length"
            }
            ProtocolError::BulkLength => "Protocol error: invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "Protocol error: unauthenticated bulk length",
            ProtocolError::ExpectedDollar(byte) => {
                return write!(f, "Protocol error: expected '$', got '{}'", byte.escape_ascii());
            }
            ProtocolError::TooBigInline => "Protocol error: too big inline request",
            ProtocolError::TooBigHeader { multibulk: true } => "Protocol error: too big mbulk count string",
            ProtocolError::TooBigHeader { multibulk: false } => "Protocol error: too big bulk count string",
            ProtocolError::UnbalancedQuotes => "Protocol error: unbalanced quotes in request",
            ProtocolError::BufferOverflow => "the connection reached its max query buffer length",
            ProtocolError::BadFrame => "a bus frame has a wrong signature or an impossible length",
            ProtocolError::BadReply => "the primary's reply is no line of a handshake",
            ProtocolError::InlineInStream => {
                "the primary's stream is out of step: text where a request must start"
            }
        };
        f.write_str(text)
    }
}

/// How a batch ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// More may follow at any time.
    #[default]
    Open,
    /// The framer waits for a mode before it reads on: its machine answers with `Output::Frame`.
    Held,
    /// After these requests the bytes make no sense. The framer reads nothing more.
    Broken(ProtocolError),
}

/// One request of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// End of its arguments in `args`; they start where those of the request before end.
    pub(crate) args_end: u32,
    /// End of its raw bytes in `bytes`; they start where those of the request before end.
    pub(crate) raw_end: u32,
}

/// One buffer and the requests in it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) args: Vec<(u32, u32)>,
    pub(crate) requests: Vec<Bounds>,
    pub(crate) ending: Ending,
}

impl Batch {
    /// Requests in the batch.
    #[inline]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// True when there is no complete request in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How the batch ends.
    #[inline]
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Request number `index`.
    ///
    /// # Panics
    /// When there is no such request.
    #[inline]
    pub fn request(&self, index: usize) -> Args<'_> {
        let start = if index == 0 { 0 } else { self.requests[index - 1].args_end as usize };
        let end = self.requests[index].args_end as usize;
        Args { bytes: &self.bytes, ranges: &self.args[start..end] }
    }

    /// The requests from number `first` on.
    #[inline(always)]
    pub fn requests_from(&self, first: usize) -> impl Iterator<Item = Args<'_>> {
        let before = first.checked_sub(1).and_then(|index| self.requests.get(index));
        let mut start = before.map_or(0, |request| request.args_end as usize);
        self.requests.get(first..).unwrap_or_default().iter().map(move |request| {
            let end = request.args_end as usize;
            let ranges = &self.args[start..end];
            start = end;
            Args { bytes: &self.bytes, ranges }
        })
    }

    /// The bytes of request number `index` as they came, for a stream that is passed on unchanged.
    ///
    /// # Panics
    /// When there is no such request.
    pub fn raw(&self, index: usize) -> &[u8] {
        &self.bytes[self.raw_range(index)]
    }

    fn raw_range(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.requests[index - 1].raw_end as usize };
        start..self.requests[index].raw_end as usize
    }

    /// How many raw bytes all requests have.
    pub fn raw_len(&self) -> usize {
        self.requests.last().map_or(0, |request| request.raw_end as usize)
    }

    /// The raw bytes of all requests, for a stream that is passed on unchanged.
    pub fn into_raw(mut self) -> Vec<u8> {
        self.bytes.truncate(self.raw_len());
        self.bytes
    }

    /// Bytes of memory that the batch holds.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.args.capacity() * 8 + self.requests.capacity() * 8
    }

    /// Empties the batch and keeps its memory, for the pool.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.args.clear();
        self.requests.clear();
        self.ending = Ending::Open;
    }
}

/// The arguments of one request; the first is the command's name.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    ranges: &'a [(u32, u32)],
}

impl<'a> Args<'a> {
    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True for a request without arguments (an empty inline line never becomes a request).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Argument number `index`.
    ///
    /// # Panics
    /// When there is no such argument.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let (start, end) = self.ranges[index];
        &self.bytes[start as usize..end as usize]
    }

    /// The command's name as a little-endian word, zeros behind its end, where it has one to eight bytes.
    #[inline(always)]
    pub fn short_name(&self) -> Option<(u64, usize)> {
        let &(start, end) = self.ranges.first()?;
        let (start, end) = (start as usize, end as usize);
        let len = end.wrapping_sub(start);
        if !(1..=8).contains(&len) {
            return None;
        }
        // Nearly always more follows: one load, and what is not the name is cut off.
        if let Some(word) = self.bytes.get(start..start + 8).and_then(|bytes| bytes.try_into().ok()) {
            return Some((u64::from_le_bytes(word) & (u64::MAX >> (64 - 8 * len)), len));
        }
        let mut word = [0; 8];
        word[..len].copy_from_slice(self.bytes.get(start..end)?);
        Some((u64::from_le_bytes(word), len))
    }

    /// Argument number `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let (start, end) = *self.ranges.get(index)?;
        Some(&self.bytes[start as usize..end as usize])
    }

    /// The arguments from `index` on (none when there are fewer).
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { bytes: self.bytes, ranges: self.ranges.get(index..).unwrap_or(&[]) }
    }

    /// The arguments before `index` (all when there are fewer).
    pub fn to(&self, index: usize) -> Args<'a> {
        Args { bytes: self.bytes, ranges: self.ranges.get(..index).unwrap_or(self.ranges) }
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.ranges.iter().map(move |&(start, end)| &bytes[start as usize..end as usize])
    }
}

impl core::ops::Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Builds a batch from requests given as slices: for a queued transaction, a script's call, and tests.
impl<'a> FromIterator<&'a [&'a [u8]]> for Batch {
    fn from_iter<I: IntoIterator<Item = &'a [&'a [u8]]>>(requests: I) -> Batch {
        let mut batch = Batch::default();
        for request in requests {
            for arg in request {
                batch.push_arg(arg);
            }
            batch.end_request();
        }
        batch
    }
}

impl Batch {
    /// Appends one argument to the request that is being built.
    ///
    /// # Panics
    /// When the batch would pass 4 GiB; the framers' limits are below that.
    pub fn push_arg(&mut self, arg: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(arg);
        let end = u32::try_from(self.bytes.len()).expect("a batch stays under 4 GiB");
        self.args.push((start as u32, end));
    }

    /// Closes the request that is being built.
    pub fn end_request(&mut self) {
        let (args_end, raw_end) = (self.args.len() as u32, self.bytes.len() as u32);
        self.requests.push(Bounds { args_end, raw_end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_arguments() {
        let requests: [&[&[u8]]; 2] = [&[b"GET", b"a"], &[b"PING"]];
        let batch: Batch = requests.into_iter().collect();
        assert_eq!(batch.len(), 2);
        assert_eq!(&batch.request(0)[1], b"a");
        assert_eq!(batch.request(1).len(), 1);
        assert_eq!(batch.request(1).from(1).len(), 0);
    }
}
