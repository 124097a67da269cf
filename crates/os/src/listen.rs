//! Listening: ways in, and the acceptance of connections within bounds.
//!
//! Accepted sockets inherit their options (no delay, keepalive) from the listener on Linux, so acceptance costs
//! no call for them.

use crate::config::{HostError, ListenAt, ListenerConfig};
use crate::reactor::{INBOUND, Reactor, listener_token};
use crate::syscalls::{self, Epoll, READABLE, Syscalls};
use base::{Span, Time};
use machine::{Address, Input, Level, Listener, Peer};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wire::{Limits, Mode};

/// 64: connections accepted per listener and turn, so that a flood of new ones does not starve the old.
const ACCEPTS_PER_TURN: u32 = 64;
/// 100 ms: how long accepting rests when the process is out of descriptors or at its bound of connections.
const REST: Span = Span::ms(100);

/// One bound way in.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) kind: Listener,
    pub(crate) address: Address,
    fd: OwnedFd,
    /// Removed when the host ends.
    path: Option<PathBuf>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The next start replaces what is left over.
            let _ = fs::remove_file(path);
        }
    }
}

/// All ways in.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) bound: Vec<Bound>,
    /// What clients' TCP listeners were made from, to make them again.
    configs: Vec<ListenerConfig>,
    keepalive_seconds: u32,
    limits: Limits,
    /// While accepting rests: until when.
    pub(crate) rest_until: Option<Time>,
}

impl Listeners {
    /// Binds all, or none.
    pub(crate) fn bind(
        configs: &[ListenerConfig],
        limits: Limits,
        keepalive_seconds: u32,
    ) -> Result<Listeners, HostError> {
        let bound = bind_all(configs, keepalive_seconds)?;
        let is_client = |config: &&ListenerConfig| config.kind == Listener::Client;
        let configs = configs.iter().filter(is_client).cloned().collect();
        Ok(Listeners { bound, configs, keepalive_seconds, limits, rest_until: None })
    }

    /// Registers all for readiness, or takes that back for a rest.
    pub(crate) fn register(&self, sys: &Syscalls, epoll: &Epoll) -> io::Result<()> {
        for (index, listener) in self.bound.iter().enumerate() {
            sys.epoll_add(epoll, listener.fd.as_fd(), listener_token(index), READABLE)?;
        }
        Ok(())
    }

    /// After a change of the list: each listener's token is its place.
    fn register_anew(&self, sys: &Syscalls, epoll: &Epoll) -> io::Result<()> {
        for (index, listener) in self.bound.iter().enumerate() {
            let (fd, token) = (listener.fd.as_fd(), listener_token(index));
            if sys.epoll_modify(epoll, fd, token, READABLE).is_err() {
                sys.epoll_add(epoll, fd, token, READABLE)?;
            }
        }
        Ok(())
    }

    fn set_interest(&self, sys: &Syscalls, epoll: &Epoll, flags: u32) {
        for (index, listener) in self.bound.iter().enumerate() {
            let token = listener_token(index);
            sys.epoll_modify(epoll, listener.fd.as_fd(), token, flags).expect("a listener is registered");
        }
    }

    /// `tcp-keepalive` for connections that come in from now on.
    pub(crate) fn set_keepalive(&mut self, seconds: u32) {
        self.keepalive_seconds = seconds;
        for listener in self.bound.iter().filter(|listener| listener.path.is_none()) {
            // Refused only for values out of bounds, which the call excludes.
            let _ = syscalls::set_keepalive(listener.fd.as_fd(), seconds);
        }
    }
}

/// Binds all, or none.
fn bind_all(configs: &[ListenerConfig], keepalive_seconds: u32) -> Result<Vec<Bound>, HostError> {
    let mut bound = Vec::with_capacity(configs.len());
    for config in configs {
        match bind(config, keepalive_seconds) {
            Ok(listener) => bound.push(listener),
            Err(error) if config.is_optional && error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {}
            Err(error) if config.is_optional && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
            Err(source) => return Err(HostError::Listen { at: config.at.clone(), source }),
        }
    }
    Ok(bound)
}

/// The addresses that the words of `bind` name, and whether each is optional (`-` in front); `*` is every IPv4
/// address, `::*` every IPv6 one.
pub fn bind_addresses(words: &[String]) -> Result<Vec<(IpAddr, bool)>, String> {
    let mut found = Vec::new();
    for word in words {
        let (is_optional, name) = match word.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, word.as_str()),
        };
        let ip = match name {
            "*" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            "::*" => Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            name => resolve(name),
        };
        match ip {
            Ok(ip) => found.push((ip, is_optional)),
            Err(_) if is_optional => {}
            Err(error) => return Err(format!("bind {name}: {error}")),
        }
    }
    Ok(found)
}

fn resolve(name: &str) -> Result<IpAddr, String> {
    if let Ok(ip) = name.parse() {
        return Ok(ip);
    }
    let mut found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().map(|address| address.ip()).ok_or_else(|| "the name has no address".into())
}

fn bind(config: &ListenerConfig, keepalive_seconds: u32) -> io::Result<Bound> {
    match &config.at {
        ListenAt::Inet(ip, port) => {
            let fd = syscalls::listen_inet(SocketAddr::new(*ip, *port), config.backlog)?;
            syscalls::set_no_delay(fd.as_fd())?;
            syscalls::set_keepalive(fd.as_fd(), keepalive_seconds)?;
            let local = syscalls::local_address(fd.as_fd())?.expect("a TCP socket has an inet address");
            Ok(Bound { kind: config.kind, address: inet(local), fd, path: None })
        }
        ListenAt::Unix { path, permissions } => {
            remove_stale_socket(path)?;
            let fd = syscalls::listen_unix(path, config.backlog)?;
            let address = Address::Unix(path.display().to_string());
            let bound = Bound { kind: config.kind, address, fd, path: Some(path.clone()) };
            if let Some(mode) = permissions {
                fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
            }
            Ok(bound)
        }
    }
}

/// Removes a socket that an earlier process left; anything else at that path is not touched.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

pub(crate) fn inet(address: SocketAddr) -> Address {
    // A client over IPv4 on an IPv6 socket is shown as what it is.
    Address::Inet(address.ip().to_canonical(), address.port())
}

impl Reactor {
    /// Clients come in over TCP at these addresses from now on, or nothing changes. A change of port binds the new
    /// places first; the same port on other addresses has to be left before it can be bound again.
    pub(crate) fn listen_anew(&mut self, words: &[String], port: u16) -> Result<(), String> {
        let backlog = self.listeners.configs.first().map_or(511, |config| config.backlog);
        let mut wanted = Vec::new();
        if port != 0 {
            for (ip, is_optional) in bind_addresses(words)? {
                let at = ListenAt::Inet(ip, port);
                wanted.push(ListenerConfig { kind: Listener::Client, at, backlog, is_optional });
            }
        }
        let uses_port =
            |config: &ListenerConfig| matches!(&config.at, ListenAt::Inet(_, old) if *old == port);
        let before = self.listeners.configs.clone();
        if before.iter().any(uses_port) {
            self.leave_client_ports();
        }
        let bound = bind_all(&wanted, self.listeners.keepalive_seconds);
        let (bound, configs, result) = match bound {
            Ok(bound) => {
                self.leave_client_ports();
                (bound, wanted, Ok(()))
            }
            Err(error) => {
                self.log.write(Level::Warning, &format!("Could not change the ports of clients: {error}"));
                if self.listeners.bound.iter().any(|listener| listener.kind == Listener::Client) {
                    return Err(error.to_string());
                }
                // What was bound a moment ago can be bound again, unless another process was faster.
                let again = bind_all(&before, self.listeners.keepalive_seconds).unwrap_or_default();
                (again, before, Err(error.to_string()))
            }
        };
        self.listeners.configs = configs;
        self.listeners.bound.extend(bound);
        self.listeners.rest_until = None;
        let registered = self.listeners.register_anew(&self.sys, &self.epoll);
        registered.map_err(|error| error.to_string()).and(result)
    }

    /// Closes the clients' TCP listeners; the kernel takes them out of the epoll instance.
    fn leave_client_ports(&mut self) {
        self.listeners.bound.retain(|listener| listener.kind != Listener::Client);
    }

    /// Accepts what waits at a listener, within the bounds of a turn.
    pub(crate) fn accept(&mut self, index: usize, now: Time) {
        for _ in 0..ACCEPTS_PER_TURN {
            if self.connections.count() >= self.connections_max {
                self.rest_accepting(now);
                return;
            }
            let listener = &self.listeners.bound[index];
            match self.sys.accept(listener.fd.as_fd()) {
                Ok(None) => return,
                Ok(Some((fd, remote))) => self.take_in(index, fd, remote),
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    self.log.write(
                        Level::Warning,
                        &format!("Accepting a connection: {error}; resting for 100 ms"),
                    );
                    self.rest_accepting(now);
                    return;
                }
            }
        }
    }

    fn take_in(&mut self, index: usize, fd: OwnedFd, remote: Option<SocketAddr>) {
        let listener = &self.listeners.bound[index];
        let local = match remote {
            // The peer is gone already if its address can not be asked for.
            Some(_) => syscalls::local_address(fd.as_fd()).ok().flatten().map(inet),
            None => None,
        };
        if remote
            .map(inet)
            .is_some_and(|remote| local.as_ref().is_some_and(|local| is_same_host(local, &remote)))
        {
            syscalls::set_plain_congestion(fd.as_fd());
        }
        let peer = Peer {
            remote: remote.map_or_else(|| listener.address.clone(), inet),
            local: local.unwrap_or_else(|| listener.address.clone()),
        };
        let (kind, mode) = match listener.kind {
            Listener::Client | Listener::Unix => (listener.kind, Mode::Requests(self.listeners.limits)),
            Listener::Bus => (listener.kind, Mode::Bus),
        };
        let connection = self.connections.insert(fd, mode);
        let (id, token) = (connection.id, connection.token());
        let added = connection.fd().map(|fd| self.sys.epoll_add(&self.epoll, fd, token, INBOUND));
        if let Some(Err(error)) = added {
            // Out of watches or memory: the connection is refused, the machine never hears of it.
            self.log.write(Level::Warning, &format!("Registering a connection: {error}"));
            self.connections.remove(id);
            return;
        }
        self.inputs.push(Input::Opened { conn: id, listener: kind, peer });
    }

    fn rest_accepting(&mut self, now: Time) {
        if self.listeners.rest_until.is_none() {
            self.listeners.set_interest(&self.sys, &self.epoll, 0);
        }
        self.listeners.rest_until = Some(now + REST);
    }

    /// Ends a rest whose time is over.
    pub(crate) fn end_rest(&mut self, now: Time) {
        if self.listeners.rest_until.is_some_and(|until| until <= now) {
            self.listeners.rest_until = None;
            self.listeners.set_interest(&self.sys, &self.epoll, READABLE);
        }
    }
}

/// True when both ends are on this machine.
fn is_same_host(local: &Address, remote: &Address) -> bool {
    match (local, remote) {
        (Address::Inet(local, _), Address::Inet(remote, _)) => local == remote || remote.is_loopback(),
        _ => false,
    }
}

/// Errors of one would-be connection, which say nothing about the next.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::EHOSTUNREACH
                | libc::EPERM
        )
    )
}
