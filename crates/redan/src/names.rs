//! The names of the applets, and the originals' names that lead to them: one table.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applet {
    /// A data node.
    Server,
    /// A whole set-up on this machine.
    Up,
    /// Symbolic links under the originals' names.
    Links,
    /// The command line client.
    Cli,
    /// The cluster manager in the old tool's syntax.
    Cluster,
    /// Copies of running nodes.
    Backup,
    /// Their way back.
    Restore,
    /// The load generator.
    Benchmark,
    /// The checker of append-only files.
    CheckAof,
    /// The checker of RDB files.
    CheckRdb,
    /// A job that is designed and not built: it is refused with its description.
    NotYet(&'static str),
}

/// One row: our word, the originals' names, the applet, and its line in the help.
struct Row {
    word: &'static str,
    aliases: &'static [&'static str],
    applet: Applet,
    about: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        word: "up",
        aliases: &[],
        applet: Applet::Up,
        about: "start a highly available cluster on this machine",
    },
    Row {
        word: "server",
        aliases: &["redis-server", "valkey-server"],
        applet: Applet::Server,
        about: "run one data node: [FILE] [--directive value ...]",
    },
    Row {
        word: "links",
        aliases: &[],
        applet: Applet::Links,
        about: "make links under the originals' names: DIR",
    },
    Row {
        word: "sentinel",
        aliases: &["redis-sentinel", "valkey-sentinel"],
        applet: Applet::NotYet("the sentinel"),
        about: "",
    },
    Row {
        word: "cli",
        aliases: &["redis-cli", "valkey-cli"],
        applet: Applet::Cli,
        about: "talk to a server: [OPTIONS] [COMMAND ...]",
    },
    Row {
        word: "cluster",
        aliases: &["redis-trib.rb"],
        applet: Applet::Cluster,
        about: "manage a cluster: create|check|reshard|... HOST:PORT ...",
    },
    Row {
        word: "benchmark",
        aliases: &["redis-benchmark", "valkey-benchmark"],
        applet: Applet::Benchmark,
        about: "measure a server: [OPTIONS] [COMMAND ...]",
    },
    Row {
        word: "backup",
        aliases: &[],
        applet: Applet::Backup,
        about: "copy a running node or cluster: --from HOST:PORT --to DIR",
    },
    Row {
        word: "restore",
        aliases: &[],
        applet: Applet::Restore,
        about: "bring a backup into any number of nodes: --from DIR --to HOST:PORT",
    },
    Row {
        word: "check-rdb",
        aliases: &["redis-check-rdb", "valkey-check-rdb"],
        applet: Applet::CheckRdb,
        about: "check an RDB file: FILE",
    },
    Row {
        word: "check-aof",
        aliases: &["redis-check-aof", "valkey-check-aof"],
        applet: Applet::CheckAof,
        about: "check or repair an append-only file: [--fix] FILE",
    },
    Row { word: "proxy", aliases: &["nutcracker"], applet: Applet::NotYet("the sharding proxy"), about: "" },
    Row {
        word: "vip",
        aliases: &["keepalived"],
        applet: Applet::NotYet("the virtual IP manager"),
        about: "",
    },
];

/// What the name and the first argument ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// An applet with its own arguments.
    Applet(Applet, &'a [OsString]),
    /// `redan`, `redan help` or `redan --help`.
    Help,
    /// `redan --version`.
    Version,
    /// A word that is none of ours.
    Unknown(String),
}

/// Chooses by the file name of `called_as`, else by the first argument.
pub fn applet<'a>(called_as: &OsStr, args: &'a [OsString]) -> Choice<'a> {
    let name = Path::new(called_as).file_name().unwrap_or(called_as).to_string_lossy();
    if let Some(row) = ROWS.iter().find(|row| row.aliases.contains(&name.as_ref())) {
        return Choice::Applet(row.applet, args);
    }
    let Some((first, rest)) = args.split_first() else { return Choice::Help };
    let word = first.to_string_lossy();
    match word.as_ref() {
        "help" | "--help" | "-h" => return Choice::Help,
        "version" | "--version" | "-V" | "-v" => return Choice::Version,
        _ => {}
    }
    match ROWS.iter().find(|row| row.word == word || row.aliases.contains(&word.as_ref())) {
        Some(row) => Choice::Applet(row.applet, rest),
        None => Choice::Unknown(word.into_owned()),
    }
}

/// Whose commands the client's own table shows: Valkey's under Valkey's name.
pub fn dialect(called_as: &OsStr) -> cli::Dialect {
    match Path::new(called_as).file_name() {
        Some(name) if name == "valkey-cli" => cli::Dialect::Valkey,
        _ => cli::Dialect::Redis,
    }
}

/// The names under which `redan links` links those applets that work.
pub fn links() -> impl Iterator<Item = &'static str> {
    let works = |row: &&Row| !matches!(row.applet, Applet::NotYet(_));
    ROWS.iter().filter(works).flat_map(|row| row.aliases.iter().copied())
}

/// The text of `redan --help`.
pub fn help() -> String {
    let mut text = String::from(
        "redan: the high-availability Redis stack as one program\n\n\
         usage: redan APPLET [ARGUMENTS]\n\napplets:\n",
    );
    for row in ROWS.iter().filter(|row| !row.about.is_empty()) {
        text.push_str(&format!("  {:<10} {}\n", row.word, row.about));
    }
    text.push_str(
        "\nexamples:\n\
         \x20 redan up                                   three primaries and three replicas on 7001-7006\n\
         \x20 redan up --primaries 3 --replicas 2 --port 9001 --dir /var/lib/redan\n\
         \x20 redan server /etc/redis/redis.conf         one node from an existing configuration\n\
         \x20 redan server --port 6380 --replicaof '127.0.0.1 6379'\n\
         \x20 redan links /usr/local/bin                 redis-server, valkey-server, ... as links\n\n\
         'redan APPLET --help' says more.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_name_of_a_link_chooses() {
        let args = words("a.conf --port 7000");
        let choice = applet(OsStr::new("/usr/bin/redis-server"), &args);
        assert_eq!(choice, Choice::Applet(Applet::Server, &args[..]));
    }

    #[test]
    fn the_first_argument_chooses() {
        let args = words("server a.conf");
        assert_eq!(applet(OsStr::new("redan"), &args), Choice::Applet(Applet::Server, &args[1..]));
        assert_eq!(applet(OsStr::new("redan"), &words("frob")), Choice::Unknown("frob".into()));
        assert_eq!(applet(OsStr::new("redan"), &[]), Choice::Help);
    }

    #[test]
    fn only_working_applets_are_linked() {
        // By kind of work: a node, a client, the old cluster tool, the load generator, and the checkers of files.
        let names = "redis-server valkey-server redis-cli valkey-cli redis-trib.rb redis-benchmark valkey-benchmark \
                     redis-check-rdb valkey-check-rdb redis-check-aof valkey-check-aof";
        assert_eq!(links().collect::<Vec<_>>(), names.split(' ').collect::<Vec<_>>());
    }
}
