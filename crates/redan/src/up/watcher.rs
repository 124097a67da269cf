//! Watcher: asks the nodes on a thread of its own, so that a node that stands still delays nobody's restart.

use super::watch::{self, Status, Watch};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The nodes are asked so often while all is well.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// And so often while something is missing: the times in the history are this exact.
const LOOK_EVERY_IN_TROUBLE: Duration = Duration::from_millis(50);

/// What was seen in one look.
#[derive(Debug)]
pub struct Sight {
    /// When the look ended.
    pub at: Instant,
    /// What each node said; none for a node that is silent.
    pub statuses: Vec<Option<Status>>,
}

/// The thread, and what comes from it.
pub struct Watcher {
    sights: Receiver<Sight>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to watch the nodes at these addresses.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(addresses: Vec<SocketAddr>) -> std::io::Result<Watcher> {
        let (sight_to, sights) = mpsc::channel();
        let (stop, is_stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("watcher".into()).spawn(move || {
            let mut watch = Watch::new(addresses.into_iter());
            loop {
                watch.look();
                let pause = if watch::is_whole(&watch.statuses) { LOOK_EVERY } else { LOOK_EVERY_IN_TROUBLE };
                let sight = Sight { at: Instant::now(), statuses: watch.statuses.clone() };
                let is_over = sight_to.send(sight).is_err()
                    || is_stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
                if is_over {
                    return;
                }
            }
        })?;
        Ok(Watcher { sights, stop: Some(stop), thread: Some(thread) })
    }

    /// The next look that nobody has taken yet.
    pub fn next(&self) -> Option<Sight> {
        self.sights.try_recv().ok()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only asks; a panic there has printed itself.
            let _ended = thread.join();
        }
    }
}
