//! `redan server`, as `redis-server`: one data node from a configuration file and arguments.
//!
//! The order matters to who watches: a bad configuration is `FATAL CONFIG FILE ERROR` on standard error, a
//! taken port is `Failed listening on port` on standard output, and nothing has happened before either.

mod allocator;
mod checks;
mod leftovers;
mod load;

use machine::{Level, Listener};
use node::{Identity, Node};
use os::process::Title;
use os::{
    Host, HostConfig, HostError, ListenAt, ListenerConfig, LogConfig, LogTarget, OWN_CONNECTIONS, OWN_FILES,
    Syslog,
};
use spec::Config;
use spec::directive::id;
use spec::info::REDIS_VERSION;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "\
Usage: redan server [FILE] [OPTIONS] [-]
       redan server - (the configuration comes on standard input)
       redan server -v or --version
       redan server -h or --help
       redan server --test-memory MEGABYTES
       redan server --check-system

A file's directives come first, then those of standard input, then options; the last value counts.
An option is a directive with two hyphens in front, followed by its values.

Examples:
       redan server                               port 6379, this directory
       redan server /etc/redis/redis.conf
       redan server --port 7777
       redan server --port 7777 --replicaof 127.0.0.1 8888
       redan server /etc/redis/redis.conf --loglevel verbose
       echo 'port 7777' | redan server -

The directives (those that can not be changed by CONFIG SET in brackets):
";

/// Runs the server. `called_as` is the name that the program was called by.
pub fn run(called_as: &std::ffi::OsStr, args: &[OsString]) -> ExitCode {
    match args.first().and_then(|word| word.to_str()) {
        Some("-v" | "--version") => {
            println!("{}", version());
            return ExitCode::SUCCESS;
        }
        Some("-h" | "--help") => {
            return help(called_as);
        }
        Some("--check-system") => return checks::system(),
        Some("--test-memory") => {
            let megabytes = if args.len() == 2 { args[1].to_str() } else { None };
            return checks::memory(megabytes);
        }
        _ => {}
    }
    match start(called_as, args) {
        Ok(code) => ExitCode::from(code),
        Err(Trouble::Config(text)) => {
            eprintln!("{}", text.trim_end_matches('\n'));
            ExitCode::FAILURE
        }
        Err(Trouble::File(text)) => {
            LogConfig { role: 'C', ..LogConfig::default() }.write(Level::Warning, &text);
            ExitCode::FAILURE
        }
        // It is in the log.
        Err(Trouble::Start(_)) => ExitCode::FAILURE,
    }
}

/// The usage. By its own name the program answers a question; by an original's it does what that does.
fn help(called_as: &std::ffi::OsStr) -> ExitCode {
    let text = format!("{USAGE}{}", directives());
    if Path::new(called_as).file_name().is_some_and(|name| name == "redan") {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    eprint!("{text}");
    ExitCode::FAILURE
}

/// In the form that tools parse, with our own name in the build.
fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    let malloc = allocator::name();
    format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc={malloc} bits=64 build=redan-{own}")
}

/// The names of all directives, in lines of a terminal's width.
fn directives() -> String {
    let mut text = String::new();
    let mut width = 0;
    for row in spec::directive::DIRECTIVES.iter().filter(|row| !row.hidden) {
        let name = match row.change {
            spec::directive::Change::AtStart => format!("[{}]", row.name),
            _ => row.name.into(),
        };
        if width + name.len() > 90 {
            text.push('\n');
            width = 0;
        }
        text.push_str(if width == 0 { "       " } else { " " });
        text.push_str(&name);
        width += name.len() + 1;
    }
    text.push('\n');
    text
}

/// Why there is no server.
enum Trouble {
    /// A bad configuration: for standard error.
    Config(String),
    /// A file that can not be read: a line of the log.
    File(String),
    /// For the log, as it is configured.
    Start(String),
}

/// A server under way: what the steps of the start hand on.
struct Start {
    config: Config,
    /// The configuration file's absolute path.
    file: Option<PathBuf>,
    called_as: String,
    has_arguments: bool,
    log: LogConfig,
    title: Option<Arc<Title>>,
    /// It runs in the background.
    is_daemon: bool,
    tells_systemd: bool,
}

/// From the arguments to the end of the process; nothing has happened to the process when the configuration is bad.
fn start(called_as: &std::ffi::OsStr, args: &[OsString]) -> Result<u8, Trouble> {
    let (mut config, file) = load::load(called_as, args)?;
    if config.text(id::DIR) == b"./" || config.text(id::DIR).is_empty() {
        let here = std::env::current_dir();
        let here = here.map_err(|error| Trouble::Start(format!("the data directory is gone: {error}")))?;
        config.put_text(id::DIR, here.as_os_str().as_bytes());
    }
    let mut start = Start {
        log: log_config(&config),
        config,
        file,
        called_as: called_as.to_string_lossy().into_owned(),
        has_arguments: !args.is_empty(),
        title: None,
        is_daemon: false,
        tells_systemd: false,
    };
    let supervisor = supervise(&start);
    start.tells_systemd = supervisor == Supervisor::Systemd;
    start.is_daemon = start.config.yes(id::DAEMONIZE) && supervisor == Supervisor::None;
    if start.is_daemon {
        os::process::daemonize().map_err(|error| Trouble::Start(format!("Can't daemonize: {error}")))?;
    }
    allocator::prepare();
    let log = start.log.clone();
    start.serve().inspect_err(|trouble| {
        if let Trouble::Start(text) = trouble {
            text.lines().for_each(|line| log.write(Level::Warning, line));
        }
    })
}

/// Who started this process and wants to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supervisor {
    None,
    Upstart,
    Systemd,
}

/// `supervised`: looks for the supervisor, and tells it what has to be told before the start.
fn supervise(start: &Start) -> Supervisor {
    let has = |name: &str| std::env::var_os(name).is_some();
    let wanted = match start.config.choice(id::SUPERVISED) {
        "upstart" => Supervisor::Upstart,
        "systemd" => Supervisor::Systemd,
        "auto" if has("UPSTART_JOB") => Supervisor::Upstart,
        "auto" if has("NOTIFY_SOCKET") => Supervisor::Systemd,
        _ => return Supervisor::None,
    };
    match wanted {
        Supervisor::Upstart if has("UPSTART_JOB") => {
            start.log.write(Level::Notice, "supervised by upstart, will stop to signal readiness");
            os::process::stop_for_supervisor();
            Supervisor::Upstart
        }
        Supervisor::Systemd if has("NOTIFY_SOCKET") => {
            let text = "supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and \
                        TimeoutStopSec in your service unit.";
            start.log.write(Level::Warning, text);
            let _heard = os::process::tell_systemd("STATUS=redan is loading...\n");
            Supervisor::Systemd
        }
        Supervisor::Upstart => {
            start.log.write(Level::Warning, "upstart supervision requested, but UPSTART_JOB not found!");
            Supervisor::None
        }
        Supervisor::Systemd | Supervisor::None => {
            let text = "systemd supervision requested or auto-detected, but NOTIFY_SOCKET not found!";
            start.log.write(Level::Warning, text);
            Supervisor::None
        }
    }
}

impl Start {
    fn serve(mut self) -> Result<u8, Trouble> {
        self.greet();
        let is_logged_to = match &self.log.target {
            LogTarget::File(path) => std::path::absolute(path).ok(),
            LogTarget::Stdout | LogTarget::Nowhere => None,
        };
        os::crash::report_to(is_logged_to.as_deref());
        os::crash::handle(self.config.yes(id::CRASH_LOG_ENABLED));
        os::watchdog::set(u32::try_from(self.config.count(id::WATCHDOG_PERIOD)).unwrap_or(0));
        let exits_on_panic = self.config.yes(id::USE_EXIT_ON_PANIC);
        report_panics(self.log.clone(), exits_on_panic);
        if self.config.yes(id::SET_PROC_TITLE) {
            self.title = Title::take_over().map(Arc::new);
        }
        self.log.role = if self.config.replicaof().is_some() { 'S' } else { 'M' };
        self.limit_clients()?;
        let dir = PathBuf::from(std::ffi::OsStr::from_bytes(self.config.text(id::DIR)));
        let _held_while_we_run = lock_nodes_conf(&self.config, &dir)?;
        leftovers::remove(&dir);
        let host = self.host(dir)?;
        let clients = self.config.port(id::PORT);
        let host = Host::new(host).map_err(|error| Trouble::Start(cannot_start(&error, clients)))?;
        let pid = std::process::id();
        let pid_file = self.write_pid_file(pid);
        let config_file = self.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        if let Some(title) = &self.title {
            title.show(node::title(&self.config, &self.called_as, &config_file).as_bytes());
        }
        self.tell_of_the_start(pid);
        let log = self.log.clone();
        let identity = identity(pid, config_file, self.called_as);
        let mut node = Node::new(self.config, identity, os::seed());
        let code = host.run(&mut node);
        if let Some(path) = pid_file {
            // The reason for an early end is the last line of the log: tools look for it there.
            if code == 0 {
                log.write(Level::Notice, "Removing the pid file.");
            }
            // It is gone with its directory, or was never more than a convenience.
            let _gone = std::fs::remove_file(path);
        }
        Ok(code)
    }

    fn greet(&self) {
        let log = LogConfig { role: 'C', ..self.log.clone() };
        log.write(Level::Warning, "oO0OoO0OoO0Oo redan is starting oO0OoO0OoO0Oo");
        let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        log.write(
            Level::Warning,
            &format!(
                "redan version={version}, Redis version={REDIS_VERSION}, bits=64, pid={pid}, just started"
            ),
        );
        if self.has_arguments {
            log.write(Level::Warning, "Configuration loaded");
        } else {
            let text = format!(
                "Warning: no config file specified, using the default config. In order to specify a config file use {} \
                 /path/to/redis.conf",
                self.called_as
            );
            log.write(Level::Warning, &text);
        }
    }

    /// `maxclients` needs open files: the limit is raised, or fewer clients are let in.
    fn limit_clients(&mut self) -> Result<(), Trouble> {
        let clients = self.config.count(id::MAXCLIENTS);
        let wanted = clients + u64::from(OWN_FILES);
        let before = os::open_files();
        let allowed = os::raise_open_files(wanted);
        if allowed >= wanted {
            if before < wanted {
                let text = format!(
                    "Increased maximum number of open files to {wanted} (it was originally set to {before})."
                );
                self.log.write(Level::Notice, &text);
            }
            return Ok(());
        }
        let fewer = allowed.saturating_sub(OWN_FILES.into());
        if fewer == 0 {
            return Err(Trouble::Start(format!(
                "Your current 'ulimit -n' of {allowed} is not enough for the server to start. Please increase your open \
                 file limit to at least {wanted}. Exiting."
            )));
        }
        for text in [
            format!(
                "You requested maxclients of {clients} requiring at least {wanted} max file descriptors."
            ),
            format!(
                "Server can't set maximum open files to {wanted} because of OS error: Operation not permitted."
            ),
            format!(
                "Current maximum open files is {allowed}. maxclients has been reduced to {fewer} to compensate for low \
                 ulimit. If you need higher maxclients increase 'ulimit -n'."
            ),
        ] {
            self.log.write(Level::Warning, &text);
        }
        self.config.put_integer(id::MAXCLIENTS, i64::try_from(fewer).unwrap_or(i64::MAX));
        Ok(())
    }

    fn host(&self, dir: PathBuf) -> Result<HostConfig, Trouble> {
        let config = &self.config;
        Ok(HostConfig {
            listeners: listeners(config)?,
            dir,
            log: self.log.clone(),
            connections_max: u32::try_from(config.count(id::MAXCLIENTS))
                .unwrap_or(u32::MAX)
                .saturating_add(OWN_CONNECTIONS),
            tcp_keepalive_seconds: u32::try_from(config.count(id::TCP_KEEPALIVE)).unwrap_or(0),
            limits: limits(config),
            allocator: allocator::allocator(),
            config_file: self.file.clone(),
            tells_systemd: self.tells_systemd,
            title: self.title.clone(),
            ..HostConfig::default()
        })
    }

    /// A process in the background has a pid file, and any other that asks for one. A failure is told and is no reason not
    /// to serve.
    fn write_pid_file(&self, pid: u32) -> Option<PathBuf> {
        let path = match self.config.text(id::PIDFILE) {
            [] if self.is_daemon => Path::new("/var/run/redis.pid"),
            [] => return None,
            path => Path::new(std::ffi::OsStr::from_bytes(path)),
        };
        // `dir` may change while the process runs.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        match std::fs::write(&path, format!("{pid}\n")) {
            Ok(()) => Some(path),
            Err(error) => {
                let text = format!("Can't write the pid file {}: {}", path.display(), plain(&error));
                self.log.write(Level::Warning, &text);
                None
            }
        }
    }

    fn tell_of_the_start(&self, pid: u32) {
        let (config, log) = (&self.config, &self.log);
        let mode = if config.yes(id::CLUSTER_ENABLED) { "cluster" } else { "standalone" };
        log.write(Level::Notice, &format!("Running mode={mode}, port={}.", config.port(id::PORT)));
        log.write(Level::Notice, &format!(" PID: {pid}"));
        checks::warn_of_backlog(log, config.count(id::TCP_BACKLOG));
        if let Some(text) = config.warning() {
            log.write(Level::Warning, &text);
        }
        log.write(Level::Warning, "Server initialized");
        checks::warn(log);
    }
}

/// A panic is a bug of ours: it goes to the log, where an operator looks, and ends the process with the crash report.
fn report_panics(log: LogConfig, exits: bool) {
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let what = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        log.write(Level::Warning, "=== ASSERTION FAILED ===");
        log.write(Level::Warning, &format!("==> {} '{what}' is not true", place.unwrap_or_default()));
        if exits {
            // `use-exit-on-panic`: no signal and no core, for those who run under a memory checker.
            std::process::exit(1);
        }
        std::process::abort();
    }));
}

/// The system's own words, without the number that the standard library adds.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// What INFO says of this process.
fn identity(pid: u32, config_file: String, called_as: String) -> Identity {
    let system = rustix::system::uname();
    let words = [system.sysname(), system.release(), system.machine()]
        .map(|word| word.to_string_lossy().into_owned());
    let executable = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    Identity { process_id: pid, os: words.join(" "), executable, config_file, called_as }
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

fn cannot_start(error: &HostError, clients: u16) -> String {
    match error {
        HostError::Listen { at: at @ ListenAt::Inet(_, port), source } => {
            let what = if *port == clients { "TCP" } else { "cluster" };
            let reason = plain(source);
            format!(
                "Warning: Could not create server TCP listening socket {at}: bind: {reason}\n\
                 Failed listening on port {port} ({what}), aborting."
            )
        }
        HostError::Listen { at: ListenAt::Unix { path, .. }, source } => {
            format!("Failed opening Unix socket: bind: {}: {}", path.display(), plain(source))
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
    let syslog = config.yes(id::SYSLOG_ENABLED).then(|| Syslog {
        facility: match config.choice(id::SYSLOG_FACILITY) {
            // The numbers of RFC 3164.
            "user" => 1,
            local => 16 + local.bytes().next_back().map_or(0, |digit| digit - b'0'),
        },
        ident: String::from_utf8_lossy(config.text(id::SYSLOG_IDENT)).into_owned(),
    });
    LogConfig { level, target, syslog, ..LogConfig::default() }
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
    let words: Vec<String> =
        config.words(id::BIND).iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let add = |found: &mut Vec<ListenerConfig>, kind, port| -> Result<(), Trouble> {
        for (at, is_optional) in os::bind_addresses(&words).map_err(Trouble::Start)? {
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
