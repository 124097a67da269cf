//! Clients that wait for keys.

use crate::world::World;

fn world(waiting: &[(u32, &str)]) -> World {
    let mut world = World::new();
    for (client, request) in waiting {
        world.send(*client, request);
        world.turn();
        assert_eq!(world.read(*client), "", "{request}");
    }
    world.fed();
    world
}

#[test]
fn who_waits_first_is_served_first_and_after_the_push() {
    let mut world = world(&[(2, "blpop a b 0"), (3, "brpop b 0"), (4, "blpop b 0")]);
    assert_eq!(world.ask("rpush b 1 2"), ":2");
    assert_eq!(world.read(2), "*2 $1 b $1 1");
    assert_eq!(world.read(3), "*2 $1 b $1 2");
    assert_eq!(world.read(4), "");
    assert_eq!(world.fed(), "*2 $6 SELECT $1 0 *4 $5 rpush $1 b $1 1 $1 2 *2 $4 LPOP $1 b *2 $4 RPOP $1 b");
    assert_eq!(world.ask("exists b"), ":0");
}

#[test]
fn a_transaction_is_over_before_anyone_is_served() {
    let mut world = world(&[(2, "blpop a 0"), (3, "blmove c a left right 0")]);
    world.ask("multi\n lpush a 1\n del a\n exec");
    assert_eq!(world.read(2), "");
    world.ask("multi\n lpush a 1\n del a\n set a x\n exec\n del a");
    assert_eq!(world.read(2), "");
    assert_eq!(
        world.ask("multi\n blpop a 0\n blmove a b left left 0\n exec"),
        "+OK +QUEUED +QUEUED *2 *-1 $-1"
    );
    // One who is served lets another go on.
    world.ask("lpush c 7");
    assert_eq!(world.read(3), "$1 7");
    assert_eq!(world.read(2), "*2 $1 a $1 7");
}

#[test]
fn requests_behind_a_wait_run_after_it() {
    let mut world = world(&[(2, "blpop a 0\n ping\n blpop a 0\n ping")]);
    world.ask("lpush a 1\n lpush a 2");
    assert_eq!(world.read(2), "*2 $1 a $1 1 +PONG *2 $1 a $1 2 +PONG");
}

#[test]
fn the_time_of_a_wait_ends() {
    let mut world = world(&[(2, "blpop a 0.5"), (3, "blmove a b left left 1"), (4, "blmpop 2 1 a left")]);
    assert_eq!(world.engine.holds_end(), world.now.mono + base::Span::ms(500));
    world.wait(499);
    world.tick();
    assert_eq!(world.read(2), "");
    world.wait(1);
    world.tick();
    assert_eq!(world.read(2), "*-1");
    world.wait(500);
    world.tick();
    assert_eq!((world.read(3), world.read(4)), ("*-1".to_string(), String::new()));
    assert_eq!(world.ask("rpush a 1 2"), ":2");
    assert_eq!(world.read(4), "*2 $1 a *1 $1 1");
    assert_eq!(world.engine.holds_end(), base::Time::NEVER);
}

#[test]
fn a_key_becomes_ready_in_many_ways() {
    let ways =
        ["rename from k", "copy from k", "move k 0", "swapdb 0 1", "rpush other 1\n restore k 0 PAYLOAD"];
    for way in ways {
        let mut world = World::new();
        world.ask("rpush from 1\n select 1\n rpush k 1\n select 0");
        world.send(2, "blpop k 0");
        world.turn();
        // As DUMP has a list of one element `1` in Redis 7.0.
        let payload = "\"\\x12\\x01\\x02\\t\\t\\x00\\x00\\x00\\x01\\x00\\x01\\x01\\xff\\n\\x00\\x10\\x82\\x8f\\x92\\t\\xb3\\xf4F\"";
        let way = way.replace("PAYLOAD", payload);
        let move_from_there = if way.starts_with("move") { "select 1\n" } else { "" };
        world.ask(&format!("{move_from_there}{way}"));
        assert_eq!(world.read(2), "*2 $1 k $1 1", "{way}");
    }
}

#[test]
fn a_wait_ends_with_its_client() {
    let mut world = world(&[(2, "blpop a 0"), (3, "blpop a 0")]);
    world.ask("client list");
    let info = |world: &mut World| {
        let info = world.ask("info clients");
        let of = |name: &str| info.split(name).nth(1).unwrap().split(' ').next().unwrap().to_string();
        (of("blocked_clients:"), of("total_blocking_keys:"))
    };
    assert_eq!(info(&mut world), ("2".to_string(), "1".to_string()));
    let conn = machine::ConnId::inbound(2, 0);
    world.engine.on_closed(world.now, conn, &mut world.out);
    assert_eq!(info(&mut world), ("1".to_string(), "1".to_string()));
    world.ask("lpush a 1");
    assert_eq!(world.read(3), "*2 $1 a $1 1");
    assert_eq!(info(&mut world), ("0".to_string(), "0".to_string()));
}

#[test]
fn waits_end_by_command_and_by_a_change_of_role() {
    let mut world = world(&[(2, "blpop a 0"), (3, "blpop a 0"), (4, "blpop a 0")]);
    let id = |world: &mut World, client: u32| {
        let port = format!("127.0.0.1:{}", 1_000 + client);
        let list = world.ask("client list");
        let line = list.split("id=").find(|line| line.contains(&port)).unwrap().to_string();
        line.split(' ').next().unwrap().to_string()
    };
    let (two, three) = (id(&mut world, 2), id(&mut world, 3));
    assert_eq!(world.ask(&format!("client unblock {two}\n client unblock {two}")), ":1 :0");
    assert_eq!(world.read(2), "*-1");
    assert_eq!(world.ask(&format!("client unblock {three} error")), ":1");
    assert_eq!(world.read(3), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    world.engine.on_demoted();
    world.release(u64::MAX);
    assert_eq!(
        world.read(4),
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
    );
    assert_eq!(world.ask("lpush a 1\n llen a"), ":1 :1");
}

#[test]
fn who_waits_goes_on_waiting_while_writes_are_held() {
    let mut world = world(&[(2, "blpop a 0")]);
    world.ask("multi\n lpush a 1\n client pause 1000 write\n exec");
    assert_eq!(world.read(2), "");
    assert!(!world.engine.has_work());
    world.ask("client unpause");
    assert_eq!(world.read(2), "*2 $1 a $1 1");
}

#[test]
fn a_wrong_type_is_refused_when_it_is_met() {
    let mut world = world(&[(2, "blmove a b left left 0"), (3, "blpop s 0")]);
    world.ask("set b x\n set s y\n lpush a 1");
    assert_eq!(world.read(2), "-WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_eq!(world.read(3), "");
    assert_eq!(
        world.ask("llen a\n blpop s 0"),
        ":1 -WRONGTYPE Operation against a key holding the wrong kind of value"
    );
}

#[test]
fn who_wants_no_reply_gets_none() {
    let mut world = world(&[(2, "client reply off\n blpop a 0"), (3, "client reply skip\n blpop a 0")]);
    world.ask("rpush a 1 2");
    world.send(2, "client reply on");
    world.send(3, "ping");
    world.turn();
    assert_eq!((world.read(2), world.read(3)), ("+OK".to_string(), "+PONG".to_string()));
    assert_eq!(world.ask("exists a"), ":0");
}

#[test]
fn a_group_that_is_set_back_hands_out_with_the_next_entry() {
    let mut world = World::new();
    world.ask("xadd s 1-1 f v\n xadd s 2-1 f v\n xadd s 3-1 f v\n xgroup create s g $");
    world.send(2, "xreadgroup group g c block 0 streams s >");
    world.turn();
    world.ask("xgroup setid s g 0\n xdel s 3-1\n xtrim s maxlen 1");
    assert_eq!(world.read(2), "");
    world.ask("xadd s 4-1 f v");
    assert_eq!(world.read(2), "*1 *2 $1 s *2 *2 $3 2-1 *2 $1 f $1 v *2 $3 4-1 *2 $1 f $1 v");
}
