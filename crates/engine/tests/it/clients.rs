//! Clients and what they see of each other.

use crate::world::World;
use machine::Output;

#[test]
fn messages_reach_subscribers() {
    let mut world = World::new();
    world.send(2, "subscribe ch");
    world.send(3, "psubscribe c*");
    world.turn();
    assert_eq!(world.read(2), "*3 $9 subscribe $2 ch :1");
    assert_eq!(world.read(3), "*3 $10 psubscribe $2 c* :1");
    assert_eq!(world.ask("publish ch hi"), ":2");
    assert_eq!(world.read(2), "*3 $7 message $2 ch $2 hi");
    assert_eq!(world.read(3), "*4 $8 pmessage $2 c* $2 ch $2 hi");
    world.send(2, "get a\n ping\n unsubscribe\n get a");
    world.turn();
    let told = world.read(2);
    assert!(told.starts_with("-ERR Can't execute 'get': only (P|S)SUBSCRIBE"), "{told}");
    assert!(told.ends_with("*2 $4 pong $0  *3 $11 unsubscribe $2 ch :0 $-1"), "{told}");
}

#[test]
fn a_password_is_asked_for() {
    let mut world = World::with("requirepass secret", false);
    assert_eq!(world.ask("get a"), "-NOAUTH Authentication required.");
    assert_eq!(world.ask("auth wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(world.ask("auth secret\n get a"), "+OK $-1");
    assert_eq!(world.ask("reset\n get a"), "+RESET -NOAUTH Authentication required.");
    assert!(world.ask("hello 3 auth default secret").starts_with("%7 $6 server $5 redis"));
}

#[test]
fn a_client_can_close_others() {
    let mut world = World::new();
    world.send(2, "ping");
    world.turn();
    assert_eq!(world.ask("client kill 127.0.0.1:1002"), "+OK");
    assert_eq!(world.closed, [2]);
    assert_eq!(world.ask("client kill 1.1.1.1:1"), "-ERR No such client");
    assert_eq!(world.ask("quit\n ping"), "+OK");
    assert_eq!(world.closed, [2, 1]);
}

#[test]
fn too_many_clients_are_told() {
    let mut world = World::with("maxclients 1", false);
    world.open(1);
    world.open(2);
    assert_eq!(world.read(2), "-ERR max number of clients reached");
    assert_eq!(world.closed, [2]);
}

#[test]
fn replies_can_be_silenced() {
    let mut world = World::new();
    assert_eq!(world.ask("client reply skip\n ping\n ping"), "+PONG");
    assert_eq!(world.ask("client reply off\n ping\n client reply on\n ping"), "+OK +PONG");
}

#[test]
fn a_blocked_client_waits_with_its_requests() {
    let mut world = World::new();
    world.send(1, "set a 1\n wait 1 0\n ping");
    world.send(2, "ping");
    world.turn();
    assert_eq!(world.read(1), "+OK");
    assert_eq!(world.read(2), "+PONG");
    assert!(world.engine.unblock(machine::ConnId::inbound(1, 0), |reply| reply.integer(1)));
    world.turn();
    assert_eq!(world.read(1), ":1 +PONG");
    assert_eq!(world.ask("multi\n wait 1 0\n exec"), "+OK +QUEUED *1 :0");
}

#[test]
fn idle_clients_are_closed() {
    let mut world = World::with("timeout 5", false);
    world.ask("ping");
    world.wait(4_000);
    world.tick();
    assert!(world.closed.is_empty());
    world.wait(3_000);
    world.tick();
    assert_eq!(world.closed, [1]);
}

#[test]
fn a_client_that_does_not_read_is_paused_and_then_closed() {
    let mut world = World::with("client-output-buffer-limit normal 33554432 0 0", false);
    world.ask("ping");
    let conn = machine::ConnId::inbound(1, 0);
    world.engine.on_unsent(world.now, conn, 20 << 20, &mut world.out);
    world.turn();
    assert!(world.other.iter().any(|output| matches!(output, Output::Pause(_))));
    world.send(1, "ping");
    world.turn();
    assert_eq!(world.read(1), "");
    world.engine.on_unsent(world.now, conn, 0, &mut world.out);
    world.turn();
    assert_eq!(world.read(1), "+PONG");
    world.engine.on_unsent(world.now, conn, 40 << 20, &mut world.out);
    world.turn();
    assert_eq!(world.closed, [1]);
}

#[test]
fn many_clients_take_turns() {
    let mut world = World::new();
    let many = "incr a\n".repeat(100);
    for client in 1..=5 {
        world.send(client, &many);
    }
    world.turn();
    world.read(1);
    assert_eq!(world.ask("get a"), "$3 500");
}

#[test]
fn a_replica_link_gets_its_answer_in_order() {
    let mut world = World::new();
    assert_eq!(world.ask("ping\n psync ? -1"), "+PONG +CONTINUE");
    assert_eq!(world.ask("get a"), "-ERR Replica can't interact with the keyspace");
}
