//! Scenario: a cluster of three primaries with replicas, put through faults, healed, and judged.
//!
//! ```text
//!   draw shape and settings -> boot -> all ok? -> faults and writes -> heal -> all in step by the deadline?
//!                                   checkers look after every step of 20 ms
//! ```

use crate::checkers::confirmed::ConfirmedWrites;
use crate::checkers::convergence;
use crate::checkers::double_vote::{DoubleVote, is_vote};
use crate::checkers::offsets::Offsets;
use crate::checkers::one_primary::OnePrimary;
use crate::checkers::whole;
use crate::checkers::{SAMPLES, Sight, Violation};
use crate::client::Client;
use crate::net::HostIndex;
use crate::operator::Operator;
use crate::world::{BUS_PORT, CLIENT_PORT, World};
use base::{Id, Now, Random};
use machine::{Input, Machine, Outbox, Signal};
use node::Node;
use spec::Config;
use wire::bus::{Flags, SlotSet};
use wire::nodes_conf::{ConfNode, NodesConf};

/// A node, a writer, or the operator.
pub enum Actor {
    /// A server, the code of production.
    Node(Box<Node>),
    /// A writer.
    Client(Box<Client>),
    /// The operator.
    Operator(Box<Operator>),
}

impl Machine for Actor {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.handle(now, input, out),
            Actor::Client(client) => client.handle(now, input, out),
            Actor::Operator(operator) => operator.handle(now, input, out),
        }
    }

    fn seal(&mut self, now: Now, out: &mut Outbox) {
        match self {
            Actor::Node(node) => node.seal(now, out),
            Actor::Client(client) => client.seal(now, out),
            Actor::Operator(operator) => operator.seal(now, out),
        }
    }
}

/// The checkers look so often.
const LOOK_EVERY_US: u64 = 20_000;
/// A fresh cluster is ok by then.
const FORMED_WITHIN_US: u64 = 30_000_000;
/// After healing, so many node timeouts and this constant are enough for everything.
const HEALED_WITHIN_US: u64 = 90_000_000;
/// Ten minutes: wall clocks of hosts differ by so much at most.
const CLOCK_AHEAD_MAX_US: u64 = 600_000_000;

/// How a run is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Disks report a replaced file before it is durable: a mutation of the world, not of the product.
    pub lying_disks: bool,
    /// Keep the nodes' log lines.
    pub keeps_log: bool,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// The hash of everything that happened.
    pub trace: u64,
    /// Simulated time.
    pub simulated_us: u64,
    /// Elections that were won, as far as the checkers saw them.
    pub takeovers: u64,
    /// Writes that were acknowledged, and promises that were tested at a takeover.
    pub writes: u64,
    /// Promises that were tested.
    pub promises_tested: u64,
    /// The nodes' log lines, when kept.
    pub log: Vec<(u64, HostIndex, String)>,
}

/// What the seed decides before anything runs.
#[derive(Clone, Debug)]
struct Shape {
    primaries: usize,
    replicas: usize,
    node_timeout_ms: u64,
    directives: String,
    faults_us: u64,
    fault_every_us: u64,
    writers: usize,
}

impl Shape {
    fn draw(random: &mut Random) -> Shape {
        let replicas = random.between(1, 2) as usize;
        let node_timeout_ms = random.between(400, 3_000);
        let pick =
            |random: &mut Random, values: &[&'static str]| values[random.below(values.len() as u64) as usize];
        let directives = [
            ("repl-backlog-size", pick(random, &["16kb", "64kb", "1mb"])),
            ("repl-ping-replica-period", pick(random, &["1", "3", "10"])),
            ("repl-timeout", pick(random, &["5", "10", "60"])),
            ("repl-diskless-sync-delay", pick(random, &["0", "0", "1"])),
            ("cluster-replica-validity-factor", pick(random, &["0", "10", "10"])),
            ("cluster-require-full-coverage", pick(random, &["yes", "no"])),
            ("save", pick(random, &["\"\"", "3 1", "10 5"])),
            ("hz", pick(random, &["10", "100"])),
            ("repl-diskless-sync", pick(random, &["yes", "no"])),
            ("stop-writes-on-bgsave-error", pick(random, &["yes", "no"])),
            ("cluster-allow-replica-migration", pick(random, &["yes", "no"])),
        ];
        let directives = directives.map(|(name, value)| format!("{name} {value}\n")).concat();
        Shape {
            primaries: 3,
            replicas,
            node_timeout_ms,
            directives,
            faults_us: random.between(10_000_000, 40_000_000),
            fault_every_us: random.between(300_000, 5_000_000),
            writers: random.between(1, 3) as usize,
        }
    }

    fn nodes(&self) -> usize {
        self.primaries * (self.replicas + 1)
    }

    fn config(&self) -> Config {
        let text = format!(
            "port {CLIENT_PORT}\ncluster-enabled yes\ncluster-node-timeout {}\nprotected-mode no\n{}",
            self.node_timeout_ms, self.directives
        );
        crate::settings::config(&text)
    }
}

/// One run.
pub struct Run {
    world: World<Actor>,
    shape: Shape,
    random: Random,
    /// When each dead host is switched on again.
    restarts: Vec<(u64, HostIndex)>,
    heal_at_us: u64,
    one_primary: OnePrimary,
    double_vote: DoubleVote,
    offsets: Offsets,
    confirmed: ConfirmedWrites,
    sights: Vec<Sight>,
    was_primary: Vec<Option<(u32, bool)>>,
    takeovers: u64,
    options: Options,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Outcome {
    let mut run = Run::new(seed, options);
    // A bug that an assertion finds is a finding of this seed, not the end of all runs.
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.play()));
    let violation = match played {
        Ok(played) => played.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Some(Violation { rule: "no assertion fails", text: text.unwrap_or_default() })
        }
    };
    let writes = (run.shape.nodes()..run.shape.nodes() + run.shape.writers)
        .map(|host| match run.world.machine(host) {
            Some(Actor::Client(client)) => client.acknowledged,
            _ => 0,
        })
        .sum();
    Outcome {
        violation,
        trace: run.world.trace.hash(),
        simulated_us: run.world.now_us(),
        takeovers: run.takeovers,
        writes,
        promises_tested: run.confirmed.tested,
        log: std::mem::take(&mut run.world.log),
    }
}

impl Run {
    fn new(seed: u64, options: Options) -> Run {
        let mut world: World<Actor> = World::new(seed, is_vote);
        world.keeps_log = options.keeps_log;
        let mut random = world.random.fork();
        let shape = Shape::draw(&mut random);
        // Nodes, writers, and the operator.
        for _ in 0..shape.nodes() + shape.writers + 1 {
            world.add_host();
        }
        let was_primary = vec![None; shape.nodes()];
        Run {
            world,
            shape,
            random,
            restarts: Vec::new(),
            heal_at_us: u64::MAX,
            one_primary: OnePrimary::default(),
            double_vote: DoubleVote::default(),
            offsets: Offsets::default(),
            confirmed: ConfirmedWrites::default(),
            sights: Vec::new(),
            was_primary,
            takeovers: 0,
            options,
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        self.write_first_conf();
        for host in 0..self.shape.nodes() {
            if self.options.lying_disks {
                self.world.disk_mut(host).is_lying = true;
            }
            self.boot(host);
        }
        self.converge(FORMED_WITHIN_US, "a new cluster forms")?;
        self.start_writers();
        let end_us = self.world.now_us() + self.shape.faults_us;
        let mut next_fault_us = self.world.now_us() + self.fault_gap_us();
        while self.world.now_us() < end_us {
            self.step()?;
            if self.world.now_us() >= next_fault_us {
                self.fault();
                next_fault_us = self.world.now_us() + self.fault_gap_us();
            }
        }
        self.heal();
        self.converge(HEALED_WITHIN_US, "a healed cluster converges")?;
        self.look_at_transactions()
    }

    fn look_at_transactions(&self) -> Result<(), Violation> {
        for writer in self.shape.nodes()..self.operator() {
            let Some(Actor::Client(client)) = self.world.machine(writer) else { continue };
            for host in 0..self.shape.nodes() {
                let Some(Actor::Node(node)) = self.world.machine(host) else { continue };
                client
                    .pairs
                    .iter()
                    .try_for_each(|pair| whole::see(host, pair, |key| node.holds(key.as_bytes())))?;
            }
        }
        Ok(())
    }

    fn operator(&self) -> HostIndex {
        self.shape.nodes() + self.shape.writers
    }

    fn fault_gap_us(&mut self) -> u64 {
        self.random.between(self.shape.fault_every_us / 4, self.shape.fault_every_us * 2)
    }

    /// A cluster as its operator left it: every node has the same nodes.conf, and no data.
    fn write_first_conf(&mut self) {
        let count = self.shape.nodes();
        let ids: Vec<Id> = (0..count).map(|_| Id::random(&mut self.random)).collect();
        for me in 0..count {
            let nodes = (0..count)
                .map(|place| {
                    let primary = (place >= self.shape.primaries).then(|| ids[place % self.shape.primaries]);
                    let mut flags = if primary.is_some() { Flags::REPLICA } else { Flags::PRIMARY };
                    if place == me {
                        flags.set(Flags::MYSELF);
                    }
                    let mut slots = SlotSet::default();
                    if primary.is_none() {
                        let share =
                            |at: usize| (at * 16_384 + self.shape.primaries / 2) / self.shape.primaries;
                        (share(place)..share(place + 1)).for_each(|slot| slots.insert(slot as u16));
                    }
                    ConfNode {
                        id: ids[place],
                        ip: self.world.ip(place).to_string(),
                        port: CLIENT_PORT,
                        bus_port: BUS_PORT,
                        hostname: String::new(),
                        shard: None,
                        human_name: String::new(),
                        zone: String::new(),
                        other_port: 0,
                        is_tls: false,
                        flags,
                        primary,
                        ping_sent_ms: 0,
                        pong_received_ms: 0,
                        config_epoch: (place % self.shape.primaries) as u64 + 1,
                        is_connected: true,
                        slots,
                        migrating: Vec::new(),
                        importing: Vec::new(),
                    }
                })
                .collect();
            let conf = NodesConf { nodes, current_epoch: self.shape.primaries as u64, last_vote_epoch: 0 };
            self.world.disk_mut(me).write("nodes.conf", conf.format());
        }
    }

    fn boot(&mut self, host: HostIndex) {
        let node = Node::new(self.shape.config(), node::Identity::default(), self.random.word());
        self.world.boot(host, Actor::Node(Box::new(node)));
    }

    fn start_writers(&mut self) {
        let nodes: Vec<_> = (0..self.shape.nodes()).map(|host| self.world.ip(host)).collect();
        for writer in 0..self.shape.writers {
            let seed = self.random.word();
            let client = Client::new(
                format!("w{writer}"),
                nodes.clone(),
                CLIENT_PORT,
                self.shape.replicas as u64,
                seed,
            );
            self.world.boot(self.shape.nodes() + writer, Actor::Client(Box::new(client)));
        }
        self.world.boot(self.operator(), Actor::Operator(Box::new(Operator::new(CLIENT_PORT))));
    }

    /// One step of time, with everything that is due, and a look at all nodes.
    fn step(&mut self) -> Result<(), Violation> {
        let until_us = self.world.now_us() + LOOK_EVERY_US;
        while self.world.now_us() < until_us {
            self.world.run_until(until_us);
            for tapped in std::mem::take(&mut self.world.tapped) {
                self.double_vote.see(&tapped)?;
                self.harass_voter(tapped.from, tapped.life);
            }
        }
        let now_us = self.world.now_us();
        if now_us >= self.heal_at_us {
            self.world.net.heal();
            self.heal_at_us = u64::MAX;
        }
        for host in 0..self.shape.nodes() {
            let is_planned = self.restarts.iter().any(|(_, planned)| *planned == host);
            if self.world.machine(host).is_none() && !is_planned {
                // It ended by itself: a supervisor starts it again.
                self.restarts.push((now_us + 100_000, host));
            }
        }
        let due: Vec<HostIndex> =
            self.restarts.iter().filter(|(at, _)| *at <= now_us).map(|(_, host)| *host).collect();
        self.restarts.retain(|(at, _)| *at > now_us);
        for host in due {
            self.boot(host);
        }
        self.look()
    }

    fn look(&mut self) -> Result<(), Violation> {
        self.sights.clear();
        for host in 0..self.shape.nodes() {
            let Some(Actor::Node(node)) = self.world.machine(host) else { continue };
            let Some(sight) = sight(host, self.world.life(host), node) else { continue };
            self.one_primary.see(&sight)?;
            self.offsets.see(&sight)?;
            self.confirmed.see(&sight, |key| node.holds(key.as_bytes()))?;
            let before = self.was_primary[host].replace((sight.life, sight.is_primary));
            if before == Some((sight.life, false)) && sight.is_primary {
                self.takeovers += 1;
            }
            self.sights.push(sight);
        }
        self.take_confirmations();
        Ok(())
    }

    fn take_confirmations(&mut self) {
        let replicas = self.shape.replicas as i64;
        for host in self.shape.nodes()..self.shape.nodes() + self.shape.writers {
            let confirmed = match self.world.machine_mut(host) {
                Some(Actor::Client(client)) => std::mem::take(&mut client.confirmed),
                _ => continue,
            };
            let world = &self.world;
            for write in &confirmed {
                self.confirmed.confirm(write, &self.sights, |host| world.ip(host), replicas);
            }
        }
    }

    /// Right after a vote is the worst time for a crash: the disk must have what was promised.
    fn harass_voter(&mut self, host: HostIndex, life: u32) {
        let is_up = self.world.machine(host).is_some() && self.world.life(host) == life;
        if is_up && !self.is_healing() && self.random.chance(1, 3) {
            let is_power_lost = self.random.chance(2, 3);
            self.crash(host, is_power_lost, 1_000, 100_000);
        }
    }

    fn is_healing(&self) -> bool {
        self.shape.faults_us == 0
    }

    fn crash(&mut self, host: HostIndex, is_power_lost: bool, down_min_us: u64, down_max_us: u64) {
        if self.world.machine(host).is_none() {
            return;
        }
        self.world.crash(host, is_power_lost);
        let at = self.world.now_us() + self.random.between(down_min_us, down_max_us);
        self.restarts.push((at, host));
    }

    fn crash_all(&mut self, hosts: &[HostIndex], down_max_us: u64) {
        let is_power_lost = self.random.chance(1, 3);
        for &host in hosts {
            self.crash(host, is_power_lost, 10_000, down_max_us);
        }
    }

    fn fault(&mut self) {
        let count = self.shape.nodes() as u64;
        let host = self.random.below(count) as usize;
        let timeout_us = self.shape.node_timeout_ms * 1_000;
        if self.options.lying_disks && self.random.chance(1, 2) {
            // Where the lie can be seen: two candidates of one epoch, and voters that lose power.
            return self.force_two(host);
        }
        match self.random.below(25) {
            0..=3 => self.crash_all(&[host], timeout_us * 3),
            4 | 5 => {
                // The same moment for two: the worst that a shard must live with, or not.
                let other = self.random.below(count) as usize;
                self.crash_all(&[host, other], timeout_us * 2);
            }
            6 => {
                let shard = self.shard_of(host);
                self.crash_all(&shard, timeout_us * 2);
            }
            7 if self.random.chance(1, 2) => {
                let all: Vec<HostIndex> = (0..self.shape.nodes()).collect();
                self.crash_all(&all, timeout_us * 2);
            }
            7 | 8 => self.world.signal(host, Signal::Terminate),
            9 | 10 => {
                let span_us = self.random.between(10_000, timeout_us * 3);
                self.world.pause(host, span_us);
            }
            11..=14 => self.partition(timeout_us),
            15 => self.world.break_connection(),
            16 => {
                let span_us = self.random.between(100_000, timeout_us * 3);
                self.world.slow_disk(host, span_us);
            }
            17 => {
                let span_us = self.random.between(100_000, timeout_us * 3);
                self.world.fill_disk(host, span_us);
            }
            18 => self.world.set_clock(host, self.random.below(CLOCK_AHEAD_MAX_US)),
            19 => self.send(host, "CLUSTER FAILOVER".into()),
            20 => self.force_two(host),
            21 => self.move_replica(host),
            22 => self.send(host, "BGSAVE".into()),
            23 => self.open_slot(host),
            _ => {
                self.world.disk_mut(host).catch_up();
                self.world.give_host_facts();
            }
        }
    }

    /// Two replicas are told at once to take over: their elections have one epoch, and every vote counts.
    fn force_two(&mut self, host: HostIndex) {
        let replicas: Vec<HostIndex> =
            self.sights.iter().filter(|sight| !sight.is_primary).map(|sight| sight.host).collect();
        if replicas.is_empty() {
            return;
        }
        let first = replicas[host % replicas.len()];
        let second = replicas[self.random.below(replicas.len() as u64) as usize];
        for replica in [first, second] {
            self.send(replica, "CLUSTER FAILOVER FORCE".into());
        }
    }

    /// A replica is told to follow another primary.
    fn move_replica(&mut self, host: HostIndex) {
        let primaries: Vec<Id> =
            self.sights.iter().filter(|sight| sight.is_primary).map(|sight| sight.id).collect();
        let is_replica = self.sights.iter().any(|sight| sight.host == host && !sight.is_primary);
        if is_replica && !primaries.is_empty() {
            let primary = primaries[self.random.below(primaries.len() as u64) as usize];
            self.send(host, format!("CLUSTER REPLICATE {primary}"));
        }
    }

    /// A slot is set to leave a primary, and nobody ends that. (To end it takes an epoch without a vote: as in the
    /// originals that one may be an election's for a moment, and the checkers would see two primaries under it.)
    fn open_slot(&mut self, host: HostIndex) {
        let slot = self.random.below(u64::from(SlotSet::SLOTS));
        let other = self.sights.iter().find(|sight| sight.is_primary && sight.host != host);
        if let Some(id) = other.map(|sight| sight.id) {
            self.send(host, format!("CLUSTER SETSLOT {slot} MIGRATING {id}"));
        }
    }

    /// The nodes of a host's shard, as they were last seen.
    fn shard_of(&self, host: HostIndex) -> Vec<HostIndex> {
        let leader = |sight: &Sight| sight.primary.unwrap_or(sight.id);
        let Some(own) = self.sights.iter().find(|sight| sight.host == host).map(leader) else {
            return vec![host];
        };
        self.sights.iter().filter(|sight| leader(sight) == own).map(|sight| sight.host).collect()
    }

    fn send(&mut self, to: HostIndex, command: String) {
        let (ip, operator) = (self.world.ip(to), self.operator());
        if let Some(Actor::Operator(terminal)) = self.world.machine_mut(operator) {
            terminal.send(ip, command);
            self.world.nudge(operator);
        }
    }

    fn partition(&mut self, timeout_us: u64) {
        let all: Vec<HostIndex> = (0..self.shape.nodes() + self.shape.writers).collect();
        let size = self.random.between(1, all.len() as u64 / 2) as usize;
        let mut others = all;
        let mut side = Vec::new();
        for _ in 0..size {
            side.push(others.remove(self.random.below(others.len() as u64) as usize));
        }
        if self.random.chance(1, 4) {
            // A part of the wires: both sides still see some of the others.
            others.retain(|_| self.random.chance(1, 2));
        }
        let (out, back) = match self.random.below(4) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        self.world.net.partition(&side, &others, out, back);
        self.heal_at_us = self.world.now_us() + self.random.between(timeout_us / 2, timeout_us * 4);
    }

    /// No more faults, no more writes, everybody on.
    fn heal(&mut self) {
        self.world.net.heal();
        self.world.mend_disks();
        self.heal_at_us = u64::MAX;
        self.shape.faults_us = 0;
        let now_us = self.world.now_us();
        for (at, _) in &mut self.restarts {
            *at = (*at).min(now_us);
        }
        for host in self.shape.nodes()..self.shape.nodes() + self.shape.writers {
            if let Some(Actor::Client(client)) = self.world.machine_mut(host) {
                client.is_stopped = true;
            }
        }
        if self.options.lying_disks {
            for host in 0..self.shape.nodes() {
                self.world.disk_mut(host).catch_up();
            }
        }
    }

    fn converge(&mut self, within_us: u64, rule: &'static str) -> Result<(), Violation> {
        let deadline = self.world.now_us() + within_us;
        loop {
            self.step()?;
            let world = &self.world;
            let digest = |host: HostIndex| match world.machine(host) {
                Some(Actor::Node(node)) => node.digest(),
                _ => 0,
            };
            let missing = convergence::missing(&self.sights, self.shape.nodes(), digest);
            match missing {
                None => return Ok(()),
                Some(text) if self.world.now_us() > deadline => return Err(Violation { rule, text }),
                Some(_) => {}
            }
        }
    }
}

fn sight(host: HostIndex, life: u32, node: &Node) -> Option<Sight> {
    let seen = node.sight()?;
    Some(Sight {
        host,
        life,
        id: seen.id,
        is_primary: seen.primary.is_none(),
        primary: seen.primary,
        config_epoch: seen.config_epoch,
        owners: SAMPLES.map(|slot| node.owner(slot)),
        is_ok: seen.is_ok,
        replid: seen.replid,
        offset: seen.offset,
        full_syncs: seen.full_syncs,
        is_link_up: seen.is_link_up,
        is_loading: seen.is_loading,
    })
}
