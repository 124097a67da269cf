//! Target: connections to servers, and the pipelines in which keys go to the primaries of their slots.

use crate::Failure;
use crate::view::{self, Place};
use cli::connection::{Address, encode, reason};
use cli::{Connection, Timeouts};
use std::time::Duration;
use wire::value::Value;

/// 60 s: no server is silent for longer, or it counts as gone (chosen here; a big RESTORE takes seconds).
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes and requests that wait in one pipeline before it is sent (chosen here: some round trips saved, little memory).
const PIPELINE_BYTES: usize = 256 << 10;
const PIPELINE_REQUESTS: usize = 512;
/// 8: so often one key follows a slot that moves.
const REDIRECTIONS_MAX: usize = 8;

/// As whom to connect.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
}

impl Login {
    /// The password of the environment, as for the client.
    pub fn from_environment() -> Login {
        Login { user: None, password: std::env::var("REDISCLI_AUTH").ok() }
    }

    /// Connects and authenticates.
    pub fn open(&self, address: &Address) -> Result<Connection, Failure> {
        let failed = |error: &std::io::Error| format!("{address}: {}", reason(error));
        let mut connection =
            Connection::open(address, Timeouts::each(SILENCE)).map_err(|error| failed(&error))?;
        if let Some(password) = &self.password {
            let mut words = vec!["AUTH"];
            words.extend(self.user.as_deref());
            words.push(password);
            connection.text(&words).map_err(|error| failed(&error))?;
        }
        Ok(connection)
    }
}

/// One key on its way.
struct Parcel {
    key: Vec<u8>,
    request: Vec<u8>,
}

/// The pipeline to one server.
struct Lane {
    address: Address,
    connection: Connection,
    db: u32,
    bytes: usize,
    parcels: Vec<Parcel>,
}

/// Where keys are restored to.
pub struct Target {
    login: Login,
    lanes: Vec<Lane>,
    /// The lane of each slot; empty where the target is no cluster.
    owners: Vec<usize>,
    /// Keys that arrived.
    pub restored: u64,
    replaces: bool,
}

impl Target {
    /// Connects to a node, or to all primaries of its cluster.
    pub fn open(address: &Address, login: &Login, replaces: bool) -> Result<Target, Failure> {
        let places = view::places(address, login)?;
        let mut target =
            Target { login: login.clone(), lanes: Vec::new(), owners: Vec::new(), restored: 0, replaces };
        if places.is_cluster {
            target.owners = owners(&places.list)?;
        }
        for place in &places.list {
            target.lane(&place.address)?;
        }
        Ok(target)
    }

    /// How many servers take part.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// The first server that holds keys, and how many.
    pub fn data(&mut self) -> Result<Option<String>, Failure> {
        for lane in &mut self.lanes {
            let text = lane.connection.text(&["INFO", "keyspace"]).map_err(|error| lane.failed(&error))?;
            if let Some(line) = text.lines().find(|line| line.starts_with("db")) {
                return Ok(Some(format!("{}: {line}", lane.address)));
            }
        }
        Ok(None)
    }

    /// Loads a library of functions everywhere.
    pub fn function(&mut self, code: &[u8]) -> Result<(), Failure> {
        for lane in &mut self.lanes {
            let mut words: Vec<&[u8]> = vec![b"FUNCTION", b"LOAD"];
            if self.replaces {
                words.push(b"REPLACE");
            }
            words.push(code);
            lane.connection.text(&words).map_err(|error| {
                let text = lane.failed(&error);
                format!(
                    "{text}: a library of functions could not be loaded (--without-functions leaves them out)"
                )
            })?;
        }
        Ok(())
    }

    /// Sends one key on its way; `words` are those of RESTORE behind the key.
    pub fn key(&mut self, db: u32, key: Vec<u8>, words: &[&[u8]]) -> Result<(), Failure> {
        let at = match self.owners.as_slice() {
            [] => 0,
            owners => owners[usize::from(base::crc16::slot_of(&key))],
        };
        let mut all: Vec<&[u8]> = vec![b"RESTORE", &key];
        all.extend(words);
        if self.replaces {
            all.push(b"REPLACE");
        }
        let mut request = Vec::new();
        encode(&mut request, &all);
        if self.lanes[at].db != db {
            self.flush(at)?;
            self.lanes[at].select(db)?;
        }
        let lane = &mut self.lanes[at];
        lane.bytes += request.len();
        lane.parcels.push(Parcel { key, request });
        if lane.bytes >= PIPELINE_BYTES || lane.parcels.len() >= PIPELINE_REQUESTS {
            self.flush(at)?;
        }
        Ok(())
    }

    /// Sends what waits, everywhere.
    pub fn finish(&mut self) -> Result<(), Failure> {
        (0..self.lanes.len()).try_for_each(|at| self.flush(at))
    }

    fn lane(&mut self, address: &Address) -> Result<usize, Failure> {
        if let Some(at) = self.lanes.iter().position(|lane| lane.address == *address) {
            return Ok(at);
        }
        let connection = self.login.open(address)?;
        self.lanes.push(Lane { address: address.clone(), connection, db: 0, bytes: 0, parcels: Vec::new() });
        Ok(self.lanes.len() - 1)
    }

    fn flush(&mut self, at: usize) -> Result<(), Failure> {
        let lane = &mut self.lanes[at];
        let parcels = std::mem::take(&mut lane.parcels);
        lane.bytes = 0;
        let bytes: Vec<u8> = parcels.iter().flat_map(|parcel| parcel.request.iter().copied()).collect();
        lane.connection.write(&bytes).map_err(|error| lane.failed(&error))?;
        let mut strays = Vec::new();
        for parcel in parcels {
            let reply = lane.connection.reply().map_err(|error| lane.failed(&error))?;
            match reply {
                Value::Error(text) if text.starts_with(b"MOVED ") || text.starts_with(b"ASK ") => {
                    strays.push((parcel, text));
                }
                Value::Error(text) => return Err(refused(&lane.address, &parcel.key, &text)),
                _ => self.restored += 1,
            }
        }
        strays.into_iter().try_for_each(|(parcel, text)| self.follow(&parcel, text))
    }

    /// A slot has moved since the target was looked at: the key goes after it.
    fn follow(&mut self, parcel: &Parcel, mut text: Vec<u8>) -> Result<(), Failure> {
        for _ in 0..REDIRECTIONS_MAX {
            let said = String::from_utf8_lossy(&text).into_owned();
            let address = said.split(' ').nth(2).and_then(|place| place.rsplit_once(':'));
            let address = address.and_then(|(host, port)| Some(Address::tcp(host, port.parse().ok()?)));
            let Some(address) = address else { return Err(format!("not a redirection: {said}")) };
            let at = self.lane(&address)?;
            let lane = &mut self.lanes[at];
            if text.starts_with(b"ASK ") {
                lane.connection.text(&["ASKING"]).map_err(|error| lane.failed(&error))?;
            }
            lane.connection.write(&parcel.request).map_err(|error| lane.failed(&error))?;
            match lane.connection.reply().map_err(|error| lane.failed(&error))? {
                Value::Error(next) if next.starts_with(b"MOVED ") || next.starts_with(b"ASK ") => text = next,
                Value::Error(text) => return Err(refused(&lane.address, &parcel.key, &text)),
                _ => {
                    self.restored += 1;
                    return Ok(());
                }
            }
        }
        Err(format!("the slot of key '{}' does not come to rest", parcel.key.escape_ascii()))
    }
}

impl Lane {
    fn failed(&self, error: &std::io::Error) -> Failure {
        format!("{}: {}", self.address, reason(error))
    }

    fn select(&mut self, db: u32) -> Result<(), Failure> {
        let number = db.to_string();
        self.connection.text(&["SELECT", &number]).map_err(|error| {
            format!("{}: database {db} of the backup can not be restored here", self.failed(&error))
        })?;
        self.db = db;
        Ok(())
    }
}

fn refused(address: &Address, key: &[u8], text: &[u8]) -> Failure {
    let hint = if text.starts_with(b"BUSYKEY") { ": it is there already; --replace overwrites" } else { "" };
    format!("{address} refuses key '{}'{hint}: {}", key.escape_ascii(), String::from_utf8_lossy(text))
}

/// Which of `places` each slot belongs to; all must have an owner.
fn owners(places: &[Place]) -> Result<Vec<usize>, Failure> {
    (0..cli::cluster::slots::SLOTS)
        .map(|slot| {
            let owner = places.iter().position(|place| place.slots.contains(slot));
            owner.ok_or_else(|| format!("slot {slot} of the target has no owner: finish its cluster first"))
        })
        .collect()
}
