//! One value: read from its words, checked by the kind of its row, printed as CONFIG GET prints it.

use crate::directive::{Directive, Kind};
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use base::{number, words};

/// A save point: a snapshot is due after `seconds` when at least `changes` were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last snapshot.
    pub seconds: u64,
    /// Changes since the last snapshot.
    pub changes: u64,
}

/// The output limits of one class of clients. Zero means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// The client is closed at once above this.
    pub hard_bytes: u64,
    /// The client is closed when it stays above this ...
    pub soft_bytes: u64,
    /// ... for so long.
    pub soft_seconds: u64,
}

/// The classes of clients that have output limits, in the order of [`OutputLimit`]s.
pub const CLIENT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// The letters of `notify-keyspace-events`; the bit of a class is its place here. `A` stands for the first ten.
pub const EVENT_LETTERS: &[u8; 14] = b"g$lshzxetdKEmn";
const EVENTS_ALL: u16 = (1 << 10) - 1;

/// A value of a directive. Invariant: its variant fits the kind of the directive's row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// Whole numbers and permissions.
    Integer(i64),
    Bytes(u64),
    Percent(u8),
    /// Place in the words of the kind.
    Choice(u8),
    /// One bit for each word of the kind after the first.
    Flags(u8),
    Text(Vec<u8>),
    Words(Vec<Vec<u8>>),
    SavePoints(Vec<SavePoint>),
    OutputLimits([OutputLimit; 3]),
    Events(u16),
    OomScores([i32; 3]),
    Percentiles(Vec<f64>),
    PrimaryAddress(Option<(Vec<u8>, u16)>),
}

/// Why a value is not accepted, in the original's words.
pub(super) type Complaint = Cow<'static, str>;

const WRONG_COUNT: Complaint = Cow::Borrowed("wrong number of arguments");

impl Value {
    /// The default of `row`.
    pub fn default_of(row: &Directive) -> Value {
        let value = Value::read(row, &[row.default.as_bytes()], None);
        value.expect("the default of every row is a value of its kind")
    }

    /// Reads the words of one line or of one CONFIG SET. `current` is what the words change, where they add to it:
    /// the output limits always; the save points of later lines of one file.
    pub fn read(row: &Directive, args: &[&[u8]], current: Option<&Value>) -> Result<Value, Complaint> {
        let split;
        let args = match args {
            [one] if row.kind.is_multiple() && !one.is_empty() => {
                split = one.split(|byte| *byte == b' ').collect::<Vec<_>>();
                split.as_slice()
            }
            // One empty word stands for none at all.
            [[]] if row.kind.is_multiple() => &[],
            _ => args,
        };
        if row.kind.is_multiple() {
            return Value::read_several(row, args, current);
        }
        let [word] = args else { return Err(WRONG_COUNT) };
        Value::read_one(row, word)
    }

    fn read_one(row: &Directive, word: &[u8]) -> Result<Value, Complaint> {
        match row.kind {
            Kind::Bool if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Bool(true)),
            Kind::Bool if word.eq_ignore_ascii_case(b"no") => Ok(Value::Bool(false)),
            Kind::Bool => Err("argument must be 'yes' or 'no'".into()),
            Kind::Integer { min, max } => {
                let number = number::parse_i64(word).ok_or("argument couldn't be parsed into an integer")?;
                in_range(number, min, max).map(Value::Integer)
            }
            Kind::Octal { max } => {
                let text = core::str::from_utf8(word).ok().filter(|text| !text.is_empty());
                let number = text.and_then(|text| i64::from_str_radix(text, 8).ok());
                let number = number.ok_or("argument couldn't be parsed as an octal number")?;
                if number < 0 || number > max {
                    return Err(format!("argument must be between 0 and {max:o} inclusive").into());
                }
                Ok(Value::Integer(number))
            }
            Kind::Memory { min, max } => {
                let bytes = memory(word).ok_or("argument must be a memory value")?;
                in_range(bytes, min, max).map(Value::Bytes)
            }
            Kind::MemoryOrPercent => memory_or_percent(word),
            Kind::Choice(choices) => {
                let place = choices.iter().position(|choice| word.eq_ignore_ascii_case(choice.as_bytes()));
                Ok(Value::Choice(place.ok_or_else(|| must_be_one_of(choices))? as u8))
            }
            Kind::Text => Ok(Value::Text(word.into())),
            Kind::FileName { what, may_be_empty } => file_name(row.name, what, may_be_empty, word),
            Kind::HostName => host_name(word),
            Kind::NodeName => node_name(word),
            Kind::Events => events(word),
            Kind::Flags(_)
            | Kind::Words { .. }
            | Kind::SavePoints
            | Kind::OutputLimits
            | Kind::OomScores
            | Kind::Percentiles
            | Kind::PrimaryAddress => unreachable!("kinds of several words are read by `read_several`"),
        }
    }

    fn read_several(row: &Directive, args: &[&[u8]], current: Option<&Value>) -> Result<Value, Complaint> {
        match row.kind {
            Kind::Flags(choices) => flags(choices, args),
            Kind::Words { count_max } if args.len() > count_max => {
                Err("Too many bind addresses specified.".into())
            }
            Kind::Words { .. } => Ok(Value::Words(args.iter().map(|word| word.to_vec()).collect())),
            Kind::SavePoints => {
                let before = match current {
                    Some(Value::SavePoints(points)) if !args.is_empty() => points.clone(),
                    _ => Vec::new(),
                };
                save_points(before, args)
            }
            Kind::OutputLimits => {
                let before = match current {
                    Some(Value::OutputLimits(limits)) => *limits,
                    _ => [OutputLimit::default(); 3],
                };
                output_limits(before, args)
            }
            Kind::OomScores => oom_scores(args),
            Kind::Percentiles => percentiles(args),
            Kind::PrimaryAddress => primary_address(row, args, current),
            Kind::Bool
            | Kind::Integer { .. }
            | Kind::Octal { .. }
            | Kind::Memory { .. }
            | Kind::MemoryOrPercent
            | Kind::Choice(_)
            | Kind::Text
            | Kind::FileName { .. }
            | Kind::HostName
            | Kind::NodeName
            | Kind::Events => unreachable!("kinds of one word are read by `read_one`"),
        }
    }

    /// The value as CONFIG GET prints it.
    pub fn text(&self, kind: Kind) -> Vec<u8> {
        match (self, kind) {
            (Value::Bool(yes), _) => {
                if *yes {
                    b"yes".into()
                } else {
                    b"no".into()
                }
            }
            (Value::Integer(number), Kind::Octal { .. }) => format!("{number:o}").into_bytes(),
            (Value::Integer(number), _) => format!("{number}").into_bytes(),
            (Value::Bytes(bytes), _) => format!("{bytes}").into_bytes(),
            (Value::Percent(percent), _) => format!("{percent}%").into_bytes(),
            (Value::Choice(place), Kind::Choice(choices)) => choices[usize::from(*place)].into(),
            (Value::Flags(bits), Kind::Flags(choices)) => {
                if *bits == 0 {
                    return choices[0].into();
                }
                let set = choices[1..].iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
                set.map(|(_, choice)| *choice).collect::<Vec<_>>().join(" ").into_bytes()
            }
            (Value::Text(text), _) => text.clone(),
            (Value::Words(words), _) => words.join(&b' '),
            (Value::SavePoints(points), _) => {
                joined(points.iter().map(|point| format!("{} {}", point.seconds, point.changes)))
            }
            (Value::OutputLimits(limits), _) => {
                joined(CLIENT_CLASSES.iter().zip(limits).map(|(class, limit)| {
                    format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
                }))
            }
            (Value::Events(bits), _) => {
                let all = bits & EVENTS_ALL == EVENTS_ALL;
                let first = if all { 10 } else { 0 };
                let mut text: Vec<u8> = if all { b"A".into() } else { Vec::new() };
                text.extend(
                    (first..EVENT_LETTERS.len()).filter(|at| bits >> at & 1 == 1).map(|at| EVENT_LETTERS[at]),
                );
                text
            }
            (Value::OomScores(scores), _) => joined(scores.iter().map(|score| format!("{score}"))),
            (Value::Percentiles(list), _) => joined(list.iter().map(|percentile| {
                let text = format!("{percentile:.6}");
                text.trim_end_matches('0').trim_end_matches('.').into()
            })),
            (Value::PrimaryAddress(None), _) => Vec::new(),
            (Value::PrimaryAddress(Some((host, port))), _) => {
                let mut text = host.clone();
                text.extend_from_slice(format!(" {port}").as_bytes());
                text
            }
            (Value::Choice(_) | Value::Flags(_), _) => unreachable!("a word belongs to a kind with words"),
        }
    }
}

fn joined(parts: impl Iterator<Item = alloc::string::String>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(" ").into_bytes()
}

fn in_range<N: PartialOrd + core::fmt::Display>(number: N, min: N, max: N) -> Result<N, Complaint> {
    if number < min || number > max {
        return Err(format!("argument must be between {min} and {max} inclusive").into());
    }
    Ok(number)
}

fn must_be_one_of(choices: &[&str]) -> Complaint {
    format!("argument(s) must be one of the following: {}", choices.join(", ")).into()
}

/// Bytes with an optional unit. Without a digit it is 0, and what is too large for 64 bits is the largest:
/// the original reads it so.
pub fn memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let sum = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(number.iter().fold(0, sum).saturating_mul(factor))
}

fn memory_or_percent(word: &[u8]) -> Result<Value, Complaint> {
    const WRONG: &str = "argument must be a memory or percent value";
    if let [number @ .., b'%'] = word {
        let percent = number::parse_u64(number).ok_or(WRONG)?;
        return match percent {
            0 => Ok(Value::Bytes(0)),
            1..=100 => Ok(Value::Percent(percent as u8)),
            _ => Err("percentage argument must be less or equal to 100".into()),
        };
    }
    in_range(memory(word).ok_or(WRONG)?, 0, i64::MAX as u64).map(Value::Bytes)
}

fn file_name(name: &str, what: &str, may_be_empty: bool, word: &[u8]) -> Result<Value, Complaint> {
    if word.is_empty() && !may_be_empty {
        return Err(format!("{name} can't be empty").into());
    }
    if word.contains(&b'/') {
        return Err(format!("{name} can't be a path, just a {what}").into());
    }
    Ok(Value::Text(word.into()))
}

fn host_name(word: &[u8]) -> Result<Value, Complaint> {
    // 256: the room that a message of the bus has for it.
    if word.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(Value::Text(word.into()))
}

fn node_name(word: &[u8]) -> Result<Value, Complaint> {
    let is_allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':');
    if !word.iter().all(is_allowed) {
        return Err("Announced human node name contained invalid character".into());
    }
    Ok(Value::Text(word.into()))
}

fn events(word: &[u8]) -> Result<Value, Complaint> {
    let mut bits = 0;
    for letter in word {
        bits |= match EVENT_LETTERS.iter().position(|known| known == letter) {
            Some(place) => 1 << place,
            None if *letter == b'A' => EVENTS_ALL,
            None => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        };
    }
    Ok(Value::Events(bits))
}

fn flags(choices: &[&str], args: &[&[u8]]) -> Result<Value, Complaint> {
    if args.is_empty() {
        return Err(must_be_one_of(choices));
    }
    let mut bits = 0;
    for word in args {
        let place = choices.iter().position(|choice| word.eq_ignore_ascii_case(choice.as_bytes()));
        match place.ok_or_else(|| must_be_one_of(choices))? {
            0 => {}
            place => bits |= 1u8 << (place - 1),
        }
    }
    // The first two after the word for none are `save` and `nosave`.
    if bits & 3 == 3 {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Flags(bits))
}

/// A number as C's `strtoll` reads it, to its end: an empty text is 0, a sign and leading zeros are allowed.
fn lenient_i64(word: &[u8]) -> Option<i64> {
    let start = word.iter().position(|byte| !words::is_space(*byte)).unwrap_or(word.len());
    match &word[start..] {
        [] => word.is_empty().then_some(0),
        text => core::str::from_utf8(text).ok()?.parse().ok(),
    }
}

fn save_points(mut points: Vec<SavePoint>, args: &[&[u8]]) -> Result<Value, Complaint> {
    const WRONG: &str = "Invalid save parameters";
    if !args.len().is_multiple_of(2) {
        return Err(WRONG.into());
    }
    for pair in args.chunks_exact(2) {
        let seconds = lenient_i64(pair[0]).filter(|seconds| *seconds >= 1).ok_or(WRONG)?;
        let changes = lenient_i64(pair[1]).filter(|changes| *changes >= 0).ok_or(WRONG)?;
        points.push(SavePoint { seconds: seconds.unsigned_abs(), changes: changes.unsigned_abs() });
    }
    Ok(Value::SavePoints(points))
}

fn output_limits(mut limits: [OutputLimit; 3], args: &[&[u8]]) -> Result<Value, Complaint> {
    const WRONG: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    if !args.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for part in args.chunks_exact(4) {
        let class = match part[0].to_ascii_lowercase().as_slice() {
            b"normal" => 0,
            b"slave" | b"replica" => 1,
            b"pubsub" => 2,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        let soft_seconds = lenient_i64(part[3]).filter(|seconds| *seconds >= 0).ok_or(WRONG)?;
        limits[class] = OutputLimit {
            hard_bytes: memory(part[1]).ok_or(WRONG)?,
            soft_bytes: memory(part[2]).ok_or(WRONG)?,
            soft_seconds: soft_seconds.unsigned_abs(),
        };
    }
    Ok(Value::OutputLimits(limits))
}

fn oom_scores(args: &[&[u8]]) -> Result<Value, Complaint> {
    let args: &[&[u8]; 3] = args.try_into().map_err(|_| WRONG_COUNT)?;
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip(args) {
        // 2000: the width of the kernel's own scale.
        let number = lenient_i64(word).filter(|number| number.abs() <= 2_000);
        let wrong = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        *score = number.ok_or(wrong)? as i32;
    }
    Ok(Value::OomScores(scores))
}

fn percentiles(args: &[&[u8]]) -> Result<Value, Complaint> {
    let mut list = Vec::with_capacity(args.len());
    for word in args {
        let percentile =
            number::parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        list.push(percentile);
    }
    Ok(Value::Percentiles(list))
}

fn primary_address(row: &Directive, args: &[&[u8]], current: Option<&Value>) -> Result<Value, Complaint> {
    match args {
        // The empty default is not a line that may be written.
        [] if current.is_none() && row.default.is_empty() => Ok(Value::PrimaryAddress(None)),
        [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => {
            Ok(Value::PrimaryAddress(None))
        }
        [host, port] => {
            let port =
                lenient_i64(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
            let host = (!host.is_empty()).then(|| (host.to_vec(), port));
            Ok(Value::PrimaryAddress(host))
        }
        _ => Err(WRONG_COUNT),
    }
}
