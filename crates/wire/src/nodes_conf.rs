//! nodes.conf: what a cluster node keeps of the cluster over a restart, in the format of Redis 7 and Valkey.
//!
//! ```text
//! <id> <ip>:<port>@<bus port>[,<host name>[,<key>=<value>...]] <flags> <primary|-> <ping ms> <pong ms> <epoch> <link> <slots...>
//! vars currentEpoch <n> lastVoteEpoch <n>
//! ```
//!
//! Slots are `n`, `n-m`, and on our own line `[n->-id]` (moving out) and `[n-<-id]` (moving in). The `key=value`
//! fields are those of Redis 7.2 and Valkey (`shard-id=`, `nodename=`, `tls-port=`, `tcp-port=`, `availability-zone=`);
//! the host name is empty where there is none. Redis 7.0 writes no such fields, and takes them for a part of the host
//! name until it has heard the true one from the node. CLUSTER NODES shows lines without them.

use crate::bus::{Flags, SlotSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Id;
use core::fmt::{self, Write};

/// Longest file that is read: a thousand nodes need far less than a tenth of it.
pub const BYTES_MAX: usize = 16 << 20;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesConf {
    /// The nodes, ourselves included.
    pub nodes: Vec<ConfNode>,
    /// Greatest epoch seen.
    pub current_epoch: u64,
    /// Epoch of the last vote given.
    pub last_vote_epoch: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfNode {
    /// The node's id.
    pub id: Id,
    /// Its address; may be empty.
    pub ip: String,
    /// Client port.
    pub port: u16,
    /// Bus port.
    pub bus_port: u16,
    /// Host name; may be empty.
    pub hostname: String,
    /// Shard id, where the file has one. A line without one is written in the form of Redis 7.0.
    pub shard: Option<Id>,
    /// Name for people; may be empty.
    pub human_name: String,
    /// Availability zone; may be empty.
    pub zone: String,
    /// The other client port: for TLS when `port` is for plain text, and the reverse; 0 when there is none.
    pub other_port: u16,
    /// `port` is for TLS.
    pub is_tls: bool,
    /// Flags; exactly one node has `MYSELF`.
    pub flags: Flags,
    /// Primary of a replica.
    pub primary: Option<Id>,
    /// Time of the pending ping, ms since 1970; 0 when there is none.
    pub ping_sent_ms: u64,
    /// Time of the last pong, ms since 1970.
    pub pong_received_ms: u64,
    /// Config epoch.
    pub config_epoch: u64,
    /// The link stands.
    pub is_connected: bool,
    /// Slots owned.
    pub slots: SlotSet,
    /// Slots moving out, and where to.
    pub migrating: Vec<(u16, Id)>,
    /// Slots moving in, and where from.
    pub importing: Vec<(u16, Id)>,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfError {
    /// Line number, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nodes.conf, line {}: {}: the file is damaged; restore it or remove it",
            self.line, self.what
        )
    }
}

/// Names of the flags, in the order in which they are written.
const FLAG_NAMES: [(Flags, &str); 8] = [
    (Flags::MYSELF, "myself"),
    (Flags::PRIMARY, "master"),
    (Flags::REPLICA, "slave"),
    (Flags::PFAIL, "fail?"),
    (Flags::FAIL, "fail"),
    (Flags::HANDSHAKE, "handshake"),
    (Flags::NO_ADDRESS, "noaddr"),
    (Flags::NO_FAILOVER, "nofailover"),
];

/// Writes flags as CLUSTER NODES shows them.
pub fn write_flags(flags: Flags, out: &mut String) {
    let before = out.len();
    for (flag, name) in FLAG_NAMES {
        // A failed node is not also suspected.
        if flags.has(flag) && !(flag == Flags::PFAIL && flags.has(Flags::FAIL)) {
            out.push_str(if out.len() > before { "," } else { "" });
            out.push_str(name);
        }
    }
    if out.len() == before {
        out.push_str("noflags");
    }
}

impl ConfNode {
    /// Writes the line, without its end, as nodes.conf has it.
    pub fn write(&self, out: &mut String) {
        let Some(shard) = &self.shard else { return self.show(out) };
        // In the order of Valkey 9.1.
        let mut fields = String::from(",");
        fields.push_str(&self.hostname);
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                fields.push_str(&format!(",{name}={value}"));
            }
        };
        put("availability-zone", &self.zone);
        put(if self.is_tls { "tcp-port" } else { "tls-port" }, &format!("{}", self.other_port));
        put("nodename", &self.human_name);
        put("shard-id", &format!("{shard}"));
        self.write_with(&fields, out);
    }

    /// Writes the line, without its end, as CLUSTER NODES has it.
    pub fn show(&self, out: &mut String) {
        let comma = if self.hostname.is_empty() { "" } else { "," };
        self.write_with(&format!("{comma}{}", self.hostname), out);
    }

    fn write_with(&self, fields: &str, out: &mut String) {
        let ConfNode { id, ip, port, bus_port, .. } = self;
        // Writing to a String does not fail.
        let _ = write!(out, "{id} {ip}:{port}@{bus_port}{fields} ");
        write_flags(self.flags, out);
        match &self.primary {
            Some(primary) => out.push_str(&format!(" {primary}")),
            None => out.push_str(" -"),
        }
        let link = if self.is_connected { "connected" } else { "disconnected" };
        let _ = write!(out, " {} {} {} {link}", self.ping_sent_ms, self.pong_received_ms, self.config_epoch);
        for (first, last) in self.slots.ranges() {
            let _ = if first == last { write!(out, " {first}") } else { write!(out, " {first}-{last}") };
        }
        for (slot, to) in &self.migrating {
            let _ = write!(out, " [{slot}->-{to}]");
        }
        for (slot, from) in &self.importing {
            let _ = write!(out, " [{slot}-<-{from}]");
        }
    }

    fn parse(words: &[&str]) -> Result<ConfNode, &'static str> {
        let &[id, address, flags, primary, ping, pong, epoch, link, ref slots @ ..] = words else {
            return Err("too few fields");
        };
        let mut node = ConfNode {
            id: Id::parse(id.as_bytes()).ok_or("no node id")?,
            ip: String::new(),
            port: 0,
            bus_port: 0,
            hostname: String::new(),
            shard: None,
            human_name: String::new(),
            zone: String::new(),
            other_port: 0,
            is_tls: false,
            flags: parse_flags(flags)?,
            primary: match primary {
                "-" => None,
                id => Some(Id::parse(id.as_bytes()).ok_or("no id of a primary")?),
            },
            ping_sent_ms: number(ping)?,
            pong_received_ms: number(pong)?,
            config_epoch: number(epoch)?,
            is_connected: link == "connected",
            slots: SlotSet::default(),
            migrating: Vec::new(),
            importing: Vec::new(),
        };
        node.take_address(address)?;
        slots.iter().try_for_each(|slot| node.take_slots(slot))?;
        Ok(node)
    }

    fn take_address(&mut self, text: &str) -> Result<(), &'static str> {
        let mut fields = text.split(',');
        let address = fields.next().unwrap_or("");
        let (ip, ports) = address.rsplit_once(':').ok_or("an address without a port")?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'=');
        if ip.len() >= crate::bus::IP_BYTES || !ip.bytes().all(is_plain) {
            return Err("no address");
        }
        self.ip = String::from(ip);
        // Files from before Redis 4 have no bus port.
        let (port, bus_port) = ports.split_once('@').unwrap_or((ports, ""));
        self.port = port.parse().map_err(|_| "no port")?;
        self.bus_port = match bus_port {
            "" => self.port.wrapping_add(10_000),
            port => port.parse().map_err(|_| "no bus port")?,
        };
        let is_name = |text: &str| text.len() <= 255 && text.bytes().all(is_plain);
        for field in fields {
            match field.split_once('=') {
                Some(("shard-id", id)) => self.shard = Some(Id::parse(id.as_bytes()).ok_or("no shard id")?),
                Some(("nodename", name)) if is_name(name) => self.human_name = String::from(name),
                Some(("availability-zone", name)) if is_name(name) => self.zone = String::from(name),
                Some((name @ ("tls-port" | "tcp-port"), port)) => {
                    self.other_port = port.parse().map_err(|_| "no port")?;
                    self.is_tls = name == "tcp-port";
                }
                // Fields of other products and versions; they are not kept.
                Some(_) => {}
                None if is_name(field) => {
                    self.hostname = String::from(field);
                }
                None => return Err("no host name"),
            }
        }
        Ok(())
    }

    fn take_slots(&mut self, text: &str) -> Result<(), &'static str> {
        if let Some(moving) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // Ids hold no '-', so that the first of these marks is the mark.
            if let Some((slot, to)) = moving.split_once("->-") {
                let to = Id::parse(to.as_bytes()).ok_or("no id of a moving slot")?;
                self.migrating.push((slot_number(slot)?, to));
            } else if let Some((slot, from)) = moving.split_once("-<-") {
                let from = Id::parse(from.as_bytes()).ok_or("no id of a moving slot")?;
                self.importing.push((slot_number(slot)?, from));
            } else {
                return Err("no moving slot");
            }
            return Ok(());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (slot_number(first)?, slot_number(last)?);
        (first..=last).for_each(|slot| self.slots.insert(slot));
        Ok(())
    }
}

impl NodesConf {
    /// Reads a file.
    ///
    /// # Errors
    /// When a line makes no sense, when it is not exactly one node's own, or when a slot has two owners.
    pub fn parse(bytes: &[u8]) -> Result<NodesConf, ConfError> {
        let whole = |what| ConfError { line: 0, what };
        if bytes.len() > BYTES_MAX {
            return Err(whole("longer than 16 MiB"));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| whole("not a text"))?;
        let mut conf = NodesConf::default();
        let mut has_vars = false;
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let at = |what| ConfError { line: index + 1, what };
            match words.as_slice() {
                [] => {}
                ["vars", vars @ ..] => {
                    has_vars = true;
                    conf.take_vars(vars).map_err(at)?;
                }
                words => conf.nodes.push(ConfNode::parse(words).map_err(at)?),
            }
        }
        if !has_vars {
            return Err(whole("the vars line is missing, so the file was cut off"));
        }
        conf.check().map_err(whole)?;
        Ok(conf)
    }

    fn take_vars(&mut self, vars: &[&str]) -> Result<(), &'static str> {
        let pairs = vars.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err("vars come in pairs");
        }
        for pair in pairs {
            match pair[0] {
                "currentEpoch" => self.current_epoch = number(pair[1])?,
                "lastVoteEpoch" => self.last_vote_epoch = number(pair[1])?,
                // The original skips names that it does not know, for later versions.
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.nodes.iter().filter(|node| node.flags.has(Flags::MYSELF)).count() != 1 {
            return Err("not exactly one line is \"myself\"");
        }
        let mut ids: Vec<Id> = self.nodes.iter().map(|node| node.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two lines of one node");
        }
        let mut taken = [0_u8; SlotSet::BYTES];
        for node in &self.nodes {
            for (sum, byte) in taken.iter_mut().zip(node.slots.as_bytes()) {
                if *sum & byte != 0 {
                    return Err("a slot with two owners");
                }
                *sum |= byte;
            }
        }
        Ok(())
    }

    /// The file's text.
    pub fn format(&self) -> Vec<u8> {
        let mut out = String::new();
        for node in &self.nodes {
            node.write(&mut out);
            out.push('\n');
        }
        // Writing to a String does not fail.
        let _ =
            writeln!(out, "vars currentEpoch {} lastVoteEpoch {}", self.current_epoch, self.last_vote_epoch);
        out.into_bytes()
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "no number")
}

fn slot_number(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|&slot| slot < SlotSet::SLOTS).ok_or("no slot")
}

fn parse_flags(text: &str) -> Result<Flags, &'static str> {
    let mut flags = Flags::default();
    for name in text.split(',').filter(|&name| name != "noflags") {
        let known = FLAG_NAMES.iter().find(|(_, known)| *known == name);
        flags.set(known.ok_or("an unknown flag")?.0);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Redis 7.0.15.
    const FILE: &str = "\
2beff3d82b3c797769fe48ff98a5bc321120a188 127.0.0.1:27411@42411,host0.example myself,slave 4ec6aa87b8839a1ebbd2aeecef70106252c5174e 0 1795226131000 3 connected
4ec6aa87b8839a1ebbd2aeecef70106252c5174e 127.0.0.1:27413@37413 master - 0 1795226131113 3 connected 0-8000
c3e755834295f979ebf529182d02931bdce7fce6 127.0.0.1:27412@42412 master - 0 1795226131314 0 connected 8001-16383
vars currentEpoch 3 lastVoteEpoch 3
";

    #[test]
    fn a_file_of_redis_reads_and_writes_alike() {
        let conf = NodesConf::parse(FILE.as_bytes()).unwrap();
        assert_eq!(conf.nodes[0].hostname, "host0.example");
        assert_eq!(conf.nodes[1].slots.count(), 8_001);
        assert_eq!(core::str::from_utf8(&conf.format()).unwrap(), FILE);
    }

    #[test]
    fn fields_of_later_versions_are_read() {
        let file = FILE.replace(
            "@37413 master",
            "@37413,,tls-port=0,shard-id=69bc080733d1355567173199cff4a6a039a2f024 master",
        );
        let conf = NodesConf::parse(file.as_bytes()).unwrap();
        assert!(conf.nodes[1].shard.is_some());
        assert_eq!(conf.nodes[1].hostname, "");
        assert_eq!(core::str::from_utf8(&conf.format()).unwrap(), file);
    }

    #[test]
    fn a_line_of_valkey_reads_back() {
        let fields = ",h.example,availability-zone=az-1,tls-port=7,nodename=bob,shard-id=81f056ab968a8020b5aec4b14e1aace2d8db8fca";
        let file = FILE.replace("@37413 master", &format!("@37413{fields} master"));
        let conf = NodesConf::parse(file.as_bytes()).unwrap();
        let node = &conf.nodes[1];
        assert_eq!((node.zone.as_str(), node.human_name.as_str(), node.other_port), ("az-1", "bob", 7));
        assert_eq!(core::str::from_utf8(&conf.format()).unwrap(), file);
        let mut shown = String::new();
        node.show(&mut shown);
        assert!(shown.contains("@37413,h.example master"), "{shown}");
    }

    #[test]
    fn moving_slots_read_back() {
        let id = "c3e755834295f979ebf529182d02931bdce7fce6";
        let file = FILE.replace("3 connected\n4ec", &format!("3 connected 9 [5->-{id}] [77-<-{id}]\n4ec"));
        let file = file.replace(" 0-8000", " 10-8000");
        let conf = NodesConf::parse(file.as_bytes()).unwrap();
        assert_eq!(conf.nodes[0].migrating[0].0, 5);
        assert_eq!(conf.nodes[0].importing[0].0, 77);
        assert_eq!(core::str::from_utf8(&conf.format()).unwrap(), file);
    }

    #[test]
    fn a_cut_or_damaged_file_is_an_error() {
        for len in 0..FILE.len() - 38 {
            assert!(NodesConf::parse(&FILE.as_bytes()[..len]).is_err(), "cut at {len}");
        }
        let bad = ["", "garbage\n", "vars currentEpoch\n", "vars currentEpoch 1 lastVoteEpoch 1\n"];
        assert!(bad.iter().all(|file| NodesConf::parse(file.as_bytes()).is_err()));
        for (from, to) in [("0-8000", "0-9000"), ("0-8000", "0-16384"), ("myself,", ""), ("4ec6", "zzzz")] {
            assert!(NodesConf::parse(FILE.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
