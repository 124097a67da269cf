//! Check: do all nodes agree, is a slot half-way, has every slot an owner, has one several?

use super::fix;
use super::group::{Done, Failed, Group};
use super::node::covered;
use super::slots::{SLOTS, SlotSet};
use std::collections::BTreeSet;

/// `info`: keys and slots of each primary.
pub fn show_summary(group: &mut Group) -> Done {
    let (mut keys, mut primaries) = (0, 0);
    for at in group.primaries() {
        let id = group.nodes[at].line.id.clone();
        let follows = |node: &&super::node::Node| {
            node.line.is_replica() && node.line.primary.as_deref() == Some(id.as_str())
        };
        let replicas = group.nodes.iter().filter(follows).count();
        // As the originals: a node that cannot tell ends the summary, not the job.
        let Ok(count) = group.ask_integer(at, &["DBSIZE"]) else { return Ok(()) };
        let node = &group.nodes[at];
        group.screen.line(format!(
            "{} ({}...) -> {count} keys | {} slots | {replicas} slaves.",
            node.address(),
            id.get(..8).unwrap_or(&id),
            node.line.slots.count()
        ));
        primaries += 1;
        keys += count;
    }
    group.screen.good(format!("[OK] {keys} keys in {primaries} masters."));
    let average = keys as f32 / f32::from(SLOTS);
    group.screen.line(format!("{average:.2} keys per slot on average."));
    Ok(())
}

/// Checks the cluster; with `fix`, repairs what it finds. `Ok(true)`: all is well (now).
pub fn check(group: &mut Group, is_quiet: bool) -> Done<bool> {
    let using = group.address(0);
    group.screen.step(format!(">>> Performing Cluster Check (using node {using})"));
    group.errors = 0;
    if !is_quiet {
        group.show_nodes();
    }
    let agreed = group.is_agreed();
    if agreed {
        group.screen.good("[OK] All nodes agree about slots configuration.");
    } else {
        error(group, "[ERR] Nodes don't agree about configuration!");
    }
    let mut is_well = agreed;
    // A repair has the last word: what was wrong before it may be well now.
    is_well = check_open(group)?.unwrap_or(is_well);
    is_well = check_coverage(group)?.unwrap_or(is_well);
    if group.settings.search_multiple_owners {
        is_well = check_owners(group).unwrap_or(is_well);
    }
    Ok(is_well)
}

fn error(group: &mut Group, text: impl std::fmt::Display) {
    group.errors += 1;
    group.screen.bad(text);
}

/// `None`: no slot is open. Else: was every one closed?
fn check_open(group: &mut Group) -> Done<Option<bool>> {
    group.screen.step(">>> Check for open slots...");
    let mut open = BTreeSet::new();
    for at in 0..group.nodes.len() {
        let line = group.nodes[at].line.clone();
        for (state, slots) in [("migrating", &line.migrating), ("importing", &line.importing)] {
            if slots.is_empty() {
                continue;
            }
            open.extend(slots.iter().map(|(slot, _)| *slot));
            let list = joined(slots.iter().map(|(slot, _)| *slot));
            let address = group.address(at);
            let list = if group.is_trib() { format!("({list})") } else { list };
            error(group, format!("[WARNING] Node {address} has slots in {state} state {list}."));
        }
    }
    if open.is_empty() {
        return Ok(None);
    }
    let stop = if group.is_trib() { "" } else { "." };
    let list = joined(open.iter().copied());
    group.screen.bad(format!("[WARNING] The following slots are open: {list}{stop}"));
    if !group.is_fix {
        return Ok(Some(false));
    }
    for slot in open {
        match fix::open_slot(group, slot) {
            Ok(()) => {}
            Err(fix::Stop::Slot) => return Ok(Some(false)),
            Err(fix::Stop::Job) => return Err(Failed),
        }
    }
    Ok(Some(true))
}

/// `None`: all slots are covered. Else: was that repaired?
fn check_coverage(group: &mut Group) -> Done<Option<bool>> {
    group.screen.step(">>> Check slots coverage...");
    let all: SlotSet = covered(&group.nodes);
    if all.count() == usize::from(SLOTS) {
        group.screen.good(format!("[OK] All {SLOTS} slots covered."));
        return Ok(None);
    }
    let end = if group.is_trib() { "" } else { "\n" };
    error(group, format!("[ERR] Not all {SLOTS} slots are covered by nodes.{end}"));
    if !group.is_fix {
        return Ok(Some(false));
    }
    fix::coverage(group, &all).map(Some)
}

/// `None`: no slot has several owners. Else: was the last one repaired? Nodes with keys of a slot count as owners too.
fn check_owners(group: &mut Group) -> Option<bool> {
    group.screen.step(">>> Check for multiple slot owners...");
    let slots: Vec<u16> = (0..SLOTS).collect();
    let primaries = group.primaries();
    let mut keys = Vec::new();
    for &at in &primaries {
        keys.push(group.keys_in_slots(at, &slots).unwrap_or_else(|Failed| vec![0; slots.len()]));
    }
    let (mut is_well, mut left) = (None, 0);
    for slot in slots {
        let claims = |(index, at): (usize, &usize)| {
            let claims = group.nodes[*at].line.slots.contains(slot) || keys[index][usize::from(slot)] > 0;
            claims.then_some(*at)
        };
        let owners: Vec<usize> = primaries.iter().enumerate().filter_map(claims).collect();
        if owners.len() < 2 {
            continue;
        }
        is_well = Some(false);
        group.screen.bad(format!("[WARNING] Slot {slot} has {} owners:", owners.len()));
        owners.iter().for_each(|&at| group.screen.bad(format!("    {}", group.address(at))));
        left += 1;
        if group.is_fix {
            if fix::several_owners(group, slot, &owners).is_err() {
                group.screen.bad(format!("Failed to fix multiple owners for slot {slot}"));
                return Some(false);
            }
            (is_well, left) = (Some(true), left - 1);
        }
    }
    if left == 0 {
        group.screen.good("[OK] No multiple owners found.");
    }
    is_well
}

fn joined(slots: impl Iterator<Item = u16>) -> String {
    slots.map(|slot| slot.to_string()).collect::<Vec<_>>().join(",")
}
