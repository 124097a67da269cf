//! Import: the keys of a single server move (or are copied) into the cluster.

use super::check;
use super::group::{Done, Failed, Group};
use super::membership::host;
use super::node::{Fault, Login, Node};
use super::slots::SLOTS;
use super::words::{address, info_field};
use base::crc16::slot_of;
use wire::value::Value;

/// Keys that one SCAN asks for.
const SCAN_COUNT: &str = "1000";

/// Runs `import host:port`.
pub fn run(group: &mut Group, args: &[String]) -> Done {
    let (host, port) = host(group, args)?;
    let Some(from) = group.settings.from.clone() else {
        group.screen.error("[ERR] Option '--cluster-from' is required for subcommand 'import'.");
        return Err(Failed);
    };
    let Some((from_host, from_port, _)) = address(&from).filter(|(_, port, _)| *port != 0) else {
        group.screen.error(
            "[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. 120.0.0.1:7000).",
        );
        return Err(Failed);
    };
    let from = format!("{from_host}:{from_port}");
    group.screen.step(format!(">>> Importing data from {from} to cluster {host}:{port}"));
    group.load(&host, port)?;
    if !check::check(group, false)? && !group.is_trib() {
        return Err(Failed);
    }
    if group.is_trib() {
        group.screen.step(">>> Connecting to the source Redis instance");
    }
    let mut source = open(group, &from_host, from_port)?;
    copy_all(group, &mut source)
}

fn open(group: &Group, host: &str, port: u16) -> Done<Node> {
    let login =
        Login { user: group.settings.from_user.clone(), password: group.settings.from_password.clone() };
    let mut source = Node::new(host, port);
    match source.connect(&login) {
        Ok(()) => Ok(source),
        Err(Ok(reason)) => {
            group.screen.error(format!("Could not connect to Redis at {host}:{port}: {reason}."));
            Err(Failed)
        }
        Err(Err(refusal)) => {
            group.screen.error(format!("AUTH failed: {refusal}"));
            Err(Failed)
        }
    }
}

fn copy_all(group: &Group, source: &mut Node) -> Done {
    let info = source.ask_text(&["INFO"]).map_err(|fault| refused(group, source, &fault))?;
    if info_field(&info, "cluster_enabled").is_some_and(|enabled| enabled != 0) {
        group.screen.bad("[ERR] The source node should not be a cluster node.");
        return Err(Failed);
    }
    let size = source.ask_integer(&["DBSIZE"]).map_err(|fault| refused(group, source, &fault))?;
    group.screen.warn(format!("*** Importing {size} keys from DB 0"));
    let owners = owners(group);
    let mut cursor = b"0".to_vec();
    loop {
        let words: [&[u8]; 4] = [b"SCAN", &cursor, b"COUNT", SCAN_COUNT.as_bytes()];
        let answer = source.ask(&words).map_err(|fault| refused(group, source, &fault))?;
        let Some([next, keys]) = answer.items() else { return Err(refused(group, source, &Fault::Odd)) };
        cursor = next.text().unwrap_or(b"0").to_vec();
        for key in keys.items().unwrap_or_default().iter().filter_map(Value::text) {
            migrate(group, source, key, owners[usize::from(slot_of(key))])?;
        }
        if cursor == b"0" {
            return Ok(());
        }
    }
}

/// The owner of each slot.
fn owners(group: &Group) -> Vec<Option<usize>> {
    let primaries = group.primaries();
    let owner = |slot| primaries.iter().copied().find(|&at| group.nodes[at].line.slots.contains(slot));
    (0..SLOTS).map(owner).collect()
}

fn migrate(group: &Group, source: &mut Node, key: &[u8], owner: Option<usize>) -> Done {
    let Some(owner) = owner else {
        group.screen.bad(format!("No node serves the slot of key {}", String::from_utf8_lossy(key)));
        return Err(Failed);
    };
    let line = &group.nodes[owner].line;
    let told = [b"Migrating ", key, format!(" to {}: ", group.address(owner)).as_bytes()].concat();
    group.screen.put(told);
    let (port, timeout) = (line.port.to_string(), group.settings.timeout_ms.to_string());
    let mut words: Vec<&[u8]> =
        vec![b"MIGRATE", line.host.as_bytes(), port.as_bytes(), key, b"0", timeout.as_bytes()];
    words.extend(group.login.for_migrate().iter().map(|word| word.as_bytes()));
    words.extend(group.settings.copy.then_some(b"COPY".as_slice()));
    words.extend(group.settings.replace.then_some(b"REPLACE".as_slice()));
    match source.ask(&words) {
        Ok(_) if group.is_trib() => group.screen.line("OK"),
        Ok(_) => group.screen.good("OK"),
        // redis-trib goes on with the next key.
        Err(Fault::Refused(text)) if group.is_trib() => group.screen.line(text),
        Err(fault) => return Err(refused(group, source, &fault)),
    }
    Ok(())
}

fn refused(group: &Group, source: &Node, fault: &Fault) -> Failed {
    group.screen.bad(format!("Source {} replied with error:\n{}", source.address(), fault.text()));
    Failed
}
