//! The driver: runs targets on seeded mutations of their corpus, for a time or on one stored input.
//!
//! A run fails when a target panics, takes longer than `RUN_MAX`, or uses more heap than its row allows.
//! Then the input is written to a file, and the way to replay it is printed.

use cpu_time::ProcessTime;
use fuzz::mutate::Mutator;
use fuzz::{TARGETS, Target, corpus, target};
use peak_alloc::PeakAlloc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Chosen: a thousand times what the slowest input takes on the machine this was written on. Of the processor's time: a
/// machine that is busy otherwise is no failure.
const RUN_MAX: Duration = Duration::from_secs(5);

const USAGE: &str = "usage: fuzz [TARGET|all] [--seconds N] [--seed N] [--replay FILE]";

struct Options {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
    replay: Option<PathBuf>,
}

/// What runs right now, for the guard of time.
#[derive(Default)]
struct Running {
    since: Option<ProcessTime>,
    input: Vec<u8>,
}

type Shared = Arc<Mutex<Running>>;

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("{error}\n{USAGE}\ntargets: {}", names.join(" "));
            return ExitCode::from(2);
        }
    };
    for target in &options.targets {
        let done = match &options.replay {
            Some(path) => replay(target, path),
            None => fuzz(target, options.seconds, options.seed),
        };
        if let Err(error) = done {
            eprintln!("{}: {error}", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options {
        targets: TARGETS.iter().collect(),
        seconds: 20,
        seed: now.as_nanos() as u64 & 0xffff_ffff,
        replay: None,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} lacks its value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match arg.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--replay" => options.replay = Some(value()?.into()),
            "all" => {}
            name => options.targets = vec![target(name).ok_or_else(|| format!("there is no target {name}"))?],
        }
    }
    if options.replay.is_some() && options.targets.len() != 1 {
        return Err("--replay needs one target".into());
    }
    Ok(options)
}

fn replay(target: &'static Target, path: &PathBuf) -> Result<(), String> {
    let input = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let running = guard(target);
    let peak = run(target, &input, &running)?;
    println!("{}: {} bytes replayed, {peak} bytes of heap: no failure", target.name, input.len());
    Ok(())
}

fn fuzz(target: &'static Target, seconds: u64, seed: u64) -> Result<(), String> {
    let corpus = corpus(target).map_err(|error| format!("its corpus can not be read: {error}"))?;
    let running = guard(target);
    let (start, mut runs, mut peak_max) = (Instant::now(), 0u64, 0);
    let mut check = |input: &[u8]| match run(target, input, &running) {
        Ok(peak) => {
            peak_max = peak_max.max(peak);
            runs += 1;
            Ok(())
        }
        Err(error) => Err(format!("{error}, seed {seed}, run {runs}\n{}", store(target, input))),
    };
    corpus.iter().try_for_each(|input| check(input))?;
    let mut mutator = Mutator::new(seed, corpus, target.words);
    while start.elapsed().as_secs() < seconds {
        check(&mutator.next_input())?;
    }
    println!("{}: {runs} runs in {seconds} s, seed {seed}, at most {peak_max} bytes of heap", target.name);
    Ok(())
}

/// Runs one input; gives its peak of heap.
fn run(target: &Target, input: &[u8], running: &Shared) -> Result<usize, String> {
    set_running(running, Some(input));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    // The target is a plain function of the input: nothing of it is seen after a panic.
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let peak = HEAP.peak_usage().saturating_sub(before);
    set_running(running, None);
    if result.is_err() {
        return Err("panic".into());
    }
    let peak_allowed = target.heap_bytes_fixed + target.heap_bytes_per_byte * input.len();
    if peak > peak_allowed {
        return Err(format!("{peak} bytes of heap for {} bytes, allowed are {peak_allowed}", input.len()));
    }
    Ok(peak)
}

fn set_running(running: &Shared, input: Option<&[u8]>) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    running.input.clear();
    running.input.extend_from_slice(input.unwrap_or_default());
    running.since = input.map(|_| ProcessTime::now());
}

/// Watches the time of each run from a thread of its own, and ends the process when one hangs.
fn guard(target: &'static Target) -> Shared {
    let running = Shared::default();
    let watched = Arc::downgrade(&running);
    std::thread::spawn(move || {
        while let Some(running) = watched.upgrade() {
            let stuck = {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                running.since.filter(|since| since.elapsed() > RUN_MAX).map(|_| running.input.clone())
            };
            if let Some(input) = stuck {
                eprintln!("{}: a run takes over {RUN_MAX:?}\n{}", target.name, store(target, &input));
                std::process::exit(1);
            }
            drop(running);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    running
}

/// Writes a failing input to a file, and says how to replay it.
fn store(target: &Target, input: &[u8]) -> String {
    let hash = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let path = std::env::temp_dir().join(format!("fuzz-{}-{hash:016x}", target.name));
    match std::fs::write(&path, input) {
        Ok(()) => format!("replay: cargo run -p fuzz -- {} --replay {}", target.name, path.display()),
        Err(error) => format!("the input could not be written to {}: {error}", path.display()),
    }
}
