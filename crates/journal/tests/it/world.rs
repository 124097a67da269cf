//! A little world: journals with keyspaces, joined by pipes that the real framer reads, with files in memory.
//!
//! The engine is three commands (SET, DEL, SELECT) and transactions. Everything that happens is drawn from one seed.

use base::crc64::Crc64;
use base::{Now, Random, Span, Time, Unix};
use data::{Entry, Keyspace};
use journal::{Act, Journal, Replconf, Settings, ShutdownWish, Source, StreamApplied, Turn};
use machine::{
    Address, Chunk, Closing, ConnId, Dialer, Disk, DiskError, DiskFault, DiskNumbers, DiskOp, FileId, Outbox,
    Output, Peer,
};
use std::collections::{BTreeMap, VecDeque};
use wire::{Batch, Ending, Framer, Limits, Mode};

/// Keys of all databases with their values and deadlines.
pub type Contents = BTreeMap<(u32, Vec<u8>), (Vec<u8>, Option<u64>)>;

/// One node: the journal and just enough around it.
pub struct Node {
    pub journal: Journal,
    pub keyspace: Keyspace,
    pub files: BTreeMap<String, Vec<u8>>,
    pub log: Vec<String>,
    pub waits_done: Vec<(ConnId, u32)>,
    pub saves: Vec<Result<(), String>>,
    pub loads: Vec<(Source, Result<journal::Loaded, String>)>,
    pub shutdowns: Vec<Result<(), String>>,
    pub link_up: bool,
    pub loading: bool,
    pub loads_beside: bool,
    /// Stream commands with this name are not known.
    pub unknown: Option<&'static str>,
    /// INFO is answered.
    pub tells: bool,
    started: Now,
    dialer: Dialer,
    numbers: DiskNumbers,
    out: Outbox,
    inbound: u32,
    feed: Vec<u8>,
    selected: Option<u32>,
    stream: Stream,
    open: BTreeMap<FileId, (String, usize)>,
    answers: VecDeque<Answer>,
}

#[derive(Default)]
struct Stream {
    db: u32,
    transaction: Option<Vec<Vec<Vec<u8>>>>,
    since_boundary: u64,
}

enum Answer {
    Disk(Disk),
    Size(FileId, u64),
    Read(FileId, Result<Vec<u8>, DiskError>, Option<Crc64>),
}

struct End {
    node: usize,
    conn: ConnId,
    framer: Framer,
    is_paused: bool,
    /// On their way to this end.
    bytes: VecDeque<u8>,
    is_told_closed: bool,
    reported: usize,
}

struct Pipe {
    ends: [End; 2],
    is_cut: bool,
    is_announced: bool,
    /// Whatever was sent before the cut arrives.
    is_draining: bool,
}

/// All nodes and the pipes between them.
pub struct World {
    pub nodes: Vec<Node>,
    pub random: Random,
    pub now: Now,
    pub settings: Settings,
    /// No connection can be made.
    pub is_split: bool,
    /// Nothing arrives anywhere.
    pub is_stuck: bool,
    /// Nothing arrives at this node.
    pub frozen: Option<usize>,
    /// No file can be given its final name.
    pub is_full: bool,
    pipes: Vec<Pipe>,
}

const PORT: u16 = 7000;

/// The address of a node.
pub fn address(node: usize) -> Address {
    Address::Name("node".to_string(), PORT + node as u16)
}

impl Node {
    /// A node with these files.
    pub fn new(settings: &Settings, seed: u64, now: Now, files: BTreeMap<String, Vec<u8>>) -> Node {
        let mut random = Random::new(seed);
        Node {
            keyspace: Keyspace::new([random.word(), random.word()], 16, false),
            journal: Journal::new(settings.clone(), random, now),
            files,
            log: Vec::new(),
            waits_done: Vec::new(),
            saves: Vec::new(),
            loads: Vec::new(),
            shutdowns: Vec::new(),
            link_up: false,
            loading: false,
            loads_beside: false,
            unknown: None,
            tells: true,
            started: now,
            dialer: Dialer::default(),
            numbers: DiskNumbers::default(),
            out: Outbox::new(|| 0),
            inbound: 0,
            feed: Vec::new(),
            selected: None,
            stream: Stream::default(),
            open: BTreeMap::new(),
            answers: VecDeque::new(),
        }
    }

    /// Calls the journal and carries its acts out.
    pub fn call<R>(&mut self, now: Now, call: impl FnOnce(&mut Journal, &mut Turn<'_>) -> R) -> R {
        let mut acts = Vec::new();
        let mut turn = Turn {
            now,
            keyspace: &mut self.keyspace,
            dialer: &mut self.dialer,
            numbers: &mut self.numbers,
            out: &mut self.out,
            acts: &mut acts,
        };
        let result = call(&mut self.journal, &mut turn);
        for act in acts {
            self.on_act(now, act);
        }
        result
    }

    /// Takes what was written into the journal.
    fn append(&mut self) {
        let bytes = core::mem::take(&mut self.feed);
        self.feed = self.journal.append(bytes, 1);
    }

    /// What was put out and not carried out.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.out.outputs)
    }

    fn on_act(&mut self, now: Now, act: Act) {
        match act {
            Act::LoadBegan(Source::BesideServed) => self.loads_beside = true,
            Act::LoadBegan(_) => self.loading = true,
            Act::LoadEnded(source, result) => {
                (self.loading, self.loads_beside) = (false, false);
                if let Ok(loaded) = &result {
                    self.stream = Stream { db: loaded.stream_db, ..Stream::default() };
                }
                self.loads.push((source, result));
            }
            Act::SelectAgain => self.selected = None,
            Act::StreamBatch { batch, .. } => {
                assert!(self.link_up);
                let applied = self.apply(&batch);
                self.call(now, |journal, turn| journal.applied(batch, applied, turn));
            }
            Act::PrimaryLinkUp => self.link_up = true,
            Act::PrimaryLinkDown => {
                self.link_up = false;
                self.stream.transaction = None;
                self.stream.since_boundary = 0;
            }
            Act::WaitDone { conn, acked } => self.waits_done.push((conn, acked)),
            Act::ReplayFile | Act::Replay { .. } | Act::WaitAofDone { .. } => {}
            Act::WaitBroken { .. } | Act::WaitUnblocked { .. } => {}
            Act::SaveDone { result, .. } => self.saves.push(result),
            Act::ShutdownReady => self.shutdowns.push(Ok(())),
            Act::ShutdownFailed(text) => self.shutdowns.push(Err(text)),
        }
    }

    fn apply(&mut self, batch: &Batch) -> StreamApplied {
        let mut applied = StreamApplied { stream_db: self.stream.db, ..StreamApplied::default() };
        for index in 0..batch.len() {
            self.stream.since_boundary += batch.raw(index).len() as u64;
            let args: Vec<Vec<u8>> = batch.request(index).iter().map(<[u8]>::to_vec).collect();
            let name =
                args.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default();
            if self.unknown == Some(name.as_str()) {
                applied.error = Some(format!("unknown command '{name}'"));
                return applied;
            }
            match name.as_str() {
                "MULTI" => self.stream.transaction = Some(Vec::new()),
                "EXEC" => {
                    for args in self.stream.transaction.take().expect("EXEC ends a MULTI") {
                        self.execute(&args);
                    }
                }
                "REPLCONF" => applied.wants_ack = true,
                _ => match &mut self.stream.transaction {
                    Some(queue) => queue.push(args),
                    None => self.execute(&args),
                },
            }
            if self.stream.transaction.is_none() {
                applied.bytes_done += core::mem::take(&mut self.stream.since_boundary);
                applied.stream_db = self.stream.db;
            }
        }
        applied
    }

    fn execute(&mut self, args: &[Vec<u8>]) {
        match args.first().map(Vec::as_slice) {
            Some(b"SELECT") => self.stream.db = String::from_utf8_lossy(&args[1]).parse().unwrap(),
            Some(b"SET") => set(&mut self.keyspace, self.stream.db, &args[1], Some(&args[2])),
            Some(b"DEL") => set(&mut self.keyspace, self.stream.db, &args[1], None),
            Some(b"PING") | None => {}
            Some(other) => panic!("{other:?} in the stream"),
        }
    }

    /// A client's write, as a primary.
    pub fn write(&mut self, db: u32, key: &[u8], value: Option<&[u8]>) {
        assert!(self.journal.primary().is_none());
        set(&mut self.keyspace, db, key, value);
        self.journal.changed(1);
        if self.journal.wants_feed() {
            if self.selected != Some(db) {
                self.selected = Some(db);
                self.encode(&[b"SELECT", db.to_string().as_bytes()]);
            }
            match value {
                Some(value) => self.encode(&[b"SET", key, value]),
                None => self.encode(&[b"DEL", key]),
            }
        }
    }

    /// Several writes as one transaction.
    pub fn write_together(&mut self, db: u32, keys: &[&[u8]], value: &[u8]) {
        if self.journal.wants_feed() {
            self.encode(&[b"MULTI"]);
        }
        for key in keys {
            self.write(db, key, Some(value));
        }
        if self.journal.wants_feed() {
            self.encode(&[b"EXEC"]);
        }
    }

    fn encode(&mut self, args: &[&[u8]]) {
        self.feed.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            self.feed.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            self.feed.extend_from_slice(arg);
            self.feed.extend_from_slice(b"\r\n");
        }
    }

    /// What a server of ours says of itself.
    fn info(&self, now: Now) -> String {
        if !self.tells {
            return "-NOPERM this user has no permissions to run the 'info' command\r\n".to_string();
        }
        let facts = self.journal.facts(now);
        let text = format!(
            "# Server\r\nuptime_in_seconds:{}\r\nrdb_last_load_keys_loaded:{}\r\naof_enabled:0\r\n\
             master_replid:{}\r\nmaster_replid2:{}\r\nmaster_repl_offset:{}\r\nsecond_repl_offset:{}\r\n\
             db0:keys={},expires=0,avg_ttl=0\r\n",
            now.mono.since(self.started.mono).as_seconds(),
            facts.saving.loaded_keys,
            facts.replid,
            facts.second_replid,
            facts.offset,
            facts.second_offset,
            self.contents().len(),
        );
        format!("${}\r\n{text}\r\n", text.len())
    }

    /// Does what the disk is asked for. `is_full`: no file can be given its final name.
    pub fn work(&mut self, work: DiskOp, is_full: bool) {
        let this = self;
        let done = |write| Answer::Disk(Disk { write, result: Ok(()) });
        match work {
            DiskOp::Create { file, path } => {
                this.files.insert(path.clone(), Vec::new());
                this.open.insert(file, (path, 0));
            }
            DiskOp::Append { file, write, bytes } => {
                let path = &this.open[&file].0;
                this.files.get_mut(path).unwrap().extend_from_slice(Chunk::as_slice(&bytes));
                this.answers.push_back(done(write));
            }
            DiskOp::Commit { file, write, .. } if is_full => {
                let (old, _) = this.open.remove(&file).unwrap();
                this.files.remove(&old);
                let error = DiskError { fault: DiskFault::Full, text: "no space left".into() };
                this.answers.push_back(Answer::Disk(Disk { write, result: Err(error) }));
            }
            DiskOp::Commit { file, write, path } => {
                let (old, _) = this.open.remove(&file).unwrap();
                let bytes = this.files.remove(&old).unwrap();
                // Who has it open goes on reading.
                let readers = this.open.values_mut().filter(|(name, _)| *name == old);
                readers.for_each(|(name, _)| *name = path.clone());
                this.files.insert(path, bytes);
                this.answers.push_back(done(write));
            }
            DiskOp::Abandon { file } => {
                let (path, _) = this.open.remove(&file).unwrap();
                this.files.remove(&path);
            }
            DiskOp::Open { file, path } => {
                this.open.insert(file, (path, 0));
            }
            DiskOp::Measure { file } => {
                let bytes = this.files.get(&this.open[&file].0).map(|bytes| bytes.len() as u64);
                this.answers.extend(bytes.map(|bytes| Answer::Size(file, bytes)));
            }
            DiskOp::Read { file, bytes_max, is_summed } => {
                let (path, at) = this.open.get_mut(&file).unwrap();
                let missing = DiskError { fault: DiskFault::Missing, text: format!("{path}: no such file") };
                let result = this.files.get(path).ok_or(missing).map(|bytes| {
                    let end = bytes.len().min(*at + bytes_max.min(700));
                    let part = bytes[*at..end].to_vec();
                    *at = end;
                    part
                });
                let sum = result.as_ref().ok().filter(|_| is_summed).map(|bytes| {
                    let mut sum = Crc64::new();
                    sum.update(bytes);
                    sum
                });
                this.answers.push_back(Answer::Read(file, result, sum));
            }
            DiskOp::Close { file } => drop(this.open.remove(&file)),
            other => panic!("{other:?}"),
        }
    }

    /// Gives the answers of the disk. False when there are none.
    pub fn answer(&mut self, now: Now) -> bool {
        let had_some = !self.answers.is_empty();
        while let Some(answer) = self.answers.pop_front() {
            self.call(now, |journal, turn| match answer {
                Answer::Disk(disk) => drop(journal.on_disk(&disk, turn)),
                Answer::Size(file, bytes) => journal.on_file_size(file, bytes),
                Answer::Read(file, result, sum) => journal.on_file_read(file, result, sum, turn),
            });
        }
        had_some
    }

    /// The data.
    pub fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for db in 0..16 {
            self.keyspace.for_each(db, |entry| {
                let mut parts = std::collections::BTreeSet::new();
                codec::parts(entry.value(), &mut |part| {
                    parts.insert(part.join(&b' '));
                });
                let value = parts.into_iter().collect::<Vec<_>>().join(&b'\n');
                contents.insert((db, entry.key().to_vec()), (value, entry.deadline_ms()));
            });
        }
        contents
    }

    /// The log has a line with this text.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }
}

/// Sets or removes a key.
pub fn set(keyspace: &mut Keyspace, db: u32, key: &[u8], value: Option<&[u8]>) {
    let hash = keyspace.hash(key);
    match (keyspace.entry(db, key, hash), value) {
        (Entry::Occupied(mut entry), Some(value)) => entry.store(value, None),
        (Entry::Occupied(entry), None) => entry.remove(),
        (Entry::Vacant(entry), Some(value)) => drop(entry.insert_string(value, None)),
        (Entry::Vacant(_), None) => {}
    }
}

impl World {
    /// So many nodes, all primaries.
    pub fn new(seed: u64, nodes: usize, settings: Settings) -> World {
        let mut random = Random::new(seed);
        let now = Now { mono: Time(1_000_000), unix: Unix::from_ms(1_700_000_000_000) };
        let nodes = (0..nodes).map(|_| Node::new(&settings, random.word(), now, BTreeMap::new())).collect();
        World {
            nodes,
            random,
            now,
            settings,
            is_split: false,
            is_stuck: false,
            frozen: None,
            is_full: false,
            pipes: Vec::new(),
        }
    }

    /// Lets a node follow another.
    pub fn follow(&mut self, node: usize, primary: usize) {
        let now = self.now;
        self.nodes[node].append();
        self.nodes[node].call(now, |journal, turn| journal.follow(address(primary), turn));
    }

    /// Lets a node lead.
    pub fn lead(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].call(now, |journal, turn| journal.lead(turn));
        self.nodes[node].link_up = false;
    }

    /// Kills a node and starts it again with its files; it follows `primary` if there is one.
    pub fn restart(&mut self, node: usize, primary: Option<usize>) {
        for pipe in &mut self.pipes {
            if pipe.ends.iter().any(|end| end.node == node) {
                pipe.is_cut = true;
                for end in pipe.ends.iter_mut().filter(|end| end.node == node) {
                    end.is_told_closed = true;
                }
            }
        }
        let files = core::mem::take(&mut self.nodes[node].files);
        self.nodes[node] = Node::new(&self.settings, self.random.word(), self.now, files);
        if let Some(primary) = primary {
            self.follow(node, primary);
        }
        let now = self.now;
        self.nodes[node].call(now, |journal, turn| journal.boot(turn));
    }

    /// Cuts all connections; what is on its way is lost.
    pub fn cut(&mut self) {
        for pipe in &mut self.pipes {
            pipe.is_cut = true;
            pipe.is_draining = false;
        }
    }

    /// One turn of every node, after which some time has passed.
    pub fn step(&mut self) {
        let ms = self.random.between(1, 20);
        self.now.mono += Span::ms(ms);
        self.now.unix = Unix(self.now.unix.0 + ms * 1_000);
        for node in 0..self.nodes.len() {
            self.turn(node);
        }
        self.pipes.retain(|pipe| !pipe.ends.iter().all(|end| end.is_told_closed));
    }

    /// Steps until `done`, or fails after two minutes of the world's time.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&World) -> bool) {
        let end = self.now.mono + Span::seconds(120);
        while !done(self) {
            assert!(self.now.mono < end, "{what}: not within two minutes");
            self.step();
        }
    }

    /// Steps for a while.
    pub fn run(&mut self, span: Span) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            self.step();
        }
    }

    fn turn(&mut self, node: usize) {
        let now = self.now;
        self.give_unsent(node);
        self.nodes[node].answer(now);
        for index in 0..self.pipes.len() {
            for side in 0..2 {
                if self.pipes[index].ends[side].node == node {
                    self.deliver(index, side);
                }
            }
        }
        let this = &mut self.nodes[node];
        if this.out.again || this.out.wake_at <= now.mono {
            this.out.again = false;
            this.call(now, |journal, turn| journal.tick(turn));
        }
        this.out.wake_at = Time::NEVER;
        this.append();
        this.call(now, |journal, turn| journal.seal(turn));
        assert!(this.journal.safe_offset() == this.journal.offset());
        for output in core::mem::take(&mut self.nodes[node].out.outputs) {
            self.carry_out(node, output);
        }
    }

    fn give_unsent(&mut self, node: usize) {
        for pipe in &mut self.pipes {
            for side in 0..2 {
                let unsent = pipe.ends[1 - side].bytes.len();
                let end = &mut pipe.ends[side];
                if end.node == node && end.reported != unsent {
                    end.reported = unsent;
                    self.nodes[node].journal.on_unsent(end.conn, unsent);
                }
            }
        }
    }

    fn deliver(&mut self, index: usize, side: usize) {
        let now = self.now;
        let pipe = &mut self.pipes[index];
        if !pipe.is_announced && side == 0 {
            pipe.is_announced = true;
            let (node, conn) = (pipe.ends[0].node, pipe.ends[0].conn);
            let peer = Peer { remote: address(9), local: address(8) };
            self.nodes[node].call(now, |journal, turn| journal.on_connected(conn, Ok(peer), turn));
            return;
        }
        let end = &mut pipe.ends[side];
        let (node, conn) = (end.node, end.conn);
        if pipe.is_cut && (!pipe.is_draining || end.bytes.is_empty()) {
            if !end.is_told_closed {
                end.is_told_closed = true;
                self.nodes[node].call(now, |journal, turn| journal.on_closed(conn, turn));
            }
            return;
        }
        let is_stuck = self.is_stuck || self.frozen == Some(node);
        if is_stuck || end.is_paused || end.framer.is_held() || end.bytes.is_empty() {
            return;
        }
        let count =
            if self.random.chance(1, 3) { end.bytes.len().min(1 << 20) } else { 20_000.min(end.bytes.len()) };
        let count = self.random.between(1, count as u64) as usize;
        let mut batch = Batch::default();
        let mut buffer = end.framer.lend(count, Vec::new);
        buffer.extend(end.bytes.drain(..count));
        drop(end.framer.feed(buffer, &mut batch));
        self.take_batch(index, side, batch);
    }

    fn take_batch(&mut self, index: usize, side: usize, batch: Batch) {
        let now = self.now;
        let end = &self.pipes[index].ends[side];
        let (node, conn) = (end.node, end.conn);
        if batch.is_empty() && *batch.ending() == Ending::Open {
            return;
        }
        if conn.is_outbound() {
            assert!(self.nodes[node].journal.owns_conn(conn));
            self.nodes[node].call(now, |journal, turn| journal.on_batch(conn, batch, turn));
            return;
        }
        let this = &mut self.nodes[node];
        this.journal.heard(conn, now);
        let peer = Peer { remote: address(9), local: address(node) };
        for request in 0..batch.len() {
            let args = batch.request(request);
            let reply = match args.at(0) {
                b"PING" => "+PONG\r\n".to_string(),
                b"REPLCONF" => match this.call(now, |journal, turn| journal.replconf(conn, args, turn)) {
                    Replconf::Ok => "+OK\r\n".to_string(),
                    Replconf::Silent => String::new(),
                    Replconf::Refused(error) => format!("-{error}\r\n"),
                },
                b"PSYNC" => match this.call(now, |journal, turn| journal.psync(conn, &peer, args, turn)) {
                    Ok(()) => String::new(),
                    Err(error) => format!("-{error}\r\n"),
                },
                b"INFO" => this.info(now),
                other => panic!("{other:?}"),
            };
            if !reply.is_empty() {
                this.out.send(conn, reply.into_bytes());
            }
        }
        if *batch.ending() == Ending::Held {
            this.out.put(Output::Frame { conn, mode: Mode::Requests(Limits::default()) });
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { conn, bytes, after: None } => {
                if let Some((index, side)) = self.place(node, conn) {
                    self.pipes[index].ends[1 - side].bytes.extend(bytes.as_slice());
                }
            }
            Output::Close { conn, closing } => {
                if let Some((index, _)) = self.place(node, conn) {
                    self.pipes[index].is_cut = true;
                    self.pipes[index].is_draining = closing == Closing::Flushed;
                }
            }
            Output::Connect { conn, to, mode } => self.connect(node, conn, &to, mode),
            Output::Frame { conn, mode } => {
                if let Some((index, side)) = self.place(node, conn) {
                    let framer = &mut self.pipes[index].ends[side].framer;
                    framer.set_mode(mode);
                    let mut batch = Batch::default();
                    drop(framer.resume(&mut batch));
                    self.take_batch(index, side, batch);
                }
            }
            Output::Pause(conn) | Output::Resume(conn) => {
                let is_paused = matches!(output, Output::Pause(_));
                if let Some((index, side)) = self.place(node, conn) {
                    self.pipes[index].ends[side].is_paused = is_paused;
                }
            }
            Output::Disk(work) => self.nodes[node].work(work, self.is_full),
            Output::Log { text, .. } => self.nodes[node].log.push(text),
            other => panic!("{other:?}"),
        }
    }

    fn place(&self, node: usize, conn: ConnId) -> Option<(usize, usize)> {
        let is_it = |end: &End| end.node == node && end.conn == conn && !end.is_told_closed;
        let find = |(index, pipe): (usize, &Pipe)| {
            (!pipe.is_cut).then(|| pipe.ends.iter().position(is_it)).flatten().map(|side| (index, side))
        };
        self.pipes.iter().enumerate().find_map(find)
    }

    fn connect(&mut self, node: usize, conn: ConnId, to: &Address, mode: Mode) {
        let Address::Name(_, port) = to else { panic!("{to}") };
        let to = usize::from(port - PORT);
        if self.is_split {
            let now = self.now;
            let error = Err("no route".to_string());
            return self.nodes[node].call(now, |journal, turn| journal.on_connected(conn, error, turn));
        }
        let end = |node, conn, mode| End {
            node,
            conn,
            framer: Framer::new(mode),
            is_paused: false,
            bytes: VecDeque::new(),
            is_told_closed: false,
            reported: 0,
        };
        self.nodes[to].inbound += 1;
        let inbound = ConnId::inbound(self.nodes[to].inbound, 0);
        let ends = [end(node, conn, mode), end(to, inbound, Mode::Requests(Limits::default()))];
        self.pipes.push(Pipe { ends, is_cut: false, is_announced: false, is_draining: false });
    }

    /// Asks a node to stop.
    pub fn shutdown(&mut self, node: usize, wish: ShutdownWish) {
        let now = self.now;
        self.nodes[node].call(now, |journal, turn| journal.shutdown(wish, turn));
    }
}
