//! What is here stays until what comes is whole.

use crate::world::World;
use crate::{assert_equal, in_step, pair, settings, some_writes};
use base::Span;
use journal::{DisklessLoad, Settings};

/// A pair in step whose replica then needs everything anew: of the same history, or of another.
fn to_be_replaced(seed: u64, load: DisklessLoad, same_history: bool) -> World {
    let settings = Settings { diskless_load: load, backlog_bytes: 20_000, ..settings() };
    let mut world = pair(seed, 2, settings);
    if !same_history {
        world.lead(1);
        some_writes(&mut world, 1, 50);
        world.step();
    }
    world.is_split = true;
    world.cut();
    for _ in 0..100 {
        some_writes(&mut world, 0, 20);
        world.step();
    }
    world.is_split = false;
    if !same_history {
        world.follow(1, 0);
    }
    world
}

#[test]
fn a_primary_that_dies_on_the_way_costs_nothing() {
    let mut cuts = 0;
    for seed in 0..30 {
        let load = if seed % 2 == 0 { DisklessLoad::Swap } else { DisklessLoad::WhenEmpty };
        let mut world = to_be_replaced(seed, load, seed % 3 == 0);
        let data = world.nodes[1].contents();
        for _ in 0..400 {
            world.step();
            let receives = world.nodes[1].journal.facts(world.now).primary.unwrap().sync_in_progress;
            // With the file the data goes when all is here: then nothing is on its way any more.
            if receives && !world.nodes[1].loading && world.random.chance(1, 4) {
                world.cut();
                cuts += 1;
            }
            if world.nodes[1].link_up {
                break;
            }
            if !world.nodes[1].loading || load == DisklessLoad::Swap {
                assert!(world.nodes[1].contents() == data, "seed {seed}");
            }
        }
        world.until("in step", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
        assert!(!world.nodes[1].files.contains_key("temp-sync-0.rdb"));
    }
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn data_of_the_same_history_is_served_meanwhile() {
    for (same_history, seed) in [(true, 1), (false, 2)] {
        let mut world = to_be_replaced(seed, DisklessLoad::Swap, same_history);
        let data = world.nodes[1].contents();
        world.until("loads", |world| world.nodes[1].loading || world.nodes[1].loads_beside);
        assert_eq!((world.nodes[1].loads_beside, world.nodes[1].loading), (same_history, !same_history));
        assert!(world.nodes[1].contents() == data);
        let loading = world.nodes[1].journal.facts(world.now).loading.unwrap();
        assert_eq!(loading.is_served, same_history);
        world.until("in step", |world| in_step(world, 1, 0));
        assert!(!world.nodes[1].loading && !world.nodes[1].loads_beside);
        assert_equal(&world, 0, 1);
        some_writes(&mut world, 0, 50);
        world.run(Span::ms(100));
        world.until("in step", |world| in_step(world, 1, 0));
        assert_equal(&world, 0, 1);
    }
}
