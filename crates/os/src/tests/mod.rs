//! Tests of the host: a reference machine on the real loop, with and without faults.

mod chaos;
mod dialing;
mod files;
mod plain;
mod reference;

use crate::config::{HostConfig, ListenAt, ListenerConfig};
use crate::faults::Faults;
use crate::host::Host;
use crate::log::{LogConfig, LogTarget};
use crate::syscalls::Syscalls;
use machine::{Address, Listener, Machine};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A directory of one test, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("redan-os-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A host that runs in a thread of its own, until its machine exits.
struct Running<M> {
    address: SocketAddr,
    thread: JoinHandle<(u8, M)>,
}

/// Runs `machine` on a free loopback port and on the Unix socket `socket` in `dir`.
fn run<M: Machine + Send + 'static>(dir: &Path, faults: Option<Arc<Faults>>, mut machine: M) -> Running<M> {
    let config = HostConfig {
        listeners: vec![
            listener(Listener::Client, ListenAt::Inet(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            listener(Listener::Unix, ListenAt::Unix { path: dir.join("socket"), permissions: Some(0o700) }),
        ],
        dir: dir.to_owned(),
        log: LogConfig { target: LogTarget::Nowhere, ..LogConfig::default() },
        handle_signals: false,
        ..HostConfig::default()
    };
    let host = Host::on(Syscalls { faults }, config).unwrap();
    let Address::Inet(ip, port) = host.addresses()[0] else { panic!("the first listener is TCP") };
    let thread = std::thread::spawn(move || (host.run(&mut machine), machine));
    Running { address: SocketAddr::new(ip, port), thread }
}

fn listener(kind: Listener, at: ListenAt) -> ListenerConfig {
    ListenerConfig { kind, at, backlog: 511, is_optional: false }
}
