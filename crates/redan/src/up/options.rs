//! The options of `redan up`.

use clap::{Arg, Command, value_parser};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the nodes keep their files: one folder a node, named by its port.
    pub dir: PathBuf,
    /// Primaries: shards of the key space.
    pub primaries: u16,
    /// Replicas of each primary.
    pub replicas: u16,
    /// The first node's port; the others follow. The bus of each is on port + 10000.
    pub port: u16,
    /// The address that all nodes listen on.
    pub bind: IpAddr,
    /// `cluster-node-timeout`, in ms.
    pub node_timeout_ms: u64,
    /// A dead node is started again only after so long; zero is at once.
    pub restart_delay: Duration,
    /// Lines instead of a screen, on a terminal as well.
    pub plain: bool,
}

impl Options {
    /// How many nodes there are.
    pub fn nodes(&self) -> u16 {
        self.primaries * (self.replicas + 1)
    }
}

fn command() -> Command {
    let number = |name: &'static str, default: &'static str| {
        Arg::new(name).long(name).default_value(default).value_name("N")
    };
    Command::new("redan up")
        .about("Starts a highly available Redis Cluster on this machine and keeps it running.")
        .after_help(
            "Nodes 1..P are the first primaries, the next ones their replicas, round and round. The data\n\
             directory is kept: a second start finds the cluster as it was. Ctrl-C or SIGTERM stops all nodes.\n\
             On a terminal a live display shows the nodes; its keys kill, restart and fail over a node.\n\
             If this program itself is killed, the nodes go on; start it again and it takes them over.\n\n\
             examples:\n  redan up\n  redan up --dir /var/lib/redan --port 9001 --replicas 2\n  \
             redis-cli -c -p 7001 set greeting hello",
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .default_value("redan-data")
                .value_parser(value_parser!(PathBuf))
                .value_name("DIR")
                .help("data directory, made if missing"),
        )
        .arg(number("primaries", "3").value_parser(value_parser!(u16).range(3..=100)).help("primaries, at least 3"))
        .arg(number("replicas", "1").value_parser(value_parser!(u16).range(0..=9)).help("replicas of each primary"))
        .arg(
            number("port", "7001")
                .value_parser(value_parser!(u16).range(1024..=50_000))
                .help("port of the first node; the bus is 10000 higher"),
        )
        .arg(
            Arg::new("bind")
                .long("bind")
                .default_value("127.0.0.1")
                .value_parser(value_parser!(IpAddr))
                .value_name("ADDRESS")
                .help("address to listen on, which the nodes also tell each other"),
        )
        .arg(
            number("node-timeout", "2000")
                .value_parser(value_parser!(u64).range(100..=600_000))
                .value_name("MS")
                .help("silence after which a node counts as failed"),
        )
        .arg(
            number("restart-delay", "0")
                .value_parser(value_parser!(u64).range(0..=3_600_000))
                .value_name("MS")
                .help("wait so long before a dead node is started again"),
        )
        .arg(
            Arg::new("plain")
                .long("plain")
                .action(clap::ArgAction::SetTrue)
                .help("status lines instead of the live display on a terminal"),
        )
}

/// Reads the arguments; help and errors come back as clap's own report.
pub fn parse(args: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("redan up");
    let matches = command().try_get_matches_from(std::iter::once(&name).chain(args))?;
    let options = Options {
        dir: matches.get_one::<PathBuf>("dir").expect("has a default").clone(),
        primaries: *matches.get_one("primaries").expect("has a default"),
        replicas: *matches.get_one("replicas").expect("has a default"),
        port: *matches.get_one("port").expect("has a default"),
        bind: *matches.get_one("bind").expect("has a default"),
        node_timeout_ms: *matches.get_one("node-timeout").expect("has a default"),
        restart_delay: Duration::from_millis(*matches.get_one("restart-delay").expect("has a default")),
        plain: matches.get_flag("plain"),
    };
    if u32::from(options.port) + u32::from(options.nodes()) + 10_000 > 65_536 {
        return Err(command().error(
            clap::error::ErrorKind::ValueValidation,
            format!(
                "{} nodes from port {} need bus ports above 65535; choose a lower --port",
                options.nodes(),
                options.port
            ),
        ));
    }
    if options.bind.is_unspecified() {
        return Err(command().error(
            clap::error::ErrorKind::ValueValidation,
            format!(
                "the nodes tell clients and each other the address of --bind, and {} leads nowhere from another \
                 machine; choose one of this machine's own addresses",
                options.bind
            ),
        ));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Options, clap::Error> {
        parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn six_nodes_by_default() {
        let options = parse_line("").unwrap();
        assert_eq!((options.nodes(), options.port), (6, 7001));
    }

    #[test]
    fn ports_that_do_not_exist_are_refused() {
        assert!(parse_line("--port 50000 --primaries 100 --replicas 9").is_ok());
        assert!(parse_line("--port 60000").is_err());
        assert!(parse_line("--primaries 2").is_err());
    }

    #[test]
    fn an_address_that_can_not_be_told_to_others_is_refused() {
        assert!(parse_line("--bind ::1").is_ok());
        assert!(parse_line("--bind 0.0.0.0").is_err());
        assert!(parse_line("--bind ::").is_err());
    }
}
