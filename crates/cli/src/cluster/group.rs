//! Group: the nodes of one cluster with their connections, and the requests that every job makes.
//!
//! A node is named by its position in the list; the first one is that of the command line. Errors of nodes are printed where
//! they happen: [`Failed`] says that this is done.

use super::node::{Fault, Login, Node};
use super::screen::{Dialect, Screen};
use super::settings::Settings;
use super::view;
use super::words::address;
use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;
use wire::value::Value;

/// The job cannot go on; the reason is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// A job's result.
pub type Done<T = ()> = Result<T, Failed>;

/// The first complaint about nodes that do not meet comes after so many seconds, and one more for every 7 nodes.
const JOIN_PATIENCE: usize = 20;
/// So many requests go out before their answers are read.
pub const BATCH: usize = 512;

/// The nodes of a cluster.
#[derive(Debug)]
pub struct Group {
    /// All nodes that could be asked; the first one is that of the command line.
    pub nodes: Vec<Node>,
    /// What the operator sees.
    pub screen: Screen,
    /// The options.
    pub settings: Settings,
    /// How to log in.
    pub login: Login,
    /// `--verbose`
    pub is_verbose: bool,
    /// The job is `fix`.
    pub is_fix: bool,
    /// Between the items of an array in what `call` prints.
    pub delimiter: Vec<u8>,
    /// Errors that the last check found.
    pub errors: usize,
    /// Primaries that could not be reached.
    pub unreachable_primaries: usize,
}

impl Group {
    /// No nodes yet.
    pub fn new(dialect: Dialect, settings: Settings, login: Login) -> Group {
        Group {
            nodes: Vec::new(),
            screen: Screen::new(dialect),
            settings,
            login,
            is_verbose: false,
            is_fix: false,
            delimiter: b"\n".to_vec(),
            errors: 0,
            unreachable_primaries: 0,
        }
    }

    /// Is the output that of redis-trib?
    pub fn is_trib(&self) -> bool {
        self.screen.dialect() == Dialect::Trib
    }

    /// Positions of the nodes that follow no other.
    pub fn primaries(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&at| !self.nodes[at].line.is_replica()).collect()
    }

    /// The node with this id (case does not matter).
    pub fn by_id(&self, id: &str) -> Option<usize> {
        let id = id.to_ascii_lowercase();
        self.nodes.iter().position(|node| node.line.id == id)
    }

    /// `host:port` of a node.
    pub fn address(&self, at: usize) -> String {
        self.nodes[at].address()
    }

    /// Prints a node's error.
    pub fn report(&self, at: usize, fault: &Fault) {
        match fault {
            Fault::Refused(text) => {
                self.screen.bad(format!("Node {} replied with error:\n{text}", self.address(at)));
            }
            Fault::Lost | Fault::Odd => self.screen.error(format!("{}: {}", self.address(at), fault.text())),
        }
    }

    /// Asks; an error is printed.
    pub fn ask<W: AsRef<[u8]>>(&mut self, at: usize, words: &[W]) -> Done<Value> {
        self.nodes[at].ask(words).map_err(|fault| self.failed(at, &fault))
    }

    /// Asks for a number; an error is printed.
    pub fn ask_integer<W: AsRef<[u8]>>(&mut self, at: usize, words: &[W]) -> Done<i64> {
        self.nodes[at].ask_integer(words).map_err(|fault| self.failed(at, &fault))
    }

    /// Prints the error; for `map_err`.
    pub fn failed(&self, at: usize, fault: &Fault) -> Failed {
        self.report(at, fault);
        Failed
    }

    /// CLUSTER SETSLOT with its last words: `IMPORTING id`, `STABLE`, ...
    pub fn set_slot(&mut self, at: usize, slot: u16, state: &[&str]) -> Result<(), Fault> {
        let slot = slot.to_string();
        let words: Vec<&str> =
            ["CLUSTER", "SETSLOT", &slot].into_iter().chain(state.iter().copied()).collect();
        self.nodes[at].ask(&words).map(|_| ())
    }

    /// CLUSTER SETSLOT; an error is printed.
    pub fn set_slot_or_report(&mut self, at: usize, slot: u16, state: &[&str]) -> Done {
        self.set_slot(at, slot, state).map_err(|fault| self.failed(at, &fault))
    }

    /// The keys that `at` has in `slot`, in all databases; an error is printed.
    pub fn keys_in_slot(&mut self, at: usize, slot: u16) -> Done<i64> {
        Ok(self.keys_in_slots(at, &[slot])?.iter().sum())
    }

    /// The keys that `at` has in each of `slots`, in all databases; an error is printed.
    pub fn keys_in_slots(&mut self, at: usize, slots: &[u16]) -> Done<Vec<i64>> {
        let mut counts = vec![0; slots.len()];
        for db in self.databases(at)? {
            for (part, counts) in slots.chunks(BATCH).zip(counts.chunks_mut(BATCH)) {
                let request = |slot: &u16| vec!["CLUSTER".into(), "COUNTKEYSINSLOT".into(), slot.to_string()];
                let requests: Vec<Vec<String>> = part.iter().map(request).collect();
                let answers = self.nodes[at].ask_all_in(db, &requests);
                let answers = answers.map_err(|fault| self.failed(at, &fault))?;
                for (count, answer) in counts.iter_mut().zip(answers) {
                    *count += answer.integer().unwrap_or(0);
                }
            }
        }
        Ok(counts)
    }

    /// The databases of `at` that may have keys; an error is printed.
    pub fn databases(&mut self, at: usize) -> Done<Vec<u32>> {
        self.nodes[at].databases().map_err(|fault| self.failed(at, &fault))
    }

    /// A new node, connected; what goes wrong is printed as the originals do.
    pub fn open(&self, host: &str, port: u16) -> Done<Node> {
        let mut node = Node::new(host, port);
        match node.connect(&self.login) {
            Ok(()) => return Ok(node),
            Err(_) if self.is_trib() => {
                self.screen.bad(format!("[ERR] Sorry, can't connect to node {}", node.address()));
            }
            Err(Ok(reason)) => {
                self.screen.error(format!("Could not connect to Redis at {}: {reason}", node.address()));
            }
            Err(Err(refusal)) => {
                self.screen.bad(format!("Node {} replied with error:\n{refusal}", node.address()));
            }
        }
        Err(Failed)
    }

    /// A new node in cluster mode with its own line read, and the other lines of its view.
    pub fn open_member(&self, host: &str, port: u16) -> Done<(Node, Vec<view::Line>)> {
        let mut node = self.open(host, port)?;
        let odd = |node: &Node, fault: &Fault| {
            self.screen.bad(format!("Node {} replied with error:\n{}", node.address(), fault.text()));
            Failed
        };
        let not_in_mode = match node.is_in_cluster_mode() {
            Ok(true) => None,
            Ok(false) => Some("is not configured as a cluster node.".to_string()),
            Err(fault) => Some(fault.text().to_string()),
        };
        if let Some(text) = not_in_mode {
            self.screen.bad(format!("[ERR] Node {} {text}", node.address()));
            return Err(Failed);
        }
        let others = node.load().map_err(|fault| odd(&node, &fault))?;
        Ok((node, others))
    }

    /// A new node in cluster mode that has no keys and knows nobody.
    pub fn open_blank(&self, host: &str, port: u16) -> Done<Node> {
        let (mut node, _) = self.open_member(host, port)?;
        let text = match node.is_blank() {
            Ok(true) => return Ok(node),
            Ok(false) => {
                "is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or \
                          contains some key in database 0."
                    .to_string()
            }
            Err(fault) => fault.text().to_string(),
        };
        self.screen.bad(format!("[ERR] Node {} {text}", node.address()));
        Err(Failed)
    }

    /// Reads the whole cluster from one node: every node that it knows is asked for itself.
    pub fn load(&mut self, host: &str, port: u16) -> Done {
        let (first, friends) = self.open_member(host, port)?;
        self.nodes = vec![first];
        self.unreachable_primaries = 0;
        for friend in friends {
            match self.open_friend(&friend) {
                Ok(node) => self.nodes.push(node),
                Err(Failed) if !friend.is_replica() => self.unreachable_primaries += 1,
                Err(Failed) => {}
            }
        }
        self.count_replicas();
        Ok(())
    }

    fn open_friend(&self, friend: &view::Line) -> Done<Node> {
        let is_asked = if self.is_trib() { !friend.is_away() } else { true };
        if friend.host.is_empty() || friend.port == 0 || !is_asked {
            return Err(Failed);
        }
        let mut node = self.open(&friend.host, friend.port)?;
        if node.load().is_err() {
            self.screen.bad(format!("[ERR] Unable to load info for node {}", node.address()));
            return Err(Failed);
        }
        if friend.is_away() || node.line.is_away() { Err(Failed) } else { Ok(node) }
    }

    /// Counts each primary's replicas.
    pub fn count_replicas(&mut self) {
        for at in 0..self.nodes.len() {
            let Some(primary) = self.nodes[at].line.primary.clone() else { continue };
            match self.nodes.iter().position(|node| node.line.id == primary) {
                Some(primary) => self.nodes[primary].replicas += 1,
                None => {
                    let address = self.address(at);
                    let text = format!("{address} claims to be slave of unknown node ID {primary}.");
                    self.screen.warn(format!("*** WARNING: {text}"));
                }
            }
        }
    }

    /// The first primary with the fewest replicas.
    pub fn least_followed(&self) -> Option<usize> {
        self.primaries().into_iter().min_by_key(|&at| self.nodes[at].replicas)
    }

    /// Shows every node.
    pub fn show_nodes(&self) {
        let dialect = self.screen.dialect();
        self.nodes.iter().for_each(|node| self.screen.line(node.info(dialect, 0)));
    }

    /// Do all nodes agree about who has which slots? A view without any slot agrees with nothing.
    pub fn is_agreed(&mut self) -> bool {
        if self.nodes.len() <= 1 {
            return true;
        }
        let mut views = self.nodes.iter_mut().map(|node| view::signature(&node.view().ok()?));
        let Some(Some(first)) = views.next() else { return false };
        views.all(|view| view.as_ref() == Some(&first))
    }

    /// Waits until all nodes agree; tells now and then who does not reach whom.
    pub fn wait_until_agreed(&mut self) {
        let patience = JOIN_PATIENCE + (self.nodes.len() as f32 * 0.15) as usize;
        let mut seconds = 0;
        while !self.is_agreed() {
            self.screen.put(".");
            std::thread::sleep(Duration::from_secs(1));
            seconds += 1;
            if seconds > patience {
                self.show_missing_links();
                seconds = 0;
            }
        }
        self.screen.put("\n");
    }

    fn show_missing_links(&mut self) {
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in &mut self.nodes {
            let own = node.address();
            let lines = node.view().unwrap_or_default();
            let is_missing = |line: &&view::Line| {
                !line.has("myself") && (!line.connected || line.has("disconnected") || line.has("handshake"))
            };
            for line in lines.iter().filter(is_missing) {
                missing.entry(line.address.clone()).or_default().push(own.clone());
            }
        }
        if missing.is_empty() {
            return;
        }
        self.screen.put("\n");
        self.screen.bad(format!("Warning: {} node(s) may be unreachable", missing.len()));
        for (node, from) in missing {
            match address(&node) {
                Some((host, _, bus)) if bus > 0 => {
                    let text = format!(" - The port {bus} of node {host} may be unreachable from:");
                    self.screen.bad(text);
                }
                _ => self.screen.bad(format!(" - Node {node} may be unreachable from:")),
            }
            from.iter().for_each(|from| self.screen.bad(format!("   {from}")));
            self.screen.bad(
                "Cluster bus ports must be reachable by every node.\n\
                 Remember that cluster bus ports are different from standard instance ports.",
            );
        }
    }

    /// Makes `at` a replica of the node with this id. That all agree about slots says nothing of a node without any: until `at`
    /// has heard of it, it is asked again.
    pub fn follow(&mut self, at: usize, primary: &str) -> Done {
        let mut tries = JOIN_PATIENCE * 10;
        loop {
            match self.nodes[at].ask(&["CLUSTER", "REPLICATE", primary]) {
                Ok(_) => return Ok(()),
                Err(Fault::Refused(text)) if tries > 0 && text.starts_with("ERR Unknown node") => tries -= 1,
                Err(fault) => return Err(self.failed(at, &fault)),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends CLUSTER MEET to `at`, so that it meets the first node.
    pub fn meet_first(&mut self, at: usize) -> Done {
        let first = &self.nodes[0].line;
        let (host, port, bus) = (first.host.clone(), first.port, first.bus_port);
        let Some(ip) = resolve(&host) else {
            self.screen.error(format!("Invalid IP address or hostname specified: {host}"));
            return Err(Failed);
        };
        let (ip, port, bus_text) = (ip.to_string(), port.to_string(), bus.to_string());
        let mut words = vec!["CLUSTER", "MEET", &ip, &port];
        if bus != 0 && u32::from(bus) != u32::from(first.port) + 10_000 {
            words.push(&bus_text);
        }
        self.ask(at, &words).map(|_| ())
    }
}

/// The address of a name: CLUSTER MEET takes no names. IPv4 first, as the originals.
fn resolve(host: &str) -> Option<IpAddr> {
    let mut all: Vec<IpAddr> = (host, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all.first().copied()
}
