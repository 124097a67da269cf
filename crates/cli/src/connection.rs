//! Connection: a blocking client for one server. One thread, one socket, a deadline on everything if wanted.
//!
//! Used by the command line client, by the cluster manager and by `up`. Replies are [`Value`]s; a push that stands
//! between replies is kept aside (`pushes`) and never taken for an answer.
//!
//! After an error the connection is of no more use: what was sent may or may not have been carried out.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use wire::value::{Parser, Value};

/// Pushes that nobody took; the oldest go first.
const PUSHES_MAX: usize = 10_000;
/// Bytes that one read takes.
const READ_BYTES: usize = 16 << 10;
/// After so long without traffic the kernel asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host (a name or a number, IPv6 without brackets) and port.
    Tcp(String, u16),
    /// A Unix domain socket.
    Unix(String),
}

impl Address {
    /// Host and port.
    pub fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.into(), port)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => f.write_str(path),
        }
    }
}

/// How long each step may take; `None` waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// Until the connection stands, per address that the host's name has.
    pub connect: Option<Duration>,
    /// Until each read gives something and each write takes something.
    pub io: Option<Duration>,
}

impl Timeouts {
    /// The same limit for every step.
    pub fn each(limit: Duration) -> Timeouts {
        Timeouts { connect: Some(limit), io: Some(limit) }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A connection to one server.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    parser: Parser,
    pushes: VecDeque<Value>,
}

impl Connection {
    /// Connects: every address that the host's name has is tried in turn.
    pub fn open(address: &Address, timeouts: Timeouts) -> Result<Connection> {
        let stream = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(timeouts.io)?;
                stream.set_write_timeout(timeouts.io)?;
                Stream::Unix(stream)
            }
            Address::Tcp(host, port) => Stream::Tcp(connect(host, *port, timeouts)?),
        };
        Ok(Connection { stream, parser: Parser::default(), pushes: VecDeque::new() })
    }

    /// Sends one request and waits for its reply (an error reply is a value too). Pushes are kept aside.
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value> {
        self.send(words)?;
        self.reply()
    }

    /// Like `command`, for replies that are text; a refusal is an error with the server's words.
    pub fn text<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<String> {
        match self.command(words)? {
            Value::Error(text) => Err(Error::other(String::from_utf8_lossy(&text).into_owned())),
            value => match value.text() {
                Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
                None => Err(Error::other(format!("an answer of another kind: {value:?}"))),
            },
        }
    }

    /// Sends all requests, then reads all replies. The requests together should be small enough for the socket's
    /// buffers, or their replies may meet them head on: cut longer work into pieces of some thousand.
    pub fn pipeline<W: AsRef<[u8]>>(&mut self, requests: &[Vec<W>]) -> Result<Vec<Value>> {
        let mut bytes = Vec::new();
        for words in requests {
            encode(&mut bytes, words);
        }
        self.write(&bytes)?;
        (0..requests.len()).map(|_| self.reply()).collect()
    }

    /// Sends one request without waiting.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes, words);
        self.write(&bytes)
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply that is no push.
    pub fn reply(&mut self) -> Result<Value> {
        loop {
            match self.read()? {
                push @ Value::Push(_) => {
                    if self.pushes.len() >= PUSHES_MAX {
                        self.pushes.pop_front();
                    }
                    self.pushes.push_back(push);
                }
                value => return Ok(value),
            }
        }
    }

    /// The next value of any kind.
    pub fn read(&mut self) -> Result<Value> {
        loop {
            if let Some(value) = self.parsed()? {
                return Ok(value);
            }
            self.fill()?;
        }
    }

    /// The next value, if it is whole already; reads nothing.
    pub fn parsed(&mut self) -> Result<Option<Value>> {
        self.parser.next_value().map_err(|_| Error::new(ErrorKind::InvalidData, "Protocol error"))
    }

    /// Waits for the next bytes and gives them to the parser.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server has closed; `WouldBlock` when the time limit is over.
    pub fn fill(&mut self) -> Result<()> {
        let mut buffer = [0; READ_BYTES];
        let count = self.read_bytes(&mut buffer)?;
        self.parser.push(&buffer[..count]);
        Ok(())
    }

    /// Reads bytes as they are, past the parser. Only where nothing is parsed: a stream of replication, `--pipe`.
    pub fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(Error::new(ErrorKind::UnexpectedEof, CLOSED)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// The pushes that came since the last call.
    pub fn pushes(&mut self) -> impl Iterator<Item = Value> + '_ {
        self.pushes.drain(..)
    }

    /// A new limit for every later read and write.
    pub fn limit(&mut self, io: Option<Duration>) -> Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(io)?;
                stream.set_write_timeout(io)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(io)?;
                stream.set_write_timeout(io)
            }
        }
    }

    /// Reads and writes give `WouldBlock` from now on rather than wait. For those who poll.
    pub fn set_nonblocking(&self) -> Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(true),
            Stream::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// Writes as much as there is room for.
    pub fn write_some(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream.write(bytes)
    }

    /// A handle with which another thread can end this connection.
    pub fn cutter(&self) -> Result<Cutter> {
        Ok(Cutter(match &self.stream {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
        }))
    }

    /// The address of the other side, if it is a TCP one.
    pub fn peer(&self) -> Option<SocketAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().ok(),
            Stream::Unix(_) => None,
        }
    }
}

/// A second handle of a connection's socket that can only end it.
#[derive(Debug)]
pub struct Cutter(Stream);

impl Cutter {
    /// Ends the connection: who reads from it wakes up. One that is gone already needs no end.
    pub fn cut(self) {
        let _ = match self.0 {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// What is said of a server that has closed the connection.
const CLOSED: &str = "Server closed the connection";

/// Appends one request.
pub fn encode<W: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[W]) {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    wire::request(out, &words);
}

/// The system's words for `error`, without Rust's additions: `Connection refused`.
pub fn reason(error: &Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text.to_string(),
    }
}

fn connect(host: &str, port: u16, timeouts: Timeouts) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "Name or service not known");
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    // As the originals: IPv4 first.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    for address in addresses {
        let stream = match timeouts.connect {
            Some(limit) => TcpStream::connect_timeout(&address, limit),
            None => TcpStream::connect(address),
        };
        match stream {
            Ok(stream) => {
                stream.set_read_timeout(timeouts.io)?;
                stream.set_write_timeout(timeouts.io)?;
                stream.set_nodelay(true)?;
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                rustix::net::sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_systems_words() {
        assert_eq!(reason(&Error::from_raw_os_error(111)), "Connection refused");
        assert_eq!(reason(&Error::other("x")), "x");
    }
}
