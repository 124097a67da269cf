//! Connecting: connections that the machine opens, without waiting; names are resolved on a helper thread.

use crate::connections::State;
use crate::listen::inet;
use crate::mailbox::Mailbox;
use crate::reactor::Reactor;
use crate::syscalls::{self, READABLE, WRITABLE};
use machine::{Address, ConnId, Input, Level, Peer, Pool};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use wire::Mode;

/// A name's addresses, or why there are none.
#[derive(Debug)]
pub(crate) struct Resolved {
    conn: ConnId,
    result: Result<Vec<SocketAddr>, String>,
}

/// Connections that do not stand yet.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// For each: where it goes, and the addresses of its name that are still to be tried, the next one last.
    pending: HashMap<ConnId, (Address, Vec<SocketAddr>)>,
    mailbox: Arc<Mailbox<Resolved>>,
    /// The thread that resolves, from the first name on.
    resolver: Option<Sender<(ConnId, String, u16)>>,
    source: Option<IpAddr>,
    /// What the address was found for.
    source_name: String,
}

impl Dialing {
    pub(crate) fn new(mailbox: Arc<Mailbox<Resolved>>, source: Option<IpAddr>) -> Dialing {
        Dialing { pending: HashMap::new(), mailbox, resolver: None, source, source_name: String::new() }
    }

    /// The first address of a name, which most often is one.
    fn source_of(name: &str) -> io::Result<Option<IpAddr>> {
        if name.is_empty() {
            return Ok(None);
        }
        Ok((name, 0).to_socket_addrs()?.next().map(|address| address.ip()))
    }

    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.pending.remove(&conn);
    }

    fn resolve(&mut self, conn: ConnId, name: String, port: u16) {
        let resolver = self.resolver.get_or_insert_with(|| {
            let (sender, receiver) = channel::<(ConnId, String, u16)>();
            let mailbox = Arc::clone(&self.mailbox);
            let thread = std::thread::Builder::new().name("resolver".into());
            let run = move || {
                while let Ok((conn, name, port)) = receiver.recv() {
                    let result = (name.as_str(), port).to_socket_addrs();
                    let result = result.map(|addresses| addresses.collect::<Vec<_>>());
                    mailbox
                        .put(Resolved { conn, result: result.map_err(|error| format!("{name}: {error}")) });
                }
            };
            // A process that can not start a thread can not reach its peers.
            thread.spawn(run).expect("the system starts a thread");
            sender
        });
        resolver.send((conn, name, port)).expect("the resolver ends after its sender");
    }
}

impl Reactor {
    /// Starts a connection; the answer is an input of a later turn.
    pub(crate) fn connect(&mut self, conn: ConnId, to: Address, mode: Mode, pool: &mut Pool) {
        self.connections.insert_outbound(conn, mode);
        self.dialing.pending.insert(conn, (to.clone(), Vec::new()));
        match to {
            Address::Inet(ip, port) => {
                let started = syscalls::connect_inet(SocketAddr::new(ip, port), self.dialing.source);
                self.on_started(conn, started, pool);
            }
            Address::Unix(path) => self.on_started(conn, syscalls::connect_unix(Path::new(&path)), pool),
            Address::Name(name, port) => self.dialing.resolve(conn, name, port),
        }
    }

    /// Connections that open from now on come from here.
    pub(crate) fn set_source(&mut self, name: String) {
        if self.dialing.source_name == name {
            return;
        }
        match Dialing::source_of(&name) {
            Ok(source) => self.dialing.source = source,
            Err(error) => {
                self.log.write(Level::Warning, &format!("bind-source-addr {name} can not be used: {error}"))
            }
        }
        self.dialing.source_name = name;
    }

    /// Small writes to this connection are put together by the system.
    pub(crate) fn let_gather(&mut self, conn: ConnId) {
        if let Some(fd) = self.connections.at_mut(conn).and_then(|connection| connection.fd()) {
            // It is an optimization: a system that can not do it loses nothing.
            let _done = syscalls::set_delay(fd);
        }
    }

    /// A name was resolved.
    pub(crate) fn on_resolved(&mut self, resolved: Resolved, pool: &mut Pool) {
        let Some((_, left)) = self.dialing.pending.get_mut(&resolved.conn) else { return };
        match resolved.result {
            Ok(mut addresses) => {
                addresses.reverse();
                *left = addresses;
                self.try_next(resolved.conn, io::Error::other("the name has no address"), pool);
            }
            Err(text) => self.give_up(resolved.conn, text, pool),
        }
    }

    fn on_started(&mut self, conn: ConnId, started: io::Result<OwnedFd>, pool: &mut Pool) {
        let registered = started.and_then(|fd| {
            let token = crate::connections::token_of(conn);
            let flags = READABLE | WRITABLE | syscalls::EDGE;
            self.sys.epoll_add(&self.epoll, fd.as_fd(), token, flags)?;
            Ok(fd)
        });
        match registered {
            Ok(fd) => {
                if let Some(connection) = self.connections.at_mut(conn) {
                    connection.is_armed = true;
                    connection.set_fd(fd);
                }
            }
            Err(error) => self.try_next(conn, error, pool),
        }
    }

    /// Tries the next address of a name; gives up with `error` when there is none.
    fn try_next(&mut self, conn: ConnId, error: io::Error, pool: &mut Pool) {
        let Some((_, left)) = self.dialing.pending.get_mut(&conn) else { return };
        match left.pop() {
            Some(address) => {
                let started = syscalls::connect_inet(address, self.dialing.source);
                self.on_started(conn, started, pool);
            }
            None => self.give_up(conn, error.to_string(), pool),
        }
    }

    fn give_up(&mut self, conn: ConnId, text: String, pool: &mut Pool) {
        self.dialing.forget(conn);
        if let Some(connection) = self.connections.at_mut(conn) {
            connection.bury(pool);
            self.connections.remove(conn);
            self.inputs.push(Input::Connected { conn, result: Err(text) });
        }
    }

    /// The socket of a connection that does not stand yet has become writable, or broke.
    pub(crate) fn on_connect_ready(&mut self, conn: ConnId, pool: &mut Pool) {
        let Some(connection) = self.connections.at_mut(conn) else { return };
        let Some(fd) = connection.fd() else { return };
        if let Err(error) = syscalls::take_socket_error(fd) {
            self.try_next(conn, error, pool);
            return;
        }
        // A socket without inet addresses is a Unix socket, or broke this very moment.
        let local = syscalls::local_address(fd).ok().flatten().map(inet);
        let remote = syscalls::peer_address(fd).ok().flatten().map(inet);
        connection.state = State::Open;
        connection.may_read = true;
        let Some((to, _)) = self.dialing.pending.remove(&conn) else { return };
        let peer = Peer { remote: remote.unwrap_or_else(|| to.clone()), local: local.unwrap_or(to) };
        self.inputs.push(Input::Connected { conn, result: Ok(peer) });
        self.enqueue(conn);
        self.flush(conn, pool);
    }
}
