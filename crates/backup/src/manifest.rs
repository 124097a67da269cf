//! Manifest: what a backup consists of. `manifest.json`, written last.

use crate::Failure;
use cli::cluster::slots::SlotSet;
use serde_json::{Value, json};

/// The name of the file.
pub const NAME: &str = "manifest.json";
/// The version of this format. A reader refuses newer ones.
const FORMAT: u64 = 1;
/// What the file says it is.
const KIND: &str = "redan backup";

/// A whole backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// When the first snapshot began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Between the beginning of the first snapshot and that of the last.
    pub window_ms: u64,
    /// Slots count: each node's file holds those keys that its slots say.
    pub is_cluster: bool,
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// One node's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its id in the cluster, or its run id.
    pub id: String,
    /// Where it was.
    pub address: String,
    /// Its slots: `0-5460 7000`; empty without a cluster.
    pub slots: String,
    /// The epoch of its slots.
    pub epoch: u64,
    /// The history that the offset counts in.
    pub replid: String,
    /// The data is that of this offset.
    pub offset: u64,
    /// The name of its file.
    pub file: String,
    /// The size of the file.
    pub bytes: u64,
    /// The file's SHA-256, in hex.
    pub sha256: String,
    /// The file's CRC-64 as Redis counts it, in hex.
    pub crc64: String,
}

impl Manifest {
    /// As JSON.
    pub fn text(&self) -> String {
        let nodes: Vec<Value> = self.nodes.iter().map(Node::json).collect();
        let all = json!({
            "kind": KIND,
            "format": FORMAT,
            "program": concat!("redan ", env!("CARGO_PKG_VERSION")),
            "begun_ms": self.begun_ms,
            "window_ms": self.window_ms,
            "cluster": self.is_cluster,
            "nodes": nodes,
        });
        format!("{all:#}\n")
    }

    /// From JSON.
    pub fn parse(text: &[u8]) -> Result<Manifest, Failure> {
        let all: Value =
            serde_json::from_slice(text).map_err(|error| format!("{NAME} is damaged: {error}"))?;
        if all["kind"] != KIND {
            return Err(format!("{NAME} is not that of a backup"));
        }
        match all["format"].as_u64() {
            Some(FORMAT) => {}
            Some(newer) => {
                return Err(format!(
                    "{NAME} has format {newer}, this program reads {FORMAT}: use a newer one"
                ));
            }
            None => return Err(format!("{NAME} is damaged: it has no format")),
        }
        let damaged = |what: &str| format!("{NAME} is damaged: '{what}' is missing or wrong");
        let number = |what: &str| all[what].as_u64().ok_or_else(|| damaged(what));
        let nodes =
            all["nodes"].as_array().filter(|nodes| !nodes.is_empty()).ok_or_else(|| damaged("nodes"))?;
        Ok(Manifest {
            begun_ms: number("begun_ms")?,
            window_ms: number("window_ms")?,
            is_cluster: all["cluster"].as_bool().ok_or_else(|| damaged("cluster"))?,
            nodes: nodes.iter().map(|node| Node::parse(node).map_err(damaged)).collect::<Result<_, _>>()?,
        })
    }
}

impl Node {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "address": self.address, "slots": self.slots, "epoch": self.epoch,
            "replid": self.replid, "offset": self.offset,
            "file": self.file, "bytes": self.bytes, "sha256": self.sha256, "crc64": self.crc64,
        })
    }

    fn parse(node: &Value) -> Result<Node, &'static str> {
        let text = |what: &'static str| node[what].as_str().map(str::to_string).ok_or(what);
        let number = |what: &'static str| node[what].as_u64().ok_or(what);
        let file = text("file")?;
        // A name from outside must not lead out of the backup.
        if file.is_empty() || file.contains(['/', '\\']) || file.starts_with('.') {
            return Err("file");
        }
        let slots = text("slots")?;
        slots_of(&slots).ok_or("slots")?;
        Ok(Node {
            id: text("id")?,
            address: text("address")?,
            slots,
            epoch: number("epoch")?,
            replid: text("replid")?,
            offset: number("offset")?,
            file,
            bytes: number("bytes")?,
            sha256: text("sha256")?,
            crc64: text("crc64")?,
        })
    }

    /// Its slots as a set.
    pub fn slot_set(&self) -> SlotSet {
        slots_of(&self.slots).unwrap_or_default()
    }
}

/// `0-5460 7000` as a set.
fn slots_of(text: &str) -> Option<SlotSet> {
    let mut set = SlotSet::default();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= 16384 {
            return None;
        }
        (first..=last).for_each(|slot| set.insert(slot));
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let node = Node {
            id: "ab".into(),
            address: "127.0.0.1:7001".into(),
            slots: "0-10 12".into(),
            epoch: 3,
            replid: "cd".into(),
            offset: 17,
            file: "node-ab.rdb".into(),
            bytes: 100,
            sha256: "00".into(),
            crc64: "11".into(),
        };
        Manifest { begun_ms: 1, window_ms: 2, is_cluster: true, nodes: vec![node] }
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = sample();
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest.clone()));
        assert!(manifest.nodes[0].slot_set().contains(12));
        assert!(!manifest.nodes[0].slot_set().contains(11));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let text = sample().text();
        let read = |text: String| Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(read(text.replace("node-ab.rdb", "../x")).contains("'file'"));
        assert!(read(text.replace("\"format\": 1", "\"format\": 9")).contains("newer"));
        assert!(read(text.replace("0-10", "0-99999")).contains("'slots'"));
        assert!(read(text[..40].to_string()).contains("damaged"));
        assert!(read("{}".into()).contains("not that of a backup"));
    }
}
