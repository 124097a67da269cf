//! The primaries of a cluster, each with a text whose slot it serves.

use crate::link;
use crate::options::Options;
use cli::connection::Address;
use cli::{complain, say};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::value::Value;

/// 7919: after a change a node's keys go to another of its slots, so far away that it is not the next one on the move.
const STRIDE: u64 = 7_919;

/// What a server's configuration says about its durability.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `save`
    pub save: String,
    /// `appendonly`
    pub appendonly: String,
}

/// One primary.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Where it listens.
    pub address: Address,
    /// Its configuration, if it told.
    pub facts: Option<Facts>,
}

/// All primaries; the texts change when slots move.
pub struct Nodes {
    /// In the order in which the server named them.
    pub list: Vec<Node>,
    tags: Mutex<Vec<Vec<u8>>>,
    /// Raised with each change of the texts.
    pub version: AtomicU64,
}

impl Nodes {
    /// Asks the server for its cluster, and says what is found.
    pub fn fetch(options: &Options) -> Result<Nodes, u8> {
        let Some(mut connection) = link::ask(options, &options.address)? else { return Err(1) };
        let failed = || complain!("Failed to fetch cluster configuration from {}", options.address);
        let text = match connection.command(&["CLUSTER", "NODES"]) {
            Ok(Value::Error(text)) => {
                let text = String::from_utf8_lossy(&text);
                complain!("Cluster node {} replied with error:\n{text}", options.address);
                failed();
                return Err(1);
            }
            Ok(value) => String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned(),
            Err(_) => {
                failed();
                return Err(1);
            }
        };
        let mut nodes = Nodes { list: Vec::new(), tags: Mutex::default(), version: AtomicU64::new(0) };
        let mut tags = Vec::new();
        for (mut node, slot) in text.lines().filter_map(|line| primary(line, &options.address)) {
            let Some(slot) = slot else {
                complain!("WARNING: Master node {} has no slots, skipping...", node.address);
                continue;
            };
            node.facts = None;
            tags.push(base::crc16::text_of(slot).into_bytes());
            nodes.list.push(node);
        }
        match nodes.list.len() {
            0 => {
                failed();
                return Err(1);
            }
            1 => {
                complain!("Invalid cluster: 1 node(s).");
                return Err(1);
            }
            _ => {}
        }
        nodes.tags = Mutex::new(tags);
        Ok(nodes)
    }

    /// Says which there are and asks each for its configuration, as the original does.
    pub fn introduce(&mut self, options: &Options) -> Result<(), u8> {
        say!("Cluster has {} master nodes:\n\n", self.list.len());
        for (index, node) in self.list.iter_mut().enumerate() {
            say!("Master {index}: {} {}\n", node.id, node.address);
            node.facts = facts(options, &node.address)?;
            if node.facts.is_none() {
                complain!("WARNING: Could not fetch node CONFIG {}", node.address);
            }
        }
        say!("\n");
        Ok(())
    }

    /// The text for a node's keys.
    pub fn tag(&self, index: usize) -> Vec<u8> {
        let tags = self.tags.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tags[index].clone()
    }

    /// An error that only says that slots are elsewhere, or on their way.
    pub fn is_elsewhere(error: &[u8]) -> bool {
        [b"MOVED ".as_slice(), b"ASK ", b"TRYAGAIN "].iter().any(|word| error.starts_with(word))
    }

    /// Asks where the slots are now, unless somebody did since `seen`.
    pub fn refresh(&self, options: &Options, seen: u64) -> Result<(), u8> {
        let mut tags = self.tags.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.version.load(Ordering::Acquire) != seen {
            return Ok(());
        }
        complain!("WARNING: Cluster slots configuration changed, fetching new one...");
        let problem = |text: &str| {
            complain!("Failed to update cluster slots configuration{text}");
            1
        };
        let Some(mut connection) = link::ask(options, &self.list[0].address)? else { return Err(1) };
        let ranges = match connection.command(&["CLUSTER", "SLOTS"]) {
            Ok(Value::Array(ranges)) => ranges,
            Ok(Value::Error(text)) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                return Err(problem(&format!("\nCLUSTER SLOTS ERROR: {text}")));
            }
            _ => return Err(problem("")),
        };
        let mut slots: Vec<Vec<u16>> = vec![Vec::new(); self.list.len()];
        for range in &ranges {
            let Some((first, last, id)) = range_of(range) else { return Err(problem("")) };
            match self.list.iter().position(|node| node.id == id) {
                Some(index) => slots[index].extend(first..=last),
                None => {
                    return Err(problem(&format!(
                        ": could not find node with ID {id} in current configuration."
                    )));
                }
            }
        }
        let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
        for (tag, slots) in tags.iter_mut().zip(&slots).filter(|(_, slots)| !slots.is_empty()) {
            let slot = slots[(version.wrapping_mul(STRIDE) % slots.len() as u64) as usize];
            *tag = base::crc16::text_of(slot).into_bytes();
        }
        Ok(())
    }
}

/// First and last slot and the primary's id of one row of CLUSTER SLOTS.
fn range_of(range: &Value) -> Option<(u16, u16, String)> {
    let Value::Array(row) = range else { return None };
    let (Value::Integer(first), Value::Integer(last)) = (row.first()?, row.get(1)?) else { return None };
    let Value::Array(node) = row.get(2)? else { return None };
    let id = String::from_utf8_lossy(node.get(2)?.text()?).into_owned();
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|slot| *slot < 16384);
    Some((slot(first)?, slot(last)?, id))
}

/// One line of CLUSTER NODES, if it is a primary's, and its first slot. A node without an address has `asked`.
fn primary(line: &str, asked: &Address) -> Option<(Node, Option<u16>)> {
    let words: Vec<&str> = line.split(' ').collect();
    let (id, address, flags, master) = (words.first()?, words.get(1)?, words.get(2)?, words.get(3)?);
    if flags.contains("slave") || !master.starts_with('-') {
        return None;
    }
    let place = address.split([',', '@']).next().unwrap_or_default();
    let (host, port) = place.rsplit_once(':')?;
    let address = match host {
        "" => asked.clone(),
        host => Address::tcp(host, port.parse().ok()?),
    };
    let slots = words.get(8..).unwrap_or_default().iter().filter(|word| !word.starts_with('['));
    let slot = slots.filter_map(|word| word.split('-').next()?.parse().ok()).next();
    Some((Node { id: (*id).to_string(), address, facts: None }, slot.filter(|slot| *slot < 16384)))
}

/// CONFIG GET of what the report shows; none where the server does not tell.
pub fn facts(options: &Options, address: &Address) -> Result<Option<Facts>, u8> {
    let Some(mut connection) = link::ask(options, address)? else { return Ok(None) };
    let mut get = |name: &str| match connection.command(&["CONFIG", "GET", name]) {
        Ok(Value::Array(pair)) => {
            Ok(pair.get(1).and_then(Value::text).map(|text| String::from_utf8_lossy(text).into_owned()))
        }
        Ok(Value::Error(text)) if text.starts_with(b"NOAUTH") => {
            complain!("Node {address} replied with error:\n{}", String::from_utf8_lossy(&text));
            Err(1)
        }
        _ => Ok(None),
    };
    let Some(save) = get("save")? else { return Ok(None) };
    Ok(get("appendonly")?.map(|appendonly| Facts { save, appendonly }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_with_their_first_slot_are_found() {
        let asked = Address::tcp("localhost", 1);
        let line = "abc 127.0.0.1:7001@17001,host myself,master - 0 0 1 connected 5 7-10 [3->-x]";
        let (node, slot) = primary(line, &asked).unwrap();
        assert_eq!((node.address, slot), (Address::tcp("127.0.0.1", 7001), Some(5)));
        let (node, slot) = primary("abc :0@0 myself,master - 0 0 0 connected", &asked).unwrap();
        assert_eq!((node.address, slot), (asked.clone(), None));
        assert!(primary("abc 1.2.3.4:5@6 slave def 0 0 1 connected", &asked).is_none());
        assert!(primary("", &asked).is_none());
    }
}
