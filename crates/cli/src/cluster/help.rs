//! What there is: the subcommands, their arguments and options. One table for the checks and for `help`.

use std::fmt::Write;

/// How many arguments a subcommand takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Any number.
    Any,
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
}

impl Count {
    /// Is `count` right?
    pub fn takes(self, count: usize) -> bool {
        match self {
            Count::Any => true,
            Count::Exactly(wanted) => count == wanted,
            Count::AtLeast(wanted) => count >= wanted,
        }
    }
}

/// One subcommand.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, for redis-cli.
    pub count: Count,
    args: &'static str,
    /// Its options without `--cluster-`, with `<arg>` if they take a value.
    options: &'static [&'static str],
    /// The options that redis-trib knows, without `--`.
    pub old_options: &'static [&'static str],
    /// Its arguments, for redis-trib.
    pub old_count: Count,
    old_args: &'static str,
}

const ANY_NODE: &str = "<host:port> or <host> <port> - separated by either colon or space";

const fn row(name: &'static str, count: Count, args: &'static str, options: &'static [&'static str]) -> Row {
    Row { name, count, args, options, old_options: &[], old_count: count, old_args: args }
}

const fn old(mut row: Row, count: Count, args: &'static str, options: &'static [&'static str]) -> Row {
    (row.old_count, row.old_args, row.old_options) = (count, args, options);
    row
}

/// All subcommands, in the order in which they are listed.
pub const ROWS: &[Row] = &[
    old(
        row("create", Count::AtLeast(2), "host1:port1 ... hostN:portN", &["replicas <arg>"]),
        Count::AtLeast(1),
        "host1:port1 ... hostN:portN",
        &["replicas <arg>"],
    ),
    old(
        row("check", Count::AtLeast(1), ANY_NODE, &["search-multiple-owners"]),
        Count::Exactly(1),
        "host:port",
        &[],
    ),
    old(row("info", Count::AtLeast(1), ANY_NODE, &[]), Count::Exactly(1), "host:port", &[]),
    old(
        row("fix", Count::AtLeast(1), ANY_NODE, &["search-multiple-owners", "fix-with-unreachable-masters"]),
        Count::Exactly(1),
        "host:port",
        &["timeout <arg>"],
    ),
    old(
        row(
            "reshard",
            Count::AtLeast(1),
            ANY_NODE,
            &["from <arg>", "to <arg>", "slots <arg>", "yes", "timeout <arg>", "pipeline <arg>", "replace"],
        ),
        Count::Exactly(1),
        "host:port",
        &["from <arg>", "to <arg>", "slots <arg>", "yes", "timeout <arg>", "pipeline <arg>"],
    ),
    old(
        row(
            "rebalance",
            Count::AtLeast(1),
            ANY_NODE,
            &[
                "weight <node1=w1...nodeN=wN>",
                "use-empty-masters",
                "timeout <arg>",
                "simulate",
                "pipeline <arg>",
                "threshold <arg>",
                "replace",
            ],
        ),
        Count::AtLeast(1),
        "host:port",
        &[
            "weight <arg>",
            "use-empty-masters",
            "timeout <arg>",
            "simulate",
            "pipeline <arg>",
            "threshold <arg>",
        ],
    ),
    old(
        row(
            "add-node",
            Count::Exactly(2),
            "new_host:new_port existing_host:existing_port",
            &["slave", "master-id <arg>"],
        ),
        Count::Exactly(2),
        "new_host:new_port existing_host:existing_port",
        &["slave", "master-id <arg>"],
    ),
    row("del-node", Count::Exactly(2), "host:port node_id", &[]),
    row("call", Count::AtLeast(2), "host:port command arg arg .. arg", &["only-masters", "only-replicas"]),
    row("set-timeout", Count::Exactly(2), "host:port milliseconds", &[]),
    old(
        row(
            "import",
            Count::Exactly(1),
            "host:port",
            &["from <arg>", "from-user <arg>", "from-pass <arg>", "from-askpass", "copy", "replace"],
        ),
        Count::Exactly(1),
        "host:port",
        &["from <arg>", "copy", "replace"],
    ),
    old(row("backup", Count::Exactly(2), "host:port backup_directory", &[]), Count::Any, "", &[]),
    old(row("help", Count::Any, "", &[]), Count::Any, "(show this help)", &[]),
];

/// redis-trib has no backup.
pub const NEW_ONLY: &str = "backup";

/// The text of `--cluster help`.
pub fn text() -> String {
    let mut text = String::from("Cluster Manager Commands:\n");
    for row in ROWS {
        add(&mut text, format_args!("  {:<15}{}\n", row.name, row.args));
        for option in row.options {
            add(&mut text, format_args!("{:17}--cluster-{option}\n", ""));
        }
    }
    text.push_str(
        "\nWhere one host and port are asked for, any node of the cluster that answers will do: the others are found \
         through it.\n\nCluster Manager Options:\n",
    );
    add(&mut text, format_args!("  {:<15}{}\n\n", "--cluster-yes", "Ask nothing: every answer is yes"));
    text
}

/// The text of `redis-trib.rb help`.
pub fn old_text() -> String {
    let mut text = String::from("Usage: redis-trib <command> <options> <arguments ...>\n\n");
    for row in ROWS.iter().filter(|row| row.name != NEW_ONLY) {
        add(&mut text, format_args!("  {:<15} {}\n", row.name, row.old_args));
        for option in row.old_options {
            add(&mut text, format_args!("{:18}--{option}\n", ""));
        }
    }
    text.push_str(
        "\nWhere one host and port are asked for, any node of the cluster that answers will do: the others are found \
         through it.\n",
    );
    text
}

fn add(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_option_is_one_that_is_read() {
        use super::super::settings::Settings;
        for row in ROWS {
            for option in row.options.iter().chain(row.old_options) {
                let (name, value) = option.split_once(' ').unwrap_or((option, ""));
                let mut settings = Settings::default();
                let is_read = match (name, value) {
                    ("weight", _) => true,
                    (_, "") => settings.switch(name),
                    _ => settings.set(name, "1"),
                };
                assert!(is_read, "{} {option}", row.name);
            }
        }
    }
}
