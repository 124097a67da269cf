//! `sim cluster|files --seeds N [--first-seed S]`: runs seeds, prints what breaks, and checks its own checkers.

use sim::filed;
use sim::scenario::{self, Options, Outcome};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "usage: sim cluster [--seeds N] [--first-seed S] [--log] [--no-mutation]
       sim files [--seeds N] [--first-seed S]

cluster: runs clusters of three primaries with replicas through partitions, pauses, crashes and restarts, one run a seed.
Exit code 0 only if in all of them: at most one primary per slot and epoch, no double vote, no write lost that WAIT
confirmed on the replica that took over, monotonic offsets, convergence after healing.

Then the mutation check: the same seeds in a world whose disks report a write as done and lose it at a crash. The
double vote that follows must be found, or the checkers see nothing.

files: runs servers with an append-only file through kills, losses of power (unsynced data gone or torn, under
appendfsync always), full and slow disks and rewrites. Exit code 0 only if no acknowledged write was lost or doubled.

  --seeds N         how many (default 100)
  --first-seed S    the first (default 1)
  --log             print the nodes' log lines (for one seed)
  --no-mutation     leave the mutation check out

example: sim cluster --first-seed 4711 --seeds 1 --log
";

/// One seed in so many is run twice: its trace must be the same.
const REPEAT_EVERY: u64 = 50;

struct Arguments {
    is_files: bool,
    seeds: u64,
    first: u64,
    prints_log: bool,
    checks_mutation: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Some(arguments) if arguments.is_files => files(&arguments),
        Some(arguments) => cluster(&arguments),
        None => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[String]) -> Option<Arguments> {
    let (first, rest) = words.split_first()?;
    let is_files = match first.as_str() {
        "cluster" => false,
        "files" => true,
        _ => return None,
    };
    let mut arguments =
        Arguments { is_files, seeds: 100, first: 1, prints_log: false, checks_mutation: true };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = rest.next()?.parse().ok()?,
            "--first-seed" => arguments.first = rest.next()?.parse().ok()?,
            "--log" => arguments.prints_log = true,
            "--no-mutation" => arguments.checks_mutation = false,
            _ => return None,
        }
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
