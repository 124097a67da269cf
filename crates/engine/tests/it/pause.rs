//! CLIENT PAUSE: requests wait where they are.

use crate::world::World;

#[test]
fn writes_wait_and_reads_go_on() {
    let mut world = World::new();
    assert_eq!(world.ask("set a 1 px 10\n client pause 1000 write\n get a"), "+OK +OK $1 1");
    world.send(2, "get a\n publish c m\n get a");
    world.send(3, "multi\n set a 2\n exec");
    world.turn();
    assert_eq!(world.read(2), "$1 1");
    assert_eq!(world.read(3), "+OK");
    // A key that expires meanwhile is gone for readers; nothing is told to replicas before the end.
    world.fed();
    world.wait(20);
    world.tick();
    assert_eq!(world.ask("get a"), "$-1");
    assert_eq!(world.fed(), "");
    assert!(world.ask("client list").contains("flags=b"));
    assert_eq!(world.ask("client unpause"), "+OK");
    assert_eq!(world.read(2), ":0 $-1");
    assert_eq!(world.read(3), "+QUEUED *1 +OK");
}

#[test]
fn a_pause_of_all_ends_by_its_time() {
    let mut world = World::new();
    world.send(1, "client pause 1000\n ping");
    world.send(2, "get a");
    world.turn();
    assert_eq!(world.read(1), "+OK");
    assert_eq!(world.read(2), "");
    assert_eq!(world.engine.holds_end(), world.now.mono + base::Span::ms(1_000));
    world.wait(999);
    world.tick();
    world.turn();
    assert_eq!(world.read(2), "");
    world.wait(1);
    world.tick();
    world.turn();
    assert_eq!(world.read(1), "+PONG");
    assert_eq!(world.read(2), "$-1");
}

#[test]
fn a_second_pause_makes_the_first_no_milder() {
    let mut world = World::new();
    world.ask("client pause 1000 write");
    world.send(2, "client pause 10 all");
    world.send(2, "get a");
    world.turn();
    assert_eq!(world.read(2), "+OK");
    world.wait(500);
    world.tick();
    world.turn();
    assert_eq!(world.read(2), "");
}
