//! nodes.conf: promises before frames, broken disks, damaged files.

use base::{Now, Random, Span, Time};
use cluster::{Act, Boot, Cluster, Event};
use machine::{Address, ConnId, Dialer, Peer, WriteId};
use wire::bus::{Body, Extensions, Flags, Frame, Header, Kind, SlotSet};

use crate::world::World;

/// One machine alone, with a stranger's connection.
struct Alone {
    cluster: Cluster,
    dialer: Dialer,
    now: Now,
}

const STRANGER: ConnId = ConnId::inbound(7, 0);

impl Alone {
    fn new() -> Alone {
        let cluster = Cluster::new(World::settings(), Boot::default(), Random::new(1)).unwrap();
        Alone { cluster, dialer: Dialer::default(), now: Now { mono: Time(1_000_000), ..Now::default() } }
    }

    fn handle(&mut self, event: Event<'_>) -> Vec<Act> {
        let mut acts = vec![];
        self.cluster.handle(self.now, event, &mut self.dialer, &mut acts);
        acts
    }

    /// What a ping of a stranger is answered with.
    fn ping(&mut self) -> Vec<Act> {
        let header = Header {
            port: 1,
            plain_port: 0,
            bus_port: 2,
            current_epoch: 0,
            config_epoch: 0,
            offset: 0,
            sender: base::Id::random(&mut Random::new(9)),
            slots: SlotSet::default(),
            primary: None,
            ip: String::new(),
            flags: Flags::PRIMARY,
            is_ok: true,
            message_flags: 0,
            note: None,
        };
        let body = Body::Gossip { kind: Kind::Ping, entries: vec![], extensions: Extensions::default() };
        let mut bytes = vec![];
        Frame { header, body }.encode(&mut bytes);
        self.handle(Event::Frame { conn: STRANGER, bytes: &bytes })
    }
}

fn written(acts: &[Act]) -> Option<WriteId> {
    acts.iter().find_map(|act| if let Act::SaveConf { write, .. } = act { Some(*write) } else { None })
}

fn sent_after(acts: &[Act]) -> Option<Option<WriteId>> {
    acts.iter().find_map(|act| if let Act::Send { after, .. } = act { Some(*after) } else { None })
}

#[test]
fn frames_wait_for_the_promise_and_a_broken_disk_is_silence() {
    let mut alone = Alone::new();
    let first = written(&alone.handle(Event::Tick)).expect("a new id is saved at once");
    assert!(Cluster::owns_write(first) && !Cluster::owns_write(WriteId(1)));
    let address = Address::Inet([10, 9, 9, 9].into(), 5);
    let peer = Peer { remote: address.clone(), local: address };
    alone.handle(Event::Accepted { conn: STRANGER, peer: &peer });
    assert_eq!(sent_after(&alone.ping()), Some(Some(first)), "our id is not told before it is durable");
    alone.handle(Event::Written { write: first, is_done: false });
    assert_eq!(sent_after(&alone.ping()), None, "the disk is broken");
    alone.now.mono += Span::seconds(2);
    let second = written(&alone.handle(Event::Tick)).expect("the write is tried again");
    alone.handle(Event::Written { write: second, is_done: true });
    assert_eq!(sent_after(&alone.ping()), Some(None));
}

#[test]
fn a_ping_that_a_broken_disk_held_back_is_sent_when_it_works() {
    let line = |number: u64, role: &str, slots: &str| {
        let id = base::Id::random(&mut Random::new(number));
        format!("{id} 10.0.0.{number}:7000@17000 {role} - 0 0 {number} connected {slots}\n")
    };
    let vars = "vars currentEpoch 2 lastVoteEpoch 0\n";
    let conf = [&line(1, "myself,master", "0-8191"), &line(2, "master", "8192-16383"), vars].concat();
    let boot = Boot { nodes_conf: Some(conf.as_bytes()), ..Boot::default() };
    let mut alone = Alone::new();
    alone.cluster = Cluster::new(World::settings(), boot, Random::new(1)).unwrap();
    let acts = alone.handle(Event::Tick);
    let first = written(&acts).expect("the view is saved");
    let dialled = |act: &Act| if let Act::Connect { conn, .. } = act { Some(*conn) } else { None };
    let conn = acts.iter().find_map(dialled).expect("the other is dialled");
    alone.handle(Event::Written { write: first, is_done: false });
    let address = Address::Inet([10, 0, 0, 2].into(), 5);
    let peer = Peer { remote: address.clone(), local: address };
    let acts = alone.handle(Event::Connected { conn, result: Ok(&peer) });
    assert_eq!(sent_after(&acts), None, "the disk is broken");
    alone.now.mono += Span::seconds(2);
    let second = written(&alone.handle(Event::Tick)).expect("the write is tried again");
    alone.handle(Event::Written { write: second, is_done: true });
    alone.now.mono += Span::ms(100);
    assert_eq!(sent_after(&alone.handle(Event::Tick)), Some(None), "the ping goes out");
}

#[test]
fn a_damaged_file_stops_the_start() {
    let start = |bytes: &[u8]| {
        let boot = Boot { nodes_conf: Some(bytes), ..Boot::default() };
        Cluster::new(World::settings(), boot, Random::new(1)).map(|cluster| cluster.my_id())
    };
    let world = World::cluster(1, 6);
    let file = world.disks[3].clone().unwrap();
    assert_eq!(start(&file), Ok(world.id(3)));
    assert!(start(&file[..file.len() / 2]).is_err());
    assert!(start(b"garbage").is_err());
    assert!(start(b"").is_ok(), "an empty file is no file");
}

#[test]
fn a_vote_is_on_disk_when_it_is_told() {
    for seed in 0..10 {
        let mut world = World::cluster(seed, 6);
        world.kill(0);
        world.run_until(Span::ms(2_800), "promoted", |world| world.is_primary(3));
        let epoch = world.info(3, "cluster_current_epoch");
        let vote = format!("lastVoteEpoch {epoch}");
        let voters = [1, 2].into_iter().filter(|voter| {
            let file = String::from_utf8(world.disks[*voter].clone().unwrap()).unwrap();
            file.contains(&vote)
        });
        assert_eq!(voters.count(), 2, "both votes were needed, both are on disk");
    }
}
