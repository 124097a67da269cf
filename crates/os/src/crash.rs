//! Crash: a report in the log when the process dies by a signal of its own fault, then the end that the signal asks for.
//!
//! The handler runs in a process that may be broken: it allocates nothing, and writes with plain system calls.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// 100: frames of a stack that a report shows.
const FRAMES_MAX: usize = 100;
/// SIGSEGV and its kin, and SIGABRT, by which a failed assertion ends.
const SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// The log file; null: the standard output.
static LOG_PATH: AtomicPtr<libc::c_char> = AtomicPtr::new(ptr::null_mut());
static ROLE: AtomicU8 = AtomicU8::new(b'M');

/// From now on a crash is reported at the end of this file, or on the standard output.
pub fn report_to(path: Option<&Path>) {
    let name = path.and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
    // The name is never given back: a crash may come at any time, and there are few changes of the log file.
    LOG_PATH.store(name.map_or(ptr::null_mut(), CString::into_raw), Ordering::Release);
}

/// `crash-log-enabled`: handles the signals of a crash, or leaves them to the system again.
pub fn handle(is_on: bool) {
    // The first walk loads the unwinder, which allocates: now, and not within the handler.
    let _frames = walk(&mut [ptr::null_mut(); 1]);
    for signal in SIGNALS {
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = if is_on { on_crash as *const () as usize } else { libc::SIG_DFL };
        action.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_SIGINFO;
        // SAFETY: `action` is a live local that is only read; the handler has the signature that SA_SIGINFO asks for.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
}

/// Keeps the role's character for the report.
pub(crate) fn set_role(role: char) {
    ROLE.store(role as u8, Ordering::Relaxed);
}

/// Dies as by a wild pointer.
pub fn segfault() -> ! {
    // SAFETY: no pointers are passed; the handler, or the system, ends the process.
    unsafe { libc::raise(libc::SIGSEGV) };
    std::process::abort();
}

extern "C" fn on_crash(signal: libc::c_int, info: *const libc::siginfo_t, _context: *const libc::c_void) {
    let path = LOG_PATH.load(Ordering::Acquire);
    let mut out = Line::default();
    // SAFETY: a path that is not null is a C string that lives for ever; the kernel gives a valid `info`.
    let (fd, code, address) = unsafe {
        let flags = libc::O_APPEND | libc::O_CREAT | libc::O_WRONLY;
        let fd = if path.is_null() { 1 } else { libc::open(path, flags, 0o644) };
        (fd, (*info).si_code, (*info).si_addr() as usize)
    };
    out.text("\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n");
    out.head();
    out.text("redan ").text(env!("CARGO_PKG_VERSION")).text(" crashed by signal: ").number(signal as u64, 10);
    out.text(", si_code: ").number(code.unsigned_abs().into(), 10).text("\n");
    if code <= 0 {
        // SAFETY: the kernel gives a valid `info`; signals of processes carry their sender.
        let (pid, uid) = unsafe { ((*info).si_pid(), (*info).si_uid()) };
        out.head();
        out.text("Killed by PID: ").number(pid.unsigned_abs().into(), 10);
        out.text(", UID: ").number(uid.into(), 10).text("\n");
    } else {
        out.head();
        out.text("Accessing address: 0x").number(address as u64, 16).text("\n");
    }
    out.text("\n------ STACK TRACE ------\n");
    out.flush(fd);
    let mut frames = [ptr::null_mut(); FRAMES_MAX];
    let count = walk(&mut frames);
    show(&frames[..count], fd);
    out.text("\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n");
    out.text("       Please report the crash with this text to the makers of redan.\n\n");
    out.flush(fd);
    // SAFETY: the system's own action is in force again (SA_RESETHAND), and ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// The return addresses on the stack, as many as fit.
#[cfg(target_env = "gnu")]
fn walk(frames: &mut [*mut libc::c_void]) -> usize {
    // SAFETY: `frames` is a live slice of that length.
    let count = unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as libc::c_int) };
    usize::try_from(count).unwrap_or(0)
}

/// Other C libraries have no such call.
#[cfg(not(target_env = "gnu"))]
fn walk(_frames: &mut [*mut libc::c_void]) -> usize {
    0
}

#[cfg(target_env = "gnu")]
fn show(frames: &[*mut libc::c_void], fd: libc::c_int) {
    // SAFETY: `frames` is a live slice of that length; the call writes to the descriptor and allocates nothing.
    unsafe { libc::backtrace_symbols_fd(frames.as_ptr(), frames.len() as libc::c_int, fd) };
}

#[cfg(not(target_env = "gnu"))]
fn show(_frames: &[*mut libc::c_void], _fd: libc::c_int) {}

/// Text that is gathered without an allocation.
struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; 1024], len: 0 }
    }
}

impl Line {
    fn text(&mut self, text: &str) -> &mut Line {
        for byte in text.bytes().take(self.bytes.len() - self.len) {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        self
    }

    fn number(&mut self, number: u64, base: u64) -> &mut Line {
        const DIGITS: &str = "0123456789abcdef";
        let mut digits = [0; 20];
        let (mut rest, mut count) = (number, 0);
        loop {
            digits[count] = (rest % base) as usize;
            count += 1;
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        for digit in digits[..count].iter().rev() {
            self.text(&DIGITS[*digit..=*digit]);
        }
        self
    }

    /// The head of a line of the log. The time is left out: local time takes a lock.
    fn head(&mut self) {
        let role = [ROLE.load(Ordering::Relaxed)];
        self.number(std::process::id().into(), 10).text(":");
        self.text(str::from_utf8(&role).unwrap_or("M")).text(" # ");
    }

    fn flush(&mut self, fd: libc::c_int) {
        // SAFETY: `len` bytes of the live array are initialised. What can not be written has nowhere to complain.
        unsafe { libc::write(fd, self.bytes.as_ptr().cast(), self.len) };
        self.len = 0;
    }
}
