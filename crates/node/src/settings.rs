//! Settings: the directives of the configuration as each part wants them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::Span;
use core::net::IpAddr;
use journal::ShutdownWish;
use machine::{Address, HostSetting, Level, OomScore};
use spec::directive::id;
use spec::{Config, DirectiveId};

/// Text of a directive; bytes that are no UTF-8 were refused where names need it, and are shown replaced elsewhere.
fn text(config: &Config, directive: spec::DirectiveId) -> String {
    String::from_utf8_lossy(config.text(directive)).into_owned()
}

fn seconds(config: &Config, directive: spec::DirectiveId) -> Span {
    Span::seconds(config.count(directive))
}

pub(crate) fn is_clustered(config: &Config) -> bool {
    config.yes(id::CLUSTER_ENABLED)
}

/// The file's name within the data directory.
pub(crate) fn nodes_conf(config: &Config) -> String {
    text(config, id::CLUSTER_CONFIG_FILE)
}

pub(crate) fn replicaof(config: &Config) -> Option<Address> {
    let (host, port) = config.replicaof()?;
    primary_address(host, port.to_string().as_bytes())
}

pub(crate) fn reads_when_down(config: &Config) -> bool {
    config.yes(id::CLUSTER_ALLOW_READS_WHEN_DOWN)
}

pub(crate) fn pubsub_when_down(config: &Config) -> bool {
    config.yes(id::CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN)
}

pub(crate) fn replicas_to_write(config: &Config) -> u32 {
    u32::try_from(config.count(id::MIN_REPLICAS_TO_WRITE)).unwrap_or(u32::MAX)
}

/// An address from a host's name or number and a port.
pub(crate) fn primary_address(host: &[u8], port: &[u8]) -> Option<Address> {
    let host = core::str::from_utf8(host).ok()?;
    let port: u16 = core::str::from_utf8(port).ok()?.parse().ok()?;
    match host.parse::<IpAddr>() {
        Ok(ip) => Some(Address::Inet(ip, port)),
        Err(_) => Some(Address::Name(host.to_string(), port)),
    }
}

pub(crate) fn journal(config: &Config) -> journal::Settings {
    journal::Settings::read(config)
}

pub(crate) fn cluster(config: &Config) -> cluster::Settings {
    cluster::Settings {
        port: config.port(id::PORT),
        bus_port: config.port(id::CLUSTER_PORT),
        announce_ip: text(config, id::CLUSTER_ANNOUNCE_IP),
        announce_port: config.port(id::CLUSTER_ANNOUNCE_PORT),
        announce_tls_port: config.port(id::CLUSTER_ANNOUNCE_TLS_PORT),
        announce_hostname: text(config, id::CLUSTER_ANNOUNCE_HOSTNAME),
        announce_human_name: text(config, id::CLUSTER_ANNOUNCE_HUMAN_NODENAME),
        endpoint: match config.choice(id::CLUSTER_PREFERRED_ENDPOINT_TYPE) {
            "hostname" => cluster::EndpointType::Hostname,
            "unknown-endpoint" => cluster::EndpointType::Unknown,
            _ => cluster::EndpointType::Ip,
        },
        migration_barrier: config.count(id::CLUSTER_MIGRATION_BARRIER),
        allows_migration: config.yes(id::CLUSTER_ALLOW_REPLICA_MIGRATION),
        ban: seconds(config, id::CLUSTER_BLACKLIST_TTL),
        ping_interval: Span::ms(config.count(id::CLUSTER_PING_INTERVAL)),
        link_unsent_bytes_max: config.bytes(id::CLUSTER_LINK_SENDBUF_LIMIT),
        announce_bus_port: config.port(id::CLUSTER_ANNOUNCE_BUS_PORT),
        node_timeout: Span::ms(config.count(id::CLUSTER_NODE_TIMEOUT)),
        validity_factor: config.count(id::CLUSTER_REPLICA_VALIDITY_FACTOR),
        is_failover_off: config.yes(id::CLUSTER_REPLICA_NO_FAILOVER),
        needs_full_coverage: config.yes(id::CLUSTER_REQUIRE_FULL_COVERAGE),
        replica_ping_period: seconds(config, id::REPL_PING_REPLICA_PERIOD),
        ..cluster::Settings::default()
    }
}

/// `shutdown-on-sigterm` or `shutdown-on-sigint` as a wish.
pub(crate) fn shutdown(config: &Config, directive: DirectiveId) -> ShutdownWish {
    let words = config.printed(directive);
    let says = |word: &[u8]| words.split(|byte| *byte == b' ').any(|part| part == word);
    let save = match (says(b"save"), says(b"nosave")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    ShutdownWish { save, now: says(b"now"), force: says(b"force"), is_signal: true }
}

/// `bind-source-addr`.
pub(crate) fn source(config: &Config) -> HostSetting {
    HostSetting::Source(text(config, id::BIND_SOURCE_ADDR))
}

/// What the host applies while it runs.
pub(crate) fn host(config: &Config) -> Vec<HostSetting> {
    let level = match config.choice(id::LOGLEVEL) {
        "debug" => Level::Debug,
        "verbose" => Level::Verbose,
        "notice" => Level::Notice,
        _ => Level::Warning,
    };
    [
        HostSetting::TcpKeepalive(u32::try_from(config.count(id::TCP_KEEPALIVE)).unwrap_or(0)),
        HostSetting::LogLevel(level),
        HostSetting::CrashLog(config.yes(id::CRASH_LOG_ENABLED)),
        HostSetting::Watchdog(u32::try_from(config.count(id::WATCHDOG_PERIOD)).unwrap_or(0)),
        source(config),
    ]
    .into()
}

/// The settings of changed directives that the host can refuse, each with its directive, in the order in which they are
/// tried: what is hardest to take back comes last.
pub(crate) fn refusable(
    config: &Config,
    changed: &[DirectiveId],
    is_replica: bool,
) -> Vec<(DirectiveId, HostSetting)> {
    let first_of = |ids: &[DirectiveId]| changed.iter().copied().find(|id| ids.contains(id));
    let mut found = Vec::new();
    if let Some(id) = first_of(&[id::DIR]) {
        found.push((id, HostSetting::Dir(text(config, id::DIR))));
    }
    if let Some(id) = first_of(&[id::MAXCLIENTS]) {
        let clients = u32::try_from(config.count(id::MAXCLIENTS)).unwrap_or(u32::MAX);
        found.push((id, HostSetting::ClientsMax(clients)));
    }
    if let Some(id) = first_of(&[id::OOM_SCORE_ADJ, id::OOM_SCORE_ADJ_VALUES]) {
        found.push((id, HostSetting::OomScore(oom_score(config, is_replica))));
    }
    if let Some(id) = first_of(&[id::PORT, id::BIND]) {
        let words = config.words(id::BIND).iter().map(|word| String::from_utf8_lossy(word).into_owned());
        found.push((id, HostSetting::Listen { bind: words.collect(), port: config.port(id::PORT) }));
    }
    found
}

/// What the original answers when the host refused a setting of `directive`: its own words where it has some.
pub(crate) fn refusal_text(directive: DirectiveId, reason: &str) -> &str {
    match directive {
        id::PORT => "Unable to listen on this port. Check server logs.",
        id::BIND => "Failed to bind to specified addresses.",
        _ => reason,
    }
}

/// The score for the kernel's killer in this role.
pub(crate) fn oom_score(config: &Config, is_replica: bool) -> OomScore {
    let score = config.oom_scores()[usize::from(is_replica)];
    match config.choice(id::OOM_SCORE_ADJ) {
        "no" => OomScore::AsFound,
        "absolute" => OomScore::Absolute(score),
        _ => OomScore::Relative(score),
    }
}

/// The title of the process: `proc-title-template` filled in. `program` is the name that it was called by.
pub fn title(config: &Config, program: &str, config_file: &str) -> String {
    let port = config.port(id::PORT);
    let bind = config.words(id::BIND).first().map_or("*".into(), |word| String::from_utf8_lossy(word));
    let socket = text(config, id::UNIXSOCKET);
    let address = if port == 0 { socket.clone() } else { alloc::format!("{bind}:{port}") };
    let mode = if is_clustered(config) { "[cluster]" } else { "" };
    let value = |name: &str| match name {
        "title" => program.into(),
        "listen-addr" => address.clone(),
        "server-mode" => mode.into(),
        "port" => port.to_string(),
        "tls-port" => config.port(id::TLS_PORT).to_string(),
        "unixsocket" => socket.clone(),
        "config-file" => config_file.into(),
        // The template was checked when it was set.
        _ => String::new(),
    };
    let template = text(config, id::PROC_TITLE_TEMPLATE);
    let mut filled = String::new();
    let mut rest = template.as_str();
    while let Some((before, inner)) = rest.split_once('{') {
        filled.push_str(before);
        if let Some(behind) = inner.strip_prefix('{') {
            filled.push('{');
            rest = behind;
            continue;
        }
        let (name, behind) = inner.split_once('}').unwrap_or((inner, ""));
        filled.push_str(&value(name));
        rest = behind;
    }
    filled.push_str(rest);
    filled.trim_end().into()
}
