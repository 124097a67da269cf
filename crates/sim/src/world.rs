//! World: hosts that run machines on a virtual clock, network and disk. One seed, one run.
//!
//! ```text
//!   queue (by time) --> arrival, connection, disk, timer --> a host's inbox --> Turn: handle each, seal,
//!        ^                                                                      outputs in their order
//!        +----------------------------------------------------------------------------+
//! ```
//!
//! The machines are those of production, and so is the framer that cuts the bytes; nothing in them knows
//! that it is simulated. All chance comes from the world's generator, in the order of events, so a seed fixes
//! everything; [`crate::trace::Trace`] proves it.

use crate::disk::Disk;
use crate::net::{End, HostIndex, Link, Net, WINDOW_BYTES};
use crate::rest::Rest;
use crate::trace::Trace;
use base::{Now, Random, Time, Unix};
use machine::{
    Address, Closing, ConnId, DiskOp, HostFacts, Input, Listener, Machine, Outbox, Output, Peer, Signal,
    WriteId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Batch, Framer, Limits, Mode, batch::Ending};

/// The port that every server host listens on for clients; the bus is 10000 higher.
pub const CLIENT_PORT: u16 = 6379;
/// The port of the bus.
pub const BUS_PORT: u16 = CLIENT_PORT + 10_000;
/// A turn of the loop takes at least so long.
const TURN_US: u64 = 20;
/// What a partition holds back is tried again so often.
const BLOCKED_RETRY_US: u64 = 20_000;
/// A connection that a silent host does not answer is given up after so long.
const CONNECT_TIMEOUT_US: u64 = 30_000_000;

/// What is due at some time.
#[derive(Debug)]
enum Due {
    Turn {
        host: HostIndex,
        life: u32,
    },
    Wake {
        host: HostIndex,
        life: u32,
    },
    /// A request to connect reaches the host that it is meant for.
    Dial {
        link: u64,
        to: HostIndex,
        listener: Listener,
        until_us: u64,
    },
    Dialled {
        link: u64,
        result: Result<Peer, String>,
    },
    Arrival {
        link: u64,
        side: usize,
    },
    /// That end hears that the other is gone.
    Hangup {
        link: u64,
        side: usize,
    },
    Disk {
        host: HostIndex,
        life: u32,
    },
}

/// One connection as its host sees it.
#[derive(Debug)]
struct Conn {
    link: u64,
    side: usize,
    framer: Framer,
    is_paused: bool,
    is_up: bool,
    is_closing: bool,
    /// A batch waits in the inbox: nothing is read before the machine has it.
    has_batch: bool,
    out: VecDeque<(Vec<u8>, Option<WriteId>)>,
    unsent_told: usize,
}

/// One host.
struct Host<M> {
    ip: IpAddr,
    machine: Option<M>,
    life: u32,
    disk: Disk,
    disk_queue: VecDeque<DiskOp>,
    pending_writes: BTreeSet<WriteId>,
    failed_writes: BTreeSet<WriteId>,
    /// The disk is slow until then, and full until then.
    slow_until_us: u64,
    full_until_us: u64,
    /// What the host's wall clock is ahead.
    unix_ahead_us: u64,
    /// Off without a word: nobody answers for it.
    is_dark: bool,
    inbox: Vec<Input>,
    outbox: Outbox,
    conns: BTreeMap<ConnId, Conn>,
    inbound: Vec<u32>,
    inbound_free: Vec<u32>,
    paused_until_us: u64,
    busy_until_us: u64,
    has_turn: bool,
    /// The wake that counts; others in the queue are out of date.
    wake_us: u64,
    rest: Rest,
    exit_code: Option<u8>,
}

/// A frame that a checker wanted to see, as it went onto the wire.
#[derive(Debug)]
pub struct Tapped {
    /// Who sent it.
    pub from: HostIndex,
    /// Which life of the sender.
    pub life: u32,
    /// To whom.
    pub to: Option<HostIndex>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Hosts, wires, time.
pub struct World<M: Machine> {
    now_us: u64,
    unix_start_us: u64,
    /// All chance.
    pub random: Random,
    /// The wires.
    pub net: Net,
    /// The proof of determinism.
    pub trace: Trace,
    /// Frames that `tap` chose.
    pub tapped: Vec<Tapped>,
    /// Log lines of the machines, when kept: time, host, text.
    pub log: Vec<(u64, HostIndex, String)>,
    /// Keep log lines.
    pub keeps_log: bool,
    tap: fn(&[u8]) -> bool,
    hosts: Vec<Host<M>>,
    links: BTreeMap<u64, Link>,
    queue: BTreeMap<(u64, u64), Due>,
    sequence: u64,
}

impl<M: Machine> World<M> {
    /// An empty world whose whole future is fixed by `seed`. `tap` chooses what checkers see of the wires.
    pub fn new(seed: u64, tap: fn(&[u8]) -> bool) -> World<M> {
        let mut random = Random::new(seed);
        let net = Net::draw(&mut random);
        World {
            now_us: 0,
            unix_start_us: 1_700_000_000_000_000 + random.below(1_000_000_000_000),
            random,
            net,
            trace: Trace::default(),
            tapped: Vec::new(),
            log: Vec::new(),
            keeps_log: false,
            tap,
            hosts: Vec::new(),
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// The present, as a host's clocks show it.
    fn now(&self, host: HostIndex) -> Now {
        let unix_us = self.unix_start_us + self.hosts[host].unix_ahead_us + self.now_us;
        Now { mono: Time(self.now_us), unix: Unix(unix_us) }
    }

    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Adds a host that is switched off.
    pub fn add_host(&mut self) -> HostIndex {
        let number = self.hosts.len() as u8 + 1;
        self.hosts.push(Host {
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            machine: None,
            life: 0,
            disk: Disk::default(),
            disk_queue: VecDeque::new(),
            pending_writes: BTreeSet::new(),
            failed_writes: BTreeSet::new(),
            slow_until_us: 0,
            full_until_us: 0,
            unix_ahead_us: 0,
            is_dark: false,
            inbox: Vec::new(),
            outbox: Outbox::new(|| 0),
            conns: BTreeMap::new(),
            inbound: Vec::new(),
            inbound_free: Vec::new(),
            paused_until_us: 0,
            busy_until_us: 0,
            has_turn: false,
            wake_us: u64::MAX,
            rest: Rest::default(),
            exit_code: None,
        });
        self.hosts.len() - 1
    }

    /// A host's address.
    pub fn ip(&self, host: HostIndex) -> IpAddr {
        self.hosts[host].ip
    }

    /// A host's disk.
    pub fn disk_mut(&mut self, host: HostIndex) -> &mut Disk {
        &mut self.hosts[host].disk
    }

    /// The machine of a host that is up.
    pub fn machine(&self, host: HostIndex) -> Option<&M> {
        self.hosts[host].machine.as_ref()
    }

    /// The machine of a host that is up, for a workload to steer its own client.
    pub fn machine_mut(&mut self, host: HostIndex) -> Option<&mut M> {
        self.hosts[host].machine.as_mut()
    }

    /// Which life of the host this is: 1 for the first.
    pub fn life(&self, host: HostIndex) -> u32 {
        self.hosts[host].life
    }

    /// The exit code of a machine that ended by itself.
    pub fn exit_code(&self, host: HostIndex) -> Option<u8> {
        self.hosts[host].exit_code
    }

    /// True while the host stands still.
    pub fn is_paused(&self, host: HostIndex) -> bool {
        self.hosts[host].paused_until_us > self.now_us
    }

    /// Switches a host on with this machine.
    pub fn boot(&mut self, index: HostIndex, machine: M) {
        let host = &mut self.hosts[index];
        assert!(host.machine.is_none());
        host.life += 1;
        host.machine = Some(machine);
        host.exit_code = None;
        host.outbox = Outbox::new(|| 0);
        host.has_turn = false;
        host.wake_us = u64::MAX;
        host.paused_until_us = 0;
        host.is_dark = false;
        self.trace.event(self.now_us, index, 1, 0);
        self.give(index, Input::Tick);
    }

    /// Ends a host's process. A loss of power tells no other host, and nobody answers for it until it is on again;
    /// for a killed process the kernel closes its connections.
    pub fn crash(&mut self, index: HostIndex, is_power_lost: bool) {
        self.trace.event(self.now_us, index, 2, u64::from(is_power_lost));
        let host = &mut self.hosts[index];
        host.machine = None;
        host.is_dark = is_power_lost;
        let pending: Vec<DiskOp> = host.disk_queue.drain(..).collect();
        host.disk.die(pending, is_power_lost, &mut self.random);
        host.pending_writes.clear();
        host.failed_writes.clear();
        host.inbox.clear();
        host.inbound.clear();
        host.inbound_free.clear();
        let conns = std::mem::take(&mut host.conns);
        if is_power_lost {
            // The ends stay in the links: who sends to them hears of it when the host is on again.
            return;
        }
        for conn in conns.into_values() {
            if let Some(link) = self.links.get_mut(&conn.link) {
                link.ends[conn.side] = None;
                link.is_closed[conn.side] = true;
                self.hang_up(conn.link, 1 - conn.side);
            }
        }
    }

    /// Gives a signal to a host that is up.
    pub fn signal(&mut self, index: HostIndex, signal: Signal) {
        if self.hosts[index].machine.is_some() {
            self.give(index, Input::Signal(signal));
        }
    }

    /// Gives a host a turn, for a workload whose machine was changed from outside.
    pub fn nudge(&mut self, index: HostIndex) {
        self.give_turn(index);
    }

    /// A host's disk is slow for so long.
    pub fn slow_disk(&mut self, index: HostIndex, span_us: u64) {
        self.hosts[index].slow_until_us = self.now_us + span_us;
    }

    /// A host's disk has no room for so long.
    pub fn fill_disk(&mut self, index: HostIndex, span_us: u64) {
        self.hosts[index].full_until_us = self.now_us + span_us;
    }

    /// All disks are well again.
    pub fn mend_disks(&mut self) {
        for host in &mut self.hosts {
            (host.slow_until_us, host.full_until_us) = (0, 0);
        }
    }

    /// Sets a host's wall clock: so far ahead of the world's.
    pub fn set_clock(&mut self, index: HostIndex, ahead_us: u64) {
        self.hosts[index].unix_ahead_us = ahead_us;
    }

    /// Makes a host stand still, as SIGSTOP does.
    pub fn pause(&mut self, index: HostIndex, span_us: u64) {
        self.trace.event(self.now_us, index, 3, span_us);
        let until = self.now_us + span_us;
        let host = &mut self.hosts[index];
        host.paused_until_us = host.paused_until_us.max(until);
    }

    /// Breaks a random connection.
    pub fn break_connection(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let place = self.random.below(self.links.len() as u64) as usize;
        let link = *self.links.keys().nth(place).expect("the place is within");
        self.trace.event(self.now_us, 0, 4, link);
        self.hang_up(link, 0);
        self.hang_up(link, 1);
    }

    /// Runs until `until_us`, when everything that is due by then has happened, or until a frame is tapped.
    pub fn run_until(&mut self, until_us: u64) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until_us {
                break;
            }
            let ((at_us, _), due) = entry.remove_entry();
            self.now_us = self.now_us.max(at_us);
            self.happen(due);
            if !self.tapped.is_empty() {
                return;
            }
        }
        self.now_us = self.now_us.max(until_us);
    }

    fn schedule(&mut self, at_us: u64, due: Due) {
        self.sequence += 1;
        self.queue.insert((at_us, self.sequence), due);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Turn { host, life } => self.turn(host, life),
            Due::Wake { host, life } => {
                let known = &self.hosts[host];
                if known.life == life && !known.has_turn && known.wake_us == self.now_us {
                    self.give(host, Input::Tick);
                }
            }
            Due::Dial { link, to, listener, until_us } => self.dial(link, to, listener, until_us),
            Due::Dialled { link, result } => self.dialled(link, result),
            Due::Arrival { link, side } => self.arrive(link, side),
            Due::Hangup { link, side } => self.hear_hangup(link, side),
            Due::Disk { host, life } => self.disk_done(host, life),
        }
    }

    /// Puts an input into a host's inbox and makes sure that a turn comes.
    fn give(&mut self, index: HostIndex, input: Input) {
        let host = &mut self.hosts[index];
        host.inbox.push(input);
        if !host.has_turn {
            host.has_turn = true;
            let at = self.now_us.max(host.busy_until_us).max(host.paused_until_us);
            let life = host.life;
            self.schedule(at, Due::Turn { host: index, life });
        }
    }

    fn turn(&mut self, index: HostIndex, life: u32) {
        let now = self.now(index);
        let host = &mut self.hosts[index];
        if host.life != life || host.machine.is_none() {
            return;
        }
        if host.paused_until_us > self.now_us {
            let at = host.paused_until_us;
            self.schedule(at, Due::Turn { host: index, life });
            return;
        }
        host.has_turn = false;
        host.busy_until_us = self.now_us + TURN_US;
        let inputs = host.take_inputs();
        let brings = inputs.iter().any(|input| !matches!(input, Input::Tick));
        let Some(machine) = &mut host.machine else { return };
        host.outbox.wake_at = Time::NEVER;
        host.outbox.again = false;
        for input in inputs {
            self.trace.input(self.now_us, index, &input);
            machine.handle(now, input, &mut host.outbox);
        }
        machine.seal(now, &mut host.outbox);
        host.rest.see(brings, &host.outbox, now.mono);
        let outputs = std::mem::take(&mut host.outbox.outputs);
        let (again, wake_at) = (host.outbox.again, host.outbox.wake_at);
        for output in outputs {
            self.carry_out(index, output);
        }
        self.report_unsent(index);
        let before_us = self.hosts[index].wake_us;
        self.hosts[index].wake_us = u64::MAX;
        if again {
            self.give_turn(index);
        } else if wake_at != Time::NEVER {
            let at = wake_at.0.max(self.now_us + TURN_US);
            self.hosts[index].wake_us = at;
            if at != before_us || before_us <= self.now_us {
                self.schedule(at, Due::Wake { host: index, life });
            }
        }
    }

    fn give_turn(&mut self, index: HostIndex) {
        if self.hosts[index].machine.is_some() && !self.hosts[index].has_turn {
            self.give(index, Input::Tick);
        }
    }

    fn carry_out(&mut self, index: HostIndex, output: Output) {
        if self.hosts[index].machine.is_none() {
            return;
        }
        match output {
            Output::Send { conn, bytes, after } => {
                if let Some(conn) = self.hosts[index].conns.get_mut(&conn).filter(|conn| !conn.is_closing) {
                    conn.out.push_back((bytes.as_slice().to_vec(), after));
                }
                self.flush(index, conn);
            }
            Output::Close { conn, closing: Closing::Now } => self.close(index, conn),
            Output::Close { conn, closing: Closing::Flushed } => {
                if let Some(conn) = self.hosts[index].conns.get_mut(&conn) {
                    conn.is_closing = true;
                }
                self.flush(index, conn);
            }
            Output::Connect { conn, to, mode } => self.connect(index, conn, to, mode),
            Output::Frame { conn, mode } => self.reframe(index, conn, mode),
            Output::Pause(conn) => {
                if let Some(conn) = self.hosts[index].conns.get_mut(&conn) {
                    conn.is_paused = true;
                }
            }
            Output::Resume(conn) => {
                if let Some(conn) = self.hosts[index].conns.get_mut(&conn) {
                    conn.is_paused = false;
                    let (link, side) = (conn.link, conn.side);
                    self.schedule_arrival(link, side);
                }
            }
            Output::Disk(op) => self.disk(index, op),
            Output::Stall(span) => self.pause(index, span.as_us()),
            Output::Log { text, .. } => {
                self.trace.bytes(text.as_bytes());
                if self.keeps_log {
                    self.log.push((self.now_us, index, text));
                }
            }
            Output::Host(_) => {}
            // Nothing here can be refused, and there is no configuration file.
            Output::Ask { ask, question: _ } => {
                self.give(index, Input::Answered { ask, answer: Ok(Vec::new()) });
            }
            Output::Crash(_) => self.crash(index, false),
            Output::Exit { code } => {
                // Files and sends are brought to their end, in order, before a process ends.
                while let Some(op) = self.hosts[index].disk_queue.pop_front() {
                    let _nobody_is_left_to_hear = self.hosts[index].carry_out_on_disk(self.now_us, op);
                }
                self.flush_all(index);
                self.crash(index, false);
                self.hosts[index].exit_code = Some(code);
            }
        }
    }

    // ----- connections

    fn connect(&mut self, index: HostIndex, conn: ConnId, to: Address, mode: Mode) {
        self.sequence += 1;
        let link_id = self.sequence;
        let host = &mut self.hosts[index];
        let life = host.life;
        host.conns.insert(conn, Conn::new(link_id, 0, mode));
        self.links.insert(link_id, Link::dialled(End { host: index, life, conn }));
        let target = match &to {
            Address::Inet(ip, port) => {
                let host = self.hosts.iter().position(|host| host.ip == *ip);
                let listener = match *port {
                    CLIENT_PORT => Some(Listener::Client),
                    BUS_PORT => Some(Listener::Bus),
                    _ => None,
                };
                host.zip(listener)
            }
            Address::Name(..) | Address::Unix(_) => None,
        };
        let delay = self.net.delay_us(&mut self.random);
        match target {
            Some((to, listener)) => {
                let until_us = self.now_us + CONNECT_TIMEOUT_US;
                self.schedule(self.now_us + delay, Due::Dial { link: link_id, to, listener, until_us });
            }
            None => {
                let result = Err(format!("no route to {to}"));
                self.schedule(self.now_us + delay, Due::Dialled { link: link_id, result });
            }
        }
    }

    fn dial(&mut self, link: u64, to: HostIndex, listener: Listener, until_us: u64) {
        let Some(End { host: from, .. }) = self.links.get(&link).and_then(|link| link.ends[0]) else {
            return;
        };
        let delay = self.net.delay_us(&mut self.random);
        let is_dark = self.hosts[to].machine.is_none() && self.hosts[to].is_dark;
        if is_dark || self.net.is_blocked(from, to) || self.net.is_blocked(to, from) {
            let due = if self.now_us < until_us {
                Due::Dial { link, to, listener, until_us }
            } else {
                Due::Dialled { link, result: Err("timed out".into()) }
            };
            self.schedule(self.now_us + BLOCKED_RETRY_US, due);
            return;
        }
        let host = &mut self.hosts[to];
        if host.machine.is_none() {
            self.schedule(
                self.now_us + delay,
                Due::Dialled { link, result: Err("connection refused".into()) },
            );
            return;
        }
        let place = host.inbound_free.pop().unwrap_or_else(|| {
            host.inbound.push(0);
            host.inbound.len() as u32 - 1
        });
        host.inbound[place as usize] += 1;
        let conn = ConnId::inbound(place, host.inbound[place as usize]);
        let mode = match listener {
            Listener::Client | Listener::Unix => Mode::Requests(Limits::default()),
            Listener::Bus => Mode::Bus,
        };
        let mut end = Conn::new(link, 1, mode);
        end.is_up = true;
        host.conns.insert(conn, end);
        let life = host.life;
        let port = if listener == Listener::Bus { BUS_PORT } else { CLIENT_PORT };
        let local = Address::Inet(host.ip, port);
        let ephemeral = 32_768 + (link % 28_000) as u16;
        let remote = Address::Inet(self.hosts[from].ip, ephemeral);
        self.links.get_mut(&link).expect("it was just looked at").ends[1] =
            Some(End { host: to, life, conn });
        let peer = Peer { remote: remote.clone(), local: local.clone() };
        self.give(to, Input::Opened { conn, listener, peer });
        let result = Ok(Peer { remote: local, local: remote });
        self.schedule(self.now_us + delay, Due::Dialled { link, result });
    }

    fn dialled(&mut self, link: u64, result: Result<Peer, String>) {
        let Some(End { host, life, conn }) = self.links.get(&link).and_then(|link| link.ends[0]) else {
            return;
        };
        if self.hosts[host].life != life {
            return;
        }
        let Some(end) = self.hosts[host].conns.get_mut(&conn) else { return };
        if result.is_err() {
            self.hosts[host].conns.remove(&conn);
            self.links.remove(&link);
        } else {
            end.is_up = true;
        }
        self.give(host, Input::Connected { conn, result });
        self.flush(host, conn);
        self.schedule_arrival(link, 0);
    }

    /// Moves what may be sent onto the wire.
    fn flush(&mut self, index: HostIndex, conn_id: ConnId) {
        let host = &mut self.hosts[index];
        let Some(conn) = host.conns.get_mut(&conn_id).filter(|conn| conn.is_up) else { return };
        let (link_id, to_side) = (conn.link, 1 - conn.side);
        let Some(link) = self.links.get_mut(&link_id) else { return };
        while let Some((bytes, after)) = conn.out.front_mut() {
            if after.is_some_and(|write| host.pending_writes.contains(&write)) {
                break;
            }
            if after.is_some_and(|write| host.failed_writes.contains(&write)) {
                // A promise that was not kept is not told.
                self.close(index, conn_id);
                return;
            }
            let room = WINDOW_BYTES.saturating_sub(link.bytes[to_side]);
            if room == 0 {
                break;
            }
            if (self.tap)(bytes) {
                let to = link.ends[to_side].map(|end| end.host);
                self.tapped.push(Tapped { from: index, life: host.life, to, bytes: bytes.clone() });
            }
            let part: Vec<u8> = if bytes.len() <= room {
                conn.out.pop_front().map(|(bytes, _)| bytes).unwrap_or_default()
            } else {
                *after = None;
                bytes.drain(..room).collect()
            };
            let delay = self.net.delay_us(&mut self.random);
            let at = (self.now_us + delay).max(link.arrives_us[to_side]);
            link.arrives_us[to_side] = at;
            link.bytes[to_side] += part.len();
            link.on_the_way[to_side].push_back((at, part));
        }
        let is_done = conn.is_closing && conn.out.is_empty();
        self.schedule_arrival(link_id, to_side);
        if is_done {
            self.close(index, conn_id);
        }
    }

    fn schedule_arrival(&mut self, link_id: u64, side: usize) {
        let Some(link) = self.links.get_mut(&link_id) else { return };
        if link.is_scheduled[side] {
            return;
        }
        let Some((at, _)) = link.on_the_way[side].front() else { return };
        link.is_scheduled[side] = true;
        let at = (*at).max(self.now_us);
        self.schedule(at, Due::Arrival { link: link_id, side });
    }

    fn arrive(&mut self, link_id: u64, side: usize) {
        let Some(link) = self.links.get_mut(&link_id) else { return };
        link.is_scheduled[side] = false;
        let Some(end) = link.ends[side] else {
            // A host that died silently and is back, or was never there: the sender gets a reset.
            self.reset_if_dead(link_id, side);
            return;
        };
        let from = link.ends[1 - side].map(|end| end.host);
        if from.is_some_and(|from| self.net.is_blocked(from, end.host)) {
            link.is_scheduled[side] = true;
            self.schedule(self.now_us + BLOCKED_RETRY_US, Due::Arrival { link: link_id, side });
            return;
        }
        let host = &mut self.hosts[end.host];
        let is_dark = host.machine.is_none() && host.is_dark;
        if host.life != end.life && !is_dark {
            self.reset_if_dead(link_id, side);
            return;
        }
        let has_batch = host.conns.get(&end.conn).is_some_and(|conn| conn.has_batch);
        if is_dark || has_batch {
            // The sender's kernel tries again; the receiver reads once a turn.
            let wait_us = if is_dark { BLOCKED_RETRY_US } else { TURN_US };
            let at = (self.now_us + wait_us).max(host.busy_until_us).max(host.paused_until_us);
            link.is_scheduled[side] = true;
            self.schedule(at, Due::Arrival { link: link_id, side });
            return;
        }
        let Some(conn) = host.conns.get_mut(&end.conn) else { return };
        if conn.is_paused || conn.framer.is_held() || !conn.is_up {
            return;
        }
        let Some((_, mut bytes)) = link.on_the_way[side].pop_front() else { return };
        // The kernel hands bytes over in pieces of its own choice.
        if bytes.len() > 1 && self.random.chance(1, 8) {
            let rest = bytes.split_off(self.random.between(1, bytes.len() as u64 - 1) as usize);
            link.on_the_way[side].push_front((self.now_us, rest));
        }
        link.bytes[side] -= bytes.len();
        self.trace.event(self.now_us, end.host, 5, bytes.len() as u64);
        self.feed(end.host, end.conn, &bytes);
        if let Some(from) = self.links.get(&link_id).and_then(|link| link.ends[1 - side]) {
            self.flush(from.host, from.conn);
        }
        self.schedule_arrival(link_id, side);
    }

    /// Bytes for an end that is dead: its host answers with a reset.
    fn reset_if_dead(&mut self, link_id: u64, side: usize) {
        self.hang_up(link_id, 1 - side);
    }

    fn feed(&mut self, index: HostIndex, conn_id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.hosts[index].conns.get_mut(&conn_id) else { return };
        let mut buffer = conn.framer.lend(bytes.len(), Vec::new);
        buffer.extend_from_slice(bytes);
        let mut batch = Batch::default();
        let _memory = conn.framer.feed(buffer, &mut batch);
        self.deliver(index, conn_id, batch);
    }

    fn reframe(&mut self, index: HostIndex, conn_id: ConnId, mode: Mode) {
        let Some(conn) = self.hosts[index].conns.get_mut(&conn_id) else { return };
        conn.framer.set_mode(mode);
        let mut batch = Batch::default();
        let _memory = conn.framer.resume(&mut batch);
        let (link, side) = (conn.link, conn.side);
        self.deliver(index, conn_id, batch);
        self.schedule_arrival(link, side);
    }

    fn deliver(&mut self, index: HostIndex, conn: ConnId, batch: Batch) {
        if !batch.is_empty() || *batch.ending() != Ending::Open {
            if let Some(conn) = self.hosts[index].conns.get_mut(&conn) {
                conn.has_batch = true;
            }
            self.give(index, Input::Batches(vec![(conn, batch)]));
        }
    }

    /// The machine closes a connection: the other end hears of it after the last byte.
    fn close(&mut self, index: HostIndex, conn_id: ConnId) {
        let Some(conn) = self.hosts[index].conns.remove(&conn_id) else { return };
        // What was read and not handed over goes with the connection.
        for input in &mut self.hosts[index].inbox {
            if let Input::Batches(batches) = input {
                batches.retain(|(conn, _)| *conn != conn_id);
            }
        }
        self.give(index, Input::Closed { conn: conn_id });
        if let Some(link) = self.links.get_mut(&conn.link) {
            link.ends[conn.side] = None;
            link.is_closed[conn.side] = true;
            self.hang_up(conn.link, 1 - conn.side);
        }
    }

    /// Lets an end hear, after everything that is on its way to it, that the connection is over.
    fn hang_up(&mut self, link_id: u64, side: usize) {
        let Some(link) = self.links.get(&link_id) else { return };
        let delay = self.net.delay_us(&mut self.random);
        let at = (self.now_us + delay).max(link.arrives_us[side]);
        self.schedule(at, Due::Hangup { link: link_id, side });
    }

    fn hear_hangup(&mut self, link_id: u64, side: usize) {
        let Some(link) = self.links.get_mut(&link_id) else { return };
        let Some(end) = link.ends[side] else {
            self.links.remove(&link_id);
            return;
        };
        let from = link.ends[1 - side].map(|end| end.host);
        let is_blocked = from.is_some_and(|from| self.net.is_blocked(from, end.host));
        if is_blocked || (!link.on_the_way[side].is_empty() && self.can_read(end)) {
            self.schedule(self.now_us + BLOCKED_RETRY_US, Due::Hangup { link: link_id, side });
            return;
        }
        let Some(link) = self.links.get_mut(&link_id) else { return };
        link.ends[side] = None;
        if link.ends[1 - side].is_none() {
            self.links.remove(&link_id);
        }
        if self.hosts[end.host].life == end.life && self.hosts[end.host].conns.remove(&end.conn).is_some() {
            self.give(end.host, Input::Closed { conn: end.conn });
        }
    }

    fn can_read(&self, end: End) -> bool {
        let host = &self.hosts[end.host];
        host.life == end.life
            && host
                .conns
                .get(&end.conn)
                .is_some_and(|conn| !conn.is_paused && !conn.framer.is_held() && conn.is_up)
    }

    fn report_unsent(&mut self, index: HostIndex) {
        let mut changed = Vec::new();
        for (id, conn) in &mut self.hosts[index].conns {
            let unsent: usize = conn.out.iter().map(|(bytes, _)| bytes.len()).sum();
            if unsent != conn.unsent_told {
                conn.unsent_told = unsent;
                changed.push((*id, unsent));
            }
        }
        if !changed.is_empty() {
            self.give(index, Input::Unsent(changed));
        }
    }

    // ----- disk

    fn disk(&mut self, index: HostIndex, op: DiskOp) {
        let host = &mut self.hosts[index];
        host.pending_writes.extend(op.write());
        let was_idle = host.disk_queue.is_empty();
        host.disk_queue.push_back(op);
        if was_idle {
            self.next_disk(index);
        }
    }

    fn next_disk(&mut self, index: HostIndex) {
        // An fsync of a good disk, and now and then of a bad one.
        let is_slow = self.random.chance(1, 50) || self.hosts[index].slow_until_us > self.now_us;
        let span_us = self.random.between(50, 3_000) * if is_slow { 30 } else { 1 };
        let life = self.hosts[index].life;
        self.schedule(self.now_us + span_us, Due::Disk { host: index, life });
    }

    fn disk_done(&mut self, index: HostIndex, life: u32) {
        let host = &mut self.hosts[index];
        if host.life != life || host.machine.is_none() {
            return;
        }
        let Some(op) = host.disk_queue.pop_front() else { return };
        let answer = host.carry_out_on_disk(self.now_us, op);
        let is_more = !host.disk_queue.is_empty();
        if let Some(answer) = answer {
            self.give(index, answer);
        }
        self.flush_all(index);
        if is_more {
            self.next_disk(index);
        }
    }

    /// Sends what waited for a write that has ended.
    fn flush_all(&mut self, index: HostIndex) {
        let conns = self.hosts[index].conns.iter();
        let waiting: Vec<ConnId> =
            conns.filter(|(_, conn)| !conn.out.is_empty()).map(|(id, _)| *id).collect();
        for conn in waiting {
            self.flush(index, conn);
        }
    }

    /// Gives every host figures such as the kernel gives; the simulator's are all zero.
    pub fn give_host_facts(&mut self) {
        for index in 0..self.hosts.len() {
            if self.hosts[index].machine.is_some() {
                self.give(index, Input::Host(HostFacts::default()));
            }
        }
    }
}

impl<M> Host<M> {
    /// The inputs of a turn, in the order in which the production world gives them: connections and completions,
    /// unsent bytes, batches (one a connection), ends, the host's figures, the tick.
    fn take_inputs(&mut self) -> Vec<Input> {
        let mut inputs = std::mem::take(&mut self.inbox);
        if inputs.is_empty() {
            return vec![Input::Tick];
        }
        inputs.sort_by_key(place_in_turn);
        let mut batches = Vec::new();
        for input in &mut inputs {
            if let Input::Batches(some) = input {
                batches.append(some);
            }
        }
        inputs.retain(|input| !matches!(input, Input::Batches(_)));
        for (conn, _) in &batches {
            if let Some(conn) = self.conns.get_mut(conn) {
                conn.has_batch = false;
            }
        }
        if !batches.is_empty() {
            let at = inputs.partition_point(|input| place_in_turn(input) < 2);
            inputs.insert(at, Input::Batches(batches));
        }
        // A place is given to another connection only when the machine knows that it is free.
        for input in &inputs {
            if let Input::Closed { conn } = input
                && !conn.is_outbound()
            {
                self.inbound_free.push(conn.place() as u32);
            }
        }
        inputs
    }

    fn carry_out_on_disk(&mut self, now_us: u64, op: DiskOp) -> Option<Input> {
        self.disk.is_full = self.full_until_us > now_us;
        let answer = self.disk.carry_out(op);
        if let Some(Input::Disk(disk)) = &answer {
            self.pending_writes.remove(&disk.write);
            if disk.result.is_err() {
                self.failed_writes.insert(disk.write);
            }
        }
        answer
    }
}

fn place_in_turn(input: &Input) -> u8 {
    match input {
        Input::Opened { .. }
        | Input::Connected { .. }
        | Input::Disk(_)
        | Input::FileRead { .. }
        | Input::FileSize { .. }
        | Input::Answered { .. }
        | Input::Signal(_) => 0,
        Input::Unsent(_) | Input::Unframed(_) => 1,
        Input::Batches(_) => 2,
        Input::Closed { .. } => 3,
        Input::Host(_) => 4,
        Input::Tick => 5,
    }
}

impl Conn {
    fn new(link: u64, side: usize, mode: Mode) -> Conn {
        Conn {
            link,
            side,
            framer: Framer::new(mode),
            is_paused: false,
            is_up: false,
            is_closing: false,
            has_batch: false,
            out: VecDeque::new(),
            unsent_told: 0,
        }
    }
}
