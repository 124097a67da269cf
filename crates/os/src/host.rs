//! Host: binds everything, then runs one machine, turn after turn.

use crate::clock::meter;
use crate::config::{HostConfig, HostError};
use crate::connect::Dialing;
use crate::disk::Disks;
use crate::facts::Facts;
use crate::listen::Listeners;
use crate::mailbox::Mailbox;
use crate::reactor::{Parts, READY_MAX, Reactor};
use crate::settings::Service;
use crate::signals::Signals;
use crate::syscalls::{self, Epoll, Syscalls};
use base::Time;
use machine::{Address, Input, Level, Machine, Outbox};
use std::fs;
use std::io;
use std::sync::Arc;

/// The world of one machine: bound, not yet running.
#[derive(Debug)]
pub struct Host {
    reactor: Reactor,
    addresses: Vec<Address>,
}

impl Host {
    /// Binds all listeners and takes everything that can be refused, so that errors surface before anything runs.
    ///
    /// With `handle_signals` it blocks SIGTERM and SIGINT for the calling thread and the threads that start
    /// later: call it before there are others.
    pub fn new(config: HostConfig) -> Result<Host, HostError> {
        Host::on(Syscalls::default(), config)
    }

    pub(crate) fn on(sys: Syscalls, config: HostConfig) -> Result<Host, HostError> {
        check_dir(&config)?;
        let listeners = Listeners::bind(&config.listeners, config.limits, config.tcp_keepalive_seconds)?;
        let refused = |what| move |source| HostError::System { what, source };
        let disk_mailbox = Arc::new(Mailbox::new().map_err(refused("making the disks' mailbox"))?);
        let resolved_mailbox = Arc::new(Mailbox::new().map_err(refused("making the resolver's mailbox"))?);
        let signals = config.handle_signals.then(Signals::new).transpose();
        let addresses = listeners.bound.iter().map(|listener| listener.address.clone()).collect();
        let parts = Parts {
            epoll: Epoll::new(READY_MAX).map_err(refused("making an epoll instance"))?,
            listeners,
            dialing: Dialing::new(Arc::clone(&resolved_mailbox), config.connect_from),
            disks: Disks::new(sys.clone(), config.dir, Arc::clone(&disk_mailbox)),
            sys,
            log: config.log,
            signals: signals.map_err(refused("reading signals"))?,
            facts: Facts::new(config.allocator),
            disk_mailbox,
            resolved_mailbox,
            connections_max: config.connections_max,
            service: Service::new(config.config_file, config.tells_systemd, config.title),
        };
        let reactor = Reactor::new(parts).map_err(refused("registering with epoll"))?;
        Ok(Host { reactor, addresses })
    }

    /// Where the listeners stand, in the order of the configuration (optional ones that were refused left out);
    /// a port 0 is replaced by the system's choice.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Runs `machine` until it puts `Output::Exit` out; returns the exit code.
    ///
    /// The first turn comes at once, with the host's figures and a `Tick`.
    pub fn run<M: Machine>(self, machine: &mut M) -> u8 {
        let mut reactor = self.reactor;
        syscalls::fine_timers();
        let mut out = Outbox::new(meter);
        out.wake_at = Time::START;
        let mut now = reactor.clock.now();
        loop {
            now = reactor.gather(now.mono, &mut out);
            if reactor.exit_now {
                reactor.log.write(Level::Warning, "Asked to stop a second time: leaving at once");
                return 1;
            }
            out.wake_at = Time::NEVER;
            out.again = false;
            // The vector's memory is kept: inputs of the next turn are pushed while outputs are carried out.
            let mut inputs = std::mem::take(&mut reactor.inputs);
            // Requests end with a look at the meter: that is the time, where nothing else has run.
            let is_plain = matches!(inputs[..], [Input::Batches(_)]);
            out.forget_ticks();
            for input in inputs.drain(..) {
                machine.handle(now, input, &mut out);
            }
            reactor.inputs = inputs;
            now = reactor.clock.moved_on(now, out.last_ticks().filter(|_| is_plain));
            machine.seal(now, &mut out);
            if let Some(code) = reactor.carry_out(&mut now, &mut out) {
                reactor.finish(&mut out);
                return code;
            }
        }
    }
}

fn check_dir(config: &HostConfig) -> Result<(), HostError> {
    let failed = |source| HostError::Dir { path: config.dir.clone(), source };
    if fs::metadata(&config.dir).map_err(failed)?.is_dir() {
        return Ok(());
    }
    Err(failed(io::Error::new(io::ErrorKind::NotADirectory, "it is no directory")))
}
