//! Forming a cluster, and what CLUSTER subcommands say.

use crate::world::World;
use base::Span;
use cluster::{Role, Serving};

#[test]
fn six_strangers_become_a_cluster() {
    let mut world = World::cluster(1, 6);
    assert_eq!(world.role(3), Role::Replica(world.id(0)));
    assert_eq!(world.info(5, "cluster_size"), 3);
    let nodes = world.ask(4, "CLUSTER NODES");
    assert!(nodes.contains("myself,slave") && nodes.contains("10.0.0.1:7000@17000 master"), "{nodes}");
    assert!(nodes.contains(" connected 5461-10922\n"), "{nodes}");
    assert!(world.violations.is_empty());
}

#[test]
fn a_new_cluster_is_ok_without_a_fixed_wait() {
    let mut world = World::new(2, 3);
    for (node, range) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
        world.ask(node, &format!("CLUSTER ADDSLOTSRANGE {range}"));
        world.ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", node + 1));
    }
    world.ask(0, "CLUSTER MEET 10.0.0.2 7000");
    world.ask(0, "CLUSTER MEET 10.0.0.3 7000");
    let took = world.run_until(Span::seconds(2), "ok", |world| World::is_settled(world));
    assert!(took <= Span::ms(1_000), "{took:?}");
}

#[test]
fn one_epoch_of_two_primaries_is_resolved() {
    let mut world = World::new(3, 3);
    for (node, range) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
        world.ask(node, &format!("CLUSTER ADDSLOTSRANGE {range}"));
        world.ask(node, "CLUSTER SET-CONFIG-EPOCH 7");
    }
    world.ask(0, "CLUSTER MEET 10.0.0.2 7000");
    world.ask(0, "CLUSTER MEET 10.0.0.3 7000");
    world.run_until(Span::seconds(10), "distinct epochs", |world| {
        let mut epochs: Vec<u64> = (0..3).map(|node| world.info(node, "cluster_my_epoch")).collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs.len() == 3
    });
}

#[test]
fn a_forgotten_node_stays_away_for_a_minute() {
    let mut world = World::cluster(4, 6);
    let id = world.id(5);
    for node in 0..5 {
        assert_eq!(world.ask(node, &format!("CLUSTER FORGET {id}")), "+OK\r\n");
    }
    world.kill(5);
    world.run(Span::seconds(5));
    assert!((0..5).all(|node| world.info(node, "cluster_known_nodes") == 5));
}

#[test]
fn a_reset_node_is_alone() {
    let mut world = World::cluster(5, 6);
    let id = world.id(5);
    assert_eq!(world.ask(5, "CLUSTER RESET HARD"), "+OK\r\n");
    assert_ne!(world.id(5), id);
    assert_eq!(world.info(5, "cluster_known_nodes"), 1);
    assert_eq!(world.serving(5), Serving::Down);
}

#[test]
fn refusals_have_the_words_of_the_original() {
    let mut world = World::cluster(6, 6);
    let other = world.id(1);
    let replica = world.id(3);
    let unknown = "a".repeat(40);
    let cases = [
        ("CLUSTER NOSUCH".into(), "-ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP.\r\n".into()),
        ("CLUSTER MEET".into(), "-ERR wrong number of arguments for 'cluster|meet' command\r\n".into()),
        ("CLUSTER MEET nohost 7000".into(), "-ERR Invalid node address specified: nohost:7000\r\n".into()),
        ("CLUSTER ADDSLOTS 0".into(), "-ERR Slot 0 is already busy\r\n".into()),
        ("CLUSTER ADDSLOTS 16384".into(), "-ERR Invalid or out of range slot\r\n".into()),
        ("CLUSTER DELSLOTS 1 1".into(), "-ERR Slot 1 specified multiple times\r\n".into()),
        (format!("CLUSTER FORGET {unknown}"), format!("-ERR Unknown node {unknown}\r\n")),
        ("CLUSTER FAILOVER".into(), "-ERR You should send CLUSTER FAILOVER to a replica\r\n".into()),
        (
            format!("CLUSTER REPLICATE {replica}"),
            "-ERR I can only replicate a master, not a replica.\r\n".into(),
        ),
        (
            format!("CLUSTER REPLICATE {other}"),
            "-ERR To set a master the node must be empty and without assigned slots.\r\n".into(),
        ),
        (
            format!("CLUSTER SETSLOT 9000 MIGRATING {other}"),
            "-ERR I'm not the owner of hash slot 9000\r\n".into(),
        ),
        ("CLUSTER KEYSLOT foo".into(), ":12182\r\n".into()),
        ("CLUSTER COUNTKEYSINSLOT 16384".into(), "-ERR Invalid slot\r\n".into()),
    ];
    let cases: [(String, String); 13] = cases;
    for (question, answer) in cases {
        assert_eq!(world.ask(0, &question), answer, "{question}");
    }
    let next = world.info(0, "cluster_current_epoch") + 1;
    assert_eq!(world.ask(0, "CLUSTER BUMPEPOCH"), format!("+BUMPED {next}\r\n"));
    assert_eq!(world.ask(0, "CLUSTER BUMPEPOCH"), format!("+STILL {next}\r\n"));
}

#[test]
fn setslot_takes_a_timeout() {
    let mut world = World::cluster(7, 3);
    let to = world.id(1);
    let invalid = "-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n";
    let cases = [
        ("STABLE TIMEOUT 100", "+OK\r\n"),
        ("MIGRATING id timeout 0", "+OK\r\n"),
        ("MIGRATING id TIMEOUT", "-ERR Missing timeout value\r\n"),
        ("MIGRATING id TIMEOUT x", "-ERR timeout is not an integer or out of range\r\n"),
        ("MIGRATING id TIMEOUT -1", "-ERR timeout is negative\r\n"),
        ("MIGRATING id TIMEOUT 1 2", "-ERR wrong number of arguments for 'cluster|setslot' command\r\n"),
        ("MIGRATING id 1", invalid),
        ("MIGRATING", invalid),
        ("STABLE x", invalid),
        ("NOTHING id TIMEOUT x", invalid),
    ];
    for (words, answer) in cases {
        let words = words.replace("id", &to.to_string());
        assert_eq!(world.ask(0, &format!("CLUSTER SETSLOT 0 {words}")), answer, "{words}");
    }
}

#[test]
fn a_slot_moves_by_setslot() {
    let mut world = World::cluster(7, 3);
    let (from, to) = (world.id(0), world.id(1));
    assert_eq!(world.ask(1, &format!("CLUSTER SETSLOT 0 IMPORTING {from}")), "+OK\r\n");
    assert_eq!(world.ask(0, &format!("CLUSTER SETSLOT 0 MIGRATING {to}")), "+OK\r\n");
    assert!(world.ask(0, "CLUSTER NODES").contains(&format!("[0->-{to}]")));
    assert!(world.ask(1, "CLUSTER NODES").contains(&format!("[0-<-{from}]")));
    assert_eq!(world.ask(1, &format!("CLUSTER SETSLOT 0 NODE {to}")), "+OK\r\n");
    assert_eq!(world.ask(0, &format!("CLUSTER SETSLOT 0 NODE {to}")), "+OK\r\n");
    world.run_until(Span::seconds(3), "all know", |world| {
        (0..3).all(|node| {
            let cluster = &world.host(node).cluster;
            cluster.endpoint(cluster.owner(0).unwrap()).unwrap().id == to
        })
    });
    assert_eq!(world.host(0).cluster.migrating().count() + world.host(1).cluster.importing().count(), 0);
}

#[test]
fn replies_have_the_shape_of_the_original() {
    let mut world = World::cluster(8, 6);
    world.write(0);
    world.write(1);
    world.write(2);
    world.run(Span::seconds(3));
    let slots = world.ask(0, "CLUSTER SLOTS");
    let first = world.id(0);
    let shape =
        format!("*3\r\n*4\r\n:0\r\n:5460\r\n*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n$40\r\n{first}\r\n*0\r\n*4\r\n");
    assert!(slots.starts_with(&shape), "{slots}");
    let shards = world.ask(0, "CLUSTER SHARDS");
    assert!(
        shards.contains("$5\r\nslots\r\n*2\r\n:0\r\n:5460\r\n$5\r\nnodes\r\n*2\r\n*14\r\n$2\r\nid\r\n"),
        "{shards}"
    );
    let links = world.ask(0, "CLUSTER LINKS");
    assert!(links.starts_with("*10\r\n*12\r\n$9\r\ndirection\r\n"), "{links}");
    assert!(world.ask(0, "CLUSTER HELP").starts_with('*'));
    assert_eq!(world.ask(0, &format!("CLUSTER COUNT-FAILURE-REPORTS {first}")), ":0\r\n");
    assert_eq!(world.ask(0, &format!("CLUSTER REPLICAS {first}")).matches("slave").count(), 1);
}

#[test]
fn a_node_whose_old_address_is_ours_now_is_not_forgotten() {
    let mut world = World::cluster(11, 6);
    let id = world.id(2);
    world.kill(2);
    world.stand_ins.insert(2, 0);
    world.run(Span::seconds(1));
    let nodes = world.ask(0, "CLUSTER NODES");
    assert!(nodes.contains(&id.to_string()), "{nodes}");
}
