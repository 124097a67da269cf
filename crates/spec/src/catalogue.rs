//! The catalogue: every command of Redis 7.2 and Valkey 9.1 with its syntax, whether our server has it or not.
//!
//! For the command line's help, completion and hints, without a server or with one that documents nothing. The server's
//! own table (`engine/src/commands`) says what it runs; where both have a command, COMMAND DOCS shows the catalogue's
//! syntax.
//!
//! The notation is that of `syntax`; an argument whose type does not follow from its name carries it: `start/s`.

use crate::command::Group;
use crate::syntax::{self, Arg};
use alloc::vec::Vec;

mod collections;
mod server;
mod streams;
mod strings;

/// Whose commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Redis 7.2.
    Redis,
    /// Valkey 9.1.
    Valkey,
}

/// One command or subcommand.
#[derive(Debug)]
pub struct Row {
    /// Lower case; a subcommand with its container: `config|get`.
    pub name: &'static str,
    /// The chapter of the documentation.
    pub group: Group,
    /// The version that brought it.
    pub since: &'static str,
    /// One sentence.
    pub summary: &'static str,
    syntax: &'static str,
    valkey: Option<&'static str>,
    is_valkey_only: bool,
}

const fn row(
    group: Group,
    name: &'static str,
    since: &'static str,
    syntax: &'static str,
    summary: &'static str,
) -> Row {
    Row { name, group, since, summary, syntax, valkey: None, is_valkey_only: false }
}

impl Row {
    /// Valkey has more arguments.
    const fn valkey(self, syntax: &'static str) -> Row {
        Row { valkey: Some(syntax), ..self }
    }

    /// Redis does not have it.
    const fn only_valkey(self) -> Row {
        Row { is_valkey_only: true, ..self }
    }

    /// Its arguments in one line.
    pub fn syntax(&self, dialect: Dialect) -> &'static str {
        match (dialect, self.valkey) {
            (Dialect::Valkey, Some(syntax)) => syntax,
            _ => self.syntax,
        }
    }

    /// Its arguments.
    pub fn args(&self, dialect: Dialect) -> Vec<Arg> {
        syntax::parse_text(self.syntax(dialect))
    }

    /// True when Redis 7.2 has it too.
    pub fn is_in_redis(&self) -> bool {
        !self.is_valkey_only
    }
}

/// All rows, chapter by chapter.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [strings::ROWS, collections::ROWS, streams::ROWS, server::ROWS].into_iter().flatten()
}

/// The row of `name`: lower case, a subcommand with its container.
pub fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::{hint, usage};
    use alloc::string::String;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let row = find(words[0]).expect("a command");
        assert_eq!(hint(&row.args(Dialect::Redis), &words[1..]), expected, "{line}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().map(|row| row.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!((names.len(), count), (399, 399));
    }

    #[test]
    fn the_usage_of_every_row_is_complete() {
        let bare = |text: &str| -> String { text.chars().filter(|c| !"[]<>| .".contains(*c)).collect() };
        for row in all() {
            for dialect in [Dialect::Redis, Dialect::Valkey] {
                let usage = usage(&row.args(dialect));
                let mut syntax: String = row.syntax(dialect).into();
                for mark in ["/s", "/i", "/d", "/k", "/p", "/u"] {
                    syntax = syntax.replace(mark, "");
                }
                // Every word is there; what may be repeated may stand twice.
                for word in syntax.split(' ').map(bare) {
                    assert!(bare(&usage).contains(&word), "{}: {usage}: {word}", row.name);
                }
                let (opened, closed) = (usage.matches('[').count(), usage.matches(']').count());
                assert_eq!(opened, closed, "{}: {usage}", row.name);
            }
        }
    }

    #[test]
    fn what_is_typed_is_not_hinted() {
        check("get", "key");
        check("get k", "");
        check("get k x", "");
        check("lpop k", "[count]");
        check("xrange k 4 2 COUNT", "count");
        check("mget k k", "[key ...]");
        check("zrandmember k 3", "[WITHSCORES]");
        check("zrandmember k x", "");
        check("config|set p v", "[parameter value ...]");
    }

    #[test]
    fn optional_arguments_come_in_any_order() {
        check("scan 2 count", "count [MATCH pattern] [TYPE type]");
        check("zrange k 1 2 limit 2 4", "[BYSCORE|BYLEX] [REV] [WITHSCORES]");
        check("set k v ex", "seconds [NX|XX] [GET]");
        check("set k v foobar", "");
        check("zadd k ch lt", "[NX|XX] [INCR] score member [score member ...]");
        check("zadd k 0", "member [score member ...]");
        check(
            "georadius k 1 2 3 m count 12 asc",
            "[WITHCOORD] [WITHDIST] [WITHHASH] [STORE key|STOREDIST key]",
        );
    }

    #[test]
    fn repetitions_keep_the_originals_bracket() {
        check("bitfield_ro k get x", "offset [GET encoding offset ...]]");
        check("bitfield_ro k get x 12", "[GET encoding offset ...]]");
    }

    #[test]
    fn an_empty_token_is_a_pair_of_quotes() {
        check(
            "migrate",
            "host port key|\"\" destination-db timeout [COPY] [REPLACE] \
             [AUTH password|AUTH2 username password] [KEYS key [key ...]]",
        );
    }
}
