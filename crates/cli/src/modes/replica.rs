//! `--replica`, `--rdb`, `--functions-rdb`, and a SYNC that was typed: what a primary sends to its replicas.

use super::{ask, shown};
use crate::connection::{Connection, reason};
use crate::session::{Failure, Session};
use crate::{complain, print};
use rustix::fs::ftruncate;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;
use wire::value::Value;

/// The mark that ends a snapshot of unknown length.
const MARK_BYTES: usize = 40;
/// The line that announces a snapshot is at most so long.
const LINE_BYTES_MAX: usize = 4096;
/// Between the end of a snapshot and the first acknowledgement, as the original waits.
const ACK_PAUSE: Duration = Duration::from_secs(1);

/// How the end of a snapshot is known.
enum End {
    /// After so many bytes.
    Length(u64),
    /// Behind this mark.
    Mark(Vec<u8>),
}

/// Sends one REPLCONF; false when the server refuses it, as old ones do.
fn replconf(session: &mut Session, name: &str, value: &str) -> Result<bool, u8> {
    complain!("sending REPLCONF {name} {value}");
    match ask(session, &["REPLCONF", name, value])? {
        Value::Error(text) => {
            complain!("REPLCONF {name} error: {}", shown(&text));
            Ok(false)
        }
        _ => Ok(true),
    }
}

/// `--replica`
pub fn show(session: &mut Session) -> u8 {
    let prepared = replconf(session, "capa", "eof").and_then(|_| replconf(session, "rdb-filter-only", ""));
    match prepared.and_then(|_| follow(session, true)) {
        Ok(failure) => code(failure),
        Err(code) => code,
    }
}

/// After SYNC or PSYNC at the prompt, which is sent already: shows the stream until it ends.
pub fn follow_sent(session: &mut Session) -> Result<(), Failure> {
    match follow(session, false) {
        Ok(Failure::Lost) => Ok(()),
        Ok(failure) => Err(failure),
        Err(code) => Err(Failure::Ended(code)),
    }
}

fn code(failure: Failure) -> u8 {
    match failure {
        Failure::Lost => 1,
        Failure::Ended(code) => code,
    }
}

/// Passes over the snapshot, then prints the stream; gives why it ended.
fn follow(session: &mut Session, sends_sync: bool) -> Result<Failure, u8> {
    let Some(connection) = session.connection() else { return Err(1) };
    let end = sync(connection, sends_sync)?;
    match &end {
        End::Length(bytes) => complain!("SYNC with master, discarding {bytes} bytes of bulk transfer..."),
        End::Mark(_) => {
            complain!("SYNC with master, discarding bytes of bulk transfer until EOF marker...");
        }
    }
    let bytes = payload(connection, &end, "Error reading RDB payload while SYNCing", |_| Ok(()))?;
    match end {
        End::Length(_) => complain!("SYNC done. Logging commands from master."),
        End::Mark(_) => {
            complain!("SYNC done after {bytes} bytes. Logging commands from master.");
            std::thread::sleep(ACK_PAUSE);
            complain!("sending REPLCONF ACK 0");
            // It is never answered.
            if connection.send(&["REPLCONF", "ACK", "0"]).is_err() {
                complain!("\nI/O error");
                return Err(1);
            }
        }
    }
    Ok(session.read_replication())
}

/// Reads up to the end of the snapshot, and gives each piece to `sink`. Not a byte more is read: the stream follows.
/// The result counts the mark too.
fn payload(
    connection: &mut Connection,
    end: &End,
    complaint: &str,
    mut sink: impl FnMut(&[u8]) -> Result<(), u8>,
) -> Result<u64, u8> {
    let mut buffer = [0; 16 << 10];
    let mut bytes = 0;
    // The last bytes, to find a mark that comes in two pieces.
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let room = match end {
            End::Length(length) => {
                usize::try_from(length - bytes).map_or(buffer.len(), |left| left.min(buffer.len()))
            }
            End::Mark(_) => buffer.len(),
        };
        if room == 0 {
            return Ok(bytes);
        }
        let Ok(count) = connection.read_bytes(&mut buffer[..room]) else {
            complain!("{complaint}");
            return Err(1);
        };
        sink(&buffer[..count])?;
        bytes += count as u64;
        if let End::Mark(mark) = end {
            tail.extend_from_slice(&buffer[..count]);
            tail.drain(..tail.len().saturating_sub(MARK_BYTES));
            if tail == *mark {
                return Ok(bytes);
            }
        }
    }
}

/// Asks for a snapshot; gives how its end is known.
fn sync(connection: &mut Connection, sends: bool) -> Result<End, u8> {
    if sends && connection.write(b"SYNC\r\n").is_err() {
        complain!("Error writing to master");
        return Err(1);
    }
    let mut line = Vec::new();
    // Byte by byte: what follows the line is no RESP. Empty lines keep the connection alive.
    loop {
        let mut byte = [0];
        if connection.read_bytes(&mut byte).is_err() || line.len() > LINE_BYTES_MAX {
            complain!("Error reading bulk length while SYNCing");
            return Err(1);
        }
        match byte[0] {
            b'\n' if line.is_empty() => {}
            // PSYNC is answered by a line before the snapshot.
            b'\n' if line.starts_with(b"+") => line.clear(),
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    if line.starts_with(b"-") {
        complain!("SYNC with master failed: {}", shown(&line));
        return Err(1);
    }
    let line = line.trim_ascii_end();
    match line.strip_prefix(b"$EOF:") {
        Some(mark) if mark.len() >= MARK_BYTES => Ok(End::Mark(mark[..MARK_BYTES].to_vec())),
        _ => {
            let length = std::str::from_utf8(line.get(1..).unwrap_or_default())
                .ok()
                .and_then(|text| text.parse().ok());
            match length {
                Some(length) => Ok(End::Length(length)),
                None => {
                    complain!("SYNC with master failed: {}", shown(line));
                    Err(1)
                }
            }
        }
    }
}

/// `--rdb` and `--functions-rdb`
pub fn fetch(session: &mut Session) -> u8 {
    let prepared = replconf(session, "capa", "eof").and_then(|_| replconf(session, "rdb-only", "1"));
    if let Err(code) = prepared {
        return code;
    }
    let name = match (&session.options.functions_file, &session.options.rdb_file) {
        (Some(name), _) => {
            let name = name.clone();
            match replconf(session, "rdb-filter-only", "functions") {
                Ok(true) => {}
                Ok(false) => {
                    complain!("Failed requesting functions only RDB from server, aborting");
                    return 1;
                }
                Err(code) => return code,
            }
            name
        }
        (None, name) => name.clone().unwrap_or_default(),
    };
    let Some(connection) = session.connection() else { return 1 };
    fetch_to(connection, &name).err().unwrap_or(0)
}

/// Fetches a snapshot from `connection`, which said REPLCONF already, into the file `name` ("-": stdout).
///
/// # Errors
/// The exit code; what was to say is said.
pub fn fetch_to(connection: &mut Connection, name: &[u8]) -> Result<(), u8> {
    let end = sync(connection, true)?;
    let shown_name = shown(name);
    match &end {
        End::Length(bytes) => complain!("SYNC sent to master, writing {bytes} bytes to '{shown_name}'"),
        End::Mark(_) => complain!(
            "SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{shown_name}'"
        ),
    }
    let mut file = open(name, &shown_name)?;
    let bytes = payload(connection, &end, "I/O Error reading RDB payload from socket", |piece| {
        let Some(file) = &mut file else {
            print::bytes(piece);
            return Ok(());
        };
        file.write_all(piece).map_err(|error| {
            complain!("Error writing data to file: {}", reason(&error));
            1
        })
    })?;
    match end {
        End::Length(_) => complain!("Transfer finished with success."),
        End::Mark(_) => {
            let bytes = bytes - MARK_BYTES as u64;
            if let Some(file) = &file
                && let Err(error) = ftruncate(file, bytes)
            {
                complain!("ftruncate failed: {}.", reason(&error.into()));
            }
            complain!("Transfer finished with success after {bytes} bytes");
        }
    }
    match file.map(|file| file.sync_all()) {
        Some(Err(error)) => {
            complain!("Fail to fsync '{shown_name}': {}", reason(&error));
            Err(1)
        }
        _ => Ok(()),
    }
}

fn open(name: &[u8], shown_name: &str) -> Result<Option<File>, u8> {
    if name == b"-" {
        return Ok(None);
    }
    let path = OsString::from_vec(name.to_vec());
    // As the original, an old file is written over; unlike it, what is longer is cut off.
    match OpenOptions::new().create(true).write(true).truncate(true).mode(0o644).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            complain!("Error opening '{shown_name}': {}", reason(&error));
            Err(1)
        }
    }
}
