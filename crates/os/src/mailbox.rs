//! Mailbox: what helper threads have finished, on its way to the loop.
//!
//! The loop is woken through a descriptor only while it has asked for that: it asks before it sleeps, and looks for itself
//! while it is busy, so that an answer to a busy loop costs no system call at either end.
//!
//! Invariant: `may_sleep` notes the wish for a wake before it looks, and `put` looks for the wish after it has put: one of
//! the two sees the other.

use crate::locked;
use crate::syscalls;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What helper threads have finished, with the wake of the loop. `T` is a completion.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    done: Mutex<Vec<T>>,
    /// Something is in `done`, or was a moment ago: set and cleared under its lock.
    has_some: AtomicBool,
    /// The next completion wakes the loop.
    wants_wake: AtomicBool,
    wake: OwnedFd,
}

impl<T> Mailbox<T> {
    /// An empty one, which wakes.
    pub(crate) fn new() -> io::Result<Mailbox<T>> {
        let wake = syscalls::event_counter()?;
        let has_some = AtomicBool::new(false);
        Ok(Mailbox { done: Mutex::new(Vec::new()), has_some, wants_wake: AtomicBool::new(true), wake })
    }

    /// The descriptor that becomes readable when something is there and a wake was wanted.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(crate) fn put(&self, done: T) {
        let mut all = locked(&self.done);
        all.push(done);
        self.has_some.store(true, Ordering::SeqCst);
        drop(all);
        self.tell();
    }

    /// Several at once: the loop sees all of them or none.
    pub(crate) fn put_all(&self, mut done: Vec<T>) {
        let mut all = locked(&self.done);
        all.append(&mut done);
        self.has_some.store(true, Ordering::SeqCst);
        drop(all);
        self.tell();
    }

    fn tell(&self) {
        if self.wants_wake.swap(false, Ordering::SeqCst) {
            syscalls::event_add(self.wake.as_fd());
        }
    }

    /// Whether the loop may sleep: nothing is here, and what comes from now on wakes it.
    pub(crate) fn may_sleep(&self) -> bool {
        self.wants_wake.store(true, Ordering::SeqCst);
        !self.has_some.load(Ordering::SeqCst)
    }

    /// The loop is awake, and looks with `take` in each of its turns: no wakes until it sleeps again.
    pub(crate) fn on_awake(&self) {
        self.wants_wake.store(false, Ordering::Relaxed);
    }

    /// True when nothing is there; what comes at this moment is seen in the next turn.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_some.load(Ordering::Acquire)
    }

    /// Moves everything that is there to the end of `to`.
    pub(crate) fn take(&self, to: &mut Vec<T>) {
        let mut all = locked(&self.done);
        to.append(&mut all);
        self.has_some.store(false, Ordering::SeqCst);
    }

    /// A wake was noticed.
    pub(crate) fn clear_wake(&self) {
        syscalls::event_take(self.wake.as_fd());
    }

    /// As `take`, after a wake. The next completion wakes again.
    pub(crate) fn take_woken(&self, to: &mut Vec<T>) {
        self.clear_wake();
        self.wants_wake.store(true, Ordering::SeqCst);
        self.take(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn was_woken(mailbox: &Mailbox<u32>) -> bool {
        syscalls::event_take(mailbox.fd())
    }

    #[test]
    fn a_sleeping_loop_is_woken_once() {
        let mailbox = Mailbox::new().unwrap();
        assert!(mailbox.may_sleep());
        mailbox.put(1);
        mailbox.put(2);
        assert!(was_woken(&mailbox) && !was_woken(&mailbox));
    }

    #[test]
    fn a_loop_that_is_awake_looks_for_itself() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.on_awake();
        mailbox.put_all(vec![1, 2]);
        assert!(!was_woken(&mailbox));
        assert!(!mailbox.may_sleep(), "what came meanwhile is looked at before a sleep");
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        assert_eq!(taken, [1, 2]);
        assert!(mailbox.may_sleep());
    }
}
