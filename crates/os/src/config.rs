//! Configuration: what a program tells the host before it starts, and what can be wrong with it.

use crate::log::LogConfig;
use crate::process::Title;
use machine::Listener;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use wire::Limits;

/// Everything that a host must know before it starts.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Ways in. All are bound by `Host::new`, or none is.
    pub listeners: Vec<ListenerConfig>,
    /// The data directory: the paths of disk operations are relative to it. It must exist.
    pub dir: PathBuf,
    /// Where lines of the log go, and which.
    pub log: LogConfig,
    /// Connections, in both directions together, that are open at most. At the bound, accepting pauses.
    pub connections_max: u32,
    /// `tcp-keepalive` of accepted connections, in seconds; 0 is off.
    pub tcp_keepalive_seconds: u32,
    /// Source address of connections that the machine opens (`bind-source-addr`); the system's choice if none.
    pub connect_from: Option<IpAddr>,
    /// In which bounds the requests of a new client connection are read.
    pub limits: Limits,
    /// The program's allocator.
    pub allocator: Allocator,
    /// SIGTERM and SIGINT become `Input::Signal`, SIGHUP and SIGPIPE are ignored. Off in tests, where
    /// several hosts share a process.
    pub handle_signals: bool,
    /// The configuration file, for questions of the machine about it.
    pub config_file: Option<PathBuf>,
    /// The supervisor hears of the machine's state over the socket of systemd.
    pub tells_systemd: bool,
    /// Where the title of the process can be shown.
    pub title: Option<Arc<Title>>,
}

impl Default for HostConfig {
    /// No listener, the working directory, the log to standard output, the originals' defaults for the rest.
    fn default() -> HostConfig {
        HostConfig {
            listeners: Vec::new(),
            dir: PathBuf::from("."),
            log: LogConfig::default(),
            connections_max: 10_032,
            tcp_keepalive_seconds: 300,
            connect_from: None,
            limits: Limits::default(),
            allocator: Allocator::default(),
            handle_signals: true,
            config_file: None,
            tells_systemd: false,
            title: None,
        }
    }
}

/// What the program tells of its allocator, and what can be asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    /// Name and version, for `HostFacts`.
    pub name: &'static str,
    /// Figures for `HostFacts`: allocated, active, resident, in bytes.
    pub facts: fn() -> [u64; 3],
    /// Reads a number among its controls, or writes it and gives the one before.
    pub number: fn(&[u8], Option<i64>) -> Result<i64, &'static str>,
    /// Reads a text among its controls, or carries out one that has no value.
    pub text: AllocatorText,
}

/// Name and value of a control to what it held.
pub type AllocatorText = fn(&[u8], Option<&[u8]>) -> Result<&'static [u8], &'static str>;

impl Default for Allocator {
    /// One that nothing is known of.
    fn default() -> Allocator {
        const NO_CONTROL: &str = "No such file or directory";
        Allocator { name: "", facts: || [0; 3], number: |_, _| Err(NO_CONTROL), text: |_, _| Err(NO_CONTROL) }
    }
}

/// A way in.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// What the machine is told about connections that come in here.
    pub kind: Listener,
    /// Where.
    pub at: ListenAt,
    /// `tcp-backlog`: connections that wait for their acceptance at most.
    pub backlog: u32,
    /// An address that this host does not have is no error (`bind -::1`).
    pub is_optional: bool,
}

/// Where a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// An address and a port; port 0 lets the system choose. An IPv6 address accepts IPv6 alone.
    Inet(IpAddr, u16),
    /// A Unix socket. A socket that stands there already is replaced, as in the originals.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Its permissions (`unixsocketperm`); those of the umask if none.
        permissions: Option<u32>,
    },
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAt::Inet(IpAddr::V4(ip), port) => write!(f, "{ip}:{port}"),
            ListenAt::Inet(IpAddr::V6(ip), port) => write!(f, "[{ip}]:{port}"),
            ListenAt::Unix { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

/// Why a host can not start.
#[derive(Debug)]
pub enum HostError {
    /// A listener could not be bound.
    Listen {
        /// Where.
        at: ListenAt,
        /// Why not.
        source: io::Error,
    },
    /// The data directory is not there, or is no directory.
    Dir {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refused one of the host's own resources.
    System {
        /// What was asked of it.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Listen { at, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "can not listen on {at}: the address is taken; stop the process there or choose another port"
                )
            }
            HostError::Listen { at, source } => write!(f, "can not listen on {at}: {source}"),
            HostError::Dir { path, source } => {
                write!(f, "can not use directory {}: {source}", path.display())
            }
            HostError::System { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            HostError::Listen { source, .. }
            | HostError::Dir { source, .. }
            | HostError::System { source, .. } => Some(source),
        }
    }
}
