//! Moves: what MIGRATE sends, what waits meanwhile, and that nothing is lost when it fails.

use crate::world::World;
use machine::{ConnId, Output};
use wire::Batch;

/// The target's side of a move.
struct Target<'a>(&'a mut World);

impl Target<'_> {
    /// The connection that is being opened.
    fn dialed(&mut self) -> ConnId {
        let at = self.0.other.iter().position(|output| matches!(output, Output::Connect { .. }));
        match self.0.other.remove(at.expect("a connection is opened")) {
            Output::Connect { conn, .. } => conn,
            _ => unreachable!("the place is that of such an output"),
        }
    }

    /// Takes the connection that is being opened; returns it and what is sent on it.
    fn accept(&mut self) -> (ConnId, String) {
        let conn = self.dialed();
        self.0.engine.on_move_connected(self.0.now, conn, true, &mut self.0.dialer);
        self.0.turn();
        (conn, self.0.read(conn.index))
    }

    fn reply(&mut self, conn: ConnId, lines: &[&str]) {
        let mut batch = Batch::default();
        for line in lines {
            batch.push_arg(line.as_bytes());
            batch.end_request();
        }
        self.0.engine.on_move_batch(self.0.now, conn, batch, &mut self.0.out);
        self.0.drive();
        self.0.turn();
    }

    fn close(&mut self, conn: ConnId) {
        self.0.engine.on_move_closed(conn, &mut self.0.dialer);
        self.0.drive();
        self.0.turn();
    }
}

/// A world with a key `a` whose move has begun by client 1.
fn moving(options: &str) -> (World, ConnId) {
    let mut world = World::new();
    world.ask("set a 1\n set b 2");
    world.fed();
    assert_eq!(world.ask(&format!("migrate 127.0.0.1 7000 a 0 1000 {options}")), "");
    let (conn, request) = Target(&mut world).accept();
    assert!(request.starts_with("*2 $6 SELECT $1 0 *"), "{request}");
    assert!(request.contains("$7 RESTORE $1 a $1 0 $13"), "{request}");
    (world, conn)
}

#[test]
fn a_key_goes_when_the_target_has_it() {
    let (mut world, conn) = moving("");
    assert_eq!(world.read(1), "");
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.read(1), "+OK");
    assert_eq!(world.fed(), "*2 $3 DEL $1 a");
    assert_eq!(world.ask("exists a b"), ":1");
}

#[test]
fn a_copied_key_stays() {
    let (mut world, conn) = moving("copy replace");
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.read(1), "+OK");
    assert_eq!(world.fed(), "");
    assert_eq!(world.ask("exists a b"), ":2");
}

#[test]
fn writers_wait_and_readers_do_not() {
    let (mut world, conn) = moving("");
    for (client, script) in [(2, "incr a"), (3, "get a\n append a x"), (4, "set b 3")] {
        world.send(client, script);
    }
    world.send(5, "multi\n get b\n del a\n exec");
    world.send(6, "flushall");
    world.send(7, "multi\n get a\n exec");
    world.turn();
    assert_eq!((world.read(2), world.read(3), world.read(4)), (String::new(), "$1 1".into(), "+OK".into()));
    assert_eq!((world.read(5), world.read(6)), ("+OK +QUEUED +QUEUED".into(), String::new()));
    assert_eq!(world.read(7), "+OK +QUEUED *1 $1 1");
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    // In the order in which they came, on what the move has left.
    assert_eq!((world.read(2), world.read(3)), (":1".into(), ":2".into()));
    assert_eq!((world.read(5), world.read(6)), ("*2 $1 3 :1".into(), "+OK".into()));
}

#[test]
fn a_refusal_of_the_target_leaves_the_key() {
    let (mut world, conn) = moving("");
    world.send(2, "incr a");
    world.turn();
    Target(&mut world).reply(conn, &["+OK", "-BUSYKEY Target key name already exists."]);
    let expected = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(world.read(1), expected);
    assert_eq!(world.read(2), ":2");
}

#[test]
fn what_was_moved_before_a_refusal_is_gone() {
    let mut world = World::new();
    world.ask("mset a 1 b 2 c 3");
    world.fed();
    world.ask("migrate host 7000 \"\" 3 1000 replace auth2 user word keys a b x c");
    let (conn, request) = Target(&mut world).accept();
    assert!(request.starts_with("*3 $4 AUTH $4 user $4 word *2 $6 SELECT $1 3 *5 $7 RESTORE"), "{request}");
    Target(&mut world).reply(conn, &["+OK", "+OK", "+OK", "-ERR no", "+OK"]);
    assert_eq!(world.read(1), "-ERR Target instance replied with error: ERR no");
    assert_eq!(world.fed(), "*3 $3 DEL $1 a $1 c");
    assert_eq!(world.ask("exists a b c"), ":1");
}

#[test]
fn a_refused_password_moves_nothing() {
    let mut world = World::new();
    world.ask("set a 1\n migrate host 7000 a 0 1000 auth word");
    let (conn, _) = Target(&mut world).accept();
    Target(&mut world).reply(conn, &["-WRONGPASS no", "+OK", "+OK"]);
    assert_eq!(world.read(1), "-ERR Target instance replied with error: WRONGPASS no");
    assert_eq!(world.ask("exists a"), ":1");
}

#[test]
fn a_silent_target_is_left() {
    let (mut world, conn) = moving("");
    world.send(2, "incr a");
    world.turn();
    world.wait(999);
    world.turn();
    assert_eq!(world.read(1), "");
    world.wait(1);
    world.turn();
    assert_eq!(world.read(1), "-IOERR error or timeout reading to target instance");
    world.turn();
    assert_eq!((world.read(2), world.closed.contains(&conn.index)), (":2".into(), true));
    // A late answer changes nothing.
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.ask("get a"), "$1 2");
    Target(&mut world).close(conn);
    assert!(!world.engine.owns_move(conn));
}

#[test]
fn nobody_there() {
    let mut world = World::new();
    let refused = "-IOERR error or timeout connecting to the client";
    world.ask("set a 1\n migrate host 7000 a 0 1000");
    let conn = Target(&mut world).dialed();
    world.engine.on_move_connected(world.now, conn, false, &mut world.dialer);
    world.drive();
    world.turn();
    assert_eq!(world.read(1), refused);
    world.send(1, "migrate host 70000 a 0 1000");
    world.turn();
    world.turn();
    assert_eq!(world.read(1), "-IOERR error or timeout writing to target instance");
    assert_eq!(world.ask("migrate host 7000 nothing 0 1000\n exists a"), "+NOKEY :1");
}

#[test]
fn a_kept_connection_is_used_again_and_replaced_once() {
    let (mut world, conn) = moving("");
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.ask("migrate 127.0.0.1 7000 b 0 1000"), "+OK");
    let request = world.read(conn.index);
    assert!(request.starts_with("*4 $7 RESTORE $1 b"), "the database is selected already: {request}");
    Target(&mut world).close(conn);
    let (second, request) = Target(&mut world).accept();
    assert!(second != conn && request.starts_with("*2 $6 SELECT"), "{request}");
    assert_eq!(world.read(1), "");
    Target(&mut world).close(second);
    assert_eq!(world.read(1), "-IOERR error or timeout reading to target instance");
    assert_eq!(world.ask("get b"), "$1 2");
}

#[test]
fn an_unused_connection_is_closed() {
    let (mut world, conn) = moving("");
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert!(world.ask("info stats").contains("migrate_cached_sockets:1"));
    world.wait(10_000);
    world.turn();
    assert_eq!(world.closed, [conn.index]);
    assert!(world.ask("info stats").contains("migrate_cached_sockets:0"));
}

#[test]
fn a_key_in_flight_does_not_expire() {
    let mut world = World::new();
    world.ask("set a 1 px 500\n migrate host 7000 a 0 60000");
    world.fed();
    let (conn, request) = Target(&mut world).accept();
    assert!(request.contains("RESTORE $1 a $3 500"), "{request}");
    world.wait(5_000);
    world.tick();
    world.send(2, "get a");
    world.send(3, "randomkey\n keys *\n dbsize");
    world.turn();
    assert_eq!((world.read(2), world.fed()), (String::new(), String::new()));
    assert_eq!(world.read(3), "$-1 *0 :1");
    // The target did not take it: now it goes here, as any other.
    Target(&mut world).reply(conn, &["+OK", "-OOM"]);
    assert_eq!(world.read(2), "$-1");
    assert!(world.fed().contains("DEL $1 a"));

    world.ask("set c 1 px 500\n migrate host 7000 c 0 60000");
    world.wait(5_000);
    Target(&mut world).reply(conn, &["+OK", "-OOM"]);
    for _ in 0..3 {
        world.wait(1_000);
        world.tick();
    }
    world.read(1);
    assert_eq!(world.ask("dbsize"), ":0", "what nobody asks for goes, too");
}

#[test]
fn while_writes_are_held_nothing_is_removed() {
    let (mut world, conn) = moving("");
    world.engine.hold_writes(base::Time::NEVER);
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!((world.read(1), world.fed()), (String::new(), String::new()));
    world.engine.resume_writes();
    world.drive();
    world.turn();
    assert_eq!((world.read(1), world.fed()), ("+OK".into(), "*2 $3 DEL $1 a".into()));
}

#[test]
fn a_new_role_ends_a_move() {
    let (mut world, conn) = moving("");
    world.engine.shared.standing.is_replica = true;
    world.engine.shared.standing.link_up = true;
    world.engine.on_demoted();
    world.turn();
    assert!(world.read(1).starts_with("-UNBLOCKED"));
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.ask("get a"), "$1 1");
}

#[test]
fn a_client_that_left_leaves_its_move() {
    let (mut world, conn) = moving("");
    world.engine.on_closed(world.now, ConnId::inbound(1, 0), &mut world.out);
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!(world.fed(), "*2 $3 DEL $1 a");
}

#[test]
fn a_transaction_does_not_move() {
    let mut world = World::new();
    let replies = world.ask("set a 1\n multi\n migrate host 7000 a 0 1000\n exec");
    assert!(replies.contains("-ERR Command not allowed inside a transaction -EXECABORT"), "{replies}");
}

#[test]
fn two_moves_go_side_by_side_and_of_one_key_in_turn() {
    let (mut world, conn) = moving("");
    world.send(2, "migrate 127.0.0.1 7000 b 0 1000");
    world.send(3, "migrate 127.0.0.1 7000 a 0 1000");
    world.turn();
    let (other, request) = Target(&mut world).accept();
    assert!(request.contains("RESTORE $1 b"), "{request}");
    Target(&mut world).reply(other, &["+OK", "+OK"]);
    assert_eq!((world.read(2), world.read(3)), ("+OK".into(), String::new()));
    Target(&mut world).reply(conn, &["+OK", "+OK"]);
    assert_eq!((world.read(1), world.read(3)), ("+OK".into(), "+NOKEY".into()));
}

#[test]
fn what_is_wrong_is_refused() {
    let mut world = World::new();
    world.ask("set a 1");
    let cases = [
        ("migrate host 7000 a 0 1000 odd", "-ERR syntax error"),
        ("migrate host 7000 a 0 1000 auth", "-ERR syntax error"),
        ("migrate host 7000 a 0 1000 auth2 user", "-ERR syntax error"),
        ("migrate host 7000 a x 1000", "-ERR value is not an integer or out of range"),
        ("migrate host 7000 a 0 x", "-ERR value is not an integer or out of range"),
        (
            "migrate host 7000 a 0 1000 keys a",
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
        ("migrate host 7000 \"\" 0 1000 keys x y", "+NOKEY"),
    ];
    for (request, expected) in cases {
        assert_eq!(world.ask(request), expected, "{request}");
    }
}
