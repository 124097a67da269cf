//! Boot: from the first input to a node that serves.
//!
//! ```text
//!   NotBegun --first input--> Conf (cluster: nodes.conf is read) --> Data (dump.rdb is loaded) --> Over
//!                                            a new node of a cluster: Data --> Named --its name is durable--> Over
//! ```
//!
//! Nobody hears of a new node before its name is on disk: after a loss of power it would be another one.
//!
//! The bus machine is made only when the data is loaded: what was loaded decides whether a primary that owned
//! slots may lead again.

use crate::node::Node;
use crate::settings;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Now;
use base::crc64::Crc64;
use cluster::{Cluster, SLOTS};
use machine::{Address, DiskError, DiskFault, DiskOp, FileId, HostSetting, Level, Outbox, Output};
use spec::directive::id;
use wire::bus::Flags;
use wire::nodes_conf::NodesConf;

/// How far the start is.
#[derive(Debug)]
pub(crate) enum Boot {
    /// No input yet.
    NotBegun,
    /// nodes.conf is being read.
    Conf { file: FileId, bytes: Vec<u8> },
    /// The data is being loaded; the content of nodes.conf waits.
    Data { conf: Option<Vec<u8>> },
    /// A new node of a cluster: its first nodes.conf is on its way.
    Named,
    /// The node serves.
    Over,
}

/// nodes.conf of a thousand nodes is under 1 MiB; a file beyond this is not one.
const CONF_BYTES_MAX: usize = 64 << 20;
/// Bytes asked for at once.
const READ_BYTES: usize = 64 << 10;

/// The address of the primary that nodes.conf names for this node. A file that can not be read is refused later, by
/// the bus.
fn primary_of_the_file(conf: &[u8]) -> Option<Address> {
    let conf = NodesConf::parse(conf).ok()?;
    let own = conf.nodes.iter().find(|node| node.flags.has(Flags::MYSELF))?;
    let primary = conf.nodes.iter().find(|node| Some(node.id) == own.primary)?;
    settings::primary_address(primary.ip.as_bytes(), format!("{}", primary.port).as_bytes())
}

impl Node {
    /// Begins with the first input.
    pub(crate) fn boot_step(&mut self, now: Now, out: &mut Outbox) {
        if !matches!(self.rest.boot, Boot::NotBegun) {
            return;
        }
        self.rest.started = now;
        self.engine.shared.standing.loading = true;
        out.put(Output::Host(settings::source(&self.engine.shared.config)));
        if self.rest.is_clustered {
            let file = self.rest.numbers.file();
            let path = settings::nodes_conf(&self.engine.shared.config);
            out.put(Output::Disk(DiskOp::Open { file, path }));
            out.put(Output::Disk(DiskOp::Read { file, bytes_max: READ_BYTES, is_summed: false }));
            self.rest.boot = Boot::Conf { file, bytes: Vec::new() };
        } else {
            self.load(now, None, out);
        }
    }

    fn load(&mut self, now: Now, conf: Option<Vec<u8>>, out: &mut Outbox) {
        // A replica says so before its data is loaded: the data's history is then offered to its primary, and is not
        // the end of a history of our own.
        let primary = settings::replicaof(&self.engine.shared.config)
            .or_else(|| conf.as_deref().and_then(primary_of_the_file));
        self.rest.boot = Boot::Data { conf };
        if let Some(primary) = primary {
            self.with_turn(now, out, |journal, turn| journal.follow(primary, turn));
        }
        self.with_turn(now, out, |journal, turn| journal.boot(turn));
    }

    /// Bytes of nodes.conf, or of a file of the journal.
    pub(crate) fn on_file_read(
        &mut self,
        now: Now,
        file: FileId,
        result: Result<Vec<u8>, DiskError>,
        sum: Option<Crc64>,
        out: &mut Outbox,
    ) {
        let Boot::Conf { file: conf, bytes } = &mut self.rest.boot else {
            self.with_turn(now, out, |journal, turn| journal.on_file_read(file, result, sum, turn));
            return;
        };
        if *conf != file {
            return;
        }
        match result {
            Ok(more) if more.is_empty() => {
                let bytes = core::mem::take(bytes);
                out.put(Output::Disk(DiskOp::Close { file }));
                // An empty file is left by a start that was cut short before the first save: there is no history yet.
                self.load(now, Some(bytes).filter(|bytes| !bytes.is_empty()), out);
            }
            Ok(more) => {
                bytes.extend_from_slice(&more);
                if bytes.len() > CONF_BYTES_MAX {
                    self.fail(
                        format!("the cluster configuration file is over {CONF_BYTES_MAX} bytes: it is none"),
                        out,
                    );
                    return;
                }
                out.put(Output::Disk(DiskOp::Read { file, bytes_max: READ_BYTES, is_summed: false }));
            }
            Err(error) if error.fault == DiskFault::Missing => {
                out.put(Output::Disk(DiskOp::Close { file }));
                self.load(now, None, out);
            }
            Err(error) => self.fail(format!("the cluster configuration file can not be read: {error}"), out),
        }
    }

    /// The data is there (or there is none): the node takes its place.
    pub(crate) fn loaded(&mut self, now: Now, result: Result<journal::Loaded, String>, out: &mut Outbox) {
        let Boot::Data { conf } = &mut self.rest.boot else { return };
        let conf = conf.take();
        if let Err(text) = result {
            return self.fail(format!("the data can not be loaded: {text}"), out);
        }
        if self.rest.is_clustered && !self.join(now, conf.as_deref(), out) {
            return;
        }
        if self.rest.is_clustered && conf.is_none() {
            self.rest.boot = Boot::Named;
        } else {
            self.serve(out);
        }
    }

    fn serve(&mut self, out: &mut Outbox) {
        self.rest.boot = Boot::Over;
        self.engine.shared.standing.loading = false;
        self.tell_ready(out);
    }

    /// nodes.conf was written, or could not be.
    pub(crate) fn named(&mut self, is_done: bool, out: &mut Outbox) {
        match &self.rest.boot {
            Boot::Named if is_done => self.serve(out),
            Boot::Named => self.fail("the node can not keep its name".into(), out),
            Boot::NotBegun | Boot::Conf { .. } | Boot::Data { .. } | Boot::Over => {}
        }
    }

    /// Makes the bus machine and lets it take its first step.
    fn join(&mut self, now: Now, conf: Option<&[u8]>, out: &mut Outbox) -> bool {
        let facts = self.bus_facts();
        let keyspace = &self.engine.shared.keyspace;
        let populated: Vec<u16> = (0..SLOTS as u16).filter(|slot| keyspace.slot_len(*slot) > 0).collect();
        let boot = cluster::Boot { nodes_conf: conf, facts, populated: &populated };
        let settings = settings::cluster(&self.engine.shared.config);
        match Cluster::new(settings, boot, self.rest.random.fork()) {
            Ok(cluster) => {
                self.rest.cluster = Some(cluster);
                self.bus(now, cluster::Event::Tick);
                self.take_routes(out);
                true
            }
            Err(error) => {
                self.fail(format!("{error}"), out);
                false
            }
        }
    }

    /// Says where clients may come in: the log's readers and the supervisor wait for it.
    fn tell_ready(&self, out: &mut Outbox) {
        let config = &self.engine.shared.config;
        if config.port(id::PORT) != 0 {
            out.log(Level::Notice, "Ready to accept connections");
        }
        if !config.text(id::UNIXSOCKET).is_empty() {
            let path = String::from_utf8_lossy(config.text(id::UNIXSOCKET));
            out.log(Level::Notice, format!("The server is now ready to accept connections at {path}"));
        }
        let status = match self.rest.journal.primary() {
            None => "Ready to accept connections",
            Some(_) => "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync",
        };
        out.put(Output::Host(HostSetting::Ready(status.into())));
    }

    fn fail(&mut self, text: String, out: &mut Outbox) {
        out.log(Level::Warning, format!("Fatal: {text}"));
        out.put(Output::Exit { code: 1 });
    }
}
