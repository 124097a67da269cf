//! Create: makes one cluster of nodes that are blank.

use super::check;
use super::fix::random;
use super::group::{Done, Failed, Group};
use super::plan::affinity::{Outcome, Place, improve};
use super::plan::create::{Layout, layout, primaries_count};
use super::words::address;
use std::time::Duration;

/// Fewer primaries cannot agree after one has failed.
const PRIMARIES_MIN: usize = 3;

/// Runs `create host:port ...`.
pub fn run(group: &mut Group, args: &[String]) -> Done {
    if group.is_trib() {
        group.screen.step(">>> Creating cluster");
    }
    for arg in args {
        let Some((host, port, _)) = address(arg) else {
            group.screen.error(format!("Invalid address format: {arg}"));
            return Err(Failed);
        };
        let node = group.open_blank(&host, port)?;
        group.nodes.push(node);
    }
    let replicas = group.settings.replicas;
    let count = group.nodes.len();
    if primaries_count(count, replicas) < PRIMARIES_MIN {
        group.screen.bad(format!(
            "*** ERROR: Invalid configuration for cluster creation.\n\
             *** Redis Cluster requires at least {PRIMARIES_MIN} master nodes.\n\
             *** This is not possible with {count} nodes and {replicas} replicas per node."
        ));
        group.screen.bad(format!("*** At least {} nodes are required.", PRIMARIES_MIN * (replicas + 1)));
        return Err(Failed);
    }
    group.screen.step(format!(">>> Performing hash slots allocation on {count} nodes..."));
    assign(group, replicas);
    group.show_nodes();
    if !group.settings.yes && !group.screen.is_confirmed("Can I set the above configuration?") {
        if group.is_trib() {
            group.screen.warn("*** Aborting...");
            return Err(Failed);
        }
        return Ok(());
    }
    join(group)?;
    let (host, port) = (group.nodes[0].line.host.clone(), group.nodes[0].line.port);
    group.load(&host, port)?;
    // What it finds is on the screen; the cluster is made.
    check::check(group, false).map(|_| ())
}

/// Plans, tells and notes each node's place.
fn assign(group: &mut Group, replicas: usize) {
    let hosts: Vec<String> = group.nodes.iter().map(|node| node.line.host.clone()).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let layout = layout(&hosts, replicas);
    tell(group, &layout);
    let mut places: Vec<Place<'_>> = hosts.iter().map(|host| Place { host, primary: None }).collect();
    for &(replica, primary) in &layout.replicas {
        places[replica].primary = Some(primary);
    }
    if super::plan::affinity::score(&places).0 > 0 {
        group.screen.step(">>> Trying to optimize slaves allocation for anti-affinity");
    }
    match improve(&mut places, &mut random()) {
        Outcome::WasPerfect => {}
        Outcome::Perfect => group.screen.good("[OK] Perfect anti-affinity obtained!"),
        Outcome::WithPrimary => {
            group.screen.warn("[WARNING] Some slaves are in the same host as their master");
        }
        Outcome::Together => {
            group.screen.warn("[WARNING] Some slaves of the same master are in the same host");
        }
    }
    for (primary, first, last) in layout.primaries {
        group.nodes[primary].line.slots = (first..=last).collect();
        group.nodes[primary].is_changed = true;
    }
    for (at, place) in places.iter().enumerate() {
        if let Some(primary) = place.primary {
            group.nodes[at].line.primary = Some(group.nodes[primary].line.id.clone());
            group.nodes[at].is_changed = true;
        }
    }
}

fn tell(group: &Group, layout: &Layout) {
    if group.is_trib() {
        group.screen.line(format!("Using {} masters:", layout.primaries.len()));
    }
    for (index, (primary, first, last)) in layout.primaries.iter().enumerate() {
        match group.is_trib() {
            true => group.screen.line(group.address(*primary)),
            false => group.screen.line(format!("Master[{index}] -> Slots {first} - {last}")),
        }
    }
    for (index, (replica, primary)) in layout.replicas.iter().enumerate() {
        if layout.extra_from == Some(index) && !group.is_trib() {
            group.screen.line("Adding extra replicas...");
        }
        let (replica, primary) = (group.address(*replica), group.address(*primary));
        group.screen.line(format!("Adding replica {replica} to {primary}"));
    }
}

/// Gives each node its place and lets all meet the first.
fn join(group: &mut Group) -> Done {
    for at in 0..group.nodes.len() {
        let is_replica = group.nodes[at].line.primary.is_some();
        // A replica does not know its primary yet: it is told again when all have met.
        if group.nodes[at].is_changed && !is_replica {
            add_slots(group, at)?;
        }
    }
    group.screen.step(">>> Nodes configuration updated");
    group.screen.step(">>> Assign a different config epoch to each node");
    for at in 0..group.nodes.len() {
        // The nodes would settle epochs by themselves, only slower: a refusal does not matter.
        let _ = group.nodes[at].ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
    }
    group.screen.step(">>> Sending CLUSTER MEET messages to join the cluster");
    for at in 1..group.nodes.len() {
        group.meet_first(at)?;
    }
    // Until they have met, all nodes agree that no slot has an owner.
    std::thread::sleep(Duration::from_secs(1));
    group.screen.put(if group.is_trib() {
        "Waiting for the cluster to join"
    } else {
        "Waiting for the cluster to join\n"
    });
    group.wait_until_agreed();
    for at in 0..group.nodes.len() {
        if let Some(primary) = group.nodes[at].line.primary.clone().filter(|_| group.nodes[at].is_changed) {
            group.follow(at, &primary)?;
            group.nodes[at].is_changed = false;
        }
    }
    Ok(())
}

fn add_slots(group: &mut Group, at: usize) -> Done {
    let slots = group.nodes[at].line.slots.iter().map(|slot| slot.to_string());
    let words: Vec<String> = ["CLUSTER".into(), "ADDSLOTS".into()].into_iter().chain(slots).collect();
    group.ask(at, &words)?;
    group.nodes[at].is_changed = false;
    Ok(())
}
