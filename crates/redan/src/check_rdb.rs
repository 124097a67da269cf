//! `redan check-rdb FILE`: reads an RDB file as a server would, and says what is in it or where it is damaged.
//!
//! The lines and exit codes are those of the original, so that scripts that read them go on.

use spec::info::REDIS_VERSION;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::rdb::{Decoder, Item, RdbError};

/// 64 KiB: one read.
const READ_BYTES: usize = 64 << 10;
/// 9: the bytes of a file before its first opcode.
const HEAD_BYTES: u64 = 9;
/// 8: the bytes of the checksum.
const CHECKSUM_BYTES: u64 = 8;

/// Checks the file that the arguments name. 0: it is sound; 1: it is not, or can not be read.
pub fn run(called_as: &OsStr, args: &[OsString]) -> ExitCode {
    let [path] = args else {
        eprintln!("Usage: {} <rdb-file-name>", called_as.to_string_lossy());
        return ExitCode::FAILURE;
    };
    if path == "-v" || path == "--version" {
        println!("redis-check-rdb {REDIS_VERSION}");
        return ExitCode::SUCCESS;
    }
    let mut out = io::stdout().lock();
    // Who reads the lines may go before the end; what was found is said by the code as well.
    let _unread = writeln!(out, "[offset 0] Checking RDB file {}", path.to_string_lossy());
    let is_sound = match File::open(path) {
        Ok(mut file) => check(&mut file, &mut out).unwrap_or(false),
        // The original says no more.
        Err(_) => false,
    };
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was counted.
#[derive(Default)]
struct Counts {
    keys: u64,
    expires: u64,
    expired: u64,
}

impl Counts {
    fn put(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "[info] {} keys read", self.keys)?;
        writeln!(out, "[info] {} expires", self.expires)?;
        writeln!(out, "[info] {} already expired", self.expired)
    }
}

/// Reads the file to its end or to the first damage; true when it is sound.
fn check(file: &mut dyn Read, out: &mut dyn Write) -> io::Result<bool> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64);
    let (mut decoder, mut counts) = (Decoder::new(), Counts::default());
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut bytes)?;
        decoder.push(&bytes[..count]);
        let result = loop {
            match decoder.next_item() {
                Ok(Some(item)) => put_item(&item, decoder.at(), now_ms, &mut counts, out)?,
                Ok(None) if count == 0 => break decoder.finish(),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = result {
            put_error(&error, &decoder, &mut counts, out)?;
            return Ok(false);
        }
        if decoder.has_ended() {
            writeln!(out, "[offset {}] \\o/ RDB looks OK! \\o/", decoder.at())?;
            counts.put(out)?;
            return Ok(true);
        }
    }
}

fn put_item(item: &Item, at: u64, now_ms: u64, counts: &mut Counts, out: &mut dyn Write) -> io::Result<()> {
    match item {
        Item::Aux { key, value } => {
            let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
            writeln!(out, "[offset {at}] AUX FIELD {key} = '{value}'")
        }
        Item::SelectDb(db) => writeln!(out, "[offset {at}] Selecting DB ID {db}"),
        Item::ModuleData { module } => writeln!(out, "[offset {at}] MODULE AUX for: {module}"),
        Item::Key { deadline_ms, .. } => {
            counts.keys += 1;
            counts.expires += u64::from(deadline_ms.is_some());
            counts.expired += u64::from(deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms));
            Ok(())
        }
        Item::Eof { stored: 0, computed: 0 } => Ok(()),
        Item::Eof { stored: 0, .. } => {
            writeln!(out, "[offset {at}] RDB file was saved with checksum disabled: no check performed.")
        }
        Item::Eof { .. } => writeln!(out, "[offset {at}] Checksum OK"),
        Item::Empty { .. } => {
            counts.keys += 1;
            Ok(())
        }
        Item::Header { .. } | Item::ResizeDb { .. } | Item::Function(_) | Item::SlotImport { .. } => Ok(()),
    }
}

fn put_error(
    error: &RdbError,
    decoder: &Decoder,
    counts: &mut Counts,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (at, text) = match error {
        RdbError::BadMagic { .. } => (HEAD_BYTES, "Wrong signature trying to load DB from file".to_string()),
        RdbError::Version { version, .. } => {
            (HEAD_BYTES, format!("Can't handle RDB format version {version}"))
        }
        RdbError::BadChecksum { at, .. } => (at + CHECKSUM_BYTES, "RDB CRC error".to_string()),
        RdbError::UnknownOpcode { byte, at } => (at + 1, format!("Invalid object type: {byte}")),
        RdbError::Truncated { .. } => (decoder.at(), "Unexpected EOF reading RDB file".to_string()),
        other => (decoder.at(), other.to_string()),
    };
    let doing = decoder.doing();
    writeln!(out, "--- RDB ERROR DETECTED ---")?;
    writeln!(out, "[offset {at}] {text}")?;
    writeln!(out, "[additional info] While doing: {doing}")?;
    if let Some(key) = decoder.key_being_read() {
        writeln!(out, "[additional info] Reading key '{}'", String::from_utf8_lossy(key))?;
    }
    // A key counts from the moment on at which its name was read.
    counts.keys += u64::from(doing == "read-object-value");
    match decoder.last_type() {
        Some((byte, name)) if matches!(doing, "read-key" | "read-object-value") => {
            writeln!(out, "[additional info] Reading type {byte} ({name})")?;
        }
        // The original's way to say: none yet.
        None => writeln!(out, "[additional info] Reading type 0 (string)")?,
        Some(_) => {}
    }
    counts.put(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::rdb::Value;
    use wire::rdb::encoder::{self, Packing};

    fn lines(file: &[u8]) -> (bool, String) {
        let mut out = Vec::new();
        let is_sound = check(&mut &file[..], &mut out).unwrap();
        (is_sound, String::from_utf8(out).unwrap())
    }

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        encoder::header(&mut file);
        encoder::aux(&mut file, b"redis-ver", b"7.2.4");
        encoder::select_db(&mut file, 3);
        encoder::deadline(&mut file, 1_000);
        encoder::entry(&mut file, b"a", &Value::String(b"text".to_vec()), Packing::Lzf);
        encoder::end(&mut file, Some(base::crc64::Crc64::new()));
        file
    }

    #[test]
    fn a_sound_file_is_told_in_the_lines_of_the_original() {
        let (is_sound, text) = lines(&file());
        let len = file().len();
        let expected = format!(
            "[offset 26] AUX FIELD redis-ver = '7.2.4'\n[offset 28] Selecting DB ID 3\n\
             [offset {len}] Checksum OK\n[offset {len}] \\o/ RDB looks OK! \\o/\n\
             [info] 1 keys read\n[info] 1 expires\n[info] 1 already expired\n"
        );
        assert!(is_sound);
        assert_eq!(text, expected);
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let mut damaged = file();
        *damaged.last_mut().unwrap() ^= 1;
        let (is_sound, text) = lines(&damaged);
        assert!(!is_sound && text.contains("[offset 54] RDB CRC error\n"), "{text}");
        assert!(text.contains("[additional info] While doing: check-sum\n[info] 1 keys read\n"), "{text}");

        let (is_sound, text) = lines(b"not a file");
        assert!(!is_sound && text.contains("[offset 9] Wrong signature trying to load DB from file\n"));
        assert!(text.contains("While doing: start\n[additional info] Reading type 0 (string)\n"));

        let (is_sound, text) = lines(&file()[..41]);
        assert!(!is_sound && text.contains("Unexpected EOF reading RDB file\n"), "{text}");
        assert!(
            text.contains("While doing: read-object-value\n[additional info] Reading key 'a'\n"),
            "{text}"
        );
    }
}
