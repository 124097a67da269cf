//! `--latency`, `--latency-history`, `--latency-dist`, `--intrinsic-latency`: how long round trips and pauses are.

use super::cancelled;
use super::stat::persistent;
use crate::options::Format;
use crate::say;
use crate::session::Session;
use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two round trips.
const PAUSE: Duration = Duration::from_millis(10);
/// A line of `--latency-history`, unless -i says otherwise.
const HISTORY_INTERVAL: Duration = Duration::from_secs(15);
/// A single line's time, and a line of the spectrum, unless -i says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// The legend stands above so many lines of the spectrum.
const LINES_PER_LEGEND: u64 = 20;

/// Samples in milliseconds.
#[derive(Default)]
struct Samples {
    min: u128,
    max: u128,
    total: u128,
    count: u64,
}

impl Samples {
    fn add(&mut self, value: u128) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.total += value;
        self.count += 1;
    }

    fn print(&self, format: Format) {
        let (min, max, count) = (self.min, self.max, self.count);
        let average = self.total as f64 / count as f64;
        match format {
            Format::Standard => say!("min: {min}, max: {max}, avg: {average:.2} ({count} samples)"),
            Format::Csv => say!("{min},{max},{average:.2},{count}\n"),
            Format::Raw => say!("{min} {max} {average:.2} {count}\n"),
            Format::Json => {
                say!("{{\"min\": {min}, \"max\": {max}, \"avg\": {average:.2}, \"count\": {count}}}\n");
            }
            Format::QuotedJson => {}
        }
    }
}

fn interval(session: &Session, usual: Duration) -> Duration {
    let asked = session.options.interval;
    if asked.is_zero() { usual } else { asked }
}

/// `--latency` and `--latency-history`.
pub fn round_trips(session: &mut Session) -> u8 {
    let has_history = session.options.modes.latency_history;
    let line_time = interval(session, HISTORY_INTERVAL).as_millis();
    let single_time = interval(session, INTERVAL).as_millis();
    let format = session.format;
    let mut samples = Samples::default();
    let mut begin = Instant::now();
    loop {
        let start = Instant::now();
        if let Err(code) = persistent(session, &["PING"]) {
            return code;
        }
        samples.add(start.elapsed().as_millis());
        if format == Format::Standard {
            say!("\x1b[0G\x1b[2K");
            samples.print(format);
        } else if has_history {
            samples.print(format);
        } else if begin.elapsed().as_millis() > single_time {
            samples.print(format);
            return 0;
        }
        if has_history && begin.elapsed().as_millis() > line_time {
            say!(" -- {:.2} seconds range\n", begin.elapsed().as_secs_f64());
            begin = Instant::now();
            samples = Samples::default();
        }
        std::thread::sleep(PAUSE);
    }
}

/// Up to how many microseconds a bucket goes, and its sign. The last has no end.
const BUCKETS: [(u128, char); 30] = [
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1_000, '1'),
    (2_000, '2'),
    (3_000, '3'),
    (4_000, '4'),
    (5_000, '5'),
    (6_000, '6'),
    (7_000, '7'),
    (8_000, '8'),
    (9_000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
    (60_000_000, 'Q'),
];

/// Colours of a terminal of 256, from nothing to all.
const COLOURS: &[u8] =
    &[0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196];
/// The same in grey.
const GREYS: &[u8] = &[0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253];

/// `--latency-dist`
pub fn spectrum(session: &mut Session) -> u8 {
    let palette = if session.options.is_mono { GREYS } else { COLOURS };
    let line_time = interval(session, INTERVAL).as_millis();
    let mut counts = [0u64; BUCKETS.len() + 1];
    let mut lines = 0u64;
    let mut begin = Instant::now();
    loop {
        let start = Instant::now();
        if let Err(code) = persistent(session, &["PING"]) {
            return code;
        }
        let latency = start.elapsed().as_micros();
        let bucket = BUCKETS.iter().position(|(max, _)| latency <= *max).unwrap_or(BUCKETS.len());
        counts[bucket] += 1;
        if begin.elapsed().as_millis() > line_time {
            if lines.is_multiple_of(LINES_PER_LEGEND) {
                legend(palette);
            }
            lines += 1;
            spectrum_line(&counts, palette);
            counts = [0; BUCKETS.len() + 1];
            begin = Instant::now();
        }
        std::thread::sleep(PAUSE);
    }
}

fn spectrum_line(counts: &[u64], palette: &[u8]) {
    let total: u64 = counts.iter().sum();
    let signs = BUCKETS.iter().map(|(_, sign)| *sign).chain(['?']);
    let mut line = String::from("\x1b[38;5;0m");
    for (count, sign) in counts.iter().zip(signs) {
        let place = (*count as f64 / total as f64 * (palette.len() - 1) as f64).ceil() as usize;
        line += &format!("\x1b[48;5;{}m{sign}", palette[place]);
    }
    say!("{line}\x1b[0m\n");
}

fn legend(palette: &[u8]) {
    say!("---------------------------------------------\n");
    say!(". - * #          .01 .125 .25 .5 milliseconds\n");
    say!("1,2,3,...,9      from 1 to 9     milliseconds\n");
    say!("A,B,C,D,E        10,20,30,40,50  milliseconds\n");
    say!("F,G,H,I,J        .1,.2,.3,.4,.5       seconds\n");
    say!("K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds\n");
    let colours: String = palette.iter().map(|colour| format!("\x1b[48;5;{colour}m ")).collect();
    say!("From 0 to 100%: {colours}\x1b[0m\n");
    say!("---------------------------------------------\n");
}

/// `--intrinsic-latency`: the longest pause of a program that only computes. It needs no server.
pub fn intrinsic(seconds: i64) -> u8 {
    let cancelled = cancelled();
    let run = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let begin = Instant::now();
    let (mut longest, mut runs) = (0, 0u64);
    loop {
        let start = Instant::now();
        black_box(work());
        let micros = start.elapsed().as_micros();
        runs += 1;
        if micros == 0 {
            continue;
        }
        if micros > longest {
            longest = micros;
            say!("Max latency so far: {longest} microseconds.\n");
        }
        if cancelled.load(Ordering::Relaxed) || begin.elapsed() > run {
            let average = run.as_micros() as f64 / runs as f64;
            say!(
                "\n{runs} total runs (avg latency: {average:.4} microseconds / {:.2} nanoseconds per run).\n",
                average * 1e3
            );
            say!("Worst run took {:.0}x longer than the average latency.\n", longest as f64 / average);
            return 0;
        }
    }
}

/// Some microseconds of work that no compiler leaves out.
fn work() -> u64 {
    let mut random = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..4_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
    }
    random
}
