//! `sim cluster|files|corrupt --seeds N [--first-seed S]`: runs seeds, prints what breaks, and checks its own checkers.

use sim::corrupt::{self, Verdict};
use sim::filed;
use sim::scenario::{self, Options, Outcome};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const HELP: &str = "usage: sim cluster [--seeds N] [--first-seed S] [--log] [--no-mutation]
       sim files [--seeds N] [--first-seed S]
       sim corrupt DIR... [--seeds N] [--first-seed S] [--log]

cluster: runs clusters of three primaries with replicas through partitions, pauses, crashes and restarts, one run a seed.
Exit code 0 only if in all of them: at most one primary per slot and epoch, no double vote, no write lost that WAIT
confirmed on the replica that took over, monotonic offsets, convergence after healing.

Then the mutation check: the same seeds in a world whose disks report a write as done and lose it at a crash. The
double vote that follows must be found, or the checkers see nothing.

files: runs servers with an append-only file through kills, losses of power (unsynced data gone or torn, under
appendfsync always), full and slow disks and rewrites. Exit code 0 only if no acknowledged write was lost or doubled.

corrupt: damages a file of a data directory, one byte or a cut a seed, and starts a server on it. Exit code 0 only if in
each case it serves, or says what is wrong and where, and never panics or hangs.

  --seeds N         how many (default 100)
  --first-seed S    the first (default 1)
  --log             print the nodes' log lines (for one seed)
  --no-mutation     leave the mutation check out

example: sim cluster --first-seed 4711 --seeds 1 --log
";

/// One seed in so many is run twice: its trace must be the same.
const REPEAT_EVERY: u64 = 50;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Cluster,
    Files,
    Corrupt,
}

struct Arguments {
    what: What,
    directories: Vec<PathBuf>,
    seeds: u64,
    first: u64,
    prints_log: bool,
    checks_mutation: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Some(arguments) => match arguments.what {
            What::Cluster => cluster(&arguments),
            What::Files => files(&arguments),
            What::Corrupt => corrupted(&arguments),
        },
        None => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[String]) -> Option<Arguments> {
    let (first, rest) = words.split_first()?;
    let what = match first.as_str() {
        "cluster" => What::Cluster,
        "files" => What::Files,
        "corrupt" => What::Corrupt,
        _ => return None,
    };
    let directories = Vec::new();
    let mut arguments =
        Arguments { what, directories, seeds: 100, first: 1, prints_log: false, checks_mutation: true };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = rest.next()?.parse().ok()?,
            "--first-seed" => arguments.first = rest.next()?.parse().ok()?,
            "--log" => arguments.prints_log = true,
            "--no-mutation" => arguments.checks_mutation = false,
            _ if what == What::Corrupt && !word.starts_with('-') => arguments.directories.push(word.into()),
            _ => return None,
        }
    }
    if what == What::Corrupt && arguments.directories.is_empty() {
        return None;
    }
    Some(arguments)
}

fn files(arguments: &Arguments) -> ExitCode {
    let (mut failed, mut writes, mut restarts, mut losses, mut with_losses) = (0, 0, 0, 0, 0);
    for seed in arguments.first..arguments.first + arguments.seeds {
        let outcome = filed::run(seed);
        if let Some(violation) = &outcome.violation {
            failed += 1;
            println!("seed {seed}: BROKEN: {}: {}", violation.rule, violation.text);
            println!("  again: cargo run --release -p sim -- files --first-seed {seed} --seeds 1");
        }
        writes += outcome.writes;
        restarts += outcome.restarts;
        losses += outcome.power_losses;
        with_losses += u64::from(outcome.power_losses > 0);
    }
    println!(
        "{} seeds from {}: {failed} broken, {writes} writes acknowledged, {restarts} restarts, \
         {losses} losses of power in {with_losses} seeds",
        arguments.seeds, arguments.first
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// 120 s of real time: no case takes longer, or it hangs.
const CASE_SECONDS: u64 = 120;

fn corrupted(arguments: &Arguments) -> ExitCode {
    let mut directories = Vec::new();
    for path in &arguments.directories {
        let mut files = corrupt::Files::new();
        if let Err(error) = collect(path, path, &mut files) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
        directories.push(files);
    }
    let at = Arc::new(AtomicU64::new(arguments.first));
    watch(Arc::clone(&at));
    let (mut served, mut dropped, mut refused, mut failed) = (0, 0, 0, 0);
    for seed in arguments.first..arguments.first + arguments.seeds {
        at.store(seed, Ordering::Relaxed);
        let mut random = base::Random::new(seed);
        let index = random.below(directories.len() as u64) as usize;
        let mut files = directories[index].clone();
        let how = corrupt::damage(&mut files, &mut random);
        let verdict = catch_unwind(AssertUnwindSafe(|| corrupt::run(&files, seed)));
        let place = format!("seed {seed}: {}/{how}", arguments.directories[index].display());
        if arguments.prints_log {
            println!("{place}: {verdict:?}");
        }
        match verdict {
            Ok(Verdict::Served) => served += 1,
            Ok(Verdict::Dropped(_)) => dropped += 1,
            Ok(Verdict::Refused(_)) => refused += 1,
            Ok(Verdict::Stuck) => {
                failed += 1;
                println!("{place}: BROKEN: neither served nor refused");
            }
            Ok(Verdict::Unclear(words)) => {
                failed += 1;
                println!("{place}: BROKEN: no place in what it says: {words}");
            }
            Err(_) => {
                failed += 1;
                println!("{place}: BROKEN: a panic");
            }
        }
    }
    println!(
        "{} damages from seed {}: {refused} refused with the place, {dropped} loaded without the end and said so, \
         {served} loaded, {failed} broken",
        arguments.seeds, arguments.first
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the process when one case takes too long.
fn watch(at: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut seen = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let seed = at.load(Ordering::Relaxed);
            seen = if seen.0 == seed { (seed, seen.1 + 1) } else { (seed, 0) };
            if seen.1 > CASE_SECONDS {
                println!("seed {seed}: BROKEN: it hangs");
                std::process::exit(1);
            }
        }
    });
}

/// The files below `folder`, named from `root` on.
fn collect(root: &Path, folder: &Path, files: &mut corrupt::Files) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((name, std::fs::read(&path)?));
        }
    }
    Ok(())
}

fn cluster(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let (mut failed, mut simulated_us, mut takeovers, mut writes, mut tested) = (0, 0, 0, 0, 0);
    let mut trace = 0;
    for seed in arguments.first..arguments.first + arguments.seeds {
        let options = Options { lying_disks: false, keeps_log: arguments.prints_log };
        let outcome = scenario::run(seed, options);
        print_log(&outcome);
        if let Some(violation) = &outcome.violation {
            failed += 1;
            println!("seed {seed}: BROKEN: {}: {}", violation.rule, violation.text);
            println!("  again: cargo run --release -p sim -- cluster --first-seed {seed} --seeds 1 --log");
        }
        if (seed - arguments.first).is_multiple_of(REPEAT_EVERY) {
            let again = scenario::run(seed, options);
            if again.trace != outcome.trace {
                failed += 1;
                println!(
                    "seed {seed}: BROKEN: a repeated seed gives trace {:016x}, then {:016x}",
                    outcome.trace, again.trace
                );
            }
        }
        trace ^= outcome.trace;
        simulated_us += outcome.simulated_us;
        takeovers += outcome.takeovers;
        writes += outcome.writes;
        tested += outcome.promises_tested;
        if (seed - arguments.first + 1).is_multiple_of(100) {
            println!("{} seeds, {failed} broken, {takeovers} takeovers", seed - arguments.first + 1);
        }
    }
    let real = started.elapsed().as_secs_f64();
    let simulated = simulated_us as f64 / 1e6;
    println!(
        "{} seeds from {}: {failed} broken, {takeovers} takeovers, {writes} writes, {tested} confirmed writes found at takeovers",
        arguments.seeds, arguments.first
    );
    println!(
        "{simulated:.0} simulated seconds in {real:.1} real: {:.0} a second, trace {trace:016x}",
        simulated / real.max(1e-9)
    );
    if arguments.checks_mutation && !finds_the_lie(arguments) {
        failed += 1;
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The world lies about its disks: the checkers must see the double vote.
fn finds_the_lie(arguments: &Arguments) -> bool {
    for seed in arguments.first..arguments.first + arguments.seeds {
        let outcome = scenario::run(seed, Options { lying_disks: true, keeps_log: false });
        if let Some(violation) = outcome.violation.filter(|violation| violation.rule == "no double vote") {
            println!("mutation check: with lying disks seed {seed} shows it: {}", violation.text);
            return true;
        }
    }
    println!(
        "mutation check: BROKEN: no double vote was found with lying disks in {} seeds",
        arguments.seeds
    );
    false
}

fn print_log(outcome: &Outcome) {
    for (at_us, host, text) in &outcome.log {
        println!("{:>12.3} ms host {host}: {text}", *at_us as f64 / 1e3);
    }
}
