//! Plain facts of the host: what a request costs in calls, what an idle connection holds.

use super::reference::Reference;
use super::{Running, Scratch, run};
use crate::config::{HostConfig, HostError, ListenAt};
use crate::connections::{Connection, State};
use crate::faults::{Call, Faults};
use crate::host::Host;
use machine::{Address, ConnId, Listener};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
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
fn a_peer_that_takes_nothing_does_not_hold_a_close_up() {
    let scratch = Scratch::new("stuck");
    let Running { address, thread } = run(scratch.path(), None, Reference::new());
    let mut stuck = TcpStream::connect(address).unwrap();
    // In one piece: the machine stops reading from a peer that takes nothing, and would not come to the last request.
    let mut requests = b"*2\r\n$3\r\nBIG\r\n$7\r\n4000000\r\n".repeat(8);
    requests.extend_from_slice(b"*2\r\n$3\r\nBYE\r\n$2\r\nno\r\n");
    stuck.write_all(&requests).unwrap();
    // The first reply is there, so all requests were read; what is sent from now on is not.
    assert_eq!(stuck.peek(&mut [0]).unwrap(), 1);
    // Nothing is taken. The end shows as an error of a write, once the server has given up.
    let until = Instant::now() + Duration::from_secs(20);
    while stuck.write_all(b"*1\r\n").is_ok() {
        assert!(Instant::now() < until, "the server waits for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"*1\r\n$4\r\nSTOP\r\n").unwrap();
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"+stopped\r\n");
    let (_, machine) = thread.join().unwrap();
    assert_eq!(machine.closed, 1);
}

#[test]
fn ipv6_stands_beside_ipv4_on_one_port() {
    let ip6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // A machine without IPv6 has nothing to show here.
    }
    let host = |at: Vec<ListenAt>| {
        let listeners = at.into_iter().map(|at| super::listener(Listener::Client, at)).collect();
        Host::new(HostConfig { listeners, handle_signals: false, ..HostConfig::default() })
    };
    // The same port is free for IPv4, because the first takes IPv6 alone; unless a stranger has it.
    let is_shared = (0..20).any(|_| {
        let first = host(vec![ListenAt::Inet(ip6, 0)]).unwrap();
        let Address::Inet(_, port) = first.addresses()[0] else { panic!("TCP") };
        host(vec![ListenAt::Inet(IpAddr::V4(Ipv4Addr::LOCALHOST), port)]).is_ok()
    });
    assert!(is_shared);
}

#[test]
fn an_optional_address_of_another_machine_is_left_out() {
    let at = ListenAt::Inet(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0);
    let mut listener = super::listener(Listener::Client, at);
    listener.is_optional = true;
    let config =
        |listener| HostConfig { listeners: vec![listener], handle_signals: false, ..HostConfig::default() };
    assert!(Host::new(config(listener.clone())).unwrap().addresses().is_empty());
    listener.is_optional = false;
    assert!(matches!(Host::new(config(listener)), Err(HostError::Listen { .. })));
}

#[test]
fn a_missing_directory_is_an_error() {
    let dir = "/nowhere/at/all".into();
    let result = Host::new(HostConfig { dir, handle_signals: false, ..HostConfig::default() });
    assert!(matches!(result, Err(HostError::Dir { .. })));
}
