//! Crash: a report in the log when the process dies by a signal of its own fault, then the end that the signal asks for.
//!
//! The handler runs in a process that may be broken: it allocates nothing, and writes with plain system calls. It has a stack of
//! its own, for the case that the other one is full. What it says of the process was kept beforehand, in plain numbers and
//! texts: the clients are those of a second ago at most, and those whose requests are served are given by their numbers.

use machine::{ConnId, HostFacts};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use wire::Batch;

/// 100: frames of a stack that a report shows.
const FRAMES_MAX: usize = 100;
/// SIGSEGV and its kin, and SIGABRT, by which a failed assertion ends.
const SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// The log file; null: the standard output.
static LOG_PATH: AtomicPtr<libc::c_char> = AtomicPtr::new(ptr::null_mut());
static ROLE: AtomicU8 = AtomicU8::new(b'M');
/// 128 KiB: the handler's own stack; the unwinder takes some of it.
const STACK_BYTES: usize = 128 << 10;
/// Figures of the process as of the last look at them.
static FIGURES: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];
/// Their names in INFO.
const FIGURE_NAMES: [&str; 7] = [
    "# Memory\nused_memory_rss:",
    "total_system_memory:",
    "# Stats\ntotal_net_input_bytes:",
    "total_net_output_bytes:",
    "# CPU\nused_cpu_user_us:",
    "used_cpu_sys_us:",
    "used_cpu_user_main_thread_us:",
];

/// Lines of clients.
static CLIENTS: Kept<CLIENTS_BYTES> = Kept::new();
/// The client whose request runs.
static CURRENT: Kept<CURRENT_BYTES> = Kept::new();
/// 32 KiB: some 100 lines of clients.
const CLIENTS_BYTES: usize = 32 << 10;
/// 8 KiB: a client's line, and 32 arguments.
const CURRENT_BYTES: usize = 8 << 10;
/// The connections that have brought requests in this turn, and how many they are.
static SERVED: [AtomicU32; SERVED_MAX] = [const { AtomicU32::new(0) }; SERVED_MAX];
static SERVED_COUNT: AtomicUsize = AtomicUsize::new(0);
/// 16: so many of them are known by name.
const SERVED_MAX: usize = 16;

/// A text that the handler finds whole, whatever is being written when the crash comes: the one of two that is not.
struct Kept<const BYTES: usize> {
    texts: [[AtomicU8; BYTES]; 2],
    lens: [AtomicUsize; 2],
    shown: AtomicUsize,
}

impl<const BYTES: usize> Kept<BYTES> {
    const fn new() -> Kept<BYTES> {
        Kept {
            texts: [const { [const { AtomicU8::new(0) }; BYTES] }; 2],
            lens: [const { AtomicUsize::new(0) }; 2],
            shown: AtomicUsize::new(0),
        }
    }

    /// Keeps the lines that fit. For the loop's thread alone.
    fn keep(&self, text: &str) {
        let text = whole_lines(text.as_bytes(), BYTES);
        let next = 1 - self.shown.load(Ordering::Relaxed);
        for (kept, byte) in self.texts[next].iter().zip(text) {
            kept.store(*byte, Ordering::Relaxed);
        }
        self.lens[next].store(text.len(), Ordering::Relaxed);
        self.shown.store(next, Ordering::Release);
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let shown = self.shown.load(Ordering::Acquire);
        let len = self.lens[shown].load(Ordering::Relaxed);
        self.texts[shown].iter().take(len).map(|byte| byte.load(Ordering::Relaxed))
    }
}

/// The lines of a text that fit into `room` bytes; the start of the first one where that does not.
fn whole_lines(text: &[u8], room: usize) -> &[u8] {
    let Some(fits) = text.get(..room).filter(|fits| fits.len() < text.len()) else { return text };
    let end = fits.iter().rposition(|byte| *byte == b'\n');
    end.map_or(fits, |end| &fits[..=end])
}

/// Keeps what a report says of the clients.
pub(crate) fn portray(clients: &str, current: &str) {
    CLIENTS.keep(clients);
    CURRENT.keep(current);
}

/// Keeps whose requests this turn is about.
#[inline]
pub(crate) fn serve(batches: &[(ConnId, Batch)]) {
    let mut count = 0;
    for (conn, _) in batches.iter().filter(|(conn, _)| !conn.is_outbound()) {
        let Some(served) = SERVED.get(count) else { break };
        served.store(conn.place() as u32, Ordering::Relaxed);
        count += 1;
    }
    SERVED_COUNT.store(count, Ordering::Relaxed);
}

/// From now on a crash is reported at the end of this file, or on the standard output.
pub fn report_to(path: Option<&Path>) {
    let name = path.and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
    // The name is never given back: a crash may come at any time, and there are few changes of the log file.
    LOG_PATH.store(name.map_or(ptr::null_mut(), CString::into_raw), Ordering::Release);
}

/// `crash-log-enabled`: handles the signals of a crash, or leaves them to the system again.
pub fn handle(is_on: bool) {
    prepare();
    for signal in SIGNALS {
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = if is_on { on_crash as *const () as usize } else { libc::SIG_DFL };
        action.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_SIGINFO;
        // SAFETY: `action` is a live local that is only read; the handler has the signature that SA_SIGINFO asks for.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
}

/// Whatever a handler needs and must not ask for itself.
pub(crate) fn prepare() {
    // The first walk loads the unwinder, which allocates: now, and not within the handler.
    let _frames = walk(&mut [ptr::null_mut(); 1]);
    own_stack();
}

/// Gives this thread a stack for handlers, once; the standard library's own is too small for a walk.
fn own_stack() {
    static STACK: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
    if !STACK.load(Ordering::Relaxed).is_null() {
        return;
    }
    // It is never given back: a crash may come until the end.
    let stack = Vec::leak(vec![0u8; STACK_BYTES]).as_mut_ptr();
    STACK.store(stack, Ordering::Relaxed);
    let wanted = libc::stack_t { ss_sp: stack.cast(), ss_flags: 0, ss_size: STACK_BYTES };
    // SAFETY: the memory is ours, of that size, and lives for ever; the old stack is not asked for.
    unsafe { libc::sigaltstack(&raw const wanted, ptr::null_mut()) };
}

/// Keeps the figures for the report.
pub(crate) fn keep(facts: &HostFacts) {
    let values = [
        facts.rss_bytes,
        facts.memory_total_bytes,
        facts.traffic.input_bytes,
        facts.traffic.output_bytes,
        facts.cpu_user_us,
        facts.cpu_system_us,
        facts.cpu_user_main_us,
    ];
    for (figure, value) in FIGURES.iter().zip(values) {
        figure.store(value, Ordering::Relaxed);
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

extern "C" fn on_crash(signal: libc::c_int, info: *const libc::siginfo_t, context: *const libc::c_void) {
    let (fd, mut out) = (open_log(), Line::default());
    // SAFETY: the kernel gives a valid `info`.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
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
    let registers = registers(context.cast());
    if let Some((_, at)) = registers.iter().find(|(name, _)| matches!(*name, "RIP" | "PC")) {
        out.head();
        out.text("Crashed running the instruction at: 0x").number(*at, 16).text("\n");
    }
    out.flush(fd);
    trace(&mut out, fd);
    out.text("\n------ REGISTERS ------\n");
    for (index, (name, value)) in registers.iter().filter(|(name, _)| !name.is_empty()).enumerate() {
        out.text(name).text(":").hex16(*value).text(if index % 4 == 3 { "\n" } else { " " });
    }
    out.text("\n");
    out.flush(fd);
    out.text("\n------ INFO OUTPUT ------\n# Server\nredan_version:").text(env!("CARGO_PKG_VERSION"));
    out.text("\nprocess_id:").number(std::process::id().into(), 10).text("\n");
    for (name, figure) in FIGURE_NAMES.iter().zip(&FIGURES) {
        out.text(name).number(figure.load(Ordering::Relaxed), 10).text("\n");
    }
    out.flush(fd);
    show_clients(&mut out, fd);
    out.text("\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n");
    out.text("       Please report the crash with this text to the makers of redan.\n\n");
    out.flush(fd);
    // SAFETY: the system's own action is in force again (SA_RESETHAND), and ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Writes what was kept of the clients.
fn show_clients(out: &mut Line, fd: libc::c_int) {
    out.text("\n------ CLIENT LIST OUTPUT ------\n");
    CLIENTS.bytes().for_each(|byte| out.byte(byte, fd));
    out.text("\n------ CURRENT CLIENT INFO ------\n");
    CURRENT.bytes().for_each(|byte| out.byte(byte, fd));
    let count = SERVED_COUNT.load(Ordering::Relaxed);
    out.text("clients with requests in this turn, ").number(SERVED_MAX as u64, 10);
    out.text(" at most: ").number(count as u64, 10);
    for served in SERVED.iter().take(count) {
        // As the lines above name it.
        out.text(" fd=").number(u64::from(served.load(Ordering::Relaxed)) + 8, 10);
    }
    out.text("\n");
    out.flush(fd);
}

/// The log file, opened to append; the standard output if there is none.
pub(crate) fn open_log() -> libc::c_int {
    let path = LOG_PATH.load(Ordering::Acquire);
    let flags = libc::O_APPEND | libc::O_CREAT | libc::O_WRONLY;
    // SAFETY: a path that is not null is a C string that lives for ever.
    if path.is_null() { 1 } else { unsafe { libc::open(path, flags, 0o644) } }
}

/// Writes the stack of this thread.
pub(crate) fn trace(out: &mut Line, fd: libc::c_int) {
    out.text("\n------ STACK TRACE ------\n");
    out.flush(fd);
    let mut frames = [ptr::null_mut(); FRAMES_MAX];
    let count = walk(&mut frames);
    show(&frames[..count], fd);
}

/// So many registers at most.
const REGISTERS_MAX: usize = 36;
/// Names and contents; the rest has no name.
type Registers = [(&'static str, u64); REGISTERS_MAX];

/// The registers at the moment of the signal.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn registers(context: *const libc::ucontext_t) -> Registers {
    const NAMES: [(&str, libc::c_int); 18] = [
        ("RAX", libc::REG_RAX),
        ("RBX", libc::REG_RBX),
        ("RCX", libc::REG_RCX),
        ("RDX", libc::REG_RDX),
        ("RDI", libc::REG_RDI),
        ("RSI", libc::REG_RSI),
        ("RBP", libc::REG_RBP),
        ("RSP", libc::REG_RSP),
        ("R8 ", libc::REG_R8),
        ("R9 ", libc::REG_R9),
        ("R10", libc::REG_R10),
        ("R11", libc::REG_R11),
        ("R12", libc::REG_R12),
        ("R13", libc::REG_R13),
        ("R14", libc::REG_R14),
        ("R15", libc::REG_R15),
        ("RIP", libc::REG_RIP),
        ("EFL", libc::REG_EFL),
    ];
    let mut found = [("", 0); REGISTERS_MAX];
    // SAFETY: the kernel gives a valid context to handlers with SA_SIGINFO.
    let values = unsafe { &(*context).uc_mcontext.gregs };
    for (slot, (name, at)) in found.iter_mut().zip(NAMES) {
        *slot = (name, values[at as usize].cast_unsigned());
    }
    found
}

/// The registers at the moment of the signal.
#[cfg(all(target_arch = "aarch64", target_env = "gnu"))]
fn registers(context: *const libc::ucontext_t) -> Registers {
    const NAMES: [&str; 31] = [
        "X0 ", "X1 ", "X2 ", "X3 ", "X4 ", "X5 ", "X6 ", "X7 ", "X8 ", "X9 ", "X10", "X11", "X12", "X13",
        "X14", "X15", "X16", "X17", "X18", "X19", "X20", "X21", "X22", "X23", "X24", "X25", "X26", "X27",
        "X28", "X29", "X30",
    ];
    let mut found = [("", 0); REGISTERS_MAX];
    // SAFETY: the kernel gives a valid context to handlers with SA_SIGINFO.
    let machine = unsafe { &(*context).uc_mcontext };
    for (slot, (name, value)) in found.iter_mut().zip(NAMES.into_iter().zip(machine.regs)) {
        *slot = (name, value);
    }
    (found[31], found[32]) = (("SP", machine.sp), ("PC", machine.pc));
    found
}

/// Other systems keep them elsewhere.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_env = "gnu")))]
fn registers(_context: *const libc::ucontext_t) -> Registers {
    [("", 0); REGISTERS_MAX]
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
pub(crate) struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; 1024], len: 0 }
    }
}

impl Line {
    pub(crate) fn text(&mut self, text: &str) -> &mut Line {
        for byte in text.bytes().take(self.bytes.len() - self.len) {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        self
    }

    /// One more byte of a text that may be longer than the line.
    fn byte(&mut self, byte: u8, fd: libc::c_int) {
        if self.len == self.bytes.len() {
            self.flush(fd);
        }
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    pub(crate) fn number(&mut self, number: u64, base: u64) -> &mut Line {
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

    /// All 16 digits.
    fn hex16(&mut self, number: u64) -> &mut Line {
        let zeros = if number == 0 { 15 } else { number.leading_zeros() as usize / 4 };
        self.text(&"0000000000000000"[..zeros]).number(number, 16)
    }

    /// The head of a line of the log. The time is left out: local time takes a lock.
    fn head(&mut self) {
        let role = [ROLE.load(Ordering::Relaxed)];
        self.number(std::process::id().into(), 10).text(":");
        self.text(str::from_utf8(&role).unwrap_or("M")).text(" # ");
    }

    pub(crate) fn flush(&mut self, fd: libc::c_int) {
        // SAFETY: `len` bytes of the live array are initialised. What can not be written has nowhere to complain.
        unsafe { libc::write(fd, self.bytes.as_ptr().cast(), self.len) };
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_cut_at_a_line() {
        assert_eq!(whole_lines(b"one\ntwo\n", 8), b"one\ntwo\n");
        assert_eq!(whole_lines(b"one\ntwo\n", 7), b"one\n");
        assert_eq!(whole_lines(b"one\ntwo\n", 4), b"one\n");
        assert_eq!(whole_lines(b"one\ntwo\n", 2), b"on");
        assert_eq!(whole_lines(b"", 2), b"");
    }
}
