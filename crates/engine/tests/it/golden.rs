//! The command table against COMMAND INFO and COMMAND DOCS of a real Redis 7.0.15.

use base::{Now, Random};
use engine::{Engine, Row};
use spec::Config;
use spec::command::{Begin, Find};

/// One line for each command of the original, as it describes it: full name, arity, flags, old key places,
/// ACL categories, tips, key specifications, since, group.
const ORIGINAL: &str = include_str!("../golden/commands-7.0.15.txt");

/// Commands of Redis 7.2 that 7.0 does not have.
/// ZRANK and ZREVRANK take one more argument there.
const NEWER: [&str; 12] = [
    "waitaof",
    "commandlog",
    "commandlog|get",
    "commandlog|len",
    "commandlog|reset",
    "commandlog|help",
    "zrank",
    "zrevrank",
    "client|no-touch",
    "client|setinfo",
    "cluster|myshardid",
    "cluster|slot-stats",
];

/// Commands that Redis 7.2 does not have either.
const NEW: [&str; 19] = [
    "client|capa",
    "client|import-source",
    "clusterscan",
    "delifeq",
    "delex",
    "digest",
    "msetex",
    "hexpire",
    "hpexpire",
    "hexpireat",
    "hpexpireat",
    "httl",
    "hpttl",
    "hexpiretime",
    "hpexpiretime",
    "hpersist",
    "hgetex",
    "hsetex",
    "hgetdel",
];

/// Commands that take more than those of 7.2.
const EXTENDED: [&str; 3] = ["bitop", "set", "hscan"];

/// Summaries are our own words and complexities are cut to their formula: neither is compared. The remark in the
/// key specification of SET is our own too.
fn described(row: &Row) -> String {
    let spec = row.spec();
    let list = |names: Vec<&str>| names.join(",");
    let (first, last, step) = spec.keys.legacy();
    let keys: Vec<String> = spec
        .keys
        .specs()
        .map(|keys| {
            let begin = match keys.begin {
                Begin::Index(at) => format!("index:{at}"),
                Begin::Keyword { word, from } => format!("keyword:{word},{from}"),
                Begin::Unknown => "unknown:".to_string(),
            };
            let find = match keys.find {
                Find::Range { last, step, limit } => format!("range:{last},{step},{limit}"),
                Find::Counted { count_at, first, step } => format!("keynum:{count_at},{first},{step}"),
                Find::Unknown => "unknown:".to_string(),
            };
            let flags: Vec<&str> = keys.access.names().collect();
            format!("{} {begin} {find}", flags.join("+"))
        })
        .collect();
    [
        row.full_name.to_string(),
        spec.arity.wire().to_string(),
        list(spec.flags.names().collect()),
        format!("{first} {last} {step}"),
        list(spec.acl_all().names().collect()),
        spec.tips.join(","),
        keys.join("; "),
        spec.since.to_string(),
        spec.group.to_string(),
    ]
    .join(" | ")
}

#[test]
fn the_table_is_that_of_the_original() {
    let engine = Engine::new(Config::new(), Random::new(1), false, Now::default());
    let is_newer = |name: &str| NEWER.contains(&name) || NEW.contains(&name);
    let known = engine.table().rows().iter().filter(|row| !is_newer(&row.full_name));
    let differences: Vec<(String, Option<&str>)> = known
        .map(|row| {
            let start = format!("{} | ", row.full_name);
            (described(row), ORIGINAL.lines().find(|line| line.starts_with(&start)))
        })
        .filter(|(ours, theirs)| Some(ours.as_str()) != *theirs)
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_command_is_documented() {
    let engine = Engine::new(Config::new(), Random::new(1), false, Now::default());
    for row in engine.table().rows() {
        let spec = row.spec();
        assert!(spec.summary.ends_with('.') && spec.summary.len() > 8, "{}", row.full_name);
        assert!(spec.cost.starts_with("O("), "{}", row.full_name);
        let has_args = !spec::syntax::parse_text(spec.syntax).is_empty();
        assert_eq!(has_args, !spec.syntax.is_empty(), "{}", row.full_name);
    }
}

#[test]
fn the_syntax_is_that_of_the_catalogue() {
    let engine = Engine::new(Config::new(), Random::new(1), false, Now::default());
    let usage = |syntax: &str| spec::hint::usage(&spec::syntax::parse_text(syntax));
    let differing: Vec<(String, String, String)> = engine
        .table()
        .rows()
        .iter()
        .filter(|row| !EXTENDED.contains(&&*row.full_name))
        .filter_map(|row| {
            let listed = spec::catalogue::find(&row.full_name)?;
            let (ours, theirs) = (row.spec().syntax, listed.syntax(spec::catalogue::Dialect::Redis));
            (usage(ours) != usage(theirs)).then(|| (row.full_name.to_string(), ours.into(), theirs.into()))
        })
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}
