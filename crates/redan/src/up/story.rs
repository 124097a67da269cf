//! Story: from what is seen of the nodes to what happened, a line each, with how long it took.
//!
//! ```text
//!   owner of slots falls silent --> another owns them: "7004 took over from 7001 after 1.6 s"
//!                              \--> it owns them again: "7001 serves again after 0.2 s"
//!   owner of slots is alive ----> another owns them: "7004 took over from 7001 by hand"
//! ```

use super::watch::{self, Status};
use std::time::Instant;

/// A takeover or a return, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The line.
    pub text: String,
    /// A change of the owner of slots: what people look for in the history.
    pub is_failover: bool,
}

/// What is remembered from look to look.
#[derive(Debug)]
pub struct Story {
    ports: Vec<u16>,
    before: Vec<Option<Status>>,
    /// The owner of each node's slots, by place: itself, or who took them. Set for places that own slots.
    owned: Vec<Option<Owned>>,
}

/// Slots with an owner.
#[derive(Clone, Debug)]
struct Owned {
    /// One of the slots stands for all: they change hands together.
    slot: u16,
    /// The owner is silent since then.
    silent_since: Option<Instant>,
}

impl Story {
    /// A story of the nodes on these ports.
    pub fn new(ports: Vec<u16>) -> Story {
        let (before, owned) = (vec![None; ports.len()], vec![None; ports.len()]);
        Story { ports, before, owned }
    }

    /// A process has ended: its silence begins now, not at the next look.
    pub fn on_death(&mut self, place: usize, at: Instant) {
        if let Some(owned) = &mut self.owned[place] {
            owned.silent_since.get_or_insert(at);
        }
    }

    /// Takes in what was seen.
    pub fn observe(&mut self, at: Instant, statuses: &[Option<Status>]) -> Vec<Event> {
        let mut events = Vec::new();
        for ((&port, before), after) in self.ports.iter().zip(&self.before).zip(statuses) {
            let changes = watch::changes(port, before.as_ref(), after.as_ref());
            events.extend(changes.into_iter().map(|text| Event { text, is_failover: false }));
        }
        let mut taken = vec![false; self.ports.len()];
        for place in 0..self.ports.len() {
            events.extend(self.follow(place, at, statuses, &mut taken));
        }
        for place in 0..self.ports.len() {
            self.learn(place, at, statuses);
        }
        self.before = statuses.to_vec();
        events
    }

    /// What became of the slots that the node at `place` owned.
    fn follow(
        &mut self,
        place: usize,
        at: Instant,
        statuses: &[Option<Status>],
        taken: &mut [bool],
    ) -> Option<Event> {
        let owned = self.owned[place].clone()?;
        let port = self.ports[place];
        let now_with = owner(statuses, owned.slot)?;
        let silent = owned.silent_since.map(|since| at.saturating_duration_since(since).as_secs_f64());
        if now_with == place {
            let seconds = silent?;
            return Some(Event {
                text: format!("{port} serves again after {seconds:.2} s"),
                is_failover: true,
            });
        }
        if std::mem::replace(&mut taken[now_with], true) {
            return None;
        }
        self.owned[place] = None;
        let winner = self.ports[now_with];
        let text = match silent {
            Some(seconds) => format!("{winner} took over from {port} after {seconds:.2} s"),
            None => format!("{winner} took over from {port}, which was alive"),
        };
        Some(Event { text, is_failover: true })
    }

    fn learn(&mut self, place: usize, at: Instant, statuses: &[Option<Status>]) {
        let owned = &mut self.owned[place];
        let slot = statuses[place].as_ref().and_then(first_slot);
        match slot {
            // An old owner that does not know better yet is none.
            Some(slot) if owner(statuses, slot) == Some(place) => {
                *owned = Some(Owned { slot, silent_since: None });
            }
            _ => {
                if let Some(owned) = owned
                    && statuses[place].is_none()
                {
                    owned.silent_since.get_or_insert(at);
                }
            }
        }
    }
}

/// The first slot that a node says it owns.
fn first_slot(status: &Status) -> Option<u16> {
    let own = status.view.own();
    own.slots.first().filter(|_| own.primary.is_none()).map(|&(first, _)| first)
}

/// Who owns a slot: of those that say so, the one with the highest epoch.
fn owner(statuses: &[Option<Status>], slot: u16) -> Option<usize> {
    let says_so = |status: &Status| {
        let own = status.view.own();
        own.primary.is_none() && own.slots.iter().any(|&(first, last)| (first..=last).contains(&slot))
    };
    (0..statuses.len())
        .filter(|&place| statuses[place].as_ref().is_some_and(says_so))
        .max_by_key(|&place| statuses[place].as_ref().map(|status| status.epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::form::View;
    use std::time::Duration;

    fn primary(id: &str, port: u16, epoch: u64) -> Option<Status> {
        let text = format!("{id} 127.0.0.1:{port}@1 myself,master - 0 0 {epoch} connected 0-100\n");
        Some(Status { view: View::parse(&text).unwrap(), epoch, is_link_up: true, ..Status::default() })
    }

    fn replica(id: &str, port: u16) -> Option<Status> {
        let text = format!("{id} 127.0.0.1:{port}@1 myself,slave a1 0 0 1 connected\n");
        Some(Status { view: View::parse(&text).unwrap(), is_link_up: true, ..Status::default() })
    }

    fn failovers(events: Vec<Event>) -> Vec<String> {
        events.into_iter().filter(|event| event.is_failover).map(|event| event.text).collect()
    }

    #[test]
    fn a_takeover_is_timed_from_the_death() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut story = Story::new(vec![7001, 7004]);
        story.observe(at(0), &[primary("a1", 7001, 1), replica("b2", 7004)]);
        story.on_death(0, at(100));
        assert_eq!(failovers(story.observe(at(250), &[None, replica("b2", 7004)])), [""; 0]);
        let events = story.observe(at(1_700), &[None, primary("b2", 7004, 2)]);
        assert_eq!(failovers(events), ["7004 took over from 7001 after 1.60 s"]);
        assert_eq!(
            failovers(story.observe(at(1_800), &[replica("a1", 7001), primary("b2", 7004, 2)])),
            [""; 0]
        );
    }

    #[test]
    fn a_return_and_a_change_by_hand_are_told() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut story = Story::new(vec![7001, 7004]);
        story.observe(at(0), &[primary("a1", 7001, 1), replica("b2", 7004)]);
        story.on_death(0, at(100));
        let events = story.observe(at(300), &[primary("a1", 7001, 1), replica("b2", 7004)]);
        assert_eq!(failovers(events), ["7001 serves again after 0.20 s"]);
        let events = story.observe(at(500), &[replica("a1", 7001), primary("b2", 7004, 2)]);
        assert_eq!(failovers(events), ["7004 took over from 7001, which was alive"]);
    }

    #[test]
    fn an_old_owner_that_does_not_know_better_is_no_owner() {
        let now = Instant::now();
        let mut story = Story::new(vec![7001, 7004]);
        story.observe(now, &[primary("a1", 7001, 1), replica("b2", 7004)]);
        story.observe(now, &[None, primary("b2", 7004, 2)]);
        let events = story.observe(now, &[primary("a1", 7001, 1), primary("b2", 7004, 2)]);
        assert_eq!(failovers(events), [""; 0]);
        assert_eq!(failovers(story.observe(now, &[replica("a1", 7001), primary("b2", 7004, 2)])), [""; 0]);
    }
}
