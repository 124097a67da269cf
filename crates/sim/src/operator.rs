//! Operator: sends commands to nodes while they are under load, and does not mind their answers.
//!
//! A command that is lost is no harm: a human would look and ask again.

use base::{Now, Span, Time};
use machine::{Address, Closing, ConnId, Dialer, Input, Machine, Outbox, Output};
use std::collections::BTreeMap;
use std::net::IpAddr;
use wire::Mode;

/// A node that does not answer for so long is left alone.
const PATIENCE: Span = Span::seconds(2);

/// Somebody with a terminal, or several.
#[derive(Debug, Default)]
pub struct Operator {
    port: u16,
    dialer: Dialer,
    errands: Vec<(IpAddr, String)>,
    calls: BTreeMap<ConnId, (Time, String)>,
}

impl Operator {
    /// An operator who knows the clients' port.
    pub fn new(port: u16) -> Operator {
        Operator { port, ..Operator::default() }
    }

    /// Sends a command, words parted by spaces, with the next turn.
    pub fn send(&mut self, to: IpAddr, command: String) {
        self.errands.push((to, command));
    }

    fn end(&mut self, conn: ConnId, out: &mut Outbox) {
        if self.calls.remove(&conn).is_some() {
            out.put(Output::Close { conn, closing: Closing::Now });
        }
    }
}

impl Machine for Operator {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        for (ip, command) in std::mem::take(&mut self.errands) {
            let conn = self.dialer.dial();
            self.calls.insert(conn, (now.mono + PATIENCE, command));
            out.put(Output::Connect { conn, to: Address::Inet(ip, self.port), mode: Mode::Raw });
        }
        match input {
            Input::Connected { conn, result: Ok(_) } => {
                if let Some((_, command)) = self.calls.get(&conn) {
                    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
                    let mut bytes = Vec::new();
                    wire::request(&mut bytes, &words);
                    out.send(conn, bytes);
                }
            }
            Input::Connected { conn, result: Err(_) } | Input::Closed { conn } => {
                self.calls.remove(&conn);
            }
            Input::Batches(batches) => batches.iter().for_each(|(conn, _)| self.end(*conn, out)),
            _ => {}
        }
        let late = self.calls.iter().filter(|(_, (until, _))| *until <= now.mono);
        let late: Vec<ConnId> = late.map(|(conn, _)| *conn).collect();
        late.into_iter().for_each(|conn| self.end(conn, out));
    }

    fn seal(&mut self, _: Now, out: &mut Outbox) {
        self.calls.values().for_each(|(until, _)| out.wake(*until));
    }
}
