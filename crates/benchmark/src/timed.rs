//! The mode of our own: a warm-up, a duration, a rate and a mix of requests.
//!
//! With a rate every request has its moment, fixed before the test: the n-th of a thread is due n steps behind the start.
//! Its latency counts from that moment, whether it could be sent then or not. A server that stands still for a second so
//! shows a second in every request that was due meanwhile, and not in the few that happened to be under way (Gil Tene
//! calls that mistake coordinated omission).
//!
//! Without a rate each client keeps its pipeline full, and a latency counts from the sending.

use crate::link::{self, Link};
use crate::nodes::Nodes;
use crate::options::{Options, Share};
use crate::poller::{Bell, Poller, Ready};
use crate::suite;
use crate::summary::{self, Summary};
use crate::template::Template;
use base::random::Random;
use cli::complain;
use cli::connection::{encode, reason};
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// 10 s: so long answers that are still out are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes that one read takes.
const READ_BYTES: usize = 64 << 10;
/// Longer latencies count as this one: an hour.
const LATENCY_MAX_US: u64 = 3_600_000_000;
/// Requests that are sent between two looks at the replies.
const BURST: usize = 1024;
/// Texts of errors that are told apart.
const ERROR_KINDS_MAX: usize = 16;

/// One kind of request of the mix.
pub struct Kind {
    /// Its name.
    pub title: String,
    /// Its weight.
    pub weight: u32,
    template: Template,
}

/// What one kind of request has come to.
#[derive(Clone)]
pub struct Tally {
    /// Latencies in us of what counts.
    pub latencies: Histogram<u64>,
    /// Error replies among them.
    pub errors: u64,
}

/// What one thread, or all of them, have seen.
pub struct Tallies {
    /// By kind of request.
    pub kinds: Vec<Tally>,
    /// By second of the measurement.
    pub seconds: Vec<Histogram<u64>>,
    /// Requests whose moment came, and that were not sent in time for the end.
    pub unsent: u64,
    /// Requests that were sent and not answered.
    pub unanswered: u64,
    /// Texts of errors and how often they came.
    pub error_texts: Vec<(String, u64)>,
}

/// An empty histogram.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constants")
}

impl Tallies {
    fn new(kinds: usize) -> Tallies {
        let kinds = vec![Tally { latencies: histogram(), errors: 0 }; kinds];
        Tallies { kinds, seconds: Vec::new(), unsent: 0, unanswered: 0, error_texts: Vec::new() }
    }

    fn add(&mut self, other: &Tallies) {
        let bounds = "all histograms have the same bounds";
        for (kind, more) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.latencies.add(&more.latencies).expect(bounds);
            kind.errors += more.errors;
        }
        for (index, more) in other.seconds.iter().enumerate() {
            self.second(index).add(more).expect(bounds);
        }
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
        for (text, count) in &other.error_texts {
            self.error(text, *count);
        }
    }

    fn second(&mut self, index: usize) -> &mut Histogram<u64> {
        while self.seconds.len() <= index {
            // Two digits: a second's own histogram is only for its percentiles.
            self.seconds
                .push(Histogram::new_with_bounds(1, LATENCY_MAX_US, 2).expect("the bounds are constants"));
        }
        &mut self.seconds[index]
    }

    fn error(&mut self, text: &str, count: u64) {
        if let Some(row) = self.error_texts.iter_mut().find(|row| row.0 == text) {
            row.1 += count;
        } else if self.error_texts.len() < ERROR_KINDS_MAX {
            self.error_texts.push((text.to_string(), count));
        }
    }
}

/// Runs the measurement and prints what came out.
pub fn run(options: &Options) -> Result<(), u8> {
    let kinds = kinds(options)?;
    let nodes = if options.is_cluster { Some(Nodes::fetch(options)?) } else { None };
    let threads = options.threads.max(1).min(options.clients.max(1));
    let bell = Bell::new().map_err(|error| failed(&error))?;
    let mut workers = Vec::new();
    for index in 0..threads {
        let mut clients = Vec::new();
        for at in (index..options.clients).step_by(threads) {
            clients.push(client(options, &kinds, nodes.as_ref(), at)?);
        }
        workers.push((index, clients));
    }
    if options.clients == 0 {
        complain!("-c 0: without clients there is nothing to measure");
        return Err(1);
    }
    let start = Instant::now();
    let all = Mutex::new(Tallies::new(kinds.len()));
    let outcome: Result<(), u8> = std::thread::scope(|scope| {
        let (kinds, bell, all, nodes) = (&kinds, &bell, &all, nodes.as_ref());
        let threads: Vec<_> = workers
            .into_iter()
            .map(|(index, clients)| {
                scope.spawn(move || {
                    let mut worker = Worker::new(options, kinds, bell, clients, start, index, threads)?;
                    worker.nodes = nodes;
                    worker.work()?;
                    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&worker.tallies);
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a worker ends by returning"))
    });
    outcome?;
    let tallies = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    summary::show(&Summary { options, kinds: &kinds, tallies: &tallies, threads });
    Ok(())
}

/// What is sent: the mix, or the command, or GET and SET by halves.
fn kinds(options: &Options) -> Result<Vec<Kind>, u8> {
    let data = suite::payload(options.payload_bytes);
    let mut mix = options.timed.mix.clone();
    if mix.is_empty() && options.command.is_empty() {
        mix = vec![(Share::Test("get".into()), 1), (Share::Test("set".into()), 1)];
    }
    if !options.command.is_empty() {
        mix.push((Share::Words(options.command.clone()), 1));
    }
    let is_random = options.keyspace.is_some();
    mix.into_iter()
        .map(|(share, weight)| {
            let (title, request) = match share {
                Share::Test(name) => match suite::TESTS.iter().find(|test| test.is_called(&name)) {
                    Some(test) => (name, test.request(&data, options.is_cluster, is_random)),
                    None => {
                        complain!("--mix: there is no test '{name}'");
                        return Err(1);
                    }
                },
                Share::Words(words) => {
                    let mut request = Vec::new();
                    let title: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                    let title = title.join(" ");
                    let words: Vec<&[u8]> = words
                        .iter()
                        .map(|word| if word == b"__data__" { &data } else { word.as_slice() })
                        .collect();
                    encode(&mut request, &words);
                    (title, request)
                }
            };
            Ok(Kind { title, weight, template: Template::new(&request, 1, is_random) })
        })
        .collect()
}

/// A request that is under way.
struct Flight {
    /// From when its latency counts.
    since: Instant,
    kind: u16,
}

struct Client {
    link: Link,
    /// Its primary in a cluster, and the version of the slots that it knows.
    node: Option<usize>,
    slots_seen: u64,
    templates: Vec<Template>,
    out: Vec<u8>,
    written: usize,
    opening_left: u64,
    flights: VecDeque<Flight>,
    waits_for_room: bool,
}

fn client(options: &Options, kinds: &[Kind], nodes: Option<&Nodes>, at: usize) -> Result<Client, u8> {
    let mut templates: Vec<Template> = kinds.iter().map(|kind| kind.template.clone()).collect();
    let link = match nodes {
        Some(nodes) => {
            let node = at % nodes.list.len();
            let tag = nodes.tag(node);
            templates.iter_mut().for_each(|template| template.set_tag(&tag));
            Link::open(&nodes.list[node].address)?
        }
        None => Link::open(&options.address)?,
    };
    let (out, opening_left) = link::prefix(options, nodes.is_some());
    Ok(Client {
        link,
        node: nodes.map(|nodes| at % nodes.list.len()),
        slots_seen: 0,
        templates,
        out,
        written: 0,
        opening_left,
        flights: VecDeque::new(),
        waits_for_room: false,
    })
}

fn failed(error: &std::io::Error) -> u8 {
    complain!("Error: {}", reason(error));
    1
}

struct Worker<'a> {
    options: &'a Options,
    /// The cluster.
    nodes: Option<&'a Nodes>,
    poller: Poller,
    clients: Vec<Client>,
    tallies: Tallies,
    random: Random,
    buffer: Vec<u8>,
    /// The weights, summed up.
    weights: Vec<u32>,
    /// With a rate: when the next request is due, and how many were due before it.
    step: Option<f64>,
    due_count: u64,
    first_due: Instant,
    /// What counts is due between these two.
    from: Instant,
    end: Instant,
    /// The client whose turn it is.
    turn: usize,
}

impl<'a> Worker<'a> {
    fn new(
        options: &'a Options,
        kinds: &[Kind],
        bell: &Bell,
        clients: Vec<Client>,
        start: Instant,
        index: usize,
        threads: usize,
    ) -> Result<Worker<'a>, u8> {
        let poller = Poller::new(bell).map_err(|error| failed(&error))?;
        for (at, client) in clients.iter().enumerate() {
            poller.add(&client.link, at).map_err(|error| failed(&error))?;
        }
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut sum = 0;
        let weights = kinds.iter().map(|kind| {
            sum += kind.weight;
            sum
        });
        // The threads' moments lie between each other's.
        let step = options.timed.rate.map(|rate| threads as f64 / rate);
        let shift = step.unwrap_or(0.0) * index as f64 / threads as f64;
        Ok(Worker {
            options,
            nodes: None,
            poller,
            clients,
            tallies: Tallies::new(kinds.len()),
            random: Random::new(clock.as_nanos() as u64 ^ (index as u64) << 48),
            buffer: vec![0; READ_BYTES],
            weights: weights.collect(),
            step,
            due_count: 0,
            first_due: start + Duration::from_secs_f64(shift),
            from: start + options.timed.warmup,
            end: start + options.timed.warmup + options.timed.duration,
            turn: 0,
        })
    }

    fn due(&self) -> Option<Instant> {
        let step = self.step?;
        Some(self.first_due + Duration::from_secs_f64(step * self.due_count as f64))
    }

    fn under_way(&self) -> usize {
        self.clients.iter().map(|client| client.flights.len()).sum()
    }

    fn work(&mut self) -> Result<(), u8> {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            let now = Instant::now();
            let is_sending = now < self.end;
            let mut has_more = false;
            if is_sending {
                has_more = self.send_due(now)?;
            } else if self.under_way() == 0 || now >= self.end + DRAIN {
                break;
            }
            let next = match self.due() {
                Some(due) if is_sending && !has_more && self.has_room() => due.min(self.end),
                _ if is_sending => self.end,
                _ => self.end + DRAIN,
            };
            let limit = if has_more {
                Some(Duration::ZERO)
            } else {
                self.poller
                    .wake_in(next.saturating_duration_since(Instant::now()))
                    .map_err(|error| failed(&error))?;
                None
            };
            self.poller.wait(limit, &mut ready).map_err(|error| failed(&error))?;
            for &event in &ready {
                if event.can_read {
                    self.read(event.index)?;
                }
                if event.can_write {
                    self.flush(event.index)?;
                }
            }
        }
        self.tallies.unanswered = self.under_way() as u64;
        if let Some(step) = self.step {
            let all = (self.end.saturating_duration_since(self.first_due).as_secs_f64() / step).ceil() as u64;
            self.tallies.unsent = all.saturating_sub(self.due_count);
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.clients.iter().any(|client| client.flights.len() < self.options.pipeline)
    }

    /// Sends what is due, or fills the pipelines; true when more could go at once.
    fn send_due(&mut self, now: Instant) -> Result<bool, u8> {
        if self.step.is_none() {
            for at in 0..self.clients.len() {
                while self.clients[at].flights.len() < self.options.pipeline {
                    self.request(at, now);
                }
                self.flush(at)?;
            }
            return Ok(false);
        }
        let mut full = 0;
        for _ in 0..BURST {
            let Some(due) = self.due().filter(|due| *due <= now) else { return Ok(false) };
            while self.clients[self.turn].flights.len() >= self.options.pipeline {
                full += 1;
                self.turn = (self.turn + 1) % self.clients.len();
                if full >= self.clients.len() {
                    return Ok(false);
                }
            }
            full = 0;
            let at = self.turn;
            self.turn = (self.turn + 1) % self.clients.len();
            self.request(at, due);
            self.due_count += 1;
            self.flush(at)?;
        }
        Ok(true)
    }

    /// Appends one request of the mix.
    fn request(&mut self, at: usize, since: Instant) {
        let kind = match self.weights.as_slice() {
            [_] => 0,
            weights => {
                let total = weights.last().copied().unwrap_or(1);
                let drawn = self.random.below(total.into()) as u32;
                weights.iter().position(|sum| drawn < *sum).unwrap_or(0)
            }
        };
        let client = &mut self.clients[at];
        if let (Some(nodes), Some(node)) = (self.nodes, client.node) {
            let version = nodes.version.load(Ordering::Acquire);
            if client.slots_seen != version {
                client.slots_seen = version;
                let tag = nodes.tag(node);
                client.templates.iter_mut().for_each(|template| template.set_tag(&tag));
            }
        }
        let template = &mut client.templates[kind];
        if let Some(keyspace) = self.options.keyspace {
            template.draw(&mut self.random, keyspace);
        }
        client.out.extend_from_slice(&template.bytes);
        client.flights.push_back(Flight { since, kind: kind as u16 });
    }

    fn flush(&mut self, at: usize) -> Result<(), u8> {
        let client = &mut self.clients[at];
        if client.written < client.out.len() {
            client.written +=
                client.link.write(&client.out[client.written..]).map_err(|error| failed(&error))?;
        }
        let wants = client.written < client.out.len();
        if !wants {
            client.out.clear();
            client.written = 0;
        }
        if wants != client.waits_for_room {
            client.waits_for_room = wants;
            self.poller.wants_room(&client.link, at, wants).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<(), u8> {
        let client = &mut self.clients[at];
        let mut count = client.link.read(&mut self.buffer).map_err(|error| failed(&error))?;
        let errors = std::mem::take(&mut client.link.replies.errors);
        if client.opening_left > 0 && !errors.is_empty() {
            complain!("Error from server: {}", String::from_utf8_lossy(&errors[0].1));
            return Err(1);
        }
        let opened = client.opening_left.min(count);
        client.opening_left -= opened;
        count -= opened;
        let now = Instant::now();
        if let Some(nodes) = self.nodes
            && errors.iter().any(|(_, error)| Nodes::is_elsewhere(error))
            && client.templates.iter().any(Template::has_tags)
        {
            nodes.refresh(self.options, client.slots_seen)?;
        }
        let mut errors = errors.into_iter().peekable();
        for index in 0..count {
            let Some(flight) = client.flights.pop_front() else { break };
            let error = errors.next_if(|(at, _)| *at == opened + index);
            if flight.since < self.from {
                continue;
            }
            let latency = now.saturating_duration_since(flight.since).as_micros() as u64;
            let latency = latency.clamp(1, LATENCY_MAX_US);
            let kind = &mut self.tallies.kinds[usize::from(flight.kind)];
            kind.latencies.record(latency).expect("the latency is within the bounds");
            if let Some((_, text)) = error {
                kind.errors += 1;
                self.tallies.error(&String::from_utf8_lossy(&text), 1);
            }
            let second = flight.since.saturating_duration_since(self.from).as_secs() as usize;
            self.tallies.second(second).record(latency).expect("the latency is within the bounds");
        }
        Ok(())
    }
}
