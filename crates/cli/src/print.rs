//! Printing: what is said to a stdout that nobody reads any more ends the program, as SIGPIPE ends the original.

use std::fmt::Arguments;
use std::io::Write;

/// What a shell shows of a program that SIGPIPE ended.
const PIPE_CLOSED: i32 = 141;

/// Writes text to stdout, and out of its buffer.
pub fn out(text: Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_fmt(text).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(PIPE_CLOSED);
    }
}

/// Writes bytes to stdout, and out of its buffer.
pub fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(PIPE_CLOSED);
    }
}

/// Writes text to stderr. Where that is closed too there is nobody left to tell.
pub fn error(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// Like `print!`, to a stdout that may be gone.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::print::out(format_args!($($text)*)) };
}

/// Like `eprintln!`, to a stderr that may be gone.
#[macro_export]
macro_rules! complain {
    ($($text:tt)*) => { $crate::print::error(format_args!("{}\n", format_args!($($text)*))) };
}
