//! Values as they are seen from outside: borrowed in the keyspace, or owned and on their own.

use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A value's type, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Kind {
    /// The name that TYPE answers.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// How a value is laid out, as OBJECT ENCODING names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A string that is an integer.
    Int,
    /// A string of up to 44 bytes.
    Embstr,
    /// A longer string, or one that was changed in place.
    Raw,
    /// A small collection in one flat allocation.
    Listpack,
    /// A hash table.
    Hashtable,
    /// A list of several listpacks.
    Quicklist,
    /// A set of integers in one flat allocation.
    Intset,
    /// A large sorted set. The original keeps a skip list.
    Skiplist,
    /// A stream.
    Stream,
}

impl Encoding {
    /// The name that OBJECT ENCODING answers.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::Hashtable => "hashtable",
            Encoding::Quicklist => "quicklist",
            Encoding::Intset => "intset",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// A value where it lies.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string.
    Str(StrRef<'a>),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    SortedSet(&'a SortedSet),
    /// A hash.
    Hash(&'a Hash),
    /// A stream.
    Stream(&'a Stream),
}

impl ValueRef<'_> {
    /// The type.
    pub fn kind(&self) -> Kind {
        match self {
            ValueRef::Str(_) => Kind::String,
            ValueRef::List(_) => Kind::List,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::SortedSet(_) => Kind::SortedSet,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::Stream(_) => Kind::Stream,
        }
    }
}

/// A string where it lies: bytes, or an integer that stands for its decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrRef<'a> {
    /// The decimal text of this integer.
    Int(i64),
    /// These bytes.
    Bytes(&'a [u8]),
}

/// Room for the decimal text of any `i64`.
pub type IntText = [u8; 20];

impl<'a> StrRef<'a> {
    /// The text; `room` is where an integer's digits are written.
    #[inline]
    pub fn bytes<'b>(self, room: &'b mut IntText) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            StrRef::Bytes(bytes) => bytes,
            StrRef::Int(number) => integer_text(number, room),
        }
    }

    /// The length of the text.
    pub fn len(self) -> usize {
        match self {
            StrRef::Bytes(bytes) => bytes.len(),
            StrRef::Int(number) => integer_text(number, &mut IntText::default()).len(),
        }
    }

    /// True when the text is empty.
    pub fn is_empty(self) -> bool {
        matches!(self, StrRef::Bytes([]))
    }

    /// The integer whose canonical text this is (no plus sign, no leading zeros, in range).
    #[inline]
    pub fn integer(self) -> Option<i64> {
        match self {
            StrRef::Int(number) => Some(number),
            StrRef::Bytes(bytes) => integer_of(bytes),
        }
    }

    /// Appends the text to `out`.
    #[inline]
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(&mut IntText::default()));
    }

    /// The text as a vector.
    pub fn to_vec(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }
}

/// A value on its own: taken out of the keyspace, or not yet in it. `Send`: a helper thread may drop it.
#[derive(Debug)]
pub enum Value {
    /// A string that is an integer.
    Integer(i64),
    /// A string.
    String(Vec<u8>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A hash.
    Hash(Hash),
    /// A stream.
    Stream(Box<Stream>),
}

impl Value {
    /// A string value as SET makes it: an integer where the text is one.
    pub fn string(text: &[u8]) -> Value {
        match integer_of(text) {
            Some(number) => Value::Integer(number),
            None => Value::String(text.to_vec()),
        }
    }

    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Integer(number) => ValueRef::Str(StrRef::Int(*number)),
            Value::String(text) => ValueRef::Str(StrRef::Bytes(text)),
            Value::List(list) => ValueRef::List(list),
            Value::Set(set) => ValueRef::Set(set),
            Value::SortedSet(set) => ValueRef::SortedSet(set),
            Value::Hash(hash) => ValueRef::Hash(hash),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }
}

/// The decimal text of `number`, written at the end of `room`.
#[inline]
pub fn integer_text(number: i64, room: &mut IntText) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        room[at] = b'-';
    }
    &room[at..]
}

/// The integer whose canonical decimal text `text` is.
#[inline]
pub fn integer_of(text: &[u8]) -> Option<i64> {
    // 20: the length of i64::MIN.
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    match (negative, number) {
        (false, _) => i64::try_from(number).ok(),
        (true, _) if number <= 1 << 63 => Some((number as i64).wrapping_neg()),
        (true, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_text() {
        for number in [0, 1, -1, 9, 10, i64::MAX, i64::MIN, -90] {
            let mut room = IntText::default();
            assert_eq!(integer_of(integer_text(number, &mut room)), Some(number));
        }
        let others: [&[u8]; 10] = [
            b"",
            b"-",
            b"-0",
            b"01",
            b"+1",
            b" 1",
            b"1a",
            b"9223372036854775808",
            b"-9223372036854775809",
            b"99999999999999999999",
        ];
        for text in others {
            assert_eq!(integer_of(text), None, "{text:?}");
        }
    }
}
