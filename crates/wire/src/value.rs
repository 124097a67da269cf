//! Value: a reply as a value, RESP2 and RESP3, read incrementally. For clients: `up`, tests, benchmarks.
//!
//! Invariant: memory stays in proportion to the bytes received; a stated count reserves nothing.

use alloc::vec::Vec;
use base::number::{parse_f64, parse_i64};
use core::fmt;
use core::mem;

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
    /// `,x`: the number, and its text as it came.
    Double(f64, Vec<u8>),
    /// `#t`, `#f`
    Boolean(bool),
    /// `(digits`
    BigNumber(Vec<u8>),
    /// `=len`, format and text.
    Verbatim([u8; 3], Vec<u8>),
}

impl Value {
    /// The text of a simple, bulk, verbatim or big number reply.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Bulk(text) | Value::Verbatim(_, text) | Value::BigNumber(text) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The text of an error reply.
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer reply.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of an array, set or push.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }
}

/// Bytes that are no RESP, or nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is no RESP")
    }
}

impl core::error::Error for BadValue {}

/// Aggregates within each other; 32 are far above what any server answers.
const DEPTH_MAX: usize = 32;
/// A line (header, simple string, error, number) is at most so long.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest string: the largest `proto-max-bulk-len` in use is far below.
const BULK_BYTES_MAX: i64 = 4 << 30;
/// Parsed bytes are cut off in front once there are so many.
const CUT_BYTES_MIN: usize = 64 << 10;

/// Reads replies from bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// The next byte to parse.
    at: usize,
    /// Up to here there is no line end.
    scanned: usize,
    /// The aggregates that are open, the innermost last.
    open: Vec<Aggregate>,
    bad: bool,
}

#[derive(Debug)]
struct Aggregate {
    kind: u8,
    /// Values that it still lacks.
    missing: u64,
    items: Vec<Value>,
}

/// One step of parsing.
enum Step {
    /// A value without parts is complete.
    Leaf(Value),
    /// An aggregate has begun.
    Open(Aggregate),
}

impl Parser {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() || self.at >= CUT_BYTES_MIN {
            self.bytes.drain(..self.at);
            self.scanned = self.scanned.saturating_sub(self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that are not part of a value yet that was given out.
    pub fn pending_bytes(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next whole reply, if it is there. Attributes are read over.
    ///
    /// # Errors
    /// When the bytes are no RESP; all later calls give the same.
    pub fn next_value(&mut self) -> Result<Option<Value>, BadValue> {
        if self.bad {
            return Err(BadValue);
        }
        let result = self.step_to_value();
        if result.is_err() {
            self.bad = true;
            self.open.clear();
            self.bytes = Vec::new();
            self.at = 0;
        }
        result
    }

    fn step_to_value(&mut self) -> Result<Option<Value>, BadValue> {
        loop {
            let Some(step) = self.step()? else { return Ok(None) };
            let mut whole = match step {
                Step::Leaf(value) => Some(value),
                Step::Open(aggregate) if aggregate.missing == 0 => aggregate.close(),
                Step::Open(aggregate) if self.open.len() < DEPTH_MAX => {
                    self.open.push(aggregate);
                    None
                }
                Step::Open(_) => return Err(BadValue),
            };
            // A value may complete the aggregates that it ends.
            while let Some(value) = whole.take() {
                let Some(parent) = self.open.last_mut() else { return Ok(Some(value)) };
                parent.items.push(value);
                parent.missing -= 1;
                if parent.missing == 0 {
                    whole = self.open.pop().and_then(Aggregate::close);
                }
            }
        }
    }

    /// Reads one header, and the string that belongs to it. Moves on only over what is complete.
    fn step(&mut self) -> Result<Option<Step>, BadValue> {
        let Some((line_end, next)) = self.line()? else { return Ok(None) };
        let (kind, text) = (self.bytes[self.at], &self.bytes[self.at + 1..line_end]);
        let leaf = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(parse_i64(text).ok_or(BadValue)?),
            b'_' if text.is_empty() => Value::Null,
            b'#' if text == b"t" => Value::Boolean(true),
            b'#' if text == b"f" => Value::Boolean(false),
            b',' => Value::Double(double(text)?, text.to_vec()),
            b'(' => Value::BigNumber(big_number(text)?),
            b'$' | b'!' | b'=' => match parse_i64(text).ok_or(BadValue)? {
                -1 if kind == b'$' => Value::Null,
                len @ 0..=BULK_BYTES_MAX => {
                    let Some(string) = self.bytes.get(next..next + len as usize + 2) else { return Ok(None) };
                    let value = string_value(kind, string)?;
                    self.advance(next + len as usize + 2);
                    return Ok(Some(Step::Leaf(value)));
                }
                _ => return Err(BadValue),
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => match parse_i64(text).ok_or(BadValue)? {
                -1 if kind == b'*' => Value::Null,
                count @ 0..=0x7fff_ffff => {
                    let missing = count as u64 * if matches!(kind, b'%' | b'|') { 2 } else { 1 };
                    self.advance(next);
                    return Ok(Some(Step::Open(Aggregate { kind, missing, items: Vec::new() })));
                }
                _ => return Err(BadValue),
            },
            _ => return Err(BadValue),
        };
        self.advance(next);
        Ok(Some(Step::Leaf(leaf)))
    }

    /// Where the line at `at` ends, and where the next begins.
    fn line(&mut self) -> Result<Option<(usize, usize)>, BadValue> {
        let from = self.scanned.max(self.at);
        // Not beyond the bound: a line is too long or not, however it was cut.
        let to = self.bytes.len().min(self.at + LINE_BYTES_MAX + 1);
        let Some(len) = self.bytes[from..to].iter().position(|&byte| byte == b'\r') else {
            self.scanned = to;
            let is_long = to - self.at > LINE_BYTES_MAX;
            return if is_long { Err(BadValue) } else { Ok(None) };
        };
        let line_end = from + len;
        self.scanned = line_end;
        match self.bytes.get(line_end + 1) {
            None => Ok(None),
            Some(b'\n') if line_end > self.at => Ok(Some((line_end, line_end + 2))),
            Some(_) => Err(BadValue),
        }
    }

    fn advance(&mut self, to: usize) {
        (self.at, self.scanned) = (to, to);
    }
}

impl Aggregate {
    /// The value that it has become; none for attributes.
    fn close(self) -> Option<Value> {
        let mut items = self.items;
        match self.kind {
            b'*' => Some(Value::Array(items)),
            b'~' => Some(Value::Set(items)),
            b'>' => Some(Value::Push(items)),
            b'%' => {
                let pairs = items.chunks_exact_mut(2).map(|pair| {
                    let [key, value] = pair else { unreachable!("chunks of two") };
                    (mem::replace(key, Value::Null), mem::replace(value, Value::Null))
                });
                Some(Value::Map(pairs.collect()))
            }
            _ => None,
        }
    }
}

/// The value of a string with its line end behind it.
fn string_value(kind: u8, string: &[u8]) -> Result<Value, BadValue> {
    let text = string.strip_suffix(b"\r\n").ok_or(BadValue)?;
    match (kind, text) {
        (b'$', _) => Ok(Value::Bulk(text.to_vec())),
        (b'!', _) => Ok(Value::Error(text.to_vec())),
        (_, [a, b, c, b':', text @ ..]) => Ok(Value::Verbatim([*a, *b, *c], text.to_vec())),
        _ => Err(BadValue),
    }
}

fn double(text: &[u8]) -> Result<f64, BadValue> {
    match text {
        b"nan" | b"-nan" => Ok(f64::NAN),
        text => parse_f64(text).ok_or(BadValue),
    }
}

fn big_number(text: &[u8]) -> Result<Vec<u8>, BadValue> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if is_number { Ok(text.to_vec()) } else { Err(BadValue) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Reply;
    use alloc::vec;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<Option<Value>, BadValue> {
        let mut parser = Parser::default();
        parser.push(bytes);
        parser.next_value()
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Value) {
        assert_eq!(parse(bytes), Ok(Some(expected)));
        assert_eq!(parse(&bytes[..bytes.len() - 1]), Ok(None));
    }

    #[test]
    fn every_type_is_read() {
        check(b"+OK\r\n", Value::Simple(b"OK".to_vec()));
        check(b"-ERR no\r\n", Value::Error(b"ERR no".to_vec()));
        check(b"!5\r\nERR x\r\n", Value::Error(b"ERR x".to_vec()));
        check(b":-12\r\n", Value::Integer(-12));
        check(b"$3\r\na\rb\r\n", Value::Bulk(b"a\rb".to_vec()));
        check(b"$-1\r\n", Value::Null);
        check(b"*-1\r\n", Value::Null);
        check(b"_\r\n", Value::Null);
        check(b"#t\r\n", Value::Boolean(true));
        check(b",-inf\r\n", Value::Double(f64::NEG_INFINITY, b"-inf".to_vec()));
        check(b"(-123\r\n", Value::BigNumber(b"-123".to_vec()));
        check(b"=5\r\ntxt:a\r\n", Value::Verbatim(*b"txt", b"a".to_vec()));
        check(b"*2\r\n:1\r\n*0\r\n", Value::Array(vec![Value::Integer(1), Value::Array(vec![])]));
        check(b"~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)]));
        check(b">1\r\n:1\r\n", Value::Push(vec![Value::Integer(1)]));
        check(b"%1\r\n:1\r\n_\r\n", Value::Map(vec![(Value::Integer(1), Value::Null)]));
        check(b"|1\r\n+a\r\n+b\r\n:7\r\n", Value::Integer(7));
    }

    #[test]
    fn what_is_no_resp_stays_an_error() {
        for bytes in [
            b"x\r\n".as_slice(),
            b":a\r\n",
            b"$-2\r\n",
            b"$1\r\nabc",
            b"#x\r\n",
            b"+a\rb",
            b"(1a\r\n",
            b"\r\n",
        ] {
            assert_eq!(parse(bytes), Err(BadValue), "{}", bytes.escape_ascii());
        }
        let mut parser = Parser::default();
        parser.push(b"x\r\n");
        assert!(parser.next_value().is_err());
        parser.push(b"+OK\r\n");
        assert!(parser.next_value().is_err());
        let long = |len: usize| [b"+".as_slice(), &b"x".repeat(len), b"\r\n"].concat();
        assert_eq!(parse(&long(LINE_BYTES_MAX)), Err(BadValue), "a line has a bound");
        assert!(matches!(parse(&long(LINE_BYTES_MAX - 1)), Ok(Some(Value::Simple(_)))));
        assert_eq!(parse(&b"*1\r\n".repeat(33)), Err(BadValue), "nested too deep");
        assert_eq!(parse(&b"*1\r\n".repeat(32)), Ok(None));
    }

    fn value() -> impl Strategy<Value = Value> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..1_500);
        let leaf = prop_oneof![
            "[a-zA-Z ]{0,20}".prop_map(|text| Value::Simple(text.into_bytes())),
            "[A-Z]{2,5} [a-z ]{0,20}".prop_map(|text| Value::Error(text.into_bytes())),
            any::<i64>().prop_map(Value::Integer),
            bytes().prop_map(Value::Bulk),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            proptest::num::f64::NORMAL
                .prop_map(|value| Value::Double(value, base::number::text_17g(value).to_vec())),
            "-?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
            bytes().prop_map(|text| Value::Verbatim(*b"txt", text)),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let items = || proptest::collection::vec(inner.clone(), 0..6);
            prop_oneof![
                items().prop_map(Value::Array),
                items().prop_map(Value::Set),
                items().prop_map(Value::Push),
                proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            ]
        })
    }

    /// Writes `value`, and gives what RESP2 shows of it in the other version.
    fn write(reply: &mut Reply<'_>, value: &Value) -> Value {
        let text = |bytes: &[u8]| alloc::string::String::from_utf8_lossy(bytes).into_owned();
        let resp3 = reply.is_resp3();
        let all = |reply: &mut Reply<'_>, items: &[Value]| -> Vec<Value> {
            items.iter().map(|item| write(reply, item)).collect()
        };
        match value {
            Value::Simple(bytes) => reply.simple(&text(bytes)),
            Value::Error(bytes) => reply.error(bytes),
            Value::Integer(value) => reply.integer(*value),
            Value::Bulk(bytes) => reply.bulk(bytes),
            Value::Null => reply.null(),
            Value::Boolean(value) => {
                reply.boolean(*value);
                if !resp3 {
                    return Value::Integer(i64::from(*value));
                }
            }
            Value::Double(value, text) => {
                reply.double(*value);
                if !resp3 {
                    return Value::Bulk(text.clone());
                }
            }
            Value::BigNumber(digits) => {
                reply.big_number(&text(digits));
                if !resp3 {
                    return Value::Bulk(digits.clone());
                }
            }
            Value::Verbatim(_, bytes) => {
                reply.verbatim("txt", bytes);
                if !resp3 {
                    return Value::Bulk(bytes.clone());
                }
            }
            Value::Array(items) => {
                reply.array(items.len());
                return Value::Array(all(reply, items));
            }
            Value::Set(items) => {
                reply.set(items.len());
                let items = all(reply, items);
                return if resp3 { Value::Set(items) } else { Value::Array(items) };
            }
            Value::Push(items) => {
                reply.push(items.len());
                let items = all(reply, items);
                return if resp3 { Value::Push(items) } else { Value::Array(items) };
            }
            Value::Map(pairs) => {
                reply.map(pairs.len());
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| (write(reply, key), write(reply, value))).collect();
                if resp3 {
                    return Value::Map(pairs);
                }
                return Value::Array(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect());
            }
        }
        value.clone()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn written_replies_read_back(
            values in proptest::collection::vec(value(), 1..5),
            resp3 in any::<bool>(),
            cuts in proptest::collection::vec(1usize..200, 0..40),
        ) {
            let mut bytes = Vec::new();
            let mut reply = Reply::new(&mut bytes, resp3);
            let expected: Vec<_> = values.iter().map(|value| write(&mut reply, value)).collect();
            let mut parser = Parser::default();
            let mut read = Vec::new();
            let mut rest = bytes.as_slice();
            for len in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(len.min(rest.len()));
                parser.push(now);
                while let Some(value) = parser.next_value().expect("what was written is RESP") {
                    read.push(value);
                }
                rest = later;
            }
            prop_assert_eq!(read, expected);
            prop_assert_eq!(parser.pending_bytes(), 0);
        }
    }
}
