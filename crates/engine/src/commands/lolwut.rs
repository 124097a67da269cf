//! LOLWUT: the version, with a drawing.
//!
//! Each version of the original has its own drawing; here there is one, a plan of the rampart that gave the program
//! its name, with as many salients as the request asks for. What changes from call to call is chance.

use crate::call::Call;
use crate::table::Command;
use alloc::string::String;
use alloc::vec::Vec;
use base::number;
use spec::command::{Arity, Flags, Group};
use spec::info::{REDIS_VERSION, VALKEY_VERSION};
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "lolwut",
        summary: "Draws something, and tells the version.",
        since: "5.0.0",
        group: Group::Server,
        syntax: "[VERSION version]",
        arity: Arity::AtLeast(1),
        flags: Flags::READONLY.and(Flags::FAST),
        ..Spec::USUAL
    },
    run: lolwut,
    subcommands: &[],
}];

/// 160: columns of the widest drawing.
const COLUMNS_MAX: i64 = 160;
/// 24: lines of the highest one.
const LINES_MAX: i64 = 24;

fn lolwut(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut words: Vec<&[u8]> = call.args.from(1).iter().collect();
    let mut has_drawing = false;
    if let [first, version, rest @ ..] = words.as_slice()
        && first.eq_ignore_ascii_case(b"version")
    {
        let version = number::parse_i64(version).ok_or(Refusal::NotInteger)?;
        has_drawing = matches!(version, 5..=9);
        words = rest.to_vec();
    }
    // Without a drawing nobody looks at the rest.
    let sizes = words.iter().take(if has_drawing { 2 } else { 0 }).map(|word| number::parse_i64(word));
    let sizes = sizes.collect::<Option<Vec<i64>>>().ok_or(Refusal::NotInteger)?;
    let columns = sizes.first().copied().unwrap_or(66).clamp(8, COLUMNS_MAX) as usize;
    let lines = sizes.get(1).copied().unwrap_or(8).clamp(2, LINES_MAX) as usize;
    let mut text = String::new();
    if has_drawing {
        let chance = call.core.random.word();
        draw(&mut text, columns, lines, chance);
    }
    let is_valkey = call.core.settings.is_valkey;
    let (name, version) = if is_valkey { ("Valkey", VALKEY_VERSION) } else { ("Redis", REDIS_VERSION) };
    text.push_str(name);
    text.push_str(" ver. ");
    text.push_str(version);
    text.push('\n');
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Salients side by side, each two faces that meet in a point; behind them the ground, with what chance has sown.
fn draw(text: &mut String, columns: usize, lines: usize, mut chance: u64) {
    const GROUND: &[u8; 4] = b" .,'";
    for line in 0..lines {
        for column in 0..columns {
            let at = column % (2 * lines);
            // The point of each salient is in the first line; a face falls by one line with each column.
            let face = if at < lines { lines - 1 - at } else { at - lines };
            let mark = if face == line {
                if at < lines { '/' } else { '\\' }
            } else if face < line {
                // A generator of one line: the low bits of a shifted word.
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                char::from(GROUND[(chance >> 32) as usize % 16 % GROUND.len()])
            } else {
                ' '
            };
            text.push(mark);
        }
        text.push('\n');
    }
    text.push('\n');
}
