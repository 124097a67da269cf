//! The production world: runs any machine on sockets, files and clocks of a Linux kernel.
//!
//! ```text
//!            epoll_wait                                         one turn of the loop
//!   sockets ------------> reads -> framers -> Input::Batches --\
//!   disk threads -------> completions ------> Input::Disk ------> machine.handle ... machine.seal
//!   clock, signals -----> ------------------> Input::Tick ...--/                        |
//!      ^                                                                                v
//!      \------------------------- writes, disk operations, timers <-------- outputs, in their order
//! ```
//!
//! One thread runs the loop and the machine. Helper threads touch the disk and resolve names; they get owned
//! values and answer with completions. The loop never waits for them.
//!
//! Invariant: the outputs of a turn are carried out in the order in which `seal` left them, and what a send
//! waits for (`after`) is durable before its first byte is in the kernel's hands.

pub mod clock;
pub mod config;
pub mod crash;
pub mod log;
pub mod process;
pub mod watchdog;

mod coalesce;
mod connect;
mod connections;
mod disk;
mod facts;
#[cfg(test)]
mod faults;
mod gates;
mod host;
mod jobs;
mod listen;
mod mailbox;
mod outputs;
mod reactor;
mod settings;
mod signals;
mod syscalls;
#[cfg(test)]
mod tests;

pub use clock::{meter, open_files, raise_open_files, seed};
pub use config::{Allocator, HostConfig, HostError, ListenAt, ListenerConfig};
pub use host::Host;
pub use listen::bind_addresses;
pub use log::{LogConfig, LogTarget, Syslog};
pub use settings::{OWN_CONNECTIONS, OWN_FILES};

/// What a lock guards; a thread that panicked with it leaves nothing half done in these.
fn locked<T>(of: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
