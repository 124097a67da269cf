//! Transfer: a full synchronisation as a replica asks for it, of which only the snapshot is taken.

use crate::Failure;
use crate::target::Login;
use cli::Connection;
use cli::connection::{Address, reason};
use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::value::Value;

/// The mark that ends a snapshot of unknown length.
const MARK_BYTES: usize = 40;
/// The lines before a snapshot are at most so long.
const LINE_BYTES_MAX: usize = 4096;
/// 10 minutes: a server that makes others wait for a snapshot, or writes it to its disk first, may take so long.
const PATIENCE: Duration = Duration::from_secs(600);
/// Bytes that one read takes.
const READ_BYTES: usize = 64 << 10;

/// A snapshot that has begun: what the server said of it.
pub struct Snapshot {
    connection: Connection,
    address: Address,
    /// The history that the offset counts in.
    pub replid: String,
    /// The data is that of this offset.
    pub offset: u64,
    /// When the server's word came, in milliseconds since 1970.
    pub begun_ms: u64,
}

/// Asks a server for a snapshot and waits until it has begun.
pub fn begin(address: &Address, login: &Login) -> Result<Snapshot, Failure> {
    let mut connection = login.open(address)?;
    let failed = |error: &Error| format!("{address}: {}", reason(error));
    // `eof`: a server that sends while it walks can not tell the length before. `rdb-only`: no stream behind it.
    for words in [["REPLCONF", "capa", "eof"], ["REPLCONF", "capa", "psync2"], ["REPLCONF", "rdb-only", "1"]]
    {
        match connection.command(&words).map_err(|error| failed(&error))? {
            // Servers before 7.0 do not know `rdb-only`; their stream is not read.
            Value::Error(text) if words[1] != "rdb-only" => {
                return Err(format!("{address}: {}", String::from_utf8_lossy(&text)));
            }
            _ => {}
        }
    }
    connection.write(b"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n").map_err(|error| failed(&error))?;
    let line = line(&mut connection, address)?;
    let mut words = line.strip_prefix("+FULLRESYNC ").unwrap_or_default().split(' ');
    let parts = (words.next(), words.next().and_then(|word| word.parse().ok()));
    let (Some(replid), Some(offset)) = parts else {
        return Err(format!("{address} gives no snapshot: {line}"));
    };
    let begun_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64);
    Ok(Snapshot { connection, address: address.clone(), replid: replid.into(), offset, begun_ms })
}

impl Snapshot {
    /// Fetches it; each piece goes to `sink`, together with the length where it is known.
    pub fn fetch(
        mut self,
        mut sink: impl FnMut(&[u8], Option<u64>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let head = line(&mut self.connection, &self.address)?;
        let mark = head.strip_prefix("$EOF:").filter(|mark| mark.len() == MARK_BYTES);
        let length = head.strip_prefix('$').and_then(|text| text.parse::<u64>().ok());
        let mut buffer = vec![0; READ_BYTES];
        match (mark, length) {
            (Some(mark), _) => {
                // The last bytes are held back: they may be the mark.
                let mut held: Vec<u8> = Vec::new();
                while held != mark.as_bytes() {
                    let count = self.read(&mut buffer)?;
                    held.extend_from_slice(&buffer[..count]);
                    let ready = held.len().saturating_sub(MARK_BYTES);
                    sink(&held[..ready], None)?;
                    held.drain(..ready);
                }
                Ok(())
            }
            (None, Some(length)) => {
                let mut left = length;
                while left > 0 {
                    let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    let count = self.read(&mut buffer[..room])?;
                    sink(&buffer[..count], Some(length))?;
                    left -= count as u64;
                }
                Ok(())
            }
            (None, None) => Err(format!("{} gives no snapshot: {head}", self.address)),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.connection
            .read_bytes(buffer)
            .map_err(|error| format!("{}: the snapshot breaks off: {}", self.address, reason(&error)))
    }
}

/// One line. Byte by byte: what follows is no RESP. Empty lines keep the connection alive meanwhile.
fn line(connection: &mut Connection, address: &Address) -> Result<String, Failure> {
    let (mut line, mut byte, started) = (Vec::new(), [0], Instant::now());
    loop {
        match connection.read_bytes(&mut byte) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < PATIENCE => continue,
            Err(error) => return Err(format!("{address}: {}", reason(&error))),
        }
        match byte[0] {
            b'\n' if line.is_empty() => {}
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_string()),
            byte if line.len() < LINE_BYTES_MAX => line.push(byte),
            _ => return Err(format!("{address}: the line before the snapshot does not end")),
        }
    }
}
