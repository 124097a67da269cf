//! `--lru-test`: a cache under a load of which 80 % go to 20 % of the keys.

use crate::complain;
use crate::say;
use crate::session::Session;
use base::random::Random;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::value::Value;

/// A line of figures.
const CYCLE: Duration = Duration::from_secs(1);
/// Requests that are sent at once.
const BATCH: usize = 250;
/// The exponent that gives the 80-20 rule.
const ALPHA: f64 = 6.2;

/// Prints lines until the program is stopped.
pub fn run(session: &mut Session) -> u8 {
    let keys = session.options.lru_keys.unwrap_or(1).max(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let mut random = Random::new(now ^ u64::from(std::process::id()));
    loop {
        let begin = Instant::now();
        let (mut hits, mut misses) = (0u64, 0u64);
        while begin.elapsed() < CYCLE {
            let writes: Vec<Vec<String>> = (0..BATCH)
                .map(|_| vec!["SET".into(), key(&mut random, keys), format!("{:05x}", random.below(1 << 20))])
                .collect();
            let reads: Vec<Vec<String>> =
                (0..BATCH).map(|_| vec!["GET".into(), key(&mut random, keys)]).collect();
            let replies = session.connection().map(|connection| {
                connection.pipeline(&writes)?;
                connection.pipeline(&reads)
            });
            let Some(Ok(replies)) = replies else {
                complain!("I/O error during LRU test");
                return 1;
            };
            for reply in replies {
                match reply {
                    Value::Error(text) => complain!("{}", String::from_utf8_lossy(&text)),
                    Value::Null => misses += 1,
                    _ => hits += 1,
                }
            }
        }
        let all = hits + misses;
        let share = |part: u64| part as f64 / all as f64 * 100.0;
        say!(
            "{all} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)\n",
            share(hits),
            share(misses)
        );
    }
}

/// A key by a power law.
fn key(random: &mut Random, keys: i64) -> String {
    let (low, high) = (1f64, keys as f64 + 1.0);
    let chance = random.below(1 << 31) as f64 / (1u64 << 31) as f64;
    let power = ALPHA + 1.0;
    let law = ((high.powf(power) - low.powf(power)) * chance + low.powf(power)).powf(1.0 / power);
    format!("lru:{}", keys - law as i64 + 1)
}
