//! redis-trib.rb's syntax: `redis-trib.rb create --replicas 1 host:port ...`. Options stand before the arguments.
//!
//! `redan cluster` takes it too, and redis-cli's options (`--cluster-...`, anywhere) as well: the old tool had none of them.

use super::group::Group;
use super::help::{NEW_ONLY, ROWS, old_text};
use super::node::Login;
use super::screen::{Dialect, Screen};
use super::settings::Settings;
use crate::options::Options;

/// Runs the words behind the program's name; the result is the exit code.
pub fn run(raw: &[Vec<u8>]) -> u8 {
    let words: Vec<String> = raw.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if words.iter().any(|word| word.starts_with("--cluster-")) {
        return super::run(raw, &Options::default());
    }
    let screen = Screen::new(Dialect::Trib);
    if matches!(words.first().map(String::as_str), Some("--help" | "-h")) {
        screen.put(old_text());
        return 0;
    }
    let Some(name) = words.first().map(|word| word.to_ascii_lowercase()) else {
        screen.put(old_text());
        return 1;
    };
    let Some(row) = ROWS.iter().find(|row| row.name == name && row.name != NEW_ONLY) else {
        screen.line(format!("Unknown redis-trib subcommand '{}'", words[0]));
        return 1;
    };
    let (settings, is_verbose, taken) = match options(&name, row.old_options, &words[1..]) {
        Ok(parsed) => parsed,
        Err(text) => {
            screen.line(text);
            return 1;
        }
    };
    if name == "import" && settings.from.is_none() {
        screen.line("Option '--from' is required for subcommand 'import'");
        return 1;
    }
    let args = &words[1 + taken..];
    if !row.old_count.takes(args.len()) {
        screen.bad("[ERR] Wrong number of arguments for specified sub command");
        return 1;
    }
    if name == "help" {
        screen.put(old_text());
        return 0;
    }
    let mut group = Group::new(Dialect::Trib, settings, Login::default());
    group.is_verbose = is_verbose;
    super::dispatch(&mut group, &name, args, &raw[1 + taken..])
}

/// The options at the start of `words`: settings, `--verbose`, and how many words they are.
fn options(name: &str, known: &[&str], words: &[String]) -> Result<(Settings, bool, usize), String> {
    let (mut settings, mut is_verbose, mut at) = (Settings::default(), false, 0);
    while let Some(option) = words.get(at).and_then(|word| word.strip_prefix("--")) {
        at += 1;
        if option == "verbose" {
            is_verbose = true;
            continue;
        }
        let Some(known) = known.iter().find(|known| known.split(' ').next() == Some(option)) else {
            return Err(format!("Unknown option '{option}' for command '{name}'"));
        };
        if !known.contains(' ') {
            settings.switch(option);
            continue;
        }
        let value = words.get(at).ok_or_else(|| format!("Option '--{option}' needs a value"))?;
        at += 1;
        match option {
            "weight" => settings.weights.push(value.clone()),
            _ => {
                settings.set(option, value);
            }
        }
    }
    Ok((settings, is_verbose, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, line: &str) -> Result<(Settings, bool, usize), String> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        options(name, row.old_options, &words)
    }

    #[test]
    fn options_stand_before_the_arguments() {
        let (settings, _, taken) = parse("create", "--replicas 2 a:1 b:2").unwrap();
        assert_eq!((settings.replicas, taken), (2, 2));
        let (settings, verbose, taken) =
            parse("rebalance", "--weight a=2 --verbose --weight b=1 h:1").unwrap();
        assert_eq!((settings.weights, verbose, taken), (vec!["a=2".into(), "b=1".into()], true, 5));
        let (settings, _, taken) = parse("add-node", "--slave --master-id x n:1 e:2").unwrap();
        assert_eq!((settings.as_replica, settings.primary_id.as_deref(), taken), (true, Some("x"), 3));
    }

    #[test]
    fn what_a_command_does_not_know_is_refused() {
        assert_eq!(
            parse("check", "--replicas 1").unwrap_err(),
            "Unknown option 'replicas' for command 'check'"
        );
        assert!(parse("create", "--replicas").is_err());
    }
}
