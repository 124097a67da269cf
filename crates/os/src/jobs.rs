//! Jobs: the queue of a lane's threads.
//!
//! ```text
//!   loop --push--> waiting --next--> a thread, which has the turn --turn dropped--> the next job
//! ```
//!
//! Jobs begin in their order, one at a time: a thread that has taken one has the turn until it gives it back, and what it
//! does after that goes on beside the next. A thread is woken only where one sleeps and there is something for it, so a
//! lane with several threads costs no more changes of threads than it needs.

use crate::locked;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// A lane's jobs.
#[derive(Debug)]
pub(crate) struct Jobs<T> {
    state: Mutex<State<T>>,
    came: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Threads that sleep and were not woken.
    idle: usize,
    /// A job has begun whose thread has not given the turn back.
    has_turn: bool,
    /// Nothing more comes.
    is_closed: bool,
}

/// The right to be the only one that begins.
#[derive(Debug)]
pub(crate) struct JobTurn<'a, T>(&'a Jobs<T>);

impl<T> Jobs<T> {
    pub(crate) fn new() -> Jobs<T> {
        let state = State { waiting: VecDeque::new(), idle: 0, has_turn: false, is_closed: false };
        Jobs { state: Mutex::new(state), came: Condvar::new() }
    }

    /// Adds a job at the end.
    pub(crate) fn push(&self, job: T) {
        let mut state = locked(&self.state);
        state.waiting.push_back(job);
        let wakes = state.may_begin_one();
        drop(state);
        if wakes {
            self.came.notify_one();
        }
    }

    /// Nothing more comes: threads end after what is there.
    pub(crate) fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        state.idle = 0;
        drop(state);
        self.came.notify_all();
    }

    /// Waits for the next job and the turn to begin it; none: there will be no more.
    pub(crate) fn next(&self) -> Option<(T, JobTurn<'_, T>)> {
        let mut state = locked(&self.state);
        loop {
            let next = if state.has_turn { None } else { state.waiting.pop_front() };
            if let Some(job) = next {
                state.has_turn = true;
                return Some((job, JobTurn(self)));
            }
            if state.is_closed && state.waiting.is_empty() {
                return None;
            }
            state.idle += 1;
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> State<T> {
    /// Whether a sleeping thread is to be woken, which counts as awake from here on.
    fn may_begin_one(&mut self) -> bool {
        let wakes = !self.has_turn && !self.waiting.is_empty() && self.idle > 0;
        self.idle -= usize::from(wakes);
        wakes
    }
}

impl<T> Drop for JobTurn<'_, T> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.has_turn = false;
        let (wakes, is_closed) = (state.may_begin_one(), state.is_closed);
        drop(state);
        if is_closed {
            self.0.came.notify_all();
        } else if wakes {
            self.0.came.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn jobs_begin_in_their_order_one_at_a_time() {
        let jobs = Arc::new(Jobs::new());
        let begun = Arc::new(Mutex::new(Vec::new()));
        let turns = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (jobs, begun, turns) = (Arc::clone(&jobs), Arc::clone(&begun), Arc::clone(&turns));
                std::thread::spawn(move || {
                    while let Some((job, turn)) = jobs.next() {
                        assert_eq!(turns.fetch_add(1, Ordering::SeqCst), 0);
                        locked(&begun).push(job);
                        assert_eq!(turns.fetch_sub(1, Ordering::SeqCst), 1);
                        drop(turn);
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        for job in 0..2_000 {
            jobs.push(job);
        }
        jobs.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*locked(&begun), (0..2_000).collect::<Vec<_>>());
    }
}
