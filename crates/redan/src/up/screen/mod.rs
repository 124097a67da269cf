//! Screen: the live status display on a terminal.
//!
//! ```text
//!   title, state                         model: values and what a key means
//!   table of nodes   <- up/down          draw:  the model on a terminal's cells
//!   history with failover times
//!   keys
//! ```

mod draw;
mod model;

use super::story::Event;
use super::watch::Status;
pub use model::Wish;
use model::{Key, Model, Told};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The terminal while the screen has it; given back when dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    model: Model,
}

/// True when there is a terminal to draw on and to read keys from.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn open(title: String, ports: Vec<u16>, started: Instant) -> std::io::Result<Screen> {
        let terminal = ratatui::try_init()?;
        Ok(Screen { terminal, model: Model::new(title, ports, started) })
    }

    /// Takes in what the nodes said.
    pub fn observe(&mut self, statuses: &[Option<Status>]) {
        self.model.observe(statuses);
    }

    /// What each process does, as text.
    pub fn set_processes(&mut self, processes: Vec<String>) {
        self.model.processes = processes;
    }

    /// Adds a line to the history.
    pub fn tell(&mut self, time: String, event: Event) {
        self.model.tell(Told { time, event });
    }

    /// The replica that a takeover is to be asked from.
    pub fn successor(&self, place: usize) -> Option<usize> {
        self.model.successor(place)
    }

    /// Draws, and waits at most so long for a key.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn turn(&mut self, wait: Duration, draws: bool) -> std::io::Result<Option<Wish>> {
        if draws {
            let model = &self.model;
            self.terminal.draw(|frame| draw::all(frame, model))?;
        }
        if !event::poll(wait)? {
            return Ok(None);
        }
        let Input::Key(key) = event::read()? else { return Ok(None) };
        if key.kind == KeyEventKind::Release {
            return Ok(None);
        }
        let key = match key.code {
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(Some(Wish::Quit));
            }
            KeyCode::Up => Key::Up,
            KeyCode::Down => Key::Down,
            KeyCode::Char(letter) => Key::Letter(letter.to_ascii_lowercase()),
            _ => return Ok(None),
        };
        Ok(self.model.on_key(key))
    }

    /// The history as plain lines, to be left on the terminal afterwards.
    pub fn close(self) -> Vec<String> {
        let lines =
            self.model.history.iter().map(|told| format!("{} {}", told.time, told.event.text)).collect();
        drop(self);
        lines
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
