//! One node as a child process: its files, its start, its end, and the wait before the next start.

use super::options::Options;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A node that lived at least so long starts again at once; one that died sooner waits longer each time.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// The longest wait between two starts of a node that keeps dying.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a node's process is doing.
#[derive(Debug)]
enum Process {
    /// Not running; to be started at that time.
    Waiting { start_at: Instant },
    /// Started by us.
    Child { child: Child, since: Instant },
    /// Not running, and not to be started before the operator says so.
    Held,
    /// Found running: an earlier `up` started it.
    Adopted { pid: i32, since: Instant },
}

/// One node of the set-up.
#[derive(Debug)]
pub struct Node {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Its folder.
    pub dir: PathBuf,
    process: Process,
    backoff: Duration,
    restart_delay: Duration,
    /// When the process ends, it stays down.
    stays_down: bool,
}

/// What became of a node since the last look.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended, by this exit status in words; it starts again after so long, unless it is held down.
    Died { status: String, restart_in: Option<Duration> },
    /// It was started again, under this pid.
    Started { pid: u32 },
}

impl Node {
    /// The node on `port`, not started.
    pub fn new(options: &Options, port: u16, now: Instant) -> Node {
        Node {
            address: SocketAddr::new(options.bind, port),
            dir: options.dir.join(port.to_string()),
            process: Process::Waiting { start_at: now },
            backoff: Duration::ZERO,
            restart_delay: options.restart_delay,
            stays_down: false,
        }
    }

    /// The port that clients use.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<i32> {
        match &self.process {
            Process::Waiting { .. } | Process::Held => None,
            Process::Child { child, .. } => i32::try_from(child.id()).ok(),
            Process::Adopted { pid, .. } => Some(*pid),
        }
    }

    /// Takes over a process that an earlier run left, if its pid file names one that is this node.
    pub fn adopt(&mut self, program: &Path, now: Instant) -> bool {
        let Ok(text) = fs::read_to_string(self.dir.join("redan.pid")) else { return false };
        let Ok(pid) = text.trim().parse::<i32>() else { return false };
        if !is_node(pid, program, &self.dir) {
            return false;
        }
        self.process = Process::Adopted { pid, since: now };
        true
    }

    /// Writes the configuration. It is ours and is written anew each time; the data beside it is kept.
    pub fn configure(&self, options: &Options) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let bind = match self.address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => ip.to_string(),
        };
        let dir = fs::canonicalize(&self.dir)?;
        let text = format!(
            "# Written by 'redan up' at each start. To change the set-up, change its arguments.\n\
             port {}\nbind {bind}\ndir {:?}\nlogfile redan.log\npidfile {:?}\n\
             cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout {}\n\
             repl-diskless-sync-delay 0\n",
            self.port(),
            dir,
            dir.join("redan.pid"),
            options.node_timeout_ms,
        );
        let mut file = fs::File::create(self.dir.join("redis.conf"))?;
        file.write_all(text.as_bytes())
    }

    /// Starts the process. Its output goes to `redan.log` in its folder.
    pub fn start(&mut self, program: &Path, now: Instant) -> io::Result<u32> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("redan.log"))?;
        let child = Command::new(program)
            .arg("server")
            .arg(fs::canonicalize(&self.dir)?.join("redis.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group_of_its_own()
            .spawn()?;
        let pid = child.id();
        self.process = Process::Child { child, since: now };
        Ok(pid)
    }

    /// Looks after the process: notices its end, and starts it when its time has come.
    pub fn tend(&mut self, program: &Path, now: Instant) -> io::Result<Option<Change>> {
        match &mut self.process {
            Process::Waiting { start_at } if *start_at <= now => {
                // A failed start (no memory, no descriptors) is tried again, like a death.
                match self.start(program, now) {
                    Ok(pid) => Ok(Some(Change::Started { pid })),
                    Err(error) => {
                        self.wait(now, Duration::ZERO);
                        Err(error)
                    }
                }
            }
            Process::Waiting { .. } | Process::Held => Ok(None),
            Process::Child { child, since } => {
                let lived = now.duration_since(*since);
                let Some(status) = child.try_wait()? else { return Ok(None) };
                let restart_in = self.after_death(now, lived);
                Ok(Some(Change::Died { status: status.to_string(), restart_in }))
            }
            Process::Adopted { pid, since } => {
                let (pid, lived) = (*pid, now.duration_since(*since));
                if is_node(pid, program, &self.dir) {
                    return Ok(None);
                }
                let restart_in = self.after_death(now, lived);
                Ok(Some(Change::Died { status: "gone".into(), restart_in }))
            }
        }
    }

    /// How soon `tend` has something to do by itself.
    pub fn starts_in(&self, now: Instant) -> Option<Duration> {
        match self.process {
            Process::Waiting { start_at } => Some(start_at.saturating_duration_since(now)),
            Process::Child { .. } | Process::Adopted { .. } | Process::Held => None,
        }
    }

    /// Sends a signal to the process, if it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(Pid::from_raw) {
            // A process that is gone already is what was wanted.
            let _gone = kill_process(pid, signal);
        }
    }

    /// True once the process is gone for good (used while stopping).
    pub fn has_ended(&mut self, program: &Path) -> bool {
        match &mut self.process {
            Process::Waiting { .. } | Process::Held => true,
            Process::Child { child, .. } => !matches!(child.try_wait(), Ok(None)),
            Process::Adopted { pid, .. } => !is_node(*pid, program, &self.dir),
        }
    }

    /// When the process ends, it stays down until `release`.
    pub fn hold(&mut self) {
        self.stays_down = true;
    }

    /// True when the operator holds it down.
    pub fn is_held(&self) -> bool {
        self.stays_down
    }

    /// It may run again, from now on.
    pub fn release(&mut self, now: Instant) {
        self.stays_down = false;
        if matches!(self.process, Process::Held) {
            self.process = Process::Waiting { start_at: now };
        }
    }

    /// What the process does, for people.
    pub fn state(&self, now: Instant) -> String {
        match &self.process {
            Process::Waiting { start_at } => {
                format!("starts in {:.1} s", start_at.saturating_duration_since(now).as_secs_f64())
            }
            Process::Held => "held down".into(),
            Process::Child { child, .. } => format!("pid {}", child.id()),
            Process::Adopted { pid, .. } => format!("pid {pid}"),
        }
    }

    fn after_death(&mut self, now: Instant, lived: Duration) -> Option<Duration> {
        if self.stays_down {
            self.process = Process::Held;
            return None;
        }
        Some(self.wait(now, lived))
    }

    fn wait(&mut self, now: Instant, lived: Duration) -> Duration {
        self.backoff = if lived >= STABLE_AFTER {
            Duration::ZERO
        } else {
            (self.backoff * 2).clamp(Duration::from_millis(100), BACKOFF_MAX)
        };
        let restart_in = self.backoff.max(self.restart_delay);
        self.process = Process::Waiting { start_at: now + restart_in };
        restart_in
    }
}

/// True if `pid` is a live process of `program` that runs the node in `dir`: a node works in its folder. (Its arguments
/// are gone once it shows its title.)
fn is_node(pid: i32, program: &Path, dir: &Path) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}"));
    let (Ok(exe), Ok(cwd), Ok(dir)) = (link("exe"), link("cwd"), fs::canonicalize(dir)) else { return false };
    let exe = exe.as_os_str().as_encoded_bytes();
    // The system marks a program whose file was replaced.
    let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
    cwd == dir && exe.rsplit(|byte| *byte == b'/').next() == Some(file_name(program))
}

fn file_name(program: &Path) -> &[u8] {
    program.file_name().map(|name| name.as_encoded_bytes()).unwrap_or(b"redan")
}

/// Keeps the terminal's Ctrl-C from the children: `up` stops them itself, in order.
trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Command;
}

impl OwnGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Command {
        use std::os::unix::process::CommandExt;
        self.process_group(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_keeps_dying_waits_longer_each_time() {
        let options = super::super::options::parse(&[]).unwrap();
        let now = Instant::now();
        let mut node = Node::new(&options, 7001, now);
        assert_eq!(node.wait(now, Duration::from_secs(60)), Duration::ZERO);
        assert_eq!(node.wait(now, Duration::ZERO), Duration::from_millis(100));
        assert_eq!(node.wait(now, Duration::ZERO), Duration::from_millis(200));
        for _ in 0..10 {
            node.wait(now, Duration::ZERO);
        }
        assert_eq!(node.wait(now, Duration::ZERO), BACKOFF_MAX);
    }
}
