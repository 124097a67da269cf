//! Link: one connection with the bytes that wait for the kernel.

use crate::options::Options;
use crate::replies::Replies;
use cli::connection::{Address, encode, reason};
use cli::{Connection, Timeouts, complain};
use std::io::{ErrorKind, Result};
use std::os::fd::{AsFd, BorrowedFd};

/// One connection.
pub struct Link {
    connection: Connection,
    /// What the server has said.
    pub replies: Replies,
}

impl Link {
    /// Connects to `address`; from then on nothing waits. What fails is said.
    pub fn open(address: &Address) -> std::result::Result<Link, u8> {
        let opened = Connection::open(address, Timeouts::default())
            .and_then(|connection| connection.set_nonblocking().map(|()| connection));
        match opened {
            Ok(connection) => Ok(Link { connection, replies: Replies::default() }),
            Err(error) => {
                complain!("Could not connect to Redis at {address}: {}", reason(&error));
                Err(1)
            }
        }
    }

    /// Writes as much of `bytes` as the kernel takes now.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.connection.write_some(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Reads once; gives how many replies became whole.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<u64> {
        match self.connection.read_bytes(buffer) {
            Ok(count) => Ok(self.replies.feed(&buffer[..count])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// The requests that open each connection, and how many they are.
pub fn prefix(options: &Options, is_cluster: bool) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    let mut count = 0;
    let mut add = |words: &[&[u8]]| {
        encode(&mut bytes, words);
        count += 1;
    };
    match (&options.password, &options.user) {
        (Some(password), Some(user)) => add(&[b"AUTH", user, password]),
        (Some(password), None) => add(&[b"AUTH", password]),
        (None, _) => {}
    }
    if options.tracks {
        add(&[b"CLIENT", b"TRACKING", b"on"]);
    }
    if options.database != 0 && !is_cluster {
        add(&[b"SELECT", options.database.to_string().as_bytes()]);
    }
    if options.is_resp3 {
        add(&[b"HELLO", b"3"]);
    }
    (bytes, count)
}

/// A connection that waits, for the questions before a test. What fails is said; `Err` ends the program.
pub fn ask(options: &Options, address: &Address) -> std::result::Result<Option<Connection>, u8> {
    let mut connection = match Connection::open(address, Timeouts::default()) {
        Ok(connection) => connection,
        Err(error) => {
            complain!("Could not connect to Redis at {address}: {}", reason(&error));
            return Ok(None);
        }
    };
    let Some(password) = &options.password else { return Ok(Some(connection)) };
    let mut words: Vec<&[u8]> = vec![b"AUTH"];
    words.extend(options.user.as_deref());
    words.push(password);
    match connection.command(&words) {
        Ok(wire::value::Value::Error(text)) => {
            complain!("Node {address} replied with error:\n{}", String::from_utf8_lossy(&text));
            Err(1)
        }
        Ok(_) => Ok(Some(connection)),
        Err(_) => {
            complain!("ERROR: failed to fetch reply from {address}");
            Ok(None)
        }
    }
}
