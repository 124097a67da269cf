//! Connections that the machine opens: by address, by name, and in vain.

use super::{Running, Scratch, run};
use base::Now;
use machine::{Address, ConnId, Dialer, Input, Machine, Outbox, Output, Peer};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use wire::Mode;

/// Connects to each address at its first tick, says hello, and leaves when all have ended or failed.
struct Caller {
    to: Vec<Address>,
    dialer: Dialer,
    open: usize,
    results: Vec<(ConnId, Result<Peer, String>)>,
    heard: Vec<u8>,
}

impl Machine for Caller {
    fn handle(&mut self, _: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Tick => {
                for to in std::mem::take(&mut self.to) {
                    self.open += 1;
                    let conn = self.dialer.dial();
                    out.put(Output::Connect { conn, to, mode: Mode::Raw });
                    // Sent before the connection stands: it waits.
                    out.send(conn, b"hello".to_vec());
                }
            }
            Input::Connected { conn, result } => {
                if result.is_err() {
                    self.open -= 1;
                    self.dialer.closed(conn);
                }
                self.results.push((conn, result));
            }
            Input::Batches(batches) => {
                for (_, batch) in batches {
                    (0..batch.len())
                        .for_each(|index| self.heard.extend_from_slice(batch.request(index).at(0)));
                }
            }
            Input::Closed { conn } => {
                self.open -= 1;
                self.dialer.closed(conn);
            }
            _ => {}
        }
        if self.open == 0 && !self.results.is_empty() {
            out.put(Output::Exit { code: 0 });
        }
    }

    fn seal(&mut self, _: Now, _: &mut Outbox) {}
}

/// Port 1 (tcpmux): nothing listens there on any machine that tests run on.
const NOBODY: u16 = 1;

#[test]
fn connections_are_opened_by_address_and_by_name() {
    let scratch = Scratch::new("dialing");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut socket, _) = server.accept().unwrap();
            let mut hello = [0; 5];
            socket.read_exact(&mut hello).unwrap();
            assert_eq!(&hello, b"hello");
            socket.write_all(b"answer").unwrap();
        }
    });
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let caller = Caller {
        to: vec![
            Address::Inet(local, port),
            Address::Name("localhost".into(), port),
            Address::Inet(local, NOBODY),
            Address::Unix("/nowhere/socket".into()),
        ],
        dialer: Dialer::default(),
        open: 0,
        results: Vec::new(),
        heard: Vec::new(),
    };
    let Running { thread, .. } = run(scratch.path(), None, caller);
    let (code, caller) = thread.join().unwrap();
    answering.join().unwrap();
    assert_eq!(code, 0);
    let stand = caller.results.iter().filter(|(_, result)| result.is_ok()).count();
    assert_eq!((stand, caller.results.len()), (2, 4), "{:?}", caller.results);
    assert_eq!(caller.heard, b"answeranswer");
    assert!(
        caller.results.iter().any(|(_, result)| {
            result.as_ref().is_ok_and(|peer| peer.remote == Address::Inet(local, port))
        })
    );
}
