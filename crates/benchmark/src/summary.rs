//! What a measurement by time has come to: text for people, JSON for programs.

use crate::options::Options;
use crate::timed::{Kind, Tallies, histogram};
use cli::say;
use hdrhistogram::Histogram;
use std::fmt::Write;

/// The percentiles that are shown.
const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// All that is known at the end.
pub struct Summary<'a> {
    /// The options.
    pub options: &'a Options,
    /// The kinds of requests.
    pub kinds: &'a [Kind],
    /// What was seen of them.
    pub tallies: &'a Tallies,
    /// Threads that worked.
    pub threads: usize,
}

/// Prints it.
pub fn show(summary: &Summary<'_>) {
    let mut all = histogram();
    for kind in &summary.tallies.kinds {
        all.add(&kind.latencies).expect("all histograms have the same bounds");
    }
    if summary.options.timed.is_json {
        say!("{}\n", json(summary, &all));
    } else {
        say!("{}", text(summary, &all));
    }
}

impl Summary<'_> {
    fn errors(&self) -> u64 {
        self.tallies.kinds.iter().map(|kind| kind.errors).sum()
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.options.timed.duration.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

fn text(summary: &Summary<'_>, all: &Histogram<u64>) -> String {
    let (options, tallies) = (summary.options, summary.tallies);
    let rate = summary.rate(all.len());
    let mut out = String::new();
    // Writing to a string does not fail.
    if options.is_quiet {
        let ms = |at: f64| all.value_at_percentile(at) as f64 / 1000.0;
        let _ = writeln!(out, "{rate:.2} requests per second, p50={:.3} p99={:.3} msec", ms(50.0), ms(99.0));
        return out;
    }
    let target = options.timed.rate.map_or("none".to_string(), |rate| format!("{rate} requests per second"));
    let _ = writeln!(
        out,
        "target rate: {target}; {} clients, {} in flight each, {} threads",
        options.clients, options.pipeline, summary.threads
    );
    let _ = writeln!(
        out,
        "measured: {:.1} s after {:.1} s of warm-up",
        options.timed.duration.as_secs_f64(),
        options.timed.warmup.as_secs_f64()
    );
    let _ = writeln!(
        out,
        "throughput: {rate:.2} requests per second, {} in all, {} errors",
        all.len(),
        summary.errors()
    );
    if tallies.unsent > 0 {
        let _ = writeln!(
            out,
            "NOT SENT in time: {}: the rate was more than clients and server could take",
            tallies.unsent
        );
    }
    if tallies.unanswered > 0 {
        let _ = writeln!(out, "NOT ANSWERED: {}", tallies.unanswered);
    }
    for (text, count) in &tallies.error_texts {
        let _ = writeln!(out, "error, {count} times: {text}");
    }
    table(&mut out, summary, all);
    out
}

/// A line of latencies for each kind of request, and one for all.
fn table(out: &mut String, summary: &Summary<'_>, all: &Histogram<u64>) {
    let (options, tallies) = (summary.options, summary.tallies);
    let since = if options.timed.rate.is_some() {
        "from the moment each request was due"
    } else {
        "from the sending"
    };
    let _ = writeln!(out, "\nlatency (msec), {since}:");
    let _ = write!(out, "{:<28} {:>10} {:>9} {:>9}", "", "requests", "avg", "min");
    for percentile in PERCENTILES {
        let _ = write!(out, " {:>9}", format!("p{percentile}"));
    }
    let _ = writeln!(out, " {:>9}", "max");
    let mut row = |title: &str, latencies: &Histogram<u64>| {
        let ms = |us: u64| us as f64 / 1000.0;
        let title: String = title.chars().take(28).collect();
        let _ = write!(
            out,
            "{title:<28} {:>10} {:>9.3} {:>9.3}",
            latencies.len(),
            latencies.mean() / 1000.0,
            ms(latencies.min())
        );
        for percentile in PERCENTILES {
            let _ = write!(out, " {:>9.3}", ms(latencies.value_at_percentile(percentile)));
        }
        let _ = writeln!(out, " {:>9.3}", ms(latencies.max()));
    };
    for (kind, tally) in summary.kinds.iter().zip(&tallies.kinds) {
        row(&kind.title, &tally.latencies);
    }
    if summary.kinds.len() > 1 {
        row("all", all);
    }
}

fn json(summary: &Summary<'_>, all: &Histogram<u64>) -> String {
    let (options, tallies) = (summary.options, summary.tallies);
    let mut out = String::from("{");
    let target = options.timed.rate.map_or("null".to_string(), |rate| rate.to_string());
    let _ = write!(
        out,
        "\"server\":{},\"clients\":{},\"pipeline\":{},\"threads\":{},\"payload_bytes\":{},\"keyspace\":{},\
         \"warmup_s\":{},\"duration_s\":{},\"rate_target\":{target},\"rate\":{:.2},\"requests\":{},\"errors\":{},\
         \"unsent\":{},\"unanswered\":{},",
        quoted(&options.address.to_string()),
        options.clients,
        options.pipeline,
        summary.threads,
        options.payload_bytes,
        options.keyspace.map_or("null".to_string(), |count| count.to_string()),
        options.timed.warmup.as_secs_f64(),
        options.timed.duration.as_secs_f64(),
        summary.rate(all.len()),
        all.len(),
        summary.errors(),
        tallies.unsent,
        tallies.unanswered,
    );
    let texts = tallies.error_texts.iter().map(|(text, count)| format!("{}:{count}", quoted(text)));
    let _ = write!(out, "\"error_texts\":{{{}}},", texts.collect::<Vec<_>>().join(","));
    let _ = write!(out, "\"latency_us\":{},", percentiles(all));
    let kinds = summary.kinds.iter().zip(&tallies.kinds).map(|(kind, tally)| {
        format!(
            "{{\"name\":{},\"weight\":{},\"requests\":{},\"errors\":{},\"latency_us\":{}}}",
            quoted(&kind.title),
            kind.weight,
            tally.latencies.len(),
            tally.errors,
            percentiles(&tally.latencies)
        )
    });
    let _ = write!(out, "\"commands\":[{}],", kinds.collect::<Vec<_>>().join(","));
    let seconds = tallies.seconds.iter().map(|second| {
        format!(
            "{{\"requests\":{},\"p50_us\":{},\"p99_us\":{},\"max_us\":{}}}",
            second.len(),
            second.value_at_percentile(50.0),
            second.value_at_percentile(99.0),
            second.max()
        )
    });
    let _ = write!(out, "\"seconds\":[{}],", seconds.collect::<Vec<_>>().join(","));
    let buckets =
        all.iter_recorded().map(|step| format!("[{},{}]", step.value_iterated_to(), step.count_at_value()));
    let _ = write!(out, "\"histogram_us\":[{}]}}", buckets.collect::<Vec<_>>().join(","));
    out
}

fn percentiles(latencies: &Histogram<u64>) -> String {
    let mut out = format!(
        "{{\"mean\":{:.1},\"min\":{},\"max\":{}",
        if latencies.is_empty() { 0.0 } else { latencies.mean() },
        latencies.min(),
        latencies.max()
    );
    for percentile in PERCENTILES {
        let _ = write!(out, ",\"p{percentile}\":{}", latencies.value_at_percentile(percentile));
    }
    out.push('}');
    out
}

/// A text of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            character if (character as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            character => out.push(character),
        }
    }
    out.push('"');
    out
}
