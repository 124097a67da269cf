//! Faults: system calls that fall short or fail as on a loaded kernel, drawn from a seed, and counted.
//!
//! Every injected result is one that the kernel could give. A short read or an EAGAIN promises in the
//! edge-triggered world that readiness will be reported again, so the entry is re-armed with it.

use crate::syscalls::{DiskStep, Epoll};
use base::Random;
use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Calls that can be made to fail, and are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Wait,
    Recv,
    Send,
    Accept,
}

/// What a call does in place of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// At most so many bytes, at least one.
    Short(usize),
    WouldBlock,
    Interrupted,
    /// EMFILE.
    TooManyFiles,
    /// ECONNABORTED.
    Aborted,
}

impl Fault {
    pub fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Fault::WouldBlock => libc::EAGAIN,
            Fault::Interrupted => libc::EINTR,
            Fault::TooManyFiles => libc::EMFILE,
            Fault::Aborted => libc::ECONNABORTED,
            Fault::Short(_) => unreachable!("a short result is no error"),
        })
    }
}

/// The faults of one host.
#[derive(Debug)]
pub struct Faults {
    /// None counts alone.
    random: Option<Mutex<Random>>,
    registered: Mutex<HashMap<libc::c_int, (libc::c_int, u64, u32)>>,
    counts: [AtomicU64; 4],
    injected: AtomicU64,
}

impl Faults {
    /// Counts calls, and makes none fail.
    pub fn counting() -> Faults {
        Faults {
            random: None,
            registered: Mutex::default(),
            counts: Default::default(),
            injected: AtomicU64::new(0),
        }
    }

    /// Makes calls fail by `seed`.
    pub fn seeded(seed: u64) -> Faults {
        Faults { random: Some(Mutex::new(Random::new(seed))), ..Faults::counting() }
    }

    /// How often `call` was made.
    pub fn count(&self, call: Call) -> u64 {
        self.counts[call as usize].load(Ordering::Relaxed)
    }

    /// How many faults there were.
    pub fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    fn draw<T>(&self, choose: impl FnOnce(&mut Random) -> Option<T>) -> Option<T> {
        let chosen = choose(&mut self.random.as_ref()?.lock().unwrap());
        self.injected.fetch_add(u64::from(chosen.is_some()), Ordering::Relaxed);
        chosen
    }

    /// The fault of the next `call`, if any.
    pub fn next(&self, call: Call) -> Option<Fault> {
        self.counts[call as usize].fetch_add(1, Ordering::Relaxed);
        self.draw(|random| match call {
            Call::Wait => random.chance(1, 20).then_some(Fault::Interrupted),
            Call::Recv | Call::Send => match random.below(12) {
                0 | 1 => Some(Fault::Short(random.between(1, 200) as usize)),
                2 => Some(Fault::WouldBlock),
                3 => Some(Fault::Interrupted),
                _ => None,
            },
            Call::Accept => match random.below(12) {
                0 => Some(Fault::WouldBlock),
                1 => Some(Fault::Interrupted),
                2 => Some(Fault::TooManyFiles),
                3 => Some(Fault::Aborted),
                _ => None,
            },
        })
    }

    /// Delays or refuses a step on a file.
    pub fn disk(&self, step: DiskStep) -> io::Result<()> {
        let delay = self.draw(|random| random.chance(1, 4).then(|| random.below(3_000)));
        if let Some(us) = delay {
            std::thread::sleep(Duration::from_micros(us));
        }
        let full = self.draw(|random| (step == DiskStep::Write && random.chance(1, 6)).then_some(()));
        match full {
            Some(()) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            None => Ok(()),
        }
    }

    pub fn registered(&self, epoll: libc::c_int, fd: libc::c_int, token: u64, flags: u32) {
        self.registered.lock().unwrap().insert(fd, (epoll, token, flags));
    }

    pub fn rearm(&self, fd: libc::c_int) {
        if let Some(&(epoll, token, flags)) = self.registered.lock().unwrap().get(&fd) {
            Epoll::rearm_raw(epoll, fd, token, flags);
        }
    }
}
