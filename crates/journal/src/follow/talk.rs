//! Talk: what is said between a replica and its primary, as bytes.

use super::{Ask, Event, Fault, VERSION_LIKE};
use crate::transfer::Frame;
use crate::{Settings, Turn};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::Id;
use machine::{ConnId, Level};
use wire::{Batch, Ending, Framer};

/// One reply of the handshake.
pub(super) struct Line {
    pub(super) kind: u8,
    pub(super) text: String,
}

impl Line {
    pub(super) fn read(batch: &Batch, index: usize) -> Option<Line> {
        let args = batch.request(index);
        let mut bytes = args.iter().flatten().copied();
        let kind = bytes.next()?;
        let text: Vec<u8> = bytes.collect();
        Some(Line { kind, text: String::from_utf8_lossy(&text).trim_end().to_string() })
    }

    pub(super) fn is_error(&self) -> bool {
        self.kind == b'-'
    }
}

/// The answer to PING opens the rest of the greeting, which is sent in one piece.
pub(super) fn on_ping(
    conn: ConnId,
    reply: &Line,
    settings: &Settings,
    asked: &mut VecDeque<Ask>,
    turn: &mut Turn<'_>,
) -> Result<(), Fault> {
    // A primary whose saves fail refuses even PING, but it streams: its replicas are the best copies that there are.
    let is_tolerated = ["NOAUTH", "NOPERM", "ERR operation not permitted", "MISCONF"];
    if reply.is_error() && !is_tolerated.iter().any(|code| reply.text.starts_with(code)) {
        return Err(Fault::Link(format!("Error reply to PING from master: '{}'", reply.text)));
    }
    let mut bytes = Vec::new();
    let password = settings.primary_password.as_slice();
    if !password.is_empty() {
        let user = settings.primary_user.as_slice();
        let auth =
            if user.is_empty() { command(&[b"AUTH", password]) } else { command(&[b"AUTH", user, password]) };
        bytes.extend_from_slice(&auth);
        asked.push_back(Ask::Auth);
    }
    let port = settings.announced_port.to_string();
    bytes.extend_from_slice(&command(&[b"REPLCONF", b"listening-port", port.as_bytes()]));
    asked.push_back(Ask::Port);
    if !settings.announced_ip.is_empty() {
        bytes.extend_from_slice(&command(&[b"REPLCONF", b"ip-address", settings.announced_ip.as_bytes()]));
        asked.push_back(Ask::Ip);
    }
    bytes.extend_from_slice(&command(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]));
    asked.push_back(Ask::Capabilities);
    bytes.extend_from_slice(&command(&[b"REPLCONF", b"version", VERSION_LIKE]));
    asked.push_back(Ask::Version);
    turn.out.send(conn, bytes);
    Ok(())
}

/// Asks for everything that is not here, or for all where there is no history to continue.
pub(super) fn psync(position: Option<(Id, u64)>, is_handover: bool, turn: &mut Turn<'_>) -> Vec<u8> {
    let Some((replid, end)) = position else {
        return command(&[b"PSYNC", b"?", b"-1"]);
    };
    let first = (end + 1).to_string();
    turn.out.log(Level::Notice, format!("Trying a partial resynchronization (request {replid}:{first})."));
    if is_handover {
        return command(&[b"PSYNC", replid.as_bytes(), first.as_bytes(), b"FAILOVER"]);
    }
    command(&[b"PSYNC", replid.as_bytes(), first.as_bytes()])
}

/// `$<length>` or `$EOF:<mark>`.
pub(super) fn frame(reply: &Line) -> Result<Frame, Fault> {
    let wrong = || Fault::Link(format!("Bad protocol from MASTER, instead of a payload: {}", reply.text));
    if reply.kind != b'$' {
        return Err(wrong());
    }
    match reply.text.strip_prefix("EOF:") {
        Some(mark) => Ok(Frame::Mark(mark.as_bytes().try_into().map_err(|_| wrong())?)),
        None => Ok(Frame::Length(reply.text.parse().map_err(|_| wrong())?)),
    }
}

/// Frames stream bytes that the world did not.
pub(super) fn reframe(
    conn: ConnId,
    framer: &mut Framer,
    bytes: &[u8],
    turn: &mut Turn<'_>,
    events: &mut Vec<Event>,
) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut buffer = framer.lend(bytes.len(), || turn.out.pool.buffer());
    buffer.extend_from_slice(bytes);
    let mut batch = turn.out.pool.batch();
    let memory = framer.feed(buffer, &mut batch);
    turn.out.pool.recycle(memory);
    if let Ending::Broken(error) = batch.ending() {
        return Err(Fault::Link(format!("the primary's stream makes no sense: {error:?}")));
    }
    if !batch.is_empty() {
        events.push(Event::Stream(conn, batch));
    }
    Ok(())
}

/// A command in the form of the protocol.
pub(crate) fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

pub(super) fn ack(applied: u64, filed: Option<u64>) -> Vec<u8> {
    let applied = applied.to_string();
    match filed {
        Some(filed) => {
            let filed = filed.to_string();
            command(&[b"REPLCONF", b"ACK", applied.as_bytes(), b"FACK", filed.as_bytes()])
        }
        None => command(&[b"REPLCONF", b"ACK", applied.as_bytes()]),
    }
}
