//! What does a request cost before any work is done for it? A machine that answers `+OK` to everything, on the
//! real host with the real framer: the floor under every other figure.
//!
//! `cargo run --release -p os --example echo -- PORT`, then `redis-benchmark -p PORT -c 50 -P 16 -n 1000000 ping`.

use base::Now;
use machine::{Input, Listener, Machine, Outbox, Output};
use os::{Host, HostConfig, ListenAt, ListenerConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use wire::{Ending, Limits, Mode};

struct Floor;

impl Machine for Floor {
    fn handle(&mut self, _: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Batches(batches) => {
                for (conn, batch) in batches {
                    let mut reply = out.pool.buffer();
                    for request in 0..batch.len() {
                        // The name is looked at, as any server must.
                        let known = batch.request(request).get(0).is_some_and(|name| !name.is_empty());
                        reply.extend_from_slice(if known { b"+OK\r\n" } else { b"-ERR\r\n" });
                    }
                    out.send(conn, reply);
                    match batch.ending() {
                        Ending::Open => {}
                        Ending::Held => {
                            out.put(Output::Frame { conn, mode: Mode::Requests(Limits::default()) })
                        }
                        Ending::Broken(_) => out.close_flushed(conn),
                    }
                    out.pool.recycle_batch(batch);
                }
            }
            Input::Signal(_) => out.put(Output::Exit { code: 0 }),
            _ => {}
        }
    }

    fn seal(&mut self, _: Now, _: &mut Outbox) {}
}

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(7777);
    let listener = ListenerConfig {
        kind: Listener::Client,
        at: ListenAt::Inet(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        backlog: 511,
        is_optional: false,
    };
    match Host::new(HostConfig { listeners: vec![listener], ..HostConfig::default() }) {
        Ok(host) => ExitCode::from(host.run(&mut Floor)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
