//! Votes: whom one voter votes for, and when.

use base::{Id, Now, Random, Time};
use cluster::{Act, Boot, Cluster, Event};
use machine::{Address, ConnId, Dialer, Peer};
use wire::bus::{self, Body, Flags, Frame, Header, Kind, SlotSet};

use crate::world::World;

const CANDIDATE: ConnId = ConnId::inbound(7, 0);
const SETTLED: Time = Time(60_000_000);

fn id(number: u64) -> Id {
    Id::random(&mut Random::new(number))
}

/// A voter whose cluster is itself, one other primary, and two replicas of that one.
struct Voter {
    cluster: Cluster,
    dialer: Dialer,
}

impl Voter {
    fn new() -> Voter {
        let line = |number: u64, role: &str, primary: &str, slots: &str| {
            let (id, port) = (id(number), 7_000 + number);
            format!("{id} 10.0.0.{number}:{port}@1{port} {role} {primary} 0 0 1 connected{slots}\n")
        };
        let other = id(2).to_string();
        let conf = [
            line(1, "myself,master", "-", " 0-8191"),
            line(2, "master", "-", " 8192-16383"),
            line(3, "slave", &other, ""),
            line(4, "slave", &other, ""),
            "vars currentEpoch 2 lastVoteEpoch 0\n".into(),
        ];
        let conf = conf.concat();
        let boot = Boot { nodes_conf: Some(conf.as_bytes()), ..Boot::default() };
        let cluster = Cluster::new(World::settings(), boot, Random::new(1)).unwrap();
        let mut voter = Voter { cluster, dialer: Dialer::default() };
        voter.handle(Event::Tick);
        let address = Address::Inet([10, 0, 0, 3].into(), 5);
        let peer = Peer { remote: address.clone(), local: address };
        voter.handle(Event::Accepted { conn: CANDIDATE, peer: &peer });
        voter
    }

    fn handle(&mut self, event: Event<'_>) -> Vec<Act> {
        let mut acts = vec![];
        let now = Now { mono: SETTLED, ..Now::default() };
        self.cluster.handle(now, event, &mut self.dialer, &mut acts);
        acts
    }

    /// True when a replica that asks in this epoch gets the vote.
    fn votes_for(&mut self, replica: u64, epoch: u64) -> bool {
        let mut slots = SlotSet::default();
        (8_192..16_384).for_each(|slot| slots.insert(slot));
        let header = Header {
            port: 7_003,
            plain_port: 0,
            bus_port: 17_003,
            current_epoch: epoch,
            config_epoch: 1,
            offset: 0,
            sender: id(replica),
            slots,
            primary: Some(id(2)),
            ip: String::new(),
            flags: Flags::REPLICA,
            is_ok: true,
            message_flags: bus::FORCE_ACK,
            note: None,
        };
        let mut bytes = vec![];
        Frame { header, body: Body::AuthRequest }.encode(&mut bytes);
        let acts = self.handle(Event::Frame { conn: CANDIDATE, bytes: &bytes });
        acts.iter().any(|act| match act {
            Act::Send { bytes, after: Some(_), .. } => {
                Frame::decode(bytes.as_slice()).is_ok_and(|frame| frame.body.kind() == Kind::AuthAck)
            }
            _ => false,
        })
    }
}

#[test]
fn a_candidate_that_lost_an_epoch_gets_the_vote_of_the_next_one_at_once() {
    let mut voter = Voter::new();
    assert!(voter.votes_for(3, 10));
    assert!(!voter.votes_for(3, 10), "one vote per epoch");
    assert!(voter.votes_for(3, 11), "the same candidate asks again");
    assert!(!voter.votes_for(4, 12), "another one of the shard waits");
    assert!(!voter.votes_for(3, 9), "an old epoch");
}
