//! `redan check-aof [--fix|--truncate-to-timestamp T] FILE`: reads an append-only file, or all those that a manifest
//! names, and says whether they make sense; cuts the last one off where it does not, or after a time.
//!
//! The lines and exit codes are those of the original, so that scripts that read them go on.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use wire::aof::{Flaw, Manifest, Record, Scanner, SumCheck};
use wire::rdb::{Decoder, Item};

/// 256 KiB: one read.
const READ_BYTES: usize = 256 << 10;

/// What is to be done about what is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Look,
    /// Cut off what makes no sense.
    Fix,
    /// Cut off what was written later than this, in seconds since 1970.
    CutAt(u64),
}

/// What a file turned out to be.
enum Found {
    Valid,
    Empty,
    Cut,
    CutAtTime,
}

/// Why the check ends here: the line to print, which may be empty.
struct Stop(String);

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop(format!("Failed to read or write: {}", reason(&error)))
    }
}

/// Checks the file that the arguments name. 0: it is sound, or is so now; 1: it is not.
pub fn run(called_as: &OsStr, args: &[OsString]) -> ExitCode {
    let (job, path) = match args {
        [path] => (Job::Look, path),
        [option, path] if option == "--fix" => (Job::Fix, path),
        [option, time, path] if option == "--truncate-to-timestamp" => {
            let Some(time) = time.to_str().and_then(|time| time.parse().ok()) else {
                println!("Invalid timestamp, aborting...");
                return ExitCode::FAILURE;
            };
            (Job::CutAt(time), path)
        }
        _ => {
            let name = called_as.to_string_lossy();
            println!("Usage: {name} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>");
            return ExitCode::FAILURE;
        }
    };
    let path = Path::new(path);
    let result = match manifest_of(path) {
        Ok(Some(manifest)) => check_all(path, &manifest, job),
        Ok(None) => check_one(path, job),
        Err(stop) => Err(stop),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop(text)) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The system's words for an error, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

/// The manifest, where the file is one: its first line that is no note names a file.
fn manifest_of(path: &Path) -> Result<Option<Manifest>, Stop> {
    /// 1 MiB: no manifest is longer.
    const BYTES_MAX: u64 = 1 << 20;
    let cannot = |error: io::Error| Stop(format!("Cannot open file {}: {}", path.display(), reason(&error)));
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let first = bytes.split(|byte| *byte == b'\n').find(|line| line.first() != Some(&b'#'));
    if !first.is_some_and(|line| line.starts_with(b"file ")) {
        return Ok(None);
    }
    let manifest = Manifest::parse(&bytes);
    manifest
        .map(Some)
        .map_err(|error| Stop(format!("The manifest makes no sense at line {}: {error}", error.line)))
}

fn check_one(path: &Path, job: Job) -> Result<(), Stop> {
    println!("Start checking Old-Style AOF");
    let name = path.display().to_string();
    let found = check(path, &name, job, true)?;
    say(&found, "", &name, job);
    Ok(())
}

fn check_all(path: &Path, manifest: &Manifest, job: Job) -> Result<(), Stop> {
    println!("Start checking Multi Part AOF");
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Some(base) = &manifest.base {
        let path = folder.join(&base.name);
        let format = if is_rdb(&path) { "RDB" } else { "RESP" };
        println!("Start to check BASE AOF ({format} format).");
        let found = check(&path, &base.name, job, manifest.increments.is_empty())?;
        say(&found, "BASE ", &base.name, job);
    }
    if !manifest.increments.is_empty() {
        println!("Start to check INCR files.");
    }
    for (index, part) in manifest.increments.iter().enumerate() {
        let is_last = index + 1 == manifest.increments.len();
        let found = check(&folder.join(&part.name), &part.name, job, is_last)?;
        say(&found, "INCR ", &part.name, job);
    }
    println!("All AOF files and manifest are valid");
    Ok(())
}

fn say(found: &Found, kind: &str, name: &str, job: Job) {
    match (found, job) {
        (Found::Valid, _) => println!("{kind}AOF {name} is valid"),
        (Found::Empty, _) => println!("{kind}AOF {name} is empty"),
        (Found::CutAtTime, Job::CutAt(time)) => {
            println!("Successfully truncated AOF {name} to timestamp {time}")
        }
        (Found::Cut | Found::CutAtTime, _) => println!("Successfully truncated AOF {name}"),
    }
}

fn is_rdb(path: &Path) -> bool {
    let mut start = [0; 5];
    let is_read = File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
    is_read && (&start == b"REDIS" || &start == b"VALKE")
}

/// What was read of a file of commands.
struct Reading {
    scanner: Scanner,
    /// Where the last whole command, or transaction, ends.
    good: u64,
    /// Lines up to there.
    lines: u64,
    /// A transaction is open.
    in_multi: bool,
    flaw: Option<Flaw>,
    sums: SumCheck,
    /// It is not even the beginning of a command.
    is_alien: bool,
    /// What comes from here on was written too late.
    cut_at: Option<u64>,
}

fn check(path: &Path, name: &str, job: Job, is_last: bool) -> Result<Found, Stop> {
    let cannot = |error: io::Error| {
        Stop(format!("Cannot open file {}: {}, aborting...", path.display(), reason(&error)))
    };
    let mut file = File::open(path).map_err(cannot)?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(Found::Empty);
    }
    let (start, rest) = if is_rdb(path) { skip_rdb(&mut file, name)? } else { (0, Vec::new()) };
    let mut scanner = Scanner::at(start);
    scanner.push(&rest);
    let mut reading = Reading {
        scanner,
        good: start,
        lines: 1,
        in_multi: false,
        flaw: None,
        sums: SumCheck::default(),
        is_alien: false,
        cut_at: None,
    };
    read(&mut file, &mut reading, name, job)?;
    if let Some(offset) = reading.cut_at {
        return cut_at_time(path, name, offset, job, is_last);
    }
    report(&reading, name, size, job, (path, is_last))
}

/// Reads past the RDB part; where it ends, and what was read behind it.
fn skip_rdb(file: &mut File, name: &str) -> Result<(u64, Vec<u8>), Stop> {
    println!("[offset 0] Checking RDB file {name}");
    let (mut decoder, mut bytes, mut read, mut keys) = (Decoder::new(), vec![0; READ_BYTES], 0, 0u64);
    loop {
        match decoder.next_item() {
            Ok(Some(Item::Key { .. })) => keys += 1,
            Ok(Some(Item::Eof { .. })) => {
                let at = read - decoder.rest().len() as u64;
                println!("[offset {at}] \\o/ RDB looks OK! \\o/\n[info] {keys} keys read");
                println!("RDB preamble is OK, proceeding with AOF tail...");
                return Ok((at, decoder.rest().to_vec()));
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                let count = file.read(&mut bytes)?;
                if count == 0 {
                    println!("[offset {read}] Unexpected EOF reading RDB file");
                    return Err(Stop("RDB preamble of AOF file is not sane, aborting.".into()));
                }
                read += count as u64;
                decoder.push(&bytes[..count]);
            }
            Err(error) => {
                println!("{error}");
                return Err(Stop("RDB preamble of AOF file is not sane, aborting.".into()));
            }
        }
    }
}

/// Reads the commands to their end, to the first flaw, or to the time.
fn read(file: &mut File, reading: &mut Reading, name: &str, job: Job) -> Result<(), Stop> {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        loop {
            let at = reading.scanner.offset();
            match reading.scanner.next_record() {
                Ok(None) => break,
                Ok(Some(Record::Note(note))) => {
                    if is_too_late(note, job)? {
                        reading.cut_at = Some(at);
                        return Ok(());
                    }
                    let note = note.to_vec();
                    if let Err(flaw) = reading.sums.on_note(&note, reading.scanner.offset()) {
                        reading.good = flaw.offset;
                        reading.flaw = Some(flaw);
                        return Ok(());
                    }
                    if !reading.in_multi {
                        reading.good = reading.scanner.offset();
                    }
                }
                Ok(Some(Record::Command { bytes, name: command })) => {
                    reading.sums.on_command(bytes);
                    let is_multi = command.eq_ignore_ascii_case(b"multi");
                    let is_exec = command.eq_ignore_ascii_case(b"exec");
                    let lines = 1 + 2 * args(bytes);
                    if (is_multi && reading.in_multi) || (is_exec && !reading.in_multi) {
                        let command = if is_multi { "MULTI" } else { "EXEC" };
                        let text = format!("Unexpected {command} in AOF {name}");
                        reading.flaw = Some(Flaw { offset: at, text });
                        return Ok(());
                    }
                    reading.in_multi = is_multi || (reading.in_multi && !is_exec);
                    reading.lines += lines;
                    if !reading.in_multi {
                        reading.good = reading.scanner.offset();
                    }
                }
                Err(flaw) => {
                    reading.is_alien = flaw.offset == at && flaw.text.starts_with("Expected prefix");
                    reading.flaw = Some(flaw);
                    return Ok(());
                }
            }
        }
        let count = file.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        reading.scanner.push(&bytes[..count]);
    }
}

/// The number of arguments of a whole command.
fn args(command: &[u8]) -> u64 {
    let digits = command[1..].split(|byte| *byte == b'\r').next().unwrap_or_default();
    core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn is_too_late(note: &[u8], job: Job) -> Result<bool, Stop> {
    let (Job::CutAt(time), Some(digits)) = (job, note.strip_prefix(b"#TS:")) else { return Ok(false) };
    let noted = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    noted.map(|noted| noted > time).ok_or(Stop("Invalid timestamp annotation".into()))
}

fn cut_at_time(path: &Path, name: &str, offset: u64, job: Job, is_last: bool) -> Result<Found, Stop> {
    let Job::CutAt(time) = job else { return Ok(Found::Valid) };
    if offset == 0 {
        return Err(Stop(format!("AOF {name} has nothing before timestamp {time}, aborting...")));
    }
    if !is_last {
        return Err(Stop(format!(
            "Failed to truncate AOF {name} to timestamp {time} to offset {offset} because it is not the last file.\n\
             If you insist, please delete all files after this file according to the manifest file and delete the \
             corresponding records in manifest file manually. Then re-run redis-check-aof."
        )));
    }
    cut(path, offset).map_err(|_| Stop(format!("Failed to truncate AOF {name} to timestamp {time}")))?;
    Ok(Found::CutAtTime)
}

/// Says what was found, and cuts where that is asked for.
fn report(
    reading: &Reading,
    name: &str,
    size: u64,
    job: Job,
    (path, is_last): (&Path, bool),
) -> Result<Found, Stop> {
    let unfinished = reading.scanner.unfinished_bytes() as u64;
    match &reading.flaw {
        Some(_) if reading.is_alien => println!("AOF {name} format error"),
        Some(flaw) => println!("0x{:16x}: {}", flaw.offset, flaw.text),
        None if unfinished > 0 => {
            println!("0x{:16x}: Reached EOF within a command", reading.scanner.seen_offset());
        }
        None if reading.in_multi => println!("0x{size:16x}: Reached EOF before reading EXEC for MULTI"),
        None => {}
    }
    let (good, lines) = (reading.good, reading.lines);
    let diff = size - good;
    if let (0, Job::CutAt(time)) = (diff, job) {
        println!("Truncate nothing in AOF {name} to timestamp {time}");
        return Ok(Found::Valid);
    }
    println!(
        "AOF analyzed: filename={name}, size={size}, ok_up_to={good}, ok_up_to_line={lines}, diff={diff}"
    );
    if diff == 0 {
        return Ok(Found::Valid);
    }
    if job != Job::Fix {
        return Err(Stop(format!("AOF {name} is not valid. Use the --fix option to try fixing it.")));
    }
    if !is_last {
        return Err(Stop(format!("Failed to truncate AOF {name} because it is not the last file")));
    }
    println!("This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {good} bytes");
    print!("Continue? [y/N]: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if !answer.to_ascii_lowercase().starts_with('y') {
        return Err(Stop("Aborting...".into()));
    }
    cut(path, good).map_err(|_| Stop(format!("Failed to truncate AOF {name}")))?;
    Ok(Found::Cut)
}

fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}
