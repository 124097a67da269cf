//! Watching the set-up: asks every node what it is, and tells what changed, a line each.

use super::form::View;
use cli::{Address, Connection, Timeouts};
use std::net::SocketAddr;
use std::time::Duration;

/// A node that does not answer within so long counts as silent in the status lines.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

/// What one node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its view of the cluster.
    pub view: View,
    /// `ok` or `fail`, as its CLUSTER INFO says.
    pub is_cluster_ok: bool,
    /// A replica's link to its primary stands and its first synchronisation is over.
    pub is_link_up: bool,
    /// The replication offset, in bytes.
    pub offset: u64,
    /// The configuration epoch of its slots.
    pub epoch: u64,
    /// Memory of the data set and all else, in bytes.
    pub memory_bytes: u64,
    /// Requests per second, of late.
    pub rate: u64,
    /// Clients that are connected.
    pub clients: u64,
}

/// The connections to the nodes, and what each said last.
pub struct Watch {
    nodes: Vec<(SocketAddr, Option<Connection>)>,
    /// The last answers; none for a node that is silent.
    pub statuses: Vec<Option<Status>>,
}

impl Watch {
    /// Watches the nodes at these addresses.
    pub fn new(addresses: impl Iterator<Item = SocketAddr>) -> Watch {
        let nodes: Vec<_> = addresses.map(|address| (address, None)).collect();
        let statuses = vec![None; nodes.len()];
        Watch { nodes, statuses }
    }

    /// Asks every node.
    pub fn look(&mut self) {
        for place in 0..self.nodes.len() {
            self.statuses[place] = self.ask(place);
        }
    }

    /// Sends one command to a node; an error text or a broken connection is an `Err`.
    pub fn command(&mut self, place: usize, words: &[&str]) -> Result<(), String> {
        let answer = self.client(place).and_then(|client| client.text(words));
        answer.map(|_| ()).map_err(|error| {
            self.nodes[place].1 = None;
            error.to_string()
        })
    }

    fn client(&mut self, place: usize) -> std::io::Result<&mut Connection> {
        let (address, client) = &mut self.nodes[place];
        match client {
            Some(client) => Ok(client),
            None => {
                let address = Address::tcp(&address.ip().to_string(), address.port());
                Ok(client.insert(Connection::open(&address, Timeouts::each(ANSWER_TIMEOUT))?))
            }
        }
    }

    fn ask(&mut self, place: usize) -> Option<Status> {
        let answers = self.client(place).and_then(|client| {
            Ok((
                client.text(&["CLUSTER", "NODES"])?,
                client.text(&["CLUSTER", "INFO"])?,
                client.text(&["INFO", "replication", "memory", "stats", "clients"])?,
            ))
        });
        match answers {
            Ok((nodes, cluster, info)) => status(&nodes, &cluster, &info),
            Err(_) => {
                // The next look connects anew; that a node is silent is what the status says.
                self.nodes[place].1 = None;
                None
            }
        }
    }
}

fn status(nodes: &str, cluster: &str, info: &str) -> Option<Status> {
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_string()))
    };
    let number =
        |text: &str, name: &str| field(text, name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let view = View::parse(nodes)?;
    let is_primary = view.own().primary.is_none();
    let offset = if is_primary { "master_repl_offset" } else { "slave_repl_offset" };
    Some(Status {
        is_cluster_ok: field(cluster, "cluster_state").as_deref() == Some("ok"),
        is_link_up: is_primary || field(info, "master_link_status").as_deref() == Some("up"),
        offset: number(info, offset),
        epoch: number(cluster, "cluster_my_epoch"),
        memory_bytes: number(info, "used_memory"),
        rate: number(info, "instantaneous_ops_per_sec"),
        clients: number(info, "connected_clients"),
        view,
    })
}

/// A node's role in words: `primary of 0-5460`, `replica of 7001`, `idle`.
pub fn role(status: &Status) -> String {
    let own = status.view.own();
    match &own.primary {
        Some(primary) => match status.view.nodes.get(primary) {
            Some(primary) => format!("replica of {}", primary.port),
            None => "replica of an unknown node".into(),
        },
        None if own.slots.is_empty() => "primary without slots".into(),
        None => format!("primary of {}", ranges(own)),
    }
}

fn ranges(known: &super::form::Known) -> String {
    let text = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let mut words: Vec<String> = known.slots.iter().take(8).map(text).collect();
    if known.slots.len() > words.len() {
        words.push(format!("and {} more ranges", known.slots.len() - words.len()));
    }
    words.join(" ")
}

/// The lines that tell what is different from `before` in `after` for the node on `port`.
pub fn changes(port: u16, before: Option<&Status>, after: Option<&Status>) -> Vec<String> {
    let (before, after) = match (before, after) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec![format!("{port} does not answer")],
        (None, Some(after)) => return vec![format!("{port} answers: {}", role(after))],
        (Some(before), Some(after)) => (before, after),
    };
    let mut lines = Vec::new();
    if role(before) != role(after) {
        lines.push(format!("{port} is now {} (was {})", role(after), role(before)));
    }
    if before.is_cluster_ok != after.is_cluster_ok {
        lines.push(format!("{port} sees the cluster as {}", if after.is_cluster_ok { "ok" } else { "down" }));
    }
    if before.is_link_up != after.is_link_up {
        let state = if after.is_link_up { "in sync" } else { "out of sync" };
        lines.push(format!("{port} is {state} with its primary"));
    }
    lines
}

/// How far a replica is behind, in words: empty for a primary.
pub fn lag(status: &Status, statuses: &[Option<Status>]) -> String {
    let offset_of =
        |id: &str| statuses.iter().flatten().find(|status| status.view.id == id).map(|status| status.offset);
    match &status.view.own().primary {
        None => String::new(),
        Some(_) if !status.is_link_up => "no link".into(),
        Some(primary) => offset_of(primary)
            .map_or(String::new(), |ahead| format!("{} B", ahead.saturating_sub(status.offset))),
    }
}

/// How many slots a node serves, in words: empty for a replica.
pub fn slots(status: &Status) -> String {
    let own = status.view.own();
    if own.primary.is_some() { String::new() } else { own.slot_count().to_string() }
}

/// The table of all nodes, a line each.
pub fn table(addresses: &[SocketAddr], statuses: &[Option<Status>]) -> String {
    let mut text = format!("  {:<22} {:<34} {:>6} {:>14} {:>8}\n", "node", "role", "slots", "offset", "lag");
    for (address, status) in addresses.iter().zip(statuses) {
        let address = address.to_string();
        let Some(status) = status else {
            text.push_str(&format!("  {address:<22} does not answer\n"));
            continue;
        };
        text.push_str(&format!(
            "  {address:<22} {:<34} {:>6} {:>14} {:>8}\n",
            role(status),
            slots(status),
            status.offset,
            lag(status, statuses)
        ));
    }
    text
}

/// True when all nodes answer, see the cluster as ok, and every replica is in sync.
pub fn is_whole(statuses: &[Option<Status>]) -> bool {
    statuses
        .iter()
        .all(|status| status.as_ref().is_some_and(|status| status.is_cluster_ok && status.is_link_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-100\n";
    const REPLICA: &str = "a1 127.0.0.1:7001@17001 myself,slave b2 0 0 1 connected\n\
                           b2 127.0.0.1:7004@17004 master - 0 0 2 connected 0-100\n";

    #[test]
    fn a_change_of_role_is_told() {
        let primary =
            status(NODES, "cluster_state:ok\r\n", "role:master\r\nmaster_repl_offset:5\r\n").unwrap();
        let replica =
            status(REPLICA, "cluster_state:ok\r\n", "master_link_status:up\r\nslave_repl_offset:9\r\n")
                .unwrap();
        assert_eq!(primary.offset, 5);
        assert_eq!(
            changes(7001, Some(&primary), Some(&replica)),
            ["7001 is now replica of 7004 (was primary of 0-100)"]
        );
        assert_eq!(changes(7001, Some(&primary), None), ["7001 does not answer"]);
        assert!(is_whole(&[Some(replica)]));
        assert!(!is_whole(&[Some(primary), None]));
    }
}
