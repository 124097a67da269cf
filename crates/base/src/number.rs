//! Numbers from text and back, by the protocol's rules.
//!
//! Integers are read strictly: no blank, no plus sign, no leading zero, no `-0`; so each integer has one text,
//! and a value that reads as an integer can be stored as one. Floating point is read as C's `strtod`
//! reads it, with blanks, NaN and results out of range refused.

use core::fmt::{self, Write};
use core::ops::Deref;

mod extended;

pub use extended::Extended;

/// A short text on the stack: a formatted number.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; Text::LEN_MAX],
    len: u8,
}

impl Text {
    /// 40: the longest text is a scientific double of 17 digits, 24 bytes.
    const LEN_MAX: usize = 40;

    const fn new() -> Text {
        Text { bytes: [0; Text::LEN_MAX], len: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    fn push_zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.push(b"0"));
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl Deref for Text {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(self).expect("a formatted number is ASCII"))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads an integer strictly. What it accepts, [`integer_text`] gives back byte for byte.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        _ => (text, false),
    };
    if negative && digits == b"0" {
        return None;
    }
    let size = parse_u64(digits)?;
    if negative { 0i64.checked_sub_unsigned(size) } else { i64::try_from(size).ok() }
}

/// Reads an integer that is not negative, strictly.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [] => None,
        [b'0'] => Some(0),
        [b'0', ..] => None,
        // 20: the digits of `u64::MAX`.
        _ if text.len() > 20 => None,
        _ => text.iter().try_fold(0u64, |sum, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u64::from(digit)) }
        }),
    }
}

/// Reads the cursor of a SCAN as the originals do, with C's `strtoul`: a sign and leading zeros are allowed,
/// the empty text is 0, a negative number wraps, and the text ends with a zero byte.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (digits, negative) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        _ => (text, false),
    };
    if digits.is_empty() {
        return None;
    }
    let size = digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u64::from(digit)) }
    })?;
    Some(if negative { size.wrapping_neg() } else { size })
}

/// Reads a double as `getDoubleFromObject` of the originals accepts it: decimal or hexadecimal, `inf` and
/// `infinity` in any case, no blanks, no NaN, nothing that overflows or vanishes to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if let [b'0', b'x' | b'X', ..] = unsigned {
        return extended::hexadecimal_f64(text);
    }
    let is_word = unsigned.first().is_some_and(u8::is_ascii_alphabetic);
    let value: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
    if is_word {
        return (!value.is_nan()).then_some(value);
    }
    let vanished = value == 0.0 && !is_zero_text(unsigned);
    (value.is_finite() && !vanished).then_some(value)
}

/// True when the digits before an exponent are all zero.
fn is_zero_text(text: &[u8]) -> bool {
    text.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| matches!(byte, b'0' | b'.'))
}

/// The text of an integer.
pub fn integer_text(value: i64) -> Text {
    // 20: the characters of `i64::MIN`.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    let mut text = Text::new();
    text.push(&digits[at..]);
    text
}

/// C's `%.17g`: 17 significant digits, without trailing zeros. Redis 7.0 sends scores so.
pub fn text_17g(value: f64) -> Text {
    if let Some(text) = special_text(value) {
        return text;
    }
    // 10^15: a whole number of fewer digits is printed as it is. The sign of zero counts.
    if libm::fabs(value) < 1e15 && libm::trunc(value) == value && (value != 0.0 || value.is_sign_positive()) {
        return integer_text(value as i64);
    }
    let mut scientific = Text::new();
    write!(scientific, "{value:.16e}").expect("a text has room for 17 digits and an exponent");
    let parts = Parts::of(&scientific);
    let mut text = Text::new();
    parts.sign(&mut text);
    let digits = parts.digits();
    if (-4..17).contains(&parts.exponent) {
        push_plain(&mut text, digits, parts.exponent);
        return text;
    }
    push_mantissa(&mut text, digits);
    let sign = if parts.exponent < 0 { '-' } else { '+' };
    write!(text, "e{sign}{:02}", parts.exponent.unsigned_abs()).expect("a text has room for an exponent");
    text
}

/// The shortest text that reads back as the same double, in the layout that Redis 7.2 replies with:
/// integers plain below 2^52, else plain for moderate exponents, else scientific.
pub fn text_shortest(value: f64) -> Text {
    if let Some(text) = special_text(value) {
        return text;
    }
    if value == 0.0 {
        let mut text = Text::new();
        text.push(if value.is_sign_negative() { b"-0" } else { b"0" });
        return text;
    }
    // 2^52: up to here the originals print a whole number as an integer.
    if libm::fabs(value) < 4_503_599_627_370_496.0 && libm::trunc(value) == value {
        return integer_text(value as i64);
    }
    let mut scientific = Text::new();
    write!(scientific, "{value:e}").expect("a text has room for 17 digits and an exponent");
    let parts = Parts::of(&scientific);
    let mut text = Text::new();
    parts.sign(&mut text);
    let digits = parts.digits();
    let count = digits.len() as i32;
    // The power of ten of the last digit.
    let last = parts.exponent - (count - 1);
    let size = parts.exponent.abs();
    if last >= 0 && size < count + 7 {
        text.push(digits);
        text.push_zeros(last as usize);
    } else if last < 0 && (last > -7 || size < 4) {
        push_plain(&mut text, digits, parts.exponent);
    } else {
        push_mantissa(&mut text, digits);
        let sign = if parts.exponent < 0 { '-' } else { '+' };
        write!(text, "e{sign}{size}").expect("a text has room for an exponent");
    }
    text
}

fn special_text(value: f64) -> Option<Text> {
    if value.is_finite() {
        return None;
    }
    let mut text = Text::new();
    text.push(match value {
        _ if value.is_nan() => b"nan",
        _ if value > 0.0 => b"inf",
        _ => b"-inf",
    });
    Some(text)
}

/// A number as Rust prints it with an exponent, taken apart.
struct Parts {
    negative: bool,
    digits: [u8; 20],
    count: usize,
    exponent: i32,
}

impl Parts {
    fn of(scientific: &[u8]) -> Parts {
        let mut parts = Parts { negative: false, digits: [0; 20], count: 0, exponent: 0 };
        let at = scientific.iter().position(|byte| *byte == b'e').expect("the format has an exponent");
        for &byte in &scientific[..at] {
            match byte {
                b'-' => parts.negative = true,
                b'.' => {}
                digit => {
                    parts.digits[parts.count] = digit;
                    parts.count += 1;
                }
            }
        }
        while parts.count > 1 && parts.digits[parts.count - 1] == b'0' {
            parts.count -= 1;
        }
        parts.exponent = parse_i64(&scientific[at + 1..]).expect("an exponent is an integer") as i32;
        parts
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    fn sign(&self, text: &mut Text) {
        if self.negative {
            text.push(b"-");
        }
    }
}

/// `digits` with the point where the exponent puts it.
fn push_plain(text: &mut Text, digits: &[u8], exponent: i32) {
    if exponent < 0 {
        text.push(b"0.");
        text.push_zeros((-1 - exponent) as usize);
        text.push(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if whole >= digits.len() {
        text.push(digits);
        text.push_zeros(whole - digits.len());
        return;
    }
    text.push(&digits[..whole]);
    text.push(b".");
    text.push(&digits[whole..]);
}

/// `digits` with the point behind the first.
fn push_mantissa(text: &mut Text, digits: &[u8]) {
    text.push(&digits[..1]);
    if digits.len() > 1 {
        text.push(b".");
        text.push(&digits[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn integers_have_one_text() {
        for (text, value) in
            [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse_i64(text.as_bytes()), Some(value));
            assert_eq!(&*integer_text(value), text.as_bytes());
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "0x1",
            "--1",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }

    #[test]
    fn cursors_are_read_leniently() {
        assert_eq!(parse_cursor(b""), Some(0));
        assert_eq!(parse_cursor(b"007"), Some(7));
        assert_eq!(parse_cursor(b"-1"), Some(u64::MAX));
        assert_eq!(parse_cursor(b"1x"), None);
        assert_eq!(parse_cursor(b" 1"), None);
    }

    #[test]
    fn doubles_are_read_as_c_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("0e999", 0.0),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "", " 1", "1 ", "nan", "1e", ".", "1e400", "1e-400", "0x", "0x1p9999", "1_0", "infi", "1\0", "e5",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_in_both_forms() {
        for (value, short, long) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (3.1, "3.1", "3.1000000000000001"),
            (-2.5, "-2.5", "-2.5"),
            (100.0, "100", "100"),
            (1e15, "1000000000000000", "1000000000000000"),
            (1e17, "1e+17", "1e+17"),
            (1.5e300, "1.5e+300", "1.5000000000000001e+300"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "0.00001", "1.0000000000000001e-05"),
            (1e-10, "1e-10", "1e-10"),
            (f64::INFINITY, "inf", "inf"),
            (f64::NEG_INFINITY, "-inf", "-inf"),
            (1e16, "1e+16", "10000000000000000"),
            (1.2345678901234567e19, "12345678901234567000", "1.2345678901234567e+19"),
        ] {
            assert_eq!(&*text_shortest(value), short.as_bytes(), "{value} {}", text_shortest(value));
            assert_eq!(&*text_17g(value), long.as_bytes(), "{value} {}", text_17g(value));
        }
    }

    #[test]
    fn written_doubles_read_back() {
        let mut random = Random::new(11);
        for _ in 0..20_000 {
            let value = f64::from_bits(random.word());
            if value.is_nan() {
                continue;
            }
            assert_eq!(parse_f64(&text_shortest(value)), Some(value));
            assert_eq!(parse_f64(&text_17g(value)), Some(value));
        }
    }
}
