//! Value: a reply as a value, RESP2 and RESP3, read incrementally. For clients: `up`, tests, benchmarks.

use alloc::vec::Vec;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+text`
    Simple(Vec<u8>),
    /// `-CODE text`, without the `-`; also RESP3's bulk error.
    Error(Vec<u8>),
    /// `:n`
    Integer(i64),
    /// `$len`
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Null,
    /// `*n`
    Array(Vec<Value>),
    /// `%n`
    Map(Vec<(Value, Value)>),
    /// `~n`
    Set(Vec<Value>),
    /// `>n`: not the answer to a request.
    Push(Vec<Value>),
    /// `,x`
    Double(f64),
    /// `#t`, `#f`
    Boolean(bool),
    /// `(digits`
    BigNumber(Vec<u8>),
    /// `=len`, format and text.
    Verbatim([u8; 3], Vec<u8>),
}

/// Bytes that are no RESP, or nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;

/// Reads replies from bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
}

impl Parser {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole reply, if it is there. Attributes are read over.
    ///
    /// # Errors
    /// When the bytes are no RESP; all later calls give the same.
    pub fn next_value(&mut self) -> Result<Option<Value>, BadValue> {
        todo!()
    }
}
