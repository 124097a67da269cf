//! What the bus machine hears, what it asks for, and the values that both carry.

use alloc::string::String;
use alloc::vec::Vec;
use base::{Id, Span, Time};
use machine::{Address, Chunk, ConnId, Level, Peer, WriteId};

/// What can happen to the bus machine.
#[derive(Debug)]
pub enum Event<'a> {
    /// The time of [`crate::Cluster::wake_at`] has come. An early tick does no harm.
    Tick,
    /// Another node opened a connection to our bus port.
    Accepted {
        /// Its number.
        conn: ConnId,
        /// The two ends.
        peer: &'a Peer,
    },
    /// A connection asked for by [`Act::Connect`] stands, or could not be made (then there is no `Closed`).
    Connected {
        /// The number given to `Act::Connect`.
        conn: ConnId,
        /// The two ends, or why not.
        result: Result<&'a Peer, &'a str>,
    },
    /// One whole frame came in.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// The frame, from its signature on.
        bytes: &'a [u8],
    },
    /// A bus connection is gone, whoever ended it.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// What a bus connection could not send yet.
    Unsent {
        /// Which.
        conn: ConnId,
        /// How much.
        bytes: u64,
    },
    /// A write asked for by [`Act::SaveConf`] ended.
    Written {
        /// Which.
        write: WriteId,
        /// Durable or not.
        is_done: bool,
    },
    /// Pass a message on to the subscribers of the other nodes.
    Publish {
        /// The channel.
        channel: &'a [u8],
        /// The message.
        message: &'a [u8],
        /// True for SPUBLISH: it goes to the nodes of our shard alone.
        is_sharded: bool,
    },
    /// Of the slots of an [`Act::KeepKeys`], those that have keys.
    KeysKept {
        /// The slots, in rising order.
        slots: &'a [u16],
    },
    /// The node shuts down in order: nodes.conf is saved once more.
    Stopping,
}

/// What the bus machine asks for. In order; acts of one call belong to one turn.
#[derive(Debug)]
pub enum Act {
    /// Open a bus connection (`Mode::Bus`); answered by `Event::Connected`.
    Connect {
        /// Its number, taken from the lent `Dialer`. The node gives it back once, when the world has reported its end:
        /// after `Closed`, or after a failed `Connected`; also when the end was our own `Act::Close`.
        conn: ConnId,
        /// Where to.
        to: Address,
    },
    /// Send a frame.
    Send {
        /// To whom.
        conn: ConnId,
        /// The frame.
        bytes: Chunk,
        /// Not before this write of nodes.conf is durable.
        after: Option<WriteId>,
    },
    /// Close a bus connection at once. `Event::Closed` is not awaited and may still come.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Replace nodes.conf whole; answered by `Event::Written`.
    SaveConf {
        /// Its number: the top bit is set (see [`crate::Cluster::owns_write`]), so no other part of the node uses it.
        write: WriteId,
        /// The new content.
        bytes: Vec<u8>,
    },
    /// Who serves what has changed, or whether this node serves: take a new route table before the next request.
    RoutesChanged,
    /// This node is a replica: replicate from there. Repeated when the address or the primary changes.
    Follow {
        /// The primary's id.
        primary: Id,
        /// Its IP address.
        ip: String,
        /// Its client port (the TLS port when the cluster runs over TLS).
        port: u16,
    },
    /// This node is a primary from now on: stop following, accept writes; the data stays.
    Promote,
    /// These slots may have keys here although they are another's now: answered by `Event::KeysKept`.
    KeepKeys(Vec<u16>),
    /// Hold all writes of clients until then (a manual failover in progress). A later one replaces it.
    PauseClients {
        /// The end, unless `ResumeClients` comes first.
        until: Time,
    },
    /// The hold is over.
    ResumeClients,
    /// Hand a message from another node to our subscribers.
    Deliver {
        /// The channel.
        channel: Vec<u8>,
        /// The message.
        message: Vec<u8>,
        /// True for a shard channel.
        is_sharded: bool,
    },
    /// Drop all data (CLUSTER RESET on a replica).
    FlushData,
    /// A line for the log.
    Log {
        /// How loud.
        level: Level,
        /// The line.
        text: String,
    },
}

/// `cluster-preferred-endpoint-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointType {
    /// `ip`.
    #[default]
    Ip,
    /// `hostname`.
    Hostname,
    /// `unknown-endpoint`: clients use the address that they know already.
    Unknown,
}

/// The directives that the bus machine heeds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `port`: plain TCP port of clients; 0 is off.
    pub port: u16,
    /// `tls-port`; 0 is off.
    pub tls_port: u16,
    /// `cluster-port`; 0 means the client port + 10000.
    pub bus_port: u16,
    /// `tls-cluster`.
    pub is_tls: bool,
    /// `cluster-announce-ip`; empty: the others find out.
    pub announce_ip: String,
    /// `cluster-announce-port`; 0: `port`.
    pub announce_port: u16,
    /// `cluster-announce-tls-port`; 0: `tls_port`.
    pub announce_tls_port: u16,
    /// `cluster-announce-bus-port`; 0: the bus port.
    pub announce_bus_port: u16,
    /// `cluster-announce-hostname`.
    pub announce_hostname: String,
    /// `cluster-announce-human-nodename`.
    pub announce_human_name: String,
    /// `cluster-preferred-endpoint-type`.
    pub endpoint: EndpointType,
    /// `cluster-node-timeout`.
    pub node_timeout: Span,
    /// `cluster-replica-validity-factor`.
    pub validity_factor: u64,
    /// `cluster-migration-barrier`: a replica leaves its primary only if so many others stay.
    pub migration_barrier: u64,
    /// `cluster-allow-replica-migration`.
    pub allows_migration: bool,
    /// `cluster-blacklist-ttl` of Valkey: gossip does not bring a forgotten node back for so long.
    pub ban: Span,
    /// `cluster-ping-interval`: a random node is pinged so often.
    pub ping_interval: Span,
    /// `cluster-replica-no-failover`.
    pub is_failover_off: bool,
    /// `cluster-require-full-coverage`.
    pub needs_full_coverage: bool,
    /// `cluster-link-sendbuf-limit`; 0 is no limit.
    pub link_unsent_bytes_max: u64,
    /// `repl-ping-replica-period`.
    pub replica_ping_period: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            port: 6379,
            tls_port: 0,
            bus_port: 0,
            is_tls: false,
            announce_ip: String::new(),
            announce_port: 0,
            announce_tls_port: 0,
            announce_bus_port: 0,
            announce_hostname: String::new(),
            announce_human_name: String::new(),
            endpoint: EndpointType::Ip,
            node_timeout: Span::ms(15_000),
            validity_factor: 10,
            migration_barrier: 1,
            allows_migration: true,
            ban: Span::seconds(60),
            ping_interval: Span::seconds(1),
            is_failover_off: false,
            needs_full_coverage: true,
            link_unsent_bytes_max: 0,
            replica_ping_period: Span::seconds(10),
        }
    }
}

/// What is known when the node starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boot<'a> {
    /// Content of nodes.conf; none when there is no such file.
    pub nodes_conf: Option<&'a [u8]>,
    /// What was loaded from disk. Construct the machine after loading.
    pub facts: Facts,
    /// Slots that have keys.
    pub populated: &'a [u16],
}

/// What the node knows and the bus needs. Handed over by [`crate::Cluster::observe`] whenever it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Replication offset: a primary's journal end, a replica's processed offset.
    pub offset: u64,
    /// Journal offset of the end of the last real write (pings and acknowledgement requests excluded).
    /// Zero while a full synchronisation is under way: a replica with half a data set must not be asked to lead.
    pub data_offset: u64,
    /// True when the keyspace has no key.
    pub is_empty: bool,
    /// A replica: the link to the primary stands and is in sync.
    pub is_link_up: bool,
    /// A replica: when the primary was last heard over the link (in this process); never: `None`.
    pub heard_at: Option<Time>,
    /// A replica: the primary came back without data that is here.
    pub primary_lacks: bool,
}

/// What CLUSTER subcommands need of the keyspace.
pub trait Keys {
    /// True when no database holds a key.
    fn is_empty(&self) -> bool;
    /// Keys in a slot.
    fn count_in_slot(&self, slot: u16) -> u64;
    /// Calls `each` with at most `count` keys of a slot.
    fn keys_in_slot(&self, slot: u16, count: u64, each: &mut dyn FnMut(&[u8]));
}

/// Who asks a CLUSTER subcommand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker {
    /// The client is connected over TLS: it is shown TLS ports.
    pub is_tls: bool,
    /// It is no client, but the stream of our primary.
    pub is_stream: bool,
    /// The answer may come later (not within a transaction).
    pub may_wait: bool,
}

/// What this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A primary, with or without slots.
    Primary,
    /// A replica of the node with this id.
    Replica(Id),
}

/// Whether requests for keys are served, as far as the cluster decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Yes: cluster_state is ok.
    Ok,
    /// No: `-CLUSTERDOWN The cluster is down`; with `cluster-allow-reads-when-down` reads are served.
    Down,
    /// No, and no reads either: this primary lacks data that a replica may have. `-CLUSTERDOWN The cluster is down`, PSYNC is refused.
    Probation,
}

/// Place of a node in the view. Valid until the next `RoutesChanged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

/// Where clients reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The node's id.
    pub id: Id,
    /// What clients are told by the preferred endpoint type: IP, hostname, or empty for "the one that you know" (RESP null in SLOTS).
    pub host: String,
    /// Its IP address.
    pub ip: String,
    /// Plain client port; 0 when there is none.
    pub port: u16,
    /// TLS client port; 0 when there is none.
    pub tls_port: u16,
}
