//! A world of N machines: virtual time, one seed, nodes.conf as the only disk.
//!
//! Replication is a copy: every 10 ms a replica whose primary is in reach takes the primary's offsets over, whatever
//! they are. So a replica that follows an empty primary loses its data, as it would in earnest.

use base::{Id, Now, Random, Span, Time, Unix};
use cluster::{Act, Asker, Boot, Cluster, Event, Facts, Keys, Role, Serving, Settings};
use machine::{Address, ConnId, Dialer, Peer, WriteId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use wire::bus::{Body, Frame};
use wire::{Batch, Reply};

pub const TIMEOUT: Span = Span::ms(2_000);
/// One slot of each third of the slots: what the checker of owners looks at.
const PROBES: [u16; 3] = [0, 6_000, 12_000];

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    node: usize,
    conn: ConnId,
}

/// What will happen.
enum Coming {
    Accepted { dialler: End, node: usize },
    Refused(End),
    Connected(End, IpAddr),
    Frame(End, Vec<u8>),
    Closed(End),
    Written { node: usize, life: u64, write: WriteId, bytes: Vec<u8> },
    Replicate,
}

/// A frame and the write that it waits for.
type Held = (Vec<u8>, Option<WriteId>);

pub struct Host {
    pub cluster: Cluster,
    pub facts: Facts,
    pub followed: Option<u16>,
    pub paused: bool,
    pub promotions: u32,
    pub logs: Vec<String>,
    /// Slots that have keys here.
    pub populated: Vec<u16>,
    dialer: Dialer,
    accepted: u32,
    /// Frames that wait for a write, by connection, in order.
    held: BTreeMap<ConnId, VecDeque<Held>>,
    durable: u64,
    disk_free_at: Time,
    /// Outbound connections that were not reported closed yet: that is done once.
    dialled: BTreeSet<ConnId>,
}

pub struct World {
    pub now: Time,
    pub hosts: Vec<Option<Host>>,
    pub disks: Vec<Option<Vec<u8>>>,
    pub random: Random,
    /// Directed pairs that hear nothing of each other.
    cuts: Vec<(usize, usize)>,
    pairs: BTreeMap<End, End>,
    coming: BTreeMap<(Time, u64), Coming>,
    order: u64,
    arrival: BTreeMap<End, Time>,
    lives: Vec<u64>,
    /// Reports a write as done and does it a second later: the mutation that the vote's checker must catch.
    pub lies: bool,
    /// Changes bytes of a third of all frames on their way.
    pub garbles: bool,
    /// Nodes of another product: they tell no notes, and do not hear any.
    pub foreign: BTreeSet<usize>,
    /// What goes to this node is that much longer on its way.
    pub slow: Option<(usize, Span)>,
    /// Who answers at a node's address in its place.
    pub stand_ins: BTreeMap<usize, usize>,
    votes: BTreeMap<(Id, u64), usize>,
    owners: BTreeMap<(u16, u64), Id>,
    pub violations: Vec<String>,
}

pub struct NoKeys;

impl Keys for NoKeys {
    fn is_empty(&self) -> bool {
        true
    }
    fn count_in_slot(&self, _: u16) -> u64 {
        0
    }
    fn keys_in_slot(&self, _: u16, _: u64, _: &mut dyn FnMut(&[u8])) {}
}

pub fn ip(node: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, node as u8 + 1])
}

impl World {
    pub fn new(seed: u64, count: usize) -> World {
        let mut world = World {
            now: Time(Span::seconds(10).0),
            hosts: (0..count).map(|_| None).collect(),
            disks: vec![None; count],
            random: Random::new(seed),
            cuts: vec![],
            pairs: BTreeMap::new(),
            coming: BTreeMap::new(),
            order: 0,
            arrival: BTreeMap::new(),
            lives: vec![0; count],
            lies: false,
            garbles: false,
            foreign: BTreeSet::new(),
            slow: None,
            stand_ins: BTreeMap::new(),
            votes: BTreeMap::new(),
            owners: BTreeMap::new(),
            violations: vec![],
        };
        (0..count).for_each(|node| world.start(node, Facts::default()));
        world.plan(Span::ms(10), Coming::Replicate);
        world
    }

    /// Primaries 0..3 with a third of the slots each; replicas 3.. of them in turn. Settled.
    pub fn cluster(seed: u64, count: usize) -> World {
        let mut world = World::new(seed, count);
        for (node, range) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
            world.ask(node, &format!("CLUSTER ADDSLOTSRANGE {range}"));
            world.ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", node + 1));
        }
        for node in 1..count {
            world.ask(0, &format!("CLUSTER MEET {} 7000", ip(node)));
        }
        world.run_until(Span::seconds(5), "all know all", |world| {
            (0..count).all(|node| world.info(node, "cluster_known_nodes") == count as u64)
        });
        for node in 3..count {
            let primary = world.id(node % 3);
            world.run_until(Span::seconds(5), "replicate", |world| {
                world.ask(node, &format!("CLUSTER REPLICATE {primary}")) == "+OK\r\n"
            });
        }
        world.run_until(Span::seconds(10), "cluster ok", |world| World::is_settled(world));
        world.run(Span::seconds(3));
        world
    }

    pub fn settings() -> Settings {
        Settings { port: 7_000, node_timeout: TIMEOUT, ..Settings::default() }
    }

    pub fn now(&self) -> Now {
        Now { mono: self.now, unix: Unix(1_700_000_000_000_000 + self.now.0) }
    }

    pub fn host(&self, node: usize) -> &Host {
        self.hosts[node].as_ref().expect("the node runs")
    }

    pub fn id(&self, node: usize) -> Id {
        self.host(node).cluster.my_id()
    }

    pub fn role(&self, node: usize) -> Role {
        self.host(node).cluster.role()
    }

    pub fn serving(&self, node: usize) -> Serving {
        self.host(node).cluster.serving()
    }

    pub fn is_primary(&self, node: usize) -> bool {
        self.hosts[node].is_some() && self.role(node) == Role::Primary
    }

    /// All running nodes are ok and agree on the owners; exactly three own slots.
    pub fn is_settled(world: &World) -> bool {
        let running: Vec<&Host> = world.hosts.iter().flatten().collect();
        let owners =
            |host: &Host| PROBES.map(|slot| Some(host.cluster.endpoint(host.cluster.owner(slot)?)?.id));
        let first = owners(running[0]);
        first.iter().all(Option::is_some)
            && running.iter().all(|host| host.cluster.serving() == Serving::Ok && owners(host) == first)
    }

    pub fn info(&self, node: usize, field: &str) -> u64 {
        let text = self.host(node).cluster.info_text();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().parse().unwrap()
    }

    /// Starts a node from its disk with what it "loaded".
    pub fn start(&mut self, node: usize, facts: Facts) {
        let boot = Boot { nodes_conf: self.disks[node].as_deref(), facts, populated: &[] };
        let random = self.random.fork();
        let cluster = Cluster::new(World::settings(), boot, random).expect("nodes.conf is whole");
        self.lives[node] += 1;
        self.hosts[node] = Some(Host {
            cluster,
            facts,
            followed: None,
            paused: false,
            promotions: 0,
            logs: vec![],
            populated: vec![],
            dialer: Dialer::default(),
            accepted: 0,
            held: BTreeMap::new(),
            durable: 0,
            disk_free_at: Time::START,
            dialled: BTreeSet::new(),
        });
        self.tick(node);
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.hosts[node] = None;
        let ends: Vec<(End, End)> = self.pairs.iter().map(|(a, b)| (*a, *b)).collect();
        for (end, other) in ends.into_iter().filter(|(end, _)| end.node == node) {
            self.pairs.remove(&end);
            self.pairs.remove(&other);
            if !self.is_cut(node, other.node) {
                self.plan_closed(other);
            }
        }
    }

    pub fn cut(&mut self, one: usize, two: usize) {
        self.cuts.push((one, two));
        self.cuts.push((two, one));
    }

    pub fn cut_one_way(&mut self, from: usize, to: usize) {
        self.cuts.push((from, to));
    }

    pub fn isolate(&mut self, node: usize) {
        (0..self.hosts.len()).filter(|other| *other != node).for_each(|other| self.cut(node, other));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains(&(from, to))
    }

    pub fn ask(&mut self, node: usize, line: &str) -> String {
        self.ask_as(node, line, Asker::default())
    }

    /// A primary executes CLUSTER SETSLOT and its stream carries it to the replicas.
    pub fn set_slot(&mut self, primary: usize, replicas: &[usize], line: &str) {
        let line = format!("CLUSTER SETSLOT {line}");
        assert_eq!(self.ask(primary, &line), "+OK\r\n");
        for &replica in replicas {
            let asker = Asker { is_stream: true, ..Asker::default() };
            assert_eq!(self.ask_as(replica, &line, asker), "+OK\r\n");
        }
    }

    fn ask_as(&mut self, node: usize, line: &str, asker: Asker) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let batch: Batch = [words.as_slice()].into_iter().collect();
        let mut out = vec![];
        let mut acts = vec![];
        let now = self.now();
        let host = self.hosts[node].as_mut().expect("the node runs");
        let mut reply = Reply::new(&mut out, false);
        host.cluster.ask(now, batch.request(0), asker, &NoKeys, &mut reply, &mut acts);
        self.carry_out(node, acts);
        String::from_utf8(out).unwrap()
    }

    /// A write of a client on a primary.
    pub fn write(&mut self, node: usize) {
        let host = self.hosts[node].as_mut().expect("the node runs");
        host.facts.offset += 100;
        host.facts.data_offset = host.facts.offset;
        host.facts.is_empty = false;
    }

    fn plan(&mut self, after: Span, coming: Coming) {
        self.order += 1;
        self.coming.insert((self.now + after, self.order), coming);
    }

    /// Something on its way to an end of a connection: in order with what was sent before.
    fn plan_arrival(&mut self, end: End, coming: Coming) {
        let slow = self.slow.filter(|(node, _)| *node == end.node).map_or(Span::ZERO, |(_, span)| span);
        let delay = Span::us(self.random.between(200, 2_000)) + slow;
        let at = (self.now + delay).max(self.arrival.get(&end).copied().unwrap_or(Time::START));
        self.arrival.insert(end, at);
        self.order += 1;
        self.coming.insert((at, self.order), coming);
    }

    fn plan_closed(&mut self, end: End) {
        self.plan_arrival(end, Coming::Closed(end));
    }

    fn tick(&mut self, node: usize) {
        self.event(node, Event::Tick);
    }

    fn event(&mut self, node: usize, event: Event<'_>) {
        let now = self.now();
        let Some(host) = &mut self.hosts[node] else { return };
        let mut acts = vec![];
        host.cluster.observe(host.facts);
        host.cluster.handle(now, event, &mut host.dialer, &mut acts);
        self.carry_out(node, acts);
    }

    fn carry_out(&mut self, node: usize, acts: Vec<Act>) {
        for act in acts {
            self.carry_out_one(node, act);
        }
        self.check_owners(node);
    }

    fn carry_out_one(&mut self, node: usize, act: Act) {
        let life = self.lives[node];
        let Some(host) = &mut self.hosts[node] else { return };
        match act {
            Act::Connect { conn, to: Address::Inet(to, port) } => {
                host.dialled.insert(conn);
                let dialler = End { node, conn };
                let count = self.hosts.len();
                let Some(to) = (0..count).find(|&other| ip(other) == to && port == 17_000) else {
                    // A damaged frame gave a wrong address.
                    self.plan_arrival(dialler, Coming::Refused(dialler));
                    return;
                };
                let to = self.stand_ins.get(&to).copied().unwrap_or(to);
                // A cut host answers nothing; a dead process refuses.
                if !self.is_cut(node, to) && !self.is_cut(to, node) {
                    self.plan_arrival(dialler, Coming::Accepted { dialler, node: to });
                }
            }
            Act::Connect { conn, .. } => {
                host.dialled.insert(conn);
                let dialler = End { node, conn };
                self.plan_arrival(dialler, Coming::Refused(dialler));
            }
            Act::Send { conn, bytes, after } => {
                let bytes = bytes.as_slice().to_vec();
                host.held.entry(conn).or_default().push_back((bytes, after));
                self.release(node);
            }
            Act::Close { conn } => {
                host.held.remove(&conn);
                let end = End { node, conn };
                if let Some(other) = self.pairs.remove(&end) {
                    self.pairs.remove(&other);
                    if !self.is_cut(node, other.node) {
                        self.plan_closed(other);
                    }
                }
                if conn.is_outbound() {
                    self.plan(Span::ms(1), Coming::Closed(end));
                }
            }
            Act::SaveConf { write, bytes } => {
                assert!(Cluster::owns_write(write));
                let delay = Span::us(self.random.between(500, 15_000));
                // Operations on one file are carried out in order.
                let at = (self.now + delay).max(host.disk_free_at);
                host.disk_free_at = at;
                let delay = at.since(self.now);
                if self.lies {
                    host.durable = write.0;
                    self.plan(Span::seconds(1), Coming::Written { node, life, write, bytes });
                    self.plan(Span::ZERO, Coming::Written { node, life, write, bytes: vec![] });
                } else {
                    self.plan(delay, Coming::Written { node, life, write, bytes });
                }
            }
            Act::Follow { ip: to, .. } => {
                let to = to.parse::<std::net::Ipv4Addr>().map_or(0, |ip| ip.octets()[3]);
                host.followed = Some(to.into());
            }
            Act::Promote => (host.followed, host.promotions) = (None, host.promotions + 1),
            Act::PauseClients { .. } => host.paused = true,
            Act::ResumeClients => host.paused = false,
            Act::Log { text, .. } => host.logs.push(text),
            Act::KeepKeys(slots) => self.tell_kept(node, &slots),
            Act::RoutesChanged | Act::Deliver { .. } | Act::FlushData => {}
        }
    }

    fn tell_kept(&mut self, node: usize, slots: &[u16]) {
        let populated = self.host(node).populated.clone();
        let kept: Vec<u16> = slots.iter().copied().filter(|slot| populated.contains(slot)).collect();
        self.event(node, Event::KeysKept { slots: &kept });
    }

    /// Sends what waits for nothing any more.
    fn release(&mut self, node: usize) {
        let Some(host) = &mut self.hosts[node] else { return };
        let durable = host.durable;
        let mut ready = vec![];
        for (conn, queue) in &mut host.held {
            while queue.front().is_some_and(|(_, after)| after.is_none_or(|write| write.0 <= durable)) {
                ready.push((*conn, queue.pop_front().expect("there is a front").0));
            }
        }
        for (conn, bytes) in ready {
            let Some(&other) = self.pairs.get(&End { node, conn }) else { continue };
            self.check_vote(&bytes, other.node);
            if self.is_cut(node, other.node) {
                // The connection is stuck from here on: nothing that comes later may overtake what was lost.
                self.pairs.remove(&End { node, conn });
            } else {
                let bytes = if self.garbles { self.garble(bytes) } else { bytes };
                let is_foreign = self.foreign.contains(&node) || self.foreign.contains(&other.node);
                let bytes = if is_foreign { without_note(bytes) } else { bytes };
                self.plan_arrival(other, Coming::Frame(other, bytes));
            }
        }
    }

    fn garble(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.random.chance(1, 3) {
            for _ in 0..self.random.between(1, 4) {
                // Often in the header, where it hurts, not always in the slots.
                let end = if self.random.chance(1, 2) { 80 } else { bytes.len() as u64 };
                let start = if self.random.chance(1, 2) { 0 } else { 2_128.min(end - 1) };
                let at = self.random.between(start.min(end - 1), end - 1) as usize;
                bytes[at] ^= 1 << self.random.below(8);
            }
        }
        bytes
    }

    fn check_vote(&mut self, bytes: &[u8], receiver: usize) {
        let frame = Frame::decode(bytes).expect("machines send frames");
        if frame.body != Body::AuthAck {
            return;
        }
        let vote = (frame.header.sender, frame.header.current_epoch);
        let first = *self.votes.entry(vote).or_insert(receiver);
        if first != receiver {
            self.violations.push(format!("{} voted twice in epoch {}", vote.0, vote.1));
        }
    }

    fn check_owners(&mut self, node: usize) {
        let Some(host) = &self.hosts[node] else { return };
        let (cluster, me) = (&host.cluster, host.cluster.my_index());
        if cluster.role() != Role::Primary {
            return;
        }
        let (id, epoch) = (cluster.my_id(), cluster.config_epoch());
        for slot in PROBES.into_iter().filter(|slot| cluster.owner(*slot) == Some(me)) {
            let first = *self.owners.entry((slot, epoch)).or_insert(id);
            if first != id {
                self.violations
                    .push(format!("slot {slot} has two primaries in epoch {epoch}: {first}, {id}"));
            }
        }
    }

    /// Runs for so long.
    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until the condition holds; fails when it does not within `limit`. Returns how long it took.
    #[track_caller]
    pub fn run_until(
        &mut self,
        limit: Span,
        what: &str,
        mut is_done: impl FnMut(&mut World) -> bool,
    ) -> Span {
        let start = self.now;
        while !is_done(self) {
            assert!(
                self.now.since(start) <= limit,
                "not within {} ms: {what}\n{}",
                limit.as_ms(),
                self.picture()
            );
            self.run(Span::ms(10));
        }
        self.now.since(start)
    }

    /// What all nodes think, for a failed test.
    pub fn picture(&mut self) -> String {
        let mut text = String::new();
        for node in 0..self.hosts.len() {
            if self.hosts[node].is_some() {
                text +=
                    &format!("-- node {node} {:?}\n{}", self.serving(node), self.ask(node, "CLUSTER NODES"));
                text +=
                    &self.host(node).logs.iter().rev().take(8).rev().cloned().collect::<Vec<_>>().join("\n");
                text.push('\n');
            } else {
                text += &format!("-- node {node} is down\n");
            }
        }
        text
    }

    /// The next thing until `end`; false when there is none.
    fn step(&mut self, end: Time) -> bool {
        let wakes = self.hosts.iter().enumerate();
        let wakes = wakes.filter_map(|(node, host)| Some((host.as_ref()?.cluster.wake_at(), node)));
        let wake = wakes.min();
        let next = self.coming.first_key_value().map(|(key, _)| key.0);
        match (wake, next) {
            (Some((at, node)), next) if at <= end && next.is_none_or(|next| at <= next) => {
                self.now = self.now.max(at);
                self.tick(node);
                true
            }
            (_, Some(at)) if at <= end => {
                let (_, coming) = self.coming.pop_first().expect("there is a first");
                self.now = self.now.max(at);
                self.happen(coming);
                true
            }
            _ => false,
        }
    }

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Accepted { dialler, node } => self.accept(dialler, node),
            Coming::Refused(end) => {
                self.event(end.node, Event::Connected { conn: end.conn, result: Err("connection refused") });
                self.gone(end);
            }
            Coming::Connected(end, to) => {
                if self.pairs.contains_key(&end) {
                    let peer = peer(to, ip(end.node));
                    self.event(end.node, Event::Connected { conn: end.conn, result: Ok(&peer) });
                }
            }
            Coming::Frame(end, bytes) => self.event(end.node, Event::Frame { conn: end.conn, bytes: &bytes }),
            Coming::Closed(end) if end.conn.is_outbound() && !self.is_dialled(end) => {}
            Coming::Closed(end) => {
                self.pairs.remove(&end);
                self.event(end.node, Event::Closed { conn: end.conn });
                self.gone(end);
            }
            Coming::Written { node, life, write, bytes } => self.written(node, life, write, bytes),
            Coming::Replicate => {
                self.plan(Span::ms(10), Coming::Replicate);
                (0..self.hosts.len()).for_each(|node| self.replicate(node));
            }
        }
    }

    fn is_dialled(&self, end: End) -> bool {
        self.hosts[end.node].as_ref().is_some_and(|host| host.dialled.contains(&end.conn))
    }

    fn gone(&mut self, end: End) {
        if let Some(host) = &mut self.hosts[end.node]
            && host.dialled.remove(&end.conn)
        {
            host.dialer.closed(end.conn);
        }
    }

    fn accept(&mut self, dialler: End, node: usize) {
        if self.hosts[dialler.node].is_none() {
            return;
        }
        let Some(host) = &mut self.hosts[node] else {
            self.plan_arrival(dialler, Coming::Refused(dialler));
            return;
        };
        host.accepted += 1;
        let conn = ConnId::inbound(host.accepted, self.lives[node] as u32);
        let end = End { node, conn };
        self.pairs.insert(end, dialler);
        self.pairs.insert(dialler, end);
        let peer = peer(ip(dialler.node), ip(node));
        self.event(node, Event::Accepted { conn, peer: &peer });
        self.plan_arrival(dialler, Coming::Connected(dialler, ip(node)));
    }

    fn written(&mut self, node: usize, life: u64, write: WriteId, bytes: Vec<u8>) {
        if self.lives[node] != life || self.hosts[node].is_none() {
            return;
        }
        if !bytes.is_empty() {
            self.disks[node] = Some(bytes);
        }
        if let Some(host) = &mut self.hosts[node] {
            host.durable = host.durable.max(write.0);
        }
        self.release(node);
        self.event(node, Event::Written { write, is_done: true });
    }

    fn replicate(&mut self, node: usize) {
        let Some(host) = &self.hosts[node] else { return };
        let source = host.followed.and_then(|octet| usize::from(octet).checked_sub(1));
        let facts = source.and_then(|source| {
            let primary = self.hosts.get(source)?.as_ref()?;
            let is_cut = self.is_cut(source, node) || self.is_cut(node, source);
            let leads = primary.cluster.role() == Role::Primary && !primary.cluster.refuses_psync();
            (leads && !is_cut).then_some(primary.facts)
        });
        let now = self.now;
        let host = self.hosts[node].as_mut().expect("the node runs");
        if source.is_some() {
            host.facts.is_link_up = facts.is_some();
        }
        if let Some(facts) = facts {
            host.facts = Facts { is_link_up: true, heard_at: Some(now), ..facts };
        }
    }
}

fn peer(remote: IpAddr, local: IpAddr) -> Peer {
    Peer { remote: Address::Inet(remote, 50_000), local: Address::Inet(local, 17_000) }
}

/// A frame as a node of another product sends or understands it.
fn without_note(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(mut frame) = Frame::decode(&bytes) else { return bytes };
    frame.header.note = None;
    let mut plain = vec![];
    frame.encode(&mut plain);
    plain
}
