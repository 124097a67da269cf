//! Membership: a node joins a running cluster, or leaves it.

use super::check;
use super::group::{Done, Failed, Group};
use super::node::{Fault, Node};
use super::words::host_of;
use std::time::Duration;
use wire::value::Value;

/// Arguments that name no node.
pub const INVALID_HOST: &str = "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or \
                                space separated IP and port (ie. 120.0.0.1 7000)";

/// The node that `args` name; what is wrong is printed.
pub fn host(group: &Group, args: &[String]) -> Done<(String, u16)> {
    host_of(args).ok_or_else(|| {
        group.screen.error(INVALID_HOST);
        Failed
    })
}

/// Runs `add-node new existing`.
pub fn add(group: &mut Group, args: &[String]) -> Done {
    let (known_host, known_port) = host(group, &args[1..])?;
    let (new_host, new_port) = host(group, &args[..1])?;
    let new = format!("{new_host}:{new_port}");
    group.screen.step(format!(">>> Adding node {new} to cluster {known_host}:{known_port}"));
    group.load(&known_host, known_port)?;
    if !check::check(group, false)? && !group.is_trib() {
        return Err(Failed);
    }
    let primary = if group.settings.as_replica { Some(primary_for_new(group)?) } else { None };
    let node = match group.open(&new_host, new_port) {
        Ok(_) => group.open_blank(&new_host, new_port)?,
        Err(Failed) => {
            if !group.is_trib() {
                group.screen.bad(format!("[ERR] Sorry, can't connect to node {new}"));
            }
            return Err(Failed);
        }
    };
    group.nodes.push(node);
    let at = group.nodes.len() - 1;
    if primary.is_none() && !group.is_trib() {
        copy_functions(group, at)?;
    }
    group.screen.step(format!(">>> Send CLUSTER MEET to node {new} to make it join the cluster."));
    group.meet_first(at)?;
    if let Some(primary) = primary {
        std::thread::sleep(Duration::from_secs(1));
        let end = if group.is_trib() { "" } else { "\n" };
        group.screen.put(format!("Waiting for the cluster to join{end}"));
        group.wait_until_agreed();
        let address = group.address(primary);
        group.screen.step(format!(">>> Configure node as replica of {address}."));
        let id = group.nodes[primary].line.id.clone();
        group.follow(at, &id)?;
    }
    group.screen.good("[OK] New node added correctly.");
    Ok(())
}

fn primary_for_new(group: &Group) -> Done<usize> {
    if let Some(id) = &group.settings.primary_id {
        return group.by_id(id).ok_or_else(|| {
            group.screen.bad(format!("[ERR] No such master ID {id}"));
            Failed
        });
    }
    let primary = group.least_followed().ok_or(Failed)?;
    group.screen.line(format!("Automatically selected master {}", group.address(primary)));
    Ok(primary)
}

/// A new primary gets the cluster's functions; a replica has them from its primary.
fn copy_functions(group: &mut Group, at: usize) -> Done {
    group.screen.step(">>> Getting functions from cluster");
    let functions = match group.nodes[0].ask(&["FUNCTION", "DUMP"]) {
        Ok(Value::Bulk(functions)) => functions,
        Ok(_) => return Err(group.failed(0, &Fault::Odd)),
        Err(fault) => {
            group.screen.step(format!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version do not support function \
                 command (error = '{}')",
                fault.text()
            ));
            return Ok(());
        }
    };
    let address = group.address(at);
    let refused = |group: &Group, text: String| {
        group.screen.bad(format!(">>> {text}\r"));
        Failed
    };
    group.screen.step(format!(">>> Send FUNCTION LIST to {address} to verify there is no functions in it"));
    match group.nodes[at].ask(&["FUNCTION", "LIST"]) {
        Ok(Value::Array(list)) if list.is_empty() => {}
        Ok(_) => {
            let text = "New node already contains functions and can not be added to the cluster. Use FUNCTION FLUSH and try \
                        again.";
            return Err(refused(group, text.into()));
        }
        Err(fault) => {
            return Err(refused(group, format!("Failed on CLUSTER LIST (error = '{}')", fault.text())));
        }
    }
    group.screen.step(format!(">>> Send FUNCTION RESTORE to {address}"));
    let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &functions];
    group.nodes[at].ask(&words).map(|_| ()).map_err(|fault| {
        refused(group, format!("Failed loading functions to the new node (error = '{}')", fault.text()))
    })
}

/// Runs `del-node host:port id`.
pub fn remove(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, &args[..1])?;
    let id = args[1].as_str();
    group.screen.step(format!(">>> Removing node {id} from cluster {host}:{port}"));
    group.load(&host, port)?;
    let Some(leaving) = group.by_id(id) else {
        group.screen.bad(format!("[ERR] No such node ID {id}"));
        return Err(Failed);
    };
    let address = group.address(leaving);
    if !group.nodes[leaving].line.slots.is_empty() {
        let text = format!("[ERR] Node {address} is not empty! Reshard data away and try again.");
        group.screen.bad(text);
        return Err(Failed);
    }
    group.screen.step(">>> Sending CLUSTER FORGET messages to the cluster...");
    for at in (0..group.nodes.len()).filter(|&at| at != leaving) {
        let follows =
            |node: &Node| node.line.primary.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(id));
        if follows(&group.nodes[at]) {
            follow_another(group, at, leaving)?;
        }
        group.ask(at, &["CLUSTER", "FORGET", id])?;
    }
    if group.is_trib() {
        group.screen.step(">>> SHUTDOWN the node.");
        return match group.nodes[leaving].ask(&["SHUTDOWN"]) {
            // It closes the connection instead of an answer.
            Ok(_) | Err(Fault::Lost) => Ok(()),
            Err(fault) => Err(group.failed(leaving, &fault)),
        };
    }
    group.screen.step(">>> Sending CLUSTER RESET SOFT to the deleted node.");
    group.ask(leaving, &["CLUSTER", "RESET", "SOFT"]).map(|_| ())
}

/// A replica of the leaving node gets another primary: the one with the fewest replicas.
fn follow_another(group: &mut Group, at: usize, leaving: usize) -> Done {
    let others = group.primaries().into_iter().filter(|&other| other != leaving);
    let Some(primary) = others.min_by_key(|&other| group.nodes[other].replicas) else { return Err(Failed) };
    let (replica, address) = (group.address(at), group.address(primary));
    group.screen.step(format!(">>> {replica} as replica of {address}"));
    let id = group.nodes[primary].line.id.clone();
    group.ask(at, &["CLUSTER", "REPLICATE", &id]).map(|_| ())
}
