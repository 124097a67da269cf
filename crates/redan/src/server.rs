//! `redan server`, as `redis-server`: one data node from a configuration file and arguments.
//!
//! The order matters to who watches: a bad configuration is `FATAL CONFIG FILE ERROR` on standard error, a
//! taken port is `Failed listening on port` on standard output, and nothing has happened before either.

use machine::{Level, Listener};
use node::{Identity, Node};
use os::{Host, HostConfig, HostError, ListenAt, ListenerConfig, LogConfig, LogTarget};
use spec::Config;
use spec::directive::id;
use std::ffi::OsString;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: redan server [FILE] [--directive value ...]
       redan server - [--directive value ...]     the configuration comes on standard input
       redan server -v | --version
       redan server -h | --help

examples:
       redan server                               defaults: port 6379, this directory
       redan server /etc/redis/redis.conf
       redan server --port 7777 --replicaof '127.0.0.1 8888'
       redan server /etc/redis/redis.conf --loglevel verbose
";
/// Connections beyond `maxclients` that the node needs itself: bus links, its primary.
const OWN_CONNECTIONS: u32 = 4_096;

/// Runs the server.
pub fn run(args: &[OsString]) -> ExitCode {
    let first = args.first().and_then(|word| word.to_str());
    match first {
        Some("-v" | "--version") => {
            println!(
                "Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc bits=64 build=redan-{}",
                env!("CARGO_PKG_VERSION")
            );
            return ExitCode::SUCCESS;
        }
        Some("-h" | "--help") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    match load(args).and_then(|(config, file)| serve(config, file)) {
        Ok(code) => ExitCode::from(code),
        Err(Trouble::Config(text)) => {
            eprintln!("{}", text.trim_end());
            ExitCode::FAILURE
        }
        Err(Trouble::Start(text)) => {
            println!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Why there is no server.
enum Trouble {
    /// For standard error.
    Config(String),
    /// For standard output, where the log goes until it has a file.
    Start(String),
}

/// Reads the file (first argument, unless it is an option) and the arguments behind it.
fn load(args: &[OsString]) -> Result<(Config, Option<PathBuf>), Trouble> {
    let (file, rest) = match args.split_first() {
        Some((first, rest)) if !first.as_bytes().starts_with(b"--") => (Some(first), rest),
        _ => (None, args),
    };
    let mut text = Vec::new();
    let mut path = None;
    match file {
        Some(name) if name == "-" => {
            std::io::stdin().read_to_end(&mut text).map_err(|error| {
                Trouble::Config(format!(
                    "Fatal error, can't read the configuration from standard input: {error}"
                ))
            })?;
        }
        Some(name) => {
            text = std::fs::read(name).map_err(|error| {
                Trouble::Config(format!(
                    "Fatal error, can't open config file '{}': {error}",
                    name.to_string_lossy()
                ))
            })?;
            path = std::fs::canonicalize(name).ok();
        }
        None => {}
    }
    let words: Vec<&[u8]> = rest.iter().map(|word| word.as_bytes()).collect();
    let config =
        Config::load(&text, &words, &mut include).map_err(|error| Trouble::Config(error.to_string()))?;
    Ok((config, path))
}

/// The files that an `include` names: one, or all that match a pattern, in order of name.
fn include(pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let name = String::from_utf8_lossy(pattern).into_owned();
    let path = Path::new(&name);
    let has_pattern = pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    if !has_pattern {
        return std::fs::read(path)
            .map(|text| vec![text])
            .map_err(|error| format!("can't open '{name}': {error}"));
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_name().map(|name| name.as_bytes()).unwrap_or_default();
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|error| format!("can't read the folder of '{name}': {error}"))?
        .flatten()
        .filter(|entry| base::glob::matches(wanted, entry.file_name().as_bytes()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|error| format!("can't open '{}': {error}", path.display()))
    };
    found.into_iter().map(read).collect()
}

fn serve(mut config: Config, file: Option<PathBuf>) -> Result<u8, Trouble> {
    let dir = PathBuf::from(std::ffi::OsStr::from_bytes(config.text(id::DIR)));
    std::env::set_current_dir(&dir).map_err(|error| {
        Trouble::Config(format!(
            "*** FATAL CONFIG FILE ERROR (redan) ***\nCan't chdir to '{}': {error}",
            dir.display()
        ))
    })?;
    let dir = std::env::current_dir()
        .map_err(|error| Trouble::Start(format!("the data directory is gone: {error}")))?;
    config.put_text(id::DIR, dir.as_os_str().as_bytes());
    let _held_while_we_run = lock_nodes_conf(&config, &dir)?;
    let log = log_config(&config);
    let host = HostConfig {
        listeners: listeners(&config)?,
        dir,
        log: log.clone(),
        connections_max: u32::try_from(config.count(id::MAXCLIENTS))
            .unwrap_or(u32::MAX)
            .saturating_add(OWN_CONNECTIONS),
        tcp_keepalive_seconds: u32::try_from(config.count(id::TCP_KEEPALIVE)).unwrap_or(0),
        limits: limits(&config),
        allocator_facts,
        ..HostConfig::default()
    };
    let host = Host::new(host).map_err(|error| Trouble::Start(cannot_start(&error)))?;
    let pid = std::process::id();
    log.write(Level::Notice, "oO0OoO0OoO0Oo redan is starting oO0OoO0OoO0Oo");
    log.write(
        Level::Notice,
        &format!("redan {}, bits=64, pid={pid}, just started", env!("CARGO_PKG_VERSION")),
    );
    match &file {
        Some(_) => log.write(Level::Notice, "Configuration loaded"),
        None => log.write(Level::Warning, "Warning: no config file specified, using the default config"),
    }
    if let Some(text) = config.warning() {
        log.write(Level::Warning, &text);
    }
    log.write(Level::Notice, &format!(" PID: {pid}"));
    log.write(Level::Notice, "Server initialized");
    let pid_file = write_pid_file(&config, pid);
    let mut node = Node::new(config, identity(pid, file), os::seed());
    let code = host.run(&mut node);
    if let Some(path) = pid_file {
        // It is gone with its directory, or was never more than a convenience.
        let _gone = std::fs::remove_file(path);
    }
    Ok(code)
}

/// What INFO says of this process.
fn identity(pid: u32, file: Option<PathBuf>) -> Identity {
    let system = rustix::system::uname();
    let words = [system.sysname(), system.release(), system.machine()]
        .map(|word| word.to_string_lossy().into_owned());
    let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    Identity {
        process_id: pid,
        os: words.join(" "),
        executable: path(std::env::current_exe().ok()),
        config_file: path(file),
    }
}

/// Two processes on one nodes.conf would be two nodes with one id: the second one ends, as in the original.
fn lock_nodes_conf(config: &Config, dir: &Path) -> Result<Option<std::fs::File>, Trouble> {
    if !config.yes(id::CLUSTER_ENABLED) {
        return Ok(None);
    }
    let name = std::ffi::OsStr::from_bytes(config.text(id::CLUSTER_CONFIG_FILE)).to_owned();
    let mut lock = name.clone();
    lock.push(".lock");
    let path = dir.join(&lock);
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(
        |error| Trouble::Start(format!("Can't open {} in order to acquire a lock: {error}", path.display())),
    )?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(Trouble::Start(format!(
            "Sorry, the cluster configuration file {} is already used by a different redan node. Please make sure \
             that different nodes use different cluster configuration files.",
            dir.join(name).display()
        ))),
    }
}

fn cannot_start(error: &HostError) -> String {
    match error {
        HostError::Listen { at: ListenAt::Inet(_, port), .. } => {
            format!("Warning: {error}\nFailed listening on port {port} (tcp), aborting.")
        }
        other => format!("Failed to start: {other}"),
    }
}

fn log_config(config: &Config) -> LogConfig {
    let level = match config.choice(id::LOGLEVEL) {
        "debug" => Level::Debug,
        "verbose" => Level::Verbose,
        "notice" => Level::Notice,
        _ => Level::Warning,
    };
    let file = config.text(id::LOGFILE);
    let target = if file.is_empty() {
        LogTarget::Stdout
    } else {
        LogTarget::File(PathBuf::from(std::ffi::OsStr::from_bytes(file)))
    };
    LogConfig { level, target, ..LogConfig::default() }
}

fn limits(config: &Config) -> wire::Limits {
    wire::Limits {
        bulk_len_max: config.bytes(id::PROTO_MAX_BULK_LEN),
        buffer_bytes_max: config.bytes(id::CLIENT_QUERY_BUFFER_LIMIT),
        authenticated: config.text(id::REQUIREPASS).is_empty(),
    }
}

/// Client ports on every `bind` address, the bus on the same, and the Unix socket.
fn listeners(config: &Config) -> Result<Vec<ListenerConfig>, Trouble> {
    let backlog = u32::try_from(config.count(id::TCP_BACKLOG)).unwrap_or(511);
    let port = config.port(id::PORT);
    let mut found = Vec::new();
    let add = |found: &mut Vec<ListenerConfig>, kind, port| -> Result<(), Trouble> {
        for (at, is_optional) in addresses(config)? {
            found.push(ListenerConfig { kind, at: ListenAt::Inet(at, port), backlog, is_optional });
        }
        Ok(())
    };
    if port != 0 {
        add(&mut found, Listener::Client, port)?;
    }
    if config.yes(id::CLUSTER_ENABLED) {
        let bus = match config.port(id::CLUSTER_PORT) {
            0 => port.checked_add(10_000).ok_or_else(|| {
                Trouble::Start(format!(
                    "Redis port number too high for cluster mode. The bus port is {port} + 10000, and no port is above \
                     65535. Choose a lower port, or set cluster-port."
                ))
            })?,
            bus => bus,
        };
        add(&mut found, Listener::Bus, bus)?;
    }
    let path = config.text(id::UNIXSOCKET);
    if !path.is_empty() {
        let permissions = u32::try_from(config.integer(id::UNIXSOCKETPERM)).ok().filter(|mode| *mode != 0);
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
        let at = ListenAt::Unix { path, permissions };
        found.push(ListenerConfig { kind: Listener::Unix, at, backlog, is_optional: false });
    }
    if found.is_empty() {
        return Err(Trouble::Start("Configured to not listen anywhere, exiting.".into()));
    }
    Ok(found)
}

/// The addresses of `bind`; `-` before one makes it optional, `*` is every IPv4 address, `::*` every IPv6 one.
fn addresses(config: &Config) -> Result<Vec<(IpAddr, bool)>, Trouble> {
    let words = config.words(id::BIND);
    let mut found = Vec::new();
    for word in words {
        let word = String::from_utf8_lossy(word);
        let (is_optional, name) = match word.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, word.as_ref()),
        };
        let ip = match name {
            "*" => Ok(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            "::*" => Ok(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
            name => resolve(name),
        };
        match ip {
            Ok(ip) => found.push((ip, is_optional)),
            Err(_) if is_optional => {}
            Err(error) => return Err(Trouble::Start(format!("bind {name}: {error}"))),
        }
    }
    Ok(found)
}

fn resolve(name: &str) -> Result<IpAddr, String> {
    use std::net::ToSocketAddrs;
    if let Ok(ip) = name.parse() {
        return Ok(ip);
    }
    let mut found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().map(|address| address.ip()).ok_or_else(|| "the name has no address".into())
}

/// Written when asked for; a failure is told and is no reason not to serve.
fn write_pid_file(config: &Config, pid: u32) -> Option<PathBuf> {
    let path = config.text(id::PIDFILE);
    if path.is_empty() {
        return None;
    }
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
    match std::fs::write(&path, format!("{pid}\n")) {
        Ok(()) => Some(path),
        Err(error) => {
            eprintln!("the pid file {} can not be written: {error}", path.display());
            None
        }
    }
}

/// jemalloc's figures: allocated, active, resident.
fn allocator_facts() -> [u64; 3] {
    use tikv_jemalloc_ctl::{epoch, stats};
    // Statistics are refreshed by advancing the epoch; without them the figures are zero, which INFO shows.
    let read = || -> Result<[u64; 3], tikv_jemalloc_ctl::Error> {
        epoch::advance()?;
        Ok([stats::allocated::read()? as u64, stats::active::read()? as u64, stats::resident::read()? as u64])
    };
    read().unwrap_or_default()
}
