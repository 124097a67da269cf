//! The journal from outside: nodes that synchronise, lose each other and find each other again.

mod beside;
mod guard;
mod script;
mod world;

use base::{Random, Span};
use journal::{DisklessLoad, Settings, ShutdownWish, Source};
use machine::ConnId;
use world::World;

fn settings() -> Settings {
    Settings { diskless_delay: Span::ZERO, ..Settings::default() }
}

/// Both ends are at the same offset with the same data, and the link stands.
fn in_step(world: &World, replica: usize, primary: usize) -> bool {
    let (replica, primary) = (&world.nodes[replica], &world.nodes[primary]);
    replica.link_up
        && replica.journal.offset() == primary.journal.offset()
        && replica.journal.replid() == primary.journal.replid()
}

#[track_caller]
fn assert_equal(world: &World, one: usize, other: usize) {
    let (one, other) = (&world.nodes[one], &world.nodes[other]);
    assert_eq!(one.journal.data_offset(), other.journal.data_offset());
    assert!(one.contents() == other.contents(), "the data differs");
}

fn some_writes(world: &mut World, node: usize, count: u64) {
    for _ in 0..count {
        let random = &mut world.random;
        let (db, key) = (random.below(3) as u32, format!("key:{}", random.below(500)));
        let value = vec![b'a' + random.below(26) as u8; random.below(200) as usize];
        let now = world.random.below(10);
        let this = &mut world.nodes[node];
        match now {
            0 => this.write(db, key.as_bytes(), None),
            1 => this.write_together(db, &[key.as_bytes(), b"x", b"y"], &value),
            _ => this.write(db, key.as_bytes(), Some(&value)),
        }
    }
}

/// A world of `nodes` where node 1 is in step with node 0.
fn pair(seed: u64, nodes: usize, settings: Settings) -> World {
    let mut world = World::new(seed, nodes, settings);
    some_writes(&mut world, 0, 300);
    world.follow(1, 0);
    world.until("the first synchronisation", |world| in_step(world, 1, 0));
    world
}

fn syncs(world: &World, node: usize) -> [u64; 3] {
    world.nodes[node].journal.facts(world.now).syncs
}

#[test]
fn a_replica_gets_everything_and_what_is_written_meanwhile() {
    for seed in 0..20 {
        let mut world = World::new(seed, 2, settings());
        some_writes(&mut world, 0, 2_000);
        world.follow(1, 0);
        for _ in 0..40 {
            some_writes(&mut world, 0, 20);
            world.step();
        }
        world.until("in step", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
        assert_eq!(syncs(&world, 0)[0], 1);
        let facts = world.nodes[1].journal.facts(world.now);
        assert_eq!(facts.primary.unwrap().state, "connected");
        let facts = world.nodes[0].journal.facts(world.now);
        assert_eq!((facts.replicas[0].state, facts.replicas[0].port), ("online", 6379));
    }
}

#[test]
fn without_anybody_to_read_it_the_stream_stands_still() {
    let mut world = World::new(1, 1, settings());
    some_writes(&mut world, 0, 10);
    world.run(Span::seconds(20));
    assert!(!world.nodes[0].journal.wants_feed());
    assert_eq!(world.nodes[0].journal.offset(), 0);
}

#[test]
fn a_cut_link_goes_on_where_it_was() {
    for seed in 0..20 {
        let mut world = pair(seed, 2, settings());
        for _ in 0..10 {
            for _ in 0..world.random.between(1, 20) {
                some_writes(&mut world, 0, 5);
                world.step();
            }
            world.cut();
        }
        world.until("in step again", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
        let [full, partial, refused] = syncs(&world, 0);
        assert_eq!((full, refused), (1, 0), "seed {seed}");
        assert!(partial >= 1);
    }
}

#[test]
fn an_overrun_backlog_ends_in_a_full_synchronisation() {
    let settings = Settings { backlog_bytes: 20_000, ..settings() };
    let mut world = pair(7, 2, settings);
    world.is_split = true;
    world.cut();
    for _ in 0..200 {
        some_writes(&mut world, 0, 10);
        world.step();
    }
    assert!(!world.nodes[1].link_up);
    world.is_split = false;
    world.until("in step again", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
    assert_eq!(syncs(&world, 0), [2, 0, 1]);
    let facts = world.nodes[0].journal.facts(world.now);
    assert!(facts.backlog_len < 20_000 + (64 << 10));
}

#[test]
fn a_promoted_replica_serves_the_replicas_of_its_primary() {
    for seed in 0..10 {
        let mut world = pair(seed, 3, settings());
        world.follow(2, 0);
        world.until("both", |world| in_step(world, 2, 0));
        some_writes(&mut world, 0, 50);
        world.step();
        world.until("both again", |world| in_step(world, 1, 0) && in_step(world, 2, 0));
        let old = world.nodes[0].journal.replid();
        world.lead(1);
        some_writes(&mut world, 1, 50);
        world.follow(2, 1);
        // The old primary wrote nothing more: it can go on as a replica, too.
        world.follow(0, 1);
        world.until("all", |world| in_step(world, 2, 1) && in_step(world, 0, 1));
        assert_equal(&world, 1, 2);
        assert_equal(&world, 1, 0);
        assert_eq!(syncs(&world, 1), [0, 2, 0], "seed {seed}");
        let facts = world.nodes[1].journal.facts(world.now);
        assert_eq!(facts.second_replid, old);
        assert_ne!(facts.replid, old);
    }
}

#[test]
fn an_old_primary_that_wrote_on_loses_what_nobody_has() {
    let mut world = pair(3, 2, settings());
    world.is_split = true;
    world.cut();
    some_writes(&mut world, 0, 50);
    world.step();
    world.lead(1);
    some_writes(&mut world, 1, 5);
    world.is_split = false;
    world.follow(0, 1);
    world.until("in step", |world| in_step(world, 0, 1));
    assert_equal(&world, 0, 1);
    assert_eq!(syncs(&world, 1), [1, 0, 1]);
}

#[test]
fn a_replica_serves_its_own_replicas_the_same_stream() {
    for seed in 0..10 {
        let mut world = pair(seed, 4, settings());
        world.follow(2, 1);
        world.follow(3, 2);
        world.until("the chain", |world| in_step(world, 2, 1) && in_step(world, 3, 2));
        for _ in 0..30 {
            some_writes(&mut world, 0, 10);
            world.step();
            if world.random.chance(1, 10) {
                world.cut();
            }
        }
        world.until("the chain again", |world| (1..4).all(|node| in_step(world, node, 0)));
        for node in 1..4 {
            assert_equal(&world, 0, node);
        }
        // Its middle is promoted: the tail goes on without a full synchronisation.
        let before = syncs(&world, 2)[0];
        world.lead(1);
        some_writes(&mut world, 1, 10);
        world.until("the rest of it", |world| in_step(world, 2, 1) && in_step(world, 3, 1));
        assert_equal(&world, 1, 3);
        assert_eq!(syncs(&world, 2)[0], before);
    }
}

#[test]
fn several_replicas_share_a_snapshot() {
    let settings = Settings { diskless_delay: Span::seconds(2), ..Settings::default() };
    let mut world = World::new(5, 4, settings);
    some_writes(&mut world, 0, 500);
    for node in 1..4 {
        world.follow(node, 0);
    }
    world.until("all", |world| (1..4).all(|node| in_step(world, node, 0)));
    for node in 1..4 {
        assert_equal(&world, 0, node);
    }
    assert!(world.nodes[0].has_logged("Starting a full synchronization of 3 replicas"));
}

/// A save takes its time.
fn slow_settings() -> Settings {
    Settings { key_save_delay: 500, ..settings() }
}

/// How often a replica got the file of a save.
fn shared(world: &World) -> usize {
    let lines = world.nodes[0].log.iter();
    lines.filter(|text| text.contains("gets the file of the save")).count()
}

#[test]
fn replicas_get_the_file_of_a_save_under_way() {
    for seed in 0..6 {
        let mut world = pair(seed, 4, slow_settings());
        some_writes(&mut world, 0, 3_000);
        world.nodes[0].journal.save(None).unwrap();
        world.step();
        for node in 2..4 {
            some_writes(&mut world, 0, 30);
            world.follow(node, 0);
            (0..seed).for_each(|_| world.step());
        }
        world.until("all", |world| (1..4).all(|node| in_step(world, node, 0)));
        (1..4).for_each(|node| assert_equal(&world, 0, node));
        assert_eq!(shared(&world), 2, "seed {seed}");
        world.until("saved", |world| world.nodes[0].saves == [Ok(())]);
        assert_eq!(world.nodes[0].files.keys().collect::<Vec<_>>(), ["dump.rdb"]);
    }
}

#[test]
fn replicas_of_a_save_that_fails_ask_again() {
    let mut world = pair(3, 3, slow_settings());
    some_writes(&mut world, 0, 3_000);
    world.is_full = true;
    world.nodes[0].journal.save(None).unwrap();
    world.step();
    world.follow(2, 0);
    world.until("all", |world| in_step(world, 2, 0));
    assert_equal(&world, 0, 2);
    assert_eq!(shared(&world), 1);
    world.until("failed", |world| !world.nodes[0].saves.is_empty());
    assert!(world.nodes[0].saves[0].is_err());
}

#[test]
fn wait_counts_the_replicas_that_have_the_write() {
    let mut world = pair(9, 3, settings());
    world.follow(2, 0);
    world.until("both", |world| in_step(world, 2, 0));
    let conn = ConnId::inbound(77, 0);
    let wait = |world: &mut World, replicas, timeout| {
        some_writes(world, 0, 1);
        world.step();
        let (now, offset) = (world.now, world.nodes[0].journal.offset());
        world.nodes[0].call(now, |journal, _| journal.wait(conn, offset, replicas, timeout, now))
    };
    assert_eq!(wait(&mut world, 0, None).map(|acked| acked > 2), Some(false));
    assert_eq!(wait(&mut world, 2, None), None);
    let asked = world.now.mono;
    world.until("two have it", |world| world.nodes[0].waits_done == [(conn, 2)]);
    // They were asked: nobody waited for the acknowledgement of the second.
    assert!(world.now.mono.since(asked) < Span::ms(400));
    assert_eq!(wait(&mut world, 3, Some(Span::ms(700))), None);
    world.until("the time is over", |world| world.nodes[0].waits_done.len() == 2);
    assert_eq!(world.nodes[0].waits_done[1], (conn, 2));
}

#[test]
fn a_save_holds_the_moment_and_loads_again() {
    for seed in 0..10 {
        let mut world = World::new(seed, 1, settings());
        some_writes(&mut world, 0, 3_000);
        world.nodes[0].journal.save(None).unwrap();
        let moment = world.nodes[0].contents();
        world.step();
        while world.nodes[0].saves.is_empty() {
            some_writes(&mut world, 0, 100);
            world.step();
        }
        assert_eq!(world.nodes[0].saves, [Ok(())]);
        assert_eq!(world.nodes[0].files.keys().collect::<Vec<_>>(), ["dump.rdb"]);
        world.restart(0, None);
        world.until("loaded", |world| world.nodes[0].loads.len() == 1);
        let (source, loaded) = &world.nodes[0].loads[0];
        assert_eq!(*source, Source::File);
        assert_eq!(loaded.as_ref().unwrap().keys, moment.len() as u64);
        assert!(world.nodes[0].contents() == moment);
    }
}

#[test]
fn a_save_goes_on_when_writes_end_wherever_they_do() {
    // Where what writes have added is just a piece, and just too little to be put out.
    for kib in [61, 62, 63, 64, 65, 126] {
        let mut world = World::new(kib, 1, settings());
        for key in 0..6_000 {
            let value: Vec<u8> = (0..100).map(|_| world.random.below(256) as u8).collect();
            world.nodes[0].write(0, format!("key:{key}").as_bytes(), Some(&value));
        }
        let moment = world.nodes[0].contents();
        world.nodes[0].journal.save(None).unwrap();
        world.step();
        let mut keys = 0..6_000;
        while (world.nodes[0].keyspace.snapshot_ready_bytes() as u64) < kib << 10 {
            let key = keys.next().expect("enough that was not walked");
            world.nodes[0].write(0, format!("key:{key}").as_bytes(), Some(b"new"));
        }
        world.until("saved", |world| world.nodes[0].saves == [Ok(())]);
        world.restart(0, None);
        world.until("loaded", |world| world.nodes[0].loads.len() == 1);
        assert!(world.nodes[0].contents() == moment);
    }
}

#[test]
fn a_restarted_primary_goes_on_with_its_replicas() {
    let mut world = pair(4, 2, settings());
    world.nodes[0].journal.save(None).unwrap();
    world.until("saved", |world| !world.nodes[0].saves.is_empty());
    world.restart(0, None);
    world.until("loaded", |world| world.nodes[0].loads.len() == 1);
    world.until("in step", |world| in_step(world, 1, 0));
    some_writes(&mut world, 0, 10);
    world.step();
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
    assert_eq!(syncs(&world, 0), [0, 1, 0]);
}

#[test]
fn a_restarted_replica_goes_on_with_its_primary() {
    let mut world = pair(6, 2, settings());
    some_writes(&mut world, 0, 20);
    world.step();
    world.until("in step", |world| in_step(world, 1, 0));
    world.nodes[1].journal.save(None).unwrap();
    world.until("saved", |world| !world.nodes[1].saves.is_empty());
    some_writes(&mut world, 0, 20);
    world.restart(1, Some(0));
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
    assert_eq!(syncs(&world, 0), [1, 1, 0]);
}

#[test]
fn a_load_takes_the_time_that_was_asked_for() {
    let delayed = Settings { key_load_delay: 2_000, load_turn_bytes: 1_024, ..settings() };
    let mut world = World::new(7, 2, delayed);
    some_writes(&mut world, 0, 1_000);
    let least = Span::ms(2 * (world.nodes[0].contents().len() as u64 - 10));
    let begun = world.now.mono;
    world.follow(1, 0);
    world.until("a load", |world| world.nodes[1].loading);
    world.until("the first synchronisation", |world| in_step(world, 1, 0));
    assert!(world.now.mono.since(begun) >= least);
    assert_equal(&world, 1, 0);

    world.nodes[0].journal.save(None).unwrap();
    world.until("saved", |world| !world.nodes[0].saves.is_empty());
    let (moment, begun) = (world.nodes[0].contents(), world.now.mono);
    world.restart(0, None);
    world.until("a load", |world| world.nodes[0].journal.facts(world.now).loading.is_some());
    world.until("loaded", |world| world.nodes[0].loads.len() == 1);
    assert!(world.now.mono.since(begun) >= least);
    assert!(world.nodes[0].contents() == moment);
}

#[test]
fn a_missing_file_is_an_empty_node_and_a_damaged_one_is_an_error() {
    let mut world = World::new(1, 1, settings());
    world.restart(0, None);
    world.until("loaded", |world| world.nodes[0].loads.len() == 1);
    assert!(!world.nodes[0].loads[0].1.as_ref().unwrap().found);

    some_writes(&mut world, 0, 100);
    world.nodes[0].journal.save(None).unwrap();
    world.until("saved", |world| !world.nodes[0].saves.is_empty());
    let whole = world.nodes[0].files["dump.rdb"].clone();
    for cut in [5, whole.len() / 2, whole.len() - 1] {
        world.nodes[0].files.insert("dump.rdb".to_string(), whole[..cut].to_vec());
        world.restart(0, None);
        world.until("loaded", |world| world.nodes[0].loads.len() == 1);
        assert!(world.nodes[0].loads[0].1.is_err());
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    world.nodes[0].files.insert("dump.rdb".to_string(), damaged);
    world.restart(0, None);
    world.until("loaded", |world| world.nodes[0].loads.len() == 1);
    assert!(world.nodes[0].loads[0].1.is_err());
}

#[test]
fn a_command_that_is_not_known_ends_replication() {
    let mut world = pair(8, 2, settings());
    world.nodes[1].unknown = Some("DEL");
    world.nodes[0].write(0, b"a", None);
    world.run(Span::seconds(1));
    world.until("cut", |world| !world.nodes[1].link_up);
    assert!(world.nodes[1].has_logged("unknown command 'DEL'"));
    let error = world.nodes[1].journal.facts(world.now).primary.unwrap().last_error;
    assert!(error.unwrap().contains("DEL"));
    world.run(Span::seconds(30));
    assert!(world.nodes[1].journal.offset() < world.nodes[0].journal.offset());
    world.nodes[1].unknown = None;
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
}

#[test]
fn a_transaction_is_applied_whole_or_not_at_all() {
    for seed in 0..30 {
        let mut world = pair(seed, 2, settings());
        for _ in 0..10 {
            let value = [b'v'; 5_000];
            let key = format!("{}", world.random.below(9));
            world.nodes[0].write_together(1, &[key.as_bytes(), b"p", b"q", b"r"], &value);
            for _ in 0..world.random.between(1, 3) {
                world.step();
            }
            world.cut();
        }
        world.until("in step", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
    }
}

#[test]
fn a_shutdown_saves_and_waits_for_replicas() {
    let mut world = pair(2, 2, settings());
    some_writes(&mut world, 0, 10);
    world.step();
    world.shutdown(0, ShutdownWish::default());
    world.until("ready", |world| world.nodes[0].shutdowns == [Ok(())]);
    assert!(world.nodes[0].has_logged("1 of 1 replicas are in sync"));
    assert!(world.nodes[0].files.contains_key("dump.rdb"));
    assert_eq!(world.nodes[0].journal.offset(), world.nodes[1].journal.offset());
}

#[test]
fn a_replica_that_takes_nothing_is_dropped() {
    // By the limit of its class.
    let settings = Settings { replica_hard_limit: 300_000, backlog_bytes: 20_000, ..settings() };
    let mut world = pair(3, 2, settings);
    world.is_stuck = true;
    while world.nodes[0].journal.facts(world.now).replicas.len() == 1 {
        some_writes(&mut world, 0, 50);
        world.step();
    }
    assert!(world.nodes[0].has_logged("overcoming of output buffer limits"));
    let facts = world.nodes[0].journal.facts(world.now);
    assert!(facts.backlog_memory < 400_000, "{}", facts.backlog_memory);

    // By time.
    let mut world = pair(3, 2, self::settings());
    world.is_stuck = true;
    world.run(Span::seconds(65));
    // Whichever end notices first.
    let by_primary = world.nodes[0].has_logged("Disconnecting timedout replica (streaming sync)");
    assert!(by_primary || world.nodes[1].has_logged("MASTER timeout: no data nor PING received..."));
    world.is_stuck = false;
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
}

#[test]
fn one_that_takes_nothing_costs_the_others_no_synchronisation() {
    let mut world = World::new(11, 3, Settings { diskless_delay: Span::seconds(1), ..settings() });
    let timeout = Span::seconds(5);
    world.nodes[0].journal.configure(Settings { timeout, ..world.settings.clone() });
    for index in 0..4_000 {
        // What can be packed is too little to wait for.
        let value: Vec<u8> = (0..125).flat_map(|_| world.random.word().to_le_bytes()).collect();
        world.nodes[0].write(0, format!("key:{index}").as_bytes(), Some(&value));
    }
    (1..3).for_each(|node| world.follow(node, 0));
    world.until("both receive", |world| {
        let replicas = world.nodes[0].journal.facts(world.now).replicas;
        replicas.iter().filter(|replica| replica.state == "send_bulk").count() == 2
    });
    world.frozen = Some(1);
    world.until("in step", |world| in_step(world, 2, 0));
    assert!(world.nodes[0].has_logged("Disconnecting timedout replica (full sync)"));
    assert_eq!(syncs(&world, 0)[0], 2, "the walk waited for the frozen one, and the other for the walk");
    world.frozen = None;
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
}

#[test]
fn keys_that_expired_meanwhile_are_left_out_and_their_end_is_told() {
    let mut world = pair(5, 2, settings());
    let soon = world.now.unix.as_ms() + 60_000;
    for node in 0..2 {
        // A deadline comes to a replica by the stream; here it is set at both ends by hand.
        let keyspace = &mut world.nodes[node].keyspace;
        world::set(keyspace, 0, b"brief", Some(b"1"));
        let hash = keyspace.hash(b"brief");
        if let data::Entry::Occupied(mut entry) = keyspace.entry(0, b"brief", hash) {
            entry.set_deadline(Some(soon));
        }
        world.nodes[node].journal.save(None).unwrap();
    }
    world.until("saved", |world| world.nodes.iter().all(|node| node.saves.len() == 1));
    world.is_split = true;
    world.cut();
    world.run(Span::seconds(61));
    world.is_split = false;
    world.restart(1, Some(0));
    world.until("loaded", |world| world.nodes[1].loads.len() == 1);
    assert!(world.nodes[1].contents().contains_key(&(0, b"brief".to_vec())), "a replica keeps it");
    world.restart(0, None);
    world.until("loaded", |world| world.nodes[0].loads.len() == 1);
    assert_eq!(world.nodes[0].loads[0].1.as_ref().unwrap().expired, 1);
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
    assert_eq!(syncs(&world, 0), [0, 1, 0]);
}

#[test]
fn a_save_point_saves() {
    let mut world = World::new(2, 1, settings());
    some_writes(&mut world, 0, 11_000);
    world.run(Span::seconds(65));
    assert_eq!(world.nodes[0].saves, [Ok(())]);
    let saving = world.nodes[0].journal.facts(world.now).saving;
    assert_eq!((saving.changes, saving.saves, saving.last_ok), (0, 1, true));
}

#[test]
fn a_failed_save_is_tried_again_without_a_new_change() {
    let mut world = World::new(2, 1, settings());
    some_writes(&mut world, 0, 11_000);
    world.is_full = true;
    world.run(Span::seconds(75));
    assert!(world.nodes[0].saves.len() >= 2 && world.nodes[0].saves.iter().all(Result::is_err));
    assert!(world.nodes[0].journal.stops_writes());
    world.is_full = false;
    world.run(Span::seconds(6));
    assert_eq!(world.nodes[0].saves.last(), Some(&Ok(())));
    assert!(!world.nodes[0].journal.stops_writes());
}

#[test]
fn a_backlog_without_replicas_is_freed_with_its_history() {
    let settings = Settings { backlog_ttl: Span::seconds(30), ..settings() };
    let mut world = pair(2, 2, settings);
    let old = world.nodes[0].journal.replid();
    world.is_split = true;
    world.cut();
    world.run(Span::seconds(40));
    assert!(!world.nodes[0].journal.wants_feed());
    assert_ne!(world.nodes[0].journal.replid(), old);
    some_writes(&mut world, 0, 10);
    world.is_split = false;
    world.until("in step", |world| in_step(world, 1, 0));
    assert_equal(&world, 0, 1);
}

#[test]
fn any_order_of_faults_ends_in_equal_data() {
    for seed in 0..60 {
        let mut draw = Random::new(seed);
        let settings = Settings {
            backlog_bytes: 1 << draw.between(12, 20),
            diskless_delay: Span::ms(draw.below(2_000)),
            save_points: Vec::new(),
            full_syncs_max: draw.below(3) as u32,
            diskless_load: if draw.chance(1, 2) { DisklessLoad::Swap } else { DisklessLoad::WhenEmpty },
            // Here whoever leads is right.
            full_sync_guard: false,
            ..Settings::default()
        };
        let mut world = World::new(seed, 4, settings);
        let mut primary = 0;
        for node in 1..4 {
            world.follow(node, primary);
        }
        for _ in 0..60 {
            match draw.below(12) {
                0 => world.cut(),
                1 => {
                    primary = draw.below(4) as usize;
                    world.lead(primary);
                    for node in (0..4).filter(|node| *node != primary) {
                        world.follow(node, primary);
                    }
                }
                2 => {
                    let node = draw.below(4) as usize;
                    world.restart(node, (node != primary).then_some(primary));
                }
                3 => drop(world.nodes[draw.below(4) as usize].journal.save(None)),
                4 => world.is_split = !world.is_split,
                5 => {
                    // A chain: one follows another replica.
                    let (node, other) = (draw.below(4) as usize, draw.below(4) as usize);
                    if node != primary && other != primary && node != other {
                        world.follow(other, primary);
                        world.follow(node, other);
                    }
                }
                _ if !world.nodes[primary].loading => some_writes(&mut world, primary, draw.below(80)),
                _ => {}
            }
            world.run(Span::ms(draw.below(800)));
        }
        world.is_split = false;
        for node in (0..4).filter(|node| *node != primary) {
            world.follow(node, primary);
        }
        // What was written last is in nobody's journal before the next turn.
        world.step();
        world.until(&format!("seed {seed}"), |world| {
            (0..4).all(|node| node == primary || in_step(world, node, primary))
        });
        for node in 0..4 {
            assert_equal(&world, primary, node);
        }
    }
}

#[test]
fn a_longer_ping_period_holds_at_once() {
    let mut world = pair(11, 2, Settings { ping_period: Span::seconds(1), ..settings() });
    let offset = |world: &World| world.nodes[0].journal.facts(world.now).offset;
    let before = offset(&world);
    world.run(Span::seconds(5));
    assert!(offset(&world) > before, "there are pings");
    world.nodes[0].journal.configure(Settings { ping_period: Span::seconds(3_600), ..settings() });
    let before = offset(&world);
    world.run(Span::seconds(5));
    assert_eq!(offset(&world), before, "not even the one that was due");
}
