//! What is printed of one test, in the original's form.

use crate::classic::Scene;
use crate::nodes::Facts;
use crate::options::Options;
use cli::say;
use hdrhistogram::Histogram;
use std::fmt::Write;
use std::time::Duration;

/// The first line of `--csv`.
pub const CSV_HEAD: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                            \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n";
/// The latencies that a histogram of the original tells apart, in us.
const LATENCY_MIN_US: u64 = 10;
/// Longer ones count as this one.
pub const LATENCY_MAX_US: u64 = 3_000_000;
/// The second distribution goes in steps of 100 us, and above 2 ms in steps of 1 ms.
const STEP_US: u64 = 100;
const WIDE_FROM_US: u64 = 2_000;
const WIDE_STEP_US: u64 = 1_000;

/// What came out of one test.
pub struct Outcome {
    /// Replies.
    pub requests: u64,
    /// From the first request to the last reply.
    pub time: Duration,
    /// Latencies in us.
    pub latencies: Histogram<u64>,
    /// The length of the last line of progress, which the report wipes out.
    pub progress_len: usize,
}

/// An empty histogram of so many significant digits.
pub fn histogram(precision: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_MIN_US, LATENCY_MAX_US, precision).expect("the bounds are constants")
}

/// Prints the report of one test.
pub fn show(options: &Options, scene: &Scene, title: &str, payload_bytes: usize, outcome: &Outcome) {
    let latencies = &outcome.latencies;
    let ms = |us: u64| us as f64 / 1000.0;
    let quantile = |at: f64| ms(latencies.value_at_quantile(at));
    let millis = outcome.time.as_millis() as f64;
    // -n 0: nothing took no time.
    let rps = if outcome.requests == 0 { 0.0 } else { outcome.requests as f64 / (millis / 1000.0) };
    let average = if latencies.is_empty() { 0.0 } else { latencies.mean() / 1000.0 };
    let figures =
        [average, ms(latencies.min()), quantile(0.5), quantile(0.95), quantile(0.99), ms(latencies.max())];
    if options.is_csv {
        let figures: Vec<String> = figures.iter().map(|figure| format!("\"{figure:.3}\"")).collect();
        say!("\"{title}\",\"{rps:.2}\",{}\n", figures.join(","));
        return;
    }
    let wipe = outcome.progress_len.max(1);
    if options.is_quiet {
        let median = figures[2];
        say!("{:>wipe$}\r{title}: {rps:.2} requests per second, p50={median:.3} msec\n", " ");
        return;
    }
    let mut text = format!("{:>wipe$}\r====== {title} ======\n", " ");
    head(&mut text, options, scene, payload_bytes, outcome);
    text.push_str("\nLatency by percentile distribution:\n");
    by_percentile(&mut text, latencies);
    text.push_str("\nCumulative distribution of latencies:\n");
    cumulative(&mut text, latencies);
    text.push_str("\nSummary:\n");
    let _ = writeln!(text, "  throughput summary: {rps:.2} requests per second");
    text.push_str("  latency summary (msec):\n");
    text.push_str("          avg       min       p50       p95       p99       max\n    ");
    let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:9.3}")).collect();
    let _ = writeln!(text, "{}", figures.join(" "));
    say!("{text}");
}

fn head(text: &mut String, options: &Options, scene: &Scene, payload_bytes: usize, outcome: &Outcome) {
    // Writing to a string does not fail.
    let seconds = outcome.time.as_millis() as f64 / 1000.0;
    let _ = writeln!(text, "  {} requests completed in {seconds:.2} seconds", outcome.requests);
    let _ = writeln!(text, "  {} parallel clients", options.clients);
    let _ = writeln!(text, "  {payload_bytes} bytes payload");
    let _ = writeln!(text, "  keep alive: {}", options.keepalive);
    match &scene.nodes {
        Some(nodes) => {
            let _ = writeln!(text, "  cluster mode: yes ({} masters)", nodes.list.len());
            for (index, node) in nodes.list.iter().enumerate() {
                let Some(Facts { save, appendonly }) = &node.facts else { continue };
                let save = if save.is_empty() { "NONE" } else { save };
                let _ = writeln!(
                    text,
                    "  node [{index}] configuration:\n    save: {save}\n    appendonly: {appendonly}"
                );
            }
        }
        None => {
            if let Some(Facts { save, appendonly }) = &scene.facts {
                let _ = writeln!(text, "  host configuration \"save\": {save}");
                let _ = writeln!(text, "  host configuration \"appendonly\": {appendonly}");
            }
        }
    }
    let _ = writeln!(text, "  multi-thread: {}", if scene.threads > 0 { "yes" } else { "no" });
    if scene.threads > 0 {
        let _ = writeln!(text, "  threads: {}", scene.threads);
    }
}

fn row(text: &mut String, percentile: f64, us: u64, count: u64) {
    let ms = us as f64 / 1000.0;
    let _ = writeln!(text, "{percentile:.3}% <= {ms:.3} milliseconds (cumulative count {count})");
}

/// One line where the latencies pass 0 %, 50 %, 75 %, 87.5 % and so on, each half as far from 100 % as the one before.
fn by_percentile(text: &mut String, latencies: &Histogram<u64>) {
    let total = latencies.len();
    if total == 0 {
        return;
    }
    let (mut tick, mut count) = (0.0_f64, 0);
    for step in latencies.iter_recorded() {
        count += step.count_since_last_iteration();
        let reached = 100.0 * count as f64 / total as f64;
        let value = latencies.highest_equivalent(step.value_iterated_to());
        if tick <= reached {
            row(text, tick, value, count);
        }
        while tick <= reached && count < total {
            let halvings = ((100.0 / (100.0 - tick)).log2() as u32).saturating_add(1);
            tick += 100.0 / 2.0_f64.powi(halvings.min(60) as i32);
        }
    }
    row(text, 100.0, latencies.max(), total);
}

/// How many took at most 0.1 ms, 0.2 ms, ...; only where the number changes.
fn cumulative(text: &mut String, latencies: &Histogram<u64>) {
    let total = latencies.len();
    if total == 0 {
        return;
    }
    let (mut level, mut before) = (STEP_US, None);
    loop {
        let value = latencies.highest_equivalent(level);
        let count = latencies.count_between(0, value);
        if before != Some(count) {
            row(text, count as f64 / total as f64 * 100.0, value, count);
            before = Some(count);
        }
        if count >= total || level > 2 * LATENCY_MAX_US {
            return;
        }
        level += if level >= WIDE_FROM_US + STEP_US { WIDE_STEP_US } else { STEP_US };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distributions_have_the_originals_form() {
        // Recorded with the original's own histogram, see the lines of one of its runs: 0.031, 0.079, 2.847 ms.
        let mut latencies = histogram(3);
        for (us, count) in [(24, 10), (79, 1072), (110, 500), (2847, 1)] {
            latencies.record_n(us, count).unwrap();
        }
        let mut text = String::new();
        by_percentile(&mut text, &latencies);
        let expected = "0.000% <= 0.031 milliseconds (cumulative count 10)\n\
                        50.000% <= 0.079 milliseconds (cumulative count 1082)\n\
                        75.000% <= 0.111 milliseconds (cumulative count 1582)\n\
                        99.951% <= 2.847 milliseconds (cumulative count 1583)\n\
                        100.000% <= 2.847 milliseconds (cumulative count 1583)\n";
        assert_eq!(text, expected);
        let mut text = String::new();
        cumulative(&mut text, &latencies);
        let expected = "68.351% <= 0.103 milliseconds (cumulative count 1082)\n\
                        99.937% <= 0.207 milliseconds (cumulative count 1582)\n\
                        100.000% <= 3.103 milliseconds (cumulative count 1583)\n";
        assert_eq!(text, expected);
    }
}
