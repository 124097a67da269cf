//! The original's way: the tests one after the other, or one command, each with a number of requests.

use crate::closed::{self, Plan};
use crate::nodes::{self, Facts, Nodes};
use crate::options::Options;
use crate::template::Template;
use crate::{report, suite};
use cli::connection::encode;
use cli::{complain, say};
use std::io::Read;

/// What the reports show beside the figures of a test.
pub struct Scene {
    /// The primaries of a cluster.
    pub nodes: Option<Nodes>,
    /// The configuration of a server alone.
    pub facts: Option<Facts>,
    /// Threads, as many as the options or the cluster ask for; 0: no more than the first.
    pub threads: usize,
}

/// Runs what the options ask for.
pub fn run(options: &Options) -> Result<(), u8> {
    let scene = scene(options)?;
    if options.keepalive == 0 {
        complain!(
            "WARNING: Keepalive disabled. You probably need 'echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse' for Linux and \
             'sudo sysctl -w net.inet.tcp.msl=1000' for Mac OS X in order to use a lot of clients/requests"
        );
    }
    if !options.command.is_empty() && options.tests.is_some() {
        complain!("WARNING: Option -t is ignored.");
    }
    if options.is_idle {
        say!("Creating {} idle connections and waiting forever (Ctrl+C when done)\n", options.clients);
        return closed::idle(options, &scene);
    }
    if options.is_csv {
        say!("{}", report::CSV_HEAD);
    }
    if !options.command.is_empty() {
        return command(options, &scene);
    }
    let data = suite::payload(options.payload_bytes);
    loop {
        for test in suite::TESTS.iter().filter(|test| test.is_chosen(options.tests.as_deref())) {
            let request = test.request(&data, options.is_cluster, options.keyspace.is_some());
            one(options, &scene, test.title, &request, options.payload_bytes)?;
        }
        if !options.is_csv {
            say!("\n");
        }
        if !options.loops {
            return Ok(());
        }
    }
}

/// Looks at the server, or at the cluster.
fn scene(options: &Options) -> Result<Scene, u8> {
    if options.is_cluster {
        let mut nodes = Nodes::fetch(options)?;
        nodes.introduce(options)?;
        let threads = if options.threads == 0 { nodes.list.len() } else { options.threads };
        return Ok(Scene { nodes: Some(nodes), facts: None, threads });
    }
    let facts = nodes::facts(options, &options.address)?;
    if facts.is_none() {
        complain!("WARNING: Could not fetch server CONFIG");
    }
    Ok(Scene { nodes: None, facts, threads: options.threads })
}

/// A command from the command line.
fn command(options: &Options, scene: &Scene) -> Result<(), u8> {
    let title: Vec<String> =
        options.command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let title = title.join(" ");
    let mut words = options.command.clone();
    if options.stdin_last {
        let mut last = Vec::new();
        if let Err(error) = std::io::stdin().lock().read_to_end(&mut last) {
            complain!("Reading from standard input: {}", cli::connection::reason(&error));
            return Err(1);
        }
        words.push(last);
    }
    let mut request = Vec::new();
    encode(&mut request, &words);
    loop {
        // The report shows the length of the whole request, as the original does.
        one(options, scene, &title, &request, request.len())?;
        if !options.loops {
            return Ok(());
        }
    }
}

fn one(
    options: &Options,
    scene: &Scene,
    title: &str,
    request: &[u8],
    payload_bytes: usize,
) -> Result<(), u8> {
    let template = Template::new(request, options.pipeline, options.keyspace.is_some());
    let outcome = closed::run(&Plan { options, scene, title, template })?;
    report::show(options, scene, title, payload_bytes, &outcome);
    Ok(())
}
