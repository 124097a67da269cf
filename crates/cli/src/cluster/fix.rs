//! Fix: closes slots that are half-way, gives slots without an owner one, makes several owners one.
//!
//! What to do is decided in `plan/open_slot.rs`; here it is done and told. Keys are never dropped: a node gives up a slot only
//! after its keys are at the owner.

use super::group::{BATCH, Done, Failed, Group};
use super::moving::{How, claim_slot, drop_slot, move_slot};
use super::plan::open_slot::{Case, Claim, Decision, decide, most_keys};
use super::slots::SlotSet;
use base::Random;
use wire::value::Value;

/// Why an open slot is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This one could not be closed.
    Slot,
    /// It is too dangerous to go on at all.
    Job,
}

impl From<Failed> for Stop {
    fn from(Failed: Failed) -> Stop {
        Stop::Slot
    }
}

/// Repairing while primaries are away hands their slots to others: only on demand.
fn is_too_dangerous(group: &Group, what: &str) -> bool {
    let count = group.unreachable_primaries;
    if count == 0 || group.settings.fix_with_unreachable_primaries {
        return false;
    }
    group.screen.warn(format!(
        "*** Fixing {what} with {count} unreachable masters is dangerous: redis-cli will assume that slots about masters \
         that are not reachable are not covered, and will try to reassign them to the reachable nodes. This can cause data \
         loss and is rarely what you want to do. If you really want to proceed use the \
         --cluster-fix-with-unreachable-masters option."
    ));
    true
}

/// Closes one open slot.
pub fn open_slot(group: &mut Group, slot: u16) -> Result<(), Stop> {
    if is_too_dangerous(group, "open slots") {
        return Err(Stop::Job);
    }
    group.screen.step(format!(">>> Fixing open slot {slot}"));
    let primaries = group.primaries();
    let mut claims = Vec::new();
    for &at in &primaries {
        let keys = group.keys_in_slot(at, slot)?;
        let line = &group.nodes[at].line;
        let to = line.migrating.iter().find(|(open, _)| *open == slot).map(|(_, to)| to.clone());
        claims.push(Claim {
            id: line.id.clone(),
            owns: line.slots.contains(slot),
            keys,
            migrating_to: to,
            importing: line.importing.iter().any(|(open, _)| *open == slot),
        });
    }
    let decision = decide(&claims);
    tell(group, slot, &primaries, &decision);
    let Some(owner) = decision.owner.map(|index| primaries[index]) else {
        group.screen.bad("[ERR] Can't select a slot owner. Impossible to fix.");
        return Err(Stop::Slot);
    };
    if decision.is_chosen {
        let address = group.address(owner);
        group.screen.step(">>> No single clear owner for the slot, selecting an owner by # of keys...");
        group.screen.warn(format!("*** Configuring {address} as the slot owner"));
        group.set_slot_or_report(owner, slot, &["STABLE"])?;
        claim_slot(group, owner, slot, false)?;
        group.nodes[owner].line.slots.insert(slot);
    }
    let id = group.nodes[owner].line.id.clone();
    for &rival in &decision.rivals {
        let rival = primaries[rival];
        drop_slot(group, rival, slot)?;
        group.nodes[rival].line.slots.remove(slot);
        group.set_slot_or_report(rival, slot, &["NODE", &id])?;
        // It hands over keys, and takes requests for them meanwhile: MIGRATE is not redirected.
        group.set_slot_or_report(rival, slot, &["IMPORTING", &id])?;
    }
    close(group, slot, &primaries, owner, decision)?;
    Ok(())
}

/// What was found.
fn tell(group: &Group, slot: u16, primaries: &[usize], decision: &Decision) {
    for &at in &decision.holders {
        let address = group.address(primaries[at]);
        group.screen.warn(format!("*** Found keys about slot {slot} in non-owner node {address}!"));
    }
    for &at in &decision.strays {
        let address = group.address(primaries[at]);
        group.screen.warn(format!("*** Found keys about slot {slot} in node {address}!"));
    }
    for (state, nodes) in [("migrating", &decision.migrating), ("importing", &decision.importing)] {
        if !nodes.is_empty() {
            group.screen.line(format!("Set as {state} in: {}", addresses(group, primaries, nodes)));
        }
    }
}

fn addresses(group: &Group, primaries: &[usize], nodes: &[usize]) -> String {
    nodes.iter().map(|&at| group.address(primaries[at])).collect::<Vec<_>>().join(",")
}

fn close(group: &mut Group, slot: u16, primaries: &[usize], owner: usize, decision: Decision) -> Done {
    match decision.case {
        Case::Complete { from, to } => {
            let (from, to) = (primaries[from], primaries[to]);
            let (source, target) = (group.address(from), group.address(to));
            group.screen.step(format!(">>> Case 1: Moving slot {slot} from {source} to {target}"));
            move_slot(group, from, to, slot, How::default()).map_err(|_| Failed)
        }
        Case::Gather { from } => {
            let address = group.address(owner);
            let text = format!(">>> Case 2: Moving all the {slot} slot keys to its owner {address}");
            group.screen.step(text);
            let from: Vec<usize> = from.iter().map(|&at| primaries[at]).collect();
            gather(group, slot, &from, owner)
        }
        Case::CompleteAndClose { from, to, others } => {
            let (from, to) = (primaries[from], primaries[to]);
            let (source, target) = (group.address(from), group.address(to));
            group.screen.step(format!(
                ">>> Case 3: Moving slot {slot} from {source} to {target} and closing it on all the other importing nodes."
            ));
            move_slot(group, from, to, slot, How::default()).map_err(|_| Failed)?;
            others.iter().try_for_each(|&at| group.set_slot_or_report(primaries[at], slot, &["STABLE"]))
        }
        Case::Close { from, others } => {
            group
                .screen
                .step(format!(">>> Case 3: Closing slot {slot} on both migrating and importing nodes."));
            let mut all = std::iter::once(from).chain(others);
            all.try_for_each(|at| group.set_slot_or_report(primaries[at], slot, &["STABLE"]))
        }
        Case::CloseOne { from } => {
            let from = primaries[from];
            let address = group.address(from);
            group.screen.step(format!(">>> Case 4: Closing slot {slot} on {address}"));
            group.set_slot_or_report(from, slot, &["STABLE"])
        }
        Case::Stuck => {
            group.screen.bad(format!(
                "[ERR] Sorry, redis-cli can't fix this slot yet (work in progress). Slot is set as migrating in {}, as \
                 importing in {}, owner is {}",
                addresses(group, primaries, &decision.migrating),
                addresses(group, primaries, &decision.importing),
                group.address(owner)
            ));
            Err(Failed)
        }
    }
}

/// All keys of the slot go to its owner, then everybody is told who that is.
fn gather(group: &mut Group, slot: u16, from: &[usize], owner: usize) -> Done {
    for &at in from {
        move_slot(group, at, owner, slot, How { is_cold: true, ..How::default() }).map_err(|_| Failed)?;
        let address = group.address(at);
        group.screen.step(format!(">>> Setting {slot} as STABLE in {address}"));
        group.set_slot_or_report(at, slot, &["STABLE"])?;
    }
    let id = group.nodes[owner].line.id.clone();
    let others = group.primaries().into_iter().filter(|&at| at != owner);
    others
        .collect::<Vec<_>>()
        .into_iter()
        .try_for_each(|at| group.set_slot_or_report(at, slot, &["NODE", &id]))
}

/// Gives every slot that nobody owns an owner; `covered` are the others. Was any one given?
pub fn coverage(group: &mut Group, covered: &SlotSet) -> Done<bool> {
    if is_too_dangerous(group, "slots coverage") {
        return Err(Failed);
    }
    group.screen.step(">>> Fixing slots coverage...");
    let missing: Vec<u16> = covered.missing().collect();
    let Ok(holders) = holders(group, &missing) else { return Ok(false) };
    let with = |wanted: fn(usize) -> bool| -> Vec<(u16, Vec<usize>)> {
        holders.iter().filter(|(_, nodes)| wanted(nodes.len())).cloned().collect()
    };
    let mut fixed = 0;
    let done = cover_empty(group, &with(|count| count == 0), &mut fixed)
        .and_then(|()| cover_single(group, &with(|count| count == 1), &mut fixed))
        .and_then(|()| cover_multiple(group, &with(|count| count > 1), &mut fixed));
    Ok(done.is_ok() && fixed > 0)
}

/// The primaries that have keys in each of `slots`.
fn holders(group: &mut Group, slots: &[u16]) -> Done<Vec<(u16, Vec<usize>)>> {
    let mut holders: Vec<(u16, Vec<usize>)> = slots.iter().map(|slot| (*slot, Vec::new())).collect();
    for at in group.primaries() {
        for db in group.databases(at)? {
            for part in holders.chunks_mut(BATCH) {
                let request = |(slot, _): &(u16, Vec<usize>)| {
                    ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1"].map(String::from).to_vec()
                };
                let requests: Vec<Vec<String>> = part.iter().map(request).collect();
                let answers = group.nodes[at].ask_all_in(db, &requests);
                let answers = answers.map_err(|fault| group.failed(at, &fault))?;
                for (entry, answer) in part.iter_mut().zip(answers) {
                    let has_keys = matches!(&answer, Value::Array(keys) if !keys.is_empty());
                    if has_keys && entry.1.last() != Some(&at) {
                        entry.1.push(at);
                    }
                }
            }
        }
    }
    Ok(holders)
}

/// Shows the slots and asks. Always asks, `--cluster-yes` or not: who has lost slots should look.
fn is_wanted(group: &Group, slots: &[(u16, Vec<usize>)], found: &str, question: &str) -> bool {
    if slots.is_empty() {
        return false;
    }
    let set: SlotSet = slots.iter().map(|(slot, _)| *slot).collect();
    let list = if group.is_trib() { set.plain() } else { set.bracketed() };
    group.screen.line(format!("The following uncovered slots have {found}:\n{list}"));
    group.screen.is_confirmed(question)
}

fn cover_empty(group: &mut Group, slots: &[(u16, Vec<usize>)], fixed: &mut usize) -> Done {
    let found = "no keys across the cluster";
    if !is_wanted(group, slots, found, "Fix these slots by covering with a random node?") {
        return Ok(());
    }
    let mut random = random();
    let primaries = group.primaries();
    for (slot, _) in slots {
        let at = primaries[random.below(primaries.len().max(1) as u64) as usize];
        cover(group, *slot, at, "with", false)?;
        *fixed += 1;
    }
    Ok(())
}

fn cover_single(group: &mut Group, slots: &[(u16, Vec<usize>)], fixed: &mut usize) -> Done {
    if !is_wanted(group, slots, "keys in just one node", "Fix these slots by covering with those nodes?") {
        return Ok(());
    }
    for (slot, holders) in slots {
        cover(group, *slot, holders[0], "with", false)?;
        *fixed += 1;
    }
    Ok(())
}

fn cover_multiple(group: &mut Group, slots: &[(u16, Vec<usize>)], fixed: &mut usize) -> Done {
    let question = "Fix these slots by moving keys into a single node?";
    if !is_wanted(group, slots, "keys in multiple nodes", question) {
        return Ok(());
    }
    for (slot, holders) in slots {
        let target = with_most_keys(group, *slot, holders)?;
        cover(group, *slot, target, "moving keys to", true)?;
        let id = group.nodes[target].line.id.clone();
        for &source in holders.iter().filter(|&&at| at != target) {
            group.set_slot_or_report(source, *slot, &["NODE", &id])?;
            group.set_slot_or_report(source, *slot, &["IMPORTING", &id])?;
            let how = How { is_cold: true, ..How::default() };
            move_slot(group, source, target, *slot, how).map_err(|_| Failed)?;
            group.set_slot_or_report(source, *slot, &["STABLE"])?;
        }
        *fixed += 1;
    }
    Ok(())
}

fn cover(group: &mut Group, slot: u16, at: usize, how: &str, is_closed_too: bool) -> Done {
    let address = group.address(at);
    group.screen.step(format!(">>> Covering slot {slot} {how} {address}"));
    claim_slot(group, at, slot, is_closed_too)?;
    group.nodes[at].line.slots.insert(slot);
    Ok(())
}

fn with_most_keys(group: &mut Group, slot: u16, nodes: &[usize]) -> Done<usize> {
    let mut claims = Vec::new();
    for &at in nodes {
        claims.push(Claim { keys: group.keys_in_slot(at, slot)?, ..Claim::default() });
    }
    most_keys(&claims).map(|index| nodes[index]).ok_or(Failed)
}

/// Makes one of `owners` the only owner of the slot.
pub fn several_owners(group: &mut Group, slot: u16, owners: &[usize]) -> Done {
    group.screen.step(format!(">>> Fixing multiple owners for slot {slot}..."));
    let owner = with_most_keys(group, slot, owners)?;
    let address = group.address(owner);
    group.screen.step(format!(">>> Setting slot {slot} owner: {address}"));
    claim_slot(group, owner, slot, false)?;
    let id = group.nodes[owner].line.id.clone();
    for at in group.primaries().into_iter().filter(|&at| at != owner) {
        let keys = group.keys_in_slot(at, slot)?;
        // A node that does not own it says so; the next step decides.
        let _ = drop_slot(group, at, slot);
        group.set_slot_or_report(at, slot, &["NODE", &id])?;
        if keys > 0 {
            let how = How { is_cold: true, ..How::default() };
            move_slot(group, at, owner, slot, how).map_err(|_| Failed)?;
        }
    }
    Ok(())
}

/// Chance for what the originals leave to chance.
pub fn random() -> Random {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Random::new(since.map_or(0, |since| since.as_nanos() as u64) ^ u64::from(std::process::id()))
}
