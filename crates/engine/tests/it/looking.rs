//! COMMANDLOG, LATENCY HISTOGRAM, MEMORY, LOLWUT, and the filters of CLIENT LIST and KILL.

use crate::world::{World, check};
use machine::{HostSetting, Output};

#[test]
fn large_requests_and_replies_are_noted() {
    let mut world = World::new();
    world.ask("config set commandlog-request-larger-than 60 commandlog-reply-larger-than 20");
    world.ask("set a 1\n set a 0123456789012345678901234567890123456789");
    world.ask("get b\n get a");
    assert_eq!(world.ask("commandlog len large-request"), ":1");
    assert_eq!(world.ask("commandlog len large-reply"), ":1");
    let entry = world.ask("commandlog get -1 large-reply");
    assert!(entry.starts_with("*1 *6 :0 :1700000000 :47 *2 $3 get $1 a"), "{entry}");
    assert_eq!(world.ask("commandlog reset large-reply\n commandlog len large-reply"), "+OK :0");
    let unknown = "-ERR type should be one of the following: slow, large-request, large-reply";
    assert_eq!(world.ask("commandlog len other"), unknown);
}

#[test]
fn histograms_count_calls() {
    let mut world = World::new();
    world.ask("config resetstat\n set a 1\n set b 1\n get a\n client id");
    let calls = |count: u32| format!("*4 $5 calls :{count} $14 histogram_usec");
    let of_set = world.ask("latency histogram set nothing");
    assert!(of_set.starts_with(&format!("*2 $3 set {}", calls(2))), "{of_set}");
    let of_client = world.ask("latency histogram client");
    assert!(of_client.starts_with(&format!("*2 $9 client|id {}", calls(1))), "{of_client}");
    world.ask("config set latency-tracking no\n config resetstat\n set a 1");
    assert_eq!(world.ask("latency histogram"), "*0");
}

#[test]
fn clients_are_found_by_what_is_known_of_them() {
    let mut world = World::new();
    world.send(2, "client setname two\n select 3");
    world.send(3, "multi");
    world.turn();
    let ids = |world: &mut World, filter: &str| -> Vec<String> {
        let list = world.ask(&format!("client list {filter}"));
        let words = list.split_whitespace().filter_map(|word| word.strip_prefix("id="));
        words.map(str::to_string).collect()
    };
    world.ask("ping");
    assert_eq!(ids(&mut world, "name two"), ["1"]);
    assert_eq!(ids(&mut world, "db 3 type normal"), ["1"]);
    assert_eq!(ids(&mut world, "flags x"), ["2"]);
    assert_eq!(ids(&mut world, "not-flags x skipme yes"), ["1"]);
    assert_eq!(ids(&mut world, "not-id 1 2"), ["3"]);
    assert_eq!(ids(&mut world, "id 1 3"), ["1", "3"]);
    assert_eq!(ids(&mut world, "ip 127.0.0.1 not-addr 127.0.0.1:1002 not-db 0"), Vec::<String>::new());
    world.wait(3_000);
    world.send(2, "ping");
    world.turn();
    assert_eq!(ids(&mut world, "idle 2"), ["2"]);
    assert_eq!(world.ask("client kill maxage 1 name two"), ":1");
    assert_eq!(world.ask("client list flags z"), "-ERR Unknown flags found in the provided filter: z");
    assert_eq!(world.ask("client kill not-id 0"), "-ERR client-id should be greater than 0");
    assert_eq!(world.ask("client list db 99"), "-ERR DB number should be between 0 and 15");
}

#[test]
fn memory_is_reported() {
    let mut world = World::new();
    let stats = world.ask("set a 1\n memory stats");
    assert!(stats.contains("$10 keys.count :1") && stats.contains("$4 db.0 *6"), "{stats}");
    check("memory purge", "+OK");
    check("memory usage nothing", "$-1");
    check("lolwut", "$17 Redis ver. 7.2.4");
    check("lolwut version 1 x", "$17 Redis ver. 7.2.4");
    check("lolwut version 5 x", "-ERR value is not an integer or out of range");
}

#[test]
fn subcommands_that_are_called_as_a_command_are_others() {
    check("multi\n latency reset\n exec", "*1 :0");
    check(
        "subscribe c\n latency reset",
        "-ERR Can't execute 'latency|reset': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    );
}

#[test]
fn a_request_without_its_keys_is_none_to_getkeys() {
    const INVALID: &str = "-ERR Invalid arguments specified for command";
    for request in ["pfmerge a", "zunionstore a 0 b", "zinter 3 a b", "sintercard -1 a", "zunion x a"] {
        check(&format!("command getkeys {request}"), INVALID);
    }
    check("command getkeys zunionstore a 2 b c", "*3 $1 a $1 b $1 c");
}

/// The value of a field of INFO.
fn field(world: &mut World, name: &str) -> String {
    let info = world.ask("info stats");
    let at = info.find(&format!(" {name}:")).expect("the field is there");
    let value = info[at..].split(':').nth(1).and_then(|rest| rest.split(' ').next());
    value.unwrap_or_default().to_string()
}

#[test]
fn the_share_of_keys_that_are_over_is_that_of_late() {
    let mut world = World::new();
    world.ask("set a 1 px 500\n set b 1 px 500\n set c 1 px 5000000\n set d 1 px 5000000\n set e 1");
    assert_eq!(field(&mut world, "expired_stale_perc"), "0.00");
    world.wait(2_000);
    world.tick();
    assert_eq!(field(&mut world, "expired_stale_perc"), "2.50", "a twentieth of a half");
    world.wait(2_000);
    world.tick();
    assert_eq!(field(&mut world, "expired_stale_perc"), "2.38");
}

#[test]
fn what_goes_over_links_has_a_rate_of_its_own() {
    let mut world = World::new();
    world.tick();
    world.engine.shared.standing.replication_bytes = [16 << 20, 32 << 20];
    world.wait(1_000);
    world.tick();
    assert_eq!(field(&mut world, "instantaneous_input_repl_kbps"), "1024.00", "one sample of 16");
    assert_eq!(field(&mut world, "instantaneous_output_repl_kbps"), "2048.00");
    assert_eq!(field(&mut world, "instantaneous_input_kbps"), "0.00");
}

/// The last portrait that was put out.
fn portrait(world: &mut World) -> (String, String) {
    let mut found = (String::new(), String::new());
    for output in world.other.drain(..) {
        if let Output::Host(HostSetting::Portrait { clients, current }) = output {
            found = (clients, current);
        }
    }
    found
}

#[test]
fn a_crash_report_shows_clients_and_hides_what_is_theirs() {
    let mut world = World::new();
    world.send(2, "client setname secret\n set key value");
    world.turn();
    world.wait(2_000);
    world.tick();
    let (clients, current) = portrait(&mut world);
    assert!(clients.contains("cmd=set ") && clients.contains("name=*redacted*"), "{clients}");
    assert!(!clients.contains("secret") && current.is_empty());
    world.ask("config set hide-user-data-from-log no");
    world.wait(2_000);
    world.tick();
    assert!(portrait(&mut world).0.contains("name=secret"));
    world.ask("config set hide-user-data-from-log yes\n debug segfault");
    let (clients, current) = portrait(&mut world);
    assert!(
        current.starts_with("id=") && current.ends_with("argc: 2\nargv[0]: \"debug\"\nargv[1]: 8 bytes\n")
    );
    assert!(clients.contains("cmd=debug ") && clients.contains("cmd=set "), "{clients}");
    world.ask("config set crash-log-enabled no");
    portrait(&mut world);
    world.wait(2_000);
    world.tick();
    assert_eq!(portrait(&mut world).0, "");
}
