//! A small blocking client, for `up`: one connection, one request at a time, with a deadline on everything.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use wire::value::{Parser, Value};

/// One connection to a node.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    parser: Parser,
}

impl Client {
    /// Connects; every later read and write has the same time limit.
    pub fn connect(address: SocketAddr, timeout: Duration) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, parser: Parser::default() })
    }

    /// Sends one request and waits for its reply. After an error the connection is of no more use.
    pub fn call(&mut self, words: &[&str]) -> Result<Value> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut request = Vec::new();
        wire::request(&mut request, &words);
        self.stream.write_all(&request)?;
        let mut buffer = [0; 16 << 10];
        loop {
            let reply =
                self.parser.next_value().map_err(|_| Error::new(ErrorKind::InvalidData, "not RESP"))?;
            if let Some(value) = reply {
                return Ok(value);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.parser.push(&buffer[..count]),
            }
        }
    }

    /// Like `call`, for replies that are text; a refusal is an error with the server's words.
    pub fn text(&mut self, words: &[&str]) -> Result<String> {
        match self.call(words)? {
            Value::Simple(text) | Value::Bulk(text) | Value::Verbatim(_, text) => {
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Value::Error(text) => Err(Error::other(String::from_utf8_lossy(&text).into_owned())),
            other => Err(Error::other(format!("an answer of another kind: {other:?}"))),
        }
    }
}
