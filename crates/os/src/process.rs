//! Process: what a server does to its own process for init systems and operators.
//!
//! Daemonizing, the notes to a supervisor, the title in the list of processes, the score of the kernel's killer.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Goes into the background: the calling process ends with 0, the rest of the program runs in a child of a session of
/// its own, with nothing on its standard streams. Call it before there are other threads.
pub fn daemonize() -> io::Result<()> {
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // SAFETY: no other thread exists by the caller's promise, so the child has a whole copy of the process; `_exit`
    // runs no handler that belongs to the child.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        // SAFETY: as above.
        _ => unsafe { libc::_exit(0) },
    }
    // SAFETY: no pointers are passed; `null` is open, and the standard streams are nobody's `OwnedFd`.
    unsafe {
        libc::setsid();
        for stream in 0..=2 {
            libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), stream);
        }
    }
    Ok(())
}

/// Stops this process until its supervisor continues it: how upstart is told that a service is there.
pub fn stop_for_supervisor() {
    // SAFETY: no pointers are passed.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Sends a note (`READY=1`) to the socket in `NOTIFY_SOCKET`; false when there is no such socket.
pub fn tell_systemd(note: &str) -> bool {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return false };
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let send = |address: SocketAddr| UnixDatagram::unbound()?.send_to_addr(note.as_bytes(), &address);
    address.and_then(send).is_ok()
}

/// Sets the mask of permissions that new files do not get, and gives it back: the system has no way only to read it.
pub fn umask() -> u32 {
    // SAFETY: no pointers are passed.
    unsafe {
        let mask = libc::umask(0o022);
        libc::umask(mask);
        mask
    }
}

const OOM_FILE: &str = "/proc/self/oom_score_adj";

/// What the kernel adds to this process' score when it looks for a victim.
pub fn oom_score() -> io::Result<i32> {
    let text = fs::read_to_string(OOM_FILE)?;
    text.trim().parse().map_err(|_| io::Error::other("oom_score_adj holds no number"))
}

/// Changes it; a process without privileges may only raise it.
pub fn set_oom_score(score: i32) -> io::Result<()> {
    fs::write(OOM_FILE, format!("{score}"))
}

/// The memory that the list of processes shows: this program's arguments and, behind them, its environment.
#[derive(Debug)]
pub struct Title {
    start: usize,
    bytes: usize,
}

impl Title {
    /// Takes that memory over. The environment moves elsewhere. Call it once, before there are other threads, and after
    /// the arguments were read.
    pub fn take_over() -> Option<Title> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // Fields behind the name in parentheses; the first is the state, number 3 in proc(5).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
        let (arg_start, arg_end, env_start, env_end) = (field(48)?, field(49)?, field(50)?, field(51)?);
        if arg_start == 0 || arg_end <= arg_start {
            return None;
        }
        let end = if env_start == arg_end && env_end > env_start { env_end } else { arg_end };
        let environment: Vec<_> = std::env::vars_os().collect();
        for (name, value) in environment {
            // SAFETY: no other thread reads or writes the environment, by the caller's promise.
            unsafe { std::env::set_var(name, value) };
        }
        Some(Title { start: arg_start, bytes: end - arg_start })
    }

    /// Shows `text`, cut to the room that there is.
    pub fn show(&self, text: &[u8]) {
        let len = text.len().min(self.bytes - 1);
        let start = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
        // SAFETY: the kernel put the arguments and the environment at these `bytes` writable bytes; `take_over` has moved
        // away what was still in use.
        unsafe {
            std::ptr::write_bytes(start, 0, self.bytes);
            std::ptr::copy_nonoverlapping(text.as_ptr(), start, len);
        }
    }
}
