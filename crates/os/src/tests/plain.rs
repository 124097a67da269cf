//! Plain facts of the host: what a request costs in calls, what an idle connection holds.

use super::reference::Reference;
use super::{Running, Scratch, run};
use crate::config::{HostConfig, HostError, ListenAt};
use crate::connections::{Connection, State};
use crate::faults::{Call, Faults};
use crate::host::Host;
use machine::{ConnId, Listener};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use wire::{Limits, Mode};

#[test]
fn a_request_costs_one_read_and_one_write() {
    let scratch = Scratch::new("calls");
    let faults = Arc::new(Faults::counting());
    let Running { address, thread } = run(scratch.path(), Some(Arc::clone(&faults)), Reference::new());
    let mut socket = TcpStream::connect(address).unwrap();
    let mut ask = |request: &[u8], reply: &[u8]| {
        socket.write_all(request).unwrap();
        let mut received = vec![0; reply.len()];
        socket.read_exact(&mut received).unwrap();
        assert_eq!(received, reply);
    };
    ask(b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", b"+hi\r\n");
    let before = (faults.count(Call::Recv), faults.count(Call::Send));
    for _ in 0..1_000 {
        ask(b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", b"+hi\r\n");
    }
    let after = (faults.count(Call::Recv), faults.count(Call::Send));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1_000, 1_000));
    ask(b"*1\r\n$4\r\nSTOP\r\n", b"+stopped\r\n");
    assert_eq!(thread.join().unwrap().0, 7);
}

#[test]
fn an_idle_connection_holds_no_memory_but_its_place() {
    let connection =
        Connection::new(ConnId::inbound(0, 0), None, Mode::Requests(Limits::default()), State::Open);
    assert_eq!(connection.framer.memory_bytes(), 0);
    assert!(size_of::<Connection>() <= 320, "{}", size_of::<Connection>());
}

#[test]
fn a_taken_port_is_an_error_before_anything_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listeners = vec![super::listener(Listener::Client, ListenAt::Inet(address.ip(), address.port()))];
    let result = Host::new(HostConfig { listeners, handle_signals: false, ..HostConfig::default() });
    let Err(error @ HostError::Listen { .. }) = result else { panic!("bound twice") };
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.to_string().contains("taken"), "{error}");
}

#[test]
fn a_missing_directory_is_an_error() {
    let dir = "/nowhere/at/all".into();
    let result = Host::new(HostConfig { dir, handle_signals: false, ..HostConfig::default() });
    assert!(matches!(result, Err(HostError::Dir { .. })));
}
