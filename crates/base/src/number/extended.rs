//! The extended double of x87 (a mantissa of 64 bits) in software: what INCRBYFLOAT and HINCRBYFLOAT compute
//! with in the originals, so that 10.5 + 0.1 is 10.6 and not 10.59999999999999964.
//!
//! Every operation is exact on wide integers and rounds once, to nearest, ties to even.

use alloc::vec::Vec;

/// A number of the extended format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// `mantissa` times two to the `exponent`. Invariant: the mantissa is 0 or within the precision.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

/// A binary format: its precision in bits, the exponent of its smallest step, the exponent that overflows.
struct Format {
    precision: u32,
    step: i64,
    overflow: i64,
}

const EXTENDED: Format = Format { precision: 64, step: -16_445, overflow: 16_384 };
const DOUBLE: Format = Format { precision: 53, step: -1_074, overflow: 1_024 };

/// 5119: a longer text is not read as a number by the originals.
const TEXT_LEN_MAX: usize = 5119;
/// 17: the digits behind the point that a result is written with.
const FRACTION_DIGITS: usize = 17;

impl Extended {
    /// The number of an integer, exact.
    pub fn from_i64(value: i64) -> Extended {
        Extended { negative: value < 0, size: Size::Finite { mantissa: value.unsigned_abs(), exponent: 0 } }
    }

    /// Reads a number as `getLongDoubleFromObject` of the originals accepts it: decimal or hexadecimal, `inf` and
    /// `infinity` in any case; no blanks, no NaN, nothing that overflows or vanishes, under 5120 bytes.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (negative, unsigned) = sign(text);
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended { negative, size: Size::Infinite });
        }
        let exact = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
            digits => decimal(digits)?,
        };
        let (mantissa, exponent) = exact.round(&EXTENDED)?;
        Some(Extended { negative, size: Size::Finite { mantissa, exponent: exponent as i32 } })
    }

    /// False for the two infinities.
    pub fn is_finite(&self) -> bool {
        matches!(self.size, Size::Finite { .. })
    }

    /// The sum, or nothing when it would be NaN or infinite.
    pub fn checked_add(self, other: Extended) -> Option<Extended> {
        let (Size::Finite { mantissa: m1, exponent: e1 }, Size::Finite { mantissa: m2, exponent: e2 }) =
            (self.size, other.size)
        else {
            return None;
        };
        let mut terms = [(self.negative, m1, i64::from(e1)), (other.negative, m2, i64::from(e2))];
        for (_, mantissa, exponent) in &mut terms {
            let shift = mantissa.leading_zeros() & 63;
            *mantissa <<= shift;
            *exponent -= i64::from(shift);
        }
        let [low, high] = terms;
        let (low, high) =
            if high.1 == 0 || (low.1 != 0 && low.2 > high.2) { (high, low) } else { (low, high) };
        // 62 bits below the larger term keep the rounding right, with the rest of the smaller one in the lowest bit.
        let larger = u128::from(high.1) << 62;
        let shift = u32::try_from(high.2 - low.2).unwrap_or(0).min(127);
        let whole = u128::from(low.1) << 62;
        let smaller = (whole >> shift) | u128::from((whole >> shift) << shift != whole);
        let (negative, bits) = match (high.0 == low.0, larger >= smaller) {
            (true, _) => (high.0, larger + smaller),
            (false, true) => (high.0 && larger != smaller, larger - smaller),
            (false, false) => (low.0, smaller - larger),
        };
        let sum = Exact { bits, exponent: high.2 - 62, more: false };
        let (mantissa, exponent) = sum.round_allowing_zero(&EXTENDED)?;
        Some(Extended { negative, size: Size::Finite { mantissa, exponent: exponent as i32 } })
    }

    /// Appends the number as INCRBYFLOAT stores it: plain, at most 17 digits behind the point, no trailing zeros.
    pub fn write(self, out: &mut Vec<u8>) {
        let Size::Finite { mantissa, exponent } = self.size else {
            out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            return;
        };
        let start = out.len();
        if exponent >= 0 {
            if self.negative && mantissa != 0 {
                out.push(b'-');
            }
            let mut whole = Natural::from(mantissa);
            whole.shift_left(exponent as u32);
            whole.write(out);
            return;
        }
        // Below 2^64 * 10^17 < 2^121: scaled to units of the last digit, then rounded to even.
        let scaled = u128::from(mantissa) * 10u128.pow(FRACTION_DIGITS as u32);
        let units = Exact { bits: scaled, exponent: 0, more: false }.drop_bits(exponent.unsigned_abs());
        if self.negative && units != 0 {
            out.push(b'-');
        }
        let text = alloc::format!("{units:0width$}", width = FRACTION_DIGITS + 1);
        let (whole, fraction) = text.split_at(text.len() - FRACTION_DIGITS);
        out.extend_from_slice(whole.as_bytes());
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        debug_assert!(out.len() > start);
    }

    /// The number as text, as [`Extended::write`] appends it.
    pub fn text(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Reads a hexadecimal floating-point number (with its sign and `0x`) as a double, rounded once.
pub(super) fn hexadecimal_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let digits = unsigned.get(2..)?;
    let (mantissa, exponent) = hexadecimal(digits)?.round(&DOUBLE)?;
    let size = libm::ldexp(mantissa as f64, exponent as i32);
    Some(if negative { -size } else { size })
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// A positive number before it is rounded: `bits` times two to the `exponent`, and something below that if `more`.
#[derive(Clone, Copy)]
struct Exact {
    bits: u128,
    exponent: i64,
    more: bool,
}

impl Exact {
    /// Rounded to `format`; nothing when it overflows, or when it is not zero and vanishes.
    fn round(self, format: &Format) -> Option<(u64, i64)> {
        let rounded = self.round_allowing_zero(format)?;
        let vanished = rounded.0 == 0 && (self.bits != 0 || self.more);
        (!vanished).then_some(rounded)
    }

    fn round_allowing_zero(self, format: &Format) -> Option<(u64, i64)> {
        if self.bits == 0 {
            return Some((0, 0));
        }
        let len = i64::from(128 - self.bits.leading_zeros());
        let lowest = (self.exponent + len - i64::from(format.precision)).max(format.step);
        let drop = lowest - self.exponent;
        let (mantissa, exponent) = if drop <= 0 {
            (self.bits, self.exponent)
        } else {
            (self.drop_bits(u32::try_from(drop).unwrap_or(u32::MAX)), lowest)
        };
        // Rounding up may have carried into one bit more; it is then a power of two.
        let (mantissa, exponent) = if mantissa >> format.precision != 0 {
            (mantissa >> 1, exponent + 1)
        } else {
            (mantissa, exponent)
        };
        let top = exponent + i64::from(128 - mantissa.leading_zeros());
        if mantissa != 0 && top > format.overflow {
            return None;
        }
        Some((u64::try_from(mantissa).ok()?, exponent))
    }

    /// The bits without the lowest `count`, rounded to nearest, ties to even.
    fn drop_bits(self, count: u32) -> u128 {
        if count == 0 {
            return self.bits;
        }
        if count > 128 {
            return 0;
        }
        let kept = self.bits.checked_shr(count).unwrap_or(0);
        let half = 1u128 << (count - 1);
        let below = self.bits & (half - 1) != 0 || self.more;
        let up = self.bits & half != 0 && (below || kept & 1 == 1);
        kept + u128::from(up)
    }
}

/// The digits of a number, split off the text: those of the mantissa without the point, and how far the point and the
/// exponent move them. An exponent saturates: what it does to a number is clear long before.
fn scientific(text: &[u8], marks: [u8; 2], is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, i64, i64)> {
    let end = text.iter().position(|byte| marks.contains(byte)).unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(end);
    let mut digits = Vec::with_capacity(mantissa.len());
    let mut behind_point = None;
    for byte in mantissa {
        match byte {
            b'.' if behind_point.is_none() => behind_point = Some(0),
            digit if is_digit(digit) => {
                digits.push(*digit);
                behind_point = behind_point.map(|count| count + 1);
            }
            _ => return None,
        }
    }
    if digits.is_empty() {
        return None;
    }
    let exponent = match exponent {
        [] => 0,
        [_, rest @ ..] => {
            let (negative, unsigned) = sign(rest);
            if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // 2^40 is far beyond every range and far from an overflow of the sums below.
            let size =
                unsigned.iter().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1 << 40));
            if negative { -size } else { size }
        }
    };
    Some((digits, behind_point.unwrap_or(0), exponent))
}

fn hexadecimal(text: &[u8]) -> Option<Exact> {
    let (digits, behind_point, exponent) = scientific(text, *b"pP", u8::is_ascii_hexdigit)?;
    let mut exact = Exact { bits: 0, exponent: exponent - 4 * behind_point, more: false };
    for digit in digits {
        let value = (digit as char).to_digit(16).expect("a hexadecimal digit");
        // 124: the top digit must stay free for the next one.
        if exact.bits >> 124 == 0 {
            exact.bits = exact.bits << 4 | u128::from(value);
        } else {
            exact.more |= value != 0;
            exact.exponent += 4;
        }
    }
    Some(exact)
}

fn decimal(text: &[u8]) -> Option<Exact> {
    let (digits, behind_point, exponent) = scientific(text, *b"eE", u8::is_ascii_digit)?;
    let power = exponent - behind_point;
    let mut number = Natural::default();
    digits.iter().for_each(|digit| number.multiply_add(10, u32::from(digit - b'0')));
    if number.is_zero() {
        return Some(Exact { bits: 0, exponent: 0, more: false });
    }
    // 5,200 is beyond the range (10^4932, 10^-4951) even with the 255 digits that the text may have.
    if power.abs() > 5_200 {
        return None;
    }
    if power >= 0 {
        (0..power).for_each(|_| number.multiply_add(10, 0));
        return Some(number.top());
    }
    let mut scale = Natural::from(1);
    (power..0).for_each(|_| scale.multiply_add(10, 0));
    Some(number.divide(scale))
}

/// A natural number of any size (here up to some 18,000 bits), least word first, no zero word on top.
#[derive(Clone, Default)]
struct Natural {
    words: Vec<u32>,
}

impl From<u64> for Natural {
    fn from(value: u64) -> Natural {
        let mut natural = Natural { words: [value as u32, (value >> 32) as u32].into() };
        natural.trim();
        natural
    }
}

impl Natural {
    fn is_zero(&self) -> bool {
        self.words.is_empty()
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    fn bits(&self) -> u64 {
        let unused = self.words.last().map_or(0, |word| word.leading_zeros());
        self.words.len() as u64 * 32 - u64::from(unused)
    }

    fn multiply_add(&mut self, factor: u32, term: u32) {
        let mut carry = u64::from(term);
        for word in &mut self.words {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.words.push(carry as u32);
        }
    }

    fn shift_left(&mut self, count: u32) {
        let (words, bits) = ((count / 32) as usize, count % 32);
        if bits != 0 {
            self.multiply_add(1 << bits, 0);
        }
        if !self.is_zero() {
            self.words.splice(0..0, core::iter::repeat_n(0, words));
        }
    }

    fn at_least(&self, other: &Natural) -> bool {
        let order = self.words.len().cmp(&other.words.len());
        order.then_with(|| self.words.iter().rev().cmp(other.words.iter().rev())).is_ge()
    }

    /// Invariant: `other` is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = 0;
        for (index, word) in self.words.iter_mut().enumerate() {
            let taken = u64::from(other.words.get(index).copied().unwrap_or(0)) + borrow;
            borrow = u64::from(u64::from(*word) < taken);
            *word = word.wrapping_sub(taken as u32);
        }
        self.trim();
    }

    /// The top 128 bits, and whether there was more.
    fn top(&self) -> Exact {
        let drop_words = self.words.len().saturating_sub(4);
        let bits =
            self.words[drop_words..].iter().rev().fold(0u128, |sum, word| sum << 32 | u128::from(*word));
        let more = self.words[..drop_words].iter().any(|word| *word != 0);
        Exact { bits, exponent: drop_words as i64 * 32, more }
    }

    /// The quotient with at least 96 bits, by shifting and subtracting.
    fn divide(mut self, mut divisor: Natural) -> Exact {
        const BITS: i64 = 96;
        // Aligned so that the quotient lies between one half and two.
        let shift = divisor.bits() as i64 - self.bits() as i64;
        if shift >= 0 {
            self.shift_left(shift as u32);
        } else {
            divisor.shift_left(shift.unsigned_abs() as u32);
        }
        let mut quotient = 0u128;
        for _ in 0..=BITS {
            quotient <<= 1;
            if self.at_least(&divisor) {
                self.subtract(&divisor);
                quotient |= 1;
            }
            self.shift_left(1);
        }
        Exact { bits: quotient, exponent: -shift - BITS, more: !self.is_zero() }
    }

    /// Appends the decimal digits.
    fn write(mut self, out: &mut Vec<u8>) {
        let mut groups = Vec::new();
        while !self.is_zero() {
            let mut rest = 0u64;
            for word in self.words.iter_mut().rev() {
                let part = rest << 32 | u64::from(*word);
                *word = (part / 1_000_000_000) as u32;
                rest = part % 1_000_000_000;
            }
            self.trim();
            groups.push(rest);
        }
        out.extend_from_slice(alloc::format!("{}", groups.pop().unwrap_or(0)).as_bytes());
        for group in groups.iter().rev() {
            out.extend_from_slice(alloc::format!("{group:09}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sum(one: &str, two: &str) -> alloc::string::String {
        let sum =
            Extended::parse(one.as_bytes()).unwrap().checked_add(Extended::parse(two.as_bytes()).unwrap());
        sum.map_or("none".into(), |sum| alloc::string::String::from_utf8(sum.text()).unwrap())
    }

    #[test]
    fn sums_are_those_of_the_originals() {
        assert_eq!(sum("10.5", "0.1"), "10.6");
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("3", "1.000000000000000005"), "4.00000000000000001");
        assert_eq!(sum("5.0e3", "200"), "5200");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("-1", "1"), "0");
        assert_eq!(sum("0", "-0"), "0");
        assert_eq!(sum("-0", "-0.00000000000000000001"), "0");
        assert_eq!(sum("1e17", "0.5"), "100000000000000000.5");
        assert_eq!(sum("0x10", "0x.8p1"), "17");
        assert_eq!(sum("inf", "1"), "none");
        assert_eq!(sum("1e4932", "1e4932"), "none");
        assert_eq!(sum("9223372036854775807", "1"), "9223372036854775808");
        assert_eq!(sum("18446744073709551615", "1"), "18446744073709551616");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "", "+", "-", ".", "1e", "1e+", " 1", "1 ", "nan", "1.2.3", "0x", "0x.", "1e5000", "1e-5000",
            "12a", "e5",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Extended::parse(&[b'0'; 5120]), None);
        assert!(Extended::parse(&[b'0'; 5119]).is_some());
        assert!(Extended::parse(b"0e99999999999999999999999999").is_some());
        assert!(Extended::parse(b"1e4932").is_some());
        assert!(Extended::parse(b"3.7e-4951").is_some());
    }

    #[test]
    fn integers_are_exact() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Extended::from_i64(value).text(), alloc::format!("{value}").into_bytes());
        }
    }
}
