//! Signals: SIGTERM and SIGINT become inputs. They are blocked and read, so no code runs in a handler.

use crate::syscalls;
use machine::Signal;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The signals of the process, made readable.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    interrupts: u32,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The machine decides.
    Machine(Signal),
    /// The second SIGINT: the operator does not want to wait.
    ExitNow,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Signals> {
        Ok(Signals { fd: syscalls::signal_reader()?, interrupts: 0 })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next signal that came in.
    pub(crate) fn next(&mut self) -> Option<Asked> {
        match syscalls::signal_next(self.fd.as_fd())? {
            libc::SIGINT => {
                self.interrupts += 1;
                let asked =
                    if self.interrupts > 1 { Asked::ExitNow } else { Asked::Machine(Signal::Interrupt) };
                Some(asked)
            }
            _ => Some(Asked::Machine(Signal::Terminate)),
        }
    }
}
