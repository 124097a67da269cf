//! CLUSTER subcommands about slots.

use super::{Answer, Question, shown, slot};
use crate::event::Keys;
use crate::{Cluster, Turn};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Span;
use machine::Level;
use wire::Args;
use wire::bus::SlotSet;

/// 2 s: how long SETSLOT waits for the replicas without a TIMEOUT. Valkey's choice.
const REPLICAS_PATIENCE: Span = Span::seconds(2);

/// What SETSLOT says of a slot.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// It moves to that node.
    Migrating(u32),
    /// It comes from that node.
    Importing(u32),
    /// It does not move.
    Stable,
    /// It is that node's.
    Owner(u32),
}

impl Cluster {
    pub(super) fn ask_add_slots(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        self.assign(ask, &single_slots, true)
    }

    pub(super) fn ask_add_slots_range(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        self.assign(ask, &|args| slot_ranges(args, "addslotsrange"), true)
    }

    pub(super) fn ask_del_slots(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        self.assign(ask, &single_slots, false)
    }

    pub(super) fn ask_del_slots_range(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        self.assign(ask, &|args| slot_ranges(args, "delslotsrange"), false)
    }

    /// Adds slots to this node, or takes their owners from the view: all of them or none.
    fn assign(
        &mut self,
        ask: &mut Question<'_, '_>,
        slots: &dyn Fn(Args<'_>) -> Result<Vec<u16>, String>,
        adds: bool,
    ) -> Answer {
        let slots = slots(ask.args)?;
        let mut seen = SlotSet::default();
        for &slot in &slots {
            match (self.view.owner(slot), adds) {
                (Some(_), true) => return Err(format!("ERR Slot {slot} is already busy")),
                (None, false) => return Err(format!("ERR Slot {slot} is already unassigned")),
                (_, _) if seen.has(slot) => {
                    return Err(format!("ERR Slot {slot} specified multiple times"));
                }
                (_, _) => seen.insert(slot),
            }
        }
        for slot in slots {
            if adds {
                self.view.importing.remove(&slot);
            }
            self.view.set_owner(slot, adds.then_some(self.view.me));
        }
        self.mark_changed();
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_flush_slots(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        if !ask.keys.is_empty() {
            return Err("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
        }
        self.view.clear_slots(self.view.me);
        self.mark_changed();
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_set_slot(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        if ask.asker.is_stream {
            self.repeat_set_slot(ask);
            return Ok(());
        }
        let (slot, change, _) = self.read_set_slot(ask.args, ask.keys)?;
        match change {
            Change::Migrating(target) => {
                self.view.migrating.insert(slot, target);
            }
            Change::Importing(source) => {
                self.view.importing.insert(slot, source);
            }
            Change::Stable => {
                self.view.migrating.remove(&slot);
                self.view.importing.remove(&slot);
            }
            Change::Owner(target) => self.set_slot_owner(turn, ask, slot, target),
        }
        self.mark_changed();
        ask.reply.ok();
        Ok(())
    }

    /// Says whether a client's CLUSTER SETSLOT (`args` is the whole request) would be done, and how long it waits until all
    /// replicas know of it (none: for ever). Nothing is done.
    ///
    /// # Errors
    /// The refusal.
    pub fn check_set_slot(&self, args: Args<'_>, keys: &dyn Keys) -> Result<Option<Span>, String> {
        self.read_set_slot(args.from(2), keys).map(|(_, _, patience)| patience)
    }

    /// What a SETSLOT says, checked, and its patience.
    fn read_set_slot(&self, args: Args<'_>, keys: &dyn Keys) -> Result<(u16, Change, Option<Span>), String> {
        const INVALID: &str = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP";
        if !self.view.me().is_primary() {
            return Err("ERR Please use SETSLOT only with masters.".into());
        }
        let slot = slot(args.at(0))?;
        let action = args.at(1).to_ascii_lowercase();
        let (change, rest) = match (action.as_slice(), args.get(2)) {
            (b"migrating", Some(id)) => (Change::Migrating(self.next_target(slot, id)?), args.from(3)),
            (b"importing", Some(id)) => (Change::Importing(self.next_source(slot, id)?), args.from(3)),
            (b"node", Some(id)) => (Change::Owner(self.next_owner(slot, id, keys)?), args.from(3)),
            (b"stable", _) => (Change::Stable, args.from(2)),
            (_, _) => return Err(INVALID.into()),
        };
        let patience = match (rest.len(), rest.get(0)) {
            (0, _) => Some(REPLICAS_PATIENCE),
            (1 | 2, Some(word)) if word.eq_ignore_ascii_case(b"timeout") => {
                let text = rest.get(1).ok_or("ERR Missing timeout value")?;
                let ms =
                    base::number::parse_i64(text).ok_or("ERR timeout is not an integer or out of range")?;
                let ms = u64::try_from(ms).map_err(|_| "ERR timeout is negative")?;
                (ms > 0).then_some(Span::ms(ms))
            }
            (_, _) => return Err(INVALID.into()),
        };
        Ok((slot, change, patience))
    }

    /// What our primary has done, we do: it has checked it. Valkey's stream has its TIMEOUT behind, which was for the client.
    fn repeat_set_slot(&mut self, ask: &mut Question<'_, '_>) {
        ask.reply.ok();
        let Ok(slot) = slot(ask.args.at(0)) else { return };
        let action = ask.args.at(1).to_ascii_lowercase();
        let other = ask.args.get(2).and_then(|id| self.known(id).ok());
        let ours = self.view.primary_of(self.view.me);
        match (action.as_slice(), other) {
            (b"migrating", Some(target)) => {
                self.view.migrating.insert(slot, target);
            }
            (b"importing", Some(source)) => {
                self.view.importing.insert(slot, source);
            }
            (b"stable", _) => {
                self.view.migrating.remove(&slot);
                self.view.importing.remove(&slot);
            }
            (b"node", Some(owner)) => {
                self.view.set_owner(slot, Some(owner));
                if owner == ours {
                    self.view.importing.remove(&slot);
                } else {
                    self.view.migrating.remove(&slot);
                }
            }
            // A node that is not known here yet.
            (_, _) => {}
        }
        self.mark_changed();
    }

    fn next_target(&self, slot: u16, id: &[u8]) -> Result<u32, String> {
        if self.view.owner(slot) != Some(self.view.me) {
            return Err(format!("ERR I'm not the owner of hash slot {slot}"));
        }
        let target = self.target(id, "ERR I don't know about node ")?;
        if target == self.view.me {
            return Err(format!("ERR I'm already the owner of hash slot {slot}"));
        }
        Ok(target)
    }

    fn next_source(&self, slot: u16, id: &[u8]) -> Result<u32, String> {
        if self.view.owner(slot) == Some(self.view.me) {
            return Err(format!("ERR I'm already the owner of hash slot {slot}"));
        }
        self.target(id, "ERR I don't know about node ")
    }

    fn next_owner(&self, slot: u16, id: &[u8], keys: &dyn Keys) -> Result<u32, String> {
        let target = self.target(id, "ERR Unknown node ")?;
        let was_mine = self.view.owner(slot) == Some(self.view.me);
        if was_mine && target != self.view.me && keys.count_in_slot(slot) > 0 {
            return Err(format!(
                "ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            ));
        }
        Ok(target)
    }

    /// A primary that slots can move to or from.
    fn target(&self, id: &[u8], unknown: &str) -> Result<u32, String> {
        let index = self.known(id).map_err(|_| format!("{unknown}{}", shown(id)))?;
        if self.view.node(index).is_primary() {
            Ok(index)
        } else {
            Err("ERR Target node is not a master".into())
        }
    }

    fn set_slot_owner(&mut self, turn: &mut Turn<'_>, ask: &Question<'_, '_>, slot: u16, target: u32) {
        let me = self.view.me;
        let was_mine = self.view.owner(slot) == Some(me);
        let has_keys = ask.keys.count_in_slot(slot) > 0;
        if !has_keys {
            self.view.migrating.remove(&slot);
        }
        self.view.set_owner(slot, Some(target));
        self.mark_changed();
        if was_mine && target != me && self.view.me().slot_count == 0 && self.settings.allows_migration {
            // The last slot is gone: this node is of more use as a replica.
            let id = self.view.node(target).id;
            turn.log(
                Level::Notice,
                format!("Configuration change detected. Reconfiguring myself as a replica of {id}"),
            );
            self.follow(turn, target);
        }
        if was_mine && target != me {
            // Our replicas and the voters: were we to die now, nobody should take the slot back with the others.
            self.broadcast_pong(turn, |_, _| true);
        }
        if target == me && self.view.importing.remove(&slot).is_some() {
            // The import is over: our claim must beat that of the source.
            self.bump_epoch(turn);
            self.broadcast_pong(turn, |_, _| true);
        }
    }
}

fn single_slots(args: Args<'_>) -> Result<Vec<u16>, String> {
    args.iter().map(slot).collect()
}

fn slot_ranges(args: Args<'_>, name: &str) -> Result<Vec<u16>, String> {
    if !args.len().is_multiple_of(2) {
        return Err(format!("ERR wrong number of arguments for 'cluster|{name}' command"));
    }
    let mut slots = Vec::new();
    for pair in 0..args.len() / 2 {
        let (first, last) = (slot(args.at(pair * 2))?, slot(args.at(pair * 2 + 1))?);
        if first > last {
            return Err(format!("ERR start slot number {first} is greater than end slot number {last}"));
        }
        // Twice the slots there are hold a slot twice: that is refused later, and bounds this list.
        if slots.len() <= crate::SLOTS {
            slots.extend(first..=last);
        }
    }
    Ok(slots)
}
