//! Host: the world of one machine.

use crate::config::{HostConfig, HostError};
use machine::{Address, Machine};

/// The world of one machine: bound, not yet running.
#[derive(Debug)]
pub struct Host {
    addresses: Vec<Address>,
}

impl Host {
    /// Binds all listeners and takes everything that can be refused, so that errors surface before anything runs.
    pub fn new(config: HostConfig) -> Result<Host, HostError> {
        let _ = config;
        Ok(Host { addresses: Vec::new() })
    }

    /// Where the listeners stand, in the order of the configuration (optional ones that were refused left out);
    /// a port 0 is replaced by the system's choice.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Runs `machine` until it puts `Output::Exit` out; returns the exit code.
    pub fn run<M: Machine>(self, machine: &mut M) -> u8 {
        let _ = machine;
        0
    }
}
