//! The cluster manager: `--cluster SUBCOMMAND ...`, and redis-trib.rb's old syntax.
//!
//! ```text
//!   run, run_trib -> dispatch -> create | membership | shift | every | import | backup | check + fix
//!                                  |         (jobs: they tell what they do, and do it)
//!                                  |-- plan/*      what should go where: pure, tested alone
//!                                  |-- moving.rs   one slot from node to node
//!                                  '-- group.rs    the nodes, asked one after the other
//! ```
//!
//! What is printed, asked and answered is what redis-cli 7.0.15 prints, asks and answers, and its exit codes are the same;
//! tests/peers/test_manager.py compares both. Different on purpose:
//! - where the originals would ask for ever on an input that has ended, the job ends;
//! - a node that is taken out is never chosen as the new primary of its own replicas;
//! - ADDSLOTS or REPLICATE that a node refuses while a cluster is made is an error;
//! - lists of slots are in rising order, where the original's order is that of a hash table.

mod backup;
mod check;
mod create;
mod every;
mod fix;
mod group;
mod help;
mod import;
mod membership;
mod moving;
mod node;
mod plan;
mod screen;
mod settings;
mod shift;
pub mod slots;
mod trib;
pub mod view;
mod words;

use crate::options::Options;
use group::{Done, Failed, Group};
use node::Login;
use screen::Dialect;
use settings::Settings;
use std::io::Read;

/// Says yes to every question as `--cluster-yes` does, if it is `1`.
const YES_VARIABLE: &str = "REDISCLI_CLUSTER_YES";

/// Runs `--cluster ARGS`; the result is the exit code.
pub fn run(words: &[Vec<u8>], options: &Options) -> u8 {
    let (mut settings, mut args) = match read(words) {
        Ok(read) => read,
        Err(text) => {
            eprintln!("{text}");
            return 1;
        }
    };
    if args.is_empty() {
        eprintln!("Unknown --cluster subcommand");
        return 1;
    }
    if let Err(text) = add_input(&mut args, options) {
        eprintln!("{text}");
        return 1;
    }
    settings.yes |= std::env::var(YES_VARIABLE).is_ok_and(|value| value == "1");
    let raw = args.split_off(1);
    let name = String::from_utf8_lossy(&args[0]).into_owned();
    let args: Vec<String> = raw.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let Some(row) = help::ROWS.iter().find(|row| row.name == name) else {
        eprintln!("Unknown --cluster subcommand");
        return 1;
    };
    if !row.count.takes(args.len()) {
        eprintln!("[ERR] Wrong number of arguments for specified --cluster sub command");
        return 1;
    }
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let login =
        Login { user: options.user.as_ref().map(text), password: options.password.as_ref().map(text) };
    let mut group = Group::new(Dialect::Cli, settings, login);
    group.is_verbose = options.verbose;
    group.delimiter = options.item_delimiter.clone();
    if group.settings.from_ask_password {
        group.settings.from_password = group.screen.ask_hidden("Please input import source node password: ");
    }
    dispatch(&mut group, &name, &args, &raw)
}

/// Runs redis-trib.rb's syntax: `create --replicas 1 HOST:PORT ...`; the result is the exit code.
pub fn run_trib(args: &[Vec<u8>]) -> u8 {
    trib::run(args)
}

/// Settings, and subcommand with arguments. The arguments are one run of words: as in the original, words after options
/// count only if there were none before.
fn read(words: &[Vec<u8>]) -> Result<(Settings, Vec<Vec<u8>>), &'static str> {
    let texts: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut settings = Settings::default();
    let mut args: Vec<Vec<u8>> = Vec::new();
    let (mut at, mut is_closed) = (0, false);
    while at < words.len() {
        match settings.take(&texts[at..])? {
            0 if is_closed => at += 1,
            0 => {
                args.push(words[at].clone());
                at += 1;
            }
            taken => {
                is_closed = args.len() > 1;
                at += taken;
            }
        }
    }
    Ok((settings, args))
}

/// `-x`: standard input is the last argument; `-X tag`: it stands for the argument `tag`.
fn add_input(args: &mut Vec<Vec<u8>>, options: &Options) -> Result<(), String> {
    if !options.stdin_last && options.stdin_tag.is_none() {
        return Ok(());
    }
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).map_err(|error| error.to_string())?;
    match &options.stdin_tag {
        None => args.push(input),
        Some(tag) => match args[1..].iter_mut().find(|arg| *arg == tag) {
            Some(arg) => *arg = input,
            None => return Err("Using -X option but stdin tag not match.".into()),
        },
    }
    Ok(())
}

/// Runs one subcommand whose number of arguments is right.
fn dispatch(group: &mut Group, name: &str, args: &[String], raw: &[Vec<u8>]) -> u8 {
    let done = match name {
        "create" => create::run(group, args),
        "check" => run_check(group, args),
        "fix" => {
            group.is_fix = true;
            run_check(group, args)
        }
        "info" => load(group, args).and_then(|()| check::show_summary(group)),
        "reshard" => shift::reshard(group, args),
        "rebalance" => shift::rebalance(group, args),
        "add-node" => membership::add(group, args),
        "del-node" => membership::remove(group, args),
        "call" => every::call(group, args, raw),
        "set-timeout" => every::set_timeout(group, args),
        "import" => import::run(group, args),
        "backup" => backup::run(group, args),
        // As the original, which counts help as no success.
        _ => {
            group.screen.put(help::text());
            Err(Failed)
        }
    };
    u8::from(done.is_err())
}

fn load(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = membership::host(group, args)?;
    group.load(&host, port)
}

fn run_check(group: &mut Group, args: &[String]) -> Done {
    load(group, args)?;
    if group.is_trib() {
        // redis-trib tells what it finds and is content.
        return check::check(group, false).map(|_| ());
    }
    check::show_summary(group)?;
    if check::check(group, false)? { Ok(()) } else { Err(Failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) -> Settings {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let (settings, args) = read(&words).unwrap();
        let args: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        assert_eq!(args.join(" "), expected);
        settings
    }

    #[test]
    fn options_and_arguments_are_told_apart() {
        let settings = check("create a:1 b:2 --cluster-replicas 1 --cluster-yes", "create a:1 b:2");
        assert_eq!((settings.replicas, settings.yes), (1, true));
        check("check --cluster-search-multiple-owners a:1", "check a:1");
        check("create a:1 b:2 --cluster-yes c:3", "create a:1 b:2");
    }
}
