//! Checks: what of the machine can hurt a server, told at the start and by `--check-system`; and a test of memory.

use os::LogConfig;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// One finding, with what to do about it.
type Finding = Option<String>;

/// A check under its name.
type Check = (&'static str, fn() -> Finding);

/// What a word of tested memory holds, from its place; under a name.
type Pattern = (&'static str, fn(u64) -> u64);

const CHECKS: [Check; 3] =
    [("slow-clocksource", slow_clock), ("overcommit", overcommit), ("THP", huge_pages)];

/// `--check-system`: one line for each check; fails when one has found something.
pub(super) fn system() -> ExitCode {
    let mut is_well = true;
    for (name, check) in CHECKS {
        match check() {
            None => println!("[{name}]...OK"),
            Some(text) => {
                println!("[{name}]...WARNING:\n{text}");
                is_well = false;
            }
        }
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Warnings for the log of a server that starts.
pub(super) fn warn(log: &LogConfig) {
    for text in CHECKS.iter().skip(1).filter_map(|(_, check)| check()) {
        log.write(machine::Level::Warning, &format!("WARNING {text}"));
    }
}

/// `tcp-backlog` above the system's own bound is cut there.
pub(super) fn warn_of_backlog(log: &LogConfig, backlog: u64) {
    let Some(max) = number("/proc/sys/net/core/somaxconn") else { return };
    if max < backlog {
        let text = format!(
            "WARNING: The TCP backlog setting of {backlog} cannot be enforced because \
             /proc/sys/net/core/somaxconn is set to the lower value of {max}."
        );
        log.write(machine::Level::Warning, &text);
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Reading the clock is part of every turn: it must not be a call into the kernel.
fn slow_clock() -> Finding {
    const READS: u32 = 20_000;
    /// One microsecond per read: a clock of the virtual system page takes some 30 ns.
    const SLOW: Duration = Duration::from_micros(1);
    let begin = Instant::now();
    let mut last = begin;
    for _ in 0..READS {
        last = Instant::now();
    }
    let name = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    (last.duration_since(begin) > SLOW * READS).then(|| {
        format!(
            "reading the clock takes over a microsecond; the clock source is '{}'. Choose another one \
             (tsc or kvm-clock) where the hardware allows it.",
            name.unwrap_or_default().trim()
        )
    })
}

/// No process is forked here, but the allocator and large values still ask for more than is used.
fn overcommit() -> Finding {
    (number("/proc/sys/vm/overcommit_memory")? == 2).then(|| {
        "overcommit_memory is set to 2: memory that is asked for and not used counts, and a large value may be refused \
         while memory is free. Set vm.overcommit_memory to 0 or 1 (sysctl)."
            .into()
    })
}

/// Huge pages where nobody asked for them make memory hard to give back.
fn huge_pages() -> Finding {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    text.contains("[always]").then(|| {
        "Transparent Huge Pages are always on in this kernel: memory use may be higher than needed. The server asks for \
         them itself where they help: 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' leaves it the choice."
            .into()
    })
}

/// `--test-memory`: writes patterns to so many megabytes and reads them back, several times.
pub(super) fn memory(megabytes: Option<&str>) -> ExitCode {
    /// 8 bytes a word.
    const WORDS_PER_MB: usize = (1 << 20) / 8;
    let Some(megabytes) = megabytes.and_then(|text| text.parse::<usize>().ok()).filter(|count| *count > 0)
    else {
        eprintln!(
            "Please specify the amount of memory to test in megabytes.\nExample: redan server --test-memory 4096\n"
        );
        return ExitCode::FAILURE;
    };
    let mut words: Vec<u64> = Vec::new();
    let Some(count) = megabytes.checked_mul(WORDS_PER_MB) else {
        eprintln!("Unable to allocate {megabytes} megabytes");
        return ExitCode::FAILURE;
    };
    if let Err(error) = words.try_reserve_exact(count) {
        eprintln!("Unable to allocate {megabytes} megabytes: {error}");
        return ExitCode::FAILURE;
    }
    words.resize(count, 0);
    let patterns: [Pattern; 4] = [
        ("addresses", |at| at),
        ("zeros and ones", |_| 0xaaaa_aaaa_aaaa_aaaa),
        ("ones and zeros", |_| 0x5555_5555_5555_5555),
        ("chance", |at| {
            at.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
        }),
    ];
    let mut errors = 0_usize;
    for (name, pattern) in patterns {
        for (at, word) in words.iter_mut().enumerate() {
            *word = pattern(at as u64);
        }
        // The pattern is read back from memory and not remembered by the compiler.
        let words = std::hint::black_box(&words);
        let wrong = words.iter().enumerate().filter(|(at, word)| **word != pattern(*at as u64)).count();
        println!("{name}: {wrong} of {count} words are wrong");
        errors += wrong;
    }
    if errors > 0 {
        println!(
            "\nThis machine's memory does not keep what is written to it. Replace it before it holds data."
        );
        return ExitCode::FAILURE;
    }
    println!("\nYour memory passed this test.");
    ExitCode::SUCCESS
}
