//! Watchdog (`watchdog-period`): a turn of the loop that takes too long leaves its stack in the log.
//!
//! The loop notes when a turn begins and when it rests again. A thread looks at that note; where a turn has lasted for the
//! period it sends SIGALRM to the loop's thread, whose handler writes where the loop is. One report for each such turn. While
//! the period is 0 there is no thread, and a turn costs one look at a number.

use crate::crash::{self, Line};
use crate::syscalls;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

/// 200 ms: no shorter period; the original's least with its usual `hz`.
const PERIOD_MS_MIN: u64 = 200;
/// The period in ms; 0: off.
static PERIOD_MS: AtomicU64 = AtomicU64::new(0);
/// When the turn began, in monotonic ns; 0: the loop rests.
static TURN_NS: AtomicU64 = AtomicU64::new(0);
/// The loop's thread.
static THREAD: AtomicI32 = AtomicI32::new(0);
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// A turn begins.
pub(crate) fn begin() {
    if PERIOD_MS.load(Ordering::Relaxed) > 0 {
        TURN_NS.store(syscalls::boot_ns().max(1), Ordering::Relaxed);
    }
}

/// The loop waits for something to happen.
pub(crate) fn rest() {
    if PERIOD_MS.load(Ordering::Relaxed) > 0 {
        TURN_NS.store(0, Ordering::Relaxed);
    }
}

/// Sets the period, 0 for none; called by the loop's thread.
pub fn set(period_ms: u32) {
    let period_ms = if period_ms == 0 { 0 } else { u64::from(period_ms).max(PERIOD_MS_MIN) };
    TURN_NS.store(0, Ordering::Relaxed);
    PERIOD_MS.store(period_ms, Ordering::Relaxed);
    if period_ms == 0 || IS_WATCHED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: the call takes nothing and can not fail.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    THREAD.store(i32::try_from(thread).unwrap_or(0), Ordering::Relaxed);
    crash::prepare();
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_alarm as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_SIGINFO;
    // SAFETY: `action` is a live local that is only read; the handler has the signature that SA_SIGINFO asks for.
    unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    let spawned = std::thread::Builder::new().name("watchdog".into()).spawn(watch);
    if spawned.is_err() {
        // Without a thread there is no watchdog; the next change of the period tries again.
        IS_WATCHED.store(false, Ordering::Release);
    }
}

/// Looks until the period is 0.
fn watch() {
    let mut told = 0;
    loop {
        let period_ms = PERIOD_MS.load(Ordering::Relaxed);
        if period_ms == 0 {
            IS_WATCHED.store(false, Ordering::Release);
            return;
        }
        std::thread::sleep(Duration::from_millis(period_ms / 4));
        let begun = TURN_NS.load(Ordering::Relaxed);
        let lasted = syscalls::boot_ns().saturating_sub(begun);
        if begun != 0 && begun != told && lasted >= period_ms * 1_000_000 {
            told = begun;
            // SAFETY: no pointers are passed. A thread that is gone is an error, which changes nothing.
            unsafe {
                libc::syscall(
                    libc::SYS_tgkill,
                    std::process::id(),
                    THREAD.load(Ordering::Relaxed),
                    libc::SIGALRM,
                )
            };
        }
    }
}

extern "C" fn on_alarm(_signal: libc::c_int, _info: *const libc::siginfo_t, _context: *const libc::c_void) {
    let (fd, mut out) = (crash::open_log(), Line::default());
    head(&mut out);
    out.text("\n--- WATCHDOG TIMER EXPIRED ---\n");
    crash::trace(&mut out, fd);
    head(&mut out);
    out.text("--------\n\n");
    out.flush(fd);
    if fd > 2 {
        // SAFETY: the descriptor was opened above and nobody else knows it.
        unsafe { libc::close(fd) };
    }
}

/// The head that the original's handlers give their lines.
fn head(out: &mut Line) {
    // SAFETY: a null pointer asks for the result alone.
    let seconds = unsafe { libc::time(std::ptr::null_mut()) };
    out.number(std::process::id().into(), 10)
        .text(":signal-handler (")
        .number(seconds.unsigned_abs(), 10)
        .text(") ");
}
