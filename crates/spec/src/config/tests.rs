//! Files, arguments, CONFIG GET and CONFIG SET: the texts are those of Redis 7.0.15.

use super::*;
use alloc::collections::BTreeMap;
use alloc::vec;

extern crate std;

fn load(text: &str, args: &[&str]) -> Result<Config, String> {
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    Config::load(text.as_bytes(), &args, &mut |_| Ok(Vec::new())).map_err(|error| format!("{error}"))
}

/// Loads `text` and `args` and compares one value.
#[track_caller]
fn loads(text: &str, args: &[&str], name: &str, expected: &str) {
    let config = load(text, args).unwrap_or_else(|error| panic!("{error}"));
    let id = DirectiveId::named(name.as_bytes()).unwrap();
    assert_eq!(String::from_utf8_lossy(&config.printed(id)), expected);
}

/// Loads `text` and `args` and compares the error behind its heading.
#[track_caller]
fn refuses(text: &str, args: &[&str], expected: &str) {
    let error = load(text, args).map(|_| ()).unwrap_err();
    let heading = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n";
    assert_eq!(error.strip_prefix(heading).expect("every error has the heading"), expected);
}

/// Sets one value and compares what CONFIG GET prints then, or the error.
#[track_caller]
fn sets(config: &mut Config, name: &str, value: &str, expected: &str) {
    let result = config.set(&[(name.as_bytes(), value.as_bytes())], true);
    let id = DirectiveId::named(name.as_bytes());
    let seen = match result {
        Ok(_) => String::from_utf8(config.printed(id.unwrap())).unwrap(),
        Err(error) => {
            let error = format!("{error}");
            let prefix = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - ");
            error.strip_prefix(&prefix).unwrap_or(&error).into()
        }
    };
    assert_eq!(seen, expected, "{name} {value}");
}

#[test]
fn lines_of_a_file_are_read() {
    loads("port 7001\n", &[], "port", "7001");
    loads("  # a comment\n\n\t\nPORT\t7001\r\nmaxclients 5", &[], "maxclients", "5");
    loads("\"port\" 7001", &[], "port", "7001");
    loads("port 7001\0 junk", &[], "port", "7001");
    loads("hz 1\nhz 2\n", &[], "hz", "2");
    loads("slave-priority 7\n", &[], "replica-priority", "7");
    loads("dir \"/var/my data\"\n", &[], "dir", "/var/my data");
    loads("bind 127.0.0.1 -::1\n", &[], "bind", "127.0.0.1 -::1");
    loads("bind\n", &[], "bind", "");
    loads("replicaof 127.0.0.1 6379\n", &[], "replicaof", "127.0.0.1 6379");
    loads("replicaof \"127.0.0.1 6379\"\n", &[], "slaveof", "127.0.0.1 6379");
    loads("replicaof no one\n", &[], "replicaof", "");
    loads("unixsocketperm 755\n", &[], "unixsocketperm", "755");
    loads("lua-replicate-commands yes\n", &[], "port", "6379");
}

#[test]
fn save_lines_add_up() {
    loads("", &[], "save", "3600 1 300 100 60 10000");
    loads("save 900 1 300 10\nsave 60 1\n", &[], "save", "900 1 300 10 60 1");
    loads("save \"900 1\"\n", &[], "save", "900 1");
    loads("save \" 900   1 \"\n", &[], "save", "900 1");
    loads("save 900 1\nsave \"\"\nsave 5 5\n", &[], "save", "5 5");
    loads("save \"\"\n", &[], "save", "");
    loads("save 900 1\n", &["--save", "5", "5"], "save", "900 1 5 5");
}

#[test]
fn thousands_of_save_lines_take_no_time() {
    let begun = std::time::Instant::now();
    let config = load(&"save 60 100 900 1\n".repeat(8_000), &[]).unwrap();
    assert_eq!(config.printed(id::SAVE).len(), 8_000 * "60 100 900 1 ".len() - 1);
    // Printing all points again with each line takes 25 s.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn output_limits_change_class_by_class() {
    let text = "client-output-buffer-limit replica 256mb 64mb 60\nclient-output-buffer-limit pubsub 1 2 3\n";
    loads(text, &[], "client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3");
}

#[test]
fn arguments_become_lines() {
    loads("port 1\n", &["--port", "7001"], "port", "7001");
    loads("", &["--port 7001", "--hz", "20"], "hz", "20");
    loads("", &["--save", "--port", "7001"], "save", "");
    loads("", &["--save", "--port", "7001"], "port", "7001");
    loads("", &["--port", "7001", "--save"], "save", "");
    loads("", &["--save", ""], "save", "");
    loads("", &["--save", "900", "1", "60", "2"], "save", "900 1 60 2");
    loads("", &["--requirepass", "a \"b\"\n"], "requirepass", "a \"b\"\n");
    loads("", &["--proc-title-template", "--my", "--port", "7001"], "port", "7001");
    loads("", &["--bind", "127.0.0.1", "::1"], "bind", "127.0.0.1 ::1");
}

#[test]
fn a_bad_line_ends_the_start() {
    let at = |number: usize, line: &str, complaint: &str| {
        format!("Reading the configuration file, at line {number}\n>>> '{line}'\n{complaint}\n")
    };
    let bad = "Bad directive or wrong number of arguments";
    refuses("port 17912\nfoo bar\n", &[], &at(2, "foo bar", bad));
    refuses(
        "port 1\n\nmaxclients abc\n",
        &[],
        &at(3, "maxclients abc", "argument couldn't be parsed into an integer"),
    );
    refuses("maxclients\n", &[], &at(1, "maxclients", "wrong number of arguments"));
    refuses("maxclients 1 2\n", &[], &at(1, "maxclients 1 2", "wrong number of arguments"));
    refuses("port \"abc\n", &[], &at(1, "port \"abc", "Unbalanced quotes in configuration line"));
    refuses("save 1\n", &[], &at(1, "save 1", "Invalid save parameters"));
    refuses(
        "sentinel monitor x\n",
        &[],
        &at(1, "sentinel monitor x", "sentinel directive while not in sentinel mode"),
    );
    refuses("replicaof a\n", &[], &at(1, "replicaof a", "wrong number of arguments"));
    refuses("replicaof a 70000\n", &[], &at(1, "replicaof a 70000", "Invalid master port"));
    refuses("replicaof \"\"\n", &[], &at(1, "replicaof \"\"", "wrong number of arguments"));
    refuses("include\n", &[], &at(1, "include", bad));
    refuses("include a b\n", &[], &at(1, "include a b", bad));
    refuses("databases 0", &[], &at(1, "databases 0", "argument must be between 1 and 2147483647 inclusive"));
    let octal = "argument couldn't be parsed as an octal number";
    refuses("unixsocketperm 999", &[], &at(1, "unixsocketperm 999", octal));
    refuses(
        "unixsocketperm 7777",
        &[],
        &at(1, "unixsocketperm 7777", "argument must be between 0 and 777 inclusive"),
    );
    refuses("dbfilename a/b", &[], &at(1, "dbfilename a/b", "dbfilename can't be a path, just a filename"));
    refuses("", &["--port", "17912", "--foo"], &at(3, "foo", bad));
    refuses("", &["--port", "17912", "bar"], &at(2, "port \"17912\" \"bar\"", "wrong number of arguments"));
    refuses("", &["--port=1"], &at(2, "port=1", bad));
    refuses("", &["-x"], &at(2, "\"-x\"", bad));
    refuses(
        "",
        &["--port", "--foo"],
        &at(2, "port \"--foo\"", "argument couldn't be parsed into an integer"),
    );
    refuses("", &["--bogus", "q\"uote"], &at(2, "bogus \"q\\\"uote\"", bad));
    refuses("port 1\n", &["--foo"], &at(3, "foo", bad));
    let whole = "replicaof directive not allowed in cluster mode\n";
    refuses("cluster-enabled yes\nreplicaof a 1\n", &[], whole);
}

#[test]
fn what_does_not_exist_yet_is_refused_by_name() {
    let at = |line: &str, complaint: &str| {
        format!("Reading the configuration file, at line 1\n>>> '{line}'\n{complaint}\n")
    };
    refuses("tls-port 1", &[], &at("tls-port 1", "redan does not support 'tls-port 1' yet"));
    refuses("user x on", &[], &at("user x on", "redan does not support 'user' yet"));
    loads("tls-cluster no\ntls-port 0\n", &[], "tls-port", "0");
    let mut config = Config::new();
    sets(&mut config, "tls-cluster", "yes", "redan does not support 'tls-cluster yes' yet");
}

#[test]
fn includes_are_asked_for() {
    let files = BTreeMap::from([
        ("a", "include b\nport 2\n"),
        ("b", "hz 50\n"),
        ("loop", "include loop\n"),
        ("bad", "\nx\n"),
    ]);
    let run = |text: &str| {
        Config::load(text.as_bytes(), &[], &mut |pattern: &[u8]| {
            let name = core::str::from_utf8(pattern).unwrap();
            files
                .get(name)
                .map(|text| vec![text.as_bytes().to_vec()])
                .ok_or_else(|| format!("no file {name}"))
        })
    };
    let config = run("port 1\ninclude a\n").unwrap();
    assert_eq!((config.port(id::PORT), config.count(id::HZ)), (2, 50));
    assert_eq!(run("include none").unwrap_err().complaint, "no file none");
    assert_eq!(run("include bad").unwrap_err().line, Some((2, "x".into())));
    assert_eq!(run("include loop").unwrap_err().complaint, "include is nested more than 16 levels deep");
}

#[test]
fn memory_has_units() {
    let config = &mut Config::new();
    let name = "client-query-buffer-limit";
    for (value, printed) in
        [("2000k", "2000000"), ("2mb", "2097152"), ("3M", "3000000"), ("1Gb", "1073741824")]
    {
        sets(config, name, value, printed);
    }
    for value in ["1tb", "-1", "2 mb", "0x1000000", "50%", "+5", "1.5gb", " 5"] {
        sets(config, name, value, "argument must be a memory value");
    }
    let bounds = "argument must be between 1048576 and 9223372036854775807 inclusive";
    sets(config, name, "1", bounds);
    sets(config, name, "99999999999999999999", bounds);
    sets(config, name, "mb", bounds);
}

#[test]
fn set_tells_what_is_wrong() {
    let config = &mut Config::new();
    sets(config, "foo", "1", "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
    sets(config, "rdbcompression", "y", "argument must be 'yes' or 'no'");
    sets(config, "rdbcompression", "NO", "no");
    sets(config, "databases", "4", "can't set immutable config");
    sets(config, "dir", "/tmp", "can't set protected config");
    let levels = "argument(s) must be one of the following: debug, verbose, notice, warning, nothing";
    sets(config, "loglevel", "x", levels);
    sets(config, "loglevel", "WARNING", "warning");
    sets(config, "timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    sets(config, "timeout", " 1", "argument couldn't be parsed into an integer");
    sets(config, "save", "3600 1 300 ", "3600 1 300 0");
    sets(config, "save", "1 0", "1 0");
    for wrong in ["3600", "0 1", "1 -1", "  1 1", "1  2", "\"3600 1\"", "1 1 x y", "1.5 1"] {
        sets(config, "save", wrong, "Invalid save parameters");
    }
    sets(config, "save", "", "");
    let limits = "client-output-buffer-limit";
    sets(config, limits, "foo 1 2 3", "Invalid client class specified in buffer limit configuration.");
    let wrong = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    sets(config, limits, "normal -1 2 3", wrong);
    sets(config, limits, "normal 1 2 -5", wrong);
    sets(config, limits, "normal 1 2", "Wrong number of arguments in buffer limit configuration.");
    sets(
        config,
        limits,
        "NORMAL 1mb 1 1",
        "normal 1048576 1 1 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    );
    sets(config, "oom-score-adj-values", "1 2", "wrong number of arguments");
    let bounds = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    sets(config, "oom-score-adj-values", "1 2 3000", bounds);
    let percentiles = "latency-tracking-info-percentiles";
    sets(config, percentiles, "50.1234567 100 0", "50.123457 100 0");
    sets(config, percentiles, "a", "Invalid latency-tracking-info-percentiles parameters");
    sets(
        config,
        percentiles,
        "101",
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    );
    let simultaneous = "shutdown options SAVE and NOSAVE can't be used simultaneously";
    sets(config, "shutdown-on-sigterm", "save nosave", simultaneous);
    sets(config, "maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
    sets(config, "maxmemory-clients", "-5%", "argument must be a memory or percent value");
    sets(config, "hz", "1000", "500");
    sets(config, "repl-backlog-size", "1", "16384");
    let letters = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    sets(config, "notify-keyspace-events", "q", letters);
}

#[test]
fn protected_directives_need_leave() {
    let set = |leave: &str, local: bool| {
        let mut config = load(&format!("enable-protected-configs {leave}\n"), &[]).unwrap();
        config.set(&[(b"dbfilename", b"x.rdb")], local).is_ok()
    };
    assert!(set("yes", false));
    assert!(set("local", true));
    assert!(!set("local", false));
    assert!(!set("no", true));
}

#[test]
fn several_values_change_together_or_not_at_all() {
    let mut config = Config::new();
    let error = config.set(&[(b"hz", b"30"), (b"timeout", b"abc")], true).unwrap_err();
    let text = "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer";
    assert_eq!(format!("{error}"), text);
    assert_eq!(config.count(id::HZ), 10);
    let error = config.set(&[(b"maxclients", b"abc"), (b"foo", b"1")], true).unwrap_err();
    assert_eq!(error, SetError::Unknown { name: "foo".into() });
    let error = config.set(&[(b"hz", b"1"), (b"HZ", b"2")], true).unwrap_err();
    // The name as it was sent, as the original says it.
    assert_eq!(error, SetError::Failed { name: "HZ".into(), complaint: "duplicate parameter".into() });
    let changed = config.set(&[(b"hz", b"30"), (b"timeout", b"0"), (b"slave-priority", b"5")], true);
    assert_eq!(changed, Ok(vec![id::HZ, id::REPLICA_PRIORITY]));
}

#[test]
fn get_matches_names() {
    let config = Config::new();
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        config.matching(&patterns).into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(&["MaxClients"]), ["MaxClients"]);
    assert_eq!(names(&["maxclients", "MAXCLIENTS", "maxcl*"]), ["maxclients"]);
    assert_eq!(names(&["slave-priority"]), ["slave-priority"]);
    assert_eq!(names(&["Slave-Prior*"]), ["slave-priority"]);
    assert_eq!(names(&["nosuch", "nosuch*"]), [""; 0]);
    assert_eq!(names(&["rdb-key-save-delay"]), ["rdb-key-save-delay"]);
    assert_eq!(names(&["rdb-key*"]), [""; 0]);
    assert!(names(&["*"]).len() > 190);
}

#[test]
fn directives_without_effect_are_named_once() {
    assert_eq!(Config::new().warning(), None);
    let warning = load("io-threads 4\nhz 20\nactivedefrag yes\n", &[]).unwrap().warning().unwrap();
    assert!(
        warning.contains("io-threads (one thread executes")
            && warning.contains("activedefrag (memory is not moved)")
    );
    assert!(!warning.contains("hz"));
}

#[test]
fn debian_configuration_loads() {
    let text = "bind 127.0.0.1 -::1\nprotected-mode yes\ntcp-backlog 511\nloglevel notice\nalways-show-logo no\n\
        proc-title-template \"{title} {listen-addr} {server-mode}\"\nrepl-diskless-load disabled\noom-score-adj no\n\
        oom-score-adj-values 0 200 800\ndisable-thp yes\nappendonly no\nappendfilename \"appendonly.aof\"\n\
        auto-aof-rewrite-min-size 64mb\nslowlog-max-len 128\nnotify-keyspace-events \"\"\nlist-max-listpack-size -2\n\
        client-output-buffer-limit replica 256mb 64mb 60\njemalloc-bg-thread yes\n\
        daemonize yes\nsupervised auto\n";
    assert_eq!(load(text, &[]).unwrap().warning(), None);
}
