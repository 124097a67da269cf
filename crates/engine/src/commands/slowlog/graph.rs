//! A drawing of one event's samples: a column for each, how long ago it was below it.

use crate::slow::Event;
use alloc::format;
use alloc::string::String;

/// 4: lines of the drawing.
const LINES: u64 = 4;
/// The parts of a cell, from the lowest.
const PARTS: [char; 4] = ['_', 'o', '#', '#'];

/// Draws the samples, the oldest first.
pub fn draw(name: &str, event: &Event, now: u64) -> String {
    let worst = event.samples.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let least = event.samples.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let mut text =
        format!("{name} - high {worst} ms, low {least} ms (all time high {} ms)\n", event.worst_ms);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    let span = (worst - least).max(1);
    // In parts of a cell, from 0 to the top of the highest one.
    let steps = LINES * PARTS.len() as u64 - 1;
    for line in (0..LINES).rev() {
        let base = line * PARTS.len() as u64;
        for (_, ms) in &event.samples {
            let height = (ms - least) * steps / span;
            text.push(match height.checked_sub(base) {
                None => ' ',
                Some(over) if over >= PARTS.len() as u64 => '|',
                Some(over) => PARTS[over as usize],
            });
        }
        text.push('\n');
    }
    text.push('\n');
    let ages: alloc::vec::Vec<String> =
        event.samples.iter().map(|(at, _)| age(now.saturating_sub(*at))).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for line in 0..longest {
        for age in &ages {
            text.push(age.as_bytes().get(line).map_or(' ', |byte| char::from(*byte)));
        }
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
