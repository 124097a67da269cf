//! Shift: slots move from primaries to a primary (`reshard`), or until all have their share (`rebalance`).

use super::check;
use super::group::{Done, Failed, Group};
use super::membership::host;
use super::moving::{How, move_slot};
use super::plan::rebalance::{Part, Plan, plan};
use super::plan::reshard::{Move, moves};
use super::screen::Dialect;
use super::slots::SLOTS;
use super::words::{fraction, number};

/// Runs `reshard host:port`.
pub fn reshard(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, args)?;
    group.load(&host, port)?;
    check::check(group, false)?;
    if group.errors > 0 {
        group.screen.error("*** Please fix your cluster problems before resharding");
        return Err(Failed);
    }
    let slots = match group.settings.slots {
        0 => ask_slots(group)?,
        slots => slots,
    };
    let to = match group.settings.to.clone() {
        Some(to) => to,
        None => ask_target(group)?,
    };
    let target = primary_named(group, &to)?;
    let sources = sources(group, target)?;
    if sources.is_empty() {
        group.screen.error("*** No source nodes given, operation aborted.");
        return Err(Failed);
    }
    let plan = show_plan(group, slots, target, &sources);
    if !group.settings.yes {
        group.screen.put("Do you want to proceed with the proposed reshard plan (yes/no)? ");
        if !group.screen.answer().is_some_and(|answer| group.screen.is_yes(&answer)) {
            return Err(Failed);
        }
    }
    let how = How { is_told_by_caller: true, ..How::default() };
    for step in plan {
        move_slot(group, sources[step.source], target, step.slot, how)
            .map_err(|text| failed(group, "clusterManagerMoveSlot failed", text))?;
    }
    Ok(())
}

/// Tells why a slot did not move, if that is not told yet.
fn failed(group: &Group, what: &str, text: Option<String>) -> Failed {
    if let Some(text) = text {
        group.screen.bad(format!("{what}: {text}"));
    }
    Failed
}

fn ask_slots(group: &Group) -> Done<i64> {
    loop {
        group.screen.put(format!("How many slots do you want to move (from 1 to {SLOTS})? "));
        let slots = number(&group.screen.answer().ok_or(Failed)?);
        if (1..=i64::from(SLOTS)).contains(&slots) {
            return Ok(slots);
        }
    }
}

fn ask_target(group: &Group) -> Done<String> {
    loop {
        group.screen.put("What is the receiving node ID? ");
        let to = group.screen.answer().ok_or(Failed)?;
        if !to.is_empty() {
            return Ok(to);
        }
    }
}

/// The primary with this id; that there is none is printed.
fn primary_named(group: &Group, id: &str) -> Done<usize> {
    let known = group.by_id(id).filter(|&at| !group.nodes[at].line.is_replica());
    known.ok_or_else(|| {
        let text = format!("*** The specified node ({id}) is not known or not a master, please retry.");
        group.screen.bad(text);
        Failed
    })
}

/// The nodes that give slots: from the options or by question.
fn sources(group: &Group, target: usize) -> Done<Vec<usize>> {
    let all = || -> Vec<usize> {
        let sources = group.primaries().into_iter().filter(|&at| at != target);
        sources.filter(|&at| !group.nodes[at].is_follower()).collect()
    };
    let mut sources = Vec::new();
    if let Some(from) = &group.settings.from {
        let from = from.strip_suffix(',').unwrap_or(from);
        for id in from.split(',') {
            if id == "all" {
                return Ok(all());
            }
            sources.extend(source_named(group, id, target)?);
        }
        return Ok(sources);
    }
    group.screen.line(
        "Please enter all the source node IDs.\n  \
         Type 'all' to use all the nodes as source nodes for the hash slots.\n  \
         Type 'done' once you entered all the source nodes IDs.",
    );
    loop {
        group.screen.put(format!("Source node #{}: ", sources.len() + 1));
        match group.screen.answer().ok_or(Failed)?.as_str() {
            "done" => return Ok(sources),
            "all" => return Ok(all()),
            id => sources.extend(source_named(group, id, target)?),
        }
    }
}

/// A source; the target is none, which is told but no failure.
fn source_named(group: &Group, id: &str, target: usize) -> Done<Option<usize>> {
    let source = primary_named(group, id)?;
    if source == target {
        group.screen.bad("*** It is not possible to use the target node as source node.");
        return Ok(None);
    }
    Ok(Some(source))
}

fn show_plan(group: &Group, slots: i64, target: usize, sources: &[usize]) -> Vec<Move> {
    let dialect = group.screen.dialect();
    group.screen.line(format!("\nReady to move {slots} slots.\n  Source nodes:"));
    sources.iter().for_each(|&at| group.screen.line(group.nodes[at].info(dialect, 4)));
    group.screen.line(format!("  Destination node:\n{}", group.nodes[target].info(dialect, 4)));
    group.screen.line("  Resharding plan:");
    let sets: Vec<_> = sources.iter().map(|&at| &group.nodes[at].line.slots).collect();
    let plan = moves(&sets, usize::try_from(slots).unwrap_or(0));
    for step in &plan {
        let id = &group.nodes[sources[step.source]].line.id;
        group.screen.line(format!("    Moving slot {} from {id}", step.slot));
    }
    plan
}

/// Runs `rebalance host:port`.
pub fn rebalance(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, args)?;
    group.load(&host, port)?;
    set_weights(group)?;
    let involved: Vec<usize> = group
        .primaries()
        .into_iter()
        .filter(|&at| !group.nodes[at].is_follower())
        .filter(|&at| group.settings.use_empty_primaries || !group.nodes[at].line.slots.is_empty())
        .collect();
    check::check(group, true)?;
    if group.errors > 0 {
        group.screen.bad("*** Please fix your cluster problems before rebalancing");
        return Err(Failed);
    }
    let part =
        |&at: &usize| Part { slots: group.nodes[at].line.slots.count(), weight: group.nodes[at].weight };
    let parts: Vec<Part> = involved.iter().map(part).collect();
    let plan = plan(&parts, group.settings.threshold);
    if !plan.needed {
        let threshold = match group.screen.dialect() {
            Dialect::Cli => format!("{:.2}", group.settings.threshold),
            Dialect::Trib => format!("{:?}", group.settings.threshold),
        };
        let text = format!("*** No rebalancing needed! All nodes are within the {threshold}% threshold.");
        group.screen.warn(text);
        return Ok(());
    }
    show_balances(group, &involved, &parts, &plan);
    for (count, from, to) in plan.moves {
        shift(group, count, involved[from], involved[to])?;
    }
    Ok(())
}

/// `id=weight`: the id may be its first letters.
fn set_weights(group: &mut Group) -> Done {
    for word in group.settings.weights.clone() {
        let (name, weight) = word.split_once('=').unwrap_or((&word, ""));
        let id = name.to_ascii_lowercase();
        let Some(node) = group.nodes.iter_mut().find(|node| node.line.id.starts_with(&id)) else {
            group.screen.bad(format!("*** No such master node {name}"));
            return Err(Failed);
        };
        node.weight = fraction(weight);
    }
    Ok(())
}

fn show_balances(group: &Group, involved: &[usize], parts: &[Part], plan: &Plan) {
    let total: f32 = parts.iter().map(|part| part.weight).sum();
    let total = match group.screen.dialect() {
        Dialect::Cli => format!("{total:.2}"),
        Dialect::Trib if group.settings.weights.is_empty() => format!("{total}"),
        Dialect::Trib => format!("{total:?}"),
    };
    let text = format!(">>> Rebalancing across {} nodes. Total weight = {total}", involved.len());
    group.screen.step(text);
    if group.is_verbose {
        for (part, balance) in &plan.balances {
            let address = group.address(involved[*part]);
            group.screen.line(format!("{address} balance is {balance} slots"));
        }
    }
}

fn shift(group: &mut Group, count: usize, from: usize, to: usize) -> Done {
    let (source, target) = (group.address(from), group.address(to));
    group.screen.line(format!("Moving {count} slots from {source} to {target}"));
    let steps = moves(&[&group.nodes[from].line.slots], count);
    if steps.len() != count {
        group.screen.bad("*** Assertion failed: Reshard table != number of slots");
        return Err(Failed);
    }
    let how = How { is_quiet: true, is_told_by_caller: true, ..How::default() };
    for step in &steps {
        if !group.settings.simulate {
            move_slot(group, from, to, step.slot, how)
                .map_err(|text| failed(group, "*** clusterManagerMoveSlot", text))?;
        }
        group.screen.put("#");
    }
    group.screen.put("\n");
    Ok(())
}
