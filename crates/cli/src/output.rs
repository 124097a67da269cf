//! Replies as text, in the five forms.
//!
//! ```text
//!   standard   1) "a"        raw   a      csv   "a",NULL     json   ["a",null]
//!              2) (nil)
//! ```

use crate::options::{Format, Options};
use base::words::quote;
use wire::value::Value;

/// `value` as `options` want it. `is_text`: the reply of a command that answers in readable lines, shown as it is.
pub fn reply(options: &Options, format: Format, value: &Value, is_text: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if is_text {
        raw(&mut out, value, &options.item_delimiter);
        return out;
    }
    match format {
        Format::Standard => standard(&mut out, value, b""),
        Format::Raw => {
            raw(&mut out, value, &options.item_delimiter);
            out.extend_from_slice(&options.reply_delimiter);
        }
        Format::Csv => {
            csv(&mut out, value);
            out.push(b'\n');
        }
        Format::Json | Format::QuotedJson => {
            json(&mut out, value, format == Format::QuotedJson);
            out.push(b'\n');
        }
    }
    out
}

/// A push as `options` want it: invalidations are shown in a line of their own.
pub fn push(options: &Options, format: Format, value: &Value) -> Vec<u8> {
    if format == Format::Standard
        && let Some([Value::Bulk(kind), Value::Array(keys)]) = value.items()
        && kind.starts_with(b"invalidate")
    {
        let keys: Vec<Vec<u8>> =
            keys.iter().map(|key| [b"'", key.text().unwrap_or_default(), b"'"].concat()).collect();
        return [b"-> invalidate: ".as_slice(), &keys.join(b", ".as_slice()), b"\n"].concat();
    }
    reply(options, format, value, false)
}

/// For the eye. `prefix` is what stands before every line but the first.
fn standard(out: &mut Vec<u8>, value: &Value, prefix: &[u8]) {
    match value {
        Value::Error(text) => line(out, b"(error) ", text),
        Value::Simple(text) | Value::Verbatim(_, text) => line(out, b"", text),
        Value::Integer(number) => line(out, b"(integer) ", number.to_string().as_bytes()),
        Value::Double(_, text) => line(out, b"(double) ", text),
        Value::BigNumber(digits) => line(out, b"(big number) ", digits),
        Value::Bulk(text) => {
            quote(out, text);
            out.push(b'\n');
        }
        Value::Null => line(out, b"", b"(nil)"),
        Value::Boolean(true) => line(out, b"", b"(true)"),
        Value::Boolean(false) => line(out, b"", b"(false)"),
        Value::Array(items) if items.is_empty() => line(out, b"", b"(empty array)"),
        Value::Set(items) if items.is_empty() => line(out, b"", b"(empty set)"),
        Value::Push(items) if items.is_empty() => line(out, b"", b"(empty push)"),
        Value::Map(pairs) if pairs.is_empty() => line(out, b"", b"(empty hash)"),
        Value::Array(items) | Value::Push(items) => numbered(out, items, b')', prefix),
        Value::Set(items) => numbered(out, items, b'~', prefix),
        Value::Map(pairs) => map(out, pairs, prefix),
    }
}

fn line(out: &mut Vec<u8>, head: &[u8], text: &[u8]) {
    out.extend_from_slice(head);
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Digits of the largest number before an item.
fn width(count: usize) -> usize {
    count.to_string().len()
}

fn number(out: &mut Vec<u8>, place: usize, width: usize, mark: u8, prefix: &[u8]) {
    // The first stands behind the number of the item that holds all.
    if place > 0 {
        out.extend_from_slice(prefix);
    }
    out.extend_from_slice(format!("{:>width$}{} ", place + 1, char::from(mark)).as_bytes());
}

fn numbered(out: &mut Vec<u8>, items: &[Value], mark: u8, prefix: &[u8]) {
    let width = width(items.len());
    let inner = [prefix, &b" ".repeat(width + 2)].concat();
    for (place, item) in items.iter().enumerate() {
        number(out, place, width, mark, prefix);
        standard(out, item, &inner);
    }
}

fn map(out: &mut Vec<u8>, pairs: &[(Value, Value)], prefix: &[u8]) {
    let width = width(pairs.len());
    let inner = [prefix, &b" ".repeat(width + 2)].concat();
    for (place, (key, value)) in pairs.iter().enumerate() {
        number(out, place, width, b'#', prefix);
        standard(out, key, &inner);
        // The value stands in the line of the key, unless it takes several.
        out.pop();
        out.extend_from_slice(b" => ");
        if takes_lines(value) {
            out.push(b'\n');
            out.extend_from_slice(&inner);
        }
        standard(out, value, &inner);
    }
}

fn takes_lines(value: &Value) -> bool {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => match items.as_slice() {
            [] => false,
            [one] => takes_lines(one),
            _ => true,
        },
        Value::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, value)] => takes_lines(value),
            _ => true,
        },
        _ => false,
    }
}

fn raw(out: &mut Vec<u8>, value: &Value, delimiter: &[u8]) {
    match value {
        Value::Null => {}
        Value::Error(text) => line(out, b"", text),
        Value::Simple(text)
        | Value::Bulk(text)
        | Value::Verbatim(_, text)
        | Value::BigNumber(text)
        | Value::Double(_, text) => {
            out.extend_from_slice(text);
        }
        Value::Boolean(true) => out.extend_from_slice(b"(true)"),
        Value::Boolean(false) => out.extend_from_slice(b"(false)"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(delimiter);
                }
                raw(out, item, delimiter);
            }
        }
        Value::Map(pairs) => {
            for (place, (key, value)) in pairs.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(delimiter);
                }
                raw(out, key, delimiter);
                out.push(b' ');
                raw(out, value, delimiter);
            }
        }
    }
}

fn csv(out: &mut Vec<u8>, value: &Value) {
    let list = |out: &mut Vec<u8>, items: &mut dyn Iterator<Item = &Value>| {
        for (place, item) in items.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            csv(out, item);
        }
    };
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"ERROR,");
            quote(out, text);
        }
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim(_, text) => quote(out, text),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(_, text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => list(out, &mut items.iter()),
        // There are no maps in CSV: keys and values in turn.
        Value::Map(pairs) => list(out, &mut pairs.iter().flat_map(|(key, value)| [key, value])),
    }
}

/// JSON; `is_ascii`: strings as `quote` writes them, their backslashes doubled.
fn json(out: &mut Vec<u8>, value: &Value, is_ascii: bool) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"error:");
            json_string(out, text, is_ascii);
        }
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim(_, text) => {
            json_string(out, text, is_ascii)
        }
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(_, text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                json(out, item, is_ascii);
            }
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            for (place, (key, value)) in pairs.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                json_key(out, key, is_ascii);
                out.push(b':');
                json(out, value, is_ascii);
            }
            out.push(b'}');
        }
    }
}

/// The key of an object must be a string in JSON; in RESP3 it may be anything.
fn json_key(out: &mut Vec<u8>, key: &Value, is_ascii: bool) {
    let mut text = Vec::new();
    json(&mut text, key, is_ascii);
    let is_string = matches!(key, Value::Error(_)) || text.starts_with(b"\"");
    if is_string {
        out.extend_from_slice(&text);
    } else {
        out.push(b'"');
        out.extend_from_slice(&text);
        out.push(b'"');
    }
}

fn json_string(out: &mut Vec<u8>, text: &[u8], is_ascii: bool) {
    if is_ascii {
        let quoted = base::words::quoted(text);
        for byte in quoted {
            if byte == b'\\' {
                out.push(b'\\');
            }
            out.push(byte);
        }
        return;
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    #[track_caller]
    fn check(format: Format, value: &Value, expected: &str) {
        let out = reply(&Options::default(), format, value, false);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn items_are_numbered_and_nested() {
        let inner = Value::Array(vec![bulk("b\n"), Value::Null]);
        let list = Value::Array(vec![Value::Integer(1), inner, Value::Array(vec![])]);
        check(Format::Standard, &list, "1) (integer) 1\n2) 1) \"b\\n\"\n   2) (nil)\n3) (empty array)\n");
        check(Format::Raw, &list, "1\nb\n\n\n\n");
        check(Format::Csv, &list, "1,\"b\\n\",NULL,\n");
        check(Format::Json, &list, "[1,[\"b\\n\",null],[]]\n");
    }

    #[test]
    fn the_values_of_maps_stand_beside_or_below() {
        let pairs = vec![
            (bulk("a"), Value::Integer(1)),
            (Value::Integer(2), Value::Array(vec![bulk("x"), bulk("y")])),
        ];
        let map = Value::Map(pairs);
        check(
            Format::Standard,
            &map,
            "1# \"a\" => (integer) 1\n2# (integer) 2 => \n   1) \"x\"\n   2) \"y\"\n",
        );
        check(Format::Raw, &map, "a 1\n2 x\ny\n");
        check(Format::Json, &map, "{\"a\":1,\"2\":[\"x\",\"y\"]}\n");
    }

    #[test]
    fn json_in_ascii_doubles_backslashes() {
        check(Format::QuotedJson, &bulk("\u{e9}\"\n"), "\"\\\\xc3\\\\xa9\\\\\"\\\\n\"\n");
        check(Format::Json, &bulk("\u{1}"), "\"\\u0001\"\n");
    }
}
