//! No request, however odd, brings the engine down or leaves the feed and the keyspace at odds.

use crate::world::World;
use base::Random;
use wire::Batch;

/// Words that are keys, options, numbers at the edges, and nonsense.
const WORDS: [&str; 44] = [
    "a",
    "b",
    "h",
    "",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e308",
    "nan",
    "inf",
    "*",
    "[",
    "?*",
    "nx",
    "xx",
    "gt",
    "lt",
    "get",
    "ex",
    "px",
    "exat",
    "pxat",
    "keepttl",
    "persist",
    "match",
    "count",
    "type",
    "string",
    "withvalues",
    "on",
    "off",
    "skip",
    "id",
    "default",
    "auth",
    "setname",
    "\0\r\n",
    "timeout",
    "5",
];

fn request(random: &mut Random, world: &World, batch: &mut Batch) {
    let rows = world.engine.table().rows();
    let mut row = &rows[random.below(rows.len() as u64) as usize];
    // A pause may be for ever: the rest of the run would test nothing.
    while &*row.full_name == "client|pause" {
        row = &rows[random.below(rows.len() as u64) as usize];
    }
    for word in row.full_name.split('|') {
        batch.push_arg(word.as_bytes());
    }
    for _ in 0..random.below(6) {
        batch.push_arg(WORDS[random.below(WORDS.len() as u64) as usize].as_bytes());
    }
    batch.end_request();
}

#[test]
fn odd_requests_do_no_harm() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut world = World::with("", seed % 4 == 0);
        if seed % 4 == 0 {
            world.engine.shared.routes.ok = true;
            for slot in 0..16_384 {
                let own = engine::Slot { owner: engine::MYSELF, ..engine::Slot::FREE };
                world.engine.shared.routes.set_slot(slot, own);
            }
        }
        for client in 0..2_000u32 {
            let mut batch = Batch::default();
            for _ in 0..1 + random.below(5) {
                request(&mut random, &world, &mut batch);
            }
            let conn = machine::ConnId::inbound(client % 7, client / 7 / 50);
            if !world.engine.knows(conn) {
                let before = machine::ConnId::inbound(conn.index, conn.generation.wrapping_sub(1));
                world.engine.on_closed(world.now, before, &mut world.out);
                world.open_as(conn);
            }
            world.engine.on_batch(world.now, conn, batch, &mut world.out).unwrap();
            world.turn();
            world.wait(random.below(20));
            if client % 20 == 0 {
                world.tick();
            }
            world.engine.unblock(conn, |reply| reply.ok());
        }
        let feed = &world.engine.shared.feed;
        assert_eq!(feed.offset, feed.bytes.len() as u64, "seed {seed}");
    }
}

/// What the feed says, applied elsewhere, gives the same data.
#[test]
fn a_copy_by_the_feed_is_equal() {
    let mut written = 0;
    for seed in 0..20 {
        let mut random = Random::new(1_000 + seed);
        let (mut primary, mut replica) = (World::new(), World::new());
        replica.engine.shared.standing.is_replica = true;
        replica.engine.shared.standing.link_up = true;
        for step in 0..1_000u32 {
            let mut batch = Batch::default();
            for _ in 0..4 {
                request(&mut random, &primary, &mut batch);
            }
            // A new client now and then: an old one ends up subscribed, silenced or in a transaction.
            let conn = machine::ConnId::inbound(1, step / 4);
            if !primary.engine.knows(conn) {
                primary.engine.on_closed(
                    primary.now,
                    machine::ConnId::inbound(1, (step / 4u32).wrapping_sub(1)),
                    &mut primary.out,
                );
                primary.open_as(conn);
            }
            primary.engine.on_batch(primary.now, conn, batch, &mut primary.out).unwrap();
            primary.turn();
            primary.engine.unblock(conn, |reply| reply.ok());
            let ms = random.below(20);
            primary.wait(ms);
            replica.wait(ms);
            primary.tick();
            let bytes = std::mem::take(&mut primary.engine.shared.feed.bytes);
            let mut framer = wire::Framer::new(wire::Mode::Stream);
            let mut batch = Batch::default();
            let rest = framer.feed(bytes, &mut batch);
            drop(rest);
            let applied = replica.engine.apply(replica.now, &batch, &mut replica.outside, &mut replica.out);
            applied.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        written += primary.engine.shared.feed.offset;
        // What is due on the primary and was not met yet is not gone on either side: both let go of it first.
        for _ in 0..200 {
            primary.wait(10_000);
            primary.tick();
        }
        let mut batch = Batch::default();
        let bytes = std::mem::take(&mut primary.engine.shared.feed.bytes);
        let rest = wire::Framer::new(wire::Mode::Stream).feed(bytes, &mut batch);
        drop(rest);
        replica.engine.apply(replica.now, &batch, &mut replica.outside, &mut replica.out).unwrap();
        let digest = |world: &mut World| {
            world.send(5, "debug digest");
            world.turn();
            world.read(5)
        };
        assert_eq!(digest(&mut primary), digest(&mut replica), "seed {seed}");
    }
    assert!(written > 20_000, "hardly anything was written: {written} bytes");
}
