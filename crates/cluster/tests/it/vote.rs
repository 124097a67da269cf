//! Votes: whom one voter votes for, and when.

use base::{Id, Now, Random, Time};
use cluster::{Act, Asker, Boot, Cluster, Event, Role};
use machine::{Address, ConnId, Dialer, Peer};
use wire::bus::{self, Body, Flags, Frame, Header, Kind, SlotSet};
use wire::{Batch, Reply};

use crate::world::{NoKeys, World};

const CANDIDATE: ConnId = ConnId::inbound(7, 0);
const SETTLED: Time = Time(60_000_000);

fn id(number: u64) -> Id {
    Id::random(&mut Random::new(number))
}

/// One line of nodes.conf.
fn line(number: u64, role: &str, primary: Option<u64>, slots: &str) -> String {
    let (id, port) = (id(number), 7_000 + number);
    let primary = primary.map_or("-".into(), |number| self::id(number).to_string());
    format!("{id} 10.0.0.{number}:{port}@1{port} {role} {primary} 0 0 1 connected {slots}\n")
}

/// A node with one connection, over which all others speak.
struct Voter {
    cluster: Cluster,
    dialer: Dialer,
}

impl Voter {
    /// A voter whose cluster is itself, one other primary, and two replicas of that one.
    fn new() -> Voter {
        Voter::with(&[
            line(1, "myself,master", None, "0-8191"),
            line(2, "master", None, "8192-16383"),
            line(3, "slave", Some(2), ""),
            line(4, "slave", Some(2), ""),
        ])
    }

    fn with(lines: &[String]) -> Voter {
        let conf = lines.concat() + "vars currentEpoch 2 lastVoteEpoch 0\n";
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

    /// True when replica of primary 2 that asks in this epoch gets the vote.
    fn votes_for(&mut self, replica: u64, epoch: u64) -> bool {
        let acts = self.hear(replica, Some(2), epoch, Body::AuthRequest);
        acts.iter().any(|act| match act {
            Act::Send { bytes, after: Some(_), .. } => {
                Frame::decode(bytes.as_slice()).is_ok_and(|frame| frame.body.kind() == Kind::AuthAck)
            }
            _ => false,
        })
    }

    fn hear(&mut self, sender: u64, primary: Option<u64>, epoch: u64, body: Body<'_>) -> Vec<Act> {
        let mut slots = SlotSet::default();
        (8_192..16_384).for_each(|slot| slots.insert(slot));
        let header = Header {
            port: 7_003,
            plain_port: 0,
            bus_port: 17_003,
            current_epoch: epoch,
            config_epoch: 1,
            offset: 0,
            sender: id(sender),
            slots,
            primary: primary.map(id),
            ip: String::new(),
            flags: if primary.is_some() { Flags::REPLICA } else { Flags::PRIMARY },
            is_ok: true,
            message_flags: bus::FORCE_ACK,
            note: None,
        };
        let mut bytes = vec![];
        Frame { header, body }.encode(&mut bytes);
        self.handle(Event::Frame { conn: CANDIDATE, bytes: &bytes })
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

#[test]
fn a_winner_votes_for_nobody_else_in_its_epoch() {
    let mut winner = Voter::with(&[
        line(1, "myself,slave", Some(6), ""),
        line(2, "master", None, "8192-16383"),
        line(3, "slave", Some(2), ""),
        line(5, "master", None, "0-99"),
        line(6, "master", None, "100-8191"),
    ]);
    let words: [&[u8]; 3] = [b"CLUSTER", b"FAILOVER", b"FORCE"];
    let batch: Batch = [words.as_slice()].into_iter().collect();
    let (mut out, mut acts) = (vec![], vec![]);
    let now = Now { mono: SETTLED, ..Now::default() };
    let mut reply = Reply::new(&mut out, false);
    winner.cluster.ask(now, batch.request(0), Asker::default(), &NoKeys, &mut reply, &mut acts);
    assert_eq!(winner.cluster.role(), Role::Replica(id(6)));
    // Its own primary gives its vote as well: that seat is the winner's now, and has voted.
    winner.hear(5, None, 3, Body::AuthAck);
    winner.hear(6, None, 3, Body::AuthAck);
    assert_eq!((winner.cluster.role(), winner.cluster.config_epoch()), (Role::Primary, 3));
    assert!(!winner.votes_for(3, 3));
    assert!(winner.votes_for(3, 4));
}
