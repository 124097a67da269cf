//! Ctrl-C at the prompt: it ends a stream of messages, and the program at any other time.
//!
//! A thread of its own waits for the signal. While a stream is read it holds a second handle of the connection's
//! socket, and cuts it: the reader wakes with the end of the stream.

use crate::connection::{Connection, Cutter};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::io::Result;
use std::sync::{Arc, Mutex, PoisonError};

/// What the thread and the reader share.
#[derive(Default)]
struct Shared {
    /// Of the stream that is read.
    cutter: Option<Cutter>,
    was_cut: bool,
}

/// The listener.
pub struct Interrupts {
    shared: Arc<Mutex<Shared>>,
}

impl Interrupts {
    /// Starts to listen. Before the program ends, a terminal is brought back into the state that it has now.
    pub fn listen() -> Result<Interrupts> {
        let terminal = tcgetattr(std::io::stdin()).ok();
        let shared = Arc::<Mutex<Shared>>::default();
        let mut signals = Signals::new([SIGINT])?;
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("interrupts".into()).spawn(move || {
            for _ in signals.forever() {
                let mut shared = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                match shared.cutter.take() {
                    Some(cutter) => {
                        shared.was_cut = true;
                        cutter.cut();
                    }
                    None => {
                        if let Some(terminal) = &terminal {
                            // One that cannot be restored stays as it is.
                            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal);
                        }
                        std::process::exit(1)
                    }
                }
            }
        })?;
        Ok(Interrupts { shared })
    }

    /// From now on Ctrl-C cuts this connection.
    pub fn watch(&self, connection: &Connection) -> Result<()> {
        let cutter = connection.cutter()?;
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) =
            Shared { cutter: Some(cutter), was_cut: false };
        Ok(())
    }

    /// From now on it ends the program.
    pub fn unwatch(&self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).cutter = None;
    }

    /// The connection that was watched was cut.
    pub fn was_cut(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).was_cut
    }
}
