//! Eviction: what goes under `maxmemory`, in which order, and what is said of it.

use crate::world::World;

/// Bytes that count, as INFO says them.
fn used(world: &mut World) -> u64 {
    world.engine.shared.keyspace.used_bytes()
}

/// A world whose data may grow by `room` bytes from here on.
fn limited(policy: &str, prepare: &str, room: u64) -> World {
    let mut world = World::with(&format!("maxmemory-policy {policy}\nmaxmemory-samples 10"), false);
    world.ask("ping");
    world.ask(prepare);
    let clients = 8 << 10;
    let limit = used(&mut world) + clients + room;
    world.ask(&format!("config set maxmemory {limit}"));
    world
}

fn script(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_policy_keeps_to_the_limit() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl"] {
        let mut world = limited(policy, "", 100 << 10);
        for part in 0..20 {
            let value = "v".repeat(100);
            world.ask(&script(200, |at| format!("set key:{part}:{at} {value} ex {}", 100 + at)));
        }
        let evicted = world.engine.shared.keyspace.len(0);
        assert!((200..3_000).contains(&evicted), "{policy}: {evicted} keys are left");
        assert!(used(&mut world) < 200 << 10, "{policy}");
        assert!(world.ask("info stats").contains("evicted_keys:"), "{policy}");
    }
}

#[test]
fn only_keys_with_a_deadline_go_where_the_policy_says_so() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let mut world = limited(policy, &script(50, |at| format!("set stays:{at} x")), 40 << 10);
        let value = "v".repeat(400);
        world.ask(&script(400, |at| format!("setex goes:{at} 1000 {value}")));
        assert_eq!(world.ask("exists stays:0 stays:7 stays:49"), ":3", "{policy}");
        assert!(world.engine.shared.keyspace.len(0) < 300, "{policy}");
        world.ask("flushall");
        let replies = world.ask(&script(400, |at| format!("set stays:{at} {value}")));
        assert!(replies.contains("-OOM command not allowed when used memory > 'maxmemory'."), "{policy}");
    }
}

#[test]
fn without_eviction_what_needs_memory_is_refused() {
    let mut world = World::new();
    world.ask("set a 1\n config set maxmemory 1");
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(world.ask("set b 1"), oom);
    assert_eq!(world.ask("get a\n del a"), "$1 1 :1");
    // Whatever is queued takes memory; EXEC goes by what is queued.
    assert_eq!(world.ask("multi\n get a\n discard"), format!("+OK {oom} +OK"));
    world.ask("config set maxmemory 0");
    assert_eq!(world.ask("multi\n set b 1"), "+OK +QUEUED");
    world.send(2, "config set maxmemory 1");
    world.turn();
    assert_eq!(
        world.ask("exec"),
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."
    );
}

#[test]
fn the_time_over_the_limit_is_told() {
    let mut world = World::new();
    let times = |world: &mut World| {
        world.tick();
        let info = world.ask("info stats");
        ["total", "current"].map(|which| {
            let name = format!("{which}_eviction_exceeded_time:");
            let (_, rest) = info.split_once(&name).unwrap();
            rest.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        })
    };
    world.ask("set a 1");
    assert_eq!(times(&mut world), [0, 0]);
    world.ask("config set maxmemory 1");
    assert_eq!(times(&mut world), [0, 0]);
    world.wait(500);
    assert_eq!(times(&mut world), [500, 500]);
    world.ask("config set maxmemory 0");
    assert_eq!(times(&mut world), [500, 0]);
    world.ask("config set maxmemory 1");
    assert_eq!(times(&mut world), [500, 0]);
    world.wait(200);
    assert_eq!(times(&mut world), [700, 200]);
}

#[test]
fn the_ones_used_least_go_first() {
    let value = "v".repeat(500);
    let prepare = script(100, |at| format!("set old:{at} {value}"));
    let mut world = limited("allkeys-lru", &prepare, 10 << 10);
    world.wait(10_000);
    world.ask(&script(60, |at| format!("set new:{at} {value}")));
    let new = world.ask("keys new:*");
    assert_eq!(new.split(' ').next(), Some("*60"));

    let mut world = limited("allkeys-lfu", &prepare, 10 << 10);
    for _ in 0..20 {
        world.ask(&script(50, |at| format!("get old:{at}")));
    }
    world.ask(&script(60, |at| format!("set new:{at} {value}")));
    let used: Vec<String> = (0..50).map(|at| format!("old:{at}")).collect();
    let left = world.ask(&format!("exists {}", used.join(" ")));
    assert_eq!(left, ":50");
}

#[test]
fn the_nearest_deadline_goes_first() {
    let value = "v".repeat(500);
    let prepare = script(100, |at| format!("setex key:{at} {} {value}", 1_000 + at));
    let mut world = limited("volatile-ttl", &prepare, 4 << 10);
    world.ask(&script(40, |at| format!("setex late:{at} 9000 {value}")));
    assert_eq!(world.ask("keys late:*").split(' ').next(), Some("*40"));
    let left: u32 = (0..20).map(|at| u32::from(world.ask(&format!("exists key:{at}")) == ":1")).sum();
    assert!(left < 12, "{left} of the 20 nearest are left");
}

#[test]
fn evictions_are_told() {
    let mut world = World::with("maxmemory-policy allkeys-lru\nnotify-keyspace-events Ee", false);
    world.ask("set a 1");
    world.send(2, "subscribe __keyevent@0__:evicted");
    world.turn();
    world.read(2);
    world.send(3, "watch a");
    world.turn();
    world.fed();
    world.ask("config set maxmemory 1\n ping");
    assert_eq!(world.fed(), "*2 $3 DEL $1 a");
    assert_eq!(world.read(2), "*3 $7 message $22 __keyevent@0__:evicted $1 a");
    world.ask("config set maxmemory 0");
    world.send(3, "multi\n exec");
    world.turn();
    assert!(world.read(3).ends_with("+OK *-1"));
}

#[test]
fn a_lower_limit_is_kept_to_by_the_ticks() {
    let mut world = World::with("maxmemory-policy allkeys-random\nmaxmemory-eviction-tenacity 0", false);
    world.ask(&script(50, |at| format!("set key:{at} x")));
    world.ask("config set maxmemory 1");
    for _ in 0..60 {
        world.wait(1);
        world.tick();
    }
    assert_eq!(world.ask("dbsize"), ":0");
}

#[test]
fn a_replica_leaves_it_to_its_primary() {
    let mut world = World::with("maxmemory-policy allkeys-lru\nmaxmemory 1", false);
    world.engine.shared.standing.is_replica = true;
    world.engine.shared.standing.link_up = true;
    world.apply("set a 1").unwrap();
    assert_eq!(world.ask("get a"), "$1 1");
    world.ask("config set replica-ignore-maxmemory no");
    world.fed();
    assert_eq!(world.ask("get a"), "$-1");
    assert_eq!(world.fed(), "");
}

#[test]
fn clocks_are_times_or_counters_by_the_policy() {
    let mut world = World::with("maxmemory-policy allkeys-lfu", false);
    assert_eq!(world.ask("set a 1\n object freq a"), "+OK :5");
    assert!(world.ask("object idletime a").starts_with("-ERR An LFU maxmemory policy is selected"));
    let dump = "\"\\x00\\xc0\\x01\\x0b\\x00\\xfe\\xaf\\x8e\\xff\\xa3\\xc2\\xee\\x1c\"";
    let restored = world.ask(&format!("restore b 0 {dump} freq 100\n object freq b"));
    assert!(restored.ends_with(":100") || restored.contains("checksum"), "{restored}");
    world.ask("config set maxmemory-policy allkeys-lru\n set c 1");
    world.wait(7_000);
    assert_eq!(world.ask("object idletime c"), ":7");
    assert!(world.ask("object freq c").starts_with("-ERR An LFU maxmemory policy is not selected"));
    assert_eq!(world.ask("client no-touch on\n get c\n object idletime c"), "+OK $1 1 :7");
}

#[test]
fn small_integers_are_said_to_be_shared() {
    let mut world = World::new();
    assert_eq!(world.ask("set a 1\n object refcount a"), "+OK :2147483647");
    assert_eq!(world.ask("set b x\n object refcount b"), "+OK :1");
    world.ask("config set maxmemory 1gb maxmemory-policy allkeys-lru");
    assert_eq!(world.ask("set a 1\n object refcount a"), "+OK :1");
}

#[test]
fn clients_that_pin_most_are_closed_first() {
    let mut world = World::with("maxmemory-clients 100kb", false);
    world.ask("ping");
    for client in 2..6 {
        world.send(client, "ping");
    }
    world.turn();
    let unframed = |world: &mut World, client: u32, bytes: usize| {
        let conn = machine::ConnId::inbound(client, 0);
        world.engine.on_unframed(conn, bytes, bytes);
    };
    unframed(&mut world, 2, 40 << 10);
    unframed(&mut world, 3, 30 << 10);
    world.turn();
    assert!(world.closed.is_empty());
    unframed(&mut world, 4, 50 << 10);
    world.turn();
    assert_eq!(world.closed, [4]);
    assert!(world.ask("info stats").contains("evicted_clients:1 "));
    // One that is exempt counts and stays.
    world.send(5, "client no-evict on");
    world.turn();
    unframed(&mut world, 5, 80 << 10);
    world.turn();
    assert_eq!(world.closed, [4, 2, 3]);
}

#[test]
fn names_and_queued_requests_count_as_a_client_s_memory() {
    let long = "x".repeat(3_000);
    for line in
        ["subscribe {}", "psubscribe {}", "ssubscribe {}", "watch {}", "client tracking on bcast prefix {}"]
    {
        let mut world = World::with("maxmemory-clients 100kb", false);
        world.send(1, "hello 3");
        world.turn();
        for at in 0..60 {
            if world.closed.is_empty() {
                world.send(1, &line.replace("{}", &format!("{at:03}{long}")));
                world.turn();
            }
        }
        assert_eq!(world.closed, [1], "{line}");
    }
    let mut world = World::with("maxmemory-clients 100kb", false);
    world.ask("multi");
    for _ in 0..60 {
        if world.closed.is_empty() {
            world.send(1, &format!("set a {long}"));
            world.turn();
        }
    }
    assert_eq!(world.closed, [1]);
}
