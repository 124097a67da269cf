//! Model: what the screen shows, and what a key means. Values only; no terminal.

use crate::up::story::Event;
use crate::up::watch::{self, Status};
use std::collections::VecDeque;
use std::time::Instant;

/// Lines of history that are kept.
const HISTORY_MAX: usize = 1_000;

/// What an operator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Kill the node's process, as a crash would; it is started again at once.
    Kill(usize),
    /// Kill it and leave it down; the same key starts it again.
    Hold(usize),
    /// Let it stop in order, and start it again.
    Restart(usize),
    /// Let this replica, or a replica of this primary, take over.
    FailOver(usize),
    /// Stop everything.
    Quit,
}

/// A key, as far as the screen knows keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// A letter.
    Letter(char),
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The time of day, as text.
    pub time: String,
    /// What happened.
    pub event: Event,
}

/// A node's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its cells, in the order of `HEADINGS`.
    pub cells: [String; HEADINGS.len()],
    /// It does not answer, or has no link to its primary.
    pub is_in_trouble: bool,
    /// It serves slots.
    pub is_primary: bool,
}

/// The table's headings.
pub const HEADINGS: [&str; 9] =
    ["node", "process", "role", "slots", "offset", "lag", "memory", "clients", "requests/s"];

/// The screen's state.
#[derive(Debug)]
pub struct Model {
    /// The first line: what runs, and where.
    pub title: String,
    /// What each node's process does, as text.
    pub processes: Vec<String>,
    ports: Vec<u16>,
    statuses: Vec<Option<Status>>,
    /// The row that keys act on.
    pub selected: usize,
    /// What happened, the newest last.
    pub history: VecDeque<Told>,
    /// When the set-up was started.
    pub started: Instant,
}

impl Model {
    /// A screen of the nodes on these ports.
    pub fn new(title: String, ports: Vec<u16>, started: Instant) -> Model {
        Model {
            title,
            processes: vec![String::new(); ports.len()],
            statuses: vec![None; ports.len()],
            ports,
            selected: 0,
            history: VecDeque::new(),
            started,
        }
    }

    /// Takes in what the nodes said.
    pub fn observe(&mut self, statuses: &[Option<Status>]) {
        self.statuses = statuses.to_vec();
    }

    /// Adds a line to the history.
    pub fn tell(&mut self, told: Told) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(told);
    }

    /// What a key asks for.
    pub fn on_key(&mut self, key: Key) -> Option<Wish> {
        let last = self.ports.len().saturating_sub(1);
        match key {
            Key::Up => self.selected = self.selected.checked_sub(1).unwrap_or(last),
            Key::Down => self.selected = if self.selected == last { 0 } else { self.selected + 1 },
            Key::Letter('k') => return Some(Wish::Kill(self.selected)),
            Key::Letter('h') => return Some(Wish::Hold(self.selected)),
            Key::Letter('r') => return Some(Wish::Restart(self.selected)),
            Key::Letter('f') => return Some(Wish::FailOver(self.selected)),
            Key::Letter('q') => return Some(Wish::Quit),
            Key::Letter(digit) => {
                if let Some(place) = digit.to_digit(10).filter(|place| (1..=9).contains(place)) {
                    self.selected = (place as usize - 1).min(last);
                }
            }
        }
        None
    }

    /// The rows of the table.
    pub fn rows(&self) -> Vec<Row> {
        (0..self.ports.len()).map(|place| self.row(place)).collect()
    }

    fn row(&self, place: usize) -> Row {
        let port = self.ports[place].to_string();
        let process = self.processes[place].clone();
        let Some(status) = &self.statuses[place] else {
            let mut cells: [String; HEADINGS.len()] = Default::default();
            cells[..3].clone_from_slice(&[port, process, "does not answer".into()]);
            return Row { cells, is_in_trouble: true, is_primary: false };
        };
        let cells = [
            port,
            process,
            watch::role(status),
            watch::slots(status),
            status.offset.to_string(),
            watch::lag(status, &self.statuses),
            bytes(status.memory_bytes),
            status.clients.to_string(),
            status.rate.to_string(),
        ];
        Row {
            cells,
            is_in_trouble: !status.is_link_up || !status.is_cluster_ok,
            is_primary: status.view.own().primary.is_none(),
        }
    }

    /// The state of the whole, in words.
    pub fn state(&self) -> (&'static str, bool) {
        let silent = self.statuses.iter().filter(|status| status.is_none()).count();
        let sees_trouble = self.statuses.iter().flatten().any(|status| !status.is_cluster_ok);
        match (sees_trouble, silent, watch::is_whole(&self.statuses)) {
            (true, ..) => ("some slots are not served", false),
            (false, _, true) => ("whole: every slot served, every replica in sync", true),
            (false, 0, false) => ("all slots served, a replica is out of sync", false),
            (false, ..) => ("all slots served, a node is missing", false),
        }
    }

    /// The replica to ask for a takeover when this node is chosen: itself, or the replica in sync that has most.
    pub fn successor(&self, place: usize) -> Option<usize> {
        let status = self.statuses[place].as_ref();
        if status.is_some_and(|status| status.view.own().primary.is_some()) {
            return Some(place);
        }
        let id = &status?.view.id;
        (0..self.ports.len())
            .filter_map(|other| Some((other, self.statuses[other].as_ref()?)))
            .filter(|(_, status)| status.is_link_up && status.view.own().primary.as_ref() == Some(id))
            .max_by_key(|(_, status)| status.offset)
            .map(|(other, _)| other)
    }
}

/// Bytes for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        10_000_000..=9_999_999_999 => format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1024.0 / 1024.0 / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::form::View;

    fn status(text: &str) -> Option<Status> {
        let view = View::parse(text).unwrap();
        Some(Status { view, is_cluster_ok: true, is_link_up: true, offset: 7, ..Status::default() })
    }

    fn model() -> Model {
        let mut model = Model::new("title".into(), vec![7001, 7002], Instant::now());
        model.observe(&[
            status("a1 127.0.0.1:7001@1 myself,master - 0 0 1 connected 0-16383\n"),
            status("b2 127.0.0.1:7002@1 myself,slave a1 0 0 1 connected\na1 127.0.0.1:7001@1 master - 0 0 1 connected 0-16383\n"),
        ]);
        model
    }

    #[test]
    fn keys_act_on_the_selected_row() {
        let mut model = model();
        assert_eq!(model.on_key(Key::Letter('k')), Some(Wish::Kill(0)));
        assert_eq!(model.on_key(Key::Up), None);
        assert_eq!(model.on_key(Key::Letter('h')), Some(Wish::Hold(1)));
        assert_eq!(model.on_key(Key::Down), None);
        assert_eq!(model.on_key(Key::Letter('r')), Some(Wish::Restart(0)));
        assert_eq!(model.on_key(Key::Letter('9')), None);
        assert_eq!(model.on_key(Key::Letter('f')), Some(Wish::FailOver(1)));
        assert_eq!(model.on_key(Key::Letter('q')), Some(Wish::Quit));
    }

    #[test]
    fn a_row_says_role_slots_and_lag() {
        let mut model = model();
        assert_eq!(model.rows()[0].cells[2..5], ["primary of 0-16383", "16384", "7"]);
        assert_eq!(model.rows()[1].cells[2..6], ["replica of 7001", "", "7", "0 B"]);
        assert!(model.state().1);
        model.observe(&[None, None]);
        assert_eq!(model.rows()[0].cells[2], "does not answer");
        assert!(!model.state().1);
    }

    #[test]
    fn a_replica_succeeds_its_primary() {
        let mut model = model();
        assert_eq!((model.successor(0), model.successor(1)), (Some(1), Some(1)));
        model.observe(&[None, None]);
        assert_eq!(model.successor(0), None);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([bytes(900), bytes(20_480), bytes(300 << 20)], ["900 B", "20.0 KiB", "300.0 MiB"]);
    }
}
