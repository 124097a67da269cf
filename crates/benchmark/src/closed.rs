//! Clients in a closed loop: each sends its pipeline, waits for all replies, and sends again.
//!
//! One worker per thread owns an epoll and some clients. What they share are counters: how many requests were given out
//! (`issued`), and how many were answered (`finished`). The worker that sees the last answer notes the time and rings the
//! bell, so no thread waits for its next tick.

use crate::classic::Scene;
use crate::link::{self, Link};
use crate::nodes::Nodes;
use crate::options::Options;
use crate::poller::{Bell, Poller, Ready};
use crate::report::{self, LATENCY_MAX_US, Outcome};
use crate::template::Template;
use base::random::Random;
use cli::connection::reason;
use cli::{complain, say};
use hdrhistogram::Histogram;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// 250 ms: between two lines of progress, as in the original.
const TICK: Duration = Duration::from_millis(250);
/// Bytes that one read takes.
const READ_BYTES: usize = 64 << 10;

/// One test.
pub struct Plan<'a> {
    /// All options.
    pub options: &'a Options,
    /// The server or the cluster.
    pub scene: &'a Scene,
    /// The name for the lines of progress.
    pub title: &'a str,
    /// The requests of one client, without what opens a connection.
    pub template: Template,
}

/// What the workers share.
struct Shared {
    bell: Bell,
    started: Instant,
    issued: AtomicU64,
    finished: AtomicU64,
    live: AtomicUsize,
    /// Sum of latencies in us, and how many.
    latency_sum: AtomicU64,
    latency_count: AtomicU64,
    /// The moment of the last answer, in us from the start; 0: not yet.
    ended_us: AtomicU64,
    /// The exit code of a worker that gave up; 0: none did.
    failed: AtomicU64,
    progress_len: AtomicUsize,
}

/// One client.
struct Client {
    link: Link,
    template: Template,
    /// The requests that open the connection stand before the template's in the first sending.
    opening: Vec<u8>,
    /// Answers to them that are still to come.
    opening_left: u64,
    written: usize,
    /// Answers to the template that are still to come; 0: the client rests.
    pending: u64,
    sent_at: Instant,
    latency_us: Option<u64>,
    waits_for_room: bool,
    /// Its primary in a cluster, and the version of the slots that it knows.
    node: Option<usize>,
    slots_seen: u64,
}

/// Runs one test.
pub fn run(plan: &Plan<'_>) -> Result<Outcome, u8> {
    let options = plan.options;
    let mut clients = Vec::with_capacity(options.clients);
    for index in 0..options.clients {
        clients.push(client(plan, index)?);
    }
    let shared = Shared {
        bell: Bell::new().map_err(|error| failed(&error))?,
        started: Instant::now(),
        issued: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        live: AtomicUsize::new(clients.len()),
        latency_sum: AtomicU64::new(0),
        latency_count: AtomicU64::new(0),
        ended_us: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        progress_len: AtomicUsize::new(0),
    };
    let count = plan.scene.threads.max(1);
    let mut parts: Vec<Vec<Client>> = (0..count).map(|_| Vec::new()).collect();
    for (index, client) in clients.into_iter().enumerate() {
        parts[index % count].push(client);
    }
    let mut workers: Vec<Worker<'_>> = Vec::new();
    for (index, clients) in parts.into_iter().enumerate() {
        workers.push(Worker::new(plan, &shared, index, clients).map_err(|error| failed(&error))?);
    }
    let mut latencies = report::histogram(options.precision);
    if let [_] = workers.as_slice() {
        for mut worker in workers {
            worker.work();
            latencies.add(&worker.latencies).expect("all histograms have the same bounds");
        }
    } else {
        std::thread::scope(|scope| {
            let run = |mut worker: Worker<'_>| {
                worker.work();
                worker.latencies.clone()
            };
            let threads: Vec<_> =
                workers.into_iter().map(|worker| scope.spawn(move || run(worker))).collect();
            for thread in threads {
                let part = thread.join().expect("a worker ends by returning");
                latencies.add(&part).expect("all histograms have the same bounds");
            }
        });
    }
    match shared.failed.load(Ordering::Acquire) {
        0 => Ok(Outcome {
            requests: shared.finished.load(Ordering::Acquire),
            time: Duration::from_micros(shared.ended_us.load(Ordering::Acquire)),
            latencies,
            progress_len: shared.progress_len.load(Ordering::Acquire),
        }),
        code => Err(code as u8),
    }
}

/// `-I`: opens the connections and waits for ever.
pub fn idle(options: &Options, scene: &Scene) -> Result<(), u8> {
    let plan = Plan { options, scene, title: "", template: Template::default() };
    let bell = Bell::new().map_err(|error| failed(&error))?;
    let poller = Poller::new(&bell).map_err(|error| failed(&error))?;
    let mut links = Vec::new();
    for index in 0..options.clients {
        let client = client(&plan, index)?;
        poller.add(&client.link, index).map_err(|error| failed(&error))?;
        links.push(client.link);
    }
    let (mut ready, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        poller.wait(Some(TICK), &mut ready).map_err(|error| failed(&error))?;
        for event in &ready {
            let link = &mut links[event.index];
            let outcome = link.read(&mut buffer);
            if let Some((_, text)) = link.replies.errors.first() {
                complain!("Error from server: {}", String::from_utf8_lossy(text));
                return Err(1);
            }
            outcome.map_err(|error| failed(&error))?;
        }
        if !options.is_csv {
            say!("clients: {}\r", links.len());
        }
    }
}

/// Opens the client that is the `index`-th.
fn client(plan: &Plan<'_>, index: usize) -> Result<Client, u8> {
    let node = plan.scene.nodes.as_ref().map(|nodes| {
        let threads = plan.scene.threads;
        let at = if threads < nodes.list.len() { index } else { index % threads.max(1) };
        at % nodes.list.len()
    });
    let mut client = Client {
        link: open(plan, node)?,
        template: plan.template.clone(),
        opening: Vec::new(),
        opening_left: 0,
        written: 0,
        pending: 0,
        sent_at: Instant::now(),
        latency_us: None,
        waits_for_room: false,
        node,
        slots_seen: 0,
    };
    client.open_with(plan.options);
    Ok(client)
}

fn open(plan: &Plan<'_>, node: Option<usize>) -> Result<Link, u8> {
    match (&plan.scene.nodes, node) {
        (Some(nodes), Some(node)) => Link::open(&nodes.list[node].address),
        _ => Link::open(&plan.options.address),
    }
}

fn failed(error: &std::io::Error) -> u8 {
    complain!("Error: {}", reason(error));
    1
}

impl Client {
    /// The next sending begins with what opens a connection.
    fn open_with(&mut self, options: &Options) {
        let (bytes, count) = link::prefix(options, self.node.is_some());
        self.opening = bytes;
        self.opening_left = count;
    }
}

struct Worker<'a> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    index: usize,
    poller: Poller,
    clients: Vec<Option<Client>>,
    latencies: Histogram<u64>,
    random: Random,
    buffer: Vec<u8>,
    /// Progress: the last line's time, answers, and sums of latencies.
    last: (Instant, u64, u64, u64),
}

impl<'a> Worker<'a> {
    fn new(
        plan: &'a Plan<'a>,
        shared: &'a Shared,
        index: usize,
        clients: Vec<Client>,
    ) -> std::io::Result<Worker<'a>> {
        let poller = Poller::new(&shared.bell)?;
        for (at, client) in clients.iter().enumerate() {
            poller.add(&client.link, at)?;
        }
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seed = clock.as_nanos() as u64 ^ u64::from(std::process::id()) ^ (index as u64) << 48;
        Ok(Worker {
            plan,
            shared,
            index,
            poller,
            clients: clients.into_iter().map(Some).collect(),
            latencies: report::histogram(plan.options.precision),
            random: Random::new(seed),
            buffer: vec![0; READ_BYTES],
            last: (shared.started, 0, 0, 0),
        })
    }

    fn is_over(&self) -> bool {
        self.shared.finished.load(Ordering::Acquire) >= self.plan.options.requests
            || self.shared.failed.load(Ordering::Acquire) != 0
    }

    /// Until all requests are answered, or a worker gives up.
    fn work(&mut self) {
        if let Err(code) = self.turns() {
            self.shared.failed.store(code.into(), Ordering::Release);
        }
        self.shared.bell.ring();
    }

    fn turns(&mut self) -> Result<(), u8> {
        self.progress();
        for at in 0..self.clients.len() {
            self.begin(at)?;
        }
        let mut ready: Vec<Ready> = Vec::new();
        let mut tick = self.shared.started + TICK;
        while !self.is_over() {
            if self.shared.live.load(Ordering::Acquire) == 0 {
                complain!("All clients disconnected... aborting.");
                return Err(1);
            }
            let limit = tick.saturating_duration_since(Instant::now());
            self.poller.wait(Some(limit), &mut ready).map_err(|error| failed(&error))?;
            for &event in &ready {
                if event.can_write {
                    self.write(event.index)?;
                }
                if event.can_read {
                    self.read(event.index)?;
                }
            }
            // The clock is asked only where a wait could have lasted till then.
            let now = Instant::now();
            if now >= tick {
                self.progress();
                tick = now + TICK;
            }
        }
        Ok(())
    }

    /// Sends a client's next pipeline, if there is one left.
    fn begin(&mut self, at: usize) -> Result<(), u8> {
        let options = self.plan.options;
        let pipeline = options.pipeline as u64;
        if self.shared.issued.fetch_add(pipeline, Ordering::Relaxed) >= options.requests {
            return Ok(());
        }
        let Some(client) = &mut self.clients[at] else { return Ok(()) };
        if let Some(keyspace) = options.keyspace {
            client.template.draw(&mut self.random, keyspace);
        }
        if let (Some(nodes), Some(node)) = (&self.plan.scene.nodes, client.node)
            && client.template.has_tags()
        {
            client.slots_seen = nodes.version.load(Ordering::Acquire);
            client.template.set_tag(&nodes.tag(node));
        }
        client.pending = pipeline;
        client.written = 0;
        client.latency_us = None;
        client.sent_at = Instant::now();
        self.write(at)
    }

    /// Writes what is left of a client's pipeline.
    fn write(&mut self, at: usize) -> Result<(), u8> {
        let Some(client) = &mut self.clients[at] else { return Ok(()) };
        let head = client.opening.len();
        let outcome = if client.written < head {
            let bytes = [client.opening.as_slice(), &client.template.bytes].concat();
            client.link.write(&bytes[client.written..])
        } else {
            client.link.write(&client.template.bytes[client.written - head..])
        };
        match outcome {
            Ok(count) => client.written += count,
            Err(error) => {
                if error.kind() != ErrorKind::BrokenPipe {
                    complain!("Error writing to the server: {}", reason(&error));
                }
                self.drop_client(at);
                return Ok(());
            }
        }
        let wants = client.written < head + client.template.bytes.len();
        if wants != client.waits_for_room {
            client.waits_for_room = wants;
            self.poller.wants_room(&client.link, at, wants).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn drop_client(&mut self, at: usize) {
        self.clients[at] = None;
        self.shared.live.fetch_sub(1, Ordering::AcqRel);
    }

    fn read(&mut self, at: usize) -> Result<(), u8> {
        let Some(client) = &mut self.clients[at] else { return Ok(()) };
        // Before the reading and counting, which is our own time and not the server's.
        let latency = *client.latency_us.get_or_insert_with(|| client.sent_at.elapsed().as_micros() as u64);
        let outcome = client.link.read(&mut self.buffer);
        if !client.link.replies.errors.is_empty() {
            let errors = std::mem::take(&mut client.link.replies.errors);
            self.on_errors(at, &errors)?;
        }
        let mut count = outcome.map_err(|error| failed(&error))?;
        let Some(client) = &mut self.clients[at] else { return Ok(()) };
        let opened = client.opening_left.min(count);
        client.opening_left -= opened;
        count = (count - opened).min(client.pending);
        if count == 0 {
            return Ok(());
        }
        client.pending -= count;
        let is_done = client.pending == 0;
        if is_done && !client.opening.is_empty() {
            client.opening.clear();
            client.written = client.template.bytes.len();
        }
        self.record(latency, count);
        if is_done && !self.is_over() {
            if self.plan.options.keepalive == 0 {
                self.reconnect(at)?;
            }
            self.begin(at)?;
        }
        Ok(())
    }

    /// Counts `count` answers; the last one of all ends the test.
    fn record(&mut self, latency: u64, count: u64) {
        let requests = self.plan.options.requests;
        let before = self.shared.finished.fetch_add(count, Ordering::AcqRel);
        let counted = count.min(requests.saturating_sub(before));
        let latency = latency.min(LATENCY_MAX_US);
        if counted > 0 {
            self.latencies.record_n(latency, counted).expect("what is longer than the bound is the bound");
            self.shared.latency_sum.fetch_add(latency * counted, Ordering::Relaxed);
            self.shared.latency_count.fetch_add(counted, Ordering::Relaxed);
        }
        if before < requests && before + count >= requests {
            let ended = self.shared.started.elapsed().as_micros() as u64;
            self.shared.ended_us.store(ended.max(1), Ordering::Release);
            self.shared.bell.ring();
        }
    }

    /// An error ends the test, unless it only says that slots have moved.
    fn on_errors(&mut self, at: usize, errors: &[(u64, Vec<u8>)]) -> Result<(), u8> {
        let Some(client) = &self.clients[at] else { return Ok(()) };
        for (_, error) in errors {
            let text = String::from_utf8_lossy(error);
            match (&self.plan.scene.nodes, client.node) {
                (Some(nodes), Some(node)) => {
                    let address = &nodes.list[node].address;
                    let is_down = error.starts_with(b"CLUSTERDOWN");
                    let has_moved = Nodes::is_elsewhere(error);
                    if !client.template.has_tags() || !(is_down || has_moved) {
                        complain!("Error from server {address}: {text}");
                        return Err(1);
                    }
                    if is_down {
                        // As a rule a cluster is whole again soon.
                        complain!("Error from server {address}: {text}.");
                        std::thread::sleep(Duration::from_secs(1));
                    }
                    nodes.refresh(self.plan.options, client.slots_seen)?;
                }
                _ => {
                    complain!("Error from server: {text}");
                    return Err(1);
                }
            }
        }
        Ok(())
    }

    fn reconnect(&mut self, at: usize) -> Result<(), u8> {
        let Some(client) = &mut self.clients[at] else { return Ok(()) };
        client.link = open(self.plan, client.node)?;
        client.waits_for_room = false;
        client.open_with(self.plan.options);
        // The old socket left the epoll when it was closed.
        self.poller.add(&client.link, at).map_err(|error| failed(&error))
    }

    /// The line that the next one writes over.
    fn progress(&mut self) {
        if self.plan.options.is_csv || self.index != 0 {
            return;
        }
        let now = Instant::now();
        let finished = self.shared.finished.load(Ordering::Acquire);
        let sum = self.shared.latency_sum.load(Ordering::Relaxed);
        let count = self.shared.latency_count.load(Ordering::Relaxed);
        let (last_at, last_finished, last_sum, last_count) = self.last;
        let rate = |count: u64, since: Instant| match count {
            0 => 0.0,
            count => count as f64 / now.saturating_duration_since(since).as_secs_f64(),
        };
        let mean = |sum: u64, count: u64| match count {
            0 => "-nan".to_string(),
            count => format!("{:.3}", sum as f64 / count as f64 / 1000.0),
        };
        let line = format!(
            "{}: rps={:.1} (overall: {:.1}) avg_msec={} (overall: {})\r",
            self.plan.title,
            rate(finished - last_finished, last_at),
            rate(finished, self.shared.started),
            mean(sum - last_sum, count - last_count),
            mean(sum, count),
        );
        let wipe = self.shared.progress_len.swap(line.len(), Ordering::AcqRel).max(1);
        say!("{:>wipe$}\r{line}", " ");
        self.last = (now, finished, sum, count);
    }
}
