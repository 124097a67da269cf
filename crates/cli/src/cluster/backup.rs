//! Backup: an RDB file of each primary and the cluster's layout as nodes.json, in one directory.

use super::check;
use super::group::{Done, Failed, Group};
use super::membership::host;
use crate::connection::{Connection, reason};
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};

/// Bytes of the mark at the end of a transfer of unknown length.
const MARK_BYTES: usize = 40;
/// In the refusal of a node that sends no length.
const NEEDS_MARK: &str = "capa eof";
/// A longer header is none.
const HEADER_BYTES_MAX: usize = 4096;

/// Runs `backup host:port directory`.
pub fn run(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, &args[..1])?;
    group.load(&host, port)?;
    let is_well = check::check(group, false)?;
    let errors = if is_well { 0 } else { group.errors };
    let directory = args[1].as_str();
    let slash = if directory.ends_with('/') { "" } else { "/" };
    let mut entries = Vec::new();
    for at in 0..group.nodes.len() {
        entries.push(group.nodes[at].json(errors));
        if group.nodes[at].line.primary.is_none() {
            let (address, node) = (group.address(at), &group.nodes[at].line);
            let file = format!("{directory}{slash}redis-node-{}-{}-{}.rdb", node.host, node.port, node.id);
            group.screen.step(format!(">>> Node {address} -> Saving RDB..."));
            save(group, at, &file)?;
        }
    }
    let path = format!("{directory}{slash}nodes.json");
    group.screen.step(format!("Saving cluster configuration to: {path}"));
    let json = format!("[\n{}\n]", entries.join(",\n"));
    if std::fs::write(&path, json).is_err() {
        group.screen.bad(format!("Could not save nodes to: {path}"));
        group.screen.good("[ERR] Failed to back cluster!");
        return Err(Failed);
    }
    if !is_well {
        group.screen.warn(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.",
        );
    }
    group.screen.good(format!("[OK] Backup created into: {directory}"));
    Ok(())
}

fn save(group: &mut Group, at: usize, path: &str) -> Done {
    let connection = group.nodes[at].take_connection();
    let saved = match connection {
        Some(mut connection) => receive(&mut connection, path, |text| group.screen.error(text)),
        None => Err("the connection is lost".to_string()),
    };
    saved.map_err(|text| {
        group.screen.error(text);
        Failed
    })
}

/// Asks for a snapshot with SYNC and writes it to `path`; what happens is told by `tell`.
///
/// # Errors
/// The text to print.
pub fn receive(
    connection: &mut Connection,
    path: &str,
    tell: impl Fn(String),
) -> std::result::Result<(), String> {
    let ask = |connection: &mut Connection| {
        header(connection).map_err(|_| "Error reading bulk length while SYNCing".to_string())
    };
    let mut header = ask(connection)?;
    // A node that never has the whole snapshot at once cannot tell its length: it wants us to know the mark at the end.
    if header.starts_with('-') && header.contains(NEEDS_MARK) {
        let taken = connection.command(&["REPLCONF", "capa", "eof"]);
        taken.map_err(|error| format!("Error writing to master: {}", reason(&error)))?;
        header = ask(connection)?;
    }
    if let Some(error) = header.strip_prefix('-') {
        return Err(format!("SYNC with master failed: -{error}"));
    }
    let mark = header.strip_prefix("$EOF:").filter(|mark| mark.len() >= MARK_BYTES);
    let length: u64 = match (mark, header.strip_prefix('$').map(str::parse)) {
        (Some(_), _) => 0,
        (None, Some(Ok(length))) => length,
        _ => return Err(format!("SYNC with master failed: {header}")),
    };
    match mark {
        Some(_) => {
            tell(format!("SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{path}'"))
        }
        None => tell(format!("SYNC sent to master, writing {length} bytes to '{path}'")),
    }
    let mut file =
        File::create(path).map_err(|error| format!("Error opening '{path}': {}", reason(&error)))?;
    let copied = match mark {
        Some(mark) => copy_to_mark(connection, &mut file, &mark.as_bytes()[..MARK_BYTES]),
        None => copy(connection, &mut file, length).map(|()| length),
    };
    let copied = copied.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "I/O Error reading RDB payload from socket".to_string(),
        _ => format!("Error writing data to file: {}", reason(&error)),
    })?;
    match mark {
        Some(_) => tell(format!("Transfer finished with success after {copied} bytes")),
        None => tell("Transfer finished with success.".into()),
    }
    file.sync_all().map_err(|error| format!("Fail to fsync '{path}': {}", reason(&error)))
}

/// Sends SYNC and reads the line before the payload. While the snapshot is made, empty lines come.
fn header(connection: &mut Connection) -> Result<String> {
    connection.write(b"SYNC\r\n")?;
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        connection.read_bytes(&mut byte)?;
        match byte[0] {
            b'\n' if !line.is_empty() => break,
            b'\n' => {}
            other if line.len() < HEADER_BYTES_MAX => line.push(other),
            _ => return Err(ErrorKind::InvalidData.into()),
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_string())
}

fn copy(connection: &mut Connection, file: &mut File, length: u64) -> Result<()> {
    let mut buffer = [0; 16 << 10];
    let mut left = length;
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = read(connection, &mut buffer[..room])?;
        file.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

/// The mark itself is no part of the file: the last bytes are held back until more come.
fn copy_to_mark(connection: &mut Connection, file: &mut File, mark: &[u8]) -> Result<u64> {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    while held != mark {
        let count = read(connection, &mut buffer)?;
        held.extend_from_slice(&buffer[..count]);
        let ready = held.len().saturating_sub(MARK_BYTES);
        file.write_all(&held[..ready])?;
        held.drain(..ready);
        total += ready as u64;
    }
    Ok(total)
}

/// Every failure to read is the connection's end.
fn read(connection: &mut Connection, buffer: &mut [u8]) -> Result<usize> {
    connection.read_bytes(buffer).map_err(|_| Error::from(ErrorKind::UnexpectedEof))
}
