//! LCS: the longest common subsequence of two strings.
//!
//! The textbook table of prefix lengths (Wagner and Fischer), walked backwards from its end. Where two ways are
//! equally long the walk goes back in the second string, as in the original, so that the ranges are the same.

use crate::call::Call;
use crate::keys;
use crate::table::Command;
use alloc::vec;
use alloc::vec::Vec;
use base::number;
use spec::command::{Access, Acl, Arity, Flags, Group, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "lcs",
        summary: "Finds the longest common subsequence of two strings.",
        since: "7.0.0",
        group: Group::String,
        cost: "O(N*M)",
        syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        arity: Arity::AtLeast(3),
        flags: Flags::READONLY,
        acl: Acl::STRING,
        keys: Keys::Range { first: 1, last: 2, step: 1, access: Access::READ },
        ..Spec::USUAL
    },
    run: lcs,
    subcommands: &[],
}];

#[derive(Default)]
struct Options {
    len: bool,
    ranges: bool,
    with_len: bool,
    len_min: usize,
}

fn options(call: &Call<'_>) -> Result<Options, Refusal> {
    let mut options = Options::default();
    let mut at = 3;
    while let Some(word) = call.args.get(at) {
        match (word.to_ascii_lowercase().as_slice(), call.args.get(at + 1)) {
            (b"idx", _) => options.ranges = true,
            (b"len", _) => options.len = true,
            (b"withmatchlen", _) => options.with_len = true,
            (b"minmatchlen", Some(text)) => {
                let len = number::parse_i64(text).ok_or(Refusal::NotInteger)?;
                options.len_min = usize::try_from(len).unwrap_or(0);
                at += 1;
            }
            _ => return Err(Refusal::Syntax),
        }
        at += 1;
    }
    if options.ranges && options.len {
        return Err(Refusal::Text("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

/// Equal parts of two strings: where each begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    one: usize,
    other: usize,
    len: usize,
}

/// The lengths for all pairs of prefixes, row by row.
struct Lengths {
    lengths: Vec<u32>,
    width: usize,
}

impl Lengths {
    fn new(one: &[u8], other: &[u8]) -> Lengths {
        let width = other.len() + 1;
        let mut lengths = vec![0u32; (one.len() + 1) * width];
        for (i, byte) in one.iter().enumerate() {
            let (above, row) = lengths[i * width..(i + 2) * width].split_at_mut(width);
            for (j, second) in other.iter().enumerate() {
                row[j + 1] = if byte == second { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Lengths { lengths, width }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * self.width + j]
    }

    /// The common parts, the last first.
    fn ranges(&self, one: &[u8], other: &[u8]) -> Vec<Range> {
        let (mut i, mut j) = (one.len(), other.len());
        let mut ranges: Vec<Range> = Vec::new();
        while i > 0 && j > 0 {
            if one[i - 1] == other[j - 1] {
                (i, j) = (i - 1, j - 1);
                match ranges.last_mut() {
                    Some(range) if range.one == i + 1 && range.other == j + 1 => {
                        *range = Range { one: i, other: j, len: range.len + 1 };
                    }
                    _ => ranges.push(Range { one: i, other: j, len: 1 }),
                }
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        ranges
    }
}

fn lcs(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut texts = [Vec::new(), Vec::new()];
    for (text, at) in texts.iter_mut().zip(1..) {
        if let Some(entry) = call.keys.read(call.args.at(at)) {
            let wrong = |_| Refusal::Text("ERR The specified keys must contain string values");
            keys::string(&entry).map_err(wrong)?.write_to(text);
        }
    }
    let options = options(call)?;
    let [one, other] = texts;
    let cells = (one.len() as u64 + 1).saturating_mul(other.len() as u64 + 1);
    if cells.saturating_mul(4) > call.core.settings.bulk_len_max {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(Refusal::Text(text));
    }
    let lengths = Lengths::new(&one, &other);
    let len = lengths.at(one.len(), other.len());
    if options.len {
        call.reply.integer(i64::from(len));
        return Ok(());
    }
    let ranges = lengths.ranges(&one, &other);
    if options.ranges {
        say_ranges(&mut call.reply, &ranges, &options, len);
    } else {
        let parts = ranges.iter().rev().map(|range| &one[range.one..range.one + range.len]);
        call.reply.bulk(&parts.collect::<Vec<&[u8]>>().concat());
    }
    Ok(())
}

fn say_ranges(reply: &mut Reply<'_>, ranges: &[Range], options: &Options, len: u32) {
    let wanted: Vec<&Range> = ranges.iter().filter(|range| range.len >= options.len_min).collect();
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(wanted.len());
    for range in wanted {
        reply.array(if options.with_len { 3 } else { 2 });
        for start in [range.one, range.other] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + range.len - 1) as i64);
        }
        if options.with_len {
            reply.integer(range.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(i64::from(len));
}
