//! `redan up`: a highly available cluster on this machine, from one command.
//!
//! ```text
//!   redan up --+-- child: redan server DIR/7001/redis.conf    tend: starts what has died
//!              +-- child: redan server DIR/7002/redis.conf    form: sends the commands that are missing
//!              +-- ...                                        watcher: asks the nodes, on a thread
//!                                                             story: tells what changed; screen: shows it
//! ```
//!
//! The nodes need nothing of this program while they run: if it is killed, they go on, and the next
//! `redan up` with the same directory takes them over.

mod child;
mod form;
mod options;
mod screen;
mod story;
mod watch;
mod watcher;

use child::{Change, Node};
use options::Options;
use rustix::process::Signal;
use screen::{Screen, Wish};
use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use story::{Event, Story};
use watch::Watch;
use watcher::Watcher;

/// The supervisor looks at its children so often: a dead node is back within that and its own start.
const TEND_EVERY: Duration = Duration::from_millis(10);
/// The screen is drawn so often when nothing happens: its clock goes on.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// A takeover by hand is answered within so long.
const FAIL_OVER_TIMEOUT: Duration = Duration::from_millis(500);
/// A cluster that is not formed by then will not form by itself.
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// Nodes get so long to save and stop before they are killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Runs `redan up`.
pub fn run(args: &[OsString]) -> ExitCode {
    let options = match options::parse(args) {
        Ok(options) => options,
        Err(report) => {
            let is_error = report.use_stderr();
            // Nothing can be done for a terminal that is gone.
            let _printed = report.print();
            return if is_error { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match Up::new(options).and_then(Up::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redan up: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The set-up while it runs.
struct Up {
    options: Options,
    program: PathBuf,
    nodes: Vec<Node>,
    watch: Watch,
    stop: Arc<AtomicBool>,
    started: Instant,
    /// Held while this program runs: two of them must not tend the same nodes.
    _lock: File,
}

impl Up {
    /// Checks everything that can be wrong before anything is started.
    fn new(options: Options) -> Result<Up, String> {
        let started = Instant::now();
        let program = std::env::current_exe()
            .map_err(|error| format!("the path of this program is unknown: {error}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, stop.clone()).map_err(|error| format!("signals: {error}"))?;
        }
        let lock = lock(&options)?;
        let mut nodes: Vec<Node> =
            (0..options.nodes()).map(|place| Node::new(&options, options.port + place, started)).collect();
        let adopted: Vec<bool> = nodes.iter_mut().map(|node| node.adopt(&program, started)).collect();
        for (node, is_running) in nodes.iter().zip(&adopted) {
            if !is_running {
                ports_are_free(node)?;
            }
        }
        for node in &nodes {
            node.configure(&options).map_err(|error| format!("{}: {error}", node.dir.display()))?;
        }
        let watch = Watch::new(nodes.iter().map(|node| node.address));
        Ok(Up { options, program, nodes, watch, stop, started, _lock: lock })
    }

    fn run(mut self) -> Result<(), String> {
        show(&format!(
            "redan {}: {} primaries with {} replica(s) each in {}, ports {}-{}, node timeout {} ms",
            env!("CARGO_PKG_VERSION"),
            self.options.primaries,
            self.options.replicas,
            self.options.dir.display(),
            self.options.port,
            self.options.port + self.options.nodes() - 1,
            self.options.node_timeout_ms
        ));
        let result = match self.start().and_then(|()| self.form()) {
            Ok(()) => self.tend_until_stopped(),
            Err(error) => Err(error),
        };
        self.stop_all();
        result
    }

    fn start(&mut self) -> Result<(), String> {
        let now = Instant::now();
        for node in &mut self.nodes {
            match node.pid() {
                Some(pid) => say(&format!("{} runs already, pid {pid}", node.port())),
                None => {
                    let pid = node
                        .start(&self.program, now)
                        .map_err(|error| format!("{}: {error}", node.dir.display()))?;
                    say(&format!("{} started, pid {pid}", node.port()));
                }
            }
        }
        Ok(())
    }

    /// Brings the nodes together, step by step, until the cluster is whole.
    fn form(&mut self) -> Result<(), String> {
        let host = self.options.bind.to_string();
        let (mut refused, deadline) = (String::new(), Instant::now() + FORM_WITHIN);
        let mut last_meet: Option<Instant> = None;
        loop {
            if self.is_stopping() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.why_not_formed(&refused));
            }
            self.no_early_death()?;
            self.watch.look();
            let views: Option<Vec<form::View>> =
                self.watch.statuses.iter().map(|status| Some(status.as_ref()?.view.clone())).collect();
            let Some(views) = views else {
                std::thread::sleep(TEND_EVERY);
                continue;
            };
            if !form::doubled_ids(&views).is_empty() {
                return Err(
                    "two nodes have one id: a node's folder was copied. Remove nodes.conf in the copy."
                        .into(),
                );
            }
            let primaries = usize::from(self.options.primaries);
            if form::is_formed(&views, primaries, &host) && watch::is_whole(&self.watch.statuses) {
                break;
            }
            // A handshake needs a moment; asking for it again at once would start another.
            let may_meet = last_meet.is_none_or(|at| at.elapsed() > Duration::from_millis(500));
            for step in form::next_steps(&views, primaries, &host) {
                let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
                let is_meet = words.get(1) == Some(&"MEET");
                if is_meet && !may_meet {
                    continue;
                }
                if is_meet {
                    last_meet = Some(Instant::now());
                }
                if let Err(error) = self.watch.command(step.node, &words) {
                    refused = format!("{}: '{}': {error}", self.nodes[step.node].port(), words.join(" "));
                }
            }
            std::thread::sleep(TEND_EVERY);
        }
        say(&format!("the cluster is ok after {:.1} s", self.started.elapsed().as_secs_f64()));
        self.print_table();
        show(&format!("  use it:  redis-cli -c -h {host} -p {}    stop it:  Ctrl-C", self.options.port));
        Ok(())
    }

    /// While the cluster forms, a node that ends means a set-up that can not work: say why and stop.
    fn no_early_death(&mut self) -> Result<(), String> {
        let now = Instant::now();
        for node in &mut self.nodes {
            if let Ok(Some(Change::Died { status, .. })) = node.tend(&self.program, now) {
                let log = node.dir.join("redan.log");
                let last = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = last.lines().rev().take(5).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                return Err(format!(
                    "node {} ended while starting ({status}). The end of {}:\n{}",
                    node.port(),
                    log.display(),
                    last.join("\n")
                ));
            }
        }
        Ok(())
    }

    fn why_not_formed(&self, refused: &str) -> String {
        let silent: Vec<String> = (self.nodes.iter().zip(&self.watch.statuses))
            .filter(|(_, status)| status.is_none())
            .map(|(node, _)| node.port().to_string())
            .collect();
        let mut text = format!("the cluster did not form within {} s.", FORM_WITHIN.as_secs());
        if !silent.is_empty() {
            text.push_str(&format!(" No answer from {}; see redan.log in their folders.", silent.join(", ")));
        }
        if !refused.is_empty() {
            text.push_str(&format!(" The last refusal was {refused}."));
        }
        text
    }

    fn tend_until_stopped(&mut self) -> Result<(), String> {
        let ports: Vec<u16> = self.nodes.iter().map(Node::port).collect();
        let addresses = self.nodes.iter().map(|node| node.address).collect();
        let watcher = Watcher::start(addresses).map_err(|error| format!("a thread to watch: {error}"))?;
        let mut story = Story::new(ports.clone());
        let mut screen = None;
        if !self.options.plain && screen::is_possible() {
            let opened = Screen::open(self.title(), ports, self.started);
            screen = Some(opened.map_err(|error| format!("the terminal: {error}. Try --plain."))?);
        }
        let mut teller = Teller { screen };
        // What the forming has told already is not news.
        story.observe(Instant::now(), &self.watch.statuses);
        let mut was_whole = true;
        let mut draw_at = Instant::now();
        let result = loop {
            if self.is_stopping() {
                break Ok(());
            }
            let mut is_news = self.tend(&mut story, &mut teller);
            while let Some(sight) = watcher.next() {
                is_news = true;
                for event in story.observe(sight.at, &sight.statuses) {
                    teller.tell(event);
                }
                self.watch.statuses = sight.statuses;
                teller.observe(&self.watch.statuses);
            }
            let is_whole = watch::is_whole(&self.watch.statuses);
            if is_whole && !was_whole {
                teller.say("the set-up is whole again".into());
                if teller.screen.is_none() {
                    self.print_table();
                }
            }
            was_whole = is_whole;
            let soonest = self.nodes.iter().filter_map(|node| node.starts_in(Instant::now())).min();
            let pause = soonest.unwrap_or(TEND_EVERY).min(TEND_EVERY);
            let Some(screen) = &mut teller.screen else {
                std::thread::sleep(pause);
                continue;
            };
            screen.set_processes(self.nodes.iter().map(|node| node.state(Instant::now())).collect());
            let draws = is_news || Instant::now() >= draw_at;
            if draws {
                draw_at = Instant::now() + DRAW_EVERY;
            }
            match screen.turn(pause, draws) {
                Ok(None) => {}
                Ok(Some(Wish::Quit)) => break Ok(()),
                Ok(Some(wish)) => {
                    self.carry_out(wish, &mut teller);
                    draw_at = Instant::now();
                }
                Err(error) => break Err(format!("the terminal: {error}")),
            }
        };
        teller.close();
        result
    }

    /// Looks after the processes; true when something happened.
    fn tend(&mut self, story: &mut Story, teller: &mut Teller) -> bool {
        let now = Instant::now();
        let mut is_news = false;
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let line = match node.tend(&self.program, now) {
                Ok(None) => continue,
                Ok(Some(Change::Started { pid })) => format!("{} started, pid {pid}", node.port()),
                Ok(Some(Change::Died { status, restart_in })) => {
                    story.on_death(place, now);
                    let when = match restart_in {
                        None => ", is held down".into(),
                        Some(Duration::ZERO) => ", starts again at once".into(),
                        Some(wait) => format!(", starts again in {:.1} s", wait.as_secs_f64()),
                    };
                    format!("{} died ({status}){when}", node.port())
                }
                Err(error) => format!("{} can not be started: {error}", node.port()),
            };
            is_news = true;
            teller.say(line);
        }
        is_news
    }

    /// Does what a key asked for.
    fn carry_out(&mut self, wish: Wish, teller: &mut Teller) {
        match wish {
            Wish::Kill(place) => {
                self.nodes[place].signal(Signal::KILL);
                teller.say(format!("{}: kill -9, by hand", self.nodes[place].port()));
            }
            Wish::Hold(place) if self.nodes[place].is_held() => {
                self.nodes[place].release(Instant::now());
                teller.say(format!("{}: started by hand", self.nodes[place].port()));
            }
            Wish::Hold(place) => {
                self.nodes[place].hold();
                self.nodes[place].signal(Signal::KILL);
                teller.say(format!("{}: kill -9 and held down, by hand", self.nodes[place].port()));
            }
            Wish::Restart(place) => {
                self.nodes[place].signal(Signal::TERM);
                teller.say(format!("{}: restart, by hand", self.nodes[place].port()));
            }
            Wish::FailOver(place) => {
                let Some(successor) = teller.screen.as_ref().and_then(|screen| screen.successor(place))
                else {
                    let port = self.nodes[place].port();
                    return teller.say(format!("{port} has no replica in sync that could take over"));
                };
                let line = self.ask_to_take_over(successor);
                teller.say(line);
            }
            Wish::Quit => {}
        }
    }

    fn ask_to_take_over(&self, place: usize) -> String {
        let address = self.nodes[place].address;
        let port = address.port();
        let address = cli::Address::tcp(&address.ip().to_string(), port);
        let asked = cli::Connection::open(&address, cli::Timeouts::each(FAIL_OVER_TIMEOUT))
            .and_then(|mut connection| connection.text(&["CLUSTER", "FAILOVER"]));
        match asked {
            Ok(_) => format!("{port} is asked to take over, by hand"),
            Err(error) => format!("{port} does not take over: {error}"),
        }
    }

    fn title(&self) -> String {
        format!(
            "redan {}: {} primaries, {} replica(s) each, in {}; redis-cli -c -h {} -p {}",
            env!("CARGO_PKG_VERSION"),
            self.options.primaries,
            self.options.replicas,
            self.options.dir.display(),
            self.options.bind,
            self.options.port
        )
    }

    fn print_table(&self) {
        let addresses: Vec<SocketAddr> = self.nodes.iter().map(|node| node.address).collect();
        show(watch::table(&addresses, &self.watch.statuses).trim_end());
    }

    /// Stops all nodes: they save as configured; who does not stop in time is killed.
    fn stop_all(&mut self) {
        say("stopping all nodes");
        for node in &self.nodes {
            node.signal(Signal::TERM);
        }
        let deadline = Instant::now() + STOP_WITHIN;
        let mut running: Vec<usize> = (0..self.nodes.len()).collect();
        while !running.is_empty() && Instant::now() < deadline {
            running.retain(|&place| !self.nodes[place].has_ended(&self.program));
            std::thread::sleep(TEND_EVERY);
        }
        for place in running {
            say(&format!("{} does not stop and is killed", self.nodes[place].port()));
            self.nodes[place].signal(Signal::KILL);
        }
        say("stopped");
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Takes the directory's lock.
fn lock(options: &Options) -> Result<File, String> {
    let dir = options.dir.display();
    std::fs::create_dir_all(&options.dir).map_err(|error| format!("{dir}: {error}"))?;
    let lock =
        File::create(options.dir.join("up.lock")).map_err(|error| format!("{dir}/up.lock: {error}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(format!(
            "another 'redan up' runs in {dir}. Stop it first, or choose another --dir and --port."
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(format!("{dir}/up.lock: {error}")),
    }
}

/// Both ports of a node that is to be started must be free.
fn ports_are_free(node: &Node) -> Result<(), String> {
    for (port, use_of) in [(node.port(), "clients"), (node.port() + 10_000, "the cluster bus")] {
        if let Err(error) = TcpListener::bind((node.address.ip(), port)) {
            return Err(format!(
                "port {port} on {} (node {}, for {use_of}) can not be used: {error}. Nothing was started. \
                 Choose another --port, or see who has it with 'ss -ltnp sport = :{port}'.",
                node.address.ip(),
                node.port()
            ));
        }
    }
    Ok(())
}

/// Where status lines go: the screen while there is one, else the standard output.
struct Teller {
    screen: Option<Screen>,
}

impl Teller {
    fn say(&mut self, text: String) {
        self.tell(Event { text, is_failover: false });
    }

    fn tell(&mut self, event: Event) {
        match &mut self.screen {
            Some(screen) => screen.tell(time_of_day(), event),
            None => say(&event.text),
        }
    }

    fn observe(&mut self, statuses: &[Option<watch::Status>]) {
        if let Some(screen) = &mut self.screen {
            screen.observe(statuses);
        }
    }

    /// Gives the terminal back and leaves the history on it.
    fn close(self) {
        for line in self.screen.map(Screen::close).unwrap_or_default() {
            show(&line);
        }
    }
}

/// One status line, with the time of day (UTC).
fn say(line: &str) {
    show(&format!("{} {line}", time_of_day()));
}

fn time_of_day() -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (seconds, ms) = (since_1970.as_secs() % 86_400, since_1970.subsec_millis());
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Prints a line. A terminal that is gone is no reason to leave the nodes alone.
fn show(line: &str) {
    use std::io::Write;
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}
