//! `--pipe`: stdin is RESP already and goes to the server as it is; the replies are counted.
//!
//! The end is found by an ECHO of something that nobody else would echo. Reading and writing go on at the same time,
//! or a server whose replies are not read would stop to read.

use super::shown;
use crate::connection::reason;
use crate::session::Session;
use crate::{complain, say};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::value::Value;

/// Bytes of stdin that are on their way.
const CHUNK_BYTES: usize = 64 << 10;
/// How long one wait takes at most: the timeout is looked at so often.
const WAIT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What is known of the replies.
struct Replies {
    errors: u64,
    count: u64,
    last: Instant,
    magic: Vec<u8>,
    is_over: bool,
}

/// Sends stdin and counts.
pub fn run(session: &mut Session) -> u8 {
    let timeout = session.options.pipe_timeout;
    let Some(connection) = session.connection() else { return 1 };
    if let Err(error) = connection.set_nonblocking() {
        complain!("Can't set the socket in non blocking mode: {}", reason(&error));
        return 1;
    }
    let mut replies =
        Replies { errors: 0, count: 0, last: Instant::now(), magic: Vec::new(), is_over: false };
    let mut stdin = std::io::stdin().lock();
    let mut pending: Vec<u8> = Vec::new();
    let mut sent = 0;
    while !replies.is_over {
        let wants_write = replies.magic.is_empty() || sent < pending.len();
        let ready = match wait(connection, wants_write) {
            Ok(ready) => ready,
            Err(error) => {
                complain!("Error waiting for the server: {}", reason(&error));
                return 1;
            }
        };
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
            && let Err(code) = receive(connection, &mut replies)
        {
            return code;
        }
        if ready.contains(PollFlags::OUT) && !replies.is_over {
            if sent == pending.len() && replies.magic.is_empty() {
                sent = 0;
                pending = match next(&mut stdin, &mut replies) {
                    Ok(bytes) => bytes,
                    Err(code) => return code,
                };
            }
            match connection.write_some(&pending[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    complain!("Error writing to the server: {}", reason(&error));
                    return 1;
                }
            }
        }
        let is_sent = !replies.magic.is_empty();
        if is_sent
            && let Some(timeout) =
                timeout.filter(|timeout| replies.last.elapsed() > *timeout + Duration::from_secs(1))
        {
            complain!("No replies for {} seconds: exiting.", timeout.as_secs());
            replies.errors += 1;
            break;
        }
    }
    say!("errors: {}, replies: {}\n", replies.errors, replies.count);
    u8::from(replies.errors > 0)
}

fn wait(connection: &crate::Connection, wants_write: bool) -> std::io::Result<PollFlags> {
    let events = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let mut fds = [PollFd::new(connection, events)];
    match poll(&mut fds, Some(&WAIT)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(fds[0].revents()),
        Err(error) => Err(error.into()),
    }
}

/// The next bytes to send: of stdin, and at its end the ECHO. It begins with a line end: what came before may have
/// ended in the middle of a line.
fn next(stdin: &mut impl Read, replies: &mut Replies) -> Result<Vec<u8>, u8> {
    let mut bytes = vec![0; CHUNK_BYTES];
    match stdin.read(&mut bytes) {
        Ok(0) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
            replies.magic = format!("{:020}", now ^ u64::from(std::process::id()) << 32).into_bytes();
            say!("All data transferred. Waiting for the last reply...\n");
            Ok([b"\r\n*2\r\n$4\r\nECHO\r\n$20\r\n".as_slice(), &replies.magic, b"\r\n"].concat())
        }
        Ok(count) => {
            bytes.truncate(count);
            Ok(bytes)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Vec::new()),
        Err(error) => {
            complain!("Error reading from stdin: {}", reason(&error));
            Err(1)
        }
    }
}

/// Reads what is there and counts it.
fn receive(connection: &mut crate::Connection, replies: &mut Replies) -> Result<(), u8> {
    let filled = connection.fill();
    loop {
        match connection.parsed() {
            Ok(Some(value)) => replies.add(&value),
            Ok(None) => break,
            Err(_) => {
                complain!("Error reading replies from server");
                return Err(1);
            }
        }
    }
    match filled {
        Err(error) if error.kind() != ErrorKind::WouldBlock && !replies.is_over => {
            complain!("Error reading replies from server");
            Err(1)
        }
        _ => Ok(()),
    }
}

impl Replies {
    fn add(&mut self, value: &Value) {
        self.last = Instant::now();
        match value {
            Value::Error(text) => {
                complain!("{}", shown(text));
                self.errors += 1;
            }
            Value::Bulk(text) if !self.magic.is_empty() && *text == self.magic => {
                say!("Last reply received from server.\n");
                self.is_over = true;
                return;
            }
            _ => {}
        }
        self.count += 1;
    }
}
